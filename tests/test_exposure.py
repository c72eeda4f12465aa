"""Exposure and survival against statsmodels, brute force, and planted truth."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.duration.survfunc import SurvfuncRight

from assets.study import estimators
from assets.study.statistics import exposure
from assets.study.statistics.two_sample import effects, mann_whitney
from orchestration.failures import PermanentFailure

# The first example pays for imports, so no deadline; no folder of examples is left behind.
unhurried = settings(deadline=None, database=None)
QUARTERS = st.lists(st.integers(0, 4), max_size=20)
# Few distinct durations: events and censorings that tie are the rule.
UNITS = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=30)
END = np.datetime64("2025-10-08")


def times(*text: str) -> np.ndarray[Any, Any]:
    return np.array(text, dtype="datetime64[us]")


def test_months_of_life_are_counted_to_the_end_and_at_least_one() -> None:
    created = times("2024-10-08", "2025-10-07T12:00", "2025-10-08T06:00", "2025-07-08T12:00")
    months = exposure.months_of_life(created, END)
    assert months.tolist() == [365 / 30.4375, 1.0, 1.0, 91.5 / 30.4375]


def test_what_was_created_later_or_at_an_unknown_time_is_refused() -> None:
    with pytest.raises(PermanentFailure, match="created after 2025-10-08"):
        exposure.months_of_life(times("2025-10-09T00:00:01"), END)
    for function in (lambda t: exposure.months_of_life(t, END), exposure.quarter_of):
        with pytest.raises(PermanentFailure, match="1 of 2 times of creation are unknown"):
            function(times("2024-01-01", "NaT"))


def test_per_month_divides_and_refuses_what_it_cannot() -> None:
    assert exposure.per_month([6, 0, 5], [3.0, 1.0, 2.0]).tolist() == [2.0, 0.0, 2.5]
    with pytest.raises(PermanentFailure, match="not above zero"):
        exposure.per_month([1], [0.0])
    with pytest.raises(PermanentFailure, match="1 of 2 values are unknown"):
        exposure.per_month([1.0, math.nan], [1.0, 1.0])
    with pytest.raises(PermanentFailure, match="2 values and 1 weights"):
        exposure.per_month([1, 2], [1.0])


def test_quarters_are_counted_from_1970_and_end_at_midnight() -> None:
    created = times("1970-01-01", "1970-04-01", "2022-03-31T23:59:59.999999", "1969-12-31")
    assert exposure.quarter_of(created).tolist() == [0, 1, 208, -1]


@unhurried
@given(first=QUARTERS, second=QUARTERS)
def test_weights_give_both_samples_the_same_quarters(first: list[int], second: list[int]) -> None:
    weights = exposure.quarter_weights(first, second)
    for quarter in set(first + second):
        both = min(first.count(quarter), second.count(quarter))
        for sample, weight in zip((first, second), weights, strict=True):
            own = [w for q, w in zip(sample, weight, strict=True) if q == quarter]
            assert sum(own) == pytest.approx(both)
            assert len(set(own)) <= 1
            assert all(0 <= w <= 1 for w in own)


def test_matching_quarters_removes_a_difference_that_is_age_only() -> None:
    """Both platforms act alike at each age, but the second has younger repositories."""
    rng = np.random.default_rng(11)
    first = rng.choice(8, 4000, p=np.arange(8, 0, -1) / 36)
    second = rng.choice(8, 3000, p=np.arange(1, 9) / 36)
    x, y = rng.poisson((8 - first) * 2), rng.poisson((8 - second) * 2)
    plain = mann_whitney(x, y).cliffs_delta
    assert plain is not None
    assert plain > 0.3
    w1, w2 = exposure.quarter_weights(first, second)
    found = effects(x, y, first_weight=w1, second_weight=w2).cliffs_delta
    assert found is not None
    assert abs(found) < 0.05
    assert np.average(x, weights=w1) == pytest.approx(np.average(y, weights=w2), rel=0.05)
    assert x.mean() > 1.5 * y.mean()


def brute_force(
    duration: list[float], is_event: list[bool], entry: list[float], weight: list[float]
) -> list[tuple[float, float, float, float]]:
    rows, share = [], 1.0
    units = list(zip(duration, is_event, entry, weight, strict=True))
    for t in sorted({d for d, e, _, _ in units if e}):
        at_risk = sum(w for d, _, a, w in units if a <= t <= d)
        ended = sum(w for d, e, _, w in units if e and d == t)
        share *= 1 - ended / at_risk
        rows.append((t, at_risk, ended, share))
    return rows


@unhurried
@given(units=UNITS, data=st.data())
def test_survival_equals_brute_force_with_entries_and_weights(units: Any, data: Any) -> None:
    duration, is_event = [u[0] for u in units], [u[1] for u in units]
    entry = [data.draw(st.integers(0, d)) for d in duration]
    weight = [data.draw(st.sampled_from([1.0, 2.0, 0.5])) for _ in units]
    found = exposure.kaplan_meier(duration, is_event, entry=entry, weight=weight)
    expected = brute_force(duration, is_event, entry, weight)
    assert found.time.tolist() == [row[0] for row in expected]
    assert found.at_risk == pytest.approx([row[1] for row in expected])
    assert found.ended == pytest.approx([row[2] for row in expected])
    assert found.survival == pytest.approx([row[3] for row in expected], abs=1e-12)


@unhurried
@given(units=UNITS)
def test_survival_equals_statsmodels(units: list[tuple[int, bool]]) -> None:
    duration = np.array([d for d, _ in units], dtype=float)
    is_event = np.array([e for _, e in units])
    found = exposure.kaplan_meier(duration, is_event)
    if not is_event.any():
        assert found.time.size == 0
        assert found.at(8.0) == (1.0, None, None)
        return
    expected = SurvfuncRight(duration, is_event.astype(int))
    assert found.time == pytest.approx(expected.surv_times)
    assert found.at_risk == pytest.approx(expected.n_risk)
    assert found.survival == pytest.approx(expected.surv_prob, abs=1e-9)
    some = found.survival > 0
    assert found.standard_error[some] == pytest.approx(expected.surv_prob_se[some], abs=1e-9)
    if not (np.abs(found.survival - 0.5) < 1e-9).any():
        median = expected.quantile(0.5)
        assert found.median == (None if math.isnan(median) else median)


def test_late_entries_weights_and_the_median_equal_statsmodels() -> None:
    rng = np.random.default_rng(2)
    duration = rng.exponential(10, 300)
    entry = rng.uniform(0, 1, 300) * duration * (rng.random(300) < 0.7)
    is_event = rng.random(300) < 0.7
    expected = SurvfuncRight(duration, is_event.astype(int), entry=np.where(entry, entry, -1.0))
    found = exposure.kaplan_meier(duration, is_event, entry=entry)
    assert found.survival == pytest.approx(expected.surv_prob, abs=1e-9)
    some = found.survival > 0
    assert found.standard_error[some] == pytest.approx(expected.surv_prob_se[some], abs=1e-9)
    assert found.median == expected.quantile(0.5)
    low, high = expected.quantile_ci(0.5)
    assert (found.median_low, found.median_high) == (low, high)
    weight = rng.integers(1, 4, 300)
    weighed = exposure.kaplan_meier(duration, is_event, weight=weight)
    copies = exposure.kaplan_meier(np.repeat(duration, weight), np.repeat(is_event, weight))
    assert weighed.survival == pytest.approx(copies.survival, abs=1e-12)
    assert weighed.at_risk == pytest.approx(copies.at_risk)
    assert weighed.restricted_mean == pytest.approx(copies.restricted_mean)


@unhurried
@given(units=UNITS)
def test_clusters_of_one_give_greenwoods_variance(units: list[tuple[int, bool]]) -> None:
    duration, is_event = [u[0] for u in units], [u[1] for u in units]
    plain = exposure.kaplan_meier(duration, is_event)
    n = len(units)
    alone = exposure.kaplan_meier(duration, is_event, cluster=range(n))
    if n == 1:
        assert np.isnan(alone.standard_error).all()
        return
    factor = math.sqrt(n / (n - 1))
    assert alone.standard_error == pytest.approx(
        plain.standard_error * factor, abs=1e-9, nan_ok=True
    )


def test_the_clustered_variance_is_the_sum_of_squared_influences() -> None:
    """Influences by numerical differentiation of log S by each cluster's weight."""
    rng = np.random.default_rng(8)
    n, clusters = 80, 15
    duration, is_event = rng.integers(1, 12, n), rng.random(n) < 0.6
    entry, weight = rng.integers(0, duration + 1), rng.uniform(0.5, 2, n)
    cluster = rng.integers(0, clusters, n)
    found = exposure.kaplan_meier(duration, is_event, entry=entry, weight=weight, cluster=cluster)

    def log_survival(by: float, which: int) -> Any:
        changed = np.where(cluster == which, weight * (1 + by), weight)
        changed = exposure.kaplan_meier(duration, is_event, entry=entry, weight=changed)
        return np.log(changed.survival)

    step = 1e-5
    influence = [(log_survival(step, c) - log_survival(-step, c)) / (2 * step)
                 for c in range(clusters)]  # fmt: skip
    variance = np.sum(np.square(influence), axis=0) * clusters / (clusters - 1)
    assert found.survival.min() > 0
    assert found.standard_error == pytest.approx(found.survival * np.sqrt(variance), rel=1e-6)


