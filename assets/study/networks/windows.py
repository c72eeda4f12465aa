"""Links of acts at most so far apart in time, exact, without pairs of acts.

Belongs here: acts merged into spells, degrees and edges of spells. Does not belong here: windows
that come down to memberships (`incidence`).

All acts of one node with one hub whose gaps are at most the width W merge into a spell. Each act
reaches W/2 to both sides; the reaches of a spell's acts join to one interval, and two acts are at
most W apart where their reaches meet. So two nodes are linked exactly where spells of theirs with
the same hub are at most W apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from assets.study.networks.acts import Acts, Ints, Mode, Window
from assets.study.networks.degrees import check_count, projected_degrees, projected_edges
from assets.study.networks.incidence import check_days, distinct, windowed_incidence

# Edges that are listed unless more are allowed.
MOST_EDGES = 50_000_000
# Pairs of spells that are looked at in one go, and flags of pairs of nodes that are held.
CHUNK = 10_000_000
FLAGS = 500_000_000
# Up to so many nodes a flag for each pair is cheaper than anything else.
FEW_NODES = 65_536


@dataclass(frozen=True)
class Spells:
    """Stretches in which one node's acts with one hub follow each other within the width.

    Sorted by hub and first act; (n,) arrays.

    Attributes:
        begin: where the spells of the same hub begin.
        later: the spells after a spell and before this row are its partners that began no earlier.
    """

    node: Ints
    hub: Ints
    first: Ints
    last: Ints
    begin: Ints
    later: Ints
    node_count: int
    width: int

    @property
    def partners(self) -> Ints:
        """(n,) partners of each spell that began no earlier."""
        return self.later - np.arange(1, self.node.size + 1)


def spells(acts: Acts, mode: Mode, width: int) -> Spells:
    """Merge acts whose gaps are at most the width (microseconds).

    Raises:
        PermanentFailure: acts come by the day and the width is shorter than one.
    """
    check_days(acts, Window("pairwise_gap", width))
    node, node_count = acts.nodes(mode)
    hub, hub_count = acts.hubs(mode)
    pair = hub * np.int64(max(node_count, 1)) + node
    pair, first, last = _bucketed(pair, acts.first, acts.last, max(width, 1))
    is_new = np.ones(pair.size, bool)
    is_new[1:] = (pair[1:] != pair[:-1]) | (first[1:] - last[:-1] > width)
    pair, first, last = pair[is_new], first[is_new], last[np.roll(is_new, -1)]
    hub, node = np.divmod(pair, max(node_count, 1))
    order = np.lexsort((node, first, hub))
    node, hub, first, last = node[order], hub[order], first[order], last[order]
    bound = np.searchsorted(hub, np.arange(hub_count + 1))
    later = _bisect(first, np.arange(1, hub.size + 1), bound[hub + 1], last + width)
    return Spells(node.astype(np.int32), hub.astype(np.int32), first, last, bound[hub], later,
                  node_count, width)  # fmt: skip


def windowed_degrees(acts: Acts, mode: Mode, window: Window) -> Ints:
    """(nodes,) int64 exact degrees, for every kind of window.

    Raises:
        PermanentFailure: acts come by the day and the window is shorter than one.
    """
    plain = windowed_incidence(acts, mode, window)
    if plain is not None:
        return projected_degrees(plain)
    return spell_degrees(spells(acts, mode, finite(window)))


def finite(window: Window) -> int:
    """The width of a window that has one."""
    assert window.width is not None
    return window.width


def spell_degrees(found: Spells) -> Ints:
    """(nodes,) int64 exact degrees of linked spells."""
    if found.node_count <= FEW_NODES:
        return _flagged_degrees(found)
    if int(found.partners.sum()) <= CHUNK:
        key = _distinct(found, CHUNK)
        ends = np.concatenate(np.divmod(key, found.node_count))
        return np.bincount(ends, minlength=found.node_count).astype(np.int64)
    return _gathered_degrees(found)


def windowed_edges(
    acts: Acts, mode: Mode, window: Window, most: int = MOST_EDGES
) -> tuple[Ints, Ints]:
    """Distinct edges (i, j) with i < j, int32, ascending, for every kind of window.

    Raises:
        PermanentFailure: there are more than `most`.
    """
    plain = windowed_incidence(acts, mode, window)
    if plain is not None:
        return projected_edges(plain, most)
    i, j = linked_pairs(spells(acts, mode, finite(window)), most)
    return i.astype(np.int32), j.astype(np.int32)


def linked_pairs(found: Spells, most: int) -> tuple[Ints, Ints]:
    """Distinct pairs (i, j) of linked nodes with i < j, int64, ascending.

    Raises:
        PermanentFailure: there are more than `most`.
    """
    i, j = np.divmod(_distinct(found, most), max(found.node_count, 1))
    return i, j


def _bucketed(pair: Ints, first: Ints, last: Ints, width: int) -> tuple[Ints, Ints, Ints]:
    """Rows by pair and time, those of a pair in one stretch of the width merged.

    Two acts in one stretch are less than the width apart, so that they belong to one spell.
    """
    bucket = first // width
    bucket -= bucket.min(initial=0)
    buckets = int(bucket.max(initial=0)) + 1
    if (int(pair.max(initial=0)) + 1) * buckets < 2**63:
        key = pair * buckets + bucket
        order = np.argsort(key)
        key = key[order]
        is_new = key[1:] != key[:-1]
    else:
        order = np.lexsort((bucket, pair))
        pair_, bucket_ = pair[order], bucket[order]
        is_new = (pair_[1:] != pair_[:-1]) | (bucket_[1:] != bucket_[:-1])
    if not order.size:
        return pair, first, last
    at = np.append(0, np.flatnonzero(is_new) + 1)
    earliest = np.minimum.reduceat(first[order], at)
    return pair[order[at]], earliest, np.maximum.reduceat(last[order], at)


def _bisect(values: Ints, low: Ints, high: Ints, bound: Ints) -> Ints:
    """For each row the first place in [low, high) of ascending values whose value is beyond."""
    low, high = low.copy(), high.copy()
    open_ = np.flatnonzero(low < high)
    while open_.size:
        middle = (low[open_] + high[open_]) // 2
        is_within = values[middle] <= bound[open_]
        low[open_[is_within]] = middle[is_within] + 1
        high[open_[~is_within]] = middle[~is_within]
        open_ = open_[low[open_] < high[open_]]
    return low


def _pairs(found: Spells) -> Iterator[tuple[Ints, Ints]]:
    """Linked nodes (i < j), some repeatedly, in chunks."""
    count = found.partners
    ends = np.cumsum(count)
    row = 0
    while row < count.size:
        done = int(ends[row] - count[row])
        stop = max(row + 1, int(np.searchsorted(ends, done + CHUNK, "right")))
        some = count[row:stop]
        spell = np.repeat(np.arange(row, stop), some)
        partner = np.arange(spell.size) - (ends[spell] - count[spell] - done) + spell + 1
        one, other = found.node[spell], found.node[partner]
        yield np.minimum(one, other), np.maximum(one, other)
        row = stop


def _flagged_degrees(found: Spells) -> Ints:
    """Degrees by a flag for each pair of nodes, for blocks of nodes."""
    nodes = found.node_count
    degrees = np.zeros(nodes, np.int64)
    rows = max(1, FLAGS // max(nodes, 1))
    for begin in range(0, nodes, rows):
        flags = np.zeros((min(rows, nodes - begin), nodes), bool)
        for i, j in _pairs(found):
            if rows < nodes:
                is_in = (i >= begin) & (i < begin + rows)
                i, j = i[is_in], j[is_in]
            flags[i - begin, j] = True
        degrees += flags.sum(axis=0)
        degrees[begin : begin + rows] += flags.sum(axis=1)
    return degrees


def _distinct(found: Spells, most: int) -> Ints:
    """i * nodes + j of each edge once, ascending."""
    known: Ints = np.empty(0, np.int64)
    for i, j in _pairs(found):
        new = distinct(i.astype(np.int64) * found.node_count + j)
        known = distinct(np.concatenate([known, new])) if known.size else new
        check_count(known.size, most)
    return known


def _gathered_degrees(found: Spells) -> Ints:
    """Degrees of one node after the other."""
    degrees = np.zeros(found.node_count, np.int64)
    place = np.empty(found.node_count, np.int32)
    for node, partners in spell_partners(found):
        # Of equal partners the last one's place stays.
        mine = np.arange(partners.size, dtype=np.int32)
        place[partners] = mine
        degrees[node] = np.count_nonzero(place[partners] == mine) - 1
    return degrees


def spell_partners(found: Spells) -> Iterator[tuple[int, Ints]]:
    """Each node with spells, and the nodes linked to it: some repeatedly, and itself among them."""
    order = np.argsort(found.node, kind="stable")
    bound = np.searchsorted(found.node[order], np.arange(found.node_count + 1))
    for node in np.flatnonzero(np.diff(bound)).tolist():
        own = order[bound[node] : bound[node + 1]].tolist()
        yield node, np.concatenate([_partners(found, spell) for spell in own])


def _partners(found: Spells, spell: int) -> Ints:
    """Nodes of all spells within the width of a spell, its own among them."""
    begin, end = found.begin[spell], found.later[spell]
    is_near = found.last[begin:end] >= found.first[spell] - found.width
    near: Ints = found.node[begin:end][is_near]
    return near
