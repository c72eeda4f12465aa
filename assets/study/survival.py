"""How long repositories stay active, by platform and bot policy.

Belongs here: what counts as activity and as its end, which repositories can be told, and the rows
of `mart_activity_survival`. Does not belong here: the estimator (`statistics.exposure`).

Activity lasts from creation to the last act of development or discussion. It has ended where that
act is `silence_days` old; an act after a longer silence makes it go on. Endings of the last
`silence_days` cannot be recognised yet, so everything still active before is censored there, not
at the end of the data: else the young would seem to last longer than they do.

GitHub's archive shows a repository only if it acts on a covered day. That is to say its activity
lasted until the first of these days, at the age it then had, from which on it is counted (left
truncation; not from its first act seen, before which nothing could end).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assets.actors.policies import POLICIES
from assets.study.cells import CENSUS
from assets.study.draw import OUT, number_sql
from assets.study.estimators import Sample, kept
from assets.study.features import PLATFORMS, STUDIED
from assets.study.marts import SURVIVAL
from assets.study.population import sample_in_frame
from assets.study.statistics.exposure import MONTH_DAYS, kaplan_meier

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Row = dict[str, Any]
Times = NDArray[np.datetime64]
Floats = NDArray[np.float64]
# Of either platform: development and discussion. Stars, forks and branches are not activity of the
# repository's own people or about its content.
ACTS = (
    "push", "commit", "commit_comment", "issue", "issue_comment", "pull_request",
    "pull_request_merged", "pull_request_review", "pull_request_review_comment", "discussion",
    "discussion_comment",
)  # fmt: skip
# Days that the archive may lack within a stretch that counts as covered: they hide no long silence.
GAP_DAYS = 7
DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class _Lives:
    """Repositories of one platform under one policy.

    Attributes:
        created: (n,) when each began; NaT where unknown.
        last: (n,) its last act; NaT without any.
        until: (n,) the midnight until which its acts are known; NaT where they are not.
        seen_from: the time from which on it is seen if it acts; None: always seen.
        owner: (n,) number of its owner.
        limits: what limits the reading.
        sample: the design they were drawn by; None: they are all there is.
    """

    created: Times
    last: Times
    until: Times
    seen_from: np.datetime64 | None
    owner: NDArray[np.int64]
    limits: tuple[str, ...]
    sample: Sample | None = None

    def part(self, at: NDArray[Any]) -> "_Lives":
        """Some of them, by positions or flags; others of their draw are then not in."""
        return replace(
            self,
            created=self.created[at],
            last=self.last[at],
            until=self.until[at],
            owner=self.owner[at],
            sample=None if self.sample is None else kept(self.sample, at),
        )


def activity_survival(
    connection: "duckdb.DuckDBPyConnection",
    study: str,
    day: date,
    silence_days: int = 180,
    *,
    designs: Sequence[str] = (),
    most_repositories: int = 5_000_000,
    seed: int = 0,
) -> list[Row]:
    """Rows of `mart_activity_survival`: every platform under every bot policy and design.

    Of a design, the curve is weighted and says what that of the frame would be. The repositories it
    drew that cannot be told are not in; those in the sample are not taken to stand for them.

    Args:
        connection: sees the warehouse, with dim_repository and fct_interaction built.
        study: the name the rows carry.
        day: newest day of the data; what is later is not looked at.
        silence_days: days without an act after which activity has ended.
        designs: allocations of `study.sample_member`.
        most_repositories: of more on a platform, a random part of this size is taken.
        seed: of that part.

    Returns:
        By platform and policy a row for age 0 and one for each month of age in which a repository
        ended or was censored; only the row of age 0, with no survival and the reason, where
        nothing can be told.
    """
    rows: list[Row] = []
    for platform in PLATFORMS:
        part = _part(connection, platform, most_repositories, seed)
        drawn = [_drawn(connection, study, design, platform) for design in designs]
        for policy, design, lives in _lives(connection, platform, day, part, drawn):
            names = {"study": study, "day": day, "bot_policy": policy, "platform": platform,
                     "design": design,
                     "weighting": "unweighted" if design == CENSUS else "weighted"}  # fmt: skip
            blank = dict.fromkeys(SURVIVAL.column_names)
            rows += [{**blank, **names, **row} for row in _curve(lives, silence_days)]
    return rows


def _curve(lives: _Lives, silence_days: int) -> list[Row]:
    """One platform's and policy's rows, without their names."""
    cutoff = lives.until - np.timedelta64(silence_days, "D")
    start = lives.created if lives.seen_from is None else _later(lives.created, lives.seen_from)
    told = ~np.isnat(lives.created) & ~np.isnat(lives.until)
    # Seen: what acts from then on, and what was created since.
    told &= (lives.last >= start) | (lives.created >= start)
    old_enough = told & (start <= cutoff)
    limits = [
        *lives.limits,
        _told((~told).sum(), "repositories left out, as their creation or their acts are unknown"),
        _told(
            (told & ~old_enough).sum(),
            f"repositories left out, as {silence_days} days have not passed since they began or"
            " since the first covered day",
        ),
    ]
    if not old_enough.any():
        nobody = {"age_months": 0.0, "at_risk_count": 0, "ended_count": 0, "censored_count": 0}
        return [{**nobody, "reason": "; ".join(filter(None, limits)) or "no repository is known"}]
    created, cutoff = lives.created[old_enough], cutoff[old_enough]
    # History may be older than the repository (it was imported), or there may be none.
    last = _later(lives.last[old_enough], created)
    is_event = last <= cutoff
    duration = np.floor((np.minimum(last, cutoff) - created) / DAY)
    entry = np.floor((start[old_enough] - created) / DAY)
    of_design = lives.part(old_enough).sample
    how: dict[str, Any] = {"sample": of_design}
    if of_design is None:
        how = {"cluster": lives.owner[old_enough]}
    found = kaplan_meier(duration, is_event, entry=entry, **how)
    if found.survival.size and found.survival[-1] == 0 and (entry > found.time[-1]).any():
        limits.append("the few that were seen that young had all ended")
    reason = "; ".join(filter(None, limits)) or None
    rows = []
    for month, counts in _months(duration, is_event, entry):
        share, low, high = found.at(month * MONTH_DAYS)
        rows.append({
            "age_months": float(month), **counts, "survival": share, "survival_low": low,
            "survival_high": high, "reason": reason,
        })  # fmt: skip
    return rows


def _months(
    duration: Floats, is_event: NDArray[np.bool_], entry: Floats
) -> Iterator[tuple[int, dict[str, int]]]:
    """Counts of age 0 (the first day) and of each month of age in which something happened."""
    month = np.ceil(duration / MONTH_DAYS).astype(np.int64)
    came = np.ceil(entry / MONTH_DAYS).astype(np.int64)
    size = int(month.max()) + 1
    ended = np.bincount(month[is_event], minlength=size)
    censored = np.bincount(month[~is_event], minlength=size)
    here = np.cumsum(np.bincount(came, minlength=size)) - np.cumsum(ended + censored)
    for at in range(size):
        if at == 0 or ended[at] or censored[at]:
            yield (
                at,
                {
                    "at_risk_count": int(here[at] + ended[at] + censored[at]),
                    "ended_count": int(ended[at]),
                    "censored_count": int(censored[at]),
                },
            )


@dataclass(frozen=True)
class _Drawn:
    """The repositories of a platform that a design drew and kept, by their keys."""

    design: str
    keys: Any
    sample: Sample

    def of(self, everything: _Lives, keys: Any) -> _Lives:
        """Those that are among the repositories with these keys."""
        import pyarrow.compute as pc

        place = pc.index_in(keys, value_set=self.keys)
        at = np.flatnonzero(place.is_valid().to_numpy(zero_copy_only=False))
        own = kept(self.sample, place.drop_null().to_numpy().astype(np.int64))
        return replace(everything.part(at), sample=own)


def _drawn(
    connection: "duckdb.DuckDBPyConnection", study: str, design: str, platform: str
) -> _Drawn:
    told = connection.sql(
        "SELECT repository_key, stratum, weight FROM study.sample_member WHERE study = $study"
        f" AND design = $design AND platform = $platform AND outcome <> '{OUT}'"
        " ORDER BY repository_key",
        params={"study": study, "design": design, "platform": platform},
    ).to_arrow_table()
    sample = sample_in_frame(connection, study, design, platform, told)
    return _Drawn(design, told["repository_key"].combine_chunks(), sample)


@dataclass(frozen=True)
class _Part:
    """Which repositories are looked at: a condition on them, and the words for it."""

    condition: str
    limit: str | None


def _part(connection: "duckdb.DuckDBPyConnection", platform: str, most: int, seed: int) -> _Part:
    """All repositories, or a random part where they are too many to hold."""
    (count,) = connection.execute(
        "SELECT count(*) FROM core.dim_repository WHERE platform = $platform"
        f" AND {STUDIED}", {"platform": platform},
    ).fetchall()[0]  # fmt: skip
    if count <= most:
        return _Part("true", None)
    number = number_sql(seed, "repository.repository_key")
    share = most / count
    return _Part(f"{number} < {share!r}", f"a random {share:.1%} of {count} repositories")


def _lives(
    connection: "duckdb.DuckDBPyConnection",
    platform: str,
    day: date,
    part: _Part,
    drawn: Sequence[_Drawn],
) -> Iterator[tuple[str, str, _Lives]]:
    """By policy and design, the census first."""
    covered = _covered(connection, day) if platform == "github" else None
    end = np.datetime64(day) + 1
    first = end if covered is None else np.datetime64(covered[0])
    table = _table(connection, platform, part, drawn, {
        "first": str(first if platform == "github" else date.min), "end": str(end),
    })  # fmt: skip
    created = _times(table["created_at"])
    owner = table["owner"].to_numpy().astype(np.int64)
    floored = int(np.count_nonzero(table["is_floored"].to_numpy()))
    for policy in POLICIES:
        last = _times(table[f"{policy}_last_at"])
        if platform == "github":
            known_until = end if covered is None else np.datetime64(covered[1]) + 1
            until = np.full(created.size, known_until, dtype="datetime64[us]")
            made = _Lives(created, last, until, first, owner, (_archive(covered),))
        else:
            is_listing = policy == "none"
            until = _times(table["listed_at" if is_listing else "history_at"])
            if is_listing:
                last = np.fmax(last, _times(table["modified_at"]))
            made = _Lives(created, last, until, None, owner, _of_listings(floored))
        census = made.part(table["is_part"].to_numpy(zero_copy_only=False))
        limits = made.limits if part.limit is None else (part.limit, *made.limits)
        yield policy, CENSUS, replace(census, limits=limits)
        for one in drawn:
            yield policy, one.design, one.of(made, table["repository_key"])


def _table(
    connection: "duckdb.DuckDBPyConnection",
    platform: str,
    part: _Part,
    drawn: Sequence[_Drawn],
    params: dict[str, str],
) -> "pa.Table":
    """The repositories of the part, and those that were drawn."""
    import pyarrow as pa

    keys = [one.keys.cast(pa.string()) for one in drawn]
    wanted = pa.table({"repository_key": pa.chunked_array(keys, pa.string())})
    connection.register("drawn_keys", wanted)
    query = (_github_sql if platform == "github" else _hub_sql)(part.condition)
    is_drawn = "repository.repository_key IN (SELECT repository_key FROM drawn_keys)"
    found = connection.sql(
        # What is summed over owners rounds by order.
        f"{query} AND ({part.condition} OR {is_drawn}) ORDER BY repository.repository_key",
        params=params,
    ).to_arrow_table()
    connection.unregister("drawn_keys")
    return found


def _of_listings(floored: int) -> tuple[str, ...]:
    told = _told(
        floored,
        "models that began at 2022-03-02, where the Hub's dates of creation start, or earlier (an"
        " older first act counts)",
    )
    unknown = "models deleted before they were first listed are not known"
    return (unknown,) if told is None else (told, unknown)


def _covered(connection: "duckdb.DuckDBPyConnection", day: date) -> tuple[date, date] | None:
    """First and last day of the newest stretch that GitHub's archive covers, small gaps apart."""
    days: Sequence[date] = [
        one for (one,) in connection.execute(
            "SELECT day FROM core.source_coverage_daily WHERE platform = 'github'"
            " AND event_count > 0 AND day <= $day ORDER BY day DESC", {"day": day}
        ).fetchall()
    ]  # fmt: skip
    if not days:
        return None
    for later, earlier in pairwise(days):
        if later - earlier > timedelta(days=GAP_DAYS + 1):
            return later, days[0]
    return days[-1], days[0]


