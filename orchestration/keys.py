"""Names by which the parts of the platform refer to each other.

Belongs here: asset keys, groups, owners, pools, job names. Does not belong here: what stands
behind a name. Checks and jobs import from here and never from an asset's module.
"""

from dagster import AssetKey

ARCHIVE_EVENTS = AssetKey(["gharchive", "events"])
HUB_MODELS = AssetKey(["huggingface", "models"])
HUB_COMMITS = AssetKey(["huggingface", "commits"])
HUB_DISCUSSIONS = AssetKey(["huggingface", "discussions"])
HUB_HISTORIES = AssetKey(["huggingface", "histories"])
PUBLISHED = AssetKey(["published", "marts"])
REPORT = AssetKey(["published", "report"])


def mart(name: str) -> AssetKey:
    """The key of a table of the schema `marts`."""
    return AssetKey(["marts", name])


COMPARISON = mart("mart_platform_comparison")
MARTS_OF_DBT = (
    mart("mart_repository_activity"),
    mart("mart_intensity_summary"),
    mart("mart_coverage"),
)

INGEST_GITHUB = "github"
INGEST_HUGGINGFACE = "huggingface"
STUDY = "study"
PUBLISH = "publish"

# Teams, not people: who is told when an asset of theirs fails.
DATA_OPS = ["team:data-ops"]
ANALYSTS = ["team:analysts"]

# One process writes the warehouse at a time; each source is asked by one step at a time.
WAREHOUSE_POOL = "warehouse"
ARCHIVE_POOL = "gharchive"
HUB_POOL = "huggingface"

NIGHTLY_JOB = "nightly_refresh"
BACKFILL_JOB = "backfill"
REBUILD_JOB = "rebuild"

# The step of the models that archive days drive; jobs configure it.
BY_DAY_STEP = "warehouse_by_day"

# Kinds of failure, as the metadata of a failed step and the outcome of a run name them.
INPUT, TRANSIENT, QUALITY, BUG = "input", "transient", "quality", "bug"
