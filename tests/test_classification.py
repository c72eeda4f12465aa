"""Evaluations of the classification that are kept, and the mart made of them."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from command import run
from databases import database

from assets.study.classification import TABLE, actor_evaluation, keep
from orchestration.failures import PermanentFailure
from orchestration.settings import Settings

DAY = date(2026, 5, 1)


def evaluation(**changes: Any) -> dict[str, Any]:
    figure = {"value": 0.9, "low": 0.8, "high": 0.95}
    unknown = {"value": None, "low": None, "high": None}
    rows = [
        {"layer": "curated lists", "is_trained": False, "precision": unknown, "recall": figure,
         "f1": figure, "brier": None},
        {"layer": "the whole", "is_trained": True, "precision": figure, "recall": figure,
         "f1": figure, "brier": 0.03},
    ]  # fmt: skip
    told = {"accounts": 40, "bots": 20, "feature_count": 3, "fold_count": 5, "seed": 1}
    return {**told, "rows": rows, "reliability": {}, **changes}


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    with database(path):
        pass
    return path


def read(path: Path, query: str) -> list[tuple[Any, ...]]:
    with database(path, read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_what_was_kept_is_the_mart(warehouse: Path, tmp_path: Path) -> None:
    keep(tmp_path, "ours", DAY, evaluation())
    keep(tmp_path, "theirs", DAY, evaluation(accounts=50))
    # The newer of one name stands.
    keep(tmp_path, "ours", DAY, evaluation(accounts=60))
    actor_evaluation(warehouse, "paper", tmp_path)
    actor_evaluation(warehouse, "other", tmp_path)
    found = read(
        warehouse,
        "select set_name, position, layer, account_count, precision, f1_low, brier"
        f" from {TABLE.name} where study = 'paper' order by all",
    )
    assert found == [
        ("ours", 1, "curated lists", 60, None, 0.8, None),
        ("ours", 2, "the whole", 60, 0.9, 0.8, 0.03),
        ("theirs", 1, "curated lists", 50, None, 0.8, None),
        ("theirs", 2, "the whole", 50, 0.9, 0.8, 0.03),
    ]


def test_nothing_kept_is_an_empty_mart(warehouse: Path, tmp_path: Path) -> None:
    assert actor_evaluation(warehouse, "paper", tmp_path) == []
    assert read(warehouse, f"select count(*) from {TABLE.name}") == [(0,)]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"rows": [{}]}', '{"rows": 1}'])
def test_a_damaged_evaluation_is_named(warehouse: Path, tmp_path: Path, text: str) -> None:
    keep(tmp_path, "ours", DAY, evaluation()).write_text(text)
    with pytest.raises(PermanentFailure, match=r"ours\.json"):
        actor_evaluation(warehouse, "paper", tmp_path)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 70, "a\n"])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(PermanentFailure, match="no name"):
        keep(tmp_path, name, DAY, evaluation())


def test_the_command_keeps_what_it_measured(warehouse: Path, tmp_path: Path) -> None:
    (tmp_path / "osmoscope.toml").touch()
    people = [f"person{k}-{name}" for k, name in enumerate("abcdefghijklmnopqrstuvwx" * 2)]
    lines = [f"{name},0" for name in people] + [f"{name}-bot,1" for name in people]
    (tmp_path / "labelled.csv").write_text("login,bot\n" + "\n".join(lines) + "\n")
    done = run(
        "actors", "evaluate", tmp_path / "labelled.csv", "--folds", "2", "--keep", "mine",
        "--json", folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    state = Settings.load(tmp_path / "osmoscope.toml").state_dir
    rows = actor_evaluation(warehouse, "paper", state)
    told = {one["layer"]: one["f1"]["value"] for one in json.loads(done.stdout)["rows"]}
    assert {row["layer"]: row["f1"] for row in rows} == told
    assert {row["account_count"] for row in rows} == {96}
