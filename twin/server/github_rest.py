"""Routes of the GitHub REST API, below `/github`: the part that mining uses.

Belongs here: which address shows what, its parameters, its order, its errors. Does not belong
here: what is true (`twin.github`), JSON (`github_shapes`), limits and ETags (`app`), and the
addresses below `issues` and `pulls` (`github_rest_threads`).

A repository is found by name or numeric id. A name given up leads on with 301 to the id, as do
all addresses below it; deleted and private ones are 404, those taken down after a notice 451. Not
followed: `path` of commits, and conditions of preview features.
"""

from collections.abc import Callable
from urllib.parse import quote, urlencode

import numpy as np
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twin.draws import Bools, Ints
from twin.github import FEED_EVENTS
from twin.github_commits import CommitTable, TooLarge
from twin.github_records import Account
from twin.github_search import LISTED, BadQuery, search_repositories
from twin.server import github_rest_threads as threads
from twin.server import github_shapes as shapes
from twin.server.github_call import (
    Body,
    Call,
    Endpoint,
    Problem,
    RepositoryEndpoint,
    ServedTwin,
    not_found,
)
from twin.server.github_shapes import Json, Shapes

# Beyond this page the platform refuses to list stargazers, whatever the size of a page.
DEEPEST_PAGE = 400
_LISTED_AT_ONCE = 100
_MEDIA = "application/json; charset=utf-8"
_STAR_MEDIA = ("application/vnd.github.star+json", "application/vnd.github.v3.star+json")


# ------------------------------------------------------------ repositories


def _repository(call: Call, i: int) -> Body:
    view = call.view
    repository = view.repository(i)
    parent = view.parent(i)
    source = parent
    while source >= 0 and view.parent(source) >= 0:
        source = view.parent(source)
    call.modified(repository.updated_at)
    above, origin = (view.repository(k) if k >= 0 else None for k in (parent, source))
    return call.shapes.full_repository(repository, above, origin)


def _commits(call: Call, i: int) -> Body:
    view = call.view
    count = view.commit_count(i)
    if not count:
        body = shapes.error("Git Repository is empty.", call.docs, 409)
        raise Problem(409, body)
    head = call.text("sha", "main")
    top = count if head in ("main", "HEAD", "refs/heads/main") else _position(call, i, head) + 1
    low, high = 0, top
    since, until = call.time_or_none("since"), call.time_or_none("until")
    if since is not None or until is not None:
        low, high = view.commits_between(i, since, until)
        high = min(high, top)
    keep = _by_author(call)

    def page(start: int, stop: int) -> list[Json]:
        table = view.commit_table(i, high - stop, high - start)
        return _rendered_commits(call, i, _reversed(table))

    if keep is None:
        return call.paged(max(high - low, 0), page)
    positions = view.positions_of(i, low, high, keep)

    def chosen(wanted: Ints) -> list[Json]:
        tables = [view.commit_table(i, k, k + 1) for k in wanted.tolist()]
        return [body for table in tables for body in _rendered_commits(call, i, table)]

    return call.paged_over(positions, chosen)


def _by_author(call: Call) -> Callable[[CommitTable], Bools] | None:
    """The filter for `author` and `committer`, which are logins or addresses."""
    wanted = {
        name: call.person(call.text(name)) for name in ("author", "committer") if call.text(name)
    }
    if not wanted:
        return None

    def keep(table: CommitTable) -> Bools:
        kept = np.ones(len(table), bool)
        for name, account in wanted.items():
            kept &= (table.author if name == "author" else table.committer) == account
        return kept

    return keep


def _reversed(table: CommitTable) -> CommitTable:
    return CommitTable(**{name: column[::-1] for name, column in vars(table).items()})


def _rendered_commits(call: Call, i: int, table: CommitTable) -> list[Json]:
    repository = call.view.repository(i)
    return [call.shapes.commit(repository, commit) for commit in call.view.commits(i, table)]


def _position(call: Call, i: int, reference: str) -> int:
    """Position of a branch's head or of a commit."""
    if reference in ("main", "HEAD", "refs/heads/main", "heads/main"):
        return call.view.commit_count(i) - 1
    digits = reference.lower()
    is_sha = 7 <= len(digits) <= 40 and all(c in "0123456789abcdef" for c in digits)
    found = call.view.commit_position(i, digits) if is_sha else None
    if found is None:
        raise Problem(404, shapes.error("Not Found", call.docs, 404))
    return found