def _archive(covered: tuple[date, date] | None) -> str:
    if covered is None:
        return "no day of the archive is loaded"
    count = (covered[1] - covered[0]).days + 1
    return (
        f"the archive is covered for {count} days from {covered[0]} on: older repositories are"
        " counted from the age they had then"
    )


def _github_sql(part: str) -> str:
    return f"""
        WITH acts AS ({_acts_sql("github", "source = 'gharchive'")})
        SELECT
            repository.repository_key, {part} AS is_part,
            CASE WHEN repository.created_at_basis <> 'first_seen' THEN repository.created_at END
                AS created_at,
            dense_rank() OVER (ORDER BY {_owner()}) AS owner,
            false AS is_floored,
            {", ".join(f"acts.{policy}_last_at" for policy in POLICIES)}
        FROM core.dim_repository AS repository
        LEFT JOIN acts USING (repository_key)
        WHERE repository.platform = 'github' AND {STUDIED}
            AND (acts.repository_key IS NOT NULL OR repository.first_seen_at >= $first::TIMESTAMP)
    """


def _hub_sql(part: str) -> str:
    return f"""
        WITH acts AS ({_acts_sql("huggingface", "true")}),
        listed AS (
            SELECT
                names.repository_key,
                max(latest.last_modified_at) AS modified_at,
                max(latest.listed_at)::DATE + 1 AS listed_at,
                max(latest.commits_observed_on)
                    FILTER (latest.commit_stock_count IS NOT NULL) + 1 AS history_at
            FROM intermediate.int_huggingface_models__latest AS latest
            INNER JOIN intermediate.int_huggingface_names__identified AS names
                USING (repository_type, repository_name)
            GROUP BY names.repository_key
        )
        SELECT
            repository.repository_key, {part} AS is_part,
            CASE repository.created_at_basis
                WHEN 'api' THEN repository.created_at
                WHEN 'floor' THEN least(repository.created_at, acts.first_at)
            END AS created_at,
            dense_rank() OVER (ORDER BY {_owner()}) AS owner,
            repository.created_at_basis = 'floor' AS is_floored,
            {", ".join(f"acts.{policy}_last_at" for policy in POLICIES)},
            CASE WHEN listed.modified_at < $end::TIMESTAMP THEN listed.modified_at END
                AS modified_at,
            -- least() passes over what is null.
            CASE WHEN listed.listed_at IS NOT NULL THEN least(listed.listed_at, $end::DATE) END
                AS listed_at,
            CASE WHEN listed.history_at IS NOT NULL THEN least(listed.history_at, $end::DATE) END
                AS history_at
        FROM core.dim_repository AS repository
        LEFT JOIN acts USING (repository_key)
        LEFT JOIN listed USING (repository_key)
        WHERE repository.platform = 'huggingface' AND {STUDIED}
    """


