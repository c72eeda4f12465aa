"""The marts of themes against figures counted by hand, and their checks on broken rows."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from assets.study.tables import StudyTable, make_table, open_warehouse, replace_study, table_of
from assets.study.themes import corpus, marts, tables
from assets.study.themes.codebook import THEMES
from assets.study.themes.fieldwork import draw_from_warehouse
from assets.study.themes.frame import coded_messages, frame_messages, repository_commits
from assets.study.themes.labels import Label, append_label
from checks import figures
from checks import themes as checks
from orchestration.failures import PermanentFailure
from orchestration.settings import StudySettings

DAY = date(2026, 3, 2)
STUDY = StudySettings.model_validate({"networks": {"reference": {"top_count": 3}}})
CLASSES = {"top_cut": 3}


@dataclass
class World:
    """Messages with what they are and what a coder says."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def of(self, platform: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["platform"] == platform and not row["is_bot"]]


def world_of(count: int = 900, seed: int = 5) -> World:
    """Usage problems are taken for bug reports by the coder, in one of three."""
    rng = np.random.default_rng(seed)
    found = World()
    for at in range(count):
        platform = "github" if at % 3 else "huggingface"
        true = str(rng.choice(THEMES, p=[0.3, 0.2, 0.3, 0.1, 0.1]))
        is_taken = true == "usage_problem" and rng.random() < 1 / 3
        kind = "repository" if platform == "github" else "model"
        repository = f"{platform}:{kind}:{at % 7}"
        found.rows.append({
            "message_key": f"{repository}:{at}", "platform": platform, "repository_key": repository,
            "created_on": date(2026, 1, 1) + timedelta(days=at % 60),
            "language": ("en", "zh", None)[at % 5 % 3], "actor_key": f"{platform}:actor:{at % 40}",
            "is_bot": at % 40 == 7, "true": true,
            "said": "bug_report" if is_taken else true,
            "confidence": 0.2 if at % 50 == 11 else 0.8,
            # Every tenth repeats the text of the one before it.
            "repeats": at > 30 and at % 10 == 0,
        })  # fmt: skip
    for at, row in enumerate(found.rows):
        if row["repeats"]:
            first = found.rows[at - 3]
            row |= {"coded_key": first["message_key"], "said": first["said"],
                    "confidence": first["confidence"]}  # fmt: skip
        else:
            row["coded_key"] = row["message_key"]
    return found


def shown(row: dict[str, Any]) -> str:
    """The theme that figures count."""
    return "others" if row["confidence"] < STUDY.themes.abstain_below else str(row["said"])


def warehouse_of(path: Path, world: World) -> Path:
    duckdb.connect(str(path)).close()
    with open_warehouse(path, read_only=False) as connection:
        for table in (corpus.CORPUS, tables.CODED):
            make_table(connection, table)
        for schema in ("core", "intermediate"):
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        connection.execute(
            "CREATE TABLE core.dim_actor AS SELECT p || ':actor:' || n AS actor_key,"
            " n = 7 AS is_removed_by_paper, false AS is_removed_by_conservative,"
            " false AS is_removed_by_aggressive"
            " FROM unnest(['github', 'huggingface']) AS _(p), range(40) AS __(n)"
        )
        connection.execute(
            "CREATE TABLE study.top_cut AS SELECT 'paper' AS study, 'stars' AS rank_name,"
            " p || CASE p WHEN 'github' THEN ':repository:' ELSE ':model:' END || n"
            " AS repository_key, n + 1 AS place"
            " FROM unnest(['github', 'huggingface']) AS _(p), range(7) AS __(n)"
        )
        connection.execute(
            "CREATE TABLE intermediate.int_commits__worded AS SELECT 'github' AS platform,"
            " n % 7 AS repository_id, 'repository' AS repository_type,"
            " NULL::VARCHAR AS repository_name, n = 49 AS is_by_platform,"
            " TIMESTAMP '2026-01-01' + INTERVAL 1 DAY * n AS committed_at,"
            " CASE n % 4 WHEN 0 THEN 'template' WHEN 1 THEN 'substantive' ELSE 'trivial' END"
            " AS message_kind, 'rule_' || (n % 3) AS message_condition FROM range(50) AS _(n)"
        )
        connection.execute(
            "CREATE TABLE intermediate.int_huggingface_names__identified (repository_type VARCHAR,"
            " repository_name VARCHAR, repository_key VARCHAR)"
        )
        insert(connection, corpus.CORPUS, [
            {
                "message_key": row["message_key"], "platform": row["platform"],
                "repository_key": row["repository_key"], "kind": "issue",
                "created_on": row["created_on"], "actor_key": row["actor_key"],
                "text_digest": "d", "language": row["language"], "cleaning_version": "1",
                "state": "near_duplicate" if row["repeats"] else "in_frame",
                "representative_key": row["coded_key"],
            }
            for row in world.rows
        ])  # fmt: skip
        insert(connection, tables.CODED, [
            {
                "message_key": row["message_key"], "coder": "linear", "coder_version": "v1",
                "codebook_version": "1.0-x", "text_digest": "d", "theme": theme,
                "probability": row["confidence"] if theme == row["said"]
                else (1 - row["confidence"]) / (len(THEMES) - 1),
                "is_primary": theme == row["said"],
                "applies": theme in (row["said"], "suggestion"),
            }
            for row in world.rows if not row["repeats"] for theme in THEMES
        ])  # fmt: skip
    return path


