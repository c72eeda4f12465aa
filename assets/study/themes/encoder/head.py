"""Linear weights over an encoder's vectors, and their mixing with what the linear coder says.

Belongs here: the head, mixing, calibration. Does not belong here: who is tuned and judged on what
(`fit`), the vectors (`local`).
"""

from dataclasses import dataclass, fields

import numpy as np

from assets.study.themes.encoder.lesson import Lesson, Numbers, Places, Vectors

_LEAST_PROBABILITY = 1e-4


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
        return floored_log(softmax(scores))

    def is_whole(self, labels: int, repositories: int) -> bool:
        """Whether the arrays fit each other."""
        width = self.weights.shape[-1]
        return (
            self.weights.shape == (labels, width)
            and self.biases.shape == (labels,)
            and self.additions.shape == (repositories, labels, width)
            and self.offsets.shape == (repositories, labels)
            and all(bool(np.isfinite(part).all()) for part in arrays_of(self).values())
        )


def arrays_of(head: Head) -> dict[str, Numbers]:
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


def softmax(scores: Numbers) -> Numbers:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float64)


def floored_log(probabilities: Numbers) -> Numbers:
    return np.asarray(np.log(np.maximum(probabilities, _LEAST_PROBABILITY)), dtype=np.float64)


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
        return softmax(scores)


def missed_by(chances: Numbers, lesson: Lesson) -> float:
    """Negative log likelihood of texts under the labels' probabilities."""
    return -float((lesson.weights * (lesson.targets * floored_log(chances)).sum(axis=1)).sum())


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
        missed = missed_by(Mixing(weight, weight).mixed(encoder, linear), lesson)
        return missed + USUAL_STRENGTH * (weight - usual) ** 2

    found = minimize_scalar(loss, bounds=(0.02, 5.0), method="bounded")
    weight = round(float(found.x), 6)
    return Mixing(weight, 0.0 if linear is None else weight)
