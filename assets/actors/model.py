"""A model that is trained on the user's own labelled accounts.

Belongs here: fitting on names and behaviour, judging with reasons, and keeping a model in a file.
Does not belong here: what is certain without a model (classify), figures about how well it does
(evaluate), and labelled accounts, which the project has none of.

Two parts see the accounts: one the name (its words and its letters, logistic regression), the other
the behaviour (an additive model of boosted trees, boosted trees with interactions, and a logistic
regression on ranks). What they say of accounts that they were not fitted on is weighed by a third
logistic regression, so that its result is a probability. The decision is taken where F1 is largest
among the thresholds with the precision that is asked for. An account without known behaviour is
judged by its name, with weights and a threshold of its own.
"""

import re
import zipfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from assets.actors.features import NAMES, told
from assets.actors.lists import known_accounts
from assets.actors.names import APP_SUFFIX, evidence_of
from assets.actors.vocabulary import digest
from orchestration.failures import PermanentFailure
from orchestration.lake import PRIVATE_FILE, writing

Numbers = NDArray[np.float64]
Labels = NDArray[np.int64]

FORMAT = 1
SEED = 2016
INNER_FOLDS = 5
LEAST_OF_A_CLASS = 20
# The threshold is chosen on the training data, which flatters: a little more is asked for there
# than the 0.95 that is to hold for others.
PRECISION_AIM = 0.955
# Between the scores at which the policies `aggressive` and `conservative` remove: what one of them
# is sure about is not decided otherwise here.
LEAST_THRESHOLD, MOST_THRESHOLD = 0.30, 0.95
# A row is judged by behaviour where at least this share of the model's features is known.
LEAST_KNOWN = 0.5
MOST_STEPS = 1000
_LEAST_PROBABILITY = 1e-4
_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# What a file of a model may hold beside numpy's and scikit-learn's plain types.
TRUSTED = ["numpy.dtype", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"]
_REMEDY = "Train again with `osmoscope actors train`, or classify with --no-model."
_REASON_COUNT = 4
# A feature that moves the log odds by less is no reason.
_LEAST_TOLD = 0.2


@dataclass(frozen=True)
class Judgement:
    """What a model says of accounts.

    Attributes:
        scores: calibrated probability of automation, (n,).
        is_bot: the decision at the threshold that goes with what was known of the row, (n,).
        reasons: what moved the score most, in words, the strongest first.
    """

    scores: Numbers
    is_bot: NDArray[np.bool_]
    reasons: list[list[str]]


# ---------------------------------------------------------------- names


def spelled(login: str) -> str:
    """A login as the letters are seen: divided where the case changes, with its ends marked."""
    return f"^{_CASE.sub('_', login[:200].removesuffix(APP_SUFFIX)).lower()}$"


def name_columns(logins: Sequence[str]) -> Numbers:
    """What the words of logins say, (n, 9)."""
    rows = []
    for login in logins:
        evidence = evidence_of(login)
        words = evidence.words
        rows.append(
            (
                evidence.log_odds / 3,
                evidence.strongest / 3,
                float("bot" in words),
                float(login.lower().endswith("bot")),
                float(evidence.log_odds == 0),
                min(len(login), 40) / 10,
                min(len(words), 9) / 3,
                float(any(word.isdigit() for word in words)),
                float("-" in login),
            )
        )
    return np.array(rows, dtype=np.float64).reshape(len(logins), 9)


# Of those columns the ones that the weighing sees beside the parts' own results.
_WEIGHED = [0, 1, 2, 3, 4]


def _fit_names(logins: Sequence[str], labels: Labels) -> dict[str, Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    letters = TfidfVectorizer(
        analyzer="char", ngram_range=(2, 5), sublinear_tf=True, lowercase=False, min_df=2
    )
    letters.fit([spelled(login) for login in logins])
    part = {"letters": letters, "weights": LogisticRegression(C=1.0, max_iter=3000)}
    part["weights"].fit(_name_matrix(part, logins), labels)
    return part


def _name_matrix(part: dict[str, Any], logins: Sequence[str]) -> Any:
    from scipy import sparse

    letters = part["letters"].transform([spelled(login) for login in logins])
    return sparse.hstack([letters, sparse.csr_matrix(name_columns(logins))]).tocsr()


def _name_odds(part: dict[str, Any], logins: Sequence[str]) -> Numbers:
    odds: Numbers = part["weights"].decision_function(_name_matrix(part, logins))
    return odds


# ---------------------------------------------------------------- behaviour


def _fit_acts(values: Numbers, labels: Labels, seed: int) -> dict[str, Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import QuantileTransformer

    additive = HistGradientBoostingClassifier(
        max_iter=120, learning_rate=0.12, max_leaf_nodes=4, l2_regularization=1.0,
        # pyrefly: ignore[bad-argument-type] - pyrefly's stubs of it spell it in the singular
        interaction_cst="no_interactions", early_stopping=False, random_state=seed,
    )  # fmt: skip
    trees = HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.09, max_leaf_nodes=8, l2_regularization=3.0,
        max_features=0.3, min_samples_leaf=10, early_stopping=False, random_state=seed,
    )  # fmt: skip
    ranks = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True),
        QuantileTransformer(
            n_quantiles=min(50, len(values)), output_distribution="normal", random_state=seed
        ),
        LogisticRegression(C=0.3, max_iter=3000),
    )
    part = {"additive": additive, "trees": trees, "ranks": ranks}
    for estimator in part.values():
        estimator.fit(values, labels)
    return part


