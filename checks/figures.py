"""Checks of the study's figures: identities and orders that hold whatever the data are.

Belongs here: what must hold of the rows of the newest day. Does not belong here: how figures are
computed (assets.study), and the checks as Dagster has them (assets).

A rule is a condition that holds in every row; one that is null (an unknown value in it) holds. The
rules of a check are read in one pass, and the check names those that are broken, with rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from assets.study.features import FEATURES, PLATFORMS
from assets.study.marts import COMPARISON, CORRELATION, DISTRIBUTION, RERUN, SUMMARY, SURVIVAL
from assets.study.statistics.two_sample import EFFECTS, IN_STEPS
from assets.study.tables import StudyTable
from checks.outcome import CheckOutcome, failed, first_rows, listed, passed
from checks.warehouse import reading

if TYPE_CHECKING:
    import duckdb

CELL = ("bot_policy", "cut", "design", "weighting", "exposure")
# Sums of doubles in another order.
NEAR = 1e-9
HOLDS = ("nominal", "at_least")
VERDICTS = ("reproduced", "differs", "not_measurable")


@dataclass(frozen=True)
class Rules:
    """What must hold of a mart.

    Attributes:
        grain: columns of which no two rows of a day agree.
        complete: columns whose combinations each cell must have, with the number of them.
        figures: rule in words to the condition.
        may_be_empty: whether a study may have no rows, as where nothing is linked.
        may_be_null: columns of the grain where null is a name of its own.
    """

    table: StudyTable
    grain: tuple[str, ...]
    figures: Mapping[str, str]
    complete: tuple[tuple[str, ...], int] | None = None
    may_be_empty: bool = False
    may_be_null: tuple[str, ...] = ("basis",)


def _ordered(*columns: str) -> str:
    """Each known value is at most the next."""
    pairs = pairwise(columns)
    return " AND ".join(f"coalesce({low} <= {high}, true)" for low, high in pairs)


def _share(*columns: str) -> str:
    return " AND ".join(f"coalesce({column} BETWEEN 0 AND 1, true)" for column in columns)


def _says(*names: str) -> str:
    """An interval that moves in steps says what it holds, and none says nothing."""
    return " AND ".join(
        f"({name}_interval_is IS NOT NULL) = ({name}_low IS NOT NULL)"
        f" AND coalesce({name}_interval_is IN {HOLDS}, true)"
        for name in names
    )


def _told(*columns: str) -> str:
    """Where a row says that it measures, these are known; where not, it says why."""
    known = " AND ".join(f"{column} IS NOT NULL" for column in columns)
    why = "WHEN 'not_measurable' THEN reason IS NOT NULL ELSE false"
    return f"CASE status WHEN 'measured' THEN {known} {why} END"


_SIDES = [
    _ordered(f"{side}_{what}", f"{side}_maximum")
    for side in PLATFORMS
    for what in ("mean", "median", "mid_median")
]
_MEASURED = (
    "mean_value",
    "median_value",
    "mid_median_value",
    "maximum_value",
    "total_value",
    "zero_share",
)
ALL_RULES = (
    Rules(
        SUMMARY,
        (*CELL, "platform", "feature", "basis"),
        {
            "measured or with a reason": _told(*_MEASURED),
            "known where counted": "(status = 'measured') = (repository_count > 0)",
            "no count below zero": "least(repository_count, unknown_count, estimated_count) >= 0",
            "quantiles in order": _ordered(
                "p25_value", "median_value", "p75_value", "p90_value", "p99_value", "maximum_value"
            ),
            "intervals hold their value": _ordered("mean_low", "mean_value", "mean_high")
            + " AND "
            + _ordered("median_low", "median_value", "median_high")
            + " AND "
            + _ordered("mid_median_low", "mid_median_value", "mid_median_high"),
            "intervals have both ends": "(mean_low IS NULL) = (mean_high IS NULL)"
            " AND (median_low IS NULL) = (median_high IS NULL)"
            " AND (mid_median_low IS NULL) = (mid_median_high IS NULL)",
            "a missing interval has its reason": "status <> 'measured' OR reason IS NOT NULL"
            " OR (mean_low IS NOT NULL AND median_low IS NOT NULL AND mid_median_low IS NOT NULL)",
            "intervals in steps say what they hold": _says("median"),
            "mean not above maximum": _ordered("mean_value", f"maximum_value * (1 + {NEAR})"),
            "shares from 0 to 1": _share("zero_share", "gini", "top_percent_share"),
            "tail within the values": "tail_count <= repository_count AND tail_exponent > 1"
            " AND tail_from <= maximum_value",
            "mean is total over count": "abs(mean_value * estimated_count - total_value)"
            f" <= {NEAR} * greatest(1, abs(total_value))",
        },
        (("platform", "feature", "basis"), 2 * len(PLATFORMS) * len(FEATURES)),
    ),
    Rules(
        CORRELATION,
        (*CELL, "platform", "first_feature", "second_feature", "method"),
        {
            "measured or with a reason": _told("coefficient"),
            "from -1 to 1": "least(coefficient, coefficient_low) >= -1"
            " AND greatest(coefficient, coefficient_high) <= 1",
            "interval holds its value": _ordered(
                "coefficient_low", "coefficient", "coefficient_high"
            ),
            "a missing interval has its reason": "coefficient_low IS NOT NULL"
            " OR reason IS NOT NULL",
        },
        (("platform", "first_feature", "second_feature", "method"), 36),
    ),
    Rules(
        COMPARISON,
        (*CELL, "feature"),
        {
            "measured or with a reason": _told("cliffs_delta"),
            "U comes with its p value": "mann_whitney_u IS NULL"
            " OR (p_value IS NOT NULL AND p_value_holm IS NOT NULL)",
            "p values above 0 and at most 1": "least(p_value, p_value_holm) > 0"
            " AND greatest(p_value, p_value_holm) <= 1",
            "adjusted not below raw": _ordered("p_value", "p_value_holm"),
            "U gives delta": "abs(2 * mann_whitney_u / github_count / huggingface_count - 1"
            f" - cliffs_delta) <= {NEAR}",
            "A gives delta": f"abs(2 * vargha_delaney_a - 1 - cliffs_delta) <= {NEAR}",
            "means and medians not above maxima": " AND ".join(_SIDES),
            "intervals in order": " AND ".join(
                _ordered(f"{effect}_low", f"{effect}_high") for effect in EFFECTS
            ),
            "intervals in steps say what they hold": _says(*IN_STEPS),
            "a missing end has its reason": "reason IS NOT NULL OR "
            + " AND ".join(f"{effect}_high IS NOT NULL" for effect in EFFECTS),
            "delta from -1 to 1": "least(cliffs_delta, cliffs_delta_low) >= -1"
            " AND greatest(cliffs_delta, cliffs_delta_high) <= 1",
        },
        (("feature",), len(FEATURES)),
    ),
    Rules(
        DISTRIBUTION,
        (*CELL, "platform", "feature", "basis", "bin_low"),
        {
            "bins hold something": "repository_count > 0 AND estimated_count > 0",
            "values within their bin": "value_sum BETWEEN bin_low * estimated_count"
            f" * (1 - {NEAR}) AND bin_high * estimated_count * (1 + {NEAR})",
            "shares from 0 to 1": _share("share", "share_at_least"),
        },
    ),
    Rules(
        SURVIVAL,
        ("bot_policy", "design", "weighting", "platform", "age_months"),
        {
            "shares from 0 to 1": _share("survival", "survival_low", "survival_high"),
            "interval holds its value": _ordered("survival_low", "survival", "survival_high"),
            "ended of those at risk": "ended_count <= at_risk_count",
            "no count below zero": "least(at_risk_count, ended_count, censored_count) >= 0",
        },
    ),
    Rules(
        RERUN,
        ("claim",),
        {
            "a known verdict with its reason": f"verdict IN {VERDICTS} AND reason <> ''",
            "judged where measured": "verdict = 'not_measurable' OR our_value IS NOT NULL",
            "range in order": _ordered("sensitivity_low", "sensitivity_high"),
            "interval in order": _ordered("our_value_low", "our_value_high"),
            "shares from 0 to 1": _share("known_share"),
        },
    ),
)
RULES = {rules.table.name: rules for rules in ALL_RULES}


def grain_is_unique(warehouse: Path, study: str, rules: Rules) -> CheckOutcome:
    """No two rows of the newest day name the same figure, and no name is unknown."""
    name, keys = "grain_is_unique", ", ".join(rules.grain)
    unnamed = " OR ".join(
        f"{column} IS NULL" for column in rules.grain if column not in rules.may_be_null
    )
    with reading(warehouse=warehouse) as connection:
        rows = rows_of(
            connection,
            f"SELECT {keys}, count(*) AS rows FROM {newest(rules)} GROUP BY {keys}"
            f" HAVING count(*) > 1 OR {unnamed} ORDER BY ALL",
            study,
        )
        total = _count(connection, rules, study)
    if not total and not rules.may_be_empty:
        return failed(name, "error", f"The study {study} has no rows", rows=[])
    if rows:
        told = f"{len(rows)} figures are there twice or have no name"
        return failed(name, "error", told, rows=first_rows(rows))
    return passed(name, f"{total} rows, each of its own", rows_judged=total)


def figures_fit(warehouse: Path, study: str, rules: Rules) -> CheckOutcome:
    """Every rule of the mart holds in every row of the newest day."""
    name = "figures_fit"
    broken: dict[str, int] = {}
    examples: list[dict[str, object]] = []
    with reading(warehouse=warehouse) as connection:
        counts = ", ".join(
            f"count(*) FILTER (NOT coalesce({condition}, true))"
            for condition in rules.figures.values()
        )
        found = connection.execute(f"SELECT {counts} FROM {newest(rules)}", {"study": study})
        for (rule, condition), count in zip(
            rules.figures.items(), found.fetchall()[0], strict=True
        ):
            if count:
                broken[rule] = int(count)
                query = f"SELECT '{rule}' AS rule, * FROM {newest(rules)}"\
                    f" WHERE NOT coalesce({condition}, true) LIMIT 3"  # fmt: skip
                examples += rows_of(connection, query, study)
    if broken:
        told = listed([f"{rule} ({count} rows)" for rule, count in broken.items()])
        return failed(name, "error", f"Not so: {told}", rows=first_rows(examples), **broken)
    return passed(name, f"{len(rules.figures)} rules hold", rules=len(rules.figures))


def cells_are_whole(warehouse: Path, study: str, rules: Rules) -> CheckOutcome:
    """Every cell has all its figures, those that cannot be measured as well."""
    name = "cells_are_whole"
    assert rules.complete is not None
    columns, number = rules.complete
    cell = ", ".join(CELL)
    with reading(warehouse=warehouse) as connection:
        rows = rows_of(
            connection,
            f"SELECT {cell}, count(DISTINCT ({', '.join(columns)})) AS figures"
            f" FROM {newest(rules)} GROUP BY {cell} HAVING figures <> {number} ORDER BY ALL",
            study,
        )
        total = _count(connection, rules, study)
    if rows:
        told = f"{len(rows)} cells do not have {number} figures"
        return failed(name, "error", told, rows=first_rows(rows))
    return passed(name, f"{total // number} cells of {number} figures", cells=total // number)


def bins_add_up(warehouse: Path, study: str, rules: Rules) -> CheckOutcome:
    """The bins of a feature hold the repositories and the total that the summary tells."""
    name = "bins_add_up"
    keys = ", ".join((*CELL, "platform", "feature", "basis"))
    with reading(warehouse=warehouse) as connection:
        rows = rows_of(
            connection,
            f"""
            WITH bins AS (
                SELECT {keys}, sum(repository_count) AS binned, sum(value_sum) AS value_sum,
                    sum(share) AS share, max(share_at_least) AS at_least
                FROM {newest(rules)} GROUP BY {keys}
            )
            SELECT {keys}, repository_count, binned, total_value, value_sum, share
            FROM {newest(RULES[SUMMARY.name])} LEFT JOIN bins USING ({keys})
            WHERE repository_count > 0 AND NOT coalesce(
                binned = repository_count AND abs(share - 1) <= {NEAR} AND abs(at_least - 1)
                <= {NEAR}
                AND abs(value_sum - total_value) <= {NEAR} * greatest(1, abs(total_value)), false)
            ORDER BY ALL
            """,
            study,
        )
    if rows:
        told = f"{len(rows)} distributions are not of what the summary describes"
        return failed(name, "error", told, rows=first_rows(rows))
    return passed(name, "All bins add up to what the summary tells")


def survival_falls(warehouse: Path, study: str, rules: Rules) -> CheckOutcome:
    """A share still active at an age is never above that of an earlier age."""
    name = "survival_falls"
    with reading(warehouse=warehouse) as connection:
        rows = rows_of(
            connection,
            f"SELECT bot_policy, design, platform, age_months, survival FROM {newest(rules)}"
            " QUALIFY survival > lag(survival) OVER"
            " (PARTITION BY bot_policy, design, weighting, platform ORDER BY age_months)"
            " ORDER BY ALL",
            study,
        )
    if rows:
        return failed(name, "error", f"{len(rows)} ages rise", rows=first_rows(rows))
    return passed(name, "Shares fall with age")


def claims_are_all_there(warehouse: Path, study: str, rules: Rules) -> CheckOutcome:
    """Every published claim has its row, those that no mart measures yet as well."""
    name = "claims_are_all_there"
    with reading(warehouse=warehouse) as connection:
        rows = rows_of(
            connection,
            "SELECT claim FROM warehouse.seeds.published_claims WHERE claim NOT IN"
            f" (SELECT claim FROM {newest(rules)}) ORDER BY claim",
            study,
        )
    if rows:
        told = listed([row["claim"] for row in rows])
        return failed(name, "error", f"No row for {told}", rows=first_rows(rows))
    return passed(name, "Every published claim has its row")


# By the names that the UI shows.
CHECKS: Mapping[str, Callable[[Path, str, Rules], CheckOutcome]] = {
    check.__name__: check
    for check in (
        grain_is_unique,
        figures_fit,
        cells_are_whole,
        bins_add_up,
        survival_falls,
        claims_are_all_there,
    )
}


def newest(rules: Rules) -> str:
    """SQL of a mart's rows of the newest day of `$study`, of an attached warehouse."""
    table = f"warehouse.{rules.table.name}"
    return (f"(SELECT * FROM {table} WHERE study = $study AND day ="
            f" (SELECT max(day) FROM {table} WHERE study = $study)) AS newest")  # fmt: skip


def _count(connection: "duckdb.DuckDBPyConnection", rules: Rules, study: str) -> int:
    found = connection.execute(f"SELECT count(*) FROM {newest(rules)}", {"study": study})
    return int(found.fetchall()[0][0])


def rows_of(
    connection: "duckdb.DuckDBPyConnection", query: str, study: str | None
) -> list[dict[str, object]]:
    """Rows of a query that names `$study`, where one is given."""
    found = connection.execute(query, {} if study is None else {"study": study})
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
