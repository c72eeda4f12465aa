"""How fast and how large: archive hours to the lake, against `zcat` of the same files.

Belongs here: making the files, interleaved repetitions, the figures. Does not belong here: any
shortcut of the ingest; what is timed is `Ingester.day`, with its ledger, hashing and fsync.

The ingest runs in a process of its own, which is started before the clock, and in its helpers,
which the repetition that does not count starts: neither side pays for Python's imports. In rows of
their own stands what a user waits for who gives the same files to `osmoscope ingest-archive`: the
start of the command and of its helpers is in them.
"""

import argparse
import gzip
import json
import multiprocessing
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REAL_VARIABLE = "REAL_DATA_DIR"
REAL_HOUR = "2015-01-01-0.json.gz"
EXCERPT_JSON = "excerpt-2021-07-21-6.json.gz"
EXCERPT_PARQUET = "excerpt-2016-07-07-0.parquet"
COMMAND = Path(sys.executable).parent / "osmoscope"
HOURS = 24
# A large hour is the real one several times over, with other event ids.
LARGE_COPIES = 6
LARGE_HOURS = 4
TWIN_EVENTS = 48_000
# json.loads takes many times as long as the rest: it is timed on a share of the bytes.
JSON_BYTES = 40_000_000
MEGABYTE = 1_000_000
TARGET_RATIO = 1.0
TARGET_MEMORY = 1500 * MEGABYTE
Row = dict[str, Any]


@dataclass
class Dataset:
    """Archive hours in a folder, and what was measured on them.

    Attributes:
        share: part of the time that is spent on it.
        is_target: whether the ratio's target is meant for it.
    """

    name: str
    folder: str
    day: str
    share: float
    is_target: bool = False
    rows: list[Row] = field(default_factory=list)

    @property
    def files(self) -> list[str]:
        return sorted(str(path) for path in Path(self.folder).iterdir())


