"""The commands `osmoscope actors`: classifying accounts of a file, training, and how well it does.

Belongs here: commands, options, what is printed, and where a trained model lies. Does not belong
here: the classification (assets.actors).

Errors and exit codes are those of `orchestration.cli`.
"""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestration.failures import PermanentFailure, SettingsError
from orchestration.settings import Settings
from orchestration.terminal import working

if TYPE_CHECKING:
    import pyarrow as pa

    from assets.actors.classify import Rules
    from assets.actors.evaluate import Evaluation, Figure

BATCH_ROWS = 50_000
LEAST_WIDTH = 130
FIRST_FOLDS = 2

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Who is a person, a bot, an AI agent: classify accounts of a file.",
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Labelled = Annotated[
    Path,
    typer.Argument(help="CSV or Parquet: a login column, bot (0 or 1), any feature columns."),
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="The same seed, the same result.")]


@app.command()
def classify(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV or Parquet with a column login, contributor or account, any feature columns."
        ),
    ],
    target: Annotated[Path, typer.Option("--out", help="Result, .csv or .parquet.")],
    policy: Annotated[
        str | None,
        typer.Option(help="Whose removals is_bot shows; by default the balanced decision."),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="A trained model; by default the installation's, if any.")
    ] = None,
    no_model: Annotated[bool, typer.Option("--no-model", help="Use no trained model.")] = False,
    json_: Json = False,
) -> None:
    """Classify the accounts of a file: login, class, is_bot, score, reasons."""
    from assets.actors.policies import POLICIES
    from assets.actors.tables import read_accounts, write_decisions

    chosen = next((known for known in POLICIES if known == policy), None)
    if policy is not None and chosen is None:
        raise SettingsError(
            f"The policy {policy!r} is unknown.", f"Choose one of {', '.join(POLICIES)}."
        )
    if model is not None and no_model:
        raise SettingsError("Both --model and --no-model are given.", "Give one of them.")
    rules, used = _rules(model, no_model)
    rules = rules.under(chosen)
    classes: Counter[str] = Counter()
    with working("classifying"):
        accounts = read_accounts(file)
        rows = write_decisions(target, _classified(accounts.table, rules, classes))
    summary = {
        "rows": rows,
        "out": str(target),
        "policy": chosen or "balanced",
        "model": None if used is None else str(used),
        "features": list(accounts.features),
        "classes": dict(sorted(classes.items())),
    }
    if json_:
        _print_json(summary)
        return
    told = ", ".join(f"{count:,} {name}" for name, count in sorted(classes.items()))
    by = "no model" if used is None else f"the model {used}"
    out.print(escape(f"{rows:,} accounts: {told} ({by}, {len(accounts.features)} features)."))
    out.print(escape(str(target)))


@app.command()
def train(
    file: Labelled,
    model: Annotated[
        Path | None, typer.Option(help="Where the model goes; by default the installation's.")
    ] = None,
    folds: Annotated[
        int, typer.Option(min=0, max=100, help="Folds for the figures it carries; below 2: none.")
    ] = 5,
    seed: Seed = 2016,
    json_: Json = False,
) -> None:
    """Fit a model on labelled accounts and keep it here; `classify` uses it from then on."""
    from assets.actors.classify import feature_matrix
    from assets.actors.evaluate import evaluate as evaluated
    from assets.actors.model import Labelled as Known
    from assets.actors.model import train as trained
    from assets.actors.tables import read_accounts

    target = model or Settings.load().actor_model_path
    accounts = read_accounts(file, labelled=True)
    if accounts.labels is None:
        raise PermanentFailure(f"{file} has no labels.", "Add the column bot.")
    known = Known(accounts.logins, feature_matrix(accounts.table), accounts.labels)
    with working("training"):
        made = trained(known, datetime.now(UTC).date(), seed)
        if folds >= FIRST_FOLDS:
            made = made.with_figures(_kept_figures(evaluated(accounts, folds, seed)))
        made.save(target)
    if json_:
        _print_json({"model": str(target), **made.metadata})
        return
    told = made.metadata
    out.print(
        f"{told['rows']:,} accounts ({told['bots']:,} bots), {len(told['features'])} features, "
        f"behaviour known of {told['rows_with_features']:,}."
    )
    for layer, figures in told["figures"].get("layers", {}).items():
        out.print(
            f"  {layer}, {folds} folds: "
            + ", ".join(f"{name} {_percent(value)}" for name, value in figures.items())
        )
    out.print(escape(str(target)))


