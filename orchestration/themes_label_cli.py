"""The commands on people's labels: the page on which they are given, how far it is, exports.

Belongs here: options, what is printed, starting and ending the server. Does not belong here: the
page (assets.study.themes.labelling) and the label files (assets.study.themes.labels). Errors and
exit codes are those of `orchestration.cli`.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestration.failures import SettingsError, TransientFailure
from orchestration.settings import Settings
from orchestration.terminal import print_json

if TYPE_CHECKING:
    from assets.study.themes.labelling.desk import Desk
    from assets.study.themes.labels import Progress

SECONDS_A_MINUTE = 60
LEAST_WIDTH = 120

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Sample = Annotated[str, typer.Argument(help="Name of a verification sample.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def label(
    sample: Sample,
    coder: Annotated[
        str | None, typer.Option(help="Who labels: lower case letters, digits, - and _.")
    ] = None,
    reconcile: Annotated[
        bool, typer.Option("--reconcile", help="Resolve what coders who are done disagree on.")
    ] = False,
    between: Annotated[
        list[str] | None,
        typer.Option(help="With --reconcile: a coder to compare; repeat it. By default all."),
    ] = None,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="With --reconcile: only posts that all have labelled."),
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    no_open: Annotated[bool, typer.Option("--no-open", help="Open no browser.")] = False,
    idle_minutes: Annotated[
        float, typer.Option(min=0.01, help="End when nobody was there for so long.")
    ] = 120.0,
    json_: Json = False,
) -> None:
    """Open a local page to label posts with the keyboard; ends with Ctrl-C, goes on when repeated.

    A coder sees neither the machines' labels nor other coders'. Every label is on disk at once.
    """
    from assets.study.themes.codebook import load_codebook
    from assets.study.themes.labelling.desk import blind_desk, resolution_desk
    from assets.study.themes.labelling.server import LabelServer, listening
    from assets.study.themes.labels import samples_folder

    settings = Settings.load()
    folder, codebook = samples_folder(settings.data_dir), load_codebook()
    if reconcile == (coder is not None):
        raise SettingsError(
            "Labels are either of one coder or the resolution of disagreements.",
            "Give either --coder NAME or --reconcile.",
        )
    if (between or partial) and not reconcile:
        raise SettingsError("--between and --partial say nothing alone.", "Give --reconcile too.")
    if coder is None:
        desk = resolution_desk(folder, sample, codebook.version, between or (), partial)
    else:
        desk = blind_desk(folder, sample, coder, codebook.version)
    _tell_state(desk)
    try:
        bound = listening(port)
    except OSError as error:
        raise TransientFailure(
            f"The port {port} cannot be had: {error.strerror}.", "Give another --port."
        ) from error
    opened: list[Path] = []

    def ready(url: str) -> None:
        _tell_address(url, json_)
        if not no_open and not json_ and _has_screen():
            opened.extend(_opened(url, settings.state_dir / "themes"))

    server = LabelServer(
        desk, codebook, bound, idle_seconds=idle_minutes * SECONDS_A_MINUTE, ready=ready
    )
    # uvicorn ends on a signal and raises it again afterwards, which is no reason to be killed.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    try:
        server.serve_until_told()
    finally:
        for path in opened:
            path.unlink(missing_ok=True)
    _tell_end(desk, server.is_idle, json_)


def label_status(sample: Sample, json_: Json = False) -> None:
    """Show how far each coder of a verification sample is."""
    from assets.study.themes.labelling.posts import read_posts
    from assets.study.themes.labels import (
        CONSENSUS,
        by_message,
        coders_of,
        is_disagreement,
        labels_of,
        progress_of,
        read_coder,
        samples_folder,
    )

    folder = samples_folder(Settings.load().data_dir)
    keys = [post.message_key for post in read_posts(folder, sample)]
    coders = coders_of(folder, sample)
    found = [progress_of(read_coder(folder, sample, coder), coder, keys) for coder in coders]
    people = [one for one in found if one.coder != CONSENSUS]
    disputed: int | None = None
    # While somebody is still labelling, nobody needs to know on what the others differ.
    if len(people) > 1 and all(one.labelled_count == one.post_count for one in people):
        given = by_message(one for one in labels_of(folder, sample) if one.coder != CONSENSUS)
        disputed = sum(is_disagreement(list(given[key].values())) for key in keys)
    if json_:
        told = [_progress_row(one) for one in found]
        document = {"sample": sample, "post_count": len(keys), "coders": told}
        print_json(document | {"disagreement_count": disputed})
        return
    _print_progress(found, len(keys))
    if disputed is not None:
        out.print(
            f"The coders disagree on the primary theme of {disputed:,} posts; "
            "--reconcile shows those."
        )


def label_export(
    sample: Sample,
    to: Annotated[Path, typer.Option("--out", help="A .csv or .parquet file.")],
    coder: Annotated[
        list[str] | None, typer.Option(help="Whose labels; repeat it. By default everybody's.")
    ] = None,
    consensus: Annotated[
        bool,
        typer.Option("--consensus", help="One label a post: what was resolved or agreed on."),
    ] = False,
    json_: Json = False,
) -> None:
    """Write the labels of a sample, in CSV safe to open with a spreadsheet."""
    from assets.study.themes.labels import consensus_of, export_labels, labels_of, samples_folder

    if coder and consensus:
        raise SettingsError("--consensus is of all coders.", "Give it without --coder.")
    labels = labels_of(samples_folder(Settings.load().data_dir), sample)
    known = {one.coder for one in labels}
    unknown = [name for name in coder or () if name not in known]
    if unknown:
        raise SettingsError(
            f"There is no label of {unknown[0]!r}.",
            f"Give --coder of {', '.join(sorted(known)) or 'nobody: there are no labels yet'}.",
        )
    if coder:
        labels = [one for one in labels if one.coder in coder]
    if consensus:
        labels = consensus_of(labels)
    export_labels(labels, to)
    if json_:
        print(json.dumps({"out": str(to), "label_count": len(labels)}))
        return
    out.print(escape(f"{len(labels):,} labels in {to}"))


def _has_screen() -> bool:
    """Whether a browser would open a window; one in the terminal would take it over."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _opened(url: str, folder: Path) -> list[Path]:
    from assets.study.themes.labelling.server import open_browser

    path = open_browser(url, folder)
    return [] if path is None else [path]


