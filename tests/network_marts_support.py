"""Marts of networks for tests: small networks, or some of the size of the published study.

Belongs here: what the tests of pictures and of the report share. Does not belong here: checks.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from databases import database
from marts_support import DAY, STUDY, Row

from assets.study.features import PLATFORMS
from assets.study.networks import tables
from assets.study.networks.cells import TYPES
from assets.study.tables import StudyTable, table_of

NETWORKS = ("repository", "actor")
FIGURES = {
    "connected_rate": 0.8,
    "average_degree": 4.0,
    "average_degree_connected": 5.0,
    "maximum_degree": 12.0,
    "edge_count": 20.0,
}
REFERENCE = {
    "bot_policy": "paper", "staff": "in", "unit": "repository", "rank_name": "stars",
    "top_count": 10_000,
}  # fmt: skip
ARMS = {
    "bot_policy": ("aggressive", "none"),
    "staff": ("out", "in"),
    "top_count": ("1000", "10000"),
    "semantics": ("trailing 365d", "none inf"),
}


def network(platform: str, mode: str, told: str) -> Row:
    """The columns that every mart of networks begins with."""
    return {"study": STUDY, "day": DAY, "platform": platform, "network": mode,
            "interaction_type": told}  # fmt: skip


def every_network() -> list[Row]:
    return [network(p, mode, told) for mode in NETWORKS for told in TYPES for p in PLATFORMS]


def summary_row(of: Row, **values: Any) -> Row:
    """A reference, or with other values of its cell an alternative."""
    is_windowed = of["network"] == "repository"
    window = {
        "semantics": "pairwise_gap" if is_windowed else "none",
        "time_window": "365d" if is_windowed else "inf",
    }
    counts = {"node_count": 10, "active_node_count": 9, "membership_count": 30,
              "connected_count": 8}  # fmt: skip
    return {**of, **REFERENCE, **window, **counts, **FIGURES, "status": "measured",
            "reason": None, "input_hash": "0", "is_reference": not values, **values}  # fmt: skip


def degree_rows(of: Row, degrees: Sequence[int]) -> list[Row]:
    """Exactly what the grid makes of the degrees of a network's nodes."""
    values, counts = np.unique(np.asarray(degrees, np.int64), return_counts=True)
    at_least = counts[::-1].cumsum()[::-1] / max(len(degrees), 1)
    return [
        {**of, "degree": degree, "node_count": count, "share_at_least": share, "input_hash": "0"}
        for degree, count, share in zip(
            values.tolist(), counts.tolist(), at_least.tolist(), strict=True
        )
    ]


def sensitivity_rows(of: Row, factor: float = 2.0) -> list[Row]:
    return [
        {**of, "figure": figure, "varied": varied, "reference_value": value,
         "low_value": value / factor, "low_at": low, "high_value": value, "high_at": high,
         "cell_count": 2}
        for figure, value in FIGURES.items()
        for varied, (low, high) in ARMS.items()
    ]  # fmt: skip


def measure_row(of: Row, family: str, measure: str, value: float | None, **values: Any) -> Row:
    return {**dict.fromkeys(tables.MEASURE.column_names), **of, "family": family,
            "measure": measure, "value": value, "draw_count": 0, "input_hash": "0",
            **values}  # fmt: skip


def measure_rows(of: Row, score: float | None = -7.25) -> list[Row]:
    null = {"null_mean": 3.0, "null_deviation": 0.5, "z_score": score, "p_value": 0.1,
            "draw_count": 19}  # fmt: skip
    rows = [measure_row(of, "headline", name, value, **null) for name, value in FIGURES.items()]
    if of["network"] == "actor":
        told = {"communities_of_two_or_more": 3, "runs": 100, "modularity": 0.625,
                "ami_mean": 0.875, "ami_min": 0.75}  # fmt: skip
        rows += [measure_row(of, "community", name, value) for name, value in told.items()]
        dealt = {"null_mean": 0.125, "z_score": 4.25}
        rows.append(
            measure_row(of, "organisation", "mean_dominance_share_of_two_or_more", 0.25, **dealt)
        )
    return rows


def community_rows(of: Row, sizes: Sequence[int], logins: Sequence[str | None]) -> list[Row]:
    return [
        {**of, "community": at, "node_count": size, "inner_edge_count": size,
         "outer_edge_count": 1, "known_count": 0 if login is None else size // 2,
         "organisation_name": login,
         "organisation_share": None if login is None else 0.25}
        for at, (size, login) in enumerate(zip(sizes, logins, strict=True))
    ]  # fmt: skip


def block_rows(of: Row, count: int) -> list[Row]:
    """Dense on the diagonal, and each but the last linked with the first."""
    return [
        {**of, "first_community": one, "second_community": other, "edge_count": 3,
         "density": 0.5 if one == other else 10.0 ** -(1 + other % 5)}
        for one in range(count)
        for other in range(one, count)
        if one == other or (one == 0 and other < count - 1)
    ]  # fmt: skip


def layout_rows(of: Row, sizes: Sequence[int], logins: Sequence[str | None]) -> list[Row]:
    """Each community a circle of nodes around a place of its own, all linked with each other."""
    rows: list[Row] = []
    for at, (size, login) in enumerate(zip(sizes, logins, strict=True)):
        turn = 2 * np.pi * at / len(sizes)
        centre = 0.75 * np.array([np.cos(turn), np.sin(turn)])
        first = len(rows)
        for own in range(size):
            angle = 2 * np.pi * own / size
            x, y = centre + 0.02 * np.sqrt(size) * np.array([np.cos(angle), np.sin(angle)])
            links = [*range(first, first + own), *([0] if first and own == 0 else [])]
            rows.append(
                {**of, "node": first + own, "x": float(x), "y": float(y), "community": at,
                 "degree": len(links), "organisation_name": login if own % 2 else None,
                 "linked_to": ",".join(map(str, links))}
            )  # fmt: skip
    return rows


def study_rows(
    logins: Sequence[str | None] = ("first-org", "second-org", None),
    sizes: Sequence[int] = (12, 6, 2),
    degrees: Sequence[int] = (0, 1, 1, 2, 2, 2, 3, 7),
) -> dict[StudyTable, list[Row]]:
    """Every mart of networks, each of them with rows of every network that has any."""
    rows: dict[StudyTable, list[Row]] = {table: [] for table in tables.ALL_TABLES}
    for of in every_network():
        rows[tables.SUMMARY] += [
            summary_row(of),
            *(
                summary_row(of, bot_policy=policy, average_degree=99.0)
                for policy in ("none", "conservative")
            ),
            summary_row(of, staff="out", average_degree=99.0),
        ]
        rows[tables.DEGREE] += degree_rows(of, degrees)
        rows[tables.SENSITIVITY] += sensitivity_rows(of)
        rows[tables.MEASURE] += measure_rows(of)
        if of["network"] == "actor":
            rows[tables.COMMUNITY] += community_rows(of, sizes, logins)
            rows[tables.BLOCK] += block_rows(of, len(sizes))
            rows[tables.LAYOUT] += layout_rows(of, sizes, logins)
    return rows


def write_published(path: Path, rows: Mapping[StudyTable, Sequence[Row]]) -> None:
    """Put marts into a published file, where tables have no schema."""
    if path.exists():
        path.chmod(0o644)
    with database(path) as connection:
        connection.begin()
        for table, own in rows.items():
            connection.register("made", table_of(table, own))
            connection.execute(
                f"CREATE OR REPLACE TABLE main.{table.name.split('.')[1]} AS FROM made"
            )
            connection.unregister("made")
        connection.commit()
