"""How fast and how large the twin is: a million events with files, and the start of a large world.

Belongs here: starting the twin's commands in processes of their own, seconds and peak memory.
Does not belong here: what the twin makes.

There is no other such server to compare with; the bounds are the project's own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-c", "from orchestration.cli import main; main()", "twin"]
WRITE = """
import json, sys, time
from dataclasses import replace
from datetime import date
from pathlib import Path
from twin.generate import write_world
from twin.scales import SCALES

start = time.perf_counter()
scale = replace(SCALES["demo"], name="bench", events_per_day=500_000, repository_count=20_000)
made = write_world(Path(sys.argv[1]), scale, 1, [date(2025, 10, 6), date(2025, 10, 7)])
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "lines": made.line_count, "bytes": made.archive_bytes}))
"""
ASKED = (
    "/archive/{day}-12.json.gz",
    "/github/repositories",
    "/hub/api/models?limit=1000&expand=likes&expand=author",
    "/hub/api/models?limit=1000&sort=likes",
)
MEGABYTE = 1_000_000
START_BOUND, MEMORY_BOUND, WRITE_BOUND = 90.0, 4_000, 60.0
Row = dict[str, Any]


def main() -> int:
    """Measure both; the exit code is 1 only where `--check` is given and a bound is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.twin", description=__doc__)
    parser.add_argument("--scale", default="large", help="what is served: large or study")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser.add_argument("--check", action="store_true", help="fail where a bound is missed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="osmoscope-bench-") as folder:
        report = {"write": written(Path(folder)), "serve": served(Path(folder), options.scale)}
    is_met = (
        report["write"]["seconds"] <= WRITE_BOUND
        and report["serve"]["ready_seconds"] <= START_BOUND
        and report["serve"]["peak_megabytes"] <= MEMORY_BOUND
    )
    if options.json:
        print(json.dumps(report, indent=1))
    else:
        print(as_text(report, options.scale))
    return 1 if options.check and not is_met else 0


def written(folder: Path) -> Row:
    """Two days with a million events drawn, rendered and packed, with their truth."""
    done = subprocess.run(
        [sys.executable, "-c", WRITE, str(folder / "world")],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    row: Row = json.loads(done.stdout)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return row | {"peak_megabytes": usage.ru_maxrss * 1024 / MEGABYTE}


def served(folder: Path, scale: str) -> Row:
    """From the start of the process to its first answer of every kind."""
    import requests

    ready = folder / "ready.json"
    start = time.perf_counter()
    arguments = ["serve", "--scale", scale, "--no-limits", "--ready-file", str(ready)]
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--until-closed"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        while not ready.exists():
            if process.poll() is not None:
                raise RuntimeError("the twin ended before it served")
            time.sleep(0.02)
        row: Row = {"ready_seconds": time.perf_counter() - start}
        address = json.loads(ready.read_text(encoding="utf-8"))
        row["ready_megabytes"] = status_of(process.pid, "VmRSS")
        for path in ASKED:
            asked = address["url"] + path.format(day=address["last_day"])
            began = time.perf_counter()
            answer = requests.get(asked, timeout=600, headers={"user-agent": "bench"})
            if answer.status_code != 200:
                raise RuntimeError(f"{path}: {answer.status_code}")
            row[path.split("?")[0]] = time.perf_counter() - began
        row["first_answers_seconds"] = time.perf_counter() - start
        row["peak_megabytes"] = status_of(process.pid, "VmHWM")
        return row
    finally:
        process.terminate()
        process.wait(30)


def status_of(pid: int, key: str) -> float:
    """A figure of the process's memory in megabytes (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024 / MEGABYTE
    raise RuntimeError(f"no {key}")


def as_text(report: dict[str, Row], scale: str) -> str:
    """The figures with their bounds."""
    made, serve = report["write"], report["serve"]
    return "\n".join(
        (
            f"{os.cpu_count()} processors",
            f"a million events: {made['lines']:,} readable lines, {made['bytes'] / MEGABYTE:.0f} "
            f"MB packed in {made['seconds']:.1f} s (bound {WRITE_BOUND:.0f}), "
            f"peak {made['peak_megabytes']:.0f} MB",
            f"scale {scale}: serves after {serve['ready_seconds']:.1f} s (bound "
            f"{START_BOUND:.0f}) with {serve['ready_megabytes']:.0f} MB",
            f"an hour of the archive, repositories, and two orders of 1,000 models answered "
            f"{serve['first_answers_seconds']:.1f} s after the start, peak "
            f"{serve['peak_megabytes']:.0f} MB (bound {MEMORY_BOUND})",
        )
    )


if __name__ == "__main__":
    sys.exit(main())
