"""The checks of the study's figures: green on what the study computes, red on each broken rule."""

from pathlib import Path
from typing import Any

import pytest
from databases import database
from study_support import DAY, repository, study_warehouse

from assets.study.grid import compute_grid
from assets.study.marts import ALL_MARTS, CELL, DISTRIBUTION, RERUN, SURVIVAL
from assets.study.tables import StudyTable, replace_study, table_of
from checks import figures
from checks.outcome import CheckOutcome
from checks.warehouse import kept_open
from orchestration.settings import StudySettings

STUDY = StudySettings.model_validate(
    {"sample": {"top_n": []}, "grid": {"designs": ["census"], "bootstrap_draws": 100}}
)
KEYS = {"study": "paper", "day": DAY}
SURVIVING = [
    {**KEYS, "bot_policy": "none", "design": "census", "weighting": "unweighted",
     "platform": "github", "age_months": float(month),
     "at_risk_count": 10 - month, "ended_count": 1, "censored_count": 0,
     "survival": 1 - month / 10, "survival_low": 0.1, "survival_high": 1.0}
    for month in range(3)
]  # fmt: skip
CLAIMED = [
    {**KEYS, "claim": claim, "place": "Table 2", "statement": "…", "kind": "level",
     "our_value": 2.0, "our_value_low": 1.0, "our_value_high": 3.0, "known_share": 0.5,
     "sensitivity_low": 1.0, "sensitivity_high": 3.0, "verdict": "reproduced", "reason": "within"}
    for claim in ("one", "two")
]  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("figures") / "warehouse.duckdb"
    study_warehouse(path, [
        *(repository(f"g{n}", star_stock_count=n, commit_stock_count=n % 4) for n in range(12)),
        *(repository(f"h{n}", star_stock_count=n % 3, commit_stock_count=1) for n in range(9)),
    ])  # fmt: skip
    compute_grid(path, STUDY)
    for table, rows in ((SURVIVAL, SURVIVING), (RERUN, CLAIMED)):
        replace_study(path, "paper", [(table, table_of(table, rows))], DAY)
    with database(path) as connection:
        connection.execute("CREATE SCHEMA seeds; CREATE TABLE seeds.published_claims AS"
                           " SELECT unnest(['one', 'two']) AS claim")  # fmt: skip
    return path


