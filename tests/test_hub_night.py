"""Nights on the twin's Hub: what is planted is found, whatever happens on the way."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hub_night import (
    SALT,
    answers,
    landed,
    night,
    request_count,
    rows,
    served,
    settings,
)

from assets.github.lines import AddressHasher
from assets.huggingface.rows import hashed
from assets.mining import tiers
from orchestration.clients.huggingface import hub_client
from orchestration.failures import TransientFailure
from twin.hub import HubView
from twin.hub_access import ACCOUNT_TOKEN
from twin.hub_plan import KINDS
from twin.hub_shapes import details
from twin.server.faults import FaultRule
from twin.server.limits import HubLimits, LimitSettings

ROOT = Path(__file__).parents[1]
DAY = date(2025, 10, 8)
PAGES = ("/hub/api/*/*/*/commits/*", "/hub/api/*/*/*/discussions")


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night without any fault."""
    folder = tmp_path_factory.mktemp("calm")
    with served() as service:
        night(service, folder)
    return folder


def view_of() -> HubView:
    with served() as service:
        return service.twin.hub_view()


def subject(view: HubView, i: int) -> str:
    return f"{KINDS[int(view.repositories.kind[i])]}/{view.name(i)}"


def listed(view: HubView) -> list[int]:
    return [int(i) for i in np.flatnonzero(view.listed)]


# ---------------------------------------------------------------- what is planted


def test_every_planted_stock_is_found(calm: Path) -> None:
    view = view_of()
    commits, talks = answers(calm, "commits", DAY), answers(calm, "discussions", DAY)
    assert set(commits) == set(talks) == {subject(view, i) for i in listed(view)}
    seen: Counter[str] = Counter()
    for i in listed(view):
        outcome, count, tier, _ = commits[subject(view, i)]
        expected = "refused" if view.gated[i] else "disabled" if view.is_disabled[i] else "ok"
        assert (outcome, tier) == (expected, "new")
        assert count == (view.commit_count[i] + 1 if expected == "ok" else None)
        seen[expected] += 1
        outcome, count, *_ = talks[subject(view, i)]
        assert outcome == ("gone" if view.talk_is_off[i] else "ok")
        assert count == (view.thread_count[i] if outcome == "ok" else None)
        seen[f"talk {outcome}"] += 1
    assert min(seen[key] for key in ("refused", "disabled", "talk gone")) >= 1
    for table, told in (("commits", commits), ("discussions", talks)):
        found = rows(calm, table, DAY, "repository_type || '/' || repository_name, count(*)",
                     "group by all")  # fmt: skip
        assert dict(found) == {name: row[1] for name, row in told.items() if row[1]}


def test_the_events_of_every_discussion_are_those_of_the_twin(calm: Path) -> None:
    view = view_of()
    found: dict[tuple[str, int], list[Any]] = {}
    for name, number, *event in rows(
        calm, "discussion_events", DAY,
        "repository_type || '/' || repository_name, discussion_number, event_id, event_type, "
        "author_login, is_author_staff, is_author_admin, is_author_moderator, "
        "strftime(created_at, '%Y-%m-%dT%H:%M:%S.000Z'), body, is_hidden, is_edited, "
        "new_status, commit_id",
    ):  # fmt: skip
        found.setdefault((name, number), []).append(tuple(event))
    expected: dict[tuple[str, int], list[Any]] = {}
    for i in listed(view):
        if view.talk_is_off[i]:
            continue
        span = view.threads_of(i)
        for number, x in enumerate(range(span.start, span.stop), 1):
            events = hashed(details(view, x, True)["events"], AddressHasher(SALT))
            expected[subject(view, i), number] = [
                (
                    event["id"], event["type"], event.get("author", {}).get("name"),
                    *(event.get("author", {}).get(flag) for flag in ("isHf", "isHfAdmin", "isMod")),
                    event["createdAt"],
                    event["data"]["latest"]["raw"] if event["type"] == "comment" else None,
                    event["data"].get("hidden"), event["data"].get("edited"),
                    event["data"].get("status"), event["data"].get("oid"),
                )
                for event in events
            ]  # fmt: skip
    assert found.keys() == expected.keys()
    kinds: Counter[str] = Counter()
    for key, events in expected.items():
        kinds.update(event[1] for event in events)
        assert sorted(map(str, found[key])) == sorted(map(str, events)), key
    assert {"comment", "status-change", "commit"} <= kinds.keys()


