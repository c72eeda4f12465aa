"""Corrected prevalences: published formulas, another program, and coverage by simulation."""

import math
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patience import NEVER_ENDS

from assets.study.estimators import Sample, sample_of
from assets.study.themes.agreement import uncounted
from assets.study.themes.prevalence import (
    ESTIMATORS,
    Prevalence,
    _constrained,
    lang_reiczigel,
    linearised_error,
    prediction_powered,
    prevalences,
    rogan_gladen,
    rogan_gladen_formula,
)
from orchestration.failures import PermanentFailure

LABELS = ("bug_report", "suggestion", "usage_problem", "performance_evaluation", "others")
Z = 1.959963984540054
# Point and interval of 95 % of the Python package ppi-python 0.2.3 (ppi_mean_pointestimate and
# ppi_mean_ci) for the data of `ppi_data`, by lambda.
RECORDED = {
    1.0: (0.25973333333333337, 0.20781928375603592, 0.3116473829106308),
    0.5: (0.2915333333333333, 0.24777888638478573, 0.3352877802818809),
    0.0: (0.3233333333333333, 0.27040355258272974, 0.37626311408393687),
}
# Where it chose lambda itself, from the variance of the machine in both parts together.
CHOSEN = (0.28911228710851994, 0.2453489335686674, 0.33287564064837244)


def ppi_data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """300 verified and 5,000 other units."""
    rng = np.random.default_rng(11)
    y = (rng.random(300) < 0.3).astype(float)
    f = np.where(rng.random(300) < 0.8, y, 1 - y)
    rest = (rng.random(5000) < 0.38).astype(float)
    assert [y.sum(), f.sum(), rest.sum(), y @ f] == pytest.approx([97, 132, 1882, 83])
    return y, f, rest


def one(rows: list[Prevalence], label: str, estimator: str) -> Prevalence:
    return next(row for row in rows if (row.label, row.estimator) == (label, estimator))


@pytest.mark.parametrize(("weight", "recorded"), RECORDED.items())
def test_prediction_powered_is_that_of_another_program(
    weight: float, recorded: tuple[float, float, float]
) -> None:
    """Unweighted, of a random part of an uncounted population, as that program assumes."""
    y, f, rest = ppi_data()
    (found,) = prediction_powered(
        uncounted(300), y[:, None], f[:, None], [rest.mean()], ["x"],
        frame_variance=[rest.var() / 5000], weight_of_machine=weight,
    )  # fmt: skip
    assert found.value == pytest.approx(recorded[0], abs=1e-12)
    assert found.standard_error is not None and found.weight_of_machine == weight
    # Its variances are of 1/n where here they are of 1/(n - 1).
    ours = found.standard_error**2 - weight**2 * rest.var() / 5000
    theirs = ((recorded[2] - recorded[1]) / 2 / Z) ** 2 - weight**2 * rest.var() / 5000
    assert ours * 299 / 300 == pytest.approx(theirs, rel=1e-9)


def test_the_weight_of_the_machine_is_about_that_of_another_program() -> None:
    y, f, rest = ppi_data()
    (found,) = prediction_powered(
        uncounted(300), y[:, None], f[:, None], [rest.mean()], ["x"],
        frame_variance=[rest.var() / 5000],
    )  # fmt: skip
    assert found.value == pytest.approx(CHOSEN[0], abs=0.003)
    assert found.low is not None and found.high is not None
    assert found.high - found.low == pytest.approx(CHOSEN[2] - CHOSEN[1], rel=0.02)
    others = [
        prediction_powered(uncounted(300), y[:, None], f[:, None], [rest.mean()], ["x"],
                           frame_variance=[rest.var() / 5000], weight_of_machine=weight)[0]
        for weight in np.linspace(0, 1, 21).tolist()
    ]  # fmt: skip
    least = min(one.standard_error or 1.0 for one in others)
    assert found.standard_error is not None and found.standard_error <= least + 1e-12


def test_rogan_gladen_is_the_textbooks_formula() -> None:
    # 23 of 150 positive, sensitivity 0.96, specificity 0.89: 5.1 in 100 (epiR's manual).
    assert rogan_gladen_formula(23 / 150, 0.96, 0.89) == pytest.approx(0.051, abs=5e-4)
    assert rogan_gladen_formula(0.05, 0.9, 0.9) == 0
    assert rogan_gladen_formula(0.5, 0.4, 0.6) is None
    truth = np.repeat([0, 1], (50, 150))
    machine = np.r_[np.repeat([0, 1], (40, 10)), np.repeat([0, 1], (15, 135))]
    first, second = rogan_gladen(uncounted(200), truth, machine, [0.3, 0.7], "ab")
    assert first.value == pytest.approx(rogan_gladen_formula(0.3, 0.8, 0.9))
    assert first.value is not None and second.value == pytest.approx(1 - first.value)
    assert first.method == second.method == "lang_reiczigel"
    assert first.low is not None and second.high is not None
    assert first.low == pytest.approx(1 - second.high, abs=1e-9)


