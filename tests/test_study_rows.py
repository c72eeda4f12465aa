"""Rows of descriptions, correlations and sensitivity: which figure stands in which column."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from databases import database
from scipy import stats
from study_support import DAY, repository, study_warehouse

from assets.study.cells import Cell
from assets.study.correlations import METHODS, correlation_rows
from assets.study.distribution import bin_of, edges
from assets.study.grid import compute_grid
from assets.study.marts import CELL, CORRELATION, SUMMARY
from assets.study.population import Population, populations, window_of
from assets.study.sensitivity import policy_sensitivity
from assets.study.statistics.descriptives import describe
from assets.study.summary import summary_rows
from orchestration.settings import StudySettings

COMMON = {name: "x" for name, _, _ in CELL} | {"input_hash": "h", "day": DAY}
RNG = np.random.default_rng(11)
STARS = np.floor(RNG.lognormal(1, 2, 300)).astype(int)
COMMITS = np.floor(STARS**0.5 + RNG.lognormal(1, 1, 300)).astype(int)
MONTHS = RNG.integers(1, 60, 300)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    first = np.datetime64("2020-01-01", "M")
    return study_warehouse(tmp_path_factory.mktemp("rows") / "warehouse.duckdb", [
        *(
            repository(
                f"g{n:03}", star_stock_count=int(STARS[n]),
                commit_stock_count=None if n % 3 == 0 else int(COMMITS[n]),
                created_at=datetime.fromisoformat(f"{first + int(MONTHS[n])}-01"),
                under={"paper": {"star_stock_count": int(STARS[n]) // 2}},
            )
            for n in range(300)
        ),
        *(repository(f"h{n}", star_stock_count=0, commit_stock_count=n) for n in range(5)),
    ])  # fmt: skip


@pytest.fixture(scope="module")
def pair(path: Path) -> tuple[Population, Population]:
    with database(path, read_only=True) as connection:
        return populations(connection, StudySettings(), Cell(), window_of(connection))


def test_descriptions_are_of_the_known(pair: tuple[Population, Population]) -> None:
    rows = {(row["feature"], row["basis"]): row for row in summary_rows(COMMON, pair[0])}
    assert len(rows) == 6
    assert all(set(row) == set(SUMMARY.column_names) for row in rows.values())
    known = COMMITS[np.arange(300) % 3 > 0]
    row = rows["commits", "stock"]
    assert (row["repository_count"], row["unknown_count"]) == (200, 100)
    assert row["estimated_count"] == 200
    for column, expected in (
        ("mean_value", known.mean()), ("median_value", np.median(known)),
        ("mid_median_value", describe(known).mid_median),
        ("maximum_value", known.max()), ("total_value", known.sum()),
        ("p25_value", np.quantile(known, 0.25)), ("p99_value", np.quantile(known, 0.99)),
        ("trimmed_mean_value", stats.trim_mean(known, 0.05)),
        ("log_mean_value", np.expm1(np.log1p(known).mean())),
        ("zero_share", (known == 0).mean()), ("mean_above_zero", known[known > 0].mean()),
        ("median_above_zero", np.median(known[known > 0])),
    ):  # fmt: skip
        assert row[column] == pytest.approx(expected, rel=1e-12), column
    assert 0 < row["gini"] < 1
    assert row["status"] == "measured"
    for name in ("median", "mid_median"):
        assert row[f"{name}_low"] <= row[f"{name}_value"] <= row[f"{name}_high"]
    assert row["median_interval_is"] == "at_least"
    unknown = rows["discussions", "stock"]
    assert unknown["median_interval_is"] is None
    assert (unknown["status"], unknown["unknown_count"]) == ("not_measurable", 300)
    assert unknown["reason"] == "GitHub: discussions (stock) unknown for all 300 repositories"


def test_no_tail_is_read_from_a_few(pair: tuple[Population, Population]) -> None:
    rows = {(row["feature"], row["basis"]): row for row in summary_rows(COMMON, pair[1])}
    assert rows["commits", "stock"]["tail_exponent"] is None
    # A sum of zero has no shares.
    assert rows["stars", "stock"]["gini"] is None


def correlations(population: Population) -> dict[tuple[str, str, str], dict[str, Any]]:
    rows = list(correlation_rows(COMMON, population))
    assert all(set(row) == set(CORRELATION.column_names) for row in rows)
    return {(row["first_feature"], row["second_feature"], row["method"]): row for row in rows}


def test_correlations_are_scipys_of_those_known_on_both(
    pair: tuple[Population, Population],
) -> None:
    rows = correlations(pair[0])
    assert len(rows) == 3 * len(METHODS)
    both = np.arange(300) % 3 > 0
    x, y = COMMITS[both], STARS[both]
    for method, expected in (
        ("pearson", stats.pearsonr(x, y).statistic),
        ("log_pearson", stats.pearsonr(np.log1p(x), np.log1p(y)).statistic),
        ("spearman", stats.spearmanr(x, y).statistic),
        ("kendall_tau_b", stats.kendalltau(x, y).statistic),
    ):
        row = rows["commits", "stars", method]
        assert row["coefficient"] == pytest.approx(expected, rel=1e-9), method
        if method == "pearson":
            assert row["coefficient_low"] is None and "see log_pearson" in row["reason"]
        else:
            assert row["coefficient_low"] < row["coefficient"] < row["coefficient_high"]
            assert row["reason"] is None
        assert row["repository_count"] == 200
    partial = rows["commits", "stars", "partial_spearman"]
    ranks = [stats.rankdata(one) for one in (x, y, -MONTHS[both])]
    xy, xa, ya = (np.corrcoef(ranks[i], ranks[j])[0, 1] for i, j in ((0, 1), (0, 2), (1, 2)))
    expected = (xy - xa * ya) / np.sqrt((1 - xa**2) * (1 - ya**2))
    assert partial["coefficient"] == pytest.approx(expected, rel=1e-9)
    assert rows["commits", "discussions", "pearson"]["reason"].startswith("GitHub: discussions")


def test_what_is_the_same_for_all_correlates_with_nothing(
    pair: tuple[Population, Population],
) -> None:
    row = correlations(pair[1])["commits", "stars", "spearman"]
    assert (row["status"], row["coefficient"]) == ("not_measurable", None)
    assert row["reason"] == "a feature is the same for all"


def test_sensitivity_is_of_the_reference_under_each_policy(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "warehouse.duckdb"
    copy.write_bytes(path.read_bytes())
    study = StudySettings.model_validate(
        {"sample": {"top_n": []}, "grid": {"designs": ["census"], "bootstrap_draws": 100}}
    )
    compute_grid(copy, study)
    rows = policy_sensitivity(copy, study)
    by_name = {(r["feature"], r["platform"], r["basis"], r["statistic"]): r for r in rows}
    assert len(by_name) == len(rows) == 2 * 3 * 2 * 6 + 3 * 2
    mean = by_name["stars", "github", "stock", "mean"]
    assert mean["none_value"] == pytest.approx(STARS.mean())
    assert mean["paper_value"] == pytest.approx((STARS // 2).mean())
    assert mean["range_value"] == pytest.approx(STARS.mean() - (STARS // 2).mean())
    assert mean["range_share"] == pytest.approx(mean["range_value"] / STARS.mean())
    delta = by_name["stars", "both", None, "cliffs_delta"]
    assert delta["none_value"] == delta["conservative_value"] > delta["paper_value"]


def test_bins_hold_what_their_edges_say() -> None:
    values = np.array([0, 1, 2, 3, 9, 10, 11, 99, 100, 1000, 71_860_646, 1e15, 0.5, 1e-6])
    for value, number in zip(values.tolist(), bin_of(values).tolist(), strict=True):
        low, high = edges(number)
        assert low <= value < high or value == low == high == 0 or value < 1e-4
    assert len(set(bin_of(np.array([1.0, 2.0, 3.0, 4.0])).tolist())) == 4
