"""Medians that do not move in steps, their intervals, and what intervals of steps say they hold."""

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from assets.study import estimators as e
from assets.study.statistics.bootstrap import Intervals, clustered_bootstrap
from assets.study.statistics.descriptives import describe
from assets.study.statistics.mid_distribution import below, mid_places, mid_quantiles, mid_shares
from assets.study.statistics.middles import Interval
from assets.study.statistics.one_sample import Ends, median_interval, mid_median_interval
from assets.study.statistics.owner_table import Group
from assets.study.statistics.two_sample import Differences, effects
from assets.study.statistics.values import frequencies

unhurried = settings(deadline=None, database=None)
SMALL = st.lists(st.integers(-4, 6), min_size=1, max_size=12)
REALS = st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=30, unique=True)


def grouped_median(values: list[Any]) -> float:
    """Exactly: between which distinct values the share below and half of that at it is one half."""
    distinct = sorted(set(values))
    shares = [
        Fraction(sum(2 * (v < one) + (v == one) for v in values), 2 * len(values))
        for one in distinct
    ]
    half = Fraction(1, 2)
    for at, (low, high) in enumerate(pairwise(shares)):
        if low <= half <= high:
            part = (half - low) / (high - low)
            return float(distinct[at] + part * (distinct[at + 1] - distinct[at]))
    return float(distinct[0])


def one(first: Group, second: Group, draws: int = 16) -> Intervals:
    (found,) = clustered_bootstrap(first, second, draws=draws)
    return found


def owned_counts(rng: np.random.Generator, owners: int, scale: float) -> tuple[Any, Any]:
    owner = np.repeat(np.arange(owners), 1 + rng.poisson(1, owners))
    own = np.exp(rng.normal(0, 0.3, owners))[owner]
    return np.floor(rng.gamma(2, scale, owner.size) * own), owner


# ---------------------------------------------------------------- figures


@unhurried
@given(values=SMALL)
def test_the_mid_median_is_the_grouped_median(values: list[int]) -> None:
    found = describe(values).mid_median
    assert found == pytest.approx(grouped_median(values), abs=1e-9)
    assert min(values) <= found <= max(values)


@unhurried
@given(values=REALS)
def test_without_ties_it_is_the_median(values: list[float]) -> None:
    assert describe(values).mid_median == pytest.approx(np.median(values), rel=1e-9, abs=1e-9)


@unhurried
@given(values=SMALL, copies=st.integers(1, 5), factor=st.sampled_from([0.1, 1 / 3, 7.7]))
def test_copies_and_the_scale_of_weights_are_no_matter(
    values: list[int], copies: int, factor: float
) -> None:
    expected = pytest.approx(describe(values).mid_median, abs=1e-9)
    assert describe(values * copies).mid_median == expected
    assert describe(values, [factor] * len(values)).mid_median == expected
    value, weight = np.unique(values, return_counts=True)
    assert describe(value, weight).mid_median == expected


def test_it_tells_apart_what_the_median_does_not() -> None:
    few, many = [0] * 70 + [1] * 30, [0] * 55 + [1] * 45
    assert describe(few).median == describe(many).median == 0
    assert (describe(few).mid_median, describe(many).mid_median) == pytest.approx((0.3, 0.45))
    assert describe([]).mid_median is None
    assert describe([5, 5, 5]).mid_median == 5
    # A tail beyond is no matter.
    assert describe([*few, 10**12]).mid_median < 0.4


@unhurried
@given(values=SMALL, level=st.floats(0.0, 1.0))
def test_places_and_shares_are_one_another_s_inverse(values: list[int], level: float) -> None:
    value, weight = np.unique(values, return_counts=True)
    shares = mid_shares(weight)
    place = float(mid_places(weight, level))
    assert float(np.interp(place, np.arange(value.size), value)) == pytest.approx(
        float(mid_quantiles(value, weight, level)), abs=1e-9
    )
    # The share that lies below a place is the level, unless this is beyond the ends.
    inside = float(weight @ below(np.arange(value.size), place)) / weight.sum()
    assert inside == pytest.approx(float(np.clip(level, shares[0], shares[-1])), abs=1e-9)


