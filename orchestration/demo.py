"""The demonstration: an installation of its own on data that the project makes itself.

Belongs here: the demonstration's folder, settings and days. Does not belong here: how the
data are made (twin) and run (runs).
"""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from orchestration.failures import PermanentFailure
from orchestration.lake import write_atomically
from orchestration.settings import CONFIG_NAME, Settings

# The last day without and with the payloads that lost their commits: both eras are shown.
DAYS = [date(2025, 10, 6), date(2025, 10, 7)]
OBSERVED_ON = date(2025, 10, 8)
SEED = 2016
SCALE = "demo"
# Made from the world, and made anew with another one.
DERIVED = ("lake", "state", "published", "dagster")

_SETTINGS = """\
# Made by `osmoscope demo`: an installation on synthetic data, with no network and no token.
data_dir = "."

[archive]
sources = ["world/archive"]
first_day = {first_day}

[huggingface]
source = "dump"
dump = ["world/hub/models.jsonl.gz", "world/hub/commits.jsonl.gz", "world/hub/discussions.jsonl.gz"]
dump_observed_on = {observed_on}

[publish]
planted = "planted.json"
"""


@dataclass(frozen=True)
class Demo:
    """A demonstration that is ready to run."""

    folder: Path
    config: Path
    settings: Settings


def prepare(folder: Path, scale: str = SCALE, seed: int = SEED) -> Demo:
    """Write the world, its planted truth and the settings; a world that is there is kept.

    Args:
        folder: the installation's data folder; made if needed.
        scale: a preset of the twin.
        seed: another seed gives another world.
    """
    from orchestration.build import dbt_manifest

    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / "world.json"
    _refuse_foreign(folder, marker)
    wanted = {"scale": scale, "seed": seed, "days": [day.isoformat() for day in DAYS]}
    known = json.loads(marker.read_text(encoding="utf-8")) if marker.exists() else None
    if known != wanted:
        write_atomically(marker, json.dumps("unfinished"))
        for derived in DERIVED:
            shutil.rmtree(folder / derived, ignore_errors=True)
        (folder / "warehouse.duckdb").unlink(missing_ok=True)
    config = folder / CONFIG_NAME
    text = _SETTINGS.format(first_day=DAYS[0], observed_on=OBSERVED_ON)
    write_atomically(config, text)
    settings = Settings.load(config)
    with ThreadPoolExecutor(1) as pool:
        # dbt reads the models in a process of its own while the world is written.
        parsed = pool.submit(dbt_manifest, settings)
        if known != wanted:
            _write_world(folder, scale, seed)
            write_atomically(marker, json.dumps(wanted))
        parsed.result()
    return Demo(folder, config, settings)


def _write_world(folder: Path, scale: str, seed: int) -> None:
    from twin.generate import write_world
    from twin.truth import planted_reference

    write_world(folder / "world", scale, seed, DAYS)
    planted = planted_reference(folder / "world")
    write_atomically(folder / "planted.json", json.dumps(planted, indent=1))


def _refuse_foreign(folder: Path, marker: Path) -> None:
    """Another world replaces what was made of the last one: never in a folder of real data."""
    if not marker.exists() and any(folder.iterdir()):
        raise PermanentFailure(
            f"The folder {folder} holds something that is no demonstration.",
            "Give an empty or a new folder with --folder.",
        )
