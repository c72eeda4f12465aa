"""What the edges of a network tell: components, cores, clustering, mixing, brokers, a core.

Belongs here: figures of a projection that fits, and of degrees alone. Does not belong here: the
two-mode network's own figures (`bipartite`), communities (`communities`).

NetworKit counts triangles, cores and shortest paths, on one thread; networkx is what the tests
compare with.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assets.study.networks.communities import Edges, graph_of, one_thread
from assets.study.networks.projection import Projection

if TYPE_CHECKING:
    from assets.study.networks.incidence import Incidence

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Nodes × edges up to which all shortest paths are counted: some three seconds.
EXACT_WORK = 10**8
BATCHES = 8
MOST_SOURCES_PER_BATCH = 32
LEAST_SOURCES_PER_BATCH = 4
# Sources × edges that a sample may take: some twenty seconds.
SAMPLE_WORK = 250_000_000


@dataclass(frozen=True)
class Betweenness:
    """Share of the pairs of other nodes whose shortest paths lead through a node.

    Attributes:
        value: (nodes,) from 0 to 1.
        standard_error: (nodes,) of the sampling; 0 where exact.
        sources: nodes whose shortest paths were followed; none: all, exact.
    """

    value: Floats
    standard_error: Floats
    sources: int | None


def structure(projection: Projection, seed: int) -> dict[str, float | int | None]:
    """Figures of a network by name.

    - `components` (isolated nodes among them), `connected_components` (of two nodes or more),
      `isolated_nodes`, `largest_component`, `largest_component_share` of all nodes.
    - `core_maximum`: the largest k for which some nodes have k neighbours among themselves (Seidman
      1983); `core_maximum_nodes`: how many they are.
    - `clustering_average`: mean share of a node's pairs of neighbours that are linked, 0 below two
      neighbours (Watts & Strogatz 1998); `clustering_average_defined`: without those nodes;
      `transitivity`: triangles × 3 / paths of two edges.
    - `assortativity`: correlation of the degrees at an edge's ends (Newman 2002).
    - `betweenness_maximum` with `betweenness_maximum_error` (standard error of that node's, 0 where
      exact), `betweenness_centralization` (Freeman 1977: 1 for a star), `betweenness_sources`
      (none: all).
    - `core_size`, `core_share`, `core_fit`, `core_density`, `periphery_density`: see
      `core_periphery`.

    None stands where nothing is defined.
    """
    return {
        **component_figures(component_sizes(projection)),
        **_core_figures(core_numbers(projection)),
        **_clustering_figures(local_clustering(projection), projection.degrees()),
        "assortativity": assortativity(projection),
        **_betweenness_figures(betweenness(projection, seed)),
        **core_periphery(projection),
    }


@contextmanager
def _engine(projection: Projection) -> Iterator[tuple[Any, Any]]:
    """NetworKit, and the network as its unweighted graph."""
    with one_thread() as networkit:
        yield networkit, graph_of(Edges(projection.node_count, projection.i, projection.j))


# ---------------------------------------------------------------- components


def component_sizes(projection: Projection) -> Ints:
    """(components,) nodes of each, the largest first."""
    return _sizes(projection.i, projection.j, projection.node_count, projection.node_count)


def incidence_component_sizes(incidence: "Incidence") -> Ints:
    """Those of the projection, without making it: nodes that common hubs join, step by step."""
    hub = incidence.hub.astype(np.int64) + incidence.node_count
    both = incidence.node_count + incidence.hub_count
    return _sizes(incidence.node_of_membership(), hub, both, incidence.node_count)


def _sizes(i: NDArray[Any], j: NDArray[Any], vertex_count: int, node_count: int) -> Ints:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(i), np.int8), (i, j)), shape=(vertex_count, vertex_count))
    _, label = connected_components(links, directed=False)
    _, size = np.unique(label[:node_count], return_counts=True)
    return np.sort(size)[::-1]


def component_figures(sizes: Ints) -> dict[str, float | int | None]:
    """Figures of component sizes, the largest first."""
    nodes = int(sizes.sum())
    largest = int(sizes[0]) if nodes else 0
    return {
        "components": len(sizes),
        "connected_components": int((sizes > 1).sum()),
        "isolated_nodes": int((sizes == 1).sum()),
        "largest_component": largest,
        "largest_component_share": largest / nodes if nodes else None,
    }


# ---------------------------------------------------------------- cores and triangles


def core_numbers(projection: Projection) -> Ints:
    """(nodes,) largest k so that the node is among nodes with k neighbours in their midst."""
    with _engine(projection) as (networkit, graph):
        found = networkit.centrality.CoreDecomposition(graph, enforceBucketQueueAlgorithm=True)
        return np.asarray(found.run().scores(), np.int64)


def _core_figures(numbers: Ints) -> dict[str, float | int | None]:
    largest = int(numbers.max(initial=0))
    return {"core_maximum": largest, "core_maximum_nodes": int((numbers == largest).sum())}


def local_clustering(projection: Projection) -> Floats:
    """(nodes,) share of each node's pairs of neighbours that are linked; 0 below two."""
    with _engine(projection) as (networkit, graph):
        found = networkit.centrality.LocalClusteringCoefficient(graph, turbo=True)
        return np.asarray(found.run().scores(), np.float64)


