"""The analysts' copy and the report as Dagster assets.

Belongs here: keys and metadata of the assets. Does not belong here: how a copy is switched
(snapshot) and what the report says (report).
"""

from pathlib import Path

import dagster as dg

from assets.publish.names import Names
from assets.publish.report import render_report
from assets.publish.snapshot import PublishResult, publish
from assets.study.planted import planted_truth
from orchestration import keys, metadata
from orchestration.privacy import removal
from orchestration.privacy.pseudonyms import Pseudonyms, publish_key
from orchestration.resources import Installation, retry_policy, told_to_dagster
from orchestration.settings import Settings

REPORT_NAME = "report.html"
PLOTS_NAME = "plots"


def publish_assets() -> list[dg.AssetsDefinition]:
    """The assets that analysts and readers open."""

    @dg.asset(
        key=keys.PUBLISHED,
        deps=[*keys.MARTS_OF_DBT, *keys.MARTS_OF_STUDY],
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
            result = publish_privately(settings, warehouse)
        return metadata.result(
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
        return metadata.result(
            metadata={
                "report": dg.MetadataValue.path(str(path)),
                "bytes": path.stat().st_size,
            }
        )

    return [published_marts, published_report]


def publish_privately(settings: Settings, warehouse: Path) -> PublishResult:
    """Publish with names as the settings have them; old copies of who opted out go."""
    pseudonyms = Pseudonyms(publish_key(settings.private_dir))
    names = Names(settings.privacy.published_names, pseudonyms)
    is_due = removal.is_due(settings, removal.PUBLISHED)
    # Until the warehouse is made anew, a version of it would hold them as well.
    is_clean = not any(removal.is_due(settings, part) for part in removal.OF_WAREHOUSE)
    keep = 1 if is_due and is_clean else settings.publish.keep_versions
    result = publish(warehouse, settings.published_dir, keep, names=names)
    if is_due and is_clean:
        # Rendered again from this copy; until then there is none rather than the old one.
        (settings.published_dir / REPORT_NAME).unlink(missing_ok=True)
        removal.made(settings, removal.PUBLISHED)
    return result


def make_report(settings: Settings) -> Path:
    """Render the report of the published copy, and its pictures; returns where it lies."""
    return render_report(
        settings.published_dir / "marts.duckdb",
        settings.published_dir / REPORT_NAME,
        planted=planted_truth(settings.publish.planted),
        study=settings.study.name,
        reference=settings.study.grid.reference.model_dump(),
        plots=settings.published_dir / PLOTS_NAME,
    )
