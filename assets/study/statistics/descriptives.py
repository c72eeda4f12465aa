"""One sample described.

Belongs here: location, spread, quantiles, share of zeros. Does not belong here: inequality and
tails (`concentration`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from assets.study.statistics.mid_distribution import mid_quantiles
from assets.study.statistics.values import (
    Floats,
    Frequencies,
    Numbers,
    Status,
    frequencies,
    numbers,
    weights,
)

QUANTILES = (0.25, 0.5, 0.75, 0.9, 0.99)
# Cut off at either end by the trimmed mean, as a share of the weights.
TRIMMED_SHARE = 0.05
# A cumulated share this near to a level has reached it: weights are not summed without rounding.
SHARE_TOLERANCE = 1e-12


@dataclass(frozen=True)
class Description:
    """One feature of one platform; figures are None where there is no value to compute them of.

    Attributes:
        count: values.
        size: summed weights; equal to `count` without weights.
        total: weighted sum; exact for whole numbers without weights.
        zero_share: share (0-1) of values equal to zero.
        quantiles: level (0-1) to value. Without weights by linear interpolation between order
            statistics (Hyndman and Fan 1996, type 7); with weights the averaged inverse of the
            distribution function (type 2), as design-based quantiles are. Of equal weights both
            are the same for the median only.
        mid_median: middle of the mid-distribution (`mid_distribution`): that of whole numbers is
            none, so that it tells apart what the median does not.
        standard_deviation: root of the squared deviations over `size` - 1; None up to size 1.
        trimmed_mean: without the lowest and highest 5 % of the weights; a value on the border
            counts in part.
        log_mean: exp(mean(log(1 + value))) - 1; None where a value is below zero.
        mean_above_zero: mean of the values above zero: with the share above zero the two halves of
            a hurdle model (Cragg 1971); None where no value is above zero.
        median_above_zero: median of the same values.
    """

    status: Status
    count: int
    size: float = 0.0
    total: float | None = None
    mean: float | None = None
    median: float | None = None
    mid_median: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    zero_share: float | None = None
    quantiles: Mapping[float, float] = field(default_factory=dict)
    standard_deviation: float | None = None
    trimmed_mean: float | None = None
    log_mean: float | None = None
    mean_above_zero: float | None = None
    median_above_zero: float | None = None


def describe(values: ArrayLike, weight: ArrayLike | None = None) -> Description:
    """Describe one sample.

    Args:
        values: (n,) finite numbers; may be empty.
        weight: (n,) finite numbers above zero, how many units each value stands for; by default
            one. Whole weights give what the sample with that many copies of each value gives.

    Raises:
        PermanentFailure: a value is unknown (None, NaN, masked), infinite or not a number, or a
            weight is not above zero.
    """
    known = numbers(values)
    heavy = None if weight is None else weights(weight, known.size)
    if known.size == 0:
        return Description(status="not_measurable", count=0)
    counted = frequencies(known, heavy)
    value, held = counted.value.astype(np.float64), counted.weight
    size = counted.size
    total = _exact_total(known) if heavy is None else float(held @ value)
    # Whole numbers are divided as such: the quotient is rounded once.
    mean = total / (size if heavy is not None else known.size)
    above = value > 0
    size_above = float(held[above].sum())
    return Description(
        status="measured",
        count=counted.count,
        size=size,
        total=float(total),
        mean=mean,
        median=_median(known, heavy, counted),
        mid_median=float(mid_quantiles(counted.value, held, 0.5)),
        minimum=float(value[0]),
        maximum=float(value[-1]),
        zero_share=float(held[value == 0].sum()) / size,
        quantiles=_quantiles(known, heavy, counted),
        standard_deviation=_standard_deviation(value - mean, held, size),
        trimmed_mean=_trimmed_mean(value, held, size),
        log_mean=math.expm1(float(held @ np.log1p(value)) / size) if value[0] >= 0 else None,
        mean_above_zero=float(held[above] @ value[above]) / size_above if size_above else None,
        median_above_zero=_median_above_zero(known, heavy),
    )


def quantile(counted: Frequencies, level: float) -> float:
    """Averaged inverse of the distribution function (Hyndman and Fan 1996, type 2).

    The smallest value at which the share of the weights not above it reaches `level`; where it is
    met exactly, the middle between that value and the next.

    Args:
        counted: a sample that is not empty.
        level: between 0 and 1.
    """
    shares = np.cumsum(counted.weight) / counted.weight.sum()
    at = min(int(np.searchsorted(shares, level - SHARE_TOLERANCE)), shares.size - 1)
    here = float(counted.value[at])
    if abs(float(shares[at]) - level) < SHARE_TOLERANCE and at + 1 < shares.size:
        return (here + float(counted.value[at + 1])) / 2
    return here


def _exact_total(known: Numbers) -> int | float:
    """The sum; of whole numbers in halves, as it may leave 64 bits."""
    if known.dtype.kind == "f":
        return float(known.sum())
    whole = known.astype(np.int64)
    return (int((whole >> 32).sum()) << 32) + int((whole & 0xFFFFFFFF).sum())


def _median(known: Numbers, heavy: Floats | None, counted: Frequencies) -> float:
    return float(np.median(known)) if heavy is None else quantile(counted, 0.5)


def _quantiles(known: Numbers, heavy: Floats | None, counted: Frequencies) -> Mapping[float, float]:
    if heavy is not None:
        return {level: quantile(counted, level) for level in QUANTILES}
    found = np.quantile(known, QUANTILES)
    return {level: float(value) for level, value in zip(QUANTILES, found, strict=True)}


def _median_above_zero(known: Numbers, heavy: Floats | None) -> float | None:
    above = known > 0
    if not above.any():
        return None
    if heavy is None:
        return float(np.median(known[above]))
    return quantile(frequencies(known[above], heavy[above]), 0.5)


def _standard_deviation(deviation: Floats, held: Floats, size: float) -> float | None:
    return math.sqrt(float(held @ deviation**2) / (size - 1)) if size > 1 else None


def _trimmed_mean(value: Floats, held: Floats, size: float) -> float:
    cumulated = np.cumsum(held)
    kept = np.diff(
        np.clip(cumulated, TRIMMED_SHARE * size, (1 - TRIMMED_SHARE) * size),
        prepend=TRIMMED_SHARE * size,
    )
    # From the smallest value on, so that of a constant nothing is left to rounding.
    return float(value[0] + kept @ (value - value[0]) / kept.sum())
