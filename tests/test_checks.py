"""The checks: each green on good data and red on bad, and what a red one stops.

Belongs here: outcomes, Great Expectations suites, the wiring in Dagster. Does not belong here:
dbt's own tests (test_dbt_models.py).
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
import yaml
from databases import database

from assets.github import ingest
from assets.publish.snapshot import publish
from assets.study.marts import ALL_MARTS
from assets.study.networks.tables import ALL_TABLES
from assets.study.tables import make_tables
from assets.study.themes.tables import ALL_TABLES as THEME_TABLES
from checks import coverage, expectations, ledger, mining, privacy, recency
from checks.assets import ARCHIVE, build_checks, days_of_run, result
from checks.outcome import CheckOutcome, failed, mined
from checks.suites import SUITES, Suite
from orchestration import keys
from orchestration.failures import PermanentFailure
from orchestration.lake import Lake
from orchestration.resources import Installation
from orchestration.settings import (
    ArchiveSettings,
    GitHubSettings,
    HuggingFaceSettings,
    Settings,
)

ROOT = Path(__file__).parents[1]
DAY = date(2024, 3, 1)
NOW = datetime(2024, 3, 3, 12)
EMAIL = "email:" + "0123456789abcdef" * 2
COMMIT_TYPE = "struct(sha varchar, author struct(name varchar, email varchar), message varchar)[]"


def events_file(path: Path, **values: Any) -> None:
    """A Parquet file of one event with the given text."""
    row: dict[str, Any] = {
        "event_id": "1", "thread_body": "text", "comment_body": None,
        "commits": [{"sha": "a", "author": {"name": "n", "email": EMAIL}, "message": "m"}],
    }  # fmt: skip
    row |= values
    with database() as connection:
        connection.execute(
            "create table events (event_id varchar, thread_body varchar, comment_body varchar, "
            f"commits {COMMIT_TYPE})"
        )
        connection.execute(
            "insert into events values ($event_id, $thread_body, $comment_body, $commits)", row
        )
        connection.execute(f"copy events to '{path}' (format parquet)")


def add_hour(lake: Lake, day: date, hour: int | None, state: str = "ok", **changes: Any) -> None:
    """A ledger row of one event, with its file where the state is a loaded one."""
    texts = {
        name: changes.pop(name) for name in list(changes) if name in {"thread_body", "commits"}
    }
    name = f"{day}-{hour}" if hour is not None else f"sample-{len(changes)}"
    loaded = state in ingest.LOADED
    entry: dict[str, Any] = {"name": name, "hour": hour, "state": state, "reason": None}
    entry |= {f"{part}_count": 0 for part in ("line", "event", "duplicate", "malformed")}
    if loaded:
        entry |= {"line_count": 1, "event_count": 1}
    entry |= {"types": {"PushEvent": 1} if loaded else {}, "eras": {"E2": 1} if loaded else {}}
    entry |= {"new_keys": {}, **changes}
    partition = ingest.partition_of(lake, day)
    if not loaded:
        partition.commit(entry)
        return
    with lake.temporary(".parquet") as parquet:
        events_file(parquet, **texts)
        partition.commit(entry, parquet)


def add_observation(
    lake: Lake, day: date, rows: int, table: str = "models", **changes: Any
) -> None:
    """A ledger row of the Hub with a file of so many rows."""
    entry: dict[str, Any] = {
        "name": "api", "state": "ok", "reason": None, "row_count": rows, "malformed_count": 0,
        "duplicate_count": 0, "source_form": "api",
    }  # fmt: skip
    entry |= changes
    with lake.temporary(".parquet") as parquet:
        with database() as connection:
            connection.execute(
                f"copy (select 'a/' || i as repository_name, ['t'] as tags, "
                f'\'{{"x": "\\n@b.com"}}\' as extra from range({rows}) as r(i)) '
                f"to '{parquet}' (format parquet)"
            )
        lake.partition("huggingface", table, day).commit(entry, parquet)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("day") / "lake"
    for hour in range(24):
        add_hour(Lake(root), DAY, hour)
    return root


@pytest.fixture
def whole_day(made_once: Path, lake: Lake) -> Lake:
    """A lake with one whole day."""
    shutil.copytree(made_once, lake.root)
    return lake


def is_red(outcome: CheckOutcome, severity: str, *words: str) -> None:
    """Assert a failure of that severity whose line has the words."""
    assert (outcome.passed, outcome.severity) == (False, severity), outcome
    assert all(word in outcome.description for word in words), outcome.description
    assert "\n" not in outcome.description


# Hours of a day


def test_whole_day_is_green(whole_day: Lake) -> None:
    outcome = coverage.archive_hours(whole_day, [DAY])
    assert outcome.passed
    assert outcome.metadata["coverage"] == "24 of 24 hours"


def test_hours_that_are_not_whole_are_named(lake: Lake) -> None:
    for hour in range(20):
        add_hour(lake, DAY, hour)
    add_hour(lake, DAY, 3, "corrupt")
    add_hour(lake, DAY, 7, "thin")
    add_hour(lake, DAY, 20, "missing")
    outcome = coverage.archive_hours(lake, [DAY])
    is_red(outcome, "warn", "2024-03-01", "corrupt (h 3)", "thin (h 7)", "missing (h 20)")
    is_red(outcome, "warn", "never asked for (h 21-23)")
    assert coverage.archive_hours(lake, [DAY], fewest_whole=18).passed


def test_no_hour_at_all_is_an_error(lake: Lake) -> None:
    is_red(coverage.archive_hours(lake, []), "error")
    is_red(coverage.archive_hours(lake, [DAY]), "error", "no hour")
    for hour in range(24):
        add_hour(lake, DAY, hour, "missing")
    is_red(coverage.archive_hours(lake, [DAY]), "error", "2024-03-01")


def test_a_lost_day_does_not_stop_a_range(whole_day: Lake) -> None:
    outcome = coverage.archive_hours(whole_day, [DAY, DAY + timedelta(days=1)])
    is_red(outcome, "warn", "2024-03-02: never asked for (h 0-23)")


def test_files_given_by_hand_are_no_empty_day(lake: Lake) -> None:
    add_hour(lake, DAY, None)
    is_red(coverage.archive_hours(lake, [DAY]), "warn")


def test_known_gaps_excuse_what_they_explain(whole_day: Lake) -> None:
    midnight = datetime.combine(DAY, datetime.min.time())
    gaps = {midnight: "missing", midnight + timedelta(hours=1): "thin"}
    add_hour(whole_day, DAY, 0, "missing")
    add_hour(whole_day, DAY, 1, "thin")
    is_red(coverage.archive_hours(whole_day, [DAY]), "warn")
    assert coverage.archive_hours(whole_day, [DAY], gaps).passed
    add_hour(whole_day, DAY, 1, "missing")
    is_red(coverage.archive_hours(whole_day, [DAY], gaps), "warn", "missing (h 1)")


def test_the_seed_of_known_gaps_is_read() -> None:
    gaps = coverage.known_gap_hours()
    assert gaps[datetime(2016, 10, 21, 18)] == "missing"
    assert datetime(2016, 10, 21, 19) not in gaps
    assert set(gaps.values()) <= set(coverage.EXCUSED)


# Ledger


def test_good_ledger_is_green(whole_day: Lake) -> None:
    add_hour(whole_day, DAY, 5, "missing")
    outcome = ledger.archive_ledger(whole_day, [DAY])
    assert outcome.passed
    assert "24 ledger rows" in outcome.description


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"line_count": 3}, "not the sum"),
        ({"types": {"PushEvent": 2}}, "by types are 2"),
        ({"eras": {}}, "by eras are 0"),
        ({"event_count": 2, "line_count": 2, "types": {"a": 2}, "eras": {"E2": 2}}, "has 1 rows"),
    ],
)
def test_ledger_that_does_not_add_up_is_red(lake: Lake, changes: dict[str, Any], word: str) -> None:
    add_hour(lake, DAY, 0, **changes)
    is_red(ledger.archive_ledger(lake, [DAY]), "error", word, "2024-03-01-0")


def test_files_that_are_not_as_stated_are_red(lake: Lake) -> None:
    add_hour(lake, DAY, 0)
    file = ingest.partition_of(lake, DAY).current_files()[0]
    events_file(file, thread_body="another text")
    is_red(ledger.archive_ledger(lake, [DAY]), "error", "hash")
    file.unlink()
    is_red(ledger.archive_ledger(lake, [DAY]), "error", "missing")


def test_half_loaded_rows_are_red(lake: Lake) -> None:
    add_hour(lake, DAY, 0, "corrupt", event_count=1, line_count=1)
    is_red(ledger.archive_ledger(lake, [DAY]), "error", "yet there are rows")
    partition = ingest.partition_of(lake, DAY)
    partition.commit({**(partition.entry("2024-03-01-0") or {}), "state": "ok"})
    is_red(ledger.archive_ledger(lake, [DAY]), "error", "no file")


def test_bytes_that_are_no_parquet_are_red(lake: Lake) -> None:
    with lake.temporary() as parquet:
        parquet.write_bytes(b"no parquet")
        entry = {"name": "api", "state": "ok", "row_count": 1}
        lake.partition("huggingface", "models", DAY).commit(entry, parquet)
    is_red(ledger.snapshot_ledger(lake, "huggingface", "models"), "error", "unreadable")


def test_malformed_share(lake: Lake) -> None:
    add_hour(lake, DAY, 0, line_count=100_000, malformed_count=1000)
    assert ledger.archive_malformed(lake, [DAY]).passed
    add_hour(lake, DAY, 0, line_count=100_000, malformed_count=1001)
    is_red(ledger.archive_malformed(lake, [DAY]), "error", "1%", "2024-03-01-0")
    add_hour(lake, DAY, 0, line_count=50, malformed_count=10)
    is_red(ledger.archive_malformed(lake, [DAY]), "warn")


def test_hub_ledger_and_malformed_share(lake: Lake) -> None:
    assert ledger.snapshot_ledger(lake, "huggingface", "models").passed
    add_observation(lake, DAY, 10)
    assert ledger.snapshot_ledger(lake, "huggingface", "models").passed
    assert ledger.snapshot_malformed(lake, "huggingface", "models").passed
    add_observation(lake, DAY, 10, malformed_count=101)
    is_red(ledger.snapshot_malformed(lake, "huggingface", "models"), "error")
    add_observation(lake, DAY, 10, row_count=11)
    is_red(ledger.snapshot_ledger(lake, "huggingface", "models"), "error", "has 10 rows")


def test_unknown_eras_and_types_are_told(lake: Lake) -> None:
    add_hour(lake, DAY, 0, eras={"E2": 990})
    assert ledger.archive_kinds(lake, [DAY]).passed
    add_hour(lake, DAY, 1, eras={"unknown": 10}, types={"<b>Nova</b>Event": 10})
    outcome = ledger.archive_kinds(lake, [DAY])
    is_red(outcome, "warn", "era unknown", "?b?Nova?/b?Event")
    assert "<" not in outcome.description
    assert "<" not in json.dumps(outcome.metadata)
    # A new era stops the day: its counts would be wrong without anyone seeing it.
    add_hour(lake, DAY, 1, eras={"unknown": 11})
    is_red(ledger.archive_kinds(lake, [DAY]), "error", "era unknown")


def test_new_payload_keys_are_told(lake: Lake) -> None:
    # An unknown type has only new keys: that is told by its own check.
    add_hour(lake, DAY, 0, new_keys={"NovaEvent": ["glow"]})
    assert ledger.archive_new_keys(lake, [DAY]).passed
    add_hour(lake, DAY, 1, new_keys={"PushEvent": ["signer"]})
    is_red(ledger.archive_new_keys(lake, [DAY]), "warn", "PushEvent.signer")


# Privacy

CLEAN = [
    "no address",
    "git@github.com:owner/name.git",
    f"{EMAIL}@host.example.com",
    f"by {EMAIL} example.com",
    "\n@scope.package says",
    "50 % @ 3.5",
]


def authors(email: str | None) -> list[dict[str, Any]]:
    return [{"sha": "a", "author": {"name": "n", "email": email}, "message": "m"}]


def file_of(tmp_path: Path, **values: Any) -> list[Path]:
    path = tmp_path / "x.0123456789ab.parquet"
    events_file(path, **values)
    return [path]


@pytest.mark.parametrize("text", CLEAN)
def test_text_without_addresses_is_green(tmp_path: Path, text: str) -> None:
    files = file_of(tmp_path, thread_body=text)
    assert privacy.no_addresses(files).passed


@pytest.mark.parametrize("email", [EMAIL, f"{EMAIL} example.com", "", None])
def test_hashed_authors_are_green(tmp_path: Path, email: str | None) -> None:
    assert privacy.no_addresses(file_of(tmp_path, commits=authors(email))).passed


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ({"thread_body": "ask ada@example.com"}, "thread_body"),
        ({"comment_body": f"{EMAIL} and ada@example.com"}, "comment_body"),
        ({"commits": [{**authors(EMAIL)[0], "message": "by ada@example.com"}]}, "commits"),
        ({"commits": authors("ada@example.com")}, "commits (hash)"),
        ({"commits": authors("root@localhost")}, "commits (hash)"),
        ({"commits": authors("email:0123")}, "commits (hash)"),
    ],
)
def test_addresses_are_red_and_not_repeated(
    tmp_path: Path, values: dict[str, Any], column: str
) -> None:
    outcome = privacy.no_addresses(file_of(tmp_path, **values))
    is_red(outcome, "error", column)
    assert "ada@" not in repr(outcome)
    assert "root@" not in repr(outcome)


def test_the_sample_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "x.0.parquet"
    with database() as connection:
        connection.execute(
            "copy (select case when i < 10 then 'none' else 'ada@example.com' end as body "
            f"from range(100) as r(i)) to '{path}' (format parquet)"
        )
    outcome = privacy.no_addresses([path], rows_a_file=10)
    assert outcome.passed
    assert outcome.metadata["rows_looked_at"] == 10
    is_red(privacy.no_addresses([path], rows_a_file=11), "error", "1 raw addresses")
    outcome = privacy.no_addresses([path] * 5, rows_a_file=10, most_files=2)
    assert outcome.metadata["files_looked_at"] == "2 of 5"


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (f"'{EMAIL}' as author_address_hash", None),
        (f"'{EMAIL} example.com' as author_address_hash, null::varchar as b_address_hash", None),
        ("'root@localhost' as author_address_hash", "author_address_hash (hash)"),
        (f"[{{name: 'n', address_hash: '{EMAIL}'}}] as co_authors", None),
        ("[{name: 'ada@example.com', address_hash: null::varchar}] as co_authors", "co_authors"),
        ("[{name: 'n', address_hash: 'ada at home'}] as co_authors", "co_authors (hash)"),
    ],
)
def test_what_stands_for_an_address_is_a_hash(
    tmp_path: Path, columns: str, found: str | None
) -> None:
    path = tmp_path / "x.0.parquet"
    with database() as connection:
        connection.execute(f"copy (select {columns}) to '{path}' (format parquet)")
    outcome = privacy.no_addresses([path])
    if found is None:
        assert outcome.passed, outcome
    else:
        is_red(outcome, "error", found)
        assert [row["column"] for row in outcome.metadata["columns"]] == [found]


def test_hub_texts_are_looked_into(lake: Lake) -> None:
    add_observation(lake, DAY, 3)
    files = lake.partition("huggingface", "models", DAY).current_files()
    assert privacy.no_addresses(files).passed
    with database() as connection:
        connection.execute(
            """copy (select ['a', 'ada@example.com'] as tags, '{"x": "\\nada@b.com"}' as extra)
            to '"""
            + str(files[0])
            + "' (format parquet)"
        )
    is_red(privacy.no_addresses(files), "error", "extra, tags")


