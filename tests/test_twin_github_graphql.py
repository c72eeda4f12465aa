"""The twin's GitHub GraphQL API: counts, cursors, errors, costs and limits."""

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import requests
from github_twin import DAYS, TOKEN, Api, parts, served, world
from graphql import build_schema, get_operation_ast, parse, validate

from twin.draws import DAY
from twin.github import GitHubView
from twin.server.app import Twin, serving
from twin.server.clock import Calendar
from twin.server.github_connections import Connection, by_key, decoded
from twin.server.github_cost import Cost, cost_of
from twin.server.github_nodes import repository_node
from twin.server.github_schema import SCHEMA
from twin.server.limits import GitHubLimits, LimitSettings

STOCKS = """
fragment stocks on Repository {
  databaseId nameWithOwner stargazerCount forkCount isFork
  issues { totalCount }
  openIssues: issues(states: [OPEN]) { totalCount }
  pullRequests { totalCount }
  merged: pullRequests(states: [MERGED]) { totalCount }
  discussions { totalCount }
  defaultBranchRef { target { ... on Commit { history { totalCount } } } }
}
"""


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with served() as api:
        yield api


def name_of(api: Api, i: int) -> dict[str, str]:
    owner, name = api.view.full_name(i).split("/", 1)
    return {"owner": owner, "name": name}


def pages(api: Api, query: str, path: list[str], **variables: Any) -> list[Any]:
    """All edges of a connection, by following its cursors."""
    found: list[Any] = []
    after = None
    while True:
        answer = api.graphql(query, after=after, **variables)
        assert "errors" not in answer, answer["errors"][:2]
        connection = answer["data"]
        for step in path:
            connection = connection[step]
        found += connection["edges"]
        if not connection["pageInfo"]["hasNextPage"]:
            return found
        after = connection["pageInfo"]["endCursor"]


# ------------------------------------------------------------ counts


def test_counts_are_those_of_the_pages_and_of_the_truth(api: Api) -> None:
    view, repositories = api.view, world().repositories
    chosen = np.flatnonzero(view.visible & (view.thread_counts < 200))[:40].tolist()
    fields = "\n".join(
        f"r{i}: repository(owner: {quoted(n['owner'])}, name: {quoted(n['name'])}) {{ ...stocks }}"
        for i in chosen
        for n in [name_of(api, i)]
    )
    answer = api.graphql(f"{STOCKS} query {{ {fields} rateLimit {{ cost nodeCount }} }}")
    assert "errors" not in answer
    history = parts()[0].counts(np.arange(len(repositories)))
    events = [parts()[1].day(day).events for day in range(DAYS)]
    for i in chosen:
        told = answer["data"][f"r{i}"]
        assert told["databaseId"] == int(repositories.id[i])
        assert told["stargazerCount"] == view.star_counts[i]
        branch = told["defaultBranchRef"]
        commits = branch["target"]["history"]["totalCount"] if branch else 0
        pushed = sum(int(e.push_distinct_size[e.repository == i].sum()) for e in events)
        assert commits == int(history.commit_count[i]) + pushed
        if repositories.has_issues[i]:
            assert told["issues"]["totalCount"] == view.issue_counts[i]
        assert told["pullRequests"]["totalCount"] == view.pull_counts[i]
        assert told["discussions"]["totalCount"] == 0
    for i in [k for k in chosen if view.commit_count(k) < 300][:12]:
        told, path = answer["data"][f"r{i}"], api.path(i)
        threads = api.everything(f"{path}/issues?state=all&per_page=100")
        issues = [t for t in threads if "pull_request" not in t]
        assert told["issues"]["totalCount"] == len(issues)
        assert told["openIssues"]["totalCount"] == sum(t["state"] == "open" for t in issues)
        pulls = [t for t in threads if "pull_request" in t]
        assert told["pullRequests"]["totalCount"] == len(pulls)
        merged = sum(t["pull_request"]["merged_at"] is not None for t in pulls)
        assert told["merged"]["totalCount"] == merged
        assert told["stargazerCount"] == len(api.everything(f"{path}/stargazers?per_page=100"))


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_both_interfaces_show_the_same_threads_and_commits(api: Api) -> None:
    i = api.busiest(among="issues")
    query = """
    query($owner: String!, $name: String!, $after: String) {
      repository(owner: $owner, name: $name) { issues(first: 40, after: $after) {
        totalCount pageInfo { hasNextPage endCursor }
        edges { cursor node {
          id fullDatabaseId number title state closedAt author { __typename login }
          comments(first: 2) { totalCount nodes { fullDatabaseId body author { login } } }
        } }
    } } }"""
    edges = pages(api, query, ["repository", "issues"], **name_of(api, i))
    shown = api.everything(f"{api.path(i)}/issues?state=all&direction=asc&per_page=100")
    issues = [t for t in shown if "pull_request" not in t]
    assert [e["node"]["number"] for e in edges] == [t["number"] for t in issues]
    for edge, issue in zip(edges, issues, strict=True):
        told = edge["node"]
        assert (told["title"], told["fullDatabaseId"]) == (issue["title"], str(issue["id"]))
        assert told["id"] == issue["node_id"]
        assert told["state"].lower() == issue["state"]
        assert told["closedAt"] == issue["closed_at"]
        assert told["comments"]["totalCount"] == issue["comments"]
        login = issue["user"]["login"]
        author = told["author"]
        assert (author is None) == (login == "ghost")
        if author is not None:
            assert author["login"] == login.removesuffix("[bot]")
            assert (author["__typename"] == "Bot") == login.endswith("[bot]")
    query = """
    query($owner: String!, $name: String!, $after: String) {
      repository(owner: $owner, name: $name) { defaultBranchRef { target { ... on Commit {
        history(first: 100, after: $after) { totalCount pageInfo { hasNextPage endCursor }
          edges { node { oid message committedDate author { name email user { login } } } } }
    } } } } }"""
    place = ["repository", "defaultBranchRef", "target", "history"]
    k = api.busiest(among="commits")
    edges = pages(api, query, place, **name_of(api, k))
    commits = api.everything(f"{api.path(k)}/commits?per_page=100")
    assert [e["node"]["oid"] for e in edges] == [c["sha"] for c in commits]
    unlinked = 0
    for edge, commit in zip(edges, commits, strict=True):
        told = edge["node"]
        assert told["message"] == commit["commit"]["message"]
        assert told["author"]["email"] == commit["commit"]["author"]["email"]
        user = told["author"]["user"]
        assert (user and user["login"]) == (commit["author"] and commit["author"]["login"])
        unlinked += user is None
    assert unlinked


