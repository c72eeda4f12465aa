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
from databases import database

from orchestration.parquet import asking_files

# What the demonstration's twin writes beside the installation: the sources, not what was stored.
OF_THE_TWIN = ("world", "twin.log", "twin.json", "planted.json")
SQLITE = {".db", ".sqlite"}


def traces(folder: Path, needles: Iterable[str], skip: Sequence[str] = ()) -> list[str]:
    """Where any of the words, in ASCII, stands on its own, in any case: file and place."""
    words = sorted({word.lower().encode("ascii") for word in needles}, key=len, reverse=True)
    listed = b"|".join(map(re.escape, words))
    alone = re.compile(rb"(?<![a-z0-9_-])(?:" + listed + rb")(?![a-z0-9_-])")
    found = []
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not path.is_file() or name.split("/")[0] in OF_THE_TWIN or name in skip:
            continue
        if alone.search(name.lower().encode()):
            found.append(f"{name} (its name)")
        for place, text in contents(path, [word.decode() for word in words]):
            lowered = text.lower()
            # Looking for plain bytes takes a hundredth of the pattern's time.
            if not any(word in lowered for word in words):
                continue
            match = alone.search(lowered)
            if match:
                near = text[max(0, match.start() - 60) : match.end() + 60]
                found.append(f"{name} {place}: {near!r}")
    return found


def contents(path: Path, words: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Places and texts of a file in UTF-8; of tables in files of DuckDB, rows with a word in it."""
    if path.suffix == ".parquet":
        with asking_files() as connection:
            yield from _rows(connection, f"read_parquet('{path}')", "rows", words)
        return
    if path.suffix == ".duckdb":
        yield from _database(path, words)
    elif path.suffix in SQLITE:
        yield from _sqlite(path)
    # What was deleted may lie in free blocks, uncompressed or not.
    yield "bytes", path.read_bytes()


def rows_of(path: Path) -> list[str]:
    """The rows of a Parquet file as JSON."""
    with asking_files() as connection:
        found = connection.execute(f"select to_json(t)::varchar from read_parquet('{path}') as t")
        return [row for (row,) in found.fetchall()]


def _rows(
    connection: duckdb.DuckDBPyConnection, relation: str, place: str, words: Sequence[str]
) -> Iterator[tuple[str, bytes]]:
    found = connection.execute(
        f"select number, text from (select row_number() over () as number, "
        f"to_json(t)::varchar as text from {relation} as t) where regexp_matches(text, $hint)",
        {"hint": "(?i)" + "|".join(map(re.escape, words))},
    )
    for number, text in found.fetchall():
        yield f"{place} {number - 1}", text.encode()


def _database(path: Path, words: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    with database(path, read_only=True) as connection:
        found = connection.execute(
            "select schema_name, table_name from duckdb_tables() where not internal"
        ).fetchall()
        for schema, table in found:
            yield from _rows(connection, f'"{schema}"."{table}"', f"{schema}.{table}", words)


def _sqlite(path: Path) -> Iterator[tuple[str, bytes]]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        tables = [
            name
            for (name,) in connection.execute("select name from sqlite_master where type='table'")
        ]
        for table in tables:
            for row in connection.execute(f'select * from "{table}"'):
                text = json.dumps([_cell(cell) for cell in row], ensure_ascii=False)
                yield table, text.encode(errors="replace")


def _cell(cell: Any) -> Any:
    if not isinstance(cell, bytes):
        return cell
    try:
        return zlib.decompress(cell).decode("utf-8", "replace")
    except zlib.error:
        return cell.decode("latin-1")