def test_what_the_landing_leaves_is_green(tmp_path: Path, real_data: Path) -> None:
    lake = Lake(tmp_path / "lake")
    ingester = ingest.Ingester(lake, ArchiveSettings(), b"salt" * 8)
    ingester.prepare()
    recordings = sorted((real_data / "gharchive").glob("userevents-*.jsonl.gz"))
    assert recordings
    for recording in recordings:
        ingester.file(recording)
    days = lake.days(*ARCHIVE)
    files = [file for day in days for file in ingest.partition_of(lake, day).current_files()]
    outcome = privacy.no_addresses(files)
    assert outcome.passed
    assert outcome.metadata["rows_looked_at"] > 100
    assert ledger.archive_ledger(lake, days).passed


# Recency


def test_archive_recency(lake: Lake) -> None:
    is_red(recency.archive_recency(lake, NOW), "warn", "no archive day")
    add_hour(lake, DAY, 0)
    add_hour(lake, DAY + timedelta(days=1), 0, "missing")
    assert recency.archive_recency(lake, NOW).passed
    late = recency.archive_recency(lake, NOW + timedelta(days=2))
    is_red(late, "warn", "2024-03-01", "2 days behind 2024-03-03")
    # Until seven hours after midnight the archive itself may lack the day's last hours.
    night = datetime(2024, 3, 4, 6, 59)
    assert recency.archive_recency(lake, night).passed
    is_red(recency.archive_recency(lake, night + timedelta(minutes=1)), "warn")


