"""The study's networks in every cell, a night computing what changed.

Belongs here: which figures are computed and which are taken over, how far they move between cells,
and writing them. Does not belong here: what a cell is (`cells`), its acts (`loading`), the figures
(`measure`), and what else is told of the reference networks (`details`).

Figures are a time series like all of the study's: a day's rows stay, and what rests on the same
input as on an earlier day is taken over.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.study.features import PLATFORM_NAMES, PLATFORMS
from assets.study.networks.cells import (
    DIMENSIONS,
    NetworkCell,
    network_cells,
    reference_cells,
)
from assets.study.networks.details import DETAILS, Details, details_hash, organisations
from assets.study.networks.estimates import network_estimates
from assets.study.networks.loading import CellActs, Loaded, acts_of, load_acts
from assets.study.networks.measure import Figures, measure
from assets.study.networks.tables import (
    ALL_TABLES,
    BLOCK,
    DEGREE,
    ESTIMATE,
    LAYOUT,
    MEASURE,
    SENSITIVITY,
    SUMMARY,
)
from assets.study.population import window_of
from assets.study.tables import StudyTable, open_warehouse, replace_study, table_of

if TYPE_CHECKING:
    import duckdb

    from orchestration.settings import StudySettings

Row = dict[str, Any]
# Another way of computing makes figures that were kept untrue.
VERSION = 1
# The summary's columns that say how much depends on the way of computing.
FIGURES = (
    "connected_rate",
    "average_degree",
    "average_degree_connected",
    "maximum_degree",
    "edge_count",
)
# Large, and of interest for pictures only.
SHORT_LIVED = (DEGREE, BLOCK, LAYOUT)


def _no_rows() -> dict[str, list[Row]]:
    return {table.name: [] for table in ALL_TABLES}


@dataclass
class Networks:
    """What computing the networks did.

    Attributes:
        day: newest day of the data.
        rows: by table, those taken over among them.
        taken_over: networks of a cell that rest on the input of an earlier day.
    """

    day: date
    rows: dict[str, list[Row]] = field(default_factory=_no_rows)
    taken_over: int = 0


def compute_networks(warehouse_path: Path, study: "StudySettings") -> Networks:
    """Measure the networks whose input changed, and keep all of them under the day.

    The warehouse is opened read-only for the computation and shortly for the write.

    Raises:
        PermanentFailure: a table is missing, or nothing is loaded.
        TransientFailure: another process has the warehouse open.
    """
    with open_warehouse(warehouse_path, read_only=True) as connection:
        networks = Networks(window_of(connection).day)
        for platform in PLATFORMS:
            _platform(connection, study, platform, networks)
        rows = networks.rows
        rows[ESTIMATE.name] = network_estimates(connection, study, networks.day)
    rows[SENSITIVITY.name] = list(_sensitivity(rows[SUMMARY.name], study))
    made = [(table, table_of(table, rows[table.name])) for table in ALL_TABLES]
    replace_study(warehouse_path, study.name, made, networks.day)
    _forget(warehouse_path, study, networks.day)
    return networks


def _platform(
    connection: "duckdb.DuckDBPyConnection", study: "StudySettings", platform: str, made: Networks
) -> None:
    loaded = load_acts(connection, study, platform)
    organisation = organisations(connection, loaded)
    end = datetime.combine(made.day + timedelta(days=1), datetime.min.time(), UTC)
    references = set(reference_cells(study))
    present = _present(connection)
    for cell in network_cells(study):
        one = _Network(connection, study, loaded, cell, made.day, end, present)
        made.taken_over += one.is_known
        is_reference = cell in references
        made.rows[SUMMARY.name] += [{**row, "is_reference": is_reference} for row in one.summary()]
        if is_reference:
            made.rows[DEGREE.name] += one.degrees()
            for name, rows in one.details(organisation).items():
                made.rows[name] += rows


class _Network:
    """One network of the day: rows of an earlier day where they rest on the same input."""

    def __init__(
        self,
        connection: "duckdb.DuckDBPyConnection",
        study: "StudySettings",
        loaded: Loaded,
        cell: NetworkCell,
        day: date,
        end: datetime,
        present: set[str],
    ) -> None:
        self._connection, self._study, self._loaded, self._cell = connection, study, loaded, cell
        self._present = present
        self._found = acts_of(loaded, cell)
        self._window = cell.window_to(int(end.timestamp()) * 1_000_000 - 1)
        self._common: Row = {"study": study.name, "day": day, "platform": loaded.platform}
        self._told = _input_hash(self._found, cell, end)
        self._earlier = self._known(SUMMARY, self._told)

    @property
    def is_known(self) -> bool:
        return self._earlier is not None

    @cached_property
    def _figures(self) -> Figures:
        return measure(self._found.acts, self._cell.network, self._window)

    def summary(self) -> list[Row]:
        if self._earlier is not None:
            return self._rows(SUMMARY, self._earlier)
        return [_summary(self._common, self._cell, self._loaded, self._figures, self._told)]

    def degrees(self) -> list[Row]:
        day = self._known(DEGREE, self._told)
        if day is not None:
            return self._rows(DEGREE, day)
        return list(_degrees(self._common, self._cell, self._figures, self._told))

    def details(self, organisation: list[str | None]) -> dict[str, list[Row]]:
        """Rows of all tables of details.

        Args:
            organisation: (actors loaded,)
        """
        own = [organisation[at] for at in self._found.actor.tolist()]
        told = details_hash(self._study, self._told, own)
        day = self._known(MEASURE, told)
        if day is not None:
            return {table.name: self._rows(table, day) for table in DETAILS}
        return Details(
            self._study, self._cell, self._window, self._found, self._figures, self._common, told
        ).rows(own)

    def _known(self, table: StudyTable, told: str) -> date | None:
        """The newest day on which the network has rows of this very input."""
        if table.name not in self._present:
            return None
        (day,) = self._connection.execute(
            f"SELECT max(day) FROM {table.name} WHERE {self._of(table)} AND input_hash = $told",
            {**self._names(table), "told": told},
        ).fetchall()[0]
        found: date | None = day
        return found

    def _rows(self, table: StudyTable, day: date) -> list[Row]:
        """The rows of an earlier day, as rows of today."""
        found = self._connection.execute(
            f"SELECT {', '.join(table.column_names)} FROM {table.name}"
            f" WHERE {self._of(table)} AND day = $day",
            {**self._names(table), "day": day},
        ).fetchall()
        today = {"day": self._common["day"]}
        return [dict(zip(table.column_names, row, strict=True)) | today for row in found]

    def _names(self, table: StudyTable) -> Row:
        named = {**self._cell.row(), **self._common}
        del named["day"]
        return {name: value for name, value in named.items() if name in table.column_names}

    def _of(self, table: StudyTable) -> str:
        return " AND ".join(f"{name} = ${name}" for name in self._names(table))


def _input_hash(found: CellActs, cell: NetworkCell, end: datetime) -> str:
    """Of all that figures depend on; the end of the data only where the window ends there."""
    at = end if cell.semantics == "trailing" else None
    told = f"{VERSION} {found.digest} {cell.network} {cell.semantics} {cell.time_window} {at}"
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


def _present(connection: "duckdb.DuckDBPyConnection") -> set[str]:
    """The marts that earlier nights made."""
    found = connection.execute(
        "SELECT table_schema || '.' || table_name FROM information_schema.tables"
    ).fetchall()
    return {name for (name,) in found}


def _summary(common: Row, cell: NetworkCell, loaded: Loaded, figures: Figures, told: str) -> Row:
    connected = int((figures.degrees > 0).sum())
    return {
        **common,
        **cell.row(),
        "node_count": figures.nodes,
        "active_node_count": figures.active_nodes,
        "membership_count": figures.memberships,
        "connected_count": connected,
        "edge_count": figures.edges,
        "connected_rate": figures.connected_rate,
        "average_degree": figures.average_degree_all,
        "average_degree_connected": figures.average_degree_connected,
        "maximum_degree": figures.max_degree,
        "status": "measured" if figures.active_nodes else "not_measurable",
        "reason": _limit(cell, loaded, figures),
        "input_hash": told,
    }


def _limit(cell: NetworkCell, loaded: Loaded, figures: Figures) -> str | None:
    name = PLATFORM_NAMES[loaded.platform]
    available = int((loaded.place[cell.rank_name] > 0).sum())
    if not available:
        return f"{name}: no repositories are cut by {cell.rank_name}"
    if not figures.active_nodes:
        return f"{name}: no act of this type on any of the repositories"
    if available < cell.top_count:
        return f"{name}: {available:,} repositories are all that there are"
    return None


def _degrees(common: Row, cell: NetworkCell, figures: Figures, told: str) -> Iterator[Row]:
    degree, count = figures.distribution()
    above = figures.nodes
    for one, nodes in zip(degree.tolist(), count.tolist(), strict=True):
        yield {
            **common,
            "network": cell.network,
            "interaction_type": cell.interaction_type,
            "degree": one,
            "node_count": nodes,
            "share_at_least": above / figures.nodes,
            "input_hash": told,
        }
        above -= nodes


def _sensitivity(rows: Sequence[Row], study: "StudySettings") -> Iterator[Row]:
    """How far each figure of each reference moves with each dimension."""
    for platform in PLATFORMS:
        of = {NetworkCell.of(row): row for row in rows if row["platform"] == platform}
        for reference in reference_cells(study):
            alike = [
                (cell, row)
                for cell, row in of.items()
                if (cell.network, cell.interaction_type)
                == (reference.network, reference.interaction_type)
            ]
            for varied in DIMENSIONS:
                arm = [(cell, row) for cell, row in alike if cell.varied(reference) == varied]
                if not arm:
                    continue
                arm.insert(0, (reference, of[reference]))
                for figure in FIGURES:
                    yield _range(reference, arm, varied, figure)


def _range(
    reference: NetworkCell, arm: Sequence[tuple[NetworkCell, Row]], varied: str, figure: str
) -> Row:
    base = arm[0][1]
    known = [
        (float(row[figure]), _name(cell, varied))
        for cell, row in arm
        if row["status"] == "measured" and row[figure] is not None
    ]
    # Of equals the reference, which is the first.
    low = min(known, key=lambda one: one[0], default=(None, None))
    high = max(known, key=lambda one: one[0], default=(None, None))
    return {
        **{name: base[name] for name in ("study", "day", "platform")},
        "network": reference.network,
        "interaction_type": reference.interaction_type,
        "figure": figure,
        "varied": varied,
        "reference_value": base[figure] if base["status"] == "measured" else None,
        "low_value": low[0],
        "low_at": low[1],
        "high_value": high[0],
        "high_at": high[1],
        "cell_count": len(known),
    }


def _name(cell: NetworkCell, varied: str) -> str:
    if varied == "semantics":
        return f"{cell.semantics} {cell.time_window}"
    return str(cell.row()[varied])


def _forget(warehouse_path: Path, study: "StudySettings", day: date) -> None:
    oldest = day - timedelta(days=study.grid.distribution_days)
    with open_warehouse(warehouse_path, read_only=False) as connection:
        for table in SHORT_LIVED:
            connection.execute(
                f"DELETE FROM {table.name} WHERE study = $study AND day <= $oldest",
                {"study": study.name, "oldest": oldest},
            )
