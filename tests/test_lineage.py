"""Column lineage is worked out once, and is then what dagster-dbt finds column by column."""

from pathlib import Path
from typing import Any

from assets.warehouse.lineage import LineageStore, looked_at_once, project_digest

SQL = """
with a as (select x.one, x.two + y.three as sum_of from first as x join second as y on x.k = y.k)
select a.one as renamed, a.sum_of, count(*) over () as n from a
"""
SCHEMA = {"first": {"one": "int", "two": "int", "k": "int"}, "second": {"three": "int", "k": "int"}}


def manifest(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "nodes": {"model.a": {"checksum": {"checksum": "1"}}},
        "macros": {"macro.m": {"macro_sql": "x"}},
        "sources": {"source.s": {"relation_name": "read_parquet('y')"}},
    }
    return made | changes


def leaves(column: str) -> list[str]:
    from dagster_dbt.core import dbt_cli_event as library
    from sqlglot.schema import MappingSchema

    schema = MappingSchema(SCHEMA, dialect="duckdb")
    node = library.lineage(column=column, sql=SQL, schema=schema, dialect="duckdb")
    return sorted(leaf.name for leaf in node.walk() if not leaf.downstream)


def test_all_columns_at_once_are_what_each_is_alone() -> None:
    columns = ("renamed", "sum_of", "n")
    alone = [leaves(column) for column in columns]
    assert alone[:2] == [["x.one"], ["x.two", "y.three"]]
    with looked_at_once():
        assert [leaves(column) for column in columns] == alone
    assert [leaves(column) for column in columns] == alone


def test_lineage_is_kept_until_the_project_changes(tmp_path: Path) -> None:
    store = LineageStore(tmp_path, manifest())
    assert store.known == {}
    store.learn({"model.a": {"c": [(["core", "t"], "d")]}})
    again = LineageStore(tmp_path, manifest())
    assert again.known == {"model.a": {"c": [[["core", "t"], "d"]]}}
    changed = manifest(macros={"macro.m": {"macro_sql": "y"}})
    assert LineageStore(tmp_path, changed).known == {}
    assert project_digest(changed) != project_digest(manifest())


def test_a_model_in_python_is_not_parsed_as_sql(tmp_path: Path) -> None:
    nodes = {
        "model.a": {"checksum": {"checksum": "1"}, "language": "sql"},
        "model.p": {"checksum": {"checksum": "2"}, "language": "python"},
    }
    assert LineageStore(tmp_path, manifest(nodes=nodes)).known == {"model.p": {}}


def test_a_spoilt_file_is_worked_out_anew(tmp_path: Path) -> None:
    LineageStore(tmp_path, manifest()).learn({"model.a": {}})
    next(tmp_path.iterdir()).write_text("{")
    assert LineageStore(tmp_path, manifest()).known == {}
