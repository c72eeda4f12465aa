"""What the warehouse reads of the lake: every table, and only days that changed."""

import re
import shutil
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import duckdb
import pytest
import yaml
from databases import database

from assets.warehouse import assets, changes
from assets.warehouse.sources import OBSERVED, make_readable, tables
from orchestration.lake import ANCHOR_DAY, Lake
from orchestration.resources import Installation
from orchestration.settings import Settings

MODELS = Path(__file__).parents[1] / "dbt_project" / "models"
D1, D2, D3 = date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 5)


def declared() -> Iterator[tuple[str, str]]:
    """Sources and tables as the dbt project states them."""
    for file in sorted(MODELS.rglob("sources.yml")):
        for source in yaml.safe_load(file.read_text())["sources"]:
            for table in source["tables"]:
                yield source["name"].removesuffix("_manifests"), table["name"]


def test_every_declared_source_can_be_read_of_an_empty_lake(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    make_readable(lake)
    pairs = set(declared())
    assert pairs == {(source, table) for source, schemas in tables().items() for table in schemas}
    for source, table in pairs:
        folder = lake.partition(source, table, ANCHOR_DAY).folder
        described = duckdb.execute(
            "describe select * from read_parquet(?, hive_partitioning = false)",
            [str(folder / "anchor.parquet")],
        ).fetchall()
        assert {row[0]: row[1] for row in described} == dict(tables()[source][table])
        assert lake.days(source, table) == []


@pytest.mark.parametrize("source", OBSERVED)
def test_columns_that_came_later_are_unknown_in_files_landed_before(
    source: str, tmp_path: Path
) -> None:
    """Read as the dbt project reads: with a file of before, one of now, or none of now."""
    lake = Lake(tmp_path / "lake")
    before = {table: dict(list(all_.items())[:-1]) for table, all_ in tables()[source].items()}
    with database() as connection:
        for table, kept in before.items():
            written(connection, lake, source, table, D1, kept)
        make_readable(lake)
        for table, columns in tables()[source].items():
            first, *_, last = columns
            scan = location(source, lake).replace("$identifier", table)
            told = f'select day, "{last}" is null, "{first}" is null from {scan} order by day'
            assert connection.execute(told).fetchall() == [(D1, True, True)], table
            written(connection, lake, source, table, D2, columns)
            assert connection.execute(told).fetchall() == [(D1, True, True), (D2, True, True)]
            kind = connection.execute(f'select typeof("{last}") from {scan}').fetchall()[0][0]
            assert kind == columns[last]


def written(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    source: str,
    table: str,
    day: date,
    columns: Mapping[str, str],
) -> None:
    """A file with one row of nulls."""
    chosen = ", ".join(f'null::{kind} as "{name}"' for name, kind in columns.items())
    with lake.temporary(".parquet") as file:
        connection.execute(f"copy (select {chosen}) to '{file}' (format parquet)")
        lake.partition(source, table, day).commit({"name": "night"}, file)


def location(source: str, lake: Lake) -> str:
    """Where dbt finds the files of a source."""
    for file in sorted(MODELS.rglob("sources.yml")):
        for declared in yaml.safe_load(file.read_text())["sources"]:
            if declared["name"] == source:
                text = declared["config"]["meta"]["external_location"]
                return re.sub(r"{{.*?}}", str(lake.root), text)
    raise AssertionError(source)


def test_a_step_that_builds_makes_all_of_them_readable(tmp_path: Path) -> None:
    """Whatever was loaded: an installation may have one file of one source and nothing else."""
    settings = Settings(data_dir=tmp_path)
    assets._prepared(Installation.of(settings))
    lake = Lake(settings.lake_root)
    for source, table in declared():
        assert (lake.partition(source, table, ANCHOR_DAY).folder / "anchor.parquet").exists()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    for day in (D1, D2, D3):
        landed(lake, "github", "commits", day, "one")
        landed(lake, "huggingface", "listings", day, "one")
    # The archive's days are another step's.
    landed(lake, "gharchive", "events", date(2030, 1, 1), "one")
    return lake


def landed(lake: Lake, source: str, table: str, day: date, content: str) -> None:
    with lake.temporary(".parquet") as file:
        file.write_text(content)
        lake.partition(source, table, day).commit({"name": "night"}, file)


def test_a_new_warehouse_reads_all_days(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    now = changes.contents(lake, "code")
    assert set(now) == {D1, D2, D3}
    assert changes.window(now, path) is None
    with database(path) as connection:
        connection.execute("create table t (a int)")
    assert changes.window(now, path) is None


@pytest.mark.parametrize("source", OBSERVED)
def test_only_days_whose_content_changed_are_read(lake: Lake, tmp_path: Path, source: str) -> None:
    path = tmp_path / "warehouse.duckdb"
    changes.remember(changes.contents(lake, "code"), path)
    assert changes.window(changes.contents(lake, "code"), path) == (D3, D3)
    landed(lake, source, "answers", D2, "two")
    now = changes.contents(lake, "code")
    assert changes.window(now, path) == (D2, D2)
    # A build that failed remembers nothing: its days and the next ones are read together.
    landed(lake, source, "answers", date(2026, 1, 6), "three")
    now = changes.contents(lake, "code")
    assert changes.window(now, path) == (D2, date(2026, 1, 6))
    changes.remember(now, path)
    landed(lake, source, "answers", D2, "two")
    assert changes.contents(lake, "code") == now
    shutil.rmtree(lake.partition(source, "answers", D2).folder)
    assert changes.window(changes.contents(lake, "code"), path) == (D2, D2)


def test_other_code_reads_all_days(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    changes.remember(changes.contents(lake, "code"), path)
    assert changes.window(changes.contents(lake, "other"), path) == (D1, D3)


def test_code_is_that_of_models_and_own_macros() -> None:
    def manifest(model: str = "a", own: str = "b", foreign: str = "c") -> dict[str, object]:
        return {
            "metadata": {"project_name": "p"},
            "nodes": {
                "model.p.m": {"resource_type": "model", "checksum": {"checksum": model}},
                "test.p.t": {"resource_type": "test", "checksum": {"checksum": ""}},
            },
            "macros": {
                "macro.p.m": {"package_name": "p", "macro_sql": own},
                "macro.dbt.m": {"package_name": "dbt", "macro_sql": foreign},
            },
        }

    code = changes.code_of(manifest())
    assert code == changes.code_of(manifest(foreign="d"))
    assert len({code, changes.code_of(manifest("d")), changes.code_of(manifest(own="d"))}) == 3


def test_an_empty_lake_reads_all_days(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    changes.remember({}, path)
    assert changes.window({}, path) is None
