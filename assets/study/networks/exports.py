"""Networks as files that other programs read: GraphML, GEXF, Parquet.

Belongs here: what is told of each node, formats, what a text must not hold, how large is too large.
Does not belong here: making the network (`projection`), and the command
(`orchestration.networks_export_cli`).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.study.draw import workshop
from assets.study.files import kinds_of, quoted
from assets.study.networks.files import source_of, told_of
from assets.study.networks.projection import Projection
from orchestration.failures import PermanentFailure

if TYPE_CHECKING:
    import networkx as nx
    import pyarrow as pa

    Graph = nx.Graph[Any]

# An XML file is a tree in memory before it is written: about 2 kB for an edge.
MOST_XML_EDGES = 1_000_000
# What XML 1.0 has no place for; a carriage return would come back as a line feed.
NOT_XML = re.compile("[^\t\n -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
REPLACEMENT = "\ufffd"
# Names that GEXF gives a meaning of its own.
RESERVED = ("end", "id", "key", "label", "parents", "pid", "slices", "spells", "start", "viz")
NAME = "name"


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        cleaned: texts in which characters had to be replaced.
        files: with the edges first.
    """

    nodes: int
    edges: int
    cleaned: int
    files: tuple[Path, ...]


def export_network(
    projection: Projection, nodes: "pa.Table", out: Path, most_xml_edges: int = MOST_XML_EDGES
) -> Exported:
    """Write a network as its file's name says: .graphml, .gexf or .parquet.

    GraphML and GEXF have the name as `label` and leave out values that are missing; what XML cannot
    hold becomes U+FFFD. Parquet has the edges (`source` and `target`, names as they are, `weight`),
    and beside it `OUT.nodes.parquet` all nodes.

    Args:
        nodes: a row for each node in the order of their numbers; `name` and any attributes.

    Raises:
        PermanentFailure: the kind is unknown, an XML file would have too many edges, an attribute
            has a name that the format keeps for itself, or the file cannot be written.
    """
    check_kind(out)
    kind = out.suffix.lower()
    if kind != ".parquet":
        _check_xml(projection, nodes, most_xml_edges)
    files = (out, out.with_suffix(".nodes.parquet")) if kind == ".parquet" else (out,)
    unfinished = tuple(file.with_name(f".{file.name}.unfinished") for file in files)
    try:
        cleaned = WRITERS[kind](projection, nodes, *unfinished)
        # A file of this name is whole.
        for made, file in zip(unfinished, files, strict=True):
            made.replace(file)
    except OSError as error:
        raise PermanentFailure(
            f"{out} cannot be written: {error.strerror or error}.", "Check its folder."
        ) from error
    finally:
        for made in unfinished:
            made.unlink(missing_ok=True)
    return Exported(projection.node_count, projection.edge_count, cleaned, files)


def check_kind(out: Path) -> None:
    """Refuse a file of no kind that is written.

    Raises:
        PermanentFailure: its name ends otherwise.
    """
    if out.suffix.lower() not in WRITERS:
        raise PermanentFailure(
            f"{out} is of no kind that is written.", f"Name it as {', '.join(WRITERS)}."
        )


def _check_xml(projection: Projection, nodes: "pa.Table", most_edges: int) -> None:
    if projection.edge_count > most_edges:
        raise PermanentFailure(
            f"The network has {projection.edge_count:,} edges; GraphML and GEXF are written up to "
            f"{most_edges:,}.",
            "Write Parquet, or narrow the network.",
        )
    taken = [name for name in nodes.column_names if name.lower() in RESERVED]
    if taken:
        raise PermanentFailure(
            f"GEXF and GraphML keep the names {', '.join(taken)} for themselves.",
            "Rename these attributes, or write Parquet.",
        )


# ---------------------------------------------------------------- nodes


def described(projection: Projection, names: Any, seed: int) -> "pa.Table":
    """A row for each node: its name, degree, strength, core number and community (Louvain).

    Args:
        names: Arrow array of (nodes,) texts.
    """
    import pyarrow as pa

    from assets.study.networks.communities import Edges, louvain
    from assets.study.networks.structure import core_numbers

    edges = Edges(projection.node_count, projection.i, projection.j, projection.weight)
    return pa.table({
        NAME: names,
        "degree": projection.degrees(),
        "strength": projection.strengths(),
        "core": core_numbers(projection),
        "community": louvain(edges, seed),
    })  # fmt: skip


