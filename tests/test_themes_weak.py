"""Weak supervision: labels as they are read, patterns as any text meets them, sources weighed."""

import csv
import gzip
import math
import sys
import time
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from patience import NEVER_ENDS

from assets.study.themes.cleaning import cleaned
from assets.study.themes.codebook import SEEDS, THEMES, example_text, load_codebook
from assets.study.themes.coding import Text
from assets.study.themes.weak import (
    ABSTAINS,
    BODY_HEAD,
    LABEL_MAP,
    PATTERNS,
    SOURCES,
    LabelMap,
    LabelModel,
    Patterns,
    fit_label_model,
    folded,
    weak_labels,
)
from orchestration.failures import PermanentFailure
from twin import words
from twin.scales import PLANTED, Scale
from twin.texts import Texts, Themes
from twin.world import build_world

BUG, SUGGESTION, USAGE, PERFORMANCE, OTHERS = range(5)
SMALL = Scale(
    "small", 1_000, 300, 500, 30, 5, 50, 60, 6, 4, 4, 3, targets=PLANTED
)  # fmt: skip
Ints = NDArray[np.int64]


@cache
def loaded() -> LabelMap:
    return LabelMap.load()


@pytest.fixture(scope="module")
def label_map() -> LabelMap:
    return loaded()


@pytest.fixture(scope="module")
def patterns() -> Patterns:
    return Patterns.load()


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("label", "theme"),
    [
        ("bug", BUG), ("🐛 Bug", BUG), (":bug: bug", BUG), (":bug:Bug", BUG),
        ("type::bug::ui", BUG), ("Type: Bug", BUG), ("kind/bug", BUG),
        ("C-bug", BUG), ("T-bug", BUG), ("[Type] Bug", BUG), ("type::defect", BUG),
        ("Bug - confirmed", BUG), ("I-crash", BUG), ("minor bug", BUG), ("ui/bug", BUG),
        ("バグ", BUG), ("Ошибка", BUG), ("REGRESSION", BUG),
        ("enhancement ✨", SUGGESTION), ("feature_request", SUGGESTION), ("RFC", SUGGESTION),
        ("kind: feature", SUGGESTION), ("C-enhancement", SUGGESTION), ("功能请求", SUGGESTION),
        ("Amélioration", SUGGESTION), ("new feature", SUGGESTION),
        ("question", USAGE), ("Type/Question ❓", USAGE), ("support request", USAGE),
        ("質問", USAGE), ("not a bug", USAGE), ("works-as-intended", USAGE),
        ("benchmark", PERFORMANCE), ("performance", PERFORMANCE), ("type: perf", PERFORMANCE),
        ("documentation", OTHERS), ("📚 docs", OTHERS), ("dependencies", OTHERS), ("spam", OTHERS),
        # No evidence: who, how far, which part, how it ended.
        ("area/docs", None), ("area: performance", None), ("A-documentation", None),
        ("area/benchmark", None), ("component: question editor", None), ("A-crash", None),
        ("priority: bug", None), ("P-high", None), ("T-compiler", None), ("help wanted", None),
        ("good first issue", None), ("good first bug", None), ("duplicate", None),
        ("wontfix", None), ("won't fix", None), ("stale", None), ("needs-triage", None),
        ("status: needs info", None), ("windows", None), ("bug bounty", None), ("no bug fix", None),
        ("", None), ("🎉", None), ("x" * 10_000, None), ("zebra", None), ("feature or bug", None),
    ],
)  # fmt: skip
def test_a_label_speaks_for_its_theme(label: str, theme: int | None, label_map: LabelMap) -> None:
    said = label_map.said(label)
    assert (None if said is None else said.theme) == theme


def test_what_may_mean_much_says_little(label_map: LabelMap) -> None:
    strength = {
        label: said.strength
        for label in ("bug", "performance", "documentation", "minor bug", "slow")
        if (said := label_map.said(label)) is not None
    }
    assert strength == {"bug": 3, "performance": 1, "documentation": 1, "minor bug": 2, "slow": 1}


@given(
    st.sampled_from(["bug", "feature request", "question", "area docs", "benchmark", "stale"]),
    st.sampled_from(["", "🐛 ", "✨", "[", "  ", "::"]),
    st.sampled_from([" ", "-", "_", " - ", "/"]),
    st.booleans(),
)
def test_how_a_label_is_dressed_makes_no_difference(
    label: str, before: str, between: str, loud: bool
) -> None:
    label_map = loaded()
    dressed = before + label.replace(" ", between)
    assert label_map.said(dressed.upper() if loud else dressed) == label_map.said(label)


