"""Which repositories the archive has seen: newest name, last event and activity of each.

Belongs here: folding the landed events into one small table, and its order by activity. Does not
belong here: which of them are asked about (`mining`).

The table stays beside the journal, so that a night reads only the files of the archive that it
has not read. It is made anew where a file that it was made from is another one now.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb

from assets.github.landing import connect, literal
from orchestration.lake import Lake

NAME = "github-population.duckdb"
MEMORY_MEGABYTES = 400
# Files folded in one transaction: a month of the archive.
FILES_AT_ONCE = 24 * 31
_SCHEMA = """
create table if not exists kept.file (day date, name varchar, content_hash varchar);
create table if not exists kept.repository (
    repository_id bigint,
    -- Compared from the left: the last event, the fold that first showed it (less is earlier).
    newest struct("at" timestamp, age integer, "name" varchar),
    event_count bigint
);
"""
_FOLD = """
create or replace table kept.folded as
select repository_id, max(newest) as newest, sum(event_count)::bigint as event_count
from (
    select repository_id, newest, event_count from kept.repository
    union all
    select
        repository_id,
        max({{'at': created_at, 'age': $age::integer, 'name': repository_name}}),
        count(*)
    from read_parquet([{files}])
    where
        repository_id is not null and created_at is not null
        -- `~` is in no name: it stands for one of an opted-out owner, who is not asked about.
        and regexp_full_match(repository_name, '[^/~][^/]*/[^/]+')
    group by repository_id
)
group by repository_id
"""

_File = tuple[date, str, str]


@dataclass(frozen=True)
class Seen:
    """A repository as the archive saw it.

    Attributes:
        name: owner/name at its last event.
        folded_on: the night that first knew of its last event.
    """

    repository_id: int
    name: str
    last_event_at: datetime
    folded_on: date


def most_active(lake: Lake, folder: Path, night: date, limit: int) -> list[Seen]:
    """The repositories with the most events, the most active first.

    Args:
        folder: where the table is kept.
        night: the night that asks.
        limit: how many.
    """
    try:
        return _most_active(lake, folder / NAME, night, limit)
    except duckdb.Error:
        # A broken file is made again; what is broken elsewhere fails once more.
        (folder / NAME).unlink(missing_ok=True)
        (folder / f"{NAME}.wal").unlink(missing_ok=True)
        return _most_active(lake, folder / NAME, night, limit)


def _most_active(lake: Lake, path: Path, night: date, limit: int) -> list[Seen]:
    connection = connect(MEMORY_MEGABYTES, lake.scratch().with_suffix(".spill"))
    try:
        connection.execute(f"attach {literal(path)} as kept")
        connection.execute(_SCHEMA)
        _fold(connection, lake, night)
        return [
            Seen(number, name, at, date.fromordinal(-age))
            for number, name, at, age in connection.execute(
                "select repository_id, newest.name, newest.at, newest.age from kept.repository "
                "order by event_count desc, repository_id limit ?",
                [limit],
            ).fetchall()
        ]
    finally:
        connection.close()


def _fold(connection: duckdb.DuckDBPyConnection, lake: Lake, night: date) -> None:
    known = set(connection.execute("from kept.file").fetchall())
    current = list(_files(lake))
    if not known <= {file for file, _ in current}:
        known = set()
        connection.execute("delete from kept.file; delete from kept.repository")
    fresh = [(file, path) for file, path in current if file not in known]
    for k in range(0, len(fresh), FILES_AT_ONCE):
        _fold_files(connection, fresh[k : k + FILES_AT_ONCE], night)


def _files(lake: Lake) -> Iterable[tuple[_File, Path]]:
    """The archive's landed files."""
    for day in lake.days("gharchive", "events"):
        partition = lake.partition("gharchive", "events", day)
        for entry in partition.entries():
            if entry.get("file"):
                file = (day, entry["name"], str(entry.get("content_hash")))
                yield file, partition.folder / entry["file"]


def _fold_files(
    connection: duckdb.DuckDBPyConnection, files: Sequence[tuple[_File, Path]], night: date
) -> None:
    named = ", ".join(literal(path) for _, path in files)
    connection.execute("begin")
    try:
        connection.execute(_FOLD.format(files=named), {"age": -night.toordinal()})
        connection.execute("drop table kept.repository")
        connection.execute("alter table kept.folded rename to repository")
        connection.executemany(
            "insert into kept.file values (?, ?, ?)", [file for file, _ in files]
        )
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")
