"""The study's samples in a warehouse: tables, estimates, cuts, suspect stars, and their checks."""

import shutil
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest
from databases import database

from assets.study import cuts, intensity, sample, stars, tables
from assets.study.assets import SAMPLED, study_assets
from assets.study.draw import random_number
from checks import sampling
from checks.assets import build_checks
from checks.warehouse import kept_open
from orchestration import keys
from orchestration.failures import PermanentFailure, TransientFailure
from orchestration.resources import Installation
from orchestration.settings import NetworkSettings, SampleSettings, Settings, StudySettings

ACTIVITY = {
    "repository_key": "VARCHAR", "platform": "VARCHAR", "repository_type": "VARCHAR",
    "created_at": "TIMESTAMP", "created_at_basis": "VARCHAR", "first_seen_at": "TIMESTAMP",
    "is_fork": "BOOLEAN", "tombstone_reason": "VARCHAR", "commit_flow_count": "BIGINT",
    "push_flow_count": "BIGINT", "issue_flow_count": "BIGINT", "star_flow_count": "BIGINT",
    "fork_flow_count": "BIGINT", "actor_flow_count": "BIGINT", "commit_stock_count": "BIGINT",
    "discussion_stock_count": "BIGINT", "star_stock_count": "BIGINT",
    "download_30d_stock_count": "BIGINT",
}  # fmt: skip
ACTS = {
    "platform": "VARCHAR", "kind": "VARCHAR", "actor_key": "VARCHAR", "repository_key": "VARCHAR",
    "occurred_at": "TIMESTAMP", "occurred_on": "DATE",
}  # fmt: skip
KINDS = {"VARCHAR": pa.string(), "TIMESTAMP": pa.timestamp("us"), "BOOLEAN": pa.bool_(),
         "BIGINT": pa.int64(), "DATE": pa.date32()}  # fmt: skip
SEEN = datetime(2025, 10, 6)
Row = dict[str, Any]


