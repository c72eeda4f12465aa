"""Structure of networks and of memberships, against networkx and definitions written out."""

from itertools import combinations
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from network_support import acts_of, small_memberships

from assets.study.networks import bipartite as two_mode
from assets.study.networks import structure as one_mode
from assets.study.networks.acts import Acts, Mode
from assets.study.networks.bipartite import bipartite, local_figures, newman_strengths, squares
from assets.study.networks.files import Columns, read_acts
from assets.study.networks.incidence import Incidence, incidence
from assets.study.networks.projection import Projection, project
from assets.study.networks.structure import (
    betweenness,
    component_sizes,
    core_numbers,
    core_of,
    incidence_component_sizes,
    local_clustering,
    structure,
)

unhurried = settings(deadline=None, database=None)
MODES = st.sampled_from(["repository", "actor"])
REAL = Path(__file__).parents[2] / "shared/data/network"
Graph = "nx.Graph[Any]"


def network(node_count: int, edges: list[tuple[int, int]]) -> Projection:
    kept = sorted({(min(edge), max(edge)) for edge in edges if edge[0] != edge[1]})
    i, j = (np.array([edge[side] for edge in kept], np.int32) for side in (0, 1))
    return Projection(node_count, i, j, np.ones(len(kept)))


def graph(made: Projection) -> Graph:
    found: nx.Graph[Any] = nx.Graph()
    found.add_nodes_from(range(made.node_count))
    found.add_edges_from(zip(made.i.tolist(), made.j.tolist(), strict=True))
    return found


ENDS = st.tuples(st.integers(0, 9), st.integers(0, 9))
NETWORKS = st.builds(network, st.integers(10, 12), st.lists(ENDS, max_size=40))
STAR = network(6, [(0, other) for other in range(1, 6)])
EMPTY = network(0, [])


def random_network(nodes: int, edges: int, seed: int) -> Projection:
    random = np.random.default_rng(seed)
    ends = (nodes * random.random((edges, 2)) ** 2).astype(int)
    return network(nodes, [(one, other) for one, other in ends.tolist()])


# --- components


@unhurried
@given(acts=small_memberships(), mode=MODES)
def test_components_need_no_projection(acts: Acts, mode: Mode) -> None:
    world = incidence(acts, mode)
    made = project(world)
    expected = sorted((len(one) for one in nx.connected_components(graph(made))), reverse=True)
    assert component_sizes(made).tolist() == expected
    assert incidence_component_sizes(world).tolist() == expected


@unhurried
@example(made=EMPTY)
@given(made=NETWORKS)
def test_component_figures_are_as_named(made: Projection) -> None:
    sizes = [len(one) for one in nx.connected_components(graph(made))]
    found = structure(made, 0)
    assert found["components"] == len(sizes)
    assert found["connected_components"] == sum(size > 1 for size in sizes)
    assert found["isolated_nodes"] == sizes.count(1)
    assert found["largest_component"] == max(sizes, default=0)
    share = max(sizes) / sum(sizes) if sizes else None
    assert found["largest_component_share"] == share


# --- cores, triangles, mixing


@unhurried
@given(made=NETWORKS)
def test_core_numbers_equal_networkxs(made: Projection) -> None:
    expected = list(nx.core_number(graph(made)).values())
    assert core_numbers(made).tolist() == expected
    found = structure(made, 0)
    assert found["core_maximum"] == max(expected)
    assert found["core_maximum_nodes"] == expected.count(max(expected))


@unhurried
@example(made=STAR)
@given(made=NETWORKS)
def test_clustering_equals_networkxs(made: Projection) -> None:
    other = graph(made)
    local = list(nx.clustering(other).values())
    assert local_clustering(made).tolist() == pytest.approx(local)
    found = structure(made, 0)
    assert found["clustering_average"] == pytest.approx(nx.average_clustering(other))
    defined = [local[node] for node in other if other.degree(node) > 1]
    if not defined:
        assert found["clustering_average_defined"] is found["transitivity"] is None
        return
    assert found["clustering_average_defined"] == pytest.approx(np.mean(defined))
    assert found["transitivity"] == pytest.approx(nx.transitivity(other))


