"""What is told of a dbt build, beside what dbt itself tells."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from databases import database
from dbt.adapters.duckdb.column import DuckDBColumn

from assets.warehouse.assets import _columns_in, _events
from assets.warehouse.lineage import LineageStore
from orchestration.build import dbt_command
from orchestration.manifest import environment

MANIFEST: dict[str, Any] = {"nodes": {}, "macros": {}, "sources": {}}


def test_columns_of_all_relations_are_what_describing_each_gives(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    relations = [("marts", "kinds"), ("marts", "seen"), ("other", "kinds")]
    with database(path) as connection:
        connection.execute(
            "create schema marts; create schema other;"
            ' create table marts.kinds ("Z" decimal(18, 3),'
            " a varchar[], s struct(x integer, y timestamptz), m map(varchar, bigint), h hugeint);"
            " create view marts.seen as select a, h + 1 as more, current_date as today from"
            " marts.kinds; create table other.kinds (b boolean)"
        )
        described = [
            [row[:2] for row in connection.execute(f"describe {schema}.{name}").fetchall()]
            for schema, name in relations
        ]
    columns_of = _columns_in(path, SimpleNamespace(Column=DuckDBColumn))
    found = [columns_of(SimpleNamespace(schema=s, identifier=name)) for s, name in relations]
    assert [[(one.name, one.data_type) for one in several] for several in found] == described
    assert columns_of(SimpleNamespace(schema="marts", identifier="none")) == []


def test_a_build_that_made_nothing_fails_as_dbt_says(tmp_path: Path) -> None:
    """There is no warehouse yet, whose absence would be told in place of the reason."""

    def stream() -> Iterator[Any]:
        raise RuntimeError("dbt could not parse")
        yield

    adapter = SimpleNamespace(connections=type("Connections", (), {"_ENV": None})())
    build: Any = SimpleNamespace(
        adapter=adapter,
        manifest=MANIFEST,
        stream=stream,
        is_fusion=False,
        postprocessing_threadpool_num_threads=1,
    )
    store = LineageStore(tmp_path, MANIFEST)
    with pytest.raises(RuntimeError, match="could not parse"):
        list(_events(build, tmp_path / "warehouse.duckdb", store, "days of the lake: all"))


def test_the_adapter_counts_rows_without_dbts_macros(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dbt.parser.manifest import ManifestLoader

    path, whole = tmp_path / "warehouse.duckdb", ManifestLoader.__dict__["load_macros"]
    with database(path) as connection:
        connection.execute("create table t as from range(7)")
    for name, value in environment(tmp_path / "lake", path).items():
        monkeypatch.setenv(name, value)
    adapter = dbt_command()._initialize_dbt_core_adapter([])
    with adapter.connection_named("rows"):
        _, found = adapter.execute("select count(*) from t", fetch=True)
    type(adapter.connections)._ENV.close()
    assert found[0][0] == 7
    assert ManifestLoader.__dict__["load_macros"] is whole
