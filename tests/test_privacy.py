"""Opted-out accounts in single values and files, the list itself, and pseudonyms."""

import json
import stat
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from databases import database
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.github.lines import AddressHasher
from assets.publish.names import Names
from assets.publish.snapshot import PUBLISHED_TABLES, publish
from checks.privacy import published_is_pseudonymous
from orchestration.failures import PermanentFailure, SettingsError
from orchestration.lake import Lake
from orchestration.privacy import optout, tables
from orchestration.privacy.masking import OWNER, Masker
from orchestration.privacy.optout import Account, Entry
from orchestration.privacy.pseudonyms import Pseudonyms, publish_key
from orchestration.privacy.removal import address_hash

DAY = date(2025, 10, 7)
SALT = b"0123456789abcdef-salt"
HASH = "email:" + "ab" * 16
OTHER_HASH = "email:" + "cd" * 16
ADA = Account("github", "501", frozenset({"ada-l", "adalove"}), frozenset({HASH}))
WORD = Account("github", "502", frozenset({"linus"}), frozenset())
HUB_ADA = Account("huggingface", "a" * 24, frozenset({"ada-hub"}), frozenset())
ACCOUNTS = (ADA, WORD, HUB_ADA)
github = Masker(ACCOUNTS, "github", "secret")
hub = Masker(ACCOUNTS, "huggingface", "secret")


# ---------------------------------------------------------------- texts


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Thanks @Ada-L!", f"Thanks {OWNER}!"),
        ("ada-l did it", f"{OWNER} did it"),
        ("see (adalove/x), @LINUS", None),
        ("https://github.com/linus", f"https://github.com/{OWNER}"),
        ("https://api.github.com/users/Linus?a=1", f"https://api.github.com/users/{OWNER}?a=1"),
        (f"Signed-off-by: Ada L <{HASH}>", f"Signed-off-by: {OWNER}"),
        (f"x\nCo-authored-by: Ada L <{HASH} example.org>\ny", f"x\nCo-authored-by: {OWNER}\ny"),
        ('{"broken": "linus", ', f'{{"broken": "{OWNER}", '),
        ("github:actor:501 and github:actor:5011", f"{OWNER} and github:actor:5011"),
    ],
)
def test_an_account_is_taken_out_of_a_text(text: str, left: str | None) -> None:
    masked = github.text(text)
    assert masked is not None
    if left is not None:
        assert masked == left
    for login in ("ada-l", "adalove/", "@linus", HASH):
        assert login not in masked.lower()


@pytest.mark.parametrize("text", ["Ada-L", "ADALOVE", "linus", HASH])
def test_a_text_that_is_nothing_but_an_account_is_gone(text: str) -> None:
    assert github.text(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "linus said so, and Linus's law",
        "ada-lovelace, x-ada-l, ada-l-2, @ada-l_2 and ada-ll/x are others",
        "mail@ada-lx.org",
        f"Signed-off-by: Bob <{OTHER_HASH}>",
        "src/linus/main.c",
        "ada-hub is another platform's",
        "",
    ],
)
def test_other_accounts_and_words_stay(text: str) -> None:
    assert github.text(text) == text


def test_an_account_of_the_other_platform_is_found_by_its_web_address_only() -> None:
    assert hub.text("https://github.com/linus/x").startswith(f"https://github.com/{OWNER}/~")
    assert hub.text("@linus linus/x ada-l") == "@linus linus/x ada-l"
    assert hub.text("https://hf.co/datasets/Ada-Hub/d") != "https://hf.co/datasets/Ada-Hub/d"


@settings(max_examples=200)
@given(st.text(alphabet='adliovenus-_/@.:~ \n"{}', max_size=60))
def test_masking_twice_is_masking_once(text: str) -> None:
    once = github.text(text)
    assert once is None or github.text(once) == once
    if once is not None:
        assert "@ada-l " not in f"{once} ".lower()


