"""How far coders agree, and how well a machine's coding finds what people found.

Belongs here: Krippendorff's alpha, Cohen's kappa, percent agreement, the confusion of two codings,
precision, recall and F1 of a class, each with an interval of 95 %. Does not belong here: which
texts are coded (`verification`), and how often a theme is (`prevalence`).

A figure that is not defined (one category only, no unit that two coders coded) has no value and
says why. Where coders never differed, resampling would give an interval without width: it is then
made from how rare a difference may be that so many units did not show.

Sources: Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability"; Hayes and Krippendorff
2007; Passonneau 2006 (MASI); Cohen 1960; Fleiss, Cohen and Everitt 1969 (its variance).
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assets.study.estimators import (
    Estimate,
    Sample,
    domain,
    sample_of,
    share,
    standard_error,
    t_quantile,
)
from orchestration.failures import PermanentFailure

Distance = Literal["nominal", "jaccard", "masi"]
Resampled = Literal["units", "pairs"]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DISTANCES: tuple[Distance, ...] = ("nominal", "jaccard", "masi")
LEVEL = 0.95
Z = 1.959963984540054
DRAWS = 2000
# Where more of the draws than this leave a figure undefined, their spread says nothing.
MOST_UNDEFINED = 0.05
# Units of the population where the coded texts are no sample of anything counted.
UNCOUNTED = 10**12
# Numbers held at a time while resampling.
_CHUNK = 4_000_000
NO_UNIT = "no unit was coded by two coders"
ONE_CATEGORY = "only one category was used, so that nothing could differ"
_NO_SPREAD = "too many of the draws used one category only"


@dataclass(frozen=True)
class Figure:
    """A figure with its interval of 95 %.

    Attributes:
        value: None where it is not defined; `reason` then says why.
        low: None where there is no interval, for the reason given.
        method: how the interval was made.
        count: units it rests on.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    method: str | None
    count: int
    reason: str | None = None

    def row(self) -> dict[str, Any]:
        """As a row of a table."""
        return {part.name: getattr(self, part.name) for part in fields(self)}


@dataclass(frozen=True)
class Quality:
    """How well a coding finds one class that another coding has, weighted by the design.

    Attributes:
        true_count: units of the sample that have the class.
        machine_count: units that the machine gave it.
    """

    label: str
    precision: Figure
    recall: Figure
    f1: Figure
    true_count: int
    machine_count: int


def undefined(name: str, reason: str, count: int = 0) -> Figure:
    """A figure that cannot be told."""
    return Figure(name, None, None, None, None, count, reason)


# ---------------------------------------------------------------- alpha


def krippendorff_alpha(
    codes: Sequence[Sequence[Hashable | None]],
    *,
    distance: Distance = "nominal",
    weights: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    resampled: Resampled = "units",
    draws: int = DRAWS,
    seed: int = 0,
) -> Figure:
    """Krippendorff's alpha of any number of coders, with missing codes.

    Args:
        codes: a row for each coder, in it the code of each unit; None where the coder gave none.
            For `jaccard` and `masi` codes are frozensets (the labels that apply).
        distance: between two codes. `nominal`: equal or not; `jaccard`: one less the share of
            labels in common; `masi`: that with a factor for how the sets lie (subset 2/3, overlap
            1/3, disjoint 0). Two empty sets are equal.
        weights: (n,) units of the frame that each unit stands for. Alpha is then that of the
            frame; equal weights give the plain alpha.
        strata: (n,) within which units are resampled; by default all in one.
        resampled: `units` (default): the interval is that of other units drawn with replacement,
            expected disagreement included. `pairs`: Hayes and Krippendorff 2007, who draw pairs
            of codes from the observed coincidences and keep the expected disagreement. It takes
            the pairs of a unit for independent and the marginals for known.
        draws: of the bootstrap.

    Raises:
        PermanentFailure: rows differ in length, or `pairs` with weights.
    """
    name = f"krippendorff_alpha_{distance}"
    tally = _tally(codes)
    rows = tally.counts.sum(axis=1) >= 2
    counts, units = tally.counts[rows], int(rows.sum())
    if units == 0:
        return undefined(name, NO_UNIT)
    apart = distances(tally.values, distance)
    weight = np.ones(units) if weights is None else _checked(weights, rows.size)[rows]
    stratum = np.zeros(units, np.int64) if strata is None else np.asarray(strata)[rows]
    value = float(_alphas(_sums(counts, weight, apart)[None], counts.sum(), apart)[0])
    if math.isnan(value):
        return undefined(name, ONE_CATEGORY, units)
    if value == 1.0:
        low = _least_without_difference(units, _expected(counts, weight, apart))
        return Figure(name, 1.0, low, 1.0, "no_difference", units)
    if resampled == "pairs":
        if weights is not None:
            raise PermanentFailure("Pairs are resampled without weights.", "Resample units.")
        found = _by_pairs(counts, apart, len(codes), draws, np.random.default_rng(seed))
    else:
        pieces = _pieces(counts, weight, apart)
        sums = resampled_sums(pieces, stratum, draws, np.random.default_rng(seed))
        found = _alphas(sums, counts.sum(), apart)
    return _with_percentiles(name, value, found, units, f"bootstrap_{resampled}")


