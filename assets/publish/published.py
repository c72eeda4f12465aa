"""The published file as the report reads it: opened read-only, asked for a study's newest rows.

Belongs here: queries that several parts of the report share. Does not belong here: what the rows
mean, and making the file (`snapshot`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.study.features import FEATURES, PLATFORMS, Basis, choose_basis
from orchestration.failures import PermanentFailure

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]
# Platform and feature to the basis that is shown.
Bases = Mapping[tuple[str, str], Basis]


@dataclass(frozen=True)
class Published:
    """The published file, with the questions the report asks it.

    Attributes:
        study: whose rows `newest` gives; None: the file has none of any study.
        reference: the cell that is shown where one is shown.
    """

    connection: "duckdb.DuckDBPyConnection"
    study: str | None
    reference: Mapping[str, str]

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[Row]:
        """What a query gives, as dicts."""
        return _rows(self.connection, query, parameters)

    def newest(self, table: str, **equal: str) -> list[Row]:
        """The study's rows of its newest day in a mart, of which columns equal what is given."""
        conditions = "".join(f" AND {name} = ?" for name in equal)
        return self.rows(
            f"SELECT * FROM {table} WHERE study = ? AND day ="
            f" (SELECT max(day) FROM {table} WHERE study = ?){conditions}",
            [self.study, self.study, *equal.values()],
        )

    def has(self, table: str) -> bool:
        """Whether the file has a mart; one of an older version lacks newer ones."""
        return bool(self.rows("SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [table]))

    def newest_if_any(self, table: str) -> list[Row]:
        """The same as `newest`; empty where the file lacks the mart."""
        return self.newest(table) if self.has(table) else []

    def of_reference(self, table: str) -> list[Row]:
        """The same of the reference cell alone."""
        return self.newest(table, **self.reference)


def shown_bases(comparison: Sequence[Row], summary: Sequence[Row]) -> Bases:
    """The basis that was compared, else that which the same rule chooses.

    Args:
        comparison: `mart_platform_comparison` of one cell.
        summary: `mart_intensity_summary` of the same.
    """
    known = {(row["platform"], row["feature"], row["basis"]): row for row in summary}
    nothing = {"repository_count": 0, "unknown_count": 0}
    bases: dict[tuple[str, str], Basis] = {}
    for platform in PLATFORMS:
        for feature in FEATURES:
            both = [known.get((platform, feature, basis), nothing) for basis in ("stock", "flow")]
            total = max(row["repository_count"] + row["unknown_count"] for row in both)
            stock, flow = (row["repository_count"] for row in both)
            basis = choose_basis(total, stock, flow)
            if basis:
                bases[platform, feature] = basis
    for row in comparison:
        for platform in PLATFORMS:
            if row[f"{platform}_basis"]:
                bases[platform, row["feature"]] = row[f"{platform}_basis"]
    return bases


@contextmanager
def open_published(
    marts_path: Path, study: str | None, reference: Mapping[str, str]
) -> Iterator[Published]:
    """Open a published `marts.duckdb`.

    Args:
        study: by default `paper`, else the first by name that has a comparison.

    Raises:
        PermanentFailure: the file is missing or not a publication of this version, or has no such
            study.
    """
    import duckdb

    if not marts_path.is_file():
        raise PermanentFailure(f"There is no published file {marts_path}.", "Publish first.")
    try:
        with duckdb.connect(str(marts_path), read_only=True) as connection:
            yield Published(connection, _study(connection, study), reference)
    except (duckdb.CatalogException, duckdb.BinderException, duckdb.IOException) as error:
        raise PermanentFailure(
            f"{marts_path} is not a publication of this version: {str(error).splitlines()[0]}",
            "Publish again.",
        ) from error


def _study(connection: "duckdb.DuckDBPyConnection", asked: str | None) -> str | None:
    rows = _rows(
        connection,
        "SELECT DISTINCT study FROM mart_platform_comparison ORDER BY study = 'paper' DESC, study",
    )
    names = [row["study"] for row in rows]
    if asked is not None and asked not in names:
        raise PermanentFailure(f"The publication has no study {asked!r}.", f"It has {names}.")
    return asked or (names[0] if names else None)


def _rows(
    connection: "duckdb.DuckDBPyConnection", query: str, parameters: Sequence[object] = ()
) -> list[Row]:
    cursor = connection.execute(query, list(parameters))
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
