"""The estimators against brute force, scipy, and the properties that define them."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.study.statistics.descriptives import summarise
from assets.study.statistics.multiplicity import holm
from assets.study.statistics.two_sample import SMALLEST_P_VALUE, mann_whitney
from orchestration.failures import PermanentFailure

# Few distinct values: ties are the rule in these data, not the exception.
COUNTS = st.lists(st.integers(0, 6), min_size=1, max_size=25)
# The first example pays for imports, so no deadline; no folder of examples is left behind.
unhurried = settings(deadline=None, database=None)
WIDE = st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=15)


def brute_force_u(x: list[int], y: list[int]) -> float:
    return sum((a > b) + 0.5 * (a == b) for a in x for b in y)


@unhurried
@given(x=COUNTS | WIDE, y=COUNTS | WIDE)
def test_u_and_delta_equal_brute_force(x: list[int], y: list[int]) -> None:
    result = mann_whitney(x, y)
    u = brute_force_u(x, y)
    assert result.u == u
    assert result.cliffs_delta == pytest.approx(2 * u / (len(x) * len(y)) - 1, abs=1e-12)


@unhurried
@given(x=COUNTS, y=COUNTS)
def test_p_value_equals_scipy(x: list[int], y: list[int]) -> None:
    from scipy.stats import mannwhitneyu

    result = mann_whitney(x, y)
    if len(set(x + y)) == 1:
        assert (result.p_value, result.cliffs_delta) == (1.0, 0.0)
        return
    expected = mannwhitneyu(x, y, method="asymptotic")
    assert result.p_value == pytest.approx(float(expected.pvalue), rel=1e-9)
    assert result.u == expected.statistic


@unhurried
@given(x=COUNTS, y=COUNTS)
def test_exchanging_the_samples_mirrors_the_result(x: list[int], y: list[int]) -> None:
    there, back = mann_whitney(x, y), mann_whitney(y, x)
    assert there.u is not None
    assert back.u is not None
    assert there.cliffs_delta is not None
    assert there.u + back.u == len(x) * len(y)
    assert back.cliffs_delta == -there.cliffs_delta
    assert back.p_value == there.p_value


@unhurried
@given(x=COUNTS, y=COUNTS)
def test_only_the_order_of_values_counts(x: list[int], y: list[int]) -> None:
    transformed = mann_whitney([math.exp(v) for v in x], [math.exp(v) for v in y])
    assert transformed == mann_whitney(x, y)


@settings(unhurried, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), shift=st.sampled_from([-1.0, 0.5, 1.5]))
def test_planted_shift_is_recovered(seed: int, shift: float) -> None:
    # Two unit normals apart by d: P(X > Y) = Phi(d / sqrt 2), so delta = 2 Phi(d / sqrt 2) - 1.
    random = np.random.default_rng(seed)
    result = mann_whitney(random.normal(shift, 1, 4000), random.normal(0, 1, 4000))
    expected = math.erf(shift / 2)
    assert result.cliffs_delta == pytest.approx(expected, abs=0.08)
    assert result.p_value is not None
    assert result.p_value < 1e-6


def test_whole_numbers_above_the_precision_of_doubles_do_not_tie() -> None:
    assert mann_whitney([2**53 + 1], [2**53]).u == 1


def test_a_sample_of_the_size_of_the_paper_with_heavy_ties() -> None:
    random = np.random.default_rng(1)
    size = 1_400_000
    x = np.floor(random.pareto(0.8, size) * 20).clip(0, 7e7).astype(np.int64)
    y = np.floor(random.pareto(1.2, size) * 1.5).astype(np.int64)
    result = mann_whitney(x, y)
    # U from the empirical distribution function, another way round: per x, the y below it.
    ordered = np.sort(y)
    twice = np.searchsorted(ordered, x, "left") + np.searchsorted(ordered, x, "right")
    assert result.u == int(twice.sum()) / 2
    assert result.p_value == SMALLEST_P_VALUE
    assert result.log10_p_value is not None
    assert result.log10_p_value < -1000


def test_an_extreme_p_value_is_bounded_and_its_logarithm_kept() -> None:
    result = mann_whitney(np.arange(3000) + 3000, np.arange(3000))
    assert result.p_value == sys.float_info.min
    # z = (mn/2 - 1/2) / sqrt(mn(m+n+1)/12); log p ~ log(2 phi(z) / z) far in the tail.
    z = (4_500_000 - 0.5) / math.sqrt(9_000_000 * 6001 / 12)
    tail = math.log(2) - z * z / 2 - math.log(z * math.sqrt(2 * math.pi))
    assert result.log10_p_value == pytest.approx(tail / math.log(10), rel=1e-4)


def test_nearly_everything_tied_keeps_a_correct_p_value() -> None:
    size = 1_400_000
    x = np.zeros(size, dtype=np.int64)
    x[:1000] = 1
    result = mann_whitney(x, np.zeros(size, dtype=np.int64))
    assert result.p_value == pytest.approx(1.5020561186298504e-219, rel=1e-6)


@pytest.mark.parametrize(("x", "y"), [([], [1]), ([1], []), ([], [])])
def test_an_empty_sample_is_not_measurable(x: list[int], y: list[int]) -> None:
    result = mann_whitney(x, y)
    assert result.status == "not_measurable"
    assert (result.first_count, result.second_count) == (len(x), len(y))
    assert result.u is result.p_value is result.cliffs_delta is None


UNKNOWN = {
    "none": [1, None],
    "nan": [1.0, math.nan],
    "nan among objects": np.array([1, math.nan], dtype=object),
    "masked": np.ma.array([1, 2], mask=[False, True]),
}


@pytest.mark.parametrize("values", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_unknown_values_are_refused_with_their_number(values: object) -> None:
    for refused in (
        lambda: summarise(values),  # type: ignore[arg-type]
        lambda: mann_whitney(values, [1]),  # type: ignore[arg-type]
        lambda: mann_whitney([1], values),  # type: ignore[arg-type]
    ):
        with pytest.raises(PermanentFailure, match="1 of 2 values are unknown"):
            refused()


@pytest.mark.parametrize("values", [[math.inf], ["a"], [[1], [2]], [2**70], np.array([2**64 - 1])])
def test_what_is_no_sample_of_counts_is_refused(values: object) -> None:
    with pytest.raises(PermanentFailure):
        summarise(values)  # type: ignore[arg-type]


def test_summary_of_known_values() -> None:
    summary = summarise([0, 0, 1, 3])
    assert (summary.status, summary.count) == ("measured", 4)
    assert (summary.mean, summary.median, summary.maximum) == (1.0, 0.5, 3.0)
    assert summary.zero_share == 0.5
    assert summary.quantiles[0.75] == 1.5


def test_summary_of_nothing_is_not_measurable() -> None:
    summary = summarise([])
    assert (summary.status, summary.count, summary.mean) == ("not_measurable", 0, None)


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
