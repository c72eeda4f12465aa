"""Taking opted-out accounts out of all that is stored: every place, resumable, nobody else's."""

import base64
import gzip
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Iterator
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from databases import database
from privacy_support import rows_of, traces

from orchestration.journal import Journal, Page
from orchestration.lake import Lake, sha256_of_file
from orchestration.privacy import optout, removal
from orchestration.privacy.masking import OWNER
from orchestration.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
SALT = b"0123456789abcdef-salt"
DAY = date(2025, 10, 7)
LOGIN, OLD_LOGIN, NUMBER = "ada-l77", "ada-before", 8675309
HUB_LOGIN = "Ada_Hub9"
HASH = "email:" + "ab" * 16
NEEDLES = (LOGIN, OLD_LOGIN, str(NUMBER), HUB_LOGIN, "ab" * 16)
PRIVATE = ("private/opt_out.csv", "lake/opted_out.json")
KILLS = 6

# Imports once. For each line of folder and step a child takes out, and is killed at that step; told
# are the steps that it made, nothing where it was killed, and its exit code.
PROGRAM = """
import os, signal, sys
import duckdb
from pathlib import Path
from orchestration.privacy import removal
from orchestration.settings import Settings

rename, count = Path.replace, 0
def replace(self, target):
    global count
    count += 1
    if count == step:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
Path.replace = replace
for line in sys.stdin:
    folder, step = line.split("\\t")[0], int(line.split("\\t")[1])
    child = os.fork()
    if child == 0:
        try:
            removal.apply(Settings(data_dir=folder), SALT)
            print(count, end="", flush=True)
        except BaseException:
            os._exit(1)
        os._exit(0)
    print("", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
""".replace("SALT", repr(SALT))


def land(lake: Lake, source: str, table: str, day: date, sql: str) -> None:
    with lake.temporary(".parquet") as parquet, database() as connection:
        connection.execute(f"copy ({sql}) to '{parquet}' (format parquet)")
        count = connection.execute(f"select count(*) from '{parquet}'").fetchall()[0][0]
        lake.partition(source, table, day).commit(
            {"name": "night-001", "state": "ok", "row_count": count, "reason": None}, parquet
        )


def events(login: str, day: date) -> str:
    return f"""
        select {NUMBER}::bigint as actor_id, '{login}' as actor_login, 1 as repository_id,
            'bob/x' as repository_name, 'by @{login}' as comment_body,
            timestamp '{day} 01:00:00' as created_at
        union all
        select 7, 'bob', 2, '{login}/y', 'seen: {login}', timestamp '{day} 02:00:00'
        union all
        select 8, 'eve', 3, 'eve/z', 'nothing', timestamp '{day} 03:00:00'
    """


def commits() -> str:
    return f"""
        select 1 as repository_id, {NUMBER}::bigint as author_id, '{LOGIN}' as author_login,
            'Ada' as author_name, '{HASH}' as author_address_hash, 'mine' as message,
            timestamp '2025-10-07' as observed_at
        union all
        select 2, null, null, 'Ada', '{HASH}', 'x\n\nSigned-off-by: Ada <{HASH}>', null
        union all
        select 3, 8, 'eve', 'Eve', 'email:{"cd" * 16}', 'eves', null
    """


