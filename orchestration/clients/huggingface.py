"""The Hub's API, one page for each call.

Belongs here: addresses, parameters and paging of the Hub's endpoints, and what each refusal means.
Does not belong here: limits, retries, tokens and origins (http), which page is asked next when a
list moves (assets.huggingface.numbered), what an answer's keys mean (assets.huggingface), and
where a cursor is kept (orchestration.journal).

`huggingface_hub` pages by itself and tells no cursor, so that a kill near the end of two million
models would begin again at the first; it follows redirects, and asks for discussions without a
second try. Its types say which keys can be expanded and its downloader fetches files; nothing else
of it is used. Source of paths and headers: huggingface_hub 2.4 (`HfApi`), and of `limit` of
commits @huggingface/hub (`listCommits`: up to 1000).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import orjson

from orchestration.clients.budgets import Kind
from orchestration.clients.http import (
    HUB,
    Answer,
    Http,
    Request,
    Sent,
    Unusable,
    accounts_of,
)
from orchestration.failures import OsmoscopeError, PermanentFailure, TransientFailure
from orchestration.lake import told_when_full

MODEL, DATASET, SPACE = KINDS = ("model", "dataset", "space")
# Classes of requests, each with its own limit; access is asked for at a page.
API, PAGES = "hub.api", "hub.pages"
_HUB = replace(HUB, kinds={**HUB.kinds, PAGES: Kind("pages", 300.0)})
# What a listing is asked for; `full` would send every repository's list of files instead.
_EXPANDED = (
    *("author", "cardData", "createdAt", "disabled", "lastModified", "likes", "private"),
    *("sha", "tags", "trendingScore"),
)
EXPANDED: dict[str, tuple[str, ...]] = {
    MODEL: (
        *(*_EXPANDED, "downloads", "downloadsAllTime", "gated", "gguf", "library_name"),
        *("pipeline_tag", "safetensors"),
    ),
    DATASET: (*_EXPANDED, "downloads", "downloadsAllTime", "gated"),
    SPACE: (*_EXPANDED, "sdk"),
}
# The only sort key that does not change while the pages are read.
STEADY_SORT = "createdAt"
COMMIT_PAGE = 1_000
MAX_PAGE_BYTES = 256 * 1024 * 1024
# Answers to a cursor that the Hub does not know (any more).
CURSOR_STATUS = frozenset({400, 404, 410, 422})
_MOVED = frozenset({301, 302, 303, 307, 308})
# Answers that say of one repository or account that there is nothing to be had, and why.
_REFUSALS = _MOVED | {401, 403, 404, 410, 451}
# Answers to a request for access; 401 says that there is nobody who asks.
_ASKED = _REFUSALS - {401} | {400, 409}
# As huggingface_hub 2.4 tells these from other refusals (`hf_raise_for_status`).
GATED_CODE, UNKNOWN_CODE, REVISION_CODE = "GatedRepo", "RepoNotFound", "RevisionNotFound"
DISABLED_MESSAGE = "Access to this resource is disabled."
ANONYMOUS = "anonymous"
NO_NAME = "no name that the Hub gives"
_NAME = re.compile(r"[\w.-]{1,96}(/[\w.-]{1,96})?")


class CursorRefused(PermanentFailure):
    """The Hub does not accept a kept cursor: the listing has to begin again."""


@dataclass(frozen=True)
class Page:
    """One answer of a listing.

    Attributes:
        url: what was asked for.
        items: each repository as one line of JSON, without line feed.
        next_url: the next page's address, None after the last page.
        byte_count: size of the unpacked answer.
    """

    url: str
    items: list[bytes]
    next_url: str | None
    byte_count: int


@dataclass(frozen=True)
class Part:
    """One page of what belongs to one repository or account.

    Attributes:
        outcome: `ok`, or why there is nothing (`assets.mining.questions`).
        items: as the API gives them.
        next_url: the next page's address, where pages are linked.
        total: items on all pages, where the Hub tells.
        reason: status and error code of a refusal.
        name_now: the present name, where the one asked for was given up.
        told_at: the Hub's time, UTC without zone; None where it does not tell.
    """

    outcome: str = "ok"
    items: list[dict[str, Any]] = field(default_factory=list)
    next_url: str | None = None
    total: int | None = None
    reason: str | None = None
    name_now: str | None = None
    told_at: datetime | None = None


@dataclass(frozen=True)
class HubClient:
    """The Hub's endpoints that mining uses; safe among threads.

    Every call is one request (and its repetitions, see `Http.ask`). Refusals that say something
    about what was asked for are outcomes; all others are raised.

    Raises (all methods):
        TransientFailure: the Hub cannot be reached, or says to come back much later.
        PermanentFailure: the Hub refuses the token or the request.
    """

    http: Http
    endpoint: str
    commit_page: int = COMMIT_PAGE

    @property
    def root(self) -> str:
        """The endpoint without a slash at its end."""
        return self.endpoint.rstrip("/")

    def today(self) -> date:
        """The day it is on the Hub's clock, UTC; on ours where the Hub does not tell.

        A snapshot is dated by who was observed: a clock of ours that is wrong, or a Hub that
        lives in another time, would otherwise give facts a date that their own dates exceed.
        """
        moment = self.http.ask(Request(f"{self.root}/api/models?limit=1", API), _told_at)
        return (moment or datetime.now(UTC)).date()

    # ------------------------------------------------------------ repositories

    def repository(self, kind: str, name: str) -> Part:
        """One repository (`GET /api/{kind}s/{name}`) with its flags."""
        keys = [key for key in ("disabled", "gated", "private") if key in EXPANDED[kind]]
        query = urlencode([("expand", key) for key in keys])
        return self._asked(_Place(_api(kind), name, "", query), _one)

    def commits(
        self, kind: str, name: str, page: int = 0, revision: str = "main", is_gated: bool = False
    ) -> Part:
        """Commits, newest first (`GET /api/{kind}s/{name}/commits/{revision}`).

        Args:
            page: from 0, `commit_page` commits each.
            revision: a branch, or the newest commit that is asked for.
            is_gated: whether the listing says so, which explains a refusal without a code.
        """
        query = urlencode([("limit", self.commit_page), *([("p", page)] if page else [])])
        tail = f"/commits/{quote(revision, safe='')}"
        return self._asked(_Place(_api(kind), name, tail, query, is_gated=is_gated), _commits)

    def discussions(self, kind: str, name: str, page: int = 0) -> Part:
        """Discussions and pull requests, newest first (`GET /api/{kind}s/{name}/discussions`)."""
        place = _Place(_api(kind), name, "/discussions", f"p={page}", refused="gone")
        return self._asked(place, _discussions)

    def discussion(self, kind: str, name: str, number: int) -> Part:
        """One discussion with its events (`GET /api/{kind}s/{name}/discussions/{number}`)."""
        tail = f"/discussions/{number}"
        return self._asked(_Place(_api(kind), name, tail, "diff=1", refused="gone"), _one)

    def likers(self, kind: str, name: str, url: str | None = None) -> Part:
        """Who likes a repository (`GET /api/{kind}s/{name}/likers`).

        Args:
            url: the page before's `next_url`.
        """
        return self._asked(_Place(_api(kind), name, "/likers"), _listed, url)

    # ------------------------------------------------------------ accounts

    def user(self, login: str) -> Part:
        """A user's overview (`GET /api/users/{login}/overview`)."""
        return self._asked(_Place("users", login, "/overview"), _one)

    def organisation(self, login: str) -> Part:
        """An organisation's overview (`GET /api/organizations/{login}/overview`)."""
        return self._asked(_Place("organizations", login, "/overview"), _one)

    def members(self, login: str, url: str | None = None) -> Part:
        """An organisation's members (`GET /api/organizations/{login}/members`).

        Args:
            url: the page before's `next_url`.
        """
        return self._asked(
            _Place("organizations", login, "/members", refused="hidden"), _listed, url
        )

    # ------------------------------------------------------------ access

    def ask_access(self, kind: str, name: str) -> Part:
        """Ask for access to a gated repository; the token's name and address go to its authors.

        Undocumented; `POST /{name}/ask-access` answers with a redirect to the repository's page
        (so say the maintainers of huggingface_hub). Who asks again changes nothing.
        """
        if not _Place(_api(kind), name, "").is_name:
            return Part("refused", reason=NO_NAME)
        head = "" if kind == MODEL else f"{kind}s/"
        url = f"{self.root}/{head}{quote(name, safe='/')}/ask-access"
        request = Request(url, PAGES, f"{kind}/{name}", "POST", accepted=_ASKED)

        def read(answer: Answer) -> Part:
            is_taken = answer.status in (200, 302, 303)
            outcome = "ok" if is_taken else "refused"
            return Part(outcome, reason=_reason(answer), told_at=_told_at(answer))

        return self.http.ask(request, read)

    def may_read(self, kind: str, name: str) -> Part:
        """Whether a gated repository may be read (`GET /api/{kind}s/{name}/auth-check`).

        Returns:
            A part with the outcome `granted`, `pending`, `rejected`, or one of a refusal.
        """
        place = _Place(_api(kind), name, "/auth-check")
        if not place.is_name:
            return Part("absent", reason=NO_NAME)
        request = Request(place.url(self.root), API, place.subject, accepted=_REFUSALS)

        def read(answer: Answer) -> Part:
            outcome = "granted" if answer.status == 200 else _access(answer, place)
            return Part(outcome, reason=_reason(answer), told_at=_told_at(answer))

        return self.http.ask(request, read)

    def _asked(
        self, place: "_Place", read: Callable[[Answer], Part], url: str | None = None
    ) -> Part:
        if not place.is_name:
            return Part("absent", reason=NO_NAME)
        request = Request(
            url or place.url(self.root), API, place.subject, accepted=_REFUSALS,
            most_bytes=MAX_PAGE_BYTES,
        )  # fmt: skip

        def part(answer: Answer) -> Part:
            return read(answer) if answer.status == 200 else _refused(answer, place, self.root)

        return self.http.ask(request, part)


