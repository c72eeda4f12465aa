"""The twin's server over loopback HTTP: limits, conditions, faults, files, time, process."""

import base64
import gzip
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from command import COMMAND, one_line, run, run_anew
from databases import database
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orchestration.clients.archive import ArchiveSource
from orchestration.lake import Lake
from twin.server.app import FIRST_DAY, Service, Twin, serving
from twin.server.archive_files import HourFiles
from twin.server.clock import Calendar, ManualClock
from twin.server.control import read_settings
from twin.server.faults import FaultRule, FaultSettings
from twin.server.limits import GitHubLimits, HubLimits, Limits, LimitSettings
from twin.server.traffic import kind_of

TOKEN = "a-token-that-nobody-may-see"
MISSING_HOUR = 5
DAY = 86_400


class StandInFlow:
    """Hours whose bytes say which hour they are; counts how often each was made."""

    def __init__(self) -> None:
        self.made: list[tuple[int, int]] = []

    def hour_bytes(self, k: int, hour: int) -> bytes | None:
        self.made.append((k, hour))
        if hour == MISSING_HOUR:
            return None
        return gzip.compress(f'{{"day":{k},"hour":{hour}}}\n'.encode() * 50, 1, mtime=0)


@dataclass
class View:
    now: int


class StandInPlatform:
    """A platform of which one knows nothing but the time."""

    def at(self, now: int) -> View:
        return View(now)


class Gate:
    """A route that answers when it is told to."""

    def __init__(self) -> None:
        self.inside = threading.Semaphore(0)
        self.open = threading.Event()

    def answer(self, request: Request) -> Response:
        self.inside.release()
        self.open.wait(10)
        return JSONResponse({})


def listed(request: Request) -> Response:
    """A numbered list of 35 in pages of 10, as GitHub gives it."""
    page = int(request.query_params.get("page", 1))
    return JSONResponse(list(range(35))[(page - 1) * 10 : page * 10])


def discussed(request: Request) -> Response:
    """The same as the Hub gives it: pages count from 0."""
    page = int(request.query_params.get("p", 0))
    return JSONResponse({"discussions": list(range(35))[page * 10 : page * 10 + 10], "count": 35})


def item(request: Request) -> Response:
    """An object with a date of modification."""
    headers = {"last-modified": "Mon, 06 Oct 2025 10:00:00 GMT"}
    return JSONResponse({"id": 1, "login": "ann"}, headers=headers)


def rate_limit(request: Request) -> Response:
    return JSONResponse(request.state.budget.resources())


def graphql(request: Request) -> Response:
    """Each query costs what its header says."""
    budget = request.state.budget
    is_paid = budget.charge(int(request.headers["x-cost"]))
    return JSONResponse({"is_paid": is_paid, "remaining": budget.remaining, "used": budget.used})


def caller(request: Request) -> Response:
    who = request.state.caller
    return JSONResponse({"key": who.key, "is_authenticated": who.is_authenticated})


def routes(gate: Gate) -> list[Route]:
    return [
        Route("/github/list", listed), Route("/github/item", item, methods=["GET", "POST"]),
        Route("/github/rate_limit", rate_limit), Route("/github/caller", caller),
        Route("/github/search/repositories", item), Route("/github/cost", graphql),
        Route("/github/gate", gate.answer), Route("/github/graphql", graphql, methods=["POST"]),
        Route("/hub/api/models", item), Route("/hub/api/caller", caller),
        Route("/hub/api/models/a/b/discussions", discussed),
        Route("/hub/a/b/resolve/main/config.json", item), Route("/hub/a/b", item),
    ]  # fmt: skip


@dataclass
class Running:
    """A server with a clock of the test's own."""

    service: Service
    clock: ManualClock
    gate: Gate
    session: requests.Session

    def get(self, path: str, token: str | None = None, **headers: str) -> requests.Response:
        return self.ask("GET", path, token, **headers)

    def ask(
        self, method: str, path: str, token: str | None = None, **headers: str
    ) -> requests.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        return self.session.request(method, self.service.twin.base + path, headers=sent, timeout=10)

    def limits(self, **settings: Any) -> None:
        self.service.limits.set(read_settings(LimitSettings, settings))

    def faults(self, *rules: dict[str, Any]) -> None:
        self.service.faults.set(read_settings(FaultSettings, {"rule": list(rules)}).rule)


@contextmanager
def running(**more: Any) -> Iterator[Running]:
    gate, clock = Gate(), ManualClock()
    twin = Twin(Calendar(FIRST_DAY, 1), flow=StandInFlow())
    with (
        serving(twin=twin, clock=clock, more_routes=routes(gate), **more) as service,
        requests.Session() as session,
    ):
        yield Running(service, clock, gate, session)


@pytest.fixture(scope="module")
def shared() -> Iterator[Running]:
    with running() as server:
        yield server


@pytest.fixture
def server(shared: Running) -> Running:
    """The shared server as if new; its world must not be advanced."""
    shared.limits()
    shared.faults()
    shared.service.counters.clear()
    shared.clock.now = ManualClock().now
    return shared


def hour(number: int, day: date = FIRST_DAY) -> str:
    return f"/archive/{day.isoformat()}-{number}.json.gz"


# Limits of GitHub.


def test_published_numbers_are_the_defaults() -> None:
    github, hub = GitHubLimits(), HubLimits()
    assert (github.anonymous, github.authenticated, github.graphql) == (60, 5_000, 5_000)
    assert (github.concurrent, github.rest_points, github.graphql_points) == (100, 900, 2_000)
    assert (hub.window_seconds, hub.api_anonymous, hub.api_authenticated) == (300, 500, 1_000)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/2025-10-06-0.json.gz", "archive"), ("/archive/2025-10-06-0.json.gz", "archive"),
        ("/github/repos/a/b", "github.rest"), ("/github/graphql", "github.graphql"),
        ("/github/search/repositories", "github.search"), ("/hub/api/models", "hub.api"),
        ("/hub/a/b/resolve/main/x", "hub.resolvers"), ("/hub/a/b", "hub.pages"),
        ("/_twin/clock", "control"), ("/github/graphql/x", "github.rest"),
    ],
)  # fmt: skip
def test_class_of_a_request(path: str, kind: str) -> None:
    assert kind_of(path) == kind


