"""Every real recording, ingested into one lake, against counts made without the ingest."""

import gzip
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from archive_support import ingester, leftovers, rows
from databases import database

from assets.github.ingest import Ingester
from orchestration.lake import Entry

# `name@1.2.3` is a version or an internet address; a domain ends with letters.
ADDRESS = re.compile(rb"[A-Za-z0-9._+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}")
# Below this instant a push carries its commits; the payloads changed on that day.
CHANGE = datetime(2025, 10, 7)
FILES = {
    "2015-01-01-0.json.gz": 7702,
    "excerpt-2016-07-07-0.parquet": 2000,
    "excerpt-2021-07-21-6.json.gz": 800,
    "push-drift-pair.jsonl": 2,
    "userevents-a-2026-02_2026-08.jsonl.gz": 647,
    "userevents-b-2025-09_2026-03.jsonl.gz": 107,
}


@dataclass
class Expected:
    """Counted by Python's json and gzip, or pyarrow."""

    line_count: int = 0
    types: Counter[str] = field(default_factory=Counter)
    pushes: dict[str, tuple[datetime, int | None, int | None]] = field(default_factory=dict)
    actors: set[int] = field(default_factory=set)
    repositories: set[int] = field(default_factory=set)
    times: list[datetime] = field(default_factory=list)
    identities: set[tuple[Any, ...]] = field(default_factory=set)

    def add(self, event: dict[str, Any]) -> None:
        self.line_count += 1
        created_at = instant(event["created_at"])
        actor, repository = int(event["actor"]["id"]), int(event["repo"]["id"])
        identity = (event["type"], event["id"], created_at, actor, repository)
        if identity in self.identities:
            return
        self.identities.add(identity)
        self.types[event["type"]] += 1
        self.actors.add(actor)
        self.repositories.add(repository)
        self.times.append(created_at)
        if event["type"] == "PushEvent":
            payload = event["payload"]
            commits = payload.get("commits")
            count = None if commits is None else len(commits)
            self.pushes[event["id"]] = (created_at, payload.get("size"), count)


