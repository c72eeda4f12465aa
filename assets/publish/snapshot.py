"""The analysts' copy: marts in a read-only DuckDB file, and the same tables as Parquet.

Belongs here: which tables may leave the warehouse, the copy, its verification, the switch to
it, and how many old versions stay. Does not belong here: what the tables hold (dbt, study),
and the report made from the copy (`report`).

    <published>/versions/<version>/marts.duckdb, parquet/<table>.parquet
    <published>/current      -> versions/<version>      the one thing that is switched
    <published>/marts.duckdb -> current/marts.duckdb
    <published>/parquet      -> current/parquet

Inside the file the tables lie in `main`: a schema `marts` in a file `marts` would make every
`marts.<table>` ambiguous, while so it means the same here and in the warehouse.

A version is complete, verified and on disk before `current` is renamed onto it, so a reader
sees the old version or the new one, of the DuckDB file and of Parquet alike, whenever this is
killed. Who has the old file open keeps it, also when it is pruned.
"""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from assets.publish.names import ACTOR_KEY, SCHEMA, Names, prepare
from orchestration.failures import PermanentFailure, TransientFailure
from orchestration.lake import UNFINISHED

if TYPE_CHECKING:
    import duckdb

# The whole of what leaves the warehouse. A new mart is added here after a look at its columns:
# no logins of actors, no text of messages. Names of repositories and keys of actors are published
# in the form that `names` gives them, whatever the mart.
PUBLISHED_TABLES = (
    "mart_repository_activity",
    "mart_intensity_summary",
    "mart_correlation",
    "mart_platform_comparison",
    "mart_distribution",
    "mart_activity_survival",
    "mart_study_rerun",
    "mart_network_summary",
    "mart_network_degree",
    "mart_network_sensitivity",
    "mart_network_measure",
    "mart_network_community",
    "mart_network_block",
    "mart_network_layout",
    "mart_network_estimate",
    "mart_theme_prevalence",
    "mart_theme_agreement",
    "mart_theme_frame",
    "mart_message_quality",
    "mart_text_estimate",
    "mart_policy_sensitivity",
    "mart_intensity_estimate",
    "mart_actor_class",
    "mart_actor_evaluation",
    "mart_coverage",
    "mart_polling_estimate",
)
# The second line of defence: a column that says by its name that it holds a person or a text.
PERSONAL_COLUMN = re.compile(
    r"(^|_)(actor_key|login|logins|email|emails|author|authors|body|message|title)$"
)
PUBLICATION_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("version", "VARCHAR", "Name of this publication; the same in all rows."),
    ("published_at", "TIMESTAMP", "When it was made, UTC."),
    ("table_name", "VARCHAR", "A table of this file."),
    ("row_count", "BIGINT", "Rows of the table."),
    ("content_hash", "VARCHAR", "Changes when columns or rows change; not with the row order."),
    ("software_version", "VARCHAR", "Version of Osmoscope that made it."),
)
DATABASE_NAME = "marts.duckdb"


@dataclass(frozen=True)
class PublishedTable:
    """One table as published: rows, and a content hash independent of their order."""

    row_count: int
    content_hash: str


@dataclass(frozen=True)
class PublishResult:
    """What a publish did.

    Attributes:
        is_unchanged: the current version already had this content; nothing was written.
        withheld: marts in the warehouse that are not on the list of published tables.
        pruned: names of the old versions removed.
        total_bytes: size of the version on disk.
    """

    version: str
    published_at: datetime
    is_unchanged: bool
    marts_path: Path
    parquet_dir: Path
    tables: Mapping[str, PublishedTable]
    withheld: Sequence[str] = field(default=())
    pruned: Sequence[str] = field(default=())
    total_bytes: int = 0


