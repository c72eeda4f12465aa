"""Asking files of the lake something small, over one database in memory that a process keeps.

Belongs here: opening a connection for that. Does not belong here: what is asked, and work on many
rows (the warehouse, landing), which has databases and limits of its own.

Opening a database costs more than most of what a night asks of single files, some hundred times.
"""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


@contextmanager
def asking_files() -> Iterator["duckdb.DuckDBPyConnection"]:
    """A connection of one's own to the kept database; what is made in it must be temporary.

    It works in the calling thread alone.
    """
    connection = _database().cursor()
    try:
        yield connection
    finally:
        connection.close()


@cache
def _database() -> "duckdb.DuckDBPyConnection":
    import duckdb

    database = duckdb.connect()
    # A process that is forked later has none of its threads, and files are small.
    database.execute("set threads = 1")
    # Files are written over within milliseconds: what a cache knows of a name is no longer so.
    database.execute("set enable_external_file_cache = false")
    # The library complains of databases that outlive the interpreter.
    atexit.register(_database.cache_clear)
    return database
