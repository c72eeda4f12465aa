"""Two samples compared.

Belongs here: the Mann-Whitney test and effect sizes of two samples of plain numbers. Does not
belong here: their intervals by resampling (`bootstrap`), samples drawn by design
(`assets.study.estimators`).
"""

import math
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assets.study.statistics.values import Numbers, Status, numbers

# A probability below this cannot be written as a normal double; it is never reported as zero.
SMALLEST_P_VALUE = sys.float_info.min


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
    first, second = numbers(x), numbers(y)
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
