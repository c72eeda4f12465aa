"""What coders read and what they say of it: the one form that every coder takes and gives.

Belongs here: opening posts as they are shown to a coder, and its answers as arrays. Does not
belong here: cleaning of texts (`cleaning`), what themes mean (`codebook`), and coders themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Text:
    """An opening post, cleaned.

    Attributes:
        key: names it in whatever it was read from.
        repository: where it was posted, as a name or key; None where that is not known.
        language: ISO 639-1 code; None where none is certain.
    """

    key: str
    title: str
    body: str
    repository: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class Coding:
    """What a coder says of texts; arrays are index-aligned with `keys`.

    A coder that was stopped (a limit, an endpoint that went away) gives what it has: `keys` are
    then fewer than what was asked, and `stopped` says why.

    Attributes:
        keys: of the texts coded, in the order asked.
        labels: the columns of `probabilities` and `applies`.
        probabilities: that a label is the primary one; calibrated, rows sum to 1, (n, k).
        applies: the labels that hold, the primary one among them unless it abstains, (n, k).
        rationales: why, in words, where the coder says so.
        codes: the open code proposed for the text, where the coder proposes one.
    """

    keys: tuple[str, ...]
    labels: tuple[str, ...]
    probabilities: NDArray[np.float64]
    applies: NDArray[np.bool_]
    rationales: tuple[str | None, ...] | None = None
    codes: tuple[str | None, ...] | None = None
    stopped: str | None = None

    @property
    def primary(self) -> NDArray[np.int64]:
        """Index of the most probable label, without abstention, (n,)."""
        found: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return found

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Probability of the most probable label, (n,)."""
        most: NDArray[np.float64] = self.probabilities.max(axis=1, initial=0.0)
        return most


class Coder(Protocol):
    """Codes texts.

    Attributes:
        name: `linear`, `encoder`, `llm`.
        version: changes whenever an answer could; part of the key of everything kept.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def code(self, texts: Sequence[Text]) -> Coding:
        """What the coder says of texts, in order."""
        ...