def test_primary_limit_of_anonymous_callers_is_exact(server: Running) -> None:
    began = int(server.clock.now)
    for number in range(1, 61):
        answer = server.get("/github/item")
        assert answer.status_code == 200
        assert answer.headers["x-ratelimit-remaining"] == str(60 - number)
        assert answer.headers["x-ratelimit-used"] == str(number)
        server.clock.advance(1)
    refused = server.get("/github/item")
    assert refused.status_code == 403
    assert refused.json()["message"].startswith("API rate limit exceeded for 127.0.0.1.")
    assert refused.json()["documentation_url"].startswith("https://docs.github.com/rest/")
    assert "retry-after" not in refused.headers
    told = {name: value for name, value in refused.headers.items() if "ratelimit" in name}
    assert told == {
        "x-ratelimit-limit": "60", "x-ratelimit-remaining": "0", "x-ratelimit-used": "60",
        "x-ratelimit-reset": str(began + 3_600), "x-ratelimit-resource": "core",
    }  # fmt: skip
    server.clock.now = began + 3_599.9
    assert server.get("/github/item").status_code == 403
    server.clock.now = began + 3_600
    answer = server.get("/github/item")
    assert answer.status_code == 200
    assert answer.headers["x-ratelimit-remaining"] == "59"
    assert answer.headers["x-ratelimit-reset"] == str(began + 7_200)


def test_each_token_has_its_own_limit_in_any_form(server: Running) -> None:
    server.limits(github={"authenticated": 3})
    basic = base64.b64encode(f"someone:{TOKEN}".encode()).decode()
    for form in (f"Bearer {TOKEN}", f"token {TOKEN}", f"Basic {basic}"):
        assert server.get("/github/item", Authorization=form).status_code == 200
    refused = server.get("/github/item", TOKEN)
    assert refused.status_code == 403
    assert "API rate limit exceeded for user ID" in refused.json()["message"]
    assert server.get("/github/item", "another").headers["x-ratelimit-remaining"] == "2"
    assert server.get("/github/item").headers["x-ratelimit-limit"] == "60"


def test_primary_refusals_may_be_429(server: Running) -> None:
    server.limits(github={"anonymous": 0, "refused_status": 429})
    assert server.get("/github/item").status_code == 429


def test_resources_are_counted_apart_and_asking_is_free(server: Running) -> None:
    server.limits(github={"search_authenticated": 2})
    for _ in range(2):
        answer = server.get("/github/search/repositories", TOKEN)
        assert answer.headers["x-ratelimit-resource"] == "search"
    assert server.get("/github/search/repositories", TOKEN).status_code == 403
    server.get("/github/item", TOKEN)
    for _ in range(3):
        told = server.get("/github/rate_limit", TOKEN).json()
    assert {name: entry["used"] for name, entry in told.items()} == {
        "core": 1, "search": 2, "graphql": 0,
    }  # fmt: skip
    assert told["core"]["remaining"] == 4_999
    server.clock.advance(60)
    assert server.get("/github/search/repositories", TOKEN).status_code == 200


def test_points_a_minute_are_exact(server: Running) -> None:
    server.limits(github={"rest_points": 20})
    for _ in range(10):
        assert server.get("/github/item", TOKEN).status_code == 200
    server.clock.advance(30)
    # A write is five points.
    for _ in range(2):
        assert server.ask("POST", "/github/item", TOKEN).status_code == 200
    refused = server.get("/github/item", TOKEN)
    assert refused.status_code == 403
    assert refused.headers["retry-after"] == "30"
    assert refused.json()["message"].startswith("You have exceeded a secondary rate limit.")
    # A refusal costs nothing of the hour.
    assert refused.headers["x-ratelimit-remaining"] == str(5_000 - 12)
    server.clock.advance(29.9)
    assert server.get("/github/item", TOKEN).status_code == 403
    server.clock.advance(0.1)
    for _ in range(10):
        assert server.get("/github/item", TOKEN).status_code == 200
    assert server.get("/github/item", TOKEN).status_code == 403


def test_the_published_minute_holds_by_default() -> None:
    clock = ManualClock()
    limits = Limits(clock=clock)
    who = limits.caller(b"Bearer t")
    assert who is not None

    def entered(resource: str) -> int:
        for number in range(3_000):
            if limits.enter(who, resource, "POST" if resource == "graphql" else "GET"):
                return number
            limits.leave(who)
        return 3_000

    assert entered("core") == 900
    assert entered("graphql") == 2_000
    clock.advance(60)
    assert entered("core") == 900


def test_requests_at_the_same_time_are_limited_together(server: Running) -> None:
    server.limits(github={"concurrent": 3})
    server.gate.open.clear()
    url = server.service.twin.github_base
    headers = {"Authorization": f"Bearer {TOKEN}", "x-cost": "1"}
    with ThreadPoolExecutor(3) as pool:
        waiting = [
            pool.submit(requests.get, f"{url}/gate", headers=headers, timeout=20) for _ in range(3)
        ]
        for _ in waiting:
            assert server.gate.inside.acquire(timeout=5)
        refused = server.get("/github/item", TOKEN)
        query = server.ask("POST", "/github/graphql", TOKEN, x_cost="1")
        others = server.get("/github/item", "another")
        server.gate.open.set()
        assert [answer.result().status_code for answer in waiting] == [200] * 3
    assert (refused.status_code, query.status_code, others.status_code) == (403, 403, 200)
    assert "secondary rate limit" in refused.json()["message"]
    assert int(refused.headers["retry-after"]) >= 1
    assert server.get("/github/item", TOKEN).status_code == 200
    assert server.service.limits.as_json()["in_flight"] == {}


