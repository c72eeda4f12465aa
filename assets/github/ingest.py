"""One archive file, or the 24 hours of a day, into the lake with its ledger row.

Belongs here: the order of the steps (fetch, unpack, land, quarantine, commit), the states of
the hour ledger, resuming, parallel hours with bounded memory. Does not belong here: HTTP
(orchestration.clients.archive), parsing (lines, landing).

Each hour is committed on its own: a kill loses at most the hours in flight, and a restart asks
only for those that are not loaded.
"""

import shutil
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from assets.github import landing, parquet_form, shapes
from assets.github.lines import AddressHasher, Bounds, LineSummary, Unreadable, copy_lines
from orchestration.clients.archive import ArchiveSource, Fetched, hour_name
from orchestration.failures import PermanentFailure, TransientFailure
from orchestration.lake import Entry, Lake, Partition, sha256_of_file, write_atomically
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
        self.bounds = Bounds(
            self.settings.max_line_bytes, self.settings.max_hour_bytes, self.settings.max_ratio
        )

    def prepare(self) -> None:
        """Make the table readable and clear what killed runs left."""
        self.lake.clean()
        self.lake.anchor(SOURCE, TABLE, landing.lake_schema())

    def file(self, path: Path) -> Entry:
        """Ingest a file given by hand; returns its ledger row.

        An hour of the archive belongs to the day of its name. Another file belongs to the day
        of its first event, under a name with a hash of its bytes, so that two files of one name
        do not replace each other.

        Args:
            path: `.json.gz`, plain newline-delimited JSON, or Parquet of the same shape.
        """
        if not path.is_file():
            return _row(_ledger_name(path, ""), str(path), "missing", "the file does not exist")
        fetched = Fetched(path, str(path), is_mirrored=False, digest=sha256_of_file(path))
        name = _ledger_name(path, fetched.digest)
        day = date.fromisoformat(name.rsplit("-", 1)[0]) if _hour_of(name) is not None else None
        entry = self._convert(fetched, name, day)
        if day is not None and entry["state"] in FAILED:
            self._commit_failure(entry, day)
        return entry

    def hour(self, source: ArchiveSource, day: date, hour: int) -> Entry:
        """Fetch and ingest one hour of the archive; always leaves a ledger row."""
        name = hour_name(day, hour)
        failed: list[Entry] = []
        unreached: list[str] = []
        for attempt in source.fetch(day, hour, self.lake):
            with attempt as fetched:
                if fetched.path is not None:
                    entry = self._convert(fetched, name, day)
                    if entry["state"] in LOADED:
                        return entry
                    failed.insert(0, entry)
                elif fetched.is_absent:
                    failed.append(_row(name, fetched.source, "missing", fetched.reason))
                else:
                    unreached.append(fetched.reason)
        if unreached:
            raise TransientFailure(
                f"The archive hour {name} could not be fetched: {unreached[0]}.",
                "Check the network and archive.sources, then run the day again.",
            )
        return self._commit_failure(failed[0], day)

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
        """
        partition = self.lake.partition(SOURCE, TABLE, day)
        known = {entry["name"]: entry for entry in partition.entries()}
        names = {hour_name(day, hour): hour for hour in range(24)}
        todo = [
            hour
            for name, hour in names.items()
            if refresh or known.get(name, {}).get("state") not in LOADED - {"thin"}
        ]
        with ThreadPoolExecutor(self.settings.workers, thread_name_prefix="hour") as pool:
            for entry in pool.map(lambda hour: self.hour(source, day, hour), todo):
                if progress:
                    progress(entry)
        partition.prune()
        return [entry for entry in partition.entries() if entry["name"] in names]

    def _commit_failure(self, row: Entry, day: date) -> Entry:
        """Write a failure into the ledger, unless the hour was loaded before."""
        partition = self.lake.partition(SOURCE, TABLE, day)
        row["hour"] = _hour_of(row["name"])
        known = partition.entry(row["name"])
        if known is not None and known["state"] in LOADED:
            return row
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
        with self.lake.temporary(".parquet") as parquet:
            try:
                lines, landed = self._land(path, parquet)
            except Unreadable as error:
                return self._refuse(row, path, error.state, error.reason)
            except landing.Refused as error:
                return self._refuse(row, path, "refused", str(error))
            bad = sorted([*landed.bad_lines, *_too_long(lines, self.bounds)], key=_number)
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
            self._quarantine_lines(row, Path(fetched.source).name, bad)
            day = day or (landed.first_created_at or datetime.now(UTC)).date()
            row["state"], row["reason"] = self._state(row, day)
            self._keep_unmodelled(row, day)
            return self.lake.partition(SOURCE, TABLE, day).commit(row, parquet)

    def _land(self, path: Path, parquet: Path) -> tuple[LineSummary, landing.Landed]:
        worker = self._worker()
        if _is_parquet(path):
            parquet_form.to_lines(worker.connection, path, worker.scratch)
            path = worker.scratch
        lines = copy_lines(path, worker.lines, self.bounds, worker.hasher)
        expected = lines.line_count - len(lines.long_lines)
        files = landing.Files(worker.lines, worker.scratch, parquet)
        landed = landing.land(worker.connection, files, expected, self.bounds.max_line_bytes)
        worker.landed = landed.read
        return lines, landed

    def _keep_unmodelled(self, row: Entry, day: date) -> None:
        """Keep the payloads that the declared columns do not hold, if there are any."""
        if not row["new_keys"]:
            return
        worker = self._worker()
        with self.lake.temporary(".parquet") as parquet:
            count = landing.copy_unmodelled(
                worker.connection, worker.landed, row["new_keys"], parquet
            )
            entry = {key: row[key] for key in ("name", "source", "source_sha256", "fetched_at")}
            entry.update(state="ok", row_count=count, schema_version=row["schema_version"])
            self.lake.partition(SOURCE, UNMODELLED, day).commit(entry, parquet)

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
        if not row["line_count"]:
            return "thin", "the file has no lines"
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
        folder = self.lake.quarantine(SOURCE, row["name"])
        kept = folder / f"{row['source_sha256'][:12]}.bytes"
        if not kept.exists():
            with self.lake.temporary() as temporary:
                shutil.copyfile(path, temporary)
                temporary.replace(kept)
        return row

    def _quarantine_lines(self, row: Entry, file: str, bad: Iterable[landing.BadLine]) -> None:
        text = "".join(line.as_json(file) + "\n" for line in bad)
        if text:
            folder = self.lake.quarantine(SOURCE, row["name"])
            write_atomically(folder / f"{row['source_sha256'][:12]}.lines.jsonl", text)


class _Worker:
    """A thread's own connection and files; the files are written over from hour to hour."""

    def __init__(self, ingester: Ingester) -> None:
        import os
        import secrets

        folder = ingester.lake.root / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        stem = folder / f"{os.getpid()}-{secrets.token_hex(6)}"
        self.lines = stem.with_suffix(".lines")
        self.scratch = stem.with_suffix(".good")
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
    counts = ("line", "event", "duplicate", "malformed", "actor", "repository")
    row: dict[str, Any] = {"name": name, "hour": None, "state": state, "reason": reason}
    row.update(source=source, is_mirrored=False, source_bytes=0, source_sha256=None)
    row.update({f"{count}_count": 0 for count in counts})
    row.update(first_created_at=None, last_created_at=None, eras={}, types={}, new_keys={})
    row.update(schema_version=shapes.SCHEMA_VERSION, fetched_at=_iso(datetime.now(UTC)))
    row["client_version"] = f"osmoscope {version('osmoscope')}"
    return row


def _ledger_name(path: Path, digest: str) -> str:
    """`2015-01-01-0` for an hour of the archive, else a name with a hash of the content."""
    stem = path.name
    for suffix in (".gz", ".json", ".jsonl", ".parquet"):
        stem = stem.removesuffix(suffix)
    return stem if _hour_of(stem) is not None else f"{stem}-{digest[:8]}".rstrip("-")


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
