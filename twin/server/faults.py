"""Faults that a server can be told to have, to see what its clients make of them.

Belongs here: rules, when a rule holds, and what each kind does to a connection or an answer. Does
not belong here: limits (`limits`) and the planted damage of archive files (`twin.defects`).

A rule names requests (pattern of the path, method) and when it happens: on the first n, on every
n-th, or with a probability that is drawn from (seed, rule, path and query, how often that URL was
asked), so that the same requests meet the same faults in any order. With `each_url` also `first`
and `every` count per URL. Kinds:

- `latency`: the answer comes `seconds` later.
- `reset`: the connection is reset (TCP RST) without an answer.
- `status`: another answer: `status`, `retry_after` seconds where given.
- `truncated`: Content-Length of the whole body, then `share` of it, then the connection ends.
- `drift`: a page from the second on is shifted by `items`, as when so many were added at the
  front of the list (negative: removed) since the first page was read.
- `skew`: the server's clock is `seconds` off: Date and the times of limits.

All rules that hold are applied, latency first; of `reset` and `status` the first. A request that
a limit refuses meets no fault but skew.
"""

import asyncio
import fnmatch
import re
import socket
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Iterable
from http import HTTPStatus
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl, urlencode

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from twin.server.traffic import (
    CONTROL,
    HUB_API,
    HUB_KINDS,
    RESET,
    TRUNCATED,
    Answer,
    App,
    Counters,
    Receive,
    Scope,
    Send,
    answer_of,
)
from twin.world import mixed

Kind = Literal["latency", "reset", "status", "truncated", "drift", "skew"]
_TRANSPORT = "twin.transport"
_DRIFT = "twin.drift"
# Close at once and forget what was not sent: the peer gets a reset.
_NO_LINGER = struct.pack("ii", 1, 0)
# How often a request that is kept waiting looks whether its client is still there.
_LOOK_SECONDS = 0.25
_PAGE_PARAMETERS = ("page", "p")
_LISTS = ("items", "discussions")


class FaultRule(BaseModel):
    """One fault and the requests that it happens to; the module tells what the fields mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    name: str = ""
    path: str = "/*"
    method: str | None = None
    first: Annotated[int | None, Field(ge=1)] = None
    every: Annotated[int | None, Field(ge=1)] = None
    probability: Annotated[float | None, Field(ge=0, le=1)] = None
    seed: int = 0
    each_url: bool = False
    seconds: float = 0.0
    status: Annotated[int, Field(ge=400, le=599)] = 503
    retry_after: Annotated[int | None, Field(ge=0)] = None
    share: Annotated[float, Field(ge=0, lt=1)] = 0.5
    items: int = 1

    @model_validator(mode="after")
    def _is_one_condition(self) -> Self:
        given = [name for name in ("first", "every", "probability") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"one of first, every, probability; given: {', '.join(given)}")
        return self


class FaultSettings(BaseModel):
    """A list of rules, as in a file of `[[rule]]` tables."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: list[FaultRule] = []


class _Active:
    """A rule with what it has met."""

    def __init__(self, rule: FaultRule, number: int) -> None:
        self.rule = rule
        self.name = rule.name or f"{rule.kind}-{number}"
        self.pattern = re.compile(fnmatch.translate(rule.path))
        self.seen = 0
        self.fired = 0
        self._by_url: Counter[int] = Counter()
        self._salt = zlib.crc32(self.name.encode())

    def holds(self, scope: Scope) -> bool:
        """Whether the rule holds for this request, which is counted as seen."""
        rule = self.rule
        if rule.method is not None and scope["method"] != rule.method.upper():
            return False
        if not self.pattern.match(scope["path"]):
            return False
        if rule.kind == "drift" and not _is_later_page(scope):
            return False
        self.seen += 1
        url = zlib.crc32(scope["query_string"], zlib.crc32(scope["path"].encode()))
        if rule.each_url or rule.probability is not None:
            self._by_url[url] += 1
        number = self._by_url[url] if rule.each_url else self.seen
        if rule.first is not None:
            return number <= rule.first
        if rule.every is not None:
            return number % rule.every == 0
        if rule.probability is not None:
            drawn = int(mixed(rule.seed, self._salt, url, self._by_url[url])[0])
            return drawn < rule.probability * 2**64
        return True


