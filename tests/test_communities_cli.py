"""`osmoscope networks communities`: files of acts and edges, labels, what is told and refused."""

import csv
import gzip
import json
import random
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from orchestration.failures import OsmoscopeError
from orchestration.networks_cli import app

REAL = Path(__file__).parents[2] / "shared" / "data" / "network"
GROUPS, SIZE = 4, 12


def written(path: Path, rows: Iterable[Iterable[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def edges() -> list[tuple[str, str]]:
    """Four dense groups in a ring."""
    rng = random.Random(1)
    found = []
    for group in range(GROUPS):
        members = [f"g{group}/n{one}" for one in range(SIZE)]
        found += list(pairwise(members))
        found += [tuple(rng.sample(members, 2)) for _ in range(4 * SIZE)]
        found.append((members[0], f"g{(group + 1) % GROUPS}/n0"))
    return found


def acts() -> list[tuple[str, str, str]]:
    """Actors of four groups, each on three of its group's six repositories."""
    rng = random.Random(2)
    return [
        (f"g{group}/a{one}", f"g{group}/r{repository}", f"2024-01-{1 + one:02d}T00:00:00Z")
        for group in range(GROUPS) for one in range(SIZE)
        for repository in rng.sample(range(6), 3)
    ]  # fmt: skip


def told(*arguments: object) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["communities", *map(str, arguments), "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(*arguments: object) -> OsmoscopeError:
    done = CliRunner().invoke(app, ["communities", *map(str, arguments)])
    assert isinstance(done.exception, OsmoscopeError), done.output
    return done.exception


def steady(figures: dict[str, Any]) -> dict[str, Any]:
    volatile = ("seconds", "peak_memory_bytes", "out", "file")
    return {name: value for name, value in figures.items() if name not in volatile}


@pytest.fixture
def edge_file(tmp_path: Path) -> Path:
    return written(tmp_path / "edges.csv", [("source", "target"), *edges()])


def test_groups_of_an_edge_list_are_found_and_agree_with_labels(
    edge_file: Path, tmp_path: Path
) -> None:
    nodes = [f"g{group}/n{one}" for group in range(GROUPS) for one in range(SIZE)]
    rows = [(node, node.split("/")[0]) for node in nodes[1:]]
    labels = written(
        tmp_path / "labels.csv", [("node", "label"), *rows, ("stranger", "g0"), (nodes[1], "also")]
    )
    found = told(edge_file, "--runs", 10, "--seed", 3, "--labels", labels)
    assert (found["kind"], found["way"], found["nodes"]) == ("edges", "edges", GROUPS * SIZE)
    assert found["edges"] == len({frozenset(pair) for pair in edges()})
    assert found["repeated"] == len(edges()) - found["edges"]
    assert found["communities"] == GROUPS
    assert found["largest_communities"] == [SIZE] * GROUPS
    agreed = found["agreement"]
    assert (agreed["strangers"], agreed["unlabelled_nodes"]) == (1, 1)
    assert agreed["nodes_of_several_labels"] == 1
    assert agreed["size_weighted_purity"]["observed"] == 1.0
    assert agreed["mean_dominance_share_of_all_members"]["observed"] == pytest.approx(
        1 - 1 / SIZE / GROUPS
    )
    assert agreed["ami"]["observed"] == pytest.approx(1.0)
    assert agreed["ami"]["p"] == pytest.approx(1 / 201)


def test_two_runs_give_the_same_and_rows_order_changes_nothing(
    edge_file: Path, tmp_path: Path
) -> None:
    shuffled = edges()
    random.Random(5).shuffle(shuffled)
    other = written(tmp_path / "other.csv", [("target", "source"), *(p[::-1] for p in shuffled)])
    outs = [tmp_path / f"{one}.parquet" for one in range(3)]
    found = [
        steady(told(file, "--runs", 5, "--seed", 1, "--out", out))
        for file, out in zip((edge_file, edge_file, other), outs, strict=True)
    ]
    assert found[0] == found[1] == found[2]
    assert outs[0].read_bytes() == outs[1].read_bytes() == outs[2].read_bytes()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_every_node_has_its_community_in_a_file(edge_file: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"found.{kind}"
    figures = told(edge_file, "--runs", 5, "--out", out)
    if kind == "csv":
        with out.open(encoding="utf-8") as file:
            rows = [(row["node"], int(row["community"])) for row in csv.DictReader(file)]
    else:
        rows = [(row["node"], row["community"]) for row in pq.read_table(out).to_pylist()]
    assert rows == sorted(rows, key=lambda row: (row[1], row[0]))
    assert len({node for node, _ in rows}) == len(rows) == figures["nodes"]
    assert len({(node.split("/")[0], of) for node, of in rows}) == GROUPS


def test_columns_without_names_are_edges_and_a_third_their_weight(tmp_path: Path) -> None:
    bare = written(tmp_path / "bare.csv", [(1, 2), (2, 3), (3, 3), (5, 4)])
    found = told(bare, "--runs", 3)
    assert (found["nodes"], found["edges"], found["loops"]) == (5, 3, 1)
    weighted = written(
        tmp_path / "weighted.csv",
        [("source", "target", "weight"), ("a", "b", 9), ("c", "d", 9), ("b", "c", 0.1),
         ("a", "d", 0), ("a", "c", "")],
    )  # fmt: skip
    found = told(weighted, "--runs", 3)
    assert (found["edges"], found["rows_skipped"], found["communities"]) == (3, 2, 2)


@pytest.mark.parametrize(
    ("options", "way"),
    [((), "projection"), (("--weight", "newman", "--method", "leiden"), "projection"),
     (("--graph", "bipartite"), "bipartite"), (("--window", "400d"), "projection"),
     (("--mode", "repository", "--window", "5d"), "projection")],
)  # fmt: skip
def test_groups_of_acts_are_found(tmp_path: Path, options: tuple[str, ...], way: str) -> None:
    file = written(tmp_path / "acts.csv", [("actor", "repository", "occurred_at"), *acts()])
    out = tmp_path / "out.csv"
    found = told(file, "--runs", 5, "--out", out, *options)
    assert (found["kind"], found["way"]) == ("acts", way)
    assert found["semantics"] == ("pairwise_gap" if "--window" in options else "none")
    with out.open(encoding="utf-8") as lines:
        rows = [(row["node"].split("/")[0], row["community"]) for row in csv.DictReader(lines)]
    assert len(rows) == len({act["repository" in options] for act in acts()})
    assert len({group for group, _ in rows}) == GROUPS
    # No community has nodes of two groups, which nothing links.
    assert len(dict.fromkeys(rows)) == len({of for _, of in rows})


def test_a_projection_that_does_not_fit_is_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path / "acts.csv", [("actor", "repository", "occurred_at"), *acts()])
    monkeypatch.setenv("OSMOSCOPE_STUDY__NETWORKS__MOST_PROJECTION_GB", "0.000001")
    found = told(file, "--runs", 5)
    assert (found["way"], found["weight"]) == ("implicit", "newman")
    assert "never built" in found["note"]
    assert found["communities"] == GROUPS
    assert "GB" in str(refused(file, "--window", "5d"))


def test_people_are_told_the_same(edge_file: Path) -> None:
    done = CliRunner().invoke(
        app, ["communities", str(edge_file), "--runs", "3", "--sweep", "0.5,2"]
    )
    assert done.exit_code == 0
    lines = dict(line.split(maxsplit=1) for line in done.output.splitlines() if " " in line.strip())
    assert lines["communities"].strip() == str(GROUPS)
    assert "resolution_sweep" in lines


@pytest.mark.parametrize(
    ("options", "says"),
    [(("--method", "walktrap"), "no method walktrap"), (("--weight", "x"), "no weight x"),
     (("--graph", "x"), "no graph x"), (("--sweep", "a"), "no list of numbers"),
     (("--out", "x.txt"), "no kind that is written")],
)  # fmt: skip
def test_wrong_options_are_refused(edge_file: Path, options: tuple[str, ...], says: str) -> None:
    assert says in refused(edge_file, *options).message


def test_wrong_files_are_refused(edge_file: Path, tmp_path: Path) -> None:
    assert "no file" in refused(tmp_path / "none.csv").message
    strangers = written(tmp_path / "labels.csv", [("node", "label"), ("x", "y")])
    assert "No node" in refused(edge_file, "--runs", 2, "--labels", strangers).message
    wide = written(tmp_path / "wide.csv", [("a", "b", "c", "d"), (1, 2, 3, 4)])
    assert "lacks the columns" in refused(wide).message
    text = written(tmp_path / "text.csv", [("source", "target", "weight"), ("a", "b", "much")])
    assert "numbers" in refused(text).message


# --- recorded data


def real(name: str) -> Path:
    path = REAL / name
    if not path.is_file():
        pytest.skip(f"no recorded file {path}")
    return path


def test_recorded_followers_are_an_edge_list_without_a_header() -> None:
    found = told(real("musae_git_edges.csv.gz"), "--runs", 4, "--seed", 1)
    assert (found["nodes"], found["edges"], found["loops"]) == (37_700, 289_003, 0)
    # networkx reaches 0.45 to 0.46 on this graph.
    assert found["run_modularity_mean"] > 0.44
    assert found["modularity"] > 0.44


def test_recorded_contributors_are_found_by_their_organisations(tmp_path: Path) -> None:
    path = real("filecoin_github_events_2025.csv.gz")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = {(row["git_user"], row["git_repo"].split("/")[0]) for row in csv.DictReader(lines)}
    labels = written(tmp_path / "labels.csv", [("node", "label"), *sorted(rows)])
    found = told(path, "--actor", "git_user", "--repository", "git_repo", "--occurred-at", "date",
                 "--runs", 10, "--labels", labels, "--permutations", 50)  # fmt: skip
    assert found["nodes"] == 1_363
    assert found["agreement"]["labelled_nodes"] == 1_363
    assert found["agreement"]["size_weighted_purity"]["observed"] > 0.8
    assert found["agreement"]["ami"]["z"] > 50
