"""The journal of a night of mining: what was asked, each page that came back, what it cost.

Belongs here: the SQLite file, its transactions, and what a restart finds. Does not belong here:
what is asked and what a page means (assets.mining and the sources), and the lake's files.

A page is one transaction: its rows, where the next page begins, its ETags, and what was spent. So a
kill costs the page in flight. Rows stay here until the night has landed in the lake; afterwards the
journal holds the newest answer to every question, which the lake's `answers` hold as well: a
journal that was lost is made again from them.
"""

import json
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.failures import PermanentFailure

FORMAT = 1
FAST = 1
# ETags that nothing asked for in so many days are forgotten.
ETAG_DAYS = 200
_SCHEMA = """
create table if not exists fact (name text primary key, value text) without rowid;
create table if not exists question (
    kind text, subject text, tier text, context text, cursor text,
    page_count integer default 0, is_done integer default 0,
    outcome text, reason text, name_now text, item_count integer,
    new_item_count integer default 0, seen text, is_changed integer,
    primary key (kind, subject)
) without rowid;
create index if not exists open_question on question (kind) where not is_done;
create table if not exists page (
    relation text, kind text, subject text, number integer, body blob,
    primary key (relation, kind, subject, number)
);
create table if not exists bad (kind text, subject text, number integer, line text);
create table if not exists known (
    kind text, subject text, outcome text, asked_on text, recheck_on text, seen text,
    item_count integer, name_now text, primary key (kind, subject)
) without rowid;
create table if not exists etag (
    url text primary key, account text, value text, is_landed integer, used_on text
) without rowid;
create table if not exists request (
    kind text, account text, hour text, call_count integer, not_modified_count integer,
    retry_count integer, refused_count integer, failed_count integer, waited_seconds real,
    received_bytes integer, limit_count integer, remaining_count integer, statuses text,
    primary key (kind, account, hour)
) without rowid;
"""
_UNLANDED = ("question", "page", "bad", "request")


@dataclass(frozen=True)
class Page:
    """What one page changes in the journal; texts are JSON.

    Attributes:
        rows: table to JSON lines.
        cursor: None after the last page.
        is_changed: against the answer before; None: there was none, or the page is not the last.
    """

    kind: str
    subject: str
    rows: dict[str, Sequence[str]]
    cursor: str | None
    outcome: str
    reason: str | None
    name_now: str | None
    item_count: int | None
    seen: str | None
    is_changed: bool | None
    etags: Sequence[tuple[str, str, str]]
    bad: Sequence[str]


