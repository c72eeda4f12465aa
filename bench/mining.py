"""How much of what the platforms allow a night uses, and whether it ever asks for more.

Belongs here: nights against a served twin with small windows, what its limits saw, the figures.
Does not belong here: any shortcut of the mining; what is measured is `observe_github` and
`observe`.

The twin runs in a process of its own; a thread reads its windows (`GET /_twin/limits`) and the open
questions of the journal five times a second. A class has *work left* while it has an open question
for every account: a list is read page after page, so that the last one keeps one account busy. The
figures, for each class of requests:

- *used*: of the windows at whose end work was left, the points that were spent over the points that
  were allowed. It says whether a window that was begun was used up.
- *in time*: points spent before an account's last window began, over what every account is allowed
  from the moment work was there until then: limit x seconds / window, added up over the accounts.
  It says in addition how late windows were begun, and whether any account had none. A second passes
  between a window's end and the next request where a platform tells whole seconds: 5 % of a window
  of 20 seconds, a thousandth of the platforms' own.
- *above*: requests that a limit refused, as the client counted them, and 429 as the twin did.

The twin answers from one thread's worth of Python. Where it is busy nearly all the time, or other
processes are, a night is as fast as the twin, and no figure of it says anything about the client.
So several accounts together may ask as much a second as one: their windows are longer.
"""

import argparse
import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from twin.draws import Tail

SEED = 2016
# The published tails have histories of a million commits, which one list after the other would be.
TARGETS = {
    "github_commits": Tail(0.0, 1.3, 800, median=24.5),
    "github_issues": Tail(0.55, 1.4, 300, median=8.0),
    "github_stars": Tail(0.09, 1.6, 900, median=21.2),
}
FIRST_DAY = date(2025, 10, 6)
SALT = b"the salt of the bench, long enough"
# Points a second of all accounts together, in windows of `--window` seconds for each account.
REST_RATE, GRAPHQL_RATE, HUB_RATE = 2, 2, 4
LATENCY_SECONDS = 0.05
POLL_SECONDS = 0.2
# A night that takes longer is cut off; the figures then say so.
MOST_SECONDS = 480.0
# Two nights without limits: what a second night asks for.
UNLIMITED, UNCHANGED = "no limits", ", the world unchanged"
LEAST_USED = 0.95
# What is asked for each account: about four windows of each class.
REPOSITORIES, GITHUB_HISTORIES, HUB_HISTORIES = 300, 36, 28
CLASSES = {
    ("github", "core"): "github.rest",
    ("github", "graphql"): "github.graphql",
    ("hub", "api"): "hub.api",
}
# The questions that a class of requests answers; all others of GitHub are REST.
GRAPHQL_KINDS = ("stocks", "commits", "pull_requests")
LATENCY = {"kind": "latency", "path": "/*", "seconds": LATENCY_SECONDS}
FAULTS = [
    LATENCY,
    {"kind": "status", "path": "/github/*", "status": 502, "every": 40},
    {"kind": "reset", "path": "/github/*", "every": 55},
    {"kind": "truncated", "path": "/github/*", "every": 70},
    {"kind": "status", "path": "/hub/api/*", "status": 503, "every": 40},
    {"kind": "reset", "path": "/hub/api/*", "every": 55},
    {"kind": "truncated", "path": "/hub/api/*", "every": 70},
]
Row = dict[str, Any]


