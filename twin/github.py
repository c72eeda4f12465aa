"""GitHub's state at a moment: the history and the flow until then, as the APIs ask for it.

Belongs here: what exists, in which order and under which name, for both the REST and the GraphQL
view. Does not belong here: JSON, pages and statuses (`server`), and what was planted (`world`).

A view is built once for each moment: the events of the days until then in order of repository
and time, and totals per repository. Everything about one repository is computed when it is asked
for. `GitHubView` adds repositories, stars, forks, events and releases to the accounts
(`github_moment`), commits (`github_commits`) and threads (`github_threads`).
"""

import threading
from typing import Protocol

import numpy as np

from twin import words
from twin.draws import DAY, Ints, below, mixed, uniform_of
from twin.events import FORK, RELEASE, WATCH, Events
from twin.github_flow import FlowIndex
from twin.github_moment import Fixtures
from twin.github_records import Release, Repository, Thread
from twin.github_threads import Threads
from twin.history import History
from twin.identifiers import fork_id, release_id
from twin.world import World

_KEPT_REPOSITORIES = 1 << 14
# Passers-by are numbered from the last account on.
_PASSERS_BY = 1 << 27
# The feed of events shows no more.
FEED_EVENTS, FEED_DAYS = 300, 30


class FlowOfDays(Protocol):
    """The flow, as far as it is needed here."""

    def day(self, k: int) -> "DayOfEvents":
        """Everything of day k (from 0)."""
        ...


class DayOfEvents(Protocol):
    @property
    def events(self) -> Events:
        """The events that the files of the day record."""
        ...


class GitHub(Fixtures):
    """Gives the view of each moment."""

    def __init__(self, world: World, history: History, flow: FlowOfDays) -> None:
        super().__init__(world, history)
        self.flow = flow
        self._lock = threading.Lock()
        self._newest: tuple[int, FlowIndex | None] = (0, None)

    def at(self, now: int) -> "GitHubView":
        """The state at a moment, which must be a midnight (epoch seconds) after day 0."""
        days = (now - self.world.starts_at) // DAY
        with self._lock:
            known, index = self._newest
            if index is None or days < known:
                # Before the first day is over there is an index of nothing.
                nothing = self.flow.day(0).events.taken(slice(0, 0))
                every = [nothing, *(self.flow.day(k).events for k in range(days))]
                index = FlowIndex.of_days(self.world, every)
            elif days > known:
                more = (self.flow.day(k).events for k in range(known, days))
                index = index.and_days(self.world, more)
            if days >= known:
                self._newest = (days, index)
        return GitHubView(self, now, index)


