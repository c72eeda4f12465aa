"""The commands `osmoscope themes`: coding opening posts, verifying, and any file of texts.

Belongs here: the group, and the commands on an installation's own messages. Does not belong here:
commands on files (`themes_classify_cli`, `themes_llm_cli`, `themes_codes_cli`), on samples
(`themes_verification_cli`, `themes_label_cli`), and computing anything (assets.study.themes).
Errors and exit codes are those of `orchestration.cli`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from orchestration.settings import Settings
from orchestration.terminal import print_json, working
from orchestration.themes_classify_cli import classify
from orchestration.themes_codes_cli import codes_apply, codes_export
from orchestration.themes_label_cli import label, label_export, label_status
from orchestration.themes_llm_cli import llm_code, llm_estimate
from orchestration.themes_verification_cli import agreement, prevalence, sample_draw

if TYPE_CHECKING:
    from assets.study.themes.coded import CodedBy

STOPPED = 4

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="What people ask for: code opening posts, verify the codes, correct the shares.",
)
codes = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Group open codes into themes."
)
llm = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Let a language model code a file of texts."
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.command()
def code(json_: Json = False) -> None:
    """Let the configured coders code what is new in the warehouse, as a night does.

    Exit code 4: a coder was stopped before it had coded all; what it coded is kept.
    """
    from assets.study.themes.coded import code_corpus
    from assets.study.themes.corpus import update_corpus
    from orchestration.resources import warehouse_lock

    settings = Settings.load()
    with warehouse_lock(settings), _told() as tell:
        updated = update_corpus(settings.warehouse_path)
        found = code_corpus(
            settings.warehouse_path, settings.study, settings.state_dir, settings.themes_dir, tell
        )
    if json_:
        new = {"new": updated.new_count, "gone": updated.gone_count}
        print_json({"posts": new, "coders": [vars(one) for one in found]})
    else:
        out.print(f"{updated.new_count:,} posts are new, {updated.gone_count:,} are gone.")
        _print_coders(found)
    raise typer.Exit(STOPPED if any(one.stopped for one in found) else 0)


@contextmanager
def _told() -> Iterator[Callable[[str, int, int], None]]:
    """A line of progress on the error stream; nothing in a script."""
    with Console(stderr=True, highlight=False).status("reading new posts") as status:

        def tell(coder: str, done: int, total: int) -> None:
            status.update(f"{coder}: {done:,} of {total:,} posts coded")

        yield tell


def _print_coders(found: "list[CodedBy]") -> None:
    table = Table("coder", "version", "coded now", "coded in all", "trained on", "state", box=None)
    for one in found:
        table.add_row(
            one.coder,
            one.version,
            f"{one.coded_count:,}",
            f"{one.total_count:,}",
            "" if one.trained_on is None else f"{one.trained_on:,}",
            one.stopped or "done",
        )
    out.print(table)


@app.command()
def sample(
    name: Annotated[str, typer.Argument(help="Of the sample; drawn on where it is there.")],
    margin: Annotated[
        float | None, typer.Option(help="Interval to each side; by default study.themes.margin.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help="Posts of each platform instead of a margin.")
    ] = None,
    json_: Json = False,
) -> None:
    """Draw a stratified sample of the coded posts for people to label, blind.

    An existing sample of the name is extended, and its labels stay.
    """
    from assets.study.themes.fieldwork import draw_from_warehouse
    from assets.study.themes.labels import samples_folder
    from orchestration.resources import warehouse_lock

    settings = Settings.load()
    folder = samples_folder(settings.data_dir)
    with warehouse_lock(settings), working("drawing"):
        drawn = draw_from_warehouse(
            settings.warehouse_path, settings.study, folder, name, margin=margin, size=size
        )
    told: list[dict[str, Any]] = [
        {
            "platform": platform,
            "messages": sum(one.frame_count for one in drawn.strata if one.platform == platform),
            "drawn": sum(one.sample_count for one in drawn.strata if one.platform == platform),
        }
        for platform in drawn.platforms
    ]
    if json_:
        where = {"name": name, "folder": str(folder / name), "no_longer_in": len(drawn.dropped)}
        print_json({**where, "platforms": told})
        return
    for one in told:
        out.print(f"{one['platform']:<14}{one['drawn']:>7,} of {one['messages']:,} posts")
    if drawn.dropped:
        out.print(f"{len(drawn.dropped):,} posts of before are no longer in; their labels stay.")
    out.print(f"Next: osmoscope themes label {name} --coder NAME, by two people.")


@codes.command("list")
def codes_list(
    target: Annotated[Path, typer.Option("--out", help="Parquet file for codes export.")],
) -> None:
    """Write the codes that the language model proposed for the warehouse's posts."""
    from assets.study.themes.fieldwork import open_codes
    from orchestration.resources import warehouse_lock

    settings = Settings.load()
    with warehouse_lock(settings), working("reading codes"):
        count = open_codes(settings.warehouse_path, target)
    out.print(f"{count:,} posts with a code in {target}")


app.command("classify")(classify)
app.command("label")(label)
app.command("status")(label_status)
app.command("export")(label_export)
app.command("agreement")(agreement)
app.command("prevalence")(prevalence)
app.command("draw")(sample_draw)
codes.command("export")(codes_export)
codes.command("apply")(codes_apply)
llm.command("estimate")(llm_estimate)
llm.command("code")(llm_code)
app.add_typer(codes, name="codes")
app.add_typer(llm, name="llm")
