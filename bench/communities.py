"""How fast communities are found, how many runs agree, and what it costs never to build a network.

Belongs here: made networks, seconds, processor time and peak memory of runs, ensembles, consensus
and their alternatives. Does not belong here: finding communities (assets.study.networks).

    python -m bench.communities [--only graph|ensemble|peers|implicit|share] [--check] [--json]

Every measurement is a process of its own. `graph` and `ensemble` have 80,000 nodes in 400 planted
communities and 5 million edges, most of them at random; `implicit` has 10,000 repositories, 1.65
million actors and 3.9 million memberships, whose projection has billions of edges.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Row = dict[str, Any]
NODES, EDGES, GROUPS, RUNS = 80_000, 5_000_000, 400, 100
WITHIN = 0.3
SMALL_NODES, SMALL_EDGES, SMALL_GROUPS = 8_000, 200_000, 40
REPOSITORIES, ACTORS, MEMBERSHIPS = 10_000, 1_650_000, 3_900_000


def world(nodes: int, edges: int, groups: int, seed: int = 0) -> tuple[Any, Any]:
    """Communities, and edges some of which are within them; nodes are active to a heavy tail."""
    from assets.study.networks.communities import Edges

    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, nodes)
    weight = rng.pareto(2.5, nodes) + 1
    order = np.argsort(group, kind="stable")
    end = np.cumsum(weight[order])
    key = np.empty(0, np.int64)
    while key.size < edges:
        drawn = int((edges - key.size) * 1.2) + 100
        i = order[np.searchsorted(end, rng.random(drawn) * end[-1])]
        bound = np.concatenate(([0.0], end[np.searchsorted(group[order], np.arange(groups),
                                                           "right") - 1]))  # fmt: skip
        low, high = bound[group[i]], bound[group[i] + 1]
        is_inside = rng.random(drawn) < WITHIN
        low, high = np.where(is_inside, low, 0), np.where(is_inside, high, end[-1])
        at = np.searchsorted(end, low + rng.random(drawn) * (high - low))
        j = order[np.minimum(at, nodes - 1)]
        pair = np.minimum(i, j) * nodes + np.maximum(i, j)
        key = np.unique(np.concatenate([key, pair[i != j]]))
    key = np.sort(rng.permutation(key)[:edges])
    return group, Edges(nodes, (key // nodes).astype(np.int32), (key % nodes).astype(np.int32))


def memberships(actors: int, repositories: int, count: int, groups: int = 100) -> tuple[Any, Any]:
    """Planted groups of actors, and their memberships in repositories of very unequal size."""
    from assets.study.networks.incidence import incidence_of

    rng = np.random.default_rng(0)
    group = rng.integers(0, groups, actors)
    per_actor = np.minimum(rng.zipf(2.2, actors), 300)
    actor = np.concatenate([np.arange(actors), np.repeat(np.arange(actors), per_actor)])[:count]
    size = 1 / (10 + np.arange(repositories)) ** 0.9
    popular = rng.choice(repositories, count, p=size / size.sum())
    # A repository of the actor's own group is near the popular one.
    own = np.minimum(popular // groups * groups + group[actor], repositories - 1)
    repository = np.where(rng.random(count) < 0.7, own, popular)
    return group, incidence_of(actor, repository, actors, repositories)


class Watch:
    """Seconds and processor time, of this process and those it started."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), self._cpu()

    @staticmethod
    def _cpu() -> float:
        both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        used = [resource.getrusage(one) for one in both]
        return sum(one.ru_utime + one.ru_stime for one in used)

    def told(self) -> Row:
        return {"seconds": time.perf_counter() - self.wall, "cpu_seconds": self._cpu() - self.cpu}


