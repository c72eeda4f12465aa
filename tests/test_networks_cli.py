"""`osmoscope networks measure`: formats, columns, options, what is told and what is refused."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from assets.study.networks.acts import SECOND
from assets.study.networks.files import read_acts
from orchestration.failures import OsmoscopeError
from orchestration.networks_cli import app

# Actor, repository, day of January 2024, hour; the second ana is another name.
ROWS = [("ana", "x/one", 1, 0), ("ana", "x/two", 3, 0), ("bob", "x/one", 1, 12),
        ("bob", "x/three", 31, 0), ("Ana", "x/two", 3, 1), ("ana", "x/three", 31, 23),
        ("eve", "x/four", 2, 0), ("ana", "x/one", 1, 0)]  # fmt: skip

FORMATS = {
    "csv": "(HEADER)",
    "csv.gz": "(HEADER, COMPRESSION gzip)",
    "tsv": "(FORMAT csv, HEADER, DELIMITER '\t')",
    "parquet": "(FORMAT parquet)",
    "json": "(FORMAT json, ARRAY)",
    "jsonl": "(FORMAT json)",
    "ndjson.gz": "(FORMAT json, COMPRESSION gzip)",
}


def written(
    folder: Path, kind: str, more: str = "", names: str = "actor, repository, occurred_at"
) -> Path:
    """The rows as a file."""
    values = ", ".join(
        f"('{actor}', '{repository}', TIMESTAMP '2024-01-{day:02d} {hour:02d}:00:00')"
        for actor, repository, day, hour in ROWS
    )
    path = folder / f"acts.{kind}"
    duckdb.sql(
        f"COPY (SELECT * FROM (VALUES {values}{more}) AS act({names})) TO '{path}' {FORMATS[kind]}"
    )
    return path


def told(*arguments: object) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["measure", *map(str, arguments), "--json"])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(*arguments: object) -> OsmoscopeError:
    done = CliRunner().invoke(app, ["measure", *map(str, arguments)])
    assert isinstance(done.exception, OsmoscopeError), done.output
    return done.exception


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_figures(kind: str, tmp_path: Path) -> None:
    found = told(written(tmp_path, kind), "--mode", "actor", "--window", "1d")
    assert found | {"seconds": 0, "peak_memory_bytes": 0} == {
        "file": str(tmp_path / f"acts.{kind}"),
        "mode": "actor",
        "semantics": "pairwise_gap",
        "window": "1d",
        "snapshot": None,
        "nodes": 4,
        "active_nodes": 4,
        "hubs": 4,
        "memberships": 7,
        "edges": 2,
        "connected_rate": 0.75,
        "average_degree_all": 1.0,
        "average_degree_connected": pytest.approx(4 / 3),
        "max_degree": 2,
        "rows": 8,
        "rows_skipped": 0,
        "seconds": 0,
        "peak_memory_bytes": 0,
    }
    assert found["average_degree_all"] == pytest.approx(
        found["average_degree_connected"] * found["connected_rate"]
    )
    assert 0 < found["seconds"] < 300
    assert 10e6 < found["peak_memory_bytes"] < 10e9


@pytest.mark.parametrize(
    ("options", "edges"),
    [
        # ana with bob twelve hours, Ana one hour, and ana with bob 23 hours apart.
        (("--window", "12h"), {"actor": 2, "repository": 0}),
        (("--window", "11h"), {"actor": 1, "repository": 0}),
        (("--window", "2d"), {"actor": 2, "repository": 1}),
        (("--window", "inf"), {"actor": 2, "repository": 3}),
        (("--semantics", "none"), {"actor": 2, "repository": 3}),
        (("--semantics", "trailing", "--window", "23h"), {"actor": 1, "repository": 0}),
        (
            ("--semantics", "trailing", "--window", "3d", "--snapshot", "2024-01-03"),
            {"actor": 1, "repository": 1},
        ),
        (
            (
                "--semantics",
                "trailing",
                "--window",
                "3d",
                "--snapshot",
                "2024-01-03T02:00:00+01:00",
            ),
            {"actor": 2, "repository": 1},
        ),
        (("--semantics", "calendar", "--window", "1m"), {"actor": 2, "repository": 3}),
        (("--semantics", "calendar", "--window", "1d"), {"actor": 2, "repository": 0}),
    ],
)
def test_windows_and_modes(options: tuple[str, ...], edges: dict[str, int], tmp_path: Path) -> None:
    path = written(tmp_path, "csv")
    for mode, count in edges.items():
        assert told(path, "--mode", mode, *options)["edges"] == count


def test_columns_of_other_names_and_rows_that_lack_one(tmp_path: Path) -> None:
    more = ", (NULL, 'x/one', TIMESTAMP '2024-01-01'), ('', 'x/one', TIMESTAMP '2024-01-01')"
    more += ", ('zoe', NULL, TIMESTAMP '2024-01-01'), ('zoe', 'x/one', NULL)"
    path = written(tmp_path, "csv", more, '"the ""actor""", "re\'po", "when"')
    names = ("--actor", 'the "actor"', "--repository", "re'po", "--occurred-at", "when")
    found = told(path, "--mode", "actor", *names)
    assert (found["nodes"], found["rows"], found["rows_skipped"]) == (4, 12, 4)
    # Without a window no time is needed, and zoe is there.
    found = told(path, "--mode", "actor", "--semantics", "none", *names)
    assert (found["nodes"], found["rows_skipped"]) == (5, 3)