@unhurried
@example(made=STAR)
@given(made=NETWORKS)
def test_assortativity_equals_networkxs(made: Projection) -> None:
    other = graph(made)
    found = structure(made, 0)["assortativity"]
    if len({other.degree(node) for edge in other.edges for node in edge}) < 2:
        assert found is None
        return
    expected = nx.degree_assortativity_coefficient(other)
    assert found == pytest.approx(expected, abs=1e-12)


# --- betweenness


@unhurried
@example(made=STAR)
@given(made=NETWORKS)
def test_exact_betweenness_equals_networkxs(made: Projection) -> None:
    found = betweenness(made, 0)
    expected = list(nx.betweenness_centrality(graph(made)).values())
    assert found.value.tolist() == pytest.approx(expected)
    assert found.sources is None
    assert not found.standard_error.any()
    figures = structure(made, 0)
    assert figures["betweenness_maximum"] == pytest.approx(max(expected))
    spread = sum(max(expected) - value for value in expected) / (len(expected) - 1)
    assert figures["betweenness_centralization"] == pytest.approx(spread)


def test_a_star_is_wholly_centralised() -> None:
    found = structure(STAR, 0)
    assert found["betweenness_maximum"] == found["betweenness_centralization"] == 1


def test_sampled_betweenness_is_near_the_exact_one_and_knows_its_error() -> None:
    made = random_network(800, 6_000, seed=3)
    exact = betweenness(made, 0).value
    sampled = [betweenness(made, seed, exact_work=0) for seed in range(10)]
    assert {one.sources for one in sampled} == {256}
    at = int(exact.argmax())
    values = np.array([one.value[at] for one in sampled])
    errors = np.array([one.standard_error[at] for one in sampled])
    assert abs(values.mean() - exact[at]) < 4 * values.std(ddof=1) / np.sqrt(len(values))
    assert 0.5 < errors.mean() / values.std(ddof=1) < 2
    assert all(abs(one.value - exact).max() < 0.25 * exact.max() for one in sampled)


def test_larger_networks_are_sampled_from_fewer_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    made = random_network(100, 400, seed=4)
    for work, sources in ((1, 32), (8 * made.edge_count * 20, 160), (10**9, 256)):
        monkeypatch.setattr(one_mode, "SAMPLE_WORK", work)
        assert betweenness(made, 1, exact_work=0).sources == sources


def test_sampled_betweenness_repeats_with_its_seed() -> None:
    made = random_network(300, 2_000, seed=4)
    first, again, other = (
        betweenness(made, seed, exact_work=0).value.tobytes() for seed in (7, 7, 8)
    )
    assert first == again != other


# --- core and periphery


def deviations(made: Projection, core: set[int]) -> int:
    """Pairs that are not as in an ideal core and periphery."""
    linked = set(zip(made.i.tolist(), made.j.tolist(), strict=True))
    return sum(
        (pair in linked) != (pair[0] in core)
        for pair in combinations(range(made.node_count), 2)
        if (pair[0] in core) == (pair[1] in core)
    )


@unhurried
@example(made=STAR)
@given(
    made=st.builds(
        network, st.integers(0, 8),
        st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=25),
    ).filter(lambda made: made.node_count > max(made.j, default=-1))
)  # fmt: skip
def test_no_other_core_deviates_less(made: Projection) -> None:
    found = deviations(made, set(core_of(made.degrees()).tolist()))
    every = (
        deviations(made, set(core))
        for size in range(made.node_count + 1)
        for core in combinations(range(made.node_count), size)
    )
    assert found == min(every)


