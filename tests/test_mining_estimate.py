"""Estimates: the arithmetic of windows and tokens, what the lake knows, what is assumed."""

import json
import math
from collections.abc import Sequence
from dataclasses import fields
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import database
from mining_twin import FIRST_DAY, SALT, SHORT, ingest, settings_for

from assets.github.mining import observe_github
from assets.huggingface.observation import observe
from assets.mining.classes import ASSUMED, GITHUB, GRAPHQL, HUB, HUB_API, REST, Fact, Item
from assets.mining.engine import ANSWER_COLUMNS
from assets.mining.estimate import (
    FIRST,
    LIMITS,
    USUAL,
    Estimate,
    Limit,
    Needed,
    Night,
    estimate,
    hours_of,
    needed_for,
)
from assets.mining.sizes import announced_limits, known_sizes
from assets.mining.spending import REQUEST_COLUMNS
from orchestration.lake import Lake
from orchestration.settings import GitHubSettings, HuggingFaceSettings, Settings
from twin.server.app import serving
from twin.server.limits import LimitSettings

DAY, BEFORE = date(2025, 10, 8), date(2025, 10, 7)
STUDY = {
    "github.repositories": Fact(1_428_792, "given"),
    "hub.models": Fact(1_440_527, "given"),
}


def settings_of(
    github: dict[str, Any] | None = None, hub: dict[str, Any] | None = None
) -> Settings:
    return Settings(
        github=GitHubSettings(**(github or {})), huggingface=HuggingFaceSettings(**(hub or {}))
    )


def made(
    settings: Settings,
    known: dict[str, Fact] | None = None,
    tokens: tuple[int, int] = (1, 1),
    limits: dict[str, Limit] | None = None,
) -> Estimate:
    counts = {GITHUB: tokens[0], HUB: tokens[1]}
    return estimate(settings, known or {}, limits or {}, counts, 24.0)


def night(found: Estimate, platform: str, name: str) -> Night:
    (chosen,) = [one for one in found.platforms if one.name == platform]
    return next(one for one in chosen.nights if one.name == name)


def item(one: Night, kind: str) -> Item:
    return next(found for found in one.items if found.kind == kind)


# ---------------------------------------------------------------- hours and tokens


@pytest.mark.parametrize(
    ("points", "accounts", "hours"),
    [(5_000, 1, 0), (5_001, 1, 1), (10_000, 1, 1), (10_001, 1, 2), (10_001, 2, 1), (50_000, 3, 3)],
)
def test_waiting_is_for_whole_windows(points: int, accounts: int, hours: float) -> None:
    took = hours_of({REST: points}, points, {REST: LIMITS[REST]}, accounts, pace=0.0)
    assert took == hours


def test_the_last_window_and_fast_answers_take_time_as_well() -> None:
    limits = {REST: Limit(100, 3_600, "")}
    assert hours_of({REST: 100}, 100, limits, 1, pace=36.0) == pytest.approx(1.0)
    assert hours_of({REST: 150}, 150, limits, 1, pace=3.6) == pytest.approx(1.05)
    # Budgets are spent beside each other: the slowest counts.
    both = {**limits, GRAPHQL: Limit(10, 3_600, "")}
    assert hours_of({REST: 150, GRAPHQL: 35}, 185, both, 1, pace=0.0) == 3
    assert hours_of({}, 0, limits, 1, pace=1.0) == 0
    assert math.isinf(hours_of({REST: 1}, 1, {REST: Limit(0, 3_600, "")}, 9, pace=0.0))


@pytest.mark.parametrize("points", [1, 4_999, 5_000, 120_000, 1_000_000, 4_000_000])
def test_needed_are_the_fewest(points: int) -> None:
    limits, seconds, workers, target = {REST: LIMITS[REST]}, 0.5, 8, 12.0
    needed = needed_for({REST: points}, points, limits, seconds, workers, target)
    assert needed is not None

    def took(tokens: int, hands: int) -> float:
        return hours_of({REST: points}, points, limits, tokens, seconds / hands)

    assert took(needed.tokens, needed.workers) <= target
    assert needed.tokens == 1 or took(needed.tokens - 1, 100) > target
    assert needed.workers == workers or took(needed.tokens, needed.workers - 1) > target


def test_no_number_of_tokens_makes_answers_faster() -> None:
    # A hundred workers with half a second for each answer make 17 million requests a day.
    for requests, is_possible in ((17_000_000, True), (18_000_000, False)):
        found = needed_for({REST: requests}, requests, {REST: LIMITS[REST]}, 0.5, 8, 24.0)
        assert (found is not None) == is_possible


