"""A kept sample as its tables have it, for whatever is estimated of it.

Belongs here: strata and units of a design on a platform, with what is known of the units. Does not
belong here: drawing them (`sample`, `draw`), estimators (`estimators`), and what is estimated.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from assets.study.draw import OUT
from assets.study.estimators import Sample, sample_of
from assets.study.sample import MEMBER, STRATUM
from orchestration.failures import PermanentFailure

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


def strata_of(
    connection: "duckdb.DuckDBPyConnection", study: str, design: str, platform: str
) -> "pa.Table":
    """Stratum, frame_count, drawn_count and sampling_rate of each stratum, in their order."""
    return connection.sql(
        f"SELECT stratum, frame_count, drawn_count, sampling_rate FROM {STRATUM.name}"
        f" {_where(study, design, platform)} ORDER BY stratum_number",
    ).to_arrow_table()


def units_of(
    connection: "duckdb.DuckDBPyConnection",
    study: str,
    design: str,
    platform: str,
    columns: Mapping[str, str],
) -> "pa.Table":
    """The units drawn, rejected ones included, in the order of stratum and place.

    Args:
        columns: name to what is asked of a unit beside, as SQL over `member` and `activity`.

    Returns:
        repository_key, stratum, outcome, weight, is_plain and the columns.
    """
    asked = "".join(f", {sql} AS {name}" for name, sql in columns.items())
    return connection.sql(
        f"SELECT member.repository_key, stratum, outcome, weight, is_plain{asked}"
        f" FROM {MEMBER.name} AS member"
        " LEFT JOIN marts.mart_repository_activity AS activity USING (repository_key)"
        f" {_where(study, design, platform, 'member.')} ORDER BY stratum, place",
    ).to_arrow_table()


def designed(strata: "pa.Table", drawn: "pa.Table") -> Sample:
    """The sample of units, in their order; strata of which none is drawn are left out."""
    covered = [row for row in strata.to_pylist() if row["drawn_count"]]
    index = {row["stratum"]: at for at, row in enumerate(covered)}
    frame = [row["frame_count"] for row in covered]
    quota = [row["sampling_rate"] is None and row["drawn_count"] < row["frame_count"]
             for row in covered]  # fmt: skip
    return sample_of(
        [index[stratum] for stratum in drawn["stratum"].to_pylist()],
        frame,
        is_in=[outcome != OUT for outcome in drawn["outcome"].to_pylist()],
        is_quota=quota,
        lonely="collapse",
    )


def left_out(strata: "pa.Table") -> str | None:
    """What of the frame nobody stands for; None: nothing."""
    count = sum(row["frame_count"] for row in strata.to_pylist() if not row["drawn_count"])
    told = f"{count} repositories lie in strata of which nothing is drawn and are left out"
    return told if count else None


def limits(sample: Sample, told: Sample) -> str | None:
    """What it means that only some of a sample are known; None: all are.

    Args:
        told: those of `sample` that are known, standing for all (`estimators.responding`).
    """
    unknown = sample.count - told.count
    if not unknown:
        return None
    text = f"{unknown} repositories of the sample have no known value and are taken to be like " \
        "the others of their stratum"  # fmt: skip
    lacking = 1 - float(told.weight.sum()) / float(sample.weight.sum())
    if lacking > 1e-9:
        return f"{text}; strata with {lacking:.1%} of the repositories have none that is known"
    return text


def joined(*reasons: str | None) -> str | None:
    """Several limits of a reading as one text; None: there are none."""
    return "; ".join(text for text in reasons if text) or None


def _where(study: str, design: str, platform: str, table: str = "") -> str:
    """The names are validated settings: letters, digits and underscores."""
    for text in (study, design, platform):
        if not text.isidentifier():
            raise PermanentFailure("The name of a study has letters, digits and underscores only.")
    return (f"WHERE {table}study = '{study}' AND {table}design = '{design}'"
            f" AND {table}platform = '{platform}'")  # fmt: skip
