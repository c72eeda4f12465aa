"""The lake: what a reader can see at any moment, whoever writes and whatever is killed."""

import errno
import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from databases import database
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration import lake as lake_module
from orchestration.failures import PermanentFailure
from orchestration.lake import (
    UNFINISHED,
    Lake,
    Partition,
    clear_unfinished,
    is_running,
    safe_name,
    sha256_of_file,
    told_when_full,
    write_atomically,
    writing,
)

ROOT = Path(__file__).resolve().parents[1]
DAY = date(2024, 5, 6)
unhurried = settings(deadline=None, database=None)


@pytest.fixture
def partition(tmp_path: Path) -> Partition:
    return Lake(tmp_path / "lake").partition("s", "t", DAY)


def parquet(folder: Path, value: int) -> Path:
    path = folder / f"new{value}-{threading.get_ident()}.parquet"
    with database() as connection:
        connection.execute(f"copy (select {value} as n) to '{path}' (format parquet)")
    return path


# --- commits ---------------------------------------------------------------------------------


def test_a_partition_that_was_never_written_is_empty(partition: Partition) -> None:
    assert (partition.entries(), partition.current_files()) == ([], [])
    assert partition.entry("a") is None
    assert not partition.folder.exists()


def test_commit_moves_the_file_and_states_it(partition: Partition, tmp_path: Path) -> None:
    new = parquet(tmp_path, 1)
    digest, size = sha256_of_file(new), new.stat().st_size
    row = partition.commit({"name": "2024-05-06-1", "state": "ok", "extra": [1]}, new)
    assert not new.exists()
    assert row == {
        "name": "2024-05-06-1", "state": "ok", "extra": [1], "content_hash": digest,
        "lake_bytes": size, "file": f"2024-05-06-1.{digest[:12]}.parquet",
    }  # fmt: skip
    assert partition.entries() == [row]
    assert [sha256_of_file(path) for path in partition.current_files()] == [digest]
    document = json.loads(partition.manifest.read_text())
    assert (document["format"], document["source"], document["table"], document["day"]) == (
        1, "s", "t", "2024-05-06",
    )  # fmt: skip


def test_commit_replaces_by_name_and_keeps_the_others(partition: Partition, tmp_path: Path) -> None:
    first = partition.commit({"name": "a", "n": 1}, parquet(tmp_path, 1))
    partition.commit({"name": "b", "n": 2}, parquet(tmp_path, 2))
    partition.commit({"name": "a", "n": 3}, parquet(tmp_path, 3))
    assert [(row["name"], row["n"]) for row in partition.entries()] == [("a", 3), ("b", 2)]
    assert first["file"] not in {path.name for path in partition.current_files()}
    # A reader of the old manifest may still be at work: only prune deletes.
    assert (partition.folder / first["file"]).exists()
    partition.commit({"name": "a", "state": "missing"})
    assert partition.entry("a") == {
        "name": "a", "state": "missing", "file": None, "content_hash": None, "lake_bytes": 0,
    }  # fmt: skip
    assert len(partition.current_files()) == 1


def test_prune_deletes_what_no_manifest_names(partition: Partition, tmp_path: Path) -> None:
    partition.commit({"name": "a"}, parquet(tmp_path, 1))
    kept = partition.commit({"name": "a"}, parquet(tmp_path, 2))
    (partition.folder / "leftover.parquet").write_bytes(b"half")
    assert partition.prune() == 2
    assert [path.name for path in partition.folder.glob("*.parquet")] == [kept["file"]]
    assert partition.prune() == 0


def killed_while_writing(path: Path) -> None:
    """Let another process begin a file, and kill it before the file takes its place."""
    code = (
        "import os, signal, sys; from pathlib import Path; from orchestration.lake import writing\n"
        "with writing(Path(sys.argv[1]), '') as file:\n"
        "    file.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc")