@unhurried
@given(x=SMALL, y=SMALL)
def test_the_mid_difference_is_that_of_all_differences(x: list[int], y: list[int]) -> None:
    every = [a - b for a in x for b in y]
    expected = pytest.approx(grouped_median(every), abs=1e-9)
    assert effects(x, y).mid_hodges_lehmann == expected
    # Tenths differ by what is no tenth as a double.
    tenths = effects(np.array(x) / 10, np.array(y) / 10)
    assert tenths.mid_hodges_lehmann == pytest.approx(grouped_median(every) / 10, abs=1e-9)
    assert effects(y, x).mid_hodges_lehmann == pytest.approx(-grouped_median(every), abs=1e-9)


@unhurried
@given(x=REALS, y=REALS)
def test_without_ties_the_mid_difference_is_the_middle_one(x: list[float], y: list[float]) -> None:
    every = np.unique(np.subtract.outer(x, y))
    assume(every.size == len(x) * len(y) and np.diff(every).min(initial=1.0) > 1e-9)
    assert effects(x, y).mid_hodges_lehmann == pytest.approx(np.median(every), abs=1e-9)


@unhurried
@given(x=SMALL, y=SMALL, level=st.floats(0.01, 1.0))
def test_differences_beside_one_another_hold_what_is_counted(
    x: list[int], y: list[int], level: float
) -> None:
    search = Differences(frequencies(x), frequencies(y))
    found = search.beside(search.quantile(level))
    every = np.subtract.outer(x, y).ravel()
    for value, less, up_to in zip(found.value, found.below, found.up_to, strict=True):
        assert less == pytest.approx((every < value).mean())
        assert up_to == pytest.approx((every <= value).mean())
    assert found.parts(level).sum() == pytest.approx(1)
    distinct, count = np.unique(every, return_counts=True)
    wanted = mid_quantiles(distinct, count, min(level, float(mid_shares(count)[-1])))
    assert found.quantile(level) == pytest.approx(float(wanted), abs=1e-9)


def test_the_ratio_of_mid_medians_is_theirs() -> None:
    found = effects([0, 0, 0, 1, 1], [0, 0, 1, 1, 1])
    assert found.ratio_of_medians == 0
    assert found.ratio_of_mid_medians == pytest.approx((0.4 * 1) / (0.6 * 1), rel=1e-9)
    assert effects([1, 2], [0, 0]).ratio_of_mid_medians is None


# ---------------------------------------------------------------- intervals of one sample


@unhurried
@given(values=st.lists(st.integers(0, 5), min_size=8, max_size=30))
def test_the_interval_is_where_shares_may_be_one_half(values: list[int]) -> None:
    found = mid_median_interval(values)
    assert found.low is not None and found.high is not None
    middle = grouped_median(values)
    assert found.low - 1e-9 <= middle <= found.high + 1e-9
    # By hand: half of what ties lies below, and the error is the textbook's.
    n = len(values)
    distinct = sorted(set(values))
    place = float(np.interp(middle, distinct, np.arange(len(distinct))))
    parts = np.array([min(max((place - distinct.index(v) + 1) / 2, 0), 1) for v in values])
    assert parts.mean() == pytest.approx(0.5)
    error = parts.std(ddof=0) * math.sqrt(n) / (n - 1) * math.sqrt((n - 1) / n)
    if error == 0:
        assert found.low == found.high == middle
        return
    pulls = (parts - 0.5) ** 2
    degrees = min(max(1.0, 3 * pulls.sum() ** 2 / (pulls @ pulls)), n - 1)
    half = e.t_quantile(degrees) * error
    ends = np.interp(
        [0.5 - half, 0.5 + half],
        [(np.less(values, v).mean() + np.less_equal(values, v).mean()) / 2 for v in distinct],
        distinct,
    )
    assert (found.low, found.high) == pytest.approx(tuple(ends), abs=1e-9)


def test_copies_of_an_owner_s_units_change_nothing() -> None:
    rng = np.random.default_rng(1)
    values, owner = owned_counts(rng, 60, 2.0)
    weight = rng.integers(1, 4, values.size)
    for interval in (median_interval, mid_median_interval):
        found = interval(values, weight=weight, cluster=owner)
        other = interval(np.repeat(values, weight), cluster=np.repeat(owner, weight))
        assert (found.low, found.high) == pytest.approx((other.low, other.high), rel=1e-9)
        assert found.interval_is == other.interval_is


