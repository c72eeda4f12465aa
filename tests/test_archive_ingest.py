"""Bad files, the ledger of a day, and equal results whatever the order of work."""

import errno
import gzip
import json
import random
import shutil
import stat
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from archive_support import (
    DAY,
    event,
    event_ids,
    hour_lines,
    ingester,
    leftovers,
    line,
    lines,
    packed,
    quarantined,
    rows,
    text,
    write_day,
    write_hour,
)
from databases import database
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.github import ingest, landing
from assets.github.ingest import FAILED, LOADED, Ingester
from assets.github.lines import LineSummary, copy_lines
from orchestration.clients.archive import ArchiveSource, hour_name
from orchestration.failures import PermanentFailure, TransientFailure
from orchestration.lake import Entry, Lake
from orchestration.parquet import asking_files

MEGABYTE = 1024 * 1024
NAME = "2024-05-06-0"
GOOD = lines(range(3))
IDS = ["1000", "1001", "1002"]


def counts(entry: Entry) -> tuple[int, int, int, int]:
    """Lines, events, duplicates, malformed; lines is the sum in every case."""
    got = tuple(entry[f"{name}_count"] for name in ("line", "event", "duplicate", "malformed"))
    assert got[0] == sum(got[1:])
    return got


def ingest_bytes(
    folder: Path, data: bytes, file: str = f"{NAME}.json.gz", **settings: Any
) -> tuple[Ingester, Entry]:
    work = ingester(folder / "lake", **settings)
    path = folder / "in" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return work, work.file(path)


# --- files that cannot be loaded -------------------------------------------------------------

BAD_FILES = {
    "empty": (b"", "truncated", "0 bytes"),
    "not gzip": (b"<html>404</html>", "corrupt", "not gzip"),
    "truncated": (packed(text(GOOD))[:-20], "truncated", "before its trailer"),
    "wrong checksum": (packed(text(GOOD))[:-8] + bytes(8), "corrupt", "bad gzip"),
    "bad deflate block": (b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 50, "corrupt", "bad gzip"),
    "bomb": (packed(b" " * (160 * MEGABYTE)), "corrupt", "gzip bomb"),
    "not parquet": (b"PAR1 and nothing", "corrupt", "Parquet"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_unreadable_file_is_refused_and_kept(tmp_path: Path, case: str) -> None:
    data, state, reason = BAD_FILES[case]
    work, entry = ingest_bytes(tmp_path, data)
    assert entry["state"] == state
    assert reason in entry["reason"]
    assert counts(entry) == (0, 0, 0, 0)
    assert entry["source_bytes"] == len(data)
    assert work.lake.partition("gharchive", "events", DAY).entries() == [entry]
    (kept,) = (work.lake.root / "quarantine").rglob("*.bytes")
    assert kept.read_bytes() == data
    assert event_ids(work.lake) == []


def test_bomb_writes_bounded_bytes(tmp_path: Path) -> None:
    bomb = packed(b"\n" * (200 * MEGABYTE))
    work, entry = ingest_bytes(tmp_path, bomb)
    assert entry["state"] == "corrupt"
    written = sum(path.stat().st_size for path in work.lake.root.rglob("*") if path.is_file())
    assert written <= max(64 * MEGABYTE, 100 * len(bomb)) + 2 * MEGABYTE < 110 * MEGABYTE


def test_more_bytes_than_the_setting_are_refused(tmp_path: Path) -> None:
    work, entry = ingest_bytes(tmp_path, packed(text(lines(range(9000)))), max_hour_bytes=MEGABYTE)
    assert (entry["state"], event_ids(work.lake)) == ("corrupt", [])
    assert "more than 1048576 bytes" in entry["reason"]


def timeline_event(number: int) -> bytes:
    """The form before 2015: the actor is a login."""
    return json.dumps(
        {
            "created_at": "2012-03-10T22:00:00-08:00", "public": True, "type": "WatchEvent",
            "actor": f"actor{number}", "actor_attributes": {"login": f"actor{number}"},
            "repository": {"id": number, "name": "r"}, "payload": {"action": "started"},
        }
    ).encode()  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        text(timeline_event(number) for number in range(5)),
        text(line(number, created_at="2014-12-31T23:59:59Z") for number in range(5)),
    ],
    ids=["Timeline API", "Events API"],
)
def test_files_before_2015_are_refused(tmp_path: Path, data: bytes) -> None:
    work, entry = ingest_bytes(tmp_path, packed(data), "2014-12-31-23.json.gz")
    assert entry["state"] == "refused"
    assert "archives before 2015-01-01 have another form and are not supported" in entry["reason"]
    assert (counts(entry), event_ids(work.lake)) == ((0, 0, 0, 0), [])


def test_single_old_event_does_not_cost_the_others(tmp_path: Path) -> None:
    late = line(7, created_at="2014-12-31T23:59:59Z")
    work, entry = ingest_bytes(tmp_path, packed(text([*GOOD, late])))
    assert (entry["state"], event_ids(work.lake)) == ("ok", [*IDS, "1007"])


def test_single_old_form_line_does_not_cost_the_others(tmp_path: Path) -> None:
    work, entry = ingest_bytes(tmp_path, packed(text([*GOOD, timeline_event(7)])))
    assert (entry["state"], counts(entry)) == ("malformed_lines", (4, 3, 0, 1))
    assert event_ids(work.lake) == IDS


def test_mostly_foreign_file_is_refused(tmp_path: Path) -> None:
    rubbish = [b'{"n":%d}' % number for number in range(101)]
    work, entry = ingest_bytes(tmp_path, packed(text([*GOOD, *rubbish])))
    assert entry["state"] == "refused"
    assert "101 of the first 104 lines are not events" in entry["reason"]
    assert event_ids(work.lake) == []


# --- lines that cannot be loaded -------------------------------------------------------------

