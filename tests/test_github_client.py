"""Asking GitHub: batches that shrink and grow, outcomes, pages; the twin and made-up answers."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest
from github_twin import FIRST_DAY, parts, world

from assets.github.api_rows import Normaliser
from assets.github.lines import AddressHasher
from orchestration.clients import github_queries as queries
from orchestration.clients.github import (
    GRAPHQL,
    REST,
    GitHub,
    LostPlace,
    Page,
    Size,
    Stock,
    Wanted,
)
from orchestration.clients.http import GITHUB as PLATFORM
from orchestration.clients.http import (
    Answer,
    Http,
    Request,
    Sent,
    Stopped,
    Unusable,
    accounts_of,
)
from orchestration.failures import PermanentFailure, TransientFailure
from twin.github import GitHubView
from twin.server.app import Service, Twin, serving
from twin.server.clock import Calendar
from twin.server.faults import FaultRule
from twin.server.limits import LimitSettings

SALT = b"a salt of thirty-two characters!"
DAYS = 2


# ------------------------------------------------------------ on the twin


@dataclass
class Served:
    """A client of a running twin, with what it sent."""

    service: Service
    client: GitHub
    sent: list[Sent]

    @property
    def view(self) -> GitHubView:
        return self.service.twin.github_view()

    def wanted(self, **more: Any) -> list[Wanted]:
        """Every repository of the world, under the name that it was made with."""
        r = world().repositories
        made = np.flatnonzero(r.created_at <= self.view.now).tolist()
        return [Wanted(int(r.id[i]), r.name[i], **more) for i in made]

    def stocks(self, wanted: list[Wanted], size: int = 100) -> list[Stock]:
        parts = [wanted[k : k + size] for k in range(0, len(wanted), size)]
        return [stock for part in parts for stock in self.client.stocks(part)]

    def counts(self) -> Counter[str]:
        found = Counter(one.kind for one in self.sent)
        self.sent.clear()
        return found


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    history, flow, github = parts()
    twin = Twin(Calendar(FIRST_DAY, DAYS), world=world(), history=history, flow=flow, github=github)
    with serving(twin=twin, limits=LimitSettings(enabled=False)) as service:
        yield service


@pytest.fixture
def served(service: Service) -> Iterator[Served]:
    sent: list[Sent] = []
    base = service.twin.github_base
    http = Http(
        base, PLATFORM, accounts_of(["a-token"], SALT), told=sent.append, backoff_seconds=0.01
    )
    yield Served(service, GitHub(http, base), sent)
    service.faults.set(())
    http.close()


def moment(seconds: int) -> str | None:
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def truth(view: GitHubView, i: int) -> dict[str, Any]:
    """What the twin's own tables say of a repository."""
    r = view.world.repositories
    table = view.threads(i)
    pulls, count = table.is_pull, view.commit_count(i)
    issues = ~pulls if r.has_issues[i] else np.zeros(len(table), bool)
    owner = view.account(r.owner_at(i, view.now))
    parent = view.parent(i)
    is_open = table.closed_at == 0
    return {
        "repository_id": int(r.id[i]),
        "repository_name": view.full_name(i),
        "owner_id": owner.id,
        "owner_login": owner.login,
        "owner_type": owner.kind,
        "created_at": moment(int(r.created_at[i])),
        "is_fork": bool(r.is_fork[i]),
        "parent_repository_id": int(r.id[parent]) if parent >= 0 else None,
        "is_archived": view.repository(i).is_archived,
        "is_empty": count == 0,
        "has_issues": bool(r.has_issues[i]),
        "head_sha": view.history.sha(i, count - 1) if count else None,
        "star_count": int(view.star_counts[i]),
        "fork_count": view.fork_count(i),
        "commit_count": count,
        "issue_count": int(issues.sum()),
        "issue_open_count": int((issues & is_open).sum()),
        "pull_request_count": int(pulls.sum()),
        "pull_request_open_count": int((pulls & is_open).sum()),
        "pull_request_merged_count": int((table.merged_at > 0).sum()),
        "issues_updated_at": moment(int(table.updated_at[issues].max(initial=0))),
        "pull_requests_updated_at": moment(int(table.updated_at[pulls].max(initial=0))),
    }


