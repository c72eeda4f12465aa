"""The Parquet lake: where raw data lies, and how it gets there without half states.

Belongs here: paths, manifests, atomic commits, locks, clean-up of leftovers. Does not belong
here: what a source's rows mean (assets) or how they are queried (dbt).

Layout::

    <root>/raw/<source>/<table>/day=YYYY-MM-DD/manifest.json
    <root>/raw/<source>/<table>/day=YYYY-MM-DD/<name>.<hash>.parquet
    <root>/quarantine/<source>/<name>.<hash>.*
    <root>/tmp/

A manifest is the only truth about a partition: a Parquet file that no manifest names is a
leftover of a kill or an old version, and readers never see it. Switching the manifest is one
rename, so data and ledger change in the same instant.
"""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from orchestration.failures import PermanentFailure
from orchestration.parquet import asking_files

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MANIFEST = "manifest.json"
MANIFEST_FORMAT = 1
ANCHOR_DAY = date(1970, 1, 1)
HASH_DIGITS = 12
# A commit is two small writes; who waits longer than this waits for a stuck process.
LOCK_SECONDS = 60.0
# Files in tmp/ that are older belong to a process that was killed.
STALE_SECONDS = 24 * 3600.0
# No space, or none left of the user's share.
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# Bytes that were not loaded may hold what the lake never keeps.
PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600
FILE = 0o644
# Begins the names of files that are being written; who is killed leaves one.
UNFINISHED = ".unfinished-"

Entry = dict[str, Any]


def sha256_of_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def safe_name(name: str) -> str:
    """`name` as a file-name stem: letters, digits, `.`, `_`, `-`, at most 120 characters."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".")[:120]
    if not cleaned:
        raise PermanentFailure(f"The name {name!r} cannot be used for a file.", "Rename the file.")
    return cleaned


def write_atomically(path: Path, text: str) -> None:
    """Write text under a temporary name, flush it to disk and rename it to `path`."""
    write_whole(path, text.encode())


def write_whole(path: Path, content: bytes, mode: int = FILE) -> None:
    """Write bytes so that readers see the old file or the new one; its folder is made if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _unfinished(path, mode) as temporary:
        temporary.write_bytes(content)


@contextmanager
def writing(path: Path, remedy: str, mode: int = FILE) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place when the block ends well.

    Its folder is made if needed.

    Args:
        remedy: what to do where the folder cannot be written.
        mode: of the file from its beginning.

    Raises:
        PermanentFailure: there is no space, or the folder cannot be written; `path` is as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with told_when_full(path.parent), _unfinished(path, mode) as temporary:
            yield temporary
    except OSError as error:
        raise PermanentFailure(
            f"{path} cannot be written: {error.strerror or error}.", remedy
        ) from error


