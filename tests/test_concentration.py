"""Inequality and tails: brute force, scipy, planted laws, and samples with copies written out."""

import csv
import gzip
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from assets.study.statistics.concentration import (
    CANDIDATES,
    gini,
    lorenz,
    tail_fit,
    top_k_share,
    top_share,
)
from orchestration.failures import PermanentFailure

unhurried = settings(deadline=None, database=None)
COUNTS = st.lists(st.integers(0, 6), min_size=1, max_size=25)
LARGE = st.lists(st.integers(0, 71_860_646), min_size=1, max_size=15)
COPIES = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 5)), min_size=1, max_size=15)
SHARES = st.floats(0, 1)


def close(value: object) -> object:
    return pytest.approx(value, rel=1e-9, abs=1e-12)


# --- shares of the sum


@unhurried
@given(values=COUNTS | LARGE)
def test_gini_equals_the_mean_difference_of_all_pairs(values: list[int]) -> None:
    found = gini(values)
    if not any(values):
        assert found is None
        return
    differences = sum(abs(a - b) for a in values for b in values)
    assert found == close(differences / (2 * len(values) * sum(values)))


@unhurried
@given(values=COUNTS | LARGE, k=st.integers(0, 30))
def test_the_share_of_the_k_largest(values: list[int], k: int) -> None:
    assume(any(values))
    largest = sorted(values, reverse=True)[:k]
    assert top_k_share(values, k) == close(sum(largest) / sum(values))


@unhurried
@given(values=COUNTS | LARGE, share=SHARES)
def test_the_share_of_the_largest_part_counts_the_border_in_part(
    values: list[int], share: float
) -> None:
    assume(any(values))
    units, held = share * len(values), 0.0
    for value in sorted(values, reverse=True):
        held += min(units, 1) * value
        units -= min(units, 1)
    assert top_share(values, share) == close(held / sum(values))


@unhurried
@given(values=COUNTS | LARGE, share=SHARES)
def test_lorenz_curve_and_largest_share_add_up(values: list[int], share: float) -> None:
    curve = lorenz(values, points=[0, 1 - share, 1])
    if curve is None:
        assert not any(values)
        return
    assert curve[1].tolist() == [0, close(1 - (top_share(values, share) or 0)), 1]


@unhurried
@given(values=COUNTS | LARGE)
def test_the_lorenz_curve_is_convex_and_never_above_equality(values: list[int]) -> None:
    curve = lorenz(values)
    if curve is None:
        assert not any(values)
        return
    population, held = curve
    assert population.size == held.size == len(set(values)) + 1
    assert (population[0], held[0], population[-1], held[-1]) == (0, 0, 1, 1)
    assert (held <= population + 1e-12).all()
    slopes = np.diff(held) / np.diff(population)
    assert (np.diff(slopes) > 0).all()


@unhurried
@given(copies=COPIES, share=SHARES)
def test_whole_weights_equal_writing_the_copies_out(
    copies: list[tuple[int, int]], share: float
) -> None:
    values, weight = zip(*copies, strict=True)
    assume(any(values))
    written = np.repeat(values, weight)
    assert gini(values, weight) == close(gini(written))
    assert top_share(values, share, weight) == close(top_share(written, share))
    there, back = lorenz(values, weight), lorenz(written)
    assert there is not None
    assert back is not None
    np.testing.assert_allclose(there, back, atol=1e-12)


@unhurried
@given(values=COUNTS, factor=st.floats(1e-3, 1e3))
def test_a_unit_of_measurement_does_not_matter(values: list[int], factor: float) -> None:
    assume(any(values))
    scaled = np.array(values) * factor
    assert gini(scaled) == close(gini(values))
    assert top_share(scaled, 0.3) == close(top_share(values, 0.3))


def test_all_equal_and_one_holds_all() -> None:
    assert gini([5, 5, 5]) == pytest.approx(0, abs=1e-15)
    assert gini([0, 0, 0, 9]) == pytest.approx(3 / 4)
    assert top_share([0] * 99 + [3]) == 1
    assert top_share([2] * 150) == pytest.approx(0.01)


def test_inequality_of_a_pareto_law_is_the_known_one() -> None:
    # Share of at least v is v^-a: Gini is 1/(2a - 1), the largest s hold s^(1 - 1/a).
    values = np.random.default_rng(2).pareto(3, 400_000) + 1
    assert gini(values) == pytest.approx(1 / 5, abs=0.003)
    assert top_share(values) == pytest.approx(0.01 ** (2 / 3), rel=0.03)


@pytest.mark.parametrize("values", [[], [0], [0, 0.0]])
def test_nothing_and_a_sum_of_zero_have_no_shares(values: list[float]) -> None:
    assert gini(values) is lorenz(values) is top_share(values) is top_k_share(values, 1) is None
    assert tail_fit(values) is None


