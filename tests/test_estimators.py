"""Estimators: exact unbiasedness over all samples of tiny populations, references, coverage."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from assets.study import estimators as e
from assets.study.resampling import bootstrap_mean
from assets.study.statistics.two_sample import mann_whitney
from orchestration.failures import PermanentFailure

# Two strata with a heavy tail; the last unit of each does not belong.
STRATA = ([3.0, 0.0, 7.0, 1.0, 5.0], [100.0, 20.0, 40.0, 0.0])
DRAWN = (3, 2)


def all_samples() -> Iterator[tuple[e.Sample, np.ndarray[Any, Any], list[tuple[int, ...]]]]:
    """Every sample of the design, each as likely as any other."""
    for parts in itertools.product(
        *(itertools.combinations(range(len(y)), n) for y, n in zip(STRATA, DRAWN, strict=True))
    ):
        stratum = np.repeat([0, 1], DRAWN)
        values = np.array([STRATA[h][k] for h, part in enumerate(parts) for k in part])
        yield e.sample_of(stratum, [5, 4]), values, list(parts)


def everything() -> np.ndarray[Any, Any]:
    return np.concatenate([np.array(y) for y in STRATA])


# ---------------------------------------------------------------- exact, by enumeration


def test_total_and_its_variance_are_unbiased_over_all_samples() -> None:
    found = [e.total(sample, y) for sample, y, _ in all_samples()]
    values = np.array([one.value for one in found])
    assert len(found) == math.comb(5, 3) * math.comb(4, 2)
    assert values.mean() == pytest.approx(everything().sum(), rel=1e-12)
    variances = np.array([one.standard_error**2 for one in found])
    assert variances.mean() == pytest.approx(values.var(), rel=1e-12)
    means = np.array([e.mean(sample, y).value for sample, y, _ in all_samples()])
    assert means.mean() == pytest.approx(everything().mean(), rel=1e-12)


def test_parts_of_a_whole_are_ratios_and_of_ones_shares() -> None:
    for sample, y, parts in itertools.islice(all_samples(), 12):
        whole = y + 1.0
        told = e.parts(sample, np.column_stack([y, np.zeros(y.size), whole]), whole)
        plain = e.ratio(sample, y, whole)
        assert (told[0].value, told[0].standard_error, told[0].degrees) == pytest.approx(
            (plain.value, plain.standard_error, plain.degrees), rel=1e-12
        )
        assert [(one.value, one.standard_error, one.method) for one in told[1:]] == [
            (0.0, 0.0, "constant"), (1.0, 0.0, "constant")
        ]  # fmt: skip
        is_even = np.array([k % 2 == 0 for part in parts for k in part])
        if 0 < is_even.sum() < is_even.size:
            (share,) = e.parts(sample, is_even[:, None], np.ones(is_even.size))
            same = e.share(sample, is_even)
            assert (share.low, share.high) == pytest.approx((same.low, same.high), rel=1e-9)
            assert share.method == same.method


def test_parts_refuse_a_whole_of_nothing() -> None:
    sample = e.sample_of([0, 0], [4])
    with pytest.raises(PermanentFailure, match="whole"):
        e.parts(sample, np.zeros((2, 1)), np.zeros(2))


def test_total_of_a_domain_is_unbiased_with_its_variance() -> None:
    """Rejected units of fixed draws: the number of those that belong varies as well."""
    found = []
    for sample, y, parts in all_samples():
        inside = [k % 2 == 0 for part in parts for k in part]
        found.append(e.total(e.domain(sample, inside), y))
    values = np.array([one.value for one in found])
    assert values.mean() == pytest.approx(sum(sum(y[::2]) for y in STRATA), rel=1e-12)
    variances = np.array([one.standard_error**2 for one in found])
    assert variances.mean() == pytest.approx(values.var(), rel=1e-12)


def test_weights_after_a_quota_are_unbiased_over_all_orders() -> None:
    """Drawing until two of a stratum are in: N/n would count too many."""
    y, inside = np.array([3.0, 8.0, 1.0, 9.0, 4.0]), np.array([True, False, True, False, True])
    sizes, totals, means, naive = [], [], [], []
    for order in itertools.permutations(range(5)):
        last = list(np.cumsum(inside[list(order)])).index(2) + 1
        units = list(order[:last])
        sample = e.sample_of(np.zeros(last, int), [5], is_in=inside[units], is_quota=[True])
        sizes.append(sample.weight.sum())
        totals.append(e.total(sample, y[units]).value)
        means.append(e.mean(sample, y[units]).value)
        naive.append(5 / last * 2)
    assert np.mean(sizes) == pytest.approx(3, rel=1e-12)
    assert np.mean(totals) == pytest.approx(8.0, rel=1e-12)
    assert np.mean(means) == pytest.approx(8 / 3, rel=1e-12)
    assert np.mean(naive) > 3.1


def test_an_exhausted_stratum_is_known_exactly() -> None:
    sample = e.sample_of([0, 0, 0], [3], is_in=[True, False, True], is_quota=[True])
    assert sample.weight.tolist() == [1.0, 0.0, 1.0]
    found = e.mean(sample, [2.0, 99.0, 4.0])
    assert (found.value, found.standard_error, found.low, found.high) == (3.0, 0.0, 3.0, 3.0)
    assert found.method == "census"


def test_cliffs_delta_is_unbiased_and_its_error_right_on_average() -> None:
    others = np.array([0.0, 1.0, 1.0, 6.0, 30.0, 50.0])
    true = mann_whitney(everything(), others).cliffs_delta
    assert true is not None
    deltas, variances = [], []
    for sample, y, _ in all_samples():
        for part in itertools.combinations(range(6), 4):
            second = e.sample_of(np.zeros(4, int), [6])
            found = e.cliffs_delta(sample, y, second, others[list(part)])
            deltas.append(found.delta.value)
            variances.append(found.delta.standard_error**2)
    assert np.mean(deltas) == pytest.approx(true, abs=1e-12)
    assert np.mean(variances) == pytest.approx(np.var(deltas), rel=0.25)


# ---------------------------------------------------------------- references


def test_one_stratum_of_a_large_frame_is_the_textbook_interval() -> None:
    y = np.array([1.0, 4.0, 2.0, 8.0, 0.0, 3.0])
    found = e.mean(e.sample_of(np.zeros(6, int), [10**12]), y)
    low, high = stats.t.interval(0.95, 5, y.mean(), y.std(ddof=1) / math.sqrt(6))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9)
    assert found.degrees == pytest.approx(5)


def test_stratified_formulas_by_hand() -> None:
    """Cochran (5.6) and (5.16), written out."""
    rng = np.random.default_rng(1)
    frame, drawn = np.array([50, 400, 9]), np.array([10, 20, 9])
    stratum = np.repeat([0, 1, 2], drawn)
    y = rng.lognormal(stratum.astype(float))
    found = e.total(e.sample_of(stratum, frame), y)
    parts = [N * (N - n) / n * y[stratum == h].var(ddof=1)
             for h, (N, n) in enumerate(zip(frame, drawn, strict=True))]  # fmt: skip
    value = sum(N * y[stratum == h].mean() for h, N in enumerate(frame))
    assert found.value == pytest.approx(value)
    assert found.standard_error == pytest.approx(math.sqrt(sum(parts)))
    free = sum(parts) ** 2 / sum(part**2 / (n - 1) for part, n in zip(parts, drawn, strict=True))
    assert found.degrees == pytest.approx(free)
    assert e.mean(e.sample_of(stratum, frame), y).standard_error == pytest.approx(
        math.sqrt(sum(parts)) / frame.sum()
    )


def test_domain_mean_and_ratio_have_taylor_errors() -> None:
    rng = np.random.default_rng(2)
    frame, stratum = np.array([300, 500]), np.repeat([0, 1], [40, 60])
    inside, y = rng.random(100) < 0.4, rng.lognormal(size=100)
    sample = e.sample_of(stratum, frame)
    of_domain = e.mean(e.domain(sample, inside), y)
    as_ratio = e.ratio(sample, y * inside, inside.astype(float))
    assert of_domain.value == pytest.approx(as_ratio.value)
    assert of_domain.standard_error == pytest.approx(as_ratio.standard_error)
    # The linearised residual as a total of its own.
    size = float((sample.weight * inside).sum())
    residual = inside * (y - of_domain.value) / size
    assert of_domain.standard_error == pytest.approx(e.total(sample, residual).standard_error)


def test_equal_weights_give_the_unweighted_median_and_delta() -> None:
    rng = np.random.default_rng(3)
    for n in (5, 6):
        y = rng.integers(0, 50, n).astype(float)
        sample = e.sample_of(np.zeros(n, int), [10 * n])
        assert e.quantile(sample, y).value == np.median(y)
    x, y = rng.poisson(2, 40).astype(float), rng.poisson(3, 30).astype(float)
    first, second = e.sample_of(np.zeros(40, int), [10**9]), e.sample_of(np.zeros(30, int), [10**9])
    found = e.cliffs_delta(first, x, second, y)
    reference = mann_whitney(x, y)
    assert found.delta.value == pytest.approx(reference.cliffs_delta)
    assert reference.p_value is not None
    assert abs(math.log(found.p_value / reference.p_value)) < 1


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_weighted_quantile_is_that_of_the_repeated_units(data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(1, 5), min_size=2, max_size=6))
    values = data.draw(st.lists(st.integers(0, 4), min_size=2 * len(weights),
                                max_size=2 * len(weights)))  # fmt: skip
    level = data.draw(st.sampled_from([0.1, 0.25, 0.5, 0.9]))
    stratum = np.repeat(np.arange(len(weights)), 2)
    sample = e.sample_of(stratum, 2 * np.array(weights))
    repeated = np.sort(np.repeat(values, np.repeat(weights, 2))).astype(float)
    reference = np.quantile(repeated, level, method="averaged_inverted_cdf")
    assert e.quantile(sample, np.array(values, float), level).value == pytest.approx(reference)


def test_woodruffs_interval_by_hand() -> None:
    """The values at which the share of the interval of F is reached, on either side."""
    y = np.arange(1.0, 102.0)
    found = e.quantile(e.sample_of(np.zeros(101, int), [10**12]), y, 0.3)
    below = y <= found.value
    p = below.mean()
    half = stats.t.ppf(0.975, 100) * math.sqrt(p * (1 - p) / 100)
    assert found.value == 31.0
    assert found.low == np.ceil((0.3 - half) * 101)
    assert found.high == np.ceil((0.3 + half) * 101)
    assert found.standard_error == pytest.approx((found.high - found.low) / 2 / 1.984, rel=1e-3)


def test_a_median_that_is_the_largest_value_may_be_less() -> None:
    y = np.repeat([0.0, 3.0], [22, 28])
    found = e.quantile(e.sample_of(np.zeros(50, int), [10**9]), y)
    assert (found.value, found.low, found.high) == (3.0, 0.0, 3.0)
    assert found.method == "woodruff"
    half = stats.t.ppf(0.975, 49) * math.sqrt(0.44 * 0.56 / 49)
    assert 0.5 - half < 0.44
    sure = e.quantile(e.sample_of(np.zeros(50, int), [10**9]), np.repeat([0.0, 3.0], [5, 45]))
    assert (sure.low, sure.high) == (3.0, 3.0)


@given(st.integers(1, 200), st.integers(0, 200), st.integers(0, 10**6))
@settings(max_examples=80, deadline=None)
def test_a_share_lies_in_its_interval_and_that_within_0_and_1(
    true: int, false: int, more: int
) -> None:
    y = np.repeat([True, False], [true, false])
    if y.size < 2:
        return
    found = e.share(e.sample_of(np.zeros(y.size, int), [y.size + more]), y)
    assert 0 <= found.low <= found.value <= found.high <= 1
    if more and not false:
        assert found.low < 1
    if not more:
        assert found.low == found.high == found.value


def test_what_the_strata_fix_has_no_error() -> None:
    sample = e.sample_of([0, 0, 1, 1], [100, 300])
    found = e.share(sample, [True, True, False, False])
    assert (found.value, found.low, found.high, found.method) == (0.25, 0.25, 0.25, "constant")


def test_log_interval_is_symmetric_by_factor_and_above_zero() -> None:
    y = np.array([0.0, 0.0, 0.0, 1000.0])
    found = e.total(e.sample_of(np.zeros(4, int), [400]), y, "log")
    assert found.low > 0
    assert found.low * found.high == pytest.approx(found.value**2)
    assert e.total(e.sample_of(np.zeros(4, int), [400]), y).low < 0


# ---------------------------------------------------------------- small and empty strata


def test_strata_that_say_nothing_are_refused_with_a_remedy() -> None:
    with pytest.raises(PermanentFailure, match="none in the sample") as empty:
        e.sample_of([0, 0], [10, 40])
    assert "join it" in empty.value.remedy
    with pytest.raises(PermanentFailure, match="one unit in the sample of 40") as alone:
        e.sample_of([0, 0, 1], [10, 40])
    assert "collapse" in alone.value.remedy
    with pytest.raises(PermanentFailure, match="3 units in the sample and 2"):
        e.sample_of([0, 0, 0], [2])
    with pytest.raises(PermanentFailure, match="frame does not have"):
        e.sample_of([0, 2], [2, 2])
    e.sample_of([0, 0, 1], [10, 1])


def test_collapsed_strata_keep_their_weights_and_have_a_variance() -> None:
    sample = e.sample_of([0, 0, 1, 2, 2], [10, 40, 2], lonely="collapse")
    assert sample.weight.tolist() == [5.0, 5.0, 40.0, 1.0, 1.0]
    found = e.total(sample, [1.0, 1.0, 3.0, 9.0, 8.0])
    assert found.value == 10 + 120 + 17
    # The weighted values 5, 5, 120 as three units of 50.
    z = np.array([5.0, 5.0, 120.0])
    assert found.standard_error**2 == pytest.approx((1 - 3 / 50) * 3 * z.var(ddof=1))


def test_two_lonely_strata_go_together_and_a_single_one_is_refused() -> None:
    sample = e.sample_of([0, 1], [10, 40], lonely="collapse")
    assert e.total(sample, [2.0, 1.0]).standard_error > 0
    with pytest.raises(PermanentFailure, match="one unit"):
        e.sample_of([0], [10], lonely="collapse")


def test_collapsing_makes_the_variance_too_large_rather_than_too_small() -> None:
    """One unit of each of two strata, all draws."""
    y = ([1.0, 2.0, 6.0], [3.0, 4.0, 20.0])
    found = [
        e.total(e.sample_of([0, 1], [3, 3], lonely="collapse"), [a, b])
        for a in y[0] for b in y[1]
    ]  # fmt: skip
    variance = np.var([one.value for one in found])
    assert np.mean([one.standard_error**2 for one in found]) >= variance * (1 - 1e-9)


def test_unknown_values_are_refused_and_those_of_rejected_units_are_not_looked_at() -> None:
    sample = e.sample_of([0, 0, 0], [9], is_in=[True, True, False])
    assert e.mean(sample, [1.0, 3.0, math.nan]).value == 2.0
    with pytest.raises(PermanentFailure, match="1 values are unknown"):
        e.mean(sample, [1.0, math.nan, 0.0])
    with pytest.raises(PermanentFailure, match="3 units were drawn and 2"):
        e.mean(sample, [1.0, 2.0])
    with pytest.raises(PermanentFailure, match="No unit"):
        e.mean(e.domain(sample, [False] * 3), [1.0, 1.0, 1.0])
    with pytest.raises(PermanentFailure, match="denominator"):
        e.ratio(sample, [1.0, 1.0, 1.0], [0.0, 0.0, 5.0])
    with pytest.raises(PermanentFailure, match="between 0 and 1"):
        e.quantile(sample, [1.0, 1.0, 1.0], 1.0)


# ---------------------------------------------------------------- bootstrap


def heavy(seed: int) -> tuple[e.Sample, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    stratum = np.repeat([0, 1, 2], [40, 60, 12])
    y = rng.lognormal(1.0 + stratum, 1.0)
    inside = rng.random(y.size) < 0.8
    return e.sample_of(stratum, [200, 3000, 12], is_in=inside), y


def test_replicates_have_the_designs_variance() -> None:
    """Rao and Wu: the spread of the replicates is the formula's standard error, fpc included."""
    sample, y = heavy(1)
    from assets.study import resampling

    rng = np.random.default_rng(5)
    found = [resampling._replicates(c, sample, y) for c in resampling._resampled(sample, 4000, rng)]
    means = np.concatenate([part[0] for part in found])
    errors = np.concatenate([part[1] for part in found])
    plain = e.mean(sample, y)
    assert means.mean() == pytest.approx(plain.value, abs=4 * plain.standard_error / 60)
    assert means.std() == pytest.approx(plain.standard_error, rel=0.08)
    assert np.sqrt((errors**2).mean()) == pytest.approx(plain.standard_error, rel=0.1)