def with_attributes(nodes: "pa.Table", path: Path, key: str = "node") -> tuple["pa.Table", int]:
    """Nodes with the columns of a file that has their names, and how many of its rows have none.

    Raises:
        PermanentFailure: the file cannot be read, has no such column, has a name twice or a column
            that nodes have already.
    """
    with workshop() as connection, told_of(path):
        source = source_of(path)
        columns = list(kinds_of(connection, source))
        if key not in columns:
            raise PermanentFailure(
                f"{path} lacks the column {key}.",
                f"Its columns are {', '.join(columns)}; name the one with the nodes' names.",
            )
        others = [name for name in columns if name != key]
        taken = [name for name in others if name in nodes.column_names]
        if taken:
            raise PermanentFailure(
                f"{path} has columns that nodes have already: {', '.join(taken)}.", "Rename them."
            )
        column = f"{quoted(key)}::VARCHAR"
        rows, distinct = connection.execute(
            f"SELECT count({column}), count(DISTINCT {column}) FROM {source}"
        ).fetchall()[0]
        if distinct < rows:
            raise PermanentFailure(
                f"{path} has {rows - distinct:,} rows with a name that another row has.",
                "Give one row for a node.",
            )
        names = nodes.select([NAME])
        connection.register("network_node", names)
        chosen = "".join(f", attributes.{quoted(name)}" for name in others)
        found = connection.sql(
            f"SELECT attributes.{column} IS NOT NULL AS is_found{chosen} FROM"
            f" (SELECT {NAME}, row_number() OVER () AS place FROM network_node) AS node"
            f" LEFT JOIN {source} AS attributes ON node.{NAME} = attributes.{column}"
            " ORDER BY place"
        ).to_arrow_table()
    matched = sum(found["is_found"].to_pylist())
    for name in others:
        nodes = nodes.append_column(name, found[name])
    return nodes, rows - matched


# ---------------------------------------------------------------- Parquet


def _write_parquet(projection: Projection, nodes: "pa.Table", out: Path, beside: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def named(ends: Any) -> Any:
        return pa.DictionaryArray.from_arrays(pa.array(ends), nodes[NAME].combine_chunks())

    edges = pa.table({
        "source": named(projection.i), "target": named(projection.j), "weight": projection.weight,
    })  # fmt: skip
    pq.write_table(edges, out, compression="zstd")
    pq.write_table(nodes, beside, compression="zstd")
    return 0


# ---------------------------------------------------------------- XML


class _Cleaner:
    """Texts that XML can hold, and a count of those that were changed."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        clean = NOT_XML.sub(REPLACEMENT, value)
        self.count += clean != value
        return clean


def _graph(projection: Projection, nodes: "pa.Table", clean: _Cleaner) -> "Graph":
    import networkx as nx

    graph: Graph = nx.Graph()
    graph.add_nodes_from(enumerate(_attributes(nodes, clean)))
    ends = projection.i.tolist(), projection.j.tolist(), projection.weight.tolist()
    graph.add_weighted_edges_from(zip(*ends, strict=True))
    return graph


def _attributes(nodes: "pa.Table", clean: _Cleaner) -> Iterator[dict[str, Any]]:
    names = ["label" if name == NAME else clean(name) for name in nodes.column_names]
    columns = [_plain(column).to_pylist() for column in nodes.columns]
    for row in zip(*columns, strict=True):
        values = zip(names, row, strict=True)
        yield {name: clean(value) for name, value in values if value is not None and value == value}


def _plain(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """A column of numbers, flags or texts; all else as text."""
    import pyarrow as pa

    kind = column.type
    is_plain = pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_floating(kind)
    return column if is_plain else column.cast(pa.string())


def _write_graphml(projection: Projection, nodes: "pa.Table", out: Path) -> int:
    import networkx as nx

    clean = _Cleaner()
    # Not `write_graphml`, which writes otherwise where lxml is installed.
    nx.write_graphml_xml(_graph(projection, nodes, clean), out, named_key_ids=False)
    return clean.count


def _write_gexf(projection: Projection, nodes: "pa.Table", out: Path) -> int:
    from networkx.readwrite.gexf import GEXFWriter

    clean = _Cleaner()
    writer = GEXFWriter(encoding="utf-8", prettyprint=False, version="1.2draft")
    # The day of writing would make equal networks different files.
    writer.xml.find("meta").attrib.clear()
    writer.add_graph(_graph(projection, nodes, clean))
    with out.open("wb") as file:
        writer.write(file)
    return clean.count


# Of a network and its nodes to files; the texts that were cleaned.
Writer = Callable[..., int]
WRITERS: dict[str, Writer] = {
    ".graphml": _write_graphml,
    ".gexf": _write_gexf,
    ".parquet": _write_parquet,
}