@unhurried
@given(made=NETWORKS)
def test_the_fit_of_a_core_is_a_correlation(made: Projection) -> None:
    found = structure(made, 0)
    core = set(core_of(made.degrees()).tolist())
    linked = set(zip(made.i.tolist(), made.j.tolist(), strict=True))
    pairs = [
        (float(pair in linked), float(pair[0] in core))
        for pair in combinations(range(made.node_count), 2)
        if (pair[0] in core) == (pair[1] in core)
    ]
    columns = np.array(pairs).T
    if min(np.ptp(column) for column in columns) == 0:
        assert found["core_fit"] is None
    else:
        assert found["core_fit"] == pytest.approx(np.corrcoef(columns)[0, 1])
    within = [linked for linked, is_core in pairs if is_core]
    around = [linked for linked, is_core in pairs if not is_core]
    for name, values in (("core_density", within), ("periphery_density", around)):
        assert found[name] == (pytest.approx(np.mean(values)) if values else None)
    assert (found["core_size"], found["core_share"]) == (len(core), len(core) / made.node_count)


def test_a_planted_core_is_found() -> None:
    core = list(combinations(range(12), 2))
    made = network(60, [*core, *((node, node % 12) for node in range(12, 60))])
    assert core_of(made.degrees()).tolist() == list(range(12))
    found = structure(made, 0)
    assert (found["core_fit"], found["core_density"], found["periphery_density"]) == (1, 1, 0)


# --- all of a network


def test_an_empty_network_has_figures_without_numbers() -> None:
    found = structure(EMPTY, 0)
    counts = {name: value for name, value in found.items() if value is not None}
    assert set(counts.values()) == {0}
    assert found["transitivity"] is found["core_fit"] is found["betweenness_maximum"] is None


def test_figures_repeat() -> None:
    made = random_network(200, 900, seed=1)
    assert structure(made, 5) == structure(made, 5)


# --- memberships


def two_mode_graph(world: Incidence) -> Graph:
    found: nx.Graph[Any] = nx.Graph()
    found.add_nodes_from(range(world.node_count), bipartite=0)
    found.add_nodes_from(range(world.node_count, world.node_count + world.hub_count), bipartite=1)
    hubs = (world.hub + world.node_count).tolist()
    found.add_edges_from(zip(world.node_of_membership().tolist(), hubs, strict=True))
    return found