# ---------------------------------------------------------------- nights


def test_the_studies_own_arithmetic_comes_out() -> None:
    """1.43 million repositories at 100 a query; 2.88 million calls at 288,000 a day."""
    hub_settings = {"history_limit": 1_440_527, "repository_types": ["model"]}
    settings = settings_of({"repository_limit": 1_428_792}, hub_settings)
    flat = {
        name: Fact(0.0, "none") for name in ("hub.commits", "hub.discussions")
    }  # fmt: skip
    found = made(settings, STUDY | flat)
    assert item(night(found, GITHUB, FIRST), "stocks").requests == 14_288
    hub = night(found, HUB, FIRST)
    calls = item(hub, "commits").requests + item(hub, "discussions").requests
    assert calls == pytest.approx(2_881_054)
    days = hours_of({HUB_API: calls}, calls, {HUB_API: LIMITS[HUB_API]}, 1, 0.0) / 24
    assert days == pytest.approx(10, abs=0.1)


def test_limits_of_the_settings_bound_what_is_asked() -> None:
    few = made(settings_of({"repository_limit": 250, "history_limit": 10, "batch_size": 50}))
    first = night(few, GITHUB, FIRST)
    stocks = item(first, "stocks")
    # Six connections of fifty repositories are 300 requests behind a query.
    assert (stocks.questions, stocks.requests, stocks.points) == (250, 5, 15)
    assert first.points["github.graphql"] > stocks.points
    assert item(first, "issues").questions == 10
    none = made(settings_of({"repository_limit": 0}, {"history_limit": 0, "liker_limit": 0}))
    assert sum(night(none, GITHUB, FIRST).points.values()) == 0
    kinds = {one.kind: one.requests for one in night(none, HUB, FIRST).items if one.requests}
    assert set(kinds) == {"listing of models", "listing of datasets", "listing of spaces"}


def test_a_limit_of_commits_bounds_their_pages() -> None:
    few = {"github": {"history_limit": 10, "commit_limit": 250}, "hub": {}}
    assert item(night(made(settings_of(**few)), GITHUB, FIRST), "commits").requests == 30
    short = {"github.commits.pages": Fact(1.5, "counted")}
    assert item(night(made(settings_of(**few), short), GITHUB, FIRST), "commits").requests == 15


def test_a_lake_smaller_than_the_limit_is_asked_whole() -> None:
    found = made(settings_of(), {"github.repositories": Fact(120, "counted")})
    assert item(night(found, GITHUB, FIRST), "stocks").questions == 120


def test_histories_are_read_of_each_type_up_to_the_limit() -> None:
    sizes = {
        "hub.models": Fact(40, "x"),
        "hub.datasets": Fact(7, "x"),
        "hub.spaces": Fact(900, "x"),
    }
    first = night(made(settings_of(hub={"history_limit": 30}), sizes), HUB, FIRST)
    assert item(first, "commits").questions == 30 + 7 + 30


def test_only_the_chosen_kinds_of_repositories_are_listed() -> None:
    found = made(settings_of(hub={"repository_types": ["space"], "page_size": 100}),
                 {"hub.spaces": Fact(950, "counted")})  # fmt: skip
    listings = [one for one in night(found, HUB, FIRST).items if one.kind.startswith("listing")]
    assert [(one.kind, one.requests) for one in listings] == [("listing of spaces", 10)]


def test_a_usual_night_asks_less_than_the_first() -> None:
    found = made(settings_of(), {"github.active_share": Fact(0.25, "counted")})
    for platform in (GITHUB, HUB):
        first, usual = night(found, platform, FIRST), night(found, platform, USUAL)
        assert sum(usual.points.values()) < sum(first.points.values()) / 2
        for one in usual.items:
            assert 0 <= one.requests <= item(first, one.kind).requests
    # What moved, the top and the slice overlap.
    stocks = item(night(found, GITHUB, USUAL), "stocks").questions
    assert 0.25 * 20_000 < stocks < 0.25 * 20_000 + 500 + 20_000 / 90 + 0.01 * 20_000


def test_more_tokens_are_faster_and_never_cost_more() -> None:
    settings = settings_of({"repository_limit": 1_428_792}, {"history_limit": 100_000})
    one, four = (made(settings, STUDY, tokens=(count, count)) for count in (1, 4))
    for platform in (GITHUB, HUB):
        slow, fast = night(one, platform, FIRST), night(four, platform, FIRST)
        assert slow.points == fast.points
        assert slow.hours is not None and fast.hours is not None
        assert fast.hours < slow.hours / 2
        assert slow.needed == fast.needed


