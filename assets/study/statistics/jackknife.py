"""How much an effect of two groups varies when owners are left out, one at a time.

Belongs here: how far each owner moves an effect, the variance of that, its degrees of freedom. Does
not belong here: intervals (`middles`, `bootstrap`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from assets.study.statistics.concentration import UnseenTail, unseen_tail
from assets.study.statistics.owner_table import OwnerTable, Part
from assets.study.statistics.two_sample import TOLERANCE
from assets.study.statistics.values import Floats

LEVEL = 0.95
# In place of a share of nothing: the smallest difference.
LEAST = 1e-9

Slopes = tuple[Floats, Floats]
Side = Literal["left", "right"]


@dataclass(frozen=True)
class Spread:
    """How much more an effect varies than its draws do.

    Attributes:
        more: standard error of the jackknife over that of the draws, to first order.
        degrees: of freedom of the former.
    """

    more: float
    degrees: float

    @property
    def quantile(self) -> float:
        """Of Student's t, for an interval of 95 %."""
        from scipy.special import stdtrit

        # Beyond, it is the normal one but for rounding.
        return float(stdtrit(min(self.degrees, 1e9), (1 + LEVEL) / 2))

    @property
    def stretch(self) -> float:
        """Of the distance of a percentile."""
        from scipy.special import ndtri

        return self.more * self.quantile / float(ndtri((1 + LEVEL) / 2))


def rank_slopes(first: Part, second: Part, bound: float) -> Slopes:
    """For each value of either, what a little of its weight adds to the share up to a bound."""
    mine = 1 - share_at(second, first.value - bound, "left")
    other = share_at(first, second.value + bound, "right")
    share = float(first.weight @ mine) / float(first.weight.sum())
    return (mine - share) / first.weight.sum(), (other - share) / second.weight.sum()


def mean_slopes(first: Part, second: Part) -> Slopes:
    """For each value of either, what a little of its weight adds to the log ratio of means."""
    mine, other = (
        # Without a mean there is no ratio either.
        part.value / (float(part.weight @ part.value) or math.inf) - 1 / part.weight.sum()
        for part in (first, second)
    )
    return mine, -other


def moved_by(table: OwnerTable, first: Part, second: Part, slopes: Slopes) -> tuple[Floats, Floats]:
    """(O,) by how much each owner's number moves an effect, by what it has in either group."""
    found = []
    for part, slope in zip((first, second), slopes, strict=True):
        rows = np.zeros(table.shape[0])
        rows[part.rows][:-1] = slope
        found.append(table.moved(rows))
    return found[0], found[1]


def spread_of_share(table: OwnerTable, first: Part, second: Part, slopes: Slopes) -> Spread:
    """Of an effect that is a share."""
    moved = moved_by(table, first, second, slopes)
    return compared(first, second, moved, given_back(table, first, second, moved))


def given_back(table: OwnerTable, first: Part, second: Part, moved: Slopes) -> list[Floats]:
    """(O,) for each group, by how much a share is another without the owner who pulled at it."""
    return [
        by if part.is_drawn else by / _left(table, part)
        for part, by in zip((first, second), moved, strict=True)
    ]


def moved_means(table: OwnerTable, first: Part, second: Part) -> tuple[Slopes, list[Floats]]:
    """Of the ratio of means: the jackknife of its logarithm, which a heavy tail makes skewed."""
    moved = moved_by(table, first, second, mean_slopes(first, second))
    without = []
    for part, by, sign in zip((first, second), moved, (1, -1), strict=True):
        left = _left(table, part)
        rows = np.zeros(table.shape[0])
        rows[part.rows.stop - 1] = 1
        total = float(part.weight @ part.value)
        rest = 1 - table.moved(rows) / total if total else np.zeros(left.size)
        if part.is_drawn or not (rest > 0).all():
            without.append(by if part.is_drawn else by / left)
        else:
            without.append(-sign * np.log(rest / left))
    return moved, without


def unseen_of(table: OwnerTable, part: Part) -> UnseenTail:
    """What is not seen of a part's tail, its square over that of the part's sum."""
    if part.is_drawn:
        return UnseenTail(part.unheld)
    rows = np.zeros(table.shape[0])
    rows[part.rows] = np.append(np.full(part.value.size, -value_at(part, np.array([0.5]))[0]), 1.0)
    found = unseen_tail(table.moved(rows), part.clusters)
    total = float(part.weight @ part.value)
    return replace(found, square=found.square / total**2 if total else 0.0)


def _left(table: OwnerTable, part: Part) -> Floats:
    """(O,) share of a group's weight that is left without each owner."""
    rows = np.zeros(table.shape[0])
    rows[part.rows][:-1] = 1 / part.weight.sum()
    # Beyond rounding; a group of one owner has no interval.
    found: Floats = np.maximum(1 - table.moved(rows), LEAST)
    return found


def compared(
    first: Part,
    second: Part,
    moved: Sequence[Floats],
    without: Sequence[Floats],
    beyond: float = 0.0,
) -> Spread:
    """The jackknife's variance over that of draws.

    Degrees of freedom are Welch's, or as many equal normal owners as would estimate the variance
    as well (Satterthwaite 1946), if that is fewer.

    Args:
        moved: (O,) for each group, by how much each owner moves the effect.
        without: (O,) likewise, by how much it is another without the owner.
        beyond: variance that neither shows.
    """
    scaled = scaled_to_variance(first, second, without)
    squares = (scaled[0] + scaled[1]) ** 2
    of_draws, variance = float(((moved[0] + moved[1]) ** 2).sum()), float(squares.sum())
    if of_draws == 0 or variance == 0:
        return Spread(1.0, math.inf)
    parts = [float((by**2).sum()) for by in scaled]
    each = zip(parts, (first, second), strict=True)
    welch = sum(parts) ** 2 / sum(part**2 / max(of.clusters - 1, 1) for part, of in each)
    alike = 3 * variance**2 / float((squares**2).sum())
    return Spread(math.sqrt((variance + beyond) / of_draws), max(1.0, min(welch, alike)))


def scaled_to_variance(first: Part, second: Part, without: Sequence[Floats]) -> list[Floats]:
    """What of the jackknife sums to a variance."""
    return [
        by if part.is_drawn else by * math.sqrt((part.clusters - 1) / part.clusters)
        for part, by in zip((first, second), without, strict=True)
    ]


def value_at(part: Part, levels: Floats) -> Floats:
    """The smallest values up to which these shares of a part lie."""
    shares = np.cumsum(part.weight) / part.weight.sum()
    at = np.searchsorted(shares, np.clip(levels, 0, 1) - TOLERANCE)
    found: Floats = part.value[np.minimum(at, shares.size - 1)]
    return found


def share_at(part: Part, bounds: Floats, side: Side) -> Floats:
    """Share of a part below (left) or not above (right) each bound."""
    cumulated = np.concatenate([[0.0], np.cumsum(part.weight)])
    found: Floats = cumulated[np.searchsorted(part.value, bounds, side)] / cumulated[-1]
    return found
