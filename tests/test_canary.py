"""A token that must not be seen anywhere, whatever fails."""

import logging
import threading
import traceback
from collections.abc import Callable, Iterator

import pytest
from starlette.requests import Request as Incoming
from starlette.responses import Response
from starlette.routing import Route

from orchestration.clients.http import (
    GITHUB,
    HUB,
    Account,
    Answer,
    Http,
    Platform,
    Request,
    Sent,
    Unusable,
    accounts_of,
)
from orchestration.failures import OsmoscopeError
from twin.server.app import FIRST_DAY, Service, Twin, serving
from twin.server.clock import Calendar
from twin.server.faults import FaultRule
from twin.server.limits import LimitSettings

CANARY = "canary7f3a9c51e2"
CLOSED = "http://127.0.0.1:9"


def shown(error: BaseException) -> str:
    """All that a reader could see of a failure, and of those that it hides."""
    seen: list[BaseException] = []
    ahead: list[BaseException | None] = [error]
    while ahead:
        one = ahead.pop()
        if one is not None and one not in seen:
            seen.append(one)
            ahead += [one.__cause__, one.__context__]
    parts = [*traceback.format_exception(error)]
    for one in seen:
        parts += [str(one), repr(one), repr(one.args), repr(vars(one))]
        # As a handler would print it that also shows the variables of each frame of this project.
        frames = traceback.walk_tb(one.__traceback__)
        own = [frame for frame, _ in frames if "orchestration" in frame.f_code.co_filename]
        parts += [repr(value) for frame in own for value in frame.f_locals.values()]
    return "\n".join(parts)


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Every logger says all that it can, and none says the token."""
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "requests", "tenacity", "http.client"):
        caplog.set_level(logging.DEBUG, logger=name)
    yield
    said = [record.getMessage() for record in caplog.records] + [caplog.text]
    assert not any(CANARY in text for text in said)


class Asking:
    """A client with the canary, and what it tells."""

    def __init__(self, platform: Platform, endpoint: str) -> None:
        self.sent: list[Sent] = []
        self.kind = next(iter(platform.kinds))
        self.http = Http(
            endpoint, platform, accounts_of([CANARY], b"salt"), attempts=2, backoff_seconds=0.0,
            timeout_seconds=0.5, told=self.sent.append,
        )  # fmt: skip

    def ask(self, path: str = "/item", parse: Callable[[Answer], object] = Answer.json, **more):
        url = path if "://" in path else self.http.endpoint + path
        return self.http.ask(Request(url, self.kind, **more), parse)

    def fails(self, *given: object, **more: object) -> str:
        """What is seen of the failure of a request; not the canary."""
        with pytest.raises(OsmoscopeError) as failure:
            self.ask(*given, **more)
        everything = shown(failure.value)
        assert CANARY not in everything
        told = [repr(self.sent), repr(self.http), repr(self.http.accounts)]
        assert not any(CANARY in text for text in [*told, repr(self.http.budgets())])
        return everything


def item(request: Incoming) -> Response:
    return Response(b"{" if request.query_params.get("cut") else b"[" + b"0," * 10_000 + b"0]")


def other(request: Incoming) -> Response:
    # A server that tells back what it was told.
    told = request.headers.get("authorization", "").encode()
    status = int(request.query_params["status"])
    headers = {"location": f"http://127.0.0.1:9/?{told.decode()}", "retry-after": "4000"}
    return Response(told, status, headers)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    routes = [
        Route(f"/{name}/{path}", handler)
        for name in ("github", "hub/api")
        for path, handler in (("item", item), ("other", other))
    ]
    twin = Twin(Calendar(FIRST_DAY, 1))
    with serving(twin=twin, more_routes=routes, limits=LimitSettings(enabled=False)) as running:
        yield running


@pytest.fixture(params=["github", "hub"])
def make(request: pytest.FixtureRequest, service: Service) -> Iterator[Callable[..., Asking]]:
    service.faults.set(())
    platform = GITHUB if request.param == "github" else HUB
    base = f"{service.twin.base}/{'github' if platform is GITHUB else 'hub/api'}"
    yield lambda endpoint="": Asking(platform, endpoint or base)
    service.faults.set(())


def test_the_canary_is_sent_and_would_be_seen(make: Callable[..., Asking]) -> None:
    """Otherwise all that follows would hold for a token that nobody uses."""
    asking = make()
    assert (
        asking.ask("/other?status=200", lambda answer: answer.body) == f"Bearer {CANARY}".encode()
    )
    failure = KeyError("another")
    failure.__context__ = ValueError(CANARY)
    assert CANARY in shown(failure)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 429, 451, 500, 503])
def test_refusals(make: Callable[..., Asking], status: int) -> None:
    make().fails(f"/other?status={status}")


@pytest.mark.parametrize(
    "fault",
    [
        FaultRule(kind="reset"), FaultRule(kind="truncated"),
        FaultRule(kind="status", status=502), FaultRule(kind="latency", seconds=3),
    ],
    ids=lambda rule: rule.kind,
)  # fmt: skip
def test_broken_connections(
    make: Callable[..., Asking], service: Service, fault: FaultRule
) -> None:
    service.faults.set([fault])
    assert "in 2 tries" in make().fails()


def test_nobody_listens(make: Callable[..., Asking]) -> None:
    assert "ConnectionError" in make(CLOSED).fails()


def test_a_proxy_of_the_environment(
    make: Callable[..., Asking], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://somebody:{CANARY}@127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    make("https://127.0.0.1:9").fails()
    make(CLOSED).fails()


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", f"http://x:{CANARY}@127.0.0.1/", "http://[::1/", "file:///etc/passwd",
        f"http://user:{CANARY}@example.com/a?b={CANARY}",
    ],
)  # fmt: skip
def test_addresses_that_lead_away(make: Callable[..., Asking], url: str) -> None:
    asking = make()
    with pytest.raises(OsmoscopeError) as failure:
        asking.ask(url)
    assert CANARY not in str(failure.value)
    assert CANARY not in "".join(traceback.format_exception(failure.value))


def test_headers_that_cannot_be_sent(make: Callable[..., Asking]) -> None:
    make().fails(headers={"X-Bad": "a\r\nb"})
    asking = make()
    label = asking.http.accounts[0].label
    for etag in ("a\r\nb", "\u2603"):
        asking.fails(etag=(label, etag))


def test_bodies_that_are_no_use(make: Callable[..., Asking]) -> None:
    make().fails("/item?cut=1")
    make().fails(most_bytes=10)

    def parse(answer: Answer) -> None:
        raise Unusable("not that")

    assert "not that" in make().fails("/item", parse)


def test_a_client_that_is_stopped(make: Callable[..., Asking]) -> None:
    asking = make()
    asking.http.stop()
    asking.fails()


def test_threads_that_die(
    make: Callable[..., Asking], capfd: pytest.CaptureFixture[str], service: Service
) -> None:
    service.faults.set([FaultRule(kind="reset")])
    hook = threading.excepthook
    try:
        threading.excepthook = threading.__excepthook__
        thread = threading.Thread(target=make().ask)
        thread.start()
        thread.join(20)
    finally:
        threading.excepthook = hook
    out, err = capfd.readouterr()
    assert "in 2 tries" in err
    assert CANARY not in out + err


@pytest.mark.parametrize("bad", ["\n", "\r\n", "\0", " ", "\t", "\x7f", "\u00e9", "\u2603"])
@pytest.mark.parametrize("where", [CANARY + "{}x", "x{}" + CANARY])
def test_tokens_with_characters_that_no_token_has(where: str, bad: str) -> None:
    token = where.format(bad)
    with pytest.raises(OsmoscopeError) as failure:
        accounts_of(["good", token], b"salt", "GITHUB_TOKEN")
    assert "GITHUB_TOKEN" in failure.value.message
    with pytest.raises(OsmoscopeError) as direct:
        Http(CLOSED, HUB, [Account("label", token)])
    assert "HF_TOKEN" in direct.value.message
    for error in (failure.value, direct.value):
        text = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
        assert CANARY not in text
        assert error.__cause__ is None
        assert error.__context__ is None
