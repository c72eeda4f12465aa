"""How much of what was expected is there: hours, listings, days of the mart, published rows.

Belongs here: counts against what was expected. Does not belong here: whether what is there is
right (ledger, expectations) or new (recency).
"""

import csv
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from assets.github.ingest import LOADED, partition_of
from assets.huggingface.normalise import API, COMMITS, DISCUSSIONS
from assets.huggingface.snapshot import LOADED as HUB_LOADED
from assets.publish.snapshot import DATABASE_NAME, PUBLISHED_TABLES
from checks.outcome import CheckOutcome, Row, Severity, failed, first_rows, listed, passed
from checks.warehouse import reading
from orchestration.lake import Entry, Lake

HOURS = 24
# Loaded, but not as one would wish.
THIN = "thin"
# Kind of a known gap to the states that it explains.
EXCUSED = {"missing": ("missing", THIN), THIN: (THIN,)}
NO_GAPS: Mapping[datetime, str] = MappingProxyType({})
LEAST_SHARE_OF_PREVIOUS = 0.8
KNOWN_GAPS = Path(__file__).resolve().parents[1] / "dbt_project/seeds/known_archive_gaps.csv"


def known_gap_hours(path: Path = KNOWN_GAPS) -> dict[datetime, str]:
    """Hours that the archive is publicly known to lack (`missing`) or to hold thinly (`thin`).

    Source: the seed of dbt, with a public page for each gap.
    """
    hours: dict[datetime, str] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            hour = datetime.fromisoformat(row["first_hour_at"])
            while hour <= datetime.fromisoformat(row["last_hour_at"]):
                if hours.get(hour) != "missing":
                    hours[hour] = row["kind"]
                hour += timedelta(hours=1)
    return hours


def archive_hours(
    lake: Lake,
    days: Sequence[date],
    known_gaps: Mapping[datetime, str] = NO_GAPS,
    fewest_whole: int = HOURS,
) -> CheckOutcome:
    """The hours of the days are loaded.

    An error where no hour of any of the days is loaded; otherwise a warning for a day with
    fewer than `fewest_whole` whole hours, naming the others. A day that the archive lost does
    not stop the other days of a backfill.

    Args:
        known_gaps: hours that nobody has whole, to `missing` or `thin`; they count as whole
            where they are no worse than that.
        fewest_whole: hours a day, of 24.
    """
    name = "hours_loaded"
    if not days:
        return failed(name, "error", "no archive day was ever asked for")
    seen = [_hours_of(lake, day) for day in days]
    loaded = sum(day["loaded"] for day in seen)
    others = sum(day["other_files"] for day in seen)
    numbers = {
        "coverage": f"{loaded} of {HOURS * len(days)} hours",
        "days": first_rows(_day_row(day) for day in seen),
    }
    if not loaded and not others:
        told = f"no hour of {_span(days)} is loaded"
        severity: Severity = "warn" if all(_is_known(day, known_gaps) for day in seen) else "error"
        return CheckOutcome(name, False, severity, told, numbers)
    short = [
        text for day in seen if (text := _shortfall(day, known_gaps, fewest_whole)) is not None
    ]
    if short:
        return failed(name, "warn", "; ".join(short[:3]) + _more(len(short) - 3), **numbers)
    return passed(name, f"{loaded} of {HOURS * len(days)} hours of {_span(days)}", **numbers)