_OTHER = event(7)
BAD_LINES: dict[str, tuple[bytes, str]] = {
    "half a line": (line(7)[:60], "Malformed JSON"),
    "NUL bytes": (bytes(30), "Malformed JSON"),
    "NUL in a text": (line(7).replace(b"started", b"st\0ed"), "Malformed JSON"),
    "not UTF-8": (line(7).replace(b"started", b"st\xff\xfeed"), "UTF-8"),
    "lone surrogate": (line(7).replace(b"started", rb"\ud800"), "surrogate"),
    "text as actor.id": (line(7, actor={"id": "x", "login": "x"}), "Failed to cast"),
    "large actor.id": (line(7, actor={"id": 10**30, "login": "x"}), "Failed to cast"),
    "list as actor": (line(7, actor=[1]), "Expected OBJECT"),
    "no actor": (line(7, actor=None), "a required key is missing"),
    "no repo.id": (line(7, repo={"name": "a/b"}), "a required key is missing"),
    "no id": (line(7, id=None), "a required key is missing"),
    "nonsense time": (line(7, created_at="yesterday"), "timestamp"),
    "number as time": (line(7, created_at=1714953600), "TIMESTAMP"),
    "no time": (line(7, created_at=None), "a required key is missing"),
    "year 99999": (line(7, created_at="99999-01-01T00:00:00Z"), "impossible"),
    "before Christ": (line(7, created_at="0044-03-15 (BC) 00:00:00"), "impossible"),
    "infinite time": (line(7, created_at="infinity"), "impossible"),
    "1970": (line(7, created_at="1970-01-01T00:00:00Z"), "impossible"),
    "text as payload": (line(7, payload="x"), "Expected OBJECT"),
    "text as size": (line(7, "PushEvent", payload={"size": "many"}), "Failed to cast"),
    "object as commits": (line(7, "PushEvent", payload={"commits": {}}), "Expected ARRAY"),
    "two objects": (line(7) + line(8), "Malformed JSON"),
    "object and rubbish": (line(7) + b",", "Malformed JSON"),
    "list of objects": (b"[" + line(7) + b"]", "Expected OBJECT"),
    "number": (b"5", "Expected OBJECT"),
    "null": (b"null", "a required key is missing"),
    "empty object": (b"{}", "a required key is missing"),
    "key twice": (line(7)[:-1] + b',"id":"1"}', "duplicate key"),
    "markup": (b"<script>alert(1)</script>", "Malformed JSON"),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_bad_line_is_quarantined_and_the_others_loaded(tmp_path: Path, case: str) -> None:
    bad, reason = BAD_LINES[case]
    work, entry = ingest_bytes(tmp_path, packed(text([GOOD[0], b"", bad, *GOOD[1:]])))
    assert (entry["state"], counts(entry)) == ("malformed_lines", (4, 3, 0, 1))
    assert entry["reason"] == "1 lines are in quarantine"
    assert event_ids(work.lake) == IDS
    (kept,) = quarantined(work.lake)
    assert (kept["file"], kept["line"]) == (f"{NAME}.json.gz", 3)
    assert reason in kept["reason"]
    assert str(tmp_path) not in kept["reason"]
    assert kept["length"] == len(bad)
    if "text" in kept:
        assert kept["text"].encode() == bad
    else:
        import base64

        assert base64.b64decode(kept["base64"]) == bad


def test_half_a_line_at_the_end(tmp_path: Path) -> None:
    work, entry = ingest_bytes(tmp_path, packed(text(GOOD) + line(7)[:50]))
    assert (entry["state"], counts(entry)) == ("malformed_lines", (4, 3, 0, 1))
    assert event_ids(work.lake) == IDS
    assert [row["line"] for row in quarantined(work.lake)] == [4]


def test_line_of_40_megabytes(tmp_path: Path) -> None:
    huge = line(7)[:-1] + b',"more":"' + b"x" * (40 * MEGABYTE) + b'"}'
    work, entry = ingest_bytes(tmp_path, packed(text([GOOD[0], huge, *GOOD[1:]])))
    assert (entry["state"], counts(entry)) == ("malformed_lines", (4, 3, 0, 1))
    assert event_ids(work.lake) == IDS
    (kept,) = quarantined(work.lake)
    assert (kept["line"], kept["length"]) == (2, len(huge))
    assert "longer than 16777216 bytes" in kept["reason"]
    assert len(kept["text"]) == 65_536


def test_addresses_are_hashed_in_quarantine_too(tmp_path: Path) -> None:
    bad = line(7, actor={"id": "x", "login": "ann@example.com"})
    long = line(8, payload={"action": "bob@example.com", "x": "x" * 2 * MEGABYTE})
    work, entry = ingest_bytes(tmp_path, packed(text([*GOOD, bad, long])), max_line_bytes=MEGABYTE)
    assert counts(entry) == (5, 3, 0, 2)
    for path in (work.lake.root / "quarantine").rglob("*.*"):
        assert b"@example" not in path.read_bytes()
    assert all("email:" in row["text"] for row in quarantined(work.lake))


EVERY_BAD = [bad for bad, _ in BAD_LINES.values()]
TEXT_AS_SIZE = BAD_LINES["text as size"][0]


@pytest.mark.parametrize("explained", [0, 5, 1000])
def test_a_query_and_single_parses_agree_on_what_is_bad(
    tmp_path: Path, explained: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "MOST_EXPLAINED", explained)
    odd = [
        line(501)[:-1] + b",}", line(502)[:-1] + b',"z":NaN}', line(503, id=503),
        line(504)[:-1] + b',"a":' + b"[" * 2000 + b"]" * 2000 + b"}",
        line(505, payload={"size": "12", "action": {"a": 1}}), line(506) + b"\r",
        line(507, actor={"id": "12", "login": True}), line(508)[:-1] + b',"q":1,"q":2}',
    ]  # fmt: skip
    mixed = [
        row for pair in zip(EVERY_BAD, lines(range(len(EVERY_BAD))), strict=True) for row in pair
    ]
    work, entry = ingest_bytes(tmp_path, packed(text([*mixed, *odd, *lines(range(100, 120))])))
    good = len(EVERY_BAD) + len(odd) + 20
    assert counts(entry) == (good + len(EVERY_BAD), good, 0, len(EVERY_BAD))
    assert [row["line"] for row in quarantined(work.lake)] == list(range(1, 2 * len(EVERY_BAD), 2))
    assert all(row["reason"] for row in quarantined(work.lake))


@pytest.mark.parametrize(
    ("bad", "most"),
    [(b"rubbish", 60), (b"\xff", 60), (b"{}", 60), (TEXT_AS_SIZE, 420)],
    ids=["rubbish", "no text", "no keys", "text as size"],
)
def test_many_bad_lines_cost_few_tries(
    tmp_path: Path, bad: bytes, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Halving alone takes eight tries and more for each of these lines."""
    monkeypatch.setattr(landing, "MOST_EXPLAINED", 20)
    tries = counted(monkeypatch)
    rows = [bad if number % 15 == 1 else line(number) for number in range(6000)]
    work, entry = ingest_bytes(tmp_path, packed(text(rows)))
    assert counts(entry) == (6000, 5600, 0, 400)
    assert len(tries) < most
    assert len(quarantined(work.lake)) == 400


def test_sifting_ends_whatever_the_lines_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "MOST_TRIES", 20)
    hidden = [line(number)[:-1] + b',"id":"1"}' for number in range(8)]
    work, entry = ingest_bytes(tmp_path, packed(text([*lines(range(40)), *hidden])))
    assert (entry["state"], event_ids(work.lake)) == ("refused", [])
    assert "20 tries" in entry["reason"]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets one item for each try of some lines by the declared read."""
    tries: list[int] = []
    objection = landing._Sieve.objection

    def tried(sieve: Any, batch: Any) -> str | None:
        tries.append(len(batch))
        return objection(sieve, batch)

    monkeypatch.setattr(landing._Sieve, "objection", tried)
    return tries


def test_one_bad_line_among_large_ones_needs_little_memory(tmp_path: Path) -> None:
    """A cast of this file's lines in one go takes more memory than the setting's default."""
    urls = {f"part{number}_url": f"https://api.example.com/repos/{number}" for number in range(60)}
    payload = {"action": "opened", "pull_request": {"id": 1, "head": {"repo": urls}}}
    data = [line(number, "PullRequestEvent", payload=payload) for number in range(2500)]
    data.insert(1234, b"{bad")
    work, entry = ingest_bytes(tmp_path, packed(text(data)))
    assert (entry["state"], counts(entry)) == ("malformed_lines", (2501, 2500, 0, 1))
    assert [row["line"] for row in quarantined(work.lake)] == [1235]


def test_rubbish_is_given_up_before_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = counted(monkeypatch)
    monkeypatch.setattr(landing, "MOST_EXPLAINED", 50)
    work, entry = ingest_bytes(tmp_path, packed(b"rubbish\n" * 30_000))
    assert entry["state"] == "refused"
    assert "of the first 16384 lines are not events" in entry["reason"]
    assert len(tries) < 100
    assert leftovers_without_worker(work) == []


def leftovers_without_worker(work: Ingester) -> list[str]:
    """Temporary files other than those that a living worker writes over."""
    return [name for name in leftovers(work.lake) if not name.endswith((".lines", ".good"))]


def test_too_many_bad_lines_are_refused_whatever_their_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "MOST_BAD", 10)
    data = [*lines(range(100)), *[b"rubbish"] * 11]
    work, entry = ingest_bytes(tmp_path, packed(text(data)))
    assert (entry["state"], event_ids(work.lake)) == ("refused", [])
    assert "11 of the first 111 lines" in entry["reason"]


# --- lines that are odd and loaded -----------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "ids"),
    [
        (b"".join(row + b"\r\n" for row in GOOD), IDS),
        (b"\xef\xbb\xbf" + text(GOOD), IDS),
        (text([GOOD[0], b"\xef\xbb\xbf" + GOOD[1], GOOD[2]]), IDS),
        (text([GOOD[0], b"", b"  \t", *GOOD[1:]]), IDS),
        (text(GOOD)[:-1], IDS),
        (text([*GOOD, line(7, payload=None)]), [*IDS, "1007"]),
        (text([*GOOD, line(7)[:-1] + b',"a":' + b"[" * 2000 + b"]" * 2000 + b"}"]), [*IDS, "1007"]),
    ],
    ids=["CRLF", "BOM", "BOM inside", "empty lines", "no end", "null payload", "deep"],
)
def test_odd_but_good(tmp_path: Path, data: bytes, ids: list[str]) -> None:
    work, entry = ingest_bytes(tmp_path, packed(data))
    assert (entry["state"], counts(entry)) == ("ok", (len(ids), len(ids), 0, 0))
    assert event_ids(work.lake) == ids
    assert quarantined(work.lake) == []


