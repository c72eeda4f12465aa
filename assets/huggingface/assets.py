"""What the Hub says today (or what a dump says of its day) as Dagster assets.

Belongs here: keys, pools, retries and metadata of the assets. Does not belong here: paging,
checkpoints and parsing (snapshot and below), what is asked (observation).

The assets have no partitions: the Hub answers for now only, so a past day can never be asked
for. The lake still keeps each observation under its own day.
"""

from collections.abc import Iterator

import dagster as dg

from assets.huggingface import normalise, snapshot
from assets.huggingface.columns import DESCRIPTIONS
from assets.huggingface.observation import observe
from assets.mining import assets as mined
from assets.mining.engine import ANSWER_COLUMNS, ANSWERS, REQUESTS
from assets.mining.spending import REQUEST_COLUMNS
from orchestration import keys, metadata
from orchestration.resources import Installation, retry_policy, told_to_dagster

TABLES = {key.path[-1]: key for key in keys.HUB_SNAPSHOT}
COLUMNS = {**normalise.SCHEMAS, ANSWERS: ANSWER_COLUMNS, REQUESTS: REQUEST_COLUMNS}
_LISTED = ("repository_name", "created_at", "like_count", "download_30d_count")
PREVIEWED = {
    normalise.MODELS: _LISTED,
    normalise.DATASETS: _LISTED,
    normalise.SPACES: _LISTED[:3],
    normalise.COMMITS: ("repository_name", "commit_id", "committed_at", "title"),
    normalise.DISCUSSIONS: ("repository_name", "discussion_number", "status", "created_at"),
    normalise.DISCUSSION_EVENTS: ("repository_name", "discussion_number", "event_type"),
    normalise.ACCOUNTS: ("account_login", "account_type", "plan", "member_count"),
    normalise.MEMBERS: ("organisation_login", "member_login"),
    normalise.LIKERS: ("repository_name", "actor_login"),
    **mined.PREVIEWED,
}
_OF_LISTING = "of the Hugging Face Hub as listed on each observation day"
ABOUT = {
    normalise.MODELS: f"Model repositories {_OF_LISTING}: likes, downloads, licence, base models, "
    "size.",
    normalise.DATASETS: f"Data set repositories {_OF_LISTING}, in the columns of models.",
    normalise.SPACES: f"Spaces {_OF_LISTING}, in the columns of models.",
    normalise.COMMITS: "Commits of Hub repositories as listed on each observation day; the author "
    "`system` is automation of the platform.",
    normalise.DISCUSSIONS: "Discussions and pull requests of Hub repositories as listed on each "
    "observation day.",
    normalise.DISCUSSION_EVENTS: "Comments, changes of status and title, and commits of "
    "discussions, as each was read.",
    normalise.ACCOUNTS: "Users and organisations that have to do with mined repositories, as they "
    "show themselves.",
    normalise.MEMBERS: "Members that organisations show; which ones hide them is in the answers.",
    normalise.LIKERS: "Who likes the most liked repositories; the Hub does not say since when.",
    ANSWERS: "What became of each question to the Hub: ok, or why there is nothing to be had, and "
    "when it is asked again. Dumps have no such ledger.",
    REQUESTS: "Requests to the Hub by class, account and hour: how many, how many were repeated "
    "or refused, and what remained of the budgets.",
}


def hub_assets() -> list[dg.AssetsDefinition]:
    """The assets of the Hub's snapshots."""

    @dg.multi_asset(
        name="huggingface_snapshot",
        specs=[_spec(table) for table in TABLES],
        pool=keys.HUB_POOL,
        retry_policy=retry_policy(),
    )
    def huggingface_snapshot(
        context: dg.AssetExecutionContext, installation: Installation
    ) -> Iterator[dg.MaterializeResult[None]]:
        lake, tell = installation.lake(), mined.Teller(context.log.info)
        settings, salt = installation.settings(), installation.salt()
        with told_to_dagster():
            entries = observe(lake, settings, salt, progress=tell, told=tell)
        for entry in entries:
            if entry["state"] != "ok":
                context.log.warning(f"{entry['name']}: {entry['state']} ({entry['reason']})")
        for table, key in TABLES.items():
            told = mined.told(lake, snapshot.SOURCE, table, PREVIEWED[table])
            yield metadata.result(asset_key=key, metadata=told)

    return [huggingface_snapshot]


def _spec(table: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        TABLES[table],
        group_name=keys.INGEST_HUGGINGFACE,
        kinds={"python", "huggingface", "parquet"},
        owners=keys.DATA_OPS,
        description=ABOUT[table],
        metadata={
            "dagster/column_schema": metadata.table_schema(COLUMNS[table], DESCRIPTIONS[table])
        },
        code_version=str(normalise.SCHEMA_VERSION),
        skippable=False,
    )
