"""The Hub's list of models and the histories of single ones, page by page.

Belongs here: HTTP to the Hub's API, waiting as it asks, following its `Link` header and page
numbers. Does not belong here: what an answer means (assets.huggingface.normalise) and where a
cursor is kept (assets.huggingface.snapshot, histories).

`huggingface_hub.list_models` gives no cursor, so that a kill near the end of two million models
would begin again at the first, and its discussions are asked for without a second try; its
session is used, its paging and headers are not. Source of paging, expandable keys and rate-limit
headers: huggingface_hub 2.4 (`HfApi.list_models`, `list_repo_commits`, `get_repo_discussions`,
`utils._pagination`, `utils._http`).
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urljoin, urlsplit

import orjson

from orchestration.failures import PermanentFailure, TransientFailure

PATH = "/api/models"
# What the listing is asked for; `full` would send every model's list of files instead.
EXPANDED = (
    *("author", "cardData", "createdAt", "disabled", "downloads", "downloadsAllTime", "gated"),
    *("gguf", "lastModified", "library_name", "likes", "pipeline_tag", "private", "safetensors"),
    *("sha", "tags", "trendingScore"),
)
# The only sort key that does not change while the pages are read.
STEADY_SORT = "createdAt"
BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 60.0
# The Hub counts requests in windows of five minutes; who must wait much longer is blocked.
LONGEST_WAIT_SECONDS = 900.0
MAX_PAGE_BYTES = 256 * 1024 * 1024
RETRIED_STATUS = frozenset({408, 425, 429})
# Answers to a cursor that the Hub does not know (any more).
CURSOR_STATUS = frozenset({400, 404, 410, 422})
# Answers that say of one repository that there is no history to be had, and why.
OUTCOMES = {
    301: "renamed",
    307: "renamed",
    308: "renamed",
    401: "absent",
    403: "refused",
    404: "absent",
    410: "gone",
    451: "taken_down",
}
_DEFAULT_PORTS = {"http": 80, "https": 443}
T = TypeVar("T")


class CursorRefused(PermanentFailure):
    """The Hub does not accept a kept cursor: the listing has to begin again."""


@dataclass(frozen=True)
class Page:
    """One answer of the listing.

    Attributes:
        url: what was asked for.
        items: each model as one line of JSON, without line feed.
        next_url: the next page's address, None after the last page.
        byte_count: size of the unpacked answer.
    """

    url: str
    items: list[bytes]
    next_url: str | None
    byte_count: int


@dataclass
class HubClient:
    """One endpoint, asked again where that may help and no faster than it allows.

    Attributes:
        endpoint: base URL of the Hub.
        token: sent as bearer token to the endpoint only, never shown; without one the Hub's
            limit for anonymous callers holds.
        attempts: tries for each page.
        timeout_seconds: for connecting and for each wait for bytes.
        sleep: waits some seconds.
    """

    endpoint: str
    token: str | None = field(default=None, repr=False)
    attempts: int = 6
    timeout_seconds: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    request_count: int = field(default=0, init=False)
    _pause: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        token = (self.token or "").strip()
        # The HTTP client would show an illegal header value in its own message.
        if not token.isascii() or not token.isprintable() or " " in token:
            raise PermanentFailure(
                "The Hub token has characters that no token has.", "Correct HF_TOKEN."
            )
        self.token = token or None

    def today(self) -> date:
        """The day it is on the Hub's clock, UTC; on ours where the Hub does not tell.

        A snapshot is dated by who was observed: a clock of ours that is wrong, or a Hub that
        lives in another time, would otherwise give facts a date that their own dates exceed.
        """
        url = f"{self.endpoint.rstrip('/')}{PATH}?limit=1"
        told = self._get(url, lambda answer: answer.headers.get("date", ""), frozenset())
        try:
            return parsedate_to_datetime(str(told)).astimezone(UTC).date()
        except ValueError:
            return datetime.now(UTC).date()

    def _get(
        self, url: str, parse: "Callable[[_Answer], T | None]", outcomes: frozenset[int]
    ) -> T | int:
        """What `parse` makes of the answer, or its status where that is one of `outcomes`.

        Args:
            parse: gives None for an answer that was cut off or is of another form.

        Raises:
            TransientFailure: the Hub cannot be reached, or says to come back much later.
            PermanentFailure: the Hub refuses, or its paging leads astray.
        """
        self._check_origin(url)
        problem = ""
        for attempt in range(self.attempts):
            self._wait(self._pause)
            self._pause = 0.0
            answer = self._ask(url)
            self.request_count += 1
            asked = None
            if isinstance(answer, str):
                problem = answer
            else:
                asked = _asked_wait(answer.headers, is_refusal=answer.status != 200)
                parsed = parse(answer) if answer.status == 200 else None
                if parsed is not None or answer.status in outcomes:
                    self._pause = _asked_wait(answer.headers, is_refusal=False) or 0.0
                    return answer.status if parsed is None else parsed
                self._refuse(url, answer.status)
                problem = f"HTTP {answer.status}"
                if answer.status == 200:
                    problem = "an answer that is no JSON list"
            if attempt + 1 < self.attempts:
                own = min(BACKOFF_SECONDS * 2.0**attempt, LONGEST_BACKOFF_SECONDS)
                self._wait(own if asked is None else asked)
        raise TransientFailure(
            f"The Hub gave no page in {self.attempts} tries ({problem} from {_shown(url)}).",
            "Run the snapshot again later; it goes on where it stopped.",
        )

    def _wait(self, seconds: float) -> None:
        if seconds > LONGEST_WAIT_SECONDS:
            raise TransientFailure(
                f"The Hub asks to come back in {seconds:.0f} seconds.",
                "Run the snapshot again then; it goes on where it stopped. "
                "With HF_TOKEN the limit is higher.",
            )
        if seconds > 0:
            self.sleep(seconds)

    def _ask(self, url: str) -> "_Answer | str":
        """The Hub's answer, or what kept it from coming."""
        import httpx2
        from huggingface_hub.errors import OfflineModeIsEnabled
        from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

        # The library's own headers name the environment, take a token that someone left in its
        # cache, and are put together by a request to the public Hub, whatever the endpoint.
        headers = {"user-agent": f"osmoscope/{version('osmoscope')}"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        try:
            with get_session().stream(
                "GET", url, headers=headers, timeout=self.timeout_seconds, follow_redirects=False
            ) as response:
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > MAX_PAGE_BYTES:
                        raise PermanentFailure(
                            f"A page of the Hub is larger than {MAX_PAGE_BYTES} bytes.",
                            "Set a smaller huggingface.page_size.",
                        )
                links = response.links
                return _Answer(response.status_code, dict(response.headers), bytes(body), links)
        except OfflineModeIsEnabled:
            raise PermanentFailure(
                "The Hub client is set to be offline.",
                "Unset HF_HUB_OFFLINE, or set huggingface.source to 'dump' or 'off'.",
            ) from None
        except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, OSError) as error:
            # The name only: the text of a client's error may hold headers.
            return type(error).__name__

    def _refuse(self, url: str, status: int) -> None:
        """Raise where trying again is of no use."""
        if status in RETRIED_STATUS or status >= 500 or status == 200:
            return
        shown = _shown(url)
        if status in (401, 403):
            given = "the token in HF_TOKEN" if self.token else "a caller without a token"
            raise PermanentFailure(
                f"The Hub refuses {given} (HTTP {status} from {shown}).",
                "Set HF_TOKEN to a valid token that may read, or unset it.",
            )
        self._refuse_cursor(url, status)
        if 300 <= status < 400:
            raise PermanentFailure(
                f"{shown} redirects elsewhere (HTTP {status}).",
                "Set huggingface.endpoint to the address it redirects to.",
            )
        raise PermanentFailure(
            f"The Hub refuses the listing (HTTP {status} from {shown}).",
            "Check huggingface.endpoint and huggingface.page_size.",
        )

    def _refuse_cursor(self, url: str, status: int) -> None:
        """Raise where the status is about a cursor in the address."""

    def _page(self, url: str, answer: "_Answer") -> Page | None:
        items = _items(answer.body)
        if items is None:
            return None
        linked = answer.links.get("next", {}).get("url")
        following = None if linked is None else urljoin(url, linked)
        if following is not None:
            self._check_origin(following)
        return Page(url, items, following, len(answer.body))

    def _check_origin(self, url: str) -> None:
        """The token goes to the endpoint only, and so do all requests."""
        if _origin(url) != _origin(self.endpoint):
            raise PermanentFailure(
                f"The next page leads away from {_host(self.endpoint)} to {_host(url)}.",
                "Check huggingface.endpoint; a mirror has to serve all pages itself.",
            )


