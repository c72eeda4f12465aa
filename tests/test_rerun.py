"""The re-run page's rows: claims against the papers' text, values, intervals and verdicts."""

import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from assets.study.cells import Cell
from assets.study.cuts import CUT
from assets.study.marts import COMPARISON, CORRELATION, RERUN, SUMMARY
from assets.study.networks.cells import NetworkCell, reference_cells
from assets.study.networks.tables import SUMMARY as NETWORKS
from assets.study.rerun import SOURCES, study_rerun
from assets.study.tables import StudyTable, make_tables, table_of
from assets.study.themes.codebook import THEMES
from assets.study.themes.tables import MESSAGE_QUALITY, PREVALENCE
from orchestration.settings import StudySettings

ROOT = Path(__file__).parents[1]
SEED = ROOT / "dbt_project" / "seeds" / "published_claims.csv"
PAPERS = ROOT.parent / "shared" / "seeds"
DAY = date(2025, 10, 7)
Row = dict[str, Any]
CLAIMS = list(csv.DictReader(SEED.open(encoding="utf-8")))


def claim_of(name: str) -> Row:
    return next(row for row in CLAIMS if row["claim"] == name)


# --- the seed -------------------------------------------------------------------------------------


def test_every_claim_is_whole_and_named_once() -> None:
    assert len({row["claim"] for row in CLAIMS}) == len(CLAIMS)
    for row in CLAIMS:
        is_level = row["kind"] == "level"
        assert bool(row["paper_value"]) == is_level
        assert bool(row["expected"]) == bool(row["bound"]) == (not is_level)
        assert row["source_mart"] in ("", *SOURCES)
        assert all(row[name] for name in ("place", "statement", "unit", "platform", "statistic"))


def test_table_2_is_there_whole() -> None:
    found = {(row["platform"], row["feature"], row["statistic"]) for row in CLAIMS
             if row["place"] == "Table 2"}  # fmt: skip
    assert len(found) == 18
    levels = {name: float(claim_of(name)["paper_value"]) for name in (
        "commits_github_mean", "commits_huggingface_mean", "discussions_github_mean",
        "discussions_huggingface_mean", "stars_github_mean", "stars_huggingface_mean",
    )}  # fmt: skip
    assert list(levels.values()) == [1464.28, 10.65, 35.94, 0.20, 142.78, 0.93]


def test_table_3_agrees_with_itself() -> None:
    """The average over all nodes is the connected rate times that over connected nodes."""
    for row in CLAIMS:
        if row["place"] != "Table 3" or row["statistic"] != "connected_rate":
            continue
        stem = row["claim"].removesuffix("_connected")
        average = float(claim_of(f"{stem}_degree")["paper_value"])
        connected = float(claim_of(f"{stem}_connected_degree")["paper_value"])
        assert float(row["paper_value"]) * connected == pytest.approx(average, abs=0.03)
        assert average <= connected <= float(claim_of(f"{stem}_maximum_degree")["paper_value"])


def numbers_of(text: str) -> list[str]:
    return re.findall(r"\d+(?:\.\d+)?", text.replace(",", ""))


def test_values_are_those_of_their_statements() -> None:
    for row in CLAIMS:
        if row["kind"] == "direction":
            continue
        printed = [float(number) for number in numbers_of(row["statement"])]
        value = float(row["paper_value"])
        shares = [a / 100 for a in printed] + [a / b for a in printed for b in printed if b]
        assert any(value == pytest.approx(one, abs=6e-7) for one in (*printed, *shares))


def test_numbers_are_printed_in_the_papers() -> None:
    if not PAPERS.is_dir():
        pytest.skip("the papers' texts are not beside this checkout")
    texts = {
        "": (PAPERS / "oss-to-open-source-ai.txt").read_text(encoding="utf-8"),
        "Cartography": (PAPERS / "cartography-of-open-collaboration.txt").read_text("utf-8"),
    }
    # The recognised text lacks the point of 16.00; zeros at the end are not always printed.
    there = {key: {float(n) for n in numbers_of(text)} for key, text in texts.items()}
    there[""].add(16.0)
    for row in CLAIMS:
        if row["unit"] == "correlation":
            continue
        paper = "Cartography" if row["place"].startswith("Cartography") else ""
        for number in numbers_of(row["statement"]):
            assert float(number) in there[paper], (row["claim"], number)