def main() -> int:
    """Run the benchmark; the exit code is 1 only where `--check` is given and a target missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=7, help="at most, for each data set")
    parser.add_argument("--seconds", type=float, default=45.0, help="for all repetitions together")
    parser.add_argument("--workers", type=int, default=2, help="archive.workers")
    parser.add_argument("--folder", type=Path, help="where temporary files go")
    parser.add_argument("--only", help="names of the data sets begin with this")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--check", action="store_true", help="fail where a target is missed")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return serve()
    unpacker = zcat_command()
    if unpacker is None:
        print("skipped: neither zcat nor gzip is on the PATH, so there is nothing to compare with")
        return 0
    with tempfile.TemporaryDirectory(prefix="osmoscope-bench-", dir=options.folder) as folder:
        report = run(Path(folder), options, unpacker)
    print(json.dumps(report, indent=1) if options.json else as_text(report))
    is_missed = any(target["met"] is False for target in report["targets"])
    return 1 if options.check and is_missed else 0


def real_folder() -> Path | None:
    """Where the recorded hours are, if they are there."""
    base = Path(os.environ.get(REAL_VARIABLE) or ROOT.parent / "shared" / "data")
    folder = base / "gharchive"
    return folder if (folder / REAL_HOUR).is_file() else None


def zcat_command() -> list[str] | None:
    """The named alternative: unpacking alone, by one process, file after file."""
    if shutil.which("zcat"):
        return ["zcat"]
    return ["gzip", "-dc"] if shutil.which("gzip") else None


def run(folder: Path, options: argparse.Namespace, unpacker: list[str]) -> Row:
    """Make the data sets, measure them, and put the figures together."""
    real = real_folder()
    notes = []
    if real is None:
        notes.append(
            f"skipped: no recorded hours (${REAL_VARIABLE} or ../shared/data has no "
            f"gharchive/{REAL_HOUR}); the figures are of made hours only, and the target is not "
            "judged"
        )
    with worker_process() as worker:
        order = {"do": "make", "folder": str(folder), "real": str(real) if real else None}
        datasets = [Dataset(**made) for made in ask(worker, order)["datasets"]]
        datasets = [d for d in datasets if d.name.startswith(options.only or "")]
        total = sum(dataset.share for dataset in datasets)
        for dataset in datasets:
            seconds = options.seconds * dataset.share / total
            measure(dataset, folder, worker, unpacker, options, seconds)
        peak = max(row["peak_bytes"] for dataset in datasets for row in dataset.rows)
    figures = [figures_of(dataset) for dataset in datasets]
    commands = [command_of(dataset) for dataset in datasets if COMMAND.is_file()]
    if not commands:
        notes.append(f"skipped: the whole command, as {COMMAND} is not installed")
    return {
        "machine": machine(),
        "workers": options.workers,
        "alternative": " ".join(unpacker),
        "notes": notes,
        "datasets": figures,
        "commands": commands,
        "peak_bytes": peak,
        "targets": targets(datasets, figures, peak),
    }


def measure(
    dataset: Dataset,
    folder: Path,
    worker: "subprocess.Popen[str]",
    unpacker: list[str],
    options: argparse.Namespace,
    seconds: float,
) -> None:
    """Interleaved repetitions after one that does not count; at least two, however slow."""
    order = {
        "do": "day",
        "files": dataset.folder,
        "day": dataset.day,
        "workers": options.workers,
        "lake": str(folder / "lake"),
    }
    ends = time.monotonic() + seconds
    unpack(unpacker, dataset.files)
    ask(worker, order)
    for number in range(options.repetitions):
        if number >= 2 and time.monotonic() > ends:
            break
        before = cpu_seconds()
        row = {f"zcat_{key}": value for key, value in unpack(unpacker, dataset.files).items()}
        row |= ask(worker, order)
        row["others_share"] = others(before, cpu_seconds(), row)
        row["json_seconds"] = ask(worker, {"do": "json", "files": dataset.files})["seconds"]
        if COMMAND.is_file():
            told = ingest_by_command(dataset.files, folder / "command", options.workers)
            row |= {f"command_{key}": value for key, value in told.items()}
        dataset.rows.append(row)


def ingest_by_command(files: list[str], folder: Path, workers: int) -> Row:
    """Seconds of the whole command, from its start to its end, into a new lake."""
    folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OSMOSCOPE_")}
    environment = {**kept, "OSMOSCOPE_ARCHIVE__WORKERS": str(workers)}
    command = [str(COMMAND), "ingest-archive", "--out", str(folder / "lake")]
    row = run_to_nowhere([*command, *files], cwd=folder, env=environment)
    shutil.rmtree(folder)
    return row


def unpack(command: list[str], files: list[str]) -> Row:
    """Seconds that unpacking takes to nowhere."""
    return run_to_nowhere([*command, *files])


def run_to_nowhere(command: list[str], **how: Any) -> Row:
    """Seconds and processor seconds of a process and its children; what it prints is dropped."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, **how)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "cpu": cpu}


