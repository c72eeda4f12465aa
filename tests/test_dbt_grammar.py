"""Naming and documentation rules of the dbt project, checked on the parsed manifest.

Belongs here: what must hold of every model, source test and seed by name and description. Does not
belong here: what the models compute (test_dbt_models.py). Parsing needs no warehouse and no lake.
"""

import copy
import re
from typing import Any

import pytest
from dbt_support import environment_kept, parsed

WORDS = r"[a-z]+(?:_[a-z]+)*"
SOURCES = "github|huggingface"
MODEL_NAMES = {
    "staging": rf"stg_(?:{SOURCES})__{WORDS}(?:_v[12])?",
    "intermediate": rf"int_{WORDS}__[a-z]+",
    "core": rf"(?:dim|fct|bridge)_{WORDS}|source_hour|source_coverage_daily"
    r"|repository_name_history|api_request|actor_review_queue|identity_suggestion",
    "marts": rf"mart_{WORDS}",
}
SUFFIXES = ("_id", "_key", "_at", "_on", "_count", "_share", "_rate", "_value")
TYPE_OF_SUFFIX = {
    "_at": {"timestamp"},
    "_on": {"date"},
    "_count": {"bigint"},
    "_share": {"double"},
    "_key": {"varchar"},
}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The parsed project, as plain dictionaries by unique id."""
    with environment_kept():
        manifest: dict[str, Any] = parsed(tmp_path_factory.getbasetemp())[0].to_dict()
    return {
        **manifest["nodes"],
        **{f"unit_test:{key}": value for key, value in manifest["unit_tests"].items()},
        **{f"source:{key}": value for key, value in manifest["sources"].items()},
    }


def of_type(nodes: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [node for node in nodes.values() if node["resource_type"] == kind]


def misnamed_models(nodes: dict[str, Any]) -> list[str]:
    return [
        node["name"]
        for node in of_type(nodes, "model")
        if not re.fullmatch(MODEL_NAMES.get(node["schema"], "(?!)"), node["name"])
    ]


def without_grain(nodes: dict[str, Any]) -> list[str]:
    """Every model, seed and source table says its grain in one sentence, first thing."""
    return [
        node["name"]
        for kind in ("model", "seed", "source")
        for node in of_type(nodes, kind)
        if not re.match(r"Grain: one [^.]+", node["description"])
    ]


def untested_models(nodes: dict[str, Any]) -> list[str]:
    tested = {parent for test in of_type(nodes, "test") for parent in test["depends_on"]["nodes"]}
    return [node["name"] for node in of_type(nodes, "model") if node["unique_id"] not in tested]


def misnamed_mart_columns(nodes: dict[str, Any]) -> list[str]:
    """Suffix and type agree, booleans say so, and each column has a description and a type."""
    wrong = []
    for node in of_type(nodes, "model"):
        for column in node["columns"].values() if node["schema"] == "marts" else []:
            name, kind = column["name"], (column["data_type"] or "").lower()
            suffix = next((s for s in SUFFIXES if name.endswith(s)), None)
            if (
                not re.fullmatch(r"[a-z][a-z0-9_]*", name)
                or not column["description"]
                or not kind
                or (kind == "boolean") != name.startswith(("is_", "has_"))
                or (suffix in TYPE_OF_SUFFIX and kind not in TYPE_OF_SUFFIX[str(suffix)])
                or (kind == "timestamp" and suffix != "_at")
                or (kind == "date" and suffix != "_on" and name != "day")
            ):
                wrong.append(f"{node['name']}.{name}")
    return wrong


def crossing_tests(nodes: dict[str, Any]) -> list[str]:
    """A test that reads both sets would run, and fail, when only one of them was built."""
    sets = {node["unique_id"]: "by_day" in node["tags"] for node in of_type(nodes, "model")}
    kinds = {
        test["name"]: {sets[parent] for parent in test["depends_on"]["nodes"] if parent in sets}
        for test in of_type(nodes, "test")
    }
    return [name for name, kind in kinds.items() if len(kind) > 1]


def day_models_on_snapshots(nodes: dict[str, Any]) -> list[str]:
    """The archive-day set never waits for the rest, or the two asset sets would be a cycle."""
    return [
        node["name"]
        for node in of_type(nodes, "model")
        if "by_day" in node["tags"]
        and any(
            "by_day" not in nodes[parent]["tags"]
            for parent in node["depends_on"]["nodes"]
            if parent in nodes
        )
    ]


def unnamed_tests(nodes: dict[str, Any]) -> list[str]:
    """A test named by hand starts with its model (or seed), and its name is used once."""
    owners = [node["name"] for kind in ("model", "seed") for node in of_type(nodes, kind)]
    names = [test["name"] for test in of_type(nodes, "test") if test.get("test_metadata")]
    return [
        name
        for name in names
        if names.count(name) > 1 or name.split("__", 1)[0] == name
        or not any(name.startswith(owner + "__") for owner in owners)
    ]  # fmt: skip


RULES = [
    misnamed_models,
    without_grain,
    untested_models,
    misnamed_mart_columns,
    crossing_tests,
    day_models_on_snapshots,
    unnamed_tests,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_holds(nodes: dict[str, Any], rule: Any) -> None:
    assert rule(nodes) == []


def test_every_model_is_in_exactly_one_set(nodes: dict[str, Any]) -> None:
    for node in of_type(nodes, "model") + of_type(nodes, "seed"):
        assert len({"by_day", "snapshot"} & set(node["tags"])) == 1, node["name"]


def test_schemas_are_bare_and_marts_are_contracts(nodes: dict[str, Any]) -> None:
    assert {node["schema"] for node in of_type(nodes, "model")} == set(MODEL_NAMES)
    assert {node["schema"] for node in of_type(nodes, "seed")} == {"seeds"}
    for node in of_type(nodes, "model"):
        assert node["contract"]["enforced"] == (node["schema"] == "marts"), node["name"]


def test_rules_are_red_on_a_bad_project(nodes: dict[str, Any]) -> None:
    bad = copy.deepcopy(nodes)
    mart = bad["model.osmoscope.mart_coverage"]
    mart["name"], mart["description"] = "coverage", "Coverage."
    mart["columns"]["seen_count"]["data_type"] = "varchar"
    fact = bad["model.osmoscope.fct_repository_daily"]
    fact["depends_on"]["nodes"].append("model.osmoscope.dim_actor")
    tests = [node for node in bad.values() if node["resource_type"] == "test"]
    for test in tests:
        parents = test["depends_on"]["nodes"]
        if "model.osmoscope.dim_actor" in parents:
            parents.remove("model.osmoscope.dim_actor")
    crossing = next(t for t in tests if t["name"] == "daily_rows_hold_every_act")
    crossing["depends_on"]["nodes"].append("model.osmoscope.mart_coverage")
    named = next(t for t in tests if t["name"] == "source_hour__grain_unique")
    named["name"] = "unique_together"
    assert misnamed_models(bad) == ["coverage"]
    assert without_grain(bad) == ["coverage"]
    assert untested_models(bad) == ["dim_actor"]
    assert misnamed_mart_columns(bad) == ["coverage.seen_count"]
    assert crossing_tests(bad) == ["daily_rows_hold_every_act"]
    assert day_models_on_snapshots(bad) == ["fct_repository_daily"]
    assert "unique_together" in unnamed_tests(bad)
