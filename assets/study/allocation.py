"""How many units to draw of each stratum: whole numbers that add up.

Belongs here: allocations of a sample to strata, on plain arrays. Does not belong here: which
strata there are (`strata`), and drawing (`draw`).

An allocation shares the size out by a measure for each stratum (its units; those times their
standard deviation; one; the units of a reference population). No stratum gets more units than it
has, or fewer than the least that a variance needs; what does not fit goes to the others by the same
measure (Cochran 1977, 5.8); fractions are rounded by the largest remainder.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from orchestration.failures import PermanentFailure

Allocation = Literal["paper", "proportional", "neyman", "equal", "matched"]
ALLOCATIONS: tuple[Allocation, ...] = ("paper", "proportional", "neyman", "equal", "matched")
LEAST = 2
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def allocate(
    allocation: Allocation,
    size: int,
    frame_count: ArrayLike,
    *,
    deviation: ArrayLike | None = None,
    reference: ArrayLike | None = None,
    is_take_all: ArrayLike | None = None,
    least: int = LEAST,
) -> Ints:
    """Units to draw of each stratum.

    Args:
        allocation: `paper` and `equal`: the same number of each; `proportional`: by units;
            `neyman`: by units times standard deviation, which makes the variance of the mean of
            that feature least; `matched`: by the units of a reference population.
        size: units to draw in all; a frame that has no more is taken whole.
        frame_count: (H,) units of the frame.
        deviation: (H,) standard deviation of the feature in each stratum, for `neyman`; NaN where
            it is not known, which stands for the largest known one.
        reference: (H,) units of the reference population, for `matched`.
        is_take_all: (H,) strata that are taken whole before the rest is shared out.
        least: units drawn of each stratum that has so many; strata that a reference population
            does not have get none.

    Returns:
        (H,) whole numbers, at most `frame_count`, that add up to `size` or, where less, to the
        units there are (`matched`: in strata that the reference population has).

    Raises:
        PermanentFailure: `size` is smaller than what take-all strata and `least` need, or what an
            allocation needs was not given.
    """
    frame = np.asarray(frame_count, dtype=np.int64)
    if (frame < 0).any() or size < 0:
        raise PermanentFailure("A number of units is negative.")
    measure = _measure(allocation, frame, deviation, reference)
    low, high = _bounds(allocation, frame, measure, is_take_all, least)
    if size >= int(high.sum()):
        return high
    if size < int(low.sum()):
        raise PermanentFailure(
            f"A sample of {size:,} is too small for {int((high > 0).sum())} strata: at least "
            f"{int(low.sum()):,} are needed.",
            "Raise the size, or take fewer strata or a higher threshold of taking all.",
        )
    return _shared(size, measure, low, high)


def least_size(
    allocation: Allocation,
    frame_count: ArrayLike,
    *,
    reference: ArrayLike | None = None,
    is_take_all: ArrayLike | None = None,
    least: int = LEAST,
) -> int:
    """The smallest size that `allocate` does not refuse."""
    frame = np.asarray(frame_count, dtype=np.int64)
    measure = _measure(allocation, frame, np.ones(frame.size), reference)
    return int(_bounds(allocation, frame, measure, is_take_all, least)[0].sum())


def _bounds(
    allocation: Allocation,
    frame: Ints,
    measure: Floats,
    is_take_all: ArrayLike | None,
    least: int,
) -> tuple[Ints, Ints]:
    """Least and most units of each stratum."""
    wanted = measure > 0 if allocation == "matched" else frame > 0
    whole = np.zeros(frame.size, bool) if is_take_all is None else np.asarray(is_take_all, bool)
    low = np.where(wanted, np.minimum(np.where(whole, frame, least), frame), 0)
    return low, np.where(wanted, frame, 0)


def largest_remainder(total: int, quotas: Floats) -> Ints:
    """Whole numbers next to `quotas` that add up to `total` (Hamilton's method).

    Ties of the remainders fall to the first.
    """
    floors = np.floor(quotas + 1e-9).astype(np.int64)
    left = total - int(floors.sum())
    order = np.argsort(-(quotas - floors), kind="stable")
    floors[order[:left]] += 1
    return floors


def _measure(
    allocation: Allocation,
    frame: Ints,
    deviation: ArrayLike | None,
    reference: ArrayLike | None,
) -> Floats:
    def neyman() -> Floats:
        if deviation is None:
            raise PermanentFailure(
                "Neyman's allocation needs the standard deviation of a feature in each stratum.",
                "Name a feature that the frame knows.",
            )
        spread = np.asarray(deviation, dtype=np.float64)
        known = spread[np.isfinite(spread)]
        filled = np.where(np.isfinite(spread), spread, known.max() if known.size else 1.0)
        weights = frame * filled
        # A feature that varies nowhere says nothing of where to look.
        return np.asarray(weights if weights.any() else frame, dtype=np.float64)

    def matched() -> Floats:
        if reference is None:
            raise PermanentFailure(
                "A matched allocation needs a reference population.", "Give one by strata."
            )
        return np.where(frame > 0, np.asarray(reference, dtype=np.float64), 0.0)

    def proportional() -> Floats:
        return frame.astype(np.float64)

    def equal() -> Floats:
        return (frame > 0).astype(np.float64)

    measures: dict[str, Callable[[], Floats]] = {
        "paper": equal,
        "equal": equal,
        "proportional": proportional,
        "neyman": neyman,
        "matched": matched,
    }
    if allocation not in measures:
        raise PermanentFailure(
            f"There is no allocation {allocation}.", f"Use one of {', '.join(ALLOCATIONS)}."
        )
    return measures[allocation]()


def _shared(size: int, measure: Floats, low: Ints, high: Ints) -> Ints:
    """`size` by `measure` within bounds: the level c at which sum(clip(c x measure)) is `size`.

    The sum grows with c and bends at one point a bound; between two such points it is a line.
    """
    active = measure > 0
    bends = np.unique(np.concatenate([low[active] / measure[active],
                                      high[active] / measure[active]]))  # fmt: skip
    sums = np.array([np.clip(c * measure, low, high).sum() for c in bends])
    at = int(np.searchsorted(sums, size, side="left"))
    if at >= bends.size or active.sum() == 0:
        quotas = _filled(size, np.where(active, high, low), high)
    elif at == 0 or sums[at] == size:
        quotas = np.clip(bends[at] * measure, low, high)
    else:
        part = (size - sums[at - 1]) / (sums[at] - sums[at - 1])
        level = bends[at - 1] + part * (bends[at] - bends[at - 1])
        quotas = np.clip(level * measure, low, high)
    return largest_remainder(size, quotas)


def _filled(size: int, low: Ints, high: Ints) -> Floats:
    """Where the measure is used up (strata without spread): the rest by units."""
    room = (high - low).astype(np.float64)
    return np.asarray(low + room * (size - int(low.sum())) / max(float(room.sum()), 1.0))
