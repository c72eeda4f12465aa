"""The study's networks in every cell, against networks made by hand of the same rows."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from databases import database
from network_support import acts_of, degrees_of, is_link, reference_graph
from network_warehouse import World, actor, extend, network_warehouse, random_world
from study_support import DAY

from assets.study.networks.cells import NetworkCell, network_cells, reference_cells
from assets.study.networks.grid import FIGURES, compute_networks
from assets.study.networks.tables import (
    ALL_TABLES,
    BLOCK,
    COMMUNITY,
    DEGREE,
    ESTIMATE,
    LAYOUT,
    MEASURE,
    SENSITIVITY,
    SUMMARY,
)
from assets.study.tables import StudyTable, replace_study, table_of
from checks import networks as checks
from checks.warehouse import kept_open
from orchestration.settings import StudySettings

FEW = {"null_draws": 3, "community_runs": 4, "top_counts": [2, 4, 50], "layout_nodes": 10}
SEMANTICS = {"semantics": ["trailing", "calendar", "pairwise_gap"]}
STUDY = StudySettings.model_validate({"networks": {**FEW, **SEMANTICS}})
# Without what is told of the references beside their figures.
BARE = {**FEW, **SEMANTICS, "most_structure_edges": 0, "most_null_memberships": 0,
        "unlisted_runs": 1}  # fmt: skip
FIGURES_ONLY = StudySettings.model_validate({"networks": BARE})
KEY = ("platform", "network", "interaction_type")


def rows_of(path: Path, table: StudyTable, day: Any = None) -> list[dict[str, Any]]:
    with database(path, read_only=True) as connection:
        where = "" if day is None else f" WHERE day = DATE '{day}'"
        found = connection.execute(f"SELECT * FROM {table.name}{where} ORDER BY ALL")
        names = [column[0] for column in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def families(world: World) -> dict[str, str]:
    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from(world.place)
    graph.add_edges_from((one, other) for one, other, is_same in world.lineage if other and is_same)
    return {key: min(part) for part in nx.connected_components(graph) for key in part}


def expected(world: World, cell: NetworkCell, platform: str) -> tuple[list[int], int]:
    """Degrees of a cell's network and its nodes with an act, from the acts themselves."""
    cut = [key for key, place in world.place.items()
           if key.startswith(platform) and place <= cell.top_count]  # fmt: skip
    family = families(world) if cell.unit == "family" else {key: key for key in cut}
    units = sorted({family[key] for key in cut})
    kept = [
        (who, family[where], moment)
        for who, where, kind, moment in world.acts
        if where in cut
        and cell.interaction_type in (kind, "both")
        and world.actors[who]["login"] != "Ghost"
        and not world.actors[who].get(f"is_removed_by_{cell.bot_policy}", False)
        and (cell.staff == "in" or world.actors[who]["actor_class"] != "platform_staff")
    ]
    actors = sorted({who for who, *_ in kept})
    acts = acts_of(
        [
            (actors.index(who), units.index(where),
             int(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000)
            for who, where, moment in kept
        ],
        len(actors), len(units),
    )  # fmt: skip
    end = int(datetime(DAY.year, DAY.month, DAY.day + 1, tzinfo=UTC).timestamp()) * 1_000_000 - 1
    window = cell.window_to(end)
    degrees = degrees_of(reference_graph(acts, cell.network, window))
    node, _ = acts.nodes(cell.network)
    is_in = [window.semantics != "trailing" or is_link(at, at, window, end)
             for at in acts.first.tolist()]  # fmt: skip
    return degrees, len(set(node[np.array(is_in, bool)].tolist()))


@pytest.mark.parametrize("seed", range(6))
def test_every_cell_is_what_its_acts_make_by_hand(tmp_path: Path, seed: int) -> None:
    world = random_world(seed)
    path = network_warehouse(tmp_path / "warehouse.duckdb", world)
    compute_networks(path, FIGURES_ONLY)
    found = {(row["platform"], NetworkCell.of(row)): row for row in rows_of(path, SUMMARY)}
    assert set(found) == {
        (platform, cell) for platform in ("github", "huggingface") for cell in network_cells(STUDY)
    }
    for (platform, cell), row in found.items():
        degrees, active = expected(world, cell, platform[0])
        told = (row["node_count"], row["active_node_count"], 2 * row["edge_count"],
                row["connected_count"], row["maximum_degree"])  # fmt: skip
        assert told == (
            len(degrees), active, sum(degrees), sum(one > 0 for one in degrees), max(degrees)
        ), (platform, cell)  # fmt: skip
    spread = {cell: row["edge_count"] for (platform, cell), row in found.items()
              if platform == "huggingface"}  # fmt: skip
    assert len(set(spread.values())) > 5, "the cells hardly differ: nothing is shown"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = network_warehouse(tmp_path_factory.mktemp("networks") / "w.duckdb", random_world(3))
    compute_networks(path, STUDY)
    return path


def test_sensitivity_is_the_range_over_the_cells_of_a_dimension(made: Path) -> None:
    rows = rows_of(made, SUMMARY)
    cells = [(NetworkCell.of(row), row)
             for row in rows]  # fmt: skip
    told = rows_of(made, SENSITIVITY)
    assert {row["figure"] for row in told} == set(FIGURES)
    assert {row["varied"] for row in told} == {
        "bot_policy", "staff", "unit", "top_count", "semantics", "time_window"
    }  # fmt: skip
    for row in told:
        (reference,) = [cell for cell in reference_cells(STUDY)
                        if (cell.network, cell.interaction_type)
                        == (row["network"], row["interaction_type"])]  # fmt: skip
        values = [
            float(one[row["figure"]])
            for cell, one in cells
            if all(one[name] == row[name] for name in KEY)
            and one[row["figure"]] is not None
            and one["status"] == "measured"
            and cell.varied(reference) in (None, row["varied"])
        ]
        assert (row["low_value"], row["high_value"], row["cell_count"]) == (
            min(values, default=None), max(values, default=None), len(values)
        )  # fmt: skip


def test_what_did_not_change_is_taken_over(tmp_path: Path) -> None:
    world = random_world(4)
    path = network_warehouse(tmp_path / "warehouse.duckdb", world)
    first = compute_networks(path, STUDY)
    assert first.taken_over == 0
    before = {table.name: rows_of(path, table) for table in ALL_TABLES}
    again = compute_networks(path, STUDY)
    assert again.taken_over == len(again.rows[SUMMARY.name])
    assert {table.name: rows_of(path, table) for table in ALL_TABLES} == before

    where = next(key for key in world.place if key.startswith("g"))
    world.actors["g-late"] = actor("g-late")
    with database(path) as connection:
        connection.execute(
            "INSERT INTO core.dim_actor BY NAME SELECT 'g-late' AS actor_key, 'github' AS platform,"
            " 'g-late' AS login, 'person' AS actor_class"
        )
    extend(path, world, [("g-late", where, "commit", datetime(2025, 10, 9))], days=2)
    later = compute_networks(path, STUDY)
    assert 0 < later.taken_over < len(later.rows[SUMMARY.name])
    fresh = network_warehouse(tmp_path / "fresh.duckdb", world)
    extend(fresh, world, [], days=2)
    compute_networks(fresh, STUDY)
    for table in ALL_TABLES:
        assert rows_of(path, table, later.day) == rows_of(fresh, table), table.name
        assert rows_of(path, table, first.day) == before[table.name], table.name


def test_other_settings_make_their_own_reference(tmp_path: Path) -> None:
    """Degrees and details are of the reference, whatever was a cell before."""
    path = network_warehouse(tmp_path / "warehouse.duckdb", random_world(5))
    compute_networks(path, STUDY)
    other = StudySettings.model_validate({"networks": {**FEW, "reference": {"bot_policy": "none"}}})
    compute_networks(path, other)
    fresh = network_warehouse(tmp_path / "fresh.duckdb", random_world(5))
    compute_networks(fresh, other)
    for table in ALL_TABLES:
        assert rows_of(path, table) == rows_of(fresh, table), table.name


def test_pictures_of_a_day_are_kept_for_a_while_only(tmp_path: Path) -> None:
    world = random_world(1)
    path = network_warehouse(tmp_path / "warehouse.duckdb", world)
    study = STUDY.model_copy(
        update={"grid": STUDY.grid.model_copy(update={"distribution_days": 1})}
    )
    compute_networks(path, study)
    extend(path, world, [], days=1)
    compute_networks(path, study)
    days = {table.name: {row["day"] for row in rows_of(path, table)} for table in ALL_TABLES}
    assert {name for name, told in days.items() if DAY in told} == {
        table.name for table in (SUMMARY, SENSITIVITY, MEASURE, COMMUNITY, ESTIMATE)
    }


def test_a_warehouse_without_acts_has_its_rows_and_says_why(tmp_path: Path) -> None:
    path = network_warehouse(tmp_path / "warehouse.duckdb", World())
    compute_networks(path, STUDY)
    rows = rows_of(path, SUMMARY)
    assert len(rows) == 2 * len(network_cells(STUDY))
    assert {row["status"] for row in rows} == {"not_measurable"}
    assert all("no repositories are cut by stars" in row["reason"] for row in rows)
    for rules in checks.ALL_RULES:
        for outcome in outcomes(path, rules.table):
            assert outcome.passed, outcome


def test_details_that_do_not_fit_say_so(tmp_path: Path) -> None:
    path = network_warehouse(tmp_path / "warehouse.duckdb", random_world(2))
    compute_networks(path, FIGURES_ONLY)
    rows = rows_of(path, MEASURE)
    assert {row["draw_count"] for row in rows if row["family"] != "organisation"} == {0}
    by_family = {row["family"]: row for row in rows if row["platform"] == "huggingface"}
    assert "most_structure_edges" in by_family["structure"]["reason"]
    assert "most_null_memberships" in by_family["headline"]["reason"]
    assert not rows_of(path, LAYOUT) + rows_of(path, BLOCK)
    # Communities are found through the memberships; their links are not listed.
    assert by_family["community"]["value"] is not None
    assert "never built" in by_family["community"]["reason"]
    communities = rows_of(path, COMMUNITY)
    assert communities and {row["inner_edge_count"] for row in communities} == {None}


def test_communities_count_their_links_and_members(made: Path) -> None:
    reference = {row["input_hash"] for row in rows_of(made, DEGREE)}
    summary = {
        tuple(row[name] for name in KEY): row["edge_count"]
        for row in rows_of(made, SUMMARY)
        if row["input_hash"] in reference
    }
    communities = rows_of(made, COMMUNITY)
    assert communities
    for key in {tuple(row[name] for name in KEY) for row in communities}:
        own = [row for row in communities if tuple(row[name] for name in KEY) == key]
        inner = sum(row["inner_edge_count"] for row in own)
        assert 2 * (summary[key] - inner) == sum(row["outer_edge_count"] for row in own)
    organised = [row for row in communities if row["organisation_name"]]
    assert organised and {row["organisation_name"] for row in organised} <= {"lab-0", "lab-1"}
    drawn = rows_of(made, LAYOUT)
    assert drawn and all(len(row["linked_to"].split(",")) <= row["degree"] for row in drawn)


def outcomes(path: Path, table: StudyTable) -> list[Any]:
    rules = checks.RULES[table.name]
    of_all = (checks.grain_is_unique, checks.figures_fit)
    with kept_open(warehouse=path):
        return [check(path, "paper", rules) for check in (*of_all, *OF_ONE.get(table.name, ()))]


OF_ONE: dict[str, tuple[Callable[..., Any], ...]] = {
    DEGREE.name: (checks.degrees_add_up,),
    BLOCK.name: (checks.blocks_are_within,),
    ESTIMATE.name: (checks.degrees_are_of_links,),
}
BROKEN = {
    SUMMARY: {
        "measured or with a reason": "status = 'not_measurable', reason = NULL",
        "average over all is average over connected times rate": "average_degree ="
        " average_degree * 1.001 WHERE average_degree > 0",
        "rate is connected over nodes": "connected_rate = connected_rate / 2"
        " WHERE connected_rate > 0",
        "average is two ends of each link": "edge_count = edge_count + 1",
        "connected are active, active are nodes": "active_node_count = node_count + 1",
        "maximum within the nodes": "maximum_degree = node_count + 1",
        "no more links than pairs": "edge_count = node_count * node_count + 1",
        "no membership without an actor": "membership_count = -1",
    },
    DEGREE: {
        "shares from 0 to 1": "share_at_least = 1.1",
        "each degree occurs": "node_count = 0",
    },
    SENSITIVITY: {
        "reference within the range": "low_value = reference_value + 1"
        " WHERE reference_value IS NOT NULL",
        "ends are told": "low_at = NULL WHERE low_value IS NOT NULL",
    },
    MEASURE: {
        "a value or a reason": "value = NULL, reason = NULL",
        "z from mean and deviation": "z_score = z_score + 1 WHERE z_score IS NOT NULL",
        "p values above 0 and at most 1": "p_value = 0.0 WHERE p_value IS NOT NULL",
        "nothing rewired, nothing compared": "draw_count = 0 WHERE null_mean IS NOT NULL",
    },
    COMMUNITY: {
        "two and more": "node_count = 1",
        "links within the pairs": "inner_edge_count = node_count * node_count",
        "known are members": "known_count = node_count + 1",
        "share of a known organisation": "organisation_share = 0.5, organisation_name = NULL",
    },
    BLOCK: {
        "larger first": "first_community = second_community + 1",
        "densities from 0 to 1": "density = 1.5",
    },
    LAYOUT: {
        "within the picture": "x = 1.5",
        "drawn nodes have links": "degree = 0",
    },
    ESTIMATE: {
        "measured or with a reason": "weighted_value = NULL",
        "shares from 0 to 1": "weighted_value = 1.1",
        "interval holds its value": "low = 2, high = 3",
        "an interval or a reason": "low = NULL, high = NULL, reason = NULL",
        "sampled within the frame": "sample_count = frame_count + 1",
    },
}
CASES = [(table, rule, how) for table, rules in BROKEN.items() for rule, how in rules.items()]


@pytest.fixture
def changed(made: Path, tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(made.read_bytes())
    return path


def change(path: Path, statement: str) -> None:
    with database(path) as connection:
        assert connection.execute(statement).fetchall()[0][0] > 0, "nothing was changed"


@pytest.mark.parametrize("table", ALL_TABLES, ids=lambda table: table.name)
def test_checks_are_green_on_what_the_study_computes(made: Path, table: StudyTable) -> None:
    assert all(outcome.passed for outcome in outcomes(made, table)), outcomes(made, table)


@pytest.mark.parametrize(
    ("table", "rule", "how"), CASES, ids=[f"{t.name}-{r}" for t, r, _ in CASES]
)
def test_each_rule_is_red_where_it_is_broken(
    changed: Path, table: StudyTable, rule: str, how: str
) -> None:
    change(changed, f"UPDATE {table.name} SET {how}")
    outcome = checks.figures_fit(changed, "paper", checks.RULES[table.name])
    assert not outcome.passed
    assert rule in outcome.metadata


def test_every_rule_has_a_case() -> None:
    assert {(rules.table, rule) for rules in checks.ALL_RULES for rule in rules.figures} == {
        (table, rule) for table, rule, _ in CASES
    }


@pytest.mark.parametrize("table", ALL_TABLES, ids=lambda table: table.name)
def test_a_figure_that_is_there_twice_is_red(changed: Path, table: StudyTable) -> None:
    change(changed, f"INSERT INTO {table.name} SELECT * FROM {table.name} LIMIT 1")
    assert not checks.grain_is_unique(changed, "paper", checks.RULES[table.name]).passed


@pytest.mark.parametrize("table", [SUMMARY, SENSITIVITY, MEASURE], ids=lambda table: table.name)
def test_a_study_without_rows_is_red(made: Path, table: StudyTable) -> None:
    assert not checks.grain_is_unique(made, "another", checks.RULES[table.name]).passed


@pytest.mark.parametrize("how", ["node_count = node_count + 1", "degree = degree + 1",
                                 "share_at_least = 0.5", "input_hash = 'other'"])  # fmt: skip
def test_degrees_of_something_else_are_red(changed: Path, how: str) -> None:
    change(changed, f"UPDATE {DEGREE.name} SET {how}")
    assert not checks.degrees_add_up(changed, "paper", checks.RULES[DEGREE.name]).passed


def test_blocks_beyond_their_communities_are_red(changed: Path) -> None:
    change(changed, f"UPDATE {BLOCK.name} SET edge_count = 1000")
    assert not checks.blocks_are_within(changed, "paper", checks.RULES[BLOCK.name]).passed


def test_rows_of_other_studies_stay(changed: Path) -> None:
    rows = [{**row, "study": "other"} for row in rows_of(changed, SUMMARY)]
    replace_study(changed, "other", [(SUMMARY, table_of(SUMMARY, rows))], DAY)
    compute_networks(changed, STUDY)
    assert len(rows_of(changed, SUMMARY)) == 2 * len(rows)
