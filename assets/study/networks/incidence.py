"""Which nodes have which hubs, as a sparse matrix, and windows that come down to one.

Belongs here: memberships by node, nodes with the same neighbourhood. Does not belong here:
degrees (`degrees`), windows of a gap between two acts (`windows`).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assets.study.networks.acts import DAY, Acts, Ints, Mode, Window
from orchestration.failures import PermanentFailure

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True)
class Incidence:
    """Distinct memberships of nodes in hubs (compressed sparse rows).

    Attributes:
        start: (nodes + 1,) int64, where each node's hubs begin.
        hub: (memberships,) int32, ascending within a node.
    """

    start: Ints
    hub: Ints
    hub_count: int

    @property
    def node_count(self) -> int:
        """Nodes, those without a hub among them."""
        return self.start.size - 1

    @cached_property
    def sizes(self) -> Ints:
        """(nodes,) int64 hubs of each node."""
        return np.diff(self.start)

    def node_of_membership(self) -> Ints:
        """(memberships,) int32."""
        return np.repeat(np.arange(self.node_count, dtype=np.int32), self.sizes)

    def scipy(self) -> "csr_array[Any, Any]":
        """(nodes, hubs) matrix of ones."""
        from scipy.sparse import csr_array

        ones = np.ones(self.hub.size, np.int32)
        return csr_array((ones, self.hub, self.start), shape=(self.node_count, self.hub_count))

    def flipped(self) -> "Incidence":
        """The same memberships with nodes and hubs exchanged."""
        turned = self.scipy().tocsc()
        return Incidence(
            turned.indptr.astype(np.int64), turned.indices.astype(np.int32), self.node_count
        )

    def classes(self) -> tuple[Ints, Ints]:
        """Nodes with the same neighbourhood: (classes,) first node of each, (nodes,) class."""
        return classes_of(self.start, self.hub)


def classes_of(start: Ints, hub: Ints) -> tuple[Ints, Ints]:
    """Equal rows of lists: (classes,) first row of each, in that order, and (rows,) class."""
    size = np.diff(start)
    alike = np.full(size.size, -1, np.int64)
    alike[size == 1] = hub[start[:-1][size == 1]]
    found: dict[bytes, int] = {}
    beyond = int(hub.max(initial=0)) + 1
    for row in np.flatnonzero(size > 1).tolist():
        key = hub[start[row] : start[row + 1]].tobytes()
        alike[row] = beyond + found.setdefault(key, len(found))
    _, first, of = np.unique(alike, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return np.sort(first), rank[of]


def incidence(acts: Acts, mode: Mode) -> Incidence:
    """Memberships of all acts, whenever they were."""
    node, node_count = acts.nodes(mode)
    hub, hub_count = acts.hubs(mode)
    return incidence_of(node, hub, node_count, hub_count)


def incidence_of(node: Ints, hub: Ints, node_count: int, hub_count: int) -> Incidence:
    """Distinct memberships of (n,) nodes in (n,) hubs."""
    key = distinct(node.astype(np.int64) * max(hub_count, 1) + hub)
    row, column = np.divmod(key, max(hub_count, 1))
    start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=node_count))])
    return Incidence(start.astype(np.int64), column.astype(np.int32), hub_count)


def distinct(values: Ints) -> Ints:
    """Distinct values, ascending; by sorting, which is many times faster than `numpy.unique`."""
    found: Ints = np.sort(values)
    return found[np.append(True, found[1:] != found[:-1])] if found.size else found


def windowed_incidence(acts: Acts, mode: Mode, window: Window) -> Incidence | None:
    """Memberships whose common hubs are the window's links; none for a finite gap.

    Raises:
        PermanentFailure: acts come by the day and the window is shorter than one.
    """
    if window.is_unbounded:
        return incidence(acts, mode)
    check_days(acts, window)
    node, node_count = acts.nodes(mode)
    hub, hub_count = acts.hubs(mode)
    if window.semantics == "pairwise_gap":
        span = int(acts.last.max(initial=0)) - int(acts.first.min(initial=0))
        return incidence(acts, mode) if window.width is None or span <= window.width else None
    if window.semantics == "trailing":
        is_in = _is_trailing(acts, window)
        return incidence_of(node[is_in], hub[is_in], node_count, hub_count)
    period = np.concatenate([_period(acts.first, window), _period(acts.last, window)])
    period -= period.min(initial=0)
    key = np.concatenate([hub, hub]) * (period.max(initial=0) + 1) + period
    told, dated = np.unique(key, return_inverse=True)
    return incidence_of(np.concatenate([node, node]), dated, node_count, told.size)


def check_days(acts: Acts, window: Window) -> None:
    """Refuse a window of less than a day where a row stands for a day's acts."""
    if (
        window.width is not None
        and window.width < DAY
        and window.semantics != "none"
        and bool((acts.first != acts.last).any())
    ):
        raise PermanentFailure(
            "Acts come by the day, and the window is shorter than a day.",
            "Give single acts, or a window of a day or more.",
        )


def _is_trailing(acts: Acts, window: Window) -> NDArray[np.bool_]:
    end = window.snapshot
    if end is None:
        end = int(acts.last.max(initial=np.iinfo(np.int64).min))
    # A row is shorter than the window, so one of its ends is in if any of its acts is.
    is_in = (acts.first <= end) | (acts.last <= end)
    if window.width is None:
        return is_in
    begin = end - window.width
    return ((acts.first >= begin) & (acts.first <= end)) | (
        (acts.last >= begin) & (acts.last <= end)
    )


def _period(at: Ints, window: Window) -> NDArray[np.int64]:
    if window.months is None:
        return np.asarray(at // (window.width or 1), np.int64)
    months = at.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    return np.asarray(months // window.months, np.int64)
