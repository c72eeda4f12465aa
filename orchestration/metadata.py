"""What a materialisation says about itself in the UI: rows, window, coverage, bytes, preview.

Belongs here: the shapes of metadata that several assets share. Does not belong here: the
numbers themselves. Values that were mined are shown as table cells, never as Markdown.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.parquet import asking_files

PREVIEW_ROWS = 5
MOST_CELL_CHARACTERS = 120


def result(
    *,
    metadata: Mapping[str, Any] | None = None,
    asset_key: dg.AssetKey | None = None,
    data_version: dg.DataVersion | None = None,
) -> dg.MaterializeResult[None]:
    """What a step returns whose rows are in a file or a table, and in no value."""
    # Without a value it holds a mark, which is no None; Dagster knows it.
    return dg.MaterializeResult(  # pyrefly: ignore[bad-return]
        asset_key=asset_key, metadata=metadata, data_version=data_version
    )


def table_schema(
    columns: Mapping[str, str], descriptions: Mapping[str, str] | None = None
) -> dg.TableSchema:
    """Columns of a table for the UI.

    Args:
        columns: name to DuckDB type.
        descriptions: name to what it holds, where known.
    """
    told = descriptions or {}
    return dg.TableSchema(
        [
            dg.TableColumn(name, kind.lower() if len(kind) < 40 else "struct", told.get(name))
            for name, kind in columns.items()
        ]
    )


def lineage(sources: Mapping[str, Iterable[tuple[dg.AssetKey, str]]]) -> dg.TableColumnLineage:
    """Which upstream columns each column is made of."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key=key, column_name=name) for key, name in origins]
            for column, origins in sources.items()
        }
    )


def table(rows: Sequence[Mapping[str, Any]]) -> dg.MetadataValue[Any]:
    """Rows of equal keys as a table in the UI; cells are shortened."""
    if not rows:
        return dg.MetadataValue.text("no rows")
    columns = [dg.TableColumn(name, _kind(rows, name)) for name in rows[0]]
    records = [dg.TableRecord({name: _cell(value) for name, value in row.items()}) for row in rows]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


def preview(files: Sequence[Path], columns: Sequence[str]) -> dg.MetadataValue[Any]:
    """The first rows of Parquet files as a table in the UI.

    Args:
        columns: at most a handful, none with long texts.
    """
    if not files:
        return dg.MetadataValue.text("no rows")
    chosen = ", ".join(f'"{column}"' for column in columns)
    with asking_files() as connection:
        found = connection.execute(
            f"select {chosen} from read_parquet($files) limit {PREVIEW_ROWS}",
            {"files": [str(file) for file in files]},
        )
        names = [column[0] for column in found.description or []]
        return table([dict(zip(names, row, strict=True)) for row in found.fetchall()])


def bytes_of(files: Iterable[Path]) -> int:
    """Size of files on disk, in bytes."""
    return sum(file.stat().st_size for file in files)


def _cell(value: object) -> str | int | float | bool | None:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if value is None or isinstance(value, int | bool):
        return value
    text = value.isoformat() if isinstance(value, date | datetime) else str(value)
    return text if len(text) <= MOST_CELL_CHARACTERS else text[: MOST_CELL_CHARACTERS - 1] + "…"


def _kind(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    known = {type(row[name]) for row in rows if row[name] is not None}
    if known <= {int}:
        return "int"
    return "float" if known <= {int, float} else "string"
