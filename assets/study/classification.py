"""How well accounts are classified: evaluations that were kept, as a mart of the report.

Belongs here: keeping an evaluation, and the rows of `mart_actor_evaluation`. Does not belong here:
evaluating (`assets.actors.evaluate`). Only figures are kept, labelled accounts stay where they are.
"""

import json
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from assets.study.tables import StudyTable, replace_study, table_of
from orchestration.failures import PermanentFailure
from orchestration.lake import write_atomically

Row = dict[str, Any]
FOLDER = "evaluations"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,60}")
SHARES = ("precision", "recall", "f1")
TABLE = StudyTable(
    "marts.mart_actor_evaluation",
    "One row per study, set of labelled accounts and layer: how well accounts are classified.",
    (
        ("study", "VARCHAR NOT NULL", "Name of the study configuration."),
        ("set_name", "VARCHAR NOT NULL", "Name under which the evaluation was kept."),
        ("evaluated_on", "VARCHAR NOT NULL", "Day of the evaluation, UTC."),
        ("account_count", "BIGINT NOT NULL", "Labelled accounts."),
        ("bot_count", "BIGINT NOT NULL", "Of these, labelled as automated."),
        ("feature_count", "BIGINT NOT NULL", "Columns of behaviour that the set has."),
        ("fold_count", "BIGINT NOT NULL", "Folds of the cross-validation."),
        ("position", "BIGINT NOT NULL", "Place of the layer among the others, from 1."),
        ("layer", "VARCHAR NOT NULL", "What decided."),
        ("is_trained", "BOOLEAN NOT NULL", "Judged on folds that it was not fitted on."),
        *(
            (f"{share}{end}", "DOUBLE", f"{told}{of}; null where it is undefined.")
            for share, told in (
                ("precision", "Share of bots among those called one"),
                ("recall", "Share of the bots that were called one"),
                ("f1", "Harmonic mean of precision and recall"),
            )
            for end, of in (
                ("", ""),
                ("_low", ", lower end of the 95 % interval"),
                ("_high", ", upper end"),
            )
        ),
        ("brier", "DOUBLE", "Mean squared distance of the score from the label; null: no score."),
    ),
)


def keep(state_dir: Path, name: str, day: date, evaluation: Mapping[str, Any]) -> Path:
    """Keep an evaluation (`Evaluation.as_json()`) under a name; returns the file.

    Raises:
        PermanentFailure: the name is none.
    """
    if not NAME.fullmatch(name):
        raise PermanentFailure(
            f"{name!r} is no name for an evaluation.",
            "Use up to 61 letters, digits, blanks, '.', '_' and '-'.",
        )
    path = state_dir / "actors" / FOLDER / f"{name}.json"
    document = {"name": name, "evaluated_on": day.isoformat(), **evaluation}
    write_atomically(path, json.dumps(document, indent=1) + "\n")
    return path


def actor_evaluation(warehouse_path: Path, study: str, state_dir: Path) -> list[Row]:
    """Put the kept evaluations into the mart; returns its rows.

    Raises:
        PermanentFailure: a kept evaluation cannot be read, or there is no warehouse.
        TransientFailure: another process has the warehouse open.
    """
    files = sorted((state_dir / "actors" / FOLDER).glob("*.json"))
    rows = [row for file in files for row in _rows(file, study)]
    replace_study(warehouse_path, study, [(TABLE, table_of(TABLE, rows))])
    return rows


def _rows(file: Path, study: str) -> list[Row]:
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        return [_row(told, study, place, one) for place, one in enumerate(told["rows"], start=1)]
    except (ValueError, KeyError, TypeError) as error:
        raise PermanentFailure(
            f"The evaluation {file} cannot be read ({error!r}).",
            "Delete it, and keep it again with osmoscope actors evaluate.",
        ) from error


def _row(told: Mapping[str, Any], study: str, position: int, one: Mapping[str, Any]) -> Row:
    row: Row = {
        "study": study, "set_name": told["name"], "evaluated_on": told["evaluated_on"],
        "account_count": told["accounts"], "bot_count": told["bots"],
        "feature_count": told["feature_count"], "fold_count": told["fold_count"],
        "position": position, "layer": one["layer"], "is_trained": one["is_trained"],
        "brier": one["brier"],
    }  # fmt: skip
    for share in SHARES:
        figure = one[share]
        row |= {share: figure["value"], f"{share}_low": figure["low"],
                f"{share}_high": figure["high"]}  # fmt: skip
    return row
