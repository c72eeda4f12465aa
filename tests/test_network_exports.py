"""Exported networks: read again by networkx and pyarrow, hostile names, the command."""

import gzip
import json
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import networkx as nx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from assets.study.networks.exports import (
    REPLACEMENT,
    WRITERS,
    described,
    export_network,
    with_attributes,
)
from assets.study.networks.projection import Projection
from orchestration.failures import OsmoscopeError, PermanentFailure
from orchestration.networks_cli import app

unhurried = settings(
    deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
READERS = {".graphml": nx.read_graphml, ".gexf": nx.read_gexf}
REAL = Path(__file__).parents[2] / "shared/data/network"
HOSTILE = ["<b>&amp;\"'</b>", "]]><!--", "a\x00b\x1b[31m", "r\rn\n\ttab", " ", "\ufffe😀é", "n0"]


def network(node_count: int, weights: dict[tuple[int, int], float]) -> Projection:
    edges = sorted(weights)
    i, j = (np.array([edge[side] for edge in edges], np.int32) for side in (0, 1))
    return Projection(node_count, i, j, np.array([weights[edge] for edge in edges], np.float64))


def table_of(names: list[str], **columns: Any) -> pa.Table:
    return pa.table({"name": pa.array(names, pa.string()), **columns})


def read_xml(path: Path) -> tuple[dict[int, dict[str, Any]], dict[tuple[int, int], float]]:
    found = READERS[path.suffix](path)
    nodes = {int(node): data for node, data in found.nodes(data=True)}
    edges = {
        (min(ends), max(ends)): weight
        for one, other, weight in found.edges(data="weight")
        for ends in [(int(one), int(other))]
    }
    return nodes, edges


def cleaned(text: str) -> str:
    """What an XML file holds of a text, character by character."""

    def is_held(code: int) -> bool:
        return code in (9, 10) or (code >= 32 and code not in (0xFFFE, 0xFFFF))

    return "".join(one if is_held(ord(one)) else REPLACEMENT for one in text)


WEIGHTS = st.dictionaries(
    st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda ends: ends[0] < ends[1]),
    st.floats(1e-6, 1e6),
)
TEXTS = st.text(min_size=1, max_size=8)


@unhurried
@example(
    weights={(0, 1): 0.1}, names=HOSTILE[:6], organisation=[HOSTILE[2], None] * 3, scores=[1] * 6
)
@given(
    weights=WEIGHTS,
    names=st.lists(TEXTS, min_size=6, max_size=6, unique=True),
    organisation=st.lists(st.none() | TEXTS, min_size=6, max_size=6),
    scores=st.lists(st.integers(-(2**53), 2**53), min_size=6, max_size=6),
)
@pytest.mark.parametrize("suffix", [".graphml", ".gexf"])
def test_xml_is_read_again_as_it_was(
    tmp_path: Path, suffix: str, weights: Any, names: Any, organisation: Any, scores: Any
) -> None:
    made = network(6, weights)
    nodes = table_of(
        names,
        organisation=pa.array(organisation, pa.string()),
        score=scores,
        share=[0.1, None, float("nan"), 1e300, -2.5, 0.0],
        is_staff=[True, False, None, True, False, True],
    )
    done = export_network(made, nodes, tmp_path / f"n{suffix}")
    found, edges = read_xml(tmp_path / f"n{suffix}")
    assert edges == pytest.approx(weights, rel=1e-12)
    assert (done.nodes, done.edges, done.files) == (6, len(weights), (tmp_path / f"n{suffix}",))
    texts = [text for text in (*names, *organisation) if text is not None]
    assert done.cleaned == sum(cleaned(text) != text for text in texts)
    rows = zip(nodes.to_pylist(), range(6), strict=True)
    for row, node in rows:
        expected = {
            name: cleaned(value) if isinstance(value, str) else value
            for name, value in row.items()
            if value is not None and value == value
        }
        assert {"label": expected.pop("name"), **expected} == found[node]


@unhurried
@example(weights={(0, 1): 0.1, (0, 5): 2.0}, names=HOSTILE[:6])
@given(weights=WEIGHTS, names=st.lists(TEXTS, min_size=6, max_size=6, unique=True))
def test_parquet_keeps_every_name(tmp_path: Path, weights: Any, names: Any) -> None:
    made = network(6, weights)
    nodes = table_of(names, score=pa.array([1, None, 3, 4, 5, 6]))
    done = export_network(made, nodes, tmp_path / "n.parquet")
    assert done.files == (tmp_path / "n.parquet", tmp_path / "n.nodes.parquet")
    assert done.cleaned == 0
    edges = pq.read_table(done.files[0]).to_pylist()
    assert [tuple(row.values()) for row in edges] == [
        (names[i], names[j], weight) for (i, j), weight in sorted(weights.items())
    ]
    assert list(pq.read_schema(done.files[0]).names) == ["source", "target", "weight"]
    assert pq.read_table(done.files[1]).equals(nodes)