@pytest.mark.parametrize(
    "file", ["events.json", "events.jsonl", "with 'quote\" and  space.jsonl.gz"]
)
def test_other_names_and_plain_text(tmp_path: Path, file: str) -> None:
    body = text(GOOD)
    folder = tmp_path / "a folder; drop table 'x'"
    data = packed(body) if file.endswith(".gz") else body
    work, entry = ingest_bytes(folder, data, file)
    assert (entry["state"], counts(entry), entry["hour"]) == ("ok", (3, 3, 0, 0), None)
    assert entry["name"].rsplit("-", 1)[0] == file.split(".json")[0]
    assert event_ids(work.lake) == IDS
    assert work.lake.days("gharchive", "events") == [DAY]


def test_two_files_of_one_name_do_not_replace_each_other(tmp_path: Path) -> None:
    work, _ = ingest_bytes(tmp_path / "a", text(GOOD), "events.json")
    other = tmp_path / "b" / "events.json"
    other.parent.mkdir()
    other.write_bytes(text([line(9)]))
    work.file(other)
    assert event_ids(work.lake) == [*IDS, "1009"]
    work.file(other)
    assert event_ids(work.lake) == [*IDS, "1009"]


def test_missing_file_and_short_salt(tmp_path: Path) -> None:
    work = ingester(tmp_path / "lake")
    assert work.file(tmp_path / f"{NAME}.json.gz")["state"] == "missing"
    with pytest.raises(PermanentFailure, match="salt"):
        Ingester(work.lake, work.settings, b"short")


def test_unknown_type_is_loaded_reported_and_kept(tmp_path: Path) -> None:
    novel = line(7, "NovelEvent", payload={"a": {"b": [1]}, "action": "x"})
    work, entry = ingest_bytes(tmp_path, packed(text([*GOOD, novel])))
    assert (entry["state"], counts(entry)) == ("ok", (4, 4, 0, 0))
    assert entry["types"] == {"NovelEvent": 1, "WatchEvent": 3}
    assert entry["new_keys"] == {"NovelEvent": ["a", "action"]}
    (kept,) = rows(work.lake, "unmodelled", "event_id, event_type, payload")
    assert kept[:2] == ("1007", "NovelEvent")
    assert json.loads(kept[2]) == {"a": {"b": [1]}, "action": "x"}


