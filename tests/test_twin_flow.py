"""The flow of the twin: days that do not depend on how they are reached, and planted quantities.

The checks are functions over columns; each is shown to notice a broken flow.
"""

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twin import events as ev
from twin import words
from twin.archive import Flow
from twin.events import Events, joined, thread_keys
from twin.generate import write_world
from twin.identifiers import (
    comment_id,
    commit_sha,
    fork_id,
    head_shas,
    node_id,
    node_of,
    pull_id,
    thread_id,
)
from twin.texts import Texts
from twin.timeline import INSIDER, MACHINE, OUTSIDER
from twin.world import Scale, World, build_world

FIRST = date(2025, 10, 6)
DAY = 86_400
BUSY = Scale("busy", 6_000, 800, 2_000, 80, 10, 20, 40, 5, 20, 30, 7)
DAYS = 9


@pytest.fixture(scope="module")
def tiny() -> Flow:
    return Flow(build_world("tiny", 1, FIRST))


@pytest.fixture(scope="module")
def busy() -> Flow:
    return Flow(build_world(BUSY, 11, FIRST))


@pytest.fixture(scope="module")
def events(busy: Flow) -> Events:
    """Some days of a busy world in one table, in order of time."""
    return joined([busy.day(k).events for k in range(DAYS)])


def digest(*parts: bytes | None) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(b"missing" if part is None else hashlib.sha256(part).digest())
    return found.hexdigest()


def day_digest(flow: Flow, k: int) -> str:
    columns = [
        np.ascontiguousarray(column).tobytes() for column in vars(flow.day(k).events).values()
    ]
    return digest(*columns, *(flow.hour_bytes(k, hour) for hour in (0, 1, 13, 23)))


# ---------------------------------------------------------------- days


def test_a_day_is_the_same_however_it_is_reached(tiny: Flow) -> None:
    world = build_world("tiny", 1, FIRST)
    jumped, walked = Flow(world), Flow(world)
    last = day_digest(jumped, 16)
    days = [day_digest(walked, k) for k in range(17)]
    assert days[16] == last
    # By now the early days are forgotten and are drawn again.
    assert [day_digest(walked, k) for k in (9, 0, 3)] == [days[k] for k in (9, 0, 3)]
    assert len(set(days)) == 17
    assert day_digest(Flow(build_world("tiny", 2, FIRST)), 0) != days[0]


def test_there_is_no_day_before_the_first(tiny: Flow) -> None:
    with pytest.raises(ValueError, match="history"):
        tiny.day(-1)


def test_files_are_the_bytes_of_the_flow_however_many_days_are_written(
    tiny: Flow, tmp_path: Path
) -> None:
    days = [FIRST, date(2025, 10, 7)]
    write_world(tmp_path / "two", "tiny", 1, days)
    write_world(tmp_path / "one", "tiny", 1, days[:1])
    written = {path.name: path.read_bytes() for path in (tmp_path / "two/archive").iterdir()}
    missing = 0
    for k, day in enumerate(days):
        for hour in range(24):
            data = tiny.hour_bytes(k, hour)
            assert written.get(f"{day}-{hour}.json.gz") == data
            missing += data is None
    assert missing == 1
    for path in (tmp_path / "one/archive").iterdir():
        assert path.read_bytes() == written[path.name]


@pytest.mark.parametrize(("switch", "eras"), [((2025, 1, 1), {False}), ((2027, 1, 1), {True})])
def test_the_era_switch_is_any_date(switch: tuple[int, int, int], eras: set[bool]) -> None:
    world = build_world("tiny", 1, FIRST, era_switch=datetime(*switch, tzinfo=UTC))
    sizes = {
        "size" in event["payload"]
        for event in lines_of(Flow(world), 0)
        if event["type"] == "PushEvent"
    }
    assert sizes == eras


def lines_of(flow: Flow, k: int) -> Iterator[dict[str, Any]]:
    day = flow.day(k)
    for hour in range(24):
        for line in flow.hour_lines(day, hour):
            yield json.loads(line)


# ---------------------------------------------------------------- what must not happen


