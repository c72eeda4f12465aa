"""The keyless coder: what it learns, how sure it is, its file, hostile texts."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patience import NEVER_ENDS
from sklearn.metrics import f1_score

from assets.study.themes import linear
from assets.study.themes.arrays import packed
from assets.study.themes.coding import Coding, Text
from assets.study.themes.evaluate import cross_validated, figures, macro_f1, reliability
from assets.study.themes.features import letter_codes, parts_of, vocabulary_of, word_codes
from assets.study.themes.linear import (
    LinearCoder,
    applying,
    fit_linear,
    folds,
    without_unsure,
)
from orchestration.failures import PermanentFailure

CUES = {
    "Fehler": ["crash", "broken", "traceback"],
    "idea, new": ["wish", "proposal", "addition"],
    "問い": ["how", "question", "help"],
}
LABELS = tuple(CUES)
NOISE = [f"word{number}" for number in range(60)]


def planted(
    count: int, seed: int, right: float = 1.0, repository: str | None = None
) -> tuple[list[Text], Any]:
    """Texts with a cue of their label; with probability 1 - right it is a cue of another label."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, len(LABELS), count)
    texts = []
    for at, target in enumerate(targets.tolist()):
        said = target if rng.random() < right else (target + rng.integers(1, 3)) % 3
        words = [*rng.choice(NOISE, 6), rng.choice(CUES[LABELS[said]])]
        rng.shuffle(words)
        texts.append(Text(f"{seed}:{at}", f"{' '.join(words[:4])} {at}", " ".join(words),
                          repository))  # fmt: skip
    return texts, targets


@pytest.fixture(scope="module")
def coder() -> LinearCoder:
    return fit_linear(*planted(150, 1), LABELS)


def test_it_learns_any_labels(coder: LinearCoder) -> None:
    texts, targets = planted(100, 2)
    coding = coder.code(texts)
    assert coder.labels == coding.labels == LABELS
    assert coding.keys == tuple(text.key for text in texts)
    assert (coding.primary == targets).mean() > 0.95
    assert np.allclose(coding.probabilities.sum(axis=1), 1)
    assert coding.applies[np.arange(100), coding.primary].all()


def test_the_same_texts_give_the_same_coder(coder: LinearCoder) -> None:
    again = fit_linear(*planted(150, 1), LABELS)
    texts, _ = planted(20, 3)
    assert again.version == coder.version
    assert (again.code(texts).probabilities == coder.code(texts).probabilities).all()
    other = fit_linear(*planted(150, 4), LABELS)
    assert other.version != coder.version
    renamed = fit_linear(*planted(150, 1), ("a", "b", "c"))
    assert renamed.version != coder.version


