"""The dbt project on a small lake written by hand: values, order independence, replaced days.

Belongs here: building the real project with dbt and comparing what it makes with values worked out
by hand. Does not belong here: naming and documentation rules (test_dbt_grammar.py), and how raw
files are landed (the lake's own tests).

dbt takes seconds to start, so that all invocations happen in module fixtures, in one process, on
one parsed manifest; the tests only read.
"""

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from databases import database
from dbt_support import (
    EVENTS,
    Dbt,
    HandLake,
    Row,
    intensity_sql,
    project_on,
    selecting,
    spoilt,
    write_parquet,
)

pytestmark = pytest.mark.slow

D1, D2, D3, D4 = "2025-10-05", "2025-10-06", "2025-10-07", "2025-10-08"
H1, H2 = "2025-10-08", "2025-10-09"


def event(number: int, kind: str, at: str, **columns: Any) -> Row:
    """One event on repository 1 by actor 11 (ann), unless said otherwise."""
    return {
        "event_id": str(number), "event_type": kind, "created_at": datetime.fromisoformat(at),
        "era": "E2", "is_public": True, "actor_id": 11, "actor_login": "ann",
        "repository_id": 1, "repository_name": "org/old",
    } | columns  # fmt: skip


PUSH_AT_MIDNIGHT = event(
    104, "PushEvent", f"{D1} 23:59:59", push_id=504, push_size=7, actor_id=12, actor_login="ci[bot]"
)
FACTS = {
    "thread_kind": "pull_request", "repository_created_at": datetime(2015, 6, 1),
    "repository_language": "C", "repository_licence": "mit", "repository_is_fork": False,
    "thread_author_id": 13, "thread_author_login": "pia", "thread_author_type": "User",
}  # fmt: skip


def first_day() -> dict[int, list[Row]]:
    push = event(101, "PushEvent", f"{D1} 00:10:00", push_id=501, push_size=3)
    issue = {"thread_kind": "issue", "thread_id": 61, "thread_number": 1}
    return {
        0: [
            push,
            event(102, "IssuesEvent", f"{D1} 00:11:00", action="opened", **issue),
            event(
                103, "IssueCommentEvent", f"{D1} 00:12:00", action="created", comment_id=71,
                comment_author_type="User", **issue,
            ),
            event(101, "WatchEvent", f"{D1} 00:13:00", action="started"),
        ],
        1: [
            push,
            event(
                105, "PullRequestEvent", f"{D1} 01:00:00", action="opened", thread_id=81,
                thread_number=2, repository_star_count=40, is_merged=False, **FACTS,
            ),
            event(
                106, "PullRequestEvent", f"{D1} 01:30:00", action="closed", thread_id=81,
                thread_number=2, repository_star_count=41, is_merged=True, **FACTS,
            ),
            event(
                107, "IssueCommentEvent", f"{D1} 01:40:00", action="created", comment_id=72,
                thread_kind="pull_request", thread_id=81, thread_number=2,
            ),
            PUSH_AT_MIDNIGHT,
        ],
    }  # fmt: skip


def second_day() -> dict[int, list[Row]]:
    return {
        0: [
            PUSH_AT_MIDNIGHT,
            event(
                201, "PushEvent", f"{D2} 00:10:00", push_id=601, push_size=2,
                repository_name="org/new",
            ),
            # Three days late, and seen nowhere before.
            event(202, "WatchEvent", "2025-10-03 12:00:00", actor_id=14, actor_login="late"),
            event(
                203, "ForkEvent", f"{D2} 00:20:00", forkee_id=2, forkee_name="ann/new",
                repository_name="org/new", forkee_created_at=datetime(2025, 10, 6, 0, 20),
            ),
        ]
    }  # fmt: skip


def third_day() -> dict[int, list[Row]]:
    new = {"era": "E3", "repository_name": "org/new"}
    return {
        5: [
            # A push of the first day once more, two file days later: too far apart to be compared
            # with, it stays.
            event(9, "PushEvent", f"{D1} 00:10:00", push_id=501, era="E3"),
            # The push of the second day, under another id and in the new shape: dropped.
            event(909, "PushEvent", f"{D2} 00:10:00", push_id=601, **new),
            event(301, "PullRequestEvent", f"{D3} 05:00:00", action="merged", thread_id=82, **new),
            event(302, "PullRequestEvent", f"{D3} 05:01:00", action="closed", thread_id=83, **new),
            event(
                303, "PushEvent", f"{D3} 05:02:00", push_id=701, era="E3", repository_id=2,
                repository_name="ann/new",
            ),
            event(
                304, "PushEvent", f"{D3} 05:03:00", push_id=702, push_size=99, era="unknown",
                repository_id=2, repository_name="ann/new",
            ),
        ]
    }  # fmt: skip