# --- the rows -------------------------------------------------------------------------------------


class World:
    """A warehouse with the marts that claims are measured in."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("CREATE SCHEMA seeds")
        self.connection.execute("CREATE SCHEMA marts")
        types = "{'bound': 'DOUBLE', 'paper_value': 'DOUBLE', 'tolerance': 'DOUBLE'}"
        self.connection.execute(
            f"CREATE TABLE seeds.published_claims AS FROM read_csv('{SEED}', types = {types})"
        )
        read = [SUMMARY, COMPARISON, CORRELATION, NETWORKS, CUT, PREVALENCE, MESSAGE_QUALITY]
        make_tables(self.connection, read)
        self.connection.execute("""
            CREATE TABLE marts.mart_coverage (platform VARCHAR, day DATE, event_count BIGINT);
            INSERT INTO marts.mart_coverage VALUES
                ('github', '2025-10-06', 5), ('github', '2025-10-07', 5),
                ('github', '2025-10-08', 5), ('github', '2025-10-01', 0);
            CREATE TABLE marts.mart_actor_class (
                platform VARCHAR, actor_count BIGINT, removed_by_paper_count BIGINT
            );
            CREATE TABLE marts.mart_repository_activity (
                repository_key VARCHAR, platform VARCHAR, repository_type VARCHAR,
                owner_name VARCHAR, gated VARCHAR, download_30d_stock_count BIGINT,
                commit_stock_count BIGINT, discussion_stock_count BIGINT
            );
        """)

    def add(self, table: StudyTable, **values: Any) -> None:
        row: Row = {
            "study": "paper", "day": DAY, **Cell().row(), "status": "measured", "input_hash": "h",
            "reason": None, **values,
        }  # fmt: skip
        self._insert(table, {name: row.get(name) for name in table.column_names})

    def summary(self, platform: str, feature: str, **values: Any) -> None:
        self.add(SUMMARY, **{
            "platform": platform, "feature": feature, "basis": "stock", "repository_count": 8,
            "unknown_count": 2, "estimated_count": 8.0, **values,
        })  # fmt: skip

    def comparison(self, feature: str, **values: Any) -> None:
        counts = dict.fromkeys(
            ("github_count", "huggingface_count", "github_owner_count", "huggingface_owner_count"),
            8,
        )
        self.add(COMPARISON, **{
            "feature": feature, "github_basis": "stock", "huggingface_basis": "stock", **counts,
            **values,
        })  # fmt: skip

    def correlation(self, platform: str, first: str, second: str, **values: Any) -> None:
        self.add(CORRELATION, **{
            "platform": platform, "first_feature": first, "second_feature": second,
            "method": "pearson", "repository_count": 7, **values,
        })  # fmt: skip

    def network(self, platform: str, cell: NetworkCell, **values: Any) -> None:
        counts = [name for name, kind, _ in NETWORKS.columns if kind == "BIGINT NOT NULL"]
        row = {"platform": platform, "is_reference": True, **dict.fromkeys(counts, 5)}
        self.add(NETWORKS, **(row | cell.row() | values))

    def themes(self, platform: str, shares: dict[str, float], **values: Any) -> None:
        """A slice of 1,000 messages; corrected shares are 0.05 above those as coded."""
        for theme in THEMES:
            share = shares.get(theme, 0.0)
            corrected = {
                "prediction_powered_share": share + 0.05, "prediction_powered_low": share + 0.03,
                "prediction_powered_high": share + 0.07,
            }  # fmt: skip
            self.add(PREVALENCE, **{
                "platform": platform, "coder": "linear", "coder_version": "v",
                "codebook_version": "1", "is_reference": True, "bot_policy": "paper",
                "slice": "all", "slice_value": "all", "theme": theme, "message_count": 1_000,
                "primary_count": round(1_000 * share), "abstained_count": 0,
                "distinct_share": share, "applies_share": share, "uncorrected_share": share,
                "verified_count": 400, **corrected, **values,
            })  # fmt: skip

    def messages(self, platform: str, kind: str, count: int, **values: Any) -> None:
        self.add(MESSAGE_QUALITY, **{
            "platform": platform, "slice": "all", "slice_value": "all", "kind": kind,
            "condition": "c", "commit_count": count, "share": 0.5, "repository_count": 1, **values,
        })  # fmt: skip

    def histories(self, known: int, unknown: int) -> None:
        """Models of the cut of which the Hub tells the acts, and of which it does not."""
        for at in range(known + unknown):
            self.connection.execute(
                "INSERT INTO study.top_cut"
                " VALUES ('paper', 'huggingface', 'stars', 'c', $key, $at)",
                {"key": f"h{at}", "at": at + 1},
            )
            self.connection.execute(
                "INSERT INTO marts.mart_repository_activity VALUES"
                " ($key, 'huggingface', 'model', 'o', 'no', 1, $told, $told)",
                {"key": f"h{at}", "told": 1 if at < known else None},
            )

    def days(self, number: int) -> None:
        """The archive's days with events."""
        self.connection.execute(
            "INSERT INTO marts.mart_coverage SELECT 'github', DATE '2025-10-07' - n::INT, 5"
            " FROM range(1, $number) AS days(n)", {"number": number},
        )  # fmt: skip

    def row(self, claim: str, **options: Any) -> Row:
        rows = study_rerun(self.connection, "paper", DAY, **options)
        return next(row for row in rows if row["claim"] == claim)

    def _insert(self, table: StudyTable, row: Row) -> None:
        given = table_of(table, [row])  # noqa: F841 - read by name
        names = ", ".join(table.column_names)
        self.connection.execute(f"INSERT INTO {table.name} ({names}) SELECT {names} FROM given")


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.connection.close()