def test_a_text_is_coded_as_if_alone(coder: LinearCoder, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, _ = planted(30, 5)
    together = coder.code(texts).probabilities
    alone = np.concatenate([coder.code([text]).probabilities for text in texts])
    assert (together == alone).all()
    assert (coder.code(texts[::-1]).probabilities == together[::-1]).all()
    monkeypatch.setattr(linear, "BATCH", 7)
    assert (coder.code(texts).probabilities == together).all()
    assert coder.code([]).probabilities.shape == (0, 3)


def test_whole_shares_are_labels_and_shares_are_learned() -> None:
    texts, targets = planted(120, 6)
    hard = fit_linear(texts, targets, LABELS)
    whole = np.eye(3)[targets]
    assert fit_linear(texts, whole * 5, LABELS).version == hard.version
    soft = whole * 0.6 + 0.4 / 3
    said = fit_linear(texts, soft, LABELS).code(planted(60, 7)[0]).confidence
    assert 0.6 < said.mean() < 0.8


def test_texts_without_weight_do_not_count() -> None:
    texts, targets = planted(120, 8)
    wrong, _ = planted(60, 9)
    weights = np.r_[np.ones(120), np.zeros(60)]
    kept = fit_linear([*texts, *wrong], np.r_[targets, np.zeros(60, int)], LABELS, weights=weights)
    assert kept.version == fit_linear(texts, targets, LABELS).version
    # Ten right texts say more than ten wrong ones of the same words with a tenth of the weight.
    light = np.r_[np.ones(120), np.full(120, 0.1)]
    twisted = fit_linear([*texts, *texts], np.r_[targets, (targets + 1) % 3], LABELS, weights=light)
    tests, true = planted(60, 10)
    assert (twisted.code(tests).primary == true).mean() > 0.9


def test_probabilities_are_calibrated() -> None:
    texts, targets = planted(600, 11, right=0.7)
    coder = fit_linear(texts, targets, LABELS)
    tests, true = planted(600, 12, right=0.7)
    said = coder.code(tests)
    assert abs(said.confidence.mean() - (said.primary == true).mean()) < 0.06
    loss = -np.log(said.probabilities[np.arange(600), true]).mean()
    best = -(0.7 * np.log(0.7) + 0.3 * np.log(0.15))
    assert loss < best + 0.12
    sure = reliability(said.probabilities, true)
    assert sum(one.count for one in sure) == 600


def test_a_label_without_texts_has_probability_zero() -> None:
    texts, targets = planted(60, 13)
    said = fit_linear(texts, targets, (*LABELS, "never")).code(texts).probabilities
    assert (said[:, 3] == 0).all()
    assert np.allclose(said.sum(axis=1), 1)


def test_repositories_may_mean_different_things() -> None:
    texts, targets = planted(150, 14, repository="a/a")
    other, others = planted(150, 15, repository="b/b")
    few, few_targets = planted(linear.LEAST_OF_REPOSITORY - 1, 16, repository="c/c")
    all_texts = [*texts, *other, *few]
    all_targets = np.r_[targets, (others + 1) % 3, few_targets]
    own = fit_linear(all_texts, all_targets, LABELS, by_repository=True)
    assert own.repositories == ("a/a", "b/b")
    pooled = fit_linear(all_texts, all_targets, LABELS)
    assert pooled.repositories == ()
    tests, true = planted(60, 17, repository="b/b")
    assert (own.code(tests).primary == (true + 1) % 3).mean() > 0.9
    assert (pooled.code(tests).primary == (true + 1) % 3).mean() < 0.8
    # Of a repository that nobody knows it is less sure: the known ones contradict each other.
    unknown = own.code([Text(one.key, one.title, one.body, "x/x") for one in tests])
    assert unknown.confidence.mean() < own.code(tests).confidence.mean() - 0.1


# ---------------------------------------------------------------- against brute force


def known_of(count: int, by_repository: bool) -> Any:
    texts, targets = planted(count, 18)
    texts = [Text(one.key, one.title, one.body, f"r/{at % 2}") for at, one in enumerate(texts)]
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.5, 2, count)
    matrix = vocabulary_of(texts).matrix(texts)
    own = np.arange(count) % 2 if by_repository else np.full(count, -1)
    return linear._Known(matrix, np.eye(3)[targets], weights, own, own, np.arange(count))


