"""All real recordings together: archive files of every era and a Hub dump, to marts and report."""

import gzip
import json
import subprocess
from collections import Counter
from datetime import date
from pathlib import Path

import duckdb
import pytest
from command import run_anew
from databases import database
from nights import know_lineage

from orchestration import keys
from orchestration.lake import Lake
from orchestration.settings import Settings

pytestmark = pytest.mark.slow


def archive_files(real_data: Path) -> list[Path]:
    found = sorted((real_data / "gharchive").rglob("*"))
    return [
        path
        for path in found
        if path.name.endswith((".json.gz", ".jsonl.gz", ".jsonl", ".parquet"))
    ]


def raw_counts(path: Path) -> Counter[str]:
    """Events by type over the raw lines, read without any of the code under test."""
    if path.suffix == ".parquet":
        with database() as connection:
            rows = connection.execute(
                "select type, count(*) from read_parquet($path) group by 1", {"path": str(path)}
            ).fetchall()
        return Counter(dict(rows))
    counts: Counter[str] = Counter()
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as stream:
        for line in stream:
            counts[json.loads(line)["type"]] += 1
    return counts


@pytest.fixture(scope="module")
def installation(
    real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("real")
    # Rows are counted here: how often is drawn for an interval beside it does not matter.
    few = (
        "[study.grid]\nbootstrap_draws = 100\n"
        "[study.networks]\nnull_draws = 2\ncommunity_runs = 5\nunlisted_runs = 1\n"
    )
    (folder / "osmoscope.toml").write_text(few)
    dump = real_data / "huggingface" / "models-2026-08.jsonl.gz"
    hub = run_anew("ingest-hub", dump, "--observed-on", "2026-08-31", "--json", folder=folder)
    assert hub.returncode == 0, hub.stderr
    done = run_anew("ingest-archive", *archive_files(real_data), "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_counts_by_type_equal_an_independent_count(
    real_data: Path, installation: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    _, done = installation
    rows = json.loads(done.stdout)["files"]
    files = archive_files(real_data)
    assert len(files) >= 6
    for path, row in zip(files, rows, strict=True):
        counted = raw_counts(path)
        assert row["lines"] == counted.total(), path
        assert row["events"] + row["duplicates"] + row["malformed"] == row["lines"], path
        if not row["duplicates"] and not row["malformed"]:
            assert row["types"] == dict(counted), path
        for kind, count in row["types"].items():
            assert count <= counted[kind], (path, kind)


def landed_files(settings: Settings) -> list[str]:
    """The current Parquet files of the archive's events."""
    lake = Lake(settings.lake_root)
    return [
        str(file)
        for day in lake.days("gharchive", "events")
        for file in lake.partition("gharchive", "events", day).current_files()
    ]


def test_marts_and_report_are_made_of_all_of_them(
    real_data: Path, installation: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    folder, ingested = installation
    settings = Settings.load(folder / "osmoscope.toml")
    know_lineage(settings)
    rebuilt = run_anew("rebuild", "--json", folder=folder)
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    outcome = json.loads(rebuilt.stdout)
    assert outcome["failures"] == []
    marts = settings.published_dir / "marts.duckdb"
    rows = json.loads(ingested.stdout)["files"]
    events = sum(row["events"] for row in rows)
    with database(settings.warehouse_path, read_only=True) as connection:
        kept = connection.execute(
            "select count(*) from core.fct_interaction where platform = 'github'"
        ).fetchone()
        assert kept is not None
    # GitHub announces some acts twice under two event ids, within a second: a review with its id,
    # a closing with its thread and time. Each is one act; no other event is dropped.
    twice = duckdb.execute(
        f"""
        select count(*) - count(distinct (
            event_type, coalesce(review_id::varchar, thread_id || action || created_at, event_id)
        ))
        from read_parquet({landed_files(settings)!r})
        where event_type = 'PullRequestReviewEvent'
            or (event_type = 'PullRequestEvent' and action in ('closed', 'reopened'))
        """
    ).fetchall()[0]
    assert 0 < twice[0] < 20
    assert kept[0] == events - twice[0]
    with gzip.open(real_data / "huggingface" / "models-2026-08.jsonl.gz", "rt") as stream:
        names = {json.loads(line)["id"] for line in stream}
    with database(marts, read_only=True) as connection:
        models = connection.execute(
            "select count(*) from mart_repository_activity where platform = 'huggingface'"
        ).fetchone()
        measured = dict(
            connection.execute("select feature, status from mart_platform_comparison").fetchall()
        )
    assert models == (len(names),)
    assert measured["stars"] == "measured"
    report = (settings.published_dir / "report.html").read_text(encoding="utf-8")
    assert "Synthetic data" not in report
    assert Lake(settings.lake_root).days("huggingface", "models") == [date(2026, 8, 31)]
    assert keys.REPORT.to_user_string() in outcome["materialised"]