@dataclass
class Twin:
    """A served twin."""

    address: dict[str, Any]
    pid: int

    def cpu_seconds(self) -> float:
        """Processor time of the server (Linux)."""
        fields = (
            Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        )
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def get(self, path: str) -> Any:
        return self._call("GET", path)

    def put(self, path: str, body: Row) -> Any:
        return self._call("PUT", path, body)

    def delete(self, path: str) -> Any:
        return self._call("DELETE", path)

    def _call(self, method: str, path: str, body: Row | None = None) -> Any:
        import requests

        url = f"{self.address['url']}/_twin/{path}"
        answer = requests.request(method, url, json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()


@dataclass
class Seen:
    """What was seen of a night.

    Attributes:
        used: (class, account, end of the window) to the points used of it.
        open: class to the first and the last time at which it had work left.
    """

    used: dict[tuple[str, str, int], int] = field(default_factory=dict)
    open: dict[str, tuple[float, float]] = field(default_factory=dict)

    def windows(self, told: Row) -> None:
        """Remember what `GET /_twin/limits` says."""
        for one in told["windows"]:
            name = CLASSES.get((one["platform"], one["resource"]))
            if name is not None:
                key = (name, one["caller"], one["reset"])
                self.used[key] = max(self.used.get(key, 0), one["used"])

    def work(self, open_counts: Mapping[str, int], accounts: int) -> None:
        """Remember which classes have work left now, for all of so many accounts."""
        now = time.time()
        for name, count in open_counts.items():
            if count >= accounts:
                self.open[name] = (self.open.get(name, (now, now))[0], now)

    def figures(self, name: str, limit: int, seconds: int, accounts: int) -> Row:
        """What one class of requests used; the module says how."""
        found = [
            (caller, end, used)
            for (kind, caller, end), used in self.used.items() if kind == name and used
        ]  # fmt: skip
        if not found:
            return {"points": 0, "windows": 0, "used": None, "in_time": None}
        # Listings are read before there are questions.
        first, until = self.open.get(name, (math.inf, 0.0))
        first = min(first, *(end - seconds for _, end, _ in found))
        over = [used for _, end, used in found if end <= until]
        last: dict[str, int] = {}
        for caller, end, _ in found:
            last[caller] = max(last.get(caller, 0), end - seconds)
        before = sum(used for caller, end, used in found if end - seconds < last[caller])
        # An account that was never asked could have been, as long as any was.
        unasked = [max(last.values())] * (accounts - len(last))
        could = sum(limit * (began - first) / seconds for began in [*last.values(), *unasked])
        return {
            "points": sum(used for _, _, used in found),
            "windows": len(over),
            "used": sum(over) / (limit * len(over)) if over else None,
            "in_time": before / could if could >= limit else None,
        }


def open_questions(folder: Path) -> Counter[str]:
    """How many open questions of each class the journals have."""
    counts: Counter[str] = Counter()
    for source in ("github", "huggingface"):
        path = folder / "state" / "mining" / f"{source}.sqlite"
        try:
            connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1)
            try:
                found = connection.execute(
                    "select kind, count(*) from question where not is_done group by kind"
                ).fetchall()
            finally:
                connection.close()
        except sqlite3.Error:
            # It is not there yet, or just being made.
            continue
        for kind, count in found:
            counts[_class_of(source, kind)] += count
    return counts


def _class_of(source: str, kind: str) -> str:
    if source == "huggingface":
        return "hub.api"
    return "github.graphql" if kind in GRAPHQL_KINDS else "github.rest"


def serve(folder: Path, window: int) -> None:
    """Serve a twin with small windows, two days old, until standard input ends."""
    from twin.scales import PLANTED, SCALES
    from twin.server.app import Server, listening, service_of
    from twin.server.app import Twin as World
    from twin.server.limits import GitHubLimits, HubLimits, LimitSettings

    scale = replace(SCALES["demo"], name="bench", targets=PLANTED | TARGETS)
    limits = LimitSettings(
        github=GitHubLimits(
            window_seconds=window, authenticated=REST_RATE * window,
            graphql=GRAPHQL_RATE * window, refused_status=429,
        ),
        hub=HubLimits(window_seconds=window, api_authenticated=HUB_RATE * window),
    )  # fmt: skip
    service = service_of(World.build(scale, SEED, FIRST_DAY, days_elapsed=2), limits=limits)

    def tell() -> None:
        world = service.twin
        told = {"url": world.base, "archive": world.archive_base, "github": world.github_base}
        ready = folder / "making.json"
        ready.write_text(json.dumps(told | {"hub": world.hub_base}), encoding="utf-8")
        ready.rename(folder / "ready.json")

    server = Server(service, listening(), tell)

    def end() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=end, daemon=True).start()
    server.serve_until_told()


@contextmanager
def served(folder: Path, window: int) -> Iterator[Twin]:
    """The twin in a process of its own."""
    command = [sys.executable, "-m", "bench.mining", "--window", str(window), "--serve"]
    process = subprocess.Popen([*command, str(folder)], stdin=subprocess.PIPE, text=True)
    ready = folder / "ready.json"
    try:
        while not ready.exists():
            if process.poll() is not None:
                raise RuntimeError("the twin ended before it served")
            time.sleep(0.05)
        yield Twin(json.loads(ready.read_text(encoding="utf-8")), process.pid)
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def watched(twin: Twin, folder: Path, accounts: int) -> Iterator[Seen]:
    """What the twin's limits and the journals show, read by a thread until the context ends."""
    seen, over = Seen(), threading.Event()

    def look() -> None:
        while not over.wait(POLL_SECONDS):
            seen.windows(twin.get("limits"))
            seen.work(open_questions(folder), accounts)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
        seen.windows(twin.get("limits"))