def _commit(call: Call, i: int) -> Body:
    reference = str(call.request.path_params["ref"])
    if not call.view.commit_count(i):
        raise Problem(409, shapes.error("Git Repository is empty.", call.docs, 409))
    try:
        position = _position(call, i, reference)
    except Problem:
        message = f"No commit found for SHA: {reference}"
        raise Problem(422, shapes.error(message, call.docs, 422)) from None
    view = call.view
    commit = view.commits(i, view.commit_table(i, position, position + 1))[0]
    call.modified(commit.committed_at)
    files = view.files(i, position, commit.sha)
    return call.shapes.commit(view.repository(i), commit, files)


def _stargazers(call: Call, i: int) -> Body:
    if call.page.number > DEEPEST_PAGE:
        raise Problem(422, shapes.too_deep(call.docs))
    view, total = call.view, call.view.star_count(i)
    with_time = any(media in call.request.headers.get("accept", "") for media in _STAR_MEDIA)

    def page(start: int, stop: int) -> list[Json]:
        who, at = view.stars(i, start, stop)
        accounts = [view.account(k) for k in who.tolist()]
        if not with_time:
            return [call.shapes.user(account) for account in accounts]
        times = zip(accounts, at.tolist(), strict=True)
        return [call.shapes.stargazer(account, time) for account, time in times]

    return call.paged(min(total, DEEPEST_PAGE * call.page.size), page)


def _subscribers(call: Call, i: int) -> Body:
    return call.paged_over(call.view.subscribers(i), lambda found: _users(call, found))


def _forks(call: Call, i: int) -> Body:
    view = call.view
    return call.paged(
        view.fork_count(i),
        lambda start, stop: [call.shapes.repository(r) for r in view.forks(i, start, stop)],
    )


def _contributors(call: Call, i: int) -> Body:
    view = call.view
    if not view.commit_count(i):
        return None
    try:
        found = view.contributors(i)
    except TooLarge:
        message = (
            "The history or contributor list is too large to list contributors for this "
            "repository via the API."
        )
        raise Problem(403, shapes.error(message, call.docs, 403)) from None
    if call.text("anon") not in ("1", "true"):
        found = [one for one in found if one.account is not None]

    def page(start: int, stop: int) -> list[Json]:
        return [
            call.shapes.contributor(one.account, one.contributions)
            if one.account is not None
            else shapes.anonymous_contributor(one.name, one.email, one.contributions)
            for one in found[start:stop]
        ]

    return call.paged(len(found), page)


def _events_of(call: Call, places: Ints) -> Body:
    page = call.page
    if page.start >= FEED_EVENTS:
        raise Problem(422, shapes.too_deep(call.docs))
    call.link(page.count_of(len(places)))
    call.headers["x-poll-interval"] = "60"
    lines = call.view.event_lines(places[page.start : page.stop])
    return b"[" + b",".join(lines).replace(
        b'"https://api.github.com/', f'"{call.shapes.base}/'.encode()
    ) + b"]"  # fmt: skip


def _events(call: Call, i: int) -> Body:
    return _events_of(call, call.view.events_of_repository(i))


def _releases(call: Call, i: int) -> Body:
    found = call.view.releases(i)
    repository = call.view.repository(i)
    return call.paged(
        len(found),
        lambda start, stop: [call.shapes.release(repository, r) for r in found[start:stop]],
    )


def _languages(call: Call, i: int) -> Body:
    return dict(call.view.languages(i))


def _topics(call: Call, i: int) -> Body:
    return {"names": list(call.view.topics(i))}


def _labels(call: Call, i: int) -> Body:
    labels, repository = call.view.labels(i), call.view.repository(i)
    return call.paged(
        len(labels),
        lambda start, stop: [call.shapes.label(repository, k) for k in labels[start:stop]],
    )


def _licence(call: Call, i: int) -> Body:
    repository = call.view.repository(i)
    if repository.licence < 0:
        raise not_found(call.docs)
    return call.shapes.licence_content(repository)


# ------------------------------------------------------------ accounts


