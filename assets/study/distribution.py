"""Each feature counted in bins on a logarithmic axis: the rows of `mart_distribution`.

Belongs here: where bins begin, what is counted in them. Does not belong here: how it is drawn.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from assets.study.population import Population

Row = dict[str, Any]
BINS_A_DECADE = 8
# Rates below this are counted with it: one act in eight hundred years of monthly rates.
LEAST = 1e-4


def distribution_rows(common: Row, population: Population) -> Iterator[Row]:
    """One row for each feature, basis and bin that holds a repository.

    Args:
        common: study, day, cell and hash.
    """
    for (feature, basis), known in population.known.items():
        if not known.values.size:
            continue
        weight = np.ones(known.values.size) if known.weight is None else known.weight
        values = known.values.astype(np.float64)
        number = bin_of(values)
        bins, at = np.unique(number, return_inverse=True)
        held = np.bincount(at, weight)
        counts, sums = np.bincount(at), np.bincount(at, weight * values)
        share = held / held.sum()
        at_least = np.minimum(1.0, np.cumsum(share[::-1])[::-1])
        for place, one in enumerate(bins.tolist()):
            low, high = edges(one)
            yield {
                **common,
                "platform": population.platform,
                "feature": feature,
                "basis": basis,
                "bin_low": low,
                "bin_high": high,
                "repository_count": int(counts[place]),
                "estimated_count": float(held[place]),
                "value_sum": float(sums[place]),
                "share": float(share[place]),
                "share_at_least": float(at_least[place]),
            }


ZERO = np.iinfo(np.int64).min


def bin_of(values: "np.ndarray[Any, np.dtype[np.float64]]") -> "np.ndarray[Any, Any]":
    """(n,) number of each value's bin: eight a decade, 0 beginning with 1; `ZERO` that of zero.

    Edges are compared, not logarithms rounded, so that a bin holds exactly what its edges say.
    """
    first, last = int(np.log10(LEAST)) * BINS_A_DECADE, 20 * BINS_A_DECADE
    borders = np.array([edges(number)[0] for number in range(first + 1, last)])
    number = first + np.searchsorted(borders, values, side="right")
    return np.where(values <= 0, ZERO, number)


def edges(number: int) -> tuple[float, float]:
    """Least value of a bin, and that of the next."""
    if number == ZERO:
        return 0.0, 0.0
    return float(10 ** (number / BINS_A_DECADE)), float(10 ** ((number + 1) / BINS_A_DECADE))