@dataclass
class ModelPages(HubClient):
    """The pages of `GET <endpoint>/api/models`.

    Attributes:
        page_size: models in a page, 1..1000.
        expand: keys that each model shall have.
        sort: order of the listing.
    """

    page_size: int = 1000
    expand: tuple[str, ...] = EXPANDED
    sort: str = STEADY_SORT

    @property
    def first_url(self) -> str:
        """Address of the first page; equal listings have equal first pages."""
        query = [("limit", str(self.page_size)), ("sort", self.sort)]
        query += [("expand", key) for key in self.expand]
        return f"{self.endpoint.rstrip('/')}{PATH}?{urlencode(query)}"

    def walk(self, url: str | None = None) -> Iterator[Page]:
        """The pages from an address on, by default from the first.

        Raises:
            TransientFailure: the Hub cannot be reached, or says to come back much later.
            PermanentFailure: the Hub refuses, or its paging leads astray.
        """
        following: str | None = url or self.first_url
        seen: set[str] = set()
        while following is not None:
            if following in seen:
                raise PermanentFailure(
                    f"The Hub's pages go in a circle after {len(seen)} pages.",
                    "Try huggingface.endpoint without a mirror or proxy.",
                )
            seen.add(following)
            page = self.fetch(following)
            yield page
            following = page.next_url

    def fetch(self, url: str) -> Page:
        """One page, tried several times.

        Raises:
            CursorRefused: the Hub does not know the cursor in `url`.
            TransientFailure, PermanentFailure: see `walk`.
        """
        page = self._get(url, lambda answer: self._page(url, answer), frozenset())
        assert isinstance(page, Page)
        return page

    def _refuse_cursor(self, url: str, status: int) -> None:
        if status in CURSOR_STATUS and url != self.first_url:
            raise CursorRefused(
                f"The Hub does not accept the kept cursor (HTTP {status} from {_shown(url)}).",
                "Run the snapshot again: it begins at the first page.",
            )


