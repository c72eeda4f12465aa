"""dbt's manifest of the project, and what a dbt command needs to know.

Belongs here: where the project is, its variables, parsing it. Does not belong here: building
(assets.warehouse), and anything of Dagster: a manifest is made while that is imported.
"""

import hashlib
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

from filelock import FileLock

from orchestration.failures import PermanentFailure
from orchestration.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
DBT_PROJECT = ROOT / "dbt_project"
# What the manifest is made of; target/ and logs/ are what is made of it.
DBT_SOURCES = ("models", "macros", "seeds", "tests")


def environment(
    lake_root: Path, warehouse: Path, window: tuple[date, date] | None = None
) -> dict[str, str]:
    """The variables that the dbt project reads.

    Args:
        window: the file days a build is about, both included; none for all of the lake.
    """
    first, last = (day.isoformat() for day in window) if window else ("", "")
    return {
        "OSMOSCOPE_LAKE": str(lake_root.resolve()),
        "OSMOSCOPE_WAREHOUSE": str(warehouse.resolve()),
        "OSMOSCOPE_MIN_DAY": first,
        "OSMOSCOPE_MAX_DAY": last,
    }


def dbt_executable() -> Path:
    """Our command for it beside the running interpreter, whatever the PATH says.

    Raises:
        PermanentFailure: there is none, as in an environment of an earlier version.
    """
    executable = Path(sys.executable).parent / "osmoscope-dbt"
    if not executable.exists():
        raise PermanentFailure(
            f"{executable} is missing.",
            "Install the project again: `make demo`, or `pip install --no-deps --editable .`.",
        )
    return executable


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
