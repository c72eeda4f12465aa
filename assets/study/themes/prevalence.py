"""How often a theme is: what a machine says of all texts, corrected by what people say of some.

Belongs here: estimates of prevalence with intervals of 95 %. Does not belong here: drawing the
texts that people code (`verification`), and agreement (`agreement`).

Four estimates stand beside each other:

- `machine`: the share of the frame that the machine codes so, with the machine's bias in full. Its
  interval (Wilson's, of as many messages as were coded) is what chance leaves open, and nothing of
  the machine's errors.
- `human`: the design-weighted share of the verified sample, with Wilson's interval.
- `rogan_gladen`: the machine's shares through the inverse of its matrix of errors, kept to shares
  that are not negative and add up to one (Rogan and Gladen 1978; for two classes their formula).
  The matrix is that of the frame, estimated from the verified sample. The interval is by resampling
  the verified units within strata (Rao and Wu 1988), for two classes and one stratum that of Lang
  and Reiczigel 2014.
- `prediction_powered`: the machine's share of the frame plus the weighted mean of what people say
  less what the machine says in the sample, the machine's part weighed by lambda, chosen so that the
  variance is least (PPI++; Angelopoulos, Duchi and Zrnic 2023). Of a stratified sample of a counted
  frame this is survey sampling's difference estimator (Särndal, Swensson and Wretman 1992, 6.3),
  with its variance and finite population correction, and that is what is computed.

Where people and machine differ on fewer than `FEW` verified texts of a class, the last two have at
least the width that Wilson's intervals of the two shares of errors (missed, wrongly given) make
together (Newcombe 1998, method 10; Zou and Donner 2008): a machine that is nearly always right has
an interval for that too.

Where strata are the classes of the same machine, the sample is balanced on its codings already: the
last three then give the same value, and only their intervals are made differently.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assets.study.estimators import Sample, mean, share, standard_error, t_quantile
from assets.study.themes.agreement import LEVEL, MOST_UNDEFINED, Z, wilson
from orchestration.failures import PermanentFailure

Estimator = Literal["machine", "human", "rogan_gladen", "prediction_powered"]
ESTIMATORS: tuple[Estimator, ...] = ("machine", "human", "rogan_gladen", "prediction_powered")
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DRAWS = 999
# Verified texts of a class of which people and machine differ: with fewer, neither resampling nor a
# variance sees enough errors, and intervals are made from the two shares of errors as well.
FEW = 10
# Verified texts of each class without which a matrix of errors has no interval.
LEAST_OF_CLASS = 8
# Ratio of the least to the largest singular value of a matrix of errors that tells nothing.
LEAST_SINGULAR = 0.02
# Of a standard error, what rounding leaves.
_ROUNDING = 1e-9
# The sum of shares is held to this much more closely than each share is fitted.
_SUM_WEIGHT = 1e4


@dataclass(frozen=True)
class Prevalence:
    """How often a theme is, by one estimator.

    Attributes:
        value: share of the frame; None where it cannot be told, for the reason given.
        low: of the interval of 95 %; None where there is none.
        method: how the interval was made.
        weight_of_machine: lambda of `prediction_powered`.
        count: verified units that it rests on; for `machine` messages coded.
    """

    label: str
    estimator: Estimator
    value: float | None
    low: float | None = None
    high: float | None = None
    standard_error: float | None = None
    method: str | None = None
    weight_of_machine: float | None = None
    count: int = 0
    reason: str | None = None

    def row(self) -> dict[str, Any]:
        """As a row of a table."""
        return {part.name: getattr(self, part.name) for part in fields(self)}


def prevalences(
    sample: Sample,
    truth: ArrayLike,
    machine: ArrayLike,
    frame: ArrayLike,
    labels: Sequence[str],
    *,
    scores: ArrayLike | None = None,
    frame_scores: ArrayLike | None = None,
    frame_count: int = 0,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[Prevalence]:
    """All four estimates of each class, by class and in the order of `ESTIMATORS`.

    Args:
        sample: the verified units with their weights (`responding` leaves out who is open).
        truth: (n, k) whether a class applies, as people say. Where each unit has exactly one class
            on both sides the classes are corrected together, else each against the rest.
        machine: (n, k) whether the machine says so.
        frame: (k,) share of the frame to which the machine gives the class.
        labels: of the k classes.
        scores: (n, k) what stands for the machine in `prediction_powered`, such as its
            probabilities; by default `machine`. Then `frame_scores` (k,) are their means.
        frame_count: messages that the machine coded, for its own interval; 0: without.

    Raises:
        PermanentFailure: shapes differ, or a share is not in [0, 1].
    """
    true, found = np.asarray(truth, bool), np.asarray(machine, bool)
    shares = np.asarray(frame, np.float64)
    _check(true, found, shares, labels)
    if sample.count == 0:
        nobody = "nobody has verified a text"
        return [_machine(label, share_, frame_count) if of == "machine" else
                Prevalence(label, of, None, reason=nobody)
                for label, share_ in zip(labels, shares.tolist(), strict=True)
                for of in ESTIMATORS]  # fmt: skip
    if bool((true.sum(axis=1) == 1).all() and (found.sum(axis=1) == 1).all()):
        corrected = rogan_gladen(sample, true.argmax(axis=1), found.argmax(axis=1), shares,
                                 labels, draws=draws, seed=seed)  # fmt: skip
    else:
        corrected = [
            rogan_gladen(
                sample, ~true[:, k], ~found[:, k], [shares[k], 1 - shares[k]],
                (label, f"not {label}"), draws=draws, seed=seed,
            )[0]
            for k, label in enumerate(labels)
        ]  # fmt: skip
    powered = prediction_powered(
        sample, true, found if scores is None else scores,
        shares if frame_scores is None else frame_scores, labels,
    )  # fmt: skip
    rows = zip(
        [_machine(label, one, frame_count)
         for label, one in zip(labels, shares.tolist(), strict=True)],
        human(sample, true, labels), corrected, powered, strict=True,
    )  # fmt: skip
    return [one for row in rows for one in row]


def _check(true: Bools, found: Bools, shares: Floats, labels: Sequence[str]) -> None:
    k = len(labels)
    if true.shape != found.shape or true.ndim != 2 or true.shape[1] != k or shares.shape != (k,):
        raise PermanentFailure("Codings of people and machine differ in texts or classes.")
    if not ((shares >= 0) & (shares <= 1)).all():
        raise PermanentFailure("A share of the frame is not between 0 and 1.")


def _machine(label: str, value: float, count: int) -> Prevalence:
    reason = "biased by the machine's errors"
    if not count:
        return Prevalence(label, "machine", value, reason=reason)
    low, high = wilson(value, count)
    return Prevalence(label, "machine", value, low, high, None, "wilson", None, count, reason)


def human(sample: Sample, truth: ArrayLike, labels: Sequence[str]) -> list[Prevalence]:
    """The design-weighted shares of the verified sample alone; `truth` is (n, k)."""
    true = np.asarray(truth, bool)
    rows = []
    for k, label in enumerate(labels):
        told = share(sample, true[:, k])
        low, high, method = told.low, told.high, told.method
        if low == high and method != "census":
            # Each stratum is of one kind so far: the interval is that of a plain sample.
            alike = float(sample.weight.sum() ** 2 / (sample.weight**2).sum())
            low, high, method = *wilson(told.value, alike), "wilson"
        rows.append(
            Prevalence(label, "human", told.value, low, high, told.standard_error, method, None,
                       told.count)
        )  # fmt: skip
    return rows


# ---------------------------------------------------------------- prediction-powered


def prediction_powered(
    sample: Sample,
    truth: ArrayLike,
    machine: ArrayLike,
    frame: ArrayLike,
    labels: Sequence[str],
    *,
    frame_variance: ArrayLike | None = None,
    weight_of_machine: float | None = None,
) -> list[Prevalence]:
    """Each class by itself: the estimates need not add up to exactly one.

    The interval is Wilson's with the effective number of units, p(1-p) over the variance, and t
    with Satterthwaite's degrees of freedom.

    Args:
        truth: (n, k) whether the class applies.
        machine: (n, k) what the machine says, 0 or 1 or a probability.
        frame: (k,) mean over the frame of what the machine says.
        frame_variance: (k,) sampling variance of `frame`, where the machine coded only a random
            part of the texts; by default none, the frame being coded whole.
        weight_of_machine: lambda; by default that of the least variance, kept to [0, 1].
    """
    true, found = np.asarray(truth, np.float64), np.asarray(machine, np.float64)
    means = np.asarray(frame, np.float64)
    extra = np.zeros(len(labels)) if frame_variance is None else np.asarray(frame_variance)
    return [
        _powered(sample, true[:, k], found[:, k], float(means[k]), float(extra[k]), label,
                 weight_of_machine)
        for k, label in enumerate(labels)
    ]  # fmt: skip


def _powered(
    sample: Sample, y: Floats, f: Floats, frame: float, extra: float, label: str,
    chosen: float | None,
) -> Prevalence:  # fmt: skip
    weight = _least_variance(sample, y, f, extra) if chosen is None else chosen
    alone = mean(sample, y)
    rest = mean(sample, y - weight * f)
    value = weight * frame + rest.value
    se, degrees = rest.standard_error, rest.degrees
    if se <= _ROUNDING * max(alone.standard_error, 1e-9):
        se = 0.0
    se = math.hypot(se, weight * math.sqrt(extra))
    kept = min(1.0, max(0.0, value))

    def told(low: float, high: float, method: str) -> Prevalence:
        return Prevalence(label, "prediction_powered", kept, min(low, kept), max(high, kept), se,
                          method, weight, sample.count)  # fmt: skip

    if sample.is_census and se == 0:
        return told(kept, kept, "census")
    if se == 0 and weight == 0:
        plain = share(sample, y > 0.5)
        # Strata that are the coder's own themes may show no spread, which does not mean none.
        if plain.low < plain.high:
            return told(plain.low, plain.high, plain.method)
    t = t_quantile(degrees)
    if se == 0:
        low, high, method = kept, kept, "wilson"
    elif 0 < value < 1:
        low, high, method = *wilson(value, value * (1 - value) / se**2, t), "wilson"
    else:
        low, high, method = max(0.0, value - t * se), min(1.0, value + t * se), "t"
    below, above, is_few = _of_errors(sample, y > 0.5, f > 0.5)
    if is_few:
        low, high = min(low, max(0.0, kept - below)), max(high, min(1.0, kept + above))
        method = "few_errors"
    return told(low, high, method)


def _least_variance(sample: Sample, y: Floats, f: Floats, extra: float) -> float:
    """Lambda of the least variance under the design, in [0, 1]."""
    spread = mean(sample, f).standard_error ** 2 + extra
    if spread <= 0:
        return 0.0
    # Covariance of two estimated means from the variances of their sum and difference.
    plus, minus = mean(sample, y + f).standard_error, mean(sample, y - f).standard_error
    return min(1.0, max(0.0, (plus**2 - minus**2) / 4 / spread))


def _of_errors(sample: Sample, true: Bools, found: Bools) -> tuple[float, float, bool]:
    """How far below and above a share may lie by its errors alone, and whether these are few."""
    is_few = int(((true != found) & sample.is_in).sum()) < FEW
    if not is_few:
        return 0.0, 0.0, False
    missed, given = share(sample, true & ~found), share(sample, found & ~true)
    below = math.hypot(missed.value - missed.low, given.high - given.value)
    above = math.hypot(missed.high - missed.value, given.value - given.low)
    return below, above, True


# ---------------------------------------------------------------- Rogan and Gladen


def rogan_gladen(
    sample: Sample,
    truth: ArrayLike,
    machine: ArrayLike,
    frame: ArrayLike,
    labels: Sequence[str],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[Prevalence]:
    """The machine's shares through the inverse of its matrix of errors.

    Args:
        truth: (n,) index of the class of each verified unit.
        machine: (n,) likewise, as the machine says.
        frame: (k,) shares of the frame by the machine's class; they add up to one.

    Returns:
        An estimate for each class; without value where a class does not occur in the sample (its
        row of the matrix is not known) or where the machine does not tell classes apart.
    """
    k, shares = len(labels), np.asarray(frame, np.float64)
    cells = np.asarray(truth, np.int64) * k + np.asarray(machine, np.int64)
    cells = np.where(sample.is_in, cells, 0)
    if shares.sum() <= 0:
        return _untold(labels, "the machine coded no text", sample.count)
    shares = shares / shares.sum()
    counted = np.bincount(cells, sample.weight, minlength=k * k)
    table = np.asarray(counted.reshape(1, k, k), dtype=np.float64)
    lacking = [label for label, row in zip(labels, table[0], strict=True) if row.sum() <= 0]
    if lacking:
        return _untold(labels, f"no text of the sample is {' or '.join(lacking)}", sample.count)
    values, usable = _inverted(table, shares)
    if not usable[0]:
        reason = "the machine does not tell the classes apart"
        return _untold(labels, reason, sample.count)
    if sample.is_census and sample.is_in.all():
        return [Prevalence(label, "rogan_gladen", value, value, value, 0.0, "census", None,
                           sample.count)
                for label, value in zip(labels, values[0].tolist(), strict=True)]  # fmt: skip
    if k == 2 and sample.group_drawn.size == 1:
        return _of_counts(sample, cells, shares, values[0], labels)
    counts = np.bincount(cells[sample.is_in] // k, minlength=k)
    few = [label for label, one in zip(labels, counts, strict=True) if one < LEAST_OF_CLASS]
    if few:
        reason = f"fewer than {LEAST_OF_CLASS} texts of the sample are {' and '.join(few)}"
        return _without_interval(labels, values[0], sample.count, reason)
    found, usable = _inverted(_replicates(sample, cells, k, draws, seed), shares)
    if usable.mean() < 1 - MOST_UNDEFINED:
        reason = "the machine hardly tells the classes apart: resampled, its matrix has no inverse"
        return _without_interval(labels, values[0], sample.count, reason)
    return _percentiles(sample, cells, labels, values[0], found[usable])


def _untold(labels: Sequence[str], reason: str, count: int) -> list[Prevalence]:
    return [Prevalence(label, "rogan_gladen", None, count=count, reason=reason)
            for label in labels]  # fmt: skip


def _without_interval(
    labels: Sequence[str], values: Floats, count: int, reason: str
) -> list[Prevalence]:
    return [Prevalence(label, "rogan_gladen", value, count=count, reason=reason)
            for label, value in zip(labels, values.tolist(), strict=True)]  # fmt: skip


def _inverted(tables: Floats, frame: Floats) -> tuple[Floats, Bools]:
    """Shares of the true classes for each table of weighted counts (B, k, k), and which exist.

    The solution of the equations where it is a share of each class; else the least squares among
    shares that are not negative and add up to one.
    """
    rows = tables.sum(axis=2)
    errors = tables / np.where(rows > 0, rows, 1.0)[:, :, None]
    singular = np.linalg.svd(errors, compute_uv=False)
    usable = (rows > 0).all(axis=1) & (singular[:, -1] > LEAST_SINGULAR * singular[:, 0])
    values = np.full(rows.shape, np.nan)
    sides = np.broadcast_to(frame[:, None], (int(usable.sum()), frame.size, 1))
    values[usable] = np.linalg.solve(errors[usable].transpose(0, 2, 1), sides)[:, :, 0]
    for at in np.flatnonzero(usable & (values < 0).any(axis=1)):
        values[at] = _constrained(errors[at].T, frame)
    return values, usable


def _constrained(matrix: Floats, frame: Floats) -> Floats:
    """Least squares on the simplex: the support by `nnls`, then exactly on it."""
    from scipy.optimize import nnls

    k = frame.size
    heavy, _ = nnls(np.vstack([matrix, np.full((1, k), _SUM_WEIGHT)]),
                    np.append(frame, _SUM_WEIGHT))  # fmt: skip
    support = np.flatnonzero(heavy > 1e-9)
    part = matrix[:, support]
    # Minimise under the sum: the equations of Lagrange.
    system = np.ones((support.size + 1, support.size + 1))
    system[:-1, :-1], system[-1, -1] = part.T @ part, 0.0
    solved = np.linalg.solve(system, np.append(part.T @ frame, 1.0))[:-1]
    values = np.zeros(k)
    values[support] = np.maximum(solved, 0.0)
    return np.asarray(values / values.sum())


def _replicates(sample: Sample, cells: Ints, k: int, draws: int, seed: int) -> Floats:
    """Tables of weighted counts with units resampled within strata, (draws, k, k).

    Rao and Wu 1988: of n units of a stratum n - 1 are drawn, and the weights rescaled so that the
    variance is the design's, finite population correction included. Units of the same cell and
    weight are alike, so that counts of cells are drawn.
    """
    rng = np.random.default_rng(seed)
    tables = np.zeros((draws, k * k))
    inside = np.flatnonzero(sample.is_in)
    for group in np.unique(sample.group[inside]):
        at = inside[sample.group[inside] == group]
        n = int(sample.group_drawn[group])
        kinds, count = np.unique(np.column_stack([cells[at], sample.weight[at]]), axis=0,
                                 return_counts=True)  # fmt: skip
        if n < 2:
            again = np.tile(count.astype(np.float64), (draws, 1))
        else:
            # What was drawn and is not at hand is drawn again as well, and counts nowhere.
            odds = np.append(count, n - count.sum()) / n
            drawn = rng.multinomial(n - 1, odds, size=draws)[:, :-1]
            shrink = math.sqrt(float(sample.rest[group]))
            again = (1 - shrink) * count + shrink * n / (n - 1) * drawn
        for column, cell in enumerate(kinds[:, 0].astype(np.int64)):
            tables[:, cell] += kinds[column, 1] * again[:, column]
    return np.maximum(tables, 0.0).reshape(draws, k, k)


def _percentiles(
    sample: Sample, cells: Ints, labels: Sequence[str], values: Floats, found: Floats
) -> list[Prevalence]:
    lows, highs = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    spread = found.std(axis=0)
    rows = []
    for at, label in enumerate(labels):
        value = float(values[at])
        low, high, method = min(float(lows[at]), value), max(float(highs[at]), value), "bootstrap"
        below, above, is_few = _of_errors(
            sample, cells // len(labels) == at, cells % len(labels) == at
        )
        if is_few:
            low, high = min(low, max(0.0, value - below)), max(high, min(1.0, value + above))
            method = "few_errors"
        rows.append(Prevalence(label, "rogan_gladen", value, low, high, float(spread[at]), method,
                               None, sample.count))  # fmt: skip
    return rows


def _of_counts(
    sample: Sample, cells: Ints, frame: Floats, values: Floats, labels: Sequence[str]
) -> list[Prevalence]:
    """Two classes of one stratum, whose units have equal weights."""
    counts = np.bincount(cells[sample.is_in], minlength=4).reshape(2, 2)
    population = float(sample.weight.sum())
    rows = []
    for at, label in enumerate(labels):
        low, high = lang_reiczigel(
            float(frame[at]) * population, population,
            int(counts[at, at]), int(counts[at].sum()),
            int(counts[1 - at, 1 - at]), int(counts[1 - at].sum()),
        )  # fmt: skip
        value = float(values[at])
        rows.append(
            Prevalence(label, "rogan_gladen", value, min(low, value), max(high, value), None,
                       "lang_reiczigel", None, sample.count)
        )  # fmt: skip
    return rows


def rogan_gladen_formula(apparent: float, sensitivity: float, specificity: float) -> float | None:
    """The textbook's formula for two classes, kept to [0, 1]; None where the test tells nothing."""
    youden = sensitivity + specificity - 1
    if abs(youden) < _ROUNDING:
        return None
    return min(1.0, max(0.0, (apparent + specificity - 1) / youden))