def test_replicates_of_small_strata_far_apart() -> None:
    """Three units each: a factor n/(n - 1) is one half; what lies between strata is no error."""
    stratum = np.repeat(np.arange(6), 3)
    y = 1000.0 * stratum + np.tile([0.0, 5.0, 9.0], 6)
    sample = e.sample_of(stratum, np.full(6, 30))
    from assets.study import resampling

    rng = np.random.default_rng(6)
    found = [resampling._replicates(c, sample, y) for c in resampling._resampled(sample, 6000, rng)]
    means, errors = (np.concatenate(part) for part in zip(*found, strict=True))
    plain = e.mean(sample, y)
    assert means.mean() == pytest.approx(plain.value, abs=5 * plain.standard_error / 77)
    assert means.std() == pytest.approx(plain.standard_error, rel=0.05)
    assert np.sqrt((errors**2).mean()) == pytest.approx(plain.standard_error, rel=0.06)


def test_bootstrap_is_the_same_for_the_same_seed_and_follows_the_skewness() -> None:
    sample, y = heavy(2)
    first, again = (bootstrap_mean(sample, y, seed=7) for _ in range(2))
    assert first == again
    assert first.method == "bootstrap_t"
    assert first.high - first.value > first.value - first.low > 0
    plain = bootstrap_mean(sample, y, form="percentile", seed=7)
    assert plain.low >= y.min() and plain.high <= y.max()
    assert (plain.high - plain.low) == pytest.approx(3.92 * plain.standard_error, rel=0.15)


