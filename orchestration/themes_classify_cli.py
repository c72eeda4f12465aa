"""The command `osmoscope themes classify`: any labels, learned from a table, for another table.

Belongs here: options, which coder is taken, what is printed. Does not belong here: coders, reading
and writing of tables (`assets.study.themes`). Errors and exit codes are those of
`orchestration.cli`.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from orchestration.failures import PermanentFailure, SettingsError, TransientFailure
from orchestration.terminal import working

if TYPE_CHECKING:
    import pyarrow as pa

    from assets.study.themes.coding import Coder, Coding, Text
    from assets.study.themes.files import Answer, Labelled, Table

OTHERS = "others"
SEED = 2016

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class CoderName(StrEnum):
    """Coders that can be chosen."""

    linear = "linear"
    encoder = "encoder"
    llm = "llm"


def classify(
    file: Annotated[
        Path, typer.Argument(help="CSV or Parquet with columns title, body and where known repo.")
    ],
    target: Annotated[Path, typer.Option("--out", help="Result, .csv, .csv.gz or .parquet.")],
    train: Annotated[
        Path | None,
        typer.Option(help="Texts to learn from: the same columns and label. Not for llm."),
    ] = None,
    coder: Annotated[
        CoderName | None,
        typer.Option(help="By default encoder where its packages are installed, else linear."),
    ] = None,
    abstain: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Below this probability a text gets --abstain-label; its probabilities stay.",
        ),
    ] = 0.0,
    abstain_label: Annotated[str, typer.Option(help="The label of what is unsure.")] = OTHERS,
    by_repository: Annotated[
        bool | None,
        typer.Option(
            "--by-repository/--pooled",
            help="Whether repositories get weights of their"
            " own; by default where both tables have the column repo.",
        ),
    ] = None,
    score: Annotated[
        bool, typer.Option("--score", help="Compare with the labels that the input has.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="The same seed, the same result.")] = SEED,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Label texts by what labelled texts teach: all rows in their order, label, probabilities.

    The result has the input's columns, label and probability_<label> of each label. A column of the
    input with such a name is kept with _given behind it, and is never read but by --score.
    """  # fmt: skip
    from assets.study.themes.files import check_target, open_table

    chosen = coder or default_coder()
    check_target(target)
    table = open_table(file, is_labelled=score)
    if _is_same(file, target):
        raise SettingsError("--out is the input itself.", "Choose another file.")
    run = Run(table, abstain, abstain_label, is_scored=score)
    if chosen is CoderName.llm:
        if train is not None:
            err.print("A language model learns nothing here: --train is not read.")
        with _language_model() as asked:
            run.write(target, asked)
            stop = asked.stop
    else:
        run.write(target, run.trained(chosen, train, by_repository, seed))
        stop = None
    told = run.told(chosen, target)
    if json_:
        print(json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        _print(told)
    if stop is not None:
        failure = PermanentFailure if stop.kind == "permanent" else TransientFailure
        raise failure(stop.message, stop.remedy)


def default_coder() -> CoderName:
    """The best coder that is installed and needs neither key nor network."""
    try:
        from assets.study.themes.encoder.local import is_installed
    except ModuleNotFoundError:
        return CoderName.linear
    return CoderName.encoder if is_installed() else CoderName.linear


def _is_same(one: Path, other: Path) -> bool:
    return other.exists() and one.resolve() == other.resolve()


@contextmanager
def _language_model() -> Iterator[Any]:
    """The coder of the settings' language model."""
    from assets.study.themes.llm.answers import open_store
    from assets.study.themes.llm.coder import LlmCoder
    from assets.study.themes.llm.config import config_of
    from orchestration.settings import Settings

    settings = Settings.load()
    config = config_of(getattr(getattr(settings.study, "themes", None), "llm", None))
    if config.provider == "off":
        raise SettingsError(
            "No language model is chosen.", "Set provider and model in study.themes.llm."
        )
    with open_store(settings.data_dir / "themes" / "answers") as store:
        yield LlmCoder(config, store)


@dataclass
class Run:
    """One call: what is coded, and what is told of it afterwards."""

    table: "Table"
    abstain: float
    instead: str
    is_scored: bool
    labelled: "Labelled | None" = None
    by_repository: bool = False
    coder: "Coder | None" = None
    train_seconds: float | None = None
    code_seconds: float = 0.0
    rows: int = 0
    uncoded: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    renamed: dict[str, str] = field(default_factory=dict)
    judged: list[tuple[str, str, str | None]] = field(default_factory=list)

    def trained(
        self, name: CoderName, train: Path | None, by_repository: bool | None, seed: int
    ) -> "Coder":
        """A coder fitted on the table of labelled texts."""
        from assets.study.themes.codebook import THEMES
        from assets.study.themes.files import read_labelled

        if train is None:
            raise SettingsError(
                f"The coder {name} learns from labelled texts.", "Give them with --train."
            )
        with working("reading labelled texts"):
            self.labelled = known = read_labelled(train, THEMES)
        has_both = known.has_repositories and self.table.repository is not None
        self.by_repository = has_both if by_repository is None else by_repository
        if self.by_repository and not has_both:
            raise SettingsError(
                "--by-repository needs to know where texts were posted.",
                "Give both tables the column repo, or use --pooled.",
            )
        started = time.perf_counter()
        with working("training"):
            fitted = _fit(name, known, self.by_repository, seed)
        self.train_seconds = time.perf_counter() - started
        return fitted

    def write(self, target: Path, coder: Any) -> None:
        """Code all rows of the table into a file."""
        from assets.study.themes.files import write_answers

        self.coder = coder
        with _counting() as told:
            self.renamed = write_answers(target, self.table, coder.labels, self._answers(told))

    def _answers(self, told: Any) -> "Iterator[tuple[pa.RecordBatch, Answer]]":
        from assets.study.themes.files import answer_of

        for batch in self.table.batches():
            texts = self.table.texts(batch, self.rows, is_plain=not self._sees_repositories)
            coding = self._coded(texts)
            answer = answer_of(coding, [text.key for text in texts], self.abstain, self.instead)
            self.rows += batch.num_rows
            self.counts.update(label for label in answer.labels if label)
            self.uncoded += answer.labels.count("")
            if self.is_scored:
                where = self.table.texts(batch, 0)
                self.judged += [
                    (true, said, text.repository)
                    for true, said, text in zip(
                        self.table.labels(batch), answer.labels, where, strict=True
                    )
                    if true
                ]
            told(self.rows)
            yield batch, answer

    @property
    def _sees_repositories(self) -> bool:
        return self.by_repository or self.labelled is None

    def _coded(self, texts: "list[Text]") -> "Coding":
        import numpy as np

        from assets.study.themes.coding import Coding

        coder: Any = self.coder
        # Who was stopped is not asked again: the rest of the rows stays without a label.
        if getattr(coder, "stop", None) is not None:
            nothing = np.zeros((0, len(coder.labels)))
            return Coding((), coder.labels, nothing, nothing.astype(bool))
        started = time.perf_counter()
        coding: Coding = coder.code(texts)
        self.code_seconds += time.perf_counter() - started
        return coding

    def told(self, name: CoderName, target: Path) -> dict[str, Any]:
        """What the call did, for people and scripts."""
        known = self.labelled
        return {
            "rows": self.rows,
            "out": str(target),
            "coder": name.value,
            "coder_version": None if self.coder is None else self.coder.version,
            "by_repository": self.by_repository,
            "trained_on": None if known is None else len(known.texts),
            "unlabelled_rows": None if known is None else known.unlabelled,
            "train_seconds": self.train_seconds,
            "texts_per_second": self.rows / self.code_seconds if self.code_seconds else None,
            "labels": dict(sorted(self.counts.items(), key=lambda one: (-one[1], one[0]))),
            "rows_without_label": self.uncoded,
            "renamed_columns": self.renamed,
            **({"score": self._score()} if self.is_scored else {}),
        }

    def _score(self) -> dict[str, Any]:
        """Figures against the input's labels; a label that nobody taught counts as missed."""
        import numpy as np

        from assets.study.themes.evaluate import figures

        coder: Any = self.coder
        names = [*coder.labels]
        names += sorted({true for true, _, _ in self.judged} - set(names))
        place = {label: at for at, label in enumerate(names)}
        true = np.array([place[label] for label, _, _ in self.judged], dtype=np.int64)
        said = np.array([place.get(label, -1) for _, label, _ in self.judged], dtype=np.int64)
        made = figures(true, said, names, [where for _, _, where in self.judged])
        return {
            "rows": len(self.judged), "macro_f1": made.macro_f1, "accuracy": made.accuracy,
            "by_repository": made.by_repository,
            "classes": {one.label: {"precision": one.precision, "recall": one.recall, "f1": one.f1,
                                    "count": one.count} for one in made.classes},
        }  # fmt: skip


def _fit(name: CoderName, known: "Labelled", by_repository: bool, seed: int) -> "Coder":
    if name is CoderName.linear:
        from assets.study.themes.linear import fit_linear

        return fit_linear(
            known.texts, known.targets, known.labels, seed=seed, by_repository=by_repository
        )
    try:
        from assets.study.themes.encoder.fit import fit_encoder
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"The coder encoder is not installed: {error}.", "Use --coder linear."
        ) from error
    return fit_encoder(
        known.texts, known.targets, known.labels, seed=seed, by_repository=by_repository
    )


