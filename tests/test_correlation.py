"""Correlations: scipy, brute force, copies written out, intervals that cover a planted truth."""

import gzip
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from assets.study.statistics import correlation
from assets.study.statistics.correlation import Correlation, Method, correlate
from assets.study.statistics.one_sample import shared_error, spread
from orchestration.failures import PermanentFailure

unhurried = settings(deadline=None, database=None)
METHODS = ("pearson", "log_pearson", "spearman", "kendall_tau_b")
PARTIAL = ("partial_log_pearson", "partial_spearman")
# x, y, age, copies: few distinct values of each, so that ties of every kind occur.
UNITS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 7), st.integers(0, 9), st.integers(1, 4)),
    min_size=2,
    max_size=30,
)
Floats = NDArray[np.float64]


def columns(units: list[tuple[int, ...]]) -> list[NDArray[np.int64]]:
    return [np.array(column) for column in zip(*units, strict=True)]


def vary(*features: NDArray[Any]) -> None:
    for feature in features:
        assume(np.unique(feature).size > 1)


def figures(found: dict[Method, Correlation]) -> list[float | None]:
    return [number for one in found.values() for number in (one.value, one.standard_error, one.low)]


def close(expected: list[float | None], tolerance: float = 1e-9) -> object:
    # A perfect correlation leaves rounding on Fisher's scale.
    return [None if number is None else pytest.approx(number, abs=tolerance) for number in expected]


# --- coefficients


@unhurried
@given(units=UNITS)
def test_coefficients_equal_scipys(units: list[tuple[int, ...]]) -> None:
    from scipy.stats import kendalltau, pearsonr, spearmanr

    x, y, *_ = columns(units)
    vary(x, y)
    found = correlate(x, y)
    assert tuple(found) == METHODS
    expected = (
        pearsonr(x, y).statistic,
        pearsonr(np.log1p(x), np.log1p(y)).statistic,
        spearmanr(x, y).statistic,
        kendalltau(x, y).statistic,
    )
    assert [one.value for one in found.values()] == close([float(value) for value in expected])


def test_coefficients_equal_scipys_with_many_distinct_values() -> None:
    from scipy.stats import kendalltau, spearmanr

    random = np.random.default_rng(1)
    common = random.normal(size=20_000)
    x = np.floor(np.exp(6 + common + random.normal(size=common.size)))
    y = np.floor(np.exp(1 - common + random.normal(size=common.size)))
    for first, second in ((x, y), (y, x), (x, random.random(x.size))):
        found = correlate(first, second)
        tau, rho = kendalltau(first, second).statistic, spearmanr(first, second).statistic
        assert found["kendall_tau_b"].value == pytest.approx(tau, abs=1e-9)
        assert found["spearman"].value == pytest.approx(rho, abs=1e-9)


@unhurried
@given(units=UNITS)
def test_partial_coefficients_are_those_of_residuals(units: list[tuple[int, ...]]) -> None:
    from scipy.stats import rankdata

    x, y, age, _ = columns(units)
    vary(x, y, age)
    found = correlate(x, y, age=age)
    assert tuple(found) == METHODS + PARTIAL
    for method, scale in zip(PARTIAL, (np.log1p, rankdata), strict=True):
        left = [residuals(scale(feature), scale(age)) for feature in (x, y)]
        if min(float(part @ part) for part in left) < 1e-9:
            continue
        expected = left[0] @ left[1] / math.sqrt((left[0] @ left[0]) * (left[1] @ left[1]))
        assert found[method].value == pytest.approx(float(expected), abs=1e-9), method


def residuals(values: Floats, by: Floats) -> Floats:
    design = np.column_stack([np.ones(by.size), by])
    return values - design @ np.linalg.lstsq(design, values)[0]


@unhurried
@given(units=UNITS)
# The partial one is perfect but for rounding, which is divided by the little that age leaves.
@example(units=[(0, 0, 6, 2), (0, 4, 9, 1), (0, 0, 6, 3), (1, 2, 8, 2)])
def test_whole_weights_equal_writing_the_copies_out(units: list[tuple[int, ...]]) -> None:
    x, y, age, weight = columns(units)
    vary(x, y)
    found = correlate(x, y, age=age, weight=weight)
    # Copies of a unit are no units of their own: each with its copies is one cluster, of which it
    # is known that they share all.
    unit = np.repeat(np.arange(x.size), weight)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(correlation, "shared_error", lambda *_: None)
        written = correlate(x[unit], y[unit], age=age[unit], cluster=unit)
    assert figures(found) == close(figures(written), 1e-6)
    assert [one.count for one in found.values()] == [x.size] * 6