@dataclass(frozen=True)
class History:
    """What one repository answered.

    Attributes:
        outcome: `ok`, or why there is none (the values of `OUTCOMES`).
        items: each commit or discussion as the API gives it, newest first; each once.
    """

    outcome: str
    items: list[dict[str, Any]]


@dataclass
class HistoryPages(HubClient):
    """Commits and discussions of single repositories."""

    def commits(self, kind: str, name: str, revision: str = "main") -> History:
        """All commits of a branch (`GET /api/{kind}s/{name}/commits/{revision}`).

        Raises:
            TransientFailure, PermanentFailure: as of `ModelPages.walk`.
        """
        url: str | None = f"{self._repository(kind, name)}/commits/{quote(revision, safe='')}"
        found: dict[str, dict[str, Any]] = {}
        while url is not None:
            asked = url
            page = self._get(asked, lambda answer: self._page(asked, answer), frozenset(OUTCOMES))  # noqa: B023
            if isinstance(page, int):
                return History(OUTCOMES[page], [])
            # The lenient parser: one title with half a surrogate pair is not the whole history.
            for item in map(json.loads, page.items):
                if isinstance(item, dict):
                    found.setdefault(str(item.get("id")), item)
            # A page that leads back would be read for ever.
            url = page.next_url if page.next_url != asked else None
        return History("ok", list(found.values()))

    def discussions(self, kind: str, name: str) -> History:
        """All discussions and pull requests (`GET /api/{kind}s/{name}/discussions?p=N`).

        Pages are counted from the newest: what is opened meanwhile moves all others on, so that
        some are seen twice and none is missed. What is deleted meanwhile moves them back; the
        pages are read again then.

        Raises:
            TransientFailure, PermanentFailure: as of `ModelPages.walk`.
        """
        path = f"{self._repository(kind, name)}/discussions"
        for _ in range(self.attempts):
            found: dict[int, dict[str, Any]] = {}
            total, number = None, 0
            while True:
                page = self._get(f"{path}?p={number}", _discussions, frozenset(OUTCOMES))
                if isinstance(page, int):
                    return History(OUTCOMES[page], [])
                for item in page.items:
                    found.setdefault(int(item["num"]), item)
                shrank = total is not None and page.total < total
                total, number = page.total, number + 1
                if shrank or not page.items or page.start + len(page.items) >= total:
                    break
            if not shrank:
                return History("ok", list(found.values()))
        raise TransientFailure(
            f"The discussions of {name} changed while they were read, {self.attempts} times.",
            "Run the snapshot again later; it goes on where it stopped.",
        )

    def _repository(self, kind: str, name: str) -> str:
        return f"{self.endpoint.rstrip('/')}/api/{kind}s/{quote(name, safe='/')}"


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    links: Mapping[str | None, Mapping[str, str]]


