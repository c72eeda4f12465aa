"""The Hub's API over HTTP: the routes that mining uses, below `/hub`.

Belongs here: paths, queries, pages, redirects, refusals and their headers. Does not belong here:
the JSON of what is shown (`twin.hub_shapes`), the state (`twin.hub`), limits and faults
(`app`).

As recorded from the Hub in October 2026 (documentation, issue threads and other projects' notes):
an unknown or private repository is 401 to a stranger and 404 to a caller with a token; a name
that was given up, or is written in other case, is 307 with a relative `Location`, also of what
lies below; model info and discussions of gated and disabled repositories are public, their
commits are not; 50 commits and 50 discussions a page, discussions by `p` from 0, with
`numClosedDiscussions` on the first; `X-Total-Count` and `Link` on commits; `ask-access` answers
303. Chosen, because nothing recorded says it: a hidden member list is 403; commits of a disabled
repository that is not gated are 403 with the message that the client knows; cursors of likers,
members and likes. The real 401 carries no `X-Error-Code`; here it does, because the client knows
a repository's address by `https` only.

Models that do not exist yet at the twin's time do not exist. A cursor holds the last row's sort
value, so that pages shift as they do when values change while somebody reads.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import numpy as np
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twin import hub_shapes
from twin.draws import Bools, Ints
from twin.hub import SORTS, HubView
from twin.hub_access import ACCEPTED, PENDING, Reader, reader_of
from twin.hub_acts import CLOSED, MERGED
from twin.hub_plan import (
    ABSENT,
    DANGLING,
    KINDS,
    LIBRARIES,
    LICENCES,
    MODEL,
    RELATIONS,
    SDKS,
    SPACE,
    TASKS,
)

JSON = "application/json; charset=utf-8"
_NO_PAGE = "Sorry, we can't find the page you are looking for."
_NO_REPOSITORY = "Repository not found"
_NOT_LOGGED_IN = "Invalid username or password."
_HIDDEN_MEMBERS = "The members list of this organization is private."
_DISABLED = "Access to this resource is disabled."
_TALK_IS_OFF = "Discussions are disabled for this repo"


@dataclass(frozen=True)
class PageSizes:
    """Rows in a page; of models also the most that may be asked for."""

    repositories: int = 1_000
    commits: int = 50
    discussions: int = 50
    members: int = 500
    likers: int = 1_000
    likes: int = 1_000


class HubTwin(Protocol):
    """What the routes need of a twin."""

    def hub_view(self) -> HubView:
        """The Hub now."""
        ...


class Refusal(Exception):
    """An answer that is an error, with the headers that the client reads."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code

    def response(self) -> Response:
        # A header cannot hold what a name can.
        shown = self.message.encode("latin-1", "replace").decode("latin-1")
        headers = {"x-error-message": shown.replace("\r", " ").replace("\n", " ")}
        if self.code is not None:
            headers["x-error-code"] = self.code
        return Response(orjson.dumps({"error": self.message}), self.status, headers, JSON)