def test_rounding_of_clusters_does_not_reach_beyond_the_last_who_ends() -> None:
    found = exposure.kaplan_meier([1, 2, 3, 3], [True] * 4, cluster=[1, 1, 2, 3])
    assert found.survival.tolist() == [0.75, 0.5, 0.0]
    assert np.isfinite(found.standard_error[:2]).all()
    assert np.isnan(found.standard_error[2])
    assert found.at(3) == (0.0, None, None)
    assert found.median == 2


def test_the_restricted_mean_is_the_mean_where_all_have_ended() -> None:
    duration = [1.0, 2.5, 4.0, 4.0, 9.0]
    found = exposure.kaplan_meier(duration, [True] * 5)
    assert found.restricted_mean == pytest.approx(np.mean(duration))
    assert found.horizon == 9.0


def test_clustered_intervals_cover_and_others_do_not() -> None:
    """Repositories of one owner end alike; true survival at 5 is exp(-5/10) mixed over owners."""
    rng = np.random.default_rng(4)
    runs, covered, naive = 400, 0, 0
    scale = np.array([4.0, 25.0])
    truth = float(np.exp(-5 / scale).mean())
    for _ in range(runs):
        owner = np.repeat(np.arange(80), rng.integers(1, 9, 80))
        ends = rng.exponential(scale[rng.integers(0, 2, 80)][owner])
        stop = rng.uniform(2, 20, owner.size)
        units = (np.minimum(ends, stop), ends <= stop)
        _, low, high = exposure.kaplan_meier(*units, cluster=owner).at(5.0)
        _, plain_low, plain_high = exposure.kaplan_meier(*units).at(5.0)
        assert low is not None
        assert high is not None
        assert plain_low is not None
        assert plain_high is not None
        covered += low <= truth <= high
        naive += plain_low <= truth <= plain_high
    assert 0.92 <= covered / runs <= 0.98
    assert naive / runs < covered / runs - 0.03


