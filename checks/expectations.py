"""The adapter: a suite and a frame in, one outcome for each rule out.

Belongs here: reading a bounded frame, Great Expectations' context and results. Does not belong
here: rules (suites) and Dagster (assets).

The context lives in memory, for one evaluation: nothing is written and nothing is sent. Its
import takes seconds, so it happens only when something is evaluated.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checks.outcome import CheckOutcome, first_rows
from checks.suites import Rule, Suite
from checks.warehouse import reading
from orchestration.failures import PermanentFailure

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

# About 100 MB of the widest mart.
MOST_ROWS = 200_000
FAILING_ROWS = 5


@dataclass(frozen=True)
class Frame:
    """Rows to be judged.

    Attributes:
        rows: the columns of the suite.
        total: rows of the table.
        basis: how the rows were chosen, in words.
    """

    rows: "pd.DataFrame"
    total: int
    basis: str


def read_frame(warehouse: Path, suite: Suite, most_rows: int = MOST_ROWS) -> Frame:
    """The mart, or a fixed sample of it and the rows with each column's extremes.

    The sample is by hash of the key: the same table gives the same rows. The extremes make
    ranges exact however large the table is.

    Raises:
        PermanentFailure: the mart or a column is missing.
        TransientFailure: the warehouse is being written.
    """
    table = f"warehouse.marts.{suite.table}"
    columns = ", ".join(f'"{column}"' for column in suite.columns)
    with reading(warehouse=warehouse) as connection:
        counted = connection.execute(f"select count(*) from {table}").fetchone()
        total = int(counted[0]) if counted else 0
        if total <= most_rows:
            return Frame(
                connection.execute(f"select {columns} from {table}").df(), total, "all rows"
            )
        extremes = _extremes(connection, table, suite)
        key = ", ".join(f'"{column}"' for column in suite.key)
        rows = connection.execute(
            f"""
            select {columns} from {table}
            qualify row_number() over (order by hash({key}), {key}) <= $most
                or list_contains($extremes, hash({key}))
            """,
            {"most": most_rows, "extremes": extremes},
        ).df()
    basis = f"a fixed sample of {most_rows} rows, and the rows with the extremes of each column"
    return Frame(rows, total, basis)


def evaluate(suite: Suite, frame: Frame) -> list[CheckOutcome]:
    """The outcome of each rule, in the order of the suite.

    A rule that could not be evaluated has failed, whatever its severity says: as an error.

    Raises:
        PermanentFailure: two rules of the suite have one name.
    """
    names = [rule.name for rule in suite.rules]
    if len(set(names)) != len(names):
        raise PermanentFailure(f"Two rules of the suite of {suite.table} have the same name.")
    found = {
        result.expectation_config.meta["name"]: result for result in _validate(suite, frame.rows)
    }
    return [_outcome(rule, found.get(rule.name), frame) for rule in suite.rules]


def _extremes(connection: "duckdb.DuckDBPyConnection", table: str, suite: Suite) -> list[int]:
    """Hashes of the keys of the rows with the smallest and largest value of each column."""
    key = ", ".join(f'"{column}"' for column in suite.key)
    picks = ", ".join(
        f'arg_{end}(hash({key}), "{column}")' for column in suite.columns for end in ("min", "max")
    )
    row = connection.execute(f"select {picks} from {table}").fetchone() or ()
    return sorted({value for value in row if value is not None})


def _validate(suite: Suite, rows: "pd.DataFrame") -> Sequence[Any]:
    """Results of Great Expectations for a frame."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )
    from great_expectations.expectations.expectation_configuration import (
        ExpectationConfiguration,
    )
    from great_expectations.expectations.metadata_types import FailureSeverity

    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            analytics_enabled=False,
            progress_bars=ProgressBarsConfig(globally=False),
            store_backend_defaults=InMemoryStoreBackendDefaults(),
        ),
    )
    asset = context.data_sources.add_pandas("marts").add_dataframe_asset(suite.table)
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": rows})
    severities = {"error": FailureSeverity.CRITICAL, "warn": FailureSeverity.WARNING}
    expectations = [
        ExpectationConfiguration(
            type=rule.expectation,
            kwargs=dict(rule.arguments),
            meta={"name": rule.name},
            severity=severities[rule.severity],
        )
        for rule in suite.rules
    ]
    result = batch.validate(
        gx.ExpectationSuite(name=suite.table, expectations=expectations),
        result_format={
            "result_format": "SUMMARY",
            "unexpected_index_column_names": list(suite.key),
            "partial_unexpected_count": FAILING_ROWS,
        },
    )
    # pyrefly: ignore[missing-attribute] - the overload of one expectation is taken for that of a suite
    return list(result.results)


def _outcome(rule: Rule, result: Any, frame: Frame) -> CheckOutcome:
    metadata: dict[str, Any] = {
        "rule": f"{rule.expectation}: {_arguments(rule.arguments)}",
        "why": rule.why,
        "rows_in_table": frame.total,
        "rows_looked_at": len(frame.rows),
        "basis": frame.basis,
    }
    if result is None or _raised(result.exception_info):
        message = "no result" if result is None else _raised(result.exception_info)
        told = f"could not be evaluated: {message}"
        return CheckOutcome(rule.name, False, "error", told, metadata)
    details = result.result
    if "observed_value" in details:
        metadata["observed_value"] = str(_plain(details["observed_value"]))
    count = details.get("unexpected_count")
    if count is not None:
        metadata["failing_rows"] = int(count)
        metadata["rows_judged"] = int(details.get("element_count", 0))
    failing = details.get("partial_unexpected_index_list") or []
    if failing:
        metadata["examples"] = first_rows(
            [{str(name): _plain(value) for name, value in row.items()} for row in failing]
        )
    if result.success:
        return CheckOutcome(rule.name, True, rule.severity, "holds", metadata)
    if count is None:
        told = f"observed {metadata.get('observed_value', 'nothing')}"
    else:
        told = f"{count} of {metadata['rows_judged']} rows fail"
    return CheckOutcome(rule.name, False, rule.severity, f"{told} ({rule.why})", metadata)


def _raised(information: Mapping[str, Any] | None) -> str:
    """The first line of an exception in a result; empty where there was none.

    One exception is told flat, those of single metrics under their metric's name.
    """
    if not information:
        return ""
    if "raised_exception" in information:
        nested = [information]
    else:
        nested = [value for value in information.values() if isinstance(value, Mapping)]
    for one in nested:
        if one.get("raised_exception"):
            lines = str(one.get("exception_message") or "an exception").splitlines()
            return lines[0][:300]
    return ""


def _arguments(arguments: Mapping[str, Any]) -> str:
    shown = {
        name: value
        for name, value in arguments.items()
        if value is not None and name not in {"condition_parser", "ignore_row_if"}
    }
    return ", ".join(f"{name}={_plain(value)}" for name, value in shown.items())


def _plain(value: Any) -> str | int | float | bool | None:
    """A value of pandas or numpy as Python has it; times as text, not-a-number as None."""
    if hasattr(value, "item"):
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else value
    return value.isoformat() if isinstance(value, date | datetime) else str(value)
