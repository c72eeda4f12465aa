"""Reading a list by page numbers while it moves.

Belongs here: which page is asked next, whether a page fits those before it, and when a list is
complete. Does not belong here: asking (readers) and what the items are.

A page by number is a window on the list: what is put in front moves all later items on, so that
items come twice or, when it is taken away again, never. A page fits when it repeats of the pages
before exactly as many items as the announced total has grown meanwhile, and is as long as the
total says. If all pages of a pass fit, every window lay where it should, from the first (which
nothing can move) to the last (which would be too short): the pass has each item once. A page that
does not fit is asked again, then the page before it, then the pass begins anew; all of it is
bounded, and a list that never holds still is truncated and says so.

What is kept between pages is of bounded size: hashes of the last pages' items, not of all.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import blake2b
from typing import Any

# Pages to which a pass can return, and items of them that are remembered at most.
DEPTH, MOST_REMEMBERED = 16, 1_000
MOST_PAGES = 100_000
# Pages asked for each page of the list, and how often a rewritten history is begun anew.
PATIENCE, MOST_BEGUN = 10, 10
# Sums of hashes stay within what any JSON reader holds exactly.
SUM = 2**53


@dataclass(frozen=True)
class Shown:
    """A page that fits.

    Attributes:
        items: hashes of its items.
        count: how many of them are new.
        digest: sum of the new items' marks.
        total: as announced with it.
    """

    items: list[int]
    count: int
    digest: int
    total: int | None


@dataclass(frozen=True)
class Place:
    """Where the reading of a list stands; `as_cursor` and `of` make it JSON and back.

    Attributes:
        page: the number that is asked next.
        size: items of a full page.
        count, digest: of the items of this pass.
        begun: how often the list was begun anew.
        asked: pages asked in all.
        pinned: what the first page says the list is of (the newest commit), if anything.
        behind: the last pages that fit, the newest last.
    """

    page: int = 0
    size: int = 0
    count: int = 0
    digest: int = 0
    begun: int = 0
    asked: int = 0
    pinned: str | None = None
    behind: list[Shown] = field(default_factory=list)

    @staticmethod
    def of(cursor: Any) -> "Place":
        """The place of a cursor; the beginning for none."""
        if cursor is None:
            return Place()
        return replace(Place(**cursor), behind=[Shown(**shown) for shown in cursor["behind"]])

    def as_cursor(self) -> dict[str, Any]:
        """The place as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Verdict:
    """What a page was worth.

    Attributes:
        is_kept: whether its items are to be kept.
        place: where to go on; None: the list ends here.
        is_complete: whether it ends with every item seen.
        count, digest: of all items, where it ends.
    """

    is_kept: bool
    place: Place | None
    is_complete: bool
    count: int
    digest: int


def hash_of(item: str) -> int:
    """A number for what names an item, or for what is to be compared of it."""
    return int.from_bytes(blake2b(item.encode(errors="replace"), digest_size=6).digest())


def after(
    place: Place,
    names: Sequence[str],
    marks: Sequence[str],
    total: int | None,
    has_more: bool,
    pinned: str | None = None,
) -> Verdict:
    """Judge the page that was asked at a place.

    Args:
        names: what names each item of the page.
        marks: what is to be compared of each item.
        total: items of the whole list as announced; None: not told.
        has_more: whether the answer says that a page follows. A first page that none follows is
            the list, whatever the total; later on it counts where there is no total.
        pinned: kept from the first page on.
    """
    place = replace(place, asked=place.asked + 1)
    items = [hash_of(name) for name in names]
    before = {item for shown in place.behind for item in shown.items}
    new = [k for k, item in enumerate(items) if item not in before]
    size = place.size or len(items)
    is_alone = place.page == 0 and not has_more
    if not is_alone and not _fits(place, items, len(items) - len(new), size, total):
        return _again(place, size, total)
    shown = Shown(items, len(new), sum(hash_of(marks[k]) for k in new) % SUM, total)
    count, digest = place.count + shown.count, (place.digest + shown.digest) % SUM
    end = place.page * size + len(items)
    if is_alone or (not has_more if total is None else end >= total):
        return Verdict(True, None, True, count, digest)
    if place.page >= MOST_PAGES:
        return Verdict(True, None, False, count, digest)
    following = replace(
        place, page=place.page + 1, size=size, count=count, digest=digest,
        pinned=place.pinned or pinned, behind=_remembered([*place.behind, shown]),
    )  # fmt: skip
    return Verdict(True, following, False, count, digest)


def _fits(place: Place, items: list[int], repeated: int, size: int, total: int | None) -> bool:
    if len(set(items)) < len(items):
        return False
    last = place.behind[-1] if place.behind else None
    if total is None:
        return repeated == 0
    grown = 0 if last is None or last.total is None else total - last.total
    expected = min(size, max(0, total - place.page * size))
    is_empty = not items and total > 0
    return repeated == grown and grown >= 0 and len(items) == expected and not is_empty


def _again(place: Place, size: int, total: int | None) -> Verdict:
    """Ask the page before again, and go on from there; or begin anew.

    Which of the two was moved, nothing tells; asking for this one only until it fits would take
    two windows that moved alike for two that did not.
    """
    pages = 1 if total is None or not size else total // size + 1
    if place.asked >= PATIENCE * (pages + 2):
        return Verdict(True, None, False, place.count, place.digest)
    if len(place.behind) < 2:
        return _going_on(Place(begun=place.begun + 1, asked=place.asked))
    *behind, last = place.behind
    digest, count = (place.digest - last.digest) % SUM, place.count - last.count
    back = replace(place, page=place.page - 1, count=count, digest=digest, behind=behind)
    return _going_on(back)


def _going_on(place: Place) -> Verdict:
    return Verdict(False, place, False, place.count, place.digest)


def _remembered(behind: list[Shown]) -> list[Shown]:
    """The last pages, as many as are remembered; the last one always."""
    kept: list[Shown] = []
    for shown in reversed(behind[-DEPTH:]):
        if kept and sum(len(s.items) for s in kept) + len(shown.items) > MOST_REMEMBERED:
            break
        kept.append(shown)
    return kept[::-1]