@contextmanager
def _unfinished(path: Path, mode: int) -> Iterator[Path]:
    temporary = path.with_name(f"{UNFINISHED}{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        # Where the folder is none, that is the failure to tell, and there is nothing to remove.
        with suppress(OSError):
            temporary.unlink()


def clear_unfinished(path: Path) -> None:
    """Delete what processes that were killed while they wrote this file left beside it."""
    # Older versions began the names with a point only.
    for left in path.parent.glob(f".*{path.name}.*.*"):
        number = left.name.rsplit(".", 2)[1]
        if not number.isdigit() or not is_running(int(number)):
            left.unlink(missing_ok=True)


def is_running(number: int) -> bool:
    """Whether a process of this number runs; one that has ended but is still listed does not.

    A killed process's children stay listed where the first process of a container does not look
    after them.
    """
    try:
        os.kill(number, 0)
        told = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except ProcessLookupError:
        return False
    except OSError:
        # Somebody else's, or a system without /proc.
        return True
    # Behind the name, which may hold anything.
    return told.rpartition(")")[2].split()[0] not in ("Z", "X")


def disk_is_full(folder: Path) -> PermanentFailure:
    """The failure to raise where a write under `folder` found no space."""
    return PermanentFailure(
        f"There is no space left for {folder}.",
        "Free space, or move data_dir to a larger disk; then run the day again.",
    )


@contextmanager
def told_when_full(folder: Path) -> Iterator[None]:
    """Turn the system's error for a full disk into a clear failure.

    Raises:
        PermanentFailure: a write under `folder` found no space.
    """
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise disk_is_full(folder) from error
        raise


def _checked_rows(document: Any) -> list[Entry]:
    """The rows of a manifest's document.

    Raises:
        ValueError, KeyError, TypeError: it is no manifest of this format.
    """
    if document["format"] != MANIFEST_FORMAT:
        raise ValueError(f"format {document['format']!r}")
    rows = document["entries"]
    if not isinstance(rows, list):
        raise ValueError("entries is no list")
    for row in rows:
        if not isinstance(row["name"], str):
            raise ValueError("a row has no name")
        file = row.get("file")
        # A name with a folder in it would read, or hide, what is not the partition's.
        if file is not None and (not isinstance(file, str) or Path(file).name != file):
            raise ValueError(f"the row {row['name']!r} names no file of its folder")
    return rows


@dataclass(frozen=True)
class Partition:
    """One day of one raw table."""

    source: str
    table: str
    day: date
    folder: Path

    @property
    def manifest(self) -> Path:
        return self.folder / MANIFEST

    def entries(self) -> list[Entry]:
        """The manifest's rows ordered by name; empty where the partition was never written.

        Raises:
            PermanentFailure: the manifest cannot be read.
        """
        try:
            return _checked_rows(json.loads(self.manifest.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PermanentFailure(
                f"The manifest {self.manifest} cannot be read ({error}).",
                "Delete the partition's folder and run its day again.",
            ) from error

    def entry(self, name: str) -> Entry | None:
        """The manifest's row of that name, if there is one."""
        return next((entry for entry in self.entries() if entry["name"] == name), None)

    def current_files(self) -> list[Path]:
        """The Parquet files that make up the current version."""
        return [self.folder / entry["file"] for entry in self.entries() if entry.get("file")]

    def content_hash(self) -> str:
        """SHA-256 over names and content hashes: equal content gives an equal hash."""
        lines = [f"{entry['name']} {entry.get('content_hash')}" for entry in self.entries()]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def commit(self, entry: Mapping[str, Any], parquet: Path | None = None) -> Entry:
        """Move a finished Parquet file into place and switch the manifest to it.

        Args:
            entry: the row to write; `name` is its key within the partition.
            parquet: a closed temporary file on the lake's file system; without it the row
                states that there is no data (`file` is null).

        Returns:
            The row as written, with `file`, `content_hash` and `lake_bytes`, and without the rows
            of opted-out accounts in `row_count`.
        """
        row: Entry = dict(entry)
        row.update(file=None, content_hash=None, lake_bytes=0)
        self.folder.mkdir(parents=True, exist_ok=True)
        if parquet is not None:
            gone = self._without_opted_out(parquet)
            if gone and "row_count" in row:
                row["row_count"] -= gone
            row["content_hash"] = sha256_of_file(parquet)
            row["lake_bytes"] = parquet.stat().st_size
            row["file"] = f"{safe_name(row['name'])}.{row['content_hash'][:HASH_DIGITS]}.parquet"
            with parquet.open("rb") as stream:
                os.fsync(stream.fileno())
        with self._lock():
            if parquet is not None:
                # Under the lock: a prune before the switch would delete what no row names yet.
                parquet.replace(self.folder / row["file"])
            kept = [known for known in self.entries() if known["name"] != row["name"]]
            self._write([*kept, row])
        return row

    def _without_opted_out(self, parquet: Path) -> int:
        """Take opted-out accounts out of a file, the one way into the lake; rows that are gone."""
        # The list of who opted out is a file that is written as those here are.
        from orchestration.privacy.optout import COMPILED

        root = self.folder.parents[3]
        if not (root / COMPILED).exists():
            return 0
        from orchestration.privacy.tables import mask

        return mask(root, self.source, self.table, parquet)

    def prune(self) -> int:
        """Delete Parquet files that the manifest does not name; returns how many.

        Manifests that killed processes did not finish go as well.
        """
        with self._lock():
            current = {path.name for path in self.current_files()}
            old = [path for path in self.folder.glob("*.parquet") if path.name not in current]
            for path in old:
                path.unlink(missing_ok=True)
            clear_unfinished(self.manifest)
        return len(old)

    def _lock(self) -> FileLock:
        self.folder.mkdir(parents=True, exist_ok=True)
        # A commit takes some milliseconds, so the usual poll of 50 is nearly all waiting.
        return FileLock(self.folder / ".lock", timeout=LOCK_SECONDS, poll_interval=0.002)

    def _write(self, entries: list[Entry]) -> None:
        head = {
            "format": MANIFEST_FORMAT,
            "source": self.source,
            "table": self.table,
            "day": self.day.isoformat(),
        }
        ordered = sorted(entries, key=lambda entry: str(entry["name"]))
        # A line for each row: Python's encoder is slow with indents, and the manifest of a
        # day is written for each of its hours.
        rows = ",\n".join(json.dumps(row, default=str) for row in ordered)
        text = f'{json.dumps(head)[:-1]}, "entries": [\n{rows}\n]}}\n'
        write_atomically(self.manifest, text)


class Lake:
    """The lake under one root folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def table_folder(self, source: str, table: str) -> Path:
        return self.root / "raw" / source / table

    def partition(self, source: str, table: str, day: date) -> Partition:
        folder = self.table_folder(source, table) / f"day={day.isoformat()}"
        return Partition(source, table, day, folder)

    def days(self, source: str, table: str) -> list[date]:
        """Days that have a manifest, ascending, without the anchor."""
        found = self.table_folder(source, table).glob(f"day=*/{MANIFEST}")
        days = sorted(date.fromisoformat(path.parent.name.removeprefix("day=")) for path in found)
        return [day for day in days if day != ANCHOR_DAY]

    def anchor(self, source: str, tables: Mapping[str, Mapping[str, str]]) -> None:
        """Make sure that tables can be read before their first day: a file with zero rows each.

        A file of another schema is replaced: whoever reads a table by its columns' names finds
        those that older files lack.

        Args:
            tables: column name to DuckDB type, by table.
        """
        with asking_files() as connection:
            for table, schema in tables.items():
                partition = self.partition(source, table, ANCHOR_DAY)
                target = partition.folder / "anchor.parquet"
                if not target.exists() or _columns_of(target, connection) != dict(schema):
                    with self.temporary(".parquet") as temporary:
                        _write_no_rows(temporary, schema, connection)
                        partition.folder.mkdir(parents=True, exist_ok=True)
                        temporary.replace(target)
                if not partition.manifest.exists():
                    partition._write([])

    @contextmanager
    def temporary(self, suffix: str = "") -> Iterator[Path]:
        """A path for a file that is gone afterwards unless it was moved away."""
        path = self.scratch().with_suffix(suffix)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def scratch(self) -> Path:
        """A new path in tmp/ that carries the process's number, so that `clean` knows it."""
        folder = self.root / "tmp"
        self.root.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        return folder / f"{os.getpid()}-{secrets.token_hex(6)}"

    def clean(self) -> int:
        """Delete what killed processes left in tmp/; returns how many files."""
        count = 0
        for path in (self.root / "tmp").glob("*"):
            try:
                is_old = time.time() - path.stat().st_mtime > STALE_SECONDS
                if is_old or _owner_is_gone(path.name):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                    count += 1
            except FileNotFoundError:
                # Its owner, or another process that cleans, was faster.
                continue
        return count

    def quarantine(self, source: str, name: str) -> Path:
        """Folder for what could not be loaded; created, and nobody else's to read."""
        self.root.mkdir(parents=True, exist_ok=True)
        folder = self.root
        for part in ("quarantine", source, safe_name(name)):
            folder = folder / part
            folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        return folder

    def keep_bytes(self, source: str, name: str, digest: str, path: Path) -> Path:
        """Copy a file that was not loaded into quarantine, as it is; returns the copy."""
        kept = self.quarantine(source, name) / f"{digest[:HASH_DIGITS]}.bytes"
        if not kept.exists():
            with self.temporary() as temporary:
                handle = os.open(temporary, os.O_WRONLY | os.O_CREAT, PRIVATE_FILE)
                with os.fdopen(handle, "wb") as out, path.open("rb") as stream:
                    shutil.copyfileobj(stream, out)
                temporary.replace(kept)
        return kept


def _quoted(path: Path) -> str:
    """A path as the inside of a SQL string literal (COPY takes no parameters)."""
    return str(path).replace("'", "''")


def _write_no_rows(
    parquet: Path, schema: Mapping[str, str], connection: "DuckDBPyConnection"
) -> None:
    """Write a file that has columns only."""
    columns = ", ".join(f'null::{kind} as "{name}"' for name, kind in schema.items())
    connection.execute(
        f"copy (select {columns} where false) to '{_quoted(parquet)}' "
        "(format parquet, compression zstd)"
    )


def _columns_of(parquet: Path, connection: "DuckDBPyConnection") -> dict[str, str]:
    """The DuckDB type of each column of a file."""
    found = connection.execute(
        f"describe select * from read_parquet('{_quoted(parquet)}', hive_partitioning = false)"
    ).fetchall()
    return {str(row[0]): str(row[1]) for row in found}


def _owner_is_gone(name: str) -> bool:
    """Whether the process that a temporary file's name starts with has ended."""
    number = name.split("-", 1)[0]
    return number.isdigit() and not is_running(int(number))