def hub_client(
    endpoint: str,
    tokens: Sequence[str],
    salt: bytes,
    *,
    told: Callable[[Sent], None] | None = None,
    commit_page: int = COMMIT_PAGE,
    **options: Any,
) -> HubClient:
    """A client of one endpoint.

    Args:
        tokens: without one the Hub's limit for anonymous callers holds.
        salt: the installation's, for the accounts' labels.
        told: is told of every request.
        commit_page: commits in a page, 1..1000.
        options: of `Http`.
    """
    accounts = accounts_of(tokens, salt, HUB.variable)
    return HubClient(Http(endpoint, _HUB, accounts, told=told, **options), endpoint, commit_page)


@dataclass(frozen=True)
class _Place:
    """What is asked for: `/api/{what}/{name}{tail}?{query}`.

    `refused` is what a 403 says that names no other cause.
    """

    what: str
    name: str
    tail: str
    query: str = ""
    refused: str = "refused"
    is_gated: bool = False

    @property
    def is_name(self) -> bool:
        """Whether the name can be one; any other would lead elsewhere in an address."""
        is_path = any(set(part) <= {"."} for part in self.name.split("/"))
        return _NAME.fullmatch(self.name) is not None and not is_path

    @property
    def subject(self) -> str:
        """Requests about one thing go to one account."""
        return f"{self.what.removesuffix('s')}/{self.name}"

    def url(self, root: str) -> str:
        query = f"?{self.query}" if self.query else ""
        return f"{root}/api/{self.what}/{quote(self.name, safe='/')}{self.tail}{query}"

    def name_in(self, location: str, root: str) -> str | None:
        """The name in another address of the same thing; None where it is something else."""
        given, ours = urlsplit(location), urlsplit(root)
        if given.netloc and (given.scheme, given.netloc) != (ours.scheme, ours.netloc):
            return None
        head = f"{ours.path}/api/{self.what}/"
        if not (given.path.startswith(head) and given.path.endswith(self.tail)):
            return None
        name = unquote(given.path[len(head) : len(given.path) - len(self.tail)])
        return name if replace(self, name=name).is_name and name != self.name else None


