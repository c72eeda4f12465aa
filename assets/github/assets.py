"""GitHub as Dagster assets: archived events by day, and what its interfaces say today.

Belongs here: keys, partitions, pools, retries and metadata of the assets. Does not belong here:
fetching and parsing (ingest and below), what is asked (mining).

The events have one partition for each day of archive files. What the interfaces say has none: they
answer for now only. The lake still keeps each observation under its own day.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.github import api_rows, ingest, landing, shapes
from assets.github.columns import DESCRIPTIONS
from assets.github.mining import SOURCE, observe_github
from assets.mining import assets as mined
from assets.mining import columns as every_night
from assets.mining.engine import ANSWER_COLUMNS, ANSWERS, REQUESTS, SCHEMA_VERSION
from assets.mining.spending import REQUEST_COLUMNS
from orchestration import keys, metadata
from orchestration.clients.archive import ArchiveSource
from orchestration.failures import TransientFailure
from orchestration.lake import Entry, Partition
from orchestration.partitions import backfill_policy, days_of
from orchestration.resources import Installation, retry_policy, told_to_dagster
from orchestration.settings import GITHUB_TOKEN_VARIABLE, Settings

HOURS = 24
PREVIEWED = ("event_id", "event_type", "created_at", "era", "actor_login", "repository_name")
ABOUT = """Public events of GitHub as archived by the hour (GH Archive).

Each of the 24 hour files of a UTC day is fetched from the primary or a mirror, verified,
parsed by DuckDB with declared columns and landed as Parquet; the ledger says for every hour what
became of it. A line that cannot be read is in quarantine with its reason. E-mail addresses are
hashed before they are stored. Running a day again fetches only what is not loaded."""

TABLES = {key.path[-1]: key for key in keys.GITHUB_SNAPSHOT}
COLUMNS = {**api_rows.COLUMNS, ANSWERS: ANSWER_COLUMNS, REQUESTS: REQUEST_COLUMNS}
TOLD_COLUMNS = {
    **api_rows.DESCRIPTIONS, ANSWERS: every_night.ANSWERS, REQUESTS: every_night.REQUESTS,
}  # fmt: skip
SNAPSHOT_PREVIEWED = {
    "repositories": ("repository_id", "repository_name", "star_count", "commit_count"),
    "commits": ("repository_id", "commit_sha", "author_login", "committed_at"),
    "issues": ("repository_id", "issue_number", "state", "created_at", "comment_count"),
    "pull_requests": ("repository_id", "pull_request_number", "state", "is_merged", "created_at"),
    "issue_comments": ("repository_id", "issue_number", "author_login", "created_at"),
    "organisation_members": ("organisation_login", "member_login", "is_public"),
    **mined.PREVIEWED,
}
SNAPSHOT_ABOUT = {
    "repositories": "Repositories of GitHub as its interface describes them: stars, forks, numbers "
    "of commits, issues and pull requests. The most active of the archive are asked about.",
    "commits": "Commits of the default branches of the most starred repositories; an author "
    "without an account has no login. Addresses are hashed.",
    "issues": "Issues of the most starred repositories, with their texts; never pull requests.",
    "pull_requests": "Pull requests of the most starred repositories, with their texts.",
    "issue_comments": "Comments on issues and pull requests of the most starred repositories.",
    "organisation_members": "Public members of the organisations that own mined repositories; who "
    "is no public member is not to be seen.",
    ANSWERS: "What became of each question to GitHub's interfaces: ok, renamed, absent, blocked, "
    "disabled, and when it is asked again.",
    REQUESTS: "Requests to GitHub's interfaces by class, account and hour: how many, how many "
    "cost nothing, were repeated or refused, and what remained of the budgets.",
}


def archive_assets(days: dg.DailyPartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets of the archive for the given days."""

    @dg.asset(
        key=keys.ARCHIVE_EVENTS,
        partitions_def=days,
        backfill_policy=backfill_policy(),
        group_name=keys.INGEST_GITHUB,
        kinds={"python", "duckdb", "parquet"},
        owners=keys.DATA_OPS,
        description=ABOUT,
        pool=keys.ARCHIVE_POOL,
        retry_policy=retry_policy(),
        metadata={
            "dagster/column_schema": metadata.table_schema(landing.lake_schema(), DESCRIPTIONS)
        },
        code_version=str(shapes.SCHEMA_VERSION),
    )
    def gharchive_events(
        context: dg.AssetExecutionContext, installation: Installation
    ) -> dg.MaterializeResult[None]:
        settings, lake = installation.settings(), installation.lake()
        ingester = ingest.Ingester(lake, settings.archive, installation.salt())
        source = ArchiveSource(
            settings.archive.sources,
            settings.archive.timeout_seconds,
            settings.archive.attempts,
        )
        versions = []
        unreached: list[TransientFailure] = []
        with told_to_dagster():
            ingester.prepare()
            for day in days_of(context.partition_keys):
                partition = ingest.partition_of(lake, day)
                try:
                    entries = ingester.day(source, day, progress=_logger(context))
                except TransientFailure as failure:
                    unreached.append(failure)
                    if not partition.current_files():
                        # Nothing of a whole day: the next one would wait as long for nothing.
                        break
                    continue
                context.add_asset_metadata(told(partition, entries), partition_key=day.isoformat())
                versions.append(partition.content_hash())
            if unreached:
                raise unreached[0]
        # A run over several days has no one version to state for all of them.
        version = dg.DataVersion(versions[0]) if len(versions) == 1 else None
        return metadata.result(data_version=version)

    return [gharchive_events]