@unhurried
@given(units=UNITS, seed=st.integers(0, 99))
def test_order_and_names_of_owners_do_not_matter_and_features_can_be_exchanged(
    units: list[tuple[int, ...]], seed: int
) -> None:
    x, y, age, owner = columns(units)
    found = correlate(x, y, age=age, cluster=owner)
    order = np.random.default_rng(seed).permutation(x.size)
    names = np.array([f"owner {number}" for number in -owner], dtype=object)[order]
    back = correlate(y[order], x[order], age=age[order], cluster=names)
    assert figures(back) == close(figures(found), 1e-6)


@unhurried
@given(units=UNITS)
def test_ranks_do_not_see_the_scale(units: list[tuple[int, ...]]) -> None:
    x, y, age, _ = columns(units)
    found = correlate(x, y, age=age)
    back = correlate(np.exp(x / 2), y**3 + 2, age=np.sqrt(age))
    for method in ("spearman", "kendall_tau_b", "partial_spearman"):
        assert back[method] == found[method]


def test_coefficients_of_a_planted_normal_law() -> None:
    # Of log(1 + value): spearman is 6/pi asin(r/2), kendall's tau 2/pi asin(r).
    random = np.random.default_rng(3)
    z = random.normal(size=(3, 200_000))
    x, y = np.exp(9 + z[0]), np.exp(9 + 0.6 * z[0] + 0.8 * z[1])
    found = correlate(x, y, age=np.exp(9 + z[2]))
    expected = {
        "log_pearson": 0.6,
        "spearman": 6 / math.pi * math.asin(0.3),
        "kendall_tau_b": 2 / math.pi * math.asin(0.6),
        # Age is of nothing else, so that holding it fixed changes nothing.
        "partial_log_pearson": 0.6,
    }
    for method, truth in expected.items():
        assert found[method].value == pytest.approx(truth, abs=0.006), method


def test_what_only_age_has_brought_together_is_taken_apart() -> None:
    random = np.random.default_rng(4)
    age = np.exp(random.normal(3, 1, 50_000))
    x, y = (age * np.exp(3 + random.normal(size=age.size)) for _ in range(2))
    found = correlate(x, y, age=age)
    assert found["log_pearson"].value == pytest.approx(0.5, abs=0.02)
    assert found["partial_log_pearson"].value == pytest.approx(0, abs=0.02)
    assert found["partial_spearman"].value == pytest.approx(0, abs=0.03)


# --- intervals


