"""The coder that needs no key and no model of language: weights of words, letters and form.

Belongs here: fitting, calibration, coding, and keeping a fitted coder in a file. Does not belong
here: what is seen of a text (`features`), what labels mean (`codebook`), figures (`evaluate`).

Scores are a ridge regression on the shares of labels, which takes soft labels and weights as they
are. Where it is fitted by repository, each repository with enough texts has weights of its own
beside those of all (Daume III 2007, "Frustratingly easy domain adaptation"): a label rarely means
the same in two projects. What texts score that a fit has not seen (five folds, the same title of a
repository on one side only) is turned into probabilities by a softmax with a slope and an offset
for each label; texts of a repository without weights of its own have a softmax of their own, from
folds that leave whole repositories out. Of many texts one fold tells enough.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from assets.study.themes.arrays import packed, unpacked
from assets.study.themes.coding import Coding, Text
from assets.study.themes.features import FIELDS, FORM_COUNT, Vocabulary, vocabulary_of
from orchestration.failures import PermanentFailure
from orchestration.lake import PRIVATE_FILE, writing

Numbers = NDArray[np.float64]
Ints = NDArray[np.int64]

# Part of every version: raise it whenever the same file would give another answer.
CODE_VERSION = 1
FORMAT = 1
SEED = 2016
PENALTY = 1.0
FOLDS = 5
LEAST_TEXTS = 10
# A repository with fewer texts has no weights of its own; nor has any beyond the largest ones.
LEAST_OF_REPOSITORY, MOST_REPOSITORIES = 20, 500
# Above that the similarities of all pairs take more memory and time than conjugate gradients.
MOST_PAIRED = 4_000
# Above that one fold is judged, which are a thousand texts.
MOST_FOLDED = 5_000
# More texts than that are drawn from: seconds and memory of a fit have a bound.
MOST_TEXTS = 20_000
TOLERANCE, MOST_STEPS = 1e-3, 300
# A label besides the primary one applies from this probability on, and this share of the
# primary's.
LEAST_SECOND, SECOND_SHARE = 0.25, 0.5
BATCH = 2_000
MOST_LABELS = 200
_REMEDY = "Fit it again from labelled texts."


# ---------------------------------------------------------------- the coder


class LinearCoder:
    """A fitted coder; see the module's description."""

    name = "linear"

    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state
        self._vocabulary = Vocabulary(
            tuple(state["codes"]),
            tuple(state["rarities"]),
            state["form_mean"],
            state["form_deviation"],
        )
        self._weights = state["weights"].astype(np.float64)
        self._own = {name: at for at, name in enumerate(state["repositories"])}
        self._version = _version(state)

    @property
    def version(self) -> str:
        """Hash of the code's version and of all that was fitted."""
        return self._version

    @property
    def labels(self) -> tuple[str, ...]:
        """Columns of its probabilities."""
        return tuple(self._state["labels"])

    @property
    def repositories(self) -> tuple[str, ...]:
        """Those with weights of their own."""
        return tuple(self._state["repositories"])

    def code(self, texts: Sequence[Text]) -> Coding:
        """Code texts, in order; a text's answer depends on that text alone.

        `applies` has the primary label, and each other one with at least `LEAST_SECOND` and at
        least `SECOND_SHARE` of the primary's probability. Who abstains below some confidence uses
        `without_unsure`.
        """
        with one_thread():
            parts = [
                self._probabilities(texts[begin : begin + BATCH])
                for begin in range(0, len(texts), BATCH)
            ]
        found = np.concatenate([np.zeros((0, len(self.labels))), *parts])
        keys = tuple(text.key for text in texts)
        return Coding(keys, self.labels, found, applying(found))

    def _probabilities(self, texts: Sequence[Text]) -> Numbers:
        matrix = self._vocabulary.matrix(texts)
        scores: Numbers = matrix @ self._weights + self._state["shares"]
        own = np.array([self._own.get(text.repository or "", -1) for text in texts])
        for at in np.unique(own[own >= 0]).tolist():
            rows = np.flatnonzero(own == at)
            scores[rows] += matrix[rows] @ self._own_weights(at)
        found: Numbers = np.empty_like(scores)
        for is_own, name in ((True, "own_softmax"), (False, "softmax")):
            rows = (own >= 0) == is_own
            found[rows] = _softmax(scores[rows], self._state[name])
        return found

    def _own_weights(self, at: int) -> Numbers:
        """What a repository's weights add, (features, k)."""
        state = self._state
        begin, end = state["own_bounds"][at : at + 2]
        found: Numbers = np.zeros_like(self._weights)
        found[state["own_columns"][begin:end]] = state["own_weights"][begin:end]
        return found

    def save(self, path: Path) -> None:
        """Write the coder for its owner only, at once or not at all.

        Raises:
            PermanentFailure: the folder cannot be written.
        """
        with writing(path, "Choose another file.", PRIVATE_FILE) as temporary:
            temporary.write_bytes(packed(self._state))

    @classmethod
    def load(cls, path: Path) -> "LinearCoder":
        """Read a coder; nothing in the file is executed.

        Raises:
            PermanentFailure: there is none, it is damaged, holds other types, or was made by
                another version.
        """
        if not path.is_file():
            raise PermanentFailure(f"There is no coder {path}.", _REMEDY)
        try:
            state = unpacked(path.read_bytes())
            _check(state)
            return cls(state)
        except Exception as error:
            line = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise PermanentFailure(
                f"{path} is no coder that can be used: {line[:200].rstrip('.')}.", _REMEDY
            ) from error