def repositories(count: int = 1200, seed: int = 1) -> list[Row]:
    """GitHub as the archive knows it, some of it as the API does; the Hub as its listing has it."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for k in range(count):
        stars_, commits = int(rng.pareto(0.8)), int(rng.lognormal(2, 1.5))
        told = rng.random() < 0.6
        created = SEEN - timedelta(days=int(rng.integers(1, 5000)))
        rows.append({
            "repository_key": f"github:repository:{k}", "platform": "github",
            "repository_type": "repository", "first_seen_at": SEEN,
            "created_at": created if told else SEEN,
            "created_at_basis": "api" if told else "first_seen",
            "is_fork": bool(told and rng.random() < 0.1),
            "tombstone_reason": "deleted_or_private" if told and rng.random() < 0.05 else None,
            "commit_flow_count": commits, "push_flow_count": 1 + commits // 3,
            "issue_flow_count": int(rng.poisson(0.5)), "star_flow_count": stars_,
            "fork_flow_count": stars_ // 4, "actor_flow_count": 1 + stars_ // 2,
            "star_stock_count": 5 * stars_ if told else None,
        })  # fmt: skip
    for k in range(count // 4):
        rows.append({
            "repository_key": f"huggingface:model:{k}", "platform": "huggingface",
            "repository_type": "model", "first_seen_at": SEEN, "created_at": SEEN,
            "created_at_basis": "floor" if k % 3 else "api",
            "commit_stock_count": int(rng.poisson(3)) if k % 5 else None,
            "discussion_stock_count": 0, "star_stock_count": int(rng.pareto(1.2)),
            "download_30d_stock_count": int(rng.pareto(0.7)),
        })  # fmt: skip
    rows.append({**rows[-1], "repository_key": "huggingface:dataset:1",
                 "repository_type": "dataset"})  # fmt: skip
    return rows


def write(path: Path, rows: list[Row], interactions: list[Row] | None = None) -> None:
    with database(path) as connection:
        for schema in ("marts", "core"):
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for name, columns, given in (
            ("marts.mart_repository_activity", ACTIVITY, rows),
            ("core.fct_interaction", ACTS, interactions or []),
        ):
            declared = ", ".join(f"{column} {kind}" for column, kind in columns.items())
            connection.execute(f"CREATE OR REPLACE TABLE {name} ({declared})")
            connection.register("given", pa.Table.from_pylist(given, schema=pa.schema(
                [(column, KINDS[kind]) for column, kind in columns.items()]
            )))  # fmt: skip
            connection.execute(f"INSERT INTO {name} SELECT * FROM given")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "warehouse.duckdb"
    write(path, repositories())
    return path


@pytest.fixture(scope="module")
def made(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "warehouse.duckdb"
    shutil.copy(written, path)
    sample.draw_samples(path, study())
    intensity.estimate_intensity(path, study())
    return path


@pytest.fixture
def warehouse(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(written, tmp_path / "warehouse.duckdb"))


def ask(path: Path, sql: str) -> list[Any]:
    with database(path, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def study(**changes: Any) -> StudySettings:
    return StudySettings(sample=SampleSettings(**{"least": 5, **changes}))


MEMBERS = "SELECT * EXCLUDE study FROM study.sample_member ORDER BY ALL"


# ---------------------------------------------------------------- samples


def test_every_design_is_drawn_on_both_platforms(warehouse: Path) -> None:
    designs = ["paper", "proportional", "neyman", "equal", "matched"]
    drawn = sample.draw_samples(warehouse, study(designs=designs))
    assert not drawn.is_unchanged
    found = ask(warehouse, "SELECT design, platform, sum(frame_count), sum(target_count),"
                " sum(sample_count), sum(rejected_count) FROM study.sample_stratum"
                " GROUP BY ALL")  # fmt: skip
    assert len(found) == 10
    for design, platform, frame, target, kept, rejected in found:
        assert frame == (1200 if platform == "github" else 300)
        if platform == "huggingface" or design != "matched":
            assert target == 300, (design, platform)
        # A stratum that is exhausted has nobody to replace its rejected ones with.
        assert target * 0.9 < kept <= target
        # The Hub's quarters are all after 2016.
        assert (rejected > 0) == (platform == "github" and design != "matched")
    # GitHub's stocks of stars are those of whom somebody asked about: the flow divides.
    basis = dict(ask(warehouse, "SELECT DISTINCT platform, size_basis FROM study.sample_stratum"))
    assert basis == {"github": "flow", "huggingface": "stock"}
    assert not ask(
        warehouse, "SELECT * FROM study.sample_member WHERE repository_key LIKE '%data%'"
    )
    commented = ask(warehouse, "SELECT count(*) FROM duckdb_columns() WHERE schema_name = 'study'"
                    " AND comment IS NULL")  # fmt: skip
    assert commented == [(0,)]


def test_who_is_rejected_and_for_what(warehouse: Path) -> None:
    sample.draw_samples(warehouse, study(designs=["proportional"], size=1200))
    rows = ask(warehouse, """
        SELECT outcome, reason, phase, created_at_basis, created_at < TIMESTAMP '2016-01-01',
            tombstone_reason, weight, random_number, repository_key
        FROM study.sample_member INNER JOIN marts.mart_repository_activity USING (repository_key)
    """)  # fmt: skip
    assert len(rows) == 1500
    for outcome, reason, phase, basis, is_old, tombstone, weight, number, key in rows:
        expected = "created_before_start" if is_old else "gone" if tombstone else None
        assert reason == expected
        assert outcome == (
            "rejected" if reason else "believed" if basis == "first_seen" else "accepted"
        )
        assert phase == (1 if outcome == "believed" else 2)
        assert (weight is None) == (outcome == "rejected")
        assert number == random_number(2016, key)
    forks = study(designs=["proportional"], size=1200, reject=["fork"])
    sample.draw_samples(warehouse, forks)
    reasons = ask(warehouse, "SELECT DISTINCT reason FROM study.sample_member")
    assert set(reasons) == {(None,), ("fork",)}


def test_the_start_of_the_frame_is_a_setting(warehouse: Path) -> None:
    with database(warehouse) as connection:
        connection.execute("UPDATE marts.mart_repository_activity SET"
                           " first_seen_at = TIMESTAMP '2015-06-01'"
                           " WHERE repository_key = 'github:repository:7'")  # fmt: skip
    sample.draw_samples(warehouse, study(designs=["proportional"]))
    assert ask(warehouse, "SELECT sum(frame_count) FROM study.sample_stratum"
               " WHERE platform = 'github'") == [(1199,)]  # fmt: skip
    sample.draw_samples(warehouse, study(designs=["proportional"], frame_start=date(2015, 1, 1)))
    assert ask(warehouse, "SELECT sum(frame_count) FROM study.sample_stratum"
               " WHERE platform = 'github'") == [(1200,)]  # fmt: skip


def test_unchanged_input_leaves_the_tables_and_a_changed_one_does_not(warehouse: Path) -> None:
    first = sample.draw_samples(warehouse, study())
    members = ask(warehouse, MEMBERS)
    again = sample.draw_samples(warehouse, study())
    assert again.is_unchanged
    assert (again.member_count, len(again.strata)) == (first.member_count, len(first.strata))
    key = lambda row: (row["design"], row["platform"], row["stratum_number"])  # noqa: E731
    assert sorted(again.strata, key=key) == sorted(first.strata, key=key)
    write(warehouse, list(reversed(repositories())))
    assert sample.draw_samples(warehouse, study()).is_unchanged
    assert ask(warehouse, MEMBERS) == members
    changed = repositories()
    changed[3]["tombstone_reason"] = "deleted"
    write(warehouse, changed)
    assert not sample.draw_samples(warehouse, study()).is_unchanged
    assert not sample.draw_samples(warehouse, study(size=200)).is_unchanged
    assert sample.draw_samples(warehouse, study(size=200, memory_megabytes=500)).is_unchanged
    other = StudySettings(name="other", sample=study(size=200).sample)
    sample.draw_samples(warehouse, other)
    assert {row[0] for row in ask(warehouse, "SELECT study FROM study.sample_member")} == {
        "paper", "other",
    }  # fmt: skip


def test_tomorrows_frame_keeps_the_sample_at_a_fixed_rate(warehouse: Path) -> None:
    settings = study(designs=["proportional"], size=300, selection="rate")
    sample.draw_samples(warehouse, settings)
    before = {row[0] for row in ask(warehouse, "SELECT repository_key FROM study.sample_member")}
    more = [row for row in repositories(300, seed=5) if row["platform"] == "github"]
    for k, row in enumerate(more):
        row["repository_key"] = f"github:repository:{9000 + k}"
    write(warehouse, [*repositories(), *more])
    assert not sample.draw_samples(warehouse, settings).is_unchanged
    after = {row[0] for row in ask(warehouse, "SELECT repository_key FROM study.sample_member")}
    assert before < after


def test_matched_follows_the_hub_by_likes_and_quarter(warehouse: Path) -> None:
    sample.draw_samples(warehouse, study(designs=["matched"], match_quarter=False, take_all={}))
    rows = ask(warehouse, """
        SELECT github.stratum, github.target_count, hub.frame_count, github.frame_count
        FROM study.sample_stratum AS github
        LEFT JOIN study.sample_stratum AS hub
            ON github.stratum = hub.stratum AND hub.platform = 'huggingface'
        WHERE github.platform = 'github'
    """)  # fmt: skip
    full = [row for row in rows if row[2] and row[1] < row[3]]
    assert len(full) >= 3
    # Strata that GitHub has too few of give theirs to the others by the same measure.
    ratios = [row[1] / row[2] for row in full if row[2] >= 10]
    assert max(ratios) / min(ratios) < 1.1
    assert all(row[1] == 0 for row in rows if not row[2])
    sample.draw_samples(warehouse, study(designs=["matched"]))
    assert ask(warehouse, "SELECT count(*) FROM study.sample_stratum WHERE stratum LIKE '%Q4'"
               " AND sample_count > 0 AND platform = 'github'")[0][0] > 0  # fmt: skip


def test_a_hub_that_is_not_there_and_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with pytest.raises(PermanentFailure, match="no warehouse"):
        sample.draw_samples(path, study())
    with database(path):
        pass
    with pytest.raises(PermanentFailure, match="not as expected"):
        sample.draw_samples(path, study())
    write(path, [row for row in repositories() if row["platform"] == "github"])
    sample.draw_samples(path, study())
    rows = intensity.estimate_intensity(path, study())
    hub = [row for row in rows if row["platform"] == "huggingface"]
    assert {row["status"] for row in hub} == {"not_measurable"}
    assert sampling.estimates_hold(path, "paper", study().sample.designs).passed
    write(path, [])
    sample.draw_samples(path, study())
    rows = intensity.estimate_intensity(path, study())
    assert {row["status"] for row in rows} == {"not_measurable"}


def test_a_table_of_another_version_is_told(warehouse: Path) -> None:
    with database(warehouse) as connection:
        connection.execute("CREATE SCHEMA study")
        connection.execute("CREATE TABLE study.sample_member (study VARCHAR)")
    with pytest.raises(PermanentFailure, match="another version"):
        sample.draw_samples(warehouse, study())


def test_comments_of_a_table_that_is_there_become_the_declared_ones(tmp_path: Path) -> None:
    table = tables.StudyTable("study.a", "All.", (("one", "BIGINT", "First."),))
    other = tables.StudyTable("study.a", "Each's.", (("one", "BIGINT", "Its own."),))
    with database(tmp_path / "a.duckdb") as connection:
        for given in (table, other, other):
            tables.make_tables(connection, [given])
            assert connection.execute(
                "SELECT t.comment, c.comment FROM duckdb_tables() AS t, duckdb_columns() AS c"
                " WHERE c.schema_name = 'study'"
            ).fetchall() == [(given.comment, given.columns[0][2])]


# ---------------------------------------------------------------- estimates


@pytest.fixture
def estimated(made: Path) -> dict[tuple[str, ...], Row]:
    names = intensity.ESTIMATE.column_names
    found = ask(made, f"SELECT {', '.join(names)} FROM marts.mart_intensity_estimate")
    rows = [dict(zip(names, row, strict=True)) for row in found]
    return {(r["design"], r["platform"], r["feature"], r["statistic"]): r for r in rows}


def test_a_census_is_the_truth_and_a_sample_near_it(
    warehouse: Path, estimated: dict[tuple[str, ...], Row]
) -> None:
    assert len(estimated) == 4 * 2 * 3 * 5
    known = "platform = 'huggingface' AND repository_type = 'model'"
    figures = "avg(star_stock_count), median(star_stock_count), sum(star_stock_count)"
    true = ask(warehouse, f"SELECT {figures} FROM marts.mart_repository_activity WHERE {known}")[0]
    for statistic, value in zip(("mean", "median", "total"), true, strict=True):
        row = estimated["paper", "huggingface", "stars", statistic]
        assert row["weighted_value"] == pytest.approx(row["unweighted_value"]) == float(value)
        assert (row["standard_error"], row["frame_count"]) == (0.0, 300)
    # All who are not known to be out, believed ones included.
    true_mean = ask(warehouse, """
        SELECT avg(commit_flow_count) FROM marts.mart_repository_activity
        WHERE platform = 'github' AND tombstone_reason IS NULL
        AND NOT (created_at_basis = 'api' AND created_at < TIMESTAMP '2016-01-01')
    """)[0][0]  # fmt: skip
    for design in ("paper", "proportional", "neyman"):
        row = estimated[design, "github", "commits", "mean"]
        assert abs(row["weighted_value"] - true_mean) < 4.5 * row["standard_error"]
        assert row["low"] < row["weighted_value"] < row["high"]
    # Equal numbers of each stratum and the frame as it is are not the same.
    stars_row = estimated["paper", "github", "stars", "mean"]
    assert stars_row["unweighted_value"] > 1.5 * stars_row["weighted_value"]


def test_what_is_taken_whole_is_kept_with_its_bounds(made: Path) -> None:
    """Only by columns that the frame knows of all: stars of GitHub only as the archive saw them."""
    rows = ask(made, """
        SELECT cut.platform, cut.column_name, cut.is_holding, count(cut.from_value),
            bool_and(cut.tail_bound > 0)
        FROM study.sample_cut_off AS cut WHERE design = 'proportional' GROUP BY ALL ORDER BY ALL
    """)  # fmt: skip
    assert [row[:3] for row in rows if row[0] == "github"] == [
        ("github", name, True)
        for name in ("commit_flow_count", "issue_flow_count", "star_flow_count")
    ]
    assert {row[1] for row in rows if row[0] == "huggingface"} == {
        "discussion_stock_count", "star_stock_count",
    }  # fmt: skip
    assert sum(row[3] for row in rows) > 0 and all(row[4] for row in rows)
    # Whoever is at or above a cut-off of the own stratum is taken whole, and nobody else.
    wrong = ask(made, """
        SELECT member.repository_key
        FROM study.sample_member AS member
        INNER JOIN marts.mart_repository_activity AS activity USING (repository_key)
        INNER JOIN study.sample_cut_off AS cut
            ON cut.design = member.design AND cut.platform = member.platform
            AND cut.stratum = replace(member.stratum, ', taken whole', '')
        GROUP BY member.design, member.stratum, member.repository_key
        HAVING (member.stratum LIKE '%taken whole') <> bool_or(coalesce(
            CASE cut.column_name
                WHEN 'commit_flow_count' THEN commit_flow_count
                WHEN 'issue_flow_count' THEN issue_flow_count
                WHEN 'star_flow_count' THEN star_flow_count
                WHEN 'discussion_stock_count' THEN discussion_stock_count
                WHEN 'star_stock_count' THEN star_stock_count
            END >= cut.from_value - 1e-6, false))
    """)  # fmt: skip
    assert wrong == []
    whole = ask(made, """
        SELECT bool_and(sample_member.weight = 1), count(*) FILTER (NOT is_plain), count(*)
        FROM study.sample_member INNER JOIN study.sample_stratum
            USING (study, design, platform, stratum)
        WHERE is_take_all AND outcome <> 'rejected'
    """)[0]  # fmt: skip
    assert whole[0] and 0 < whole[1] < whole[2]
    assert ask(made, "SELECT count(*) FROM study.sample_member INNER JOIN study.sample_stratum"
               " USING (study, design, platform, stratum)"
               " WHERE NOT is_take_all AND NOT is_plain") == [(0,)]  # fmt: skip


@pytest.mark.parametrize(("size", "is_bounded"), [(1, False), (90, True)])
def test_a_sample_too_small_for_its_tails_says_so(
    warehouse: Path, size: int, is_bounded: bool
) -> None:
    settings = study(designs=["proportional"], size=size)
    sample.draw_samples(warehouse, settings)
    told = ask(warehouse, "SELECT bool_or(is_holding), count(tail_bound) > 0, count(from_value) > 0"
               " FROM study.sample_cut_off WHERE platform = 'github'")[0]  # fmt: skip
    assert told == (False, is_bounded, is_bounded)
    rows = {row["statistic"]: row for row in intensity.estimate_intensity(warehouse, settings)
            if row["platform"] == "github" and row["feature"] == "commits"}  # fmt: skip
    for statistic in ("mean", "total"):
        assert "more than half of the sample" in rows[statistic]["reason"]
        assert (
            rows[statistic]["low"] is rows[statistic]["high"] is rows[statistic]["method"] is None
        )
        assert rows[statistic]["status"] == "measured"
    assert "more than half" not in (rows["median"]["reason"] or "")
    assert rows["median"]["low"] is not None


def test_what_the_frame_does_not_know_of_all_is_told(warehouse: Path) -> None:
    """Where the API answered for most, stars are compared as stocks, but the frame has flows."""
    with database(warehouse) as connection:
        connection.execute("""
            UPDATE marts.mart_repository_activity SET star_stock_count = star_flow_count
            WHERE platform = 'github' AND hash(repository_key) % 100 > 4
        """)
    settings = study(designs=["proportional"], size=600)
    sample.draw_samples(warehouse, settings)
    found = {(row["feature"], row["statistic"]): row
             for row in intensity.estimate_intensity(warehouse, settings)
             if row["platform"] == "github"}  # fmt: skip
    assert found["stars", "mean"]["basis"] == "stock"
    assert "the frame does not know it of all" in found["stars", "mean"]["reason"]
    is_open = {key: row["low"] is None for key, row in found.items() if key[0] != "discussions"}
    assert is_open == {key: key in {("stars", "mean"), ("stars", "total")} for key in is_open}
    nothing = study(designs=["proportional"], size=600, take_all={})
    sample.draw_samples(warehouse, nothing)
    rows = intensity.estimate_intensity(warehouse, nothing)
    told = {row["statistic"] for row in rows if "does not ask the frame" in (row["reason"] or "")}
    assert told == {row["statistic"] for row in rows if row["low"] is None} == {"mean", "total"}
    assert ask(warehouse, "SELECT count(*) FROM study.sample_cut_off") == [(0,)]


def test_unknown_values_are_told_and_leave_a_census_uncertain(
    estimated: dict[tuple[str, ...], Row],
) -> None:
    row = estimated["paper", "huggingface", "commits", "mean"]
    assert (row["sample_count"], row["unknown_count"]) == (240, 60)
    assert row["standard_error"] > 0
    assert row["reason"].startswith("60 repositories of the sample have no known value")
    assert estimated["paper", "huggingface", "discussions", "mean"]["reason"] is None


def test_responding_units_stand_for_all_of_their_stratum() -> None:
    from assets.study.estimators import mean, responding, sample_of

    full = sample_of([0, 0, 0, 1, 1, 1], [30, 3], is_in=[True] * 5 + [False])
    told = responding(full, np.array([True, False, True, True, False, False]))
    assert told.weight.tolist() == [15.0, 15.0, 2.0, 0.0]
    assert mean(told, [1.0, 3.0, 8.0, 99.0]).value == pytest.approx((15 * 4 + 16) / 32)
    assert told.weight.sum() == full.weight.sum()


@pytest.mark.parametrize(
    ("values", "frame", "is_open"),
    [
        (np.array([1.0] * 30 + [9000.0] + [1.0] * 29), 6000, True),
        # Of a census nothing was left to chance.
        (np.array([1.0] * 30 + [9000.0] + [1.0] * 29), 60, False),
        (np.random.default_rng(2).gamma(4, 3, 2000), 90_000, True),
    ],
)
def test_where_large_values_are_left_to_chance_a_mean_has_no_interval(
    values: Any, frame: int, is_open: bool
) -> None:
    from assets.study.estimators import sample_of

    drawn = sample_of(np.zeros(values.size, int), [frame])
    for unheld in ("large ones are not", None):
        found = intensity.feature_rows({}, drawn, values, unheld=unheld)
        rows = {row["statistic"]: row for row in found}
        for statistic in ("mean", "total"):
            row = rows[statistic]
            assert (row["low"] is None) == (is_open and unheld is not None)
            said = "no interval, as large ones are not" if row["low"] is None else None
            assert row["reason"] == said and row["weighted_value"] > 0
        assert rows["median"]["reason"] is None and rows["median"]["low"] is not None


def test_rows_of_the_same_study_are_replaced(warehouse: Path) -> None:
    settings = study(designs=["paper"])
    sample.draw_samples(warehouse, settings)
    first = intensity.estimate_intensity(warehouse, settings)
    assert intensity.estimate_intensity(warehouse, settings) == first
    count = ask(warehouse, "SELECT count(*) FROM marts.mart_intensity_estimate")
    assert count == [(30,)]


# ---------------------------------------------------------------- checks


@pytest.fixture
def checked(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path / "warehouse.duckdb"))


def outcomes(path: Path) -> dict[str, bool]:
    designs = study().sample.designs
    with kept_open(warehouse=path):
        found = [
            sampling.counts_add_up(path, "paper"),
            sampling.weights_stand_for_strata(path, "paper"),
            sampling.numbers_are_permanent(path, "paper"),
            sampling.estimates_hold(path, "paper", designs),
        ]
    assert all(one.severity == "error" or one.passed for one in found)
    return {one.name: one.passed for one in found}


def test_checks_are_green_on_what_was_drawn(checked: Path) -> None:
    assert set(outcomes(checked).values()) == {True}


MEMBER_OF = "repository_key = (SELECT min(repository_key) FROM study.sample_member)"
RED = {
    "counts_add_up": [
        f"DELETE FROM study.sample_member WHERE {MEMBER_OF}",
        "UPDATE study.sample_stratum SET drawn_count = frame_count + 1 WHERE stratum_number = 0",
        "UPDATE study.sample_stratum SET sample_count = sample_count + 1 WHERE stratum_number = 0",
        "UPDATE study.sample_stratum SET estimated_count = 1e9 WHERE stratum_number = 0",
    ],
    "weights_stand_for_strata": [
        "UPDATE study.sample_member SET weight = 2 * weight WHERE platform = 'github'",
        "UPDATE study.sample_member SET weight = 0 WHERE outcome = 'rejected'",
        "UPDATE study.sample_member SET reason = NULL WHERE outcome = 'rejected'",
    ],
    "numbers_are_permanent": [
        "UPDATE study.sample_input SET seed = seed + 1",
        "UPDATE study.sample_member SET random_number = random_number / 2",
    ],
    "estimates_hold": [
        "DELETE FROM marts.mart_intensity_estimate WHERE feature = 'stars'",
        "UPDATE marts.mart_intensity_estimate SET low = high + 1 WHERE statistic = 'mean'",
        "UPDATE marts.mart_intensity_estimate SET high = 2 WHERE statistic = 'zero_share'",
        "UPDATE marts.mart_intensity_estimate SET weighted_value = 'nan'::DOUBLE",
        "UPDATE marts.mart_intensity_estimate SET status = 'not_measurable', reason = NULL",
        "UPDATE marts.mart_intensity_estimate SET low = NULL WHERE statistic = 'mean'",
        "UPDATE marts.mart_intensity_estimate SET low = NULL, high = NULL, reason = NULL",
        "UPDATE marts.mart_intensity_estimate SET low = NULL, high = NULL, reason = 'none'"
        " WHERE statistic = 'median'",
        "UPDATE marts.mart_intensity_estimate SET interval_is = 'always'",
        "UPDATE marts.mart_intensity_estimate SET interval_is = NULL WHERE statistic = 'median'",
    ],
}


@pytest.mark.parametrize(
    ("name", "sql"), [(n, sql) for n, several in RED.items() for sql in several]
)
def test_each_check_is_red_on_its_fixture(checked: Path, name: str, sql: str) -> None:
    with database(checked) as connection:
        connection.execute(sql)
    assert not outcomes(checked)[name]


def test_a_warehouse_in_use_is_a_passing_condition(checked: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    holder = subprocess.Popen(
        [sys.executable, "-c", "import duckdb, sys; c = duckdb.connect(sys.argv[1]);"
         " print('open', flush=True); sys.stdin.read()", str(checked)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert holder.stdout is not None and holder.stdout.readline()
        for work in (sample.draw_samples, intensity.estimate_intensity):
            with pytest.raises(TransientFailure, match="cannot be opened"):
                work(checked, study(size=7))
    finally:
        holder.communicate()


# ---------------------------------------------------------------- cuts


def test_cuts_by_several_ranks_and_their_overlap(warehouse: Path) -> None:
    settings = study(top_n=[10, 50], ranks=["stars", "forks", "downloads", "actors"])
    # Networks cut by stars, and deeper.
    deeper = NetworkSettings.model_validate({"reference": {"top_count": 70}, "top_counts": [20]})
    settings = settings.model_copy(update={"networks": deeper})
    with tables.open_warehouse(warehouse, read_only=True) as connection:
        rows = cuts.top_cuts(connection, "marts.mart_repository_activity", settings)
    by_rank: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        by_rank.setdefault((row["platform"], row["rank_name"]), []).append(row["repository_key"])
    # Stars and downloads of the Hub; its archive of flows does not exist.
    assert set(by_rank) == {("github", "stars"), ("github", "forks"), ("github", "actors"),
                            ("huggingface", "stars"), ("huggingface", "downloads")}  # fmt: skip
    likes = {row["repository_key"]: row["star_stock_count"] for row in repositories()
             if row["repository_type"] == "model"}  # fmt: skip
    expected = sorted(likes, key=lambda key: (-likes[key], random_number(2016, key)))[:70]
    assert by_rank["huggingface", "stars"] == expected
    assert len(by_rank["huggingface", "downloads"]) == 50
    shared = {(r["platform"], r["top_count"], r["first_rank"], r["second_rank"]): r
              for r in cuts.overlaps(rows, [10, 50])}  # fmt: skip
    assert len(shared) == 2 * (3 + 1)
    for (platform, size, first, second), row in shared.items():
        one, two = (set(by_rank[platform, rank][:size]) for rank in (first, second))
        assert row["shared_count"] == len(one & two)
        assert row["shared_share"] == pytest.approx(len(one & two) / len(one | two))


# ---------------------------------------------------------------- stars that look bought


def star(actor: int, repository: str, at: datetime, kind: str = "star") -> Row:
    return {"platform": "github", "kind": kind, "actor_key": f"github:actor:{actor}",
            "repository_key": repository, "occurred_at": at, "occurred_on": at.date()}  # fmt: skip


def planted() -> list[Row]:
    rng = np.random.default_rng(1)
    start, rows = datetime(2025, 10, 6), []
    # People of all ages who push and star over ten days.
    for actor in range(1, 400):
        rows += [star(actor, f"r{int(rng.integers(40))}", start + timedelta(hours=int(hour)))
                 for hour in rng.integers(0, 240, 3)]  # fmt: skip
        rows.append(star(actor, "r0", start + timedelta(hours=int(rng.integers(240))), "push"))
    for k in range(40):  # new accounts, nothing else seen of them
        rows.append(star(90_000 + k, "bought", start + timedelta(hours=30, minutes=k)))
    for name in ("ring1", "ring2", "ring3"):  # old accounts that push too, in step
        rows += [star(actor, name, start + timedelta(hours=50, minutes=actor % 60))
                 for actor in range(100, 130)]  # fmt: skip
    for actor in range(200, 260):  # the news: people with a life of their own
        rows.append(star(actor, "news", start + timedelta(hours=70, minutes=actor % 60)))
    for k in range(1440):  # popular all the time, among people seen nowhere else
        rows.append(star(10_000 + k, "popular", start + timedelta(minutes=10 * k)))
    for k in range(60):  # grown slowly by accounts that do nothing else
        rows.append(star(8000 + k, "slow", start + timedelta(hours=4 * k)))
    return rows


def test_planted_bursts_are_found_and_news_and_slow_growth_are_not(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    write(path, [], planted())
    with tables.open_warehouse(path, read_only=True) as connection:
        rows = stars.star_suspects(connection, "core.fct_interaction", "paper")
    found = {row["repository_key"]: row for row in rows}
    suspects = {key for key, row in found.items() if row["is_star_suspect"]}
    assert suspects == {"bought", "ring1", "ring2", "ring3"}
    assert found["bought"]["empty_star_count"] == found["bought"]["young_star_count"] == 40
    assert found["ring1"]["lockstep_star_count"] == 30
    assert found["ring1"]["empty_star_count"] == 0
    assert found["news"]["score"] < 0.5 and found["news"]["burst_star_count"] == 60
    assert "slow" not in found and "popular" not in found
    assert "40 of 40 stars in bursts" in found["bought"]["reason"]
    assert set(found["bought"]) == set(stars.SUSPECT.column_names)


def test_no_stars_no_suspects(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    write(path, [])
    with tables.open_warehouse(path, read_only=True) as connection:
        assert stars.star_suspects(connection, "core.fct_interaction", "paper") == []


# ---------------------------------------------------------------- Dagster


def executed(folder: Path, settings: StudySettings) -> dg.ExecuteInProcessResult:
    installation = Installation.of(Settings(data_dir=folder, study=settings))
    wanted = {*SAMPLED, keys.INTENSITY_ESTIMATE}
    assets = [one for one in study_assets() if set(one.keys) & wanted]
    checks = [one for one in build_checks() if {key.asset_key for key in one.check_keys} & wanted]
    job = dg.define_asset_job("job", dg.AssetSelection.assets(*wanted))
    definitions = dg.Definitions(
        [*assets, *checks], jobs=[job], resources={"installation": installation}
    )
    return definitions.resolve_job_def("job").execute_in_process(raise_on_error=False)


def told(done: dg.ExecuteInProcessResult) -> dict[str, Any]:
    return {
        event.asset_key.path[-1]: event.materialization.metadata
        for event in done.get_asset_materialization_events()
        if event.asset_key
    }


def test_the_assets_are_made_checked_and_told(warehouse: Path) -> None:
    done = executed(warehouse.parent, study())
    assert done.success
    metadata = told(done)
    assert set(metadata) == {key.path[-1] for key in (*SAMPLED, keys.INTENSITY_ESTIMATE)}
    assert metadata["sample_stratum"]["state"].value == "drawn anew"
    count = ask(warehouse, "SELECT count(*) FROM study.sample_member")[0][0]
    assert metadata["sample_member"]["dagster/row_count"].value == count
    assert metadata["mart_intensity_estimate"]["dagster/row_count"].value == 120
    evaluations = done.get_asset_check_evaluations()
    assert {one.check_name for one in evaluations} == set(RED)
    assert all(one.passed for one in evaluations)
    assert told(executed(warehouse.parent, study()))["sample_stratum"]["state"].value == "unchanged"


def test_a_red_check_stops_the_estimates(warehouse: Path) -> None:
    assert executed(warehouse.parent, study()).success
    with database(warehouse) as connection:
        connection.execute("UPDATE study.sample_member SET random_number = 0.5")
    done = executed(warehouse.parent, study())
    assert not done.success
    assert "mart_intensity_estimate" not in told(done)
