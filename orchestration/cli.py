"""The command line `osmoscope`.

Belongs here: commands, options, what is printed, exit codes. Does not belong here: doing the
work (runs, demo, status and the assets' pure modules).

Exit codes: 0 done; 1 a bug of ours; 2 wrong usage or settings; 3 input or another permanent
condition stops the work; 4 a passing condition, try again later; 5 data quality: a blocking
check failed, or `status --check` found the data incomplete.
"""

import csv
import io
import logging
import os
import sys
import time
import traceback
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

import orchestration.memory  # noqa: F401
from orchestration.actors_cli import app as actors_app
from orchestration.compare_cli import compare
from orchestration.failures import (
    OsmoscopeError,
    PermanentFailure,
    SettingsError,
    TransientFailure,
)
from orchestration.mining_cli import app as mining_app
from orchestration.networks_cli import app as networks_app
from orchestration.privacy_cli import app as privacy_app
from orchestration.sample_cli import app as sample_app
from orchestration.settings import CONFIG_VARIABLE, TOKEN_VARIABLES, Settings
from orchestration.terminal import print_json
from orchestration.themes_cli import app as themes_app
from orchestration.twin_cli import app as twin_app

if TYPE_CHECKING:
    from dagster import AssetKey

    from orchestration.demo import Demo
    from orchestration.lake import Entry, Lake
    from orchestration.runs import Outcome

