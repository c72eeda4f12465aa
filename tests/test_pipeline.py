"""The whole platform on a tiny synthetic world: what the jobs make, and what Dagster shows."""

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from databases import database
from nights import few_draws

from assets.actors.policies import POLICIES
from assets.github import assets as github_assets
from orchestration import demo, keys
from orchestration.build import build_defs
from orchestration.lake import Lake
from orchestration.manifest import dbt_manifest
from orchestration.resources import told_to_dagster
from orchestration.runs import Outcome, run_job
from orchestration.salt import address_salt
from orchestration.settings import Settings

pytestmark = pytest.mark.slow

CANARY = "hf_canaryTokenThatMustNotBeWrittenAnywhere"
FIRST, LAST = demo.DAYS
OF_REFERENCE = (
    "day = (select max(day) from mart_intensity_summary) and cut = 'all' and design = 'census'"
    " and exposure = 'total'"
)


@dataclass
class Ran:
    settings: Settings
    first: Outcome
    outcome: Outcome
    definitions: dg.Definitions


@contextmanager
def report_unread() -> Iterator[None]:
    """While it lasts, pictures that no test looks at are not drawn."""

    def render(_: Path, path: Path, **__: object) -> Path:
        path.touch()
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("assets.publish.assets.render_report", render)
        yield


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    folder = tmp_path_factory.mktemp("pipeline") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_TOKEN", CANARY)
        patch.setenv("GITHUB_TOKEN", CANARY)
        with demo.prepared(folder, "tiny") as made:
            made.until(FIRST)
            # Of the first night's study no more is asked than that its rows are there.
            few = made.settings.model_copy(update={"study": few_draws(made.settings.study)})
            with report_unread():
                first = run_job(few, keys.NIGHTLY_JOB, FIRST, FIRST)
            made.until(LAST)
            # Of a picture, text is in its SVG.
            patch.setattr("assets.publish.pictures.png_of", lambda _: b"")
            second = run_job(made.settings, keys.NIGHTLY_JOB, LAST, LAST)
            yield Ran(made.settings, first, second, build_defs(made.settings))
    shutil.rmtree(folder, ignore_errors=True)


def ask(path: Path, sql: str) -> list[tuple[object, ...]]:
    with database(path, read_only=True) as connection:
        return connection.execute(sql).fetchall()


def marts(ran: Ran) -> Path:
    return ran.settings.published_dir / "marts.duckdb"


def truth(ran: Ran, name: str) -> str:
    return f"read_parquet('{ran.settings.data_dir / 'world' / 'truth' / name}.parquet')"


def test_the_night_makes_every_asset(ran: Ran) -> None:
    assert ran.outcome.failures == []
    assert ran.outcome.is_success
    wanted = {key.to_user_string() for key in asset_keys(ran)}
    assert set(ran.outcome.materialised) == wanted
    assert len(wanted) > 30


def test_the_night_runs_every_check_once_for_each_step(ran: Ran) -> None:
    declared = {
        key for key in ran.definitions.resolve_asset_graph().asset_check_keys if not is_unit(key)
    }
    assert ran.outcome.check_count >= len(declared) > 100
    assert [found for found in ran.outcome.failed_checks if found[0] == "ERROR"] == []


def is_unit(key: dg.AssetCheckKey) -> bool:
    """dbt's unit tests run with the test suite, not at night."""
    return key.name.startswith("unit_test")


def asset_keys(ran: Ran) -> set[dg.AssetKey]:
    return set(ran.definitions.resolve_asset_graph().executable_asset_keys)


def test_every_asset_says_who_and_what(ran: Ran) -> None:
    graph = ran.definitions.resolve_asset_graph()
    for key in asset_keys(ran):
        node = graph.get(key)
        assert node.group_name not in {None, "default"}, key
        assert node.owners, key
        assert node.kinds, key
        assert node.description, key
        # The report opens the published copy only.
        assert node.pools or key == keys.REPORT, key


