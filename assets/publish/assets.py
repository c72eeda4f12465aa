"""The analysts' copy and the report as Dagster assets.

Belongs here: keys and metadata of the assets. Does not belong here: how a copy is switched
(snapshot) and what the report says (report).
"""

import json
from pathlib import Path
from typing import Any

import dagster as dg

from assets.publish.report import render_report
from assets.publish.snapshot import publish
from orchestration import keys, metadata
from orchestration.failures import SettingsError
from orchestration.resources import Installation, retry_policy, told_to_dagster
from orchestration.settings import Settings


def publish_assets() -> list[dg.AssetsDefinition]:
    """The assets that analysts and readers open."""

    @dg.asset(
        key=keys.PUBLISHED,
        deps=[*keys.MARTS_OF_DBT, keys.COMPARISON],
        group_name=keys.PUBLISH,
        kinds={"python", "duckdb", "parquet"},
        owners=keys.ANALYSTS,
        description="The read-only copy of the marts: `published/marts.duckdb` and one Parquet "
        "file per mart, verified against the warehouse and switched in one step. An unchanged "
        "night writes nothing.",
        pool=keys.WAREHOUSE_POOL,
        retry_policy=retry_policy(),
    )
    def published_marts(installation: Installation) -> dg.MaterializeResult[None]:
        settings = installation.settings()
        with told_to_dagster(), installation.warehouse() as warehouse:
            result = publish(warehouse, settings.published_dir, settings.publish.keep_versions)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(table.row_count for table in result.tables.values()),
                "version": result.version,
                "window": f"published at {result.published_at:%Y-%m-%d %H:%M} UTC",
                "is_unchanged": result.is_unchanged,
                "bytes": result.total_bytes,
                "marts": dg.MetadataValue.path(str(result.marts_path)),
                "preview": metadata.table(
                    [
                        {"table": name, "rows": table.row_count, "hash": table.content_hash}
                        for name, table in sorted(result.tables.items())
                    ]
                ),
            }
        )

    @dg.asset(
        key=keys.REPORT,
        deps=[keys.PUBLISHED],
        group_name=keys.PUBLISH,
        kinds={"python", "html"},
        owners=keys.ANALYSTS,
        description="`published/report.html`: the paper's table 2 on this installation's data, "
        "distributions and coverage. One file without scripts, made from the published copy.",
        retry_policy=retry_policy(),
    )
    def published_report(installation: Installation) -> dg.MaterializeResult[None]:
        with told_to_dagster():
            path = make_report(installation.settings())
        return dg.MaterializeResult(
            metadata={
                "report": dg.MetadataValue.path(str(path)),
                "bytes": path.stat().st_size,
            }
        )

    return [published_marts, published_report]


def make_report(settings: Settings) -> Path:
    """Render the report of the published copy; returns where it lies."""
    return render_report(
        settings.published_dir / "marts.duckdb",
        settings.published_dir / "report.html",
        planted=planted_truth(settings.publish.planted),
        study=settings.study.name,
    )


def planted_truth(path: Path | None) -> dict[str, Any] | None:
    """What was planted in synthetic data: platform to feature to basis to statistic to value.

    Raises:
        SettingsError: the file of the setting cannot be read.
    """
    if path is None:
        return None
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"The planted truth {path} of publish.planted cannot be read ({error}).",
            "Correct the setting, or remove it where the data are real.",
        ) from error
