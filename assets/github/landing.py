"""From clean lines to typed Parquet: the landing of one archive file.

Belongs here: the declared read, the sifting of lines that do not fit the declaration, the
counts that go into the ledger, payload drift. Does not belong here: unpacking (lines), where
files come from (clients) and what becomes of the result (ingest).

DuckDB parses. The whole file is tried first; only when that fails are its lines sifted, by the
same declared read on ever smaller pieces, so that both ways agree on what a good line is.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from assets.github import shapes

SQL = (Path(__file__).parent / "landing.sql").read_text(encoding="utf-8")
# Lines tried at a time while sifting: one bad line costs about log2 of this many small parses.
SIFT_LINES = 4096
SIFT_BYTES = 32 * 1024 * 1024
# Above this share of bad lines (and this many) the file is no archive and is refused whole.
MOST_BAD_SHARE = 0.5
FEW_BAD = 100
# Payload keys are looked for in the first lines only: a drift changes a type's every event.
DRIFT_LINES = 2000
KEPT_BYTES = 64 * 1024
# Events before this instant have the Timeline API's shape.
FIRST_SUPPORTED = datetime(2015, 1, 1)

_IDENTITY = "event_type, event_id, created_at, actor_id, repository_id"
_WITHOUT_IDENTITY = " or ".join(f"{name} is null" for name in _IDENTITY.split(", "))
_POSITION = re.compile(r'in file ".*?"(, (at|in) [^.:]*)?[.:]?')


class Refused(Exception):
    """A readable file that cannot be an archive of a supported era."""


@dataclass(frozen=True)
class BadLine:
    """A line that is not loaded: where it stands and why."""

    number: int
    reason: str
    length: int
    sha256: str
    sample: bytes

    def as_json(self, file: str) -> str:
        """One quarantine row; bytes that are not UTF-8 are kept as base64."""
        row: dict[str, Any] = {"file": file, "line": self.number, "reason": self.reason}
        row.update(length=self.length, sha256=self.sha256)
        try:
            row["text"] = self.sample.decode("utf-8")
        except UnicodeDecodeError:
            row["base64"] = base64.b64encode(self.sample).decode("ascii")
        return json.dumps(row, ensure_ascii=False)


@dataclass
class Landed:
    """What one file gave: counts for the ledger and the lines that were refused."""

    event_count: int = 0
    duplicate_count: int = 0
    actor_count: int = 0
    repository_count: int = 0
    first_created_at: datetime | None = None
    last_created_at: datetime | None = None
    types: dict[str, int] = field(default_factory=dict)
    eras: dict[str, int] = field(default_factory=dict)
    new_keys: dict[str, list[str]] = field(default_factory=dict)
    bad_lines: list[BadLine] = field(default_factory=list)
    # The call that reads the landed lines with their payload as JSON.
    read: str = ""


def connect(memory_megabytes: int = 400, spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """A private in-memory DuckDB of one thread: parallelism is over files."""
    connection = duckdb.connect()
    connection.execute("set threads = 1")
    connection.execute("set TimeZone = 'UTC'")
    connection.execute(f"set memory_limit = '{memory_megabytes}MB'")
    connection.execute("set enable_progress_bar = false")
    if spill is not None:
        connection.execute("set temp_directory = $path", {"path": str(spill)})
    return connection


def lake_schema() -> dict[str, str]:
    """Column name to DuckDB type of the lake's event table, read off the landing query."""
    columns = ", ".join(f'null::{kind} as "{name}"' for name, kind in shapes.declared_columns().items())
    with duckdb.connect() as connection:
        described = connection.execute(
            "describe " + SQL.format(source=f"(select {columns}) as line")
        ).fetchall()
    return {row[0]: row[1] for row in described}


def declared_read(path: Path, max_line_bytes: int, payload: Any = None) -> str:
    """The `read_json` call on a file of clean lines; `payload` overrides the payload's type."""
    columns = ", ".join(
        f"\"{name}\": '{kind}'" for name, kind in shapes.declared_columns(payload).items()
    )
    return (
        f"read_json({literal(path)}, format = 'newline_delimited', compression = 'none', "
        f"maximum_object_size = {max_line_bytes + 2}, columns = {{{columns}}})"
    )


def literal(path: Path) -> str:
    """A path as a SQL string literal (table functions in COPY take no parameters)."""
    return "'" + str(path).replace("'", "''") + "'"


@dataclass(frozen=True)
class Files:
    """The files of one landing.

    Attributes:
        lines: newline-delimited JSON without e-mail addresses; empty lines are placeholders.
        scratch: may be written over while lines are sifted.
        parquet: the file to write.
    """

    lines: Path
    scratch: Path
    parquet: Path


