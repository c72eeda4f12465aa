"""How fast a frame is sampled, in how much memory, and how often intervals hold what they state.

Belongs here: generated frames, seconds and peak memory of draws and of their alternatives, and the
coverage of estimates over many draws of a twin's world. Does not belong here: drawing and
estimating (assets.study).

    python -m bench.sampling [--only scale|coverage] [--rows 50000000] [--draws 500] [--json]
    python -m bench.sampling --only scale --rows 400000000 --allocation paper --no-alternative

`scale` writes a frame as Parquet (about 8 bytes a row), reads it in processes of their own, and
removes it. `coverage` draws as many samples as `--draws` says, each with a seed of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

MEGABYTE = 1_000_000
# Largest peak of a draw, in megabytes: the promise is 8 GB for 400 million repositories.
MEMORY_BOUND = 8_000
LIMIT_MEGABYTES = 2_000
# The published study's sample over its frame.
SHARE = 1_428_792 / 437_636_881
CHUNK = 50_000_000
REPLICATES = 199
# Of the coverage: units drawn, and at least of each stratum.
SIZE, LEAST = 4_000, 30
UNKNOWN = "commits a month of life"
# Shares of all discussions, from one repository to the next as different as a Beta of this size.
THEMES = {"share of a theme (0.3)": 0.3, "share of a theme (0.05)": 0.05}
ALIKE = 2.0
# Columns of the generated frame whose large values are taken whole.
LARGE = ("stars", "pushes")
ALLOCATIONS = ("paper", "proportional", "neyman", "matched")
Row = dict[str, Any]


def main() -> int:
    """Measure; the exit code is 1 only where `--check` is given and a bound is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.sampling", description=__doc__)
    parser.add_argument("--only", choices=["scale", "coverage"], help="one of the two")
    parser.add_argument("--rows", type=int, default=CHUNK, help="units of the generated frame")
    parser.add_argument("--draws", type=int, default=500, help="draws of the coverage")
    parser.add_argument(
        "--allocation", action="append", choices=ALLOCATIONS, help="by default all of them"
    )
    parser.add_argument("--no-alternative", action="store_true", help="leave the window out")
    parser.add_argument("--folder", type=Path, help="where the frame is written")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser.add_argument("--check", action="store_true", help="fail where a bound is missed")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(*options.child)))
        return 0
    report: Row = {}
    if options.only != "coverage":
        with tempfile.TemporaryDirectory(prefix="osmoscope-bench-", dir=options.folder) as folder:
            chosen = options.allocation or ALLOCATIONS
            report["scale"] = scale(Path(folder), options.rows, chosen, not options.no_alternative)
    if options.only != "scale":
        report["coverage"] = list(coverage(options.draws))
    print(json.dumps(report, indent=1) if options.json else as_text(report))
    return 1 if options.check and not is_met(report) else 0


# ---------------------------------------------------------------- scale


def scale(folder: Path, rows: int, allocations: Sequence[str], with_alternative: bool) -> Row:
    """A frame generated, surveyed and drawn from; the same of the alternatives."""
    frame = folder / "frame.parquet"
    started = time.perf_counter()
    made = run_child("generate", frame, rows)
    found: Row = {
        "rows": rows,
        "size": round(rows * SHARE),
        "generate_seconds": time.perf_counter() - started,
        "frame_megabytes": sum(file.stat().st_size for file in folder.iterdir()) / MEGABYTE,
        "generate_megabytes": made["peak_megabytes"],
        "runs": [run_child("count", frame, rows), run_child("number", frame, rows)],
    }
    for allocation in allocations:
        found["runs"].append(run_child(allocation, frame, rows))
    if with_alternative:
        found["runs"].append(run_child("window", frame, rows))
    plain = found["runs"][0]["seconds"]
    for run in found["runs"]:
        run["over_count"] = run["seconds"] / plain
    found["is_same_as_brute_force"] = is_same_as_brute_force()
    return found


