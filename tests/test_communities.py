"""Communities: networkx, planted worlds, runs repeated, projections that are never built."""

from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import adjusted_mutual_info_score

from assets.study.networks import communities
from assets.study.networks.acts import Acts, Window
from assets.study.networks.communities import (
    METHODS,
    Edges,
    Method,
    agreed_shares,
    consensus,
    edges_of,
    ensemble,
    leiden,
    louvain,
    modularity,
    resolution_sweep,
)
from assets.study.networks.community_study import (
    Request,
    agreement_figures,
    communities_of_acts,
    communities_of_edges,
)
from assets.study.networks.implicit import (
    Added,
    Implicit,
    Moving,
    barber_modularity,
    bipartite_edges,
)
from assets.study.networks.incidence import Incidence, incidence_of
from assets.study.networks.projection import project
from orchestration.failures import PermanentFailure

unhurried = settings(deadline=None, database=None, max_examples=100)
ADDED: tuple[Added, ...] = ("newman", "shared")
# An implicit run on planted communities has at least this share of the modularity of NetworKit's
# run on the projection, as a mean of five seeds.
SHARE = 0.95


@st.composite
def graphs(draw: st.DrawFn) -> Edges:
    """Small graphs, some without edges, some with weights and loops."""
    nodes = draw(st.integers(1, 12))
    node = st.integers(0, nodes - 1)
    pairs = draw(st.lists(st.tuples(node, node, st.integers(1, 5)), max_size=30))
    i, j, weight = np.array(pairs, np.int64).reshape(-1, 3).T
    return edges_of(nodes, i, j, weight if draw(st.booleans()) else None)


@st.composite
def incidences(draw: st.DrawFn) -> Incidence:
    nodes, hubs = draw(st.integers(1, 12)), draw(st.integers(1, 7))
    pair = st.tuples(st.integers(0, nodes - 1), st.integers(0, hubs - 1))
    node, hub = np.array(draw(st.lists(pair, max_size=35)), np.int64).reshape(-1, 2).T
    return incidence_of(node, hub, nodes, hubs)


def graph_of(edges: Edges) -> Any:
    graph = nx.Graph()
    graph.add_nodes_from(range(edges.node_count))
    weight = np.ones(len(edges.i)) if edges.weight is None else edges.weight
    graph.add_weighted_edges_from(
        zip(edges.i.tolist(), edges.j.tolist(), weight.tolist(), strict=True)
    )
    return graph


def parts(labels: NDArray[Any]) -> list[set[int]]:
    return [set(np.flatnonzero(labels == one).tolist()) for one in np.unique(labels)]


