"""Design-weighted estimators: what a stratified sample says of the frame it was drawn from.

Belongs here: totals, means, ratios, shares, quantiles and Cliff's delta with their variance and
95 % intervals, on plain arrays. Does not belong here: drawing (`draw`, `allocation`), resampling
(`resampling`), pairs of units (`networks.pairs`), and what is estimated of which table
(`intensity`, `themes.estimates`, `networks.estimates`).

The design is simple random sampling without replacement within strata, of which the sample may
hold units that turned out not to belong to what is studied (second phase): they carry the variance
of not knowing how many there are, and nothing else. Every estimator is a function of weighted
totals; its variance is that of its linearised residuals, stratum by stratum, with the finite
population correction (Särndal, Swensson and Wretman 1992, chapters 3, 5 and 9; Cochran 1977,
chapters 5, 5A and 12; Lohr 2022, chapters 3, 4 and 9). docs/sampling.md has the formulas.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assets.study.statistics.mid_distribution import (
    Holds,
    below,
    holds,
    mid_places,
    mid_quantiles,
)
from orchestration.failures import PermanentFailure

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Lonely = Literal["refuse", "collapse"]
Interval = Literal["t", "log"]

LEVEL = 0.95


@dataclass(frozen=True)
class Sample:
    """Units drawn stratum by stratum, in any order; make it with `sample_of`.

    Attributes:
        stratum: (n,) index of the stratum of each unit.
        is_in: (n,) whether it belongs to what is studied.
        weight: (n,) how many units of the frame it stands for; 0 where it is not in.
        group: (n,) stratum for the variance: `stratum`, or several of them joined.
        group_drawn: (G,) units drawn of each group.
        group_frame: (G,) units of the frame in each group.
    """

    stratum: Ints
    is_in: Bools
    weight: Floats
    group: Ints
    group_drawn: Ints
    group_frame: Ints

    @property
    def count(self) -> int:
        """Units that are in."""
        return int(self.is_in.sum())

    @property
    def rest(self) -> Floats:
        """(G,) share of each group that was not drawn: the finite population correction."""
        return 1.0 - self.group_drawn / np.maximum(self.group_frame, 1)

    @property
    def is_census(self) -> bool:
        """Whether every stratum of which any unit was drawn was drawn whole."""
        return not self.rest[self.group_drawn > 0].any()


@dataclass(frozen=True)
class Estimate:
    """A figure of the frame as the sample tells it.

    Attributes:
        standard_error: of `value`; 0 for a census.
        low: lower end of the interval of 95 %.
        high: upper end.
        degrees: degrees of freedom of the interval (infinite for a census).
        method: how the interval was made.
        count: units of the sample it rests on.
        interval_is: `nominal`, or `at_least`: it holds more than 95 %, as values move in steps.
    """

    value: float
    standard_error: float
    low: float
    high: float
    degrees: float
    method: str
    count: int
    interval_is: Holds = "nominal"


@dataclass(frozen=True)
class Contrast:
    """Cliff's delta of a first against a second population, with the test of no difference."""

    delta: Estimate
    p_value: float


