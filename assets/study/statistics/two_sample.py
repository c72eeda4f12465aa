"""Two samples compared.

Belongs here: the Mann-Whitney test, effect sizes and the permutation test of two samples of plain
numbers. Does not belong here: intervals by resampling (`bootstrap`), samples drawn by design
(`assets.study.estimators`).
"""

import math
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assets.study.statistics.descriptives import quantile
from assets.study.statistics.mid_distribution import mid_quantiles
from assets.study.statistics.values import (
    Floats,
    Frequencies,
    Ints,
    Numbers,
    Status,
    frequencies,
    numbers,
)
from orchestration.failures import PermanentFailure

Method = Literal["exact", "asymptotic"]

EFFECTS = (
    "cliffs_delta",
    "vargha_delaney_a",
    "hodges_lehmann",
    "ratio_of_means",
    "ratio_of_medians",
    "mid_hodges_lehmann",
    "ratio_of_mid_medians",
)
# Of these, those that move in steps where values do.
IN_STEPS = ("hodges_lehmann", "ratio_of_medians")
# A probability below this cannot be written as a normal double; it is never reported as zero.
SMALLEST_P_VALUE = sys.float_info.min
# Up to this size of the smaller sample the normal approximation is not trusted (as in scipy).
SMALL = 8
# So many differences are sorted rather than searched.
FEW = 20_000
# Differences looked at to choose where to search next.
PILOT = 20_000
# Weights that are no whole numbers are not summed without rounding.
TOLERANCE = 1e-12
# Of the largest value: what differences of doubles are rounded by, twice.
ROUNDED = 4 * sys.float_info.epsilon
# Smaller sample up to the one and both together up to the other: asymptotics are doubtful.
FEW_IN_ONE, FEW_IN_BOTH = 50, 1000
# Numbers held at a time by the permutation test.
BLOCK = 4_000_000


@dataclass(frozen=True)
class MannWhitney:
    """Two-sided Mann-Whitney test of a first against a second sample.

    Attributes:
        u: number of pairs in which the first is larger, pairs that tie counting one half.
        p_value: at least `SMALLEST_P_VALUE`; equal to it means "at most this".
        p_value_method: `exact`, or `asymptotic` with corrections for ties and continuity.
        log10_p_value: decimal logarithm of the unbounded p-value.
        cliffs_delta: 2U/(mn) - 1, in [-1, 1]; above zero when the first tends to be larger.
    """

    status: Status
    first_count: int
    second_count: int
    u: float | None = None
    p_value: float | None = None
    p_value_method: Method | None = None
    log10_p_value: float | None = None
    cliffs_delta: float | None = None

    @property
    def is_doubtful(self) -> bool:
        """Whether the normal approximation is of a small sample with ties: permute it instead."""
        counts = (self.first_count, self.second_count)
        is_small = min(counts) <= FEW_IN_ONE and sum(counts) <= FEW_IN_BOTH
        return self.p_value_method == "asymptotic" and is_small


@dataclass(frozen=True)
class Effects:
    """How far a first sample lies from a second one; all None when one of them is empty.

    Attributes:
        cliffs_delta: share of pairs the first wins less the share it loses (Cliff 1993).
        vargha_delaney_a: share of pairs the first wins, ties one half (Vargha and Delaney 2000).
        hodges_lehmann: median of all differences first less second (Hodges and Lehmann 1963), in
            the unit of the values.
        ratio_of_means: None where the second's mean is zero.
        ratio_of_medians: None where the second's median is zero.
        mid_hodges_lehmann: middle of the mid-distribution of all differences.
        ratio_of_mid_medians: None where the second's is zero, as where all its values are.
    """

    status: Status
    cliffs_delta: float | None = None
    vargha_delaney_a: float | None = None
    hodges_lehmann: float | None = None
    ratio_of_means: float | None = None
    ratio_of_medians: float | None = None
    mid_hodges_lehmann: float | None = None
    ratio_of_mid_medians: float | None = None


