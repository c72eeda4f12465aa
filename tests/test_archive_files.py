"""Files given by hand, several at a time: the lake is what one after the other makes of it."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import timedelta
from functools import partial, wraps
from pathlib import Path
from typing import Any

import pytest
from archive_support import (
    DAY,
    SALT,
    hour_lines,
    ingester,
    leftovers,
    line,
    packed,
    text,
    write_day,
    write_hour,
)

from assets.github import helpers, ingest
from assets.github.helpers import Helper
from assets.github.ingest import Ingester
from orchestration.clients.archive import hour_name
from orchestration.failures import PermanentFailure
from orchestration.lake import Entry, Lake

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def always_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Helpers however small the files are."""
    monkeypatch.setattr(ingest, "HELPER_BYTES", 1)


def hostile_files(folder: Path) -> list[Path]:
    """Files of which some find what others left, damaged ones, and some that are not there."""
    made: list[Path] = []
    for week in (4, 3, 2, 1, 0):
        # Thin in the last week, where three weeks before are known.
        name = hour_name(DAY - timedelta(weeks=week), 7)
        made.append(write_hour(folder / "weeks", name, text(hour_lines(7, 6 if week else 1))))
    hour = hour_name(DAY, 3)
    many = [line(number) for number in range(3000)]
    # The slow one first: the other would be done before it.
    made.append(write_hour(folder / "first", hour, text([*many, b"{bad"])))
    made.append(write_hour(folder / "second", hour, text([*hour_lines(3), *hour_lines(3, 2)])))
    made.append(write_hour(folder / "third", hour, b""))
    made.append(write_hour(folder / "fourth", hour, text([b"rubbish"])))
    made.append(write_hour(folder / "novel", hour_name(DAY, 8), text([line(1, "NovelEvent")])))
    made.append(write_hour(folder / "plain", hour_name(DAY, 8), text(hour_lines(8))))
    for name in ("same", "s a m e", "s_a_m_e"):
        made.append(write_hour(folder / "alike", name, text([*hour_lines(9), b"{bad", line(2)])))
    made.append(write_hour(folder / "other", "same", text([*hour_lines(10), b"{worse"])))
    made.append(write_hour(folder / "again", "same", text([*hour_lines(9), b"{bad", line(2)])))
    for name, data in {
        "2024-05-06-11.json.gz": packed(text(hour_lines(11)))[:-9],
        "2024-05-06-12.json.gz": b"no gzip",
        "2024-05-06-13.json.gz": b"",
        "cut.json.gz": packed(text(hour_lines(14)))[:-9],
        "plain.json": text(hour_lines(15)),
    }.items():
        made.append(folder / name)
        made[-1].write_bytes(data)
    return [*made, folder / "2024-05-06-20.json.gz", folder / "nowhere.json", made[0], made[6]]


def contents(lake: Lake) -> dict[str, Any]:
    """All that a lake holds, without the moments at which it came."""
    rows = {
        f"{table} {day}": [
            timeless(row) for row in lake.partition("gharchive", table, day).entries()
        ]
        for table in ("events", "unmodelled")
        for day in lake.days("gharchive", table)
    }
    files = {
        str(path.relative_to(lake.root)): path.read_bytes()
        for path in (lake.root / "quarantine").rglob("*")
        if path.is_file()
    }
    return {**rows, **files}


def timeless(row: Entry) -> Entry:
    return {key: value for key, value in row.items() if key != "fetched_at"}


def one_after_the_other(work: Ingester, paths: Iterable[Path]) -> list[Entry]:
    return [timeless(work.file(path)) for path in paths]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_lake_is_what_one_after_the_other_makes(
    seed: int, workers: int, tmp_path: Path, always_shared: None
) -> None:
    paths = hostile_files(tmp_path / "p")
    if seed:
        random.Random(seed).shuffle(paths)
    plain = ingester(tmp_path / "plain")
    expected = one_after_the_other(plain, paths)
    work = ingester(tmp_path / "lake", workers=workers)
    seen: list[Entry] = []
    assert [timeless(row) for row in work.files(paths, seen.append)] == expected
    assert len(seen) == len(paths)
    if workers == 1:
        assert [timeless(row) for row in seen] == expected
    assert contents(work.lake) == contents(plain.lake)
    assert leftovers(work.lake) == []
    found = {row["state"] for row in expected}
    assert found >= {"ok", "malformed_lines", "truncated", "corrupt", "missing"}
    if not seed:
        assert expected[4]["state"] == "thin"


