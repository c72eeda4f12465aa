"""What the two-mode network itself tells, without a projection.

Belongs here: figures of memberships as they are. Does not belong here: degrees of projections
(`degrees`), and null models of these figures (`null_models`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.study.networks.degrees import products, projected_degrees, rows_of
from assets.study.networks.incidence import Incidence, incidence_of
from assets.study.networks.structure import incidence_component_sizes

Ints = NDArray[np.signedinteger[Any]]
Floats = NDArray[np.float64]

# Steps from a node to a hub to another node up to which all nodes are looked at, else a sample.
EXACT_STEPS = 20_000_000
SAMPLE = 1_000
BLOCK_STEPS = 4_000_000


@dataclass(frozen=True)
class Local:
    """What single nodes' neighbourhoods tell.

    Attributes:
        clustering: (nodes,) mean share of hubs in common, |both| / |either|, with those nodes that
            share any (Latapy, Magnien & Del Vecchio 2008, section 4); 0 where none does.
        redundancy: (nodes,) share of a node's pairs of hubs that another node has in common too
            (the same, section 5); NaN below two hubs.
    """

    clustering: Floats
    redundancy: Floats


def bipartite(incidence: Incidence, seed: int) -> dict[str, float | int | None]:
    """Figures of the two-mode network by name.

    - `nodes`, `hubs`, `memberships`, `density` (memberships / (nodes × hubs)).
    - `node_degree_mean`, `node_degree_square_mean`, `node_degree_maximum`, the same of hubs: over
      all, those without a membership among them.
    - `components` of nodes with what hubs join, `largest_component` (nodes in it).
    - `squares`: cycles of four memberships; `clustering`: 4 × squares / paths of three memberships
      (Robins & Alexander 2004).
    - `local_clustering` and `redundancy`: means over nodes (redundancy: of two hubs or more), see
      `Local`; exact or of a seeded sample of `local_nodes` nodes, with their standard errors
      `..._error` (0 where exact).
    - `newman_strength_mean`, `newman_strength_maximum`: see `newman_strengths`.

    None stands where nothing is defined.
    """
    hub_degrees = np.bincount(incidence.hub, minlength=incidence.hub_count)
    nodes, hubs, memberships = incidence.node_count, incidence.hub_count, len(incidence.hub)
    components = incidence_component_sizes(incidence)
    strengths = newman_strengths(incidence)
    found, paths = squares(incidence), three_paths(incidence)
    return {
        "nodes": nodes,
        "hubs": hubs,
        "memberships": memberships,
        "density": memberships / (nodes * hubs) if nodes and hubs else None,
        **_moments("node_degree", incidence.sizes),
        **_moments("hub_degree", hub_degrees),
        "components": len(components),
        "largest_component": int(components.max(initial=0)),
        "squares": found,
        "clustering": 4 * found / paths if paths else None,
        **_local_figures(incidence, seed),
        "newman_strength_mean": float(strengths.mean()) if nodes else None,
        "newman_strength_maximum": int(strengths.max(initial=0)),
    }


def _moments(name: str, degrees: Ints) -> dict[str, float | int | None]:
    values = degrees.astype(np.float64)
    return {
        f"{name}_mean": float(values.mean()) if len(values) else None,
        f"{name}_square_mean": float((values**2).mean()) if len(values) else None,
        f"{name}_maximum": int(degrees.max(initial=0)),
    }


def newman_strengths(incidence: Incidence) -> Ints:
    """(nodes,) sum of each node's Newman weights: its hubs that have another member.

    Each such hub adds 1 / (k - 1) for each of its k - 1 others (Newman 2001, Scientific
    collaboration networks II), so no projection is needed.
    """
    is_shared = np.bincount(incidence.hub, minlength=incidence.hub_count)[incidence.hub] > 1
    return np.bincount(
        incidence.node_of_membership()[is_shared], minlength=incidence.node_count
    ).astype(np.int64)


# ---------------------------------------------------------------- squares


def squares(incidence: Incidence) -> int:
    """Cycles of four memberships: two nodes with two hubs in common.

    Pairs are counted on the side whose products have fewer terms.
    """
    hub_degrees = np.bincount(incidence.hub, minlength=incidence.hub_count).astype(np.int64)
    node_degrees = incidence.sizes.astype(np.int64)
    sides = incidence, node_degrees, hub_degrees
    if (node_degrees**2).sum() < (hub_degrees**2).sum():
        sides = incidence.flipped(), hub_degrees, node_degrees
    paired, own, other = sides
    # Over ordered pairs of different nodes, of common hubs: their squares less their number.
    squared = -int((own**2).sum()) - int((other * (other - 1)).sum())
    for _, product in products(paired):
        squared += int((product.data.astype(np.int64) ** 2).sum())
    return squared // 4


def three_paths(incidence: Incidence) -> int:
    """Paths of three memberships, by the one in the middle."""
    hub_degrees = np.bincount(incidence.hub, minlength=incidence.hub_count).astype(np.int64)
    ends = np.repeat(incidence.sizes - 1, incidence.sizes) * (hub_degrees[incidence.hub] - 1)
    return int(ends.sum())


def clustering(incidence: Incidence) -> float | None:
    """Share of the paths of three memberships that a fourth closes (Robins & Alexander 2004)."""
    paths = three_paths(incidence)
    return 4 * squares(incidence) / paths if paths else None


# ---------------------------------------------------------------- neighbourhoods


def local_figures(incidence: Incidence, nodes: Ints) -> Local:
    """Clustering and redundancy of some nodes, exact.

    Every step node → hub → other node is made once, BLOCK_STEPS of them at a time. Pairs of a
    node's hubs that others share are the edges of a small projection: of the node's hubs, by the
    others that have two of them or more.
    """
    turned = incidence.flipped()
    found = [
        _neighbourhoods(rows_of(incidence, some), some, turned, incidence.sizes)
        for some in _by_steps(incidence, nodes)
    ]
    empty = np.empty(0)
    return Local(
        np.concatenate([empty, *(one.clustering for one in found)]),
        np.concatenate([empty, *(one.redundancy for one in found)]),
    )


def _by_steps(incidence: Incidence, nodes: Ints) -> Iterator[Ints]:
    """Nodes in groups of a bounded number of steps each."""
    group = np.cumsum(_steps(incidence)[nodes]) // BLOCK_STEPS
    yield from np.split(nodes, np.flatnonzero(np.diff(group)) + 1)


def _steps(incidence: Incidence) -> Ints:
    """(nodes,) steps node → hub → node of each, those back to itself among them."""
    hub_degrees = np.bincount(incidence.hub, minlength=incidence.hub_count)
    summed = np.concatenate(([0], np.cumsum(hub_degrees[incidence.hub])))
    return np.diff(summed[incidence.start])


def _neighbourhoods(own: Incidence, nodes: Ints, turned: Incidence, sizes: Ints) -> Local:
    """Those of `nodes`, whose hubs are `own`.

    Args:
        turned: hubs with all their nodes.
        sizes: hubs of each node there is.
    """
    reached = rows_of(turned, own.hub)
    membership = reached.node_of_membership()
    row = own.node_of_membership()[membership]
    is_other = reached.hub != nodes[row]
    membership, row, other = membership[is_other], row[is_other], reached.hub[is_other]
    key = row.astype(np.int64) * len(sizes) + other
    pairs, pair, both = np.unique(key, return_inverse=True, return_counts=True)
    one, another = np.divmod(pairs, len(sizes))
    either = own.sizes[one] + sizes[another] - both
    count = np.bincount(one, minlength=len(nodes))
    clustering = np.bincount(one, both / either, len(nodes)) / np.maximum(count, 1)
    is_wide = both[pair] > 1
    shared = incidence_of(membership[is_wide], pair[is_wide], len(own.hub), len(pairs))
    linked = np.bincount(own.node_of_membership(), projected_degrees(shared), len(nodes)) / 2
    with np.errstate(invalid="ignore"):
        return Local(clustering, linked / (own.sizes * (own.sizes - 1) / 2))


def _local_figures(incidence: Incidence, seed: int) -> dict[str, float | int | None]:
    nodes = np.arange(incidence.node_count)
    is_exact = len(nodes) <= SAMPLE or int(_steps(incidence).sum()) <= EXACT_STEPS
    if not is_exact:
        drawn = np.random.default_rng(seed).choice(len(nodes), SAMPLE, replace=False)
        nodes = np.sort(drawn)
    found = local_figures(incidence, nodes)
    redundancy = found.redundancy[~np.isnan(found.redundancy)]
    share = 1 - len(nodes) / incidence.node_count if len(nodes) else 0.0
    return {
        "local_nodes": len(nodes),
        **_mean("local_clustering", found.clustering, share),
        **_mean("redundancy", redundancy, share),
    }


def _mean(name: str, values: Floats, unseen: float) -> dict[str, float | int | None]:
    """Mean and its standard error in a sample without replacement that leaves a share unseen."""
    error = None
    if len(values) > 1 or not unseen:
        error = float(np.sqrt(unseen * values.var(ddof=1) / len(values))) if unseen else 0.0
    return {name: float(values.mean()) if len(values) else None, f"{name}_error": error}