def mann_whitney(x: ArrayLike, y: ArrayLike) -> MannWhitney:
    """Mann-Whitney test (Mann and Whitney 1947).

    The p-value is that of `scipy.stats.mannwhitneyu` with its default method: exact where the
    smaller sample has up to eight values and none tie, else of the normal approximation. U and
    the variance are computed from value counts in whole numbers, so they are exact for any number
    of ties, and the logarithm goes on where scipy's p is 0 (from |z| of about 38 on: every test of
    the paper's size). When all values are equal the variance is zero: p is 1 and the effect 0.

    Args:
        x: (m,) first sample, finite numbers; may be empty.
        y: (n,) second sample, likewise.

    Raises:
        PermanentFailure: a value is unknown, infinite or not a number.
    """
    first, second = numbers(x), numbers(y)
    m, n = int(first.size), int(second.size)
    if m == 0 or n == 0:
        return MannWhitney(status="not_measurable", first_count=m, second_count=n)
    first_counts, second_counts = _counts_by_value(first, second)
    both = first_counts + second_counts
    twice_u = _twice_u(first_counts, second_counts)
    method: Method = "exact" if min(m, n) <= SMALL and both.max() == 1 else "asymptotic"
    if method == "exact":
        log_p = _exact_log_p_value(twice_u // 2, m, n)
    else:
        log_p = _log_p_value(twice_u, m, n, _tie_term(both))
    return MannWhitney(
        status="measured",
        first_count=m,
        second_count=n,
        u=twice_u / 2,
        p_value=max(math.exp(log_p), SMALLEST_P_VALUE),
        p_value_method=method,
        log10_p_value=log_p / math.log(10),
        cliffs_delta=(twice_u - m * n) / (m * n),
    )


def effects(
    x: ArrayLike,
    y: ArrayLike,
    *,
    first_weight: ArrayLike | None = None,
    second_weight: ArrayLike | None = None,
) -> Effects:
    """All effect sizes of a first against a second sample.

    Args:
        x: (m,) first sample, finite numbers; may be empty.
        y: (n,) second sample, likewise.
        first_weight: (m,) how many units each of the first stands for; whole weights give what the
            sample with that many copies gives.
        second_weight: (n,) likewise.

    Raises:
        PermanentFailure: a value is unknown, infinite or not a number; a weight is not above zero.
    """
    first, second = frequencies(x, first_weight), frequencies(y, second_weight)
    if not first.count or not second.count:
        return Effects(status="not_measurable")
    delta = dominance(first, second)
    search = Differences(first, second)
    middle = search.quantile(0.5)
    mid = [float(mid_quantiles(one.value, one.weight, 0.5)) for one in (first, second)]
    return Effects(
        status="measured",
        cliffs_delta=delta,
        vargha_delaney_a=(1 + delta) / 2,
        hodges_lehmann=search.averaged(middle),
        ratio_of_means=_ratio(_mean(first), _mean(second)),
        ratio_of_medians=_ratio(quantile(first, 0.5), quantile(second, 0.5)),
        mid_hodges_lehmann=search.beside(middle).quantile(0.5),
        ratio_of_mid_medians=_ratio(mid[0], mid[1]),
    )


def dominance(first: Frequencies, second: Frequencies) -> float:
    """Cliff's delta: pairs that the first wins less those it loses, over all pairs."""
    below = np.concatenate([[0], np.cumsum(second.weight)])
    left = below[np.searchsorted(second.value, first.value, "left")]
    right = below[np.searchsorted(second.value, first.value, "right")]
    # Wins and losses are subtracted before they are summed: 2U/(mn) - 1 would cancel.
    ahead = float(first.weight @ (left + right - below[-1]))
    return ahead / (first.size * second.size)


def hodges_lehmann(first: Frequencies, second: Frequencies) -> float:
    """Median of all differences first less second, exact without building them.

    The middle between the two middle differences where their number is even.

    Args:
        first: a sample that is not empty.
        second: likewise.
    """
    search = Differences(first, second)
    return search.averaged(search.quantile(0.5))


@dataclass(frozen=True)
class Beside:
    """A difference with the next to either side, and what lies up to them.

    Attributes:
        value: (k,) up to three, ascending.
        below: (k,) share of the pairs whose difference is less.
        up_to: (k,) or not more.
        near: differences that are nearer than this are the same but for rounding.
    """

    value: Floats
    below: Floats
    up_to: Floats
    near: float

    @property
    def mid_shares(self) -> Floats:
        """(k,) of the mid-distribution."""
        return (self.below + self.up_to) / 2

    def quantile(self, level: float) -> float:
        """Where the mid-distribution reaches a level that is reached beside the difference."""
        return float(np.interp(level, self.mid_shares, self.value))

    def parts(self, level: float) -> Floats:
        """(k,) how near to each difference that is: two parts of one, or one of a difference."""
        place = float(np.interp(level, self.mid_shares, np.arange(self.value.size)))
        found: Floats = np.maximum(0.0, 1 - np.abs(np.arange(self.value.size) - place))
        return found


class Differences:
    """All differences of two samples, searched without being built.

    For each value of the first the differences are in the order of the second's values, so that
    how much weight lies up to a bound takes one binary search for each value (Johnson and
    Mizoguchi 1978, with pivots drawn by weight as in Monahan 1984).

    Attributes:
        total: summed weight of all pairs.
        is_whole: whether weights are whole numbers, whose sums are exact.
    """

    def __init__(self, first: Frequencies, second: Frequencies) -> None:
        whole = first.value.dtype.kind == second.value.dtype.kind == "i"
        # Differences of whole numbers stay whole where they fit.
        kind = np.int64 if whole and _largest(first) + _largest(second) < 2**62 else np.float64
        self._x = first.value.astype(kind)
        # first - second = first + (-second), ascending.
        self._z = -second.value.astype(kind)[::-1]
        self._weight = first.weight.astype(np.float64)
        self._cumulated = np.concatenate([[0.0], np.cumsum(second.weight[::-1], dtype=np.float64)])
        self.total = float(self._weight.sum() * self._cumulated[-1])
        self.is_whole = all(bool((part.weight % 1 == 0).all()) for part in (first, second))

    def weight_up_to(self, bound: float) -> float:
        """Summed weight of the differences not above a bound."""
        return self._held(self._count(bound, "right"))

    def above(self, bound: float) -> int | float:
        """The smallest difference above a bound."""
        at = self._count(bound, "right")
        has = at < self._z.size
        found: int | float = (self._x[has] + self._z[at[has]]).min().item()
        return found

    def averaged(self, middle: int | float) -> float:
        """The median, of which `middle` is the smallest difference up to which one half lies."""
        reached = self.weight_up_to(middle)
        slack = 0.0 if self.is_whole else TOLERANCE * self.total
        if abs(reached - self.total / 2) > slack:
            return float(middle)
        return (middle + self.above(middle)) / 2

    def beside(self, difference: int | float) -> Beside:
        """A difference that is there, with its neighbours."""
        # Differences of fractions that are equal on paper are not so as doubles.
        near = 0.0
        if self._x.dtype.kind == "f":
            near = ROUNDED * max(float(np.abs(part[[0, -1]]).max()) for part in (self._x, self._z))
        found = []
        steps = []
        first, last = (
            self._count(difference - near, "left"),
            self._count(difference + near, "right"),
        )
        if first.any():
            before = first > 0
            value = (self._x[before] + self._z[first[before] - 1]).max().item()
            found.append(value)
            steps.append((self._held(self._count(value - near, "left")), self._held(first)))
        found.append(difference)
        steps.append((self._held(first), self._held(last)))
        if (last < self._z.size).any():
            after = last < self._z.size
            value = (self._x[after] + self._z[last[after]]).min().item()
            found.append(value)
            steps.append((self._held(last), self._held(self._count(value + near, "right"))))
        shares = np.array(steps) / self.total
        return Beside(np.array(found, dtype=np.float64), shares[:, 0], shares[:, 1], near)

    def quantile(self, level: float) -> int | float:
        """The smallest difference up to which at least a share of the weight lies.

        Args:
            level: the share, above 0 and up to 1.
        """
        target = level * self.total * (1 - (0.0 if self.is_whole else TOLERANCE))
        if self._x.size * self._z.size <= FEW:
            return _reached(*self._every, target)
        low = np.zeros(self._x.size, np.int64)
        high = np.full(self._x.size, self._z.size, np.int64)
        # The seed changes the way, not the answer.
        rng = np.random.default_rng(0)
        while int((high - low).sum()) > FEW:
            for pivot in self._pivots(low, high, target, rng):
                up_to = self._count(pivot, "right")
                if self._held(up_to) < target:
                    low = np.maximum(low, up_to)
                elif (up_to < high).any():
                    high = np.minimum(high, up_to)
                else:
                    # Nothing left is above the pivot: it is the answer if enough is equal to it.
                    high = np.minimum(high, self._count(pivot, "left"))
                    if self._held(high) < target:
                        return pivot
        return _reached(*self._sorted_out(low, high), target)

    @cached_property
    def _every(self) -> tuple[NDArray[Any], Floats]:
        """All differences, ascending, with the weight up to each: of few, for every level."""
        none = np.zeros(self._x.size, np.int64)
        return self._sorted_out(none, none + self._z.size)

    def _held(self, count: Ints) -> float:
        return float(self._weight @ self._cumulated[count])

    def _count(self, bound: float, side: Literal["left", "right"]) -> Ints:
        """For each x, how many of its differences lie below (left) or not above (right) a bound."""
        x, z = self._x, self._z
        at = np.searchsorted(z, bound - x, side).astype(np.int64)
        if z.dtype.kind == "i":
            return at
        # bound - x is rounded otherwise than x + z is.
        within = np.less if side == "left" else np.less_equal
        while True:
            more = (at < z.size) & within(x + z[np.minimum(at, z.size - 1)], bound)
            less = (at > 0) & ~within(x + z[np.maximum(at - 1, 0)], bound)
            if not (more.any() or less.any()):
                return at
            at += more.astype(np.int64) - less.astype(np.int64)

    def drawn_between(self, low: float, high: float) -> NDArray[Any]:
        """Some differences above one bound and not above the other, drawn by weight, ascending."""
        bounds = self._count(low, "right"), self._count(high, "right")
        return self._drawn(*bounds, np.random.default_rng(0))

    def _pivots(
        self, low: Ints, high: Ints, target: float, rng: np.random.Generator
    ) -> list[int | float]:
        """Two of the differences left, between which the answer probably lies."""
        before = self._held(low)
        share = (target - before) / (self._held(high) - before)
        # Three standard errors of a share, at most.
        near = share * PILOT + np.array([-1.5, 1.5]) * math.sqrt(PILOT)
        drawn = self._drawn(low, high, rng)
        return [drawn[int(at)].item() for at in np.clip(near, 0, PILOT - 1)]

    def _drawn(self, low: Ints, high: Ints, rng: np.random.Generator) -> NDArray[Any]:
        left = self._cumulated[low]
        rows = np.cumsum(self._weight * (self._cumulated[high] - left))
        row = np.searchsorted(rows, rng.random(PILOT) * rows[-1], "right")
        row = np.minimum(row, rows.size - 1)
        place = left[row] + rng.random(PILOT) * (self._cumulated[high[row]] - left[row])
        column = np.searchsorted(self._cumulated, place, "right") - 1
        column = np.clip(column, low[row], np.maximum(high[row] - 1, low[row]))
        return np.sort(self._x[row] + self._z[np.minimum(column, self._z.size - 1)])

    def _sorted_out(self, low: Ints, high: Ints) -> tuple[NDArray[Any], Floats]:
        """The differences between places of each x, ascending, with the weight up to each."""
        sizes = high - low
        row = np.repeat(np.arange(sizes.size), sizes)
        column = np.arange(row.size) - np.repeat(np.cumsum(sizes) - sizes, sizes) + low[row]
        found = self._x[row] + self._z[column]
        order = np.argsort(found, kind="stable")
        held = self._weight[row] * np.diff(self._cumulated)[column]
        return found[order], self._held(low) + np.cumsum(held[order])


def _reached(differences: NDArray[Any], up_to: Floats, target: float) -> int | float:
    """The first difference up to which there is a weight."""
    at = min(int(np.searchsorted(up_to, target)), differences.size - 1)
    answer: int | float = differences[at].item()
    return answer


def permutation_p_value(
    x: ArrayLike,
    y: ArrayLike,
    *,
    first_cluster: ArrayLike | None = None,
    second_cluster: ArrayLike | None = None,
    draws: int = 9999,
    seed: int = 0,
) -> float | None:
    """Two-sided permutation test of Cliff's delta, for small samples with ties.

    The labels first and second are dealt anew, by unit, or by cluster: what an owner has in a
    sample then stays together. Of a permutation as far from zero as the sample or farther, with
    the sample itself counted as one (Phipson and Smyth 2010). None where a sample is empty.

    Args:
        x: (m,) first sample, finite numbers; may be empty.
        y: (n,) second sample, likewise.
        first_cluster: (m,) owner of each unit; without one a unit is dealt alone.
        second_cluster: (n,) likewise.
        draws: permutations.
        seed: of the permutations.

    Raises:
        PermanentFailure: a value is unknown, infinite or not a number; the clusters are not as many
            as the units.
    """
    first, second = numbers(x), numbers(y)
    if not first.size or not second.size:
        return None
    owners = [
        owner_numbers(cluster, sample.size)
        for cluster, sample in ((first_cluster, first), (second_cluster, second))
    ]
    count = [int(codes.max()) + 1 for codes in owners]
    owner = np.concatenate([owners[0], owners[1] + count[0]])
    value, at = np.unique(np.concatenate([first, second]), return_inverse=True)
    table = np.bincount(owner * value.size + at, minlength=sum(count) * value.size)
    table = table.reshape(-1, value.size).astype(np.float64)
    rng = np.random.default_rng(seed)
    is_first = np.arange(sum(count)) < count[0]
    observed = abs(_deltas(is_first[None], table)[0])
    extreme = 0
    rows = max(1, BLOCK // max(table.shape))
    for start in range(0, draws, rows):
        labels = np.broadcast_to(is_first, (min(rows, draws - start), is_first.size))
        deltas = _deltas(rng.permuted(labels, axis=1), table)
        extreme += int((np.abs(deltas) >= observed - TOLERANCE).sum())
    return (extreme + 1) / (draws + 1)


def _deltas(is_first: NDArray[np.bool_], table: NDArray[Any]) -> Floats:
    """Cliff's delta for each row of labels of clusters; (clusters, values) counts."""
    first = is_first.astype(np.float64) @ table
    second = table.sum(axis=0) - first
    below = np.cumsum(second, axis=1) - second
    other = second.sum(axis=1)
    ahead = (first * (2 * below + second - other[:, None])).sum(axis=1)
    found: Floats = ahead / (first.sum(axis=1) * other)
    return found


def owner_numbers(cluster: ArrayLike | None, count: int) -> Ints:
    """Owners as numbers from 0; a unit without one (None, NaN) has a number of its own.

    Args:
        cluster: (count,) owner of each unit; None: nobody's is known.

    Raises:
        PermanentFailure: the clusters are not as many as the units.
    """
    import pandas as pd

    if cluster is None:
        return np.arange(count)
    numbered: Ints = pd.factorize(np.asarray(cluster))[0].astype(np.int64)
    if numbered.shape != (count,):
        raise PermanentFailure(f"There are {count} values and {numbered.size} clusters.")
    alone = numbered < 0
    numbered[alone] = int(numbered.max(initial=-1)) + 1 + np.arange(int(alone.sum()))
    return numbered


def _ratio(above: float, below: float) -> float | None:
    return above / below if below else None


def _mean(sample: Frequencies) -> float:
    return float(sample.weight @ sample.value.astype(np.float64)) / sample.size


def _largest(sample: Frequencies) -> int:
    return max(abs(int(sample.value[0])), abs(int(sample.value[-1])))


def _counts_by_value(first: Numbers, second: Numbers) -> tuple[NDArray[Any], NDArray[Any]]:
    """How often each distinct value, in ascending order, occurs in either sample."""
    first_values, first_seen = np.unique(first, return_counts=True)
    second_values, second_seen = np.unique(second, return_counts=True)
    values = np.union1d(first_values, second_values)
    first_counts = np.zeros(values.size, dtype=np.int64)
    second_counts = np.zeros(values.size, dtype=np.int64)
    first_counts[np.searchsorted(values, first_values)] = first_seen
    second_counts[np.searchsorted(values, second_values)] = second_seen
    return first_counts, second_counts


def _twice_u(first_counts: NDArray[Any], second_counts: NDArray[Any]) -> int:
    """2U, a whole number: two for each pair the first wins, one for each tie."""
    second_below = np.cumsum(second_counts) - second_counts
    return int(np.sum(first_counts * (2 * second_below + second_counts)))


def _tie_term(counts: NDArray[Any]) -> int:
    """Sum of t^3 - t over groups of t equal values; Python integers, as t^3 leaves 64 bits."""
    sizes, groups = np.unique(counts, return_counts=True)
    return sum(
        int(number) * (int(size) ** 3 - int(size))
        for size, number in zip(sizes, groups, strict=True)
    )


def _log_p_value(twice_u: int, m: int, n: int, tie_term: int) -> float:
    """Natural logarithm of the two-sided p-value."""
    from scipy.special import log_ndtr

    total = m + n
    # One division of whole numbers: no cancellation when nearly every value ties.
    variance = m * n * (total**3 - total - tie_term) / (12 * total * (total - 1))
    if variance == 0:
        return 0.0
    z = (abs(twice_u - m * n) - 1) / 2 / math.sqrt(variance)
    return min(0.0, math.log(2) + float(log_ndtr(-z)))


def _exact_log_p_value(u: int, m: int, n: int) -> float:
    """Natural logarithm of the two-sided p-value without ties.

    The ways to get each U are the coefficients of the Gaussian binomial, the product over
    i = 1..m of (1 - q^(n + i)) / (1 - q^i) with m the smaller sample.
    """
    smaller, larger = sorted((m, n))
    least = min(u, m * n - u)
    ways = np.zeros(least + 1)
    ways[0] = 1
    for step in range(1, smaller + 1):
        rows = -(-ways.size // step)
        padded = np.zeros(rows * step)
        padded[: ways.size] = ways
        ways = padded.reshape(rows, step).cumsum(axis=0).ravel()[: least + 1]
        if larger + step <= least:
            ways[larger + step :] -= ways[: -(larger + step)].copy()
    both = 2 * float(ways.sum()) / math.comb(m + n, smaller)
    return min(0.0, math.log(both))
