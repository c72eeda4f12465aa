"""Archive files, or the 24 hours of a day, into the lake with their ledger rows.

Belongs here: the order of the steps (fetch, unpack, land, quarantine, commit), the states of
the hour ledger, resuming, parallel hours with bounded memory. Does not belong here: HTTP
(orchestration.clients.archive), parsing (lines, landing).

Each hour is committed on its own: a kill loses at most the hours in flight, and a restart asks
only for those that are not loaded.
"""

import errno
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import duckdb

from assets.github import landing, parquet_form, shapes
from assets.github.helpers import Helper, helpers, work_off
from assets.github.lines import AddressHasher, Bounds, LineSummary, Unreadable, copy_lines
from orchestration.clients.archive import ArchiveSource, Fetched, hour_name
from orchestration.failures import OsmoscopeError, PermanentFailure, TransientFailure
from orchestration.lake import (
    Entry,
    Lake,
    Partition,
    disk_is_full,
    safe_name,
    sha256_of_file,
    told_when_full,
    write_atomically,
)
from orchestration.settings import ArchiveSettings

SOURCE = "gharchive"
TABLE = "events"
UNMODELLED = "unmodelled"
# States whose rows are in the lake; the others are asked for again.
LOADED = frozenset({"ok", "mirrored", "malformed_lines", "thin"})
FAILED = frozenset({"missing", "corrupt", "truncated", "refused"})
# Weeks that the usual size of an hour of the week is taken from.
USUAL_WEEKS = 8
# With fewer earlier hours no usual size is known and nothing is called thin.
FEWEST_USUAL = 3
PARQUET_MAGIC = b"PAR1"
NO_LINES = "the file has no lines"
# A helper is started for so many packed bytes that it could take over: until it has imported what
# it needs and planned its first statement, one process has converted most of them alone. Five hours
# of 3 MB are done as soon by one process as by two, more of them sooner by two.
HELPER_BYTES = 12_000_000
# Packed bytes that take as long as what a file costs whatever is in it.
FILE_BYTES = 600_000
# Of two names that become one in quarantine so many letters are the same.
CHAIN_LETTERS = 100
Progress = Callable[[Entry], None]


