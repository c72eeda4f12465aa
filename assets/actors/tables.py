"""Files of accounts: read whatever a user hands in, written so that nobody is surprised.

Belongs here: reading CSV and Parquet with a login column and feature columns, refusing what cannot
be meant, and writing the result at once or not at all. Does not belong here: what is decided
(classify), and options of the command (orchestration.actors_cli).
"""

import csv
import gzip
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from assets.actors.features import CANONICAL
from orchestration.failures import PermanentFailure
from orchestration.lake import writing
from orchestration.spreadsheets import harmless

LOGIN_COLUMNS = ("login", "contributor", "account")
LABEL = "bot"
# What is read besides login and features; a column `type` is not: it may be somebody's rating.
TEXT_COLUMNS = ("platform", "platform_type")
OUTPUT = ("login", "class", "is_bot", "score", "reasons")
LONGEST_HEADER = 1_000_000
_CSV, _PARQUET = (".csv", ".csv.gz"), (".parquet",)
_HARMLESS = re.compile(r"[\w.\[\]-]*", re.ASCII)
_LOGIN_REMEDY = f"Name the column of logins {', '.join(LOGIN_COLUMNS[:-1])} or {LOGIN_COLUMNS[-1]}."


@dataclass(frozen=True)
class Accounts:
    """Accounts of a file.

    Attributes:
        table: `login`, `platform` and `platform_type` where given, canonical features (double).
        labels: 1 automated, 0 not; None where they were not asked for.
        features: the canonical features that the file has, in its order.
    """

    table: pa.Table
    labels: NDArray[np.int64] | None
    features: tuple[str, ...]

    @property
    def logins(self) -> list[str]:
        return cast("list[str]", self.table.column("login").to_pylist())


def read_accounts(path: Path, labelled: bool = False) -> Accounts:
    """Read a file of accounts, rows in its order, duplicates kept.

    Args:
        path: `.csv`, `.csv.gz` or `.parquet` with a column `login`, `contributor` or `account`;
            features under their canonical or their BIMBAS names; whatever else is ignored.
        labelled: a column `bot` of 0 and 1 is required and read; otherwise it is ignored.

    Raises:
        PermanentFailure: with what is wrong with the file, and the remedy.
    """
    if not path.is_file():
        raise PermanentFailure(f"There is no file {path}.", "Check its path.")
    if path.name.lower().endswith(_CSV):
        read = _read_csv
    elif path.name.lower().endswith(_PARQUET):
        read = _read_parquet
    else:
        raise PermanentFailure(
            f"{path} is neither CSV nor Parquet by its name.",
            "Give a file that ends in .csv, .csv.gz or .parquet.",
        )
    if path.stat().st_size == 0:
        raise PermanentFailure(f"{path} is empty.", _LOGIN_REMEDY)
    table = read(path, lambda names: _chosen(path, names, labelled))
    if table.num_rows == 0:
        raise PermanentFailure(f"{path} has no rows.", "Give a file with at least one account.")
    _check_logins(path, table.column("login"))
    labels = _labels(path, table.column(LABEL)) if labelled else None
    features = tuple(name for name in table.column_names if name in CANONICAL)
    wanted = ("login", *(name for name in TEXT_COLUMNS if name in table.column_names), *features)
    return Accounts(table.select(wanted), labels, features)


# From a file's column names to those that are read, each with its name here.
Chooser = Callable[[Sequence[str]], dict[str, str]]


def _chosen(path: Path, names: Sequence[str], labelled: bool) -> dict[str, str]:
    plain = {name: name.strip().removeprefix("\ufeff").lower() for name in names}
    login = next(
        (given for wanted in LOGIN_COLUMNS for given in names if plain[given] == wanted), None
    )
    if login is None:
        found = ", ".join(names[:8]) or "none"
        raise PermanentFailure(f"{path} has no column of logins (found: {found}).", _LOGIN_REMEDY)
    chosen = {login: "login"}
    known = {name.lower(): canonical for name, canonical in CANONICAL.items()}
    for name in names:
        here = known.get(plain[name])
        if here is None and (plain[name] in TEXT_COLUMNS or (labelled and plain[name] == LABEL)):
            here = plain[name]
        if here is not None and name != login:
            if here in chosen.values():
                raise PermanentFailure(
                    f"{path} has more than one column for {here}.", "Keep one of them."
                )
            chosen[name] = here
    if labelled and LABEL not in chosen.values():
        raise PermanentFailure(
            f"{path} has no column {LABEL}.", "Add it: 1 for automation, 0 for people."
        )
    return chosen


# ---------------------------------------------------------------- reading


def _read_csv(path: Path, choose: Chooser) -> pa.Table:
    names = _header(path)
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise PermanentFailure(f"{path} has two columns {twice!r}.", "Name each column once.")
    chosen = choose(names)
    types = {
        name: pa.float64() if here in CANONICAL else pa.string() for name, here in chosen.items()
    }
    try:
        table = pacsv.read_csv(
            path,
            # The header was read already; a name may hold what the reader would strip.
            read_options=pacsv.ReadOptions(column_names=names, skip_rows=1),
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                include_columns=list(chosen), column_types=types, strings_can_be_null=False
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowException, OSError, EOFError) as error:
        raise _unreadable(path, error, names) from error
    return table.rename_columns([chosen[name] for name in table.column_names])


