"""The commands `osmoscope mine`: asking the platforms' interfaces, and what that takes.

Belongs here: commands, options, what is printed while and after a platform is asked. Does not
belong here: asking (assets.github.mining, assets.huggingface), and the arithmetic of an estimate
(assets.mining.estimate).

Errors and exit codes are those of `orchestration.cli`; a night that is interrupted with Ctrl-C ends
with 130, and the next call goes on where it was.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from orchestration.failures import PermanentFailure, SettingsError
from orchestration.settings import GITHUB_TOKEN_VARIABLE, Settings
from orchestration.terminal import print_json

if TYPE_CHECKING:
    from assets.mining.engine import Progress as Stand
    from assets.mining.estimate import Estimate, Needed, Night, Platform
    from orchestration.lake import Lake

INPUT, INTERRUPTED = 3, 130
NIGHT_HOURS = 24.0
LEAST_WIDTH = 160
GITHUB, HUB = "github", "huggingface"

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Ask GitHub and the Hub with tokens (GITHUB_TOKEN, HF_TOKEN), resumable at any point.",
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.command()
def github(json_: Json = False) -> None:
    """Ask GitHub about the most active repositories: stocks, histories, texts, members."""
    settings = Settings.load()
    if settings.github.source == "off":
        raise SettingsError("github.source is 'off'.", "Set it to 'api'.")
    if not settings.github_tokens():
        raise PermanentFailure(
            f"GitHub is not asked: {GITHUB_TOKEN_VARIABLE} is not set.",
            "Set it to one token or several, separated by commas; no scope is needed.",
        )
    from assets.github.mining import observe_github
    from orchestration.salt import address_salt

    with _asking() as live:
        observe_github(_lake(settings), settings, address_salt(settings.data_dir), progress=live)
    _print_night(settings, GITHUB, json_)


@app.command()
def huggingface(json_: Json = False) -> None:
    """Ask the Hub: listings, histories, discussions, accounts, likers."""
    settings = Settings.load()
    if settings.huggingface.source == "off":
        raise SettingsError("huggingface.source is 'off'.", "Set it to 'api'.")
    from assets.huggingface.observation import observe
    from orchestration.salt import address_salt

    with _asking() as live:
        salt = address_salt(settings.data_dir)
        observe(_lake(settings), settings, salt, progress=live, told=live)
    _print_night(settings, HUB, json_)


@app.command()
def bootstrap(
    file: Annotated[
        Path | None, typer.Argument(help="A hub-stats Parquet file; by default it is fetched.")
    ] = None,
    json_: Json = False,
) -> None:
    """Take the Hub's models of today from its public table instead of listing them."""
    from assets.huggingface.observation import bootstrap as bootstrapped
    from orchestration.salt import address_salt

    settings = Settings.load()
    with _asking() as live:
        salt = address_salt(settings.data_dir)
        entry = bootstrapped(_lake(settings), settings, salt, path=file, progress=live)
    if json_:
        print_json({"tables": [{"table": "models", **entry}]})
    else:
        _print_rows([entry], ("name", "state", "row_count", "duplicate_count", "malformed_count"))


@app.command("request-access")
def request_access(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what is next.")] = False,
    json_: Json = False,
) -> None:
    """Ask for access to gated repositories in your own name, where the settings allow it."""
    from assets.huggingface.access import check_confirmed
    from assets.huggingface.access import request_access as requested
    from assets.huggingface.gated import never_asked
    from orchestration.salt import address_salt

    settings = Settings.load()
    hub, lake = settings.huggingface, _lake(settings)
    check_confirmed(hub)
    waiting = never_asked(lake, list(hub.repository_types))
    following = waiting[: hub.gated_daily_limit]
    if dry_run:
        rows = following
    else:
        err.print(f"At most {len(following)} of {len(waiting):,} gated repositories are asked for.")
        with _asking() as live:
            salt = address_salt(settings.data_dir)
            rows = requested(lake, settings, salt, progress=live, told=live)
    if json_:
        print_json({"access_requests": rows, "waiting": len(waiting)})
    elif rows:
        _print_rows(rows, tuple(rows[0]))
    else:
        out.print("Nothing was asked for.")