def test_without_tokens_github_is_not_asked_and_the_hub_is_slower() -> None:
    found = made(settings_of(), tokens=(0, 0))
    github, hub = found.platforms
    assert github.note == "not asked: GITHUB_TOKEN is not set"
    assert night(found, GITHUB, FIRST).hours is None
    assert night(found, GITHUB, FIRST).needed == Needed(1, 8)
    assert hub.limits[HUB_API].points == 500
    with_token = night(made(settings_of()), HUB, FIRST).hours
    without = night(found, HUB, FIRST).hours
    assert with_token is not None and without is not None
    assert without > with_token * 1.5


def test_announced_limits_count_for_tokens_only() -> None:
    announced = {HUB_API: Limit(2_500, 300.0, "announced")}
    assert made(settings_of(), limits=announced).platforms[1].limits == announced
    anonymous = made(settings_of(), tokens=(0, 0), limits=announced)
    assert anonymous.platforms[1].limits[HUB_API].points == 500


def test_what_is_off_takes_nothing() -> None:
    found = made(settings_of({"source": "off"}, {"source": "dump"}))
    assert [one.nights for one in found.platforms] == [(), ()]
    assert [one.note for one in found.platforms] == [
        "github.source is 'off'", "huggingface.source is 'dump'"
    ]  # fmt: skip


def test_every_assumption_that_counts_is_told_with_its_source() -> None:
    """Change one size after the other: where the requests change, its source stands beside."""
    settings = settings_of({"repository_limit": 2_000_000}, {"liker_limit": 2_000_000,
                           "history_limit": 2_000_000})  # fmt: skip
    base = {"github.active_share": Fact(0.5, "given")}
    before = made(settings, base)
    unused = []
    for name in ASSUMED:
        other = Fact((base | ASSUMED)[name].value * 0.4, "SOURCE OF THE TEST")
        after = made(settings, base | {name: other})
        pairs = [
            (old, new)
            for one, two in zip(before.platforms, after.platforms, strict=True)
            for first, second in zip(one.nights, two.nights, strict=True)
            for old, new in zip(first.items, second.items, strict=True)
        ]
        changed = [new for old, new in pairs if old.requests != new.requests]
        if not changed:
            unused.append(name)
        told = " ".join(ground for _, new in pairs for ground in new.basis)
        assert not changed or "SOURCE OF THE TEST" in told, name
    assert unused == ["answer_seconds"]
    assert all(fact.source for fact in ASSUMED.values())


def test_what_the_lake_alone_tells_replaces_what_is_worked_out() -> None:
    pages = {"github.commits.pages": Fact(3.0, "counted")}
    found = made(settings_of({"history_limit": 10}), pages)
    commits = item(night(found, GITHUB, FIRST), "commits")
    assert commits.requests == 30
    assert any("counted" in ground for ground in commits.basis)
    assert not any("study" in ground for ground in commits.basis)


def test_json_says_everything() -> None:
    told = json.loads(json.dumps(made(settings_of()).as_json()))
    assert set(told) == {one.name for one in fields(Estimate)}
    assert told["facts"]["hub.commits"] == {"value": 10.65, "source": ASSUMED["hub.commits"].source}
    assert told["platforms"][0]["nights"][0]["items"][0]["basis"]


# ---------------------------------------------------------------- what the lake knows


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def landed(
    lake: Lake, source: str, table: str, day: date, rows: str, columns: Sequence[str]
) -> None:
    """A partition of rows of SQL values."""
    with lake.temporary(".parquet") as path, database() as connection:
        names = ", ".join(columns)
        connection.execute(
            f"copy (select * from (values {rows}) as t({names})) to '{path}' (format parquet)"
        )
        count = connection.execute(f"select count(*) from '{path}'").fetchall()[0][0]
        entry = {"name": "night-001", "state": "ok", "row_count": count}
        lake.partition(source, table, day).commit(entry, path)


def answers(lake: Lake, source: str, day: date, *rows: tuple[str, str, int | None]) -> None:
    """Rows of the ledger of answers: kind, subject, items."""
    values = ", ".join(
        f"('{kind}', '{subject}', {'null' if count is None else count}::bigint, "
        f"timestamp '{day} 00:00:00')"
        for kind, subject, count in rows
    )
    names = ("kind", "subject", "item_count", "observed_at")
    assert set(names) <= set(ANSWER_COLUMNS)
    landed(lake, source, "answers", day, values, names)


