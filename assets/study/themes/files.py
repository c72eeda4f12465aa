"""Tables of texts that a user hands in: read as they are, and written with what a coder says.

Belongs here: reading CSV and Parquet batch by batch as text, refusing what cannot be meant,
labelled texts, and writing each row again beside its label and probabilities, at once or not at
all. Does not belong here: coders, and options of the command (`orchestration.themes_classify_cli`).

A table has the columns `title` and `body`, may have `repo` (or `repository`), and to learn from has
`label`. Nothing is guessed of a value: `NA`, `null` and `1e5` are titles like any other. Columns of
the input stay what and where they are; one whose name the result needs gets `_given` behind it, so
that labels known before are neither lost nor taken for the coder's.
"""

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import numpy as np
from numpy.typing import NDArray

from assets.study.themes.coding import Coding, Text
from orchestration.failures import PermanentFailure
from orchestration.lake import writing

if TYPE_CHECKING:
    import pyarrow as pa

TITLE, BODY, LABEL = "title", "body", "label"
REPOSITORIES = ("repo", "repository")
# Before the name of a label: the column with its probability.
PROBABILITY = "probability_"
GIVEN = "_given"
BATCH_ROWS = 2_000
# A batch ends earlier where its texts are long.
BATCH_CHARACTERS = 64_000_000
# One field of a CSV file; far above any post, and a bound for a file that lacks a quote.
MOST_FIELD = 256_000_000
MOST_LABELS, MOST_LABEL = 200, 200
_CSV, _PARQUET = (".csv", ".csv.gz"), (".parquet",)
_COLUMNS = "Give a header with the columns title and body, and where known repo and label."


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        columns: names as they stand in the file, in its order.
        title, body, repository, label: which of them mean what; None where there is none.
    """

    path: Path
    columns: tuple[str, ...]
    title: str
    body: str
    repository: str | None
    label: str | None

    def batches(self) -> "Iterator[pa.RecordBatch]":
        """Rows in the file's order, none left out; CSV as text, Parquet with its types.

        Raises:
            PermanentFailure: the file cannot be read, with the line where that is known.
        """
        return _parquet_batches(self) if _is(self.path, _PARQUET) else _csv_batches(self)

    def texts(self, batch: "pa.RecordBatch", first: int, is_plain: bool = False) -> list[Text]:
        """The texts of a batch whose first row has this number; `is_plain` without repository."""
        titles, bodies = _strings(batch, self.title), _strings(batch, self.body)
        repositories: Sequence[str] = [""] * batch.num_rows
        if self.repository is not None and not is_plain:
            repositories = _strings(batch, self.repository)
        return [
            Text(str(first + at), title, body, repository.strip() or None)
            for at, (title, body, repository) in enumerate(
                zip(titles, bodies, repositories, strict=True)
            )
        ]

    def labels(self, batch: "pa.RecordBatch") -> list[str]:
        """Labels without spaces around them, empty where a row has none."""
        if self.label is None:
            return [""] * batch.num_rows
        return [label.strip() for label in _strings(batch, self.label)]


@dataclass(frozen=True)
class Labelled:
    """Texts with labels.

    Attributes:
        targets: index of each text's label, (n,).
        labels: sorted by name, or in the given order.
        unlabelled: rows without a label, which are not among the texts.
    """

    texts: list[Text]
    targets: NDArray[np.int64]
    labels: tuple[str, ...]
    unlabelled: int

    @property
    def has_repositories(self) -> bool:
        """Whether any text says where it was posted."""
        return any(text.repository is not None for text in self.texts)


def open_table(path: Path, is_labelled: bool = False) -> Table:
    """Look at a table's header.

    Args:
        path: `.csv`, `.csv.gz` or `.parquet`.
        is_labelled: a column `label` is required.

    Raises:
        PermanentFailure: no such file, another format, or a column is missing or there twice.
    """
    if not path.is_file():
        raise PermanentFailure(f"There is no file {path}.", "Check its path.")
    if not _is(path, (*_CSV, *_PARQUET)):
        raise PermanentFailure(
            f"{path} is neither CSV nor Parquet by its name.",
            "Give a file that ends in .csv, .csv.gz or .parquet.",
        )
    names = _parquet_header(path) if _is(path, _PARQUET) else _csv_header(path)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PermanentFailure(f"{path} has two columns {twice[0]!r}.", "Name each column once.")
    meant = {kind: _meant(path, names, kinds) for kind, kinds in (
        (TITLE, (TITLE,)), (BODY, (BODY,)), (LABEL, (LABEL,)), (REPOSITORIES[0], REPOSITORIES)
    )}  # fmt: skip
    wanted = [TITLE, BODY, *([LABEL] if is_labelled else [])]
    missing = [name for name in wanted if meant[name] is None]
    if missing:
        found = ", ".join(name[:80] for name in names[:12]) or "none"
        raise PermanentFailure(
            f"{path} has no column {' and no column '.join(missing)} (its columns: {found}).",
            _COLUMNS,
        )
    return Table(path, tuple(names), cast("str", meant[TITLE]), cast("str", meant[BODY]),
                 meant[REPOSITORIES[0]], meant[LABEL])  # fmt: skip


def read_labelled(path: Path, order: Sequence[str] = ()) -> Labelled:
    """Read texts with labels; rows without a label are counted and left aside.

    Args:
        path: a table with the columns title, body and label.
        order: labels in this order where they all are among these; otherwise by name.

    Raises:
        PermanentFailure: see `open_table`; also too many labels, or one that is a text.
    """
    table = open_table(path, is_labelled=True)
    texts: list[Text] = []
    given: list[str] = []
    unlabelled = row = 0
    for batch in table.batches():
        for text, label in zip(table.texts(batch, row), table.labels(batch), strict=True):
            if label:
                texts.append(text)
                given.append(label)
            else:
                unlabelled += 1
        row += batch.num_rows
    names = sorted(set(given))
    longest = max(names, key=len, default="")
    if len(names) > MOST_LABELS or len(longest) > MOST_LABEL:
        raise PermanentFailure(
            f"The column label of {path} holds {len(names):,} different values, the longest"
            f" of {len(longest):,} characters.",
            f"Labels are at most {MOST_LABELS} names of at most {MOST_LABEL} characters.",
        )
    if set(names) <= set(order):
        names = [name for name in order if name in set(names)]
    place = {name: at for at, name in enumerate(names)}
    targets = np.array([place[label] for label in given], dtype=np.int64)
    return Labelled(texts, targets, tuple(names), unlabelled)


def _is(path: Path, suffixes: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(suffixes)


def _meant(path: Path, names: Sequence[str], kinds: Sequence[str]) -> str | None:
    """The column that has one of these names, whatever its case and the spaces around it."""
    exact = [name for name in names if name in kinds]
    found = exact or [name for name in names if name.strip().lower() in kinds]
    if len(found) > 1:
        raise PermanentFailure(
            f"{path} has more than one column for {kinds[0]}: {', '.join(found)}.",
            "Keep one of them.",
        )
    return found[0] if found else None


def _strings(batch: "pa.RecordBatch", name: str) -> list[str]:
    """A column as texts; what is missing is empty."""
    return [_text(value) for value in batch.column(batch.schema.get_field_index(name)).to_pylist()]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else str(value)


# ---------------------------------------------------------------- CSV


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """A CSV file as text; errors in it are told as failures."""
    try:
        if path.name.lower().endswith(".gz"):
            with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as packed:
                yield cast("TextIO", packed)
        else:
            with path.open(encoding="utf-8-sig", newline="") as stream:
                yield stream
    except UnicodeDecodeError as error:
        raise PermanentFailure(f"{path} is not valid UTF-8.", "Convert it to UTF-8.") from error
    except (OSError, EOFError) as error:
        raise PermanentFailure(f"{path} cannot be read: {error}.", "Check the file.") from error


def _rows(path: Path, stream: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Rows of a CSV file with the number of the line that each ends in; no blank lines."""
    before = csv.field_size_limit(MOST_FIELD)
    try:
        reader = csv.reader(stream, strict=True)
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise PermanentFailure(
                    f"{path} cannot be read near line {reader.line_num:,}: {error}.",
                    "Quote fields that hold commas, quotes or line breaks, and close each quote.",
                ) from error
            # The limit is the process's: nobody else gets to see another.
            csv.field_size_limit(before)
            if row:
                yield reader.line_num, row
            csv.field_size_limit(MOST_FIELD)
    finally:
        csv.field_size_limit(before)