def test_lang_and_reiczigels_interval_holds() -> None:
    rng = np.random.default_rng(3)
    for prevalence, se, sp in ((0.1, 0.8, 0.95), (0.4, 0.7, 0.7), (0.02, 0.9, 0.98)):
        apparent = prevalence * se + (1 - prevalence) * (1 - sp)
        counts = rng.binomial([500, 60, 120], [apparent, se, sp], (1500, 3))
        ends = [lang_reiczigel(a, 500, b, 60, c, 120) for a, b, c in counts.tolist()]
        held = np.mean([low <= prevalence <= high for low, high in ends])
        assert 0.93 < held < 0.99, (prevalence, held)
    assert lang_reiczigel(10, 100, 5, 10, 5, 10) == (0, 1)


SHARES = st.lists(st.floats(0.05, 1), min_size=3, max_size=5)


@settings(max_examples=60, deadline=None)
@given(SHARES, st.floats(0.4, 1), st.integers(0, 10**6))
def test_a_census_gives_the_truth_back(shares: list[float], right: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    k, n = len(shares), 400
    truth = np.r_[np.arange(k), rng.choice(k, n - k, p=np.array(shares) / sum(shares))]
    machine = np.where(rng.random(n) < right, truth, rng.integers(0, k, n))
    sample, hot = sample_of(np.zeros(n, int), [n]), np.eye(k, dtype=bool)
    rows = prevalences(sample, hot[truth], hot[machine], hot[machine].mean(axis=0), "abcde"[:k])
    for row in rows:
        if row.estimator != "machine" and row.value is not None:
            true = (truth == "abcde".index(row.label)).mean()
            assert row.value == pytest.approx(true, abs=1e-6)
            assert row.low == pytest.approx(row.high) == pytest.approx(row.value)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_shares_are_the_best_that_are_shares(seed: int) -> None:
    """Against all shares of a fine grid."""
    rng = np.random.default_rng(seed)
    matrix = rng.dirichlet(np.ones(3), 3).T
    frame = rng.dirichlet(np.ones(3) * 0.3)
    found = _constrained(matrix, frame)
    assert found.min() >= 0 and found.sum() == pytest.approx(1)
    steps = np.linspace(0, 1, 41)
    grid = np.array([(a, b, 1 - a - b) for a in steps for b in steps if a + b <= 1 + 1e-9])
    best = ((grid @ matrix.T - frame) ** 2).sum(axis=1).min()
    assert ((matrix @ found - frame) ** 2).sum() <= best + 1e-9


def test_by_strata_of_the_machine_all_corrections_agree() -> None:
    rng = np.random.default_rng(5)
    counts = np.array([5000, 3000, 2000])
    machine = np.repeat([0, 1, 2], (100, 60, 50))
    truth = np.where(rng.random(210) < 0.7, machine, rng.integers(0, 3, 210))
    hot, sample = np.eye(3, dtype=bool), sample_of(machine, counts)
    rows = prevalences(sample, hot[truth], hot[machine], counts / 10_000, "abc")
    for label in "abc":
        values = [one(rows, label, of).value for of in ESTIMATORS[1:]]
        assert values[1:] == pytest.approx([values[0]] * 2)
    errors = linearised_error(
        sample, truth, machine, [one(rows, x, "human").value or 0 for x in "abc"]
    )
    resampled = [one(rows, x, "rogan_gladen").standard_error for x in "abc"]
    assert resampled == pytest.approx(errors.tolist(), rel=0.1)
    assert sum(one(rows, x, "rogan_gladen").value or 0 for x in "abc") == pytest.approx(1)


def simulated(
    size: int, right: tuple[float, ...], rounds: int, by_machine: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Share of rounds in which each interval held (themes, estimators), and mean widths."""
    rng = np.random.default_rng(17)
    truth = np.repeat(np.arange(5), (8000, 5600, 3200, 800, 2400))
    wrong = np.where(rng.random(20_000) < 0.6, 0, rng.integers(0, 5, 20_000))
    machine = np.where(rng.random(20_000) < np.array(right)[truth], truth, wrong)
    hot, shares = np.eye(5, dtype=bool), np.bincount(truth) / 20_000
    counts = np.bincount(machine, minlength=5)
    wanted = np.maximum(size * counts // 20_000, 30)
    held, width = np.zeros((rounds, 5, 4)), np.zeros((rounds, 5, 4))
    for at in range(rounds):
        units = rng.choice(20_000, size, replace=False)
        sample = sample_of(np.zeros(size, int), [20_000])
        if by_machine:
            units = np.concatenate([rng.choice(np.flatnonzero(machine == k), n, replace=False)
                                    for k, n in enumerate(wanted.tolist())])  # fmt: skip
            sample = sample_of(np.repeat(np.arange(5), wanted), counts)
        rows = prevalences(sample, hot[truth[units]], hot[machine[units]], counts / 20_000, LABELS,
                           draws=299, seed=at)  # fmt: skip
        for place, row in enumerate(rows):
            k, of = divmod(place, 4)
            if row.low is None or row.high is None:
                held[at, k, of] = width[at, k, of] = math.nan
            else:
                held[at, k, of] = row.low <= shares[k] <= row.high
                width[at, k, of] = row.high - row.low
    return np.nanmean(held[:, :, 1:], axis=0), np.nanmean(width[:, :, 1:], axis=0)


def test_intervals_hold_what_they_say() -> None:
    """A biased coder and a theme of 4 %; `python -m bench.verification` has it with more rounds."""
    right = (0.95, 0.75, 0.60, 0.55, 0.70)
    held, width = simulated(400, right, 70, by_machine=False)
    assert (held > 0.86).all(), held
    # What the machine knows makes intervals narrower.
    assert (width[:, 2] < width[:, 0]).all()
    held, width = simulated(400, right, 70, by_machine=True)
    assert (held > 0.86).all(), held


def test_a_coder_that_is_hardly_ever_wrong_has_intervals_that_hold() -> None:
    held, width = simulated(400, (0.99,) * 5, 60, by_machine=False)
    assert (held[:, 1:] > 0.93).all(), held
    assert (width[:, 2] < 0.6 * width[:, 0]).all()


def test_a_perfect_coder_leaves_what_was_not_seen_open() -> None:
    truth, hot = np.repeat([0, 1, 2], (60, 30, 10)), np.eye(3, dtype=bool)
    sample = sample_of(np.zeros(100, int), [10_000])
    rows = prevalences(sample, hot[truth], hot[truth], [0.5, 0.4, 0.1], "abc")
    for of in ("rogan_gladen", "prediction_powered"):
        for label, value in (("a", 0.5), ("b", 0.4), ("c", 0.1)):
            found = one(rows, label, of)
            assert found.value == pytest.approx(value)
            assert found.low is not None and found.high is not None
            assert 0.02 < found.high - found.low < 0.12
            assert found.method == "few_errors"


def test_a_theme_that_the_sample_lacks() -> None:
    truth, hot = np.repeat([0, 1], (60, 40)), np.eye(3, dtype=bool)
    machine = np.r_[truth[:95], [2] * 5]
    sample = sample_of(np.zeros(100, int), [10_000])
    rows = prevalences(sample, hot[truth], hot[machine], [0.5, 0.4, 0.1], "abc")
    for label in "abc":
        found = one(rows, label, "rogan_gladen")
        assert found.value is None and found.low is None and "is c" in str(found.reason)
    for of in ("human", "prediction_powered"):
        found = one(rows, "c", of)
        assert found.value is not None and found.low is not None and found.high is not None
        assert 0 <= found.low <= found.value < found.high <= 1
    never = prevalences(sample, hot[truth], hot[truth], [0.5, 0.5, 0.0], "abc")
    for of in ("human", "prediction_powered"):
        found = one(never, "c", of)
        assert found.value == found.low == 0
        assert found.high is not None and 0.01 < found.high < 0.1


def test_a_machine_that_tells_nothing() -> None:
    truth, hot = np.tile([0, 1, 2], 40), np.eye(3, dtype=bool)
    machine = np.zeros(120, int)
    sample = sample_of(np.zeros(120, int), [10_000])
    rows = prevalences(sample, hot[truth], hot[machine], [1, 0, 0], "abc")
    for label in "abc":
        assert "does not tell" in str(one(rows, label, "rogan_gladen").reason)
        human, powered = one(rows, label, "human"), one(rows, label, "prediction_powered")
        assert powered.weight_of_machine == 0
        assert powered.value == pytest.approx(human.value)
        assert (powered.low, powered.high) == pytest.approx((human.low, human.high))
    few = np.r_[np.repeat([0, 1], (57, 57)), [2] * 6]
    rows = prevalences(sample, hot[few], hot[few], [0.4, 0.4, 0.2], "abc")
    found = one(rows, "a", "rogan_gladen")
    assert found.value is not None and found.low is None and "fewer than 8" in str(found.reason)


def test_nobody_verified_anything() -> None:
    none: Sample = sample_of(np.empty(0, int), [0])
    empty = np.empty((0, 2), bool)
    rows = prevalences(none, empty, empty, [0.3, 0.7], "ab", frame_count=100)
    assert [row.value for row in rows] == [0.3, None, None, None, 0.7, None, None, None]
    assert rows[0].low is not None and rows[0].low < 0.3
    assert all("nobody" in str(row.reason) for row in rows if row.estimator != "machine")


def test_several_themes_at_once_are_corrected_each_against_the_rest() -> None:
    rng = np.random.default_rng(6)
    truth = rng.random((2000, 3)) < (0.5, 0.3, 0.1)
    machine = np.where(rng.random((2000, 3)) < 0.85, truth, ~truth)
    held = dict.fromkeys(ESTIMATORS[1:], 0)
    for _ in range(100):
        units = rng.choice(2000, 400, replace=False)
        sample = sample_of(np.zeros(400, int), [2000])
        rows = prevalences(sample, truth[units], machine[units], machine.mean(axis=0), "abc")
        assert one(rows, "a", "rogan_gladen").method == "lang_reiczigel"
        for k, label in enumerate("abc"):
            for of in ESTIMATORS[1:]:
                found = one(rows, label, of)
                assert found.low is not None and found.high is not None
                held[of] += found.low <= truth[:, k].mean() <= found.high
    assert all(count > 0.91 * 300 for count in held.values()), held


def test_probabilities_narrow_what_decisions_leave() -> None:
    rng = np.random.default_rng(7)
    p = rng.beta(0.6, 1.4, 8000)
    truth, units = rng.random(8000) < p, rng.choice(8000, 400, replace=False)
    sample = sample_of(np.zeros(400, int), [8000])
    both = np.column_stack([truth, ~truth])
    hard = np.column_stack([p > 0.5, p <= 0.5])
    scores = np.column_stack([p, 1 - p])
    rows = [
        prevalences(sample, both[units], hard[units], hard.mean(axis=0), "ab", scores=given_scores,
                    frame_scores=None if given_scores is None else scores.mean(axis=0))
        for given_scores in (None, scores[units])
    ]  # fmt: skip
    errors = [one(found, "a", "prediction_powered").standard_error or 0 for found in rows]
    assert errors[1] < errors[0]


def test_what_cannot_be_is_refused() -> None:
    hot, sample = np.eye(2, dtype=bool), uncounted(2)
    with pytest.raises(PermanentFailure, match="differ in texts or classes"):
        prevalences(sample, hot, hot, [1.0], "ab")
    with pytest.raises(PermanentFailure, match="not between 0 and 1"):
        prevalences(sample, hot, hot, [1.2, -0.2], "ab")


def test_widths_shrink_with_the_sample() -> None:
    rng = np.random.default_rng(10)
    hot = np.eye(3, dtype=bool)
    truth = rng.choice(3, 40_000, p=(0.6, 0.3, 0.1))
    machine = np.where(rng.random(40_000) < 0.8, truth, rng.integers(0, 3, 40_000))
    widths = []
    for size in (200, 800, 3200, 12_800):
        sample = sample_of(np.zeros(size, int), [40_000])
        begun = time.process_time()
        rows = prevalences(sample, hot[truth[:size]], hot[machine[:size]],
                           hot[machine].mean(axis=0), "abc")  # fmt: skip
        assert time.process_time() - begun < NEVER_ENDS
        widths.append([row.high - row.low for row in rows if row.low is not None
                       and row.high is not None and row.label == "a"])  # fmt: skip
    for wide, narrow in pairwise(widths):
        assert all(a > b for a, b in zip(wide, narrow, strict=True))


def test_strata_of_one_kind_leave_something_unknown() -> None:
    """Whoever was drawn of each stratum has the same class: nobody knows of the others."""
    sample = sample_of(np.repeat([0, 1], 20), [40, 30])
    truth = np.eye(2, dtype=bool)[np.repeat([0, 1], 20)]
    found = prevalences(sample, truth, truth, [4 / 7, 3 / 7], ("a", "b"))
    for one in found:
        if one.estimator != "machine":
            assert one.low is not None
            assert one.high is not None
            assert one.low < 4 / 7 - 0.01 or one.label == "b", one
            assert one.high - one.low > 0.02, one