class Faults:
    """The rules in force; safe among threads."""

    def __init__(self, rules: Iterable[FaultRule] = ()) -> None:
        self._lock = threading.Lock()
        self.set(rules)

    def set(self, rules: Iterable[FaultRule]) -> None:
        """Other rules, which have met nothing yet."""
        active = [_Active(rule, number) for number, rule in enumerate(rules, 1)]
        names = [rule.name for rule in active]
        if len(set(names)) < len(names):
            raise ValueError("two rules have the same name")
        with self._lock:
            self._active = active

    def holding(self, scope: Scope, *, is_skew: bool) -> list[_Active]:
        """The rules that hold for a request: those about the clock, or the others."""
        if not self._active:
            return []
        with self._lock:
            return [
                active
                for active in self._active
                if (active.rule.kind == "skew") is is_skew and active.holds(scope)
            ]

    def fire(self, active: _Active) -> None:
        """Count that a fault happened."""
        with self._lock:
            active.fired += 1

    def skew(self, scope: Scope) -> float:
        """Seconds by which the server's clock is off for a request."""
        holding = self.holding(scope, is_skew=True)
        for active in holding:
            self.fire(active)
        return sum(active.rule.seconds for active in holding)

    def fired(self, name: str) -> int:
        """How often the rule of a name happened.

        Raises:
            KeyError: there is no such rule.
        """
        with self._lock:
            return {active.name: active.fired for active in self._active}[name]

    def as_json(self) -> list[dict[str, Any]]:
        """The rules with the requests that they were held against and how often they happened."""
        with self._lock:
            return [
                {
                    **active.rule.model_dump(exclude_unset=True),
                    "name": active.name,
                    "seen": active.seen,
                    "fired": active.fired,
                }
                for active in self._active
            ]


class Connection(HttpToolsProtocol):
    """uvicorn's connection, which lets the application see its transport."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_TRANSPORT: {"transport": self.transport}}


class FaultLayer:
    """The ASGI layer that does what the rules say."""

    def __init__(self, app: App, faults: Faults, counters: Counters) -> None:
        self._app, self._faults, self._counters = app, faults, counters
        self._ending = asyncio.Event()

    def end(self) -> None:
        """The server ends: nobody is kept waiting any more."""
        self._ending.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["state"]["kind"] == CONTROL:
            await self._app(scope, receive, send)
            return
        holding = self._faults.holding(scope, is_skew=False)
        by_kind = {active.rule.kind: active for active in reversed(holding)}
        for active in holding:
            if active.rule.kind == "latency":
                self._faults.fire(active)
                if not await self._waited(active.rule.seconds, scope):
                    await _reset(scope, receive)
                    return
        instead = next((a for a in holding if a.rule.kind in ("reset", "status")), None)
        if instead is not None:
            self._faults.fire(instead)
            if instead.rule.kind == "reset":
                self._counters.add(scope["state"]["kind"], RESET)
                await _reset(scope, receive)
            else:
                await _other_answer(instead.rule, scope["state"]["kind"]).send(send)
            return
        if "drift" in by_kind:
            scope["state"][_DRIFT] = by_kind["drift"]
        if "truncated" in by_kind:
            await self._truncated(by_kind["truncated"], scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _waited(self, seconds: float, scope: Scope) -> bool:
        """Wait; False where meanwhile the client went away or the server ends."""
        transport, clock = _transport(scope), asyncio.get_running_loop().time
        until = clock() + seconds
        while not transport.is_closing():
            left = until - clock()
            if left <= 0:
                return True
            try:
                await asyncio.wait_for(self._ending.wait(), min(left, _LOOK_SECONDS))
            except TimeoutError:
                continue
            return False
        return False

    async def _truncated(self, active: _Active, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await answer_of(self._app, scope, receive)
        if scope["method"] == "HEAD" or not answer.body:
            await answer.send(send)
            return
        self._faults.fire(active)
        self._counters.add(scope["state"]["kind"], TRUNCATED)
        answer.replace_header(b"content-length", b"%d" % len(answer.body))
        start = {"status": answer.status, "headers": answer.headers}
        await send({"type": "http.response.start", **start})
        part = answer.body[: int(len(answer.body) * active.rule.share)]
        await send({"type": "http.response.body", "body": part, "more_body": True})
        _transport(scope).close()
        await _gone(receive)


class DriftLayer:
    """The ASGI layer next to the routes that moves pages: an ETag is that of the moved page."""

    def __init__(self, app: App, faults: Faults) -> None:
        self._app, self._faults = app, faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        active = scope["state"].get(_DRIFT) if scope["type"] == "http" else None
        if active is not None:
            moved = await _moved_page(self._app, scope, receive, active.rule.items)
            if moved is not None:
                self._faults.fire(active)
                await moved.send(send)
                return
        await self._app(scope, receive, send)


def _transport(scope: Scope) -> Any:
    """The connection's transport.

    Raises:
        RuntimeError: the server is not one of this project's.
    """
    found = scope.get("extensions", {}).get(_TRANSPORT)
    if found is None:
        raise RuntimeError("this fault needs a server with faults.Connection as its protocol")
    return found["transport"]


async def _reset(scope: Scope, receive: Receive) -> None:
    transport = _transport(scope)
    if transport.is_closing():
        return
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    """Wait until the server knows that the connection is lost, or it would answer by itself."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _other_answer(rule: FaultRule, kind: str) -> Answer:
    """An error page in the form of the platform."""
    try:
        phrase = HTTPStatus(rule.status).phrase
    except ValueError:
        phrase = "Error"
    key = "error" if kind in HUB_KINDS else "message"
    body = orjson.dumps({key: phrase})
    answer = Answer(rule.status, [(b"content-type", b"application/json; charset=utf-8")], body)
    answer.replace_header(b"content-length", b"%d" % len(body))
    if rule.retry_after is not None:
        answer.replace_header(b"retry-after", b"%d" % rule.retry_after)
    return answer