@pytest.mark.parametrize("suffix", [".graphml", ".gexf", ".parquet"])
def test_equal_networks_are_equal_files_without_a_date(tmp_path: Path, suffix: str) -> None:
    made = network(3, {(0, 1): 1.0, (1, 2): 0.5})
    for name in ("a", "b"):
        nodes = described(made, pa.array(["x", "y", "z"]), seed=1)
        export_network(made, nodes, tmp_path / f"{name}{suffix}")
    one, other = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("a", "b"))
    assert one == other
    assert b"lastmodified" not in one


def test_an_empty_network_is_written(tmp_path: Path) -> None:
    made = network(0, {})
    for suffix in (".graphml", ".gexf", ".parquet"):
        nodes = described(made, pa.array([], pa.string()), seed=1)
        done = export_network(made, nodes, tmp_path / f"n{suffix}")
        assert (done.nodes, done.edges) == (0, 0)
        assert all(path.stat().st_size for path in done.files)


def test_hostile_names_of_attributes_make_no_markup(tmp_path: Path) -> None:
    nodes = table_of(["a"], **{'"><script>&\x01': ["x"]})
    for suffix in (".graphml", ".gexf"):
        export_network(network(1, {}), nodes, tmp_path / f"n{suffix}")
        text = (tmp_path / f"n{suffix}").read_text(encoding="utf-8")
        ElementTree.fromstring(text)
        assert "<script" not in text
        found, _ = read_xml(tmp_path / f"n{suffix}")
        assert found[0] == {"label": "a", f'"><script>&{REPLACEMENT}': "x"}


def test_other_kinds_of_values_are_texts(tmp_path: Path) -> None:
    day = np.array(["2025-01-02"], "datetime64[D]")
    export_network(network(1, {}), table_of(["a"], since=day), tmp_path / "n.gexf")
    found, _ = read_xml(tmp_path / "n.gexf")
    assert found[0]["since"] == "2025-01-02"


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    made = network(3, {(0, 1): 1.0, (1, 2): 1.0})
    nodes = table_of(["x", "y", "z"])
    with pytest.raises(PermanentFailure, match="is of no kind that is written") as told:
        export_network(made, nodes, tmp_path / "n.gml")
    assert ".graphml, .gexf, .parquet" in told.value.remedy
    for suffix in (".graphml", ".gexf"):
        out = tmp_path / f"n{suffix}"
        with pytest.raises(PermanentFailure, match=r"has 2 edges; .* up to 1") as told:
            export_network(made, nodes, out, most_xml_edges=1)
        assert "Parquet" in told.value.remedy
        with pytest.raises(PermanentFailure, match="keep the names start, Label for themselves"):
            export_network(made, table_of(["x", "y", "z"], start=[1] * 3, Label=[1] * 3), out)
        assert not out.exists()
        with pytest.raises(PermanentFailure, match="cannot be written: No such file"):
            export_network(made, nodes, tmp_path / "nowhere" / out.name)
    assert export_network(made, nodes, tmp_path / "n.parquet", most_xml_edges=1).edges == 2
    with pytest.raises(PermanentFailure, match="cannot be written"):
        export_network(made, nodes, tmp_path / "nowhere" / "n.parquet")


@pytest.mark.parametrize("suffix", [".graphml", ".gexf", ".parquet"])
def test_what_fails_midway_leaves_the_file_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    made, nodes = network(2, {(0, 1): 1.0}), table_of(["x", "y"])
    out = tmp_path / f"n{suffix}"
    export_network(made, nodes, out)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def broken(projection: Projection, nodes: pa.Table, *files: Path) -> int:
        files[0].write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setitem(WRITERS, suffix, broken)
    with pytest.raises(PermanentFailure, match="cannot be written: no space left"):
        export_network(made, nodes, out)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_nodes_are_described() -> None:
    cliques = [*combinations(range(4), 2), *combinations(range(4, 7), 2)]
    made = network(8, dict.fromkeys(cliques, 0.5))
    found = described(made, pa.array(list("abcdefgh")), seed=3).to_pydict()
    assert found == {
        "name": list("abcdefgh"),
        "degree": [3, 3, 3, 3, 2, 2, 2, 0],
        "strength": [1.5, 1.5, 1.5, 1.5, 1, 1, 1, 0],
        "core": [3, 3, 3, 3, 2, 2, 2, 0],
        "community": [0, 0, 0, 0, 1, 1, 1, 2],
    }