def check_stocks(view: GitHubView, stocks: list[Stock]) -> None:
    """Stocks and outcomes are the planted ones, exactly."""
    rows = Normaliser(AddressHasher(SALT))
    for stock in stocks:
        i = view.find_id(stock.wanted.repository_id)
        assert i is not None
        status = view.status(i)
        if status != "ok":
            assert (stock.outcome, stock.item) == ("dmca" if status == "dmca" else "absent", None)
            continue
        is_moved = view.full_name(i) != stock.wanted.name
        assert stock.outcome == ("renamed" if is_moved else "ok")
        assert stock.name_now == (view.full_name(i) if is_moved else None)
        assert stock.item is not None
        row = rows.repository(stock.item)
        expected = truth(view, i)
        assert {name: row[name] for name in expected} == expected


def test_stocks_are_the_planted_ones_by_name_and_by_global_id(served: Served) -> None:
    wanted, view = served.wanted(), served.view
    first = served.stocks(wanted)
    check_stocks(view, first)
    outcomes = Counter(stock.outcome for stock in first)
    assert outcomes.keys() == {"ok", "renamed", "absent", "dmca"}
    sent = served.counts()
    # One query for a hundred, one more where a name was taken, REST for what that is and for why
    # something is blocked.
    assert sent[GRAPHQL] <= len(wanted) / 100 + 1
    assert sent[REST] <= outcomes["dmca"] + 1
    known = [
        Wanted(one.wanted.repository_id, one.wanted.name, one.item["id"] if one.item else None)
        for one in first
    ]
    again = served.stocks(known)
    check_stocks(view, again)
    assert [stock.outcome for stock in again] == [stock.outcome for stock in first]
    sent = served.counts()
    assert sent[GRAPHQL] == len(wanted) / 100
    assert sent[REST] == outcomes["dmca"]


def test_a_name_that_another_took_leads_to_the_first_owner(served: Served) -> None:
    """Three fates of a name that another repository has now."""
    view, r = served.view, world().repositories
    moved = [
        i
        for i in range(len(r))
        if 0 < r.moved_at[i] <= view.now and (found := view.find(r.name[i])) and found[0] != i
    ]
    [first] = served.client.stocks([Wanted(int(r.id[moved[0]]), r.name[moved[0]])])
    assert (first.outcome, first.name_now) == ("renamed", view.full_name(moved[0]))
    holder = int(np.flatnonzero(view.visible)[0])
    dmca = next(i for i in range(len(r)) if view.status(i) == "dmca")
    gone = next(i for i in range(len(r)) if view.status(i) == "deleted")
    wanted = [Wanted(int(r.id[i]), view.full_name(holder)) for i in (dmca, gone)]
    blocked, taken = served.client.stocks(wanted)
    assert (blocked.outcome, blocked.item) == ("dmca", None)
    assert blocked.reason == f"dmca since {moment(int(r.dmca_at[dmca]))}Z"
    assert (taken.outcome, taken.item) == ("taken_over", None)
    assert taken.reason == f"the name is that of repository {int(r.id[holder])} now"


def test_who_was_there_is_looked_for_before_it_is_called_absent(served: Served) -> None:
    """A global id says NOT_FOUND of what was taken down; a first look is not worth a request."""
    view, r = served.view, world().repositories
    dmca = next(i for i in range(len(r)) if view.status(i) == "dmca")
    gone = next(i for i in range(len(r)) if view.status(i) == "deleted")
    ids = {i: f"MDEwOlJlcG9zaXRvcnk{i}" for i in (dmca, gone)}
    wanted = [Wanted(int(r.id[i]), r.name[i], ids[i], is_confirmed=True) for i in (dmca, gone)]
    assert [stock.outcome for stock in served.client.stocks(wanted)] == ["dmca", "absent"]
    assert served.counts() == {GRAPHQL: 1, REST: 2}
    wanted = [Wanted(int(r.id[gone]), r.name[gone], ids[gone])]
    assert [stock.outcome for stock in served.client.stocks(wanted)] == ["absent"]
    assert served.counts() == {GRAPHQL: 1}
    # A stale global id of one that is there: asked again by the one that REST tells.
    i = int(np.flatnonzero(view.visible)[0])
    wanted = [Wanted(int(r.id[i]), view.full_name(i), ids[gone], is_confirmed=True)]
    check_stocks(view, served.client.stocks(wanted))


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "status", "status": 502, "every": 3},
        {"kind": "status", "status": 503, "every": 3},
        {"kind": "reset", "every": 3},
        {"kind": "truncated", "every": 3, "share": 0.7},
    ],
)
def test_faults_give_the_same_stocks(served: Served, rule: dict[str, Any]) -> None:
    wanted = served.wanted()[:100]
    served.service.faults.set([FaultRule(path="/github/*", name="fault", **rule)])
    stocks = served.stocks(wanted, 20)
    assert served.service.faults.fired("fault")
    served.service.faults.set(())
    check_stocks(served.view, stocks)
    # Five batches, half as many again for faults; halves where they may have been too much.
    assert served.counts()[GRAPHQL] <= 16