def test_queries_cost_points_of_their_own(server: Running) -> None:
    server.limits(github={"graphql": 10})

    def ask(cost: int) -> requests.Response:
        return server.ask("POST", "/github/graphql", TOKEN, x_cost=str(cost))

    first = ask(7)
    assert first.json() == {"is_paid": True, "remaining": 3, "used": 7}
    assert first.headers["x-ratelimit-resource"] == "graphql"
    assert first.headers["x-ratelimit-remaining"] == "3"
    assert ask(4).json() == {"is_paid": False, "remaining": 3, "used": 7}
    assert ask(3).json()["is_paid"]
    limited = ask(1)
    assert limited.status_code == 200
    assert limited.json()["errors"][0]["type"] == "RATE_LIMITED"
    assert limited.headers["x-ratelimit-remaining"] == "0"
    assert server.get("/github/item", TOKEN).headers["x-ratelimit-remaining"] == "4999"
    server.clock.advance(3_600)
    assert ask(1).json()["used"] == 1


def test_queries_need_a_token(server: Running) -> None:
    answer = server.ask("POST", "/github/graphql", x_cost="1")
    assert answer.status_code == 401
    assert answer.json()["message"] == "This endpoint requires you to be authenticated."


def test_a_query_that_nobody_charges_costs_one(server: Running) -> None:
    # No such handler: the path is not there with this method.
    server.ask("PUT", "/github/graphql", TOKEN)
    assert server.service.limits.windows.as_json()[0]["used"] == 1


def test_without_limits_nothing_is_refused_or_told(server: Running) -> None:
    server.limits(enabled=False, github={"anonymous": 1, "graphql": 1}, hub={"api_anonymous": 1})
    for _ in range(3):
        answer = server.get("/github/item")
        assert answer.status_code == 200
        assert "x-ratelimit-limit" not in answer.headers
        assert server.get("/hub/api/models").status_code == 200
        assert server.ask("POST", "/github/graphql", TOKEN, x_cost="9").json()["is_paid"]
    assert server.get("/github/item", If_None_Match="*").status_code == 304


def test_a_request_says_who_it_is(server: Running) -> None:
    answer = server.session.get(
        f"{server.service.twin.github_base}/item", headers={"User-Agent": ""}, timeout=10
    )
    assert answer.status_code == 403
    assert "User-Agent" in answer.text


# Tokens.


def test_only_listed_tokens_are_good_where_there_is_a_list(server: Running) -> None:
    server.limits(tokens=[TOKEN])
    assert server.get("/github/item", TOKEN).status_code == 200
    assert server.get("/github/item").status_code == 200
    bad = server.get("/github/item", "wrong")
    assert (bad.status_code, bad.json()["message"]) == (401, "Bad credentials")
    assert server.get("/hub/api/models", TOKEN).status_code == 200
    assert server.get("/hub/api/models", "wrong").status_code == 401


@pytest.mark.parametrize("header", ["Bearer ", "Bearer", "Basic !!!", "Digest abc", "token"])
def test_credentials_without_a_token_are_bad(server: Running, header: str) -> None:
    assert server.get("/github/item", Authorization=header).status_code == 401
    assert server.get("/hub/api/models", Authorization=header).status_code == 401


def test_handlers_know_the_caller_but_not_the_token(server: Running) -> None:
    anonymous = server.get("/github/caller").json()
    one, same = (server.get(f"/{side}/caller", TOKEN).json() for side in ("github", "hub/api"))
    other = server.get("/github/caller", "another").json()
    assert anonymous == {"key": "", "is_authenticated": False}
    assert one == same
    assert one["is_authenticated"]
    assert other["key"] not in ("", one["key"])