def model(name: str, day: str, **columns: Any) -> Row:
    return {
        "repository_type": "model", "repository_name": name, "owner_name": name.split("/")[0],
        "observed_at": datetime.fromisoformat(f"{day} 01:00:00"), "gated": "no",
    } | columns  # fmt: skip


def commit(name: str, day: str, sha: str, *authors: str) -> Row:
    return {
        "repository_name": name, "repository_type": "model", "commit_id": sha,
        "authors": list(authors), "committed_at": datetime(2024, 1, 1), "title": "t",
        "observed_at": datetime.fromisoformat(f"{day} 01:30:00"),
    }  # fmt: skip


def talk(name: str, day: str, number: int, author: str, is_pull_request: bool) -> Row:
    return {
        "repository_name": name, "repository_type": "model", "discussion_number": number,
        "author_login": author, "is_pull_request": is_pull_request, "status": "open",
        "created_at": datetime(2024, 2, number), "comment_count": 1,
        "observed_at": datetime.fromisoformat(f"{day} 01:40:00"),
    }  # fmt: skip


PARENTS = [("lab/quiet", "finetune"), ("gone/parent", None), ("lab/one", "merge"),
           ("Lab/One", "merge")]  # fmt: skip


def write_hub(lake: HandLake) -> None:
    floor = datetime(2022, 3, 2, 23, 29, 4)
    lake.listing(
        "models", H1,
        [
            # This dump lacks ids; the next day's listing gives it.
            model("Lab/One", H1, like_count=5, download_30d_count=100, created_at=floor),
            model("lab/one", H1, repository_id="b2", like_count=0, created_at=datetime(2023, 1, 1),
                  base_models=[{"name": name, "relation": told} for name, told in PARENTS]),
            model("lab/quiet", H1, repository_id="b3", like_count=1),
        ],
    )  # fmt: skip
    lake.listing(
        "models", H2,
        [
            model("Lab/One", H2, repository_id="b1", like_count=6, download_30d_count=90,
                  created_at=floor),
            model("lab/renamed", H2, repository_id="b3", like_count=2, gated="manual",
                  removed_at=datetime(2025, 10, 9)),
        ],
    )  # fmt: skip
    shared = [("c1", "system"), ("c2", "ann", "bob"), ("c3", "ann")]
    lake.listing(
        "commits", H1,
        [commit("Lab/One", H1, *line) for line in shared]
        + [commit("lab/one", H1, "d1", "system")],
    )  # fmt: skip
    lake.listing("commits", H2, [commit("Lab/One", H2, *line) for line in [*shared, ("c4", "bob")]])
    lake.listing(
        "discussions",
        H1,
        [talk("Lab/One", H1, 1, "eve", False), talk("Lab/One", H1, 2, "bob", True)],
    )
    lake.listing("discussions", H2, [talk("Lab/One", H2, 1, "eve", False)])


def write_lake(root: Path) -> HandLake:
    lake = HandLake(root)
    lake.anchors()
    lake.hours(
        D1, first_day(),
        [{"name": f"{D1}-2", "hour": 2, "state": "missing", "reason": "404", "file": None}],
    )  # fmt: skip
    lake.hours(D2, second_day())
    lake.hours(D3, third_day())
    # Left behind by a killed run: in the folder, in no manifest.
    write_parquet(
        lake.folder("gharchive", "events", D2) / "leftover.ffffffffffff.parquet",
        EVENTS,
        [event(666, "WatchEvent", f"{D2} 06:00:00", actor_id=66, actor_login="leftover")],
    )
    write_hub(lake)
    return lake


BY_DAY = ("--select", "tag:by_day")


@pytest.fixture(scope="module")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dbt]:
    with project_on(tmp_path_factory.mktemp("dbt"), write_lake) as project:
        yield project