def snapshot_assets() -> list[dg.AssetsDefinition]:
    """The assets of what GitHub's interfaces say today."""

    @dg.multi_asset(
        name="github_snapshot",
        specs=[_spec(table) for table in TABLES],
        pool=keys.GITHUB_POOL,
        retry_policy=retry_policy(),
    )
    def github_snapshot(
        context: dg.AssetExecutionContext, installation: Installation
    ) -> Iterator[dg.MaterializeResult[None]]:
        settings, lake = installation.settings(), installation.lake()
        reason = not_asked(settings)
        if reason:
            context.log.warning(f"GitHub's interfaces are not asked: {reason}")
        with told_to_dagster():
            observe_github(
                lake, settings, installation.salt(), progress=mined.Teller(context.log.info)
            )
        for table, key in TABLES.items():
            previewed = SNAPSHOT_PREVIEWED[table]
            yield metadata.result(
                asset_key=key, metadata=mined.told(lake, SOURCE, table, previewed, reason)
            )

    return [github_snapshot]


def not_asked(settings: Settings) -> str | None:
    """Why GitHub's interfaces are not asked; None where they are."""
    if settings.github.source == "off":
        return "github.source is 'off'"
    return None if settings.github_tokens() else f"{GITHUB_TOKEN_VARIABLE} is not set"


def _spec(table: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        TABLES[table],
        # Which repositories are asked about is read from the archive's events.
        deps=[keys.ARCHIVE_EVENTS],
        group_name=keys.INGEST_GITHUB,
        kinds={"python", "github", "parquet"},
        owners=keys.DATA_OPS,
        description=SNAPSHOT_ABOUT[table],
        metadata={
            "dagster/column_schema": metadata.table_schema(COLUMNS[table], TOLD_COLUMNS[table])
        },
        code_version=str(SCHEMA_VERSION),
        skippable=False,
    )


def told(partition: Partition, entries: list[Entry]) -> dict[str, Any]:
    """What the UI shows of one day."""
    loaded = [entry for entry in entries if entry["state"] in ingest.LOADED]
    states = Counter(entry["state"] for entry in entries)
    files = partition.current_files()
    moments = [entry[end] for entry in loaded for end in ("first_created_at", "last_created_at")]
    known = sorted(moment for moment in moments if moment)
    types: Counter[str] = Counter()
    for entry in loaded:
        types.update(entry["types"])
    return {
        "dagster/partition_row_count": sum(entry["event_count"] for entry in loaded),
        "coverage": f"{len(loaded)} of {HOURS} hours",
        "states": ", ".join(f"{state} {count}" for state, count in sorted(states.items())),
        "window": f"{known[0]} to {known[-1]} UTC" if known else "empty",
        "duplicates": sum(entry["duplicate_count"] for entry in loaded),
        "malformed_lines": sum(entry["malformed_count"] for entry in loaded),
        "source_bytes": sum(entry["source_bytes"] for entry in loaded),
        "lake_bytes": metadata.bytes_of(files),
        "content_hash": partition.content_hash(),
        "types": metadata.table(
            [{"event_type": kind, "events": count} for kind, count in types.most_common()]
        ),
        "hours": metadata.table([_ledger_row(entry) for entry in sorted(entries, key=_hour)]),
        "preview": metadata.preview(files[:1], PREVIEWED),
    }


def _hour(entry: Entry) -> int:
    return int(entry["hour"])


def _ledger_row(entry: Entry) -> dict[str, object]:
    return {
        "hour": entry["hour"],
        "state": entry["state"],
        "events": entry["event_count"],
        "duplicates": entry["duplicate_count"],
        "malformed": entry["malformed_count"],
        "reason": entry["reason"] or "",
        "from": "mirror" if entry["is_mirrored"] else "primary",
    }


def _logger(context: dg.AssetExecutionContext) -> ingest.Progress:
    def tell(entry: Entry) -> None:
        text = f"{entry['name']}: {entry['state']}, {entry['event_count']:,} events"
        if entry["state"] in ingest.LOADED:
            context.log.info(text)
        else:
            context.log.warning(f"{text} ({entry['reason']})")

    return tell