class Stages:
    """Counts the requests of each stage, and ends a night that takes too long."""

    def __init__(self) -> None:
        self.requests: dict[str, tuple[int, int]] = {}
        self._last = 0
        self._ends_at = time.monotonic() + MOST_SECONDS

    def __call__(self, stand: Any) -> None:
        from orchestration.failures import TransientFailure

        if not isinstance(stand, str):
            # What is told first of a stage is told after its first requests.
            first, _ = self.requests.get(stand.stage, (self._last, 0))
            self.requests[stand.stage] = (first, stand.request_count)
            self._last = stand.request_count
        if time.monotonic() > self._ends_at:
            raise TransientFailure("The bench's time for a night is over.")


def settings_of(folder: Path, twin: Twin, accounts: int) -> Any:
    """An installation that mines the twin, with work for each account; 0: one without limits."""
    from orchestration.settings import Settings

    github: Row = {"endpoint": twin.address["github"]}
    hub: Row = {"endpoint": twin.address["hub"]}
    if not accounts:
        # The rest by default; the twin answers about eight requests of histories a second.
        github["history_limit"] = GITHUB_HISTORIES
    else:
        github["repository_limit"] = min(4_000, REPOSITORIES * accounts)
        github.update(history_limit=GITHUB_HISTORIES * accounts, workers=8 * accounts)
        hub.update(history_limit=HUB_HISTORIES * accounts, workers=4 * accounts)
    archive = {"sources": [twin.address["archive"]], "first_day": FIRST_DAY.isoformat()}
    return Settings.restored(
        {"data_dir": str(folder), "archive": archive, "github": github, "huggingface": hub}
    )


def ingest_archive(folder: Path, twin: Twin) -> None:
    """The two days of the archive, from which GitHub's repositories are chosen."""
    from assets.github.ingest import Ingester
    from orchestration.clients.archive import ArchiveSource
    from orchestration.lake import Lake

    settings = settings_of(folder, twin, 1)
    ingester = Ingester(Lake(settings.lake_root), settings.archive, SALT)
    ingester.prepare()
    source = ArchiveSource(settings.archive.sources, 60.0, 4)
    for number in range(2):
        ingester.day(source, FIRST_DAY + timedelta(number))


