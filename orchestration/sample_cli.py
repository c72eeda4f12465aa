"""The commands `osmoscope sample`: a stratified sample of any table, and what it says of it.

Belongs here: commands, options, what is printed. Does not belong here: drawing and estimating
(assets.study.files). Errors and exit codes are those of `orchestration.cli`.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestration.failures import SettingsError
from orchestration.settings import SampleSettings, Settings
from orchestration.terminal import print_json, working

LEAST_WIDTH = 160

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Draw a stratified sample of any table with an id and a size, and estimate from it.",
)
out = Console(highlight=False, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.command()
def draw(
    frame: Annotated[Path, typer.Argument(help="A Parquet or CSV file, one row a unit.")],
    by: Annotated[str, typer.Option(help="Column with the size, of which strata are classes.")],
    size: Annotated[int, typer.Option(min=1, help="Units to draw.")],
    to: Annotated[Path, typer.Option("--out", help="Parquet or CSV file for the sample.")],
    unit: Annotated[str, typer.Option("--id", help="Column with the unit's id.")] = "id",
    allocation: Annotated[
        str, typer.Option(help="paper, proportional, neyman, equal or matched.")
    ] = "proportional",
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the random numbers; by default study.seed.")
    ] = None,
    feature: Annotated[
        str | None, typer.Option(help="Column whose spread neyman follows; by default the size.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="File whose distribution of the size matched follows.")
    ] = None,
    reject: Annotated[
        str | None,
        typer.Option(help="Column with the reason why a drawn unit is out and replaced; null: in."),
    ] = None,
    breaks: Annotated[
        str | None, typer.Option(help="Where strata begin, as 0,1,10; by default study.sample's.")
    ] = None,
    take_all: Annotated[
        list[str] | None,
        typer.Option(
            help="auto (default): the largest of each column of numbers; COLUMN=VALUE, repeatable:"
            " from this value on; none."
        ),
    ] = None,
    least: Annotated[int, typer.Option(min=2, help="Drawn of each stratum that has as many.")] = 2,
    json_: Json = False,
) -> None:
    """Draw a sample; every row has its stratum, the frame's count and its weight."""
    from assets.study.allocation import ALLOCATIONS
    from assets.study.files import Request, draw_file

    study = Settings.load().study
    chosen = next((one for one in ALLOCATIONS if one == allocation), None)
    if chosen is None:
        raise SettingsError(
            f"There is no allocation {allocation}.", f"Use one of {', '.join(ALLOCATIONS)}."
        )
    request = Request(
        unit=unit,
        by=by,
        allocation=chosen,
        size=size,
        seed=study.seed if seed is None else seed,
        feature=feature,
        reject=reject,
        reference=reference,
        breaks=_breaks(breaks, study.sample),
        take_all=_take_all(take_all or ["auto"]),
        least=least,
        memory_megabytes=study.sample.memory_megabytes,
    )
    with working("drawing"):
        rows = draw_file(frame, request, to)
    sums = {name: sum(row[name] for row in rows)
            for name in ("frame_count", "sample_count", "rejected_count")}  # fmt: skip
    if json_:
        print_json({"out": str(to), "seed": request.seed, **sums, "strata": rows})
        return
    _print_rows(rows)
    rejected = f", {sums['rejected_count']:,} rejected" if sums["rejected_count"] else ""
    drawn = f"{sums['sample_count']:,} of {sums['frame_count']:,} in"
    out.print(f"{drawn} {escape(str(to))}{rejected}")


@app.command()
def estimate(
    sample: Annotated[Path, typer.Argument(help="A file that osmoscope sample draw wrote.")],
    value: Annotated[list[str], typer.Option(help="Column to estimate; may be repeated.")],
    bootstrap: Annotated[
        bool, typer.Option("--bootstrap", help="The mean's interval by the studentised bootstrap.")
    ] = False,
    json_: Json = False,
) -> None:
    """Estimate the frame's mean, medians, total and share of zeros, with intervals of 95 %."""
    from assets.study.files import estimate_file

    with working("estimating"):
        rows = [row for column in value for row in estimate_file(sample, column, bootstrap)]
    if json_:
        print_json(rows)
        return
    _print_rows(
        [{name: row[name] for name in ("value", "statistic", "unweighted_value", "weighted_value",
                                       "standard_error", "low", "high", "interval_is", "method",
                                       "sample_count")}
         for row in rows]
    )  # fmt: skip
    for reason in dict.fromkeys(row["reason"] for row in rows if row["reason"]):
        out.print(escape(reason))


def _breaks(text: str | None, settings: SampleSettings) -> tuple[int, ...]:
    from assets.study.strata import wrong_breaks

    if text is None:
        return tuple(settings.breaks)
    try:
        breaks = tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise SettingsError(f"--breaks {text} is no list of numbers.", "Give 0,1,10.") from error
    problem = wrong_breaks(breaks)
    if problem:
        raise SettingsError(f"--breaks {text}: {problem}.", "Give 0,1,10.")
    return breaks


def _take_all(texts: list[str]) -> dict[str, int] | Literal["auto"]:
    if texts == ["auto"]:
        return "auto"
    if texts == ["none"]:
        return {}
    return dict(_bound(text) for text in texts)


def _bound(text: str) -> tuple[str, int]:
    column, _, bound = text.rpartition("=")
    if not column or not bound.isdigit():
        raise SettingsError(
            f"--take-all {text} is not COLUMN=NUMBER.",
            "Give stars=10000 once or more, or auto, or none, alone.",
        )
    return column, int(bound)


def _print_rows(rows: list[dict[str, Any]]) -> None:
    table = Table(*[escape(name) for name in rows[0]] if rows else [], box=None)
    for row in rows:
        table.add_row(*(escape(_cell(value)) for value in row.values()))
    Console(highlight=False, width=max(LEAST_WIDTH, out.width)).print(table)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
