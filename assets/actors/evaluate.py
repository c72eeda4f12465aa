"""How well each layer of the classification does on labelled accounts.

Belongs here: cross-validation, precision, recall and F1 with intervals, and how far scores are
probabilities. Does not belong here: the layers (classify, names, behaviour, model), and printing.

Folds are stratified, and an account is in one fold only. What needs no training is judged on all
accounts at once. Intervals are percentiles of a bootstrap over accounts.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assets.actors import behaviour
from assets.actors.classify import BALANCED, Rules, classify, feature_matrix, written_score
from assets.actors.lists import known_accounts
from assets.actors.model import SEED, Labelled, Labels, Numbers, folds, train
from assets.actors.names import APP_SUFFIX, evidence_of
from assets.actors.tables import Accounts
from orchestration.failures import PermanentFailure

Called = NDArray[np.bool_]
DRAWS = 2000
LEVEL = 0.95
BINS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)


@dataclass(frozen=True)
class Figure:
    """A share with its interval; None where it is undefined (nothing was called automation)."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Row:
    """One layer.

    Attributes:
        is_trained: its figures are of folds that it was not fitted on.
        brier: mean squared distance of the score from the label; None where there is no score.
    """

    layer: str
    is_trained: bool
    precision: Figure
    recall: Figure
    f1: Figure
    brier: float | None


@dataclass(frozen=True)
class Bin:
    """Accounts whose score lies in an interval, and how many of them are automated."""

    low: float
    high: float
    count: int
    score_mean: float
    automated_share: float


@dataclass(frozen=True)
class Evaluation:
    """All layers on one file of labelled accounts.

    Attributes:
        reliability: by layer, for the layers whose scores decide.
    """

    accounts: int
    bots: int
    feature_count: int
    fold_count: int
    seed: int
    rows: list[Row]
    reliability: dict[str, list[Bin]]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def row(self, layer: str) -> Row:
        """The row of a layer."""
        return next(row for row in self.rows if row.layer == layer)


PUBLISHED, SUBSTRING = 'published rule: list or substring "bot"', 'substring "bot"'
PLATFORM, LISTS, NAMES = "platform type or suffix [bot]", "curated lists", "name tokens"
ACTS = "features, project weights"
WRITTEN_NAMES, WRITTEN = "all layers untrained, names alone", "all layers untrained"
TRAINED_ACTS = "features alone, trained"
TRAINED_NAMES, TRAINED = "all layers trained, names alone", "all layers trained"
WITHOUT_LISTS = "all layers but the lists, trained"


def evaluate(accounts: Accounts, fold_count: int = 10, seed: int = SEED) -> Evaluation:
    """Cross-validate every layer on labelled accounts.

    Args:
        accounts: read with their labels.
        fold_count: at least 2.
        seed: the same accounts, folds and seed give the same figures.

    Raises:
        PermanentFailure: no labels, or too few of a kind for so many folds.
    """
    if accounts.labels is None:
        raise PermanentFailure("The accounts have no labels.", "Read them with labels.")
    labels = accounts.labels
    least = int(np.bincount(labels, minlength=2).min())
    if least < fold_count:
        raise PermanentFailure(
            f"There are {least} accounts of one kind for {fold_count} folds.",
            "Give more accounts or fewer --folds.",
        )
    has_features = bool(accounts.features)
    measured = _untrained(accounts, has_features) + _trained(
        accounts, labels, fold_count, seed, has_features
    )
    draw = _Bootstrap(seed)
    return Evaluation(
        accounts=len(labels),
        bots=int(labels.sum()),
        feature_count=len(accounts.features),
        fold_count=fold_count,
        seed=seed,
        rows=[_row(each, labels, draw) for each in measured],
        reliability={
            each.layer: _reliability(each.scores, labels)
            for each in measured
            if each.scores is not None
            and each.layer in (WRITTEN_NAMES, WRITTEN, TRAINED, TRAINED_NAMES)
        },
    )


@dataclass(frozen=True)
class _Measured:
    layer: str
    called: Called
    scores: Numbers | None = None
    is_trained: bool = False


def _untrained(accounts: Accounts, has_features: bool) -> list[_Measured]:
    rules = Rules(known_accounts())
    logins = accounts.logins
    names = np.array([evidence_of(login).log_odds for login in logins])
    suffix = np.array([login.endswith(APP_SUFFIX) for login in logins], dtype=bool)
    kinds = accounts.table.select(
        [name for name in accounts.table.column_names if name not in accounts.features]
    )
    by_name, whole = classify(kinds, rules), classify(accounts.table, rules)
    typed = np.array([kind.lower() == "bot" for kind in _types(accounts.table)], dtype=bool)
    listed = np.array([("github", login.lower()) in rules.lists for login in logins], dtype=bool)
    called = _column(by_name, "is_bot").astype(bool)
    measured = [
        _Measured(PUBLISHED, _column(by_name, "is_removed_by_paper").astype(bool)),
        _Measured(SUBSTRING, np.array(["bot" in login.lower() for login in logins], dtype=bool)),
        _Measured(PLATFORM, suffix | typed),
        _Measured(LISTS, listed),
        _Measured(NAMES, suffix | (written_score(names, np.zeros(len(names))) >= BALANCED)),
        _Measured(WRITTEN_NAMES, called, _column(by_name, "score")),
    ]
    if has_features:
        acts = behaviour.log_odds_of(feature_matrix(accounts.table))
        measured += [
            _Measured(ACTS, acts > 0),
            _Measured(WRITTEN, _column(whole, "is_bot").astype(bool), _column(whole, "score")),
        ]
    return measured


