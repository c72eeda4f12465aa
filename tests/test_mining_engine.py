"""The engine of mining on a made-up platform: nothing is lost, whatever interrupts a night."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import database

from assets.mining.engine import ANSWERS, Night, Table, night
from assets.mining.questions import Question, Step
from orchestration.failures import PermanentFailure, TransientFailure
from orchestration.journal import Journal
from orchestration.lake import Lake, Partition

DAY = date(2026, 3, 1)
SOURCE = "made_up"
COLUMNS = {"subject": "VARCHAR", "number": "BIGINT", "text": "VARCHAR", "observed_at": "TIMESTAMP"}
ITEMS = Table("items", COLUMNS, ("subject", "number"), newest="text")
NOTES = Table("notes", {"subject": "VARCHAR"}, ("subject",))
TABLES = (ITEMS, NOTES)


@dataclass
class Platform:
    """Lists of items by subject, three a page; every page repeats the last item of the page before.

    Attributes:
        sizes: items of each subject.
        outcomes: what is not `ok`.
        fail_at: raise on this call.
        broken: subjects that never answer.
    """

    sizes: dict[str, int]
    outcomes: dict[str, str] = field(default_factory=dict)
    fail_at: int | None = None
    failure: BaseException | None = None
    broken: set[str] = field(default_factory=set)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    pause: float = 0.0

    def read(self, question: Question, cursor: Any) -> Step:
        self.calls.append((question.subject, cursor))
        if self.pause:
            time.sleep(self.pause)
        if len(self.calls) == self.fail_at and self.failure is not None:
            raise self.failure
        if question.subject in self.broken:
            raise TransientFailure(f"no answer about {question.subject}", "Try later.")
        size = self.sizes[question.subject]
        if question.subject in self.outcomes:
            return Step(outcome=self.outcomes[question.subject], reason="so it is")
        start = cursor or 0
        stop = min(start + 3, size)
        rows = [
            {"subject": question.subject, "number": k, "text": f"é{k}\U0001f600"}
            for k in range(max(0, start - 1), stop)
        ]
        done = stop >= size
        return Step(
            {"items": rows, "notes": [{"subject": question.subject}]},
            None if done else stop,
            item_count=size,
            seen={"size": size},
        )


def sizes(count: int = 30, seed: int = 1) -> dict[str, int]:
    draw = random.Random(seed)
    return {f"thing/{k:03d}": draw.choice([0, 1, 2, 3, 7, 20]) for k in range(count)}


def questions(platform: Platform, tier: str = "new") -> list[Question]:
    named = ({"repository_id": 7, "repository_name": s, "extra": [1]} for s in platform.sizes)
    return [
        Question("items", subject, tier, context)
        for subject, context in zip(platform.sizes, named, strict=True)
    ]


def mine(root: Path, platform: Platform, day: date = DAY, **options: Any) -> Any:
    lake = Lake(root / "lake")
    digest = options.pop("digest", "d")
    with night(lake, SOURCE, day, digest, root / "state", TABLES) as tonight:
        tonight.run(questions(platform), {"items": platform.read}, options.pop("workers", 3))
        return tonight.land()


def rows(root: Path, table: str, day: date = DAY) -> list[tuple[Any, ...]]:
    files = Lake(root / "lake").partition(SOURCE, table, day).current_files()
    if not files:
        return []
    with database() as connection:
        return connection.execute(
            f"select * from read_parquet({[str(f) for f in files]}) order by all"
        ).fetchall()


def hashes(root: Path, day: date = DAY) -> dict[str, list[Any]]:
    lake = Lake(root / "lake")
    return {
        table: [e["content_hash"] for e in lake.partition(SOURCE, table, day).entries()]
        for table in ("items", "notes", ANSWERS)
    }


def expected(platform: Platform) -> list[tuple[str, int]]:
    return sorted(
        (subject, k)
        for subject, size in platform.sizes.items()
        if subject not in platform.outcomes
        for k in range(size)
    )


def test_a_night_lands_each_item_once(tmp_path: Path) -> None:
    platform = Platform(sizes(), outcomes={"thing/004": "dmca", "thing/005": "renamed"})
    entries = mine(tmp_path, platform)
    assert [(row[0], row[1]) for row in rows(tmp_path, "items")] == expected(platform)
    assert {row[2] for row in rows(tmp_path, "items") if row[1] == 2} == {"é2\U0001f600"}
    landed = next(e for e in entries if e["row_count"] == len(expected(platform)))
    mined = [s for subject, s in platform.sizes.items() if subject not in platform.outcomes]
    # Each page but the first repeats an item.
    assert landed["duplicate_count"] == sum((size - 1) // 3 for size in mined if size)
    answers = {row[1]: row for row in rows(tmp_path, ANSWERS)}
    assert len(answers) == len(platform.sizes)
    assert answers["thing/004"][3:5] == ("dmca", "so it is")
    rests = answers["thing/004"][13]
    assert DAY + timedelta(90) <= rests < DAY + timedelta(97)
    assert answers["thing/005"][13] is None
    assert answers["thing/000"][9] == platform.sizes["thing/000"]
    assert {row[11] for row in answers.values()} == {None}
    # Rows of items and notes, each once.
    assert all(row[10] == row[9] + 1 for row in answers.values() if row[3] == "ok")


def test_the_bytes_do_not_depend_on_threads_or_order(tmp_path: Path) -> None:
    mine(tmp_path / "a", Platform(sizes()), workers=1)
    shuffled = sizes()
    keys = list(shuffled)
    random.Random(5).shuffle(keys)
    mine(tmp_path / "b", Platform({key: shuffled[key] for key in keys}), workers=7)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")


@pytest.mark.parametrize("fail_at", [1, 2, 5, 17, 40])
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), PermanentFailure("no", "never")])
def test_an_interrupted_night_goes_on_with_the_next_page(
    tmp_path: Path, fail_at: int, failure: BaseException
) -> None:
    whole = Platform(sizes())
    mine(tmp_path / "whole", whole)
    broken = Platform(sizes(), fail_at=fail_at, failure=failure)
    with pytest.raises(type(failure)):
        mine(tmp_path / "cut", broken, workers=1)
    rest = Platform(sizes())
    mine(tmp_path / "cut", rest)
    assert hashes(tmp_path / "cut") == hashes(tmp_path / "whole")
    # The page in flight is all that was asked for twice.
    assert len(broken.calls) + len(rest.calls) == len(whole.calls) + 1


def test_the_same_day_asks_nothing_again(tmp_path: Path) -> None:
    mine(tmp_path, Platform(sizes()))
    before = hashes(tmp_path)
    again = Platform(sizes())
    mine(tmp_path, again)
    assert again.calls == []
    assert hashes(tmp_path) == before


def test_a_second_landing_of_a_day_adds(tmp_path: Path) -> None:
    first, more = Platform({"a": 2}), Platform({"a": 2, "b": 4})
    mine(tmp_path, first)
    mine(tmp_path, more)
    assert {subject for subject, _ in more.calls} == {"b"}
    assert [(row[0], row[1]) for row in rows(tmp_path, "items")] == expected(more)
    assert len(rows(tmp_path, ANSWERS)) == 2


def test_what_gets_no_answer_stays_open(tmp_path: Path) -> None:
    platform = Platform(sizes(), broken={f"thing/{k:03d}" for k in (3, 9, 20, 25)})
    with pytest.raises(TransientFailure, match="4 of 30 questions"):
        mine(tmp_path, platform)
    rest = Platform(sizes())
    mine(tmp_path, rest)
    assert {subject for subject, _ in rest.calls} == platform.broken
    assert [(row[0], row[1]) for row in rows(tmp_path, "items")] == expected(rest)


def test_a_few_that_never_answer_do_not_stop_a_night(tmp_path: Path) -> None:
    platform = Platform(sizes(), broken={"thing/003", "thing/020"})
    entries = mine(tmp_path, platform)
    assert all(
        e["reason"].startswith("2 questions stay open: no answer about thing/0") for e in entries
    )
    assert {row[1] for row in rows(tmp_path, ANSWERS)} == set(platform.sizes) - platform.broken
    rest = Platform(sizes())
    mine(tmp_path, rest, DAY + timedelta(1))
    assert {row[1] for row in rows(tmp_path, ANSWERS, DAY + timedelta(1))} == set(platform.sizes)


def test_a_platform_that_is_down_is_not_asked_about_everything(tmp_path: Path) -> None:
    platform = Platform(sizes(300))
    platform.broken = set(platform.sizes)
    with pytest.raises(TransientFailure, match="no answer about"):
        mine(tmp_path, platform)
    assert len(platform.calls) < 20


def test_batches_are_answered_until_all_are(tmp_path: Path) -> None:
    asked: list[int] = []

    def batch(group: Any) -> list[tuple[Question, Step]]:
        asked.append(len(group))
        return [(q, Step({"items": [{"subject": q.subject, "number": 0}]})) for q in group[:7]]

    lake = Lake(tmp_path / "lake")
    platform = Platform(sizes(25))
    with night(lake, SOURCE, DAY, "d", tmp_path / "state", TABLES) as tonight:
        tonight.run(questions(platform), {}, 1, ("items", batch), 10)
        tonight.land()
    assert asked == [10, 3, 10, 3, 5]
    assert [row[0] for row in rows(tmp_path, "items")] == sorted(platform.sizes)


def test_the_next_night_knows_what_changed(tmp_path: Path) -> None:
    mine(tmp_path, Platform({"a": 1, "b": 2, "c": 3, "d": 4}, {"d": "gone"}))
    later = Platform({"a": 1, "b": 5, "c": 3, "d": 4}, {"c": "absent"})
    mine(tmp_path, later, DAY + timedelta(1))
    found = {row[1]: (row[3], row[11]) for row in rows(tmp_path, ANSWERS, DAY + timedelta(1))}
    assert found == {
        "a": ("ok", False),
        "b": ("ok", True),
        "c": ("absent", True),
        "d": ("ok", True),
    }
    lake = Lake(tmp_path / "lake")
    with night(lake, SOURCE, DAY + timedelta(2), "d", tmp_path / "state", TABLES) as tonight:
        known = tonight.known("items")
    # A failure does not lose the marker of what was known before.
    assert known["c"].outcome == "absent"
    assert known["c"].seen == {"size": 3}
    assert known["c"].recheck_on is not None
    assert known["d"].recheck_on is None
    assert known["b"].item_count == 5


def test_a_journal_that_was_lost_is_made_again_from_the_lake(tmp_path: Path) -> None:
    def known() -> Any:
        lake, day = Lake(tmp_path / "lake"), DAY + timedelta(2)
        with night(lake, SOURCE, day, "d", tmp_path / "state", TABLES) as tonight:
            return tonight.known("items")

    mine(tmp_path, Platform({"a": 1, "b": 2, "c": 3}, {"c": "renamed"}))
    mine(tmp_path, Platform({"a": 1, "b": 5, "d": 0}, {"a": "absent"}), DAY + timedelta(1))
    before = known()
    assert set(before) == {"a", "b", "c", "d"}
    for path in (tmp_path / "state").glob("made_up.sqlite*"):
        path.unlink()
    assert known() == before


def test_an_earlier_day_lands_under_its_own_date(tmp_path: Path) -> None:
    cut = Platform({"a": 2, "b": 20, "c": 2}, fail_at=4, failure=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        mine(tmp_path, cut, workers=1)
    next_day = DAY + timedelta(1)
    rest = Platform({"a": 2, "b": 20, "c": 2})
    mine(tmp_path, rest, next_day)
    assert [row[1] for row in rows(tmp_path, ANSWERS)] == ["a"]
    assert [row[0] for row in rows(tmp_path, "items")] == ["a", "a"]
    # What was half answered goes on where it was, and is of the day when it was complete.
    assert ("b", None) not in rest.calls
    assert [row[1] for row in rows(tmp_path, "items", next_day) if row[0] == "b"] == list(range(20))
    assert {row[1] for row in rows(tmp_path, ANSWERS, next_day)} == {"a", "b", "c"}


def test_pages_of_another_form_are_not_used(tmp_path: Path) -> None:
    cut = Platform({"a": 20}, fail_at=3, failure=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        mine(tmp_path, cut, workers=1, digest="old")
    rest = Platform({"a": 20})
    mine(tmp_path, rest, digest="new")
    assert rest.calls[0] == ("a", None)
    assert [row[1] for row in rows(tmp_path, "items")] == list(range(20))


@pytest.mark.parametrize("commit", range(1, 5))
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_landing_may_be_cut_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commit: int, when: str
) -> None:
    mine(tmp_path / "whole", Platform(sizes()))
    done = Partition.commit
    count = 0

    def cut(self: Partition, *given: Any) -> Any:
        nonlocal count
        count += 1
        if count == commit and when == "before":
            raise KeyboardInterrupt
        row = done(self, *given)
        if count == commit:
            raise KeyboardInterrupt
        return row

    with monkeypatch.context() as patched:
        patched.setattr(Partition, "commit", cut)
        with pytest.raises(KeyboardInterrupt):
            mine(tmp_path / "cut", Platform(sizes()))
    again = Platform(sizes())
    mine(tmp_path / "cut", again)
    assert again.calls == []
    assert hashes(tmp_path / "cut") == hashes(tmp_path / "whole")


def test_two_processes_do_not_mine_one_source(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    with (
        night(lake, SOURCE, DAY, "d", tmp_path / "state", TABLES),
        pytest.raises(TransientFailure, match="Another process is mining made_up"),
        night(lake, SOURCE, DAY, "d", tmp_path / "state", TABLES),
    ):
        pass


def test_a_damaged_journal_is_a_clear_failure(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "made_up.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(PermanentFailure, match="cannot be used") as raised:
        mine(tmp_path, Platform({"a": 1}))
    assert "Delete the file" in raised.value.remedy


def test_bad_lines_and_etags_are_kept(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    url = "http://127.0.0.1/x"

    def read(question: Question, cursor: Any) -> Step:
        return Step(bad=["no row"], etags=[("me", url, '"1"')])

    with night(lake, SOURCE, DAY, "d", tmp_path / "state", TABLES) as tonight:
        assert tonight.etag(url) is None
        tonight.run([Question("items", "a", "new")], {"items": read}, 1)
        assert tonight.etag(url) == ("me", '"1"')
        tonight.land()
    folders = list((tmp_path / "lake" / "quarantine" / SOURCE).iterdir())
    assert (folders[0] / "lines.jsonl").read_text() == "no row\n"
    with night(lake, SOURCE, DAY + timedelta(1), "other", tmp_path / "state", TABLES) as tonight:
        # It was landed, so that another form does not make it useless.
        assert tonight.etag(url) == ("me", '"1"')


_CHILD = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {root!r}]
import test_mining_engine as t
platform = t.Platform(t.sizes(60), pause=0.002)
t.mine(Path({folder!r}), platform)
"""


