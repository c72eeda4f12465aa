"""What tests of the dbt project share: lakes written by hand, and dbt in this process.

Belongs here: the columns of all raw tables, writing them, running dbt commands. Does not belong
here: any expectation.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
from databases import database

from assets.study.features import FEATURES, INTENSITY
from assets.warehouse.assets import wrong_columns

PROJECT = Path(__file__).parents[1] / "dbt_project"

EVENTS = {
    "event_id": "VARCHAR", "event_type": "VARCHAR", "created_at": "TIMESTAMP", "era": "VARCHAR",
    "is_public": "BOOLEAN", "actor_id": "BIGINT", "actor_login": "VARCHAR",
    "repository_id": "BIGINT", "repository_name": "VARCHAR", "organisation_id": "BIGINT",
    "organisation_login": "VARCHAR", "action": "VARCHAR", "ref": "VARCHAR", "ref_type": "VARCHAR",
    "push_id": "BIGINT", "push_size": "BIGINT", "push_distinct_size": "BIGINT",
    "head_sha": "VARCHAR", "before_sha": "VARCHAR",
    "commits": 'STRUCT(sha VARCHAR, author STRUCT("name" VARCHAR, email VARCHAR), '
    'message VARCHAR, "distinct" BOOLEAN)[]',
    "thread_kind": "VARCHAR", "thread_id": "BIGINT", "thread_number": "BIGINT",
    "thread_title": "VARCHAR", "thread_body": "VARCHAR", "thread_state": "VARCHAR",
    "thread_created_at": "TIMESTAMP", "thread_closed_at": "TIMESTAMP",
    "thread_comment_count": "BIGINT", "thread_author_id": "BIGINT",
    "thread_author_login": "VARCHAR", "thread_author_type": "VARCHAR",
    "thread_author_association": "VARCHAR", "is_merged": "BOOLEAN", "merged_at": "TIMESTAMP",
    "pull_commit_count": "BIGINT", "pull_addition_count": "BIGINT",
    "pull_deletion_count": "BIGINT", "pull_changed_file_count": "BIGINT",
    "head_repository_id": "BIGINT", "comment_id": "BIGINT", "comment_body": "VARCHAR",
    "comment_author_association": "VARCHAR", "comment_author_type": "VARCHAR",
    "review_id": "BIGINT", "review_state": "VARCHAR", "release_id": "BIGINT",
    "release_tag": "VARCHAR", "forkee_id": "BIGINT", "forkee_name": "VARCHAR",
    "forkee_created_at": "TIMESTAMP", "member_id": "BIGINT", "member_login": "VARCHAR",
    "repository_created_at": "TIMESTAMP", "repository_star_count": "BIGINT",
    "repository_fork_count": "BIGINT", "repository_language": "VARCHAR",
    "repository_licence": "VARCHAR", "repository_is_fork": "BOOLEAN",
}  # fmt: skip
HUB = {
    "models": {
        "repository_id": "VARCHAR", "repository_type": "VARCHAR", "repository_name": "VARCHAR",
        "owner_name": "VARCHAR", "created_at": "TIMESTAMP", "last_modified_at": "TIMESTAMP",
        "like_count": "BIGINT", "download_30d_count": "BIGINT", "download_all_count": "BIGINT",
        "gated": "VARCHAR", "is_private": "BOOLEAN", "is_disabled": "BOOLEAN",
        "removed_at": "TIMESTAMP", "library_name": "VARCHAR", "pipeline_tag": "VARCHAR",
        "licence": "VARCHAR", "tags": "VARCHAR[]", "languages": "VARCHAR[]",
        "base_models": 'STRUCT("name" VARCHAR, relation VARCHAR)[]', "parameter_count": "BIGINT",
        "storage_bytes": "BIGINT", "trending_score": "DOUBLE", "head_sha": "VARCHAR",
        "observed_at": "TIMESTAMP", "source_form": "VARCHAR", "extra": "VARCHAR",
    },
    "commits": {
        "repository_name": "VARCHAR", "repository_type": "VARCHAR", "commit_id": "VARCHAR",
        "authors": "VARCHAR[]", "committed_at": "TIMESTAMP", "title": "VARCHAR",
        "message": "VARCHAR", "observed_at": "TIMESTAMP",
    },
    "discussions": {
        "repository_name": "VARCHAR", "repository_type": "VARCHAR", "discussion_number": "BIGINT",
        "discussion_title": "VARCHAR", "status": "VARCHAR", "is_pull_request": "BOOLEAN",
        "author_login": "VARCHAR", "created_at": "TIMESTAMP", "comment_count": "BIGINT",
        "observed_at": "TIMESTAMP",
    },
    "discussion_events": {
        "repository_type": "VARCHAR", "repository_name": "VARCHAR", "discussion_number": "BIGINT",
        "event_id": "VARCHAR", "event_type": "VARCHAR", "author_login": "VARCHAR",
        "is_author_staff": "BOOLEAN", "is_author_admin": "BOOLEAN",
        "is_author_moderator": "BOOLEAN", "created_at": "TIMESTAMP", "body": "VARCHAR",
        "is_hidden": "BOOLEAN", "is_edited": "BOOLEAN", "new_status": "VARCHAR",
        "commit_id": "VARCHAR", "observed_at": "TIMESTAMP",
    },
    "accounts": {
        "account_login": "VARCHAR", "account_id": "VARCHAR", "account_type": "VARCHAR",
        "full_name": "VARCHAR", "plan": "VARCHAR", "is_verified": "BOOLEAN", "is_pro": "BOOLEAN",
        "member_count": "BIGINT", "follower_count": "BIGINT", "model_count": "BIGINT",
        "dataset_count": "BIGINT", "space_count": "BIGINT", "discussion_count": "BIGINT",
        "like_count": "BIGINT", "organisations": "VARCHAR[]", "created_at": "TIMESTAMP",
        "observed_at": "TIMESTAMP",
    },
    "organisation_members": {
        "organisation_login": "VARCHAR", "member_login": "VARCHAR", "member_id": "VARCHAR",
        "observed_at": "TIMESTAMP",
    },
    "likers": {
        "repository_type": "VARCHAR", "repository_name": "VARCHAR", "actor_login": "VARCHAR",
        "observed_at": "TIMESTAMP",
    },
    "access_requests": {
        "repository_type": "VARCHAR", "repository_name": "VARCHAR", "gated": "VARCHAR",
        "requested_at": "TIMESTAMP", "outcome": "VARCHAR", "reason": "VARCHAR",
        "observed_at": "TIMESTAMP",
    },
}  # fmt: skip

HUB |= {"datasets": HUB["models"], "spaces": HUB["models"]}
AUTHOR = {
    "author_id": "BIGINT", "author_login": "VARCHAR", "author_type": "VARCHAR",
    "author_association": "VARCHAR",
}  # fmt: skip
GITHUB = {
    "repositories": {
        "repository_id": "BIGINT", "node_id": "VARCHAR", "repository_name": "VARCHAR",
        "owner_id": "BIGINT", "owner_login": "VARCHAR", "owner_type": "VARCHAR",
        "created_at": "TIMESTAMP", "pushed_at": "TIMESTAMP", "updated_at": "TIMESTAMP",
        "is_fork": "BOOLEAN", "parent_repository_id": "BIGINT",
        "parent_repository_name": "VARCHAR", "is_archived": "BOOLEAN", "is_disabled": "BOOLEAN",
        "is_private": "BOOLEAN", "is_empty": "BOOLEAN", "is_template": "BOOLEAN",
        "is_mirror": "BOOLEAN", "has_issues": "BOOLEAN", "has_discussions": "BOOLEAN",
        "licence": "VARCHAR", "language": "VARCHAR", "default_branch": "VARCHAR",
        "head_sha": "VARCHAR", "star_count": "BIGINT", "fork_count": "BIGINT",
        "commit_count": "BIGINT", "issue_count": "BIGINT", "issue_open_count": "BIGINT",
        "pull_request_count": "BIGINT", "pull_request_open_count": "BIGINT",
        "pull_request_merged_count": "BIGINT", "disk_kilobytes": "BIGINT",
        "issues_updated_at": "TIMESTAMP", "pull_requests_updated_at": "TIMESTAMP",
        "observed_at": "TIMESTAMP",
    },
    "commits": {
        "repository_id": "BIGINT", "commit_sha": "VARCHAR", "author_id": "BIGINT",
        "author_login": "VARCHAR", "author_name": "VARCHAR", "author_address_hash": "VARCHAR",
        "authored_at": "TIMESTAMP", "committer_id": "BIGINT", "committer_login": "VARCHAR",
        "committer_address_hash": "VARCHAR", "committed_at": "TIMESTAMP", "message": "VARCHAR",
        "parent_count": "BIGINT", "co_authors": 'STRUCT("name" VARCHAR, address_hash VARCHAR)[]',
        "observed_at": "TIMESTAMP",
    },
    "issues": {
        "repository_id": "BIGINT", "issue_number": "BIGINT", "issue_id": "BIGINT",
        "title": "VARCHAR", "body": "VARCHAR", **AUTHOR, "state": "VARCHAR",
        "state_reason": "VARCHAR", "labels": "VARCHAR[]", "comment_count": "BIGINT",
        "created_at": "TIMESTAMP", "updated_at": "TIMESTAMP", "closed_at": "TIMESTAMP",
        "observed_at": "TIMESTAMP",
    },
    "pull_requests": {
        "repository_id": "BIGINT", "pull_request_number": "BIGINT",
        "pull_request_id": "BIGINT", "title": "VARCHAR", "body": "VARCHAR", **AUTHOR,
        "state": "VARCHAR", "is_draft": "BOOLEAN", "is_merged": "BOOLEAN",
        "merged_at": "TIMESTAMP", "merged_by_login": "VARCHAR",
        "is_cross_repository": "BOOLEAN", "base_ref": "VARCHAR", "head_ref": "VARCHAR",
        "comment_count": "BIGINT", "labels": "VARCHAR[]", "created_at": "TIMESTAMP",
        "updated_at": "TIMESTAMP", "closed_at": "TIMESTAMP", "observed_at": "TIMESTAMP",
    },
    "issue_comments": {
        "repository_id": "BIGINT", "issue_number": "BIGINT", "comment_id": "BIGINT", **AUTHOR,
        "body": "VARCHAR", "created_at": "TIMESTAMP", "updated_at": "TIMESTAMP",
        "is_pull_request": "BOOLEAN", "observed_at": "TIMESTAMP",
    },
    "organisation_members": {
        "organisation_id": "BIGINT", "organisation_login": "VARCHAR", "member_id": "BIGINT",
        "member_login": "VARCHAR", "member_type": "VARCHAR", "is_public": "BOOLEAN",
        "observed_at": "TIMESTAMP",
    },
}  # fmt: skip
NIGHTLY = {
    "answers": {
        "kind": "VARCHAR", "subject": "VARCHAR", "tier": "VARCHAR", "outcome": "VARCHAR",
        "reason": "VARCHAR", "repository_id": "VARCHAR", "repository_type": "VARCHAR",
        "repository_name": "VARCHAR", "name_now": "VARCHAR", "item_count": "BIGINT",
        "new_item_count": "BIGINT", "is_changed": "BOOLEAN", "seen": "VARCHAR",
        "recheck_on": "DATE", "observed_at": "TIMESTAMP",
    },
    "requests": {
        "kind": "VARCHAR", "account": "VARCHAR", "hour": "TIMESTAMP", "call_count": "BIGINT",
        "not_modified_count": "BIGINT", "retry_count": "BIGINT", "refused_count": "BIGINT",
        "failed_count": "BIGINT", "received_bytes": "BIGINT", "waited_seconds": "DOUBLE",
        "limit_count": "BIGINT", "remaining_count": "BIGINT", "statuses": "VARCHAR",
        "observed_at": "TIMESTAMP",
    },
}  # fmt: skip
SCHEMAS = {
    "gharchive": {"events": EVENTS},
    "github": GITHUB | NIGHTLY,
    "huggingface": HUB | NIGHTLY,
}

ANCHOR_DAY = "1970-01-01"
VARIABLES = (
    "OSMOSCOPE_LAKE", "OSMOSCOPE_WAREHOUSE", "OSMOSCOPE_MIN_DAY", "OSMOSCOPE_MAX_DAY",
)  # fmt: skip
Row = dict[str, Any]


@cache
def _memory() -> duckdb.DuckDBPyConnection:
    """One for all files: opening a database costs more than writing a few rows."""
    return duckdb.connect()


def write_parquet(path: Path, schema: dict[str, str], rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = _memory()
    columns = ", ".join(f'"{n}" {t}' for n, t in schema.items())
    db.execute(f"create or replace table t ({columns})")
    for row in rows:
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join("?" for _ in row)
        db.execute(f"insert into t ({names}) values ({marks})", list(row.values()))
    db.table("t").write_parquet(str(path))


@dataclass
class HandLake:
    """A lake written without the project's own lake code, so that the two check each other."""

    root: Path

    def folder(self, source: str, table: str, day: str) -> Path:
        return self.root / "raw" / source / table / f"day={day}"

    def manifest(self, source: str, table: str, day: str, entries: list[Row]) -> None:
        folder = self.folder(source, table, day)
        folder.mkdir(parents=True, exist_ok=True)
        body = {"format": 1, "source": source, "table": table, "day": day, "entries": entries}
        (folder / "manifest.json").write_text(json.dumps(body))

    def anchor(self, source: str, table: str, schema: dict[str, str]) -> None:
        write_parquet(self.folder(source, table, ANCHOR_DAY) / "anchor.parquet", schema, [])
        self.manifest(source, table, ANCHOR_DAY, [])

    def hours(self, day: str, hours: dict[int, list[Row]], extra: list[Row] | None = None) -> None:
        entries = []
        for hour, rows in hours.items():
            name = f"{day}-{hour}"
            file = f"{name}.0123456789ab.parquet"
            write_parquet(self.folder("gharchive", "events", day) / file, EVENTS, rows)
            stamps = sorted(str(row["created_at"]) for row in rows)
            entries.append(
                {
                    "name": name, "hour": hour, "state": "ok", "reason": None, "source": "test",
                    "is_mirrored": False, "file": file, "line_count": len(rows),
                    "event_count": len(rows), "duplicate_count": 0, "malformed_count": 0,
                    "actor_count": 1, "repository_count": 1, "source_bytes": 1,
                    "source_sha256": "0", "lake_bytes": 1, "content_hash": "0",
                    "first_created_at": stamps[0].replace(" ", "T") + "Z",
                    "last_created_at": stamps[-1].replace(" ", "T") + "Z",
                    "eras": {"E2": len(rows)}, "types": {}, "new_keys": {"PushEvent": ["x"]},
                    "schema_version": 1, "fetched_at": "2025-10-10T00:00:00+00:00",
                    "client_version": "test",
                }
            )  # fmt: skip
        self.manifest("gharchive", "events", day, entries + (extra or []))

    def anchors(self) -> None:
        for source, tables in SCHEMAS.items():
            for table, schema in tables.items():
                self.anchor(source, table, schema)

    def listing(
        self,
        table: str,
        day: str,
        rows: list[Row],
        source: str = "huggingface",
        name: str = "",
        without: tuple[str, ...] = (),
    ) -> None:
        """One entry of a day, beside those that are there under other names.

        Args:
            without: columns that its file was landed before.
        """
        name = name or table
        file = f"{name}.0123456789ab.parquet"
        folder = self.folder(source, table, day)
        schema = {key: kind for key, kind in SCHEMAS[source][table].items() if key not in without}
        write_parquet(folder / file, schema, rows)
        manifest = folder / "manifest.json"
        known = json.loads(manifest.read_text())["entries"] if manifest.exists() else []
        entry = {
            "name": name, "state": "ok", "reason": None, "source": "test", "file": file,
            "row_count": len(rows), "malformed_count": 0, "duplicate_count": 0,
            "source_bytes": 1, "source_sha256": "0", "lake_bytes": 1, "content_hash": "0",
            "observed_at": f"{day}T02:00:00Z", "source_form": "api", "schema_version": 1,
            "fetched_at": f"{day}T02:00:00Z", "client_version": "test",
        }  # fmt: skip
        others = [one for one in known if one["name"] != name]
        self.manifest(source, table, day, [*others, entry])


