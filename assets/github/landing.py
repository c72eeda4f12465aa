"""From clean lines to typed Parquet: the landing of one archive file.

Belongs here: the declared read, the sifting of lines that do not fit the declaration, the
counts that go into the ledger, payload drift. Does not belong here: unpacking (lines), where
files come from (clients) and what becomes of the result (ingest).

DuckDB parses. The whole file is tried first; only when that fails are its lines sifted, by the
same declared read on ever smaller pieces, so that both ways agree on what a good line is. What
is certainly no event is taken out by one query before, and the whole is bounded: a file with too
many bad lines is refused.
"""

import base64
import codecs
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import orjson

from assets.github import shapes
from orchestration.parquet import asking_files

SQL = (Path(__file__).parent / "landing.sql").read_text(encoding="utf-8")
# Lines tried at a time while sifting.
SIFT_LINES = 4096
SIFT_BYTES = 32 * 1024 * 1024
# Above this share of bad lines (and this many) the file is no archive and is refused whole.
MOST_BAD_SHARE = 0.5
FEW_BAD = 100
# Above this many it is refused whatever their share: each is kept in memory until the end.
MOST_BAD = 50_000
# Bytes of lines that are cast at a time while sifting: a cast takes many times as many.
CAST_BYTES = 512 * 1024
# So many bad lines of a file get DuckDB's own reason and a long sample; each costs a try.
MOST_EXPLAINED = 1000
# Tries of the declared read on lines of one file, about a minute of them.
MOST_TRIES = 10_000
# What DuckDB says of a line that does not fit. Its message shows a part of the line and may cut a
# character in two: then it comes as an error of decoding that message, which holds its bytes.
REFUSALS = (duckdb.InvalidInputException, duckdb.ConversionException)
# Payload keys are looked for in the first lines only, and of each type in few of them: a drift
# changes a type's every event.
DRIFT_LINES = 1000
DRIFT_LINES_OF_TYPE = 25
KEPT_BYTES = 64 * 1024
KEPT_BYTES_UNEXPLAINED = 1024
# Events before this instant have the Timeline API's shape.
FIRST_SUPPORTED = datetime(2015, 1, 1)

_IDENTITY = "event_type, event_id, created_at, actor_id, repository_id"
_REQUIRED = ("id", "type", "created_at", "actor.id", "repo.id")
# Python has no datetime for the years that a hostile line may name; before 2008 was no GitHub.
_UNUSABLE = " or ".join(f"line.{name} is null" for name in _REQUIRED) + (
    " or line.created_at not between timestamp '2008-01-01' and timestamp '2200-01-01'"
)
_UNUSABLE_ROW = " or ".join(f"{name} is null" for name in _IDENTITY.split(", ")) + (
    " or created_at not between timestamp '2008-01-01' and timestamp '2200-01-01'"
)
_NO_EVENT = f"not JSON, or a required key is missing or impossible ({', '.join(_REQUIRED)})"
# Level 1: a tenth larger than the default level and a tenth faster to write.
_PARQUET = "format parquet, compression zstd, compression_level 1, write_bloom_filter false"
# A line with its number in the file.
_Numbered = tuple[int, bytes]
# How the archive begins a line; of one that begins otherwise the payload is looked at always.
_TYPE_AT_HEAD = re.compile(rb'\{"id":"[0-9]+","type":"(\w+)",')
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
    # Files are written over within milliseconds: what a cache knows of a name is no longer so.
    connection.execute("set enable_external_file_cache = false")
    if spill is not None:
        connection.execute("set temp_directory = $path", {"path": str(spill)})
    return connection


