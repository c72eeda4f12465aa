"""The comparison of the platforms: basis, rows, and the table written."""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from assets.actors.policies import POLICIES
from assets.study.comparison import (
    COLUMNS,
    INTENSITY_COLUMNS,
    TABLE,
    choose_basis,
    compare_platforms,
    platform_comparison,
)
from assets.study.tables import replace_study, table_of
from orchestration.failures import PermanentFailure


def activity(*repositories: dict[str, Any]) -> pa.Table:
    kinds = {name: pa.int64() for name in INTENSITY_COLUMNS} | {"platform": pa.string()}
    rows = [{name: row.get(name) for name in INTENSITY_COLUMNS} for row in repositories]
    return pa.Table.from_pylist(rows, schema=pa.schema(list(kinds.items())))


def github(**values: int) -> dict[str, Any]:
    return {"platform": "github", **values}


def hub(**values: int) -> dict[str, Any]:
    return {"platform": "huggingface", **values}


def by_feature(table: Any) -> dict[str, dict[str, Any]]:
    return {row["feature"]: row for row in compare_platforms(table, "paper", "none")}


def test_rows_of_a_small_example() -> None:
    table = activity(
        github(star_stock_count=3, commit_flow_count=4),
        github(star_stock_count=0, commit_flow_count=2),
        hub(star_stock_count=1, commit_stock_count=1),
        hub(star_stock_count=0, commit_stock_count=1),
    )
    rows = by_feature(table)
    assert list(rows) == ["commits", "discussions", "stars"]
    assert set(rows["stars"]) == {name for name, _, _ in COLUMNS}
    stars = rows["stars"]
    assert (stars["github_basis"], stars["huggingface_basis"]) == ("stock", "stock")
    assert (stars["github_mean"], stars["huggingface_mean"]) == (1.5, 0.5)
    assert (stars["github_maximum"], stars["huggingface_maximum"]) == (3, 1)
    # Pairs: 3>1, 3>0, 0<1, 0=0, so U is 2.5 of 4.
    assert (stars["mann_whitney_u"], stars["cliffs_delta"]) == (2.5, 0.25)
    assert (stars["status"], stars["reason"]) == ("measured", None)
    commits = rows["commits"]
    assert (commits["github_basis"], commits["huggingface_basis"]) == ("flow", "stock")
    assert commits["cliffs_delta"] == 1.0
    assert "flow" in commits["reason"]


def test_holm_goes_over_the_measured_features_only() -> None:
    repositories = [github(star_stock_count=n, commit_stock_count=n) for n in range(10)]
    repositories += [hub(star_stock_count=n + 5, commit_stock_count=n) for n in range(10)]
    rows = by_feature(activity(*repositories))
    assert rows["stars"]["p_value_holm"] == pytest.approx(2 * rows["stars"]["p_value"])
    assert rows["discussions"]["p_value_holm"] is None


def test_a_platform_without_known_values_is_not_measurable_and_says_which() -> None:
    rows = by_feature(activity(github(star_stock_count=3), hub(commit_stock_count=1)))
    assert {row["status"] for row in rows.values()} == {"not_measurable"}
    assert rows["stars"]["reason"] == "Hugging Face Hub: stars unknown for all 1 repositories"
    assert rows["stars"]["github_mean"] == 3.0
    assert rows["discussions"]["reason"].count("unknown") == 2
    empty = by_feature(activity())
    assert empty["stars"]["reason"] == "GitHub: no repositories; Hugging Face Hub: no repositories"


def test_unknown_is_not_zero() -> None:
    table = activity(github(star_stock_count=4), github(), hub(star_stock_count=0))
    stars = by_feature(table)["stars"]
    assert (stars["github_count"], stars["github_mean"]) == (1, 4.0)


@pytest.mark.parametrize(
    ("repositories", "stock", "flow", "basis"),
    [
        (100, 50, 100, "stock"),
        (100, 49, 100, "flow"),
        (100, 10, 0, "stock"),
        (100, 10, 10, "stock"),
        (100, 0, 1, "flow"),
        (1, 1, 1, "stock"),
        (5, 0, 0, None),
        (0, 0, 0, None),
    ],
)
def test_stock_is_used_where_known_for_enough(
    repositories: int, stock: int, flow: int, basis: str | None
) -> None:
    assert choose_basis(repositories, stock, flow) == basis


def test_relation_and_table_give_the_same_rows() -> None:
    table = activity(github(star_stock_count=3), hub(star_stock_count=1))
    relation = duckdb.connect().from_arrow(table)
    assert compare_platforms(relation, "s", "none") == compare_platforms(table, "s", "none")


