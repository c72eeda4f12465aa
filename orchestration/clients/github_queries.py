"""The texts of what GitHub's GraphQL API is asked, and how its answers are taken apart.

Belongs here: queries, their variables, errors and which part of an answer they are about. Does not
belong here: sending queries and what follows from an answer (`github`).

GraphQL answers with status 200 also where it fails: errors without a path are about the query,
those with one about what stands at that path, which is null.

Source: https://docs.github.com/en/graphql/reference/objects.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from orchestration.clients.http import Answer, Unusable
from orchestration.failures import PermanentFailure

# Lists of a repository in the query for its stocks, each of which is a request behind it.
STOCK_CONNECTIONS = 6
_TOO_MUCH = frozenset(
    {"MAX_NODE_LIMIT_EXCEEDED", "RESOURCE_LIMITS_EXCEEDED", "QUERY_COMPLEXITY_EXCEEDED"}
)
_IN_TROUBLE = re.compile(r"something went wrong|timed? ?out|timeout|resource limits", re.IGNORECASE)
_NOT_TROUBLE = frozenset({"NOT_FOUND", "FORBIDDEN"})

Object = Mapping[str, Any]
T = TypeVar("T")

_NEWEST_FIRST = "orderBy: {field: UPDATED_AT, direction: DESC}"
STOCKS = f"""
fragment Stocks on Repository {{
  id databaseId nameWithOwner createdAt updatedAt pushedAt isFork isArchived isPrivate isDisabled
  isEmpty isTemplate isMirror hasIssuesEnabled hasDiscussionsEnabled diskUsage stargazerCount
  forkCount licenseInfo {{ spdxId }} primaryLanguage {{ name }}
  owner {{ __typename login ... on User {{ databaseId }} ... on Organization {{ databaseId }} }}
  parent {{ databaseId nameWithOwner }}
  defaultBranchRef {{ name target {{ oid ... on Commit {{ history {{ totalCount }} }} }} }}
  issues(first: 1, {_NEWEST_FIRST}) {{ totalCount nodes {{ updatedAt }} }}
  openIssues: issues(states: OPEN) {{ totalCount }}
  pullRequests(first: 1, {_NEWEST_FIRST}) {{ totalCount nodes {{ updatedAt }} }}
  openPullRequests: pullRequests(states: OPEN) {{ totalCount }}
  mergedPullRequests: pullRequests(states: MERGED) {{ totalCount }}
}}"""
COST = "rateLimit { cost remaining limit resetAt }"
COMMITS = f"""
query Commits($id: ID!, $head: GitObjectID!, $first: Int!, $after: String, $since: GitTimestamp) {{
  node(id: $id) {{ ... on Repository {{ object(oid: $head) {{ ... on Commit {{
    history(first: $first, after: $after, since: $since) {{
      totalCount
      pageInfo {{ hasNextPage endCursor }}
      nodes {{
        oid message authoredDate committedDate
        parents {{ totalCount }}
        author {{ name email user {{ login databaseId }} }}
        committer {{ name email user {{ login databaseId }} }}
      }}
    }}
  }} }} }} }}
  {COST}
}}"""
_WHO = """__typename login
        ... on User { databaseId } ... on Bot { databaseId } ... on Organization { databaseId }"""
PULL_REQUESTS = f"""
query PullRequests($id: ID!, $first: Int!, $after: String) {{
  node(id: $id) {{ ... on Repository {{
    pullRequests(first: $first, after: $after, {_NEWEST_FIRST}) {{
      totalCount
      pageInfo {{ hasNextPage endCursor }}
      nodes {{
        databaseId fullDatabaseId number title body state isDraft merged mergedAt
        isCrossRepository baseRefName headRefName createdAt updatedAt closedAt authorAssociation
        author {{ {_WHO} }}
        mergedBy {{ {_WHO} }}
        labels(first: 100) {{ nodes {{ name }} }}
        comments {{ totalCount }}
      }}
    }}
  }} }}
  {COST}
}}"""


def stock_query(places: Sequence[tuple[str | None, str]]) -> tuple[str, dict[str, Any]]:
    """The query for the stocks of repositories, and its variables.

    Names are variables and never part of the text.

    Args:
        places: of each its global id, where that is known, and owner/name.
    """
    variables: dict[str, Any] = {}
    declared = []
    fields = []
    ids = [node_id for node_id, _ in places if node_id is not None]
    if ids:
        variables["ids"] = ids
        declared.append("$ids: [ID!]!")
        fields.append("nodes(ids: $ids) { ...Stocks }")
    for k, (node_id, full_name) in enumerate(places):
        if node_id is None:
            owner, _, name = full_name.partition("/")
            variables[f"o{k}"], variables[f"n{k}"] = owner, name
            declared.append(f"$o{k}: String!, $n{k}: String!")
            fields.append(f"r{k}: repository(owner: $o{k}, name: $n{k}) {{ ...Stocks }}")
    text = f"query Stocks({', '.join(declared)}) {{\n" + "\n".join(fields) + f"\n{COST}\n}}"
    return text + STOCKS, variables


def stock_values(
    asked: Sequence[tuple[T, str | None]], data: Object, errors: Iterable[Object]
) -> Iterator[tuple[T, Any, Object | None]]:
    """Each repository of `stock_query` with its object and with what is wrong with it.

    Args:
        asked: repositories in the query's order with their global ids.
    """
    problems: dict[tuple[Any, ...], Object] = {}
    for problem in errors:
        path = problem.get("path")
        if isinstance(path, list) and path:
            place = tuple(path[:2]) if path[0] == "nodes" else (path[0],)
            # What is said about the whole repository says more than about a part of it.
            if place not in problems or len(path) == len(place):
                problems[place] = problem
    nodes = data.get("nodes")
    nodes = nodes if isinstance(nodes, list) else []
    number = 0
    for k, (one, node_id) in enumerate(asked):
        if node_id is None:
            yield one, data.get(f"r{k}"), problems.get((f"r{k}",))
        else:
            value = nodes[number] if number < len(nodes) else None
            yield one, value, problems.get(("nodes", number)) or problems.get(("nodes",))
            number += 1


def window_query(count: int) -> str:
    """The query for how many commits `$old` and `$new` continue, in all and since `$w0` ..."""
    names = [f"w{k}" for k in range(count)]
    declared = "".join(f", ${name}: GitTimestamp" for name in names)
    counted = "\n".join(f"{name}: history(since: ${name}) {{ totalCount }}" for name in names)
    return f"""