def test_an_empty_lake_knows_nothing(lake: Lake) -> None:
    assert known_sizes(lake, settings_of()) == {}
    assert announced_limits(lake) == {}


def test_the_archive_tells_the_population_and_its_activity(lake: Lake) -> None:
    names = ("repository_id", "organisation_id", "created_at")
    landed(lake, "gharchive", "events", BEFORE,
           "(1, 7, timestamp '2025-10-07 05:00'), (1, 7, timestamp '2025-10-07 06:00'), "
           "(2, 7, timestamp '2025-10-07 06:00'), (3, null, timestamp '2025-10-07 06:00')",
           names)  # fmt: skip
    landed(lake, "gharchive", "events", DAY,
           "(1, 7, timestamp '2025-10-08 05:00'), (2, 7, timestamp '2025-10-08 06:00'), "
           "(4, 8, timestamp '2025-10-08 06:00'), (null, null, timestamp '2025-10-08 06:00')",
           names)  # fmt: skip
    known = known_sizes(lake, settings_of())
    assert known["github.repositories"].value == 4
    assert known["github.active_share"].value == 0.75
    assert known["github.organisations_per_repository"].value == 0.5
    assert "2025-10-07 to 2025-10-08" in known["github.repositories"].source
    # Of the two most active ones both moved; the population stays what it is.
    known = known_sizes(lake, settings_of({"repository_limit": 2}))
    assert known["github.active_share"].value == 1.0
    assert known["github.repositories"].value == 4


def test_stocks_tell_the_size_of_histories(lake: Lake) -> None:
    names = (
        "repository_id", "star_count", "commit_count", "issue_count", "pull_request_count",
        "observed_at",
    )  # fmt: skip
    landed(lake, GITHUB, "repositories", BEFORE,
           "(1, 900, 10, 1, 1, timestamp '2025-10-07'), (2, 5, 7, 7, 7, timestamp '2025-10-07'), "
           "(3, 700, 50, 0, 0, timestamp '2025-10-07')",
           names)  # fmt: skip
    landed(
        lake, GITHUB, "repositories", DAY, "(1, 901, 300, 2, 104, timestamp '2025-10-08')", names
    )
    known = known_sizes(lake, settings_of({"history_limit": 2}))
    assert {name: fact.value for name, fact in known.items()} == {
        "github.commits": 175, "github.commits.pages": 2, "github.issues_share": 0.5,
        "github.issues": 106, "github.issues.pages": 2, "github.pull_requests_share": 0.5,
        "github.pull_requests": 104, "github.pull_requests.pages": 2,
        "github.issue_comments_share": 0.5,
    }  # fmt: skip


def test_answers_tell_the_length_of_lists(lake: Lake) -> None:
    answers(lake, HUB, DAY, ("commits", "model/a/b", 20), ("commits", "model/a/c", 140),
            ("commits", "model/a/d", None), ("account", "a", 5),
            ("likers", "model/a/b", 0))  # fmt: skip
    answers(lake, GITHUB, DAY, ("issue_comments", "1", 8), ("organisation_members", "7", 106))
    known = known_sizes(lake, settings_of())
    assert {name: fact.value for name, fact in known.items()} == {
        "hub.commits": 80, "hub.commits.pages": 2, "hub.likers": 0, "hub.likers.pages": 1,
        "github.issue_comments": 8, "github.issue_comments.pages": 1,
        "github.organisation_members": 106, "github.organisation_members.pages": 2,
    }  # fmt: skip
    assert known["hub.commits"].source == "mean of 2 answers until 2025-10-08"


def test_the_newest_answer_counts(lake: Lake) -> None:
    answers(lake, HUB, BEFORE, ("commits", "model/a/b", 10), ("discussions", "model/a/b", 1))
    answers(lake, HUB, DAY, ("commits", "model/a/b", 20))
    known = known_sizes(lake, settings_of())
    assert known["hub.commits"].value == 20
    assert known["hub.discussions"].value == 1


def test_nights_after_the_first_tell_what_is_usual(lake: Lake) -> None:
    four = [("commits", f"model/a/{k}", 1) for k in range(4)]
    answers(lake, HUB, date(2025, 10, 6), *four)
    assert "hub.nightly.commits" not in known_sizes(lake, settings_of())
    answers(lake, HUB, BEFORE, *four[:3], ("account", "a", None))
    answers(lake, HUB, DAY, *four[:1])
    known = known_sizes(lake, settings_of())
    assert known["hub.nightly.commits"].value == 0.5
    assert known["hub.nightly.account"].value == 0.5
    assert known["hub.nightly.commits"].source == "nights of 2025-10-07 to 2025-10-08"
    found = made(settings_of(hub={"history_limit": 100, "repository_types": ["model"]}), known)
    assert item(night(found, HUB, USUAL), "commits").questions == 50
    assert item(night(found, HUB, FIRST), "commits").questions == 100


