"""The largest communities of a network as a picture: which nodes, and where.

Belongs here: choosing nodes and placing them. Does not belong here: drawing (`assets.publish`) and
finding communities (`communities`).

Communities are discs, placed by how many links they have with each other and big as their numbers
of nodes; a node's place within its disc follows its links there. So blocks stay apart and readable
where a layout of all nodes at once would make one ball.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.study.networks.acts import Ints

Floats = NDArray[np.float64]
# Of a disc's radius, what is left free between neighbours.
GAP = 0.15
STEPS = 200


@dataclass(frozen=True)
class Layout:
    """Nodes with positions between -1 and 1.

    Attributes:
        node: (n,) numbers in the network, by community, then by degree.
        position: (n, 2)
        i, j: links between drawn nodes, numbered within the drawn, i > j.
    """

    node: Ints
    position: Floats
    i: Ints
    j: Ints


def lay_out(
    node_count: int, i: Ints, j: Ints, community: NDArray[Any], most_nodes: int, seed: int
) -> Layout:
    """Place the nodes of the largest communities.

    Communities are taken whole, the largest first, as long as there is room; of the first one that
    there is no room for, those with most links.

    Args:
        i, j: ends of each link once.
        community: (nodes,) numbered from 0, the largest first.
    """
    degree = np.bincount(i, minlength=node_count) + np.bincount(j, minlength=node_count)
    order = np.lexsort((np.arange(node_count), -degree, community))
    node = order[degree[order] > 0][:most_nodes]
    number = np.full(node_count, -1, np.int64)
    number[node] = np.arange(node.size)
    is_drawn = (number[i] >= 0) & (number[j] >= 0)
    first, second = number[i[is_drawn]], number[j[is_drawn]]
    high, low = np.maximum(first, second), np.minimum(first, second)
    place = _positions(community[node], high, low, seed)
    return Layout(node, place, high, low)


def _positions(community: NDArray[Any], i: Ints, j: Ints, seed: int) -> Floats:
    if not community.size:
        return np.empty((0, 2))
    _, of = np.unique(community, return_inverse=True)
    size = np.bincount(of)
    radius = np.sqrt(size / size.sum())
    centre = _apart(_spring(size.size, of[i], of[j], seed), radius * (1 + GAP))
    place: Floats = np.empty((community.size, 2))
    is_inner = of[i] == of[j]
    order = np.argsort(of[i[is_inner]], kind="stable")
    inner_i, inner_j = i[is_inner][order], j[is_inner][order]
    begin = np.searchsorted(of[inner_i], np.arange(size.size + 1))
    for at in range(size.size):
        members = np.flatnonzero(of == at)
        links = slice(begin[at], begin[at + 1])
        own_i, own_j = (np.searchsorted(members, one[links]) for one in (inner_i, inner_j))
        own = _spring(members.size, own_i, own_j, seed)
        place[members] = centre[at] + radius[at] * _disc(own)
    place -= (place.min(axis=0) + place.max(axis=0)) / 2
    return place / max(float(np.abs(place).max()), 1e-9)


def _spring(count: int, i: Ints, j: Ints, seed: int) -> Floats:
    """(count, 2) positions by forces (Fruchterman and Reingold 1991), as networkx has it."""
    import networkx as nx

    if count == 1:
        return np.zeros((1, 2))
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(count))
    pairs, times = np.unique(np.stack([i, j]), axis=1, return_counts=True)
    graph.add_weighted_edges_from(zip(*pairs.tolist(), np.log1p(times).tolist(), strict=True))
    found = nx.spring_layout(graph, seed=seed, iterations=30, method="force")
    return np.array([found[node] for node in range(count)])


def _disc(position: Floats) -> Floats:
    """Spread over the unit disc: the direction is kept, the distance becomes its rank."""
    away = position - position.mean(axis=0)
    rank = np.argsort(np.argsort(np.hypot(*away.T), kind="stable"))
    angle = np.arctan2(away[:, 1], away[:, 0])
    distance = np.sqrt((rank + 0.5) / rank.size) if rank.size > 1 else np.zeros(1)
    return np.stack([distance * np.cos(angle), distance * np.sin(angle)], axis=1)


def _apart(centre: Floats, radius: Floats) -> Floats:
    """Discs pushed off each other, then drawn together as far as they do not overlap."""
    place = centre * float(radius.sum()) / max(math.sqrt(radius.size), 1.0)
    least = radius[:, None] + radius[None, :]
    for step in range(STEPS):
        away = place[:, None, :] - place[None, :, :]
        distance = np.hypot(away[..., 0], away[..., 1])
        np.fill_diagonal(distance, np.inf)
        overlap = np.maximum(least - distance, 0.0)
        push = (away / np.maximum(distance, 1e-9)[..., None]) * (overlap / 2)[..., None]
        is_free = not overlap.any()
        # In the end they are pushed apart only.
        place = place * (0.99 if is_free and step < STEPS / 2 else 1.0) + push.sum(axis=1)
    return place