def test_names_are_never_part_of_a_query(served: Served) -> None:
    view, r = served.view, world().repositories
    i = int(np.flatnonzero(view.visible)[0])
    hostile = ['a/b") { id } x: repository(owner: "c', "}/{", "$o0/\\", "a/b\u2028"]
    wanted = [Wanted(10**9 + k, name) for k, name in enumerate(hostile)]
    wanted.append(Wanted(int(r.id[i]), view.full_name(i)))
    found = served.client.stocks(wanted)
    assert [stock.outcome for stock in found] == ["absent"] * len(hostile) + ["ok"]


def test_commits_of_a_head_page_by_page(served: Served) -> None:
    view = served.view
    i = int(np.argmax(np.where(view.visible & (view.commit_counts < 400), view.commit_counts, 0)))
    [stock] = served.client.stocks([Wanted(int(world().repositories.id[i]), view.full_name(i))])
    assert stock.item is not None
    node, count = stock.item["id"], view.commit_count(i)
    head = view.history.sha(i, count - 1)
    found, after = [], None
    while True:
        page = served.client.commits(node, head, after)
        assert page.total == count
        found += [item["oid"] for item in page.items]
        after = page.following
        if after is None:
            break
    assert found == [view.history.sha(i, k) for k in range(count - 1, -1, -1)]
    old = count // 2
    at = view.committed_at(i, np.array([old]))
    times = [f"{moment(int(at[0]))}Z", "1970-01-01T00:00:00Z"]
    counts = served.client.commit_counts(node, found[count - 1 - old], head, times)
    assert counts is not None
    since = int(view.commits_before(i, at)[0])
    assert counts == ([old + 1, old + 1 - since, old + 1], [count, count - since, count])
    assert served.client.commit_counts(node, "0" * 40, head, times) is None
    with pytest.raises(LostPlace):
        served.client.commits(node, head, "no cursor")
    assert served.client.commits(node, "0" * 40).outcome == "truncated"
    assert served.client.commits("MDEwOlJlcG9zaXRvcnkx", head).outcome == "absent"


def test_old_names_lead_on_once(served: Served) -> None:
    view, r = served.view, world().repositories
    i = next(
        i
        for i in range(len(r))
        if 0 < r.moved_at[i] <= view.now and view.find(r.name[i]) == (i, True)
        and view.status(i) == "ok"
    )  # fmt: skip
    now = served.client.issues(int(r.id[i]))
    url = str(now.url).replace(f"/repositories/{r.id[i]}/", f"/repos/{r.name[i]}/")
    old = served.client.members("the client of lists", url)
    assert old.items == now.items
    assert [one.status for one in served.sent] == [200, 301, 200]


def test_a_list_is_the_repositorys_whoever_has_its_name(served: Served) -> None:
    view, r = served.view, world().repositories
    taken = [
        i
        for i in range(len(r))
        if view.status(i) == "ok" and view.full_name(i) != r.name[i] and view.thread_count(i)
        and view.find(r.name[i]) not in (None, (i, True))
    ]  # fmt: skip
    assert taken
    for i in taken:
        items = served.client.issues(int(r.id[i])).items
        assert len(items) == min(100, view.thread_count(i))
        assert all(one["repository_url"].endswith(f"/repos/{view.full_name(i)}") for one in items)