WRITES = re.compile(r"(?:update|insert into|delete from) \w+\.(\w+) ?")


def selecting(method: str, tables: Iterable[str]) -> list[str]:
    """Arguments that select by one method of dbt what has `<name>` for each table's name in it."""
    names = (table.rpartition(".")[2] for table in tables)
    return ["--select", *(method.replace("<name>", name) for name in names)]


def spoilt(statements: Iterable[str]) -> list[str]:
    """Arguments that select the tests of what statements write to, and of views on it.

    The others find what they found before.
    """
    tables = sorted({found[1] for one in statements if (found := WRITES.match(one))})
    views = selecting("<name>+,config.materialized:view", tables)
    return ["--exclude-resource-type", "unit_test", *selecting("<name>", tables), *views[1:]]


# The manifest is shared, and its own files and the log of all that dbt does are read by nobody.
QUIETLY = ("--quiet", "--no-write-json", "--log-level-file", "none")


def places(folder: Path) -> list[str]:
    """The project for dbt, and where it writes."""
    return [
        "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT),
        "--target-path", str(folder / "target"), "--log-path", str(folder / "logs"),
    ]  # fmt: skip


@cache
def parsed(folder: Path) -> tuple[Any, Path]:
    """The manifest, parsed without a warning, and the path of a lake that it holds.

    For all lakes of these tests. The environment is that of the parsing afterwards.

    Args:
        folder: of the session.
    """
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.behavior_flags import BehaviorFlagRendered
    from dbt_common.events.event_manager_client import ctx_set_event_manager

    from orchestration.dbt_command import WrittenEvents

    # As our command for dbt does.
    ctx_set_event_manager(WrittenEvents())
    # Who asks for a flag is read off the whole stack with its sources, of which tests have much.
    BehaviorFlagRendered._default_source = staticmethod(lambda: "tests")
    # A quote and brackets in the path: both mean something to SQL and to globs.
    folder = folder / "parsed"
    lake = folder / "it's a [lake]" / "lake"
    lake.parent.mkdir(parents=True)
    os.environ["OSMOSCOPE_LAKE"] = str(lake)
    os.environ["OSMOSCOPE_WAREHOUSE"] = str(folder / "warehouse.duckdb")
    done = dbtRunner().invoke([*QUIETLY, "--warn-error", "parse", *places(folder)])
    assert isinstance(done.result, Manifest), done.exception
    return done.result, lake