def lake_schema() -> dict[str, str]:
    """Column name to DuckDB type of the lake's event table, read off the landing query."""
    columns = ", ".join(
        f'null::{kind} as "{name}"' for name, kind in shapes.declared_columns().items()
    )
    with asking_files() as connection:
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
    """The files of one landing; with the same paths for every landing, statements are kept.

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
        good, bad = sift(connection, lines, files.scratch, max_line_bytes, line_count)
        _refuse_foreign(bad, good + len(bad), good + len(bad))
        lines = files.scratch
        landed = _copy(connection, declared_read(lines, max_line_bytes), files.parquet)
        if landed is None or landed.event_count != good:
            raise Refused("the lines that were found good could not be read together")
        landed.bad_lines = bad
    # Single late events of 2014 may stand in the first hours of 2015.
    if landed.last_created_at is not None and landed.last_created_at < FIRST_SUPPORTED:
        raise Refused(
            f"it has events of {landed.last_created_at:%Y-%m-%d}: "
            "archives before 2015-01-01 have another form and are not supported"
        )
    if landed.duplicate_count:
        _drop_duplicates(connection, files.parquet)
        landed.event_count -= landed.duplicate_count
        _count_groups(connection, files.parquet, landed)
    landed.read = declared_read(lines, max_line_bytes, "JSON")
    landed.new_keys = _new_keys(lines, landed.types)
    return landed


def _copy(connection: duckdb.DuckDBPyConnection, source: str, parquet: Path) -> Landed | None:
    """Write the landing query to Parquet and count; None where a line does not fit."""
    try:
        _execute_kept(
            connection, f"copy ({SQL.format(source=source)}) to {literal(parquet)} ({_PARQUET})"
        )
    except (*REFUSALS, UnicodeDecodeError):
        return None
    row = connection.execute(
        f"""
        select count(*), count(distinct ({_IDENTITY})), count(distinct actor_id),
            count(distinct repository_id), min(created_at), max(created_at),
            count(*) filter ({_UNUSABLE_ROW})
        from read_parquet({literal(parquet)})
        """
    ).fetchone()
    assert row is not None
    if row[6]:
        return None
    landed = Landed(row[0], row[0] - row[1], row[2], row[3], row[4], row[5])
    _count_groups(connection, parquet, landed)
    return landed


def _execute_kept(
    connection: duckdb.DuckDBPyConnection, statement: str
) -> duckdb.DuckDBPyConnection:
    """Execute a statement that the connection parses the first time only.

    DuckDB plans it each time anew, as a file that it reads may have changed; parsing alone takes a
    millisecond of a small hour. The paths in the statement must come again, as it is kept until
    the end.
    """
    name = "kept_" + hashlib.sha256(statement.encode()).hexdigest()[:32]
    try:
        return connection.execute(f"execute {name}")
    except duckdb.BinderException:
        connection.execute(f"prepare {name} as {statement}")
        return connection.execute(f"execute {name}")


def _count_groups(connection: duckdb.DuckDBPyConnection, parquet: Path, landed: Landed) -> None:
    """Events per type and per era."""
    landed.types = {}
    landed.eras = {}
    for kind, era, count in connection.execute(
        "select event_type, era, count(*) from read_parquet($path) group by all order by all",
        {"path": str(parquet)},
    ).fetchall():
        landed.types[kind] = landed.types.get(kind, 0) + count
        landed.eras[era] = landed.eras.get(era, 0) + count


def _drop_duplicates(connection: duckdb.DuckDBPyConnection, parquet: Path) -> None:
    """Keep the first of the lines that are the same event, in the order of the file."""
    once = parquet.with_name(parquet.name + ".once")
    rows = f"read_parquet({literal(parquet)}, file_row_number = true)"
    # Duplicates are looked for in few columns, and as they are few the others need no sorting:
    # what is compared with a list keeps its order.
    connection.execute(
        f"""
        copy (
            select * exclude (file_row_number)
            from {rows}
            where file_row_number not in (
                select unnest(list_sort(list(file_row_number))[2:])
                from {rows}
                group by {_IDENTITY}
                having count(*) > 1
            )
        ) to {literal(once)} ({_PARQUET})
        """
    )
    once.replace(parquet)


def sift(
    connection: duckdb.DuckDBPyConnection,
    lines: Path,
    good: Path,
    max_line_bytes: int,
    line_count: int,
) -> tuple[int, list[BadLine]]:
    """Write the good lines to `good`; returns their number and the others in file order.

    Raises:
        Refused: too many are bad; known before all `line_count` lines are seen.
    """
    piece = good.with_name(good.name + ".piece")
    sieve = _Sieve(connection, piece, max_line_bytes)
    bad: list[BadLine] = []
    count = 0
    try:
        with good.open("wb") as out:
            for batch in _batches(lines):
                refused = sieve.bad_of(batch, max(0, MOST_EXPLAINED - len(bad)))
                bad += refused
                count += len(batch) - len(refused)
                _refuse_foreign(bad, line_count, count + len(bad))
                numbers = {line.number for line in refused}
                out.writelines(text for number, text in batch if number not in numbers)
    finally:
        piece.unlink(missing_ok=True)
    return count, bad


def _batches(lines: Path) -> Iterator[list[_Numbered]]:
    """Lines with their numbers, without placeholders, some thousand at a time."""
    batch: list[_Numbered] = []
    size = 0
    with lines.open("rb") as stream:
        for number, text in enumerate(stream, 1):
            # A byte order mark is tolerated at the start of a file, and so of a piece, only.
            text = text.removeprefix(codecs.BOM_UTF8)
            if not text.strip():
                continue
            batch.append((number, text))
            size += len(text)
            if len(batch) >= SIFT_LINES or size >= SIFT_BYTES:
                yield batch
                batch = []
                size = 0
    if batch:
        yield batch


@dataclass
class _Sieve:
    """Tells good lines from bad by the declared read, with a bound on how often it is tried.

    One try costs some milliseconds however few the lines: planning the many columns, not parsing.
    """

    connection: duckdb.DuckDBPyConnection
    piece: Path
    max_line_bytes: int
    tries: int = 0

    def bad_of(self, batch: Sequence[_Numbered], room: int) -> list[BadLine]:
        """The bad lines of a batch, in order.

        Args:
            room: how many may be explained by a try of their own.

        Raises:
            Refused: too many tries.
        """
        if self.objection(batch) is None:
            return []
        positions = self._no_events(batch)
        alone = [batch[position] for position in positions[:room]]
        bad = [_bad_line(batch[position], _NO_EVENT) for position in positions[room:]]
        known = set(positions)
        rest = [line for position, line in enumerate(batch) if position not in known]
        if rest and self.objection(rest) is not None:
            odd = {line[0] for line in rest if not shapes.may_fit(line[1])}
            alone += [line for line in rest if line[0] in odd]
            bad += self._by_halving([line for line in rest if line[0] not in odd])
        for line in alone:
            bad += self._by_halving([line])
        return sorted(bad, key=lambda line: line.number)

    def _no_events(self, batch: Sequence[_Numbered]) -> list[int]:
        """Positions of lines that are bad for certain, by one query.

        A cast makes null of a single value where the declared read refuses the line, and is no
        stricter otherwise: where even the cast gives no required value, the line is bad. Lines
        above `CAST_BYTES` are left to the declared read.
        """
        found: list[int] = []
        places: list[int] = []
        size = 0
        for place, (_, text) in enumerate(batch):
            if len(text) > CAST_BYTES:
                continue
            if size + len(text) > CAST_BYTES:
                found += self._not_cast(batch, places)
                places = []
                size = 0
            places.append(place)
            size += len(text)
        return [*found, *self._not_cast(batch, places)]

    def _not_cast(self, batch: Sequence[_Numbered], places: Sequence[int]) -> list[int]:
        """Those of some positions whose line a cast makes no event of."""
        texts: list[str | None] = []
        for place in places:
            try:
                texts.append(batch[place][1].decode("utf-8"))
            except UnicodeDecodeError:
                texts.append(None)
        columns = ", ".join(f'"{name}" {kind}' for name, kind in shapes.declared_columns().items())
        found = self.connection.execute(
            f"""
            select place
            from (
                select try_cast(try_cast(text as json) as struct({columns})) as line, place
                from (select unnest($texts::varchar[]) as text, unnest($places::bigint[]) as place)
            )
            where line is null or {_UNUSABLE}
            order by place
            """,
            {"texts": texts, "places": places},
        ).fetchall()
        return [row[0] for row in found]

    def _by_halving(self, batch: Sequence[_Numbered]) -> list[BadLine]:
        """The bad lines of a batch: each costs two tries for every halving of the batch."""
        reason = self.objection(batch) if batch else None
        if reason is None:
            return []
        if len(batch) == 1:
            return [_bad_line(batch[0], reason, KEPT_BYTES)]
        middle = len(batch) // 2
        return [*self._by_halving(batch[:middle]), *self._by_halving(batch[middle:])]

    def objection(self, batch: Sequence[_Numbered]) -> str | None:
        """Why the declared read does not accept the lines as so many events; None if it does."""
        self.tries += 1
        if self.tries > MOST_TRIES:
            raise Refused(f"its bad lines cannot be found with {MOST_TRIES} tries")
        self.piece.write_bytes(b"".join(text for _, text in batch))
        read = declared_read(self.piece, self.max_line_bytes)
        try:
            # Every column is read: an unused one would not be checked. Not by the landing query,
            # which casts nothing and takes four times as long to plan as all of this takes.
            row = self.connection.execute(
                f"select count(*), count(*) filter ({_UNUSABLE}), max(hash(line)) "
                f"from {read} as line"
            ).fetchone()
        except REFUSALS as error:
            return told(str(error))
        except UnicodeDecodeError as error:
            return told(error.object.decode("utf-8", "replace"))
        assert row is not None
        if row[0] != len(batch):
            return "not exactly one JSON object on the line"
        if row[1]:
            return f"a required key is missing or impossible ({', '.join(_REQUIRED)})"
        return None


def _bad_line(line: _Numbered, reason: str, kept: int = KEPT_BYTES_UNEXPLAINED) -> BadLine:
    body = line[1].rstrip(b"\n")
    return BadLine(line[0], reason, len(body), hashlib.sha256(body).hexdigest(), body[:kept])


def told(message: str) -> str:
    """The first line of DuckDB's message, without its class and the name of our scratch file."""
    first = (message.splitlines() or [""])[0].removeprefix("Invalid Input Error: ")
    return " ".join(_POSITION.sub("", first).split())[:300]


