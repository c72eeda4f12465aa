"""Gated repositories that access was never asked for.

Belongs here: reading them from the newest listings and from what was asked. Does not belong here:
asking (access).
"""

from pathlib import Path
from typing import Any

from assets.huggingface.normalise import ACCESS_REQUESTS, LISTINGS
from assets.huggingface.snapshot import SOURCE
from orchestration.lake import Lake

Row = dict[str, Any]
_GATED = """
    select repository_type, repository_name, gated, max(like_count) as like_count
    from read_parquet($files, union_by_name = true)
    where gated in ('auto', 'manual', 'yes') and not starts_with(repository_name, '~')
        and not coalesce(is_private, false) and not coalesce(is_disabled, false)
    group by all
    order by like_count desc nulls last, repository_type, repository_name
"""
_ASKED = """
    select distinct repository_type, repository_name
    from read_parquet($files, union_by_name = true)
"""


def never_asked(lake: Lake, kinds: list[str]) -> list[Row]:
    """Type, name, gate and likes of each, the most liked first, as the lake knows them."""
    import duckdb

    listed: list[Path] = []
    asked: list[Path] = []
    for kind in kinds:
        for day in lake.days(SOURCE, LISTINGS[kind])[-1:]:
            listed += lake.partition(SOURCE, LISTINGS[kind], day).current_files()
    for day in lake.days(SOURCE, ACCESS_REQUESTS):
        asked += lake.partition(SOURCE, ACCESS_REQUESTS, day).current_files()
    if not listed:
        return []
    with duckdb.connect() as connection:
        found = connection.execute(_GATED, {"files": [str(file) for file in listed]})
        names = [column[0] for column in found.description or []]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        known = set()
        if asked:
            files = {"files": [str(file) for file in asked]}
            known = set(connection.execute(_ASKED, files).fetchall())
    return [row for row in rows if (row["repository_type"], row["repository_name"]) not in known]
