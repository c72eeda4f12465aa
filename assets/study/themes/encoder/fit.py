"""Fitting a coder on a sentence encoder: a local model, tuned to the labels, and a linear head.

Belongs here: which texts are learned from and which are held out, tuning the members, their heads
and mixing. Does not belong here: words and letters (`linear`), where texts come from (`corpus`,
`files`), what labels mean (`codebook`), the network (`local`).

Each member of the coder is tuned without a part of the texts, and a logistic regression on its
vectors is the head that stays. What members say of texts they have not seen is mixed with what the
linear coder says of them, in log probabilities, with a weight that makes the result a probability.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.study.themes.coding import Text
from assets.study.themes.encoder.coder import EncoderCoder, Fitted
from assets.study.themes.encoder.head import (
    FREEDOMS,
    Head,
    Mixing,
    fit_head,
    fit_mixing,
    floored_log,
    missed_by,
)
from assets.study.themes.encoder.lesson import (
    Encoder,
    Lesson,
    Numbers,
    Places,
    Told,
    Tuning,
    Vectors,
    places_of,
    plain,
    spelled,
)
from assets.study.themes.encoder.local import open_encoder
from assets.study.themes.linear import LinearCoder, fit_linear, one_thread
from orchestration.failures import PermanentFailure

SEED = 2016
LEAST_TEXTS, LEAST_OF_A_LABEL = 20, 2
# A repository with fewer texts to learn from is judged like an unknown one, and of more than
# these the ones with the most texts have weights of their own.
LEAST_OF_A_REPOSITORY, MOST_REPOSITORIES = 30, 100
# More texts than that are drawn from: with the usual tuning they take nearly two hours.
MOST_TEXTS = 20_000


def fit_encoder(
    texts: Sequence[Text],
    targets: NDArray[np.int64] | NDArray[np.float64],
    labels: Sequence[str],
    *,
    weights: NDArray[np.float64] | None = None,
    seed: int = SEED,
    by_repository: bool = False,
    with_linear: bool = True,
    model: Path | None = None,
    tuning: Tuning | None = None,
    encoder: Encoder | None = None,
    told: Told | None = None,
) -> EncoderCoder:
    """Fit a coder.

    Args:
        texts: at least `LEAST_TEXTS`, with at least two labels.
        targets: position of each text's label, (n,), or the share of each label, (n, k).
        labels: k names.
        weights: of the texts, (n,).
        seed: with the same texts and processor gives the same coder.
        by_repository: the encoder reads the repository's name, and a repository with at least
            `LEAST_OF_A_REPOSITORY` texts has weights of its own: where projects mean different
            things by a label.
        with_linear: mix with the linear coder.
        model: folder of a sentence encoder; None takes the one that comes as a package.
        tuning: None takes the usual.
        encoder: an open one instead of `model`.
        told: hears how many steps of how many are done.

    Raises:
        PermanentFailure: no encoder is installed, the folder holds none, or the texts do not do.
    """
    tuning = tuning or Tuning()
    given = _Given(texts, np.asarray(targets), tuple(labels), weights, seed, by_repository)
    _lesson(given)
    given = given.drawn()
    lesson, names = _lesson(given)
    encoder = encoder or open_encoder(model, tuning)
    parts = _held_out(given, lesson, tuning)
    members, vectors = _taught(encoder, given, lesson, parts, tuning, told)
    linear = _unseen_linear(given, parts) if with_linear else None
    with one_thread():
        heads, mixing = _heads(vectors, lesson, parts, linear)
    state = Fitted(
        given.labels, names, by_repository, seed, len(given.texts), tuning, mixing,
        tuple(members), tuple(heads), given.linear() if with_linear else None,
    )  # fmt: skip
    return EncoderCoder(state)


@dataclass(frozen=True)
class _Given:
    """What a coder is fitted to, as it was given."""

    texts: Sequence[Text]
    targets: NDArray[Any]
    labels: tuple[str, ...]
    weights: NDArray[np.float64] | None
    seed: int
    by_repository: bool

    def at(self, rows: Places) -> "_Given":
        weights = None if self.weights is None else np.asarray(self.weights)[rows]
        texts = [self.texts[row] for row in rows]
        return replace(self, texts=texts, targets=self.targets[rows], weights=weights)

    def drawn(self) -> "_Given":
        """At most `MOST_TEXTS` of the texts, in order."""
        if len(self.texts) <= MOST_TEXTS:
            return self
        random = np.random.default_rng(self.seed)
        return self.at(np.sort(random.choice(len(self.texts), MOST_TEXTS, replace=False)))

    def linear(self) -> LinearCoder:
        """The linear coder fitted to the same."""
        return fit_linear(
            self.texts, self.targets, self.labels,
            weights=self.weights, seed=self.seed, by_repository=self.by_repository,
        )  # fmt: skip


def _taught(
    encoder: Encoder,
    given: _Given,
    lesson: Lesson,
    parts: Sequence[Places],
    tuning: Tuning,
    told: Told | None,
) -> tuple[list[Encoder], list[Vectors]]:
    """An encoder for each part that it has not seen, and what it makes of all texts."""
    inputs = [spelled(text, given.by_repository) for text in given.texts]
    members = []
    vectors = []
    for number, held in enumerate(parts):
        seen = np.setdiff1d(np.arange(len(inputs)), held)
        member = encoder.tuned(
            [inputs[row] for row in seen], lesson.at(seen), tuning, given.seed + number,
            _told_of_member(told, number, len(parts)),
        )  # fmt: skip
        members.append(member)
        vectors.append(member.embed(inputs))
    return members, vectors


def _heads(
    vectors: Sequence[Vectors],
    lesson: Lesson,
    parts: Sequence[Places],
    linear: Numbers | None,
) -> tuple[list[Head], Mixing]:
    """The members' heads and how they are mixed with the linear coder.

    Of the penalties the one is taken under which the texts not seen are the most likely, after
    mixing: before it, the likelihood tells of little but how sure the head is.
    """
    judged = lesson.at(np.concatenate(parts))
    best: tuple[float, list[Head], Mixing] | None = None
    for freedom in FREEDOMS:
        heads = []
        said = []
        for own, held in zip(vectors, parts, strict=True):
            seen = np.setdiff1d(np.arange(len(own)), held)
            head = fit_head(own[seen], lesson.at(seen), freedom)
            heads.append(head)
            said.append(head.log_probabilities(own[held], lesson.places[held]))
        unseen = np.concatenate(said)
        mixing = fit_mixing(unseen, linear, judged)
        missed = missed_by(mixing.mixed(unseen, linear), judged)
        if best is None or missed < best[0]:
            best = (missed, heads, mixing)
    assert best is not None
    return best[1], best[2]


def _lesson(given: _Given) -> tuple[Lesson, tuple[str, ...]]:
    """What is to be learned, and the repositories with weights of their own."""
    count, weights = len(given.texts), given.weights
    shares = _shares(given.targets, count, len(given.labels))
    heavy = np.ones(count) if weights is None else np.asarray(weights, dtype=np.float64)
    if heavy.shape != (count,) or not np.isfinite(heavy).all() or (heavy < 0).any():
        raise PermanentFailure(
            "The texts' weights do not do.", "Give one number from 0 up for each text."
        )
    counts = shares[heavy > 0].sum(axis=0)
    if count < LEAST_TEXTS or (counts >= LEAST_OF_A_LABEL).sum() < 2:
        raise PermanentFailure(
            f"{count:,} texts are too few to fit an encoder to.",
            f"Give at least {LEAST_TEXTS} texts, and {LEAST_OF_A_LABEL} each of two labels.",
        )
    names = _repositories(given.texts) if given.by_repository else ()
    lesson = Lesson(shares, heavy / heavy.mean(), places_of(given.texts, names), len(names))
    return lesson, names


def _shares(targets: NDArray[Any], count: int, labels: int) -> Numbers:
    """Targets of either form as shares, (n, k)."""
    if targets.shape == (count,) and np.issubdtype(targets.dtype, np.integer):
        if not count or (targets.min() >= 0 and targets.max() < labels):
            return np.asarray(np.eye(labels)[targets], dtype=np.float64)
    elif targets.shape == (count, labels):
        shares = np.asarray(targets, dtype=np.float64)
        sums = shares.sum(axis=1, keepdims=True)
        if np.isfinite(shares).all() and (shares >= 0).all() and (sums > 0).all():
            return np.asarray(shares / sums, dtype=np.float64)
    raise PermanentFailure(
        f"The labels of {count:,} texts do not do (shape {targets.shape}).",
        f"Give one position from 0 to {labels - 1} a text, or {labels} shares.",
    )


def _repositories(texts: Sequence[Text]) -> tuple[str, ...]:
    counts: dict[str, int] = {}
    for text in texts:
        if text.repository:
            counts[text.repository] = counts.get(text.repository, 0) + 1
    enough = [name for name, count in counts.items() if count >= LEAST_OF_A_REPOSITORY]
    return tuple(sorted(sorted(enough, key=lambda name: (-counts[name], name))[:MOST_REPOSITORIES]))


def _held_out(given: _Given, lesson: Lesson, tuning: Tuning) -> list[Places]:
    """Rows that each member does not see; texts of one repository and title stay together."""
    from sklearn.model_selection import StratifiedGroupKFold

    groups = [f"{text.repository}\n{plain(text.title).casefold()}" for text in given.texts]
    if len(set(groups)) < LEAST_TEXTS // 2:
        # Texts without titles are each their own.
        groups = [str(number) for number in range(len(given.texts))]
    kinds = lesson.targets.argmax(axis=1) + lesson.targets.shape[1] * (lesson.places + 1)
    count = max(2, min(round(1 / tuning.held_out), len(set(groups))))
    split = StratifiedGroupKFold(n_splits=count, shuffle=True, random_state=given.seed)
    with warnings.catch_warnings():
        # A label with fewer texts than parts is missing from some of them, which does no harm.
        warnings.simplefilter("ignore", UserWarning)
        splits = list(split.split(np.zeros(len(given.texts)), kinds, groups))
    main = lesson.targets.argmax(axis=1)
    parts = [judge for fit, judge in splits if len(judge) and len(set(main[fit].tolist())) > 1]
    if not parts:
        raise PermanentFailure(
            "The texts are too much alike to fit an encoder to.",
            "Give texts with other titles, and more of each label.",
        )
    return parts[: tuning.members]


def _told_of_member(told: Told | None, number: int, members: int) -> Told | None:
    """Steps of one member as steps of all, which take about as many each."""
    if told is None:
        return None
    return lambda done, steps: told(number * steps + done, members * steps)


def _unseen_linear(given: _Given, parts: Sequence[Places]) -> Numbers:
    """What linear coders say of texts that they were not fitted on, (held out, k)."""
    said = []
    for held in parts:
        seen = np.setdiff1d(np.arange(len(given.texts)), held)
        said.append(floored_log(given.at(seen).linear().code(given.at(held).texts).probabilities))
    return np.concatenate(said)
