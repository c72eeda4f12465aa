"""Test and effect sizes of two samples against brute force, scipy, and what defines them."""

import gzip
import itertools
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assets.study.statistics.two_sample import (
    EFFECTS,
    SMALLEST_P_VALUE,
    Differences,
    Effects,
    effects,
    mann_whitney,
    owner_numbers,
    permutation_p_value,
)
from assets.study.statistics.values import frequencies
from orchestration.failures import PermanentFailure

# The first example pays for imports, so no deadline; no folder of examples is left behind.
unhurried = settings(deadline=None, database=None)
# Few distinct values: ties are the rule in these data, not the exception.
COUNTS = st.lists(st.integers(0, 6), min_size=1, max_size=25)
WIDE = st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=15)
REALS = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=15)
WEIGHTED = st.lists(st.tuples(st.integers(-3, 6), st.integers(1, 4)), min_size=1, max_size=12)


def brute_force_u(x: list[int], y: list[int]) -> float:
    return sum((a > b) + 0.5 * (a == b) for a in x for b in y)


def assert_same(found: Effects, expected: Effects, tolerance: float) -> None:
    for name in EFFECTS:
        value, wanted = getattr(found, name), getattr(expected, name)
        assert (value is None) == (wanted is None), name
        if wanted is not None:
            assert value == pytest.approx(wanted, rel=tolerance, abs=tolerance), name


# ---------------------------------------------------------------- the test


@unhurried
@given(x=COUNTS | WIDE, y=COUNTS | WIDE)
def test_u_and_delta_equal_brute_force(x: list[int], y: list[int]) -> None:
    result = mann_whitney(x, y)
    u = brute_force_u(x, y)
    assert result.u == u
    assert result.cliffs_delta == pytest.approx(2 * u / (len(x) * len(y)) - 1, abs=1e-12)


@unhurried
@given(x=COUNTS | REALS, y=COUNTS | REALS)
def test_p_value_is_that_of_scipy(x: list[float], y: list[float]) -> None:
    from scipy.stats import mannwhitneyu

    result = mann_whitney(x, y)
    if len(set(x + y)) == 1 and len(x + y) > 2:
        assert (result.p_value, result.cliffs_delta) == (1.0, 0.0)
        return
    expected = mannwhitneyu(x, y)
    is_exact = min(len(x), len(y)) <= 8 and len(set(x + y)) == len(x + y)
    assert result.p_value_method == ("exact" if is_exact else "asymptotic")
    if not math.isnan(expected.pvalue):
        assert result.p_value == pytest.approx(float(expected.pvalue), rel=1e-9)
    assert result.u == expected.statistic


@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 40), (3, 200), (8, 8), (8, 300)])
def test_exact_p_value_of_every_u_is_that_of_scipy(m: int, n: int) -> None:
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(m * n)
    for shift in np.linspace(-1.2, 1.2, 7) * (m + n):
        x = rng.permutation(m + n)[:m] * 2.0 + shift
        y = rng.permutation(m + n)[:n] * 2.0 + 0.5
        result = mann_whitney(x, y)
        assert result.p_value_method == "exact"
        assert result.p_value == pytest.approx(float(mannwhitneyu(x, y).pvalue), rel=1e-9)


def test_exact_p_value_counts_arrangements() -> None:
    # 3 against 4 without ties: every way to place the first among seven, counted one by one.
    x, y = [1.0, 2.0, 5.0], [3.0, 4.0, 6.0, 7.0]
    u = brute_force_u(x, y)
    ways = [sum(places) - 3 for places in itertools.combinations(range(7), 3)]
    extreme = sum(1 for way in ways if abs(way - 6) >= abs(u - 6))
    assert mann_whitney(x, y).p_value == pytest.approx(extreme / len(ways), abs=1e-12)


def test_a_few_values_against_many_are_exact_too() -> None:
    rng = np.random.default_rng(5)
    result = mann_whitney(rng.normal(3, 1, 8), rng.normal(0, 1, 100_000))
    assert result.p_value_method == "exact"
    assert result.u is not None
    # Against many, the places of the few are eight uniform numbers, whose sum is below s with
    # probability s^8 / 8!.
    sum_of_places = 8 - result.u / 100_000
    assert sum_of_places < 1
    expected = 2 * sum_of_places**8 / math.factorial(8)
    assert result.p_value == pytest.approx(expected, rel=5e-3)


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
    x, y = random.normal(shift, 1, 4000), random.normal(0, 1, 4000)
    result = mann_whitney(x, y)
    assert result.cliffs_delta == pytest.approx(math.erf(shift / 2), abs=0.08)
    assert result.p_value is not None
    assert result.p_value < 1e-6
    assert effects(x, y).hodges_lehmann == pytest.approx(shift, abs=0.12)


