"""How fast networks larger than the study's are measured, in how much memory, and by what else.

Belongs here: generated worlds, seconds and peak memory of exact figures, and the same work by
other libraries at sizes that each survives. Does not belong here: the networks
(assets.study.networks).

    python -m bench.networks [--only targets|table] [--share 1.0] [--large] [--json] [--check]

`targets` writes worlds as Parquet (some 300 MB, removed afterwards) and runs `osmoscope networks
measure` on them as a user does: seconds are those of the whole process. `table` counts the degrees
of one developer network from arrays, in worlds with some share of the actors and so with its square
of the edges; each way is asked up to the share it survives on 16 GB, and with `--large` also where
it takes minutes. Its seconds are without imports and the making of the world. All ways of one share
must find the same number of edges.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.sampling import peak_megabytes

REPOSITORIES = 10_000
# Developers of the largest network, and their memberships.
ACTORS, MEMBERSHIPS = 1_650_000, 3_900_000
COMMITS, COMMITTERS, COMMITTED = 23_600_000, 600_000, 1_500_000
YEARS = 12
YEAR_US = 365 * 86_400_000_000
BEGIN_US = 1_300_000_000_000_000
SEED = 7
# Mode and semantics of each target, and seconds and megabytes that may be used at full size.
TARGETS = {
    "developers": ("actor", "none", 25.0, 1_000),
    "commits": ("repository", "pairwise_gap", 60.0, 6_000),
    "dated developers": ("actor", "pairwise_gap", None, None),
}
SHARES = (0.02, 0.1, 1.0)
# Largest share that each way survives on 16 GB, and the largest that takes seconds.
WAYS = {
    "ours": (1.0, 1.0),
    "roaring": (1.0, 0.1),
    "scipy": (1.0, 0.1),
    "duckdb": (0.1, 0.02),
    "networkit": (0.1, 0.1),
    "igraph": (0.1, 0.02),
    "networkx": (0.02, 0.02),
}
Row = dict[str, Any]
Ints = NDArray[np.int64]


def main() -> int:
    """Measure; the exit code is 1 where ways differ, or where `--check` finds a bound missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.networks", description=__doc__)
    parser.add_argument("--only", choices=["targets", "table"], help="one of the two")
    parser.add_argument("--share", type=float, default=1.0, help="of the targets' worlds")
    parser.add_argument("--large", action="store_true", help="also what takes minutes")
    parser.add_argument("--dated", action="store_true", help="also developers within a year")
    parser.add_argument("--folder", type=Path, help="where worlds are written")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser.add_argument("--check", action="store_true", help="fail where a bound is missed")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(*options.child)))
        return 0
    report: Row = {}
    if options.only != "table":
        names = [name for name in TARGETS if options.dated or TARGETS[name][2] is not None]
        with tempfile.TemporaryDirectory(prefix="osmoscope-bench-", dir=options.folder) as folder:
            report["targets"] = [target(name, options.share, Path(folder)) for name in names]
    if options.only != "targets":
        report["table"] = list(table(options.large))
    print(json.dumps(report, indent=1) if options.json else as_text(report))
    is_missed = any(row["is_met"] is False for row in report.get("targets", []))
    return 1 if not is_consistent(report) or (options.check and is_missed) else 0


