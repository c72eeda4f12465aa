"""The comparison of the platforms in one cell: tests, effects, reasons."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from databases import database
from scipy import stats
from study_support import member, repository, stratum, study_warehouse

from assets.study.cells import Cell
from assets.study.comparison import comparison_rows
from assets.study.features import choose_basis
from assets.study.marts import CELL, COMPARISON
from assets.study.population import populations, window_of
from assets.study.statistics.two_sample import EFFECTS, permutation_p_value
from orchestration.settings import StudySettings

COMMON = {name: "x" for name, _, _ in CELL} | {"input_hash": "h"}


def compared(path: Path, repositories: list[dict[str, Any]], cell: Cell | None = None,
             **tables: Any) -> dict[str, dict[str, Any]]:  # fmt: skip
    study_warehouse(path, repositories, **tables)
    with database(path, read_only=True) as connection:
        pair = populations(connection, StudySettings(), cell or Cell(), window_of(connection))
    return {row["feature"]: row for row in comparison_rows(COMMON, *pair, 200, 1)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


def test_rows_of_a_small_example(path: Path) -> None:
    rows = compared(path, [
        repository("g1", star_stock_count=3, commit_flow_count=4),
        repository("g2", star_stock_count=0, commit_flow_count=2),
        repository("h1", star_stock_count=1, commit_stock_count=1),
        repository("h2", star_stock_count=0, commit_stock_count=1),
    ])  # fmt: skip
    assert list(rows) == ["commits", "discussions", "stars"]
    assert {name for row in rows.values() for name in row} == set(COMPARISON.column_names)
    stars = rows["stars"]
    assert (stars["github_basis"], stars["huggingface_basis"]) == ("stock", "stock")
    assert (stars["github_mean"], stars["huggingface_mean"]) == (1.5, 0.5)
    assert (stars["github_maximum"], stars["huggingface_maximum"]) == (3, 1)
    # Pairs: 3>1, 3>0, 0<1, 0=0, so U is 2.5 of 4.
    assert (stars["mann_whitney_u"], stars["cliffs_delta"]) == (2.5, 0.25)
    # Differences 3, 2, 0, -1.
    assert (stars["vargha_delaney_a"], stars["hodges_lehmann"]) == (0.625, 1.0)
    assert (stars["ratio_of_means"], stars["ratio_of_medians"]) == (3.0, 3.0)
    assert stars["status"] == "measured"
    assert stars["reason"] == (
        "cliffs_delta, vargha_delaney_a, hodges_lehmann, ratio_of_means, ratio_of_medians,"
        " mid_hodges_lehmann, ratio_of_mid_medians: no interval (a side has fewer than 8 owners)"
    )
    commits = rows["commits"]
    assert (commits["github_basis"], commits["huggingface_basis"]) == ("flow", "stock")
    assert commits["cliffs_delta"] == 1.0
    assert "flow" in commits["reason"]


def test_tests_are_scipys_and_holm_goes_over_the_measured_only(path: Path) -> None:
    rng = np.random.default_rng(5)
    first, second = rng.integers(0, 9, 60), rng.integers(2, 12, 55)
    rows = compared(path, [
        *(repository(f"g{n}", star_stock_count=int(v), commit_stock_count=n)
          for n, v in enumerate(first)),
        *(repository(f"h{n}", star_stock_count=int(v), commit_stock_count=n)
          for n, v in enumerate(second)),
    ])  # fmt: skip
    expected = stats.mannwhitneyu(first, second)
    stars = rows["stars"]
    assert stars["mann_whitney_u"] == expected.statistic
    assert stars["p_value"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert stars["p_value_method"] == "asymptotic"
    assert stars["p_value_holm"] == pytest.approx(2 * stars["p_value"])
    assert rows["discussions"]["p_value_holm"] is None
    for effect in set(EFFECTS) - {"ratio_of_means"}:
        assert stars[f"{effect}_low"] <= stars[effect] <= stars[f"{effect}_high"]
    assert stars["ratio_of_means_low"] is None
    assert "ratio_of_means: no interval (on a side fewer than 1,000 owners" in stars["reason"]


def test_small_sides_with_ties_have_their_owners_dealt_anew(path: Path) -> None:
    rng = np.random.default_rng(5)
    first, second = rng.integers(0, 9, 40), rng.integers(2, 9, 30)
    stars = compared(path, [
        *(repository(f"g{n:02}", star_stock_count=int(v), owner_name=f"owner {n % 10}")
          for n, v in enumerate(first)),
        *(repository(f"h{n:02}", star_stock_count=int(v)) for n, v in enumerate(second)),
    ])["stars"]  # fmt: skip
    expected = permutation_p_value(
        first, second, first_cluster=np.arange(40) % 10, draws=200, seed=1
    )
    assert (stars["p_value_method"], stars["p_value"]) == ("permutation", expected)
    assert stars["p_value"] != stats.mannwhitneyu(first, second).pvalue
    assert stars["p_value_holm"] == stars["p_value"]
    # Without ties the test is exact.
    apart = compared(path, [
        *(repository(f"g{n}", star_stock_count=n, owner_name=f"owner {n}") for n in range(6)),
        *(repository(f"h{n}", star_stock_count=n + 10) for n in range(9)),
    ])["stars"]  # fmt: skip
    assert apart["p_value_method"] == "exact"


def test_owners_are_drawn_with_all_they_own(path: Path) -> None:
    """The same values of few owners tell less than of many."""
    rng = np.random.default_rng(6)
    values = rng.integers(0, 30, 60)

    def width(owners: int) -> float:
        rows = compared(path, [
            *(repository(f"g{n:02}", star_stock_count=int(v), owner_name=f"owner {n % owners}")
              for n, v in enumerate(np.sort(values))),
            *(repository(f"h{n:02}", star_stock_count=n % 20) for n in range(60)),
        ])  # fmt: skip
        stars = rows["stars"]
        assert stars["github_owner_count"] == owners
        return float(stars["cliffs_delta_high"] - stars["cliffs_delta_low"])

    assert width(60) > 0
    together = compared(path, [
        *(repository(f"g{n:02}", star_stock_count=int(v), owner_name=f"owner {n // 6}")
          for n, v in enumerate(np.sort(values))),
        *(repository(f"h{n:02}", star_stock_count=n % 20) for n in range(60)),
    ])["stars"]  # fmt: skip
    assert together["cliffs_delta_high"] - together["cliffs_delta_low"] > 1.3 * width(60)


def test_weights_make_figures_of_the_frame(path: Path) -> None:
    low, high, other = range(20), range(10, 30), range(0, 60, 2)
    rows = compared(
        path,
        [
            *(repository(f"glow{n}", star_stock_count=n) for n in low),
            *(repository(f"ghigh{n}", star_stock_count=n) for n in high),
            *(repository(f"h{n}", star_stock_count=n) for n in other),
        ],
        Cell(design="paper", weighting="weighted"),
        members=[
            *(member(f"glow{n}", "low", 9.0) for n in low),
            *(member(f"ghigh{n}", "high", 1.0) for n in high),
            *(member(f"h{n}", "all", 2.0) for n in other),
        ],
        strata=[
            stratum("github", "low", 0, 180, drawn_count=20),
            stratum("github", "high", 1, 20, drawn_count=20),
            stratum("huggingface", "all", 0, 60, drawn_count=30),
        ],
    )  # fmt: skip
    stars = rows["stars"]
    copies = [*list(low) * 9, *high]
    expected = stats.mannwhitneyu(copies, list(other) * 2)
    assert stars["github_mean"] == pytest.approx(np.mean(copies))
    delta = 2 * expected.statistic / (200 * 60) - 1
    assert stars["cliffs_delta"] == pytest.approx(delta)
    assert stars["cliffs_delta_low"] < delta < stars["cliffs_delta_high"]
    # No U of repositories that stand for others, and a test of the weights' own.
    assert stars["mann_whitney_u"] is None
    assert stars["p_value_method"] == "bootstrap"
    assert 0 < stars["p_value"] <= 1


def test_a_platform_without_known_values_is_not_measurable_and_says_which(path: Path) -> None:
    rows = compared(path, [
        repository("g1", star_stock_count=3), repository("h1", commit_stock_count=1),
    ])  # fmt: skip
    assert {row["status"] for row in rows.values()} == {"not_measurable"}
    assert rows["stars"]["reason"] == "Hugging Face Hub: stars unknown for all 1 repositories"
    assert rows["stars"]["github_mean"] == 3.0
    assert rows["discussions"]["reason"].count("unknown") == 2
    assert {rows["stars"][f"{effect}_low"] for effect in EFFECTS} == {None}
    empty = compared(path, [])
    assert empty["stars"]["reason"] == "GitHub: no repositories; Hugging Face Hub: no repositories"


def test_one_owner_a_side_has_effects_without_intervals(path: Path) -> None:
    rows = compared(path, [
        repository("g1", star_stock_count=3, owner_name="ada"),
        repository("g2", star_stock_count=4, owner_name="ada"),
        repository("h1", star_stock_count=1),
    ])  # fmt: skip
    stars = rows["stars"]
    assert (stars["status"], stars["cliffs_delta"]) == ("measured", 1.0)
    assert stars["cliffs_delta_low"] is None
    assert stars["p_value_method"] == "exact"


@pytest.mark.parametrize(
    ("total", "stock", "flow", "expected"),
    [
        (10, 0, 0, None),
        (10, 5, 9, "stock"),
        (10, 4, 9, "flow"),
        (10, 4, 4, "stock"),
        (10, 0, 1, "flow"),
    ],
)
def test_basis(total: int, stock: int, flow: int, expected: str | None) -> None:
    assert choose_basis(total, stock, flow) == expected