def test_what_ties_says_that_it_holds_more() -> None:
    rng = np.random.default_rng(2)
    values = rng.gamma(2, 5, 500)
    continuous, whole = median_interval(values), median_interval(np.floor(values))
    assert (continuous.interval_is, whole.interval_is) == ("nominal", "at_least")
    assert whole.low is not None and whole.low % 1 == 0
    # Without ties the median is the mid-median.
    assert continuous == mid_median_interval(values)
    assert mid_median_interval(np.floor(values)).interval_is == "nominal"
    # What one owner repeats is no tie.
    alone = np.repeat(values[:50], 3)
    assert median_interval(alone, cluster=np.repeat(np.arange(50), 3)).interval_is == "nominal"
    assert median_interval(alone, cluster=np.arange(150)).interval_is == "at_least"


def test_a_mid_median_of_few_or_of_equal_values() -> None:
    assert mid_median_interval(np.arange(7)) == Ends(
        reason="none, as there are fewer than 8 owners"
    )
    assert mid_median_interval([3] * 9) == Ends(3, 3, None, "nominal")
    assert mid_median_interval([3, 3]) == Ends(3, 3, None, "nominal")


# ---------------------------------------------------------------- by design


def test_the_mid_median_of_a_design() -> None:
    rng = np.random.default_rng(3)
    stratum = np.repeat([0, 1], [60, 40])
    values = np.where(stratum == 0, rng.poisson(1, 100), rng.poisson(4, 100))
    sample = e.sample_of(stratum, [600, 80])
    found = e.mid_median(sample, values)
    copies = np.repeat(values, np.where(stratum == 0, 10, 2))
    assert found.value == pytest.approx(grouped_median(copies.tolist()), abs=1e-9)
    assert found.low < found.value < found.high
    assert (found.method, found.interval_is) == ("woodruff", "nominal")
    assert e.quantile(sample, values).interval_is == "at_least"
    told = mid_median_interval(values, sample=sample)
    assert (told.low, told.high) == (found.low, found.high)
    # The error of the share below: the stratified sample's, with the finite population.
    value, at = np.unique(values, return_inverse=True)
    inside = below(at, float(mid_places(np.bincount(at, sample.weight), 0.5)))
    error, degrees = e.standard_error(sample, (inside - 0.5) / 680)
    ends = np.interp(
        [0.5 - e.t_quantile(degrees) * error, 0.5 + e.t_quantile(degrees) * error],
        mid_shares(np.bincount(at, sample.weight)), value,
    )  # fmt: skip
    assert (found.low, found.high) == pytest.approx(tuple(ends))


def test_units_that_are_not_in_do_not_count() -> None:
    sample = e.sample_of([0] * 12, [30], is_in=[True] * 10 + [False] * 2)
    values = [0, 1, 1, 2, 2, 2, 3, 3, 4, 5, 99, 99]
    assert e.mid_median(sample, values).value == pytest.approx(grouped_median(values[:10]))


def test_a_census_has_no_error() -> None:
    values = [0, 1, 1, 2, 2, 2, 3, 3, 4, 5]
    found = e.mid_median(e.sample_of([0] * 10, [10]), values)
    assert found.low == found.value == found.high == pytest.approx(grouped_median(values))
    assert (found.method, found.standard_error) == ("census", 0)


def test_a_design_s_mid_median_covers_what_the_frame_has() -> None:
    rng = np.random.default_rng(4)
    stratum = np.repeat([0, 1, 2], [3000, 800, 200])
    values = rng.poisson(np.array([0.6, 3.0, 20.0])[stratum])
    truth = grouped_median(values.tolist())
    size = [150, 80, 60]
    held = []
    for _ in range(600):
        at = np.concatenate([
            rng.choice(np.flatnonzero(stratum == one), n, replace=False)
            for one, n in enumerate(size)
        ])  # fmt: skip
        found = e.mid_median(e.sample_of(stratum[at], [3000, 800, 200]), values[at])
        held.append(found.low <= truth <= found.high)
    assert 0.93 <= np.mean(held) <= 0.97


# ---------------------------------------------------------------- intervals of two samples