def run_child(*arguments: object) -> Row:
    """One measurement in a process of its own, whose peak memory is its own."""
    command = [sys.executable, "-m", "bench.networks", "--child", *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: Row = json.loads(done.stdout)
    return found


def child(what: str, name: str, share: str, path: str = "") -> Row:
    """A world written, or one way to count degrees measured."""
    if what == "write":
        return write(name, float(share), Path(path))
    return count(name, float(share))


# ---------------------------------------------------------------- targets


def target(name: str, share: float, folder: Path) -> Row:
    """A world written and measured by the command."""
    path = folder / f"{name.replace(' ', '-')}.parquet"
    run_child("write", name, share, path)
    mode, semantics, seconds, megabytes = TARGETS[name]
    code = "from orchestration.networks_cli import app; app()"
    command = [sys.executable, "-c", code, "measure", str(path), "--mode", mode,
               "--semantics", semantics, "--window", "365d", "--json"]  # fmt: skip
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    elapsed, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    told = json.loads(done.stdout)
    peak = told["peak_memory_bytes"] / 1e6
    path.unlink()
    return {
        "what": name,
        "seconds": elapsed,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_megabytes": peak,
        **{figure: told[figure] for figure in ("rows", "nodes", "hubs", "memberships", "edges",
                                               "average_degree_all", "max_degree")},
        "is_met": None if seconds is None else elapsed <= seconds and peak <= megabytes,
    }  # fmt: skip


def write(name: str, share: float, path: Path) -> Row:
    """A target's world as Parquet, with names as texts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {}
    if name == "commits":
        actor, repository, at = commits(share)
        columns["occurred_at"] = pa.array(at, pa.timestamp("us"))
    else:
        actor, repository = members(round(ACTORS * share), round(MEMBERSHIPS * share))
    if name == "dated developers":
        rng = np.random.default_rng(SEED)
        at = BEGIN_US + rng.integers(0, YEARS * YEAR_US, actor.size)
        columns["occurred_at"] = pa.array(at, pa.timestamp("us"))
    for column, codes, prefix in (("actor", actor, "user-"), ("repository", repository, "owner/r")):
        names = pa.array(np.char.add(prefix, np.arange(codes.max() + 1).astype(str)))
        columns[column] = names.take(pa.array(codes))
    pq.write_table(pa.table(columns), path)
    return {}


def members(actors: int, memberships: int, seed: int = SEED) -> tuple[Ints, Ints]:
    """Distinct (actor, repository) pairs; the largest repository of all has some 87,000 actors.

    Repositories have the tail of a power law of 0.78, actors' numbers of repositories one of 1.55,
    at most 3,000.
    """
    rng = np.random.default_rng(seed)
    share = np.cumsum((1 + np.arange(REPOSITORIES) / 1.4) ** -0.78)
    count = np.minimum(np.floor((1 - rng.random(actors)) ** (-1 / 1.55)), 3_000).astype(np.int64)
    slot = np.repeat(np.arange(actors), count)
    key = np.empty(0, np.int64)
    drawn = slot
    while drawn.size:
        repository = np.searchsorted(share, rng.random(drawn.size) * share[-1])
        key = np.sort(np.concatenate([key, drawn * REPOSITORIES + repository]))
        key = key[np.append(True, key[1:] != key[:-1])]
        drawn = slot[rng.integers(0, slot.size, max(memberships - key.size, 0))]
    is_first = np.append(True, np.diff(key // REPOSITORIES) > 0)
    spare = rng.permutation(np.flatnonzero(~is_first))[: max(key.size - memberships, 0)]
    actor, repository = np.divmod(np.delete(key, spare), REPOSITORIES)
    return actor, repository


def commits(share: float) -> tuple[Ints, Ints, Ints]:
    """Acts of committers on repositories: few commits of most, and weeks between two of them."""
    rng = np.random.default_rng(SEED)
    actor, repository = members(round(COMMITTERS * share), round(COMMITTED * share))
    weight = rng.pareto(1.1, actor.size) + 0.2
    weight = np.minimum(weight, np.quantile(weight, 0.9999))
    total = round(COMMITS * share)
    count = 1 + np.floor(weight / weight.sum() * (total - actor.size)).astype(np.int64)
    count[: total - int(count.sum())] += 1
    begin = rng.integers(0, YEARS * YEAR_US, actor.size)
    length = rng.exponential(YEAR_US * np.minimum(count / 50, 2))
    row = np.repeat(np.arange(actor.size), count)
    at = begin[row] + (rng.random(row.size) * length[row]).astype(np.int64)
    order = np.argsort(at)
    row, at = row[order], at[order]
    return actor[row], repository[row], at + BEGIN_US


# ---------------------------------------------------------------- table


def table(is_large: bool) -> Iterator[Row]:
    """Degrees of one developer network by all ways, in growing worlds."""
    for share in SHARES:
        for way, (most, quick) in WAYS.items():
            if share <= (most if is_large else quick):
                yield run_child("count", way, share)


def count(way: str, share: float) -> Row:
    """Seconds and peak memory of one way; of the world without edges before, too."""
    module = {"ours": "numpy", "roaring": "pyroaring"}.get(way, way)
    if find_spec(module) is None:
        return {"way": way, "share": share, "edges": None, "note": "not installed"}
    actor, repository = members(round(ACTORS * share), round(MEMBERSHIPS * share))
    work = globals()[f"by_{way}"]
    import_module("scipy.sparse"), import_module(module)
    started, worked, before = time.perf_counter(), time.process_time(), peak_megabytes()
    degrees = work(actor, repository)
    return {
        "way": way,
        "share": share,
        "actors": round(ACTORS * share),
        "memberships": actor.size,
        "edges": int(degrees.sum()) // 2,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - worked,
        "data_megabytes": before,
        "peak_megabytes": peak_megabytes(),
    }


def by_ours(actor: Ints, repository: Ints) -> Ints:
    """Unions of classes."""
    from assets.study.networks.degrees import projected_degrees
    from assets.study.networks.incidence import incidence_of

    count = int(actor.max()) + 1
    return projected_degrees(incidence_of(actor, repository, count, REPOSITORIES))


def by_roaring(actor: Ints, repository: Ints) -> Ints:
    """Unions of classes by Roaring bitmaps."""
    from pyroaring import BitMap

    order = np.argsort(repository, kind="stable")
    bounds = np.searchsorted(repository[order], np.arange(REPOSITORIES + 1))
    held = [BitMap(actor[order[begin:end]].astype(np.uint32)) for begin, end in pairwise(bounds)]
    start = np.searchsorted(actor, np.arange(int(actor.max()) + 2)).tolist()
    known: dict[bytes, int] = {}
    degrees = np.zeros(len(start) - 1, np.int64)
    for one, (begin, end) in enumerate(pairwise(start)):
        key = repository[begin:end].tobytes()
        if key not in known:
            hubs = [held[hub] for hub in repository[begin:end].tolist()]
            known[key] = len(BitMap.union(*hubs)) - 1
        degrees[one] = known[key]
    return degrees


def matrix_of(actor: Ints, repository: Ints) -> Any:
    from scipy.sparse import csr_array

    shape = (int(actor.max()) + 1, REPOSITORIES)
    return csr_array((np.ones(actor.size, np.int8), (actor, repository)), shape=shape)


def by_scipy(actor: Ints, repository: Ints) -> Ints:
    """Products of 500 rows with all."""
    matrix = matrix_of(actor, repository)
    turned = matrix.T.tocsr()
    parts = [np.diff((matrix[row : row + 500] @ turned).indptr)
             for row in range(0, matrix.shape[0], 500)]  # fmt: skip
    return np.concatenate(parts).astype(np.int64) - 1


def by_duckdb(actor: Ints, repository: Ints) -> Ints:
    """A self-join, its distinct pairs, and how many each actor has."""
    import duckdb
    import pyarrow as pa

    connection = duckdb.connect(config={"memory_limit": "8GB"})
    connection.register("member", pa.table({"actor": actor, "repository": repository}))
    found = connection.execute(
        "SELECT i, count(*) AS degree FROM (SELECT DISTINCT a.actor AS i, b.actor AS j FROM member"
        " AS a INNER JOIN member AS b USING (repository) WHERE a.actor <> b.actor) GROUP BY i"
    ).fetchnumpy()
    degrees = np.zeros(int(actor.max()) + 1, np.int64)
    degrees[found["i"]] = found["degree"]
    return degrees


def edges_of(actor: Ints, repository: Ints) -> tuple[int, Ints, Ints]:
    """All edges of the projection, by one product."""
    matrix = matrix_of(actor, repository)
    shared = (matrix @ matrix.T).tocoo()
    is_once = shared.row < shared.col
    return matrix.shape[0], shared.row[is_once], shared.col[is_once]


def by_networkit(actor: Ints, repository: Ints) -> Ints:
    """The projection as a graph of NetworKit, which has no projection: edges by one product."""
    import networkit as nk

    nodes, i, j = edges_of(actor, repository)
    graph = nk.GraphFromCoo((i, j), n=nodes, directed=False, weighted=False)
    return np.array(nk.centrality.DegreeCentrality(graph).run().scores(), np.int64)


def by_igraph(actor: Ints, repository: Ints) -> Ints:
    """The bipartite graph's projection; the library is under the GPL and no part of Osmoscope."""
    import igraph

    count = int(actor.max()) + 1
    kinds = [False] * count + [True] * REPOSITORIES
    edges = np.column_stack([actor, repository + count])
    graph = igraph.Graph.Bipartite(kinds, edges.tolist())
    return np.array(graph.bipartite_projection(which=0, multiplicity=False).degree(), np.int64)


def by_networkx(actor: Ints, repository: Ints) -> Ints:
    """The bipartite graph's projection."""
    import networkx as nx

    count = int(actor.max()) + 1
    graph: Any = nx.Graph()
    graph.add_edges_from(zip(actor.tolist(), (repository + count).tolist(), strict=True))
    projected = nx.bipartite.projected_graph(graph, range(count))
    return np.array([projected.degree(node) for node in range(count)], np.int64)


# ---------------------------------------------------------------- what is told


def is_consistent(report: Row) -> bool:
    """Whether all ways of one share found the same number of edges."""
    found: dict[float, set[int]] = {}
    for row in report.get("table", []):
        if row["edges"] is not None:
            found.setdefault(row["share"], set()).add(row["edges"])
    return all(len(edges) == 1 for edges in found.values())


def as_text(report: Row) -> str:
    lines = []
    for row in report.get("targets", []):
        lines.append(
            f"{row['what']:<17}{row['rows']:>11,} rows {row['nodes']:>10,} nodes"
            f" {row['edges']:>15,} edges (average {row['average_degree_all']:,.1f})"
            f" {row['seconds']:>6.1f} s, CPU {row['cpu_seconds']:>6.1f} s,"
            f" {row['peak_megabytes']:>6,.0f} MB"
            + {True: "", False: "  MISSED", None: "  no bound"}[row["is_met"]]
        )
    for row in report.get("table", []):
        if row["edges"] is None:
            lines.append(f"{row['share']:<6}{row['way']:<11}{row['note']}")
            continue
        lines.append(
            f"{row['share']:<6}{row['way']:<11}{row['edges']:>15,} edges {row['seconds']:>7.1f} s,"
            f" CPU {row['cpu_seconds']:>7.1f} s, {row['peak_megabytes']:>6,.0f} MB"
        )
    if not is_consistent(report):
        lines.append("WAYS DIFFER")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
