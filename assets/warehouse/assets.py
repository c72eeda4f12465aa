"""The dbt models as Dagster assets: those driven by archive days, and the rest.

Belongs here: the two dbt steps, how dbt's names become asset keys, the arguments dbt is given.
Does not belong here: SQL (dbt_project) and how the manifest is made (orchestration.build).
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from datetime import date
from functools import cached_property
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliInvocation,
    DbtCliResource,
    dbt_assets,
)
from dagster_dbt.core.dbt_event_iterator import DbtEventIterator
from packaging.version import Version

from assets.warehouse import changes
from assets.warehouse.classified import MODEL_VARIABLE
from assets.warehouse.lineage import Columns, LineageStore, looked_at_once
from assets.warehouse.sources import make_readable
from orchestration import keys, metadata
from orchestration.lake import Lake
from orchestration.manifest import environment
from orchestration.partitions import backfill_policy, days_of
from orchestration.privacy import removal
from orchestration.resources import Installation, retry_policy, told_to_dagster
from orchestration.settings import Settings

BY_DAY, SNAPSHOT = "tag:by_day", "tag:snapshot"
# The manifests of a raw table tell which of its files are current: one asset, two dbt sources.
MANIFESTS = "_manifests"
# Of a wide table, the columns that tell which row it is come first.
PREVIEWED_COLUMNS = 8
# DuckDB stores tables in blocks of this size.
BLOCK_BYTES = 262_144
STORED = {"table", "incremental", "seed"}
LINEAGE = "dagster/column_lineage"
PARTIAL_PARSE = "partial_parse.msgpack"
# Its log file: as JSON, which is asked of its output, it was a tenth of a build, and with every
# statement, which the target folder has as files, nearly a fifth.
PLAIN_LOG = ("--log-format-file", "text", "--log-level-file", "info")
# The one test of a model's columns, and of what it finds wrong so much is told.
COLUMNS_TEST = "columns_hold"
TOLD_COLUMNS = 5
CHECK_EVENTS = (dg.AssetCheckResult, dg.AssetCheckEvaluation)


class Dbt(DbtCliResource):
    """The dbt command, without asking it for its version, and an adapter without macros.

    `dbt --version` takes seconds and asks a package index for the newest one; the installed
    distribution knows. Parsing dbt's own macros takes seconds as well, and of the adapter nothing
    is asked that needs one: it counts rows, and columns are found without it (`_columns_in`).
    """

    @cached_property
    def _cli_version(self) -> Version:
        return Version(version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:
        with _without_macros(), _without_sources():
            return super()._initialize_dbt_core_adapter(args)


class Translator(DagsterDbtTranslator):
    """dbt's nodes under our keys, groups and owners."""

    def __init__(self) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        if dbt_resource_props["resource_type"] == "source":
            source = dbt_resource_props["source_name"].removesuffix(MANIFESTS)
            return dg.AssetKey([source, dbt_resource_props["name"]])
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        if dbt_resource_props["resource_type"] == "seed":
            return "core"
        return super().get_group_name(dbt_resource_props)

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        return keys.ANALYSTS if dbt_resource_props.get("schema") == "marts" else keys.DATA_OPS


class DaysConfig(dg.Config):
    """Which days a run of the models is about.

    Attributes:
        whole_lake: make them anew from all days of the lake, whatever the run's partitions are
            and whatever the warehouse was built from.
    """

    whole_lake: bool = False


