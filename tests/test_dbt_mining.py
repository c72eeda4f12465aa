"""What mining brought, in the warehouse: three nights on both platforms, worked out by hand.

Belongs here: answers, stocks that are carried on, tombstones, names, members, commits, messages,
requests and the estimate of what was missed. Does not belong here: archived events and dumps
(test_dbt_models.py), and how a night is mined.

All dbt invocations happen in module fixtures; the tests only read.
"""

import shutil
from collections.abc import Iterator
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from databases import database
from dbt_support import (
    GITHUB,
    HUB,
    NIGHTLY,
    Dbt,
    HandLake,
    Row,
    intensity_sql,
    project_on,
    selecting,
    spoilt,
)
from scipy.stats import binomtest

from assets.github import api_rows
from assets.huggingface import normalise
from assets.mining.engine import ANSWER_COLUMNS
from assets.mining.spending import REQUEST_COLUMNS

pytestmark = pytest.mark.slow

ARCHIVED = "2025-10-05"
N1, N2, N3 = "2026-03-01", "2026-03-02", "2026-03-03"
ANN, ANN_TOO, UNLINKED, FRIEND = (f"email:{letter * 32}" for letter in "abcd")


def midnight(day: str) -> datetime:
    return datetime.fromisoformat(day)


def answer(kind: str, subject: str, tier: str, outcome: str = "ok", **columns: Any) -> Row:
    return {"kind": kind, "subject": subject, "tier": tier, "outcome": outcome} | columns


def stocks(number: int, name: str, tier: str, outcome: str = "ok", **columns: Any) -> Row:
    context = {"repository_id": str(number), "repository_name": name}
    return answer("stocks", str(number), tier, outcome, **context, **columns)


def asked(kind: str, name: str, tier: str, outcome: str = "ok", **columns: Any) -> Row:
    context = {"repository_type": "model", "repository_name": name}
    return answer(kind, f"model/{name}", tier, outcome, **context, **columns)


def repository(number: int, name: str, **columns: Any) -> Row:
    return {
        "repository_id": number, "repository_name": name, "owner_id": 900, "owner_login": "org",
        "owner_type": "Organization", "created_at": datetime(2014, 5, 1), "is_fork": False,
        "is_archived": False, "is_disabled": False, "is_private": False, "has_issues": True,
        "licence": "MIT", "language": "C", "star_count": 10, "fork_count": 2, "commit_count": 3,
        "issue_count": 2, "pull_request_count": 1,
    } | columns  # fmt: skip


def commit(sha: str, login: str | None, address: str, *co_authors: str) -> Row:
    return {
        "repository_id": 1, "commit_sha": sha, "author_login": login,
        "author_id": 11 if login else None, "author_address_hash": address,
        "committed_at": datetime(2026, 1, 5), "authored_at": datetime(2020, 1, 5),
        "co_authors": [{"name": "No Name", "address_hash": one} for one in co_authors],
    }  # fmt: skip


def issue(title: str, body: str | None, login: str | None = "ann") -> Row:
    return {
        "repository_id": 1, "issue_number": 1, "title": title, "body": body,
        "author_id": 11 if login else None, "author_login": login, "author_type": "User",
        "created_at": datetime(2025, 12, 1),
    }  # fmt: skip


def comment(number: int, created_at: str, is_pull_request: bool | None = None) -> Row:
    return {
        "repository_id": 1, "issue_number": 1, "comment_id": number, "author_id": 12,
        "created_at": datetime.fromisoformat(created_at), "is_pull_request": is_pull_request,
    }  # fmt: skip


def listed(name: str, native_id: str, **columns: Any) -> Row:
    return {
        "repository_id": native_id, "repository_name": name, "owner_name": name.split("/")[0],
        "like_count": 4, "created_at": datetime(2024, 1, 1), "gated": "no",
    } | columns  # fmt: skip


def talk(number: int, is_pull_request: bool, title: str = "q") -> Row:
    return {
        "repository_name": "a/one", "repository_type": "model", "discussion_number": number,
        "discussion_title": title, "is_pull_request": is_pull_request, "author_login": "eve",
        "created_at": datetime(2026, 1, number),
    }  # fmt: skip


