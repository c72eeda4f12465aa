"""Intervals of middles that hang on a share: the values at which the share may be one half.

Belongs here: the middle of the mid-distribution of differences, the ratio of medians and of
mid-medians (Woodruff 1952; Donner and Zou 2012). Does not belong here: intervals of draws
(`bootstrap`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from assets.study.statistics.jackknife import (
    LEAST,
    Slopes,
    Spread,
    compared,
    given_back,
    moved_by,
    scaled_to_variance,
    share_at,
    value_at,
)
from assets.study.statistics.mid_distribution import (
    Holds,
    below,
    holds,
    mid_places,
    mid_quantiles,
)
from assets.study.statistics.owner_table import MOST_VALUES, OwnerTable, Part
from assets.study.statistics.two_sample import TOLERANCE, Beside, Differences
from assets.study.statistics.values import Floats

# At which the ratio of medians is looked at, around an ellipse of shares.
ANGLES = 256


@dataclass(frozen=True)
class Interval:
    """95 % of an effect.

    Attributes:
        low: lower end; None: none can be made.
        high: upper end; None beside a lower one: the effect has no bound above.
        standard_error: None as well where it is not finite.
        reason: why an end is missing.
        interval_is: `nominal`, or `at_least`: it holds more than 95 %, as the effect moves in
            steps; None: there is none.
    """

    low: float | None = None
    high: float | None = None
    standard_error: float | None = None
    reason: str | None = None
    interval_is: Holds | None = None


def mid_difference(
    table: OwnerTable, first: Part, second: Part, search: Differences
) -> tuple[Interval, Holds]:
    """Interval of the middle of the differences' mid-distribution, where it may be one half.

    Args:
        search: the differences of both.

    Returns:
        With what that of the middle difference holds, which moves in steps.
    """
    middle = search.beside(search.quantile(0.5))
    slopes = _beside_slopes(first, second, middle)
    moved = moved_by(table, first, second, slopes)
    without = given_back(table, first, second, moved)
    error = float(np.linalg.norm(np.sum(scaled_to_variance(first, second, without), axis=0)))
    quantile = compared(first, second, moved, without).quantile
    levels = 0.5 - quantile * error, 0.5 + quantile * error
    sides = [search.beside(search.quantile(min(max(level, LEAST), 1.0))) for level in levels]
    low, high = (side.quantile(level) for side, level in zip(sides, levels, strict=True))
    step = max(float((one.up_to - one.below).max()) for one in (*sides, middle))
    found = Interval(low, high, (high - low) / (2 * quantile), None, "nominal")
    return found, holds(step, error)


def _beside_slopes(first: Part, second: Part, middle: Beside) -> Slopes:
    """For each value of either, what a little of its weight adds to the share below the middle."""
    mine, other = np.zeros(first.value.size), np.zeros(second.value.size)
    for bound, part in zip(middle.value, middle.parts(0.5), strict=True):
        # Half of what is there, all of what is below.
        near = middle.near
        mine += part / 2 * (1 - share_at(second, first.value - bound - near, "left"))
        mine += part / 2 * (1 - share_at(second, first.value - bound + near, "right"))
        other += part / 2 * share_at(first, second.value + bound + near, "right")
        other += part / 2 * share_at(first, second.value + bound - near, "left")
    mine -= first.weight @ mine / first.weight.sum()
    other -= second.weight @ other / second.weight.sum()
    return mine / first.weight.sum(), other / second.weight.sum()


def ratios_of_medians(table: OwnerTable, first: Part, second: Part) -> tuple[Interval, Interval]:
    """Intervals of the ratio of medians and of that of mid-medians.

    Woodruff's (1952) interval of one median holds whatever steps its sample makes. Of two, the
    shares lie in an ellipse, on the edge of which the ratio has its ends: where both medians are
    near a step, percentiles of draws pass the steps of either too seldom. Where there are no steps,
    the ratio is that of mid-medians.
    """
    parts = (first, second)
    mid, of_mid = _ratio_of_mid_medians(table, first, second)
    centre = [
        float(middles_of(part.value, np.cumsum(part.weight)[:, None] / part.weight.sum())[0])
        for part in parts
    ]
    # Whether a median may be more is told by those up to it, whether less by those below it.
    up_to = [part.value <= one for part, one in zip(parts, centre, strict=True)]
    less = [part.value < one for part, one in zip(parts, centre, strict=True)]
    most, fewest = (
        [value_at(part, 0.5 + far) for part, far in
         zip(parts, _shares(table, first, second, inside).edge, strict=True)]
        for inside in ((up_to[0], less[1]), (less[0], up_to[1]))
    )  # fmt: skip
    steps = [_step(table, *one) for one in zip(parts, fewest, most, strict=True)]
    if {holds(*one) for one in zip(steps, mid.errors, strict=True)} == {"nominal"}:
        return _holding(of_mid, centre), of_mid
    return _ratio_ends(centre, most, fewest, "at_least"), of_mid


def _ratio_of_mid_medians(
    table: OwnerTable, first: Part, second: Part
) -> tuple["_Shares", Interval]:
    """Interval of the ratio, from those of both mid-medians (Donner and Zou 2012).

    On a logarithmic scale the distance of an end is that of the two, squared and summed. The edge
    of an ellipse would find the roughest spot of either distribution and hold more than stated; it
    is for where a logarithm is none, and for owners in common, whose medians move together by ways
    up and down that differ in length.
    """
    parts = (first, second)
    centre = [float(mid_quantiles(part.value, part.weight, 0.5)) for part in parts]
    shares = _shares(table, first, second, [
        below(np.arange(part.value.size), float(mid_places(part.weight, 0.5))) for part in parts
    ])  # fmt: skip
    low, high = (
        [float(mid_quantiles(part.value, part.weight, 0.5 + sign * shares.quantile * error))
         for part, error in zip(parts, shares.errors, strict=True)]
        for sign in (-1, 1)
    )  # fmt: skip
    if shares.has_common or min(low) <= 0:
        edge = [mid_quantiles(part.value, part.weight, 0.5 + far)
                for part, far in zip(parts, shares.edge, strict=True)]  # fmt: skip
        return shares, _ratio_ends(centre, edge, edge, "nominal")
    down, up = np.log(centre) - np.log(low), np.log(high) - np.log(centre)
    plain = centre[0] / centre[1]
    ends = (
        plain * math.exp(-math.hypot(down[0], up[1])),
        plain * math.exp(math.hypot(up[0], down[1])),
    )
    error = (ends[1] - ends[0]) / (2 * shares.quantile)
    return shares, Interval(*ends, error, None, "nominal")


def _holding(interval: Interval, centre: Sequence[float]) -> Interval:
    """The interval with a ratio in it that is another by less than a step."""
    if interval.low is None or centre[1] == 0:
        return interval if centre[1] else Interval(reason="the denominator is zero")
    plain = centre[0] / centre[1]
    high = None if interval.high is None else max(interval.high, plain)
    return replace(interval, low=min(interval.low, plain), high=high)


def _ratio_ends(
    centre: Sequence[float], most: Sequence[Floats], fewest: Sequence[Floats], how: Holds
) -> Interval:
    """The least and the largest ratio.

    Args:
        centre: numerator and denominator.
        most: values of either on the edge where ratios are largest.
        fewest: likewise, where they are least.
    """
    if centre[1] == 0:
        return Interval(reason="the denominator is zero")
    under = np.concatenate([most[1], fewest[1]])
    plain = centre[0] / centre[1]
    if not ((under > 0).all() or (under < 0).all()):
        if min(float(most[0].min()), float(fewest[0].min()), float(under.min())) < 0:
            return Interval(reason="the denominator may be zero")
        known = fewest[1] != 0
        low = float((fewest[0][known] / fewest[1][known]).min(initial=plain))
        return Interval(low, None, None, "the denominator may be zero", how)
    low = min(plain, float((fewest[0] / fewest[1]).min()))
    high = max(plain, float((most[0] / most[1]).max()))
    return Interval(low, high, (high - low) / (2 * Spread(1.0, math.inf).quantile), None, how)


@dataclass(frozen=True)
class _Shares:
    """How two shares vary that are one half, one of either group.

    Attributes:
        errors: (2,) standard errors.
        has_common: whether some owners move both.
        quantile: of Student's t.
        edge: (ANGLES,) of either, how far it is from one half on the edge of an ellipse.
    """

    errors: Floats
    has_common: bool
    quantile: float
    edge: Slopes


def _shares(table: OwnerTable, first: Part, second: Part, inside: Sequence[Any]) -> _Shares:
    """Of the shares that lie inside.

    Args:
        inside: (K,) for either group, how much of each value.
    """
    slopes = []
    for part, share, sign in zip((first, second), inside, (1, -1), strict=True):
        size = part.weight.sum()
        slopes.append(sign * (share - part.weight @ share / size) / size)
    moved = moved_by(table, first, second, (slopes[0], slopes[1]))
    without = given_back(table, first, second, moved)
    pulls = np.stack(scaled_to_variance(first, second, without))
    squares = pulls @ pulls.T
    values, axes = np.linalg.eigh(squares)
    angle = np.linspace(0, 2 * math.pi, ANGLES, endpoint=False)
    edge = np.stack([np.cos(angle), np.sin(angle)]) * np.sqrt(np.maximum(values, 0))[:, None]
    quantile = compared(first, second, moved, without).quantile
    far = quantile * (axes @ edge)
    errors = np.sqrt(np.diag(squares))
    return _Shares(errors, bool(squares[0, 1]), quantile, (far[0], -far[1]))


def _step(table: OwnerTable, part: Part, fewest: Floats, most: Floats) -> float:
    """Largest share that a value of several owners has between the ends."""
    low, high = min(fewest.min(), most.min()), max(fewest.max(), most.max())
    share = part.weight / part.weight.sum()
    # Values that were taken together weigh less than that.
    tied = (table.owners[part.rows][:-1] > 1) & (share > 2 / MOST_VALUES)
    return float(share[tied & (part.value >= low) & (part.value <= high)].max(initial=0.0))


def middles_of(value: Floats, shares: Floats) -> Floats:
    """Of each draw the value at which the share up to it reaches one half, or is passed."""
    reached, passed = (
        value[np.minimum((shares < 0.5 + slack).sum(axis=0), value.size - 1)]
        for slack in (-TOLERANCE, TOLERANCE)
    )
    middle: Floats = (reached + passed) / 2
    return middle