@dataclass
class Ingester:
    """What all files of one run share.

    Attributes:
        lake: where rows go.
        settings: bounds and worker count.
        salt: the installation's salt for addresses, at least 16 bytes.
    """

    lake: Lake
    settings: ArchiveSettings
    salt: bytes

    def __post_init__(self) -> None:
        if len(self.salt) < 16:
            raise PermanentFailure("The salt for e-mail addresses is shorter than 16 bytes.")
        self._workers = threading.local()
        self._ticket = secrets.token_hex(8)
        self.bounds = Bounds(
            self.settings.max_line_bytes, self.settings.max_hour_bytes, self.settings.max_ratio
        )

    def prepare(self) -> None:
        """Clear what killed runs left."""
        self.lake.clean()

    def file(self, path: Path) -> Entry:
        """Ingest a file given by hand; returns its ledger row.

        An hour of the archive belongs to the day of its name. Another file belongs to the day
        of its first event, under a name with a hash of its bytes, so that two files of one name
        do not replace each other.

        A failed hour has its row in the ledger, unless the hour was loaded before. Another file
        that failed has none, as it belongs to no day; neither has a path where there is no file,
        as `missing` in the ledger means that the archive was asked.

        Args:
            path: `.json.gz`, plain newline-delimited JSON, or Parquet of the same shape.

        Raises:
            PermanentFailure: the disk is full, or the memory setting is too small for the file.
        """
        if not path.is_file():
            return _row(_ledger_name(path, ""), str(path), "missing", "the file does not exist")
        fetched = Fetched(path, str(path), is_mirrored=False, digest=sha256_of_file(path))
        name = _ledger_name(path, fetched.digest)
        day = date.fromisoformat(name.rsplit("-", 1)[0]) if _hour_of(name) is not None else None
        entry = self._convert(fetched, name, day)
        if day is not None and entry["state"] in FAILED:
            return self._commit_failure(entry, day)
        return entry

    def files(self, paths: Sequence[Path], progress: Progress | None = None) -> list[Entry]:
        """Ingest files given by hand, several at a time; returns their ledger rows in that order.

        The lake becomes what it would if one were ingested after the other.

        Args:
            progress: called with each file's row as it is done.

        Raises:
            TransientFailure: a process was killed.
            PermanentFailure: as of `file`. In both cases files that were not begun are left out.
        """
        tasks: list[tuple[int, _Arguments]] = [(n, (path,)) for n, path in enumerate(paths)]
        chains: dict[object, list[tuple[int, _Arguments]]] = {}
        for task, path in zip(tasks, paths, strict=True):
            chains.setdefault(_chain_of(path), []).append(task)
        workers = min(self.settings.workers, _worthwhile(chains.values()))
        work = list(chains.values()) if workers > 1 else [tasks]
        rows: dict[int, Entry] = {}
        for number, done in self._outcomes(Ingester.file, work, workers):
            if isinstance(done, OsmoscopeError):
                raise done
            rows[number] = done
            if progress:
                progress(done)
        return [rows[number] for number in range(len(paths))]

    def hour(self, source: ArchiveSource, day: date, hour: int) -> Entry:
        """Fetch and ingest one hour of the archive, from the first source that has events.

        A file without any event never replaces events, and every source is asked for a better
        one. With no line in it the hour is `thin` where no source has better; with lines of which
        none is an event the file is `corrupt`.

        Raises:
            TransientFailure: a source could not be reached, and no other has the hour. The hour
                has no ledger row then: `missing` means that every source was asked.
            PermanentFailure: the disk is full, or the memory setting is too small for the file.
        """
        name = hour_name(day, hour)
        failed: list[Entry] = []
        empty: Entry | None = None
        unreached: list[str] = []
        for attempt in source.fetch(day, hour, self.lake):
            with attempt as fetched:
                if fetched.path is not None:
                    entry = self._convert(fetched, name, day)
                    if entry["event_count"]:
                        return entry
                    if entry["state"] in LOADED:
                        empty = empty or entry
                    else:
                        failed.insert(0, entry)
                elif fetched.is_refused:
                    failed.insert(0, _row(name, fetched.source, "refused", fetched.reason))
                elif fetched.is_absent:
                    failed.append(_row(name, fetched.source, "missing", fetched.reason))
                else:
                    unreached.append(fetched.reason)
        if unreached:
            raise TransientFailure(
                f"The archive hour {name} could not be fetched: {unreached[0]}.",
                "Check the network and archive.sources, then run the day again.",
            )
        return empty or self._commit_failure(failed[0], day)

    def day(
        self,
        source: ArchiveSource,
        day: date,
        refresh: bool = False,
        progress: Progress | None = None,
    ) -> list[Entry]:
        """Ingest the 24 hours of a day, several at a time; returns their ledger rows.

        Args:
            refresh: ask again for hours that are loaded.
            progress: called with each hour's row as it is done.

        Raises:
            TransientFailure: hours that could not be reached; the others are loaded before.
            PermanentFailure: as of `hour`, likewise after the other hours.
        """
        partition = self.lake.partition(SOURCE, TABLE, day)
        known = {entry["name"]: entry for entry in partition.entries()}
        names = {hour_name(day, hour): hour for hour in range(24)}
        todo = [
            hour
            for name, hour in names.items()
            if refresh or known.get(name, {}).get("state") not in LOADED - {"thin"}
        ]
        chains = [[(hour, (source, day, hour))] for hour in todo]
        failures: dict[int, OsmoscopeError] = {}
        for hour, done in self._outcomes(Ingester.hour, chains, self.settings.workers):
            if isinstance(done, OsmoscopeError):
                failures[hour] = done
            elif progress:
                progress(done)
        partition.prune()
        if failures:
            raise _as_one({hour_name(day, hour): failures[hour] for hour in sorted(failures)})
        return [entry for entry in partition.entries() if entry["name"] in names]

    def _outcomes(
        self,
        do: Callable[..., Entry],
        chains: "Sequence[Sequence[tuple[int, _Arguments]]]",
        workers: int,
    ) -> Iterator[tuple[int, Entry | OsmoscopeError]]:
        """What a method gave for each of the numbered arguments, as they are done.

        One at a time is converted in this process and the others in helpers: two in one process
        wait for each other, as unpacking is Python's. Chains are worked off as of `work_off`.
        """
        if not chains:
            return

        def attempt(place: Helper | None, task: tuple[int, _Arguments]) -> Entry | OsmoscopeError:
            try:
                if place is None:
                    return _outcome(self, do, task[1])
                order = (self._ticket, self.lake, self.settings, self.salt, do, task[1])
                return place.call(_outcome_there, *order)
            except TransientFailure as failure:
                return failure

        count = min(workers, len(chains))
        try:
            for task, outcome in work_off(chains, count, attempt):
                yield task[0], outcome
        finally:
            for helper in helpers(count - 1):
                if helper.is_running:
                    helper.call(_let_go, self._ticket)
            # Those of a thread that has ended are gone; with one worker it is the caller's.
            self._workers.worker = None

    def _commit_failure(self, row: Entry, day: date) -> Entry:
        """Write a failure into the ledger, unless the hour was loaded before."""
        partition = self.lake.partition(SOURCE, TABLE, day)
        row["hour"] = _hour_of(row["name"])
        known = partition.entry(row["name"])
        if known is not None and known["state"] in LOADED:
            return row
        with told_when_full(self.lake.root):
            return partition.commit(row)

    def _convert(self, fetched: Fetched, name: str, day: date | None) -> Entry:
        """Unpack, land, quarantine and (where loaded) commit one file that is at hand."""
        path = fetched.path
        assert path is not None
        row = _row(name, fetched.source, "ok", None)
        row.update(
            hour=_hour_of(name),
            is_mirrored=fetched.is_mirrored,
            source_bytes=path.stat().st_size,
            source_sha256=fetched.digest or sha256_of_file(path),
        )
        with told_when_full(self.lake.root), self._parquet() as parquet:
            try:
                with self._judged():
                    return self._load(row, path, parquet, day)
            except Unreadable as error:
                row = {**row, **_counts()}
                return self._refuse(row, path, error.state, error.reason)

    def _load(self, row: Entry, path: Path, parquet: Path, day: date | None) -> Entry:
        """Land a file and commit its row.

        Raises:
            Unreadable: nothing of it can be loaded.
        """
        lines, landed = self._land(path, parquet)
        bad = sorted([*landed.bad_lines, *_too_long(lines, self.bounds)], key=_number)
        if landed.first_created_at is None:
            return self._commit_empty(row, parquet, day, bad)
        row.update(
            line_count=landed.event_count + landed.duplicate_count + len(bad),
            event_count=landed.event_count,
            duplicate_count=landed.duplicate_count,
            malformed_count=len(bad),
            actor_count=landed.actor_count,
            repository_count=landed.repository_count,
            first_created_at=_iso(landed.first_created_at),
            last_created_at=_iso(landed.last_created_at),
            types=landed.types,
            eras=landed.eras,
            new_keys=landed.new_keys,
        )
        self._quarantine_lines(row, Path(row["source"]).name, bad)
        day = day or landed.first_created_at.date()
        row["state"], row["reason"] = self._state(row, day)
        self._keep_unmodelled(row, day)
        return self.lake.partition(SOURCE, TABLE, day).commit(row, parquet)

    def _commit_empty(
        self, row: Entry, parquet: Path, day: date | None, bad: list[landing.BadLine]
    ) -> Entry:
        """Commit an hour without lines as `thin`, unless it was loaded with events before.

        Raises:
            Unreadable: it has lines and none is an event, or it is no hour of the archive.
        """
        if bad:
            reason = f"none of its {len(bad)} lines is an event (the first: {bad[0].reason})"
            raise Unreadable("corrupt", reason)
        if day is None:
            raise Unreadable("truncated", NO_LINES)
        row.update(state="thin", reason=NO_LINES)
        partition = self.lake.partition(SOURCE, TABLE, day)
        known = partition.entry(row["name"])
        if known is not None and known["event_count"]:
            return row
        return partition.commit(row, parquet)

    @contextmanager
    def _judged(self) -> Iterator[None]:
        """Tell what DuckDB could not do with one file from what it cannot do on this machine.

        Raises:
            Unreadable: the file is refused.
            PermanentFailure: memory or disk is too small.
        """
        try:
            yield
        except landing.Refused as error:
            raise Unreadable("refused", str(error)) from error
        except duckdb.Error as error:
            # After some errors a connection answers nothing but that error.
            self._workers.worker = None
            if isinstance(error, duckdb.OutOfMemoryException):
                raise PermanentFailure(
                    f"A file needs more memory than archive.memory_megabytes = "
                    f"{self.settings.memory_megabytes} allows.",
                    "Raise archive.memory_megabytes, or lower archive.workers to afford it.",
                ) from error
            if os.strerror(errno.ENOSPC) in str(error):
                raise disk_is_full(self.lake.root) from error
            raise Unreadable("refused", landing.told(str(error))) from error

    def _land(self, path: Path, parquet: Path) -> tuple[LineSummary, landing.Landed]:
        worker = self._worker()
        if _is_parquet(path):
            try:
                parquet_form.to_lines(
                    worker.connection, path, worker.scratch, self.bounds.max_file_bytes
                )
                lines = copy_lines(worker.scratch, worker.lines, self.bounds, worker.hasher)
            finally:
                # It holds addresses as they were in the file.
                worker.scratch.unlink(missing_ok=True)
        else:
            lines = copy_lines(path, worker.lines, self.bounds, worker.hasher)
        expected = lines.line_count - len(lines.long_lines)
        files = landing.Files(worker.lines, worker.scratch, parquet)
        landed = landing.land(worker.connection, files, expected, self.bounds.max_line_bytes)
        worker.landed = landed.read
        return lines, landed

    def _keep_unmodelled(self, row: Entry, day: date) -> None:
        """Keep the payloads that the declared columns do not hold, in place of those before."""
        partition = self.lake.partition(SOURCE, UNMODELLED, day)
        entry = {key: row[key] for key in ("name", "source", "source_sha256", "fetched_at")}
        entry.update(state="ok", row_count=0, schema_version=row["schema_version"])
        if row["new_keys"]:
            worker = self._worker()
            with self.lake.temporary(".parquet") as parquet:
                entry["row_count"] = landing.copy_unmodelled(
                    worker.connection, worker.landed, row["new_keys"], parquet
                )
                partition.commit(entry, parquet)
        elif partition.entry(row["name"]) is not None:
            partition.commit(entry)

    @contextmanager
    def _parquet(self) -> Iterator[Path]:
        """The worker's Parquet file: of the same name for every hour, and gone afterwards."""
        parquet = self._worker().parquet
        try:
            yield parquet
        finally:
            parquet.unlink(missing_ok=True)

    def _worker(self) -> "_Worker":
        """The calling thread's connection, hasher and scratch files."""
        worker: _Worker | None = getattr(self._workers, "worker", None)
        if worker is None:
            worker = self._workers.worker = _Worker(self)
        return worker

    def _state(self, row: Entry, day: date) -> tuple[str, str | None]:
        """The ledger's word for a loaded file, the gravest first."""
        if row["malformed_count"]:
            return "malformed_lines", f"{row['malformed_count']} lines are in quarantine"
        usual = self._usual_events(row["hour"], day)
        if usual is not None and row["event_count"] < usual * self.settings.thin_share:
            return "thin", f"{row['event_count']} events where {usual:.0f} are usual at that hour"
        return ("mirrored", "from a mirror") if row["is_mirrored"] else ("ok", None)

    def _usual_events(self, hour: int | None, day: date) -> float | None:
        """Median events of the same hour of the week in the weeks before; None if unknown."""
        if hour is None:
            return None
        counts = []
        for week in range(1, USUAL_WEEKS + 1):
            then = date.fromordinal(day.toordinal() - 7 * week)
            entry = self.lake.partition(SOURCE, TABLE, then).entry(hour_name(then, hour))
            if entry and entry["state"] in {"ok", "mirrored", "malformed_lines"}:
                counts.append(entry["event_count"])
        return float(median(counts)) if len(counts) >= FEWEST_USUAL else None

    def _refuse(self, row: Entry, path: Path, state: str, reason: str) -> Entry:
        """Keep the bytes of a file that was not loaded, and say why."""
        row.update(state=state, reason=reason)
        self.lake.keep_bytes(SOURCE, row["name"], row["source_sha256"], path)
        return row

    def _quarantine_lines(self, row: Entry, file: str, bad: Iterable[landing.BadLine]) -> None:
        text = "".join(line.as_json(file) + "\n" for line in bad)
        if text:
            folder = self.lake.quarantine(SOURCE, row["name"])
            write_atomically(folder / f"{row['source_sha256'][:12]}.lines.jsonl", text)


