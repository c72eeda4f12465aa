"""Putting the parts together: settings, manifest, assets, checks, jobs, schedules.

Belongs here: what a code location consists of, and how dbt's manifest is made. Does not belong
here: any of the parts.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
from filelock import FileLock

from assets.registry import all_assets
from assets.warehouse.assets import Dbt, environment
from checks.assets import build_checks
from orchestration.failures import PermanentFailure
from orchestration.jobs import all_jobs
from orchestration.partitions import archive_days
from orchestration.resources import Installation
from orchestration.schedules import all_schedules
from orchestration.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
DBT_PROJECT = ROOT / "dbt_project"
# What the manifest is made of; target/ and logs/ are what is made of it.
DBT_SOURCES = ("models", "macros", "seeds", "tests")


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


def dbt_executable() -> Path:
    """The command beside the running interpreter, whatever the PATH says."""
    return Path(sys.executable).parent / "dbt"


def dbt_manifest(settings: Settings) -> dict[str, Any]:
    """dbt's manifest of the project, parsed anew only when a file of the project changed.

    Raises:
        PermanentFailure: the project cannot be parsed; the line of dbt's that says why.
    """
    variables = environment(settings.lake_root, settings.warehouse_path)
    folder = settings.dbt_dir.resolve() / "manifest"
    manifest, stamp = folder / "manifest.json", folder / "made_of"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = _fingerprint(variables)
    with FileLock(folder / ".lock"):
        known = stamp.read_text() if stamp.exists() and manifest.exists() else ""
        if known != wanted:
            _parse(folder, variables)
            stamp.write_text(wanted)
        return dict(json.loads(manifest.read_text(encoding="utf-8")))


def _fingerprint(variables: dict[str, str]) -> str:
    digest = hashlib.sha256(repr(sorted(variables.items())).encode())
    files = [DBT_PROJECT / "dbt_project.yml", DBT_PROJECT / "profiles.yml"]
    for folder in DBT_SOURCES:
        files += sorted(path for path in (DBT_PROJECT / folder).rglob("*") if path.is_file())
    for path in files:
        digest.update(f"{path.relative_to(DBT_PROJECT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _parse(folder: Path, variables: dict[str, str]) -> None:
    command = [str(dbt_executable()), "--quiet", "parse", "--project-dir", str(DBT_PROJECT)]
    command += ["--profiles-dir", str(DBT_PROJECT), "--target-path", str(folder)]
    done = subprocess.run(  # noqa: S603
        [*command, "--log-path", str(folder)],
        env={**os.environ, **variables, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no output"]
        raise PermanentFailure(
            f"dbt cannot parse the models: {' '.join(lines[-3:])[:500]}",
            f"See {folder / 'dbt.log'}.",
        )