# --- attributes from a file


def test_attributes_go_to_the_node_of_their_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('node,"org, ""x""",size\nb,acme,3\nnobody,acme,9\na,,1\n,none,2\n')
    found, unmatched = with_attributes(table_of(["a", "c", "b"], degree=[1, 2, 3]), path)
    assert found.to_pydict() == {
        "name": ["a", "c", "b"],
        "degree": [1, 2, 3],
        'org, "x"': [None, None, "acme"],
        "size": [1, None, 3],
    }
    assert unmatched == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("who,org\na,x\n", "lacks the column node"),
        ("node,org\na,x\na,y\nb,z\n", "has 1 rows with a name that another row has"),
        ("node,degree\na,3\n", "has columns that nodes have already: degree"),
    ],
)
def test_attributes_that_do_not_fit_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(PermanentFailure, match=problem):
        with_attributes(table_of(["a", "b"], degree=[1, 2]), path)


# --- the command

ACTS = """who,what,at
ann,r1,2025-01-01
bob,r1,2025-01-20
bob,r2,2025-03-01
cleo\x07,r1,2025-01-25
dan,r3,2025-01-01
,r3,2025-01-01
"""
COLUMNS = ("--actor", "who", "--repository", "what", "--occurred-at", "at")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "acts.csv").write_text(ACTS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["export", "acts.csv", *COLUMNS, *arguments])


def refused(*arguments: str) -> OsmoscopeError:
    done = invoke(*arguments)
    assert isinstance(done.exception, OsmoscopeError), done.output
    return done.exception


def test_the_command_writes_a_network(folder: Path) -> None:
    (folder / "orgs.csv").write_text("node,org\nann,acme\nzoe,acme\n")
    done = invoke("--mode", "actor", "--window", "20d", "--attributes", "orgs.csv",
                  "--out", "n.graphml", "--json")  # fmt: skip
    assert json.loads(done.stdout) == {
        "files": ["n.graphml"], "nodes": 4, "edges": 2,
        "attributes": ["name", "degree", "strength", "core", "community", "org"],
        "texts_cleaned": 1, "attribute_rows_without_node": 1, "rows": 6, "rows_skipped": 1,
    }  # fmt: skip
    nodes, edges = read_xml(folder / "n.graphml")
    names = {node: data["label"] for node, data in nodes.items()}
    linked = {frozenset((names[i], names[j])) for i, j in edges}
    assert linked == {frozenset(("ann", "bob")), frozenset(("bob", f"cleo{REPLACEMENT}"))}
    assert {data["label"]: data.get("org") for data in nodes.values()}["ann"] == "acme"


def test_the_command_says_what_it_wrote(folder: Path) -> None:
    (folder / "orgs.csv").write_text("node,org\nzoe,acme\n")
    options = ("--semantics", "none", "--weight", "newman", "--mode", "actor")
    done = invoke(*options, "--attributes", "orgs.csv", "--out", "n.parquet")
    assert "4 nodes and 3 edges in n.parquet and n.nodes.parquet" in done.stdout
    assert "1 rows of orgs.csv name no node" in done.stdout
    assert pq.read_table(folder / "n.parquet")["weight"].to_pylist() == [0.5] * 3
    assert "1 texts had characters" in invoke(*options, "--out", "n.gexf").stdout


def test_the_command_refuses_before_it_works(folder: Path) -> None:
    assert "Name it as .graphml, .gexf, .parquet" in refused("--out", "n.txt").remedy
    assert refused("--out", "n.gexf", "--weight", "heavy").message == "There is no weight heavy."
    assert "have no weight shared" in refused("--out", "n.gexf", "--weight", "shared").message
    (folder / "osmoscope.toml").write_text("[study.networks]\nmost_projection_gb = 1e-9\n")
    assert "most_projection_gb" in refused("--out", "n.gexf", "--window", "inf").remedy
    assert not list(folder.glob("n.*"))


def test_a_real_network_is_read_again(tmp_path: Path) -> None:
    path = REAL / "musae_git_edges.csv.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    with gzip.open(path, "rt", encoding="ascii") as lines:
        pairs = [tuple(sorted(map(int, line.split(",")))) for line in lines][:5_000]
    count = 1 + max(j for _, j in pairs)
    made = network(count, dict.fromkeys(((i, j) for i, j in pairs), 1.0))
    nodes = table_of([f"user {node}" for node in range(count)], degree=made.degrees())
    export_network(made, nodes, tmp_path / "n.graphml")
    found, edges = read_xml(tmp_path / "n.graphml")
    assert set(edges) == set(pairs)
    assert [found[node]["degree"] for node in range(count)] == made.degrees().tolist()
