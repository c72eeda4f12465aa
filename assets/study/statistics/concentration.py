"""How unequal one sample is.

Belongs here: Gini, Lorenz curve, shares of the largest, the power law of the tail. Does not belong
here: location and spread (`descriptives`).

Everything is computed from the distinct values and how much of the sample each has. Values below
zero have no share of a sum and are refused.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from assets.study.statistics.values import (
    Floats,
    Frequencies,
    Ints,
    frequencies,
    numbers,
    weights,
)
from orchestration.failures import PermanentFailure

# Below this many values an exponent says little (Clauset et al. 2009).
LEAST_TAIL = 50
# Fewer owners do not show whether their tail is light: those that missed it would look as if.
LEAST_OWNERS = 1000
# Values tried as the beginning of the tail.
CANDIDATES = 200
# A tail that falls faster than this is no power law; x^-20 can still be written for x up to 1e15.
MOST_EXPONENT = 20.0
LARGEST_START = 1e12
# From here on a whole number's cell is so narrow that density and probability are the same.
WIDE_UP_TO = 1e5


@dataclass(frozen=True)
class Tail:
    """A power law fitted to the values from `from_value` on.

    Attributes:
        exponent: of the density (continuous) or the probabilities (whole numbers), above 1: the
            share of values of at least v falls as v^-(exponent - 1).
        standard_error: of the exponent, `from_value` taken as given. With weights for as many
            values as the unequal weights are worth (Kish 1965).
        from_value: beginning of the tail.
        count: values in the tail.
        distance: Kolmogorov and Smirnov's, of the tail from the fitted law (0-1).
        lognormal_ratio: log-likelihood of the power law less that of a lognormal law cut off below
            `from_value`; above zero speaks for the power law.
        lognormal_p_value: two-sided, of neither law being nearer (Vuong 1989): above 0.1, say, the
            sign of the ratio means nothing.
    """

    exponent: float
    standard_error: float
    from_value: float
    count: int
    distance: float
    lognormal_ratio: float
    lognormal_p_value: float


def gini(values: ArrayLike, weight: ArrayLike | None = None) -> float | None:
    """Gini coefficient: half the mean absolute difference of two units, over the mean.

    Without the factor n/(n - 1): from 0 (all equal) to 1 - 1/n (one holds all).

    Args:
        values: (n,) finite numbers, none below zero.
        weight: (n,) numbers above zero, how many units each value stands for; by default one.

    Returns:
        None where the sum is zero.

    Raises:
        PermanentFailure: a value is unknown, infinite or below zero.
    """
    curve = lorenz(values, weight)
    if curve is None:
        return None
    population, held = curve
    return float(1 - np.diff(population) @ (held[1:] + held[:-1]))


def lorenz(
    values: ArrayLike, weight: ArrayLike | None = None, points: ArrayLike | None = None
) -> tuple[Floats, Floats] | None:
    """Lorenz curve: what share of the sum the smallest share of the units holds.

    Args:
        values: (n,) as for `gini`.
        weight: (n,) likewise.
        points: (p,) shares (0-1) of the units at which to read the curve off; by default its
            corners, one for each distinct value and (0, 0).

    Returns:
        Shares of the units and of the sum, both (p,) and within 0 to 1. None where the sum is zero.

    Raises:
        PermanentFailure: as for `gini`.
    """
    counted = _not_below_zero(values, weight)
    sums = np.concatenate([[0.0], np.cumsum(counted.weight * counted.value.astype(np.float64))])
    if sums[-1] == 0:
        return None
    units = np.concatenate([[0.0], np.cumsum(counted.weight)])
    population, held = units / units[-1], sums / sums[-1]
    if points is None:
        return population, held
    at = np.asarray(points, dtype=np.float64)
    return at, np.interp(at, population, held)


def top_share(
    values: ArrayLike, share: float = 0.01, weight: ArrayLike | None = None
) -> float | None:
    """Share (0-1) of the sum that the largest `share` of the units hold.

    A unit on the border counts in part: of 150 units the largest 1 % are one and a half.

    Returns:
        None where the sum is zero.

    Raises:
        PermanentFailure: as for `gini`, or `share` is not within 0 to 1.
    """
    if not 0 <= share <= 1:
        raise PermanentFailure("The share of the largest is not within 0 to 1.")
    counted = _not_below_zero(values, weight)
    return _held_by_largest(counted, share * counted.size)


def top_k_share(values: ArrayLike, k: int) -> float | None:
    """Share (0-1) of the sum that the `k` largest values hold; all of it where there are fewer.

    Returns:
        None where the sum is zero.

    Raises:
        PermanentFailure: as for `gini`, or `k` is below zero.
    """
    if k < 0:
        raise PermanentFailure("The number of the largest is below zero.")
    return _held_by_largest(_not_below_zero(values, None), k)


def tail_fit(values: ArrayLike, weight: ArrayLike | None = None) -> Tail | None:
    """Fit a power law to the tail by maximum likelihood (Clauset, Shalizi and Newman 2009).

    The tail begins at the value for which the fitted law is nearest to it (Kolmogorov-Smirnov).
    Tried are values with at least 50 at or above them: all if they are few, else 200 spread evenly
    over their logarithm. Between counts of 1 and 100,000 neighbours are then 6 % apart. Where all
    values are whole the law is the discrete one, p(x) = x^-exponent / zeta(exponent, from_value),
    and the lognormal law it is compared with is the one rounded to whole numbers; else both are
    continuous.

    Args:
        values: (n,) finite numbers, none below zero; zeros are never in the tail.
        weight: (n,) numbers above zero, how many units each value stands for; by default one.
            The exponent is that of the sample with so many copies; errors count values, not copies.

    Returns:
        None where no tail has 50 values that differ, or none falls slower than value^-20.

    Raises:
        PermanentFailure: a value is unknown, infinite or below zero.
    """
    sample = _positive(values, weight)
    starts = _candidates(sample)
    if not starts.size:
        return None
    exponents = _exponents(sample, starts)
    usable = exponents < MOST_EXPONENT
    starts, exponents = starts[usable], exponents[usable]
    if not starts.size:
        return None
    distances = [
        _distance(sample, int(start), float(exponent))
        for start, exponent in zip(starts, exponents, strict=True)
    ]
    best = int(np.argmin(distances))
    start, exponent = int(starts[best]), float(exponents[best])
    ratio, p_value = _against_lognormal(sample, start, exponent)
    return Tail(
        exponent=exponent,
        standard_error=_exponent_error(sample, start, exponent),
        from_value=float(sample.value[start]),
        count=int(sample.rows[start:].sum()),
        distance=distances[best],
        lognormal_ratio=ratio,
        lognormal_p_value=p_value,
    )


@dataclass(frozen=True)
class _Positive:
    """The values above zero by distinct value, ascending.

    Attributes:
        is_whole: whether all are whole numbers.
        rows: (K,) how many of the sample have each.
        held: (K,) their summed weights.
        squares: (K,) their summed squared weights.
        above: (K + 1,) summed weights of a value and all larger ones.
        logs_above: (K + 1,) weighted sum of their logarithms.
    """

    is_whole: bool
    value: Floats
    rows: Ints
    held: Floats
    squares: Floats
    above: Floats
    logs_above: Floats


def _not_below_zero(values: ArrayLike, weight: ArrayLike | None) -> Frequencies:
    counted = frequencies(values, weight)
    if counted.value.size and counted.value[0] < 0:
        raise PermanentFailure(
            "A value is below zero, which has no share of a sum.", "Correct the model that made it."
        )
    return counted


def _held_by_largest(counted: Frequencies, units: float) -> float | None:
    value, held = counted.value[::-1].astype(np.float64), counted.weight[::-1]
    total = float(held @ value)
    if total == 0:
        return None
    return float(np.diff(np.minimum(np.cumsum(held), units), prepend=0) @ value) / total


def _positive(values: ArrayLike, weight: ArrayLike | None) -> _Positive:
    known = numbers(values)
    if known.size and known.min() < 0:
        _not_below_zero(known, None)
    heavy = np.ones(known.size) if weight is None else weights(weight, known.size)
    is_above = known > 0
    found, index, rows = np.unique(known[is_above], return_inverse=True, return_counts=True)
    value = found.astype(np.float64)
    held = _summed(index, heavy[is_above], value.size)
    return _Positive(
        is_whole=bool((value == np.floor(value)).all()),
        value=value,
        rows=rows.astype(np.int64),
        held=held,
        squares=_summed(index, heavy[is_above] ** 2, value.size),
        above=_from_above(held),
        logs_above=_from_above(held * np.log(value)),
    )


def _summed(index: Ints, parts: Floats, size: int) -> Floats:
    return np.bincount(index, parts, minlength=size).astype(np.float64)


def _from_above(parts: Floats) -> Floats:
    return np.append(np.cumsum(parts[::-1])[::-1], 0.0)


def _candidates(sample: _Positive) -> Ints:
    """Indexes of the values at which a tail may begin: enough are as large and one is larger."""
    enough = _from_above(sample.rows.astype(np.float64))[:-1] >= LEAST_TAIL
    if sample.is_whole:
        enough &= sample.value <= LARGEST_START
    last = min(int(enough.sum()), sample.value.size - 1)
    if last <= CANDIDATES:
        return np.arange(max(last, 0))
    spread = np.geomspace(sample.value[0], sample.value[last - 1], CANDIDATES)
    return np.unique(np.clip(np.searchsorted(sample.value, spread), 0, last - 1))


def _exponents(sample: _Positive, starts: Ints) -> Floats:
    """Maximum likelihood for each beginning of the tail; `MOST_EXPONENT` where it is not below."""
    mean_log = sample.logs_above[starts] / sample.above[starts]
    start = sample.value[starts]
    if not sample.is_whole:
        return np.minimum(1 + 1 / (mean_log - np.log(start)), MOST_EXPONENT)
    low, high = np.full(start.size, 1 + 1e-4), np.full(start.size, MOST_EXPONENT)
    # The log-likelihood is concave: halve the interval in which its slope changes sign.
    for _ in range(50):
        middle = (low + high) / 2
        rises = -_log_zeta_slope(middle, start) > mean_log
        low, high = np.where(rises, middle, low), np.where(rises, high, middle)
    return np.where(high == MOST_EXPONENT, MOST_EXPONENT, (low + high) / 2)


def _log_zeta_slope(exponent: Floats, start: Floats) -> Floats:
    from scipy.special import zeta

    step = 1e-5
    slope: Floats = np.log(zeta(exponent + step, start) / zeta(exponent - step, start)) / (2 * step)
    return slope


def _exponent_error(sample: _Positive, start: int, exponent: float) -> float:
    """One over the root of the information (Clauset et al. 2009, equations 3.2 and 3.6)."""
    from scipy.special import zeta

    worth = sample.above[start] ** 2 / sample.squares[start:].sum()
    if not sample.is_whole:
        return float((exponent - 1) / math.sqrt(worth))
    step = 1e-3 * (exponent - 1)
    below, at, above = np.log(zeta(exponent + step * np.array([-1, 0, 1]), sample.value[start]))
    return float(1 / math.sqrt(worth * (below - 2 * at + above) / step**2))


def _distance(sample: _Positive, start: int, exponent: float) -> float:
    """Largest difference of the shares of at least, and of more than, each value."""
    from scipy.special import zeta

    x = sample.value[start:]
    seen = sample.above[start:] / sample.above[start]
    if sample.is_whole:
        tails = zeta(exponent, x)
        at_least, more = tails / tails[0], (tails - x**-exponent) / tails[0]
    else:
        at_least = more = (x / x[0]) ** (1 - exponent)
    return float(max(np.abs(seen[:-1] - at_least).max(), np.abs(seen[1:] - more).max()))


def _against_lognormal(sample: _Positive, start: int, exponent: float) -> tuple[float, float]:
    """Log-likelihood ratio of the power law over the lognormal law, and Vuong's p-value."""
    x, held = sample.value[start:], sample.held[start:]
    difference = _log_power(x, exponent, sample.is_whole) - _log_lognormal(
        x, held, exponent, sample.is_whole
    )
    ratio = float(held @ difference)
    mean = ratio / float(held.sum())
    spread = math.sqrt(float(sample.squares[start:] @ (difference - mean) ** 2))
    p_value = math.erfc(abs(ratio) / spread / math.sqrt(2)) if spread > 0 else 1.0
    return ratio, p_value