def sample_of(
    stratum: ArrayLike,
    frame_count: ArrayLike,
    *,
    is_in: ArrayLike | None = None,
    is_quota: ArrayLike | None = None,
    lonely: Lonely = "refuse",
) -> Sample:
    """The sample with its weights.

    A unit's weight is N/n of its stratum, n counting those that are not in as well. Where drawing
    went on until a quota of units was in, n is random, and N/n would be too high on average; the
    unbiased weight is N (k - 1) / ((n - 1) k) with k units in (Haldane 1945, which holds without
    replacement too).

    Args:
        stratum: (n,) index of each unit's stratum, from 0.
        frame_count: (H,) units of the frame in each stratum.
        is_in: (n,) by default all.
        is_quota: (H,) strata in which the last unit drawn is the one that met a quota.
        lonely: what becomes of a stratum with one unit drawn of several, whose variance cannot be
            estimated: `refuse`, or `collapse` it with its neighbour for the variance (which is
            then too large rather than too small; Cochran 1977, 5A.12).

    Raises:
        PermanentFailure: a stratum has fewer units in the frame than in the sample, none drawn of
            several, or one drawn of several and `lonely` is `refuse`.
    """
    units = np.asarray(stratum, dtype=np.int64)
    frame = np.asarray(frame_count, dtype=np.int64)
    inside = np.ones(units.size, bool) if is_in is None else np.asarray(is_in, dtype=bool)
    if inside.shape != units.shape or units.ndim != 1:
        raise PermanentFailure("Strata and eligibility of the units differ in number.")
    if units.size and not 0 <= int(units.min()) <= int(units.max()) < frame.size:
        raise PermanentFailure("A unit lies in a stratum that the frame does not have.")
    drawn = np.bincount(units, minlength=frame.size)
    _check_strata(drawn, frame, lonely)
    accepted = np.bincount(units[inside], minlength=frame.size)
    per_unit = np.divide(frame, drawn, out=np.zeros(frame.size), where=drawn > 0)
    if is_quota is not None:
        stopped = np.asarray(is_quota, dtype=bool) & (accepted > 1) & (drawn < frame)
        k, n = accepted[stopped], drawn[stopped]
        per_unit[stopped] = frame[stopped] * (k - 1) / ((n - 1) * k)
    group_of = _collapsed(drawn, frame) if lonely == "collapse" else np.arange(frame.size)
    return Sample(
        stratum=units,
        is_in=inside,
        weight=np.where(inside, per_unit[units], 0.0),
        group=group_of[units],
        group_drawn=np.bincount(group_of, drawn).astype(np.int64),
        group_frame=np.bincount(group_of, frame).astype(np.int64),
    )


def domain(sample: Sample, is_in: ArrayLike) -> Sample:
    """The same draw, asked about a part of its units only (domain estimation)."""
    inside = sample.is_in & np.asarray(is_in, dtype=bool)
    return replace(sample, is_in=inside, weight=np.where(inside, sample.weight, 0.0))


def kept(sample: Sample, at: "Bools | Ints") -> Sample:
    """The same draw with only some of its units at hand: the others were drawn and are not in.

    Args:
        at: which, as positions or flags of the units.
    """
    return replace(
        sample,
        stratum=sample.stratum[at],
        is_in=sample.is_in[at],
        weight=sample.weight[at],
        group=sample.group[at],
    )


def responding(sample: Sample, is_known: Bools) -> Sample:
    """The sample less the units whose value is not known; the others stand for all.

    Within a stratum those that did not answer are taken to be like those that did: these are a
    sample of the stratum that is smaller, so that also of a stratum taken whole something is left
    unknown. Strata in which nobody did are not stood for by anyone.

    Args:
        is_known: (n,) whether a unit's value is known.

    Returns:
        The sample of the units that are known or not in, in their order.
    """
    keep = is_known | ~sample.is_in
    strata = int(sample.stratum.max()) + 1 if sample.stratum.size else 0
    asked = np.bincount(sample.stratum[sample.is_in], minlength=strata)
    answered = np.bincount(sample.stratum[sample.is_in & is_known], minlength=strata)
    raised = np.divide(asked, answered, out=np.zeros(strata), where=answered > 0)
    return replace(
        sample,
        stratum=sample.stratum[keep],
        is_in=sample.is_in[keep],
        weight=(sample.weight * raised[sample.stratum])[keep],
        group=sample.group[keep],
        group_drawn=np.bincount(sample.group[keep], minlength=sample.group_drawn.size),
    )


def total(sample: Sample, values: ArrayLike, interval: Interval = "t") -> Estimate:
    """Sum over the population (Horvitz-Thompson).

    Args:
        values: (n,) numbers; those of units that are not in are not looked at.
        interval: `t`, or `log`: symmetric on a logarithmic scale, for sums above zero with a
            heavy tail.

    Raises:
        PermanentFailure: no unit is in, or a value is unknown.
    """
    y = _values(sample, values)
    return _estimate(sample, float(sample.weight @ y), y, interval)