def test_sources_that_stand_still_are_not_judged(lake: Lake) -> None:
    live = "https://data.example.org"
    assert recency.archive_stands_still([live]) is None
    assert recency.archive_stands_still(["/folder", live]) is None
    for sources in (["/folder"], ["http://127.0.0.1:80/x"], ["http://localhost", "/folder"]):
        still = recency.archive_stands_still(sources)
        assert still is not None
        outcome = recency.archive_recency(lake, NOW, still)
        assert outcome.passed
        assert "not judged" in outcome.description


def test_hub_recency(lake: Lake) -> None:
    is_red(recency.snapshot_recency(lake, "huggingface", "models", NOW), "warn", "never observed")
    add_observation(lake, DAY, 5)
    assert recency.snapshot_recency(lake, "huggingface", "models", NOW).passed
    is_red(
        recency.snapshot_recency(lake, "huggingface", "models", NOW + timedelta(days=1)),
        "warn",
        "3 days old",
    )
    assert recency.hub_stands_still(HuggingFaceSettings()) is None
    for hub in (
        HuggingFaceSettings(source="off"),
        HuggingFaceSettings(source="dump", dump_observed_on=DAY),
        HuggingFaceSettings(endpoint="http://[::1]:8080"),
    ):
        still = recency.hub_stands_still(hub)
        assert still is not None
        assert recency.snapshot_recency(
            lake, "huggingface", "models", datetime(2030, 1, 1), still
        ).passed


# Hub rows


def test_hub_rows(lake: Lake) -> None:
    is_red(coverage.hub_rows(lake, "models"), "error", "no rows")
    assert coverage.hub_rows(lake, "models", is_required=False).passed
    add_observation(lake, DAY, 100)
    assert coverage.hub_rows(lake, "models").passed
    add_observation(lake, DAY + timedelta(days=1), 80)
    assert coverage.hub_rows(lake, "models").passed
    add_observation(lake, DAY + timedelta(days=2), 63)
    is_red(coverage.hub_rows(lake, "models"), "warn", "63 rows where 2024-03-02 had 80")
    add_observation(lake, DAY + timedelta(days=3), 0)
    is_red(coverage.hub_rows(lake, "models"), "error", "no rows")