def land(
    connection: duckdb.DuckDBPyConnection, files: Files, line_count: int, max_line_bytes: int
) -> Landed:
    """Convert a file of clean lines to typed Parquet.

    Args:
        line_count: how many lines there are without placeholders; empty lines may be counted.

    Returns:
        The counts; `bad_lines` hold what was left out.

    Raises:
        Refused: the file is of an era before 2015, or most of it is not events.
    """
    lines = files.lines
    landed = _copy(connection, declared_read(lines, max_line_bytes), files.parquet)
    if landed is None or landed.event_count != line_count:
        good, bad = sift(connection, lines, files.scratch, max_line_bytes)
        _refuse_foreign(bad, good + len(bad))
        lines = files.scratch
        landed = _copy(connection, declared_read(lines, max_line_bytes), files.parquet)
        if landed is None or landed.event_count != good:
            raise Refused("the lines that were found good could not be read together")
        landed.bad_lines = bad
    if landed.first_created_at is not None and landed.first_created_at < FIRST_SUPPORTED:
        raise Refused(
            f"it has events of {landed.first_created_at:%Y-%m-%d}: "
            "archives before 2015-01-01 have another form and are not supported"
        )
    if landed.duplicate_count:
        _drop_duplicates(connection, files.parquet)
        landed.event_count -= landed.duplicate_count
        _count_groups(connection, files.parquet, landed)
    landed.read = declared_read(lines, max_line_bytes, "JSON")
    landed.new_keys = _new_keys(connection, landed.read, landed.types)
    return landed


def _copy(
    connection: duckdb.DuckDBPyConnection, source: str, parquet: Path
) -> Landed | None:
    """Write the landing query to Parquet and count; None where a line does not fit."""
    try:
        # Level 1: a tenth larger than the default level and a tenth faster to write.
        connection.execute(
            f"copy ({SQL.format(source=source)}) to {literal(parquet)} "
            "(format parquet, compression zstd, compression_level 1)"
        )
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        return None
    row = connection.execute(
        f"""
        select count(*), count(distinct ({_IDENTITY})), count(distinct actor_id),
            count(distinct repository_id), min(created_at), max(created_at),
            count(*) filter ({_WITHOUT_IDENTITY})
        from read_parquet({literal(parquet)})
        """
    ).fetchone()
    assert row is not None
    if row[6]:
        return None
    landed = Landed(row[0], row[0] - row[1], row[2], row[3], row[4], row[5])
    _count_groups(connection, parquet, landed)
    return landed


def _count_groups(
    connection: duckdb.DuckDBPyConnection, parquet: Path, landed: Landed
) -> None:
    """Events per type and per era."""
    landed.types, landed.eras = {}, {}
    for kind, era, count in connection.execute(
        "select event_type, era, count(*) from read_parquet($path) group by all order by all",
        {"path": str(parquet)},
    ).fetchall():
        landed.types[kind] = landed.types.get(kind, 0) + count
        landed.eras[era] = landed.eras.get(era, 0) + count


def _drop_duplicates(connection: duckdb.DuckDBPyConnection, parquet: Path) -> None:
    """Keep the first of the lines that are the same event, in the order of the file."""
    once = parquet.with_name(parquet.name + ".once")
    connection.execute(
        f"""
        copy (
            select * exclude (file_row_number)
            from read_parquet({literal(parquet)}, file_row_number = true)
            qualify row_number() over (partition by {_IDENTITY} order by file_row_number) = 1
            order by file_row_number
        ) to {literal(once)} (format parquet, compression zstd, compression_level 1)
        """
    )
    once.replace(parquet)


def sift(
    connection: duckdb.DuckDBPyConnection, lines: Path, good: Path, max_line_bytes: int
) -> tuple[int, list[BadLine]]:
    """Write the good lines to `good`; returns their number and the others in file order."""
    piece = good.with_name(good.name + ".piece")
    bad: list[BadLine] = []
    count = 0
    try:
        with good.open("wb") as out:
            for batch in _batches(lines):
                refused = _refused(connection, batch, piece, max_line_bytes)
                bad += refused
                count += len(batch) - len(refused)
                numbers = {line.number for line in refused}
                out.writelines(text for number, text in batch if number not in numbers)
    finally:
        piece.unlink(missing_ok=True)
    return count, bad


