"""The GitHub GraphQL API, at `/github/graphql`.

Belongs here: a request from its body to its answer, and the fields of the root. Does not belong
here: the schema (`github_schema`), what queries cost (`github_cost`), the objects (`github_nodes`).

Answers of queries are 200 also where they hold errors, with the data beside them that could be
found. Errors carry GitHub's `type` and the path of what is missing.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    build_schema,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from twin.github import GitHubView
from twin.github_search import LISTED, BadQuery, search_repositories
from twin.server import github_shapes as shapes
from twin.server.github_call import ServedTwin
from twin.server.github_connections import Connection, by_place
from twin.server.github_cost import ApiError, Cost, cost_of
from twin.server.github_nodes import (
    Organization,
    RepositoryNode,
    User,
    actor,
    node,
    repository_node,
)
from twin.server.github_schema import SCHEMA
from twin.server.github_shapes import Json, timestamp

_MEDIA = "application/json; charset=utf-8"
_SCHEMA = build_schema(SCHEMA)
_MOST_TOKENS = 100_000
_KEPT_QUERIES = 64
_UNKNOWN_FIELD = re.compile(r"Cannot query field '(\w+)' on type '(\w+)'")
_PAGING = ("first", "last", "after", "before")


@dataclass
class _Context:
    view: GitHubView
    cost: Cost
    budget: Any
    caller: str


class _Root:
    """The fields of the query type."""

    def __init__(self, context: _Context) -> None:
        self.context, self.view = context, context.view

    def repository(self, owner: str, name: str, follow_renames: bool = True) -> RepositoryNode:
        """A repository by its present or an old name."""
        view = self.view
        found = view.find(f"{owner}/{name}")
        status = view.status(found[0]) if found else "absent"
        if found is None or status in ("absent", "deleted", "private") or (
            found[1] and not follow_renames
        ):  # fmt: skip
            message = f"Could not resolve to a Repository with the name '{owner}/{name}'."
            raise ApiError("NOT_FOUND", message)
        if status == "dmca":
            raise ApiError("FORBIDDEN", "Repository access blocked")
        return repository_node(view, found[0])

    def node(self, id: str) -> Any:
        """An object by its global id."""
        return node(self.view, id)

    def nodes(self, ids: list[str]) -> list[Any]:
        """Objects by their global ids; an error for each that is not found."""
        found: list[Any] = []
        for text in ids:
            try:
                found.append(node(self.view, text))
            except ApiError as error:
                found.append(error)
        return found

    def user(self, login: str) -> Any:
        """A person by login."""
        return self._account(login, User, "a User")

    def organization(self, login: str) -> Any:
        """An organisation by login."""
        return self._account(login, Organization, "an Organization")

    def repository_owner(self, login: str) -> Any:
        """A person or organisation by login; None where there is none."""
        try:
            return self._account(login, (User, Organization), "a RepositoryOwner")
        except ApiError:
            return None

    def _account(self, login: str, kind: Any, name: str) -> Any:
        account = self.view.github.account_named(login)
        found = None if account is None else actor(self.view, self.view.account(account))
        if not isinstance(found, kind):
            message = f"Could not resolve to {name} with the login of '{login}'."
            raise ApiError("NOT_FOUND", message)
        return found

    def viewer(self) -> User:
        """Whom the token belongs to: some person of the world."""
        count = self.view.world.accounts.person_count
        return User(self.view, self.view.account(int(self.context.caller or "0", 16) % count))

    def rate_limit(self, dry_run: bool = False) -> Json:  # noqa: ARG002 - it is executed anyway
        """What the query costs, and what the caller has left."""
        budget, cost = self.context.budget, self.context.cost
        limit = budget.limit if budget else 5_000
        used = budget.used if budget else 0
        return {
            "cost": cost.points, "nodeCount": cost.nodes, "limit": limit, "used": used,
            "remaining": limit - used,
            "resetAt": timestamp(budget.reset if budget else self.view.now),
        }  # fmt: skip

    def search(self, query: str, type: str, **paging: Any) -> Connection:  # noqa: ARG002
        """Repositories, of which the first thousand are listed."""
        view = self.view
        words, _, sort = query.partition(" sort:")
        key, _, order = sort.strip().partition("-")
        found: list[int] = []
        with suppress(BadQuery):
            found = search_repositories(view, words, key or None, order or "desc").tolist()
        listed = found[:LISTED]
        connection = Connection(
            by_place(
                len(listed),
                lambda start, stop: [repository_node(view, i) for i in listed[start:stop]],
            ),
            **{name: paging.get(name) for name in _PAGING},
        )
        connection.repository_count = len(found)
        return connection


@cache
def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _resolved(source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
    """A field: a key, an attribute, or a method with the field's arguments."""
    if isinstance(source, dict):
        return source.get(info.field_name)
    value = getattr(source, _snake(info.field_name))
    if callable(value):
        return value(**{_snake(name): given for name, given in arguments.items()})
    return value