def _acts_sql(platform: str, condition: str) -> str:
    """First and last act of each repository, the last one under every policy."""
    kinds = ", ".join(f"'{kind}'" for kind in ACTS)
    last = ", ".join(
        f"max(act.occurred_at) {_of_people(policy)} AS {policy}_last_at" for policy in POLICIES
    )
    return f"""
        SELECT act.repository_key, min(act.occurred_at) AS first_at, {last}
        FROM core.fct_interaction AS act
        LEFT JOIN core.dim_actor AS actor USING (actor_key)
        WHERE act.platform = '{platform}' AND act.kind IN ({kinds}) AND {condition}
            AND act.occurred_at >= $first::TIMESTAMP AND act.occurred_at < $end::TIMESTAMP
        GROUP BY act.repository_key
    """


def _of_people(policy: str) -> str:
    if policy == "none":
        return ""
    return f"FILTER (NOT coalesce(actor.is_removed_by_{policy}, false))"


def _owner() -> str:
    return "coalesce(repository.owner_name, repository.repository_key)"


def _times(column: Any) -> Times:
    return np.asarray(column.to_numpy(), dtype="datetime64[us]")


def _later(times: Times, other: Any) -> Times:
    """The later of two times; the known one where one is not."""
    found: Times = np.fmax(times, np.asarray(other, dtype="datetime64[us]"))
    return found


def _told(count: int, words: str) -> str | None:
    return f"{words}: {int(count)}" if count else None
