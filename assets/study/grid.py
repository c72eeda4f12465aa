"""The study's figures in every cell of its grid, a night computing what changed.

Belongs here: which cells are computed and which are taken over, and writing them. Does not belong
here: what a cell is (`cells`), its repositories (`population`), and the figures (`summary`,
`correlations`, `comparison`, `distribution`).

Figures are a time series: rows carry the newest day of the data they rest on, and a day's rows
stay. A cell whose input is that of an earlier day is not computed again: its rows are taken over.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.study.cells import Cell, cells_of
from assets.study.comparison import comparison_rows
from assets.study.correlations import correlation_rows
from assets.study.distribution import distribution_rows
from assets.study.marts import COMPARISON, CORRELATION, DISTRIBUTION, SUMMARY
from assets.study.population import Population, Window, populations, window_of
from assets.study.summary import summary_rows
from assets.study.tables import StudyTable, make_tables, open_warehouse, table_of
from orchestration.failures import PermanentFailure

if TYPE_CHECKING:
    import duckdb

    from orchestration.settings import StudySettings

Row = dict[str, Any]
TABLES = (SUMMARY, CORRELATION, COMPARISON, DISTRIBUTION)
# Another way of computing makes figures that were kept untrue.
VERSION = 4
_CELL = ("bot_policy", "cut", "design", "weighting", "exposure")


def _no_rows() -> dict[str, list[Row]]:
    return {table.name: [] for table in TABLES}


@dataclass
class Grid:
    """What computing the grid did.

    Attributes:
        day: newest day of the data.
        cells: that there are.
        rows: of what was computed anew, by table.
        taken_over: table and cell whose input was that of an earlier computation, and its day.
    """

    day: date
    cells: list[Cell]
    rows: dict[str, list[Row]] = field(default_factory=_no_rows)
    taken_over: dict[tuple[str, Cell], date] = field(default_factory=dict)


def compute_grid(warehouse_path: Path, study: "StudySettings") -> Grid:
    """Compute the figures of every cell whose input changed, and keep them under the day.

    The warehouse is opened read-only for the computation and shortly for the write.

    Raises:
        PermanentFailure: the warehouse, a model or a sample is missing, or nothing is loaded.
        TransientFailure: another process has the warehouse open.
    """
    with open_warehouse(warehouse_path, read_only=True) as connection:
        window = window_of(connection)
        grid = Grid(window.day, cells_of(study))
        is_known = _are_there(connection)
        for cell in grid.cells:
            pair = populations(connection, study, cell, window)
            for table in _tables_of(cell):
                told = _input_hash(study, cell, table, window, pair)
                day = _known_on(connection, study, cell, table, told) if is_known else None
                if day is None:
                    grid.rows[table.name] += _figures(study, cell, table, window, pair, told)
                else:
                    grid.taken_over[table.name, cell] = day
    with open_warehouse(warehouse_path, read_only=False) as connection:
        _keep(connection, study, grid)
    return grid


def newest_day(connection: "duckdb.DuckDBPyConnection", study: str) -> date:
    """The newest day with figures of a study.

    Raises:
        PermanentFailure: there are none.
    """
    (day,) = connection.execute(
        f"SELECT max(day) FROM {COMPARISON.name} WHERE study = $study", {"study": study}
    ).fetchall()[0]
    if day is None:
        raise PermanentFailure(f"The study {study} has no figures.", "Compute its grid first.")
    found: date = day
    return found


def _tables_of(cell: Cell) -> tuple[StudyTable, ...]:
    """Matching makes two platforms comparable: within one of them there is nothing to match."""
    if cell.exposure == "matched_quarter":
        return tuple(table for table in TABLES if table != CORRELATION)
    return TABLES


def _figures(
    study: "StudySettings",
    cell: Cell,
    table: StudyTable,
    window: Window,
    pair: tuple[Population, Population],
    told: str,
) -> list[Row]:
    common = {"study": study.name, "day": window.day, **cell.row(), "input_hash": told}
    if table == COMPARISON:
        return comparison_rows(common, *pair, study.grid.bootstrap_draws, study.seed)
    of_one = {SUMMARY: summary_rows, CORRELATION: correlation_rows, DISTRIBUTION: distribution_rows}
    return [row for one in pair for row in of_one[table](common, one)]


def _input_hash(
    study: "StudySettings",
    cell: Cell,
    table: StudyTable,
    window: Window,
    pair: tuple[Population, Population],
) -> str:
    """Of all that figures depend on; the day only where ages end on it."""
    ends = window.day if table == CORRELATION or cell.exposure == "per_month" else None
    drawn = (study.seed, study.grid.bootstrap_draws) if table == COMPARISON else None
    told = f"{VERSION} {table.name} {cell} {ends} {drawn} {' '.join(one.digest for one in pair)}"
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


def _are_there(connection: "duckdb.DuckDBPyConnection") -> bool:
    (present,) = connection.execute(
        "SELECT count(*) FROM information_schema.tables"
        " WHERE list_contains($names, table_schema || '.' || table_name)",
        {"names": [table.name for table in TABLES]},
    ).fetchall()[0]
    return bool(present == len(TABLES))


def _known_on(
    connection: "duckdb.DuckDBPyConnection",
    study: "StudySettings",
    cell: Cell,
    table: StudyTable,
    told: str,
) -> date | None:
    """The newest day on which the cell has figures of this very input."""
    (day,) = connection.execute(
        f"SELECT max(day) FROM {table.name} WHERE {_of_cell()} AND input_hash = $told",
        {"study": study.name, "told": told, **cell.row()},
    ).fetchall()[0]
    found: date | None = day
    return found


def _keep(connection: "duckdb.DuckDBPyConnection", study: "StudySettings", grid: Grid) -> None:
    """Replace the day's rows: those computed, those taken over, and no others."""
    with _transaction(connection):
        make_tables(connection, TABLES)
        for table in TABLES:
            _take_over(connection, table, study.name, grid)
            _insert(connection, table, grid.rows[table.name])
        connection.execute(
            f"DELETE FROM {DISTRIBUTION.name} WHERE study = $study AND day <= $oldest",
            {
                "study": study.name,
                "oldest": grid.day - timedelta(days=study.grid.distribution_days),
            },
        )


