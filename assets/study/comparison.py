"""The platform comparison: the three features of the study, GitHub against the Hub.

Belongs here: which columns carry a feature, which basis (flow or stock) is compared, and the
rows of `mart_platform_comparison` with their declared types and documentation. Does not belong
here: the estimators (`statistics`) and the repository table itself (dbt).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from assets.actors.policies import POLICIES
from assets.study.statistics.descriptives import summarise
from assets.study.statistics.multiplicity import holm
from assets.study.statistics.two_sample import MannWhitney, mann_whitney
from assets.study.tables import StudyTable, open_warehouse, replace_study, table_of
from orchestration.failures import PermanentFailure

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Basis = Literal["flow", "stock"]
Row = dict[str, Any]

PLATFORMS = ("github", "huggingface")
PLATFORM_NAMES = {"github": "GitHub", "huggingface": "Hugging Face Hub"}
# Feature: its column on either basis. Discussions are issues with their comments on GitHub;
# pull requests are not counted (study method, part A, RQ1).
FEATURES: Mapping[str, Mapping[Basis, str]] = {
    "commits": {"stock": "commit_stock_count", "flow": "commit_flow_count"},
    "discussions": {"stock": "discussion_stock_count", "flow": "issue_flow_count"},
    "stars": {"stock": "star_stock_count", "flow": "star_flow_count"},
}
INTENSITY = "intermediate.int_repository_intensity__measured"
INTENSITY_COLUMNS = (
    "platform",
    *(column for columns in FEATURES.values() for column in columns.values()),
)
# Data sets and spaces of the Hub are mined as well; the study is about models.
STUDIED = "repository_type IN ('repository', 'model')"
# The stock is what the paper compares, but a stock known only for a selected few (say, the
# most starred) describes the selection. From half of a platform's repositories on it is used.
ENOUGH_KNOWN_SHARE = 0.5

# Column, type, documentation: the one source for the table and its comments.
COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("study", "VARCHAR NOT NULL", "Name of the study configuration."),
    ("bot_policy", "VARCHAR NOT NULL", "Whose acts are left out; none leaves out nobody's."),
    ("feature", "VARCHAR NOT NULL", "commits, discussions (GitHub: issues) or stars (Hub: likes)."),
    (
        "github_basis",
        "VARCHAR",
        "flow (events over the covered days) or stock (what the API says).",
    ),
    ("huggingface_basis", "VARCHAR", "flow or stock, likewise."),
    ("github_count", "BIGINT NOT NULL", "GitHub repositories whose value is known."),
    ("huggingface_count", "BIGINT NOT NULL", "Hub repositories whose value is known."),
    ("github_mean", "DOUBLE", "Mean per GitHub repository."),
    ("huggingface_mean", "DOUBLE", "Mean per Hub repository."),
    ("github_median", "DOUBLE", "Median per GitHub repository."),
    ("huggingface_median", "DOUBLE", "Median per Hub repository."),
    ("github_maximum", "BIGINT", "Largest value of a GitHub repository."),
    ("huggingface_maximum", "BIGINT", "Largest value of a Hub repository."),
    (
        "mann_whitney_u",
        "DOUBLE",
        "Pairs (GitHub, Hub) in which GitHub is larger, ties counting one half.",
    ),
    (
        "p_value",
        "DOUBLE",
        "Two-sided, normal approximation with tie and continuity correction; never zero:"
        " 2.2250738585072014e-308 means at most this.",
    ),
    (
        "p_value_holm",
        "DOUBLE",
        "p_value adjusted by Holm over the measured features of the study and policy.",
    ),
    (
        "cliffs_delta",
        "DOUBLE",
        "2U/(mn) - 1, from -1 (Hub always larger) over 0 to 1 (GitHub always larger).",
    ),
    ("status", "VARCHAR NOT NULL", "measured or not_measurable."),
    ("reason", "VARCHAR", "Why not measurable, or what limits the reading; null: neither."),
)
TABLE = StudyTable(
    "marts.mart_platform_comparison",
    "One row per study, bot policy and feature: GitHub against the Hugging Face Hub, with test and"
    " effect size.",
    COLUMNS,
)


@dataclass(frozen=True)
class _Side:
    """One feature of one platform: the values known on the basis chosen."""

    platform: str
    basis: Basis | None
    values: Any
    reason: str | None


def compare_platforms(
    intensity: "pa.Table | duckdb.DuckDBPyRelation", study: str, policy: str
) -> list[Row]:
    """Rows of `mart_platform_comparison`, one per feature, in the order of `FEATURES`.

    Args:
        intensity: `int_repository_intensity__measured` under one policy, or at least its
            `INTENSITY_COLUMNS`: one row a repository; null is unknown.
        study: the name the rows carry.
        policy: whose acts were left out, likewise.

    Raises:
        PermanentFailure: a column is missing or not numeric.
    """
    table = _intensity_table(intensity)
    sides = {
        feature: [_side(table, platform, feature) for platform in PLATFORMS] for feature in FEATURES
    }
    rows = [_row(study, policy, feature, *pair) for feature, pair in sides.items()]
    measured = [row for row in rows if row["status"] == "measured"]
    adjusted = holm([row["p_value"] for row in measured])
    for row, p_value in zip(measured, adjusted, strict=True):
        row["p_value_holm"] = p_value
    return rows


def platform_comparison(warehouse_path: Path, study: str) -> list[Row]:
    """Compare under every policy and replace the study's rows; returns them.

    The warehouse is opened twice, read-only for the computation and shortly for the write, so
    that other readers are kept out only as long as needed.

    Raises:
        PermanentFailure: the warehouse or a model is missing.
        TransientFailure: another process has the warehouse open.
    """
    columns = ", ".join(INTENSITY_COLUMNS)
    rows: list[Row] = []
    with open_warehouse(warehouse_path, read_only=True) as connection:
        for policy in POLICIES:
            relation = connection.sql(
                f"SELECT {columns} FROM {INTENSITY} WHERE bot_policy = $policy",
                params={"policy": policy},
            )
            rows += compare_platforms(relation, study, policy)
    replace_study(warehouse_path, study, [(TABLE, table_of(TABLE, rows))])
    return rows


def _intensity_table(intensity: "pa.Table | duckdb.DuckDBPyRelation") -> "pa.Table":
    import pyarrow as pa

    present = intensity.column_names if isinstance(intensity, pa.Table) else intensity.columns
    missing = [name for name in INTENSITY_COLUMNS if name not in present]
    if missing:
        raise PermanentFailure(
            f"The intensity of repositories lacks the columns {', '.join(missing)}.",
            "Build the dbt models of this version first.",
        )
    if isinstance(intensity, pa.Table):
        return intensity.select(list(INTENSITY_COLUMNS))
    return intensity.select(*INTENSITY_COLUMNS).to_arrow_table()


def _side(table: "pa.Table", platform: str, feature: str) -> _Side:
    """The known values of one feature on the better basis of the platform."""
    import pyarrow.compute as pc

    repositories = table.filter(pc.equal(table["platform"], platform))
    known = {
        basis: repositories[column].length() - repositories[column].null_count
        for basis, column in FEATURES[feature].items()
    }
    basis = choose_basis(repositories.num_rows, known["stock"], known["flow"])
    if basis is None:
        count = repositories.num_rows
        what = f"{feature} unknown for all {count} repositories" if count else "no repositories"
        reason = f"{PLATFORM_NAMES[platform]}: {what}"
        return _Side(platform, None, [], reason)
    return _Side(platform, basis, _whole(repositories[FEATURES[feature][basis]].drop_null()), None)


def choose_basis(repository_count: int, stock_known: int, flow_known: int) -> Basis | None:
    """Stock where known for enough repositories, else the basis known for more; None: neither."""
    if stock_known == flow_known == 0:
        return None
    if stock_known >= ENOUGH_KNOWN_SHARE * repository_count or stock_known >= flow_known:
        return "stock"
    return "flow"


def _whole(column: "pa.ChunkedArray") -> Any:
    """Counts as 64-bit integers (dbt sums may be HUGEINT, which arrives as decimal)."""
    import pyarrow as pa

    try:
        return column.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid as error:
        raise PermanentFailure("A count is not a whole number of 64 bits.") from error


def _row(study: str, policy: str, feature: str, github: _Side, huggingface: _Side) -> Row:
    row: Row = dict.fromkeys(name for name, _, _ in COLUMNS)
    row |= {"study": study, "bot_policy": policy, "feature": feature}
    for side in (github, huggingface):
        summary = summarise(side.values)
        row[f"{side.platform}_basis"] = side.basis
        row[f"{side.platform}_count"] = summary.count
        row[f"{side.platform}_mean"] = summary.mean
        row[f"{side.platform}_median"] = summary.median
        row[f"{side.platform}_maximum"] = None if summary.maximum is None else int(summary.maximum)
    test = mann_whitney(github.values, huggingface.values)
    row |= {
        "mann_whitney_u": test.u,
        "p_value": test.p_value,
        "cliffs_delta": test.cliffs_delta,
        "status": test.status,
        "reason": _reason(test, github, huggingface),
    }
    return row


def _reason(test: MannWhitney, github: _Side, huggingface: _Side) -> str | None:
    if test.status == "not_measurable":
        return "; ".join(side.reason for side in (github, huggingface) if side.reason)
    if github.basis != huggingface.basis:
        return (
            f"GitHub {github.basis} against Hub {huggingface.basis}: a flow covers the observed"
            " days only, so the difference in level is partly one of definition"
        )
    return None
