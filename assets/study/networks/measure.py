"""The headline figures of a network.

Belongs here: degrees and what is computed from them. Does not belong here: how degrees are
counted (`degrees`, `windows`), reading acts (`files`).
"""

from dataclasses import dataclass

import numpy as np

from assets.study.networks.acts import Acts, Ints, Mode, Window
from assets.study.networks.degrees import projected_degrees
from assets.study.networks.incidence import incidence, windowed_incidence
from assets.study.networks.windows import finite, spell_degrees, spells


@dataclass(frozen=True)
class Figures:
    """Figures of a network; averages and rates are none where there is nothing to divide by.

    Attributes:
        active_nodes: nodes with at least one act in the window.
        memberships: distinct pairs of a node and a hub with an act in the window.
        edges: pairs of linked nodes.
        connected_rate: share of nodes with a degree of at least 1.
        degrees: (nodes,) int64.
    """

    nodes: int
    active_nodes: int
    memberships: int
    edges: int
    connected_rate: float | None
    average_degree_all: float | None
    average_degree_connected: float | None
    max_degree: int
    degrees: Ints

    def distribution(self) -> tuple[Ints, Ints]:
        """Degrees that occur, ascending, and how many nodes have each."""
        degree, count = np.unique(self.degrees, return_counts=True)
        return degree, count


def measure(acts: Acts, mode: Mode, window: Window) -> Figures:
    """Figures of one network, exact, for every kind of window."""
    within = windowed_incidence(acts, mode, window)
    if within is None:
        degrees = spell_degrees(spells(acts, mode, finite(window)))
    else:
        degrees = projected_degrees(within)
    if window.semantics != "trailing":
        within = incidence(acts, mode)
    assert within is not None
    return figures_of(degrees, int(np.count_nonzero(within.sizes)), within.hub.size)


def figures_of(degrees: Ints, active_nodes: int, memberships: int) -> Figures:
    """Figures of (nodes,) degrees; "all = connected times rate" holds by construction."""
    nodes, total = degrees.size, int(degrees.sum())
    connected = int(np.count_nonzero(degrees))
    return Figures(
        nodes=nodes,
        active_nodes=active_nodes,
        memberships=memberships,
        edges=total // 2,
        connected_rate=connected / nodes if nodes else None,
        average_degree_all=total / nodes if nodes else None,
        average_degree_connected=total / connected if connected else None,
        max_degree=int(degrees.max(initial=0)),
        degrees=degrees,
    )
