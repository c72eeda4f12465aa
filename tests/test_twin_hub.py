"""The twin's Hub without HTTP: what is planted, how it grows, and that views are pure."""

import json
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hub_twin import DAY, small_world, tiny_world

from twin import words
from twin.hub import Hub, HubView, commit_lines, discussion_lines, model_lines, truth_tables
from twin.hub_access import Reader
from twin.hub_acts import MERGED, OUTSIDER, ROLES
from twin.hub_plan import ABSENT as NOT_TOLD
from twin.hub_plan import (
    CREATED_FLOOR,
    DANGLING,
    DECLARED,
    INFERRED,
    KINDS,
    MISREAD,
    MODEL,
    RELATIONS,
    TELLINGS,
    Pace,
)
from twin.hub_shapes import DUMPED, details, repositories


@pytest.fixture(scope="module")
def hub() -> Hub:
    return Hub(tiny_world())


@pytest.fixture(scope="module")
def larger() -> Hub:
    return Hub(small_world(1_500, 700, 50))


def day(hub: Hub, days: float) -> HubView:
    return hub.at(int(hub.world.starts_at + days * DAY))


def rows_of(table: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        dict(zip(table, row, strict=True))
        for row in zip(*(column.tolist() for column in table.values()), strict=True)
    ]


# ---------------------------------------------------------------- time


