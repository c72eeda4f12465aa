"""The mid-distribution, whose middle does not move in steps, and what intervals of steps hold.

Belongs here: the place at which the mid-distribution reaches a level, and whether an interval of
values that tie holds more than it states. Does not belong here: how much a share varies
(`one_sample`, `bootstrap`, `assets.study.estimators`).

A median of whole numbers is a whole number: an interval with such ends that holds 95 % of samples
holds more. The mid-distribution is the share below a value and half of that at it, with straight
lines between the distinct values; where it is one half lies the mid-median (Ma, Genton and Parzen
2011), in tables of classes the grouped median. Without ties it is the usual median, averaged
between the two in the middle. A mid-median has an interval as other figures do: the share that lies
below it is a mean of numbers from 0 to 1, and varies without steps.

Distinct values are numbered from 0; a place is such a number with its part of the way to the next.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from assets.study.statistics.values import Floats, Ints, Numbers

# As often as stated, or more often, as what is estimated moves in steps.
Holds = Literal["nominal", "at_least"]
# Of the values next to a result, a part that is lost in computing it.
ROUNDING = 1e-13
# Standard errors that a step may be long: a tenth of one makes 95 % at most 95.6 %.
LEAST_STEP = 0.1


def mid_shares(weight: ArrayLike) -> Floats:
    """(K,) share below each distinct value and half of that at it.

    Args:
        weight: (K,) of the distinct values in order, above zero.
    """
    held = np.asarray(weight, dtype=np.float64)
    cumulated = np.cumsum(held)
    found: Floats = (cumulated - held / 2) / cumulated[-1]
    return found


def mid_places(weight: ArrayLike, levels: ArrayLike) -> Floats:
    """Where the mid-distribution reaches these levels; its ends where they lie beyond.

    Args:
        weight: (K,) as for `mid_shares`, not empty.
        levels: of any shape.
    """
    shares = mid_shares(weight)
    return np.asarray(np.interp(np.asarray(levels), shares, np.arange(shares.size)))


def mid_quantiles(value: Numbers, weight: ArrayLike, levels: ArrayLike) -> Floats:
    """The values there.

    Args:
        value: (K,) distinct values in order, not empty.
        weight: (K,) as for `mid_shares`.
        levels: of any shape.
    """
    shares, wanted, known = mid_shares(weight), np.asarray(levels), np.asarray(value)
    found = np.asarray(np.interp(wanted, shares, known))
    after = np.minimum(np.searchsorted(shares, wanted), shares.size - 1)
    near = np.maximum(np.abs(known[after]), np.abs(known[np.maximum(after - 1, 0)]))
    # Between values of either sign, what is left of rounding is zero: a ratio to it has no value.
    return np.where(np.abs(found) <= ROUNDING * near, 0.0, found)


def below(at: Ints, place: float) -> Floats:
    """How much of a value lies below a place: half of it there, all of it a value further on.

    Args:
        at: of any shape, numbers of distinct values.
    """
    found: Floats = np.clip((place - at + 1) / 2, 0.0, 1.0)
    return found


def holds(step: float, error: float) -> Holds:
    """How often an interval of 95 % of a middle holds it.

    Args:
        step: largest share that one value has between the ends, of those in which several tie.
        error: standard error of the share up to the middle.
    """
    return "at_least" if step > LEAST_STEP * error else "nominal"
