"""How old the newest data are, where newer data could be there.

Belongs here: documented lags of the sources, and which sources stand still. Does not belong
here: whether a day is complete (coverage).
"""

import ipaddress
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from urllib.parse import urlsplit

from assets.github.ingest import LOADED, SOURCE, TABLE, partition_of
from assets.huggingface.snapshot import LOADED as HUB_LOADED
from checks.outcome import CheckOutcome, failed, passed
from orchestration.lake import Lake
from orchestration.settings import GitHubSettings, HuggingFaceSettings

# The events API says: up to six hours late; the archive writes an hour's file about one later.
# https://docs.github.com/en/rest/activity/events
ARCHIVE_LAG = timedelta(hours=7)
# The newest day is fetched by the next night's run.
ARCHIVE_NIGHT = timedelta(days=1)
MOST_AGE = timedelta(days=2)


def archive_recency(
    lake: Lake, now: datetime, still: str | None = None, allowed: timedelta = ARCHIVE_NIGHT
) -> CheckOutcome:
    """The newest loaded archive day is the newest that can be expected.

    Args:
        now: UTC, without zone.
        still: why the sources never get newer (`archive_stands_still`), or None.
        allowed: how long after a day is whole in the archive it may still be absent here.
    """
    name = "newest_day_recent"
    newest = _newest_loaded(lake)
    if still is not None:
        return passed(name, f"not judged: {still}", newest_day=str(newest))
    expected = (now - ARCHIVE_LAG - allowed).date() - timedelta(days=1)
    numbers = {"newest_day": str(newest), "expected_day": expected.isoformat()}
    if newest is None:
        return failed(name, "warn", "no archive day is loaded", **numbers)
    if newest < expected:
        late = (expected - newest).days
        told = f"the newest loaded day is {newest}: {late} days behind {expected}"
        return failed(name, "warn", told, days_behind=late, **numbers)
    return passed(name, f"the newest loaded day is {newest}", **numbers)


def snapshot_recency(
    lake: Lake,
    source: str,
    table: str,
    now: datetime,
    still: str | None = None,
    most_age: timedelta = MOST_AGE,
) -> CheckOutcome:
    """The newest observation is at most so old; arguments as in `archive_recency`."""
    name = "newest_observation_recent"
    newest = next(
        (
            day
            for day in reversed(lake.days(source, table))
            if any(
                entry["state"] in HUB_LOADED
                for entry in lake.partition(source, table, day).entries()
            )
        ),
        None,
    )
    if still is not None:
        return passed(name, f"not judged: {still}", newest_observation=str(newest))
    if newest is None:
        return failed(name, "warn", f"{table} were never observed")
    age = (now.date() - newest).days
    numbers = {"newest_observation": newest.isoformat(), "age_days": age}
    if age > most_age.days:
        return failed(name, "warn", f"the newest observation is {age} days old", **numbers)
    return passed(name, f"observed on {newest}", **numbers)


def archive_stands_still(sources: Sequence[str]) -> str | None:
    """Why no source of the archive ever gets newer; None where one does."""
    if all("://" not in source for source in sources):
        return "the archive is read from local folders"
    if all("://" not in source or _is_loopback(source) for source in sources):
        return "the archive is served by this machine"
    return None


def hub_stands_still(hub: HuggingFaceSettings) -> str | None:
    """Why the Hub's source never gets newer; None where it does."""
    if hub.source == "off":
        return "the Hub is off"
    if hub.source == "dump":
        return f"the Hub is a fixed dump of {hub.dump_observed_on}"
    return "the Hub is served by this machine" if _is_loopback(hub.endpoint) else None


def github_stands_still(github: GitHubSettings, has_token: bool) -> str | None:
    """Why GitHub's interfaces are not asked every night; None where they are."""
    if github.source == "off":
        return "GitHub's interfaces are off"
    if not has_token:
        return "GitHub's interfaces are not asked without a token"
    return "GitHub is served by this machine" if _is_loopback(github.endpoint) else None


def _newest_loaded(lake: Lake) -> date | None:
    for day in reversed(lake.days(SOURCE, TABLE)):
        if any(entry["state"] in LOADED for entry in partition_of(lake, day).entries()):
            return day
    return None


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