def test_process_that_has_ended_and_is_still_listed_does_not_run(tmp_path: Path) -> None:
    """As the children of a killed process where nobody looks after them, often in containers."""
    lake = Lake(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    left = lake.scratch().with_name(f"{child.pid}-0badf00d.lines")
    left.write_bytes(b"half")
    assert is_running(child.pid) and is_running(os.getpid())
    assert lake.clean() == 0
    child.kill()
    # Waited for, and left in the list of processes.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_running(child.pid)
    assert lake.clean() == 1 and not left.exists()
    child.wait()
    assert not is_running(child.pid)


def test_what_another_process_is_writing_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "list.csv"
    with writing(target, "") as file:
        killed_while_writing(target)
        clear_unfinished(target)
        assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert [path.name for path in tmp_path.iterdir()] == ["list.csv"]


def test_prune_deletes_manifests_that_were_never_finished(
    partition: Partition, tmp_path: Path
) -> None:
    row = partition.commit({"name": "a"}, parquet(tmp_path, 1))
    (partition.folder / ".manifest.json.4194000.0badf00d").write_text('{"format": 1, "ent')
    killed_while_writing(partition.manifest)
    assert len(list(partition.folder.glob(f"{UNFINISHED}*"))) == 1
    assert partition.prune() == 0
    names = {path.name for path in partition.folder.iterdir()}
    assert names <= {"manifest.json", ".lock", row["file"]}


def test_content_hash_is_of_content_only(tmp_path: Path) -> None:
    hashes = []
    for number, names in enumerate(["ab", "ba"]):
        partition = Lake(tmp_path / str(number)).partition("s", "t", DAY)
        for name in names:
            entry = {"name": name, "fetched_at": time.time()}
            partition.commit(entry, parquet(tmp_path, ord(name)))
        hashes.append(partition.content_hash())
    assert hashes[0] == hashes[1]
    partition.commit({"name": "a"}, parquet(tmp_path, 5))
    assert partition.content_hash() != hashes[0]
    partition.commit({"name": "a"}, parquet(tmp_path, ord("a")))
    assert partition.content_hash() == hashes[0]
    partition.commit({"name": "c", "state": "missing"})
    assert partition.content_hash() != hashes[0]


def test_failing_switch_leaves_the_old_version(
    partition: Partition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = partition.commit({"name": "a"}, parquet(tmp_path, 1))

    def full(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="disk full"):
            partition.commit({"name": "a"}, parquet(tmp_path, 2))
        with pytest.raises(OSError, match="disk full"):
            partition.commit({"name": "a", "state": "missing"})
    assert partition.entries() == [old]
    assert partition.current_files()[0].exists()
    names = {path.name for path in partition.folder.iterdir()}
    assert names <= {"manifest.json", ".lock", old["file"]}


def test_write_atomically_leaves_nothing_half(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "x.json"
    write_atomically(target, "one")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(target, "two \ud800")
    assert target.read_text() == "one"
    assert [path.name for path in target.parent.iterdir()] == ["x.json"]


def test_reader_sees_whole_manifests_only(partition: Partition, tmp_path: Path) -> None:
    partition.commit({"name": "x"}, parquet(tmp_path, 0))
    problems: list[str] = []
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            try:
                files = partition.current_files()
            except PermanentFailure as error:
                problems.append(error.message)
                continue
            if not files:
                problems.append("no file")
            problems.extend(str(path) for path in files if not path.exists())

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for number in range(40):
            partition.commit(
                {"name": f"{number % 4}", "pad": "x" * 5000}, parquet(tmp_path, number)
            )
    finally:
        is_over.set()
        for reader in readers:
            reader.join()
    assert problems == []
    assert len(partition.entries()) == 5


# --- several writers -------------------------------------------------------------------------


def test_threads_lose_no_commit(partition: Partition, tmp_path: Path) -> None:
    def commit(number: int) -> None:
        partition.commit({"name": f"{number:03d}"}, parquet(tmp_path, number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(commit, range(48)))
    assert [row["name"] for row in partition.entries()] == [f"{n:03d}" for n in range(48)]
    assert all(path.exists() for path in partition.current_files())


WRITER = """
import sys
from datetime import date
from pathlib import Path
from orchestration.lake import Lake
lake = Lake(Path(sys.argv[1]))
partition = lake.partition("s", "t", date(2024, 5, 6))
for number in range(30):
    with lake.temporary(".parquet") as path:
        path.write_bytes(f"{sys.argv[2]} {number}".encode())
        partition.commit({"name": f"{sys.argv[2]}-{number:02d}"}, path)
"""


def test_processes_lose_no_commit(partition: Partition, tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "lake"), name], cwd=ROOT)
        for name in "abc"
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    expected = [f"{name}-{number:02d}" for name in "abc" for number in range(30)]
    assert [row["name"] for row in partition.entries()] == expected
    assert all(
        sha256_of_file(path) == row["content_hash"]
        for path, row in zip(partition.current_files(), partition.entries(), strict=True)
    )


def test_prune_at_any_moment_keeps_what_a_commit_brings(
    partition: Partition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, prunes = Partition._lock, iter([True])

    @contextmanager
    def pruned_first(self: Partition) -> Iterator[None]:
        if next(prunes, False):
            monkeypatch.setattr(Partition, "_lock", lock)
            self.prune()
        with lock(self):
            yield

    monkeypatch.setattr(Partition, "_lock", pruned_first)
    partition.commit({"name": "a"}, parquet(tmp_path, 1))
    assert [path.exists() for path in partition.current_files()] == [True]


# --- what cannot be read ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"null", b"[]", b'"text"', b"{}", b'{"format": 2, "entries": []}',
        b'{"format": "1", "entries": []}', b'{"format": 1}', b'{"format": 1, "entries": null}',
        b"\xff\xfe\x00", b'{"format": 1, "entries": [',
    ],
)  # fmt: skip
def test_broken_manifest_is_a_clear_failure(partition: Partition, content: bytes) -> None:
    partition.folder.mkdir(parents=True)
    partition.manifest.write_bytes(content)
    for use in (
        partition.entries, partition.current_files, partition.content_hash, partition.prune,
        lambda: partition.commit({"name": "a"}),
    ):  # fmt: skip
        with pytest.raises(PermanentFailure) as error:
            use()
        assert str(partition.manifest) in error.value.message
        assert "Delete the partition's folder and run its day again" in error.value.remedy
    assert partition.manifest.read_bytes() == content


@pytest.mark.parametrize(
    "entries",
    [
        "abc", [1], [{}], [{"state": "ok"}], {"a": 1}, [None], [{"name": 1}],
        [{"name": "a", "file": 1}], [{"name": "a", "file": "../b.parquet"}],
        [{"name": "a", "file": "/etc/passwd"}],
    ],
)  # fmt: skip
def test_broken_rows_are_a_clear_failure(partition: Partition, entries: object) -> None:
    partition.folder.mkdir(parents=True)
    partition.manifest.write_text(json.dumps({"format": 1, "entries": entries}))
    for use in (partition.content_hash, partition.current_files, partition.prune):
        with pytest.raises(PermanentFailure) as error:
            use()
        assert "Delete the partition's folder" in error.value.remedy


# --- anchor, days, temporary files -----------------------------------------------------------

SCHEMA = {"id": "BIGINT", "a name": "VARCHAR", "parts": 'STRUCT(x VARCHAR, "distinct" BOOLEAN)[]'}


def test_anchor_makes_a_table_readable(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "it's a lake")
    lake.anchor("s", {"t": SCHEMA})
    lake.anchor("s", {"t": SCHEMA})
    pattern = str(lake.table_folder("s", "t") / "*" / "*.parquet")
    with database() as connection:
        found = connection.execute("select * from read_parquet(?)", [pattern])
        assert [column[0] for column in found.description] == [*SCHEMA, "day"]
        assert found.fetchall() == []
        kinds = connection.execute(
            "select column_type from (describe select * exclude (day) from read_parquet(?))",
            [pattern],
        ).fetchall()
    assert [kind[0].replace('"', "") for kind in kinds] == [
        kind.replace('"', "") for kind in SCHEMA.values()
    ]
    assert lake.days("s", "t") == []
    assert lake.partition("s", "t", date(1970, 1, 1)).entries() == []
    assert list((lake.root / "tmp").iterdir()) == []


def test_an_anchor_gets_the_columns_that_came_later(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "it's a lake")
    lake.anchor("s", {"t": SCHEMA})
    file = lake.partition("s", "t", lake_module.ANCHOR_DAY).folder / "anchor.parquet"
    before = file.stat().st_ino
    lake.anchor("s", {"t": SCHEMA})
    assert file.stat().st_ino == before
    later = {**SCHEMA, "flag": "BOOLEAN"}
    lake.anchor("s", {"t": later})
    with database() as connection:
        described = connection.execute(
            "describe select * from read_parquet(?, hive_partitioning = false)", [str(file)]
        ).fetchall()
    assert {row[0]: row[1] for row in described} == later
    assert lake.partition("s", "t", lake_module.ANCHOR_DAY).entries() == []


def test_days_are_those_with_a_manifest(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.anchor("s", {"t": SCHEMA})
    for day in (date(2024, 5, 7), date(2015, 1, 1)):
        lake.partition("s", "t", day).commit({"name": "a"})
    lake.partition("s", "t", date(2024, 5, 9)).folder.mkdir()
    lake.partition("s", "other", date(2020, 1, 1)).commit({"name": "a"})
    assert lake.days("s", "t") == [date(2015, 1, 1), date(2024, 5, 7)]
    assert lake.days("s", "none") == []


def test_temporary_file_is_gone_afterwards(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    seen: list[Path] = []

    def fail() -> None:
        with lake.temporary(".x") as path:
            path.write_text("x")
            seen.append(path)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert seen[0].parent == tmp_path / "tmp" and seen[0].suffix == ".x"
    assert not seen[0].exists()
    with lake.temporary() as path:
        path.write_text("x")
        path.replace(tmp_path / "moved")
    assert (tmp_path / "moved").exists()


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_clean_leaves_what_living_processes_use(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    folder = tmp_path / "tmp"
    folder.mkdir()
    gone = ended_process()
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        (folder / f"{gone}-a.parquet").write_text("x")
        (folder / f"{gone}-b.spill").mkdir()
        (folder / f"{gone}-b.spill" / "inner").write_text("x")
        for name in (f"{other.pid}-c", f"{os.getpid()}-d", "1-e", "unknown-f"):
            (folder / name).write_text("x")
        old = folder / f"{os.getpid()}-old"
        old.write_text("x")
        long_ago = time.time() - lake_module.STALE_SECONDS - 60
        os.utime(old, (long_ago, long_ago))
        assert lake.clean() == 3
        assert {path.name for path in folder.iterdir()} == {
            f"{other.pid}-c", f"{os.getpid()}-d", "1-e", "unknown-f",
        }  # fmt: skip
    finally:
        other.kill()
        other.wait()
    assert lake.clean() == 1
    assert Lake(tmp_path / "none").clean() == 0


def test_clean_bears_files_that_vanish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(tmp_path)
    (tmp_path / "tmp").mkdir()
    names = [tmp_path / "tmp" / f"{os.getpid()}-gone", tmp_path / "tmp" / f"{ended_process()}-b"]
    names[1].write_text("x")
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(names))
    assert lake.clean() == 1
    assert not names[1].exists()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such modes")
def test_what_may_hold_addresses_is_private(tmp_path: Path) -> None:
    lake, given = Lake(tmp_path / "lake"), tmp_path / "given"
    given.write_bytes(b"ann@example.com")
    kept = lake.keep_bytes("s", "a", "0123456789abcdef", given)
    assert kept.name == "0123456789ab.bytes"
    assert kept.read_bytes() == b"ann@example.com"
    assert mode(kept) == 0o600
    folders = [kept.parent, kept.parent.parent, lake.root / "quarantine", lake.root / "tmp"]
    assert [mode(folder) for folder in folders] == [0o700] * 4
    assert lake.keep_bytes("s", "a", "0123456789abcdef", given) == kept
    assert list((lake.root / "tmp").iterdir()) == []


def test_a_full_disk_is_told_and_other_errors_are_not(tmp_path: Path) -> None:
    for number in (errno.ENOSPC, errno.EDQUOT):
        with pytest.raises(PermanentFailure, match="no space") as error, told_when_full(tmp_path):
            raise OSError(number, "x")
        assert str(tmp_path) in error.value.message and error.value.remedy
    with pytest.raises(PermissionError), told_when_full(tmp_path):
        raise PermissionError(errno.EACCES, "x")


# --- names -----------------------------------------------------------------------------------


@unhurried
@given(st.text(max_size=200))
def test_safe_name_is_a_plain_file_name_or_a_clear_failure(name: str) -> None:
    if not name.strip("."):
        with pytest.raises(PermanentFailure):
            safe_name(name)
        return
    safe = safe_name(name)
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,119}", safe)
    assert safe_name(safe) == safe


@unhurried
@given(st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,119}", fullmatch=True))
def test_safe_name_keeps_what_is_safe(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "a b'\"", "\n", "日本", "a" * 300])
def test_strange_names_stay_in_their_folder(
    partition: Partition, tmp_path: Path, name: str
) -> None:
    row = partition.commit({"name": name}, parquet(tmp_path, 1))
    (path,) = partition.current_files()
    assert path.resolve().parent == partition.folder.resolve()
    assert path.exists()
    assert row["name"] == name
    folder = Lake(tmp_path / "q").quarantine("s", name)
    assert folder.is_dir() and folder.resolve().parent == (tmp_path / "q/quarantine/s").resolve()
