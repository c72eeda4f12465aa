"""The twin's GitHub REST API: GitHub's own schemas, an unmodified client, pages, the archive."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import github as pygithub
import numpy as np
import pytest
from github_twin import DAYS, FIRST_DAY, TOKEN, Api, Specification, parts, served, world

from twin import github_commits as state
from twin.draws import DAY
from twin.events import FORK, ISSUE_COMMENT, ISSUES, MERGED, OPENED, PULL, PUSH, RELEASE, WATCH
from twin.server import github_rest
from twin.server.github_pages import Page, link_header

STARS = {"headers": {"Accept": "application/vnd.github.star+json"}}


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with served() as api:
        yield api


@pytest.fixture(scope="module")
def specification(real_data: Path) -> Specification:
    return Specification(real_data / "github_api" / "openapi-api.github.com.json.gz")


def fated(column: str) -> int:
    """A repository that has met a fate by now."""
    met = getattr(world().repositories, column)
    return int(np.flatnonzero((met > 1) & (met <= world().starts_at + DAYS * DAY))[0])


# ------------------------------------------------------------ GitHub's own schemas


def examples(api: Api) -> dict[str, list[str]]:
    """For each path of the description, addresses of the twin that it describes."""
    view = api.view
    busy, starred, pulled, discussed = (
        api.busiest(among=kind) for kind in ("events", "stars", "pulls", "issues")
    )
    pull_table, issue_table = view.threads(pulled), view.threads(discussed)
    pull = int(np.flatnonzero(pull_table.is_pull & (pull_table.review_count > 0))[-1]) + 1
    issue = int(np.flatnonzero(issue_table.comment_count > 0)[-1]) + 1
    reviewed = next(i for i in np.flatnonzero(view.visible) if len(view.reviewed_numbers(i)))
    reviewed_number = int(view.reviewed_numbers(reviewed)[0])
    comment = view.comments(discussed, issue, 0, 1)[0].id
    released = next(i for i in np.flatnonzero(view.visible).tolist() if view.releases(i))
    licensed = int(np.flatnonzero(view.visible & (world().repositories.licence >= 0))[0])
    coded = int(np.flatnonzero(view.visible & (world().repositories.language >= 0))[0])
    fork = next(i for i in np.flatnonzero(view.visible).tolist() if view.parent(i) >= 0)
    plain = view.commits(pulled, view.commit_table(pulled, 0, 1))[0].sha
    repositories = world().repositories
    owner = view.repository(busy).owner.login
    active = view.account(int(np.bincount(view.flow.events.actor).argmax()))
    memberships = world().memberships
    group = int(memberships.organisation[memberships.is_public & (memberships.until == 0)][0])
    member = int(view.public_members(group)[0])
    organisation, person = view.account(group), view.account(member)
    bot = view.account(world().accounts.person_count).login
    r, x, p, d = (api.path(i) for i in (busy, starred, pulled, discussed))
    ids = f"/repositories/{repositories.id[pulled]}"
    base = "/repos/{owner}/{repo}"
    return {
        "/rate_limit": ["/rate_limit"],
        "/repositories": ["/repositories", "/repositories?since=700000000"],
        "/search/repositories": ["/search/repositories?q=stars:>3&sort=stars&per_page=4"],
        "/users/{username}": [f"/users/{owner}", f"/users/{organisation.login}",
                              f"/users/{quote(bot)}"],
        "/user/{account_id}": [f"/user/{person.id}"],
        "/users/{username}/repos": [f"/users/{owner}/repos?per_page=4&sort=pushed",
                                    f"/user/{view.repository(busy).owner.id}/repos?per_page=2"],
        "/users/{username}/orgs": [f"/users/{person.login}/orgs", f"/user/{person.id}/orgs"],
        "/users/{username}/events/public": [f"/users/{quote(active.login)}/events/public",
                                            f"/user/{active.id}/events/public"],
        "/orgs/{org}": [f"/orgs/{organisation.login}", f"/organizations/{organisation.id}"],
        "/orgs/{org}/members": [f"/orgs/{organisation.login}/members",
                                f"/organizations/{organisation.id}/members"],
        "/orgs/{org}/public_members": [f"/orgs/{organisation.login}/public_members",
                                       f"/organizations/{organisation.id}/public_members"],
        "/orgs/{org}/repos": [f"/orgs/{organisation.login}/repos?per_page=4",
                              f"/organizations/{organisation.id}/repos?type=forks"],
        base: [r, x, d, api.path(fork), ids],
        f"{base}/commits": [f"{p}/commits?per_page=5", f"{ids}/commits?per_page=2&page=2"],
        f"{base}/commits/{{ref}}": [f"{p}/commits/main", f"{p}/commits/{plain[:9]}"],
        f"{base}/issues": [f"{d}/issues?state=all&per_page=5", f"{p}/issues?state=all&per_page=5"],
        f"{base}/issues/comments": [f"{d}/issues/comments?per_page=5"],
        f"{base}/issues/comments/{{comment_id}}": [f"{d}/issues/comments/{comment}"],
        f"{base}/issues/{{issue_number}}": [f"{d}/issues/{issue}", f"{p}/issues/{pull}"],
        f"{base}/issues/{{issue_number}}/comments": [f"{d}/issues/{issue}/comments"],
        f"{base}/pulls": [f"{p}/pulls?state=all&per_page=4"],
        f"{base}/pulls/comments": [f"{api.path(reviewed)}/pulls/comments"],
        f"{base}/pulls/{{pull_number}}": [f"{p}/pulls/{pull}"],
        f"{base}/pulls/{{pull_number}}/commits": [f"{p}/pulls/{pull}/commits"],
        f"{base}/pulls/{{pull_number}}/files": [f"{p}/pulls/{pull}/files"],
        f"{base}/pulls/{{pull_number}}/reviews": [f"{p}/pulls/{pull}/reviews"],
        f"{base}/pulls/{{pull_number}}/comments": [
            f"{api.path(reviewed)}/pulls/{reviewed_number}/comments"],
        f"{base}/stargazers": [f"{x}/stargazers?per_page=5"],
        f"{base}/subscribers": [f"{r}/subscribers?per_page=5"],
        f"{base}/forks": [f"{x}/forks?per_page=5"],
        f"{base}/contributors": [f"{p}/contributors?anon=1"],
        f"{base}/events": [f"{r}/events?per_page=100"],
        f"{base}/releases": [f"{api.path(released)}/releases"],
        f"{base}/languages": [f"{api.path(coded)}/languages"],
        f"{base}/topics": [f"{r}/topics"],
        f"{base}/labels": [f"{r}/labels"],
        f"{base}/license": [f"{api.path(licensed)}/license"],
    }  # fmt: skip


def test_every_answer_is_one_that_github_describes(api: Api, specification: Specification) -> None:
    described = examples(api)
    for path, addresses in described.items():
        for address in addresses:
            body = api.json(address)
            assert body or path == "/orgs/{org}/repos", f"{address} shows nothing"
            problems = specification.problems(path, 200, body)
            assert not problems, (address, problems[:5])
    starred = described["/repos/{owner}/{repo}/stargazers"][0]
    body = api.json(starred, **STARS)
    assert {"starred_at", "user"} == set(body[0])
    assert not specification.problems("/repos/{owner}/{repo}/stargazers", 200, body)


def test_every_route_has_an_example(api: Api) -> None:
    """A route that nobody checks against the description would be found here."""
    served_paths = {route.path for route in github_rest.routes(api.twin)}
    addresses = [a.split("?")[0] for many in examples(api).values() for a in many]
    matched = set()
    for route in github_rest.routes(api.twin):
        for address in addresses:
            if route.path_regex.match(address):
                matched.add(route.path)
                break
    # Those by numeric id are the same functions as those by name.
    missing = {p for p in served_paths - matched if not p.startswith("/repositories/")}
    assert not missing


def test_the_description_refuses_what_github_would_not_say(
    api: Api, specification: Specification
) -> None:
    body = api.json(api.path(api.busiest()))
    path = "/repos/{owner}/{repo}"
    assert not specification.problems(path, 200, body)
    assert specification.problems(path, 200, {**body, "stargazers_count": "many"})
    assert specification.problems(path, 200, {k: v for k, v in body.items() if k != "node_id"})
    assert specification.problems(path, 200, {**body, "created_at": "yesterday"})


def test_every_error_is_one_that_github_describes(
    api: Api, specification: Specification, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/repos/{owner}/{repo}"
    for described, addresses in examples(api).items():
        if "{" not in described:
            continue
        address = addresses[0].split("?")[0]
        unknown = address.replace(address.split("/")[2], "nobody-at-all", 1)
        answer = api.get(unknown)
        assert answer.status_code == 404, unknown
        known = described if 404 in specification.statuses(described) else path
        assert not specification.problems(known, 404, answer.json()), unknown
        assert answer.json()["message"] == "Not Found"
    busy = api.path(api.busiest())
    for described, address in (
        (f"{path}/issues", f"{busy}/issues?state=ajar"),
        (f"{path}/issues", f"{busy}/issues?since=yesterday"),
        (f"{path}/pulls", f"{busy}/pulls?sort=colour"),
        ("/repositories", "/repositories?since=now"),
        ("/search/repositories", "/search/repositories"),
        ("/search/repositories", "/search/repositories?q=stars:many"),
        (f"{path}/commits/{{ref}}", f"{busy}/commits/{'0' * 40}"),
    ):
        answer = api.get(address)
        assert answer.status_code == 422, address
        assert not specification.problems(described, 422, answer.json()), address
    for address in (f"{busy}/issues/999999", f"{busy}/pulls/0", f"{busy}/issues/one"):
        answer = api.get(address)
        assert answer.status_code == 404, address
        assert not specification.problems(path, 404, answer.json())
    monkeypatch.setattr(state, "COUNTED_COMMITS", 0)
    answer = api.get(f"{busy}/contributors")
    assert answer.status_code == 403
    assert not specification.problems(f"{path}/contributors", 403, answer.json())


def test_an_empty_repository_says_so(
    api: Api, specification: Specification, monkeypatch: pytest.MonkeyPatch
) -> None:
    i = api.busiest()
    emptied = api.view.commit_counts.copy()
    emptied[i] = 0
    monkeypatch.setattr(api.view, "commit_counts", emptied)
    path = api.path(i)
    for address in (f"{path}/commits", f"{path}/commits/main"):
        answer = api.get(address)
        assert answer.status_code == 409
        described = "/repos/{owner}/{repo}/commits"
        assert not specification.problems(described, 409, answer.json())
    assert api.get(f"{path}/contributors").status_code == 204


# ------------------------------------------------------------ what becomes of repositories


def test_a_name_given_up_leads_to_the_id(api: Api, specification: Specification) -> None:
    for column in ("renamed_at", "transferred_at"):
        repositories = world().repositories
        i = next(
            k
            for k in np.flatnonzero(getattr(repositories, column)).tolist()
            if getattr(repositories, column)[k] < api.view.now
            and api.view.status(k) == "ok"
            and api.view.find(repositories.name[k]) == (k, True)
        )
        old, number = f"/repos/{quote(repositories.name[i])}", int(repositories.id[i])
        answer = api.get(old)
        assert answer.status_code == 301
        assert answer.headers["location"] == f"{api.base}/repositories/{number}"
        assert answer.json()["message"] == "Moved Permanently"
        assert answer.json()["url"] == answer.headers["location"]
        assert not specification.problems("/repos/{owner}/{repo}", 301, answer.json())
        assert api.json(answer.headers["location"])["full_name"] == repositories.new_name[i]
        answer = api.get(f"{old}/issues?state=all&per_page=3")
        assert answer.status_code == 301
        location = f"{api.base}/repositories/{number}/issues?state=all&per_page=3"
        assert answer.headers["location"] == location
        assert isinstance(api.json(location), list)


def test_a_name_taken_again_is_the_new_repository(api: Api) -> None:
    repositories = world().repositories
    names = Counter(name.lower() for name in repositories.name)
    taker = next(i for i, at in enumerate(repositories.first_event_at.tolist()) if at)
    name = repositories.name[taker]
    assert names[name.lower()] == 2
    assert api.json(f"/repos/{quote(name)}")["id"] == int(repositories.id[taker])


def test_what_is_deleted_private_or_taken_down(api: Api) -> None:
    repositories = world().repositories
    for fate in ("deleted", "private"):
        i = next(k for k in range(len(repositories)) if api.view.status(k) == fate)
        for address in (
            f"/repos/{quote(repositories.name_at(i, api.view.now))}",
            f"/repositories/{repositories.id[i]}",
            f"/repositories/{repositories.id[i]}/commits",
        ):
            assert api.get(address).status_code == 404
    i = fated("dmca_at")
    answer = api.get(f"/repositories/{repositories.id[i]}/issues")
    assert answer.status_code == 451
    told = answer.json()
    assert told["message"] == "Repository access blocked"
    assert told["block"]["reason"] == "dmca"
    taken_down = datetime.fromisoformat(told["block"]["created_at"])
    assert taken_down == datetime.fromtimestamp(int(repositories.dmca_at[i]), UTC)
    listed = {item["id"] for item in api.everything("/repositories")}
    assert listed == set(repositories.id[api.view.visible].tolist())


def test_issues_may_be_turned_off(api: Api, specification: Specification) -> None:
    repositories = world().repositories
    off = np.flatnonzero(api.view.visible & ~repositories.has_issues)
    i = int(off[np.argmax(api.view.pull_counts[off])])
    path, described = api.path(i), "/repos/{owner}/{repo}/issues/{issue_number}"
    assert api.json(path)["has_issues"] is False
    answer = api.get(f"{path}/issues/999999")
    assert answer.status_code == 410
    assert not specification.problems(described, 410, answer.json())
    assert api.get(f"{path}/issues/999999/comments").status_code == 410
    pulls = api.everything(f"{path}/issues?state=all")
    assert len(pulls) == api.view.pull_counts[i]
    assert all("pull_request" in item for item in pulls)


# ------------------------------------------------------------ pages


def test_links_are_those_of_real_answers(real_data: Path) -> None:
    with gzip.open(real_data / "github_api" / "octokit-recorded.jsonl.gz") as lines:
        exchanges = [json.loads(line) for line in lines]
    compared = 0
    for exchange in exchanges:
        path, _, query = exchange["path"].partition("?")
        headers = dict(zip(exchange["rawHeaders"][::2], exchange["rawHeaders"][1::2], strict=True))
        if exchange["scenario"] != "paginate-issues" or exchange["method"] != "get":
            continue
        pairs = [tuple(pair.split("=")) for pair in query.split("&")]
        page = Page(int(dict(pairs).get("page", 1)), int(dict(pairs)["per_page"]))
        place = headers["Link"].split("?")[0].removeprefix("<")
        assert link_header(place, pairs, page, 5) == headers["Link"], path
        compared += 1
    assert compared == 5


def test_pages_are_complete_and_do_not_overlap(api: Api) -> None:
    view = api.view
    pulled, discussed, starred = (api.busiest(among=k) for k in ("pulls", "issues", "stars"))
    memberships = world().memberships
    sizes = np.bincount(memberships.organisation[memberships.is_public])
    group = int(np.argmax(sizes))
    p, d, x = (api.path(i) for i in (pulled, discussed, starred))
    for path, key, total in (
        (f"{p}/commits", "sha", view.commit_count(pulled)),
        (f"{p}/pulls?state=all", "number", view.pull_counts[pulled]),
        (f"{d}/issues?state=all", "number", view.thread_count(discussed)),
        (f"{d}/issues/comments", "id", view.threads(discussed).comment_count.sum()),
        (f"{x}/stargazers", "login", view.star_count(starred)),
        (f"{x}/forks", "id", view.fork_count(starred)),
        (f"/orgs/{view.account(group).login}/members", "id", len(view.public_members(group))),
        ("/search/repositories?q=stars:>=1", "id", None),
    ):
        size = 7 if total is not None and total < 400 else 100
        joint = "&" if "?" in path else "?"
        if path.startswith("/search"):
            pages = [page["items"] for page in api.pages(f"{path}&per_page=60")]
            total = api.json(path)["total_count"]
        else:
            pages = list(api.pages(f"{path}{joint}per_page={size}"))
        keys = [item[key] for page in pages for item in page]
        assert len(keys) == len(set(keys)) == total > 0, path
        assert all(len(page) == len(pages[0]) for page in pages[:-1]), path


def test_a_page_beyond_the_end_is_empty(api: Api) -> None:
    answer = api.get(f"{api.path(api.busiest())}/commits?page=999&per_page=2")
    assert answer.json() == []
    assert set(answer.links) == {"prev", "last", "first"}


def test_deep_pages_are_refused_where_the_platform_refuses_them(
    api: Api, specification: Specification, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, described = api.path(api.busiest(among="stars")), "/repos/{owner}/{repo}/stargazers"
    assert api.get(f"{path}/stargazers?page=400").status_code == 200
    answer = api.get(f"{path}/stargazers?page=401&per_page=100")
    assert answer.status_code == 422
    assert not specification.problems(described, 422, answer.json())
    monkeypatch.setattr(github_rest, "DEEPEST_PAGE", 3)
    assert len(api.everything(f"{path}/stargazers?per_page=10")) == 30
    assert api.get(f"{path}/events?page=4&per_page=100").status_code == 422
    assert api.get("/search/repositories?q=stars:>0&page=34").status_code == 200
    assert api.get("/search/repositories?q=stars:>0&page=35").status_code == 422


def test_stars_are_in_order_of_time(api: Api) -> None:
    stars = api.everything(f"{api.path(api.busiest(among='stars'))}/stargazers", **STARS)
    times = [star["starred_at"] for star in stars]
    assert times == sorted(times)
    assert len({star["user"]["id"] for star in stars}) == len(stars)


# ------------------------------------------------------------ filters


def test_states_and_times_select_threads(api: Api) -> None:
    i = api.busiest(among="issues")
    path = f"{api.path(i)}/issues"
    every = api.everything(f"{path}?state=all&per_page=100")
    for state_of in ("open", "closed"):
        some = api.everything(f"{path}?state={state_of}&per_page=100")
        assert [t["number"] for t in some] == [t["number"] for t in every if t["state"] == state_of]
    open_now = [t for t in every if t["state"] == "open"]
    assert api.json(api.path(i))["open_issues_count"] == len(open_now)
    moments = sorted(t["updated_at"] for t in every)
    since = moments[len(moments) // 2]
    some = api.everything(f"{path}?state=all&since={since}&sort=updated&direction=asc&per_page=100")
    assert {t["number"] for t in some} == {t["number"] for t in every if t["updated_at"] >= since}
    assert [t["updated_at"] for t in some] == sorted(t["updated_at"] for t in some)
    labelled = api.everything(f"{path}?state=all&labels=bug&per_page=100")
    assert labelled
    assert len(labelled) == sum(any(k["name"] == "bug" for k in t["labels"]) for t in every)
    creator = Counter(t["user"]["login"] for t in every).most_common(1)[0]
    mine = api.everything(f"{path}?state=all&creator={quote(creator[0])}&per_page=100")
    assert len(mine) == creator[1]


def test_a_comment_is_never_newer_than_its_thread(api: Api) -> None:
    i = api.busiest(among="issues")
    comments = api.everything(f"{api.path(i)}/issues/comments?per_page=100")
    threads = {t["url"]: t for t in api.everything(f"{api.path(i)}/issues?state=all&per_page=100")}
    assert comments
    for comment in comments:
        thread = threads[comment["issue_url"]]
        assert thread["created_at"] <= comment["created_at"] <= thread["updated_at"]
    counted = Counter(comment["issue_url"] for comment in comments)
    assert all(t["comments"] == counted[url] for url, t in threads.items())
    number = next(t["number"] for t in threads.values() if t["comments"] > 1)
    url = f"{api.base}{api.path(i)}/issues/{number}"
    of_one = api.everything(f"{api.path(i)}/issues/{number}/comments")
    assert {c["id"] for c in of_one} == {c["id"] for c in comments if c["issue_url"] == url}


def test_commits_by_time_author_and_start(api: Api) -> None:
    i = api.busiest(among="commits")
    path = f"{api.path(i)}/commits"
    every = api.everything(f"{path}?per_page=100")
    dates = [c["commit"]["committer"]["date"] for c in every]
    assert dates == sorted(dates, reverse=True)
    first, last = dates[len(dates) * 2 // 3], dates[len(dates) // 3]
    some = api.everything(f"{path}?since={first}&until={last}&per_page=100")
    assert [c["sha"] for c in some] == [
        c["sha"] for c in every if first <= c["commit"]["committer"]["date"] <= last
    ]
    login = Counter(c["author"]["login"] for c in every if c["author"]).most_common(1)[0]
    mine = api.everything(f"{path}?author={quote(login[0])}&per_page=100")
    assert len(mine) == login[1]
    middle = every[len(every) // 2]["sha"]
    older = api.everything(f"{path}?sha={middle}&per_page=100")
    assert [c["sha"] for c in older] == [c["sha"] for c in every[len(every) // 2 :]]
    for newer, before in pairwise(every):
        assert newer["parents"][0]["sha"] == before["sha"]


def test_search_selects_by_what_is_true(api: Api) -> None:
    repositories, view = world().repositories, api.view
    wanted = view.visible & (view.star_counts >= 50) & (view.star_counts <= 500)
    wanted &= ~repositories.is_fork
    found = api.json("/search/repositories?q=stars:50..500&sort=stars&order=desc&per_page=100")
    assert found["total_count"] == wanted.sum()
    stars = [item["stargazers_count"] for item in found["items"]]
    assert stars == sorted(stars, reverse=True)
    assert {item["id"] for item in found["items"]} == set(repositories.id[wanted].tolist())
    year = int(datetime(2019, 1, 1, tzinfo=UTC).timestamp())
    young = view.visible & (repositories.created_at >= year)
    found = api.json("/search/repositories?q=created:>=2019-01-01 fork:true")
    assert found["total_count"] == young.sum() > 0


# ------------------------------------------------------------ people


def test_only_public_members_are_listed(api: Api) -> None:
    memberships, now = world().memberships, api.view.now
    held = (memberships.since <= now) & ((memberships.until == 0) | (now < memberships.until))
    listed: set[tuple[str, str]] = set()
    for group in np.unique(memberships.organisation).tolist():
        login = api.view.account(group).login
        listed |= {(login, m["login"]) for m in api.everything(f"/orgs/{login}/members")}
    logins = world().accounts.login
    pairs = [
        {(logins[o], logins[a]) for o, a in zip(
            memberships.organisation[mask], memberships.account[mask], strict=True)}
        for mask in (held & memberships.is_public, held)
    ]  # fmt: skip
    assert listed == pairs[0]
    assert pairs[0] < pairs[1]


def test_who_wrote_a_commit_may_be_unknown(api: Api) -> None:
    """Unlinked authors, merges committed by the platform, authors whose account is gone."""
    unlinked = merged = 0
    for i in np.flatnonzero(api.view.visible)[:60].tolist():
        if not 0 < api.view.commit_count(i) <= 300:
            continue
        for commit in api.everything(f"{api.path(i)}/commits?per_page=100"):
            unlinked += commit["author"] is None
            assert commit["commit"]["author"]["name"]
            if commit["committer"] and commit["committer"]["login"] == "web-flow":
                merged += 1
    assert unlinked
    assert merged
    i = next(
        k
        for k in np.flatnonzero(api.view.visible & (api.view.issue_counts > 0)).tolist()
        if (api.view.threads(k).author == world().accounts.ghost).any()
    )
    ghosts = api.everything(f"{api.path(i)}/issues?state=all&creator=ghost")
    assert ghosts
    assert {t["user"]["login"] for t in ghosts} == {"ghost"}


def test_the_contributors_are_the_authors(api: Api) -> None:
    i = api.busiest(among="pulls")
    commits = api.everything(f"{api.path(i)}/commits?per_page=100")
    found = api.everything(f"{api.path(i)}/contributors?anon=1")
    assert sum(c["contributions"] for c in found) == len(commits)
    linked = Counter(c["author"]["login"] for c in commits if c["author"])
    named = {c["login"]: c["contributions"] for c in found if "login" in c}
    assert named == linked
    assert api.everything(f"{api.path(i)}/contributors") == [c for c in found if "login" in c]


# ------------------------------------------------------------ the archive says the same


def lines_of(day: int) -> dict[str, dict[str, Any]]:
    """What the archive recorded on a day, by event id and type."""
    flow = parts()[1]
    found = {}
    for hour in range(24):
        for line in flow.hour_lines(flow.day(day), hour):
            event = json.loads(line)
            found[f"{event['id']} {event['type']}"] = event
    return found


def test_a_thread_of_the_archive_is_in_the_api(api: Api) -> None:
    """Issues opened, with text; pull requests, of which the newer era keeps five keys."""
    visible = set(world().repositories.id[api.view.visible].tolist())
    checked = Counter[str]()
    for day in range(DAYS):
        for event in lines_of(day).values():
            if event["payload"].get("action") != "opened" or event["repo"]["id"] not in visible:
                continue
            kind, key = event["type"], "issue" if event["type"] == "IssuesEvent" else "pull_request"
            if checked[f"{day} {kind}"] >= 12:
                continue
            told = event["payload"][key]
            path = f"/repositories/{event['repo']['id']}"
            place = "issues" if key == "issue" else "pulls"
            shown = api.json(f"{path}/{place}/{told['number']}")
            for name in ("id", "number", "title", "body", "created_at", "author_association"):
                if name in told:
                    assert told[name] == shown[name], (name, kind)
            if "user" in told:
                assert told["user"]["login"] == shown["user"]["login"] == event["actor"]["login"]
            if key == "pull_request":
                assert told["head"]["sha"] == shown["head"]["sha"]
                assert told["head"]["ref"] == shown["head"]["ref"]
                assert told["base"]["sha"] == shown["base"]["sha"]
                assert told["head"]["repo"]["id"] == shown["head"]["repo"]["id"]
            checked[f"{day} {kind}"] += 1
    assert len(checked) == 4
    assert min(checked.values()) >= 3


def test_a_comment_of_the_archive_is_in_the_api(api: Api) -> None:
    visible = set(world().repositories.id[api.view.visible].tolist())
    events = [
        event
        for event in lines_of(1).values()
        if event["type"] == "IssueCommentEvent" and event["repo"]["id"] in visible
    ]
    assert len(events) > 10
    for event in events[:25]:
        told = event["payload"]["comment"]
        shown = api.json(f"/repositories/{event['repo']['id']}/issues/comments/{told['id']}")
        assert told["body"] == shown["body"]
        assert told["created_at"] == shown["created_at"]
        assert told["user"]["login"] == shown["user"]["login"]


def test_pushed_commits_are_in_the_api(api: Api) -> None:
    visible = set(world().repositories.id[api.view.visible].tolist())
    pushes = [
        event
        for event in lines_of(0).values()
        if event["type"] == "PushEvent" and event["repo"]["id"] in visible
        and 0 < event["payload"]["size"] <= 20
    ]  # fmt: skip
    assert len(pushes) > 50
    for event in pushes[:40]:
        payload = event["payload"]
        for told in payload["commits"]:
            path = f"/repositories/{event['repo']['id']}/commits/{told['sha']}"
            shown = api.json(path)["commit"]
            assert shown["message"] == told["message"]
            assert shown["author"]["name"] == told["author"]["name"]
            # The archive hashes what stands before the @.
            assert shown["author"]["email"].split("@")[1] == told["author"]["email"].split("@")[1]
        assert payload["commits"][-1]["sha"] == payload["head"]


def test_merges_of_the_archive_are_in_the_api(api: Api) -> None:
    events, logins = parts()[1].day(1).events, world().accounts.login
    mine = np.flatnonzero((events.action == MERGED) & api.view.visible[events.repository])
    assert len(mine) > 5
    linked = 0
    for k in mine[:20].tolist():
        path = f"/repositories/{world().repositories.id[events.repository[k]]}"
        pull = api.json(f"{path}/pulls/{events.number[k]}")
        at = datetime.fromtimestamp(int(events.created_at[k]), UTC)
        assert pull["merged"]
        assert pull["state"] == "closed"
        assert datetime.fromisoformat(pull["merged_at"]) == at
        assert pull["merged_by"]["login"] == logins[int(events.actor[k])]
        commit = api.json(f"{path}/commits/{pull['merge_commit_sha']}")
        assert datetime.fromisoformat(commit["commit"]["committer"]["date"]) == at
        assert commit["committer"]["login"] == "web-flow"
        if commit["author"] is not None:
            assert commit["author"]["login"] == logins[int(events.thread_author[k])]
            assert commit["author"]["login"] != "ghost"
            linked += 1
    assert linked
    # Somebody merged another's work, so that the author is not simply who merged.
    assert (events.actor[mine] != events.thread_author[mine]).any()


def test_counts_are_history_and_flow(api: Api) -> None:
    view, repositories = api.view, world().repositories
    flow = [parts()[1].day(day).events for day in range(DAYS)]
    stars, commits, forks, issues, pulls, releases = (
        np.zeros(len(repositories), np.int64) for _ in range(6)
    )
    for events in flow:
        for column, mask, weight in (
            (stars, events.type == WATCH, 1),
            (forks, events.type == FORK, 1),
            (releases, events.type == RELEASE, 1),
            (issues, (events.type == ISSUES) & (events.action == OPENED), 1),
            (pulls, (events.type == PULL) & (events.action == OPENED), 1),
            (commits, events.type == PUSH, events.push_distinct_size),
        ):
            amount = np.broadcast_to(weight, len(events))[mask]
            np.add.at(column, events.repository[mask], amount)
    history = parts()[0].counts(np.arange(len(repositories)))
    assert (view.star_counts == repositories.star_stock + stars).all()
    assert (view.commit_counts == history.commit_count + commits).all()
    assert (view.issue_counts == history.issue_count + issues).all()
    assert (view.pull_counts == history.pull_count + pulls).all()
    for i in np.flatnonzero(view.visible)[::9].tolist():
        shown = api.json(api.path(i))
        assert shown["stargazers_count"] == view.star_counts[i]
        inside = int((repositories.fork_of[view.visible] == i).sum())
        assert shown["forks_count"] == max(repositories.fork_stock[i], inside) + forks[i]
        listed = view.forks(i, 0, 1 << 30)
        assert len({fork.id for fork in listed}) == len(listed) == shown["forks_count"]
        assert sum(fork.index >= 0 for fork in listed) == inside
        assert len(view.releases(i)) == releases[i]
        table = view.threads(i)
        assert table.is_pull.sum() == view.pull_counts[i]
        assert len(table) == view.issue_counts[i] + view.pull_counts[i]


def test_the_feed_of_events_is_the_archive_of_today(api: Api) -> None:
    recorded = lines_of(1)
    shown_ones = set(world().repositories.id[api.view.visible].tolist())
    counts = Counter(event["repo"]["id"] for event in recorded.values())
    number = next(n for n, _ in counts.most_common() if n in shown_ones)
    i = api.view.find_id(number)
    assert i is not None
    feed = api.everything(f"{api.path(i)}/events?per_page=100")
    assert [e["created_at"] for e in feed] == sorted((e["created_at"] for e in feed), reverse=True)
    theirs = {k for k, event in recorded.items() if event["repo"]["id"] == number}
    shown = {f"{event['id']} {event['type']}" for event in feed}
    assert len(theirs & shown) > 5
    for event in feed:
        known = recorded.get(f"{event['id']} {event['type']}")
        if known is not None:
            assert event["actor"]["login"] == known["actor"]["login"]
            assert event["created_at"] == known["created_at"]


def test_a_later_day_only_adds(api: Api) -> None:
    """What the first day showed stays, and a page of commits is found again behind the new."""
    github = parts()[2]
    early = github.at(world().starts_at + DAY)
    late = github.at(world().starts_at + DAYS * DAY)
    assert (late.star_counts >= early.star_counts).all()
    i = api.busiest()
    count = early.commit_count(i)
    assert count < late.commit_count(i)
    old = [c.sha for c in early.commits(i, early.commit_table(i, count - 5, count))]
    new = [c.sha for c in late.commits(i, late.commit_table(i, count - 5, count))]
    assert old == new
    again = github.at(world().starts_at + DAY)
    assert (again.commit_counts == early.commit_counts).all()
    assert (github.at(world().starts_at).star_counts == world().repositories.star_stock).all()


# ------------------------------------------------------------ an unmodified client


def test_pygithub_reads_it_unmodified(api: Api) -> None:
    client = pygithub.Github(
        auth=pygithub.Auth.Token(TOKEN), base_url=api.base, per_page=50, retry=None,
        seconds_between_requests=None,
    )  # fmt: skip
    view, i = api.view, api.busiest(among="issues")
    repository = client.get_repo(view.full_name(i))
    assert repository.stargazers_count == view.star_count(i)
    assert repository.owner.login == view.repository(i).owner.login
    assert repository.get_commits().totalCount == view.commit_count(i)
    commits = list(repository.get_commits())
    assert len({commit.sha for commit in commits}) == view.commit_count(i)
    issues = list(repository.get_issues(state="all"))
    assert len(issues) == view.thread_count(i)
    talked = next(issue for issue in issues if issue.comments > 1)
    comments = list(talked.get_comments())
    assert len(comments) == talked.comments
    assert comments[0].user.login
    k = api.busiest(among="pulls")
    pulled = client.get_repo(int(world().repositories.id[k]))
    pulls = list(pulled.get_pulls(state="all"))
    assert len(pulls) == view.pull_counts[k]
    assert pulls[0].get_commits()[0].sha == pulls[0].head.sha
    assert (
        sum(pull.merged_at is not None for pull in pulls) == (view.threads(k).merged_at > 0).sum()
    )
    stars = list(pulled.get_stargazers_with_dates())
    assert len(stars) == view.star_count(k)
    repositories = world().repositories
    moved = next(
        j
        for j in np.flatnonzero(repositories.renamed_at).tolist()
        if view.status(j) == "ok" and view.find(repositories.name[j]) == (j, True)
    )
    assert client.get_repo(repositories.name[moved]).id == int(repositories.id[moved])
    with pytest.raises(pygithub.UnknownObjectException):
        client.get_repo("nobody-at-all/nothing")
    assert client.get_rate_limit().resources.core.limit > 0
    assert FIRST_DAY.year == 2025
    client.close()


def test_comments_number_on_from_the_history(api: Api) -> None:
    """Places of comments in the flow go on where the history of the thread ends."""
    view = api.view
    events = parts()[1].day(1).events
    mine = np.flatnonzero((events.type == ISSUE_COMMENT) & view.visible[events.repository])
    for k in mine[:30].tolist():
        i, number, place = (
            int(column[k]) for column in (events.repository, events.number, events.place)
        )
        comment = view.comments(i, number, place, place + 1)[0]
        assert comment.created_at == int(events.created_at[k])
        assert comment.author.index == int(events.actor[k])
        thread = view.thread_records(i, np.array([number - 1]))[0]
        assert thread.updated_at >= comment.created_at
        assert thread.comment_count > place
