"""Marts of a study for tests: figures with the tails of the paper's table 2, in seventeen cells.

Belongs here: what the tests of pictures and of the report share. Does not belong here: checks.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from assets.publish.words import REFERENCE
from assets.study import marts, tables
from assets.study.features import FEATURES, PLATFORMS
from assets.study.tables import StudyTable, table_of

Row = dict[str, Any]
Values = NDArray[np.int64]
DAY = date(2026, 3, 3)
STUDY = "paper"
TABLES: tuple[StudyTable, ...] = (
    marts.SUMMARY,
    marts.CORRELATION,
    marts.COMPARISON,
    marts.DISTRIBUTION,
    marts.SURVIVAL,
    marts.RERUN,
)
# Platform and feature: share of zeros, then median and spread of the logarithm of the others.
TAILS = {
    ("github", "commits"): (0.02, 24, 2.6),
    ("github", "discussions"): (0.62, 6, 1.9),
    ("github", "stars"): (0.08, 16, 1.9),
    ("huggingface", "commits"): (0.01, 2.4, 1.2),
    ("huggingface", "discussions"): (0.93, 1.3, 0.9),
    ("huggingface", "stars"): (0.84, 1.6, 1.2),
}
METHODS = {
    "pearson": 0.05,
    "log_pearson": 0.42,
    "spearman": 0.39,
    "kendall_tau_b": 0.31,
    "partial_log_pearson": 0.36,
    "partial_spearman": 0.33,
}


def cells() -> list[Row]:
    """The reference, then every alternative alone."""
    changes: list[Row] = [
        {},
        *({"bot_policy": policy} for policy in ("paper", "conservative", "aggressive")),
        {"cut": "in_frame"},
        *({"cut": f"top_stars_{number}"} for number in (1000, 10_000)),
        *(
            {"design": design, "weighting": weighting}
            for design in ("paper", "proportional", "neyman", "matched")
            for weighting in ("unweighted", "weighted")
        ),
        *({"exposure": exposure} for exposure in ("per_month", "matched_quarter")),
    ]
    return [{"study": STUDY, "day": DAY, **REFERENCE, **change} for change in changes]


@cache
def values(platform: str, feature: str, count: int = 20_000) -> Values:
    """Whole numbers with the tail that the paper tells of."""
    zeros, median, spread = TAILS[platform, feature]
    random = np.random.default_rng([len(platform), len(feature)])
    above = np.ceil(np.exp(random.normal(np.log(median), spread, count)) - 0.5).clip(1, 71_860_646)
    return np.where(random.random(count) < zeros, 0, above).astype(np.int64)


def summary_row(
    cell: Row, platform: str, feature: str, basis: str, known: Values, unknown: int
) -> Row:
    row: Row = {
        **cell,
        "platform": platform,
        "feature": feature,
        "basis": basis,
        "repository_count": len(known),
        "unknown_count": unknown,
        "estimated_count": float(len(known)),
        "status": "measured" if len(known) else "not_measurable",
        "reason": None if len(known) else f"{feature} unknown for all {unknown} repositories",
        "input_hash": "0",
    }
    if not len(known):
        return row
    ordered, above = np.sort(known).astype(float), known[known > 0].astype(float)
    ranks = np.arange(1, len(known) + 1)
    row |= {
        "total_value": float(ordered.sum()),
        "mean_value": float(ordered.mean()),
        "median_value": float(np.median(ordered)),
        "mid_median_value": float(np.median(ordered)),
        "maximum_value": float(ordered[-1]),
        "zero_share": float((known == 0).mean()),
        **{f"p{q}_value": float(np.percentile(ordered, q)) for q in (25, 75, 90, 99)},
        "trimmed_mean_value": float(ordered[len(known) // 20 : len(known) * 19 // 20 + 1].mean()),
        "log_mean_value": float(np.expm1(np.log1p(ordered).mean())),
        "tail_exponent": 2.1,
        "tail_from": 30.0,
        "tail_count": 900,
    }
    if len(above):
        row |= {
            "mean_above_zero": float(above.mean()),
            "median_above_zero": float(np.median(above)),
            "gini": float((2 * ranks - len(known) - 1) @ ordered / (len(known) * ordered.sum())),
            "top_percent_share": float(ordered[-len(known) // 100 :].sum() / ordered.sum()),
        }
    return row


def distribution_rows(
    cell: Row, platform: str, feature: str, basis: str, known: Values
) -> list[Row]:
    edges = [0.0, *(10.0 ** (np.arange(0, 8 * 20 + 1) / 8)).tolist()]
    at = np.searchsorted(edges, known, side="right") - 1
    return [
        {
            **cell,
            "platform": platform,
            "feature": feature,
            "basis": basis,
            "bin_low": edges[number],
            "bin_high": edges[number + 1] if number else 0.0,
            "repository_count": len(own := known[at == number]),
            "estimated_count": float(len(own)),
            "value_sum": float(own.astype(float).sum()),
            "share": len(own) / len(known),
            "share_at_least": float((known >= edges[number]).mean()),
            "input_hash": "0",
        }
        for number in np.unique(at).tolist()
    ]


def comparison_row(
    cell: Row, feature: str, sides: Mapping[str, tuple[str, Values]], shift: float = 0.0
) -> Row:
    """A measured row; with a shift the effects are so much nearer to none, as in another cell."""
    github, hub = (sides[platform][1] for platform in PLATFORMS)
    test = mannwhitneyu(github, hub, method="asymptotic")
    delta = (2 * test.statistic / (len(github) * len(hub)) - 1) * (1 - shift)
    row: Row = {**cell, "feature": feature, "status": "measured", "input_hash": "0"}
    for platform, (basis, of) in sides.items():
        row |= {
            f"{platform}_basis": basis,
            f"{platform}_count": len(of),
            f"{platform}_owner_count": len(of) // 3,
            f"{platform}_mean": float(of.mean()),
            f"{platform}_median": float(np.median(of)),
            f"{platform}_mid_median": float(np.median(of)),
            f"{platform}_maximum": float(of.max()),
        }
    least = float(np.finfo(float).tiny)
    row |= {
        "mann_whitney_u": float(test.statistic),
        "p_value": max(float(test.pvalue), least),
        "p_value_method": "asymptotic",
        "p_value_holm": max(float(test.pvalue), least),
        **_interval("cliffs_delta", delta, 0.02),
        **_interval("vargha_delaney_a", (delta + 1) / 2, 0.01),
        **_interval("hodges_lehmann", float(np.median(github) - np.median(hub)), 1.0),
        "hodges_lehmann_interval_is": "at_least",
        **_interval("mid_hodges_lehmann", float(np.median(github) - np.median(hub)), 0.9),
        "bootstrap_draws": 2000,
    }
    for name, of in (("ratio_of_means", np.mean), ("ratio_of_medians", np.median)):
        if of(hub) > 0:
            ratio = float(of(github) / of(hub)) * (1 - shift)
            row |= _interval(name, ratio, 0.2 * ratio)
    if len({basis for basis, _ in sides.values()}) > 1:
        row["reason"] = "GitHub flow against Hub stock: a flow covers the observed days only"
    return row


def correlation_rows(cell: Row) -> list[Row]:
    pairs = (("commits", "discussions"), ("commits", "stars"), ("discussions", "stars"))
    return [
        {
            **cell,
            "platform": platform,
            "first_feature": first,
            "second_feature": second,
            "method": method,
            **_interval("coefficient", value * (1 - 0.2 * place) * (1 - 0.3 * at), 0.02),
            "repository_count": 20_000,
            "status": "measured",
            "input_hash": "0",
        }
        for at, platform in enumerate(PLATFORMS)
        for place, (first, second) in enumerate(pairs)
        for method, value in METHODS.items()
    ]


def survival_rows() -> list[Row]:
    rows = []
    for platform, rate, months in (("github", 0.03, 110), ("huggingface", 0.09, 48)):
        at_risk, survival = 20_000, 1.0
        for age in range(months):
            ended = int(at_risk * rate) if age else 0
            survival *= 1 - ended / at_risk
            rows.append(
                {
                    "study": STUDY,
                    "day": DAY,
                    "bot_policy": "none",
                    "design": "census",
                    "weighting": "unweighted",
                    "platform": platform,
                    "age_months": float(age),
                    "at_risk_count": at_risk,
                    "ended_count": ended,
                    "censored_count": at_risk // 60,
                    **_interval("survival", survival, min(survival, 0.004 + age / 4000)),
                    "reason": "Known from archive days only" if platform == "github" else None,
                }
            )
            at_risk -= ended + at_risk // 60
    return rows


def rerun_row(claim: str, **changed: Any) -> Row:
    return {
        "study": STUDY,
        "day": DAY,
        "claim": claim,
        "place": "table 2",
        "statement": f"What {claim} says.",
        "kind": "level",
        "unit": "commits",
        "paper_value": 24.0,
        "our_value": 22.0,
        "our_value_low": 20.0,
        "our_value_high": 25.0,
        "planted_value": None,
        "design": "none · all · census · unweighted · total",
        "known_share": 0.98,
        "sensitivity_low": 9.0,
        "sensitivity_high": 310.0,
        "sensitivity_cells": 16,
        "verdict": "reproduced",
        "reason": "The paper's value lies in our interval.",
        **changed,
    }


def rerun_rows() -> list[Row]:
    """Claims of several units and all verdicts, one that no mart measures."""
    return [
        rerun_row("github_commits_mean", paper_value=1464.28, our_value=704.0, our_value_low=640.0,
                  our_value_high=790.0, verdict="differs", sensitivity_high=9300.0,
                  reason="The paper's value lies outside our interval."),
        rerun_row("github_commits_median", planted_value=23.0),
        rerun_row("github_commits_maximum", paper_value=71_860_646.0, our_value=3_583_491.0,
                  our_value_low=None, our_value_high=None, verdict="differs",
                  sensitivity_high=3_583_491.0, reason="No interval; outside the tolerance."),
        rerun_row("huggingface_commits_mean", paper_value=10.65, our_value=4.9, our_value_low=4.8,
                  our_value_high=5.1, verdict="differs", sensitivity_low=2.0, sensitivity_high=31.0,
                  planted_value=4.95),
        rerun_row("huggingface_commits_median", paper_value=2.0, our_value=2.0, our_value_low=2.0,
                  our_value_high=2.0, sensitivity_low=2.0, sensitivity_high=3.0),
        rerun_row("huggingface_stars_median", unit="likes", paper_value=0.0, our_value=0.0,
                  our_value_low=0.0, our_value_high=0.0, sensitivity_low=0.0,
                  sensitivity_high=12.0),
        rerun_row("huggingface_stars_mean", unit="likes", paper_value=0.93, our_value=1.1,
                  our_value_low=0.9, our_value_high=1.2, sensitivity_low=0.9,
                  sensitivity_high=45.0),
        rerun_row("github_bots_share", unit="share", paper_value=0.0027, our_value=0.031,
                  our_value_low=0.03, our_value_high=0.032, verdict="differs",
                  sensitivity_low=0.003, sensitivity_high=0.05),
        rerun_row("commits_larger_on_github", kind="direction", unit="effect size", place="5.1",
                  paper_value=None, our_value=0.71, our_value_low=0.69, our_value_high=0.73,
                  sensitivity_low=0.4, sensitivity_high=0.78),
        rerun_row("github_discussions_mean", unit="issues", paper_value=35.94, our_value=2.1,
                  our_value_low=None, our_value_high=None, verdict="not_measurable",
                  reason="A flow of 2 days is not comparable with a life's total."),
        rerun_row("openness_members", unit="share", place="section 5.2", paper_value=0.7955,
                  our_value=None, our_value_low=None, our_value_high=None, sensitivity_low=None,
                  sensitivity_high=None, sensitivity_cells=None, known_share=None,
                  verdict="not_measurable", reason="No mart measures it yet."),
    ]  # fmt: skip


def study_rows() -> dict[StudyTable, list[Row]]:
    """All marts of one study and day, filled; each call has its own."""
    return {table: [dict(row) for row in rows] for table, rows in _study_rows().items()}


@cache
def _study_rows() -> dict[StudyTable, list[Row]]:
    grid = cells()
    known = {which: values(*which) for which in TAILS}
    sides = {
        feature: {platform: ("stock", known[platform, feature]) for platform in PLATFORMS}
        for feature in FEATURES
    }
    return {
        marts.SUMMARY: [
            row
            for cell in grid[:2]
            for which, of in known.items()
            for row in (
                summary_row(cell, *which, "stock", of, 17),
                summary_row(cell, *which, "flow", of[:0], len(of) + 17),
            )
        ],
        marts.DISTRIBUTION: [
            row
            for cell in grid[:2]
            for which, of in known.items()
            for row in distribution_rows(cell, *which, "stock", of)
        ],
        marts.COMPARISON: [
            comparison_row(cell, feature, sides[feature], 0.05 * place * (1 if place % 3 else -0.1))
            for place, cell in enumerate(grid)
            for feature in FEATURES
        ],
        marts.CORRELATION: correlation_rows(grid[0]),
        marts.SURVIVAL: survival_rows(),
        marts.RERUN: rerun_rows(),
    }


def make_tables(
    connection: duckdb.DuckDBPyConnection, rows: Mapping[StudyTable, Sequence[Row]]
) -> None:
    """Make tables of the study in a warehouse, with these rows."""
    connection.begin()
    tables.make_tables(connection, rows)
    for table, own in rows.items():
        connection.register("new_rows", table_of(table, own))
        names = ", ".join(table.column_names)
        connection.execute(f"INSERT INTO {table.name} ({names}) SELECT {names} FROM new_rows")
        connection.unregister("new_rows")
    connection.commit()


def _interval(name: str, value: float, reach: float) -> Row:
    return {name: value, f"{name}_low": value - reach, f"{name}_high": value + reach}
