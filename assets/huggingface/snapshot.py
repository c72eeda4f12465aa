"""The Hub on one day of observation, from dump files or the live API, into the lake.

Belongs here: the order of the steps, the states of a file, quarantine, the checkpoint of a
listing, what is not read again. Does not belong here: HTTP (orchestration.clients.huggingface)
and the meaning of keys (normalise).

A listing of two million models takes longer than many processes live. Each page becomes a
Parquet part, and the cursor is written after it, so that a kill costs one page; the parts are
one file of the lake only when the last page is in.

Every listing is read to its end, every night, although newest first it could stop at what is known:
likes and downloads of all repositories, and which of them are gone, are observed here and nowhere
else, and two million models are 2,000 requests, ten minutes of one account's limit.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from hashlib import sha256
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
from filelock import FileLock, Timeout

from assets.github import landing
from assets.github.landing import BadLine
from assets.github.lines import AddressHasher, Bounds, LineSummary, Unreadable, blocks_of_lines
from assets.huggingface import normalise
from orchestration.clients.huggingface import CursorRefused, Page, RepositoryPages
from orchestration.failures import PermanentFailure, TransientFailure
from orchestration.lake import Entry, Lake, Partition, safe_name, sha256_of_file, write_atomically

SOURCE = "huggingface"
TABLES = tuple(normalise.SCHEMAS)
# States whose rows are in the lake.
LOADED = frozenset({"ok", "malformed_lines"})
API_NAME = "api"
LIMIT_SETTING = "huggingface.model_limit"
# The whole Hub in the API's form has about 10 GB.
BOUNDS = Bounds(max_file_bytes=64 * 1024**3)
MEMORY_MEGABYTES = 800
# Above this share of bad lines (and this many) a file is no dump and is refused whole.
MOST_BAD_SHARE = 0.5
FEW_BAD = 100
# Bad lines that are kept of one file or listing, each up to 64 KiB; all are counted.
MOST_KEPT_LINES = 1_000
PARQUET_MAGIC = b"PAR1"
CHECKPOINT_FORMAT = 1
Numbered = list[tuple[int, bytes]]
Progress = Callable[[str], None]


@dataclass
class Snapshotter:
    """What all files and pages of one run share.

    Attributes:
        lake: where rows go.
        salt: the installation's salt for addresses, at least 16 bytes.
        keep_email_domain: keep the domain beside the hash of an address.
        bounds: how much of an untrusted file is accepted.
        progress: told in one line what is done.
    """

    lake: Lake
    salt: bytes
    keep_email_domain: bool = False
    bounds: Bounds = BOUNDS
    progress: Progress | None = None
    memory_megabytes: int = MEMORY_MEGABYTES

    def __post_init__(self) -> None:
        if len(self.salt) < 16:
            raise PermanentFailure("The salt for e-mail addresses is shorter than 16 bytes.")
        self._hasher = AddressHasher(self.salt, self.keep_email_domain)

    def prepare(self) -> None:
        """Clear what killed runs left."""
        self.lake.clean()

    def ingest_dump(self, paths: Sequence[Path], observed_on: date) -> list[Entry]:
        """Load the files of a dump into the day it describes; returns their ledger rows.

        A file's table and form are told by its content: JSON lines (plain or gzip) of models,
        commits or discussions, or hub-stats Parquet of models. A file is known by its name: a
        corrected file of the same name replaces the earlier one. A file whose bytes are loaded
        for that day is not read again; a bad one never replaces a loaded one.

        Raises:
            PermanentFailure: two files have the same name.
        """
        _refuse_equal_names(paths)
        entries = []
        for path in paths:
            entry = self._dump_file(path, observed_on)
            entries.append(entry)
            self.tell(f"{entry['name']}: {entry['state']}, {entry['row_count']} rows")
        for table in TABLES:
            if (partition := self.partition(table, observed_on)).manifest.exists():
                partition.prune()
        return entries

    def ingest_api(
        self,
        pages: RepositoryPages,
        observed_on: date,
        limit: int | None = None,
        refresh: bool = False,
    ) -> Entry:
        """List one type of repository and load it into the day; goes on where a run was killed.

        Args:
            pages: the pager; its first address tells whether a checkpoint fits.
            observed_on: today, UTC. The Hub answers for now only.
            limit: stop after so many repositories.
            refresh: list again where the day is loaded.

        Raises:
            TransientFailure: the Hub cannot be reached, or another process is listing it.
            PermanentFailure: the Hub refuses.
        """
        table = normalise.LISTINGS[pages.kind]
        known = self.partition(table, observed_on).entry(API_NAME)
        if known is not None and not refresh and _answers(known, table, pages.first_url, limit):
            return known
        with self._listing(pages, observed_on, limit) as listing:
            if known is not None and listing.is_of(known):
                listing.restart()
            try:
                listing.run()
            except CursorRefused:
                # A cursor of hours ago may have expired; the first page always exists.
                listing.restart()
                listing.run()
            return listing.commit()

    @contextmanager
    def _listing(
        self, pages: RepositoryPages, observed_on: date, limit: int | None
    ) -> Iterator["_Listing"]:
        table = normalise.LISTINGS[pages.kind]
        folder = self.lake.root / "checkpoints" / SOURCE / table
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(f".{table}.lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise TransientFailure(
                "Another process is listing the Hub.", "Wait for it, or stop it."
            ) from None
        try:
            yield _Listing(self, pages, observed_on, limit, folder)
        finally:
            lock.release()

    def _dump_file(self, path: Path, observed_on: date) -> Entry:
        row = new_row(_ledger_name(path), str(path), observed_on)
        if not path.is_file():
            row.update(state="missing", reason="there is no such file")
            return self._commit_failure(row, observed_on, normalise.MODELS)
        row.update(source_bytes=path.stat().st_size, source_sha256=sha256_of_file(path))
        known = self._loaded(row["source_sha256"], observed_on)
        if known is not None:
            return known
        table = normalise.MODELS
        try:
            table, form, batches = self._open(path)
            row["source_form"] = form
            with self.lake.temporary(".parquet") as parquet:
                bad = self.convert(table, form, batches, row, parquet)
                self.quarantine(row, path.name, bad)
                return self.partition(table, observed_on).commit(row, parquet)
        except Unreadable as error:
            row.update(state=error.state, reason=error.reason)
            self.lake.keep_bytes(SOURCE, row["name"], row["source_sha256"], path)
            return self._commit_failure(row, observed_on, table)

    def _open(self, path: Path) -> tuple[str, str, Iterator["Batch"]]:
        """Table, form and numbered lines of a file.

        Raises:
            Unreadable: also while the lines are read.
        """
        with path.open("rb") as stream:
            is_parquet = stream.read(4) == PARQUET_MAGIC
        if is_parquet:
            return normalise.MODELS, normalise.HUB_STATS, self._parquet_batches(path)
        for batch in self._line_batches(path):
            for _, line in batch.lines:
                found = normalise.form_of(line)
                if found is not None:
                    return *found, self._line_batches(path)
            # Hundreds of lines that tell nothing: not worth unpacking the rest.
            break
        raise Unreadable("refused", "no line of it is a model, commit or discussion in JSON")

    def _line_batches(self, path: Path) -> Iterator["Batch"]:
        summary = LineSummary()
        blocks = (self._hasher(block) for block in blocks_of_lines(path, self.bounds, summary))
        told = 0
        for lines in normalise.batches(blocks):
            yield Batch(lines, self._too_long(summary, told))
            told = len(summary.long_lines)
        yield Batch([], self._too_long(summary, told))

    def _too_long(self, summary: LineSummary, start: int) -> list[BadLine]:
        reason = f"the line is longer than {self.bounds.max_line_bytes} bytes"
        return [
            BadLine(line.number, reason, line.length, line.sha256, self._hasher(line.sample))
            for line in summary.long_lines[start:]
        ]

    def _parquet_batches(self, path: Path) -> Iterator["Batch"]:
        size = 0
        try:
            for rows in normalise.hub_stats_lines(self.connection, path):
                size += sum(len(line) for _, line in rows)
                if size > self.bounds.max_file_bytes:
                    raise Unreadable(
                        "corrupt", f"unpacks to more than {self.bounds.max_file_bytes} bytes"
                    )
                long = [row for row in rows if len(row[1]) > self.bounds.max_line_bytes]
                yield Batch(
                    self.hashed([row for row in rows if len(row[1]) <= self.bounds.max_line_bytes]),
                    [
                        normalise.bad_line(number, self._hasher(line), "the row is too long")
                        for number, line in long
                    ],
                )
        except ValueError as error:
            raise Unreadable("refused", str(error)) from error
        except duckdb.Error as error:
            state = "corrupt" if _ends_with(path, PARQUET_MAGIC) else "truncated"
            reason = f"cannot be read as Parquet ({type(error).__name__})"
            raise Unreadable(state, reason) from error

    def hashed(self, lines: Numbered) -> Numbered:
        """Lines without e-mail addresses; each is valid JSON without line feeds."""
        block = self._hasher(b"".join(line + b"\n" for _, line in lines))
        return [
            (number, line) for (number, _), line in zip(lines, block.split(b"\n")[:-1], strict=True)
        ]

    def convert(
        self, table: str, form: str, batches: Iterable["Batch"], row: Entry, parquet: Path
    ) -> list[BadLine]:
        """Write all good lines to one file; fills the counts and the state of the row."""
        bad: list[BadLine] = []
        malformed = good = 0
        with self._parts() as folder:
            parts: list[Path] = []
            for batch in batches:
                part = folder / f"{len(parts):06d}.parquet"
                done = normalise.normalise(
                    self.connection, form, table, batch.lines, _observed(row), part
                )
                parts.append(part)
                good += done.row_count
                malformed += len(done.bad_lines) + len(batch.bad_lines)
                if malformed > FEW_BAD and malformed > (good + malformed) * MOST_BAD_SHARE:
                    raise Unreadable("refused", f"{malformed} of its lines are no {table}")
                bad += [*done.bad_lines, *batch.bad_lines][: MOST_KEPT_LINES - len(bad)]
            if not good:
                raise Unreadable("refused", f"none of its lines is one of {table}")
            written, dropped = normalise.combine(self.connection, table, parts, parquet)
        row.update(row_count=written, duplicate_count=dropped, malformed_count=malformed)
        row["state"], row["reason"] = _state(malformed)
        return sorted(bad, key=lambda line: line.number)

    @contextmanager
    def _parts(self) -> Iterator[Path]:
        with self.lake.temporary() as folder:
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        spill = self.lake.scratch().with_suffix(".spill")
        connection = landing.connect(self.memory_megabytes, spill)
        normalise.prepare(connection)
        return connection

    def partition(self, table: str, day: date) -> Partition:
        return self.lake.partition(SOURCE, table, day)

    def _loaded(self, digest: str, observed_on: date) -> Entry | None:
        """The row of a file with these bytes that is loaded for the day, if there is one."""
        for table in TABLES:
            for entry in self.partition(table, observed_on).entries():
                if entry["source_sha256"] == digest and is_current(entry):
                    return entry
        return None

    def _commit_failure(self, row: Entry, observed_on: date, table: str) -> Entry:
        """Write a failure into the ledger, unless the file was loaded before."""
        for other in TABLES:
            known = self.partition(other, observed_on).entry(row["name"])
            if known is not None and known["state"] in LOADED:
                return row
        return self.partition(table, observed_on).commit(row)

    def quarantine(self, row: Entry, file: str, bad: Iterable[BadLine]) -> None:
        self.keep_lines(row, "".join(line.as_json(file) + "\n" for line in bad))

    def keep_lines(self, row: Entry, text: str) -> None:
        if text:
            folder = self.lake.quarantine(SOURCE, row["name"])
            write_atomically(folder / f"{row['source_sha256'][:12]}.lines.jsonl", text)

    def tell(self, text: str) -> None:
        if self.progress is not None:
            self.progress(text)


@dataclass
class _Listing:
    """A listing under way, and its checkpoint on disk.

    The folder holds `part-000001.parquet` and `bad-000001.jsonl` for each page, and
    `checkpoint.json`, which is written after them: what it does not count does not exist.
    """

    owner: Snapshotter
    pages: RepositoryPages
    observed_on: date
    limit: int | None
    folder: Path
    state: dict[str, Any] = field(init=False)
    table: str = field(init=False)

    def __post_init__(self) -> None:
        self.table = normalise.LISTINGS[self.pages.kind]
        kept = self._read()
        if kept is None:
            self.restart()
        else:
            self.state = kept

    @property
    def _file(self) -> Path:
        return self.folder / "checkpoint.json"

    def _asked(self) -> dict[str, Any]:
        """What has to be equal for a checkpoint to be of use."""
        return {
            "format": CHECKPOINT_FORMAT,
            "schema_version": normalise.SCHEMA_VERSION,
            "observed_on": self.observed_on.isoformat(),
            "first_url": self.pages.first_url,
            "limit": self.limit,
            # Parts of another salt would hold other hashes; the salt itself is not told.
            "salt": sha256(b"checkpoint" + self.owner.salt).hexdigest()[:16],
        }

    def _read(self) -> dict[str, Any] | None:
        try:
            state: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
            is_ours = {key: state[key] for key in self._asked()} == self._asked()
            parts = [self._part(number) for number in range(1, state["page_count"] + 1)]
            has_counts = all(isinstance(state[key], int) for key in _COUNTS)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return state if is_ours and has_counts and all(part.is_file() for part in parts) else None

    def is_of(self, entry: Entry) -> bool:
        """Whether the pages are complete and loaded: a kill left them after the commit."""
        is_complete = self.state["next_url"] is None
        return is_complete and entry["source_sha256"] == self.state["digest"]

    def restart(self) -> None:
        """Forget all pages."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = self._asked() | dict.fromkeys(_COUNTS, 0)
        self.state.update(next_url=self.pages.first_url, digest="")

    def run(self) -> None:
        """Read pages until the last; leaves a checkpoint after each."""
        if self.state["page_count"]:
            self.owner.tell(f"going on after page {self.state['page_count']}")
        if self.state["next_url"] is None:
            return
        for page in self.pages.walk(self.state["next_url"]):
            self._keep(page)
            self.owner.tell(
                f"page {self.state['page_count']}: {self.state['item_count']} {self.table} so far"
            )
            if self.state["next_url"] is None:
                return

    def _part(self, number: int) -> Path:
        return self.folder / f"part-{number:06d}.parquet"

    def _bad(self, number: int) -> Path:
        return self.folder / f"bad-{number:06d}.jsonl"

    def _keep(self, page: Page) -> None:
        state = self.state
        left = None if self.limit is None else self.limit - state["item_count"]
        items = list(islice(page.items, left))
        number = state["page_count"] + 1
        lines = self.owner.hashed(list(enumerate(items, state["item_count"] + 1)))
        observed_at = datetime.combine(self.observed_on, datetime.min.time())
        with self.owner.lake.temporary(".parquet") as parquet:
            done = normalise.normalise(
                self.owner.connection, normalise.API, self.table, lines, observed_at, parquet
            )
            with parquet.open("rb") as stream:
                os.fsync(stream.fileno())
            parquet.replace(self._part(number))
        kept = done.bad_lines[: max(0, MOST_KEPT_LINES - state["malformed_count"])]
        text = "".join(line.as_json(f"page {number}") + "\n" for line in kept)
        write_atomically(self._bad(number), text)
        is_last = left is not None and len(items) >= left
        content = sha256(b"\n".join(items)).hexdigest()
        state.update(
            page_count=number,
            item_count=state["item_count"] + len(items),
            malformed_count=state["malformed_count"] + len(done.bad_lines),
            byte_count=state["byte_count"] + page.byte_count,
            digest=sha256(f"{state['digest']} {content}".encode()).hexdigest(),
            next_url=None if is_last else page.next_url,
        )
        write_atomically(self._file, json.dumps(state, indent=1) + "\n")

    def commit(self) -> Entry:
        """Put the parts together, switch the day's manifest, remove the checkpoint."""
        owner, state = self.owner, self.state
        numbers = range(1, state["page_count"] + 1)
        row = new_row(API_NAME, self.pages.first_url, self.observed_on)
        row.update(source_form=normalise.API, source_bytes=state["byte_count"])
        row.update(source_sha256=state["digest"], malformed_count=state["malformed_count"])
        # A Hub may have no data sets or spaces; one without models is none.
        is_empty = not state["item_count"] and self.table == normalise.MODELS
        if is_empty or state["malformed_count"] > max(
            FEW_BAD, state["item_count"] * MOST_BAD_SHARE
        ):
            self.restart()
            raise PermanentFailure(
                f"The Hub's listing holds {state['item_count']} {self.table}, of which "
                f"{state['malformed_count']} cannot be read.",
                "Check huggingface.endpoint; if the Hub changed its form, update Osmoscope.",
            )
        with owner.lake.temporary(".parquet") as parquet:
            row["row_count"], row["duplicate_count"] = normalise.combine(
                owner.connection,
                self.table,
                [self._part(number) for number in numbers],
                parquet,
            )
            row["state"], row["reason"] = _api_state(
                state["malformed_count"], self.table, self.limit
            )
            text = "".join(self._bad(number).read_text("utf-8") for number in numbers)
            # All types have a row of this name; what was set aside lies apart.
            is_models = self.table == normalise.MODELS
            owner.keep_lines(row if is_models else {**row, "name": f"api-{self.table}"}, text)
            partition = owner.partition(self.table, self.observed_on)
            row = partition.commit(row, parquet)
            partition.prune()
        shutil.rmtree(self.folder, ignore_errors=True)
        return row