def cpu_seconds() -> tuple[float, float] | None:
    """Busy and all processor seconds of the machine since it started; None where unknown."""
    try:
        head = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    except OSError:
        return None
    ticks = [int(part) / os.sysconf("SC_CLK_TCK") for part in head.split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def others(
    before: tuple[float, float] | None, after: tuple[float, float] | None, row: Row
) -> float | None:
    """Share of the machine that other processes used during a repetition."""
    if before is None or after is None or after[1] <= before[1]:
        return None
    own = row["zcat_cpu"] + row["cpu"]
    share: float = (after[0] - before[0] - own) / (after[1] - before[1])
    return min(1.0, max(0.0, share))


def figures_of(dataset: Dataset) -> Row:
    """Medians of a data set; a ratio is taken within each repetition."""
    rows, first = dataset.rows, dataset.rows[0]
    ratios = sorted(row["seconds"] / row["zcat_seconds"] for row in rows)
    seconds = median(row["seconds"] for row in rows)
    shares = [row["others_share"] for row in rows if row["others_share"] is not None]
    return {
        "name": dataset.name,
        "files": len(dataset.files),
        "events": first["events"],
        "packed_bytes": first["packed_bytes"],
        "unpacked_bytes": first["unpacked_bytes"],
        "lake_bytes": first["lake_bytes"],
        "repetitions": len(rows),
        "zcat_seconds": median(row["zcat_seconds"] for row in rows),
        "ingest_seconds": seconds,
        "ratio": median(ratios),
        "ratio_range": [ratios[0], ratios[-1]],
        "cpu_ratio": median(row["cpu"] / row["zcat_cpu"] for row in rows),
        "json_ratio": median(row["seconds"] / row["json_seconds"] for row in rows),
        "events_per_second": first["events"] / seconds,
        "unpacked_bytes_per_second": first["unpacked_bytes"] / seconds,
        "others_share": median(shares) if shares else None,
    }


def command_of(dataset: Dataset) -> Row:
    """Medians of the whole command on a data set; the ratio is taken within each repetition."""
    rows = dataset.rows
    ratios = sorted(row["command_seconds"] / row["zcat_seconds"] for row in rows)
    return {
        "name": f"{dataset.name}, command",
        "seconds": median(row["command_seconds"] for row in rows),
        "ratio": median(ratios),
        "ratio_range": [ratios[0], ratios[-1]],
        "cpu_ratio": median(row["command_cpu"] / row["zcat_cpu"] for row in rows),
        "events_per_second": rows[0]["events"] / median(row["command_seconds"] for row in rows),
    }


def targets(datasets: list[Dataset], figures: list[Row], peak: int) -> list[Row]:
    """The promises and whether they are kept; `met` is null where it cannot be judged."""
    judged = [f for d, f in zip(datasets, figures, strict=True) if d.is_target]
    return [
        *(
            {
                "name": f"wall time of the ingest over zcat, {figure['name']}",
                "target": TARGET_RATIO,
                "measured": figure["ratio"],
                "met": figure["ratio"] <= TARGET_RATIO,
            }
            for figure in judged
        ),
        {
            "name": "peak memory of the processes, bytes",
            "target": TARGET_MEMORY,
            "measured": peak,
            "met": peak <= TARGET_MEMORY,
        },
    ]


def machine() -> Row:
    """What the figures depend on."""
    from importlib.metadata import version

    return {
        "processors": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "duckdb": version("duckdb"),
        "isal": version("isal"),
        "pair_speed": pair_speed(),
    }


def pair_speed() -> float:
    """Work that two processes do in the time in which one alone does 1: 2 on two whole cores.

    Virtual processors may be the two threads of one core; then it is little above 1, and a second
    worker brings no more than that.
    """
    alone = min(spin(1) for _ in range(3))
    return 2 * alone / min(spin(2) for _ in range(3))


def spin(count: int) -> float:
    """Seconds until so many processes, started together, have counted to a number."""
    code = "import time; a = time.perf_counter(); sum(i * i for i in range(2_000_000)); " \
        "print(time.perf_counter() - a)"  # fmt: skip
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    return max(float(process.communicate()[0]) for process in started)


def as_text(report: Row) -> str:
    """The report as a table."""
    parts = report["machine"]
    lines = [
        *report["notes"],
        f"{parts['processors']} processors, {parts['system']}, Python {parts['python']}, "
        f"DuckDB {parts['duckdb']}, {report['workers']} workers; two processes at once do "
        f"{parts['pair_speed']:.2f} times the work of one alone",
        f"ratio: wall time of the ingest / wall time of `{report['alternative']} FILES > "
        "/dev/null` (one process); below 1 is faster",
        "",
        f"{'data':<22}{'files':>6}{'events':>9}{'zcat s':>8}{'ingest s':>9}{'ratio':>7}"
        f"{'range':>13}{'cpu':>6}{'json':>6}{'events/s':>10}{'MB/s':>6}{'others':>8}",
    ]
    for row in report["datasets"]:
        low, high = row["ratio_range"]
        busy = "?" if row["others_share"] is None else f"{row['others_share']:.0%}"
        lines.append(
            f"{row['name']:<22}{row['files']:>6}{row['events']:>9}{row['zcat_seconds']:>8.2f}"
            f"{row['ingest_seconds']:>9.2f}{row['ratio']:>7.2f}{f'{low:.2f}-{high:.2f}':>13}"
            f"{row['cpu_ratio']:>6.2f}{row['json_ratio']:>6.2f}{row['events_per_second']:>10,.0f}"
            f"{row['unpacked_bytes_per_second'] / MEGABYTE:>6.0f}{busy:>8}"
        )
    lines += ["", *commands_as_text(report["commands"])]
    lines += [
        "",
        "cpu: processor time of the ingest / of zcat; json: wall time of the ingest / of Python's",
        "gzip and json.loads; MB/s: unpacked; others: share of the machine other processes used",
        "",
    ]
    for target in report["targets"]:
        said = {True: "met", False: "MISSED", None: "not judged"}[target["met"]]
        lines.append(f"{target['name']}: {told(target['measured'])}, "
                     f"target {told(target['target'])}: {said}")  # fmt: skip
    return "\n".join(lines)


def commands_as_text(commands: list[Row]) -> list[str]:
    """The rows of the whole command, which no target is meant for."""
    if not commands:
        return []
    head = "the whole command `osmoscope ingest-archive FILES`, from its start to its end:"
    lines = [head, f"{'':<28}{'seconds':>9}{'ratio':>7}{'range':>13}{'cpu':>6}{'events/s':>10}"]
    for row in commands:
        low, high = row["ratio_range"]
        lines.append(
            f"{row['name']:<28}{row['seconds']:>9.2f}{row['ratio']:>7.2f}"
            f"{f'{low:.2f}-{high:.2f}':>13}{row['cpu_ratio']:>6.2f}{row['events_per_second']:>10,.0f}"
        )
    return lines


def told(value: float | None) -> str:
    """A ratio with two places, bytes as they are."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.2f}"


@contextmanager
def worker_process() -> "Iterator[subprocess.Popen[str]]":
    """The process that ingests; answers each line of JSON with one."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.ingest", "--worker"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=60)


