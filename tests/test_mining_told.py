"""What a night tells: lines while it runs, sums and metadata of what it landed."""

from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from databases import database

from assets.github.assets import snapshot_assets
from assets.mining import accounting, assets
from assets.mining.engine import ANSWER_COLUMNS, Progress
from assets.mining.spending import REQUEST_COLUMNS
from orchestration import keys
from orchestration.clients.http import BudgetState
from orchestration.lake import Lake
from orchestration.resources import Installation
from orchestration.settings import GitHubSettings, Settings

DAY, BEFORE = date(2025, 10, 8), date(2025, 10, 7)
BUDGET = BudgetState("1a2b3c", "github.rest", 5_000, 4_321, 600.0)


def stand(
    stage: str = "stocks", done: int = 120, eta: float | None = 45.0, waited: float = 0.0
) -> Progress:
    return Progress(stage, done, 300, 1_500, 4.25, eta, waited, [BUDGET])


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def landed(lake: Lake, table: str, day: date, columns: dict[str, str], *rows: str) -> None:
    """A partition of the source `github`; values as SQL, what is not given is null."""
    with lake.temporary(".parquet") as path, database() as connection:
        typed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        connection.execute(f"create table t ({typed})")
        for row in rows:
            connection.execute(f"insert into t by name (select {row})")
        connection.execute(f"copy t to '{path}' (format parquet)")
        entry = {"name": "night-001", "state": "ok", "reason": None, "row_count": len(rows)}
        lake.partition("github", table, day).commit(entry, path)


def answered(lake: Lake, day: date, *rows: str) -> None:
    landed(lake, "answers", day, ANSWER_COLUMNS, *rows)


def spent(lake: Lake, day: date, *rows: str) -> None:
    landed(lake, "requests", day, REQUEST_COLUMNS, *rows)


SPENT = (
    "'github.rest' as kind, 'a' as account, 10 as call_count, 3 as not_modified_count, "
    "1 as retry_count, 0 as refused_count, 1 as failed_count, 2.5 as waited_seconds, "
    "100 as received_bytes, 5000 as limit_count, 4990 as remaining_count",
    "'github.rest' as kind, 'a' as account, 5 as call_count, 0 as not_modified_count, "
    "0 as retry_count, 2 as refused_count, 0 as failed_count, 10 as waited_seconds, "
    "50 as received_bytes, 5000 as limit_count, 12 as remaining_count",
    "'github.rest' as kind, 'b' as account, 1 as call_count, 0 as not_modified_count, "
    "0 as retry_count, 0 as refused_count, 0 as failed_count, 0 as waited_seconds, "
    "5 as received_bytes, null as limit_count, null as remaining_count",
)
ANSWERED = (
    "'stocks' as kind, '1' as subject, 'ok' as outcome, 1 as new_item_count, true as is_changed",
    "'stocks' as kind, '2' as subject, 'ok' as outcome, 1 as new_item_count, false as is_changed",
    "'stocks' as kind, '3' as subject, 'absent' as outcome, 0 as new_item_count, "
    "null as is_changed, date '2025-11-07' as recheck_on",
    "'issues' as kind, '1' as subject, 'gone' as outcome, 0 as new_item_count, "
    "date '2025-11-09' as recheck_on",
)


# ---------------------------------------------------------------- while it runs


def test_a_line_says_where_the_night_stands() -> None:
    line = accounting.line_of(stand(waited=200.0))
    assert line == (
        "stocks: 120 of 300, 4.2 a second, 1,500 requests, 45 s left, waited 3 min, "
        "github.rest 4,321 of 5,000 (1a2b3c)"
    )
    assert "left" not in accounting.line_of(stand(done=300))
    assert "left" not in accounting.line_of(stand(eta=None))
    assert accounting.line_of("listing: 3 pages") == "listing: 3 pages"
    unknown = BudgetState("a", "hub.api", None, None, None)
    assert accounting.budgets_in_words([unknown]) == "hub.api ? of ? (a)"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_199, "120 min"), (7_200, "2.0 h"),
     (172_799, "48.0 h"), (172_800, "2.0 d")],
)  # fmt: skip
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert accounting.duration(seconds) == text


def test_lines_come_at_most_every_ten_seconds() -> None:
    now = [0.0]
    lines: list[str] = []
    teller = assets.Teller(lines.append, lambda: now[0])
    for second in range(31):
        now[0] = float(second)
        teller(stand(done=second))
    assert [line.split(",")[0] for line in lines] == [
        "stocks: 0 of 300", "stocks: 10 of 300", "stocks: 20 of 300", "stocks: 30 of 300",
    ]  # fmt: skip


