"""The structure that the documents promise: one direction of imports, Dagster at the edge only."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("orchestration", "assets", "checks", "twin")
# Lowest first: a layer imports from its own and from those before it.
LAYERS = [
    [
        "orchestration.memory", "orchestration.dbt_command",
        "orchestration.settings", "orchestration.keys", "orchestration.partitions",
        "orchestration.failures", "orchestration.lake", "orchestration.journal",
        "orchestration.spreadsheets", "orchestration.manifest", "orchestration.parquet",
        "orchestration.privacy", "orchestration.salt",
        "orchestration.clients", "orchestration.resources", "orchestration.metadata",
    ],
    ["assets"],
    ["checks"],
    [
        "orchestration.build", "orchestration.jobs", "orchestration.schedules",
        "orchestration.events", "orchestration.ahead", "orchestration.runs",
        "orchestration.status", "orchestration.demo", "orchestration.definitions",
        "orchestration.mining_cli", "orchestration.twin_cli",
        "orchestration.actors_cli", "orchestration.privacy_cli", "orchestration.sample_cli",
        "orchestration.terminal", "orchestration.compare_cli", "orchestration.networks_options",
        "orchestration.communities_cli",
        "orchestration.networks_export_cli", "orchestration.networks_cli",
        "orchestration.themes_classify_cli", "orchestration.themes_codes_cli",
        "orchestration.themes_label_cli", "orchestration.themes_llm_cli",
        "orchestration.themes_verification_cli", "orchestration.themes_cli",
        "orchestration.cli",
    ],
]  # fmt: skip
DAGSTER_MODULES = {"dagster", "dagster_dbt", "dagster_duckdb"}
# Modules of the lowest layer that are Dagster's side of it.
DAGSTER_BELOW = {
    "orchestration.keys", "orchestration.partitions", "orchestration.resources",
    "orchestration.metadata",
}  # fmt: skip


def modules() -> list[tuple[str, Path]]:
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if path.name != "__init__.py":
                found.append((name, path))
    return found


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def layer(name: str) -> int | None:
    for number, prefixes in enumerate(LAYERS):
        if any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes):
            return number
    return None


def too_high(name: str, imported: list[str]) -> list[str]:
    """Imports of a module that lie in a layer above its own."""
    own = layer(name)
    above = [other for other in imported if own is not None and (layer(other) or 0) > own]
    # The demonstration and nothing else of the platform knows the twin.
    if name.startswith("twin"):
        above += [other for other in imported if layer(other) is not None]
    return above


@pytest.mark.parametrize(("name", "path"), modules())
def test_imports_point_one_way(name: str, path: Path) -> None:
    assert layer(name) is not None or name.startswith("twin"), f"{name} is in no layer"
    assert too_high(name, imports(path)) == []


def test_an_import_upwards_is_seen() -> None:
    assert too_high("assets.github.ingest", ["orchestration.build"]) == ["orchestration.build"]
    assert too_high("orchestration.lake", ["assets.github.ingest"]) == ["assets.github.ingest"]
    assert too_high("twin.world", ["orchestration.lake"]) == ["orchestration.lake"]
    assert too_high("checks.assets", ["assets.github", "orchestration.keys"]) == []


@pytest.mark.parametrize(("name", "path"), modules())
def test_dagster_is_at_the_edge(name: str, path: Path) -> None:
    at_edge = (
        name.endswith(".assets")
        or name == "assets.registry"
        or name in DAGSTER_BELOW
        or name.startswith(tuple(LAYERS[3]))
    )
    used = {imported.split(".")[0] for imported in imports(path)} & DAGSTER_MODULES
    assert at_edge or not used


@pytest.mark.parametrize(("name", "path"), modules())
def test_a_module_opens_with_its_charter(name: str, path: Path) -> None:
    assert ast.get_docstring(parsed(path)), name


@pytest.mark.parametrize("name", ["cli", "definitions", "dbt_command"])
def test_what_starts_a_process_sets_its_memory_up_first(name: str) -> None:
    ours = {"orchestration", "assets", "checks", "twin", "dagster", "duckdb", "dbt"}
    found = imports(ROOT / "orchestration" / f"{name}.py")
    assert next(name for name in found if name.split(".")[0] in ours) == "orchestration.memory"


def test_package_markers_are_empty() -> None:
    markers = [
        path for package in (*PACKAGES, "bench") for path in (ROOT / package).rglob("__init__.py")
    ]
    assert markers
    assert [str(path) for path in markers if path.stat().st_size] == []


def test_docs_say_of_every_mart_what_its_weighted_form_is() -> None:
    from orchestration import keys

    text = (ROOT / "docs" / "sampling.md").read_text(encoding="utf-8")
    told = text[text.index("## Every table, weighted") :].split("\n\n")[2]
    marts = {key.path[-1] for key in (*keys.MARTS_OF_STUDY, *keys.MARTS_OF_DBT)}
    assert {name for name in marts if f"`{name}`" not in told} == set()
