"""The commands on verification: drawing what people code, agreement, corrected prevalence.

Belongs here: options, what is printed. Does not belong here: samples (assets.study.themes
.verification), figures (.verified, .verified_files). Errors and exit codes are those of
`orchestration.cli`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestration.failures import SettingsError
from orchestration.settings import Settings
from orchestration.terminal import print_json, working

WIDTH = 80
Row = dict[str, Any]

out = Console(highlight=False, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Seed = Annotated[int | None, typer.Option(min=0, help="By default study.seed.")]
Draws = Annotated[int, typer.Option(min=100, help="Draws of the bootstrap.")]
Unit = Annotated[str, typer.Option("--unit", "--id", help="Column with the text's key.")]
CoderColumn = Annotated[str, typer.Option("--coder", help="Column with who labelled.")]
LabelColumn = Annotated[str, typer.Option("--label", help="Column with the theme; empty: unclear.")]
Truth = Annotated[
    str | None,
    typer.Option(help="Coder whose labels are the truth; by default what coders agree on."),
]


def sample_draw(
    frame: Annotated[Path, typer.Argument(help="Parquet or CSV: all texts, one row each.")],
    name: Annotated[str, typer.Option(help="Of the sample.")],
    margin: Annotated[
        float | None, typer.Option(help="Interval to each side, 0.05 by default.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help="Texts of each platform instead of a margin.")
    ] = None,
    least: Annotated[int, typer.Option(min=1, help="Texts of each stratum that has as many.")] = 30,
    by: Annotated[
        str | None, typer.Option(help="Column with a machine's theme, for the strata.")
    ] = None,
    codings: Annotated[
        Path | None, typer.Option(help="File with machines' codings of the frame instead.")
    ] = None,
    by_coder: Annotated[
        str | None, typer.Option(help="Which coder of --codings makes the strata.")
    ] = None,
    unit: Unit = "message_key",
    platform: Annotated[
        str | None, typer.Option(help="Column with the platform; each gets a sample of its own.")
    ] = None,
    extend: Annotated[
        bool, typer.Option("--extend", help="Draw on from the sample of this name; labels stay.")
    ] = False,
    seed: Seed = None,
    json_: Json = False,
) -> None:
    """Draw the texts that people code, stratified by platform and a machine's theme.

    Coders see neither strata nor codings. The same seed draws the same texts.
    """
    from assets.study.files import told_of
    from assets.study.themes.labels import samples_folder
    from assets.study.themes.verification import MARGIN, draw_sample, read_sample, write_sample
    from assets.study.themes.verified_files import frame_of

    if margin is not None and size is not None:
        raise SettingsError("--margin and --size both say how much to draw.", "Give one of them.")
    if by is not None and codings is not None:
        raise SettingsError("--by and --codings both make strata.", "Give one of them.")
    settings = Settings.load()
    folder = samples_folder(settings.data_dir)
    is_there = (folder / name / "sample.parquet").exists()
    if is_there and not extend:
        raise SettingsError(
            f"There is a sample {name} in {folder}.", "Give --extend, or another --name."
        )
    with working("drawing"):
        older = read_sample(folder, name) if extend else None
        chosen = seed if seed is not None else older.seed if older else settings.study.seed
        made = frame_of(frame, unit=unit, platform=platform, by=by, codings=codings, coder=by_coder)
        with told_of(frame if codings is None else codings):
            sample = draw_sample(
                made.sql, name, margin=MARGIN if margin is None else margin, size=size,
                least=least, seed=chosen, older=older, codings=made.codings,
            )  # fmt: skip
        place = write_sample(folder, sample)
    rows: list[Row] = [
        {
            "platform": stratum.platform,
            "stratum": stratum.name,
            "frame_count": stratum.frame_count,
            "sample_count": stratum.sample_count,
        }
        for stratum in sample.strata
    ]
    if json_:
        print_json({"name": name, "folder": str(place), "seed": chosen, "margin": sample.margin,
                     "message_count": sample.rows.num_rows, "strata": rows,
                     "dropped": list(sample.dropped)})  # fmt: skip
        return
    _print(("platform", "stratum", "frame", "drawn"),
           [[row["platform"], row["stratum"], f"{row['frame_count']:,}",
             f"{row['sample_count']:,}"] for row in rows], numbers=(2, 3))  # fmt: skip
    out.print(escape(f"{sample.rows.num_rows:,} texts in {place}"))
    if sample.dropped:
        out.print(f"{len(sample.dropped):,} of the older sample are not in it; their labels stay")


def agreement(
    source: Annotated[str, typer.Argument(help="Name of a sample, or a file of labels.")],
    unit: Unit = "message_key",
    coder: CoderColumn = "coder",
    label: LabelColumn = "primary",
    machine: Annotated[
        str | None, typer.Option(help="Coder of the file who is a machine, judged by the others.")
    ] = None,
    truth: Truth = None,
    confusion: Annotated[
        bool, typer.Option("--confusion", help="Print also which themes are taken for which.")
    ] = False,
    draws: Draws = 2000,
    seed: Seed = None,
    json_: Json = False,
) -> None:
    """How far coders agree: Krippendorff's alpha, kappa, precision, recall, with intervals."""
    from assets.study.themes.labels import labels_of, samples_folder
    from assets.study.themes.verification import read_sample
    from assets.study.themes.verified import agreement_rows
    from assets.study.themes.verified_files import file_agreement, read_labels

    settings = Settings.load()
    with working("comparing coders"):
        if Path(source).is_file():
            rows = file_agreement(
                read_labels(Path(source), unit=unit, coder=coder, label=label), machine=machine,
                truth=truth, draws=draws, seed=settings.study.seed if seed is None else seed,
            )  # fmt: skip
        else:
            _without(("--machine", machine), ("--truth", truth))
            folder = samples_folder(settings.data_dir)
            sample = read_sample(folder, source)
            rows = agreement_rows(sample, labels_of(folder, source), draws=draws)
    if json_:
        print_json(rows)
        return
    _print(
        ("of", "coder", "measure", "value", "95 %", "n"),
        [[row["platform"], row["coder"], _measure(row), _figure(row["value"]),
          _ends(row["value_low"], row["value_high"]), f"{row['message_count']:,}"]
         for row in rows if row["measure"] != "confusion"],
        numbers=(3, 4, 5),
    )  # fmt: skip
    if confusion:
        _print(("of", "coder", "theme", "taken for", "share"),
               [[row["platform"], row["coder"], row["theme"], row["told_theme"],
                 _figure(row["value"])]
                for row in rows if row["measure"] == "confusion" and row["value"]],
               numbers=(4,))  # fmt: skip
    _print_reasons(rows, "message")


