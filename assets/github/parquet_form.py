"""Archive hours that come as Parquet (nested structs) instead of packed JSON lines.

Belongs here: turning such a file back into JSON lines, so that one landing serves every form.
"""

from pathlib import Path

import duckdb

from assets.github.landing import literal
from assets.github.lines import Unreadable

_NEEDED = {"id", "type", "actor", "repo", "payload", "created_at"}


def to_lines(connection: duckdb.DuckDBPyConnection, path: Path, target: Path) -> None:
    """Write the rows of a Parquet file as JSON lines, in the order of the file.

    Absent keys and nulls are one in Parquet: both become nulls.

    Raises:
        Unreadable: not Parquet, or not events.
    """
    try:
        described = connection.execute(
            "describe select * from read_parquet($path)", {"path": str(path)}
        ).fetchall()
        missing = _NEEDED - {row[0] for row in described}
        if missing:
            raise Unreadable("corrupt", f"the Parquet file has no column {sorted(missing)[0]}")
        connection.execute(
            f"copy (select * from read_parquet({literal(path)})) to {literal(target)} (format json)"
        )
    except duckdb.Error as error:
        reason = str(error).splitlines()[0][:200]
        raise Unreadable("corrupt", f"not readable as Parquet ({reason})") from error
