"""The flow as the APIs need it: events up to a moment, in order of repository and time.

Belongs here: the index over events, and the totals per repository that follow from them. Does
not belong here: drawing events (`archive`) and what happened before them (`history`).

An event counts from the moment at which it happened; one that the archive records a day late is
in the APIs at once, as on the platform.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from twin.draws import Bools, Ints
from twin.events import (
    CLOSED,
    FORK,
    ISSUE_THREAD,
    MERGED,
    OPENED,
    PUSH,
    REOPENED,
    WATCH,
    Events,
    joined,
)
from twin.world import World


@dataclass(frozen=True)
class FlowTotals:
    """What the flow adds to each repository; index-aligned with the repositories.

    `last_push_at` and `last_event_at` are 0 where there was none.
    """

    stars: Ints
    forks: Ints
    commits: Ints
    issues: Ints
    pulls: Ints
    last_push_at: Ints
    last_event_at: Ints


# Columns that need fewer bits: half the memory for a flow of many days.
_BYTES = ("type", "role", "action", "thread_kind", "thread_role")
_INTEGERS = (
    "repository", "actor", "hour", "number", "thread_author", "place", "push_size",
    "push_distinct_size", "first_position", "merges",
)  # fmt: skip


def _narrow(events: Events) -> Events:
    narrowed = {name: getattr(events, name).astype(np.int8) for name in _BYTES}
    narrowed |= {name: getattr(events, name).astype(np.int32) for name in _INTEGERS}
    return replace(events, **narrowed)


def _wide(events: Events) -> Events:
    return replace(
        events, **{name: getattr(events, name).astype(np.int64) for name in _BYTES + _INTEGERS}
    )


class FlowIndex:
    """All events of some days in order of repository and time, in narrow columns."""

    def __init__(self, world: World, events: Events) -> None:
        count = len(world.repositories)
        order = np.lexsort((events.serial, events.created_at, events.repository))
        self.events = _narrow(events.taken(order))
        self._start = np.searchsorted(self.events.repository, np.arange(count + 1))
        self.totals = _totals(self.events, count)
        self._lock = threading.Lock()
        self._actor_order: Ints | None = None

    @classmethod
    def of_days(cls, world: World, days: Iterable[Events]) -> "FlowIndex":
        """The index over days, at least one."""
        return cls(world, joined(list(days)))

    def and_days(self, world: World, days: Iterable[Events]) -> "FlowIndex":
        """The index over these and more days."""
        return FlowIndex(world, joined([self.events, *map(_narrow, days)]))

    def of_repository(self, i: int) -> Events:
        """The events of one repository, the oldest first."""
        return _wide(self.events.taken(self.places_of(i)))

    def places_of(self, i: int) -> slice:
        """Where a repository's events are in `events`."""
        return slice(int(self._start[i]), int(self._start[i + 1]))

    def at_places(self, places: Ints) -> Events:
        """The events at places in `events`."""
        return _wide(self.events.taken(places))

    def of_actor(self, account: int) -> Ints:
        """Places in `events` of an account's acts, the oldest first."""
        with self._lock:
            if self._actor_order is None:
                keys = (self.events.serial, self.events.created_at, self.events.actor)
                self._actor_order = np.lexsort(keys)
        order = self._actor_order
        actors = self.events.actor
        low = np.searchsorted(actors, account, side="left", sorter=order)
        high = np.searchsorted(actors, account, side="right", sorter=order)
        return order[low:high]


def _totals(events: Events, count: int) -> FlowTotals:
    repository = events.repository

    def number_of(mask: Bools) -> Ints:
        return np.bincount(repository[mask], minlength=count)

    def latest(mask: Bools, values: Ints) -> Ints:
        last = np.zeros(count, np.int64)
        np.maximum.at(last, repository[mask], values[mask])
        return last

    opened = events.action == OPENED
    push = events.type == PUSH
    commits = np.bincount(
        repository[push], weights=events.push_distinct_size[push], minlength=count
    )
    everything = np.ones(len(events), bool)
    return FlowTotals(
        stars=number_of(events.type == WATCH),
        forks=number_of(events.type == FORK),
        commits=commits.astype(np.int64),
        issues=number_of(opened & (events.thread_kind == ISSUE_THREAD)),
        pulls=number_of(opened & (events.thread_kind != ISSUE_THREAD)),
        last_push_at=latest(push, events.created_at),
        last_event_at=latest(everything, events.created_at),
    )


@dataclass(frozen=True)
class ThreadChanges:
    """What the flow does to one repository's threads that were there, and those it opens.

    `closed_at`, `merged_at`, `closer` apply to the threads of `number` whose state the flow
    changed; `merged_at` and `closer` are 0 and -1 where they were not merged, not closed.
    """

    number: Ints
    closed_at: Ints
    merged_at: Ints
    closer: Ints
    reopened: Ints


def state_changes(events: Events) -> ThreadChanges:
    """The last state of each thread that the events close, merge or reopen."""
    states = np.isin(events.action, (CLOSED, MERGED, REOPENED)) & (events.number > 0)
    places = np.flatnonzero(states)
    # The last change of a thread decides: in reversed order it is the first.
    number, first = np.unique(events.number[places][::-1], return_index=True)
    place = places[::-1][first]
    action, at = events.action[place], events.created_at[place]
    ends = action != REOPENED
    return ThreadChanges(
        number=number,
        closed_at=np.where(ends, at, 0),
        merged_at=np.where(action == MERGED, at, 0),
        closer=np.where(ends, events.actor[place], -1),
        reopened=np.where(ends, 0, at),
    )