def test_what_has_no_share_is_refused() -> None:
    for function in (gini, lorenz, top_share, tail_fit, lambda values: top_k_share(values, 1)):
        with pytest.raises(PermanentFailure, match="below zero"):
            function([3, -1])
        with pytest.raises(PermanentFailure, match="unknown"):
            function([3.0, math.nan])
        with pytest.raises(PermanentFailure, match="infinite"):
            function([3.0, math.inf])
    for share in (-0.1, 1.1, math.nan):
        with pytest.raises(PermanentFailure):
            top_share([1], share)
    with pytest.raises(PermanentFailure):
        top_k_share([1], -1)


# --- the tail


def zeta_law(
    random: np.random.Generator, size: int, exponent: float, start: int
) -> NDArray[np.int64]:
    """Whole numbers x >= start with probability x^-exponent / zeta(exponent, start)."""
    from scipy.special import zeta

    wide = np.geomspace(start + 20_000, 1e13, 20_000)
    grid = np.concatenate([np.arange(start, start + 20_000), np.floor(wide[1:])])
    at_least = zeta(exponent, grid) / zeta(exponent, start)
    index = np.searchsorted(-at_least, -random.random(size), side="right") - 1
    return grid[index].astype(np.int64)


def test_a_planted_tail_of_counts_is_found_where_it_begins() -> None:
    random = np.random.default_rng(11)
    # Below 10 there are more than the law has, and spread evenly.
    values = np.concatenate([zeta_law(random, 20_000, 2.3, 10), random.integers(0, 10, 60_000)])
    found = tail_fit(values)
    assert found is not None
    # The nearest fit may begin later: the tail of a tail is one as well.
    assert 10 <= found.from_value <= 40
    assert abs(found.exponent - 2.3) < 3 * found.standard_error
    assert found.count == (values >= found.from_value).sum()
    assert found.distance < 0.02
    # The truth is a power law, so the lognormal law, which has one as its limit, is no better.
    assert found.lognormal_p_value > 0.1


def test_a_planted_tail_of_rates_is_found_where_it_begins() -> None:
    random = np.random.default_rng(12)
    values = np.concatenate([5 * (1 + random.pareto(1.5, 20_000)), 5 * random.random(40_000)])
    found = tail_fit(values)
    assert found is not None
    assert 4.9 <= found.from_value <= 20
    assert abs(found.exponent - 2.5) < 3 * found.standard_error
    assert found.standard_error == pytest.approx((found.exponent - 1) / math.sqrt(found.count))
    assert found.lognormal_p_value > 0.1


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_lognormal_tail_is_told_from_a_power_law(is_whole: bool) -> None:
    # The nearest fit takes the far end only, which is nearly straight: it needs many to tell.
    values = np.random.default_rng(13).lognormal(6, 1.5, 400_000)
    found = tail_fit(np.floor(values) if is_whole else values)
    assert found is not None
    assert found.lognormal_ratio < 0
    assert found.lognormal_p_value < 0.05


def test_the_lognormal_law_fitted_is_the_best_one() -> None:
    from scipy.optimize import minimize
    from scipy.stats import norm

    values = np.floor(np.random.default_rng(14).lognormal(2, 1.2, 3_000)).astype(np.int64)
    values = values[values > 0]
    found = tail_fit(values)
    assert found is not None
    tail = values[values >= found.from_value]

    def loss(parameters: NDArray[np.float64]) -> float:
        law = norm(parameters[0], math.exp(parameters[1]))
        inside = law.sf(np.log(tail - 0.5)) - law.sf(np.log(tail + 0.5))
        return -float(np.log(inside / law.sf(math.log(found.from_value - 0.5))).sum())

    best = minimize(loss, [2.0, 0.2], method="Nelder-Mead")
    lognormal = power_log_likelihood(tail, found.exponent) - found.lognormal_ratio
    assert lognormal == pytest.approx(-float(best.fun), abs=1e-3)


def power_log_likelihood(tail: NDArray[np.int64], exponent: float) -> float:
    from scipy.special import zeta

    start = float(tail.min())
    return -exponent * float(np.log(tail).sum()) - tail.size * math.log(zeta(exponent, start))


def brute_force(values: NDArray[np.int64]) -> tuple[float, float, int]:
    """Nearest fit over all beginnings: distance, exponent, beginning."""
    from scipy.optimize import minimize_scalar
    from scipy.special import zeta

    fits = []
    for start in np.unique(values)[:-1]:
        tail = values[values >= start]
        if tail.size < 50:
            break
        best = minimize_scalar(
            lambda a, tail=tail: -power_log_likelihood(tail, a), bounds=(1.001, 20),
            method="bounded", options={"xatol": 1e-10},
        )  # fmt: skip
        grid = np.arange(start, values.max() + 1)
        seen = np.array([(tail <= at).mean() for at in grid])
        law = 1 - zeta(best.x, grid + 1) / zeta(best.x, start)
        fits.append((float(np.abs(seen - law).max()), float(best.x), int(start)))
    return min(fits)