@pytest.mark.parametrize("by_repository", [True, False])
def test_the_fit_is_a_ridge_regression(
    by_repository: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = known_of(36, by_repository)
    rows = np.arange(36)
    center = np.full(3, 1 / 3)
    dense = known.matrix.toarray()
    wide = [dense]
    if by_repository:
        wide += [dense * (known.own == one)[:, None] for one in (0, 1)]
    design = np.hstack(wide)
    # Weighted least squares with a penalty on all weights, in the primal.
    system = design.T @ (design * known.weights[:, None]) + linear.PENALTY * np.eye(design.shape[1])
    right = design.T @ ((known.shares - center) * known.weights[:, None])
    expected = design @ np.linalg.solve(system, right)
    gram = linear._gram(known)
    dual = linear._solved(known, gram, rows, center)
    assert np.allclose(gram @ dual, expected, atol=1e-8)
    descended = linear._solved(known, None, rows, center)
    assert np.allclose(gram @ descended, gram @ dual, atol=5e-3)
    some, others = rows[:24], rows[24:]
    part = linear._solved(known, gram, some, center)
    assert np.allclose(
        linear._scored(known, gram, some, others, part),
        linear._scored(known, None, some, others, part),
    )
    monkeypatch.setattr(linear, "TOLERANCE", 1e-9)
    assert np.allclose(linear._solved(known, None, rows, center), dual, atol=1e-7)


def test_many_texts_are_fitted_the_same_without_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, targets = planted(120, 19, right=0.8)
    texts = [Text(one.key, one.title, one.body, f"r/{at % 2}") for at, one in enumerate(texts)]
    tests, _ = planted(40, 20)
    expected = fit_linear(texts, targets, LABELS, by_repository=True).code(tests).probabilities
    monkeypatch.setattr(linear, "MOST_PAIRED", 10)
    found = fit_linear(texts, targets, LABELS, by_repository=True).code(tests).probabilities
    assert np.allclose(found, expected, atol=0.01)
    monkeypatch.setattr(linear, "MOST_FOLDED", 100)
    once = fit_linear(texts, targets, LABELS, by_repository=True).code(tests)
    # A softmax of 24 texts is less exact; the scores below it are the same.
    assert np.abs(once.probabilities - expected).mean() < 0.15
    assert (once.primary == expected.argmax(axis=1)).mean() > 0.8
    monkeypatch.setattr(linear, "MOST_TEXTS", 50)
    assert fit_linear(texts, targets, LABELS)._state["texts"] == 50


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=6), max_size=5), st.integers(1, 3))
def test_runs_of_words(texts: list[list[str]], most: int) -> None:
    expected = [
        (row, tuple(words[at : at + size]))
        for size in range(1, most + 1)
        for row, words in enumerate(texts)
        for at in range(len(words) - size + 1)
    ]
    rows, codes = word_codes(texts, most)
    assert rows.tolist() == [row for row, _ in expected]
    assert_same_kinds(codes.tolist(), [run for _, run in expected])


@given(st.lists(st.text(alphabet="ab \n\u00e4\U0001f600", max_size=8), max_size=4))
def test_runs_of_letters(texts: list[str]) -> None:
    expected = []
    for size in range(2, 5):
        for row, text in enumerate(texts):
            for word in text.lower().split():
                spaced = f" {word} "
                expected += [(row, spaced[at : at + size]) for at in range(len(spaced) - size + 1)]
    rows, codes = letter_codes(texts, 2, 4)
    assert rows.tolist() == [row for row, _ in expected]
    assert_same_kinds(codes.tolist(), [run for _, run in expected])


def assert_same_kinds(codes: list[int], runs: list[Any]) -> None:
    """The same code exactly where the run is the same."""
    assert len(set(codes)) == len(set(runs)) == len(set(zip(codes, runs, strict=True)))


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), min_size=1, max_size=60),
    st.integers(2, 6), st.integers(0, 3),
)  # fmt: skip
def test_folds_keep_groups_and_spread_strata(
    rows: list[tuple[int, int]], count: int, seed: int
) -> None:
    group, stratum = np.array(rows).T
    fold = folds(group, stratum, count, seed)
    assert all(len(set(fold[group == one].tolist())) == 1 for one in set(group.tolist()))
    alone = folds(np.arange(len(rows)), stratum, count, seed)
    for one in set(stratum.tolist()):
        sizes = np.bincount(alone[stratum == one], minlength=min(count, len(rows)))
        assert sizes.max() - sizes.min() <= 1


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30))
def test_macro_f1_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    true, said = np.array(pairs).T
    assert macro_f1(true, said, 3) == pytest.approx(f1_score(true, said, average="macro"))


def test_repositories_count_the_same() -> None:
    true = np.array([0, 0, 0, 0, 1, 0, 1])
    said = np.array([0, 0, 0, 0, 1, 1, 0])
    made = figures(true, said, ("x", "y"), ["big"] * 5 + ["small"] * 2)
    assert made.by_repository == {"big": 1.0, "small": 0.0}
    assert made.macro_f1 == 0.5
    assert figures(true, said, ("x", "y"), [None] * 7).by_repository == {}
    assert set(figures(true, said, ("x", "y"), ["a", *[None] * 6]).by_repository) == {
        "a", "(no repository)",
    }  # fmt: skip
    assert made.classes[0].precision == 4 / 5


