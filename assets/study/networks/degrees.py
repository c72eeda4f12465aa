"""Exact degrees of a projection, without its edges.

Belongs here: how many other nodes share a hub with each node, and its edges where they are few.
Does not belong here: windows of a gap (`windows`), weights of edges (`projection`).
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from assets.study.networks.acts import Ints
from assets.study.networks.incidence import Incidence
from orchestration.failures import PermanentFailure

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Sparse products of so many terms are made in one go.
TERMS = 10_000_000
# Hubs of more nodes than this, as a node's hub is on average, are united and not multiplied.
LARGE = 300
# From so many members on it is cheaper to copy all marks than to look which are new.
MANY = 4_000
# Threads that unite; each holds two bytes a node.
MOST_WORKERS = 4


def projected_degrees(incidence: Incidence) -> Ints:
    """(nodes,) int64: other nodes with which each shares at least one hub.

    Nodes with the same hubs are one class, and a class's degree is the size of the union of its
    hubs' nodes, less one.
    """
    first, of = incidence.classes()
    count = np.bincount(of, minlength=first.size)
    classes = rows_of(incidence, first)
    hub_size = np.bincount(incidence.hub, minlength=incidence.hub_count)
    if hub_size[classes.hub].sum() > LARGE * classes.hub.size:
        united = united_sizes(classes, incidence)
    else:
        united = multiplied_sizes(classes, count)
    return np.maximum(united - 1, 0)[of]


def rows_of(incidence: Incidence, rows: Ints) -> Incidence:
    """Some nodes' memberships."""
    size = incidence.sizes[rows]
    start = np.append(0, np.cumsum(size))
    at = np.arange(start[-1]) + np.repeat(incidence.start[rows] - start[:-1], size)
    return Incidence(start, incidence.hub[at], incidence.hub_count)


# ---------------------------------------------------------------- small hubs: products


def multiplied_sizes(classes: Incidence, count: Ints) -> Ints:
    """(classes,) nodes that share a hub with each, by sparse products of some rows at a time."""
    united = np.zeros(classes.node_count, np.int64)
    for begin, product in products(classes):
        product.data[:] = 1
        united[begin : begin + product.shape[0]] = product @ count
    return united


def products(incidence: Incidence) -> Iterator[tuple[int, "csr_array[Any, Any]"]]:
    """Shared hubs of some nodes with all, and which node is the first of these."""
    matrix = incidence.scipy()
    turned = matrix.T.tocsr()
    hub_size = np.diff(turned.indptr).astype(np.int64)
    terms = np.append(0, np.cumsum(hub_size[incidence.hub]))[incidence.start]
    begin = 0
    while begin < incidence.node_count:
        end = int(np.searchsorted(terms, terms[begin] + TERMS, "right")) - 1
        end = min(max(end, begin + 1), incidence.node_count)
        yield begin, matrix[begin:end] @ turned
        begin = end