def test_accounts_members_and_likers_are_those_that_are_shown(calm: Path) -> None:
    view = view_of()
    accounts, people = view.accounts, view.accounts.person_count
    owners = {int(view.owner[i]) for i in listed(view)}
    told = dict(rows(calm, "accounts", DAY, "account_login, account_type"))
    kinds = ("user", "organisation")
    assert told == {accounts.login[k]: kinds[k >= people] for k in owners}
    lists = answers(calm, "organisation_members", DAY)
    shown = rows(calm, "organisation_members", DAY, "organisation_login, member_login")
    expected = set()
    for k in owners:
        if k < people:
            continue
        members = view.shown_members(k)
        assert lists[accounts.login[k]][0] == ("hidden" if members is None else "ok")
        if members is not None:
            assert lists[accounts.login[k]][1] == len(members)
            expected |= {(accounts.login[k], accounts.login[m]) for m in members.tolist()}
    assert set(shown) == expected
    assert {row[0] for row in lists.values()} == {"hidden", "ok"}
    likers = set(
        rows(calm, "likers", DAY, "repository_type || '/' || repository_name, actor_login")
    )
    most = sorted(listed(view), key=lambda i: (-view.like_count[i], subject(view, i)))[:100]
    wanted = {
        (subject(view, i), view.acts.login_of(int(who))) for i in most for who in view.likers(i)
    }
    assert likers == wanted
    assert len(likers) > 50


def test_what_moved_meanwhile_is_told(tmp_path: Path) -> None:
    """Weeks later: renamed, deleted, private, gated, disabled, switched off, taken again."""
    fates: Counter[str] = Counter()
    with served(seed=58, models=120, small=False) as service:
        before = service.twin.hub_view()
        night(service, tmp_path)
        service.twin.advance(38)
        now = service.twin.hub_view()
        night(service, tmp_path, nightly_limit=100)
    day = DAY + timedelta(38)
    told = answers(tmp_path, "presence", day)
    commits, talks = (answers(tmp_path, kind, day) for kind in ("commits", "discussions"))
    expected = {}
    for i in listed(before):
        name = f"{subject(before, i)}@{before.repositories.id[i]}"
        if not now.listed[i]:
            taken = now.find(int(now.repositories.kind[i]), before.name(i))
            is_other = taken not in (None, i) and now.name(taken) == before.name(i)
            expected[name] = ("taken_over" if is_other else "absent", None)
        elif before.name(i) != now.name(i):
            expected[name] = ("renamed", now.name(i))
            # Under its new name everything is asked for.
            assert commits[subject(now, i)][2] == "new"
        elif bool(before.gated[i]) != bool(now.gated[i]):
            fates["gated"] += 1
            gated = "refused" if now.gated[i] else "ok"
            assert commits[subject(now, i)][::2] == (gated, "changed")
        elif now.is_disabled[i] and not before.is_disabled[i] and not now.gated[i]:
            fates["disabled"] += 1
            assert commits[subject(now, i)][::2] == ("disabled", "changed")
        if now.listed[i] and before.name(i) == now.name(i) and subject(now, i) in talks:
            assert talks[subject(now, i)][0] == ("gone" if now.talk_is_off[i] else "ok")
            fates["off"] += bool(now.talk_is_off[i]) and not before.talk_is_off[i]
    assert {name: (row[0], row[3]) for name, row in told.items()} == expected
    fates.update(outcome for outcome, _ in expected.values())
    fates["heir"] += _heirs(before, now, commits)
    assert min(fates[key] for key in ("renamed", "absent", "gated", "disabled", "off", "heir")) >= 1


def _heirs(before: HubView, now: HubView, commits: dict[str, Any]) -> int:
    """Names that belong to another repository now, whose commits were asked for again."""
    named = {subject(before, i): i for i in listed(before)}
    heirs = [i for i in listed(now) if named.get(subject(now, i), i) != i]
    for i in heirs:
        assert commits[subject(now, i)][1:3] == (now.commit_count[i] + 1, "changed")
    return len(heirs)


# ---------------------------------------------------------------- what happens on the way