def drawn_lives(rng: np.random.Generator) -> tuple[Any, ...]:
    """Durations, endings, entries and strata of a frame whose strata live differently long."""
    frame = np.array([3000, 500, 90])
    stratum = np.repeat([0, 1, 2], frame)
    life = np.ceil(rng.exponential(np.array([4.0, 12.0, 30.0])[stratum]))
    censored = rng.integers(5, 30, life.size)
    entry = np.where(rng.random(life.size) < 0.3, rng.integers(0, 4, life.size), 0)
    duration = np.minimum(life, censored)
    is_seen = entry <= duration
    return duration, life <= censored, entry, stratum, frame, is_seen


def sample_of_lives(rng: np.random.Generator, world: tuple[Any, ...]) -> tuple[Any, Any]:
    """Positions drawn, of those that are seen, and the design of these."""
    *_, stratum, frame, is_seen = world
    drawn = np.concatenate([
        rng.choice(np.flatnonzero(stratum == one), size, replace=False)
        for one, size in enumerate((150, 120, 90))
    ])  # fmt: skip
    sample = estimators.sample_of(stratum[drawn], frame)
    return drawn[is_seen[drawn]], estimators.kept(sample, is_seen[drawn])


def test_under_a_design_the_variance_is_the_design_s_of_the_influence() -> None:
    rng = np.random.default_rng(31)
    world = drawn_lives(rng)
    at, sample = sample_of_lives(rng, world)
    duration, is_event, entry = (column[at] for column in world[:3])
    found = exposure.kaplan_meier(duration, is_event, entry=entry, sample=sample)
    plain = exposure.kaplan_meier(duration, is_event, entry=entry, weight=sample.weight)
    assert found.survival.tolist() == plain.survival.tolist()
    little, slopes = 1e-5, []
    for unit in range(at.size):
        weight = sample.weight.copy()
        weight[unit] += little
        more = exposure.kaplan_meier(duration, is_event, entry=entry, weight=weight)
        slopes.append((more.survival - plain.survival) / little)
    for step in range(0, found.time.size - 1, 3):
        error, _ = estimators.standard_error(sample, [slope[step] for slope in slopes])
        assert found.standard_error[step] == pytest.approx(error, rel=1e-3)


