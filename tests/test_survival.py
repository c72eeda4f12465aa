"""Activity survival of small warehouses whose endings were planted."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pytest
from study_support import member, stratum

from assets.study.marts import SURVIVAL
from assets.study.sample import MEMBER, STRATUM
from assets.study.survival import activity_survival
from assets.study.tables import make_tables, table_of

DAY = date(2025, 6, 30)
END = datetime(2025, 7, 1)
MONTH = 30.4375
Row = dict[str, Any]
SCHEMA = """
    CREATE SCHEMA core;
    CREATE SCHEMA intermediate;
    CREATE TABLE core.dim_repository (
        repository_key VARCHAR, platform VARCHAR, repository_type VARCHAR, owner_name VARCHAR,
        created_at TIMESTAMP, created_at_basis VARCHAR, first_seen_at TIMESTAMP
    );
    CREATE TABLE core.fct_interaction (
        repository_key VARCHAR, actor_key VARCHAR, platform VARCHAR, kind VARCHAR,
        source VARCHAR, occurred_at TIMESTAMP
    );
    CREATE TABLE core.dim_actor (
        actor_key VARCHAR, is_removed_by_paper BOOLEAN, is_removed_by_conservative BOOLEAN,
        is_removed_by_aggressive BOOLEAN
    );
    CREATE TABLE core.source_coverage_daily (platform VARCHAR, day DATE, event_count BIGINT);
    CREATE TABLE intermediate.int_huggingface_models__latest (
        repository_type VARCHAR, repository_name VARCHAR, last_modified_at TIMESTAMP,
        listed_at TIMESTAMP, commits_observed_on DATE, commit_stock_count BIGINT
    );
    CREATE TABLE intermediate.int_huggingface_names__identified (
        repository_type VARCHAR, repository_name VARCHAR, repository_key VARCHAR
    );
    INSERT INTO core.dim_actor VALUES
        ('person', false, false, false), ('robot', true, true, true);
