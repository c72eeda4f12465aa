"""Figures of networks: every way to count degrees against networkx, identities, real files."""

from pathlib import Path
from typing import Any

import duckdb
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_support import degrees_of, reference_graph, small_acts, small_memberships

from assets.study.networks import degrees
from assets.study.networks.acts import DAY, Acts, Mode, Window, parse_window
from assets.study.networks.degrees import multiplied_sizes, projected_degrees, united_sizes
from assets.study.networks.files import Columns, read_acts
from assets.study.networks.incidence import Incidence, incidence
from assets.study.networks.measure import measure

thorough = settings(deadline=None, database=None, max_examples=300)
unhurried = settings(deadline=None, database=None)
modes: st.SearchStrategy[Mode] = st.sampled_from(["repository", "actor"])


def bipartite_degrees(found: Incidence) -> list[int]:
    """By networkx's projection of the bipartite graph."""
    graph: nx.Graph[Any] = nx.Graph()
    graph.add_nodes_from(range(found.node_count))
    pairs = zip(found.node_of_membership().tolist(), found.hub.tolist(), strict=True)
    graph.add_edges_from((node, ("hub", hub)) for node, hub in pairs)
    projected = nx.bipartite.projected_graph(graph, range(found.node_count))
    return degrees_of(projected)


# --- memberships


@thorough
@given(acts=small_memberships(), mode=modes)
def test_memberships_are_the_distinct_pairs(acts: Acts, mode: Mode) -> None:
    found = incidence(acts, mode)
    node, hub = acts.nodes(mode)[0], acts.hubs(mode)[0]
    expected = sorted(set(zip(node.tolist(), hub.tolist(), strict=True)))
    assert list(zip(found.node_of_membership(), found.hub, strict=True)) == expected
    turned = found.flipped()
    assert list(zip(turned.hub, turned.node_of_membership(), strict=True)) == sorted(
        expected, key=lambda pair: pair[::-1]
    )
    assert (turned.node_count, turned.hub_count) == (found.hub_count, found.node_count)


@thorough
@given(acts=small_memberships(60), mode=modes)
def test_classes_are_the_distinct_neighbourhoods(acts: Acts, mode: Mode) -> None:
    found = incidence(acts, mode)
    first, of = found.classes()
    rows = [tuple(found.hub[a:b]) for a, b in zip(found.start, found.start[1:], strict=False)]
    assert [rows[first[one]] for one in of] == rows
    assert len({rows[row] for row in first}) == first.size == len(set(rows))
    assert first.tolist() == sorted(first.tolist())


# --- degrees


