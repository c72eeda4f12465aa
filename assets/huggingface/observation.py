"""The Hub on one day, as the settings say: listings, then histories, or a dump.

Belongs here: which of the Hub's sources is read, in what order, and which day it is. Does not
belong here: how each is read (snapshot, histories, access).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from assets.github.lines import AddressHasher
from assets.huggingface import histories, normalise
from assets.huggingface.normalise import LISTINGS, MODELS
from assets.huggingface.snapshot import API_NAME, SOURCE, Progress, Snapshotter, is_current
from assets.mining import engine
from assets.mining.engine import Night, Told
from orchestration.clients.http import Sent
from orchestration.clients.huggingface import HubClient, RepositoryPages, download, hub_client
from orchestration.failures import PermanentFailure
from orchestration.lake import Entry, Lake
from orchestration.settings import Settings

# A nightly table of all public models by a member of the Hub's staff.
HUB_STATS, HUB_STATS_FILE = "cfahlgren1/hub-stats", "models.parquet"


@dataclass(frozen=True)
class Session:
    """The Hub on one day of observation."""

    snapshotter: Snapshotter
    client: HubClient
    tonight: Night


@contextmanager
def session(
    lake: Lake,
    settings: Settings,
    salt: bytes,
    today: date | None = None,
    progress: Progress | None = None,
    told: Told | None = None,
) -> Iterator[Session]:
    """The Hub's journal, open for the day; keeps other processes out.

    Args:
        today: the day of observation, UTC; by default the Hub's.

    Raises:
        TransientFailure: the Hub cannot be reached, or another process is mining it.
        PermanentFailure: the Hub refuses, or the journal cannot be used.
    """
    hub = settings.huggingface
    snapshotter = _prepared(lake, settings, salt, progress)
    # The day is asked for before there is a journal of it.
    early: list[Sent] = []
    sink = [early.append]
    client = hub_client(
        hub.endpoint, settings.hub_tokens(), salt, told=lambda sent: sink[-1](sent),
        attempts=hub.attempts, timeout_seconds=hub.timeout_seconds,
    )  # fmt: skip
    day = today or client.today()
    digest = histories.digest_of(hub.endpoint, snapshotter)
    folder = settings.state_dir / "mining"
    tables = histories.tables(snapshotter)
    with engine.night(lake, SOURCE, day, digest, folder, tables, told) as tonight:
        for sent in early:
            tonight.told(sent)
        sink.append(tonight.told)
        tonight.attach(client.http)
        yield Session(snapshotter, client, tonight)


def _prepared(
    lake: Lake, settings: Settings, salt: bytes, progress: Progress | None
) -> Snapshotter:
    snapshotter = Snapshotter(lake, salt, settings.archive.keep_email_domain, progress=progress)
    snapshotter.prepare()
    return snapshotter


def observe(
    lake: Lake,
    settings: Settings,
    salt: bytes,
    today: date | None = None,
    progress: Progress | None = None,
    refresh: bool = False,
    told: Told | None = None,
) -> list[Entry]:
    """Observe the Hub as the settings say; returns the ledger rows of this observation.

    Args:
        today: the day of observation where the live API is asked, UTC; by default the Hub's.
        progress: told in one line what is done.
        refresh: list again although the day is loaded.
        told: told where the questions of the night stand.

    Raises:
        PermanentFailure: a setting is missing, or the Hub refuses.
        TransientFailure: the Hub cannot be reached; the next call goes on where this stopped.
    """
    hub = settings.huggingface
    if hub.source == "off":
        _prepared(lake, settings, salt, progress)
        return []
    if hub.source == "dump":
        return _dump(_prepared(lake, settings, salt, progress), settings)
    with session(lake, settings, salt, today, progress, told) as now:
        listed = [_listing(now, kind, settings, refresh) for kind in hub.repository_types]
        hasher = AddressHasher(salt, settings.archive.keep_email_domain)
        both = histories.listings(now.snapshotter, now.tonight.day, list(hub.repository_types))
        asked = histories.read(now.tonight, now.client, both, hub, hasher, now.snapshotter.tell)
        return [*listed, *asked]


def _listing(now: Session, kind: str, settings: Settings, refresh: bool) -> Entry:
    """List one type of repository, unless a file told of the day's."""
    hub = settings.huggingface
    partition = now.snapshotter.partition(LISTINGS[kind], now.tonight.day)
    for entry in partition.entries():
        if entry["source_form"] == normalise.HUB_STATS and is_current(entry):
            return entry
    pages = RepositoryPages(now.client, kind, hub.page_size)
    return now.snapshotter.ingest_api(pages, now.tonight.day, hub.model_limit, refresh)


def bootstrap(
    lake: Lake,
    settings: Settings,
    salt: bytes,
    path: Path | None = None,
    today: date | None = None,
    progress: Progress | None = None,
) -> Entry:
    """Load the public table of all models as the listing of the day; returns its ledger row.

    Args:
        path: a hub-stats Parquet file; by default it is fetched from the endpoint, and a fetch
            that was killed is gone on with.

    Raises:
        PermanentFailure: there is no such file, or it is something else.
        TransientFailure: the Hub cannot be reached.
    """
    hub = settings.huggingface
    snapshotter = _prepared(lake, settings, salt, progress)
    client = hub_client(
        hub.endpoint, settings.hub_tokens(), salt, attempts=hub.attempts,
        timeout_seconds=hub.timeout_seconds,
    )  # fmt: skip
    day = today or client.today()
    if snapshotter.partition(MODELS, day).entry(API_NAME) is not None:
        raise PermanentFailure(f"The models of {day} are listed already.", "Observe the Hub.")
    file = path
    if file is None:
        token = next(iter(settings.hub_tokens()), None)
        folder = settings.state_dir / "mining" / "hub-stats"
        file = download(hub.endpoint, token, HUB_STATS, HUB_STATS_FILE, folder)
    (entry,) = snapshotter.ingest_dump([file], day)
    if not is_current(entry) or entry["source_form"] != normalise.HUB_STATS:
        raise PermanentFailure(
            f"{file.name} is no table of models ({entry['state']}: {entry['reason']}).",
            f"Give a copy of {HUB_STATS_FILE} of the data set {HUB_STATS}.",
        )
    if path is None:
        file.unlink()
    return entry


def _dump(snapshotter: Snapshotter, settings: Settings) -> list[Entry]:
    hub = settings.huggingface
    if hub.dump_observed_on is None:
        raise PermanentFailure(
            "The day that the Hub dump describes is not set.",
            "Set huggingface.dump_observed_on to a day (YYYY-MM-DD).",
        )
    if not hub.dump:
        raise PermanentFailure(
            "There are no Hub dump files.",
            "Name them in huggingface.dump, or set huggingface.source to 'api' or 'off'.",
        )
    return snapshotter.ingest_dump(hub.dump, hub.dump_observed_on)