@given(st.text(max_size=80))
def test_a_text_without_an_account_is_untouched(text: str) -> None:
    if not any(name in text.lower() for name in ("ada", "linus")):
        assert github.text(text) == text


# ---------------------------------------------------------------- names and JSON


def test_names_of_repositories_stay_apart_and_tell_no_owner() -> None:
    one, two = github.name("Ada-L/x"), github.name("ada-l/y")
    assert one is not None
    assert one.startswith(f"{OWNER}/~")
    assert one != two
    assert github.name("linus/x") not in {one, two}
    # The same at every landing, on GitHub in any case, and another one elsewhere.
    assert github.name("ada-l/X") == one == Masker(ACCOUNTS, "github", "secret").name("ada-l/x")
    assert Masker(ACCOUNTS, "github", "another").name("ada-l/x") != one
    assert hub.name("ada-hub/X") != hub.name("ada-hub/x")
    assert github.name("bob/ada-l.github.io") == f"bob/{OWNER}.github.io"
    # In a text, in a web address and in a subject a repository is the same one.
    assert github.text("fixes ada-l/x now") == f"fixes {one} now"
    assert hub.subject("model/Ada-Hub/x#3") == f"model/{hub.name('ada-hub/x')}#3"
    assert hub.subject("model/bob/x@65f") == "model/bob/x@65f"


def test_json_loses_what_belongs_to_the_account_and_nothing_else() -> None:
    event = {
        "id": "9", "actor": {"id": 501, "login": "renamed", "url": "u"},
        "payload": {"commits": [
            {"sha": "1", "message": "m", "author": {"name": "Ada", "email": HASH}},
            {"sha": "2", "message": "n", "author": {"name": "Bob", "email": OTHER_HASH}},
        ]},
        "repo": {"id": 501, "name": "bob/x"}, "member_id": 501, "member_login": "bob",
    }  # fmt: skip
    masked = github.json(event)
    assert masked["payload"]["commits"][0] == {
        "sha": "1", "message": None, "author": {"name": None, "email": None},
    }  # fmt: skip
    assert masked["payload"]["commits"][1] == event["payload"]["commits"][1]
    assert masked["repo"] == {"id": 501, "name": "bob/x"}
    assert masked["member_id"] is None
    named = {"user": {"id": 501, "login": "ADA-L", "type": "User"}, "owner": [501, "ada-l", "User"]}
    assert github.json(named) == {
        "user": {"id": None, "login": None, "type": "User"}, "owner": [None, None, "User"],
    }  # fmt: skip
    shown = {"actor_id": 501, "actor_login": "ada-l", "rows": 501}
    assert github.json(shown, gone="gone") == {"actor_id": 0, "actor_login": "gone", "rows": 501}


# ---------------------------------------------------------------- files


def listed(root: Path, *entries: Entry) -> Lake:
    root.mkdir(parents=True, exist_ok=True)
    optout.compile_for(root, list(entries))
    return Lake(root)


def entry(platform: str = "github", native_id: str | None = "501", login: str | None = "ada-l",
          **more: Any) -> Entry:  # fmt: skip
    return Entry(platform, native_id, login, DAY, **more)


def land(lake: Lake, source: str, table: str, sql: str, **row: Any) -> list[dict[str, Any]]:
    """Rows as they are in the lake after the rows of a query were landed."""
    partition = lake.partition(source, table, DAY)
    with lake.temporary(".parquet") as parquet, database() as connection:
        connection.execute(f"copy ({sql}) to '{parquet}' (format parquet)")
        written = partition.commit({"name": "x", "row_count": row.get("count", 0)}, parquet)
    with database() as connection:
        found = connection.execute(
            f"select * from read_parquet('{partition.folder / written['file']}', "
            "hive_partitioning = false)"
        )
        names = [column[0] for column in found.description or []]
        rows = [dict(zip(names, values, strict=True)) for values in found.fetchall()]
    if "count" in row:
        assert written["row_count"] == len(rows)
    return rows