def hidden_events(world: World, events: Events) -> int:
    """Events on repositories that nobody can see, or that are read-only, at their time."""
    repositories = world.repositories
    seen = repositories.is_visible(events.repository, events.created_at)
    written = ~np.isin(events.type, (ev.WATCH, ev.FORK, ev.PUBLIC))
    archived = repositories.is_archived_at(events.repository, events.created_at)
    return int((~seen | (written & archived)).sum())


def test_nothing_happens_where_nobody_can_see_it(busy: Flow, events: Events) -> None:
    world, repositories = busy.world, busy.world.repositories
    assert hidden_events(world, events) == 0
    for fate in ("deleted_at", "private_from", "dmca_at", "archived_at"):
        at = getattr(repositories, fate)
        # Somewhere something happened before, so that the silence afterwards tells.
        struck = np.flatnonzero((at > world.starts_at) & (at < world.starts_at + DAYS * DAY))
        assert np.isin(events.repository, struck).any(), fate
        shifted = events.taken(np.isin(events.repository, struck))
        columns = {**vars(shifted), "created_at": shifted.created_at + 30 * DAY}
        if fate in ("deleted_at", "dmca_at"):
            assert hidden_events(world, Events(**columns)) == len(shifted)


def test_published_repositories_say_so(busy: Flow, events: Events) -> None:
    repositories = busy.world.repositories
    until = repositories.private_until
    end = busy.world.starts_at + DAYS * DAY
    published = np.flatnonzero((repositories.private_from == 1) & (until < end) & (until > 0))
    assert len(published) >= 2
    for i in published.tolist():
        mine = events.taken(events.repository == i)
        assert mine.type[0] == ev.PUBLIC
        assert mine.created_at[0] == until[i]


def gaps(world: World, events: Events) -> int:
    """Opened threads that do not continue their repository's numbers."""
    opened = events.taken(events.action == ev.OPENED)
    wrong = 0
    last = dict(enumerate(world.repositories.last_number.tolist()))
    for i, number in zip(opened.repository.tolist(), opened.number.tolist(), strict=True):
        wrong += number != last[i] + 1
        last[i] = number
    return wrong


def test_thread_numbers_continue_the_history_without_gaps(busy: Flow, events: Events) -> None:
    assert gaps(busy.world, events) == 0
    opened = np.flatnonzero(events.action == ev.OPENED)
    assert len(opened) > 1_500
    assert gaps(busy.world, events.taken(np.delete(np.arange(len(events)), opened[0]))) > 0


def misplaced(world: World, events: Events) -> int:
    """Pushes whose commits do not follow those before."""
    pushes = events.taken(events.type == ev.PUSH)
    following = world.repositories.commit_stock.astype(np.int64).tolist()
    wrong = 0
    for i, first, fresh in zip(
        pushes.repository.tolist(), pushes.first_position.tolist(),
        pushes.push_distinct_size.tolist(), strict=True,
    ):  # fmt: skip
        wrong += first != following[i]
        following[i] = first + fresh
    return wrong


def test_commits_continue_the_history_without_gaps(busy: Flow, events: Events) -> None:
    assert misplaced(busy.world, events) == 0
    pushes = np.flatnonzero((events.type == ev.PUSH) & (events.push_distinct_size > 0))
    counts = np.bincount(events.repository[pushes])
    first = pushes[events.repository[pushes] == counts.argmax()][0]
    assert misplaced(busy.world, events.taken(np.delete(np.arange(len(events)), first))) > 0
    commits = busy.commits(events)
    assert len(commits.position) == int(events.push_distinct_size.sum())
    pairs = set(zip(commits.repository.tolist(), commits.position.tolist(), strict=True))
    assert len(pairs) == len(commits.position)
    assert 0.02 < (commits.author < 0).mean() < 0.3
    by_platform = commits.committer == busy.world.accounts.web_flow
    assert (by_platform == (commits.pull_number > 0)).all()