@app.command()
def estimate(
    github_repositories: Annotated[
        int | None, typer.Option(min=1, help="As if so many were polled for stocks.")
    ] = None,
    github_histories: Annotated[
        int | None, typer.Option(min=0, help="As if so many were asked for commits and texts.")
    ] = None,
    hub_repositories: Annotated[
        int | None, typer.Option(min=1, help="As if the histories of so many were read.")
    ] = None,
    nights: Annotated[float | None, typer.Option(min=0.01, help="To be done in nights.")] = None,
    hours: Annotated[float | None, typer.Option(min=0.01, help="To be done in hours.")] = None,
    json_: Json = False,
) -> None:
    """Say what a first and a usual night take, and how many tokens a target needs; asks nothing."""
    from assets.mining.estimate import estimate as estimated
    from assets.mining.sizes import announced_limits, known_sizes

    if nights is not None and hours is not None:
        raise SettingsError("Both --nights and --hours are given.", "Give one of them.")
    target = hours if hours is not None else NIGHT_HOURS * (nights or 1.0)
    settings = _as_if(Settings.load(), github_repositories, github_histories, hub_repositories)
    lake = _lake(settings)
    known = known_sizes(lake, settings) | _told(github_repositories, hub_repositories)
    tokens = {GITHUB: len(settings.github_tokens()), HUB: len(settings.hub_tokens())}
    made = estimated(settings, known, announced_limits(lake), tokens, target)
    if json_:
        print_json(made.as_json())
    else:
        _print_estimate(made)


@contextmanager
def _asking() -> "Iterator[Live]":
    """A live display of a night under way; Ctrl-C ends the command cleanly."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24),
        TextColumn("{task.fields[told]}"), TimeElapsedColumn(),
    )  # fmt: skip
    shown = Progress(*columns, console=err, transient=True, disable=not err.is_terminal)
    try:
        with shown:
            yield Live(shown)
    except KeyboardInterrupt:
        err.print("Interrupted: what was answered is kept, and the next call goes on there.")
        raise typer.Exit(INTERRUPTED) from None


class Live:
    """Shows a night: a bar for the stage, one for what each account may still ask."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._bars: dict[str, TaskID] = {}

    def __call__(self, stand: "Stand | str") -> None:
        """Show where the night stands."""
        from assets.mining.accounting import duration

        if isinstance(stand, str):
            self._bar("", escape(stand), None, None, "")
            return
        told = f"{stand.done:,} of {stand.total:,}, {stand.rate_per_second:,.1f}/s"
        if stand.eta_seconds is not None and stand.done < stand.total:
            told += f", {duration(stand.eta_seconds)} left"
        told += f", {stand.request_count:,} requests"
        self._bar("", escape(stand.stage), stand.done, stand.total, told)
        for state in stand.budgets:
            name = f"{state.kind} {state.account}"
            left = "?" if state.remaining is None else f"{state.remaining:,.0f}"
            limit = "?" if state.limit is None else f"{state.limit:,.0f}"
            self._bar(name, f"  {name}", state.remaining, state.limit, f"{left} of {limit} left")

    def _bar(self, key: str, text: str, done: float | None, total: float | None, told: str) -> None:
        if key not in self._bars:
            self._bars[key] = self._shown.add_task(text, total=None, told="")
        self._shown.update(
            self._bars[key], description=text, completed=done or 0, total=total, told=told
        )


def _lake(settings: Settings) -> "Lake":
    from orchestration.lake import Lake

    return Lake(settings.lake_root)


# ---------------------------------------------------------------- after a night


def _print_night(settings: Settings, source: str, as_json: bool) -> None:
    """The ledger of the newest night, what became of its questions and what it cost."""
    from assets.mining import accounting

    lake = _lake(settings)
    tables = _ledger(lake, source)
    day = max((row["day"] for row in tables), default=None)
    outcomes = accounting.outcomes(lake, source, day) if day else []
    spending = accounting.spending(lake, source, day) if day else []
    if as_json:
        print_json({"tables": tables, "outcomes": outcomes, "requests": spending})
        return
    _print_rows(tables, ("table", "day", "name", "state", "row_count", "duplicate_count", "reason"))
    if outcomes:
        _print_rows(outcomes, tuple(outcomes[0]))
    if spending:
        _print_rows(spending, tuple(spending[0]))
    out.print(escape(f"{day or 'nothing'}: {accounting.in_words(spending)}"))


def _ledger(lake: "Lake", source: str) -> list[dict[str, Any]]:
    """The manifests' rows of each table's newest day."""
    from orchestration import keys

    snapshot = keys.GITHUB_SNAPSHOT if source == GITHUB else keys.HUB_SNAPSHOT
    return [
        {"table": key.path[-1], "day": day, **entry}
        for key in snapshot
        for day in lake.days(source, key.path[-1])[-1:]
        for entry in lake.partition(source, key.path[-1], day).entries()
    ]


