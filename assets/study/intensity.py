"""Intensity of activity as the samples tell it: unweighted and design-weighted, with intervals.

Belongs here: which features and statistics are estimated, and the rows of
`mart_intensity_estimate`. Does not belong here: estimators (`estimators`), the samples (`sample`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assets.study import estimators
from assets.study.draw import OUT
from assets.study.drawn import designed, joined, left_out, limits, strata_of, units_of
from assets.study.estimators import Estimate, Floats, Sample, responding
from assets.study.features import FEATURES, PLATFORM_NAMES, Basis, compared_bases
from assets.study.resampling import bootstrap_mean
from assets.study.sample import tails_of
from assets.study.statistics.descriptives import describe
from assets.study.tables import StudyTable, open_warehouse, replace_study, table_of

if TYPE_CHECKING:
    import pyarrow as pa

    from orchestration.settings import StudySettings

Row = dict[str, Any]
STATISTICS = ("mean", "median", "mid_median", "total", "zero_share")
COLUMNS = {
    f"{feature}_{basis}": f"activity.{column}::DOUBLE"
    for feature, columns in FEATURES.items()
    for basis, column in columns.items()
}

ESTIMATE = StudyTable(
    "marts.mart_intensity_estimate",
    "One row per study, design, platform, feature and statistic: the sample's figure and what it"
    " says of the frame.",
    (
        ("study", "VARCHAR NOT NULL", "Name of the study configuration."),
        ("design", "VARCHAR NOT NULL", "Allocation of the sample."),
        ("platform", "VARCHAR NOT NULL", "github or huggingface."),
        ("feature", "VARCHAR NOT NULL", "commits, discussions (GitHub: issues) or stars (likes)."),
        ("statistic", "VARCHAR NOT NULL", "mean, median, mid_median, total or zero_share."),
        ("basis", "VARCHAR", "flow (events over the covered days) or stock (what the API says)."),
        (
            "unweighted_value",
            "DOUBLE",
            "Of the sample as its random numbers drew it, as the published study compares.",
        ),
        ("weighted_value", "DOUBLE", "Estimate for all repositories of the frame that belong."),
        ("standard_error", "DOUBLE", "Of the weighted value, under the design; 0: a census."),
        (
            "low",
            "DOUBLE",
            "Lower end of the interval of 95 % around the weighted value; null: none holds.",
        ),
        ("high", "DOUBLE", "Upper end."),
        (
            "interval_is",
            "VARCHAR",
            "What it holds: nominal (95 %) or at_least (95 % and more, as values tie and it moves"
            " in steps); null: none.",
        ),
        ("method", "VARCHAR", "How the interval was made; see docs/sampling.md."),
        ("sample_count", "BIGINT NOT NULL", "Repositories of the sample with a known value (n)."),
        ("unknown_count", "BIGINT NOT NULL", "Repositories of the sample without one."),
        ("frame_count", "BIGINT NOT NULL", "Repositories of the frame (N)."),
        ("estimated_count", "DOUBLE NOT NULL", "Of these, estimated to belong."),
        ("status", "VARCHAR NOT NULL", "measured or not_measurable."),
        (
            "reason",
            "VARCHAR",
            "Why not measurable or without interval, or what limits the reading; null: neither.",
        ),
    ),
)


def estimate_intensity(warehouse_path: Path, study: "StudySettings") -> list[Row]:
    """Estimate every feature of every sample of the study and keep it; returns the rows.

    Raises:
        PermanentFailure: the samples were not drawn, or the mart is missing.
        TransientFailure: another process has the warehouse open.
    """
    rows: list[Row] = []
    with open_warehouse(warehouse_path, read_only=True) as connection:
        bases = {platform: compared_bases(connection, platform) for platform in PLATFORM_NAMES}
        for design in study.sample.designs:
            for platform in PLATFORM_NAMES:
                strata = strata_of(connection, study.name, design, platform)
                drawn = units_of(connection, study.name, design, platform, COLUMNS)
                which = {"study": study.name, "design": design, "platform": platform}
                tails = tails_of(connection, study, design, platform)
                rows += _platform_rows(which, bases[platform], strata, drawn, tails)
    replace_study(warehouse_path, study.name, [(ESTIMATE, table_of(ESTIMATE, rows))])
    return rows


def _platform_rows(
    which: Row,
    bases: Mapping[str, Basis | None],
    strata: "pa.Table",
    drawn: "pa.Table",
    tails: Mapping[tuple[str, Basis], str | None],
) -> list[Row]:
    """Rows of one sample; `tails` says why large values of a feature may be left to chance."""
    frame_count = int(sum(strata["frame_count"].to_pylist()))
    rows: list[Row] = []
    for feature in FEATURES:
        basis = bases[feature]
        blank = {"basis": basis, "frame_count": frame_count}
        row = {**dict.fromkeys(ESTIMATE.column_names), **which, "feature": feature, **blank}
        if basis is None or drawn.num_rows == 0:
            reason = f"{PLATFORM_NAMES[which['platform']]}: {feature} unknown for all repositories"
            rows += _unmeasured(row, reason, drawn)
            continue
        found = _feature_rows(row, strata, drawn, tails[feature, basis])
        rows += [{**one, "reason": joined(one["reason"], left_out(strata))} for one in found]
    return rows


def _feature_rows(row: Row, strata: "pa.Table", drawn: "pa.Table", unheld: str | None) -> list[Row]:
    feature, basis = row["feature"], row["basis"]
    values = drawn[f"{feature}_{basis}"].to_numpy(zero_copy_only=False).astype(np.float64)
    is_plain = drawn["is_plain"].to_numpy(zero_copy_only=False).astype(bool)
    return feature_rows(row, designed(strata, drawn), values, is_plain, unheld)


def feature_rows(
    row: Row,
    sample: Sample,
    values: Floats,
    is_plain: NDArray[np.bool_] | None = None,
    unheld: str | None = None,
    by_bootstrap: bool = False,
) -> list[Row]:
    """Every statistic of one feature.

    Args:
        row: what all rows have in common.
        values: (n,) of the units of the sample; NaN where not known.
        is_plain: (n,) the units that unweighted figures are of; by default all.
        unheld: why large values may be left to chance; None: they are taken whole.
        by_bootstrap: whether the interval of the mean is the studentised bootstrap's.
    """
    known = np.isfinite(values)
    told, values = responding(sample, known), values[known | ~sample.is_in]
    whole, covered = float(sample.weight.sum()), float(told.weight.sum())
    counts = {"sample_count": told.count, "unknown_count": sample.count - told.count,
              "estimated_count": whole}  # fmt: skip
    if not told.count:
        reason = "unknown for all repositories of the sample"
        return [{**row, **counts, "statistic": one, "status": "not_measurable", "reason": reason}
                for one in STATISTICS]  # fmt: skip
    lacking = max(0.0, 1 - covered / whole)
    limited = limits(sample, told)
    tail = None if told.is_census else unheld
    plain = told.is_in if is_plain is None else told.is_in & is_plain[known | ~sample.is_in]
    unweighted = _unweighted(values[plain])
    rows = []
    for statistic in STATISTICS:
        if statistic == "total" and lacking > 1e-9:
            why = f"{limited}: a total of all is not known"
            rows.append({**row, **counts, "statistic": statistic, "status": "not_measurable",
                         "reason": why})  # fmt: skip
            continue
        found = _estimated(statistic, told, np.where(told.is_in, values, 0.0), by_bootstrap)
        is_open = tail is not None and statistic in ("mean", "total")
        rows.append({
            **row, **counts, "statistic": statistic,
            "unweighted_value": unweighted[statistic], "weighted_value": found.value,
            "standard_error": found.standard_error,
            "low": None if is_open else found.low, "high": None if is_open else found.high,
            "interval_is": None if is_open else found.interval_is,
            "method": None if is_open else found.method, "status": "measured",
            "reason": joined(limited, f"no interval, as {tail}" if is_open else None),
        })  # fmt: skip
    return rows


def _unweighted(values: Floats) -> dict[str, float | None]:
    if not values.size:
        return dict.fromkeys(STATISTICS)
    return {"mean": float(values.mean()), "median": float(np.median(values)),
            "mid_median": describe(values).mid_median,
            "total": float(values.sum()), "zero_share": float((values == 0).mean())}  # fmt: skip


def _estimated(statistic: str, sample: Sample, values: Floats, by_bootstrap: bool) -> Estimate:
    if statistic == "median":
        return estimators.quantile(sample, values)
    if statistic == "mid_median":
        return estimators.mid_median(sample, values)
    if statistic == "zero_share":
        return estimators.share(sample, values == 0)
    if statistic == "total":
        return estimators.total(sample, values, "log")
    if by_bootstrap:
        return bootstrap_mean(sample, values)
    return estimators.mean(sample, values, "log")


def _unmeasured(row: Row, reason: str, drawn: "pa.Table") -> list[Row]:
    inside = drawn.num_rows - drawn["outcome"].to_pylist().count(OUT)
    weight = float(sum(one for one in drawn["weight"].to_pylist() if one is not None))
    told = {"sample_count": 0, "unknown_count": inside, "estimated_count": weight}
    return [{**row, **told, "statistic": statistic, "status": "not_measurable", "reason": reason}
            for statistic in STATISTICS]  # fmt: skip
