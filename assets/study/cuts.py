"""The largest repositories by several ranks, and how much the cuts have in common.

Belongs here: top-N cuts and their overlap. Does not belong here: samples (`sample`), and what is
made of a cut.

A cut by stars is one choice among several, and ties at its edge are many: they fall to the smaller
permanent random number, so that a cut is the same tomorrow where nothing changed.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from assets.study.draw import number_sql
from assets.study.features import PLATFORMS, STUDIED
from assets.study.tables import StudyTable

if TYPE_CHECKING:
    import duckdb

    from orchestration.settings import StudySettings

Row = dict[str, Any]
# Rank: its columns, the first that the platform knows of anyone.
RANKS: Mapping[str, tuple[str, ...]] = {
    "stars": ("star_stock_count", "star_flow_count"),
    "forks": ("fork_flow_count",),
    "commits": ("commit_stock_count", "commit_flow_count"),
    "downloads": ("download_30d_stock_count",),
    "actors": ("actor_flow_count",),
}
CUT = StudyTable(
    "study.top_cut",
    "One row per study, platform, rank and repository among the largest.",
    (
        ("study", "VARCHAR NOT NULL", "Name of the study configuration."),
        ("platform", "VARCHAR NOT NULL", "github or huggingface."),
        ("rank_name", "VARCHAR NOT NULL", "stars, forks, commits, downloads or actors."),
        ("rank_column", "VARCHAR NOT NULL", "The column of mart_repository_activity behind it."),
        ("repository_key", "VARCHAR NOT NULL", "The repository."),
        ("place", "BIGINT NOT NULL", "From 1; ties fall to the smaller random number."),
    ),
)
OVERLAP = StudyTable(
    "study.top_cut_overlap",
    "One row per study, platform, size of the cut and pair of ranks: what both cuts share.",
    (
        ("study", "VARCHAR NOT NULL", "Name of the study configuration."),
        ("platform", "VARCHAR NOT NULL", "github or huggingface."),
        ("top_count", "BIGINT NOT NULL", "Repositories that a cut may have."),
        ("first_rank", "VARCHAR NOT NULL", "A rank."),
        ("second_rank", "VARCHAR NOT NULL", "Another rank."),
        ("shared_count", "BIGINT NOT NULL", "Repositories in both cuts."),
        ("shared_share", "DOUBLE", "Of the repositories in either (Jaccard), 0 to 1."),
    ),
)


def top_cuts(
    connection: "duckdb.DuckDBPyConnection", activity: str, study: "StudySettings"
) -> list[Row]:
    """Rows of `study.top_cut`; ranks that a platform knows of nobody are left out.

    Args:
        activity: name of `mart_repository_activity` in the connection.
    """
    start = f"TIMESTAMP '{study.sample.frame_start.isoformat()}'"
    rows: list[Row] = []
    for platform in PLATFORMS:
        frame = f"{activity} WHERE platform = '{platform}' AND {STUDIED} AND created_at >= {start}"
        for rank in study.sample.ranks:
            column = _known_column(connection, frame, rank)
            if column is None:
                continue
            found = connection.execute(
                f"SELECT repository_key FROM {frame} AND {column} IS NOT NULL"
                f" ORDER BY {column} DESC, {number_sql(study.seed, 'repository_key')},"
                f" repository_key LIMIT {_depth(study, rank)}"
            ).fetchall()
            rows += [
                {"study": study.name, "platform": platform, "rank_name": rank,
                 "rank_column": column, "repository_key": key, "place": place}
                for place, (key,) in enumerate(found, 1)
            ]  # fmt: skip
    return rows


def _depth(study: "StudySettings", rank: str) -> int:
    """How many places anybody asks for: samples' cuts, and networks by some ranks."""
    networks, depth = study.networks, max(study.sample.top_n, default=0)
    if rank in (networks.reference.rank, *networks.ranks):
        depth = max(depth, networks.reference.top_count, *networks.top_counts)
    return depth


def overlaps(cuts: Sequence[Row], top_n: Sequence[int]) -> list[Row]:
    """Rows of `study.top_cut_overlap` of the rows of `study.top_cut`."""
    ranked: dict[tuple[str, str], dict[str, list[str]]] = {}
    for row in sorted(cuts, key=lambda row: int(row["place"])):
        ranks = ranked.setdefault((row["study"], row["platform"]), {})
        ranks.setdefault(row["rank_name"], []).append(row["repository_key"])
    return [
        {"study": study, "platform": platform, "top_count": size,
         "first_rank": first, "second_rank": second, **_shared(ranks[first][:size],
                                                               ranks[second][:size])}
        for (study, platform), ranks in ranked.items()
        for size in top_n
        for first, second in combinations(ranks, 2)
    ]  # fmt: skip


def _shared(first: Sequence[str], second: Sequence[str]) -> Row:
    both, either = len(set(first) & set(second)), len(set(first) | set(second))
    return {"shared_count": both, "shared_share": both / either if either else None}


def _known_column(connection: "duckdb.DuckDBPyConnection", frame: str, rank: str) -> str | None:
    """The column known of most, the earlier of equals."""
    columns = RANKS[rank]
    counted = connection.execute(
        f"SELECT {', '.join(f'count({column})' for column in columns)} FROM {frame}"
    ).fetchall()[0]
    most = max(counted)
    return columns[counted.index(most)] if most else None
