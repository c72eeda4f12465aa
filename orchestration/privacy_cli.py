"""The commands `osmoscope privacy`: who is to be nowhere, and making it so.

Belongs here: commands, options, what is printed. Does not belong here: the list
(orchestration.privacy.optout) and taking accounts out (orchestration.privacy.removal).

Errors and exit codes are those of `orchestration.cli`.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestration.failures import PermanentFailure
from orchestration.settings import Settings

if TYPE_CHECKING:
    from orchestration.privacy.optout import Entry

LEAST_WIDTH = 160

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The opt-out list: accounts that are removed everywhere at the next refresh.",
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


class Platform(StrEnum):
    """Where an account is; one of the same name on the other platform is another account."""

    github = "github"
    huggingface = "huggingface"


Account = Annotated[
    str, typer.Argument(help="Login, or the platform's number or internal id; @ before a login.")
]


@app.command("opt-out")
def opt_out(
    platform: Platform,
    account: Account,
    note: Annotated[str, typer.Option(help="Who asked and how; stays in the private list.")] = "",
    json_: Json = False,
) -> None:
    """Put an account on the list: nothing of it is landed from now on.

    What is stored is taken out by the next refresh, or by `osmoscope privacy apply`.
    """
    from orchestration.privacy import optout, removal

    settings = Settings.load()
    today = datetime.now(UTC).date()
    rows = removal.enter(settings, optout.checked(platform.value, account, today, note))
    _print_rows(rows, json_)
    if not json_:
        out.print(
            "Nothing of it is landed from now on. The next refresh removes what is stored; "
            "osmoscope privacy apply does so for the lake at once."
        )


@app.command("list")
def show(json_: Json = False) -> None:
    """Show the list with what is known of each account."""
    from orchestration.privacy import optout

    _print_rows(optout.read(Settings.load().opt_out_path), json_)


@app.command()
def withdraw(platform: Platform, account: Account, json_: Json = False) -> None:
    """Take an account off the list: it is landed again from now on.

    What was taken out does not come back, but where a source still gives it: days of the archive
    that are loaded anew, and what the platforms answer.
    """
    from orchestration.privacy import optout, removal

    settings = Settings.load()
    today = datetime.now(UTC).date()
    rows = removal.withdraw(settings, optout.checked(platform.value, account, today))
    if not rows:
        raise PermanentFailure(
            f"{account} of {platform.value} is not on the list.", "See osmoscope privacy list."
        )
    _print_rows(rows, json_)


@app.command()
def apply(json_: Json = False) -> None:
    """Take all accounts of the list out of lake, quarantine, journals and logs now.

    Warehouse and published copies are made anew by the next refresh: `osmoscope rebuild` is one
    that asks no source. Killed at any point, the same command goes on.
    """
    from dataclasses import asdict

    from orchestration.privacy import removal
    from orchestration.salt import address_salt

    settings = Settings.load()
    with err.status("looking") as status:
        done = removal.apply(
            settings,
            address_salt(settings.data_dir),
            lambda text: status.update(escape(text)),
        )
    if json_:
        _print_json(asdict(done))
        return
    out.print(
        f"{done.account_count} accounts, {done.seen_file_count:,} files looked into, "
        f"{done.file_count:,} written anew, {done.row_count:,} rows gone, "
        f"{done.kept_count:,} entries of quarantine, journals and logs emptied"
    )
    if done.busy:
        out.print(f"Being mined: {', '.join(done.busy)}. Call this again when that has ended.")
    if done.due:
        out.print("Warehouse and published copies are made anew by the next night or rebuild.")


def _print_rows(rows: "Sequence[Entry]", as_json: bool) -> None:
    cells: list[dict[str, Any]] = [
        {
            "platform": one.platform,
            "native_id": one.native_id,
            "login": one.login,
            "since": one.since.isoformat(),
            "note": one.note,
            "address_hash_count": len(one.address_hashes),
        }
        for one in rows
    ]
    if as_json:
        _print_json({"accounts": cells})
        return
    if not cells:
        out.print("The list is empty.")
        return
    table = Table(*[name.replace("_", " ") for name in cells[0]], box=None)
    for row in cells:
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in row.values()))
    # Cells are never cut where the output is no terminal.
    Console(highlight=False, width=max(LEAST_WIDTH, out.width)).print(table)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=1, default=str, ensure_ascii=False))
