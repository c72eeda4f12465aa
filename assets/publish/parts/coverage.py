"""What was seen of each platform by day, and what was not.

Belongs here: rows of `mart_coverage` for the page. Does not belong here: the strip of days
(`figures`).
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from assets.publish.figures import DayCoverage, coverage_figure
from assets.publish.published import Published, Row
from assets.study.features import PLATFORM_NAMES, PLATFORMS

MOST_GAP_DAYS = 12


def coverage(published: Published) -> list[Row]:
    """Totals, states and the strip of days of each platform."""
    totals = {
        row["platform"]: row
        for row in published.rows(
            "SELECT platform, min(day) AS first_day, max(day) AS last_day, count(*) AS day_count,"
            " sum(expected_count)::BIGINT AS expected_count, sum(seen_count)::BIGINT AS seen_count,"
            " sum(event_count)::BIGINT AS event_count,"
            " sum(malformed_count)::BIGINT AS malformed_count,"
            " sum(duplicate_count)::BIGINT AS duplicate_count,"
            " max(newest_event_at) AS newest_event_at"
            " FROM mart_coverage GROUP BY platform"
        )
    }
    return [_platform_coverage(published, name, totals.get(name)) for name in PLATFORMS]


def _platform_coverage(published: Published, platform: str, total: Row | None) -> Row:
    days = published.rows(
        "SELECT day, completeness_share, state_counts FROM mart_coverage"
        " WHERE platform = ? ORDER BY day",
        [platform],
    )
    label = PLATFORM_NAMES[platform]
    unit = "archive files" if platform == "github" else "listings"
    share_seen = None
    if total and total["expected_count"]:
        share_seen = total["seen_count"] / total["expected_count"]
    return {
        "kind": platform,
        "label": label,
        "unit": unit,
        "total": total,
        "seen_share": share_seen,
        "span": (total["last_day"] - total["first_day"]).days + 1 if total else 0,
        "states": _states(row["state_counts"] for row in days),
        "figure": coverage_figure(f"Completeness of {label} by day", _without_gaps(days)),
    }


def _without_gaps(rows: Sequence[Row]) -> list[DayCoverage]:
    """Every day from the first to the last: one without a row is shown, not skipped."""
    if not rows:
        return []
    known = {
        row["day"]: DayCoverage(row["day"], row["completeness_share"], row["state_counts"] or "")
        for row in rows
    }
    first: date = rows[0]["day"]
    length = (rows[-1]["day"] - first).days + 1
    days = (first + timedelta(days=offset) for offset in range(length))
    return [known.get(day) or DayCoverage(day, None, "") for day in days]


def _states(texts: Iterable[str | None]) -> list[tuple[str, int]]:
    """Ledger states over all days, from texts such as "ok 22, missing 2"."""
    totals: dict[str, int] = {}
    for text in texts:
        for part in (text or "").split(","):
            state, _, number = part.strip().rpartition(" ")
            if state and number.isdigit():
                totals[state] = totals.get(state, 0) + int(number)
    return sorted(totals.items(), key=lambda item: (-item[1], item[0]))


def gaps(published: Published) -> list[Row]:
    """The least complete days, at most `MOST_GAP_DAYS`."""
    rows = published.rows(
        "SELECT platform, day, expected_count, seen_count, completeness_share, state_counts,"
        " count(*) OVER () AS gap_day_count"
        " FROM mart_coverage WHERE coalesce(completeness_share, 0) < 1"
        f" ORDER BY completeness_share NULLS FIRST, day DESC, platform LIMIT {MOST_GAP_DAYS}"
    )
    return [{**row, "label": PLATFORM_NAMES.get(row["platform"], row["platform"])} for row in rows]
