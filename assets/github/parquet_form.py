"""Archive hours that come as Parquet (nested structs) instead of packed JSON lines.

Belongs here: turning such a file back into JSON lines, so that one landing serves every form.
"""

import os
from pathlib import Path

import duckdb

from assets.github.landing import literal
from assets.github.lines import Unreadable

_NEEDED = {"id", "type", "actor", "repo", "payload", "created_at"}
# Rows taken over at a time; DuckDB itself works on 2048.
ROWS = 512


def to_lines(
    connection: duckdb.DuckDBPyConnection, path: Path, target: Path, max_bytes: int
) -> None:
    """Write the rows of a Parquet file as JSON lines, in the order of the file.

    Absent keys and nulls are one in Parquet: both become nulls. `target` holds addresses as they
    are in the file: it is the user's alone, and the caller deletes it.

    Args:
        max_bytes: a few kilobytes of Parquet can stand for any number of bytes of text.

    Raises:
        Unreadable: not Parquet, not events, or more text than `max_bytes`; `target` is then
            incomplete.
    """
    try:
        described = connection.execute(
            "describe select * from read_parquet($path)", {"path": str(path)}
        ).fetchall()
        missing = _NEEDED - {row[0] for row in described}
        if missing:
            raise Unreadable("corrupt", f"the Parquet file has no column {sorted(missing)[0]}")
        connection.execute(f"select to_json(line)::varchar from read_parquet({literal(path)}) line")
        _write(connection, target, max_bytes)
    except duckdb.OutOfMemoryException as error:
        reason = "its rows unpack to more than archive.memory_megabytes allows"
        raise Unreadable("refused", reason) from error
    except duckdb.Error as error:
        reason = str(error).splitlines()[0][:200]
        raise Unreadable("corrupt", f"not readable as Parquet ({reason})") from error


def _write(connection: duckdb.DuckDBPyConnection, target: Path, max_bytes: int) -> None:
    """Write the rows of the connection's pending result, each as a line."""
    written = 0
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        while rows := connection.fetchmany(ROWS):
            block = "".join(f"{text}\n" for (text,) in rows).encode()
            written += len(block)
            if written > max_bytes:
                raise Unreadable("refused", f"unpacks to more than {max_bytes} bytes")
            out.write(block)
