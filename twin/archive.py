"""GitHub's flow in the twin: which events happen in the archive's hours.

Belongs here: the drawing of events as columns (type, repository, actor, time, thread, push) and
what their ids are. Does not belong here: JSON (`shapes`) and what goes wrong with the files
(`defects`).

Planted, and therefore measurable: for every hour, type, repository and actor the number of
events; threads whose numbers continue one sequence of issues and pull requests per repository;
merges; push sizes (zero, more than the 20 listed commits); late events, created one day before
their file; renames at a moment; ids that restart with the new payload era, run in two sequences
and collide across types. Not planted: stocks. Two days of flow say nothing about the stocks on
`Repositories`, except that the pull requests of the older era carry `stargazers_count`.

Events that a natural key could confuse do not occur: no actor stars a repository twice, no
thread is closed twice, and no actor does the same kind of act on the same repository twice in
one second (pushes have distinct push ids). So every equal event in the files is a planted copy.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.world import (
    DAY,
    Accounts,
    Bools,
    Floats,
    Ints,
    Repositories,
    Scale,
    mixed,
    stream,
    weighted_choice,
)

TYPES = (
    "PushEvent", "CreateEvent", "DeleteEvent", "WatchEvent", "ForkEvent", "IssuesEvent",
    "IssueCommentEvent", "PullRequestEvent", "PullRequestReviewEvent",
    "PullRequestReviewCommentEvent", "ReleaseEvent", "GollumEvent", "MemberEvent", "PublicEvent",
    "CommitCommentEvent",
)  # fmt: skip
PUSH, CREATE, DELETE, WATCH, FORK, ISSUES, ISSUE_COMMENT, PULL = range(8)
REVIEW, REVIEW_COMMENT, RELEASE, GOLLUM, MEMBER, PUBLIC, COMMIT_COMMENT = range(8, 15)
# Order of magnitude as in the archive; pull requests a little rarer, as their lines are long.
TYPE_SHARES = np.array(
    [0.53, 0.13, 0.045, 0.09, 0.03, 0.035, 0.055, 0.04, 0.014, 0.008, 0.01, 0.004, 0.004, 0.002,
     0.003]
)  # fmt: skip
ACTIONS = ("", "opened", "closed", "reopened", "merged", "created", "started", "published",
           "added", "forked")  # fmt: skip
NONE, OPENED, CLOSED, REOPENED, MERGED, CREATED, STARTED, PUBLISHED, ADDED, FORKED = range(10)
ISSUE_THREAD, PULL_THREAD = 1, 2
_FIXED_ACTION = {
    WATCH: STARTED, FORK: FORKED, ISSUE_COMMENT: CREATED, REVIEW: CREATED,
    REVIEW_COMMENT: CREATED, RELEASE: PUBLISHED, MEMBER: ADDED,
}  # fmt: skip
_ANYONE = (WATCH, FORK, ISSUES, ISSUE_COMMENT, COMMIT_COMMENT)
_BOT_TYPES = (PUSH, CREATE, DELETE, ISSUE_COMMENT, PULL, RELEASE)
# Relative load of the hours of a UTC day.
_DAY_PROFILE = 1 + 0.35 * np.sin((np.arange(24) - 9) * np.pi / 12)


@dataclass(frozen=True)
class Events:
    """Events in order of their time, index-aligned columns.

    `hour` counts the archive files from 0; `created_at` is in epoch seconds. `number` is the
    thread's number (0: none), `thread_kind` 1 an issue, 2 a pull request; `thread_author` and
    `thread_created_at` belong to the thread. `is_new_name` says that the rename is past.
    `variety` is a hash for details that are not planted.
    """

    type: Ints
    repository: Ints
    actor: Ints
    hour: Ints
    created_at: Ints
    action: Ints
    thread_kind: Ints
    number: Ints
    thread_author: Ints
    thread_created_at: Ints
    push_size: Ints
    push_distinct_size: Ints
    push_id: Ints
    event_id: Ints
    is_new_name: Bools
    is_late: Bools
    variety: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.type)

    def taken(self, index: NDArray[Any]) -> "Events":
        """The events at an index or mask."""
        return Events(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def draw_events(
    scale: Scale,
    seed: int,
    accounts: Accounts,
    repositories: Repositories,
    starts_at: int,
    day_count: int,
    first_new_hour: int,
) -> Events:
    """All events of `day_count` days from `starts_at` (epoch seconds, midnight).

    `first_new_hour` is the index of the first hour file in the newer payload era. About one
    event in a hundred of `scale.event_count` is dropped again because it could be confused
    with another (see the module).
    """
    rng = stream(seed, "github events")
    n = scale.event_count
    hour, created = _times(rng, n, starts_at, day_count)
    kind = _types(rng, n, hour, day_count)
    repository = _repositories(rng, kind, repositories)
    actor = _actors(rng, kind, repository, accounts, repositories)
    action = _actions(rng, kind)
    keep = _distinct(kind, repository, actor, created) & (
        created >= repositories.first_event_at[repository]
    )
    hour, created, kind = hour[keep], created[keep], kind[keep]
    repository, actor, action = repository[keep], actor[keep], action[keep]
    thread = _threads(rng, kind, action, repository, actor, created, repositories, starts_at)
    n = len(kind)
    size, distinct = _push_sizes(rng, kind)
    is_late = np.zeros(n, bool)
    # Only acts without a thread are late: a comment must not come before what it answers.
    may_be_late = np.flatnonzero(
        (thread[0] == NONE) & (repositories.first_event_at[repository] == 0)
    )
    is_late[rng.choice(may_be_late, min(scale.late_count, len(may_be_late)), replace=False)] = True
    created = np.where(is_late, created - DAY, created)
    renamed = repositories.renamed_at[repository]
    events = Events(
        type=kind, repository=repository, actor=actor, hour=hour, created_at=created,
        action=action, thread_kind=thread[0], number=thread[1], thread_author=thread[2],
        thread_created_at=thread[3], push_size=size, push_distinct_size=distinct,
        push_id=np.where(kind == PUSH, 26_500_000_000 + np.cumsum(rng.integers(3, 90, n)), 0),
        event_id=_event_ids(rng, kind, hour >= first_new_hour),
        is_new_name=(renamed > 0) & (created >= renamed), is_late=is_late,
        variety=mixed(np.arange(n), seed),
    )  # fmt: skip
    return events.taken(_closed_once(events))


def _times(rng: np.random.Generator, n: int, starts_at: int, day_count: int) -> tuple[Ints, Ints]:
    """File hour and time, in order of time; one in 200 was created shortly before its file."""
    load = np.tile(_DAY_PROFILE, day_count)
    hour = weighted_choice(rng, load, n)
    created = starts_at + hour * 3_600 + rng.integers(0, 3_600, n)
    lagging = (rng.uniform(size=n) < 0.005) & (hour > 0)
    shortly_before = starts_at + hour * 3_600 - rng.integers(1, 600, n)
    created = np.where(lagging, shortly_before, created)
    order = np.argsort(created, kind="stable")
    return hour[order], created[order]


def _types(rng: np.random.Generator, n: int, hour: Ints, day_count: int) -> Ints:
    """Types at the archive's shares, every type at least three times a day."""
    kind = weighted_choice(rng, TYPE_SHARES, n)
    for day in range(day_count):
        of_day = np.flatnonzero(hour // 24 == day)
        forced = np.repeat(np.arange(len(TYPES)), 3)
        if len(of_day) >= len(forced):
            kind[rng.choice(of_day, len(forced), replace=False)] = forced
    return kind


def _repositories(rng: np.random.Generator, kind: Ints, repositories: Repositories) -> Ints:
    """Repositories by activity; stars and forks by popularity; issues only where there are any."""
    activity = repositories.activity * np.where(repositories.first_event_at > 0, 3.0, 1.0)
    popular: Floats = np.power(repositories.star_stock + 0.2, 0.7).astype(np.float64)
    with_issues: Floats = activity * np.sqrt(repositories.issue_stock.astype(np.float64))
    chosen = np.zeros(len(kind), np.int64)
    groups: tuple[tuple[tuple[int, ...], Floats], ...] = (
        ((WATCH, FORK), popular),
        ((ISSUES, ISSUE_COMMENT), with_issues),
        ((PULL, REVIEW, REVIEW_COMMENT), activity * np.sqrt(1.0 + repositories.star_stock)),
    )
    rest = np.ones(len(kind), bool)
    for types, weights in groups:
        mask = np.isin(kind, types)
        chosen[mask] = weighted_choice(rng, weights, int(mask.sum()))
        rest &= ~mask
    chosen[rest] = weighted_choice(rng, activity, int(rest.sum()))
    return chosen


def _actors(
    rng: np.random.Generator,
    kind: Ints,
    repository: Ints,
    accounts: Accounts,
    repositories: Repositories,
) -> Ints:
    """Contributors (the first most often), anyone for stars and questions, and bots."""
    n = len(kind)
    start = repositories.pool_start[repository]
    size = repositories.pool_start[repository + 1] - start
    actor = repositories.pool[start + np.floor(rng.uniform(size=n) ** 2 * size).astype(np.int64)]
    curiosity: Floats = np.arange(1.0, accounts.person_count + 1) ** -0.5
    anyone = rng.permutation(accounts.person_count)[weighted_choice(rng, curiosity, n)]
    from_outside = np.where(kind == WATCH, 0.95, np.where(kind == PULL, 0.25, 0.6))
    outside = np.isin(kind, (*_ANYONE, PULL)) & (rng.uniform(size=n) < from_outside)
    actor = np.where(outside, anyone, actor)
    bot = np.isin(kind, _BOT_TYPES) & (rng.uniform(size=n) < 0.08)
    # Each repository uses one bot: networks built without a bot policy then look too dense.
    bots = accounts.person_count + mixed(repository, 7) % np.uint64(accounts.bot_count)
    return np.where(bot, bots.astype(np.int64), actor)


def _actions(rng: np.random.Generator, kind: Ints) -> Ints:
    action = np.zeros(len(kind), np.int64)
    for code, fixed in _FIXED_ACTION.items():
        action[kind == code] = fixed
    for code, choices, shares in (
        (ISSUES, (OPENED, CLOSED, REOPENED), (0.56, 0.40, 0.04)),
        (PULL, (OPENED, MERGED, CLOSED, REOPENED), (0.48, 0.36, 0.14, 0.02)),
    ):
        mask = kind == code
        action[mask] = np.array(choices)[weighted_choice(rng, np.array(shares), int(mask.sum()))]
    return action


def _distinct(kind: Ints, repository: Ints, actor: Ints, created: Ints) -> Bools:
    """Mask of events that no natural key confuses; a star is one per actor and repository."""
    second = np.where(np.isin(kind, (WATCH, PUBLIC)), 0, created - created.min() + 1)
    keys = mixed(kind, repository, actor, second)
    keep: Bools = np.equal(kind, PUSH)
    keep[np.unique(keys, return_index=True)[1]] = True
    return keep


def _threads(
    rng: np.random.Generator,
    kind: Ints,
    action: Ints,
    repository: Ints,
    actor: Ints,
    created: Ints,
    repositories: Repositories,
    starts_at: int,
) -> tuple[Ints, Ints, Ints, Ints]:
    """Kind, number, author and creation time of the thread of each event (0 where none).

    Odd old numbers are issues and even ones pull requests; new numbers continue the sequence.
    """
    n = len(kind)
    of_issue = np.isin(kind, (ISSUES, ISSUE_COMMENT))
    of_pull = np.isin(kind, (PULL, REVIEW, REVIEW_COMMENT))
    of_pull |= (kind == ISSUE_COMMENT) & (rng.uniform(size=n) < 0.4)
    thread_kind = np.where(of_pull, PULL_THREAD, np.where(of_issue, ISSUE_THREAD, NONE))
    opens = action == OPENED
    number = np.zeros(n, np.int64)
    number[opens] = repositories.last_number[repository[opens]] + _rank_within(repository[opens])
    author, opened_at = actor.copy(), created.copy()
    # The other events take the latest thread of their kind opened so far, or an old one.
    others = np.flatnonzero((thread_kind > 0) & ~opens)
    groups = repository * 3 + thread_kind
    keys = np.sort(groups[opens] * n + np.flatnonzero(opens))
    place = np.searchsorted(keys, groups[others] * n + others) - 1
    latest = np.where(place >= 0, keys[place] if len(keys) else 0, -1)
    recent = (latest // n == groups[others]) & (rng.uniform(size=len(others)) < 0.6)
    source = latest[recent] % n
    for column in (number, author, opened_at):
        column[others[recent]] = column[source]
    old = others[~recent]
    number[old], author[old], opened_at[old] = _old_threads(
        rng, repository[old], thread_kind[old], repositories, starts_at
    )
    without = thread_kind == NONE
    return thread_kind, np.where(without, 0, number), author, opened_at


def _old_threads(
    rng: np.random.Generator,
    repository: Ints,
    thread_kind: Ints,
    repositories: Repositories,
    starts_at: int,
) -> tuple[Ints, Ints, Ints]:
    """Number, author and creation time of threads opened before the first day."""
    half = np.maximum(repositories.last_number[repository] // 2, 1)
    back = np.floor(rng.uniform(size=len(repository)) ** 3 * np.minimum(half, 60)).astype(np.int64)
    number = 2 * (half - 1 - back) + np.where(thread_kind == PULL_THREAD, 2, 1)
    start = repositories.pool_start[repository]
    size = (repositories.pool_start[repository + 1] - start).astype(np.uint64)
    hashed = mixed(repository, number)
    author = repositories.pool[start + (hashed % size).astype(np.int64)]
    age = 600 + (mixed(repository, number, 1) % np.uint64(300 * DAY)).astype(np.int64)
    opened_at = np.maximum(starts_at - age, repositories.created_at[repository] + 60)
    return number, author, np.minimum(opened_at, starts_at + 2 * DAY)


def _rank_within(group: Ints) -> Ints:
    """1, 2, ... within each group, in order of appearance."""
    order = np.argsort(group, kind="stable")
    sorted_group = group[order]
    first = np.searchsorted(sorted_group, sorted_group, side="left")
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - first + 1
    return rank


def _push_sizes(rng: np.random.Generator, kind: Ints) -> tuple[Ints, Ints]:
    """Size and distinct size: mostly 1, sometimes 0, with a tail beyond the 20 listed commits."""
    n = len(kind)
    size = np.minimum(np.floor((1 - rng.uniform(size=n)) ** -0.55), 1_000).astype(np.int64)
    size[rng.uniform(size=n) < 0.008] = 0
    known = rng.uniform(size=n) < 0.06
    distinct = np.where(known, np.floor(size * rng.uniform(size=n)), size).astype(np.int64)
    push = kind == PUSH
    return np.where(push, size, 0), np.where(push, distinct, 0)


def _event_ids(rng: np.random.Generator, kind: Ints, is_new_era: Bools) -> Ints:
    """Ids that grow roughly with time: one sequence, then after the restart two.

    A few ids of the second new sequence repeat ids of the first, for another type.
    """
    n = len(kind)
    steps = np.cumsum(rng.integers(2, 40, n)) + rng.integers(0, 60, n)
    order = np.argsort(np.argsort(steps, kind="stable"), kind="stable")
    unique = np.sort(steps)[order] + order
    first_sequence = np.isin(kind, (PUSH, CREATE, DELETE))
    new = np.where(first_sequence, 7_300_000_000, 5_600_000_000) + unique
    ids = np.where(is_new_era, new, 55_000_000_000 + unique)
    stars = np.flatnonzero(is_new_era & (kind == WATCH))[:3]
    pushes = np.flatnonzero(is_new_era & (kind == PUSH))[: len(stars)]
    ids[stars[: len(pushes)]] = ids[pushes]
    return ids.astype(np.int64)


def _closed_once(events: Events) -> Bools:
    """Mask without second closings or merges of a thread."""
    ends = np.isin(events.action, (CLOSED, MERGED))
    keys = mixed(events.repository, events.number, np.where(ends, 0, np.arange(len(events)) + 1))
    keep = np.zeros(len(events), bool)
    keep[np.unique(keys, return_index=True)[1]] = True
    return keep