def _account(call: Call, *, organisation: bool | None = None) -> Account:
    """The account of the address, by login or numeric id."""
    parameters, github = call.request.path_params, call.view.github
    if "id" in parameters:
        found = github.account_numbered(call.number("id"))
    else:
        found = github.account_named(str(parameters["login"]))
    if found is None:
        raise not_found(call.docs)
    if organisation is not None and call.view.is_organisation(found) != organisation:
        raise not_found(call.docs)
    return call.view.account(found)


def _users(call: Call, accounts: Ints) -> list[Json]:
    return [call.shapes.user(call.view.account(k)) for k in accounts.tolist()]


def _user(call: Call) -> Body:
    account = _account(call)
    owned = call.view.owned(account.index)
    call.modified(max(account.created_at, call.view.now - 86_400 * 30))
    return call.shapes.full_user(account, len(owned), call.view.now - 86_400 * 30)


def _organisation(call: Call) -> Body:
    account = _account(call, organisation=True)
    owned = call.view.owned(account.index)
    return call.shapes.full_organisation(account, len(owned), call.view.now - 86_400 * 30)


def _members(call: Call) -> Body:
    account = _account(call, organisation=True)
    call.place = f"/organizations/{account.id}/{call.request.url.path.rsplit('/', 1)[1]}"
    return call.paged_over(
        call.view.public_members(account.index), lambda found: _users(call, found)
    )


def _organisations_of(call: Call) -> Body:
    account = _account(call)
    call.place = f"/user/{account.id}/orgs"
    view = call.view
    return call.paged_over(
        view.public_organisations(account.index),
        lambda found: [call.shapes.organisation(view.account(k)) for k in found.tolist()],
    )


def _repositories_of_user(call: Call) -> Body:
    account = _account(call)
    call.place = f"/user/{account.id}/repos"
    # Who belongs to a repository without owning it is not told by this list.
    kind = call.choice("type", ("owner", "all", "member"), "Repository")
    owned = call.view.owned(account.index)
    return _paged_repositories(call, owned[:0] if kind == "member" else owned, "full_name")


def _repositories_of_organisation(call: Call) -> Body:
    account = _account(call, organisation=True)
    call.place = f"/organizations/{account.id}/repos"
    kinds = ("all", "public", "private", "forks", "sources", "member", "internal")
    kind = call.choice("type", kinds, "Repository")
    owned = call.view.owned(account.index)
    is_fork = call.view.world.repositories.is_fork[owned]
    kept = {"forks": owned[is_fork], "sources": owned[~is_fork]}.get(kind, owned)
    return _paged_repositories(
        call, owned[:0] if kind in ("private", "internal") else kept, "created"
    )


def _paged_repositories(call: Call, found: Ints, usual: str) -> list[Json]:
    view, r = call.view, call.view.world.repositories
    others = tuple(k for k in ("created", "updated", "pushed", "full_name") if k != usual)
    sort = call.choice("sort", (usual, *others), "Repository")
    directions = ("asc", "desc") if sort == "full_name" else ("desc", "asc")
    direction = call.choice("direction", directions, "Repository")
    columns = {"created": r.created_at, "updated": view.updated_at, "pushed": view.pushed_at}
    # They come in order of their names.
    key = columns[sort][found] if sort in columns else np.arange(len(found))
    order = np.lexsort((np.arange(len(found)), key))
    found = found[order if direction == "asc" else order[::-1]]
    return call.paged_over(
        found, lambda some: [call.shapes.repository(view.repository(i)) for i in some.tolist()]
    )


def _events_of_user(call: Call) -> Body:
    account = _account(call)
    call.place = f"/user/{account.id}/events/public"
    return _events_of(call, call.view.events_of_actor(account.index))


# ------------------------------------------------------------ over everything


def _all_repositories(call: Call) -> Body:
    text = call.text("since", "0")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Problem(422, shapes.invalid("Repository", "since", call.docs))
    view = call.view
    found = view.listed_after(int(text), _LISTED_AT_ONCE).tolist()
    first = f'<{call.shapes.base}/repositories{{?since}}>; rel="first"'
    if len(found) == _LISTED_AT_ONCE:
        last = int(view.world.repositories.id[found[-1]])
        url = f"{call.shapes.base}/repositories?{urlencode({'since': last})}"
        first = f'<{url}>; rel="next", {first}'
    call.headers["link"] = first
    return [call.shapes.simple_repository(view.repository_name(i)) for i in found]


