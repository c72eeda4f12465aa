"""Networks of repositories as the samples tell them: of all repositories of the frame.

Belongs here: acts on the repositories drawn, and the rows of `mart_network_estimate`. Does not
belong here: estimators (`pairs`, `study.estimators`), the samples (`drawn`), networks of cuts
(`grid`).

What is a sum over repositories or over pairs of them can be estimated from a sample. What is none
(who is connected at all, components, communities) cannot, whatever weights repositories have.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assets.study import estimators
from assets.study.certainty import left_to_chance
from assets.study.draw import OUT
from assets.study.drawn import designed, joined, left_out, limits, strata_of, units_of
from assets.study.estimators import Estimate, Floats, Ints, Sample, responding
from assets.study.features import FEATURES, PLATFORMS, compared_bases
from assets.study.networks.acts import Acts, Window
from assets.study.networks.cells import TYPES, reference_cells
from assets.study.networks.loading import by_day, date_acts
from assets.study.networks.pairs import Links, links
from orchestration.failures import PermanentFailure

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from orchestration.settings import StudySettings

Row = dict[str, Any]
Bools = NDArray[np.bool_]
# The feature that counts the acts of a type: where it is known, they are.
FEATURE_OF = {"commit": "commits", "discussion": "discussions"}
# Of all repositories; the others are means over those of which something is known.
OF_LINKS = ("edge_count", "average_degree", "density")
OF_ALL = ("membership_count", *OF_LINKS)
FIGURES = ("membership_count", "actors_per_repository", "active_rate", *OF_LINKS)
# Of mart_network_summary, _measure and _community; they stand in the mart with their reason.
NO_SUMS = ("connected_rate", "average_degree_connected", "maximum_degree", "components",
           "clustering_average", "modularity")  # fmt: skip
NO_SUM = "no sum over repositories or pairs"


@dataclass(frozen=True)
class _Acts:
    """A platform's acts on all repositories drawn; a row an actor, repository, day and type.

    Attributes:
        is_kept: (n,) whether the reference's policy leaves the actor in.
        type_code: (n,) place in TYPES.
        code: repository's key to its number.
    """

    actor: Ints
    repository: Ints
    first: Ints
    last: Ints
    is_kept: Bools
    type_code: Ints
    code: dict[str, int]

    def seen(self, told: str) -> Bools:
        """(repositories + 1,) whether there is any act of a type, whoever did it."""
        at = self.repository[self.type_code == TYPES.index(told)]
        return np.bincount(at, minlength=len(self.code) + 1) > 0

    def of(self, place: Ints, count: int, told: str) -> Acts:
        """Acts of a type on some repositories.

        Args:
            place: (repositories,) number among these; -1: none of them.
            count: how many these are.
        """
        keep = self.is_kept & (place[self.repository] >= 0)
        if told != "both":
            keep &= self.type_code == TYPES.index(told)
        distinct, actor = np.unique(self.actor[keep], return_inverse=True)
        return by_day(actor, place[self.repository[keep]], self.first[keep], self.last[keep],
                      distinct.size, count)  # fmt: skip


def network_estimates(
    connection: "duckdb.DuckDBPyConnection", study: "StudySettings", day: date
) -> list[Row]:
    """Rows of `mart_network_estimate`.

    Raises:
        PermanentFailure: a model or the samples are missing.
    """
    end = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
    cells = {cell.interaction_type: cell for cell in reference_cells(study)
             if cell.network == "repository"}  # fmt: skip
    rows: list[Row] = []
    for platform in PLATFORMS:
        acts = _load(connection, study, platform)
        asked = {
            feature: f"{'NULL' if basis is None else FEATURES[feature][basis]}::DOUBLE"
            for feature, basis in compared_bases(connection, platform).items()
        }
        for design in study.sample.designs:
            strata = strata_of(connection, study.name, design, platform)
            drawn = units_of(connection, study.name, design, platform, asked)
            if not drawn.num_rows:
                continue
            for told, cell in cells.items():
                window = cell.window_to(int(end.timestamp()) * 1_000_000 - 1)
                names = {"study": study.name, "day": day, "design": design, "platform": platform,
                         "interaction_type": told, "bot_policy": cell.bot_policy,
                         "staff": cell.staff, "semantics": cell.semantics,
                         "time_window": cell.time_window}  # fmt: skip
                rows += [{**names, **row} for row in _rows(acts, strata, drawn, told, window)]
    return rows


def _load(connection: "duckdb.DuckDBPyConnection", study: "StudySettings", platform: str) -> _Acts:
    """Acts on the repositories that any design drew."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE cut AS SELECT repository_key,"
        " row_number() OVER (ORDER BY repository_key) - 1 AS code FROM study.sample_member"
        " WHERE study = $study AND platform = $platform AND outcome <> $out"
        " GROUP BY repository_key",
        {"study": study.name, "platform": platform, "out": OUT},
    )
    date_acts(connection, platform)
    own = study.networks.reference
    removed = "false" if own.bot_policy == "none" else f"is_removed_by_{own.bot_policy}"
    staff = "is_staff" if own.staff == "out" else "false"
    found = connection.sql(
        "SELECT dated.repository, actors.code AS actor, dated.interaction_type = 'discussion' AS"
        " is_discussion, epoch_us(first_at) AS first_at, epoch_us(last_at) AS last_at,"
        f" NOT coalesce({removed} OR {staff}, false) AS is_kept"
        " FROM dated INNER JOIN actors USING (actor_key) ORDER BY ALL"
    ).fetchnumpy()
    keys = connection.sql("SELECT repository_key FROM cut ORDER BY code").fetchall()
    return _Acts(
        found["actor"].astype(np.int64), found["repository"].astype(np.int64),
        found["first_at"].astype(np.int64), found["last_at"].astype(np.int64),
        found["is_kept"].astype(bool), found["is_discussion"].astype(np.int8),
        {key: at for at, (key,) in enumerate(keys)},
    )  # fmt: skip


