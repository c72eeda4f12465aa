"""What commands show, whatever they do.

Belongs here: signs of life on the error stream, where it is a terminal; how results are written as
JSON. Does not belong here: results and errors (the commands), progress of a night (`cli`,
`mining_cli`).
"""

import json
import math
from contextlib import AbstractContextManager

from rich.console import Console


def working(what: str) -> AbstractContextManager[object]:
    """Say what is under way, in a line that goes when it is done; nothing in a script."""
    return Console(stderr=True, highlight=False).status(what)


def print_json(value: object) -> None:
    """Print a result for scripts; numbers that JSON has not (infinity, NaN) are null."""
    print(json.dumps(_finite(value), indent=1, default=str, ensure_ascii=False))


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