def test_a_thread_is_closed_once_and_what_is_merged_is_pushed(busy: Flow, events: Events) -> None:
    keys = thread_keys(events.repository, events.number)
    ends = np.isin(events.action, (ev.CLOSED, ev.MERGED))
    assert len(np.unique(keys[ends])) == ends.sum() > 1_000
    merges = events.taken(events.action == ev.MERGED)
    pushes = events.taken(events.merges > 0)
    told = [
        sorted(zip(part.repository.tolist(), number.tolist(), part.actor.tolist(),
                   part.created_at.tolist(), part.first_position.tolist(), strict=True))
        for part, number in ((merges, merges.number), (pushes, pushes.merges))
    ]  # fmt: skip
    assert told[0] == told[1]
    assert (pushes.push_size == 1).all()
    assert (merges.thread_merged_at == merges.created_at).all()
    reopened = events.taken(events.action == ev.REOPENED)
    assert len(reopened) > 10
    assert (reopened.thread_closed_at == 0).all()


def test_comments_count_on_from_the_history(busy: Flow, events: Events) -> None:
    history, last = busy.history, busy.world.repositories.last_number
    expected: dict[tuple[int, int], int] = {}
    comments = events.taken(events.type == ev.ISSUE_COMMENT)
    old = 0
    for i, number, place in zip(
        comments.repository.tolist(), comments.number.tolist(), comments.place.tolist(),
        strict=True,
    ):  # fmt: skip
        if (i, number) not in expected:
            known = number <= last[i]
            thread = history.threads(i, number - 1, number) if known else None
            expected[i, number] = int(thread.comment_count[0]) if thread is not None else 0
            old += known
        assert place == expected[i, number]
        expected[i, number] += 1
    assert old > 200
    assert len(expected) - old > 200


def test_stars_are_given_once_ever(busy: Flow, events: Events) -> None:
    stars = events.taken(events.type == ev.WATCH)
    pairs = set(zip(stars.repository.tolist(), stars.actor.tolist(), strict=True))
    assert len(pairs) == len(stars) > 3_000
    assert not busy.history.has_starred(stars.repository, stars.actor).any()
    i = int(busy.world.repositories.star_stock.argmax())
    old, _ = busy.history.stars(i, 0, 50)
    people = old[old < busy.world.accounts.person_count]
    assert busy.history.has_starred(np.full(len(people), i), people).all()


def test_no_natural_key_is_used_twice(events: Events) -> None:
    columns = (events.type, events.repository, events.actor, events.created_at, events.action,
               events.number, events.place, events.push_id)  # fmt: skip
    assert len(set(zip(*(column.tolist() for column in columns), strict=True))) == len(events)
    for column in (events.serial, events.push_id[events.type == ev.PUSH]):
        assert (np.diff(column) > 0).all()


# ---------------------------------------------------------------- who acts


def deviation(planted: np.ndarray[Any, Any], happened: np.ndarray[Any, Any]) -> float:
    """How many standard deviations the number of successes is from what was planted."""
    spread = float(np.sqrt((planted * (1 - planted)).sum()))
    return float(happened.sum() - planted.sum()) / spread


def test_planted_shares_of_outsiders_are_found_again(busy: Flow, events: Events) -> None:
    repositories = busy.world.repositories
    direct = (events.type == ev.PUSH) & (events.merges == 0) & (events.role != MACHINE)
    opened = (events.action == ev.OPENED) & (events.role != MACHINE)
    opened &= events.type == ev.PULL
    for mask, share in (
        (direct, repositories.external_direct_share), (opened, repositories.external_opened_share),
    ):  # fmt: skip
        planted = share[events.repository[mask]]
        assert abs(deviation(planted, events.role[mask] == OUTSIDER)) < 4
        # Twice the planted share would be seen.
        doubled = np.minimum(2 * planted, 1)
        assert abs(deviation(doubled, events.role[mask] == OUTSIDER)) > 4