def test_tokens_are_shown_nowhere(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.limits(tokens=[TOKEN])
    server.faults({"kind": "status", "first": 1, "path": "/github/*"})
    shown = [
        server.get(path, TOKEN).text
        for path in ("/github/item", "/github/item", "/github/none", "/hub/api/models",
                     "/_twin/limits", "/_twin/requests", "/_twin/faults")
    ]  # fmt: skip
    shown += [str(server.service.limits.as_json()), repr(server.service.limits.settings)]
    assert all(TOKEN not in text for text in shown)
    ours = [r for r in caplog.records if not r.name.startswith(("urllib3", "requests"))]
    assert TOKEN not in " ".join(str(record.__dict__) for record in ours)


# Limits of the Hub.


def test_hub_windows_are_exact_and_told_as_the_client_reads_them(server: Running) -> None:
    from huggingface_hub.utils import parse_ratelimit_headers

    server.limits(hub={"api_anonymous": 3, "api_authenticated": 5})
    server.clock.now = 1_000_000.0
    for number in range(1, 4):
        answer = server.get("/hub/api/models")
        told = parse_ratelimit_headers(answer.headers)
        assert told is not None
        assert (told.resource_type, told.remaining) == ("api", 3 - number)
        assert (told.limit, told.window_seconds) == (3, 300)
        assert told.reset_in_seconds == 300 - 10 * (number - 1)
        server.clock.advance(10)
    refused = server.get("/hub/api/models")
    assert refused.status_code == 429
    assert refused.headers["ratelimit"] == '"api";r=0;t=270'
    assert refused.headers["ratelimit-policy"] == '"fixed window";"api";q=3;w=300'
    assert "3 api requests per 5 minutes" in refused.json()["error"]
    assert server.get("/hub/api/models", TOKEN).headers["ratelimit"] == '"api";r=4;t=300'
    # Files and pages have limits of their own.
    assert server.get("/hub/a/b/resolve/main/config.json").status_code == 200
    assert server.get("/hub/a/b").headers["ratelimit"] == '"pages";r=99;t=300'
    server.clock.advance(269.5)
    assert server.get("/hub/api/models").status_code == 429
    server.clock.advance(0.5)
    assert server.get("/hub/api/models").headers["ratelimit"] == '"api";r=2;t=300'


def test_the_unmodified_client_waits_out_a_window(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub.utils import _http, http_backoff

    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        server.clock.advance(seconds)

    server.limits(hub={"api_anonymous": 1})
    monkeypatch.setattr(_http.time, "sleep", sleep)
    url = f"{server.service.twin.hub_base}/api/models"
    assert http_backoff("GET", url).status_code == 200
    assert http_backoff("GET", url).status_code == 200
    assert waits == [301.0]


def test_the_projects_client_asks_the_twin_and_nobody_else(server: Running, tmp_path: Path) -> None:
    code = (
        "import sys; from orchestration.clients.huggingface import hub_client; "
        "print(hub_client(sys.argv[1], [], b'salt').today())"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path)}
    # Set for the tests, but not where the project runs; the guard sees what is asked for.
    del environment["HF_HUB_DISABLE_TELEMETRY"]
    done = subprocess.run(
        [sys.executable, "-c", code, server.service.twin.hub_base],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "2025-10-07"
    assert server.get("/_twin/requests").json()["hub.api"]["requests"] == 1


# Conditional requests.


def test_304_is_free_for_the_token_that_got_the_etag(server: Running) -> None:
    first = server.get("/github/item", TOKEN)
    etag = first.headers["etag"]
    assert etag.startswith('W/"')
    assert first.headers["cache-control"] == "private, max-age=60, s-maxage=60"
    for _ in range(3):
        again = server.get("/github/item", TOKEN, If_None_Match=etag)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
        assert again.headers["x-ratelimit-used"] == "1"
    other = server.get("/github/item", "another", If_None_Match=etag)
    assert other.status_code == 200
    assert other.headers["etag"] != etag
    assert server.get("/github/item", TOKEN).headers["x-ratelimit-used"] == "2"


def test_304_costs_the_anonymous_and_points_a_minute(server: Running) -> None:
    server.limits(github={"rest_points": 3})
    etag = server.get("/github/item").headers["etag"]
    again = server.get("/github/item", If_None_Match=etag)
    assert (again.status_code, again.headers["x-ratelimit-used"]) == (304, "2")
    etag = server.get("/github/item", TOKEN).headers["etag"]
    for expected in (304, 304, 403):
        assert server.get("/github/item", TOKEN, If_None_Match=etag).status_code == expected


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If_None_Match": '"x", W/"y"'}, 200),
        ({"If_None_Match": "*"}, 304),
        ({"If_Modified_Since": "Mon, 06 Oct 2025 10:00:00 GMT"}, 304),
        ({"If_Modified_Since": "Mon, 06 Oct 2025 09:59:59 GMT"}, 200),
        ({"If_Modified_Since": "yesterday"}, 200),
        ({"If_Modified_Since": "Tue, 07 Oct 2025 10:00:00 GMT", "If_None_Match": '"x"'}, 200),
    ],
)
def test_conditions(server: Running, headers: dict[str, str], status: int) -> None:
    assert server.get("/github/item", TOKEN, **headers).status_code == status


def test_what_has_no_etag(server: Running) -> None:
    assert "etag" not in server.get("/github/none").headers
    assert "etag" not in server.get("/github/rate_limit").headers
    assert "etag" not in server.ask("POST", "/github/item").headers


# The archive's files.


def test_hours_are_served_with_conditions_and_ranges(server: Running) -> None:
    data = StandInFlow().hour_bytes(0, 7)
    assert data is not None
    whole = server.session.get(server.service.twin.base + hour(7), stream=True, timeout=10)
    assert whole.raw.read(decode_content=False) == data
    assert whole.headers["content-length"] == str(len(data))
    assert whole.headers["last-modified"] == "Mon, 06 Oct 2025 08:02:00 GMT"
    head = server.ask("HEAD", hour(7))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(data))
    assert server.get("/2025-10-06-7.json.gz").headers["etag"] == whole.headers["etag"]
    assert server.get(hour(7), If_None_Match=whole.headers["etag"]).status_code == 304
    modified = whole.headers["last-modified"]
    assert server.get(hour(7), If_Modified_Since=modified).status_code == 304
    for asked, first, last in (
        ("0-9", 0, 9), ("10-", 10, len(data) - 1), ("-5", len(data) - 5, len(data) - 1),
        ("3-99999", 3, len(data) - 1),
    ):  # fmt: skip
        part = server.session.get(
            server.service.twin.base + hour(7), headers={"Range": f"bytes={asked}"},
            stream=True, timeout=10,
        )  # fmt: skip
        assert part.status_code == 206
        assert part.raw.read(decode_content=False) == data[first : last + 1]
        assert part.headers["content-range"] == f"bytes {first}-{last}/{len(data)}"
    beyond = server.get(hour(7), Range=f"bytes={len(data)}-")
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == f"bytes */{len(data)}"
    changed = server.get(hour(7), Range="bytes=0-9", If_Range='"other"')
    assert changed.status_code == 200
    assert server.get(hour(7), Range="bytes=9-0").status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        f"2025-10-06-{MISSING_HOUR}.json.gz", "2025-10-07-0.json.gz", "2025-10-05-23.json.gz",
        "2025-10-06-07.json.gz", "2025-10-06-24.json.gz", "2025-13-06-1.json.gz", "2025-10-06.json",
        "favicon.ico",
    ],
)  # fmt: skip
def test_no_such_hour(server: Running, name: str) -> None:
    answer = server.get(f"/archive/{name}")
    assert answer.status_code == 404
    assert "NoSuchKey" in answer.text