def happening(
    event_id: str, minute: int, kind: str = "comment", body: str | None = None, number: int = 1
) -> Row:
    return {
        "repository_name": "a/one", "repository_type": "model", "discussion_number": number,
        "event_id": event_id, "event_type": kind, "author_login": "eve" if minute == 0 else "ann",
        "created_at": datetime(2026, 1, 1, 0, minute), "body": body,
        "is_hidden": body == "[hidden]",
    }  # fmt: skip


def hub_commit(name: str, sha: str, *authors: str) -> Row:
    return {
        "repository_name": name, "repository_type": "model", "commit_id": sha,
        "authors": list(authors), "committed_at": datetime(2026, 1, 1),
    }  # fmt: skip


def probes(number: int) -> list[Row]:
    """A kind of question with a slice: ten are known, four are looked at, one of them moved."""
    if number == 1:
        return [answer("probe", f"p{k}", "new", is_changed=None) for k in range(9)] + [
            answer("probe", "p9", "new", "refused", recheck_on=date(2026, 3, 3))
        ]
    if number == 2:
        return [
            *(answer("probe", f"p{k}", "slice", is_changed=k == 0) for k in range(4)),
            answer("probe", "p4", "top", is_changed=True),
        ]
    return [answer("probe", "p9", "recheck", is_changed=True)]


def request(calls: int, remaining: int, statuses: str) -> Row:
    return {
        "kind": "github.rest", "account": "ab12", "hour": datetime(2026, 3, 3, 4),
        "call_count": calls, "not_modified_count": 1, "retry_count": 0, "refused_count": 0,
        "failed_count": 0, "received_bytes": 10, "waited_seconds": 0.5, "limit_count": 5000,
        "remaining_count": remaining, "statuses": statuses,
    }  # fmt: skip


def member(login: str, number: int) -> Row:
    return {
        "organisation_id": 900, "organisation_login": "org", "member_id": number,
        "member_login": login, "member_type": "User", "is_public": True,
    }  # fmt: skip


def write_github(lake: HandLake) -> None:
    recheck = date(2026, 4, 2)
    nights: dict[str, dict[str, list[Row]]] = {
        N1: {
            "answers": [
                stocks(1, "org/one", "new"),
                stocks(2, "org/two", "new"),
                stocks(3, "x/three", "new", "absent", reason="404", recheck_on=recheck),
                stocks(4, "y/four", "new", "dmca", reason="451", recheck_on=recheck),
                stocks(5, "never/seen", "new", "absent", recheck_on=recheck),
                answer("organisation_members", "900", "new"),
                *probes(1),
            ],
            "repositories": [
                repository(1, "org/one"),
                repository(
                    2, "org/two", has_issues=False, issue_count=0, is_fork=True,
                    parent_repository_id=77, is_archived=True,
                ),
            ],
            "commits": [
                commit("c1", "ann", ANN),
                commit("c2", None, UNLINKED, ANN, FRIEND, UNLINKED),
                commit("c3", "ann", ANN, ANN_TOO),
            ],
            "issues": [issue("T", "old text")],
            "pull_requests": [
                {
                    "repository_id": 1, "pull_request_number": 2, "title": "P", "author_id": 15,
                    "author_login": "ci[bot]", "author_type": "Bot", "body": "b",
                    "created_at": datetime(2025, 12, 2),
                }
            ],
            "issue_comments": [
                comment(5, "2025-12-03 10:00:00"),
                comment(6, "2025-12-03 11:00:00"),
                comment(7, "2025-12-03 12:00:00", is_pull_request=True),
            ],
            "organisation_members": [member("ann", 11), member("bob", 12)],
        },
        N2: {
            "answers": [
                stocks(1, "org/one", "changed", "renamed", name_now="org/uno", is_changed=True),
                stocks(2, "org/two", "slice", is_changed=False),
                answer("organisation_members", "900", "slice", "truncated"),
                *probes(2),
            ],
            "repositories": [
                repository(1, "org/uno", star_count=11, commit_count=4),
                repository(2, "org/two", has_issues=False, issue_count=0, is_archived=True),
            ],
            "commits": [commit("c4", "ann", ANN_TOO), commit("c1", "ann", ANN)],
            "issues": [issue("T2", None, None)],
            "issue_comments": [comment(5, "2025-12-03 10:00:00")],
            "organisation_members": [member("ann", 11)],
        },
        N3: {
            "answers": [
                stocks(2, "org/two", "top", "absent", reason="404", recheck_on=recheck),
                stocks(3, "x/three", "recheck", is_changed=True),
                answer("organisation_members", "900", "always"),
                *probes(3),
            ],
            "repositories": [repository(3, "x/three", owner_type="User", star_count=1)],
            "organisation_members": [member("ann", 11)],
        },
    }  # fmt: skip
    for day, tables in nights.items():
        for table, rows in tables.items():
            dated = [{"observed_at": midnight(day), **row} for row in rows]
            lake.listing(table, day, dated, "github", "night-001")
    # A second landing of the day.
    for name, row in (
        ("night-001", request(7, 90, '{"200": 7}')), ("night-002", request(3, 80, '{"304": 3}')),
    ):  # fmt: skip
        lake.listing("requests", N3, [row], "github", name)
    late = stocks(1, "org/uno", "changed", "truncated", is_changed=True) | {"kind": "issues"}
    lake.listing("answers", N3, [{"observed_at": midnight(N3), **late}], "github", "night-002")


