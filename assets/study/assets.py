"""The study's results as Dagster assets.

Belongs here: keys, metadata and column lineage of the assets. Does not belong here: estimators
and the choice of what is compared (statistics, comparison).
"""

import dagster as dg

from assets.study import comparison
from orchestration import keys, metadata
from orchestration.resources import Installation, retry_policy, told_to_dagster

DESCRIPTION = """GitHub against the Hugging Face Hub: mean, median and maximum of commits,
discussions and stars per repository, with the Mann-Whitney U test of each (Holm-corrected) and
Cliff's delta. The paper's table 2 on the data of this installation; a feature that cannot be
measured here says why."""
ACTIVITY = keys.mart("mart_repository_activity")


def study_assets() -> list[dg.AssetsDefinition]:
    """The assets of the study."""

    @dg.asset(
        key=keys.COMPARISON,
        deps=[ACTIVITY],
        group_name=keys.STUDY,
        kinds={"python", "scipy", "duckdb"},
        owners=keys.ANALYSTS,
        description=DESCRIPTION,
        pool=keys.WAREHOUSE_POOL,
        retry_policy=retry_policy(),
        metadata={
            "dagster/column_schema": metadata.table_schema(
                {name: kind for name, kind, _ in comparison.COLUMNS},
                {name: told for name, _, told in comparison.COLUMNS},
            ),
            "dagster/column_lineage": metadata.lineage(_lineage()),
        },
    )
    def mart_platform_comparison(installation: Installation) -> dg.MaterializeResult[None]:
        study = installation.settings().study.name
        with told_to_dagster(), installation.warehouse() as warehouse:
            rows = comparison.platform_comparison(warehouse, study)
        measured = [row for row in rows if row["status"] == "measured"]
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(rows),
                "coverage": f"{len(measured)} of {len(rows)} features measured",
                "study": study,
                "preview": metadata.table([_shown(row) for row in rows]),
            }
        )

    return [mart_platform_comparison]


def _lineage() -> dict[str, list[tuple[dg.AssetKey, str]]]:
    """Every measured column is made of the features' columns of either platform."""
    origins = [(ACTIVITY, column) for column in comparison.ACTIVITY_COLUMNS]
    own = {"study", "feature"}
    return {name: origins for name, _, _ in comparison.COLUMNS if name not in own}


def _shown(row: comparison.Row) -> dict[str, object]:
    shown = ("feature", "github_mean", "huggingface_mean", "github_median", "huggingface_median",
             "p_value_holm", "cliffs_delta", "status")  # fmt: skip
    return {name: row[name] for name in shown}
