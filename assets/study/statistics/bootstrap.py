"""Intervals of two-sample effects by a bootstrap in which owners are drawn with all they own.

Belongs here: the draws, and what they say of each effect. Does not belong here: the effects
themselves (`two_sample`), the table that is drawn from (`owner_table`), how owners left out move an
effect (`jackknife`), intervals without draws (`middles`), means of one sample under its design
(`assets.study.resampling`).

A draw multiplies all that an owner has by one exponential number (Rubin 1981; of clusters: Field
and Welsh 2007). Such numbers were chosen over counts of owners drawn with replacement as no draw
loses a group or its middle, and as their skewness lengthens intervals on the side of a heavy tail,
where percentiles are too short. Under a design the numbers are centred within strata and shrunk by
the finite population correction, as in `assets.study.resampling`.

Where owners are few, or a few have most, resampling varies less than samples do, and how much they
do is hardly known. The percentiles' distances from the effect are therefore stretched, on a scale
on which effects are symmetric (atanh, logarithm): by the standard error of the jackknife, which
leaves out an owner at a time, over that of the draws to first order, and by Student's t over the
normal quantile. Its degrees of freedom fall where few owners make up most of the variance (as
Hesterberg's expanded percentiles, 2015, with the variance and the degrees that clusters ask for:
Bell and McCaffrey 2002; Imbens and Kolesar 2016). With many owners nothing is stretched.

Intervals of middles that hang on a share need no draws: they are the values at which the share may
be one half, by the same jackknife (`middles`).

What a draw needs is the weight of each distinct value, a product of the table of values by owners
with the owners' numbers. That table is made once for all features and both groups, so that they
share the draws.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from assets.study.statistics.jackknife import (
    LEAST,
    LEVEL,
    Spread,
    compared,
    moved_by,
    moved_means,
    rank_slopes,
    spread_of_share,
    unseen_of,
)
from assets.study.statistics.mid_distribution import Holds
from assets.study.statistics.middles import (
    Interval,
    mid_difference,
    middles_of,
    ratios_of_medians,
)
from assets.study.statistics.owner_table import Group, OwnerTable, Part, table_of, units_of
from assets.study.statistics.two_sample import EFFECTS, SMALLEST_P_VALUE, Differences
from assets.study.statistics.values import Floats, Ints

DRAWS = 2000
# Fewer owners of a group tell too little of how owners differ.
LEAST_CLUSTERS = 8
# Owners by which two groups must overlap: the share of pairs that ties or goes the other way,
# times the owners of the smaller group.
LEAST_OVERLAP = 2.0
# Numbers of owners are drawn for so many draws at a time.
BLOCK = 16
# Weights of blocks that are looked at together: enough for vectors, few enough for caches.
WIDE = 2**16
# Points at which a draw's differences are counted, and how far they reach in standard errors.
POINTS = 33
REACH = 6.0


@dataclass(frozen=True)
class Intervals:
    """Of one feature.

    Attributes:
        effects: by the names of `two_sample.EFFECTS`.
        p_value: two-sided, of no tendency to be larger: of t, Cliff's delta on the scale of the
            inverse hyperbolic tangent over its standard error there. None where the groups, or
            those of a draw, do not overlap, or with fewer than `LEAST_CLUSTERS` owners.
        first_clusters: owners in the first group with a known value.
        second_clusters: likewise.
        draws: that the intervals rest on.
    """

    effects: Mapping[str, Interval]
    p_value: float | None
    first_clusters: int
    second_clusters: int
    draws: int


def clustered_bootstrap(
    first: Group,
    second: Group,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    has_common_clusters: bool = False,
) -> list[Intervals]:
    """Stretched percentile intervals of all effects of a first against a second group.

    They cover what they state from ten owners a group on (`bench.statistics` simulates it). The
    difference and the ratio of medians move in steps, on whole numbers in large ones, so that their
    intervals cover more often, and say so; those of mid-medians do not. The latter and the ratio
    are not of draws but of shares that may be one half (Woodruff 1952).
    An end that is missing has its reason: there is no interval with fewer than `LEAST_CLUSTERS`
    owners in a group, where the groups do not overlap, or of means whose tail was not seen or is
    heavy (`unseen_tail`) and is not taken whole by a design; and a ratio whose denominator may be
    zero has no upper end.

    Args:
        first: with as many features as the second.
        second: likewise.
        draws: a multiple of 16 is made, this many at least.
        seed: of the draws.
        has_common_clusters: whether a cluster's name means the same owner in both groups, who is
            then drawn for both at once.

    Returns:
        One for each feature, in order.

    Raises:
        PermanentFailure: a value is infinite or not a number; a weight is unknown or below zero;
            numbers of units or features differ.
    """
    units = units_of(first, second, has_common_clusters)
    table, parts = table_of(units)
    pairs = list(zip(*parts, strict=True))
    counters = [_Counter.of(table, *pair) if _is_measurable(pair) else None for pair in pairs]
    found: list[list[dict[str, Floats]]] = [[] for _ in pairs]
    rng = np.random.default_rng(seed)
    blocks = -(-draws // BLOCK)
    wide = max(1, WIDE // (BLOCK * max(table.shape)))
    for first_block in range(0, blocks, wide):
        block = table.draw(rng, BLOCK, min(wide, blocks - first_block))
        for counter, kept in zip(counters, found, strict=True):
            if counter is not None:
                kept.append(counter.effects(block))
    return [
        _intervals(pair, counter, kept, BLOCK * blocks)
        for pair, counter, kept in zip(pairs, counters, found, strict=True)
    ]


@dataclass(frozen=True)
class _Counter:
    """What is the same in all draws of a feature.

    Attributes:
        left: (K,) for each value of the first, how many of the second's are below.
        right: (K,) how many are not above.
        points: (P,) differences among which the middle one of a draw is looked for.
        reach: (P, K) for each, how many of the second's values are below the first's less it.
        is_complete: whether no difference lies between the points.
        plain: each effect of the sample itself.
        spreads: of each effect.
        of_shares: intervals that are not of draws.
        holds: what the interval of the middle difference holds.
        tail: why there is none of the ratio of means.
    """

    first: Part
    second: Part
    left: Ints
    right: Ints
    points: Floats
    reach: Ints
    is_complete: bool
    plain: Mapping[str, float]
    spreads: Mapping[str, "Spread"]
    of_shares: Mapping[str, Interval] = field(default_factory=dict)
    holds: Holds = "nominal"
    tail: str | None = None

    @classmethod
    def of(cls, table: OwnerTable, first: Part, second: Part) -> "_Counter":
        left = np.searchsorted(second.value, first.value, "left")
        right = np.searchsorted(second.value, first.value, "right")
        search = Differences(first.counted, second.counted)
        points, is_complete = _points(table, first, second, search)
        reach = np.stack([
            np.searchsorted(second.value, first.value - point, "left") for point in points
        ])  # fmt: skip
        made = cls(first, second, left, right, points, reach, is_complete, {}, {})
        own = made.effects(table.weighed(np.ones((table.shape[1], 1))))
        plain = {name: float(found[0]) for name, found in own.items()}
        spreads = dict.fromkeys(
            plain, spread_of_share(table, first, second, rank_slopes(first, second, 0.0))
        )
        middle = rank_slopes(first, second, plain["hodges_lehmann"])
        spreads["hodges_lehmann"] = spread_of_share(table, first, second, middle)
        moved, without = moved_means(table, first, second)
        unseen = [unseen_of(table, part) for part in (first, second)]
        beyond = sum(one.square for one in unseen)
        of_means = spreads["ratio_of_means"] = compared(first, second, moved, without, beyond)
        # Of what does not vary nothing is unseen.
        told = [one.reason for one in unseen if math.isfinite(of_means.degrees)]
        difference, how = mid_difference(table, first, second, search)
        medians, mid_medians = ratios_of_medians(table, first, second)
        return replace(
            made,
            plain=plain,
            spreads=spreads,
            of_shares={
                "ratio_of_medians": medians,
                "mid_hodges_lehmann": difference,
                "ratio_of_mid_medians": mid_medians,
            },
            holds=how,
            tail=next(filter(None, told), None),
        )

    def effects(self, block: Floats) -> dict[str, Floats]:
        """Each effect in each draw of a block."""
        mine, other = block[self.first.rows], block[self.second.rows]
        weight, total = mine[:-1], mine[-1]
        others, other_total = other[:-1], other[-1]
        below = np.zeros((others.shape[0] + 1, others.shape[1]))
        np.cumsum(others, axis=0, out=below[1:])
        size, other_size = weight.sum(axis=0), below[-1]
        ahead = np.einsum("kb,kb->b", weight, below[self.left] + below[self.right] - other_size)
        delta = np.clip(ahead / (size * other_size), -1, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            means = (total / size) / (other_total / other_size)
        return {
            "cliffs_delta": delta,
            "vargha_delaney_a": (1 + delta) / 2,
            "hodges_lehmann": self._middle(weight, below, size * other_size),
            "ratio_of_means": means,
        }

    def _middle(self, weight: Floats, below: Floats, pairs: Floats) -> Floats:
        """The middle difference of each draw."""
        # A difference is above a point where the second's value is below the first's less it.
        shares = np.stack([
            1 - np.einsum("kb,kb->b", weight, below[reach]) / pairs for reach in self.reach
        ])  # fmt: skip
        if self.is_complete:
            return middles_of(self.points, shares)
        at = np.minimum((shares < 0.5).sum(axis=0), self.points.size - 1)
        upper = self.points[at]
        column = np.arange(at.size)
        before = np.maximum(at - 1, 0)
        low, high = shares[before, column], shares[at, column]
        rise = np.where(high > low, high - low, 1.0)
        step = np.clip((high - 0.5) / rise, 0.0, 1.0)
        middle: Floats = upper - step * (upper - self.points[before])
        return middle


def _points(
    table: OwnerTable, first: Part, second: Part, search: Differences
) -> tuple[Floats, bool]:
    """Where the middle differences of draws are expected; whether all there is lies among them."""
    slopes = rank_slopes(first, second, search.quantile(0.5))
    mine, other = moved_by(table, first, second, slopes)
    influence = mine + other
    reach = REACH * float(np.sqrt((influence**2).sum()))
    low, high = (search.quantile(min(max(0.5 + far, LEAST), 1.0)) for far in (-reach, reach))
    if low == high:
        return np.array([low], dtype=np.float64), True
    if first.value.size * second.value.size <= POINTS * POINTS * 8:
        every = np.unique(np.subtract.outer(first.value, second.value))
        every = every[(every >= low) & (every <= high)]
        if every.size <= POINTS:
            return every, True
    elif high - low < POINTS and all((part.value % 1 == 0).all() for part in (first, second)):
        return np.arange(low, high + 1, dtype=np.float64), True
    between = np.quantile(search.drawn_between(low, high), np.linspace(0, 1, POINTS - 1))
    return np.unique(np.concatenate([[low], between, [high]])), False


def _is_measurable(pair: tuple[Part, Part]) -> bool:
    return all(part.clusters >= LEAST_CLUSTERS for part in pair)


def _intervals(
    pair: tuple[Part, Part],
    counter: _Counter | None,
    blocks: list[dict[str, Floats]],
    draws: int,
) -> Intervals:
    clusters = [part.clusters for part in pair]
    if counter is None:
        few = Interval(reason=f"a side has fewer than {LEAST_CLUSTERS} owners")
        return Intervals(dict.fromkeys(EFFECTS, few), None, clusters[0], clusters[1], 0)
    found = {name: np.concatenate([block[name] for block in blocks]) for name in counter.plain}
    made = {
        name: _interval(found[name], counter.plain[name], counter.spreads[name], SCALES[name])
        for name in counter.plain
    }
    if made["hodges_lehmann"].low is not None:
        made["hodges_lehmann"] = replace(made["hodges_lehmann"], interval_is=counter.holds)
    made |= counter.of_shares
    made |= _too_few(pair, counter)
    return Intervals(
        effects=made,
        p_value=_p_value(counter, found["cliffs_delta"]),
        first_clusters=clusters[0],
        second_clusters=clusters[1],
        draws=draws,
    )


def _too_few(pair: tuple[Part, Part], counter: _Counter) -> dict[str, Interval]:
    """Effects that hardly any owner makes: how others would differ is not seen in these."""
    found = {}
    if counter.tail is not None:
        found["ratio_of_means"] = Interval(reason=f"on a side {counter.tail}")
    if min(part.carriers for part in pair) < LEAST_CLUSTERS:
        told = f"on a side fewer than {LEAST_CLUSTERS} owners have anything but zero"
        found["ratio_of_means"] = Interval(reason=told)
    overlap = (1 - abs(counter.plain["cliffs_delta"])) * min(part.clusters for part in pair)
    if overlap < LEAST_OVERLAP:
        apart = Interval(reason="the groups overlap in hardly any owner")
        found |= dict.fromkeys(("cliffs_delta", "vargha_delaney_a"), apart)
    return found


@dataclass(frozen=True)
class _Scale:
    """On which an effect's draws lie about alike to both sides.

    Attributes:
        there: from the effect to the scale.
        back: from the scale to the effect.
    """

    there: Callable[[Any], Any]
    back: Callable[[Any], Any]


_PLAIN = _Scale(np.asarray, float)

_LOG = _Scale(np.log, np.exp)

SCALES: Mapping[str, _Scale] = {
    "cliffs_delta": _Scale(np.arctanh, np.tanh),
    "vargha_delaney_a": _Scale(lambda a: np.arctanh(2 * a - 1), lambda z: (1 + np.tanh(z)) / 2),
    "hodges_lehmann": _PLAIN,
    "ratio_of_means": _LOG,
}


def _interval(draws: Floats, plain: float, spread: Spread, scale: _Scale) -> Interval:
    """Percentiles of draws, their distance from the sample's own effect stretched."""
    if not math.isfinite(plain) or np.isnan(draws).any():
        return Interval(reason="the denominator is zero")
    tail = (1 - LEVEL) / 2
    # Ends are values of draws: between two steps of an effect on whole numbers there is none.
    low = float(np.quantile(draws, tail, method="lower"))
    high = float(np.quantile(draws, 1 - tail, method="higher"))
    with np.errstate(divide="ignore"):
        # There is no logarithm of a sum of both signs, no atanh of groups wholly apart.
        is_off = scale is _LOG and (plain <= 0 or low < 0)
        if is_off or not math.isfinite(scale.there(plain)):
            scale = _PLAIN
        middle = float(scale.there(plain))
        ends = [
            middle + spread.stretch * min(0.0, float(scale.there(low)) - middle),
            middle + spread.stretch * max(0.0, float(scale.there(high)) - middle),
        ]
    low, high = (float(scale.back(end)) for end in ends)
    if not np.isfinite(draws).all():
        why = "the denominator is zero in some of the draws"
        return Interval(low, None, None, why, "nominal")
    error = spread.more * float(np.std(draws, ddof=1))
    return Interval(min(low, plain), max(high, plain), error, None, "nominal")


def _p_value(counter: _Counter, deltas: Floats) -> float | None:
    from scipy.stats import t

    delta, spread = counter.plain["cliffs_delta"], counter.spreads["cliffs_delta"]
    if abs(delta) >= 1 or float(np.abs(deltas).max()) >= 1:
        return None
    error = spread.more * float(np.std(np.arctanh(deltas), ddof=1))
    if error == 0:
        return None
    far = abs(math.atanh(delta)) / error
    return max(float(2 * t.sf(far, spread.degrees)), SMALLEST_P_VALUE)