@given(st.text(max_size=200))
def test_any_label_is_read(label: str) -> None:
    said = loaded().said(label)
    assert said is None or 0 <= said.theme < len(THEMES)


def test_labels_that_contradict_each_other_are_no_vote(label_map: LabelMap) -> None:
    votes = label_map.votes([
        ["bug"], ["bug", "enhancement"], ["bug", "good first issue"], ["performance"],
        ["performance", "bug"], [], ["performance", "documentation"], ["bug", "crash", "question"],
    ])  # fmt: skip
    assert votes[:, 0].tolist() == [BUG, -1, BUG, -1, BUG, -1, -1, BUG]
    assert votes[:, 1].tolist() == [-1, -1, -1, PERFORMANCE, PERFORMANCE, -1, -1, -1]


# ---------------------------------------------------------------- patterns

UNDERSTOOD = [
    ("en", "Segmentation fault when two windows are open", "", BUG),
    ("en", "Scrolling stopped working after upgrading to 7.2", "I expected the list to move.", BUG),
    ("en", "Export drops the last column", "Steps to reproduce: open, export. It is ignored.", BUG),
    ("en", "Dark mode", "It would be great to have a dark theme. Please add one.", SUGGESTION),
    ("en", "Allow wildcards in paths", "Currently one has to list all of them.", SUGGESTION),
    ("en", "AWQ version please", "", SUGGESTION),
    ("en", "How can I run this behind nginx?", "I am new to web servers.", USAGE),
    ("en", "Commercial use", "Can I use the outputs in a product? Is the license final?", USAGE),
    ("en", "VRAM", "How much VRAM is needed, and which settings are recommended?", USAGE),
    ("en", "Evaluation on MMLU: 71.3", "It is better than the 13B model by 4 points.", PERFORMANCE),
    ("en", "My experience after a month", "Great quality, but it hallucinates.", PERFORMANCE),
    ("en", "Cannot reproduce the results of the paper", "We get lower scores.", PERFORMANCE),
    ("en", "Thank you so much!", "", OTHERS),
    ("en", "Release 4.0.0", "- [ ] changelog\n- [ ] tag", OTHERS),
    ("en", "Is this project dead?", "", OTHERS),
    ("zh", "打开设置页面就闪退", "更新之后出现错误", BUG),
    ("zh", "希望增加夜间模式", "能否支持一下", SUGGESTION),
    ("zh", "请问怎么修改端口", "文档没有写", USAGE),
    ("zh", "7B 模型实测", "比上一代效果好", PERFORMANCE),
    ("ja", "保存するとクラッシュする", "エラーが出ます", BUG),
    ("ja", "夜間モードを追加してほしい", "あると便利です", SUGGESTION),
    ("ja", "ポートの変更方法を教えて", "初心者です", USAGE),
    ("ja", "7B の精度を測定しました", "前のモデルより良いです", PERFORMANCE),
    ("es", "La ventana se cierra sola", "Antes funcionaba", BUG),
    ("es", "Sería genial un modo oscuro", "Sugiero añadir una opción", SUGGESTION),
    ("es", "¿Dónde puedo cambiar el puerto?", "Soy nuevo, necesito ayuda", USAGE),
    ("es", "Comparación de calidad", "Es mejor que el anterior", PERFORMANCE),
    ("fr", "La fenêtre se bloque", "Erreur inattendue", BUG),
    ("fr", "Un mode sombre serait génial", "Pourriez-vous ajouter une option", SUGGESTION),
    ("fr", "Comment faire pour changer le port ?", "Je suis débutant", USAGE),
    ("fr", "Comparaison de vitesse", "Plus rapide, meilleur que le précédent", PERFORMANCE),
    ("de", "Das Fenster stürzt ab", "Seit dem Update geht nichts", BUG),
    ("de", "Dunkler Modus wäre schön", "Vorschlag: als Option", SUGGESTION),
    ("de", "Wie kann ich den Port ändern?", "Ich brauche Hilfe", USAGE),
    ("de", "Vergleich der Geschwindigkeit", "Schneller als vorher", PERFORMANCE),
    ("pt", "A janela trava", "Parou de funcionar", BUG),
    ("pt", "Adicionar modo escuro", "Seria ótimo", SUGGESTION),
    ("pt", "Como posso mudar a porta?", "Tenho uma dúvida", USAGE),
    ("it", "La finestra si blocca", "Errore inatteso", BUG),
    ("it", "Aggiungere un tema scuro", "Sarebbe bello", SUGGESTION),
    ("it", "Come posso cambiare la porta?", "Non riesco", USAGE),
    ("ru", "Окно зависает", "После обновления ошибка", BUG),
    ("ru", "Добавьте тёмную тему", "Было бы удобно", SUGGESTION),
    ("ru", "Как настроить порт?", "Подскажите, пожалуйста", USAGE),
    ("ru", "Результаты тестов", "Быстрее, чем раньше", PERFORMANCE),
    ("ko", "창을 닫으면 오류가 납니다", "업데이트 후 작동하지 않아요", BUG),
    ("ko", "다크 모드 지원 요청", "추가해 주세요", SUGGESTION),
    ("ko", "포트를 어떻게 바꾸나요?", "초보입니다", USAGE),
    ("ko", "모델 벤치마크", "이전보다 빠릅니다", PERFORMANCE),
]


