"""What an installation holds, how old it is, and whether it can work.

Belongs here: reading ledger, publication and surroundings into plain values. Does not belong
here: printing (cli) and checks that stop a run (checks).
"""

import os
import platform
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orchestration.failures import OsmoscopeError
from orchestration.lake import Lake
from orchestration.settings import Settings

# A night of the archive is about 3 GB packed and as much in the lake, with room to write.
LEAST_FREE_BYTES = 10 * 1024**3
SHOWN_DAYS = 14
PROBE_SECONDS = 5.0


@dataclass(frozen=True)
class ArchiveDay:
    """One archive day of the ledger."""

    day: date
    hours_loaded: int
    hours_expected: int
    events: int
    states: dict[str, int]


@dataclass(frozen=True)
class Status:
    """What is there.

    Attributes:
        archive: the newest days, newest first.
        archive_days: how many days the lake holds.
        hub: table to its newest observation day and rows.
        published: version of the analysts' copy, or None.
    """

    data_dir: str
    archive: list[ArchiveDay]
    archive_days: int
    newest_event_at: str | None
    hub: dict[str, dict[str, Any]]
    published: str | None
    published_at: str | None
    lake_bytes: int

    @property
    def is_complete(self) -> bool:
        """Whether every hour of the shown days is loaded and a copy is published."""
        full = all(day.hours_loaded == day.hours_expected for day in self.archive)
        return full and bool(self.archive) and self.published is not None

    def as_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {**asdict(self), "is_complete": self.is_complete}


def status_of(settings: Settings, shown_days: int = SHOWN_DAYS) -> Status:
    """Read the status; nothing is written."""
    lake = Lake(settings.lake_root)
    days = lake.days("gharchive", "events")
    archive = [_archive_day(lake, day) for day in reversed(days[-shown_days:])]
    publication = _publication(settings.published_dir / "marts.duckdb")
    return Status(
        data_dir=str(settings.data_dir),
        archive=archive,
        archive_days=len(days),
        newest_event_at=_newest_event(lake, days),
        hub={table: _hub(lake, table) for table in ("models", "commits", "discussions")},
        published=publication.get("version"),
        published_at=publication.get("published_at"),
        lake_bytes=sum(
            path.stat().st_size for path in (settings.lake_root / "raw").rglob("*.parquet")
        ),
    )


def _archive_day(lake: Lake, day: date) -> ArchiveDay:
    from assets.github.ingest import LOADED

    entries = lake.partition("gharchive", "events", day).entries()
    loaded = [entry for entry in entries if entry["state"] in LOADED]
    hours = {entry["hour"] for entry in loaded if entry["hour"] is not None}
    return ArchiveDay(
        day=day,
        hours_loaded=len(hours),
        hours_expected=24,
        events=sum(entry["event_count"] for entry in loaded),
        states=dict(sorted(Counter(entry["state"] for entry in entries).items())),
    )


def _newest_event(lake: Lake, days: list[date]) -> str | None:
    for day in reversed(days):
        moments = [
            entry["last_created_at"]
            for entry in lake.partition("gharchive", "events", day).entries()
            if entry.get("last_created_at")
        ]
        if moments:
            return str(max(moments))
    return None


def _hub(lake: Lake, table: str) -> dict[str, Any]:
    days = lake.days("huggingface", table)
    if not days:
        return {"observed_on": None, "rows": 0}
    entries = lake.partition("huggingface", table, days[-1]).entries()
    return {
        "observed_on": days[-1].isoformat(),
        "rows": sum(entry.get("row_count") or 0 for entry in entries),
    }


def _publication(marts: Path) -> dict[str, str]:
    import duckdb

    if not marts.exists():
        return {}
    with duckdb.connect(str(marts), read_only=True) as connection:
        found = connection.execute("select version, published_at from publication").fetchone()
    return {} if found is None else {"version": str(found[0]), "published_at": str(found[1])}