def write_hub(lake: HandLake) -> None:
    nights: dict[str, dict[str, list[Row]]] = {
        N1: {
            "models": [
                listed("a/one", "m1"), listed("a/two", "m2"), listed("a/silent", "m3"),
            ],
            "datasets": [listed("d/set", "d1", repository_type="dataset")],
            "spaces": [listed("s/app", "s1", repository_type="space", gated=None)],
            "commits": [
                hub_commit("a/one", "x0", "system"), hub_commit("a/one", "x1", "ann"),
                hub_commit("a/one", "x2", "bob", "ann"), hub_commit("a/two", "y0", "system"),
                # Rewritten away while the list was read: what the answer counts, counts.
                hub_commit("a/two", "y9", "zoe"),
            ],
            "discussions": [talk(1, False), talk(2, True)],
            "discussion_events": [
                happening("e1", 0, body="how?"), happening("e2", 1, body="so"),
                happening("e3", 2, "status-change"), happening("f1", 0, body="a fix", number=2),
                happening("f2", 1, body="thanks", number=2),
            ],
            "accounts": [
                {"account_login": "a", "account_type": "organisation", "member_count": 3},
                {"account_login": "ann", "account_type": "user"},
            ],
            "organisation_members": [{"organisation_login": "a", "member_login": "ann"}],
            "likers": [
                {"repository_type": "model", "repository_name": "a/one", "actor_login": "bob"}
            ],
            "answers": [
                asked("commits", "a/one", "new", item_count=3),
                asked("commits", "a/two", "new", item_count=1),
                asked("commits", "a/silent", "new", "refused", recheck_on=date(2026, 4, 1)),
                asked("discussions", "a/one", "new", item_count=2),
                asked("discussions", "a/two", "new", item_count=0),
                asked("discussions", "a/silent", "new", "gone", recheck_on=date(2026, 4, 1)),
                answer("organisation_members", "a", "new"),
            ],
        },
        N2: {
            "models": [listed("a/eins", "m1", like_count=5), listed("a/two", "m2")],
            # Read under its new name: the same acts once more, and one that is new.
            "commits": [
                hub_commit("a/eins", "x0", "system"), hub_commit("a/eins", "x1", "ann"),
                hub_commit("a/eins", "x2", "bob", "ann"), hub_commit("a/eins", "x3", "ann"),
            ],
            "discussion_events": [happening("e1", 0, body="[hidden]"), happening("e2", 1)],
            "answers": [
                asked("presence", "a/one", "new", "renamed", name_now="a/eins"),
                asked("presence", "a/silent", "new", "absent", recheck_on=date(2026, 4, 1)),
                asked("commits", "a/eins", "new", item_count=4),
                asked("discussions", "a/two", "changed", "truncated", item_count=9),
                answer("organisation_members", "a", "slice", "hidden"),
            ],
        },
        N3: {
            "models": [listed("a/eins", "m1"), listed("a/two", "m2"), listed("a/silent", "m3")],
            "answers": [
                asked("commits", "a/two", "top", "refused", is_changed=True),
                asked("discussions", "a/eins", "top", "gone", is_changed=True),
            ],
        },
    }  # fmt: skip
    for day, tables in nights.items():
        for table, rows in tables.items():
            dated = [{"observed_at": midnight(day), **row} for row in rows]
            lake.listing(table, day, dated, name="night-001")