def run_child(what: str, frame: Path, rows: int) -> Row:
    """One measurement in a process of its own, whose peak memory is its own."""
    command = [sys.executable, "-m", "bench.sampling", "--child", what, str(frame), str(rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: Row = json.loads(done.stdout)
    return found


def child(what: str, frame: str, rows: str) -> Row:
    """Seconds and peak memory of one thing done with the frame."""
    from assets.study.draw import workshop

    size = round(int(rows) * SHARE)
    started = time.perf_counter()
    with workshop(LIMIT_MEGABYTES, Path(frame).parent) as connection:
        if what == "generate":
            told = generate(connection, Path(frame), int(rows))
        elif what == "count":
            told = counted(connection, frame)
        elif what == "number":
            told = numbered(connection, frame)
        elif what == "window":
            told = windowed(connection, frame, size)
        else:
            told = drawn(connection, frame, what, size)
    return {"what": what, "seconds": time.perf_counter() - started, **told,
            "peak_megabytes": peak_megabytes()}  # fmt: skip


def peak_megabytes() -> float:
    """Largest resident memory of this process (Linux).

    `ru_maxrss` of a process begins with its parent's at the fork; this figure does not.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / MEGABYTE
    raise RuntimeError("no peak memory")


def generate(connection: Any, frame: Path, rows: int) -> Row:
    """Repositories as GitHub has them: most without a star, a tail of 1.1, a seventh too old."""
    for number, first in enumerate(range(0, rows, CHUNK)):
        part = frame.with_name(f"{frame.stem}-{number}.parquet")
        last = min(rows, first + CHUNK)
        connection.execute(
            f"""
            COPY (
                SELECT
                    range AS id,
                    CASE WHEN hash(range, 1) % 100 < 85 THEN 0
                        ELSE least(400000, floor(pow(1 - (hash(range, 2) % 1000000) / 1000000.0,
                            -1 / 1.1)))::INTEGER END AS stars,
                    floor(exp(3 * sqrt(-2 * ln((hash(range, 3) % 999999 + 1) / 1000000.0))
                        * cos(6.283 * (hash(range, 4) % 1000000) / 1000000.0)))::INTEGER AS pushes,
                    DATE '2009-01-01' + (hash(range, 5) % 6200)::INTEGER AS created_on
                FROM range({first}, {last})
            ) TO '{part}' (FORMAT parquet)
            """
        ).fetchall()
    return {}


def source(frame: str) -> str:
    """The frame's parts as a relation."""
    return f"read_parquet('{frame.removesuffix('.parquet')}-*.parquet')"


def frame_sql(frame: str) -> str:
    """The frame as drawing wants it: made before 2016 is known and rejects."""
    from assets.study.strata import Strata

    return (
        "SELECT 'github:repository:' || id AS unit_key,"
        f" {Strata().sql('stars')} AS stratum_number, pushes::DOUBLE AS value,"
        " CASE WHEN created_on < DATE '2016-01-01' THEN 'created_before_start' END AS reason,"
        f" true AS is_known, {', '.join(LARGE)} FROM {source(frame)}"
    )


def counted(connection: Any, frame: str) -> Row:
    """The least that reading the strata costs."""
    found = connection.execute(
        f"SELECT stratum_number, count(*) FROM ({frame_sql(frame)}) GROUP BY ALL"
    ).fetchall()
    return {"units": sum(row[1] for row in found)}


def numbered(connection: Any, frame: str) -> Row:
    """The same with a random number for each unit."""
    from assets.study.draw import number_sql

    found = connection.execute(
        f"SELECT stratum_number, count(*), max({number_sql(1)}) FROM ({frame_sql(frame)})"
        " GROUP BY ALL"
    ).fetchall()
    return {"units": sum(row[1] for row in found)}


def drawn(connection: Any, frame: str, allocation: str, size: int) -> Row:
    """Cut-offs, survey and draw, as the study does it."""
    from assets.study.allocation import allocate
    from assets.study.certainty import aligned, cut_offs, planned, profile
    from assets.study.draw import draw, survey
    from assets.study.strata import is_certain

    started = time.perf_counter()
    sql = frame_sql(frame)
    seen = profile(connection, sql, LARGE, "pushes")
    # The Hub's likes: far fewer above none.
    likes = {int(number): int(count / (1 + at) ** 2) for at, (number, count)
             in enumerate(zip(seen.number, seen.frame_count, strict=True))}  # fmt: skip
    plan = planned(allocation, LEAST, seen.frame_count,
                   aligned(seen.number, seen.frame_count, likes))  # fmt: skip
    cut = cut_offs(seen, size, plan)
    cut_seconds = time.perf_counter() - started
    sql = cut.apply(sql)
    found = survey(connection, sql)
    whole = is_certain(found.number)
    target = allocate(allocation, size, found.frame_count, deviation=found.deviation,
                      reference=aligned(found.number, found.frame_count, likes),
                      is_take_all=whole, least=LEAST)  # fmt: skip
    made = draw(connection, sql, 1, found, target)
    return {"units": made.members.num_rows, "rejected": int(made.rejected_count.sum()),
            "certain": int(found.frame_count[whole].sum()), "cut_seconds": cut_seconds}  # fmt: skip


def windowed(connection: Any, frame: str, size: int) -> Row:
    """The alternative: number every unit within its stratum and keep the first ones."""
    from assets.study.allocation import allocate
    from assets.study.draw import number_sql

    sql = frame_sql(frame)
    strata = connection.execute(
        f"SELECT stratum_number, count(*) FROM ({sql}) GROUP BY ALL ORDER BY 1"
    ).fetchall()
    wanted = allocate("paper", size, [row[1] for row in strata])
    cuts = ", ".join(f"({row[0]}, {n})" for row, n in zip(strata, wanted.tolist(), strict=True))
    found = connection.execute(
        f"""
        SELECT count(*) FROM (
            SELECT stratum_number, unit_key, row_number() OVER (
                PARTITION BY stratum_number ORDER BY {number_sql(1)}
            ) AS place
            FROM ({sql}) WHERE reason IS NULL
        ) INNER JOIN (VALUES {cuts}) AS cuts(stratum_number, wanted) USING (stratum_number)
        WHERE place <= wanted
        """
    ).fetchall()
    return {"units": found[0][0]}


def is_same_as_brute_force(rows: int = 200_000) -> bool:
    """Whether the draw of a smaller frame is what sorting all of it in Python gives."""
    from assets.study.draw import random_number, survey, workshop

    with tempfile.TemporaryDirectory(prefix="osmoscope-bench-") as folder, workshop() as connection:
        frame = Path(folder) / "frame.parquet"
        generate(connection, frame, rows)
        sql = frame_sql(str(frame))
        units = connection.execute(
            f"SELECT unit_key, stratum_number, value, reason, is_known FROM ({sql})"
        ).fetchall()
        for allocation in ("paper", "proportional", "neyman"):
            found = survey(connection, sql)
            from assets.study.allocation import allocate
            from assets.study.draw import draw

            target = allocate(allocation, 5000, found.frame_count, deviation=found.deviation)
            made = draw(connection, sql, 1, found, target)
            wanted = dict(zip(found.number.tolist(), target.tolist(), strict=True))
            expected = []
            for key, stratum, _, reason, _ in sorted(
                units, key=lambda unit: (unit[1], random_number(1, unit[0]), unit[0])
            ):
                if wanted[stratum] > 0:
                    expected.append(key)
                    wanted[stratum] -= reason is None
            if made.members["unit_key"].to_pylist() != expected:
                return False
    return True


# ---------------------------------------------------------------- coverage


def coverage(draws: int) -> Iterator[Row]:
    """How often intervals of 95 % hold the frame's value, by world, design, feature and statistic.

    Worlds: `twin`, 100,000 GitHub repositories, a seventh of them made before 2016 and rejected
    when drawn; `tails`, as many with the published maxima, whose stars tell nothing of the rest.
    `auto` is the default, `none` takes nothing whole. Commits a month of life are no column of the
    frame: of them nothing can be taken whole. `is_told` says whether the study tells the interval:
    of means and totals not where large values are left to chance, of shares of discussions
    never; `at_least` is the share of the intervals that say that they hold more than 95 %, as
    values move in steps.
    """
    for name, population in (("twin", world()), ("tails", tails())):
        for allocation in ALLOCATIONS:
            yield from covered(population, name, allocation, True, draws)
        yield from covered(population, name, "proportional", False, draws)


def world() -> Row:
    """Repositories of a twin's world as arrays."""
    from datetime import date

    from twin.world import YEAR_2016, build_world

    r = build_world("large", 1, date(2025, 10, 6)).repositories
    months = np.maximum(1.0, (int(r.created_at.max()) - r.created_at) / 2_629_800)
    features = {
        "commits": r.commit_stock.astype(float),
        "discussions": r.issue_stock.astype(float),
        "stars": r.star_stock.astype(float),
    }
    return {"id": r.id, "is_in": r.created_at >= YEAR_2016, "features": features,
            "unknown": {UNKNOWN: r.commit_stock / months},
            "themes": themes(features["discussions"])}  # fmt: skip


def tails(count: int = 100_000) -> Row:
    """Repositories with tails of the published table, one feature telling nothing of another."""
    from twin.scales import PLANTED

    rng = np.random.default_rng(7)
    names = {"commits": "github_commits", "discussions": "github_issues", "stars": "github_stars"}
    features = {}
    for feature, name in names.items():
        tail = PLANTED[name]
        features[feature] = np.asarray(tail.values(rng.random(count)), dtype=float)
    months = 1 + 119 * rng.random(count)
    return {"id": np.arange(count), "is_in": rng.random(count) < 0.85, "features": features,
            "unknown": {UNKNOWN: features["commits"] / months},
            "themes": themes(features["discussions"])}  # fmt: skip


def themes(discussions: Any) -> dict[str, Any]:
    """Discussions of each repository that are of a theme; large repositories differ as small do."""
    rng = np.random.default_rng(11)
    count = discussions.astype(np.int64)
    return {
        name: rng.binomial(count, rng.beta(ALIKE * p, ALIKE * (1 - p), count.size)).astype(float)
        for name, p in THEMES.items()
    }


def covered(
    population: Row, name: str, allocation: str, is_auto: bool, draws: int
) -> Iterator[Row]:
    """Coverage under one design, by feature, statistic and method."""
    import pyarrow as pa

    from assets.study.allocation import allocate
    from assets.study.certainty import aligned, cut_offs, planned, profile
    from assets.study.draw import draw, survey, workshop
    from assets.study.strata import Strata, is_certain

    keys = np.array([f"github:repository:{one}" for one in population["id"].tolist()])
    place = {key: at for at, key in enumerate(keys.tolist())}
    truths = dict(true_values(population))
    hits: dict[tuple[str, str, str], list[Any]] = {key: [] for key in truths}
    features = population["features"]
    with workshop() as connection:
        connection.register("frame", pa.table({
            "unit_key": keys, **features,
            "reason": pa.array(np.where(population["is_in"], None, "created_before_start"),
                               pa.string()),
        }))  # fmt: skip
        sql = (f"SELECT unit_key, {Strata().sql('stars')} AS stratum_number, commits AS value,"
               f" reason, true AS is_known, {', '.join(features)} FROM frame")  # fmt: skip
        seen = profile(connection, sql, list(features), "commits")
        # The Hub's likes: far fewer above none.
        likes, is_holding = None, False
        if allocation == "matched":
            likes = {int(number): max(1, int(count / (1 + at) ** 2)) for at, (number, count)
                     in enumerate(zip(seen.number, seen.frame_count, strict=True))}  # fmt: skip
        if is_auto:
            plan = planned(allocation, LEAST, seen.frame_count,
                           aligned(seen.number, seen.frame_count, likes))  # fmt: skip
            cut = cut_offs(seen, SIZE, plan)
            sql, is_holding = cut.apply(sql), cut.is_holding
        found = survey(connection, sql)
        whole = is_certain(found.number)
        certain = int(found.frame_count[whole].sum())
        target = allocate(allocation, SIZE, found.frame_count, deviation=found.deviation,
                          reference=aligned(found.number, found.frame_count, likes),
                          is_take_all=whole, least=LEAST)  # fmt: skip
        for seed in range(draws):
            made = draw(connection, sql, seed, found, target)
            at = np.array([place[key] for key in made.members["unit_key"].to_pylist()])
            # The bootstrap is for where nothing is known of the tail; it takes most of the time.
            replicates = 0 if is_auto else REPLICATES
            sample = made.sample()
            for key, one in estimates(sample, population, at, seed, replicates):
                is_more = one.interval_is == "at_least"
                hits[key].append((one.value, one.low, one.high, one.standard_error, is_more))
    for key, several in hits.items():
        if not several:
            continue
        values = np.array(several)
        truth = truths[key]
        held = (values[:, 1] <= truth) & (truth <= values[:, 2])
        spread = float(values[:, 0].std())
        spread = 0.0 if spread < 1e-12 * abs(truth) else spread
        feature, statistic, method = key
        yield {
            "world": name, "design": allocation, "take_all": "auto" if is_auto else "none",
            "certain": certain, "tail_bound": cut.tail_bound if is_auto else None,
            "feature": feature, "statistic": statistic, "method": method,
            "coverage": float(held.mean()), "at_least": float(values[:, 4].mean()),
            "is_told": statistic not in THEMES
            and (statistic not in ("mean", "total") or (is_holding and feature in features)),
            "width": float(np.median(values[:, 2] - values[:, 1]) / truth) if truth else None,
            "bias": float(values[:, 0].mean() / truth - 1) if truth else 0.0,
            "error_ratio": float(values[:, 3].mean() / spread) if spread else None,
            "draws": draws,
        }  # fmt: skip


def all_features(population: Row) -> Row:
    """Features that the frame knows, and the one that it does not."""
    return {**population["features"], **population["unknown"]}


def true_values(population: Row) -> Iterator[tuple[tuple[str, str, str], float]]:
    """What the frame's repositories that belong have in truth."""
    from assets.study.statistics.descriptives import describe

    for feature, values in all_features(population).items():
        y = values[population["is_in"]]
        for method in ("t", "log", "bootstrap_t"):
            yield (feature, "mean", method), float(y.mean())
        yield (feature, "log mean", "t"), float(np.log1p(y).mean())
        yield (feature, "median", "woodruff"), float(np.median(y))
        yield (feature, "mid-median", "woodruff"), float(describe(y).mid_median or 0.0)
        yield (feature, "total", "log"), float(y.sum())
        if (y == 0).mean() > 0.01:
            yield (feature, "zero share", "wilson"), float((y == 0).mean())
    own = population["is_in"]
    whole = float(population["features"]["discussions"][own].sum())
    for name, values in population["themes"].items():
        yield ("discussions", name, "wilson"), float(values[own].sum()) / whole


def estimates(
    sample: Any, population: Row, at: Any, seed: int, replicates: int
) -> Iterator[tuple[tuple[str, str, str], Any]]:
    """The same as a sample tells it."""
    from assets.study import estimators
    from assets.study.resampling import bootstrap_mean

    for feature, values in all_features(population).items():
        y = values[at]
        yield (feature, "mean", "t"), estimators.mean(sample, y)
        yield (feature, "mean", "log"), estimators.mean(sample, y, "log")
        if replicates:
            resampled = bootstrap_mean(sample, y, seed=seed, replicates=replicates)
            yield (feature, "mean", "bootstrap_t"), resampled
        yield (feature, "log mean", "t"), estimators.mean(sample, np.log1p(y))
        yield (feature, "median", "woodruff"), estimators.quantile(sample, y)
        yield (feature, "mid-median", "woodruff"), estimators.mid_median(sample, y)
        yield (feature, "total", "log"), estimators.total(sample, y, "log")
        if (values[population["is_in"]] == 0).mean() > 0.01:
            yield (feature, "zero share", "wilson"), estimators.share(sample, y == 0)
    themes = np.column_stack(list(population["themes"].values()))[at]
    told = estimators.parts(sample, themes, population["features"]["discussions"][at])
    for name, one in zip(population["themes"], told, strict=True):
        yield ("discussions", name, "wilson"), one


def is_met(report: Row) -> bool:
    """Memory of draws within bounds, the draw as by brute force, coverage where it is promised."""
    bounds = []
    if "scale" in report:
        runs = [run for run in report["scale"]["runs"] if run["what"] in ALLOCATIONS]
        bounds += [run["peak_megabytes"] <= MEMORY_BOUND for run in runs]
        bounds.append(report["scale"]["is_same_as_brute_force"])
    for row in report.get("coverage", []):
        # Medians of counts cover more, and say so. Beside the promised 93 to 97 %, one draw in a
        # hundred of chance.
        if row["is_told"]:
            most = 1.0 if row["at_least"] else 0.98
            bounds.append(0.92 <= row["coverage"] <= most)
    return all(bounds)


def as_text(report: Row) -> str:
    """The figures as lines."""
    lines = [f"{os.cpu_count()} processors, DuckDB limited to {LIMIT_MEGABYTES} MB"]
    if "scale" in report:
        found = report["scale"]
        lines.append(
            f"frame of {found['rows']:,} in {found['frame_megabytes']:,.0f} MB, written in "
            f"{found['generate_seconds']:.0f} s; samples of {found['size']:,}; as by brute force "
            f"on 200,000: {'yes' if found['is_same_as_brute_force'] else 'NO'}"
        )
        for run in found["runs"]:
            lines.append(
                f"  {run['what']:<14} {run['seconds']:7.1f} s {run['over_count']:6.2f} x count "
                f"{run['peak_megabytes']:7,.0f} MB  {run['units']:,} units"
                + (f", {run['certain']:,} whole, found in {run['cut_seconds']:.1f} s"
                   if "certain" in run else "")
            )  # fmt: skip
    for row in report.get("coverage", []):
        ratio = "   -" if row["error_ratio"] is None else f"{row['error_ratio']:4.2f}"
        lines.append(
            f"{row['world']:<5} {row['design']:<13} {row['take_all']:<5} {row['certain']:5,} whole "
            f"{row['feature']:<24} {row['statistic']:<10} {row['method']:<12} "
            f"covers {row['coverage']:6.1%} {'' if row['is_told'] else '(not told)':<10}  "
            f"says at least {row['at_least']:4.0%}  "
            f"bias {row['bias']:+7.2%}  "
            f"standard error / spread {ratio}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
