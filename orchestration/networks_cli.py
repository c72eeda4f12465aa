"""The commands `osmoscope networks`: figures, communities and exports of any table of acts.

Belongs here: the command `measure`, options, what is printed. Does not belong here: reading and
measuring (assets.study.networks). Errors and exit codes are those of `orchestration.cli`.
"""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from orchestration.communities_cli import communities
from orchestration.networks_export_cli import export
from orchestration.networks_options import (
    ActorColumn,
    Json,
    ModeName,
    RepositoryColumn,
    SemanticsName,
    Snapshot,
    TableFile,
    TimeColumn,
    Width,
    chosen_of,
    peak_memory_bytes,
)
from orchestration.terminal import print_json, working

if TYPE_CHECKING:
    pass

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
    file: TableFile,
    mode: ModeName = "repository",
    window: Width = "365d",
    semantics: SemanticsName = "pairwise_gap",
    snapshot: Snapshot = None,
    actor: ActorColumn = "actor",
    repository: RepositoryColumn = "repository",
    occurred_at: TimeColumn = "occurred_at",
    distribution: Annotated[
        bool, typer.Option("--distribution", help="With how many nodes have each degree.")
    ] = False,
    json_: Json = False,
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
        print_json(told)
        return
    for name, value in told.items():
        out.print(f"{name:<25}{escape(_cell(value))}")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1_000 else f"{value:,.1f}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