def _search(call: Call) -> Body:
    call.place = "/search/repositories"
    query = call.text("q")
    if not query:
        body = shapes.invalid("Search", "q", call.docs)
        body["errors"][0]["code"] = "missing"
        raise Problem(422, body)
    sort = call.text("sort") or None
    try:
        found = search_repositories(call.view, query, sort, call.text("order", "desc"))
    except BadQuery:
        raise Problem(422, shapes.invalid("Search", "q", call.docs)) from None
    if call.page.start >= LISTED:
        message = "Only the first 1000 search results are available"
        raise Problem(422, shapes.error(message, call.docs, 422))
    view = call.view
    items = call.paged_over(
        found[:LISTED],
        lambda some: [
            call.shapes.repository(view.repository(i)) | {"score": 1.0} for i in some.tolist()
        ],
    )
    return {"total_count": len(found), "incomplete_results": False, "items": items}


def _rate_limit(call: Call) -> Body:
    budget = getattr(call.request.state, "budget", None)
    if budget is not None:
        resources = budget.resources()
    else:
        full = {"limit": 5_000, "used": 0, "remaining": 5_000, "reset": call.view.now}
        resources = {name: dict(full, resource=name) for name in ("core", "search", "graphql")}
    return {"resources": resources, "rate": resources["core"]}


# ------------------------------------------------------------ routes

_OF_REPOSITORY: tuple[tuple[str, RepositoryEndpoint, str], ...] = (
    ("", _repository, "/repos/repos#get-a-repository"),
    ("/commits", _commits, "/commits/commits#list-commits"),
    ("/commits/{ref:path}", _commit, "/commits/commits#get-a-commit"),
    ("/issues", threads.issues, "/issues/issues#list-repository-issues"),
    ("/issues/comments", threads.all_comments, "/issues/comments"),
    ("/issues/comments/{id}", threads.comment, "/issues/comments#get-an-issue-comment"),
    ("/issues/{number}", threads.issue, "/issues/issues#get-an-issue"),
    ("/issues/{number}/comments", threads.thread_comments, "/issues/comments#list-issue-comments"),
    ("/pulls", threads.pulls, "/pulls/pulls#list-pull-requests"),
    ("/pulls/comments", threads.all_review_comments, "/pulls/comments"),
    ("/pulls/{number}", threads.pull, "/pulls/pulls#get-a-pull-request"),
    ("/pulls/{number}/commits", threads.pull_commits, "/pulls/pulls"),
    ("/pulls/{number}/files", threads.pull_files, "/pulls/pulls#list-pull-requests-files"),
    ("/pulls/{number}/reviews", threads.reviews, "/pulls/reviews"),
    ("/pulls/{number}/comments", threads.review_comments, "/pulls/comments"),
    ("/stargazers", _stargazers, "/activity/starring#list-stargazers"),
    ("/subscribers", _subscribers, "/activity/watching#list-watchers"),
    ("/forks", _forks, "/repos/forks#list-forks"),
    ("/contributors", _contributors, "/repos/repos#list-repository-contributors"),
    ("/events", _events, "/activity/events#list-repository-events"),
    ("/releases", _releases, "/releases/releases#list-releases"),
    ("/languages", _languages, "/repos/repos#list-repository-languages"),
    ("/topics", _topics, "/repos/repos#get-all-repository-topics"),
    ("/labels", _labels, "/issues/labels#list-labels-for-a-repository"),
    ("/license", _licence, "/licenses/licenses#get-the-license-for-a-repository"),
)
_OTHERS: tuple[tuple[str, Endpoint, str], ...] = (
    ("/rate_limit", _rate_limit, "/rate-limit/rate-limit"),
    ("/repositories", _all_repositories, "/repos/repos#list-public-repositories"),
    ("/search/repositories", _search, "/search/search#search-repositories"),
    ("/users/{login}", _user, "/users/users#get-a-user"),
    ("/user/{id:int}", _user, "/users/users#get-a-user-using-their-id"),
    ("/orgs/{login}", _organisation, "/orgs/orgs#get-an-organization"),
    ("/organizations/{id:int}", _organisation, "/orgs/orgs#get-an-organization"),
    ("/orgs/{login}/members", _members, "/orgs/members"),
    ("/organizations/{id:int}/members", _members, "/orgs/members"),
    ("/orgs/{login}/public_members", _members, "/orgs/members"),
    ("/organizations/{id:int}/public_members", _members, "/orgs/members"),
    ("/orgs/{login}/repos", _repositories_of_organisation, "/repos/repos"),
    ("/organizations/{id:int}/repos", _repositories_of_organisation, "/repos/repos"),
    ("/users/{login}/repos", _repositories_of_user, "/repos/repos"),
    ("/user/{id:int}/repos", _repositories_of_user, "/repos/repos"),
    ("/users/{login}/orgs", _organisations_of, "/orgs/orgs"),
    ("/user/{id:int}/orgs", _organisations_of, "/orgs/orgs"),
    ("/users/{login}/events/public", _events_of_user, "/activity/events"),
    ("/user/{id:int}/events/public", _events_of_user, "/activity/events"),
)


