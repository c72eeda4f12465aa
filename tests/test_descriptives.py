"""One sample described: against numpy, scipy, and the sample with every copy written out."""

import gzip
import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from databases import database
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.study.estimators import mean, quantile, sample_of
from assets.study.statistics.descriptives import QUANTILES, describe
from orchestration.failures import PermanentFailure

# The first example pays for imports, so no deadline; no folder of examples is left behind.
unhurried = settings(deadline=None, database=None)
COUNTS = st.lists(st.integers(0, 6), min_size=1, max_size=25)
WIDE = st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=15)
# Values with whole weights, few of either: ties of values and of cumulated weights are the rule.
COPIES = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 5)), min_size=1, max_size=15)


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-9, abs=1e-9)


@unhurried
@given(values=COUNTS | WIDE)
def test_figures_equal_those_of_numpy_and_whole_numbers(values: list[int]) -> None:
    found = describe(values)
    assert (found.status, found.count, found.size) == ("measured", len(values), len(values))
    # Python's whole numbers do not overflow, and their quotient is rounded once.
    assert found.total == float(sum(values))
    assert found.mean == sum(values) / len(values)
    assert (found.minimum, found.maximum) == (float(min(values)), float(max(values)))
    assert found.median == float(np.median(values))
    assert found.zero_share == values.count(0) / len(values)
    for level in QUANTILES:
        assert found.quantiles[level] == close(float(np.quantile(values, level)))
    if len(values) > 1:
        assert found.standard_deviation == close(float(np.std(np.float64(values), ddof=1)))


@unhurried
@given(values=COUNTS | WIDE)
def test_the_trimmed_mean_equals_scipys_of_a_sample_that_can_be_cut_evenly(
    values: list[int],
) -> None:
    from scipy.stats import trim_mean

    # Twenty copies of each: 5 % of them are whole units.
    twenty = np.repeat(np.float64(values), 20)
    # Large values of both signs cancel, and what is left carries the rounding of the large.
    rounding = 1e-12 * max(abs(value) for value in values) + 1e-12
    expected = pytest.approx(float(trim_mean(twenty, 0.05)), abs=rounding)
    assert describe(values).trimmed_mean == expected


@unhurried
@given(values=COUNTS)
def test_the_log_mean_and_the_hurdle(values: list[int]) -> None:
    found = describe(values)
    assert found.log_mean == close(
        math.prod(1 + value for value in values) ** (1 / len(values)) - 1
    )
    above = [value for value in values if value]
    if not above:
        assert found.mean_above_zero is found.median_above_zero is None
        return
    assert found.mean_above_zero == close(sum(above) / len(above))
    assert found.median_above_zero == float(np.median(above))
    # The two halves of a hurdle make the whole.
    assert found.mean == close((1 - found.zero_share) * found.mean_above_zero)


@unhurried
@given(copies=COPIES)
def test_whole_weights_equal_writing_the_copies_out(copies: list[tuple[int, int]]) -> None:
    values, weight = zip(*copies, strict=True)
    written = np.repeat(values, weight)
    found, expected = asdict(describe(values, weight)), asdict(describe(written))
    quantiles = found.pop("quantiles")
    expected.pop("quantiles")
    for level in QUANTILES:
        reference = np.quantile(written, level, method="averaged_inverted_cdf")
        assert quantiles[level] == close(float(reference)), level
    assert found.pop("count") == len(values)
    assert expected.pop("count") == sum(weight)
    assert found == {
        name: close(value) if isinstance(value, float) else value
        for name, value in expected.items()
    }


@unhurried
@given(values=COUNTS, factor=st.floats(0.01, 1000))
def test_equal_weights_change_nothing_but_the_size(values: list[int], factor: float) -> None:
    plain, weighted = describe(values), describe(values, [factor] * len(values))
    assert weighted.size == close(factor * len(values))
    assert weighted.total == close(factor * sum(values))
    for name in ("mean", "median", "maximum", "zero_share", "trimmed_mean", "log_mean"):
        assert getattr(weighted, name) == close(getattr(plain, name)), name


