"""Two groups of any table compared: a file with a column of groups and one of numbers.

Belongs here: reading the groups of a Parquet or CSV file, which tests and effects are told of
them. Does not belong here: the statistics (`assets.study.statistics`), and what is printed (the
command line).
"""

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assets.study.draw import workshop
from assets.study.files import check_numeric, kinds_of, quoted, source_of, told_of
from assets.study.statistics.bootstrap import DRAWS, clustered_bootstrap
from assets.study.statistics.descriptives import Description, describe
from assets.study.statistics.owner_table import Group
from assets.study.statistics.two_sample import EFFECTS, effects, mann_whitney, permutation_p_value
from orchestration.failures import PermanentFailure

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
# Groups named in an error.
MOST_NAMED = 10


def compare_file(
    path: Path,
    group: str,
    value: str,
    cluster: str | None = None,
    weight: str | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    first: str | None = None,
) -> Row:
    """Test, effect sizes with intervals of 95 %, and a description of either group.

    Rows without a group or a value are counted as `unknown_count` and left out. `p_value` is that
    of Mann and Whitney, which takes rows as independent, or with weights that of the bootstrap;
    `bootstrap_p_value` takes clusters into account; `permutation_p_value` is made of small groups
    with ties (null: not made). `EFFECT_interval_reason` says why an interval lacks an end,
    `EFFECT_interval_is` whether it holds 95 % (`nominal`) or more, as values tie (`at_least`).

    Args:
        group: column with two distinct values.
        value: column of numbers.
        cluster: column with each row's owner, who is drawn with all rows of either group; rows
            without one are alone.
        weight: column with how many units a row stands for.
        seed: of draws and permutations.
        first: the group that is first; by default the one whose name sorts before.

    Raises:
        PermanentFailure: the file cannot be read; a column is missing or not of numbers; there are
            not two groups, or none is `first`; a value is infinite; a weight is missing, infinite
            or not above zero.
    """
    started = time.perf_counter()
    table, unknown_count = _read(path, group, value, cluster, weight)
    names = _names(table, path, group, first)
    sides = [_side(table, name, weight) for name in names]
    x, y = (side["value"] for side in sides)
    mine, other = (side["weight"] for side in sides)
    groups = [Group(side["value"], side["weight"], side["cluster"]) for side in sides]
    (found,) = clustered_bootstrap(
        *groups, draws=draws, seed=seed, has_common_clusters=cluster is not None
    )
    row: Row = {
        "group": group, "value": value, "cluster": cluster, "weight": weight,
        "first_group": names[0], "second_group": names[1],
        "first_count": int(x.size), "second_count": int(y.size),
        "unknown_count": unknown_count,
        "cluster_count": None if cluster is None else _cluster_count(table),
        **_tested(sides, weight, found.p_value, seed),
    }  # fmt: skip
    sizes = asdict(effects(x, y, first_weight=mine, second_weight=other))
    for name in EFFECTS:
        row[name] = sizes[name]
        row[f"{name}_low"] = found.effects[name].low
        row[f"{name}_high"] = found.effects[name].high
        row[f"{name}_standard_error"] = found.effects[name].standard_error
        row[f"{name}_interval_reason"] = found.effects[name].reason
        row[f"{name}_interval_is"] = found.effects[name].interval_is
    row["first"], row["second"] = _described(describe(x, mine)), _described(describe(y, other))
    row |= {"draws": found.draws, "seed": seed, "seconds": time.perf_counter() - started}
    return row


def _tested(sides: list[Row], weight: str | None, by_bootstrap: float | None, seed: int) -> Row:
    row: Row = {"mann_whitney_u": None, "p_value": by_bootstrap, "p_value_method": None,
                "log10_p_value": None, "bootstrap_p_value": by_bootstrap,
                "permutation_p_value": None}  # fmt: skip
    if weight is not None:
        if by_bootstrap is not None:
            row |= {"p_value_method": "bootstrap", "log10_p_value": float(np.log10(by_bootstrap))}
        return row
    x, y = (side["value"] for side in sides)
    test = mann_whitney(x, y)
    row |= {
        "mann_whitney_u": test.u,
        "p_value": test.p_value,
        "p_value_method": test.p_value_method,
        "log10_p_value": test.log10_p_value,
    }
    if test.is_doubtful:
        owners = [side["cluster"] for side in sides]
        row["permutation_p_value"] = permutation_p_value(
            x, y, first_cluster=owners[0], second_cluster=owners[1], seed=seed
        )
    return row