EVENTS = """
    select unnest([1, 2, 3, 4]) as event_id,
        unnest([501, 7, 7, 8]) as actor_id,
        unnest(['renamed-since', 'bob', 'ada-l', 'eve']) as actor_login,
        unnest(['bob/x', 'Ada-L/y', 'bob/x', 'eve/z']) as repository_name,
        unnest([7, 501, null, 8]) as thread_author_id,
        unnest(['bob', 'ada-l', 'ada-l', 'eve']) as thread_author_login,
        unnest(['t1', 't2', 't3', 't4']) as thread_title,
        unnest(['mine', 'hi @renamed-since', 'c3', 'c4']) as comment_body,
        [{'sha': 's', 'message': 'm', 'author': {'name': 'N', 'email': 'email:x'}}] as commits,
        timestamp '2025-10-07 01:00:00' as created_at
"""


def test_an_event_stays_as_an_act_of_nobody(tmp_path: Path) -> None:
    lake = listed(tmp_path / "lake", entry())
    one, two, three, four = land(lake, "gharchive", "events", EVENTS)
    assert (one["actor_id"], one["actor_login"], one["comment_body"]) == (None, None, None)
    # Other people's part of the row is as it was.
    assert (one["thread_author_login"], one["thread_title"]) == ("bob", "t1")
    assert one["commits"] == [{"sha": "s", "message": None, "author": None}]
    assert two["repository_name"].startswith(f"{OWNER}/~")
    assert (two["thread_author_id"], two["thread_title"]) == (None, None)
    assert two["actor_login"] == "bob"
    # A number that is another's decides over a login that was given up; without one it is theirs.
    assert (three["actor_id"], three["actor_login"]) == (7, "ada-l")
    assert three["thread_author_login"] is None
    assert four == {
        "event_id": 4, "actor_id": 8, "actor_login": "eve", "repository_name": "eve/z",
        "thread_author_id": 8, "thread_author_login": "eve", "thread_title": "t4",
        "comment_body": "c4", "created_at": four["created_at"],
        "commits": [{"sha": "s", "message": "m", "author": {"name": "N", "email": "email:x"}}],
    }  # fmt: skip


def test_an_account_is_followed_under_its_other_names(tmp_path: Path) -> None:
    lake = listed(tmp_path / "lake", entry())
    rows = land(lake, "gharchive", "events", EVENTS)
    # The row of number 501 told another login, which was met elsewhere in the same file.
    assert rows[1]["comment_body"] == f"hi {OWNER}"
    known = optout.compiled(lake.root)
    assert known is not None
    assert known.accounts()[0].logins == {"ada-l", "renamed-since"}


def test_a_login_alone_finds_the_number(tmp_path: Path) -> None:
    lake = listed(tmp_path / "lake", entry(native_id=None, login="EVE"))
    rows = land(lake, "gharchive", "events", EVENTS)
    assert (rows[3]["actor_id"], rows[3]["repository_name"][:9]) == (None, f"{OWNER}/")
    known = optout.compiled(lake.root)
    assert known is not None
    assert known.accounts()[0].native_id == "8"


def test_rows_about_nothing_but_the_account_go(tmp_path: Path) -> None:
    lake = listed(tmp_path / "lake", entry("huggingface", None, "Ada-Hub"))
    likers = "select 'a/b' as repository_name, unnest(['ada-hub', 'bob']) as actor_login"
    assert [one["actor_login"] for one in land(lake, "huggingface", "likers", likers, count=2)] == [
        "bob"
    ]
    members = (
        "select unnest(['org', 'ADA-HUB', 'org']) as organisation_login, "
        "unnest(['ada-hub', 'x', 'bob']) as member_login, unnest(['1', '2', '3']) as member_id"
    )
    rows = land(lake, "huggingface", "organisation_members", members, count=3)
    assert [one["member_login"] for one in rows] == ["bob"]
    subjects = ["ada-hub", "model/Ada-Hub/x", "model/bob/y"]
    answers = f"select 'account' as kind, unnest({subjects}) as subject, '{{}}' as seen"
    rows = land(lake, "huggingface", "answers", answers, count=3)
    assert [one["subject"].split("/")[1] for one in rows] == [OWNER, "bob"]