def test_hours_are_made_once_and_forgotten_when_there_are_many() -> None:
    flow = StandInFlow()
    data = flow.hour_bytes(0, 0)
    assert data is not None
    flow.made.clear()

    def slowly(k: int, hour: int) -> bytes | None:
        time.sleep(0.02)
        return flow.hour_bytes(k, hour)

    files = HourFiles(slowly, cache_bytes=2 * len(data) + len(data) // 2)
    calendar = Calendar(FIRST_DAY, 1)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: files.find("2025-10-06-1.json.gz", calendar), range(40)))
    assert flow.made == [(0, 1)]
    for number in (2, 3, MISSING_HOUR, MISSING_HOUR, 3, 1):
        files.find(f"2025-10-06-{number}.json.gz", calendar)
    assert flow.made == [(0, 1), (0, 2), (0, 3), (0, MISSING_HOUR), (0, 1)]


# Time.


def test_advance_brings_tomorrow_and_changes_nothing_of_today() -> None:
    tomorrow = FIRST_DAY + timedelta(days=1)
    with running() as server:
        before = [server.get(hour(number)) for number in range(24)]
        assert server.get(hour(0, tomorrow)).status_code == 404
        assert server.get("/_twin/clock").json()["now_iso"] == "2025-10-07T00:00:00Z"
        told = server.session.post(
            f"{server.service.twin.base}/_twin/advance", json={"days": 2}, timeout=10
        ).json()
        assert (told["days_elapsed"], told["last_day"]) == (3, "2025-10-08")
        assert server.service.twin.now == told["now"] == told["starts_at"] + 3 * DAY
        after = [server.get(hour(number)) for number in range(24)]
        for one, other in zip(before, after, strict=True):
            assert one.content == other.content
            assert one.status_code == other.status_code
            assert one.headers.get("etag") == other.headers.get("etag")
        assert server.get(hour(0, tomorrow)).status_code == 200
        assert server.get(hour(0, FIRST_DAY + timedelta(days=3))).status_code == 404
        assert server.get(hour(0)).headers["date"] == "Thu, 09 Oct 2025 00:00:00 GMT"
        for wrong in ({"days": 0}, {"days": -1}, {"days": "many"}, [1], {"days": 10**9}):
            refused = server.session.post(
                f"{server.service.twin.base}/_twin/advance", json=wrong, timeout=10
            )
            assert refused.status_code == 422, wrong
            assert refused.json()["error"]
        assert server.service.twin.calendar.days_elapsed == 3


def test_a_request_in_flight_keeps_its_time() -> None:
    class Slow(StandInPlatform):
        def __init__(self) -> None:
            self.may_go_on = threading.Event()
            self.may_go_on.set()

        def at(self, now: int) -> View:
            self.may_go_on.wait(5)
            return View(now)

    platform = Slow()
    twin = Twin(Calendar(FIRST_DAY, 1), github=platform, hub=platform)
    begun, now = twin.github_view(), twin.now
    platform.may_go_on.clear()
    thread = threading.Thread(target=twin.advance)
    thread.start()
    # While tomorrow is being made, today is what is seen.
    assert (twin.now, twin.github_view(), twin.calendar.days_elapsed) == (now, begun, 1)
    platform.may_go_on.set()
    thread.join()
    assert (begun.now, twin.github_view().now, twin.hub_view().now) == (now, now + DAY, now + DAY)
    assert twin.github_view() is twin.github_view()


def test_dates_are_the_worlds_but_on_github_the_walls(server: Running) -> None:
    def date_of(path: str) -> float:
        return parsedate_to_datetime(server.get(path).headers["date"]).timestamp()

    assert date_of(hour(1)) == date_of("/hub/api/models") == server.service.twin.now
    assert date_of("/github/item") == int(server.clock.now)


# Faults.


def test_faults_on_the_archive_are_met_by_the_projects_own_client(
    server: Running, tmp_path: Path
) -> None:
    server.faults(
        {"name": "reset", "kind": "reset", "path": "*-1.json.gz", "first": 1},
        {"name": "busy", "kind": "status", "status": 503, "retry_after": 7, "path": "*-2.json.gz",
         "first": 2},
        {"name": "cut", "kind": "truncated", "share": 0.9, "path": "*-3.json.gz", "first": 1},
        {"name": "slow", "kind": "latency", "seconds": 1.0, "path": "*-4.json.gz", "first": 1},
        {"name": "down", "kind": "status", "status": 502, "path": "*-6.json.gz"},
    )  # fmt: skip
    waits: list[float] = []
    source = ArchiveSource(
        [server.service.twin.archive_base], timeout_seconds=0.4, attempts=3, sleep=waits.append
    )
    lake = Lake(tmp_path)

    def fetched(number: int) -> bytes | str:
        with next(source.fetch(FIRST_DAY, number, lake)) as answer:
            return answer.path.read_bytes() if answer.path else answer.reason

    plain = StandInFlow()
    for number in (0, 1, 2, 3, 4):
        assert fetched(number) == plain.hour_bytes(0, number), number
    assert waits == [1.0, 7.0, 7.0, 1.0, 1.0]
    assert "HTTP 404" in str(fetched(MISSING_HOUR))
    assert "HTTP 502" in str(fetched(6))
    happened = {rule["name"]: rule["fired"] for rule in server.service.faults.as_json()}
    assert happened == {"reset": 1, "busy": 2, "cut": 1, "slow": 1, "down": 3}
    counts = server.get("/_twin/requests").json()["archive"]
    assert {name: counts[name] for name in ("reset", "truncated", "404", "502", "503")} == {
        "reset": 1, "truncated": 1, "404": 1, "502": 3, "503": 2,
    }  # fmt: skip