_Arguments = tuple[Any, ...]
# In a helper: the ingesters of days and files that are under way.
_ingesters: dict[str, Ingester] = {}


def _outcome(
    ingester: Ingester, do: Callable[..., Entry], arguments: _Arguments
) -> Entry | OsmoscopeError:
    """A ledger row, or the failure to be told when others are done."""
    try:
        return do(ingester, *arguments)
    except OsmoscopeError as failure:
        return failure


def _outcome_there(
    ticket: str,
    lake: Lake,
    settings: ArchiveSettings,
    salt: bytes,
    do: Callable[..., Entry],
    arguments: _Arguments,
) -> Entry | OsmoscopeError:
    """`_outcome` in a helper, which keeps its connection and files until it is let go."""
    if ticket not in _ingesters:
        _ingesters[ticket] = Ingester(lake, settings, salt)
    return _outcome(_ingesters[ticket], do, arguments)


def _let_go(ticket: str) -> None:
    """Close what a helper holds for an ingester; its files are gone with it."""
    _ingesters.pop(ticket, None)


def _as_one(failures: Mapping[str, OsmoscopeError]) -> OsmoscopeError:
    """One failure for several hours: what trying again cannot help comes first."""
    permanent = {
        name: failure
        for name, failure in failures.items()
        if not isinstance(failure, TransientFailure)
    }
    told = permanent or failures
    first = next(iter(told.values()))
    if len(failures) == 1:
        return first
    message = f"{len(told)} hours were not loaded ({', '.join(told)}). The first: {first.message}"
    return (PermanentFailure if permanent else TransientFailure)(message, first.remedy)