def _refuse_foreign(bad: Sequence[BadLine], line_count: int, seen: int) -> None:
    """Refuse a file that is of another era or mostly not events.

    Args:
        line_count: lines of the file.
        seen: how many of them were judged until now.

    Raises:
        Refused: with the reason.
    """
    is_mostly_bad = len(bad) > MOST_BAD_SHARE * line_count
    if is_mostly_bad and any(b'"actor_attributes"' in line.sample for line in bad[:FEW_BAD]):
        raise Refused(
            "it has the form of the Timeline API: "
            "archives before 2015-01-01 have another form and are not supported"
        )
    if (is_mostly_bad and len(bad) > FEW_BAD) or len(bad) > MOST_BAD:
        raise Refused(
            f"{len(bad)} of the first {seen} lines are not events (the first: {bad[0].reason})"
        )


def _new_keys(lines: Path, types: dict[str, int]) -> dict[str, list[str]]:
    """Payload keys that are not known, by type; an unknown type has a row in any case."""
    new: dict[str, set[str]] = {kind: set() for kind in types if kind not in shapes.KNOWN_TYPES}
    seen: Counter[bytes] = Counter()
    with lines.open("rb") as stream:
        for line in islice(stream, DRIFT_LINES):
            head = _TYPE_AT_HEAD.match(line)
            seen[head[1] if head else b""] += 1
            if head and seen[head[1]] > DRIFT_LINES_OF_TYPE:
                continue
            kind, payload = _payload(line)
            if not isinstance(payload, dict):
                continue
            known = shapes.KNOWN_KEYS if kind in shapes.KNOWN_TYPES else frozenset()
            if payload.keys() <= known:
                continue
            # A key that is null is no drift: Parquet forms write every absent key as null.
            found = {key for key, value in payload.items() if value is not None} - known
            if found:
                new.setdefault(kind, set()).update(found)
    return {kind: sorted(new[kind]) for kind in sorted(new)}


def _payload(line: bytes) -> tuple[str, Any]:
    """Type and payload of a line that the declared read has accepted, or may be a placeholder."""
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        # DuckDB takes what the strict parser does not, such as half a surrogate pair.
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            return "", None
    if not isinstance(event, dict):
        return "", None
    # A type that is no text is one as text: what DuckDB makes of it.
    return str(event.get("type", "")), event.get("payload")


def copy_unmodelled(
    connection: duckdb.DuckDBPyConnection,
    read: str,
    new_keys: dict[str, list[str]],
    parquet: Path,
) -> int:
    """Write whole payloads of the types in `new_keys` to Parquet; returns the number of rows.

    For a known type only events that have one of its new keys are kept, each event once.
    """
    connection.execute("create or replace temp table new_key (type varchar, keys varchar[])")
    rows = [
        (kind, None if kind not in shapes.KNOWN_TYPES else keys) for kind, keys in new_keys.items()
    ]
    connection.executemany("insert into new_key values (?, ?)", rows)
    connection.execute(
        f"""
        copy (
            select distinct on (event_type, event_id, line.created_at, actor_id, repository_id)
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
