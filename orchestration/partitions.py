"""The partitions: one UTC day of archive files.

Belongs here: partition definitions and the days of a run. Does not belong here: what is done
with a day. Observation days of the Hub are no Dagster partitions: yesterday's listing cannot be
asked for, so nothing could ever be backfilled.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg

# One run of a backfill takes so many days: a bad day does not lose a year, and dbt starts
# once for a month and not once for each day.
DAYS_A_RUN = 31


def archive_days(first_day: date) -> dg.DailyPartitionsDefinition:
    """Days of archive files from `first_day` to yesterday, UTC."""
    return dg.DailyPartitionsDefinition(start_date=first_day.isoformat(), timezone="UTC")


def backfill_policy() -> dg.BackfillPolicy:
    """How a range of days is cut into runs; one policy for all assets with days."""
    return dg.BackfillPolicy.multi_run(max_partitions_per_run=DAYS_A_RUN)


def days_of(keys: Sequence[str]) -> list[date]:
    """Partition keys as days, ascending."""
    return sorted(date.fromisoformat(key) for key in keys)


def yesterday() -> date:
    """The newest day whose files can be complete."""
    return (datetime.now(UTC) - timedelta(days=1)).date()


def chunks(first: date, last: date) -> list[tuple[date, date]]:
    """The ranges of days, ends included, that the runs of a backfill take."""
    ranges = []
    while first <= last:
        end = min(last, first + timedelta(days=DAYS_A_RUN - 1))
        ranges.append((first, end))
        first = end + timedelta(days=1)
    return ranges