def publish(
    warehouse_path: Path,
    published_dir: Path,
    keep_versions: int,
    *,
    names: Names | None = None,
    published_at: datetime | None = None,
    software_version: str | None = None,
) -> PublishResult:
    """Publish the marts of a warehouse; see the head of the module for how.

    When tables, comments and software are those of the current version, nothing is written
    and the result says so: re-running a night does not push older content out.

    Args:
        warehouse_path: read only; no other process may be writing it.
        published_dir: made when absent; must be on one file system.
        keep_versions: versions that stay, the current one included (at least 1).
        names: how accounts appear; None: as the marts have them, which only marts without any may.
        published_at: UTC; by default now.
        software_version: by default that of the installed package.

    Raises:
        PermanentFailure: a mart is missing, a column must not be published, the copy differs
            from its source, or something else lies where the links go.
        TransientFailure: the warehouse is being written, or another publish runs.
    """
    if keep_versions < 1:
        raise PermanentFailure("keep_versions must be at least 1: the current version stays.")
    moment = (published_at or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None)
    software = software_version or _installed_version()
    versions = published_dir / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(published_dir), _source(warehouse_path) as connection:
        _remove_unfinished(published_dir)
        withheld = _check_tables(connection, names)
        prepare(connection, PUBLISHED_TABLES, names)
        tables = {name: _measure(connection, f"{SCHEMA}.{name}") for name in PUBLISHED_TABLES}
        fingerprint = _fingerprint(tables, _comments(connection), software)
        current = _current_version(published_dir)
        is_unchanged = current is not None and _is_intact(versions / current, fingerprint, tables)
        if is_unchanged and current is not None:
            version, moment = current, _published_at(versions / current)
        else:
            version = _free_name(versions, f"{moment:%Y%m%dT%H%M%S}Z", fingerprint)
            folder = versions / f"{UNFINISHED}{version}"
            _build(connection, folder, _publication(version, moment, tables, software))
            _verify(folder, tables)
            _sync(folder)
            folder.rename(versions / version)
            _sync_folder(versions)
            _point(published_dir / "current", f"versions/{version}")
        _point(published_dir / DATABASE_NAME, f"current/{DATABASE_NAME}")
        _point(published_dir / "parquet", "current/parquet")
        pruned = _prune(versions, keep_versions, version)
    return PublishResult(
        version=version,
        published_at=moment.replace(tzinfo=UTC),
        is_unchanged=is_unchanged,
        marts_path=published_dir / DATABASE_NAME,
        parquet_dir=published_dir / "parquet",
        tables=tables,
        withheld=withheld,
        pruned=pruned,
        total_bytes=sum(f.stat().st_size for f in _files(versions / version)),
    )


