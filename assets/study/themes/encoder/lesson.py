"""What an encoder reads and is tuned to.

Belongs here: texts as an encoder reads them, what is known of them, how it is tuned, what an
encoder can do. Does not belong here: a network (`local`), what is fitted to vectors (`head`).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from assets.study.themes.coding import Text
from orchestration.failures import PermanentFailure

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]
Vectors = NDArray[np.float32]
# A title and a body as an encoder reads them.
Input = tuple[str, str]
Told = Callable[[int, int], None]

# What of a text is looked at before it becomes tokens.
MOST_BODY, MOST_TITLE, MOST_CODE = 20_000, 500, 100
# What of it is left to be read at most: more than an encoder has room for.
MOST_READ = 8_000
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
    title = plain(text.title[:MOST_TITLE])
    if with_repository and text.repository:
        title = f"{plain(text.repository[:MOST_TITLE])}: {title}"
    return title, plain(body)[:MOST_READ]


def plain(text: str) -> str:
    return _SPACE.sub(" ", _HIDDEN.sub(" ", text)).strip()


def places_of(texts: Sequence[Text], names: Sequence[str]) -> Places:
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers.get(text.repository or "", -1) for text in texts], dtype=np.int64)
