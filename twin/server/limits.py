"""What a client may ask for, as the two platforms limit it.

Belongs here: who calls, how much each caller has used, refusals and the headers that tell about
them. Does not belong here: routes, faults, and what a GraphQL query costs (`github_graphql`).

GitHub (https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api): a primary
limit per caller and resource (`core`, `search`, `graphql`) in windows of an hour (search: a
minute), and secondary limits: requests at the same time, and points a minute. The limits on
CPU time and on creating content are not modelled. Hub
(https://huggingface.co/docs/hub/rate-limits): fixed windows of five minutes for API calls,
file resolvers and pages. What the documents leave open is decided so: a window begins with its
first request; points are counted over the last 60 seconds at each moment; a refused request
costs nothing; a request costs as it arrives, and a 304 to an authorised one is given back.

For the handlers, on `request.state`:
- `caller`: a `Caller`; its key says who calls without saying the token.
- `budget` (below /github/): a `Budget`; a GraphQL handler calls `charge(cost)` once, before it
  executes, and then reads `limit`, `remaining`, `used` and `reset`.
"""

import base64
import binascii
import hashlib
import itertools
import math
import threading
from collections import deque
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from twin.server.clock import WallClock, wall_clock
from twin.server.traffic import (
    GITHUB_KINDS,
    GRAPHQL,
    HUB_API,
    HUB_FILES,
    HUB_KINDS,
    HUB_PAGES,
    REST,
    SEARCH,
    Answer,
    App,
    Headers,
    Message,
    Receive,
    Scope,
    Send,
    header_of,
    json_answer,
)

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[int, Field(ge=1)]
_RESOURCES = {REST: "core", SEARCH: "search", GRAPHQL: "graphql"}
_BUCKETS = {HUB_API: "api", HUB_FILES: "resolvers", HUB_PAGES: "pages"}
_WRITES = ("POST", "PUT", "PATCH", "DELETE")
_WRITE_POINTS = 5
# Callers whose windows are kept; beyond it those that are over are forgotten.
_MOST_WINDOWS = 20_000
_DOCS = "https://docs.github.com"
_RATE_DOCS = f"{_DOCS}/rest/using-the-rest-api/rate-limits-for-the-rest-api"
_SECONDARY_DOCS = (
    f"{_DOCS}/free-pro-team@latest/rest/overview/"
    "rate-limits-for-the-rest-api#about-secondary-rate-limits"
)
_AUTHENTICATE_DOCS = (
    f"{_DOCS}/graphql/guides/forming-calls-with-graphql#authenticating-with-graphql"
)


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GitHubLimits(_Settings):
    """GitHub's numbers: requests or points per window; `concurrent` at the same time."""

    anonymous: Count = 60
    authenticated: Count = 5_000
    graphql: Count = 5_000
    search_anonymous: Count = 10
    search_authenticated: Count = 30
    window_seconds: Seconds = 3_600
    search_window_seconds: Seconds = 60
    concurrent: Count = 100
    rest_points: Count = 900
    graphql_points: Count = 2_000
    points_seconds: Seconds = 60
    # What a client is asked to wait that has too many requests in flight.
    concurrent_retry_seconds: Seconds = 60
    refused_status: Literal[403, 429] = 403


class HubLimits(_Settings):
    """The Hub's numbers: requests per window."""

    window_seconds: Seconds = 300
    api_anonymous: Count = 500
    api_authenticated: Count = 1_000
    resolvers_anonymous: Count = 3_000
    resolvers_authenticated: Count = 5_000
    pages_anonymous: Count = 100
    pages_authenticated: Count = 200


class LimitSettings(_Settings):
    """All numbers, whether they hold, and which tokens are good (None: any that is not empty)."""

    enabled: bool = True
    tokens: Annotated[frozenset[SecretStr] | None, Field(exclude=True)] = None
    github: GitHubLimits = GitHubLimits()
    hub: HubLimits = HubLimits()