def test_times_may_be_missing_where_no_window_needs_them(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("actor,repository\n1,a\n001,a\n1,a\n1e0,b\n", encoding="utf-8")
    found = told(path, "--semantics", "none", "--mode", "actor", "--distribution")
    # Names are texts: 1, 001 and 1e0 are three.
    assert (found["nodes"], found["edges"], found["memberships"]) == (3, 1, 3)
    assert found["distribution"] == [[0, 1], [1, 2]]
    assert "occurred_at" in str(refused(path, "--mode", "actor"))


def test_times_have_zones_and_codes_follow_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "zones.jsonl"
    rows = [("b", "2024-01-01T00:00:00+02:00"), ("a", "2023-12-31T22:00:00Z"),
            ("b", "2023-12-31 22:00:00.000001")]  # fmt: skip
    path.write_text(
        "\n".join(json.dumps({"actor": a, "repository": "r", "occurred_at": t}) for a, t in rows)
    )
    table = read_acts(path)
    assert (table.actors.tolist(), table.acts.actor.tolist()) == (["b", "a"], [0, 1, 0])
    assert (table.acts.first - 1_704_060_000 * SECOND).tolist() == [0, 0, 1]


def test_no_row_is_a_network_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    path.write_text("actor,repository,occurred_at\n", encoding="utf-8")
    found = told(path)
    assert (found["nodes"], found["edges"], found["connected_rate"]) == (0, 0, None)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--mode", "user"), "no mode user"),
        (("--semantics", "sliding"), "no window semantics sliding"),
        (("--window", "a year"), "no width"),
        (("--window", "1y"), "no fixed length"),
        (("--snapshot", "2024-01-01"), "no snapshot"),
        (("--semantics", "trailing", "--snapshot", "yesterday"), "no instant"),
        (("--semantics", "calendar", "--window", "0d"), "no window"),
        (("--occurred-at", "day"), "lacks the columns day"),
        (("--occurred-at", "actor"), "cannot be used"),
    ],
)
def test_what_is_refused(arguments: tuple[str, ...], text: str, tmp_path: Path) -> None:
    found = refused(written(tmp_path, "csv"), *arguments)
    assert text in str(found)
    assert found.remedy


def test_files_that_are_refused(tmp_path: Path) -> None:
    (tmp_path / "acts.xlsx").write_text("x")
    (tmp_path / "acts.parquet").write_text("x")
    assert "no kind that is read" in str(refused(tmp_path / "acts.xlsx"))
    assert "There is no file" in str(refused(tmp_path / "acts.csv"))
    assert "cannot be used" in str(refused(tmp_path / "acts.parquet"))


def test_figures_are_printed_for_people_too(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["measure", str(written(tmp_path, "csv"))])
    assert done.exit_code == 0
    assert "average_degree_all       1.5" in done.stdout