def test_lists_and_structures_lose_the_account(tmp_path: Path) -> None:
    lake = listed(tmp_path / "lake", entry("huggingface", None, "ada-hub"), entry(
        address_hashes=(HASH,)))  # fmt: skip
    commits = "select ['ada-hub', 'bob'] as authors, 'title' as title, 'o/r' as repository_name"
    assert land(lake, "huggingface", "commits", commits) == [
        {"authors": [None, "bob"], "title": None, "repository_name": "o/r"}
    ]
    models = (
        "select 'ada-hub/m' as repository_name, 'ada-hub' as owner_name, '{}' as extra, "
        "['pytorch', 'base_model:ada-hub/n'] as tags, [{'name': 'ada-hub/n', 'relation': 'merge'}] "
        "as base_models union all select 'bob/m', 'bob', '{\"a\":1}', ['t'], null"
    )
    own, other = land(lake, "huggingface", "models", models)
    assert (own["owner_name"], own["extra"]) == (None, None)
    assert own["tags"] == ["pytorch", f"base_model:{own['base_models'][0]['name']}"]
    assert other == {
        "repository_name": "bob/m", "owner_name": "bob", "extra": '{"a":1}', "tags": ["t"],
        "base_models": None,
    }  # fmt: skip
    git = (
        f"select 7 as author_id, 'bob' as author_login, 'Bob' as author_name, "
        f"'{OTHER_HASH}' as author_address_hash, 'm' as message, "
        f"[{{'name': 'Ada', 'address_hash': '{HASH}'}}, {{'name': 'Cy', 'address_hash': null}}] "
        "as co_authors"
    )
    unlinked = git.replace("7 as", "null::bigint as").replace(f"'{OTHER_HASH}'", f"'{HASH} x.org'")
    (row,) = land(lake, "github", "commits", unlinked.replace("'bob'", "null::varchar"))
    assert (row["author_name"], row["author_address_hash"], row["message"]) == (None, None, None)
    assert land(lake, "github", "commits", git)[0]["co_authors"] == [
        {"name": None, "address_hash": None}, {"name": "Cy", "address_hash": None},
    ]  # fmt: skip


def test_a_file_without_the_account_keeps_its_bytes(tmp_path: Path) -> None:
    clean, other = Lake(tmp_path / "clean"), listed(tmp_path / "lake", entry(login="nobody-1"))
    sql = EVENTS.replace("501", "9")
    land(clean, "gharchive", "events", sql)
    land(other, "gharchive", "events", sql)
    hashes = [lake.partition("gharchive", "events", DAY).content_hash() for lake in (clean, other)]
    assert hashes[0] == hashes[1]


def test_every_landed_column_that_tells_an_account_is_covered(tmp_path: Path) -> None:
    """A planted account in every text, list and number of every table is nowhere afterwards."""
    from assets.warehouse.sources import tables as all_tables

    lake = listed(tmp_path / "lake", entry(), entry("huggingface", None, "ada-l"))
    plant = {"VARCHAR": "'ada-l'", "VARCHAR[]": "['ada-l']"}
    for source, schemas in all_tables().items():
        for table, columns in schemas.items():
            told = []
            for name, kind in columns.items():
                value = plant.get(kind, "null")
                if name.endswith("repository_name") or name in {"forkee_name", "name_now"}:
                    value = "'Ada-L/x'"
                told.append(f'{value}::{kind} as "{name}"')
            for row in land(lake, source, table, f"select {', '.join(told)}"):
                assert "ada-l" not in str(row).lower(), (source, table)


# ---------------------------------------------------------------- the list