@contextmanager
def _one_at_a_time(published_dir: Path) -> Iterator[None]:
    """A lock that the system releases when its holder is killed."""
    with (published_dir / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TransientFailure(
                "Another publish is running.", "Wait until it has ended."
            ) from error
        yield


@contextmanager
def _source(warehouse_path: Path) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A connection with the warehouse attached read-only as `source`: nobody writes meanwhile."""
    import duckdb

    if not warehouse_path.is_file():
        raise PermanentFailure(
            f"There is no warehouse at {warehouse_path}.", "Build the dbt models first."
        )
    connection = duckdb.connect()
    try:
        try:
            connection.execute("ATTACH ? AS source (READ_ONLY)", [str(warehouse_path)])
        except duckdb.IOException as error:
            raise TransientFailure(
                f"The warehouse cannot be read: {str(error).splitlines()[0]}",
                "Wait until the other process has closed it.",
            ) from error
        yield connection
    finally:
        connection.close()


def _check_tables(connection: "duckdb.DuckDBPyConnection", names: Names | None) -> list[str]:
    """Refuse missing marts and personal columns; returns the marts that are withheld.

    A key of an account is published as its pseudonym, where there are names to make it with.
    """
    found: dict[str, list[str]] = {}
    for table, column in connection.execute(
        "SELECT table_name, column_name FROM duckdb_columns()"
        " WHERE database_name = 'source' AND schema_name = 'marts'"
        " ORDER BY table_name, column_index"
    ).fetchall():
        found.setdefault(table, []).append(column)
    missing = [name for name in PUBLISHED_TABLES if name not in found]
    if missing:
        raise PermanentFailure(
            f"Not published: the warehouse lacks {', '.join(missing)}.",
            "Build the dbt models and the study, then publish again.",
        )
    personal = [
        f"{table}.{column}"
        for table in PUBLISHED_TABLES
        for column in found[table]
        if PERSONAL_COLUMN.search(column) and not (names and ACTOR_KEY.search(column))
    ]
    if personal:
        raise PermanentFailure(
            f"Not published: by their names, {', '.join(personal)} hold people or texts.",
            "Take them out of the mart, or give them a name that says what they are.",
        )
    return sorted(set(found) - set(PUBLISHED_TABLES))


def _measure(connection: "duckdb.DuckDBPyConnection", table: str) -> PublishedTable:
    """Rows and content hash of a table; the names come from `PUBLISHED_TABLES`.

    Each row's MD5 is added up in two halves: a sum knows no order but, unlike XOR, keeps
    duplicates. It tells change, it does not defend against forgery.
    """
    columns = connection.execute(f"DESCRIBE {table}").fetchall()
    row = connection.execute(
        "SELECT count(*), sum(md5_number_lower(r)::HUGEINT), sum(md5_number_upper(r)::HUGEINT)"
        f" FROM (SELECT to_json(t)::VARCHAR AS r FROM {table} AS t)"
    ).fetchone()
    assert row is not None
    shape = [f"{column[0]} {column[1]}" for column in columns]
    content = hashlib.sha256("\n".join([*shape, *map(str, row)]).encode()).hexdigest()
    return PublishedTable(row_count=row[0], content_hash=content)


def _comments(connection: "duckdb.DuckDBPyConnection") -> dict[tuple[str, str | None], str]:
    """(table, column or None for the table itself) to its comment, published tables only."""
    where = "WHERE database_name = 'source' AND schema_name = 'marts' AND comment IS NOT NULL"
    rows = connection.execute(
        f"SELECT table_name, NULL, comment FROM duckdb_tables() {where}"
        f" UNION ALL SELECT view_name, NULL, comment FROM duckdb_views() {where}"
        f" UNION ALL SELECT table_name, column_name, comment FROM duckdb_columns() {where}"
    ).fetchall()
    return {
        (table, column): comment for table, column, comment in rows if table in PUBLISHED_TABLES
    }


def _fingerprint(
    tables: Mapping[str, PublishedTable],
    comments: Mapping[tuple[str, str | None], str],
    software: str,
) -> str:
    parts = [f"{name} {table.content_hash}" for name, table in sorted(tables.items())]
    parts += [f"{key} {text}" for key, text in sorted(comments.items(), key=str)]
    return hashlib.sha256("\n".join([*parts, software]).encode()).hexdigest()[:12]


def _publication(
    version: str, moment: datetime, tables: Mapping[str, PublishedTable], software: str
) -> list[tuple[str, datetime, str, int, str, str]]:
    return [
        (version, moment, name, table.row_count, table.content_hash, software)
        for name, table in tables.items()
    ]


def _build(
    connection: "duckdb.DuckDBPyConnection",
    folder: Path,
    publication: Sequence[tuple[str, datetime, str, int, str, str]],
) -> None:
    """Write the DuckDB file and the Parquet files of a version into a new folder."""
    parquet = folder / "parquet"
    parquet.mkdir(parents=True)
    connection.execute("ATTACH ? AS target", [str(folder / DATABASE_NAME)])
    # Each comment on its own would wait for the disk.
    connection.begin()
    for name in PUBLISHED_TABLES:
        connection.execute(f"CREATE TABLE target.{name} AS FROM {SCHEMA}.{name}")
    for (table, column), text in _comments(connection).items():
        what = f"TABLE target.{table}"
        if column is not None:
            what = f"COLUMN target.{table}.{_identifier(column)}"
        connection.execute(f"COMMENT ON {what} IS {_literal(text)}")
    declared = ", ".join(f"{name} {kind}" for name, kind, _ in PUBLICATION_COLUMNS)
    connection.execute(f"CREATE TABLE target.publication ({declared})")
    connection.execute(
        "COMMENT ON TABLE target.publication IS 'One row per published table: what this file is.'"
    )
    for name, _, text in PUBLICATION_COLUMNS:
        connection.execute(f"COMMENT ON COLUMN target.publication.{name} IS {_literal(text)}")
    marks = ", ".join("?" for _ in PUBLICATION_COLUMNS)
    connection.executemany(f"INSERT INTO target.publication VALUES ({marks})", publication)
    connection.commit()
    for name in (*PUBLISHED_TABLES, "publication"):
        path = parquet / f"{name}.parquet"
        connection.execute(
            f"COPY (FROM target.{name}) TO ? (FORMAT parquet, COMPRESSION zstd)", [str(path)]
        )
    # Detaching checkpoints: the file is whole without a write-ahead log beside it.
    connection.execute("DETACH target")


def _verify(folder: Path, tables: Mapping[str, PublishedTable]) -> None:
    """Open a version as a reader would: hashes of the DuckDB file, row counts of Parquet."""
    import duckdb

    try:
        with duckdb.connect(str(folder / DATABASE_NAME), read_only=True) as reader:
            files = {name: str(folder / "parquet" / f"{name}.parquet") for name in tables}
            counted = dict(
                reader.execute(
                    "SELECT file_name, num_rows FROM parquet_file_metadata($files)",
                    {"files": list(files.values())},
                ).fetchall()
            )
            for name, expected in tables.items():
                is_whole = counted[files[name]] == expected.row_count
                if not is_whole or _measure(reader, f"main.{name}") != expected:
                    raise PermanentFailure(
                        f"The published copy of {name} differs from the warehouse.",
                        "Check the disk; remove the version and publish again.",
                    )
    except duckdb.Error as error:
        raise PermanentFailure(
            f"A published version cannot be read: {str(error).splitlines()[0]}",
            "Check the disk; remove the version and publish again.",
        ) from error


def _is_intact(folder: Path, fingerprint: str, tables: Mapping[str, PublishedTable]) -> bool:
    """Whether a version has this content and can still be read; if not, a new one is made."""
    if not folder.name.endswith(fingerprint):
        return False
    try:
        _verify(folder, tables)
    except PermanentFailure:
        return False
    return True


def _published_at(folder: Path) -> datetime:
    import duckdb

    with duckdb.connect(str(folder / DATABASE_NAME), read_only=True) as reader:
        row = reader.execute("SELECT max(published_at) FROM publication").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def _current_version(published_dir: Path) -> str | None:
    current = published_dir / "current"
    if not current.is_symlink() or not (current / DATABASE_NAME).is_file():
        return None
    return current.readlink().name


def _free_name(versions: Path, stamp: str, fingerprint: str) -> str:
    """Names sort by time, also those of one second, and end in the fingerprint."""
    taken = [int(path.name.split("-")[1]) for path in versions.glob(f"{stamp}-*")]
    return f"{stamp}-{max(taken, default=-1) + 1:03}-{fingerprint}"


def _point(link: Path, target: str) -> None:
    """Make `link` a symbolic link to `target`, atomically replacing a link or file there."""
    if link.is_symlink() and str(link.readlink()) == target:
        return
    if link.is_dir() and not link.is_symlink():
        raise PermanentFailure(
            f"{link} is a folder; a link to the current version belongs there.",
            "Move the folder away and publish again.",
        )
    temporary = link.with_name(f"{UNFINISHED}{link.name}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)
    _sync_folder(link.parent)


def _remove_unfinished(published_dir: Path) -> None:
    """What a killed publish left; only the holder of the lock gets here."""
    for folder in (published_dir, published_dir / "versions"):
        for path in folder.glob(f"{UNFINISHED}*"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _prune(versions: Path, keep: int, current: str) -> list[str]:
    """Remove the oldest versions beyond `keep`, never the current one.

    A version is renamed before it is emptied, so that one listed is always whole.
    """
    others = sorted(path.name for path in versions.iterdir() if path.name != current)
    pruned = others[: max(0, len(others) - (keep - 1))]
    for name in pruned:
        doomed = versions / f"{UNFINISHED}{name}"
        (versions / name).rename(doomed)
        shutil.rmtree(doomed)
    return pruned


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sync(folder: Path) -> None:
    """All files to disk and read-only, then the folders that name them."""
    for path in _files(folder):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.chmod(0o444)
    for path in (folder / "parquet", folder):
        _sync_folder(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    """A string literal, for COMMENT, which takes no parameters."""
    return "'" + text.replace("'", "''") + "'"


def _installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("osmoscope")
    except PackageNotFoundError:
        return "unknown"
