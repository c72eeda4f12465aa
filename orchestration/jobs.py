"""The jobs: what is run together.

Belongs here: selections, and why they are cut so. Does not belong here: when they run
(schedules).
"""

from typing import TYPE_CHECKING

import dagster as dg

from orchestration import keys

if TYPE_CHECKING:
    # Dagster has no public name for what define_asset_job returns.
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )


def all_jobs(days: dg.DailyPartitionsDefinition) -> list["UnresolvedAssetJobDefinition"]:
    """The jobs of an installation."""
    everything = dg.AssetSelection.all()
    archive = dg.AssetSelection.assets(keys.ARCHIVE_EVENTS)
    snapshots = dg.AssetSelection.assets(*keys.GITHUB_SNAPSHOT, *keys.HUB_SNAPSHOT)
    return [
        dg.define_asset_job(
            keys.NIGHTLY_JOB,
            everything,
            partitions_def=days,
            description="Yesterday's events, what both platforms say today, models, study, checks, "
            "published copy and report. A blocking check that fails stops what comes after it: "
            "nothing new is published, and the last copy stays.",
        ),
        dg.define_asset_job(
            keys.BACKFILL_JOB,
            everything - snapshots,
            partitions_def=days,
            description="A range of past days of the archive through to the published copy. The "
            "platforms' interfaces are left out: they answer for today only.",
        ),
        dg.define_asset_job(
            keys.REBUILD_JOB,
            everything - archive - snapshots,
            partitions_def=days,
            config={
                "ops": {
                    step: {"config": {"whole_lake": True}}
                    for step in (keys.BY_DAY_STEP, keys.SNAPSHOT_STEP)
                }
            },
            description="The warehouse made anew from the whole lake as it is, and all that "
            "follows; no source is asked. The partition is a formality: any day will do.",
        ),
        dg.define_asset_job(
            keys.THEMES_JOB,
            dg.AssetSelection.assets(*keys.THEMES_OF_PEOPLE, keys.PUBLISHED, keys.REPORT),
            description="What people found in verification samples taken into the figures, and "
            "published: no source is asked, nothing is coded.",
        ),
    ]