def _log_power(x: Floats, exponent: float, is_whole: bool) -> Floats:
    from scipy.special import zeta

    if is_whole:
        scale = math.log(float(zeta(exponent, x[0])))
    else:
        scale = (1 - exponent) * math.log(x[0]) - math.log(exponent - 1)
    found: Floats = -exponent * np.log(x) - scale
    return found


def _log_lognormal(x: Floats, held: Floats, exponent: float, is_whole: bool) -> Floats:
    """Logarithm of the likelihood of each value under the best lognormal law cut off below x[0].

    With t = log(x / x[0]) its density in t is proportional to exp(-b t - s^2 t^2), which has the
    power law as its limit s = 0 and is searched from there. (In mean and deviation of the logarithm
    that limit lies at infinity.) Whole numbers are rounded ones: x stands for x - 1/2 to x + 1/2.
    """
    from scipy.optimize import minimize

    start = x[0] - 0.5 if is_whole else x[0]
    wide = int(np.searchsorted(x, WIDE_UP_TO, "right")) if is_whole else 0
    left, right = (np.log((x[:wide] + half) / start) for half in (-0.5, 0.5))
    t = np.log(x[wide:] / start)
    above, first, second = held[wide:].sum(), held[wide:] @ t, held[wide:] @ t**2

    def cells(b: float, s: float) -> Floats:
        at_left = _log_above(left, b, s)
        found: Floats = at_left + np.log(-np.expm1(_log_above(right, b, s) - at_left))
        return found

    def loss(parameters: Floats) -> float:
        b, s = _natural(parameters)
        with np.errstate(all="ignore"):
            inside = float(held[:wide] @ cells(b, s))
            found = float(b * first + s**2 * second + above * _log_integral(b, s)) - inside
        return found if math.isfinite(found) else math.inf

    accuracy: Any = {"xatol": 1e-6, "fatol": 1e-6}
    best = minimize(loss, np.array([exponent - 1, 0.1]), method="Nelder-Mead", options=accuracy)
    b, s = _natural(best.x)
    outside = -b * t - (s * t) ** 2 - np.log(x[wide:]) - _log_integral(b, s)
    return np.concatenate([cells(b, s), outside])


