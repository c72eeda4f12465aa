"""Whatever happens to a night of mining, the lake ends the same, row for row.

The twin serves both platforms with limits; one installation is mined in peace, one through every
fault that the twin knows, one is killed again and again.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from command import environment_of
from mining_child import BUG, SALT

from assets.github.ingest import Ingester
from orchestration.clients.archive import ArchiveSource
from orchestration.lake import Lake
from orchestration.parquet import asking_files
from orchestration.settings import ArchiveSettings
from twin.server import hub_api
from twin.server.app import Service, serving
from twin.server.faults import FaultRule
from twin.server.hub_api import PageSizes
from twin.server.limits import GitHubLimits, HubLimits, LimitSettings

FIRST_DAY = date(2025, 10, 6)
KILLS = 20
# Accounting differs by what happened; the ledger of what was asked does not.
NOT_COMPARED = {"requests"}
# The platforms' own limits in shorter windows; GitHub's pace of a minute as it is.
LIMITS = LimitSettings(
    github=GitHubLimits(authenticated=1_500, graphql=600, window_seconds=4),
    hub=HubLimits(api_authenticated=800, window_seconds=4),
)
EVERY_FAULT = [
    FaultRule(kind="latency", path="/*", probability=0.02, seconds=0.05, seed=1),
    FaultRule(kind="reset", path="/*", probability=0.04, seed=2),
    FaultRule(kind="status", path="/*", probability=0.04, status=503, seed=3),
    FaultRule(kind="status", path="/hub/*", probability=0.02, status=504, seed=4),
    FaultRule(kind="status", path="/github/*", probability=0.02, status=502, retry_after=0, seed=5),
    FaultRule(kind="truncated", path="/*", probability=0.04, share=0.7, seed=6),
    FaultRule(kind="drift", path="/*", probability=0.15, items=1, seed=7),
    FaultRule(kind="drift", path="/*", probability=0.1, items=-1, seed=8),
    FaultRule(kind="skew", path="/*", probability=0.1, seconds=1800.0, seed=9),
]


class Zygote:
    """The process whose children mine."""

    def __init__(self) -> None:
        environment = environment_of(
            GITHUB_TOKEN="one-token, another-token", HF_TOKEN="hub-token",
            PYTHONPATH=os.pathsep.join([str(Path(__file__).parents[1]), os.environ["PYTHONPATH"]]),
        )  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "mining_child.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip

    def start(self, config: Path, day: date) -> int:
        """Begin a night; returns the child's number."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{config}\t{day}\n")
        self._process.stdin.flush()
        return int(self._line())

    def ended(self) -> int:
        """Wait for the child; returns its exit code, negative for a signal."""
        return int(self._line())

    def mine(self, config: Path, day: date) -> None:
        """A night until it is complete; what got no answer is asked again as an operator would."""
        for _ in range(5):
            self.start(config, day)
            code = self.ended()
            assert code != BUG
            if code == 0:
                return
        raise AssertionError("the night is not complete after five tries")

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def close(self) -> None:
        """End with all children."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


@dataclass
class Stage:
    """A served twin, an installation that holds its archive, and who mines."""

    service: Service
    folder: Path
    zygote: Zygote
    day: date

    def installation(self, name: str) -> Path:
        """Settings of a new installation, whose lake has the archive's events."""
        root = self.folder / name
        shutil.copytree(self.folder / "archive", root / "data" / "lake")
        twin = self.service.twin
        config = root / "osmoscope.toml"
        config.write_text(
            f"""
            [archive]
            first_day = {FIRST_DAY}
            [github]
            endpoint = "{twin.github_base}"
            history_limit = 10
            commit_limit = 400
            batch_size = 50
            attempts = 12
            [huggingface]
            endpoint = "{twin.hub_base}"
            history_limit = 60
            liker_limit = 15
            page_size = 100
            attempts = 12
            """,
            encoding="utf-8",
        )
        return config


@contextmanager
def patched(patch: pytest.MonkeyPatch, *given: Any) -> Iterator[None]:
    patch.setattr(*given)
    yield


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("equality")
    sizes = PageSizes(repositories=100, commits=10, discussions=5, members=4, likers=20, likes=20)
    with (
        # Short pages, so that lists of a tiny world have several.
        pytest.MonkeyPatch.context() as patch,
        patched(patch, hub_api, "PageSizes", lambda: sizes),
        serving("tiny", 5, FIRST_DAY, days_elapsed=2, limits=LIMITS) as service,
    ):
        settings = ArchiveSettings(sources=[service.twin.archive_base], first_day=FIRST_DAY)
        ingester = Ingester(Lake(folder / "archive"), settings, SALT)
        ingester.prepare()
        for k in range(2):
            ingester.day(ArchiveSource(settings.sources), FIRST_DAY + timedelta(k))
        zygote = Zygote()
        try:
            yield Stage(service, folder, zygote, datetime.now(UTC).date())
        finally:
            zygote.close()


