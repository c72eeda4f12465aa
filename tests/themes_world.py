"""A small warehouse with posts, codings and commits, of which samples were drawn.

Belongs here: making its tables. Does not belong here: expectations.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from databases import database
from study_support import COUNTS, member, stratum

from assets.study import sample
from assets.study.tables import StudyTable, make_tables, open_warehouse
from assets.study.themes import corpus, tables
from assets.study.themes.codebook import THEMES
from orchestration.settings import StudySettings

DAY = date(2026, 3, 2)
STUDY = StudySettings.model_validate({"networks": {"reference": {"top_count": 3}}})


@dataclass
class World:
    """Messages with what they are and what a coder says."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def of(self, platform: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["platform"] == platform and not row["is_bot"]]


def world_of(count: int = 900, seed: int = 5) -> World:
    """Usage problems are taken for bug reports by the coder, in one of three."""
    rng = np.random.default_rng(seed)
    found = World()
    for at in range(count):
        platform = "github" if at % 3 else "huggingface"
        true = str(rng.choice(THEMES, p=[0.3, 0.2, 0.3, 0.1, 0.1]))
        is_taken = true == "usage_problem" and rng.random() < 1 / 3
        kind = "repository" if platform == "github" else "model"
        repository = f"{platform}:{kind}:{at % 7}"
        found.rows.append({
            "message_key": f"{repository}:{at}", "platform": platform, "repository_key": repository,
            "created_on": date(2026, 1, 1) + timedelta(days=at % 60),
            "language": ("en", "zh", None)[at % 5 % 3], "actor_key": f"{platform}:actor:{at % 40}",
            "is_bot": at % 40 == 7, "true": true,
            "said": "bug_report" if is_taken else true,
            "confidence": 0.2 if at % 50 == 11 else 0.8,
            # Every tenth repeats the text of the one before it.
            "repeats": at > 30 and at % 10 == 0,
        })  # fmt: skip
    for at, row in enumerate(found.rows):
        if row["repeats"]:
            first = found.rows[at - 3]
            row |= {"coded_key": first["message_key"], "said": first["said"],
                    "confidence": first["confidence"]}  # fmt: skip
        else:
            row["coded_key"] = row["message_key"]
    return found


def shown(row: dict[str, Any]) -> str:
    """The theme that figures count."""
    return "others" if row["confidence"] < STUDY.themes.abstain_below else str(row["said"])


def warehouse_of(path: Path, world: World) -> Path:
    with database(path):
        pass
    with open_warehouse(path, read_only=False) as connection:
        make_tables(connection, [corpus.CORPUS, tables.CODED])
        for schema in ("core", "intermediate"):
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        connection.execute(
            "CREATE TABLE core.dim_actor AS SELECT p || ':actor:' || n AS actor_key,"
            " n = 7 AS is_removed_by_paper, false AS is_removed_by_conservative,"
            " false AS is_removed_by_aggressive"
            " FROM unnest(['github', 'huggingface']) AS _(p), range(40) AS __(n)"
        )
        connection.execute(
            "CREATE TABLE study.top_cut AS SELECT 'paper' AS study, 'stars' AS rank_name,"
            " p || CASE p WHEN 'github' THEN ':repository:' ELSE ':model:' END || n"
            " AS repository_key, n + 1 AS place"
            " FROM unnest(['github', 'huggingface']) AS _(p), range(7) AS __(n)"
        )
        connection.execute(
            "CREATE TABLE intermediate.int_commits__worded AS SELECT 'github' AS platform,"
            " n % 7 AS repository_id, 'repository' AS repository_type,"
            " NULL::VARCHAR AS repository_name, n = 49 AS is_by_platform,"
            " TIMESTAMP '2026-01-01' + INTERVAL 1 DAY * n AS committed_at,"
            " CASE n % 4 WHEN 0 THEN 'template' WHEN 1 THEN 'substantive' ELSE 'trivial' END"
            " AS message_kind, 'rule_' || (n % 3) AS message_condition FROM range(50) AS _(n)"
        )
        connection.execute(
            "CREATE TABLE intermediate.int_huggingface_names__identified (repository_type VARCHAR,"
            " repository_name VARCHAR, repository_key VARCHAR)"
        )
        sampled(connection)
        insert(connection, corpus.CORPUS, [
            {
                "message_key": row["message_key"], "platform": row["platform"],
                "repository_key": row["repository_key"], "kind": "issue",
                "created_on": row["created_on"], "actor_key": row["actor_key"],
                "text_digest": "d", "language": row["language"], "cleaning_version": "1",
                "state": "near_duplicate" if row["repeats"] else "in_frame",
                "representative_key": row["coded_key"],
            }
            for row in world.rows
        ])  # fmt: skip
        insert(connection, tables.CODED, [
            {
                "message_key": row["message_key"], "coder": "linear", "coder_version": "v1",
                "codebook_version": "1.0-x", "text_digest": "d", "theme": theme,
                "probability": row["confidence"] if theme == row["said"]
                else (1 - row["confidence"]) / (len(THEMES) - 1),
                "is_primary": theme == row["said"],
                "applies": theme in (row["said"], "suggestion"),
            }
            for row in world.rows if not row["repeats"] for theme in THEMES
        ])  # fmt: skip
    return path


