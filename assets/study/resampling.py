"""Bootstrap intervals of means under the design of a sample, for features with heavy tails.

Belongs here: the rescaling bootstrap and its studentised form, and the bootstrap clustered by
owner. Does not belong here: variance by formula (`estimators`).

Rao and Wu (1988): in each stratum n - 1 of its n units are drawn with replacement, and the weights
are rescaled so that the variance of the replicates is the design's, finite population correction
included. Units that are not in take part, as the number of those that are in varies as well.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assets.study.estimators import LEVEL, Estimate, Floats, Ints, Sample, mean
from orchestration.failures import PermanentFailure

REPLICATES = 999
# Replicates made at a time: bounds the memory to this many numbers for each unit.
CHUNK = 100
Form = Literal["percentile", "studentised"]


def bootstrap_mean(
    sample: Sample,
    values: ArrayLike,
    *,
    form: Form = "studentised",
    clusters: ArrayLike | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Estimate:
    """The weighted mean with an interval by resampling.

    Args:
        values: (n,) numbers; those of units that are not in are not looked at.
        form: `studentised` (bootstrap-t) follows the skewness of a heavy tail better and is wider;
            `percentile` never leaves the range of the data.
        clusters: (n,) owner of each unit. Owners then vary as a whole (weights multiplied by one
            exponential number for each owner, centred in the stratum): what would be seen if other
            owners had come to the platform. Only with `percentile`.
        seed: of the replicates.

    Raises:
        PermanentFailure: as for `mean`; or clusters with the studentised form.
    """
    plain = mean(sample, values)
    if plain.standard_error == 0:
        return plain
    y = np.where(sample.is_in, np.asarray(values, dtype=np.float64), 0.0)
    rng = np.random.default_rng(seed)
    if clusters is not None:
        if form == "studentised":
            raise PermanentFailure(
                "There is no studentised bootstrap by clusters.", "Use the percentile form."
            )
        weights = _owner_weights(sample, np.asarray(clusters), replicates, rng)
        means = np.concatenate([_means(chunk, sample, y)[0] for chunk in weights])
        return _percentile(plain, means, "bootstrap_by_owner")
    counts = _resampled(sample, replicates, rng)
    found = [_replicates(chunk, sample, y) for chunk in counts]
    means, errors = (np.concatenate(part) for part in zip(*found, strict=True))
    if form == "percentile":
        return _percentile(plain, means, "bootstrap")
    usable = errors > 0
    if usable.sum() < replicates / 2:
        # Too few units that differ for a spread of their own in most replicates.
        return _percentile(plain, means, "bootstrap")
    t = (means[usable] - plain.value) / errors[usable]
    low, high = np.quantile(t, [(1 + LEVEL) / 2, (1 - LEVEL) / 2])
    # No mean of numbers that are not negative is below zero.
    least = 0.0 if float(y.min()) >= 0 else -math.inf
    return replace(
        plain,
        low=max(least, plain.value - float(low) * plain.standard_error),
        high=plain.value - float(high) * plain.standard_error,
        method="bootstrap_t",
    )


def _resampled(
    sample: Sample, replicates: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """How often each unit is drawn in each replicate: (chunk, n) arrays."""
    order = np.argsort(sample.group, kind="stable")
    drawn = sample.group_drawn[sample.group_drawn > 0]
    starts = np.concatenate([[0], np.cumsum(drawn)[:-1]])
    # One draw for each unit but the last of its group; a unit alone is always drawn.
    again = np.maximum(drawn - 1, 1)
    low, size = np.repeat(starts, again), np.repeat(drawn, again)
    for first in range(0, replicates, CHUNK):
        rows = min(CHUNK, replicates - first)
        picked = low + np.floor(rng.random((rows, low.size)) * size).astype(np.int64)
        flat = (picked + (np.arange(rows) * order.size)[:, None]).ravel()
        counts = np.bincount(flat, minlength=rows * order.size).reshape(rows, order.size)
        found = np.empty_like(counts)
        found[:, order] = counts
        yield found


def _replicates(counts: Ints, sample: Sample, y: Floats) -> tuple[Floats, Floats]:
    """Mean and its standard error in each replicate."""
    drawn = sample.group_drawn.astype(np.float64)
    n = np.maximum(drawn, 2)
    shrink = np.sqrt(sample.rest)
    scale = np.where(drawn > 1, shrink * n / (n - 1), 0.0)[sample.group]
    shift = np.where(drawn > 1, 1 - shrink, 1.0)[sample.group]
    weights = sample.weight * (shift + scale * counts)
    means, sizes = _means(weights, sample, y)
    # Residuals (y - mean) of a replicate enter as powers, so that one product does all replicates.
    inside, weight = sample.is_in.astype(np.float64), sample.weight
    one = _grouped(counts, weight * inside, sample)
    first = _grouped(counts, weight * y, sample)
    ones = _grouped(counts, weight**2 * inside, sample)
    mixed = _grouped(counts, weight**2 * y, sample)
    squares = _grouped(counts, weight**2 * y**2, sample)
    m = means[:, None]
    spread = squares - 2 * m * mixed + m**2 * ones - (first - m * one) ** 2 / (n - 1)
    factor = np.where(drawn > 2, sample.rest * n**2 / ((n - 1) * np.maximum(n - 2, 1)), 0.0)
    variance = np.maximum(spread, 0.0) @ factor / sizes**2
    return means, np.sqrt(variance)


def _grouped(counts: Ints | Floats, values: Floats, sample: Sample) -> Floats:
    """Sum over each group of counts times values: (replicates, groups)."""
    order = np.argsort(sample.group, kind="stable")
    present = sample.group_drawn > 0
    starts = np.concatenate([[0], np.cumsum(sample.group_drawn[present])[:-1]]).astype(np.int64)
    sums = np.zeros((counts.shape[0], present.size))
    sums[:, present] = np.add.reduceat(counts[:, order] * values[order], starts, axis=1)
    return sums


def _means(weights: Floats, sample: Sample, y: Floats) -> tuple[Floats, Floats]:
    sizes = weights @ sample.is_in.astype(np.float64)
    return (weights @ y) / sizes, sizes


def _owner_weights(
    sample: Sample, clusters: NDArray[np.generic], replicates: int, rng: np.random.Generator
) -> Iterator[Floats]:
    _, owner = np.unique(clusters, return_inverse=True)
    drawn = np.maximum(sample.group_drawn, 2)
    spread = np.sqrt(sample.rest * drawn / (drawn - 1))[sample.group]
    for first in range(0, replicates, CHUNK):
        rows = min(CHUNK, replicates - first)
        factor = rng.exponential(size=(rows, int(owner.max()) + 1))[:, owner] - 1.0
        sums = _grouped(factor, np.ones(owner.size), sample)
        centred = factor - (sums / np.maximum(sample.group_drawn, 1))[:, sample.group]
        yield sample.weight * (1.0 + spread * centred)


def _percentile(plain: Estimate, means: Floats, method: str) -> Estimate:
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return replace(
        plain,
        standard_error=float(np.std(means)) if method == "bootstrap_by_owner"
        else plain.standard_error,
        low=float(low),
        high=float(high),
        degrees=math.inf,
        method=method,
    )  # fmt: skip