def outcome(row: Row) -> tuple[str, Any, Any, Any]:
    return row["verdict"], row["our_value"], row["our_value_low"], row["our_value_high"]


def test_an_empty_warehouse_measures_nothing_and_says_why(world: World) -> None:
    rows = study_rerun(world.connection, "paper", DAY)
    assert [row["claim"] for row in rows] == [row["claim"] for row in CLAIMS]
    assert {row["verdict"] for row in rows} == {"not_measurable"}
    assert all(row["reason"] for row in rows)
    filled = table_of(RERUN, rows)
    required = [name for name, kind, _ in RERUN.columns if "NOT NULL" in kind]
    assert all(filled[name].null_count == 0 for name in required)
    assert {row["reason"] for row in rows if not claim_of(row["claim"])["source_mart"]} == {
        "no mart measures it yet"
    }


def test_rows_fit_their_table(world: World) -> None:
    world.comparison("commits", cliffs_delta=0.4, cliffs_delta_low=0.3, cliffs_delta_high=0.5)
    make_tables(world.connection, [RERUN])
    rows = table_of(RERUN, study_rerun(world.connection, "paper", DAY))  # noqa: F841
    world.connection.execute(f"INSERT INTO {RERUN.name} SELECT * FROM rows")


def test_means_and_medians_come_with_the_intervals_of_their_cell(world: World) -> None:
    world.summary("huggingface", "commits", mean_value=10.0, mean_low=9.0, mean_high=11.0,
                  median_value=9.0, unknown_count=20, repository_count=80)  # fmt: skip
    world.comparison("commits")
    row = world.row("commits_huggingface_mean")
    assert outcome(row) == ("reproduced", 10.0, 9.0, 11.0)
    assert "our interval of 95 % holds" in row["reason"]
    assert row["known_share"] == 0.8
    assert row["design"] == "none · all · census · unweighted · total"
    assert outcome(world.row("commits_huggingface_median")) == ("differs", 9.0, None, None)
    other = world.row("commits_huggingface_mean", reference=Cell(bot_policy="paper"))
    assert other["verdict"] == "not_measurable"


def test_a_flow_of_some_days_is_no_total_of_a_life(world: World) -> None:
    world.summary("github", "commits", basis="flow", mean_value=1464.28)
    world.summary("github", "commits", basis="stock", mean_value=7.0, repository_count=1)
    world.comparison("commits", github_basis="flow")
    planted = {"github": {"commits": {"flow": {"mean": 1460.0}}}}
    row = world.row("commits_github_mean", planted=planted)
    assert outcome(row)[:2] == ("not_measurable", 1464.28)
    assert row["reason"].startswith("ours is of the acts of 2 days, the paper's of a whole life")
    assert row["planted_value"] == 1460.0