@dataclass(frozen=True)
class _Tally:
    """How often each unit got each value, (n, K)."""

    values: tuple[Hashable, ...]
    counts: Ints


def _tally(codes: Sequence[Sequence[Hashable | None]]) -> _Tally:
    lengths = {len(row) for row in codes}
    if len(lengths) > 1:
        raise PermanentFailure(
            "Coders differ in the number of units.", "Give None where a coder gave no code."
        )
    places: dict[Hashable, int] = {}
    coded = [[-1 if code is None else places.setdefault(code, len(places)) for code in row]
             for row in codes]  # fmt: skip
    counts = np.zeros((lengths.pop() if lengths else 0, max(len(places), 1)), np.int64)
    for row in np.array(coded, np.int64).reshape(len(coded), counts.shape[0]):
        given = np.flatnonzero(row >= 0)
        counts[given, row[given]] += 1
    return _Tally(tuple(places), counts)


def distances(values: Sequence[Hashable], distance: Distance) -> Floats:
    """Between all values, (K, K), from 0 to 1.

    Raises:
        PermanentFailure: no such distance, or values that are no sets.
    """
    if distance not in DISTANCES:
        raise PermanentFailure(
            f"There is no distance {distance}.", f"Use one of {', '.join(DISTANCES)}."
        )
    size = max(len(values), 1)
    if distance == "nominal":
        return 1.0 - np.eye(size)
    apart = np.zeros((size, size))
    for i, first in enumerate(values):
        for j, second in enumerate(values[:i]):
            if not isinstance(first, frozenset) or not isinstance(second, frozenset):
                raise PermanentFailure(f"The distance {distance} is between sets.")
            apart[i, j] = apart[j, i] = _set_distance(first, second, distance)
    return apart


def _set_distance(
    first: frozenset[Hashable], second: frozenset[Hashable], distance: Distance
) -> float:
    common, either = len(first & second), len(first | second)
    if not either:
        return 0.0
    near = common / either
    if distance == "masi" and first != second:
        near *= 2 / 3 if first <= second or second <= first else 1 / 3
    return 1.0 - near


def _pieces(counts: Ints, weight: Floats, apart: Floats) -> Floats:
    """What sums up to alpha: disagreement within each unit, its codes, its values, (n, K + 2)."""
    size = counts.sum(axis=1)
    within = np.einsum("uc,ck,uk->u", counts, apart, counts) / (size - 1)
    return np.column_stack([within, size, counts]) * weight[:, None]


def _sums(counts: Ints, weight: Floats, apart: Floats) -> Floats:
    return np.asarray(_pieces(counts, weight, apart).sum(axis=0))


def _alphas(sums: Floats, codes: int, apart: Floats) -> Floats:
    """Alpha of each row of summed pieces; NaN where nothing could differ."""
    observed = sums[:, 0] / sums[:, 1]
    shares = sums[:, 2:] / sums[:, 1:2]
    expected = np.einsum("bc,ck,bk->b", shares, apart, shares) * codes / (codes - 1)
    # Of shares that are one and zeros, less than rounding is left.
    defined = expected > 1e-12
    return np.where(defined, 1 - observed / np.where(defined, expected, 1.0), np.nan)


