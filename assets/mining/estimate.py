"""How many requests a night takes, how long that is, and how many tokens a target needs.

Belongs here: hours and tokens from points and limits, for the first night and a usual one. Does not
belong here: how many requests there are (classes), asking anything (the sources' mining) and
printing (orchestration.mining_cli).

A budget is a number of points in a window: `n` windows' worth of points takes n - 1 windows of
waiting at least, and no request is faster than an answer takes, divided among the workers. The
budgets of a platform (REST beside GraphQL) are spent at the same time, so its hours are those of
the slowest.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from assets.mining.classes import (
    ASSUMED,
    GITHUB,
    GRAPHQL,
    HUB,
    HUB_API,
    POINTS,
    REST,
    Fact,
    Item,
    github_items,
    hub_items,
)
from orchestration.settings import Settings

FIRST, USUAL = "first", "usual"
HOUR = 3600.0
MOST_TOKENS = 1_000
# What the settings allow.
MOST_WORKERS = 100


@dataclass(frozen=True)
class Limit:
    """Points that one account has in a window of so many seconds."""

    points: float
    seconds: float
    source: str

    def of(self, accounts: int) -> float:
        """Points of several accounts in a window."""
        return self.points * accounts


_GITHUB_LIMITS = "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api"
_HUB_LIMITS = "https://huggingface.co/docs/hub/rate-limits"
LIMITS = {
    REST: Limit(5_000, HOUR, _GITHUB_LIMITS),
    GRAPHQL: Limit(5_000, HOUR, POINTS),
    HUB_API: Limit(1_000, 300.0, _HUB_LIMITS),
}
# Without a token GraphQL answers nothing; the night does not ask GitHub then.
ANONYMOUS = {
    REST: Limit(60, HOUR, _GITHUB_LIMITS),
    GRAPHQL: Limit(0, HOUR, POINTS),
    HUB_API: Limit(500, 300.0, _HUB_LIMITS),
}
BUDGETS = {GITHUB: (REST, GRAPHQL), HUB: (HUB_API,)}


@dataclass(frozen=True)
class Needed:
    """What is done within a target."""

    tokens: int
    workers: int


@dataclass(frozen=True)
class Night:
    """The requests of one night of one platform.

    Attributes:
        hours: with the tokens at hand; None where nothing is asked without one.
        needed: for the target; None where no number of tokens and workers is enough.
    """

    name: str
    items: tuple[Item, ...]
    points: Mapping[str, float]
    hours: float | None
    needed: Needed | None


@dataclass(frozen=True)
class Platform:
    """What a platform's nights take."""

    name: str
    tokens: int
    workers: int
    limits: Mapping[str, Limit]
    nights: tuple[Night, ...]
    note: str = ""


@dataclass(frozen=True)
class Estimate:
    """Both platforms' nights and all that was taken for granted."""

    target_hours: float
    platforms: tuple[Platform, ...]
    facts: Mapping[str, Fact] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return asdict(self)


def estimate(
    settings: Settings,
    known: Mapping[str, Fact],
    limits: Mapping[str, Limit],
    tokens: Mapping[str, int],
    target_hours: float,
) -> Estimate:
    """What the configured study asks in its first night and in a usual one.

    Args:
        known: sizes that are known (`assets.mining.sizes`); the others are assumed.
        limits: limits that were announced, by budget; the others are the documented ones.
        tokens: platform to the number of tokens at hand.
        target_hours: how long a night may take.
    """
    facts = {**ASSUMED, **known}
    platforms = tuple(
        _platform(name, settings, facts, limits, tokens[name], target_hours)
        for name in (GITHUB, HUB)
    )
    return Estimate(target_hours, platforms, facts)


def _platform(
    name: str,
    settings: Settings,
    facts: Mapping[str, Fact],
    announced: Mapping[str, Limit],
    tokens: int,
    target_hours: float,
) -> Platform:
    asked = settings.github if name == GITHUB else settings.huggingface
    if asked.source != "api":
        off = f"{name}.source is '{asked.source}'"
        return Platform(name, tokens, asked.workers, {}, (), off)
    planned = github_items if name == GITHUB else hub_items
    held, with_token = _limits(name, tokens, announced), _limits(name, 1, announced)
    answer_seconds = facts["answer_seconds"].value
    # The Hub answers an anonymous caller as well.
    accounts = tokens if name == GITHUB else max(1, tokens)
    nights = []
    for night in (FIRST, USUAL):
        items = tuple(planned(settings, facts, night == FIRST))
        points = {b: sum(i.points for i in items if i.budget == b) for b in BUDGETS[name]}
        requests = sum(item.requests for item in items)
        pace = answer_seconds / asked.workers
        hours = hours_of(points, requests, held, accounts, pace) if accounts else None
        needed = needed_for(
            points, requests, with_token, answer_seconds, asked.workers, target_hours
        )
        nights.append(Night(night, items, points, hours, needed))
    note = "" if accounts else "not asked: GITHUB_TOKEN is not set"
    return Platform(name, tokens, asked.workers, held, tuple(nights), note)


def _limits(platform: str, tokens: int, announced: Mapping[str, Limit]) -> dict[str, Limit]:
    """The limits of each account that asks."""
    documented = LIMITS if tokens else ANONYMOUS
    return {
        budget: announced[budget] if tokens and budget in announced else documented[budget]
        for budget in BUDGETS[platform]
    }


def hours_of(
    points: Mapping[str, float],
    requests: float,
    limits: Mapping[str, Limit],
    accounts: int,
    pace: float,
) -> float:
    """Hours that requests take at least.

    Args:
        points: what is spent of each budget.
        requests: calls of all budgets.
        limits: of one account.
        accounts: how many there are.
        pace: seconds between two answers where no limit holds.
    """
    longest = requests * pace
    for budget, amount in points.items():
        allowed = limits[budget].of(accounts)
        if amount and not allowed:
            return math.inf
        windows = math.ceil(amount / allowed) - 1 if amount else 0
        if windows > 0:
            rest = (amount - windows * allowed) / amount * requests * pace
            longest = max(longest, windows * limits[budget].seconds + rest)
    return longest / HOUR


def needed_for(
    points: Mapping[str, float],
    requests: float,
    limits: Mapping[str, Limit],
    answer_seconds: float,
    workers: int,
    target_hours: float,
) -> Needed | None:
    """The fewest tokens, and workers for them, that are done within a target.

    Args:
        answer_seconds: from a request to its answer.
        workers: how many there are; more are only named where these are too few.
    """

    def is_enough(tokens: int, hands: int) -> bool:
        took = hours_of(points, requests, limits, tokens, answer_seconds / hands)
        return took <= target_hours

    most = max(workers, MOST_WORKERS)
    tokens = next((n for n in range(1, MOST_TOKENS + 1) if is_enough(n, most)), None)
    if tokens is None:
        return None
    return Needed(tokens, next(n for n in range(workers, most + 1) if is_enough(tokens, n)))