def test_sums_wider_than_64_bits_by_type_are_read() -> None:
    kind = "SELECT 'github' AS platform, 7::HUGEINT AS value UNION ALL SELECT 'huggingface', 5"
    columns = ", ".join(f"value AS {name}" for name in INTENSITY_COLUMNS[1:])
    relation = duckdb.connect().sql(f"SELECT platform, {columns} FROM ({kind})")
    rows = compare_platforms(relation, "s", "none")
    assert [row["github_maximum"] for row in rows] == [7, 7, 7]


def test_a_missing_column_is_named() -> None:
    table = activity(github()).drop_columns(["star_flow_count"])
    with pytest.raises(PermanentFailure, match="star_flow_count"):
        compare_platforms(table, "paper", "none")


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    repositories = activity(github(star_stock_count=3), hub(star_stock_count=1))  # noqa: F841
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE SCHEMA intermediate")
        # Under every policy but none, somebody's star is left out.
        connection.execute(
            "CREATE TABLE intermediate.int_repository_intensity__measured AS"
            " SELECT repositories.* REPLACE (star_stock_count - (policy <> 'none')::INTEGER"
            " AS star_stock_count), policy AS bot_policy"
            f" FROM repositories, (SELECT unnest({list(POLICIES)}) AS policy)"
        )
    return path


def read(path: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_written_table_has_types_comments_and_one_row_a_feature(warehouse: Path) -> None:
    rows = platform_comparison(warehouse, "paper")
    assert platform_comparison(warehouse, "paper") == rows
    stored = read(
        warehouse,
        "SELECT study, feature, cliffs_delta FROM marts.mart_platform_comparison"
        " WHERE bot_policy = 'none'",
    )
    assert sorted(stored, key=str) == [
        ("paper", "commits", None),
        ("paper", "discussions", None),
        ("paper", "stars", 1.0),
    ]
    described = read(
        warehouse,
        "SELECT column_name, data_type, comment FROM duckdb_columns()"
        " WHERE table_name = 'mart_platform_comparison' ORDER BY column_index",
    )
    assert described == [(n, kind.removesuffix(" NOT NULL"), text) for n, kind, text in COLUMNS]


def test_studies_stand_side_by_side(warehouse: Path) -> None:
    platform_comparison(warehouse, "paper")
    platform_comparison(warehouse, "other")
    platform_comparison(warehouse, "paper")
    count = "SELECT study, count(*) FROM marts.mart_platform_comparison GROUP BY 1 ORDER BY 1"
    assert read(warehouse, count) == [("other", 12), ("paper", 12)]


def test_each_policy_has_its_own_figures(warehouse: Path) -> None:
    platform_comparison(warehouse, "paper")
    found = read(
        warehouse,
        "SELECT bot_policy, github_mean, huggingface_mean FROM marts.mart_platform_comparison"
        " WHERE feature = 'stars' ORDER BY bot_policy = 'none' DESC, bot_policy",
    )
    assert found == [("none", 3.0, 1.0), *((name, 2.0, 0.0) for name in sorted(POLICIES[1:]))]


def test_a_failed_write_leaves_the_rows_there_were(warehouse: Path) -> None:
    rows = platform_comparison(warehouse, "paper")
    broken = table_of(TABLE, [rows[0], {**rows[1], "status": None}, rows[2]])
    with pytest.raises(duckdb.ConstraintException):
        replace_study(warehouse, "paper", [(TABLE, broken)])
    assert read(warehouse, "SELECT count(*) FROM marts.mart_platform_comparison") == [(12,)]


def test_wrong_columns_are_refused(warehouse: Path) -> None:
    with pytest.raises(PermanentFailure, match="exactly the columns"):
        replace_study(warehouse, "paper", [(TABLE, pa.table({"study": ["paper"]}))])
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("CREATE SCHEMA marts")
        connection.execute("CREATE TABLE marts.mart_platform_comparison (study VARCHAR)")
    with pytest.raises(PermanentFailure, match="another version"):
        platform_comparison(warehouse, "paper")


def test_missing_warehouse_and_missing_model(tmp_path: Path) -> None:
    with pytest.raises(PermanentFailure, match="no warehouse"):
        platform_comparison(tmp_path / "none.duckdb", "paper")
    duckdb.connect(str(tmp_path / "empty.duckdb")).close()
    with pytest.raises(PermanentFailure, match="not as expected"):
        platform_comparison(tmp_path / "empty.duckdb", "paper")
