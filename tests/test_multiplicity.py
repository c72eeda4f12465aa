"""Adjustment of p-values against examples worked by hand, and what defines it."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.study.statistics.multiplicity import holm
from orchestration.failures import PermanentFailure

unhurried = settings(deadline=None, database=None)


def test_holm_example() -> None:
    # Worked by hand: 3 x 0.01, 2 x 0.02, then never below the one before.
    assert holm([0.02, 0.01, 0.03]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([]) == []


@unhurried
@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_never_lowers_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    by_raw = sorted(zip(p_values, adjusted, strict=True))
    assert [q for _, q in by_raw] == sorted(adjusted)


@pytest.mark.parametrize("p_value", [-0.1, 1.1, math.nan])
def test_holm_refuses_what_is_no_probability(p_value: float) -> None:
    with pytest.raises(PermanentFailure):
        holm([0.5, p_value])