def likers() -> str:
    return (
        "select 'model' as repository_type, 'o/m' as repository_name, "
        f"unnest(['{HUB_LOGIN}', 'bob']) as actor_login"
    )


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation that has stored an account everywhere, before anybody opted out."""
    folder = tmp_path_factory.mktemp("stored") / "data"
    settings = Settings(data_dir=folder)
    lake = Lake(settings.lake_root)
    for back, login in enumerate((LOGIN, LOGIN, OLD_LOGIN)):
        day = DAY - timedelta(back)
        land(lake, "gharchive", "events", day, events(login, day))
    land(lake, "gharchive", "events", DAY - timedelta(9), events("eve", DAY).replace(
        str(NUMBER), "8"))  # fmt: skip
    land(lake, "github", "commits", DAY, commits())
    land(lake, "huggingface", "likers", DAY, likers())
    _put_aside(lake)
    _journalled(settings)
    _logged(settings)
    return folder


def _put_aside(lake: Lake) -> None:
    folder = lake.quarantine("gharchive", "2025-10-07-3")
    raw = json.dumps({"actor": {"login": LOGIN}})[:-2]
    lines = [
        {"file": "f", "line": 1, "reason": "not JSON", "sha256": "s1", "text": raw},
        {"file": "f", "line": 2, "reason": "not JSON", "sha256": "s2", "text": "{eve"},
        {"file": "f", "line": 3, "reason": "odd", "sha256": "s3",
         "base64": base64.b64encode(f"\xff {LOGIN}".encode("latin-1")).decode()},
    ]  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "abc.lines.jsonl").write_text(text)
    # The end is missing, as of a file whose transfer broke off.
    tail = "".join(sha256(bytes([number])).hexdigest() for number in range(100))
    told = gzip.compress(f"{'x' * 3_000_000} {LOGIN} {tail}".encode())
    (folder / "told.bytes").write_bytes(told[:-20])
    (folder / "other.bytes").write_bytes(gzip.compress(b"eve and bob")[:-4])
    part = lake.root / "checkpoints" / "huggingface" / "models"
    part.mkdir(parents=True)
    (part / "bad-000001.jsonl").write_text(json.dumps({"text": HUB_LOGIN}) + "\n")


def _journalled(settings: Settings) -> None:
    journal = Journal(settings.mining_dir / "github.sqlite")
    journal.plan(
        [("commits", str(number), "new", json.dumps({"repository_name": name}))
         for number, name in ((1, f"{LOGIN}/y"), (2, "bob/x"), (3, "eve/z"))],
        "2025-10-07",
    )  # fmt: skip
    for number, row in ((2, {"author_login": LOGIN}), (3, {"author_login": "eve"})):
        journal.keep([page(str(number), row)], "2025-10-07")
    seen = json.dumps({"name": f"{LOGIN}/y", "owner": [NUMBER, LOGIN, "User"], "stars": 3})
    journal.remember(
        [("stocks", "1", "ok", "2025-10-06", None, seen, 1, f"{OLD_LOGIN}/y"),
         ("stocks", "3", "ok", "2025-10-06", None, '{"name": "eve/z"}', 1, None)]
    )  # fmt: skip
    journal.close()
    hub = Journal(settings.mining_dir / "huggingface.sqlite")
    hub.remember(
        [("account", HUB_LOGIN, "ok", "2025-10-06", None, None, 1, None),
         ("commits", f"model/{HUB_LOGIN}/m", "ok", "2025-10-06", None, None, 1, None),
         ("commits", "model/bob/m", "ok", "2025-10-06", None, None, 1, None)]
    )  # fmt: skip
    hub.close()
    with database(settings.mining_dir / "github-population.duckdb") as connection:
        connection.execute(f"create table repository as select '{LOGIN}/y' as name")


def page(subject: str, row: dict[str, Any]) -> Page:
    etags = [("account", f"http://127.0.0.1/repos/{LOGIN}/y/issues", "W/1")]
    lines = {"commits": [json.dumps(row)]}
    return Page(
        "commits", subject, lines, None, "ok", None, None, 1, None, None,
        etags if subject == "2" else [], [],
    )  # fmt: skip


def _logged(settings: Settings) -> None:
    """The form of Dagster's event log: a preview of rows in JSON."""
    folder = settings.data_dir / "dagster" / "history" / "runs"
    folder.mkdir(parents=True)
    rows = [
        {"data": {"actor_id": NUMBER, "actor_login": LOGIN, "rows": 2}},
        {"data": {"actor_id": 8, "actor_login": "eve", "rows": 3}},
        {"data": {"actor_key": f"github:actor:{NUMBER}", "native_id": str(NUMBER),
                  "login": LOGIN}},
    ]  # fmt: skip
    with sqlite3.connect(folder / "index.db") as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table event_logs (id integer primary key, event TEXT)")
        connection.executemany(
            "insert into event_logs (event) values (?)", [(json.dumps(row),) for row in rows]
        )
    settings.dbt_dir.mkdir(parents=True)
    (settings.dbt_dir / "dbt.log").write_text(f"failing row: {LOGIN}/y\n")
    (settings.dbt_dir / "other.log").write_text("all is well\n")