@settings(unhurried, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), exponent=st.floats(1.8, 3.5))
def test_counts_are_fitted_as_by_brute_force(seed: int, exponent: float) -> None:
    random = np.random.default_rng(seed)
    values = np.minimum(random.zipf(exponent, 300), 400)
    assume(np.unique(values).size <= CANDIDATES)
    distance, expected, start = brute_force(values)
    assume(expected < 19)
    found = tail_fit(values)
    assert found is not None
    assert found.distance == pytest.approx(distance, abs=1e-6)
    assert found.exponent == pytest.approx(expected, abs=1e-6)
    assert found.from_value == start


def test_the_error_of_counts_is_that_of_the_likelihoods_curvature() -> None:
    tail = zeta_law(np.random.default_rng(15), 5_000, 2.1, 3)
    found = tail_fit(tail)
    assert found is not None
    kept, step = tail[tail >= found.from_value], 1e-3
    logs = [power_log_likelihood(kept, found.exponent + k * step) for k in (-1, 0, 1)]
    curvature = -(logs[0] - 2 * logs[1] + logs[2]) / step**2
    assert found.standard_error == pytest.approx(curvature**-0.5, rel=1e-4)


def test_a_rate_is_as_far_from_its_law_as_scipy_says() -> None:
    from scipy.stats import kstest, pareto

    values = np.random.default_rng(16).pareto(1.2, 180) + 1
    found = tail_fit(values)
    assert found is not None
    tail = values[values >= found.from_value]
    law = pareto(found.exponent - 1, scale=found.from_value)
    assert found.distance == pytest.approx(kstest(tail, law.cdf).statistic, abs=1e-12)


def test_weights_are_copies_but_errors_count_values() -> None:
    random = np.random.default_rng(17)
    values, weight = zeta_law(random, 3_000, 2.2, 1), random.integers(1, 4, 3_000)
    found, written = tail_fit(values, weight), tail_fit(np.repeat(values, weight))
    assert found is not None
    assert written is not None
    assert found.from_value == written.from_value
    assert found.exponent == pytest.approx(written.exponent, abs=1e-9)
    assert found.distance == pytest.approx(written.distance, abs=1e-9)
    assert found.lognormal_ratio == pytest.approx(written.lognormal_ratio, abs=1e-3)
    assert found.count == (values >= found.from_value).sum() < written.count
    assert found.standard_error > written.standard_error
    double = tail_fit(values, np.full(values.size, 2.0))
    single = tail_fit(values)
    assert double is not None
    assert single is not None
    assert double.standard_error == pytest.approx(single.standard_error)
    assert double.lognormal_p_value == pytest.approx(single.lognormal_p_value, abs=1e-3)


@pytest.mark.parametrize(
    "values",
    [[3] * 500, list(range(1, 50)), [0] * 500 + [1] * 40, [10**6] * 400 + [10**6 + 1] * 9],
    ids=["all equal", "too few", "too few above zero", "too steep"],
)
def test_no_tail_no_fit(values: list[int]) -> None:
    assert tail_fit(values) is None


def test_fifty_values_are_a_tail() -> None:
    assert tail_fit(list(range(1, 51))) is not None


def test_more_distinct_values_than_are_tried() -> None:
    random = np.random.default_rng(18)
    values = zeta_law(random, 40_000, 1.6, 1)
    assert np.unique(values).size > 4 * CANDIDATES
    found = tail_fit(values)
    assert found is not None
    assert abs(found.exponent - 1.6) < 4 * found.standard_error


def test_stars_of_real_repositories(real_data: Path) -> None:
    path = real_data / "repositories" / "ethereum_repositories.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        stars = np.array([int(row["star_count"] or 0) for row in csv.DictReader(lines)])
    ordered = np.sort(stars)[::-1]
    assert top_k_share(stars, 100) == ordered[:100].sum() / ordered.sum()
    ranks = np.arange(ordered.size, 0, -1)
    # The formula by ranks (Sen 1973).
    expected = (
        2 * float(ranks @ ordered) / (stars.size * ordered.sum()) - (stars.size + 1) / stars.size
    )
    assert gini(stars) == pytest.approx(expected, abs=1e-12)
    found = tail_fit(stars)
    assert found is not None
    assert found.count == (stars >= found.from_value).sum() >= 50
    assert 1.5 < found.exponent < 3