def _header(path: Path) -> list[str]:
    try:
        with _opened(path) as stream:
            line = stream.readline(LONGEST_HEADER)
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error
    except (OSError, EOFError) as error:
        raise PermanentFailure(f"{path} cannot be read: {error}.", "Check the file.") from error
    if "\x00" in line:
        raise _with_nul(path)
    if line.count('"') % 2:
        raise PermanentFailure(
            f"The header of {path} spans lines.", "Give each column a name without line breaks."
        )
    return next(csv.reader([line]), [])


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    if path.name.lower().endswith(".gz"):
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as packed:
            yield cast("TextIO", packed)
    else:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield stream


def _read_parquet(path: Path, choose: Chooser) -> pa.Table:
    try:
        file = pq.ParquetFile(path)
        chosen = choose(file.schema_arrow.names)
        table = file.read(columns=list(chosen))
        table = table.rename_columns([chosen[name] for name in table.column_names])
        fields = [
            pa.field(name, pa.float64() if name in CANONICAL else pa.string())
            for name in table.column_names
        ]
        return table.cast(pa.schema(fields))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise PermanentFailure(
            f"{path} cannot be read: {_first_line(error)}.",
            "Give logins as text and features as numbers.",
        ) from error


def _unreadable(path: Path, error: Exception, names: Sequence[str]) -> PermanentFailure:
    """What Arrow's message means to whoever made the file."""
    text = _first_line(error)
    if "UTF8" in text or "UTF-8" in text:
        return _not_utf8(path)
    if text.startswith("Empty CSV"):
        return PermanentFailure(f"{path} has no rows.", "Give a file with at least one account.")
    number = re.search(r"CSV column #(\d+)", text)
    if number is not None and "conversion error" in text:
        name = names[int(number[1])]
        return PermanentFailure(
            f"The column {name} of {path} holds something that is no number: {text}.",
            "Correct the value, leave it empty where it is unknown, or rename the column.",
        )
    return PermanentFailure(f"{path} cannot be read: {text}.", "Write it as CSV with one header.")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")[:300]


def _not_utf8(path: Path) -> PermanentFailure:
    return PermanentFailure(f"{path} is not valid UTF-8.", "Convert it to UTF-8.")


def _with_nul(path: Path) -> PermanentFailure:
    return PermanentFailure(f"{path} holds NUL bytes.", "Write it anew as UTF-8 text without them.")


def _check_logins(path: Path, logins: pa.ChunkedArray) -> None:
    if logins.null_count:
        raise PermanentFailure(
            f"{logins.null_count:,} rows of {path} have no login.", "Give each row a login."
        )
    blank = pc.sum(pc.equal(pc.utf8_trim_whitespace(logins), "")).as_py()
    if blank:
        raise PermanentFailure(
            f"{blank:,} rows of {path} have an empty login.", "Give each row a login."
        )
    if pc.any(pc.match_substring(logins, "\x00")).as_py():
        raise _with_nul(path)


def _labels(path: Path, given: pa.ChunkedArray) -> NDArray[np.int64]:
    values = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "true": 1, "false": 0}
    found = [values.get(str(value).strip().lower()) for value in given.to_pylist()]
    if None in found:
        wrong = given[found.index(None)].as_py()
        raise PermanentFailure(
            f"The column {LABEL} of {path} holds {wrong!r}.", "Only 0 and 1 are labels."
        )
    return np.array(found, dtype=np.int64)


# ---------------------------------------------------------------- writing


def write_decisions(path: Path, batches: Iterable[pa.RecordBatch]) -> int:
    """Write what `classify` returned as `login, class, is_bot, score, reasons`; returns the rows.

    The file appears under its name when it is complete. In CSV, a login that a spreadsheet would
    take for a formula and that no platform gives gets a leading apostrophe.

    Raises:
        PermanentFailure: another suffix than .csv or .parquet, or the folder cannot be written.
    """
    is_csv = path.name.lower().endswith(".csv")
    if not is_csv and not path.name.lower().endswith(_PARQUET):
        raise PermanentFailure(
            f"{path} is neither CSV nor Parquet by its name.",
            "Let --out end in .csv or .parquet.",
        )
    if not path.parent.is_dir():
        raise PermanentFailure(f"There is no folder {path.parent}.", "Make it first.")
    schema = pa.schema(
        zip(OUTPUT, (pa.string(), pa.string(), pa.bool_(), pa.float64(), pa.string()), strict=True)
    )
    count = 0
    with (
        writing(path, "Choose another --out.") as temporary,
        (pacsv.CSVWriter if is_csv else pq.ParquetWriter)(temporary, schema) as writer,
    ):
        for batch in batches:
            writer.write_batch(_shaped(batch, schema, is_csv))
            count += batch.num_rows
    return count


def _shaped(batch: pa.RecordBatch, schema: pa.Schema, is_csv: bool) -> pa.RecordBatch:
    logins = batch.column("login")
    if is_csv:
        logins = pa.array([_unformed(login) for login in logins.to_pylist()], pa.string())
    reasons = pc.binary_join(batch.column("reasons"), "; ")
    columns = (logins, *(batch.column(name) for name in ("actor_class", "is_bot", "score")))
    return pa.RecordBatch.from_arrays([*columns, reasons], schema=schema)


def _unformed(login: str) -> str:
    return login if _HARMLESS.fullmatch(login) else harmless(login)
