"""Which of the known things are asked about tonight, and why.

Belongs here: the tiers, the rotating slice, and when a permanent failure is looked at again. Does
not belong here: who the candidates are (the plans of each source).

New ones and those that moved are asked, then the top of the ranking, then a slice of the rest. The
slice rotates: a hash deals every subject one night of the rotation, so that each is met once in
it, and each night's slice is a random sample of those that no other tier asked about; what changed
in it says how much the others miss (`mart_polling_estimate`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b

from assets.mining.questions import (
    ABSENT,
    CHANGED,
    DISABLED,
    DMCA,
    GONE,
    HIDDEN,
    NEW,
    PERMANENT,
    RECHECK,
    REFUSED,
    SLICE,
    TAKEN_OVER,
    TOP,
    Known,
)

RECHECK_DAYS = {
    **dict.fromkeys((ABSENT, DISABLED, GONE, REFUSED, HIDDEN, TAKEN_OVER), 30),
    DMCA: 90,
}
# Rechecks of one night's failures are spread over so many nights.
SPREAD_NIGHTS = 7


@dataclass(frozen=True)
class Candidate:
    """Something that may be asked about.

    Attributes:
        rank: place in the ranking, 0 is the first.
        has_moved: the platform shows that it changed since it was asked about.
        is_reopened: the platform shows that what was refused may be given now.
    """

    subject: str
    rank: int
    has_moved: bool = False
    is_reopened: bool = False


def choose(
    candidates: Iterable[Candidate],
    known: Mapping[str, Known],
    day: date,
    *,
    top: int,
    rotation_nights: int,
    seed: int,
) -> list[tuple[str, str]]:
    """Subject and tier of those that are asked about on a day, in the candidates' order.

    Args:
        known: the newest answers.
        top: how many first ranks are asked about every night.
        rotation_nights: after so many nights all others were asked about once.
    """
    chosen = []
    for one in candidates:
        before = known.get(one.subject)
        tier = _tier(one, before, day, top)
        if tier is None and not _rests(before, day):
            tier = SLICE if in_slice(one.subject, day, rotation_nights, seed) else None
        if tier is not None:
            chosen.append((one.subject, tier))
    return chosen


def _tier(one: Candidate, before: Known | None, day: date, top: int) -> str | None:
    if before is None:
        return NEW
    if one.is_reopened:
        return CHANGED
    if before.recheck_on is not None and before.outcome in PERMANENT:
        return RECHECK if day >= before.recheck_on else None
    if one.has_moved:
        return CHANGED
    return TOP if one.rank < top else None


def _rests(before: Known | None, day: date) -> bool:
    """Whether a permanent failure is left alone until its date."""
    if before is None or before.recheck_on is None or before.outcome not in PERMANENT:
        return False
    return day < before.recheck_on


def in_slice(subject: str, day: date, rotation_nights: int, seed: int) -> bool:
    """Whether a day is the subject's night in the rotation that the day belongs to."""
    rotation, night = divmod(day.toordinal(), rotation_nights)
    return dealt(f"{seed}:{rotation}:{subject}", rotation_nights) == night


def recheck_on(outcome: str, day: date, subject: str) -> date | None:
    """When a permanent failure of a day is looked at again; None for what is none."""
    if outcome not in RECHECK_DAYS:
        return None
    return day + timedelta(RECHECK_DAYS[outcome] + dealt(subject, SPREAD_NIGHTS))


def dealt(text: str, hands: int) -> int:
    """A number in 0..hands-1 that depends on the text only and is spread evenly."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) % hands