class _Moved(Exception):
    """The address of what was asked for is another one."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


Handler = Callable[["Call"], Response]


class Call:
    """A request, the view that answers it and who asks.

    `kind` is that of the repositories which the path is about; `at` says which part of the path,
    below the mount, begins the name of what is asked for.
    """

    def __init__(
        self, request: Request, view: HubView, sizes: PageSizes, kind: int, at: int
    ) -> None:
        self.request, self.view, self.sizes = request, view, sizes
        self.kind, self._at = kind, at
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        self.reader = reader_of(view, token.strip() if scheme.lower() == "bearer" else None)

    @property
    def raw_path(self) -> str:
        """The path as it was sent, with what it is mounted below."""
        raw: bytes = self.request.scope.get("raw_path") or self.request.scope["path"].encode()
        return raw.decode("latin-1").partition("?")[0]

    def all(self, name: str) -> list[str]:
        """Values of a parameter, which some clients write with `[]`."""
        query = self.request.query_params
        return query.getlist(name) + query.getlist(f"{name}[]")

    def one(self, name: str) -> str | None:
        found = self.all(name)
        return found[-1] if found else None

    def flag(self, name: str) -> bool:
        return (self.one(name) or "").lower() in ("true", "1")

    def whole(self, name: str, default: int, least: int) -> int:
        """A whole number of the query.

        Raises:
            Refusal: it is none, or too small.
        """
        text = self.one(name)
        if text is None:
            return default
        if not (text.isascii() and text.removeprefix("-").isdigit()):
            raise Refusal(400, f'"{name}" must be a number')
        if int(text) < least:
            raise Refusal(400, f'"{name}" must be greater than or equal to {least}')
        return int(text)

    def link(self, **parameters: Any) -> dict[str, str]:
        """The header that names the next page: this address, other parameters (None: without)."""
        given = self.request.query_params.multi_items()
        kept = [(key, value) for key, value in given if key not in parameters]
        query = urlencode(kept + [item for item in parameters.items() if item[1] is not None])
        url = self.request.url
        return {"link": f'<{url.scheme}://{url.netloc}{self.raw_path}?{query}>; rel="next"'}

    def repository(self) -> int:
        """The repository that the path names.

        Raises:
            _Moved: it has another name.
            Refusal: there is none, or not for this caller.
        """
        path = self.request.path_params
        name = f"{path.get('namespace', '')}/{path['name']}"
        i = self.view.find(self.kind, name)
        account = -1 if self.reader is None else self.reader.account
        if i is None or not self.view.may_see(i, account):
            if self.reader is None:
                raise Refusal(401, _NOT_LOGGED_IN, "RepoNotFound")
            raise Refusal(404, _NO_REPOSITORY, "RepoNotFound")
        if self.view.name(i) != name:
            self._move(2, self.view.name(i))
        return i

    def _move(self, count: int, name: str) -> None:
        """Say that the parts of the path which the route names are others now."""
        parts = self.raw_path.split("/")
        first = self.request.scope.get("root_path", "").count("/") + self._at
        parts[first : first + count] = [quote(name, safe="/")]
        query = self.request.url.query
        raise _Moved("/".join(parts) + (f"?{query}" if query else ""))

    def user(self) -> int:
        """The user that the path names.

        Raises:
            _Moved: the login is written otherwise.
            Refusal: there is none.
        """
        login = self.request.path_params["login"]
        account = self.view.user(login)
        if account is None:
            raise Refusal(404, "This user does not exist")
        if self.view.acts.login_of(account) != login:
            self._move(1, self.view.acts.login_of(account))
        return account

    def organisation(self) -> int:
        """The organisation that the path names, whatever its case.

        Raises:
            Refusal: there is none.
        """
        account = self.view.organisation(self.request.path_params["login"])
        if account is None:
            raise Refusal(404, _NO_PAGE)
        return account


def _answer(value: Any, headers: dict[str, str] | None = None, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, headers, JSON)


# ---------------------------------------------------------------- cursors


def _cursor(value: list[int]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode()


def _read_cursor(text: str | None, length: int) -> list[int] | None:
    """The numbers of a cursor; None without one.

    Raises:
        Refusal: it is none of ours.
    """
    if text is None:
        return None
    try:
        value = orjson.loads(base64.urlsafe_b64decode(text.encode()))
    except ValueError:
        value = None
    numbers = value if isinstance(value, list) else []
    if len(numbers) != length or not all(type(n) is int and abs(n) < 1 << 62 for n in numbers):
        raise Refusal(400, "Invalid cursor")
    return numbers


def _slice(call: Call, rows: Ints, size: int) -> tuple[Ints, dict[str, str]]:
    """A page of rows by a cursor that counts them, and the header for the next."""
    size = min(call.whole("limit", size, 1), size)
    start = max((_read_cursor(call.one("cursor"), 1) or [0])[0], 0)
    more = start + size < len(rows)
    return rows[start : start + size], call.link(cursor=_cursor([start + size])) if more else {}


# ---------------------------------------------------------------- repositories


def _keys(call: Call, default: tuple[str, ...]) -> tuple[str, ...]:
    """What the answer shall hold.

    Raises:
        Refusal: a key that cannot be expanded.
    """
    expand = call.all("expand")
    known = hub_shapes.EXPANDABLE[call.kind]
    wrong = [key for key in expand if key not in known]
    if wrong:
        options = "|".join(f'"{key}"' for key in known)
        raise Refusal(400, f"Invalid option: expected one of {options} at expand")
    return tuple(dict.fromkeys(expand)) if expand else default


def _listing(call: Call) -> Response:
    """`GET /api/models`, `/api/datasets`, `/api/spaces`."""
    kind = call.kind
    sort = call.one("sort") or "trendingScore"
    if sort not in SORTS:
        options = "|".join(f'"{key}"' for key in SORTS)
        raise Refusal(400, f"Invalid option: expected one of {options} at sort")
    default = hub_shapes.SHORT[kind]
    if call.flag("full"):
        default = hub_shapes.FULL[kind]
    if call.flag("cardData"):
        default = (*default, "cardData")
    if call.flag("config"):
        default = (*default, "config")
    keys = _keys(call, tuple(dict.fromkeys(default)))
    most = call.sizes.repositories
    size = min(call.whole("limit", most, 1), most)
    after = _read_cursor(call.one("cursor"), 2)
    rows, last = call.view.page(
        kind, sort, size, _wanted(call), (after[0], after[1]) if after else None,
        call.whole("skip", 0, 0),
    )  # fmt: skip
    headers: dict[str, str] = {}
    if last is not None:
        headers = call.link(cursor=_cursor(list(last)), limit=size, skip=None)
    return _answer(hub_shapes.repositories(call.view, rows, keys), headers)


def _wanted(call: Call) -> Bools | None:
    """Which repositories a listing is about; None: all."""
    view = call.view
    masks: list[Bools] = []
    author = call.one("author")
    if author is not None:
        user = view.user(author)
        account = view.organisation(author) if user is None else user
        masks.append(view.owner == (-1 if account is None else account))
    gated = call.one("gated")
    if gated is not None:
        masks.append((view.gated > 0) == (gated.lower() in ("true", "1")))
    for text in call.all("search"):
        lowered = text.lower()
        masks.append(np.array([lowered in name for name in view.lowered_names]))
    for tag in [*call.all("filter"), *call.all("pipeline_tag")]:
        masks += [_tagged(view, call.kind, part) for part in tag.split(",")]
    for name in call.all("models"):
        model = view.find(MODEL, name)
        mask = np.zeros(len(view), bool)
        mask[view.spaces_by_model.get(-1 if model is None else model, [])] = True
        masks.append(mask)
    return np.logical_and.reduce(masks) if masks else None


def _tagged(view: HubView, kind: int, tag: str) -> Bools:
    """Which repositories of a kind carry a tag."""
    r = view.repositories
    head, _, rest = tag.partition(":")
    if head == "base_model" and kind == MODEL:
        return _derived(view, rest)
    found: Bools = np.full(len(r), tag == "region:us")
    if head == "license" and rest in LICENCES:
        found = np.equal(r.licence, LICENCES.index(rest))
    elif tag in ("en", "fr"):
        found = np.equal(r.variety % 2, tag == "en")
    elif kind == MODEL and tag in LIBRARIES:
        found = np.equal(r.library, LIBRARIES.index(tag))
    elif kind == MODEL and tag in TASKS:
        found = np.equal(r.task, TASKS.index(tag))
    elif kind == SPACE and tag in SDKS:
        found = np.equal(r.variety % len(SDKS), SDKS.index(tag))
    return found


def _derived(view: HubView, text: str) -> Bools:
    """Models that tell a base, with the relation where the tag has one."""
    r = view.repositories
    head, _, rest = text.partition(":")
    name = rest if head in RELATIONS else text
    told = ~np.isin(r.telling, (-1, ABSENT, DANGLING))
    if head in RELATIONS:
        told &= r.told_relation == RELATIONS.index(head)
    found = np.zeros(len(r), bool)
    # Also bases that are gone: the tag has the name of the time when the card was written.
    for base in view.hub.named.get(name, []):
        later = (r.renamed_at[base] > 0) & (r.created_at >= r.renamed_at[base])
        is_then = np.where(later, r.new_name.get(base) == name, r.name[base] == name)
        found |= told & is_then & ((r.base == base) | (r.second_base == base))
    return found


def _info(call: Call) -> Response:
    """`GET /api/models/{id}` and `/api/models/{id}/revision/{rev}`."""
    i = call.repository()
    keys = _keys(call, hub_shapes.INFO[call.kind])
    revision = call.request.path_params.get("revision", "main")
    _places_of(call, i, revision)
    return _answer(hub_shapes.repositories(call.view, np.array([i]), keys)[0])


def _places_of(call: Call, i: int, revision: str) -> int:
    """Commits that a revision has: all on `main`, those until a commit, one for a request's.

    Raises:
        Refusal: there is no such revision.
    """
    total = int(call.view.commit_count[i]) + 1
    if revision in ("main", "HEAD", "refs/heads/main"):
        return total
    ids = call.view.hub.commit_ids(np.full(total, i), np.arange(total))
    if revision in ids:
        return ids.index(revision) + 1
    raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def _check_access(call: Call, i: int) -> None:
    """Refuse what lies in a gated repository to who may not read it.

    Raises:
        Refusal: with the reason.
    """
    view, reader = call.view, call.reader
    kind, name = KINDS[int(view.repositories.kind[i])], view.name(i)
    if not view.gated[i]:
        return
    if reader is None:
        raise Refusal(
            401,
            f"Access to {kind} {name} is restricted. You must have access to it and be "
            "authenticated to access it. Please log in.",
            "GatedRepo",
        )
    if reader.account >= 0 and view.is_inside(reader.account, i):
        return
    request = view.hub.access.of(i, reader)
    status = None if request is None else request.status(view.now)
    if status == ACCEPTED:
        return
    reasons = {
        None: f"Access to {kind} {name} is restricted and you are not in the authorized list. "
        f"Visit https://huggingface.co/{name} to ask for access.",
        PENDING: f"Your request to access {kind} {name} is awaiting a review from the repo "
        "authors.",
    }
    refused = f"Your request to access {kind} {name} has been rejected by the repo's authors."
    raise Refusal(403, reasons.get(status, refused), "GatedRepo")


def _commits(call: Call) -> Response:
    """`GET /api/models/{id}/commits/{rev}`: newest first, the `system` commit last."""
    i = call.repository()
    _check_access(call, i)
    if call.view.is_disabled[i]:
        raise Refusal(403, _DISABLED)
    total = _places_of(call, i, call.request.path_params["revision"])
    size = min(call.whole("limit", call.sizes.commits, 1), 1_000)
    page = call.whole("p", 0, 0)
    places = np.arange(total)[::-1][page * size : (page + 1) * size]
    answers = hub_shapes.commits(call.view, np.full(len(places), i), places)
    if "formatted" in call.all("expand"):
        for answer in answers:
            answer["formatted"] = {"title": answer["title"], "message": answer["message"]}
    headers = {"x-total-count": str(total)}
    if (page + 1) * size < total:
        headers |= call.link(p=page + 1, limit=size)
    return _answer(answers, headers)


# ---------------------------------------------------------------- discussions


def _talk(call: Call) -> int:
    i = call.repository()
    if call.view.talk_is_off[i]:
        raise Refusal(403, _TALK_IS_OFF)
    return i


def _discussions(call: Call) -> Response:
    """`GET /api/models/{id}/discussions`."""
    view, i = call.view, _talk(call)
    threads, span = view.acts.threads, view.threads_of(i)
    rows = np.arange(span.start, span.stop)
    wanted = call.one("type") or "all"
    if wanted not in ("all", "discussion", "pull_request"):
        raise Refusal(400, "Invalid option: type")
    if wanted != "all":
        rows = rows[threads.is_pull[rows] == (wanted == "pull_request")]
    author = call.one("author")
    if author is not None:
        account = view.user(author)
        rows = rows[threads.author[rows] == (-2 if account is None else account)]
    status = call.one("status") or "all"
    if status not in ("all", "open", "closed"):
        raise Refusal(400, "Invalid option: status")
    ended = np.isin(view.thread_status[rows], (CLOSED, MERGED))
    shown = rows if status == "all" else rows[ended == (status == "closed")]
    page = call.whole("p", 0, 0)
    answer = hub_shapes.discussion_page(view, shown, page, call.sizes.discussions)
    if page == 0:
        answer["numClosedDiscussions"] = int(ended.sum())
    return _answer(answer)


def _discussion(call: Call) -> Response:
    """`GET /api/models/{id}/discussions/{num}?diff=1`."""
    i = _talk(call)
    number = call.request.path_params["number"]
    if not 1 <= number <= int(call.view.thread_count[i]):
        raise Refusal(404, "Discussion not found", "DiscussionNotFound")
    row = int(call.view.acts.threads.start[i]) + number - 1
    return _answer(hub_shapes.details(call.view, row, call.flag("diff")))


# ---------------------------------------------------------------- people


def _likers(call: Call) -> Response:
    """`GET /api/models/{id}/likers`: who, not when."""
    rows, headers = _slice(call, call.view.likers(call.repository()), call.sizes.likers)
    return _answer([hub_shapes.user_card(call.view, who) for who in rows.tolist()], headers)


def _members(call: Call) -> Response:
    """`GET /api/organizations/{login}/members`."""
    account, view = call.organisation(), call.view
    inside = call.reader is not None and call.reader.account >= 0
    if inside and call.reader is not None:
        inside = call.reader.account in view.memberships.members_at(account, view.now)
    members = view.memberships.members_at(account, view.now) if inside else None
    if members is None:
        members = view.shown_members(account)
    if members is None:
        raise Refusal(403, _HIDDEN_MEMBERS)
    rows, headers = _slice(call, members, call.sizes.members)
    return _answer([hub_shapes.user_card(view, who) for who in rows.tolist()], headers)


def _organisation(call: Call) -> Response:
    """`GET /api/organizations/{login}/overview`."""
    return _answer(hub_shapes.organisation_overview(call.view, call.organisation()))


def _followers(call: Call) -> Response:
    """Nobody follows anybody here."""
    login = call.request.path_params["login"]
    if call.view.organisation(login) is None and call.view.user(login) is None:
        raise Refusal(404, _NO_PAGE)
    return _answer([])


def _user(call: Call) -> Response:
    """`GET /api/users/{login}/overview`."""
    return _answer(hub_shapes.user_overview(call.view, call.user()))


def _likes(call: Call) -> Response:
    """`GET /api/users/{login}/likes`: what and when, newest first."""
    view, likes = call.view, call.view.acts.likes
    rows, headers = _slice(call, view.liked(call.user()), call.sizes.likes)
    dates = hub_shapes.iso(likes.liked_at[rows]) if len(rows) else []
    repositories = likes.repository[rows].tolist()
    return _answer([
        {
            "createdAt": date,
            "repo": {"name": view.name(i), "type": KINDS[int(view.repositories.kind[i])]},
        }
        for i, date in zip(repositories, dates, strict=True)
    ], headers)  # fmt: skip


def _who_am_i(call: Call) -> Response:
    """`GET /api/whoami-v2`."""
    reader = call.reader
    if reader is None:
        raise Refusal(401, _NOT_LOGGED_IN)
    known = reader.account >= 0
    native = call.view.accounts.native_id[reader.account] if known else "0" * 24
    return _answer({
        "type": "user", "id": native, "name": reader.name, "fullname": reader.name,
        "isPro": False, "orgs": [], "auth": {"type": "access_token"},
    })  # fmt: skip


# ---------------------------------------------------------------- access


def _signed_in(call: Call) -> Reader:
    if call.reader is None:
        raise Refusal(401, _NOT_LOGGED_IN)
    return call.reader


def _ask_access(call: Call) -> Response:
    """`POST /{id}/ask-access`, with or without a form; 303 to the repository's page."""
    reader, i = _signed_in(call), call.repository()
    name = call.view.name(i)
    if not call.view.gated[i]:
        raise Refusal(400, f"{KINDS[call.kind]} {name} is not gated", "RepoNotGated")
    call.view.hub.access.ask(call.view, i, reader)
    head = "" if call.kind == MODEL else f"{KINDS[call.kind]}s/"
    url = call.request.url
    root = call.request.scope.get("root_path", "")
    return Response(
        b"", 303, {"location": f"{url.scheme}://{url.netloc}{root}/{head}{quote(name)}"}
    )


