"""Importing large libraries while a run waits.

Belongs here: which ones, and when to stop. Does not belong here: their use.

While dbt builds, in a process of its own, a night waits with a processor idle; the steps that come
after begin with imports of seconds.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

# In the order in which steps need them.
LARGE = (
    "great_expectations", "scipy.stats", "sklearn.linear_model", "networkit",
    "matplotlib.figure",
)  # fmt: skip


@contextmanager
def imported_ahead(
    names: Sequence[str] = LARGE, begin: threading.Event | None = None
) -> Iterator[None]:
    """Import modules beside what the block does; one that cannot be imported is left to its user.

    A block that ends early waits for the import under way and for no other.

    Args:
        begin: imports wait until it is set; by default they begin at once.
    """
    is_over = threading.Event()

    def work() -> None:
        if begin is not None:
            begin.wait()
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
        if begin is not None:
            begin.set()
        thread.join()