def applying(probabilities: Numbers) -> NDArray[np.bool_]:
    """The labels that hold by probabilities of the primary one, (n, k)."""
    most = probabilities.max(axis=1, keepdims=True, initial=0.0)
    found: NDArray[np.bool_] = (probabilities >= LEAST_SECOND) & (
        probabilities >= SECOND_SHARE * most
    )
    if len(found):
        found[np.arange(len(found)), probabilities.argmax(axis=1)] = True
    return found


def without_unsure(coding: Coding, abstain_below: float) -> NDArray[np.int64]:
    """Index of the primary label, -1 where its probability is below, (n,)."""
    found: Ints = np.where(coding.confidence < abstain_below, -1, coding.primary)
    return found


def one_thread() -> AbstractContextManager[Any]:
    """Numerical libraries kept to one thread: sums are then in one order."""
    # Only libraries that are loaded can be told.
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_limits

    return cast("AbstractContextManager[Any]", threadpool_limits(limits=1))


# ---------------------------------------------------------------- fitting


@dataclass(frozen=True)
class _Known:
    """Texts to learn from, as numbers; rows are index-aligned.

    Attributes:
        shares: of the labels, rows sum to 1, (n, k).
        weights: positive, of mean 1, (n,).
        own: index of the repository with weights of its own, -1 where it has none, (n,).
        repository: index of any repository, (n,).
        group: what must not be on two sides of a fold, (n,).
    """

    matrix: Any
    shares: Numbers
    weights: Numbers
    own: Ints
    repository: Ints
    group: Ints


def fit_linear(
    texts: Sequence[Text],
    targets: NDArray[np.int64] | NDArray[np.float64],
    labels: Sequence[str],
    *,
    weights: NDArray[np.float64] | None = None,
    seed: int = SEED,
    by_repository: bool = False,
) -> LinearCoder:
    """Fit a coder; the same texts, targets and seed give the same coder.

    Args:
        texts: at least `LEAST_TEXTS`; of more than `MOST_TEXTS`, so many are drawn.
        targets: index of each text's label, (n,), or shares of the labels, (n, k).
        labels: names; one without any text gets probability 0.
        weights: how much each text counts, (n,); texts of weight 0 are left out.
        seed: of the folds, and of what is drawn.
        by_repository: give repositories with at least `LEAST_OF_REPOSITORY` texts weights of
            their own.

    Raises:
        PermanentFailure: too few texts or labels, or targets and weights that do not fit.
    """
    shares, weight = _checked(len(texts), targets, labels, weights)
    kept = np.flatnonzero(weight > 0)
    if len(kept) > MOST_TEXTS:
        kept = np.sort(np.random.default_rng(seed).choice(kept, MOST_TEXTS, replace=False))
    if len(kept) < LEAST_TEXTS or np.count_nonzero(shares[kept].sum(axis=0) > 0) < 2:
        raise PermanentFailure(
            f"There are {len(kept):,} labelled texts with"
            f" {np.count_nonzero(shares[kept].sum(axis=0) > 0)} labels to learn from.",
            f"Give at least {LEAST_TEXTS} texts, and two labels.",
        )
    with one_thread():
        some = [texts[at] for at in kept.tolist()]
        return LinearCoder(_fitted(some, shares[kept], weight[kept], labels, seed, by_repository))


