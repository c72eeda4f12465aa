"""Communities of an undirected graph: seeded runs of Louvain and Leiden, and what they agree on.

Belongs here: the engine's runs, modularity, ensembles, consensus, sweeps of the resolution. Does
not belong here: how alike two partitions are (`agreement`), graphs never built (`implicit`).

The engine is NetworKit on one thread: with a seed a run can be repeated, which its parallel runs
cannot. Many runs are dealt to processes instead.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from assets.study.networks.agreement import canonical, identical, pairwise_ami
from orchestration.failures import PermanentFailure

Method = Literal["louvain", "leiden"]
METHODS: tuple[Method, ...] = ("louvain", "leiden")
Labels = NDArray[np.int32]
Floats = NDArray[np.float64]
Row = dict[str, Any]
# Edges times runs from which a second process pays for starting, and edges up to which every
# process can have a graph of its own (some 40 bytes an edge).
WORTH_PROCESSES = 50_000_000
MOST_EDGES_TWICE = 30_000_000
# Ends of an edge that agree in a smaller share of the runs are not held together. Tandon et al.
# (2019) use 0.2 for Louvain; a majority keeps communities apart that runs merge now and then.
THRESHOLD = 0.5
MOST_ROUNDS = 20
# Edges compared at once, over all runs.
BLOCK = 1 << 15


@dataclass(frozen=True)
class Edges:
    """An undirected graph, each edge once.

    Attributes:
        node_count: nodes, of which some may have no edge.
        i, j: ends, shape (edges,); a loop has both ends equal.
        weight: above 0, shape (edges,); None: 1 each.
    """

    node_count: int
    i: NDArray[Any]
    j: NDArray[Any]
    weight: Floats | None = None

    @cached_property
    def strengths(self) -> Floats:
        """(node_count,) sum of the weights of each node's edges, a loop counting twice."""
        found: Floats = np.bincount(self.i, self.weight, self.node_count).astype(np.float64)
        found += np.bincount(self.j, self.weight, self.node_count)
        return found


