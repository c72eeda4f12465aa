"""Small questions to files over a database that is kept: each asks as if it were alone."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from orchestration.parquet import asking_files


def written(path: Path, value: int, count: int = 3) -> Path:
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select {value} as n from range({count})) to '{path}' (format parquet)"
        )
    return path


def asked(path: Path) -> list[tuple[int]]:
    with asking_files() as connection:
        return connection.execute(
            "select n from read_parquet($path)", {"path": str(path)}
        ).fetchall()


def test_a_file_that_is_written_over_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for value in range(20):
        assert asked(written(path, value)) == [(value,)] * 3


def test_threads_ask_beside_each_other(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{n}.parquet", n, 50_000) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(asked, paths))
    assert [set(rows) for rows in found] == [{(n,)} for n in range(8)]


def test_what_one_makes_no_other_sees() -> None:
    with asking_files() as one, asking_files() as other:
        one.execute("create temporary table t as select 1")
        with pytest.raises(duckdb.CatalogException):
            other.execute("from t")
        one.execute("set TimeZone = 'Asia/Tokyo'")
        assert other.execute("select current_setting('TimeZone')").fetchall() != [("Asia/Tokyo",)]


def test_an_error_and_a_closed_connection_leave_the_database_usable() -> None:
    with asking_files() as connection, pytest.raises(duckdb.IOException):
        connection.execute("from read_parquet('nowhere.parquet')")
    with pytest.raises(duckdb.ConnectionException):
        connection.execute("select 1")
    with asking_files() as connection:
        assert connection.execute("select 1").fetchall() == [(1,)]