@pytest.mark.parametrize("is_told", [True, False], ids=["told", "untold"])
def test_posts_of_many_languages_are_understood(is_told: bool, patterns: Patterns) -> None:
    texts = [
        Text(str(k), title, body, None, language if is_told else None)
        for k, (language, title, body, _) in enumerate(UNDERSTOOD)
    ]
    model = fit_label_model(np.full((1, 6), ABSTAINS))
    votes = np.column_stack([np.full((len(texts), 2), ABSTAINS), patterns.votes(texts)])
    found = model.probabilities(votes).argmax(axis=1)
    wrong = [
        (text.title, THEMES[said], votes[k].tolist())
        for k, (text, said, (*_, theme)) in enumerate(zip(texts, found, UNDERSTOOD, strict=True))
        if said != theme
    ]
    assert wrong == []


def test_the_codebook_s_own_examples_are_mostly_understood() -> None:
    codebook = load_codebook()
    told = [(theme.name, one) for theme in codebook.themes for one in theme.examples]
    told += [(code.theme, one) for code in codebook.codes for one in code.examples]
    texts = [Text(str(k), example_text(one), "", None, "en") for k, (_, one) in enumerate(told)]
    weak = weak_labels(texts, [[]] * len(texts), codebook)
    truth = np.array([THEMES.index(theme) for theme, _ in told])
    right = weak.probabilities.argmax(axis=1) == truth
    assert weak.known.mean() > 0.6
    assert right[weak.known].mean() > 0.7


def test_patterns_hint_at_codes_of_their_theme(patterns: Patterns) -> None:
    themes = {code.name: code.theme for code in load_codebook().codes}
    for pattern in patterns.patterns:
        assert not pattern.code or themes[pattern.code] == THEMES[pattern.theme], pattern.name
    with (SEEDS / PATTERNS).open(encoding="utf-8", newline="") as stream:
        assert all(row["note"] for row in csv.DictReader(stream))


def test_a_hint_against_a_theme_takes_it_back(patterns: Patterns) -> None:
    unsure = Text("1", "Colours, not sure if this is a bug", "", None, "en")
    sure = Text("2", "Colours, sure this is a bug", "", None, "en")
    assert "en_not_a_bug" in patterns.names(unsure)
    assert patterns.votes([unsure])[0].tolist() == [ABSTAINS] * 4
    assert patterns.votes([sure])[0].tolist() == [BUG, BUG, ABSTAINS, ABSTAINS]


HOSTILE = [
    "a" * 60_000, " " * 60_000, "\n" * 60_000, "not " * 15_000, "how to " * 9_000, "1" * 60_000,
    "1.5 ms " * 9_000, "would be very really so " * 2_500, "-" * 60_000, "[ ] " * 15_000,
    "what is " * 8_000, "如何" * 20_000, "за" * 20_000, "no way no option " * 3_500,
]  # fmt: skip


def test_every_pattern_is_fast_on_any_text(patterns: Patterns) -> None:
    """RE2 is linear: no pattern goes back and forth over a text."""
    column = pa.array([folded(text) for text in HOSTILE])
    slowest: dict[str, float] = {}
    for pattern in patterns.patterns:
        began = time.process_time()
        pc.match_substring_regex(column, pattern.expression)
        slowest[pattern.name] = time.process_time() - began
    # 860,000 characters: a backtracking engine needs minutes for some of these.
    name = max(slowest, key=lambda one: slowest[one])
    assert slowest[name] < NEVER_ENDS, name


