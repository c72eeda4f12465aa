"""The repositories of a cell: their features, owners, ages and weights, as arrays.

Belongs here: which repositories of the warehouse a cell is of, which of their values are known and
for how many each stands, dividing by exposure and matching ages. Does not belong here: which cells
there are (`cells`), and statistics.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assets.study.cells import CENSUS, Cell
from assets.study.certainty import left_to_chance
from assets.study.draw import OUT, number_sql
from assets.study.estimators import Sample, responding, sample_of
from assets.study.features import (
    FEATURES,
    INTENSITY,
    PLATFORM_NAMES,
    PLATFORMS,
    Basis,
    compared_bases,
)
from assets.study.sample import tails_of
from assets.study.statistics.exposure import (
    MONTH_DAYS,
    months_of_life,
    per_month,
    quarter_of,
    quarter_weights,
)
from orchestration.failures import PermanentFailure

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from orchestration.settings import StudySettings

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Numbers = Ints | Floats
ACTIVITY = "marts.mart_repository_activity"


@dataclass(frozen=True)
class Window:
    """The time that the warehouse's data cover, and how much they tell.

    Attributes:
        first: first day with events of GitHub's archive; None without any.
        day: newest day of any source.
        bases: platform to feature to the basis compared, the same in all cells.
    """

    first: date | None
    day: date
    bases: Mapping[str, Mapping[str, Basis | None]]


@dataclass(frozen=True)
class Known:
    """The known values of one feature on one basis.

    Attributes:
        at: (m,) positions of the repositories in the population.
        values: (m,) whole numbers, or doubles where they are divided by exposure.
        weight: (m,) how many repositories each stands for; None: itself.
        sample: the design they were drawn by; None: they are all there is, or count alike.
        unheld: why the design may leave large values to chance; None: they are taken whole.
    """

    at: Ints
    values: Numbers
    weight: Floats | None = None
    sample: Sample | None = None
    unheld: str | None = None

    def part(self, keep: "NDArray[np.bool_]") -> "Known":
        """Only some of the values; in a sample those stand for the others of their stratum."""
        if self.sample is None:
            return Known(self.at[keep], self.values[keep])
        sample = responding(self.sample, keep)
        return Known(self.at[keep], self.values[keep], sample.weight, sample, self.unheld)


@dataclass(frozen=True)
class Population:
    """One platform's repositories in a cell.

    Attributes:
        count: n, repositories.
        known: of each feature and basis.
        basis: the one of each feature that platforms are compared on; None: nothing is known.
        owner: (n,) number of each repository's owner.
        created: (n,) months from 1970 to creation; NaN where that is not known. Not the age, which
            is another one every night.
        quarter: (n,) quarter of creation, counted from 1970; -1 where that is not known.
        sample: with the weights, where repositories stand for others; None: unweighted.
        limit: what limits the reading of all figures.
        digest: changes with anything of the above.
    """

    platform: str
    count: int
    known: Mapping[tuple[str, Basis], Known]
    basis: Mapping[str, Basis | None]
    owner: Ints
    created: Floats
    quarter: Ints
    sample: Sample | None
    limit: str | None
    digest: str

    def compared(self, feature: str) -> Known | None:
        """The values of a feature that are compared."""
        basis = self.basis[feature]
        return None if basis is None else self.known.get((feature, basis))


def window_of(connection: "duckdb.DuckDBPyConnection") -> Window:
    """The time that the data cover.

    Raises:
        PermanentFailure: nothing was loaded yet.
    """
    first, day = connection.execute(
        "SELECT min(day) FILTER (platform = 'github' AND event_count > 0), max(day)"
        " FROM marts.mart_coverage"
    ).fetchall()[0]
    if day is None:
        raise PermanentFailure("No day of any source is loaded.", "Load one before the study.")
    bases = {platform: compared_bases(connection, platform) for platform in PLATFORMS}
    return Window(first, day, bases)


def populations(
    connection: "duckdb.DuckDBPyConnection", study: "StudySettings", cell: Cell, window: Window
) -> tuple[Population, Population]:
    """GitHub's and the Hub's repositories of a cell.

    Raises:
        PermanentFailure: a table is missing, or a count is none of 64 bits.
    """
    github, hub = (_population(connection, study, cell, window, platform) for platform in PLATFORMS)
    if cell.exposure == "matched_quarter":
        return _matched(github, hub)
    return github, hub


def _population(
    connection: "duckdb.DuckDBPyConnection",
    study: "StudySettings",
    cell: Cell,
    window: Window,
    platform: str,
) -> Population:
    rate, limit = _rate(connection, study, cell, platform)
    table = connection.sql(_query(study, cell, platform, rate)).to_arrow_table()
    created = _created(table)
    sample = _sample(connection, study, cell, platform, table)
    tails = _tails(connection, study, cell, platform)
    known = {
        (feature, one): _known(table, column, sample, tails.get((feature, one)))
        for feature, columns in FEATURES.items()
        for one, column in columns.items()
    }
    made = Population(
        platform=platform,
        count=table.num_rows,
        known=known,
        basis=window.bases[platform],
        owner=_owners(table["owner_name"]),
        created=months_from_1970(created),
        quarter=_quarters(created),
        sample=sample,
        limit=limit,
        digest="",
    )
    if cell.exposure == "per_month":
        made = _per_month(made, created, window)
    return replace(made, digest=_digest(made))


def _query(study: "StudySettings", cell: Cell, platform: str, rate: float | None) -> str:
    """Names of studies, policies, cuts and designs are validated settings."""
    columns = ", ".join(f"intensity.{column}" for of in FEATURES.values() for column in of.values())
    joins = []
    conditions = [f"intensity.platform = '{platform}'"]
    conditions.append(f"intensity.bot_policy = '{cell.bot_policy}'")
    drawn = "NULL::VARCHAR AS stratum, NULL::DOUBLE AS weight"
    if cell.design != CENSUS:
        drawn = "member.stratum, member.weight"
        joins.append(
            "INNER JOIN study.sample_member AS member ON member.repository_key ="
            f" intensity.repository_key AND member.study = '{study.name}'"
            f" AND member.design = '{cell.design}' AND member.outcome <> '{OUT}'"
            # Those taken for their size are too many where each counts once.
            f" AND (member.is_plain OR '{cell.weighting}' = 'weighted')"
        )
    if cell.largest is not None:
        rank, most = cell.largest
        joins.append(
            "INNER JOIN study.top_cut AS cut ON cut.repository_key = intensity.repository_key"
            f" AND cut.study = '{study.name}' AND cut.rank_name = '{rank}'"
            f" AND cut.place <= {most}"
        )
    if cell.cut == "in_frame":
        start = f"TIMESTAMP '{study.sample.frame_start.isoformat()}'"
        conditions.append(f"activity.created_at >= {start}")
    if rate is not None:
        number = number_sql(study.seed, "intensity.repository_key")
        conditions.append(f"{number} < {rate!r}")
    return f"""
        SELECT activity.owner_name, activity.created_at, activity.created_at_basis,
            {drawn}, {columns}
        FROM {INTENSITY} AS intensity
        INNER JOIN {ACTIVITY} AS activity USING (repository_key)
        {" ".join(joins)}
        WHERE {" AND ".join(conditions)}
        ORDER BY intensity.repository_key
    """


def _rate(
    connection: "duckdb.DuckDBPyConnection", study: "StudySettings", cell: Cell, platform: str
) -> tuple[float | None, str | None]:
    """Which part of the repositories is taken where they are too many to hold, and the words."""
    if cell.design != CENSUS or cell.largest is not None:
        return None, None
    (count,) = connection.execute(
        f"SELECT count(*) FROM {INTENSITY} WHERE platform = $platform AND bot_policy = 'none'",
        {"platform": platform},
    ).fetchall()[0]
    most = study.grid.most_repositories
    if count <= most:
        return None, None
    name = PLATFORM_NAMES[platform]
    return most / count, f"{name}: a random {most / count:.1%} of {count} repositories"


def _known(table: "pa.Table", column: str, sample: Sample | None, unheld: str | None) -> Known:
    import pyarrow as pa

    try:
        # dbt's sums may be HUGEINT, which arrives as decimal.
        counts = table[column].cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise PermanentFailure(f"A {column} is not a whole number of 64 bits.") from error
    is_known = counts.is_valid().to_numpy()
    filled = counts.fill_null(0).to_numpy()
    weight = None if sample is None else sample.weight
    return Known(np.arange(filled.size), filled, weight, sample, unheld).part(is_known)


def _tails(
    connection: "duckdb.DuckDBPyConnection", study: "StudySettings", cell: Cell, platform: str
) -> Mapping[tuple[str, Basis], str | None]:
    """What of each feature's large values a design leaves to chance."""
    if cell.weighting != "weighted":
        return {}
    if cell.exposure != "per_month":
        return tails_of(connection, study, cell.design, platform)
    # No rate is a column of the frame.
    return {(feature, basis): left_to_chance(f"{feature} a month", None)
            for feature, columns in FEATURES.items() for basis in columns}  # fmt: skip


