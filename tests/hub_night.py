"""Nights on the twin's Hub for tests: small pages, faults and limits, and what was landed.

Belongs here: what the tests of nights share. Does not belong here: checks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hub_twin import FIRST_DAY, SMALL, small_world

from assets.huggingface.observation import observe
from orchestration.clients.http import Http
from orchestration.clients.huggingface import hub_client
from orchestration.lake import Entry, Lake
from orchestration.parquet import asking_files
from orchestration.settings import HuggingFaceSettings, Settings
from twin.hub import Hub
from twin.server import hub_api
from twin.server.app import Service, Twin
from twin.server.app import serving as twin_serving
from twin.server.clock import Calendar
from twin.server.limits import LimitSettings
from twin.world import World

SALT = b"0123456789abcdef-salt"
COMMIT_PAGE = 20
# A world that shows what is rare: gated, disabled, switched off, hidden; and long lists.
SEED, MODELS = 10, 80
NO_LIMITS = LimitSettings(enabled=False)
ROWS = (
    *("models", "datasets", "spaces", "commits", "discussions", "discussion_events", "accounts"),
    *("organisation_members", "likers", "access_requests", "answers"),
)


@cache
def world(seed: int = SEED, models: int = MODELS) -> World:
    return small_world(models, 60, 8, seed)


@contextmanager
def served(
    days: int = 2, seed: int = SEED, models: int = MODELS, small: bool = True, **options: Any
) -> Iterator[Service]:
    """A Hub of its own, so that requests for access are forgotten, with small pages."""
    whole = world(seed, models)
    twin = Twin(Calendar(FIRST_DAY, days), world=whole, hub=Hub(whole))
    sizes = partial(hub_api.PageSizes, **{**vars(SMALL), "repositories": 1_000})
    with (
        patch.object(hub_api, "PageSizes", sizes if small else hub_api.PageSizes),
        twin_serving(twin=twin, **{"limits": NO_LIMITS, **options}) as service,
    ):
        yield service


@contextmanager
def impatient() -> Iterator[None]:
    """Failures are repeated at once, and pages of commits are small."""
    with (
        patch.dict(Http.__init__.__kwdefaults__, {"backoff_seconds": 0.005}),
        patch.dict(hub_client.__kwdefaults__, {"commit_page": COMMIT_PAGE}),
    ):
        yield


def settings(service: Service, folder: Path, **hub: Any) -> Settings:
    chosen = {"endpoint": service.twin.hub_base, "page_size": 100, "attempts": 12, **hub}
    return Settings(data_dir=folder, huggingface=HuggingFaceSettings(**chosen))


def night(
    service: Service, folder: Path, day: date | None = None, told: Any = None, **hub: Any
) -> list[Entry]:
    """Observe the twin, as of its own day unless another is given."""
    chosen = settings(service, folder, **hub)
    with impatient():
        return observe(Lake(chosen.lake_root), chosen, SALT, day, told=told)


def rows(folder: Path, table: str, day: date, what: str = "*", rest: str = "") -> list[Any]:
    lake = Lake(folder / "lake")
    files = [str(file) for file in lake.partition("huggingface", table, day).current_files()]
    if not files:
        return []
    query = f"select {what} from read_parquet($files) {rest}"
    with asking_files() as connection:
        return connection.execute(query, {"files": files}).fetchall()


def landed(folder: Path, day: date) -> dict[str, list[Any]]:
    """All rows of a day's tables."""
    return {table: rows(folder, table, day, rest="order by all") for table in ROWS}


def answers(folder: Path, kind: str, day: date) -> dict[str, tuple[Any, ...]]:
    """Subject to outcome, item count, tier and present name."""
    found = rows(
        folder, "answers", day, "subject, outcome, item_count, tier, name_now",
        f"where kind = '{kind}'",
    )  # fmt: skip
    return {subject: tuple(rest) for subject, *rest in found}


def request_count(service: Service) -> int:
    return int(service.counters.as_json().get("hub.api", {}).get("requests", 0))