@dataclass(frozen=True)
class Caller:
    """Who asks. `key` is a digest of the token, empty where there is none."""

    key: str

    @property
    def is_authenticated(self) -> bool:
        return bool(self.key)


@dataclass(frozen=True)
class Usage:
    """How much of a window is used; `reset` is in epoch seconds."""

    limit: int
    used: int
    reset: int

    @property
    def remaining(self) -> int:
        return self.limit - self.used


class Windows:
    """Counts per key in windows that begin with their first request; safe among threads."""

    def __init__(self, clock: WallClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, ...], tuple[int, int]] = {}

    def take(self, key: tuple[str, ...], limit: int, seconds: int, amount: int = 1) -> bool:
        """Use so much of a window; nothing is used where that would be too much."""
        with self._lock:
            used, reset = self._current(key, seconds)
            if used + amount > limit:
                return False
            self._windows[key] = (used + amount, reset)
            return True

    def give_back(self, key: tuple[str, ...], reset: int) -> None:
        """Undo one use in the window that ends at `reset`, if it is not over."""
        with self._lock:
            used, end = self._windows.get(key, (0, 0))
            if end == reset and used:
                self._windows[key] = (used - 1, end)

    def usage(self, key: tuple[str, ...], limit: int, seconds: int) -> Usage:
        """The state of a window; one that has not begun would begin now."""
        with self._lock:
            used, reset = self._current(key, seconds)
        return Usage(limit, min(used, limit), reset)

    def _current(self, key: tuple[str, ...], seconds: int) -> tuple[int, int]:
        now = self._clock()
        used, reset = self._windows.get(key, (0, 0))
        if now < reset:
            return used, reset
        if len(self._windows) > _MOST_WINDOWS:
            self._windows = {k: w for k, w in self._windows.items() if now < w[1]}
        return 0, int(now) + seconds

    def as_json(self) -> list[dict[str, Any]]:
        """Every window that is not over."""
        now = self._clock()
        with self._lock:
            windows = [(k, w) for k, w in self._windows.items() if now < w[1]]
        return [
            {"platform": key[0], "resource": key[1], "caller": key[2], "used": used, "reset": end}
            for key, (used, end) in sorted(windows)
        ]


