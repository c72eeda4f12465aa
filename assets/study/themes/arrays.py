"""Fitted numbers as bytes: nested lists and mappings of arrays and plain values, as numpy's npz.

Belongs here: writing and reading them. Does not belong here: what they mean, and whether they fit
each other (`linear`, `encoder.coder`).

Nothing that is read can be anything but arrays, text, numbers and truth values, so that a file
from elsewhere runs no code.
"""

import io
import json
from typing import Any

import numpy as np

_TREE = "tree"
_ARRAY = "array"


def packed(state: Any) -> bytes:
    """A state as a file's content.

    Args:
        state: arrays, text, numbers, truth values and None, in lists and in mappings with names.

    Raises:
        TypeError: it holds something else.
    """
    arrays: list[np.ndarray[Any, Any]] = []

    def told(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            arrays.append(value)
            return {_ARRAY: len(arrays) - 1}
        if isinstance(value, dict):
            # Beneath a key of its own: a mapping could be taken for the mark of an array.
            return {"of": {str(key): told(one) for key, one in value.items()}}
        return [told(one) for one in value] if isinstance(value, list) else value

    tree = json.dumps(told(state)).encode()
    buffer = io.BytesIO()
    named = {str(at): array for at, array in enumerate(arrays)}
    np.savez(buffer, allow_pickle=False, **{_TREE: np.frombuffer(tree, np.uint8)}, **named)
    return buffer.getvalue()


def unpacked(content: bytes) -> Any:
    """The state of a file's content.

    Raises:
        ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile: it is none or damaged.
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}

    def read(value: Any) -> Any:
        if isinstance(value, dict):
            if _ARRAY in value:
                return arrays[str(value[_ARRAY])]
            return {key: read(one) for key, one in value["of"].items()}
        return [read(one) for one in value] if isinstance(value, list) else value

    return read(json.loads(arrays[_TREE].tobytes()))
