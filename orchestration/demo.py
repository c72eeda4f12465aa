"""The demonstration: an installation of its own, mining a synthetic twin of both platforms.

Belongs here: the demonstration's folder, settings and nights, and the twin's process. Does not
belong here: what the twin is (twin) and how a night is run (runs).

Nothing of the pipeline knows that its sources are synthetic: it asks an archive, a GitHub and a
Hub by HTTP, which happen to listen on loopback. What was planted lies beside the world, and only
the report reads it.
"""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from orchestration.ahead import imported_ahead
from orchestration.failures import PermanentFailure, TransientFailure
from orchestration.lake import write_atomically
from orchestration.manifest import dbt_manifest
from orchestration.settings import CONFIG_NAME, Settings

# The last day without and with the payloads that lost their commits: both eras are shown.
DAYS = [date(2025, 10, 6), date(2025, 10, 7)]
SEED = 2016
SCALE = "demo"
# Any token will do for the twin, and a real one is not shown to it.
TOKEN = "demonstration"  # noqa: S105 - no secret
# Made from the world, and made anew with another one.
DERIVED = ("lake", "state", "published", "dagster", "world", "themes")
# The verification sample that made-up people code.
SAMPLE = "demo"
# What the twin writes into the folder.
READY, LOG = "twin.json", "twin.log"
START_SECONDS = 120.0
END_SECONDS = 10.0

_SETTINGS = """\
# Made by `osmoscope demo`: an installation on synthetic data, with no network and no token.
# Its sources answer while the twin is served:
#   {serve}
data_dir = "."

[archive]
sources = ["{archive}"]
first_day = {first_day}

[github]
endpoint = "{github}"
repository_limit = 500
# The platforms' largest have millions of commits.
history_limit = 4
commit_limit = 300
member_limit = 100

[huggingface]
endpoint = "{hub}"
history_limit = 100000

[study.networks]
# Of a small world a few runs and draws tell as much.
community_runs = 25
null_draws = 10

[study.themes]
training_limit = 1000

[publish]
planted = "planted.json"
"""


@dataclass(frozen=True)
class Demo:
    """A demonstration whose twin is served, at the end of its first night's day.

    Attributes:
        serve: the command that serves the twin again, later.
    """

    folder: Path
    config: Path
    settings: Settings
    address: dict[str, Any]
    serve: str

    def until(self, day: date) -> None:
        """Let the twin's time pass until a day is over, and take over what it then planted."""
        import requests

        from twin.truth import planted_reference

        now = requests.get(f"{self.address['url']}/_twin/clock", timeout=60).json()
        missing = (day - date.fromisoformat(now["last_day"])).days
        if missing > 0:
            asked = f"{self.address['url']}/_twin/advance"
            requests.post(asked, json={"days": missing}, timeout=600).raise_for_status()
        planted = json.dumps(planted_reference(self.folder / "world"), indent=1)
        write_atomically(self.folder / "planted.json", planted)


