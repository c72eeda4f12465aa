"""Rows of GitHub's API: real answers, both forms of one thing, and what nobody should send."""

import gzip
import json
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from databases import database
from github_twin import Api, served
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.github import api_rows
from assets.github.api_rows import COLUMNS, DESCRIPTIONS, KEYS, NEWEST, BadItem, Normaliser, Row
from assets.github.lines import AddressHasher
from assets.mining.landing import write_table
from orchestration.clients import github_queries as queries
from orchestration.lake import Lake

SALT = b"a salt of thirty-two characters!"
ADDRESS = "Ada.Lovelace@Example.org"
WHEN = "2026-03-01T12:00:00Z"


@pytest.fixture
def rows() -> Normaliser:
    return Normaliser(AddressHasher(SALT))


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with served() as api:
        yield api


def hashed(address: str) -> str:
    return AddressHasher(SALT)(json.dumps(address).encode()).decode().strip('"')


# ------------------------------------------------------------ the tables


def test_every_column_is_described_and_keys_are_columns() -> None:
    assert set(DESCRIPTIONS) == set(COLUMNS) == set(KEYS) == set(NEWEST)
    for table, columns in COLUMNS.items():
        assert list(DESCRIPTIONS[table]) == list(columns)
        assert all(text.endswith(".") for text in DESCRIPTIONS[table].values())
        assert set(KEYS[table]) < set(columns)
        assert NEWEST[table] is None or NEWEST[table] in columns
        assert list(columns)[-1] == "observed_at"


# ------------------------------------------------------------ real answers


def recorded(folder: Path, name: str) -> Any:
    path = folder / "github_api" / name
    content = path.read_bytes()
    return json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)


