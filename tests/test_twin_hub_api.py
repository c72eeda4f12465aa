"""The twin's Hub over HTTP, asked by the unmodified `huggingface_hub` and by our own client."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import httpx2
import numpy as np
import pytest
from hub_twin import DAY, StandIn, serving, small_world
from huggingface_hub import HfApi
from huggingface_hub.community import DiscussionComment, DiscussionStatusChange
from huggingface_hub.errors import (
    BadRequestError,
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from assets.huggingface.observation import observe
from orchestration.clients.huggingface import CursorRefused, RepositoryPages, hub_client
from orchestration.lake import Lake
from orchestration.settings import HuggingFaceSettings, Settings
from twin.hub import Hub, commit_lines, discussion_lines, model_lines, truth_tables
from twin.hub_acts import ROLES
from twin.hub_plan import DATASET, MODEL, SPACE
from twin.hub_shapes import DUMPED, MODEL_KEYS

SALT = b"a salt for tests only, 32 bytes."
TOKEN = "hf_of_a_stranger"
SHORT_KEYS = {
    "_id", "id", "likes", "trendingScore", "private", "downloads", "tags", "pipeline_tag",
    "library_name", "createdAt", "modelId",
}  # fmt: skip


@pytest.fixture(scope="module")
def shared() -> Iterator[StandIn]:
    with serving(Hub(small_world(400, 250, 16))) as twin:
        yield twin


@pytest.fixture
def twin(shared: StandIn) -> StandIn:
    shared.days = 2.0
    return shared


@pytest.fixture
def api(twin: StandIn) -> HfApi:
    return HfApi(endpoint=twin.url, token=False)


@pytest.fixture
def known(twin: StandIn) -> HfApi:
    return HfApi(endpoint=twin.url, token=TOKEN)


def as_account(twin: StandIn, account: int) -> HfApi:
    login = twin.hub.world.hub_accounts.login[account]
    return HfApi(endpoint=twin.url, token=f"hf_twin_{login}")


def raw(twin: StandIn, path: str, **options: Any) -> httpx2.Response:
    return httpx2.get(f"{twin.url}{path}", follow_redirects=False, **options)


def first(mask: Any) -> int:
    found = np.flatnonzero(mask)
    assert len(found), "the world has no such case"
    return int(found[0])


def busiest(twin: StandIn) -> str:
    """The model that gets new discussions every day."""
    view = twin.hub_view()
    shown = view.listed & ~view.talk_is_off
    return view.name(int(np.argmax(np.where(shown, twin.hub.repositories.threads.more, 0))))


# ---------------------------------------------------------------- listings


@pytest.mark.parametrize(
    ("sort", "attribute"),
    [("created_at", "created_at"), ("last_modified", "last_modified"), ("likes", "likes"),
     ("downloads", "downloads"), ("trending_score", "trending_score")],
)  # fmt: skip
def test_the_client_lists_every_model_once_in_order(
    twin: StandIn, api: HfApi, sort: Any, attribute: str
) -> None:
    view = twin.hub_view()
    listed = list(api.list_models(sort=sort, full=True))
    assert sorted(m.id for m in listed) == sorted(map(view.name, view.models.tolist()))
    values = [getattr(m, attribute) for m in listed]
    assert values == sorted(values, reverse=True)
    assert listed[0].siblings


def test_the_short_form_has_the_keys_of_the_real_answer(twin: StandIn, real_data: Path) -> None:
    file = real_data / "huggingface" / "api-models-list-2026-05.json"
    real = json.loads(file.read_text(encoding="utf-8"))
    assert {key for model in real for key in model} == SHORT_KEYS
    ours = raw(twin, "/api/models").json()
    optional = {"pipeline_tag", "library_name"}
    assert all(SHORT_KEYS - optional <= set(model) <= SHORT_KEYS for model in ours)
    assert {type(model[k]) for model in ours for k in model} == {
        type(model[k]) for model in real for k in model
    }


def test_an_expanded_model_has_what_was_asked_and_no_more(twin: StandIn, api: HfApi) -> None:
    for answer in raw(twin, "/api/models?expand=gated&expand[]=sha").json():
        assert set(answer) == {"_id", "id", "gated", "sha"}
    (model,) = api.list_models(limit=1, sort="likes", expand=["author", "cardData", "baseModels"])
    assert model.author == model.id.split("/")[0]
    assert model.likes is None
    with pytest.raises(BadRequestError, match="expand"):
        list(api.list_models(expand=["everything"]))
    every = raw(twin, "/api/models?" + "&".join(f"expand={key}" for key in MODEL_KEYS))
    assert every.status_code == 200


@pytest.mark.parametrize(
    "query", ["sort=colour", "limit=0", "limit=x", "cursor=abc", "cursor=WzFd", "skip=-1"]
)
def test_a_wrong_query_is_refused(twin: StandIn, query: str) -> None:
    answer = raw(twin, f"/api/models?{query}")
    assert answer.status_code == 400
    assert answer.headers["x-error-message"] == answer.json()["error"]


def test_limit_stops_and_pages_are_no_larger_than_allowed(twin: StandIn, api: HfApi) -> None:
    assert len(list(api.list_models(limit=55))) == 55
    page = raw(twin, "/api/models?limit=5000")
    assert len(page.json()) == 40
    assert page.links["next"]["url"].startswith(twin.url)


def test_filters_choose_by_what_the_answers_say(twin: StandIn, api: HfApi) -> None:
    everything = list(api.list_models(full=True, cardData=True))

    def same(found: Any, test: Callable[[Any], bool]) -> None:
        names = {model.id for model in found}
        assert names == {model.id for model in everything if test(model)}
        assert 0 < len(names) < len(everything)

    author = str(Counter(model.author for model in everything).most_common(1)[0][0])
    same(api.list_models(author=author), lambda m: m.author == author)
    same(api.list_models(author=author.upper()), lambda m: m.author == author)
    same(api.list_models(search="gguf"), lambda m: "gguf" in m.id.lower())
    same(api.list_models(gated=True), lambda m: m.gated)
    same(api.list_models(pipeline_tag="text-generation"),
         lambda m: m.pipeline_tag == "text-generation")  # fmt: skip
    same(api.list_models(filter=["peft", "license:mit"]),
         lambda m: {"peft", "license:mit"} <= set(m.tags))  # fmt: skip
    tags = Counter(t for m in everything for t in m.tags or [] if t.startswith("base_model:"))
    for tag in tags:
        if not tag.split(":", 1)[1].startswith("lost-and-found/"):
            same(api.list_models(filter=tag), lambda m: tag in m.tags)  # noqa: B023
    assert list(api.list_models(filter="no-such-tag")) == []
    assert list(api.list_models(author="nobody")) == []


def test_datasets_and_spaces_are_listed_and_shown(twin: StandIn, api: HfApi) -> None:
    view = twin.hub_view()
    for kind, listed in ((DATASET, api.list_datasets()), (SPACE, api.list_spaces())):
        expected = view.listed & (view.repositories.kind == kind)
        assert len(list(listed)) == expected.sum() >= 10
    dataset = next(iter(api.list_datasets(limit=1)))
    assert api.dataset_info(dataset.id).created_at == dataset.created_at
    space = next(iter(api.list_spaces(limit=1)))
    info = api.space_info(space.id)
    assert info.sdk == space.sdk
    for used in info.models or []:
        assert space.id in {s.id for s in api.list_spaces(models=used)}
        assert space.id in (api.model_info(used).spaces or [])
    assert list(api.list_repo_commits(dataset.id, repo_type="dataset"))[-1].authors == ["system"]


# ---------------------------------------------------------------- one repository


def test_model_info_is_the_same_as_the_listing(twin: StandIn, api: HfApi) -> None:
    for listed in api.list_models(limit=30, full=True, cardData=True):
        info = api.model_info(listed.id)
        for name in ("id", "author", "likes", "downloads", "sha", "tags", "gated", "card_data"):
            assert str(getattr(info, name)) == str(getattr(listed, name)), name
        assert info.created_at == listed.created_at
        assert info.trending_score is None
    whole = api.model_info(listed.id, expand=["downloadsAllTime", "childrenModelCount"])
    assert (whole.downloads_all_time or 0) >= (info.downloads or 0)


def test_a_renamed_model_is_found_through_a_redirect(twin: StandIn, api: HfApi) -> None:
    view, r = twin.hub_view(), twin.hub.repositories
    i = first((r.renamed_at > 0) & (r.renamed_at < view.now) & (r.new_owner != r.owner))
    old, new = r.name[i], view.name(i)
    assert old != new
    answer = raw(twin, f"/api/models/{old}?expand[]=author")
    assert answer.status_code == 307
    assert answer.headers["location"] == f"/hub/api/models/{new}?expand[]=author"
    below = raw(twin, f"/api/models/{old}/discussions/1?diff=1")
    assert below.headers["location"] == f"/hub/api/models/{new}/discussions/1?diff=1"
    assert api.model_info(old).id == new
    assert [c.commit_id for c in api.list_repo_commits(old)]
    twin.days = 0
    assert api.model_info(old).id == old


def test_other_case_redirects_but_a_pair_is_two_models(twin: StandIn, api: HfApi) -> None:
    names = [model.id for model in api.list_models()]
    lowered = Counter(name.lower() for name in names)
    one, other = [name for name in names if lowered[name.lower()] > 1]
    assert api.model_info(one).id == one
    assert api.model_info(other).id == other
    assert api.model_info(one)._id != api.model_info(other)._id
    single = next(name for name in names if lowered[name.lower()] == 1)
    assert raw(twin, f"/api/models/{single.upper()}").status_code == 307
    assert api.model_info(single.upper()).id == single


def test_what_is_not_there_is_401_to_strangers_and_404_with_a_token(
    twin: StandIn, api: HfApi, known: HfApi
) -> None:
    view, r = twin.hub_view(), twin.hub.repositories
    gone = first((r.deleted_at > 0) & (r.deleted_at < view.now) & (r.kind == MODEL))
    private = first(view.status == 3)
    later = int(np.argmax(np.where(r.kind == MODEL, r.created_at, 0)))
    names = [r.name[i] for i in (gone, private, later)]
    for name in [*names, "no/thing", "single"]:
        for client, status in ((api, 401), (known, 404)):
            with pytest.raises(RepositoryNotFoundError) as caught:
                client.model_info(name)
            assert caught.value.response.status_code == status
        if "/" in name:
            for ask in (api.list_repo_commits, lambda n: list(api.get_repo_discussions(n))):
                with pytest.raises(RepositoryNotFoundError):
                    ask(name)
    owner = as_account(twin, twin.hub.world.hub_memberships.core[0])
    assert owner.whoami()["name"].lower() in twin.hub_view()._logins


def test_members_see_their_private_models(twin: StandIn) -> None:
    view, r = twin.hub_view(), twin.hub.repositories
    i = first(view.status == 3)
    owner = int(view.owner[i])
    people = twin.hub.world.hub_accounts.person_count
    inside = owner if owner < people else int(twin.hub.world.hub_memberships.core[owner - people])
    info = as_account(twin, inside).model_info(r.name[i])
    assert info.private is True
    outside = first((np.arange(people) != inside) & ~view.acts.is_inside(
        np.arange(people), np.full(people, owner), view.now))  # fmt: skip
    with pytest.raises(RepositoryNotFoundError):
        as_account(twin, outside).model_info(r.name[i])
    back = first((r.private_until > 0) & (r.private_until < view.now + 2 * DAY))
    twin.days = 4
    assert HfApi(endpoint=twin.url, token=False).model_info(r.name[back]).private is False


def test_commits_of_a_disabled_model_are_refused(twin: StandIn, api: HfApi) -> None:
    view = twin.hub_view()
    i = first(view.is_disabled & view.listed & (view.gated == 0))
    assert api.model_info(view.name(i)).disabled is True
    with pytest.raises(DisabledRepoError):
        api.list_repo_commits(view.name(i))


# ---------------------------------------------------------------- commits


def test_all_commits_come_in_pages_and_end_with_the_system_one(twin: StandIn, api: HfApi) -> None:
    view = twin.hub_view()
    readable = view.listed & (view.gated == 0) & ~view.is_disabled
    readable &= view.repositories.kind == MODEL
    i = int(np.argmax(np.where(readable, view.commit_count, 0)))
    name, count = view.name(i), int(view.commit_count[i])
    assert count > 60
    page = raw(twin, f"/api/models/{name}/commits/main")
    assert page.headers["x-total-count"] == str(count + 1)
    assert page.links["next"]["url"] == f"{twin.url}/api/models/{name}/commits/main?p=1&limit=20"
    commits = api.list_repo_commits(name, formatted=True)
    assert len(commits) == count + 1 == len({c.commit_id for c in commits})
    assert [c.created_at for c in commits] == sorted((c.created_at for c in commits), reverse=True)
    assert [c.authors for c in commits].count(["system"]) == 1
    assert commits[-1].authors == ["system"]
    info = api.model_info(name)
    assert (commits[0].commit_id, commits[0].created_at) == (info.sha, info.last_modified)
    older = api.list_repo_commits(name, revision=commits[-3].commit_id)
    assert [c.commit_id for c in older] == [c.commit_id for c in commits[-3:]]
    assert api.model_info(name, revision=commits[0].commit_id).id == name
    with pytest.raises(RevisionNotFoundError):
        api.list_repo_commits(name, revision="refs/pr/99999")


# ---------------------------------------------------------------- gated repositories


def test_gated_models_show_themselves_but_not_their_commits(
    twin: StandIn, api: HfApi, known: HfApi
) -> None:
    view = twin.hub_view()
    i = first((view.gated == 2) & view.listed & (view.repositories.kind == MODEL))
    name = view.name(i)
    assert api.model_info(name).gated == "manual"
    list(api.get_repo_discussions(name))
    for client, status, message in (
        (api, 401, "Please log in"), (known, 403, "ask for access"),
    ):  # fmt: skip
        with pytest.raises(GatedRepoError, match=message) as caught:
            client.list_repo_commits(name)
        assert caught.value.response.status_code == status
    owner = int(view.owner[i])
    people = twin.hub.world.hub_accounts.person_count
    inside = owner if owner < people else int(twin.hub.world.hub_memberships.core[owner - people])
    assert as_account(twin, inside).list_repo_commits(name)


def test_access_is_asked_for_and_decided(twin: StandIn, known: HfApi) -> None:
    view, head = twin.hub_view(), {"authorization": f"Bearer {TOKEN}"}
    listed = view.listed & (view.repositories.kind == MODEL)
    auto, manual = first(listed & (view.gated == 1)), first(listed & (view.gated == 2))

    def ask(i: int, **options: Any) -> httpx2.Response:
        url = f"{twin.url}/{view.name(i)}/ask-access"
        return httpx2.post(url, follow_redirects=False, **options)

    assert ask(auto).status_code == 401
    # With a form, with JSON or with nothing.
    answer = ask(auto, headers=head, data={"name": "x"})
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{twin.url}/{view.name(auto)}"
    assert httpx2.get(answer.headers["location"]).status_code == 200
    assert known.list_repo_commits(view.name(auto))
    known.auth_check(view.name(auto))
    assert ask(manual, headers=head, json={}).status_code == 303
    with pytest.raises(GatedRepoError, match="awaiting a review"):
        known.list_repo_commits(view.name(manual))
    asked = [r for r in twin.hub.access.all() if r.repository == manual]
    assert [r.asked_at for r in asked] == [view.now]
    ask(manual, headers=head)
    assert [r for r in twin.hub.access.all() if r.repository == manual] == asked
    name = view.name(manual)
    twin.days = 12
    if twin.hub_view().gated[manual] == 2:
        outcome = asked[0].outcome
        if outcome == "accepted":
            assert known.list_repo_commits(name)
        else:
            reason = {"pending": "awaiting", "rejected": "has been rejected"}[outcome]
            with pytest.raises(GatedRepoError, match=reason):
                known.list_repo_commits(name)
    plain = first(listed & (view.gated == 0) & (twin.hub_view().gated == 0))
    assert ask(plain, headers=head).json()["error"].endswith("is not gated")
    assert ask(plain, headers=head).status_code == 400
    gone = httpx2.post(f"{twin.url}/no/thing/ask-access", headers=head)
    assert gone.status_code == 404


def test_a_pending_request_can_be_withdrawn(twin: StandIn) -> None:
    view, head = twin.hub_view(), {"authorization": "Bearer hf_another"}
    i = first(view.listed & (view.repositories.kind == MODEL) & (view.gated == 2))
    path = f"{twin.url}/api/models/{view.name(i)}/user-access-request/cancel"
    assert httpx2.post(path, headers=head).status_code == 404
    httpx2.post(f"{twin.url}/{view.name(i)}/ask-access", headers=head)
    assert httpx2.post(path, headers=head).json() == {"ok": True}
    assert httpx2.post(path, headers=head).status_code == 404


# ---------------------------------------------------------------- discussions


def test_discussions_come_in_pages_newest_first(twin: StandIn, api: HfApi) -> None:
    name = busiest(twin)
    found = list(api.get_repo_discussions(name))
    assert [d.num for d in found] == list(range(len(found), 0, -1))
    assert len(found) > 5
    pages = [raw(twin, f"/api/models/{name}/discussions?p={p}").json() for p in (0, 1, 99)]
    assert [p["start"] for p in pages] == [0, 5, 495]
    assert {p["count"] for p in pages} == {len(found)}
    assert pages[1]["numClosedDiscussions"] is None
    assert pages[2]["discussions"] == []
    closed = [d for d in found if d.status in ("closed", "merged")]
    assert pages[0]["numClosedDiscussions"] == len(closed) > 0
    for kind in ("discussion", "pull_request"):
        some = list(api.get_repo_discussions(name, discussion_type=kind))
        assert {d.num for d in some} == {
            d.num for d in found if d.is_pull_request == (kind == "pull_request")
        }
    shown = {d.num for d in api.get_repo_discussions(name, discussion_status="closed")}
    assert shown == {d.num for d in closed}
    author = next(d.author for d in found if d.author != "deleted")
    mine = {d.num for d in api.get_repo_discussions(name, author=author)}
    assert mine == {d.num for d in found if d.author == author}
    assert raw(twin, f"/api/models/{name}/discussions?type=poem").status_code == 400


def test_pages_drift_when_a_discussion_is_opened_between_them(twin: StandIn, api: HfApi) -> None:
    name = busiest(twin)
    before = {d.num for d in api.get_repo_discussions(name)}
    reading = api.get_repo_discussions(name)
    seen = [d.num for d in islice(reading, 5)]
    twin.days = 3
    opened = {d.num for d in api.get_repo_discussions(name)} - before
    assert opened
    seen += [d.num for d in reading]
    assert len(seen) > len(set(seen)), "the last of the first page came again"
    assert not opened & set(seen), "the new ones were missed"


def test_details_show_events_hidden_comments_and_deleted_authors(twin: StandIn, api: HfApi) -> None:
    view = twin.hub_view()
    shown = view.listed & ~view.talk_is_off & (view.repositories.kind == MODEL)
    seen: Counter[str] = Counter()
    for i in np.flatnonzero(shown & (view.thread_count > 0)).tolist():
        for listed in api.get_repo_discussions(view.name(i)):
            answer = api.get_discussion_details(view.name(i), listed.num)
            assert (answer.title, answer.status) == (listed.title, listed.status)
            assert answer.author == listed.author
            seen[f"author {answer.author == 'deleted'}"] += 1
            for event in answer.events:
                seen[event.type] += 1
                if isinstance(event, DiscussionComment):
                    seen[f"hidden {event.hidden}"] += 1
                    assert event.rendered
                    assert event.hidden == (event.content == "This comment has been hidden")
                if isinstance(event, DiscussionStatusChange):
                    assert event.new_status == answer.status
            if answer.is_pull_request:
                assert answer.target_branch == "refs/heads/main"
                assert answer.diff
                assert (answer.merge_commit_oid is not None) == (answer.status == "merged")
                seen["merged"] += answer.status == "merged"
    for case in ("comment", "status-change", "title-change", "commit", "hidden True",
                 "author True", "merged"):  # fmt: skip
        assert seen[case] > 0, case
    with pytest.raises(HfHubHTTPError) as caught:
        api.get_discussion_details(busiest(twin), 9_999)
    assert caught.value.response.status_code == 404


def test_a_merged_pull_request_is_a_commit_of_its_author(twin: StandIn, api: HfApi) -> None:
    view, threads = twin.hub_view(), twin.hub.acts.threads
    open_to_all = view.listed & ~view.talk_is_off & (view.gated == 0) & ~view.is_disabled
    rows = np.flatnonzero((threads.created_at < view.now) & (view.thread_status == 2))
    x = next(x for x in rows.tolist() if open_to_all[threads.repository[x]]
             and view.repositories.kind[threads.repository[x]] == MODEL)  # fmt: skip
    name, number = view.name(int(threads.repository[x])), int(threads.number[x])
    answer = api.get_discussion_details(name, number)
    (merge,) = [c for c in api.list_repo_commits(name) if c.commit_id == answer.merge_commit_oid]
    assert merge.authors == [answer.author]
    assert merge.created_at > answer.created_at


def test_disabled_discussions_are_not_none(twin: StandIn, api: HfApi) -> None:
    twin.days = 1
    view, r = twin.hub_view(), twin.hub.repositories
    i = first(view.talk_is_off & view.listed & (r.talk_off_until > 0))
    with pytest.raises(HfHubHTTPError, match="403 Forbidden: Discussions are disabled") as caught:
        list(api.get_repo_discussions(view.name(i)))
    assert caught.value.response.status_code == 403
    twin.days = 5
    assert len(list(api.get_repo_discussions(view.name(i)))) == twin.hub_view().thread_count[i]


# ---------------------------------------------------------------- people


def test_member_lists_are_public_partial_or_hidden(twin: StandIn, api: HfApi) -> None:
    view, members = twin.hub_view(), twin.hub.world.hub_memberships
    logins = twin.hub.world.hub_accounts.login
    seen = set()
    for row in range(len(members.list_visibility)):
        group = members.first_organisation + row
        held = {logins[k] for k in members.members_at(group, view.now).tolist()}
        overview = api.get_organization_overview(logins[group])
        visibility = members.visibility(group)
        seen.add(visibility)
        if visibility == "hidden":
            assert overview.num_users is None
            with pytest.raises(HfHubHTTPError) as caught:
                list(api.list_organization_members(logins[group]))
            assert caught.value.response.status_code == 403
            mine = as_account(twin, int(members.core[row]))
            listed = {m.username for m in mine.list_organization_members(logins[group])}
            assert listed == held
            continue
        assert overview.num_users == len(held)
        listed = {m.username for m in api.list_organization_members(logins[group])}
        assert listed <= held
        assert visibility == "partial" or listed == held
    assert seen == {"public", "partial", "hidden"}


def test_membership_changes_with_time(twin: StandIn, api: HfApi) -> None:
    members = twin.hub.world.hub_memberships
    shown = members.is_public & (members.list_visibility[
        members.organisation - members.first_organisation] != 2)  # fmt: skip
    start = twin.hub.world.starts_at
    joins, leaves = (
        (times > start) & (times < start + 50 * DAY) for times in (members.since, members.until)
    )
    row = first(shown & (joins | leaves))
    login = twin.hub.world.hub_accounts.login[members.account[row]]
    group = twin.hub.world.hub_accounts.login[members.organisation[row]]
    lists = []
    for days in (0, 60):
        twin.days = days
        lists.append({m.username for m in api.list_organization_members(group)})
        overview = api.get_user_overview(login)
        assert (group in {org.name for org in overview.orgs}) == (login in lists[-1])
    assert (login in lists[0]) != (login in lists[1])


def test_overviews_count_what_is_listed(twin: StandIn, api: HfApi) -> None:
    authors = Counter(str(m.author) for m in api.list_models(full=True))
    accounts = twin.hub.world.hub_accounts
    for login, count in authors.most_common(12):
        if accounts.login.index(login) < accounts.person_count:
            user = api.get_user_overview(login)
            assert (user.username, user.num_models, user.user_type) == (login, count, "user")
            assert datetime.fromisoformat(user.createdAt) < datetime(2025, 10, 9, tzinfo=UTC)
        else:
            group = api.get_organization_overview(login.upper())
            assert (group.name, group.num_models) == (login, count)
            with pytest.raises(HfHubHTTPError, match="This user does not exist"):
                api.get_user_overview(login)
    person = accounts.login[5]
    assert raw(twin, f"/api/users/{person.upper()}/overview").status_code == 307
    assert api.get_user_overview(person.upper()).username == person
    with pytest.raises(HfHubHTTPError):
        api.get_organization_overview(person)


def test_likers_and_likes_say_the_same(twin: StandIn, api: HfApi) -> None:
    view = twin.hub_view()
    pairs = set()
    for i in np.flatnonzero(view.listed & (view.like_count > 0)).tolist():
        kind = ("model", "dataset", "space")[view.repositories.kind[i]]
        likers = [u.username for u in api.list_repo_likers(view.name(i), repo_type=kind)]
        assert len(likers) == len(set(likers)) == view.like_count[i]
        pairs |= {(user, kind, view.name(i)) for user in likers}
    users = {user for user, _, _ in pairs}
    found = set()
    for user in users:
        liked = api.list_liked_repos(user)
        for kind, names in (
            ("model", liked.models), ("dataset", liked.datasets), ("space", liked.spaces),
        ):  # fmt: skip
            found |= {(user, kind, name) for name in names}
        assert api.get_user_overview(user).num_likes == liked.total
    assert found == pairs
    most = Counter(user for user, _, _ in pairs).most_common(1)[0][0]
    dates = [like["createdAt"] for like in raw(twin, f"/api/users/{most}/likes").json()]
    assert dates == sorted(dates, reverse=True)
    assert dates[0] < "2025-10-08"


# ---------------------------------------------------------------- the dump and the truth


def test_the_dump_says_the_same_as_the_api(twin: StandIn, api: HfApi) -> None:
    view = twin.hub_view()
    asked = "&".join(f"expand={key}" for key in DUMPED)
    listed: dict[str, Any] = {}
    url = f"{twin.url}/api/models?sort=createdAt&{asked}"
    while url:
        page = httpx2.get(url)
        listed |= {model["id"]: model for model in page.json()}
        url = page.links.get("next", {}).get("url", "")
    assert listed == {line["id"]: line for line in map(json.loads, model_lines(view))}
    commits: dict[str, list[Any]] = {name: [] for name in listed}
    for line in map(json.loads, commit_lines(view)):
        commits[line["repo_id"]].append(line["commit"])
    talks: dict[str, list[Any]] = {name: [] for name in listed}
    for line in map(json.loads, discussion_lines(view)):
        talks[line["repo_id"]].append(line["discussion"])
    client = hub_client(twin.url, [], SALT)
    outcomes: Counter[str] = Counter()
    for name in listed:
        found = client.commits("model", name)
        outcomes[found.outcome] += 1
        assert found.outcome != "ok" or found.items == commits[name][:1000]
        assert found.outcome != "ok" or found.total == len(commits[name])
        items: list[Any] = []
        for page in range(100):
            found = client.discussions("model", name, page)
            items += found.items
            if len(items) >= (found.total or 0):
                break
        assert found.outcome != "ok" or items == talks[name]
    assert outcomes["ok"] > 100
    assert set(outcomes) == {"ok", "disabled", "refused"}


def test_planted_shares_are_recovered_by_reading_everything(twin: StandIn, api: HfApi) -> None:
    view = twin.hub_view()
    accounts, members = twin.hub.world.hub_accounts, twin.hub.world.hub_memberships
    index = {login: k for k, login in enumerate(accounts.login)}
    read: Counter[str] = Counter()
    unread = set()
    derived = 0
    for model in api.list_models(expand=["author", "baseModels", "likes"]):
        derived += model.base_models is not None
        owner = index[str(model.author)]
        if owner < accounts.person_count:
            continue
        try:
            commits = api.list_repo_commits(model.id)
        except (GatedRepoError, DisabledRepoError):
            unread.add(model.id)
            continue
        for commit in commits:
            if commit.authors == ["system"]:
                continue
            author, at = index[commit.authors[0]], int(commit.created_at.timestamp())
            inside = members.is_member(np.array([author]), np.array([owner]), at)[0]
            read[ROLES[0 if inside else 1 if accounts.is_staff[author] else 2]] += 1
    table = truth_tables(view)["hub_committers"]
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    planted: Counter[str] = Counter()
    for row in rows:
        if row["is_organisation_owned"] and row["repository_name"] not in unread:
            for role in ROLES[:3]:
                planted[role] += int(row[f"{role}_commit_count"])
    total = sum(read.values())
    assert total > 500
    # Who committed before a model moved to its owner was inside another one then.
    assert sum((read - planted).values()) < 0.1 * total
    assert abs(read["insider"] / total - 0.7955) < 0.08
    models = truth_tables(view)["hub_models"]
    told = [t in ("declared", "inferred", "misread") for t in models["telling"]]
    assert abs(derived - sum(told)) <= 5


# ---------------------------------------------------------------- our own client


def test_our_client_reads_the_listing_and_begins_again_at_a_kept_cursor(twin: StandIn) -> None:
    pages = RepositoryPages(hub_client(twin.url, [], SALT), page_size=25)
    walked = list(pages.walk())
    ids = [json.loads(item)["id"] for page in walked for item in page.items]
    view = twin.hub_view()
    assert sorted(ids) == sorted(map(view.name, view.models.tolist()))
    assert len(walked) == -(-len(ids) // 25)
    again = list(pages.walk(walked[2].next_url))
    assert [p.items for p in again] == [p.items for p in walked[3:]]
    with pytest.raises(CursorRefused):
        pages.fetch(f"{pages.first_url}&cursor=old")


def test_a_snapshot_of_the_twin_is_the_truth(twin: StandIn, tmp_path: Path) -> None:
    view = twin.hub_view()
    lake = Lake(tmp_path / "lake")
    day = datetime.fromtimestamp(view.now, UTC).date()
    hub = HuggingFaceSettings(endpoint=twin.url, history_limit=120, repository_types=["model"])
    chosen = Settings(data_dir=tmp_path, huggingface=hub)
    row, *_ = observe(lake, chosen, SALT, day)
    # A tag with a NUL is refused, as it was planted.
    assert row["row_count"] + row["malformed_count"] == len(view.models)
    assert row["malformed_count"] <= 1
    truth = truth_tables(view)["hub_models"]
    files = [str(f) for f in lake.partition("huggingface", "models", day).current_files()]
    query = "select repository_name, like_count, last_modified_at from read_parquet($files)"
    found = {name: rest for name, *rest in duckdb.execute(query, {"files": files}).fetchall()}
    for name, likes, modified in zip(
        truth["repository_name"], truth["like_count"], truth["last_modified_at"], strict=True
    ):
        if name in found:
            assert found[name] == [likes, modified.item()]
    files = [str(f) for f in lake.partition("huggingface", "commits", day).current_files()]
    query = "select repository_name, count(*) from read_parquet($files) group by all"
    counts = dict(duckdb.execute(query, {"files": files}).fetchall())
    planted = dict(zip(truth["repository_name"], truth["commit_count_with_system"], strict=True))
    assert len(counts) > 90
    assert all(planted[name] >= count >= planted[name] - 2 for name, count in counts.items())


def test_what_the_api_does_not_have_is_404(twin: StandIn) -> None:
    answer = raw(twin, "/api/nothing")
    assert answer.status_code == 404
    assert "can't find the page" in answer.json()["error"]


def test_a_head_request_has_the_headers_of_a_get(twin: StandIn) -> None:
    asked = f"{twin.url}/api/models?limit=5"
    head, got = httpx2.head(asked), httpx2.get(asked)
    assert head.content == b""
    assert head.headers["link"] == got.headers["link"]
