"""The one way by which the platforms are asked: within their limits, again where that may help.

Belongs here: accounts, requests, answers, sending, waiting, trying again. Does not belong here:
how limits are counted (`budgets`) and announced (`platforms`), and what an answer means (the
clients of the platforms).

No token is in any failure: what the HTTP library raises never leaves `_exchange`, not even as the
context of another exception; of its errors the type's name is kept.
"""

import hashlib
import hmac
import http.client
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import version
from typing import Any, Never, TypeVar, overload
from urllib.parse import urljoin

import orjson
import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import parse_header_links
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential_jitter
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import parse_url

from orchestration.clients.budgets import Announced, Budgets, Outcome, Pace, Ticket
from orchestration.clients.platforms import GITHUB, HUB, Platform, retry_after
from orchestration.failures import PermanentFailure, TransientFailure

__all__ = [
    "GITHUB", "HUB", "Account", "Answer", "BudgetState", "Http", "Pace", "Platform", "Request",
    "Sent", "Stopped", "Unusable", "accounts_of",
]  # fmt: skip

MOST_BYTES = 256 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
# Statuses that say nothing about the request itself.
REPEATED_STATUS = frozenset({408, 425})
LONGEST_BACKOFF_SECONDS = 60.0
# The longest window is an hour: who must wait longer is blocked.
LONGEST_WAIT_SECONDS = 3_700.0
MOST_REFUSALS = 10
# An answer that still drips after so many timeouts is cut off.
MOST_TIMEOUTS = 10
# How long a test's own clock is let run while another request has to end first.
_POLL_SECONDS = 0.01
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NO_ANSWER = (requests.RequestException, HTTPError, http.client.HTTPException, OSError, ValueError)
T = TypeVar("T")


class Unusable(Exception):
    """The body is not what was asked for (cut off, no JSON, timed out): the request is repeated."""


class Stopped(TransientFailure):
    """`Http.stop` was called."""


@dataclass(frozen=True)
class Account:
    """One caller.

    Attributes:
        label: stable, tells nothing about the token.
        token: sent to the endpoint only, and never shown; None: anonymous.
    """

    label: str
    token: str | None = field(default=None, repr=False)


def accounts_of(
    tokens: Sequence[str], salt: bytes, variable: str = "GITHUB_TOKEN or HF_TOKEN"
) -> list[Account]:
    """An account for each token, once; the anonymous one where there is none.

    Args:
        tokens: secrets; blanks around them are not part of them.
        salt: of this installation, so that labels cannot be compared with those of another.
        variable: where the tokens come from, for the failure.

    Raises:
        PermanentFailure: a token has characters that no token has.
    """
    found: dict[str, Account] = {}
    for token in filter(None, (token.strip() for token in tokens)):
        _check_token(token, variable)
        label = hmac.new(salt, token.encode(), hashlib.sha256).hexdigest()[:12]
        found.setdefault(label, Account(label, token))
    return list(found.values()) or [Account("anonymous", None)]


def _check_token(token: str, variable: str) -> None:
    # The HTTP library would show an illegal header value in its own message.
    if not token.isascii() or not token.isprintable() or " " in token or not token:
        raise PermanentFailure(
            f"A token in {variable} has characters that no token has.", f"Correct {variable}."
        )


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        url: absolute, of the endpoint's origin.
        kind: the class that it is counted in, one of the platform's `kinds`.
        subject: requests of one subject go to one account; empty: to any.
        body: JSON.
        points: what is reserved of the window (GraphQL: the cost that is expected).
        accepted: statuses besides 200 that are an answer and no failure.
        etag: label of an account and the ETag that it got: sent as If-None-Match with that
            account, and then 304 is an answer. Left away where there is no such account.
        most_bytes: bound of the unpacked body.
    """

    url: str
    kind: str
    subject: str = ""
    method: str = "GET"
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    points: int = 1
    accepted: frozenset[int] = frozenset()
    etag: tuple[str, str] | None = None
    most_bytes: int = MOST_BYTES


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        headers: found in any case.
        body: unpacked.
        url: what was asked for.
        account: label of who asked.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    url: str
    account: str

    @property
    def links(self) -> dict[str, str]:
        """The `Link` header (RFC 8288): relation to absolute URL, which may lead anywhere."""
        links = parse_header_links(self.headers.get("link", ""))
        return {
            link["rel"]: urljoin(self.url, link["url"])
            for link in links
            if "rel" in link and "url" in link
        }

    @property
    def etag(self) -> str | None:
        """The validator to send with `Request.etag`."""
        return self.headers.get("etag") or None

    def json(self) -> Any:
        """The body as JSON; halves of surrogate pairs, which no file can hold, become U+FFFD.

        Raises:
            Unusable: it is none.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            pass
        value = _lenient(self.body)
        if value is _NOTHING:
            raise Unusable("no JSON")
        return value


