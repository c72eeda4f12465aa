"""What a GraphQL query costs and how large it may be, before it is executed.

Belongs here: nodes, points and the two rules of pagination, computed from the query alone. Does
not belong here: executing it, and whether the caller can pay (`limits`).

As documented (https://docs.github.com/graphql/overview/rate-limits-and-query-limits-for-the-
graphql-api): a connection needs `first` or `last` from 1 to 100; each counts as many nodes as it
may return for each of its parents, at most 500,000 in all; points are the number of requests that
fill every connection once, divided by 100, at least 1. A connection of which only the total is
asked needs no bounds, counts no node and, as this is not documented, one request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    value_from_ast_untyped,
)

MOST_NODES = 500_000
MOST_AT_ONCE = 100
_LISTING = ("nodes", "edges")


class ApiError(GraphQLError):
    """An error with GitHub's `type` beside the message."""

    def __init__(self, kind: str, message: str, **where: Any) -> None:
        super().__init__(message, **where)
        self.kind = kind


@dataclass
class Cost:
    """What a query may cost: nodes that it may return, and requests that fill it."""

    nodes: int = 0
    requests: int = 0

    @property
    def points(self) -> int:
        return max(1, (self.requests + 50) // 100)


def cost_of(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
) -> tuple[Cost, list[ApiError]]:
    """The cost of a valid operation, and what is wrong with its pagination.

    Args:
        schema: the API's.
        document: the whole query, for its fragments.
        operation: the one to be executed.
        variables: with their defaults.
    """
    walk = _Walk(schema, document, variables)
    root = schema.query_type
    assert root is not None
    name = operation.name.value if operation.name else None
    start = [f"query {name}" if name else "query"]
    walk.selections(operation.selection_set, root, 1, start)
    if walk.cost.nodes > MOST_NODES and not walk.errors:
        walk.errors.append(ApiError(
            "MAX_NODE_LIMIT_EXCEEDED",
            f"This query requests up to {walk.cost.nodes:,} possible nodes which exceeds the "
            f"maximum limit of {MOST_NODES:,}.",
            nodes=[operation],
        ))  # fmt: skip
    return walk.cost, walk.errors


class _Walk:
    """Goes through all selections with the number of parents each may have."""

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]
    ) -> None:
        self.schema, self.variables = schema, dict(variables)
        self.fragments = {
            d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
        }
        self.cost = Cost()
        self.errors: list[ApiError] = []

    def selections(
        self, chosen: SelectionSetNode, parent: Any, count: int, path: Sequence[str]
    ) -> None:
        for selection in chosen.selections:
            if isinstance(selection, FieldNode):
                self.field(selection, parent, count, path)
            elif isinstance(selection, InlineFragmentNode):
                named = selection.type_condition
                kind = self.schema.get_type(named.name.value) if named else parent
                self.selections(selection.selection_set, kind, count, path)
            elif isinstance(selection, FragmentSpreadNode):
                fragment = self.fragments[selection.name.value]
                kind = self.schema.get_type(fragment.type_condition.name.value)
                self.selections(fragment.selection_set, kind, count, path)

    def field(self, node: FieldNode, parent: Any, count: int, path: Sequence[str]) -> None:
        if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            return
        definition = parent.fields.get(node.name.value)
        if definition is None or node.selection_set is None:
            return
        kind = get_named_type(definition.type)
        here = [*path, node.alias.value if node.alias else node.name.value]
        if kind.name.endswith("Connection"):
            self.cost.requests += count
            count *= self.bound(node, here)
            self.cost.nodes += count
        elif node.name.value == "nodes" and parent.name == "Query":
            count *= len(self.argument(node, "ids") or ())
            self.cost.nodes += count
        self.selections(node.selection_set, kind, count, here)

    def argument(self, node: FieldNode, name: str) -> Any:
        for argument in node.arguments:
            if argument.name.value == name:
                return value_from_ast_untyped(argument.value, self.variables)
        return None

    def bound(self, node: FieldNode, path: Sequence[str]) -> int:
        """How many items of a connection may come for one parent."""
        name, value = next(
            (
                (name, value)
                for name in ("first", "last")
                if isinstance(value := self.argument(node, name), int)
            ),
            ("first", None),
        )
        field = node.name.value
        if value is None:
            if self.lists(node.selection_set):
                self.complain(
                    "MISSING_PAGINATION_BOUNDARIES",
                    f"You must provide a `first` or `last` value to properly paginate the "
                    f"`{field}` connection.",
                    node, path,
                )  # fmt: skip
            return 0
        if value > MOST_AT_ONCE:
            self.complain(
                "EXCESSIVE_PAGINATION",
                f"Requesting {value} records on the `{field}` connection exceeds the `{name}` "
                f"limit of {MOST_AT_ONCE} records.",
                node, path,
            )  # fmt: skip
        elif value < 0:
            self.complain(
                "INVALID_CURSOR_ARGUMENTS", f"`{name}` on the `{field}` connection cannot be "
                "less than zero.", node, path,
            )  # fmt: skip
        return max(value, 0)

    def lists(self, chosen: SelectionSetNode | None) -> bool:
        """Whether items of a connection are selected, and not only their number."""
        for selection in chosen.selections if chosen else ():
            if isinstance(selection, FieldNode):
                if selection.name.value in _LISTING:
                    return True
            elif isinstance(selection, FragmentSpreadNode):
                if self.lists(self.fragments[selection.name.value].selection_set):
                    return True
            elif isinstance(selection, InlineFragmentNode) and self.lists(selection.selection_set):
                return True
        return False

    def complain(self, kind: str, message: str, node: FieldNode, path: Sequence[str]) -> None:
        self.errors.append(ApiError(kind, message, nodes=[node], path=list(path)))
