"""Networks that samples tell of: by hand, all drawn as the network itself, and what is unknown."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from databases import database
from network_support import acts_of, reference_graph
from network_warehouse import World, network_warehouse, random_world
from study_support import DAY

from assets.study.networks import pairs
from assets.study.networks.cells import reference_cells
from assets.study.networks.estimates import (
    FIGURES,
    NO_SUM,
    NO_SUMS,
    OF_ALL,
    OF_LINKS,
    network_estimates,
)
from assets.study.networks.grid import compute_networks
from assets.study.networks.tables import ESTIMATE, SUMMARY
from assets.study.tables import open_warehouse
from checks import networks as checks
from orchestration.settings import StudySettings

BARE = {"null_draws": 2, "community_runs": 4, "unlisted_runs": 1, "most_structure_edges": 0,
        "most_null_memberships": 0}  # fmt: skip
STUDY = StudySettings.model_validate({"networks": BARE})
Row = dict[str, Any]


def estimated(path: Path) -> dict[tuple[str, str, str], Row]:
    with open_warehouse(path, read_only=True) as connection:
        rows = network_estimates(connection, STUDY, DAY)
    return {(row["platform"], row["interaction_type"], row["figure"]): row for row in rows}


def graph_of(world: World, keys: list[str], told: str) -> tuple["nx.Graph[int]", int]:
    """Links between some repositories, and memberships, from the acts themselves."""
    (cell,) = [one for one in reference_cells(STUDY)
               if (one.network, one.interaction_type) == ("repository", told)]  # fmt: skip
    kept = [
        (who, where, moment)
        for who, where, kind, moment in world.acts
        if where in keys and told in (kind, "both") and world.actors[who]["login"] != "Ghost"
        and not world.actors[who]["is_removed_by_paper"]
    ]  # fmt: skip
    actors = sorted({who for who, *_ in kept})
    acts = acts_of(
        [(actors.index(who), keys.index(where),
          int(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000) for who, where, moment in kept],
        len(actors), len(keys),
    )  # fmt: skip
    end = int(datetime(DAY.year, DAY.month, DAY.day + 1, tzinfo=UTC).timestamp()) * 1_000_000 - 1
    graph: nx.Graph[int] = reference_graph(acts, "repository", cell.window_to(end))
    return graph, len({(who, where) for who, where, _ in kept})


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_weighted_counts_by_hand(tmp_path: Path, seed: int) -> None:
    world = random_world(seed)
    found = estimated(network_warehouse(tmp_path / "w.duckdb", world))
    for platform in ("github", "huggingface"):
        keys = sorted(key for key in world.place if key.startswith(platform[0]))[:4]
        for told in ("commit", "discussion", "both"):
            graph, memberships = graph_of(world, keys, told)
            edges = graph.number_of_edges() * (6 * 5) / (4 * 3)
            expected = {
                "membership_count": memberships * 6 / 4, "actors_per_repository": memberships / 4,
                "edge_count": edges, "average_degree": edges * 2 / 6, "density": edges / 15,
            }  # fmt: skip
            for figure, value in expected.items():
                row = found[platform, told, figure]
                assert row["weighted_value"] == pytest.approx(value), (platform, told, figure)
                assert row["low"] is None
                assert row["reason"].startswith("no interval, as large numbers of actors")
            rate = found[platform, told, "active_rate"]
            assert 0 <= rate["low"] <= rate["weighted_value"] <= rate["high"] <= 1


def test_links_that_are_too_many_are_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "MOST_TERMS", 0)
    found = estimated(network_warehouse(tmp_path / "w.duckdb", random_world(1)))
    for (*_, figure), row in found.items():
        if figure in OF_LINKS:
            assert row["status"] == "not_measurable"
            assert "more than 0 terms" in row["reason"]
        elif figure in FIGURES:
            assert row["status"] == "measured"


def test_what_is_no_sum_says_so(tmp_path: Path) -> None:
    found = estimated(network_warehouse(tmp_path / "w.duckdb", random_world(1)))
    assert {figure for *_, figure in found} == {*FIGURES, *NO_SUMS}
    for (*_, figure), row in found.items():
        if figure in NO_SUMS:
            assert (row["status"], row["reason"]) == ("not_measurable", NO_SUM)
            assert row.get("weighted_value") is None


def test_a_sample_of_all_is_the_network_of_all(tmp_path: Path) -> None:
    path = network_warehouse(tmp_path / "w.duckdb", random_world(2), drawn=6)
    compute_networks(path, STUDY)
    with database(path, read_only=True) as connection:
        rows = connection.execute(
            f"SELECT figure, method, standard_error, low, high, weighted_value,"
            f" CASE figure WHEN 'edge_count' THEN edge_count WHEN 'average_degree' THEN"
            f" average_degree WHEN 'membership_count' THEN membership_count END AS exact"
            f" FROM {ESTIMATE.name} INNER JOIN {SUMMARY.name} USING (platform, interaction_type)"
            " WHERE is_reference AND network = 'repository' AND exact IS NOT NULL"
        ).fetchall()
    assert len(rows) == 2 * 3 * 3
    for _, method, error, low, high, value, exact in rows:
        assert (method, error) == ("census", 0)
        assert low == high == value == pytest.approx(exact)
    for rules in checks.ALL_RULES:
        if rules.table is ESTIMATE:
            assert checks.degrees_are_of_links(path, STUDY.name, rules).passed


def test_repositories_of_which_nothing_is_known_are_stood_for(tmp_path: Path) -> None:
    """Acts that are there tell of themselves; without them and a count nobody knows."""
    world = random_world(4)
    keys = sorted(key for key in world.place if key.startswith("g"))[:4]
    world.acts = [act for act in world.acts if act[1] != keys[0]]
    path = network_warehouse(tmp_path / "w.duckdb", world)
    with database(path) as connection:
        connection.execute(
            "UPDATE marts.mart_repository_activity SET commit_stock_count = NULL"
            " WHERE repository_key IN ($unknown, $seen)",
            {"unknown": keys[0], "seen": keys[1]},
        )
    found = estimated(path)
    has_commit = any(where == keys[1] and kind == "commit" for _, where, kind, _ in world.acts)
    row = found["github", "commit", "membership_count"]
    assert has_commit
    assert (row["unknown_count"], row["sample_count"]) == (1, 3)
    assert row["reason"].startswith("1 repositories of the sample have no known value")
    _, memberships = graph_of(world, keys[1:], "commit")
    assert row["weighted_value"] == pytest.approx(memberships * 6 / 3)
    assert found["github", "discussion", "membership_count"]["unknown_count"] == 0


def test_without_anybody_known_in_a_stratum_nothing_is_told_of_all(tmp_path: Path) -> None:
    """Means are of the other strata, and say so."""
    path = network_warehouse(tmp_path / "w.duckdb", random_world(4))
    with database(path) as connection:
        connection.execute(
            "INSERT INTO study.sample_stratum SELECT * REPLACE ('high' AS stratum,"
            " 2 AS stratum_number, 3 AS frame_count, 2 AS drawn_count) FROM study.sample_stratum;"
            "INSERT INTO study.sample_member SELECT * REPLACE ('high' AS stratum,"
            " repository_key || ' of nobody' AS repository_key) FROM study.sample_member"
            " WHERE repository_key LIKE '%-repository-0' OR repository_key LIKE '%-repository-1'"
        )
    for (platform, _, figure), row in estimated(path).items():
        if figure in FIGURES and platform == "github":
            assert (row["status"] == "measured") == (figure not in OF_ALL), figure
            assert "have none that is known" in row["reason"]
            assert row["unknown_count"] == 2


@pytest.mark.parametrize(
    ("figure", "how"),
    [("average_degree", "weighted_value + 1"), ("edge_count", "weighted_value * 2 + 1"),
     ("density", "weighted_value + 0.5")],
)  # fmt: skip
def test_degrees_that_are_not_of_their_links_are_red(tmp_path: Path, figure: str, how: str) -> None:
    path = network_warehouse(tmp_path / "w.duckdb", random_world(3))
    compute_networks(path, STUDY)
    rules = checks.RULES[ESTIMATE.name]
    assert checks.degrees_are_of_links(path, STUDY.name, rules).passed
    with database(path) as connection:
        connection.execute(
            f"UPDATE {ESTIMATE.name} SET weighted_value = {how} WHERE figure = '{figure}'"
        )
    assert not checks.degrees_are_of_links(path, STUDY.name, rules).passed
