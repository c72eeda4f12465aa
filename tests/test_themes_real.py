"""The keyless coder on issues that projects labelled; these data are not part of the project."""

from pathlib import Path

import pytest

from assets.study.themes.evaluate import Evaluation, cross_validated
from assets.study.themes.files import read_labelled
from assets.study.themes.linear import fit_linear

# Half of the texts teach here; with nine tenths of them the macro F1 is higher by a hundredth.
FOLDS, LEAST_F1 = 2, 0.77


@pytest.fixture(scope="module")
def made(real_data: Path) -> Evaluation:
    path = real_data / "issues" / "nlbse2024_train.csv.gz"
    if not path.is_file():
        pytest.skip(f"no labelled issues: {path}")
    known = read_labelled(path)
    assert len(known.texts) == 1500
    assert known.labels == ("bug", "feature", "question")
    return cross_validated(
        known.texts, known.targets, known.labels,
        lambda *given: fit_linear(*given, by_repository=True), fold_count=FOLDS, seeds=(0,),
    )  # fmt: skip


def test_labels_are_found(made: Evaluation) -> None:
    mean, _ = made.macro_f1
    assert mean >= LEAST_F1
    assert min(made.runs[0].by_repository.values()) >= 0.70
    assert all(one.f1 >= 0.74 for one in made.runs[0].classes)


def test_probabilities_hold(made: Evaluation) -> None:
    for one in made.reliability:
        if one.count >= 100 and one.confidence is not None and one.accuracy is not None:
            assert abs(one.confidence - one.accuracy) < 0.10