def test_keys_are_looked_for_in_the_first_events_of_each_type(tmp_path: Path) -> None:
    many = [line(number) for number in range(10, 10 + landing.DRIFT_LINES_OF_TYPE)]
    late = line(900, payload={"action": "started", "late": 1})
    other = line(901, "PushEvent", payload={"push_id": 3, "novel": 1})
    # Whoever writes a line otherwise may write a type before its id.
    turned = {"type": "WatchEvent", **json.loads(line(902, payload={"turned": 1}))}
    last = json.dumps(turned).encode()
    _, entry = ingest_bytes(tmp_path, packed(text([*many, late, other, last])))
    assert entry["new_keys"] == {"PushEvent": ["novel"], "WatchEvent": ["turned"]}


def test_new_and_missing_keys(tmp_path: Path) -> None:
    data = [
        line(5, payload={"action": "started", "novel": {"x": 1}}),
        line(6, payload={"action": "started", "empty": None}),
        line(7, "PushEvent", payload={"push_id": 3}),
        line(8, payload={}),
    ]
    work, entry = ingest_bytes(tmp_path, packed(text(data)))
    assert (entry["state"], counts(entry)) == ("ok", (4, 4, 0, 0))
    assert entry["new_keys"] == {"WatchEvent": ["novel"]}
    assert rows(work.lake, "unmodelled", "event_id, payload") == [
        ("1005", '{"action":"started","novel":{"x":1}}')
    ]
    found = {
        row[0]: row[1:] for row in rows(work.lake, columns="event_id, action, push_id, head_sha")
    }
    assert found["1007"] == (None, 3, None)
    assert found["1008"] == (None, None, None)


@pytest.mark.parametrize(
    ("kind", "payload", "day", "era"),
    [
        ("PushEvent", {"size": 0}, "2026-01-01", "E2"),
        ("PushEvent", {"commits": []}, "2026-01-01", "E2"),
        ("PushEvent", {"push_id": 1}, "2024-01-01", "E3"),
        ("PushEvent", {}, "2024-01-01", "unknown"),
        ("PullRequestEvent", {"pull_request": {"id": 1, "title": "t"}}, "2026-01-01", "E2"),
        ("PullRequestEvent", {"pull_request": {"id": 1, "number": 2}}, "2024-01-01", "E3"),
        ("PullRequestEvent", {}, "2024-01-01", "unknown"),
        ("CreateEvent", {"full_ref": "refs/heads/x"}, "2024-01-01", "E3"),
        ("ForkEvent", {"action": "forked"}, "2024-01-01", "E3"),
        ("WatchEvent", {"action": "started"}, "2025-10-06", "E2"),
        ("WatchEvent", {"action": "started"}, "2025-10-07", "E3"),
    ],
)
def test_era_is_told_by_shape_then_by_date(
    tmp_path: Path, kind: str, payload: dict[str, Any], day: str, era: str
) -> None:
    made = line(1, kind, payload=payload, created_at=f"{day}T23:00:00Z")
    work, entry = ingest_bytes(tmp_path, packed(made))
    assert entry["eras"] == {era: 1}
    assert rows(work.lake, columns="era") == [(era,)]


def test_duplicates_are_dropped_and_counted(tmp_path: Path) -> None:
    data = [
        line(1), line(2), line(1),
        line(2, payload={"action": "again"}),  # the same event as far as its identity goes
        line(2, "ForkEvent"),  # ids are not unique across types
        line(2, created_at="2024-05-06T09:00:00Z"),
        line(2, actor={"id": 99, "login": "z"}),
    ]  # fmt: skip
    work, entry = ingest_bytes(tmp_path, packed(text(data)))
    assert (entry["state"], counts(entry)) == ("ok", (7, 5, 2, 0))
    assert entry["types"] == {"ForkEvent": 1, "WatchEvent": 4}
    assert event_ids(work.lake) == ["1001", "1002", "1002", "1002", "1002"]
    # The first stays.
    assert {row[0] for row in rows(work.lake, columns="action")} == {"started", None}


@pytest.mark.parametrize(("count", "most"), [(9000, 4000), (9000, 8000), (2500, 1), (30, 20)])
def test_first_of_each_event_stays_in_the_order_of_the_file(
    count: int, most: int, tmp_path: Path
) -> None:
    """Over several of the database's vectors, with few and with many duplicates."""
    rng = random.Random(count + most)
    numbers = [rng.randrange(most) for _ in range(count)]
    work, entry = ingest_bytes(tmp_path, packed(text(lines(numbers))))
    firsts = list(dict.fromkeys(numbers))
    assert counts(entry) == (count, len(firsts), count - len(firsts), 0)
    path = work.lake.partition("gharchive", "events", DAY).folder / entry["file"]
    with asking_files() as connection:
        found = connection.execute(
            "select event_id from read_parquet(?, file_row_number = true) order by file_row_number",
            [str(path)],
        ).fetchall()
    assert [row[0] for row in found] == [str(1000 + number) for number in firsts]


def test_counters_of_the_ledger(tmp_path: Path) -> None:
    _, entry = ingest_bytes(tmp_path, packed(text(lines(range(10)))))
    assert (entry["actor_count"], entry["repository_count"]) == (5, 7)
    assert (entry["hour"], entry["name"]) == (0, NAME)
    assert entry["first_created_at"] == "2024-05-06T00:00:00"
    assert entry["last_created_at"] == "2024-05-06T00:00:09"
    assert (entry["eras"], entry["types"]) == ({"E2": 10}, {"WatchEvent": 10})
    assert entry["schema_version"] == 1


def test_declared_schema_is_the_written_one(tmp_path: Path) -> None:
    work, entry = ingest_bytes(tmp_path, packed(text(GOOD)))
    path = work.lake.partition("gharchive", "events", DAY).folder / entry["file"]
    with database() as connection:
        described = connection.execute(
            "select column_name, column_type from (describe select * from read_parquet(?, "
            "hive_partitioning = false))",
            [str(path)],
        ).fetchall()
    assert described == list(landing.lake_schema().items())


# --- lines with random damage ----------------------------------------------------------------


