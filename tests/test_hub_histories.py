"""Histories of single repositories: what is asked, kept, and not asked again."""

import json
import sqlite3
import zlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hub_server import Fault, Hub, model, serving

from assets.huggingface.observation import observe
from orchestration.clients.http import Http
from orchestration.clients.huggingface import hub_client
from orchestration.failures import PermanentFailure, TransientFailure
from orchestration.lake import Entry, Lake
from orchestration.settings import HuggingFaceSettings, Settings

SALT = b"0123456789abcdef-salt"
FIRST, SECOND, THIRD = date(2026, 8, 22), date(2026, 8, 23), date(2026, 8, 24)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Http.__init__.__kwdefaults__, "backoff_seconds", 0.005)


def commit(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"{number:040x}",
        "title": f"change {number}",
        "message": "",
        "authors": [{"user": "ana"}],
        "date": f"2025-01-{number % 28 + 1:02d}T06:00:00.000Z",
        **more,
    }


def discussion(number: int, **more: Any) -> dict[str, Any]:
    return {
        "num": number,
        "author": {"name": "bo"},
        "title": f"question {number}",
        "status": "open",
        "createdAt": "2025-02-01T06:00:00.000Z",
        "isPullRequest": False,
        "numComments": 1,
        **more,
    }


def event(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"event-{number}",
        "type": "comment",
        "author": {"name": "bo"},
        "createdAt": "2025-02-01T06:00:00.000Z",
        "data": {"edited": False, "hidden": False, "latest": {"raw": f"text {number}"}},
        **more,
    }


def name(number: int) -> str:
    return f"owner-{number % 7}/model-{number}"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving([model(number, likes=number, gated=False) for number in range(12)]) as server:
        for number in range(12):
            server.commits[name(number)] = [
                *(commit(number * 100 + k) for k in range(number, 0, -1)),
                commit(number * 100, authors=[{"user": "system"}]),
            ]
        server.discussions[name(11)] = [discussion(k) for k in range(13, 0, -1)]
        yield server


def night(folder: Path, hub: Hub, day: date | None, **options: Any) -> list[Entry]:
    hub.requests.clear()
    limits = {"nightly_limit": 12, "liker_limit": 0, "repository_types": ["model"]}
    chosen = Settings(
        data_dir=folder,
        huggingface=HuggingFaceSettings(endpoint=hub.url, **{**limits, **options}),
    )
    return observe(Lake(chosen.lake_root), chosen, SALT, day)


def rows(folder: Path, table: str, day: date, what: str = "*", rest: str = "") -> list[Any]:
    partition = Lake(folder / "lake").partition("huggingface", table, day)
    files = [str(file) for file in partition.current_files()]
    query = f"select {what} from read_parquet($files) {rest}"
    return duckdb.execute(query, {"files": files}).fetchall()


def outcomes(folder: Path, kind: str, day: date = FIRST) -> dict[str, str]:
    found = rows(folder, "answers", day, "subject, outcome", f"where kind = '{kind}'")
    return {subject.removeprefix("model/"): outcome for subject, outcome in found}


def asked(hub: Hub, *words: str) -> int:
    return sum(all(word in request for word in words) for request in hub.requests)


def test_every_commit_and_discussion_is_kept_once(tmp_path: Path, hub: Hub) -> None:
    entries = night(tmp_path, hub, FIRST)
    assert {entry["state"] for entry in entries} == {"ok"}
    counted = dict(rows(tmp_path, "commits", FIRST, "repository_name, count(*)", "group by all"))
    assert counted == {name(n): n + 1 for n in range(12)}
    numbers = rows(tmp_path, "discussions", FIRST, "discussion_number", "order by all")
    assert [n for (n,) in numbers] == list(range(1, 14))


def test_the_most_liked_are_asked(tmp_path: Path, hub: Hub) -> None:
    night(tmp_path, hub, FIRST, history_limit=3)
    assert outcomes(tmp_path, "commits").keys() == {name(9), name(10), name(11)}