def test_of_a_body_the_ends_are_read(patterns: Patterns) -> None:
    filler, crash = "word " * 2_000_000, " it crashes with a segmentation fault "
    bodies = [crash + filler, filler + crash, filler[: 4 * BODY_HEAD] + crash + filler]
    began = time.process_time()
    votes = patterns.votes([Text(str(k), "", body) for k, body in enumerate(bodies)])
    assert time.process_time() - began < NEVER_ENDS
    assert votes[:, 2].tolist() == [BUG, BUG, ABSTAINS]


def test_hostile_texts_are_read_as_texts(patterns: Patterns) -> None:
    crash = "Crash on exit"
    broken = ["\x00", "\ud800", "\u202e", "<script>", "=1+1", "\u0301" * 90, "\ufeff", "%s{}"]
    texts = [Text(str(k), f"{one} {crash} {one}", one * 3) for k, one in enumerate(broken)]
    assert (patterns.votes(texts)[:, 0] == BUG).all()
    assert patterns.votes([]).shape == (0, 4)


@given(st.text())
def test_folding_leaves_one_form(text: str) -> None:
    once = folded(text)
    assert folded(once) == once
    assert folded(once.upper()) == folded(once.lower()) == once
    assert not any("\u0300" <= letter <= "\u036f" for letter in once)
    once.encode()


def test_folding_leaves_no_case() -> None:
    for letter in map(chr, range(sys.maxunicode + 1)):
        if letter.upper() != letter.lower():
            assert folded(letter.upper()) == folded(letter.lower()) == folded(letter), letter
    assert folded("ᾳ") == folded("ΑΙ")
    assert folded("ΟΔΟΣ") == folded("οδος") == folded("οδοσ")
    assert folded("ISPARTA ÎÏ") == folded("ısparta îï")


# ---------------------------------------------------------------- seeds that cannot be used


def broken_seed(folder: Path, name: str, old: str, new: str) -> Path:
    for seed in (LABEL_MAP, PATTERNS):
        content = (SEEDS / seed).read_text(encoding="utf-8")
        if seed == name:
            assert old in content
            content = content.replace(old, new, 1)
        (folder / seed).write_text(content, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("seed", "old", "new", "told"),
    [
        (LABEL_MAP, "bug,whole,bug_report,", "bug,whole,bugs,", "line 2: the theme 'bugs'"),
        (
            LABEL_MAP,
            "bug,whole,bug_report,strong",
            "bug,whole,bug_report,huge",
            "line 2: the stren",
        ),
        (LABEL_MAP, "bugs,whole,", "bug,whole,", "line 3: the whole 'bug' is given twice"),
        (LABEL_MAP, "bug,whole,", "Type: Bug,whole,", "line 2: the label 'Type: Bug' is looked up"),
        (LABEL_MAP, "bug,whole,", "bug,part,", "line 2: the match 'part'"),
        (PATTERNS, "bug_tag,bug_report,", "bug_tag,bugs,", "line 2: the theme 'bugs'"),
        (PATTERNS, "suggestion_tag,", "bug_tag,", "line 3: the name bug_tag is given twice"),
        (PATTERNS, "bug_tag,bug_report,,title,any", "bug_tag,bug_report,,head,any", "the field"),
        (PATTERNS, "(bug|bugs|defect", "((bug|bugs|defect", "line 2: the pattern cannot be read"),
        (PATTERNS, "(bug|bugs|defect", "(Bug|bugs|defect", "line 2: the pattern has capitals"),
        (PATTERNS, "(bug|bugs|defect", "(bug)?(?:$)|(x|bugs|defect", "found in an empty text"),
        (PATTERNS, "(bug|bugs|defect", "(?=bug)(bug|bugs|defect", "line 2: the pattern cannot be"),
    ],
)
def test_a_seed_that_cannot_be_used_is_told(
    seed: str, old: str, new: str, told: str, tmp_path: Path
) -> None:
    folder = broken_seed(tmp_path, seed, old, new)
    with pytest.raises(PermanentFailure, match=told):
        weak_labels([Text("1", "a", "b")], [[]], load_codebook(), folder)


