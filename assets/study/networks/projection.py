"""One-mode projections as lists of edges, made only where they fit.

Belongs here: the edges of a projection and their weights, how large it would be. Does not belong
here: degrees and edge counts, which need no edges (`degrees`, `windows`), and what is computed from
the edges (`structure`, `communities`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from orchestration.failures import PermanentFailure

if TYPE_CHECKING:
    from assets.study.networks.acts import Acts, Mode, Window
    from assets.study.networks.incidence import Incidence

Floats = NDArray[np.float64]
Weight = Literal["shared", "newman", "none"]
WEIGHTS: tuple[Weight, ...] = ("shared", "newman", "none")

GIGABYTE = 10**9
MOST_BYTES = 2 * GIGABYTE
# 16 for an edge here, 16 for its ends as the graph engine takes them, 32 within the graph.
BYTES_PER_EDGE = 64
# Entries of a block of the product, and what each takes as column, value, row and when sorted.
BLOCK_ENTRIES = 4_000_000
BYTES_PER_ENTRY = 48


@dataclass(frozen=True)
class Projection:
    """An undirected network of nodes 0..node_count-1, each edge once.

    Attributes:
        node_count: of all nodes, isolated ones included.
        i: (edges,) int32, the smaller end; edges are sorted by it and then by `j`.
        j: (edges,) int32, the larger end.
        weight: (edges,) float64; ones where no weight was asked for.
    """

    node_count: int
    i: NDArray[np.int32]
    j: NDArray[np.int32]
    weight: Floats

    @property
    def edge_count(self) -> int:
        return len(self.i)

    def degrees(self) -> NDArray[np.int64]:
        """(node_count,) neighbours of each node."""
        return np.bincount(self.i, minlength=self.node_count) + np.bincount(
            self.j, minlength=self.node_count
        )

    def strengths(self) -> Floats:
        """(node_count,) sum of the weights of each node's edges."""
        ends = np.concatenate([self.i, self.j])
        both = np.concatenate([self.weight, self.weight])
        summed = np.bincount(ends, weights=both, minlength=self.node_count)
        return np.asarray(summed, np.float64)


def estimated_bytes(edge_count: int) -> int:
    """Memory that so many edges and a graph made of them take at most, in bytes."""
    return BYTES_PER_EDGE * edge_count + BYTES_PER_ENTRY * min(BLOCK_ENTRIES, 2 * edge_count)


def project(
    incidence: "Incidence", weight: Weight = "shared", most_bytes: int = MOST_BYTES
) -> Projection:
    """The nodes that share a hub, linked; exact.

    `shared` counts the hubs that two nodes have in common, `newman` adds 1 / (k - 1) for each, k
    its members (Newman 2001, Scientific collaboration networks II, equation 2), `none` is 1.

    Raises:
        PermanentFailure: the edges, whose number is known beforehand, do not fit.
    """
    from assets.study.networks.degrees import projected_degrees

    degrees = projected_degrees(incidence)
    edge_count = int(degrees.sum()) // 2
    check_fits(edge_count, most_bytes)
    made = Projection(
        incidence.node_count,
        np.empty(edge_count, np.int32),
        np.empty(edge_count, np.int32),
        np.ones(edge_count),
    )
    members, scaled = _matrices(incidence, weight)
    filled = 0
    for first, last in _blocks(degrees):
        # Later nodes only: each edge once, and half the work.
        found = scaled[first:last] @ members[first:].T.tocsr()
        found.sort_indices()
        row = np.repeat(np.arange(last - first, dtype=np.int32), np.diff(found.indptr))
        kept = found.indices > row
        until = filled + int(np.count_nonzero(kept))
        made.i[filled:until] = row[kept] + first
        made.j[filled:until] = found.indices[kept] + first
        if weight != "none":
            made.weight[filled:until] = found.data[kept]
        filled = until
    return made


def project_windowed(
    acts: "Acts",
    mode: "Mode",
    window: "Window",
    weight: Weight = "none",
    most_bytes: int = MOST_BYTES,
) -> Projection:
    """The nodes that a window links.

    Where the window leaves plain memberships (`none`, `trailing`, `calendar`), weights are those of
    `project`; the hubs of `calendar` are a hub's periods.

    Raises:
        PermanentFailure: the edges do not fit, or a weight other than `none` is asked for in a
            window between acts, in which a hub has no count of members.
    """
    from assets.study.networks.incidence import windowed_incidence
    from assets.study.networks.windows import windowed_degrees, windowed_edges

    plain = windowed_incidence(acts, mode, window)
    if plain is not None:
        return project(plain, weight, most_bytes)
    if weight != "none":
        raise PermanentFailure(
            f"Edges of a window between two acts have no weight {weight}.",
            "Use the weight none, or the semantics trailing, calendar or none.",
        )
    edge_count = int(windowed_degrees(acts, mode, window).sum()) // 2
    check_fits(edge_count, most_bytes)
    i, j = windowed_edges(acts, mode, window, most=edge_count)
    return Projection(
        acts.nodes(mode)[1], i.astype(np.int32), j.astype(np.int32), np.ones(edge_count)
    )


def check_fits(edge_count: int, most_bytes: int = MOST_BYTES) -> None:
    """Refuse edges that take more memory than allowed.

    Raises:
        PermanentFailure: they do; says how much they would take.
    """
    needed = estimated_bytes(edge_count)
    if needed > most_bytes:
        raise PermanentFailure(
            f"The projection has {edge_count:,} edges, about {needed / GIGABYTE:,.1f} GB; "
            f"{most_bytes / GIGABYTE:,.1f} GB are allowed.",
            "Narrow the window or the cut, use figures that need no edges, or raise "
            "study.networks.most_projection_gb.",
        )


def _matrices(incidence: "Incidence", weight: Weight) -> tuple[Any, Any]:
    """Nodes × hubs with two members or more: ones, and what each hub adds to a weight."""
    from scipy import sparse

    size = np.bincount(incidence.hub, minlength=incidence.hub_count)
    shared = size[incidence.hub] > 1
    hub = incidence.hub[shared]
    start = np.concatenate(([0], np.cumsum(shared, dtype=np.int64)))[incidence.start]
    shape = (incidence.node_count, incidence.hub_count)
    added = 1 / (size[hub] - 1) if weight == "newman" else np.ones(len(hub), np.int32)
    members = sparse.csr_array((np.ones(len(hub), added.dtype), hub, start), shape=shape)
    return members, sparse.csr_array((added, hub, start), shape=shape)


def _blocks(degrees: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Consecutive nodes whose rows of the product together stay below a block's entries."""
    end = np.cumsum(degrees + 1)
    blocks = []
    first = 0
    while first < len(degrees):
        below = end[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(end, below + BLOCK_ENTRIES, "right")))
        blocks.append((first, last))
        first = last
    return blocks