@pytest.fixture(scope="module")
def full(dbt: Dbt) -> Dbt:
    """Everything at once, with every test of the project."""
    dbt.run("full", "build")
    return dbt


@pytest.fixture(scope="module")
def by_days(full: Dbt) -> Dbt:
    """The same lake, days out of order and one of them twice."""
    for day in (D3, D1, D2, D2):
        full.run("days", "run", *BY_DAY, days=day)
    full.run("days", "seed")
    full.run("days", "run", "--select", "tag:snapshot", days=H2)
    # What has no state is made anew in each run.
    full.run("days", "run", *selecting("tag:snapshot,+<name>", COMPARED), days=H1)
    return full


COMPARED = [
    "intermediate.int_github_events__deduplicated",
    "intermediate.int_github_repositories__observed",
    "intermediate.int_github_actors__observed",
    "intermediate.int_github_actors__behaved",
    "intermediate.int_huggingface_actors__behaved",
    "intermediate.int_actors__described",
    "intermediate.int_actors__classified",
    "intermediate.int_huggingface_repositories__observed",
    "intermediate.int_huggingface_models__latest",
    "intermediate.int_huggingface_interactions__deduplicated",
    "core.source_hour",
    "core.source_coverage_daily",
    "core.fct_interaction",
    "intermediate.int_github_acts__summed",
    "core.fct_actor_repository_daily",
    "core.fct_model_lineage",
    "core.fct_repository_daily",
    "core.fct_repository_observed",
    "core.dim_repository",
    "core.dim_actor",
    "core.repository_name_history",
    "marts.mart_repository_activity",
    "marts.mart_coverage",
]


def assert_same(dbt: Dbt, one: str, other: str, tables: list[str]) -> None:
    for table in tables:
        left = dbt.rows(one, f"select * from {table} order by all")
        right = dbt.rows(other, f"select * from {table} order by all")
        assert left, f"{table} is empty and compares nothing"
        assert left == right, table


def test_acts_of_a_day_are_summed_by_actor_and_repository(full: Dbt) -> None:
    """Pushes, issues opened and comments on issues; of the Hub commits and discussions."""
    rows = full.rows(
        "full",
        """
        select platform, source, split_part(repository_key, ':', 3), split_part(actor_key, ':', 3),
            interaction_type, cast(occurred_on as varchar), cast(first_at as varchar),
            cast(last_at as varchar), act_count
        from core.fct_actor_repository_daily order by all
        """,
    )
    ann, bob = (("gharchive", "1", who) for who in ("11", "12"))
    commit, talked = "commit", "discussion"
    lab = ("huggingface", "huggingface", "b1")
    assert rows == [
        # One of the two was recorded again, too late to be known for the same.
        ("github", *ann, commit, D1, f"{D1} 00:10:00", f"{D1} 00:10:00", 2),
        ("github", *ann, commit, D2, f"{D2} 00:10:00", f"{D2} 00:10:00", 1),
        ("github", *ann, talked, D1, f"{D1} 00:11:00", f"{D1} 00:12:00", 2),
        ("github", *bob, commit, D1, f"{D1} 23:59:59", f"{D1} 23:59:59", 1),
        ("github", "gharchive", "2", "11", commit, D3, f"{D3} 05:02:00", f"{D3} 05:03:00", 2),
        (*lab, "ann", commit, "2024-01-01", "2024-01-01 00:00:00", "2024-01-01 00:00:00", 2),
        (*lab, "bob", commit, "2024-01-01", "2024-01-01 00:00:00", "2024-01-01 00:00:00", 2),
        (*lab, "eve", talked, "2024-02-01", "2024-02-01 00:00:00", "2024-02-01 00:00:00", 1),
    ]


def test_lineage_is_told_by_key(full: Dbt) -> None:
    rows = full.rows("full", "select * from core.fct_model_lineage order by all")
    child = "huggingface:model:b2"
    # Nobody is his own parent; one was renamed since, one is not known.
    assert rows == [
        (child, "huggingface:model:b1", "Lab/One", "merge", False),
        (child, "huggingface:model:b3", "lab/quiet", "finetune", True),
        (child, None, "gone/parent", "unknown", False),
    ]


