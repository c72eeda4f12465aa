"""What numbers are accepted, and a sample counted by value.

Belongs here: validation of values and weights, frequency tables. Does not belong here: estimators.

The package is estimators on plain arrays, without a table, a platform or a file: `descriptives` and
`concentration` describe one sample, `correlation` several features of one, `two_sample` and
`bootstrap` compare two, `exposure` brings in time, `multiplicity` adjusts a family of tests.
Unknown values are refused, never dropped: how many are unknown is a result of its own, which only
the caller can count.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from orchestration.failures import PermanentFailure

Status = Literal["measured", "not_measurable"]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Numbers = Ints | Floats


@dataclass(frozen=True)
class Frequencies:
    """A sample as its distinct values, which is all that most of its statistics need.

    Attributes:
        value: (K,) distinct values, ascending.
        weight: (K,) how much of the sample each has: counts (whole numbers) without weights.
        count: units of the sample.
    """

    value: NDArray[Any]
    weight: NDArray[Any]
    count: int

    @property
    def size(self) -> float:
        """Summed weights."""
        return float(self.weight.sum())


def frequencies(values: ArrayLike, weight: ArrayLike | None = None) -> Frequencies:
    """Count a sample by value.

    Args:
        values: (n,) finite numbers; may be empty.
        weight: (n,) finite numbers above zero; by default every unit counts one.

    Raises:
        PermanentFailure: as for `numbers` and `weights`.
    """
    known = numbers(values)
    if weight is None:
        value, seen = np.unique(known, return_counts=True)
        return Frequencies(value, seen.astype(np.int64), int(known.size))
    heavy = weights(weight, known.size)
    value, index = np.unique(known, return_inverse=True)
    return Frequencies(value, np.bincount(index, heavy, minlength=value.size), int(known.size))


def weights(weight: ArrayLike, count: int) -> Floats:
    """Weights as doubles.

    Raises:
        PermanentFailure: their number is not `count`, or one is unknown, infinite or not above
            zero.
    """
    found = numbers(weight).astype(np.float64)
    if found.size != count:
        raise PermanentFailure(f"There are {count} values and {found.size} weights.")
    if count and float(found.min()) <= 0:
        raise PermanentFailure(
            "A weight is not above zero.", "Leave out what stands for nothing before computing."
        )
    return found


def numbers(values: ArrayLike) -> Numbers:
    """Whole numbers stay whole: as doubles, counts above 2^53 would tie falsely."""
    array: NDArray[Any] = np.asarray(values)
    if array.ndim != 1:
        raise PermanentFailure(f"One dimension expected, got {array.ndim}.")
    if array.size == 0:
        return np.empty(0, dtype=np.int64)
    # `asarray` forgets a mask, and what lies under it is not a value.
    unknown = int(np.sum(values.mask)) if isinstance(values, np.ma.MaskedArray) else 0
    if array.dtype.kind == "O":
        unknown += sum(1 for value in array if value is None or value != value)
    elif array.dtype.kind == "f":
        unknown += int(np.isnan(array).sum())
    if unknown:
        raise PermanentFailure(
            f"{unknown} of {array.size} values are unknown (null or NaN).",
            "Leave unknown values out before computing, and report how many there are.",
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise PermanentFailure("A value is infinite.", "Correct the model that made it.")
    if array.dtype.kind == "u" and int(array.max()) > np.iinfo(np.int64).max:
        raise PermanentFailure("A value is too large for a count.", "Correct the model.")
    if array.dtype.kind not in "biuf":
        raise PermanentFailure(f"Numbers expected, got values of type {array.dtype}.")
    if array.dtype.kind == "f":
        return array.astype(np.float64, copy=False)
    return array.astype(np.int64, copy=False)