def exchanges(folder: Path) -> list[dict[str, Any]]:
    with gzip.open(folder / "github_api" / "octokit-recorded.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def test_a_real_page_of_issues_has_issues_only(real_data: Path, rows: Normaliser) -> None:
    items = recorded(real_data, "issues-duckdb-page5-2023-02.json.gz")
    found, bad = rows.issues(items, 138754790)
    assert (len(found), bad) == (75, [])
    expected = {item["number"]: item for item in items if "pull_request" not in item}
    for row in found:
        item = expected.pop(row["issue_number"])
        assert row["title"] == item["title"]
        assert row["author_login"] == item["user"]["login"]
        assert row["state"] == item["state"]
        assert row["labels"] == sorted(label["name"] for label in item["labels"])
        assert row["created_at"] + "Z" == item["created_at"]
        assert (row["closed_at"] or "") + ("Z" if row["closed_at"] else "") == (
            item["closed_at"] or ""
        )
        assert row["comment_count"] == item["comments"]
    assert not expected
    assert_typed(api_rows.ISSUES, found)


def test_real_pull_requests_of_events_are_read(real_data: Path, rows: Normaliser) -> None:
    """The object of a single pull request: with who merged it, and comments."""
    pulls = [recorded(real_data, "octocrab/pull_requests_list.json")[0]]
    pulls += [
        recorded(real_data, f"octocrab/{name}.json")["payload"]["pull_request"]
        for name in (
            "pull_request_event",
            "pull_request_review_event",
            "pull_request_review_comment_event",
        )
    ]
    found, bad = rows.pull_requests(pulls, 1)
    assert bad == []
    for row, item in zip(found, pulls, strict=True):
        assert row["pull_request_id"] == item["id"]
        assert row["head_ref"] == item["head"]["ref"]
        assert row["base_ref"] == item["base"]["ref"]
        is_same = item["head"]["repo"]["id"] == item["base"]["repo"]["id"]
        assert row["is_cross_repository"] is not is_same
        assert row["is_merged"] is (item["merged_at"] is not None)
    assert_typed(api_rows.PULL_REQUESTS, found)


def test_a_real_commit_has_two_hashed_addresses(real_data: Path, rows: Normaliser) -> None:
    items = recorded(real_data, "octocrab/repos_list_commits.json")
    found, bad = rows.commits(items, 1)
    assert bad == []
    [row] = found
    assert row["author_login"] == "flastname"
    assert row["author_name"] == "First Lastname"
    author = items[0]["commit"]["author"]["email"]
    assert row["author_address_hash"] == hashed(author)
    assert row["committer_address_hash"] == hashed(items[0]["commit"]["committer"]["email"])
    assert row["committed_at"] == "2024-04-30T08:54:10"
    assert author not in json.dumps(found)
    assert_typed(api_rows.COMMITS, found)


def test_real_comments_say_what_they_are_about(real_data: Path, rows: Normaliser) -> None:
    event = recorded(real_data, "octocrab/issue_comment_event.json")
    feed = recorded(real_data, "events-duckdb-page1-2023-04.json.gz")
    events = [event, *(one for one in feed if one["type"] == "IssueCommentEvent")]
    found, bad = rows.comments([one["payload"]["comment"] for one in events], 1)
    assert (len(found), bad) == (len(events), [])
    kinds = set()
    for row, one in zip(found, events, strict=True):
        issue = one["payload"]["issue"]
        assert row["issue_number"] == issue["number"]
        assert row["is_pull_request"] is ("pull_request" in issue)
        kinds.add(row["is_pull_request"])
    assert kinds == {True, False}
    assert_typed(api_rows.ISSUE_COMMENTS, found)


def test_real_repositories_and_issues_of_recordings(real_data: Path, rows: Normaliser) -> None:
    repositories, issues = [], []
    for exchange in exchanges(real_data):
        body = exchange.get("response")
        if exchange["status"] in (200, 201) and exchange["method"] in ("get", "post", "patch"):
            if isinstance(body, dict) and "full_name" in body:
                repositories.append(body)
            for item in body if isinstance(body, list) else [body]:
                is_issue = isinstance(item, dict) and "/issues/" in str(item.get("url"))
                if is_issue and "number" in item and "title" in item:
                    issues.append(item)
    assert len(repositories) > 10
    assert len(issues) > 20
    found = [rows.repository(item) for item in repositories]
    for row, item in zip(found, repositories, strict=True):
        assert (row["repository_id"], row["node_id"]) == (item["id"], item["node_id"])
        assert row["owner_type"] == item["owner"]["type"]
        assert row["is_mirror"] is False
        assert row["commit_count"] is None
    assert_typed(api_rows.REPOSITORIES, found)
    texts, bad = rows.issues(issues, 1)
    assert (len(texts), bad) == (len(issues), [])


def assert_typed(table: str, found: list[Row]) -> None:
    """DuckDB reads the rows in the declared types, without losing one."""
    names = [name for name in COLUMNS[table] if name != "observed_at"]
    assert all(set(row) == set(names) for row in found)
    columns = ", ".join(f"\"{n}\": '{t}'" for n, t in COLUMNS[table].items() if n in names)
    with database() as connection:
        connection.execute("set TimeZone = 'UTC'")
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
            file.write("\n".join(map(json.dumps, found)) + "\n")
            file.flush()
            back = connection.execute(
                f"select count(*), count({KEYS[table][-1]}) from read_json(?, "
                f"format = 'newline_delimited', columns = {{{columns}}})",
                [file.name],
            ).fetchone()
    assert back == (len(found), len(found))


# ------------------------------------------------------------ both forms of one thing


def graphql_items(api: Api, i: int, query: str, path: list[str], **variables: Any) -> list[Any]:
    number = int(api.view.world.repositories.id[i])
    node = api.json(f"/repositories/{number}")["node_id"]
    items, after = [], None
    while True:
        answer = api.graphql(query, id=node, first=100, after=after, **variables)
        assert "errors" not in answer, answer["errors"]
        value = answer["data"]["node"]
        for key in path:
            value = value[key]
        items += value["nodes"]
        if not value["pageInfo"]["hasNextPage"]:
            return items
        after = value["pageInfo"]["endCursor"]


def test_both_forms_of_commits_give_equal_rows(api: Api, rows: Normaliser) -> None:
    i = api.busiest(among="pulls")
    rest, bad = rows.commits(api.everything(f"{api.path(i)}/commits?per_page=100"), 1)
    head = rest[0]["commit_sha"]
    items = graphql_items(api, i, queries.COMMITS, ["object", "history"], head=head, since=None)
    graph, worse = rows.commits(items, 1)
    assert bad == worse == []
    assert len(rest) == api.view.commit_count(i)
    assert graph == rest
    assert {row["parent_count"] for row in rest} >= {1, 2}
    assert {row["author_login"] is None for row in rest} == {True, False}


def test_both_forms_of_pull_requests_give_equal_rows(api: Api, rows: Normaliser) -> None:
    i = api.busiest(among="pulls")
    items = graphql_items(api, i, queries.PULL_REQUESTS, ["pullRequests"])
    graph, worse = rows.pull_requests(items, 1)
    numbers = [row["pull_request_number"] for row in graph]
    single = [api.json(f"{api.path(i)}/pulls/{number}") for number in numbers]
    rest, bad = rows.pull_requests(single, 1)
    assert bad == worse == []
    assert graph == rest
    assert {row["is_merged"] for row in graph} == {True, False}
    assert {row["author_type"] for row in graph} >= {"User", "Bot"}
    listed, _ = rows.pull_requests(api.everything(f"{api.path(i)}/pulls?state=all&per_page=100"), 1)
    for row in listed:
        assert row["comment_count"] is None
        [whole] = [r for r in graph if r["pull_request_number"] == row["pull_request_number"]]
        untold = {"comment_count": None, "merged_by_login": None}
        assert {**whole, **untold} == row


ISSUES = """
query($id: ID!, $first: Int!, $after: String) { node(id: $id) { ... on Repository {
  issues(first: $first, after: $after) { pageInfo { hasNextPage endCursor } nodes {
    fullDatabaseId number title body state createdAt updatedAt closedAt authorAssociation
    author { __typename login ... on User { databaseId } ... on Bot { databaseId }
             ... on Organization { databaseId } }
    labels(first: 100) { nodes { name } } comments(first: 100) { totalCount nodes {
      fullDatabaseId body createdAt updatedAt authorAssociation url
      author { __typename login ... on User { databaseId } ... on Bot { databaseId }
               ... on Organization { databaseId } } } }
} } } } }"""


def test_both_forms_of_issues_and_comments_give_equal_rows(api: Api, rows: Normaliser) -> None:
    i = api.busiest(among="issues")
    items = graphql_items(api, i, ISSUES, ["issues"])
    graph, worse = rows.issues(items, 1)
    rest, bad = rows.issues(api.everything(f"{api.path(i)}/issues?state=all&per_page=100"), 1)
    assert bad == worse == []
    # The twin's GraphQL does not say why an issue was closed.
    assert {row["state_reason"] for row in rest} > {None}
    for row in rest:
        row["state_reason"] = None
    assert sorted(graph, key=number) == sorted(rest, key=number)
    # Also threads of deleted accounts.
    assert {row["author_type"] for row in rest} == {"User", None}
    nodes = [comment for item in items for comment in item["comments"]["nodes"]]
    graph, worse = rows.comments(nodes, 1)
    found, bad = rows.comments(api.everything(f"{api.path(i)}/issues/comments?per_page=100"), 1)
    assert bad == worse == []
    rest = [row for row in found if not row["is_pull_request"]]
    assert sorted(graph, key=number) == sorted(rest, key=number)
    assert len(rest) < len(found)


def number(row: Row) -> int:
    return int(row.get("comment_id") or row["issue_number"])


def test_both_forms_of_repositories_agree_on_what_both_tell(api: Api, rows: Normaliser) -> None:
    visible = np.flatnonzero(api.view.visible)[:60].tolist()
    r = api.view.world.repositories
    text, variables = queries.stock_query([(None, api.view.full_name(i)) for i in visible])
    data = api.graphql(text, **variables)["data"]
    only_graphql = {
        *("is_empty", "head_sha", "commit_count", "issue_count", "issue_open_count"),
        *("pull_request_count", "pull_request_open_count", "pull_request_merged_count"),
        *("issues_updated_at", "pull_requests_updated_at"),
    }
    forks = 0
    for k, i in enumerate(visible):
        graph = rows.repository(data[f"r{k}"])
        rest = rows.repository(api.json(f"/repositories/{int(r.id[i])}"))
        assert [name for name, value in rest.items() if value != graph[name]] == [
            name for name in graph if name in only_graphql and graph[name] is not None
        ] or (graph["is_empty"] and graph["default_branch"] is None)
        forks += graph["parent_repository_id"] is not None
        assert graph["commit_count"] == api.view.commit_count(i)
    assert forks


# ------------------------------------------------------------ what differs and is brought to one


def issue(**more: Any) -> dict[str, Any]:
    return {
        "number": 7, "id": 99, "node_id": "x", "title": "A title", "body": "A text",
        "user": {"login": "ada", "id": 1, "type": "User"}, "state": "open", "labels": [],
        "comments": 0, "created_at": WHEN, "updated_at": WHEN, "closed_at": None,
        "author_association": "NONE",
    } | more  # fmt: skip


def commit(**more: Any) -> dict[str, Any]:
    who = {"name": "Ada", "email": ADDRESS, "user": {"login": "ada", "databaseId": 1}}
    return {
        "oid": "a" * 40, "message": "Add it", "authoredDate": WHEN, "committedDate": WHEN,
        "parents": {"totalCount": 1}, "author": who, "committer": who,
    } | more  # fmt: skip


def only(found: tuple[list[Row], list[str]]) -> Row:
    rows, bad = found
    assert bad == []
    [row] = rows
    return row


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ({"login": "ghost", "id": 10137, "type": "User"}, (None, None, None)),
        (None, (None, None, None)),
        ({}, (None, None, None)),
        ({"login": "dependabot[bot]", "id": 5, "type": "Bot"}, (5, "dependabot[bot]", "Bot")),
        ({"login": "ada", "id": 1, "type": "Mannequin"}, (1, "ada", "Mannequin")),
    ],
)
def test_authors(rows: Normaliser, user: Any, expected: tuple[Any, ...]) -> None:
    row = only(rows.issues([issue(user=user)], 1))
    assert (row["author_id"], row["author_login"], row["author_type"]) == expected