class GitHubView(Threads):
    """GitHub at `now`. Repositories and accounts are indices; answers are records or arrays."""

    def __init__(self, github: Fixtures, now: int, flow: FlowIndex) -> None:
        super().__init__(github, now, flow)
        self._repositories: dict[int, Repository] = {}

    # ------------------------------------------------------------ repositories

    def find(self, full_name: str) -> tuple[int, bool] | None:
        """Index behind a name, and whether it is an old name; says nothing of the status."""
        return self.world.repositories.find(full_name, self.now)

    def find_id(self, number: int) -> int | None:
        """Index of a numeric id."""
        return self.world.repositories.find_id(number)

    def status(self, i: int) -> str:
        """ "ok", "deleted", "private", "dmca" or "absent"."""
        return self.world.repositories.status_at(i, self.now)

    def full_name(self, i: int) -> str:
        """The present name."""
        return self.world.repositories.name_at(i, self.now)

    def owned(self, account: int) -> Ints:
        """Visible repositories of an account, in order of their names."""
        mine = self.world.repositories.owned_at(account, self.now)
        mine = mine[self.visible[mine]]
        return np.array(sorted(mine.tolist(), key=lambda i: self.full_name(i).lower()), np.int64)

    def listed_after(self, number: int, count: int) -> Ints:
        """Visible repositories with greater ids, in order of these."""
        order, ids = self.github.repository_order, self.world.repositories.id
        place = int(np.searchsorted(ids, number, side="right", sorter=order))
        found: list[int] = []
        while place < len(order) and len(found) < count:
            block = order[place : place + 2 * count]
            found += block[self.visible[block]].tolist()
            place += len(block)
        return np.array(found[:count], np.int64)

    def parent(self, i: int) -> int:
        """The visible repository of which this is a fork, -1 where there is none."""
        parent = int(self.world.repositories.fork_of[i])
        return parent if parent >= 0 and self.visible[parent] else -1

    def repository(self, i: int) -> Repository:
        """The record of a repository."""
        record = self._repositories.get(i)
        if record is None:
            record = self._repository(i)
            if len(self._repositories) > _KEPT_REPOSITORIES:
                self._repositories = {}
            self._repositories[i] = record
        return record

    def _repository(self, i: int, *, counted: bool = True) -> Repository:
        r = self.world.repositories
        language = int(r.language[i])
        archived = bool(r.is_archived_at(np.array([i]), self.now)[0])
        return Repository(
            index=i,
            id=int(r.id[i]),
            full_name=self.full_name(i),
            owner=self.account(r.owner_at(i, self.now)),
            description=r.description[i],
            is_fork=bool(r.is_fork[i]),
            created_at=int(r.created_at[i]),
            updated_at=max(int(self.updated_at[i]), int(r.created_at[i])),
            pushed_at=max(int(self.pushed_at[i]), int(r.created_at[i])),
            language=None if language < 0 else words.LANGUAGES[language],
            licence=int(r.licence[i]),
            has_issues=bool(r.has_issues[i]),
            is_archived=archived,
            stars=int(self.star_counts[i]),
            forks=self.fork_count(i),
            open_issues=self.open_count(i) if counted else 0,
            subscribers=len(self.subscribers(i)),
            size=int(r.id[i]) % 90_000,
            topics=self.topics(i),
        )

    def repository_name(self, i: int) -> Repository:
        """The record without what takes time to count: its counts of threads are 0."""
        return self._repository(i, counted=False)

    def fork_of_person(self, i: int, account: int, created_at: int) -> Repository:
        """A person's fork of a repository, which is no part of the population.

        Nothing is in it but what it had when it was made, and its own address is not known.
        """
        name = self.full_name(i).split("/", 1)[1]
        owner, number = self.account(account), fork_id(i, account)
        return Repository(
            index=-1,
            id=number,
            full_name=f"{owner.login}/{name}",
            owner=owner,
            description=self.world.repositories.description[i],
            is_fork=True,
            created_at=created_at,
            updated_at=created_at,
            pushed_at=created_at,
            language=None,
            licence=int(self.world.repositories.licence[i]),
            has_issues=False,
            is_archived=False,
            stars=0,
            forks=0,
            open_issues=0,
            subscribers=0,
            size=number % 90_000,
            topics=(),
        )

    def topics(self, i: int) -> tuple[str, ...]:
        """Topics of a repository: none for every other one."""
        hashed = int(mixed(i, self.salt, 2)[0])
        if hashed % 2:
            return ()
        found = {words.ACTIVITIES[hashed >> shift & 15] for shift in (4, 8)}
        return tuple(sorted(found))

    def languages(self, i: int) -> dict[str, int]:
        """Bytes of code by language."""
        main = int(self.world.repositories.language[i])
        if main < 0:
            return {}
        size = int(self.world.repositories.id[i]) % 900_000 + 4_000
        other = words.LANGUAGES[(main + 1 + size % 7) % len(words.LANGUAGES)]
        return (
            {words.LANGUAGES[main]: size, other: size // 9}
            if size % 3
            else {words.LANGUAGES[main]: size}
        )

    def subscribers(self, i: int) -> Ints:
        """Accounts that watch a repository: those who ever contributed."""
        r = self.world.repositories
        pool = r.pool[int(r.pool_start[i]) : int(r.pool_start[i + 1])]
        found: Ints = np.unique(pool[pool < len(self.world.accounts.login)])
        return found

    def head(self, i: int, thread: Thread) -> Repository:
        """Where the branch of a pull request is."""
        if thread.head_fork:
            return self.fork_of_person(i, thread.author.index, thread.created_at)
        return self.repository(i)

    # ------------------------------------------------------------ stars and forks

    def star_count(self, i: int) -> int:
        """How many stars a repository has."""
        return int(self.star_counts[i])

    def stars(self, i: int, start: int, stop: int) -> tuple[Ints, Ints]:
        """Accounts and times of the stars at places start .. stop - 1, the oldest first."""
        old = self.history.star_count(i)
        who, at = self.history.stars(i, start, min(stop, old))
        if stop <= old:
            return who, at
        events = self.flow.of_repository(i)
        events = events.taken(events.type == WATCH)
        new = slice(max(start - old, 0), max(stop - old, 0))
        return (
            np.concatenate([who, events.actor[new]]),
            np.concatenate([at, events.created_at[new]]),
        )

    def fork_count(self, i: int) -> int:
        """How many forks a repository has, those outside the population included."""
        return int(self.fork_counts[i])

    def forks(self, i: int, start: int, stop: int) -> list[Repository]:
        """The forks at places start .. stop - 1, the newest first.

        Those of the flow are their makers' own, of the older ones some are repositories of the
        population and the others passers-by's.
        """
        r = self.world.repositories
        events = self.flow.of_repository(i)
        events = events.taken(events.type == FORK)
        inside = np.flatnonzero(r.fork_of == i)
        inside = inside[self.visible[inside]]
        others, first = self._passing_forks(i, self.fork_count(i) - len(inside) - len(events))
        at = np.concatenate([events.created_at, r.created_at[inside], first])
        who = np.concatenate([events.actor, np.full(len(inside), -1), others])
        found = []
        for k in np.argsort(at, kind="stable")[::-1][start:stop].tolist():
            if who[k] < 0:
                found.append(self.repository(int(inside[k - len(events)])))
            else:
                found.append(self.fork_of_person(i, int(who[k]), int(at[k])))
        return found

    def _passing_forks(self, i: int, count: int) -> tuple[Ints, Ints]:
        """Owners and times of the forks outside the population that are older than the flow."""
        k = np.arange(max(count, 0))
        accounts, r = len(self.world.accounts.login), self.world.repositories
        # An odd step visits every number below a power of two before it repeats one.
        shift = below(mixed(i, self.salt, 6), _PASSERS_BY)
        owner = accounts + (k * 48_271 + shift) % _PASSERS_BY
        created = int(r.created_at[i])
        share = (k + uniform_of(mixed(k, i, self.salt, 7))) / max(count, 1)
        return owner, created + np.floor((self.world.starts_at - created) * share).astype(np.int64)

    # ------------------------------------------------------------ events

    def events_of_repository(self, i: int) -> Ints:
        """Places in the flow of a repository's events that the feed shows, the newest first."""
        places = self.flow.places_of(i)
        return self._shown(np.arange(places.start, places.stop))

    def events_of_actor(self, account: int) -> Ints:
        """Places in the flow of an account's events that the feed shows, the newest first."""
        places = self.flow.of_actor(account)
        return self._shown(places[self.visible[self.flow.events.repository[places]]])

    def _shown(self, places: Ints) -> Ints:
        """At most 300, none older than 30 days."""
        recent = places[self.flow.events.created_at[places] > self.now - FEED_DAYS * DAY]
        return recent[::-1][:FEED_EVENTS]

    def event_lines(self, places: Ints) -> list[bytes]:
        """The JSON of events in the flow as the archive would record them today."""
        totals = self.flow.totals
        events = self.flow.at_places(places)
        return self.github.event_lines(events, self.now, (totals.stars, totals.forks))

    # ------------------------------------------------------------ releases

    def releases(self, i: int) -> list[Release]:
        """Releases of the flow, the newest first; the history has none."""
        events = self.flow.of_repository(i)
        events = events.taken(events.type == RELEASE)
        found = []
        for k in range(len(events)):
            v = int(events.variety[k])
            found.append(
                Release(
                    id=release_id(i, int(events.place[k])),
                    tag=f"v{v % 5}.{v // 5 % 20}.{v // 100 % 10}",
                    author=self.account(int(events.actor[k])),
                    created_at=int(events.created_at[k]),
                    body=self.texts.comment(i, 0, int(events.place[k])),
                )
            )
        return found[::-1]