def test_every_raw_asset_and_mart_has_a_blocking_check(ran: Ran) -> None:
    graph = ran.definitions.resolve_asset_graph()
    blocking = {
        graph.get(key).key.asset_key for key in graph.asset_check_keys if graph.get(key).blocking
    }
    wanted = {keys.ARCHIVE_EVENTS, keys.HUB_MODELS, keys.COMPARISON, *keys.MARTS_OF_DBT}
    # A failing dbt test ends the dbt step, so that what stands after it is not run.
    of_dbt = {key.asset_key for key in graph.asset_check_keys if key.asset_key in keys.MARTS_OF_DBT}
    assert wanted - blocking - of_dbt == set()


def test_steps_retry_only_what_can_pass(ran: Ran) -> None:
    with pytest.raises(dg.Failure) as caught, told_to_dagster():
        raise ValueError("a bug\nwith a second line")
    assert caught.value.allow_retries is False
    assert caught.value.description == "ValueError: a bug"


def test_materialisations_tell_what_an_operator_asks(ran: Ran) -> None:
    shown = ran.outcome.materialised[keys.ARCHIVE_EVENTS.to_user_string()]
    wanted = {"coverage", "window", "lake_bytes", "content_hash", "hours", "preview", "states"}
    assert wanted <= set(shown)
    assert shown["dagster/partition_row_count"] > 0
    hub = ran.outcome.materialised[keys.HUB_MODELS.to_user_string()]
    with database() as connection:
        listed = connection.execute(f"select count(*) from {truth(ran, 'hub_models')}").fetchall()
    assert hub["dagster/row_count"] == listed[0][0]
    for mart in keys.MARTS_OF_DBT:
        told = ran.outcome.materialised[mart.to_user_string()]
        assert {"dagster/row_count", "dagster/column_schema", "window", "preview"} <= set(told), (
            mart
        )
        assert told["bytes"] > 0, mart


def test_columns_have_lineage_to_the_raw_events(ran: Ran) -> None:
    told = ran.outcome.materialised[keys.mart("mart_repository_activity").to_user_string()]
    origins = told["dagster/column_lineage"].deps_by_column["star_flow_count"]
    assert {origin.asset_key for origin in origins}


def test_each_day_is_materialised_on_its_own(ran: Ran) -> None:
    database = ran.settings.data_dir / "dagster" / "history" / "runs" / "index.db"
    with sqlite3.connect(database) as connection:
        found = connection.execute(
            "select partition from event_logs where dagster_event_type = 'ASSET_MATERIALIZATION'"
            " and asset_key = ? order by 1",
            [json.dumps(keys.ARCHIVE_EVENTS.path)],
        ).fetchall()
    assert [row[0] for row in found] == [day.isoformat() for day in demo.DAYS]


def test_marts_hold_the_planted_truth(ran: Ran) -> None:
    found = ask(marts(ran), (
        "select count(*), sum(star_flow_count), sum(push_flow_count), sum(issue_flow_count),"
        " sum(pull_request_merged_flow_count) from mart_repository_activity"
        " where platform = 'github' and first_seen_at is not null"
    ))  # fmt: skip
    with database() as connection:
        planted = connection.execute(
            "select count(*), sum(star_flow), sum(push_flow), sum(issue_flow),"
            f" sum(pull_request_merged_flow) from {truth(ran, 'repositories')}"
            " where event_flow > 0"
        ).fetchall()
    # A repository that was renamed is one repository; forks seen only as such have no events.
    assert found[0][1:] == planted[0][1:]
    assert found[0][0] >= planted[0][0]


def test_github_stocks_hold_the_planted_truth(ran: Ran) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{marts(ran)}' as published (read_only)")
        found = connection.execute(
            f"""
            select
                planted.status, mart.tombstone_reason, mart.stock_observed_on,
                planted.commit_count, mart.commit_stock_count,
                planted.star_count, mart.star_stock_count,
                if(planted.has_issues, planted.issue_count, null), mart.discussion_stock_count
            from {truth(ran, "github_stocks")} as planted
            join published.mart_repository_activity as mart
                on mart.platform = 'github'
                and mart.native_id = planted.repository_id::varchar
            where mart.first_seen_at is not null
            """
        ).fetchall()
    last = LAST + timedelta(1)
    shown = [row for row in found if row[0] == "ok" and row[2] == last]
    assert len(shown) > 100
    for _, tombstone, _, *stocks in shown:
        assert tombstone is None
        assert stocks[0::2] == stocks[1::2]
    # Who was not asked in the last night did nothing that the archive shows.
    assert len(found) - len(shown) < 60
    reasons = {(row[0], row[1]) for row in found if row[0] != "ok" and row[1] is not None}
    assert ("dmca", "dmca") in reasons
    assert reasons <= {
        ("dmca", "dmca"), ("deleted", "deleted_or_private"), ("private", "deleted_or_private"),
    }  # fmt: skip


