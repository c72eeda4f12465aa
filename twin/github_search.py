"""The search for repositories: what a query's words and qualifiers select.

Belongs here: the grammar of queries, as far as mining uses it, and the selection. Does not belong
here: pages and the limit of a thousand results (`server`).

Qualifiers: `stars`, `forks`, `size` (`n`, `>n`, `>=n`, `<n`, `<=n`, `n..m`, `*` for an open end),
`created`, `pushed` (dates likewise), `language`, `license`, `user`, `org`, `repo`, `topic`,
`fork` (`true`, `only`; without it there are no forks), `archived`, `is`. Other words must occur in
the name or the description.
"""

import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from twin import words
from twin.draws import Bools, Ints
from twin.github import GitHubView

LISTED = 1_000
_UNBOUNDED = (-(1 << 62), 1 << 62)


class BadQuery(Exception):
    """The query cannot be understood."""


def search_repositories(view: GitHubView, query: str, sort: str | None, order: str) -> Ints:
    """Visible repositories that a query selects, in order.

    Args:
        view: the moment.
        query: words and qualifiers.
        sort: "stars", "forks", "updated", or None for the best match, which is by stars.
        order: "asc" or "desc".

    Raises:
        BadQuery: for a number or date that is none, or an owner that does not exist.
    """
    chosen = view.visible.copy()
    forks = "false"
    for word in _words_of(query):
        name, colon, value = word.partition(":")
        if not colon:
            chosen &= _with_word(view, chosen, word)
        elif name == "fork":
            forks = value
        else:
            chosen &= _qualified(view, name.lower(), value)
    is_fork = view.world.repositories.is_fork
    if forks != "true":
        chosen &= is_fork if forks == "only" else ~is_fork
    found = np.flatnonzero(chosen)
    key = {"forks": view.fork_counts, "updated": view.updated_at}.get(sort or "", view.star_counts)
    sign = 1 if sort is not None and order == "asc" else -1
    # Of equal ones the older id comes first.
    return found[np.lexsort((view.world.repositories.id[found], sign * key[found]))]


def _words_of(query: str) -> list[str]:
    try:
        return shlex.split(query)
    except ValueError:
        return query.split()


def _qualified(view: GitHubView, name: str, value: str) -> Bools:
    r = view.world.repositories
    everything = np.ones(len(r), bool)
    numbers: dict[str, Callable[[], Ints]] = {
        "stars": lambda: view.star_counts, "forks": lambda: view.fork_counts,
        "size": lambda: r.id % 90_000,
    }  # fmt: skip
    times: dict[str, Callable[[], Ints]] = {
        "created": lambda: r.created_at, "pushed": lambda: view.pushed_at,
    }  # fmt: skip
    if name in numbers:
        low, high = _range(value, _number)
        column = numbers[name]()
        return (column >= low) & (column < high)
    if name in times:
        low, high = _range(value, _time)
        column = times[name]()
        return (column >= low) & (column < high)
    if name in ("language", "license"):
        column, index = (
            (r.language, _language(value)) if name == "language" else (r.licence, _licence(value))
        )
        return column == index if index is not None else ~everything
    if name in ("user", "org", "repo", "topic", "archived", "is"):
        return _named(view, name, value)
    raise BadQuery(f"unknown qualifier {name}")


def _named(view: GitHubView, name: str, value: str) -> Bools:
    chosen = np.zeros(len(view.visible), bool)
    if name in ("user", "org"):
        account = view.github.account_named(value)
        if account is None:
            raise BadQuery(f"no account {value}")
        chosen[view.owned(account)] = True
    elif name == "repo":
        found = view.find(value)
        if found is not None:
            chosen[found[0]] = True
    elif name == "topic":
        places = [i for i in np.flatnonzero(view.visible).tolist() if value in view.topics(i)]
        chosen[places] = True
    elif name == "archived" or value == "archived":
        archived = view.world.repositories.is_archived_at(np.arange(len(chosen)), view.now)
        chosen = ~archived if name == "archived" and value == "false" else archived
    else:
        chosen[:] = value == "public"
    return chosen


def _with_word(view: GitHubView, among: Bools, word: str) -> Bools:
    r, wanted = view.world.repositories, word.lower()
    chosen = np.zeros(len(among), bool)
    places = [
        i for i in np.flatnonzero(among).tolist()
        if wanted in view.full_name(i).lower() or wanted in (r.description[i] or "").lower()
    ]  # fmt: skip
    chosen[places] = True
    return chosen


def _language(value: str) -> int | None:
    known: list[str] = [name.lower() for name in words.LANGUAGES]
    return known.index(value.lower()) if value.lower() in known else None


def _licence(value: str) -> int | None:
    known = [key for key, _, _ in words.LICENCES]
    return known.index(value.lower()) if value.lower() in known else None


def _range(value: str, bounds: Callable[[str], tuple[int, int]]) -> tuple[int, int]:
    """From (included) and to (not included) of a range."""
    low, high = _UNBOUNDED
    if ".." in value:
        first, _, last = value.partition("..")
        return (
            low if first == "*" else bounds(first)[0],
            high if last == "*" else bounds(last)[1],
        )
    for sign in (">=", "<=", ">", "<"):
        if value.startswith(sign):
            start, end = bounds(value[len(sign) :])
            return {">=": (start, high), "<=": (low, end), ">": (end, high), "<": (low, start)}[
                sign
            ]
    return bounds(value)


def _number(text: str) -> tuple[int, int]:
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise BadQuery(f"not a number: {text}")
    return int(text), int(text) + 1


def _time(text: str) -> tuple[int, int]:
    """First second of a day or moment, and the first one after it."""
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise BadQuery(f"not a date: {text}") from error
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    span = timedelta(seconds=1) if "T" in text else timedelta(days=1)
    return int(at.timestamp()), int((at + span).timestamp())