def test_what_a_list_says_instead(served: Served) -> None:
    view, r = served.view, world().repositories
    dmca = next(i for i in range(len(r)) if view.status(i) == "dmca")
    page = served.client.issues(int(r.id[dmca]))
    assert (page.outcome, page.reason) == ("dmca", f"dmca since {moment(int(r.dmca_at[dmca]))}Z")
    assert served.client.issue_comments(1).outcome == "absent"
    assert served.client.members("no-where", served.client.members_url("no-where")).outcome == (
        "absent"
    )


def test_members_are_asked_for_with_an_etag(served: Served) -> None:
    view, m = served.view, world().memberships
    group = int(m.organisation[m.is_public & (m.until == 0)][0])
    login = view.account(group).login
    url = served.client.members_url(login)
    page = served.client.members(login, url)
    assert [item["id"] for item in page.items] == [
        view.account(k).id for k in view.public_members(group).tolist()
    ]
    assert page.etag is not None
    again = served.client.members(login, url, (page.account, page.etag))
    assert (again.is_unchanged, again.items, again.etag) == (True, [], page.etag)
    assert served.client.members(login, url, ("another", page.etag)).items == page.items


# ------------------------------------------------------------ on made-up answers

BASE = "https://api.example.org"


@dataclass
class Script:
    """Stands for `Http`: each request is answered by a function, and tried as often as there."""

    answer: Callable[[Request], tuple[int, Any]]
    asked: list[Request] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, request: Request, parse: Callable[[Answer], Any]) -> Any:
        for _ in range(3):
            self.asked.append(request)
            assert len(self.asked) < 10_000, "asking does not end"
            status, body = self.answer(request)
            if status != 200 and status not in request.accepted:
                if status >= 500:
                    continue
                raise PermanentFailure(f"HTTP {status}")
            content = body if isinstance(body, bytes) else orjson.dumps(body)
            try:
                return parse(Answer(status, self.headers, content, request.url, "one"))
            except Unusable:
                continue
        raise TransientFailure("no answer")


def client(answer: Callable[[Request], tuple[int, Any]], **more: Any) -> tuple[GitHub, Script]:
    script = Script(answer)
    return GitHub(script, BASE, **more), script


def asked_for(request: Request) -> list[tuple[str, str, str]]:
    """What a query asks for: alias or place, and owner/name or global id."""
    variables = json.loads(request.body or b"")["variables"]
    nodes = [("nodes", str(k), one) for k, one in enumerate(variables.get("ids", []))]
    names = [
        (f"r{key[1:]}", "", f"{variables[key]}/{variables['n' + key[1:]]}")
        for key in variables
        if key.startswith("o")
    ]
    return [*nodes, *names]


def repository(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"R_{number}", "databaseId": number, "nameWithOwner": f"o/r{number}"} | more


def found(request: Request) -> dict[str, Any]:
    """Every repository that a query asks for; its number is the last part of its name."""
    data: dict[str, Any] = {"rateLimit": {"cost": 1}}
    for place, _, name in asked_for(request):
        item = repository(int(name.rpartition("r")[2].rpartition("_")[2]))
        if place == "nodes":
            data.setdefault("nodes", []).append(item)
        else:
            data[place] = item
    return data


def some(count: int, **more: Any) -> list[Wanted]:
    return [Wanted(k, f"o/r{k}", **more) for k in range(1, count + 1)]


def rest_row(number: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "node_id": f"R_{number}", "full_name": f"o/r{number}"} | more


TOO_MUCH = [
    (502, b"<html>"),
    (504, b""),
    (200, {"errors": [{"message": "Something went wrong while executing your query."}]}),
    (200, {"data": None, "errors": [{"type": "MAX_NODE_LIMIT_EXCEEDED", "message": "x"}]}),
    (200, {"data": {}, "errors": [{"type": "RESOURCE_LIMITS_EXCEEDED", "path": ["r1"]}]}),
]


