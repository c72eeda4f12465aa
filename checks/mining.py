"""Whether what the platforms answered in a night can be relied on.

Belongs here: the newest night's answers and requests, judged as a whole. Does not belong here:
files against the ledger (ledger), single values (dbt's tests).
"""

from pathlib import Path
from typing import Any

from assets.mining.questions import ABSENT, DISABLED, DMCA, HIDDEN, NEW, RECHECK, REFUSED
from checks.outcome import CheckOutcome, failed, first_rows, listed, mined, passed
from orchestration.lake import Lake
from orchestration.parquet import asking_files

ANSWERS, REQUESTS = "answers", "requests"
# Of questions that were answered when they were asked last.
MOST_LOST_SHARE = 0.5
TOLD_LOST_SHARE = 0.1
# Of fewer questions a share says little.
FEWEST_ASKED = 20
# What a platform that fails, or a token that lost its rights, makes of an answer.
_LOST = (ABSENT, REFUSED, HIDDEN, DISABLED, DMCA)
# These are not asked because they were answered before.
_OTHERS = (NEW, RECHECK)


def answers_hold(
    lake: Lake,
    source: str,
    told: float = TOLD_LOST_SHARE,
    most: float = MOST_LOST_SHARE,
    fewest: int = FEWEST_ASKED,
) -> CheckOutcome:
    """Of each kind, most questions that were answered before are answered again.

    Repositories go one by one. Where most of a kind are gone in one night, it is the platform or
    the token that fails, and every one of them would become a tombstone: an error.

    Args:
        told, most: shares from which on it is told, and an error.
        fewest: questions of a kind below which nothing is judged.
    """
    name = "answers_hold"
    rows = _newest(
        lake,
        source,
        ANSWERS,
        """
        select
            kind,
            count(*)::bigint as asked,
            count(*) filter (list_contains($lost, outcome))::bigint as lost
        from read_parquet($files)
        where not list_contains($others, tier)
        group by kind order by lost / count(*) desc, kind
        """,
        {"lost": list(_LOST), "others": list(_OTHERS)},
    )
    if rows is None:
        return passed(name, "nothing was ever asked")
    judged = [
        {"kind": mined(kind), "asked": asked, "lost": lost, "share": lost / asked}
        for kind, asked, lost in rows
        if asked >= fewest
    ]
    high = [row for row in judged if row["share"] > told]
    if not high:
        return passed(name, f"{len(rows)} kinds of questions are answered as before")
    said = [f"{row['lost']} of {row['asked']} ({row['kind']})" for row in high]
    severity: Any = "error" if any(row["share"] > most for row in high) else "warn"
    what = f"answered before, and not in the newest night: {listed(said)}"
    return CheckOutcome(name, False, severity, what, {"kinds": first_rows(judged)})


def limits_kept(lake: Lake, source: str) -> CheckOutcome:
    """No request of the newest night was refused by a limit."""
    name = "limits_kept"
    rows = _newest(
        lake,
        source,
        REQUESTS,
        """
        select
            kind, account, sum(call_count)::bigint, sum(refused_count)::bigint,
            min(remaining_count)
        from read_parquet($files)
        group by kind, account order by kind, account
        """,
        {},
    )
    if rows is None:
        return passed(name, "nothing was ever asked")
    spent = [
        {"class": mined(kind), "account": mined(account), "requests": calls, "refused": refused,
         "least_remaining": remaining}
        for kind, account, calls, refused, remaining in rows
    ]  # fmt: skip
    calls, refused = (sum(row[what] for row in spent) for what in ("requests", "refused"))
    numbers = {"requests": calls, "refused": refused, "accounts": first_rows(spent)}
    if refused:
        return failed(name, "warn", f"{refused} of {calls} requests refused by a limit", **numbers)
    return passed(name, f"{calls} requests, none refused by a limit", **numbers)


def _newest(
    lake: Lake, source: str, table: str, query: str, values: dict[str, Any]
) -> list[tuple[Any, ...]] | None:
    """What a query finds in the newest observation of a table; None without one."""
    days = lake.days(source, table)
    if not days:
        return None
    files: list[Path] = lake.partition(source, table, days[-1]).current_files()
    if not files:
        return None
    with asking_files() as connection:
        found = connection.execute(query, {"files": [str(file) for file in files], **values})
        return found.fetchall()