@dataclass(frozen=True)
class _DiscussionPage:
    start: int
    total: int
    items: list[dict[str, Any]]


def _discussions(answer: _Answer) -> _DiscussionPage | None:
    """A page of discussions; None where the answer is something else."""
    try:
        value: Any = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("discussions"), list):
        return None
    items = [item for item in value["discussions"] if isinstance(item, dict) and _has_number(item)]
    counts = [value.get(key) for key in ("start", "count")]
    start, total = (count if isinstance(count, int) else 0 for count in counts)
    return _DiscussionPage(start, total, items)


def _has_number(item: dict[str, Any]) -> bool:
    return isinstance(item.get("num"), int) and not isinstance(item["num"], bool)


def _items(body: bytes) -> list[bytes] | None:
    """The elements of a JSON list as lines; None where it is no list.

    A text with half a surrogate pair makes the strict parser refuse a whole page; then the
    lenient one is asked, and the one model that has it is refused later.
    """
    try:
        value: Any = orjson.loads(body)
        return [orjson.dumps(item) for item in value] if isinstance(value, list) else None
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        pass
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return [json.dumps(item).encode() for item in value] if isinstance(value, list) else None


def _asked_wait(headers: Mapping[str, str], *, is_refusal: bool) -> float | None:
    """Seconds that the Hub asks to wait before the next request; None where it does not."""
    from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]

    limits = parse_ratelimit_headers(headers)
    if limits is not None and limits.remaining == 0:
        # One more second: the Hub rounds down.
        return limits.reset_in_seconds + 1.0
    return _retry_after(headers.get("retry-after", "")) if is_refusal else None


def _retry_after(value: str) -> float | None:
    """The header's seconds, or the seconds until its date (RFC 9110, 10.2.3)."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return "", "", None
    return parts.scheme, (parts.hostname or "").lower(), port


def _host(url: str) -> str:
    """What may be shown of an address that a foreign answer named."""
    scheme, host, port = _origin(url)
    return f"{scheme}://{host}:{port}"[:200]


def _shown(url: str) -> str:
    """An address without its query: a cursor is long and says nothing."""
    return url.split("?", 1)[0][:200]