def insert(
    connection: duckdb.DuckDBPyConnection, table: StudyTable, rows: list[dict[str, Any]]
) -> None:
    names = list(rows[0])
    connection.register("given", pa.Table.from_pylist(rows))
    connection.execute(
        f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {', '.join(names)} FROM given"
    )
    connection.unregister("given")


def in_slice(row: dict[str, Any], slice_: str, value: str) -> bool:
    told = {
        "all": "all",
        "month": row["created_on"].strftime("%Y-%m"),
        "language": row["language"] or "unknown",
        "repository_class": "top_cut" if int(row["repository_key"][-1]) < 3 else "other",
    }
    return told[slice_] == value


# Of each platform the three largest are taken whole, and two are drawn of the four others and of
# one of which nothing is known or nothing is there.
WHOLE, DRAWN = (0, 1, 2), (3, 7)
PLATFORMS = {"github": "github:repository", "huggingface": "huggingface:model"}


def sampled(connection: duckdb.DuckDBPyConnection) -> None:
    """The sample `paper` of eight repositories a platform; discussions of the last are unknown on
    the Hub, and none on GitHub."""
    make_tables(connection, [sample.MEMBER, sample.STRATUM])
    counts = ", ".join(f"{column} BIGINT" for column in COUNTS)
    connection.execute(
        "CREATE SCHEMA IF NOT EXISTS marts; CREATE TABLE marts.mart_repository_activity"
        f" (platform VARCHAR, repository_type VARCHAR, repository_key VARCHAR, {counts})"
    )
    for platform, kind in PLATFORMS.items():
        count = "issue_flow_count" if platform == "github" else "discussion_stock_count"
        last = "0" if platform == "github" else "NULL"
        connection.execute(
            f"INSERT INTO marts.mart_repository_activity (platform, repository_type,"
            f" repository_key, {count}) SELECT '{platform}', '{kind.split(':')[1]}',"
            f" '{kind}:' || n, CASE WHEN n = 7 THEN {last} ELSE 50 END FROM range(8) AS _(n)"
        )
        insert(connection, sample.STRATUM, [
            stratum(platform, "large", -1, 3, drawn_count=3, sample_count=3, weight=1.0),
            stratum(platform, "low", 1, 5),
        ])  # fmt: skip
    draw(connection, DRAWN)


def draw(connection: duckdb.DuckDBPyConnection, drawn: tuple[int, ...]) -> None:
    """Have these repositories drawn of the five that are not taken whole."""
    connection.execute(f"DELETE FROM {sample.MEMBER.name}")
    for kind in PLATFORMS.values():
        # Those taken whole are too many where each counts once.
        rows = [member(f"{kind}:{n}", "large", 1.0, is_plain=n == 0) for n in WHOLE]
        rows += [member(f"{kind}:{n}", "low", 5 / len(drawn)) for n in drawn]
        insert(connection, sample.MEMBER, rows)
