"""From the journal's lines to the lake's Parquet.

Belongs here: typing, deduplication and order of rows, so that equal rows give equal bytes
whatever order they came in. Does not belong here: what a row means (each source's normaliser).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import islice
from pathlib import Path

import duckdb

from assets.github.landing import literal
from orchestration.lake import Lake, told_when_full

# The longest row: an issue's text is 64 kB, a commit's message can be longer.
MOST_ROW_BYTES = 64 * 1024 * 1024
LINES_AT_ONCE = 10_000


def write_table(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    lines: Iterable[str],
    columns: Mapping[str, str],
    key: Sequence[str],
    newest: str | None,
    day: date,
    parquet: Path,
) -> tuple[int, int]:
    """Write JSON rows as Parquet, each key once, ordered by key.

    Args:
        lines: rows as JSON objects in the columns' names.
        columns: name to DuckDB type; `observed_at` is filled with the day.
        key: columns that name a row.
        newest: of several rows of a key the one with the largest value here is kept.

    Returns:
        Rows written and rows dropped because of their key.

    Raises:
        PermanentFailure: the disk is full.
        duckdb.Error: a value does not fit its column, which the normaliser should have refused.
    """
    with lake.temporary(".jsonl") as file:
        count = _write_lines(file, lines)
        declared = ", ".join(f"\"{name}\": '{kind}'" for name, kind in columns.items())
        source = (
            f"read_json({literal(file)}, format = 'newline_delimited', "
            f"maximum_object_size = {MOST_ROW_BYTES}, columns = {{{declared}}})"
            if count
            else nothing(columns)
        )
        keys = ", ".join(f'"{name}"' for name in key)
        order = f'"{newest}" desc nulls last, ' if newest else ""
        observed = datetime.combine(day, datetime.min.time())
        stamp = "* replace ($observed::timestamp as observed_at)"
        once = f"""
            qualify row_number() over (partition by {keys} order by {order} hash(one)) = 1
            order by {keys}
        """
        written = connection.execute(
            f"""
            copy (
                select {stamp if "observed_at" in columns else "*"} from {source} as one
                {once if count else ""}
            ) to {literal(parquet)} (format parquet, compression zstd)
            """,
            {"observed": observed} if "observed_at" in columns else {},
        ).fetchone()
    assert written is not None
    return int(written[0]), count - int(written[0])


def _write_lines(file: Path, lines: Iterable[str]) -> int:
    count, rest = 0, iter(lines)
    with told_when_full(file.parent), file.open("w", encoding="utf-8") as stream:
        while chunk := list(islice(rest, LINES_AT_ONCE)):
            stream.write("\n".join(chunk) + "\n")
            count += len(chunk)
    return count


def nothing(columns: Mapping[str, str]) -> str:
    """A relation of zero rows with these columns."""
    typed = ", ".join(f'null::{kind} as "{name}"' for name, kind in columns.items())
    return f"(select {typed} where false)"