def test_acts_are_kept_once_and_late_ones_too(full: Dbt) -> None:
    rows = full.rows(
        "full",
        "select cast(file_on as varchar), kind, count(*) from core.fct_interaction "
        "where platform = 'github' group by all order by all",
    )
    assert rows == [
        (D1, "issue", 1),
        (D1, "issue_comment", 2),
        (D1, "pull_request", 1),
        (D1, "pull_request_merged", 1),
        (D1, "push", 2),
        (D1, "star", 1),
        (D2, "fork", 1),
        (D2, "push", 1),
        (D2, "star", 1),
        (D3, "pull_request", 1),
        (D3, "pull_request_merged", 1),
        (D3, "push", 3),
    ]
    late = full.rows(
        "full", "select cast(occurred_on as varchar) from core.fct_interaction "
        "where actor_key = 'github:actor:14'"
    )  # fmt: skip
    assert late == [("2025-10-03",)]


def test_leftover_file_is_never_read(full: Dbt) -> None:
    assert full.rows("full", "select * from core.dim_actor where login = 'leftover'") == []
    assert full.rows("full", "select count(*) from staging.stg_github__events") == [(19,)]


def test_unknown_shape_goes_through_without_its_values(full: Dbt) -> None:
    rows = full.rows(
        "full", "select era, push_size from core.fct_interaction where event_id = '304'"
    )
    assert rows == [("unknown", None)]


def test_activity_of_github_repositories(full: Dbt) -> None:
    rows = full.rows(
        "full",
        """
        select
            native_id, repository_name, cast(created_at as varchar), created_at_basis, is_fork,
            licence, language, commit_flow_count, push_flow_count, issue_flow_count,
            pull_request_flow_count, pull_request_merged_flow_count, star_flow_count,
            fork_flow_count, actor_flow_count, commit_stock_count, discussion_stock_count,
            star_stock_count, cast(stock_observed_on as varchar)
        from marts.mart_repository_activity where platform = 'github' order by native_id
        """,
    )
    assert rows == [
        # Commits: 3 + 7 + 2; the push seen again two file days later has no size and counts as a
        # push. Actors: ann, ci[bot], late.
        ("1", "org/new", "2015-06-01 00:00:00", "api", False, "mit", "C", 12, 4, 2, 1, 2, 2, 1, 3,
         None, None, 41, D1),
        # Both pushes came without a size: unknown, not zero.
        ("2", "ann/new", "2025-10-06 00:20:00", "event", True, None, None, None, 2, 0, 0, 0, 0, 0,
         1, None, None, None, None),
    ]  # fmt: skip


def test_daily_rows(full: Dbt) -> None:
    rows = full.rows(
        "full",
        """
        select
            cast(occurred_on as varchar), interaction_count, push_count, sized_push_count,
            commit_count, issue_opened_count, issue_comment_created_count, actor_count,
            suffixed_bot_actor_count, round(completeness_share * 24), cast(last_file_on as varchar)
        from core.fct_repository_daily where repository_key = 'github:repository:1' order by all
        """,
    )
    assert rows == [
        ("2025-10-03", 1, 0, 0, None, 0, 0, 1, 0, None, D2),
        (D1, 9, 3, 2, 10, 1, 1, 2, 1, 2.0, D3),
        (D2, 2, 1, 1, 2, 0, 0, 1, 0, 1.0, D2),
        (D3, 2, 0, 0, None, 0, 0, 1, 0, 1.0, D3),
    ]


def test_hub_repositories(full: Dbt) -> None:
    rows = full.rows(
        "full",
        """
        select
            native_id, repository_name, created_at_basis, gated, tombstone_reason,
            push_flow_count, commit_stock_count, discussion_stock_count, star_stock_count,
            download_30d_stock_count, cast(stock_observed_on as varchar)
        from marts.mart_repository_activity where platform = 'huggingface' order by native_id
        """,
    )
    assert rows == [
        ("b1", "Lab/One", "floor", "no", None, None, 3, 1, 6, 90, H2),
        # Mined on the first day: only the platform's commit, and no discussion.
        ("b2", "lab/one", "api", "no", None, None, 0, 0, 0, None, H1),
        # Never mined: unknown. Renamed on the second day.
        ("b3", "lab/renamed", "first_seen", "manual", "deleted", None, None, None, 2, None, H2),
    ]