def test_pull_requests_are_accepted_at_their_authors_planted_rate(
    busy: Flow, events: Events
) -> None:
    plan, fates = busy.world.repositories.plan, busy.world.repositories
    # A week later hardly any of the first two days' is undecided.
    in_time = events.created_at < busy.world.starts_at + 2 * DAY
    alive = np.ones(len(fates), bool)
    for fate in (fates.deleted_at, fates.dmca_at, fates.archived_at, fates.private_from):
        alive &= fate == 0
    opened = events.taken(
        (events.action == ev.OPENED) & (events.type == ev.PULL) & in_time
        & alive[events.repository]
    )  # fmt: skip
    merged = events.taken(events.action == ev.MERGED)
    keys = thread_keys(merged.repository, merged.number)
    accepted = np.isin(thread_keys(opened.repository, opened.number), keys)
    planted = plan.acceptance[opened.repository, opened.role]
    assert len(opened) > 100
    assert abs(deviation(planted, accepted)) < 4
    # Of merges of the flow's own pull requests by people, outsiders' have the planted share.
    mine = merged.taken(
        (merged.number > fates.last_number[merged.repository]) & (merged.thread_role != MACHINE)
    )
    i, share = mine.repository, fates.external_opened_share
    out = share[i] * plan.acceptance[i, OUTSIDER]
    inside = (1 - share[i]) * plan.acceptance[i, INSIDER]
    assert abs(deviation(out / (out + inside), mine.thread_role == OUTSIDER)) < 4


def test_insiders_are_inside_and_outsiders_outside_at_that_time(busy: Flow, events: Events) -> None:
    world = busy.world
    acts = events.taken(np.isin(events.type, (ev.PUSH, ev.PULL)) & (events.action != ev.CLOSED))
    is_inside = world.is_insider(acts.actor, acts.repository, acts.created_at)
    assert is_inside[acts.role == INSIDER].all()
    assert not is_inside[acts.role == OUTSIDER].any()
    machines = acts.actor[acts.role == MACHINE]
    assert world.accounts.is_bot[machines].all()
    assert len(np.unique(machines)) > 5
    # Some acted inside who were not members at another time: it is the moment that counts.
    before = world.is_insider(acts.actor, acts.repository, acts.created_at - 3_000 * DAY)
    assert (~before & (acts.role == INSIDER)).any()
    assert (world.accounts.created_at[events.actor] <= events.created_at).all()


def test_bursts_of_bought_stars_stand_out(busy: Flow, events: Events) -> None:
    world, repositories = busy.world, busy.world.repositories
    at = repositories.star_burst_at
    bursts = np.flatnonzero((at > 0) & (at + 7_200 < world.starts_at + DAYS * DAY))
    assert len(bursts) >= 3
    for i in bursts.tolist():
        if not repositories.is_visible(np.array([i]), int(at[i]) + 7_200)[0]:
            continue
        stars = events.taken((events.repository == i) & (events.type == ev.WATCH))
        inside = (stars.created_at >= at[i]) & (stars.created_at < at[i] + 7_200)
        young = np.isin(stars.actor, world.accounts.young(int(at[i])))
        assert (inside & young).sum() >= 0.8 * repositories.star_burst_size[i]
        assert (young & ~inside).sum() < (inside & young).sum()


# ---------------------------------------------------------------- files