def test_maxima_are_judged_by_the_tolerance_and_sensitivity_by_all_cells(world: World) -> None:
    world.comparison("commits")
    base = {"platform": "huggingface", "feature": "commits"}
    world.summary(**base, maximum_value=60000.0)
    world.summary(**base, maximum_value=50.0, cut="top_stars_100")
    world.summary(**base, maximum_value=70000.0, exposure="matched_quarter")
    world.summary(**base, maximum_value=1.0, exposure="per_month")
    world.summary(**base, maximum_value=0.5, basis="flow")
    world.summary(**base, maximum_value=0.25, day=date(2025, 10, 6))
    world.summary("huggingface", "stars", maximum_value=0.125)
    row = world.row("commits_huggingface_maximum")
    assert outcome(row) == ("reproduced", 60000.0, None, None)
    assert (row["sensitivity_low"], row["sensitivity_high"], row["sensitivity_cells"]) == (
        50.0, 70000.0, 3,
    )  # fmt: skip
    other = world.row("commits_huggingface_maximum", reference=Cell(exposure="matched_quarter"))
    assert other["verdict"] == "not_measurable"
    world.comparison("commits", exposure="matched_quarter")
    other = world.row("commits_huggingface_maximum", reference=Cell(exposure="matched_quarter"))
    assert outcome(other)[:2] == ("reproduced", 70000.0)
    world.connection.execute(f"UPDATE {SUMMARY.name} SET maximum_value = 50000")
    assert world.row("commits_huggingface_maximum")["verdict"] == "differs"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.5, "reproduced"), (-0.5, -0.1, "differs"), (-0.1, 0.5, "not_measurable"),
     (0.0, 0.5, "not_measurable"), (-0.5, 0.0, "differs")],
)  # fmt: skip
def test_directions_need_an_interval_on_their_side(
    world: World, low: float, high: float, verdict: str
) -> None:
    middle = (low + high) / 2
    world.comparison(
        "stars", cliffs_delta=middle, cliffs_delta_low=low, cliffs_delta_high=high,
        reason="limited",
    )  # fmt: skip
    row = world.row("stars_higher_on_github")
    assert outcome(row) == (verdict, middle, low, high)
    assert row["reason"].endswith("; limited")
    assert row["paper_value"] is None


def test_a_part_of_githubs_life_can_only_show_that_github_is_larger(world: World) -> None:
    bases = {"github_basis": "flow", "huggingface_basis": "stock"}
    world.comparison(
        "commits", **bases, p_value=1e-9, cliffs_delta=0.5, cliffs_delta_low=0.4,
        cliffs_delta_high=0.6, ratio_of_means=3.0, ratio_of_means_low=2.0, ratio_of_means_high=4.0,
    )  # fmt: skip
    row = world.row("commits_higher_on_github")
    assert row["verdict"] == "reproduced"
    assert "although GitHub's side counts the acts of 2 days only" in row["reason"]
    row = world.row("commits_hundredfold")
    assert outcome(row)[:2] == ("not_measurable", 3.0)
    assert "2 days only" in row["reason"]
    row = world.row("commits_test_significant")
    assert outcome(row)[:2] == ("not_measurable", 1e-9)
    world.connection.execute(
        f"UPDATE {COMPARISON.name} SET github_basis = 'stock', huggingface_basis = 'flow'"
    )
    assert world.row("commits_higher_on_github")["verdict"] == "not_measurable"
    world.connection.execute(f"UPDATE {COMPARISON.name} SET huggingface_basis = 'stock'")
    assert world.row("commits_hundredfold")["verdict"] == "differs"
    assert world.row("commits_test_significant")["verdict"] == "reproduced"


def test_a_ratio_carries_what_was_planted(world: World) -> None:
    world.comparison(
        "commits", ratio_of_means=150.0, ratio_of_means_low=120.0, ratio_of_means_high=190.0
    )
    planted = {
        "github": {"commits": {"stock": {"mean": 1500.0, "people_mean": 900.0}}},
        "huggingface": {"commits": {"stock": {"mean": 10.0, "people_mean": 9.0}}},
    }
    row = world.row("commits_hundredfold", planted=planted)
    assert (row["verdict"], row["planted_value"]) == ("reproduced", 150.0)
    policy = Cell(bot_policy="paper")
    world.comparison("commits", bot_policy="paper", ratio_of_means=100.5)
    assert world.row("commits_hundredfold", planted=planted, reference=policy)[
        "planted_value"
    ] == pytest.approx(100.0)
    cut = Cell(cut="top_stars_100")
    world.comparison("commits", cut="top_stars_100", ratio_of_means=100.5)
    row = world.row("commits_hundredfold", planted=planted, reference=cut)
    assert (row["planted_value"], row["sensitivity_cells"]) == (None, 3)


