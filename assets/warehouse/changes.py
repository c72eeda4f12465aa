"""Which observation days the warehouse has to read again: a night costs what is new.

The warehouse itself remembers the content of every day it was built from, so that a warehouse
that was deleted, or put back from a copy, is built from what it does not have.
"""

import hashlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from assets.warehouse.sources import OBSERVED, tables
from orchestration.lake import Lake

Window = tuple[date, date]
Contents = dict[date, str]

SCHEMA = "state"
TABLE = f"{SCHEMA}.built_day"


def contents(lake: Lake, code: str) -> Contents:
    """What each observation day of the lake holds, and the code that reads it, as a digest."""
    lines: dict[date, list[str]] = {}
    for source in OBSERVED:
        for table in tables()[source]:
            for day in lake.days(source, table):
                held = lake.partition(source, table, day).content_hash()
                lines.setdefault(day, [code]).append(f"{source} {table} {held}")
    return {
        day: hashlib.sha256("\n".join(found).encode()).hexdigest() for day, found in lines.items()
    }


def code_of(manifest: Mapping[str, Any]) -> str:
    """Digest of the models and macros of a dbt manifest."""
    models = [
        f"{name} {node['checksum']['checksum']}"
        for name, node in manifest["nodes"].items()
        if node["resource_type"] == "model"
    ]
    project = manifest["metadata"]["project_name"]
    macros = [
        f"{name} {macro['macro_sql']}"
        for name, macro in manifest["macros"].items()
        if macro["package_name"] == project
    ]
    return hashlib.sha256("\n".join(sorted([*models, *macros])).encode()).hexdigest()


def window(now: Contents, warehouse: Path) -> Window | None:
    """The days to read: from the first to the last whose content is another one than was built.

    Returns:
        The last day where nothing changed; none, which is all days, where the lake has no day or
        the warehouse was built from none.
    """
    before = _built(warehouse)
    if not now or not before:
        return None
    changed = [day for day in now.keys() | before.keys() if now.get(day) != before.get(day)]
    return (min(changed), max(changed)) if changed else (max(now), max(now))


def remember(now: Contents, warehouse: Path) -> None:
    """Note in the warehouse that it was built from these days."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.begin()
        connection.execute(f"create schema if not exists {SCHEMA}")
        connection.execute(f"create or replace table {TABLE} (day date, content varchar)")
        if now:
            connection.executemany(f"insert into {TABLE} values (?, ?)", sorted(now.items()))
        connection.commit()


def _built(warehouse: Path) -> Contents:
    if not warehouse.exists():
        return {}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        try:
            return dict(connection.execute(f"select day, content from {TABLE}").fetchall())
        except duckdb.CatalogException:
            return {}
