"""What a night asks, and what one page of an answer is.

Belongs here: the values that plans, readers, the engine and the journal share. Does not belong
here: how a question is asked (the readers beside each source's plan) and where answers are kept
(orchestration.journal).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

OK, TRUNCATED, RENAMED = "ok", "truncated", "renamed"
ABSENT, DMCA, DISABLED, GONE = "absent", "dmca", "disabled", "gone"
REFUSED, HIDDEN, TAKEN_OVER = "refused", "hidden", "taken_over"
OUTCOMES = (
    *(OK, TRUNCATED, RENAMED, ABSENT, DMCA, DISABLED, GONE, REFUSED, HIDDEN),
    TAKEN_OVER,
)
# What is nothing to be had from, until something changes on the platform.
PERMANENT = frozenset({ABSENT, DMCA, DISABLED, GONE, REFUSED, HIDDEN, TAKEN_OVER})

NEW, CHANGED, TOP, SLICE, RECHECK, ALWAYS = "new", "changed", "top", "slice", "recheck", "always"


@dataclass(frozen=True)
class Question:
    """One thing to ask a platform.

    Attributes:
        kind: what is asked for (`commits`, `stocks`, ...).
        subject: of what, as a key that stays (`model/owner/name`, a repository's number).
        tier: why it is asked tonight.
        context: what its reader needs (names, watermarks), as JSON values. `repository_id`,
            `repository_type` and `repository_name` go into the ledger of answers.
    """

    kind: str
    subject: str
    tier: str
    context: dict[str, Any] = field(default_factory=dict)


@dataclass
class Step:
    """One page of the answer to one question.

    Attributes:
        rows: table to rows as JSON values, without e-mail addresses.
        cursor: where the next page begins, as JSON values; None: the question is answered.
        outcome, reason: of the whole answer; what the last page says holds.
        name_now: the present name of what was asked for under an old one.
        item_count: how many items there are in all, where that is known.
        seen: what a later night compares with; equal where nothing changed.
        etags: (account, URL, ETag) of what was read, kept with the page.
        bad: lines for quarantine, without e-mail addresses.
    """

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    cursor: Any = None
    outcome: str = OK
    reason: str | None = None
    name_now: str | None = None
    item_count: int | None = None
    seen: dict[str, Any] | None = None
    etags: list[tuple[str, str, str]] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Known:
    """The newest answer to a question.

    Attributes:
        asked_on: the day of it.
        recheck_on: it is not asked again before; None: no rule.
        seen: the marker of the last answer that had one.
    """

    outcome: str
    asked_on: date
    recheck_on: date | None = None
    seen: dict[str, Any] | None = None
    item_count: int | None = None
    name_now: str | None = None


Reader = Callable[[Question, Any], Step]
BatchReader = Callable[[Sequence[Question]], list[tuple[Question, Step]]]
