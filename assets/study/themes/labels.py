"""What people say of the opening posts of a verification sample, and keeping it.

Belongs here: the label, the file of each coder, progress, disagreements, consensus, tables and
exports of labels. Does not belong here: which posts are in a sample and how well coders agree
(`verification`, `agreement`), what themes mean (`codebook`), and the page (`labelling`).

A coder's labels lie in `<sample>/labels/<coder>.jsonl`, one JSON object a line, each flushed to
disk before it counts as kept. Lines are only ever added: the last one about a message holds, those
before it are its history. A process that dies while it writes leaves at most an unfinished last
line, which was never told as kept; the next label puts it aside into `<coder>.torn` and goes on.
Files of several machines are brought together by copying them into one folder.
"""

import csv
import io
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.study.themes.codebook import THEMES
from orchestration.failures import PermanentFailure, SettingsError, TransientFailure
from orchestration.lake import told_when_full, writing
from orchestration.spreadsheets import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

CONSENSUS = "consensus"
# Names under which machines and the resolution of disagreements stand in the same tables.
RESERVED = frozenset({CONSENSUS, "encoder", "linear", "llm", "machine", "weak"})
MOST_NOTE_CHARACTERS = 2000
MOST_KEY_CHARACTERS = 500
# A post left open over lunch says nothing about how long it took.
MOST_SECONDS = 86_400.0
LOCK_SECONDS = 30.0
COLUMNS = (
    "sample", "message_key", "coder", "primary", "secondary", "is_unclear", "note", "labelled_at",
    "seconds", "codebook_version",
)  # fmt: skip
# Lower case only: two names must not be one file where a file system ignores case.
_CODER = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_SAMPLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# Programs that open CSV take such a cell for a formula.
_TEXTS = ("sample", "message_key", "coder", "codebook_version")
_DURATION = "its duration is no number of seconds within a day"
# Persian, Indic scripts and emoji need them; they reverse and hide nothing.
_JOINERS = frozenset("\u200c\u200d")


@dataclass(frozen=True, slots=True)
class Label:
    """What one coder says of one message.

    Attributes:
        primary: the theme; None where the coder could not tell, which is unclear then.
        secondary: other themes that hold too, in the order of `THEMES`.
        is_unclear: the coder is unsure, with or without a theme.
        labelled_at: with its time zone, UTC.
        seconds: how long the post was looked at; None where that was not measured.
        note: the coder's own words, one line.
    """

    sample: str
    message_key: str
    coder: str
    primary: str | None
    secondary: tuple[str, ...]
    is_unclear: bool
    labelled_at: datetime
    codebook_version: str
    seconds: float | None = None
    note: str = ""

    def says_as(self, other: "Label") -> bool:
        """Whether both say the same about the same message in the same words."""
        return _content(self) == _content(other)


@dataclass(frozen=True)
class Kept:
    """What a coder's file holds.

    Attributes:
        labels: the label that holds of each message, by its key, in order of first labelling.
        line_count: labels with those that were changed later.
        torn_bytes: length of an unfinished last line; 0: there is none.
    """

    labels: Mapping[str, Label]
    line_count: int
    torn_bytes: int


@dataclass(frozen=True)
class Progress:
    """How far a coder is.

    Attributes:
        labelled_count: posts of the sample with a label.
        post_count: posts of the sample.
        unclear_count: of the labelled.
        changed_count: lines that a later line about the same message replaced.
        stray_count: labels of messages that are not in the sample.
        seconds: median over labels; None where none was measured.
        codebook_versions: by which labels were given, sorted.
    """

    coder: str
    labelled_count: int
    post_count: int
    unclear_count: int
    changed_count: int
    stray_count: int
    torn_bytes: int
    seconds: float | None
    codebook_versions: tuple[str, ...]
    first_at: datetime | None
    last_at: datetime | None


def _content(label: Label) -> tuple[object, ...]:
    return (
        label.sample, label.message_key, label.coder, label.primary, label.secondary,
        label.is_unclear, label.note, label.codebook_version,
    )  # fmt: skip


# ---------------------------------------------------------------- names


def samples_folder(data_dir: Path) -> Path:
    """Where an installation's verification samples lie."""
    return data_dir / "themes" / "samples"


