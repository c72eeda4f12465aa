"""How the three features go together on each platform: the rows of `mart_correlation`.

Belongs here: which pairs are correlated, and why one is not. Does not belong here: the coefficients
(`assets.study.statistics.correlation`).
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from assets.study.features import FEATURES
from assets.study.marts import CORRELATION
from assets.study.population import Known, Population, months_from_1970
from assets.study.statistics.correlation import Correlation, Method, correlate
from assets.study.statistics.exposure import MONTH_DAYS
from assets.study.statistics.values import Floats, Ints, Numbers
from assets.study.summary import not_known

Row = dict[str, Any]
METHODS: tuple[Method, ...] = get_args(Method)
OF_AGE: tuple[Method, ...] = ("partial_log_pearson", "partial_spearman")
# With fewer there is nothing left to correlate once age is held fixed.
FEWEST_AGES = 4


def correlation_rows(common: Row, population: Population) -> Iterator[Row]:
    """One row for each pair of features and method.

    Methods that hold age fixed are of the repositories whose age is known as well.

    Args:
        common: study, day, cell and hash.
    """
    for first, second in combinations(FEATURES, 2):
        named = {
            **dict.fromkeys(CORRELATION.column_names),
            **common,
            "platform": population.platform,
            "first_feature": first,
            "second_feature": second,
        }
        pair = (population.compared(first), population.compared(second))
        if pair[0] is None or pair[1] is None:
            lacking = first if pair[0] is None else second
            yield from _unmeasured(named, not_known(population, lacking, None))
            continue
        yield from _pair(named, population, pair[0], pair[1])


def _pair(named: Row, population: Population, first: Known, second: Known) -> Iterator[Row]:
    at, of_first, of_second = np.intersect1d(
        first.at, second.at, assume_unique=True, return_indices=True
    )
    if at.size < 3:
        yield from _unmeasured(named, f"both known for {at.size} repositories only")
        return
    x, y = first.values[of_first], second.values[of_second]
    is_shared = np.isin(first.at, at, assume_unique=True)
    drawn = first.part(is_shared)
    owner = population.owner[at]
    age = float(months_from_1970(named["day"])) + 1 / MONTH_DAYS - population.created[at]
    is_aged = np.isfinite(age)
    found = _found(x, y, np.maximum(age, 0.0), drawn, owner, is_aged)
    limit = population.limit
    for method in METHODS:
        one = found.get(method)
        if one is None:
            why = "the age of hardly any is known"
            yield {**named, **_blank(method, int(is_aged.sum()), why)}
            continue
        limits = "; ".join(filter(None, (limit, one.reason))) or None
        reason = limits if one.status == "measured" else "a feature is the same for all"
        yield {
            **named,
            "method": method,
            "coefficient": one.value,
            "coefficient_low": one.low,
            "coefficient_high": one.high,
            "repository_count": one.count,
            "status": one.status,
            "reason": reason,
        }


def _found(
    x: Numbers,
    y: Numbers,
    age: Floats,
    drawn: Known,
    owner: Ints,
    is_aged: NDArray[np.bool_],
) -> dict[Method, Correlation]:
    """All methods; those that hold age fixed of the repositories whose age is known."""
    of_all: dict[str, Any] = {"weight": drawn.weight, "cluster": owner, "sample": drawn.sample}
    if is_aged.all():
        return correlate(x, y, age=age, **of_all)
    found = correlate(x, y, **of_all)
    if is_aged.sum() < FEWEST_AGES:
        return found
    told = drawn.part(is_aged)
    of_aged = correlate(
        x[is_aged],
        y[is_aged],
        age=age[is_aged],
        weight=told.weight,
        cluster=owner[is_aged],
        sample=told.sample,
    )
    return {**found, **{method: of_aged[method] for method in OF_AGE}}


def _unmeasured(named: Row, reason: str) -> Iterator[Row]:
    for method in METHODS:
        yield {**named, **_blank(method, 0, reason)}


def _blank(method: str, count: int, reason: str) -> Row:
    return {"method": method, "repository_count": count, "status": "not_measurable",
            "reason": reason}  # fmt: skip
