"""How fast networks are rewired, fitted and validated, and after how many rounds chance settles.

Belongs here: a generated network of the study's size and heavy tails, seconds and peak memory of
each step and of its alternatives, the mixing of the rewiring. Does not belong here: the steps
(assets.study.networks).

    python -m bench.null_models [--scale 1.0] [--draws 2] [--only rewire ...] [--json] [--check]

At scale 1: 10,000 repositories, 1.65 million actors, 3.9 million memberships, the largest
repository with 90,000 actors. Each step runs in a process of its own, whose seconds of the
processor are counted too, since the machine may be shared. `networkit` and `bicm` (where
installed) do the same work as `rewire` and `fit`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MEGABYTE = 1_000_000
REPOSITORIES, ACTORS, MEMBERSHIPS = 10_000, 1_650_000, 3_900_000
# With it, about the study's 23.6 million commits.
ACTS_OF_EACH = 6
# Share of an actor's memberships within its own block of repositories.
BLOCKS, SHARE = 20, 0.7
# Of the rewiring whose figures are followed.
ROUNDS = (0, 10, 20, 40, 60, 80, 120)
# Seconds of the processor that a step may take at scale 1, about twice the measured ones.
BOUNDS = {"rewire": 30.0, "rewire_acts": 40.0, "fit": 5.0, "expected": 10.0, "backbone": 60.0}
Row = dict[str, Any]


@dataclass(frozen=True)
class World:
    """Memberships, and how many networks are to be drawn."""

    actor: Any
    repository: Any
    draws: int


def main() -> int:
    """Measure; the exit code is 1 only where `--check` is given and a bound is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.null_models", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the study's size")
    parser.add_argument("--draws", type=int, default=2, help="rewired networks of the z-scores")
    parser.add_argument("--only", action="append", choices=list(STEPS), help="steps to run")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser.add_argument("--check", action="store_true", help="fail where a bound is missed")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options.child[0], Path(options.child[1]), options.draws)))
        return 0
    with tempfile.TemporaryDirectory(prefix="osmoscope-bench-") as folder:
        world = Path(folder) / "world.npz"
        generate(world, options.scale)
        rows = [run_child(step, world, options.draws) for step in options.only or STEPS]
    print(json.dumps(rows, indent=1) if options.json else "\n".join(map(as_text, rows)))
    missed = [
        row["step"]
        for row in rows
        if row.get("cpu_seconds", 0) > BOUNDS.get(row["step"], np.inf) * max(options.scale, 0.1)
    ]
    if missed:
        print(f"Over the bound: {', '.join(missed)}", file=sys.stderr)
    return 1 if options.check and missed else 0


def as_text(row: Row) -> str:
    """A step on one line."""
    return "  ".join(
        f"{name} {value:,.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in row.items()
    )


def run_child(step: str, world: Path, draws: int) -> Row:
    """One step in a process of its own, whose peak memory is its own."""
    command = [sys.executable, "-m", "bench.null_models", "--child", step, str(world)]
    done = subprocess.run(
        [*command, "--draws", str(draws)], check=True, stdout=subprocess.PIPE, text=True
    )
    found: Row = json.loads(done.stdout)
    return found


def child(step: str, file: Path, draws: int) -> Row:
    """Seconds and peak memory of one step, loading the network not counted."""
    with np.load(file) as loaded:
        world = World(
            loaded["actor"].astype(np.int64), loaded["repository"].astype(np.int64), draws
        )
    started, spent = time.perf_counter(), time.process_time()
    told = STEPS[step](world)
    return {
        "step": step,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - spent,
        "peak_megabytes": peak_megabytes(),
        **told,
    }


