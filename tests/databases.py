"""Databases that tests fill and look into, over one that a worker keeps.

Belongs here: opening them. Does not belong here: what is in them.

Making a DuckDB takes longer than most of what a test asks of one, some thousands of times;
attaching to one that is there does not.
"""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import duckdb

_numbers = count()


@contextmanager
def database(
    path: Path | str = ":memory:", read_only: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose catalog is this file's, which is closed and whole afterwards.

    All see what one of them attaches itself: a test that does takes a database of its own.

    Args:
        path: without it, an empty database in memory.
    """
    name = f"database_{next(_numbers)}"
    connection = _kept().cursor()
    try:
        connection.execute(
            f"attach $path as {name} (read_only {str(read_only).lower()})", {"path": str(path)}
        )
        connection.execute(f"use {name}")
        yield connection
    finally:
        # Rolls back what a failed block left open.
        connection.close()
        with _kept().cursor() as last:
            last.execute(f"detach database if exists {name}")


@cache
def _kept() -> duckdb.DuckDBPyConnection:
    kept = duckdb.connect()
    kept.execute("set threads = 1")
    # Files are written over within milliseconds: what a cache knows of a name is no longer so.
    kept.execute("set enable_external_file_cache = false")
    # The library complains of databases that outlive the interpreter.
    atexit.register(_kept.cache_clear)
    return kept