def test_the_list_survives_a_round_trip_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "private" / "list.csv"
    entries = [
        entry(note="by mail, of 3 May", address_hashes=(HASH,)),
        entry("huggingface", None, "Ada_Hub"),
    ]
    optout.write(path, entries)
    assert optout.read(path) == entries
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert optout.read(tmp_path / "none.csv") == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "columns none"),
        ("login\nx\n", "columns login"),
        ("platform,login,age\n", "columns platform, login, age"),
        ("platform,login\ngitlab,x\n", "Line 2.*'gitlab'"),
        ("platform,login\ngithub,a\ngithub,../x\n", "Line 3.*no login"),
        ("platform,native_id\ngithub,12a\n", "Line 2.*no id of github"),
        ("platform,login\ngithub,\n", "neither native_id nor login"),
        ("platform,login,since\ngithub,a,soon\n", "Line 2"),
        ("platform,login\ngithub,a,b,c\n", "more cells"),
        ("platform,login,note\ngithub,a,=1+1\n", "begins as a formula"),
    ],
)
def test_a_list_that_is_not_understood_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(SettingsError, match=told):
        optout.read(path)


def test_what_is_typed_is_told_apart() -> None:
    def typed(platform: str, text: str) -> tuple[str | None, str | None]:
        found = optout.checked(platform, text, DAY)
        return found.native_id, found.login

    assert typed("github", "123") == ("123", None)
    assert typed("github", "@123") == (None, "123")
    assert typed("github", "@Ada-L") == (None, "Ada-L")
    assert typed("huggingface", "ab" * 12) == ("ab" * 12, None)
    assert typed("huggingface", "123") == (None, "123")
    for wrong in ("", "@", "a/b", "a b", "x" * 200):
        with pytest.raises(SettingsError):
            optout.checked("github", wrong, DAY)


def test_rows_of_one_account_are_one() -> None:
    found = optout.accounts(
        [
            entry(native_id=None, login="ADALOVE"),
            entry(login="adalove"),
            entry(login="ada-l", address_hashes=(HASH,)),
            entry("huggingface", None, "ada-l"),
        ]
    )
    assert len(found) == 2
    assert found[0] == replace(ADA, logins=frozenset({"ada-l", "adalove"}))


def test_a_broken_copy_of_the_list_stops_landing(tmp_path: Path) -> None:
    lake = listed(tmp_path / "lake", entry())
    (lake.root / optout.COMPILED).write_text("{")
    with pytest.raises(PermanentFailure, match="cannot be read"):
        land(lake, "gharchive", "events", EVENTS)


def test_has_any_needs_no_other_copy(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    with database() as connection:
        connection.execute(f"copy ({EVENTS}) to '{path}' (format parquet)")
    with tables.connected() as connection:
        assert tables.has_any(connection, path, github, "events")
        assert not tables.has_any(connection, path, Masker((HUB_ADA,), "github", "s"), "events")


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    "address", ["501+Ada-L@users.noreply.github.com", "ada-l@users.noreply.github.com"]
)
def test_github_s_own_addresses_are_hashed_and_found_again(address: str) -> None:
    line = json.dumps({"email": address, "message": f"x\n\nCo-authored-by: A <{address}>"}).encode()
    hashed = AddressHasher(SALT)(line).decode()
    assert "ada-l" not in hashed.lower()
    assert hashed.count(address_hash(address, SALT)) == 2


# ---------------------------------------------------------------- pseudonyms


def test_pseudonyms_are_stable_and_keyed(tmp_path: Path) -> None:
    key = publish_key(tmp_path / "one")
    assert key == publish_key(tmp_path / "one") != publish_key(tmp_path / "two")
    assert stat.S_IMODE((tmp_path / "one" / "publish.key").stat().st_mode) == 0o600
    one, two = Pseudonyms(key), Pseudonyms(publish_key(tmp_path / "two"))
    assert one.of("owner", "ada") == Pseudonyms(key).of("owner", "ada")
    assert len({one.of("owner", "ada"), two.of("owner", "ada"), one.of("name", "ada")}) == 3
    (tmp_path / "one" / "publish.key").write_text("short")
    with pytest.raises(PermanentFailure, match="shorter than"):
        publish_key(tmp_path / "one")