def insert(
    connection: duckdb.DuckDBPyConnection, table: StudyTable, rows: list[dict[str, Any]]
) -> None:
    names = list(rows[0])
    connection.register("given", pa.Table.from_pylist(rows))
    connection.execute(
        f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {', '.join(names)} FROM given"
    )
    connection.unregister("given")


@dataclass
class Made:
    world: World
    path: Path
    folder: Path
    rows: dict[str, list[dict[str, Any]]]


def made_of(path: Path, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What the asset does."""
    samples = marts.verified_samples(folder)
    with open_warehouse(path, read_only=True) as connection:
        frame_messages(connection, STUDY)
        coded_messages(connection, STUDY.themes.abstain_below)
        repository_commits(connection, STUDY)
        rows = {
            tables.PREVALENCE.name: marts.prevalence_rows(connection, STUDY, DAY, samples),
            tables.AGREEMENT.name: marts.agreement_mart(connection, STUDY, DAY, samples),
            tables.FRAME.name: corpus.frame(connection, STUDY, DAY),
            tables.MESSAGE_QUALITY.name: marts.message_rows(connection, STUDY, DAY),
        }
    known = {table.name: table for table in TABLES}
    replace_study(
        path, STUDY.name, [(known[name], table_of(known[name], own)) for name, own in rows.items()],
        DAY,
    )  # fmt: skip
    return rows


TABLES = tables.ALL_TABLES


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    place = tmp_path_factory.mktemp("themes")
    world, folder = world_of(), place / "samples"
    path = warehouse_of(place / "w.duckdb", world)
    draw_blind(path, folder)
    label(world, folder)
    return Made(world, path, folder, made_of(path, folder))


def draw_blind(path: Path, folder: Path) -> None:
    """A sample; the texts are not in this warehouse."""
    from unittest.mock import patch

    with patch.object(corpus, "texts_of", lambda *_: iter(())):
        draw_from_warehouse(path, STUDY, folder, "first")


def label(world: World, folder: Path) -> None:
    """Two people who find the truth."""
    from assets.study.themes.verification import read_sample

    true = {row["message_key"]: row["true"] for row in world.rows}
    keys = read_sample(folder, "first").keys
    for coder in ("ann", "bob"):
        for at, key in enumerate(keys):
            wrong = coder == "bob" and at % 20 == 3
            theme = THEMES[(THEMES.index(true[key]) + 1) % len(THEMES)] if wrong else true[key]
            said = Label("first", key, coder, theme, (), False, datetime.now(UTC), "1.0-x")
            append_label(folder, said)
            if wrong:
                append_label(folder, Label("first", key, "consensus", true[key], (), False,
                                           datetime.now(UTC), "1.0-x"))  # fmt: skip


def in_slice(row: dict[str, Any], slice_: str, value: str) -> bool:
    told = {
        "all": "all",
        "month": row["created_on"].strftime("%Y-%m"),
        "language": row["language"] or "unknown",
        "repository_class": "top_cut" if int(row["repository_key"][-1]) < 3 else "other",
    }
    return told[slice_] == value


def test_shares_as_coded_are_counted_by_hand(made: Made) -> None:
    rows = made.rows[tables.PREVALENCE.name]
    assert {(row["slice"], row["slice_value"]) for row in rows} == {
        ("all", "all"), ("month", "2026-01"), ("month", "2026-02"), ("month", "2026-03"),
        ("language", "en"), ("language", "zh"), ("language", "unknown"),
        ("repository_class", "top_cut"), ("repository_class", "other"),
    }  # fmt: skip
    for row in rows:
        own = [one for one in made.world.of(row["platform"])
               if in_slice(one, row["slice"], row["slice_value"])]  # fmt: skip
        theme = row["theme"]
        assert row["message_count"] == len(own)
        assert row["primary_count"] == sum(shown(one) == theme for one in own)
        least = STUDY.themes.abstain_below
        assert row["abstained_count"] == sum(one["confidence"] < least for one in own)
        applying = [{shown(one)} | ({"suggestion"} if one["confidence"] >= least else set())
                    for one in own]  # fmt: skip
        assert row["applies_share"] == pytest.approx(
            sum(theme in one for one in applying) / len(own)
        )
        texts = {one["coded_key"]: shown(one) for one in own}
        assert row["distinct_share"] == pytest.approx(
            Counter(texts.values())[theme] / len(texts)
        )  # fmt: skip


def test_what_people_found_corrects_what_the_coder_says(made: Made) -> None:
    for platform in ("github", "huggingface"):
        own = made.world.of(platform)
        for theme in ("bug_report", "usage_problem"):
            (row,) = [one for one in made.rows[tables.PREVALENCE.name]
                      if (one["platform"], one["slice"], one["theme"])
                      == (platform, "all", theme)]  # fmt: skip
            true = sum(one["true"] == theme for one in own) / len(own)
            assert not row["uncorrected_low"] <= true <= row["uncorrected_high"]
            for kind in ("prediction_powered", "rogan_gladen", "verified"):
                assert row[f"{kind}_low"] <= true <= row[f"{kind}_high"], (platform, theme, kind)
            assert row["verified_count"] > 100
            assert row["is_reference"]


def test_a_slice_is_corrected_by_its_own_messages(made: Made) -> None:
    rows = [row for row in made.rows[tables.PREVALENCE.name] if row["slice"] == "repository_class"]
    inside = 0
    for row in rows:
        own = [one for one in made.world.of(row["platform"])
               if in_slice(one, row["slice"], row["slice_value"])]  # fmt: skip
        true = sum(one["true"] == row["theme"] for one in own) / len(own)
        assert row["prediction_powered_share"] is not None
        inside += row["prediction_powered_low"] <= true <= row["prediction_powered_high"]
    assert inside >= 0.85 * len(rows)


def test_too_few_verified_messages_correct_nothing(made: Made) -> None:
    few = [row for row in made.rows[tables.PREVALENCE.name]
           if row["verified_count"] < marts.LEAST_VERIFIED]  # fmt: skip
    for row in few:
        assert row.get("prediction_powered_share") is None
        assert "verified" in row["reason"]


def test_without_a_sample_nothing_is_corrected_and_the_row_says_why(
    made: Made, tmp_path: Path
) -> None:
    rows = made_of(warehouse_of(tmp_path / "w.duckdb", made.world), tmp_path / "none")
    assert {row["reason"] for row in rows[tables.PREVALENCE.name]} == {marts.NOBODY}
    assert all(row.get("verified_share") is None for row in rows[tables.PREVALENCE.name])
    assert rows[tables.AGREEMENT.name] == []


def test_agreement_is_of_people_and_of_the_present_codings(made: Made) -> None:
    rows = made.rows[tables.AGREEMENT.name]
    (people,) = [row for row in rows if row["platform"] == "all" and row["pair"] == "people"
                 and row["measure"] == "agreement"]  # fmt: skip
    assert people["value"] == pytest.approx(0.95, abs=0.005)
    for platform in ("github", "huggingface"):
        (recall,) = [row for row in rows if row["platform"] == platform
                     and row["pair"] == "machine" and row["measure"] == "recall"
                     and row["theme"] == "usage_problem"]  # fmt: skip
        own = [row for row in made.world.of(platform) if row["true"] == "usage_problem"]
        true = sum(shown(row) == "usage_problem" for row in own) / len(own)
        assert recall["value_low"] <= true <= recall["value_high"]


def test_two_machines_are_compared_on_what_both_coded(made: Made, tmp_path: Path) -> None:
    path = warehouse_of(tmp_path / "w.duckdb", made.world)
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "INSERT INTO core.fct_message_theme SELECT * REPLACE ('llm' AS coder)"
            " FROM core.fct_message_theme WHERE message_key LIKE 'github%'"
        )
    rows = made_of(path, tmp_path / "none")
    pairs = [row for row in rows[tables.AGREEMENT.name] if row["measure"] == "agreement"]
    assert [(row["platform"], row["coder"], row["other_coder"], row["value"]) for row in pairs] == [
        ("github", "linear", "llm", 1.0)
    ]
    known = {(row["platform"], row["coder"]) for row in rows[tables.PREVALENCE.name]}
    assert known == {("github", "linear"), ("github", "llm"), ("huggingface", "linear")}


def test_commit_messages_are_counted(made: Made) -> None:
    rows = [row for row in made.rows[tables.MESSAGE_QUALITY.name] if row["slice"] == "all"]
    assert sum(row["commit_count"] for row in rows) == 49
    kinds: Counter[str] = Counter()
    for row in rows:
        kinds[row["kind"]] += row["commit_count"]
    assert kinds == {"template": 13, "substantive": 12, "trivial": 24}


def test_a_sample_needs_codings(tmp_path: Path, made: Made) -> None:
    path = warehouse_of(tmp_path / "w.duckdb", made.world)
    with duckdb.connect(str(path)) as connection:
        connection.execute("DELETE FROM core.fct_message_theme")
    with pytest.raises(PermanentFailure, match="coded"):
        draw_from_warehouse(path, STUDY, tmp_path / "s", "first")


# ---------------------------------------------------------------- checks


def outcome(path: Path, check: str, table: StudyTable) -> Any:
    return checks.CHECKS[check](path, STUDY.name, checks.RULES[table.name])


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_checks_are_green_on_what_the_study_computes(made: Made, table: StudyTable) -> None:
    found = outcome(made.path, "figures_fit", table)
    assert found.passed, found
    assert outcome(made.path, "grain_is_unique", table).passed
    if table is tables.PREVALENCE:
        assert outcome(made.path, "themes_add_up", table).passed
    if table in (tables.FRAME, tables.MESSAGE_QUALITY):
        assert outcome(made.path, "shares_add_up", table).passed


@pytest.fixture
def changed(made: Made, tmp_path: Path) -> Callable[[str], Path]:
    def change(statement: str) -> Path:
        path = tmp_path / "changed.duckdb"
        path.write_bytes(made.path.read_bytes())
        with duckdb.connect(str(path)) as connection:
            connection.execute(statement)
        return path

    return change


BROKEN = {
    (tables.PREVALENCE, "a theme of the codebook"): "theme = 'rumour'",
    (tables.PREVALENCE, "counts within the messages"): "primary_count = message_count + 1",
    (tables.PREVALENCE, "share is count over messages"): "uncorrected_share = 0.999",
    (tables.PREVALENCE, "shares from 0 to 1"): "distinct_share = 1.5",
    (tables.PREVALENCE, "intervals hold their value"): "rogan_gladen_low = 1",
    (tables.PREVALENCE, "corrected or with a reason"):
        "prediction_powered_share = NULL, reason = NULL",
    (tables.PREVALENCE, "what is primary applies"): "applies_share = -0.1",
    (tables.PREVALENCE, "nobody verified, nothing corrected"): "verified_count = 0",
    (tables.AGREEMENT, "a known measure"): "measure = 'luck'",
    (tables.AGREEMENT, "a value or a reason"): "value = NULL, reason = NULL",
    (tables.AGREEMENT, "at most 1"): "value = 1.1",
    (tables.AGREEMENT, "shares not below 0"): "value = -0.1",
    (tables.AGREEMENT, "interval holds its value"): "value_low = 2",
    (tables.AGREEMENT, "of a theme where it is of one"): "theme = 'others'",
    (tables.FRAME, "counted"): "message_count = 0",
    (tables.FRAME, "shares from 0 to 1"): "share = 1.2",
    (tables.MESSAGE_QUALITY, "counted"): "repository_count = commit_count + 1",
    (tables.MESSAGE_QUALITY, "a known kind"): "kind = 'poem'",
    (tables.MESSAGE_QUALITY, "shares from 0 to 1"): "share = 0",
}  # fmt: skip


@pytest.mark.parametrize(("table", "rule"), BROKEN, ids=lambda one: getattr(one, "name", one))
def test_each_rule_is_red_where_it_is_broken(
    changed: Callable[[str], Path], table: StudyTable, rule: str
) -> None:
    path = changed(f"UPDATE {table.name} SET {BROKEN[table, rule]}")
    found = outcome(path, "figures_fit", table)
    assert not found.passed
    assert rule in found.metadata


def test_every_rule_has_its_broken_rows() -> None:
    assert set(BROKEN) == {(rules.table, rule) for rules in checks.ALL_RULES
                           for rule in rules.figures}  # fmt: skip


@pytest.mark.parametrize(
    ("check", "table", "statement"),
    [
        *(
            ("grain_is_unique", table, "INSERT INTO {0} SELECT * FROM {0} LIMIT 1")
            for table in TABLES
        ),
        ("themes_add_up", tables.PREVALENCE, "DELETE FROM {0} WHERE theme = 'others'"),
        ("shares_add_up", tables.FRAME, "UPDATE {0} SET share = share / 2"),
        ("shares_add_up", tables.MESSAGE_QUALITY, "DELETE FROM {0} WHERE kind = 'template'"),
    ],
)
def test_other_checks_are_red(
    changed: Callable[[str], Path], check: str, table: StudyTable, statement: str
) -> None:
    assert not outcome(changed(statement.format(table.name)), check, table).passed


def test_codings_that_are_not_whole_are_red(made: Made, changed: Callable[[str], Path]) -> None:
    assert checks.codings_are_whole(made.path).passed
    for statement in (
        "DELETE FROM core.fct_message_theme WHERE theme = 'others' AND coder_version = 'v1'",
        "UPDATE core.fct_message_theme SET is_primary = true",
        "UPDATE core.fct_message_theme SET probability = 0.3",
    ):
        assert not checks.codings_are_whole(changed(statement)).passed


def test_checks_know_all_tables() -> None:
    assert set(checks.RULES) == {table.name for table in TABLES}
    assert figures.RULES.keys().isdisjoint(checks.RULES)


# ---------------------------------------------------------------- what is taken back


def test_texts_that_are_gone_leave_the_samples(made: Made, tmp_path: Path) -> None:
    from unittest.mock import patch

    from assets.study.themes.coding import Text
    from assets.study.themes.fieldwork import blank_texts
    from assets.study.themes.verification import read_sample

    path, folder = warehouse_of(tmp_path / "w.duckdb", made.world), tmp_path / "samples"

    def texts(_: Any, keys: list[str]) -> Any:
        yield [Text(key, f"canary of {key}", "words") for key in keys]

    with patch.object(corpus, "texts_of", texts):
        drawn = draw_from_warehouse(path, STUDY, folder, "first")
    assert blank_texts(path, folder) == 0
    gone, stays = drawn.keys[:2]
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "UPDATE study.message_corpus SET state = 'empty' WHERE message_key = $key",
            {"key": gone},
        )
    assert blank_texts(path, folder) == 1
    found = read_sample(folder, "first")
    titles = dict(zip(found.keys, found.rows["title"].to_pylist(), strict=True))
    assert (titles[gone], titles[stays]) == (None, f"canary of {stays}")
    assert f"canary of {gone}".encode() not in (folder / "first" / "sample.parquet").read_bytes()
    assert found.sample("all").weight.sum() == drawn.sample("all").weight.sum()
