"""Repositories whose stars look bought: bursts by accounts that do nothing else.

Belongs here: the heuristic and its table. Does not belong here: what a study does with it.

After the two signatures that StarScout looks for (He, Yang, Burckhardt, Kapravelos, Vasilescu,
Kästner 2024, arXiv:2412.13459): accounts of low activity, and accounts in lockstep (CopyCatch,
Beutel and others 2013). Here, in what the archive shows of GitHub:

- a burst: at least `BURST` accounts star a repository in the same or the next clock hour, and at
  least `BURST_RATIO` times what it gets in such a time otherwise;
- an empty account: all that is seen of it are stars, on one day, at most `FEW` of them;
- a lockstep account: it is in the bursts of at least `LOCKSTEP` repositories;
- a young account: its id, which GitHub counts up, is among the newest `YOUNG_SHARE` of all accounts
  that starred anything (the age of accounts is the other sign that detectors go by).

A star is suspect if it lies in a burst and comes of one of these; a repository, if
`SUSPECT_SHARE` of its stars and at least `BURST` of them are. It is evidence and no proof: a
mention in the news makes bursts as well, by people seen nowhere else in a short window of days.
"""

from typing import TYPE_CHECKING, Any

from assets.study.tables import StudyTable

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]
BURST, BURST_RATIO = 10, 5
FEW, LOCKSTEP = 3, 3
SUSPECT_SHARE, YOUNG_SHARE = 0.5, 0.1

SUSPECT = StudyTable(
    "study.star_suspect",
    "One row per study and GitHub repository with a burst of stars: how many look bought.",
    (
        ("study", "VARCHAR NOT NULL", "Name of the study configuration."),
        ("repository_key", "VARCHAR NOT NULL", "The repository."),
        ("star_count", "BIGINT NOT NULL", "Accounts that starred it in the covered days."),
        ("burst_star_count", "BIGINT NOT NULL", "Of these, in a burst."),
        ("empty_star_count", "BIGINT NOT NULL", "Of those in a burst, of empty accounts."),
        ("lockstep_star_count", "BIGINT NOT NULL", "Of those in a burst, of lockstep accounts."),
        ("young_star_count", "BIGINT NOT NULL", "Of those in a burst, of young accounts."),
        ("suspect_star_count", "BIGINT NOT NULL", "Of those in a burst, of any of these."),
        ("score", "DOUBLE NOT NULL", "Suspect stars over all stars of the covered days, 0 to 1."),
        ("is_star_suspect", "BOOLEAN NOT NULL", "Whether the stars look bought."),
        ("reason", "VARCHAR NOT NULL", "What was seen, in words."),
    ),
)


def star_suspects(
    connection: "duckdb.DuckDBPyConnection", interactions: str, study: str
) -> list[Row]:
    """Rows of `study.star_suspect`, by repository.

    Args:
        interactions: name of `fct_interaction` in the connection.
        study: the name the rows carry.
    """
    cursor = connection.execute(_SQL.format(
        interactions=interactions, burst=BURST, ratio=BURST_RATIO, few=FEW, lockstep=LOCKSTEP,
        old=1 - YOUNG_SHARE,
    ))  # fmt: skip
    names = [column[0] for column in cursor.description or []]
    return [_judged(study, dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def _judged(study: str, row: Row) -> Row:
    score = row["suspect_star_count"] / row["star_count"]
    reason = (
        f"{row['burst_star_count']} of {row['star_count']} stars in bursts, of these "
        f"{row['young_star_count']} by the newest accounts, {row['empty_star_count']} by accounts "
        f"that did nothing else and {row['lockstep_star_count']} by accounts in bursts of "
        f"{LOCKSTEP} repositories or more"
    )
    is_suspect = score >= SUSPECT_SHARE and row["suspect_star_count"] >= BURST
    return {"study": study, **row, "score": score, "is_star_suspect": is_suspect, "reason": reason}


_SQL = """
WITH stars AS (
    SELECT
        repository_key,
        actor_key,
        min(occurred_at) AS starred_at,
        date_trunc('hour', min(occurred_at)) AS hour
    FROM {interactions}
    WHERE platform = 'github' AND kind = 'star' AND actor_key IS NOT NULL
    GROUP BY repository_key, actor_key
),

hours AS (
    SELECT repository_key, hour, count(*) AS hour_count FROM stars GROUP BY repository_key, hour
),

pairs AS (
    SELECT
        hours.repository_key,
        hours.hour,
        hours.hour_count + coalesce(following.hour_count, 0) AS pair_count
    FROM hours
    LEFT JOIN hours AS following
        ON hours.repository_key = following.repository_key
        AND following.hour = hours.hour + INTERVAL 1 HOUR
),

span AS (
    SELECT greatest(1.0, date_diff('hour', min(hour), max(hour)) / 2.0) AS pair_total FROM hours
),

totals AS (
    SELECT repository_key, count(*) AS star_count FROM stars GROUP BY repository_key
),

bursts AS (
    SELECT pairs.repository_key, pairs.hour
    FROM pairs
    INNER JOIN totals ON pairs.repository_key = totals.repository_key
    CROSS JOIN span
    WHERE
        pairs.pair_count >= {burst}
        AND pairs.pair_count
        >= {ratio} * (totals.star_count - pairs.pair_count) / span.pair_total
),

in_bursts AS (
    SELECT DISTINCT stars.repository_key, stars.actor_key
    FROM stars
    INNER JOIN bursts
        ON stars.repository_key = bursts.repository_key
        AND stars.hour IN (bursts.hour, bursts.hour + INTERVAL 1 HOUR)
),

accounts AS (
    SELECT
        acts.actor_key,
        bool_and(acts.kind = 'star')
        AND count(DISTINCT acts.occurred_on) = 1
        AND count(DISTINCT acts.repository_key) <= {few} AS is_empty
    FROM {interactions} AS acts
    WHERE acts.platform = 'github' AND acts.actor_key IN (SELECT actor_key FROM in_bursts)
    GROUP BY acts.actor_key
),

ages AS (
    SELECT quantile_cont(actor_number, {old}) AS young_from
    FROM (
        SELECT DISTINCT try_cast(split_part(actor_key, ':', 3) AS BIGINT) AS actor_number FROM stars
    )
),

lockstep AS (
    SELECT actor_key, count(*) >= {lockstep} AS is_lockstep FROM in_bursts GROUP BY actor_key
)

SELECT
    in_bursts.repository_key,
    any_value(totals.star_count) AS star_count,
    count(*) AS burst_star_count,
    count(*) FILTER (WHERE accounts.is_empty) AS empty_star_count,
    count(*) FILTER (WHERE lockstep.is_lockstep) AS lockstep_star_count,
    count(*) FILTER (
        WHERE try_cast(split_part(in_bursts.actor_key, ':', 3) AS BIGINT) >= ages.young_from
    ) AS young_star_count,
    count(*) FILTER (
        WHERE accounts.is_empty
        OR lockstep.is_lockstep
        OR try_cast(split_part(in_bursts.actor_key, ':', 3) AS BIGINT) >= ages.young_from
    ) AS suspect_star_count
FROM in_bursts
CROSS JOIN ages
INNER JOIN totals ON in_bursts.repository_key = totals.repository_key
INNER JOIN accounts ON in_bursts.actor_key = accounts.actor_key
INNER JOIN lockstep ON in_bursts.actor_key = lockstep.actor_key
GROUP BY in_bursts.repository_key
ORDER BY in_bursts.repository_key
"""