def test_hub_rows_of_another_kind_are_not_compared(lake: Lake) -> None:
    add_observation(lake, DAY, 100)
    add_observation(lake, DAY + timedelta(days=1), 10, source_form="radar_dump")
    assert coverage.hub_rows(lake, "models").passed
    add_observation(lake, DAY + timedelta(days=2), 10, reason="limited to 10 models by x")
    assert coverage.hub_rows(lake, "models").passed


@pytest.mark.parametrize("table", ["commits", "discussions"])
def test_histories_of_the_api_are_those_of_what_changed(lake: Lake, table: str) -> None:
    for form, is_compared in (("api", False), ("api_dump", True)):
        add_observation(lake, DAY, 100, source_form=form, table=table)
        add_observation(lake, DAY + timedelta(days=1), 10, source_form=form, table=table)
        outcome = coverage.hub_rows(lake, table)
        assert outcome.passed is not is_compared


# Mining


def landed(name: str, rows: int) -> dict[str, Any]:
    """The ledger row of a landing."""
    counts = {"row_count": rows, "malformed_count": 0, "duplicate_count": 0}
    return {"name": name, "state": "ok", **counts}


def add_answers(lake: Lake, day: date, name: str = "night-001", **tiers: dict[str, int]) -> None:
    """Answers about stocks: tier to outcome to number."""
    rows = [
        (tier, outcome)
        for tier, outcomes in tiers.items()
        for outcome, count in outcomes.items()
        for _ in range(count)
    ]
    with lake.temporary(".parquet") as parquet:
        with database() as connection:
            connection.execute("create table a (kind varchar, tier varchar, outcome varchar)")
            connection.executemany("insert into a values ('stocks', ?, ?)", rows)
            connection.execute(f"copy a to '{parquet}' (format parquet)")
        lake.partition("github", "answers", day).commit(landed(name, len(rows)), parquet)


def test_answers_that_stay_away_are_told(lake: Lake) -> None:
    assert mining.answers_hold(lake, "github").passed
    # What is new or was a failure before says nothing; neither do a few.
    add_answers(lake, DAY, new={"absent": 100}, recheck={"refused": 100}, top={"absent": 19})
    assert mining.answers_hold(lake, "github").passed
    add_answers(lake, DAY, slice={"ok": 90, "absent": 10}, new={"ok": 1000})
    assert mining.answers_hold(lake, "github").passed
    add_answers(lake, DAY, slice={"ok": 89, "absent": 11})
    is_red(mining.answers_hold(lake, "github"), "warn", "11 of 100 (stocks)")
    add_answers(lake, DAY, "night-002", top={"refused": 89, "hidden": 1, "dmca": 0})
    is_red(mining.answers_hold(lake, "github"), "error", "101 of 190 (stocks)")
    # Only the newest night counts.
    add_answers(lake, DAY + timedelta(days=1), top={"ok": 30, "renamed": 5, "gone": 5})
    assert mining.answers_hold(lake, "github").passed


def add_requests(lake: Lake, day: date, refused: int) -> None:
    with lake.temporary(".parquet") as parquet:
        with database() as connection:
            connection.execute(
                "copy (select 'github.rest' as kind, 'a' as account, 50 as call_count, "
                f"{refused} as refused_count, 3 as remaining_count from range(2)) "
                f"to '{parquet}' (format parquet)"
            )
        lake.partition("github", "requests", day).commit(landed("night-001", 2), parquet)


def test_refusals_by_a_limit_are_told(lake: Lake) -> None:
    assert mining.limits_kept(lake, "github").passed
    add_requests(lake, DAY, 0)
    outcome = mining.limits_kept(lake, "github")
    assert outcome.passed
    assert outcome.metadata["requests"] == 100
    add_requests(lake, DAY, 1)
    is_red(mining.limits_kept(lake, "github"), "warn", "2 of 100 requests")


def test_github_stands_still_without_a_token() -> None:
    assert recency.github_stands_still(GitHubSettings(), True) is None
    for github, has_token in (
        (GitHubSettings(), False),
        (GitHubSettings(source="off"), True),
        (GitHubSettings(endpoint="http://127.0.0.1:9"), True),
    ):
        assert recency.github_stands_still(github, has_token) is not None


# Warehouse

ACTIVITY: dict[str, Any] = {
    "repository_key": "github:repository:1", "platform": "github",
    "repository_type": "repository", "repository_name": "owner/name",
    "created_at": datetime(2020, 1, 1), "last_seen_at": datetime(2024, 1, 1), "gated": None,
    "actor_flow_count": 2, "star_stock_count": 5, "stock_observed_on": DAY,
}  # fmt: skip
MODEL = {
    **ACTIVITY, "repository_key": "huggingface:model:1", "platform": "huggingface",
    "repository_type": "model", "repository_name": "gpt2", "gated": "no",
    "actor_flow_count": None,
}  # fmt: skip
SPACE = {**MODEL, "repository_key": "huggingface:space:2", "repository_type": "space"}
TYPES = {
    "created_at": "timestamp", "last_seen_at": "timestamp", "stock_observed_on": "date",
    "actor_flow_count": "bigint", "star_stock_count": "bigint", "repository_count": "bigint",
    "unknown_count": "bigint", "total_value": "bigint", "maximum_value": "bigint",
}  # fmt: skip
POLLING: dict[str, Any] = {
    "platform": "github", "kind": "stocks", "observed_on": DAY, "population_count": 10,
    "asked_count": 5, "asked_slice_count": 4, "unasked_count": 4, "slice_count": 4,
    "slice_changed_count": 1, "slice_changed_share": 0.25, "estimated_missed_count": 1,
    "estimated_missed_low_count": 0, "estimated_missed_high_count": 3, "basis": "slice",
}  # fmt: skip
UNTOLD = {
    **POLLING,
    **{name: None for name in POLLING if name.startswith("estimated") or name.endswith("_share")},
    "slice_count": 0, "slice_changed_count": 0, "kind": "commits", "basis": "no_slice",
}  # fmt: skip
FEATURES = ("commits", "discussions", "stars")


def sensitivity(feature: str, /, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "study": "paper", "feature": feature, "platform": "both", "basis": None,
        "statistic": "cliffs_delta", "none_value": 0.5, "paper_value": 0.4,
        "conservative_value": 0.4, "aggressive_value": 0.25, "range_value": 0.25,
        "range_share": 0.5,
    }  # fmt: skip
    return row | changes


