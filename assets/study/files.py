"""Samples of any table: a frame in a file, drawn to a file, estimated from there.

Belongs here: reading frames and samples of Parquet or CSV, what a sample's file holds. Does not
belong here: drawing and estimating (`draw`, `estimators`), and what is printed (the command line).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from assets.study import certainty
from assets.study.allocation import Allocation, allocate
from assets.study.certainty import aligned
from assets.study.draw import MEMORY_MEGABYTES, OUT, Draw, draw, survey, workshop
from assets.study.estimators import Sample, sample_of
from assets.study.intensity import feature_rows
from assets.study.strata import BREAKS, Strata, is_certain
from orchestration.failures import PermanentFailure

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]
OURS = ("sample_stratum", "sample_frame_count", "sample_is_quota", "sample_weight",
        "sample_random_number", "sample_outcome", "sample_is_plain",
        "sample_certain_by")  # fmt: skip
NUMERIC = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT",
           "UINTEGER", "UBIGINT", "FLOAT", "DOUBLE", "DECIMAL")  # fmt: skip


@dataclass(frozen=True)
class Request:
    """What is to be drawn of a file.

    Attributes:
        unit: column with each row's id.
        by: column with its size, of which strata are classes.
        feature: column whose spread `neyman` follows; by default `by`.
        reject: column with the reason why a row does not belong (null: it does), for a second
            phase.
        reference: a file with the column `by`, whose distribution `matched` follows.
        take_all: column to the value from which on all are drawn; or `auto`: cut-offs from the
            frame's own numbers, of each of its columns.
        least: drawn of each stratum that has so many.
    """

    unit: str
    by: str
    allocation: Allocation
    size: int
    seed: int = 0
    feature: str | None = None
    reject: str | None = None
    reference: Path | None = None
    breaks: tuple[int, ...] = BREAKS
    take_all: Mapping[str, int] | Literal["auto"] = "auto"
    least: int = 2
    memory_megabytes: int = MEMORY_MEGABYTES

    @property
    def bounds(self) -> Mapping[str, int]:
        """The columns whose bounds were given."""
        return {} if self.take_all == "auto" else self.take_all


def draw_file(frame: Path, request: Request, out: Path) -> list[Row]:
    """Draw a sample of a file into a file; returns a row for each stratum.

    The file has the frame's columns of the rows drawn and those of `OURS`.

    Raises:
        PermanentFailure: a file cannot be read, a column is missing or not of numbers, an id is
            missing or occurs twice, or the size is too small.
    """
    with workshop(request.memory_megabytes) as connection, told_of(frame):
        source = source_of(frame)
        _check(connection, source, request, frame)
        strata = Strata(request.breaks, request.bounds)
        reference = _reference(connection, request)
        sql, certain_by = _with_cut_offs(connection, source, request, strata, reference)
        found = survey(connection, sql)
        target = allocate(
            request.allocation,
            request.size,
            found.frame_count,
            deviation=found.deviation,
            reference=aligned(found.number, found.frame_count, reference),
            is_take_all=is_certain(found.number),
            least=request.least,
        )
        made = draw(connection, sql, request.seed, found, target)
        _write(connection, source, request, strata, made, certain_by, out)
    return _rows(strata, made)


def estimate_file(sample: Path, value: str, by_bootstrap: bool = False) -> list[Row]:
    """Mean, medians, total and share of zeros of a column, as a sample's file tells them.

    Raises:
        PermanentFailure: the file cannot be read or is none that `draw_file` wrote, or the column
            is missing or not of numbers.
    """
    with workshop() as connection, told_of(sample):
        source = source_of(sample)
        kinds = kinds_of(connection, source)
        missing = [name for name in (*OURS, value) if name not in kinds]
        if missing:
            raise PermanentFailure(
                f"{sample} lacks the columns {', '.join(missing)}.",
                "Give a file that osmoscope sample draw wrote, and one of its columns.",
            )
        check_numeric(kinds, value)
        table = connection.sql(
            f"SELECT {', '.join(OURS)}, {quoted(value)}::DOUBLE AS sample_value FROM {source}"
        ).to_arrow_table()
    if not table.num_rows:
        raise PermanentFailure(f"{sample} has no rows.", "Draw a larger sample.")
    labels, first, at = np.unique(
        table["sample_stratum"].to_numpy(zero_copy_only=False),
        return_index=True, return_inverse=True,
    )  # fmt: skip
    drawn: Sample = sample_of(
        at,
        table["sample_frame_count"].to_numpy()[first],
        is_in=table["sample_outcome"].to_numpy(zero_copy_only=False) != OUT,
        is_quota=table["sample_is_quota"].to_numpy(zero_copy_only=False)[first],
        lonely="collapse",
    )
    values = table["sample_value"].to_numpy(zero_copy_only=False).astype(np.float64)
    row = {"value": value, "strata": len(labels),
           "frame_count": int(table["sample_frame_count"].to_numpy()[first].sum())}  # fmt: skip
    blank = dict.fromkeys(("unweighted_value", "weighted_value", "standard_error", "low", "high",
                           "interval_is", "method", "reason"))  # fmt: skip
    is_plain = table["sample_is_plain"].to_numpy(zero_copy_only=False).astype(bool)
    certain_by = json.loads(table["sample_certain_by"][0].as_py())
    unheld = None if value in certain_by else f"large {value} are not all taken whole"
    found = feature_rows(row, drawn, values, is_plain, unheld, by_bootstrap)
    return [{**blank, **one} for one in found]


def _with_cut_offs(
    connection: "duckdb.DuckDBPyConnection",
    source: str,
    request: Request,
    strata: Strata,
    reference: Mapping[int, int] | None,
) -> tuple[str, list[str]]:
    """The frame with what is taken whole, and the columns whose large values all are."""
    sql = _frame(source, request, strata, [])
    if request.take_all != "auto":
        return sql, []
    kinds = kinds_of(connection, source)
    names = [name for name in kinds if name not in (request.unit, request.reject)
             and _is_numeric(kinds[name])]  # fmt: skip
    features = [f"feature_{at}" for at in range(len(names))]
    sql = _frame(source, request, strata, names)
    spread_of = features[names.index(request.feature or request.by)]
    found = certainty.profile(connection, sql, features, spread_of)
    counterpart = aligned(found.number, found.frame_count, reference)
    plan = certainty.planned(request.allocation, request.least, found.frame_count, counterpart)
    cut = certainty.cut_offs(found, request.size, plan)
    return cut.apply(sql), names if cut.is_holding else []


def _frame(source: str, request: Request, strata: Strata, names: Sequence[str]) -> str:
    value = quoted(request.feature or request.by)
    reason = f"{quoted(request.reject)}::VARCHAR" if request.reject else "CAST(NULL AS VARCHAR)"
    features = "".join(f", {quoted(name)}::DOUBLE AS feature_{at}"
                       for at, name in enumerate(names))  # fmt: skip
    return (
        f"SELECT {quoted(request.unit)}::VARCHAR AS unit_key,"
        f" {strata.sql(quoted(request.by))} AS stratum_number, {value}::DOUBLE AS value,"
        f" {reason} AS reason, true AS is_known{features} FROM {source}"
    )


def _reference(connection: "duckdb.DuckDBPyConnection", request: Request) -> dict[int, int] | None:
    """Units of the reference population by stratum."""
    if request.allocation != "matched":
        return None
    if request.reference is None:
        raise PermanentFailure(
            "A matched allocation needs a reference population.", "Give it with --reference FILE."
        )
    with told_of(request.reference):
        source = source_of(request.reference)
        check_numeric(kinds_of(connection, source), request.by)
        number = Strata(request.breaks).sql(quoted(request.by))
        counted = connection.execute(
            f"SELECT {number}, count(*) FROM {source} GROUP BY ALL"
        ).fetchall()
    return {int(number): int(count) for number, count in counted}


def _check(
    connection: "duckdb.DuckDBPyConnection", source: str, request: Request, frame: Path
) -> None:
    kinds = kinds_of(connection, source)
    named = [request.unit, request.by, request.feature, request.reject, *request.bounds]
    missing = [name for name in named if name is not None and name not in kinds]
    if missing:
        raise PermanentFailure(
            f"{frame} lacks the columns {', '.join(missing)}.",
            f"Its columns are {', '.join(kinds)}.",
        )
    taken = [name for name in OURS if name in kinds]
    if taken:
        raise PermanentFailure(
            f"{frame} has columns that a sample adds: {', '.join(taken)}.",
            "Rename them, or draw from the frame and not from a sample.",
        )
    for name in (request.by, request.feature, *request.bounds):
        if name is not None:
            check_numeric(kinds, name)


def check_numeric(kinds: Mapping[str, str], name: str) -> None:
    """Refuse a column that is missing or holds no numbers."""
    if name not in kinds:
        raise PermanentFailure(f"There is no column {name}.", f"Columns: {', '.join(kinds)}.")
    if not _is_numeric(kinds[name]):
        raise PermanentFailure(
            f"The column {name} holds {kinds[name]}, not numbers.", "Name a column of numbers."
        )


def _is_numeric(kind: str) -> bool:
    return kind.split("(")[0] in NUMERIC


def kinds_of(connection: "duckdb.DuckDBPyConnection", source: str) -> dict[str, str]:
    """Columns of a relation and their types."""
    found = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    return {str(row[0]): str(row[1]) for row in found}


def _write(
    connection: "duckdb.DuckDBPyConnection",
    source: str,
    request: Request,
    strata: Strata,
    made: Draw,
    certain_by: Sequence[str],
    out: Path,
) -> None:
    """The rows drawn with all columns of theirs, in the order of strata and random numbers."""
    import pyarrow as pa

    keys = made.members["unit_key"]
    weight = made.sample().weight if made.members.num_rows else np.empty(0)
    at = np.searchsorted(made.number, made.members["stratum_number"].to_numpy())
    labels = np.array([strata.label(number) for number in made.number.tolist()], object)
    connection.register("drawn", pa.table({
        "unit_key": keys,
        "place": np.arange(len(keys)),
        "sample_stratum": pa.array(labels[at], pa.string()),
        "sample_frame_count": made.frame_count[at],
        "sample_is_quota": made.is_quota[at],
        "sample_weight": weight,
        "sample_random_number": made.members["random_number"],
        "sample_outcome": made.members["outcome"],
        "sample_is_plain": made.is_plain,
        "sample_certain_by": pa.repeat(pa.scalar(json.dumps(certain_by)), len(keys)),
    }))  # fmt: skip
    form = "(FORMAT parquet)" if out.suffix == ".parquet" else "(FORMAT csv, HEADER)"
    columns = ", ".join(f"drawn.{name}" for name in OURS)
    found = connection.execute(
        f"COPY (SELECT frame.*, {columns} FROM {source} AS frame INNER JOIN drawn"
        f" ON frame.{quoted(request.unit)}::VARCHAR = drawn.unit_key ORDER BY drawn.place)"
        f" TO {_literal(out)} {form}"
    ).fetchall()
    if found[0][0] != len(keys):
        out.unlink()
        raise PermanentFailure(
            f"An id occurs more than once: {len(keys)} units were drawn and {found[0][0]} rows "
            "have their ids.",
            f"Name a column whose values are unique instead of {request.unit}.",
        )


def _rows(strata: Strata, made: Draw) -> list[Row]:
    weight = made.sample().weight if made.members.num_rows else np.empty(0)
    of = made.members["stratum_number"].to_numpy()
    return [
        {
            "stratum": strata.label(number),
            "frame_count": int(made.frame_count[at]),
            "target_count": int(made.target_count[at]),
            "drawn_count": int(made.drawn_count[at]),
            "rejected_count": int(made.rejected_count[at]),
            "sample_count": int(made.drawn_count[at] - made.rejected_count[at]),
            "weight": float(weight[of == number].max(initial=0.0)) or None,
        }
        for at, number in enumerate(made.number.tolist())
    ]


def source_of(path: Path) -> str:
    """The file as a relation in SQL.

    Raises:
        PermanentFailure: there is none.
    """
    if not path.is_file():
        raise PermanentFailure(f"There is no file {path}.", "Check its path.")
    reader = "read_parquet" if path.suffix == ".parquet" else "read_csv"
    return f"{reader}({_literal(path)})"


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def quoted(name: str) -> str:
    """A column's name in SQL."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def told_of(path: Path) -> Iterator[None]:
    """What DuckDB says of a file as a failure that names the file."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise PermanentFailure(
            f"{path} cannot be used: {str(error).splitlines()[0]}",
            "Give a Parquet file, or a CSV file with a header.",
        ) from error