@pytest.fixture(scope="module")
def peaceful(stage: Stage) -> tuple[Path, float]:
    config = stage.installation("peaceful")
    began = time.monotonic()
    stage.zygote.mine(config, stage.day)
    return config, time.monotonic() - began


@cache
def rows_of(config: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every mined table of an installation that is done."""
    raw = config.parent / "data" / "lake" / "raw"
    found: dict[str, list[tuple[Any, ...]]] = {}
    for table in sorted(raw.glob("*/*")):
        if table.parent.name == "gharchive" or table.name in NOT_COMPARED:
            continue
        files = [
            str(manifest.parent / entry["file"])
            for manifest in table.glob("day=*/manifest.json")
            for entry in json.loads(manifest.read_text())["entries"]
            if entry["file"]
        ]
        sql = f"select columns(*)::varchar from read_parquet({files}) order by all"
        with asking_files() as connection:
            found[f"{table.parent.name}/{table.name}"] = (
                connection.execute(sql).fetchall() if files else []
            )
    return found


def assert_equal(config: Path, reference: Path) -> None:
    found, wanted = rows_of(config), rows_of(reference)
    assert found.keys() == wanted.keys()
    for table in wanted:
        missing = sorted(set(wanted[table]) - set(found[table]), key=str)[:3]
        surplus = sorted(set(found[table]) - set(wanted[table]), key=str)[:3]
        assert not missing + surplus, f"{table}: missing {missing}, surplus {surplus}"
        assert found[table] == wanted[table], table


def test_the_night_brings_every_table(peaceful: tuple[Path, float]) -> None:
    found = rows_of(peaceful[0])
    wanted = {
        "github/repositories", "github/commits", "github/issues", "github/issue_comments",
        "github/pull_requests", "github/organisation_members", "github/answers",
        "huggingface/models", "huggingface/datasets", "huggingface/spaces", "huggingface/commits",
        "huggingface/discussions", "huggingface/discussion_events", "huggingface/accounts",
        "huggingface/organisation_members", "huggingface/likers", "huggingface/answers",
    }  # fmt: skip
    assert {table for table, rows in found.items() if rows} >= wanted


def test_every_fault_at_once_changes_nothing(stage: Stage, peaceful: tuple[Path, float]) -> None:
    config = stage.installation("faulty")
    stage.service.faults.set(EVERY_FAULT)
    try:
        stage.zygote.mine(config, stage.day)
    finally:
        fired = {rule["name"]: rule["fired"] for rule in stage.service.faults.as_json()}
        stage.service.faults.set([])
    assert len(fired) == len(EVERY_FAULT)
    assert all(fired.values()), fired
    assert_equal(config, peaceful[0])


def test_twenty_kills_change_nothing(stage: Stage, peaceful: tuple[Path, float]) -> None:
    reference, seconds = peaceful
    draw = random.Random(11)
    kills = rounds = 0
    while kills < KILLS:
        rounds += 1
        config = stage.installation(f"killed-{rounds}")
        is_whole = False
        while not is_whole and kills < KILLS:
            pid = stage.zygote.start(config, stage.day)
            time.sleep(draw.uniform(0.0, seconds / 6))
            # It may be whole, and gone, before its time has come.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            code = stage.zygote.ended()
            is_whole = code == 0
            kills += code == -signal.SIGKILL
            assert code in (0, -signal.SIGKILL)
        stage.zygote.mine(config, stage.day)
        assert_equal(config, reference)
    assert kills == KILLS


def test_no_request_was_above_a_limit(stage: Stage, peaceful: tuple[Path, float]) -> None:
    # A refusal of GitHub is a 403 as well; nothing here is forbidden for another reason but the
    # Hub's hidden lists and gates.
    counters = stage.service.counters.as_json()
    assert sum(counts.get("429", 0) for counts in counters.values()) == 0
    assert counters["github.rest"].get("403", 0) == 0
    assert counters["github.graphql"].get("403", 0) == 0
