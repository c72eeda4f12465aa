"""What every request goes through first and last: its class, its count, its Date.

Belongs here: classes of requests, counters over them, the outermost ASGI layer, and whole
answers as values. Does not belong here: limits (`limits`), faults (`faults`), ETags
(`conditional`) and what the answers say.

The layers are plain ASGI callables: a layer that hides the connection could not break it.
"""

import threading
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from twin.server.clock import WallClock

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

ARCHIVE, REST, GRAPHQL, SEARCH = "archive", "github.rest", "github.graphql", "github.search"
HUB_API, HUB_FILES, HUB_PAGES = "hub.api", "hub.resolvers", "hub.pages"
CONTROL = "control"
GITHUB_KINDS = (REST, GRAPHQL, SEARCH)
HUB_KINDS = (HUB_API, HUB_FILES, HUB_PAGES)
RESET, TRUNCATED = "reset", "truncated"


def kind_of(path: str) -> str:
    """The class of a request: which limit it falls under and how it is counted."""
    if path.startswith("/github/"):
        if path == "/github/graphql":
            return GRAPHQL
        return SEARCH if path.startswith("/github/search/") else REST
    if path.startswith("/hub/"):
        if path.startswith("/hub/api/"):
            return HUB_API
        return HUB_FILES if "/resolve/" in path else HUB_PAGES
    return CONTROL if path.startswith("/_twin/") else ARCHIVE


class Counters:
    """How many requests of each class were answered, by status.

    Beside the statuses there are `reset` (no answer: the connection was broken) and `truncated`
    (counted in addition to the status of the answer that was cut).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, kind: str, outcome: int | str) -> None:
        """Count one outcome of a request."""
        with self._lock:
            self._counts[kind, str(outcome)] += 1

    def clear(self) -> None:
        """Begin anew."""
        with self._lock:
            self._counts.clear()

    def as_json(self) -> dict[str, dict[str, int]]:
        """Class to outcome to number; `requests` is their sum without `truncated`."""
        with self._lock:
            counts = dict(self._counts)
        told: dict[str, dict[str, int]] = {}
        for (kind, outcome), number in sorted(counts.items()):
            of_kind = told.setdefault(kind, {"requests": 0})
            of_kind[outcome] = number
            if outcome != TRUNCATED:
                of_kind["requests"] += number
        return told


class Traffic:
    """The outermost layer: class, counters and the Date of every answer.

    The Date is the world's time, so that a client can date what it observed. On GitHub it is the
    wall's where limits hold: they name instants, which clients compare with the Date or their
    clock.

    Sets on `request.state`: `kind` (the class) and `skew` (seconds by which a fault moves the
    server's clock, else 0).
    """

    def __init__(
        self,
        app: App,
        counters: Counters,
        clock: WallClock,
        world_now: Callable[[], float],
        skew: Callable[[Scope], float],
        are_limited: Callable[[], bool] = lambda: True,
    ) -> None:
        self._app, self._counters, self._skew = app, counters, skew
        self._clock, self._world_now, self._are_limited = clock, world_now, are_limited
        self._stamped = (0, b"")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        kind = kind_of(scope["path"])
        state = scope.setdefault("state", {})
        skew = 0.0 if kind == CONTROL else self._skew(scope)
        state["kind"], state["skew"] = kind, skew
        is_answered = False

        async def stamped(message: Message) -> None:
            nonlocal is_answered
            if message["type"] == "http.response.start":
                is_answered = True
                self._counters.add(kind, message["status"])
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"date", self._date(kind, skew)),
                ]
            await send(message)

        try:
            await self._app(scope, receive, stamped)
        except Exception:
            if not is_answered:
                self._counters.add(kind, 500)
            raise

    def _date(self, kind: str, skew: float) -> bytes:
        is_wall = kind in GITHUB_KINDS and self._are_limited()
        clock = self._clock if is_wall else self._world_now
        second = int(clock() + skew)
        if self._stamped[0] != second:
            self._stamped = (second, formatdate(second, usegmt=True).encode())
        return self._stamped[1]


@dataclass
class Answer:
    """A whole answer, as layers that read or change bodies need it."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """The first header of a lower-case name."""
        return next((value for key, value in self.headers if key == name), None)

    def replace_header(self, name: bytes, value: bytes) -> None:
        """Set a header, instead of one that is there."""
        self.headers = [pair for pair in self.headers if pair[0] != name]
        self.headers.append((name, value))

    async def send(self, send: Send) -> None:
        """Send the answer in two messages."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


async def answer_of(app: App, scope: Scope, receive: Receive) -> Answer:
    """The whole answer of an inner application; nothing is sent and the scope stays as it is."""
    answer = Answer(500, [], b"")
    parts: list[bytes] = []

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status, answer.headers = message["status"], list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            parts.append(message.get("body", b""))

    # A router writes into the scope that it is given.
    await app(dict(scope), receive, keep)
    answer.body = b"".join(parts)
    return answer


def header_of(scope: Scope, name: bytes) -> bytes | None:
    """The first request header of a lower-case name."""
    headers: Headers = scope["headers"]
    return next((value for key, value in headers if key == name), None)


def json_answer(status: int, body: bytes, *headers: tuple[bytes, bytes]) -> Answer:
    """An answer with a JSON body."""
    return Answer(
        status,
        [
            (b"content-type", b"application/json; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            *headers,
        ],
        body,
    )