def test_the_version_changes_with_the_seeds(tmp_path: Path) -> None:
    texts, codebook = [Text("1", "a", "b")], load_codebook()
    usual = weak_labels(texts, [[]], codebook).version
    same = broken_seed(tmp_path, PATTERNS, "bug_tag,", "bug_tag,")
    assert usual.startswith(codebook.version)
    assert weak_labels(texts, [[]], codebook, same).version == usual
    other = broken_seed(tmp_path, PATTERNS, "bug_tag,", "bug_tagged,")
    assert weak_labels(texts, [[]], codebook, other).version != usual


# ---------------------------------------------------------------- label model


def planted(
    accuracies: list[float], fires: list[float], balance: list[float], n: int, seed: int = 7
) -> tuple[Ints, Ints]:
    """Truth (n,) and votes (n, s) of independent sources that err evenly."""
    rng, k = np.random.default_rng(seed), len(balance)
    truth = rng.choice(k, n, p=balance)
    votes = np.full((n, len(accuracies)), ABSTAINS)
    for source, (accuracy, share) in enumerate(zip(accuracies, fires, strict=True)):
        wrong = (truth + rng.integers(1, k, n)) % k
        said = np.where(rng.random(n) < accuracy, truth, wrong)
        votes[:, source] = np.where(rng.random(n) < share, said, ABSTAINS)
    return truth, votes


BALANCE = [0.40, 0.25, 0.18, 0.10, 0.07]


def fitted(votes: Ints, accuracies: list[float], share: float = 0.0) -> LabelModel:
    groups = range(votes.shape[1])
    return fit_label_model(votes, accuracies, groups, prior_share=share)


def test_known_accuracies_are_recovered() -> None:
    true = [0.92, 0.80, 0.65, 0.75, 0.55]
    truth, votes = planted(true, [0.5, 0.8, 0.9, 0.6, 0.7], BALANCE, 30_000)
    model = fitted(votes, [0.7] * 5)
    assert np.abs(model.accuracies - true).max() < 0.03
    assert np.abs(model.balance - BALANCE).max() < 0.02
    assert (np.diff(model.objective) > -1e-6).all()
    # With the hold that keeps real sources in place, the order is still found.
    held = fitted(votes, [0.7] * 5, share=0.5)
    assert (np.argsort(held.accuracies) == np.argsort(true)).all()
    found = model.probabilities(votes)
    known = (votes != ABSTAINS).any(axis=1)
    assert (found.argmax(axis=1) == truth)[known].mean() > 0.88
    # Probabilities mean what they say.
    most = found.max(axis=1)
    for low, high in ((0.5, 0.7), (0.7, 0.9), (0.9, 0.99)):
        there = known & (most >= low) & (most < high)
        assert abs(most[there].mean() - (found.argmax(axis=1) == truth)[there].mean()) < 0.03


def test_confusions_are_recovered_and_not_only_how_often() -> None:
    rng = np.random.default_rng(3)
    truth = rng.choice(5, 30_000, p=BALANCE)
    _, votes = planted([0.85] * 4, [0.9] * 4, BALANCE, 30_000)
    for source in range(4):
        wrong = (truth + rng.integers(1, 5, len(truth))) % 5
        said = np.where(rng.random(len(truth)) < 0.85, truth, wrong)
        # The first source tells half of all usage problems as bugs.
        if source == 0:
            said = np.where((truth == USAGE) & (rng.random(len(truth)) < 0.5), BUG, said)
        votes[:, source] = np.where(votes[:, source] == ABSTAINS, ABSTAINS, said)
    confusion = fitted(votes, [0.7] * 4).confusion
    assert abs(confusion[0, USAGE, BUG] - (0.5 + 0.5 * 0.15 / 4)) < 0.04
    assert confusion[1, USAGE, BUG] < 0.07


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_source_that_is_mostly_wrong_is_found_out(share: float) -> None:
    """It votes on every text, says one theme all the time, and is believed most beforehand."""
    truth, votes = planted([0.8, 0.8, 0.8], [0.8, 0.8, 0.8], BALANCE, 20_000)
    loud = np.where(np.random.default_rng(1).random(len(truth)) < 0.9, OTHERS, BUG)
    votes = np.column_stack([loud, votes])
    model = fitted(votes, [0.85, 0.7, 0.7, 0.7], share)
    assert model.accuracies[0] < (0.2 if share == 0 else 0.5)
    assert model.accuracies[1:].min() > 0.72
    right = (model.probabilities(votes).argmax(axis=1) == truth)[(votes[:, 1:] >= 0).any(axis=1)]
    believed = (votes[:, 0] == truth).mean()
    assert right.mean() > 0.8
    assert believed < 0.15