SENSITIVITY = [sensitivity(feature) for feature in FEATURES]
CLASS: dict[str, Any] = {
    "platform": "github", "actor_class": "person", "decided_by": "rule", "actor_count": 3,
}  # fmt: skip
EVALUATION: dict[str, Any] = {
    "study": "paper", "set_name": "ours", "layer": "curated lists", "account_count": 10,
    "bot_count": 5, "precision": 0.9, "precision_low": 0.8, "precision_high": 1.0,
    "recall": 0.9, "recall_low": 0.8, "recall_high": 1.0, "f1": 0.9, "f1_low": 0.8,
    "f1_high": 1.0,
}  # fmt: skip
ESTIMATE: dict[str, Any] = {"study": "paper", "design": "equal"}
COVERAGE = {
    "platform": "github", "day": DAY, "completeness_share": 1.0,
    "completeness_basis": "hours_present",
}  # fmt: skip
MARTS = {
    "mart_repository_activity": [ACTIVITY, MODEL, SPACE],
    "mart_policy_sensitivity": SENSITIVITY,
    "mart_actor_class": [CLASS],
    "mart_actor_evaluation": [EVALUATION],
    "mart_intensity_estimate": [ESTIMATE],
    "mart_polling_estimate": [POLLING, UNTOLD],
    "mart_coverage": [COVERAGE],
}
DOUBLES = ("_value", "_share", "_low", "_high", "precision", "recall", "f1")


def column_type(name: str) -> str:
    if name in TYPES:
        return TYPES[name]
    if name.endswith(DOUBLES):
        return "double"
    if name.endswith("_count"):
        return "bigint"
    return "date" if name == "day" or name.endswith("_on") else "varchar"


