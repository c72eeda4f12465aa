"""All assets, group by group, in the order in which data flows.

Belongs here: which modules make assets. Does not belong here: anything else.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.github.assets import archive_assets, snapshot_assets
from assets.huggingface.assets import hub_assets
from assets.publish.assets import publish_assets
from assets.study.assets import study_assets
from assets.study.themes.assets import theme_assets
from assets.warehouse.assets import warehouse_assets


def all_assets(
    manifest: Mapping[str, Any], days: dg.DailyPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """The assets of an installation.

    Args:
        manifest: dbt's manifest of the models.
        days: the archive's partitions.
    """
    return [
        *archive_assets(days),
        *snapshot_assets(),
        *hub_assets(),
        *warehouse_assets(manifest, days),
        *study_assets(),
        *theme_assets(),
        *publish_assets(),
    ]