def write_lake(root: Path) -> HandLake:
    lake = HandLake(root)
    lake.anchors()
    actor = {"event_type": "PushEvent", "era": "E3", "actor_id": 11, "actor_login": "ann"}
    at = datetime.fromisoformat(f"{ARCHIVED} 10:00:00")
    names = {1: "org/one", 2: "org/two", 3: "x/three", 4: "y/four"}
    pushes = [
        {
            **actor, "event_id": str(number), "created_at": at, "push_id": number,
            "repository_id": number, "repository_name": name, "organisation_id": 900,
            "organisation_login": "org-before",
        }
        for number, name in names.items()
    ]  # fmt: skip
    # What a pull request of the old shape said of its repository.
    told = {
        "event_type": "PullRequestEvent", "era": "E2", "action": "opened",
        "repository_star_count": 8, "repository_licence": "apache",
    }  # fmt: skip
    pulls = [{**pushes[k], **told, "thread_id": k, "event_id": f"9{k}"} for k in (0, 3)]
    # On a day on which the API was asked as well.
    same_day = {
        **pushes[1], **told, "thread_id": 9, "event_id": "99", "repository_star_count": 99,
        "created_at": datetime.fromisoformat(f"{N1} 12:00:00"),
    }  # fmt: skip
    lake.hours(ARCHIVED, {10: [*pushes, *pulls, same_day]})
    write_github(lake)
    write_hub(lake)
    return lake


@pytest.fixture(scope="module")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dbt]:
    with project_on(tmp_path_factory.mktemp("mining"), write_lake) as project:
        yield project


@pytest.fixture(scope="module")
def full(dbt: Dbt) -> Dbt:
    """Everything at once, with every test of the project."""
    dbt.run("full", "build", "--exclude-resource-type", "unit_test")
    return dbt


def test_columns_are_those_that_are_landed() -> None:
    assert GITHUB == api_rows.COLUMNS
    assert {table: normalise.SCHEMAS[table] for table in HUB} == HUB
    assert NIGHTLY == {"answers": ANSWER_COLUMNS, "requests": REQUEST_COLUMNS}


def test_what_the_api_says_of_a_repository_wins(full: Dbt) -> None:
    rows = full.rows(
        "full",
        """
        select
            native_id, repository_name, owner_type, cast(created_at as varchar), created_at_basis,
            is_fork, forked_from_repository_key, licence, language, is_archived
        from core.dim_repository where platform = 'github' order by native_id
        """,
    )
    made = "2014-05-01 00:00:00"
    event = f"{ARCHIVED} 10:00:00"
    assert rows == [
        ("1", "org/uno", "organisation", made, "api", False, None, "MIT", "C", False),
        ("2", "org/two", "organisation", made, "api", False, None, "MIT", "C", True),
        ("3", "x/three", "user", made, "api", False, None, "MIT", "C", False),
        # Never described: what the event said.
        ("4", "y/four", None, event, "first_seen", None, None, "apache", None, None),
        # Asked about, and seen nowhere.
        ("5", "never/seen", None, f"{N1} 00:00:00", "first_seen", *[None] * 5),
    ]  # fmt: skip


def test_tombstones_come_and_go(full: Dbt) -> None:
    rows = full.rows(
        "full",
        "select repository_key, tombstone_reason, cast(tombstoned_on as varchar) "
        "from core.dim_repository where tombstone_reason is not null order by all",
    )
    # x/three and a/silent were absent and are there again.
    assert rows == [
        ("github:repository:2", "deleted_or_private", N3),
        ("github:repository:4", "dmca", N1),
        ("github:repository:5", "deleted_or_private", N1),
    ]
    outcomes = full.rows(
        "full",
        "select repository_key, kind, outcome, cast(observed_on as varchar), name_now "
        "from core.fct_repository_outcome order by observed_on, repository_key, kind",
    )
    assert outcomes == [
        ("github:repository:3", "stocks", "absent", N1, None),
        ("github:repository:4", "stocks", "dmca", N1, None),
        ("github:repository:5", "stocks", "absent", N1, None),
        ("huggingface:model:m3", "commits", "refused", N1, None),
        ("huggingface:model:m3", "discussions", "gone", N1, None),
        ("github:repository:1", "stocks", "renamed", N2, "org/uno"),
        ("huggingface:model:m1", "presence", "renamed", N2, "a/eins"),
        ("huggingface:model:m3", "presence", "absent", N2, None),
        ("github:repository:2", "stocks", "absent", N3, None),
        ("huggingface:model:m1", "discussions", "gone", N3, None),
        ("huggingface:model:m2", "commits", "refused", N3, None),
    ]