"""


class World:
    """A warehouse filled repository by repository."""

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute(SCHEMA)

    def cover(self, first: date, last: date = DAY) -> None:
        days = [("github", first + timedelta(days=n), 1) for n in range((last - first).days + 1)]
        self._insert("core.source_coverage_daily", days)

    def github(self, rows: list[Row]) -> None:
        """Rows with key, created, acts (times), and optionally owner, basis, kind, actor, seen."""
        self._repositories("github", "repository", rows, "gharchive")

    def hub(self, rows: list[Row]) -> None:
        """Likewise, and optionally modified, listed and commits (None: history unknown)."""
        self._repositories("huggingface", "model", rows, "huggingface")
        self._insert(
            "intermediate.int_huggingface_models__latest",
            [("model", row["key"], row.get("modified"), row.get("listed", END), DAY,
              row.get("commits", 1)) for row in rows],
        )  # fmt: skip
        self._insert(
            "intermediate.int_huggingface_names__identified",
            [("model", row["key"], row["key"]) for row in rows],
        )

    def curve(
        self, platform: str, policy: str = "none", design: str = "census", **options: Any
    ) -> list[Row]:
        rows = activity_survival(self.connection, "paper", DAY, **options)
        return [
            row for row in rows
            if (row["platform"], row["bot_policy"], row["design"]) == (platform, policy, design)
        ]  # fmt: skip

    def draw(self, members: list[Row], strata: list[Row]) -> None:
        """The sample `paper` of either platform."""
        self.connection.execute("CREATE SCHEMA study")
        make_tables(self.connection, [MEMBER, STRATUM])
        for table, rows in ((MEMBER, members), (STRATUM, strata)):
            given = table_of(table, rows)  # noqa: F841 - read by name
            self.connection.execute(f"INSERT INTO {table.name} SELECT * FROM given")

    def _repositories(self, platform: str, kind: str, rows: list[Row], source: str) -> None:
        self._insert(
            "core.dim_repository",
            [(row["key"], platform, kind, row.get("owner"), row["created"],
              row.get("basis", "api"), row.get("seen", min(row["acts"], default=row["created"])))
             for row in rows],
        )  # fmt: skip
        self._insert(
            "core.fct_interaction",
            [(row["key"], row.get("actor", "person"), platform, row.get("kind", "commit"),
              source, at) for row in rows for at in row["acts"]],
        )  # fmt: skip

    def _insert(self, table: str, rows: list[tuple[Any, ...]]) -> None:
        if not rows:
            return
        import pandas as pd

        names = [name for name, *_ in self.connection.execute(f"DESCRIBE {table}").fetchall()]
        self.connection.register("new_rows", pd.DataFrame(rows, columns=names))
        self.connection.execute(f"INSERT INTO {table} SELECT * FROM new_rows")


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.connection.close()


def before(days: float) -> datetime:
    return END - timedelta(days=days)


def at(rows: list[Row], month: float) -> float:
    """The curve at a month of age."""
    share: float = [row["survival"] for row in rows if row["age_months"] <= month][-1]
    return share


def lives(count: int, scale: float, years: float, seed: int) -> list[Row]:
    """Repositories made all along `years`, with activity of exponential length (days) and acts at
    random in between."""
    rng = np.random.default_rng(seed)
    found = []
    for n in range(count):
        age, life = rng.uniform(0, years * 365), rng.exponential(scale)
        created = before(age)
        times = [0.0, life, *rng.uniform(0, life, int(rng.poisson(life / 20)))]
        acts = [created + timedelta(days=t) for t in times if t < age]
        found.append({"key": f"r{n}", "created": created, "acts": acts, "owner": f"o{n // 2}"})
    return found


def test_planted_endings_are_found_on_the_hub(world: World) -> None:
    world.hub(lives(3000, 120.0, 3, seed=1))
    rows = world.curve("huggingface")
    for month in (1, 3, 6, 12):
        truth = np.exp(-(month * MONTH + 1) / 120)
        assert at(rows, month) == pytest.approx(truth, abs=0.03)
    assert rows[0]["age_months"] == 0.0
    assert rows[0]["at_risk_count"] == sum(r["ended_count"] + r["censored_count"] for r in rows)
    shares = [row["survival"] for row in rows]
    assert shares == sorted(shares, reverse=True)
    known = [row for row in rows if row["survival_low"] is not None]
    assert known
    assert all(r["survival_low"] <= r["survival"] <= r["survival_high"] for r in known)


def test_planted_endings_are_found_on_a_platform_seen_late(world: World) -> None:
    """Of repositories older than the archive only those that act on a covered day are seen."""
    everything = lives(6000, 300.0, 6, seed=2)
    start = before(730)
    seen = []
    for row in everything:
        acts = [act for act in row["acts"] if act >= start]
        if acts:
            seen.append({**row, "acts": acts})
    world.cover(start.date())
    world.github(seen)
    rows = world.curve("github")
    for month in (3, 6, 12, 24):
        truth = np.exp(-(month * MONTH + 1) / 300)
        assert at(rows, month) == pytest.approx(truth, abs=0.04)
    # As if all were counted from their creation on: those that ended before were never seen.
    world.connection.execute("UPDATE core.source_coverage_daily SET event_count = 1")
    world.connection.execute(
        "INSERT INTO core.source_coverage_daily"
        " SELECT 'github', day::DATE, 1 FROM generate_series(DATE '2018-01-01', DATE '2023-07-01',"
        " INTERVAL 1 DAY) AS days(day)"
    )
    assert at(world.curve("github"), 24) > np.exp(-24 * MONTH / 300) + 0.1


def test_what_is_not_silent_for_long_enough_is_censored_where_silence_could_be_seen(
    world: World,
) -> None:
    world.hub([
        {"key": "a", "created": before(400), "acts": [before(380)]},
        {"key": "b", "created": before(400), "acts": [before(100)]},
        {"key": "c", "created": before(400), "acts": [before(90.5)]},
        {"key": "d", "created": before(99), "acts": [before(98)]},
    ])  # fmt: skip
    rows = world.curve("huggingface", silence_days=100)
    counts = {row["age_months"]: (row["at_risk_count"], row["ended_count"], row["censored_count"])
              for row in rows}  # fmt: skip
    # d is too young to have been silent for 100 days; c goes on, known for 300 days of age.
    assert counts == {0.0: (3, 0, 0), 1.0: (3, 1, 0), 10.0: (2, 1, 1)}
    assert [row["survival"] for row in rows] == [1.0, pytest.approx(2 / 3), pytest.approx(1 / 3)]
    assert (
        "as 100 days have not passed since they began or since the first covered day: 1"
        in rows[0]["reason"]
    )
    assert (rows[0]["survival_low"], rows[0]["survival_high"]) == (None, None)


def test_an_archive_of_two_days_tells_of_no_ending(world: World) -> None:
    world.cover(DAY - timedelta(days=1))
    world.github([{"key": "a", "created": before(900), "acts": [before(0.5)]}])
    (row,) = world.curve("github")
    assert (row["age_months"], row["at_risk_count"], row["survival"]) == (0.0, 0, None)
    assert row["reason"].startswith("the archive is covered for 2 days from 2025-06-29 on")
    assert table_of(SURVIVAL, [row]).num_rows == 1


def test_only_the_newest_stretch_of_the_archive_counts(world: World) -> None:
    world.cover(before(900).date(), before(600).date())
    world.cover(before(300).date())
    world.github([
        {"key": "a", "created": before(1000), "acts": [before(700)]},
        {"key": "b", "created": before(1000), "acts": [before(290)]},
    ])  # fmt: skip
    rows = world.curve("github")
    assert sum(row["ended_count"] for row in rows) == 1
    assert "for 300 days" in rows[0]["reason"]


def test_without_an_archive_nothing_is_told(world: World) -> None:
    assert [row["reason"] for row in world.curve("github")] == ["no day of the archive is loaded"]
    (row,) = world.curve("huggingface")
    assert (row["survival"], row["at_risk_count"]) == (None, 0)


def test_acts_of_machines_do_not_keep_a_repository_active(world: World) -> None:
    world.hub([{"key": "a", "created": before(700), "acts": [before(650)]}])
    world.connection.execute(
        "INSERT INTO core.fct_interaction VALUES"
        " ('a', 'robot', 'huggingface', 'commit', 'huggingface', ?)",
        [before(10)],
    )
    assert sum(row["ended_count"] for row in world.curve("huggingface")) == 0
    for policy in ("paper", "conservative", "aggressive"):
        (_, ended) = world.curve("huggingface", policy)
        assert (ended["age_months"], ended["ended_count"]) == (2.0, 1)


def test_stars_are_no_activity_and_history_before_creation_is_none(world: World) -> None:
    world.hub([
        {"key": "starred", "created": before(700), "acts": [before(10)], "kind": "star"},
        {"key": "imported", "created": before(600), "acts": [before(2000)]},
    ])  # fmt: skip
    (row,) = world.curve("huggingface")
    assert (row["age_months"], row["ended_count"], row["survival"]) == (0.0, 2, 0.0)


def test_the_floor_of_creation_yields_to_an_older_act(world: World) -> None:
    floor = datetime(2022, 3, 2, 23, 29, 4)
    old = floor - timedelta(days=5 * MONTH)
    world.hub([{"key": "a", "created": floor, "acts": [old, floor], "basis": "floor"}])
    rows = world.curve("huggingface")
    assert rows[-1]["age_months"] == 5.0
    assert "that began at 2022-03-02" in rows[-1]["reason"]


def test_a_listing_tells_the_last_commit_of_models_whose_history_is_hidden(world: World) -> None:
    world.hub([{"key": "a", "created": before(700), "acts": [], "commits": None,
                "modified": before(700 - 3 * MONTH + 1)}])  # fmt: skip
    assert world.curve("huggingface")[-1]["age_months"] == 3.0
    (row,) = world.curve("huggingface", "paper")
    assert row["survival"] is None
    assert "left out, as their creation or their acts are unknown: 1" in row["reason"]


def test_repositories_of_unknown_age_are_left_out_and_told(world: World) -> None:
    world.cover(before(700).date())
    world.github([
        {"key": "a", "created": before(600), "acts": [before(590)], "basis": "first_seen"},
        {"key": "b", "created": before(600), "acts": [before(400)], "basis": "event"},
    ])  # fmt: skip
    rows = world.curve("github")
    assert rows[0]["at_risk_count"] == 1
    assert "left out, as their creation or their acts are unknown: 1" in rows[0]["reason"]


def test_what_happened_later_is_not_looked_at(world: World) -> None:
    world.hub([{"key": "a", "created": before(700), "acts": [before(690), END]}])
    assert sum(row["ended_count"] for row in world.curve("huggingface")) == 1


def test_a_repository_that_others_only_star_is_not_seen_active(world: World) -> None:
    """It is known to exist, but not to have been active when the archive began."""
    world.cover(before(700).date())
    world.github([
        {"key": "old", "created": before(1000), "acts": [before(600)], "kind": "star"},
        {"key": "new", "created": before(650), "acts": [before(600)], "kind": "star"},
    ])  # fmt: skip
    (row,) = world.curve("github")
    # Made since the archive began, the new one is seen to have done nothing.
    assert (row["at_risk_count"], row["ended_count"]) == (1, 1)
    assert "left out, as their creation or their acts are unknown: 1" in row["reason"]


def test_of_too_many_repositories_a_random_part_is_taken(world: World) -> None:
    world.hub(lives(400, 120.0, 3, seed=3))
    everything = world.curve("huggingface")[0]["at_risk_count"]
    rows = world.curve("huggingface", most_repositories=100, seed=5)
    assert 0.1 * everything < rows[0]["at_risk_count"] < 0.4 * everything
    assert rows[0]["reason"].startswith("a random 25.0% of 400 repositories")
    assert rows == world.curve("huggingface", most_repositories=100, seed=5)
    assert rows != world.curve("huggingface", most_repositories=100, seed=6)


def test_of_a_sample_the_curve_is_that_of_the_frame(world: World) -> None:
    """Some live long and are few, and are drawn whole; of the others every fifth is drawn."""
    short, long = lives(2000, 60.0, 3, seed=11), lives(200, 400.0, 3, seed=12)
    for row in long:
        row["key"] = f"l{row['key']}"
    world.hub(short + long)
    rest = {"platform": "huggingface"}
    world.draw(
        [
            *(member(row["key"], "short", 5.0, **rest) for row in short[::5]),
            *(member(row["key"], "long", 1.0, **rest) for row in long),
            member("gone", "short", None, **rest),
        ],
        [
            stratum("huggingface", "short", 0, 2000, drawn_count=400),
            stratum("huggingface", "long", 1, 200, drawn_count=200),
        ],
    )
    census = world.curve("huggingface")
    drawn = world.curve("huggingface", design="paper", designs=["paper"])
    assert {(row["design"], row["weighting"]) for row in drawn} == {("paper", "weighted")}
    assert drawn[0]["at_risk_count"] < 600 < census[0]["at_risk_count"]
    for month in (2, 6, 12):
        told = [row for row in drawn if row["age_months"] <= month][-1]
        assert told["survival_low"] <= at(census, month) <= told["survival_high"]
        assert told["survival_high"] - told["survival_low"] < 0.15
    # The census is what it is without a sample.
    assert world.curve("huggingface", designs=["paper"]) == census


def test_a_whole_frame_drawn_tells_the_census_without_error(world: World) -> None:
    made = lives(60, 120.0, 3, seed=13)
    world.hub(made)
    world.draw(
        [member(row["key"], "all", 1.0, platform="huggingface") for row in made],
        [stratum("huggingface", "all", 0, 60, drawn_count=60)],
    )
    pairs = zip(
        world.curve("huggingface"),
        world.curve("huggingface", design="paper", designs=["paper"], most_repositories=10),
        strict=True,
    )
    for one, other in pairs:
        names = ("age_months", "at_risk_count", "ended_count", "survival")
        assert [other[name] for name in names] == [one[name] for name in names]
        if other["survival_low"] is not None:
            assert other["survival_low"] == pytest.approx(other["survival"])


def test_a_platform_of_which_nothing_was_drawn_says_so(world: World) -> None:
    world.hub(lives(20, 120.0, 3, seed=14))
    world.draw([], [])
    (row,) = world.curve("huggingface", design="paper", designs=["paper"])
    assert (row["survival"], row["at_risk_count"]) == (None, 0)
    assert row["reason"]