def checked_coder(name: str, *, is_resolution: bool = False) -> str:
    """A coder's name, which is part of a file's name.

    Args:
        is_resolution: whether the reserved name of resolved disagreements is allowed.

    Raises:
        SettingsError: it has other characters, is too long, or is reserved.
    """
    if not _CODER.fullmatch(name):
        raise SettingsError(
            f"{_told(name)} is no name of a coder.",
            "Use up to 40 lower case letters, digits, - and _, beginning with a letter.",
        )
    if name in RESERVED and not (is_resolution and name == CONSENSUS):
        raise SettingsError(f"The name {name} is reserved.", "Choose another --coder.")
    return name


def checked_sample(folder: Path, sample: str) -> Path:
    """The folder of a sample.

    Args:
        folder: of all samples.

    Raises:
        SettingsError: the name is none.
        PermanentFailure: there is no such sample.
    """
    if not _SAMPLE.fullmatch(sample) or ".." in sample:
        raise SettingsError(
            f"{_told(sample)} is no name of a sample.",
            "Use letters, digits, -, _ and dots, beginning with a letter or digit.",
        )
    found = folder / sample
    if not found.is_dir():
        names = (
            sorted(one.name for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []
        )
        raise PermanentFailure(
            f"There is no sample {sample} in {folder}.",
            f"Give one of {', '.join(names)}."
            if names
            else "Draw one with osmoscope themes sample.",
        )
    return found


def _told(name: str) -> str:
    """A name that may be anything, for an error's one line."""
    return repr(name if len(name) <= 60 else name[:60] + "\N{HORIZONTAL ELLIPSIS}")


def cleaned_note(text: str) -> str:
    """A note as it is kept: one line without invisible or reversing characters, bounded."""
    visible = text[: 4 * MOST_NOTE_CHARACTERS]
    if not visible.isprintable():
        visible = "".join(
            c if c in _JOINERS or unicodedata.category(c)[0] != "C" else " " for c in visible
        )
    return " ".join(visible.split())[:MOST_NOTE_CHARACTERS].rstrip()


def wrong_label(label: Label) -> str | None:
    """What is wrong with a label, within a sentence; None: nothing."""
    unknown = [one for one in (label.primary, *label.secondary) if one not in (*THEMES, None)]
    if unknown:
        return f"the theme {_told(str(unknown[0]))} is unknown"
    if label.primary is None and not label.is_unclear:
        return "it has no primary theme and is not marked as unclear"
    if label.primary is None and label.secondary:
        return "it has secondary themes without a primary one"
    if label.primary in label.secondary:
        return "the primary theme is also given as a secondary one"
    if label.secondary != ordered(label.secondary):
        return "a secondary theme is given twice, or not in the order of themes"
    if not is_key(label.message_key) or not is_key(label.codebook_version):
        return "the key of the message or the codebook's version is empty, too long or not readable"
    if label.labelled_at.tzinfo is None:
        return "its time has no time zone"
    if label.seconds is not None and not 0 <= label.seconds <= MOST_SECONDS:
        return _DURATION
    if label.note != cleaned_note(label.note):
        return "its note is longer than allowed or has invisible characters"
    return None


def is_key(text: str) -> bool:
    """Whether a text can be the key of a message: it has no invisible characters."""
    return 0 < len(text) <= MOST_KEY_CHARACTERS and text.isprintable()


def ordered(themes: Iterable[str]) -> tuple[str, ...]:
    """Themes, each once, in the one order that they have everywhere."""
    given = set(themes)
    return tuple(theme for theme in THEMES if theme in given)


# ---------------------------------------------------------------- files


def path_of(folder: Path, sample: str, coder: str) -> Path:
    """The file of a coder's labels; it need not exist.

    Raises:
        SettingsError, PermanentFailure: see `checked_sample` and `checked_coder`.
    """
    name = checked_coder(coder, is_resolution=True)
    return checked_sample(folder, sample) / "labels" / f"{name}.jsonl"


def append_label(folder: Path, label: Label) -> int:
    """Keep a label; when this returns it is on disk, also if the machine goes off.

    Several processes may write to one file: each waits for the others. An unfinished last line is
    put aside before.

    Args:
        folder: of all samples.

    Returns:
        How many bytes of an unfinished line were put aside.

    Raises:
        PermanentFailure: the label says what cannot be, or it cannot be written; the file is then
            as it was.
        TransientFailure: another process holds the file for too long.
    """
    return append_labels(folder, [label])


def append_labels(folder: Path, labels: Sequence[Label]) -> int:
    """Keep several labels of one coder in one sample, all or none; see `append_label`."""
    problems = [problem for problem in map(wrong_label, labels) if problem]
    if problems:
        raise PermanentFailure(f"The label cannot be kept: {problems[0]}.", "Label the post again.")
    ((sample, coder),) = {(label.sample, label.coder) for label in labels}
    path = path_of(folder, sample, coder)
    lines = "".join(json.dumps(_record(one), ensure_ascii=False) + "\n" for one in labels).encode()
    try:
        with told_when_full(path.parent):
            path.parent.mkdir(exist_ok=True)
            with _held(path):
                return _append(path, lines)
    except OSError as error:
        raise PermanentFailure(
            f"{path} cannot be written: {error.strerror or error}.",
            "Make the folder writable; nothing was changed.",
        ) from error


@contextmanager
def _held(path: Path) -> "Iterator[None]":
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_SECONDS)
    try:
        with lock:
            yield
    except Timeout as error:
        raise TransientFailure(
            f"Another process has been writing to {path} for {LOCK_SECONDS:.0f} s.",
            "Send the label again; end the other process where it hangs.",
        ) from error