query Windows($id: ID!, $old: GitObjectID!, $new: GitObjectID!{declared}) {{
  node(id: $id) {{ ... on Repository {{
    old: object(oid: $old) {{ ... on Commit {{ ...Counts }} }}
    new: object(oid: $new) {{ ... on Commit {{ ...Counts }} }}
  }} }}
  {COST}
}}
fragment Counts on Commit {{ every: history {{ totalCount }} {counted} }}"""


def totals(commit: Any, count: int) -> list[int] | None:
    """The counts of one commit of `window_query`: of all, then since each time."""
    found = []
    for name in ("every", *(f"w{k}" for k in range(count))):
        history = commit.get(name) if isinstance(commit, Mapping) else None
        total = history.get("totalCount") if isinstance(history, Mapping) else None
        if not isinstance(total, int):
            return None
        found.append(total)
    return found


def data_of(answer: Answer) -> tuple[Object, list[Object]] | None:
    """Data and errors of an answer; None where the query was too much.

    Raises:
        Unusable: neither.
        PermanentFailure: the query is wrong.
    """
    body = answer.json()
    if not isinstance(body, Mapping):
        raise Unusable("the body is no object")
    given = body.get("errors")
    errors = [one for one in given if isinstance(one, Mapping)] if isinstance(given, list) else []
    whole = [one for one in errors if not one.get("path")]
    if any(one.get("type") in _TOO_MUCH for one in errors) or any(map(is_trouble, whole)):
        return None
    data = body.get("data")
    if whole and not isinstance(data, Mapping):
        raise PermanentFailure(
            f"GitHub refuses a query: {str(whole[0].get('message'))[:200]!r}.",
            "Check github.endpoint; if GitHub changed its schema, update Osmoscope.",
        )
    if not isinstance(data, Mapping):
        raise Unusable("neither data nor errors")
    return data, errors


def is_trouble(problem: Object) -> bool:
    """Whether an error is about the effort of a query and not about what was asked for."""
    if problem.get("type") in _NOT_TROUBLE:
        return False
    message = str(problem.get("message"))[:1000]
    return problem.get("type") in _TOO_MUCH or _IN_TROUBLE.search(message) is not None


def is_lost_place(problem: Object) -> bool:
    """Whether a cursor is none any more."""
    return problem.get("type") == "INVALID_CURSOR_ARGUMENTS" or (
        "valid cursor" in str(problem.get("message"))[:1000]
    )