@thorough
@given(acts=small_memberships(60), mode=modes)
def test_both_ways_to_count_degrees_equal_networkx(acts: Acts, mode: Mode) -> None:
    found = incidence(acts, mode)
    expected = bipartite_degrees(found)
    first, of = found.classes()
    classes = degrees.rows_of(found, first)
    united = united_sizes(classes, found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(degrees, "TERMS", 5)
        multiplied = multiplied_sizes(classes, np.bincount(of, minlength=first.size))
    assert united.tolist() == multiplied.tolist()
    assert np.maximum(united - 1, 0)[of].tolist() == expected
    assert projected_degrees(found).tolist() == expected


def test_large_hubs_are_united_and_small_ones_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    pairs = np.unique(rng.integers(0, [90, 4], (200, 2)), axis=0)
    nothing = np.zeros(len(pairs), np.int64)
    acts = Acts(pairs[:, 0], pairs[:, 1], nothing, nothing, 90, 4)
    monkeypatch.setattr(degrees, "LARGE", 20)
    expected = bipartite_degrees(incidence(acts, "actor"))
    ways = {"actor": "multiplied_sizes", "repository": "united_sizes"}
    for mode, other in ways.items():
        with monkeypatch.context() as patch:
            patch.setattr(degrees, other, None)
            found = projected_degrees(incidence(acts, mode))
        if mode == "actor":
            assert found.tolist() == expected
    assert found.tolist() == [3] * 4


def test_lists_of_every_length_are_united(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many hubs a node, so that what classes share is added, removed and copied."""
    monkeypatch.setattr(degrees, "MANY", 60)
    rng = np.random.default_rng(3)
    for workers in (1, 3):
        monkeypatch.setattr(degrees, "MOST_WORKERS", workers)
        pairs = np.unique(rng.integers(0, [150, 14], (800, 2)) ** 2 // [150, 14], axis=0)
        nothing = np.zeros(len(pairs), np.int64)
        found = incidence(Acts(pairs[:, 0], pairs[:, 1], nothing, nothing, 160, 15), "actor")
        united = united_sizes(found, found)
        assert np.maximum(united - 1, 0).tolist() == bipartite_degrees(found)


# --- figures


@thorough
@given(
    acts=small_acts(),
    mode=modes,
    window=st.sampled_from(
        [Window("none"), Window(width=DAY), Window("trailing", 4 * DAY), Window("calendar", DAY)]
    ),
)
def test_figures_follow_from_the_network(acts: Acts, mode: Mode, window: Window) -> None:
    graph = reference_graph(acts, mode, window)
    found = measure(acts, mode, window)
    expected = degrees_of(graph)
    connected = [degree for degree in expected if degree]
    assert found.degrees.tolist() == expected
    assert (found.nodes, found.edges) == (graph.number_of_nodes(), graph.number_of_edges())
    assert found.max_degree == max(expected)
    assert found.connected_rate == pytest.approx(len(connected) / len(expected))
    assert found.average_degree_all == pytest.approx(sum(expected) / len(expected))
    if connected:
        assert found.average_degree_connected == pytest.approx(sum(expected) / len(connected))
        assert found.average_degree_all == pytest.approx(
            found.average_degree_connected * found.connected_rate, rel=1e-12
        )
    else:
        assert found.average_degree_connected is None
    degree, count = found.distribution()
    assert {int(d): int(c) for d, c in zip(degree, count, strict=True)} == {
        d: expected.count(d) for d in expected
    }


@unhurried
@given(acts=small_acts(most=15), mode=modes)
def test_members_are_counted_once_and_only_within_the_window(acts: Acts, mode: Mode) -> None:
    node, hub = acts.nodes(mode)[0].tolist(), acts.hubs(mode)[0].tolist()
    rows = list(zip(node, hub, acts.first.tolist(), strict=True))
    end = max(acts.first.tolist(), default=0)
    for window, kept in (
        (Window(width=DAY), rows),
        (Window("calendar", DAY), rows),
        (Window("trailing", 2 * DAY), [row for row in rows if row[2] >= end - 2 * DAY]),
    ):
        found = measure(acts, mode, window)
        assert found.memberships == len({row[:2] for row in kept})
        assert found.active_nodes == len({row[0] for row in kept})


def test_nothing_has_no_averages() -> None:
    empty = np.empty(0, np.int64)
    found = measure(Acts(empty, empty, empty, empty, 0, 0), "actor", Window("none"))
    assert (found.nodes, found.edges, found.max_degree) == (0, 0, 0)
    assert found.connected_rate is found.average_degree_all is None


# --- real files

REAL = {
    "human_activities_2022-11_2023-01": Columns("contributor", "repository", "date"),
    "filecoin_github_events_2025": Columns("git_user", "git_repo", "date"),
}


@pytest.mark.parametrize("mode", ["repository", "actor"])
@pytest.mark.parametrize("name", REAL)
def test_real_files_equal_a_self_join_of_their_acts(name: str, mode: Mode, real_data: Path) -> None:
    path, columns = real_data / "network" / f"{name}.csv.gz", REAL[name]
    table = read_acts(path, columns)
    names = table.repositories if mode == "repository" else table.actors
    node, hub = columns.repository, columns.actor
    if mode == "actor":
        node, hub = hub, node
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(
        f"CREATE TABLE act AS SELECT DISTINCT {node}::VARCHAR AS node, {hub} AS hub,"
        f" epoch_us(date::TIMESTAMPTZ) AS instant FROM read_csv('{path}')"
    )
    connection.execute(
        "CREATE TABLE pair AS SELECT a.node AS i, b.node AS j,"
        " min(abs(a.instant - b.instant)) AS gap"
        " FROM act AS a INNER JOIN act AS b ON a.hub = b.hub AND a.node < b.node GROUP BY ALL"
    )
    kept = "SELECT DISTINCT a.node AS i, b.node AS j FROM {0} AS a INNER JOIN {0} AS b"
    trailing = kept.format(
        "(FROM act WHERE instant >= (SELECT max(instant) - 604800000000 FROM act))"
    )
    month = "date_trunc('month', make_timestamp({}.instant))"
    for window, pairs in (
        (Window("none"), "FROM pair"),
        (parse_window("365d", "pairwise_gap"), "FROM pair"),
        (parse_window("7d", "pairwise_gap"), "FROM pair WHERE gap <= 604800000000"),
        (parse_window("2h", "pairwise_gap"), "FROM pair WHERE gap <= 7200000000"),
        (parse_window("7d", "trailing"), f"{trailing} ON a.hub = b.hub AND a.node < b.node"),
        (
            parse_window("1m", "calendar"),
            f"{kept.format('act')} ON a.hub = b.hub AND a.node < b.node"
            f" AND {month.format('a')} = {month.format('b')}",
        ),
    ):
        counted = connection.execute(
            f"WITH pair_ AS ({pairs}) SELECT node, count(*) FROM"
            " (SELECT i AS node FROM pair_ UNION ALL SELECT j FROM pair_) GROUP BY node"
        ).fetchall()
        found = measure(table.acts, mode, window)
        told = dict(zip(names.tolist(), found.degrees.tolist(), strict=True))
        assert {one: degree for one, degree in told.items() if degree} == dict(counted), window
        assert found.edges == sum(count for _, count in counted) // 2 > 0