def _print_rows(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    table = Table(*[name.removesuffix("_count").replace("_", " ") for name in names], box=None)
    for row in rows:
        table.add_row(*(escape(_cell(row.get(name))) for name in names))
    _print_wide(table)


def _print_wide(table: Table) -> None:
    """A table whose cells are never cut where the output is no terminal."""
    Console(highlight=False, width=max(LEAST_WIDTH, out.width)).print(table)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int | float) else str(value)


# ---------------------------------------------------------------- estimates


def _as_if(
    settings: Settings, stocks: int | None, histories: int | None, hub: int | None
) -> Settings:
    """The settings with other sizes of the study."""
    on_github = {"repository_limit": stocks, "history_limit": histories}
    changed = {name: value for name, value in on_github.items() if value is not None}
    on_hub = {} if hub is None else {"history_limit": hub}
    return settings.model_copy(
        update={
            "github": settings.github.model_copy(update=changed),
            "huggingface": settings.huggingface.model_copy(update=on_hub),
        }
    )


def _told(stocks: int | None, hub: int | None) -> dict[str, Any]:
    """Sizes that were given as options."""
    from assets.mining.classes import Fact

    found = {}
    if stocks is not None:
        found["github.repositories"] = Fact(stocks, "--github-repositories")
    if hub is not None:
        found["hub.models"] = Fact(hub, "--hub-repositories")
    return found


def _print_estimate(made: "Estimate") -> None:
    for platform in made.platforms:
        out.print(f"[bold]{platform.name}[/]: {_tokens(platform.tokens)}")
        if platform.note:
            out.print(f"  {escape(platform.note)}")
        for night in platform.nights:
            _print_planned(platform, night, made.target_hours)
        for budget, limit in platform.limits.items():
            out.print(
                f"  limit of {budget}: {limit.points:,.0f} in {limit.seconds:,.0f} s for each "
                f"account ({limit.source})"
            )
    out.print("What these numbers rest on:")
    for line in _grounds(made):
        out.print(f"  {escape(line)}")


def _print_planned(platform: "Platform", night: "Night", target_hours: float) -> None:
    table = Table(
        "  " + night.name + " night", "budget", "questions", "requests", "points", box=None
    )
    for item in night.items:
        table.add_row(
            f"  {item.kind}", item.budget, *(f"{n:,.0f}" for n in (item.questions, item.requests)),
            f"{item.points:,.0f}",
        )  # fmt: skip
    totals = (sum(item.requests for item in night.items), sum(night.points.values()))
    table.add_row("  all", "", "", *(f"{total:,.0f}" for total in totals))
    _print_wide(table)
    took = "nothing is asked" if night.hours is None else _hours(night.hours)
    out.print(
        f"  with {_tokens(platform.tokens)}: {took}; within {target_hours:g} h: "
        f"{_needed(platform, night.needed)}"
    )


def _needed(platform: "Platform", needed: "Needed | None") -> str:
    from assets.mining.estimate import MOST_TOKENS, MOST_WORKERS

    if needed is None:
        return f"not with {MOST_TOKENS:,} tokens and {MOST_WORKERS} workers"
    if needed.workers <= platform.workers:
        return _tokens(needed.tokens)
    return f"{_tokens(needed.tokens)} and {platform.name}.workers = {needed.workers}"


def _grounds(made: "Estimate") -> list[str]:
    """Each ground once, with the classes of requests that rest on it."""
    found: dict[str, list[str]] = {}
    for platform in made.platforms:
        for night in platform.nights:
            for item in night.items:
                for ground in item.basis:
                    users = found.setdefault(ground, [])
                    if f"{platform.name} {item.kind}" not in users:
                        users.append(f"{platform.name} {item.kind}")
    answer = made.facts["answer_seconds"]
    pace = f"{answer.value:g} s for an answer ({answer.source}): hours"
    return [*(f"{ground}: {', '.join(users)}" for ground, users in found.items()), pace]


def _tokens(count: int) -> str:
    return "no token" if not count else f"{count} token" + ("s" if count > 1 else "")


def _hours(hours: float) -> str:
    from assets.mining.accounting import duration

    return "never" if math.isinf(hours) else f"about {duration(hours * 3600)}"