def _csv_header(path: Path) -> list[str]:
    with _opened(path) as stream:
        for _, row in _rows(path, stream):
            return row
    raise PermanentFailure(f"{path} is empty.", _COLUMNS)


def _csv_batches(table: Table) -> "Iterator[pa.RecordBatch]":
    width = len(table.columns)
    held: list[list[str]] = []
    characters = 0
    with _opened(table.path) as stream:
        rows = _rows(table.path, stream)
        next(rows)
        for line, row in rows:
            if len(row) != width:
                raise PermanentFailure(
                    f"The row that ends in line {line:,} of {table.path} has {len(row)} fields,"
                    f" the header {width}.",
                    "Quote fields that hold commas or line breaks.",
                )
            held.append(row)
            characters += sum(map(len, row))
            if len(held) == BATCH_ROWS or characters > BATCH_CHARACTERS:
                yield _batch_of(table.columns, held)
                held = []
                characters = 0
    if held:
        yield _batch_of(table.columns, held)


def _batch_of(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> "pa.RecordBatch":
    import pyarrow as pa

    arrays = [pa.array(values, pa.large_string()) for values in zip(*rows, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


# ---------------------------------------------------------------- Parquet


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError, ValueError) as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise PermanentFailure(
            f"{path} cannot be read: {line[:200].rstrip('.')}.", "Give a whole Parquet file."
        ) from error


def _parquet_header(path: Path) -> list[str]:
    with _parquet(path) as file:
        return list(file.schema_arrow.names)


def _parquet_batches(table: Table) -> "Iterator[pa.RecordBatch]":
    with _parquet(table.path) as file:
        yield from file.iter_batches(batch_size=BATCH_ROWS)


# ---------------------------------------------------------------- writing


@dataclass(frozen=True)
class Answer:
    """What is written beside a batch of rows.

    Attributes:
        labels: one a row; empty where nothing was said.
        probabilities: (n, k), NaN where nothing was said.
    """

    labels: list[str]
    probabilities: NDArray[np.float64]


def answer_of(coding: Coding, keys: Sequence[str], abstain: float, instead: str) -> Answer:
    """A coding as columns, a row for each key.

    Args:
        coding: of these keys or of some of them.
        keys: of the rows.
        abstain: below this probability of the most probable label, `instead` stands for it.
        instead: the label of what is unsure.
    """
    place = {key: at for at, key in enumerate(coding.keys)}
    at = np.array([place.get(key, -1) for key in keys], dtype=np.int64)
    if not len(coding.keys):
        return Answer([""] * len(keys), np.full((len(keys), len(coding.labels)), np.nan))
    probabilities = np.where((at >= 0)[:, None], coding.probabilities[at], np.nan)
    names = np.array([*coding.labels, instead], dtype=object)
    label = np.where(coding.confidence < abstain, len(coding.labels), coding.primary)
    found = [str(names[label[one]]) if one >= 0 else "" for one in at.tolist()]
    return Answer(found, probabilities)


def renamed(columns: Sequence[str], taken: Sequence[str]) -> dict[str, str]:
    """New names of columns whose names the result needs: `label` becomes `label_given`."""
    used = {*columns, *taken}
    found = {}
    for name in columns:
        if name in taken:
            other, number = f"{name}{GIVEN}", 2
            while other in used:
                other, number = f"{name}{GIVEN}_{number}", number + 1
            used.add(other)
            found[name] = other
    return found


def check_target(path: Path) -> None:
    """Refuse a result that could not be written, before any work.

    Raises:
        PermanentFailure: another suffix than .csv, .csv.gz or .parquet, or no such folder.
    """
    if not _is(path, (*_CSV, *_PARQUET)):
        raise PermanentFailure(
            f"{path} is neither CSV nor Parquet by its name.",
            "Let --out end in .csv, .csv.gz or .parquet.",
        )
    if not path.parent.is_dir():
        raise PermanentFailure(f"There is no folder {path.parent}.", "Make it first.")
    if path.is_dir():
        raise PermanentFailure(f"{path} is a folder.", "Give --out a file.")


def write_answers(
    path: Path,
    table: Table,
    labels: Sequence[str],
    answers: "Iterable[tuple[pa.RecordBatch, Answer]]",
) -> dict[str, str]:
    """Write all rows with `label` and `probability_<label>` behind their own columns.

    The file appears under its name when it is complete. Returns the columns of the input that have
    other names in it, old to new.

    Raises:
        PermanentFailure: the folder cannot be written.
    """
    check_target(path)
    added = [LABEL, *(f"{PROBABILITY}{label}" for label in labels)]
    changed = renamed(table.columns, added)
    columns = [*(changed.get(name, name) for name in table.columns), *added]
    opened = _parquet_writer if _is(path, _PARQUET) else _csv_writer
    with (
        writing(path, "Choose another --out.") as temporary,
        opened(temporary, path, columns) as write,
    ):
        for batch, answer in answers:
            write(batch, answer)
    return changed


Write = Callable[["pa.RecordBatch", Answer], None]


@contextmanager
def _csv_writer(temporary: Path, path: Path, columns: Sequence[str]) -> Iterator[Write]:
    with temporary.open("wb") as raw:
        # Without its own time and name the same rows are the same bytes.
        packed = (
            gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0)
            if _is(path, (".gz",)) else None
        )  # fmt: skip
        with io.TextIOWrapper(
            cast("Any", packed or raw), encoding="utf-8", errors="surrogatepass", newline=""
        ) as stream:
            # Line ends of two characters: a field with either of them is then quoted.
            writer = csv.writer(stream, lineterminator="\r\n")
            writer.writerow(columns)

            def write(batch: "pa.RecordBatch", answer: Answer) -> None:
                own = [[_text(value) for value in column.to_pylist()] for column in batch.columns]
                said = [[_number(value) for value in row] for row in answer.probabilities.tolist()]
                for at, label in enumerate(answer.labels):
                    writer.writerow([*(column[at] for column in own), label, *said[at]])

            yield write


def _number(value: float) -> str:
    return "" if value != value else f"{value:.9f}"


@contextmanager
def _parquet_writer(temporary: Path, path: Path, columns: Sequence[str]) -> Iterator[Write]:  # noqa: ARG001
    import pyarrow as pa
    import pyarrow.parquet as pq

    writers: list[Any] = []

    def write(batch: "pa.RecordBatch", answer: Answer) -> None:
        said = [
            pa.array(answer.labels, pa.string()),
            *(pa.array(column, pa.float64(), from_pandas=True)
              for column in answer.probabilities.T),
        ]  # fmt: skip
        whole = pa.RecordBatch.from_arrays([*batch.columns, *said], names=list(columns))
        if not writers:
            writers.append(pq.ParquetWriter(temporary, whole.schema))
        writers[0].write_batch(whole)

    try:
        yield write
        if not writers:
            nothing = pa.table({name: pa.array([], pa.string()) for name in columns})
            pq.write_table(nothing, temporary)
    finally:
        for writer in writers:
            writer.close()