def test_late_events_stand_in_the_next_days_files(busy: Flow, events: Events) -> None:
    hour = (events.created_at - busy.world.starts_at) // 3_600
    assert set((events.hour - hour)[~events.is_late].tolist()) == {0, 1}
    assert set((events.hour - hour)[events.is_late].tolist()) == {24}
    assert events.is_late.sum() == DAYS * BUSY.late_count
    day = busy.day(1)
    from_yesterday = day.recorded.serial[day.occurrences.event] < day.events.serial[0]
    assert from_yesterday.sum() > BUSY.late_count
    assert (day.occurrences.hour // 24 == 1).all()


def test_every_event_is_written_once_or_lost_in_a_thin_hour(busy: Flow) -> None:
    losses = 0
    for k in range(8):
        day = busy.day(k)
        hours, lines = np.arange(24 * k, 24 * k + 24), day.occurrences
        happened = np.concatenate([busy.day(j).events.hour for j in range(max(k - 1, 0), k + 1)])
        due = [int((happened == hour).sum()) for hour in hours]
        originals = lines.hour[lines.copy == 0]
        written = [int((originals == hour).sum()) for hour in hours]
        assert [a + b for a, b in zip(written, day.lost.tolist(), strict=True)] == due
        losses += int((day.lost > 0).sum())
    assert losses == 4


def test_lines_tell_what_the_shared_functions_say(busy: Flow) -> None:
    world, history = busy.world, busy.history
    texts, ids = Texts(world, history), world.repositories
    seen: Counter[str] = Counter()
    day = busy.day(0)
    for hour in range(6, 9):
        part = day.lines_of(hour)
        events = day.recorded.taken(day.occurrences.event[part])
        for k, line in enumerate(busy.hour_lines(day, hour)):
            event = json.loads(line)
            payload, i, number = event["payload"], int(events.repository[k]), int(events.number[k])
            assert event["repo"]["name"] == ids.name_at(i, int(events.created_at[k]))
            if "issue" in payload:
                assert payload["issue"]["id"] == thread_id(i, number)
                assert payload["issue"]["title"] == texts.title(i, number)
                assert payload["issue"]["body"] == texts.body(i, number)
                seen["issue"] += 1
            if event["type"] == "IssueCommentEvent":
                place = int(events.place[k])
                assert payload["comment"]["id"] == comment_id(i, number, place)
                assert payload["comment"]["body"] == texts.comment(i, number, place)
                seen["comment"] += 1
            if "pull_request" in payload:
                pull = payload["pull_request"]
                assert pull["id"] == pull_id(i, number)
                assert [pull["head"]["sha"]] == head_shas(world.seed, i, number)
                is_fork = pull["head"]["repo"]["id"] != ids.id[i]
                assert is_fork == (events.thread_role[k] == OUTSIDER)
                if is_fork:
                    author = int(events.thread_author[k])
                    assert pull["head"]["repo"]["id"] == fork_id(i, author)
                seen["fork"] += is_fork
            commits = payload.get("commits", [])
            if 0 < len(commits) == payload["size"]:
                first = int(events.first_position[k])
                if not commits[0]["distinct"]:
                    known = payload["size"] - payload["distinct_size"]
                    first = int(ids.commit_stock[i]) - known
                    assert commits[0]["sha"] == history.sha(i, first)
                assert payload["before"] == history.sha(i, first - 1)
            for back, commit in enumerate(reversed(commits)):
                if commit["distinct"]:
                    position = int(events.first_position[k] + events.push_distinct_size[k])
                    assert commit["sha"] == history.sha(i, position - 1 - back)
                    assert commit["message"] == texts.message(i, position - 1 - back)
                else:
                    seen["known"] += 1
                seen["commit"] += 1
    assert min(seen.values()) > 3
    assert seen["commit"] > 300


def test_every_hostile_string_is_a_title_on_a_day_of_the_demonstration() -> None:
    flow = Flow(build_world("demo", 2016, FIRST))
    events = flow.day(0).events
    threads = events.taken(events.number > 0)
    texts = Texts(flow.world, flow.history)
    places = np.unique(texts.titles_at(threads.repository, threads.number))
    assert set(words.HOSTILE) <= {texts.titles.texts[k] for k in places.tolist()}


def test_the_flow_is_of_the_size_of_its_scale() -> None:
    flow = Flow(build_world("demo", 2016, FIRST))
    count = len(flow.day(0).events)
    assert 0.96 * 89_000 < count < 1.01 * 89_000
    data = flow.hour_bytes(0, 0)
    assert data is not None
    assert gzip.decompress(data).count(b"\n") > 1_000


# ---------------------------------------------------------------- identifiers


def test_identifiers_are_the_same_one_by_one_and_in_arrays() -> None:
    i, number = np.array([0, 7, 1_428_791]), np.array([1, 2, 1_607_850])
    for make in (pull_id, thread_id):
        assert make(i, number).tolist() == [make(int(a), int(b)) for a, b in zip(i, number)]  # noqa: B905
    assert comment_id(i, number, 3)[2] == comment_id(1_428_791, 1_607_850, 3) < 2**53
    assert len({pull_id(0, 1), thread_id(0, 1), comment_id(0, 1, 0), fork_id(0, 1)}) == 4
    assert commit_sha(1, 5, 0) != commit_sha(2, 5, 0)
    assert commit_sha(1, 5, -1) == "0" * 40
    assert node_of(node_id("Issue", 12)) == ("Issue", 12)
    assert node_of("no id") is None
