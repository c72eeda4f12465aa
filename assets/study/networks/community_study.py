"""Communities of a network in one call: many runs, what they agree on, and how far.

Belongs here: which way a network is treated by its size, and the figures told of its communities.
Does not belong here: finding communities (`communities`, `implicit`), reading files.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from assets.study.networks.acts import Acts, Mode, Window
from assets.study.networks.agreement import label_agreement, pairwise_ami
from assets.study.networks.communities import (
    Edges,
    Labels,
    Method,
    consensus,
    ensemble,
    modularity,
    resolution_sweep,
)
from assets.study.networks.projection import MOST_BYTES, Weight

if TYPE_CHECKING:
    from assets.study.networks.incidence import Incidence

Row = dict[str, Any]
Graph = Literal["projection", "bipartite"]
LARGEST = 10
RUNS = 100


@dataclass(frozen=True)
class Request:
    """How communities are looked for.

    Attributes:
        graph: the projection, or the bipartite graph itself.
        weight: of the projection's edges.
        sweep: other resolutions to tell of, with `sweep_runs` runs each.
    """

    method: Method = "louvain"
    runs: int = RUNS
    seed: int = 0
    resolution: float = 1.0
    graph: Graph = "projection"
    weight: Weight = "none"
    sweep: tuple[float, ...] = ()
    sweep_runs: int = 10

    @property
    def seeds(self) -> list[int]:
        """A seed for each run."""
        return [int(one) for one in np.random.SeedSequence(self.seed).generate_state(self.runs)]


@dataclass(frozen=True)
class Found:
    """Communities and their figures.

    Attributes:
        labels: (nodes,) the runs' consensus, by size.
        runs: (runs, nodes).
        figures: names and values that can be written as JSON.
    """

    labels: Labels
    runs: Labels
    figures: Row


def communities_of_edges(edges: Edges, request: Request, way: str = "edges") -> Found:
    """Communities of a graph."""
    runs = ensemble(edges, request.method, request.seeds, request.resolution)
    labels = consensus(edges, runs, request.method, request.seed)
    told = {"way": way, "edges": len(edges.i),
            "isolated_nodes": int(np.count_nonzero(edges.strengths == 0))}  # fmt: skip
    found = _told(
        labels, runs, request, told, lambda one: modularity(edges, one, request.resolution)
    )
    if request.sweep:
        found.figures["resolution_sweep"] = resolution_sweep(
            edges, request.sweep, request.method, request.seeds[: request.sweep_runs]
        )
    return found


def communities_of_acts(
    acts: Acts, mode: Mode, window: Window, request: Request, most_bytes: int = MOST_BYTES
) -> Found:
    """Communities of a network of acts.

    A projection that does not fit is never built: its Newman-weighted communities (or by shared
    hubs, if asked for) are found through the memberships, by Louvain. `way` tells which was done.

    Raises:
        PermanentFailure: it does not fit, and the window is a gap between two acts.
    """
    from assets.study.networks.incidence import windowed_incidence
    from assets.study.networks.projection import (
        check_fits,
        estimated_bytes,
        project,
        project_windowed,
    )
    from assets.study.networks.windows import windowed_degrees

    incidence = windowed_incidence(acts, mode, window)
    if request.graph == "bipartite":
        return _bipartite(acts, mode, window, request)
    count = int(windowed_degrees(acts, mode, window).sum()) // 2
    if estimated_bytes(count) > most_bytes:
        if incidence is None:
            check_fits(count, most_bytes)
            raise AssertionError("what does not fit is refused")
        return communities_of_memberships(incidence, count, request)
    if incidence is None:
        made = project_windowed(acts, mode, window, request.weight, most_bytes)
    else:
        made = project(incidence, request.weight, most_bytes)
    weight = None if request.weight == "none" else made.weight
    found = communities_of_edges(
        Edges(made.node_count, made.i, made.j, weight), request, "projection"
    )
    found.figures["weight"] = request.weight
    return found


def communities_of_memberships(incidence: "Incidence", edge_count: int, request: Request) -> Found:
    """Communities of a weighted projection that is never built.

    Args:
        edge_count: pairs of linked nodes, which is told.
    """
    from assets.study.networks.implicit import Implicit

    hidden = Implicit(incidence, "shared" if request.weight == "shared" else "newman")
    runs = hidden.louvain(request.seeds, request.resolution)
    sample = hidden.sampled(seed=request.seed)
    labels = consensus(sample, runs, "louvain", request.seed)
    told = {
        "way": "implicit",
        "weight": hidden.weight,
        "edges": edge_count,
        "isolated_nodes": int(np.count_nonzero(hidden.strengths == 0)),
        "consensus_edges": len(sample.i),
        "note": f"The projection does not fit: never built, {hidden.weight} weights, louvain.",
    }
    return _told(
        labels, runs, request, told, lambda one: hidden.modularity(one, request.resolution)
    )


def _bipartite(acts: Acts, mode: Mode, window: Window, request: Request) -> Found:
    from assets.study.networks.implicit import barber_modularity, bipartite_edges
    from assets.study.networks.incidence import windowed_incidence
    from orchestration.failures import PermanentFailure

    incidence = windowed_incidence(acts, mode, window)
    if incidence is None:
        raise PermanentFailure(
            "A window between two acts leaves no bipartite graph.",
            "Use the semantics none, trailing or calendar.",
        )
    edges = bipartite_edges(incidence)
    found = communities_of_edges(edges, request, "bipartite")
    barber = [barber_modularity(incidence, one) for one in found.runs]
    # Of each community only the nodes are told; the figures above are of nodes and hubs.
    found.figures["barber_modularity"] = barber_modularity(incidence, found.labels)
    found.figures["barber_modularity_mean"] = float(np.mean(barber))
    found.figures["hubs"] = incidence.hub_count
    return Found(
        found.labels[: incidence.node_count], found.runs[:, : incidence.node_count], found.figures
    )


def _told(
    labels: Labels,
    runs: Labels,
    request: Request,
    told: Row,
    quality: Callable[[NDArray[Any]], float],
) -> Found:
    sizes = np.bincount(labels) if labels.size else np.empty(0, np.int64)
    pairs = pairwise_ami(runs)[np.triu_indices(len(runs), 1)] if labels.size else np.empty(0)
    figures: Row = {
        **told,
        "nodes": len(labels),
        "method": "louvain" if told["way"] == "implicit" else request.method,
        "runs": len(runs),
        "seed": request.seed,
        "resolution": request.resolution,
        "communities": len(sizes),
        "communities_of_two_or_more": int(np.count_nonzero(sizes >= 2)),
        "modularity": quality(labels) if labels.size else 0.0,
        "largest_communities": sizes[:LARGEST].tolist(),
        **_range("run_communities", runs.max(axis=1, initial=-1) + 1),
        **_range("run_modularity", np.array([quality(one) for one in runs if one.size])),
        **_range("ami", pairs),
    }
    return Found(labels, runs, figures)


def _range(name: str, values: NDArray[Any]) -> Row:
    """Mean, least and most; none of no values."""
    if not values.size:
        return dict.fromkeys((f"{name}_mean", f"{name}_min", f"{name}_max"))
    return {
        f"{name}_mean": float(values.mean()),
        f"{name}_min": float(values.min()),
        f"{name}_max": float(values.max()),
    }


def agreement_figures(
    labels: NDArray[Any],
    node: NDArray[Any],
    label: NDArray[Any],
    permutations: int = 200,
    seed: int = 0,
) -> Row:
    """Figures of `label_agreement`, with the counts of nodes that have no label and several."""
    per_node = np.bincount(node, minlength=len(labels))
    return {
        "labels": len(np.unique(label)),
        "labelled_nodes": int(np.count_nonzero(per_node)),
        "unlabelled_nodes": int(np.count_nonzero(per_node == 0)),
        "nodes_of_several_labels": int(np.count_nonzero(per_node > 1)),
        "permutations": permutations,
        **{
            name: asdict(one)
            for name, one in label_agreement(labels, node, label, permutations, seed).items()
        },
    }