@pytest.fixture
def changed(good: Path, tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(good.read_bytes())
    return path


def change(path: Path, statement: str) -> None:
    with database(path) as connection:
        assert connection.execute(statement).fetchall()[0][0] > 0, "nothing was changed"


def outcomes(path: Path, table: StudyTable) -> list[CheckOutcome]:
    rules = figures.RULES[table.name]
    whole = (figures.cells_are_whole,) if rules.complete else ()
    with kept_open(warehouse=path):
        return [
            check(path, "paper", rules)
            for check in (figures.grain_is_unique, figures.figures_fit, *whole)
        ]


@pytest.mark.parametrize("table", ALL_MARTS, ids=lambda table: table.name)
def test_what_the_study_computes_is_green(good: Path, table: StudyTable) -> None:
    for outcome in outcomes(good, table):
        assert outcome.passed, outcome
    for name, of in OF_ONE_MART.items():
        assert figures.CHECKS[name](good, "paper", figures.RULES[of.name]).passed


OF_ONE_MART = {
    "bins_add_up": DISTRIBUTION,
    "survival_falls": SURVIVAL,
    "claims_are_all_there": RERUN,
}


def of_one_mart(path: Path, name: str) -> CheckOutcome:
    return figures.CHECKS[name](path, "paper", figures.RULES[OF_ONE_MART[name].name])


# Mart, rule, and a change that breaks it.
BROKEN = {
    "mart_intensity_summary": {
        "measured or with a reason": "mean_value = NULL WHERE status = 'measured'",
        "known where counted": "repository_count = 0 WHERE status = 'measured'",
        "no count below zero": "unknown_count = -1",
        "quantiles in order": "p75_value = 1e9 WHERE status = 'measured'",
        "intervals hold their value": "median_low = median_value + 1 WHERE median_low IS NOT NULL",
        "intervals have both ends": "median_high = NULL WHERE median_low IS NOT NULL",
        "a missing interval has its reason": "reason = NULL WHERE mean_low IS NULL"
        " AND status = 'measured'",
        "intervals in steps say what they hold": "median_interval_is = 'always'"
        " WHERE median_low IS NOT NULL",
        "mean not above maximum": "maximum_value = mean_value / 2, p99_value = 0, p90_value = 0,"
        " p75_value = 0, median_value = 0, p25_value = 0 WHERE mean_value > 0",
        "shares from 0 to 1": "gini = 1.5 WHERE gini IS NOT NULL",
        "tail within the values": "tail_exponent = 0.5, tail_count = 1",
        "mean is total over count": "total_value = total_value + 1 WHERE status = 'measured'",
    },
    "mart_correlation": {
        "measured or with a reason": "coefficient = NULL WHERE status = 'measured'",
        "from -1 to 1": "coefficient = 1.01, coefficient_high = 1.01 WHERE status = 'measured'",
        "interval holds its value": "coefficient_low = 0.9, coefficient = 0.5"
        " WHERE status = 'measured'",
        "a missing interval has its reason": "reason = NULL WHERE method = 'pearson'"
        " AND status = 'measured'",
    },
    "mart_platform_comparison": {
        "measured or with a reason": "cliffs_delta = NULL WHERE status = 'measured'",
        "U comes with its p value": "p_value_holm = NULL WHERE status = 'measured'",
        "p values above 0 and at most 1": "p_value = 0.0 WHERE status = 'measured'",
        "adjusted not below raw": "p_value_holm = p_value / 2 WHERE status = 'measured'",
        "U gives delta": "mann_whitney_u = mann_whitney_u + 1 WHERE mann_whitney_u IS NOT NULL",
        "A gives delta": "vargha_delaney_a = 0.123 WHERE status = 'measured'",
        "means and medians not above maxima": "github_mean = 1e9 WHERE status = 'measured'",
        "intervals in order": "ratio_of_means_low = 9, ratio_of_means_high = 8",
        "intervals in steps say what they hold": "hodges_lehmann_interval_is = NULL"
        " WHERE hodges_lehmann_low IS NOT NULL",
        "a missing end has its reason": "reason = NULL WHERE ratio_of_means_low IS NULL",
        "delta from -1 to 1": "cliffs_delta_high = 1.01, cliffs_delta = 0.5",
    },
    "mart_distribution": {
        "bins hold something": "repository_count = 0",
        "values within their bin": "value_sum = bin_high * estimated_count * 2 + 1",
        "shares from 0 to 1": "share = 1.5",
    },
    "mart_activity_survival": {
        "shares from 0 to 1": "survival_low = -0.1",
        "interval holds its value": "survival_low = 0.95, survival = 0.9",
        "ended of those at risk": "ended_count = 11",
        "no count below zero": "censored_count = -1",
    },
    "mart_study_rerun": {
        "a known verdict with its reason": "reason = ''",
        "judged where measured": "our_value = NULL",
        "range in order": "sensitivity_low = 9",
        "interval in order": "our_value_low = 9",
        "shares from 0 to 1": "known_share = 1.5",
    },
}
CASES = [(table, rule, how) for table, rules in BROKEN.items() for rule, how in rules.items()]


@pytest.mark.parametrize(("table", "rule", "how"), CASES, ids=[f"{t}-{r}" for t, r, _ in CASES])
def test_each_rule_is_red_where_it_is_broken(
    changed: Path, table: str, rule: str, how: str
) -> None:
    change(changed, f"UPDATE marts.{table} SET {how}")
    outcome = figures.figures_fit(changed, "paper", figures.RULES[f"marts.{table}"])
    assert not outcome.passed
    assert outcome.severity == "error"
    assert rule in outcome.metadata
    assert f"{rule} ({outcome.metadata[rule]} rows)" in outcome.description
    assert any(row["rule"] == rule for row in outcome.metadata["rows"])


def test_every_rule_has_a_case() -> None:
    assert {(table.split(".")[1], rule) for table, rules in figures.RULES.items()
            for rule in rules.figures} == {(table, rule) for table, rule, _ in CASES}  # fmt: skip


@pytest.mark.parametrize("table", ALL_MARTS, ids=lambda table: table.name)
def test_a_figure_that_is_there_twice_is_red(changed: Path, table: StudyTable) -> None:
    change(changed, f"INSERT INTO {table.name} SELECT * FROM {table.name} LIMIT 1")
    outcome = figures.grain_is_unique(changed, "paper", figures.RULES[table.name])
    assert not outcome.passed
    assert outcome.metadata["rows"][0]["rows"] == 2


@pytest.mark.parametrize("table", ALL_MARTS, ids=lambda table: table.name)
def test_a_study_without_rows_is_red(good: Path, table: StudyTable) -> None:
    assert not figures.grain_is_unique(good, "another", figures.RULES[table.name]).passed


@pytest.mark.parametrize(
    "table", [t for t in ALL_MARTS if figures.RULES[t.name].complete], ids=lambda t: t.name
)
def test_a_cell_that_lacks_a_figure_is_red(changed: Path, table: StudyTable) -> None:
    change(changed, f"DELETE FROM {table.name} WHERE rowid = (SELECT min(rowid) FROM {table.name})")
    outcome = figures.cells_are_whole(changed, "paper", figures.RULES[table.name])
    assert not outcome.passed
    assert set(outcome.metadata["rows"][0]) == {*figures.CELL, "figures"}
    assert {name for name, _, _ in CELL} > set(figures.CELL)


@pytest.mark.parametrize(
    "how",
    [
        "repository_count = repository_count + 1",
        "value_sum = value_sum * 1.0001 WHERE value_sum > 0",
        "share = share * 0.99",
        "share_at_least = 0.5",
    ],
)
def test_bins_of_something_else_are_red(changed: Path, how: str) -> None:
    change(changed, f"UPDATE marts.mart_distribution SET {how}")
    assert not of_one_mart(changed, "bins_add_up").passed


def test_bins_that_lack_are_red(changed: Path) -> None:
    change(changed, "DELETE FROM marts.mart_distribution WHERE feature = 'stars'")
    assert not of_one_mart(changed, "bins_add_up").passed


def test_rising_survival_is_red(changed: Path) -> None:
    change(changed, "UPDATE marts.mart_activity_survival SET survival = 1.0 WHERE age_months = 2")
    outcome = of_one_mart(changed, "survival_falls")
    assert not outcome.passed
    assert outcome.metadata["rows"][0]["age_months"] == 2.0


def test_a_claim_without_its_row_is_red(changed: Path) -> None:
    change(changed, "INSERT INTO seeds.published_claims VALUES ('three')")
    outcome = of_one_mart(changed, "claims_are_all_there")
    assert not outcome.passed
    assert "three" in outcome.description


def test_only_the_newest_day_is_judged(changed: Path) -> None:
    """What an earlier day had was judged then; a night must not fail over it again."""
    change(changed, "INSERT INTO marts.mart_activity_survival SELECT * REPLACE ("
           " day - 1 AS day, 7.0 AS survival) FROM marts.mart_activity_survival")  # fmt: skip
    rules = figures.RULES["marts.mart_activity_survival"]
    assert figures.figures_fit(changed, "paper", rules).passed


def test_names_that_are_no_figure_are_told(changed: Path) -> None:
    rows: list[dict[str, Any]] = [{**SURVIVING[0], "platform": ""}]
    replace_study(changed, "paper", [(SURVIVAL, table_of(SURVIVAL, rows))], DAY)
    rules = figures.RULES[SURVIVAL.name]
    assert figures.grain_is_unique(changed, "paper", rules).passed
    with database(changed) as connection:
        connection.execute(f"ALTER TABLE {SURVIVAL.name} ALTER platform DROP NOT NULL")
        connection.execute(f"UPDATE {SURVIVAL.name} SET platform = NULL")
    assert not figures.grain_is_unique(changed, "paper", rules).passed
