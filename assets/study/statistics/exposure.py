"""Time brought into a comparison: rates per month, matched quarters of creation, survival.

Belongs here: months of life, weights that hold the quarter of creation fixed, the Kaplan-Meier
estimate. Does not belong here: what counts as activity (`assets.study.survival`).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assets.study.estimators import Sample
from assets.study.statistics.values import Floats, Ints, Status, numbers, weights
from orchestration.failures import PermanentFailure

# Mean length of a month in the Julian calendar: 365.25 / 12 days.
MONTH_DAYS = 30.4375
LEVEL = 0.95
# Duration, whether it ended, entry and weight of each.
Units = tuple[Floats, NDArray[np.bool_], Floats, Floats]


def months_of_life(created_at: ArrayLike, until: np.datetime64) -> Floats:
    """Age in months of 30.4375 days, at least one.

    Younger repositories count as a month old: three commits on the first day are three a month,
    not ninety. So does what was created within a day after `until`, by a clock that is ahead.

    Args:
        created_at: (n,) points in time (datetime64), UTC.
        until: end of the observation: the midnight after its last day.

    Returns:
        (n,) months.

    Raises:
        PermanentFailure: a time is unknown or more than a day after `until`.
    """
    since = until.astype("datetime64[us]") - _times(created_at)
    days: Floats = since / np.timedelta64(1, "D")
    if days.size and float(days.min()) < -1:
        raise PermanentFailure(
            f"A repository was created after {until}, the end of its observation.",
            "Leave out what did not exist yet.",
        )
    months: Floats = np.maximum(days / MONTH_DAYS, 1.0)
    return months


def per_month(values: ArrayLike, months: ArrayLike) -> Floats:
    """Values divided by months of life.

    Args:
        values: (n,) finite numbers.
        months: (n,) months above zero, of `months_of_life`.

    Raises:
        PermanentFailure: one is unknown or infinite, months are not above zero, or their numbers
            differ.
    """
    known = numbers(values)
    return known / weights(months, known.size)


def quarter_of(created_at: ArrayLike) -> Ints:
    """Calendar quarter of creation (UTC), counted from 1970's first (0).

    Args:
        created_at: (n,) points in time (datetime64).

    Raises:
        PermanentFailure: a time is unknown.
    """
    months = _times(created_at).astype("datetime64[M]").astype(np.int64)
    return months // 3


def quarter_weights(first_quarter: ArrayLike, second_quarter: ArrayLike) -> tuple[Floats, Floats]:
    """Weights under which both samples were created in the same quarters alike.

    A unit of quarter q weighs min(m_q, n_q) over its own sample's number in q: the larger sample
    of a quarter is scaled down to the smaller (the common support; matching by weights, Rosenbaum
    and Rubin 1985). Quarters that one side lacks get 0; leave these units out.

    Args:
        first_quarter: (m,) quarter of each unit of the first sample.
        second_quarter: (n,) likewise of the second.

    Returns:
        (m,) and (n,) weights in [0, 1]; in each quarter they sum to min(m_q, n_q) on both sides.
    """
    first, second = numbers(first_quarter), numbers(second_quarter)
    _, index = np.unique(np.concatenate([first, second]), return_inverse=True)
    at, other = index[: first.size], index[first.size :]
    size = int(index.max()) + 1 if index.size else 0
    m, n = np.bincount(at, minlength=size), np.bincount(other, minlength=size)
    both = np.minimum(m, n)
    return (both / np.maximum(m, 1))[at], (both / np.maximum(n, 1))[other]


@dataclass(frozen=True)
class Survival:
    """The Kaplan-Meier estimate: share still going on beyond each duration.

    Attributes:
        count: units observed.
        time: (K,) durations at which something ended, ascending.
        at_risk: (K,) summed weights of those that had come in and not gone before each.
        ended: (K,) summed weights of those that ended then.
        survival: (K,) share (0-1) that goes on beyond.
        standard_error: (K,) of `survival`; NaN where all have ended.
        low: (K,) lower end of the interval of 95 %; NaN where it cannot be made.
        high: (K,) upper end.
        median: least duration at which half or less go on; None: it was not reached.
        median_low: lower end of the median's interval of 95 %; None as for the median.
        median_high: upper end; None: not reached.
        restricted_mean: mean duration up to `horizon`.
        horizon: the longest duration observed.
    """

    status: Status
    count: int
    time: Floats
    at_risk: Floats
    ended: Floats
    survival: Floats
    standard_error: Floats
    low: Floats
    high: Floats
    median: float | None = None
    median_low: float | None = None
    median_high: float | None = None
    restricted_mean: float | None = None
    horizon: float | None = None

    def at(self, duration: float) -> tuple[float, float | None, float | None]:
        """The share that goes on beyond a duration, with its interval (None: none made)."""
        place = int(np.searchsorted(self.time, duration, side="right")) - 1
        if place < 0:
            return 1.0, None, None
        low, high = float(self.low[place]), float(self.high[place])
        known = not math.isnan(low)
        return float(self.survival[place]), low if known else None, high if known else None


def kaplan_meier(
    duration: ArrayLike,
    is_event: ArrayLike,
    *,
    entry: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    sample: Sample | None = None,
) -> Survival:
    """Product-limit estimate (Kaplan and Meier 1958) with intervals, for late entries as well.

    At risk at t are those with entry <= t <= duration: `entry` is the least duration at which a
    unit would have been seen at all (left truncation; Tsai, Jewell and Wang 1987). What is
    censored at t was still at risk at t.

    The variance of log S is Greenwood's (1926). With weights or clusters it is the sum of the
    squared influence of each cluster, times clusters / (clusters - 1): the infinitesimal jackknife
    (Lin and Wei 1989), which with a cluster for each unit and no late entries sums to Greenwood's.
    Intervals are made on the scale of log(-log S) (Kalbfleisch and Prentice 1980), with t and
    clusters - 1 degrees of freedom if there are clusters; the median's inverts them (Brookmeyer and
    Crowley 1982). Under a design the variance of the summed influence is the design's, stratum by
    stratum (Binder 1992), with as many degrees of freedom as units less strata.

    Args:
        duration: (n,) time until it ended, or until which it is known to have gone on; >= 0.
        is_event: (n,) whether it ended.
        entry: (n,) from when on it would have been seen, at most `duration`; by default always.
        weight: (n,) above zero, how many units each stands for.
        cluster: (n,) owner; owners vary as a whole.
        sample: the design these units were drawn by, with its weights; instead of weight and
            cluster. Others of the draw, counted in `group_drawn` only, are not in.

    Raises:
        PermanentFailure: a value is unknown, infinite or below zero, a unit came in after it was
            gone, or numbers of units differ.
    """
    known = numbers(duration).astype(np.float64)
    if sample is not None:
        weight = sample.weight
    ended, came, weighed = _check_survival(known, is_event, entry, weight)
    if not known.size:
        none = np.empty(0)
        return Survival("not_measurable", 0, none, none, none, none, none, none, none)
    # With counts asked for, numpy sorts, which on doubles is far faster than its hash table.
    time, _ = np.unique(known[ended], return_counts=True)
    # Entering at t counts at t, leaving at t still does.
    gone = _sums_before(time, known, weighed)
    at_risk = _sums_up_to(time, came, weighed) - gone
    ends: Floats = np.zeros(time.size)
    np.add.at(ends, np.searchsorted(time, known[ended]), weighed[ended])
    left = at_risk - ends
    # What is left of rounding in summed weights is nobody.
    left[left < 1e-12 * at_risk] = 0.0
    survival: Floats = np.cumprod(left / at_risk).astype(np.float64)
    degrees = math.inf
    units = (known, ended, came, weighed)
    if sample is not None:
        variance, degrees = _of_design(time, at_risk, ends, left, units, sample)
    elif weight is None and cluster is None:
        variance = _greenwood(at_risk, ends, left)
    else:
        group = _clusters(cluster, known.size)
        degrees = float(group.max())
        factor = np.full(group.max() + 1, (degrees + 1) / degrees if degrees else math.nan)
        variance = _squares(time, at_risk, ends, left, units, group, factor)
    low, high = _log_log(survival, variance, degrees)
    horizon = float(known.max())
    return Survival(
        "measured", int(known.size), time, at_risk, ends, survival,
        survival * np.sqrt(variance), low, high,
        _first_at_most(time, survival), _first_at_most(time, low), _first_at_most(time, high),
        _area(time, survival, horizon), horizon,
    )  # fmt: skip


def _check_survival(
    duration: Floats, is_event: ArrayLike, entry: ArrayLike | None, weight: ArrayLike | None
) -> tuple[NDArray[np.bool_], Floats, Floats]:
    ended = np.asarray(is_event)
    if ended.dtype != np.bool_ and ended.size:
        ended = numbers(ended) != 0
    _check_alike(duration.size, ended.size, "flags of what ended")
    came = np.zeros(duration.size) if entry is None else numbers(entry).astype(np.float64)
    _check_alike(duration.size, came.size, "entries")
    if duration.size and float(duration.min()) < 0:
        raise PermanentFailure("A duration is below zero.", "Leave out what ended before it began.")
    if (came > duration).any():
        raise PermanentFailure(
            "A unit came in after it was gone.", "Leave out what would not have been seen."
        )
    weighed = np.ones(duration.size) if weight is None else weights(weight, duration.size)
    return ended.astype(bool), came, weighed


def _sums_up_to(time: Floats, when: Floats, weight: Floats) -> Floats:
    """Summed weights of those with `when` <= each time."""
    return _summed(weight, when)[np.searchsorted(np.sort(when), time, side="right")]


def _sums_before(time: Floats, when: Floats, weight: Floats) -> Floats:
    return _summed(weight, when)[np.searchsorted(np.sort(when), time, side="left")]


def _summed(weight: Floats, when: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(weight[np.argsort(when, kind="stable")])])


def _greenwood(at_risk: Floats, ends: Floats, left: Floats) -> Floats:
    """Variance of log S; NaN from where all have ended."""
    steps = np.divide(ends, at_risk * left, out=np.full(ends.size, np.nan), where=left > 0)
    return np.cumsum(steps)


def _of_design(
    time: Floats,
    at_risk: Floats,
    ends: Floats,
    left: Floats,
    units: Units,
    sample: Sample,
) -> tuple[Floats, float]:
    """Variance of log S at each time, and its degrees of freedom.

    In a stratum of n the squares about their mean are those of units less that of their sum over n.
    """
    drawn = sample.group_drawn.astype(np.float64)
    factor = np.where(drawn > 1, sample.rest * drawn / np.maximum(drawn - 1, 1), 0.0)
    alone = np.arange(units[0].size)
    of_units = _squares(time, at_risk, ends, left, units, alone, factor[sample.group])
    of_sums = _squares(
        time, at_risk, ends, left, units, sample.group, factor / np.maximum(drawn, 1)
    )
    variance = of_units - of_sums
    # What is left of rounding is no spread.
    variance[variance < 1e-12 * of_units] = 0.0
    varying = drawn[(factor > 0) & (np.bincount(sample.group, minlength=drawn.size) > 0)]
    return variance, max(1.0, float((varying - 1).sum())) if varying.size else math.inf


def _squares(
    time: Floats,
    at_risk: Floats,
    ends: Floats,
    left: Floats,
    units: Units,
    cluster: Ints,
    factor: Floats,
) -> Floats:
    """Squared influence on log S of each cluster, times its factor, summed, at each time.

    A unit's influence at t is w (H(min(t, T)) - H(entry-) - [ended by t] g(T)), H summing
    ends / (at risk x left) and g = 1 / left. At t a cluster's is R H(t) + F, R being its weight
    still at risk: sums of R^2, RF and F^2 over clusters change only when a unit comes or goes, so
    that all times cost one sort.
    """
    duration, ended, came, weighed = units
    # From where all have ended there is no variance, and no NaN may reach what comes before.
    some = left > 0
    steps = np.divide(ends, at_risk * left, out=np.zeros(ends.size), where=some)
    hazard = np.concatenate([[0.0], np.cumsum(steps)])
    per_end = np.divide(1.0, left, out=np.zeros(left.size), where=some)
    entered = np.searchsorted(time, came, side="left")
    # Who ended at time k stops adding after k; who was censored there as well.
    last = np.searchsorted(time, duration, side="right")
    cost = np.zeros(duration.size)
    cost[ended] = per_end[last[ended] - 1]
    # Each unit comes at the index `entered` and goes just after the index last - 1. A unit that
    # comes after its last time was never at risk at any.
    seen = last > entered
    where = np.concatenate([entered[seen], last[seen] - 1])
    order = np.concatenate([np.zeros(seen.sum()), np.ones(seen.sum())])
    risk = np.concatenate([weighed[seen], -weighed[seen]])
    fixed = np.concatenate([
        -weighed[seen] * hazard[entered[seen]],
        weighed[seen] * (hazard[last[seen]] - cost[seen]),
    ])  # fmt: skip
    group = np.concatenate([cluster[seen], cluster[seen]])
    by = np.lexsort((order, where, group))
    squares = _changes(risk[by], fixed[by], group[by])
    sums = [
        np.cumsum(np.bincount(where[by], part * factor[group[by]], minlength=time.size))
        for part in squares
    ]
    total = hazard[1:]
    spread = total**2 * sums[0] + 2 * total * sums[1] + sums[2]
    spread[np.logical_or.accumulate(~some)] = math.nan
    found: Floats = np.maximum(spread, 0.0)
    return found


def _changes(risk: Floats, fixed: Floats, group: Ints) -> tuple[Floats, Floats, Floats]:
    """By how much each change in a group alters its R^2, RF and F^2; rows sorted by group."""
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    sizes = np.diff(np.concatenate([starts, [group.size]]))

    def running(change: Floats) -> tuple[Floats, Floats]:
        summed = np.cumsum(change)
        before = np.repeat(summed[starts] - change[starts], sizes)
        after = summed - before
        return after - change, after

    (r0, r1), (f0, f1) = running(risk), running(fixed)
    return r1**2 - r0**2, r1 * f1 - r0 * f0, f1**2 - f0**2


def _log_log(survival: Floats, variance: Floats, degrees: float) -> tuple[Floats, Floats]:
    with np.errstate(divide="ignore", invalid="ignore"):
        half = _t(degrees) * np.sqrt(variance) / np.abs(np.log(survival))
        return survival ** np.exp(half), survival ** np.exp(-half)


def _first_at_most(time: Floats, curve: Floats) -> float | None:
    """The first time at which the curve is one half or less, up to rounding."""
    found = np.flatnonzero(curve <= 0.5 + 1e-12)
    return float(time[found[0]]) if found.size else None


def _area(time: Floats, survival: Floats, horizon: float) -> float:
    edges = np.concatenate([[0.0], time, [horizon]])
    return float(np.diff(edges) @ np.concatenate([[1.0], survival]))


def _t(degrees: float) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + LEVEL) / 2, degrees)) if degrees > 0 else math.nan


def _clusters(cluster: ArrayLike | None, count: int) -> Ints:
    """Index of each unit's cluster, from 0."""
    if cluster is None:
        return np.arange(count)
    named = np.asarray(cluster)
    _check_alike(count, named.size, "clusters")
    return np.unique(named, return_inverse=True)[1].astype(np.int64)


def _times(created_at: ArrayLike) -> NDArray[np.datetime64]:
    times = np.asarray(created_at, dtype="datetime64[us]")
    unknown = int(np.isnat(times).sum())
    if unknown:
        raise PermanentFailure(
            f"{unknown} of {times.size} times of creation are unknown.",
            "Leave them out before computing, and report how many there are.",
        )
    return times


def _check_alike(units: int, others: int, what: str) -> None:
    if units != others:
        raise PermanentFailure(f"There are {units} values and {others} {what}.")