class Dbt:
    """The project on one lake; the manifest is parsed once and shared by all invocations."""

    def __init__(self, folder: Path, write: Callable[[Path], HandLake]) -> None:
        from dbt.cli.main import dbtRunner

        self.folder = folder
        self.lake = write(folder / "lake")
        manifest, self.place = parsed(folder.parent)
        self.runner = dbtRunner(manifest=manifest)

    def warehouse(self, name: str) -> Path:
        """One folder a warehouse: the file's stem names its catalog, which the manifest holds."""
        path = self.folder / name / "warehouse.duckdb"
        path.parent.mkdir(exist_ok=True)
        return path

    def put_in_place(self) -> None:
        """Let the path that the manifest and views hold be this lake."""
        self.place.unlink(missing_ok=True)
        self.place.symlink_to(self.lake.root)

    def outcomes(
        self, warehouse: str, command: str, *arguments: str, days: str = ""
    ) -> dict[str, str]:
        """Run a dbt command; what became of each node, by name, where it did not succeed.

        A test of a model's columns is there as itself and as `<test>: <column>` for each column
        that it names.
        """
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager

        self.put_in_place()
        os.environ["OSMOSCOPE_LAKE"] = str(self.place)
        os.environ["OSMOSCOPE_WAREHOUSE"] = str(self.warehouse(warehouse))
        low, _, high = days.partition("..")
        os.environ["OSMOSCOPE_MIN_DAY"], os.environ["OSMOSCOPE_MAX_DAY"] = low, high or low
        result = self.runner.invoke([*QUIETLY, command, *places(self.folder), *arguments])
        # dbt keeps the warehouse open until its process ends, which here is ours.
        DuckDBConnectionManager.env().close()
        nodes = getattr(result.result, "results", [])
        assert nodes, result.exception
        red, of_columns = {}, []
        for node in nodes:
            if node.status in ("success", "pass", "no-op"):
                continue
            red[node.node.name] = f"{node.status} {node.message}"
            if node.status in ("fail", "warn") and node.node.name.endswith("__columns_hold"):
                of_columns.append(node)
        if of_columns:
            # What dbt compiled names the database as its file.
            with duckdb.connect(str(self.warehouse(warehouse)), read_only=True) as db:
                for node in of_columns:
                    for why in wrong_columns(db, node.node.compiled_code):
                        red[f"{node.node.name}: {why.split(' ')[0]}"] = f"{node.status} {why}"
        return red

    def run(self, warehouse: str, command: str, *arguments: str, days: str = "") -> None:
        assert self.outcomes(warehouse, command, *arguments, days=days) == {}

    def rows(self, warehouse: str, query: str, *parameters: Any) -> list[Any]:
        self.put_in_place()
        with database(self.warehouse(warehouse), read_only=True) as db:
            db.execute("set timezone = 'UTC'")
            return db.execute(query, list(parameters)).fetchall()


@contextmanager
def project_on(folder: Path, write: Callable[[Path], HandLake]) -> Iterator[Dbt]:
    """The project on a lake; the environment is as before afterwards."""
    with environment_kept():
        yield Dbt(folder, write)


@contextmanager
def environment_kept() -> Iterator[None]:
    """What dbt reads of the environment is as before afterwards."""
    kept = {name: os.environ.get(name) for name in VARIABLES}
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def intensity_sql() -> str:
    """What is known of each feature on each basis, as the study's summary counts it."""
    return " union all ".join(
        f"select platform, '{feature}' as feature, '{basis}' as basis,"
        f" count({column}) as repository_count, count(*) - count({column}) as unknown_count,"
        f" avg({column})::double as mean_value, median({column})::double as median_value,"
        f" max({column}) as maximum_value, sum({column})::bigint as total_value,"
        f" count(*) filter ({column} = 0) / nullif(count({column}), 0) as zero_share"
        f" from {INTENSITY} where bot_policy = 'none' group by platform"
        for feature, columns in FEATURES.items()
        for basis, column in columns.items()
    )