def _flip(row: bytes, position: int, value: int) -> bytes:
    changed = bytearray(row)
    changed[position % len(row)] ^= value
    return bytes(changed)


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "login", "action", "size", "x"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(["id", "type", "actor", "repo", "payload", "created_at", "public", "org"])
DAMAGED = st.one_of(
    st.builds(_flip, st.integers(500, 520).map(line), st.integers(0, 200), st.integers(1, 255)),
    st.builds(lambda n, end: line(n)[:end], st.integers(500, 520), st.integers(0, 190)),
    st.builds(
        lambda n, key, value: json.dumps({**event(n), key: value}).encode(),
        st.integers(500, 520), KEYS, JSONISH,
    ),
    st.builds(
        lambda n, key: json.dumps({k: v for k, v in event(n).items() if k != key}).encode(),
        st.integers(500, 520), KEYS,
    ),
    st.binary(max_size=40),
    st.sampled_from([b"\xef\xbb\xbf" + line(501), b"\r", b"{", b'"', b"\0", b"[]", line(501) * 2]),
)  # fmt: skip


@pytest.fixture(scope="module")
def damaged_work(tmp_path_factory: pytest.TempPathFactory) -> Ingester:
    return ingester(tmp_path_factory.mktemp("damage") / "lake")


@settings(deadline=None, database=None, max_examples=20)
@given(
    pieces=st.lists(st.tuples(st.booleans(), DAMAGED), max_size=8),
    explained=st.sampled_from([0, 1000]),
)
def test_damage_never_costs_a_good_line(
    damaged_work: Ingester, pieces: list[tuple[bool, bytes]], explained: int
) -> None:
    work = damaged_work
    # So many good lines that the file is not mostly foreign, whatever the damage.
    good = [str(1000 + number) for number in range(100, 110)]
    data = text(lines(range(100, 110)))
    for number, (is_good_first, damaged) in enumerate(pieces):
        if is_good_first:
            good.append(str(1000 + number))
            data += line(number) + b"\n"
        data += damaged + b"\n"
    path = work.lake.root.parent / "2024-05-06-1.json"
    path.write_bytes(data)
    shutil.rmtree(work.lake.root / "quarantine", ignore_errors=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(landing, "MOST_EXPLAINED", explained)
        entry = work.file(path)
    assert entry["state"] in LOADED
    physical = data.split(b"\n")
    present = {number for number, row in enumerate(physical, 1) if _is_content(row)}
    assert counts(entry)[0] == len(present)
    loaded = event_ids(work.lake)
    assert len(loaded) == entry["event_count"]
    assert not Counter(good) - Counter(loaded)
    kept = quarantined(work.lake)
    assert len(kept) == entry["malformed_count"]
    assert {row["line"] for row in kept} <= present


@pytest.mark.parametrize("explained", [0, 1000])
def test_a_line_that_the_reason_cuts_within_a_character_is_bad_like_any(
    damaged_work: Ingester, explained: int
) -> None:
    work, good = damaged_work, lines(range(100, 110))
    told = [[None, None], {"id": None, "login": False, "action": "\u0800"}]
    bad = [
        json.dumps({**event(500), "actor": told}).encode(),
        json.dumps({**event(500), "payload": [[None, None], {"size": "00000", "id": None,
                                                             "login": "\u0800"}]}).encode(),
    ]  # fmt: skip
    path = work.lake.root.parent / "2024-05-06-1.json"
    path.write_bytes(text(good) + b"\n".join(bad) + b"\n")
    shutil.rmtree(work.lake.root / "quarantine", ignore_errors=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(landing, "MOST_EXPLAINED", explained)
        entry = work.file(path)
    assert (entry["event_count"], entry["malformed_count"]) == (10, 2)
    assert [row["line"] for row in quarantined(work.lake)] == [11, 12]


def _is_content(row: bytes) -> bool:
    return bool(row.removeprefix(b"\xef\xbb\xbf").strip())


# --- the 24 hours of a day -------------------------------------------------------------------


def day_of(work: Ingester, *folders: Path, day: date = DAY, **how: Any) -> dict[int, Entry]:
    source = ArchiveSource([str(folder) for folder in folders])
    return {entry["hour"]: entry for entry in work.day(source, day, **how)}


def states(entries: dict[int, Entry]) -> dict[int, str]:
    return {hour: entry["state"] for hour, entry in entries.items()}


def damaged_day(primary: Path, mirror: Path) -> None:
    write_day(primary)
    mirror.mkdir()
    (primary / f"{hour_name(DAY, 3)}.json.gz").unlink()
    cut = primary / f"{hour_name(DAY, 5)}.json.gz"
    cut.write_bytes(cut.read_bytes()[:-12])
    rotten = primary / f"{hour_name(DAY, 7)}.json.gz"
    shutil.copyfile(rotten, mirror / rotten.name)
    rotten.write_bytes(b"rubbish")
    write_hour(primary, hour_name(DAY, 9), text([*hour_lines(9), b"{bad", b"worse"]))
    write_hour(primary, hour_name(DAY, 11), text(hour_lines(11) + hour_lines(11, 2)))
    write_hour(primary, hour_name(DAY, 13), text(hour_lines(13, 1)))


def test_every_hour_of_a_damaged_day_has_its_row(tmp_path: Path) -> None:
    primary, mirror = tmp_path / "primary", tmp_path / "mirror"
    damaged_day(primary, mirror)
    work = ingester(tmp_path / "lake", workers=2)
    for week in (1, 2, 3):
        earlier = DAY - timedelta(weeks=week)
        write_day(tmp_path / "earlier", earlier, hours=(7, 9, 11, 13, 14))
        day_of(work, tmp_path / "earlier", day=earlier)
    seen: list[str] = []
    entries = day_of(work, primary, mirror, progress=lambda row: seen.append(row["name"]))
    assert sorted(seen) == sorted(hour_name(DAY, hour) for hour in range(24))
    assert sorted(entries) == list(range(24))
    special = {3: "missing", 5: "truncated", 7: "mirrored", 9: "malformed_lines", 13: "thin"}
    assert states(entries) == {hour: special.get(hour, "ok") for hour in range(24)}
    assert counts(entries[9]) == (8, 6, 0, 2)
    assert counts(entries[11]) == (8, 6, 2, 0)
    assert "1 events where 6 are usual" in entries[13]["reason"]
    assert "is not in" in entries[3]["reason"]
    assert (entries[7]["is_mirrored"], entries[7]["source"]) == (
        True, str(mirror / f"{hour_name(DAY, 7)}.json.gz"),
    )  # fmt: skip
    assert [(row["file"], row["line"]) for row in quarantined(work.lake)] == [
        ("2024-05-06-9.json.gz", 7), ("2024-05-06-9.json.gz", 8),
    ]  # fmt: skip
    for hour in (5, 7):
        folder = work.lake.root / "quarantine" / "gharchive" / hour_name(DAY, hour)
        assert len(list(folder.glob("*.bytes"))) == 1
    lost = {3, 5}
    expected = [
        str(1000 + hour * 100 + number)
        for hour in range(24) if hour not in lost
        for number in range(1 if hour == 13 else 6)
    ]  # fmt: skip
    partition = work.lake.partition("gharchive", "events", DAY)
    with database() as connection:
        found = connection.execute(
            "select event_id from read_parquet(?)", [[str(p) for p in partition.current_files()]]
        ).fetchall()
    assert sorted(row[0] for row in found) == sorted(expected)


def test_two_earlier_weeks_are_too_few_to_call_an_hour_thin(tmp_path: Path) -> None:
    work = ingester(tmp_path / "lake")
    for week in (1, 2):
        write_hour(tmp_path, hour_name(DAY - timedelta(weeks=week), 4), text(hour_lines(4)))
        work.file(tmp_path / f"{hour_name(DAY - timedelta(weeks=week), 4)}.json.gz")
    entry = work.file(write_hour(tmp_path, hour_name(DAY, 4), text(hour_lines(4, 1))))
    assert entry["state"] == "ok"
    empty = work.file(write_hour(tmp_path, hour_name(DAY, 6), b""))
    assert (empty["state"], empty["reason"]) == ("thin", "the file has no lines")


class Counting(ArchiveSource):
    """A source that notes which hours are asked for."""

    def fetch(self, day: date, hour: int, lake: Lake) -> Any:
        self.__dict__.setdefault("asked", []).append(hour)
        return super().fetch(day, hour, lake)


def test_second_run_asks_only_for_what_is_not_loaded(tmp_path: Path) -> None:
    primary, mirror = tmp_path / "primary", tmp_path / "mirror"
    damaged_day(primary, mirror)
    # What is noted is noted in this process.
    work = ingester(tmp_path / "lake", workers=1)
    source = Counting([str(primary), str(mirror)])
    work.day(source, DAY)
    assert sorted(source.__dict__.pop("asked")) == list(range(24))
    work.day(source, DAY)
    assert sorted(source.__dict__.pop("asked")) == [3, 5]
    write_hour(mirror, hour_name(DAY, 3), text(hour_lines(3)))
    write_hour(mirror, hour_name(DAY, 5), text(hour_lines(5)))
    entries = {row["hour"]: row for row in work.day(source, DAY)}
    assert sorted(source.__dict__.pop("asked")) == [3, 5]
    assert (entries[3]["state"], entries[5]["state"]) == ("mirrored", "mirrored")
    work.day(source, DAY)
    assert "asked" not in source.__dict__
    work.day(source, DAY, refresh=True)
    assert sorted(source.__dict__.pop("asked")) == list(range(24))


def test_refresh_takes_what_the_source_has_now(tmp_path: Path) -> None:
    write_day(tmp_path / "p")
    work = ingester(tmp_path / "lake")
    before = day_of(work, tmp_path / "p")
    write_hour(tmp_path / "p", hour_name(DAY, 2), text(hour_lines(2, 9)))
    assert day_of(work, tmp_path / "p")[2]["event_count"] == 6
    after = day_of(work, tmp_path / "p", refresh=True)
    assert after[2]["event_count"] == 9
    assert {h for h in range(24) if before[h]["content_hash"] != after[h]["content_hash"]} == {2}
    folder = work.lake.partition("gharchive", "events", DAY).folder
    assert len(list(folder.glob("*.parquet"))) == 24
    assert len(event_ids(work.lake)) == 24 * 6 + 3


@pytest.mark.parametrize("damage", ["absent", "truncated", "rubbish", "old"])
def test_failure_never_replaces_a_loaded_hour(tmp_path: Path, damage: str) -> None:
    write_day(tmp_path / "p", hours=range(4))
    work = ingester(tmp_path / "lake")
    before = day_of(work, tmp_path / "p")
    path = tmp_path / "p" / f"{hour_name(DAY, 2)}.json.gz"
    if damage == "absent":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-5])
    elif damage == "rubbish":
        path.write_bytes(b"rubbish")
    else:
        write_hour(tmp_path / "p", hour_name(DAY, 2), text([timeline_event(1)]))
    returned: dict[str, str] = {}
    after = day_of(
        work, tmp_path / "p", refresh=True,
        progress=lambda row: returned.update({row["name"]: row["state"]}),
    )  # fmt: skip
    assert returned[hour_name(DAY, 2)] in FAILED
    assert after[2] == before[2]
    assert len(event_ids(work.lake)) == 4 * 6
    # By hand, the same.
    assert work.file(path)["state"] in FAILED
    assert work.lake.partition("gharchive", "events", DAY).entry(hour_name(DAY, 2)) == before[2]