def _batches(lines: Path) -> Iterator[list[tuple[int, bytes]]]:
    """Lines with their numbers, without placeholders, some thousand at a time."""
    batch: list[tuple[int, bytes]] = []
    size = 0
    with lines.open("rb") as stream:
        for number, text in enumerate(stream, 1):
            if not text.strip():
                continue
            batch.append((number, text))
            size += len(text)
            if len(batch) >= SIFT_LINES or size >= SIFT_BYTES:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _refused(
    connection: duckdb.DuckDBPyConnection,
    batch: Sequence[tuple[int, bytes]],
    piece: Path,
    max_line_bytes: int,
) -> list[BadLine]:
    """The lines of a batch that the declared read does not accept, by halving."""
    piece.write_bytes(b"".join(text for _, text in batch))
    reason = _objection(connection, piece, len(batch), max_line_bytes)
    if reason is None:
        return []
    if len(batch) == 1:
        number, text = batch[0]
        body = text.rstrip(b"\n")
        digest = hashlib.sha256(body).hexdigest()
        return [BadLine(number, reason, len(body), digest, body[:KEPT_BYTES])]
    middle = len(batch) // 2
    return [
        line
        for half in (batch[:middle], batch[middle:])
        for line in _refused(connection, half, piece, max_line_bytes)
    ]


def _objection(
    connection: duckdb.DuckDBPyConnection, piece: Path, count: int, max_line_bytes: int
) -> str | None:
    """Why the declared read does not accept a piece as `count` events; None if it does."""
    landing = SQL.format(source=declared_read(piece, max_line_bytes))
    try:
        # Every column is read: an unused one would not be checked.
        row = connection.execute(
            f"""
            select count(*), count(*) filter ({_WITHOUT_IDENTITY}), max(hash(event))
            from ({landing}) as event
            """
        ).fetchone()
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        first = str(error).splitlines()[0].removeprefix("Invalid Input Error: ")
        return " ".join(_POSITION.sub("", first).split())[:300]
    assert row is not None
    if row[0] != count:
        return "not exactly one JSON object on the line"
    return "a required key is missing (id, type, created_at, actor.id, repo.id)" if row[1] else None


def _refuse_foreign(bad: Sequence[BadLine], line_count: int) -> None:
    """Refuse a file that is of another era or mostly not events.

    Raises:
        Refused: with the reason.
    """
    if any(b'"actor_attributes"' in line.sample for line in bad[:FEW_BAD]):
        raise Refused(
            "it has the form of the Timeline API: "
            "archives before 2015-01-01 have another form and are not supported"
        )
    if len(bad) > FEW_BAD and len(bad) > MOST_BAD_SHARE * line_count:
        raise Refused(
            f"{len(bad)} of {line_count} lines are not events (the first: {bad[0].reason})"
        )


def _new_keys(
    connection: duckdb.DuckDBPyConnection, read: str, types: dict[str, int]
) -> dict[str, list[str]]:
    """Payload keys that are not known, by type; an unknown type has a row in any case."""
    new: dict[str, list[str]] = {kind: [] for kind in types if kind not in shapes.KNOWN_TYPES}
    head = f"(select type, payload from {read} limit {DRIFT_LINES}) as line"
    found = connection.execute(f"select distinct type, json_keys(payload) from {head}").fetchall()
    if not new and all(shapes.KNOWN_KEYS.issuperset(keys or ()) for _, keys in found):
        return new
    # A key that is null everywhere is no drift: Parquet forms write every absent key as null.
    rows = connection.execute(
        f"""
        select distinct line.type, pair.key
        from {head}, json_each(line.payload) as pair
        where json_type(line.payload) = 'OBJECT' and pair.type <> 'NULL'
        order by all
        """
    ).fetchall()
    for kind, key in rows:
        if kind in new or key not in shapes.KNOWN_KEYS:
            new.setdefault(kind, []).append(key)
    return new


def copy_unmodelled(
    connection: duckdb.DuckDBPyConnection,
    read: str,
    new_keys: dict[str, list[str]],
    parquet: Path,
) -> int:
    """Write whole payloads of the types in `new_keys` to Parquet; returns the number of rows.

    For a known type only events that have one of its new keys are kept.
    """
    connection.execute("create or replace temp table new_key (type varchar, keys varchar[])")
    rows = [
        (kind, None if kind not in shapes.KNOWN_TYPES else keys) for kind, keys in new_keys.items()
    ]
    connection.executemany("insert into new_key values (?, ?)", rows)
    connection.execute(
        f"""
        copy (
            select
                line.id as event_id, line.type as event_type, line.created_at,
                line.actor.id as actor_id, line.repo.id as repository_id,
                line.payload::varchar as payload
            from {read} as line
            inner join new_key on new_key.type = line.type
            where new_key.keys is null or list_has_any(json_keys(line.payload), new_key.keys)
            order by all
        ) to {literal(parquet)} (format parquet, compression zstd)
        """
    )
    row = connection.execute(
        "select count(*) from read_parquet($path)", {"path": str(parquet)}
    ).fetchone()
    assert row is not None
    return int(row[0])