def test_faults_and_limits_change_nothing(calm: Path, tmp_path: Path) -> None:
    faults = [
        FaultRule(kind="status", status=503, path="/hub/api/*", probability=0.03, seed=1),
        FaultRule(kind="reset", path="/hub/api/*", probability=0.02, seed=2),
        FaultRule(kind="truncated", path="/hub/api/*", probability=0.03, seed=3),
        *(
            FaultRule(kind="drift", name=f"{page}{items}", path=page, items=items, probability=0.18,
                      seed=4 + items)
            for page in PAGES for items in (1, -1)
        ),
    ]  # fmt: skip
    limits = LimitSettings(hub=HubLimits(window_seconds=1, api_anonymous=250))
    with served(faults=faults, limits=limits) as service:
        night(service, tmp_path)
        told = service.counters.as_json()["hub.api"]
        drifted = [rule for rule in service.faults.as_json() if rule["kind"] == "drift"]
    assert min(rule["fired"] for rule in drifted) >= 1
    assert sum(rule["fired"] for rule in drifted) >= 20
    assert {"503", "reset", "truncated"} <= told.keys()
    assert told.get("429", 0) == 0
    assert landed(tmp_path, DAY) == landed(calm, DAY)


def test_a_list_that_always_moves_is_truncated_and_asked_for_again(tmp_path: Path) -> None:
    rule = FaultRule(kind="drift", path=PAGES[1], items=-2)
    with served(faults=[rule]) as service:
        view = service.twin.hub_view()
        night(service, tmp_path)
        service.faults.set([])
        long = {subject(view, i) for i in listed(view) if view.thread_count[i] > 7}
        first = answers(tmp_path, "discussions", DAY)
        moved = {name for name in long if first[name][0] == "truncated"}
        assert moved
        assert {name for name, row in first.items() if row[0] == "truncated"} <= {
            subject(view, i) for i in listed(view) if view.thread_count[i] > 5
        }
        again = DAY + timedelta(1)
        night(service, tmp_path, again, nightly_limit=0)
    second = answers(tmp_path, "discussions", again)
    assert {second[name][0] for name in moved} == {"ok"}
    assert {second[name][2] for name in moved} == {"changed"}


def test_an_unchanged_night_asks_little(tmp_path: Path) -> None:
    """With rank and rotation in proportion to the world: 1 of 96 is the top."""
    options = {"nightly_limit": 1, "account_nights": 90}
    with served(small=False) as service:
        night(service, tmp_path, **options)
        first = request_count(service)
        again = DAY + timedelta(1)
        night(service, tmp_path, again, **options)
        second = request_count(service) - first
        # A journal that was lost is made again of what is in the lake.
        for file in (settings(service, tmp_path).state_dir / "mining").iterdir():
            file.unlink()
        night(service, tmp_path, DAY + timedelta(2), **options)
        third = request_count(service) - first - second
    assert first > 300
    assert max(second, third) <= 0.02 * first
    tiers_of = Counter(rows(tmp_path, "answers", again, "kind || ' ' || tier"))
    assert not [key for (key,) in tiers_of if "new" in key or "changed" in key]
    assert rows(tmp_path, "answers", again, "bool_or(is_changed)") == [(False,)]
    assert rows(tmp_path, "requests", again, "sum(call_count)::int") == [(second,)]


def test_a_day_that_was_asked_is_not_asked_again(calm: Path, tmp_path: Path) -> None:
    told: list[Any] = []
    with served() as service:
        entries = night(service, tmp_path, told=told.append)
        asked = request_count(service)
        assert night(service, tmp_path) == entries
        # Which day it is.
        assert request_count(service) == asked + 1
    assert landed(tmp_path, DAY) == landed(calm, DAY)
    last = {one.stage: one for one in told}
    assert list(last) == [
        "commits, discussions, likers", "discussion", "account", "organisation_members",
    ]  # fmt: skip
    assert all(one.done == one.total for one in last.values())


def test_what_is_refused_is_left_alone_until_its_date(tmp_path: Path) -> None:
    with served() as service:
        night(service, tmp_path)
        first = answers(tmp_path, "discussions", DAY)
        off = [name for name, row in first.items() if row[0] == "gone"]
        gated = [n for n, row in answers(tmp_path, "commits", DAY).items() if row[0] == "refused"]
        assert off and gated
        dates = {
            (kind, name): tiers.recheck_on(outcome, DAY, name)
            for kind, outcome, names in (
                ("discussions", "gone", off),
                ("commits", "refused", gated),
            )
            for name in names
        }
        told = {
            (kind, name): on
            for kind, name, on in rows(
                tmp_path,
                "answers",
                DAY,
                "kind, subject, recheck_on",
                "where kind in ('discussions', 'commits') and recheck_on is not null",
            )
        }
        assert {key: told[key] for key in dates} == dates
        for day in (DAY + timedelta(29), DAY + timedelta(33), DAY + timedelta(40)):
            # The top is asked every night, and a refusal is no part of it.
            night(service, tmp_path, day, nightly_limit=15)
            due = {key for key, on in dates.items() if on is not None and on <= day}
            asked = {
                (kind, name): row[2]
                for kind in ("discussions", "commits")
                for name, row in answers(tmp_path, kind, day).items()
                if (kind, name) in dates
            }
            assert asked == dict.fromkeys(due, "recheck")
            # Refused again, each rests again.
            dates = {key: on for key, on in dates.items() if key not in due}
        assert dates == {}