@contextmanager
def _counting() -> Iterator[Any]:
    """Say on the error stream how many rows are coded."""
    columns = (SpinnerColumn(), TextColumn("coding {task.completed:,} rows"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:
        bar = shown.add_task("", total=None)
        yield lambda rows: shown.update(bar, completed=rows)


def _print(told: dict[str, Any]) -> None:
    if told["train_seconds"] is not None:
        ways = "by repository" if told["by_repository"] else "pooled"
        rest = told["unlabelled_rows"]
        out.print(
            f"Learned from {told['trained_on']:,} texts in {told['train_seconds']:.1f} s ({ways})"
            + (f"; {rest:,} rows have no label." if rest else ".")
        )
    speed = told["texts_per_second"]
    labels = ", ".join(f"{count:,} {name}" for name, count in told["labels"].items())
    out.print(
        escape(f"{told['rows']:,} rows by {told['coder']}: {labels or 'none'}")
        + (f" ({speed:,.0f} texts a second)." if speed else ".")
    )
    if told["rows_without_label"]:
        out.print(f"{told['rows_without_label']:,} rows have no label: nothing was said of them.")
    for old, new in told["renamed_columns"].items():
        out.print(escape(f"The input's column {old} is {new} in the result."))
    if "score" in told:
        made = told["score"]
        out.print(f"Macro F1 {made['macro_f1']:.3f} on {made['rows']:,} rows with a label.")
        for name, value in made["by_repository"].items():
            out.print(escape(f"  {name}: {value:.3f}"))
        for name, one in made["classes"].items():
            parts = ", ".join(
                f"{what} {'undefined' if one[key] is None else format(one[key], '.3f')}"
                for key, what in (("precision", "precision"), ("recall", "recall"), ("f1", "F1"))
            )
            out.print(escape(f"  {name}: {parts} ({one['count']:,})"))
    out.print(escape(told["out"]))