def test_a_reset_is_a_reset_and_says_nothing(server: Running) -> None:
    server.faults({"kind": "reset"})
    host, port = server.service.twin.base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"GET /archive/2025-10-06-0.json.gz HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    server.faults()
    assert server.get(hour(0)).status_code == 200


def test_a_truncated_answer_promises_more_than_it_gives(server: Running) -> None:
    server.faults({"kind": "truncated", "share": 0.25, "path": "/hub/*"})
    whole = len(item(Request({"type": "http"})).body)
    host, port = server.service.twin.base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"GET /hub/api/models HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b"".join(iter(lambda: connection.recv(4096), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    assert f"content-length: {whole}".encode() in head.lower()
    assert len(body) == whole // 4
    with pytest.raises(requests.RequestException):
        server.get("/hub/api/models")
    # What has no body is not cut.
    assert server.ask("HEAD", "/hub/api/models").status_code == 200
    assert server.service.faults.as_json()[0]["fired"] == 2


def test_latency_takes_its_time(server: Running) -> None:
    server.faults({"kind": "latency", "seconds": 0.2, "path": "/hub/*"})
    started = time.monotonic()
    assert server.get("/hub/api/models").status_code == 200
    assert time.monotonic() - started >= 0.2


def test_a_faulty_answer_is_charged_and_in_the_form_of_its_platform(server: Running) -> None:
    server.faults({"kind": "status", "status": 429, "retry_after": 3})
    github, hub = server.get("/github/item"), server.get("/hub/api/models")
    assert (github.status_code, github.headers["retry-after"]) == (429, "3")
    assert github.headers["x-ratelimit-used"] == "1"
    assert github.json() == {"message": "Too Many Requests"}
    assert hub.json() == {"error": "Too Many Requests"}
    assert hub.headers["ratelimit"].startswith('"api";r=499')


def test_pages_drift(server: Running) -> None:
    def pages(path: str, parameter: str, numbers: range) -> list[int]:
        found: list[int] = []
        for number in numbers:
            body = server.get(f"{path}?per_page=10&{parameter}={number}", TOKEN).json()
            found += body["discussions"] if isinstance(body, dict) else body
        return found

    assert pages("/github/list", "page", range(1, 5)) == list(range(35))
    server.faults({"name": "added", "kind": "drift", "items": 2, "path": "*/list"})
    # Two came in front after the first page: two are seen again.
    assert pages("/github/list", "page", range(1, 5)) == [
        *range(10), *range(8, 35),
    ]  # fmt: skip
    assert server.service.faults.fired("added") == 3
    server.faults({"name": "removed", "kind": "drift", "items": -2, "path": "*/discussions"})
    # Two were taken from the front: two are never seen.
    path = "/hub/api/models/a/b/discussions"
    assert pages(path, "p", range(4)) == [*range(10), *range(12, 35)]
    assert server.service.faults.fired("removed") == 3
    # What is no numbered page does not drift.
    server.faults({"name": "all", "kind": "drift"})
    assert server.get("/github/item?page=2").json() == {"id": 1, "login": "ann"}
    assert server.get("/github/list?after=abc").json() == list(range(10))
    assert server.service.faults.fired("all") == 0


def test_a_page_that_moved_has_another_etag(server: Running) -> None:
    etag = server.get("/github/list?page=2", TOKEN).headers["etag"]
    server.faults({"kind": "drift"})
    moved = server.get("/github/list?page=2", TOKEN, If_None_Match=etag)
    assert moved.status_code == 200
    assert moved.json() == list(range(9, 19))
    assert moved.headers["etag"] != etag
    # One request was made, whatever the server read for it.
    assert moved.headers["x-ratelimit-used"] == "2"


def test_skew_moves_date_and_resets(server: Running) -> None:
    straight = server.get("/github/item")
    hub = server.get("/hub/api/models").headers["ratelimit"]
    server.faults({"name": "off", "kind": "skew", "seconds": 90})
    skewed = server.get("/github/item")

    def seconds(answer: requests.Response) -> float:
        return parsedate_to_datetime(answer.headers["date"]).timestamp()

    assert seconds(skewed) - seconds(straight) == 90
    resets = [int(answer.headers["x-ratelimit-reset"]) for answer in (straight, skewed)]
    assert resets[1] - resets[0] == 90
    told = server.get("/github/rate_limit").json()
    assert told["core"]["reset"] == resets[1]
    assert hub == '"api";r=499;t=300'
    assert server.get("/hub/api/models").headers["ratelimit"] == '"api";r=498;t=390'
    assert server.service.faults.fired("off") == 3
    # Also where a limit refuses.
    server.limits(github={"anonymous": 0})
    refused = server.get("/github/item")
    assert refused.status_code == 403
    assert int(refused.headers["x-ratelimit-reset"]) == int(server.clock.now) + 3_690


def statuses(server: Running, paths: list[str]) -> list[int]:
    return [server.get(path).status_code for path in paths]


def test_when_a_rule_holds(server: Running) -> None:
    one, other = "/hub/api/models", "/hub/a/b"
    server.faults({"kind": "status", "every": 3, "path": "/hub/*"})
    assert statuses(server, [one] * 7) == [200, 200, 503, 200, 200, 503, 200]
    server.faults({"kind": "status", "first": 1, "each_url": True, "path": "/hub/*"})
    assert statuses(server, [one, other, one, other, one + "?x"]) == [503, 503, 200, 200, 503]
    server.faults({"kind": "status", "method": "post"})
    assert statuses(server, [one]) == [200]
    assert server.ask("POST", one).status_code == 503
    assert server.service.faults.as_json()[0]["seen"] == 1
    server.faults({"kind": "status", "path": "/*"})
    assert server.get("/_twin/clock").status_code == 200