@given(st.text(max_size=40))
@settings(max_examples=50, deadline=None)
def test_sql_and_python_give_the_same_pseudonym(text: str) -> None:
    made = Pseudonyms(b"k" * 64)
    with database() as connection:
        found = connection.execute(f"select {made.sql('actor', '$t')}", {"t": text}).fetchone()
    assert found == (made.of("actor", text),)


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """People and organisations, with repositories on both platforms."""
    path = tmp_path / "warehouse.duckdb"
    rows = [
        ("github", "github:repository:1", "1", "Ada-L/x", "Ada-L"),
        ("github", "github:repository:2", "2", "big-org/y", "big-org"),
        ("github", "github:repository:3", "3", "ada-l/z", "ada-l"),
        ("huggingface", "huggingface:model:name:ada-l/m", "name:ada-l/m", "ada-l/m", "ada-l"),
        ("huggingface", "huggingface:model:name:bert", "name:bert", "bert", None),
        ("huggingface", "huggingface:model:6", "6", "hub-org/m", None),
        ("github", "github:repository:7", "7", f"{OWNER}/~00", OWNER),
        ("github", "github:repository:8", "8", None, None),
    ]
    with database(path) as connection:
        connection.execute("create schema marts; create schema core")
        for table in PUBLISHED_TABLES:
            connection.execute(f"create table marts.{table} (platform varchar, day date)")
        connection.execute(
            "create or replace table marts.mart_repository_activity (platform varchar, "
            "repository_key varchar, native_id varchar, repository_name varchar, "
            "owner_name varchar)"
        )
        connection.executemany(
            "insert into marts.mart_repository_activity values (?, ?, ?, ?, ?)", rows
        )
        connection.execute(
            "create table core.dim_organisation as from (values ('github', 'Big-Org')) "
            "as t(platform, login)"
        )
        connection.execute(
            "create table core.dim_repository as from (values ('huggingface', 'hub-org', "
            "'organisation'), ('github', 'Ada-L', 'user')) as t(platform, owner_name, owner_type)"
        )
        connection.execute(
            "create table core.dim_actor as from (values ('github', 'ada-l', 'person'), "
            "('huggingface', 'ADA-L', 'unknown'), ('github', 'big-org', 'unknown'), "
            "('github', 'build-bot', 'bot')) as t(platform, login, actor_class)"
        )
    return path


def copied(warehouse: Path, shown: Any, key: bytes = b"k" * 64) -> dict[int, Any]:
    """Number of the repository to key, id, name and owner in the copy."""
    folder = warehouse.parent / "published"
    publish(warehouse, folder, 1, names=Names(shown, Pseudonyms(key)))
    with database(folder / "marts.duckdb", read_only=True) as connection:
        found = connection.execute(
            "select repository_key, native_id, repository_name, owner_name "
            "from mart_repository_activity order by rowid"
        ).fetchall()
    return dict(enumerate(found, 1))


def test_names_of_organisations_are_shown_and_those_of_people_are_not(warehouse: Path) -> None:
    found = copied(warehouse, "organisations")
    assert found[2][2:] == ("big-org/y", "big-org")
    assert found[6][2:] == ("hub-org/m", None)
    assert found[5] == ("huggingface:model:name:bert", "name:bert", "bert", None)
    assert found[7][2:] == (f"{OWNER}/~00", OWNER)
    assert found[8] == ("github:repository:8", "8", None, None)
    owner = found[1][3]
    assert owner == found[3][3] == found[1][2].split("/")[0] == found[3][2].split("/")[0]
    assert found[1][2] != found[3][2]
    assert found[4][3] != owner, "one name on two platforms is two accounts"
    assert found[4][0] == f"huggingface:model:name:{found[4][2]}"
    assert found[4][1] == f"name:{found[4][2]}"
    assert "ada" not in str(found).lower()
    assert found == copied(warehouse, "organisations")
    assert found[1] != copied(warehouse, "organisations", b"x" * 64)[1]