def test_a_bot_of_graphql_carries_its_suffix(rows: Normaliser) -> None:
    item = issue(user=None, author={"__typename": "Bot", "login": "dependabot", "databaseId": 5})
    assert only(rows.issues([item], 1))["author_login"] == "dependabot[bot]"


def test_times_are_utc(rows: Normaliser) -> None:
    row = only(rows.commits([commit(authoredDate="2026-03-01T23:30:00-05:00")], 1))
    assert row["authored_at"] == "2026-03-02T04:30:00"


def test_large_ids_come_as_text(rows: Normaliser) -> None:
    item = issue(id="gid", node_id=None, databaseId=None, fullDatabaseId="9007199254740993")
    assert only(rows.issues([item], 1))["issue_id"] == 9007199254740993


def test_what_is_empty_is_none(rows: Normaliser) -> None:
    row = only(rows.issues([issue(body="", title="")], 1))
    assert (row["body"], row["title"]) == (None, None)


def test_commits_of_an_empty_repository_are_none_and_of_an_unknown_branch_unknown(
    rows: Normaliser,
) -> None:
    item = {"databaseId": 1, "id": "R_1", "nameWithOwner": "a/b", "createdAt": WHEN}
    empty = rows.repository({**item, "isEmpty": True, "defaultBranchRef": None})
    assert (empty["commit_count"], empty["head_sha"]) == (0, None)
    assert rows.repository({**item, "isEmpty": False})["commit_count"] is None