def test_chance_is_the_same_in_any_order(server: Running) -> None:
    urls = [f"/hub/api/models?n={number}" for number in range(60)]
    rule = {"name": "chance", "kind": "status", "probability": 0.4, "seed": 5}
    server.limits(enabled=False)
    server.faults(rule)
    forth = dict(zip(urls, statuses(server, urls), strict=True))
    again = statuses(server, urls)
    server.faults(rule)
    back = dict(zip(urls[::-1], statuses(server, urls[::-1]), strict=True))
    assert forth == back
    assert 12 <= list(forth.values()).count(503) <= 36
    # The second try of a URL is another draw.
    assert again != list(forth.values())
    server.faults({**rule, "seed": 6})
    assert dict(zip(urls, statuses(server, urls), strict=True)) != forth


def test_rules_are_set_and_read_while_it_runs(server: Running) -> None:
    url = f"{server.service.twin.base}/_twin/faults"
    rule = {"name": "down", "kind": "status", "path": "/hub/*", "first": 1}
    assert server.session.put(url, json={"rule": [rule]}, timeout=5).status_code == 200
    assert statuses(server, ["/hub/api/models"] * 2) == [503, 200]
    assert server.get("/_twin/faults").json()["rule"] == [{**rule, "seen": 2, "fired": 1}]
    for wrong, told in (
        ({"rule": [{"kind": "fire"}]}, "rule.0.kind"),
        ({"rule": [{"kind": "reset", "frist": 1}]}, "rule.0.frist"),
        ({"rule": [{"kind": "reset", "first": 1, "every": 2}]}, "one of first, every"),
        ({"rule": [rule, rule]}, "same name"),
        ({"rules": []}, "rules"),
        ([], "no JSON object"),
    ):
        refused = server.session.put(url, json=wrong, timeout=5)
        assert refused.status_code == 422
        assert told in refused.json()["error"]
    assert server.session.put(url, data=b"{", timeout=5).status_code == 422
    # What was refused has changed nothing.
    assert server.get("/_twin/faults").json()["rule"][0]["name"] == "down"
    assert server.session.delete(url, timeout=5).json() == {"rule": []}


def test_limits_and_counters_are_set_and_read_while_it_runs(server: Running) -> None:
    base = server.service.twin.base
    changed = server.session.put(
        f"{base}/_twin/limits", json={"github": {"anonymous": 1}}, timeout=5
    ).json()
    assert changed["settings"]["github"]["anonymous"] == 1
    assert statuses(server, ["/github/item"] * 2) == [200, 403]
    assert server.get("/_twin/limits").json()["windows"][0]["used"] == 1
    wrong = server.session.put(f"{base}/_twin/limits", json={"gihub": {}}, timeout=5)
    assert wrong.status_code == 422
    assert server.get("/_twin/requests").json()["github.rest"] == {
        "requests": 2, "200": 1, "403": 1,
    }  # fmt: skip
    assert "github.rest" not in server.session.delete(f"{base}/_twin/requests", timeout=5).json()


def test_unknown_paths_are_answered_in_the_form_of_the_platform(server: Running) -> None:
    github = server.get("/github/no/such/thing")
    assert github.status_code == 404
    assert github.json() == {
        "message": "Not Found", "status": "404",
        "documentation_url": "https://docs.github.com/rest",
    }  # fmt: skip
    hub = server.get("/hub/api/nothing")
    assert hub.status_code == 404
    assert hub.headers["x-error-message"] == hub.json()["error"]
    assert server.get("/_twin/nothing").status_code == 404
    assert server.get("/_twin/advance").status_code == 405


def test_only_loopback_is_listened_to(server: Running) -> None:
    assert server.service.twin.base.startswith("http://127.0.0.1:")
    port = int(server.service.twin.base.rsplit(":", 1)[1])
    listening = [
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
    ]
    assert listening == [f"0100007F:{port:04X}"]


# The whole twin.


def test_a_whole_twin_answers_on_all_sides() -> None:
    with serving("tiny", seed=11) as service, requests.Session() as session:
        twin, signed = service.twin, {"Authorization": f"Bearer {TOKEN}"}
        first = session.get(f"{twin.github_base}/repositories?per_page=1", timeout=20).json()[0]
        assert first["url"].startswith(twin.github_base)
        seen = session.get(first["url"], headers=signed, timeout=20)
        known = {**signed, "If-None-Match": seen.headers["etag"]}
        again = session.get(first["url"], headers=known, timeout=20)
        assert (again.status_code, again.headers["x-ratelimit-used"]) == (304, "1")
        query = {"query": "{ rateLimit { cost limit remaining used } }"}
        answer = session.post(f"{twin.github_base}/graphql", json=query, headers=signed, timeout=20)
        told = answer.json()["data"]["rateLimit"]
        assert told == {"cost": 1, "limit": 5_000, "remaining": 4_999, "used": 1}
        assert answer.headers["x-ratelimit-remaining"] == "4999"
        rates = session.get(f"{twin.github_base}/rate_limit", headers=signed, timeout=20).json()
        used = {name: entry["used"] for name, entry in rates["resources"].items()}
        assert (used["core"], used["graphql"]) == (1, 1)
        models = session.get(f"{twin.hub_base}/api/models?limit=3", timeout=20)
        assert len(models.json()) == 3
        assert models.headers["ratelimit"].startswith('"api";r=499;')
        assert session.get(f"{twin.base}{hour(0)}", timeout=20).status_code == 200
        assert set(service.counters.as_json()) == {
            "archive", "github.rest", "github.graphql", "hub.api",
        }  # fmt: skip


# The process.


