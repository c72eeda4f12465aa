"""What an installation holds, how old it is, and whether it can work.

Belongs here: reading ledger, publication and surroundings into plain values. Does not belong
here: printing (cli) and checks that stop a run (checks).
"""

import os
import platform
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orchestration import keys
from orchestration.failures import OsmoscopeError
from orchestration.lake import Lake
from orchestration.manifest import dbt_executable
from orchestration.settings import GITHUB_TOKEN_VARIABLE, HUB_TOKEN_VARIABLE, Settings

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
class PlatformStatus:
    """What a platform's interfaces said, and what is asked of them now.

    Attributes:
        tables: table to its newest observation day and rows.
        token_count: tokens in the environment.
        journal: day, answered and open questions of a night that has not landed; or None.
    """

    tables: dict[str, dict[str, Any]]
    token_count: int
    journal: dict[str, Any] | None


@dataclass(frozen=True)
class Status:
    """What is there.

    Attributes:
        archive: the newest days, newest first.
        archive_days: how many days the lake holds.
        published: version of the analysts' copy, or None.
    """

    data_dir: str
    archive: list[ArchiveDay]
    archive_days: int
    newest_event_at: str | None
    github: PlatformStatus
    hub: PlatformStatus
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
        github=PlatformStatus(
            {key.path[-1]: _observed(lake, *key.path) for key in keys.GITHUB_SNAPSHOT},
            len(settings.github_tokens()),
            _journal(settings.mining_dir / "github.sqlite"),
        ),
        hub=PlatformStatus(
            {key.path[-1]: _observed(lake, *key.path) for key in keys.HUB_SNAPSHOT},
            len(settings.hub_tokens()),
            _journal(settings.mining_dir / "huggingface.sqlite"),
        ),
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


def _observed(lake: Lake, source: str, table: str) -> dict[str, Any]:
    days = lake.days(source, table)
    if not days:
        return {"observed_on": None, "rows": 0}
    entries = lake.partition(source, table, days[-1]).entries()
    return {
        "observed_on": days[-1].isoformat(),
        "rows": sum(entry.get("row_count") or 0 for entry in entries),
    }


def _journal(path: Path) -> dict[str, Any] | None:
    """The night in a journal (orchestration.journal), where it has not landed; nothing is written.

    A journal that is just being made or repaired is told as none.
    """
    if not path.exists():
        return None
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)
        try:
            day = connection.execute("select value from fact where name = 'day'").fetchone()
            answered, still_open = connection.execute(
                "select count(*) filter (where is_done), count(*) filter (where not is_done) "
                "from question"
            ).fetchone()
        finally:
            connection.close()
    except sqlite3.Error:
        return None
    if day is None or not answered + still_open:
        return None
    return {"day": day[0], "answered": answered, "open": still_open}


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
        _python, _dbt, _data_folder, _disk, _salt, _archive_sources, _github_source, _hub_source,
        _gated_access, _warehouse,
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
    return Finding("dbt", "ok", str(dbt_executable()))


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
    from orchestration.salt import SALT_VARIABLE, address_salt

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


def _github_source(settings: Settings) -> Finding:
    github = settings.github
    if github.source == "off":
        return Finding("GitHub", "ok", "off")
    tokens = settings.github_tokens()
    if not tokens:
        return Finding(
            "GitHub", "warn", f"not asked: {GITHUB_TOKEN_VARIABLE} is not set",
            f"Set {GITHUB_TOKEN_VARIABLE} to one token or several; no scope is needed.",
        )  # fmt: skip
    problem = _probe(github.endpoint)
    if problem:
        text = f"{github.endpoint}: {problem}"
        return Finding("GitHub", "fail", text, "Check github.endpoint.")
    return Finding("GitHub", "ok", f"{github.endpoint}, {_tokens(len(tokens))}")


def _tokens(count: int) -> str:
    """How many tokens there are; what is left to each is not known before it asked."""
    return f"{count} token{'s' if count > 1 else ''}, budgets known after the first request"


def _gated_access(settings: Settings) -> Finding:
    from assets.huggingface.access import check_confirmed

    if settings.huggingface.gated_access == "report":
        return Finding("gated repositories", "ok", "reported, access is not asked for")
    check_confirmed(settings.huggingface)
    most = settings.huggingface.gated_daily_limit
    return Finding("gated repositories", "ok", f"access may be asked for, {most} a day")


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
    tokens = settings.hub_tokens()
    token = _tokens(len(tokens)) if tokens else f"no {HUB_TOKEN_VARIABLE} (lower rate limits)"
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