def test_correlations_are_positive_and_weak_or_not(world: World) -> None:
    world.comparison("commits", github_basis="flow")
    world.comparison("stars", github_basis="flow")
    for basis in ("flow", "stock"):
        world.summary("github", "commits", basis=basis)
    ends = {"coefficient": 0.2, "coefficient_low": 0.1, "coefficient_high": 0.28}
    world.correlation("github", "commits", "stars", **ends)
    world.correlation("github", "commits", "stars", method="spearman", coefficient=0.9)
    world.correlation("github", "commits", "stars", bot_policy="paper", coefficient=0.25)
    for claim in ("commits_stars_github_positive", "commits_stars_github_weak"):
        row = world.row(claim)
        assert outcome(row) == ("reproduced", 0.2, 0.1, 0.28)
        assert row["reason"].endswith("ours is of the acts of 2 days, not of totals")
        assert (row["sensitivity_low"], row["sensitivity_high"]) == (0.2, 0.25)
        assert row["known_share"] == 0.7
    world.connection.execute(f"UPDATE {CORRELATION.name} SET coefficient_high = 0.4")
    assert world.row("commits_stars_github_weak")["verdict"] == "not_measurable"
    assert world.row("commits_stars_github_positive")["verdict"] == "reproduced"


def test_concentration_is_githubs_less_the_hubs_in_each_cell(world: World) -> None:
    world.comparison("stars")
    for platform, gini, in_cut in (("github", 0.8, 0.5), ("huggingface", 0.9, 0.3)):
        world.summary(platform, "stars", gini=gini)
        world.summary(platform, "stars", gini=in_cut, cut="top_stars_100")
    world.summary("github", "stars", gini=0.1, bot_policy="paper")
    row = world.row("stars_less_concentrated_on_github")
    assert row["our_value"] == pytest.approx(-0.1)
    assert row["verdict"] == "reproduced"
    assert "no interval is made of it" in row["reason"]
    assert row["sensitivity_low"] == pytest.approx(-0.1)
    assert row["sensitivity_high"] == pytest.approx(0.2)
    assert row["sensitivity_cells"] == 2


def test_a_design_has_the_interval_of_its_cell(world: World) -> None:
    cell = Cell(design="paper", weighting="weighted", bot_policy="paper", cut="in_frame")
    names = {one: getattr(cell, one) for one in ("design", "weighting", "bot_policy", "cut")}
    world.comparison("commits", **names)
    world.summary("github", "commits", mean_value=1410.0, median_value=20.0, mean_low=1300.0,
                  mean_high=1500.0, median_low=19.0, median_high=22.0, **names)  # fmt: skip
    row = world.row("commits_github_mean", reference=cell)
    assert outcome(row) == ("reproduced", 1410.0, 1300.0, 1500.0)
    assert row["design"] == "paper · in_frame · paper · weighted · total"
    row = world.row("commits_github_median", reference=cell)
    assert outcome(row) == ("differs", 20.0, 19.0, 22.0)
    assert "our interval of 95 % does not hold" in row["reason"]


def test_an_interval_that_holds_more_says_so(world: World) -> None:
    world.summary("github", "commits", median_value=24.0, median_low=24.0, median_high=25.0,
                  median_interval_is="at_least")  # fmt: skip
    world.comparison("commits")
    row = world.row("commits_github_median")
    assert "our interval of at least 95 % holds the published value" in row["reason"]


