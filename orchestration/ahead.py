"""Importing large libraries while a run waits.

Belongs here: which ones, and when to stop. Does not belong here: their use.

A night waits for answers, for DuckDB, and for dbt in a process of its own, with a processor idle;
the steps that come after begin with imports of seconds.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

# In the order in which steps need them.
LARGE = (
    "dbt.parser.manifest", "dbt.adapters.duckdb", "great_expectations", "scipy.stats",
    "sklearn.linear_model", "networkit", "matplotlib.figure",
)  # fmt: skip


@contextmanager
def imported_ahead(names: Sequence[str]) -> Iterator[None]:
    """Import modules beside what the block does; one that cannot be imported is left to its user.

    A block that ends early waits for the import under way and for no other.
    """
    is_over = threading.Event()

    def work() -> None:
        for name in names:
            if is_over.is_set():
                return
            try:
                import_module(name)
            except Exception:  # noqa: S112 - who needs it tells what is wrong
                continue

    thread = threading.Thread(target=work, name="imports", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