def test_hub_acts_leave_the_platform_out(full: Dbt) -> None:
    rows = full.rows(
        "full",
        "select actor_key, kind, cast(file_on as varchar), repository_key, count(*) "
        "from core.fct_interaction where platform = 'huggingface' group by all order by all",
    )
    key = "huggingface:model:b1"
    assert rows == [
        ("huggingface:actor:ann", "commit", H1, key, 2),
        ("huggingface:actor:bob", "commit", H1, key, 1),
        ("huggingface:actor:bob", "commit", H2, key, 1),
        ("huggingface:actor:bob", "pull_request", H1, key, 1),
        ("huggingface:actor:eve", "discussion", H1, key, 1),
    ]


def test_names_have_validity(full: Dbt) -> None:
    rows = full.rows(
        "full",
        "select repository_name, cast(valid_from as varchar), cast(valid_to as varchar) "
        "from core.repository_name_history "
        "where repository_key in ('github:repository:1', 'huggingface:model:b3') order by all",
    )
    # The late event of 2025-10-03 carried the old name, and so did the push of the first day that
    # was recorded once more on the third.
    assert rows == [
        ("lab/quiet", f"{H1} 01:00:00", f"{H2} 01:00:00"),
        ("lab/renamed", f"{H2} 01:00:00", None),
        ("org/new", f"{D2} 00:10:00", None),
        ("org/old", "2025-10-03 12:00:00", f"{D2} 00:10:00"),
    ]


def test_actor_classes_need_evidence(full: Dbt) -> None:
    rows = full.rows(
        "full",
        "select login, actor_class = 'bot', is_removed_by_conservative, is_acting "
        "from core.dim_actor order by all",
    )
    # A rhythm that could be anybody's makes no bot.
    assert rows == [
        ("ann", False, False, True),
        ("ann", False, False, True),
        ("bob", False, False, True),
        ("ci[bot]", True, True, True),
        ("eve", False, False, True),
        ("late", False, False, True),
        ("pia", False, False, False),
    ]


def test_coverage(full: Dbt) -> None:
    rows = full.rows(
        "full",
        "select platform, cast(day as varchar), expected_count, seen_count, "
        "round(completeness_share * 24, 6), state_counts, event_count, "
        "cast(newest_event_at as varchar) from marts.mart_coverage order by all",
    )
    assert rows == [
        ("github", D1, 24, 2, 2.0, "ok 2, missing 1", 9, f"{D1} 23:59:59"),
        ("github", D2, 24, 1, 1.0, "ok 1", 4, f"{D2} 00:20:00"),
        ("github", D3, 24, 1, 1.0, "ok 1", 6, f"{D3} 05:03:00"),
        ("huggingface", H1, 3, 3, 24.0, "ok 3", 9, f"{H1} 02:00:00"),
        ("huggingface", H2, 3, 3, 24.0, "ok 3", 7, f"{H2} 02:00:00"),
    ]
    gaps = full.rows(
        "full",
        "select cast(day as varchar), known_gap_hour_count from core.source_coverage_daily "
        "where platform = 'github' order by all",
    )
    assert gaps == [(D1, 24), (D2, 24), (D3, 24)]


def test_intensity_says_what_is_unknown(full: Dbt) -> None:
    rows = full.rows(
        "full",
        "select platform, feature, basis, repository_count, unknown_count, mean_value, "
        f"median_value, maximum_value, zero_share, total_value from ({intensity_sql()})"
        " order by all",
    )
    nothing = (None, None, None, None, None)
    assert rows == [
        ("github", "commits", "flow", 1, 1, 12.0, 12.0, 12, 0.0, 12),
        ("github", "commits", "stock", 0, 2, *nothing),
        ("github", "discussions", "flow", 2, 0, 1.0, 1.0, 2, 0.5, 2),
        ("github", "discussions", "stock", 0, 2, *nothing),
        ("github", "stars", "flow", 2, 0, 1.0, 1.0, 2, 0.5, 2),
        ("github", "stars", "stock", 1, 1, 41.0, 41.0, 41, 0.0, 41),
        ("huggingface", "commits", "flow", 0, 3, *nothing),
        ("huggingface", "commits", "stock", 2, 1, 1.5, 1.5, 3, 0.5, 3),
        ("huggingface", "discussions", "flow", 0, 3, *nothing),
        ("huggingface", "discussions", "stock", 2, 1, 0.5, 0.5, 1, 0.5, 1),
        ("huggingface", "stars", "flow", 0, 3, *nothing),
        ("huggingface", "stars", "stock", 3, 0, pytest.approx(8 / 3), 2.0, 6,
         pytest.approx(1 / 3), 8),
    ]  # fmt: skip