def test_published_directions_are_reproduced_and_planted_values_lie_in_our_intervals(
    ran: Ran,
) -> None:
    """The twin has the medians of the paper's table 2, and GitHub far above the Hub."""
    claims = {
        str(row[0]): row
        for row in ask(
            marts(ran),
            "select claim, verdict, our_value, our_value_low, our_value_high, planted_value"
            " from mart_study_rerun where day = (select max(day) from mart_study_rerun)",
        )
    }
    for feature in ("commits", "discussions", "stars"):
        for direction in ("higher_on_github", "test_significant"):
            assert claims[f"{feature}_{direction}"][1] == "reproduced", feature
    held = [
        claim
        for claim, _, value, low, high, planted in claims.values()
        if low is not None and planted is not None and value is not None
        and not float(str(low)) <= float(str(planted)) <= float(str(high))
    ]  # fmt: skip
    assert held == []
    assert sum(row[5] is not None for row in claims.values()) >= 18


def test_the_hub_holds_the_planted_truth(ran: Ran) -> None:
    lake = Lake(ran.settings.lake_root)
    answers = lake.partition("huggingface", "answers", FIRST + timedelta(1))
    with duckdb.connect() as connection:
        connection.execute(f"attach '{marts(ran)}' as published (read_only)")
        found = connection.execute(
            f"""
            select
                planted.like_count, mart.star_stock_count,
                planted.commit_count, mart.commit_stock_count,
                planted.discussion_count, mart.discussion_stock_count,
                planted.gated <> 'no' or planted.is_disabled, planted.hidden_discussions
                or planted.repository_id in (
                    select repository_id from read_parquet($answers)
                    where kind = 'discussions' and outcome = 'gone'
                )
            from {truth(ran, "hub_models")} as planted
            left join published.mart_repository_activity as mart
                on mart.platform = 'huggingface' and mart.native_id = planted.repository_id
            """,
            # Discussions that were switched off in the first night are not asked for in the next.
            {"answers": [str(path) for path in answers.current_files()]},
        ).fetchall()
    assert len(found) > 100
    assert any(row[6] for row in found)
    assert sum(row[7] for row in found) < len(found) / 10
    missed = 0
    for likes, stars, commits, known, talk, talk_known, is_closed, is_silent in found:
        assert stars == likes
        assert known == commits or (is_closed and known is None)
        if talk_known is None:
            assert is_closed or is_silent
        else:
            missed += talk_known != talk
            assert talk_known <= talk
    # Who is not at the top is asked for discussions in turn; the estimate says what that misses.
    estimate = ask(marts(ran), (
        "select estimated_missed_high_count from mart_polling_estimate"
        " where platform = 'huggingface' and kind = 'discussions' order by observed_on desc"
    ))  # fmt: skip
    assert missed <= int(str(estimate[0][0]))