def _checked(
    count: int,
    targets: NDArray[Any],
    labels: Sequence[str],
    weights: NDArray[np.float64] | None,
) -> tuple[Numbers, Numbers]:
    """Shares and weights of texts."""
    if not 2 <= len(labels) <= MOST_LABELS or len(set(labels)) != len(labels):
        count_told = "is only one label" if len(labels) == 1 else f"are {len(labels):,} labels"
        raise PermanentFailure(
            f"There {count_told}{', some twice' if len(set(labels)) < len(labels) else ''}.",
            f"Give between 2 and {MOST_LABELS} labels, each once.",
        )
    weight = np.ones(count) if weights is None else np.asarray(weights, dtype=np.float64)
    given = np.asarray(targets)
    if given.ndim == 1 and len(given) == count and given.dtype.kind in "iu":
        is_known = (given >= 0) & (given < len(labels))
        shares = np.zeros((count, len(labels)))
        shares[np.flatnonzero(is_known), given[is_known]] = 1
    else:
        shares = given.astype(np.float64)
        is_shaped = shares.shape == (count, len(labels)) and np.isfinite(shares).all()
        is_known = np.array([is_shaped and bool((shares >= 0).all())])
    if not is_known.all() or weight.shape != (count,) or not np.isfinite(weight).all():
        raise PermanentFailure(
            "Targets or weights do not fit the texts and labels.",
            "Give an index or shares of the labels, and a finite weight, for each text.",
        )
    total = shares.sum(axis=1)
    weight = np.where(total > 0, np.maximum(weight, 0), 0)
    return shares / np.where(total > 0, total, 1)[:, None], weight


def _fitted(
    texts: Sequence[Text],
    shares: Numbers,
    weights: Numbers,
    labels: Sequence[str],
    seed: int,
    by_repository: bool,
) -> dict[str, Any]:
    vocabulary = vocabulary_of(texts)
    names, own, repository = _repositories(texts, by_repository)
    keys = [f"{text.repository}\0{text.title.strip().lower() or text.key}" for text in texts]
    known = _Known(
        vocabulary.matrix(texts), shares, weights / weights.mean(), own, repository,
        np.unique(keys, return_inverse=True)[1],
    )  # fmt: skip
    gram = _gram(known) if len(texts) <= MOST_PAIRED else None
    center = np.average(shares, axis=0, weights=weights)
    everyone = np.arange(len(texts))
    dual = _solved(known, gram, everyone, center)
    state: dict[str, Any] = {
        "format": FORMAT,
        "code_version": CODE_VERSION,
        "labels": list(labels),
        "seed": seed,
        "texts": len(texts),
        "codes": list(vocabulary.codes),
        "rarities": list(vocabulary.rarities),
        "form_mean": vocabulary.form_mean,
        "form_deviation": vocabulary.form_deviation,
        "weights": np.asarray(known.matrix.T @ dual, dtype=np.float32),
        "shares": center,
        "repositories": names,
        **_own_parts(known, dual, len(names)),
    }
    state["own_softmax"] = _calibrated(known, *_unseen(known, gram, seed, known.group))
    state["softmax"] = state["own_softmax"]
    if names and len(np.unique(repository)) > 1:
        state["softmax"] = _calibrated(known, *_unseen(known, gram, seed, repository))
    return state


def _repositories(texts: Sequence[Text], by_repository: bool) -> tuple[list[str], Ints, Ints]:
    """Repositories with weights of their own, and each text's place among these and among all."""
    given = [text.repository or "" for text in texts]
    every, at, count = np.unique(np.array(given, dtype=object).astype(str),
                                 return_inverse=True, return_counts=True)  # fmt: skip
    names: list[str] = []
    if by_repository:
        largest = np.argsort(-count, kind="stable")[:MOST_REPOSITORIES]
        names = sorted(
            str(every[one]) for one in largest if count[one] >= LEAST_OF_REPOSITORY and every[one]
        )
    place = {name: number for number, name in enumerate(names)}
    own = np.array([place.get(name, -1) for name in given], dtype=np.int64)
    return names, own, at.astype(np.int64)


def _gram(known: _Known) -> Numbers:
    """Similarities of all pairs, (n, n)."""
    found: Numbers = (known.matrix @ known.matrix.T).toarray()
    is_same = (known.own[:, None] == known.own[None, :]) & (known.own >= 0)
    found *= 1.0 + is_same
    return found


def _solved(known: _Known, gram: Numbers | None, rows: Ints, center: Numbers) -> Numbers:
    """How much each text says for each label, (rows, k): the dual of the ridge regression."""
    from scipy import linalg

    wanted = known.shares[rows] - center
    ridge = PENALTY / known.weights[rows]
    if gram is None:
        return _descended(known, rows, ridge, wanted)
    system = gram[np.ix_(rows, rows)]
    system[np.diag_indices(len(rows))] += ridge
    found: Numbers = linalg.solve(
        system, wanted, assume_a="pos", overwrite_a=True, check_finite=False
    )
    return found