@pytest.mark.parametrize("name", ["commits", "threads", "likes"])
def test_counts_at_a_time_are_those_of_an_enumeration(hub: Hub, name: str) -> None:
    pace: Pace = getattr(hub.repositories, name)
    index = np.arange(len(hub.repositories))
    i = np.repeat(index, pace.total)
    j = np.concatenate([np.arange(n) for n in pace.total])
    times = pace.time(i, j)
    assert (np.diff(times)[i[1:] == i[:-1]] >= 0).all()
    # Also at the very second of an act, which a rounded expression gets wrong first.
    moments = [int(hub.world.starts_at + d * DAY) for d in (-900, -3.3, 0, 0.7, 2, 31, 60)]
    for moment in [*moments, *times[:: max(len(times) // 20, 1)].tolist()]:
        for at in (moment, moment + 1):
            counted = np.bincount(i[times < at], minlength=len(index))
            assert pace.count(index, at).tolist() == counted.tolist()


def test_equal_worlds_give_equal_bytes_and_other_seeds_others() -> None:
    def dump(seed: int) -> bytes:
        view = day(Hub(tiny_world(seed)), 2)
        lines = (*model_lines(view), *commit_lines(view), *discussion_lines(view))
        return b"\n".join(lines)

    assert dump(5) == dump(5) != dump(6)


def test_a_view_says_the_same_whatever_was_asked_before(hub: Hub) -> None:
    fresh = day(Hub(tiny_world()), 3)
    day(hub, 40).last_modified_at.sum()
    assert list(discussion_lines(day(hub, 3))) == list(discussion_lines(fresh))


def test_counts_grow_and_new_models_come_every_day(hub: Hub) -> None:
    views = [day(hub, d) for d in (0, 1, 2, 10, 60)]
    for before, after in pairwise(views):
        for name in ("like_count", "commit_count", "thread_count", "last_modified_at"):
            assert (getattr(after, name) >= getattr(before, name)).all(), name
        assert (after.downloads[1] >= before.downloads[1]).all()
        assert (after.comment_count >= before.comment_count).all()
    for name in ("like_count", "commit_count", "thread_count"):
        assert getattr(views[-1], name).sum() > getattr(views[0], name).sum()
    recent = [view.downloads[0] for view in views]
    assert any((b < a).any() for a, b in pairwise(recent))
    # Who is younger than thirty days has been downloaded in these only.
    assert (views[-1].downloads[0] <= views[-1].downloads[1]).all()
    daily = np.diff([(hub.repositories.created_at < day(hub, d).now).sum() for d in range(30)])
    assert daily.sum() > 30
    assert (daily > 0).sum() > 15


def test_a_discussion_does_not_move_last_modified(hub: Hub) -> None:
    seen = 0
    for before, after in pairwise(day(hub, d / 4) for d in range(40)):
        opened = after.thread_count > before.thread_count
        still = opened & (after.commit_count == before.commit_count) & before.listed
        assert (after.last_modified_at == before.last_modified_at)[still].all()
        seen += int(still.sum())
    assert seen > 3


def test_too_few_models_are_refused() -> None:
    assert len(Hub(small_world(60, 100, 5)).repositories) > 60
    with pytest.raises(ValueError, match="60"):
        len(Hub(small_world(59, 100, 5)).repositories)


# ---------------------------------------------------------------- names and fates


def test_internal_ids_begin_with_the_shown_time_of_creation(hub: Hub) -> None:
    view = day(hub, 60)
    ids = hub.repositories.id
    assert len(set(ids)) == len(ids)
    assert [int(text[:8], 16) for text in ids] == view.created_at.tolist()
    assert view.created_at.min() == CREATED_FLOOR > hub.repositories.created_at.min()


def test_one_pair_of_names_differs_in_case_only(larger: Hub) -> None:
    view = day(larger, 2)
    names = [view.name(i) for i in view.models.tolist()]
    assert len(set(names)) == len(names)
    lowered = Counter(name.lower() for name in names)
    (pair,) = [name for name, count in lowered.items() if count > 1]
    found = {name: view.find(MODEL, name) for name in names if name.lower() == pair}
    assert len(set(found.values())) == 2
    assert all(view.name(i) == name for name, i in found.items() if i is not None)


def test_every_fate_is_seen_on_the_first_two_days(hub: Hub) -> None:
    begin, first, second = (day(hub, d) for d in (0, 1, 2))
    for status in (2, 3):
        assert not (begin.status == status).any()
        assert (first.status == status).any()
        assert ((second.status == status) & (first.status != status)).any()
    for column in ("talk_is_off", "is_disabled", "gated", "owner"):
        values = [getattr(view, column) for view in (begin, first, second)]
        assert (values[2] != values[1]).any() or (values[1] != values[0]).any(), column
        # Some switch back, so that the last change is not all that is there.
        assert (day(hub, 60).__dict__[column] != values[0]).any(), column
    r = hub.repositories
    back = (r.private_until > 0) & (r.private_until < begin.now + 3 * DAY)
    assert back.any()
    assert (day(hub, 4).status[back] == 0).all()


def test_a_name_given_up_leads_to_its_owner_until_it_is_taken_again(hub: Hub) -> None:
    r = hub.repositories
    names = Counter(zip(r.kind.tolist(), r.name, strict=True))
    ((kind, old),) = [name for name, count in names.items() if count > 1]
    first, heir = [i for i, name in enumerate(r.name) if name == old]
    moments = (r.renamed_at[first] - 1, r.renamed_at[first] + 1, r.created_at[heir] + 1)
    found = [hub.at(int(at)).find(kind, old) for at in moments]
    assert found == [first, first, heir]
    assert hub.at(int(moments[1])).name(first) != old
    assert r.id[first] != r.id[heir]


def test_a_repository_that_moves_has_its_owners_name(larger: Hub) -> None:
    r, logins = larger.repositories, larger.world.hub_accounts.login
    moved = np.flatnonzero(r.new_owner != r.owner)
    assert len(moved) > 2
    for i in moved.tolist():
        assert r.name[i].startswith(f"{logins[r.owner[i]]}/")
        assert r.new_name[i].startswith(f"{logins[r.new_owner[i]]}/")


def test_some_names_are_spam(larger: Hub) -> None:
    r = larger.repositories
    short = [name.split("/")[1] for name, spam in zip(r.name, r.is_spam, strict=True) if spam]
    assert 10 < len(short) < 0.06 * len(r)
    assert any("followers" in name or "casino" in name for name in short)


# ---------------------------------------------------------------- lineage


def test_lineage_is_a_forest_and_told_as_planted(larger: Hub) -> None:
    view, r = day(larger, 2), larger.repositories
    derived = np.flatnonzero(r.base >= 0)
    assert (r.created_at[r.base[derived]] < r.created_at[derived]).all()
    assert (r.depth[derived] == r.depth[r.base[derived]] + 1).all()
    assert (r.family[derived] == r.family[r.base[derived]]).all()
    assert r.depth.max() >= 3
    assert 0.5 < (r.base[r.kind == MODEL] >= 0).mean() < 0.65
    shares = np.bincount(r.telling[derived], minlength=len(TELLINGS)) / len(derived)
    assert np.abs(shares - [0.25, 0.45, 0.03, 0.22, 0.05]).max() < 0.04
    told: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for i in derived[view.listed[derived]].tolist():
        told[int(r.telling[i])].append(repositories(view, np.array([i]), DUMPED)[0])
    for telling, answers in told.items():
        for answer in answers:
            i = r.id.index(answer["_id"])
            card = answer.get("cardData", {})
            relation = RELATIONS[r.relation[i]]
            tags = [tag for tag in answer["tags"] if tag.startswith("base_model:")]
            assert ("base_model" in card) == (telling != NOT_TOLD) == bool(tags)
            assert ("base_model_relation" in card) == (telling == DECLARED)
            if telling in (NOT_TOLD, DANGLING):
                assert "baseModels" not in answer
            elif "baseModels" in answer:
                shown = answer["baseModels"]["relation"]
                assert (shown == relation) == (telling in (DECLARED, INFERRED))
                assert view.listed[r.base[i]] or view.listed[r.second_base[i]]
    assert set(told) == {DECLARED, INFERRED, MISREAD, NOT_TOLD, DANGLING}


def test_children_are_counted_as_they_tell(larger: Hub) -> None:
    view = day(larger, 2)
    answers = repositories(view, view.models, ("baseModels", "childrenModelCount"))
    counted: Counter[tuple[str, str]] = Counter()
    for answer in answers:
        for base in answer.get("baseModels", {}).get("models", []):
            counted[base["id"], answer["baseModels"]["relation"]] += 1
    for answer in answers:
        told = answer["childrenModelCount"]
        assert told == {relation: counted[answer["id"], relation] for relation in RELATIONS}
    assert sum(counted.values()) > 300


# ---------------------------------------------------------------- acts


def commits_of(view: HubView) -> list[dict[str, Any]]:
    return [json.loads(line) for line in commit_lines(view)]


def test_committers_are_members_staff_and_outsiders_as_planted(larger: Hub) -> None:
    roles = rows_of(truth_tables(day(larger, 2))["hub_roles"])
    commits = {
        row["role"]: row["act_count"]
        for row in roles
        if (row["activity"], row["owner_type"]) == ("commit", "organisation")
    }
    total = sum(commits.values())
    assert total > 2_000
    assert abs(commits["insider"] / total - 0.7955) < 0.005
    assert abs(commits["platform_staff"] / total - 0.1936) < 0.005
    assert abs(commits["outsider"] / total - 0.0109) < 0.003
    talk = {
        row["role"]: row["act_count"]
        for row in roles
        if (row["activity"], row["owner_type"]) == ("comment", "organisation")
    }
    people = sum(count for role, count in talk.items() if role != "platform_automation")
    assert abs(talk["insider"] / people - 0.0901) < 0.03
    assert talk["platform_automation"] > 0


def test_roles_are_those_of_the_time_of_the_act(larger: Hub) -> None:
    r, acts, members = larger.repositories, larger.acts, larger.world.hub_memberships
    total = r.commits.total
    i = np.repeat(np.arange(len(r)), total)
    j = np.arange(len(i)) - np.repeat(np.cumsum(total) - total, total)
    author, role, at = acts.commit_authors(i, j)
    assert (at == r.commits.time(i, j)).all()
    owner = r.owners_at(i, at)
    inside = acts.is_inside(author, owner, at)
    assert (inside == (role == ROLES.index("insider"))).all()
    assert larger.world.hub_accounts.is_staff[author[role == 1]].all()
    # Membership of today tells another story.
    now = int(larger.world.starts_at + 60 * DAY)
    left = inside & (owner >= larger.world.hub_accounts.person_count)
    left &= ~members.is_member(author, owner, now)
    assert left.any()


def test_what_outsiders_commit_was_a_pull_request(larger: Hub) -> None:
    r, acts, threads = larger.repositories, larger.acts, larger.acts.threads
    merged = np.flatnonzero(threads.commit >= 0)
    assert (threads.end[merged] == MERGED).all()
    assert threads.is_pull[merged].all()
    author, role, at = acts.commit_authors(threads.repository[merged], threads.commit[merged])
    assert (author == threads.author[merged]).all()
    assert (threads.ended_at[merged] >= at).all()
    pairs = set(zip(threads.repository[merged].tolist(), threads.commit[merged].tolist(),
                    strict=True))  # fmt: skip
    assert len(pairs) == len(merged)
    i = np.repeat(np.arange(len(r)), r.commits.total)
    j = np.concatenate([np.arange(n) for n in r.commits.total])
    _, roles, times = acts.commit_authors(i, j)
    outside = (roles == OUTSIDER) & (times > np.datetime64("2022-07-01", "s").astype(np.int64))
    assert outside.sum() > 20
    assert (acts.merged_number(i[outside], j[outside]) > 0).all()
    # And nothing else of outsiders was merged.
    others = threads.is_pull & (threads.role == OUTSIDER) & (threads.commit < 0)
    assert (threads.end[others] != MERGED).all()
    assert role.size > 0


def test_merged_pull_requests_stand_in_the_titles_of_commits(larger: Hub) -> None:
    view = day(larger, 2)
    truth = rows_of(truth_tables(view)["hub_threads"])
    merged = {
        (row["repository_name"], row["discussion_number"]): row
        for row in truth if row["status"] == "merged"
    }  # fmt: skip
    assert merged
    found = set()
    for line in commits_of(view):
        title = line["commit"]["title"]
        head, _, number = title.rpartition(" (#")
        if head and number.endswith(")") and number[:-1].isdigit():
            row = merged[line["repo_id"], int(number[:-1])]
            assert line["commit"]["authors"][0]["user"] == row["author"]
            found.add((line["repo_id"], int(number[:-1])))
    # A title of several lines is cut before its number.
    assert len(found) > 0.9 * len(merged)


def test_discussions_are_numbered_in_order_of_time_and_end_after_they_begin(larger: Hub) -> None:
    threads = larger.acts.threads
    follows = threads.number[1:] > 1
    assert (np.diff(threads.number)[follows] == 1).all()
    assert (np.diff(threads.created_at)[follows] >= 0).all()
    ended = threads.ended_at > 0
    assert (threads.ended_at[ended] > threads.created_at[ended]).all()
    assert (threads.created_at > larger.repositories.created_at[threads.repository]).all()


def test_events_of_discussions_happen_before_now_and_say_what_the_status_says(larger: Hub) -> None:
    view, kinds, hidden, gone = day(larger, 2), Counter[str](), 0, 0
    threads = larger.acts.threads
    rows = np.flatnonzero(threads.created_at < view.now)
    for x in rows[:: max(1, len(rows) // 400)].tolist():
        answer = details(view, x, True)
        events = answer["events"]
        dates = [event["createdAt"] for event in events]
        assert dates == sorted(dates)
        assert dates[0] == answer["createdAt"]
        assert dates[-1] < "2025-10-08T00:00:00"
        comments = [event["data"] for event in events if event["type"] == "comment"]
        assert len(comments) == view.comment_count[x]
        status = [e["data"]["status"] for e in events if e["type"] == "status-change"]
        assert answer["status"] == (status or [answer["status"]])[-1]
        assert bool(status) == (answer["status"] in ("closed", "merged"))
        titles = [e["data"]["to"] for e in events if e["type"] == "title-change"]
        assert answer["title"] == (titles or [answer["title"]])[-1]
        if answer["isPullRequest"]:
            assert ("mergeCommitId" in answer["changes"]) == (answer["status"] == "merged")
        for data in comments:
            if data["hidden"]:
                hidden += 1
                assert data["latest"]["raw"] == "This comment has been hidden"
                assert data["editors"] == []
        gone += sum("author" not in event for event in events)
        kinds.update(event["type"] for event in events)
    assert set(kinds) == {"comment", "commit", "status-change", "title-change"}
    assert min(kinds.values()) > 3
    assert hidden > 3
    assert gone > 3


def test_nobody_likes_twice_and_likes_are_those_of_users(larger: Hub) -> None:
    likes = larger.acts.likes
    assert len(set(zip(likes.repository.tolist(), likes.account.tolist(), strict=True))) == len(
        likes.account
    )
    people = larger.world.hub_accounts.person_count
    accounts = len(larger.world.hub_accounts.login)
    assert ((likes.account < people) | (likes.account >= accounts)).all()
    assert (likes.account < people).mean() > 0.3
    view = day(larger, 2)
    stranger = int(likes.account.max())
    assert stranger >= accounts
    login = larger.acts.login_of(stranger)
    assert larger.acts.passer_by(login) == stranger
    assert (view.user(login) == stranger) == (len(view.liked(stranger)) > 0)
    assert view.user("Nobody_ffffff") is None


def test_accounts_come_before_what_they_do(larger: Hub) -> None:
    acts, came = larger.acts, larger.acts.came_at
    author, at = acts.threads.author, acts.threads.created_at
    assert (came[author[author >= 0]] < at[author >= 0]).all()
    assert (came[larger.repositories.owner] < larger.repositories.created_at).all()


# ---------------------------------------------------------------- listings


@pytest.mark.parametrize("sort", ["createdAt", "lastModified", "likes", "downloads"])
def test_pages_show_everything_once_in_order(hub: Hub, sort: str) -> None:
    view = day(hub, 2)
    column = {
        "createdAt": view.created_at, "lastModified": view.last_modified_at,
        "likes": view.like_count, "downloads": view.downloads[0],
    }[sort]  # fmt: skip
    for wanted in (None, np.arange(len(view)) % 3 == 0):
        seen: list[int] = []
        after = None
        for _ in range(len(view)):
            page, after = view.page(MODEL, sort, 7, wanted, after)
            seen += page.tolist()
            if after is None:
                break
        assert (np.diff(column[seen]) <= 0).all()
        expected = view.models if wanted is None else view.models[wanted[view.models]]
        assert sorted(seen) == expected.tolist()


def test_pages_shift_when_values_change_between_them(hub: Hub) -> None:
    early, late = day(hub, 2), day(hub, 30)
    page, after = early.page(MODEL, "createdAt", 30)
    following, _ = late.page(MODEL, "createdAt", 1_000, None, after)
    # What came meanwhile stands before the cursor, what vanished is missing; nothing is twice.
    assert not set(page.tolist()) & set(following.tolist())
    assert (hub.repositories.created_at[following] < early.now).all()
    first, after = early.page(MODEL, "lastModified", 30)
    rest, _ = late.page(MODEL, "lastModified", 1_000, None, after)
    missed = set(early.models.tolist()) - set(first.tolist()) - set(rest.tolist())
    # Whoever was changed meanwhile jumped over the cursor.
    assert any(late.listed[i] for i in missed)


# ---------------------------------------------------------------- truth


def test_truth_is_what_the_dump_shows(larger: Hub) -> None:
    view = day(larger, 2)
    tables = {name: rows_of(table) for name, table in truth_tables(view).items()}
    models = {line["id"]: line for line in map(json.loads, model_lines(view))}
    assert {row["repository_name"] for row in tables["hub_models"]} == set(models)
    commits: Counter[tuple[str, str]] = Counter()
    for line in commits_of(view):
        commits[line["repo_id"], line["commit"]["authors"][0]["user"]] += 1
    for row in tables["hub_committers"]:
        counted = sum(row[f"{role}_commit_count"] for role in ROLES[:3])
        assert commits[row["repository_name"], row["login"]] == counted
    assert len(commits) == len(tables["hub_committers"]) + len(models)
    threads = {
        (line["repo_id"], line["discussion"]["num"]): line["discussion"]
        for line in map(json.loads, discussion_lines(view))
    }
    assert len(threads) == len(tables["hub_threads"])
    for row in tables["hub_threads"]:
        shown = threads[row["repository_name"], row["discussion_number"]]
        assert shown["status"] == row["status"]
        assert shown["numComments"] == row["comment_count"]
        assert shown.get("author", {}).get("name") == row["author"]
        assert shown["isPullRequest"] == row["is_pull_request"]
    likes = Counter(row["repository_name"] for row in tables["hub_likes"])
    assert all(likes[name] == model["likes"] for name, model in models.items())
    totals = {row["quantity"]: row["count"] for row in tables["hub_totals"]}
    assert totals["commit"] == sum(row["commit_count"] for row in tables["hub_messages"])
    themes = Counter(row["theme"] for row in tables["hub_threads"] if not row["is_pull_request"])
    assert {name: totals[f"discussion_{name}"] for name in words.THEMES} == dict(themes)
    assert {row["repository_type"] for row in tables["hub_fates"]} == set(KINDS)
    shown = {row["name"] for row in tables["hub_fates"] if row["status"] == "listed"}
    assert set(models) <= shown


def test_substantive_messages_have_their_share(larger: Hub) -> None:
    counts = {
        row["kind"]: row["commit_count"]
        for row in rows_of(truth_tables(day(larger, 2))["hub_messages"])
    }
    direct = sum(count for kind, count in counts.items() if kind != "merged_pull_request")
    assert abs(counts["substantive"] / direct - 0.0552) < 0.003


# ---------------------------------------------------------------- access


def test_requests_are_granted_pending_or_rejected_in_their_shares(larger: Hub) -> None:
    view, later = day(larger, 2), day(larger, 20)
    manual = np.flatnonzero(larger.repositories.gated == 2)
    outcomes: Counter[str] = Counter()
    for i in manual.tolist():
        if view.gated[i] != 2:
            continue
        for k in range(60):
            request = larger.access.ask(view, i, Reader(f"reader-{k}"))
            assert request.status(view.now) == "pending"
            outcomes[request.status(later.now)] += 1
            again = larger.access.ask(later, i, Reader(f"reader-{k}"))
            assert again is request
    total = sum(outcomes.values())
    assert total >= 120
    assert abs(outcomes["accepted"] / total - 0.3) < 0.12
    assert abs(outcomes["rejected"] / total - 0.2) < 0.12
