"""The marts of themes against figures counted by hand, and their checks on broken rows."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from databases import database
from themes_world import DAY, STUDY, World, in_slice, shown, warehouse_of, world_of

from assets.study.tables import StudyTable, open_warehouse, replace_study, table_of
from assets.study.themes import corpus, estimates, marts, tables
from assets.study.themes.codebook import THEMES
from assets.study.themes.fieldwork import draw_from_warehouse
from assets.study.themes.frame import coded_messages, frame_messages, repository_commits
from assets.study.themes.labels import Label, append_label
from checks import figures
from checks import themes as checks
from orchestration.failures import PermanentFailure


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
            tables.ESTIMATE.name: estimates.text_estimates(connection, STUDY, DAY),
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
    with database(path) as connection:
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
    with database(path) as connection:
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
    if table in (tables.FRAME, tables.MESSAGE_QUALITY, tables.ESTIMATE):
        assert outcome(made.path, "shares_add_up", table).passed


@pytest.fixture
def changed(made: Made, tmp_path: Path) -> Callable[[str], Path]:
    def change(statement: str) -> Path:
        path = tmp_path / "changed.duckdb"
        path.write_bytes(made.path.read_bytes())
        with database(path) as connection:
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
    (tables.ESTIMATE, "shares from 0 to 1"): "weighted_share = 1.1",
    (tables.ESTIMATE, "no error below zero"): "standard_error = -0.1",
    (tables.ESTIMATE, "interval holds its value"):
        "low = 1, high = 1, method = 'wilson', weighted_share = 0.5",
    (tables.ESTIMATE, "an interval or a reason"): "low = NULL, high = NULL, reason = NULL",
    (tables.ESTIMATE, "a census is certain"):
        "method = 'census', low = 0, high = 1, weighted_share = 0.5",
    (tables.ESTIMATE, "of repositories that have any"): "repository_count = sample_count + 1",
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
        ("shares_add_up", tables.ESTIMATE, "DELETE FROM {0} WHERE category = 'bug_report'"),
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
    with database(path) as connection:
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