@dataclass(frozen=True)
class Finding:
    """One thing that `doctor` looked at.

    Attributes:
        state: `ok`, `warn` or `fail`.
    """

    subject: str
    state: str
    text: str
    remedy: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Look at everything a night needs; no data are written."""
    looks: list[Callable[[Settings], Finding]] = [
        _python, _dbt, _data_folder, _disk, _salt, _archive_sources, _hub_source, _warehouse,
    ]  # fmt: skip
    findings = []
    for look in looks:
        try:
            findings.append(look(settings))
        except OsmoscopeError as error:
            subject = look.__name__.lstrip("_").replace("_", " ")
            findings.append(Finding(subject, "fail", error.message, error.remedy))
    return findings


def _python(settings: Settings) -> Finding:
    del settings
    packages = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "dagster", "dbt-core"))
    return Finding("software", "ok", f"Python {platform.python_version()}, {packages}")


def _dbt(settings: Settings) -> Finding:
    del settings
    executable = Path(sys.executable).parent / "dbt"
    if executable.exists():
        return Finding("dbt", "ok", str(executable))
    return Finding("dbt", "fail", f"{executable} is missing", "Install from requirements.lock.")


def _data_folder(settings: Settings) -> Finding:
    folder = settings.data_dir
    probe = folder if folder.exists() else folder.resolve().parent
    if os.access(probe, os.W_OK):
        made = "" if folder.exists() else " (will be made)"
        return Finding("data folder", "ok", f"{folder}{made}")
    return Finding("data folder", "fail", f"{folder} cannot be written", "Set data_dir.")


def _disk(settings: Settings) -> Finding:
    folder = settings.data_dir.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{free / 1024**3:.1f} GB free"
    if free >= LEAST_FREE_BYTES:
        return Finding("disk", "ok", text)
    return Finding("disk", "warn", text, "A night of the archive needs about 10 GB of room.")


def _salt(settings: Settings) -> Finding:
    from orchestration.resources import SALT_VARIABLE, address_salt

    path = settings.data_dir / "private" / "email.salt"
    if SALT_VARIABLE not in os.environ and not path.exists():
        return Finding("address salt", "ok", "will be made at the first ingest")
    address_salt(settings.data_dir)
    if SALT_VARIABLE not in os.environ and path.stat().st_mode & 0o077:
        return Finding("address salt", "warn", f"{path} can be read by others", f"chmod 600 {path}")
    return Finding("address salt", "ok", "set")


def _archive_sources(settings: Settings) -> Finding:
    reached: list[str] = []
    failed: list[str] = []
    for source in settings.archive.sources:
        problem = _probe(source) if "://" in source else _probe_folder(Path(source))
        (failed if problem else reached).append(f"{source}{': ' + problem if problem else ''}")
    if not failed:
        return Finding("archive sources", "ok", ", ".join(reached))
    state = "warn" if reached else "fail"
    return Finding("archive sources", state, "; ".join(failed), "Check archive.sources.")


def _hub_source(settings: Settings) -> Finding:
    hub = settings.huggingface
    if hub.source == "off":
        return Finding("Hub", "ok", "off")
    if hub.source == "dump":
        absent = [str(path) for path in hub.dump if not path.is_file()]
        if absent or not hub.dump or hub.dump_observed_on is None:
            return Finding(
                "Hub", "fail", f"dump not usable: {', '.join(absent) or 'not fully set'}",
                "Set huggingface.dump and huggingface.dump_observed_on.",
            )  # fmt: skip
        return Finding("Hub", "ok", f"dump of {hub.dump_observed_on}, {len(hub.dump)} files")
    problem = _probe(hub.endpoint)
    token = "a token is set" if settings.hub_token() else "no token (lower rate limits)"
    if problem:
        return Finding("Hub", "fail", f"{hub.endpoint}: {problem}", "Check huggingface.endpoint.")
    return Finding("Hub", "ok", f"{hub.endpoint}, {token}")


def _warehouse(settings: Settings) -> Finding:
    import duckdb

    if not settings.warehouse_path.exists():
        return Finding("warehouse", "ok", "will be made by the first run")
    try:
        with duckdb.connect(str(settings.warehouse_path), read_only=True) as connection:
            found = connection.execute("select count(*) from information_schema.tables").fetchone()
    except duckdb.Error as error:
        text = str(error).splitlines()[0]
        return Finding("warehouse", "warn", text, "Wait for the run that has it open.")
    return Finding("warehouse", "ok", f"{found[0] if found else 0} tables and views")


def _probe(url: str) -> str:
    """Why a server cannot be reached; empty where it answers at all."""
    import requests

    try:
        requests.head(url, timeout=PROBE_SECONDS, allow_redirects=False)
    except requests.RequestException as error:
        return type(error).__name__
    return ""


def _probe_folder(folder: Path) -> str:
    return "" if folder.is_dir() else "no such folder"