def lang_reiczigel(
    positive: float, tested: float, found: float, with_it: float, cleared: float, without_it: float,
) -> tuple[float, float]:  # fmt: skip
    """Interval of 95 % of a prevalence whose sensitivity and specificity are estimated.

    Lang and Reiczigel 2014, Preventive Veterinary Medicine 113, 13-22.

    Args:
        positive: tested units that the test calls positive, of `tested`.
        found: units with the condition that the test calls positive, of `with_it`.
        cleared: units without the condition that the test calls negative, of `without_it`.
    """
    n, n_se, n_sp = tested + Z * Z, with_it + 2, without_it + 2
    p, se, sp = (positive + Z * Z / 2) / n, (found + 1) / n_se, (cleared + 1) / n_sp
    youden = se + sp - 1
    if youden <= 0:
        return 0.0, 1.0
    value = (p + sp - 1) / youden
    of_se, of_sp = se * (1 - se) / n_se, sp * (1 - sp) / n_sp
    spread = p * (1 - p) / n + value**2 * of_se + (1 - value) ** 2 * of_sp
    shift = 2 * Z * Z * (value * of_se - (1 - value) * of_sp)
    half = Z * math.sqrt(spread) / youden
    return (min(1.0, max(0.0, value + shift - half)), min(1.0, max(0.0, value + shift + half)))


def linearised_error(
    sample: Sample, truth: ArrayLike, machine: ArrayLike, values: ArrayLike
) -> Floats:
    """Standard errors of Rogan and Gladen's shares by linearisation, (k,), for comparison.

    Args:
        values: (k,) the shares, none of them at a bound.
    """
    shares = np.asarray(values, np.float64)
    k = shares.size
    true, found = np.asarray(truth, np.int64), np.asarray(machine, np.int64)
    table = np.bincount(true * k + found, sample.weight, minlength=k * k).reshape(k, k)
    rows = table.sum(axis=1)
    errors = table / rows[:, None]
    # d pi = -A (dM)' pi, with A the inverse of M'.
    change = (np.eye(k)[found] - errors[true]) * (shares[true] / rows[true])[:, None]
    residuals = -change @ np.linalg.inv(errors.T).T
    return np.array([standard_error(sample, residuals[:, at])[0] for at in range(k)])
