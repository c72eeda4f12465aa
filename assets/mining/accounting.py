"""What a night's answers and requests come to, in a few rows or one line.

Belongs here: sums over the landed tables `answers` and `requests` of one day, and progress in
words. Does not belong here: how they are written (engine) and shown (assets,
orchestration.mining_cli).
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from assets.mining.engine import ANSWERS, REQUESTS, Progress
from orchestration.clients.http import BudgetState
from orchestration.lake import Lake
from orchestration.parquet import asking_files

Row = dict[str, Any]
_OUTCOMES = """
    select
        kind, outcome, count(*)::bigint as questions,
        sum(new_item_count)::bigint as new_items,
        count(*) filter (is_changed)::bigint as changed,
        min(recheck_on) as next_recheck_on
    from read_parquet($files)
    group by all order by kind, questions desc, outcome
"""
_SPENDING = """
    select
        kind, account,
        sum(call_count)::bigint as calls,
        sum(not_modified_count)::bigint as not_modified,
        sum(retry_count)::bigint as retries,
        sum(refused_count)::bigint as refused_by_a_limit,
        sum(failed_count)::bigint as failed,
        round(sum(waited_seconds), 1) as waited_seconds,
        sum(received_bytes)::bigint as received_bytes,
        max(limit_count) as limit_count,
        min(remaining_count) as least_remaining
    from read_parquet($files)
    group by all order by kind, account
"""


def outcomes(lake: Lake, source: str, day: date) -> list[Row]:
    """What became of the questions of a day: one row for each kind and outcome."""
    return _asked(lake, source, ANSWERS, day, _OUTCOMES)


def spending(lake: Lake, source: str, day: date) -> list[Row]:
    """What a day's requests came to: one row for each class of requests and account."""
    return _asked(lake, source, REQUESTS, day, _SPENDING)


def coverage(rows: list[Row]) -> str:
    """The outcomes as one line: `commits: ok 90, absent 3; stocks: ok 100`."""
    kinds: dict[str, list[str]] = {}
    for row in rows:
        kinds.setdefault(row["kind"], []).append(f"{row['outcome']} {row['questions']:,}")
    return "; ".join(f"{kind}: {', '.join(told)}" for kind, told in kinds.items())


def _asked(lake: Lake, source: str, table: str, day: date, sql: str) -> list[Row]:
    files = [str(path) for path in lake.partition(source, table, day).current_files()]
    if not files:
        return []
    with asking_files() as connection:
        found = connection.execute(sql, {"files": files})
        names = [column[0] for column in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def in_words(rows: list[Row]) -> str:
    """A day's spending as one line."""
    if not rows:
        return "no request"
    calls, spared, again, refused, waited = (
        sum(row[name] for row in rows)
        for name in ("calls", "not_modified", "retries", "refused_by_a_limit", "waited_seconds")
    )
    return (
        f"{calls:,} requests, {spared:,} not modified, {again:,} repeated, {refused:,} refused by "
        f"a limit, waited {waited:,.0f} s"
    )


def budgets_in_words(budgets: Sequence[BudgetState]) -> str:
    """What each account may still ask: `github.rest 4,321 of 5,000 (1a2b3c)`."""
    return ", ".join(
        f"{state.kind} {_count(state.remaining)} of {_count(state.limit)} ({state.account})"
        for state in budgets
    )


def _count(number: float | None) -> str:
    return "?" if number is None else f"{number:,.0f}"


def line_of(progress: Progress | str) -> str:
    """Where a night stands, as one line."""
    if isinstance(progress, str):
        return progress
    told = [
        f"{progress.stage}: {progress.done:,} of {progress.total:,}",
        f"{progress.rate_per_second:,.1f} a second",
        f"{progress.request_count:,} requests",
    ]
    if progress.eta_seconds is not None and progress.done < progress.total:
        told.append(f"{duration(progress.eta_seconds)} left")
    if progress.waited_seconds >= 1:
        told.append(f"waited {duration(progress.waited_seconds)}")
    if progress.budgets:
        told.append(budgets_in_words(progress.budgets))
    return ", ".join(told)


def duration(seconds: float) -> str:
    """Seconds for people: `45 s`, `12 min`, `3.5 h`, `2.1 d`."""
    if seconds < 120:
        return f"{seconds:,.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:,.0f} min"
    if seconds < 48 * 3_600:
        return f"{seconds / 3_600:,.1f} h"
    return f"{seconds / 86_400:,.1f} d"