def test_intervals_of_two_samples_equal_those_of_one_where_the_other_does_not_vary() -> None:
    rng = np.random.default_rng(5)
    values, owner = owned_counts(rng, 80, 3.0)
    found = one(Group(values, cluster=owner), Group(np.full(40, 2.0))).effects
    alone = mid_median_interval(values, cluster=owner)
    assert alone.low is not None and alone.high is not None
    shift, ratio = found["mid_hodges_lehmann"], found["ratio_of_mid_medians"]
    # Degrees of freedom are counted a little otherwise.
    assert (shift.low, shift.high) == pytest.approx((alone.low - 2, alone.high - 2), abs=0.02)
    assert (ratio.low, ratio.high) == pytest.approx((alone.low / 2, alone.high / 2), abs=0.02)
    assert ratio.interval_is == shift.interval_is == "nominal"


def test_exchanged_groups_have_the_exchanged_intervals() -> None:
    rng = np.random.default_rng(6)
    groups = [Group(*data[:1], cluster=data[1]) for data in
              (owned_counts(rng, 60, 3.0), owned_counts(rng, 50, 2.0))]  # fmt: skip
    there, back = one(*groups).effects, one(*groups[::-1]).effects
    shift, other = there["mid_hodges_lehmann"], back["mid_hodges_lehmann"]
    assert (shift.low, shift.high) == pytest.approx((-other.high, -other.low))
    ratio, other = there["ratio_of_mid_medians"], back["ratio_of_mid_medians"]
    assert (ratio.low, ratio.high) == pytest.approx((1 / other.high, 1 / other.low))


def test_a_middle_of_steps_says_that_it_holds_more() -> None:
    rng = np.random.default_rng(7)
    x, y = rng.gamma(2, 4, 300), rng.gamma(2, 3, 200)
    plain, stepped = one(Group(x), Group(y)), one(Group(np.floor(x)), Group(np.floor(y)))
    for name in ("hodges_lehmann", "ratio_of_medians"):
        assert plain.effects[name].interval_is == "nominal"
        assert stepped.effects[name].interval_is == "at_least"
        assert stepped.effects[f"{MID[name]}"].interval_is == "nominal"
    assert plain.effects["cliffs_delta"].interval_is == "nominal"
    assert plain.effects["ratio_of_medians"] == plain.effects["ratio_of_mid_medians"]


MID = {"hodges_lehmann": "mid_hodges_lehmann", "ratio_of_medians": "ratio_of_mid_medians"}


def test_a_mid_median_that_may_be_zero_has_no_bound_above() -> None:
    x, y = np.arange(40.0), np.repeat([0.0, 1.0], [20, 1])
    found = one(Group(x), Group(y)).effects["ratio_of_mid_medians"]
    assert found.low is not None and found.high is None
    assert found.reason == "the denominator may be zero"
    nothing = one(Group(x), Group(np.zeros(20))).effects
    assert nothing["ratio_of_mid_medians"] == Interval(reason="the denominator is zero")
    either = one(Group(x), Group(np.arange(-20.0, 20.0))).effects["ratio_of_mid_medians"]
    assert either.low is None and either.reason is not None


def test_few_owners_and_unknown_values() -> None:
    few = one(Group(np.arange(7.0)), Group(np.arange(20.0))).effects
    assert {few[name].interval_is for name in MID.values()} == {None}
    x, y = np.arange(30.0) // 2, np.arange(24.0) // 3
    gaps = np.concatenate([x, [np.nan, np.nan]])
    for name in MID.values():
        assert one(Group(gaps), Group(y)).effects[name] == one(Group(x), Group(y)).effects[name]


@pytest.mark.parametrize("name", sorted(MID.values()))
def test_mid_effects_cover_what_was_planted(name: str) -> None:
    rng = np.random.default_rng(8)
    levels = (3.0, 2.0)
    truth = getattr(effects(*(owned_counts(rng, 200_000, one)[0] for one in levels)), name)
    held = []
    for _ in range(400):
        groups = (Group(v, cluster=o) for v, o in (owned_counts(rng, 60, one) for one in levels))
        found = one(*groups).effects[name]
        assert found.low is not None and found.high is not None
        held.append(found.low <= truth <= found.high)
    assert 0.93 <= np.mean(held) <= 0.975