NETWORK_ACTS = """
    create temp table acts as
    with told as (
        select repository_key, actor_key, occurred_at,
            case when kind in ('push', 'commit') then 'commit' else 'discussion' end as told
        from core.fct_interaction
        where kind in ('push', 'commit', 'discussion') or (kind = 'issue' and action = 'opened')
            or (kind = 'issue_comment' and action = 'created'
                and thread_kind is distinct from 'pull_request')
            or (kind = 'discussion_comment' and thread_kind = 'discussion')
        union all
        select repository_key, actor_key, created_at, 'discussion'
        from core.fct_message where platform = 'github' and kind = 'issue'
        union all
        select 'github:repository:' || repository_id, 'github:actor:' || author_id, created_at,
            'discussion'
        from staging.stg_github__issue_comments where is_pull_request is distinct from true
    )
    select distinct actor.platform, told.*
    from told
    inner join core.dim_actor as actor using (actor_key)
    inner join study.top_cut as cut using (repository_key)
    where cut.rank_name = 'stars' and not actor.is_removed_by_paper
        and lower(coalesce(actor.login, '')) not in ('ghost', 'web-flow', 'deleted', 'system')
"""
NETWORK_LINKS = """
    select platform, told, count(*) from (
        select distinct one.platform, one.told, one.{node}, other.{node}
        from acts as one inner join acts as other
            on one.told = other.told and one.{hub} = other.{hub} and one.{node} < other.{node}
            and abs(epoch_us(one.occurred_at) - epoch_us(other.occurred_at)) <= {width}
    ) group by all order by all
"""


@pytest.mark.parametrize(
    ("network", "node", "hub", "width"),
    [
        ("actor", "actor_key", "repository_key", 2**62),
        ("repository", "repository_key", "actor_key", 365 * 86_400_000_000),
    ],
)
def test_networks_equal_a_join_of_acts_with_acts(
    ran: Ran, network: str, node: str, hub: str, width: int
) -> None:
    with database(ran.settings.warehouse_path, read_only=True) as connection:
        connection.execute(NETWORK_ACTS)
        by_hand = connection.execute(
            NETWORK_LINKS.format(node=node, hub=hub, width=width)
        ).fetchall()
    rows = ask(
        marts(ran),
        "select platform, interaction_type, edge_count from mart_network_summary"
        f" where is_reference and network = '{network}' and interaction_type <> 'both'"
        " and edge_count > 0 and day = (select max(day) from mart_network_summary) order by all",
    )
    assert len(rows) >= 3
    assert rows == by_hand


def test_what_samples_say_of_texts_and_networks_is_near_what_is_there(ran: Ran) -> None:
    """Of all repositories of the frame that are not known to be older, or gone."""
    frame = (
        "SELECT repository_key FROM marts.mart_repository_activity WHERE platform = 'github'"
        " AND first_seen_at >= TIMESTAMP '2016-01-01' AND tombstone_reason IS NULL"
        " AND NOT (created_at_basis <> 'first_seen' AND created_at < TIMESTAMP '2016-01-01')"
    )
    policy = ran.settings.study.networks.reference.bot_policy
    ((memberships,),) = ask(ran.settings.warehouse_path, f"""
        SELECT count(DISTINCT (actor_key, repository_key)) FROM core.fct_actor_repository_daily
        INNER JOIN core.dim_actor USING (actor_key)
        WHERE interaction_type = 'discussion' AND repository_key IN ({frame})
            AND NOT coalesce(is_removed_by_{policy}, false)
            AND lower(coalesce(login, '')) NOT IN ('ghost', 'web-flow')
    """)  # fmt: skip
    ((english, posts),) = ask(ran.settings.warehouse_path, f"""
        SELECT count(*) FILTER (language = 'en'), count(*) FROM study.message_corpus
        WHERE repository_key IN ({frame})
    """)  # fmt: skip
    assert isinstance(memberships, int)
    assert isinstance(english, int) and isinstance(posts, int)
    designs = set(ran.settings.study.sample.designs)
    told = ask(marts(ran), """
        SELECT design, weighted_value, standard_error, sample_count FROM mart_network_estimate
        WHERE figure = 'membership_count' AND interaction_type = 'discussion'
            AND platform = 'github' AND day = (SELECT max(day) FROM mart_network_estimate)
    """)  # fmt: skip
    texts = ask(marts(ran), """
        SELECT design, weighted_share, standard_error, repository_count FROM mart_text_estimate
        WHERE figure = 'post_language' AND category = 'en' AND slice = 'all'
            AND platform = 'github' AND day = (SELECT max(day) FROM mart_text_estimate)
    """)  # fmt: skip
    for rows, true in ((told, memberships), (texts, english / posts)):
        assert {design for design, *_ in rows} == designs
        for design, value, error, count in rows:
            # It leaves out the strata that the Hub does not have.
            if design != "matched":
                assert abs(value - true) <= 4 * error, (design, value, true, error, count)