@pytest.mark.parametrize("refusal", TOO_MUCH)
def test_what_is_too_much_is_asked_in_halves_and_grows_again(refusal: tuple[int, Any]) -> None:
    sizes: list[int] = []
    most = 60

    def answer(request: Request) -> tuple[int, Any]:
        sizes.append(len(asked_for(request)))
        return refusal if sizes[-1] > most else (200, {"data": found(request)})

    github, _ = client(answer)
    for _ in range(40):
        assert [stock.outcome for stock in github.stocks(some(100))] == ["ok"] * 100
    assert sizes[:3] == [100, 50, 50]
    # A larger size is tried ever more rarely.
    assert 3 <= sizes.count(100) <= 7
    assert len(sizes) <= 40 * 2 + 7
    most = 100
    del sizes[:]
    for _ in range(80):
        github.stocks(some(100))
    assert sizes[-5:] == [100] * 5


def test_a_rare_failure_costs_two_requests() -> None:
    sizes: list[int] = []

    def answer(request: Request) -> tuple[int, Any]:
        sizes.append(len(asked_for(request)))
        return (502, b"") if len(sizes) % 20 == 1 else (200, {"data": found(request)})

    github, _ = client(answer)
    for _ in range(100):
        github.stocks(some(100))
    assert len(sizes) / 10_000 <= 0.015


def test_one_that_breaks_every_query_is_asked_of_rest() -> None:
    def answer(request: Request) -> tuple[int, Any]:
        if request.kind == REST:
            return 200, rest_row(37)
        names = [name for _, _, name in asked_for(request)]
        return (502, b"") if "o/r37" in names else (200, {"data": found(request)})

    github, script = client(answer)
    stocks = github.stocks(some(100))
    assert [one.wanted.repository_id for one in stocks if one.outcome != "ok"] == [37]
    assert stocks[36].outcome == "truncated"
    assert stocks[36].item == rest_row(37)
    assert len(script.asked) <= 20
    # The others are asked for a hundred at a time again.
    github.stocks(some(30))
    before = len(script.asked)
    for k in range(20):
        github.stocks([Wanted(1000 * k + j, f"o/r{1000 * k + j}") for j in range(100, 200)])
    assert len(script.asked) - before <= 25


def test_a_platform_that_is_down_is_not_hammered() -> None:
    github, script = client(lambda _: (502, b""))
    with pytest.raises(TransientFailure):
        github.stocks(some(100))
    # Halves down to one repository, which is repeated with pauses, and REST.
    assert len(script.asked) <= 7 + 3 + 3
    script.answer = stopped
    script.asked.clear()
    with pytest.raises(Stopped):
        github.stocks(some(1))
    assert [request.kind for request in script.asked] == [GRAPHQL]


def stopped(_: Request) -> tuple[int, Any]:
    raise Stopped("stopped")


def test_half_an_answer_is_asked_for_again() -> None:
    asked = Counter[str]()

    def answer(request: Request) -> tuple[int, Any]:
        if request.kind == REST:
            return 200, rest_row(3)
        data, errors = found(request), []
        for place, _, name in asked_for(request):
            asked[name] += 1
            if name == "o/r3" or (name == "o/r2" and asked[name] < 3):
                data[place] = None
                errors.append({"type": "INTERNAL", "path": [place, "pullRequests"], "message": ""})
        return 200, {"data": data, "errors": errors}

    github, script = client(answer)
    stocks = github.stocks(some(4))
    assert [stock.outcome for stock in stocks] == ["ok", "ok", "truncated", "ok"]
    assert asked == {"o/r1": 1, "o/r2": 3, "o/r3": 3, "o/r4": 1}
    assert sum(request.kind == REST for request in script.asked) == 1


