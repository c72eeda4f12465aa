"""How much each headline figure depends on who is taken for automation.

Belongs here: which figures are headlines, and the rows of `mart_policy_sensitivity`. Does not
belong here: the figures themselves (`mart_intensity_summary`, `comparison`) and the policies
(`assets.actors`).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.actors.policies import POLICIES
from assets.study.cells import Cell, reference_cell
from assets.study.features import FEATURES
from assets.study.grid import newest_day
from assets.study.marts import COMPARISON, SUMMARY
from assets.study.tables import StudyTable, open_warehouse, replace_study

if TYPE_CHECKING:
    from orchestration.settings import StudySettings

Row = dict[str, Any]

# Statistic: its column. Counts of what is known change where pushes tell no commits.
OF_A_PLATFORM = {
    "mean": "mean_value",
    "median": "median_value",
    "maximum": "maximum_value",
    "zero_share": "zero_share",
    "total": "total_value",
    "known_count": "repository_count",
}
OF_BOTH = {"cliffs_delta": "cliffs_delta", "p_value_holm": "p_value_holm"}
TABLE = StudyTable(
    "marts.mart_policy_sensitivity",
    "One row per study and headline figure: its value under each bot policy.",
    (
        ("study", "VARCHAR NOT NULL", "Name of the study configuration."),
        ("feature", "VARCHAR NOT NULL", "commits, discussions or stars."),
        ("platform", "VARCHAR NOT NULL", "github, huggingface, or both where they are compared."),
        ("basis", "VARCHAR", "flow or stock; null where platforms are compared."),
        ("statistic", "VARCHAR NOT NULL", f"{', '.join([*OF_A_PLATFORM, *OF_BOTH])}."),
        *(
            (f"{policy}_value", "DOUBLE", f"The figure under the policy {policy}.")
            for policy in POLICIES
        ),
        ("range_value", "DOUBLE", "Largest less smallest value under any policy."),
        (
            "range_share",
            "DOUBLE",
            "The range as a share of the figure under none, not below 0; null where that is 0.",
        ),
    ),
)


def policy_sensitivity(warehouse_path: Path, study: "StudySettings") -> list[Row]:
    """Put the newest figures under all policies side by side; returns the rows written.

    Raises:
        PermanentFailure: the warehouse or a mart is missing.
        TransientFailure: another process has the warehouse open.
    """
    cell = reference_cell(study)
    with open_warehouse(warehouse_path, read_only=True) as connection:
        day = newest_day(connection, study.name)
        parameters = {"study": study.name, "day": day}
        rows = connection.sql(_query(cell), params=parameters).to_arrow_table()
    replace_study(warehouse_path, study.name, [(TABLE, rows)])
    found: list[Row] = rows.to_pylist()
    return found


def _query(cell: Cell) -> str:
    """All headline figures by policy, pivoted; the order is that of the report."""
    others = " AND ".join(
        f"{name} = '{value}'" for name, value in cell.row().items() if name != "bot_policy"
    )
    where = f"WHERE study = $study AND day = $day AND {others}"
    values = ", ".join(
        f"max(value) FILTER (WHERE bot_policy = '{policy}') AS {policy}_value"
        for policy in POLICIES
    )
    parts = [
        *(
            f"SELECT feature, platform, basis, '{name}' AS statistic, bot_policy,"
            f" {column}::DOUBLE AS value FROM {SUMMARY.name} {where}"
            for name, column in OF_A_PLATFORM.items()
        ),
        *(
            f"SELECT feature, 'both', NULL, '{name}', bot_policy, {column}"
            f" FROM {COMPARISON.name} {where}"
            for name, column in OF_BOTH.items()
        ),
    ]
    features, statistics = list(FEATURES), [*OF_A_PLATFORM, *OF_BOTH]
    return f"""
        WITH figures AS ({" UNION ALL ".join(parts)})
        SELECT $study AS study, feature, platform, basis, statistic, {values},
            max(value) - min(value) AS range_value,
            range_value / nullif(abs(none_value), 0) AS range_share
        FROM figures
        GROUP BY feature, platform, basis, statistic
        ORDER BY list_position({features}, feature), platform, basis,
            list_position({statistics}, statistic)
    """
