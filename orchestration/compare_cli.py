"""The command `osmoscope compare`: two groups of any table, tested and measured.

Belongs here: its options and what is printed. Does not belong here: comparing
(assets.study.compare_files). Errors and exit codes are those of `orchestration.cli`.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestration.settings import Settings
from orchestration.terminal import working

WIDTH = 100
SMALLEST = "at most 2.2e-308"
AT_LEAST = "at least 95 %, as values tie"
DESCRIBED = ("count", "size", "total", "mean", "median", "mid_median", "maximum", "zero_share",
             "standard_deviation", "trimmed_mean", "log_mean")  # fmt: skip
EFFECT_NAMES = {
    "cliffs_delta": "Cliff's delta",
    "vargha_delaney_a": "Vargha-Delaney A",
    "hodges_lehmann": "Hodges-Lehmann shift",
    "ratio_of_means": "ratio of means",
    "ratio_of_medians": "ratio of medians",
    "mid_hodges_lehmann": "shift of the mid-distribution",
    "ratio_of_mid_medians": "ratio of mid-medians",
}

out = Console(highlight=False, soft_wrap=True)


def compare(
    file: Annotated[Path, typer.Argument(help="A Parquet or CSV file, one row a unit.")],
    group: Annotated[str, typer.Option(help="Column with the two groups.")],
    value: Annotated[str, typer.Option(help="Column of numbers to compare.")],
    cluster: Annotated[
        str | None, typer.Option(help="Column with the owner, drawn with all that is theirs.")
    ] = None,
    weight: Annotated[
        str | None, typer.Option(help="Column with how many units a row stands for.")
    ] = None,
    first: Annotated[
        str | None, typer.Option(help="The first group; by default the one that sorts before.")
    ] = None,
    draws: Annotated[int, typer.Option(min=100, help="Draws of the bootstrap.")] = 2000,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the draws; by default study.seed.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Compare two groups: Mann-Whitney test and effect sizes with intervals of 95 %."""
    from assets.study.compare_files import compare_file

    with working("comparing"):
        row = compare_file(
            file, group, value, cluster, weight, draws=draws, first=first,
            seed=Settings.load().study.seed if seed is None else seed,
        )  # fmt: skip
    if json_:
        print(json.dumps(row, indent=1, ensure_ascii=False, allow_nan=False))
        return
    _print_groups(row)
    _print_effects(row)
    for line in _lines(row):
        out.print(escape(line))


def _print_groups(row: dict[str, Any]) -> None:
    names = [str(row[f"{side}_group"]) for side in ("first", "second")]
    table = Table(escape(str(row["value"])), *map(escape, names), box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for name in DESCRIBED:
        if name != "size" or row["weight"] is not None:
            figures = (row["first"][name], row["second"][name])
            table.add_row(name.replace("_", " "), *map(_figure, figures))
    Console(highlight=False, width=WIDTH).print(table)


def _print_effects(row: dict[str, Any]) -> None:
    title = escape(f"{row['first_group']} against {row['second_group']}")
    table = Table(title, "value", "low", "high", "", box=None)
    for column in table.columns[1:4]:
        column.justify = "right"
    for name, words in EFFECT_NAMES.items():
        ends = (row[name], row[f"{name}_low"], row[f"{name}_high"])
        held = AT_LEAST if row[f"{name}_interval_is"] == "at_least" else ""
        table.add_row(words, *map(_figure, ends), held)
    Console(highlight=False, width=WIDTH).print(table)


def _lines(row: dict[str, Any]) -> list[str]:
    lines = []
    if row["mann_whitney_u"] is not None:
        lines.append(
            f"Mann-Whitney U = {_figure(row['mann_whitney_u'])}, p {_p_value(row['p_value'])} "
            f"({row['p_value_method']}), log10 p = {row['log10_p_value']:.6g}"
        )
    if row["bootstrap_p_value"] is not None:
        by = f" by {row['cluster']}" if row["cluster"] else ""
        lines.append(f"p of the bootstrap{by} {_p_value(row['bootstrap_p_value'])}")
    if row["permutation_p_value"] is not None:
        lines.append(f"p of permutations {_p_value(row['permutation_p_value'])}")
    lacking = {row[f"{name}_interval_reason"] for name in EFFECT_NAMES} - {None}
    lines += [f"Where an interval lacks an end: {reason}" for reason in sorted(lacking)]
    owners = f" of {row['cluster_count']:,} clusters" if row["cluster_count"] is not None else ""
    lines.append(
        f"Intervals of 95 % from {row['draws']:,} draws{owners}; {row['unknown_count']:,} rows "
        f"without {row['group']} or {row['value']} left out; {row['seconds']:.1f} s"
    )
    return lines


def _p_value(value: float) -> str:
    return SMALLEST if value < 1e-307 else f"= {value:.4g}"


def _figure(value: float | int | None) -> str:
    if value is None:
        return "-"
    if float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"
