"""A night at GitHub: the plan, each list read whole, and nights that follow each other."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from databases import database
from github_twin import FIRST_DAY, TOKEN, parts, world

from assets.github import api_rows, mining, population, readers
from assets.github.api_rows import Normaliser, Row
from assets.github.landing import literal
from assets.github.lines import AddressHasher
from assets.github.population import Seen, most_active
from assets.github.readers import Readers
from assets.mining.questions import Known, Question, Step
from orchestration.clients.github import LostPlace, Page, Stock, Wanted
from orchestration.failures import TransientFailure
from orchestration.lake import Lake
from orchestration.settings import Settings
from twin.github import GitHubView
from twin.server.app import Service, Twin, serving
from twin.server.clock import Calendar
from twin.server.faults import FaultRule
from twin.server.limits import LimitSettings

SALT = b"a salt of thirty-two characters!"
DAY = date(2026, 3, 1)
TABLES = tuple(api_rows.COLUMNS)
# What has more would be read for long.
MOST_COMMITS = 300


# ------------------------------------------------------------ the archive's repositories


def land_events(lake: Lake, day: date, name: str, events: list[tuple[int, str, str]]) -> None:
    """A landed file of the archive: repository, name, time."""
    with lake.temporary(".parquet") as file, database() as connection:
        connection.execute(
            "create table t (repository_id bigint, repository_name varchar, created_at timestamp)"
        )
        connection.executemany("insert into t values (?, ?, ?)", events)
        connection.execute(f"copy t to {literal(file)} (format parquet)")
        lake.partition("gharchive", "events", day).commit({"name": name, "state": "ok"}, file)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def seen(one: Seen) -> tuple[int, str, str, date]:
    return one.repository_id, one.name, one.last_event_at.isoformat(), one.folded_on


def test_the_newest_name_counts_and_only_new_files_are_read(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    fold = population._fold_files
    monkeypatch.setattr(population, "_fold_files", lambda *a: (read.append(len(a[1])), fold(*a))[1])
    assert most_active(lake, tmp_path, DAY, 10) == []
    first = DAY - timedelta(1)
    land_events(lake, first, "0", [
        (1, "a/old", "2026-02-28 01:00:00"), (1, "a/new", "2026-02-28 03:00:00"),
        (2, "b/b", "2026-02-28 02:00:00"), (3, "no name", "2026-02-28 02:00:00"),
        (None, "c/c", "2026-02-28 02:00:00"), (4, None, "2026-02-28 02:00:00"),
    ])  # fmt: skip
    expected = [
        (1, "a/new", "2026-02-28T03:00:00", DAY), (2, "b/b", "2026-02-28T02:00:00", DAY),
    ]  # fmt: skip
    for _ in range(2):
        assert [seen(one) for one in most_active(lake, tmp_path, DAY, 10)] == expected
    # An hour that comes later, with an older event: neither name nor time go back.
    night = DAY + timedelta(1)
    land_events(lake, first, "1", [(2, "b/older", "2026-02-28 01:00:00")] * 2)
    assert [seen(one) for one in most_active(lake, tmp_path, night, 10)] == [
        (2, "b/b", "2026-02-28T02:00:00", DAY), (1, "a/new", "2026-02-28T03:00:00", DAY),
    ]  # fmt: skip
    land_events(lake, DAY, "0", [(1, "z/z", "2026-03-01 00:00:00")])
    [top, _] = most_active(lake, tmp_path, night, 2)
    assert seen(top) == (1, "z/z", "2026-03-01T00:00:00", night)
    assert [one.repository_id for one in most_active(lake, tmp_path, night, 1)] == [1]
    assert read == [1, 1, 1]


def test_a_file_that_changed_makes_the_table_anew(lake: Lake, tmp_path: Path) -> None:
    land_events(lake, DAY, "0", [(1, "a/a", "2026-03-01 01:00:00")] * 3)
    land_events(lake, DAY, "1", [(2, "b/b", "2026-03-01 01:00:00")] * 2)
    assert [one.repository_id for one in most_active(lake, tmp_path, DAY, 9)] == [1, 2]
    land_events(lake, DAY, "0", [(1, "a/a", "2026-03-01 01:00:00")])
    assert [one.repository_id for one in most_active(lake, tmp_path, DAY, 9)] == [2, 1]


def test_a_fold_that_fails_leaves_what_was(lake: Lake, tmp_path: Path) -> None:
    land_events(lake, DAY, "0", [(1, "a/a", "2026-03-01 01:00:00")])
    before = most_active(lake, tmp_path, DAY, 9)
    land_events(lake, DAY, "1", [(1, "a/b", "2026-03-01 02:00:00")])
    partition = lake.partition("gharchive", "events", DAY)
    with duckdb.connect() as connection:
        connection.execute(f"attach {literal(tmp_path / population.NAME)} as kept")
        for day, path in (("no day", partition.current_files()[0]), (DAY, tmp_path / "no file")):
            file: Any = (day, "1", "hash")
            with pytest.raises(duckdb.Error):
                population._fold_files(connection, [(file, path)], DAY)
    with database(tmp_path / population.NAME) as connection:
        assert connection.execute("select newest.name from repository").fetchall() == [("a/a",)]
    assert most_active(lake, tmp_path, DAY, 9) == [
        replace(before[0], name="a/b", last_event_at=datetime(2026, 3, 1, 2))
    ]


def test_a_broken_table_is_made_again(lake: Lake, tmp_path: Path) -> None:
    land_events(lake, DAY, "0", [(1, "a/a", "2026-03-01 01:00:00")])
    (tmp_path / population.NAME).write_bytes(b"no database" * 1000)
    assert [one.name for one in most_active(lake, tmp_path, DAY, 9)] == ["a/a"]


# ------------------------------------------------------------ the plan


def asked(day: date, outcome: str = "ok", **more: Any) -> Known:
    return Known(outcome, day, **more)


@pytest.mark.parametrize(
    ("event", "folded_on", "moved"),
    [
        ("2026-02-27T23:59:59", DAY - timedelta(1), False),
        ("2026-03-01T00:00:00", DAY - timedelta(1), True),
        # What the archive told after the night had asked.
        ("2026-02-20T00:00:00", DAY, False),
        ("2026-02-20T00:00:00", DAY + timedelta(1), True),
    ],
)
def test_who_moved(event: str, folded_on: date, moved: bool) -> None:
    one = Seen(1, "a/b", datetime.fromisoformat(event), folded_on)
    assert mining.has_moved(one, asked(DAY)) is moved
    assert mining.has_moved(one, None) is False


def test_whose_stocks_are_asked(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, github={"nightly_limit": 1, "rotation_nights": 3650}
    )  # fmt: skip
    before = DAY - timedelta(3)
    known = {
        "1": asked(before, seen={"stars": 5, "node_id": "R_1"}),
        "2": asked(before, seen={"stars": 900, "node_id": "R_2"}),
        "3": asked(before, "absent", recheck_on=DAY),
        "4": asked(before, "dmca", recheck_on=DAY + timedelta(1), seen={"stars": 9000}),
        "5": asked(before, seen={"stars": 5, "node_id": None}),
        "7": asked(before, seen={"stars": 7}),
    }
    old, new = datetime(2026, 2, 1), datetime(2026, 2, 28)
    people = [
        Seen(number, f"o/r{number}", new if number in (4, 5) else old, before)
        for number in range(1, 7)
    ]
    chosen = mining.stock_questions(people, known, DAY, settings)
    assert {(q.subject, q.tier) for q in chosen} == {
        ("3", "recheck"), ("5", "changed"), ("6", "new"),
    }  # fmt: skip
    settings = Settings(data_dir=tmp_path, github={"nightly_limit": 2, "rotation_nights": 3650})
    chosen = mining.stock_questions(people, known, DAY, settings)
    by_subject = {q.subject: q for q in chosen}
    assert by_subject["2"].tier == "top"
    assert by_subject["2"].context == {
        "repository_id": 2, "repository_name": "o/r2", "node_id": "R_2", "is_confirmed": True,
    }  # fmt: skip
    assert by_subject["3"].context["is_confirmed"] is False
    assert by_subject["6"].context["is_confirmed"] is False


def marker(**more: Any) -> dict[str, Any]:
    return {
        "node_id": "R_1", "name": "o/r", "owner": [7, "o", "Organization"], "stars": 1,
        "commits": 5, "issues": 3, "head": "b" * 40, "issues_at": "2026-02-01T00:00:00",
        "pulls_at": "2026-02-02T00:00:00", "has_issues": True, "row": "x",
    } | more  # fmt: skip


def histories(**known: Known) -> dict[str, dict[str, Known]]:
    kinds = ("commits", "issues", "issue_comments", "pull_requests", "organisation_members")
    return {kind: {"1": known[kind]} if kind in known else {} for kind in kinds}


def test_histories_are_read_where_they_moved() -> None:
    first = list(mining.history_questions({"1": marker()}, histories()))
    assert [(q.kind, q.tier) for q in first] == [
        ("commits", "new"), ("issues", "new"), ("issue_comments", "new"), ("pull_requests", "new"),
    ]  # fmt: skip
    answers = {
        q.kind: asked(DAY, seen={"marker": q.context.get("marker"), "watermark": "w",
                                 "head": q.context.get("head"), "made_at": "m"})
        for q in first
    }  # fmt: skip
    known = histories(**answers)
    assert list(mining.history_questions({"1": marker()}, known)) == []
    for change, kinds in (
        ({"head": "c" * 40}, ["commits"]),
        ({"issues_at": "2026-02-03T00:00:00"}, ["issues", "issue_comments"]),
        ({"pulls_at": "2026-02-03T00:00:00"}, ["issue_comments", "pull_requests"]),
        ({"has_issues": False}, ["issues"]),
        ({"stars": 2, "row": "y"}, []),
        ({"head": None}, []),
    ):
        found = list(mining.history_questions({"1": marker(**change)}, known))
        assert [q.kind for q in found] == kinds
        assert {q.tier for q in found} <= {"changed"}
    [question] = mining.history_questions({"1": marker(head="c" * 40)}, known)
    assert question.context == {
        "repository_id": 1, "repository_name": "o/r", "node_id": "R_1", "head": "c" * 40,
        "commit_count": 5, "commit_limit": None, "old_head": "b" * 40, "old_made_at": "m",
    }  # fmt: skip
    nothing = marker(head=None, issues_at=None, pulls_at=None)
    assert list(mining.history_questions({"1": nothing}, histories())) == []


def test_members_are_asked_for_every_some_nights() -> None:
    markers = [
        marker(), marker(), marker(owner=[8, "p", "Organization"]),
        marker(owner=[9, "ada", "User"]), marker(owner=[None, None, None]),
        marker(owner=[10, "q", "Organization"]), marker(owner=[11, "r", "Organization"]),
    ]  # fmt: skip
    known = {
        "8": asked(DAY - timedelta(13)), "10": asked(DAY - timedelta(14), seen={"urls": []}),
        "11": asked(DAY - timedelta(20), "absent", recheck_on=DAY + timedelta(1)),
    }  # fmt: skip
    found = list(mining.member_questions(markers, known, DAY, 14))
    assert [(q.subject, q.tier) for q in found] == [("7", "new"), ("10", "always")]
    assert found[1].context == {
        "organisation_id": 10, "organisation_login": "q", "seen": {"urls": []},
    }  # fmt: skip
    [again] = mining.member_questions(markers[-1:], known, DAY + timedelta(1), 14)
    assert again.tier == "recheck"


def test_who_is_gone_is_not_read_and_who_was_not_asked_is_known_from_before() -> None:
    known = {"1": asked(DAY, seen=marker()), "2": asked(DAY, seen=marker()),
             "3": asked(DAY, "absent", seen=marker()), "4": asked(DAY, seen=marker())}  # fmt: skip
    tonight = {
        "1": asked(DAY, seen=marker(stars=8)), "2": asked(DAY, "dmca"),
        "4": asked(DAY, "truncated"), "5": asked(DAY, "absent"),
    }  # fmt: skip
    markers = mining._markers(known, tonight)
    assert {subject: one["stars"] for subject, one in markers.items()} == {"1": 8, "4": 1}
    assert list(mining.most_starred(markers, 9)) == ["1", "4"]
    assert list(mining.most_starred(markers, 1)) == ["1"]


def test_stocks_without_counts_are_no_marker() -> None:
    """A later night compares with the last whole answer; what cannot be used is kept apart."""
    row = {"id": 1, "node_id": "R_1", "full_name": "a/b", "created_at": "2026-01-01T00:00:00Z"}

    class Client:
        def stocks(self, wanted: list[Wanted]) -> list[Stock]:
            return [
                Stock(wanted[0], "truncated", row, "no counts"), Stock(wanted[0], "ok", row),
                Stock(wanted[0], "ok", {"full_name": "a/b"}), Stock(wanted[0], "absent"),
            ]  # fmt: skip

    asking = Readers(Client(), Normaliser(AddressHasher(SALT)), lambda _: None, {})
    context = {"repository_id": 1, "repository_name": "a/b"}
    questions = [Question("stocks", str(k), "new", context) for k in range(4)]
    steps = [step for _, step in asking.stocks(questions)]
    assert [len(step.rows.get("repositories", [])) for step in steps] == [1, 1, 0, 0]
    assert [step.seen is None for step in steps] == [True, False, True, True]
    assert [step.outcome for step in steps] == ["truncated", "ok", "truncated", "absent"]
    assert json.loads(steps[2].bad[0])["reason"] == "databaseId is missing"


# ------------------------------------------------------------ lists that move while they are read


@dataclass
class Lists:
    """GitHub's lists, made up: what a page shows is decided by `before`, which may move things.

    `issues` are (number, second); a page has four.
    """

    issues_at: dict[int, int] = field(default_factory=dict)
    before: Callable[["Lists", int], None] = lambda *_: None
    calls: list[tuple[str | None, str | None]] = field(default_factory=list)
    deepest: int = 99
    size: int = 4

    def issues(self, name: str, since: str | None = None, url: str | None = None) -> Page:
        self.calls.append((since, url))
        self.before(self, len(self.calls))
        if url is not None:
            since, number = url.rsplit(" ", 1)
        else:
            number = "1"
        if int(number) > self.deepest:
            return Page(outcome="truncated", reason="no further")
        first = -1 if since in (None, "None") else second(since.removesuffix("Z"))
        found = sorted((at, n) for n, at in self.issues_at.items() if at >= first)
        page = found[(int(number) - 1) * self.size : int(number) * self.size]
        items = [item(n, at) for at, n in page]
        more = len(found) > int(number) * self.size
        return Page(items, f"{since} {int(number) + 1}" if more else None)


def time_of(at: int) -> str:
    return datetime.fromtimestamp(1_772_323_200 + at, UTC).replace(tzinfo=None).isoformat()


def second(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) - 1_772_323_200


def item(number: int, at: int) -> dict[str, Any]:
    return {
        "number": number, "id": number, "title": "t", "state": "open", "comments": 0,
        "created_at": time_of(0) + "Z", "updated_at": time_of(at) + "Z",
    }  # fmt: skip


def read(
    client: Any, kind: str, context: dict[str, Any], table: str | None = None, most: int = 60
) -> tuple[list[Row], Step, list[Step]]:
    """A question from its first page to its last, by way of JSON as in the journal."""
    asking = Readers(client, Normaliser(AddressHasher(SALT)), lambda _: None, {})
    question = Question(kind, "1", "new", {"repository_id": 1, "repository_name": "a/b"} | context)
    rows, steps, cursor = [], [], None
    for _ in range(most):
        step = getattr(asking, kind)(question, cursor)
        steps.append(step)
        rows += step.rows.get(table or kind, [])
        cursor = json.loads(json.dumps(step.cursor))
        if cursor is None:
            return rows, step, steps
    raise AssertionError("reading does not end")


OF_ISSUES = {"has_issues": True, "marker": ["m"], "watermark": None, "item_count": 9}


def numbers(rows: list[Row]) -> list[int]:
    return [row["issue_number"] for row in rows]


def test_issues_are_read_once_each() -> None:
    lists = Lists({n: n * 10 for n in range(11)})
    rows, last, _ = read(lists, "issues", OF_ISSUES)
    assert numbers(rows) == list(range(11))
    assert (last.outcome, last.item_count) == ("ok", 9)
    assert last.seen == {"marker": ["m"], "watermark": time_of(100)}
    assert {url for _, url in lists.calls} == {None}
    # The next night begins a little before, and has what came since.
    lists.issues_at |= {3: 500, 11: 510}
    rows, last, _ = read(lists, "issues", OF_ISSUES | {"watermark": last.seen["watermark"]})
    assert set(numbers(rows)) >= {3, 11}
    assert last.seen["watermark"] == time_of(510)
    lists.calls.clear()
    rows, last, _ = read(lists, "issues", OF_ISSUES | {"watermark": time_of(2_000)})
    assert (rows, len(lists.calls)) == ([], 1)
    assert last.seen["watermark"] == time_of(2_000)


def test_what_a_list_shows_late_is_found_in_the_next_night() -> None:
    """Something that changed before the newest of the last night, and was not listed then."""
    watermark = time_of(10_000)
    late, older = 10_000 - 200, 10_000 - 400
    rows, _, _ = read(Lists({1: late, 2: older}), "issues", OF_ISSUES | {"watermark": watermark})
    assert numbers(rows) == [1]
    found, _ = pulls(Pulls({1: late, 2: older}), watermark)
    assert set(found) == {1}


def test_more_of_one_second_than_a_page_has() -> None:
    at = dict.fromkeys(range(10), 50) | {20: 10, 21: 90, 22: 91, 23: 92, 24: 93, 25: 94}
    lists = Lists(at)
    rows, last, _ = read(lists, "issues", OF_ISSUES)
    assert set(numbers(rows)) == set(at)
    assert last.outcome == "ok"
    everything = Lists(dict.fromkeys(range(10), 50))
    rows, last, _ = read(everything, "issues", OF_ISSUES)
    assert (set(numbers(rows)), last.outcome) == (set(range(10)), "ok")


def test_what_leaves_a_second_while_it_is_read_hides_nothing() -> None:
    """Each number in turn is changed just before each request: nothing may be missed."""
    for moved in range(12):
        for call in range(2, 9):

            def move(lists: Lists, k: int, moved: int = moved, call: int = call) -> None:
                if k == call:
                    lists.issues_at[moved] = 1_000

            lists = Lists(dict.fromkeys(range(12), 50), move)
            rows, last, _ = read(lists, "issues", OF_ISSUES)
            assert set(numbers(rows)) == set(range(12)), (moved, call)
            newest = max((row for row in rows if row["issue_number"] == moved),
                         key=lambda row: row["updated_at"])  # fmt: skip
            assert len(lists.calls) < call or newest["updated_at"] == time_of(1_000)
            assert last.outcome == "ok"


def test_a_second_that_never_rests_is_told() -> None:
    def move(lists: Lists, k: int) -> None:
        lists.issues_at[100 + k] = 50

    rows, last, steps = read(Lists(dict.fromkeys(range(9), 50), move), "issues", OF_ISSUES)
    assert set(numbers(rows)) >= set(range(9))
    assert (last.outcome, last.reason) == ("truncated", "it changed while it was read")
    assert len(steps) < 40


def test_a_second_that_is_not_listed_to_its_end_is_passed() -> None:
    lists = Lists(dict.fromkeys(range(20), 50) | {30: 60, 31: 61}, deepest=2)
    rows, last, _ = read(lists, "issues", OF_ISSUES)
    assert {30, 31} < set(numbers(rows))
    assert last.outcome == "truncated"


def test_random_worlds_are_read_whole() -> None:
    """Whatever changes while it is read, each issue is there as it was at the end, or newer."""
    for seed in range(150):
        draw = random.Random(seed)
        at = {n: draw.choice([5, 6, 7, 40, 41, 400]) for n in range(draw.randint(0, 25))}

        def move(lists: Lists, k: int, draw: random.Random = draw) -> None:
            if lists.issues_at and draw.random() < 0.3:
                lists.issues_at[draw.choice(list(lists.issues_at))] = 1_000 + k

        lists = Lists(at, move)
        rows, last, _ = read(lists, "issues", OF_ISSUES, most=200)
        if last.outcome == "ok":
            assert set(numbers(rows)) == set(lists.issues_at), seed


def test_issues_that_are_switched_off_are_not_asked_for() -> None:
    lists = Lists({1: 5})
    rows, last, _ = read(lists, "issues", OF_ISSUES | {"has_issues": False})
    assert (rows, last.outcome, lists.calls) == ([], "gone", [])
    assert last.seen == {"marker": ["m"], "watermark": None}


@dataclass
class History:
    """Commits of one repository as a graph, newest first by time, three a page.

    `commits` are sha: (time, parents); reads `LostPlace` on call `lost_at`.
    """

    commits_of: dict[str, tuple[int, list[str]]]
    counted: bool = True
    size: int = 3
    lost_at: int = 0
    calls: list[tuple[str | None, str | None]] = field(default_factory=list)

    def known(self, head: str) -> list[str]:
        found, rest = set(), [head]
        while rest:
            sha = rest.pop()
            if sha not in found:
                found.add(sha)
                rest += self.commits_of[sha][1]
        return sorted(found, key=lambda sha: (-self.commits_of[sha][0], sha))

    def commit_counts(
        self, node_id: str, old: str, new: str, since: list[str]
    ) -> tuple[list[int], list[int]] | None:
        if not self.counted or old not in self.commits_of:
            return None
        sides = []
        for head in (old, new):
            times = [self.commits_of[sha][0] for sha in self.known(head)]
            firsts = [second(text.removesuffix("Z")) for text in since]
            sides.append([len(times), *(sum(t >= first for t in times) for first in firsts)])
        return sides[0], sides[1]

    def commits(
        self, node_id: str, head: str, after: str | None = None, since: str | None = None
    ) -> Page:
        self.calls.append((after, since))
        if len(self.calls) == self.lost_at:
            raise LostPlace
        first = -(10**12) if since is None else second(since.removesuffix("Z"))
        listed = [sha for sha in self.known(head) if self.commits_of[sha][0] >= first]
        start = int(after or 0)
        items = [
            {"oid": sha, "message": sha, "committedDate": time_of(self.commits_of[sha][0]) + "Z"}
            for sha in listed[start : start + self.size]
        ]
        more = start + self.size < len(listed)
        return Page(items, str(start + self.size) if more else None, total=len(listed))


DAY_SECONDS = 86_400


def line(count: int) -> dict[str, tuple[int, list[str]]]:
    """A history without branches, a commit a day."""
    return {
        f"c{k}": (k * DAY_SECONDS, [f"c{k - 1}"] if k else []) for k in range(count)
    }  # fmt: skip


def commits(history: History, head: str, old: str | None = None) -> tuple[list[str], Step]:
    context: dict[str, Any] = {"node_id": "R_1", "head": head, "commit_count": 5}
    if old is not None:
        known = history.commits_of.get(old)
        context |= {"old_head": old, "old_made_at": time_of(known[0] if known else 0)}
    rows, last, _ = read(history, "commits", context)
    return [row["commit_sha"] for row in rows], last


def test_new_commits_only() -> None:
    history = History(line(10))
    found, last = commits(history, "c9")
    assert found == [f"c{k}" for k in range(9, -1, -1)]
    assert last.seen == {"head": "c9", "made_at": time_of(9 * DAY_SECONDS)}
    history.commits_of |= line(15)
    history.calls.clear()
    found, last = commits(history, "c14", "c9")
    assert found == ["c14", "c13", "c12", "c11", "c10"]
    assert last.seen == {"head": "c14", "made_at": time_of(14 * DAY_SECONDS)}
    assert len(history.calls) == 2


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6, 100])
def test_a_limit_of_commits_does_not_depend_on_pages(size: int) -> None:
    for limit in (4, 6, 9, 10, 11):
        context = {"node_id": "R_1", "head": "c9", "commit_count": 10, "commit_limit": limit}
        rows, last, _ = read(History(line(10), size=size), "commits", context)
        kept = min(limit, 10)
        assert [row["commit_sha"] for row in rows] == [f"c{k}" for k in range(9, 9 - kept, -1)]
        assert last.outcome == ("truncated" if limit < 10 else "ok")
        assert last.seen == {"head": "c9", "made_at": time_of(9 * DAY_SECONDS)}


def test_a_merged_branch_brings_commits_that_are_older_than_the_head() -> None:
    for age in (3, 40, 300, 1_000):
        history = History(line(10))
        branch = -age * DAY_SECONDS
        history.commits_of |= {
            "b0": (branch, ["c0"]), "b1": (branch + 5, ["b0"]),
            "m": (20 * DAY_SECONDS, ["c9", "b1"]),
        }  # fmt: skip
        found, last = commits(history, "m", "c9")
        assert set(found) >= {"m", "b1", "b0"}, age
        assert (last.outcome, len(set(found))) == ("ok", len(found))


def test_a_rewritten_history_is_read_anew() -> None:
    history = History(line(10))
    # Amended: as many commits as before, but another one.
    history.commits_of["x9"] = (9 * DAY_SECONDS + 7, ["c8"])
    found, _ = commits(history, "x9", "c9")
    assert set(found) == set(history.known("x9"))
    # Shortened, and an old head that is nowhere any more.
    assert set(commits(history, "c3", "c9")[0]) == set(history.known("c3"))
    assert set(commits(history, "c9", "gone")[0]) == set(history.known("c9"))
    history.counted = False
    assert set(commits(history, "c9", "c3")[0]) == set(history.known("c9"))


def test_a_lost_place_begins_anew_and_not_for_ever() -> None:
    history = History(line(10), lost_at=3)
    found, last = commits(history, "c9")
    assert set(found) == set(history.known("c9"))
    assert last.outcome == "ok"

    class Lost(History):
        def commits(self, *_: Any, **__: Any) -> Page:
            raise LostPlace

    with pytest.raises(TransientFailure):
        commits(Lost(line(2)), "c1")


@dataclass
class Pulls:
    """Pull requests, the last changed first, two a page, by cursors that name a change."""

    at: dict[int, int]
    before: Callable[["Pulls", int], None] = lambda *_: None
    calls: int = 0

    def pull_requests(self, node_id: str, after: str | None = None) -> Page:
        self.calls += 1
        self.before(self, self.calls)
        listed = sorted(((at, n) for n, at in self.at.items()), reverse=True)
        left = [one for one in listed if after is None or list(one) < json.loads(after)]
        more = len(left) > 2
        items = [item(n, at) | {"merged": False, "isDraft": False} for at, n in left[:2]]
        return Page(items, json.dumps(left[1]) if more else None, total=len(listed))


OF_PULLS = {"node_id": "R_1", "marker": ["m"], "watermark": None}


def pulls(source: Pulls, watermark: str | None = None) -> tuple[dict[int, str], Step]:
    rows, last, _ = read(source, "pull_requests", OF_PULLS | {"watermark": watermark})
    return {row["pull_request_number"]: row["updated_at"] for row in rows}, last


def test_pull_requests_stop_where_the_last_night_began() -> None:
    source = Pulls({n: n * 1_000 for n in range(9)})
    found, last = pulls(source)
    assert found == {n: time_of(n * 1_000) for n in range(9)}
    assert (last.item_count, last.seen) == (9, {"marker": ["m"], "watermark": time_of(8_000)})
    source.at |= {0: 9_000, 9: 9_500}
    source.calls = 0
    found, last = pulls(source, time_of(8_000))
    assert found == {9: time_of(9_500), 0: time_of(9_000), 8: time_of(8_000)}
    assert source.calls == 2
    assert last.seen == {"marker": ["m"], "watermark": time_of(9_500)}


def test_a_pull_request_that_moves_meanwhile_is_the_next_nights() -> None:
    def move(source: Pulls, call: int) -> None:
        if call == 2:
            source.at[0] = 50_000

    source = Pulls({n: n * 1_000 for n in range(9)}, move)
    found, last = pulls(source)
    assert 0 not in found
    assert last.seen is not None
    found, _ = pulls(source, last.seen["watermark"])
    assert found[0] == time_of(50_000)


def test_a_repository_that_is_gone_meanwhile() -> None:
    class Gone:
        def issues(self, *_: Any) -> Page:
            return Page(outcome="dmca", reason="dmca since 2026-01-01T00:00:00Z")

        def commits(self, *_: Any) -> Page:
            return Page(outcome="absent")

        def pull_requests(self, *_: Any) -> Page:
            return Page(outcome="absent")

    assert read(Gone(), "issues", OF_ISSUES)[1].outcome == "dmca"
    assert read(Gone(), "pull_requests", OF_PULLS)[1].outcome == "absent"
    context = {"node_id": "R_1", "head": "c1", "commit_count": 1}
    assert read(Gone(), "commits", context)[1].outcome == "absent"


@dataclass
class Group:
    """An organisation's members, two a page, with ETags of pages."""

    ids: list[int]
    before: Callable[["Group", int], None] = lambda *_: None
    calls: list[str] = field(default_factory=list)
    page_size = 2

    def members_url(self, login: str) -> str:
        return f"{login}?1"

    def members(self, login: str, url: str, etag: tuple[str, str] | None = None) -> Page:
        self.calls.append(url)
        self.before(self, len(self.calls))
        number = int(url.rpartition("?")[2])
        page = self.ids[(number - 1) * 2 : number * 2]
        if etag == ("one", str(page)):
            return Page(account="one", etag=str(page), url=url, is_unchanged=True)
        more = len(self.ids) > number * 2
        items = [{"id": n, "login": f"u{n}", "type": "User"} for n in page]
        following = f"{login}?{number + 1}" if more else None
        return Page(items, following, account="one", etag=str(page), url=url)