def _check(call: Call) -> Response:
    """`GET /api/models/{id}/auth-check`."""
    _check_access(call, call.repository())
    return Response(b"OK", 200, media_type="text/plain")


def _withdraw(call: Call) -> Response:
    """`POST /api/models/{id}/user-access-request/cancel`."""
    reader, i = _signed_in(call), call.repository()
    if not call.view.hub.access.withdraw(i, reader, call.view.now):
        raise Refusal(404, "No pending access request found for this repo and this user")
    return _answer({"ok": True})


def _page(call: Call) -> Response:
    """The repository's page, for clients that follow a redirect to it."""
    call.repository()
    return Response(b"<!doctype html><title>twin</title>", 200, media_type="text/html")


# ---------------------------------------------------------------- routes


def routes(twin: HubTwin, sizes: PageSizes | None = None) -> list[Route]:
    """The Hub's routes; the time is asked of the twin once for each request."""
    given = sizes or PageSizes()

    def endpoint(handler: Handler, kind: int = MODEL, at: int = 3) -> Any:
        def answer(request: Request) -> Response:
            try:
                return handler(Call(request, twin.hub_view(), given, kind, at))
            except Refusal as refusal:
                return refusal.response()
            except _Moved as moved:
                text = f"Temporary Redirect. Redirecting to {moved.path}".encode("latin-1")
                return Response(text, 307, {"location": moved.path}, "text/plain")

        return answer

    found = [
        Route("/api/whoami-v2", endpoint(_who_am_i)),
        Route("/api/users/{login}/overview", endpoint(_user)),
        Route("/api/users/{login}/likes", endpoint(_likes)),
        Route("/api/users/{login}/followers", endpoint(_followers)),
        Route("/api/organizations/{login}/overview", endpoint(_organisation)),
        Route("/api/organizations/{login}/members", endpoint(_members)),
        Route("/api/organizations/{login}/followers", endpoint(_followers)),
    ]
    for kind, word in enumerate(KINDS):
        for path, handler, methods in _PATHS:
            whole = path.replace("{kind}", f"{word}s")
            at = whole.split("/").index("{namespace}") if "{namespace}" in whole else 3
            found.append(Route(whole, endpoint(handler, kind, at), methods=methods))
    found.append(Route("/api/{rest:path}", endpoint(_nothing)))
    # A model's page has no word before its name; it comes last, or it would catch the others.
    return found + [
        Route(path, endpoint(handler, at=1), methods=methods) for path, handler, methods in _PAGES
    ]


