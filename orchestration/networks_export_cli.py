"""The command `osmoscope networks export`: a network of any table of acts as a file.

Belongs here: options, what is printed. Does not belong here: the formats
(assets.study.networks.exports). Errors and exit codes are those of `orchestration.cli`.
"""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from orchestration.failures import SettingsError
from orchestration.networks_options import (
    ActorColumn,
    Json,
    ModeName,
    RepositoryColumn,
    SemanticsName,
    Snapshot,
    TableFile,
    TimeColumn,
    WeightName,
    Width,
    chosen_of,
)
from orchestration.settings import Settings
from orchestration.terminal import working

GIGABYTE = 10**9

out = Console(highlight=False, soft_wrap=True)


def export(
    file: TableFile,
    to: Annotated[Path, typer.Option("--out", help="A .graphml, .gexf or .parquet file.")],
    mode: ModeName = "repository",
    window: Width = "365d",
    semantics: SemanticsName = "pairwise_gap",
    snapshot: Snapshot = None,
    weight: WeightName = "none",
    attributes: Annotated[
        Path | None, typer.Option(help="A file with a column node and what else is told of it.")
    ] = None,
    actor: ActorColumn = "actor",
    repository: RepositoryColumn = "repository",
    occurred_at: TimeColumn = "occurred_at",
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the communities; by default study.seed.")
    ] = None,
    json_: Json = False,
) -> None:
    """Write a network, with degree, core and community of each node, for other programs."""
    from assets.study.networks.exports import (
        check_kind,
        described,
        export_network,
        with_attributes,
    )
    from assets.study.networks.files import Columns, read_acts
    from assets.study.networks.projection import WEIGHTS, project_windowed

    study = Settings.load().study
    check_kind(to)
    chosen_weight = next((one for one in WEIGHTS if one == weight), None)
    if chosen_weight is None:
        raise SettingsError(f"There is no weight {weight}.", f"Use one of {', '.join(WEIGHTS)}.")
    chosen_mode, chosen = chosen_of(mode, semantics, window, snapshot)
    columns = Columns(actor, repository, occurred_at)
    most_bytes = int(study.networks.most_projection_gb * GIGABYTE)
    with working("making the network"):
        table = read_acts(file, columns, is_dated=not chosen.is_unbounded)
        projection = project_windowed(table.acts, chosen_mode, chosen, chosen_weight, most_bytes)
        names = table.repository_names if chosen_mode == "repository" else table.actor_names
        nodes = described(projection, names, study.seed if seed is None else seed)
        unmatched = 0
        if attributes is not None:
            nodes, unmatched = with_attributes(nodes, attributes)
        done = export_network(projection, nodes, to)
    if json_:
        print(json.dumps({
            "files": [str(path) for path in done.files], "nodes": done.nodes, "edges": done.edges,
            "attributes": nodes.column_names, "texts_cleaned": done.cleaned,
            "attribute_rows_without_node": unmatched, "rows": table.rows,
            "rows_skipped": table.skipped,
        }, indent=1, ensure_ascii=False))  # fmt: skip
        return
    files = " and ".join(str(path) for path in done.files)
    out.print(escape(f"{done.nodes:,} nodes and {done.edges:,} edges in {files}"))
    if done.cleaned:
        out.print(f"{done.cleaned:,} texts had characters that XML cannot hold: now \ufffd")
    if unmatched:
        out.print(escape(f"{unmatched:,} rows of {attributes} name no node"))
