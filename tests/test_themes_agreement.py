"""Agreement of coders against published examples, other programs and definitions by brute force."""

import math
import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patience import NEVER_ENDS
from sklearn.metrics import cohen_kappa_score, precision_recall_fscore_support
from statsmodels.stats.inter_rater import cohens_kappa

from assets.study.estimators import domain, sample_of
from assets.study.themes.agreement import (
    accuracy,
    class_quality,
    cohen_kappa,
    confusion,
    distances,
    krippendorff_alpha,
    macro_f1,
    percent_agreement,
    resampled_sums,
    uncounted,
    wilson,
)
from orchestration.failures import PermanentFailure

# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", example D: alpha 0.743.
CANONICAL = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
# Values of the Python package krippendorff 0.9.0 for these coders (rows) and units.
RECORDED = {
    (".03300.1.3.1.11", "1.2.03.12311303", "10.0.0.021.2013"): 0.25,
    ("31.11.301.3.3..", "333.113...12210", "3..31..01021.12"): 0.3266932270916334,
    ("1...3.22001.21.", "0210322.1.3100.", "1.30122031.0032"): 0.10026385224274414,
}
Codes = list[list[str | None]]


def codes_of(rows: Sequence[str]) -> Codes:
    return [[None if one == "." else one for one in row] for row in rows]


def by_definition(codes: Sequence[Sequence[object | None]], apart: object) -> float | None:
    """Alpha from all pairs of values, one by one."""
    assert callable(apart)
    units = [[one for one in unit if one is not None] for unit in zip(*codes, strict=True)]
    units = [unit for unit in units if len(unit) > 1]
    values = [one for unit in units for one in unit]
    if not values:
        return None
    observed = sum(
        apart(a, b) / (len(unit) - 1)
        for unit in units for i, a in enumerate(unit) for j, b in enumerate(unit) if i != j
    ) / len(values)  # fmt: skip
    expected = sum(
        apart(a, b) for i, a in enumerate(values) for j, b in enumerate(values) if i != j
    ) / (len(values) * (len(values) - 1))
    return None if expected == 0 else 1 - observed / expected


def test_the_published_example() -> None:
    found = krippendorff_alpha(codes_of(CANONICAL))
    assert found.value == pytest.approx(0.743421052631579, abs=1e-12)
    assert found.count == 11
    assert found.low is not None and found.high is not None and found.low < 0.743 < found.high


@pytest.mark.parametrize(("rows", "value"), RECORDED.items())
def test_another_program(rows: Sequence[str], value: float) -> None:
    assert krippendorff_alpha(codes_of(rows)).value == pytest.approx(value, abs=1e-12)


CODES = st.integers(2, 4).flatmap(lambda coders: st.lists(
    st.lists(st.sampled_from((None, None, "a", "b", "c")), min_size=coders, max_size=coders),
    max_size=12))  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(CODES)
def test_alpha_is_its_definition(units: list[list[str | None]]) -> None:
    codes = [list(row) for row in zip(*units, strict=True)]
    found = krippendorff_alpha(codes, draws=50)
    expected = by_definition(codes, lambda a, b: float(a != b))
    if expected is None:
        assert found.value is None and found.reason
    else:
        assert found.value == pytest.approx(expected, abs=1e-9)
        assert found.low is None or found.high is None or found.low <= found.high


SETS = st.frozensets(st.sampled_from("abc"), max_size=3)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(SETS, SETS, st.none() | SETS), max_size=8))
def test_alpha_of_sets_is_its_definition(units: list[tuple[frozenset[str] | None, ...]]) -> None:
    codes = [list(row) for row in zip(*units, strict=True)]

    def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
        return 1 - len(a & b) / len(a | b) if a | b else 0.0

    found = krippendorff_alpha(codes, distance="jaccard", draws=50).value
    assert found == (None if by_definition(codes, jaccard) is None
                     else pytest.approx(by_definition(codes, jaccard), abs=1e-9))  # fmt: skip


def test_distances_of_sets() -> None:
    a, ab, bc, none = frozenset("a"), frozenset("ab"), frozenset("bc"), frozenset[str]()
    masi = distances([a, ab, bc, none], "masi")
    assert masi[0, 1] == pytest.approx(1 - 1 / 2 * 2 / 3)
    assert masi[1, 2] == pytest.approx(1 - 1 / 3 * 1 / 3)
    assert masi[0, 2] == 1 and masi[0, 3] == 1 and masi[3, 3] == 0
    assert distances([a, ab], "jaccard")[0, 1] == 0.5
    with pytest.raises(PermanentFailure, match="between sets"):
        distances(["a", "b"], "masi")
    with pytest.raises(PermanentFailure, match="no distance"):
        distances(["a"], "euclid")