def fill(connection: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    names = list(MARTS[table][0])
    declared = ", ".join(f"{name} {column_type(name)}" for name in names)
    connection.execute(f"create table {table} ({declared})")
    marks = ", ".join("?" for _ in names)
    for row in rows:
        connection.execute(f"insert into {table} values ({marks})", [row[name] for name in names])


def warehouse_of(path: Path, **changed: list[dict[str, Any]]) -> Path:
    """A warehouse with the good marts, some of them replaced."""
    path.unlink(missing_ok=True)
    with database(path) as connection:
        connection.execute(
            "create schema core; create table core.dim_actor (actor_key varchar, platform varchar,"
            " login varchar, native_id varchar, actor_class varchar, platform_type varchar);"
            " create table core.dim_organisation (platform varchar, login varchar)"
        )
        connection.begin()
        make_tables(connection, [*ALL_MARTS, *ALL_TABLES, *THEME_TABLES])
        connection.execute("use marts")
        for table, rows in {**MARTS, **changed}.items():
            fill(connection, table, rows)
        connection.commit()
    return path


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return warehouse_of(tmp_path / "warehouse.duckdb")


def test_coverage_mart(warehouse: Path) -> None:
    assert coverage.coverage_mart(warehouse, [DAY]).passed
    is_red(coverage.coverage_mart(warehouse, [DAY, date(2024, 3, 9)]), "warn", "2024-03-09")
    later = {**COVERAGE, "day": date(2024, 3, 4)}
    hub = {**COVERAGE, "day": date(2024, 3, 3), "platform": "huggingface"}
    warehouse_of(warehouse, mart_coverage=[COVERAGE, later, hub])
    is_red(coverage.coverage_mart(warehouse), "warn", "2024-03-02, 2024-03-03")


@pytest.mark.parametrize("share", [-0.1, 1.01, float("nan"), None])
def test_coverage_share_must_be_one(warehouse: Path, share: float | None) -> None:
    warehouse_of(warehouse, mart_coverage=[{**COVERAGE, "completeness_share": share}])
    is_red(coverage.coverage_mart(warehouse), "error", "1 days without a share")


def test_coverage_without_hours_has_no_share(warehouse: Path) -> None:
    row = {**COVERAGE, "completeness_share": None, "completeness_basis": "no_hour_files"}
    warehouse_of(warehouse, mart_coverage=[row])
    assert coverage.coverage_mart(warehouse).passed


def test_published_copy(warehouse: Path, tmp_path: Path) -> None:
    published = tmp_path / "published"
    assert coverage.published_copy(warehouse, published).passed
    publish(warehouse, published, 1)
    outcome = coverage.published_copy(warehouse, published)
    assert outcome.passed
    assert {row["published_rows"] for row in outcome.metadata["tables"]} == {0, 1, 2, 3}
    warehouse_of(warehouse, mart_repository_activity=[ACTIVITY])
    is_red(coverage.published_copy(warehouse, published), "error", "mart_repository_activity")


def test_missing_tables_are_told(tmp_path: Path) -> None:
    with pytest.raises(PermanentFailure, match="There is no"):
        coverage.coverage_mart(tmp_path / "none.duckdb")
    empty = tmp_path / "empty.duckdb"
    with database(empty):
        pass
    with pytest.raises(PermanentFailure, match="not as expected"):
        coverage.coverage_mart(empty)


# Great Expectations


def judged(warehouse: Path, table: str, most_rows: int = 1000) -> dict[str, CheckOutcome]:
    suite = SUITES[table](NOW)
    frame = expectations.read_frame(warehouse, suite, most_rows)
    return {outcome.name: outcome for outcome in expectations.evaluate(suite, frame)}


@pytest.mark.parametrize("table", list(SUITES))
def test_good_marts_are_green(warehouse: Path, table: str) -> None:
    outcomes = judged(warehouse, table)
    assert [name for name, outcome in outcomes.items() if not outcome.passed] == []
    assert list(outcomes) == [rule.name for rule in SUITES[table](NOW).rules]
    for outcome in outcomes.values():
        assert outcome.metadata["basis"] == "all rows"
        assert outcome.metadata["rows_in_table"] == len(MARTS[table])


def bad_activity() -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    table = "mart_repository_activity"
    yield table, "has_rows", []
    yield table, "type_fits_platform", [{**ACTIVITY, "repository_type": "model"}]
    yield table, "type_fits_platform", [{**MODEL, "repository_type": "paper"}]
    yield table, "repository_key_has_its_form", [{**ACTIVITY, "repository_key": "github:1"}]
    yield table, "repository_key_has_its_form", [{**MODEL, "repository_key": "huggingface:x:1"}]
    yield table, "github_name_has_an_owner", [{**ACTIVITY, "repository_name": "name"}]
    yield table, "gated_accepted", [{**MODEL, "gated": "perhaps"}]
    yield table, "github_is_not_gated", [{**ACTIVITY, "gated": "no"}]
    yield table, "created_at_plausible", [{**ACTIVITY, "created_at": datetime(1999, 1, 1)}]
    yield table, "created_at_plausible", [{**ACTIVITY, "created_at": NOW + timedelta(days=2)}]
    yield (
        table,
        "stock_observed_on_plausible",
        [{**ACTIVITY, "stock_observed_on": date(2030, 1, 1)}],
    )
    yield table, "made_before_last_seen", [{**ACTIVITY, "created_at": datetime(2024, 2, 1)}]
    yield table, "actors_where_acts", [{**ACTIVITY, "actor_flow_count": 0}]
    yield table, "hub_likes_known", [{**MODEL, "star_stock_count": None}]


def bad_polling() -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    table = "mart_polling_estimate"
    low, high = "estimated_missed_low_count", "estimated_missed_high_count"
    bad: dict[str, dict[str, Any]] = {
        "asked_count_not_above_population_count": {"asked_count": 11},
        "slice_count_not_above_asked_slice_count": {"slice_count": 5},
        "slice_changed_count_not_above_slice_count": {"slice_changed_count": 5},
        f"{low}_not_above_estimated_missed_count": {low: 2},
        f"estimated_missed_count_not_above_{high}": {high: 0},
        f"{high}_not_above_unasked_count": {high: 5},
        f"{low}_not_negative": {low: -1},
        "share_where_slice": {"slice_changed_share": None},
        "observed_on_plausible": {"observed_on": date(2030, 1, 1)},
    }
    for column in ("estimated_missed_count", low, high):
        bad[f"{column}_where_known"] = {column: None}
    for rule, changes in bad.items():
        yield table, rule, [POLLING | changes]
    yield table, "nothing_where_no_slice", [UNTOLD | {"estimated_missed_count": 0}]


def bad_sensitivity() -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    table = "mart_policy_sensitivity"

    def one(**changes: Any) -> list[dict[str, Any]]:
        return [*SENSITIVITY[:2], sensitivity("stars", **changes)]

    for column in ("study", "feature", "platform", "statistic"):
        yield table, f"{column}_known", one(**{column: None})
    yield table, "one_row_a_figure", [*SENSITIVITY, sensitivity("stars")]
    yield table, "all_features_told", SENSITIVITY[:2]
    yield table, "platform_accepted", one(platform="gitlab")
    yield table, "range_value_not_negative", one(range_value=-0.1)
    yield table, "range_share_not_negative", one(range_share=-0.1)


def bad_classes() -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    table = "mart_actor_class"
    yield table, "has_rows", []
    yield table, "decided_by_accepted", [{**CLASS, "decided_by": "nobody"}]
    yield table, "not_all_automated", [{**CLASS, "actor_class": "bot"}]


def bad_evaluation() -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    table = "mart_actor_evaluation"
    for column in ("study", "set_name", "layer"):
        yield table, f"{column}_known", [{**EVALUATION, column: None}]
    yield table, "one_row_a_set_and_layer", [EVALUATION, EVALUATION]
    yield table, "bots_not_above_accounts", [{**EVALUATION, "bot_count": 11}]
    for share in ("precision", "recall", "f1"):
        low, high = f"{share}_low", f"{share}_high"
        yield table, f"{share}_is_share", [{**EVALUATION, share: 1.5, high: 1.6}]
        yield table, f"{low}_not_above_{share}", [{**EVALUATION, low: 0.95}]
        yield table, f"{share}_not_above_{high}", [{**EVALUATION, high: 0.85}]


BAD = [
    *bad_classes(), *bad_evaluation(),
    *bad_activity(), *bad_polling(), *bad_sensitivity(),
]  # fmt: skip


@pytest.mark.parametrize(("table", "rule", "rows"), BAD, ids=[f"{t}-{r}" for t, r, _ in BAD])
def test_bad_rows_are_red(table: str, rule: str, rows: list[dict[str, Any]]) -> None:
    suite = SUITES[table](NOW)
    (declared,) = [one for one in suite.rules if one.name == rule]
    with database() as connection:
        fill(connection, table, rows)
        frame = expectations.Frame(connection.table(table).df(), len(rows), "all rows")
    (outcome,) = expectations.evaluate(replace(suite, rules=(declared,)), frame)
    is_red(outcome, declared.severity)


def test_every_rule_has_a_bad_row() -> None:
    shown = {(table, rule) for table, rule, _ in BAD}
    assert shown == {(table, rule.name) for table in SUITES for rule in SUITES[table](NOW).rules}


def test_failing_rows_are_counted_and_named(warehouse: Path) -> None:
    rows = [
        {**ACTIVITY, "repository_key": f"github:repository:{n}", "actor_flow_count": n % 2}
        for n in range(20)
    ]
    warehouse_of(warehouse, mart_repository_activity=rows)
    outcome = judged(warehouse, "mart_repository_activity")["actors_where_acts"]
    assert outcome.metadata["failing_rows"] == 10
    assert outcome.metadata["rows_judged"] == 20
    examples = outcome.metadata["examples"]
    assert len(examples) == expectations.FAILING_ROWS
    assert examples[0] == {"actor_flow_count": 0, "repository_key": "github:repository:0"}


def test_a_large_mart_is_sampled_with_its_extremes(warehouse: Path) -> None:
    rows = [
        {**ACTIVITY, "repository_key": f"github:repository:{n}", "actor_flow_count": 1 + (n % 7)}
        for n in range(300)
    ]
    suite = SUITES["mart_repository_activity"](NOW)
    warehouse_of(warehouse, mart_repository_activity=[*rows, MODEL])
    frame = expectations.read_frame(warehouse, suite, 20)
    again = expectations.read_frame(warehouse, suite, 20)
    assert 20 <= len(frame.rows) <= 20 + 2 * len(suite.columns)
    assert frame.total == 301
    assert "sample of 20 rows" in frame.basis
    assert set(frame.rows["repository_key"]) == set(again.rows["repository_key"])
    for place in (3, 150, 299):
        bad = [dict(row) for row in rows]
        bad[place]["actor_flow_count"] = 0
        warehouse_of(warehouse, mart_repository_activity=bad)
        outcome = judged(warehouse, "mart_repository_activity", 20)["actors_where_acts"]
        assert outcome.metadata["failing_rows"] == 1


def test_a_rule_that_cannot_be_evaluated_has_failed(warehouse: Path) -> None:
    suite = SUITES["mart_policy_sensitivity"](NOW)
    rule = replace(suite.rules[1], arguments={"column": "nowhere"}, severity="warn")
    broken = Suite(suite.table, suite.key, suite.columns, (rule, suite.rules[2]))
    frame = expectations.read_frame(warehouse, suite)
    first, second = expectations.evaluate(broken, frame)
    is_red(first, "error", "could not be evaluated")
    assert second.passed
    with pytest.raises(PermanentFailure, match="same name"):
        expectations.evaluate(Suite("t", ("k",), ("k",), (rule, rule)), frame)


def test_no_rule_stands_in_dbt_and_in_a_suite() -> None:
    """A rule in two engines drifts apart: dbt's column tests against the suites."""
    same = {
        "known": "expect_column_values_to_not_be_null",
        "one_of": "expect_column_values_to_be_in_set",
        "between": "expect_column_values_to_be_between",
    }
    in_dbt = set()
    for path in (ROOT / "dbt_project/models/marts").glob("*.yml"):
        for model in yaml.safe_load(path.read_text())["models"]:
            for test in model["data_tests"]:
                given = test.get("columns_hold", {}).get("arguments", {})
                for kind, columns in given.items():
                    limits = columns if kind == "between" else dict.fromkeys(columns, (0,))
                    for column, (least, *_) in limits.items():
                        in_dbt.add((model["name"], column, same[kind], least or 0))
    assert {kind for _, _, kind, _ in in_dbt} == set(same.values())
    in_suites = {
        (table, rule.arguments["column"], rule.expectation, rule.arguments.get("min_value") or 0)
        for table in SUITES
        for rule in SUITES[table](NOW).rules
        if "column" in rule.arguments and "row_condition" not in rule.arguments
    }
    assert in_dbt & in_suites == set()


def test_great_expectations_is_quiet(tmp_path: Path) -> None:
    """Not imported before it is needed; then no network, no file, no progress bar."""
    warehouse = warehouse_of(tmp_path / "warehouse.duckdb")
    home = tmp_path / "home"
    home.mkdir()
    script = """
import socket, sys
from datetime import datetime
from pathlib import Path
import checks.assets
checks.assets.build_checks()
assert not {"great_expectations", "pandas", "scipy", "matplotlib"} & set(sys.modules)
def refuse(*args, **kwargs): raise SystemExit("network")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from checks import expectations
from checks.suites import SUITES
suite = SUITES["mart_policy_sensitivity"](datetime(2024, 3, 3))
frame = expectations.read_frame(Path(sys.argv[1]), suite)
outcomes = expectations.evaluate(suite, frame)
assert outcomes and all(outcome.passed for outcome in outcomes)
assert "great_expectations" in sys.modules
"""
    # An open invitation to send statistics must not be taken.
    environment = {**os.environ, "HOME": str(home), "GX_ANALYTICS_ENABLED": "true"}
    environment |= {
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "ignore",
    }
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script, str(warehouse)],
        cwd=work, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Calculating Metrics" not in done.stderr
    assert list(home.rglob("*")) == []
    assert list(work.rglob("*")) == []


