"""How checks read: the warehouse and the analysts' copy, never to be written.

Belongs here: opening and closing. Does not belong here: what is asked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.failures import PermanentFailure, TransientFailure

if TYPE_CHECKING:
    import duckdb


@contextmanager
def reading(**files: Path) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A connection with each file attached read-only under its keyword.

    Raises:
        PermanentFailure: a file or a table is missing.
        TransientFailure: a file is being written.
    """
    import duckdb

    for path in files.values():
        if not path.is_file():
            raise PermanentFailure(f"There is no {path}.", "Run the steps that make it first.")
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        try:
            for name, path in files.items():
                connection.execute(f"attach $path as {name} (read_only)", {"path": str(path)})
        except duckdb.IOException as error:
            raise TransientFailure(
                f"A file cannot be read: {str(error).splitlines()[0]}",
                "Wait until the other process has closed it.",
            ) from error
        try:
            yield connection
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            raise PermanentFailure(
                f"A table is not as expected: {str(error).splitlines()[0]}",
                "Build the dbt models and the study of this version first.",
            ) from error
