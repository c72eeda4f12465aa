"""How checks read: the warehouse and the analysts' copy, never to be written.

Belongs here: opening and closing. Does not belong here: what is asked.

Opening and attaching a warehouse takes longer than most of what a check asks, so that the checks of
one step share it (`kept_open`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.failures import PermanentFailure, TransientFailure

if TYPE_CHECKING:
    import duckdb


# Connections that a step holds open, by what is attached.
_kept: dict[tuple[tuple[str, Path], ...], "duckdb.DuckDBPyConnection"] = {}


@contextmanager
def reading(**files: Path) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A connection with each file attached read-only under its keyword.

    Raises:
        PermanentFailure: a file or a table is missing.
        TransientFailure: a file is being written.
    """
    import duckdb

    kept = _kept.get(tuple(sorted(files.items())))
    with _attached(files) if kept is None else kept.cursor() as connection:
        connection.execute("set TimeZone = 'UTC'")
        try:
            yield connection
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            raise PermanentFailure(
                f"A table is not as expected: {str(error).splitlines()[0]}",
                "Build the dbt models and the study of this version first.",
            ) from error


@contextmanager
def kept_open(**files: Path) -> Iterator[None]:
    """While it lasts, `reading` these files opens nothing anew; where one is missing, it does."""
    key = tuple(sorted(files.items()))
    if key in _kept or not all(path.is_file() for path in files.values()):
        yield
        return
    with _attached(files) as connection:
        _kept[key] = connection
        try:
            yield
        finally:
            del _kept[key]


@contextmanager
def _attached(files: Mapping[str, Path]) -> Iterator["duckdb.DuckDBPyConnection"]:
    import duckdb

    for path in files.values():
        if not path.is_file():
            raise PermanentFailure(f"There is no {path}.", "Run the steps that make it first.")
    with duckdb.connect() as connection:
        try:
            for name, path in files.items():
                connection.execute(f"attach $path as {name} (read_only)", {"path": str(path)})
        except duckdb.IOException as error:
            raise TransientFailure(
                f"A file cannot be read: {str(error).splitlines()[0]}",
                "Wait until the other process has closed it.",
            ) from error
        yield connection