def test_all_names_or_none(warehouse: Path) -> None:
    shown = copied(warehouse, "all")
    assert (shown[1][2], shown[4][0]) == ("Ada-L/x", "huggingface:model:name:ada-l/m")
    hidden = copied(warehouse, "none")
    assert all(row[2] is None or row[2].startswith("~") for row in hidden.values())
    assert [row[0] for row in hidden.values()][:3] == [row[0] for row in shown.values()][:3]


def test_a_key_of_an_account_is_published_as_a_pseudonym_only(warehouse: Path) -> None:
    with database(warehouse) as connection:
        connection.execute("alter table marts.mart_coverage add column actor_key varchar")
        connection.execute(
            "insert into marts.mart_coverage values ('github', null, 'github:actor:501')"
        )
    copied(warehouse, "all")
    folder = warehouse.parent / "published"
    with database(folder / "marts.duckdb", read_only=True) as connection:
        (told,) = connection.execute("select actor_key from mart_coverage").fetchall()
    assert told == (Pseudonyms(b"k" * 64).of("actor", "github:actor:501"),)
    with pytest.raises(PermanentFailure, match="actor_key"):
        publish(warehouse, folder, 1)


# ---------------------------------------------------------------- the check


def test_the_copy_is_found_pseudonymous(warehouse: Path) -> None:
    copied(warehouse, "organisations")
    outcome = published_is_pseudonymous(warehouse, warehouse.parent / "published", "organisations")
    assert outcome.passed, outcome
    assert outcome.metadata["people_known"] == 2


def test_an_unpublished_copy_is_passed(warehouse: Path) -> None:
    assert published_is_pseudonymous(warehouse, warehouse.parent / "none", "all").passed


@pytest.mark.parametrize(
    ("names", "shown", "opted_out", "column"),
    [
        ("all", "organisations", [], "owner_name"),
        ("all", "organisations", [], "repository_key"),
        ("all", "all", [ADA], "repository_name"),
        ("organisations", "organisations", [replace(ADA, logins=frozenset({"big-org"}))],
         "owner_name"),
    ],
)  # fmt: skip
def test_a_name_that_was_left_in_is_found(
    warehouse: Path, names: str, shown: str, opted_out: list[Account], column: str
) -> None:
    copied(warehouse, names)
    folder = warehouse.parent / "published"
    outcome = published_is_pseudonymous(warehouse, folder, shown, opted_out)
    assert not outcome.passed
    assert outcome.severity == "error"
    assert column in {row["column"] for row in outcome.metadata["values"]}
    # What is found is counted, never shown.
    assert "ada" not in outcome.description.lower() + str(outcome.metadata).lower()


@pytest.mark.parametrize("text", ["github:actor:501", "huggingface:actor:ada-l", HASH])
def test_a_raw_key_in_any_column_is_found(warehouse: Path, text: str) -> None:
    with database(warehouse) as connection:
        connection.execute("alter table marts.mart_coverage add column what varchar")
        connection.execute("insert into marts.mart_coverage values ('github', null, ?)", [text])
    copied(warehouse, "organisations")
    outcome = published_is_pseudonymous(warehouse, warehouse.parent / "published", "all")
    assert [row["what"] for row in outcome.metadata["values"]] == ["key of an account"]


def test_a_long_column_of_logins_is_found_whatever_its_name(warehouse: Path) -> None:
    with database(warehouse) as connection:
        connection.execute("alter table marts.mart_coverage add column top varchar")
        connection.execute(
            "insert into marts.mart_coverage select 'github', null, 'word' || i "
            "from range(500) t(i) union all values ('github', null, 'Ada-L')"
        )
    copied(warehouse, "organisations")
    outcome = published_is_pseudonymous(warehouse, warehouse.parent / "published", "organisations")
    assert [(row["column"], row["found"]) for row in outcome.metadata["values"]] == [("top", 1)]
