"""Design-weighted shares of posts and commits: by hand, over all samples, and what is unknown."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from databases import database
from themes_world import (
    DAY,
    DRAWN,
    PLATFORMS,
    STUDY,
    WHOLE,
    World,
    draw,
    in_slice,
    shown,
    warehouse_of,  # fmt: skip
    world_of,
)

from assets.study import estimators as e
from assets.study.tables import open_warehouse
from assets.study.themes.codebook import THEMES
from assets.study.themes.estimates import LEFT_TO_CHANCE, text_estimates
from assets.study.themes.frame import coded_messages, frame_messages, repository_commits

Row = dict[str, Any]


@pytest.fixture(scope="module")
def world() -> World:
    return world_of()


@pytest.fixture(scope="module")
def path(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return warehouse_of(tmp_path_factory.mktemp("estimates") / "w.duckdb", world)


@pytest.fixture(scope="module")
def rows(path: Path) -> list[Row]:
    return estimated(path)


def estimated(path: Path) -> list[Row]:
    with open_warehouse(path, read_only=True) as connection:
        frame_messages(connection, STUDY)
        coded_messages(connection, STUDY.themes.abstain_below)
        repository_commits(connection, STUDY)
        return text_estimates(connection, STUDY, DAY)


def of(rows: list[Row], **names: str) -> Iterator[Row]:
    return (row for row in rows if all(row[name] == value for name, value in names.items()))


def amounts(world: World, platform: str, slice_: str, value: str) -> np.ndarray[Any, Any]:
    """(8 repositories, themes) posts of each, counted in Python."""
    found = np.zeros((8, len(THEMES)))
    for row in world.of(platform):
        if in_slice(row, slice_, value):
            found[int(row["repository_key"][-1]), THEMES.index(shown(row))] += 1
    return found


def test_shares_and_errors_are_those_of_the_whole_sample_by_hand(
    world: World, rows: list[Row]
) -> None:
    """Every repository drawn is in the plain estimator, those without a post as zeros."""
    units = [*WHOLE, *DRAWN]
    sample = e.sample_of([0, 0, 0, 1, 1], [3, 5])
    looked_at = 0
    for row in of(rows, platform="github", figure="theme"):
        own = amounts(world, "github", row["slice"], row["slice_value"])[units]
        whole, part = own.sum(axis=1), own[:, THEMES.index(row["category"])]
        told = e.ratio(sample, part, whole)
        assert row["weighted_share"] == pytest.approx(told.value, abs=1e-12)
        assert row["standard_error"] == pytest.approx(told.standard_error, rel=1e-9, abs=1e-12)
        assert row["estimated_count"] == pytest.approx(sample.weight @ whole)
        assert row["sample_count"] == whole.sum()
        assert row["repository_count"] == np.count_nonzero(whole)
        plain = [0, 3, 4]
        assert row["unweighted_share"] == pytest.approx(part[plain].sum() / whole[plain].sum())
        looked_at += 1
    assert looked_at == 9 * len(THEMES)


def test_a_share_of_a_sample_has_no_interval_and_says_why(rows: list[Row]) -> None:
    for row in rows:
        assert row["low"] is row["high"] is row["method"] is None
        assert row["reason"].endswith(LEFT_TO_CHANCE)


def test_who_is_not_known_is_stood_for_and_counted(rows: list[Row]) -> None:
    """On the Hub nobody asked what the last has: the other one drawn stands for its stratum."""
    for row in of(rows, platform="huggingface", figure="theme", slice="all"):
        assert row["unknown_count"] == 1
        assert row["reason"].startswith("1 repositories of the sample have no known value")
    (first, *_) = of(rows, platform="huggingface", figure="post_state", slice="all")
    assert first["repository_count"] == 4


def test_messages_are_of_those_whose_commits_are_listed(path: Path, rows: list[Row]) -> None:
    """Fifty commits, one of the platform's own; the last repository has none listed."""
    found = {row["category"]: row for row in of(rows, figure="message_kind", slice="all")}
    counts = {(n % 7, ("template", "substantive", "trivial", "trivial")[n % 4])
              : 0 for n in range(50)}  # fmt: skip
    for n in range(49):
        counts[n % 7, ("template", "substantive", "trivial", "trivial")[n % 4]] += 1
    # One of two drawn is known, and stands for five.
    weight = {0: 1.0, 1: 1.0, 2: 1.0, 3: 5.0}
    whole = sum(weight.get(at, 0.0) * count for (at, _), count in counts.items())
    for kind, row in found.items():
        part = sum(weight.get(at, 0.0) * count for (at, one), count in counts.items()
                   if one == kind)  # fmt: skip
        assert row["weighted_share"] == pytest.approx(part / whole)
        assert row["unknown_count"] == 1
        assert (row["coder"], row["platform"]) == ("rule", "github")


def test_every_slice_has_every_theme_and_shares_sum_to_one(rows: list[Row]) -> None:
    sums: dict[tuple[str, ...], list[float]] = {}
    for row in rows:
        if row["figure"] != "theme_applies":
            names = ("platform", "figure", "coder", "slice", "slice_value")
            sums.setdefault(tuple(row[name] for name in names), []).append(row["weighted_share"])
    assert all(sum(shares) == pytest.approx(1) for shares in sums.values())
    assert {len(shares) for names, shares in sums.items() if names[1] == "theme"} == {len(THEMES)}
    assert {row["figure"] for row in rows} == {
        "theme", "theme_applies", "post_state", "post_language", "message_kind",
        "message_condition",
    }  # fmt: skip


def test_totals_are_unbiased_over_all_samples_and_shares_near_the_truth(
    world: World, path: Path, tmp_path: Path
) -> None:
    own = amounts(world, "github", "all", "all")
    copy = tmp_path / "w.duckdb"
    copy.write_bytes(path.read_bytes())
    totals, shares, errors = [], [], []
    for drawn in itertools.combinations(range(3, 8), 2):
        with database(copy) as connection:
            draw(connection, drawn)
        (row,) = of(estimated(copy), platform="github", figure="theme", slice="all",
                    category="bug_report")  # fmt: skip
        totals.append(row["estimated_count"])
        shares.append(row["weighted_share"])
        errors.append(row["standard_error"])
    assert len(totals) == 10
    assert np.mean(totals) == pytest.approx(own.sum(), rel=1e-12)
    true = own[:, THEMES.index("bug_report")].sum() / own.sum()
    # A ratio of totals is biased by less than its variance.
    assert np.mean(shares) == pytest.approx(true, abs=0.005)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(shares), rel=0.3)


def test_a_census_is_certain(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "w.duckdb"
    copy.write_bytes(path.read_bytes())
    with database(copy) as connection:
        draw(connection, tuple(range(3, 8)))
        connection.execute("UPDATE study.sample_stratum SET drawn_count = frame_count")
    for row in of(estimated(copy), platform="github", figure="theme"):
        assert row["method"] == "census"
        assert row["standard_error"] == 0
        assert row["low"] == row["weighted_share"] == row["high"]
    assert len(PLATFORMS) == 2