def _append(path: Path, line: bytes) -> int:
    is_new = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        torn, is_whole = _tail(path, os.fstat(handle).st_size)
        if torn and not is_whole:
            _put_aside(path, torn)
            os.ftruncate(handle, os.fstat(handle).st_size - len(torn))
        size = os.fstat(handle).st_size
        try:
            _write_all(handle, b"\n" + line if is_whole else line)
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)
    if is_new:
        _flush_folder(path.parent)
    return 0 if is_whole else len(torn)


def _tail(path: Path, size: int) -> tuple[bytes, bool]:
    """What stands after the last line's end, and whether it is a label that lacks only that."""
    if not size:
        return b"", False
    with path.open("rb") as stream:
        stream.seek(size - 1)
        if stream.read(1) == b"\n":
            return b"", False
        stream.seek(0)
        tail = stream.read().rpartition(b"\n")[2]
    return tail, _parsed(tail) is not None


def _put_aside(path: Path, torn: bytes) -> None:
    """Keep the bytes of an unfinished line where nothing reads them as a label."""
    handle = os.open(
        path.with_suffix(".torn"), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666
    )
    try:
        _write_all(handle, torn + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    _flush_folder(path.parent)


def _write_all(handle: int, content: bytes) -> None:
    while content:
        content = content[os.write(handle, content) :]


def _flush_folder(folder: Path) -> None:
    """A new file is found again after a crash only if its folder was flushed too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _record(label: Label) -> dict[str, Any]:
    return {
        "sample": label.sample, "message_key": label.message_key, "coder": label.coder,
        "primary": label.primary, "secondary": list(label.secondary),
        "is_unclear": label.is_unclear, "note": label.note,
        "labelled_at": label.labelled_at.astimezone(UTC).isoformat(),
        "seconds": label.seconds, "codebook_version": label.codebook_version,
    }  # fmt: skip


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The object of a line; None where it is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _label(record: Mapping[str, Any]) -> Label:
    """The label of a record.

    Raises:
        ValueError: it lacks something, or says what cannot be.
    """
    try:
        texts = tuple(record[name] for name in _TEXTS)
        primary, secondary, seconds = record["primary"], record["secondary"], record["seconds"]
        note, is_unclear = record.get("note", ""), record["is_unclear"]
        labelled_at = datetime.fromisoformat(record["labelled_at"])
    except KeyError as error:
        raise ValueError(f"it has no {error.args[0]}") from error
    except TypeError as error:
        raise ValueError("its labelled_at is no text") from error
    if not isinstance(secondary, list) or not all(
        isinstance(one, str)
        for one in (*texts, *secondary, note, "" if primary is None else primary)
    ):
        raise ValueError("a text, or the list secondary, is of another type")
    if not isinstance(is_unclear, bool) or isinstance(seconds, (bool, str, list, dict)):
        raise ValueError("is_unclear or seconds is of another type")
    if seconds is not None and not 0 <= seconds <= MOST_SECONDS:
        raise ValueError(_DURATION)
    sample, message_key, coder, codebook_version = texts
    label = Label(
        sample, message_key, coder, primary, tuple(secondary), is_unclear, labelled_at,
        codebook_version, None if seconds is None else float(seconds), note,
    )  # fmt: skip
    problem = wrong_label(label)
    if problem:
        raise ValueError(problem)
    return label


def read_coder(folder: Path, sample: str, coder: str) -> Kept:
    """All that a coder's file holds; nothing where there is no file.

    An unfinished last line is no label, and counted.

    Raises:
        PermanentFailure: a whole line is no label of this coder and sample; names the line.
    """
    path = path_of(folder, sample, coder)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Kept({}, 0, 0)
    except OSError as error:
        raise PermanentFailure(
            f"{path} cannot be read: {error.strerror or error}.", "Make it readable."
        ) from error
    *lines, tail = content.split(b"\n")
    # A line that lacks only its end is whole: no part of an object is an object.
    torn_bytes = len(tail) if tail and _parsed(tail) is None else 0
    if tail and not torn_bytes:
        lines.append(tail)
    labels: dict[str, Label] = {}
    for number, line in enumerate(lines, 1):
        label = _checked(path, number, line, sample, coder)
        labels[label.message_key] = label
    return Kept(labels, len(lines), torn_bytes)


def _checked(path: Path, number: int, line: bytes, sample: str, coder: str) -> Label:
    record = _parsed(line)
    problem = "it is no JSON object"
    if record is not None:
        try:
            label = _label(record)
        except ValueError as error:
            problem = str(error)
        else:
            if (label.sample, label.coder) == (sample, coder):
                return label
            problem = f"it is of the sample {_told(label.sample)} and coder {_told(label.coder)}"
    raise PermanentFailure(
        f"{path}, line {number}: {problem}.",
        "Correct the line, or move it to another file: no label is passed over silently.",
    )


def coders_of(folder: Path, sample: str) -> list[str]:
    """Who has labelled anything of a sample, sorted; resolved disagreements are one of them.

    Raises:
        PermanentFailure: there is no such sample, or a file among the labels is no coder's.
    """
    place = checked_sample(folder, sample) / "labels"
    found = []
    for path in sorted(place.glob("*.jsonl")) if place.is_dir() else []:
        try:
            found.append(checked_coder(path.stem, is_resolution=True))
        except SettingsError as error:
            raise PermanentFailure(
                f"{path} is no file of a coder: {error.message}", "Rename it or move it away."
            ) from error
    return found


def labels_of(folder: Path, sample: str) -> list[Label]:
    """The labels that hold, of all coders with `consensus`, by coder and message.

    Args:
        folder: of all samples, see `samples_folder`.

    Raises:
        SettingsError, PermanentFailure: see `checked_sample`, `coders_of`, `read_coder`.
    """
    return [
        label
        for coder in coders_of(folder, sample)
        for _, label in sorted(read_coder(folder, sample, coder).labels.items())
    ]


# ---------------------------------------------------------------- comparing


def by_message(labels: Iterable[Label]) -> dict[str, dict[str, Label]]:
    """Labels by message and coder."""
    found: dict[str, dict[str, Label]] = {}
    for label in labels:
        found.setdefault(label.message_key, {})[label.coder] = label
    return found


def is_disagreement(labels: Sequence[Label]) -> bool:
    """Whether coders have to talk: the primary themes differ, or somebody gave none.

    Other differences (secondary themes, being unsure of the same theme) need no resolution.
    """
    return len({label.primary for label in labels}) > 1 or any(
        label.primary is None for label in labels
    )


def consensus_of(labels: Iterable[Label]) -> list[Label]:
    """The one label of each message that is decided, by message; see `verification.decisions_of`.

    It is what was resolved; else what the coders agree on, unclear where all of them were unsure.
    """
    from assets.study.themes.verification import decisions_of

    said = by_message(labels)
    settled = []
    for key, decision in decisions_of(
        one for given in said.values() for one in given.values()
    ).items():
        people = [label for coder, label in said[key].items() if coder != CONSENSUS]
        if CONSENSUS in said[key]:
            settled.append(said[key][CONSENSUS])
        elif decision.primary is not None:
            newest = max(people, key=lambda label: label.labelled_at)
            settled.append(replace(
                newest, coder=CONSENSUS, secondary=ordered(decision.applies - {decision.primary}),
                is_unclear=all(label.is_unclear for label in people), seconds=None, note="",
            ))  # fmt: skip
    return settled


def progress_of(kept: Kept, coder: str, message_keys: Iterable[str]) -> Progress:
    """How far a coder is with the messages of a sample, each once."""
    keys = set(message_keys)
    labels = [label for key, label in kept.labels.items() if key in keys]
    times = sorted(label.labelled_at for label in labels)
    return Progress(
        coder=coder,
        labelled_count=len(labels),
        post_count=len(keys),
        unclear_count=sum(label.is_unclear for label in labels),
        changed_count=kept.line_count - len(kept.labels),
        stray_count=len(kept.labels) - len(labels),
        torn_bytes=kept.torn_bytes,
        seconds=median_seconds(labels),
        codebook_versions=tuple(sorted({label.codebook_version for label in labels})),
        first_at=times[0] if times else None,
        last_at=times[-1] if times else None,
    )


def median_seconds(labels: Iterable[Label]) -> float | None:
    """Median duration of those that were measured."""
    from statistics import median

    measured = [label.seconds for label in labels if label.seconds is not None]
    return median(measured) if measured else None


# ---------------------------------------------------------------- tables


def labels_table(labels: Iterable[Label]) -> "pa.Table":
    """Labels as `COLUMNS`, one row each: secondary a list of texts, labelled_at in UTC."""
    import pyarrow as pa

    schema = pa.schema([
        ("sample", pa.string()), ("message_key", pa.string()), ("coder", pa.string()),
        ("primary", pa.string()), ("secondary", pa.list_(pa.string())), ("is_unclear", pa.bool_()),
        ("note", pa.string()), ("labelled_at", pa.timestamp("us", "UTC")),
        ("seconds", pa.float64()), ("codebook_version", pa.string()),
    ])  # fmt: skip
    rows = [{name: getattr(label, name) for name in COLUMNS} for label in labels]
    return pa.Table.from_pylist(rows, schema=schema)


def csv_of(labels: Iterable[Label]) -> bytes:
    """Labels as CSV in UTF-8; secondary themes are divided by `; `.

    A cell that a spreadsheet would take for a formula gets a leading apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for label in labels:
        record = _record(label) | {
            "secondary": "; ".join(label.secondary),
            "is_unclear": str(label.is_unclear).lower(),
        }
        writer.writerow([_cell(record[name]) for name in COLUMNS])
    return text.getvalue().encode()


def _cell(value: object) -> object:
    """A cell that spreadsheets show as the text that it is; numbers stay numbers."""
    if not isinstance(value, str):
        return "" if value is None else value
    return harmless(value)


def parquet_of(labels: Iterable[Label]) -> bytes:
    """Labels as a Parquet file of `labels_table`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(labels_table(labels), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def export_labels(labels: Iterable[Label], path: Path) -> None:
    """Write labels to a `.csv` or `.parquet` file, which appears whole or not at all.

    Raises:
        SettingsError: another suffix.
        PermanentFailure: the file cannot be written.
    """
    makers = {".csv": csv_of, ".parquet": parquet_of}
    maker = makers.get(path.suffix.lower())
    if maker is None:
        raise SettingsError(
            f"{path} is neither CSV nor Parquet by its name.", "Let --out end in .csv or .parquet."
        )
    if not path.parent.is_dir():
        raise PermanentFailure(f"There is no folder {path.parent}.", "Make it first.")
    with writing(path, "Choose another --out.") as temporary:
        temporary.write_bytes(maker(labels))