def test_a_new_name_is_a_new_spell_and_no_tombstone(full: Dbt) -> None:
    rows = full.rows(
        "full",
        "select repository_name, cast(cast(valid_from as date) as varchar), valid_to is null "
        "from core.repository_name_history where repository_key in "
        "('github:repository:1', 'huggingface:model:m1') order by repository_key, spell_number",
    )
    assert rows == [
        ("org/one", ARCHIVED, False),
        ("org/uno", N2, True),
        ("a/one", N1, False),
        ("a/eins", N2, True),
    ]


def test_stocks_hold_until_the_next_answer(full: Dbt) -> None:
    rows = full.rows(
        "full",
        """
        select
            repository_key, cast(observed_on as varchar), star_stock_count, commit_stock_count,
            discussion_stock_count, pull_request_stock_count, observed_by,
            cast(commits_asked_on as varchar)
        from core.fct_repository_observed
        where repository_key not like '%:model:m3' and repository_key not similar to '.*:[ds]1'
        order by repository_key, observed_on
        """,
    )
    assert rows == [
        ("github:repository:1", ARCHIVED, 8, None, None, None, "event", None),
        ("github:repository:1", N1, 10, 3, 2, 1, "api", N1),
        ("github:repository:1", N2, 11, 4, 2, 1, "api", N2),
        # Issues are switched off: unknown, not zero.
        ("github:repository:2", N1, 10, 3, None, 1, "api", N1),
        ("github:repository:2", N2, 10, 3, None, 1, "api", N2),
        ("github:repository:3", N3, 1, 3, 2, 1, "api", N3),
        ("github:repository:4", ARCHIVED, 8, None, None, None, "event", None),
        # The platform's own commit is none. Discussions are switched off on the third night.
        ("huggingface:model:m1", N1, 4, 2, 1, 1, "listing", N1),
        ("huggingface:model:m1", N2, 5, 3, 1, 1, "listing", N2),
        ("huggingface:model:m1", N3, 4, 3, None, None, "listing", N2),
        # Zero is carried on; what was cut off or refused is unknown.
        ("huggingface:model:m2", N1, 4, 0, 0, 0, "listing", N1),
        ("huggingface:model:m2", N2, 4, 0, None, None, "listing", N1),
        ("huggingface:model:m2", N3, 4, None, None, None, "listing", N3),
    ]
    silent = full.rows(
        "full",
        "select cast(observed_on as varchar), commit_stock_count, discussion_stock_count "
        "from core.fct_repository_observed where repository_key = 'huggingface:model:m3' "
        "order by all",
    )
    # On the second night it was not there.
    assert silent == [(N1, None, None), (N3, None, None)]


def test_marts_take_stocks_of_the_api(full: Dbt) -> None:
    rows = full.rows(
        "full",
        "select native_id, commit_stock_count, discussion_stock_count, star_stock_count, "
        "cast(stock_observed_on as varchar), push_flow_count, commit_flow_count "
        "from marts.mart_repository_activity order by repository_key",
    )
    assert rows == [
        ("1", 4, 2, 11, N2, 1, None),
        ("2", 3, None, 10, N2, 1, None),
        ("3", 3, 2, 1, N3, 1, None),
        ("4", None, None, 8, ARCHIVED, 1, None),
        ("5", None, None, None, None, None, None),
        ("d1", None, None, 4, N1, None, None),
        # Answered with a number under the old name, and not any more under the new one.
        ("m1", 3, None, 4, N3, None, None),
        ("m2", None, None, 4, N3, None, None),
        ("m3", None, None, 4, N3, None, None),
        ("s1", None, None, 4, N1, None, None),
    ]
    # Datasets and spaces are no part of the study's summary.
    summary = full.rows(
        "full",
        "select platform, feature, repository_count, unknown_count, total_value "
        f"from ({intensity_sql()}) where basis = 'stock' order by all",
    )
    assert summary == [
        ("github", "commits", 3, 2, 10),
        ("github", "discussions", 2, 3, 4),
        ("github", "stars", 4, 1, 30),
        ("huggingface", "commits", 1, 2, 3),
        ("huggingface", "discussions", 0, 3, None),
        ("huggingface", "stars", 3, 0, 12),
    ]