def night(name: str, twin: Twin, folder: Path, accounts: int, window: int, day: date) -> Row:
    """One night of both platforms at the same time, as the twin's limits saw it."""
    from assets.github.mining import observe_github
    from assets.huggingface.observation import observe
    from assets.mining import accounting
    from orchestration.lake import Lake

    settings = settings_of(folder, twin, accounts)
    lake = Lake(settings.lake_root)
    tokens = ",".join(f"bench-token-{k}" for k in range(accounts or 1))
    os.environ.update(GITHUB_TOKEN=tokens, HF_TOKEN=tokens)
    # Setting the limits forgets what was used of them.
    wanted = twin.get("limits")["settings"] | {"enabled": accounts > 0}
    for platform in ("github", "hub"):
        wanted[platform]["window_seconds"] = window * (accounts or 1)
    twin.put("limits", wanted)
    twin.delete("requests")
    stages = {"github": Stages(), "huggingface": Stages()}
    failures: list[str] = []

    def run(source: str, observed: Callable[..., Any], listener: str) -> None:
        try:
            observed(lake, settings, SALT, today=day, **{listener: stages[source]})
        except Exception as error:
            failures.append(f"{source}: {type(error).__name__}: {error}")

    started, busy = time.monotonic(), twin.cpu_seconds()
    with watched(twin, folder, accounts) as seen:
        threads = [
            threading.Thread(target=run, args=pair)
            for pair in (
                ("github", observe_github, "progress"),
                ("huggingface", observe, "told"),
            )
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    seconds, busy = time.monotonic() - started, twin.cpu_seconds() - busy
    counters = twin.get("requests")
    spending = [
        row for source in stages for row in accounting.spending(lake, source, day)
    ]  # fmt: skip
    limits = {"github.rest": REST_RATE, "github.graphql": GRAPHQL_RATE, "hub.api": HUB_RATE}
    classes = {
        kind: seen.figures(kind, rate * window, window * (accounts or 1), accounts)
        | _asked(kind, spending, counters)
        for kind, rate in limits.items()
    }
    return {
        "night": name, "accounts": accounts, "seconds": seconds,
        "twin_busy": busy / seconds, "load": os.getloadavg()[0],
        "classes": classes, "failures": failures,
        "stages": {
            stage: last - first
            for told in stages.values() for stage, (first, last) in told.requests.items()
        },
        "outcomes": [
            {"source": source, **row}
            for source in stages for row in accounting.outcomes(lake, source, day)
        ],
    }  # fmt: skip


def _asked(kind: str, spending: Sequence[Row], counters: dict[str, dict[str, int]]) -> Row:
    own = [row for row in spending if row["kind"] == kind]
    seen = counters.get(kind, {})
    return {
        "requests": seen.get("requests", 0),
        "refused": sum(row["refused_by_a_limit"] for row in own),
        "refused_by_twin": seen.get("429", 0),
        "not_modified": sum(row["not_modified"] for row in own),
        "repeated": sum(row["retries"] for row in own),
        "statuses": {status: count for status, count in seen.items() if status != "requests"},
    }


def measured(folder: Path, window: int, only: str) -> list[Row]:
    """The nights, each on a lake of its own with the same archive."""
    rows: list[Row] = []
    with served(folder, window) as twin:
        ingest_archive(folder / "archive", twin)
        day = FIRST_DAY + timedelta(2)

        def fresh(name: str) -> Path:
            shutil.copytree(folder / "archive", folder / name)
            return folder / name

        if only in ("all", "one"):
            twin.put("faults", {"rule": [LATENCY]})
            one = fresh("one")
            rows.append(night("one token", twin, one, 1, window, day))
        if only in ("all", "unchanged"):
            twin.put("faults", {"rule": []})
            usual = fresh("usual")
            rows.append(night(UNLIMITED, twin, usual, 0, window, day))
            again = day + timedelta(1)
            rows.append(night(f"{UNLIMITED}{UNCHANGED}", twin, usual, 0, window, again))
        if only in ("all", "three"):
            twin.put("faults", {"rule": [LATENCY]})
            rows.append(night("three tokens", twin, fresh("three"), 3, window, day))
        if only in ("all", "faults"):
            twin.put("faults", {"rule": FAULTS})
            rows.append(night("one token, faults", twin, fresh("faults"), 1, window, day))
    return rows


def main() -> int:
    """Measure; the exit code is 1 only where `--check` is given and a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.mining", description=__doc__)
    parser.add_argument("--window", type=int, default=20, help="seconds of a window")
    parser.add_argument(
        "--only", default="all", choices=("all", "one", "unchanged", "three", "faults")
    )
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--check", action="store_true", help="fail where a target is missed")
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.serve, options.window)
        return 0
    with tempfile.TemporaryDirectory(prefix="osmoscope-bench-") as folder:
        rows = measured(Path(folder), options.window, options.only)
    print(json.dumps(rows, indent=1, default=str) if options.json else as_text(rows))
    return 1 if options.check and missed(rows) else 0


def missed(rows: Sequence[Row]) -> list[str]:
    """The targets that were missed: nothing refused, all answered, 95 % used."""
    found = []
    for row in rows:
        found += [f"{row['night']}: {failure}" for failure in row["failures"]]
        for kind, told in row["classes"].items():
            if told["refused"] or told["refused_by_twin"]:
                found.append(f"{row['night']}: {kind} was refused")
            if told["used"] is not None and told["used"] < LEAST_USED:
                found.append(f"{row['night']}: {kind} used {told['used']:.1%}")
    return found


def as_text(rows: Sequence[Row]) -> str:
    """The figures as a table."""
    lines = [
        f"{'night':<32}{'class':<16}{'requests':>9}{'304':>6}{'points':>8}{'windows':>8}"
        f"{'used':>8}{'in time':>8}{'above':>7}"
    ]
    for row in rows:
        for kind, told in row["classes"].items():
            lines.append(
                f"{row['night']:<32}{kind:<16}{told['requests']:>9,}{told['not_modified']:>6,}"
                f"{told['points']:>8,}{told['windows']:>8}{_share(told['used']):>8}"
                f"{_share(told['in_time']):>8}{told['refused'] + told['refused_by_twin']:>7}"
            )
        stocks = [r for r in row["outcomes"] if r["kind"] == "stocks"]
        asked = sum(r["questions"] for r in stocks)
        calls = sum(count for stage, count in row["stages"].items() if "stocks" in stage)
        each = f"{calls / asked:.3f} requests a repository for stocks, " if asked else ""
        lines.append(
            f"  {each}{row['seconds']:.0f} s, twin busy {row['twin_busy']:.0%}, "
            f"load {row['load']:.1f}{''.join('; ' + f for f in row['failures'])}"
        )
    for first, second in _pairs(rows):
        asked, before = (
            sum(told["requests"] for told in row["classes"].values()) for row in (second, first)
        )
        lines.append(f"second night of an unchanged world: {asked / before:.1%} of the first's")
    return "\n".join([*lines, *(f"MISSED {one}" for one in missed(rows))])


def _pairs(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    return [
        (one, two)
        for one in rows for two in rows
        if two["night"] == f"{one['night']}{UNCHANGED}"
    ]  # fmt: skip


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


if __name__ == "__main__":
    sys.exit(main())