def test_cross_validation_fits_on_others_only() -> None:
    texts, targets = planted(60, 21)
    twins = [*texts, *[Text(f"twin {one.key}", one.title, one.body) for one in texts]]
    seen: list[set[str]] = []

    class Spy:
        name, version = "spy", "1"

        def __init__(self, texts: Any, targets: Any, labels: Any) -> None:
            seen.append({one.title for one in texts})

        def code(self, texts: Any) -> Coding:
            assert not seen[-1] & {one.title for one in texts}
            found = np.tile([1.0, 0, 0], (len(texts), 1))
            return Coding(tuple(one.key for one in texts), LABELS, found, found > 0)

    told: list[tuple[int, int]] = []
    made = cross_validated(twins, np.r_[targets, targets], LABELS, Spy, fold_count=4, seeds=(0, 1),
                           told=lambda *one: told.append(one))  # fmt: skip
    assert len(seen) == 8
    assert told[-1] == (8, 8)
    assert made.probabilities.tolist() == [[1, 0, 0]] * 120
    assert json.loads(json.dumps(made.as_json()))["macro_f1"] == made.macro_f1[0]


# ---------------------------------------------------------------- what applies


def test_a_second_label_applies_where_it_is_nearly_as_probable() -> None:
    found = applying(np.array([[0.5, 0.3, 0.2], [0.55, 0.25, 0.2], [0.9, 0.1, 0.0],
                               [0.34, 0.33, 0.33]]))  # fmt: skip
    assert found.tolist() == [
        [True, True, False], [True, False, False], [True, False, False], [True, True, True],
    ]  # fmt: skip
    many = applying(np.full((1, 10), 0.1))
    assert many.sum() == 1


def test_who_is_unsure_abstains() -> None:
    said = np.array([[0.6, 0.4], [0.5, 0.5]])
    coding = Coding(("a", "b"), ("x", "y"), said, applying(said))
    assert without_unsure(coding, 0.55).tolist() == [0, -1]
    assert without_unsure(coding, 0.0).tolist() == [0, 0]


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("count", "change"),
    [
        (5, {}),
        (30, {"labels": ("one",)}),
        (30, {"labels": ("x", "x", "y")}),
        (30, {"targets": np.zeros(30, int)}),
        (30, {"targets": np.full(30, 3)}),
        (30, {"targets": np.full(30, -1)}),
        (30, {"targets": np.zeros(29, int)}),
        (30, {"targets": np.full((30, 3), np.nan)}),
        (30, {"targets": np.full((30, 3), -0.5)}),
        (30, {"targets": np.zeros((30, 3))}),
        (30, {"targets": np.zeros((30, 2))}),
        (30, {"weights": np.full(30, np.inf)}),
        (30, {"weights": np.zeros(30)}),
        (30, {"weights": np.ones(3)}),
    ],
)
def test_what_cannot_be_learned_from(count: int, change: dict[str, Any]) -> None:
    texts, targets = planted(count, 22)
    labels = change.pop("labels", LABELS)
    with pytest.raises(PermanentFailure) as caught:
        fit_linear(texts, change.pop("targets", targets), labels, **change)
    assert caught.value.remedy


# ---------------------------------------------------------------- hostile texts


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.text(max_size=300))
def test_any_text_has_probabilities(title: str, body: str) -> None:
    found = MODEL.code([Text("x", title, body, "a/b")]).probabilities
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1)


MODEL = fit_linear(*planted(60, 23), LABELS)