def _descended(known: _Known, rows: Ints, ridge: Numbers, wanted: Numbers) -> Numbers:
    """The same by conjugate gradients, without the similarities of pairs."""
    matrix = known.matrix[rows]
    turned = matrix.T.tocsr()
    own = known.own[rows]
    members = [np.flatnonzero(own == one) for one in np.unique(own[own >= 0])]
    parts = [(at, matrix[at], matrix[at].T.tocsr()) for at in members]

    def applied(value: Numbers) -> Numbers:
        result: Numbers = matrix @ (turned @ value) + ridge[:, None] * value
        for at, part, part_turned in parts:
            result[at] += part @ (part_turned @ value[at])
        return result

    found = np.zeros_like(wanted)
    rest = wanted.copy()
    step = rest.copy()
    square = (rest**2).sum(axis=0)
    enough = TOLERANCE**2 * np.maximum(square, 1e-12)
    for _ in range(MOST_STEPS):
        if (square <= enough).all():
            break
        image = applied(step)
        size = square / np.maximum((step * image).sum(axis=0), 1e-300)
        found += size * step
        rest -= size * image
        next_square = (rest**2).sum(axis=0)
        step = rest + next_square / np.maximum(square, 1e-300) * step
        square = next_square
    return found


def _own_parts(known: _Known, dual: Numbers, count: int) -> dict[str, Any]:
    """Weights of repositories: bounds of each, columns, and values (columns, k)."""
    columns = []
    values = []
    bounds = [0]
    for at in range(count):
        rows = np.flatnonzero(known.own == at)
        part = known.matrix[rows]
        used = np.unique(part.indices)
        columns.append(used.astype(np.int32))
        values.append(np.asarray(part.T @ dual[rows], dtype=np.float32)[used])
        bounds.append(bounds[-1] + len(used))
    width = dual.shape[1]
    return {
        "own_bounds": np.array(bounds, dtype=np.int64),
        "own_columns": np.concatenate([np.zeros(0, np.int32), *columns]),
        "own_weights": np.concatenate([np.zeros((0, width), np.float32), *values]),
    }


# ---------------------------------------------------------------- probabilities


def folds(group: Ints, stratum: Ints, count: int, seed: int) -> Ints:
    """The fold of each row: groups stay together, and a stratum is spread evenly, (n,)."""
    rng = np.random.default_rng(seed)
    names, first, at = np.unique(group, return_index=True, return_inverse=True)
    shuffled = rng.permutation(len(names))
    order = shuffled[np.argsort(stratum[first][shuffled], kind="stable")]
    fold = np.empty(len(names), dtype=np.int64)
    fold[order] = np.arange(len(names)) % min(count, len(names))
    found: Ints = fold[at]
    return found


def _unseen(known: _Known, gram: Numbers | None, seed: int, group: Ints) -> tuple[Ints, Numbers]:
    """Rows, and what each scores by a fit on others, (rows, k).

    These are all rows, or, of more than `MOST_FOLDED`, those of one fold.
    """
    label = known.shares.argmax(axis=1)
    stratum = known.repository * known.shares.shape[1] + label
    fold = folds(group, stratum, FOLDS, seed)
    judged = []
    scores = []
    for one in range(int(fold.max()) + 1 if len(fold) <= MOST_FOLDED else 1):
        rows, others = np.flatnonzero(fold != one), np.flatnonzero(fold == one)
        center = np.average(known.shares[rows], axis=0, weights=known.weights[rows])
        dual = _solved(known, gram, rows, center)
        judged.append(others)
        scores.append(center + _scored(known, gram, rows, others, dual))
    return np.concatenate(judged), np.concatenate(scores)


def _scored(
    known: _Known, gram: Numbers | None, rows: Ints, others: Ints, dual: Numbers
) -> Numbers:
    """Scores of other texts by what some texts say."""
    if gram is not None:
        scores: Numbers = gram[np.ix_(others, rows)] @ dual
        return scores
    matrix = known.matrix
    scores = matrix[others] @ (matrix[rows].T @ dual)
    for one in np.unique(known.own[others]):
        mine, theirs = np.flatnonzero(known.own[others] == one), known.own[rows] == one
        if one >= 0 and theirs.any():
            scores[mine] += matrix[others[mine]] @ (matrix[rows[theirs]].T @ dual[theirs])
    return scores


