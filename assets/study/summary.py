"""Each feature of each platform described: the rows of `mart_intensity_summary`.

Belongs here: which statistics go to which column. Does not belong here: the statistics themselves
(`assets.study.statistics`) and the repositories (`population`).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from assets.study.features import FEATURES, PLATFORM_NAMES, Basis
from assets.study.marts import SUMMARY
from assets.study.population import Known, Population
from assets.study.statistics.concentration import gini, tail_fit, top_share
from assets.study.statistics.descriptives import Description, describe
from assets.study.statistics.one_sample import (
    Ends,
    mean_interval,
    median_interval,
    mid_median_interval,
)

Row = dict[str, Any]


def summary_rows(common: Row, population: Population) -> Iterator[Row]:
    """One row for each feature and basis of a platform.

    Args:
        common: study, day, cell and hash.
    """
    for feature, columns in FEATURES.items():
        for basis in columns:
            known = population.known.get((feature, basis))
            yield {
                **dict.fromkeys(SUMMARY.column_names),
                **common,
                "platform": population.platform,
                "feature": feature,
                "basis": basis,
                **_described(population, feature, basis, known),
            }


def _described(population: Population, feature: str, basis: Basis, known: Known | None) -> Row:
    if known is None or not known.values.size:
        return {
            "repository_count": 0,
            "unknown_count": population.count,
            "estimated_count": 0.0,
            "status": "not_measurable",
            "reason": not_known(population, feature, basis),
        }
    told = describe(known.values, known.weight)
    mean, median, mid_median = _intervals(population, known, told)
    limits = [population.limit, *(f"interval of the {name}: {one.reason}"
              for name, one in (("mean", mean), ("median", median)) if one.reason)]  # fmt: skip
    tail = tail_fit(known.values, known.weight)
    return {
        "repository_count": told.count,
        "unknown_count": population.count - told.count,
        "estimated_count": told.size,
        "total_value": told.total,
        "mean_value": told.mean,
        "mean_low": mean.low,
        "mean_high": mean.high,
        "median_value": told.median,
        "median_low": median.low,
        "median_high": median.high,
        "median_interval_is": median.interval_is,
        "mid_median_value": told.mid_median,
        "mid_median_low": mid_median.low,
        "mid_median_high": mid_median.high,
        "maximum_value": told.maximum,
        "zero_share": told.zero_share,
        "p25_value": told.quantiles[0.25],
        "p75_value": told.quantiles[0.75],
        "p90_value": told.quantiles[0.9],
        "p99_value": told.quantiles[0.99],
        "trimmed_mean_value": told.trimmed_mean,
        "log_mean_value": told.log_mean,
        "mean_above_zero": told.mean_above_zero,
        "median_above_zero": told.median_above_zero,
        "gini": gini(known.values, known.weight),
        "top_percent_share": top_share(known.values, weight=known.weight),
        "tail_exponent": tail.exponent if tail else None,
        "tail_from": tail.from_value if tail else None,
        "tail_count": tail.count if tail else None,
        "tail_lognormal_ratio": tail.lognormal_ratio if tail else None,
        "tail_lognormal_p_value": tail.lognormal_p_value if tail else None,
        "status": "measured",
        "reason": "; ".join(filter(None, limits)) or None,
    }


def _intervals(population: Population, known: Known, told: Description) -> tuple[Ends, Ends, Ends]:
    """Of mean, median and mid-median: by owner, or of the frame where a design stands for it."""
    sample = known.sample
    if sample is not None and known.weight is not None:
        sample = replace(sample, weight=known.weight)
    how: dict[str, Any] = {
        "weight": known.weight,
        "cluster": population.owner[known.at],
        "sample": sample,
    }
    return (
        _around(told.mean, mean_interval(known.values, **how, unheld=known.unheld)),
        _around(told.median, median_interval(known.values, **how)),
        _around(told.mid_median, mid_median_interval(known.values, **how)),
    )


def _around(value: float | None, ends: Ends) -> Ends:
    """The interval with its value in it, which was summed in another order."""
    if value is None or ends.low is None or ends.high is None:
        return ends
    return replace(ends, low=min(ends.low, value), high=max(ends.high, value))


def not_known(population: Population, feature: str, basis: Basis | None) -> str:
    """Why nothing can be said of a feature."""
    name = PLATFORM_NAMES[population.platform]
    if not population.count:
        return f"{name}: no repositories"
    which = f"{feature} ({basis})" if basis else feature
    return f"{name}: {which} unknown for all {population.count} repositories"