@contextmanager
def prepared(folder: Path, scale: str = SCALE, seed: int = SEED) -> Iterator[Demo]:
    """Serve a twin and write the settings that mine it; what was mined of the same is kept.

    Args:
        folder: the installation's data folder; made if needed.
        scale: a preset of the twin.
        seed: another seed gives another world.

    Raises:
        PermanentFailure: the folder holds something else.
        TransientFailure: the twin does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _make_room(folder, {"scale": scale, "seed": seed, "days": [day.isoformat() for day in DAYS]})
    with _served(folder, scale, seed) as twin:
        # dbt reads the models, and the orchestrator is imported, while the world is made.
        with imported_ahead(["orchestration.runs"]):
            dbt_manifest(Settings(data_dir=folder))
        address = _ready(twin, folder)
        config = folder / CONFIG_NAME
        serve = _again(scale, seed, address)
        text = _SETTINGS.format(
            serve=serve,
            archive=address["archive"],
            github=address["github"],
            hub=address["hub"],
            first_day=DAYS[0],
        )
        write_atomically(config, text)
        yield Demo(folder, config, Settings.load(config), address, serve)


def verify_themes(made: Demo) -> int:
    """Let two made-up people code a verification sample, as far as its texts' themes were planted.

    They read the truth, each with mistakes of their own, and settle what they differ on by it. An
    installation with real data has people for this: `osmoscope themes sample`, `themes label`.

    Returns:
        Posts that both coded.
    """
    from assets.study.themes.codebook import load_codebook
    from assets.study.themes.fieldwork import draw_from_warehouse
    from assets.study.themes.labels import Label, append_labels, samples_folder
    from twin.reviewers import reviews

    folder, now = samples_folder(made.folder), datetime.now(UTC)
    sample = draw_from_warehouse(made.settings.warehouse_path, made.settings.study, folder, SAMPLE)
    told = reviews(
        made.folder / "world", _names_of(made, sample.keys), seed=made.settings.study.seed
    )
    version = load_codebook().version
    labels = [
        Label(
            SAMPLE, one.message_key, one.coder, one.primary, one.secondary,
            is_unclear=False, labelled_at=now, codebook_version=version,
        )
        for one in told
    ]  # fmt: skip
    for coder in sorted({label.coder for label in labels}):
        append_labels(folder, [label for label in labels if label.coder == coder])
    return len({one.message_key for one in told})


def _names_of(made: Demo, keys: list[str]) -> dict[str, tuple[str, int]]:
    """Key of a message to its repository, as the truth names it, and its number there."""
    import duckdb

    with duckdb.connect(str(made.settings.warehouse_path), read_only=True) as warehouse:
        rows = warehouse.execute(
            "SELECT message_key, if(platform = 'github', native_id, repository_name),"
            " thread_number FROM core.fct_message INNER JOIN core.dim_repository"
            " USING (platform, repository_key) WHERE message_key IN (SELECT unnest($keys))",
            {"keys": keys},
        ).fetchall()
    return {key: (str(name), int(number)) for key, name, number in rows}


def _make_room(folder: Path, wanted: dict[str, Any]) -> None:
    """Another world replaces what was made of the last one: never in a folder of real data."""
    marker = folder / "world.json"
    if not marker.exists() and any(folder.iterdir()):
        raise PermanentFailure(
            f"The folder {folder} holds something that is no demonstration.",
            "Give an empty or a new folder with --folder.",
        )
    known = json.loads(marker.read_text(encoding="utf-8")) if marker.exists() else None
    if known != wanted:
        write_atomically(marker, json.dumps("unfinished"))
        for derived in DERIVED:
            shutil.rmtree(folder / derived, ignore_errors=True)
        (folder / "warehouse.duckdb").unlink(missing_ok=True)
        write_atomically(marker, json.dumps(wanted))


def _again(scale: str, seed: int, address: dict[str, Any]) -> str:
    port = address["url"].rsplit(":", 1)[1]
    return (
        f"osmoscope twin serve --scale {scale} --seed {seed} --first-day {DAYS[0]} "
        f"--days-elapsed {len(DAYS)} --port {port} --no-limits"
    )


@contextmanager
def _served(folder: Path, scale: str, seed: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A twin in a process of its own, which ends with ours."""
    ready = folder / READY
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-c", "from orchestration.cli import main; main()", "twin", "serve"]
    command += ["--scale", scale, "--seed", str(seed), "--first-day", DAYS[0].isoformat()]
    command += ["--no-limits", "--truth", str(folder / "world" / "truth")]
    command += ["--ready-file", str(ready), "--until-closed"]
    with (folder / LOG).open("wb") as log:
        # What it waits for on its standard input is the end of this process.
        process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _ready(process: "subprocess.Popen[bytes]", folder: Path) -> dict[str, Any]:
    """The twin's addresses, when it serves."""
    ready, log = folder / READY, folder / LOG
    ends_at = time.monotonic() + START_SECONDS
    while time.monotonic() < ends_at and process.poll() is None:
        if ready.exists():
            address: dict[str, Any] = json.loads(ready.read_text(encoding="utf-8"))
            return address
        time.sleep(0.05)
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["no message"]
    raise TransientFailure(
        f"The twin does not serve: {lines[-1]}", f"Look into {log}, then run the demo again."
    )