def _api(kind: str) -> str:
    return f"{kind}s"


def _refused(answer: Answer, place: _Place, root: str) -> Part:
    """What a refusal says about the thing that was asked for.

    Raises:
        PermanentFailure: it says something about the token.
    """
    name = None
    if answer.status in _MOVED:
        name = place.name_in(answer.headers.get("location", ""), root)
    outcome = _outcome(answer, place)
    return Part(outcome, reason=_reason(answer), name_now=name, told_at=_told_at(answer))


def _outcome(answer: Answer, place: _Place) -> str:
    code = answer.headers.get("x-error-code", "")
    if answer.status in _MOVED:
        return "renamed"
    if answer.status in (410, 451):
        return "gone" if answer.status == 410 else "dmca"
    if code == GATED_CODE:
        return "refused"
    if answer.status == 403:
        is_disabled = answer.headers.get("x-error-message", "") == DISABLED_MESSAGE
        return "disabled" if is_disabled else place.refused
    if answer.status == 401 and answer.account != ANONYMOUS and code != UNKNOWN_CODE:
        raise PermanentFailure(
            "The Hub refuses the token in HF_TOKEN (HTTP 401).",
            "Set HF_TOKEN to a valid token that may read, or unset it.",
        )
    # The Hub does not say of every repository that one may not read why.
    return "refused" if place.is_gated and code != UNKNOWN_CODE else "absent"