def planted(
    nodes: int = 600, groups: int = 12, degree: int = 16, inside: float = 0.7, seed: int = 0
) -> tuple[NDArray[np.int64], Edges]:
    """A graph with known communities."""
    rng = np.random.default_rng(seed)
    truth = np.sort(rng.integers(0, groups, nodes))
    i = rng.integers(0, nodes, nodes * degree // 2)
    first, last = np.searchsorted(truth, truth[i]), np.searchsorted(truth, truth[i], "right")
    near = first + (rng.random(i.size) * (last - first)).astype(np.int64)
    j = np.where(rng.random(i.size) < inside, near, rng.integers(0, nodes, i.size))
    return truth, edges_of(nodes, i[i != j], j[i != j])


def planted_memberships(
    nodes: int, hubs: int, per_node: int, groups: int, seed: int = 0
) -> tuple[NDArray[np.int64], Incidence]:
    """Nodes, three quarters of whose hubs are of their own group; hubs of unequal sizes."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, groups, nodes)
    node = np.repeat(np.arange(nodes), rng.integers(1, 2 * per_node, nodes))
    share = 1 / (1 + np.arange(hubs)) ** 0.5
    hub = rng.choice(hubs, node.size, p=share / share.sum())
    own = np.minimum(hub // groups * groups + truth[node], hubs - 1)
    hub = np.where(rng.random(node.size) < 0.75, own, hub)
    return truth, incidence_of(node, hub, nodes, hubs)


# --- graphs


@unhurried
@given(edges=graphs(), resolution=st.floats(0.1, 3), data=st.data())
def test_modularity_equals_networkx(edges: Edges, resolution: float, data: st.DataObject) -> None:
    nodes = edges.node_count
    labels = np.array(data.draw(st.lists(st.integers(0, 4), min_size=nodes, max_size=nodes)))
    found = modularity(edges, labels, resolution)
    if not len(edges.i):
        assert found == 0.0
        return
    expected = nx.community.modularity(graph_of(edges), parts(labels), resolution=resolution)
    assert found == pytest.approx(expected, abs=1e-12)


@unhurried
@given(edges=graphs())
def test_engine_knows_the_same_graph(edges: Edges) -> None:
    import networkit as nk

    labels = louvain(edges, 0)
    if not len(edges.i):
        return
    partition = nk.Partition(edges.node_count)
    partition.setUpperBound(edges.node_count)
    for node, label in enumerate(labels.tolist()):
        partition.addToSubset(label, node)
    theirs = nk.community.Modularity().getQuality(partition, communities.graph_of(edges))
    assert modularity(edges, labels) == pytest.approx(theirs, abs=1e-9)


@unhurried
@given(edges=graphs(), data=st.data())
def test_order_and_direction_of_pairs_change_nothing(edges: Edges, data: st.DataObject) -> None:
    order = np.array(data.draw(st.permutations(range(len(edges.i)))), np.int64)
    weight = None if edges.weight is None else edges.weight[order]
    turned = edges_of(edges.node_count, edges.j[order], edges.i[order], weight)
    assert (turned.i == edges.i).all() and (turned.j == edges.j).all()
    assert edges.weight is None or (turned.weight == edges.weight).all()


def test_repeated_pairs_are_one_edge_and_their_weights_add_up() -> None:
    i, j = np.array([0, 1, 2]), np.array([1, 0, 0])
    assert edges_of(3, i, j).i.tolist() == [0, 0]
    weighted = edges_of(3, i, j, np.array([1.0, 2.5, 4.0]))
    assert weighted.weight is not None and weighted.weight.tolist() == [3.5, 4.0]


@pytest.mark.parametrize("method", METHODS)
def test_planted_communities_are_found(method: Method) -> None:
    truth, edges = planted()
    for labels in ensemble(edges, method, range(5)):
        assert adjusted_mutual_info_score(truth, labels) > 0.9
        assert (np.diff(np.bincount(labels)) <= 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_runs_are_about_as_good_as_networkx(method: Method) -> None:
    _, edges = planted(inside=0.5)
    theirs = nx.community.louvain_communities(graph_of(edges), seed=1)
    expected = nx.community.modularity(graph_of(edges), theirs)
    values = [modularity(edges, one) for one in ensemble(edges, method, range(5))]
    assert np.mean(values) > 0.95 * expected


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_repeats_a_run_and_another_seed_differs(method: Method) -> None:
    _, edges = planted(inside=0.3)
    runs = ensemble(edges, method, [4, 4, 5, 6])
    assert (runs[0] == runs[1]).all()
    assert any((runs[0] != one).any() for one in runs[2:])
    one = {"louvain": louvain, "leiden": leiden}[method](edges, 5)
    assert (one == runs[2]).all()


def test_runs_do_not_depend_on_processes_or_threads() -> None:
    import networkit as nk

    _, edges = planted(inside=0.3)
    weighted = Edges(edges.node_count, edges.i, edges.j, 1.0 + np.arange(len(edges.i)) % 3)
    nk.setNumberOfThreads(2)
    alone = ensemble(weighted, "louvain", range(5), 1.5, workers=1)
    assert nk.getMaxNumberOfThreads() == 2
    assert (ensemble(weighted, "louvain", range(5), 1.5, workers=2) == alone).all()


def test_a_process_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _, edges = planted()
    monkeypatch.setattr(communities.sys, "executable", "/bin/false")
    with pytest.raises(PermanentFailure, match="ended with 1"):
        ensemble(edges, "louvain", range(2), workers=2)


def test_higher_resolutions_give_more_communities() -> None:
    _, edges = planted(groups=12)
    rows = resolution_sweep(edges, (0.05, 1.0, 8.0), "louvain", range(3))
    counts = [row["communities_mean"] for row in rows]
    assert counts[0] < counts[1] < counts[2]
    assert rows[1]["ami_mean"] > 0.9
    assert rows[1]["modularity"] == pytest.approx(rows[1]["modularity_at_resolution"])
    assert resolution_sweep(edges, (1.0,), "louvain", [1])[0]["ami_mean"] is None


@pytest.mark.parametrize("nodes", [0, 1, 5])
def test_without_edges_every_node_is_alone(nodes: int) -> None:
    none = np.empty(0, np.int64)
    edges = Edges(nodes, none, none)
    runs = ensemble(edges, "louvain", range(3))
    assert runs.tolist() == [list(range(nodes))] * 3
    assert consensus(edges, runs).tolist() == list(range(nodes))
    assert communities_of_edges(edges, Request(runs=3)).figures["communities"] == nodes


def test_unknown_methods_are_refused() -> None:
    with pytest.raises(PermanentFailure, match="no method walktrap"):
        ensemble(planted()[1], "walktrap", [1])


# --- consensus


@unhurried
@given(edges=graphs(), data=st.data())
def test_shares_of_runs_that_agree_are_counted(edges: Edges, data: st.DataObject) -> None:
    nodes = edges.node_count
    row = st.lists(st.integers(0, 3), min_size=nodes, max_size=nodes)
    runs = np.array(data.draw(st.lists(row, min_size=1, max_size=6)), np.int32)
    expected = [np.mean([run[i] == run[j] for run in runs])
                for i, j in zip(edges.i, edges.j, strict=True)]  # fmt: skip
    assert agreed_shares(edges, runs).tolist() == pytest.approx(expected)


def test_runs_that_agree_are_their_consensus() -> None:
    _, edges = planted(inside=0.9)
    labels = louvain(edges, 1)
    assert (consensus(edges, np.tile(labels, (4, 1))) == labels).all()


def test_consensus_is_nearer_the_truth_than_runs_are() -> None:
    gained = []
    for seed in range(2):
        truth, edges = planted(nodes=1200, groups=20, degree=14, inside=0.5, seed=seed)
        runs = ensemble(edges, "louvain", range(30))
        labels = consensus(edges, runs, seed=1)
        assert (labels == consensus(edges, runs, seed=1)).all()
        of_runs = np.mean([adjusted_mutual_info_score(truth, one) for one in runs])
        gained.append(adjusted_mutual_info_score(truth, labels) - of_runs)
        assert modularity(edges, labels) > 0.95 * np.mean([modularity(edges, one) for one in runs])
    assert np.mean(gained) > 0.02, gained


# --- projections that are never built


@unhurried
@given(known=incidences(), weight=st.sampled_from(ADDED), data=st.data())
def test_implicit_modularity_equals_that_of_the_projection(
    known: Incidence, weight: Added, data: st.DataObject
) -> None:
    nodes = known.node_count
    labels = np.array(data.draw(st.lists(st.integers(0, 3), min_size=nodes, max_size=nodes)))
    resolution = data.draw(st.floats(0.1, 3))
    made = project(known, weight)
    hidden = Implicit(known, weight)
    np.testing.assert_allclose(hidden.strengths, made.strengths(), atol=1e-12)
    found = hidden.modularity(labels, resolution)
    edges = Edges(nodes, made.i, made.j, made.weight)
    assert found == pytest.approx(modularity(edges, labels, resolution), abs=1e-12)
    if made.edge_count:
        theirs = nx.community.modularity(graph_of(edges), parts(labels), resolution=resolution)
        assert found == pytest.approx(theirs, abs=1e-12)


@unhurried
@given(known=incidences(), weight=st.sampled_from(ADDED), data=st.data())
def test_best_moves_gain_what_they_say(
    known: Incidence, weight: Added, data: st.DataObject
) -> None:
    moving = Moving(Implicit(known, weight), data.draw(st.floats(0.3, 2)))
    count = moving.class_count
    labels = np.array(data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)))
    if not moving.total:
        return
    target, gain = moving.best_moves(labels, np.arange(count))
    start = moving.quality(labels)
    for one in range(count):
        moved = labels.copy()
        moved[one] = target[one]
        gained = moving.quality(moved) - start
        if target[one] != labels[one]:
            # Twice the gain in weight for each node of the class, over all weight twice.
            assert gained == pytest.approx(
                gain[one] * 2 * moving.count[one] / moving.total, abs=1e-9
            )
        # No community that shares a hub with the class is better.
        for other in range(4):
            moved[one] = other
            shares = moving.weighted[[one]] @ moving.counts(labels)
            if other in shares.indices[shares.data > 0] and other != labels[one]:
                assert moving.quality(moved) - start <= gained + 1e-9


@settings(unhurried, max_examples=40)
@given(known=incidences(), weight=st.sampled_from(ADDED))
def test_merging_communities_is_louvain_on_their_exact_graph(
    known: Incidence, weight: Added
) -> None:
    moving = Moving(Implicit(known, weight), 1.0)
    if not moving.total:
        return
    labels = np.arange(moving.class_count)
    made = project(known, weight)
    edges = Edges(known.node_count, made.i, made.j, made.weight)
    merged = moving.merged(labels, 1)
    assert moving.quality(merged) >= moving.quality(labels) - 1e-12
    assert moving.quality(merged) == pytest.approx(modularity(edges, merged[moving.of_node]))


@pytest.mark.parametrize("weight", ADDED)
@pytest.mark.parametrize(("nodes", "hubs", "groups"), [(1500, 500, 10), (1500, 1500, 25)])
def test_implicit_runs_are_as_good_as_runs_on_the_projection(
    weight: Added, nodes: int, hubs: int, groups: int
) -> None:
    _, known = planted_memberships(nodes, hubs, 3, groups)
    made = project(known, weight)
    edges = Edges(nodes, made.i, made.j, made.weight)
    theirs = np.mean([modularity(edges, one) for one in ensemble(edges, "louvain", range(5))])
    hidden = Implicit(known, weight)
    runs = hidden.louvain(range(5))
    assert np.mean([hidden.modularity(one) for one in runs]) > SHARE * theirs
    assert (runs == hidden.louvain(range(5))).all()


def test_nodes_that_share_no_hub_are_alone() -> None:
    known = incidence_of(np.array([0, 1, 2, 3, 3]), np.array([0, 0, 1, 0, 2]), 6, 3)
    labels = Implicit(known, "newman").louvain([1])[0]
    assert labels.tolist() == [0, 0, 1, 0, 2, 3]


@unhurried
@given(known=incidences(), weight=st.sampled_from(ADDED))
def test_sampled_links_are_of_the_projection(known: Incidence, weight: Added) -> None:
    made = project(known, weight)
    sample = Implicit(known, weight).sampled(per_node=5, seed=1)
    links = set(zip(made.i.tolist(), made.j.tolist(), strict=True))
    drawn = list(zip(sample.i.tolist(), sample.j.tolist(), strict=True))
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) <= links
    assert bool(drawn) <= bool(links)


# --- the bipartite graph


@unhurried
@given(known=incidences(), data=st.data())
def test_barber_modularity_is_its_double_sum(known: Incidence, data: st.DataObject) -> None:
    both = known.node_count + known.hub_count
    labels = np.array(data.draw(st.lists(st.integers(0, 3), min_size=both, max_size=both)))
    table = known.scipy().toarray()
    total = table.sum()
    expected = sum(
        (table[node, hub] - table[node].sum() * table[:, hub].sum() / total) / total
        for node in range(known.node_count)
        for hub in range(known.hub_count)
        if total and labels[node] == labels[known.node_count + hub]
    )
    assert barber_modularity(known, labels) == pytest.approx(expected, abs=1e-12)


def test_bipartite_communities_are_found() -> None:
    truth, known = planted_memberships(1500, 300, 4, 6)
    labels = leiden(bipartite_edges(known), 1)
    assert labels.size == known.node_count + known.hub_count
    assert adjusted_mutual_info_score(truth, labels[: known.node_count]) > 0.3
    assert barber_modularity(known, labels) > 0.3
    assert graph_of(bipartite_edges(known)).number_of_edges() == known.hub.size


# --- a study's network


def acts_of(known: Incidence) -> Acts:
    at = np.zeros(known.hub.size, np.int64)
    node = known.node_of_membership()
    return Acts(node, known.hub, at, at, known.node_count, known.hub_count)


def test_what_does_not_fit_is_never_built() -> None:
    truth, known = planted_memberships(800, 200, 3, 5)
    acts, request = acts_of(known), Request(runs=5, seed=1)
    built = communities_of_acts(acts, "actor", Window("none"), request)
    hidden = communities_of_acts(acts, "actor", Window("none"), request, most_bytes=1)
    assert (built.figures["way"], hidden.figures["way"]) == ("projection", "implicit")
    assert hidden.figures["edges"] == built.figures["edges"]
    assert hidden.figures["isolated_nodes"] == built.figures["isolated_nodes"]
    assert hidden.figures["modularity"] == pytest.approx(
        Implicit(known, "newman").modularity(hidden.labels)
    )
    assert adjusted_mutual_info_score(truth, hidden.labels) > 0.3
    dated = Acts(acts.actor, acts.repository, *[np.arange(acts.actor.size)] * 2, 800, 200)
    with pytest.raises(PermanentFailure, match="GB"):
        communities_of_acts(dated, "actor", Window("pairwise_gap", 1), request, most_bytes=1)


def test_figures_tell_runs_and_their_consensus() -> None:
    _, edges = planted(inside=0.4)
    found = communities_of_edges(edges, Request(runs=6, seed=2, sweep=(0.5, 2.0), sweep_runs=2))
    figures = found.figures
    values = [modularity(edges, one) for one in found.runs]
    assert figures["run_modularity_mean"] == pytest.approx(np.mean(values))
    assert figures["run_modularity_max"] == pytest.approx(max(values))
    assert figures["modularity"] == pytest.approx(modularity(edges, found.labels))
    assert figures["communities"] == found.labels.max() + 1
    assert sum(figures["largest_communities"]) <= edges.node_count
    assert 0 < figures["ami_min"] <= figures["ami_mean"] <= figures["ami_max"] <= 1
    assert [row["resolution"] for row in figures["resolution_sweep"]] == [0.5, 2.0]


def test_bipartite_way_tells_both_modularities_of_nodes_alone() -> None:
    _, known = planted_memberships(300, 60, 3, 4)
    request = Request(runs=3, graph="bipartite")
    found = communities_of_acts(acts_of(known), "actor", Window("none"), request)
    assert found.labels.shape == (300,) and found.runs.shape == (3, 300)
    assert found.figures["nodes"] == 360
    assert 0 < found.figures["barber_modularity"] < 1


def test_nodes_without_a_label_are_counted() -> None:
    told = agreement_figures(np.array([0, 0, 1, 1]), np.array([0, 0, 2]), np.array([0, 1, 1]), 10)
    assert (told["labelled_nodes"], told["unlabelled_nodes"]) == (2, 2)
    assert told["nodes_of_several_labels"] == 1
    assert told["ami"]["p"] is not None
