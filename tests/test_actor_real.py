"""The classification on accounts that others rated; these data are not part of the project."""

from pathlib import Path

import pytest

from assets.actors.evaluate import (
    ACTS,
    LISTS,
    PLATFORM,
    PUBLISHED,
    TRAINED,
    TRAINED_ACTS,
    TRAINED_NAMES,
    WITHOUT_LISTS,
    WRITTEN,
    WRITTEN_NAMES,
    Evaluation,
    evaluate,
)
from assets.actors.tables import read_accounts

FOLDS = 3


def evaluated(real_data: Path, name: str) -> Evaluation:
    path = real_data / "bots" / name
    if not path.is_file():
        pytest.skip(f"no rated accounts: {path}")
    return evaluate(read_accounts(path, labelled=True), FOLDS)


@pytest.fixture(scope="module")
def activity(real_data: Path) -> Evaluation:
    """Accounts with 45 features of their activity."""
    return evaluated(real_data, "bimbas_train.csv.gz")


@pytest.fixture(scope="module")
def comments(real_data: Path) -> Evaluation:
    """Accounts of which the name is known."""
    return evaluated(real_data, "comment_accounts_part1.csv.gz")


def shares(made: Evaluation, layer: str) -> tuple[float, float, float]:
    row = made.row(layer)
    values = (row.precision.value, row.recall.value, row.f1.value)
    assert None not in values
    return values


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "precision", "f1"),
    [
        (TRAINED, 0.94, 0.95),
        (TRAINED_NAMES, 0.94, 0.88),
        (TRAINED_ACTS, 0.88, 0.89),
        (WITHOUT_LISTS, 0.94, 0.94),
        (WRITTEN, 0.92, 0.93),
        (WRITTEN_NAMES, 0.91, 0.89),
        (ACTS, 0.80, 0.84),
    ],
)
def test_activity_set(activity: Evaluation, layer: str, precision: float, f1: float) -> None:
    found = shares(activity, layer)
    assert found[0] >= precision and found[2] >= f1, found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "precision", "f1"),
    [(TRAINED_NAMES, 0.94, 0.92), (WRITTEN_NAMES, 0.94, 0.92), (WITHOUT_LISTS, 0.92, 0.88)],
)
def test_comment_set(comments: Evaluation, layer: str, precision: float, f1: float) -> None:
    found = shares(comments, layer)
    assert found[0] >= precision and found[2] >= f1, found


@pytest.mark.slow
def test_published_methods_are_beaten(activity: Evaluation, comments: Evaluation) -> None:
    assert shares(activity, PUBLISHED)[2] < shares(activity, WRITTEN_NAMES)[2]
    assert shares(activity, TRAINED_ACTS)[2] < shares(activity, WRITTEN)[2]
    assert shares(activity, WRITTEN)[2] < shares(activity, TRAINED)[2]
    assert shares(comments, PUBLISHED)[2] < shares(comments, WRITTEN_NAMES)[2]


@pytest.mark.slow
def test_lists_and_suffix_are_never_wrong(activity: Evaluation, comments: Evaluation) -> None:
    assert shares(activity, LISTS)[0] == shares(activity, PLATFORM)[0] == 1.0
    assert shares(comments, LISTS)[0] == 1.0


@pytest.mark.slow
def test_trained_scores_are_probabilities(activity: Evaluation) -> None:
    brier = activity.row(TRAINED).brier
    assert brier is not None and brier < 0.035
    bins = activity.reliability[TRAINED]
    apart = sum(each.count * abs(each.score_mean - each.automated_share) for each in bins)
    assert apart / activity.accounts < 0.03
