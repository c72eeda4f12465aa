"""Commits and discussions of single Hub repositories, asked for where there can be news.

Belongs here: which repositories of a day's listing are asked, the ledger of what each answered,
the checkpoint of a night under way. Does not belong here: HTTP (orchestration.clients.huggingface)
and the meaning of keys (normalise).

The most liked repositories of the listing are asked. A repository's commits are asked for again
only when its `lastModified` has moved; its discussions every night, as `lastModified` does not
move when one is opened. The ledger (`raw/huggingface/histories`) says of each repository what it
answered and how far it was known then.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from filelock import FileLock, Timeout

from assets.github.landing import literal
from assets.github.lines import Unreadable
from assets.huggingface import normalise
from assets.huggingface.normalise import COMMITS, DISCUSSIONS, HISTORIES, MODELS, SCHEMAS
from assets.huggingface.snapshot import API_NAME, SOURCE, Batch, Snapshotter, new_row
from orchestration.clients.huggingface import History, HistoryPages
from orchestration.failures import PermanentFailure, TransientFailure
from orchestration.lake import Entry, write_atomically

# Repositories between two checkpoints: what a kill can cost.
CHUNK = 50
_KEYS = {COMMITS: "commit", DISCUSSIONS: "discussion"}


@dataclass(frozen=True)
class Wanted:
    """A repository to ask, and whether its commits can have changed."""

    kind: str
    name: str
    last_modified_at: str | None
    with_commits: bool


@dataclass
class Histories:
    """One night's reading of histories.

    Attributes:
        owner: the lake, the hashing of addresses and the parser.
        pages: the client.
        observed_on: day of observation; its listing must be loaded.
        limit: how many of the most liked repositories are asked.
    """

    owner: Snapshotter
    pages: HistoryPages
    observed_on: date
    limit: int
    state: dict[str, Any] = field(init=False, default_factory=dict)

    def run(self) -> list[Entry]:
        """Read what is wanted and load it into the day; goes on where a killed run stopped.

        Returns:
            The ledger rows of commits and discussions; of the day's earlier reading where the
            day is loaded.

        Raises:
            TransientFailure: the Hub cannot be reached, or another process is reading.
            PermanentFailure: the Hub refuses.
        """
        known = [
            self._partition(table).entry(API_NAME) for table in (COMMITS, DISCUSSIONS, HISTORIES)
        ]
        digest = self._asked("")
        if all(row is not None and row["source_sha256"] == digest for row in known):
            return [row for row in known[:2] if row is not None]
        with self._locked():
            wanted = self.wanted()
            self._begin(wanted)
            for start in range(self.state["done"], len(wanted), CHUNK):
                self._read(wanted[start : start + CHUNK])
                self.owner.tell(f"histories: {self.state['done']} of {len(wanted)} repositories")
            return self._commit(digest)

    def wanted(self) -> list[Wanted]:
        """The most liked repositories of the day's listing, with what is new of each.

        One whose history was refused before is asked again when it has changed.
        """
        listed = self.owner.partition(MODELS, self.observed_on).current_files()
        if not listed:
            return []
        ledger = self._newest_ledger()
        rows = self.owner.connection.execute(
            f"""
            with listed as (
                select repository_type, repository_name, last_modified_at
                from {_files(listed)}
                where repository_name is not null and not coalesce(is_private, false)
                qualify row_number() over (
                    partition by repository_type, repository_name
                    order by like_count desc nulls last
                ) = 1
                order by like_count desc nulls last, repository_name
                limit {self.limit}
            ),
            known as (
                select repository_type, repository_name, last_modified_at
                from {_files(ledger) if ledger else _NO_LEDGER}
            )
            select
                listed.repository_type, listed.repository_name,
                listed.last_modified_at::varchar,
                known.repository_name is null
                    or listed.last_modified_at is distinct from known.last_modified_at
            from listed
            left join known using (repository_type, repository_name)
            order by listed.repository_type, listed.repository_name
            """
        ).fetchall()
        return [Wanted(*row) for row in rows]

    def _newest_ledger(self) -> list[Path]:
        """The ledger of the last day before; one day says all.

        Its commits were asked for as of each row's `last_modified_at`: on that day, or earlier and
        `lastModified` had not moved. So a night opens one ledger, however many there are.
        """
        earlier = [d for d in self.owner.lake.days(SOURCE, HISTORIES) if d < self.observed_on]
        if not earlier:
            return []
        return self.owner.lake.partition(SOURCE, HISTORIES, earlier[-1]).current_files()

    def _partition(self, table: str) -> Any:
        return self.owner.lake.partition(SOURCE, table, self.observed_on)

    @property
    def _folder(self) -> Path:
        return self.owner.lake.root / "checkpoints" / SOURCE / HISTORIES

    def _asked(self, wanted: str) -> str:
        """Digest of what has to be equal for a checkpoint, or a loaded day, to be of use."""
        parts = (normalise.SCHEMA_VERSION, self.observed_on, self.pages.endpoint, self.limit)
        text = json.dumps([*map(str, parts), wanted])
        return sha256(b"histories" + self.owner.salt + text.encode()).hexdigest()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._folder.with_name(f".{HISTORIES}.lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise TransientFailure(
                "Another process is reading histories of the Hub.", "Wait for it, or stop it."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def _begin(self, wanted: Sequence[Wanted]) -> None:
        """Take up the checkpoint where it is of the same work, or begin anew."""
        asked = self._asked(json.dumps([vars(one) for one in wanted]))
        try:
            state = json.loads((self._folder / "checkpoint.json").read_text(encoding="utf-8"))
            is_ours = state["asked"] == asked and all(
                self._part(table, number).is_file()
                for table in (COMMITS, DISCUSSIONS, HISTORIES)
                for number in range(1, state["parts"] + 1)
            )
        except (OSError, ValueError, KeyError, TypeError):
            is_ours = False
        if is_ours:
            self.state = state
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self.state = {"asked": asked, "done": 0, "parts": 0, "outcomes": {}}

    def _part(self, table: str, number: int) -> Path:
        return self._folder / f"{table}-{number:06d}.jsonl"

    def _read(self, chunk: Sequence[Wanted]) -> None:
        """Ask for some repositories, keep what they answered, and leave a checkpoint."""
        lines: dict[str, list[bytes]] = {COMMITS: [], DISCUSSIONS: [], HISTORIES: []}
        for one in chunk:
            row: dict[str, Any] = {
                "repository_type": one.kind,
                "repository_name": one.name,
                "last_modified_at": one.last_modified_at,
            }
            if one.with_commits:
                self._ask(COMMITS, self.pages.commits, one, row, lines)
            self._ask(DISCUSSIONS, self.pages.discussions, one, row, lines)
            lines[HISTORIES].append(orjson.dumps(row))
        number = self.state["parts"] + 1
        for table, found in lines.items():
            # Addresses are gone before anything is written.
            hashed = self.owner.hashed(list(enumerate(found)))
            text = "".join(line.decode() + "\n" for _, line in hashed)
            write_atomically(self._part(table, number), text)
        self.state.update(done=self.state["done"] + len(chunk), parts=number)
        write_atomically(self._folder / "checkpoint.json", json.dumps(self.state) + "\n")

    def _ask(
        self,
        table: str,
        asked: Callable[[str, str], History],
        one: Wanted,
        row: dict[str, Any],
        lines: dict[str, list[bytes]],
    ) -> None:
        history = asked(one.kind, one.name)
        key = _KEYS[table]
        row[f"{table}_outcome"] = history.outcome
        row[f"{key}_count"] = len(history.items) if history.outcome == "ok" else None
        outcomes = self.state["outcomes"].setdefault(table, {})
        outcomes[history.outcome] = outcomes.get(history.outcome, 0) + 1
        head = {"repo_id": one.name, "repo_type": one.kind}
        # The lenient writer: a text with half a surrogate pair is refused by line, not by page.
        lines[table] += [json.dumps({**head, key: item}).encode() for item in history.items]

    def _commit(self, digest: str) -> list[Entry]:
        """Convert what was read, switch the day's manifests, remove the checkpoint."""
        numbers = range(1, self.state["parts"] + 1)
        rows = []
        for table in (COMMITS, DISCUSSIONS):
            row = self._row(digest)
            with self.owner.lake.temporary(".parquet") as parquet:
                self._convert(
                    table, [self._part(table, number) for number in numbers], row, parquet
                )
                rows.append(self._partition(table).commit(row, parquet))
            self._partition(table).prune()
        with self.owner.lake.temporary(".parquet") as parquet:
            self._write_ledger([self._part(HISTORIES, number) for number in numbers], parquet)
            row = self._row(digest) | {"row_count": self.state["done"]}
            # Last: without this row the day is read again, with it all three are complete.
            self._partition(HISTORIES).commit(row, parquet)
        self._partition(HISTORIES).prune()
        shutil.rmtree(self._folder, ignore_errors=True)
        return rows

    def _row(self, digest: str) -> Entry:
        row = new_row(API_NAME, self.pages.endpoint, self.observed_on)
        row.update(source_form=normalise.API, source_sha256=digest)
        return row

    def _convert(self, table: str, parts: Sequence[Path], row: Entry, parquet: Path) -> None:
        """Write the acts of all parts to one file; fills the counts and the state of the row.

        Raises:
            PermanentFailure: most of them cannot be read.
        """
        outcomes = sorted(self.state["outcomes"].get(table, {}).items())
        told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes)
        if not any(part.stat().st_size for part in parts):
            normalise.combine(self.owner.connection, table, [], parquet)
        else:
            blocks = (part.read_bytes() for part in parts)
            batches = (Batch(lines, []) for lines in normalise.batches(blocks))
            try:
                bad = self.owner.convert(table, normalise.API_DUMP, batches, row, parquet)
            except Unreadable as error:
                raise PermanentFailure(
                    f"The Hub's {table} cannot be used: {error.reason}.",
                    "Check huggingface.endpoint; if the Hub changed its form, update Osmoscope.",
                ) from error
            named = {**row, "name": f"{API_NAME}-{table}-{self.observed_on}"}
            self.owner.quarantine(named, f"{table} of {self.pages.endpoint}", bad)
        row["reason"] = f"repositories: {told}" if told else None

    def _write_ledger(self, parts: Sequence[Path], parquet: Path) -> None:
        columns = ", ".join(f"\"{name}\": '{kind}'" for name, kind in SCHEMAS[HISTORIES].items())
        source = (
            f"read_json([{', '.join(map(literal, parts))}], format = 'newline_delimited', "
            f"columns = {{{columns}}})"
            if parts
            else _NO_LEDGER
        )
        self.owner.connection.execute(
            f"""
            copy (
                select * replace ($observed_at::timestamp as observed_at) from {source}
                order by repository_type, repository_name
            ) to {literal(parquet)} (format parquet, compression zstd)
            """,
            {"observed_at": datetime.combine(self.observed_on, datetime.min.time())},
        )


_NO_LEDGER = (
    "(select "
    + ", ".join(f'null::{kind} as "{name}"' for name, kind in SCHEMAS[HISTORIES].items())
    + " where false)"
)


def _files(paths: Sequence[Path]) -> str:
    return f"read_parquet([{', '.join(map(literal, paths))}], union_by_name = true)"