def test_all_authors_of_a_commit_act_once(full: Dbt) -> None:
    rows = full.rows(
        "full",
        "select event_id, actor_key, cast(file_on as varchar), cast(occurred_on as varchar) "
        "from core.fct_interaction where source = 'github_api' order by all",
    )
    ann = "github:actor:11"
    assert rows == [
        ("c1", ann, N1, "2026-01-05"),
        # Its author is linked with no account; of its co-authors one is, by another commit.
        ("c2", ann, N1, "2026-01-05"),
        ("c2", f"github:actor:{UNLINKED}", N1, "2026-01-05"),
        ("c2", f"github:actor:{FRIEND}", N1, "2026-01-05"),
        # Her second address is known from a later night's commit.
        ("c3", ann, N1, "2026-01-05"),
        ("c4", ann, N2, "2026-01-05"),
    ]  # fmt: skip
    # A push stands for its commits: neither is counted as the other.
    assert full.rows("full", "select sum(interaction_count) from core.fct_repository_daily") == [
        (7,)
    ]


def test_what_the_api_lists_are_acts_of_networks(full: Dbt) -> None:
    rows = full.rows(
        "full",
        "select actor_key, interaction_type, cast(occurred_on as varchar),"
        " cast(first_at as time)::varchar, cast(last_at as time)::varchar, act_count"
        " from core.fct_actor_repository_daily where source = 'github_api' order by all",
    )
    committed = ("commit", "2026-01-05", "00:00:00", "00:00:00")
    assert rows == [
        ("github:actor:11", *committed, 4),
        # Listed on two nights, and one more; that on a pull request is none.
        ("github:actor:12", "discussion", "2025-12-03", "10:00:00", "11:00:00", 2),
        *((f"github:actor:{address}", *committed, 1) for address in sorted([UNLINKED, FRIEND])),
    ]


def test_hub_acts_are_kept_over_a_rename(full: Dbt) -> None:
    rows = full.rows(
        "full",
        "select kind, event_id, actor_key, thread_kind, cast(file_on as varchar) "
        "from core.fct_interaction where platform = 'huggingface' order by all",
    )
    ann, bob, eve = (f"huggingface:actor:{login}" for login in ("ann", "bob", "eve"))
    assert rows == [
        ("commit", "x1", ann, None, N1),
        ("commit", "x2", ann, None, N1),
        ("commit", "x2", bob, None, N1),
        ("commit", "x3", ann, None, N2),
        ("commit", "y9", "huggingface:actor:zoe", None, N1),
        ("discussion", "1", eve, "discussion", N1),
        # A discussion's first comment is what it was opened with.
        ("discussion_comment", "1:e2", ann, "discussion", N1),
        ("discussion_comment", "2:f2", ann, "pull_request", N1),
        ("pull_request", "2", eve, "pull_request", N1),
    ]


def test_members_are_known_for_the_days_on_which_a_list_was_shown(full: Dbt) -> None:
    rows = full.rows(
        "full",
        "select actor_key, organisation_key, source, grade, cast(first_seen_on as varchar), "
        "cast(last_seen_on as varchar), cast(ended_on as varchar), list_visibility "
        "from core.bridge_actor_organisation order by all",
    )
    org = "github:organisation:900"
    assert rows == [
        ("github:actor:11", org, "public_members", 1, N1, N3, None, "visible"),
        # The second night's list was cut off: only the third's shows that bob is gone.
        ("github:actor:12", org, "public_members", 1, N1, N1, N3, "visible"),
        ("huggingface:actor:ann", "huggingface:organisation:a", "hub_members", 1, N1, N1, None,
         "hidden"),
    ]  # fmt: skip
    organisations = full.rows(
        "full",
        "select organisation_key, login, member_count, member_list_visibility, "
        "cast(member_list_asked_on as varchar) from core.dim_organisation order by all",
    )
    assert organisations == [
        (org, "org", None, "visible", N3),
        ("huggingface:organisation:a", "a", 3, "hidden", N2),
    ]


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def test_opening_posts_are_as_newest_listed(full: Dbt) -> None:
    rows = full.rows(
        "full",
        "select message_key, kind, actor_key, cast(created_on as varchar), "
        "title_character_count, body_character_count, title_hash, text_hash "
        "from core.fct_message order by all",
    )
    eve = "huggingface:actor:eve"
    assert rows == [
        # Its account was deleted and its text taken back.
        ("github:repository:1:1", "issue", None, "2025-12-01", 2, 0, digest("T2"), None),
        ("github:repository:1:2", "pull_request", "github:actor:15", "2025-12-02", 1, 1,
         digest("P"), digest("b")),
        # Hidden since: the hub's notice in its place is no text.
        ("huggingface:model:m1:1", "discussion", eve, "2026-01-01", 1, None, digest("q"), None),
        ("huggingface:model:m1:2", "pull_request", eve, "2026-01-02", 1, 5, digest("q"),
         digest("a fix")),
    ]  # fmt: skip
    bots = full.rows("full", "select login from core.dim_actor where actor_class = 'bot'")
    assert bots == [("ci[bot]",)]


