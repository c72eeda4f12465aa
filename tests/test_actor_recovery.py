"""What was planted about accounts is found again, from files to dim_actor.

Belongs here: classes and identities of a twin's world against its truth, with the figures. Does not
belong here: single rules (test_actor_classify.py) and single models (test_dbt_actors.py).

The world is read from files: what only the platforms' interfaces say (types, members, names) is not
known here. Who is staff of the Hub only its interface says: that is read in a night on the twin.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from databases import database
from dbt_support import Dbt, HandLake, project_on
from hub_night import night, served
from hub_night import world as hub_world

from assets.github.ingest import Ingester
from assets.huggingface.snapshot import Snapshotter
from assets.warehouse.sources import make_readable
from orchestration.lake import Lake
from orchestration.settings import ArchiveSettings
from twin.generate import write_world
from twin.scales import SCALES, Scale

DAYS = [date(2025, 10, 6), date(2025, 10, 7)]
SALT = b"a salt for tests only, 32 bytes."
SMALL = replace(
    SCALES["tiny"], name="actors", events_per_day=12_000, person_count=1_500, repository_count=800
)
# So much happens that there is enough to tell machines by.
BUSY = replace(SMALL, name="busy", events_per_day=60_000, person_count=6_000)
SEED = 11
WORLDS = [(SMALL, SEED), (SMALL, 12), (SMALL, 13), (BUSY, SEED)]
MACHINES = {"bot", "ai_agent", "platform_automation"}
# Everything that says in its name or on a list what it is, and what does not: of the latter only
# what it does can tell.
SILENT = {"metrics-writer", "docs-botler", "quillcoder", "lattice-robot"}
PEOPLE_WITH_BOT = {
    "botanica", "abbott-lea", "sabotage-dev", "robotics-fan", "talbot", "talbot_reads", "jan-cabot",
    "mirror-lake", "release-the-cat", "auto-didact", "marc-robotham", "sync-or-swim", "ciara",
}  # fmt: skip


@dataclass(frozen=True)
class Account:
    """What was planted and what was found."""

    platform: str
    login: str
    planted: str
    actor_class: str
    score: float
    reasons: str
    act_count: int | None
    is_removed: Mapping[str, bool]
    is_uncertain: bool

    @property
    def is_machine(self) -> bool:
        return self.planted in MACHINES

    @property
    def is_called_machine(self) -> bool:
        return self.actor_class in MACHINES


def landed(root: Path, scale: Scale, seed: int) -> HandLake:
    """A lake with the files of a world, landed as an operator would."""
    world = root.parent / "world"
    write_world(world, scale, seed, DAYS, with_defects=False)
    lake = Lake(root)
    ingester = Ingester(lake, ArchiveSettings(workers=2), SALT)
    ingester.prepare()
    for file in sorted((world / "archive").iterdir()):
        assert ingester.file(file)["state"] in ("ok", "thin"), file
    snapshotter = Snapshotter(lake, SALT)
    snapshotter.prepare()
    snapshotter.ingest_dump(sorted((world / "hub").iterdir()), DAYS[-1])
    make_readable(lake)
    return HandLake(root)


@contextmanager
def built_on(folder: Path, scale: Scale, seed: int, *models: str) -> Iterator[Dbt]:
    """The models of a world's accounts, built."""
    with project_on(folder, lambda root: landed(root, scale, seed)) as project:
        project.run("w", "build", "--select", "+dim_actor", "+actor_review_queue", *models,
                    "--indirect-selection", "cautious", "--exclude-resource-type", "unit_test",
                    )  # fmt: skip
        yield project


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dbt]:
    folder = tmp_path_factory.mktemp("recovery")
    with built_on(folder, SMALL, SEED, "+identity_suggestion", "+bridge_identity") as project:
        yield project


def truth(built: Dbt, name: str) -> str:
    path = str(built.lake.root.parent / "world" / "truth" / f"{name}.parquet").replace("'", "''")
    return f"read_parquet('{path}')"


@dataclass(frozen=True)
class Recovered:
    """The accounts of a world that were planted and seen, and who waits for a reviewer."""

    scale: Scale
    accounts: list[Account]
    queue: frozenset[tuple[str, str]]