def _tell_state(desk: "Desk") -> None:
    kept = desk.kept()
    if kept.torn_bytes:
        err.print(
            f"The last write was interrupted: {kept.torn_bytes:,} bytes that are no whole label "
            "are put aside when the next label is kept."
        )


def _tell_address(url: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"url": url, "pid": os.getpid()}), flush=True)
        return
    out.print("Label at (the address is secret; Ctrl-C ends):")
    print(f"  {url}", flush=True)


def _tell_end(desk: "Desk", is_idle: bool, as_json: bool) -> None:
    labelled, total = desk.labelled_count(desk.kept().labels), len(desk.posts)
    if as_json:
        print(json.dumps({"labelled_count": labelled, "post_count": total, "is_idle": is_idle}))
        return
    why = "Nobody was there any more. " if is_idle else ""
    done = "resolved" if desk.is_resolution else "labelled"
    left = "" if labelled == total else "; the same command goes on where it was"
    out.print(f"{why}{labelled:,} of {total:,} posts are {done}{left}.")


def _progress_row(one: "Progress") -> dict[str, Any]:
    return {
        "coder": one.coder, "labelled_count": one.labelled_count, "post_count": one.post_count,
        "unclear_count": one.unclear_count, "changed_count": one.changed_count,
        "stray_count": one.stray_count, "torn_bytes": one.torn_bytes,
        "median_seconds": one.seconds, "codebook_versions": list(one.codebook_versions),
        "first_at": one.first_at.isoformat() if one.first_at else None,
        "last_at": one.last_at.isoformat() if one.last_at else None,
    }  # fmt: skip


def _print_progress(found: "list[Progress]", post_count: int) -> None:
    if not found:
        out.print(f"Nobody has labelled any of the {post_count:,} posts yet.")
        return
    table = Table("coder", "labelled", "unclear", "changed", "seconds a post", "last", box=None)
    for one in found:
        share = f"{one.labelled_count:,} of {one.post_count:,}"
        seconds = "" if one.seconds is None else f"{one.seconds:.0f}"
        last = one.last_at.strftime("%Y-%m-%d %H:%M UTC") if one.last_at else ""
        table.add_row(
            escape(one.coder), share, f"{one.unclear_count:,}", f"{one.changed_count:,}", seconds,
            last,
        )  # fmt: skip
    Console(highlight=False, width=max(LEAST_WIDTH, out.width)).print(table)
    for one in found:
        for count, what in (
            (one.torn_bytes, "bytes of an interrupted write, put aside by the next label"),
            (one.stray_count, "labels of posts that are not in the sample"),
            (max(0, len(one.codebook_versions) - 1), "more versions of the codebook among labels"),
        ):
            if count:
                out.print(escape(f"{one.coder}: {count:,} {what}"))