def hub_rows(
    lake: Lake,
    table: str,
    is_required: bool = True,
    least_share: float = LEAST_SHARE_OF_PREVIOUS,
) -> CheckOutcome:
    """The newest observation has rows, and not far fewer than the one before.

    Observations are compared where they are of the same kind: the same forms of source, and none
    of them limited by a setting.

    Args:
        is_required: false where the table may be absent (the Hub is off, or not mined so deep).
        least_share: of the previous observation's rows.
    """
    name = "rows_observed"
    days = lake.days("huggingface", table)
    newest = _observation(lake, table, days[-1]) if days else None
    if newest is None or not newest["rows"]:
        if is_required:
            return failed(name, "error", f"no rows of {table} in the newest observation", rows=0)
        return passed(name, f"no {table}, and none are required", rows=0)
    numbers: dict[str, Any] = {"rows": newest["rows"], "observed_on": days[-1].isoformat()}
    if newest["failed"]:
        told = f"not loaded on {days[-1]}: {listed(newest['failed'])}"
        return failed(name, "warn", told, **numbers)
    earlier = [_observation(lake, table, day) for day in reversed(days[:-1])]
    previous = next((one for one in earlier if one["kind"] == newest["kind"]), None)
    if previous is None or newest["kind"] & {"limited", "changed only"}:
        return passed(name, f"{newest['rows']} rows, nothing to compare with", **numbers)
    numbers |= {"previous_rows": previous["rows"], "previous_on": previous["day"].isoformat()}
    if newest["rows"] < least_share * previous["rows"]:
        told = f"{newest['rows']} rows where {previous['day']} had {previous['rows']}"
        return failed(name, "warn", told, **numbers)
    return passed(name, f"{newest['rows']} rows of {days[-1]}", **numbers)


def coverage_mart(warehouse: Path, lake_days: Collection[date] = ()) -> CheckOutcome:
    """Completeness is known and a share, and no day is left out of `mart_coverage`.

    Args:
        lake_days: archive days of the lake; those that the mart lacks are told.
    """
    name = "coverage_is_told"
    with reading(warehouse=warehouse) as connection:
        wrong = connection.execute(
            """
            select platform, day, completeness_share, completeness_basis
            from warehouse.marts.mart_coverage
            where not coalesce(
                completeness_share between 0 and 1, completeness_basis = 'no_hour_files', false
            )
            order by platform, day
            """
        ).fetchall()
        days = {
            row[0]
            for row in connection.execute(
                "select day from warehouse.marts.mart_coverage where platform = 'github'"
            ).fetchall()
        }
    if wrong:
        rows = [dict(zip(("platform", "day", "share", "basis"), row, strict=True)) for row in wrong]
        told = f"{len(wrong)} days without a share from 0 to 1"
        return failed(name, "error", told, rows=first_rows(rows))
    gaps = _days_between(days) - days
    unmodelled = set(lake_days) - days
    numbers = {"github_days": len(days), "days_left_out": len(gaps), "not_built": len(unmodelled)}
    told_of = []
    if gaps:
        told_of.append(f"between first and last day are not loaded: {listed(sorted(gaps))}")
    if unmodelled:
        told_of.append(f"in the lake, not in the mart: {listed(sorted(unmodelled))}")
    if told_of:
        return failed(name, "warn", "; ".join(told_of), **numbers)
    return passed(name, f"{len(days)} archive days, none left out", **numbers)


def published_copy(warehouse: Path, published_dir: Path) -> CheckOutcome:
    """The analysts' copy has the rows of the warehouse, mart by mart."""
    name = "copy_equals_warehouse"
    copy = published_dir / DATABASE_NAME
    if not copy.is_file():
        return passed(name, "nothing is published yet")
    rows: list[Row] = []
    with reading(warehouse=warehouse, copy_of_it=copy) as connection:
        present = {
            row[0]
            for row in connection.execute(
                "select table_name from duckdb_tables() where database_name = 'copy_of_it'"
            ).fetchall()
        }
        for table in PUBLISHED_TABLES:
            there = _count(connection, f"warehouse.marts.{table}")
            here = _count(connection, f"copy_of_it.main.{table}") if table in present else None
            rows.append({"table": table, "warehouse_rows": there, "published_rows": here})
    different = [row["table"] for row in rows if row["warehouse_rows"] != row["published_rows"]]
    if different:
        return failed(name, "error", f"not the same rows: {listed(different)}", tables=rows)
    return passed(name, f"{len(rows)} marts have the same rows", tables=rows)


