"""Projections: every edge and weight against definitions, networkx and what does not fit."""

import gzip
from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from network_support import acts_of, reference_graph, small_acts, small_memberships

from assets.study.networks import projection
from assets.study.networks.acts import DAY, Acts, Mode, Window
from assets.study.networks.degrees import projected_degrees
from assets.study.networks.files import Columns, read_acts
from assets.study.networks.incidence import Incidence, incidence, windowed_incidence
from assets.study.networks.projection import (
    Projection,
    estimated_bytes,
    project,
    project_windowed,
)
from orchestration.failures import PermanentFailure

unhurried = settings(deadline=None, database=None)
MODES = st.sampled_from(["repository", "actor"])
REAL = Path(__file__).parents[2] / "shared/data/network"


def weights_of(made: Projection) -> dict[tuple[int, int], float]:
    edges = zip(made.i.tolist(), made.j.tolist(), made.weight.tolist(), strict=True)
    return {(i, j): weight for i, j, weight in edges}


def defined_weights(world: Incidence, weight: str) -> dict[tuple[int, int], float]:
    """Weights as their definitions say, hub by hub."""
    members = defaultdict(list)
    for node, hub in zip(world.node_of_membership().tolist(), world.hub.tolist(), strict=True):
        members[hub].append(node)
    found: defaultdict[tuple[int, int], float] = defaultdict(float)
    for one in members.values():
        for pair in combinations(sorted(one), 2):
            found[pair] += 1 / (len(one) - 1) if weight == "newman" else 1
    return {pair: 1.0 if weight == "none" else value for pair, value in found.items()}


@unhurried
@given(acts=small_memberships(), mode=MODES, weight=st.sampled_from(projection.WEIGHTS))
def test_edges_and_weights_are_as_defined(acts: Acts, mode: Mode, weight: Any) -> None:
    world = incidence(acts, mode)
    made = project(world, weight)
    assert weights_of(made) == pytest.approx(defined_weights(world, weight))
    assert made.node_count == world.node_count
    assert made.degrees().tolist() == projected_degrees(world).tolist()
    assert list(weights_of(made)) == sorted(weights_of(made))
    assert (made.i.dtype, made.j.dtype, made.weight.dtype) == (np.int32, np.int32, np.float64)


@unhurried
@given(acts=small_memberships())
def test_newman_weights_equal_networkxs(acts: Acts) -> None:
    world = incidence(acts, "actor")
    graph: nx.Graph[Any] = nx.Graph()
    graph.add_nodes_from(range(world.node_count), bipartite=0)
    hubs = world.hub + world.node_count
    graph.add_edges_from(zip(world.node_of_membership().tolist(), hubs.tolist(), strict=True))
    expected = nx.bipartite.collaboration_weighted_projected_graph(graph, range(world.node_count))
    made = project(world, "newman")
    assert weights_of(made) == pytest.approx(
        {(min(i, j), max(i, j)): weight for i, j, weight in expected.edges(data="weight")}
    )
    strength = expected.degree(weight="weight")
    assert made.strengths().tolist() == pytest.approx([strength[node] for node in expected])


@unhurried
@given(acts=small_memberships(), entries=st.integers(1, 30))
def test_the_size_of_blocks_changes_nothing(acts: Acts, entries: int) -> None:
    world = incidence(acts, "repository")
    whole = project(world, "newman")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(projection, "BLOCK_ENTRIES", entries)
        blocked = project(world, "newman")
    for one, other in ((whole.i, blocked.i), (whole.j, blocked.j), (whole.weight, blocked.weight)):
        assert one.tobytes() == other.tobytes()


WINDOWS = st.one_of(
    st.builds(Window, st.just("pairwise_gap"), st.integers(DAY, 15 * DAY)),
    st.builds(Window, st.just("trailing"), st.integers(DAY, 15 * DAY)),
    st.builds(Window, st.just("calendar"), st.integers(DAY, 15 * DAY)),
    st.just(Window("none")),
    st.just(Window("pairwise_gap", None)),
)


@unhurried
@given(acts=small_acts(), mode=MODES, window=WINDOWS)
def test_a_windows_edges_equal_the_reference(acts: Acts, mode: Mode, window: Window) -> None:
    made = project_windowed(acts, mode, window)
    expected = reference_graph(acts, mode, window)
    assert sorted(weights_of(made)) == sorted((min(edge), max(edge)) for edge in expected.edges)
    assert set(made.weight.tolist()) <= {1.0}
    assert made.node_count == len(expected)


@unhurried
@given(acts=small_acts(), window=WINDOWS)
def test_a_windows_weights_are_those_of_its_memberships(acts: Acts, window: Window) -> None:
    plain = windowed_incidence(acts, "actor", window)
    if plain is None:
        with pytest.raises(PermanentFailure, match="have no weight shared"):
            project_windowed(acts, "actor", window, "shared")
        return
    made = project_windowed(acts, "actor", window, "shared")
    assert weights_of(made) == defined_weights(plain, "shared")


def test_what_does_not_fit_is_refused_with_its_size_before_it_is_made() -> None:
    count = 3_000
    acts = acts_of([(actor, 0, 0) for actor in range(count)])
    edges = count * (count - 1) // 2
    needed = estimated_bytes(edges)
    size = f"{edges:,} edges, about {needed / 1e9:,.1f} GB; 0.1 GB are allowed"
    with pytest.raises(PermanentFailure, match=size) as told:
        project(incidence(acts, "actor"), most_bytes=10**8)
    assert "study.networks.most_projection_gb" in told.value.remedy
    assert project(incidence(acts, "actor"), most_bytes=needed).edge_count == edges


def test_a_window_that_does_not_fit_is_refused() -> None:
    acts = acts_of([(actor, 0, actor % 2 * 9 * DAY) for actor in range(100)])
    window = Window("pairwise_gap", 2 * DAY)
    edges = 2 * (50 * 49 // 2)
    assert project_windowed(acts, "actor", window).edge_count == edges
    with pytest.raises(PermanentFailure, match=f"{edges:,} edges"):
        project_windowed(acts, "actor", window, most_bytes=estimated_bytes(edges) - 1)


@pytest.mark.parametrize("mode", ["repository", "actor"])
def test_no_acts_make_no_edges(mode: Mode) -> None:
    for made in (
        project(incidence(acts_of([]), mode)),
        project_windowed(acts_of([], 3, 4), mode, Window("pairwise_gap", DAY)),
    ):
        assert made.edge_count == 0
        assert made.degrees().tolist() == made.strengths().tolist() == [0] * made.node_count


@unhurried
@example(edges=0, more=1)
@given(edges=st.integers(0, 10**10), more=st.integers(1, 10**10))
def test_the_estimate_grows_with_the_edges(edges: int, more: int) -> None:
    assert estimated_bytes(edges) < estimated_bytes(edges + more)


def test_real_shared_repositories_equal_a_count_by_hand() -> None:
    path = REAL / "filecoin_github_events_2025.csv.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    table = read_acts(path, Columns("git_user", "git_repo", "date"))
    made = project(incidence(table.acts, "repository"), "shared")
    users = defaultdict(set)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            _, repository, user, *_ = line.rstrip("\n").split(",")
            users[repository].add(user)
    expected = {
        pair: float(len(users[pair[0]] & users[pair[1]]))
        for pair in combinations(sorted(users), 2)
        if users[pair[0]] & users[pair[1]]
    }
    names = table.repositories.tolist()
    assert {
        tuple(sorted((names[i], names[j]))): weight for (i, j), weight in weights_of(made).items()
    } == expected