WITHOUT_EVENTS = {
    "no lines": (b"", "thin", "no lines"),
    "empty lines": (b"\n\n \n", "thin", "no lines"),
    "no good line": (b"rubbish\n" * 20, "corrupt", "none of its 20 lines is an event"),
    "long lines": (b"x" * 5000 + b"\n", "corrupt", "longer than 2048 bytes"),
}


@pytest.mark.parametrize("case", WITHOUT_EVENTS)
def test_hour_without_events_never_replaces_a_loaded_one(tmp_path: Path, case: str) -> None:
    data, state, reason = WITHOUT_EVENTS[case]
    work = ingester(tmp_path / "lake", max_line_bytes=2048)
    before = work.file(write_hour(tmp_path, NAME, text(GOOD)))
    entry = work.file(write_hour(tmp_path, NAME, data))
    assert entry["state"] == state and reason in entry["reason"]
    assert day_of(work, tmp_path, refresh=True)[0] == before
    assert event_ids(work.lake) == IDS


@pytest.mark.parametrize("case", WITHOUT_EVENTS)
def test_hour_without_events_is_stated(tmp_path: Path, case: str) -> None:
    data, state, _ = WITHOUT_EVENTS[case]
    write_hour(tmp_path / "p", NAME, data)
    work = ingester(tmp_path / "lake", max_line_bytes=2048)
    folders = [str(tmp_path / "p"), str(tmp_path / "none")]
    entry = work.hour(ArchiveSource(folders), DAY, 0)
    assert (entry["state"], counts(entry)) == (state, (0, 0, 0, 0))
    assert work.lake.partition("gharchive", "events", DAY).entries() == [entry]
    # A loaded state has a file in any case, and this one no rows.
    assert (entry["file"] is not None) == (state in LOADED)
    assert event_ids(work.lake) == []
    # The next run asks again and finds what came meanwhile.
    write_hour(tmp_path / "p", NAME, text(GOOD))
    assert day_of(work, tmp_path / "p")[0]["state"] == "ok"
    assert event_ids(work.lake) == IDS


