"""Intervals of mean, median and correlations of one sample, by owner and by design."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.study import estimators
from assets.study.statistics.correlation import Method, correlate
from assets.study.statistics.one_sample import Ends, mean_interval, median_interval, spread
from assets.study.summary import _around
from orchestration.failures import PermanentFailure

unhurried = settings(deadline=None, database=None)


def owned(rng: np.random.Generator, owners: int) -> tuple[Any, Any]:
    """Values with a heavy tail, and their owners, of whom a few have many."""
    owner = np.repeat(np.arange(owners), np.minimum(1 + rng.pareto(1.5, owners), 50).astype(int))
    return np.exp(2 + rng.normal(0, 0.6, owners)[owner] + rng.normal(0, 0.8, owner.size)), owner


@unhurried
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=6, max_size=40))
def test_spread_by_owner_is_that_of_leaving_one_out(units: list[tuple[int, int]]) -> None:
    values, owner = (np.array(side) for side in zip(*units, strict=True))
    _, owner = np.unique(owner, return_inverse=True)
    count = int(owner.max()) + 1
    pull = values - values.mean()
    found = spread(pull, np.ones(values.size), owner, None)
    if count < 2:
        assert math.isinf(found.error)
        return
    left = np.array([values[owner != one].mean() - values.mean() for one in range(count)])
    assert found.error == pytest.approx(math.sqrt((left**2).sum() * (count - 1) / count), abs=1e-9)
    assert 1 <= found.degrees <= count - 1 and found.clusters == count


def test_of_units_alone_the_error_is_the_textbook_s() -> None:
    values = np.random.default_rng(1).normal(0, 1, 400)
    found = spread(values - values.mean(), np.ones(400), None, None)
    assert found.error == pytest.approx(values.std(ddof=1) / 20, rel=1e-9)


def test_whole_weights_change_the_figure_and_not_who_varies() -> None:
    rng = np.random.default_rng(2)
    values, owner = owned(rng, 60)
    weight = rng.integers(1, 4, values.size)
    for interval in (mean_interval, median_interval):
        found = interval(values, weight=weight, cluster=owner)
        other = interval(np.repeat(values, weight), cluster=np.repeat(owner, weight))
        assert (found.low, found.high) == pytest.approx((other.low, other.high), rel=1e-9)


def test_under_a_design_intervals_are_those_of_the_estimators() -> None:
    rng = np.random.default_rng(3)
    stratum = np.repeat([0, 1, 2], [200, 100, 50])
    values = np.floor(np.exp(stratum + rng.normal(0, 1, stratum.size)))
    sample = estimators.sample_of(stratum, [4000, 200, 50])
    mean = estimators.mean(sample, values, "log")
    found = mean_interval(values, sample=sample)
    assert (found.low, found.high) == (mean.low, mean.high)
    median, other = median_interval(values, sample=sample), estimators.quantile(sample, values)
    assert (median.low, median.high) == (other.low, other.high)
    whole = estimators.sample_of(stratum, [200, 100, 50])
    for interval in (mean_interval, median_interval):
        ends = interval(values, sample=whole)
        assert ends.low == pytest.approx(ends.high)


def test_what_few_owners_tell_has_no_interval_and_says_why() -> None:
    values = np.arange(30)
    few = mean_interval(values, cluster=np.arange(30) % 7)
    assert few == Ends(reason="none, as there are fewer than 8 owners")
    assert median_interval(values, cluster=np.arange(30) % 7) == few
    drawn = estimators.sample_of(np.zeros(5, int), [9])
    assert "drawn" in str(mean_interval(np.arange(5), sample=drawn).reason)
    # Of all there is nothing is left to tell.
    census = estimators.sample_of(np.zeros(5, int), [5])
    assert mean_interval(np.arange(5), sample=census).low == pytest.approx(2)
    assert mean_interval([3, 3, 3]) == Ends(3.0, 3.0)


def test_the_mean_of_some_owners_says_that_it_may_be_too_short() -> None:
    some = mean_interval(np.arange(30), cluster=np.arange(30) % 20)
    assert some.low is not None and "fewer than 100 owners" in str(some.reason)
    assert mean_interval(np.arange(200)).reason is None
    assert median_interval(np.arange(30)).reason is None


def test_means_around_zero_have_a_symmetric_interval() -> None:
    ends = mean_interval(np.arange(-20, 21))
    assert ends.low is not None and ends.high is not None
    assert ends.low == pytest.approx(-ends.high)
    nothing = mean_interval(np.zeros(9))
    assert (nothing.low, nothing.high) == (0, 0)


@pytest.mark.parametrize("owners", [20, 100])
def test_intervals_by_owner_cover_what_was_planted(owners: int) -> None:
    rng = np.random.default_rng(owners)
    values, _ = owned(rng, 200_000)
    truth = {mean_interval: values.mean(), median_interval: np.median(values)}
    hits = dict.fromkeys(truth, 0)
    for _ in range(200):
        values, owner = owned(rng, owners)
        for interval, wanted in truth.items():
            ends = interval(values, cluster=owner)
            assert ends.low is not None and ends.high is not None
            hits[interval] += ends.low <= wanted <= ends.high
    # 190 are expected; fewer than 180 are seen once in 500 times.
    assert min(hits.values()) >= 180 and max(hits.values()) < 200, hits


def test_correlations_by_design_cover_the_frame_s_own() -> None:
    rng = np.random.default_rng(8)
    frame = np.array([3000, 600, 120])
    stratum = np.repeat([0, 1, 2], frame)
    common = rng.normal(0, 1, stratum.size) + stratum
    x, y = (np.floor(np.exp(common + rng.normal(0, 1, stratum.size))) for _ in range(2))
    methods: tuple[Method, ...] = ("log_pearson", "spearman", "kendall_tau_b")
    truth = correlate(x, y)
    drawn = np.array([100, 300, 120])
    hits, blind, rounds = dict.fromkeys(methods, 0), dict.fromkeys(methods, 0), 150
    for _ in range(rounds):
        at = np.concatenate([
            rng.choice(np.flatnonzero(stratum == one), size, replace=False)
            for one, size in enumerate(drawn)
        ])  # fmt: skip
        sample = estimators.sample_of(stratum[at], frame)
        found = correlate(x[at], y[at], sample=sample)
        plain = correlate(x[at], y[at], weight=sample.weight)
        for method in methods:
            one, wanted = found[method], truth[method].value
            assert one.low is not None and one.high is not None and wanted is not None
            assert one.method_of_interval == "linearised_by_design"
            assert one.value == plain[method].value
            hits[method] += one.low <= wanted <= one.high
            blind[method] += (one.standard_error or 0) < (plain[method].standard_error or 0)
    # 142 are expected; fewer than 134 are seen once in 200 times.
    assert min(hits.values()) >= 134 and sum(hits.values()) < 3 * rounds, hits
    # Strata and what was drawn whole leave less unknown than weights alone tell.
    assert min(blind.values()) > 0.9 * rounds


def test_of_a_census_a_correlation_is_known() -> None:
    rng = np.random.default_rng(4)
    x = rng.integers(0, 9, 50)
    y = x + rng.integers(0, 9, 50)
    for one in correlate(x, y, sample=estimators.sample_of(np.zeros(50, int), [50])).values():
        assert one.low == one.high == one.value and one.standard_error == 0


def test_a_design_of_other_units_is_refused() -> None:
    sample = estimators.sample_of(np.zeros(3, int), [9])
    with pytest.raises(PermanentFailure, match="drawn units"):
        correlate([1, 2], [2, 1], weight=[1, 1], sample=sample)


def test_a_value_summed_in_another_order_stays_in_its_interval() -> None:
    assert _around(0.1 + 0.2, Ends(0.3, 0.3, "why")) == Ends(0.3, 0.1 + 0.2, "why")
    assert _around(0.3, Ends(reason="none")) == Ends(reason="none")
