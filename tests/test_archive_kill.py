"""SIGKILL in the middle of an ingest: nothing half is ever seen, and a restart completes it."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from archive_support import DAY, SALT, event_ids, leftovers, line, rows, text, write_hour

from orchestration.clients.archive import hour_name
from orchestration.lake import Lake, Partition, sha256_of_file

ROOT = Path(__file__).resolve().parents[1]
EVENTS_AN_HOUR = 100

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")

# Arguments: lake, folder of hours, workers, step at which the process kills itself (or 0), and
# whether before or after that step. A step is a rename out of tmp/: nothing else changes what
# readers see.
PROGRAM = """
import os, signal, sys
from datetime import date
from pathlib import Path
from assets.github.ingest import Ingester
from orchestration.clients.archive import ArchiveSource
from orchestration.lake import Lake
from orchestration.settings import ArchiveSettings

root, folder, workers, step, when = sys.argv[1:6]
work = Ingester(Lake(Path(root)), ArchiveSettings(workers=int(workers)), SALT)
work.prepare()
steps, rename = 0, Path.replace
def replace(self, target):
    global steps
    if Path(target).parent == Path(root) / "tmp":
        return rename(self, target)
    steps += 1
    if steps == int(step) and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = rename(self, target)
    if steps == int(step):
        os.kill(os.getpid(), signal.SIGKILL)
    return result
Path.replace = replace
print("ready", flush=True)
say = lambda row: print(row["hour"], flush=True)
work.day(ArchiveSource([folder]), date(2024, 5, 6), progress=say)
print("steps", steps, flush=True)
""".replace("SALT", repr(SALT))


def started(
    lake: Lake, hours: Path, workers: int = 2, step: int = 0, when: str = "after"
) -> "subprocess.Popen[str]":
    arguments = [str(lake.root), str(hours), str(workers), str(step), when]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def write_hours(folder: Path, events: int = EVENTS_AN_HOUR) -> Path:
    """24 hours; some have a duplicate, a bad line or an unknown type."""
    for hour in range(24):
        data = [line(hour * 1000 + number) for number in range(events)]
        if hour % 6 == 1:
            data += [data[0], b"{bad"]
        if hour % 6 == 2:
            data.append(line(hour * 1000 + 999, "NovelEvent", payload={"a": 1}))
        write_hour(folder, hour_name(DAY, hour), text(data))
    return folder


def partitions(lake: Lake) -> list[Partition]:
    return [lake.partition("gharchive", table, DAY) for table in ("events", "unmodelled")]


def check_readable(lake: Lake) -> None:
    """Whatever was killed when: every named file is there, whole, and has its rows."""
    for partition in partitions(lake):
        for entry in partition.entries():
            path = partition.folder / entry["file"]
            assert sha256_of_file(path) == entry["content_hash"]
    loaded = sum(entry["event_count"] for entry in partitions(lake)[0].entries())
    assert len(rows(lake, columns="event_id")) == loaded


def contents(lake: Lake) -> list[dict[str, str]]:
    return [
        {entry["name"]: entry["content_hash"] for entry in partition.entries()}
        for partition in partitions(lake)
    ]


def quarantine(lake: Lake) -> dict[str, bytes]:
    folder = lake.root / "quarantine"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def run(lake: Lake, hours: Path, workers: int = 2) -> int:
    process = started(lake, hours, workers)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0
    return int(output.split()[-1])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Lake]:
    folder = tmp_path_factory.mktemp("kill")
    hours, lake = write_hours(folder / "hours"), Lake(folder / "lake")
    run(lake, hours)
    check_readable(lake)
    assert len(event_ids(lake)) == 24 * EVENTS_AN_HOUR + 4
    assert len(contents(lake)[0]) == 24 and len(contents(lake)[1]) == 4
    return hours, lake


def check_completed(lake: Lake, whole: Lake) -> None:
    check_readable(lake)
    assert contents(lake) == contents(whole)
    assert event_ids(lake) == event_ids(whole)
    assert quarantine(lake) == quarantine(whole)
    assert leftovers(lake) == []
    for partition in partitions(lake):
        assert partition.content_hash() == lake_hash(whole, partition.table)
    # The day's own clean-up has deleted what no manifest names.
    events = partitions(lake)[0]
    assert len(list(events.folder.glob("*.parquet"))) == 24


def lake_hash(lake: Lake, table: str) -> str:
    return lake.partition("gharchive", table, DAY).content_hash()


@pytest.mark.parametrize("seed", range(2))
def test_random_kills_then_a_restart(
    seed: int, undisturbed: tuple[Path, Lake], tmp_path: Path
) -> None:
    hours, whole = undisturbed
    lake, rng = Lake(tmp_path / "lake"), random.Random(seed)
    kills = 0
    for _ in range(3):
        process = started(lake, hours, workers=rng.choice([1, 2, 4]))
        assert process.stdout is not None
        # Killed some milliseconds after so many hours were done.
        for _ in range(rng.randint(1, 6)):
            process.stdout.readline()
        time.sleep(rng.random() * 0.06)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        process.stdout.close()
        check_readable(lake)
    assert kills >= 2
    run(lake, hours)
    check_completed(lake, whole)


@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_at_every_rename(when: str, undisturbed: tuple[Path, Lake], tmp_path: Path) -> None:
    """One worker, killed at each rename of the first hours in turn, and going on from there."""
    hours, whole = undisturbed
    lake = Lake(tmp_path / "lake")
    seen = set()
    for step in (1, 2, 4):
        process = started(lake, hours, workers=1, step=step, when=when)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        check_readable(lake)
        seen.add(len(contents(lake)[0]))
    assert len(seen) >= 2
    run(lake, hours)
    check_completed(lake, whole)


def test_restart_reads_no_leftover_and_cleans_up(
    undisturbed: tuple[Path, Lake], tmp_path: Path
) -> None:
    hours, whole = undisturbed
    lake = Lake(tmp_path / "lake")
    process = started(lake, hours, workers=1, step=1, when="after")
    process.communicate(timeout=60)
    folder = partitions(lake)[0].folder
    # Moved into place, named by no manifest: a reader sees nothing of it.
    assert len(list(folder.glob("*.parquet"))) == 1
    assert (partitions(lake)[0].entries(), rows(lake)) == ([], [])
    left = leftovers(lake)
    assert left and all(name.startswith(f"{process.pid}-") for name in left)
    (folder / "2024-05-06-0.0123456789ab.parquet").write_bytes(b"half a file")
    run(lake, hours)
    check_completed(lake, whole)


def test_kill_during_a_refresh_keeps_the_old_version(
    undisturbed: tuple[Path, Lake], tmp_path: Path
) -> None:
    hours, lake = write_hours(tmp_path / "hours", 20), Lake(tmp_path / "lake")
    run(lake, hours)
    before = partitions(lake)[0].entries()
    program = PROGRAM.replace("progress=", "refresh=True, progress=")
    write_hours(tmp_path / "hours", 30)
    for step in (1, 3):
        arguments = [str(lake.root), str(hours), "1", str(step), "after"]
        process = subprocess.run(
            [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, check=False
        )
        assert process.returncode == -signal.SIGKILL
        check_readable(lake)
        after = partitions(lake)[0].entries()
        assert [entry["name"] for entry in after] == [entry["name"] for entry in before]
        changed = [a for a, b in zip(after, before, strict=True) if a != b]
        assert len(changed) == (0 if step == 1 else 1)
    assert json.loads(partitions(lake)[0].manifest.read_text())["format"] == 1
