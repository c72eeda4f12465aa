"""Putting the parts together: settings, manifest, assets, checks, jobs, schedules.

Belongs here: what a code location consists of. Does not belong here: any of the parts.
"""

import dagster as dg

from assets.registry import all_assets
from assets.warehouse.assets import Dbt
from checks.assets import build_checks
from orchestration.jobs import all_jobs
from orchestration.manifest import DBT_PROJECT, dbt_executable, dbt_manifest
from orchestration.partitions import archive_days
from orchestration.resources import Installation
from orchestration.schedules import all_schedules
from orchestration.settings import Settings


def build_defs(settings: Settings | None = None) -> dg.Definitions:
    """The code location of an installation.

    Args:
        settings: by default read from the file and the environment.
    """
    settings = settings or Settings.load()
    days = archive_days(settings.archive.first_day)
    return dg.Definitions(
        assets=all_assets(dbt_manifest(settings), days),
        asset_checks=build_checks(),
        jobs=all_jobs(days),
        schedules=all_schedules(settings),
        resources={"installation": Installation.of(settings), "dbt": dbt_command()},
        # A step that does nothing costs seconds in a process of its own; DuckDB and the hours
        # of a day use the cores from inside one.
        executor=dg.in_process_executor,
    )


def dbt_command() -> Dbt:
    """The dbt of this environment on our project."""
    return Dbt(
        project_dir=str(DBT_PROJECT),
        profiles_dir=str(DBT_PROJECT),
        dbt_executable=str(dbt_executable()),
    )
