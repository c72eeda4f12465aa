"""Two features of one sample: how they go together.

Belongs here: correlation coefficients with their intervals. Does not belong here: which features
are paired.

Every coefficient is a function of weighted means, and its influence function says how much each
unit pulls at it (linearisation; Deville 1999), of which `one_sample` makes the variance: units of
one owner are not independent, and under a design strata and the finite frame count. Two features
of counts have far fewer distinct pairs than units, so coefficients and influences are computed of
distinct pairs.
"""

import math
import sys
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assets.study.estimators import Sample, t_quantile
from assets.study.statistics.one_sample import shared_error, spread
from assets.study.statistics.values import Floats, Ints, Numbers, Status, numbers, weights
from orchestration.failures import PermanentFailure

Method = Literal[
    "pearson",
    "log_pearson",
    "spearman",
    "kendall_tau_b",
    "partial_log_pearson",
    "partial_spearman",
]
# Owners of equal size that the clusters are worth (Kish 1965): with fewer, errors follow what was
# seen of the largest.
LEAST_ALIKE = 40
# A squared correlation this near to one is perfect but for rounding.
LEAST_REST = 1e-12
# Steps of rounding by which each of the coefficients of a partial one may be off.
ROUNDINGS = 8


@dataclass(frozen=True)
class Correlation:
    """How two features go together by one method; figures are None where one is constant.

    Attributes:
        count: units.
        value: coefficient, from -1 to 1.
        low: lower end of the interval of 95 %; None: none can be made.
        high: upper end.
        standard_error: of `value`; None with fewer than two clusters.
        method_of_interval: `linearised`, `linearised_by_cluster` or `linearised_by_design`.
        reason: why there is no interval.
    """

    status: Status
    count: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    standard_error: float | None = None
    method_of_interval: str | None = None
    reason: str | None = None


def correlate(
    x: ArrayLike,
    y: ArrayLike,
    *,
    age: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    sample: Sample | None = None,
) -> dict[Method, Correlation]:
    """Correlate two features of the same units by every method.

    `pearson` is of the values, `log_pearson` of log(1 + value), `spearman` of the middle ranks;
    `kendall_tau_b` counts concordant less discordant pairs of units, corrected for ties (Kendall
    1945). With an age, `partial_log_pearson` holds log(1 + age) fixed (a count that grows as a
    power of age then owes nothing to it) and `partial_spearman` the rank of the age.

    Intervals of 95 % are symmetric on Fisher's scale, atanh, with Student's t of as many degrees as
    clusters of equal pull make the variance (Kish 1965). By owner two variances are averaged, of
    which one leaves out each owner and one takes them to share alike (`shared_error`): the first
    alone held in 92 % where owners have up to 200 repositories. With clusters worth fewer than
    `LEAST_ALIKE` of equal size there is none, and none of `pearson`: where fourth moments are
    infinite or nearly so (a power law with exponent up to 5), few units decide it, and intervals
    held the truth in 62 to 90 of 100 cases.

    Args:
        x: (n,) finite numbers, none below zero; may be empty.
        y: (n,) likewise.
        age: (n,) months, likewise.
        weight: (n,) numbers above zero, how many units each stands for; by default one.
            Coefficients are those of the sample with so many copies of each unit; errors count
            units, not copies.
        cluster: (n,) owner of each unit, whole numbers (fastest) or text; by default each unit is
            a cluster of its own.
        sample: the design that the units, all of which are in, were drawn by. Its weights are the
            default, and its strata and finite frame make the variance instead of clusters: what
            other draws from the frame would have given.

    Returns:
        By method, in the order above; the two partial ones only with an age. Not measurable is a
        coefficient of a constant, of nothing, or of what age determines.

    Raises:
        PermanentFailure: a value is unknown, infinite or below zero, a weight not above zero, an
            owner unknown, or the arguments differ in length.
    """
    columns = [_column(column) for column in (x, y, age) if column is not None]
    size = columns[0].size
    if any(column.size != size for column in columns):
        raise PermanentFailure("The features differ in length.")
    if weight is None and sample is not None:
        weight = sample.weight
    held = np.ones(size) if weight is None else weights(weight, size)
    if sample is not None and sample.stratum.size != size:
        raise PermanentFailure(f"There are {size} values and {sample.stratum.size} drawn units.")
    owner = None if cluster is None else _owners(cluster, size)
    features = [_feature(column) for column in columns]
    found = _of_pairs(features[0], features[1], held)
    if age is not None:
        found |= _beside_age(found, features, held)
    return {
        method: _with_interval(method, pulled, held, owner, sample)
        for method, pulled in found.items()
    }