_COUNTS = ("page_count", "item_count", "malformed_count", "byte_count")


@dataclass(frozen=True)
class Batch:
    """Some numbered lines of a file, and those that were too long to be kept."""

    lines: Numbered
    bad_lines: list[BadLine]


def new_row(name: str, source: str, observed_on: date) -> Entry:
    """A ledger row with nothing loaded."""
    return {
        "name": name,
        "state": "ok",
        "reason": None,
        "source": source,
        "row_count": 0,
        "malformed_count": 0,
        "duplicate_count": 0,
        "source_bytes": 0,
        "source_sha256": None,
        "observed_at": datetime.combine(observed_on, datetime.min.time()).isoformat(),
        "source_form": None,
        "schema_version": normalise.SCHEMA_VERSION,
        "fetched_at": datetime.now(UTC).replace(tzinfo=None, microsecond=0).isoformat(),
        "client_version": f"osmoscope {version('osmoscope')}",
    }


def _observed(row: Entry) -> datetime:
    """Midnight of the day of observation: equal input gives equal bytes at any hour."""
    return datetime.fromisoformat(row["observed_at"])


def _state(malformed: int) -> tuple[str, str | None]:
    return (
        ("malformed_lines", f"{malformed} lines are in quarantine") if malformed else ("ok", None)
    )