def test_wrong_labels_of_maintainers_do_not_dominate() -> None:
    truth, votes = planted([0.92, 0.78, 0.78, 0.78], [1.0, 0.9, 0.9, 0.9], BALANCE, 20_000)
    model = fitted(votes, [0.85, 0.7, 0.7, 0.7], share=0.5)
    found = model.probabilities(votes).argmax(axis=1)
    assert (votes[:, 0] == truth).mean() < 0.925
    assert (found == truth).mean() > 0.95
    mistaken = (votes[:, 0] != truth) & (votes[:, 1] == truth) & (votes[:, 2] == truth)
    assert (found == truth)[mistaken].mean() > 0.7


def brute_force(votes: Ints, accuracies: list[float], prior_votes: float, share: float, k: int
                ) -> tuple[list[float], list[list[list[float]]]]:  # fmt: skip
    """Balance and confusion by the definition, text by text, theme by theme."""
    rows = [row for row in votes.tolist() if any(vote != ABSTAINS for vote in row)]
    prior = []
    for source, accuracy in enumerate(accuracies):
        worth = prior_votes + share * sum(row[source] != ABSTAINS for row in rows) / k
        prior.append([
            [worth * (accuracy if said == theme else (1 - accuracy) / (k - 1)) for said in range(k)]
            for theme in range(k)
        ])  # fmt: skip
    even = (prior_votes + share * len(rows)) / k
    balance = [1 / k] * k
    confusion = [[[cell / sum(line) for cell in line] for line in table] for table in prior]
    for _ in range(400):
        shares = []
        for row in rows:
            joint = [
                balance[theme]
                * math.prod(confusion[s][theme][vote] for s, vote in enumerate(row) if vote >= 0)
                for theme in range(k)
            ]
            shares.append([one / sum(joint) for one in joint])
        balance = [even + sum(one[theme] for one in shares) for theme in range(k)]
        balance = [one / sum(balance) for one in balance]
        for s, table in enumerate(prior):
            for theme in range(k):
                line = [
                    table[theme][said]
                    + sum(one[theme] for one, row in zip(shares, rows, strict=True)
                          if row[s] == said)
                    for said in range(k)
                ]  # fmt: skip
                confusion[s][theme] = [cell / sum(line) for cell in line]
    return balance, confusion


@pytest.mark.parametrize(("prior_votes", "share"), [(2.0, 0.0), (5.0, 0.5)])
def test_the_estimate_equals_one_by_definition(prior_votes: float, share: float) -> None:
    _, votes = planted([0.8, 0.7, 0.6], [0.8, 0.7, 0.6], [0.5, 0.3, 0.2], 60, seed=11)
    accuracies = [0.7, 0.7, 0.6]
    model = fit_label_model(
        votes, accuracies, (0, 1, 2), 3, prior_votes=prior_votes, prior_share=share
    )
    balance, confusion = brute_force(votes, accuracies, prior_votes, share, 3)
    assert np.abs(model.balance - balance).max() < 2e-3
    assert np.abs(model.confusion - np.array(confusion)).max() < 2e-3


def test_a_group_shares_its_voice() -> None:
    def model(correlation: float, groups: tuple[int, ...]) -> LabelModel:
        table = np.full((3, 5, 5), 0.05)
        table[:, range(5), range(5)] = 0.8
        return LabelModel(np.full(5, 0.2), table, np.array(groups), correlation, np.zeros(1))

    votes = np.array([[BUG, USAGE, USAGE], [BUG, USAGE, ABSTAINS]])
    apart = model(1.0, (0, 1, 2)).probabilities(votes)
    one = model(1.0, (0, 1, 1)).probabilities(votes)
    free = model(0.0, (0, 1, 1)).probabilities(votes)
    assert apart[0, USAGE] > 0.9
    assert one[0, USAGE] == pytest.approx(one[0, BUG])
    assert np.allclose(free, apart)
    # Alone in its group, a source has its whole voice.
    assert np.allclose(one[1], apart[1])


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.int64, st.tuples(st.integers(0, 30), st.just(6)),
                     elements=st.integers(-1, 4)))  # fmt: skip
