"""How often intervals of prevalence hold what they promise, and how long they take.

Belongs here: simulated frames whose truth is known, coverage and width of each estimator's
interval, seconds. Does not belong here: the estimators (assets.study.themes.prevalence).

    python -m bench.verification [--rounds 2000] [--only plain ...] [--json] [--check]

A frame of 20,000 texts of five themes (the rarest 4 %) is coded by a coder that is wrong in a
preferred direction. In each round another sample is drawn and verified. Coverage is the share of
rounds in which the interval held the frame's true share; with 2,000 rounds it is known to about
one point. `--check` fails where one is below 92 %. `without`: rounds in which there was none.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.study.allocation import allocate
from assets.study.estimators import Sample, sample_of
from assets.study.themes.agreement import krippendorff_alpha
from assets.study.themes.prevalence import ESTIMATORS, prevalences

LABELS = ("bug_report", "suggestion", "usage_problem", "performance_evaluation", "others")
FRAME, SHARES = 20_000, (0.40, 0.28, 0.16, 0.04, 0.12)
LEAST, LEAST_COVERAGE = 30, 0.92
Row = dict[str, Any]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Scenario:
    """A coder and a way of drawing.

    Attributes:
        right: share of each true theme that the coder finds.
        drift: where the rest goes: the share of it that goes to the first theme.
        by_machine: whether strata are the coder's themes.
    """

    size: int
    right: tuple[float, ...]
    drift: float = 0.6
    by_machine: bool = False


BIASED = (0.95, 0.75, 0.60, 0.55, 0.70)
SCENARIOS = {
    "plain": Scenario(400, BIASED),
    "by machine": Scenario(400, BIASED, by_machine=True),
    "accurate": Scenario(400, (0.98,) * 5),
    "nearly perfect": Scenario(400, (0.998,) * 5),
    "small": Scenario(100, BIASED),
    "poor": Scenario(400, (0.5, 0.4, 0.35, 0.3, 0.4)),
}


def main() -> int:
    """Simulate; the exit code is 1 only where `--check` is given and an interval fails."""
    parser = argparse.ArgumentParser(prog="python -m bench.verification", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--only", action="append", choices=list(SCENARIOS))
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser.add_argument("--check", action="store_true", help="fail where coverage is too low")
    options = parser.parse_args()
    rows = [row for name in options.only or SCENARIOS
            for row in coverage(name, SCENARIOS[name], options.rounds)]  # fmt: skip
    speed = seconds()
    if options.json:
        print(json.dumps({"coverage": rows, "seconds": speed}, indent=1))
    else:
        for row in rows:
            print(" ".join(f"{_told(value):>{16 if at < 3 else 9}}"
                           for at, value in enumerate(row.values())))  # fmt: skip
        print(", ".join(f"{name}: {value:.3f} s" for name, value in speed.items()))
    # Of the few rounds in which an estimator that mostly gives none gave one, coverage says little.
    low = [row for row in rows if row["coverage"] is not None and row["coverage"] < LEAST_COVERAGE
           and row["without"] < options.rounds / 2]  # fmt: skip
    return int(bool(options.check and low))


def coverage(name: str, scenario: Scenario, rounds: int) -> list[Row]:
    """Coverage of each estimator and theme over rounds."""
    rng = np.random.default_rng(2016)
    truth = rng.permutation(np.repeat(np.arange(5), (np.array(SHARES) * FRAME).astype(int)))
    machine = coded(truth, scenario, rng)
    frame = np.bincount(machine, minlength=5) / FRAME
    true_shares = np.bincount(truth, minlength=5) / FRAME
    hot = np.eye(5, dtype=bool)
    held = np.zeros((rounds, 5, len(ESTIMATORS)))
    width, value = np.full_like(held, np.nan), np.full_like(held, np.nan)
    for at in range(rounds):
        units, sample = drawn(machine, scenario, rng)
        made = prevalences(sample, hot[truth[units]], hot[machine[units]], frame, LABELS, seed=at)
        for one, row in enumerate(made):
            k, of = divmod(one, len(ESTIMATORS))
            if row.value is not None:
                value[at, k, of] = row.value
            if row.low is not None and row.high is not None:
                held[at, k, of] = row.low <= true_shares[k] <= row.high
                width[at, k, of] = row.high - row.low
    with np.errstate(invalid="ignore"):
        return [
            {
                "scenario": name, "theme": label, "estimator": estimator,
                "true": float(true_shares[k]), "mean": _mean(value[:, k, of]),
                "coverage": float(held[:, k, of][~np.isnan(width[:, k, of])].mean())
                if (~np.isnan(width[:, k, of])).any() else None,
                "width": _mean(width[:, k, of]),
                "without": int(np.isnan(width[:, k, of]).sum()),
            }
            for k, label in enumerate(LABELS) for of, estimator in enumerate(ESTIMATORS)
        ]  # fmt: skip


def coded(truth: Ints, scenario: Scenario, rng: np.random.Generator) -> Ints:
    """What the coder says of each text."""
    right = rng.random(truth.size) < np.array(scenario.right)[truth]
    drifts = rng.random(truth.size) < scenario.drift
    other = (truth + rng.integers(1, 5, truth.size)) % 5
    wrong = np.where(drifts & (truth != 0), 0, other)
    return np.where(right, truth, wrong)


def drawn(machine: Ints, scenario: Scenario, rng: np.random.Generator) -> tuple[Ints, Sample]:
    """Positions of a sample and the sample."""
    if not scenario.by_machine:
        units = rng.choice(machine.size, scenario.size, replace=False)
        return units, sample_of(np.zeros(units.size, int), [machine.size])
    counts = np.bincount(machine, minlength=5)
    wanted = np.maximum(allocate("proportional", scenario.size, counts), np.minimum(LEAST, counts))
    units = np.concatenate([rng.choice(np.flatnonzero(machine == k), n, replace=False)
                            for k, n in enumerate(wanted.tolist())])  # fmt: skip
    return units, sample_of(np.repeat(np.arange(5), wanted), counts)


def seconds() -> dict[str, float]:
    """Of one estimate and of one alpha of the study's size."""
    rng = np.random.default_rng(1)
    truth = rng.choice(5, 1_000_000, p=SHARES)
    machine = coded(truth, SCENARIOS["plain"], rng)
    units, sample = drawn(machine, SCENARIOS["by machine"], rng)
    hot = np.eye(5, dtype=bool)
    started = time.perf_counter()
    prevalences(sample, hot[truth[units]], hot[machine[units]],
                np.bincount(machine) / machine.size, LABELS)  # fmt: skip
    middle = time.perf_counter()
    krippendorff_alpha([truth[:100_000].tolist(), machine[:100_000].tolist()])
    return {"prevalences": middle - started, "alpha_of_100000": time.perf_counter() - middle}


def _mean(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def _told(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