def test_a_gone_fork_is_another_repository(rows: Normaliser) -> None:
    base = {"ref": "main", "repo": {"id": 1}}
    pull = issue(base=base, head={"ref": "x", "repo": None}, merged_at=None)
    assert only(rows.pull_requests([pull], 1))["is_cross_repository"] is True


# ------------------------------------------------------------ addresses


def test_no_address_is_left_anywhere(rows: Normaliser) -> None:
    text = f"Ask {ADDRESS} or\\{ADDRESS}\nSigned-off-by: R <root@localhost>\n<mailto:{ADDRESS}>"
    trailer = f"\n\nCo-authored-by: Bob <{ADDRESS}>\nco-AUTHORED-by:  Cy <cy@box>"
    message = text + trailer
    found = [
        only(
            rows.commits([commit(message=message, author={"name": ADDRESS, "email": "x@box"})], 1)
        ),
        only(rows.issues([issue(title=ADDRESS, body=text, labels=[{"name": ADDRESS}])], 1)),
    ]
    kept = json.dumps(found).lower()
    for address in (ADDRESS.lower(), "root@localhost", "cy@box", "x@box"):
        assert address not in kept
    assert found[0]["author_address_hash"].startswith("email:")
    assert [one["name"] for one in found[0]["co_authors"]] == ["Bob", "Cy"]
    assert found[0]["co_authors"][0]["address_hash"] == hashed(ADDRESS)
    # The same person is the same hash as author, in a trailer and in another form of the address.
    lower = only(rows.commits([commit(author={"name": "A", "email": ADDRESS.lower()})], 1))
    assert lower["author_address_hash"] == hashed(ADDRESS)


