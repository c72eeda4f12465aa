"""What a check says: one plain value that the UI, the command line and tests read alike.

Belongs here: the type, and how lists and mined names are put into one line. Does not belong
here: what is checked.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["warn", "error"]
Row = Mapping[str, Any]

# Names shown in one line; the others are counted.
MOST_NAMED = 8
# Rows of a table in the metadata.
MOST_ROWS = 50
MOST_NAME_CHARACTERS = 60
_UNPRINTED = re.compile(r"[^A-Za-z0-9_.:/ -]")


@dataclass(frozen=True)
class CheckOutcome:
    """The outcome of one check.

    Attributes:
        name: the check's name, unique on its asset.
        severity: what a failure means; `error` stops what comes after where the check blocks.
        description: one line that says what was found.
        metadata: plain numbers and texts; a list of mappings of equal keys is a table.
    """

    name: str
    passed: bool
    severity: Severity
    description: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


def passed(name: str, description: str, **metadata: Any) -> CheckOutcome:
    """A check that found nothing wrong, or had nothing to look at and says so."""
    return CheckOutcome(name, True, "warn", description, metadata)


def failed(name: str, severity: Severity, description: str, **metadata: Any) -> CheckOutcome:
    """A check that found something wrong."""
    return CheckOutcome(name, False, severity, description, metadata)


def listed(names: Collection[object]) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(str(name) for name in list(names)[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def mined(name: str) -> str:
    """A name that was mined, fit for a line: short, without signs that mean something."""
    return _UNPRINTED.sub("?", name)[:MOST_NAME_CHARACTERS]


def first_rows(rows: Iterable[Row]) -> list[Row]:
    """As many rows as a table in the metadata may have."""
    return list(rows)[:MOST_ROWS]