def test_file_without_events_that_is_no_hour_leaves_no_row(tmp_path: Path) -> None:
    for data, state in ((b"\n", "truncated"), (b"rubbish\n", "corrupt")):
        work, entry = ingest_bytes(tmp_path, data, "events.json")
        assert entry["state"] == state
        assert work.lake.days("gharchive", "events") == []


@pytest.mark.parametrize("data", [b"", b"rubbish\n" * 20], ids=["no lines", "no good line"])
def test_hour_without_events_is_rescued_by_a_mirror(tmp_path: Path, data: bytes) -> None:
    write_hour(tmp_path / "p", NAME, data)
    write_hour(tmp_path / "m", NAME, text(GOOD))
    work = ingester(tmp_path / "lake")
    source = ArchiveSource([str(tmp_path / "p"), str(tmp_path / "m")])
    assert work.hour(source, DAY, 0)["state"] == "mirrored"


def test_equal_content_whatever_the_order_and_the_workers(tmp_path: Path) -> None:
    write_day(tmp_path / "p", count=10)
    write_hour(tmp_path / "p", hour_name(DAY, 6), text([*hour_lines(6), b"bad", *hour_lines(6)]))
    write_hour(tmp_path / "p", hour_name(DAY, 8), text([*hour_lines(8), line(1, "NovelEvent")]))
    hashes, unmodelled = set(), set()
    for number, workers in enumerate((1, 4, 2)):
        work = ingester(tmp_path / f"lake{number}", workers=workers)
        if number == 2:
            for hour in (23, 8, 0):
                work.file(tmp_path / "p" / f"{hour_name(DAY, hour)}.json.gz")
        day_of(work, tmp_path / "p")
        partition = work.lake.partition("gharchive", "events", DAY)
        hashes.add(partition.content_hash())
        unmodelled.add(work.lake.partition("gharchive", "unmodelled", DAY).content_hash())
        if number == 1:
            day_of(work, tmp_path / "p", refresh=True)
        hashes.add(partition.content_hash())
    assert len(hashes) == len(unmodelled) == 1


def test_nothing_is_left_in_tmp_after_a_day(tmp_path: Path) -> None:
    write_day(tmp_path / "p")
    write_hour(tmp_path / "p", hour_name(DAY, 1), text([*hour_lines(1), *hour_lines(1), b"bad"]))
    work = ingester(tmp_path / "lake", workers=3)
    day_of(work, tmp_path / "p")
    assert leftovers(work.lake) == []


class Unreachable(ArchiveSource):
    """A source whose hour 4 cannot be reached."""

    def fetch(self, day: date, hour: int, lake: Lake) -> Any:
        if hour == 4:
            self.sources = ["http://127.0.0.1:9"]
        return super().fetch(day, hour, lake)


def unreachable(folder: Path) -> ArchiveSource:
    return Unreachable([str(folder)], timeout_seconds=2, attempts=1, sleep=lambda _: None)


def test_unreachable_source_is_a_transient_failure(tmp_path: Path) -> None:
    write_day(tmp_path / "p")
    work = ingester(tmp_path / "lake", workers=1)
    with pytest.raises(TransientFailure, match="2024-05-06-4 could not be fetched") as error:
        work.day(unreachable(tmp_path / "p"), DAY)
    assert "run the day again" in error.value.remedy
    assert sorted(day_of(work, tmp_path / "p")) == list(range(24))
    assert len(event_ids(work.lake)) == 24 * 6


def test_unreachable_hour_does_not_stop_the_others(tmp_path: Path) -> None:
    write_day(tmp_path / "p")
    work = ingester(tmp_path / "lake", workers=1)
    source = unreachable(tmp_path / "p")
    sources = list(source.sources)
    original = source.fetch

    def fetch(day: date, hour: int, lake: Lake) -> Any:
        source.sources = sources
        yield from original(day, hour, lake)

    source.fetch = fetch
    with pytest.raises(TransientFailure):
        work.day(source, DAY)
    entries = work.lake.partition("gharchive", "events", DAY).entries()
    assert {entry["hour"] for entry in entries} >= set(range(24)) - {4}


def test_several_unreachable_hours_are_one_failure(tmp_path: Path) -> None:
    write_day(tmp_path / "p", hours=sorted(set(range(24)) - {4, 17}))
    work = ingester(tmp_path / "lake", workers=2)
    source = ArchiveSource([str(tmp_path / "p"), "http://127.0.0.1:9"], attempts=1)
    folder = work.lake.partition("gharchive", "events", DAY).folder
    folder.mkdir(parents=True)
    (folder / "leftover.parquet").write_bytes(b"half")
    seen: list[str] = []
    with pytest.raises(TransientFailure) as error:
        work.day(source, DAY, progress=lambda row: seen.append(row["name"]))
    assert "2 hours were not loaded (2024-05-06-4, 2024-05-06-17)" in error.value.message
    assert set(seen) == {hour_name(DAY, hour) for hour in range(24) if hour not in {4, 17}}
    assert not (folder / "leftover.parquet").exists()


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception, hour: int) -> None:
    """Let the landing of one hour end with an error; its events are of that hour's numbers."""
    land = landing.land

    def landed(connection: Any, files: landing.Files, *more: Any) -> landing.Landed:
        if files.lines.read_bytes().startswith(b'{"id":"%d"' % (1000 + hour * 100)):
            # A new one: the one of the test would keep the database open by its trace.
            raise type(error)(*error.args)
        return land(connection, files, *more)

    monkeypatch.setattr(landing, "land", landed)