def test_no_address_is_left_in_quarantine(rows: Normaliser) -> None:
    _, [line] = rows.commits([commit(oid=None, message=f"by {ADDRESS}")], 1)
    assert ADDRESS.lower() not in line.lower()
    assert json.loads(line)["reason"] == "sha is missing"
    assert "by email:" in line


def test_remotes_are_no_addresses(rows: Normaliser) -> None:
    row = only(rows.commits([commit(message="see <git@host> and git@example.org:a/b")], 1))
    assert row["message"] == "see <git@host> and git@example.org:a/b"


# ------------------------------------------------------------ trailers

ONE = {"name": "A", "address_hash": "email:1"}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("T\n\nCo-authored-by: A <email:1>", [ONE]),
        ("T\n\nCo-Authored-By: A <email:1>\n\n", [ONE]),
        ("T\r\n\r\ntext\r\n\r\nco-authored-by:A <email:1>\r\n", [ONE]),
        ("T\n\nCo-authored-by: A <email:1>\nCo-authored-by: A <email:1>", [ONE]),
        ("T\n\nFixes: #7\nCo-authored-by: A\n  <email:1>", [ONE]),
        ("T\n\nCo-authored-by: A <email:1 example.org>",
         [{"name": "A", "address_hash": "email:1 example.org"}]),
        ("T\n\nCo-authored-by: A", [{"name": "A", "address_hash": None}]),
        ("T\n\nCo-authored-by: <email:1>", [{"name": None, "address_hash": "email:1"}]),
        # A line that a person wrote among those of tools.
        ("T\n\nlast words\nSigned-off-by: B <email:2>\nCo-authored-by: A <email:1>", [ONE]),
        # Not in the last paragraph, in the title, in running text.
        ("T\n\nCo-authored-by: A <email:1>\n\nmore text", []),
        ("Co-authored-by: A <email:1>", []),
        ("T\n\nwe had a\nlong\nlong\nlong\ntalk\nCo-authored-by: A <email:1>", []),
        ("T\n\nnot Co-authored-by: A <email:1>", []),
        ("T\n\nCo-authored-by: ", []),
        ("", []),
    ],
)  # fmt: skip
def test_co_authors(message: str, expected: list[Row]) -> None:
    assert api_rows.co_authors(message) == expected


# ------------------------------------------------------------ hostile items


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"number": "seven"}, "number is no whole number"),
        ({"number": 7.5}, "number is no whole number"),
        ({"number": True}, "number is no whole number"),
        ({"number": None}, "number is missing"),
        ({"number": -1}, "number is negative"),
        ({"number": 1 << 63}, "number does not fit 64 bits"),
        ({"id": 10**400}, "fullDatabaseId does not fit 64 bits"),
        ({"title": ["a"]}, "title is no text"),
        ({"title": "half \ud800 a pair"}, "title has half a surrogate pair"),
        ({"created_at": "yesterday"}, "created_at is no time"),
        ({"created_at": "2026-02-30T00:00:00Z"}, "created_at is no time that there was"),
        ({"created_at": "0001-01-01T00:00:00+23:00"}, "created_at is no time that there was"),
        ({"created_at": "10000-01-01T00:00:00Z"}, "created_at is no time"),
        ({"created_at": 1_700_000_000}, "created_at is no text"),
        ({"user": "ada"}, "author is no object"),
        ({"user": {"login": 5}}, "login is no text"),
        ({"labels": [5]}, "a label is no object"),
        ({"labels": 5}, "labels is no object"),
        ({"state": None}, "state is missing"),
        ({"comments": "many"}, "comments is no whole number"),
    ],
)
def test_bad_items_are_told_and_kept_apart(
    rows: Normaliser, change: dict[str, Any], reason: str
) -> None:
    found, bad = rows.issues([issue(number=1), issue(**change), issue(number=2)], 1)
    assert [row["issue_number"] for row in found] == [1, 2]
    assert [json.loads(line)["reason"] for line in bad] == [reason]


