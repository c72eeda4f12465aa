"""What the Hub says today (or what a dump says of its day) as Dagster assets.

Belongs here: keys, pools, retries and metadata of the assets. Does not belong here: paging,
checkpoints and parsing (snapshot and below).

The assets have no partitions: the Hub answers for now only, so a past day can never be asked
for. The lake still keeps each observation under its own day.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.huggingface import normalise, snapshot
from assets.huggingface.columns import DESCRIPTIONS
from assets.huggingface.observation import observe
from orchestration import keys, metadata
from orchestration.lake import Lake
from orchestration.resources import Installation, retry_policy, told_to_dagster

TABLES = {
    normalise.MODELS: keys.HUB_MODELS,
    normalise.COMMITS: keys.HUB_COMMITS,
    normalise.DISCUSSIONS: keys.HUB_DISCUSSIONS,
    normalise.HISTORIES: keys.HUB_HISTORIES,
}
PREVIEWED = {
    normalise.MODELS: ("repository_name", "created_at", "like_count", "download_30d_count"),
    normalise.COMMITS: ("repository_name", "commit_id", "committed_at", "title"),
    normalise.DISCUSSIONS: ("repository_name", "discussion_number", "status", "created_at"),
    normalise.HISTORIES: ("repository_name", "commits_outcome", "discussions_outcome"),
}
ABOUT = {
    normalise.MODELS: "Model repositories of the Hugging Face Hub as listed on each observation "
    "day: likes, downloads, licence, base models, size.",
    normalise.COMMITS: "Commits of Hub repositories as listed on each observation day; the author "
    "`system` is automation of the platform.",
    normalise.DISCUSSIONS: "Discussions and pull requests of Hub repositories as listed on each "
    "observation day.",
    normalise.HISTORIES: "What each repository answered when its commits and discussions were "
    "asked for: ok, or why there is no history to be had. Dumps have no such ledger.",
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
        lake = installation.lake()
        with told_to_dagster():
            entries = observe(
                lake,
                installation.settings(),
                installation.salt(),
                progress=lambda text: context.log.info(text),
            )
        for entry in entries:
            if entry["state"] != "ok":
                context.log.warning(f"{entry['name']}: {entry['state']} ({entry['reason']})")
        for table, key in TABLES.items():
            yield dg.MaterializeResult(asset_key=key, metadata=told(lake, table))

    return [huggingface_snapshot]


def _spec(table: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        TABLES[table],
        group_name=keys.INGEST_HUGGINGFACE,
        kinds={"python", "huggingface", "parquet"},
        owners=keys.DATA_OPS,
        description=ABOUT[table],
        metadata={"dagster/column_schema": _schema(table)},
        code_version=str(normalise.SCHEMA_VERSION),
        skippable=False,
    )


def _schema(table: str) -> dg.TableSchema:
    return metadata.table_schema(normalise.SCHEMAS[table], DESCRIPTIONS[table])


def told(lake: Lake, table: str) -> dict[str, Any]:
    """What the UI shows of the newest observation of a table."""
    observed = lake.days(snapshot.SOURCE, table)
    if not observed:
        return {"dagster/row_count": 0, "coverage": "never observed"}
    partition = lake.partition(snapshot.SOURCE, table, observed[-1])
    current, files = partition.entries(), partition.current_files()
    return {
        "dagster/row_count": sum(entry.get("row_count") or 0 for entry in current),
        "window": f"observed on {observed[-1]}; {len(observed)} days since {observed[0]}",
        "coverage": ", ".join(f"{entry['name']}: {entry['state']}" for entry in current)[:500],
        "source_bytes": sum(entry.get("source_bytes") or 0 for entry in current),
        "lake_bytes": metadata.bytes_of(files),
        "content_hash": partition.content_hash(),
        "preview": metadata.preview(files[:1], PREVIEWED[table]),
        "files": metadata.table(
            [
                {
                    "name": entry["name"],
                    "state": entry["state"],
                    "rows": entry.get("row_count"),
                    "form": entry.get("source_form"),
                    "reason": entry.get("reason") or "",
                }
                for entry in current
            ]
        ),
    }