def test_any_votes_give_probabilities(votes: Ints) -> None:
    model = fit_label_model(votes)
    found = model.probabilities(votes)
    assert np.isfinite(found).all()
    assert np.allclose(found.sum(axis=1), 1)
    assert (np.diff(model.objective) > -1e-6).all()
    # The order of texts decides nothing.
    turned = fit_label_model(votes[::-1])
    assert np.allclose(turned.confusion, model.confusion)
    silent = (votes == ABSTAINS).all(axis=1)
    assert np.allclose(found[silent], model.balance)


# ---------------------------------------------------------------- whole


def test_texts_without_evidence_are_not_known() -> None:
    texts = [Text("1", "zebra", "stripes"), Text("2", "Crash on start", ""), Text("3", "", "")]
    weak = weak_labels(texts, [[], [], ["bug"]], load_codebook())
    assert weak.known.tolist() == [False, True, True]
    assert np.allclose(weak.probabilities[0], weak.model.balance)
    assert weak.votes.shape == (3, len(SOURCES))
    assert weak.probabilities[1:].argmax(axis=1).tolist() == [BUG, BUG]
    again = weak_labels(texts, [[], [], ["bug"]], load_codebook())
    assert (again.probabilities == weak.probabilities).all()
    nothing = weak_labels([], [], load_codebook())
    assert nothing.probabilities.shape == (0, 5)
    with pytest.raises(ValueError, match="3 texts and 1 lists"):
        weak_labels(texts, [[]], load_codebook())


def twin_posts(is_hub: bool, n: int) -> tuple[list[Text], Themes]:
    made = Texts(build_world(SMALL, 11, date(2025, 10, 6)))
    repository, number = np.arange(n) % 300, np.arange(n) // 300 + 1
    if is_hub:
        themes = made.hub_theme(repository, number)
        titles = made.hub_titles_at(repository, number)
        bodies = made.hub_bodies_at(repository, number)
    else:
        themes = made.theme(repository, number)
        titles, bodies = made.titles_at(repository, number), made.bodies_at(repository, number)
    texts = []
    for k, (title, body) in enumerate(zip(titles.tolist(), bodies.tolist(), strict=True)):
        clean = cleaned(made.titles.texts[title], made.bodies.texts[body])
        language = words.LANGUAGE_CODES[int(themes.language[k])]
        texts.append(Text(str(k), clean.title, clean.body, None, language))
    return texts, themes


@pytest.mark.parametrize("is_hub", [False, True], ids=["github", "hub"])
def test_the_twin_s_planted_themes_are_found(is_hub: bool) -> None:
    texts, themes = twin_posts(is_hub, 3_000)
    labels = [[words.LABELS[label]] if label >= 0 else [] for label in themes.label.tolist()]
    weak = weak_labels(texts, labels, load_codebook())
    found = weak.probabilities.argmax(axis=1)
    assert weak.known.mean() > 0.95
    # The words are understood; what posts are that are worded otherwise they do not say.
    assert (found == themes.worded)[weak.known].mean() > 0.93
    assert (found == themes.primary)[weak.known].mean() > 0.83
    silent = weak_labels(texts, [[]] * len(texts), load_codebook())
    with_label = weak.known & (themes.label >= 0)
    by_words = (silent.probabilities.argmax(axis=1) == themes.primary)[with_label].mean()
    assert (found == themes.primary)[with_label].mean() > by_words


def test_issues_of_real_projects_are_better_than_guessed(real_data: Path) -> None:
    """Bug, feature and question in equal shares, by patterns alone: chance is one third."""
    path = real_data / "issues" / "nlbse2024_train.csv.gz"
    if not path.is_file():
        pytest.skip(f"no {path.name}")
    csv.field_size_limit(2**31 - 1)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    truth = np.array([["bug", "feature", "question"].index(row["label"]) for row in rows])
    texts = []
    for k, row in enumerate(rows):
        clean = cleaned(row["title"], row["body"])
        texts.append(Text(str(k), clean.title, clean.body, row["repo"], "en"))
    weak = weak_labels(texts, [[]] * len(texts), load_codebook())
    found = weak.probabilities[:, :3].argmax(axis=1)
    assert weak.known.mean() > 0.85
    for theme in range(3):
        agree = ((found == theme) & (truth == theme))[weak.known].sum()
        said, there = (one[weak.known].sum() for one in (found == theme, truth == theme))
        assert 2 * agree / (said + there) > 0.45