def test_whole_numbers_above_the_precision_of_doubles_do_not_tie() -> None:
    assert mann_whitney([2**53 + 1], [2**53]).u == 1
    assert effects([2**53 + 1], [2**53]).hodges_lehmann == 1


def test_differences_that_leave_64_bits_are_rounded_not_wrapped() -> None:
    assert effects([2**62, 2**62 + 5], [-(2**62)] * 3).hodges_lehmann == 2.0**63


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
    assert result.status == effects(x, y).status == "not_measurable"
    assert (result.first_count, result.second_count) == (len(x), len(y))
    assert result.u is result.p_value is result.cliffs_delta is result.p_value_method is None
    assert all(getattr(effects(x, y), name) is None for name in EFFECTS)
    assert permutation_p_value(x, y) is None


UNKNOWN = {
    "none": [1, None],
    "nan": [1.0, math.nan],
    "nan among objects": np.array([1, math.nan], dtype=object),
    "masked": np.ma.array([1, 2], mask=[False, True]),
}


@pytest.mark.parametrize("values", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_unknown_values_are_refused_with_their_number(values: object) -> None:
    for function in (mann_whitney, effects, permutation_p_value):
        for pair in ((values, [1]), ([1], values)):
            with pytest.raises(PermanentFailure, match="1 of 2 values are unknown"):
                function(*pair)


@pytest.mark.parametrize("values", [[math.inf], ["a"], [[1], [2]], [2**70], np.array([2**64 - 1])])
def test_what_is_no_sample_of_counts_is_refused(values: object) -> None:
    for function in (mann_whitney, effects):
        with pytest.raises(PermanentFailure):
            function(values, [1])


# ---------------------------------------------------------------- effect sizes


@unhurried
@given(x=COUNTS | REALS, y=COUNTS | REALS)
def test_effects_equal_brute_force(x: list[float], y: list[float]) -> None:
    found = effects(x, y)
    difference = np.subtract.outer(np.array(x), np.array(y))
    assert found.cliffs_delta == pytest.approx(np.sign(difference).mean(), abs=1e-12)
    win = (difference > 0).mean() + (difference == 0).mean() / 2
    assert found.vargha_delaney_a == pytest.approx(win, abs=1e-12)
    assert found.hodges_lehmann == pytest.approx(np.median(difference), rel=1e-12, abs=1e-300)
    for name, middle in (("ratio_of_means", np.mean), ("ratio_of_medians", np.median)):
        above, below = float(middle(x)), float(middle(y))
        expected = above / below if below else None
        if expected is None or abs(below) > 1e-3:
            assert getattr(found, name) == (
                None if expected is None else pytest.approx(expected, rel=1e-6, abs=1e-9)
            )


@unhurried
@given(x=WEIGHTED, y=WEIGHTED)
def test_whole_weights_are_copies(x: list[tuple[int, int]], y: list[tuple[int, int]]) -> None:
    copies = [[value for value, weight in side for _ in range(weight)] for side in (x, y)]
    values, weights = zip(*(zip(*side, strict=True) for side in (x, y)), strict=True)
    found = effects(*values, first_weight=weights[0], second_weight=weights[1])
    assert_same(found, effects(*copies), 1e-12)


@unhurried
@given(x=WEIGHTED, y=WEIGHTED, factor=st.sampled_from([0.1, 1 / 3, 7.7]))
# Both mid-medians are zero, between values of either sign.
@example(
    x=[(0, 1), (0, 1), (1, 1), (1, 3), (-1, 1), (-1, 3)],
    y=[(-1, 1), (-1, 2), (-2, 1), (-2, 4), (5, 3), (6, 3)],
    factor=0.1,
)
def test_the_scale_of_weights_is_no_matter(
    x: list[tuple[int, int]], y: list[tuple[int, int]], factor: float
) -> None:
    values, weights = zip(*(zip(*side, strict=True) for side in (x, y)), strict=True)
    found = effects(
        *values,
        first_weight=[factor * weight for weight in weights[0]],
        second_weight=[weight / 3 for weight in weights[1]],
    )
    expected = effects(*values, first_weight=weights[0], second_weight=weights[1])
    if expected.ratio_of_means is None:
        # A sum of zero is one for whole weights only.
        found = replace(found, ratio_of_means=None)
    if expected.ratio_of_mid_medians is None or abs(expected.ratio_of_mid_medians) > 1e6:
        # Likewise between values of either sign.
        found = replace(found, ratio_of_mid_medians=expected.ratio_of_mid_medians)
    if found.ratio_of_mid_medians is None or abs(found.ratio_of_mid_medians) > 1e6:
        expected = replace(expected, ratio_of_mid_medians=found.ratio_of_mid_medians)
    assert_same(found, expected, 1e-9)


@settings(unhurried, max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    level=st.floats(0.001, 1.0),
    kind=st.sampled_from(["whole", "continuous", "tied", "tenths"]),
)
def test_quantiles_of_many_differences_are_exact(seed: int, level: float, kind: str) -> None:
    # 900 x 700 differences: too many to be sorted at once, so pivots are used.
    rng = np.random.default_rng(seed)
    x, y = np.floor(rng.pareto(0.8, 900) * 50), np.floor(rng.pareto(1.1, 700) * 30)
    if kind == "continuous":
        x, y = x + rng.random(900), y * rng.random(700)
    elif kind == "tied":
        x, y = np.minimum(x, 3), np.minimum(y, 2)
    elif kind == "tenths":
        x, y = x / 10 + 0.1, y / 10 + 0.3
    else:
        x, y = x.astype(np.int64), y.astype(np.int64)
    every = np.sort(np.subtract.outer(x, y).ravel())
    found = Differences(frequencies(x), frequencies(y))
    # The smallest up to which a share of `level` lies.
    place = next(k for k in (math.ceil(level * every.size) + d for d in (-1, 0, 1))
                 if k >= level * every.size)  # fmt: skip
    assert found.quantile(level) == every[place - 1]
    assert found.weight_up_to(float(every[place - 1])) == (every <= every[place - 1]).sum()
    assert effects(x, y).hodges_lehmann == pytest.approx(np.median(every), rel=1e-12)


def test_hodges_lehmann_at_the_size_of_the_paper() -> None:
    rng = np.random.default_rng(1)
    x = np.exp(rng.normal(3, 2, 1_428_792)) + 5.0
    y = np.exp(rng.normal(3, 2, 1_440_527))
    found = effects(x, y).hodges_lehmann
    assert found is not None
    # Half of all pairs differ by less: counted from the other side.
    ordered = np.sort(x)
    below = int(np.searchsorted(ordered, y + found, "left").sum())
    up_to = int(np.searchsorted(ordered, y + found, "right").sum())
    assert abs(below - x.size * y.size / 2) <= 5
    assert abs(up_to - x.size * y.size / 2) <= 5


def test_u_at_the_size_of_the_paper_with_heavy_ties() -> None:
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
    # A weight of one is no weight.
    weighted = effects(x, y, first_weight=np.ones(size), second_weight=np.ones(size))
    assert weighted.cliffs_delta == pytest.approx(result.cliffs_delta, rel=1e-12)
    assert weighted.hodges_lehmann == effects(x, y).hodges_lehmann


# ---------------------------------------------------------------- permutations


def test_permutations_of_units_agree_with_counting_all() -> None:
    x, y = [0, 0, 1, 3], [1, 2, 3, 3, 5]
    every = [
        mann_whitney([(x + y)[k] for k in chosen],
                     [(x + y)[k] for k in range(9) if k not in chosen]).cliffs_delta or 0.0
        for chosen in map(set, itertools.combinations(range(9), 4))
    ]  # fmt: skip
    observed = abs(mann_whitney(x, y).cliffs_delta or 0.0)
    expected = np.mean([abs(delta) >= observed - 1e-12 for delta in every])
    found = permutation_p_value(x, y, draws=20_000, seed=3)
    assert found == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 20_000))