def _access(answer: Answer, place: _Place) -> str:
    """What has become of a request for access, as a refusal words it."""
    message = answer.headers.get("x-error-message", "").lower()
    if answer.headers.get("x-error-code", "") == GATED_CODE:
        if "awaiting" in message:
            return "pending"
        if "rejected" in message:
            return "rejected"
    return _outcome(answer, place)


def _reason(answer: Answer) -> str:
    """Status and error code; a message may hold what anybody wrote."""
    code = re.sub(r"[^\w-]", "", answer.headers.get("x-error-code", ""))[:64]
    return f"HTTP {answer.status} {code}".strip()


# ---------------------------------------------------------------- answers


def _told_at(answer: Answer) -> datetime | None:
    """The time on the Hub's clock, UTC without zone."""
    try:
        moment = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None)


def _list(value: Any) -> list[Any]:
    """A JSON list.

    Raises:
        Unusable: it is something else.
    """
    if not isinstance(value, list):
        raise Unusable("no JSON list")
    return value


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in _list(value) if isinstance(item, dict)]


def _one(answer: Answer) -> Part:
    value = answer.json()
    if not isinstance(value, dict):
        raise Unusable("no JSON object")
    return Part(items=[value], told_at=_told_at(answer))


def _listed(answer: Answer) -> Part:
    items = _objects(answer.json())
    return Part(items=items, next_url=answer.links.get("next"), told_at=_told_at(answer))


def _commits(answer: Answer) -> Part:
    total = answer.headers.get("x-total-count", "")
    count = int(total) if total.isascii() and total.isdigit() else None
    return replace(_listed(answer), total=count)


def _discussions(answer: Answer) -> Part:
    value = answer.json()
    if not isinstance(value, dict):
        raise Unusable("no JSON object")
    count = value.get("count")
    total = count if isinstance(count, int) and not isinstance(count, bool) else None
    return Part(items=_objects(value.get("discussions")), total=total, told_at=_told_at(answer))


# ---------------------------------------------------------------- listings


@dataclass
class RepositoryPages:
    """The pages of `GET <endpoint>/api/models`, `/api/datasets` or `/api/spaces`.

    Attributes:
        kind: `model`, `dataset` or `space`.
        page_size: repositories in a page, 1..1000.
        sort: order of the listing.
    """

    client: HubClient
    kind: str = MODEL
    page_size: int = 1000
    sort: str = STEADY_SORT

    @property
    def first_url(self) -> str:
        """Address of the first page; equal listings have equal first pages."""
        query = [("limit", str(self.page_size)), ("sort", self.sort)]
        query += [("expand", key) for key in EXPANDED[self.kind]]
        return f"{self.client.root}/api/{self.kind}s?{urlencode(query)}"

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
        """One page.

        Raises:
            CursorRefused: the Hub does not know the cursor in `url`.
            TransientFailure, PermanentFailure: see `walk`.
        """
        is_first = url == self.first_url
        request = Request(
            url, API, accepted=CURSOR_STATUS | _MOVED | {403}, most_bytes=MAX_PAGE_BYTES
        )

        def page(answer: Answer) -> Page:
            if answer.status == 200:
                lines = [orjson.dumps(item) for item in _list(answer.json())]
                return Page(url, lines, answer.links.get("next"), len(answer.body))
            raise _no_listing(answer.status, url, is_first=is_first)

        return self.client.http.ask(request, page)


