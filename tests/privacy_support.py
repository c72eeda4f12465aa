"""Looking for an account in everything below an installation's folder, decoded.

Belongs here: reading each kind of file that the platform writes. Does not belong here: checks.
"""

import json
import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

# What the demonstration's twin writes beside the installation: the sources, not what was stored.
OF_THE_TWIN = ("world", "twin.log", "twin.json", "planted.json")
SQLITE = {".db", ".sqlite"}


def traces(folder: Path, needles: Iterable[str], skip: Sequence[str] = ()) -> list[str]:
    """Where any of the words stands on its own, in any case: file and place."""
    words = "|".join(re.escape(word) for word in sorted(needles, key=len, reverse=True))
    wanted = re.compile(rf"(?<![A-Za-z0-9_-])(?:{words})(?![A-Za-z0-9_-])", re.IGNORECASE)
    found = []
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not path.is_file() or name.split("/")[0] in OF_THE_TWIN or name in skip:
            continue
        if wanted.search(name):
            found.append(f"{name} (its name)")
        for place, text in texts(path):
            match = wanted.search(text)
            if match:
                near = text[max(0, match.start() - 60) : match.end() + 60]
                found.append(f"{name} {place}: {near!r}")
    return found


def texts(path: Path) -> Iterator[tuple[str, str]]:
    """Places and texts of a file."""
    if path.suffix == ".parquet":
        with duckdb.connect() as connection:
            yield from _rows(connection, f"read_parquet('{path}')", "rows")
    elif path.suffix == ".duckdb":
        yield from _database(path)
    elif path.suffix in SQLITE:
        yield from _sqlite(path)
    else:
        yield "text", path.read_bytes().decode("utf-8", "replace")


def _rows(connection: Any, relation: str, place: str) -> Iterator[tuple[str, str]]:
    for number, (row,) in enumerate(
        connection.execute(f"select to_json(t)::varchar from {relation} as t").fetchall()
    ):
        yield f"{place} {number}", row


def _database(path: Path) -> Iterator[tuple[str, str]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute(
            "select schema_name, table_name from duckdb_tables() where not internal"
        ).fetchall()
        for schema, table in found:
            yield from _rows(connection, f'"{schema}"."{table}"', f"{schema}.{table}")
    # What was deleted may lie in free blocks, uncompressed or not.
    yield "bytes", path.read_bytes().decode("latin-1")


def _sqlite(path: Path) -> Iterator[tuple[str, str]]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        tables = [
            name
            for (name,) in connection.execute("select name from sqlite_master where type='table'")
        ]
        for table in tables:
            for row in connection.execute(f'select * from "{table}"'):
                yield table, json.dumps([_cell(cell) for cell in row], ensure_ascii=False)
    yield "bytes", path.read_bytes().decode("latin-1")


def _cell(cell: Any) -> Any:
    if not isinstance(cell, bytes):
        return cell
    try:
        return zlib.decompress(cell).decode("utf-8", "replace")
    except zlib.error:
        return cell.decode("latin-1")