def graph() -> list[Row]:
    """One graph of 5 million edges, one run of each method."""
    from assets.study.networks import communities

    _, edges = world(NODES, EDGES, GROUPS)
    rows = []
    with communities.one_thread() as nk:
        watch = Watch()
        built = communities.graph_of(edges)
        rows.append({"what": "graph built", **watch.told()})
        for name, run in (
            ("louvain", nk.community.PLM(built, par="none randomized")),
            ("leiden", nk.community.ParallelLeiden(built)),
        ):
            nk.setSeed(1, False)
            watch = Watch()
            found = run.run().getPartition()
            rows.append({"what": f"one {name}", **watch.told()})
            labels = np.asarray(found.getVector())
            rows[-1]["modularity"] = communities.modularity(edges, labels)
            again = [communities.ensemble(edges, name, [1], workers=1) for _ in range(2)]
            rows[-1]["is_repeatable"] = bool((again[0] == again[1]).all())
    return rows


def ensemble() -> list[Row]:
    """A hundred seeds, their consensus, and the AMI of every two."""
    from sklearn.metrics import adjusted_mutual_info_score

    from assets.study.networks import communities
    from assets.study.networks.agreement import pairwise_ami

    group, edges = world(NODES, EDGES, GROUPS)
    whole = Watch()
    watch = Watch()
    runs = communities.ensemble(edges, "louvain", range(RUNS))
    rows = [{"what": f"{RUNS} runs", **watch.told()}]
    watch = Watch()
    labels = communities.consensus(edges, runs)
    rows.append({"what": "consensus", **watch.told()})
    watch = Watch()
    found = pairwise_ami(runs)
    rows.append({"what": "AMI of every two", **watch.told(), "ami_mean": float(found.mean())})
    rows.append({"what": "all three", **whole.told()})
    values = [communities.modularity(edges, one) for one in runs]
    rows[-1] |= {
        "modularity": float(np.mean(values)),
        "consensus_modularity": communities.modularity(edges, labels),
        "ami_with_planted": float(adjusted_mutual_info_score(group, labels)),
        "run_ami_with_planted": float(adjusted_mutual_info_score(group, runs[0])),
    }
    watch = Watch()
    theirs = adjusted_mutual_info_score(runs[0], runs[1])
    once = watch.told()
    pairs = RUNS * (RUNS - 1) // 2
    rows.append({"what": f"AMI by sklearn, 1 of {pairs}", **once,
                 "difference": abs(theirs - found[0, 1])})  # fmt: skip
    return rows


def peers() -> list[Row]:
    """The same small graph by NetworKit, networkx, and igraph where it is installed."""
    import networkx as nx

    from assets.study.networks import communities

    _, edges = world(SMALL_NODES, SMALL_EDGES, SMALL_GROUPS)
    communities.louvain(edges, 0)
    watch = Watch()
    found = communities.louvain(edges, 1)
    rows = [{"what": "Louvain, this", **watch.told(),
             "modularity": communities.modularity(edges, found)}]  # fmt: skip
    watch = Watch()
    graph = nx.Graph(zip(edges.i.tolist(), edges.j.tolist(), strict=True))
    parts = nx.community.louvain_communities(graph, seed=1)
    labels = np.empty(edges.node_count, np.int64)
    for at, part in enumerate(parts):
        labels[list(part)] = at
    rows.append({"what": "Louvain, networkx", **watch.told(),
                 "modularity": communities.modularity(edges, labels)})  # fmt: skip
    try:
        import igraph
    except ImportError:
        rows.append({"what": "Louvain, igraph (not installed)"})
        return rows
    watch = Watch()
    other = igraph.Graph(edges.node_count, np.stack([edges.i, edges.j], axis=1).tolist())
    member = np.array(other.community_multilevel().membership)
    rows.append({"what": "Louvain, igraph", **watch.told(),
                 "modularity": communities.modularity(edges, member)})  # fmt: skip
    return rows