def _sample(
    connection: "duckdb.DuckDBPyConnection",
    study: "StudySettings",
    cell: Cell,
    platform: str,
    table: "pa.Table",
) -> Sample | None:
    if cell.weighting != "weighted":
        return None
    return sample_in_frame(connection, study.name, cell.design, platform, table)


def sample_in_frame(
    connection: "duckdb.DuckDBPyConnection",
    study: str,
    design: str,
    platform: str,
    table: "pa.Table",
) -> Sample:
    """The design of the repositories that belong, with the weights they were kept with.

    Those rejected are not among them, so that the frame of a stratum is what is estimated to
    belong: a stratum that was drawn whole stays a census.

    Args:
        table: stratum and weight of each.
    """
    found = connection.execute(
        "SELECT stratum, estimated_count FROM study.sample_stratum"
        " WHERE study = $study AND design = $design AND platform = $platform"
        " ORDER BY stratum_number",
        {"study": study, "design": design, "platform": platform},
    ).fetchall()
    index = {stratum: at for at, (stratum, _) in enumerate(found)}
    stratum = np.array([index[one] for one in table["stratum"].to_pylist()], dtype=np.int64)
    drawn = np.bincount(stratum, minlength=len(found))
    # Strata of which none belongs are not stood for.
    frame = np.where(drawn, np.maximum(np.rint([count for _, count in found]), drawn), 0)
    return replace(sample_of(stratum, frame, lonely="collapse"), weight=table["weight"].to_numpy())