def test_the_second_night_asks_for_commits_of_what_changed_only(tmp_path: Path, hub: Hub) -> None:
    night(tmp_path, hub, FIRST)
    assert asked(hub, "/commits/") == 12
    assert asked(hub, "/discussions/") == 13
    hub.models[4]["lastModified"] = "2026-08-22T20:00:00.000Z"
    hub.commits[name(4)].insert(0, commit(499))
    hub.discussions[name(7)] = [discussion(1)]
    hub.discussions[name(11)][3]["numComments"] = 2
    night(tmp_path, hub, SECOND)
    assert asked(hub, "/commits/") == 1
    assert asked(hub, "/discussions?") == 11 + 3
    # One is new, of one the number of comments moved.
    assert asked(hub, "/discussions/") == 2
    counted = "count(*)::int"
    assert rows(tmp_path, "commits", SECOND, counted) == [(6,)]
    assert rows(tmp_path, "discussions", SECOND, counted) == [(14,)]
    told = dict(rows(tmp_path, "answers", SECOND, "subject, tier", "where kind = 'discussions'"))
    top = {f"model/{name(n)}": "top" for n in range(12)}
    assert told == {**top, f"model/{name(4)}": "changed"}
    moved = rows(tmp_path, "answers", SECOND, "subject", "where is_changed")
    assert {subject for (subject,) in moved} == {
        f"model/{name(4)}", f"model/{name(7)}", f"model/{name(11)}", f"model/{name(11)}#10",
    }  # fmt: skip
    night(tmp_path, hub, THIRD)
    assert (asked(hub, "/commits/"), asked(hub, "/discussions/")) == (0, 0)
    assert rows(tmp_path, "commits", THIRD, counted) == [(0,)]


def test_a_day_that_is_loaded_is_not_asked_again(tmp_path: Path, hub: Hub) -> None:
    first = night(tmp_path, hub, FIRST, history_limit=2)
    assert night(tmp_path, hub, FIRST, history_limit=2) == first
    assert hub.requests == []
    assert night(tmp_path, hub, FIRST) != first
    assert asked(hub, "/commits/") == 10


@pytest.mark.parametrize(
    ("status", "of_commits", "of_discussions"),
    [
        (404, "absent", "absent"),
        (403, "refused", "gone"),
        (410, "gone", "gone"),
        (451, "dmca", "dmca"),
        (307, "renamed", "renamed"),
    ],
)
def test_a_repository_without_history_is_told_and_the_others_are_read(
    tmp_path: Path, hub: Hub, status: int, of_commits: str, of_discussions: str
) -> None:
    hub.commits[name(5)] = status
    hub.discussions[name(6)] = status
    night(tmp_path, hub, FIRST)
    expected = dict.fromkeys(map(name, range(12)), "ok")
    assert outcomes(tmp_path, "commits") == {**expected, name(5): of_commits}
    assert outcomes(tmp_path, "discussions") == {**expected, name(6): of_discussions}
    assert rows(tmp_path, "discussions", FIRST, "count(*)::int") == [(13,)]
    hub.models[5]["lastModified"] = "2026-08-22T20:00:00.000Z"
    night(tmp_path, hub, SECOND)
    # What may change any day is asked again, what rests is not.
    assert asked(hub, name(5), "/commits/") == (of_commits == "renamed")
    hub.models[5]["gated"] = "auto"
    hub.commits[name(5)] = [commit(1)]
    night(tmp_path, hub, THIRD)
    assert outcomes(tmp_path, "commits", THIRD) == {name(5): "ok"}


def test_pages_that_move_while_they_are_read_lose_nothing(tmp_path: Path, hub: Hub) -> None:
    found = hub.discussions[name(11)]
    assert isinstance(found, list)

    def opened(_: str, page: int) -> None:
        if page == 1 and len(found) == 13:
            found.insert(0, discussion(14))

    hub.on_page = opened
    night(tmp_path, hub, FIRST)
    numbers = [n for (n,) in rows(tmp_path, "discussions", FIRST, "discussion_number")]
    assert sorted(numbers) == list(range(1, 14))
    assert outcomes(tmp_path, "discussions")[name(11)] == "ok"


