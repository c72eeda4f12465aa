"""How well a coder does on labelled texts that it has not seen.

Belongs here: figures of predictions against labels, and repeated cross-validation. Does not belong
here: coders, agreement between people (`agreement`), and reading of tables (`files`).

Folds keep rows with the same repository and title on one side, as projects get the same post twice,
and spread each label of each repository evenly. The macro F1 of a task with several repositories is
the mean of the repositories' own, as in the NLBSE tool competition.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.study.themes.coding import Coder, Text
from assets.study.themes.linear import folds

Ints = NDArray[np.int64]
Numbers = NDArray[np.float64]
# From texts, targets and the labels to a coder.
Fit = Callable[[Sequence[Text], Ints, Sequence[str]], Coder]
# Stands for the repository of texts that have none, where others have one.
NOWHERE = "(no repository)"
BINS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Class:
    """Figures of one label; None where they are undefined.

    Attributes:
        count: texts that have the label.
    """

    label: str
    precision: float | None
    recall: float | None
    f1: float
    count: int


@dataclass(frozen=True)
class Figures:
    """Figures of predictions.

    Attributes:
        macro_f1: mean of the labels' F1 over repositories, or of all texts where none is known.
        by_repository: macro F1 of each repository.
        classes: of all texts together.
    """

    macro_f1: float
    accuracy: float
    by_repository: dict[str, float]
    classes: tuple[Class, ...]


def macro_f1(true: Ints, said: Ints, count: int) -> float:
    """Mean F1 of the labels that occur in either; a label said or missed only has 0.

    Args:
        true: index of each text's label, (n,).
        said: index of the label said; anything outside 0..count-1 is a miss, (n,).
        count: of labels.
    """
    found = [_f1(true, said, label) for label in range(count)]
    known = [f1 for f1 in found if f1 is not None]
    return float(np.mean(known)) if known else 0.0


def _f1(true: Ints, said: Ints, label: int) -> float | None:
    hits = int(((true == label) & (said == label)).sum())
    size = int((true == label).sum()) + int((said == label).sum())
    return 2 * hits / size if size else None


def figures(
    true: Ints, said: Ints, labels: Sequence[str], repositories: Sequence[str | None]
) -> Figures:
    """Figures of predictions against labels, arrays index-aligned; see `macro_f1`."""
    where = np.array([name or NOWHERE for name in repositories], dtype=object)
    names = sorted(set(where.tolist())) if any(repositories) else []
    by_repository = {
        name: macro_f1(true[where == name], said[where == name], len(labels)) for name in names
    }
    whole = macro_f1(true, said, len(labels))
    return Figures(
        macro_f1=float(np.mean(list(by_repository.values()))) if names else whole,
        accuracy=float((true == said).mean()) if len(true) else 0.0,
        by_repository=by_repository,
        classes=tuple(_class(true, said, at, label) for at, label in enumerate(labels)),
    )


def _class(true: Ints, said: Ints, at: int, label: str) -> Class:
    hits = int(((true == at) & (said == at)).sum())
    has, told = int((true == at).sum()), int((said == at).sum())
    precision = hits / told if told else None
    recall = hits / has if has else None
    return Class(label, precision, recall, _f1(true, said, at) or 0.0, has)


@dataclass(frozen=True)
class Evaluation:
    """Figures of a repeated cross-validation.

    Attributes:
        runs: figures of each repetition.
        probabilities: mean over repetitions of what was said of each text unseen, (n, k).
        reliability: how often those with some confidence are right, over all repetitions.
    """

    labels: tuple[str, ...]
    folds: int
    seeds: tuple[int, ...]
    runs: tuple[Figures, ...]
    probabilities: Numbers
    reliability: tuple["Bin", ...]

    @property
    def macro_f1(self) -> tuple[float, float]:
        """Mean, and standard deviation over repetitions."""
        found = [run.macro_f1 for run in self.runs]
        return float(np.mean(found)), float(np.std(found))

    def as_json(self) -> dict[str, Any]:
        """What is printed and kept."""
        mean, deviation = self.macro_f1
        return {
            "macro_f1": mean,
            "macro_f1_sd": deviation,
            "folds": self.folds,
            "seeds": list(self.seeds),
            "accuracy": float(np.mean([run.accuracy for run in self.runs])),
            "by_repository": {
                name: float(np.mean([run.by_repository[name] for run in self.runs]))
                for name in self.runs[0].by_repository
            },
            "classes": {
                label: {
                    "precision": _mean([run.classes[at].precision for run in self.runs]),
                    "recall": _mean([run.classes[at].recall for run in self.runs]),
                    "f1": _mean([run.classes[at].f1 for run in self.runs]),
                    "count": self.runs[0].classes[at].count,
                }
                for at, label in enumerate(self.labels)
            },
            "reliability": [vars(one) for one in self.reliability],
        }


@dataclass(frozen=True)
class Bin:
    """Texts whose most probable label has a probability of `low` to below `high`."""

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def reliability(probabilities: Numbers, true: Ints) -> tuple[Bin, ...]:
    """How often the most probable label is right, by its probability."""
    confidence = probabilities.max(axis=1, initial=0.0)
    is_right = probabilities.argmax(axis=1) == true
    found = []
    for low, high in pairwise(BINS):
        rows = (confidence >= low) & ((confidence < high) | (high == BINS[-1]))
        some = bool(rows.any())
        found.append(
            Bin(low, high, int(rows.sum()), float(confidence[rows].mean()) if some else None,
                float(is_right[rows].mean()) if some else None)
        )  # fmt: skip
    return tuple(found)


def cross_validated(
    texts: Sequence[Text],
    targets: Ints,
    labels: Sequence[str],
    fit: Fit,
    *,
    fold_count: int = 10,
    seeds: Sequence[int] = (0, 1, 2),
    told: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Cross-validate a coder, once for each seed.

    Args:
        texts: labelled.
        targets: index of each text's label, (n,).
        labels: k names.
        fit: fits on the texts that it is given, and on nothing else.
        fold_count: of each repetition.
        seeds: of the folds, one a repetition.
        told: hears how many fits of how many are done.
    """
    stratum, group = _strata(texts, targets, len(labels))
    runs = []
    whole = np.zeros((len(texts), len(labels)))
    bins = []
    for number, seed in enumerate(seeds):
        fold = folds(group, stratum, fold_count, seed)
        found = np.zeros_like(whole)
        for one in range(int(fold.max()) + 1):
            rows, others = np.flatnonzero(fold != one), np.flatnonzero(fold == one)
            coder = fit([texts[at] for at in rows.tolist()], targets[rows], labels)
            found[others] = coder.code([texts[at] for at in others.tolist()]).probabilities
            if told is not None:
                told(number * fold_count + one + 1, fold_count * len(seeds))
        runs.append(
            figures(targets, found.argmax(axis=1), labels, [text.repository for text in texts])
        )
        whole += found
        bins.append(found)
    return Evaluation(
        tuple(labels), fold_count, tuple(seeds), tuple(runs), whole / len(seeds),
        reliability(np.concatenate(bins), np.tile(targets, len(seeds))),
    )  # fmt: skip


def _strata(texts: Sequence[Text], targets: Ints, count: int) -> tuple[Ints, Ints]:
    """Repository and label, and what must not be on two sides of a fold, of each text."""
    repository = np.unique([text.repository or "" for text in texts], return_inverse=True)[1]
    keys = [f"{text.repository}\0{text.title.strip().lower() or text.key}" for text in texts]
    group = np.unique(keys, return_inverse=True)[1]
    return repository * count + targets, group.astype(np.int64)