class _Queries:
    """Queries that were understood and found valid, with what is wrong with others."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[DocumentNode, list[GraphQLError]]] = OrderedDict()
        self._lock = threading.Lock()

    def document(self, text: str) -> tuple[DocumentNode, list[GraphQLError]]:
        with self._lock:
            if text in self._known:
                self._known.move_to_end(text)
                return self._known[text]
        document = parse(text, max_tokens=_MOST_TOKENS)
        found = (document, list(validate(_SCHEMA, document)))
        with self._lock:
            self._known[text] = found
            while len(self._known) > _KEPT_QUERIES:
                self._known.popitem(last=False)
        return found


def answer(
    view: GitHubView, queries: _Queries, request: Mapping[str, Any], budget: Any, caller: str
) -> Json:
    """The answer to a query: data, errors or both.

    Args:
        view: the moment.
        queries: those that are known.
        request: `query`, `variables`, `operationName`.
        budget: of the caller (`limits.Budget`), or None.
        caller: hexadecimal digits that say who calls, or nothing.
    """
    text = request.get("query")
    if not isinstance(text, str) or not text.strip():
        message = "A query attribute must be specified and must be a string."
        return {"errors": [{"message": message}]}
    try:
        document, problems = queries.document(text)
    except GraphQLSyntaxError as error:
        return {"errors": [_told(error)]}
    if problems:
        return {"errors": [_told(problem) for problem in problems]}
    operation = get_operation_ast(document, request.get("operationName"))
    if operation is None:
        return {"errors": [{"message": "An operation name is required"}]}
    given = request.get("variables")
    variables = _variables(operation, given if isinstance(given, dict) else {})
    if isinstance(variables, list):
        return {"errors": [_told(problem) for problem in variables]}
    cost, wrong = cost_of(_SCHEMA, document, operation, variables)
    if wrong:
        return {"errors": [_told(error) for error in wrong]}
    if budget is not None and not budget.charge(cost.points):
        message = "API rate limit already exceeded."
        return {"errors": [{"type": "RATE_LIMITED", "message": message}]}
    context = _Context(view, cost, budget, caller)
    result = execute_sync(
        _SCHEMA, document, root_value=_Root(context), variable_values=variables,
        operation_name=request.get("operationName"), field_resolver=_resolved,
    )  # fmt: skip
    found: Json = {"data": result.data}
    errors = result.errors or []
    for problem in errors:
        cause = problem.original_error
        if cause is not None and not isinstance(cause, GraphQLError):
            raise cause
    if errors:
        found["errors"] = [_told(problem) for problem in errors]
    return found


def _variables(
    operation: OperationDefinitionNode, given: dict[str, Any]
) -> dict[str, Any] | list[GraphQLError]:
    return get_variable_values(_SCHEMA, operation.variable_definitions or (), given)


def _told(error: GraphQLError) -> Json:
    """An error as GitHub tells it."""
    told: Json = {}
    source = error.original_error if isinstance(error.original_error, ApiError) else error
    if isinstance(source, ApiError):
        told["type"] = source.kind
    if error.path is not None:
        told["path"] = error.path
    unknown = _UNKNOWN_FIELD.match(error.message)
    message = error.message
    if unknown:
        field, kind = unknown.groups()
        message = f"Field '{field}' doesn't exist on type '{kind}'"
        told["extensions"] = {"code": "undefinedField", "typeName": kind, "fieldName": field}
    if error.locations:
        told["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    return told | {"message": message}


def routes(twin: ServedTwin) -> list[Route]:
    """The route, to be mounted below `/github`."""
    queries = _Queries()

    async def handler(request: Request) -> Response:
        try:
            wanted = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            wanted = None
        if not isinstance(wanted, dict):
            body = shapes.error("Problems parsing JSON", "/graphql", 400)
            return Response(orjson.dumps(body), 400, media_type=_MEDIA)
        state = request.state
        budget, caller = getattr(state, "budget", None), getattr(state, "caller", None)
        key = caller.key if caller is not None else ""
        view = twin.github_view()
        body = await run_in_threadpool(answer, view, queries, wanted, budget, key)
        headers = {"x-github-media-type": "github.v4; format=json"}
        return Response(orjson.dumps(body), 200, headers, media_type=_MEDIA)

    return [Route("/graphql", handler, methods=["POST"])]
