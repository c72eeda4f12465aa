"""The command `osmoscope networks communities`: communities of any table of acts or edges.

Belongs here: options, what is printed. Does not belong here: finding communities
(assets.study.networks). Errors and exit codes are those of `orchestration.cli`.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from orchestration.failures import PermanentFailure, SettingsError
from orchestration.networks_options import (
    WINDOW_HELP,
    ActorColumn,
    Json,
    ModeName,
    RepositoryColumn,
    Snapshot,
    TimeColumn,
    WeightName,
    chosen_of,
    peak_memory_bytes,
)
from orchestration.settings import Settings
from orchestration.terminal import print_json, working

if TYPE_CHECKING:
    from assets.study.networks.community_study import Found, Request

GIGABYTE = 10**9
Choice = TypeVar("Choice", bound=str)
out = Console(highlight=False, soft_wrap=True)


def communities(
    file: Annotated[
        Path,
        typer.Argument(
            help="Acts (actor, repository, occurred_at) or edges (source, target, weight), as"
            " Parquet, CSV or JSON; two columns of other names, or of none, are edges."
        ),
    ],
    mode: ModeName = "actor",
    window: Annotated[str | None, typer.Option(help=WINDOW_HELP)] = None,
    semantics: Annotated[
        str | None,
        typer.Option(
            help="pairwise_gap, trailing, calendar or none; by default none, and with a window"
            " pairwise_gap."
        ),
    ] = None,
    snapshot: Snapshot = None,
    weight: WeightName = "none",
    graph: Annotated[str, typer.Option(help="projection or bipartite.")] = "projection",
    labels: Annotated[
        Path | None, typer.Option(help="A file with columns node and label to compare with.")
    ] = None,
    method: Annotated[str, typer.Option(help="louvain or leiden.")] = "louvain",
    runs: Annotated[int, typer.Option(min=1, help="Runs, each with a seed of its own.")] = 100,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the random numbers; by default study.seed.")
    ] = None,
    resolution: Annotated[float, typer.Option(min=0.0, help="Above 1: more communities.")] = 1.0,
    sweep: Annotated[
        str | None, typer.Option(help="Other resolutions to tell of, as 0.5,1,2.")
    ] = None,
    permutations: Annotated[
        int, typer.Option(min=0, help="Deals of the labels that agreement is compared with.")
    ] = 200,
    to: Annotated[
        Path | None, typer.Option("--out", help="Parquet or CSV file for nodes and communities.")
    ] = None,
    actor: ActorColumn = "actor",
    repository: RepositoryColumn = "repository",
    occurred_at: TimeColumn = "occurred_at",
    json_: Json = False,
) -> None:
    """Find communities in many runs, what the runs agree on, and how well labels fit."""
    from assets.study.networks.communities import METHODS
    from assets.study.networks.community_study import Request, agreement_figures
    from assets.study.networks.edge_lists import is_edge_list, read_labels
    from assets.study.networks.projection import WEIGHTS

    started = time.perf_counter()
    study_seed = Settings.load().study.seed if seed is None else seed
    request = Request(
        method=_chosen("method", method, METHODS),
        runs=runs,
        seed=study_seed,
        resolution=resolution,
        graph=_chosen("graph", graph, ("projection", "bipartite")),
        weight=_chosen("weight", weight, WEIGHTS),
        sweep=_numbers(sweep),
    )
    _check_out(to)
    if semantics is None:
        semantics = "none" if window is None else "pairwise_gap"
    with working("finding communities"):
        if (actor, repository) == ("actor", "repository") and is_edge_list(file):
            found, names, told = _of_edges(file, request)
        else:
            columns = (actor, repository, occurred_at)
            found, names, told = _of_acts(
                file, columns, request, (mode, semantics, window or "365d", snapshot)
            )
    figures = {"file": str(file), **told, **found.figures}
    if labels is not None:
        known = read_labels(labels, names)
        figures["agreement"] = {
            "strangers": known.strangers,
            **agreement_figures(found.labels, known.node, known.label, permutations, study_seed),
        }
    if to is not None:
        _write(to, names, found.labels)
        figures["out"] = str(to)
    figures["seconds"] = time.perf_counter() - started
    figures["peak_memory_bytes"] = peak_memory_bytes()
    if json_:
        print_json(figures)
        return
    _print(figures)


def _of_edges(file: Path, request: "Request") -> tuple["Found", Any, dict[str, Any]]:
    from assets.study.networks.community_study import communities_of_edges
    from assets.study.networks.edge_lists import read_edges

    held = read_edges(file)
    told = {
        "kind": "edges",
        "rows": held.rows,
        "rows_skipped": held.skipped,
        "loops": held.loops,
        "repeated": held.repeated,
    }
    return communities_of_edges(held.edges, request), held.names, told


def _of_acts(
    file: Path,
    columns: tuple[str, str, str],
    request: "Request",
    options: tuple[str, str, str, str | None],
) -> tuple["Found", Any, dict[str, Any]]:
    from assets.study.networks.community_study import communities_of_acts
    from assets.study.networks.files import Columns, read_acts

    mode, semantics, window, snapshot = options
    chosen_mode, chosen = chosen_of(mode, semantics, window, snapshot)
    table = read_acts(file, Columns(*columns), is_dated=not chosen.is_unbounded)
    most = Settings.load().study.networks.most_projection_gb
    found = communities_of_acts(
        table.acts, chosen_mode, chosen, request, most_bytes=int(most * GIGABYTE)
    )
    told = {
        "kind": "acts",
        "mode": mode,
        "semantics": semantics,
        "window": None if semantics == "none" else window,
        "snapshot": snapshot,
        "rows": table.rows,
        "rows_skipped": table.skipped,
    }
    return found, table.actors if mode == "actor" else table.repositories, told


def _chosen(option: str, value: str, among: tuple[Choice, ...]) -> Choice:
    for one in among:
        if one == value:
            return one
    raise SettingsError(f"There is no {option} {value}.", f"Use one of {', '.join(among)}.")


def _numbers(text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(one) for one in text.split(",")) if text else ()
    except ValueError as error:
        raise SettingsError(f"--sweep {text} is no list of numbers.", "Give 0.5,1,2.") from error


def _check_out(to: Path | None) -> None:
    if to is not None and to.suffix not in (".parquet", ".csv"):
        raise PermanentFailure(f"{to} is of no kind that is written.", "Name a .parquet or .csv.")


def _write(to: Path, names: Any, labels: Any) -> None:
    """Each node's community, by community and name."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    table = pa.table({"node": pa.array(names, pa.string()), "community": pa.array(labels)})
    table = table.sort_by([("community", "ascending"), ("node", "ascending")])
    if to.suffix == ".csv":
        csv.write_csv(table, to)
    else:
        parquet.write_table(table, to)


def _print(figures: dict[str, Any], indent: str = "") -> None:
    for name, value in figures.items():
        if isinstance(value, dict) and "observed" in value:
            by_chance = ", ".join(f"{key} {_cell(one)}" for key, one in value.items())
            out.print(f"{indent}{name:<36}{by_chance}")
        elif isinstance(value, dict):
            out.print(f"{indent}{name}")
            _print(value, indent + "  ")
        else:
            out.print(f"{indent}{name:<36}{escape(_cell(value))}")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1_000 else f"{value:,.1f}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
