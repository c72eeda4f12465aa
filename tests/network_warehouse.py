"""A small warehouse with what the study's networks are made of.

Belongs here: making its tables of plain rows, and random rows. Does not belong here: expectations.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from databases import database
from study_support import DAY, member, repository, stratum, study_warehouse

Row = dict[str, Any]
POLICIES = ("paper", "conservative", "aggressive")


@dataclass
class World:
    """Rows of the tables; `acts` is who, where, type and when."""

    acts: list[tuple[str, str, str, datetime]] = field(default_factory=list)
    actors: dict[str, Row] = field(default_factory=dict)
    place: dict[str, int] = field(default_factory=dict)
    lineage: list[tuple[str, str | None, bool]] = field(default_factory=list)
    members: list[tuple[str, str, int, str | None]] = field(default_factory=list)


def actor(key: str, **values: Any) -> Row:
    """An account that every policy keeps; `removed` names those that do not."""
    removed = values.pop("removed", ())
    return {
        "actor_key": key, "login": key, "actor_class": "person",
        **{f"is_removed_by_{policy}": policy in removed for policy in POLICIES}, **values,
    }  # fmt: skip


def random_world(seed: int) -> World:
    """A few actors and repositories of both platforms, some removed, staff or placeholders."""
    random = np.random.default_rng(seed)
    world = World()
    for platform in ("g", "h"):
        actors = [f"{platform}-actor-{n}" for n in range(9)]
        repositories = [f"{platform}-repository-{n}" for n in range(7)]
        for at, key in enumerate(actors):
            removed = POLICIES[int(random.integers(0, 3)) :] if random.random() < 0.3 else ()
            kind = "platform_staff" if random.random() < 0.2 else "person"
            login = "Ghost" if at == 8 else key
            world.actors[key] = actor(key, removed=removed, actor_class=kind, login=login)
        for at, key in enumerate(random.permutation(repositories)[:6].tolist()):
            world.place[key] = at + 1
        for _ in range(60):
            moment = datetime(2025, 10, 7, 23) - timedelta(hours=int(random.integers(0, 24 * 500)))
            world.acts.append((
                actors[int(random.integers(9) * random.random())],
                repositories[int(random.integers(7))],
                ("commit", "discussion")[int(random.integers(2))], moment,
            ))  # fmt: skip
    models = [key for key in world.place if key.startswith("h")]
    # The second pair is joined by a model that is in no cut.
    world.lineage += [(models[0], models[1], True), (models[2], "h-outside", True),
                      (models[3], "h-outside", True), (models[4], models[0], False),
                      (models[5], None, True)]  # fmt: skip
    world.members += [(f"h-actor-{n}", f"lab-{n % 2}", 1, None) for n in range(4)]
    return world


def network_warehouse(path: Path, world: World, drawn: int = 4) -> Path:
    """The world's tables, made anew, with a sample of so many of each platform's repositories."""
    known = {"commit_stock_count": 1, "discussion_stock_count": 1}
    members, strata = [], []
    for platform in ("github", "huggingface"):
        frame = sorted(key for key in world.place if platform_of(key) == platform)
        members += [member(key, "low", len(frame) / drawn) for key in frame[:drawn]]
        strata += [stratum(platform, "low", 1, len(frame), drawn_count=drawn)] if frame else []
    study_warehouse(path, [
        repository(key, **known) for key in sorted(world.place)
    ], members=members, strata=strata, cut=[
        {"study": "paper", "platform": platform_of(key), "rank_name": "stars",
         "rank_column": "star_stock_count", "repository_key": key, "place": place}
        for key, place in world.place.items()
    ])  # fmt: skip
    tables = {
        "fct_actor_repository_daily": daily(world),
        "dim_actor": [{**row, "platform": platform_of(key)} for key, row in world.actors.items()],
        "fct_model_lineage": [
            {"child_key": child, "parent_key": parent, "is_same_owner": is_same}
            for child, parent, is_same in world.lineage
        ],
        "bridge_actor_organisation": [
            {"actor_key": key, "organisation_key": login, "platform": platform_of(key),
             "grade": grade, "ended_on": ended}
            for key, login, grade, ended in world.members
        ],
        "dim_organisation": [
            {"organisation_key": login, "login": login}
            for login in sorted({login for _, login, *_ in world.members})
        ],
    }  # fmt: skip
    with database(path) as connection:
        connection.begin()
        connection.execute("CREATE SCHEMA IF NOT EXISTS core")
        for name, columns in COLUMNS.items():
            connection.execute(f"CREATE TABLE core.{name} ({columns})")
            if tables[name]:
                given = pa.Table.from_pylist(tables[name])  # noqa: F841 - read by name
                connection.execute(f"INSERT INTO core.{name} BY NAME SELECT * FROM given")
        connection.commit()
    return path


COLUMNS = {
    "fct_actor_repository_daily": "platform VARCHAR, source VARCHAR, repository_key VARCHAR,"
    " actor_key VARCHAR, interaction_type VARCHAR, occurred_on DATE, first_at TIMESTAMP,"
    " last_at TIMESTAMP, act_count BIGINT",
    "dim_actor": "actor_key VARCHAR, platform VARCHAR, login VARCHAR, actor_class VARCHAR,"
    " is_removed_by_paper BOOLEAN, is_removed_by_conservative BOOLEAN,"
    " is_removed_by_aggressive BOOLEAN",
    "fct_model_lineage": "child_key VARCHAR, parent_key VARCHAR, is_same_owner BOOLEAN",
    "bridge_actor_organisation": "actor_key VARCHAR, organisation_key VARCHAR, platform VARCHAR,"
    " grade INTEGER, ended_on DATE",
    "dim_organisation": "organisation_key VARCHAR, login VARCHAR",
}


def daily(world: World) -> list[Row]:
    """What two sources tell of each day: the archive all acts, the API every second."""
    rows: dict[tuple[Any, ...], list[datetime]] = {}
    for at, (who, where, kind, moment) in enumerate(world.acts):
        for source in ("gharchive", "github_api")[: 1 + at % 2]:
            key = (platform_of(who), source, where, who, kind, moment.date())
            rows.setdefault(key, []).append(moment)
    names = ("platform", "source", "repository_key", "actor_key", "interaction_type", "occurred_on")
    return [
        {**dict(zip(names, key, strict=True)), "first_at": min(times), "last_at": max(times),
         "act_count": len(times)}
        for key, times in rows.items()
    ]  # fmt: skip


def platform_of(key: str) -> str:
    return "github" if key.startswith("g") else "huggingface"


def extend(path: Path, world: World, acts: list[tuple[str, str, str, datetime]], days: int) -> None:
    """Later acts, and the data end so many days later."""
    world.acts += acts
    with database(path) as connection:
        connection.execute("DELETE FROM core.fct_actor_repository_daily")
        given = pa.Table.from_pylist(daily(world))  # noqa: F841 - read by name
        connection.execute(
            "INSERT INTO core.fct_actor_repository_daily BY NAME SELECT * FROM given"
        )
        connection.execute(
            "INSERT INTO marts.mart_coverage VALUES ('github', $day, 1)",
            {"day": DAY + timedelta(days=days)},
        )
