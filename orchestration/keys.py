"""Names by which the parts of the platform refer to each other.

Belongs here: asset keys, groups, owners, pools, job names. Does not belong here: what stands
behind a name. Checks and jobs import from here and never from an asset's module.
"""

from dagster import AssetKey

ARCHIVE_EVENTS = AssetKey(["gharchive", "events"])
GITHUB_REPOSITORIES = AssetKey(["github", "repositories"])
GITHUB_COMMITS = AssetKey(["github", "commits"])
GITHUB_ISSUES = AssetKey(["github", "issues"])
GITHUB_PULL_REQUESTS = AssetKey(["github", "pull_requests"])
GITHUB_ISSUE_COMMENTS = AssetKey(["github", "issue_comments"])
GITHUB_MEMBERS = AssetKey(["github", "organisation_members"])
GITHUB_ANSWERS = AssetKey(["github", "answers"])
GITHUB_REQUESTS = AssetKey(["github", "requests"])
HUB_MODELS = AssetKey(["huggingface", "models"])
HUB_DATASETS = AssetKey(["huggingface", "datasets"])
HUB_SPACES = AssetKey(["huggingface", "spaces"])
HUB_COMMITS = AssetKey(["huggingface", "commits"])
HUB_DISCUSSIONS = AssetKey(["huggingface", "discussions"])
HUB_DISCUSSION_EVENTS = AssetKey(["huggingface", "discussion_events"])
HUB_ACCOUNTS = AssetKey(["huggingface", "accounts"])
HUB_MEMBERS = AssetKey(["huggingface", "organisation_members"])
HUB_LIKERS = AssetKey(["huggingface", "likers"])
HUB_ANSWERS = AssetKey(["huggingface", "answers"])
HUB_REQUESTS = AssetKey(["huggingface", "requests"])
PUBLISHED = AssetKey(["published", "marts"])
REPORT = AssetKey(["published", "report"])


# What the platforms say today: an observation makes all tables of one of them.
GITHUB_SNAPSHOT = (
    GITHUB_REPOSITORIES,
    GITHUB_COMMITS,
    GITHUB_ISSUES,
    GITHUB_PULL_REQUESTS,
    GITHUB_ISSUE_COMMENTS,
    GITHUB_MEMBERS,
    GITHUB_ANSWERS,
    GITHUB_REQUESTS,
)
HUB_SNAPSHOT = (
    HUB_MODELS,
    HUB_DATASETS,
    HUB_SPACES,
    HUB_COMMITS,
    HUB_DISCUSSIONS,
    HUB_DISCUSSION_EVENTS,
    HUB_ACCOUNTS,
    HUB_MEMBERS,
    HUB_LIKERS,
    HUB_ANSWERS,
    HUB_REQUESTS,
)


def mart(name: str) -> AssetKey:
    """The key of a table of the schema `marts`."""
    return AssetKey(["marts", name])


INTENSITY_SUMMARY = mart("mart_intensity_summary")
CORRELATION = mart("mart_correlation")
COMPARISON = mart("mart_platform_comparison")
DISTRIBUTION = mart("mart_distribution")
SURVIVAL = mart("mart_activity_survival")
RERUN = mart("mart_study_rerun")
SENSITIVITY = mart("mart_policy_sensitivity")
INTENSITY_ESTIMATE = mart("mart_intensity_estimate")
ACTOR_EVALUATION = mart("mart_actor_evaluation")
NETWORK_SUMMARY = mart("mart_network_summary")
NETWORK_DEGREE = mart("mart_network_degree")
NETWORK_SENSITIVITY = mart("mart_network_sensitivity")
NETWORK_MEASURE = mart("mart_network_measure")
NETWORK_COMMUNITY = mart("mart_network_community")
NETWORK_BLOCK = mart("mart_network_block")
NETWORK_LAYOUT = mart("mart_network_layout")
NETWORK_ESTIMATE = mart("mart_network_estimate")
THEME_PREVALENCE = mart("mart_theme_prevalence")
THEME_AGREEMENT = mart("mart_theme_agreement")
THEME_FRAME = mart("mart_theme_frame")
MESSAGE_QUALITY = mart("mart_message_quality")
TEXT_ESTIMATE = mart("mart_text_estimate")
# What rests on labels of people, and changes when they have coded, or is made together with it.
THEMES_OF_PEOPLE = (
    THEME_PREVALENCE,
    THEME_AGREEMENT,
    THEME_FRAME,
    MESSAGE_QUALITY,
    TEXT_ESTIMATE,
    RERUN,
)
MARTS_OF_STUDY = (
    INTENSITY_SUMMARY,
    CORRELATION,
    COMPARISON,
    DISTRIBUTION,
    SENSITIVITY,
    SURVIVAL,
    RERUN,
    INTENSITY_ESTIMATE,
    ACTOR_EVALUATION,
    NETWORK_SUMMARY,
    NETWORK_DEGREE,
    NETWORK_SENSITIVITY,
    NETWORK_MEASURE,
    NETWORK_COMMUNITY,
    NETWORK_BLOCK,
    NETWORK_LAYOUT,
    NETWORK_ESTIMATE,
    THEME_PREVALENCE,
    THEME_AGREEMENT,
    THEME_FRAME,
    MESSAGE_QUALITY,
    TEXT_ESTIMATE,
)
# Of the schema `study`: private to the warehouse.
SAMPLE_STRATUM = AssetKey(["study", "sample_stratum"])
SAMPLE_CUT_OFF = AssetKey(["study", "sample_cut_off"])
SAMPLE_MEMBER = AssetKey(["study", "sample_member"])
TOP_CUT = AssetKey(["study", "top_cut"])
TOP_CUT_OVERLAP = AssetKey(["study", "top_cut_overlap"])
STAR_SUSPECT = AssetKey(["study", "star_suspect"])
MESSAGE_CORPUS = AssetKey(["study", "message_corpus"])
MESSAGE_THEME = AssetKey(["core", "fct_message_theme"])
MARTS_OF_DBT = (
    mart("mart_repository_activity"),
    mart("mart_coverage"),
    mart("mart_polling_estimate"),
    mart("mart_actor_class"),
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
GITHUB_POOL = "github"
HUB_POOL = "huggingface"

NIGHTLY_JOB = "nightly_refresh"
BACKFILL_JOB = "backfill"
REBUILD_JOB = "rebuild"
THEMES_JOB = "themes_refresh"

# The steps of the models that archive days drive, and of the others; jobs configure them.
BY_DAY_STEP = "warehouse_by_day"
SNAPSHOT_STEP = "warehouse_snapshot"
DBT_STEPS = (BY_DAY_STEP, SNAPSHOT_STEP)

# Kinds of failure, as the metadata of a failed step and the outcome of a run name them.
INPUT, TRANSIENT, QUALITY, BUG = "input", "transient", "quality", "bug"
