"""What the commands on networks share: their options, and what these mean.

Belongs here: options of reading a network, the window they name, the memory that was used. Does not
belong here: the commands (`networks_cli`, `communities_cli`, `networks_export_cli`).
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.failures import SettingsError

if TYPE_CHECKING:
    from assets.study.networks.acts import Mode, Window

WINDOW_HELP = "Width as 365d, 12h or inf; for calendar also 1m, 1q, 1y."

TableFile = Annotated[Path, typer.Argument(help="A Parquet, CSV or JSON file, plain or gzipped.")]
ModeName = Annotated[str, typer.Option(help="What is linked: repository or actor.")]
Width = Annotated[str, typer.Option(help=WINDOW_HELP)]
SemanticsName = Annotated[str, typer.Option(help="pairwise_gap, trailing, calendar or none.")]
Snapshot = Annotated[
    str | None, typer.Option(help="Instant trailing ends with (UTC); by default the last act.")
]
WeightName = Annotated[
    str, typer.Option(help="none, shared or newman; the last two not within a gap.")
]
ActorColumn = Annotated[str, typer.Option(help="Column with the actor.")]
RepositoryColumn = Annotated[str, typer.Option(help="Column with the repository.")]
TimeColumn = Annotated[str, typer.Option(help="Column with the time.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


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