@pytest.mark.parametrize(
    ("status", "body", "outcome", "reason"),
    [
        (451, {"block": {"reason": "dmca", "created_at": "2026-01-02T03:04:05Z"}},
         "dmca", "dmca since 2026-01-02T03:04:05Z"),
        (451, b"no json", "dmca", None),
        (451, {"block": {"reason": "<b>", "created_at": "x"}}, "dmca", None),
        (403, {"block": {"reason": "tos"}}, "disabled", "tos"),
        (403, {"message": "SAML"}, "refused", None),
        (404, {"message": "Not Found"}, "absent", None),
    ],
)  # fmt: skip
def test_what_is_forbidden_is_asked_of_rest(
    status: int, body: Any, outcome: str, reason: str | None
) -> None:
    def answer(request: Request) -> tuple[int, Any]:
        if request.kind == REST:
            assert request.url == f"{BASE}/repositories/1"
            return status, body
        errors = [{"type": "FORBIDDEN", "path": ["r0"], "message": "Repository access blocked"}]
        return 200, {"data": {**found(request), "r0": None}, "errors": errors}

    github, script = client(answer)
    first, second = github.stocks(some(2))
    assert (first.outcome, first.reason, first.item) == (outcome, reason, None)
    assert second.outcome == "ok"
    assert len(script.asked) == 2


def test_ids_beyond_32_bits_are_those_of_the_global_id() -> None:
    def answer(request: Request) -> tuple[int, Any]:
        if request.kind == REST:
            return 200, rest_row(1)
        data = found(request)
        for item in [*data.get("nodes", []), *(data[key] for key in data if key[0] == "r")]:
            item["databaseId"] = None
        return 200, {"data": data}

    github, script = client(answer)
    [stock] = github.stocks(some(1, node_id="R_1"))
    assert (stock.outcome, stock.item and stock.item["databaseId"]) == ("ok", 1)
    assert len(script.asked) == 1
    # Without a global id REST tells it first.
    [stock] = github.stocks(some(1))
    assert (stock.outcome, stock.item and stock.item["databaseId"]) == ("ok", 1)
    assert [request.kind for request in script.asked[1:]] == [GRAPHQL, REST, GRAPHQL]


def test_a_repository_that_rest_knows_and_graphql_does_not() -> None:
    def answer(request: Request) -> tuple[int, Any]:
        if request.kind == REST:
            return 200, rest_row(1, full_name="o/other")
        place = asked_for(request)[0][0]
        path = [place, 0] if place == "nodes" else [place]
        return 200, {"data": {place: None}, "errors": [{"type": "NOT_FOUND", "path": path}]}

    github, script = client(answer)
    [stock] = github.stocks(some(1, is_confirmed=True))
    assert (stock.outcome, stock.name_now) == ("truncated", "o/other")
    assert [request.kind for request in script.asked] == [GRAPHQL, REST, GRAPHQL]


def test_a_platform_that_always_shows_another_repository_ends() -> None:
    def answer(request: Request) -> tuple[int, Any]:
        if request.kind == REST:
            return 200, rest_row(1)
        place = asked_for(request)[0][0]
        other = repository(7)
        return 200, {"data": {place: [other] if place == "nodes" else other}}

    github, _ = client(answer)
    assert [stock.outcome for stock in github.stocks(some(1))] == ["truncated"]


def test_a_disabled_repository_keeps_its_stocks() -> None:
    def answer(request: Request) -> tuple[int, Any]:
        return 200, {"data": {"r0": repository(1, isDisabled=True)}}

    github, _ = client(answer)
    [stock] = github.stocks(some(1))
    assert stock.outcome == "disabled"
    assert stock.item is not None


def test_what_is_said_of_the_whole_counts_more_than_of_a_part() -> None:
    whole = {"type": "NOT_FOUND", "path": ["r0"]}
    parts_of_it = [{"type": "INTERNAL", "path": ["r0", "issues"]}, {"path": ["r0", "parent"]}]
    for errors in ([whole, *parts_of_it], [*parts_of_it, whole], [parts_of_it[0], whole]):
        assert list(queries.stock_values([("a", None)], {}, errors)) == [("a", None, whole)]
    ids = [("a", "R_1"), ("b", None), ("c", "R_2")]
    data = {"nodes": [{"id": "R_1"}, None], "r1": {"id": "R_3"}}
    errors = [{"path": ["nodes", 1]}]
    assert list(queries.stock_values(ids, data, errors)) == [
        ("a", {"id": "R_1"}, None), ("b", {"id": "R_3"}, None), ("c", None, errors[0]),
    ]  # fmt: skip