def edges_of(
    node_count: int, i: NDArray[Any], j: NDArray[Any], weight: NDArray[Any] | None = None
) -> Edges:
    """A graph of pairs in any order and direction: repeated pairs become one edge.

    Args:
        node_count: nodes 0 to node_count − 1.
        i, j: ends, shape (pairs,).
        weight: shape (pairs,); weights of the same pair are added. None: repeated pairs count once.
    """
    low, high = np.minimum(i, j).astype(np.int64), np.maximum(i, j)
    key = low * node_count + high
    if weight is None:
        found = np.unique(key)
        total = None
    else:
        found, at = np.unique(key, return_inverse=True)
        total = np.bincount(at, weight, minlength=len(found)).astype(np.float64)
    node = max(node_count, 1)
    return Edges(
        node_count, (found // node).astype(np.int32), (found % node).astype(np.int32), total
    )


def louvain(edges: Edges, seed: int, resolution: float = 1.0) -> Labels:
    """Communities by Louvain (Blondel et al. 2008; NetworKit's PLM, Staudt and Meyerhenke 2016).

    Args:
        seed: of the order in which nodes move.
        resolution: 1 is modularity as Newman (2004) defined it; above: more, smaller communities.

    Returns:
        Labels by size, then by first node, shape (node_count,).
    """
    runs = ensemble(edges, "louvain", [seed], resolution, workers=1)
    return runs.reshape(-1)


def leiden(edges: Edges, seed: int, resolution: float = 1.0) -> Labels:
    """Communities by Leiden (Traag et al. 2019; NetworKit's ParallelLeiden on one thread).

    Arguments and labels are those of `louvain`.
    """
    runs = ensemble(edges, "leiden", [seed], resolution, workers=1)
    return runs.reshape(-1)


def modularity(edges: Edges, labels: NDArray[Any], resolution: float = 1.0) -> float:
    """Newman and Girvan's (2004) modularity with the resolution of Reichardt and Bornholdt (2006).

    Q = Σ_c [L_c / m − resolution (K_c / 2m)²], with weights, a loop counting twice in K. 0 without
    edges.
    """
    total = float(edges.strengths.sum())
    if not total:
        return 0.0
    is_inside = labels[edges.i] == labels[edges.j]
    inside = 2 * float(
        np.count_nonzero(is_inside) if edges.weight is None else edges.weight[is_inside].sum()
    )
    volume = np.bincount(labels, edges.strengths) / total
    return inside / total - resolution * float(np.square(volume).sum())


def ensemble(
    edges: Edges,
    method: Method,
    seeds: Sequence[int],
    resolution: float = 1.0,
    workers: int | None = None,
) -> Labels:
    """A run for each seed.

    Args:
        workers: processes; by default two where that pays and both have room. The labels do not
            depend on it.

    Returns:
        Labels, shape (seeds, node_count), each row as `louvain` gives it.

    Raises:
        PermanentFailure: there is no such method, or a process did not end well.
    """
    if method not in METHODS:
        raise PermanentFailure(f"There is no method {method}.", f"Use {' or '.join(METHODS)}.")
    if not len(edges.i):
        alone = np.arange(edges.node_count, dtype=np.int32)
        return np.tile(alone, (len(seeds), 1))
    if workers is None:
        is_worth = len(edges.i) * len(seeds) >= WORTH_PROCESSES
        workers = 2 if is_worth and len(edges.i) <= MOST_EDGES_TWICE else 1
    workers = min(workers, len(seeds))
    if workers <= 1:
        return _runs(edges, method, seeds, resolution)
    return _runs_of_processes(edges, method, seeds, resolution, workers)


def _runs(edges: Edges, method: Method, seeds: Sequence[int], resolution: float) -> Labels:
    with one_thread() as nk:
        graph = graph_of(edges)
        runs = np.empty((len(seeds), edges.node_count), np.int32)
        for row, seed in zip(runs, seeds, strict=True):
            nk.setSeed(int(seed), False)
            if method == "louvain":
                run = nk.community.PLM(graph, gamma=resolution, par="none randomized")
            else:
                run = nk.community.ParallelLeiden(graph, gamma=resolution)
            row[:] = canonical(np.asarray(run.run().getPartition().getVector(), np.int64))
    return runs


@contextmanager
def one_thread() -> Iterator[Any]:
    """NetworKit on one thread, as runs on several cannot be repeated."""
    import networkit as nk

    before = nk.getMaxNumberOfThreads()
    nk.setNumberOfThreads(1)
    try:
        yield nk
    finally:
        nk.setNumberOfThreads(before)


def graph_of(edges: Edges) -> Any:
    """The graph as NetworKit has it."""
    import networkit as nk

    # It reads memory as numbers of 64 bits whatever the arrays hold.
    ends = tuple(np.ascontiguousarray(one, np.int64) for one in (edges.i, edges.j))
    if edges.weight is None:
        return nk.GraphFromCoo(ends, n=edges.node_count)
    weight = np.ascontiguousarray(edges.weight, np.float64)
    return nk.GraphFromCoo((weight, ends), n=edges.node_count, weighted=True)


def _runs_of_processes(
    edges: Edges, method: Method, seeds: Sequence[int], resolution: float, workers: int
) -> Labels:
    """The same by processes, which find the graph in files. Scripts need no guard for this."""
    with tempfile.TemporaryDirectory(prefix="osmoscope-communities-") as name:
        folder = Path(name)
        for column in ("i", "j", "weight"):
            if getattr(edges, column) is not None:
                np.save(folder / f"{column}.npy", getattr(edges, column))
        command = [sys.executable, "-m", __name__, name, str(edges.node_count), method,
                   repr(float(resolution))]  # fmt: skip
        started = [
            subprocess.Popen([*command, str(at), *map(str, seeds[at::workers])])  # noqa: S603
            for at in range(workers)
        ]
        failed = [one.wait() for one in started]
        if any(failed):
            raise PermanentFailure(
                f"A process that looked for communities ended with {max(failed, key=abs)}.",
                "Give it more memory, or a smaller graph.",
            )
        runs = np.empty((len(seeds), edges.node_count), np.int32)
        for at in range(workers):
            runs[at::workers] = np.load(folder / f"runs-{at}.npy")
    return runs


def _work(arguments: Sequence[str]) -> None:
    """What a process of `_runs_of_processes` does."""
    name, node_count, method, resolution, at, *seeds = arguments
    folder = Path(name)
    weight = folder / "weight.npy"
    edges = Edges(
        int(node_count),
        np.load(folder / "i.npy"),
        np.load(folder / "j.npy"),
        np.load(weight) if weight.exists() else None,
    )
    chosen: Method = "louvain" if method == "louvain" else "leiden"
    runs = _runs(edges, chosen, [int(seed) for seed in seeds], float(resolution))
    np.save(folder / f"runs-{at}.npy", runs)


def agreed_shares(edges: Edges, runs: Labels) -> Floats:
    """Share of the runs in which both ends of an edge are in one community, shape (edges,)."""
    first, at, _ = identical(runs)
    kind = np.uint16 if runs.max(initial=0) < 1 << 16 else np.int32
    by_class = np.ascontiguousarray(runs[:, first].T.astype(kind))
    ends = at[edges.i], at[edges.j]
    agreed = np.empty(len(edges.i), np.int32)
    for start in range(0, len(agreed), BLOCK):
        block = slice(start, start + BLOCK)
        same = by_class[ends[0][block]] == by_class[ends[1][block]]
        agreed[block] = np.count_nonzero(same, axis=1)
    return agreed / len(runs)


def consensus(
    edges: Edges,
    runs: Labels,
    method: Method = "louvain",
    seed: int = 0,
    threshold: float = THRESHOLD,
) -> Labels:
    """What many runs agree on (Lancichinetti and Fortunato 2012), looking at edges alone.

    Every edge gets the share of runs that leave its ends together; shares below the threshold are
    dropped, but for the largest of a node that would lose all; communities of that graph are found
    again and again, until all runs say the same. Only edges are compared, as in Tandon et al.
    (2019), without their closure of triads. Nodes that all runs leave together are one node of the
    next round.

    Args:
        runs: labels, shape (runs, node_count).
        threshold: share, 0 to 1.

    Returns:
        Labels as of `louvain`. Where the rounds do not end, the last round's run with the largest
        modularity.
    """
    found = runs
    for turn in range(MOST_ROUNDS):
        first, at, _ = identical(found)
        if len(first) == found.max(initial=-1) + 1:
            return canonical(at)
        share = agreed_shares(edges, found)
        kept = _without_lonely(edges, share, threshold)
        merged = edges_of(len(first), at[edges.i[kept]], at[edges.j[kept]], share[kept])
        seeds = [seed + 1 + turn * len(runs) + one for one in range(len(runs))]
        found = ensemble(merged, method, seeds)[:, at]
    values = [modularity(edges, one) for one in found]
    return canonical(found[int(np.argmax(values))])


def _without_lonely(edges: Edges, share: Floats, threshold: float) -> NDArray[np.bool_]:
    """Edges at or above the threshold, and the first best of nodes that have none."""
    kept = share >= threshold
    has = np.zeros(edges.node_count, bool)
    has[edges.i[kept]] = has[edges.j[kept]] = True
    for one in (edges.i, edges.j):
        best = np.zeros(edges.node_count)
        np.maximum.at(best, edges.i, share)
        np.maximum.at(best, edges.j, share)
        kept |= ~has[one] & (share == best[one]) & (share > 0)
    return kept


def resolution_sweep(
    edges: Edges, resolutions: Sequence[float], method: Method, seeds: Sequence[int]
) -> list[Row]:
    """How communities change with the resolution.

    Returns:
        For each resolution: communities (mean, least, most of the runs), modularity at resolution 1
        and at its own (means), and the mean AMI of two runs (None of a single run).
    """
    rows = []
    for resolution in resolutions:
        runs = ensemble(edges, method, seeds, resolution)
        count = runs.max(axis=1, initial=-1) + 1
        pairs = pairwise_ami(runs)[np.triu_indices(len(runs), 1)]
        rows.append({
            "resolution": float(resolution),
            "communities_mean": float(count.mean()),
            "communities_min": int(count.min()),
            "communities_max": int(count.max()),
            "modularity": float(np.mean([modularity(edges, run) for run in runs])),
            "modularity_at_resolution": float(
                np.mean([modularity(edges, run, resolution) for run in runs])
            ),
            "ami_mean": float(pairs.mean()) if pairs.size else None,
        })  # fmt: skip
    return rows


if __name__ == "__main__":
    _work(sys.argv[1:])