def mean(sample: Sample, values: ArrayLike, interval: Interval = "t") -> Estimate:
    """Mean over the population (Hájek: weighted sum over summed weights).

    Without a second phase the weights sum to the frame and this is the Horvitz-Thompson mean.
    """
    y = _values(sample, values)
    size = float(sample.weight.sum())
    value = float(sample.weight @ y) / size
    return _estimate(sample, value, np.where(sample.is_in, y - value, 0.0) / size, interval)


def ratio(
    sample: Sample, numerator: ArrayLike, denominator: ArrayLike, interval: Interval = "t"
) -> Estimate:
    """Ratio of two totals (combined ratio estimator, Cochran 1977, 6.11).

    Raises:
        PermanentFailure: the denominator's total is zero.
    """
    y, x = _values(sample, numerator), _values(sample, denominator)
    below = float(sample.weight @ x)
    if below == 0:
        raise PermanentFailure(
            "The total of the denominator is zero.", "Leave the units without any out."
        )
    value = float(sample.weight @ y) / below
    return _estimate(sample, value, (y - value * x) / below, interval)


def parts(sample: Sample, numerators: ArrayLike, whole: ArrayLike) -> list[Estimate]:
    """Shares (0-1) of a total that parts of it have, such as posts of each theme of all posts.

    Each is the `ratio` of its total to the whole's; the interval is Wilson's with the effective
    number of units, p(1-p) over the variance.

    Args:
        numerators: (n, k) what each unit has of each part.
        whole: (n,) what it has in all.

    Raises:
        PermanentFailure: the total of the whole is zero, or a value is unknown.
    """
    x = _values(sample, whole)
    y = np.where(sample.is_in[:, None], np.asarray(numerators, dtype=np.float64), 0.0)
    below = float(sample.weight @ x)
    if below == 0 or not np.isfinite(y).all():
        raise PermanentFailure(
            "The whole is zero, or what units have of a part is unknown.",
            "Leave the units without any out.",
        )
    # What is the whole of it is 1 with rounding, and leaves a spread of rounding's size.
    values = np.clip(sample.weight @ y / below, 0.0, 1.0)
    values = np.where(np.abs(values - 1) < 1e-14, 1.0, values)
    errors, degrees = _errors(sample, (y - x[:, None] * values) / below)
    t = _t_quantiles(degrees)
    # 0 and 1 have no spread, and no error either.
    squared = (t * errors) ** 2 / np.where(errors > 0, values * (1 - values), 1.0)
    middle = (values + squared / 2) / (1 + squared)
    half = np.sqrt(values * (1 - values) * squared + squared**2 / 4) / (1 + squared)
    low, high = np.minimum(values, middle - half), np.maximum(values, middle + half)
    none = "census" if sample.is_census else "constant"
    return [
        Estimate(value, se, least, most, free, "wilson" if se > 0 else none, sample.count)
        for value, se, least, most, free in zip(
            *(found.tolist() for found in (values, errors, low, high, degrees)), strict=True
        )
    ]


def share(sample: Sample, is_true: ArrayLike) -> Estimate:
    """Share (0-1) of the population for which something holds.

    The interval is Wilson's with the effective number of units, p(1-p) over the variance: within
    0 and 1, and not empty where all or none of the sample have it.
    """
    y = _values(sample, np.asarray(is_true, dtype=bool).astype(np.float64))
    plain = mean(sample, y)
    # Weights that sum to one may do so with rounding, and leave a spread of rounding's size.
    p, se = plain.value, plain.standard_error
    if not (y[sample.is_in] > 0).any() or not (y[sample.is_in] < 1).any():
        p, se = float(round(p)), 0.0
    plain = replace(plain, value=p, standard_error=se)
    if sample.is_census:
        return replace(plain, low=p, high=p, method="census")
    spread = p * (1 - p)
    if se == 0 and spread > 0:
        return plain
    # All or none have it: as many units as the unequal weights are worth (Kish 1965).
    alike = float(sample.weight.sum() ** 2 / (sample.weight**2).sum())
    effective = spread / se**2 if se > 0 else alike
    t = t_quantile(plain.degrees)
    middle = (p + t * t / (2 * effective)) / (1 + t * t / effective)
    half = t * math.sqrt(spread / effective + (t / (2 * effective)) ** 2) / (1 + t * t / effective)
    low, high = max(0.0, min(p, middle - half)), min(1.0, max(p, middle + half))
    return replace(plain, low=low, high=high, method="wilson")