_NOTHING = object()


def _lenient(body: bytes) -> Any:
    """JSON with texts that the strict parser refuses."""
    try:
        return _whole(json.loads(body, parse_constant=_refuse_constant))
    except (ValueError, RecursionError):
        return _NOTHING


def _refuse_constant(name: str) -> Never:
    raise ValueError(name)


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return value


@dataclass(frozen=True)
class Sent:
    """One request as it was sent, for accounting.

    Attributes:
        kind, account: class and label.
        status: None where no answer came.
        error: what kept a whole answer from coming: the name of the error's type.
        is_retry: the same was sent before, whatever for it is repeated.
        waited_seconds: for the budget, and between tries.
        received_bytes: of the body, as sent.
        limit, remaining: of the window, as the answer tells.
    """

    kind: str
    account: str
    status: int | None
    error: str | None
    is_retry: bool
    is_not_modified: bool
    is_refused_by_limit: bool
    waited_seconds: float
    received_bytes: int
    limit: int | None
    remaining: int | None


@dataclass(frozen=True)
class BudgetState:
    """Where an account stands with one class of requests; None: not known now."""

    account: str
    kind: str
    limit: int | None
    remaining: int | None
    resets_in_seconds: float | None


class _Again(Exception):
    """A try failed in a way that another may not."""

    def __init__(self, reason: str, asked: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.asked = reason, asked


class _Session(requests.Session):
    """A session that keeps nothing, follows nothing and takes nothing from its surroundings."""

    def __init__(self, connections: int) -> None:
        super().__init__()
        # Otherwise ~/.netrc would replace the token, and a proxy of the environment see it.
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=connections, max_retries=0)
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002
        """Nowhere: with a target the library would read the body to its end, however large."""
        return


@dataclass
class _Asking:
    """One call of `ask`."""

    request: Request
    prepared: requests.PreparedRequest
    sent: int = 0
    refusals: int = 0
    waited: float = 0.0


@dataclass
class _Exchange:
    """What was heard of one request that was sent."""

    heard_at: float = 0.0
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    received: int = 0
    error: str | None = None
    is_too_large: bool = False
    is_conditional: bool = False
    refusal: Outcome | None = None
    announced: Announced | None = None
    asked: float | None = None

    @property
    def outcome(self) -> Outcome:
        if self.refusal is not None:
            return self.refusal
        if self.status is None or self.error is not None or self.status >= 500:
            return Outcome.LOST
        return Outcome.NOT_MODIFIED if self.status == 304 else Outcome.ANSWERED


def _identity(answer: Answer) -> Answer:
    return answer