@settings(unhurried, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), is_owned=st.booleans())
def test_errors_are_those_of_the_derivatives_by_the_weights(seed: int, is_owned: bool) -> None:
    from scipy.stats import t

    random = np.random.default_rng(seed)
    size = 24
    x, y = random.integers(0, 6, size), random.integers(0, 6, size)
    age, weight = random.integers(0, 6, size), random.uniform(0.5, 2, size)
    vary(x, y, age)
    owner = random.integers(0, 8, size) if is_owned else np.arange(size)
    assume(np.unique(owner).size >= 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(correlation, "_doubt", lambda *_: None)
        found = correlate(x, y, age=age, weight=weight, cluster=owner)
    step = 1e-5 * np.eye(size)
    up, down = (
        [correlate(x, y, age=age, weight=weight + sign * part) for part in step] for sign in (1, -1)
    )
    for method, one in found.items():
        if one.value is None or abs(one.value) > 0.999:
            continue
        derivative = [
            (there[method].value - back[method].value) / 2e-5
            for there, back in zip(up, down, strict=True)
        ]
        pulls = np.bincount(owner, derivative * weight)
        share = 1 - np.bincount(owner, weight) / weight.sum()
        count = np.unique(owner).size
        squares = (pulls / share) ** 2
        left_out = math.sqrt((count - 1) / count * float(squares.sum()))
        shared = shared_by_pairs(np.array(derivative) * weight, owner)
        sides = [left_out] if shared is None else [left_out, shared]
        error = math.sqrt(float(np.mean(np.square(sides))))
        assert one.standard_error == pytest.approx(error, rel=1e-4, abs=1e-7), method
        if error > 1e-6:
            heavy = np.bincount(owner, weight)
            degrees = [max(1, min(squares.sum() ** 2 / (squares**2).sum(), count - 1)),
                       heavy.sum() ** 2 / (heavy**2).sum()]  # fmt: skip
            halves = [t.ppf(0.975, of) * one for of, one in zip(degrees, sides, strict=False)]
            half = math.sqrt(float(np.mean(np.square(halves)))) / (1 - one.value**2)
            ends = [math.tanh(math.atanh(one.value) + sign * half) for sign in (-1, 1)]
            assert [one.low, one.high] == pytest.approx(ends, abs=1e-3), method


def shared_by_pairs(parts: NDArray[Any], owner: NDArray[Any]) -> float | None:
    """The error where two units of any owner share alike, by all pairs of units."""
    sizes = [int((owner == one).sum()) for one in np.unique(owner)]
    if max(sizes) < 2:
        return None
    products, beyond, pairs = 0.0, 0, 0
    for one, size in zip(np.unique(owner), sizes, strict=True):
        own = parts[owner == one]
        products += sum(own[i] * own[j] for i in range(size) for j in range(size) if i != j) / size
        beyond, pairs = beyond + size - 1, pairs + size * (size - 1)
    return math.sqrt(float((parts**2).sum()) + max(products / beyond, 0.0) * pairs)


def test_what_an_owner_s_units_share_is_learned_of_all_owners() -> None:
    """Where the large owners happen to pull little, the jackknife alone takes all for steady."""
    random = np.random.default_rng(6)
    owner = np.concatenate([np.repeat(np.arange(200), 3), np.repeat([200, 201], 150)])
    level = random.normal(size=202)
    level[200:] = 0.01
    pull = level[owner] + 0.1 * random.normal(size=owner.size)
    held = np.ones(owner.size)
    left_out = spread(pull - pull.mean(), held, owner, None).error
    shared = shared_error(pull - pull.mean(), held, owner)
    assert shared is not None
    # By hand: a variance of 1.01 a unit, 1 of which is the owner's, over 200 * 3 + 2 * 150 units.
    truth = math.sqrt(1.01 * 900 + 200 * 6 + 2 * 150 * 149) / 900
    assert left_out < 0.3 * truth
    assert shared == pytest.approx(truth, rel=0.25)
    assert shared_error(pull, held, np.arange(owner.size)) is None


def owned(random: np.random.Generator, owners: int) -> tuple[NDArray[Any], ...]:
    """Owners with a level of their own and up to 40 repositories; tails about as the paper's."""
    own = np.repeat(np.arange(owners), np.minimum(random.zipf(2.3, owners), 40))
    level, unit = random.normal(size=owners)[own], random.normal(size=own.size)
    noise = random.normal(size=(3, own.size))
    age = np.exp(3 + 0.7 * noise[0] + 0.3 * level)
    x = np.floor(age * np.exp(-1 + 1.0 * level + 0.6 * unit + noise[1]))
    y = np.floor(age**0.7 * np.exp(-3 + 0.8 * level + 0.6 * unit + 1.2 * noise[2]))
    return own, x.astype(np.int64), y.astype(np.int64), age


def test_intervals_cover_the_truth_in_95_of_100_samples_of_owners() -> None:
    random = np.random.default_rng(8)
    owner, x, y, age = owned(random, 300_000)
    truth = {method: one.value for method, one in correlate(x, y, age=age).items()}
    hits: Counter[str] = Counter()
    blind: Counter[str] = Counter()
    draws = 1200
    for _ in range(draws):
        owner, x, y, age = owned(random, 800)
        for method, one in correlate(x, y, age=age, cluster=owner).items():
            if one.low is not None:
                hits[method] += one.low <= truth[method] <= one.high
        one = correlate(x, y, age=age)["log_pearson"]
        blind["log_pearson"] += one.low <= truth["log_pearson"] <= one.high
    for method in ("log_pearson", "spearman", "kendall_tau_b", *PARTIAL):
        assert 0.93 <= hits[method] / draws <= 0.97, (method, hits[method] / draws)
    # What owners are counted for.
    assert hits["pearson"] == 0
    assert blind["log_pearson"] / draws < 0.9


def test_what_is_reported_without_owners() -> None:
    random = np.random.default_rng(2)
    x = random.integers(0, 9, 200)
    y = x + random.integers(0, 9, 200)
    found = correlate(x, y)["spearman"]
    assert (found.status, found.count, found.method_of_interval) == ("measured", 200, "linearised")
    assert found.low is not None
    assert found.high is not None
    assert found.value is not None
    assert -1 < found.low < found.value < found.high < 1
    clustered = correlate(x, y, cluster=[f"owner {n}" for n in range(200)])["spearman"]
    assert clustered.method_of_interval == "linearised_by_cluster"
    assert clustered.standard_error == pytest.approx(found.standard_error)


def test_a_perfect_correlation_and_too_few_owners() -> None:
    found = correlate([1, 2, 3, 4, 5], [5, 4, 3, 2, 1])["kendall_tau_b"]
    assert found.value == found.low == found.high == pytest.approx(-1)
    few = correlate([1, 2, 3, 4, 5], [1, 3, 2, 5, 4], cluster=[1, 1, 2, 2, 3])["spearman"]
    assert few.value is not None
    assert few.status == "measured"
    assert few.low is few.high is few.method_of_interval is None
    least = correlation.LEAST_ALIKE
    told = f"no interval, as what varies is worth fewer than {least} owners of equal size"
    assert few.reason == told
    # One of many owners has half of all.
    random = np.random.default_rng(3)
    x, y = random.random(2000), random.random(2000)
    uneven = correlate(x, y, cluster=np.maximum(np.arange(2000) - 1000, 0))["spearman"]
    assert uneven.reason == told
    alone = correlate(x[:3], y[:3], cluster=[1, 1, 1])["spearman"]
    assert (alone.standard_error, alone.reason) == (None, "no interval of one owner")


def test_pearson_of_raw_counts_has_no_interval_and_says_what_has() -> None:
    random = np.random.default_rng(4)
    common = random.normal(6, 1, 4000)
    x, y = (np.floor(np.exp(common + random.normal(size=4000))) for _ in range(2))
    found = correlate(x, y)
    assert found["pearson"].value is not None and found["pearson"].low is None
    told = "no interval, as the tails of raw counts decide it: see log_pearson and spearman"
    assert found["pearson"].reason == told
    assert all(found[name].low is not None for name in ("log_pearson", "spearman"))


# --- what cannot be computed


def test_constants_and_nothing_are_not_measurable() -> None:
    for x, y in (([], []), ([3], [4]), ([2, 2, 2], [1, 2, 3]), ([1, 2, 3], [0, 0, 0])):
        found = correlate(x, y, age=y)
        assert {one.status for one in found.values()} == {"not_measurable"}
        assert tuple(found) == METHODS + PARTIAL
        assert {one.count for one in found.values()} == {len(x)}
        assert {one.value for one in found.values()} == {None}


def test_what_age_determines_has_no_partial_coefficient() -> None:
    age = np.arange(1, 9)
    found = correlate(age, [1, 5, 2, 3, 9, 0, 4, 4], age=age)
    assert found["partial_spearman"].status == found["partial_log_pearson"].status
    assert found["partial_spearman"].status == "not_measurable"
    assert found["spearman"].status == "measured"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": [1.0, math.nan]}, "unknown"),
        ({"x": [1, None]}, "unknown"),
        ({"y": [1, math.inf]}, "infinite"),
        ({"x": [1, -1]}, "below zero"),
        ({"age": [1, -0.5]}, "below zero"),
        ({"x": [1, 2, 3]}, "length"),
        ({"age": [1]}, "length"),
        ({"weight": [1]}, "2 values and 1 weights"),
        ({"weight": [1, 0]}, "not above zero"),
        ({"cluster": [1]}, "2 values and 1 owners"),
        ({"cluster": ["a", None]}, "owner is unknown"),
        ({"cluster": [1.0, math.nan]}, "owner is unknown"),
    ],
)
def test_what_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(PermanentFailure, match=message):
        correlate(**{"x": [1, 2], "y": [2, 1], **arguments})


def test_likes_and_downloads_of_real_models(real_data: Path) -> None:
    from scipy.stats import kendalltau, pearsonr, spearmanr

    path = real_data / "huggingface" / "models-2026-08.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        models = [json.loads(line) for line in lines]
    known = [
        (model["likes"], model["downloads_30d"], model["author"])
        for model in models
        if None not in (model["likes"], model["downloads_30d"], model["author"])
    ]
    assert len(known) > 5_000
    likes, downloads, author = (np.array(column) for column in zip(*known, strict=True))
    found = correlate(likes, downloads, cluster=author)
    references = (
        ("pearson", pearsonr(likes, downloads)),
        ("log_pearson", pearsonr(np.log1p(likes), np.log1p(downloads))),
        ("spearman", spearmanr(likes, downloads)),
        ("kendall_tau_b", kendalltau(likes, downloads)),
    )
    for method, expected in references:
        assert found[method].value == pytest.approx(float(expected.statistic), abs=1e-9), method
    alone = correlate(likes, downloads)["spearman"]
    # Authors publish alike: what they own together tells less than as many models of as many.
    assert (found["spearman"].standard_error or 0) > (alone.standard_error or 1)