def instant(value: str | datetime) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def raw_events(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        yield from pq.read_table(path).to_pylist()
        return
    data = path.read_bytes()
    for row in (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines():
        yield json.loads(row)


@pytest.fixture(scope="module")
def loaded(
    real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Ingester, dict[str, Entry]]:
    work = ingester(tmp_path_factory.mktemp("real") / "lake")
    folder = real_data / "gharchive"
    return work, {path.name: work.file(path) for path in sorted(folder.iterdir())}


def test_every_recording_is_looked_at(loaded: tuple[Ingester, dict[str, Entry]]) -> None:
    assert {name: entry["line_count"] for name, entry in loaded[1].items()} == FILES


@pytest.mark.parametrize("name", FILES)
def test_ledger_equals_an_independent_count(
    name: str, real_data: Path, loaded: tuple[Ingester, dict[str, Entry]]
) -> None:
    expected = Expected()
    for event in raw_events(real_data / "gharchive" / name):
        expected.add(event)
    entry = loaded[1][name]
    assert entry["types"] == dict(expected.types)
    assert entry["event_count"] == len(expected.identities)
    assert entry["duplicate_count"] == expected.line_count - len(expected.identities)
    assert entry["malformed_count"] == 0
    assert entry["line_count"] == expected.line_count
    assert entry["actor_count"] == len(expected.actors)
    assert entry["repository_count"] == len(expected.repositories)
    assert entry["first_created_at"] == min(expected.times).isoformat()
    assert entry["last_created_at"] == max(expected.times).isoformat()
    assert entry["state"] == "ok"
    data = (real_data / "gharchive" / name).read_bytes()
    assert entry["source_sha256"] == hashlib.sha256(data).hexdigest()
    assert entry["source_bytes"] == len(data)


@pytest.mark.parametrize("name", FILES)
def test_lake_rows_equal_the_raw_events(
    name: str, real_data: Path, loaded: tuple[Ingester, dict[str, Entry]]
) -> None:

    expected = Expected()
    for event in raw_events(real_data / "gharchive" / name):
        expected.add(event)
    work, entries = loaded
    entry = entries[name]
    day = date.fromisoformat(entry["first_created_at"][:10])
    path = work.lake.partition("gharchive", "events", day).folder / entry["file"]
    with database() as connection:
        found = connection.execute(
            "select event_type, event_id, created_at, actor_id, repository_id, era, push_size, "
            "len(commits) from read_parquet(?)",
            [str(path)],
        ).fetchall()
    assert Counter(row[:5] for row in found) == Counter(expected.identities)
    pushes = {row[1]: row for row in found if row[0] == "PushEvent"}
    assert pushes.keys() == expected.pushes.keys()
    for event_id, (created_at, size, commits) in expected.pushes.items():
        assert pushes[event_id][6:] == (size, commits)
        assert pushes[event_id][5] == ("E2" if commits is not None else "E3")
        assert (commits is not None) == (created_at < CHANGE)
    assert {row[5] for row in found} <= {"E2", "E3"}
    # A recording made after the change gives even older events the new shape, except where
    # the shape does not tell.
    late = {row[5] for row in found if row[2] >= CHANGE}
    assert late <= {"E3"}
    early = {row[5] for row in found if row[2] < datetime(2025, 8, 1)}
    assert early <= {"E2"}


def test_eras_are_summed(loaded: tuple[Ingester, dict[str, Entry]]) -> None:
    entries = loaded[1]
    assert entries["2015-01-01-0.json.gz"]["eras"] == {"E2": 7702}
    assert entries["excerpt-2016-07-07-0.parquet"]["eras"] == {"E2": 2000}
    assert entries["excerpt-2021-07-21-6.json.gz"]["eras"] == {"E2": 800}
    assert entries["push-drift-pair.jsonl"]["eras"] == {"E2": 1, "E3": 1}
    assert entries["userevents-a-2026-02_2026-08.jsonl.gz"]["eras"] == {"E3": 647}
    assert sum(entries["userevents-b-2025-09_2026-03.jsonl.gz"]["eras"].values()) == 107


def test_no_address_of_a_recording_is_in_the_lake(
    real_data: Path, loaded: tuple[Ingester, dict[str, Entry]]
) -> None:
    work = loaded[0]
    raw = set()
    for name in FILES:
        for event in raw_events(real_data / "gharchive" / name):
            raw |= set(ADDRESS.findall(json.dumps(event, default=str).encode()))
    # The recordings hold pseudonyms in the form of addresses.
    pseudonyms = {address for address in raw if address.endswith(b"@example.invalid")}
    assert len(pseudonyms) > 500
    stored: set[bytes] = set()
    for table in ("events", "unmodelled"):
        for row in rows(work.lake, table):
            stored |= set(ADDRESS.findall(repr(row).encode()))
    # Only remotes of version control, which name no person, keep their form.
    assert {address.split(b"@")[0] for address in stored} <= {b"git"}
    for path in work.lake.root.rglob("*"):
        # The Parquet form's scratch file lives as long as its thread, and holds what was given.
        if path.is_file() and path.suffix not in {".parquet", ".good"}:
            assert b"@example.invalid" not in path.read_bytes(), path
    hashed = {
        commit["author"]["email"]
        for (commits,) in rows(work.lake, columns="commits")
        for commit in commits or ()
    }
    assert len(hashed) > 400
    assert all(re.fullmatch("(email:[0-9a-f]{32})?", value) for value in hashed)


def test_one_lake_holds_them_all(loaded: tuple[Ingester, dict[str, Entry]]) -> None:
    work, entries = loaded
    assert len(rows(work.lake, columns="1")) == sum(e["event_count"] for e in entries.values())
    assert work.lake.days("gharchive", "events") == [
        date(2015, 1, 1), date(2016, 7, 7), date(2021, 7, 21), date(2024, 5, 21),
        date(2025, 9, 21), date(2026, 2, 18),
    ]  # fmt: skip
    assert not (work.lake.root / "quarantine").exists()
    assert {Path(name).suffix for name in leftovers(work.lake)} == {".lines"}