def _api_state(malformed: int, table: str, limit: int | None) -> tuple[str, str | None]:
    """State and reason of a finished listing."""
    state, reason = _state(malformed)
    if limit is not None:
        limited = f"limited to {limit} {table} by {LIMIT_SETTING}"
        reason = limited if reason is None else f"{reason}; {limited}"
    return state, reason


def _answers(entry: Entry, table: str, first_url: str, limit: int | None) -> bool:
    """Whether a loaded listing is what would be asked for again."""
    reason = _api_state(entry["malformed_count"], table, limit)[1]
    return is_current(entry) and (entry["source"], entry["reason"]) == (first_url, reason)


def is_current(entry: Entry) -> bool:
    """Whether a ledger row's rows are in the lake, in their present form."""
    return entry["state"] in LOADED and entry["schema_version"] == normalise.SCHEMA_VERSION


def _ledger_name(path: Path) -> str:
    """A file's name without the suffixes that tell its packing."""
    stem = path.name
    for suffix in (".gz", ".json", ".jsonl", ".ndjson", ".parquet"):
        stem = stem.removesuffix(suffix)
    # The API's own row must not be replaced by a file of that name.
    return safe_name(f"{stem}-file" if stem == API_NAME else stem or path.name)


def _refuse_equal_names(paths: Sequence[Path]) -> None:
    names = [_ledger_name(path) for path in paths]
    for name in names:
        if names.count(name) > 1:
            raise PermanentFailure(
                f"Two Hub dump files have the name {name}.", "Rename one in huggingface.dump."
            )


def _ends_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as stream:
        stream.seek(-len(magic), os.SEEK_END)
        return stream.read() == magic
