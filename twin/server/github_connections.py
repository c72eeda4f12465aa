"""Connections of the GraphQL API: parts of lists, between cursors.

Belongs here: cursors, `first`, `last`, `after`, `before` and what `pageInfo` says. Does not belong
here: what is in the lists.

A cursor names an item, not a page: items that are added meanwhile, before or behind it, neither
repeat nor hide others.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from twin.draws import Ints
from twin.server.github_cost import ApiError

_PREFIX = b"cursor:v2:"


@dataclass(frozen=True)
class Listing:
    """An ordered list of which a part is shown.

    `items(start, stop)` are the nodes at places; `cursor(place)` is the text that names one, and
    `place(text)` the last place at or before the item that a text names (it may be gone), or None
    where it names none. `beside(start, stop)` are further fields of the edges.
    """

    total: int
    items: Callable[[int, int], Sequence[Any]]
    cursor: Callable[[int], str]
    place: Callable[[str], int | None]
    beside: Callable[[int, int], Sequence[dict[str, Any]]] | None = None
    fields: dict[str, Any] = field(default_factory=dict)


def by_place(total: int, items: Callable[[int, int], Sequence[Any]], **more: Any) -> Listing:
    """A list that only grows at its end: an item is named by its place."""
    return Listing(total, items, str, _whole, **more)


def by_place_from_end(
    total: int, items: Callable[[int, int], Sequence[Any]], **more: Any
) -> Listing:
    """A list that only grows at its beginning: an item is named by its place from the end."""

    def place(text: str) -> int | None:
        from_end = _whole(text)
        return None if from_end is None else total - 1 - from_end

    return Listing(total, items, lambda k: str(total - 1 - k), place, **more)


def by_key(
    keys: Sequence[Ints], items: Callable[[int, int], Sequence[Any]], *, descending: bool
) -> Listing:
    """A list in the order of keys, the first key first; an item is named by its keys.

    Args:
        keys: columns in the order of the list, together unique.
        items: see `Listing`.
        descending: whether the keys fall.
    """

    def cursor(k: int) -> str:
        return ",".join(str(int(column[k])) for column in keys)

    def place(text: str) -> int | None:
        wanted = [_whole(part) for part in text.split(",")]
        if len(wanted) != len(keys) or None in wanted:
            return None
        reached = np.zeros(len(keys[0]), bool)
        equal = np.ones(len(keys[0]), bool)
        for column, value in zip(keys, wanted, strict=True):
            assert value is not None
            reached |= equal & ((column > value) if descending else (column < value))
            equal &= column == value
        return int((reached | equal).sum()) - 1

    return Listing(len(keys[0]), items, cursor, place)


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def encoded(text: str) -> str:
    """A cursor as clients see it."""
    return base64.b64encode(_PREFIX + text.encode()).decode()


def decoded(cursor: str) -> str | None:
    """The text of a cursor, None where it is none."""
    try:
        raw = base64.b64decode(cursor, validate=True)
        return raw.removeprefix(_PREFIX).decode() if raw.startswith(_PREFIX) else None
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None


class Connection:
    """The part of a listing that the arguments of a connection select."""

    def __init__(
        self,
        listing: Listing,
        first: int | None = None,
        last: int | None = None,
        after: str | None = None,
        before: str | None = None,
    ) -> None:
        self._listing = listing
        low, high = 0, listing.total
        if after:
            low = min(max(self._place(after) + 1, 0), high)
        if before:
            high = max(min(self._place(before), high), low)
        if first is not None:
            high = min(high, low + first)
        if last is not None:
            low = max(low, high - last)
        if first is None and last is None:
            high = low
        self._low, self._high = low, high
        # What the search calls the number of what it finds.
        self.repository_count, self.issue_count, self.user_count = listing.total, 0, 0

    def _place(self, cursor: str) -> int:
        text = decoded(cursor)
        place = None if text is None else self._listing.place(text)
        if place is None:
            message = f"`{cursor}` does not appear to be a valid cursor."
            raise ApiError("INVALID_CURSOR_ARGUMENTS", message)
        return place

    @property
    def total_count(self) -> int:
        """The number of items, also of those that cannot be shown."""
        count: int = self._listing.fields.get("total_count", self._listing.total)
        return count

    @property
    def total_size(self) -> int:
        size: int = self._listing.fields["total_size"]
        return size

    @cached_property
    def nodes(self) -> Sequence[Any]:
        return self._listing.items(self._low, self._high)

    @cached_property
    def edges(self) -> list[dict[str, Any]]:
        listing, low, high = self._listing, self._low, self._high
        extra = listing.beside(low, high) if listing.beside else [{}] * len(self.nodes)
        return [
            {"cursor": encoded(listing.cursor(low + k)), "node": node, **more}
            for k, (node, more) in enumerate(zip(self.nodes, extra, strict=True))
        ]

    @property
    def page_info(self) -> dict[str, Any]:
        listing, low, high = self._listing, self._low, self._high
        some = high > low
        return {
            "hasNextPage": high < listing.total,
            "hasPreviousPage": low > 0,
            "startCursor": encoded(listing.cursor(low)) if some else None,
            "endCursor": encoded(listing.cursor(high - 1)) if some else None,
        }
