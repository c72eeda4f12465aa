"""A whole refresh after which opted-out accounts are nowhere, and the next day keeps them away."""

import json
import re
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from command import run
from databases import database
from mining_twin import FIRST_DAY, SALT, SHORT, ingest, settings_for
from nights import few_draws, know_lineage
from privacy_support import rows_of, traces

from assets.github.mining import observe_github
from assets.huggingface.observation import observe
from assets.mining.engine import Night
from assets.warehouse.sources import tables
from orchestration import keys
from orchestration.failures import TransientFailure
from orchestration.lake import Lake
from orchestration.privacy import removal
from orchestration.privacy.masking import OWNER
from orchestration.runs import run_job
from orchestration.settings import Settings
from twin.server.app import Service, serving
from twin.server.limits import LimitSettings

PRIVATE = ("private/opt_out.csv", "lake/opted_out.json")
ADDRESS = re.compile(r"[\w.+-]+@(?:[\w-]+\.)+[a-z]{2,}")
# Enough for each table to have rows.
FEW = 15

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Person:
    """An account of the twin that is planted all over what is mined."""

    platform: str
    login: str
    native_id: str


@dataclass(frozen=True)
class Story:
    folder: Path
    settings: Settings
    service: Service
    people: list[Person]
    needles: list[str]
    before: dict[str, list[str]]
    journal: str


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A day is mined, two accounts opt out, and the installation is refreshed."""
    folder = tmp_path_factory.mktemp("story")
    with (
        serving(SHORT, days_elapsed=1, limits=LimitSettings(enabled=False)) as service,
        pytest.MonkeyPatch.context() as context,
    ):
        context.setenv("GITHUB_TOKEN", "token")
        context.setenv("OSMOSCOPE_EMAIL_SALT", SALT.decode())
        context.delenv("HF_TOKEN", raising=False)
        settings = small(settings_for(service.twin, folder))
        ingest(settings, FIRST_DAY)
        journal = interrupted(settings)
        mine(settings)
        people = chosen(settings)
        planted(settings, people)
        before = landed(settings)
        needles = words(settings, people)
        assert len({trace.split(" ")[0] for trace in traces(folder, needles)}) > FEW
        for person in people:
            done = run(
                "privacy", "opt-out", person.platform, person.login.upper(),
                folder=folder, OSMOSCOPE_DATA_DIR=str(folder),
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
        know_lineage(settings)
        # Of a picture, text is in its SVG.
        with patch("assets.publish.pictures.png_of", lambda _: b""):
            outcome = run_job(settings, keys.REBUILD_JOB, FIRST_DAY, FIRST_DAY)
        assert outcome.failures == []
        assert [one for one in outcome.failed_checks if one[0] == "ERROR"] == []
        yield Story(folder, settings, service, people, needles, before, journal)
    shutil.rmtree(folder, ignore_errors=True)


def small(settings: Settings) -> Settings:
    """The same with the histories of few repositories, and few draws: names are looked for."""
    return settings.model_copy(
        update={
            "study": few_draws(settings.study),
            "github": settings.github.model_copy(update={"history_limit": FEW}),
            "huggingface": settings.huggingface.model_copy(update={"history_limit": FEW}),
        }
    )


def mine(settings: Settings, day: date | None = None) -> None:
    observe_github(Lake(settings.lake_root), settings, SALT, day)
    observe(Lake(settings.lake_root), settings, SALT, day)


def interrupted(settings: Settings) -> str:
    """A night of GitHub that ends before it lands: all that its journal holds."""

    def never(*_: object) -> None:
        raise TransientFailure("the night was ended")

    with patch.object(Night, "_land", never), pytest.raises(TransientFailure, match="ended"):
        observe_github(Lake(settings.lake_root), settings, SALT)
    path = settings.mining_dir / "github.sqlite"
    with sqlite3.connect(path) as connection:
        pages = connection.execute("select body from page").fetchall()
        bad = connection.execute("select line from bad").fetchall()
    kept = [zlib.decompress(body).decode() for (body,) in pages]
    return "\n".join([*kept, *(line for (line,) in bad), path.read_bytes().decode("latin-1")])


def ask(settings: Settings, source: str, table: str, sql: str) -> list[tuple[Any, ...]]:
    files = f"{settings.lake_root}/raw/{source}/{table}/*/*.parquet"
    with database() as connection:
        return connection.execute(
            f"with rows as (from read_parquet('{files}', union_by_name = true)) {sql}"
        ).fetchall()


def chosen(settings: Settings) -> list[Person]:
    """On each platform the account that is in the most tables."""
    github = ask(
        settings, "github", "commits",
        "select author_login, author_id from rows where author_id is not null "
        "and author_login not like '%[bot]' group by all order by count(*) desc, 1 limit 1",
    )  # fmt: skip
    hub = ask(
        settings, "huggingface", "organisation_members",
        "select member_login, member_id from rows order by 1 limit 1",
    )  # fmt: skip
    people = [("github", *github[0]), ("huggingface", *hub[0])]
    return [Person(platform, login, str(number)) for platform, login, number in people]


def words(settings: Settings, people: list[Person]) -> list[str]:
    """What tells them: logins, numbers, hashes of addresses that GitHub linked with them."""
    hashes = ask(
        settings, "github", "commits",
        f"select distinct author_address_hash from rows where author_id = {people[0].native_id}",
    )  # fmt: skip
    found = [word for one in people for word in (one.login, one.native_id)]
    return [*found, *(value.removeprefix("email:") for (value,) in hashes)]


def planted(settings: Settings, people: list[Person]) -> None:
    """What the twin has not: rows, texts, an older warehouse and copy, a preview in a log."""
    one, two = people
    lake, day = Lake(settings.lake_root), FIRST_DAY
    rows = {
        ("github", "organisation_members"): (
            "select 77 as organisation_id, 'an-org' as organisation_login, "
            f"unnest([{one.native_id}, 5]) as member_id, unnest(['{one.login}', 'eve']) "
            "as member_login, 'User' as member_type, true as is_public"
        ),
        ("huggingface", "likers"): (
            "select 'model' as repository_type, 'o/m' as repository_name, "
            f"unnest(['{two.login}', 'eve']) as actor_login"
        ),
        ("github", "issue_comments"): (
            f"select 1 as repository_id, 1 as issue_number, 99 as comment_id, 5 as author_id, "
            f"'eve' as author_login, 'as @{one.login} says in github.com/{one.login}/x' as body"
        ),
    }
    for (source, table), sql in rows.items():
        with lake.temporary(".parquet") as parquet, database() as connection:
            stamp = f"timestamp '{day}' as observed_at, timestamp '{day}' as created_at"
            stamp = stamp if table == "issue_comments" else stamp.split(",")[0]
            declared = tables()[source][table].items()
            columns = ", ".join(f'"{name}" {kind}' for name, kind in declared)
            connection.execute(f"create table whole ({columns})")
            connection.execute(f"insert into whole by name {sql}, {stamp}")
            connection.execute(f"copy whole to '{parquet}' (format parquet)")
            row = {"name": "planted", "state": "ok", "row_count": 2 - (table == "issue_comments")}
            row |= {"duplicate_count": 0, "malformed_count": 0, "source_bytes": 0}
            lake.partition(source, table, day).commit(row, parquet)
    with database(settings.warehouse_path) as connection:
        connection.execute("create schema core")
        connection.execute(f"create table core.dim_actor as select '{one.login}' as login")
    old = settings.published_dir / "versions" / "20200101T000000Z-000-abc"
    old.mkdir(parents=True)
    (old / "marts.csv").write_text(f"{one.login}/x\n")
    (settings.published_dir / "report.html").write_text(f"<p>{one.login}/x</p>")
    log = settings.data_dir / "dagster" / "history" / "old.db"
    log.parent.mkdir(parents=True)
    with sqlite3.connect(log) as connection:
        connection.execute("create table event_logs (id integer primary key, event TEXT)")
        preview = json.dumps({"records": [{"actor_login": one.login, "actor_id": 1}]})
        connection.execute("insert into event_logs (event) values (?)", [preview])


def landed(settings: Settings) -> dict[str, list[str]]:
    """The rows that manifests name as JSON, by file."""
    found: dict[str, list[str]] = {}
    lake = Lake(settings.lake_root)
    for folder in sorted((settings.lake_root / "raw").glob("*/*")):
        for day in lake.days(folder.parent.name, folder.name):
            partition = lake.partition(folder.parent.name, folder.name, day)
            for entry in partition.entries():
                if entry.get("file"):
                    place = f"{folder.parent.name}/{folder.name}/{day}/{entry['name']}"
                    found[place] = rows_of(partition.folder / entry["file"])
    return found


def test_no_address_was_in_the_journal(story: Story) -> None:
    assert story.journal.count("email:") > 100
    found = set(ADDRESS.findall(story.journal))
    assert {one for one in found if not one.startswith("git@")} == set()


def test_after_the_refresh_the_accounts_are_nowhere(story: Story) -> None:
    assert traces(story.folder, story.needles, PRIVATE) == []
    assert not any(removal.is_due(story.settings, part) for part in removal.PARTS)


def test_copies_of_before_are_gone(story: Story) -> None:
    versions = list((story.settings.published_dir / "versions").iterdir())
    assert len(versions) == 1
    assert (story.settings.published_dir / "report.html").is_file()


def test_everybody_else_s_rows_are_as_they_were(story: Story) -> None:
    told = re.compile("|".join(map(re.escape, story.needles)), re.IGNORECASE)
    after = landed(story.settings)
    assert after.keys() == story.before.keys()
    changed = 0
    for place, rows in story.before.items():
        others = [row for row in rows if not told.search(row)]
        known = set(others)
        kept = [row for row in after[place] if row in known] if len(others) < len(rows) else None
        changed += kept is not None
        assert (after[place] if kept is None else kept) == others, place
    assert changed > 4


def test_acts_are_counted_as_before(story: Story) -> None:
    after = landed(story.settings)
    for place, rows in story.before.items():
        if place.startswith(("gharchive/events", "github/commits", "github/issue")):
            assert len(after[place]) == len(rows), place
    with database(story.settings.warehouse_path, read_only=True) as connection:
        (acts,) = connection.execute(
            "select count(*) filter (actor_key is null), count(*) from core.fct_interaction "
            "where platform = 'github'"
        ).fetchall()
    assert 0 < acts[0] < acts[1]


def test_their_repositories_stay_under_another_name(story: Story) -> None:
    with database(story.settings.warehouse_path, read_only=True) as connection:
        found = connection.execute(
            "select repository_name, owner_name, repository_key from core.dim_repository "
            "where starts_with(repository_name, '~')"
        ).fetchall()
    owners = {owner for _, owner, _ in found}
    assert owners <= {OWNER}
    assert len({name for name, _, _ in found}) == len({key for _, _, key in found})


def test_the_next_day_keeps_them_away_although_sources_send_them(story: Story) -> None:
    story.service.twin.advance()
    following = FIRST_DAY + timedelta(1)
    ingest(story.settings, following)
    mine(story.settings)
    # Before anything is swept: what lands is clean already.
    lake_traces = traces(story.settings.lake_root, story.needles, ("opted_out.json",))
    assert lake_traces == []
    removal.apply(story.settings, SALT)
    assert traces(story.folder, story.needles, PRIVATE) == []
    rows = [json.loads(row) for place, rows in landed(story.settings).items() for row in rows
            if place.startswith(f"gharchive/events/{following}")]  # fmt: skip
    assert any(row["actor_login"] is None for row in rows)
    # Repositories of opted-out owners are not asked about under a name that is none.
    asked = ask(
        story.settings, "github", "answers",
        "select starts_with(repository_name, '~'), count(*) from rows "
        "where repository_name is not null "
        "and observed_at = (select max(observed_at) from rows) group by all",
    )  # fmt: skip
    assert len(asked) == 1
    assert asked[0][0] is False