def test_a_push_moves_no_page_of_commits(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(hub_client.__kwdefaults__, "commit_page", 5)
    found = hub.commits[name(11)]
    assert isinstance(found, list)

    def pushed(_: str, page: int) -> None:
        if page:
            found.insert(0, commit(10_000 + len(found)))

    hub.on_commits = pushed
    night(tmp_path, hub, FIRST, history_limit=1)
    assert asked(hub, "/commits/") == 3
    assert asked(hub, "/commits/main") == 1
    told = rows(tmp_path, "answers", FIRST, "item_count, outcome", "where kind = 'commits'")
    assert told == [(12, "ok")]
    assert rows(tmp_path, "commits", FIRST, "count(*)::int") == [(12,)]


def test_a_rewritten_history_is_begun_anew(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(hub_client.__kwdefaults__, "commit_page", 5)
    other = [commit(5_000 + k) for k in range(7)]

    def rewritten(_: str, page: int) -> None:
        if page == 1:
            hub.commits[name(11)] = other

    hub.on_commits = rewritten
    night(tmp_path, hub, FIRST, history_limit=1)
    told = rows(tmp_path, "answers", FIRST, "item_count, outcome", "where kind = 'commits'")
    assert told == [(7, "ok")]
    ids = {one for (one,) in rows(tmp_path, "commits", FIRST, "commit_id")}
    assert {one["id"] for one in other} <= ids


def test_pages_that_shrink_are_read_again(tmp_path: Path, hub: Hub) -> None:
    found = hub.discussions[name(11)]
    assert isinstance(found, list)

    def deleted(_: str, page: int) -> None:
        if page == 1 and len(found) == 13:
            del found[2]

    hub.on_page = deleted
    night(tmp_path, hub, FIRST)
    numbers = {n for (n,) in rows(tmp_path, "discussions", FIRST, "discussion_number")}
    assert {item["num"] for item in found} <= numbers
    told = rows(tmp_path, "answers", FIRST, "item_count, outcome", "where item_count = 12")
    assert ("ok" in {outcome for _, outcome in told}) is True


def test_discussions_that_always_shrink_are_truncated_and_say_so(tmp_path: Path, hub: Hub) -> None:
    """A night is not lost for one list; it is asked for again in the next."""
    found = [discussion(k) for k in range(800, 0, -1)]
    hub.discussions[name(11)] = found
    hub.on_page = lambda _, page: found.pop() and None if page else None
    night(tmp_path, hub, FIRST)
    told = rows(tmp_path, "answers", FIRST, "kind, reason", "where outcome = 'truncated'")
    assert told == [("discussions", "the list moved while it was read")]


def test_faults_are_asked_again_and_a_limit_is_waited_for(tmp_path: Path, hub: Hub) -> None:
    faults = [Fault(500), Fault(429, {"retry-after": "1"}), Fault(200, {}, b"[cut")]
    hub.faults.extend(faults)
    night(tmp_path, hub, FIRST, history_limit=1)
    counts = "sum(retry_count)::int, sum(refused_count)::int, sum(failed_count)::int"
    assert rows(tmp_path, "requests", FIRST, counts) == [(3, 1, 1)]
    assert rows(tmp_path, "requests", FIRST, "sum(waited_seconds) >= 1") == [(True,)]


def broken(hub: Hub, *numbers: int) -> None:
    """Commits of some models are never answered."""
    for number in numbers:
        hub.answers[f"/api/models/{name(number)}/commits/main"] = Fault(500)


def test_an_interrupted_night_lands_nothing(tmp_path: Path, hub: Hub) -> None:
    broken(hub, 2, 4, 6, 8)
    with pytest.raises(TransientFailure, match="4 of 24 questions"):
        night(tmp_path, hub, FIRST, attempts=2)
    lake = Lake(tmp_path / "lake")
    assert lake.partition("huggingface", "commits", FIRST).entries() == []
    hub.answers.clear()
    night(tmp_path, hub, FIRST, attempts=2)
    assert (asked(hub, "/commits/"), asked(hub, "/discussions?")) == (4, 0)
    assert rows(tmp_path, "commits", FIRST, "count(*)::int") == [(sum(range(13)),)]


def test_one_history_that_never_comes_does_not_stop_a_night(tmp_path: Path, hub: Hub) -> None:
    broken(hub, 3)
    night(tmp_path, hub, FIRST, attempts=1)
    assert outcomes(tmp_path, "commits").keys() == set(map(name, range(12))) - {name(3)}
    hub.answers.clear()
    night(tmp_path, hub, SECOND)
    assert outcomes(tmp_path, "commits", SECOND) == {name(3): "ok"}


def test_what_an_interrupted_night_did_not_come_to_is_asked_in_the_next(
    tmp_path: Path, hub: Hub
) -> None:
    broken(hub, 2, 4, 6, 8)
    with pytest.raises(TransientFailure):
        night(tmp_path, hub, FIRST, attempts=1)
    assert asked(hub, "/discussions/") == 0
    hub.answers.clear()
    night(tmp_path, hub, SECOND, nightly_limit=0, rotation_nights=3650)
    assert rows(tmp_path, "discussions", FIRST, "count(*)::int") == [(13,)]
    assert asked(hub, "/discussions?") == 0
    assert (asked(hub, "/commits/"), asked(hub, "/discussions/")) == (4, 13)
    assert len(outcomes(tmp_path, "account", SECOND)) == 7
    night(tmp_path, hub, THIRD, nightly_limit=0, rotation_nights=3650)
    assert asked(hub, "/discussions/") == 0


def test_hostile_histories_are_quarantined_by_item(tmp_path: Path, hub: Hub) -> None:
    hub.commits[name(3)] = [commit(1, date=7), commit(2, title="\ud800 half"), commit(3)]
    hub.discussions[name(3)] = [discussion(1, title=None), discussion(2, num="x")]
    hub.events[name(3), 1] = [
        event(1), {"id": 5}, 7, event(2, createdAt="never", data=[], author=None),
        event(3, data={"latest": {"raw": "half \ud800, null \x00"}, "hidden": "yes"}),
    ]  # fmt: skip
    entries = night(tmp_path, hub, FIRST)
    malformed = [entry["malformed_count"] for entry in entries if entry["name"] != "api"]
    assert sum(malformed) == 2
    kept = rows(tmp_path, "commits", FIRST, "commit_id", f"where repository_name = '{name(3)}'")
    assert {number for (number,) in kept} == {f"{k:040x}" for k in (2, 3)}
    found = rows(
        tmp_path, "discussion_events", FIRST, "event_id, created_at is null, body, is_hidden",
        f"where repository_name = '{name(3)}' order by all",
    )  # fmt: skip
    assert found == [
        ("event-1", False, "text 1", False),
        ("event-2", True, None, None),
        ("event-3", False, "half \ufffd, null \ufffd", None),
    ]
    files = [file.read_text() for file in (tmp_path / "lake").rglob("*lines.jsonl")]
    assert sum(text.count("\n") for text in files) == 4


def test_what_the_hub_says_of_an_author_is_kept(tmp_path: Path, hub: Hub) -> None:
    """Told flags as they are; none, and whatever is no flag, is unknown and not false."""
    hub.discussions[name(3)] = [discussion(1)]
    hub.events[name(3), 1] = [
        event(1, author={"name": "ann", "isHf": True, "isHfAdmin": False, "isMod": True}),
        event(2, author={"name": "bob", "isHf": False}),
        event(3, author={"name": "eve", "isHf": "yes", "isHfAdmin": 1, "isMod": None}),
        event(4, author=None),
    ]
    night(tmp_path, hub, FIRST)
    found = rows(
        tmp_path, "discussion_events", FIRST,
        "author_login, is_author_staff, is_author_admin, is_author_moderator", "order by event_id",
    )  # fmt: skip
    assert found == [
        ("ann", True, False, True),
        ("bob", False, None, None),
        ("eve", None, None, None),
        (None, None, None, None),
    ]


def test_an_act_with_a_nul_in_its_text_counts(tmp_path: Path, hub: Hub) -> None:
    hub.commits[name(3)] = [commit(1, title="null \x00 byte \\u0000")]
    hub.discussions[name(3)] = [discussion(1, title="\x00")]
    entries = night(tmp_path, hub, FIRST)
    assert sum(entry["malformed_count"] for entry in entries) == 0
    kept = rows(tmp_path, "commits", FIRST, "title", f"where repository_name = '{name(3)}'")
    assert kept == [("null \ufffd byte \\u0000",)]


def test_histories_of_another_form_stop_the_night(tmp_path: Path, hub: Hub) -> None:
    for number in range(12):
        hub.commits[name(number)] = [{"sha": "7"}]
    with pytest.raises(PermanentFailure, match="commits cannot be used") as caught:
        night(tmp_path, hub, FIRST)
    assert "update Osmoscope" in caught.value.remedy


def test_no_address_is_kept(tmp_path: Path, hub: Hub) -> None:
    hub.commits[name(2)] = [commit(1, message="Signed-off-by: Bo <bo@example.org>")]
    hub.discussions[name(2)] = [discussion(1, title="ask bo@example.org")]
    hub.events[name(2), 1] = [
        event(1, data={"latest": {"raw": "write to bo@example.org"}}),
        {"type": "bo@example.org"},
    ]
    overview = b'{"name": "owner-2", "fullname": "bo@example.org", "_id": "7"}'
    hub.answers["/api/organizations/owner-2/overview"] = Fault(200, {}, overview)
    hub.answers["/api/organizations/owner-2/members"] = Fault(200, {}, b'[{"user": "bo"}]')
    night(tmp_path, hub, FIRST)
    for file in [*tmp_path.rglob("*.parquet"), *tmp_path.rglob("*.jsonl")]:
        assert b"bo@example.org" not in file.read_bytes()
    (message,) = rows(tmp_path, "commits", FIRST, "message", f"where repository_name = '{name(2)}'")
    assert "email:" in message[0]
    (body,) = rows(tmp_path, "discussion_events", FIRST, "body")
    assert "email:" in body[0]
    shown = rows(tmp_path, "accounts", FIRST, "account_login, account_type, full_name")
    assert [row[:2] for row in shown] == [("owner-2", "organisation")]
    assert shown[0][2].startswith("email:")
    assert rows(tmp_path, "organisation_members", FIRST, "member_login") == [("bo",)]
    assert outcomes(tmp_path, "account")["owner-3"] == "absent"


def test_the_journal_has_no_address_either(tmp_path: Path, hub: Hub) -> None:
    hub.commits[name(2)] = [commit(1, message="by bo@example.org")]
    broken(hub, 5, 7, 9, 11)
    with pytest.raises(TransientFailure):
        night(tmp_path, hub, FIRST, attempts=1)
    journal = sqlite3.connect(tmp_path / "state" / "mining" / "huggingface.sqlite")
    pages = [zlib.decompress(body) for (body,) in journal.execute("select body from page")]
    assert any(b"email:" in page for page in pages)
    assert not any(b"bo@example.org" in page for page in pages)
    journal.close()


def test_many_likers_that_are_not_shown_are_told(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.huggingface.readers.SHOWN_LIKERS", 4)
    path = f"/api/models/{name(11)}/likers"
    cards = [{"user": f"fan-{k}"} for k in range(3)]
    following = {"link": f'<{hub.url}/api/models/{name(11)}/likers/2>; rel="next"'}
    hub.answers[path] = Fault(200, following, json.dumps(cards).encode())
    hub.answers[f"{path}/2"] = Fault(200, {}, json.dumps([*cards[2:], {"user": "x"}]).encode())
    night(tmp_path, hub, FIRST, liker_limit=2)
    told = rows(
        tmp_path, "answers", FIRST, "subject, outcome, reason", "where kind = 'likers' order by all"
    )
    assert told == [
        (f"model/{name(10)}", "ok", None),
        (f"model/{name(11)}", "truncated", "5 of 11 likers are shown"),
    ]
    logins = rows(tmp_path, "likers", FIRST, "actor_login", "order by all")
    assert [login for (login,) in logins] == ["fan-0", "fan-1", "fan-2", "x"]
    night(tmp_path, hub, SECOND, liker_limit=2)
    assert asked(hub, "/likers") == 0
    hub.models[11]["likes"] = 12
    night(tmp_path, hub, THIRD, liker_limit=2)
    assert asked(hub, "/likers") == 2


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"_id": f"{3:024x}", "id": name(3)}, "ok"),
        ({"_id": "7" * 24, "id": name(3)}, "taken_over"),
        ({"_id": f"{3:024x}", "id": name(3), "disabled": True}, "disabled"),
        (451, "dmca"),
        (404, "absent"),
    ],
)
def test_what_is_not_listed_any_more_is_asked_why_once(
    tmp_path: Path, hub: Hub, answer: Any, outcome: str
) -> None:
    night(tmp_path, hub, FIRST, history_limit=1)
    told = Fault(answer) if isinstance(answer, int) else Fault(200, {}, json.dumps(answer).encode())
    hub.answers[f"/api/models/{name(3)}"] = told
    del hub.models[3]
    night(tmp_path, hub, SECOND, history_limit=1)
    assert outcomes(tmp_path, "presence", SECOND) == {f"{name(3)}@{3:024x}": outcome}
    night(tmp_path, hub, THIRD, history_limit=1)
    assert asked(hub, name(3)) == 0


