"""Statistics of the study: descriptive figures, the Mann-Whitney test, effect size, adjustment.

Belongs here: estimators on plain arrays of numbers, without a table, a platform or a file.
Does not belong here: which columns are compared (`comparison`), and how a figure is shown.

Unknown values are refused, never dropped: how many are unknown is a result of its own, which
only the caller can count.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from orchestration.failures import PermanentFailure

Status = Literal["measured", "not_measurable"]
Numbers = NDArray[np.int64] | NDArray[np.float64]

QUANTILES = (0.25, 0.5, 0.75, 0.9, 0.99)
# A probability below this cannot be written as a normal double; it is never reported as zero.
SMALLEST_P_VALUE = sys.float_info.min


@dataclass(frozen=True)
class FeatureSummary:
    """One feature of one platform; all figures are None when there is no value.

    Attributes:
        zero_share: share (0-1) of values equal to zero.
        quantiles: level (0-1) to value, linear interpolation between order statistics.
    """

    status: Status
    count: int
    mean: float | None = None
    median: float | None = None
    maximum: float | None = None
    zero_share: float | None = None
    quantiles: Mapping[float, float] = field(default_factory=dict)


@dataclass(frozen=True)
class MannWhitney:
    """Two-sided Mann-Whitney test of a first against a second sample.

    Attributes:
        u: number of pairs in which the first is larger, pairs that tie counting one half.
        p_value: at least `SMALLEST_P_VALUE`; equal to it means "at most this".
        log10_p_value: decimal logarithm of the unbounded p-value.
        cliffs_delta: 2U/(mn) - 1, in [-1, 1]; above zero when the first tends to be larger.
    """

    status: Status
    first_count: int
    second_count: int
    u: float | None = None
    p_value: float | None = None
    log10_p_value: float | None = None
    cliffs_delta: float | None = None


def summarise(values: ArrayLike) -> FeatureSummary:
    """Describe one sample.

    Args:
        values: one-dimensional, finite numbers; may be empty.

    Raises:
        PermanentFailure: a value is unknown (None, NaN, masked), infinite or not a number.
    """
    numbers = _numbers(values)
    if numbers.size == 0:
        return FeatureSummary(status="not_measurable", count=0)
    levels = np.quantile(numbers, QUANTILES)
    return FeatureSummary(
        status="measured",
        count=int(numbers.size),
        mean=float(np.mean(numbers)),
        median=float(np.median(numbers)),
        maximum=float(np.max(numbers)),
        zero_share=float(np.mean(numbers == 0)),
        quantiles={level: float(value) for level, value in zip(QUANTILES, levels, strict=True)},
    )


def mann_whitney(x: ArrayLike, y: ArrayLike) -> MannWhitney:
    """Mann-Whitney U with tie-corrected normal approximation and continuity correction.

    U and the variance are computed from value counts in whole numbers, so they are exact for
    any number of ties; `scipy.stats.mannwhitneyu(method="asymptotic")` gives the same U and p
    but no logarithm, and p = 0 from |z| of about 38 on (every test of the paper's size).
    When all values are equal the variance is zero: p is 1 and the effect 0.

    Args:
        x: first sample, one-dimensional, finite numbers; may be empty.
        y: second sample, likewise.

    Raises:
        PermanentFailure: a value is unknown, infinite or not a number.
    """
    first, second = _numbers(x), _numbers(y)
    m, n = int(first.size), int(second.size)
    if m == 0 or n == 0:
        return MannWhitney(status="not_measurable", first_count=m, second_count=n)
    first_counts, second_counts = _counts_by_value(first, second)
    twice_u = _twice_u(first_counts, second_counts)
    log_p = _log_p_value(twice_u, m, n, _tie_term(first_counts + second_counts))
    return MannWhitney(
        status="measured",
        first_count=m,
        second_count=n,
        u=twice_u / 2,
        p_value=max(math.exp(log_p), SMALLEST_P_VALUE),
        log10_p_value=log_p / math.log(10),
        cliffs_delta=(twice_u - m * n) / (m * n),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (Holm 1979), in the order given.

    Args:
        p_values: the family of tests, each in [0, 1].

    Raises:
        PermanentFailure: a p-value is outside [0, 1] or unknown.
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise PermanentFailure("A p-value is unknown or outside 0 to 1.")
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _numbers(values: ArrayLike) -> Numbers:
    """Whole numbers stay whole: as doubles, counts above 2^53 would tie falsely."""
    array: NDArray[Any] = np.asarray(values)
    if array.ndim != 1:
        raise PermanentFailure(f"One dimension expected, got {array.ndim}.")
    if array.size == 0:
        return np.empty(0, dtype=np.int64)
    # `asarray` forgets a mask, and what lies under it is not a value.
    unknown = int(np.sum(values.mask)) if isinstance(values, np.ma.MaskedArray) else 0
    if array.dtype.kind == "O":
        unknown += sum(1 for value in array if value is None or value != value)
    elif array.dtype.kind == "f":
        unknown += int(np.isnan(array).sum())
    if unknown:
        raise PermanentFailure(
            f"{unknown} of {array.size} values are unknown (null or NaN).",
            "Leave unknown values out before computing, and report how many there are.",
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise PermanentFailure("A value is infinite.", "Correct the model that made it.")
    if array.dtype.kind == "u" and int(array.max()) > np.iinfo(np.int64).max:
        raise PermanentFailure("A value is too large for a count.", "Correct the model.")
    if array.dtype.kind not in "biuf":
        raise PermanentFailure(f"Numbers expected, got values of type {array.dtype}.")
    if array.dtype.kind == "f":
        return array.astype(np.float64, copy=False)
    return array.astype(np.int64, copy=False)


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
