"""The commands that let a language model code any table of texts, and say before what that takes.

Belongs here: options, reading and writing the tables, what is printed. Does not belong here: asking
(assets.study.themes.llm). Errors and exit codes are those of `orchestration.cli`; a run that is
interrupted with Ctrl-C ends with 130, and what was answered is written and kept.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from orchestration.failures import PermanentFailure, SettingsError, TransientFailure
from orchestration.settings import Settings
from orchestration.spreadsheets import harmless
from orchestration.terminal import working

if TYPE_CHECKING:
    from assets.study.themes.coding import Coding, Text
    from assets.study.themes.llm.coder import LlmCoder
    from assets.study.themes.llm.config import LlmConfig
    from assets.study.themes.llm.costs import Estimate
    from assets.study.themes.llm.run import Progress as Stand

INTERRUPTED = 130
REASONS_SHOWN = 5
WRITTEN = (".parquet", ".csv")
KEY = "key"

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

TextFile = Annotated[Path, typer.Argument(help="CSV or Parquet with columns title and body.")]
KeyColumn = Annotated[
    str | None,
    typer.Option("--key", help="Column that names each text; else `key`, else the row's number."),
]
Provider = Annotated[
    str | None,
    typer.Option(help="anthropic, or openai for any compatible endpoint; else study.themes.llm."),
]
ModelName = Annotated[str | None, typer.Option("--model", help="The endpoint's name of the model.")]
BaseUrl = Annotated[str | None, typer.Option(help="Endpoint, such as a server of your own.")]
KeyVariable = Annotated[
    str | None, typer.Option(help="NAME of the environment variable with the endpoint's key.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def llm_estimate(
    file: TextFile,
    key: KeyColumn = None,
    provider: Provider = None,
    model: ModelName = None,
    base_url: BaseUrl = None,
    api_key_variable: KeyVariable = None,
    json_: Json = False,
) -> None:
    """Say how many tokens and how much money coding a table takes; asks nobody, needs no key."""
    changed = _given(provider=provider, model=model, base_url=base_url,
                     api_key_variable=api_key_variable)  # fmt: skip
    with working("counting"), _coder(changed) as coder:
        made = coder.estimate(_texts_of(file, key))
    told = {"model": coder.config.model, "endpoint": coder.config.endpoint, **asdict(made)}
    if json_:
        _print_json(told)
        return
    for line in _lines_of(coder.config, made):
        out.print(escape(line))


def llm_code(
    file: TextFile,
    to: Annotated[Path, typer.Option("--out", help="Parquet or CSV file for the codings.")],
    key: KeyColumn = None,
    provider: Provider = None,
    model: ModelName = None,
    base_url: BaseUrl = None,
    api_key_variable: KeyVariable = None,
    max_cost: Annotated[
        float | None, typer.Option(min=0, help="Stop before so many US dollars are exceeded.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=0, help="Stop before so many tokens are exceeded.")
    ] = None,
    max_requests: Annotated[
        int | None, typer.Option(min=0, help="Stop after so many requests.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also ask for texts that could not be coded before.")
    ] = False,
    json_: Json = False,
) -> None:
    """Code a table by a language model; repeated, it asks only what is missing."""
    _check_name(to)
    changed = _given(provider=provider, model=model, base_url=base_url, max_cost=max_cost,
                     api_key_variable=api_key_variable, max_tokens=max_tokens,
                     max_requests=max_requests)  # fmt: skip
    with _coder(changed) as coder:
        texts = _texts_of(file, key)
        coder.is_asking_again = again
        coding, is_interrupted = _coded(coder, texts)
    write_codings(to, texts, coding, coder)
    told = {
        "out": str(to), "coder_version": coder.version, "texts": len(texts),
        "coded": len(coding.keys), "uncoded": len(coder.uncoded), "stopped": coding.stopped,
        **asdict(coder.spent),
    }  # fmt: skip
    if json_:
        _print_json(told)
    else:
        _print_outcome(to, coding, coder)
    if is_interrupted:
        err.print("Interrupted: what was answered is kept, and the next call goes on there.")
        raise typer.Exit(INTERRUPTED)
    if coder.stop is not None:
        is_final = coder.stop.kind == "permanent"
        raise (PermanentFailure if is_final else TransientFailure)(
            coder.stop.message, coder.stop.remedy
        )


def _coded(coder: "LlmCoder", texts: Sequence["Text"]) -> tuple["Coding", bool]:
    """The coding, and whether it was interrupted."""
    with _asking(coder):
        try:
            return coder.code(texts), False
        except KeyboardInterrupt:
            return coder.kept(texts, "Interrupted."), True


@contextmanager
def _asking(coder: "LlmCoder") -> Iterator[None]:
    """A bar of the texts asked, with failures and costs."""
    columns = (
        SpinnerColumn(), TextColumn("asking"), BarColumn(bar_width=24),
        TextColumn("{task.fields[told]}"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:
        bar = shown.add_task("", total=None, told="")

        def report(stand: "Stand") -> None:
            told = f"{stand.done:,} of {stand.total:,}, {stand.spent.tokens:,} tokens"
            if stand.spent.cost is not None:
                told += f", {stand.spent.cost:,.2f} US dollars"
            if stand.failed:
                told += f", {stand.failed:,} without a coding"
            shown.update(bar, completed=stand.done, total=stand.total, told=told)

        coder.on_progress = report
        yield


# ---------------------------------------------------------------- the coder


@contextmanager
def _coder(changed: Mapping[str, Any]) -> "Iterator[LlmCoder]":
    """The coder of the settings, with what the options change."""
    from assets.study.themes.llm.answers import open_store
    from assets.study.themes.llm.coder import LlmCoder
    from assets.study.themes.llm.config import config_of

    settings = Settings.load()
    section = getattr(getattr(settings.study, "themes", None), "llm", None)
    config = replace(config_of(section), **changed)
    if config.provider == "off":
        raise SettingsError(
            "No language model is chosen.",
            "Give --provider and --model, or set provider and model in study.themes.llm.",
        )
    with open_store(settings.data_dir / "themes" / "answers") as store:
        yield LlmCoder(config, store)


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


# ---------------------------------------------------------------- tables


def _texts_of(path: Path, key: str | None) -> list["Text"]:
    """The texts of a file, in its order.

    Raises:
        PermanentFailure: it cannot be read, lacks a column, or has a row without a key.
    """
    from assets.study.themes.files import open_table

    table = open_table(path)
    named = key or (KEY if KEY in table.columns else None)
    if named is not None and named not in table.columns:
        raise PermanentFailure(
            f"{path} has no column {named}.", f"Its columns are {', '.join(table.columns)[:500]}."
        )
    texts: list[Text] = []
    for batch in table.batches():
        found = table.texts(batch, len(texts))
        if named is not None:
            keys = batch.column(table.columns.index(named)).to_pylist()
            found = [replace(text, key="" if own is None else str(own))
                     for text, own in zip(found, keys, strict=True)]  # fmt: skip
        texts += found
    keyless = sum(not text.key for text in texts)
    if keyless:
        raise PermanentFailure(
            f"{path} has {keyless:,} rows without a {named}.", "Give each text a key of its own."
        )
    return texts


def _check_name(path: Path) -> None:
    if path.suffix.lower() not in WRITTEN:
        raise PermanentFailure(
            f"{path} is neither CSV nor Parquet by its name.", "Let --out end in .csv or .parquet."
        )
    if not path.parent.is_dir():
        raise PermanentFailure(f"There is no folder {path.parent}.", "Make it first.")


def write_codings(path: Path, texts: Sequence["Text"], coding: "Coding", coder: "LlmCoder") -> None:
    """One row a text, in order; without a coding, its `problem` says why.

    The file appears under its name when it is complete. In CSV, what a spreadsheet would take for
    a formula gets an apostrophe in front.

    Raises:
        PermanentFailure: it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    from orchestration.lake import PRIVATE_FILE, writing

    is_csv = path.suffix.lower() == ".csv"
    table = pa.Table.from_pylist(
        [_safe(row) if is_csv else row for row in _rows(texts, coding, coder)], _schema(coder)
    )
    write = pa.csv.write_csv if is_csv else pa.parquet.write_table
    # What strangers wrote is for the eyes of who asked.
    with writing(path, "Give another --out: what was answered is kept.", PRIVATE_FILE) as temporary:
        write(table, temporary)


