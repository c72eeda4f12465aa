"""The grid of the study's figures: what a night computes, takes over and keeps."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import database
from study_support import DAY, repository, study_warehouse

from assets.study import grid
from assets.study.cells import Cell
from assets.study.grid import compute_grid, newest_day
from assets.study.marts import COMPARISON, CORRELATION, DISTRIBUTION, SUMMARY
from assets.study.tables import open_warehouse
from orchestration.failures import PermanentFailure
from orchestration.settings import StudySettings

STUDY = StudySettings.model_validate(
    {
        "sample": {"top_n": [3]},
        "grid": {
            "policies": ["none", "paper"],
            "designs": ["census"],
            "bootstrap_draws": 100,
            "distribution_days": 3,
        },
    }
)
REPOSITORIES = [
    *(
        repository(
            f"g{n}",
            star_stock_count=2 * n + 3,
            commit_stock_count=n % 4,
            discussion_stock_count=n,
            owner_name=f"owner {n % 9}",
            under={"paper": {"commit_stock_count": max(0, n % 4 - 1)}},
        )
        for n in range(12)
    ),
    *(
        repository(f"h{n}", star_stock_count=n % 3, commit_stock_count=n % 2,
                   discussion_stock_count=0)
        for n in range(9)
    ),
]  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    ranked = {"study": "paper", "rank_name": "stars", "rank_column": "star_stock_count"}
    cut = [
        ranked | {"platform": platform, "repository_key": f"{key}{n}", "place": n + 1}
        for platform, key in (("github", "g"), ("huggingface", "h"))
        for n in range(3)
    ]
    return study_warehouse(tmp_path / "warehouse.duckdb", REPOSITORIES, cut=cut)


def rows(path: Path, table: str, condition: str = "true") -> list[dict[str, Any]]:
    with database(path, read_only=True) as connection:
        cursor = connection.execute(f"SELECT * FROM {table} WHERE {condition} ORDER BY ALL")
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def change(path: Path, statement: str, *parameters: Any) -> None:
    with database(path) as connection:
        connection.execute(statement, list(parameters))


def next_day(path: Path, days: int = 1) -> date:
    day = DAY + timedelta(days=days)
    change(path, "INSERT INTO marts.mart_coverage VALUES ('github', ?, 5)", day)
    return day


def test_every_cell_has_its_figures(path: Path) -> None:
    made = compute_grid(path, STUDY)
    assert made.day == DAY
    cells = {(row["bot_policy"], row["cut"], row["exposure"]) for row in rows(path, SUMMARY.name)}
    assert cells == {
        ("none", "all", "total"), ("paper", "all", "total"), ("none", "in_frame", "total"),
        ("none", "top_stars_3", "total"), ("none", "all", "per_month"),
        ("none", "all", "matched_quarter"),
    }  # fmt: skip
    assert len(made.cells) == 6
    assert len(rows(path, SUMMARY.name)) == 6 * 12
    assert len(rows(path, COMPARISON.name)) == 6 * 3
    assert len(rows(path, CORRELATION.name)) == 5 * 36
    (stars,) = rows(path, COMPARISON.name, "feature = 'stars' AND cut = 'all' AND"
                    " exposure = 'total' AND bot_policy = 'none'")  # fmt: skip
    # All of GitHub's have three or more, all of the Hub's two at most.
    assert (stars["cliffs_delta"], stars["mann_whitney_u"]) == (1.0, 12 * 9)
    assert (stars["github_owner_count"], stars["huggingface_owner_count"]) == (9, 9)
    assert (stars["github_mean"], stars["ratio_of_means"]) == (14.0, 14.0)
    told = "platform = 'github' AND feature = 'commits' AND basis = 'stock' AND cut = 'all'"
    means = {
        row["bot_policy"]: row["mean_value"]
        for row in rows(path, SUMMARY.name, f"{told} AND exposure = 'total'")
    }
    assert means == {"none": 1.5, "paper": 0.75}


def test_bins_hold_what_there_is(path: Path) -> None:
    compute_grid(path, STUDY)
    of = ("platform = 'github' AND feature = 'commits' AND basis = 'stock' AND bot_policy = 'none'"
          " AND cut = 'all' AND exposure = 'total'")  # fmt: skip
    bins = sorted(rows(path, DISTRIBUTION.name, of), key=lambda row: row["bin_low"])
    assert [(row["repository_count"], row["value_sum"]) for row in bins] == [
        (3, 0.0), (3, 3.0), (3, 6.0), (3, 9.0),
    ]  # fmt: skip
    assert [row["share_at_least"] for row in bins] == pytest.approx([1.0, 0.75, 0.5, 0.25])
    assert (bins[0]["bin_low"], bins[0]["bin_high"], bins[1]["bin_low"]) == (0.0, 0.0, 1.0)
    for row in bins[1:]:
        assert row["bin_low"] <= row["value_sum"] / row["estimated_count"] < row["bin_high"]


def test_unchanged_input_is_computed_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compute_grid(path, STUDY)
    before = {table.name: rows(path, table.name) for table in grid.TABLES}

    def fail(*_: Any) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(grid, "_figures", fail)
    made = compute_grid(path, STUDY)
    assert {cell for _, cell in made.taken_over} == set(made.cells)
    assert {table.name: rows(path, table.name) for table in grid.TABLES} == before


def test_a_new_day_takes_over_what_did_not_change_and_computes_what_did(path: Path) -> None:
    compute_grid(path, STUDY)
    day = next_day(path)
    change(
        path,
        "UPDATE intermediate.int_repository_intensity__measured SET commit_stock_count = 50"
        " WHERE repository_key = 'g1' AND bot_policy = 'paper'",
    )
    made = compute_grid(path, STUDY)
    anew = {(row["bot_policy"], row["exposure"]) for row in made.rows[COMPARISON.name]}
    # Under the other policy nothing changed, but for what is divided by age.
    assert anew == {("paper", "total"), ("none", "per_month")}
    assert newest(path) == day
    for table in grid.TABLES:
        days = {row["day"]: 0 for row in rows(path, table.name)}
        assert set(days) == {DAY, day}
    old, new = (rows(path, SUMMARY.name, f"day = '{one}' AND bot_policy = 'none' AND"
                     " exposure = 'total'") for one in (DAY, day))  # fmt: skip
    assert [row | {"day": day} for row in old] == new


def newest(path: Path) -> date:
    with open_warehouse(path, read_only=True) as connection:
        return newest_day(connection, "paper")


def test_ages_go_on_though_nothing_changed(path: Path) -> None:
    """Whatever is held against age or divided by it is of the day."""
    compute_grid(path, STUDY)
    next_day(path, 40)
    made = compute_grid(path, STUDY)
    assert {row["exposure"] for row in made.rows[COMPARISON.name]} == {"per_month"}
    assert {row["exposure"] for row in made.rows[CORRELATION.name]} == {"total", "per_month"}


def test_the_same_day_again_replaces_its_rows(path: Path) -> None:
    compute_grid(path, STUDY)
    change(path, "DELETE FROM intermediate.int_repository_intensity__measured"
           " WHERE repository_key = 'g1'")  # fmt: skip
    compute_grid(path, STUDY)
    counts = {row["github_count"] for row in rows(path, COMPARISON.name, "cut = 'all'")}
    assert counts == {11}
    assert len(rows(path, COMPARISON.name)) == 18


def test_cells_that_are_asked_for_no_more_leave_the_day_and_stay_in_others(path: Path) -> None:
    compute_grid(path, STUDY)
    day = next_day(path)
    fewer = STUDY.grid.model_copy(update={"policies": ["none"]})
    compute_grid(path, STUDY.model_copy(update={"grid": fewer}))
    assert rows(path, COMPARISON.name, f"day = '{day}' AND bot_policy = 'paper'") == []
    assert len(rows(path, COMPARISON.name, f"day = '{DAY}' AND bot_policy = 'paper'")) == 3


def test_other_draws_are_computed_other_tables_taken_over(path: Path) -> None:
    compute_grid(path, STUDY)
    more = STUDY.grid.model_copy(update={"bootstrap_draws": 200})
    made = compute_grid(path, STUDY.model_copy(update={"grid": more}))
    assert len(made.rows[COMPARISON.name]) == 18
    measured = [row for row in made.rows[COMPARISON.name] if row["status"] == "measured"]
    assert {row["bootstrap_draws"] for row in measured} == {0, 208}
    assert made.rows[SUMMARY.name] == []


def test_distributions_are_kept_for_the_newest_days_only(path: Path) -> None:
    compute_grid(path, STUDY)
    for days in (1, 2, 3, 4):
        next_day(path, days)
        compute_grid(path, STUDY)
    kept = {row["day"] for row in rows(path, DISTRIBUTION.name)}
    assert kept == {DAY + timedelta(days=days) for days in (2, 3, 4)}
    assert len({row["day"] for row in rows(path, SUMMARY.name)}) == 5


def test_rows_of_other_studies_stay(path: Path) -> None:
    compute_grid(path, STUDY)
    compute_grid(path, STUDY.model_copy(update={"name": "other"}))
    assert {row["study"] for row in rows(path, COMPARISON.name)} == {"paper", "other"}
    assert len(rows(path, COMPARISON.name)) == 36


def test_a_failed_write_leaves_the_rows_there_were(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute_grid(path, STUDY)
    before = rows(path, COMPARISON.name)
    next_day(path)
    insert = grid._insert

    def stop(connection: Any, table: Any, new: Any) -> None:
        if table == DISTRIBUTION:
            raise RuntimeError("killed")
        insert(connection, table, new)

    monkeypatch.setattr(grid, "_insert", stop)
    with pytest.raises(RuntimeError):
        compute_grid(path, STUDY)
    assert rows(path, COMPARISON.name) == before


def test_without_figures_there_is_no_newest_day(path: Path) -> None:
    compute_grid(path, STUDY)
    with (
        open_warehouse(path, read_only=True) as connection,
        pytest.raises(PermanentFailure, match="no figures"),
    ):
        newest_day(connection, "another")


def test_names_of_cells_are_readable() -> None:
    assert str(Cell(cut="in_frame")) == "none · in_frame · census · unweighted · total"