def test_the_second_night_asked_for_what_was_new_only(ran: Ran) -> None:
    lake = Lake(ran.settings.lake_root)
    for source in ("huggingface", "github"):
        first, second = lake.days(source, "answers")
        assert (first, second) == (date(2025, 10, 7), date(2025, 10, 8))
        asked, again = (
            duckdb.execute(
                "select count(*) filter (kind = 'commits') from read_parquet($files)",
                {"files": [str(f) for f in lake.partition(source, "answers", day).current_files()]},
            ).fetchall()[0][0]
            for day in (first, second)
        )
        assert 0 < again < (asked / 2 if source == "huggingface" else asked + 1)
    lineage = ran.settings.dbt_dir / "lineage.json"
    assert len(json.loads(lineage.read_text())["models"]) > 20
    marts_told = [ran.outcome.materialised[mart.to_user_string()] for mart in keys.MARTS_OF_DBT]
    assert all("dagster/column_lineage" in told for told in marts_told)
    assert [told["dagster/column_lineage"] for told in marts_told] == [
        ran.first.materialised[mart.to_user_string()]["dagster/column_lineage"]
        for mart in keys.MARTS_OF_DBT
    ]


def test_no_token_and_no_address_is_written(ran: Ran) -> None:
    seen = 0
    for path in ran.settings.data_dir.rglob("*"):
        if path.is_file() and "world" not in path.parts:
            seen += 1
            assert CANARY.encode() not in path.read_bytes(), path
    assert seen > 50
    authors = ask(ran.settings.warehouse_path, (
        "select count(*) from information_schema.columns where column_name like '%email%'"
    ))  # fmt: skip
    assert authors == [(0,)]


def test_the_report_says_that_the_data_are_synthetic(ran: Ran) -> None:
    text = (ran.settings.published_dir / "report.html").read_text(encoding="utf-8")
    assert "Synthetic data" in text
    assert "planted" in text
    assert "<script" not in text


def test_the_same_night_again_changes_nothing(ran: Ran) -> None:
    lake = Lake(ran.settings.lake_root)
    before = [lake.partition("gharchive", "events", day).content_hash() for day in demo.DAYS]
    with report_unread():
        again = run_job(ran.settings, keys.NIGHTLY_JOB, LAST, LAST)
    assert again.is_success
    after = [lake.partition("gharchive", "events", day).content_hash() for day in demo.DAYS]
    assert after == before
    assert again.materialised[keys.PUBLISHED.to_user_string()]["is_unchanged"] is True


def test_a_rebuild_from_the_lake_gives_the_same_copy(ran: Ran) -> None:
    with report_unread():
        again = run_job(ran.settings, keys.REBUILD_JOB, LAST, LAST)
    assert again.failures == []
    assert keys.ARCHIVE_EVENTS.to_user_string() not in again.materialised
    assert again.materialised[keys.PUBLISHED.to_user_string()]["is_unchanged"] is True


