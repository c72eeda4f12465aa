"""Random small worlds of dated acts, and networks of them by brute force.

Belongs here: hypothesis strategies and references that read like definitions. Does not belong
here: tests.
"""

from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import networkx as nx
import numpy as np
from hypothesis import strategies as st

from assets.study.networks.acts import DAY, Acts, Mode, Window

Act = tuple[int, int, int]


def acts_of(acts: list[Act], actors: int | None = None, repositories: int | None = None) -> Acts:
    """Single acts (actor, repository, microseconds)."""
    actor, repository, at = (
        np.array([act[column] for act in acts], kind)
        for column, kind in ((0, np.int32), (1, np.int32), (2, np.int64))
    )
    return Acts(
        actor,
        repository,
        at,
        at,
        max(actor, default=-1) + 1 if actors is None else actors,
        max(repository, default=-1) + 1 if repositories is None else repositories,
    )


def by_day(acts: Acts) -> Acts:
    """The same acts, one row for all acts of an actor on a repository within a UTC day."""
    rows: dict[tuple[int, int, int], tuple[int, int]] = {}
    columns = (acts.actor.tolist(), acts.repository.tolist(), acts.first.tolist())
    for actor, repository, at in zip(*columns, strict=True):
        key = (actor, repository, at // DAY)
        first, last = rows.get(key, (at, at))
        rows[key] = (min(first, at), max(last, at))
    keys, spans = list(rows), list(rows.values())
    return Acts(
        np.array([key[0] for key in keys], np.int32),
        np.array([key[1] for key in keys], np.int32),
        np.array([span[0] for span in spans], np.int64),
        np.array([span[1] for span in spans], np.int64),
        acts.actor_count,
        acts.repository_count,
    )


def small_acts(
    step: int = DAY // 3, most: int = 40, before_1970: bool = True
) -> st.SearchStrategy[Acts]:
    """Worlds of few actors, repositories and instants, so that everything coincides."""
    low = -20 if before_1970 else 0
    act = st.tuples(st.integers(0, 7), st.integers(0, 5), st.integers(low, 60).map(step.__mul__))
    spare = st.integers(0, 2)
    return st.builds(
        lambda acts, more_actors, more_repositories: acts_of(
            acts, 8 + more_actors, 6 + more_repositories
        ),
        st.lists(act, max_size=most),
        spare,
        spare,
    )


def small_memberships(most: int = 40) -> st.SearchStrategy[Acts]:
    """Worlds whose acts are all of one instant."""
    pair = st.tuples(st.integers(0, 11), st.integers(0, 7), st.just(0))
    return st.lists(pair, max_size=most).map(lambda acts: acts_of(acts, 12, 8))


def reference_graph(acts: Acts, mode: Mode, window: Window) -> "nx.Graph[Any]":
    """The network by comparing every two acts; for single acts."""
    node, node_count = acts.nodes(mode)
    hub, _ = acts.hubs(mode)
    rows = list(zip(node.tolist(), hub.tolist(), acts.first.tolist(), strict=True))
    latest = max((at for *_, at in rows), default=0)
    graph: nx.Graph[Any] = nx.Graph()
    graph.add_nodes_from(range(node_count))
    for (one, mine, here), (other, theirs, there) in combinations(rows, 2):
        if one != other and mine == theirs and is_link(here, there, window, latest):
            graph.add_edge(one, other)
    return graph


def is_link(here: int, there: int, window: Window, latest: int) -> bool:
    """Whether two instants are within a window, as its definition says."""
    if window.semantics == "none":
        return True
    if window.semantics == "pairwise_gap":
        return window.width is None or abs(here - there) <= window.width
    if window.semantics == "trailing":
        end = latest if window.snapshot is None else window.snapshot
        return all(
            at <= end and (window.width is None or end - at <= window.width) for at in (here, there)
        )
    return period(here, window) == period(there, window)


def period(at: int, window: Window) -> int:
    """Number of a calendar window's period."""
    if window.months is not None:
        day = datetime.fromtimestamp(at // 1_000_000, UTC)
        return (day.year * 12 + day.month - 1 - 1970 * 12) // window.months
    return 0 if window.width is None else at // window.width


def degrees_of(graph: "nx.Graph[Any]") -> list[int]:
    """Degrees in the order of the nodes' codes."""
    return [int(graph.degree(node)) for node in range(graph.number_of_nodes())]


def edges_of(graph: "nx.Graph[Any]") -> list[tuple[int, int]]:
    """Edges with the smaller end first, ascending."""
    return sorted((min(edge), max(edge)) for edge in graph.edges())