def test_of_a_whole_frame_survival_has_no_error() -> None:
    world = drawn_lives(np.random.default_rng(32))
    duration, is_event, entry, stratum, frame, is_seen = world
    sample = estimators.kept(estimators.sample_of(stratum, frame), is_seen)
    found = exposure.kaplan_meier(
        duration[is_seen], is_event[is_seen], entry=entry[is_seen], sample=sample
    )
    known = ~np.isnan(found.low)
    assert known.sum() > 5
    assert found.low[known] == pytest.approx(found.survival[known])
    assert found.high[known] == pytest.approx(found.survival[known])


def test_intervals_by_design_cover_the_frame_s_own_curve() -> None:
    rng = np.random.default_rng(33)
    world = drawn_lives(rng)
    duration, is_event, entry, *_, is_seen = world
    truth = exposure.kaplan_meier(duration[is_seen], is_event[is_seen], entry=entry[is_seen])
    hits, rounds = dict.fromkeys((2.0, 6.0, 12.0), 0), 300
    for _ in range(rounds):
        at, sample = sample_of_lives(rng, world)
        found = exposure.kaplan_meier(duration[at], is_event[at], entry=entry[at], sample=sample)
        for when in hits:
            _, low, high = found.at(when)
            assert low is not None and high is not None
            hits[when] += low <= truth.at(when)[0] <= high
    # 285 are expected; fewer than 273 are seen once in 500 times.
    assert min(hits.values()) >= 273 and sum(hits.values()) < 3 * rounds, hits


def test_what_survival_refuses() -> None:
    with pytest.raises(PermanentFailure, match="below zero"):
        exposure.kaplan_meier([-1.0], [True])
    with pytest.raises(PermanentFailure, match="came in after it was gone"):
        exposure.kaplan_meier([1.0], [True], entry=[2.0])
    with pytest.raises(PermanentFailure, match="2 values and 1 flags"):
        exposure.kaplan_meier([1.0, 2.0], [True])
    with pytest.raises(PermanentFailure, match="unknown"):
        exposure.kaplan_meier([math.nan], [True])
    assert exposure.kaplan_meier([], []).status == "not_measurable"