def prevalence(
    source: Annotated[str, typer.Argument(help="Name of a sample, or a file of codings.")],
    labels: Annotated[
        Path | None, typer.Option(help="File with people's labels of some of the texts.")
    ] = None,
    unit: Unit = "message_key",
    theme: Annotated[str, typer.Option(help="Column of the codings with the theme.")] = "label",
    coder: CoderColumn = "coder",
    label: LabelColumn = "primary",
    platform: Annotated[
        str | None, typer.Option(help="Column of the codings by which figures are apart.")
    ] = None,
    stratum: Annotated[
        str | None, typer.Option(help="Column of the codings with the sample's strata.")
    ] = None,
    truth: Truth = None,
    applies: Annotated[
        bool, typer.Option("--applies", help="Of all themes that hold, not the primary ones.")
    ] = False,
    by_probability: Annotated[
        bool, typer.Option("--by-probability", help="Use the machine's probabilities.")
    ] = False,
    draws: Draws = 999,
    seed: Seed = None,
    json_: Json = False,
) -> None:
    """How often themes are: as coded, and corrected by what people say, with intervals of 95 %."""
    from assets.study.themes.labels import labels_of, samples_folder
    from assets.study.themes.verification import read_sample
    from assets.study.themes.verified import prevalence_rows
    from assets.study.themes.verified_files import file_prevalence, read_labels

    settings = Settings.load()
    with working("estimating"):
        if Path(source).is_file():
            if labels is None:
                raise SettingsError(f"{source} has no labels.", "Give them with --labels FILE.")
            _without(("--applies", applies), ("--by-probability", by_probability))
            rows = file_prevalence(
                Path(source), read_labels(labels, unit=unit, coder=coder, label=label), unit=unit,
                theme=theme, platform=platform, stratum=stratum, truth=truth, draws=draws,
                seed=settings.study.seed if seed is None else seed,
            )  # fmt: skip
        else:
            _without(("--labels", labels), ("--truth", truth), ("--stratum", stratum))
            folder = samples_folder(settings.data_dir)
            sample = read_sample(folder, source)
            rows = prevalence_rows(
                sample, labels_of(folder, source), of="applies" if applies else "primary",
                by_probability=by_probability, draws=draws,
            )  # fmt: skip
    if json_:
        print_json(rows)
        return
    many = len({row["coder"] for row in rows}) > 1
    _print(
        ("of", *(["coder"] if many else []), "theme", "by", "share", "95 %", "n"),
        [[row["platform"], *([row["coder"]] if many else []), row["theme"], row["estimator"],
          _percent(row["value"]), _ends(row["low"], row["high"], 100), f"{row['count']:,}"]
         for row in rows],
        numbers=(-3, -2, -1),
    )  # fmt: skip
    _print_reasons([row for row in rows if row["estimator"] != "machine"], "estimate")
    undecided = {row["platform"]: row.get("undecided_count", 0) for row in rows}
    for name, count in undecided.items():
        if count:
            out.print(escape(f"{name}: {count:,} texts of the sample are not decided"))
    if not rows:
        out.print("No machine coded this sample: draw it with --codings or --by.")


def _without(*given: tuple[str, object]) -> None:
    """Refuse options that say nothing here."""
    for name, value in given:
        if value:
            raise SettingsError(f"{name} says nothing of this source.", "Leave it away.")


def _measure(row: Row) -> str:
    words = str(row["measure"]).replace("krippendorff_alpha", "alpha").replace("_", " ")
    return f"{words} {row['theme']}" if row["theme"] else words


def _print(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> None:
    """A table that fits 80 columns, or as many as the terminal has; words wrap."""
    table = Table(*header, box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for at in numbers:
        table.columns[at].justify = "right"
        table.columns[at].no_wrap = True
    for row in rows:
        table.add_row(*(escape(str(one)) for one in row))
    Console(highlight=False, width=max(WIDTH, out.width)).print(table)


def _print_reasons(rows: Sequence[Row], what: str) -> None:
    for reason in dict.fromkeys(row["reason"] for row in rows if row["reason"]):
        count = sum(row["reason"] == reason for row in rows)
        out.print(escape(f"{count} of {len(rows)} {what} rows: {reason}"))


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _ends(low: float | None, high: float | None, times: int = 1) -> str:
    if low is None or high is None:
        return "-"
    digits = 3 if times == 1 else 1
    return f"{times * low:.{digits}f} to {times * high:.{digits}f}"