class Http:
    """Asks one endpoint for all threads of a process.

    Args:
        endpoint: base URL, without credentials.
        accounts: callers that requests are shared out to.
        attempts: tries for each request; refusals by a limit do not count.
        timeout_seconds: for connecting, and for each wait for bytes.
        sleep: waits some seconds. `time.sleep` stands for a wait that `stop` and other threads
            can end; another one is for clocks that are not real.
        monotonic: seconds that never go back.
        wall: epoch seconds, asked only where a server's Date makes no sense.
        told: is called after each request that was sent, from any thread.
        paces: instead of the platform's, by the same names.
        concurrent: requests of one account at the same time, instead of the platform's.
        backoff_seconds: the first wait between two tries.

    Raises:
        PermanentFailure: the endpoint is no URL, or a token is none.
    """

    def __init__(
        self,
        endpoint: str,
        platform: Platform,
        accounts: Sequence[Account],
        *,
        attempts: int = 6,
        timeout_seconds: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        told: Callable[[Sent], None] | None = None,
        paces: Mapping[str, Pace] | None = None,
        concurrent: int | None = None,
        backoff_seconds: float = 1.0,
    ) -> None:
        self.endpoint = endpoint.rstrip("/")
        self.platform, self.accounts = platform, list(accounts) or [Account("anonymous")]
        self._origin = _origin(endpoint)
        if self._origin is None:
            raise PermanentFailure(
                f"The address of {platform.name} is no http or https URL without credentials.",
                "Correct the setting `endpoint`.",
            )
        for account in self.accounts:
            if account.token is not None:
                _check_token(account.token, platform.variable)
        self._attempts, self._timeout_seconds = attempts, timeout_seconds
        self._sleep, self._monotonic, self._wall, self._told = sleep, monotonic, wall, told
        self._backoff = wait_exponential_jitter(
            initial=backoff_seconds, max=LONGEST_BACKOFF_SECONDS, jitter=backoff_seconds
        )
        most = concurrent or platform.concurrent
        paces = platform.paces if paces is None else paces
        self._budgets = Budgets(platform.kinds, paces, most, len(self.accounts))
        self._sessions = [_Session(most) for _ in self.accounts]
        self._headers = {
            "User-Agent": f"osmoscope/{version('osmoscope')}",
            "Accept-Encoding": "gzip, deflate",
            **platform.headers,
        }
        # Who may be interrupted by Ctrl-C takes the lock itself: a condition is Python, and where
        # Ctrl-C comes between its taking the lock and the block, nobody else ever gets it.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._is_stopped = False

    @overload
    def ask(self, request: Request) -> Answer: ...
    @overload
    def ask(self, request: Request, parse: Callable[[Answer], T]) -> T: ...
    def ask(self, request: Request, parse: Callable[[Answer], Any] = _identity) -> Any:
        """What `parse` makes of the answer; blocks until the budget allows.

        Args:
            parse: may raise Unusable, and the request is repeated.

        Raises:
            TransientFailure: the tries are used up, or the wait would be too long.
            Stopped: `stop` was called.
            PermanentFailure: the request is refused, leads away, or its answer is too large.
        """
        self._check(request)
        asking = _Asking(request, self._prepared(request))
        tries = Retrying(
            stop=stop_after_attempt(self._attempts),
            wait=self._pause_after,
            retry=retry_if_exception_type(_Again),
            sleep=partial(self._rest, asking),
            reraise=True,
        )
        try:
            return tries(self._try, asking, parse)
        except _Again as again:
            reason = again.reason
        self._check_running()
        raise TransientFailure(
            f"{self.platform.name} gave no answer in {self._attempts} tries "
            f"({reason} from {_shown(request.url)}).",
            "Run it again later; it goes on where it stopped.",
        )

    def budgets(self) -> list[BudgetState]:
        """Where each account stands with each class of requests."""
        states = []
        with self._lock:
            now = self._monotonic()
            for account, allowance in zip(self.accounts, self._budgets.allowances, strict=True):
                for kind, window in allowance.windows.items():
                    is_known = window.is_known(now)
                    left = max(0, window.remaining - window.reserved) if is_known else None
                    ends_in = window.ends_at - now if is_known else None
                    states.append(BudgetState(account.label, kind, window.limit, left, ends_in))
        return states

    def stop(self) -> None:
        """Wake all threads that wait, which raise Stopped; so does every later request."""
        with self._lock:
            self._is_stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        for session in self._sessions:
            session.close()

    def _check(self, request: Request) -> None:
        kind = self.platform.kinds.get(request.kind)
        if kind is None:
            raise PermanentFailure(f"{self.platform.name} has no class {request.kind!r}.")
        if _origin(request.url) != self._origin:
            raise PermanentFailure(
                f"An address leads away from {_shown(self.endpoint)} to {_shown(request.url)}.",
                "Check the setting `endpoint`; a mirror has to serve everything itself.",
            )
        if kind.needs_token and any(account.token is None for account in self.accounts):
            raise PermanentFailure(
                f"{self.platform.name} answers {request.kind} to callers with a token only.",
                f"Set {self.platform.variable}.",
            )

    def _prepared(self, request: Request) -> requests.PreparedRequest:
        """The request as it will be sent, without credentials."""
        headers = {**self._headers, **request.headers}
        if request.body is not None:
            headers.setdefault("Content-Type", "application/json")
        prepared = requests.PreparedRequest()
        try:
            prepared.prepare(request.method, request.url, headers, data=request.body)
            return prepared
        except (requests.RequestException, HTTPError, ValueError):
            pass
        raise PermanentFailure(f"No request can be made of {_shown(request.url)}.")

    def _try(self, asking: _Asking, parse: Callable[[Answer], Any]) -> Any:
        """One try, which may wait and be refused by limits before.

        Raises:
            _Again: another try may help.
        """
        while True:
            ticket = self._admitted(asking)
            exchange, pause = self._settled(asking, ticket)
            if exchange.refusal is None:
                break
            asking.refusals += 1
            if pause > LONGEST_WAIT_SECONDS or asking.refusals >= MOST_REFUSALS:
                raise TransientFailure(
                    f"{self.platform.name} refused {asking.refusals} times by a limit, and asks to "
                    f"come back in {pause:.0f} seconds.",
                    f"Run it again then; more tokens in {self.platform.variable} share the work.",
                )
        account = self.accounts[ticket.account]
        self._judge(asking.request, exchange, account)
        assert exchange.status is not None
        url = asking.request.url
        answer = Answer(exchange.status, exchange.headers, exchange.body, url, account.label)
        try:
            return parse(answer)
        except Unusable as unusable:
            reason = str(unusable)
        raise _Again(f"an unusable answer: {reason}")

    def _admitted(self, asking: _Asking) -> Ticket:
        """A reservation for a request, which has to be sent or settled."""
        request = asking.request
        kind = self.platform.kinds[request.kind]
        pace_points = 1 if request.method in ("GET", "HEAD") else kind.write_points
        needs = (request.kind, request.points, pace_points)
        fixed = self._holder(request)
        with self._changed:
            began = self._monotonic()
            while True:
                self._check_running()
                now = self._monotonic()
                subject = request.subject
                account, delay = self._budgets.choose(*needs, now, subject=subject, fixed=fixed)
                if delay <= 0.0:
                    asking.waited += now - began
                    return self._budgets.begin(account, *needs, now)
                is_bound = bool(subject) or fixed is not None
                self._budgets.allowances[account].waiting += is_bound
                self._let_pass(delay)
                self._budgets.allowances[account].waiting -= is_bound

    def _holder(self, request: Request) -> int | None:
        """The account that holds the ETag of a request."""
        label = request.etag[0] if request.etag else None
        return next((i for i, a in enumerate(self.accounts) if a.label == label), None)

    def _check_running(self) -> None:
        if self._is_stopped:
            raise Stopped("The requests were told to stop.", "Run it again; it goes on there.")

    def _let_pass(self, seconds: float) -> None:
        """Wait, at most so long, until something has changed; the condition is held."""
        if self._sleep is time.sleep:
            self._changed.wait(min(seconds, LONGEST_WAIT_SECONDS))
            return
        self._changed.release()
        try:
            self._sleep(min(seconds, LONGEST_WAIT_SECONDS) if seconds < 1e9 else _POLL_SECONDS)
        finally:
            self._changed.acquire()

    def _rest(self, asking: _Asking, seconds: float) -> None:
        """Wait between two tries."""
        began = self._monotonic()
        with self._changed:
            if self._sleep is not time.sleep:
                self._let_pass(seconds)
            while self._sleep is time.sleep and (left := began + seconds - self._monotonic()) > 0:
                self._check_running()
                self._let_pass(left)
        asking.waited += self._monotonic() - began

    def _pause_after(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.asked if isinstance(error, _Again) else 0.0
        return max(asked, self._backoff(state))

    def _settled(self, asking: _Asking, ticket: Ticket) -> tuple[_Exchange, float]:
        """Send a request and account for it; returns also how long a refusal makes wait."""
        exchange = _Exchange(heard_at=ticket.sent_at)
        try:
            self._exchange(asking, ticket, exchange)
            self._read_limits(asking.request, exchange)
        finally:
            with self._changed:
                pause = self._budgets.end(
                    ticket, exchange.outcome, exchange.announced, exchange.heard_at,
                    self._monotonic(), exchange.asked,
                )  # fmt: skip
                self._changed.notify_all()
        asking.sent += 1
        if self._told is not None:
            self._told(self._record(asking, ticket, exchange))
        asking.waited = 0.0
        return exchange, pause

    def _exchange(self, asking: _Asking, ticket: Ticket, heard: _Exchange) -> None:
        """Send a request and read the answer, as far as there is one."""
        request, account = asking.request, self.accounts[ticket.account]
        prepared = asking.prepared.copy()
        if account.token is not None:
            prepared.headers["Authorization"] = f"Bearer {account.token}"
        if request.etag is not None and request.etag[0] == account.label:
            prepared.headers["If-None-Match"] = request.etag[1]
            heard.is_conditional = True
        session, wait = self._sessions[ticket.account], self._timeout_seconds
        try:
            with session.send(
                prepared, stream=True, timeout=wait, allow_redirects=False
            ) as response:
                heard.heard_at = self._monotonic()
                heard.status = response.status_code
                heard.headers = CaseInsensitiveDict(response.headers)
                self._read_body(request, response, heard)
        except _NO_ANSWER as error:
            heard.error = type(error).__name__

    def _read_body(self, request: Request, response: requests.Response, heard: _Exchange) -> None:
        parts = []
        size = 0
        until = heard.heard_at + MOST_TIMEOUTS * self._timeout_seconds
        for chunk in response.iter_content(CHUNK_BYTES):
            parts.append(chunk)
            size += len(chunk)
            heard.received = response.raw.tell()
            heard.is_too_large = size > request.most_bytes
            if heard.is_too_large or self._is_stopped or self._monotonic() > until:
                heard.error = "TooLarge" if heard.is_too_large else "TooSlow"
                return
        heard.body = b"".join(parts)

    def _read_limits(self, request: Request, heard: _Exchange) -> None:
        """What the answer says about limits."""
        if heard.status is None:
            return
        kind, wall = self.platform.kinds[request.kind], self._wall()
        heard.announced = self.platform.announced(heard.headers, kind, wall)
        heard.asked = retry_after(heard.headers, wall)
        heard.refusal = self.platform.refusal(heard.status, heard.headers, heard.body)
        if heard.refusal is Outcome.EXHAUSTED and heard.announced is not None:
            # A query may cost more than the little that is left.
            heard.announced = replace(heard.announced, remaining=0)

    def _record(self, asking: _Asking, ticket: Ticket, heard: _Exchange) -> Sent:
        told = heard.announced
        return Sent(
            kind=ticket.kind,
            account=self.accounts[ticket.account].label,
            status=heard.status,
            error=heard.error,
            is_retry=asking.sent > 1,
            is_not_modified=heard.status == 304,
            is_refused_by_limit=heard.refusal is not None,
            waited_seconds=asking.waited,
            received_bytes=heard.received,
            limit=told.limit if told else None,
            remaining=told.remaining if told else None,
        )

    def _judge(self, request: Request, heard: _Exchange, account: Account) -> None:
        """Raise where what was heard is no answer.

        Raises:
            _Again: another try may give one.
            TransientFailure, PermanentFailure: none will.
        """
        status, place = heard.status, _shown(request.url)
        if heard.is_too_large:
            raise PermanentFailure(
                f"An answer of {self.platform.name} is larger than {request.most_bytes} bytes "
                f"({place}).",
                "Ask for smaller pages or batches.",
            )
        if status is None or heard.error is not None:
            raise _Again(heard.error or "no answer")
        if status == 200 or status in request.accepted or (status == 304 and heard.is_conditional):
            return
        if status >= 500 or status in REPEATED_STATUS:
            asked = heard.asked or 0.0
            if asked > LONGEST_WAIT_SECONDS:
                raise TransientFailure(
                    f"{self.platform.name} asks to come back in {asked:.0f} seconds "
                    f"(HTTP {status} from {place}).",
                    "Run it again then; it goes on where it stopped.",
                )
            raise _Again(f"HTTP {status}", asked)
        self._refuse(status, place, account)

    def _refuse(self, status: int, place: str, account: Account) -> Never:
        name, variable = self.platform.name, self.platform.variable
        given = "a caller without a token"
        if account.token is not None:
            given = f"the token {account.label} of {variable}"
        if status in (401, 403):
            raise PermanentFailure(
                f"{name} refuses {given} (HTTP {status} from {place}).",
                f"Set {variable} to valid tokens that may read, or unset it.",
            )
        if 300 <= status < 400:
            raise PermanentFailure(
                f"{place} redirects elsewhere (HTTP {status}).",
                "Set the setting `endpoint` to the address it redirects to.",
            )
        raise PermanentFailure(
            f"{name} refuses a request (HTTP {status} from {place}).",
            "Check the setting `endpoint`.",
        )


def _origin(url: str) -> tuple[str, str, int] | None:
    """Where a request would go, by the parser that sends it; None where it must not be sent."""
    if not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = parse_url(url)
    except LocationParseError:
        return None
    # Credentials in an address would replace the token.
    if parts.scheme not in _DEFAULT_PORTS or not parts.host or parts.auth is not None:
        return None
    return parts.scheme, parts.host.lower(), parts.port or _DEFAULT_PORTS[parts.scheme]


def _shown(url: str) -> str:
    """An address without credentials, and without its query, which is long and says nothing."""
    try:
        parts = parse_url(url)
    except LocationParseError:
        return "an address that is none"
    host = f"{parts.host}:{parts.port}" if parts.port else parts.host
    text = f"{parts.scheme}://{host}{parts.path or ''}"[:200]
    return text if text.isprintable() else ascii(text)