def _act_odds(part: dict[str, Any], values: Numbers) -> Numbers:
    """The mean of the three estimators' log odds, (n,)."""
    each = [_log_odds(estimator.predict_proba(values)[:, 1]) for estimator in part.values()]
    return np.asarray(np.mean(each, axis=0), dtype=np.float64)


def _log_odds(probabilities: Numbers) -> Numbers:
    clipped = np.clip(probabilities, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    return np.asarray(np.log(clipped / (1 - clipped)), dtype=np.float64)


def _shapes(additive: Any, values: Numbers) -> list[dict[str, Any]]:
    """What the additive estimator says of each feature as a step function of its value.

    The estimator is a sum over features, so the steps are exact, relative to the median, at all
    values that it was fitted on, unless these are more than `MOST_STEPS`.
    """
    usual = np.nanmedian(values, axis=0)
    usual = np.where(np.isnan(usual), 0.0, usual)
    at_usual = float(additive.decision_function(usual[None, :])[0])
    shapes = []
    for position in range(values.shape[1]):
        known = values[:, position][~np.isnan(values[:, position])]
        steps = np.unique(known)
        if len(steps) > MOST_STEPS:
            steps = np.unique(np.quantile(known, np.linspace(0, 1, MOST_STEPS)))
        rows = np.tile(usual, (len(steps) + 1, 1))
        rows[:-1, position] = steps
        rows[-1, position] = np.nan
        said = additive.decision_function(rows) - at_usual
        shapes.append(
            {"edges": (steps[1:] + steps[:-1]) / 2, "said": said[:-1], "unknown": float(said[-1])}
        )
    return shapes


# ---------------------------------------------------------------- training


@dataclass(frozen=True)
class Labelled:
    """Accounts whose kind is known.

    Attributes:
        values: (n, len(NAMES)), NaN where unknown; columns may be unknown altogether.
        labels: 1 automated, 0 not.
    """

    logins: Sequence[str]
    values: Numbers
    labels: Labels

    def at(self, rows: NDArray[np.int64]) -> "Labelled":
        """The accounts of some rows."""
        return Labelled([self.logins[row] for row in rows], self.values[rows], self.labels[rows])


def folds(labelled: Labelled, count: int, seed: int) -> list[tuple[Any, Any]]:
    """Stratified folds (rows to fit on, rows to judge) in which an account is on one side only."""
    from sklearn.model_selection import StratifiedGroupKFold

    groups = [login.lower() for login in labelled.logins]
    split = StratifiedGroupKFold(n_splits=count, shuffle=True, random_state=seed)
    return list(split.split(np.zeros(len(groups)), labelled.labels, groups))


def is_certain(logins: Sequence[str]) -> NDArray[np.bool_]:
    """Which logins are decided without a model by list or suffix, (n,)."""
    known = known_accounts()
    return np.array(
        [login.endswith(APP_SUFFIX) or ("github", login.lower()) in known for login in logins],
        dtype=bool,
    )


def train(labelled: Labelled, trained_on: date, seed: int = SEED) -> "Model":
    """Fit a model.

    Args:
        labelled: at least `LEAST_OF_A_CLASS` accounts of each kind.
        trained_on: the date that the model carries.
        seed: the same accounts and seed give the same model.

    Raises:
        PermanentFailure: too few accounts of a kind.
    """
    counts = np.bincount(labelled.labels, minlength=2)
    if counts.min() < LEAST_OF_A_CLASS:
        raise PermanentFailure(
            f"There are {counts[1]:,} bots and {counts[0]:,} others to learn from.",
            f"Give at least {LEAST_OF_A_CLASS} of each.",
        )
    with _one_thread():
        return Model(_fitted(labelled, trained_on, seed))


def _one_thread() -> AbstractContextManager[Any]:
    """Numerical libraries kept to one thread.

    Sums are then in one order, and where others compute too, threads that wait for each other
    make these small tasks slower by far.
    """
    # Only libraries that are loaded can be told.
    import sklearn.ensemble
    import sklearn.linear_model  # noqa: F401
    from threadpoolctl import threadpool_limits

    return cast("AbstractContextManager[Any]", threadpool_limits(limits=1))


def _fitted(labelled: Labelled, trained_on: date, seed: int) -> dict[str, Any]:
    """All parts of a model."""
    columns = np.flatnonzero(np.isfinite(labelled.values).any(axis=0))
    acting = _is_known(labelled.values[:, columns])
    unfitted_names, unfitted_acts = _unfitted(labelled, columns, acting, seed)
    certain = is_certain(labelled.logins)
    evidence = name_columns(labelled.logins)[:, _WEIGHED]
    state: dict[str, Any] = {
        "names": _fit_names(labelled.logins, labelled.labels),
        "by_name": _weigh(np.column_stack([unfitted_names, evidence]), labelled.labels, certain),
    }
    if unfitted_acts is not None:
        values, labels = labelled.values[np.ix_(acting, columns)], labelled.labels[acting]
        state["acts"] = _fit_acts(values, labels, seed)
        state["shapes"] = _shapes(state["acts"]["additive"], values)
        state["usual"] = [_median(values[labels == 0, k]) for k in range(len(columns))]
        both = np.column_stack([unfitted_names, unfitted_acts, evidence])[acting]
        state["by_both"] = _weigh(both, labels, certain[acting])
    state["metadata"] = _metadata(labelled, columns, acting, state, trained_on, seed)
    return state


def _unfitted(
    labelled: Labelled, columns: NDArray[np.int64], acting: NDArray[np.bool_], seed: int
) -> tuple[Numbers, Numbers | None]:
    """What the parts say of each account when they were fitted on others.

    The second is None where too few accounts have known behaviour.
    """
    by_name = np.zeros(len(labelled.labels))
    enough = min(np.bincount(labelled.labels[acting], minlength=2)) >= LEAST_OF_A_CLASS
    by_acts = np.zeros(len(labelled.labels)) if enough else None
    for fit, judge in folds(labelled, INNER_FOLDS, seed):
        part = _fit_names([labelled.logins[row] for row in fit], labelled.labels[fit])
        by_name[judge] = _name_odds(part, [labelled.logins[row] for row in judge])
        if by_acts is not None:
            rows, others = fit[acting[fit]], judge[acting[judge]]
            values = labelled.values[:, columns]
            acts = _fit_acts(values[rows], labelled.labels[rows], seed)
            if len(others):
                by_acts[others] = _act_odds(acts, values[others])
    return by_name, by_acts


def _weigh(inputs: Numbers, labels: Labels, certain: NDArray[np.bool_]) -> dict[str, Any]:
    """The last logistic regression and its threshold.

    It is fitted on what needs it, the accounts that no layer before decides, unless these are few;
    the threshold is that of all.
    """
    from sklearn.linear_model import LogisticRegression

    open_ = ~certain
    if min(np.bincount(labels[open_], minlength=2)) < LEAST_OF_A_CLASS:
        open_ = np.ones(len(labels), dtype=bool)
    weights = LogisticRegression(C=1.0, max_iter=3000).fit(inputs[open_], labels[open_])
    scores = np.where(certain, 1.0, weights.predict_proba(inputs)[:, 1])
    return {"weights": weights, "threshold": threshold_of(scores, labels)}


def threshold_of(scores: Numbers, labels: Labels, aim: float = PRECISION_AIM) -> float:
    """The threshold with the largest F1 among those whose precision reaches `aim`.

    Where none reaches it, the one with the largest F1 of all.
    """
    best: tuple[bool, float, float] = (False, 0.0, 0.5)
    for threshold in np.arange(LEAST_THRESHOLD, MOST_THRESHOLD + 0.001, 0.01):
        called = scores >= threshold
        hits = int((called & (labels == 1)).sum())
        if hits:
            f1 = 2 * hits / (int(called.sum()) + int(labels.sum()))
            best = max(best, (hits / int(called.sum()) >= aim, f1, float(threshold)))
    return round(best[2], 2)


def _is_known(values: Numbers) -> NDArray[np.bool_]:
    """Which rows know enough of the features of a model, (n,)."""
    if values.shape[1] == 0:
        return np.zeros(len(values), dtype=bool)
    return np.asarray(np.isfinite(values).mean(axis=1) >= LEAST_KNOWN)


def _median(values: Numbers) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _metadata(
    labelled: Labelled,
    columns: NDArray[np.int64],
    acting: NDArray[np.bool_],
    state: dict[str, Any],
    trained_on: date,
    seed: int,
) -> dict[str, Any]:
    features = [NAMES[position] for position in columns] if "acts" in state else []
    return {
        "format": FORMAT,
        "scikit_learn": version("scikit-learn"),
        "vocabulary": digest(),
        "trained_on": trained_on.isoformat(),
        "seed": seed,
        "rows": len(labelled.labels),
        "bots": int(labelled.labels.sum()),
        "rows_with_features": int(acting.sum()) if features else 0,
        "features": features,
        "thresholds": {
            name: state[name]["threshold"] for name in ("by_name", "by_both") if name in state
        },
        "figures": {},
    }


# ---------------------------------------------------------------- the model


class Model:
    """A trained model; see the module's description."""

    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state
        self._columns = [NAMES.index(name) for name in state["metadata"]["features"]]

    @property
    def metadata(self) -> dict[str, Any]:
        """Features, versions, date, rows, thresholds and cross-validated figures."""
        return cast("dict[str, Any]", self._state["metadata"])

    def with_figures(self, figures: dict[str, Any]) -> "Model":
        """The same model with figures of its cross-validation in its metadata."""
        return Model({**self._state, "metadata": {**self.metadata, "figures": figures}})

    def judge(self, logins: Sequence[str], features: Numbers, told_why: bool = True) -> Judgement:
        """Judge accounts by name, and by behaviour where it is known.

        Args:
            logins: n names.
            features: (n, len(NAMES)), NaN where unknown.
            told_why: False leaves the reasons empty, which is faster.
        """
        if not len(logins):
            return Judgement(np.zeros(0), np.zeros(0, dtype=bool), [])
        with _one_thread():
            return self._judged(logins, features, told_why)

    def _judged(self, logins: Sequence[str], features: Numbers, told_why: bool) -> Judgement:
        state = self._state
        odds = _name_odds(state["names"], logins)
        evidence = name_columns(logins)[:, _WEIGHED]
        scores = _weighed(state["by_name"], np.column_stack([odds, evidence]))
        is_bot = scores >= state["by_name"]["threshold"]
        values = features[:, self._columns]
        acting = np.flatnonzero(_is_known(values)) if self._columns else np.zeros(0, dtype=np.int64)
        if len(acting):
            by_acts = _act_odds(state["acts"], values[acting])
            inputs = np.column_stack([odds[acting], by_acts, evidence[acting]])
            scores[acting] = _weighed(state["by_both"], inputs)
            is_bot[acting] = scores[acting] >= state["by_both"]["threshold"]
        reasons: list[list[str]] = [[] for _ in logins]
        if told_why:
            reasons = self._reasons(logins, odds, values, acting)
        return Judgement(scores, is_bot, reasons)

    def act_odds(self, features: Numbers) -> Numbers:
        """Log odds of automation by behaviour alone, (n,); 0.0 where it is not known."""
        found = np.zeros(len(features))
        values = features[:, self._columns]
        acting = _is_known(values)
        if self._columns and acting.any():
            with _one_thread():
                found[acting] = _act_odds(self._state["acts"], values[acting])
        return found

    def _reasons(
        self, logins: Sequence[str], odds: Numbers, values: Numbers, acting: NDArray[np.int64]
    ) -> list[list[str]]:
        """The words of the name, then what its letters resemble, and the features that say most."""
        reasons = []
        for login, name_odds in zip(logins, odds.tolist(), strict=True):
            words = list(evidence_of(login).reasons[:2])
            if not words:
                like = "automation" if name_odds > 0 else "people"
                words = [f"the name looks like those of {like}"]
            reasons.append(words)
        if len(acting):
            said = self._said(values[acting])
            order = np.argsort(-np.abs(said), axis=1, kind="stable")[:, :_REASON_COUNT]
            for place, row in enumerate(acting.tolist()):
                reasons[row] += [
                    self._told(k, values[row, k], said[place, k])
                    for k in order[place]
                    if abs(said[place, k]) >= _LEAST_TOLD
                ]
        return reasons

    def _said(self, values: Numbers) -> Numbers:
        """What each feature adds to the log odds by the additive estimator, (n, features)."""
        said = np.empty_like(values)
        for position, shape in enumerate(self._state["shapes"]):
            column = values[:, position]
            place = np.searchsorted(shape["edges"], column, side="right")
            place = np.minimum(place, len(shape["said"]) - 1)
            said[:, position] = np.where(np.isnan(column), shape["unknown"], shape["said"][place])
        return said

    def _told(self, position: int, value: float, said: float) -> str:
        name = self.metadata["features"][position]
        usual = self._state["usual"][position]
        towards = "automation" if said > 0 else "a person"
        clause = told(name, None if np.isnan(value) else float(value))
        compared = "" if np.isnan(usual) else f"; people: {_short(name, usual)}"
        return f"{clause} (towards {towards}{compared})"

    def save(self, path: Path) -> None:
        """Write the model for its owner only, at once or not at all.

        Raises:
            PermanentFailure: the folder cannot be written.
        """
        import skops.io

        content = skops.io.dumps(self._state, compression=zipfile.ZIP_DEFLATED)
        with writing(path, "Choose another --model.", PRIVATE_FILE) as temporary:
            temporary.write_bytes(content)

    @classmethod
    def load(cls, path: Path) -> "Model":
        """Read a model; only types that a model consists of are made from the file.

        Raises:
            PermanentFailure: there is none, it is damaged, holds other types, or was made by
                another version.
        """
        import skops.io

        if not path.is_file():
            raise PermanentFailure(f"There is no model {path}.", _REMEDY)
        try:
            state = skops.io.load(path, trusted=TRUSTED)
            _check(state)
        except Exception as error:
            line = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise PermanentFailure(
                f"{path} is no model that can be used: {line[:200].rstrip('.')}.", _REMEDY
            ) from error
        return cls(state)


def _check(state: Any) -> None:
    """Refuse what is no model of this version.

    Raises:
        ValueError, KeyError, TypeError: with what is wrong.
    """
    metadata = state["metadata"]
    if metadata["format"] != FORMAT:
        raise ValueError(f"its format is {metadata['format']!r}, not {FORMAT}")
    if metadata["scikit_learn"] != version("scikit-learn"):
        raise ValueError(
            f"it was made with scikit-learn {metadata['scikit_learn']}, "
            f"here is {version('scikit-learn')}"
        )
    if metadata["vocabulary"] != digest():
        raise ValueError("it was trained with another vocabulary of names")
    unknown = [name for name in metadata["features"] if name not in NAMES]
    if unknown:
        raise ValueError(f"it wants the unknown feature {unknown[0]!r}")
    parts: dict[str, Callable[[Any], bool]] = {
        "names": lambda part: {"letters", "weights"} <= set(part),
        "by_name": lambda part: _is_weighing(part, 1),
    }
    if metadata["features"]:
        parts["acts"] = lambda part: {"additive", "trees", "ranks"} == set(part)
        parts["by_both"] = lambda part: _is_weighing(part, 2)
        parts["shapes"] = lambda part: len(part) == len(metadata["features"])
        parts["usual"] = lambda part: len(part) == len(metadata["features"])
    for name, holds in parts.items():
        if not holds(state[name]):
            raise ValueError(f"its part {name} is not whole")


def _is_weighing(part: dict[str, Any], parts: int) -> bool:
    wanted = parts + len(_WEIGHED)
    return bool(0 < part["threshold"] < 1 and part["weights"].n_features_in_ == wanted)


def _weighed(part: dict[str, Any], inputs: Numbers) -> Numbers:
    scores: Numbers = part["weights"].predict_proba(inputs)[:, 1]
    return scores


def _short(name: str, value: float) -> str:
    return told(name, value).rsplit(" is ", 1)[-1].rsplit(" are ", 1)[-1]