@contextmanager
def served(folder: Path, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """`osmoscope twin serve` in a process, ready."""
    ready = folder / "ready.json"
    command = [str(COMMAND), "twin", "serve", "--ready-file", str(ready), *map(str, arguments)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=folder, text=True, **pipes) as process:
        try:
            until = time.monotonic() + 60
            while not ready.exists() and process.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
            yield process, json.loads(ready.read_text(encoding="utf-8"))
        finally:
            process.kill()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_process_serves_goes_on_and_ends_cleanly(
    ending: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / "faults.toml").write_text(
        '[[rule]]\nkind = "status"\npath = "/archive/*"\nfirst = 1\n'
    )
    (tmp_path / "limits.toml").write_text("[github]\nanonymous = 1\n")
    options = ("--faults", "faults.toml", "--limits", "limits.toml", "--seed", 7)
    with served(tmp_path, *options) as (process, ready):
        assert ready["pid"] == process.pid
        assert ready["days_elapsed"] == 1
        assert requests.get(ready["archive"], timeout=5).status_code == 404
        url = f"{ready['archive']}/2025-10-06-0.json.gz"
        assert [requests.get(url, timeout=20).status_code for _ in range(2)] == [503, 200]
        asked = [requests.get(f"{ready['github']}/x", timeout=5).status_code for _ in range(2)]
        assert asked == [404, 403]
        assert len(requests.get(f"{ready['hub']}/api/models?limit=2", timeout=20).json()) == 2
        done = run("twin", "advance", "--days", 1, "--url", ready["url"], "--json", folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["last_day"] == "2025-10-07"
        os.kill(process.pid, ending)
        output, complaints = process.communicate(timeout=10)
    assert process.returncode == 0, complaints
    assert complaints == ""
    assert all(ready[name] in output for name in ("archive", "github", "hub"))
    assert not (tmp_path / "ready.json").exists()


def test_a_server_ends_while_a_request_hangs(tmp_path: Path) -> None:
    (tmp_path / "faults.toml").write_text('[[rule]]\nkind = "latency"\nseconds = 3600\n')
    with served(tmp_path, "--faults", "faults.toml") as (process, ready):
        with pytest.raises(requests.Timeout):
            requests.get(f"{ready['archive']}/2025-10-06-0.json.gz", timeout=0.2)
        host, port = ready["url"].removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(b"GET /archive/2025-10-06-0.json.gz HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.2)
            process.terminate()
            process.communicate(timeout=10)
    assert process.returncode == 0


def test_truth_is_kept_and_the_process_ends_with_who_started_it(tmp_path: Path) -> None:
    def hours_known() -> int:
        file = str(tmp_path / "truth" / "hours.parquet")
        with database() as connection:
            (row,) = connection.execute("select count(*) from read_parquet(?)", [file]).fetchall()
        return int(row[0])

    with served(tmp_path, "--truth", "truth", "--until-closed") as (process, ready):
        assert hours_known() == 24
        advanced = requests.post(f"{ready['url']}/_twin/advance", json={"days": 1}, timeout=30)
        assert advanced.status_code == 200
        assert hours_known() == 48
        assert process.poll() is None
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=10) == 0


def test_wrong_usage_of_serve_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('[[rule]]\nkind = "fire"\n')
    for arguments, told in (
        (["--scale", "huge"], "unknown scale 'huge'"),
        (["--faults", "bad.toml"], "rule.0.kind"),
        (["--faults", "none.toml"], "none.toml"),
        (["--limits", "bad.toml"], "rule"),
    ):
        done = run("twin", "serve", *arguments, folder=tmp_path)
        assert done.returncode == 2, arguments
        assert told in one_line(done.stderr)


def test_a_port_that_is_taken_is_a_passing_condition(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("twin", "serve", "--port", taken.getsockname()[1], folder=tmp_path)
    assert done.returncode == 4
    assert "--port" in one_line(done.stderr)


def test_advance_without_a_server(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    done = run("twin", "advance", "--url", f"http://127.0.0.1:{port}", folder=tmp_path)
    assert done.returncode == 4
    assert "osmoscope twin serve" in one_line(done.stderr)
    done = run("twin", "advance", "--url", "nonsense", folder=tmp_path)
    assert done.returncode == 2
    one_line(done.stderr)


def test_write_writes_what_serve_serves(tmp_path: Path) -> None:
    done = run_anew("twin", "write", "--out", "w", "--days", 1, "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    files = sorted((tmp_path / "w" / "archive").iterdir())
    assert told["archive_file_count"] == len(files)
    assert told["days"] == ["2025-10-06"]
    with serving("tiny") as service, requests.Session() as session:
        for file in files[:3]:
            answer = session.get(
                f"{service.twin.archive_base}/{file.name}", stream=True, timeout=20
            )
            assert answer.raw.read(decode_content=False) == file.read_bytes()
    assert run("twin", "write", "--out", "w", "--scale", "huge", folder=tmp_path).returncode == 2


def test_settings_of_a_rule_are_checked() -> None:
    check: Callable[..., FaultRule] = FaultRule
    for wrong in ({"share": 1.0}, {"status": 200}, {"probability": 1.5}, {"first": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            check(kind="reset", **wrong)


def test_a_world_ends_where_its_hub_is_not_planned_any_more() -> None:
    twin = Twin.build("tiny", 3, date(2025, 10, 6), days_elapsed=59)
    twin.advance(1)
    with pytest.raises(ValueError, match="ends with 2025-12-04"):
        twin.advance(1)
    assert twin.calendar.days_elapsed == 60
    with pytest.raises(ValueError, match="60 days"):
        Twin.build("tiny", 3, date(2025, 10, 6), days_elapsed=61)


def test_a_first_day_without_room_for_a_history_is_refused(tmp_path: Path) -> None:
    done = run("twin", "write", "--out", "w", "--first-day", "2015-06-01", folder=tmp_path)
    assert done.returncode == 2
    assert "2016-04-01 or later" in one_line(done.stderr)