def _trained(
    accounts: Accounts, labels: Labels, fold_count: int, seed: int, has_features: bool
) -> list[_Measured]:
    count = len(labels)
    values = feature_matrix(accounts.table)
    everything = Labelled(accounts.logins, values, labels)
    table = accounts.table
    kinds = table.select([name for name in table.column_names if name not in accounts.features])
    lists = known_accounts()
    runs: dict[str, Callable[[Any], tuple[pa.Table, Any]]] = {
        TRAINED_NAMES: lambda model: (kinds, Rules(lists, model)),
        WITHOUT_LISTS: lambda model: (table, Rules({}, model)),
    }
    if has_features:
        runs[TRAINED] = lambda model: (table, Rules(lists, model))
    called = {layer: np.zeros(count, dtype=bool) for layer in (*runs, TRAINED_ACTS)}
    scores = {layer: np.zeros(count) for layer in runs}
    for fit, judge in folds(everything, fold_count, seed):
        model = train(everything.at(fit), date.min, seed)
        for layer, run in runs.items():
            given, rules = run(model)
            judged = classify(given.take(judge), rules)
            called[layer][judge] = _column(judged, "is_bot").astype(bool)
            scores[layer][judge] = _column(judged, "score")
        called[TRAINED_ACTS][judge] = model.act_odds(values[judge]) > 0
    order = (TRAINED_ACTS, TRAINED_NAMES, TRAINED) if has_features else (TRAINED_NAMES,)
    return [
        _Measured(layer, called[layer], scores.get(layer), True)
        for layer in (*order, WITHOUT_LISTS)
    ]


def _types(table: pa.Table) -> list[str]:
    if "platform_type" not in table.column_names:
        return [""] * table.num_rows
    return [value or "" for value in table.column("platform_type").to_pylist()]


def _column(table: pa.Table, name: str) -> Any:
    return table.column(name).to_numpy(zero_copy_only=False)


# ---------------------------------------------------------------- figures


class _Bootstrap:
    """Intervals of shares from resampled accounts.

    Resampling accounts changes the four counts of a decision only, which are multinomial.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __call__(self, hits: int, wrong: int, missed: int, right: int) -> list[Figure]:
        counts = np.array([hits, wrong, missed, right])
        total = int(counts.sum())
        drawn = np.random.default_rng(self._seed).multinomial(total, counts / total, DRAWS)
        tp, fp, fn = (drawn[:, k].astype(float) for k in range(3))
        with np.errstate(divide="ignore", invalid="ignore"):
            draws = (tp / (tp + fp), tp / (tp + fn), 2 * tp / (2 * tp + fp + fn))
            value = (
                _share(hits, hits + wrong), _share(hits, hits + missed),
                _share(2 * hits, 2 * hits + wrong + missed),
            )  # fmt: skip
        return [_figure(one, draw) for one, draw in zip(value, draws, strict=True)]


def _figure(value: float | None, draws: Numbers) -> Figure:
    known = draws[np.isfinite(draws)]
    if value is None or not len(known):
        return Figure(value, None, None)
    low, high = np.quantile(known, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Figure(value, float(low), float(high))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _row(measured: _Measured, labels: Labels, draw: _Bootstrap) -> Row:
    called, is_bot = measured.called, labels == 1
    counts = (called & is_bot, called & ~is_bot, ~called & is_bot, ~called & ~is_bot)
    precision, recall, f1 = draw(*(int(each.sum()) for each in counts))
    brier = None
    if measured.scores is not None:
        brier = math.fsum((measured.scores - labels) ** 2) / len(labels)
    return Row(measured.layer, measured.is_trained, precision, recall, f1, brier)


def _reliability(scores: Numbers, labels: Labels) -> list[Bin]:
    place = np.clip(np.searchsorted(BINS, scores, side="right") - 1, 0, len(BINS) - 2)
    bins = []
    for k in range(len(BINS) - 1):
        inside = place == k
        if inside.any():
            bins.append(
                Bin(
                    BINS[k], BINS[k + 1], int(inside.sum()),
                    float(scores[inside].mean()), float(labels[inside].mean()),
                )
            )  # fmt: skip
    return bins