@dataclass(frozen=True)
class _Feature:
    """Distinct values, ascending, and which of them each unit has."""

    value: Floats
    rank: Ints


@dataclass(frozen=True)
class _Pulled:
    """A coefficient, and how much each unit (or distinct pair) pulls at it."""

    value: float
    pull: Floats


Found = dict[Method, _Pulled | None]


def _column(values: ArrayLike) -> Numbers:
    column = numbers(values)
    if column.size and column.min() < 0:
        raise PermanentFailure(
            "A value is below zero, so it is no count, rate or age.",
            "Correct the model that made it.",
        )
    return column


def _owners(cluster: ArrayLike, size: int) -> Ints:
    import pandas as pd

    labels = np.asarray(cluster)
    if labels.shape != (size,):
        raise PermanentFailure(f"There are {size} values and {labels.size} owners.")
    owner: Ints = pd.factorize(labels)[0].astype(np.int64)
    if size and owner.min() < 0:
        raise PermanentFailure(
            "An owner is unknown.", "Give each unit of unknown owner an owner of its own."
        )
    return owner


def _feature(column: Numbers) -> _Feature:
    value, rank = np.unique(column, return_inverse=True)
    return _Feature(value.astype(np.float64), rank)


def _of_pairs(first: _Feature, second: _Feature, held: Floats) -> Found:
    """The coefficients of two features, computed of distinct pairs."""
    few, many = sorted((first, second), key=lambda feature: feature.value.size)
    width = max(many.value.size, 1)
    pair, index = np.unique(few.rank * width + many.rank, return_inverse=True)
    x, y = np.divmod(pair, width)
    weight = np.bincount(index, held).astype(np.float64)
    found: Found = {
        "pearson": _pearson(few.value[x], many.value[y], weight),
        "log_pearson": _pearson(np.log1p(few.value[x]), np.log1p(many.value[y]), weight),
        "spearman": _spearman(x, y, weight),
        "kendall_tau_b": _kendall(x, y, weight),
    }
    return {
        method: pulled and _Pulled(pulled.value, pulled.pull[index])
        for method, pulled in found.items()
    }


def _beside_age(found: Found, features: list[_Feature], held: Floats) -> Found:
    """The coefficients that hold age fixed; nearly every unit has an age of its own."""
    first, second, age = features
    x, y, a = (np.log1p(feature.value)[feature.rank] for feature in features)
    return {
        "partial_log_pearson": _partial(
            found["log_pearson"], _pearson(x, a, held), _pearson(y, a, held)
        ),
        "partial_spearman": _partial(
            found["spearman"],
            _spearman(first.rank, age.rank, held),
            _spearman(second.rank, age.rank, held),
        ),
    }


def _pearson(x: Floats, y: Floats, weight: Floats) -> _Pulled | None:
    """Pearson's coefficient; its pull is from Devlin, Gnanadesikan and Kettenring (1975)."""
    if not _varies(x) or not _varies(y):
        return None
    x, y = _standardised(x, weight), _standardised(y, weight)
    value = float(weight @ (x * y) / weight.sum())
    return _Pulled(value, x * y - value * (x**2 + y**2) / 2)


def _varies(values: NDArray[Any]) -> bool:
    return bool(values.size and values.min() < values.max())


def _standardised(values: Floats, weight: Floats) -> Floats:
    centred = values - weight @ values / weight.sum()
    scaled: Floats = centred / math.sqrt(weight @ centred**2 / weight.sum())
    return scaled