def ask(process: "subprocess.Popen[str]", order: Row) -> Row:
    """The worker's answer to an order."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise RuntimeError("the process that ingests has ended; its message stands above")
    return dict(json.loads(answer))


def serve() -> int:
    """Answer orders until there are no more."""
    # As every process of the platform begins, before the making of files loads DuckDB.
    import orchestration.memory  # noqa: F401

    doings: dict[str, Callable[..., Row]] = {"make": make, "day": ingest_day, "json": load_json}
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(doings[order.pop("do")](**order)), flush=True)
    return 0


def ingest_day(files: str, day: str, workers: int, lake: str) -> Row:
    """Ingest a folder's hours into a new lake and throw it away; the clock has the ingest only."""
    from assets.github.ingest import Ingester
    from orchestration.clients.archive import ArchiveSource
    from orchestration.lake import Lake
    from orchestration.settings import ArchiveSettings

    settings = ArchiveSettings(sources=[files], workers=workers)
    ingester = Ingester(Lake(Path(lake)), settings, b"a salt for the benchmark")
    ingester.prepare()
    cpu, start = used()[0], time.perf_counter()
    entries = ingester.day(ArchiveSource(settings.sources), date.fromisoformat(day))
    row: Row = {"seconds": time.perf_counter() - start, "cpu": used()[0] - cpu}
    loaded = [entry for entry in entries if entry["state"] == "ok"]
    if len(loaded) != len(list(Path(files).iterdir())):
        raise RuntimeError(f"of {files} only {len(loaded)} hours were loaded")
    row["events"] = sum(entry["event_count"] for entry in loaded)
    row["lake_bytes"] = sum(entry["lake_bytes"] for entry in loaded)
    row["packed_bytes"] = sum(entry["source_bytes"] for entry in loaded)
    row["unpacked_bytes"] = sum(unpacked_size(path) for path in Path(files).iterdir())
    row["peak_bytes"] = used()[1]
    shutil.rmtree(lake)
    return row