def test_shares_of_bots_gates_and_downloads_come_from_their_marts(world: World) -> None:
    world.connection.execute(
        "INSERT INTO marts.mart_actor_class VALUES"
        " ('github', 900000, 2000), ('github', 100000, 700), ('huggingface', 1000, 500)"
    )
    row = world.row("bots_github")
    assert outcome(row)[:2] == ("reproduced", 0.0027)
    assert world.row("bots_huggingface")["verdict"] == "differs"
    world.connection.execute(
        "INSERT INTO marts.mart_repository_activity"
        " SELECT 'h' || n, 'huggingface', 'model', 'o', CASE n WHEN 0 THEN 'auto' ELSE 'no' END,"
        " CASE n WHEN 1 THEN 9900 WHEN 2 THEN 100 ELSE 0 END, 1, 1 FROM range(100) AS units(n)"
    )
    world.connection.execute(
        "INSERT INTO marts.mart_repository_activity VALUES"
        " ('d', 'huggingface', 'dataset', 'o', 'auto', 1, 1, 1),"
        " ('u', 'huggingface', 'model', 'o', NULL, NULL, 1, 1)"
    )
    row = world.row("gated_models")
    assert (row["our_value"], row["known_share"]) == (0.01, pytest.approx(100 / 101))
    assert world.row("downloads_concentrated")["our_value"] == 0.99


def test_only_the_study_and_the_day_asked_for_are_read(world: World) -> None:
    effect = {"cliffs_delta": 0.5, "cliffs_delta_low": 0.4, "cliffs_delta_high": 0.6}
    world.comparison("stars", study="other", **effect)
    world.comparison("stars", day=date(2025, 10, 6), **effect)
    assert world.row("stars_higher_on_github")["our_value"] is None


# --- networks -------------------------------------------------------------------------------------

CELLS = {(one.network, one.interaction_type): one for one in reference_cells(StudySettings())}
OURS = {"network_cells": list(CELLS.values())}


def test_a_network_s_figure_is_that_of_its_reference_cell(world: World) -> None:
    cell = CELLS["actor", "commit"]
    world.histories(9, 1)
    world.network("huggingface", cell, average_degree=7.0)
    for policy, value in (("none", 70.0), ("aggressive", 6.0)):
        world.network("huggingface", replace(cell, bot_policy=policy), average_degree=value)
    world.network("huggingface", CELLS["actor", "both"], average_degree=900.0)
    world.network("github", cell, average_degree=900.0)
    row = world.row("developer_network_commits_huggingface_degree", **OURS)
    assert outcome(row) == ("reproduced", 7.0, None, None)
    assert (row["sensitivity_low"], row["sensitivity_high"], row["sensitivity_cells"]) == (6, 70, 3)
    assert row["known_share"] == 0.9
    assert row["design"] == "paper · in · repository · stars · 10000 · none · inf"
    far = world.row("developer_network_commits_huggingface_maximum_degree", **OURS)
    assert far["verdict"] == "differs"


def test_networks_of_few_histories_or_days_are_no_match(world: World) -> None:
    world.histories(8, 2)
    for platform in ("github", "huggingface"):
        world.network(platform, CELLS["actor", "discussion"], connected_rate=0.9996)
    hub = world.row("developer_network_discussions_huggingface_connected", **OURS)
    assert (hub["verdict"], hub["our_value"]) == ("not_measurable", 0.9996)
    assert "the discussions of 80% of the repositories" in hub["reason"]
    name = "developer_network_discussions_github_connected"
    github = world.row(name, **OURS)
    assert (github["verdict"], github["our_value"]) == ("not_measurable", 0.9996)
    assert "acts of 2 days only" in github["reason"]
    world.days(400)
    assert world.row(name, **OURS)["verdict"] == "reproduced"


def test_more_acts_could_only_link_more_repositories(world: World) -> None:
    world.histories(10, 0)
    for cell in CELLS.values():
        world.network("github", cell, connected_rate=0.9, average_degree=9.0)
        world.network("huggingface", cell, connected_rate=0.8, average_degree=8.0)
    higher = world.row("repository_network_discussions_average_degree_higher_on_github", **OURS)
    assert outcome(higher) == ("reproduced", 1.0, None, None)
    assert "although GitHub's side has the acts of 2 days only" in higher["reason"]
    lower = world.row("repository_network_commits_average_degree_lower_on_github", **OURS)
    assert lower["verdict"] == "not_measurable"
    # Further acts bring developers without a link as well.
    of_actors = world.row("developer_network_commits_average_degree_higher_on_github", **OURS)
    assert of_actors["verdict"] == "not_measurable"
    world.days(400)
    assert (
        world.row("repository_network_commits_average_degree_lower_on_github", **OURS)["verdict"]
        == "differs"
    )
    assert (
        world.row("developer_network_commits_average_degree_higher_on_github", **OURS)["verdict"]
        == "reproduced"
    )