def routes(twin: ServedTwin) -> list[Route]:
    """The routes, to be mounted below `/github`."""
    rendered: dict[str, Shapes] = {}

    def shapes_of(base: str) -> Shapes:
        return rendered.setdefault(base, Shapes(base))

    def called(request: Request, docs: str) -> Call:
        return Call(request, twin.github_view(), shapes_of(twin.github_base), docs)

    def of_repository(endpoint: RepositoryEndpoint, sub: str) -> Endpoint:
        def answer(call: Call) -> Body:
            i, is_old_name = _found(call)
            inner = sub
            for name, value in call.request.path_params.items():
                for place in (f"{{{name}}}", f"{{{name}:path}}"):
                    inner = inner.replace(place, quote(str(value), safe="/"))
            call.place = f"/repositories/{int(call.view.world.repositories.id[i])}{inner}"
            if is_old_name:
                raise _moved(call)
            return endpoint(call, i)

        return answer

    def route(path: str, endpoint: Endpoint, docs: str) -> Route:
        def handler(request: Request) -> Response:
            return _answered(called(request, docs), endpoint)

        return Route(path, handler, methods=["GET"])

    found = [route(*entry) for entry in _OTHERS]
    for sub, endpoint, docs in _OF_REPOSITORY:
        inner = of_repository(endpoint, sub)
        found.append(route(f"/repos/{{owner}}/{{repo}}{sub}", inner, docs))
        found.append(route(f"/repositories/{{repository_id:int}}{sub}", inner, docs))
    return found


def _found(call: Call) -> tuple[int, bool]:
    """Index of the repository of the address and whether its name is an old one."""
    parameters, view = call.request.path_params, call.view
    if "repository_id" in parameters:
        index = view.find_id(int(parameters["repository_id"]))
        found = None if index is None else (index, False)
    else:
        found = view.find(f"{parameters['owner']}/{parameters['repo']}")
    if found is None:
        raise not_found(call.docs)
    status = view.status(found[0])
    if status == "dmca":
        since = int(view.world.repositories.dmca_at[found[0]])
        raise Problem(451, shapes.blocked(since))
    if status != "ok":
        raise not_found(call.docs)
    return found


def _moved(call: Call) -> Problem:
    """301 to the numeric id, with everything below it and the parameters."""
    query = call.request.url.query
    url = f"{call.shapes.base}{call.place}" + (f"?{query}" if query else "")
    body = {
        "message": "Moved Permanently",
        "url": url,
        "documentation_url": "https://docs.github.com/rest/guides/"
        "best-practices-for-using-the-rest-api#follow-redirects",
    }
    return Problem(301, body, {"location": url})


def _answered(call: Call, endpoint: Endpoint) -> Response:
    headers = {"x-github-media-type": "github.v3; format=json"}
    try:
        body = endpoint(call)
    except Problem as problem:
        text = orjson.dumps(problem.body)
        return Response(text, problem.status, {**headers, **problem.headers}, media_type=_MEDIA)
    if body is None:
        return Response(status_code=204, headers=headers)
    text = body if isinstance(body, bytes) else orjson.dumps(body)
    return Response(text, 200, {**headers, **call.headers}, media_type=_MEDIA)