OK, BUG, USAGE, INPUT, LATER, QUALITY = range(6)
DEMO_FOLDER = Path("data/demo")
LOOPBACK = "127.0.0.1"
DEFAULT_ROWS = 1000

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="How people build software and AI models in the open, mined every night, "
    "checked, and published as one warehouse.",
    epilog="Exit codes: 0 done, 1 bug, 2 usage or settings, 3 input cannot be used, "
    "4 try again later, 5 data quality.",
)
app.add_typer(actors_app, name="actors")
app.add_typer(mining_app, name="mine")
app.add_typer(privacy_app, name="privacy")
app.add_typer(sample_app, name="sample")
app.add_typer(networks_app, name="networks")
app.add_typer(themes_app, name="themes")
app.add_typer(twin_app, name="twin")
app.command()(compare)
out = Console(highlight=False, soft_wrap=True)
# A handle of its own: while a step runs, Dagster takes the process's standard error to a file.
err = Console(file=os.fdopen(os.dup(2), "w"), highlight=False, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
LakeFolder = Annotated[
    Path | None, typer.Option("--out", help="Root of a lake; by default the installation's own.")
]


@app.callback()
def options(
    config: Annotated[
        Path | None, typer.Option(help="Settings file; by default osmoscope.toml here.")
    ] = None,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Options before the command hold for all commands."""
    if config is not None:
        os.environ[CONFIG_VARIABLE] = str(config)
    if not debug:
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)


def main() -> None:
    """The entry point: runs a command and ends with an exit code."""
    debug = "--debug" in sys.argv
    try:
        app()
    except OsmoscopeError as error:
        _complain(error.message, error.remedy)
        sys.exit(_code_of(error))
    except KeyboardInterrupt:
        _complain("Interrupted.", "Run the same command again: it goes on where it was.")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(OK)
    except Exception as error:
        if debug:
            traceback.print_exc()
        lines = str(error).strip().splitlines() or ["no message"]
        _complain(
            f"Unexpected {type(error).__name__}: {lines[0]}",
            "This is a bug of ours: run again with --debug and report what it prints.",
        )
        sys.exit(BUG)


def _code_of(error: OsmoscopeError) -> int:
    if isinstance(error, SettingsError):
        return USAGE
    return LATER if isinstance(error, TransientFailure) else INPUT


def _complain(message: str, remedy: str = "") -> None:
    err.print(f"[red]Error:[/] {escape(message)}" + (f" {escape(remedy)}" if remedy else ""))


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the demonstration lives.")] = DEMO_FOLDER,
    scale: Annotated[str, typer.Option(help="Size of the world: tiny or demo.")] = "demo",
    seed: Annotated[int, typer.Option(help="Another seed, another world.", min=0)] = 2016,
    nights: Annotated[
        int, typer.Option(help="2: a night after each of the two days.", min=1, max=2)
    ] = 1,
) -> None:
    """Serve a synthetic world and mine two days of it: no network, no token."""
    from orchestration import demo as demonstration

    started = time.monotonic()
    os.environ.update(dict.fromkeys(TOKEN_VARIABLES, demonstration.TOKEN))
    with ExitStack() as stack:
        with _spinner("making a synthetic world"):
            made = stack.enter_context(demonstration.prepared(folder, scale, seed))
        first, last = demonstration.DAYS
        for begin, end in [(first, last)] if nights == 1 else [(first, first), (last, last)]:
            out.print(f"The night after {end}")
            _night(made, begin, end, is_last=end == last)
        _verification(made, last)
    out.print(f"\nIt took {time.monotonic() - started:.0f} s, from nothing to the report.")
    _print_where(made)


def _night(made: "Demo", first: date, last: date, is_last: bool) -> None:
    """One night of the demonstration, about some days; ends the command where it fails.

    The last one is published when its themes are verified, not before as well.
    """
    from orchestration import keys

    started = time.monotonic()
    with _spinner("the day passes"):
        made.until(last)
    later = (keys.PUBLISHED, keys.REPORT) if is_last else ()
    outcome = _run(made.settings, keys.NIGHTLY_JOB, first, last, later)
    _print_outcome(outcome, time.monotonic() - started)
    if not outcome.is_success:
        raise typer.Exit(_exit_code(outcome))


def _verification(made: "Demo", day: date) -> None:
    """Let made-up people verify themes, and take it into the figures."""
    from orchestration import demo as demonstration
    from orchestration import keys

    started = time.monotonic()
    with _spinner("two made-up people code a sample of posts"):
        count = demonstration.verify_themes(made)
    out.print(f"Two made-up people coded {count:,} posts")
    outcome = _run(made.settings, keys.THEMES_JOB, day, day)
    _print_outcome(outcome, time.monotonic() - started)
    if not outcome.is_success:
        raise typer.Exit(_exit_code(outcome))


def _print_where(made: "Demo") -> None:
    """Where the results of the demonstration are, and how to go on."""
    shown = os.path.relpath(sys.argv[0]) if Path(sys.argv[0]).exists() else "osmoscope"
    own = f"{shown} --config {made.config}"
    published = Path(os.path.relpath(made.settings.published_dir))
    out.print("The data are synthetic; the report shows what was planted beside what was found.")
    out.print(f"  Report   {published / 'report.html'}")
    out.print(f"  DuckDB   {published / 'marts.duckdb'}")
    out.print(f"  UI       {own} dev")
    asked = "select claim, paper_value, our_value, verdict from mart_study_rerun"
    out.print(f'  Query    {own} query "{asked}"')
    out.print(f"  Sources  {made.serve}")


@app.command()
def run(
    day: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Archive day, UTC; by default yesterday."),
    ] = None,
    json_: Json = False,
) -> None:
    """Run the nightly refresh: one archive day, and what both platforms say today."""
    from orchestration import keys
    from orchestration.partitions import yesterday

    settings = Settings.load()
    chosen = _day(settings, day.date() if day else yesterday())
    started = time.monotonic()
    outcome = _run(settings, keys.NIGHTLY_JOB, chosen, chosen)
    _report_outcome(outcome, time.monotonic() - started, json_)


@app.command()
def backfill(
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day.")],
    json_: Json = False,
) -> None:
    """Run a range of past archive days through to the published copy; loaded hours are kept."""
    from orchestration import keys
    from orchestration.partitions import chunks

    settings = Settings.load()
    start, end = _day(settings, first.date()), _day(settings, last.date())
    if start > end:
        raise SettingsError(f"--from {start} is after --to {end}.", "Give the earlier day first.")
    started = time.monotonic()
    ranges = chunks(start, end)
    for number, (one, other) in enumerate(ranges, 1):
        if len(ranges) > 1 and not json_:
            out.print(f"Run {number} of {len(ranges)}: {one} to {other}")
        outcome = _run(settings, keys.BACKFILL_JOB, one, other)
        if not outcome.is_success:
            break
    _report_outcome(outcome, time.monotonic() - started, json_)


@app.command()
def rebuild(json_: Json = False) -> None:
    """Make warehouse, study, copy and report anew from the whole lake; no source is asked."""
    from orchestration import keys
    from orchestration.partitions import yesterday

    settings = Settings.load()
    started = time.monotonic()
    outcome = _run(settings, keys.REBUILD_JOB, yesterday(), yesterday())
    _report_outcome(outcome, time.monotonic() - started, json_)


@themes_app.command("refresh")
def themes_refresh(json_: Json = False) -> None:
    """Take what people labelled into the figures, the published copy and the report, now."""
    from orchestration import keys
    from orchestration.partitions import yesterday

    settings = Settings.load()
    started = time.monotonic()
    outcome = _run(settings, keys.THEMES_JOB, yesterday(), yesterday())
    _report_outcome(outcome, time.monotonic() - started, json_)


@app.command()
def status(
    json_: Json = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with 5 where hours are lacking.")
    ] = False,
) -> None:
    """Show what the lake holds, what is lacking and what is published."""
    from orchestration.status import status_of

    found = status_of(Settings.load())
    if json_:
        print_json(found.as_json())
    else:
        _print_status(found)
    raise typer.Exit(QUALITY if check and not found.is_complete else OK)


@app.command()
def doctor(json_: Json = False) -> None:
    """Examine software, settings, disk, sources and warehouse."""
    from orchestration.status import examine

    with _spinner("examining"):
        findings = examine(Settings.load())
    if json_:
        print_json([asdict(finding) for finding in findings])
    else:
        table = Table("", "subject", "finding", "remedy", box=None)
        marks = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]"}
        for finding in findings:
            table.add_row(
                marks[finding.state], finding.subject, escape(finding.text), escape(finding.remedy)
            )
        out.print(table)
    failed = any(finding.state == "fail" for finding in findings)
    raise typer.Exit(INPUT if failed else OK)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One SQL statement over the published marts.")],
    json_: Json = False,
    csv_: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    rows: Annotated[int, typer.Option(min=1, help="Print at most so many rows.")] = DEFAULT_ROWS,
) -> None:
    """Ask the published marts; they are read-only and nothing else can be reached."""
    names, found, more = _ask(Settings.load(), sql, rows)
    if json_:
        print_json([dict(zip(names, row, strict=True)) for row in found])
    elif csv_:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(names)
        writer.writerows(found)
        print(text.getvalue(), end="")
    else:
        _print_rows(names, found)
    if more:
        err.print(f"Only the first {rows} rows are shown; raise --rows for more.")


@app.command()
def report() -> None:
    """Render the report of the published copy anew and say where it lies."""
    from assets.publish.assets import make_report

    with _spinner("rendering the report"):
        path = make_report(Settings.load())
    out.print(str(path.resolve()))


@app.command("ingest-archive")
def ingest_archive(
    files: Annotated[list[Path], typer.Argument(help="Hour files or others of that form.")],
    folder: LakeFolder = None,
    json_: Json = False,
) -> None:
    """Load files of the GitHub event archive into a lake; exit 3 where one cannot be."""
    from assets.github.ingest import LOADED, Ingester

    settings = Settings.load()
    lake, salt = _lake_and_salt(settings, folder)
    ingester = Ingester(lake, settings.archive, salt)
    ingester.prepare()
    with _progress() as progress:
        task = progress.add_task("reading", total=len(files))
        entries = ingester.files(
            files, lambda row: progress.update(task, description=escape(row["name"]), advance=1)
        )
    if json_:
        print_json({"files": [_file_row(*pair) for pair in zip(files, entries, strict=True)]})
    else:
        _print_files(files, entries)
    failed = any(entry["state"] not in LOADED for entry in entries)
    raise typer.Exit(INPUT if failed else OK)


@app.command("ingest-hub")
def ingest_hub(
    files: Annotated[list[Path], typer.Argument(help="Dump files: JSON lines or Parquet.")],
    observed_on: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="The day that the dump describes.")
    ],
    folder: LakeFolder = None,
    json_: Json = False,
) -> None:
    """Load dumps of the Hub into a lake; exit 3 where one cannot be."""
    from assets.huggingface.snapshot import LOADED, Snapshotter

    settings = Settings.load()
    lake, salt = _lake_and_salt(settings, folder)
    with _progress() as progress:
        task = progress.add_task("reading", total=None)
        snapshotter = Snapshotter(
            lake,
            salt,
            settings.archive.keep_email_domain,
            progress=lambda text: progress.update(task, description=escape(text)),
        )
        snapshotter.prepare()
        entries = snapshotter.ingest_dump(files, observed_on.date())
    if json_:
        print_json({"files": entries})
    else:
        table = Table("name", "state", "rows", "duplicates", "malformed", "reason", box=None)
        for entry in entries:
            counts = (entry["row_count"], entry["duplicate_count"], entry["malformed_count"])
            table.add_row(
                escape(entry["name"]), entry["state"], *(f"{count:,}" for count in counts),
                escape(entry["reason"] or ""),
            )  # fmt: skip
        out.print(table)
    failed = any(entry["state"] not in LOADED for entry in entries)
    raise typer.Exit(INPUT if failed else OK)


@app.command()
def dev(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on loopback.")] = 3000,
) -> None:
    """Start the Dagster UI with its daemon on loopback, for this installation."""
    from orchestration.manifest import ROOT
    from orchestration.runs import dagster_home

    os.environ["DAGSTER_HOME"] = str(dagster_home(Settings.load()))
    command = Path(sys.executable).parent / "dagster"
    workspace = str(ROOT / "workspace.yaml")
    arguments = ["dev", "--workspace", workspace, "--host", LOOPBACK, "--port", str(port)]
    out.print(f"Dagster UI: http://{LOOPBACK}:{port} (end with Ctrl-C)")
    os.execv(command, [str(command), *arguments])  # noqa: S606


def _lake_and_salt(settings: Settings, folder: Path | None) -> "tuple[Lake, bytes]":
    """The lake that files go to, and the salt that belongs to it."""
    from orchestration.lake import Lake
    from orchestration.salt import address_salt

    if folder is None:
        return Lake(settings.lake_root), address_salt(settings.data_dir)
    return Lake(folder), address_salt(folder)


def _day(settings: Settings, day: date) -> date:
    """A day that can be asked for.

    Raises:
        SettingsError: it is before the first partition or not over yet.
    """
    from orchestration.partitions import yesterday

    if not settings.archive.first_day <= day <= yesterday():
        raise SettingsError(
            f"The day {day} is outside {settings.archive.first_day} to {yesterday()}.",
            "Choose a day that is over, from archive.first_day on.",
        )
    return day


def _run(
    settings: Settings, job: str, first: date, last: date, without: "Collection[AssetKey]" = ()
) -> "Outcome":
    """Run a job with a progress bar on the terminal."""
    with _progress() as progress:
        task = progress.add_task("starting", total=None)
        from orchestration.runs import Tick, run_job

        def show(tick: Tick) -> None:
            text = tick.step + (f": {tick.message}" if tick.message else "")
            total = tick.total or None
            progress.update(task, description=escape(text)[:90], completed=tick.done, total=total)

        return run_job(settings, job, first, last, show, without)


@contextmanager
def _progress() -> Iterator[Progress]:
    """A progress bar on stderr, gone when done; nothing where stderr is no terminal."""
    columns = (
        SpinnerColumn(), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )  # fmt: skip
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        yield progress


@contextmanager
def _spinner(text: str) -> Iterator[None]:
    with _progress() as progress:
        progress.add_task(text, total=None)
        yield


def _report_outcome(outcome: "Outcome", seconds: float, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(_plain(outcome)), "seconds": round(seconds, 1)})
    else:
        _print_outcome(outcome, seconds)
    raise typer.Exit(_exit_code(outcome))


def _plain(outcome: "Outcome") -> "Outcome":
    """The outcome with those values of the assets that are numbers or texts."""
    values = {
        key: {name: value for name, value in told.items() if isinstance(value, str | int | float)}
        for key, told in outcome.materialised.items()
    }
    return replace(outcome, materialised=values)


def _exit_code(outcome: "Outcome") -> int:
    from orchestration import keys

    if outcome.is_success:
        return OK
    codes = {keys.INPUT: INPUT, keys.TRANSIENT: LATER, keys.QUALITY: QUALITY}
    return codes.get(outcome.failures[0].kind, BUG) if outcome.failures else BUG


def _print_outcome(outcome: "Outcome", seconds: float) -> None:
    failed = len(outcome.failed_checks)
    out.print(
        f"{len(outcome.materialised)} assets made, {outcome.check_count} checks, "
        f"{failed} not passed, {seconds:.0f} s"
    )
    for severity, name, why in outcome.failed_checks:
        colour = "red" if severity == "ERROR" else "yellow"
        out.print(f"  [{colour}]{severity.lower()}[/] {escape(name)} {escape(why)}")
    for failure in outcome.failures:
        _complain(f"{failure.step}: {failure.message}", failure.remedy)
        if "--debug" in sys.argv:
            err.print(escape(failure.trace))


def _print_status(found: Any) -> None:
    out.print(f"Data in {escape(found.data_dir)}: {found.lake_bytes / 1024**2:,.0f} MB of raw data")
    if found.archive:
        table = Table("archive day", "hours", "events", "states", box=None)
        for day in found.archive:
            hours = f"{day.hours_loaded} of {day.hours_expected}"
            states = ", ".join(f"{state} {count}" for state, count in day.states.items())
            colour = "yellow" if day.hours_loaded < day.hours_expected else "green"
            table.add_row(str(day.day), f"[{colour}]{hours}[/]", f"{day.events:,}", states)
        out.print(table)
        if found.archive_days > len(found.archive):
            out.print(f"and {found.archive_days - len(found.archive)} days before")
        out.print(f"Newest event: {found.newest_event_at or 'none'} UTC")
    else:
        out.print("No archive day yet: osmoscope run, or osmoscope demo.")
    for name, platform in (("GitHub", found.github), ("Hub", found.hub)):
        _print_platform(name, platform)
    when = f" of {found.published_at[:16]} UTC" if found.published_at else ""
    out.print(f"Published: {found.published or 'nothing yet'}{when}")


def _print_platform(name: str, platform: Any) -> None:
    """What a platform said when it was asked, and what is asked of it now."""
    for table, observed in platform.tables.items():
        if observed["observed_on"]:
            on = observed["observed_on"]
            out.print(f"{name} {table}: {observed['rows']:,} rows, observed {on}")
    if not any(observed["observed_on"] for observed in platform.tables.values()):
        out.print(f"{name}: never asked")
    out.print(f"{name} tokens: {platform.token_count}")
    if platform.journal:
        journal = platform.journal
        out.print(
            f"{name} night of {journal['day']} under way: {journal['answered']:,} questions "
            f"answered, {journal['open']:,} open; osmoscope mine goes on with it."
        )


def _ask(settings: Settings, sql: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]], bool]:
    """Run a statement over the published copy, shut off from files and network."""
    import duckdb

    marts = settings.published_dir / "marts.duckdb"
    if not marts.exists():
        raise PermanentFailure(
            f"Nothing is published yet in {settings.published_dir}.", "Run osmoscope run or demo."
        )
    with duckdb.connect(str(marts), read_only=True) as connection:
        connection.execute("set enable_external_access = false")
        # It would be printed between the rows.
        connection.execute("set enable_progress_bar = false")
        connection.execute("set lock_configuration = true")
        try:
            cursor = connection.execute(sql)
            found = cursor.fetchmany(limit + 1)
        except duckdb.Error as error:
            line = str(error).strip().splitlines()[0]
            raise PermanentFailure(
                f"The query fails: {line}", "See docs/ for the marts."
            ) from error
        names = [column[0] for column in cursor.description or []]
    return names, found[:limit], len(found) > limit


def _print_rows(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """A table where it fits the terminal; else each row as a block of name and value."""
    texts = [["" if value is None else str(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *texts, strict=True)]
    if sum(widths) + 2 * len(widths) <= out.width or not out.is_terminal:
        table = Table(*[escape(name) for name in names], box=None)
        for text in texts:
            table.add_row(*map(escape, text))
        Console(highlight=False, width=max(80, sum(widths) + 3 * len(widths))).print(table)
        return
    label = max(map(len, names), default=0)
    for number, text in enumerate(texts, 1):
        out.print(f"[dim]row {number}[/]")
        for name, value in zip(names, text, strict=True):
            out.print(f"  {name:<{label}}  {escape(value)}")


def _file_row(path: Path, entry: "Entry") -> dict[str, Any]:
    """A file's row for scripts: fixed names, in the order in which files were given."""
    return {
        "path": str(path),
        "state": entry["state"],
        "reason": entry["reason"],
        "lines": entry["line_count"],
        "events": entry["event_count"],
        "duplicates": entry["duplicate_count"],
        "malformed": entry["malformed_count"],
        "types": entry["types"],
        "actors": entry["actor_count"],
        "repositories": entry["repository_count"],
        "first_created_at": entry["first_created_at"],
        "last_created_at": entry["last_created_at"],
        "eras": entry["eras"],
        "sha256": entry["source_sha256"],
        "content_hash": entry.get("content_hash"),
    }


def _print_files(files: Sequence[Path], entries: "Sequence[Entry]") -> None:
    table = Table("file", "state", "events", "duplicates", "malformed", "eras", "reason", box=None)
    for path, entry in zip(files, entries, strict=True):
        eras = ", ".join(f"{era} {count:,}" for era, count in sorted(entry["eras"].items()))
        table.add_row(
            escape(path.name), entry["state"], f"{entry['event_count']:,}",
            f"{entry['duplicate_count']:,}", f"{entry['malformed_count']:,}", eras,
            escape(entry["reason"] or ""),
        )  # fmt: skip
    out.print(table)