def _natural(parameters: Floats) -> tuple[float, float]:
    """b and s; the sign of s has no meaning, and zero is a limit that has no formula of its own."""
    return float(parameters[0]), abs(float(parameters[1])) + 1e-9


def _log_integral(b: float, s: float) -> float:
    """Logarithm of the integral of exp(-b t - s^2 t^2) over t from 0 on."""
    from scipy.special import erfcx

    return math.log(math.sqrt(math.pi) / (2 * s)) + float(np.log(erfcx(b / (2 * s))))


def _log_above(t: Floats, b: float, s: float) -> Floats:
    """Logarithm of the share of that integral from t on."""
    from scipy.special import erfcx

    z = b / (2 * s)
    found: Floats = -b * t - (s * t) ** 2 + np.log(erfcx(z + s * t)) - np.log(erfcx(z))
    return found


@dataclass(frozen=True)
class UnseenTail:
    """What a sample of owners does not show of the largest.

    Attributes:
        reason: why a mean's variance says too little of it; None: it says enough.
        square: mean square of one more owner's sum, beyond the largest that was seen.
    """

    reason: str | None
    square: float = 0.0


def unseen_tail(sums: Floats, clusters: int) -> UnseenTail:
    """What is not seen of the tail that makes a mean.

    A variance is finite where the largest pulls lie, on a logarithmic scale, on average less than
    one half above the bound that they begin at (Hill 1975). That is asked, with 95 % certainty, of
    the largest twentieth. The samples that pass are those that saw less of their tail than others:
    what a power law of this slope has beyond the largest is to be added to the variance, else
    intervals of borderline tails hold in 90 to 92 %.

    Args:
        sums: of each owner, of values less their median: one that makes the mean large would hide
            among distances from it. There may be zeros beside.
        clusters: how many owners there are.
    """
    if clusters < LEAST_OWNERS:
        return UnseenTail(f"fewer than {LEAST_OWNERS:,} owners do not show how heavy the tail is")
    count = clusters // 20
    largest = np.partition(np.abs(sums), -count - 1)[-count - 1 :]
    bound, most = float(largest.min()), float(largest.max())
    heaviness = float(np.log(largest / bound).sum()) / count if bound > 0 else math.inf
    if heaviness * (1 + 1.645 / math.sqrt(count)) < 0.5:
        # Squares of Pareto's beyond x have the mean x^2 / (1 - 2 heaviness).
        return UnseenTail(None, most**2 / (1 - 2 * heaviness))
    return UnseenTail("so heavy a tail does not show its variance")
