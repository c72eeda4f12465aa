"""Checks of the study's samples and of what is estimated from them.

Belongs here: arithmetic that a sample must satisfy whatever was drawn. Does not belong here: how
it is drawn and estimated (assets.study).
"""

import math
from collections.abc import Sequence
from pathlib import Path

from assets.study.draw import random_number
from assets.study.features import FEATURES, PLATFORMS
from assets.study.intensity import STATISTICS
from checks.outcome import CheckOutcome, failed, first_rows, passed
from checks.warehouse import reading

# Units whose random number is made anew, in Python: enough to see another seed or another formula.
RECOMPUTED = 1000
HOLDS = ("nominal", "at_least")


def counts_add_up(warehouse: Path, study: str) -> CheckOutcome:
    """In each stratum: drawn at most the frame, kept the drawn less the rejected, as rows say."""
    name = "counts_add_up"
    with reading(warehouse=warehouse) as connection:
        rows = connection.execute(
            """
            with members as (
                select design, platform, stratum, count(*) as units,
                    count(*) filter (where outcome = 'rejected') as rejected,
                    count(*) filter (where outcome = 'believed') as believed,
                    count(distinct repository_key) as keys
                from warehouse.study.sample_member where study = $study
                group by design, platform, stratum
            )
            select strata.design, strata.platform, strata.stratum, strata.frame_count,
                strata.drawn_count, strata.rejected_count, strata.sample_count,
                coalesce(members.units, 0) as member_count
            from warehouse.study.sample_stratum as strata
            left join members using (design, platform, stratum)
            where strata.study = $study and not (
                strata.drawn_count between 0 and strata.frame_count
                and strata.sample_count = strata.drawn_count - strata.rejected_count
                and strata.estimated_count between 0 and strata.frame_count * 1.000001
                and strata.drawn_count = coalesce(members.units, 0)
                and strata.rejected_count = coalesce(members.rejected, 0)
                and strata.believed_count = coalesce(members.believed, 0)
                and coalesce(members.keys, 0) = coalesce(members.units, 0)
            )
            order by all
            """,
            {"study": study},
        ).fetchall()
        total = connection.execute(
            "select count(*) from warehouse.study.sample_stratum where study = $study",
            {"study": study},
        ).fetchall()[0][0]
    if rows:
        names = ("design", "platform", "stratum", "frame", "drawn", "rejected", "kept", "members")
        found = [dict(zip(names, row, strict=True)) for row in rows]
        told = f"{len(rows)} of {total} strata do not add up"
        return failed(name, "error", told, rows=first_rows(found))
    return passed(name, f"{total} strata add up", strata=total)


def weights_stand_for_strata(warehouse: Path, study: str) -> CheckOutcome:
    """The weights of a stratum's units sum to what it is estimated to have; rejected have none."""
    name = "weights_stand_for_strata"
    with reading(warehouse=warehouse) as connection:
        rows = connection.execute(
            """
            with members as (
                select design, platform, stratum, sum(weight) as weights,
                    bool_and((outcome = 'rejected') = (weight is null)) as is_told,
                    bool_and((outcome = 'rejected') = (reason is not null)) as has_reason,
                    bool_and(weight is null or weight >= 0) as is_positive
                from warehouse.study.sample_member where study = $study
                group by design, platform, stratum
            )
            select strata.design, strata.platform, strata.stratum, strata.estimated_count,
                members.weights
            from warehouse.study.sample_stratum as strata
            inner join members using (design, platform, stratum)
            where strata.study = $study and not coalesce(
                abs(coalesce(members.weights, 0) - strata.estimated_count)
                <= 0.000001 * greatest(1, strata.estimated_count)
                and members.is_told and members.has_reason and members.is_positive, false
            )
            order by all
            """,
            {"study": study},
        ).fetchall()
    if rows:
        names = ("design", "platform", "stratum", "estimated_count", "sum_of_weights")
        found = [dict(zip(names, row, strict=True)) for row in rows]
        told = f"{len(rows)} strata whose weights are not right"
        return failed(name, "error", told, rows=first_rows(found))
    return passed(name, "weights stand for their strata")


def numbers_are_permanent(warehouse: Path, study: str) -> CheckOutcome:
    """A fixed part of the units has the random number that seed and key give."""
    name = "numbers_are_permanent"
    with reading(warehouse=warehouse) as connection:
        rows = connection.execute(
            f"""
            select members.repository_key, members.random_number, inputs.seed
            from warehouse.study.sample_member as members
            inner join warehouse.study.sample_input as inputs
                using (study, design, platform)
            where study = $study
            order by hash(members.repository_key), members.repository_key, design
            limit {RECOMPUTED}
            """,
            {"study": study},
        ).fetchall()
    wrong = [key for key, number, seed in rows if random_number(seed, key) != number]
    if wrong:
        told = f"{len(wrong)} of {len(rows)} units have another random number"
        return failed(name, "error", told, wrong=len(wrong), looked_at=len(rows))
    return passed(name, f"{len(rows)} units have their random number", looked_at=len(rows))


def estimates_hold(warehouse: Path, study: str, designs: Sequence[str]) -> CheckOutcome:
    """Every figure has a row; a measured one lies in its interval, or says why it has none."""
    name = "estimates_hold"
    wanted = {
        (design, platform, feature, statistic)
        for design in designs
        for platform in PLATFORMS
        for feature in FEATURES
        for statistic in STATISTICS
    }
    with reading(warehouse=warehouse) as connection:
        rows = connection.execute(
            """
            select design, platform, feature, statistic, status, reason, weighted_value,
                standard_error, low, high, interval_is
            from warehouse.marts.mart_intensity_estimate where study = $study
            """,
            {"study": study},
        ).fetchall()
    lacking = wanted - {row[:4] for row in rows}
    if lacking or len(rows) != len(wanted):
        told = f"{len(rows)} figures, of which {len(lacking)} that are wanted are lacking"
        return failed(name, "error", told, wanted=len(wanted), lacking=len(lacking))
    wrong = [row for row in rows if not _holds(row)]
    if wrong:
        names = ("design", "platform", "feature", "statistic", "status", "reason", "value",
                 "standard_error", "low", "high", "interval_is")  # fmt: skip
        found = [dict(zip(names, row, strict=True)) for row in wrong]
        return failed(name, "error", f"{len(wrong)} figures do not hold", rows=first_rows(found))
    measured = sum(row[4] == "measured" for row in rows)
    return passed(name, f"{measured} of {len(rows)} figures measured", measured=measured)


def _holds(row: tuple[object, ...]) -> bool:
    statistic, status, reason = row[3:6]
    value, error, low, high, interval_is = row[6:]
    if (interval_is is None) != (low is None) or interval_is not in (None, *HOLDS):
        return False
    if status == "not_measurable":
        return bool(reason) and value is None
    is_open = low is None and high is None and statistic in ("mean", "total")
    told = (value, error, value, value) if is_open and reason else (value, error, low, high)
    numbers = [one for one in told if isinstance(one, float)]
    if status != "measured" or len(numbers) < 4 or not all(map(math.isfinite, numbers)):
        return False
    at, spread, least, most = numbers
    slack = 1e-9 * max(1.0, abs(at))
    is_share = statistic != "zero_share" or -slack <= least <= most <= 1 + slack
    # The middle of two equal halves may lie outside an interval that ends on values.
    is_inside = statistic == "median" or least - slack <= at <= most + slack
    return spread >= 0 and least <= most + slack and is_inside and is_share
