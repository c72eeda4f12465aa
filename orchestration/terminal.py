"""What commands show while they work.

Belongs here: signs of life on the error stream, where it is a terminal. Does not belong here:
results and errors (the commands), progress of a night (`cli`, `mining_cli`).
"""

from contextlib import AbstractContextManager

from rich.console import Console


def working(what: str) -> AbstractContextManager[object]:
    """Say what is under way, in a line that goes when it is done; nothing in a script."""
    return Console(stderr=True, highlight=False).status(what)