def test_a_stage_that_begins_is_told_at_once() -> None:
    lines: list[str] = []
    teller = assets.Teller(lines.append, lambda: 5.0)
    for told in (stand(), stand(), stand("commits"), "listing: 1", "listing: 2", stand("commits")):
        teller(told)
    assert [line.split(":")[0] for line in lines] == ["stocks", "commits", "listing", "commits"]


# ---------------------------------------------------------------- what it landed


def test_a_day_without_a_night_comes_to_nothing(lake: Lake) -> None:
    assert accounting.outcomes(lake, "github", DAY) == []
    assert accounting.spending(lake, "github", DAY) == []
    assert accounting.in_words([]) == "no request"
    assert accounting.coverage([]) == ""


def test_outcomes_are_counted_by_kind(lake: Lake) -> None:
    answered(lake, DAY, *ANSWERED)
    answered(lake, BEFORE, *ANSWERED[:1])
    issues, stocks, absent = accounting.outcomes(lake, "github", DAY)
    assert (issues["kind"], issues["outcome"], issues["questions"]) == ("issues", "gone", 1)
    assert (stocks["questions"], stocks["new_items"], stocks["changed"]) == (2, 2, 1)
    assert absent["next_recheck_on"] == date(2025, 11, 7)
    told = accounting.coverage([issues, stocks, absent])
    assert told == "issues: gone 1; stocks: ok 2, absent 1"


def test_spending_is_summed_by_class_and_account(lake: Lake) -> None:
    spent(lake, DAY, *SPENT)
    one, other = accounting.spending(lake, "github", DAY)
    assert one == {
        "kind": "github.rest", "account": "a", "calls": 15, "not_modified": 3, "retries": 1,
        "refused_by_a_limit": 2, "failed": 1, "waited_seconds": 12.5, "received_bytes": 150,
        "limit_count": 5_000, "least_remaining": 12,
    }  # fmt: skip
    assert (other["account"], other["limit_count"], other["least_remaining"]) == ("b", None, None)
    assert accounting.in_words([one, other]) == (
        "16 requests, 3 not modified, 1 repeated, 2 refused by a limit, waited 12 s"
    )


def test_the_ui_shows_rows_coverage_and_budgets_of_the_newest_day(lake: Lake) -> None:
    for day, count in ((BEFORE, 1), (DAY, None)):
        answered(lake, day, *ANSWERED[:count])
        spent(lake, day, *SPENT[:count])
    shown = assets.told(lake, "github", "answers", ("kind", "outcome"))
    assert shown["dagster/row_count"] == 4
    assert shown["window"] == "observed on 2025-10-08; 2 days since 2025-10-07"
    assert shown["coverage"] == "issues: gone 1; stocks: ok 2, absent 1"
    assert shown["requests"].startswith("16 requests")
    assert len(shown["outcomes"].value.records) == 3
    assert "budgets" not in shown
    shown = assets.told(lake, "github", "requests", ("kind", "account"))
    columns = {column.name for column in shown["budgets"].value.schema.columns}
    assert {"limit_count", "least_remaining", "calls", "not_modified", "waited_seconds"} <= columns
    assert "outcomes" not in shown


def test_the_ui_says_why_nothing_was_asked(lake: Lake) -> None:
    why = "GITHUB_TOKEN is not set"
    shown = assets.told(lake, "github", "answers", ("kind",), why)
    assert shown == {"dagster/row_count": 0, "coverage": f"not asked: {why}"}
    # What an earlier night brought is still there, and not of this night.
    answered(lake, BEFORE, *ANSWERED)
    shown = assets.told(lake, "github", "answers", ("kind",), why)
    assert shown["coverage"] == f"not asked: {why}"
    assert shown["dagster/row_count"] == 4
    assert assets.told(lake, "github", "commits", ())["coverage"] == "never observed"


@pytest.mark.parametrize(
    ("source", "token", "says"),
    [
        ("api", "", "not asked: GITHUB_TOKEN is not set"),
        ("off", "a-token", "not asked: github.source is 'off'"),
    ],
)
def test_a_night_that_does_not_ask_github_goes_on(
    source: str, token: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", token)
    endpoint = "http://127.0.0.1:9"
    github = GitHubSettings.model_validate({"source": source, "endpoint": endpoint})
    settings = Settings(data_dir=tmp_path, github=github)
    done = dg.materialize(snapshot_assets(), resources={"installation": Installation.of(settings)})
    assert done.success
    made = {event.asset_key: event for event in done.get_asset_materialization_events()}
    assert set(made) == set(keys.GITHUB_SNAPSHOT)
    for event in made.values():
        told = event.step_materialization_data.materialization.metadata
        assert told["coverage"].value == says