def members(group: Group, before: Step | None = None, login: str = "org") -> Step:
    etags = {url: (account, value) for account, url, value in before.etags} if before else {}
    listed = {7: before.rows["organisation_members"]} if before else {}
    asking = Readers(group, Normaliser(AddressHasher(SALT)), etags.get, listed)
    context = {"organisation_id": 7, "organisation_login": login,
               "seen": before.seen if before else None}  # fmt: skip
    return asking.members(Question("organisation_members", "7", "new", context), None)


def ids(step: Step) -> list[int]:
    return [row["member_id"] for row in step.rows["organisation_members"]]


@pytest.mark.parametrize("count", [0, 2, 5])
def test_members_that_did_not_change_are_told_again(count: int) -> None:
    group = Group(list(range(1, count + 1)))
    first = members(group)
    assert (sorted(set(ids(first))), first.outcome, first.item_count) == (group.ids, "ok", count)
    pages = len(set(group.calls))
    # More than a page is read until it is read alike twice.
    assert len(group.calls) == (pages if pages == 1 else 2 * pages)
    group.calls.clear()
    again = members(group, first)
    assert (sorted(set(ids(again))), again.seen, again.etags) == (
        group.ids, first.seen, first.etags,
    )  # fmt: skip
    assert len(group.calls) == pages
    assert again.item_count == count
    group.ids.append(99)
    changed = members(group, again)
    assert sorted(ids(changed)) == group.ids
    assert changed.seen != first.seen
    other = replace(
        changed, rows={"organisation_members": changed.rows["organisation_members"][1:]}
    )
    assert sorted(ids(members(group, other))) == group.ids
    renamed = members(group, changed, "other")
    assert {row["organisation_login"] for row in renamed.rows["organisation_members"]} == {"other"}