@pytest.fixture(scope="module")
def entered(stored: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the account on the list, nothing taken out yet."""
    folder = tmp_path_factory.mktemp("entered") / "data"
    shutil.copytree(stored, folder)
    opt_out(Settings(data_dir=folder))
    return folder


def opt_out(settings: Settings) -> None:
    for platform, login in (("github", LOGIN), ("huggingface", HUB_LOGIN)):
        removal.enter(settings, optout.checked(platform, login, DAY, "asked by mail"))


@pytest.fixture(scope="module")
def applied(entered: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("applied") / "data"
    shutil.copytree(entered, folder)
    settings = Settings(data_dir=folder)
    removal.apply(settings, SALT)
    return settings


def contents(settings: Settings) -> dict[str, Any]:
    """What the lake and the list hold: manifests, and the rows of each file that they name."""
    found: dict[str, Any] = {"list": settings.opt_out_path.read_text()}
    lake = Lake(settings.lake_root)
    for folder in sorted((settings.lake_root / "raw").glob("*/*")):
        source, table = folder.parent.name, folder.name
        for day in lake.days(source, table):
            partition = lake.partition(source, table, day)
            for entry in partition.entries():
                path = partition.folder / entry["file"]
                assert sha256_of_file(path) == entry["content_hash"]
                rows = rows_of(path)
                assert len(rows) == entry["row_count"]
                found[f"{source}/{table}/{day}"] = rows
    return found


def test_the_account_is_in_every_place_before(stored: Path) -> None:
    places = {trace.split(" ")[0] for trace in traces(stored, NEEDLES)}
    for place in ("gharchive/events", "github/commits", "likers", "quarantine", "checkpoints",
                  "github.sqlite", "huggingface.sqlite", "index.db", "dbt.log", "population",
                  "told.bytes"):  # fmt: skip
        # The packed file is looked into below.
        if place != "told.bytes":
            assert any(place in name for name in places), place


def test_the_account_is_nowhere_afterwards(applied: Settings) -> None:
    assert traces(applied.data_dir, NEEDLES, PRIVATE) == []
    quarantined = applied.lake_root / "quarantine" / "gharchive" / "2025-10-07-3"
    assert sorted(path.name for path in quarantined.iterdir()) == ["abc.lines.jsonl", "other.bytes"]


def test_what_is_known_of_it_stays_in_the_list_alone(applied: Settings) -> None:
    entries = optout.read(applied.opt_out_path)
    found = {one.platform: one for one in optout.accounts(entries)}
    assert found["github"].native_id == str(NUMBER)
    assert found["github"].logins == {LOGIN, OLD_LOGIN}
    assert found["github"].address_hashes >= {HASH}
    assert found["huggingface"].logins == {HUB_LOGIN.lower()}
    assert entries[0].note == "asked by mail"


def test_acts_stay_as_acts_of_nobody_and_others_are_unchanged(
    stored: Path, applied: Settings
) -> None:
    before = contents_of(stored)
    after = contents(applied)
    for place, rows in before.items():
        kept = [json.loads(row) for row in after[place]]
        others = [json.loads(row) for row in rows if not tells(row)]
        assert [row for row in kept if row in others] == others, place
        if "likers" not in place:
            assert len(kept) == len(rows), place
    events = [json.loads(row) for row in after[f"gharchive/events/{DAY}"]]
    assert (events[0]["actor_id"], events[0]["repository_name"]) == (None, "bob/x")
    assert events[1]["actor_login"] == "bob"
    assert events[1]["repository_name"].startswith(f"{OWNER}/~")
    # Under the same name on another day it is the same repository.
    day_before = json.loads(after[f"gharchive/events/{DAY - timedelta(1)}"][1])
    assert day_before["repository_name"] == events[1]["repository_name"]
    untouched = f"gharchive/events/{DAY - timedelta(9)}"
    assert after[untouched] == before[untouched]


def contents_of(folder: Path) -> dict[str, Any]:
    found = {}
    for path in sorted((folder / "lake" / "raw").rglob("*.parquet")):
        source, table, day = path.parts[-4:-1]
        found[f"{source}/{table}/{day.removeprefix('day=')}"] = rows_of(path)
    return found


def tells(row: str) -> bool:
    return any(needle.lower() in row.lower() for needle in NEEDLES)


def test_quarantine_keeps_reason_and_hash(applied: Settings) -> None:
    path = applied.lake_root / "quarantine" / "gharchive" / "2025-10-07-3" / "abc.lines.jsonl"
    one, two, three = [json.loads(line) for line in path.read_text().splitlines()]
    assert one == {"file": "f", "line": 1, "reason": "not JSON", "sha256": "s1", "removed": True}
    assert two["text"] == "{eve"
    assert three["removed"] is True
    assert not (applied.lake_root / "checkpoints" / "huggingface" / "models").exists()


def test_journals_forget_the_account_and_keep_the_rest(applied: Settings) -> None:
    with sqlite3.connect(applied.mining_dir / "github.sqlite") as connection:
        asked = connection.execute("select subject from question").fetchall()
        bodies = connection.execute("select body from page").fetchall()
        known = dict(connection.execute("select subject, seen from known").fetchall())
        etags = connection.execute("select count(*) from etag").fetchone()
    assert asked == [("3",)]
    assert [json.loads(zlib.decompress(body)) for (body,) in bodies] == [{"author_login": "eve"}]
    seen = json.loads(known["1"])
    assert (seen["owner"], seen["stars"]) == ([None, None, "User"], 3)
    assert known["3"] == '{"name": "eve/z"}'
    assert etags == (0,)
    with sqlite3.connect(applied.mining_dir / "huggingface.sqlite") as connection:
        assert connection.execute("select subject from known").fetchall() == [("model/bob/m",)]
    assert not list(applied.mining_dir.glob("*population*"))


def test_logs_can_still_be_read(applied: Settings) -> None:
    database = applied.data_dir / "dagster" / "history" / "runs" / "index.db"
    with sqlite3.connect(database) as connection:
        rows = connection.execute("select event from event_logs order by id").fetchall()
    one, two, three = [json.loads(event)["data"] for (event,) in rows]
    assert one == {"actor_id": 0, "actor_login": OWNER, "rows": 2}
    assert two == {"actor_id": 8, "actor_login": "eve", "rows": 3}
    assert three == {"actor_key": OWNER, "native_id": OWNER, "login": OWNER}
    assert not (applied.dbt_dir / "dbt.log").exists()
    assert (applied.dbt_dir / "other.log").exists()


def test_warehouse_and_copies_are_due_until_they_were_made(applied: Settings) -> None:
    assert all(removal.is_due(applied, part) for part in removal.PARTS)
    removal.made(applied, removal.BY_DAY)
    assert not removal.is_due(applied, removal.BY_DAY)
    assert removal.is_due(applied, removal.SNAPSHOT)
    again = removal.apply(applied, SALT)
    assert (again.seen_file_count, again.file_count, again.kept_count) == (0, 0, 0)
    assert again.due == [removal.SNAPSHOT, removal.PUBLISHED]
    for part in removal.PARTS:
        removal.made(applied, part)
    assert removal.apply(applied, SALT).due == []


def test_what_lands_later_has_no_trace_either(entered: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(entered, folder)
    settings = Settings(data_dir=folder)
    removal.apply(settings, SALT)
    lake, later = Lake(settings.lake_root), DAY + timedelta(1)
    land(lake, "gharchive", "events", later, events("ada-renamed-3", later))
    land(lake, "huggingface", "likers", later, likers())
    assert traces(folder, (*NEEDLES, "ada-renamed-3"), PRIVATE) == []
    # A name that was learned while landing takes effect on what was stored before.
    land(lake, "github", "issues", later, "select 'see ada-renamed-4' as title, 1 as repository_id")
    land(lake, "gharchive", "events", later, events("ada-renamed-4", later))
    assert traces(folder, ("ada-renamed-4",), PRIVATE)
    removal.apply(settings, SALT)
    assert traces(folder, (*NEEDLES, "ada-renamed-3", "ada-renamed-4"), PRIVATE) == []


def test_a_journal_in_use_is_left_and_told(entered: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    folder = tmp_path / "data"
    shutil.copytree(entered, folder)
    settings = Settings(data_dir=folder)
    with FileLock(settings.mining_dir / ".github.lock"):
        done = removal.apply(settings, SALT)
    assert done.busy == ["github"]
    assert removal.apply(settings, SALT).busy == []
    assert traces(folder, NEEDLES, PRIVATE) == []


def test_withdrawn_accounts_are_landed_again(entered: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(entered, folder)
    settings = Settings(data_dir=folder)
    removal.apply(settings, SALT)
    lake, later = Lake(settings.lake_root), DAY + timedelta(1)
    gone = removal.withdraw(settings, optout.checked("github", f"@{OLD_LOGIN}", DAY))
    assert {one.login for one in gone} == {LOGIN, OLD_LOGIN}
    assert removal.withdraw(settings, optout.checked("github", LOGIN, DAY)) == []
    land(lake, "gharchive", "events", later, events(LOGIN, later))
    land(lake, "huggingface", "likers", later, likers())
    removal.apply(settings, SALT)
    kept = contents(settings)
    assert kept[f"gharchive/events/{later}"] == [
        text for text in kept[f"gharchive/events/{later}"] if OWNER not in text
    ]
    assert len(kept[f"huggingface/likers/{later}"]) == 1
    removal.withdraw(settings, optout.checked("huggingface", HUB_LOGIN, DAY))
    removal.apply(settings, SALT)
    assert not (settings.lake_root / optout.COMPILED).exists()


def test_a_wrong_list_stops_the_refresh(entered: Path, tmp_path: Path) -> None:
    from orchestration.failures import SettingsError

    folder = tmp_path / "data"
    shutil.copytree(entered, folder)
    settings = Settings(data_dir=folder)
    settings.opt_out_path.write_text("nonsense\n")
    with pytest.raises(SettingsError, match="has the columns nonsense"):
        removal.apply(settings, SALT)


@pytest.fixture
def killing() -> Iterator["subprocess.Popen[str]"]:
    """The process that takes out in children of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        yield process
        process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_anywhere_it_goes_on_to_the_same_end(
    entered: Path, applied: Settings, tmp_path: Path, killing: "subprocess.Popen[str]"
) -> None:
    wanted = contents(applied)
    total, code = taken_out(killing, entered, tmp_path / "whole", 0)
    assert code == 0
    assert int(total) > KILLS
    for step in range(1, int(total) + 1, max(1, int(total) // KILLS)):
        folder = tmp_path / f"killed-{step}"
        assert taken_out(killing, entered, folder, step) == ("", -signal.SIGKILL)
        settings = Settings(data_dir=folder)
        # Every file is the old one or the new one, as its manifest says.
        for place, rows in contents(settings).items():
            if place != "list" and rows != wanted[place]:
                assert len(rows) >= len(wanted[place])
        removal.apply(settings, SALT)
        assert contents(settings) == wanted, step
        assert traces(folder, NEEDLES, PRIVATE) == [], step
        assert removal.is_due(settings, removal.BY_DAY), step
        shutil.rmtree(folder)


def taken_out(
    killing: "subprocess.Popen[str]", entered: Path, folder: Path, step: int
) -> tuple[str, int]:
    """Steps and exit code of a child that works on a copy."""
    shutil.copytree(entered, folder)
    assert killing.stdin and killing.stdout
    killing.stdin.write(f"{folder}\t{step}\n")
    killing.stdin.flush()
    total, code = killing.stdout.readline().split(" ")
    return total, int(code)
