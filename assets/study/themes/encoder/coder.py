"""A fitted coder on a sentence encoder, and the folder that it is kept in.

Belongs here: coding with what was fitted; writing and reading it. Does not belong here: fitting
(`fit`), figures (`evaluate`).
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assets.study.themes.arrays import packed, unpacked
from assets.study.themes.coding import Coding, Text
from assets.study.themes.encoder.head import Head, Mixing, arrays_of, floored_log
from assets.study.themes.encoder.lesson import Encoder, Numbers, Told, Tuning, places_of, spelled
from assets.study.themes.encoder.local import in_one_line, open_folder, refuse_uninstalled
from assets.study.themes.linear import LinearCoder, applying, one_thread
from orchestration.failures import PermanentFailure
from orchestration.lake import sha256_of_file, told_when_full

# Part of every version: raise it whenever the same folder would give another answer.
FORMAT = 2
REFIT = "Fit the coder again, or use the linear coder."
# Texts of a corpus are read in parts of so many: what is cut into tokens is large.
CODED_AT_ONCE = 2_000
_CONTENTS, _HEADS, _LINEAR = "coder.json", "heads.npz", "linear.npz"


@dataclass(frozen=True)
class Fitted:
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

    def __init__(self, state: Fitted) -> None:
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
        places = places_of(texts, state.repositories)
        said = []
        members = len(state.members)
        for number, (member, head) in enumerate(zip(state.members, state.heads, strict=True)):
            done = before * members + number * len(texts)
            vectors = member.embed(inputs, told_of_part(told, done, count * members))
            with one_thread():
                said.append(head.log_probabilities(vectors, places))
        linear = (
            None if state.linear is None else floored_log(state.linear.code(texts).probabilities)
        )
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
            refuse_uninstalled()
        try:
            state, version = _read(folder, opened or open_folder)
        except Exception as error:
            raise PermanentFailure(
                f"{folder} holds no coder that can be used: {in_one_line(error)}.", REFIT
            ) from error
        coder = cls(state)
        if coder.version != version:
            raise PermanentFailure(
                f"{folder} holds no coder that can be used: its parts do not belong together.",
                REFIT,
            )
        return coder


def _version(state: Fitted) -> str:
    digest = hashlib.sha256()
    told = {**_told(state), "members": [member.digest for member in state.members],
            "linear": None if state.linear is None else state.linear.version}  # fmt: skip
    digest.update(json.dumps(told, sort_keys=True).encode())
    for head in state.heads:
        for name, part in sorted(arrays_of(head).items()):
            digest.update(name.encode() + np.ascontiguousarray(part).tobytes())
    return f"{FORMAT}-{digest.hexdigest()[:12]}"


def _told(state: Fitted) -> dict[str, Any]:
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


def told_of_part(told: Told | None, before: int, count: int) -> Told | None:
    """Steps of a part as steps of all, of which some are done."""
    if told is None:
        return None
    return lambda done, _: told(before + done, count)


# ---------------------------------------------------------------- a coder's folder


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


def _write(state: Fitted, version: str, folder: Path) -> None:
    for number, member in enumerate(state.members):
        place = folder / f"member-{number}"
        place.mkdir()
        member.save(place)
    heads = [arrays_of(head) for head in state.heads]
    (folder / _HEADS).write_bytes(packed(heads))
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


def _read(folder: Path, opened: Callable[[Path, Tuning], Encoder]) -> tuple[Fitted, str]:
    """The coder of a folder and the version that it says it has.

    Raises:
        ValueError, KeyError, TypeError, OSError: with what is wrong.
    """
    contents = json.loads((folder / _CONTENTS).read_text(encoding="utf-8"))
    if contents["format"] != FORMAT:
        raise ValueError(f"its format is {contents['format']!r}, not {FORMAT}")
    _check_files(folder, contents["files"])
    tuning, mixing = Tuning(**contents["tuning"]), Mixing(**contents["mixing"])
    labels, names = tuple(contents["labels"]), tuple(contents["repositories"])
    heads = tuple(Head(**arrays) for arrays in unpacked((folder / _HEADS).read_bytes()))
    if len(heads) != contents["members"] or not heads:
        raise ValueError("its heads are not as many as its members")
    if not all(head.is_whole(len(labels), len(names)) for head in heads):
        raise ValueError("its heads are not whole")
    linear = LinearCoder.load(folder / _LINEAR) if contents["with_linear"] else None
    if linear is not None and linear.labels != labels:
        raise ValueError("its linear coder has other labels")
    members = tuple(opened(folder / f"member-{number}", tuning) for number in range(len(heads)))
    state = Fitted(
        labels, names, bool(contents["by_repository"]), contents["seed"], contents["texts"],
        tuning, mixing, members, heads, linear,
    )  # fmt: skip
    return state, contents["version"]


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
