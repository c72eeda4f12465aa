"""A listing of the Hub that is killed at any moment goes on and ends the same."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hub_server import Hub, model, serving

from assets.huggingface import normalise, snapshot
from assets.huggingface.snapshot import Snapshotter
from orchestration.clients.huggingface import RepositoryPages, hub_client
from orchestration.lake import Lake

SALT = b"0123456789abcdef-salt"
DAY = date(2026, 8, 22)
PAGE_SIZE = 20
MODELS = 500
ROOT = Path(__file__).parents[1]
SCRIPT = """
import sys
from datetime import date
from pathlib import Path
from assets.huggingface.snapshot import Snapshotter
from orchestration.clients.huggingface import RepositoryPages, hub_client
from orchestration.lake import Lake

salt = sys.argv[3].encode()
snapshotter = Snapshotter(Lake(Path(sys.argv[1])), salt)
snapshotter.prepare()
pages = RepositoryPages(hub_client(sys.argv[2], [], salt), page_size=int(sys.argv[4]))
snapshotter.ingest_api(pages, date(2026, 8, 22))
"""


@pytest.fixture
def hub() -> Iterator[Hub]:
    models = [model(number) for number in range(MODELS)]
    models[333] = {"id": "bad/line", "likes": "many"}
    models[401] = dict(models[5])
    with serving(models) as server:
        yield server


def pages_of(hub: Hub, size: int = PAGE_SIZE) -> RepositoryPages:
    return RepositoryPages(hub_client(hub.url, [], SALT), page_size=size)


def started(lake: Lake, hub: Hub) -> subprocess.Popen[bytes]:
    arguments = [str(lake.root), hub.url, SALT.decode(), str(PAGE_SIZE)]
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "0"},
        stderr=subprocess.PIPE,
    )


def kept_pages(lake: Lake) -> int:
    """Pages that the checkpoint counts."""
    path = lake.root / "checkpoints" / "huggingface" / "models" / "checkpoint.json"
    return int(json.loads(path.read_text())["page_count"]) if path.exists() else 0


def entries(lake: Lake) -> list[dict[str, Any]]:
    return lake.partition("huggingface", "models", DAY).entries()


def test_killed_at_random_moments(tmp_path: Path, hub: Hub) -> None:
    whole = Lake(tmp_path / "whole")
    expected = Snapshotter(whole, SALT).ingest_api(pages_of(hub), DAY)
    assert (expected["row_count"], expected["malformed_count"]) == (MODELS - 2, 1)
    hub.requests.clear()
    chance = random.Random(time.time_ns())
    lake = Lake(tmp_path / "killed")
    kills = 0
    for _ in range(2):
        kept, asked = kept_pages(lake), len(hub.requests)
        process = started(lake, hub)
        wanted = asked + chance.randint(1, 9)
        while len(hub.requests) < wanted and process.poll() is None:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.06))
        process.send_signal(signal.SIGKILL)
        _, told = process.communicate()
        assert process.returncode == -signal.SIGKILL, told.decode()
        kills += 1
        # Begins right after the last kept page, and loses one page at most.
        assert hub.starts[asked] == kept * PAGE_SIZE
        assert kept_pages(lake) >= kept + len(hub.requests) - asked - 1
        assert entries(lake) == []
    process = started(lake, hub)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told.decode()
    (entry,) = entries(lake)
    assert entry["content_hash"] == expected["content_hash"]
    assert entry["source_sha256"] == expected["source_sha256"]
    assert entry["duplicate_count"] == expected["duplicate_count"] == 1
    pages = MODELS // PAGE_SIZE
    assert pages <= len(hub.requests) <= pages + kills
    assert set(hub.starts) == set(range(0, MODELS, PAGE_SIZE))
    assert kept_pages(lake) == 0
    assert sorted(path.suffix for path in (lake.root / "tmp").iterdir()) in ([], [".spill"])
    quarantine = lake.root / "quarantine" / "huggingface" / "api"
    assert [len(path.read_text().splitlines()) for path in quarantine.iterdir()] == [1]


class Killed(BaseException):
    """Stands for a kill at one known place."""


def killed(*_: Any, **__: Any) -> None:
    raise Killed


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (normalise, "combine"),
        (snapshot._Listing, "commit"),
        (Snapshotter, "keep_lines"),
    ],
)
def test_killed_after_the_last_page(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    lake = Lake(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, killed)
        with pytest.raises(Killed):
            Snapshotter(lake, SALT).ingest_api(pages_of(hub, 200), DAY)
    assert entries(lake) == []
    asked = len(hub.requests)
    entry = Snapshotter(lake, SALT).ingest_api(pages_of(hub, 200), DAY)
    assert entry["row_count"] == MODELS - 2
    assert len(hub.requests) == asked == 3


def test_killed_between_part_and_checkpoint(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path)
    write = snapshot.write_atomically

    def failing(path: Path, text: str) -> None:
        if path.name == "checkpoint.json" and '"page_count": 2' in text:
            raise Killed
        write(path, text)

    with monkeypatch.context() as patch:
        patch.setattr(snapshot, "write_atomically", failing)
        with pytest.raises(Killed):
            Snapshotter(lake, SALT).ingest_api(pages_of(hub, 200), DAY)
    assert kept_pages(lake) == 1
    entry = Snapshotter(lake, SALT).ingest_api(pages_of(hub, 200), DAY)
    assert hub.starts == [0, 200, 200, 400]
    assert (entry["row_count"], entry["duplicate_count"]) == (MODELS - 2, 1)


def test_killed_after_the_commit_a_refresh_still_asks(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(snapshot.Partition, "prune", killed)
        with pytest.raises(Killed):
            Snapshotter(lake, SALT).ingest_api(pages_of(hub, 250), DAY)
    assert (len(entries(lake)), kept_pages(lake)) == (1, 2)
    entry = Snapshotter(lake, SALT).ingest_api(pages_of(hub, 250), DAY, refresh=True)
    assert hub.starts == [0, 250, 0, 250]
    assert entry["row_count"] == MODELS - 2
    assert kept_pages(lake) == 0