def _hours_of(lake: Lake, day: date) -> dict[str, Any]:
    """State of each hour of a day; the best where several files cover one."""
    states: dict[int, str] = {}
    others = 0
    for entry in partition_of(lake, day).entries():
        hour = entry["hour"]
        if hour is None:
            others += entry["state"] in LOADED
        elif states.get(hour) not in LOADED or entry["state"] in LOADED - {THIN}:
            states[hour] = entry["state"]
    loaded = sum(state in LOADED for state in states.values())
    return {"day": day, "states": states, "loaded": loaded, "other_files": others}


def _wanting(day: dict[str, Any], known_gaps: Mapping[datetime, str]) -> dict[str, list[int]]:
    """Hours that are not whole, by what they are instead."""
    wanting: dict[str, list[int]] = {}
    midnight = datetime.combine(day["day"], datetime.min.time())
    for hour in range(HOURS):
        state = day["states"].get(hour, "never asked for")
        is_whole = state in LOADED and state != THIN
        gap = known_gaps.get(midnight + timedelta(hours=hour), "")
        if not is_whole and state not in EXCUSED.get(gap, ()):
            wanting.setdefault(state, []).append(hour)
    return wanting


def _shortfall(
    day: dict[str, Any], known_gaps: Mapping[datetime, str], fewest_whole: int
) -> str | None:
    wanting = _wanting(day, known_gaps)
    if HOURS - sum(map(len, wanting.values())) >= fewest_whole:
        return None
    texts = [f"{state} {_hours_text(hours)}" for state, hours in sorted(wanting.items())]
    return f"{day['day']}: {', '.join(texts)}"


def _is_known(day: dict[str, Any], known_gaps: Mapping[datetime, str]) -> bool:
    return not _wanting(day, known_gaps)


def _day_row(day: dict[str, Any]) -> Row:
    wanting = _wanting(day, NO_GAPS)
    texts = [f"{state} {_hours_text(hours)}" for state, hours in sorted(wanting.items())]
    return {
        "day": day["day"].isoformat(),
        "loaded": day["loaded"],
        "other_files": day["other_files"],
        "not_whole": ", ".join(texts),
    }


def _hours_text(hours: Sequence[int]) -> str:
    """Hours as runs: `0-3, 7`."""
    runs: list[list[int]] = []
    for hour in hours:
        if runs and runs[-1][-1] == hour - 1:
            runs[-1].append(hour)
        else:
            runs.append([hour])
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return f"(h {', '.join(texts)})"


def _span(days: Sequence[date]) -> str:
    return str(days[0]) if len(days) == 1 else f"{min(days)} to {max(days)}"


def _more(count: int) -> str:
    return f"; and {count} more days" if count > 0 else ""


def _observation(lake: Lake, table: str, day: date) -> dict[str, Any]:
    """Rows and kind of one observation day."""
    entries = lake.partition("huggingface", table, day).entries()
    loaded = [entry for entry in entries if entry["state"] in HUB_LOADED]
    kind = {str(entry.get("source_form")) for entry in loaded}
    if any(_is_limited(entry) for entry in loaded):
        kind.add("limited")
    if table in (COMMITS, DISCUSSIONS) and API in kind:
        # A night asks for those of the repositories that have changed, and of a slice.
        kind.add("changed only")
    return {
        "day": day,
        "rows": sum(entry["row_count"] for entry in loaded),
        "kind": kind,
        "failed": [entry["name"] for entry in entries if entry["state"] not in HUB_LOADED],
    }


def _is_limited(entry: Entry) -> bool:
    return "limited to" in (entry.get("reason") or "")


def _days_between(days: Collection[date]) -> set[date]:
    if not days:
        return set()
    first, last = min(days), max(days)
    return {first + timedelta(days=number) for number in range((last - first).days + 1)}


def _count(connection: Any, table: str) -> int:
    """Rows of a table; the names are ours."""
    return int(connection.execute(f"select count(*) from {table}").fetchone()[0])
