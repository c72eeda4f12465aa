"""Made-up archive files for the archive's tests: events, damage, independent counts.

Belongs here: building lines and files, and reading a lake with nothing but its manifests. Does
not belong here: anything of the code under test except the objects that it is called through.
"""

import gzip
import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from assets.github.ingest import Ingester
from orchestration.clients.archive import hour_name
from orchestration.lake import Lake
from orchestration.parquet import asking_files
from orchestration.settings import ArchiveSettings

SALT = b"a salt for tests only, 32 bytes."
DAY = date(2024, 5, 6)


def event(number: int, kind: str = "WatchEvent", **changes: Any) -> dict[str, Any]:
    """A small valid event; equal numbers give equal events."""
    made: dict[str, Any] = {
        "id": str(1000 + number),
        "type": kind,
        "actor": {"id": 1 + number % 5, "login": f"actor{number % 5}"},
        "repo": {"id": 10 + number % 7, "name": f"owner{number % 3}/repo{number % 7}"},
        "payload": {"action": "started"} if kind == "WatchEvent" else {},
        "public": True,
        "created_at": f"2024-05-06T00:{number // 60 % 60:02d}:{number % 60:02d}Z",
    }
    made.update(changes)
    return made


def line(number: int, kind: str = "WatchEvent", **changes: Any) -> bytes:
    return json.dumps(event(number, kind, **changes), separators=(",", ":")).encode()


def lines(numbers: Iterable[int]) -> list[bytes]:
    return [line(number) for number in numbers]


def text(rows: Iterable[bytes]) -> bytes:
    return b"".join(row + b"\n" for row in rows)


def packed(data: bytes) -> bytes:
    return gzip.compress(data, compresslevel=1, mtime=0)


def write_hour(folder: Path, name: str, data: bytes) -> Path:
    """An archive file of these unpacked bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json.gz"
    path.write_bytes(packed(data))
    return path


def hour_lines(hour: int, count: int = 6, first: int = 0) -> list[bytes]:
    """Events that no other hour has."""
    return [line(hour * 100 + number) for number in range(first, first + count)]


def write_day(
    folder: Path, day: date = DAY, count: int = 6, hours: Iterable[int] = range(24)
) -> None:
    """Files of these hours, with as many events each."""
    for hour in hours:
        write_hour(folder, hour_name(day, hour), text(hour_lines(hour, count)))


def ingester(root: Path, **settings: Any) -> Ingester:
    made = Ingester(Lake(root), ArchiveSettings(**settings), SALT)
    made.prepare()
    return made


def rows(lake: Lake, table: str = "events", columns: str = "*") -> list[tuple[Any, ...]]:
    """What a reader of the manifests sees, in no special order."""
    files = [
        str(path)
        for day in lake.days("gharchive", table)
        for path in lake.partition("gharchive", table, day).current_files()
    ]
    if not files:
        return []
    query = f"select {columns} from read_parquet($files)"
    with asking_files() as connection:
        return connection.execute(query, {"files": files}).fetchall()


def event_ids(lake: Lake) -> list[str]:
    return sorted(row[0] for row in rows(lake, columns="event_id"))


def quarantined(lake: Lake) -> list[dict[str, Any]]:
    """The quarantined lines, by file and line number."""
    found = [
        json.loads(row)
        for path in sorted((lake.root / "quarantine").rglob("*.lines.jsonl"))
        for row in path.read_text(encoding="utf-8").splitlines()
    ]
    return sorted(found, key=lambda row: (row["file"], row["line"]))


def leftovers(lake: Lake) -> list[str]:
    folder = lake.root / "tmp"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