def _no_listing(status: int, url: str, *, is_first: bool) -> PermanentFailure:
    # Without the query: a cursor is long and says nothing.
    shown = url.split("?", 1)[0][:200]
    if status in CURSOR_STATUS and not is_first:
        return CursorRefused(
            f"The Hub does not accept the kept cursor (HTTP {status} from {shown}).",
            "Run the snapshot again: it begins at the first page.",
        )
    if status in _MOVED:
        return PermanentFailure(
            f"{shown} redirects elsewhere (HTTP {status}).",
            "Set huggingface.endpoint to the address it redirects to.",
        )
    if status == 403:
        return PermanentFailure(
            f"The Hub refuses the listing to this caller (HTTP 403 from {shown}).",
            "Set HF_TOKEN to a valid token that may read, or unset it.",
        )
    return PermanentFailure(
        f"The Hub refuses the listing (HTTP {status} from {shown}).",
        "Check huggingface.endpoint and huggingface.page_size.",
    )


# ---------------------------------------------------------------- files


def download(endpoint: str, token: str | None, repository: str, file: str, folder: Path) -> Path:
    """A file of a data set, under `folder`; what a killed download left is gone on with.

    The library's own downloader begins anew in each process; its parts do not have to. Large files
    lie in a storage that the endpoint names, which gets no token.

    Raises:
        TransientFailure: the Hub cannot be reached.
        PermanentFailure: the Hub has no such file, or not for this caller.
    """
    import httpx2
    from huggingface_hub import hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    url = hf_hub_url(repository, file, repo_type="dataset", endpoint=endpoint.rstrip("/"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _fetch(url, token, folder / Path(file).name)
    except HfHubHTTPError as error:
        raise _no_file(error.response.status_code, repository, file) from None
    except OfflineModeIsEnabled:
        raise PermanentFailure(
            "The Hub client is set to be offline.", "Unset HF_HUB_OFFLINE, or name a local file."
        ) from None
    except (httpx2.HTTPError, OSError) as error:
        # The name only: the text of a client's error may hold headers.
        raise TransientFailure(
            f"{file} of {repository} could not be fetched ({type(error).__name__}).",
            "Run it again later; it goes on where it stopped.",
        ) from None


def _fetch(url: str, token: str | None, target: Path) -> Path:
    """The file at an address of the Hub; a part of the same version is gone on with."""
    from huggingface_hub import constants, get_hf_file_metadata
    from huggingface_hub.file_download import http_get

    # pyrefly: ignore[implicit-reexport] - its documentation has them there
    from huggingface_hub.utils import build_hf_headers, disable_progress_bars

    # Otherwise it would ask the public Hub who its caller is, whatever the endpoint.
    constants.HF_HUB_DISABLE_TELEMETRY = True
    disable_progress_bars()
    about = get_hf_file_metadata(url, token=token or False)
    headers = build_hf_headers(token=token or False)
    if urlsplit(about.location)[:2] != urlsplit(url)[:2]:
        headers.pop("authorization", None)
    version = sha256(f"{url} {about.etag} {about.commit_hash}".encode()).hexdigest()[:16]
    part = target.with_name(f"{target.name}.{version}.part")
    for other in target.parent.glob(f"{target.name}.*.part"):
        if other != part:
            other.unlink()
    with told_when_full(part.parent), part.open("ab") as stream:
        if about.size is not None and stream.tell() > about.size:
            stream.seek(0)
            stream.truncate()
        size = stream.tell()
        http_get(
            about.location, stream, resume_size=size, headers=headers, expected_size=about.size
        )
    return part.replace(target)


def _no_file(status: int, repository: str, file: str) -> OsmoscopeError:
    message = f"The Hub does not give {file} of {repository} (HTTP {status})."
    if status in (408, 425, 429) or status >= 500:
        return TransientFailure(message, "Run it again later; it goes on where it stopped.")
    return PermanentFailure(message, "Fetch the file by other means, and name its path.")