def quantile(sample: Sample, values: ArrayLike, level: float = 0.5) -> Estimate:
    """Quantile of the population, with Woodruff's (1952) interval.

    The quantile is the smallest value at which the weighted share of values not above it reaches
    `level`; where it is met exactly, the middle between that value and the next, as for a median.
    The standard error is the interval's half width over t. With many equal values the interval
    covers more often than stated, and says so: a value with much mass covers a range of shares.

    Raises:
        PermanentFailure: `level` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise PermanentFailure("The level of a quantile lies between 0 and 1.")
    y = _values(sample, values)
    ordered, shares = _distribution(sample, y)
    value = _inverse(ordered, shares, level)
    # Whether it may be less is told by the share below it, whether more by that up to it: of a
    # value that is also the largest all are up to it, and that share says nothing.
    less, free_less = _error_of_share(sample, y < value)
    up_to, free_up_to = _error_of_share(sample, y <= value)
    degrees = min(free_less, free_up_to)
    t = t_quantile(degrees)
    low = _inverse(ordered, shares, level - t * less) if less else value
    high = _inverse(ordered, shares, level + t * up_to) if up_to else value
    tied = np.unique(y[sample.is_in], return_counts=True)[1] > 1
    tied &= (ordered >= low) & (ordered <= high)
    step = float(np.diff(shares, prepend=0.0)[tied].max(initial=0.0))
    return Estimate(
        value=value,
        standard_error=(high - low) / (2 * t),
        low=low,
        high=high,
        degrees=degrees,
        method="woodruff" if less or up_to else "census",
        count=sample.count,
        interval_is=holds(step, max(less, up_to)),
    )


def mid_median(sample: Sample, values: ArrayLike) -> Estimate:
    """Middle of the population's mid-distribution, with Woodruff's interval, which has no steps.

    Standard error as for `quantile`.
    """
    y = _values(sample, values)
    ordered, at = np.unique(y[sample.is_in], return_inverse=True)
    weight = np.bincount(at, sample.weight[sample.is_in])
    share = np.zeros(y.size)
    share[sample.is_in] = below(at, float(mid_places(weight, 0.5)))
    error, degrees = _error_of_share(sample, share)
    t = t_quantile(degrees)
    low, value, high = mid_quantiles(ordered, weight, [0.5 - t * error, 0.5, 0.5 + t * error])
    return Estimate(
        value=float(value),
        standard_error=float(high - low) / (2 * t),
        low=float(low),
        high=float(high),
        degrees=degrees,
        method="woodruff" if error else "census",
        count=sample.count,
    )


def cliffs_delta(
    first: Sample, first_values: ArrayLike, second: Sample, second_values: ArrayLike
) -> Contrast:
    """Cliff's delta of two populations sampled independently, ties counting one half.

    The weighted form of 2U/(mn) - 1, U being that of Mann and Whitney. Its variance is the sum of
    the designs' variances of the placements (each unit's weighted share of the other population
    below it), which is what linearising U gives; the interval is made on the scale of the inverse
    hyperbolic tangent. The p-value is two-sided, of t.
    """
    x, y = _values(first, first_values), _values(second, second_values)
    above = _placements(first, x, second, y)
    below = _placements(second, y, first, x)
    size, other = float(first.weight.sum()), float(second.weight.sum())
    win = float(first.weight @ above) / size
    delta = 2 * win - 1
    parts = (
        _error(first, np.where(first.is_in, 2 * (above - win), 0.0) / size),
        _error(second, np.where(second.is_in, 2 * (below - (1 - win)), 0.0) / other),
    )
    variance = sum(se**2 for se, _ in parts)
    # Welch and Satterthwaite: two variances with degrees of freedom of their own.
    spread = sum(se**4 / degrees for se, degrees in parts if se > 0)
    degrees = variance**2 / spread if spread > 0 else math.inf
    se = math.sqrt(variance)
    low, high = _within_one(delta, se, degrees)
    estimate = Estimate(delta, se, low, high, degrees, "tanh" if se else "census",
                        first.count + second.count)  # fmt: skip
    return Contrast(estimate, _p_value(delta, se, degrees))


def standard_error(sample: Sample, residuals: ArrayLike) -> tuple[float, float]:
    """Standard error of a linearised statistic, and its degrees of freedom.

    Args:
        residuals: (n,) derivative of the statistic by each unit's weight, 0 where it is not in.
    """
    return _error(sample, np.asarray(residuals, dtype=np.float64))


def t_quantile(degrees: float) -> float:
    """Half the width of an interval of 95 % in standard errors."""
    return float(_t_quantiles(degrees))


def _estimate(sample: Sample, value: float, residuals: Floats, interval: Interval) -> Estimate:
    se, degrees = _error(sample, np.where(sample.is_in, residuals, 0.0))
    half = t_quantile(degrees) * se
    if se == 0:
        low, high, method = value, value, "census" if not sample.rest.any() else "constant"
    elif interval == "log" and value > 0:
        low, high = value * math.exp(-half / value), value * math.exp(half / value)
        method = "log"
    else:
        low, high, method = value - half, value + half, "t"
    return Estimate(value, se, low, high, degrees, method, sample.count)


def _error(sample: Sample, residuals: Floats) -> tuple[float, float]:
    """`_errors` of one statistic."""
    errors, degrees = _errors(sample, residuals[:, None])
    return float(errors[0]), float(degrees[0])


def _errors(sample: Sample, residuals: Floats) -> tuple[Floats, Floats]:
    """Standard errors of (n, k) residuals, a column a statistic, and their degrees of freedom.

    Square root of the summed variance of the groups, and Satterthwaite's degrees (Cochran 1977, 5.6
    and 5.16). Units that are not in count as zeros: what varies is also how many of a stratum are
    in.
    """
    count = residuals.shape[1]
    weighted = sample.weight[:, None] * residuals
    drawn = sample.group_drawn.astype(np.float64)[:, None]
    cell = (sample.group[:, None] * count + np.arange(count)).ravel()

    def summed(values: Floats) -> Floats:
        found = np.bincount(cell, values.ravel(), minlength=drawn.size * count)
        return np.asarray(found.reshape(drawn.size, count), np.float64)

    means = summed(weighted) / np.maximum(drawn, 1)
    # Units that were drawn and are not at hand are zeros.
    lacking = drawn[:, 0] - np.bincount(sample.group, minlength=drawn.size)
    spread = summed((weighted - means[sample.group]) ** 2) + lacking[:, None] * means**2
    free = np.maximum(drawn - 1, 1)
    parts = np.where(drawn < 2, 0.0, sample.rest[:, None] * drawn / free * spread)
    variance = parts.sum(axis=0)
    # What is left of rounding in a constant is no spread.
    is_open = variance > 1e-24 * (weighted**2).sum(axis=0)
    degrees = np.full(count, math.inf)
    np.divide(variance**2, (parts**2 / free).sum(axis=0), out=degrees, where=is_open)
    return np.sqrt(np.where(is_open, variance, 0.0)), degrees


def _error_of_share(sample: Sample, inside: Bools | Floats) -> tuple[float, float]:
    """Standard error and degrees of freedom of a weighted share of what is inside, or in part."""
    size = float(sample.weight.sum())
    share = float(sample.weight @ inside) / size
    return _error(sample, np.where(sample.is_in, inside - share, 0.0) / size)


def _distribution(sample: Sample, y: Floats) -> tuple[Floats, Floats]:
    """Distinct values in order, and the weighted share of the population not above each."""
    ordered, index = np.unique(y[sample.is_in], return_inverse=True)
    weights = np.bincount(index, sample.weight[sample.is_in])
    shares = np.cumsum(weights)
    return ordered, shares / shares[-1]


def _inverse(ordered: Floats, shares: Floats, level: float) -> float:
    at = min(int(np.searchsorted(shares, level - 1e-12)), ordered.size - 1)
    if abs(float(shares[at]) - level) < 1e-12 and at + 1 < ordered.size:
        return float(ordered[at] + ordered[at + 1]) / 2
    return float(ordered[at])


def _placements(of: Sample, values: Floats, among: Sample, others: Floats) -> Floats:
    """For each unit the weighted share of the other population below it, ties one half."""
    ordered, shares = _distribution(among, others)
    padded = np.concatenate([[0.0], shares])
    below = padded[np.searchsorted(ordered, values, side="left")]
    up_to = padded[np.searchsorted(ordered, values, side="right")]
    return np.where(of.is_in, (below + up_to) / 2, 0.0)


def _within_one(delta: float, se: float, degrees: float) -> tuple[float, float]:
    if se == 0:
        return delta, delta
    if abs(delta) >= 1:
        return max(-1.0, delta - t_quantile(degrees) * se), min(
            1.0, delta + t_quantile(degrees) * se
        )
    middle, half = math.atanh(delta), t_quantile(degrees) * se / (1 - delta**2)
    return math.tanh(middle - half), math.tanh(middle + half)


def _p_value(delta: float, se: float, degrees: float) -> float:
    from scipy.stats import t

    if se == 0:
        return 1.0 if delta == 0 else 0.0
    return float(2 * t.sf(abs(delta) / se, degrees))


def _t_quantiles(degrees: Floats | float) -> Floats:
    """Student's; `scipy.stats.t.ppf` looks at its arguments for longer than it computes."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(degrees, (1 + LEVEL) / 2), np.float64)