def _schema(coder: "LlmCoder") -> Any:
    import pyarrow as pa

    figures = [(f"probability_{label}", pa.float64()) for label in coder.labels]
    return pa.schema(
        [("key", pa.string()), ("theme", pa.string()), ("probability", pa.float64()),
         ("themes", pa.string()), *figures, ("code", pa.string()), ("rationale", pa.string()),
         ("problem", pa.string()), ("coder_version", pa.string())]
    )  # fmt: skip


def _rows(
    texts: Sequence["Text"], coding: "Coding", coder: "LlmCoder"
) -> Iterator[dict[str, object]]:
    place = {key: number for number, key in enumerate(coding.keys)}
    primary = coding.primary.tolist()
    for text in texts:
        row: dict[str, object] = {"key": text.key, "coder_version": coder.version}
        at = place.get(text.key)
        if at is None:
            yield {**row, "problem": coder.uncoded.get(text.key)}
            continue
        figures = coding.probabilities[at].tolist()
        holds = [label for label, is_so in zip(coding.labels, coding.applies[at], strict=True)
                 if is_so]  # fmt: skip
        yield {
            **row,
            "theme": coding.labels[primary[at]],
            "probability": figures[primary[at]],
            "themes": "; ".join(holds),
            **{
                f"probability_{label}": one
                for label, one in zip(coding.labels, figures, strict=True)
            },
            "code": coding.codes[at] if coding.codes else None,
            "rationale": coding.rationales[at] if coding.rationales else None,
        }