def test_too_little_memory_is_a_clear_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_day(tmp_path / "p", hours=range(5))
    work = ingester(tmp_path / "lake", workers=1)
    failing(monkeypatch, duckdb.OutOfMemoryException("Out of Memory Error: x"), 2)
    with pytest.raises(PermanentFailure, match=r"archive\.memory_megabytes = 400") as error:
        day_of(work, tmp_path / "p")
    assert "Raise archive.memory_megabytes" in error.value.remedy
    assert len(event_ids(work.lake)) == 4 * 6
    assert work.lake.partition("gharchive", "events", DAY).entry(hour_name(DAY, 2)) is None


def test_other_errors_of_the_database_refuse_the_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_day(tmp_path / "p", hours=range(5))
    work = ingester(tmp_path / "lake", workers=1)
    failing(monkeypatch, duckdb.InternalException("INTERNAL Error: odd\nstack"), 2)
    entries = day_of(work, tmp_path / "p")
    assert (entries[2]["state"], entries[2]["reason"]) == ("refused", "INTERNAL Error: odd")
    assert [entries[hour]["state"] for hour in (0, 1, 3, 4)] == ["ok"] * 4


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        duckdb.IOException('IO Error: Could not write file "x": No space left on device'),
    ],
    ids=["system", "database"],
)
def test_full_disk_is_a_clear_failure(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_day(tmp_path / "p", hours=[0])
    work = ingester(tmp_path / "lake", workers=1)
    failing(monkeypatch, error, 0)
    with pytest.raises(PermanentFailure, match="no space left") as failure:
        day_of(work, tmp_path / "p")
    assert "Free space" in failure.value.remedy
    assert work.lake.partition("gharchive", "events", DAY).entry(hour_name(DAY, 0)) is None


def test_unmodelled_payloads_are_replaced_with_their_hour(tmp_path: Path) -> None:
    novel = [line(number, "NovelEvent", payload={"a": number}) for number in (5, 6)]
    work, _ = ingest_bytes(tmp_path, packed(text([*GOOD, *novel, novel[0]])))
    assert sorted(rows(work.lake, "unmodelled", "event_id")) == [("1005",), ("1006",)]
    ingest_bytes(tmp_path, packed(text([*GOOD, novel[1]])))
    assert rows(work.lake, "unmodelled", "event_id") == [("1006",)]
    ingest_bytes(tmp_path, packed(text(GOOD)))
    assert rows(work.lake, "unmodelled", "event_id") == []
    (entry,) = work.lake.partition("gharchive", "unmodelled", DAY).entries()
    assert (entry["file"], entry["row_count"]) == (None, 0)


def parquet_bomb(path: Path, row_count: int, size: int) -> Path:
    """Rows that all have the same long text: Parquet stores it once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    same = pa.DictionaryArray.from_arrays(
        pa.array([0] * row_count, type=pa.int32()), pa.array(["ann@example.com " + "x" * size])
    )
    names = ("id", "type", "actor", "repo", "payload", "created_at")
    pq.write_table(pa.table(dict.fromkeys(names, same)), path, compression="zstd")
    assert path.stat().st_size < MEGABYTE
    return path


@pytest.mark.parametrize(
    ("row_count", "size", "reason"),
    [(5000, 1000, "more than 1048576 bytes"), (3000, 200_000, "archive.memory_megabytes")],
    ids=["many rows", "long rows"],
)
def test_parquet_bomb_is_refused_with_bounded_output(
    tmp_path: Path, row_count: int, size: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = ingester(tmp_path / "lake", max_hour_bytes=MEGABYTE, memory_megabytes=128)
    sizes: list[int] = []
    unlink = Path.unlink

    def watched(self: Path, missing_ok: bool = False) -> None:
        if self.suffix == ".good" and self.exists():
            sizes.append(self.stat().st_size)
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", watched)
    entry = work.file(parquet_bomb(tmp_path / f"{NAME}.parquet", row_count, size))
    assert entry["state"] == "refused"
    assert reason in entry["reason"]
    assert max(sizes, default=0) <= MEGABYTE
    assert not list((work.lake.root / "tmp").glob("*.good"))


def test_unpacked_parquet_is_private_and_gone_when_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds addresses as they are in the file."""
    modes: list[int] = []

    def watched(path: Path, *more: Any) -> LineSummary:
        modes.append(stat.S_IMODE(path.stat().st_mode))
        return copy_lines(path, *more)

    monkeypatch.setattr(ingest, "copy_lines", watched)
    path = tmp_path / f"{NAME}.parquet"
    plain = tmp_path / "plain.json"
    plain.write_bytes(text(lines(range(20))))
    with database() as connection:
        connection.execute(f"copy (select * from read_json('{plain}')) to '{path}'")
    work = ingester(tmp_path / "lake")
    assert work.file(path)["state"] == "ok"
    assert modes == [0o600]
    assert not list((work.lake.root / "tmp").glob("*.good"))


def test_parquet_and_lines_of_the_same_events_give_the_same_rows(tmp_path: Path) -> None:
    plain = tmp_path / "e.json"
    plain.write_bytes(text([*lines(range(20)), line(21, org={"id": 5, "login": "o"})]))
    parquet = tmp_path / "e.parquet"
    with database() as connection:
        connection.execute(
            f"copy (select * from read_json('{plain}', format = 'newline_delimited')) "
            f"to '{parquet}' (format parquet)"
        )
    first, second = ingester(tmp_path / "a"), ingester(tmp_path / "b")
    one, two = first.file(plain), second.file(parquet)
    assert two["state"] == "ok"
    assert counts(one) == counts(two)
    assert rows(first.lake) == rows(second.lake)


def test_parquet_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.parquet"
    with database() as connection:
        connection.execute(f"copy (select 1 as id) to '{path}' (format parquet)")
    work = ingester(tmp_path / "lake")
    entry = work.file(path)
    assert entry["state"] == "corrupt"
    assert "no column actor" in entry["reason"]


def test_gzip_is_deterministic_for_these_tests() -> None:
    assert packed(b"x") == packed(b"x")
    assert gzip.decompress(packed(text(GOOD))) == text(GOOD)