def _spearman(x: Ints, y: Ints, weight: Floats) -> _Pulled | None:
    """Pearson's coefficient of the middle ranks, all of which a unit pulls at too.

    The middle rank over n is F(v) = P(V < v) + P(V = v) / 2, so that the covariance of two is a
    mean over triples of units, and the pull has a part for each of the three (Hoeffding 1948).
    """
    if not _varies(x) or not _varies(y):
        return None
    mass = weight / weight.sum()
    f, g = _middle_share(x, mass) - 0.5, _middle_share(y, mass) - 0.5
    covariance, x_variance, y_variance = (
        float(mass @ product) for product in (f * g, f * f, g * g)
    )
    scale = math.sqrt(x_variance * y_variance)
    x_slope, y_slope = covariance / x_variance, covariance / y_variance
    pull = f * g - (x_slope * f * f + y_slope * g * g) / 2
    pull += _shift(x, mass * (g - x_slope * f)) + _shift(y, mass * (f - y_slope * g))
    return _Pulled(covariance / scale, pull / scale)


def _middle_share(rank: Ints, mass: Floats) -> Floats:
    at = np.bincount(rank, mass)
    share: Floats = (np.cumsum(at) - at / 2)[rank]
    return share


def _shift(rank: Ints, part: Floats) -> Floats:
    """What a unit moves by raising the middle ranks above its own, and its own by half."""
    at = np.bincount(rank, part)
    moved: Floats = (at.sum() - np.cumsum(at) + at / 2)[rank]
    return moved


def _kendall(x: Ints, y: Ints, weight: Floats) -> _Pulled | None:
    """tau-b of distinct pairs; its pull is that of the three means over pairs of units in it."""
    if not _varies(x) or not _varies(y):
        return None
    mass = weight / weight.sum()
    agreement = _agreement(x, y, weight) / weight.sum()
    mean = float(mass @ agreement)
    untied = [1 - np.bincount(rank, mass)[rank] for rank in (x, y)]
    shares = [float(mass @ part) for part in untied]
    scale = math.sqrt(shares[0] * shares[1])
    pull = 2 * (agreement - mean)
    for part, share in zip(untied, shares, strict=True):
        pull -= mean / share * (part - share)
    return _Pulled(mean / scale, pull / scale)


def _agreement(x: Ints, y: Ints, weight: Floats) -> Floats:
    """For each pair the weight of those concordant with it less that of those discordant.

    Args:
        x: (m,) ranks; the pairs are distinct and in the order of x, then y.
        y: (m,) ranks.
        weight: (m,)
    """
    at_x, at_y = np.bincount(x, weight), np.bincount(y, weight)
    below_x, below_y = (np.cumsum(at) - at for at in (at_x, at_y))
    # By y, and x descending: what comes before in the same y has a larger x.
    order = np.argsort(y * (int(x.max()) + 1) - x)
    same_x_less_y = np.cumsum(weight) - weight - below_x[x]
    more_x_same_y = np.empty(x.size)
    more_x_same_y[order] = np.cumsum(weight[order]) - weight[order] - below_y[y[order]]
    less_x_same_y = at_y[y] - more_x_same_y - weight
    both_less = np.empty(x.size)
    both_less[order] = _left_before(x[order], weight[order])
    less_x_more_y = below_x[x] - both_less - less_x_same_y
    more_x_less_y = below_y[y] - both_less - same_x_less_y
    more_x = weight.sum() - below_x[x] - at_x[x]
    both_more = more_x - more_x_same_y - more_x_less_y
    agreement: Floats = both_less + both_more - less_x_more_y - more_x_less_y
    return agreement