def _take_over(
    connection: "duckdb.DuckDBPyConnection", table: StudyTable, study: str, grid: Grid
) -> None:
    """Leave of the day only cells that are its own, and copy those of earlier days to it."""
    known_on = {cell: day for (name, cell), day in grid.taken_over.items() if name == table.name}
    own = [cell for cell, day in known_on.items() if day == grid.day]
    keys = ", ".join(_CELL)
    kept = ", ".join(_tuple(cell) for cell in own)
    others = f" AND ({keys}) NOT IN ({kept})" if own else ""
    connection.execute(
        f"DELETE FROM {table.name} WHERE study = $study AND day = $day{others}",
        {"study": study, "day": grid.day},
    )
    names = ", ".join(table.column_names)
    copied = ", ".join("$day" if name == "day" else name for name in table.column_names)
    for cell, day in known_on.items():
        if day == grid.day:
            continue
        connection.execute(
            f"INSERT INTO {table.name} ({names}) SELECT {copied} FROM {table.name}"
            f" WHERE {_of_cell()} AND day = $known_on",
            {"study": study, "day": grid.day, "known_on": day, **cell.row()},
        )


def _insert(
    connection: "duckdb.DuckDBPyConnection", table: StudyTable, rows: Sequence[Mapping[str, Any]]
) -> None:
    connection.register("new_rows", table_of(table, rows))
    names = ", ".join(table.column_names)
    connection.execute(f"INSERT INTO {table.name} ({names}) SELECT {names} FROM new_rows")
    connection.unregister("new_rows")


@contextmanager
def _transaction(connection: "duckdb.DuckDBPyConnection") -> Iterator[None]:
    """Closing the connection rolls back what was not committed."""
    connection.begin()
    yield
    connection.commit()


def _of_cell() -> str:
    return "study = $study AND " + " AND ".join(f"{name} = ${name}" for name in _CELL)


def _tuple(cell: Cell) -> str:
    """The names are validated settings: letters, digits and underscores."""
    return "(" + ", ".join(f"'{value}'" for value in cell.row().values()) + ")"
