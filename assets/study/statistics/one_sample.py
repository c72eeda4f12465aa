"""How much a figure of one sample varies: with its owners, or with the draw that its design made.

Belongs here: standard error and degrees of freedom from a figure's influences, intervals of mean
and median. Does not belong here: influences of other figures (`correlation`), effects of two
samples (`bootstrap`).

A figure is a function of weighted means; its influence says how much each unit pulls at it (Hampel
1974). Owners vary as a whole: the variance is that of the jackknife that leaves out one at a time.
Under a design it is the design's, stratum by stratum (`assets.study.estimators`).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from assets.study import estimators
from assets.study.estimators import Estimate, Sample
from assets.study.statistics.bootstrap import LEAST_CLUSTERS
from assets.study.statistics.descriptives import quantile
from assets.study.statistics.two_sample import owner_numbers
from assets.study.statistics.values import Floats, Ints, frequencies, numbers, weights

# With fewer owners a mean's tail is mostly not seen: lognormal ones are covered in 87 to 93 %.
MANY_CLUSTERS = 100


@dataclass(frozen=True)
class Spread:
    """Of a figure.

    Attributes:
        error: standard error.
        degrees: of freedom of Student's t.
        clusters: units that vary: owners, or those drawn.
    """

    error: float
    degrees: float
    clusters: int

    @property
    def half(self) -> float:
        """Half the width of an interval of 95 %."""
        return estimators.t_quantile(self.degrees) * self.error if self.error else 0.0


@dataclass(frozen=True)
class Ends:
    """Of an interval of 95 %; None with the reason where none can be made.

    A reason beside two ends says what limits them.
    """

    low: float | None = None
    high: float | None = None
    reason: str | None = None


def spread(pull: Floats, held: Floats, owner: Ints | None, sample: Sample | None) -> Spread:
    """How much a figure varies.

    Args:
        pull: (n,) by how much each unit pulls, in the figure's own unit; its weighted mean is zero.
        held: (n,) weights.
        owner: (n,) numbers from 0, or each unit is alone; not looked at with a design.
        sample: the design, with these weights.

    Returns:
        With degrees of freedom that fall where few make up most of the variance: as many equal
        normal ones would estimate it as well (Satterthwaite 1946).
    """
    if sample is not None:
        error, degrees = estimators.standard_error(sample, pull / held.sum())
        squares = sample.rest[sample.group] * (held * pull) ** 2
        return Spread(error, min(degrees, _degrees(squares)), sample.count)
    sums, size = held * pull, held
    if owner is not None:
        sums, size = (np.bincount(owner, part).astype(np.float64) for part in (sums, held))
    count = int(sums.size)
    if count < 2:
        return Spread(math.inf, 1.0, count)
    # What the figure would be without the owner: a large one has drawn it towards itself.
    squares = (sums / (held.sum() - size)) ** 2
    error = math.sqrt(float(squares.sum()) * (count - 1) / count)
    return Spread(error, min(_degrees(squares), count - 1), count)


def mean_interval(
    values: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    sample: Sample | None = None,
) -> Ends:
    """Interval of 95 % of the mean, symmetric on a logarithmic scale where it is above zero.

    With owners fewer than `MANY_CLUSTERS` and a heavy tail it covers less often, and says so.

    Args:
        values: (n,) finite numbers; not empty.
        weight: (n,) above zero; by default one.
        cluster: (n,) owner of each unit.
        sample: the design with its weights, all units of which are in; neither `weight` nor owners
            are then looked at.

    Raises:
        PermanentFailure: a value is unknown or infinite, a weight not above zero, numbers differ.
    """
    known, held, owner = _arrays(values, weight, cluster)
    if sample is not None:
        return _of_design(estimators.mean(sample, known, "log"))
    mean = float(held @ known) / float(held.sum())
    found = spread(known - mean, held, owner, None)
    if found.clusters < LEAST_CLUSTERS and found.error > 0:
        return Ends(reason=f"none, as there are fewer than {LEAST_CLUSTERS} owners")
    limit = None
    if found.clusters < MANY_CLUSTERS and found.error > 0:
        limit = f"of fewer than {MANY_CLUSTERS} owners it is too short where the tail is heavy"
    if mean > 0 and float(known.min()) >= 0:
        factor = math.exp(found.half / mean)
        return Ends(mean / factor, mean * factor, limit)
    return Ends(mean - found.half, mean + found.half, limit)


def median_interval(
    values: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    sample: Sample | None = None,
) -> Ends:
    """Interval of 95 % of the median: where the share up to a value may be one half.

    Woodruff's (1952). With many equal values it covers more often than stated. Arguments as for
    `mean_interval`.
    """
    known, held, owner = _arrays(values, weight, cluster)
    if sample is not None:
        return _of_design(estimators.quantile(sample, known))
    counted = frequencies(known, held)
    median = quantile(counted, 0.5)
    up_to = (known <= median).astype(np.float64)
    found = spread(up_to - float(held @ up_to) / float(held.sum()), held, owner, None)
    if found.clusters < LEAST_CLUSTERS and found.error > 0:
        return Ends(reason=f"none, as there are fewer than {LEAST_CLUSTERS} owners")
    low, high = (
        quantile(counted, min(max(level, 0.0), 1.0))
        for level in (0.5 - found.half, 0.5 + found.half)
    )
    return Ends(min(low, median), max(high, median))


def _arrays(
    values: ArrayLike, weight: ArrayLike | None, cluster: ArrayLike | None
) -> tuple[Floats, Floats, Ints | None]:
    known = numbers(values).astype(np.float64)
    held = np.ones(known.size) if weight is None else weights(weight, known.size)
    return known, held, None if cluster is None else owner_numbers(cluster, known.size)


def _of_design(estimate: Estimate) -> Ends:
    if estimate.count < LEAST_CLUSTERS and estimate.standard_error > 0:
        return Ends(reason=f"none, as fewer than {LEAST_CLUSTERS} were drawn")
    return Ends(estimate.low, estimate.high)


def _degrees(squares: Floats) -> float:
    fourth = float(squares @ squares)
    return max(1.0, 3 * float(squares.sum()) ** 2 / fourth) if fourth > 0 else math.inf
