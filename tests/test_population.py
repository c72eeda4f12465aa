"""The repositories of a cell: which, how many each stands for, and what is known of them."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from databases import database
from study_support import (
    DAY,
    FIRST,
    cut_off,
    member,
    repository,
    stratum,
    study_warehouse,
)

from assets.study.cells import Cell, cells_of, reference_cell
from assets.study.population import Population, populations, window_of
from assets.study.statistics.exposure import MONTH_DAYS
from orchestration.failures import PermanentFailure
from orchestration.settings import StudySettings

STUDY = StudySettings()
REFERENCE = Cell()


def of_cell(
    path: Path, cell: Cell = REFERENCE, study: StudySettings = STUDY
) -> tuple[Population, Population]:
    with database(path, read_only=True) as connection:
        return populations(connection, study, cell, window_of(connection))


def values(population: Population, feature: str, basis: Any = "stock") -> list[float]:
    found: list[float] = population.known[feature, basis].values.tolist()
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


def test_known_values_keep_their_repositories_and_owners(path: Path) -> None:
    study_warehouse(path, [
        repository("g1", star_stock_count=5, owner_name="ada"),
        repository("g2", owner_name="bob"),
        repository("g3", star_stock_count=2**60, owner_name="ada"),
        repository("g4", star_stock_count=0, owner_name=None),
        repository("g5", star_stock_count=0, owner_name=None),
        repository("h1", star_stock_count=7),
    ])  # fmt: skip
    github, hub = of_cell(path)
    stars = github.compared("stars")
    assert stars is not None
    assert stars.at.tolist() == [0, 2, 3, 4]
    assert stars.values.tolist() == [5, 2**60, 0, 0]
    assert stars.weight is None
    assert (github.count, hub.count) == (5, 1)
    assert github.owner[0] == github.owner[2]
    assert len(set(github.owner.tolist())) == 4
    assert github.compared("commits") is None


def test_basis_is_the_same_under_every_policy(path: Path) -> None:
    """A policy that leaves nobody known must not turn a flow into a stock."""
    unknown = {"commit_flow_count": None}
    study_warehouse(path, [
        repository("g1", commit_flow_count=5, under={"aggressive": unknown}),
        repository("g2", commit_flow_count=6, under={"aggressive": unknown}),
        repository("h1", commit_stock_count=7),
    ])  # fmt: skip
    github, _ = of_cell(path, Cell(bot_policy="aggressive"))
    assert github.basis["commits"] == "flow"
    assert values(github, "commits", "flow") == []
    assert values(of_cell(path)[0], "commits", "flow") == [5, 6]


def test_cuts_take_the_frame_or_the_largest(path: Path) -> None:
    ranked = {"study": "paper", "platform": "github", "rank_name": "stars",
              "rank_column": "star_stock_count"}  # fmt: skip
    study_warehouse(
        path,
        [
            repository("g1", star_stock_count=5, created_at=datetime(2015, 12, 31)),
            repository("g2", star_stock_count=9),
            repository("g3", star_stock_count=7, created_at=datetime(2016, 1, 1)),
        ],
        cut=[ranked | {"repository_key": "g2", "place": 1},
             ranked | {"repository_key": "g3", "place": 2}],
    )  # fmt: skip
    assert values(of_cell(path, Cell(cut="in_frame"))[0], "stars") == [9, 7]
    assert values(of_cell(path, Cell(cut="top_stars_1"))[0], "stars") == [9]
    assert values(of_cell(path)[0], "stars") == [5, 9, 7]


def test_weights_are_the_samples_and_the_known_stand_for_their_stratum(path: Path) -> None:
    study_warehouse(
        path,
        [
            repository("g1", star_stock_count=1),
            repository("g2", star_stock_count=2),
            repository("g3"),
            repository("g4", star_stock_count=4),
            repository("g5", star_stock_count=5),
        ],
        members=[
            member("g1", "low", 10.0), member("g2", "low", 10.0), member("g3", "low", 10.0),
            member("g4", "high", 1.0), member("g5", "high", None),
        ],
        strata=[
            stratum("github", "low", 0, 40, estimated_count=30.0, drawn_count=4),
            stratum("github", "high", 1, 2, estimated_count=1.0),
        ],
    )  # fmt: skip
    plain, _ = of_cell(path, Cell(design="paper"))
    assert values(plain, "stars") == [1, 2, 4]
    assert plain.known["stars", "stock"].weight is None
    weighted, _ = of_cell(path, Cell(design="paper", weighting="weighted"))
    known = weighted.known["stars", "stock"]
    assert known.weight is not None
    # g3 belongs and says nothing: the two others of its stratum stand for its thirty.
    assert known.weight.tolist() == [15.0, 15.0, 1.0]
    assert known.sample is not None
    assert known.sample.rest.tolist() == pytest.approx([1 - 2 / 30, 0.0])


def test_those_taken_for_their_size_count_where_weights_make_up_for_it(path: Path) -> None:
    study_warehouse(
        path,
        [repository("g1", star_stock_count=1), repository("g2", star_stock_count=9)],
        members=[member("g1", "low", 10.0), member("g2", "high", 1.0, is_plain=False)],
        strata=[
            stratum("github", "low", 0, 10, drawn_count=1),
            stratum("github", "high", 1, 1, drawn_count=1),
        ],
    )
    plain, _ = of_cell(path, Cell(design="paper"))
    weighted, _ = of_cell(path, Cell(design="paper", weighting="weighted"))
    assert values(plain, "stars") == [1]
    assert values(weighted, "stars") == [1, 9]


def test_what_a_design_leaves_to_chance_is_told_of_each_feature(path: Path) -> None:
    study_warehouse(
        path,
        [repository(key, star_stock_count=1, commit_flow_count=3, issue_flow_count=2)
         for key in ("g1", "g2")],
        members=[member("g1", "low", 5.0), member("g2", "low", 5.0)],
        strata=[stratum("github", "low", 0, 10)],
        cut_offs=[cut_off("github", "star_stock_count", True),
                  cut_off("github", "commit_flow_count", False),
                  cut_off("huggingface", "issue_flow_count", True)],
    )  # fmt: skip
    cell = Cell(design="paper", weighting="weighted")
    github, _ = of_cell(path, cell)
    assert github.known["stars", "stock"].unheld is None
    told = {key: known.unheld or "" for key, known in github.known.items()}
    assert "more than half of the sample" in told["commits", "flow"]
    assert "the frame does not know it of all" in told["discussions", "flow"]
    monthly, _ = of_cell(path, Cell(design="paper", weighting="weighted", exposure="per_month"))
    assert "stars a month" in (monthly.known["stars", "stock"].unheld or "")
    assert of_cell(path, Cell(design="paper"))[0].known["commits", "flow"].unheld is None
    settings = StudySettings.model_validate({"sample": {"take_all": {"star_stock_count": 9}}})
    unasked, _ = of_cell(path, cell, settings)
    assert "does not ask the frame" in (unasked.known["stars", "stock"].unheld or "")
    assert unasked.digest != github.digest


def test_a_stock_is_divided_by_life_and_a_flow_by_what_was_seen_of_it(path: Path) -> None:
    study_warehouse(path, [
        repository("g1", star_stock_count=12, star_flow_count=3,
                   created_at=datetime(2025, 3, 9, 10, 30)),
        repository("g2", star_stock_count=12, star_flow_count=3,
                   created_at=datetime(2025, 10, 1)),
        repository("g3", star_stock_count=9, star_flow_count=3, created_at_basis="first_seen"),
    ])  # fmt: skip
    github, _ = of_cell(path, Cell(exposure="per_month"))
    days = (datetime(2025, 10, 8) - datetime(2025, 3, 9, 10, 30)).total_seconds() / 86400
    # A week old counts as a month old; of the third nobody knows how old it is.
    assert values(github, "stars") == pytest.approx([12 / (days / MONTH_DAYS), 12.0])
    watched = (DAY - FIRST).days + 1
    assert values(github, "stars", "flow") == pytest.approx(
        [3 / watched * MONTH_DAYS, 3 / 7 * MONTH_DAYS, 3 / watched * MONTH_DAYS]
    )


def test_matching_gives_both_platforms_the_same_quarters(path: Path) -> None:
    early, late = datetime(2023, 2, 1), datetime(2024, 8, 1)
    study_warehouse(path, [
        *(repository(f"g{n}", star_stock_count=n, created_at=early) for n in range(4)),
        repository("g4", star_stock_count=9, created_at=late),
        repository("g5", star_stock_count=9, created_at=datetime(2019, 1, 1)),
        repository("g6", star_stock_count=9, created_at_basis="first_seen"),
        *(repository(f"h{n}", star_stock_count=n, created_at=late) for n in range(3)),
        *(repository(f"h{n}", star_stock_count=n, created_at=early) for n in range(3, 5)),
    ])  # fmt: skip
    github, hub = of_cell(path, Cell(exposure="matched_quarter"))
    first, second = github.compared("stars"), hub.compared("stars")
    assert first is not None
    assert second is not None
    assert first.at.tolist() == [0, 1, 2, 3, 4]
    assert first.weight is not None
    assert second.weight is not None
    assert first.weight.tolist() == pytest.approx([0.5, 0.5, 0.5, 0.5, 1.0])
    assert second.weight.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1.0, 1.0])


def test_what_one_platform_lacks_is_not_matched(path: Path) -> None:
    study_warehouse(path, [
        repository("g1", star_stock_count=1, commit_flow_count=2),
        repository("h1", star_stock_count=3),
    ])  # fmt: skip
    github, hub = of_cell(path, Cell(exposure="matched_quarter"))
    assert github.compared("commits") is None
    assert hub.compared("commits") is None
    assert github.compared("stars") is not None


def test_of_too_many_a_random_part_is_taken_and_told(path: Path) -> None:
    study = StudySettings.model_validate({"grid": {"most_repositories": 1000}})
    study_warehouse(path, [repository(f"g{n}", star_stock_count=n) for n in range(1500)])
    github, _ = of_cell(path, study=study)
    assert 900 < github.count < 1100
    assert github.limit is not None
    assert "66.7% of 1500" in github.limit
    again, _ = of_cell(path, study=study)
    assert again.digest == github.digest


def test_digest_changes_with_values_owners_and_ages_only(path: Path) -> None:
    rows = [repository("g1", star_stock_count=5), repository("h1", star_stock_count=5)]
    study_warehouse(path, rows)
    digest = of_cell(path)[0].digest
    study_warehouse(path, [rows[0] | {"owner_name": "another name"}, rows[1]])
    assert of_cell(path)[0].digest == digest
    for change in ({"star_stock_count": 6}, {"created_at": datetime(2024, 6, 1)},
                   {"commit_flow_count": 0}):  # fmt: skip
        study_warehouse(path, [rows[0] | change, rows[1]])
        assert of_cell(path)[0].digest != digest


def test_nothing_loaded_is_told(path: Path) -> None:
    study_warehouse(path, [])
    with database(path) as connection:
        connection.execute("DELETE FROM marts.mart_coverage")
    with pytest.raises(PermanentFailure, match="No day of any source"):
        of_cell(path)


def test_the_grid_is_one_alternative_at_a_time_or_all() -> None:
    cells = cells_of(STUDY)
    assert cells[0] == reference_cell(STUDY) == Cell()
    assert len(set(cells)) == len(cells) == 17
    for cell in cells:
        changed = [name for name, value in cell.row().items() if value != Cell().row()[name]]
        assert set(changed) <= {"design", "weighting"} or len(changed) <= 1
    combined = StudySettings.model_validate({"grid": {"combine": "all"}})
    # Policies x cuts x (4 designs, both ways, and the census) x exposures.
    assert len(cells_of(combined)) == 4 * 4 * 9 * 3
    assert not any(c.design == "census" and c.weighting == "weighted" for c in cells_of(combined))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reference": {"weighting": "weighted"}}, "a census has no weights"),
        ({"cuts": ["top_stars_5000000"]}, "needs 5000000 in sample.top_n"),
        ({"designs": ["equal"]}, "design equal, which sample.designs lacks"),
        ({"cuts": ["top_likes_10"]}, "pattern"),
        ({"policies": ["none", "none"]}, "once"),
    ],
)
def test_cells_that_cannot_be_made_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        StudySettings.model_validate({"grid": changes})


def test_codes_of_owners_do_not_collide(path: Path) -> None:
    names = [None if n % 7 == 0 else f"owner {n % 20}" for n in range(100)]
    study_warehouse(path, [
        repository(f"g{n:03}", star_stock_count=1, owner_name=name)
        for n, name in enumerate(names)
    ])  # fmt: skip
    github, _ = of_cell(path)
    alone = sum(name is None for name in names)
    assert np.unique(github.owner).size == len({name for name in names if name}) + alone