@app.command()
def evaluate(
    file: Labelled,
    folds: Annotated[int, typer.Option(min=FIRST_FOLDS, max=100)] = 10,
    seed: Seed = 2016,
    keep: Annotated[
        str | None,
        typer.Option(help="Keep the figures under this name: the next report shows them."),
    ] = None,
    json_: Json = False,
) -> None:
    """Cross-validate each layer and the whole on labelled accounts."""
    from assets.actors.evaluate import evaluate as evaluated
    from assets.actors.tables import read_accounts
    from assets.study import classification

    with working("evaluating"):
        made = evaluated(read_accounts(file, labelled=True), folds, seed)
    if keep is not None:
        state_dir = Settings.load().state_dir
        classification.keep(state_dir, keep, datetime.now(UTC).date(), made.as_json())
    if json_:
        _print_json(made.as_json())
    else:
        _print_evaluation(made)


def _rules(model: Path | None, no_model: bool) -> "tuple[Rules, Path | None]":
    """The rules with the model that is to be used, and where that lies.

    A model that nobody named and that cannot be used is told of and left out.
    """
    from assets.actors.classify import Rules

    if no_model:
        return Rules.load(), None
    if model is not None:
        return Rules.load(model), model
    own = Settings.load().actor_model_path
    if not own.is_file():
        return Rules.load(), None
    try:
        return Rules.load(own), own
    except PermanentFailure as failure:
        err.print(escape(f"Classified without a model: {failure.message} {failure.remedy}"))
        return Rules.load(), None


def _classified(
    table: "pa.Table", rules: "Rules", classes: Counter[str]
) -> "Iterator[pa.RecordBatch]":
    """Decisions batch by batch; counts the classes on the way."""
    from assets.actors.classify import classify as classified

    for batch in table.to_batches(max_chunksize=BATCH_ROWS):
        decided = classified(batch, rules)
        classes.update(decided.column("actor_class").to_pylist())
        yield decided


def _kept_figures(made: "Evaluation") -> dict[str, Any]:
    """Of an evaluation, what a model carries with it."""
    return {
        "folds": made.fold_count,
        "layers": {
            row.layer: {
                "precision": row.precision.value, "recall": row.recall.value, "f1": row.f1.value
            }
            for row in made.rows
            if row.is_trained
        },
    }  # fmt: skip


def _print_evaluation(made: "Evaluation") -> None:
    console = Console(highlight=False, width=max(LEAST_WIDTH, out.width))
    console.print(
        f"{made.accounts:,} accounts, {made.bots:,} bots, {made.feature_count} features; "
        f"{made.fold_count} folds, seed {made.seed}; 95 % intervals by bootstrap"
    )
    table = Table("layer", "precision", "recall", "F1", "Brier", box=None)
    for row in made.rows:
        brier = "" if row.brier is None else f"{row.brier:.4f}"
        table.add_row(
            escape(row.layer),
            *(_shown(each) for each in (row.precision, row.recall, row.f1)),
            brier,
        )
    console.print(table)
    for layer, bins in made.reliability.items():
        console.print(f"\nAre scores probabilities? {escape(layer)}")
        told = Table("score", "accounts", "mean score", "share automated", box=None)
        for each in bins:
            told.add_row(
                f"{each.low:.2f}-{each.high:.2f}", f"{each.count:,}", f"{each.score_mean:.3f}",
                f"{each.automated_share:.3f}",
            )  # fmt: skip
        console.print(told)


def _shown(figure: "Figure") -> str:
    if figure.value is None:
        return "undefined"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f} ({figure.low:.3f}-{figure.high:.3f})"


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))