@pytest.fixture(scope="module", params=WORLDS, ids=lambda world: f"{world[0].name} {world[1]}")
def recovered(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Recovered:
    scale, seed = request.param
    if (scale, seed) == (SMALL, SEED):
        return read(request.getfixturevalue("built"), scale)
    with built_on(tmp_path_factory.mktemp("recovery"), scale, seed) as project:
        return read(project, scale)


@pytest.fixture
def accounts(recovered: Recovered) -> list[Account]:
    """Planted accounts that were seen."""
    return recovered.accounts


def read(built: Dbt, scale: Scale) -> Recovered:
    with database(built.warehouse("w"), read_only=True) as db:
        rows = db.execute(
            f"""
            select
                planted.platform, planted.login,
                if(planted.account_class = 'ghost', 'platform_automation', planted.account_class),
                actors.actor_class, actors.automation_score, actors.reasons, described.act_count,
                is_removed_by_paper, is_removed_by_conservative, is_removed_by_aggressive,
                actors.is_uncertain
            from {truth(built, "accounts")} as planted
            join core.dim_actor as actors
                on planted.platform = actors.platform and planted.login = actors.login
            join intermediate.int_actors__described as described using (actor_key)
            order by all
            """
        ).fetchall()
        queue = db.execute("select platform, login from core.actor_review_queue").fetchall()
    policies = ("paper", "conservative", "aggressive")
    accounts = [
        Account(*row[:7], dict(zip(policies, row[7:10], strict=True)), row[10]) for row in rows
    ]
    return Recovered(scale, accounts, frozenset(queue))


def ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def figures(accounts: list[Account], name: str) -> tuple[float, float, int]:
    """Precision, recall and number planted, of one class among accounts with a decision."""
    planted = [one for one in accounts if one.planted == name]
    found = [one for one in accounts if one.actor_class == name]
    right = [one for one in found if one.planted == name]
    return ratio(len(right), len(found)), ratio(len(right), len(planted)), len(planted)


def told(accounts: list[Account]) -> str:
    lines = ["class                precision recall planted"]
    for name in sorted({one.planted for one in accounts} | {one.actor_class for one in accounts}):
        precision, recall, count = figures(accounts, name)
        lines.append(f"{name:20} {precision:9.3f} {recall:6.3f} {count:7}")
    lines += [
        f"false: {one.platform} {one.login}, planted {one.planted}, called {one.actor_class} "
        f"({one.score:.3f}): {one.reasons}"
        for one in accounts
        if one.planted != one.actor_class and (one.is_machine or one.is_called_machine)
    ]
    return "\n".join(lines)


def test_machines_that_say_so_are_all_found(accounts: list[Account]) -> None:
    print("\n" + told(accounts))
    open_ones = [one for one in accounts if one.is_machine and one.login not in SILENT]
    assert len(open_ones) >= 12
    assert [one.login for one in open_ones if not one.is_called_machine] == []
    suffixed = [one for one in open_ones if one.login.endswith("[bot]")]
    assert all(one.is_removed["conservative"] for one in suffixed)


def test_people_with_bot_in_their_names_stay(accounts: list[Account]) -> None:
    people = [one for one in accounts if one.login in PEOPLE_WITH_BOT]
    assert len(people) >= 4
    assert [one.login for one in people if one.is_called_machine] == []
    assert [one.login for one in people if one.is_removed["conservative"]] == []
    # The published rule removes them: that is what the policies are there to show.
    named = [one for one in people if "bot" in one.login.lower()]
    assert all(one.is_removed["paper"] for one in named)


def test_conservative_removes_no_person(accounts: list[Account]) -> None:
    people = [one for one in accounts if one.planted == "person"]
    assert len(people) > 500
    removed = [one.login for one in people if one.is_removed["conservative"]]
    assert removed == [], told(accounts)


# Reached at seeds 11 to 13 is 0.91, where much happens 0.96: one more may be missed, of those that
# only their acts could tell.
LEAST_RECALL = {"actors": 0.85, "busy": 0.9}
MAY_BE_MISSED = {"actors": SILENT, "busy": {"quillcoder", "metrics-writer"}}


def test_classes_are_recovered(recovered: Recovered) -> None:
    accounts = recovered.accounts
    machines = [one for one in accounts if one.is_machine]
    called = [one for one in accounts if one.is_called_machine]
    found = [one for one in machines if one.is_called_machine]
    assert ratio(len(found), len(machines)) >= LEAST_RECALL[recovered.scale.name], told(accounts)
    missed = {one.login for one in machines if not one.is_called_machine}
    assert missed <= MAY_BE_MISSED[recovered.scale.name], told(accounts)
    # Nobody else is called one, and of what is found the kind is right.
    assert [one.login for one in called if not one.is_machine] == [], told(accounts)
    assert [one.login for one in found if one.actor_class != one.planted] == [], told(accounts)
    precision, recall, count = figures(accounts, "person")
    assert precision >= 0.99 and recall * count >= 100, told(accounts)
    active = [one for one in accounts if one.planted == "person" and (one.act_count or 0) >= 50]
    assert len(active) >= 20
    assert ratio(sum(one.actor_class == "person" for one in active), len(active)) >= 0.95


def test_every_false_decision_and_abstention_can_be_read(accounts: list[Account]) -> None:
    """Words and figures, no codes; and who could not be told hears of what there was too little."""
    others = [one for one in accounts if one.planted != one.actor_class]
    assert len(others) > 100
    for one in others:
        assert len(one.reasons.split()) >= 3, one
        assert "_" not in one.reasons.replace(one.login, ""), one
        evidence = ("no evidence: ", "name token", " is ", "are too few", "curated", "the platform")
        assert any(words in one.reasons for words in evidence), one
    silent = [one for one in others if one.planted in MACHINES and (one.act_count or 0) >= 10]
    for one in silent:
        assert any(mark in one.reasons for mark in ("too few", "(people: ")), one


def test_few_wait_for_a_reviewer_and_whoever_is_taken_for_a_machine_does(
    recovered: Recovered,
) -> None:
    waiting = [one for one in recovered.accounts if (one.platform, one.login) in recovered.queue]
    assert len(waiting) <= 0.01 * len(recovered.accounts)
    assert all(one.is_uncertain for one in waiting)
    people = [one for one in waiting if not one.is_machine]
    assert len(people) <= 5, people


PAIRS = """
    select
        planted.is_same, planted.login_relation, suggested.identity_score
    from {identities} as planted
    join core.dim_actor as github
        on github.platform = 'github' and github.login = planted.github_login
    join core.dim_actor as hub
        on hub.platform = 'huggingface' and hub.login = planted.hub_login
    left join core.identity_suggestion as suggested
        on suggested.first_actor_key = github.actor_key
        and suggested.second_actor_key = hub.actor_key
    where github.actor_class <> 'organisation'
"""


def test_identities_are_suggested_and_homonyms_never_merged(built: Dbt) -> None:
    rows: list[Any] = built.rows("w", PAIRS.format(identities=truth(built, "identities")))
    total = built.rows(
        "w",
        "select count(*) from core.identity_suggestion where first_actor_key like 'github%'"
        " and second_actor_key like 'huggingface%'",
    )[0][0]
    same = [row for row in rows if row[0]]
    found = [row for row in same if row[2] is not None]
    knowable = [row for row in same if row[1] != "different"]
    homonyms = [row for row in rows if not row[0] and row[2] is not None]
    print(
        f"\nidentities: {len(same)} planted pairs seen, {len(found)} suggested, "
        f"{len(homonyms)} homonyms among {total} suggestions: "
        f"precision {ratio(len(found), total):.3f}, recall {ratio(len(found), len(same)):.3f}, "
        f"of those with a like login {ratio(len(found), len(knowable)):.3f}"
    )
    assert len(knowable) >= 5
    assert len(found) == len(knowable)
    assert ratio(len(found), total) >= 0.75
    # A namesake is suggested like anybody else, which is why nobody is merged by it.
    assert built.rows("w", "select count(*) from core.bridge_identity") == [(0,)]


# ------------------------------------------------------------------ staff of the Hub


def night_landed(root: Path) -> HandLake:
    """A lake with a night on the twin's Hub."""
    folder = root.parent / "night"
    with served() as service:
        night(service, folder)
    shutil.move(folder / "lake", root)
    make_readable(Lake(root))
    return HandLake(root)


@pytest.fixture(scope="module")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dbt]:
    with project_on(tmp_path_factory.mktemp("staff"), night_landed) as project:
        project.run("w", "build", "--select", "+dim_actor", "--indirect-selection", "cautious",
                    "--exclude-resource-type", "unit_test")  # fmt: skip
        yield project


