"""Fitted numbers kept as bytes."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from assets.study.themes.arrays import packed, unpacked

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
ARRAYS = stn.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.uint64, np.bool_]),
    stn.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
STATES = st.recursive(
    PLAIN | ARRAYS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def alike(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        is_shaped = isinstance(other, np.ndarray) and (one.dtype, one.shape) == (
            other.dtype, other.shape,
        )  # fmt: skip
        return is_shaped and one.tobytes() == other.tobytes()
    if isinstance(one, dict):
        return list(one) == list(other) and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return type(one) is type(other) and bool(one == other)


@given(STATES)
def test_what_is_kept_is_what_is_read(state: Any) -> None:
    assert alike(state, unpacked(packed(state)))


@pytest.mark.parametrize("state", [{"array": 0}, {"of": {"array": 7}}, [{"tree": 1}], {"0": [1]}])
def test_names_are_no_marks(state: Any) -> None:
    assert unpacked(packed(state)) == state


def test_only_arrays_and_plain_values_are_kept() -> None:
    with pytest.raises(TypeError):
        packed({"a": object()})
    with pytest.raises(ValueError, match="allow_pickle"):
        packed([np.array([object()])])


def test_nothing_that_is_read_is_executed() -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return pytest.fail, ("executed",)

    buffer = io.BytesIO()
    np.savez(buffer, tree=np.array([Trap()], dtype=object))
    for content in (buffer.getvalue(), b"", b"text", b"PK\x05\x06" + bytes(18)):
        with pytest.raises((ValueError, OSError, EOFError, KeyError)):
            unpacked(content)
