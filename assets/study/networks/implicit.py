"""Communities through what nodes have in common: bipartite, and of projections never built.

Belongs here: Louvain and modularity of the weighted projection by sums over hubs, a sample of its
edges, the bipartite graph and Barber's modularity. Does not belong here: projections that fit
(`projection`), graphs with edges (`communities`).

In the projection two nodes are linked by the sum of a(h) over the hubs h that both have, with a = 1
(`shared`) or 1 / (k − 1), k the hub's members (`newman`; Newman 2001). With n(h, c) members of h in
community c, twice the weight inside c is Σ_h a(h) n(h, c) (n(h, c) − 1), and a node's strength is
Σ_h a(h) (k(h) − 1): modularity needs the counts n alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from assets.study.networks.agreement import canonical
from assets.study.networks.communities import Edges, Labels, ensemble
from assets.study.networks.incidence import Incidence

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Added = Literal["newman", "shared"]
Ints = NDArray[Any]
Floats = NDArray[np.float64]
# Entries of a block of the table of classes by communities.
BLOCK_ENTRIES = 10_000_000
MOST_TURNS = 10
MOST_SWEEPS = 8
# A turn that raises modularity by less is the last one.
LEAST_GAIN = 1e-5


@dataclass(frozen=True)
class Implicit:
    """The weighted projection of an incidence, as its memberships.

    Nodes with the same hubs are one class and move together: their links with each other are as
    strong as any, so that modularity seldom gains from parting them.
    """

    incidence: Incidence
    weight: Added

    @cached_property
    def hub_size(self) -> Ints:
        """(hubs,) members."""
        return np.bincount(self.incidence.hub, minlength=self.incidence.hub_count)

    @cached_property
    def added(self) -> Floats:
        """(hubs,) what a hub adds to the weight of two members; 0 of hubs of one."""
        size = self.hub_size
        one = 1 / np.maximum(size - 1, 1) if self.weight == "newman" else np.ones(size.size)
        return np.where(size > 1, one, 0.0)

    @cached_property
    def strengths(self) -> Floats:
        """(nodes,) sums of the weights of each node's links."""
        each = (self.added * (self.hub_size - 1))[self.incidence.hub]
        found = np.bincount(self.incidence.node_of_membership(), each, self.incidence.node_count)
        return found.astype(np.float64)

    def modularity(self, labels: NDArray[Any], resolution: float = 1.0) -> float:
        """Of any labels of 0 and above, shape (nodes,); 0 of a projection without links."""
        total = float(self.strengths.sum())
        if not total:
            return 0.0
        most = int(labels.max()) + 1
        key = self.incidence.hub.astype(np.int64) * most
        key += labels[self.incidence.node_of_membership()]
        cell, count = np.unique(key, return_counts=True)
        inside = float((self.added[cell // most] * count * (count - 1.0)).sum())
        volume = np.bincount(labels, self.strengths) / total
        return inside / total - resolution * float(np.square(volume).sum())

    def louvain(self, seeds: Sequence[int], resolution: float = 1.0) -> Labels:
        """A run for each seed.

        A run starts from communities of the bipartite graph, whose edges are weighted so that nodes
        have their strengths in the projection. Then, in turns: communities merge by Louvain on the
        graph of communities, which is exact and small; and classes move, many at a time, to where
        modularity gains most, as long as all the moves together raise it.

        Returns:
            Labels by size, shape (seeds, nodes).
        """
        moving = Moving(self, resolution)
        alone = np.flatnonzero(self.strengths == 0)
        runs = np.empty((len(seeds), self.incidence.node_count), np.int32)
        starts = ensemble(moving.bipartite(), "louvain", seeds, resolution)
        for row, seed, start in zip(runs, seeds, starts, strict=True):
            found = moving.run(start[: moving.class_count], seed)[moving.of_node]
            found[alone] = found.max(initial=0) + 1 + np.arange(alone.size)
            row[:] = canonical(found)
        return runs

    def sampled(self, per_node: int = 8, seed: int = 0) -> Edges:
        """Links of the projection drawn by weight, so many for each node, each kept once.

        What many runs agree on is looked for along links, and this many tell.
        """
        rng = np.random.default_rng(seed)
        known, flipped = self.incidence, self.incidence.flipped()
        each = (self.added * (self.hub_size - 1))[known.hub]
        before = np.concatenate(([0.0], np.cumsum(each)))
        node = np.repeat(np.flatnonzero(self.strengths > 0), per_node)
        low, high = before[known.start[node]], before[known.start[node + 1]]
        at = np.searchsorted(before, low + rng.random(node.size) * (high - low), "right") - 1
        at = np.clip(at, known.start[node], known.start[node + 1] - 1)
        hub = known.hub[at]
        size = self.hub_size[hub]
        other = flipped.hub[flipped.start[hub] + (rng.random(node.size) * size).astype(np.int64)]
        # A hub of one member has no weight, but rounding may choose it.
        drawn = (other != node) & (size > 1)
        pair = np.sort(np.stack([node[drawn], other[drawn]]).astype(np.int64), axis=0)
        key = np.unique(pair[0] * known.node_count + pair[1])
        return Edges(known.node_count, key // known.node_count, key % known.node_count)


class Moving:
    """Classes of nodes, what they belong to, and the moves of a run."""

    def __init__(self, projection: Implicit, resolution: float) -> None:
        from scipy.sparse import csr_array

        self.resolution = resolution
        self.added = projection.added
        first, self.of_node = projection.incidence.classes()
        self.class_count = len(first)
        self.count = np.bincount(self.of_node, minlength=len(first)).astype(np.float64)
        self.strength = projection.strengths[first]
        self.total = float(projection.strengths.sum())
        members = projection.incidence.scipy()[first].astype(np.float64)
        self.weighted: csr_array[Any, Any] = csr_array(members * self.added[None, :])
        self.by_hub: csr_array[Any, Any] = csr_array((members * self.count[:, None]).T.tocsr())
        self.step = projection.added * (projection.hub_size - 1)

    def bipartite(self) -> Edges:
        """Classes, then hubs; a membership weighs what it adds to its nodes' strength."""
        cells = self.by_hub.tocoo()
        weight = cells.data * self.step[cells.row]
        kept = weight > 0
        return Edges(
            self.class_count + len(self.added),
            cells.col[kept],
            cells.row[kept] + self.class_count,
            weight[kept],
        )

    def run(self, labels: NDArray[Any], seed: int) -> NDArray[Any]:
        """Classes' communities from a start, merged and moved until nothing is gained."""
        rng = np.random.default_rng(seed)
        if not self.total:
            return np.arange(self.class_count)
        labels = canonical(labels)
        best = self.quality(labels)
        for _ in range(MOST_TURNS):
            found, quality = self._moved(self.merged(labels, seed), rng)
            if quality <= best:
                break
            is_last = quality - best < LEAST_GAIN
            labels, best = found, quality
            if is_last:
                break
        return labels

    def counts(self, labels: NDArray[Any]) -> "csr_array[Any, Any]":
        """Hubs × communities: members."""
        from scipy.sparse import csr_array

        shape = (self.class_count, int(labels.max(initial=0)) + 1)
        start = np.arange(self.class_count + 1)
        return csr_array(
            self.by_hub @ csr_array((np.ones(len(labels)), labels, start), shape=shape)
        )

    def quality(self, labels: NDArray[Any]) -> float:
        """Modularity of classes' communities."""
        cells = self.counts(labels)
        row = np.repeat(self.added, np.diff(cells.indptr))
        inside = float((row * cells.data * (cells.data - 1)).sum())
        return inside / self.total - self.resolution * float(
            np.square(self._volume(labels) / self.total).sum()
        )

    def _volume(self, labels: NDArray[Any]) -> Floats:
        return np.bincount(labels, self.strength * self.count).astype(np.float64)

    def merged(self, labels: NDArray[Any], seed: int) -> NDArray[Any]:
        """Louvain on the graph of communities."""
        from scipy.sparse import triu

        cells = self.counts(labels)
        scaled = cells.copy()
        scaled.data *= np.repeat(self.added, np.diff(cells.indptr))
        links = triu(cells.T.tocsr() @ scaled).tocoo()
        weight = links.data.astype(np.float64)
        # Of itself each community has Σ a n²; the links among its members are Σ a n (n − 1) / 2.
        loop = links.row == links.col
        own = np.bincount(cells.indices, scaled.data, cells.shape[1])
        weight[loop] = (weight[loop] - own[links.row[loop]]) / 2
        kept = weight > 0
        graph = Edges(cells.shape[1], links.row[kept], links.col[kept], weight[kept])
        return canonical(ensemble(graph, "louvain", [seed], self.resolution)[0][labels])

    def _moved(self, labels: NDArray[Any], rng: np.random.Generator) -> tuple[NDArray[Any], float]:
        """Sweeps over classes; a sweep's moves are made if together they raise modularity."""
        best = self.quality(labels)
        for _ in range(MOST_SWEEPS):
            # Half of them at a time, as neighbours that swap places gain nothing.
            drawn = np.flatnonzero(rng.random(self.class_count) < 0.5)
            target, gain = self.best_moves(labels, drawn)
            order = np.flatnonzero(gain > 0)
            order = order[np.argsort(-gain[order], kind="stable")]
            before = best
            while order.size:
                tried = labels.copy()
                tried[drawn[order]] = target[order]
                quality = self.quality(tried)
                if quality > best:
                    labels, best = tried, quality
                    break
                order = order[: order.size // 4]
            if best - before < LEAST_GAIN:
                break
        return canonical(labels), best

    def best_moves(self, labels: NDArray[Any], drawn: NDArray[Any]) -> tuple[NDArray[Any], Floats]:
        """The best other community of each class drawn, and what moving there alone gains.

        The gain is in the weight of links, for each node of the class; modularity rises by twice
        that over the sum of all strengths.
        """
        cells = self.counts(labels)
        price = self.resolution * self.strength / self.total
        volume = self._volume(labels)
        target, gain = labels[drawn], np.zeros(drawn.size)
        for block in self._blocks(drawn, np.diff(cells.indptr)):
            own, mine = labels[drawn[block]], self.weighted[drawn[block]]
            cost = price[drawn[block]]
            found = mine @ cells
            row = np.repeat(np.arange(len(own)), np.diff(found.indptr))
            is_own = found.indices == own[row]
            value = found.data - cost[row] * volume[found.indices]
            stay = np.zeros(len(own))
            stay[row[is_own]] = value[is_own]
            # Its own community without the class itself.
            stay -= self.count[drawn[block]] * (
                mine.sum(axis=1) - cost * self.strength[drawn[block]]
            )
            value[is_own] = -np.inf
            has = np.flatnonzero(np.diff(found.indptr))
            most = np.full(len(own), -np.inf)
            if has.size:
                most[has] = np.maximum.reduceat(value, found.indptr[has])
            at = np.flatnonzero(value == most[row])[::-1]
            target[block.start + row[at]] = found.indices[at]
            gain[block] = most - stay
        return target, gain

    def _blocks(self, drawn: NDArray[Any], communities: NDArray[Any]) -> Iterator[slice]:
        """Classes whose rows of the table by communities fit together."""
        per_membership = np.concatenate(([0], np.cumsum(communities[self.weighted.indices])))
        per_class = np.diff(per_membership[self.weighted.indptr])
        end = np.cumsum(per_class[drawn])
        first = 0
        while first < drawn.size:
            below = end[first - 1] if first else 0
            last = max(first + 1, int(np.searchsorted(end, below + BLOCK_ENTRIES, "right")))
            yield slice(first, last)
            first = last


def bipartite_edges(incidence: Incidence) -> Edges:
    """The bipartite graph itself: nodes, then hubs."""
    return Edges(
        incidence.node_count + incidence.hub_count,
        incidence.node_of_membership(),
        incidence.hub + np.int32(incidence.node_count),
    )


def barber_modularity(incidence: Incidence, labels: NDArray[Any]) -> float:
    """Barber's (2007) bipartite modularity: Σ_c [L_c / m − K_c D_c / m²].

    Args:
        labels: of nodes, then hubs, shape (nodes + hubs,).

    Returns:
        0 without memberships.
    """
    total = incidence.hub.size
    if not total:
        return 0.0
    most = int(labels.max()) + 1
    of_node = labels[: incidence.node_count][incidence.node_of_membership()]
    of_hub = labels[incidence.node_count :][incidence.hub]
    inside = np.count_nonzero(of_node == of_hub) / total
    nodes, hubs = np.bincount(of_node, minlength=most), np.bincount(of_hub, minlength=most)
    return inside - float((nodes / total) @ (hubs / total))