def peak_megabytes() -> float:
    """Largest resident memory of this process (Linux)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / MEGABYTE
    raise RuntimeError("no peak memory")


def generate(file: Path, scale: float) -> None:
    """Repositories of Zipf sizes, actors with a heavy tail, each with a membership at least."""
    random = np.random.default_rng(1)
    repositories, actors = round(REPOSITORIES * scale**0.5), round(ACTORS * scale)
    size = np.arange(1, repositories + 1) ** -0.9
    activity = np.minimum(random.pareto(1.2, actors), 2_000)
    at_random = np.floor(MEMBERSHIPS * scale * 1.06) - actors
    actor = np.concatenate(
        [np.arange(actors), random.choice(actors, int(at_random), p=activity / activity.sum())]
    )
    repository = random.choice(repositories, actor.size, p=size / size.sum())
    # Repositories of like size stand side by side, so those of a block are of every size.
    is_own = random.random(actor.size) < SHARE
    block = random.integers(0, BLOCKS, actors)[actor]
    repository = np.where(is_own, repository // BLOCKS * BLOCKS + block, repository)
    repository = np.minimum(repository, repositories - 1)
    key = np.unique(actor * repositories + repository)
    actor, repository = np.divmod(key, repositories)
    np.savez(file, actor=actor.astype(np.int32), repository=repository.astype(np.int32))


# ---------------------------------------------------------------- steps


def network(world: World) -> Any:
    """The incidence of the repository network."""
    from assets.study.networks.incidence import incidence_of

    return incidence_of(
        world.repository, world.actor, int(world.repository.max()) + 1, int(world.actor.max()) + 1
    )


def dated(world: World, acts_of_each: int = 1) -> Any:
    """Each membership as so many acts within two years."""
    from assets.study.networks.acts import DAY, Acts

    actor, repository = (
        np.repeat(codes.astype(np.int32), acts_of_each) for codes in (world.actor, world.repository)
    )
    at = np.random.default_rng(2).integers(0, 730 * DAY, actor.size)
    counts = int(world.actor.max()) + 1, int(world.repository.max()) + 1
    return Acts(actor, repository, at, at, *counts)


def rewire(world: World) -> Row:
    from assets.study.networks.null_models import ROUNDS
    from assets.study.networks.null_models import rewire as rewired

    before = network(world)
    after = rewired(before, 1)
    return {
        "memberships": before.hub.size,
        "largest_repository": int(before.sizes.max()),
        "largest_actor": int(np.bincount(before.hub).max()),
        "rounds": ROUNDS,
        "is_degrees_kept": bool(
            (before.sizes == after.sizes).all()
            and (np.bincount(before.hub) == np.bincount(after.hub)).all()
        ),
    }


def rewire_acts(world: World) -> Row:
    """As many dated acts as the study has commits."""
    from assets.study.networks import null_models

    acts = dated(world, ACTS_OF_EACH)
    null_models.rewire_acts(acts, 1)
    return {"acts": acts.actor.size}


def networkit(world: World) -> Row:
    """Its global curveball of 20 rounds among actors, as a directed graph; arrays to arrays."""
    import networkit as nk

    nk.setNumberOfThreads(1)
    nk.setSeed(1, False)
    ones = np.ones(world.actor.size)
    graph = nk.GraphFromCoo(
        (ones, (world.actor, world.repository)),
        n=int(world.actor.max()) + 1,
        weighted=False,
        directed=True,
    )
    changed = nk.randomization.GlobalCurveball(graph, 20, True, False).run().getGraph()
    back = np.array(list(changed.iterEdges()))
    return {"memberships": len(back), "rounds": 20}


def mixing(world: World) -> Row:
    """Figures after so many rounds: where they no longer move, chance has settled."""
    from assets.study.networks.degrees import projected_degrees
    from assets.study.networks.null_models import rewire as rewired

    before = network(world)
    key = keys(before)
    kept: list[float] = []
    edges: list[int] = []
    for rounds in ROUNDS:
        after = rewired(before, 1, rounds)
        kept.append(round(float(np.isin(keys(after), key, assume_unique=True).mean()), 4))
        edges.append(int(projected_degrees(after).sum()) // 2)
    return {"rounds": ROUNDS, "kept": kept, "repository_edges": edges}


def keys(memberships: Any) -> Any:
    """A number for each membership."""
    node = memberships.node_of_membership().astype(np.int64)
    return node * memberships.hub_count + memberships.hub


def z_scores(world: World) -> Row:
    """The developer network without a window."""
    from assets.study.networks import null_models
    from assets.study.networks.acts import Window

    scores = null_models.z_scores(dated(world), "actor", Window("none"), world.draws, 1)
    return {"draws": world.draws} | {score.figure: score.z for score in scores}


def fit(world: World) -> Row:
    from assets.study.networks import bicm

    before = network(world)
    model = bicm.fit(before)
    reached = (model.probability @ model.hubs)[model.node_class]
    hub_degree = np.bincount(before.hub, minlength=before.hub_count)
    of_hubs = (model.nodes @ model.probability)[model.hub_class]
    worst = max(
        float(np.abs(reached / before.sizes - 1).max()),
        float(np.abs(of_hubs / hub_degree - 1).max()),
    )
    return {"classes": list(model.probability.shape), "largest_relative_error": worst}


def bicm_package(world: World) -> Row:
    """The same fit by the package `bicm` (MIT), from degrees."""
    try:
        from bicm import BipartiteGraph
    except ImportError:
        return {"told": "bicm is not installed"}
    graph = BipartiteGraph(
        degree_sequences=(np.bincount(world.repository), np.bincount(world.actor))
    )
    graph.solve_tool(method="newton", verbose=False, print_error=True)
    return {}


def expected(world: World) -> Row:
    from dataclasses import asdict

    from assets.study.networks import bicm

    return asdict(bicm.expected(bicm.fit(network(world))))


def backbone(world: World) -> Row:
    """The repository network's backbone, with both kinds of hub sizes."""
    from assets.study.networks import backbone as backbones
    from assets.study.networks import bicm

    memberships = network(world)
    model = bicm.fit(memberships)
    told: Row = {}
    for hub_sizes in backbones.HUB_SIZES:
        found = backbones.backbone(
            memberships, hub_sizes=hub_sizes, model=model, most_bytes=4 * 10**9
        )
        told |= {"tested": found.tested, "tail": found.tail, f"kept_{hub_sizes}": found.i.size}
    return told


STEPS: dict[str, Callable[[World], Row]] = {
    "rewire": rewire,
    "rewire_acts": rewire_acts,
    "networkit": networkit,
    "mixing": mixing,
    "z_scores": z_scores,
    "fit": fit,
    "bicm": bicm_package,
    "expected": expected,
    "backbone": backbone,
}

if __name__ == "__main__":
    sys.exit(main())