def _expected(counts: Ints, weight: Floats, apart: Floats) -> float:
    sums = _sums(counts, weight, apart)
    shares = sums[2:] / sums[1]
    return float(shares @ apart @ shares)


def _by_pairs(
    counts: Ints, apart: Floats, coders: int, draws: int, rng: np.random.Generator
) -> Floats:
    """Alphas from pairs drawn of the observed coincidences."""
    size = counts.sum(axis=1)
    together = np.einsum("uc,uk,u->ck", counts, counts, 1 / (size - 1))
    together -= np.diag((counts / (size - 1)[:, None]).sum(axis=0))
    codes = counts.sum()
    number = min(25 * int((np.triu(together) > 0).sum()), int((coders - 1) * codes / 2))
    shares = together.ravel() / together.sum()
    drawn = rng.multinomial(max(number, 1), shares / shares.sum(), size=draws)
    totals = counts.sum(axis=0)
    expected = float(totals @ apart @ totals) / codes / (codes - 1)
    return np.asarray(1 - drawn @ apart.ravel() / max(number, 1) / expected)


def resampled_sums(
    pieces: Floats, strata: ArrayLike, draws: int, rng: np.random.Generator
) -> Floats:
    """Sums of rows drawn with replacement within strata, as many as each has, (draws, columns).

    Rows that are alike are drawn together, so that the cost is that of the distinct ones.
    """
    keyed = np.column_stack([np.unique(np.asarray(strata), return_inverse=True)[1], pieces])
    rows, count = np.unique(keyed, axis=0, return_counts=True)
    sums = np.zeros((draws, pieces.shape[1]))
    for stratum in np.unique(rows[:, 0]):
        at = rows[:, 0] == stratum
        number = int(count[at].sum())
        chunk = max(1, _CHUNK // max(1, int(at.sum())))
        for first in range(0, draws, chunk):
            size = min(chunk, draws - first)
            drawn = rng.multinomial(number, count[at] / number, size=size)
            sums[first : first + size] += drawn @ rows[at, 1:]
    return sums


def _with_percentiles(name: str, value: float, found: Floats, units: int, method: str) -> Figure:
    usable = found[~np.isnan(found)]
    if usable.size < (1 - MOST_UNDEFINED) * found.size:
        return Figure(name, value, None, None, None, units, _NO_SPREAD)
    low, high = np.quantile(usable, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    if low == high:
        return Figure(name, value, None, None, None, units, "all draws gave the same figure")
    return Figure(name, value, float(low), float(high), method, units)


def _least_without_difference(units: int, expected: float) -> float:
    """Lower end of a chance-corrected agreement whose units never differed."""
    return max(-1.0, 1 - Z * Z / (units + Z * Z) / expected)


# ---------------------------------------------------------------- two coders


def percent_agreement(
    codes: Sequence[Sequence[Hashable | None]], *, distance: Distance = "nominal"
) -> Figure:
    """Share of pairs of codes of the same unit that are equal (or how near, for sets).

    The interval is Wilson's with as many trials as units, which is right for two coders and too
    wide for more.
    """
    tally = _tally(codes)
    counts = tally.counts[tally.counts.sum(axis=1) >= 2]
    if not len(counts):
        return undefined("percent_agreement", NO_UNIT)
    sums = _sums(counts, np.ones(len(counts)), distances(tally.values, distance))
    value = 1 - float(sums[0] / sums[1])
    low, high = wilson(value, len(counts))
    return Figure("percent_agreement", value, low, high, "wilson", len(counts))


def wilson(value: float, count: float, width: float = Z) -> tuple[float, float]:
    """Wilson's interval of a share; `count` may be an effective number of units."""
    squared = width * width
    middle = (value + squared / (2 * count)) / (1 + squared / count)
    half = width * math.sqrt(max(value * (1 - value), 0.0) / count
                             + squared / (4 * count * count)) / (1 + squared / count)  # fmt: skip
    return max(0.0, min(value, middle - half)), min(1.0, max(value, middle + half))


def cohen_kappa(
    first: Sequence[Hashable | None],
    second: Sequence[Hashable | None],
    *,
    weights: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Figure:
    """Cohen's kappa of two codings.

    Without weights the interval is by the large-sample variance (Fleiss, Cohen and Everitt 1969),
    with weights by resampling units within strata.

    Args:
        first: code of each unit; None where there is none, and the unit is left out.
        weights: (n,) units of the frame that each unit stands for.
    """
    name = "cohen_kappa"
    if len(first) != len(second):
        raise PermanentFailure("Coders differ in the number of units.")
    both = np.array([a is not None and b is not None for a, b in zip(first, second, strict=True)],
                    dtype=bool)  # fmt: skip
    units = int(both.sum())
    if units == 0:
        return undefined(name, NO_UNIT)
    places: dict[Hashable, int] = {}
    coded = [np.array([places.setdefault(code, len(places)) for code, is_in
                       in zip(side, both, strict=True) if is_in])
             for side in (first, second)]  # fmt: skip
    k = len(places)
    weight = np.ones(units) if weights is None else _checked(weights, both.size)[both]
    cells = coded[0] * k + coded[1]
    table = _table(cells, weight, k)
    value = float(_kappas(table.reshape(1, -1))[0])
    if math.isnan(value):
        return undefined(name, ONE_CATEGORY, units)
    shares = table / table.sum()
    if np.isclose(np.trace(shares), 1.0):
        expected = 1 - float(shares.sum(axis=1) @ shares.sum(axis=0))
        low = _least_without_difference(units, expected)
        return Figure(name, 1.0, low, 1.0, "no_difference", units)
    if weights is None and strata is None:
        half = Z * math.sqrt(_kappa_variance(shares, value, units))
        return Figure(name, value, max(-1.0, value - half), min(1.0, value + half),
                      "analytic", units)  # fmt: skip
    stratum = np.zeros(units, np.int64) if strata is None else np.asarray(strata)[both]
    pieces = np.zeros((units, k * k))
    pieces[np.arange(units), cells] = weight
    sums = resampled_sums(pieces, stratum, draws, np.random.default_rng(seed))
    return _with_percentiles(name, value, _kappas(sums), units, "bootstrap_units")


def _table(cells: Ints, weight: Floats, k: int) -> Floats:
    """Summed weights of cells numbered row by row, (k, k)."""
    counted = np.bincount(cells, weight, minlength=k * k)
    return np.asarray(counted.reshape(k, k), dtype=np.float64)


def _kappas(tables: Floats) -> Floats:
    """Kappa of each row, a table of k x k; NaN where nothing could differ."""
    k = math.isqrt(tables.shape[1])
    shares = (tables / tables.sum(axis=1, keepdims=True)).reshape(-1, k, k)
    observed = np.einsum("bii->b", shares)
    expected = np.einsum("bi,bi->b", shares.sum(axis=2), shares.sum(axis=1))
    defined = expected < 1 - 1e-12
    return np.where(defined, (observed - expected) / np.where(defined, 1 - expected, 1.0), np.nan)


def _kappa_variance(shares: Floats, kappa: float, units: int) -> float:
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    expected = float(rows @ columns)
    agreed = float(np.diag(shares) @ (1 - (rows + columns) * (1 - kappa)) ** 2)
    crossed = shares * (columns[:, None] + rows[None, :]) ** 2
    differing = (1 - kappa) ** 2 * float(crossed.sum() - np.trace(crossed))
    centre = (kappa - expected * (1 - kappa)) ** 2
    return max(agreed + differing - centre, 0.0) / (units * (1 - expected) ** 2)


def _checked(weights: ArrayLike, units: int) -> Floats:
    found = np.asarray(weights, dtype=np.float64)
    if found.shape != (units,) or not np.isfinite(found).all() or (found <= 0).any():
        raise PermanentFailure("Weights are not one number above zero for each unit.")
    return found


# ---------------------------------------------------------------- a machine against people


def uncounted(units: int) -> Sample:
    """Units that were drawn of nothing counted: equal weights, no finite population correction.

    Weights tell nothing but shares.
    """
    return sample_of(np.zeros(units, np.int64), [UNCOUNTED], lonely="collapse")


def confusion(sample: Sample, truth: ArrayLike, machine: ArrayLike, classes: int) -> Floats:
    """Units of the frame by true class (rows) and machine's class (columns), (k, k).

    Args:
        truth: (n,) index of the class of each unit; below 0 where it is not known.
        machine: (n,) likewise.
    """
    true, found = np.asarray(truth, np.int64), np.asarray(machine, np.int64)
    known = (true >= 0) & (found >= 0)
    cells = true[known] * classes + found[known]
    return _table(cells, sample.weight[known], classes)


def class_quality(
    sample: Sample, truth: ArrayLike, machine: ArrayLike, labels: Sequence[str]
) -> list[Quality]:
    """Precision, recall and F1 of each class, of the frame that the sample stands for.

    Precision and recall are shares of a part of the sample (those that the machine gave the class;
    those that have it), with Wilson's interval for the effective number of units. F1 is 2J/(1 + J)
    of the share J of units with the class in both among those with it in either, and so is its
    interval.

    Args:
        sample: units whose class is known; others must have been taken out (`responding`).
        truth: (n, k) whether the class applies.
        machine: (n, k) whether the machine says so.
    """
    true, found = np.asarray(truth, bool), np.asarray(machine, bool)
    qualities = []
    for k, label in enumerate(labels):
        is_true, is_found = true[:, k] & sample.is_in, found[:, k] & sample.is_in
        both = is_true & is_found
        overlap = _part(sample, "f1", is_true | is_found, both, "nobody gave the class")
        qualities.append(
            Quality(
                label,
                _part(sample, "precision", is_found, both, "the machine never gave the class"),
                _part(sample, "recall", is_true, both, "no unit of the sample has the class"),
                _f1(overlap),
                int(is_true.sum()),
                int(is_found.sum()),
            )
        )
    return qualities


def accuracy(sample: Sample, truth: ArrayLike, machine: ArrayLike) -> Figure:
    """Share of the frame whose class the machine found; both (n,) indices."""
    alike = np.asarray(truth) == np.asarray(machine)
    return _part(sample, "accuracy", sample.is_in, alike, "no unit has a known class")


def macro_f1(sample: Sample, truth: ArrayLike, machine: ArrayLike) -> Figure:
    """Mean F1 of the classes that occur, with an interval by linearisation; both (n, k)."""
    true, found = np.asarray(truth, float), np.asarray(machine, float)
    weight = sample.weight[:, None]
    either = (weight * (true + found)).sum(axis=0)
    there = either > 0
    if not there.any():
        return undefined("macro_f1", "no unit has a known class")
    f1 = 2 * (weight * true * found).sum(axis=0)[there] / either[there]
    value = float(f1.mean())
    residuals = (2 * true * found)[:, there] - f1 * (true + found)[:, there]
    se, degrees = standard_error(
        sample, np.where(sample.is_in, (residuals / either[there]).mean(axis=1), 0.0)
    )
    if se == 0:
        return Figure("macro_f1", value, None, None, None, sample.count,
                      "no unit of the sample differs from the others")  # fmt: skip
    half = t_quantile(degrees) * se
    return Figure("macro_f1", value, max(0.0, value - half), min(1.0, value + half),
                  "t", sample.count)  # fmt: skip


def _part(sample: Sample, name: str, within: Bools, is_true: Bools, empty: str) -> Figure:
    """Share of a part of the sample."""
    part = domain(sample, within)
    if part.count == 0:
        return undefined(name, empty)
    told: Estimate = share(part, is_true & part.is_in)
    return Figure(name, told.value, told.low, told.high, told.method, part.count)


def _f1(overlap: Figure) -> Figure:
    if overlap.value is None or overlap.low is None or overlap.high is None:
        return overlap
    value, low, high = (2 * one / (1 + one) for one in (overlap.value, overlap.low, overlap.high))
    return Figure("f1", value, low, high, overlap.method, overlap.count)