def test_a_query_that_is_not_understood_is_not_repeated() -> None:
    errors = [{"message": "Field 'x' doesn't exist on type 'Repository'"}]
    github, script = client(lambda _: (200, {"errors": errors}))
    with pytest.raises(PermanentFailure, match="doesn't exist"):
        github.stocks(some(3))
    assert len(script.asked) == 1


def test_points_are_reserved_as_they_were_told() -> None:
    def answer(request: Request) -> tuple[int, Any]:
        data = found(request)
        data["rateLimit"] = {"cost": 15}
        return 200, {"data": data}

    github, script = client(answer)
    github.stocks(some(100))
    github.stocks(some(100))
    github.stocks(some(20))
    assert [request.points for request in script.asked] == [6, 15, 3]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(404, "absent"), (410, "gone"), (451, "dmca"), (403, "refused"), (422, "truncated")],
)
def test_outcomes_of_lists(status: int, outcome: str) -> None:
    github, _ = client(lambda _: (status, {"message": "no"}))
    assert github.issues(7).outcome == outcome


def test_a_list_that_is_none_is_asked_again() -> None:
    bodies = iter([b'{"message": "hm"}', b"[{]", b'[{"title": "half \\ud800 a pair"}]'])
    github, script = client(lambda _: (200, next(bodies)))
    assert len(github.issues(7).items) == 1
    assert len(script.asked) == 3


def test_links_are_followed_unless_they_lead_back() -> None:
    github, script = client(lambda _: (200, []))
    script.headers["link"] = f'<{BASE}/next?page=2>; rel="next"'
    page = github.issues(7, "2026-01-01T00:00:00Z")
    assert page.following == f"{BASE}/next?page=2"
    assert github.issues(7, url=page.following) == Page(url=page.following, account="one")
    assert "since=2026-01-01T00%3A00%3A00Z" in script.asked[0].url
    assert script.asked[0].subject == script.asked[1].subject == "7"


def test_a_page_that_is_too_much_shrinks() -> None:
    sizes: list[int] = []

    def answer(request: Request) -> tuple[int, Any]:
        sizes.append(json.loads(request.body or b"")["variables"]["first"])
        if sizes[-1] > 30:
            return 502, b""
        connection = {"nodes": [{"number": 1}, None], "pageInfo": {"hasNextPage": False}}
        return 200, {"data": {"node": {"pullRequests": {**connection, "totalCount": 1}}}}

    github, _ = client(answer)
    assert github.pull_requests("R_1") == Page([{"number": 1}], total=1)
    assert sizes == [100, 50, 25]
    github.pull_requests("R_1")
    assert sizes[3:] == [25]


def test_a_list_that_comes_by_half() -> None:
    errors = [{"path": ["node", "pullRequests", "nodes", 3, "comments"], "message": "timeout"}]
    half = {"pullRequests": {"nodes": [], "pageInfo": {}, "totalCount": 1}}
    github, script = client(lambda _: (200, {"data": {"node": half}, "errors": errors}))
    with pytest.raises(TransientFailure):
        github.pull_requests("R_1")
    assert len(script.asked) <= 6
    forbidden = {"type": "FORBIDDEN", "path": ["node"], "message": "SAML"}
    github, _ = client(lambda _: (200, {"data": {"node": None}, "errors": [forbidden]}))
    assert github.pull_requests("R_1").outcome == "refused"


def test_counts_that_take_too_long_are_not_known() -> None:
    github, script = client(lambda _: (502, b""))
    assert github.commit_counts("R_1", "a" * 40, "b" * 40, []) is None
    assert len(script.asked) == 1


def test_sizes() -> None:
    size = Size(100, 1)
    size.was_too_much(100)
    assert size.value == 50
    size.was_too_much(50)
    # A thread that failed at an old size changes nothing.
    size.was_too_much(100)
    assert size.value == 25
    for _ in range(2):
        size.was_answered(25)
    assert size.value == 50
    for _ in range(2):
        size.was_answered(50)
    assert size.value == 100
    size.was_too_much(100)
    for _ in range(3):
        size.was_answered(50)
    assert size.value == 50
    size.was_answered(50)
    assert size.value == 100
    size.was_too_much(1)
    assert (size.value, size.can_shrink(1), size.can_shrink(2)) == (1, False, True)
    size.was_answered(40)
    assert size.value == 40