def _values(sample: Sample, values: ArrayLike) -> Floats:
    array: NDArray[Any] = np.asarray(values)
    if array.shape != sample.stratum.shape:
        raise PermanentFailure(
            f"{sample.stratum.size} units were drawn and {array.size} values given."
        )
    if not sample.count:
        raise PermanentFailure(
            "No unit of the sample belongs to what is asked about.",
            "Draw more units, or ask about a larger part.",
        )
    try:
        y = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise PermanentFailure("Numbers expected.") from error
    unknown = int((~np.isfinite(y[sample.is_in])).sum())
    if unknown:
        raise PermanentFailure(
            f"{unknown} values are unknown or infinite.",
            "Estimate over the domain of units whose value is known, and report how many are not.",
        )
    return np.where(sample.is_in, y, 0.0)


def _check_strata(drawn: Ints, frame: Ints, lonely: Lonely) -> None:
    if (drawn > frame).any():
        at = int(np.flatnonzero(drawn > frame)[0])
        raise PermanentFailure(
            f"Stratum {at} has {drawn[at]} units in the sample and {frame[at]} in the frame.",
            "Give the frame the sample was drawn from.",
        )
    empty = np.flatnonzero((drawn == 0) & (frame > 0))
    if empty.size:
        raise PermanentFailure(
            f"Stratum {int(empty[0])} has {frame[empty[0]]} units in the frame and none in the "
            "sample: nothing can be said of them.",
            "Draw from it, or join it with a neighbour.",
        )
    alone = np.flatnonzero((drawn == 1) & (frame > 1))
    if alone.size and (lonely == "refuse" or np.count_nonzero(drawn) == 1):
        raise PermanentFailure(
            f"Stratum {int(alone[0])} has one unit in the sample of {frame[alone[0]]}: its "
            "variance cannot be estimated.",
            "Draw two of it at least, or collapse it with a neighbour.",
        )


def _collapsed(drawn: Ints, frame: Ints) -> Ints:
    """Group of each stratum: those with one unit of several go with the stratum before (or after).

    A stratum drawn whole has no variance to lend and is passed over where another is there.
    """
    group = np.arange(drawn.size)
    alone = np.flatnonzero((drawn == 1) & (frame > 1))
    lends = np.flatnonzero((drawn > 1) & (drawn < frame))
    others = lends if lends.size else np.flatnonzero((drawn > 0) & (drawn == frame))
    if not lends.size and alone.size > 1:
        group[alone] = alone[0]
    else:
        for at in alone:
            group[at] = others[np.argmin(np.abs(others - at))]
    return group