@pytest.mark.parametrize(
    "piece",
    ["![", "<!--", "```", "~~~", "<img ", "[x](", "#", "**a", "\n", "\r", "a\n\n", "? ", "\x00",
     "-", "https://", "abcdef0123456789", "\u202e\u05d0", "\ud800", "how ", "how", "=cmd|' /C'!A0",
     "\U0001f600", "at ", " at x\n", "'", "[[", "(" * 50],
)  # fmt: skip
def test_long_hostile_texts_take_no_time(piece: str) -> None:
    body = piece * (2_000_000 // len(piece))
    started = time.process_time()
    found = MODEL.code([Text("x", body, body)]).probabilities
    assert time.process_time() - started < NEVER_ENDS
    assert np.isfinite(found).all()


def test_texts_taken_apart() -> None:
    body = "### Issue type\r\n\r\nBug\r\n<!-- remove me -->\r\nIt's v1.25 at https://x.y/z!\r\n" \
           "![shot](https://a.b/c.png) see\r\n```py\nraise ValueError\n```\r\nWhy?"  # fmt: skip
    parts = parts_of(Text("x", "How to [fix] 12 it\u2019s", body))
    assert parts.title_words == ["^", "how", "to", "[", "fix", "]", "0", "it's"]
    assert "### issue type=bug" in parts.lines
    assert "image" in parts.prose_words
    assert "url" in parts.prose_words
    assert not {"remove", "valueerror"} & set(parts.prose_words)
    assert "ValueError" in parts.code
    assert len(parts.form) == len(parts_of(Text("x", "", "")).form)
    empty = MODEL.code([Text("x", "", "")]).probabilities
    assert np.isfinite(empty).all()


# ---------------------------------------------------------------- files


def test_a_kept_coder_says_the_same(coder: LinearCoder, tmp_path: Path) -> None:
    path = tmp_path / "made" / "coder.npz"
    coder.save(path)
    again = LinearCoder.load(path)
    texts, _ = planted(30, 24)
    assert again.version == coder.version
    assert (again.code(texts).probabilities == coder.code(texts).probabilities).all()
    assert path.stat().st_mode & 0o077 == 0
    assert [one.name for one in path.parent.iterdir()] == ["coder.npz"]
    assert b"crash" not in path.read_bytes()


def test_a_coder_by_repository_is_kept(tmp_path: Path) -> None:
    texts, targets = planted(80, 25, repository="a/b")
    more, others = planted(80, 26, repository="c/d")
    coder = fit_linear([*texts, *more], np.r_[targets, others], LABELS, by_repository=True)
    coder.save(tmp_path / "coder")
    again = LinearCoder.load(tmp_path / "coder")
    assert again.repositories == ("a/b", "c/d")
    assert (again.code(texts).probabilities == coder.code(texts).probabilities).all()


def broken(state: dict[str, Any], name: str) -> Any:
    changed = dict(state)
    match name:
        case "format":
            changed["format"] = 99
        case "code":
            changed["code_version"] = 0
        case "weights":
            changed["weights"] = state["weights"][:-1]
        case "nan":
            changed["weights"] = np.full_like(state["weights"], np.nan)
        case "labels":
            changed["labels"] = [*state["labels"], "x"]
        case "codes":
            changed["codes"] = [codes[::-1] for codes in state["codes"]]
        case "missing":
            del changed["shares"]
        case "softmax":
            changed["softmax"] = {**state["softmax"], "used": np.array([0, 9, 1])}
        case "bounds":
            changed["own_bounds"] = np.array([0, 5])
        case "list":
            return [state]
        case "text":
            changed["weights"] = "weights"
    return changed


@pytest.mark.parametrize(
    "name",
    ["format", "code", "weights", "nan", "labels", "codes", "missing", "softmax", "bounds", "list",
     "text"],
)  # fmt: skip
def test_what_is_no_coder_is_refused(coder: LinearCoder, tmp_path: Path, name: str) -> None:
    path = tmp_path / "coder"
    path.write_bytes(packed(broken(coder._state, name)))
    with pytest.raises(PermanentFailure, match="no coder that can be used") as caught:
        LinearCoder.load(path)
    assert caught.value.remedy


def test_damaged_files_are_refused(coder: LinearCoder, tmp_path: Path) -> None:
    path = tmp_path / "coder"
    with pytest.raises(PermanentFailure, match="There is no coder"):
        LinearCoder.load(path)
    coder.save(path)
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 3] ^= 0xFF
    for damaged in (b"", b"text", content[: len(content) // 2], bytes(flipped)):
        path.write_bytes(damaged)
        with pytest.raises(PermanentFailure, match="no coder that can be used"):
            LinearCoder.load(path)


def test_a_folder_that_cannot_be_written(coder: LinearCoder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(PermanentFailure, match="cannot be written"):
        coder.save(tmp_path / "file" / "coder")
