"""The commands `osmoscope networks`: figures, communities and exports of any table of acts.

Belongs here: the command `measure`, options, what is printed. Does not belong here: reading and
measuring (assets.study.networks). Errors and exit codes are those of `orchestration.cli`.
"""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from orchestration.communities_cli import communities
from orchestration.failures import SettingsError
from orchestration.networks_export_cli import export
from orchestration.terminal import working

if TYPE_CHECKING:
    from assets.study.networks.acts import Mode, Window

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Measure networks of repositories or actors of any table of acts.",
)
app.command("communities")(communities)
app.command("export")(export)
out = Console(highlight=False, soft_wrap=True)


@app.command()
def measure(
    file: Annotated[Path, typer.Argument(help="A Parquet, CSV or JSON file, plain or gzipped.")],
    mode: Annotated[str, typer.Option(help="What is linked: repository or actor.")] = "repository",
    window: Annotated[
        str, typer.Option(help="Width as 365d, 12h or inf; for calendar also 1m, 1q, 1y.")
    ] = "365d",
    semantics: Annotated[
        str, typer.Option(help="pairwise_gap, trailing, calendar or none.")
    ] = "pairwise_gap",
    snapshot: Annotated[
        str | None, typer.Option(help="Instant trailing ends with (UTC); by default the last act.")
    ] = None,
    actor: Annotated[str, typer.Option(help="Column with the actor.")] = "actor",
    repository: Annotated[str, typer.Option(help="Column with the repository.")] = "repository",
    occurred_at: Annotated[str, typer.Option(help="Column with the time.")] = "occurred_at",
    distribution: Annotated[
        bool, typer.Option("--distribution", help="With how many nodes have each degree.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Count nodes, edges and degrees exactly, without building the network."""
    from assets.study.networks.files import Columns, read_acts
    from assets.study.networks.measure import measure as measured

    started = time.perf_counter()
    chosen_mode, chosen = chosen_of(mode, semantics, window, snapshot)
    columns = Columns(actor, repository, occurred_at)
    with working("counting links"):
        table = read_acts(file, columns, is_dated=not chosen.is_unbounded)
        figures = measured(table.acts, chosen_mode, chosen)
    told: dict[str, Any] = {
        "file": str(file),
        "mode": mode,
        "semantics": semantics,
        "window": None if chosen.semantics == "none" else window,
        "snapshot": snapshot,
        "nodes": figures.nodes,
        "active_nodes": figures.active_nodes,
        "hubs": table.acts.hubs(chosen_mode)[1],
        "memberships": figures.memberships,
        "edges": figures.edges,
        "connected_rate": figures.connected_rate,
        "average_degree_all": figures.average_degree_all,
        "average_degree_connected": figures.average_degree_connected,
        "max_degree": figures.max_degree,
        "rows": table.rows,
        "rows_skipped": table.skipped,
        "seconds": time.perf_counter() - started,
        "peak_memory_bytes": peak_memory_bytes(),
    }
    if distribution:
        degree, count = figures.distribution()
        told["distribution"] = [
            list(pair) for pair in zip(degree.tolist(), count.tolist(), strict=True)
        ]
    if json_:
        print(json.dumps(told, indent=1, ensure_ascii=False))
        return
    for name, value in told.items():
        out.print(f"{name:<25}{escape(_cell(value))}")


def chosen_of(
    mode: str, semantics: str, window: str, snapshot: str | None
) -> tuple["Mode", "Window"]:
    """What a network's options say.

    Raises:
        SettingsError: a mode, semantics or snapshot is none that exists.
        PermanentFailure: the window has no width, or one that does not fit its semantics.
    """
    from assets.study.networks.acts import MODES, SEMANTICS, Window, parse_window

    chosen_mode = next((one for one in MODES if one == mode), None)
    if chosen_mode is None:
        raise SettingsError(f"There is no mode {mode}.", f"Use one of {', '.join(MODES)}.")
    kind = next((one for one in SEMANTICS if one == semantics), None)
    if kind is None:
        raise SettingsError(
            f"There is no window semantics {semantics}.", f"Use one of {', '.join(SEMANTICS)}."
        )
    instant = None if snapshot is None else _instant(snapshot)
    if kind == "none":
        return chosen_mode, Window("none", None, instant)
    return chosen_mode, parse_window(window, kind, instant)


def _instant(text: str) -> int:
    """Microseconds since 1970; without a zone in UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"--snapshot {text} is no instant.", "Give one as 2025-06-30T00:00:00."
        ) from error
    since = at.replace(tzinfo=at.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def peak_memory_bytes() -> int:
    """Largest resident memory of this process.

    Linux tells a process's own; elsewhere it may begin with its parent's.
    """
    import resource
    import sys

    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1_000 else f"{value:,.1f}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