def test_stars_have_cursors_without_an_end(api: Api) -> None:
    i = api.busiest(among="stars")
    query = """
    query($owner: String!, $name: String!, $after: String, $way: OrderDirection!) {
      repository(owner: $owner, name: $name) {
        stargazers(first: 100, after: $after, orderBy: {field: STARRED_AT, direction: $way}) {
          totalCount pageInfo { hasNextPage endCursor } edges { starredAt node { login } } }
    } }"""
    found = {
        way: pages(api, query, ["repository", "stargazers"], **name_of(api, i), way=way)
        for way in ("ASC", "DESC")
    }
    assert found["ASC"] == found["DESC"][::-1]
    star = {"headers": {"Accept": "application/vnd.github.star+json"}}
    shown = api.everything(f"{api.path(i)}/stargazers?per_page=100", **star)
    assert [(e["starredAt"], e["node"]["login"]) for e in found["ASC"]] == [
        (s["starred_at"], s["user"]["login"]) for s in shown
    ]


def test_histories_are_cut_by_time_and_author(api: Api) -> None:
    i = api.busiest(among="commits")
    commits = api.everything(f"{api.path(i)}/commits?per_page=100")
    dates = [c["commit"]["committer"]["date"] for c in commits]
    since, until = dates[len(dates) * 2 // 3], dates[len(dates) // 3]
    email = next(c["commit"]["author"]["email"] for c in commits if c["author"])
    query = """
    query($owner: String!, $name: String!, $since: GitTimestamp, $until: GitTimestamp,
          $author: CommitAuthor) {
      repository(owner: $owner, name: $name) { defaultBranchRef { target { ... on Commit {
        cut: history(since: $since, until: $until) { totalCount }
        mine: history(first: 3, author: $author) { totalCount nodes { author { email } } }
    } } } } }"""
    answer = api.graphql(
        query, **name_of(api, i), since=since, until=until, author={"emails": [email]}
    )
    told = answer["data"]["repository"]["defaultBranchRef"]["target"]
    assert told["cut"]["totalCount"] == sum(since <= d <= until for d in dates)
    mine = [c for c in commits if c["commit"]["author"]["email"] == email]
    assert told["mine"]["totalCount"] == len(mine)
    assert {n["author"]["email"] for n in told["mine"]["nodes"]} == {email}


def test_pull_requests_tell_who_merged_and_what(api: Api) -> None:
    i = api.busiest(among="pulls")
    query = """
    query($owner: String!, $name: String!) { repository(owner: $owner, name: $name) {
      pullRequests(last: 100, states: [MERGED]) { nodes {
        number state mergedAt mergedBy { login } mergeCommit { oid } isCrossRepository
        headRefOid reviews(first: 5) { totalCount } } } } }"""
    nodes = api.graphql(query, **name_of(api, i))["data"]["repository"]["pullRequests"]["nodes"]
    assert nodes
    for node in nodes[-5:]:
        shown = api.json(f"{api.path(i)}/pulls/{node['number']}")
        assert node["mergedBy"]["login"] == shown["merged_by"]["login"]
        assert node["mergeCommit"]["oid"] == shown["merge_commit_sha"]
        assert node["headRefOid"] == shown["head"]["sha"]
        assert node["isCrossRepository"] == (
            shown["head"]["repo"]["id"] != shown["base"]["repo"]["id"]
        )


# ------------------------------------------------------------ cursors while the world goes on


def test_cursors_survive_what_is_added_meanwhile() -> None:
    """Pages begun on the first day and ended on the second repeat and lose nothing."""
    github = parts()[2]
    early, late = (github.at(world().starts_at + days * DAY) for days in (1, DAYS))
    grown = late.visible & (late.commit_counts > early.commit_counts) & (early.commit_counts > 12)
    grown &= late.star_counts > early.star_counts
    i = int(np.flatnonzero(grown)[0])

    def lists(view: GitHubView) -> dict[str, Any]:
        node = repository_node(view, i)
        head = node.default_branch_ref
        assert head is not None
        return {
            "commits": head["target"].history,
            "stars": node.stargazers,
            "newest": lambda **paging: node.stargazers(
                order_by={"field": "STARRED_AT", "direction": "DESC"}, **paging
            ),
        }

    for kind in ("commits", "stars", "newest"):
        first: Connection = lists(early)[kind](first=4)
        rest: list[Any] = []
        cursor = first.page_info["endCursor"]
        while True:
            page = lists(late)[kind](first=100, after=cursor)
            rest += page.edges
            if not page.page_info["hasNextPage"]:
                break
            cursor = page.page_info["endCursor"]

        def key(edge: dict[str, Any], kind: str = kind) -> str:
            node = edge["node"]
            return str(node.oid if kind == "commits" else node.login)

        keys = [key(edge) for edge in [*first.edges, *rest]]
        assert len(keys) == len(set(keys))
        total = {"commits": early.commit_counts, "newest": early.star_counts}.get(
            kind, late.star_counts
        )
        assert len(keys) == total[i], kind


def test_a_cursor_whose_item_is_gone_still_has_a_place() -> None:
    numbers = np.array([2, 3, 5, 8, 13])

    def items(start: int, stop: int) -> list[int]:
        return numbers[start:stop].tolist()

    whole = Connection(by_key((numbers,), items, descending=False), first=3)
    assert whole.nodes == [2, 3, 5]
    cursor = whole.page_info["endCursor"]
    assert decoded(cursor) == "5"
    left = np.array([2, 3, 8, 13])
    rest = Connection(
        by_key((left,), lambda a, b: left[a:b].tolist(), descending=False), first=3, after=cursor
    )
    assert rest.nodes == [8, 13]
    before = Connection(by_key((numbers,), items, descending=False), last=2, before=cursor)
    assert before.nodes == [2, 3]
    assert before.page_info["hasNextPage"]
    falling = numbers[::-1]
    listing = by_key((falling,), lambda a, b: falling[a:b].tolist(), descending=True)
    assert Connection(listing, first=9, after=cursor).nodes == [3, 2]


# ------------------------------------------------------------ errors


def test_what_is_missing_does_not_hide_the_rest(api: Api) -> None:
    here = name_of(api, api.busiest())
    query = """query($owner: String!, $name: String!) {
      here: repository(owner: $owner, name: $name) { nameWithOwner }
      gone: repository(owner: "nobody-at-all", name: "nothing") { nameWithOwner }
    }"""
    answer = api.graphql(query, **here)
    assert answer["data"] == {
        "here": {"nameWithOwner": f"{here['owner']}/{here['name']}"}, "gone": None,
    }  # fmt: skip
    assert answer["errors"] == [
        {
            "type": "NOT_FOUND",
            "path": ["gone"],
            "locations": [{"line": 3, "column": 7}],
            "message": "Could not resolve to a Repository with the name 'nobody-at-all/nothing'.",
        }
    ]


def test_ids_lead_to_what_they_name(api: Api) -> None:
    view = api.view
    i = api.busiest(among="issues")
    repository = api.json(api.path(i))
    issue = next(t for t in api.json(f"{api.path(i)}/issues?state=all") if "pull_request" not in t)
    deleted = next(k for k in range(len(view.visible)) if view.status(k) == "deleted")
    lost = base64.b64encode(f"010:Repository{world().repositories.id[deleted]}".encode()).decode()
    ids = [
        repository["node_id"],
        repository["owner"]["node_id"],
        issue["node_id"],
        lost,
        "nonsense",
    ]
    query = """query($ids: [ID!]!) { nodes(ids: $ids) { __typename id
      ... on Repository { databaseId } ... on Issue { number } ... on User { login } } }"""
    answer = api.graphql(query, ids=ids)
    nodes = answer["data"]["nodes"]
    assert nodes[0] == {
        "__typename": "Repository", "id": ids[0], "databaseId": repository["id"],
    }  # fmt: skip
    assert nodes[1]["id"] == ids[1]
    assert nodes[2]["number"] == issue["number"]
    assert nodes[3:] == [None, None]
    assert [e["path"] for e in answer["errors"]] == [["nodes", 3], ["nodes", 4]]
    assert {e["type"] for e in answer["errors"]} == {"NOT_FOUND"}
    one = api.graphql("query($id: ID!) { node(id: $id) { id } }", id=ids[2])
    assert one["data"]["node"]["id"] == ids[2]


def test_renames_are_followed_unless_refused(api: Api) -> None:
    repositories, view = world().repositories, api.view
    i = next(
        k
        for k in np.flatnonzero(repositories.renamed_at).tolist()
        if view.status(k) == "ok" and view.find(repositories.name[k]) == (k, True)
    )
    owner, name = repositories.name[i].split("/", 1)
    query = """query($owner: String!, $name: String!) {
      followed: repository(owner: $owner, name: $name) { nameWithOwner }
      refused: repository(owner: $owner, name: $name, followRenames: false) { nameWithOwner }
    }"""
    answer = api.graphql(query, owner=owner, name=name)
    assert answer["data"]["followed"]["nameWithOwner"] == repositories.new_name[i]
    assert answer["data"]["refused"] is None
    assert [e["type"] for e in answer["errors"]] == ["NOT_FOUND"]
    taken_down = next(k for k in range(len(view.visible)) if view.status(k) == "dmca")
    owner, name = repositories.name_at(taken_down, view.now).split("/", 1)
    answer = api.graphql(query, owner=owner, name=name)
    assert answer["data"] == {"followed": None, "refused": None}
    assert {e["type"] for e in answer["errors"]} == {"FORBIDDEN"}


def test_broken_queries_are_told_what_is_wrong(api: Api) -> None:
    answer = api.graphql("{ viewer { login colour } }")
    assert "data" not in answer
    assert answer["errors"][0]["message"] == "Field 'colour' doesn't exist on type 'User'"
    assert answer["errors"][0]["extensions"]["code"] == "undefinedField"
    assert "errors" in api.graphql("{ viewer { login ")
    assert "errors" in api.graphql("query($id: ID!) { node(id: $id) { id } }")
    bad = api.graphql(
        """query($owner: String!, $name: String!) { repository(owner: $owner, name: $name) {
          issues(first: 3, after: "nonsense") { nodes { number } } } }""",
        **name_of(api, api.busiest()),
    )
    assert bad["errors"][0]["message"] == "`nonsense` does not appear to be a valid cursor."
    plain = api.session.post(f"{api.base}/graphql", data="no json", timeout=30)
    assert plain.status_code == 400
    anonymous = requests.post(
        f"{api.base}/graphql", json={"query": "{ viewer { login } }"}, timeout=30
    )
    assert anonymous.status_code == 401


# ------------------------------------------------------------ cost and limits


def cost(query: str) -> tuple[Cost, list[Any]]:
    schema = build_schema(SCHEMA)
    document = parse(query)
    assert not validate(schema, document)
    operation = get_operation_ast(document)
    assert operation is not None
    return cost_of(schema, document, operation, {})


def test_costs_are_the_documented_ones() -> None:
    """The two examples of the documentation, told with the types that are here."""
    # 100 repositories, of each 50 issues, of each 60 labels: 1 + 100 + 5,000 requests.
    found, wrong = cost("""{ search(query: "x", type: REPOSITORY, first: 100) { nodes {
      ... on Repository { issues(first: 50) { edges { node { labels(first: 60) {
        edges { node { name } } } } } } } } } }""")
    assert not wrong
    assert (found.requests, found.points) == (5_101, 51)
    assert found.nodes == 100 + 100 * 50 + 100 * 50 * 60
    # 50 repositories, of each 20 pull requests with 10 comments and 20 issues with 10 comments.
    found, _ = cost("""{ search(query: "x", type: REPOSITORY, first: 50) { edges { node {
      ... on Repository { ...threads } } } } }
      fragment threads on Repository {
        pullRequests(last: 20) { edges { node { comments(last: 10) { edges { node { body } } } } } }
        issues(first: 20) { edges { node { comments(last: 10) { edges { node { body } } } } } }
      }""")
    assert found.nodes == 50 + 2 * (50 * 20 + 50 * 20 * 10) == 22_050
    found, _ = cost("{ viewer { login } }")
    assert (found.nodes, found.points) == (0, 1)


def test_queries_that_are_too_large_are_not_executed(api: Api) -> None:
    most = """{ search(query: "stars:>0", type: REPOSITORY, first: 100) { nodes {
      ... on Repository { issues(first: %d) { nodes { comments(first: %d) { nodes { body }
      } } } } } } }"""
    answer = api.graphql(most % (100, 100))
    assert [e["type"] for e in answer["errors"]] == ["MAX_NODE_LIMIT_EXCEEDED"]
    assert "1,010,100" in answer["errors"][0]["message"]
    assert "data" not in answer
    answer = api.graphql(most % (101, 1))
    assert answer["errors"][0]["type"] == "EXCESSIVE_PAGINATION"
    assert answer["errors"][0]["message"] == (
        "Requesting 101 records on the `issues` connection exceeds the `first` limit of "
        "100 records."
    )
    answer = api.graphql("""{ search(query: "stars:>0", type: REPOSITORY) { nodes {
      __typename } } }""")
    assert answer["errors"][0]["type"] == "MISSING_PAGINATION_BOUNDARIES"
    total = api.graphql('{ search(query: "stars:>0", type: REPOSITORY) { repositoryCount } }')
    wanted = api.view.visible & (api.view.star_counts > 0) & ~world().repositories.is_fork
    assert total["data"]["search"]["repositoryCount"] == wanted.sum()


def test_points_are_charged_apart_from_requests() -> None:
    history, flow, github = parts()
    twin = Twin(Calendar(world().first_day, DAYS), world=world(), history=history, flow=flow,
                github=github)  # fmt: skip
    limits = LimitSettings(github=GitHubLimits(graphql=60))
    with serving(twin=twin, limits=limits):
        api = Api(twin)
        dear = """{ rateLimit { cost limit remaining used nodeCount }
          search(query: "stars:>0", type: REPOSITORY, first: 100) { nodes {
            ... on Repository { issues(first: 50) { nodes { labels(first: 1) {
              totalCount } } } } } } }"""
        told = api.graphql(dear)["data"]["rateLimit"]
        assert told == {"cost": 51, "limit": 60, "remaining": 9, "used": 51, "nodeCount": 10_100}
        refused = api.graphql(dear)
        assert refused["errors"][0]["type"] == "RATE_LIMITED"
        assert "data" not in refused
        # What was refused cost nothing, and REST has its own budget.
        assert api.graphql("{ rateLimit { used } }")["data"]["rateLimit"]["used"] == 52
        rest = api.get("/rate_limit").json()
        assert rest["resources"]["graphql"]["used"] == 52
        assert rest["resources"]["core"]["used"] <= 1
        assert rest["rate"] == rest["resources"]["core"]
        assert TOKEN not in str(rest)