def _calibrated(known: _Known, rows: Ints, scores: Numbers) -> dict[str, Any]:
    """Slope and offsets with which a softmax of the scores fits the shares best.

    A label without texts is left out. A weak pull towards slope 4 and no offsets keeps both finite
    where the scores of few texts tell all labels apart.
    """
    from scipy import optimize

    used = np.flatnonzero(known.shares.sum(axis=0) > 0)
    shares, weights, some = known.shares[np.ix_(rows, used)], known.weights[rows], scores[:, used]

    def loss(values: Numbers) -> tuple[float, Numbers]:
        slope, offset = np.exp(values[0]), values[1:]
        probability = _exponential(slope * some + offset)
        rest = weights[:, None] * (probability - shares)
        total = -float((weights[:, None] * shares * np.log(probability + 1e-300)).sum())
        pull = 0.5 * float((values[0] - np.log(4)) ** 2 + (offset**2).sum())
        slope_rise = float((rest * some).sum() * slope + values[0] - np.log(4))
        return total + pull, np.concatenate([[slope_rise], rest.sum(axis=0) + offset])

    start = np.concatenate([[np.log(4.0)], np.zeros(len(used))])
    limits = [(-5.0, 5.0), *[(-20.0, 20.0)] * len(used)]
    done = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=limits)
    return {
        "slope": float(np.exp(done.x[0])),
        "offset": np.asarray(done.x[1:], dtype=np.float64),
        "used": used.astype(np.int64),
    }


def _softmax(scores: Numbers, fitted: dict[str, Any]) -> Numbers:
    found = np.zeros_like(scores)
    used = fitted["used"]
    found[:, used] = _exponential(fitted["slope"] * scores[:, used] + fitted["offset"])
    return found


def _exponential(values: Numbers) -> Numbers:
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    found: Numbers = raised / raised.sum(axis=1, keepdims=True)
    return found


# ---------------------------------------------------------------- files


def _version(state: dict[str, Any]) -> str:
    told = sha256(f"{FORMAT} {CODE_VERSION}".encode())
    _told(told, state)
    return f"{CODE_VERSION}-{told.hexdigest()[:12]}"


def _told(told: Any, value: Any) -> None:
    """Tell a hash all of a state, in one order."""
    if isinstance(value, dict):
        for key in sorted(value):
            told.update(f"{key}:".encode())
            _told(told, value[key])
    elif isinstance(value, list):
        told.update(f"[{len(value)}".encode())
        for one in value:
            _told(told, one)
    elif isinstance(value, np.ndarray):
        told.update(f"{value.dtype.str}{value.shape}".encode())
        told.update(np.ascontiguousarray(value).tobytes())
    else:
        told.update(f"{type(value).__name__} {value!r};".encode("utf-8", "surrogatepass"))


def _check(state: Any) -> None:
    """Refuse what is no coder of this version.

    Raises:
        ValueError, KeyError, TypeError: with what is wrong.
    """
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    if state["code_version"] != CODE_VERSION:
        raise ValueError(f"it was made by version {state['code_version']!r} of the coder")
    labels, own = state["labels"], state["repositories"]
    if len(labels) < 2 or not all(isinstance(name, str) for name in [*labels, *own]):
        raise ValueError("its labels are not whole")
    lengths = [len(codes) for codes in state["codes"]]
    features = sum(lengths) + FORM_COUNT
    used = len(state["own_columns"])
    bounds = state["own_bounds"]
    is_whole = (
        len(lengths) == len(FIELDS)
        and all(codes.dtype == np.uint64 and (codes[1:] > codes[:-1]).all()
                for codes in state["codes"])
        and [len(rarity) for rarity in state["rarities"]] == lengths
        and state["form_mean"].shape == state["form_deviation"].shape == (FORM_COUNT,)
        and state["weights"].shape == (features, len(labels))
        and state["shares"].shape == (len(labels),)
        and state["own_weights"].shape == (used, len(labels))
        and (used == 0 or 0 <= state["own_columns"].min() <= state["own_columns"].max() < features)
        and bounds.shape == (len(own) + 1,) and bounds[0] == 0 and bounds[-1] == used
        and (np.diff(bounds) >= 0).all() and (state["form_deviation"] > 0).all()
        and all(_is_softmax(state[name], len(labels)) for name in ("own_softmax", "softmax"))
        and all(np.isfinite(state[name]).all() for name in ("weights", "own_weights", "shares"))
    )  # fmt: skip
    if not is_whole:
        raise ValueError("its parts do not fit each other")


def _is_softmax(fitted: dict[str, Any], labels: int) -> bool:
    used = fitted["used"]
    return bool(
        fitted["slope"] > 0
        and 2 <= len(used) == len(fitted["offset"])
        and 0 <= used.min() <= used.max() < labels
    )