def test_a_night_without_histories_is_a_listing(tmp_path: Path) -> None:
    with served() as service:
        entries = night(service, tmp_path, history_limit=0, repository_types=["model"])
        # Which day it is, and one page.
        assert request_count(service) == 2
    assert entries[0]["row_count"] == len(rows(tmp_path, "models", DAY)) > 75
    assert rows(tmp_path, "commits", DAY) == []


# ---------------------------------------------------------------- kills

SCRIPT = """
import sys
from datetime import date
from pathlib import Path
from unittest.mock import patch
from assets.huggingface.observation import observe
from orchestration.clients.huggingface import hub_client
from orchestration.lake import Lake
from orchestration.settings import HuggingFaceSettings, Settings

folder, endpoint = Path(sys.argv[1]), sys.argv[2]
hub = HuggingFaceSettings(endpoint=endpoint, page_size=100, attempts=12)
chosen = Settings(data_dir=folder, huggingface=hub)
with patch.dict(hub_client.__kwdefaults__, {"commit_page": 20}):
    observe(Lake(chosen.lake_root), chosen, sys.argv[3].encode())
"""


def test_killed_at_random_moments(calm: Path, tmp_path: Path) -> None:
    chance = random.Random(time.time_ns())
    with served() as service:
        arguments = [str(tmp_path), service.twin.hub_base, SALT.decode()]
        whole = 600
        kills = 0
        for _ in range(3):
            asked = request_count(service)
            process = subprocess.Popen(
                [sys.executable, "-c", SCRIPT, *arguments], cwd=ROOT, stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
            )  # fmt: skip
            wanted = asked + chance.randint(20, 120)
            while request_count(service) < wanted and process.poll() is None:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            _, told = process.communicate()
            assert process.returncode == -signal.SIGKILL, told.decode()
            kills += 1
            assert rows(tmp_path, "answers", DAY) == []
        night(service, tmp_path)
        # A kill costs the pages in flight: a worker has one.
        assert request_count(service) <= whole + kills * 8
    assert landed(tmp_path, DAY) == landed(calm, DAY)


def test_the_network_fails_and_comes_back(calm: Path, tmp_path: Path) -> None:
    with served() as service:
        service.faults.set([FaultRule(kind="reset", path="/hub/api/*/*/*/discussions*")])
        with pytest.raises(TransientFailure):
            night(service, tmp_path, attempts=1)
        kept = request_count(service)
        service.faults.set([])
        night(service, tmp_path)
        again = request_count(service) - kept
    assert landed(tmp_path, DAY) == landed(calm, DAY)
    assert kept > 100
    # What was kept is not asked for again.
    whole = rows(calm, "requests", DAY, "sum(call_count)::int")[0][0]
    assert again < whole - 100


def test_a_client_reads_the_twin_page_by_page() -> None:
    """What a reader never meets: a name in other case, of a model and of a user."""
    with served() as service:
        view = service.twin.hub_view()
        client = hub_client(service.twin.hub_base, [], SALT)
        i = next(
            i for i in listed(view)
            if view.name(i) != view.name(i).lower() and not view.gated[i]
            and view.find(0, view.name(i).lower()) == i
        )  # fmt: skip
        part = client.commits(KINDS[0], view.name(i).lower())
        assert (part.outcome, part.name_now) == ("renamed", view.name(i))
        login = next(
            login for login in view.accounts.login[: view.accounts.person_count]
            if login != login.lower()
        )  # fmt: skip
        part = client.user(login.lower())
        assert (part.outcome, part.name_now) == ("renamed", login)
        assert client.repository("model", view.name(i)).items[0]["_id"] == view.repositories.id[i]
        gated = next(
            i for i in listed(view)
            if view.gated[i] and view.owner[i] < view.accounts.person_count
        )  # fmt: skip
        assert client.may_read("model", view.name(gated)).outcome == "refused"
        owner = ACCOUNT_TOKEN + view.owner_login(gated)
        insider = hub_client(service.twin.hub_base, [owner], SALT)
        part = insider.commits("model", view.name(gated))
        assert (part.outcome, part.total) == ("ok", view.commit_count[gated] + 1)
