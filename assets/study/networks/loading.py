"""The acts that the study's networks are made of, from the warehouse to arrays.

Belongs here: which acts, actors and repositories a platform has in its cuts, and those of a cell.
Does not belong here: which cells there are (`cells`), measuring them (`grid`).

Placeholders of deleted accounts and of the platforms' own doings are no actors: they would link
whatever they touch (study method, definitions).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assets.study.networks.acts import DAY, Acts, Ints
from assets.study.networks.cells import TYPES, NetworkCell

if TYPE_CHECKING:
    import duckdb

    from orchestration.settings import StudySettings

PLACEHOLDERS = {
    "github": ("ghost", "web-flow"),
    "huggingface": ("ghost", "deleted", "system"),
}
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Loaded:
    """A platform's acts on the repositories of any of its cuts, a row an actor, repository and day.

    Attributes:
        type_code: (n,) place in TYPES of commit or discussion.
        removed: policy to (actors,) whether it leaves the account out.
        is_staff: (actors,)
        place: rank to (repositories,) place in the cut, from 1; 0: not in it.
        family: (repositories,) number of the model family.
        actor_key: (actors,) keys; repository_key: (repositories,) keys.
    """

    platform: str
    acts: Acts
    type_code: Ints
    removed: Mapping[str, Flags]
    is_staff: Flags
    place: Mapping[str, Ints]
    family: Ints
    actor_key: list[str]
    repository_key: list[str]


@dataclass(frozen=True)
class CellActs:
    """The acts of a cell, nodes numbered anew.

    Attributes:
        acts: repositories (or families) are those of the cut, with or without an act; actors those
            with an act.
        actor: (actors,) number in what was loaded.
        repository: (repositories,) number of one member in what was loaded.
        digest: changes with anything that figures depend on.
    """

    acts: Acts
    actor: Ints
    repository: Ints
    digest: str


def load_acts(
    connection: "duckdb.DuckDBPyConnection", study: "StudySettings", platform: str
) -> Loaded:
    """Acts of a platform on the repositories of the study's cuts.

    Raises:
        PermanentFailure: a model or the cuts are missing.
    """
    names = {"study": study.name, "platform": platform}
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE cut AS SELECT repository_key,"
        " row_number() OVER (ORDER BY repository_key) - 1 AS code, map_from_entries("
        " list((rank_name, place))) AS place FROM study.top_cut"
        " WHERE study = $study AND platform = $platform GROUP BY repository_key",
        names,
    )
    date_acts(connection, platform)
    return _arrays(connection, study, platform)


def date_acts(connection: "duckdb.DuckDBPyConnection", platform: str) -> None:
    """Make the temporary tables `dated` and `actors`: acts on the repositories of `cut`, by whom.

    Args:
        connection: has the temporary table `cut` with repository_key and code.
    """
    placeholders = PLACEHOLDERS[platform]
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE dated AS SELECT cut.code AS repository, daily.actor_key,"
        " daily.interaction_type, daily.occurred_on, min(daily.first_at) AS first_at,"
        " max(daily.last_at) AS last_at"
        " FROM core.fct_actor_repository_daily AS daily INNER JOIN cut USING (repository_key)"
        " WHERE daily.platform = $platform GROUP BY ALL",
        {"platform": platform},
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE actors AS SELECT actor_key,"
        " row_number() OVER (ORDER BY actor_key) - 1 AS code, is_removed_by_paper,"
        " is_removed_by_conservative, is_removed_by_aggressive,"
        " actor_class = 'platform_staff' AS is_staff"
        " FROM core.dim_actor WHERE actor_key IN (SELECT actor_key FROM dated)"
        " AND lower(coalesce(login, '')) NOT IN (SELECT unnest($placeholders))",
        {"placeholders": list(placeholders)},
    )


def _arrays(
    connection: "duckdb.DuckDBPyConnection", study: "StudySettings", platform: str
) -> Loaded:
    dated = connection.sql(
        "SELECT dated.repository, actors.code AS actor, dated.interaction_type = 'discussion' AS"
        " is_discussion, epoch_us(first_at) AS first_at, epoch_us(last_at) AS last_at"
        " FROM dated INNER JOIN actors USING (actor_key) ORDER BY ALL"
    ).fetchnumpy()
    actors = connection.sql("SELECT * FROM actors ORDER BY code").to_arrow_table()
    cut = connection.sql("SELECT * FROM cut ORDER BY code").to_arrow_table()
    ranks = {study.networks.reference.rank, *study.networks.ranks}
    place: dict[str, Ints] = {
        rank: connection.sql(f"SELECT coalesce(place['{rank}'], 0) AS place FROM cut ORDER BY code")
        .fetchnumpy()["place"]
        .astype(np.int64)
        for rank in sorted(ranks)
    }
    keys = cut["repository_key"].to_pylist()
    return Loaded(
        platform=platform,
        acts=Acts(
            dated["actor"].astype(np.int32), dated["repository"].astype(np.int32),
            dated["first_at"].astype(np.int64), dated["last_at"].astype(np.int64),
            actors.num_rows, cut.num_rows,
        ),
        type_code=dated["is_discussion"].astype(np.int8),
        removed={
            "none": np.zeros(actors.num_rows, bool),
            **{
                policy: actors[f"is_removed_by_{policy}"].fill_null(False).to_numpy()
                for policy in ("paper", "conservative", "aggressive")
            },
        },
        is_staff=actors["is_staff"].fill_null(False).to_numpy(),
        place=place,
        family=_families(connection, keys),
        actor_key=actors["actor_key"].to_pylist(),
        repository_key=keys,
    )  # fmt: skip


def _families(connection: "duckdb.DuckDBPyConnection", keys: list[str]) -> Ints:
    """(repositories,) number of the family of each.

    A family is what one owner published of one lineage: models joined by declared base models of
    the same owner, those outside the cuts among them.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = connection.sql(
        "SELECT child_key, parent_key FROM core.fct_model_lineage"
        " WHERE is_same_owner AND parent_key IS NOT NULL"
    ).fetchall()
    code = {key: at for at, key in enumerate(keys)}
    for pair in pairs:
        for key in pair:
            code.setdefault(key, len(code))
    child = [code[key] for key, _ in pairs]
    parent = [code[key] for _, key in pairs]
    links = coo_array((np.ones(len(pairs), np.int8), (child, parent)), shape=(len(code),) * 2)
    _, label = connected_components(links, directed=False)
    family: Ints = np.asarray(label[: len(keys)], np.int64)
    return family


