"""Behaviour features by brute force, from the definitions and without SQL.

Belongs here: what one account's acts give. Does not belong here: which acts count (the tests say).
The statistics are those of RABBIT: the sample's standard deviation, 0 for one value or none; Gini
without zeros; quantiles by linear interpolation.
"""

import math
import statistics
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise

NOTHING = float("nan")


@dataclass(frozen=True)
class Act:
    """One act; `order` tells acts of one second apart."""

    at: datetime
    order: str
    repository: Hashable
    owner: str | None
    kind: str
    thread: Hashable | None


def features(acts: Sequence[Act], answers: Sequence[float] = ()) -> dict[str, float | None]:
    """All features of one account; None where there is no value."""
    acts = sorted(acts, key=lambda act: (act.at, act.order))
    by_repository = Counter(act.repository for act in acts)
    owners = {act.owner for act in acts if act.owner is not None}
    found: dict[str, float | None] = {
        "act_count": len(acts),
        "act_kind_count": len({act.kind for act in acts}),
        "repository_count": len(by_repository),
        "owner_count": len(owners),
        "owner_per_repository_rate": len(owners) / len(by_repository),
        "hour_entropy": _evenness([act.at.hour for act in acts], 24),
        "weekday_entropy": _evenness([act.at.weekday() for act in acts], 7),
        "thread_count": len({act.thread for act in acts if act.thread is not None}),
        "response_seconds_median": _quantile(sorted(answers), 0.5),
    }
    turns = [list(turn) for _, turn in groupby(acts, key=lambda act: act.repository)]
    kinds = [list(turn) for _, turn in groupby(acts, key=lambda act: act.kind)]
    families = {
        "gap_hours": [_hours(one, two) for one, two in pairwise(acts)],
        "acts_per_repository": list(by_repository.values()),
        "kinds_per_repository": list(
            Counter(name for name, _ in {(act.repository, act.kind) for act in acts}).values()
        ),
        "acts_in_a_row": [len(turn) for turn in turns],
        "hours_in_repository": [_hours(turn[0], turn[-1]) for turn in turns],
        "hours_to_next_repository": [_hours(one[-1], two[0]) for one, two in pairwise(turns)],
        "hours_to_next_kind": [_hours(one[-1], two[0]) for one, two in pairwise(kinds)],
        "acts_per_kind": list(Counter(act.kind for act in acts).values()),
    }
    for family, values in families.items():
        found |= {f"{family}_{name}": value for name, value in _described(values).items()}
    return found


def _described(values: Sequence[float]) -> dict[str, float | None]:
    ordered = sorted(values)
    low, high = _quantile(ordered, 0.25), _quantile(ordered, 0.75)
    return {
        "mean": sum(ordered) / len(ordered) if ordered else None,
        "median": _quantile(ordered, 0.5),
        "std": statistics.stdev(ordered) if len(ordered) > 1 else 0.0,
        "gini": _gini([value for value in ordered if value]),
        "iqr": None if low is None or high is None else high - low,
    }


def _gini(values: Sequence[float]) -> float:
    """Mean absolute difference of all pairs over twice the mean."""
    if not values:
        return 0.0
    differences = sum(abs(one - other) for one in values for other in values)
    return differences / (2 * len(values) * sum(values))


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    if not ordered:
        return None
    at = (len(ordered) - 1) * share
    low, high = ordered[math.floor(at)], ordered[math.ceil(at)]
    return low + (high - low) * (at - math.floor(at))


def _evenness(values: Sequence[int], possible: int) -> float:
    shares = [count / len(values) for count in Counter(values).values()]
    return -sum(share * math.log(share) for share in shares) / math.log(possible)


def _hours(one: Act, other: Act) -> float:
    return (other.at - one.at).total_seconds() / 3600