def test_figures_that_are_not_defined_say_why() -> None:
    alike: list[Codes] = [[["a", "a"], ["a", "a"]], [["a", None], ["a", "b"]]]
    for codes in alike:
        found = krippendorff_alpha(codes)
        assert found.value is found.low is None and "one category" in str(found.reason)
        assert cohen_kappa(*codes).value is None
    nothing: list[Codes] = [[["a", None], [None, "a"]], [[], []]]
    for empty in nothing:
        assert "no unit" in str(krippendorff_alpha(empty).reason)
        assert "no unit" in str(percent_agreement(empty).reason)
        assert "no unit" in str(cohen_kappa(*empty).reason)
    assert "no unit" in str(krippendorff_alpha([]).reason)
    assert "no unit" in str(krippendorff_alpha([["a", "b"]]).reason)
    with pytest.raises(PermanentFailure, match="differ in the number"):
        krippendorff_alpha([["a"], ["a", "b"]])
    with pytest.raises(PermanentFailure, match="differ in the number"):
        cohen_kappa(["a"], ["a", "b"])


def test_perfect_agreement_has_an_interval_that_narrows() -> None:
    """Resampling would say 1 to 1 of three units."""
    lows: list[float] = []
    for many in (2, 20, 200, 2000):
        codes = [["a", "b"] * many] * 2
        for found in (krippendorff_alpha(codes), cohen_kappa(*codes)):
            assert (found.value, found.high, found.method) == (1, 1, "no_difference")
            assert found.low is not None and found.low < 1
            lows.append(found.low)
    assert lows == sorted(lows)
    assert lows[-1] > 0.99


def test_intervals_hold_alpha_as_often_as_they_say() -> None:
    rng = np.random.default_rng(8)
    # Two coders who are right with 0.85 and otherwise guess among three themes.
    expected = by_chance(0.85, (0.5, 0.3, 0.2))
    held = {"units": 0, "pairs": 0}
    for round_ in range(200):
        truth = rng.choice(3, 150, p=(0.5, 0.3, 0.2))
        codes = [np.where(rng.random(150) < 0.85, truth, rng.integers(0, 3, 150)).tolist()
                 for _ in range(2)]  # fmt: skip
        for how in ("units", "pairs"):
            found = krippendorff_alpha(codes, resampled=how, draws=400, seed=round_)
            assert found.low is not None and found.high is not None
            held[how] += found.low <= expected <= found.high
    assert all(0.91 < count / 200 < 0.99 for count in held.values()), held


def by_chance(right: float, shares: tuple[float, ...]) -> float:
    k = len(shares)
    cells = np.zeros((k, k))
    for true, share in enumerate(shares):
        said = np.full(k, (1 - right) / k) + right * np.eye(k)[true]
        cells += share * np.outer(said, said)
    marginal = cells.sum(axis=0)
    return float(1 - (1 - np.trace(cells)) / (1 - marginal @ marginal))


# Fleiss, Cohen and Everitt 1969, table 1: kappa 0.429, standard error 0.054 for 200 units.
FCE = np.array([[106, 10, 4], [22, 28, 10], [2, 12, 6]])


def spread_out(table: np.ndarray) -> tuple[list[int], list[int]]:
    rows, columns = np.indices(table.shape)
    return (np.repeat(rows.ravel(), table.ravel()).tolist(),
            np.repeat(columns.ravel(), table.ravel()).tolist())  # fmt: skip


def test_kappa_of_the_published_table() -> None:
    found, other = cohen_kappa(*spread_out(FCE)), cohens_kappa(FCE)
    assert found.value == pytest.approx(0.429, abs=5e-4)
    assert found.value == pytest.approx(other.kappa, abs=1e-12)
    assert found.high is not None and found.low is not None
    error = (found.high - found.low) / 2 / 1.959963984540054
    assert error == pytest.approx(math.sqrt(other.var_kappa), abs=1e-12)
    assert error == pytest.approx(0.054, abs=1e-3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=40))
def test_kappa_is_that_of_other_programs(pairs: list[tuple[int, int]]) -> None:
    first, second = map(list, zip(*pairs, strict=True))
    found = cohen_kappa(first, second)
    if len({*first, *second}) == 1:
        assert found.value is None
        return
    assert found.value == pytest.approx(cohen_kappa_score(first, second), abs=1e-9)
    weights = [1 + one % 3 for one in first]
    weighted = cohen_kappa(first, second, weights=weights, draws=20).value
    assert weighted == pytest.approx(
        cohen_kappa_score(first, second, sample_weight=weights), abs=1e-9
    )


def test_weights_repeat_units() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.integers(0, 3, (2, 60)).tolist()
    weights = rng.integers(1, 4, 60)
    repeated = [np.repeat(one, weights).tolist() for one in (first, second)]
    weighted = krippendorff_alpha([first, second], weights=weights)
    # The factor (n - 1) / n is of the codes that there are.
    n, many = 120, 2 * int(weights.sum())
    plain = krippendorff_alpha(repeated).value
    assert weighted.value is not None and plain is not None
    assert (1 - weighted.value) * n / (n - 1) == pytest.approx((1 - plain) * many / (many - 1))
    same = krippendorff_alpha([first, second], weights=[7.5] * 60)
    assert same.value == pytest.approx(krippendorff_alpha([first, second]).value)
    with pytest.raises(PermanentFailure, match="one number above zero"):
        krippendorff_alpha([first, second], weights=[0.0] * 60)
    with pytest.raises(PermanentFailure, match="without weights"):
        krippendorff_alpha([first, second], weights=weights, resampled="pairs")