def test_later_file_of_an_hour_replaces_one_that_takes_longer(
    tmp_path: Path, always_shared: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = write_hour(tmp_path / "slow", hour_name(DAY, 3), text(hour_lines(3)))
    quick = write_hour(tmp_path / "quick", hour_name(DAY, 3), text(hour_lines(3, 9)))
    others = [write_hour(tmp_path, hour_name(DAY, hour), text(hour_lines(hour))) for hour in (4, 5)]
    file = Ingester.file

    @wraps(file)
    def slow_here(self: Ingester, path: Path) -> Entry:
        if path == slow:
            time.sleep(0.5)
        return file(self, path)

    # Of this process only, where the first file is done.
    monkeypatch.setattr(Ingester, "file", slow_here)
    helpers.helpers(1)[0].call(os.getpid)
    work = ingester(tmp_path / "lake", workers=2)
    told = work.files([slow, quick, *others])
    assert [row["event_count"] for row in told] == [6, 9, 6, 6]
    kept = work.lake.partition("gharchive", "events", DAY).entry(hour_name(DAY, 3))
    assert kept == told[1]


@pytest.mark.parametrize("workers", [1, 2])
def test_real_files_and_a_second_version_of_each(
    real_data: Path, workers: int, tmp_path: Path, always_shared: None
) -> None:
    paths = sorted((real_data / "gharchive").iterdir())
    for path in list(paths):
        (tmp_path / path.name).write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        paths.append(tmp_path / path.name)
    plain, work = ingester(tmp_path / "plain"), ingester(tmp_path / "lake", workers=workers)
    expected = one_after_the_other(plain, paths)
    assert [timeless(row) for row in work.files(paths)] == expected
    assert contents(work.lake) == contents(plain.lake)


@pytest.mark.parametrize(
    ("one", "other", "is_one"),
    [
        ("a/2024-05-06-3.json.gz", "b/2024-05-06-3.json", True),
        ("2024-05-06-3.json.gz", "2024-04-29-3.json.gz", True),
        ("2024-05-06-3.json.gz", "2024-05-06-4.json.gz", False),
        ("2024-05-06-3.json.gz", "2024-05-07-3.json.gz", False),
        ("a/some.json.gz", "b/some.parquet", True),
        ("some.json", "others.json", False),
        ("some of it.json", "some_of_it.json", True),
        (f"{'long' * 40}1.json", f"{'long' * 40}2.json", True),
        ("2024-05-06-3.json.gz", "2024-05-06-03.json.gz", False),
        (".json.gz", "...json.gz", True),
    ],
)
def test_files_that_may_find_each_other_are_of_one_chain(
    one: str, other: str, is_one: bool
) -> None:
    assert (ingest._chain_of(Path(one)) == ingest._chain_of(Path(other))) is is_one


def test_little_work_is_not_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = Helper()
    monkeypatch.setattr(helpers, "_helpers", [helper])
    write_day(tmp_path / "p", hours=range(6))
    work = ingester(tmp_path / "lake", workers=2)
    paths = sorted((tmp_path / "p").iterdir())
    assert len(work.files(paths)) == 6
    assert not helper.is_running
    # As is what one process alone may do.
    monkeypatch.setattr(ingest, "HELPER_BYTES", 1)
    assert len(work.files(paths[:1] * 6)) == 6
    assert not helper.is_running
    assert len(work.files(paths)) == 6
    assert helper.is_running


@pytest.mark.parametrize("workers", [1, 2])
def test_condition_of_the_machine_ends_the_work(
    workers: int, tmp_path: Path, always_shared: None
) -> None:
    work = ingester(tmp_path / "lake", workers=workers)
    spoilt = work.lake.partition("gharchive", "events", DAY + timedelta(1))
    spoilt.folder.mkdir(parents=True)
    spoilt.manifest.write_text("{", encoding="utf-8")
    first = write_hour(tmp_path / "p", hour_name(spoilt.day, 0), text(hour_lines(0)))
    write_day(tmp_path / "others")
    with pytest.raises(PermanentFailure, match="cannot be read") as failure:
        work.files([first, *(tmp_path / "others").iterdir()])
    # Also while the failure is still at hand, with the frames that it passed.
    assert failure.tb is not None
    assert leftovers(work.lake) == []
    assert len(work.lake.partition("gharchive", "events", DAY).entries()) < 20


PROGRAM = """
import sys
from pathlib import Path
from assets.github import ingest
from orchestration.lake import Lake
from orchestration.settings import ArchiveSettings

root, folder = map(Path, sys.argv[1:])
ingest.HELPER_BYTES = 1
work = ingest.Ingester(Lake(root), ArchiveSettings(workers=2), SALT)
paths = sorted(folder.iterdir()) * 40
try:
    work.files(paths, lambda row: print(row["name"], flush=True))
except KeyboardInterrupt:
    sys.exit(130)
""".replace("SALT", repr(SALT))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no group of processes")
def test_ctrl_c_ends_the_work_and_leaves_a_whole_lake(tmp_path: Path) -> None:
    write_day(tmp_path / "p")
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "lake"), str(tmp_path / "p")], cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # What a shell starts in the background ignores it.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        names = {process.stdout.readline().strip() for _ in range(5)}
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (130, "")
    lake = Lake(tmp_path / "lake")
    entries = lake.partition("gharchive", "events", DAY).entries()
    assert {entry["name"] for entry in entries} >= names
    assert leftovers(lake) == []