def test_a_network_that_was_not_measured_says_why(world: World) -> None:
    nothing = dict.fromkeys(("connected_rate", "average_degree"))
    world.network("github", CELLS["repository", "commit"], status="not_measurable",
                  reason="GitHub: no act", **nothing)  # fmt: skip
    row = world.row("repository_network_commits_github_connected", **OURS)
    assert (row["verdict"], row["reason"]) == ("not_measurable", "GitHub: no act")
    both = world.row("repository_network_commits_connected_rate_lower_on_github", **OURS)
    assert both["verdict"] == "not_measurable"


# --- themes and messages --------------------------------------------------------------------------


def test_a_theme_is_judged_by_its_corrected_share(world: World) -> None:
    world.themes("github", {"bug_report": 0.39, "suggestion": 0.3})
    planted = {"github": {"themes": {"stock": {"bug_report": 0.44}}}}
    row = world.row("theme_bug_report_github", planted=planted)
    assert outcome(row) == ("reproduced", *(pytest.approx(end) for end in (0.44, 0.42, 0.46)))
    assert (row["known_share"], row["planted_value"]) == (0.4, 0.44)
    assert (row["sensitivity_low"], row["sensitivity_high"]) == (0.39, pytest.approx(0.44))
    assert row["design"] == "linear coder, all repositories, bots left out: paper"
    assert outcome(world.row("theme_suggestion_github"))[0] == "differs"
    hub = world.row("theme_usage_problem_huggingface")
    assert hub["verdict"] == "not_measurable"
    assert "no opening post" in hub["reason"]


def test_the_papers_subset_is_preferred_and_other_coders_are_not_ours(world: World) -> None:
    world.themes("github", {"bug_report": 0.1})
    world.themes("github", {"bug_report": 0.38}, slice="repository_class", slice_value="top_cut")
    world.themes("github", {"bug_report": 0.9}, coder="llm", is_reference=False)
    row = world.row("theme_bug_report_github")
    assert outcome(row)[:2] == ("reproduced", 0.43)
    assert row["sensitivity_high"] == pytest.approx(0.95)
    assert "top repositories" in row["design"]


def test_what_nobody_verified_is_not_judged(world: World) -> None:
    nothing = dict.fromkeys(
        (f"prediction_powered_{what}" for what in ("share", "low", "high")), None
    )
    world.themes("github", {"bug_report": 0.427, "suggestion": 0.2}, verified_count=0, **nothing)
    for claim, value in (("theme_bug_report_github", 0.427),
                         ("theme_bug_report_github_prevails", 0.227)):  # fmt: skip
        row = world.row(claim)
        assert row["verdict"] == "not_measurable"
        assert row["our_value"] == pytest.approx(value)
        assert "no people have verified" in row["reason"]


def test_a_theme_prevails_where_no_other_can_be_more_frequent(world: World) -> None:
    world.themes("github", {"bug_report": 0.5, "suggestion": 0.2})
    row = world.row("theme_bug_report_github_prevails")
    assert row["verdict"] == "reproduced"
    assert row["our_value"] == pytest.approx(0.3)
    assert (row["our_value_low"], row["our_value_high"]) == (
        pytest.approx(0.53 - 0.27), pytest.approx(0.57 - 0.23)
    )  # fmt: skip
    world.themes("huggingface", {"usage_problem": 0.3, "others": 0.29})
    assert world.row("theme_usage_problem_huggingface_prevails")["verdict"] == "not_measurable"


def test_substantive_messages_are_a_share_of_all(world: World) -> None:
    world.messages("github", "substantive", 35)
    world.messages("github", "template", 465)
    world.messages("github", "trivial", 500)
    planted = {"github": {"messages": {"stock": {"substantive": 0.034}}}}
    row = world.row("substantive_messages_github", planted=planted)
    assert outcome(row) == ("reproduced", 0.035, None, None)
    assert row["planted_value"] == 0.034
    hub = world.row("substantive_messages_huggingface")
    assert "no commit's message" in hub["reason"]