def warehouse_assets(
    manifest: Mapping[str, Any], days: dg.DailyPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """The two dbt steps of a manifest."""
    code = changes.code_of(manifest)
    shared: dict[str, Any] = {
        "manifest": manifest,
        "dagster_dbt_translator": Translator(),
        "retry_policy": retry_policy(),
        "pool": keys.WAREHOUSE_POOL,
    }

    @dbt_assets(
        name=keys.BY_DAY_STEP,
        select=BY_DAY,
        partitions_def=days,
        backfill_policy=backfill_policy(),
        **shared,
    )
    def warehouse_by_day(
        context: dg.AssetExecutionContext, dbt: Dbt, installation: Installation, config: DaysConfig
    ) -> Iterator[Any]:
        chosen = days_of(context.partition_keys)
        settings = _prepared(installation)
        with told_to_dagster(), installation.warehouse():
            _without_opted_out(context, installation)
            is_due = removal.is_due(settings, removal.BY_DAY)
            if is_due:
                # A database keeps in free blocks what was deleted from its tables.
                for path in (settings.warehouse_path, Path(f"{settings.warehouse_path}.wal")):
                    path.unlink(missing_ok=True)
            if config.whole_lake or is_due:
                yield from _build(context, dbt, settings, None, "--full-refresh")
            else:
                yield from _build(context, dbt, settings, (chosen[0], chosen[-1]))
            if is_due:
                removal.made(settings, removal.BY_DAY)

    @dbt_assets(name=keys.SNAPSHOT_STEP, select=SNAPSHOT, **shared)
    def warehouse_snapshot(
        context: dg.AssetExecutionContext, dbt: Dbt, installation: Installation, config: DaysConfig
    ) -> Iterator[Any]:
        settings = _prepared(installation)
        warehouse = settings.warehouse_path
        with told_to_dagster(), installation.warehouse():
            is_due = removal.is_due(settings, removal.SNAPSHOT)
            # Taken before dbt reads: what lands meanwhile is the next build's.
            now = changes.contents(Lake(settings.lake_root), code)
            if config.whole_lake or is_due:
                yield from _build(context, dbt, settings, None, "--full-refresh")
            else:
                yield from _build(context, dbt, settings, changes.window(now, warehouse))
            changes.remember(now, warehouse)
            if is_due and not removal.is_due(settings, removal.BY_DAY):
                removal.made(settings, removal.SNAPSHOT)

    return [warehouse_by_day, warehouse_snapshot]


def _prepared(installation: Installation) -> Settings:
    """The settings of an installation whose lake can be read and whose warehouse written."""
    settings = installation.settings()
    settings.warehouse_path.parent.mkdir(parents=True, exist_ok=True)
    make_readable(Lake(settings.lake_root))
    return settings


def _without_opted_out(context: dg.AssetExecutionContext, installation: Installation) -> None:
    """Take opted-out accounts out of what is stored, before models read it."""
    applied = removal.apply(installation.settings(), installation.salt())
    if applied.file_count:
        context.log.info(
            f"{applied.file_count} files of the lake were written anew without opted-out accounts; "
            "the warehouse is made from the whole lake."
        )


def _build(
    context: dg.AssetExecutionContext,
    dbt: Dbt,
    settings: Settings,
    window: tuple[date, date] | None,
    *arguments: str,
) -> Iterator[Any]:
    """Run dbt once, then look at what it made; the warehouse is ours."""
    # Read by the dbt process and by the adapter with which row counts are taken.
    os.environ.update(environment(settings.lake_root, settings.warehouse_path, window))
    os.environ[MODEL_VARIABLE] = str(settings.actor_model_path.resolve())
    target = settings.dbt_dir.resolve() / context.op_execution_context.op.name
    _know_what_was_parsed(settings.dbt_dir.resolve() / "manifest", target)
    # dagster-dbt changes the process's folder while it looks at the warehouse.
    with chdir(Path.cwd()):
        build = dbt.cli(
            ["build", *PLAIN_LOG, "--exclude-resource-type", "unit_test", *arguments],
            context=context,
            target_path=target,
        )
        days = " to ".join(day.isoformat() for day in window) if window else "all"
        lineage = LineageStore(settings.dbt_dir.resolve(), build.manifest)
        yield from _events(build, settings.warehouse_path, lineage, f"days of the lake: {days}")


def _know_what_was_parsed(manifest: Path, target: Path) -> None:
    """Let the first build of a step use what dbt parsed for the manifest."""
    parsed = manifest / PARTIAL_PARSE
    if parsed.exists() and not (target / PARTIAL_PARSE).exists():
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(parsed, target / PARTIAL_PARSE)


def _events(
    build: DbtCliInvocation, warehouse: Path, lineage: LineageStore, window: str
) -> Iterator[Any]:
    """What dbt made, with rows, columns, their lineage and a preview; then what it tested.

    The library would look up columns for the event of every test as well, and those of a parent
    once for each of its children: most of the time of a night with little data.
    """
    made: list[Any] = []
    tested: list[Any] = []
    failure: Exception | None = None
    try:
        for event in build.stream():
            (tested if isinstance(event, CHECK_EVENTS) else made).append(event)
    except Exception as error:
        # What was made before dbt failed is told before the failure is.
        failure = error
    # Where dbt failed before it made anything there may be no warehouse to ask.
    if made and build.adapter is not None:
        build.adapter.get_columns_in_relation = _columns_in(warehouse, build.adapter)
    with looked_at_once(), _opened_once(build):
        described = _described(build, lineage, made)
    for event, preview in zip(described, _previews(warehouse, build, described), strict=True):
        yield event.with_metadata({**event.metadata, "window": window, **preview})
    yield from _explained(warehouse, build, tested)
    if failure is not None:
        raise failure


@contextmanager
def _without_macros() -> Iterator[None]:
    """While it lasts, an adapter is made without the macros that dbt brings."""
    from dbt.contracts.graph.manifest import Manifest

    loader: Any = import_module("dbt.parser.manifest").ManifestLoader
    whole = loader.__dict__["load_macros"]
    loader.load_macros = lambda *_, **__: Manifest()
    try:
        yield
    finally:
        loader.load_macros = whole


@contextmanager
def _without_sources() -> Iterator[None]:
    """While it lasts, it is not looked for who declares an adapter's flags.

    That reads the source of everything on the stack for each flag, half of making an adapter.
    """
    flags: Any = import_module("dbt_common.behavior_flags").BehaviorFlagRendered
    looked_for = flags.__dict__["_default_source"]
    flags._default_source = staticmethod(lambda: "dbt.adapters")
    try:
        yield
    finally:
        flags._default_source = looked_for


def _columns_in(warehouse: Path, adapter: Any) -> Callable[[Any], list[Any]]:
    """What the adapter says of a relation's columns, asked for all relations at once.

    Its own way describes one at a time through two templates, some hundred times a night.
    """
    columns: dict[tuple[str, str], list[Any]] = {}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.execute(
            "select schema_name, table_name, column_name, data_type from duckdb_columns()"
            " where database_name = current_database() and not internal order by column_index"
        ).fetchall()
    for schema, table, name, kind in rows:
        columns.setdefault((schema, table), []).append(adapter.Column(name, kind))
    return lambda relation: columns.get((relation.schema, relation.identifier), [])


@contextmanager
def _opened_once(build: DbtCliInvocation) -> Iterator[None]:
    """While it lasts, the adapter keeps the warehouse open; what comes after needs the file."""
    try:
        yield
    finally:
        manager: Any = type(build.adapter.connections) if build.adapter else None
        if manager and manager._ENV:
            manager._ENV.close()


def _explained(warehouse: Path, build: DbtCliInvocation, tested: Sequence[Any]) -> Iterator[Any]:
    """What was tested; where a test of many columns failed, with the columns that are wrong."""
    kinds = {
        name: (node.get("test_metadata") or {}).get("name")
        for name, node in build.manifest["nodes"].items()
    }
    of_columns = {
        _model(event)
        for event in tested
        if isinstance(event, dg.AssetCheckResult)
        and not event.passed
        and kinds.get(_model(event)) == COLUMNS_TEST
    }
    found: dict[str, str] = {}
    if of_columns:
        ran = build.get_artifact("run_results.json")["results"]
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            for result in ran:
                # Where the test itself broke, dbt's message says why.
                if result["unique_id"] in of_columns and result["status"] in ("fail", "warn"):
                    why = wrong_columns(connection, result["compiled_code"])
                    found[result["unique_id"]] = "; ".join(why[:TOLD_COLUMNS])
    for event in tested:
        name = _model(event)
        yield event._replace(description=found[name]) if name in found else event


def wrong_columns(connection: duckdb.DuckDBPyConnection, test: str) -> list[str]:
    """What a failed test of columns found, such as `kind is star (3 rows)`, the most rows first.

    Args:
        test: its compiled SQL.
    """
    # Values were mined: what is no plain letter or sign could mean something to a terminal.
    rows = connection.execute(
        "select left(regexp_replace(why, '[^ -~]', '?', 'g'), 100) as why, count(*) as n from "
        f"(select unnest(split(rtrim(wrong, '; '), '; ')) as why from ({test})) "
        "group by all order by n desc, why"
    ).fetchall()
    return [f"{why} ({n} {'row' if n == 1 else 'rows'})" for why, n in rows]


def _described(build: DbtCliInvocation, lineage: LineageStore, made: Sequence[Any]) -> list[Any]:
    """The events with row counts, columns and lineage, worked out where it is not known."""
    described: dict[str, Any] = {}
    for is_known in (True, False):
        events = [event for event in made if (_model(event) in lineage.known) == is_known]
        counted = DbtEventIterator(iter(events), build).fetch_row_counts()
        for event in counted.fetch_column_metadata(with_column_lineage=not is_known):
            told = _told(lineage.known[_model(event)]) if is_known else {}
            described[_model(event)] = event.with_metadata({**event.metadata, **told})
        if not is_known:
            values = {m: described[m].metadata.get(LINEAGE) for m in map(_model, events)}
            lineage.learn(
                {
                    model: _plain(value)
                    for model, value in values.items()
                    if isinstance(value, dg.TableColumnLineageMetadataValue)
                }
            )
    return [described[_model(event)] for event in made]


def _told(columns: Columns) -> dict[str, dg.MetadataValue[Any]]:
    """Lineage that is known as metadata."""
    deps = {
        column: [dg.TableColumnDep(dg.AssetKey(key), name) for key, name in parents]
        for column, parents in columns.items()
    }
    return {LINEAGE: dg.MetadataValue.column_lineage(dg.TableColumnLineage(deps))}


def _plain(value: dg.TableColumnLineageMetadataValue) -> Columns:
    """Lineage that was worked out, to be kept."""
    return {
        column: [(list(parent.asset_key.path), parent.column_name) for parent in parents]
        for column, parents in value.column_lineage.deps_by_column.items()
    }


def _model(event: Any) -> str:
    return str(event.metadata["unique_id"].value)


def _previews(
    warehouse: Path, build: DbtCliInvocation, events: Sequence[Any]
) -> list[Mapping[str, Any]]:
    """Size and first rows of the tables that the events are about."""
    if not events:
        return []
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        nodes = [build.manifest["nodes"][_model(event)] for event in events]
        return [_preview(connection, node) for node in nodes]


def _preview(connection: duckdb.DuckDBPyConnection, node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Size and first rows of a table; views and tests hold nothing of their own."""
    if node["config"]["materialized"] not in STORED:
        return {}
    table = f'"{node["schema"]}"."{node["name"]}"'
    blocks = connection.execute(
        "select count(distinct block_id) from pragma_storage_info($table) where block_id >= 0",
        {"table": table},
    ).fetchone()
    found = connection.execute(f"select * from {table} limit {metadata.PREVIEW_ROWS}")
    names = [column[0] for column in found.description or []][:PREVIEWED_COLUMNS]
    rows = [dict(zip(names, row, strict=False)) for row in found.fetchall()]
    size = (blocks[0] if blocks else 0) * BLOCK_BYTES
    return {"bytes": size, "preview": metadata.table(rows)}