def test_staff_of_the_hub_is_who_it_says(staffed: Dbt) -> None:
    planted = hub_world().hub_accounts
    staff = {planted.login[k] for k in planted.is_staff.nonzero()[0].tolist()}
    shown = {
        row[0] for row in staffed.rows("w", """
            select distinct author_login from staging.stg_huggingface__discussion_events
            where author_login is not null
        """)
    }  # fmt: skip
    found = {
        row[0]: row[1:] for row in staffed.rows("w", """
            select login, decided_by, reasons from core.dim_actor
            where actor_class = 'platform_staff'
        """)
    }  # fmt: skip
    # Who wrote in no discussion is described nowhere; nobody of the staff is a listed member.
    assert staff & shown and len(shown) > 20
    assert found == dict.fromkeys(
        staff & shown, ("platform", "the platform says that it is its staff")
    )


def test_organisations_of_the_hub_are_who_it_says(staffed: Dbt) -> None:
    planted = hub_world().hub_accounts
    groups = set(planted.login[planted.person_count :])
    found = dict(
        staffed.rows("w", """
            select login, actor_class from core.dim_actor where platform = 'huggingface'
        """)
    )  # fmt: skip
    assert {login for login in found if found[login] == "organisation"} == groups & set(found)
    assert len(groups & set(found)) > 5