class Minutes:
    """Points per key over the last seconds at each moment."""

    def __init__(self, clock: WallClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._spent: dict[tuple[str, str], deque[tuple[float, int]]] = {}
        self._totals: dict[tuple[str, str], int] = {}

    def take(self, key: tuple[str, str], points: int, limit: int, seconds: int) -> int:
        """Spend points; returns 0, or where they are too many the seconds until they are not."""
        now = self._clock()
        with self._lock:
            spent = self._spent.setdefault(key, deque())
            total = self._totals.get(key, 0)
            while spent and spent[0][0] <= now - seconds:
                total -= spent.popleft()[1]
            excess = total + points - limit
            self._totals[key] = total if excess > 0 else total + points
            if excess <= 0:
                spent.append((now, points))
                return 0
            for at, amount in spent:
                excess -= amount
                if excess <= 0:
                    return max(1, math.ceil(at + seconds - now))
        return seconds


@dataclass(frozen=True)
class _Refusal:
    """Why a request to GitHub is not served, and when it may be sent again (0: at the reset)."""

    is_secondary: bool
    retry_after: int = 0


class Limits:
    """The state of all limits: what each caller has used of what the settings allow."""

    def __init__(
        self, settings: LimitSettings | None = None, clock: WallClock = wall_clock
    ) -> None:
        self.clock = clock
        self.set(settings or LimitSettings())

    def set(self, settings: LimitSettings) -> None:
        """Other numbers; what was used until now is forgotten."""
        known = settings.tokens
        self._known = (
            None if known is None else frozenset(_digest(t.get_secret_value()) for t in known)
        )
        self.windows, self.minutes = Windows(self.clock), Minutes(self.clock)
        self._in_flight: dict[str, int] = {}
        self._lock = threading.Lock()
        self.settings = settings

    def caller(self, authorisation: bytes | None) -> Caller | None:
        """Who sends an Authorization header; None where the credentials are bad."""
        if authorisation is None:
            return Caller("")
        token = _token_of(authorisation.decode("latin-1"))
        key = _digest(token) if token else ""
        return Caller(key) if key and (self._known is None or key in self._known) else None

    def github_window(self, caller: Caller, resource: str) -> tuple[tuple[str, ...], int, int]:
        """Key, limit and seconds of a window of GitHub's primary limit."""
        numbers = self.settings.github
        seconds = numbers.window_seconds
        if resource == "search":
            limit = (numbers.search_anonymous, numbers.search_authenticated)
            seconds = numbers.search_window_seconds
        elif resource == "graphql":
            limit = (0, numbers.graphql)
        else:
            limit = (numbers.anonymous, numbers.authenticated)
        return ("github", resource, caller.key), limit[caller.is_authenticated], seconds

    def hub_window(self, caller: Caller, bucket: str) -> tuple[tuple[str, ...], int, int]:
        """Key, limit and seconds of a window of the Hub."""
        numbers = self.settings.hub
        rank = "authenticated" if caller.is_authenticated else "anonymous"
        limit: int = getattr(numbers, f"{bucket}_{rank}")
        return ("hub", bucket, caller.key), limit, numbers.window_seconds

    def enter(self, caller: Caller, resource: str, method: str) -> _Refusal | None:
        """Let a request to GitHub in, or say why not; who is let in must `leave`."""
        numbers = self.settings.github
        is_graphql = resource == "graphql"
        key, limit, seconds = self.github_window(caller, resource)
        if is_graphql:
            if self.windows.usage(key, limit, seconds).remaining < 1:
                return _Refusal(is_secondary=False)
            points, most = 1, numbers.graphql_points
        else:
            points = _WRITE_POINTS if method in _WRITES else 1
            most = numbers.rest_points
        with self._lock:
            if self._in_flight.get(caller.key, 0) >= numbers.concurrent:
                return _Refusal(True, numbers.concurrent_retry_seconds)
            if not is_graphql and self.windows.usage(key, limit, seconds).remaining < 1:
                return _Refusal(is_secondary=False)
            spent_in = "graphql" if is_graphql else "rest"
            wait = self.minutes.take((spent_in, caller.key), points, most, numbers.points_seconds)
            if wait:
                return _Refusal(True, wait)
            if not is_graphql:
                self.windows.take(key, limit, seconds)
            self._in_flight[caller.key] = self._in_flight.get(caller.key, 0) + 1
        return None

    def leave(self, caller: Caller) -> None:
        """A request to GitHub is answered."""
        with self._lock:
            left = self._in_flight.get(caller.key, 1) - 1
            if left > 0:
                self._in_flight[caller.key] = left
            else:
                self._in_flight.pop(caller.key, None)

    def as_json(self) -> dict[str, Any]:
        """Numbers, windows that run and requests in flight; no token."""
        with self._lock:
            in_flight = dict(self._in_flight)
        return {
            "settings": self.settings.model_dump(),
            "windows": self.windows.as_json(),
            "in_flight": in_flight,
        }


class Budget:
    """What the caller of one request to GitHub may still spend of its resource.

    Attributes:
        resource: `core`, `search` or `graphql`.
        is_enabled: whether limits hold; where they do not, nothing is ever used.
        limit, used, remaining: of the present window, read anew each time.
        reset: the window's end in epoch seconds, as the headers tell it.
    """

    def __init__(self, limits: Limits, caller: Caller, resource: str, skew: float = 0.0) -> None:
        self.resource = resource
        self.is_enabled = limits.settings.enabled
        self.is_charged = resource != "graphql"
        self._limits, self._caller, self._skew = limits, caller, skew

    def charge(self, points: int) -> bool:
        """Pay for a query; False, and nothing is paid, where that is more than remains."""
        self.is_charged = True
        if not self.is_enabled:
            return True
        window = self._limits.github_window(self._caller, self.resource)
        return self._limits.windows.take(*window, amount=points)

    @property
    def limit(self) -> int:
        return self._usage(self.resource).limit

    @property
    def used(self) -> int:
        return self._usage(self.resource).used

    @property
    def remaining(self) -> int:
        return self._usage(self.resource).remaining

    @property
    def reset(self) -> int:
        return self._usage(self.resource).reset

    def resources(self) -> dict[str, dict[str, int | str]]:
        """What `/rate_limit` tells about each resource."""
        told: dict[str, dict[str, int | str]] = {}
        for resource in ("core", "search", "graphql"):
            usage = self._usage(resource)
            told[resource] = {
                "limit": usage.limit, "used": usage.used, "remaining": usage.remaining,
                "reset": usage.reset, "resource": resource,
            }  # fmt: skip
        return told

    def headers(self) -> Headers:
        """`x-ratelimit-*` of the present moment; none where limits are off."""
        if not self.is_enabled:
            return []
        usage = self._usage(self.resource)
        return [
            (b"x-ratelimit-limit", b"%d" % usage.limit),
            (b"x-ratelimit-remaining", b"%d" % usage.remaining),
            (b"x-ratelimit-reset", b"%d" % usage.reset),
            (b"x-ratelimit-used", b"%d" % usage.used),
            (b"x-ratelimit-resource", self.resource.encode()),
        ]

    def _usage(self, resource: str) -> Usage:
        usage = self._limits.windows.usage(*self._limits.github_window(self._caller, resource))
        return Usage(usage.limit, usage.used, usage.reset + int(self._skew))


class LimitLayer:
    """The ASGI layer that refuses what is too much and tells every caller where it stands."""

    def __init__(self, app: App, limits: Limits) -> None:
        self._app, self._limits = app, limits
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["state"]["kind"] if scope["type"] == "http" else ""
        if kind in GITHUB_KINDS:
            await self._github(kind, scope, receive, send)
        elif kind in HUB_KINDS:
            await self._hub(_BUCKETS[kind], scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _github(self, kind: str, scope: Scope, receive: Receive, send: Send) -> None:
        limits = self._limits
        request_id = f"{next(self._numbers):012X}"
        caller = limits.caller(header_of(scope, b"authorization"))
        refused = _unacceptable(scope, caller, kind)
        if caller is None or refused:
            await (refused or _bad_credentials()).send(send)
            return
        # Asking how much is left is free.
        is_free = not limits.settings.enabled or scope["path"] == "/github/rate_limit"
        resource = _RESOURCES[kind]
        budget = Budget(limits, caller, resource, scope["state"]["skew"])
        scope["state"]["caller"], scope["state"]["budget"] = caller, budget
        refusal = None if is_free else limits.enter(caller, resource, scope["method"])
        told = (b"x-github-request-id", request_id.encode())
        if refusal is not None:
            answer = self._refused(refusal, caller, resource, request_id)
            answer.headers += [told, *budget.headers()]
            await answer.send(send)
            return
        window = limits.github_window(caller, resource)
        reset = limits.windows.usage(*window).reset

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] == 304 and caller.is_authenticated and not is_free:
                    limits.windows.give_back(window[0], reset)
                if not budget.is_charged:
                    budget.charge(1)
                headers = list(message.get("headers", ()))
                if not any(name == b"x-github-media-type" for name, _ in headers):
                    headers.append((b"x-github-media-type", b"github.v3; format=json"))
                message["headers"] = [*headers, told, *budget.headers()]
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            if not is_free:
                limits.leave(caller)

    def _refused(self, refusal: _Refusal, caller: Caller, resource: str, request_id: str) -> Answer:
        support = (
            "If you reach out to GitHub Support for help, please include the request ID "
            f"{request_id}."
        )
        if refusal.is_secondary:
            message = (
                "You have exceeded a secondary rate limit. Please wait a few minutes before you "
                f"try again. {support}"
            )
            wait = (b"retry-after", b"%d" % refusal.retry_after)
            return _github_error(403, message, _SECONDARY_DOCS, wait)
        if resource == "graphql":
            message = f"API rate limit exceeded for user ID {_user_id(caller)}."
            error = {"errors": [{"type": "RATE_LIMITED", "message": message}]}
            return json_answer(200, orjson.dumps(error))
        if caller.is_authenticated:
            message = f"API rate limit exceeded for user ID {_user_id(caller)}. {support}"
        else:
            message = (
                "API rate limit exceeded for 127.0.0.1. (But here's the good news: Authenticated "
                "requests get a higher rate limit. Check out the documentation for more details.)"
            )
        return _github_error(self._limits.settings.github.refused_status, message, _RATE_DOCS)

    async def _hub(self, bucket: str, scope: Scope, receive: Receive, send: Send) -> None:
        limits = self._limits
        caller = limits.caller(header_of(scope, b"authorization"))
        if caller is None:
            await _hub_error(401, "Invalid username or password.").send(send)
            return
        scope["state"]["caller"] = caller
        if not limits.settings.enabled:
            await self._app(scope, receive, send)
            return
        window = limits.hub_window(caller, bucket)
        is_allowed = limits.windows.take(*window)
        headers = self._hub_headers(bucket, window, scope["state"]["skew"])

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        if is_allowed:
            await self._app(scope, receive, told)
            return
        minutes = max(1, window[2] // 60)
        await _hub_error(
            429,
            f"We had to rate limit you, you hit the quota of {window[1]} {bucket} requests per "
            f"{minutes} minutes period. See https://huggingface.co/docs/hub/rate-limits",
        ).send(told)

    def _hub_headers(
        self, bucket: str, window: tuple[tuple[str, ...], int, int], skew: float
    ) -> Headers:
        """As `huggingface_hub` reads them: remaining and seconds, quota and window."""
        usage = self._limits.windows.usage(*window)
        wait = max(0, math.ceil(usage.reset + skew - self._limits.clock()))
        return [
            (b"ratelimit", f'"{bucket}";r={usage.remaining};t={wait}'.encode()),
            (
                b"ratelimit-policy",
                f'"fixed window";"{bucket}";q={usage.limit};w={window[2]}'.encode(),
            ),
        ]


def _token_of(header: str) -> str:
    """The token of an Authorization header in any of the forms that the platforms take."""
    scheme, _, value = header.strip().partition(" ")
    value = value.strip()
    if scheme.lower() in ("bearer", "token"):
        return value
    if scheme.lower() == "basic":
        try:
            user, _, word = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return ""
        return word or user
    return ""


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def _user_id(caller: Caller) -> int:
    return int(caller.key[:6], 16)


def _unacceptable(scope: Scope, caller: Caller | None, kind: str) -> Answer | None:
    """The answer to a request that GitHub does not look at, or None."""
    if not header_of(scope, b"user-agent"):
        text = (
            b"\r\nRequest forbidden by administrative rules. Please make sure your request has a "
            b"User-Agent header (https://docs.github.com/en/rest/overview/"
            b"resources-in-the-rest-api#user-agent-required). "
            b"Check https://developer.github.com for other possible causes.\r\n"
        )
        length = (b"content-length", b"%d" % len(text))
        return Answer(403, [(b"content-type", b"text/html; charset=utf-8"), length], text)
    if kind == GRAPHQL and caller is not None and not caller.is_authenticated:
        message = "This endpoint requires you to be authenticated."
        return _github_error(401, message, _AUTHENTICATE_DOCS)
    return None


def _bad_credentials() -> Answer:
    return _github_error(401, "Bad credentials", f"{_DOCS}/rest")


def _github_error(
    status: int, message: str, documentation: str, *headers: tuple[bytes, bytes]
) -> Answer:
    body = {"message": message, "documentation_url": documentation, "status": str(status)}
    return json_answer(status, orjson.dumps(body), *headers)


def _hub_error(status: int, message: str) -> Answer:
    header = (b"x-error-message", message.encode("latin-1", "replace"))
    return json_answer(status, orjson.dumps({"error": message}), header)