class _Worker:
    """A thread's own connection and files; the files are written over from hour to hour."""

    def __init__(self, ingester: Ingester) -> None:
        stem = ingester.lake.scratch()
        self.lines = stem.with_suffix(".lines")
        self.scratch = stem.with_suffix(".good")
        self.parquet = stem.with_suffix(".parquet")
        self.connection = landing.connect(
            ingester.settings.memory_megabytes, stem.with_suffix(".spill")
        )
        self.landed = ""
        self.hasher = AddressHasher(ingester.salt, ingester.settings.keep_email_domain)

    def __del__(self) -> None:
        for path in (self.lines, self.scratch):
            path.unlink(missing_ok=True)


def _row(name: str, source: str, state: str, reason: str | None) -> Entry:
    """A ledger row with nothing loaded."""
    row: dict[str, Any] = {"name": name, "hour": None, "state": state, "reason": reason}
    row.update(source=source, is_mirrored=False, source_bytes=0, source_sha256=None)
    row.update(_counts())
    row.update(schema_version=shapes.SCHEMA_VERSION, fetched_at=_iso(datetime.now(UTC)))
    row["client_version"] = _client_version()
    return row


@cache
def _client_version() -> str:
    """Read once, as reading a package's metadata takes longer than all else of a row."""
    return f"osmoscope {version('osmoscope')}"