def _created(table: "pa.Table") -> NDArray[Any]:
    """(n,) times of creation; unknown (NaT) where only the first sighting is."""
    created: NDArray[Any] = table["created_at"].to_numpy().astype("datetime64[us]")
    if len(created):
        seen = np.asarray(table["created_at_basis"].to_numpy(zero_copy_only=False) == "first_seen")
        created = np.where(seen, np.datetime64("NaT"), created)
    return created


def months_from_1970(times: Any) -> Floats:
    """Points in time (datetime64) as months of the mean length; NaN where unknown."""
    days = (np.asarray(times, "datetime64[us]") - np.datetime64(0, "us")) / np.timedelta64(1, "D")
    months: Floats = days / MONTH_DAYS
    return months


def _quarters(created: NDArray[Any]) -> Ints:
    quarters = np.full(created.size, -1, dtype=np.int64)
    is_told = ~np.isnat(created)
    quarters[is_told] = quarter_of(created[is_told])
    return quarters


def _owners(names: "pa.ChunkedArray") -> Ints:
    """A number for each owner; a repository without one is its own owner."""
    import pyarrow.compute as pc

    codes = pc.dictionary_encode(names).combine_chunks()
    indices = codes.indices if hasattr(codes, "indices") else codes.chunk(0).indices
    found: Ints = indices.fill_null(-1).to_numpy().astype(np.int64)
    alone = found < 0
    found[alone] = len(found) + np.arange(int(alone.sum()))
    return found


def _per_month(population: Population, created: NDArray[Any], window: Window) -> Population:
    """Stocks over months of life, flows over the months that the archive saw of it."""
    first = np.datetime64(window.first or window.day)
    end = np.datetime64(window.day) + 1
    seen = np.where(np.isnat(created), first, np.maximum(created, first)).astype("datetime64[us]")
    days = np.maximum((end.astype("datetime64[us]") - seen) / np.timedelta64(1, "D"), 1.0)
    is_told = ~np.isnat(created)
    life = np.full(created.size, np.nan)
    life[is_told] = months_of_life(created[is_told], end)
    exposure = {"stock": life, "flow": days / MONTH_DAYS}
    rates = {}
    for (feature, basis), known in population.known.items():
        months = exposure[basis][known.at]
        keep = np.isfinite(months)
        told = known.part(keep)
        rates[feature, basis] = replace(told, values=per_month(told.values, months[keep]))
    return replace(population, known=rates)


def _matched(github: Population, hub: Population) -> tuple[Population, Population]:
    """Both platforms, of each feature those repositories whose quarter of creation both have."""
    matched: tuple[dict[Any, Known], dict[Any, Known]] = ({}, {})
    for feature in FEATURES:
        pair = (github.compared(feature), hub.compared(feature))
        if pair[0] is None or pair[1] is None:
            continue
        quarters = [
            population.quarter[known.at]
            for population, known in zip((github, hub), pair, strict=True)
            if known is not None
        ]
        is_told = [quarter >= 0 for quarter in quarters]
        found = quarter_weights(*(q[told] for q, told in zip(quarters, is_told, strict=True)))
        for side, (population, known) in enumerate(zip((github, hub), pair, strict=True)):
            assert known is not None
            own = np.zeros(known.at.size)
            own[is_told[side]] = found[side]
            told = known.part(own > 0)
            weight = own[own > 0] if told.weight is None else own[own > 0] * told.weight
            matched[side][feature, population.basis[feature]] = replace(told, weight=weight)
    digest = hashlib.blake2b((github.digest + hub.digest).encode(), digest_size=16).hexdigest()
    return (
        replace(github, known=matched[0], digest=digest),
        replace(hub, known=matched[1], digest=digest),
    )


def _digest(population: Population) -> str:
    told = hashlib.blake2b(digest_size=16)
    told.update(f"{population.platform} {population.count} {population.limit}".encode())
    for (feature, basis), known in population.known.items():
        told.update(f"{feature} {basis} {population.basis[feature]} {known.unheld}".encode())
        for array in (known.at, known.values, known.weight):
            told.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    for array in (population.owner, population.created):
        told.update(np.ascontiguousarray(array).tobytes())
    return told.hexdigest()
