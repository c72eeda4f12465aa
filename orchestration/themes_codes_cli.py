"""The commands `osmoscope themes codes`: open codes out for people to merge, and back as themes.

Belongs here: options, what is printed. Does not belong here: counting, proposing, checking and
ranking (assets.study.themes.open_codes). Errors and exit codes are those of `orchestration.cli`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestration.failures import SettingsError
from orchestration.terminal import print_json, working

if TYPE_CHECKING:
    from assets.study.themes.open_codes import Applied, Exported

MOST_SHOWN = 20
LEAST_WIDTH = 120

out = Console(highlight=False, soft_wrap=True)

CodesFile = Annotated[
    Path,
    typer.Argument(
        help="Parquet, CSV or JSONL: message_key, code; where known platform, summary, weight."
    ),
]
MoreThemes = Annotated[
    list[str] | None,
    typer.Option("--theme", help="A theme beside those of the codebook; may be repeated."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def codes_export(
    codes: CodesFile,
    merge: Annotated[Path, typer.Option("--out", help="The merge file, CSV; decisions stay.")],
    theme: MoreThemes = None,
    examples: Annotated[int, typer.Option(min=0, max=20, help="Summaries shown by code.")] = 3,
    json_: Json = False,
) -> None:
    """Write the codes, with what is nearly equal side by side, for people to give them themes."""
    from assets.study.themes.open_codes import export_merge, read_codes

    with working("comparing codes"):
        done = export_merge(read_codes(codes), merge, theme or (), examples)
    if json_:
        print_json(_exported(done, merge))
        return
    told = f"{done.codes:,} codes, {done.decided:,} decided, {len(done.new):,} new"
    out.print(escape(f"{told}: {merge}"))
    if done.new:
        _print_rows(
            ("new code", "posts", "such as"),
            [(one.code, f"{one.count:,}", next(iter(one.examples), ""))
             for one in done.new[:MOST_SHOWN]],
        )  # fmt: skip
    if len(done.new) > MOST_SHOWN:
        out.print(f"and {len(done.new) - MOST_SHOWN:,} more")
    if done.uncoded:
        out.print(f"posts without a code: {done.uncoded:,}")
    if done.gone:
        out.print(f"decided codes without a post now, kept: {done.gone:,}")
    if done.undecided:
        out.print("Fill in theme or group, and decided_by; proposed_group is a proposal only.")


def codes_apply(
    codes: CodesFile,
    merge: Annotated[Path, typer.Argument(help="The merge file that people filled in.")],
    target: Annotated[Path, typer.Option("--out", help="Themes of posts, .csv or .parquet.")],
    theme: MoreThemes = None,
    coverage: Annotated[
        float, typer.Option(help="Share that the kept themes reach together.")
    ] = 0.9,
    by: Annotated[str, typer.Option(help="What is ranked: theme or group.")] = "theme",
    json_: Json = False,
) -> None:
    """Give each post the theme that people gave its code; the commonest themes stay."""
    from assets.study.themes.open_codes import apply_merge, check_result, read_codes, write_themes

    check_result(target)
    if target.resolve() in (codes.resolve(), merge.resolve()):
        raise SettingsError(f"--out {target} is what is read.", "Name another file.")
    with working("applying decisions"):
        applied = apply_merge(read_codes(codes), merge, theme or (), coverage, by)
        write_themes(applied, target)
    if json_:
        print_json(_applied(applied, target, coverage))
        return
    _print_rows(
        (by, "share", "together", "stays"),
        [(one.name, f"{one.share:.1%}", f"{one.cumulative:.1%}", "yes" if one.is_kept else "Others")
         for one in applied.ranking],
    )  # fmt: skip
    if applied.undecided_codes:
        out.print(
            f"Not final: {applied.undecided_codes:,} codes ({applied.undecided:.1%} of the posts) "
            "without a theme"
        )
    if applied.uncoded:
        out.print(f"posts without a code, in no share: {applied.uncoded:,}")
    out.print(escape(f"{len(applied.rows):,} posts in {target} (decisions {applied.version})"))


def _exported(done: "Exported", merge: Path) -> dict[str, Any]:
    return {
        "out": str(merge),
        "codes": done.codes,
        "decided": done.decided,
        "undecided": done.undecided,
        "decided_without_posts": done.gone,
        "posts_without_code": done.uncoded,
        "new": [{"code": one.code, "count": one.count, "weight": one.weight} for one in done.new],
    }


def _applied(applied: "Applied", target: Path, coverage: float) -> dict[str, Any]:
    return {
        "out": str(target),
        "posts": len(applied.rows),
        "posts_without_code": applied.uncoded,
        "coverage": coverage,
        "decisions": applied.version,
        "undecided_codes": applied.undecided_codes,
        "undecided_share": applied.undecided,
        "ranking": [
            {"name": one.name, "weight": one.weight, "share": one.share,
             "cumulative": one.cumulative, "is_kept": one.is_kept}
            for one in applied.ranking
        ],
        "by_platform": {
            platform: [{"theme": theme, "share": share} for theme, share in shares.items()]
            for platform, shares in applied.by_platform.items()
        },
    }  # fmt: skip


def _print_rows(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    table = Table(*names, box=None)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    Console(highlight=False, width=max(LEAST_WIDTH, out.width)).print(table)
