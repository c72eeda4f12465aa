"""A small warehouse with what the study's figures are computed of."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from databases import database

from assets.actors.policies import POLICIES
from assets.study import cuts, sample
from assets.study.features import FEATURES
from assets.study.tables import make_tables, table_of

DAY = date(2025, 10, 7)
FIRST = date(2025, 9, 8)
COUNTS = tuple(column for of in FEATURES.values() for column in of.values())
Row = dict[str, Any]


def repository(key: str, **values: Any) -> Row:
    """One repository, the same under every policy unless `under` says otherwise."""
    platform = "github" if key.startswith("g") else "huggingface"
    return {
        "repository_key": key, "platform": platform, "owner_name": f"owner of {key}",
        "created_at": datetime(2024, 5, 5), "created_at_basis": "api",
        "repository_type": "repository" if platform == "github" else "model",
        **dict.fromkeys(COUNTS), **values,
    }  # fmt: skip


def study_warehouse(
    path: Path,
    repositories: list[Row],
    *,
    members: list[Row] | None = None,
    strata: list[Row] | None = None,
    cut: list[Row] | None = None,
    cut_offs: list[Row] | None = None,
    day: date = DAY,
) -> Path:
    """The tables that the grid reads, made anew.

    A repository's `under` is policy to changed counts.
    """
    path.unlink(missing_ok=True)
    with database(path) as connection:
        # One wait for the disk, not one for each comment.
        connection.begin()
        connection.execute("CREATE SCHEMA marts; CREATE SCHEMA intermediate; CREATE SCHEMA study")
        connection.execute(
            "CREATE TABLE marts.mart_coverage (platform VARCHAR, day DATE, event_count BIGINT)"
        )
        connection.execute(
            "INSERT INTO marts.mart_coverage VALUES ('github', $first, 5), ('github', $day, 5)",
            {"first": FIRST, "day": day},
        )
        counts = ", ".join(f"{column} HUGEINT" for column in COUNTS)
        connection.execute(
            "CREATE TABLE marts.mart_repository_activity (repository_key VARCHAR, platform VARCHAR,"
            " owner_name VARCHAR, created_at TIMESTAMP, created_at_basis VARCHAR,"
            f" repository_type VARCHAR, {counts})"
        )
        connection.execute(
            "CREATE TABLE intermediate.int_repository_intensity__measured (repository_key VARCHAR,"
            f" platform VARCHAR, bot_policy VARCHAR, {counts})"
        )
        activity = [
            [row[name] for name in ("repository_key", "platform", "owner_name", "created_at",
                                    "created_at_basis", "repository_type", *COUNTS)]
            for row in repositories
        ]  # fmt: skip
        measured = [
            [row["repository_key"], row["platform"], policy, *(told[name] for name in COUNTS)]
            for row in repositories
            for policy in POLICIES
            for told in [row | row.get("under", {}).get(policy, {})]
        ]
        for table, lines in (
            ("marts.mart_repository_activity", activity),
            ("intermediate.int_repository_intensity__measured", measured),
        ):
            _insert(connection, table, lines)
        given_rows = (
            (sample.MEMBER, members), (sample.STRATUM, strata), (sample.CUT_OFF, cut_offs),
            (cuts.CUT, cut),
        )  # fmt: skip
        make_tables(connection, [table for table, _ in given_rows])
        for table, rows in given_rows:
            given = table_of(table, rows or [])  # noqa: F841 - read by name
            connection.execute(f"INSERT INTO {table.name} SELECT * FROM given")
        connection.commit()
    return path


def cut_off(platform: str, column: str, is_holding: bool) -> Row:
    """Where the sample `paper` takes a column's large values whole."""
    return {
        "study": "paper", "design": "paper", "platform": platform, "stratum": "low",
        "column_name": column, "from_value": 9.0, "tail_bound": 0.4, "is_holding": is_holding,
    }  # fmt: skip


def _insert(connection: duckdb.DuckDBPyConnection, table: str, lines: list[list[Any]]) -> None:
    """Rows in the order of the table's columns, all at once."""
    if lines:
        columns = {f"c{at}": list(values) for at, values in enumerate(zip(*lines, strict=True))}
        given = pa.table(columns)  # noqa: F841 - read by name
        connection.execute(f"INSERT INTO {table} SELECT * FROM given")


def member(key: str, stratum: str, weight: float | None, **values: Any) -> Row:
    """A unit of the sample `paper`."""
    outcome = "accepted" if weight is not None else "rejected"
    platform = "github" if key.startswith("g") else "huggingface"
    return {
        "study": "paper", "design": "paper", "platform": platform, "repository_key": key,
        "stratum": stratum, "random_number": 0.5, "place": 1, "phase": 2, "outcome": outcome,
        "is_plain": True, "weight": weight, **values,
    }  # fmt: skip


def stratum(platform: str, name: str, number: int, frame: int, **values: Any) -> Row:
    """A stratum of the sample `paper`, of which all that were drawn belong."""
    return {
        "study": "paper", "design": "paper", "platform": platform, "stratum": name,
        "stratum_number": number, "size_basis": "stock", "is_take_all": False,
        "frame_count": frame, "target_count": 2, "drawn_count": 2, "rejected_count": 0,
        "believed_count": 0, "sample_count": 2, "weight": frame / 2,
        "estimated_count": float(frame), **values,
    }  # fmt: skip