@pytest.fixture
def parsed_once(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other installations whose runs end before dbt need no manifest of their own."""
    manifest = dbt_manifest(ran.settings)
    monkeypatch.setattr("orchestration.build.dbt_manifest", lambda _: manifest)


@pytest.mark.usefixtures("parsed_once")
def test_a_day_without_any_hour_stops_the_night(ran: Ran, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(ran.settings.data_dir, folder, symlinks=True)
    settings = Settings.load(folder / "osmoscope.toml")
    before = (folder / "published" / "current").readlink()
    day = date(2025, 10, 9)
    outcome = run_job(settings, keys.NIGHTLY_JOB, day, day)
    assert not outcome.is_success
    assert {failure.kind for failure in outcome.failures} == {keys.QUALITY}
    assert keys.PUBLISHED.to_user_string() not in outcome.materialised
    assert (folder / "published" / "current").readlink() == before
    states = Counter(
        entry["state"]
        for entry in Lake(settings.lake_root).partition("gharchive", "events", day).entries()
    )
    assert states == {"missing": 24}


@pytest.mark.usefixtures("parsed_once")
def test_a_source_that_does_not_answer_is_a_passing_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        github_assets, "retry_policy", lambda: dg.RetryPolicy(max_retries=1, delay=0)
    )
    monkeypatch.setattr("orchestration.clients.archive.BACKOFF_SECONDS", 0.0)
    settings = Settings.load(_config(tmp_path, "http://127.0.0.1:9"))
    outcome = run_job(settings, keys.BACKFILL_JOB, FIRST, FIRST)
    assert [failure.kind for failure in outcome.failures] == [keys.TRANSIENT]
    assert "could not be fetched" in outcome.failures[0].message


def _config(folder: Path, source: str) -> Path:
    path = folder / "osmoscope.toml"
    path.write_text(
        f'data_dir = "."\n[archive]\nsources = ["{source}"]\nattempts = 1\n'
        '[huggingface]\nsource = "off"\n'
    )
    return path


def test_the_schedule_asks_for_the_day_before(ran: Ran) -> None:
    schedule = ran.definitions.resolve_schedule_def("nightly")
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2025, 10, 8, 7, 15, tzinfo=UTC),
            repository_def=ran.definitions.get_repository_def(),
        )
        request = schedule.evaluate_tick(context).run_requests[0]
    assert request.partition_key == "2025-10-07"
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED


def test_the_salt_is_made_once_and_is_private(tmp_path: Path) -> None:
    first = address_salt(tmp_path)
    assert address_salt(tmp_path) == first
    assert len(first) == 64
    path = tmp_path / "private" / "email.salt"
    assert path.stat().st_mode & 0o077 == 0


# Bot policies

Amounts = dict[str, float | None]


def removed_by(ran: Ran, policy: str) -> set[str]:
    if policy == "none":
        return set()
    query = f"select actor_key from core.dim_actor where is_removed_by_{policy}"
    return {str(key) for (key,) in ask(ran.settings.warehouse_path, query)}


def flows_by_hand(ran: Ran, removed: set[str]) -> dict[str, Amounts]:
    """GitHub's flows from the acts one by one, without those of some accounts."""
    acts = ask(
        ran.settings.warehouse_path,
        "select repository_key, actor_key, kind, action, thread_kind, push_size"
        " from core.fct_interaction"
        " where source = 'gharchive' and repository_key is not null",
    )
    counts: dict[str, Counter[str]] = {}
    for repository, actor, kind, action, thread_kind, size in acts:
        count = counts.setdefault(str(repository), Counter())
        if actor in removed:
            continue
        count["push"] += kind == "push"
        count["star"] += kind == "star"
        count["issue"] += kind == "issue" and action == "opened"
        is_reply = kind == "issue_comment" and action == "created"
        count["issue"] += is_reply and thread_kind != "pull_request"
        if kind == "push" and size is not None:
            count["sized"] += 1
            count["commit"] += int(str(size))
    return {
        key: {
            "commit_flow_count": count["commit"] if count["sized"] or not count["push"] else None,
            "issue_flow_count": count["issue"],
            "star_flow_count": count["star"],
        }
        for key, count in counts.items()
    }


@pytest.mark.parametrize("policy", POLICIES)
def test_flows_under_a_policy_equal_a_count_by_hand(ran: Ran, policy: str) -> None:
    removed = removed_by(ran, policy)
    assert bool(removed) == (policy != "none")
    found = ask(
        ran.settings.warehouse_path,
        "select repository_key, commit_flow_count, issue_flow_count, star_flow_count"
        " from intermediate.int_repository_intensity__measured"
        f" where platform = 'github' and bot_policy = '{policy}'",
    )
    by_hand = flows_by_hand(ran, removed)
    shown = {str(row[0]): row[1:] for row in found}
    assert {key for key in by_hand if key not in shown} == set()
    for key, amounts in by_hand.items():
        assert shown[key] == tuple(amounts.values()), key


@pytest.mark.parametrize("policy", POLICIES)
def test_hub_stocks_under_a_policy_equal_a_count_by_hand(ran: Ran, policy: str) -> None:
    removed = removed_by(ran, policy)
    acts = ask(
        ran.settings.warehouse_path,
        "select repository_key, kind, event_id, actor_key from core.fct_interaction"
        " where platform = 'huggingface' and kind in ('commit', 'discussion')",
    )
    authors: dict[tuple[str, str, str], set[object]] = {}
    for repository, kind, event, actor in acts:
        authors.setdefault((str(repository), str(kind), str(event)), set()).add(actor)
    machines = Counter(
        (repository, kind) for (repository, kind, _), who in authors.items() if who <= removed
    )
    rows = ask(
        ran.settings.warehouse_path,
        "select activity.repository_key, activity.commit_stock_count,"
        " activity.discussion_stock_count, measured.commit_stock_count,"
        " measured.discussion_stock_count from marts.mart_repository_activity as activity"
        " join intermediate.int_repository_intensity__measured as measured using (repository_key)"
        f" where activity.platform = 'huggingface' and bot_policy = '{policy}'",
    )
    assert rows
    for key, commits, discussions, commits_left, discussions_left in rows:
        for kind, whole, left in (
            ("commit", commits, commits_left), ("discussion", discussions, discussions_left),
        ):  # fmt: skip
            taken = machines[str(key), kind]
            assert left == (None if whole is None else max(0, int(str(whole)) - taken)), key


def test_certain_machines_are_the_planted_ones(ran: Ran) -> None:
    """Without what is certainly automated, the flows are those that people were planted with."""
    planted = truth(ran, "repositories")
    with database() as connection:
        rows = connection.execute(
            f"select repository_id, people_issue_flow, people_star_flow, issue_flow, star_flow"
            f" from {planted} where event_flow > 0"
        ).fetchall()
    found = {
        str(key).rsplit(":", 1)[1]: (issues, stars)
        for key, issues, stars in ask(
            ran.settings.warehouse_path,
            "select repository_key, issue_flow_count, star_flow_count"
            " from intermediate.int_repository_intensity__measured"
            " where platform = 'github' and bot_policy = 'conservative'",
        )
    }
    everybody = sum(issues + stars for *_, issues, stars in rows)
    people = sum(issues + stars for _, issues, stars, *_ in rows)
    left = sum(sum(map(int, map(str, found[str(row[0])]))) for row in rows)
    assert people < everybody
    # What hides well may stay: here most of the few acts are one silent bot's. Apps do not hide.
    assert people <= left < everybody
    staying = {
        login
        for (login,) in ask(
            ran.settings.warehouse_path,
            "select login from core.dim_actor"
            " where platform = 'github' and not is_removed_by_conservative",
        )
    }
    with database() as connection:
        machines = connection.execute(
            f"select login from {truth(ran, 'accounts')} where platform = 'github'"
            " and account_class in ('bot', 'ai_agent', 'platform_automation')"
        ).fetchall()
    hiding = {login for (login,) in machines} & staying
    assert [login for login in hiding if str(login).endswith("[bot]")] == []
    assert len(hiding) < 0.5 * len(machines)
    for number, issues, stars, *_ in rows:
        shown = found[str(number)]
        assert shown[0] >= issues and shown[1] >= stars, number


def test_every_headline_stands_under_every_policy(ran: Ran) -> None:
    rows = ask(
        marts(ran),
        "select feature, platform, basis, statistic, none_value, paper_value, conservative_value,"
        " aggressive_value, range_value from mart_policy_sensitivity",
    )
    # Three features: two platforms, two bases and six statistics; two of the comparison.
    assert len(rows) == 3 * (2 * 2 * 6 + 2)
    summary = {
        tuple(row[:4]): row[4]
        for row in ask(
            marts(ran),
            "select feature, platform, basis, bot_policy, mean_value from mart_intensity_summary"
            f" where {OF_REFERENCE}",
        )
    }
    for feature, platform, basis, statistic, *values in rows:
        if statistic != "mean":
            continue
        expected = [summary[feature, platform, basis, policy] for policy in POLICIES]
        assert values[:4] == expected
        known = [float(str(value)) for value in expected if value is not None]
        assert values[4] == (pytest.approx(max(known) - min(known)) if known else None)
    assert any(row[8] for row in rows)