def test_permutations_of_owners_move_all_they_own() -> None:
    # Two owners against two: of the six ways to deal them only two are as far apart.
    x, y = [5] * 30 + [6] * 30, [1] * 30 + [2] * 30
    owners = ["a"] * 30 + ["b"] * 30
    by_owner = permutation_p_value(x, y, first_cluster=owners, second_cluster=owners, draws=4000)
    assert by_owner == pytest.approx(1 / 3, abs=0.04)
    by_unit = permutation_p_value(x, y, draws=999)
    assert by_unit == 1 / 1000


def test_permutations_hold_their_level_where_owners_differ() -> None:
    rng = np.random.default_rng(8)
    small = {"unit": 0, "owner": 0}
    for seed in range(120):
        sides = []
        for _ in range(2):
            owner = np.repeat(np.arange(8), rng.integers(1, 8, 8))
            sides.append((np.floor(np.exp(rng.normal(1, 1, 8)[owner])), owner))
        (x, a), (y, b) = sides
        for name, clusters in (("unit", {}), ("owner", {"first_cluster": a, "second_cluster": b})):
            found = permutation_p_value(x, y, draws=199, seed=seed, **clusters)
            assert found is not None
            small[name] += found <= 0.05
    assert small["owner"] <= 14 < 30 <= small["unit"]