# Dagster


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    settings = Settings(
        data_dir=tmp_path,
        archive=ArchiveSettings(sources=[str(tmp_path)]),
        huggingface=HuggingFaceSettings(source="off"),
    )
    return Installation.of(settings)


def checks_on(key: dg.AssetKey) -> list[dg.AssetChecksDefinition]:
    return [one for one in build_checks() if any(k.asset_key == key for k in one.check_keys)]


def run(
    key: dg.AssetKey,
    installation: Installation,
    partitions: dg.DailyPartitionsDefinition | None = None,
    **options: Any,
) -> dg.ExecuteInProcessResult:
    """Materialise a dummy of the asset, its checks, and what is downstream of it."""

    @dg.asset(key=key, partitions_def=partitions, backfill_policy=dg.BackfillPolicy.single_run())
    def subject() -> None: ...

    @dg.asset(deps=[key])
    def downstream() -> None: ...

    job = dg.define_asset_job("job", dg.AssetSelection.all(), partitions_def=partitions)
    definitions = dg.Definitions(
        assets=[subject, downstream],
        asset_checks=checks_on(key),
        jobs=[job],
        resources={"installation": installation},
        executor=dg.in_process_executor,
    )
    with dg.DagsterInstance.ephemeral() as instance:
        return definitions.resolve_job_def("job").execute_in_process(
            instance=instance, raise_on_error=False, **options
        )