def test_members_who_leave_while_they_are_read_hide_nobody() -> None:
    def leave(group: Group, call: int) -> None:
        if call == 2:
            group.ids.remove(1)

    assert sorted(ids(members(Group([1, 2, 3, 4, 5], leave)))) == [2, 3, 4, 5]

    def always(group: Group, call: int) -> None:
        group.ids.append(100 + call)

    with pytest.raises(TransientFailure, match="changed while they were read"):
        members(Group([1, 2, 3], always))


# ------------------------------------------------------------ nights on the twin


@dataclass
class Nights:
    """A lake, a running twin and what is expected of both."""

    service: Service
    lake: Lake
    settings: Settings

    @property
    def view(self) -> GitHubView:
        return self.service.twin.github_view()

    def archive(self, k: int) -> None:
        """Land day k of the twin's archive; on day 0 with an event of every repository.

        Those that have another name now have no event under it on day 0.
        """
        r, begin = world().repositories, world().starts_at
        events = self.service.twin.flow.day(k).events
        found = list(zip(events.repository.tolist(), events.created_at.tolist(), strict=True))
        if k == 0:
            every = range(len(r))
            found = [(i, at) for i, at in found if not r.moved_at[i]]
            found += [(i, begin) for i in every if r.created_at[i] <= begin]
        rows = [
            (
                int(r.id[i]),
                r.name_at(i, at) if k else r.name[i],
                datetime.fromtimestamp(at, UTC).replace(tzinfo=None),
            )
            for i, at in found
            if r.commit_stock[i] < MOST_COMMITS
        ]
        land_events(self.lake, FIRST_DAY + timedelta(k), "whole", rows)

    def night(self, k: int) -> Counter[str]:
        """The night of day k, and how often GitHub was asked."""
        self.service.counters.clear()
        mining.observe_github(self.lake, self.settings, SALT, FIRST_DAY + timedelta(k))
        rows = self.rows("requests", k)
        return Counter({kind: sum(r["call_count"] for r in rows if r["kind"] == kind)
                        for kind in ("github.rest", "github.graphql")})  # fmt: skip

    def rows(self, table: str, k: int) -> list[Row]:
        """What the night of day k landed."""
        files = self.lake.partition("github", table, FIRST_DAY + timedelta(k)).current_files()
        if not files:
            return []
        with database() as connection:
            listed = ", ".join(map(literal, files))
            cursor = connection.execute(
                f"from read_parquet([{listed}], hive_partitioning = false) order by all"
            )
            names = [column[0] for column in cursor.description]
            found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        for row in found:
            assert row.pop("observed_at").date() == FIRST_DAY + timedelta(k)
            for name, value in row.items():
                if isinstance(value, datetime):
                    row[name] = value.isoformat()
        return found

    def hashes(self, k: int) -> dict[str, str]:
        return {
            table: self.lake.partition("github", table, FIRST_DAY + timedelta(k)).content_hash()
            for table in (*TABLES, "answers")
        }


