"""The Hub on one day, as the settings say: the listing, then histories, or a dump.

Belongs here: which of the Hub's sources is read, in what order, and which day it is. Does not
belong here: how each is read (snapshot, histories).
"""

from datetime import date

from assets.huggingface.histories import Histories
from assets.huggingface.snapshot import Progress, Snapshotter
from orchestration.clients.huggingface import HistoryPages, ModelPages
from orchestration.failures import PermanentFailure
from orchestration.lake import Entry, Lake
from orchestration.settings import Settings


def observe(
    lake: Lake,
    settings: Settings,
    salt: bytes,
    today: date | None = None,
    progress: Progress | None = None,
    refresh: bool = False,
) -> list[Entry]:
    """Observe the Hub as the settings say; returns the ledger rows of this observation.

    Args:
        today: the day of observation where the live API is asked, UTC; by default the Hub's.
        progress: told in one line what is done.
        refresh: list again although the day is loaded.

    Raises:
        PermanentFailure: a setting is missing, or the Hub refuses.
        TransientFailure: the Hub cannot be reached; the next call goes on where this stopped.
    """
    hub = settings.huggingface
    snapshotter = Snapshotter(lake, salt, settings.archive.keep_email_domain, progress=progress)
    snapshotter.prepare()
    if hub.source == "off":
        return []
    if hub.source == "dump":
        return _dump(snapshotter, settings)
    token = settings.hub_token()
    pages = ModelPages(hub.endpoint, token, page_size=hub.page_size)
    day = today or pages.today()
    listing = snapshotter.ingest_api(pages, day, hub.model_limit, refresh)
    if not hub.history_limit:
        return [listing]
    histories = Histories(snapshotter, HistoryPages(hub.endpoint, token), day, hub.history_limit)
    return [listing, *histories.run()]


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