def _page_of(scope: Scope) -> tuple[str, int, list[tuple[str, str]]] | None:
    """Parameter, number and the other parameters of a numbered page."""
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    for name, value in pairs:
        if name in _PAGE_PARAMETERS and value.isdecimal():
            return name, int(value), [pair for pair in pairs if pair[0] != name]
    return None


def _first_page(scope: Scope) -> int:
    """The Hub counts pages from 0, GitHub from 1."""
    return 0 if scope["state"]["kind"] == HUB_API else 1


def _is_later_page(scope: Scope) -> bool:
    page = _page_of(scope)
    return scope["method"] == "GET" and page is not None and page[1] > _first_page(scope)


async def _moved_page(app: App, scope: Scope, receive: Receive, items: int) -> Answer | None:
    """A page of the list after `items` were put before it (negative: taken from its front).

    What moves in is the end of the page before, or the beginning of the page after; None where
    there is no list or nothing moves.
    """
    page = _page_of(scope)
    if page is None or items == 0:
        return None
    name, number, others = page
    neighbour = number - 1 if items > 0 else number + 1
    query = urlencode([*others, (name, str(neighbour))]).encode()
    own = await answer_of(app, scope, receive)
    other = await answer_of(app, {**scope, "query_string": query}, receive)
    mine, theirs = _list_in(own), _list_in(other)
    if not mine or theirs is None or (items > 0 and not theirs):
        return None
    if items > 0:
        moved = [*theirs[-items:], *mine][: len(theirs)]
    else:
        moved = [*mine[-items:], *theirs[:-items]]
    return _with_list(own, moved)


def _list_in(answer: Answer) -> list[Any] | None:
    if answer.status != 200:
        return None
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None
    if isinstance(body, dict):
        body = next((body[key] for key in _LISTS if key in body), None)
    return body if isinstance(body, list) else None


def _with_list(answer: Answer, items: list[Any]) -> Answer:
    body = orjson.loads(answer.body)
    if isinstance(body, dict):
        body[next(key for key in _LISTS if key in body)] = items
    else:
        body = items
    changed = Answer(answer.status, answer.headers, orjson.dumps(body))
    changed.replace_header(b"content-length", b"%d" % len(changed.body))
    return changed
