"""Commits and discussions of single repositories: what is asked, kept, and not asked again."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hub_server import Fault, Hub, model, serving

from assets.huggingface.histories import Histories
from assets.huggingface.normalise import HISTORIES
from assets.huggingface.observation import observe
from assets.huggingface.snapshot import Snapshotter
from orchestration.clients.huggingface import HistoryPages, ModelPages
from orchestration.failures import TransientFailure
from orchestration.lake import Lake
from orchestration.settings import HuggingFaceSettings, Settings

SALT = b"0123456789abcdef-salt"
FIRST, SECOND = date(2026, 8, 22), date(2026, 8, 23)


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


def name(number: int) -> str:
    return f"owner-{number % 7}/model-{number}"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving([model(number, likes=number) for number in range(12)]) as server:
        for number in range(12):
            server.commits[name(number)] = [
                *(commit(number * 100 + k) for k in range(number, 0, -1)),
                commit(number * 100, authors=[{"user": "system"}]),
            ]
        server.discussions[name(11)] = [discussion(k) for k in range(13, 0, -1)]
        yield server


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def pages(hub: Hub) -> HistoryPages:
    return HistoryPages(hub.url, sleep=lambda _: None)


def night(lake: Lake, hub: Hub, day: date, limit: int = 12) -> list[dict[str, Any]]:
    snapshotter = Snapshotter(lake, SALT)
    snapshotter.prepare()
    snapshotter.ingest_api(ModelPages(hub.url, sleep=lambda _: None), day)
    hub.requests.clear()
    return Histories(snapshotter, pages(hub), day, limit).run()


def rows(
    lake: Lake, table: str, day: date, what: str = "*", rest: str = ""
) -> list[tuple[Any, ...]]:
    files = [str(file) for file in lake.partition("huggingface", table, day).current_files()]
    query = f"select {what} from read_parquet($files) {rest}"
    return duckdb.execute(query, {"files": files}).fetchall()


def asked(hub: Hub, ending: str) -> int:
    return sum(ending in request for request in hub.requests)


def test_every_commit_and_discussion_is_kept_once(lake: Lake, hub: Hub) -> None:
    commits, discussions = night(lake, hub, FIRST)
    assert (commits["state"], commits["row_count"]) == ("ok", sum(range(13)))
    assert discussions["row_count"] == 13
    counted = dict(rows(lake, "commits", FIRST, "repository_name, count(*)", "group by all"))
    assert counted == {name(n): n + 1 for n in range(12)}
    numbers = rows(lake, "discussions", FIRST, "discussion_number", "order by all")
    assert [n for (n,) in numbers] == list(range(1, 14))


def test_the_most_liked_are_asked(lake: Lake, hub: Hub) -> None:
    night(lake, hub, FIRST, limit=3)
    names = rows(lake, HISTORIES, FIRST, "repository_name", "order by all")
    assert {n for (n,) in names} == {name(9), name(10), name(11)}


def test_the_second_night_asks_for_commits_of_what_changed_only(lake: Lake, hub: Hub) -> None:
    night(lake, hub, FIRST)
    assert asked(hub, "/commits/") == sum((n + 1 + 4) // 5 for n in range(12))
    hub.models[4]["lastModified"] = "2026-08-22T20:00:00.000Z"
    hub.commits[name(4)].insert(0, commit(499))  # type: ignore[union-attr]
    hub.discussions[name(7)] = [discussion(1)]
    commits, discussions = night(lake, hub, SECOND)
    assert asked(hub, "/commits/") == 2
    assert asked(hub, "/discussions") == 11 + 3
    assert commits["row_count"] == 6
    assert discussions["row_count"] == 14
    # The ledger of the night before says all: what is older is not opened.
    for file in lake.partition("huggingface", HISTORIES, FIRST).current_files():
        file.unlink()
    third = night(lake, hub, date(2026, 8, 24))
    assert asked(hub, "/commits/") == 0
    assert [row["row_count"] for row in third] == [0, 14]


def test_a_day_that_is_loaded_is_not_asked_again(lake: Lake, hub: Hub) -> None:
    first = night(lake, hub, FIRST)
    assert night(lake, hub, FIRST) == first
    assert hub.requests == []
    assert night(lake, hub, FIRST, limit=2) != first
    assert hub.requests


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(404, "absent"), (401, "absent"), (403, "refused"), (410, "gone"), (451, "taken_down"),
     (307, "renamed")],
)  # fmt: skip
def test_a_repository_without_history_is_told_and_the_others_are_read(
    lake: Lake, hub: Hub, status: int, outcome: str
) -> None:
    hub.commits[name(5)] = status
    hub.discussions[name(6)] = status
    commits, discussions = night(lake, hub, FIRST)
    told_counts = commits["reason"].removeprefix("repositories: ").split(", ")
    assert set(told_counts) == {f"1 {outcome}", "11 ok"}
    told = rows(lake, HISTORIES, FIRST, "repository_name, commits_outcome, discussions_outcome")
    assert (name(5), outcome, "ok") in told
    assert (name(6), "ok", outcome) in told
    assert discussions["row_count"] == 13


def test_pages_that_move_while_they_are_read_lose_nothing(hub: Hub) -> None:
    found = hub.discussions[name(11)]
    assert isinstance(found, list)

    def opened(_: str, page: int) -> None:
        if page == 1 and len(found) == 13:
            found.insert(0, discussion(14))

    hub.on_page = opened
    history = pages(hub).discussions("model", name(11))
    numbers = [item["num"] for item in history.items]
    assert len(numbers) == len(set(numbers))
    assert set(range(1, 14)) <= set(numbers)


def test_pages_that_shrink_are_read_again(hub: Hub) -> None:
    found = hub.discussions[name(11)]
    assert isinstance(found, list)

    def deleted(_: str, page: int) -> None:
        if page == 1 and len(found) == 13:
            del found[2]

    hub.on_page = deleted
    history = pages(hub).discussions("model", name(11))
    assert {item["num"] for item in history.items} == {d["num"] for d in found}


def test_discussions_that_always_shrink_end_with_a_failure(hub: Hub) -> None:
    hub.discussions[name(11)] = found = [discussion(k) for k in range(200, 0, -1)]
    hub.on_page = lambda _, page: found.pop() and None if page else None
    with pytest.raises(TransientFailure, match="changed while"):
        pages(hub).discussions("model", name(11))


def test_faults_are_asked_again_and_a_limit_is_waited_for(hub: Hub) -> None:
    hub.faults.extend([Fault(500), Fault(429, {"retry-after": "7"}), Fault(200, {}, b"[cut")])
    waits: list[float] = []
    client = HistoryPages(hub.url, sleep=waits.append)
    assert client.commits("model", name(11)).outcome == "ok"
    assert 7.0 in waits


def test_an_interrupted_night_goes_on_and_gives_the_same_bytes(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.huggingface.histories.CHUNK", 2)
    whole, cut = Lake(tmp_path / "whole"), Lake(tmp_path / "cut")
    expected = [row["content_hash"] for row in night(whole, hub, FIRST)]
    count = len(hub.requests)
    original = HistoryPages.discussions
    calls = iter(range(100))

    def stops(self: HistoryPages, kind: str, repository: str) -> Any:
        if next(calls) == 7:
            raise TransientFailure("The network went away.", "Come back.")
        return original(self, kind, repository)

    with monkeypatch.context() as patched:
        patched.setattr(HistoryPages, "discussions", stops)
        with pytest.raises(TransientFailure):
            night(cut, hub, FIRST)
    assert cut.partition("huggingface", "commits", FIRST).entries() == []
    got = [row["content_hash"] for row in night(cut, hub, FIRST)]
    assert got == expected
    # The six repositories before the last checkpoint were not asked again.
    assert len(hub.requests) < count - 6


def test_hostile_histories_are_quarantined_by_item(lake: Lake, hub: Hub) -> None:
    hub.commits[name(3)] = [commit(1, date=7), commit(2, title="\ud800 half"), commit(3)]
    hub.discussions[name(3)] = [discussion(1, title=None), discussion(2, num="x")]
    commits, _ = night(lake, hub, FIRST)
    assert commits["state"] == "malformed_lines"
    kept = rows(lake, "commits", FIRST, "commit_id", f"where repository_name = '{name(3)}'")
    assert (f"{3:040x}",) in kept
    assert list(lake.root.rglob("*.lines.jsonl"))


def test_an_act_with_a_nul_in_its_text_counts(lake: Lake, hub: Hub) -> None:
    hub.commits[name(3)] = [commit(1, title="null \x00 byte \\u0000")]
    hub.discussions[name(3)] = [discussion(1, title="\x00")]
    commits, discussions = night(lake, hub, FIRST)
    assert (commits["state"], discussions["state"]) == ("ok", "ok")
    kept = rows(lake, "commits", FIRST, "title", f"where repository_name = '{name(3)}'")
    assert kept == [("null \ufffd byte \\u0000",)]


def test_no_address_is_kept(lake: Lake, hub: Hub) -> None:
    hub.commits[name(2)] = [commit(1, message="Signed-off-by: Bo <bo@example.org>")]
    night(lake, hub, FIRST)
    written = b"".join(file.read_bytes() for file in lake.root.rglob("*.parquet"))
    assert b"bo@example.org" not in written
    (message,) = rows(lake, "commits", FIRST, "message", f"where repository_name = '{name(2)}'")
    assert "email:" in message[0]


def test_the_observation_has_the_day_of_the_hubs_clock(tmp_path: Path, hub: Hub) -> None:
    hub.headers["date"] = "Sat, 22 Aug 2026 23:59:58 GMT"
    lake = Lake(tmp_path / "lake")
    chosen = Settings(
        data_dir=tmp_path,
        huggingface=HuggingFaceSettings(source="api", endpoint=hub.url, history_limit=4),
    )
    entries = observe(lake, chosen, SALT)
    assert [row["state"] for row in entries] == ["ok"] * 3
    assert lake.days("huggingface", "models") == [FIRST]