def test_a_census_has_no_replicates() -> None:
    sample = e.sample_of([0, 0, 1, 1], [2, 2])
    assert bootstrap_mean(sample, [1.0, 2.0, 3.0, 4.0]).method == "census"


def test_owners_that_hold_together_widen_the_interval() -> None:
    rng = np.random.default_rng(4)
    owner = np.repeat(np.arange(20), 10)
    y = rng.normal(size=20)[owner] + 0.1 * rng.normal(size=200)
    sample = e.sample_of(np.zeros(200, int), [10**6])
    alone = bootstrap_mean(sample, y, form="percentile", clusters=np.arange(200))
    together = bootstrap_mean(sample, y, form="percentile", clusters=owner)
    assert alone.standard_error == pytest.approx(e.mean(sample, y).standard_error, rel=0.15)
    assert together.standard_error > 2.5 * alone.standard_error
    with pytest.raises(PermanentFailure, match="percentile"):
        bootstrap_mean(sample, y, clusters=owner)


def test_a_share_of_all_is_one_whatever_the_weights_round_to() -> None:
    # The sum of these weights over themselves is not 1 in floating point.
    sample = e.sample_of(np.repeat([0, 1, 2], [3, 7, 11]), [10, 31, 97])
    for truth, value in ((np.ones(21, bool), 1.0), (np.zeros(21, bool), 0.0)):
        told = e.share(e.domain(sample, np.arange(21) != 4), truth)
        assert told.value == value
        assert told.low <= value <= told.high
        assert told.high - told.low > 0.05