def _left_before(rank: Ints, weight: Floats) -> Floats:
    """For each element the weight of those before it with a smaller rank.

    Two ranks differ first in one binary digit: there the smaller has 0. Digit by digit, from the
    highest, elements with equal digits so far stand together in their first order; sorting those
    with 0 before those with 1 keeps it so (a wavelet matrix: Claude, Navarro and Ordonez 2015).
    """
    found = np.zeros(rank.size)
    position = np.arange(rank.size)
    for digit in reversed(range(int(rank.max()).bit_length())):
        is_right = (rank >> digit & 1).astype(bool)
        left = np.where(is_right, 0.0, weight)
        before = np.cumsum(left)
        block = rank >> (digit + 1)
        starts = np.flatnonzero(np.diff(block, prepend=-1))
        base = np.repeat(before[starts] - left[starts], np.diff(starts, append=rank.size))
        found[position] += np.where(is_right, before - base, 0.0)
        order = np.concatenate([np.flatnonzero(~is_right), np.flatnonzero(is_right)])
        rank, weight, position = rank[order], weight[order], position[order]
    return found


def _partial(both: _Pulled | None, first: _Pulled | None, second: _Pulled | None) -> _Pulled | None:
    """The coefficient of what a third feature leaves of two, from the three coefficients."""
    if both is None or first is None or second is None:
        return None
    rest = [1 - pulled.value**2 for pulled in (first, second)]
    if min(rest) < LEAST_REST:
        return None
    scale = math.sqrt(rest[0] * rest[1])
    value = (both.value - first.value * second.value) / scale
    # What rounding the three have is divided by what is left of them.
    if 1 - abs(value) < ROUNDINGS * sys.float_info.epsilon * (1 / rest[0] + 1 / rest[1]):
        value = math.copysign(1.0, value)
    by_first = value * first.value / rest[0] - second.value / scale
    by_second = value * second.value / rest[1] - first.value / scale
    return _Pulled(value, both.pull / scale + by_first * first.pull + by_second * second.pull)


def _with_interval(
    method: Method,
    pulled: _Pulled | None,
    held: Floats,
    owner: Ints | None,
    sample: Sample | None,
) -> Correlation:
    count = int(held.size)
    if pulled is None:
        return Correlation("not_measurable", count)
    value = min(1.0, max(-1.0, pulled.value))
    found = spread(pulled.pull, held, owner, sample)
    if found.clusters < 2:
        return Correlation("measured", count, value, reason="no interval of one owner")
    sides = [(found.error, min(found.degrees, _alike(found.pulls**2)))]
    size = held
    if owner is not None and sample is None:
        size = np.bincount(owner, held).astype(np.float64)
        shared = shared_error(pulled.pull, held, owner)
        sides += [] if shared is None else [(shared, _alike(size))]
    error = math.sqrt(float(np.mean([one**2 for one, _ in sides])))
    if 1 - value**2 < LEAST_REST or error == 0:
        low = high = value
    else:
        reason = _doubt(method, size, sample)
        if reason is not None:
            told = f"no interval, as {reason}"
            return Correlation("measured", count, value, None, None, error, None, told)
        halves = [t_quantile(max(1.0, degrees)) * one for one, degrees in sides]
        half = math.sqrt(float(np.mean(np.square(halves)))) / (1 - value**2)
        low, high = (math.tanh(math.atanh(value) + sign * half) for sign in (-1, 1))
    how = "linearised" if owner is None else "linearised_by_cluster"
    if sample is not None:
        how = "linearised_by_design"
    return Correlation("measured", count, value, low, high, error, how)


def _doubt(method: Method, size: Floats, sample: Sample | None) -> str | None:
    """Why an interval would not hold what it states."""
    if method == "pearson":
        return "the tails of raw counts decide it: see log_pearson and spearman"
    if sample is not None:
        size = size * np.sqrt(sample.rest[sample.group])
    if _alike(size) < LEAST_ALIKE:
        return f"what varies is worth fewer than {LEAST_ALIKE} owners of equal size"
    return None


def _alike(parts: Floats) -> float:
    """How many equal parts tell as much as these (Kish 1965); of nothing but zeros, one."""
    squares = float(parts @ parts)
    return float(parts.sum()) ** 2 / squares if squares > 0 else 1.0