def test_resampling_keeps_strata_and_their_sizes() -> None:
    pieces = np.column_stack([np.ones(30), np.r_[np.ones(10), np.zeros(20)]])
    sums = resampled_sums(pieces, np.r_[np.zeros(10), np.ones(20)], 500, np.random.default_rng(1))
    assert (sums[:, 0] == 30).all() and (sums[:, 1] == 10).all()
    loose = resampled_sums(pieces, np.zeros(30), 4000, np.random.default_rng(1))
    assert loose[:, 1].std() == pytest.approx(math.sqrt(30 * (1 / 3) * (2 / 3)), rel=0.05)


def test_percent_agreement_and_wilson() -> None:
    codes = [list("aaab"), list("aabb")]
    found = percent_agreement(codes)
    assert found.value == 0.75
    # Newcombe 1998: 81 of 263 has 0.2553 to 0.3662.
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0.0, 20)[0] == 0 and wilson(1.0, 20)[1] == 1
    three = percent_agreement([*codes, [None, None, None, "b"]])
    assert three.value == pytest.approx(1 - 2 / 9)


# ---------------------------------------------------------------- a machine against people


def test_quality_is_that_of_another_program_under_weights() -> None:
    rng = np.random.default_rng(4)
    strata = np.repeat([0, 1, 2], (60, 90, 150))
    sample = sample_of(strata, (200, 4000, 900))
    truth = rng.integers(0, 4, 300)
    machine = np.where(rng.random(300) < 0.7, truth, rng.integers(0, 4, 300))
    hot = np.eye(4, dtype=bool)
    found = class_quality(sample, hot[truth], hot[machine], "abcd")
    expected = precision_recall_fscore_support(truth, machine, sample_weight=sample.weight)
    for k, one in enumerate(found):
        for figure, values in zip((one.precision, one.recall, one.f1), expected, strict=False):
            assert figure.value == pytest.approx(values[k])
            assert figure.low is not None and figure.high is not None
            assert 0 <= figure.low < values[k] < figure.high <= 1
        assert (one.true_count, one.machine_count) == ((truth == k).sum(), (machine == k).sum())
    macro = macro_f1(sample, hot[truth], hot[machine])
    assert macro.value == pytest.approx(expected[2].mean())
    right = accuracy(sample, truth, machine)
    assert right.value == pytest.approx(np.average(truth == machine, weights=sample.weight))
    table = confusion(sample, truth, machine, 4)
    assert table.sum() == pytest.approx(5100)
    assert np.trace(table) / table.sum() == pytest.approx(right.value)


def test_quality_without_a_case_says_why() -> None:
    hot = np.eye(3, dtype=bool)
    truth, machine = np.array([0, 0, 1]), np.array([0, 0, 0])
    _, second, third = class_quality(uncounted(3), hot[truth], hot[machine], "abc")
    assert second.precision.value is None and "never gave" in str(second.precision.reason)
    assert second.recall.value == 0 and second.f1.value == 0
    assert third.recall.value is third.f1.value is None
    assert third.f1.reason and third.recall.reason
    perfect = class_quality(uncounted(50), hot[[0, 1] * 25], hot[[0, 1] * 25], "ab")
    assert perfect[0].f1.value == 1
    assert perfect[0].f1.low is not None and 0.85 < perfect[0].f1.low < 1
    nobody = domain(uncounted(3), np.zeros(3, bool))
    assert accuracy(nobody, truth, machine).value is None


def test_f1_holds_what_it_says() -> None:
    """Coverage of the intervals of a rare class, found at random in a stratified sample."""
    rng = np.random.default_rng(9)
    truth = (rng.random(12_000) < 0.08).astype(int)
    machine = np.where(rng.random(12_000) < np.where(truth, 0.7, 0.97), truth, 1 - truth)
    hot = np.eye(2, dtype=bool)
    whole = class_quality(uncounted(12_000), hot[truth], hot[machine], "ab")[1].f1.value
    assert whole is not None
    found = []
    for _ in range(300):
        units = np.concatenate([rng.choice(np.flatnonzero(machine == k), n, replace=False)
                                for k, n in ((0, 300), (1, 60))])  # fmt: skip
        sample = sample_of(np.repeat([0, 1], (300, 60)), np.bincount(machine))
        f1 = class_quality(sample, hot[truth[units]], hot[machine[units]], "ab")[1].f1
        assert f1.low is not None and f1.high is not None
        found.append(f1.low <= whole <= f1.high)
    assert 0.90 < np.mean(found) < 0.99


def test_many_units_take_little_time() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, (3, 50_000)).tolist()
    begun = time.process_time()
    assert krippendorff_alpha(codes).count == 50_000
    assert time.process_time() - begun < NEVER_ENDS
