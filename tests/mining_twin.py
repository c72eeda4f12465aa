"""A twin whose lists are short enough to be read whole in seconds, and an installation for it.

Belongs here: what tests of whole nights share. Does not belong here: checks.
"""

from dataclasses import replace
from datetime import date
from pathlib import Path

from assets.github.ingest import Ingester
from orchestration.clients.archive import ArchiveSource
from orchestration.lake import Lake
from orchestration.settings import Settings
from twin.draws import Tail
from twin.scales import PLANTED, SCALES
from twin.server.app import Twin

FIRST_DAY = date(2025, 10, 6)
SALT = b"a salt of the tests that is long enough"
# The published tails have histories of a million commits: nothing for a test.
SHORT = replace(
    SCALES["tiny"],
    name="short",
    targets=PLANTED
    | {
        "github_commits": Tail(0.0, 1.3, 800, median=24.5),
        "github_issues": Tail(0.55, 1.4, 300, median=8.0),
        "github_stars": Tail(0.09, 1.6, 900, median=21.2),
    },
)


def toml_of(twin: Twin) -> str:
    """Settings of an installation whose sources are the twin."""
    return (
        f'[archive]\nsources = ["{twin.archive_base}"]\nfirst_day = {FIRST_DAY}\n'
        f'[github]\nendpoint = "{twin.github_base}"\n'
        f'[huggingface]\nendpoint = "{twin.hub_base}"\n'
    )


def settings_for(twin: Twin, folder: Path) -> Settings:
    """The same as a value; its data are in the folder."""
    return Settings.restored(
        {
            "data_dir": str(folder),
            "archive": {"sources": [twin.archive_base], "first_day": FIRST_DAY.isoformat()},
            "github": {"endpoint": twin.github_base},
            "huggingface": {"endpoint": twin.hub_base},
        }
    )


def ingest(settings: Settings, *days: date) -> None:
    """Load days of the archive."""
    ingester = Ingester(Lake(settings.lake_root), settings.archive, SALT)
    ingester.prepare()
    source = ArchiveSource(settings.archive.sources, 60.0, 2)
    for day in days:
        ingester.day(source, day)