def acts_of(loaded: Loaded, cell: NetworkCell) -> CellActs:
    """The acts of a cell."""
    acts = loaded.acts
    place = loaded.place[cell.rank_name]
    is_cut = (place > 0) & (place <= cell.top_count)
    is_kept = ~loaded.removed[cell.bot_policy]
    if cell.staff == "out":
        is_kept = is_kept & ~loaded.is_staff
    keep = is_cut[acts.repository] & is_kept[acts.actor]
    if cell.interaction_type != "both":
        keep &= loaded.type_code == TYPES.index(cell.interaction_type)
    actor, actor_code = np.unique(acts.actor[keep], return_inverse=True)
    member = np.flatnonzero(is_cut)
    unit = loaded.family[member] if cell.unit == "family" else member
    _, first, unit_code = np.unique(unit, return_index=True, return_inverse=True)
    of_repository = np.zeros(acts.repository_count, np.int64)
    of_repository[member] = unit_code
    made = by_day(
        actor_code, of_repository[acts.repository[keep]], acts.first[keep], acts.last[keep],
        actor.size, first.size,
    )  # fmt: skip
    return CellActs(made, actor, member[first], _digest(made))


def by_day(
    actor: Ints, repository: Ints, first: Ints, last: Ints, actor_count: int, repository_count: int
) -> Acts:
    """One row an actor, repository and day, sorted by them."""
    order = np.lexsort((first, repository, actor))
    actor, repository, first, last = (one[order] for one in (actor, repository, first, last))
    day = first // DAY
    is_new = np.ones(actor.size, bool)
    is_new[1:] = (np.diff(actor) != 0) | (np.diff(repository) != 0) | (np.diff(day) != 0)
    begin = np.flatnonzero(is_new)
    latest = np.maximum.reduceat(last, begin) if begin.size else last
    return Acts(
        actor[begin].astype(np.int32), repository[begin].astype(np.int32), first[begin], latest,
        actor_count, repository_count,
    )  # fmt: skip


def _digest(acts: Acts) -> str:
    told = hashlib.blake2b(digest_size=16)
    told.update(f"{acts.actor_count} {acts.repository_count}".encode())
    arrays: tuple[NDArray[Any], ...] = (acts.actor, acts.repository, acts.first, acts.last)
    for array in arrays:
        told.update(np.ascontiguousarray(array).tobytes())
    return told.hexdigest()
