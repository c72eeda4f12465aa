"""Edge lists, and labels of nodes, from any table.

Belongs here: reading them through DuckDB, names to codes. Does not belong here: tables of acts
(`files`), communities (`communities`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.study.draw import workshop
from assets.study.files import check_numeric, kinds_of, quoted
from assets.study.networks.communities import Edges, edges_of
from assets.study.networks.files import MEMORY_MEGABYTES, source_of, told_of
from orchestration.failures import PermanentFailure

Names = NDArray[Any]
ACT_COLUMNS = {"actor", "repository"}
EDGE_COLUMNS = ("source", "target", "weight")


@dataclass(frozen=True)
class EdgeList:
    """A graph and what its file held.

    Attributes:
        names: (nodes,) names, sorted; a node is its name's position.
        rows: rows of the file.
        skipped: rows without one of the ends or the weight, or with a weight not above 0.
        loops: rows whose ends are the same, which are left out.
        repeated: rows of a pair that came before, in either direction; weights are added.
    """

    edges: Edges
    names: Names
    rows: int
    skipped: int
    loops: int
    repeated: int


def is_edge_list(path: Path) -> bool:
    """Whether a file has columns of an edge list, or two or three columns that are not of acts."""
    with workshop(MEMORY_MEGABYTES) as connection, told_of(path):
        names = list(kinds_of(connection, source_of(path)))
    if set(names) >= ACT_COLUMNS:
        return False
    return set(EDGE_COLUMNS[:2]) <= set(names) or len(names) in (2, 3)


def read_edges(path: Path) -> EdgeList:
    """Edges of columns source, target and perhaps weight, or else of the first two or three.

    Raises:
        PermanentFailure: the file cannot be read, or its weights are no numbers.
    """
    with workshop(MEMORY_MEGABYTES) as connection, told_of(path):
        source = source_of(path)
        kinds = kinds_of(connection, source)
        names = [name for name in EDGE_COLUMNS if name in kinds]
        if names[:2] != list(EDGE_COLUMNS[:2]):
            names = list(kinds)[:3]
        if len(names) < 2:
            raise PermanentFailure(
                f"{path} has no two columns of ends.", "Give columns source and target."
            )
        weight = "1.0"
        if len(names) == 3:
            check_numeric(kinds, names[2])
            weight = f"{quoted(names[2])}::DOUBLE"
        ends = ", ".join(f"{quoted(name)}::VARCHAR" for name in names[:2])
        held = connection.sql(f"SELECT {ends}, {weight} FROM {source}").to_arrow_table()
    first, second, value = held.columns
    return _edge_list(first, second, value, is_weighted=len(names) == 3)


def _edge_list(source: Any, target: Any, weight: Any, is_weighted: bool) -> EdgeList:
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = len(source)
    whole = pa.table([source, target, weight], ["source", "target", "weight"]).drop_null()
    whole = whole.filter(pc.and_(pc.is_finite(whole["weight"]), pc.greater(whole["weight"], 0)))
    both = pa.chunked_array([*whole["source"].chunks, *whole["target"].chunks], pa.string())
    names, code = coded(both)
    i, j = code[: whole.num_rows], code[whole.num_rows :]
    is_loop = i == j
    kept = ~is_loop
    values = whole["weight"].to_numpy()[kept] if is_weighted else None
    edges = edges_of(len(names), i[kept], j[kept], values)
    loops = int(np.count_nonzero(is_loop))
    return EdgeList(
        edges, names, rows, rows - whole.num_rows, loops, whole.num_rows - loops - len(edges.i)
    )


def coded(column: Any) -> tuple[Names, NDArray[np.int64]]:
    """Sorted distinct names of an Arrow column of text, and the position of each row's name."""
    import pyarrow.compute as pc

    told = column.combine_chunks().dictionary_encode()
    if hasattr(told, "combine_chunks"):
        told = told.combine_chunks()
    order = pc.sort_indices(told.dictionary).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    names = told.dictionary.take(order).to_numpy(zero_copy_only=False)
    return names, rank[told.indices.to_numpy()]


@dataclass(frozen=True)
class NodeLabels:
    """Labels of nodes.

    Attributes:
        node: (pairs,) positions of names of nodes.
        label: (pairs,) positions of `names`; each pair once.
        names: (labels,) sorted.
        strangers: names in the file that are no node's.
    """

    node: NDArray[np.int64]
    label: NDArray[np.int64]
    names: Names
    strangers: int


def read_labels(path: Path, nodes: Names) -> NodeLabels:
    """Labels of columns node and label, or else of the first two; a node may have several.

    Args:
        nodes: (nodes,) names.

    Raises:
        PermanentFailure: the file cannot be read, or no node of it is known.
    """
    with workshop(MEMORY_MEGABYTES) as connection, told_of(path):
        source = source_of(path)
        names = list(kinds_of(connection, source))
        if not {"node", "label"} <= set(names) and len(names) < 2:
            raise PermanentFailure(f"{path} has no labels.", "Give columns node and label.")
        pair = ("node", "label") if {"node", "label"} <= set(names) else names[:2]
        columns = ", ".join(f"{quoted(name)}::VARCHAR AS c{at}" for at, name in enumerate(pair))
        found = connection.sql(
            f"SELECT DISTINCT * FROM (SELECT {columns} FROM {source})"
            " WHERE c0 IS NOT NULL AND c1 IS NOT NULL"
        ).to_arrow_table()
    place = {str(name): at for at, name in enumerate(nodes)}
    labels, label = coded(found["c1"])
    node = np.array([place.get(name, -1) for name in found["c0"].to_pylist()], np.int64)
    known = node >= 0
    if not known.any():
        raise PermanentFailure(
            f"No node of {path} is in the network.", "Give labels of the network's own names."
        )
    strangers = len(set(found["c0"].filter(~known).to_pylist()))
    order = np.lexsort((label[known], node[known]))
    return NodeLabels(node[known][order], label[known][order], labels, strangers)