def _child(folder: Path) -> "subprocess.Popen[bytes]":
    tests = Path(__file__).parent
    code = _CHILD.format(tests=str(tests), root=str(tests.parent), folder=str(folder))
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    mine(folder, Platform(sizes(60)))
    return folder


def test_sigkill_at_random_moments_loses_nothing(tmp_path: Path, whole: Path) -> None:
    draw = random.Random(3)
    kills = 0
    for _ in range(12):
        process = _child(tmp_path)
        # From the imports to the landing.
        journal = tmp_path / "state" / f"{SOURCE}.sqlite"
        while not journal.exists() and process.poll() is None:
            time.sleep(0.01)
        try:
            process.wait(draw.uniform(0.0, 0.35))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
        else:
            break
    assert kills >= 2
    mine(tmp_path, Platform(sizes(60)))
    assert hashes(tmp_path) == hashes(whole)


def test_lanes_do_not_wait_for_each_other(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    second_ran = threading.Event()

    def first(question: Question, cursor: Any) -> Step:
        # As one that waits for its budget: it goes on when the other lane was asked.
        assert second_ran.wait(20)
        return Step()

    def second(question: Question, cursor: Any) -> Step:
        second_ran.set()
        return Step()

    asked = [Question("first", f"a{k}", "new") for k in range(9)] + [Question("second", "b", "new")]
    with night(lake, SOURCE, DAY, "d", tmp_path / "state", TABLES) as tonight:
        tonight.run(asked, {"first": first, "second": second}, 2, lanes={"second": "other"})
        assert len(tonight.answers("first")) + len(tonight.answers("second")) == 10


def test_a_night_that_asked_nothing_leaves_a_row(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    with night(lake, SOURCE, DAY, "d", tmp_path / "state", TABLES) as tonight:
        entries = tonight.land()
    assert [e["row_count"] for e in entries] == [0, 0, 0]


def test_journal_of_another_format(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "x.sqlite")
    journal.set_fact("format", "99")
    journal.close()
    with pytest.raises(PermanentFailure, match="another format"):
        Journal(tmp_path / "x.sqlite")


def test_night_is_what_readers_see(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    platform = Platform({"a": 4, "b": 1}, {"b": "hidden"})
    with night(lake, SOURCE, DAY, "d", tmp_path / "state", TABLES) as tonight:
        assert isinstance(tonight, Night)
        tonight.run(questions(platform), {"items": platform.read}, 2)
        assert sorted({row["number"] for row in tonight.rows("items")}) == [0, 1, 2, 3]
        found = tonight.answers("items")
    assert (found["a"].seen, found["a"].item_count) == ({"size": 4}, 4)
    assert found["b"].outcome == "hidden"