def implicit() -> list[Row]:
    """One run on the projection of all actors, which is never built."""
    from sklearn.metrics import adjusted_mutual_info_score

    from assets.study.networks.implicit import Implicit

    group, known = memberships(ACTORS, REPOSITORIES, MEMBERSHIPS)
    size = np.bincount(known.hub)
    pairs = float((size * (size - 1.0)).sum() / 2)
    rows = []
    for weight in ("newman", "shared"):
        hidden = Implicit(known, weight)
        watch = Watch()
        labels = hidden.louvain([1])[0]
        rows.append({
            "what": f"implicit Louvain, {weight}", **watch.told(), "pairs_of_members": pairs,
            "modularity": hidden.modularity(labels), "communities": int(labels.max()) + 1,
            "planted_modularity": hidden.modularity(group),
            "ami_with_planted": float(adjusted_mutual_info_score(group, labels)),
        })  # fmt: skip
    return rows


def share() -> list[Row]:
    """Modularity of implicit runs over that of runs on the same projection, built."""
    from assets.study.networks import communities
    from assets.study.networks.implicit import Implicit
    from assets.study.networks.projection import project

    rows = []
    for actors, groups in ((4_000, 20), (12_000, 40)):
        _, known = memberships(actors, actors // 4, 3 * actors, groups)
        for weight in ("newman", "shared"):
            watch = Watch()
            made = project(known, weight)
            edges = communities.Edges(made.node_count, made.i, made.j, made.weight)
            runs = communities.ensemble(edges, "louvain", range(5), workers=1)
            theirs = float(np.mean([communities.modularity(edges, one) for one in runs]))
            built = watch.told()
            watch = Watch()
            hidden = Implicit(known, weight)
            ours = float(np.mean([hidden.modularity(one) for one in hidden.louvain(range(5))]))
            rows.append({
                "what": f"implicit over built, {weight}", **watch.told(), "edges": len(made.i),
                "built_cpu_seconds": built["cpu_seconds"], "modularity": ours,
                "built_modularity": theirs, "share": ours / theirs,
            })  # fmt: skip
    return rows


PARTS: dict[str, Callable[[], list[Row]]] = {
    "graph": graph, "ensemble": ensemble, "peers": peers, "implicit": implicit, "share": share,
}  # fmt: skip


def is_met(report: Row) -> bool:
    """The promised times, by the processor where other work shares it, and what must be equal."""
    rows = {row["what"]: row for part in report.values() for row in part}
    bounds = []
    if "graph" in report:
        bounds += [rows[name]["cpu_seconds"] <= 1.0 for name in ("graph built", "one louvain")]
        bounds += [rows[name]["is_repeatable"] for name in ("one louvain", "one leiden")]
    if "ensemble" in report:
        # Two minutes on two processors.
        bounds.append(
            rows["all three"]["seconds"] <= 120 or rows["all three"]["cpu_seconds"] <= 200
        )
        bounds.append(max(row.get("difference", 0.0) for row in rows.values()) <= 1e-9)
    bounds += [row["share"] >= 0.95 for row in report.get("share", [])]
    return all(bounds)


def measured(part: str) -> list[Row]:
    """A part in a process of its own."""
    command = [sys.executable, "-m", "bench.communities", "--child", part]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: list[Row] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=tuple(PARTS))
    parser.add_argument("--child", choices=tuple(PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    if chosen.child:
        rows = PARTS[chosen.child]()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        print(json.dumps([{**row, "peak_megabytes": peak} for row in rows]))
        return 0
    report = {part: measured(part) for part in ([chosen.only] if chosen.only else PARTS)}
    print(json.dumps(report, indent=1) if chosen.json else as_text(report))
    return 1 if chosen.check and not is_met(report) else 0


def as_text(report: Row) -> str:
    """The figures as lines."""
    lines = [f"{os.cpu_count()} processors"]
    for part, rows in report.items():
        lines.append(f"{part}, at most {rows[0]['peak_megabytes']:,.0f} MB")
        for row in rows:
            others = ", ".join(
                f"{name} {value:,.4g}" if isinstance(value, float) else f"{name} {value}"
                for name, value in row.items() if name not in ("what", "peak_megabytes")
            )  # fmt: skip
            lines.append(f"  {row['what']:<28} {others}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
