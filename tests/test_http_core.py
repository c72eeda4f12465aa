"""The HTTP core over loopback: limits that the twin enforces, faults, what is refused."""

import gzip
import math
import random
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request as Incoming
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from orchestration.clients import http as core
from orchestration.clients.http import (
    GITHUB,
    HUB,
    Account,
    Answer,
    Http,
    Pace,
    Platform,
    Request,
    Sent,
    Stopped,
    Unusable,
    accounts_of,
)
from orchestration.failures import PermanentFailure, TransientFailure
from twin.server.app import FIRST_DAY, Service, Twin, serving
from twin.server.clock import Calendar, ManualClock
from twin.server.faults import FaultRule
from twin.server.limits import GitHubLimits, HubLimits, LimitSettings

SALT = b"salt"
THREADS = 8


class Handlers:
    """What the test's routes answer, and what they were asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.flaky: list[bytes] = []

    def item(self, request: Incoming) -> Response:
        self.asked.append(dict(request.headers))
        return JSONResponse({"id": 1}, headers={"set-cookie": "a=b"})

    def elsewhere(self, request: Incoming) -> Response:
        return RedirectResponse("/github/item", int(request.query_params["status"]))

    def large(self, request: Incoming) -> Response:
        packed = gzip.compress(b"0" * 1_000_000)
        return Response(packed, headers={"content-encoding": "gzip"})

    def flaky_json(self, request: Incoming) -> Response:
        return Response(self.flaky.pop(0) if self.flaky else b"[1]")

    def status(self, request: Incoming) -> Response:
        headers = {k: v for k, v in request.query_params.items() if k not in ("status", "message")}
        body = {"message": request.query_params.get("message", "")}
        return JSONResponse(body, int(request.query_params["status"]), headers)

    def graphql(self, request: Incoming) -> Response:
        self.asked.append(dict(request.headers))
        if not request.state.budget.charge(int(request.headers["x-cost"])):
            return JSONResponse({"errors": [{"type": "RATE_LIMITED", "message": "no points"}]})
        return JSONResponse({"data": {}})

    def routes(self) -> list[Route]:
        return [
            Route("/github/item", self.item, methods=["GET", "POST"]),
            Route("/github/item/{number}", self.item), Route("/hub/api/item/{number}", self.item),
            Route("/github/search/item", self.item), Route("/github/elsewhere", self.elsewhere),
            Route("/github/large", self.large), Route("/github/flaky", self.flaky_json),
            Route("/github/status", self.status), Route("/hub/api/status", self.status),
            Route("/github/graphql", self.graphql, methods=["POST"]),
        ]  # fmt: skip


@dataclass
class Server:
    """The twin's layers around the test's routes."""

    service: Service
    handlers: Handlers
    sent: list[Sent] = field(default_factory=list)

    def limits(self, *, github: Any = None, hub: Any = None, **more: Any) -> None:
        given = {"github": GitHubLimits(**github or {}), "hub": HubLimits(**hub or {}), **more}
        self.service.limits.set(LimitSettings(**given))

    def faults(self, *rules: FaultRule) -> None:
        self.service.faults.set(rules)

    def http(self, platform: Platform = GITHUB, tokens: int = 1, **more: Any) -> Http:
        base = self.service.twin.github_base if platform is GITHUB else self.service.twin.hub_base
        accounts = accounts_of([f"token{n}" for n in range(tokens)], SALT)
        more.setdefault("backoff_seconds", 0.01)
        return Http(base, platform, accounts, told=self.sent.append, **more)

    def refused(self) -> int:
        """How often a limit refused, as the server counts and as the client tells."""
        counts = self.service.counters.as_json()
        seen = sum(of.get(status, 0) for of in counts.values() for status in ("403", "429"))
        assert seen == sum(sent.is_refused_by_limit for sent in self.sent)
        return seen


@contextmanager
def running(**more: Any) -> Iterator[Server]:
    handlers = Handlers()
    twin = Twin(Calendar(FIRST_DAY, 1))
    with serving(twin=twin, more_routes=handlers.routes(), **more) as service:
        yield Server(service, handlers)


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def server(shared: Server) -> Server:
    """A server with real time, as if new."""
    shared.limits()
    shared.faults()
    shared.service.counters.clear()
    shared.handlers.asked, shared.handlers.flaky, shared.sent = [], [], []
    return shared


@pytest.fixture(scope="module")
def timeless() -> Iterator[tuple[Server, ManualClock]]:
    clock = ManualClock()
    with running(clock=clock) as server:
        yield server, clock


@dataclass
class Slow:
    """A server and a client whose time passes by waiting only."""

    server: Server
    clock: ManualClock
    waits: list[float] = field(default_factory=list)

    def http(self, platform: Platform = GITHUB, tokens: int = 1, **more: Any) -> Http:
        def sleep(seconds: float) -> None:
            self.waits.append(seconds)
            self.clock.advance(seconds)

        return self.server.http(
            platform, tokens, sleep=sleep, monotonic=self.clock, wall=self.clock, **more
        )


@pytest.fixture
def slow(timeless: tuple[Server, ManualClock]) -> Slow:
    server, clock = timeless
    server.limits()
    server.faults()
    server.service.counters.clear()
    server.handlers.asked, server.handlers.flaky, server.sent = [], [], []
    return Slow(server, clock)


def rest(http: Http, path: str = "/item", **more: Any) -> Request:
    return Request(http.endpoint + path, "github.rest", **more)


def query(http: Http, cost: int, **more: Any) -> Request:
    headers = {"x-cost": str(cost)}
    url = f"{http.endpoint}/graphql"
    return Request(url, "github.graphql", "", "POST", b"{}", headers, **more)


def in_threads(count: int, ask: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(ask, range(count)))


# Limits, as the server counts.


@pytest.mark.parametrize(("tokens", "requests"), [(1, 100), (3, 280)])
def test_github_windows_are_used_up_and_never_exceeded(
    server: Server, tokens: int, requests: int
) -> None:
    server.limits(github={"authenticated": 40, "window_seconds": 2})
    http = server.http(tokens=tokens)
    windows: Counter[tuple[str, str]] = Counter()

    def ask(number: int) -> None:
        answer = http.ask(rest(http, f"/item/{number}", subject=f"s{number // 5}"))
        windows[answer.account, answer.headers["x-ratelimit-reset"]] += 1

    in_threads(requests, ask)
    assert server.refused() == 0
    assert sum(windows.values()) == len(server.sent) == requests
    last = {account: max(end for who, end in windows if who == account) for account, _ in windows}
    full = [count for (who, end), count in windows.items() if end != last[who]]
    assert len(full) > tokens
    assert min(full) >= 38, windows


def test_the_hub_s_windows_are_used_up_and_never_exceeded(server: Server) -> None:
    server.limits(hub={"api_authenticated": 40, "window_seconds": 2})
    http = server.http(HUB, tokens=2)
    left: list[int] = []

    def ask(number: int) -> None:
        answer = http.ask(Request(f"{http.endpoint}/api/item/{number}", "hub.api", f"s{number}"))
        left.append(int(answer.headers["ratelimit"].split(";")[1].removeprefix("r=")))

    in_threads(180, ask)
    assert server.refused() == 0
    # Two windows of each account came to their end.
    assert left.count(0) >= 4


def test_anonymous_callers_have_their_hour_s_sixty(slow: Slow) -> None:
    http = slow.http(tokens=0)
    began = slow.clock.now
    for _ in range(150):
        http.ask(rest(http))
    assert slow.server.refused() == 0
    assert {sent.account for sent in slow.server.sent} == {"anonymous"}
    # Two whole hours were waited for, with a second each for rounding.
    assert 7_200 <= slow.clock.now - began <= 7_204
    state = next(state for state in http.budgets() if state.kind == "github.rest")
    assert (state.limit, state.remaining) == (60, 30)
    assert state.resets_in_seconds == pytest.approx(3_600, abs=2)


def test_points_a_minute_and_requests_at_once_are_kept(server: Server) -> None:
    numbers = {"rest_points": 30, "points_seconds": 1, "concurrent": 3}
    server.limits(github={**numbers, "graphql_points": 20})
    paces = {"rest": Pace(30, 1.0), "graphql": Pace(20, 1.0)}
    http = server.http(paces=paces, concurrent=3)

    def ask(number: int) -> None:
        http.ask(query(http, 2, points=2) if number % 3 == 0 else rest(http))

    in_threads(120, ask)
    assert server.refused() == 0
    server.sent.clear()
    http.ask(rest(http, method="POST", body=b"{}"))
    in_threads(30, lambda _: http.ask(rest(http)))
    assert server.refused() == 0


def test_queries_are_reserved_at_what_they_may_cost(server: Server) -> None:
    server.limits(github={"graphql": 100, "window_seconds": 2})
    http = server.http()
    in_threads(30, lambda number: http.ask(query(http, number % 7 + 1, points=8)))
    assert server.refused() == 0
    assert {sent.status for sent in server.sent} == {200}


def test_two_clients_of_one_token_learn_of_each_other(server: Server) -> None:
    server.limits(github={"authenticated": 40, "window_seconds": 2})
    one, other = server.http(), server.http()
    for _ in range(15):
        one.ask(rest(one))
        other.ask(rest(other))
    in_threads(20, lambda _: one.ask(rest(one)))
    assert server.refused() == 0


def test_a_server_without_limits_is_asked_at_once(server: Server) -> None:
    server.limits(enabled=False)
    http = server.http()
    in_threads(100, lambda _: http.ask(rest(http)))
    assert {state.limit for state in http.budgets()} == {None}


# Faults.

FAULTS = {
    "reset": FaultRule(kind="reset", probability=0.2),
    "truncated": FaultRule(kind="truncated", probability=0.3),
    "bad gateway": FaultRule(kind="status", status=502, probability=0.3),
    "busy": FaultRule(kind="status", status=503, retry_after=1, first=3),
    "timeout": FaultRule(kind="latency", seconds=2, first=4),
    "skew": FaultRule(kind="skew", seconds=4_000, every=3),
    "skew back": FaultRule(kind="skew", seconds=-4_000, every=3),
}


# A Hub whose clock is ahead says of each window that it is over at once: nothing else is known.
FAULTY = [(GITHUB, fault) for fault in FAULTS] + [(HUB, f) for f in FAULTS if f != "skew back"]


@pytest.mark.parametrize(
    ("platform", "fault"), FAULTY, ids=[f"{platform.name}-{fault}" for platform, fault in FAULTY]
)
def test_every_fault_is_survived_within_the_limits(
    server: Server, platform: Platform, fault: str
) -> None:
    few = {"window_seconds": 1}
    server.limits(
        github={**few, "authenticated": 40, "rest_points": 10_000},
        hub={**few, "api_authenticated": 40},
    )
    server.faults(FAULTS[fault])
    seconds = 0.5 if fault == "timeout" else 30.0
    http = server.http(platform, tokens=2, timeout_seconds=seconds, attempts=12)
    path, kind = ("/api/item", "hub.api") if platform is HUB else ("/item", "github.rest")

    def ask(number: int) -> Any:
        request = Request(f"{http.endpoint}{path}/{number}", kind, subject=f"s{number % 9}")
        return http.ask(request, Answer.json)

    assert in_threads(100, ask) == [{"id": 1}] * 100
    assert server.refused() == 0
    happened = server.service.faults.as_json()[0]["fired"]
    failed = sum(sent.error is not None or sent.status != 200 for sent in server.sent)
    assert happened > 0
    if fault == "timeout":
        # A machine that is busy may make some more.
        assert failed >= happened
    else:
        assert failed == (0 if "skew" in fault else happened)
    assert sum(sent.is_retry for sent in server.sent) == failed


def test_a_failure_that_stays_is_transient(server: Server) -> None:
    server.faults(FaultRule(kind="status", status=502))
    http = server.http(attempts=3)
    with pytest.raises(TransientFailure, match=r"GitHub gave no answer in 3 tries \(HTTP 502 from"):
        http.ask(rest(http, "/item?secret=1"))
    assert [(sent.status, sent.is_retry) for sent in server.sent] == [
        (502, False), (502, True), (502, True),
    ]  # fmt: skip


def test_waits_between_tries_grow_and_follow_the_server(slow: Slow) -> None:
    slow.server.faults(FaultRule(kind="status", status=500))
    with pytest.raises(TransientFailure):
        (http := slow.http(backoff_seconds=1.0)).ask(rest(http))
    assert len(slow.waits) == 5
    assert [sent.waited_seconds for sent in slow.server.sent] == pytest.approx([0.0, *slow.waits])
    for number, wait in enumerate(slow.waits):
        assert 2.0**number <= wait <= 2.0**number + 1.0
    slow.waits.clear()
    slow.server.faults(FaultRule(kind="status", status=503, retry_after=120, first=1))
    http = slow.http()
    http.ask(rest(http))
    assert slow.waits == [120.0]
    assert slow.server.sent[-1].waited_seconds == 120.0
    slow.server.faults(FaultRule(kind="status", status=503, retry_after=4_000))
    with pytest.raises(TransientFailure, match="come back in 4000 seconds"):
        http.ask(rest(http))


def test_nobody_listens(server: Server) -> None:
    http = Http("http://127.0.0.1:9", GITHUB, accounts_of([], SALT), attempts=2, backoff_seconds=0)
    with pytest.raises(TransientFailure, match="ConnectionError"):
        http.ask(rest(http))


def test_an_unusable_answer_is_asked_for_again(server: Server) -> None:
    server.handlers.flaky = [b'{"cut', b"<html>", b"[2]"]
    http = server.http()
    assert http.ask(rest(http, "/flaky"), Answer.json) == [2]
    assert len(server.sent) == 3
    server.handlers.flaky = [b"{"] * 9

    def parse(answer: Answer) -> Any:
        raise Unusable("half of it is missing")

    with pytest.raises(TransientFailure, match=r"6 tries .*half of it is missing"):
        http.ask(rest(http, "/flaky"), parse)
    assert len(server.sent) == 9


def test_what_parsing_raises_otherwise_is_not_repeated(server: Server) -> None:
    def parse(answer: Answer) -> Any:
        raise KeyError("a bug")

    http = server.http()
    with pytest.raises(KeyError):
        http.ask(rest(http), parse)
    assert len(server.sent) == 1


# Refusals by a limit.


def test_a_refusal_pauses_all_threads_of_the_account(slow: Slow) -> None:
    # The server allows fewer points a minute than it is known to.
    slow.server.limits(github={"rest_points": 10})
    http = slow.http()
    for _ in range(11):
        http.ask(rest(http))
    assert slow.server.refused() == 1
    assert slow.waits == [pytest.approx(60.06)]
    refused, repeated = slow.server.sent[-2:]
    assert (refused.status, refused.is_refused_by_limit, refused.is_retry) == (403, True, False)
    assert (repeated.status, repeated.is_retry) == (200, True)
    assert repeated.waited_seconds == pytest.approx(60.06)


def test_refusals_use_up_no_tries(slow: Slow) -> None:
    slow.server.limits(github={"rest_points": 1, "points_seconds": 5})
    http = slow.http(attempts=1)
    for _ in range(4):
        http.ask(rest(http))
    assert slow.server.refused() == 3


@pytest.mark.parametrize(
    ("answer", "waits"),
    [
        ("status=403&retry-after=7", [7.007] * 9),
        ("status=403&message=You have exceeded a secondary rate limit.", [60, 120, 240, 480]),
        ("status=429", [60, 120, 240]),
        ("status=429&retry-after=3701", []),
    ],
)
def test_refusals_without_end_are_given_up(slow: Slow, answer: str, waits: list[float]) -> None:
    slow.server.limits(enabled=False)
    http = slow.http()
    with pytest.raises(TransientFailure, match="by a limit"):
        http.ask(rest(http, f"/status?{answer.replace(' ', '%20')}"))
    assert slow.waits[: len(waits)] == pytest.approx(waits)
    assert len(slow.waits) < 10
    assert all(sent.is_refused_by_limit for sent in slow.server.sent)


def test_the_window_of_a_refusal_is_waited_for(slow: Slow) -> None:
    slow.server.limits(github={"authenticated": 5})
    one, other = slow.http(), slow.http()
    other.ask(rest(other))
    for _ in range(4):
        one.ask(rest(one))
    assert slow.server.refused() == 0
    # It knows of four that are left, and they are used already.
    other.ask(rest(other))
    assert slow.server.refused() == 1
    assert sum(slow.waits) == pytest.approx(3_600, abs=2)


def test_a_query_that_costs_more_than_is_left_waits_for_the_window(slow: Slow) -> None:
    slow.server.limits(github={"graphql": 10})
    http = slow.http()
    http.ask(query(http, 8))
    answer = http.ask(query(http, 8), Answer.json)
    assert answer == {"data": {}}
    assert [sent.is_refused_by_limit for sent in slow.server.sent] == [False, True, False]
    assert sum(slow.waits) == pytest.approx(3_600, abs=2)
    # The other class was not held up.
    assert next(s for s in http.budgets() if s.kind == "github.rest").remaining is None


def test_the_hub_s_refusal_is_waited_for(slow: Slow) -> None:
    slow.server.limits(hub={"api_authenticated": 3})
    one, other = slow.http(HUB), slow.http(HUB)
    other.ask(Request(f"{other.endpoint}/api/item/1", "hub.api"))
    for number in range(2):
        one.ask(Request(f"{one.endpoint}/api/item/{number}", "hub.api"))
    other.ask(Request(f"{other.endpoint}/api/item/2", "hub.api"))
    assert slow.server.refused() == 1
    assert sum(slow.waits) == pytest.approx(300, abs=2)


def test_a_plain_403_is_no_limit(server: Server) -> None:
    server.limits(enabled=False)
    http = server.http()
    with pytest.raises(PermanentFailure, match=r"refuses the token .* of GITHUB_TOKEN"):
        http.ask(rest(http, "/status?status=403"))
    answer = http.ask(rest(http, "/status?status=403", accepted=frozenset({403})))
    assert answer.status == 403
    assert not any(sent.is_refused_by_limit for sent in server.sent)


# What is asked, and of whom.


def test_a_request_carries_what_the_platform_wants(server: Server) -> None:
    http = server.http()
    http.ask(rest(http, method="POST", body=b"{}", headers={"Accept": "text/plain"}))
    (seen,) = server.handlers.asked
    assert seen["authorization"] == "Bearer token0"
    assert seen["user-agent"].startswith("osmoscope/")
    assert seen["x-github-api-version"] == "2022-11-28"
    assert (seen["accept"], seen["content-type"]) == ("text/plain", "application/json")
    assert "cookie" not in seen


def test_nothing_is_taken_from_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    http = server.http()
    http.ask(rest(http))
    http.ask(rest(http))
    assert [seen["authorization"] for seen in server.handlers.asked] == ["Bearer token0"] * 2
    assert not any("cookie" in seen for seen in server.handlers.asked)
    assert len(http._sessions[0].cookies) == 0


def test_an_etag_is_sent_by_the_account_that_got_it(server: Server) -> None:
    http = server.http(tokens=3)
    first = http.ask(rest(http, "/item/1", subject="one"))
    assert first.etag is not None
    for number in range(10):
        http.ask(rest(http, f"/item/{number}", subject=f"other{number}"))
    for subject in ("one", "another", ""):
        known = (first.account, first.etag)
        same = http.ask(rest(http, "/item/1", subject=subject, etag=known))
        assert (same.status, same.account, same.body) == (304, first.account, b"")
        assert same.headers["x-ratelimit-used"] == same_used(server, first.account)
    assert [sent.is_not_modified for sent in server.sent[-3:]] == [True] * 3
    assert server.refused() == 0


def same_used(server: Server, label: str) -> str:
    """What the account had used before: a 304 is free."""
    status = [sent.status for sent in server.sent if sent.account == label]
    return str(status.count(200))


def test_an_etag_of_an_account_that_is_gone_is_left_away(server: Server) -> None:
    http = server.http()
    answer = http.ask(rest(http, "/item/1", etag=("gone", '"x"')))
    assert answer.status == 200
    assert "if-none-match" not in server.handlers.asked[0]


def test_304_is_no_answer_to_an_unconditional_request(server: Server) -> None:
    http = server.http()
    with pytest.raises(PermanentFailure, match="HTTP 304"):
        http.ask(rest(http, "/item/1", headers={"If-None-Match": "*"}))


def test_points_of_304_are_given_back_to_all_threads(server: Server) -> None:
    server.limits(github={"authenticated": 20, "window_seconds": 3_600})
    http = server.http()
    first = http.ask(rest(http, "/item/1"))
    assert first.etag is not None
    known = (first.account, first.etag)
    in_threads(200, lambda _: http.ask(rest(http, "/item/1", etag=known)))
    for number in range(19):
        http.ask(rest(http, f"/item/{number}"))
    assert server.refused() == 0


def test_subjects_stay_with_their_account(server: Server) -> None:
    http = server.http(tokens=3)
    accounts: dict[str, set[str]] = {}

    def ask(number: int) -> None:
        subject = f"s{number % 12}"
        answer = http.ask(rest(http, f"/item/{number}", subject=subject))
        accounts.setdefault(subject, set()).add(answer.account)

    # Once each account's window is known: until then one request at a time finds it out.
    for account in range(3):
        http.ask(rest(http, "/item/first", subject=f"first {account}"))
    in_threads(120, ask)
    assert all(len(labels) == 1 for labels in accounts.values())
    shares = Counter(sent.account for sent in server.sent)
    assert len(shares) == 3
    assert min(shares.values()) >= 20


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(server: Server, status: int) -> None:
    http = server.http()
    with pytest.raises(PermanentFailure, match=rf"redirects elsewhere \(HTTP {status}\)"):
        http.ask(rest(http, f"/elsewhere?status={status}"))
    answer = http.ask(
        rest(http, f"/elsewhere?status={status}", accepted=frozenset({301, 302, 307, 308}))
    )
    assert (answer.status, answer.headers["Location"]) == (status, "/github/item")
    assert server.handlers.asked == []
    assert len(server.sent) == 2


def test_requests_go_to_the_endpoint_only(server: Server) -> None:
    http = server.http()
    base = http.endpoint.removesuffix("/github")
    host = base.removeprefix("http://")
    for url in (
        "http://example.com/item", f"https://{host}/github/item", "http://127.0.0.1:1/item",
        f"http://{host}@example.com/item", f"http://somebody:x@{host}/github/item",
        f"http://{host}\\@example.com/item", f"{base}/github/it em", f"{base}/a\r\nb", "/item", "",
        f"file://{host}/etc/passwd", f"http://{host}.example.com/x", "http://[::1/x",
    ):  # fmt: skip
        with pytest.raises(PermanentFailure, match="leads away from"):
            http.ask(Request(url, "github.rest"))
    assert server.sent == []


@pytest.mark.parametrize(
    "endpoint", ["", "api.github.com", "ftp://a.b", "http://u:p@a.b", "http:// a"]
)
def test_an_endpoint_that_is_none_is_refused(endpoint: str) -> None:
    with pytest.raises(PermanentFailure, match="GitHub is no http or https URL"):
        Http(endpoint, GITHUB, [Account("anonymous", None)])


def test_an_answer_that_is_too_large_is_refused_while_it_comes(server: Server) -> None:
    http = server.http()
    with pytest.raises(PermanentFailure, match="larger than 100000 bytes"):
        http.ask(rest(http, "/large", most_bytes=100_000))
    assert len(server.sent) == 1
    answer = http.ask(rest(http, "/large", most_bytes=1_000_000))
    assert len(answer.body) == 1_000_000
    assert 0 < server.sent[-1].received_bytes < 10_000


def test_bad_credentials_name_the_variable(server: Server) -> None:
    server.limits(tokens=frozenset({"another"}))
    http = server.http()
    with pytest.raises(PermanentFailure) as failure:
        http.ask(rest(http))
    assert "HTTP 401" in failure.value.message
    assert "GITHUB_TOKEN" in failure.value.remedy
    assert http.ask(rest(http, accepted=frozenset({401}))).status == 401


def test_queries_without_a_token_are_not_sent(server: Server) -> None:
    http = server.http(tokens=0)
    with pytest.raises(PermanentFailure) as failure:
        http.ask(query(http, 1))
    assert "GITHUB_TOKEN" in failure.value.remedy
    assert server.sent == []


def test_an_unknown_class_is_refused(server: Server) -> None:
    http = server.http()
    with pytest.raises(PermanentFailure, match=r"no class 'hub\.api'"):
        http.ask(Request(http.endpoint, "hub.api"))


def test_other_statuses_are_failures_unless_accepted(server: Server) -> None:
    http = server.http()
    for status in (400, 404, 410, 422, 451):
        url = f"/status?status={status}"
        with pytest.raises(PermanentFailure, match=f"HTTP {status}"):
            http.ask(rest(http, url))
        assert http.ask(rest(http, url, accepted=frozenset({status}))).status == status
    assert http.ask(rest(http, "/status?status=502", accepted=frozenset({502}))).status == 502
    assert not any(sent.is_retry for sent in server.sent)


# Stopping.


def test_stop_wakes_who_waits_for_a_budget(server: Server) -> None:
    server.limits(github={"authenticated": 2})
    http = server.http()
    stopped: list[Stopped] = []

    def ask() -> None:
        with pytest.raises(Stopped) as failure:
            http.ask(rest(http))
        stopped.append(failure.value)

    http.ask(rest(http))
    http.ask(rest(http))
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    http.stop()
    for thread in threads:
        thread.join(20)
    assert len(stopped) == 4
    assert isinstance(stopped[0], TransientFailure)
    with pytest.raises(Stopped):
        http.ask(rest(http))
    assert len(server.sent) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="there is no timer of a process")
def test_ctrl_c_while_budgets_are_read_keeps_nobody_waiting(server: Server) -> None:
    """As who shows a night does: threads that wait for a budget could never be stopped."""
    http, rng = server.http(), random.Random(7)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def is_free() -> bool:
        is_taken = http._changed.acquire(timeout=5)
        if is_taken:
            http._changed.release()
        return is_taken

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with ThreadPoolExecutor(1) as pool:
            for _ in range(1_000):
                with suppress(KeyboardInterrupt):
                    signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, 3e-4))
                    while True:
                        http.budgets()
                assert pool.submit(is_free).result()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_stop_wakes_who_waits_for_another_try(server: Server) -> None:
    server.faults(FaultRule(kind="status", status=503, retry_after=1_000))
    failed = threading.Event()
    http = server.http()
    http._told = lambda sent: failed.set()
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(http.ask, rest(http))
        assert failed.wait(10)
        http.stop()
        with pytest.raises(Stopped):
            asking.result(20)


# Values.


def test_accounts_have_labels_that_tell_nothing() -> None:
    one, other = accounts_of(["aaaa", " bbbb ", "aaaa", ""], SALT)
    assert (one.token, other.token) == ("aaaa", "bbbb")
    assert accounts_of(["aaaa"], SALT)[0].label == one.label
    assert accounts_of(["aaaa"], b"other")[0].label != one.label
    assert "aaaa" not in repr(one)
    assert accounts_of([], SALT) == accounts_of([" "], SALT) == [Account("anonymous", None)]


def answer(body: bytes = b"", url: str = "http://h:1/a/b?c=d", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(200, core.CaseInsensitiveDict(named), body, url, "x")


def test_links_are_absolute() -> None:
    linked = answer(Link='<http://h:1/a?page=2>; rel="next", </a?page=9>; rel="last", <?p=0>; x=y')
    assert linked.links == {"next": "http://h:1/a?page=2", "last": "http://h:1/a?page=9"}
    assert answer().links == answer(link="nonsense").links == {}
    assert answer(ETag='W/"1"').etag == 'W/"1"'
    assert answer().etag is None


@pytest.mark.parametrize(
    "body", [b"", b"{", b"<html>", b"\xff", b"[NaN]", b"[" * 100_000, b'{"a": Infinity}']
)
def test_what_is_no_json_is_unusable(body: bytes) -> None:
    with pytest.raises(Unusable):
        answer(body).json()


def test_halves_of_surrogate_pairs_become_what_can_be_stored() -> None:
    body = rb'[{"a\ud800": ["x\udc00y", "\ud83d\ude00", 12345678901234567890, 1.5, null]}]'
    assert answer(body).json() == [
        {"a\ufffd": ["x\ufffdy", "\U0001f600", 12345678901234567890, 1.5, None]}
    ]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("5", 5.0), (" 5 ", 5.0), ("Wed, 01 Jan 2025 00:01:00 GMT", 60.0), ("-1", None), ("", None),
        ("soon", None), ("9" * 40, None), ("Wed, 01 Jan 2020 00:00:00 GMT", 0.0),
    ],
)  # fmt: skip
def test_retry_after_in_both_forms(header: str, seconds: float | None) -> None:
    headers = {"retry-after": header, "date": "Wed, 01 Jan 2025 00:00:00 GMT"}
    assert core.retry_after(headers, 0.0) == seconds


@pytest.mark.parametrize(
    ("date", "reset", "ends_in"),
    [
        ("Wed, 01 Jan 2025 00:00:00 GMT", 1_735_689_600 + 60, 60.0),
        # A clock that is off names both off.
        ("Wed, 01 Jan 2025 01:00:00 GMT", 1_735_689_600 + 3_660, 60.0),
        # A Date of another day says nothing: ours is asked.
        ("Sun, 05 Jan 2025 00:00:00 GMT", 1_735_689_600 + 60, 50.0),
        ("nonsense", 1_735_689_600 + 60, 50.0),
        # Nobody knows: no window is longer.
        ("nonsense", 1_935_689_600, 3_600.0),
        ("Wed, 01 Jan 2025 00:00:00 GMT", 1_735_689_600 - 1, 0.0),
    ],
)
def test_the_end_of_a_window_by_the_answer_s_own_clock(
    date: str, reset: int, ends_in: float
) -> None:
    headers = {
        "x-ratelimit-limit": "60", "x-ratelimit-remaining": "9", "x-ratelimit-reset": str(reset),
        "x-ratelimit-resource": "core", "date": date,
    }  # fmt: skip
    told = GITHUB.announced(headers, GITHUB.kinds["github.rest"], 1_735_689_610.0)
    assert told is not None
    assert (told.limit, told.remaining, told.ends_in) == (60, 9, ends_in)
    assert GITHUB.announced(headers, GITHUB.kinds["github.search"], 0.0) is None


@pytest.mark.parametrize(
    ("header", "policy", "told"),
    [
        ('"api";r=489;t=271', '"fixed window";"api";q=500;w=300', (500, 489, 271.0, 300.0)),
        ('"pages";r=1;t=2, "api";r=3;t=4', "", (None, 3, 4.0, 300.0)),
        ('"api";r=3;t=4000', '"fixed window";"api";q=5;w=300', (5, 3, 300.0, 300.0)),
        ('"resolvers";r=489;t=271', "", None), ('"api";r=x;t=1', "", None), ("", "", None),
    ],
)  # fmt: skip
def test_the_hub_s_headers(header: str, policy: str, told: tuple[Any, ...] | None) -> None:
    headers = {"ratelimit": header, "ratelimit-policy": policy}
    found = HUB.announced(headers, HUB.kinds["hub.api"], math.nan)
    assert (found and (found.limit, found.remaining, found.ends_in, found.window_seconds)) == told


def test_published_paces_and_classes() -> None:
    assert GITHUB.paces == {"rest": Pace(900, 60.0), "graphql": Pace(2_000, 60.0)}
    assert {name: kind.pace for name, kind in GITHUB.kinds.items()} == {
        "github.rest": "rest", "github.search": "rest", "github.graphql": "graphql",
    }  # fmt: skip
    assert GITHUB.kinds["github.rest"].write_points == 5
    assert GITHUB.concurrent == HUB.concurrent == 16