@unhurried
@given(acts=small_memberships(), mode=MODES)
def test_squares_and_clustering_equal_networkxs(acts: Acts, mode: Mode) -> None:
    world = incidence(acts, mode)
    other = two_mode_graph(world)
    hubs = [set(other[node]) for node in range(world.node_count)]
    shared = (len(one & another) for one, another in combinations(hubs, 2))
    assert squares(world) == sum(count * (count - 1) // 2 for count in shared)
    found = two_mode.clustering(world)
    if found is None:
        ends = (
            (other.degree(one) - 1) * (other.degree(another) - 1) for one, another in other.edges
        )
        assert sum(ends) == 0
    else:
        assert found == pytest.approx(nx.bipartite.robins_alexander_clustering(other))


@unhurried
@given(acts=small_memberships(), mode=MODES, steps=st.integers(1, 50))
def test_neighbourhoods_equal_networkxs(acts: Acts, mode: Mode, steps: int) -> None:
    world = incidence(acts, mode)
    other = two_mode_graph(world)
    nodes = np.arange(world.node_count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(two_mode, "BLOCK_STEPS", steps)
        found = local_figures(world, nodes)
    expected = nx.bipartite.latapy_clustering(other, nodes.tolist())
    assert found.clustering.tolist() == pytest.approx(list(expected.values()))
    wide = np.flatnonzero(world.sizes > 1)
    assert np.isnan(np.delete(found.redundancy, wide)).all()
    redundancy = nx.bipartite.node_redundancy(other, wide.tolist())
    assert found.redundancy[wide].tolist() == pytest.approx(list(redundancy.values()))
    some = local_figures(world, nodes[::3])
    assert some.clustering.tolist() == found.clustering[::3].tolist()


@unhurried
@given(acts=small_memberships(), mode=MODES)
def test_newman_strengths_are_sums_of_newman_weights(acts: Acts, mode: Mode) -> None:
    world = incidence(acts, mode)
    expected = project(world, "newman").strengths().tolist()
    assert newman_strengths(world).tolist() == pytest.approx(expected)


@unhurried
@given(acts=small_memberships(), mode=MODES)
def test_the_figures_of_memberships_are_as_named(acts: Acts, mode: Mode) -> None:
    world = incidence(acts, mode)
    other = two_mode_graph(world)
    found = bipartite(world, 0)
    nodes = range(world.node_count)
    assert found["density"] == pytest.approx(nx.bipartite.density(other, nodes))
    for name, side in (("node", nodes), ("hub", set(other) - set(nodes))):
        degrees = np.array([other.degree(node) for node in side])
        assert found[f"{name}_degree_mean"] == pytest.approx(degrees.mean())
        assert found[f"{name}_degree_square_mean"] == pytest.approx((degrees**2).mean())
        assert found[f"{name}_degree_maximum"] == degrees.max()
    joined = [len(one & set(nodes)) for one in nx.connected_components(other)]
    assert found["components"] == sum(size > 0 for size in joined)
    assert found["largest_component"] == max(joined)
    local = nx.bipartite.latapy_clustering(other, nodes)
    assert found["local_clustering"] == pytest.approx(np.mean(list(local.values())))
    assert found["local_nodes"] == world.node_count
    assert found["local_clustering_error"] == 0


def test_a_sample_of_neighbourhoods_is_near_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    actor, repository = (1_500 * random.random(6_000) ** 2), (300 * random.random(6_000) ** 2)
    acts = acts_of([(int(a), int(r), 0) for a, r in zip(actor, repository, strict=True)])
    world = incidence(acts, "actor")
    exact = bipartite(world, 0)
    monkeypatch.setattr(two_mode, "EXACT_STEPS", 0)
    monkeypatch.setattr(two_mode, "SAMPLE", 400)
    sampled = [bipartite(world, seed) for seed in range(10)]
    assert sampled[0] == bipartite(world, 0)
    assert sampled[0]["local_nodes"] == 400
    for name in ("local_clustering", "redundancy"):
        values = np.array([one[name] for one in sampled], float)
        errors = np.array([one[f"{name}_error"] for one in sampled], float)
        assert (abs(values - float(exact[name] or 0)) < 4 * errors).all()
        assert 0.5 < errors.mean() / values.std(ddof=1) < 2


@pytest.mark.parametrize("mode", ["repository", "actor"])
def test_no_memberships_have_figures(mode: Mode) -> None:
    for world in (incidence(acts_of([]), mode), incidence(acts_of([], 3, 4), mode)):
        found = bipartite(world, 0)
        assert found["squares"] == found["memberships"] == 0
        assert found["clustering"] is found["redundancy"] is None


# --- real files


@pytest.mark.parametrize(
    ("file", "columns", "mode"),
    [
        ("filecoin_github_events_2025", Columns("git_user", "git_repo", "date"), "repository"),
        ("human_activities_2022-11_2023-01", Columns("contributor", "repository", "date"), "actor"),
    ],
)
def test_real_networks_equal_networkx(file: str, columns: Columns, mode: Mode) -> None:
    path = REAL / f"{file}.csv.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    world = incidence(read_acts(path, columns).acts, mode)
    made = project(world)
    other, found = graph(made), structure(made, 0)
    sizes = sorted((len(one) for one in nx.connected_components(other)), reverse=True)
    assert component_sizes(made).tolist() == incidence_component_sizes(world).tolist() == sizes
    assert core_numbers(made).tolist() == list(nx.core_number(other).values())
    assert found["transitivity"] == pytest.approx(nx.transitivity(other))
    assert found["clustering_average"] == pytest.approx(nx.average_clustering(other))
    assert found["assortativity"] == pytest.approx(nx.degree_assortativity_coefficient(other))
    between = nx.betweenness_centrality(other)
    assert found["betweenness_maximum"] == pytest.approx(max(between.values()))
    pairs = two_mode_graph(world)
    assert bipartite(world, 0)["clustering"] == two_mode.clustering(world)
    expected = nx.bipartite.robins_alexander_clustering(pairs)
    assert two_mode.clustering(world) == pytest.approx(expected)