def test_days_in_any_order_and_twice_equal_everything_at_once(by_days: Dbt) -> None:
    assert_same(by_days, "days", "full", COMPARED)


def test_a_day_reads_its_own_files_only(full: Dbt) -> None:
    with database(full.warehouse("full"), read_only=True) as db:
        plan = db.execute(
            "explain select * from staging.stg_github__events "
            f"where file_on between date '{D2}' and date '{D2}'"
        ).fetchall()[0][1]
    # Four days with an anchor's: five Parquet files and a leftover, four manifests.
    scans = [line for line in plan.splitlines() if "Scanning Files" in line]
    assert scans and all("1/4" in line or "2/6" in line for line in scans), plan


SPOILERS = {
    # statement: the tests it must turn red, one of every kind that the project has
    "insert into core.fct_repository_daily select * replace "
    "(interaction_count + 1 as interaction_count) from core.fct_repository_daily": {
        "fct_repository_daily__grain_unique",
        "fct_repository_daily__kinds_add_up",
        "daily_rows_hold_every_act",
    },
    "update intermediate.int_github_events__deduplicated set push_size = 1, era = 'E9', "
    "occurred_at = null": {
        "int_github_events__deduplicated__push_size_only_on_pushes",
        "int_github_events__deduplicated__columns_hold: era",
        "int_github_events__deduplicated__columns_hold: occurred_at",
    },
    "update core.source_hour set file_hour = 24": {"source_hour__columns_hold: file_hour"},
    "update marts.mart_coverage set completeness_share = 1.01": {
        "mart_coverage__columns_hold: completeness_share"
    },
    "update marts.mart_repository_activity set push_flow_count = 77": {
        "flows_of_the_mart_equal_the_acts",
        "flow_and_stock_never_mix",
    },
    "update marts.mart_repository_activity set repository_key = 'same'": {
        "mart_repository_activity__grain_unique"
    },
    "delete from core.dim_actor": {"fct_interaction__actor_key__relationships"},
    "update core.repository_name_history set valid_to = null": {"one_present_name_a_repository"},
}  # fmt: skip


def test_tests_of_the_project_are_red_on_a_spoilt_warehouse(full: Dbt) -> None:
    shutil.copy(full.warehouse("full"), full.warehouse("spoilt"))
    with database(full.warehouse("spoilt")) as db:
        for statement in SPOILERS:
            db.execute(statement)
    red = full.outcomes("spoilt", "test", *spoilt(SPOILERS))
    assert set().union(*SPOILERS.values()) <= set(red)
    assert not [message for message in red.values() if not message.startswith("fail")], red


@pytest.fixture(scope="module")
def replaced(by_days: Dbt) -> Dbt:
    """A new version of the first day, where the midnight push is gone and an hour is corrupt; and
    the second day, found to be corrupt altogether. Runs last: it changes the lake."""
    hours = first_day()
    del hours[0]
    hours[1] = [row for row in hours[1] if row["event_id"] != "104"]
    by_days.lake.hours(D1, hours)
    by_days.lake.manifest(
        "gharchive", "events", D2,
        [{"name": f"{D2}-0", "hour": 0, "state": "corrupt", "reason": "bad gzip", "file": None}],
    )  # fmt: skip
    by_days.run("days", "run", *BY_DAY, days=f"{D1}..{D2}")
    by_days.run("full", "run", *BY_DAY, "--full-refresh")
    return by_days


def test_a_new_version_of_a_day_leaves_nothing_of_the_old(replaced: Dbt) -> None:
    assert_same(
        replaced,
        "days",
        "full",
        [
            "intermediate.int_github_events__deduplicated",
            "intermediate.int_github_repositories__observed",
            "intermediate.int_github_acts__summed",
            "core.fct_repository_daily",
            "core.source_hour",
        ],
    )
    days = replaced.rows(
        "days", "select distinct cast(occurred_on as varchar) from core.fct_repository_daily "
        "order by 1"
    )  # fmt: skip
    # The late star of 2025-10-03 stood in the file that is now corrupt; the push of the second
    # day, once its first recording is gone, is kept from the third file day.
    assert days == [(D1,), (D2,), (D3,)]
