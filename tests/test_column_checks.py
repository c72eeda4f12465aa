"""What is told of a failed test of a model's columns."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
from databases import database

from assets.warehouse.assets import TOLD_COLUMNS, _explained, wrong_columns

SQL = "select wrong from tested"


def warehouse(path: Path, *wrong: str) -> Path:
    with database(path) as connection:
        connection.execute("create table tested (wrong varchar)")
        connection.executemany("insert into tested values (?)", [[text] for text in wrong])
    return path


def result(name: str, passed: bool) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed, asset_key="a", check_name=name, metadata={"unique_id": name}
    )


def told(path: Path, status: str, kind: str = "columns_hold", sql: str = SQL) -> list[str | None]:
    """The descriptions of a test that passed and of one that did not."""
    names = ["good", "bad"]
    ran = [{"unique_id": name, "status": status, "compiled_code": sql} for name in names]
    build: Any = SimpleNamespace(
        manifest={"nodes": {name: {"test_metadata": {"name": kind}} for name in names}},
        get_artifact=lambda name: {"results": ran},
    )
    tested = [result("good", True), result("bad", False)]
    return [event.description for event in _explained(path, build, tested)]


def test_a_failed_test_tells_its_columns(tmp_path: Path) -> None:
    path = warehouse(tmp_path / "w.duckdb", "kind is star; ", "at is null; kind is star; ")
    assert told(path, "fail") == [None, "kind is star (2 rows); at is null (1 row)"]
    assert told(path, "warn") == told(path, "fail")


def test_other_tests_are_told_as_they_are(tmp_path: Path) -> None:
    path = warehouse(tmp_path / "w.duckdb", "kind is star; ")
    assert told(path, "fail", kind="primary_key") == [None, None]
    assert told(path, "error", sql="no sql") == [None, None]


def test_values_that_were_mined_are_harmless_and_few(tmp_path: Path) -> None:
    hostile = f"kind is \x1b[2J{'ä' * 200}; "
    path = warehouse(tmp_path / "w.duckdb", hostile, *(f"n is {n}; " for n in range(50)))
    _, why = told(path, "fail")
    assert why is not None
    assert why.isascii() and why.isprintable()
    assert why.count("row") == TOLD_COLUMNS
    with database(path) as connection:
        assert len(wrong_columns(connection, SQL)) == 51
        assert max(map(len, wrong_columns(connection, SQL))) < 120
