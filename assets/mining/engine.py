"""A night of mining: questions are answered page by page, kept, and landed in the lake.

Belongs here: threads, what a failure stops, progress, the order of commits. Does not belong here:
what is asked (the plans of each source), who may be asked how fast (orchestration.clients) and how
a page is stored (orchestration.journal).

Usage::

    with night(lake, "github", day, digest, folder, tables) as tonight:
        http = Http(..., told=tonight.told)
        tonight.attach(http)
        tonight.run(questions, readers, workers)
        return tonight.land()
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
from filelock import FileLock, Timeout

from assets.github.landing import connect, literal
from assets.mining import tiers
from assets.mining.landing import write_table
from assets.mining.questions import BatchReader, Known, Question, Reader, Step
from assets.mining.spending import REQUEST_COLUMNS, Spending
from assets.mining.workers import Group, Stage, in_threads
from orchestration.clients.http import BudgetState, Http, Sent
from orchestration.failures import TransientFailure
from orchestration.journal import Journal, Page
from orchestration.lake import Entry, Lake, write_atomically

ANSWERS, REQUESTS = "answers", "requests"
SCHEMA_VERSION = 1
MEMORY_MEGABYTES = 400
# More than this share, and this many, without an answer: the night has not been had.
MOST_UNANSWERED_SHARE, FEW_UNANSWERED = 0.01, 3
ANSWER_COLUMNS = {
    **dict.fromkeys(("kind", "subject", "tier", "outcome", "reason"), "VARCHAR"),
    **dict.fromkeys(("repository_id", "repository_type", "repository_name", "name_now"), "VARCHAR"),
    "item_count": "BIGINT",
    "new_item_count": "BIGINT",
    "is_changed": "BOOLEAN",
    "seen": "VARCHAR",
    "recheck_on": "DATE",
    "observed_at": "TIMESTAMP",
}


@dataclass(frozen=True)
class Table:
    """A table that a night lands.

    Attributes:
        columns: name to DuckDB type.
        key: columns that name a row; where a row comes twice, the one with the largest
            `newest` is kept.
        write: writes the lines as Parquet in another way, for forms that the source's own
            normaliser types, for a day of observation; gives rows, dropped and malformed rows.
    """

    name: str
    columns: Mapping[str, str]
    key: Sequence[str]
    newest: str | None = None
    write: Callable[[Iterator[str], date, Path], tuple[int, int, int]] | None = None


@dataclass(frozen=True)
class Progress:
    """Where a night stands.

    Attributes:
        stage: what is asked now.
        done, total: questions of the stage.
        request_count: requests since the night (or what is left of it) began.
        rate_per_second: questions answered in a second, in this stage.
        eta_seconds: until the stage is done at this rate; None: not known yet.
        budgets: what each account may still ask.
    """

    stage: str
    done: int
    total: int
    request_count: int
    rate_per_second: float
    eta_seconds: float | None
    waited_seconds: float
    budgets: list[BudgetState]


Told = Callable[[Progress], None]


class Night:
    """One source's night under way."""

    def __init__(
        self,
        lake: Lake,
        source: str,
        day: date,
        digest: str,
        journal: Journal,
        tables: Sequence[Table],
        progress: Told | None = None,
    ) -> None:
        self.lake, self.source, self.day, self.journal = lake, source, day, journal
        self._digest, self._tables, self._progress = digest, tables, progress
        self._spending = Spending()
        self._clients: list[Http] = []
        self._unanswered: list[str] = []
        self._failed = threading.Event()

    def told(self, sent: Sent) -> None:
        """Account for a request; the HTTP core calls it."""
        self._spending.add(sent)

    def attach(self, client: Http) -> None:
        """Show this client's budgets, and stop it where the night is stopped."""
        self._clients.append(client)

    # ------------------------------------------------------------ what is known

    def known(self, kind: str) -> dict[str, Known]:
        """The newest answers of earlier nights, by subject."""
        return {row[0]: _known(*row[1:]) for row in self.journal.known(kind)}

    def answers(self, kind: str) -> dict[str, Known]:
        """The answers of this night, by subject."""
        return {
            row[1]: Known(row[4], self.day, None, _value(row[9]), row[7], row[6])
            for row in self.journal.answers(kind)
        }

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        """The rows that this night's answers brought."""
        return map(json.loads, self.journal.lines(table))

    def etag(self, url: str) -> tuple[str, str] | None:
        """Account and ETag of what was read at a URL before."""
        return self.journal.etag(url, self.day.isoformat())

    # ------------------------------------------------------------ asking

    def run(
        self,
        questions: Sequence[Question],
        readers: Mapping[str, Reader],
        workers: int,
        batch: tuple[str, BatchReader] | None = None,
        batch_size: int = 100,
        lanes: Mapping[str, str] | None = None,
    ) -> None:
        """Ask what was not asked today, and what an earlier night left open of these kinds.

        A few questions that get no answer stay open, and do not keep the others from landing: a
        list that a platform can never give would stop every night.

        Args:
            readers: kind to what reads one page of it.
            workers: questions (or batches) of one lane that are asked at the same time.
            batch: a kind whose questions are asked together, and how.
            lanes: kind to the budget that it is asked from, where there are several: who waits
                for one budget does not keep the others idle.

        Raises:
            TransientFailure: too many questions have no answer; the next call goes on with them.
            PermanentFailure: asking again is of no use.
        """
        today = self.day.isoformat()
        self.journal.plan(
            ((q.kind, q.subject, q.tier, json.dumps(q.context)) for q in questions), today
        )
        kinds = [*readers, *([batch[0]] if batch else [])]
        work = self._work(kinds, batch[0] if batch else None, batch_size)
        total = sum(len(group) for group, _ in work)
        if not total:
            return
        stage = Stage(", ".join(sorted({group[0].kind for group, _ in work})), total)

        def answer(group: Group, cursor: Any) -> None:
            if batch and group[0].kind == batch[0]:
                self._answer_batch(group, batch[1], stage)
            else:
                self._answer(group[0], cursor, readers[group[0].kind], stage)

        try:
            by_lane: dict[str, list[tuple[Group, Any]]] = {}
            for piece in work:
                by_lane.setdefault((lanes or {}).get(piece[0][0].kind, ""), []).append(piece)
            in_threads(
                list(by_lane.values()), answer, workers, self._failed, self._stop,
                lambda: self._tell(stage),
            )  # fmt: skip
        finally:
            self.journal.spend(self._spending.taken())
        self._tell(stage)
        if len(stage.failures) > max(FEW_UNANSWERED, total * MOST_UNANSWERED_SHARE):
            raise TransientFailure(
                f"{len(stage.failures)} of {total} questions ({stage.name}) have no answer: "
                f"{stage.failures[0]}",
                "Run it again later; it goes on where it stopped.",
            )
        self._unanswered += stage.failures

    def _work(
        self, kinds: Sequence[str], batched: str | None, size: int
    ) -> list[tuple[Group, Any]]:
        """The open questions with their cursors; those of the batched kind in groups."""
        work: list[tuple[Group, Any]] = []
        together: Group = []
        for kind, subject, tier, context, cursor in self.journal.pending(kinds):
            question = Question(kind, subject, tier, json.loads(context))
            if kind == batched:
                together.append(question)
            else:
                work.append(([question], _value(cursor)))
        groups = [together[k : k + size] for k in range(0, len(together), size)]
        return [*((group, None) for group in groups), *work]

    def _answer(self, question: Question, cursor: Any, reader: Reader, stage: Stage) -> None:
        """Read one question's pages to the last."""
        while not self._failed.is_set():
            try:
                step = reader(question, cursor)
            except TransientFailure as failure:
                stage.fail(failure)
                return
            self._keep([(question, step)])
            if step.cursor is None:
                stage.succeed(1)
                return
            cursor = step.cursor

    def _answer_batch(self, group: Group, reader: BatchReader, stage: Stage) -> None:
        """Ask about a group until each has its answer."""
        left = {question.subject: question for question in group}
        while left and not self._failed.is_set():
            try:
                found = reader(list(left.values()))
            except TransientFailure as failure:
                stage.fail(failure, len(left))
                return
            self._keep(found)
            for question, _ in found:
                left.pop(question.subject, None)
            stage.succeed(len(found))
            if not found:
                stage.fail(TransientFailure("a batch brought no answer"), len(left))
                return

    def _keep(self, steps: Sequence[tuple[Question, Step]]) -> None:
        pages = [self._page(question, step) for question, step in steps]
        self.journal.keep(pages, self.day.isoformat())
        self.journal.spend(self._spending.taken())

    def _page(self, question: Question, step: Step) -> Page:
        seen = None if step.seen is None else json.dumps(step.seen, sort_keys=True)
        is_changed = None
        if step.cursor is None:
            before = self.journal.known_one(question.kind, question.subject)
            if before is not None:
                is_changed = step.outcome != before[0] or (seen is not None and seen != before[1])
        return Page(
            question.kind,
            question.subject,
            {table: [json.dumps(row) for row in rows] for table, rows in step.rows.items()},
            None if step.cursor is None else json.dumps(step.cursor),
            step.outcome,
            step.reason,
            step.name_now,
            step.item_count,
            seen,
            is_changed,
            step.etags,
            step.bad,
        )

    def _stop(self) -> None:
        self._failed.set()
        for client in self._clients:
            client.stop()

    def _tell(self, stage: Stage) -> None:
        if self._progress is None:
            return
        spent = self._spending
        budgets = [state for client in self._clients for state in client.budgets()]
        rate = stage.rate()
        left = stage.total - stage.done
        self._progress(
            Progress(
                stage.name,
                stage.done,
                stage.total,
                spent.request_count,
                rate,
                left / rate if rate else None,
                spent.waited_seconds,
                budgets,
            )
        )

    # ------------------------------------------------------------ landing

    def land(self) -> list[Entry]:
        """Write what was answered into the day's partitions, and forget its pages.

        A kill on the way leaves the journal as it is; landing again writes the same bytes. A second
        landing of a day adds to the first.

        Returns:
            The manifests' rows of the day, those of earlier landings too.
        """
        answered = self.journal.answers()
        if answered or not self._partition(ANSWERS).entries():
            name = f"night-{1 + len(self._partition(ANSWERS).entries()):03d}"
            self.journal.set_fact(_LANDING, name)
            self._land(name, [self._answer_row(row) for row in answered])
        names = [*(table.name for table in self._tables), ANSWERS]
        return [row for table in names for row in self._partition(table).entries()]

    def settle(self) -> None:
        """Finish what a killed process left: a landing after its last commit, an earlier day."""
        name = self.journal.fact(_LANDING)
        if name and self._partition(ANSWERS).entry(name) is not None:
            self._forget([self._answer_row(row) for row in self.journal.answers()])

    def _land(self, name: str, answered: list[dict[str, Any]]) -> None:
        with self._connected() as connection:
            for table in self._tables:
                self._commit(connection, table, self.journal.lines(table.name), name)
            bad = self.journal.bad_lines()
            if bad:
                folder = self.lake.quarantine(self.source, f"{name}-{self.day}")
                write_atomically(folder / "lines.jsonl", "\n".join(bad) + "\n")
            spent = (json.dumps(row) for row in self.journal.spent())
            self._commit(connection, _REQUESTS, spent, name)
            # Last: what has a row here is landed.
            self._commit(connection, _ANSWERS, map(json.dumps, answered), name)
        self._forget(answered)

    def _forget(self, answered: list[dict[str, Any]]) -> None:
        rests = [
            (row["kind"], row["subject"], row["recheck_on"])
            for row in answered
            if row["recheck_on"] is not None
        ]
        self.journal.landed(self.day.isoformat(), rests)
        self.journal.set_fact(_LANDING, "")

    def _answer_row(self, found: tuple[Any, ...]) -> dict[str, Any]:
        """A row of `answers` from one of the journal."""
        kind, subject, tier, text, outcome, reason, name_now, item_count, new_count = found[:9]
        seen, is_changed, page_count = found[9:]
        context = json.loads(text)
        if page_count > 1:
            # Pages that moved were read twice.
            new_count = self.journal.row_count(kind, subject)
        rests = tiers.recheck_on(outcome, self.day, subject)
        row: dict[str, Any] = {
            name: None if context.get(name) is None else str(context[name])
            for name in ("repository_id", "repository_type", "repository_name")
        }
        row.update(kind=kind, subject=subject, tier=tier, outcome=outcome, reason=reason)
        row.update(name_now=name_now, item_count=item_count, new_item_count=new_count, seen=seen)
        row["is_changed"] = None if is_changed is None else bool(is_changed)
        row["recheck_on"] = rests.isoformat() if rests else None
        return row

    def _commit(
        self, connection: duckdb.DuckDBPyConnection, table: Table, lines: Iterator[str], name: str
    ) -> None:
        row = self._new_row(name)
        with self.lake.temporary(".parquet") as parquet:
            if table.write is not None:
                counts = table.write(lines, self.day, parquet)
            else:
                counts = (
                    *write_table(
                        connection, self.lake, lines, table.columns, table.key, table.newest,
                        self.day, parquet,
                    ),
                    0,
                )  # fmt: skip
            row.update(
                zip(("row_count", "duplicate_count", "malformed_count"), counts, strict=True)
            )
            partition = self._partition(table.name)
            partition.commit(row, parquet)
            partition.prune()

    def _new_row(self, name: str) -> Entry:
        return {
            "name": name,
            "state": "ok",
            "reason": self._left_open(),
            "source": "api",
            "source_bytes": 0,
            "source_sha256": self._digest,
            "observed_at": datetime.combine(self.day, datetime.min.time()).isoformat(),
            "source_form": "api",
            "schema_version": SCHEMA_VERSION,
            "fetched_at": datetime.now(UTC).replace(tzinfo=None, microsecond=0).isoformat(),
            "client_version": f"osmoscope {version('osmoscope')}",
        }

    def _left_open(self) -> str | None:
        if not self._unanswered:
            return None
        return f"{len(self._unanswered)} questions stay open: {self._unanswered[0]}"

    def _partition(self, table: str) -> Any:
        return self.lake.partition(self.source, table, self.day)

    @contextmanager
    def _connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        connection = connect(MEMORY_MEGABYTES, self.lake.scratch().with_suffix(".spill"))
        try:
            yield connection
        finally:
            connection.close()


