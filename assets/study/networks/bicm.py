"""The bipartite configuration model: the most random network with the expected degrees given.

Belongs here: its fit and the figures it expects. Does not belong here: networks with exactly the
degrees given (`null_models`), tests against it (`backbone`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assets.study.networks.incidence import Incidence
from orchestration.failures import PermanentFailure

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

# Of degrees; Newton's steps go from 1e-6 to this one in two.
TOLERANCE = 1e-10
MOST_STEPS = 200


@dataclass(frozen=True)
class Bicm:
    """Probability of each membership, by distinct degrees; memberships are independent.

    Attributes:
        node_class: (nodes,) place of each node's degree among the distinct ones.
        hub_class: (hubs,) the same of each hub.
        nodes: (node classes,) nodes of each class.
        hubs: (hub classes,) hubs of each class.
        probability: (node classes, hub classes) that a node has a hub.
    """

    node_class: Whole
    hub_class: Whole
    nodes: Whole
    hubs: Whole
    probability: Floats


@dataclass(frozen=True)
class Expected:
    """Figures of the projection that the model expects; none where there is nothing to divide by.

    Attributes:
        edges: pairs of nodes that share a hub, exact.
        connected_rate: share of nodes with a degree of at least 1, exact.
        average_degree_connected: the average over all by the rate: a ratio of expectations.
    """

    memberships: float
    edges: float
    connected_rate: float | None
    average_degree_all: float | None
    average_degree_connected: float | None


# ---------------------------------------------------------------- fit


def fit(memberships: Incidence) -> Bicm:
    """The model whose expected degrees are those of the network (maximum likelihood).

    A node has a hub with probability x y / (1 + x y) (Saracco et al. 2015, Randomizing bipartite
    networks). Nodes of equal degree have equal x, so the equations are as many as distinct
    degrees: never more than the square root of twice the memberships on each side. Nodes and hubs
    with none or all of the others are certain and leave the equations.

    Raises:
        PermanentFailure: the expected degrees do not reach those given.
    """
    node_degree, node_class, nodes = np.unique(
        memberships.sizes, return_inverse=True, return_counts=True
    )
    of_hubs = np.bincount(memberships.hub, minlength=memberships.hub_count)
    hub_degree, hub_class, hubs = np.unique(of_hubs, return_inverse=True, return_counts=True)
    probability = np.zeros((nodes.size, hubs.size))
    open_nodes, open_hubs, node_left, hub_left = _certain(
        node_degree.astype(np.int64), hub_degree.astype(np.int64), nodes, hubs, probability
    )
    if open_nodes.size:
        probability[np.ix_(open_nodes, open_hubs)] = _solved(
            node_left[open_nodes].astype(float),
            hub_left[open_hubs].astype(float),
            nodes[open_nodes].astype(float),
            hubs[open_hubs].astype(float),
        )
    return Bicm(node_class, hub_class, nodes, hubs, probability)


def _certain(
    node_degree: Whole, hub_degree: Whole, nodes: Whole, hubs: Whole, probability: Floats
) -> tuple[Whole, Whole, Whole, Whole]:
    """Set what is certain; the classes left, and the degrees left to them."""
    open_nodes, open_hubs = np.arange(nodes.size), np.arange(hubs.size)
    node_left, hub_left = node_degree.copy(), hub_degree.copy()
    while True:
        before = open_nodes.size + open_hubs.size
        full = open_nodes[node_left[open_nodes] == hubs[open_hubs].sum()]
        if open_hubs.size and full.size:
            probability[np.ix_(full, open_hubs)] = 1
            hub_left[open_hubs] -= nodes[full].sum()
            node_left[full] = 0
        open_nodes = open_nodes[node_left[open_nodes] > 0]
        full = open_hubs[hub_left[open_hubs] == nodes[open_nodes].sum()]
        if open_nodes.size and full.size:
            probability[np.ix_(open_nodes, full)] = 1
            node_left[open_nodes] -= hubs[full].sum()
            hub_left[full] = 0
        open_hubs = open_hubs[hub_left[open_hubs] > 0]
        if open_nodes.size + open_hubs.size == before:
            return open_nodes, open_hubs, node_left, hub_left


def _solved(node_degree: Floats, hub_degree: Floats, nodes: Floats, hubs: Floats) -> Floats:
    """Probabilities with the degrees given, by Newton's steps on the concave likelihood.

    Unknowns are a = log x and b = log y; a step is halved until the likelihood rises.
    """
    from scipy.special import expit

    total = float((node_degree * nodes).sum())
    a = np.log(node_degree / np.sqrt(total))
    b = np.log(hub_degree / np.sqrt(total))
    size = 1.0
    worst = np.inf
    for _ in range(MOST_STEPS):
        probability: Floats = expit(a[:, None] + b)
        node_missing = node_degree - probability @ hubs
        hub_missing = hub_degree - nodes @ probability
        worst = max(
            float(np.abs(node_missing / node_degree).max()),
            float(np.abs(hub_missing / hub_degree).max()),
        )
        if worst <= TOLERANCE:
            return probability
        step_a, step_b = _newton_step(probability, nodes, hubs, node_missing, hub_missing)
        slope = float((step_a * nodes) @ node_missing + (step_b * hubs) @ hub_missing)
        here = _likelihood(a, b, node_degree, hub_degree, nodes, hubs)
        size = 1.0
        while size > 1e-6:
            there = _likelihood(
                a + size * step_a, b + size * step_b, node_degree, hub_degree, nodes, hubs
            )
            # Near the top, likelihoods differ by less than their rounding.
            if there >= here + 1e-4 * size * slope - 1e-12 * abs(here):
                break
            size /= 2
        a, b = a + size * step_a, b + size * step_b
    raise PermanentFailure(
        f"The configuration model misses a degree by a share of {worst:.1e}.",
        "Leave out nodes and hubs that hold nearly all of the others.",
    )


def _newton_step(
    probability: Floats, nodes: Floats, hubs: Floats, node_missing: Floats, hub_missing: Floats
) -> tuple[Floats, Floats]:
    """Newton's step; the smaller side is solved for, the larger one follows.

    Adding a constant to a and taking it from b changes nothing, so one unknown is held.
    """
    if probability.shape[0] < probability.shape[1]:
        step_b, step_a = _newton_step(probability.T, hubs, nodes, hub_missing, node_missing)
        return step_a, step_b
    from scipy.linalg import solve

    variance = probability * (1 - probability)
    # Where all is nearly certain there is no curvature left to divide by.
    node_curvature = np.maximum(variance @ hubs, 1e-30)
    hub_curvature = np.maximum(nodes @ variance, 1e-30)
    scaled = variance * (nodes / node_curvature)[:, None]
    # Equations of hubs, by hub: those of nodes put in.
    matrix = np.diag(hub_curvature) - (scaled.T @ variance) * hubs
    right = hub_missing - scaled.T @ node_missing
    step_b = np.zeros(hubs.size)
    step_b[1:] = solve(matrix[1:, 1:], right[1:])
    step_a = (node_missing - variance @ (hubs * step_b)) / node_curvature
    return step_a, step_b


def _likelihood(
    a: Floats, b: Floats, node_degree: Floats, hub_degree: Floats, nodes: Floats, hubs: Floats
) -> float:
    spread = nodes @ np.logaddexp(0, a[:, None] + b) @ hubs
    return float((nodes * node_degree) @ a + (hubs * hub_degree) @ b - spread)


# ---------------------------------------------------------------- what it expects


def expected(model: Bicm) -> Expected:
    """Figures of the projection; two nodes share no hub with the product of (1 - p q) over hubs.

    A node has no neighbour if each of its hubs has no other node: hubs are independent, so the
    connected rate is exact too.
    """
    p, nodes, hubs = model.probability, model.nodes, model.hubs
    count = int(nodes.sum())
    edges = 0.0
    for place, row in enumerate(p):
        linked = -np.expm1(_log_none(row * p[place:]) @ hubs)
        pairs = nodes[place] * nodes[place:].astype(float)
        pairs[0] = nodes[place] * (nodes[place] - 1) / 2
        edges += float(pairs @ linked)
    rate = float(nodes @ connected(model)) / count if count else None
    average = 2 * edges / count if count else None
    return Expected(
        memberships=float(nodes @ p @ hubs),
        edges=edges,
        connected_rate=rate,
        average_degree_all=average,
        average_degree_connected=average / rate if average is not None and rate else None,
    )


def connected(model: Bicm) -> Floats:
    """(node classes,) probability that a node shares a hub with any other."""
    p = model.probability
    certain = p >= 1
    # Certain members are counted apart: their logarithm is endless and cannot be taken back.
    log_none = _log_none(np.where(certain, 0, p))
    total = model.nodes @ log_none
    others = model.nodes @ certain - certain.astype(np.int64)
    alone: Floats = np.where(others > 0, 0, np.exp(total - log_none))
    return np.asarray(-np.expm1(_log_none(p * (1 - alone)) @ model.hubs), np.float64)


def _log_none(probability: Floats) -> Floats:
    """Logarithm of 1 - p, finite: of certain ones that of 1e-16."""
    return np.asarray(np.log1p(-np.minimum(probability, np.nextafter(1, 0))), np.float64)
