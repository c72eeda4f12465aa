"""Acts of actors on repositories, and the windows within which two of them make a link.

Belongs here: dated acts as arrays, windows and how they are written. Does not belong here:
reading acts (`files`), which nodes they link (`incidence`, `windows`).
"""

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from orchestration.failures import PermanentFailure

Ints = NDArray[np.signedinteger[Any]]
Mode = Literal["repository", "actor"]
Semantics = Literal["pairwise_gap", "trailing", "calendar", "none"]
MODES: tuple[Mode, ...] = get_args(Mode)
SEMANTICS: tuple[Semantics, ...] = get_args(Semantics)

SECOND = 1_000_000
DAY = 86_400 * SECOND
UNITS = {"s": SECOND, "min": 60 * SECOND, "h": 3_600 * SECOND, "d": DAY, "w": 7 * DAY}
MONTHS = {"m": 1, "month": 1, "q": 3, "quarter": 3, "y": 12, "year": 12}
UNBOUNDED = ("inf", "none", "∞")


@dataclass(frozen=True)
class Acts:
    """Dated acts; codes are 0..count-1, and a count may exceed the codes that occur.

    A row may stand for all acts of one actor on one repository within one UTC day, with the first
    and the last of them: that is exact for every window of at least a day. Rows of one actor on
    one repository do not overlap.

    Attributes:
        actor: (n,) int32 codes.
        repository: (n,) int32 codes.
        first: (n,) int64 microseconds since 1970-01-01 UTC.
        last: (n,) int64, equal to `first` for single acts.
    """

    actor: Ints
    repository: Ints
    first: Ints
    last: Ints
    actor_count: int
    repository_count: int

    def nodes(self, mode: Mode) -> tuple[Ints, int]:
        """(n,) codes of what is linked, and how many there are."""
        if mode == "repository":
            return self.repository, self.repository_count
        return self.actor, self.actor_count

    def hubs(self, mode: Mode) -> tuple[Ints, int]:
        """(n,) codes of what nodes have in common, and how many there are."""
        return self.nodes("actor" if mode == "repository" else "repository")


@dataclass(frozen=True)
class Window:
    """When two acts with the same hub link their nodes.

    `pairwise_gap`: they are at most `width` apart. `trailing`: both are at most `width` before the
    snapshot and not after it. `calendar`: both are in the same period; periods of `width` follow
    each other from 1970-01-01 UTC, or are of so many calendar `months` from January 1970. `none`:
    always. No width: of any length.

    Attributes:
        width: microseconds.
        snapshot: microseconds since 1970-01-01 UTC, of `trailing`; by default the last act's.
        months: calendar months of a period, of `calendar`, instead of a width.
    """

    semantics: Semantics = "pairwise_gap"
    width: int | None = 365 * DAY
    snapshot: int | None = None
    months: int | None = None

    def __post_init__(self) -> None:
        if self.semantics not in SEMANTICS:
            raise PermanentFailure(
                f"There is no window semantics {self.semantics}.", f"Use {', '.join(SEMANTICS)}."
            )
        is_period = self.semantics == "calendar"
        if self.months is not None and (not is_period or self.months < 1):
            raise PermanentFailure(
                "Months and years have no fixed length and serve calendar windows only.",
                "Give the width in days, as 365d, or use --semantics calendar.",
            )
        if self.snapshot is not None and self.semantics != "trailing":
            raise PermanentFailure(
                f"A {self.semantics} window has no snapshot.", "Use --semantics trailing."
            )
        if self.width is not None and self.width < (1 if is_period else 0):
            raise PermanentFailure(
                f"A window of {self.width} microseconds is no window.", "Give a width as 365d."
            )

    @property
    def is_unbounded(self) -> bool:
        """Whether all acts count, whenever they were."""
        has_length = self.width is not None or self.months is not None
        return self.semantics == "none" or not (has_length or self.snapshot is not None)


def parse_width(text: str) -> int | None:
    """Microseconds of a width as 365d, 12h, 52w, 90min, 30s; none of inf.

    Raises:
        PermanentFailure: the text is no width, or one of months or years.
    """
    if text.strip().lower() in UNBOUNDED:
        return None
    number, unit = _parts(text)
    if unit in MONTHS:
        raise PermanentFailure(
            f"{text} has no fixed length and serves calendar windows only.",
            "Give the width in days, as 365d, or use --semantics calendar.",
        )
    return number * UNITS[unit]


def parse_window(text: str, semantics: Semantics, snapshot: int | None = None) -> Window:
    """The window of a width as text; 1y, 1q and 1m are calendar years, quarters and months.

    Raises:
        PermanentFailure: the text is no width, or one of months where semantics are not calendar.
    """
    if semantics == "calendar" and text.strip().lower() not in UNBOUNDED:
        number, unit = _parts(text)
        if unit in MONTHS:
            return Window(semantics, None, snapshot, number * MONTHS[unit])
    return Window(semantics, parse_width(text), snapshot)


def _parts(text: str) -> tuple[int, str]:
    found = re.fullmatch(r"(\d+)\s*([a-z]+)", text.strip().lower())
    if found is None or found[2] not in {*UNITS, *MONTHS}:
        raise PermanentFailure(
            f"{text} is no width of a window.",
            "Give a whole number and s, min, h, d or w, as 365d, or inf; for calendar also m, q"
            " or y.",
        )
    return int(found[1]), found[2]