class Journal:
    """One source's journal; safe among the threads of one process.

    Who uses it keeps other processes out (`assets.mining.engine.night`).
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.is_new = not path.exists()
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=60
            )
            self._connection.execute("pragma journal_mode = wal")
            # A killed process loses nothing; a lost machine may lose the last pages.
            self._connection.execute("pragma synchronous = normal")
            self._connection.executescript(_SCHEMA)
            if self.fact("format") not in (None, str(FORMAT)):
                raise sqlite3.DatabaseError("another format")
        except sqlite3.DatabaseError as error:
            raise PermanentFailure(
                f"The journal {path} cannot be used ({error}).",
                "Delete the file: what was mined is in the lake, and the journal is made again.",
            ) from error
        self.set_fact("format", str(FORMAT))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("begin immediate")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("rollback")
                raise
            self._connection.execute("commit")

    def _all(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def fact(self, name: str) -> str | None:
        """A value that was set, if it was."""
        found = self._all("select value from fact where name = ?", name)
        return found[0][0] if found else None

    def set_fact(self, name: str, value: str) -> None:
        """Set a value."""
        with self._transaction() as connection:
            connection.execute("insert or replace into fact values (?, ?)", (name, value))

    # ------------------------------------------------------------ nights

    def begin(self, day: str, digest: str) -> None:
        """Take up a night, or begin one; pages of another digest are of no use and go."""
        if self.fact("digest") != digest:
            with self._transaction() as connection:
                for table in _UNLANDED:
                    connection.execute(f"delete from {table}")
                connection.execute("delete from etag where not is_landed")
        with self._transaction() as connection:
            for name, value in (("day", day), ("digest", digest)):
                connection.execute("insert or replace into fact values (?, ?)", (name, value))

    def remember(self, answers: Iterable[tuple[Any, ...]]) -> None:
        """Fill the newest answers of an empty journal (columns of `known` in order)."""
        with self._transaction() as connection:
            connection.executemany(
                "insert or replace into known values (?, ?, ?, ?, ?, ?, ?, ?)", answers
            )

    def landed(self, day: str, rechecks: Iterable[tuple[str, str, str | None]]) -> None:
        """The night's answers are in the lake: remember them, drop their pages.

        Questions that are still open stay with their pages for the next night.

        Args:
            rechecks: kind, subject and date of those that shall rest.
        """
        with self._transaction() as connection:
            connection.execute(
                """
                insert into known
                select kind, subject, outcome, ?, null, seen, item_count, name_now
                from question where is_done
                on conflict (kind, subject) do update set
                    outcome = excluded.outcome, asked_on = excluded.asked_on, recheck_on = null,
                    seen = coalesce(excluded.seen, known.seen),
                    item_count = coalesce(excluded.item_count, known.item_count),
                    name_now = excluded.name_now
                """,
                (day,),
            )
            connection.executemany(
                "update known set recheck_on = ?3 where kind = ?1 and subject = ?2", rechecks
            )
            connection.execute(
                """
                delete from page where exists (
                    select 1 from question as q
                    where q.kind = page.kind and q.subject = page.subject and q.is_done
                )
                """
            )
            connection.execute("delete from question where is_done")
            connection.execute("delete from bad")
            connection.execute("delete from request")
            connection.execute("update etag set is_landed = 1")
            connection.execute(
                "delete from etag where used_on < date(?, ?)", (day, f"-{ETAG_DAYS} days")
            )

    # ------------------------------------------------------------ questions

    def plan(self, questions: Iterable[tuple[str, str, str, str]], day: str) -> None:
        """Add questions (kind, subject, tier, context); those that were asked on the day, or are
        there already, are left out.
        """
        with self._transaction() as connection:
            connection.executemany(
                """
                insert or ignore into question (kind, subject, tier, context)
                select ?1, ?2, ?3, ?4
                where not exists (
                    select 1 from known where kind = ?1 and subject = ?2 and asked_on = ?5
                )
                """,
                ((*question, day) for question in questions),
            )

    def pending(self, kinds: Sequence[str]) -> list[tuple[str, str, str, str, str | None]]:
        """Kind, subject, tier, context and cursor of the open questions of some kinds."""
        marks = ", ".join("?" for _ in kinds)
        return self._all(
            "select kind, subject, tier, context, cursor from question "
            f"where not is_done and kind in ({marks}) order by kind, subject",
            *kinds,
        )

    def open_count(self) -> int:
        """How many questions are not answered."""
        return int(self._all("select count(*) from question where not is_done")[0][0])

    def keep(self, pages: Iterable[Page], day: str) -> None:
        """Keep pages in one transaction."""
        with self._transaction() as connection:
            for page in pages:
                self._keep(connection, page, day)

    def _keep(self, connection: sqlite3.Connection, page: Page, day: str) -> None:
        key = (page.kind, page.subject)
        found = connection.execute(
            "select page_count from question where kind = ? and subject = ? and not is_done", key
        ).fetchone()
        if found is None:
            return
        number = found[0] + 1
        for table, lines in page.rows.items():
            if lines:
                body = zlib.compress("\n".join(lines).encode(), FAST)
                connection.execute(
                    "insert into page values (?, ?, ?, ?, ?)", (table, *key, number, body)
                )
        connection.executemany(
            "insert into bad values (?, ?, ?, ?)", [(*key, number, line) for line in page.bad]
        )
        connection.execute(
            """
            update question set
                cursor = ?, page_count = ?, is_done = ?, outcome = ?, reason = ?, name_now = ?,
                item_count = ?, new_item_count = new_item_count + ?, seen = coalesce(?, seen),
                is_changed = ?
            where kind = ? and subject = ?
            """,
            (
                *(page.cursor, number, page.cursor is None, page.outcome, page.reason),
                *(page.name_now, page.item_count),
                sum(len(lines) for lines in page.rows.values()),
                *(page.seen, page.is_changed),
                *key,
            ),
        )
        connection.executemany(
            "insert or replace into etag values (?, ?, ?, 0, ?)",
            [(url, account, value, day) for account, url, value in page.etags],
        )

    # ------------------------------------------------------------ what is there

    def answers(self, kind: str | None = None) -> list[tuple[Any, ...]]:
        """The night's answered questions, ordered by kind and subject.

        Returns:
            kind, subject, tier, context, outcome, reason, name_now, item_count, new_item_count,
            seen, is_changed, page_count.
        """
        return self._all(
            "select kind, subject, tier, context, outcome, reason, name_now, item_count, "
            "new_item_count, seen, is_changed, page_count from question "
            "where is_done and (?1 is null or kind = ?1) order by kind, subject",
            kind,
        )

    def known(self, kind: str) -> list[tuple[Any, ...]]:
        """The newest answers of earlier nights: all columns of `known` after the kind."""
        return self._all(
            "select subject, outcome, asked_on, recheck_on, seen, item_count, name_now "
            "from known where kind = ?",
            kind,
        )

    def known_one(self, kind: str, subject: str) -> tuple[Any, ...] | None:
        """Outcome and marker of the newest answer to one question."""
        found = self._all(
            "select outcome, seen from known where kind = ? and subject = ?", kind, subject
        )
        return found[0] if found else None

    def lines(self, table: str) -> Iterator[str]:
        """The JSON lines of a table that answered questions brought, page by page."""
        last: tuple[str, str, int] = ("", "", -1)
        while True:
            found = self._all(
                """
                select page.kind, page.subject, page.number, page.body
                from page join question using (kind, subject)
                where question.is_done and page.relation = ?
                    and (page.kind, page.subject, page.number) > (?, ?, ?)
                order by page.kind, page.subject, page.number limit 200
                """,
                table,
                *last,
            )
            if not found:
                return
            for kind, subject, number, body in found:
                last = (kind, subject, number)
                yield from zlib.decompress(body).decode().split("\n")

    def row_count(self, kind: str, subject: str) -> int:
        """Different rows that the pages of one question brought: some pages are read twice."""
        found = self._all(
            "select relation, body from page where kind = ? and subject = ?", kind, subject
        )
        lines = {
            hash((table, line))
            for table, body in found
            for line in zlib.decompress(body).decode().split("\n")
        }
        return len(lines)

    def bad_lines(self) -> list[str]:
        """The lines for quarantine."""
        return [line for (line,) in self._all("select line from bad order by kind, subject, line")]

    def etag(self, url: str, day: str) -> tuple[str, str] | None:
        """Account and ETag of a URL that was read before; noted as used."""
        found = self._all("select account, value from etag where url = ?", url)
        if not found:
            return None
        with self._lock:
            self._connection.execute("update etag set used_on = ? where url = ?", (day, url))
        return found[0][0], found[0][1]

    # ------------------------------------------------------------ accounting

    def spend(self, rows: Iterable[dict[str, Any]]) -> None:
        """Add to what was spent; each row has the columns of `request`."""
        with self._transaction() as connection:
            for row in rows:
                known = connection.execute(
                    "select statuses from request where kind = ? and account = ? and hour = ?",
                    (row["kind"], row["account"], row["hour"]),
                ).fetchone()
                statuses: dict[str, int] = json.loads(known[0]) if known else {}
                for status, count in row["statuses"].items():
                    statuses[status] = statuses.get(status, 0) + count
                connection.execute(
                    _SPEND, {**row, "statuses": json.dumps(statuses, sort_keys=True)}
                )

    def spent(self) -> list[dict[str, Any]]:
        """What was spent since the last landing, ordered."""
        with self._lock:
            found = self._connection.execute("select * from request order by kind, account, hour")
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


_COUNTS = (
    *("call_count", "not_modified_count", "retry_count", "refused_count", "failed_count"),
    *("waited_seconds", "received_bytes"),
)
_SPEND = f"""
insert into request values (
    :kind, :account, :hour, {", ".join(f":{name}" for name in _COUNTS)},
    :limit_count, :remaining_count, :statuses
)
on conflict (kind, account, hour) do update set
    {", ".join(f"{name} = {name} + excluded.{name}" for name in _COUNTS)},
    limit_count = coalesce(excluded.limit_count, limit_count),
    remaining_count = min(coalesce(excluded.remaining_count, remaining_count),
        coalesce(remaining_count, excluded.remaining_count)),
    statuses = excluded.statuses
"""