def _clustering_figures(local: Floats, degrees: Ints) -> dict[str, float | int | None]:
    pairs = degrees * (degrees - 1) / 2
    closed = float(local @ pairs)
    is_defined = degrees > 1
    return {
        "clustering_average": float(local.mean()) if len(local) else None,
        "clustering_average_defined": float(local[is_defined].mean()) if pairs.any() else None,
        "transitivity": closed / float(pairs.sum()) if pairs.any() else None,
    }


def assortativity(projection: Projection) -> float | None:
    """Correlation of the degrees at both ends of an edge; none where all degrees are the same.

    Newman 2002, Assortative mixing in networks, equation 4.
    """
    degrees = projection.degrees().astype(np.float64)
    one, other = degrees[projection.i], degrees[projection.j]
    ends = np.concatenate([one, other])
    if not len(ends) or ends.min() == ends.max():
        return None
    centre = ends.mean()
    return float(((one - centre) * (other - centre)).mean() / ends.var())


# ---------------------------------------------------------------- brokers


def betweenness(projection: Projection, seed: int, exact_work: int = EXACT_WORK) -> Betweenness:
    """Betweenness of all nodes, exact where nodes × edges are few, else estimated from sources.

    Estimates average BATCHES independent samples of random sources (256 in all, fewer beyond a
    million edges), each weighting what it finds by distance (Geisberger, Sanders & Schultes 2008),
    which is unbiased; their spread gives standard errors. Nothing bounds the error of a node that
    no sample met.
    """
    nodes = projection.node_count
    is_exact = nodes * projection.edge_count <= exact_work
    affordable = SAMPLE_WORK // (BATCHES * max(projection.edge_count, 1))
    sources = min(max(affordable, LEAST_SOURCES_PER_BATCH), MOST_SOURCES_PER_BATCH)
    found = np.empty((1 if is_exact else BATCHES, nodes))
    with _engine(projection) as (networkit, graph):
        for batch in range(len(found)):
            networkit.setSeed(seed * BATCHES + batch, False)
            centrality = networkit.centrality
            counted = (
                centrality.Betweenness(graph)
                if is_exact
                else centrality.EstimateBetweenness(graph, sources)
            )
            found[batch] = counted.run().scores()
    # NetworKit counts the pairs of other nodes in both directions.
    found /= max((nodes - 1) * (nodes - 2), 1)
    if is_exact:
        return Betweenness(found[0], np.zeros(nodes), None)
    error = found.std(axis=0, ddof=1) / np.sqrt(BATCHES)
    return Betweenness(found.mean(axis=0), error, BATCHES * sources)


def _betweenness_figures(found: Betweenness) -> dict[str, float | int | None]:
    if len(found.value) < 3:
        return dict.fromkeys(
            ("betweenness_maximum", "betweenness_maximum_error", "betweenness_centralization",
             "betweenness_sources")
        )  # fmt: skip
    at = int(found.value.argmax())
    highest = float(found.value[at])
    return {
        "betweenness_maximum": highest,
        "betweenness_maximum_error": float(found.standard_error[at]),
        "betweenness_centralization": float((highest - found.value).sum() / (len(found.value) - 1)),
        "betweenness_sources": found.sources,
    }


# ---------------------------------------------------------------- core and periphery


def core_of(degrees: Ints) -> Ints:
    """(core,) nodes of the discrete core that is nearest to the ideal one.

    Ideal are all links within the core and none within the periphery; links between them do not
    count (Borgatti & Everett 2000, section 3.2). The core with the fewest deviations is made of the
    nodes with the largest degrees (Lip 2011, A fast algorithm for the discrete core/periphery
    bipartitioning problem): for a core of k nodes they are k (k - 1) / 2 + edges - the sum of its
    degrees. It needs no edges. Of equally good cores the smallest, of equal degrees the first node.
    """
    order = np.argsort(-degrees, kind="stable")
    size = np.arange(len(degrees) + 1)
    deviations = size * (size - 1) // 2 - np.concatenate(([0], np.cumsum(degrees[order])))
    return np.sort(order[: int(deviations.argmin())])


def core_periphery(projection: Projection) -> dict[str, float | int | None]:
    """Size, densities and fit of the core that `core_of` finds.

    `core_fit` is the correlation between links and the ideal pattern over the pairs within the core
    and within the periphery (Borgatti & Everett 2000, equation 1); none where either is constant.
    """
    nodes = projection.node_count
    core = core_of(projection.degrees())
    is_core = np.zeros(nodes, bool)
    is_core[core] = True
    ends = is_core[projection.i].astype(np.int8) + is_core[projection.j]
    inner, outer = int((ends == 2).sum()), int((ends == 0).sum())
    size, rest = len(core), nodes - len(core)
    inner_pairs, outer_pairs = size * (size - 1) // 2, rest * (rest - 1) // 2
    return {
        "core_size": size,
        "core_share": size / nodes if nodes else None,
        "core_density": inner / inner_pairs if inner_pairs else None,
        "periphery_density": outer / outer_pairs if outer_pairs else None,
        "core_fit": _phi(inner, inner_pairs, outer, outer_pairs),
    }


def _phi(inner: int, inner_pairs: int, outer: int, outer_pairs: int) -> float | None:
    """Correlation of being linked with being a pair of the core."""
    linked, pairs = inner + outer, inner_pairs + outer_pairs
    spread = float(inner_pairs) * outer_pairs * linked * (pairs - linked)
    if spread == 0:
        return None
    return float((inner * (outer_pairs - outer) - outer * (inner_pairs - inner)) / spread**0.5)