def used() -> tuple[float, int]:
    """Processor seconds, and the sum of the peaks of memory in bytes, of this process and helpers.

    Other systems than Linux do not tell of processes that run: there it is of this one.
    """
    times = os.times()
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    seconds = times.user + times.system
    for child in multiprocessing.active_children():
        folder = Path(f"/proc/{child.pid}")
        if folder.is_dir():
            # Behind the name, which may hold anything: the 14th and 15th field.
            ticks = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
            seconds += sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
            found = re.search(r"VmHWM:\s+(\d+) kB", (folder / "status").read_text(encoding="utf-8"))
            peak += int(found[1]) * 1024 if found else 0
    return seconds, peak


def unpacked_size(path: Path) -> int:
    """The size that the gzip trailer names; right for one member below 4 GiB."""
    with path.open("rb") as stream:
        stream.seek(-4, os.SEEK_END)
        return int.from_bytes(stream.read(4), "little")


def load_json(files: list[str]) -> Row:
    """Seconds that Python's gzip and json.loads would take for all files, from some of them."""
    sizes = {name: unpacked_size(Path(name)) for name in files}
    done = 0
    start = time.perf_counter()
    for name in files:
        with gzip.open(name, "rb") as stream:
            for line in stream:
                json.loads(line)
        done += sizes[name]
        if done >= JSON_BYTES:
            break
    return {"seconds": (time.perf_counter() - start) * sum(sizes.values()) / done}


def make(folder: str, real: str | None) -> Row:
    """Write the data sets; real hours where there are some, and hours of a made world."""
    base = Path(folder)
    made = [made_hours(base / "made")]
    if real is not None:
        made = [*recorded(base, Path(real)), *made]
    return {"datasets": made}


def recorded(base: Path, real: Path) -> list[Row]:
    """Data sets from recorded files; one that is not there is left out."""
    hour = (real / REAL_HOUR).read_bytes()
    made = [
        repeated(base / "hour", "recorded hour", hour, "2015-01-01", HOURS, 0.4),
        repeated(base / "large", "large hour", enlarged(hour), "2015-01-01", LARGE_HOURS, 0.35),
    ]
    for row in made:
        row["is_target"] = True
    if (real / EXCERPT_PARQUET).is_file():
        data = gzip.compress(lines_of_parquet(real / EXCERPT_PARQUET), 6)
        made.append(repeated(base / "2016", "excerpt of 2016", data, "2016-07-07", HOURS, 0.1))
    if (real / EXCERPT_JSON).is_file():
        data = (real / EXCERPT_JSON).read_bytes()
        made.append(repeated(base / "2021", "excerpt of 2021", data, "2021-07-21", HOURS, 0.05))
    return made


def repeated(folder: Path, name: str, data: bytes, day: str, count: int, share: float) -> Row:
    """The same bytes as several hours of a day."""
    folder.mkdir()
    for hour in range(count):
        (folder / f"{day}-{hour}.json.gz").write_bytes(data)
    return {"name": name, "folder": str(folder), "day": day, "share": share}


def enlarged(packed: bytes) -> bytes:
    """An hour several times over in one file, with event ids that do not repeat."""
    text = gzip.decompress(packed)
    packer = zlib.compressobj(6, wbits=31)
    parts = [
        packer.compress(re.sub(rb'(?m)^\{"id":"', b'{"id":"%d' % copy, text))
        for copy in range(1, LARGE_COPIES + 1)
    ]
    return b"".join([*parts, packer.flush()])


def lines_of_parquet(path: Path) -> bytes:
    """A recorded excerpt that is kept as Parquet, as the archive would have it."""
    import duckdb

    with duckdb.connect() as connection:
        rows = connection.execute(
            "select to_json(line)::varchar from read_parquet($path) as line", {"path": str(path)}
        ).fetchall()
    return "".join(f"{row[0]}\n" for row in rows).encode()


def made_hours(folder: Path) -> Row:
    """A day of a made world without planted damage."""
    from dataclasses import replace

    from twin.generate import write_world
    from twin.world import SCALES

    day = date(2021, 7, 21)
    scale = replace(SCALES["demo"], name="bench", events_per_day=TWIN_EVENTS, model_count=100)
    write_world(folder, scale, 7, [day], with_defects=False)
    archive = str(folder / "archive")
    return {"name": "made hours", "folder": archive, "day": day.isoformat(), "share": 0.1}


if __name__ == "__main__":
    sys.exit(main())