def test_units_without_an_owner_are_dealt_alone() -> None:
    x, y = [1, 2, 2, 5], [3, 3, 6]
    expected = permutation_p_value(x, y, draws=500)
    nobody = np.full(4, None, dtype=object)
    assert permutation_p_value(x, y, first_cluster=nobody, draws=500) == expected
    mixed = ["a", None, "a", None]
    assert owner_numbers(mixed, 4).tolist() == [0, 1, 0, 2]
    assert owner_numbers([7, 7, 9], 3).tolist() == [0, 0, 1]
    with pytest.raises(PermanentFailure, match="2 values and 1 clusters"):
        permutation_p_value([1, 2], [2], first_cluster=["a"])


# ---------------------------------------------------------------- real tables


def agree(x: np.ndarray, y: np.ndarray) -> None:
    """Everything that scipy and numpy can tell of both samples."""
    from scipy.stats import mannwhitneyu

    result, found = mann_whitney(x, y), effects(x, y)
    expected = mannwhitneyu(x, y)
    assert result.u == expected.statistic
    if expected.pvalue > 1e-300:
        assert result.p_value == pytest.approx(float(expected.pvalue), rel=1e-9)
    else:
        assert result.p_value == pytest.approx(max(expected.pvalue, SMALLEST_P_VALUE), rel=1e-6)
    delta = 2 * expected.statistic / (x.size * y.size) - 1
    assert found.cliffs_delta == pytest.approx(delta, rel=1e-9)
    assert found.vargha_delaney_a == pytest.approx((delta + 1) / 2, rel=1e-9)
    ordered = np.sort(y)
    shift = found.hodges_lehmann
    assert shift is not None
    half = x.size * y.size / 2
    assert np.searchsorted(ordered, x - shift, "left").sum() <= half
    assert np.searchsorted(ordered, x - shift, "right").sum() >= half
    if y.mean():
        assert found.ratio_of_means == pytest.approx(x.mean() / y.mean(), rel=1e-9)
    if np.median(y):
        assert found.ratio_of_medians == pytest.approx(np.median(x) / np.median(y), rel=1e-9)
    else:
        assert found.ratio_of_medians is None


@pytest.mark.parametrize("feature", ["star_count", "fork_count"])
def test_real_repositories(real_data: Path, feature: str) -> None:
    import pandas as pd

    path = real_data / "repositories" / "ethereum_repositories.csv.gz"
    if not path.is_file():
        pytest.skip(f"no real data: {path}")
    table = pd.read_csv(path)
    values = table[feature].to_numpy()
    is_fork = table["is_fork"].to_numpy(dtype=bool)
    agree(values[~is_fork], values[is_fork])


@pytest.mark.parametrize("feature", ["likes", "downloads_30d"])
def test_real_models(real_data: Path, feature: str) -> None:
    path = real_data / "huggingface" / "models-2026-08.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"no real data: {path}")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        models = [json.loads(line) for line in lines]
    gated = [model[feature] for model in models if model["gated"]]
    free = [model[feature] for model in models if not model["gated"]]
    assert len(gated) > 20
    assert len(free) > 20
    agree(np.array(free), np.array(gated))
