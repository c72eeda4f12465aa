"""Tables of the study in the warehouse: made with their documentation, replaced a study at a time.

Belongs here: making a table with comments, replacing rows in one transaction, opening the
warehouse. Does not belong here: which tables there are and what they hold.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.failures import PermanentFailure, TransientFailure

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


@dataclass(frozen=True)
class StudyTable:
    """A table's name, grain and columns: the one source of the table, its comments and the UI.

    Attributes:
        name: with schema.
        comment: one sentence with the grain.
        columns: name, DuckDB type, documentation.
    """

    name: str
    comment: str
    columns: tuple[tuple[str, str, str], ...]

    @property
    def column_names(self) -> list[str]:
        return [name for name, _, _ in self.columns]


def replace_study(
    warehouse_path: Path,
    study: str,
    tables: Sequence[tuple[StudyTable, "pa.Table"]],
    day: date | None = None,
) -> None:
    """Replace one study's rows of several tables, in one transaction.

    Tables are made when absent; rows of other studies stay.

    Args:
        day: of a time series, whose rows of other days stay.

    Raises:
        PermanentFailure: a table there has other columns, or rows have.
        TransientFailure: another process has the warehouse open.
    """
    for table, rows in tables:
        if set(rows.column_names) != set(table.column_names):
            raise PermanentFailure(f"Rows do not have exactly the columns of {table.name}.")
    with open_warehouse(warehouse_path, read_only=False) as connection:
        connection.begin()
        make_tables(connection, [table for table, _ in tables])
        for table, rows in tables:
            parameters: dict[str, object] = {"study": study}
            if day is not None:
                parameters["day"] = day
            of_day = "" if day is None else " AND day = $day"
            connection.execute(f"DELETE FROM {table.name} WHERE study = $study{of_day}", parameters)
            connection.register("new_rows", rows)
            names = ", ".join(table.column_names)
            connection.execute(f"INSERT INTO {table.name} ({names}) SELECT {names} FROM new_rows")
            connection.unregister("new_rows")
        connection.commit()


def table_of(table: StudyTable, rows: Sequence[Mapping[str, Any]]) -> "pa.Table":
    """Rows as an Arrow table with the types of a study table; lacking columns are null."""
    import pyarrow as pa

    kinds = {"VARCHAR": pa.string(), "BIGINT": pa.int64(), "DOUBLE": pa.float64(),
             "BOOLEAN": pa.bool_(), "INTEGER": pa.int32(), "DATE": pa.date32()}  # fmt: skip
    schema = pa.schema([(name, kinds[kind.split()[0]]) for name, kind, _ in table.columns])
    return pa.Table.from_pylist(list(rows), schema=schema)


def make_tables(connection: "duckdb.DuckDBPyConnection", tables: Collection[StudyTable]) -> None:
    """Make tables where they are absent, and their comments where they are others.

    Raises:
        PermanentFailure: one is there with other columns.
    """
    known = _known_columns(connection)
    comments = dict(
        connection.execute(
            "SELECT schema_name || '.' || table_name, comment FROM duckdb_tables()"
            " WHERE database_name = current_database()"
        ).fetchall()
    )
    for table in tables:
        found = known.get(table.name, {})
        if not found:
            _create(connection, table)
        elif [(name, kind) for name, (kind, _) in found.items()] != [
            (name, kind.removesuffix(" NOT NULL")) for name, kind, _ in table.columns
        ]:
            raise PermanentFailure(
                f"{table.name} has the columns of another version.",
                f"Drop {table.name} and run the study again: it is recomputed from the marts.",
            )
        # COMMENT takes no parameters; the texts are constants of this project. It takes a third of
        # a millisecond for each column, more than asking for those of all tables does.
        if comments.get(table.name) != table.comment:
            connection.execute(f"COMMENT ON TABLE {table.name} IS {_quoted(table.comment)}")
        for name, _, text in table.columns:
            if found.get(name, ("", None))[1] != text:
                connection.execute(f"COMMENT ON COLUMN {table.name}.{name} IS {_quoted(text)}")


def _known_columns(
    connection: "duckdb.DuckDBPyConnection",
) -> dict[str, dict[str, tuple[str, str | None]]]:
    """Table with schema to its columns, in order, with their types and comments."""
    found: dict[str, dict[str, tuple[str, str | None]]] = {}
    for table, name, kind, comment in connection.execute(
        "SELECT schema_name || '.' || table_name, column_name, data_type, comment"
        " FROM duckdb_columns() WHERE database_name = current_database() AND NOT internal"
        " ORDER BY column_index"
    ).fetchall():
        found.setdefault(table, {})[name] = (kind, comment)
    return found


def _create(connection: "duckdb.DuckDBPyConnection", table: StudyTable) -> None:
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {table.name.split('.')[0]}")
    declared = ", ".join(f"{name} {kind}" for name, kind, _ in table.columns)
    connection.execute(f"CREATE TABLE {table.name} ({declared})")


@contextmanager
def open_warehouse(path: Path, read_only: bool) -> Iterator["duckdb.DuckDBPyConnection"]:
    """The warehouse, closed whatever happens (closing rolls an open transaction back).

    Raises:
        PermanentFailure: there is none, or it lacks a table.
        TransientFailure: another process has it open.
    """
    import duckdb

    _check_there(path)
    try:
        connection = duckdb.connect(str(path), read_only=read_only)
    except duckdb.IOException as error:
        raise _in_use(path, error) from error
    with connection, told():
        # It would be printed between what a command prints.
        connection.execute("SET enable_progress_bar = false")
        yield connection


@contextmanager
def attached(
    connection: "duckdb.DuckDBPyConnection", path: Path
) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A connection that sees the warehouse, read-only, as `warehouse`.

    Raises:
        PermanentFailure: there is none, or it lacks a table.
        TransientFailure: another process has it open.
    """
    import duckdb

    _check_there(path)
    try:
        connection.execute("ATTACH $path AS warehouse (READ_ONLY)", {"path": str(path)})
    except duckdb.IOException as error:
        raise _in_use(path, error) from error
    with told():
        yield connection
    connection.execute("DETACH warehouse")


@contextmanager
def told() -> Iterator[None]:
    """A missing table as a failure with its remedy."""
    import duckdb

    try:
        yield
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise PermanentFailure(
            f"The warehouse is not as expected: {str(error).splitlines()[0]}",
            "Build the dbt models of this version first.",
        ) from error


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise PermanentFailure(f"There is no warehouse at {path}.", "Build the dbt models first.")


def _in_use(path: Path, error: Exception) -> TransientFailure:
    return TransientFailure(
        f"The warehouse {path} cannot be opened: {str(error).splitlines()[0]}",
        "Wait until the other process has closed it.",
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