def test_requests_of_several_landings_add_up(full: Dbt) -> None:
    rows = full.rows(
        "full",
        "select platform, call_count, not_modified_count, remaining_count, status_counts "
        "from core.api_request",
    )
    assert rows == [("github", 10, 2, 80, '{"200": 7} {"304": 3}')]


ESTIMATE = """
    select
        cast(observed_on as varchar), population_count, asked_count, asked_new_count,
        asked_slice_count, asked_top_count, asked_recheck_count, waiting_count, unasked_count,
        slice_count, slice_changed_count, estimated_missed_count, estimated_missed_low_count,
        estimated_missed_high_count, basis
    from marts.mart_polling_estimate where platform = 'github' and kind = $kind
    order by observed_on
"""


def test_the_slice_says_how_much_was_missed(full: Dbt) -> None:
    with database(full.warehouse("full"), read_only=True) as db:
        rows = db.execute(ESTIMATE, {"kind": "probe"}).fetchall()
        shares = db.execute(
            "select slice_changed_share, slice_changed_low_share, slice_changed_high_share "
            f"from marts.mart_polling_estimate where kind = 'probe' and observed_on = '{N2}'"
        ).fetchall()[0]
    assert rows == [
        (N1, 10, 10, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, "all_asked"),
        # One refuses until later. Of four that nobody asked, a quarter moved; 0.05 to 0.70 of them.
        (N2, 10, 5, 0, 4, 1, 0, 1, 4, 4, 1, 1, 0, 3, "slice"),
        (N3, 10, 1, 0, 0, 0, 1, 0, 9, 0, 0, None, None, None, "no_slice"),
    ]
    wilson = binomtest(1, 4).proportion_ci(method="wilson")
    assert shares == pytest.approx((0.25, wilson.low, wilson.high), abs=1e-5)


def test_new_repositories_are_no_sample(full: Dbt) -> None:
    with database(full.warehouse("full"), read_only=True) as db:
        rows = db.execute(ESTIMATE, {"kind": "stocks"}).fetchall()
    assert [row[:9] for row in rows] == [
        (N1, 5, 5, 5, 0, 0, 0, 0, 0),
        (N2, 5, 2, 0, 1, 0, 0, 3, 0),
        # One that is left alone was looked at early; two are not, one was simply not asked.
        (N3, 5, 2, 0, 0, 1, 1, 2, 1),
    ]


COMPARED = [
    "intermediate.int_questions__answered",
    "intermediate.int_github_stocks__observed",
    "intermediate.int_github_commits__deduplicated",
    "intermediate.int_messages__deduplicated",
    "intermediate.int_huggingface_repositories__observed",
    "intermediate.int_huggingface_models__latest",
    "intermediate.int_huggingface_interactions__deduplicated",
    "core.dim_repository",
    "intermediate.int_github_associations__observed",
    "intermediate.int_github_names__committed",
    "intermediate.int_huggingface_actors__behaved",
    "intermediate.int_actors__described",
    "intermediate.int_actors__classified",
    "core.dim_actor",
    "core.dim_organisation",
    "core.bridge_actor_organisation",
    "core.repository_name_history",
    "core.fct_interaction",
    "core.fct_message",
    "core.fct_actor_repository_daily",
    "core.fct_repository_observed",
    "core.fct_repository_outcome",
    "core.api_request",
    "marts.mart_repository_activity",
    "marts.mart_polling_estimate",
]