def _read(
    path: Path, group: str, value: str, cluster: str | None, weight: str | None
) -> tuple["pa.Table", int]:
    """Rows with a group and a value, in an order of their own, and how many others there are."""
    with workshop() as connection, told_of(path):
        source = source_of(path)
        kinds = kinds_of(connection, source)
        named = [name for name in (group, value, cluster, weight) if name is not None]
        missing = [name for name in named if name not in kinds]
        if missing:
            raise PermanentFailure(
                f"{path} lacks the columns {', '.join(missing)}.",
                f"Its columns are {', '.join(kinds)}.",
            )
        for name in (value, weight):
            if name is not None:
                check_numeric(kinds, name)
        kind = "BIGINT" if kinds[value] in WHOLE else "DOUBLE"
        owner = "NULL" if cluster is None else quoted(cluster)
        heavy = "1" if weight is None else quoted(weight)
        # Files are read in no order, and the draws follow that of the rows.
        table = connection.sql(
            f"SELECT {quoted(group)}::VARCHAR AS group_name, {quoted(value)}::{kind} AS number,"
            f" {owner}::VARCHAR AS owner, {heavy}::DOUBLE AS weight FROM {source} ORDER BY ALL"
        ).to_arrow_table()
    known = _known(table)
    _check_rows(known, value, weight)
    return known, table.num_rows - known.num_rows


def _known(table: "pa.Table") -> "pa.Table":
    import pyarrow.compute as pc

    # Not in SQL: DuckDB 2.0 takes a Parquet column whose statistics name no NaN for one without.
    is_known = pc.and_(table["group_name"].is_valid(), table["number"].is_valid())
    is_number = pc.invert(pc.is_nan(table["number"]))
    return table.filter(pc.and_kleene(is_known, is_number))


def _check_rows(table: "pa.Table", value: str, weight: str | None) -> None:
    infinite = int(np.isinf(table["number"].to_numpy()).sum())
    if infinite:
        raise PermanentFailure(
            f"{infinite} values of {value} are infinite.", "Make them null, or correct them."
        )
    weights = table["weight"].to_numpy()
    light = int((~(np.isfinite(weights) & (weights > 0))).sum())
    if light:
        raise PermanentFailure(
            f"{light} weights of {weight} are missing, infinite or not above zero.",
            "Leave out the rows that stand for nothing.",
        )


def _names(table: "pa.Table", path: Path, group: str, first: str | None) -> list[str]:
    """The two groups, the first one first."""
    names = sorted(table["group_name"].unique().to_pylist())
    if len(names) != 2:
        told = ", ".join(names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")
        raise PermanentFailure(
            f"{path} has {len(names)} groups in {group}, not two{': ' if told else ''}{told}.",
            "Leave two of them in the file, or name another column.",
        )
    if first is not None and first not in names:
        raise PermanentFailure(
            f"There is no group {first} in {group}.", f"Its groups are {' and '.join(names)}."
        )
    return names if first in (None, names[0]) else names[::-1]


def _side(table: "pa.Table", name: str, weight: str | None) -> Row:
    import pyarrow.compute as pc

    rows = table.filter(pc.equal(table["group_name"], name))
    return {
        "value": rows["number"].to_numpy(),
        "weight": None if weight is None else rows["weight"].to_numpy(),
        "cluster": rows["owner"].to_numpy(zero_copy_only=False),
    }


def _cluster_count(table: "pa.Table") -> int:
    """Owners of either group; rows without one count each."""
    owner = table["owner"]
    return len(owner.drop_null().unique()) + int(owner.null_count)


def _described(description: Description) -> Row:
    row: Row = asdict(description)
    row["quantiles"] = {f"{level:g}": found for level, found in description.quantiles.items()}
    return row