def test_listings_tell_numbers_and_what_moved(lake: Lake) -> None:
    names = ("repository_name", "owner_name", "like_count", "last_modified_at")
    landed(lake, HUB, "models", BEFORE, "('a/x', 'a', 9, timestamp '2025-10-07 01:00')", names)
    landed(lake, HUB, "models", DAY,
           "('a/x', 'a', 9, timestamp '2025-10-08 01:00'), "
           "('a/y', 'a', 8, timestamp '2025-01-01 01:00'), "
           "('b/z', 'b', 1, timestamp '2025-10-08 01:00')", names)  # fmt: skip
    landed(lake, HUB, "spaces", DAY, "('s/x', 's', 1, timestamp '2025-10-08 01:00')", names)
    known = known_sizes(lake, settings_of(hub={"history_limit": 2}))
    assert known["hub.models"].value == 3
    assert known["hub.spaces"].value == 1
    assert "hub.datasets" not in known
    assert known["hub.changed_share"].value == 0.5
    assert known["hub.owners_per_repository"].value == 0.5
    assert known["hub.liked_repositories"].value == 4
    few = made(settings_of(hub={"liker_limit": 9}), known)
    assert item(night(few, HUB, FIRST), "likers").questions == 4


def test_limits_are_those_that_tokens_were_told_last(lake: Lake) -> None:
    names = ("kind", "account", "limit_count")
    assert set(names) <= set(REQUEST_COLUMNS)
    landed(lake, HUB, "requests", BEFORE, "('hub.api', 'x', 9000)", names)
    landed(lake, HUB, "requests", DAY,
           "('hub.api', 'anonymous', 9999), ('hub.api', 'x', 2500), ('hub.pages', 'x', 7)", names,
    )  # fmt: skip
    landed(lake, GITHUB, "requests", DAY, "('github.rest', 'x', null::bigint)", names)
    found = announced_limits(lake)
    assert {kind: (limit.points, limit.seconds) for kind, limit in found.items()} == {
        HUB_API: (2_500, 300.0)
    }
    assert found[HUB_API].source == "announced on 2025-10-08"


# ---------------------------------------------------------------- against what is really asked

# Estimates of a night may be off by this factor in either direction.
FIRST_FACTOR, USUAL_FACTOR = 1.5, 2.0
CLASSES = {GITHUB: ("github.rest", "github.graphql"), HUB: ("hub.api",)}


def test_estimates_are_near_what_mining_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three nights of a twin; sizes are those that the lake knows."""
    for variable in ("GITHUB_TOKEN", "HF_TOKEN"):
        monkeypatch.setenv(variable, "a-token")
    asked: list[dict[str, int]] = []
    estimates: list[Estimate] = []
    with serving(SHORT, days_elapsed=1, limits=LimitSettings(enabled=False)) as service:
        read = settings_for(service.twin, tmp_path)
        settings = read.model_copy(
            update={
                "github": read.github.model_copy(update={"history_limit": 40}),
                "huggingface": read.huggingface.model_copy(update={"history_limit": 50}),
            }
        )
        lake = Lake(settings.lake_root)
        for number in range(3):
            if number:
                service.twin.advance()
            day = FIRST_DAY + timedelta(number)
            ingest(settings, day)
            service.counters.clear()
            observe_github(lake, settings, SALT, today=day + timedelta(1))
            observe(lake, settings, SALT, today=day + timedelta(1))
            told = service.counters.as_json()
            asked.append({kind: one["requests"] for kind, one in told.items()})
            estimates.append(made(settings, known_sizes(lake, settings)))
    for platform, classes in CLASSES.items():
        for name, night_number, known_after, factor in (
            (FIRST, 0, 0, FIRST_FACTOR), (USUAL, 2, 1, USUAL_FACTOR),
        ):  # fmt: skip
            real = sum(asked[night_number][kind] for kind in classes)
            planned = night(estimates[known_after], platform, name)
            expected = sum(one.requests for one in planned.items)
            assert real > 50 or name == USUAL
            assert real / factor < expected < real * factor, (platform, name, real, planned.items)