def _safe(row: dict[str, object]) -> dict[str, object]:
    return {
        name: harmless(value) if isinstance(value, str) else value for name, value in row.items()
    }


# ---------------------------------------------------------------- what is printed


def _lines_of(config: "LlmConfig", made: "Estimate") -> Iterator[str]:
    from assets.study.themes.llm.config import why_off

    yield f"{config.model} at {config.endpoint}"
    yield (
        f"{made.texts:,} texts: {made.kept:,} answered before, {made.empty:,} empty,"
        f" {made.failed:,} that could not be coded; the rest takes {made.requests:,} requests"
    )
    yield (
        f"Input   about {made.input_tokens:,} tokens (give or take {made.error:.0%}),"
        f" at most {made.input_tokens_most:,}"
    )
    yield (
        f"Output  about {made.output_tokens:,} tokens ({made.output_source}),"
        f" at most {made.output_tokens_most:,}"
    )
    if made.cost is None or made.cost_most is None:
        yield "Cost    unknown: no price is listed; set input_price and output_price"
    else:
        yield (
            f"Cost    about {made.cost:,.2f} US dollars, at most {made.cost_most:,.2f}"
            f" (prices of {made.price_source})"
        )
    off = why_off(config)
    if off is not None:
        yield f"It cannot be asked here yet: {off.reason}. {off.remedy}."


def _print_outcome(path: Path, coding: "Coding", coder: "LlmCoder") -> None:
    spent = coder.spent
    cost = "" if spent.cost is None else f", {spent.cost:,.4f} US dollars"
    out.print(
        f"{len(coding.keys):,} texts coded in {escape(str(path))}; {spent.requests:,} requests,"
        f" {spent.tokens:,} tokens{cost}"
    )
    if not coder.uncoded:
        return
    counts: dict[str, int] = {}
    for reason in coder.uncoded.values():
        counts[reason] = counts.get(reason, 0) + 1
    out.print(f"{len(coder.uncoded):,} texts have no coding:")
    for reason in sorted(counts, key=lambda one: -counts[one])[:REASONS_SHOWN]:
        out.print(escape(f"  {counts[reason]:,}: {reason}"))


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False))