@pytest.mark.parametrize("item", [None, 5, "text", [], [{}]])
def test_what_is_no_object(rows: Normaliser, item: Any) -> None:
    found, bad = rows.comments([item], 1)
    assert found == []
    assert json.loads(bad[0])["reason"] == "the item is no object"


def test_unknown_keys_do_no_harm(rows: Normaliser) -> None:
    deep: Any = "x"
    for _ in range(5_000):
        deep = [deep]
    row = only(rows.issues([issue(deep=deep, big=10**400, half="\udc00", body="a\x00b")], 1))
    assert row["body"] == "a\x00b"


def test_a_number_beyond_64_bits_that_nobody_reads(rows: Normaliser) -> None:
    item = issue(user={"login": "ada", "id": 1, "type": "User", "karma": 10**400})
    assert only(rows.issues([item], 1))["author_login"] == "ada"


def test_a_deep_value_of_a_known_key(rows: Normaliser) -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    _, bad = rows.issues([issue(title=deep)], 1)
    assert json.loads(bad[0])["reason"] in (
        "the item is no JSON that can be written", "title is no text",
    )  # fmt: skip


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | st.text(alphabet=st.characters(min_codepoint=0xD7F0, max_codepoint=0xE010)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
KINDS = {
    api_rows.COMMITS: commit(),
    api_rows.ISSUES: issue(),
    api_rows.PULL_REQUESTS: issue(base={"ref": "a", "repo": {"id": 1}}, head=None, draft=False),
    api_rows.ISSUE_COMMENTS: issue(html_url="https://github.com/a/b/pull/5#issuecomment-99"),
    api_rows.MEMBERS: {"id": 5, "login": "ada", "type": "User"},
}


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_comes_is_a_row_or_a_bad_line(data: st.DataObject) -> None:
    rows = Normaliser(AddressHasher(SALT))
    table = data.draw(st.sampled_from(sorted(KINDS)))
    item = dict(KINDS[table])
    for key in data.draw(st.lists(st.sampled_from(sorted(item)), max_size=3)):
        item[key] = data.draw(VALUES)
    made = {
        api_rows.COMMITS: rows.commits, api_rows.ISSUES: rows.issues,
        api_rows.PULL_REQUESTS: rows.pull_requests, api_rows.ISSUE_COMMENTS: rows.comments,
        api_rows.MEMBERS: lambda items, number: rows.members(items, number, "org"),
    }[table]  # fmt: skip
    found, bad = made([item], 1)
    assert len(found) + len(bad) == 1
    for line in [*map(json.dumps, found), *bad]:
        line.encode()
        json.loads(line)


def test_rows_land_in_their_columns(rows: Normaliser, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    found, _ = rows.commits([commit(message="a\x00b\n\nCo-authored-by: A <a@b.org>"), commit()], 3)
    connection = duckdb.connect()
    target = tmp_path / "commits.parquet"
    counts = write_table(
        connection, lake, map(json.dumps, found), COLUMNS[api_rows.COMMITS],
        KEYS[api_rows.COMMITS], NEWEST[api_rows.COMMITS], date(2026, 3, 1), target,
    )  # fmt: skip
    assert counts == (1, 1)
    described = connection.execute(f"describe from '{target}'").fetchall()
    assert [row[0] for row in described] == list(COLUMNS[api_rows.COMMITS])
    connection.close()


def test_a_repository_that_says_nothing_is_bad(rows: Normaliser) -> None:
    for item in ({}, {"full_name": "a/b"}, {"id": 1, "full_name": "a", "created_at": WHEN}):
        with pytest.raises(BadItem):
            rows.repository(item)
