"""How much a figure of one sample varies: with its owners, or with the draw that its design made.

Belongs here: standard error and degrees of freedom from a figure's influences, intervals of mean
and median. Does not belong here: influences of other figures (`correlation`), effects of two
samples (`bootstrap`).

A figure is a function of weighted means; its influence says how much each unit pulls at it (Hampel
1974). Owners vary as a whole: the variance is that of the jackknife that leaves out one at a time.
Under a design it is the design's, stratum by stratum (`assets.study.estimators`).

Where the tail is heavy, those that would make the variance are mostly not in the sample, and no
method knows of them: of the published study's features intervals of means held in 24 to 87 % of
samples, and longest in those that had seen the tail. Figures that hang on it have an interval only
where the tail is seen and is light (`unseen_tail`).
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from assets.study import estimators
from assets.study.estimators import Estimate, Sample
from assets.study.statistics.bootstrap import LEAST_CLUSTERS
from assets.study.statistics.concentration import unseen_tail
from assets.study.statistics.descriptives import quantile
from assets.study.statistics.mid_distribution import (
    Holds,
    below,
    holds,
    mid_places,
    mid_quantiles,
)
from assets.study.statistics.two_sample import owner_numbers
from assets.study.statistics.values import Floats, Ints, frequencies, numbers, weights


@dataclass(frozen=True)
class Spread:
    """Of a figure.

    Attributes:
        error: standard error.
        degrees: of freedom of Student's t.
        clusters: units that vary: owners, or those drawn.
        pulls: of each of these.
    """

    error: float
    degrees: float
    clusters: int
    pulls: Floats

    @property
    def half(self) -> float:
        """Half the width of an interval of 95 %."""
        return estimators.t_quantile(self.degrees) * self.error if self.error else 0.0


@dataclass(frozen=True)
class Ends:
    """Of an interval of 95 %; None with the reason where none can be made.

    Attributes:
        interval_is: `nominal`, or `at_least`: it holds more than 95 %, as the figure moves in
            steps; None: there is none.
    """

    low: float | None = None
    high: float | None = None
    reason: str | None = None
    interval_is: Holds | None = None


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
        pulls = np.sqrt(sample.rest[sample.group]) * held * pull
        return Spread(error, min(degrees, _degrees(pulls**2)), sample.count, pulls)
    sums, size = held * pull, held
    if owner is not None:
        sums, size = (np.bincount(owner, part).astype(np.float64) for part in (sums, held))
    count = int(sums.size)
    if count < 2:
        return Spread(math.inf, 1.0, count, sums)
    # What the figure would be without the owner: a large one has drawn it towards itself.
    pulls = sums / (held.sum() - size)
    error = math.sqrt(float(pulls @ pulls) * (count - 1) / count)
    return Spread(error, min(_degrees(pulls**2), count - 1), count, pulls)


def shared_error(pull: Floats, held: Floats, owner: Ints) -> float | None:
    """Standard error of a figure where units of one owner go together alike whoever owns them.

    The jackknife learns what large owners add of these few alone, and says too little where they
    happen to pull little. Here what any two units of an owner share is learned of all owners, each
    counted by the units it has beyond one (Fuller and Battese 1973, for a mean).

    Args:
        pull: (n,) as for `spread`.
        held: (n,) weights.
        owner: (n,) numbers from 0.

    Returns:
        None where every owner has one unit.
    """
    part = held * pull
    size, sums, own = (np.bincount(owner, of).astype(np.float64)
                       for of in (np.ones_like(part), part, part**2))  # fmt: skip
    beyond = np.maximum(size - 1, 0.0)
    if not beyond.any():
        return None
    # Mean product of two units of an owner, which there are size * beyond of.
    shared = float(((sums**2 - own) / np.maximum(size, 1))[beyond > 0].sum() / beyond.sum())
    variance = float(own.sum()) + max(shared, 0.0) * float(size @ beyond)
    return math.sqrt(variance) / float(held.sum())


def mean_interval(
    values: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    sample: Sample | None = None,
    unheld: str | None = None,
) -> Ends:
    """Interval of 95 % of the mean, symmetric on a logarithmic scale where it is above zero.

    Of owners there is one only where their tail is seen and light (`unseen_tail`), of a design
    where large units are taken whole.

    Args:
        values: (n,) finite numbers; not empty.
        weight: (n,) above zero; by default one.
        cluster: (n,) owner of each unit.
        sample: the design with its weights, all units of which are in; neither `weight` nor owners
            are then looked at.
        unheld: of a design, why large units may be left to chance; None: they are not.

    Raises:
        PermanentFailure: a value is unknown or infinite, a weight not above zero, numbers differ.
    """
    known, held, owner = _arrays(values, weight, cluster)
    if sample is not None:
        if unheld is not None and not sample.is_census:
            return Ends(reason=f"none, as {unheld}")
        return _of_design(estimators.mean(sample, known, "log"))
    mean = float(held @ known) / float(held.sum())
    found = spread(known - mean, held, owner, None)
    if found.error > 0:
        apart = held * (known - quantile(frequencies(known, held), 0.5))
        sums = apart if owner is None else np.bincount(owner, apart).astype(np.float64)
        unseen = unseen_tail(sums, found.clusters)
        if unseen.reason is not None:
            return Ends(reason=f"none, as {unseen.reason}")
        error = math.hypot(found.error, math.sqrt(unseen.square) / float(held.sum()))
        found = replace(found, error=error)
    if mean > 0 and float(known.min()) >= 0:
        factor = math.exp(found.half / mean)
        return Ends(mean / factor, mean * factor, None, "nominal")
    return Ends(mean - found.half, mean + found.half, None, "nominal")


def median_interval(
    values: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    sample: Sample | None = None,
) -> Ends:
    """Interval of 95 % of the median: where the share up to a value may be one half.

    Woodruff's (1952). With many equal values it covers more often than stated, and says so;
    without, it is that of the mid-median, whose ends lie between values. Arguments as for
    `mean_interval`.
    """
    known, held, owner = _arrays(values, weight, cluster)
    if sample is not None:
        return _of_design(estimators.quantile(sample, known))
    counted = frequencies(known, held)
    median = quantile(counted, 0.5)
    # Whether it may be less is told by those below it, whether more by those up to it.
    sides = [
        spread(part - float(held @ part) / float(held.sum()), held, owner, None)
        for part in ((known < median).astype(np.float64), (known <= median).astype(np.float64))
    ]
    if sides[0].clusters < LEAST_CLUSTERS and max(one.error for one in sides) > 0:
        return Ends(reason=f"none, as there are fewer than {LEAST_CLUSTERS} owners")
    low, high = (
        quantile(counted, min(max(level, 0.0), 1.0))
        for level in (0.5 - sides[0].half, 0.5 + sides[1].half)
    )
    near = (known >= low) & (known <= high)
    step = _largest_tie(known[near], held[near], None if owner is None else owner[near])
    if holds(step / counted.size, max(one.error for one in sides)) == "nominal":
        return mid_median_interval(values, weight=weight, cluster=cluster)
    return Ends(min(low, median), max(high, median), None, "at_least")


def mid_median_interval(
    values: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    sample: Sample | None = None,
) -> Ends:
    """Interval of 95 % of the mid-median: where the mid-distribution may be one half.

    Arguments as for `mean_interval`.
    """
    known, held, owner = _arrays(values, weight, cluster)
    if sample is not None:
        return _of_design(estimators.mid_median(sample, known))
    value, at = np.unique(known, return_inverse=True)
    mass = np.bincount(at, held)
    found = spread(below(at, float(mid_places(mass, 0.5))) - 0.5, held, owner, None)
    if found.clusters < LEAST_CLUSTERS and found.error > 0:
        return Ends(reason=f"none, as there are fewer than {LEAST_CLUSTERS} owners")
    low, high = mid_quantiles(value, mass, [0.5 - found.half, 0.5 + found.half])
    return Ends(float(low), float(high), None, "nominal")


def _largest_tie(known: Floats, held: Floats, owner: Ints | None) -> float:
    """Largest weight of a value that several owners have; 0: none is shared."""
    value, at = np.unique(known, return_inverse=True)
    who = np.arange(at.size) if owner is None else owner
    # One number for a value and an owner, so that what an owner has of a value counts once.
    owners = int(who.max(initial=0)) + 1
    is_shared = np.bincount(np.unique(at * owners + who) // owners, minlength=value.size) > 1
    return float(np.bincount(at, held, minlength=value.size)[is_shared].max(initial=0.0))


def _arrays(
    values: ArrayLike, weight: ArrayLike | None, cluster: ArrayLike | None
) -> tuple[Floats, Floats, Ints | None]:
    known = numbers(values).astype(np.float64)
    held = np.ones(known.size) if weight is None else weights(weight, known.size)
    return known, held, None if cluster is None else owner_numbers(cluster, known.size)


def _of_design(estimate: Estimate) -> Ends:
    if estimate.count < LEAST_CLUSTERS and estimate.standard_error > 0:
        return Ends(reason=f"none, as fewer than {LEAST_CLUSTERS} were drawn")
    return Ends(estimate.low, estimate.high, None, estimate.interval_is)


def _degrees(squares: Floats) -> float:
    fourth = float(squares @ squares)
    return max(1.0, 3 * float(squares.sum()) ** 2 / fourth) if fourth > 0 else math.inf
