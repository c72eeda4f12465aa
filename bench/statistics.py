"""How fast two platforms are compared at the study's size, in how much memory, and whether the
intervals hold what they state.

Belongs here: made features with the publication's tails, seconds and peak memory of tests, effects
and bootstrap and of their alternatives, and the coverage of intervals. Does not belong here: the
statistics (assets.study.statistics).

    python -m bench.statistics [--only scale|coverage] [--share 1.0] [--draws 2000] [--json]
    python -m bench.statistics --only coverage --rounds 1000

Each measurement of `scale` is a process of its own. The alternatives are scipy's: its test, and its
bootstrap of one effect of one feature that draws rows, not owners; of that a few draws are timed
and multiplied, by as many features and draws as ours makes.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.sampling import peak_megabytes

GITHUB, HUB = 1_428_792, 1_440_527
OWNERS = 600_000
# Median, exponent of the tail and largest value of commits, discussions and stars.
FEATURES = {
    GITHUB: ((24, 0.7, 71_860_646), (0, 0.7, 1_607_850), (16, 0.9, 318_751)),
    HUB: ((2, 1.2, 65_092), (0, 1.3, 3_010), (0, 1.1, 10_194)),
}
# Draws of the alternative that are timed.
FEW = 3
# Seconds and megabytes that may be used at the full size.
BOUNDS = {"effects": (5.0, 4_000), "bootstrap": (60.0, 4_000), "rates": (180.0, 4_000)}
Row = dict[str, Any]
Ints = NDArray[np.int64]
Platform = tuple[NDArray[Any], Ints]


def main() -> int:
    """Measure; the exit code is 1 only where `--check` is given and a bound is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.statistics", description=__doc__)
    parser.add_argument("--only", choices=["scale", "coverage"], help="one of the two")
    parser.add_argument("--share", type=float, default=1.0, help="of the study's repositories")
    parser.add_argument("--draws", type=int, default=2000, help="of the bootstrap")
    parser.add_argument("--rounds", type=int, default=200, help="of the coverage")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser.add_argument("--check", action="store_true", help="fail where a bound is missed")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(*options.child)))
        return 0
    report: Row = {}
    if options.only != "coverage":
        report["scale"] = [
            run_child(what, options.share, options.draws)
            for what in ("effects", "scipy_test", "bootstrap", "rates", "scipy_bootstrap")
        ]
    if options.only != "scale":
        report["design_coverage"] = list(design_coverage(options.rounds))
        report["many_coverage"] = list(many_coverage(options.rounds))
        report["correlation_coverage"] = list(correlation_coverage(options.rounds))
        report["coverage"] = list(coverage(options.rounds))
    print(json.dumps(report, indent=1) if options.json else as_text(report))
    return 1 if options.check and not is_met(report) else 0


# ---------------------------------------------------------------- scale