def _rows(
    acts: _Acts, strata: "pa.Table", drawn: "pa.Table", told: str, window: Window
) -> Iterator[Row]:
    """Rows of one sample and type."""
    sample = designed(strata, drawn)
    code = np.array([acts.code.get(key, -1) for key in drawn["repository_key"].to_pylist()])
    known = _is_known(acts, drawn, code, told)
    asked = responding(sample, known)
    common = {
        "sample_count": asked.count,
        "unknown_count": sample.count - asked.count,
        "frame_count": int(sum(strata["frame_count"].to_pylist())),
        "estimated_count": float(sample.weight.sum()),
    }
    if not asked.count:
        why = "unknown for all repositories of the sample"
        yield from (_missing(common, figure, why) for figure in (*FIGURES, *NO_SUMS))
        return
    own = code[known | ~sample.is_in]
    place = np.full(len(acts.code), -1)
    place[own[own >= 0]] = np.flatnonzero(own >= 0)
    limit = joined(limits(sample, asked), left_out(strata))
    # Links to those of whom nobody knows are unknown as well.
    is_lacking = float(asked.weight.sum()) < (1 - 1e-9) * common["estimated_count"]
    unheld = None if asked.is_census else left_to_chance("numbers of actors", None)
    for figure, found in _figures(acts.of(place, own.size, told), window, asked):
        if isinstance(found, str) or (is_lacking and figure in OF_ALL):
            told_why = found if isinstance(found, str) else "what all have is not known"
            yield _missing(common, figure, joined(limit, told_why))
            continue
        open_ = unheld if found.method != "wilson" else None
        yield {
            **common,
            "figure": figure,
            "weighted_value": found.value,
            "standard_error": found.standard_error,
            "low": None if open_ else found.low,
            "high": None if open_ else found.high,
            "method": None if open_ else found.method,
            "status": "measured",
            "reason": joined(limit, f"no interval, as {open_}" if open_ else None),
        }
    yield from (_missing(common, figure, NO_SUM) for figure in NO_SUMS)


def _is_known(acts: _Acts, drawn: "pa.Table", code: Ints, told: str) -> Bools:
    """(drawn,) whether the acts of a type are known: their count is, or there are any."""
    known = np.ones(code.size, bool)
    for kind, feature in FEATURE_OF.items():
        if told in (kind, "both"):
            amount = drawn[feature].to_numpy(zero_copy_only=False).astype(np.float64)
            known &= np.isfinite(amount) | (acts.seen(kind)[code] & (code >= 0))
    return known


def _missing(common: Row, figure: str, reason: str | None) -> Row:
    return {**common, "figure": figure, "status": "not_measurable", "reason": reason}


def _figures(acts: Acts, window: Window, sample: Sample) -> Iterator[tuple[str, Estimate | str]]:
    """Every figure that is a sum, or why it is not told.

    Args:
        acts: of which repositories are the sample's units, in their order.
    """
    # Rows are a day's: an actor is a repository's once, whenever it acted.
    member = np.unique(acts.repository.astype(np.int64) * max(acts.actor_count, 1) + acts.actor)
    actors = np.bincount(member // max(acts.actor_count, 1), minlength=sample.stratum.size)
    yield "membership_count", estimators.total(sample, actors)
    yield "actors_per_repository", estimators.mean(sample, actors)
    yield "active_rate", estimators.share(sample, actors > 0)
    try:
        found = links(acts, window, sample)
    except PermanentFailure as error:
        yield from ((figure, str(error)) for figure in OF_LINKS)
        return
    edges, size = found.total(sample), float(sample.weight.sum())
    yield "edge_count", _of_links(found, sample, edges, found.slope, 1.0)
    degree = 2 * edges / size
    residuals = (2 * found.slope - degree) / size
    yield "average_degree", _of_links(found, sample, degree, residuals, 2 / size)
    pairs = size * (size - 1) / 2
    if pairs > 0:
        density = edges / pairs
        residuals = (found.slope - density * (size - 0.5)) / pairs
        yield "density", _of_links(found, sample, density, residuals, 1 / pairs)


def _of_links(
    found: Links, sample: Sample, value: float, residuals: Floats, scale: float
) -> Estimate:
    """A figure of the number of links; certain where all were drawn."""
    error, degrees = found.error(sample, np.where(sample.is_in, residuals, 0.0), scale)
    method = "census" if sample.is_census else "t"
    half = estimators.t_quantile(degrees) * error
    return Estimate(value, error, value - half, value + half, degrees, method, sample.count)