@pytest.fixture(scope="module")
def by_nights(full: Dbt) -> Dbt:
    """The same nights, one at a time, out of order and one of them twice.

    What has no state is made anew in each run: in the second and the third only what a model with
    a state reads, in the last only what is compared.
    """
    full.run("nights", "run", "--select", "tag:by_day", days=ARCHIVED)
    full.run("nights", "seed")
    full.run("nights", "run", "--select", "tag:snapshot", days=N3)
    for night in (N1, N2):
        stateful = "tag:snapshot,+config.materialized:incremental"
        full.run("nights", "run", "--select", stateful, days=night)
    full.run("nights", "run", *selecting("tag:snapshot,+<name>", COMPARED), days=N2)
    return full


@pytest.mark.parametrize("table", COMPARED)
def test_nights_in_any_order_and_twice_equal_all_at_once(by_nights: Dbt, table: str) -> None:
    one, other = (
        by_nights.rows(name, f"select * from {table} order by all") for name in ("full", "nights")
    )
    assert one
    assert one == other


def test_tests_of_the_project_are_red_on_a_spoilt_warehouse(full: Dbt) -> None:
    shutil.copy(full.warehouse("full"), full.warehouse("spoilt"))
    spoilers = {
        "update intermediate.int_questions__answered set outcome = 'perhaps', tier = 'some'": {
            "int_questions__answered__columns_hold: outcome",
            "int_questions__answered__columns_hold: tier",
        },
        "insert into intermediate.int_questions__answered "
        "select * from intermediate.int_questions__answered where subject = '3'": {
            "int_questions__answered__grain_unique",
            "fct_repository_outcome__grain_unique",
        },
        "update intermediate.int_github_commits__deduplicated set author_role = 'muse', "
        "occurred_at = null": {
            "int_github_commits__deduplicated__columns_hold: author_role",
            "int_github_commits__deduplicated__columns_hold: occurred_at",
        },
        "update intermediate.int_messages__deduplicated set kind = 'rumour', created_at = null": {
            "fct_message__columns_hold: kind",
            "fct_message__columns_hold: created_at",
        },
        "update intermediate.int_github_addresses__identified set address_hash = null": {
            "int_github_addresses__identified__grain_unique"
        },
        "update core.dim_organisation set organisation_key = 'x', member_list_visibility = 'y'": {
            "dim_organisation__grain_unique",
            "dim_organisation__columns_hold: member_list_visibility",
            "bridge_actor_organisation__organisation_key__relationships",
        },
        "update core.bridge_actor_organisation set source = 'hearsay', actor_key = 'z', "
        "ended_on = first_seen_on": {
            "bridge_actor_organisation__columns_hold: source",
            "bridge_actor_organisation__actor_key__relationships",
            "bridge_actor_organisation__in_order",
        },
        "update core.dim_repository set tombstone_reason = 'renamed', repository_key = 'r'": {
            "dim_repository__columns_hold: tombstone_reason",
            "dim_repository__grain_unique",
            "fct_message__repository_key__relationships",
            "fct_repository_outcome__repository_key__relationships",
        },
        "update marts.mart_polling_estimate set asked_new_count = asked_new_count + 1, "
        "unasked_count = -1, slice_changed_low_share = 2, basis = 'guess', platform = 'git'": {
            "mart_polling_estimate__tiers_add_up",
            "mart_polling_estimate__population_adds_up",
            "mart_polling_estimate__columns_hold: slice_changed_low_share",
            "mart_polling_estimate__columns_hold: basis",
            "mart_polling_estimate__columns_hold: platform",
        },
    }  # fmt: skip
    with database(full.warehouse("spoilt")) as db:
        for statement in spoilers:
            db.execute(statement)
    red = full.outcomes("spoilt", "test", *spoilt(spoilers))
    assert set().union(*spoilers.values()) - set(red) == set()
    assert not [message for message in red.values() if not message.startswith("fail")], red


@pytest.fixture(scope="module")
def empty(full: Dbt) -> Dbt:
    """Nothing was ever mined: only anchors."""
    shutil.rmtree(full.lake.root)
    full.lake.anchors()
    full.run("empty", "build", "--exclude-resource-type", "unit_test")
    return full


def test_a_lake_of_anchors_is_built_and_holds_nothing(empty: Dbt) -> None:
    for table in COMPARED:
        assert empty.rows("empty", f"select count(*) from {table}") == [(0,)], table