def _counts() -> Entry:
    """What a ledger row counts, where nothing is loaded."""
    counts = ("line", "event", "duplicate", "malformed", "actor", "repository")
    row: Entry = {f"{count}_count": 0 for count in counts}
    row.update(first_created_at=None, last_created_at=None, eras={}, types={}, new_keys={})
    return row


def _ledger_name(path: Path, digest: str) -> str:
    """`2015-01-01-0` for an hour of the archive, else a name with a hash of the content."""
    stem = path.name
    for suffix in (".gz", ".json", ".jsonl", ".parquet"):
        stem = stem.removesuffix(suffix)
    return stem if _hour_of(stem) is not None else f"{stem}-{digest[:8]}".rstrip("-")


def _chain_of(path: Path) -> object:
    """Files of one chain are ingested in the order given, as one may find what another left.

    An hour is compared with the same hour of the week in the weeks before, whose rows it reads
    beside its own. Another file meets only itself, under the same name: its row, and in quarantine
    its bytes and lines, where names are cut and cleaned.
    """
    name = _ledger_name(path, "")
    hour = _hour_of(name)
    if hour is not None:
        return date.fromisoformat(name.rsplit("-", 1)[0]).weekday(), hour
    return safe_name(f"{name}-")[:CHAIN_LETTERS]


def _worthwhile(chains: Iterable[Sequence[tuple[int, _Arguments]]]) -> int:
    """In how many processes files are converted the fastest, this one included."""
    costs = [sum(_cost(path) for _, (path,) in chain) for chain in chains]
    # Of one chain nothing can be done elsewhere meanwhile.
    return 1 + (sum(costs) - max(costs, default=0)) // HELPER_BYTES


def _cost(path: Path) -> int:
    """Time to convert a file, as packed bytes that take as long."""
    return FILE_BYTES + (path.stat().st_size if path.is_file() else 0)


def _hour_of(name: str) -> int | None:
    parts = name.rsplit("-", 1)
    try:
        day, hour = date.fromisoformat(parts[0]), int(parts[1])
        return hour if name == hour_name(day, hour) else None
    except (ValueError, IndexError):
        return None


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) == PARQUET_MAGIC


def _too_long(lines: LineSummary, bounds: Bounds) -> list[landing.BadLine]:
    reason = f"the line is longer than {bounds.max_line_bytes} bytes"
    return [
        landing.BadLine(line.number, reason, line.length, line.sha256, line.sample)
        for line in lines.long_lines
    ]


def _number(line: landing.BadLine) -> int:
    return line.number


def _iso(moment: datetime | None) -> str | None:
    """UTC, without zone, as DuckDB reads a TIMESTAMP."""
    return None if moment is None else moment.replace(tzinfo=None, microsecond=0).isoformat()


def partition_of(lake: Lake, day: date) -> Partition:
    """The lake's partition of an archive day."""
    return lake.partition(SOURCE, TABLE, day)