_LANDING = "landing"
_REQUESTS = Table(REQUESTS, REQUEST_COLUMNS, ("kind", "account", "hour"))
_ANSWERS = Table(ANSWERS, ANSWER_COLUMNS, ("kind", "subject"))


@contextmanager
def night(
    lake: Lake,
    source: str,
    day: date,
    digest: str,
    folder: Path,
    tables: Sequence[Table],
    progress: Told | None = None,
) -> Iterator[Night]:
    """A night of a source, taken up where it was left; keeps other processes out.

    What an earlier day's night answered and did not land is landed under that day first; what it
    left half answered is answered in this one.

    Args:
        digest: of everything that makes kept pages of use (schema versions, endpoint, salt).
        folder: where journals are.
        tables: what questions bring.

    Raises:
        TransientFailure: another process is mining this source.
        PermanentFailure: the journal cannot be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f".{source}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise TransientFailure(
            f"Another process is mining {source}.", "Wait for it, or stop it."
        ) from None
    try:
        journal = Journal(folder / f"{source}.sqlite")
        try:
            if journal.fact("digest") is None:
                journal.remember(_from_lake(lake, source))
            left = journal.fact("day")
            if left is not None and journal.fact("digest") == digest:
                before = Night(lake, source, date.fromisoformat(left), digest, journal, tables)
                before.settle()
                if date.fromisoformat(left) != day and journal.answers():
                    before.land()
            journal.begin(day.isoformat(), digest)
            yield Night(lake, source, day, digest, journal, tables, progress)
        finally:
            journal.close()
    finally:
        lock.release()


def _from_lake(lake: Lake, source: str) -> list[tuple[Any, ...]]:
    """The newest answer to every question, as the lake knows it: rows of the journal's `known`."""
    files = [
        path
        for day in lake.days(source, ANSWERS)
        for path in lake.partition(source, ANSWERS, day).current_files()
    ]
    if not files:
        return []
    with duckdb.connect() as connection:
        return connection.execute(
            f"""
            select
                kind, subject, arg_max(outcome, observed_at), max(observed_at)::date::varchar,
                (arg_max({{'on': recheck_on}}, observed_at)).on::varchar,
                arg_max(seen, observed_at) filter (seen is not null),
                arg_max(item_count, observed_at) filter (item_count is not null),
                (arg_max({{'name': name_now}}, observed_at)).name
            from read_parquet([{", ".join(map(literal, files))}])
            group by kind, subject
            """
        ).fetchall()


# ---------------------------------------------------------------- values


def _value(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _known(
    outcome: str,
    asked_on: str,
    recheck_on: str | None,
    seen: str | None,
    item_count: int | None,
    name_now: str | None,
) -> Known:
    return Known(
        outcome,
        date.fromisoformat(asked_on),
        date.fromisoformat(recheck_on) if recheck_on else None,
        _value(seen),
        item_count,
        name_now,
    )
