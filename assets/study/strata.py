"""Strata of a frame: classes of size on a logarithmic scale, quarters of creation, what is certain.

Belongs here: where the classes begin, what they are called, and their SQL. Does not belong here:
how many units are drawn of each (`allocation`), and drawing (`draw`).

A stratum must follow from what the frame knows of every unit alike. What is learned only of units
that were drawn (their true stars, their true date of creation) never moves a unit to another
stratum: the stratum it left would be judged by the units that stayed.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from orchestration.failures import PermanentFailure

# Two classes to a factor of ten, beginning with none, one, few.
BREAKS = (0, 1, 2, 4, 10, 32, 100, 316, 1000, 3162, 10000)
# A stratum's number is its class times this plus its quarter; both platforms are younger than
# a thousand quarters.
QUARTERS = 1000
FIRST_YEAR = 2007
UNKNOWN = 900


@dataclass(frozen=True)
class Strata:
    """Classes of one size, finer by quarter of creation where wanted.

    Attributes:
        breaks: where each class begins, ascending, the first at 0.
        take_all: column to the value from which on a unit is drawn with certainty.
        by_quarter: whether a class is divided by quarter of creation.
    """

    breaks: tuple[int, ...] = BREAKS
    take_all: Mapping[str, int] = field(default_factory=dict)
    by_quarter: bool = False

    def __post_init__(self) -> None:
        """Refuse breaks that are no classes.

        Raises:
            PermanentFailure: they do not begin with 0 or do not ascend.
        """
        problem = wrong_breaks(self.breaks)
        if problem:
            raise PermanentFailure(f"Strata: {problem}.", "Give breaks as 0, 1, 10, 100.")

    def sql(self, size: str = "size", created_at: str = "created_at") -> str:
        """An expression that gives a unit's stratum as a whole number.

        Args:
            size: an SQL expression, quoted where it needs to be; likewise `created_at`.
        """
        large = " OR ".join(f"{_quoted(column)} >= {bound}"
                            for column, bound in self.take_all.items())  # fmt: skip
        number = self._number_sql(size, created_at)
        return f"CASE WHEN {large} THEN {certain(number)} ELSE {number} END" if large else number

    def _number_sql(self, size: str, created_at: str) -> str:
        quarter = (
            f" + coalesce((year({created_at}) - {FIRST_YEAR}) * 4 + quarter({created_at}), 0)"
            if self.by_quarter
            else ""
        )
        cases = [f"WHEN {size} IS NULL THEN {UNKNOWN * QUARTERS}{quarter}"]
        cases += [f"WHEN {size} < {upper} THEN {number * QUARTERS}{quarter}"
                  for number, upper in enumerate(self.breaks[1:])]  # fmt: skip
        last = (len(self.breaks) - 1) * QUARTERS
        return f"CASE {' '.join(cases)} ELSE {last}{quarter} END"

    def label(self, number: int) -> str:
        """What the stratum is called: `4-9`, `10000 or more 2021Q3`, `4-9, taken whole`."""
        if number < 0:
            return f"{self.label(class_of(number))}, taken whole"
        size, quarter = divmod(number, QUARTERS)
        text = "unknown" if size == UNKNOWN else self._class(size)
        if not self.by_quarter:
            return text
        if quarter == 0:
            return f"{text} undated"
        year, rest = divmod(quarter - 1, 4)
        return f"{text} {FIRST_YEAR + year}Q{rest + 1}"

    def of(self, size: int | None) -> int:
        """The stratum of a size without quarters, as `sql` has it; for tests and small tables."""
        if size is None:
            return UNKNOWN * QUARTERS
        return max(0, bisect_right(self.breaks, size) - 1) * QUARTERS

    def _class(self, number: int) -> str:
        low = self.breaks[number]
        if number + 1 == len(self.breaks):
            return f"{low} or more"
        high = self.breaks[number + 1] - 1
        return str(low) if high == low else f"{low}-{high}"


def certain(number: str) -> str:
    """The number of the stratum with what is taken whole of a stratum, as SQL: below zero."""
    return f"-1 - ({number})"


def is_certain(number: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which strata are taken whole."""
    return np.asarray(number < 0)


def class_of(number: int) -> int:
    """The stratum that a unit would be in if nothing were taken whole."""
    return -1 - number if number < 0 else number


def wrong_breaks(breaks: Sequence[int]) -> str | None:
    """What is wrong with breaks, or nothing."""
    if not breaks or breaks[0] != 0:
        return "the first class begins with 0"
    if len(breaks) >= UNKNOWN:
        return f"there are at most {UNKNOWN - 1} classes"
    if any(low >= high for low, high in pairwise(breaks)):
        return "breaks ascend"
    return None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