def projected_edges(incidence: Incidence, most: int) -> tuple[Ints, Ints]:
    """Distinct edges (i, j) with i < j, int32, ascending.

    Raises:
        PermanentFailure: there are more than `most`.
    """
    check_count(int(projected_degrees(incidence).sum()) // 2, most)
    found: list[tuple[Ints, Ints]] = [(np.empty(0, np.int32), np.empty(0, np.int32))]
    for begin, product in products(incidence):
        product.sort_indices()
        i = np.repeat(np.arange(begin, begin + product.shape[0]), np.diff(product.indptr))
        is_later = i < product.indices
        found.append((i[is_later], product.indices[is_later]))
    i, j = (np.concatenate(ends).astype(np.int32) for ends in zip(*found, strict=True))
    return i, j


def check_count(edges: int, most: int) -> None:
    """Refuse to list more edges than allowed."""
    if edges > most:
        raise PermanentFailure(
            f"The network has more than {most:,} edges, which are not listed.",
            "Measure it without its edges, or choose a shorter window or fewer nodes.",
        )


# ---------------------------------------------------------------- large hubs: unions


def united_sizes(classes: Incidence, incidence: Incidence) -> Ints:
    """(classes,) sizes of the unions of each class's hubs' nodes.

    Nodes with one hub only are in no two hubs: they are counted, not united. Classes are taken in
    the order of their hubs, the largest hub first, and what a class has in common with the one
    before it stays marked.
    """
    is_joint = incidence.sizes > 1
    joint = rows_of(incidence, np.flatnonzero(is_joint)).flipped()
    alone = np.bincount(
        incidence.hub[np.repeat(~is_joint, incidence.sizes)], minlength=incidence.hub_count
    )
    by_size = np.argsort(-joint.sizes, kind="stable")
    members = np.split(joint.hub.astype(np.intp), joint.start[1:-1])
    ranked = [members[hub] for hub in by_size.tolist()]
    rank = np.empty(by_size.size, np.int32)
    rank[by_size] = np.arange(by_size.size)
    order, lists, common = _in_order(classes, rank)
    size = _walked(lists, common, ranked, int(is_joint.sum()))
    single = np.append(0, np.cumsum(alone[classes.hub]))[classes.start]
    united = np.diff(single)
    united[order] += size
    return united


def _in_order(classes: Incidence, rank: Ints) -> tuple[Ints, Incidence, Ints]:
    """Classes by their hubs' ranks, those ranks, and how many each shares with the one before."""
    ranks = rank[classes.hub]
    ranks = ranks[np.lexsort((ranks, classes.node_of_membership()))]
    text, start = ranks.astype(">i4").tobytes(), (classes.start * 4).tolist()
    order = np.array(
        sorted(range(classes.node_count), key=lambda at: text[start[at] : start[at + 1]]), np.intp
    )
    lists = rows_of(Incidence(classes.start, ranks, classes.hub_count), order)
    common = np.zeros(classes.node_count + 1, np.int64)
    alike, depth = np.arange(1, classes.node_count), 0
    while alike.size:
        alike = alike[np.minimum(lists.sizes[alike], lists.sizes[alike - 1]) > depth]
        one, other = lists.start[alike] + depth, lists.start[alike - 1] + depth
        alike = alike[lists.hub[one] == lists.hub[other]]
        common[alike] += 1
        depth += 1
    return order, lists, common


def _walked(lists: Incidence, common: Ints, members: list[Ints], node_count: int) -> Ints:
    """`_walk` by some threads, each with a part of the lists of about the same cost."""
    cost = np.append(0, np.cumsum([one.size for one in members]))
    cost = np.append(0, np.cumsum(np.diff(cost)[lists.hub]))[lists.start]
    workers = min(MOST_WORKERS, os.cpu_count() or 1)
    bounds = np.searchsorted(cost, cost[-1] * np.arange(workers + 1) / workers)
    bounds[-1] = lists.node_count
    with ThreadPoolExecutor(workers) as pool:
        parts = [
            pool.submit(
                _walk,
                rows_of(lists, np.arange(begin, end)),
                # A part begins with nothing in common with what was before it.
                np.concatenate([[0], common[begin + 1 : end], [0]]),
                members,
                node_count,
            )
            for begin, end in pairwise(bounds.tolist())
        ]
        return np.concatenate([part.result() for part in parts])


def _walk(lists: Incidence, common: Ints, members: list[Ints], node_count: int) -> Ints:
    """(lists,) sizes of the unions of each list's members.

    Args:
        common: (lists + 1,) how many hubs each list shares with the one before it.
        members: ascending nodes of each hub.
    """
    union = _Union(members, node_count)
    hubs, start, shared = lists.hub.tolist(), lists.start.tolist(), common.tolist()
    united = np.empty(lists.node_count, np.int64)
    for at in range(lists.node_count):
        union.shrink(shared[at])
        kept = start[at] + max(shared[at], shared[at + 1])
        for hub in hubs[start[at] + shared[at] : kept]:
            union.add(hub)
        united[at] = union.size_with(hubs[kept : start[at + 1]])
    return united


class _Union:
    """Nodes of hubs, marked hub after hub and unmarked again."""

    def __init__(self, members: list[Ints], node_count: int) -> None:
        self.members = members
        self.member_count = [one.size for one in members]
        self.marked = np.zeros(node_count, bool)
        self.scratch = np.empty(node_count, bool)
        self.added: list[Ints] = []
        self.size = 0

    def add(self, hub: int) -> None:
        """Mark the nodes of one more hub."""
        nodes = self.members[hub]
        new = nodes[~self.marked.take(nodes)]
        self.marked[new] = True
        self.added.append(new)
        self.size += new.size

    def shrink(self, depth: int) -> None:
        """Unmark what was added last, until so many hubs are left."""
        while len(self.added) > depth:
            new = self.added.pop()
            self.marked[new] = False
            self.size -= new.size

    def size_with(self, hubs: list[int]) -> int:
        """Nodes of the hubs added and of some more, which are not kept."""
        if not hubs:
            return self.size
        if len(hubs) > 1 and sum(self.member_count[hub] for hub in hubs) > MANY:
            np.copyto(self.scratch, self.marked)
            for hub in hubs:
                self.scratch[self.members[hub]] = True
            return int(np.count_nonzero(self.scratch))
        for hub in hubs[:-1]:
            self.add(hub)
        nodes = self.members[hubs[-1]]
        return self.size + nodes.size - int(np.count_nonzero(self.marked.take(nodes)))
