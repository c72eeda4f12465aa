"""The platform comparison: the three features, GitHub against the Hub, in one cell of the grid.

Belongs here: the rows of `mart_platform_comparison`, which test is read where. Does not belong
here: the estimators (`assets.study.statistics`) and the repositories (`population`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assets.study.features import FEATURES
from assets.study.marts import COMPARISON
from assets.study.population import Known, Population
from assets.study.statistics.bootstrap import Intervals, clustered_bootstrap
from assets.study.statistics.descriptives import describe
from assets.study.statistics.multiplicity import holm
from assets.study.statistics.owner_table import Group
from assets.study.statistics.two_sample import (
    EFFECTS,
    IN_STEPS,
    effects,
    mann_whitney,
    permutation_p_value,
)
from assets.study.statistics.values import Ints
from assets.study.summary import not_known

Row = dict[str, Any]
Pair = tuple[Known, Known]


def comparison_rows(
    common: Row, github: Population, hub: Population, draws: int, seed: int
) -> list[Row]:
    """One row for each feature, with p-values adjusted over those that are measured.

    Args:
        common: study, day, cell and hash.
        draws: of owners, that the intervals rest on.
        seed: of the draws.
    """
    pairs = {feature: _pair(feature, github, hub) for feature in FEATURES}
    measured = {feature: pair for feature, pair in pairs.items() if pair is not None}
    drawn = _drawn(github, hub, measured, draws, seed)
    rows = []
    for feature in FEATURES:
        row = {**dict.fromkeys(COMPARISON.column_names), **common, "feature": feature}
        for one in (github, hub):
            row |= _of_one(feature, one)
        pair = measured.get(feature)
        rows.append(
            row
            | (
                _compared(pair, drawn[feature], (github, hub), draws, seed)
                if pair
                else {"status": "not_measurable"}
            )
        )
        limits = [_reason(feature, github, hub), _missing_ends(drawn.get(feature))]
        rows[-1]["reason"] = "; ".join(filter(None, limits)) or None
    _adjust(rows)
    return rows


def _pair(feature: str, github: Population, hub: Population) -> Pair | None:
    first, second = github.compared(feature), hub.compared(feature)
    if first is None or second is None or not (first.values.size and second.values.size):
        return None
    return first, second


def _of_one(feature: str, population: Population) -> Row:
    known = population.compared(feature)
    told = describe([]) if known is None else describe(known.values, known.weight)
    owners = 0 if known is None else np.unique(population.owner[known.at]).size
    found = {"basis": population.basis[feature], "count": told.count, "owner_count": owners,
             "mean": told.mean, "median": told.median, "mid_median": told.mid_median,
             "maximum": told.maximum}  # fmt: skip
    return {f"{population.platform}_{name}": value for name, value in found.items()}


def _compared(
    pair: Pair,
    drawn: Intervals,
    sides: tuple[Population, Population],
    draws: int,
    seed: int,
) -> Row:
    first, second = pair
    found = effects(
        first.values, second.values, first_weight=first.weight, second_weight=second.weight
    )
    owners = [one.owner[known.at] for one, known in zip(sides, pair, strict=True)]
    row: Row = {
        "status": "measured",
        "bootstrap_draws": drawn.draws,
        **_test(pair, drawn, owners, draws, seed),
    }
    for name in EFFECTS:
        interval = drawn.effects[name]
        row |= {
            name: getattr(found, name),
            f"{name}_low": interval.low,
            f"{name}_high": interval.high,
        }
    row |= {f"{name}_interval_is": drawn.effects[name].interval_is for name in IN_STEPS}
    return row


def _missing_ends(drawn: Intervals | None) -> str | None:
    """Which intervals lack an end, and why."""
    if drawn is None:
        return None
    lacking: dict[str, list[str]] = {}
    for name, interval in drawn.effects.items():
        if interval.reason is not None:
            what = "no interval" if interval.low is None else "no upper end"
            lacking.setdefault(f"{what} ({interval.reason})", []).append(name)
    told = (f"{', '.join(names)}: {what}" for what, names in lacking.items())
    return "; ".join(told) or None


def _test(pair: Pair, drawn: Intervals, owners: Sequence[Ints], draws: int, seed: int) -> Row:
    """Mann and Whitney's where every repository counts once; else the bootstrap's.

    Of small samples with ties the p-value is that of dealing owners to the platforms anew.
    """
    if _is_weighted(pair):
        method = None if drawn.p_value is None else "bootstrap"
        return {"p_value": drawn.p_value, "p_value_method": method}
    x, y = (known.values for known in pair)
    test = mann_whitney(x, y)
    p_value, method = test.p_value, str(test.p_value_method)
    if test.is_doubtful:
        method = "permutation"
        p_value = permutation_p_value(
            x, y, first_cluster=owners[0], second_cluster=owners[1], draws=draws, seed=seed
        )
    return {"mann_whitney_u": test.u, "p_value": p_value, "p_value_method": method}


def _drawn(
    github: Population, hub: Population, pairs: Mapping[str, Pair], draws: int, seed: int
) -> dict[str, Intervals]:
    """Intervals of each feature; features without weights share the draws."""
    alike = [feature for feature, pair in pairs.items() if not _is_weighted(pair)]
    found: dict[str, Intervals] = {}
    if alike:
        groups = [
            Group(_side_by_side(one, [pairs[feature][side] for feature in alike]),
                  cluster=one.owner)
            for side, one in enumerate((github, hub))
        ]  # fmt: skip
        found = dict(zip(alike, clustered_bootstrap(*groups, draws=draws, seed=seed), strict=True))
    for feature in pairs.keys() - set(alike):
        groups = [
            Group(known.values, known.weight, one.owner[known.at], known.sample, known.unheld)
            for one, known in zip((github, hub), pairs[feature], strict=True)
        ]
        (found[feature],) = clustered_bootstrap(*groups, draws=draws, seed=seed)
    return found


def _is_weighted(pair: Pair) -> bool:
    return any(known.weight is not None for known in pair)


def _side_by_side(population: Population, features: list[Known]) -> "np.ndarray[Any, Any]":
    values = np.full((population.count, len(features)), np.nan)
    for column, known in enumerate(features):
        values[known.at, column] = known.values
    return values


def _adjust(rows: list[Row]) -> None:
    tested = [row for row in rows if row["p_value"] is not None]
    adjusted = holm([row["p_value"] for row in tested])
    for row, p_value in zip(tested, adjusted, strict=True):
        row["p_value_holm"] = p_value


def _reason(feature: str, github: Population, hub: Population) -> str | None:
    """Why nothing is measured, or what limits the reading."""
    lacking = [
        not_known(one, feature, one.basis[feature])
        for one in (github, hub)
        if (known := one.compared(feature)) is None or not known.values.size
    ]
    if lacking:
        return "; ".join(lacking)
    limits = [one.limit for one in (github, hub) if one.limit]
    if github.basis[feature] != hub.basis[feature]:
        limits.append(
            f"GitHub {github.basis[feature]} against Hub {hub.basis[feature]}: a flow covers the"
            " observed days only, so the difference in level is partly one of definition"
        )
    return "; ".join(limits) or None
