"""The commands `osmoscope twin`: a synthetic GitHub and Hub to run against.

Belongs here: commands, options and what they print. Does not belong here: the world and its
server (twin).

Errors and exit codes are those of `orchestration.cli`.
"""

import json
import os
import signal
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.failures import PermanentFailure, SettingsError, TransientFailure

if TYPE_CHECKING:
    from twin.server.app import Server, Service

FIRST_DAY = datetime(2025, 10, 6)
TIMEOUT_SECONDS = 600

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="A synthetic GitHub and Hugging Face Hub with planted truth, on loopback.",
)

Scale = Annotated[str, typer.Option(help="Size of the world: tiny, demo, large or study.")]
Seed = Annotated[int, typer.Option(help="Another seed, another world.", min=0)]
FirstDay = Annotated[
    datetime, typer.Option(formats=["%Y-%m-%d"], help="First day of the archive, UTC.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.command()
def serve(
    scale: Scale = "tiny",
    seed: Seed = 2016,
    first_day: FirstDay = FIRST_DAY,
    days_elapsed: Annotated[int, typer.Option(min=1, help="Days over at the start.")] = 1,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    no_limits: Annotated[bool, typer.Option("--no-limits", help="Refuse nothing.")] = False,
    limits: Annotated[
        Path | None, typer.Option(help="TOML file with other limits: [github], [hub], tokens.")
    ] = None,
    faults: Annotated[
        Path | None, typer.Option(help="TOML file with faults: [[rule]] tables.")
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option(help="Gets JSON with URLs and pid when the server is ready.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Folder that gets what was planted, again at each advance.")
    ] = None,
    until_closed: Annotated[
        bool, typer.Option("--until-closed", help="End also when standard input ends.")
    ] = False,
    json_: Json = False,
) -> None:
    """Serve the archive, GitHub's APIs and the Hub of a synthetic world until told to end."""
    from twin.server.app import Server, Twin, listening, service_of
    from twin.server.control import read_toml
    from twin.server.faults import FaultSettings
    from twin.server.limits import LimitSettings

    try:
        bound = listening(port)
    except OSError as error:
        raise TransientFailure(
            f"The port {port} cannot be had: {error.strerror}.", "Give another --port."
        ) from error
    try:
        rules = read_toml(FaultSettings, faults).rule if faults else []
        numbers = read_toml(LimitSettings, limits) if limits else LimitSettings()
        if no_limits:
            numbers = numbers.model_copy(update={"enabled": False})
        twin = Twin.build(scale, seed, first_day.date(), days_elapsed=days_elapsed)
        service = service_of(twin, limits=numbers, faults=rules)
        if truth is not None:
            twin.keep_truth(truth)
    except ValueError as error:
        raise SettingsError(str(error), "See osmoscope twin serve --help.") from error
    server = Server(service, bound, lambda: _tell(service, ready_file, json_))
    # uvicorn ends on a signal and raises it again afterwards, which is no reason to be killed.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    if until_closed:
        threading.Thread(target=_end_when_closed, args=(server,), daemon=True).start()
    try:
        server.serve_until_told()
    finally:
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)


@app.command()
def advance(
    url: Annotated[str, typer.Option(help="The server's URL, as serve prints it.")],
    days: Annotated[int, typer.Option(min=1, help="How many days pass.")] = 1,
    json_: Json = False,
) -> None:
    """Let days pass in a served world: tomorrow's hours appear, today's stay as they are."""
    import requests

    asked = f"{url.rstrip('/')}/_twin/advance"
    try:
        answer = requests.post(asked, json={"days": days}, timeout=TIMEOUT_SECONDS)
    except requests.ConnectionError as error:
        raise TransientFailure(
            f"No server answers at {url}.", "Start one with osmoscope twin serve."
        ) from error
    except requests.RequestException as error:
        raise SettingsError(f"{url} is no URL of a twin.", "Give what serve prints.") from error
    if answer.status_code == 422:
        raise PermanentFailure(
            f"No day can pass: {answer.json()['error']}.", "Serve another world, or fewer days."
        )
    if answer.status_code != 200:
        raise PermanentFailure(
            f"{asked} answers {answer.status_code}.", "Give what osmoscope twin serve prints."
        )
    clock = answer.json()
    if json_:
        print(json.dumps(clock, indent=1))
    else:
        print(f"It is {clock['now_iso']}; the last day is {clock['last_day']}.")


@app.command()
def write(
    out: Annotated[Path, typer.Option(help="Folder; its archive, hub and truth are replaced.")],
    scale: Scale = "tiny",
    seed: Seed = 2016,
    first_day: FirstDay = FIRST_DAY,
    days: Annotated[int, typer.Option(min=1, help="How many days.")] = 2,
    json_: Json = False,
) -> None:
    """Write a world as files, with its truth."""
    from twin.generate import write_world

    chosen = [first_day.date() + timedelta(days=k) for k in range(days)]
    try:
        made = write_world(out, scale, seed, chosen)
    except ValueError as error:
        raise SettingsError(str(error), "See osmoscope twin write --help.") from error
    if json_:
        told = {key: value for key, value in vars(made).items() if key not in ("folder", "days")}
        days_told = [day.isoformat() for day in made.days]
        print(json.dumps({"folder": str(made.folder), "days": days_told, **told}, indent=1))
    else:
        print(
            f"{made.archive_file_count} archive files with {made.line_count:,} lines, "
            f"{made.model_count:,} models in {out}"
        )


def _end_when_closed(server: "Server") -> None:
    """Who started us holds the other end of our standard input, for as long as it lives."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    server.should_exit = True


def _tell(service: "Service", ready_file: Path | None, as_json: bool) -> None:
    """Say where the server is; the file is there at once and whole."""
    from orchestration.lake import write_atomically

    told = _address(service)
    if ready_file is not None:
        write_atomically(ready_file, json.dumps(told))
    if as_json:
        print(json.dumps(told), flush=True)
        return
    for name in ("archive", "github", "hub"):
        print(f"{name:<8} {told[name]}")
    print(f"control  {told['url']}/_twin/ (advance, faults, limits, requests)", flush=True)


def _address(service: "Service") -> dict[str, Any]:
    twin = service.twin
    return {
        "url": twin.base, "archive": twin.archive_base, "github": twin.github_base,
        "hub": twin.hub_base, "pid": os.getpid(), **twin.calendar.as_json(),
    }  # fmt: skip