@pytest.fixture(scope="module")
def twin() -> Iterator[Service]:
    history, flow, github = parts()
    twin = Twin(Calendar(FIRST_DAY, 1), world=world(), history=history, flow=flow, github=github)
    with serving(twin=twin, limits=LimitSettings(enabled=False)) as service:
        yield service


@pytest.fixture(scope="module")
def token() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_TOKEN", TOKEN)
        yield


def nights(folder: Path, service: Service, **github: Any) -> Nights:
    chosen = {"endpoint": service.twin.github_base, "nightly_limit": 3, "rotation_nights": 3650}
    settings = Settings(data_dir=folder, github=chosen | {"workers": 4} | github)
    return Nights(service, Lake(settings.lake_root), settings)


@dataclass
class Story:
    """Three nights, and what GitHub was like in each."""

    nights: Nights
    views: dict[int, GitHubView]
    asked: dict[int, Counter[str]]


@pytest.fixture(scope="module")
def story(twin: Service, token: None, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Night 1; night 2, in which nothing happened; a day passes; night 3."""
    one = nights(tmp_path_factory.mktemp("story"), twin, history_limit=5, member_nights=2)
    views, asked = {1: one.view, 2: one.view}, {}
    one.archive(0)
    asked[1], asked[2] = one.night(1), one.night(2)
    twin.twin.advance()
    one.archive(1)
    views[3], asked[3] = one.view, one.night(3)
    return Story(one, views, asked)


def moment(at: int) -> str | None:
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat() if at else None


def clean(text: str) -> str | None:
    hasher = AddressHasher(SALT)
    found: str = json.loads(hasher(json.dumps(text, ensure_ascii=False).encode()))
    return found or None


def author(account: Any, association: str) -> Row:
    if account.is_ghost:
        who = dict.fromkeys(("author_id", "author_login", "author_type"))
    else:
        who = {"author_id": account.id, "author_login": account.login, "author_type": account.kind}
    return {**who, "author_association": association}


def true_commits(view: GitHubView, i: int) -> list[Row]:
    number = int(view.world.repositories.id[i])
    table = view.commit_table(i, 0, view.commit_count(i))
    return [
        {
            "repository_id": number,
            "commit_sha": c.sha,
            "author_id": c.author and c.author.id,
            "author_login": c.author and c.author.login,
            "author_name": clean(c.author_name),
            "author_address_hash": clean(c.author_email),
            "authored_at": moment(c.authored_at),
            "committer_id": c.committer and c.committer.id,
            "committer_login": c.committer and c.committer.login,
            "committer_address_hash": clean(c.committer_email),
            "committed_at": moment(c.committed_at),
            "message": clean(c.message) or "",
            "parent_count": len(c.parents),
        }
        for c in view.commits(i, table)
    ]


def true_threads(view: GitHubView, i: int) -> list[Row]:
    table, r = view.threads(i), view.world.repositories
    wanted = np.flatnonzero(table.is_pull | bool(r.has_issues[i]))
    found = []
    for t in view.thread_records(i, wanted) if len(wanted) else []:
        row = {
            "repository_id": int(r.id[i]),
            "title": clean(t.title),
            "body": clean(t.body),
            **author(t.author, t.association),
            "state": "closed" if t.closed_at else "open",
            "labels": [label.name for label in t.labels],
            "comment_count": t.comment_count,
            "created_at": moment(t.created_at),
            "updated_at": moment(t.updated_at),
            "closed_at": moment(t.closed_at),
        }
        if not t.is_pull:
            own = {"issue_number": t.number, "issue_id": t.issue_id, "state_reason": t.state_reason}
        else:
            by = t.closed_by if t.merged_at else None
            own = {
                "pull_request_number": t.number, "pull_request_id": t.pull_id,
                "is_draft": False, "is_merged": bool(t.merged_at),
                "merged_at": moment(t.merged_at),
                "merged_by_login": None if by is None or by.is_ghost else by.login,
                "is_cross_repository": t.head_fork, "base_ref": "main", "head_ref": t.head_ref,
            }  # fmt: skip
        found.append({**row, **own})
    return found


def true_comments(view: GitHubView, i: int) -> list[Row]:
    table = view.comment_table(i)
    found = []
    for n, k in zip(table.number.tolist(), table.place.tolist(), strict=True):
        [c] = view.comments(i, n, k, k + 1)
        found.append({
            "repository_id": int(view.world.repositories.id[i]), "issue_number": c.number,
            "comment_id": c.id, **author(c.author, c.association), "body": clean(c.body),
            "created_at": moment(c.created_at), "updated_at": moment(c.created_at),
            "is_pull_request": c.on_pull,
        })  # fmt: skip
    return found


@cache
def truth(view: GitHubView, i: int) -> dict[str, list[Row]]:
    threads = true_threads(view, i)
    return {
        api_rows.COMMITS: true_commits(view, i),
        api_rows.ISSUES: [row for row in threads if "issue_number" in row],
        api_rows.PULL_REQUESTS: [row for row in threads if "pull_request_number" in row],
        api_rows.ISSUE_COMMENTS: true_comments(view, i),
    }


def compared(rows: list[Row]) -> list[str]:
    """Rows in an order that does not depend on where they come from."""
    kept = []
    for row in rows:
        one = {name: value for name, value in row.items() if name != "co_authors"}
        kept.append(json.dumps(one, sort_keys=True))
    return sorted(kept)


def starred(view: GitHubView, known: list[int], count: int) -> list[int]:
    """The repositories with the most stars among those that are there."""
    number = view.world.repositories.id
    there = [i for i in known if view.visible[i]]
    return sorted(there, key=lambda i: (-int(view.star_counts[i]), int(number[i])))[:count]


def polled(_: Story) -> list[int]:
    """The repositories of the archive that the nights know."""
    r = world().repositories
    return [
        i
        for i in range(len(r))
        if r.created_at[i] <= world().starts_at and r.commit_stock[i] < MOST_COMMITS
    ]


def test_the_first_night_has_every_repository_as_it_is(story: Story) -> None:
    view, r = story.views[1], world().repositories
    rows = {row["repository_id"]: row for row in story.nights.rows("repositories", 1)}
    answers = {row["subject"]: row for row in story.nights.rows("answers", 1)
               if row["kind"] == "stocks"}  # fmt: skip
    known = polled(story)
    assert len(answers) >= len(known) > 150
    outcomes: Counter[str] = Counter()
    for i in known:
        answer, status = answers[str(int(r.id[i]))], view.status(i)
        expected = {"ok": "ok", "dmca": "dmca"}.get(status, "absent")
        if status == "ok" and answer["repository_name"] != view.full_name(i):
            expected = "renamed"
            assert answer["name_now"] == view.full_name(i)
        assert (answer["outcome"], answer["tier"]) == (expected, "new")
        assert (answer["recheck_on"] is None) == (expected in ("ok", "renamed"))
        outcomes[expected] += 1
        assert (int(r.id[i]) in rows) == (status == "ok")
        if status == "ok":
            row = rows[int(r.id[i])]
            assert row["repository_name"] == view.full_name(i)
            assert row["star_count"] == view.star_counts[i]
            assert row["commit_count"] == view.commit_counts[i]
    assert outcomes["ok"] > 100
    assert outcomes["renamed"]
    # Two queries for two hundred; pages of the ten that are read.
    batches = [row for row in story.nights.rows("answers", 1) if row["kind"] != "stocks"]
    assert story.asked[1]["github.graphql"] <= 3 + 2 * len(batches)


def test_the_first_night_reads_the_most_starred_whole(story: Story) -> None:
    view = story.views[1]
    expected: dict[str, list[Row]] = {}
    for i in starred(view, polled(story), 5):
        for table, rows in truth(view, i).items():
            expected.setdefault(table, []).extend(rows)
    for table, rows in expected.items():
        assert compared(story.nights.rows(table, 1)) == compared(rows)
        assert len(rows) > 20, table


def test_co_authors_are_found_with_the_hash_of_their_address(story: Story) -> None:
    found = [row for row in story.nights.rows(api_rows.COMMITS, 1) if row["co_authors"]]
    assert found
    for row in found:
        [one] = row["co_authors"]
        assert row["message"].endswith(f"Co-authored-by: {one['name']} <{one['address_hash']}>")


def test_the_first_night_has_the_public_members(story: Story) -> None:
    view = story.views[1]
    rows = story.nights.rows(api_rows.MEMBERS, 1)
    owners = {int(view.world.repositories.owner_at(i, view.now))
              for i in polled(story) if view.visible[i]}  # fmt: skip
    expected = {
        (view.account(k).id, view.account(m).id)
        for k in owners
        if view.is_organisation(k)
        for m in view.public_members(k).tolist()
    }
    assert {(row["organisation_id"], row["member_id"]) for row in rows} == expected
    assert len(expected) > 5


def test_no_address_is_in_the_lake(story: Story) -> None:
    for k in (1, 3):
        for table in (*TABLES, "answers"):
            text = json.dumps(story.nights.rows(table, k), default=str)
            for part in text.split("@")[1:]:
                assert not part.startswith(("example.", "home.example", "mail.example")), part[:40]


def test_a_night_in_which_nothing_happened_asks_almost_nothing(story: Story) -> None:
    """The three most starred in one query."""
    assert story.asked[2] == {"github.graphql": 1, "github.rest": 0}
    answers = story.nights.rows("answers", 2)
    assert [(row["kind"], row["tier"], row["is_changed"]) for row in answers] == [
        ("stocks", "top", False)
    ] * 3
    assert all(not story.nights.rows(table, 2) for table in TABLES if table != "repositories")


CHANGED_AT = {
    **dict.fromkeys(TABLES, "updated_at"), api_rows.COMMITS: "committed_at",
}  # fmt: skip


def test_a_day_later_there_is_exactly_what_is_new(story: Story) -> None:
    old, new = story.views[1], story.views[3]
    chosen = [i for i in starred(new, polled(story), 5) if i in starred(old, polled(story), 5)]
    r, total = world().repositories, 0
    landed = {table: story.nights.rows(table, 3) for table in TABLES}
    for i in chosen:
        before, now = truth(old, i), truth(new, i)
        for table, rows in now.items():
            known, column = before[table], CHANGED_AT[table]
            as_it_was = set(compared(known))
            fresh = set(compared(rows)) - as_it_was
            own = [row for row in landed[table] if row["repository_id"] == int(r.id[i])]
            found = set(compared(own))
            assert fresh <= found
            # Besides, as it was: what changed within the overlap before the watermark, and commits
            # of the old head's second.
            assert found - fresh <= as_it_was
            edge = max((row[column] for row in known), default="")
            overlap = timedelta(0) if table == api_rows.COMMITS else readers.OVERLAP
            for text in found - fresh:
                limit = datetime.fromisoformat(edge) - overlap
                assert json.loads(text)[column] >= limit.isoformat()
            total += len(fresh)
    assert total > 20
    changed = {row["subject"]: row["is_changed"] for row in story.nights.rows("answers", 3)
               if row["kind"] == "stocks" and row["tier"] != "new"}  # fmt: skip
    assert sum(map(bool, changed.values())) > 20


def test_members_are_asked_again_and_cost_nothing_where_they_stayed(story: Story) -> None:
    """On night 3 all pages are conditional: who did not change is landed again from the lake."""
    first, third = (
        {(row["organisation_id"], row["member_id"]) for row in story.nights.rows(table, k)}
        for table, k in ((api_rows.MEMBERS, 1), (api_rows.MEMBERS, 3))
    )
    view = story.views[3]
    answers = [row for row in story.nights.rows("answers", 3)
               if row["kind"] == api_rows.MEMBERS and row["tier"] == "always"]  # fmt: skip
    assert len(answers) > 3
    for row in answers:
        number = int(row["subject"])
        account = view.github.account_numbered(number)
        assert account is not None
        expected = {(number, view.account(m).id) for m in view.public_members(account).tolist()}
        assert {one for one in third if one[0] == number} == expected
        assert row["is_changed"] is (expected != {one for one in first if one[0] == number})
    requests = story.nights.rows("requests", 3)
    assert sum(row["not_modified_count"] for row in requests) >= len(answers) - 2


FAULTS = [
    {"kind": "reset", "every": 7},
    {"kind": "status", "status": 502, "every": 5},
    {"kind": "truncated", "every": 9, "share": 0.6},
    {"kind": "drift", "items": -1},
    {"kind": "drift", "items": 2, "name": "other-drift"},
]


def test_faults_change_nothing_of_what_is_landed(
    story: Story, tmp_path: Path, token: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    monkeypatch.setattr(mining, "Http", hasty)
    twin = story.nights.service
    hashes = []
    for k, faults in enumerate(([], FAULTS)):
        one = nights(tmp_path / str(k), twin, history_limit=3, attempts=10, repository_limit=40)
        one.archive(0)
        twin.faults.set([FaultRule(path="/github/*", **rule) for rule in faults])
        try:
            one.night(5)
            if faults:
                fired = {rule["kind"]: rule["fired"] for rule in twin.faults.as_json()}
                assert fired["reset"] and fired["status"] and fired["truncated"]
        finally:
            twin.faults.set(())
        hashes.append(one.hashes(5))
    assert hashes[0] == hashes[1]


def hasty(*arguments: Any, **options: Any) -> Any:
    from orchestration.clients.http import Http

    return Http(*arguments, backoff_seconds=0.001, **options)


def test_without_a_token_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    settings = Settings(data_dir=tmp_path, github={"endpoint": "http://127.0.0.1:9"})
    lake = Lake(settings.lake_root)
    assert mining.observe_github(lake, settings, SALT, DAY) == []
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    off = Settings(data_dir=tmp_path, github={"source": "off"})
    assert mining.observe_github(lake, off, SALT, DAY) == []