def evaluations(done: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {one.check_name: one for one in done.get_asset_check_evaluations()}


def materialised(done: dg.ExecuteInProcessResult) -> set[str]:
    events = done.get_asset_materialization_events()
    return {event.asset_key.path[-1] for event in events if event.asset_key}


DAYS = dg.DailyPartitionsDefinition("2024-02-28", end_date="2024-03-05")


def test_green_archive_lets_the_night_go_on(whole_day: Lake, installation: Installation) -> None:
    done = run(keys.ARCHIVE_EVENTS, installation, DAYS, partition_key="2024-03-01")
    assert done.success
    found = evaluations(done)
    assert len(found) == 7
    assert all(one.passed for one in found.values()), found
    assert materialised(done) == {"events", "downstream"}


def test_a_blocking_error_stops_what_comes_after(
    whole_day: Lake, installation: Installation
) -> None:
    add_hour(whole_day, DAY, 4, thread_body="ask ada@example.com", line_count=2)
    done = run(keys.ARCHIVE_EVENTS, installation, DAYS, partition_key="2024-03-01")
    assert not done.success
    found = evaluations(done)
    # All checks have reported, and only the two are red.
    assert len(found) == 7
    red = {name for name, one in found.items() if not one.passed}
    assert red == {"ledger_adds_up", "no_raw_addresses"}
    assert all(found[name].severity == dg.AssetCheckSeverity.ERROR for name in red)
    assert isinstance(found["ledger_adds_up"].metadata["problems"], dg.TableMetadataValue)
    assert materialised(done) == {"events"}


def test_a_warning_stops_nothing(whole_day: Lake, installation: Installation) -> None:
    add_hour(whole_day, DAY, 4, "missing")
    done = run(keys.ARCHIVE_EVENTS, installation, DAYS, partition_key="2024-03-01")
    assert done.success
    hours = evaluations(done)["hours_loaded"]
    assert (hours.passed, hours.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert materialised(done) == {"events", "downstream"}


def test_the_days_of_the_run_are_judged(whole_day: Lake, installation: Installation) -> None:
    """The day asked for and not the newest one; a range; the newest day without either."""
    done = run(keys.ARCHIVE_EVENTS, installation, DAYS, partition_key="2024-02-29")
    assert evaluations(done)["hours_loaded"].description == "no hour of 2024-02-29 is loaded"
    assert materialised(done) == {"events"}
    tags = {
        "dagster/asset_partition_range_start": "2024-02-29",
        "dagster/asset_partition_range_end": "2024-03-01",
    }
    done = run(keys.ARCHIVE_EVENTS, installation, DAYS, tags=tags)
    hours = evaluations(done)["hours_loaded"]
    assert hours.metadata["coverage"].value == "24 of 48 hours"
    assert "2024-02-29" in (hours.description or "")
    done = run(keys.ARCHIVE_EVENTS, installation)
    assert evaluations(done)["hours_loaded"].passed
    assert days_of_run({}, whole_day) == [DAY]


def observed(source: str, installation: Installation) -> dg.ExecuteInProcessResult:
    """Materialise dummies of all tables of a platform, their checks, and what is downstream."""
    wanted = {"github": keys.GITHUB_SNAPSHOT, "huggingface": keys.HUB_SNAPSHOT}[source]

    @dg.multi_asset(specs=[dg.AssetSpec(key) for key in wanted])
    def subjects() -> Iterator[dg.MaterializeResult[None]]:
        for key in wanted:
            yield dg.MaterializeResult(asset_key=key)

    @dg.asset(deps=wanted)
    def downstream() -> None: ...

    definitions = dg.Definitions(
        assets=[subjects, downstream],
        asset_checks=checks_on(wanted[0]),
        jobs=[dg.define_asset_job("job", dg.AssetSelection.all())],
        resources={"installation": installation},
        executor=dg.in_process_executor,
    )
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_job_def("job")
        return job.execute_in_process(instance=instance, raise_on_error=False)


def told_of(done: dg.ExecuteInProcessResult, key: dg.AssetKey) -> dict[str, bool]:
    return {
        one.check_name: one.passed
        for one in done.get_asset_check_evaluations()
        if one.asset_key == key
    }


def test_an_empty_hub_stops_unless_it_is_off(lake: Lake, installation: Installation) -> None:
    assert observed("huggingface", installation).success
    live = Installation(values={**installation.values, "huggingface": {"source": "api"}})
    done = observed("huggingface", live)
    assert not told_of(done, keys.HUB_MODELS)["rows_observed"]
    assert told_of(done, keys.HUB_SPACES)["rows_observed"]
    assert "downstream" not in materialised(done)
    listed = {"source": "api", "repository_types": ["dataset"]}
    only_datasets = Installation(values={**installation.values, "huggingface": listed})
    assert observed("huggingface", only_datasets).success


def test_a_night_without_answers_stops_what_comes_after(
    lake: Lake, installation: Installation
) -> None:
    assert observed("github", installation).success
    add_answers(lake, DAY, top={"absent": 30})
    add_requests(lake, DAY, 5)
    done = observed("github", installation)
    answers, requests = (told_of(done, key) for key in (keys.GITHUB_ANSWERS, keys.GITHUB_REQUESTS))
    assert {name for name, is_good in answers.items() if not is_good} == {"answers_hold"}
    assert {name for name, is_good in requests.items() if not is_good} == {"limits_kept"}
    assert "downstream" not in materialised(done)


def test_red_suites_stop_publishing(warehouse: Path, installation: Installation) -> None:
    done = run(keys.SENSITIVITY, installation)
    assert done.success
    assert len(evaluations(done)) == len(SUITES["mart_policy_sensitivity"](NOW).rules)
    bad = [*SENSITIVITY[:-1], sensitivity("stars", range_value=-2.0)]
    warehouse_of(warehouse, mart_policy_sensitivity=bad)
    done = run(keys.SENSITIVITY, installation)
    assert not done.success
    found = evaluations(done)
    assert [name for name, one in found.items() if not one.passed] == ["range_value_not_negative"]
    assert found["range_value_not_negative"].metadata["failing_rows"].value == 1
    assert materialised(done) == {"mart_policy_sensitivity"}


def test_coverage_and_copy_in_dagster(
    warehouse: Path, installation: Installation, tmp_path: Path
) -> None:
    assert run(keys.mart("mart_coverage"), installation).success
    publish(warehouse, tmp_path / "published", 1)
    assert run(keys.PUBLISHED, installation).success
    bad = {**COVERAGE, "completeness_share": 2.0}
    warehouse_of(warehouse, mart_coverage=[bad, bad])
    assert materialised(run(keys.mart("mart_coverage"), installation)) == {"mart_coverage"}
    assert materialised(run(keys.PUBLISHED, installation)) == {"marts"}


def test_a_missing_warehouse_is_one_clear_line(installation: Installation) -> None:
    done = run(keys.SENSITIVITY, installation)
    assert not done.success
    (failure,) = [event for event in done.all_events if event.is_step_failure]
    assert "There is no" in str(failure.step_failure_data.user_failure_data)


def test_every_raw_asset_and_mart_has_a_blocking_check() -> None:
    specs = [spec for one in build_checks() for spec in one.check_specs]
    blocked = {spec.asset_key for spec in specs if spec.blocking}
    raw = {keys.ARCHIVE_EVENTS, *keys.GITHUB_SNAPSHOT, *keys.HUB_SNAPSHOT}
    marts = {*keys.MARTS_OF_DBT, keys.mart("mart_polling_estimate")}
    samples = {keys.SAMPLE_STRATUM, keys.SAMPLE_MEMBER}
    coded = {keys.MESSAGE_THEME}
    assert blocked == {*raw, *marts, *keys.MARTS_OF_STUDY, *samples, *coded, keys.PUBLISHED}
    assert len({spec.key for spec in specs}) == len(specs)
    assert all(spec.description for spec in specs)


def test_outcomes_as_dagster_results() -> None:
    outcome = failed("x", "warn", "y", rows=[{"a": "<b>", "n": 1}], share=0.5, text="<i>")
    shown = result(keys.PUBLISHED, outcome)
    assert shown.severity == dg.AssetCheckSeverity.WARN
    assert isinstance(shown.metadata["rows"], dg.TableMetadataValue)
    assert isinstance(shown.metadata["text"], dg.TextMetadataValue)
    assert shown.metadata["share"] == dg.FloatMetadataValue(0.5)
    assert mined("<script>\n" + "x" * 100) == "?script??" + "x" * 51