def run_child(what: str, share: float, draws: int) -> Row:
    """One measurement in a process of its own, whose peak memory is its own."""
    command = [sys.executable, "-m", "bench.statistics", "--child", what, str(share), str(draws)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: Row = json.loads(done.stdout)
    return found


def child(what: str, share: str, draws: str) -> Row:
    """Seconds and peak memory of one way to compare made platforms."""
    github, hub = (platform(count, float(share)) for count in (GITHUB, HUB))
    before = peak_megabytes()
    # Imports are paid once by whoever computes anything.
    import scipy.stats  # noqa: F401

    started, worked = time.perf_counter(), time.process_time()
    told: Row = globals()[what](github, hub, int(draws))
    return {
        "what": what,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - worked,
        "rows": github[0].shape[0] + hub[0].shape[0],
        "draws": int(draws),
        "data_megabytes": before,
        "peak_megabytes": peak_megabytes(),
        **told,
    }


def platform(count: int, share: float) -> Platform:
    """(n, 3) features and (n,) owners, of whom the largest has about two thousand rows."""
    rng = np.random.default_rng(count)
    rows = round(count * share)
    features = [made(rng, rows, *shape) for shape in FEATURES[count]]
    owner = np.floor(OWNERS * share * rng.random(rows) ** 2).astype(np.int64)
    return np.column_stack(features), owner


def made(
    rng: np.random.Generator,
    rows: int,
    median: int,
    tail: float,
    largest: int,
    own: NDArray[np.float64] | float = 0.0,
) -> Ints:
    """A lognormal body, in part of the owner's own, and a Pareto tail for one in twenty."""
    centre = np.log(median + 0.5) if median else -1.2
    values = np.floor(np.exp(rng.normal(centre, 0.9 if np.ndim(own) else 1.2, rows) + own))
    heavy = rng.random(rows) < 0.05
    values[heavy] = np.floor(rng.pareto(tail, int(heavy.sum())) * max(median, 1) * 3)
    return np.minimum(values, largest).astype(np.int64)


def effects(github: Platform, hub: Platform, _: int) -> Row:
    """Tests, effects and descriptions of all features."""
    from assets.study.statistics import two_sample
    from assets.study.statistics.descriptives import describe

    told = []
    for x, y in zip(github[0].T, hub[0].T, strict=True):
        describe(x), describe(y)
        test, sizes = two_sample.mann_whitney(x, y), two_sample.effects(x, y)
        told.append([test.u, test.log10_p_value, sizes.cliffs_delta, sizes.hodges_lehmann])
    return {"found": told}


def scipy_test(github: Platform, hub: Platform, _: int) -> Row:
    """The test alone, by scipy: no effect but U, no logarithm."""
    from scipy.stats import mannwhitneyu

    pairs = zip(github[0].T, hub[0].T, strict=True)
    return {"found": [[float(one) for one in mannwhitneyu(x, y)] for x, y in pairs]}


def bootstrap(github: Platform, hub: Platform, draws: int) -> Row:
    """All effects of all features, owners drawn with all they own."""
    from assets.study.statistics.bootstrap import clustered_bootstrap
    from assets.study.statistics.owner_table import Group

    groups = (Group(values, cluster=owner) for values, owner in (github, hub))
    found = clustered_bootstrap(*groups, draws=draws)
    deltas = [one.effects["cliffs_delta"] for one in found]
    return {"found": [[one.low, one.high, one.standard_error] for one in deltas],
            "clusters": found[0].first_clusters + found[0].second_clusters}  # fmt: skip


def rates(github: Platform, hub: Platform, draws: int) -> Row:
    """The same of values by month of life, nearly all of which differ."""
    rng = np.random.default_rng(1)
    first, second = (
        (values / rng.uniform(1, 120, len(values))[:, None], owner)
        for values, owner in (github, hub)
    )
    return bootstrap(first, second, draws)


def scipy_bootstrap(github: Platform, hub: Platform, draws: int) -> Row:
    """Cliff's delta of one feature, rows drawn; seconds for as many draws and features as ours."""
    from scipy.stats import bootstrap as scipys
    from scipy.stats import rankdata

    def delta(x: Ints, y: Ints) -> float:
        ranks = rankdata(np.concatenate([x, y]))
        u = float(ranks[: x.size].sum()) - x.size * (x.size + 1) / 2
        return 2 * u / (x.size * y.size) - 1

    started, worked = time.perf_counter(), time.process_time()
    scipys((github[0][:, 0], hub[0][:, 0]), delta, n_resamples=FEW, vectorized=False,
           method="percentile", rng=np.random.default_rng(1))  # fmt: skip
    # One more for the sample itself.
    times = draws * len(FEATURES[GITHUB]) / (FEW + 1)
    return {
        "seconds": (time.perf_counter() - started) * times,
        "cpu_seconds": (time.process_time() - worked) * times,
        "timed_draws": FEW,
    }


# ---------------------------------------------------------------- coverage


KINDS = ("continuous", "whole", "zeros", "heavy", "alone", "moderate", "paper")
# Mean of the logarithm of either group's values.
LEVELS = (2.8, 2.0)
# Draws of the bootstrap; of 2,000 percentiles are a little steadier.
DRAWS = 400


def coverage(rounds: int) -> Iterator[Row]:
    """How often intervals of 95 % hold the effect of the population they were drawn from.

    Some say that they hold more: of these the share is told. Those of middles are not of draws.

    Owners have 1 to 50 repositories (Pareto 1.5), whose values share a part (lognormal, 0.6 of the
    owner and 0.8 of the repository). `whole` rounds them down, `zeros` does so with a quarter of
    them, `heavy` are whole numbers of owners with up to 200 (Pareto 1.1), `alone` has one of each;
    `moderate` are gamma counts, `paper` the commits of `FEATURES` with the publication's tails.
    """
    from assets.study.statistics import one_sample, two_sample
    from assets.study.statistics.bootstrap import clustered_bootstrap
    from assets.study.statistics.descriptives import describe
    from assets.study.statistics.owner_table import Group

    for kind in KINDS:
        rng = np.random.default_rng([1, KINDS.index(kind)])
        everything = [activity(rng, 400_000, at, kind)[0] for at in LEVELS]
        effects = two_sample.effects(*everything)
        truth = {name: getattr(effects, name) for name in two_sample.EFFECTS}
        first = describe(everything[0])
        truth |= {"mean": first.mean, "median": first.median, "mid_median": first.mid_median}
        for owners in (10, 20, 50, 100, 300):
            hits = Hits(truth, rounds)
            for seed in range(rounds):
                groups = [activity(rng, owners, level, kind) for level in LEVELS]
                (found,) = clustered_bootstrap(
                    *(Group(values, cluster=owner) for values, owner in groups),
                    draws=DRAWS, seed=seed,
                )  # fmt: skip
                values, owner = groups[0]
                hits.add(found.effects)
                hits.add({
                    "mean": one_sample.mean_interval(values, cluster=owner),
                    "median": one_sample.median_interval(values, cluster=owner),
                    "mid_median": one_sample.mid_median_interval(values, cluster=owner),
                })  # fmt: skip
            yield {"kind": kind, "owners": owners, "rounds": rounds, **hits.told()}


def many_coverage(rounds: int) -> Iterator[Row]:
    """The same of means and their ratio, which have intervals of many owners only.

    `light` are gamma counts of owners with one repository each, `few` of owners with up to four;
    `alone`, lognormal with a deviation of one, lies between light and heavy.
    """
    from assets.study.statistics.bootstrap import clustered_bootstrap
    from assets.study.statistics.one_sample import mean_interval
    from assets.study.statistics.owner_table import Group

    for at, kind in enumerate(("light", "few", "moderate", "paper", "alone")):
        rng = np.random.default_rng([5, at])
        means = [activity(rng, 2_000_000, level, kind)[0].mean() for level in LEVELS]
        truth = {"mean": means[0], "ratio_of_means": means[0] / means[1]}
        for owners in (1000, 2000):
            hits = Hits(truth, rounds)
            for seed in range(rounds):
                groups = [activity(rng, owners, level, kind) for level in LEVELS]
                sides = (Group(values, cluster=owner) for values, owner in groups)
                (found,) = clustered_bootstrap(*sides, draws=DRAWS, seed=seed)
                hits.add({"mean": mean_interval(groups[0][0], cluster=groups[0][1]),
                          "ratio_of_means": found.effects["ratio_of_means"]})  # fmt: skip
            yield {"kind": kind, "owners": owners, "rounds": rounds, **hits.told()}


def correlation_coverage(rounds: int) -> Iterator[Row]:
    """The same of correlations by owner: age and a level of the owner's make both features."""
    from assets.study.statistics.correlation import correlate

    for at, kind in enumerate(("continuous", "heavy", "alone")):
        rng = np.random.default_rng([4, at])
        parts = [_aged(rng, 400_000, kind)[1:] for _ in range(4)]
        x, y, age = (np.concatenate(part) for part in zip(*parts, strict=True))
        truth = {name: one.value for name, one in correlate(x, y, age=age).items()}
        for owners in (50, 100, 200, 500, 2000):
            hits = Hits(truth, rounds)
            for _ in range(rounds):
                owner, x, y, age = _aged(rng, owners, kind)
                hits.add(correlate(x, y, age=age, cluster=owner))
            yield {"kind": kind, "owners": owners, "rounds": rounds, **hits.told()}


def _aged(rng: np.random.Generator, owners: int, kind: str) -> tuple[Any, ...]:
    """Owners, two counts with lognormal tails and a quarter to a half of zeros, and ages."""
    owner = _owner(rng, owners, kind)
    level, unit = rng.normal(size=owners)[owner], rng.normal(size=owner.size)
    noise = rng.normal(size=(3, owner.size))
    age = np.exp(3 + 0.7 * noise[0] + 0.3 * level)
    x = np.floor(age * np.exp(-1 + level + 0.6 * unit + noise[1]))
    y = np.floor(age**0.7 * np.exp(-3 + 0.8 * level + 0.6 * unit + 1.2 * noise[2]))
    return owner, x, y, age


class Hits:
    """How many intervals were made, and how many of these held the truth."""

    def __init__(self, truth: Row, rounds: int) -> None:
        self.truth, self.rounds = truth, rounds
        self.held: dict[str, list[bool]] = {name: [] for name in truth}
        self.at_least: dict[str, int] = dict.fromkeys(truth, 0)

    def add(self, found: Mapping[Any, Any]) -> None:
        """Ends by name; a missing upper one is infinite, a missing lower one: no interval."""
        for name, one in found.items():
            if one.low is not None:
                high = np.inf if one.high is None else one.high
                # A value among whole ones may be rounded.
                near = 1e-9 * abs(self.truth[name])
                self.held[name].append(one.low - near <= self.truth[name] <= high + near)
                self.at_least[name] += getattr(one, "interval_is", None) == "at_least"

    def told(self) -> Row:
        """Share that held the truth, share that was made, and share of those that say more."""
        return {
            name: [
                float(np.mean(held)) if held else None,
                len(held) / self.rounds,
                self.at_least[name] / max(len(held), 1),
            ]
            for name, held in self.held.items()
        }


def design_coverage(rounds: int) -> Iterator[Row]:
    """How often correlations of a stratified sample hold those of the frame they were drawn from.

    A frame of 20,000 in four strata, the last of which is drawn whole, the others the less the
    larger they are; two counts with lognormal tails and the age that both depend on.
    """
    from assets.study import estimators
    from assets.study.statistics.correlation import correlate

    rng = np.random.default_rng(2)
    frame = np.array([15_000, 4_000, 900, 100])
    stratum = np.repeat(np.arange(4), frame)
    age = rng.uniform(1, 100, stratum.size)
    common = rng.normal(0, 0.7, stratum.size) + stratum + 0.3 * np.log(age)
    x, y = (np.floor(np.exp(common + rng.normal(-1, 1, stratum.size))) for _ in range(2))
    truth = {name: one.value for name, one in correlate(x, y, age=age).items()}
    for share in (0.01, 0.04):
        size = np.minimum(np.maximum(np.rint(share * frame.sum() / 4), frame // 100), frame)
        size[-1] = frame[-1]
        hits = Hits(truth, rounds)
        for _ in range(rounds):
            at = np.concatenate([
                rng.choice(np.flatnonzero(stratum == one), int(count), replace=False)
                for one, count in enumerate(size)
            ])  # fmt: skip
            sample = estimators.sample_of(stratum[at], frame)
            hits.add(correlate(x[at], y[at], age=age[at], sample=sample))
        yield {"kind": "by design", "units": int(size.sum()), "rounds": rounds, **hits.told()}


def activity(
    rng: np.random.Generator, owners: int, level: float, kind: str
) -> tuple[NDArray[np.float64], Ints]:
    """Values of repositories and their owners."""
    owner = _owner(rng, owners, kind)
    if kind in ("moderate", "light", "few"):
        own = np.exp(rng.normal(0, 0.3, owners))[owner]
        return np.floor(rng.gamma(2, np.exp(level) / 2, owner.size) * own), owner
    if kind == "paper":
        median, tail, largest = FEATURES[GITHUB if level == LEVELS[0] else HUB][0]
        values = made(rng, owner.size, median, tail, largest, rng.normal(0, 0.8, owners)[owner])
        return values.astype(np.float64), owner
    values = np.exp(level + rng.normal(0, 0.6, owners)[owner] + rng.normal(0, 0.8, owner.size))
    if kind in ("whole", "heavy", "zeros"):
        values = np.floor(values / (4 if kind == "zeros" else 1))
    return values, owner


def _owner(rng: np.random.Generator, owners: int, kind: str) -> Ints:
    """The owner of each repository."""
    one_each = dict.fromkeys(("alone", "light"), (1.5, 1))
    shape, most = {"heavy": (1.1, 200), "few": (1.5, 4), **one_each}.get(kind, (1.5, 50))
    sizes = np.minimum(1 + np.floor(rng.pareto(shape, owners)), most).astype(np.int64)
    return np.repeat(np.arange(owners), sizes)


# ---------------------------------------------------------------- the report


def is_met(report: Row) -> bool:
    """Whether the bounds of seconds and memory are kept."""
    runs = {run["what"]: run for run in report.get("scale", [])}
    return all(
        runs[what]["seconds"] <= seconds and runs[what]["peak_megabytes"] <= megabytes
        for what, (seconds, megabytes) in BOUNDS.items()
        if what in runs
    )


def as_text(report: Row) -> str:
    """The report as lines of a table."""
    lines = []
    if "scale" in report:
        lines.append(
            f"{'what':<18}{'seconds':>10}{'CPU':>10}{'peak MB':>10}{'of data':>10}  rows, draws"
        )
        for run in report["scale"]:
            note = f" (extrapolated from {run['timed_draws']})" if "timed_draws" in run else ""
            figures = (run["seconds"], run["cpu_seconds"])
            memory = (run["peak_megabytes"], run["data_megabytes"])
            lines.append(
                f"{run['what']:<18}"
                + "".join(f"{figure:>10.1f}" for figure in figures)
                + "".join(f"{figure:>10.0f}" for figure in memory)
                + f"  {run['rows']:,}, {run['draws']:,}{note}"
            )
    for part in ("design_coverage", "many_coverage", "correlation_coverage", "coverage"):
        if part in report:
            lines += _table(report[part])
    return "\n".join(lines)


def _table(rows: list[Row]) -> list[str]:
    """Coverage; behind it the share of samples with an interval, and of those that say more."""
    first, size = rows[0], "owners" if "owners" in rows[0] else "units"
    names = [name for name in first if name not in ("kind", size, "rounds")]
    lines = [f"{'coverage':<12}{size:>7}" + "".join(f"{name:>20}" for name in names)]
    for row in rows:
        lines.append(f"{row['kind']:<12}{row[size]:>7}" + "".join(_cell(*row[n]) for n in names))
    return [*lines, f"{first['rounds']} rounds"]


def _cell(covered: float | None, made_of: float, at_least: float) -> str:
    share = "" if made_of == 1 else f" of {made_of:.0%}"
    share += f" >={at_least:.0%}" if at_least else ""
    return f"{'none' if covered is None else f'{covered:.3f}{share}':>20}"


if __name__ == "__main__":
    raise SystemExit(main())
