"""Intervals of two-sample effects by a bootstrap in which owners are drawn with all they own.

Belongs here: the draws, and what they say of each effect. Does not belong here: the effects
themselves (`two_sample`), means of one sample under its design (`assets.study.resampling`).

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
be one half, by the same jackknife (Woodruff 1952; `mid_distribution` of those without steps).

What a draw needs is the weight of each distinct value, a product of the table of values by owners
with the owners' numbers. That table is made once for all features and both groups, so that they
share the draws.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assets.study.estimators import Sample
from assets.study.statistics.concentration import UnseenTail, unseen_tail
from assets.study.statistics.mid_distribution import (
    Holds,
    below,
    holds,
    mid_places,
    mid_quantiles,
)
from assets.study.statistics.two_sample import (
    EFFECTS,
    SMALLEST_P_VALUE,
    TOLERANCE,
    Beside,
    Differences,
    owner_numbers,
)
from assets.study.statistics.values import Floats, Frequencies, Ints
from orchestration.failures import PermanentFailure

if TYPE_CHECKING:
    from scipy.sparse import csc_array

DRAWS = 2000
LEVEL = 0.95
# Fewer owners of a group tell too little of how owners differ.
LEAST_CLUSTERS = 8
# Owners by which two groups must overlap: the share of pairs that ties or goes the other way,
# times the owners of the smaller group.
LEAST_OVERLAP = 2.0
# Draws made at a time: wide enough for vectors, narrow enough for caches and memory.
BLOCK = 16
# Most distinct values of a feature of a group in the draws: neighbours are taken together above,
# each as heavy as a tenth of the standard error of a share, or lighter.
MOST_VALUES = 2**14
# Points at which a draw's differences are counted, and how far they reach in standard errors.
POINTS = 33
REACH = 6.0
# At which the ratio of medians is looked at, around an ellipse of shares.
ANGLES = 256
# In place of a share of nothing: the smallest difference.
LEAST = 1e-9


@dataclass(frozen=True)
class Group:
    """One of the two samples.

    Attributes:
        values: (n,) one feature, or (n, f) several that share the draws; NaN is unknown and leaves
            the unit out of that feature only.
        weight: (n,) how many units each stands for; by default the sample's weights, or one.
            Units of weight zero are left out.
        cluster: (n,) owner of each unit, text or whole numbers; by default, and where it is None,
            a unit is alone.
        sample: the design the units were drawn by; by default they are all there is.
        unheld: why the design may leave large units to chance; None: it takes them whole.
    """

    values: ArrayLike
    weight: ArrayLike | None = None
    cluster: ArrayLike | None = None
    sample: Sample | None = None
    unheld: str | None = None


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


@dataclass(frozen=True)
class _Units:
    """A group as arrays, its owners as numbers from 0."""

    values: Floats
    weight: Floats
    owner: Ints
    sample: Sample | None
    unheld: str | None


@dataclass(frozen=True)
class _Part:
    """A feature of a group: where its values lie in the table, and its distinct values.

    Attributes:
        value: (K,) ascending.
        weight: (K,) of the sample itself.
        rows: of the table: K for the values, and one for the weighted sum.
        clusters: owners.
        carriers: owners with anything but zero.
        is_drawn: whether a design says how it varies.
        unheld: why it may leave large units to chance.
    """

    value: Floats
    weight: Floats
    rows: slice
    clusters: int
    carriers: int
    is_drawn: bool
    unheld: str | None

    @property
    def counted(self) -> Frequencies:
        """The values as a sample of their own."""
        return Frequencies(self.value, self.weight, self.value.size)


@dataclass(frozen=True)
class _Table:
    """Weights by value (rows) and owner (columns), and the same by value and stratum.

    Attributes:
        by_owner: (R + H, O) the last H rows are the mean number of each stratum of the designs.
        by_stratum: (R, H).
        spread: (H,) by how much a stratum's numbers are stretched.
        owners: (R + H,) number of owners in each row.
    """

    by_owner: "csc_array"
    by_stratum: "csc_array"
    spread: Floats
    owners: Ints

    @property
    def shape(self) -> tuple[int, int]:
        """Rows without those of strata, and owners."""
        return self.by_owner.shape[0] - self.spread.size, self.by_owner.shape[1]

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """(R, count) weights of a block of draws."""
        return self.weighed(rng.standard_exponential((self.shape[1], count)))

    def weighed(self, numbers: Floats) -> Floats:
        """(R, count) weights, with (O, count) numbers of the owners; of ones the sample's own."""
        found: Floats = self.by_owner @ numbers
        if not self.spread.size:
            return found
        rows = self.shape[0]
        rest: Floats = self.by_stratum @ (1 - self.spread[:, None] * found[rows:])
        return found[:rows] + rest

    def moved(self, slope: Floats) -> Floats:
        """(O,) how much a sum of weights, each (R,) with its slope, moves with owners' numbers."""
        rows = np.concatenate([slope, np.zeros(self.spread.size)])
        if self.spread.size:
            rows[slope.size :] = -self.spread * (slope @ self.by_stratum)
        found: Floats = rows @ self.by_owner
        return found


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
    units = _units(first, second, has_common_clusters)
    table, parts = _table(units)
    pairs = list(zip(*parts, strict=True))
    counters = [_Counter.of(table, *pair) if _is_measurable(pair) else None for pair in pairs]
    found: list[list[dict[str, Floats]]] = [[] for _ in pairs]
    rng = np.random.default_rng(seed)
    for _ in range(-(-draws // BLOCK)):
        block = table.draw(rng, BLOCK)
        for counter, kept in zip(counters, found, strict=True):
            if counter is not None:
                kept.append(counter.effects(block))
    return [
        _intervals(pair, counter, kept, BLOCK * -(-draws // BLOCK))
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

    first: _Part
    second: _Part
    left: Ints
    right: Ints
    points: Floats
    reach: Ints
    is_complete: bool
    plain: Mapping[str, float]
    spreads: Mapping[str, "_Spread"]
    of_shares: Mapping[str, Interval] = field(default_factory=dict)
    holds: Holds = "nominal"
    tail: str | None = None

    @classmethod
    def of(cls, table: _Table, first: _Part, second: _Part) -> "_Counter":
        left = np.searchsorted(second.value, first.value, "left")
        right = np.searchsorted(second.value, first.value, "right")
        points, is_complete = _points(table, first, second)
        reach = np.stack([
            np.searchsorted(second.value, first.value - point, "left") for point in points
        ])  # fmt: skip
        made = cls(first, second, left, right, points, reach, is_complete, {}, {})
        own = made.effects(table.weighed(np.ones((table.shape[1], 1))))
        plain = {name: float(found[0]) for name, found in own.items()}
        spreads = dict.fromkeys(
            plain, _spread(table, first, second, _rank_slopes(first, second, 0.0))
        )
        middle = _rank_slopes(first, second, plain["hodges_lehmann"])
        spreads["hodges_lehmann"] = _spread(table, first, second, middle)
        moved, without = _moved_means(table, first, second)
        unseen = [_unseen_tail(table, part) for part in (first, second)]
        beyond = sum(one.square for one in unseen)
        of_means = spreads["ratio_of_means"] = _compared(first, second, moved, without, beyond)
        # Of what does not vary nothing is unseen.
        told = [one.reason for one in unseen if math.isfinite(of_means.degrees)]
        difference, how = _mid_difference(table, first, second)
        medians, mid_medians = _ratios_of_medians(table, first, second)
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
            return _middles(self.points, shares)
        at = np.minimum((shares < 0.5).sum(axis=0), self.points.size - 1)
        upper = self.points[at]
        column = np.arange(at.size)
        before = np.maximum(at - 1, 0)
        low, high = shares[before, column], shares[at, column]
        rise = np.where(high > low, high - low, 1.0)
        step = np.clip((high - 0.5) / rise, 0.0, 1.0)
        middle: Floats = upper - step * (upper - self.points[before])
        return middle


def _points(table: _Table, first: _Part, second: _Part) -> tuple[Floats, bool]:
    """Where the middle differences of draws are expected; whether all there is lies among them."""
    search = Differences(first.counted, second.counted)
    slopes = _rank_slopes(first, second, search.quantile(0.5))
    mine, other = _moved(table, first, second, slopes)
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


Slopes = tuple[Floats, Floats]
Side = Literal["left", "right"]


@dataclass(frozen=True)
class _Spread:
    """How much more an effect varies than its draws do.

    Attributes:
        more: standard error of the jackknife over that of the draws, to first order.
        degrees: of freedom of the former.
    """

    more: float
    degrees: float

    @property
    def quantile(self) -> float:
        """Of Student's t, for an interval of 95 %."""
        from scipy.special import stdtrit

        # Beyond, it is the normal one but for rounding.
        return float(stdtrit(min(self.degrees, 1e9), (1 + LEVEL) / 2))

    @property
    def stretch(self) -> float:
        """Of the distance of a percentile."""
        from scipy.special import ndtri

        return self.more * self.quantile / float(ndtri((1 + LEVEL) / 2))


def _rank_slopes(first: _Part, second: _Part, bound: float) -> Slopes:
    """For each value of either, what a little of its weight adds to the share up to a bound."""
    mine = 1 - _share(second, first.value - bound, "left")
    other = _share(first, second.value + bound, "right")
    share = float(first.weight @ mine) / float(first.weight.sum())
    return (mine - share) / first.weight.sum(), (other - share) / second.weight.sum()


def _mean_slopes(first: _Part, second: _Part) -> Slopes:
    """For each value of either, what a little of its weight adds to the log ratio of means."""
    mine, other = (
        # Without a mean there is no ratio either.
        part.value / (float(part.weight @ part.value) or math.inf) - 1 / part.weight.sum()
        for part in (first, second)
    )
    return mine, -other


def _moved(table: _Table, first: _Part, second: _Part, slopes: Slopes) -> tuple[Floats, Floats]:
    """(O,) by how much each owner's number moves an effect, by what it has in either group."""
    found = []
    for part, slope in zip((first, second), slopes, strict=True):
        rows = np.zeros(table.shape[0])
        rows[part.rows][:-1] = slope
        found.append(table.moved(rows))
    return found[0], found[1]


def _spread(table: _Table, first: _Part, second: _Part, slopes: Slopes) -> _Spread:
    """Of an effect that is a share."""
    moved = _moved(table, first, second, slopes)
    return _compared(first, second, moved, _given_back(table, first, second, moved))


def _given_back(table: _Table, first: _Part, second: _Part, moved: Slopes) -> list[Floats]:
    """(O,) for each group, by how much a share is another without the owner who pulled at it."""
    return [
        by if part.is_drawn else by / _left(table, part)
        for part, by in zip((first, second), moved, strict=True)
    ]


def _moved_means(table: _Table, first: _Part, second: _Part) -> tuple[Slopes, list[Floats]]:
    """Of the ratio of means: the jackknife of its logarithm, which a heavy tail makes skewed."""
    moved = _moved(table, first, second, _mean_slopes(first, second))
    without = []
    for part, by, sign in zip((first, second), moved, (1, -1), strict=True):
        left = _left(table, part)
        rows = np.zeros(table.shape[0])
        rows[part.rows.stop - 1] = 1
        total = float(part.weight @ part.value)
        rest = 1 - table.moved(rows) / total if total else np.zeros(left.size)
        if part.is_drawn or not (rest > 0).all():
            without.append(by if part.is_drawn else by / left)
        else:
            without.append(-sign * np.log(rest / left))
    return moved, without


def _mid_difference(table: _Table, first: _Part, second: _Part) -> tuple[Interval, Holds]:
    """Interval of the middle of the differences' mid-distribution, where it may be one half.

    Returns:
        With what that of the middle difference holds, which moves in steps.
    """
    search = Differences(first.counted, second.counted)
    middle = search.beside(search.quantile(0.5))
    slopes = _beside_slopes(first, second, middle)
    moved = _moved(table, first, second, slopes)
    without = _given_back(table, first, second, moved)
    error = float(np.linalg.norm(np.sum(_scaled(first, second, without), axis=0)))
    quantile = _compared(first, second, moved, without).quantile
    levels = 0.5 - quantile * error, 0.5 + quantile * error
    sides = [search.beside(search.quantile(min(max(level, LEAST), 1.0))) for level in levels]
    low, high = (side.quantile(level) for side, level in zip(sides, levels, strict=True))
    step = max(float((one.up_to - one.below).max()) for one in (*sides, middle))
    found = Interval(low, high, (high - low) / (2 * quantile), None, "nominal")
    return found, holds(step, error)


def _beside_slopes(first: _Part, second: _Part, middle: Beside) -> Slopes:
    """For each value of either, what a little of its weight adds to the share below the middle."""
    mine, other = np.zeros(first.value.size), np.zeros(second.value.size)
    for bound, part in zip(middle.value, middle.parts(0.5), strict=True):
        # Half of what is there, all of what is below.
        near = middle.near
        mine += part / 2 * (1 - _share(second, first.value - bound - near, "left"))
        mine += part / 2 * (1 - _share(second, first.value - bound + near, "right"))
        other += part / 2 * _share(first, second.value + bound + near, "right")
        other += part / 2 * _share(first, second.value + bound - near, "left")
    mine -= first.weight @ mine / first.weight.sum()
    other -= second.weight @ other / second.weight.sum()
    return mine / first.weight.sum(), other / second.weight.sum()


def _ratios_of_medians(table: _Table, first: _Part, second: _Part) -> tuple[Interval, Interval]:
    """Intervals of the ratio of medians and of that of mid-medians.

    Woodruff's (1952) interval of one median holds whatever steps its sample makes. Of two, the
    shares lie in an ellipse, on the edge of which the ratio has its ends: where both medians are
    near a step, percentiles of draws pass the steps of either too seldom. Where there are no steps,
    the ratio is that of mid-medians.
    """
    parts = (first, second)
    mid, of_mid = _ratio_of_mid_medians(table, first, second)
    centre = [
        float(_middles(part.value, np.cumsum(part.weight)[:, None] / part.weight.sum())[0])
        for part in parts
    ]
    # Whether a median may be more is told by those up to it, whether less by those below it.
    up_to = [part.value <= one for part, one in zip(parts, centre, strict=True)]
    less = [part.value < one for part, one in zip(parts, centre, strict=True)]
    most, fewest = (
        [_at(part, 0.5 + far) for part, far in
         zip(parts, _shares(table, first, second, inside).edge, strict=True)]
        for inside in ((up_to[0], less[1]), (less[0], up_to[1]))
    )  # fmt: skip
    steps = [_step(table, *one) for one in zip(parts, fewest, most, strict=True)]
    if {holds(*one) for one in zip(steps, mid.errors, strict=True)} == {"nominal"}:
        return _holding(of_mid, centre), of_mid
    return _ratio_ends(centre, most, fewest, "at_least"), of_mid


def _ratio_of_mid_medians(table: _Table, first: _Part, second: _Part) -> tuple["_Shares", Interval]:
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
    return Interval(low, high, (high - low) / (2 * _Spread(1.0, math.inf).quantile), None, how)


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


def _shares(table: _Table, first: _Part, second: _Part, inside: Sequence[Any]) -> _Shares:
    """Of the shares that lie inside.

    Args:
        inside: (K,) for either group, how much of each value.
    """
    slopes = []
    for part, share, sign in zip((first, second), inside, (1, -1), strict=True):
        size = part.weight.sum()
        slopes.append(sign * (share - part.weight @ share / size) / size)
    moved = _moved(table, first, second, (slopes[0], slopes[1]))
    without = _given_back(table, first, second, moved)
    pulls = np.stack(_scaled(first, second, without))
    squares = pulls @ pulls.T
    values, axes = np.linalg.eigh(squares)
    angle = np.linspace(0, 2 * math.pi, ANGLES, endpoint=False)
    edge = np.stack([np.cos(angle), np.sin(angle)]) * np.sqrt(np.maximum(values, 0))[:, None]
    quantile = _compared(first, second, moved, without).quantile
    far = quantile * (axes @ edge)
    errors = np.sqrt(np.diag(squares))
    return _Shares(errors, bool(squares[0, 1]), quantile, (far[0], -far[1]))


def _step(table: _Table, part: _Part, fewest: Floats, most: Floats) -> float:
    """Largest share that a value of several owners has between the ends."""
    low, high = min(fewest.min(), most.min()), max(fewest.max(), most.max())
    share = part.weight / part.weight.sum()
    # Values that were taken together weigh less than that.
    tied = (table.owners[part.rows][:-1] > 1) & (share > 2 / MOST_VALUES)
    return float(share[tied & (part.value >= low) & (part.value <= high)].max(initial=0.0))


def _at(part: _Part, levels: Floats) -> Floats:
    """The smallest values up to which these shares of a part lie."""
    shares = np.cumsum(part.weight) / part.weight.sum()
    at = np.searchsorted(shares, np.clip(levels, 0, 1) - TOLERANCE)
    found: Floats = part.value[np.minimum(at, shares.size - 1)]
    return found


def _unseen_tail(table: _Table, part: _Part) -> UnseenTail:
    """What is not seen of a part's tail, its square over that of the part's sum."""
    if part.is_drawn:
        return UnseenTail(part.unheld)
    rows = np.zeros(table.shape[0])
    rows[part.rows] = np.append(np.full(part.value.size, -_at(part, np.array([0.5]))[0]), 1.0)
    found = unseen_tail(table.moved(rows), part.clusters)
    total = float(part.weight @ part.value)
    return replace(found, square=found.square / total**2 if total else 0.0)


def _left(table: _Table, part: _Part) -> Floats:
    """(O,) share of a group's weight that is left without each owner."""
    rows = np.zeros(table.shape[0])
    rows[part.rows][:-1] = 1 / part.weight.sum()
    # Beyond rounding; a group of one owner has no interval.
    found: Floats = np.maximum(1 - table.moved(rows), LEAST)
    return found


def _compared(
    first: _Part,
    second: _Part,
    moved: Sequence[Floats],
    without: Sequence[Floats],
    beyond: float = 0.0,
) -> _Spread:
    """The jackknife's variance over that of draws.

    Degrees of freedom are Welch's, or as many equal normal owners as would estimate the variance
    as well (Satterthwaite 1946), if that is fewer.

    Args:
        moved: (O,) for each group, by how much each owner moves the effect.
        without: (O,) likewise, by how much it is another without the owner.
        beyond: variance that neither shows.
    """
    scaled = _scaled(first, second, without)
    squares = (scaled[0] + scaled[1]) ** 2
    of_draws, variance = float(((moved[0] + moved[1]) ** 2).sum()), float(squares.sum())
    if of_draws == 0 or variance == 0:
        return _Spread(1.0, math.inf)
    parts = [float((by**2).sum()) for by in scaled]
    each = zip(parts, (first, second), strict=True)
    welch = sum(parts) ** 2 / sum(part**2 / max(of.clusters - 1, 1) for part, of in each)
    alike = 3 * variance**2 / float((squares**2).sum())
    return _Spread(math.sqrt((variance + beyond) / of_draws), max(1.0, min(welch, alike)))


def _scaled(first: _Part, second: _Part, without: Sequence[Floats]) -> list[Floats]:
    """What of the jackknife sums to a variance."""
    return [
        by if part.is_drawn else by * math.sqrt((part.clusters - 1) / part.clusters)
        for part, by in zip((first, second), without, strict=True)
    ]


def _share(part: _Part, bounds: Floats, side: Side) -> Floats:
    """Share of a part below (left) or not above (right) each bound."""
    cumulated = np.concatenate([[0.0], np.cumsum(part.weight)])
    found: Floats = cumulated[np.searchsorted(part.value, bounds, side)] / cumulated[-1]
    return found


def _middles(value: Floats, shares: Floats) -> Floats:
    """Of each draw the value at which the share up to it reaches one half, or is passed."""
    reached, passed = (
        value[np.minimum((shares < 0.5 + slack).sum(axis=0), value.size - 1)]
        for slack in (-TOLERANCE, TOLERANCE)
    )
    middle: Floats = (reached + passed) / 2
    return middle


def _is_measurable(pair: tuple[_Part, _Part]) -> bool:
    return all(part.clusters >= LEAST_CLUSTERS for part in pair)


def _intervals(
    pair: tuple[_Part, _Part],
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


def _too_few(pair: tuple[_Part, _Part], counter: _Counter) -> dict[str, Interval]:
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


def _interval(draws: Floats, plain: float, spread: _Spread, scale: _Scale) -> Interval:
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


def _units(first: Group, second: Group, has_common_clusters: bool) -> list[_Units]:
    found = []
    for group in (first, second):
        values = _features(group.values)
        given = group.weight
        if given is None and group.sample is not None:
            given = group.sample.weight
        weight = np.ones(len(values)) if given is None else np.asarray(given, dtype=np.float64)
        sizes = {len(values), weight.size}
        sizes |= set() if group.sample is None else {group.sample.stratum.size}
        sizes |= set() if group.cluster is None else {len(np.asarray(group.cluster))}
        if len(sizes) > 1:
            raise PermanentFailure("Values, weights, clusters and the sample differ in number.")
        if not np.isfinite(weight).all() or (weight.size and float(weight.min()) < 0):
            raise PermanentFailure("A weight is unknown, infinite or below zero.")
        found.append((values, weight, group))
    if found[0][0].shape[1] != found[1][0].shape[1]:
        raise PermanentFailure("The groups differ in their number of features.")
    owners = _owners([(group.cluster, len(values)) for values, _, group in found],
                     has_common_clusters)  # fmt: skip
    return [
        _Units(values, weight, owner, group.sample, _unheld(group))
        for (values, weight, group), owner in zip(found, owners, strict=True)
    ]


def _unheld(group: Group) -> str | None:
    """Why large units may be left to chance, which nothing is of a census."""
    return None if group.sample is None or group.sample.is_census else group.unheld


def _features(values: ArrayLike) -> Floats:
    """(n, f) doubles, NaN where unknown."""
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PermanentFailure("Numbers expected.") from error
    if found.ndim == 1:
        found = found[:, None]
    if found.ndim != 2:
        raise PermanentFailure(f"One or two dimensions expected, got {found.ndim}.")
    if np.isinf(found).any():
        raise PermanentFailure("A value is infinite.", "Correct the model that made it.")
    return found


def _owners(clusters: list[tuple[ArrayLike | None, int]], has_common: bool) -> list[Ints]:
    """Owners of either group as numbers from 0, no number in both unless owners are common."""
    (first, count), (second, other) = clusters
    if has_common and first is not None and second is not None:
        together = np.concatenate([np.asarray(first), np.asarray(second)])
        everyone = owner_numbers(together, count + other)
        return [everyone[:count], everyone[count:]]
    mine, others = owner_numbers(first, count), owner_numbers(second, other)
    return [mine, others + int(mine.max(initial=-1)) + 1]


def _table(units: list[_Units]) -> tuple[_Table, list[list[_Part]]]:
    """The table of all features of both groups, and where each lies in it."""
    owners = 1 + max(int(group.owner.max(initial=-1)) for group in units)
    by_owner, by_stratum = _Entries(), _Entries()
    parts: list[list[_Part]] = []
    spreads: list[Floats] = []
    rows = strata = 0
    for group in units:
        stretch, stratum = np.ones(group.weight.size), None
        if group.sample is not None:
            drawn = np.maximum(group.sample.group_drawn, 2)
            spread = np.sqrt(group.sample.rest * drawn / (drawn - 1))
            stretch, stratum = spread[group.sample.group], group.sample.group + strata
            spreads.append(spread)
            strata += spread.size
        mine = []
        for values in group.values.T:
            known = ~np.isnan(values) & (group.weight > 0)
            value, weight = values[known], group.weight[known]
            distinct, held, at = _joined(value, weight)
            own = slice(rows, rows + distinct.size + 1)
            owner = group.owner[known]
            part = _Part(
                distinct, held, own, np.unique(owner).size, np.unique(owner[value != 0]).size,
                group.sample is not None, group.unheld,
            )  # fmt: skip
            at += rows
            total = np.full(at.size, part.rows.stop - 1)
            for row, size in ((at, weight), (total, weight * value)):
                by_owner.add(row, owner, size * stretch[known])
                if stratum is not None:
                    by_stratum.add(row, stratum[known], size)
            mine.append(part)
            rows = part.rows.stop
        parts.append(mine)
    _add_means(by_owner, units, rows)
    every = by_owner.table((rows + strata, owners))
    table = _Table(
        every,
        by_stratum.table((rows, strata)),
        np.concatenate([np.empty(0), *spreads]),
        np.bincount(every.indices, minlength=rows + strata),
    )
    return table, parts


def _joined(value: Floats, weight: Floats) -> tuple[Floats, Floats, Ints]:
    """The distinct values of a feature of a group with their weights, and each unit's place."""
    distinct, at = np.unique(value, return_inverse=True)
    held = np.bincount(at, weight, minlength=distinct.size).astype(np.float64)
    if distinct.size > MOST_VALUES:
        place = ((np.cumsum(held) - held) / held.sum() * MOST_VALUES).astype(np.int64)
        _, joined = np.unique(place, return_inverse=True)
        # The heaviest of those joined stands for them.
        order = np.lexsort((held, joined))
        last = np.flatnonzero(np.diff(joined[order], append=-1))
        distinct, at = distinct[order[last]], joined[at]
        held = np.bincount(joined, held).astype(np.float64)
    return distinct, held, at


def _add_means(by_owner: "_Entries", units: list[_Units], row: int) -> None:
    """A row for each stratum: the mean of its units' numbers."""
    for group in units:
        if group.sample is not None:
            each = 1 / np.maximum(group.sample.group_drawn, 1)
            by_owner.add(row + group.sample.group, group.owner, each[group.sample.group])
            row += each.size


class _Entries:
    """Entries of a table, collected piece by piece; those of a place are summed."""

    def __init__(self) -> None:
        self._pieces: list[tuple[NDArray[np.int32], NDArray[np.int32], Floats]] = []

    def add(self, row: Ints, column: Ints, value: Floats) -> None:
        self._pieces.append((row.astype(np.int32), column.astype(np.int32), value))

    def table(self, shape: tuple[int, int]) -> "csc_array":
        from scipy.sparse import coo_array

        if not self._pieces:
            return coo_array(shape).tocsc()
        row, column, value = (np.concatenate(part) for part in zip(*self._pieces, strict=True))
        return coo_array((value, (row, column)), shape=shape).tocsc()