@unhurried
@given(copies=COPIES)
def test_mean_and_quantiles_are_those_of_the_sampling_design(
    copies: list[tuple[int, int]],
) -> None:
    # A census of the units that stand for one; of every other unit one of its kind was drawn. The
    # design joins these with a neighbour for its errors, and refuses where there is none.
    values, weight = (np.array(part) for part in zip(*[*copies, (3, 1)], strict=True))
    drawn = sample_of(np.arange(values.size), weight, lonely="collapse")
    found = describe(values, weight)
    assert found.mean == close(mean(drawn, values).value)
    for level in QUANTILES:
        assert found.quantiles[level] == close(quantile(drawn, values, level).value)


@pytest.mark.parametrize("size", range(1, 60))
def test_weights_that_do_not_add_up_exactly_reach_a_level_all_the_same(size: int) -> None:
    values = np.arange(size)
    found = describe(values, np.full(size, 0.1))
    for level in QUANTILES:
        expected = np.quantile(values, level, method="averaged_inverted_cdf")
        assert found.quantiles[level] == expected


def test_whole_numbers_whose_sum_leaves_64_bits() -> None:
    values = np.full(100, 2**62)
    assert describe(values).total == 100 * 2.0**62
    assert describe(values).mean == 2.0**62


def test_one_value_has_no_spread() -> None:
    found = describe([7])
    assert found.standard_deviation is None
    assert (found.mean, found.trimmed_mean, found.quantiles[0.99]) == (7, 7, 7)


def test_a_value_below_zero_has_no_log_mean() -> None:
    assert describe([-1, 5]).log_mean is None
    assert describe([0, 8]).log_mean == pytest.approx(2)


def test_nothing_is_not_measurable() -> None:
    found = describe([])
    assert (found.status, found.count, found.size) == ("not_measurable", 0, 0)
    assert found.mean is found.median is found.log_mean is None
    assert found.quantiles == {}
    assert describe([], []) == found


UNKNOWN = {
    "none": [1, None],
    "nan": [1.0, math.nan],
    "nan among objects": np.array([1, math.nan], dtype=object),
    "masked": np.ma.array([1, 2], mask=[False, True]),
}


@pytest.mark.parametrize("values", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_unknown_values_are_refused_with_their_number(values: object) -> None:
    with pytest.raises(PermanentFailure, match="1 of 2 values are unknown"):
        describe(values)


@pytest.mark.parametrize("values", [[math.inf], ["a"], [[1], [2]], [2**70], np.array([2**64 - 1])])
def test_what_is_no_sample_of_counts_is_refused(values: object) -> None:
    with pytest.raises(PermanentFailure):
        describe(values)


@pytest.mark.parametrize("weight", [[1.0], [1.0, 0.0], [1.0, -1.0], [1.0, math.nan], [1, math.inf]])
def test_weights_that_stand_for_nothing_are_refused(weight: list[float]) -> None:
    with pytest.raises(PermanentFailure):
        describe([1, 2], weight)


def test_a_planted_hurdle_of_a_heavy_tail_is_recovered() -> None:
    random = np.random.default_rng(5)
    size = 200_000
    # A third are zero, the rest lognormal with median 20: mean 20 exp(1/2).
    values = np.where(random.random(size) < 1 / 3, 0.0, 20 * np.exp(random.normal(size=size)))
    found = describe(values)
    assert found.zero_share == pytest.approx(1 / 3, abs=0.005)
    assert found.mean_above_zero == pytest.approx(20 * math.exp(0.5), rel=0.02)
    assert found.median_above_zero == pytest.approx(20, rel=0.02)


def test_likes_of_real_models_as_duckdb_describes_them(real_data: Path) -> None:

    path = real_data / "huggingface" / "models-2026-08.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        likes = [json.loads(line)["likes"] for line in lines]
    known = [value for value in likes if value is not None]
    found = describe(known)
    with database() as connection:
        (row,) = connection.execute(
            "SELECT count(likes), sum(likes), avg(likes), median(likes), max(likes),"
            " quantile_cont(likes, 0.99), stddev_samp(likes), exp(avg(ln(1 + likes))) - 1,"
            " avg(likes) FILTER (likes > 0), median(likes) FILTER (likes > 0)"
            f" FROM read_json('{path}')"
        ).fetchall()
    assert (found.count, found.total, found.mean, found.median, found.maximum) == row[:5]
    rest = (found.quantiles[0.99], found.standard_deviation, found.log_mean)
    assert (*rest, found.mean_above_zero, found.median_above_zero) == close_all(row[5:])


def close_all(row: tuple[float, ...]) -> object:
    return pytest.approx(row, rel=1e-9)