def test_a_listing_that_was_cut_short_asks_nothing(tmp_path: Path) -> None:
    with serving([model(number) for number in range(300)]) as hub:
        night(tmp_path, hub, FIRST, history_limit=0)
        del hub.models[50:]
        night(tmp_path, hub, SECOND, history_limit=0)
        assert asked(hub, "/api/models/") == 0
        del hub.models[45:]
        night(tmp_path, hub, THIRD, history_limit=0)
        assert asked(hub, "/api/models/") == 5


def test_a_limited_listing_says_nothing_of_what_is_gone(tmp_path: Path, hub: Hub) -> None:
    night(tmp_path, hub, FIRST, model_limit=10, history_limit=1)
    hub.models.insert(0, model(50))
    night(tmp_path, hub, SECOND, model_limit=10, history_limit=1)
    assert outcomes(tmp_path, "presence", SECOND) == {}


def test_the_observation_has_the_day_of_the_hubs_clock(tmp_path: Path, hub: Hub) -> None:
    hub.headers["date"] = "Sat, 22 Aug 2026 23:59:58 GMT"
    entries = night(tmp_path, hub, None, history_limit=4)
    assert {row["state"] for row in entries} == {"ok"}
    lake = Lake(tmp_path / "lake")
    assert lake.days("huggingface", "models") == [FIRST]
    assert lake.days("huggingface", "answers") == [FIRST]
