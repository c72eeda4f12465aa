"""One sample described.

Belongs here: location, spread, quantiles, share of zeros. Does not belong here: inequality and
tails (`concentration`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from assets.study.statistics.values import Status, numbers

QUANTILES = (0.25, 0.5, 0.75, 0.9, 0.99)


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


def summarise(values: ArrayLike) -> FeatureSummary:
    """Describe one sample.

    Args:
        values: one-dimensional, finite numbers; may be empty.

    Raises:
        PermanentFailure: a value is unknown (None, NaN, masked), infinite or not a number.
    """
    known = numbers(values)
    if known.size == 0:
        return FeatureSummary(status="not_measurable", count=0)
    levels = np.quantile(known, QUANTILES)
    return FeatureSummary(
        status="measured",
        count=int(known.size),
        mean=float(np.mean(known)),
        median=float(np.median(known)),
        maximum=float(np.max(known)),
        zero_share=float(np.mean(known == 0)),
        quantiles={level: float(value) for level, value in zip(QUANTILES, levels, strict=True)},
    )