def _nothing(_: Call) -> Response:
    """An address that the API does not have."""
    raise Refusal(404, _NO_PAGE)


def _single(call: Call) -> Response:
    """No repository has a name without an owner."""
    call.repository()
    raise AssertionError("a name without an owner was found")


_ONE = "/api/{kind}/{namespace}/{name}"
_READ, _WRITE = ["GET"], ["POST"]
_Path = tuple[str, Handler, list[str]]
_PATHS: tuple[_Path, ...] = (
    ("/api/{kind}", _listing, _READ),
    (f"{_ONE}/revision/{{revision:path}}", _info, _READ),
    (f"{_ONE}/commits/{{revision:path}}", _commits, _READ),
    (f"{_ONE}/discussions", _discussions, _READ),
    (f"{_ONE}/discussions/{{number:int}}", _discussion, _READ),
    (f"{_ONE}/likers", _likers, _READ),
    (f"{_ONE}/auth-check", _check, _READ),
    (f"{_ONE}/user-access-request/cancel", _withdraw, _WRITE),
    (_ONE, _info, _READ),
    ("/api/{kind}/{name}", _single, _READ),
    ("/{kind}/{namespace}/{name}/ask-access", _ask_access, _WRITE),
    ("/{kind}/{namespace}/{name}", _page, _READ),
)
_PAGES: tuple[_Path, ...] = (
    ("/{namespace}/{name}/ask-access", _ask_access, _WRITE),
    ("/{namespace}/{name}", _page, _READ),
)
