"""One day of GitHub's flow, drawn from the seed, the day's number and what earlier days left.

Belongs here: which events happen on a day, and the state that the next day needs (`Carried`).
Does not belong here: the archive's files (`archive`), JSON (`shapes`), what a thread was before
the flow (`past`).

Planted, and therefore measurable:

- Direct pushes and opened pull requests are an outsider's at the repository's planted shares
  (`external_direct_share`, `external_opened_share`, of those that are no machine's). An opened
  pull request is accepted at its author's `acceptance`; it is closed some hours or days later,
  so merges by outsiders' work have the planted `external_merged_share`.
- A merge adds one commit to the default branch, which a push by the one who merged tells.
- Threads number on from the history, issues and pull requests in one sequence. Every thread is
  closed at most once in the flow. Commits continue the history's positions without a gap.
- Nothing happens on a repository that a stranger cannot see at that time; on an archived one
  nothing but stars and forks. Insiders are inside at that time.
- Bursts of bought stars: many stars by young accounts within two hours.

Events that a natural key could confuse do not occur: no actor stars or forks a repository twice,
and no actor does the same on the same thing twice in one second (pushes have distinct push ids).
So every equal event in the files is a planted copy.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin import events as ev
from twin.draws import (
    DAY,
    Bools,
    Floats,
    Hashes,
    Ints,
    below,
    mixed,
    salt_of,
    stream,
    uniform_of,
    weighted_choice,
)
from twin.events import CLOSED, ISSUE_THREAD, MERGED, OPENED, PULL_THREAD, REOPENED, Events
from twin.habits import ANSWERS, TASKS, answered, gathered, pace, sittings, times
from twin.past import Past, ThreadState
from twin.timeline import INSIDER, MACHINE, OUTSIDER
from twin.world import World

# Order of magnitude as in the archive; pull requests a little rarer, as their lines are long.
TYPE_SHARES = np.array(
    [0.53, 0.13, 0.045, 0.09, 0.03, 0.035, 0.055, 0.04, 0.014, 0.008, 0.01, 0.004, 0.004, 0.002,
     0.003]
)  # fmt: skip
_ISSUE_ACTIONS = ((OPENED, CLOSED, REOPENED), (0.56, 0.40, 0.04))
_PULL_ACTIONS = ((OPENED, MERGED, CLOSED, REOPENED), (0.48, 0.36, 0.14, 0.02))
# Share of a machine's acts and, of the others, of an outsider's, where no plan says it.
_MACHINE_SHARES = {
    ev.ISSUES: 0.02, ev.ISSUE_COMMENT: 0.06, ev.REVIEW: 0.05, ev.REVIEW_COMMENT: 0.04,
    ev.RELEASE: 0.08,
}  # fmt: skip
_OUTSIDER_SHARES = {
    ev.FORK: 1.0, ev.ISSUE_COMMENT: 0.5, ev.REVIEW: 0.08, ev.REVIEW_COMMENT: 0.08,
    ev.GOLLUM: 0.2, ev.COMMIT_COMMENT: 0.6,
}  # fmt: skip
_ONCE = (ev.WATCH, ev.FORK)
_ON_ARCHIVED = (ev.WATCH, ev.FORK, ev.PUBLIC)
_NEEDS_THREAD = (ev.ISSUE_COMMENT, ev.REVIEW, ev.REVIEW_COMMENT)
_ISSUES_CLOSED, _PULLS_GIVEN_UP = 0.7, 0.6
# Relative load of the hours of a UTC day.
DAY_PROFILE = 1 + 0.35 * np.sin((np.arange(24) - 9) * np.pi / 12)
BURST_SPAN = 7_200
_FIRST_PUSH_ID = 26_500_000_000
_OLD_IDS, _NEW_IDS, _NEW_IDS_OF_REFS = 55_000_000_000, 5_600_000_000, 7_300_000_000
_ATTEMPTS = 4

Acts = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Pending:
    """Threads of the flow that will be closed: when, how, and what they are."""

    at: Ints
    repository: Ints
    number: Ints
    kind: Ints
    action: Ints
    author: Ints
    role: Ints
    opened_at: Ints

    def taken(self, index: NDArray[Any]) -> "Pending":
        return Pending(**{name: column[index] for name, column in vars(self).items()})

    def and_also(self, other: "Pending") -> "Pending":
        columns = vars(other)
        return Pending(
            **{name: np.concatenate([column, columns[name]]) for name, column in vars(self).items()}
        )


@dataclass(frozen=True)
class Carried:
    """What a day leaves to the next; nothing in it is changed afterwards.

    `last_number` and `commits` (the position of the next commit) are aligned with the
    repositories, `latest` (kind, then number, author, role, opening time, then repository) is
    each one's newest thread of the flow, `made` its releases and commit comments. `threads` are
    the threads touched so far in order of `keys`. `once` are the sorted hashes
    of stars and forks, `stars` and `forks` their counts.
    """

    day: int
    serial: int
    last_push_id: int
    id_steps: int
    last_number: Ints
    commits: Ints
    stars: Ints
    forks: Ints
    latest: Ints
    made: Ints
    keys: Ints
    threads: ThreadState
    once: Hashes
    pending: Pending


class Drawing:
    """Draws days of one world; holds what stays the same from day to day."""

    def __init__(self, world: World, past: Past) -> None:
        self.world, self.past = world, past
        self.salt = salt_of(world.seed, "github flow")
        self._new_era = int(np.ceil((world.era_switch.timestamp() - world.starts_at) / 3_600))
        repositories = world.repositories
        activity = repositories.activity * np.where(repositories.first_event_at > 0, 3.0, 1.0)
        self._popular: Floats = np.power(repositories.star_stock + 0.2, 0.7)
        self._with_issues: Floats = (
            activity * np.sqrt(repositories.issue_stock) * repositories.has_issues
        )
        self._with_pulls: Floats = activity * np.sqrt(1.0 + repositories.star_stock)
        self._active: Floats = activity
        forks = np.flatnonzero(repositories.fork_of >= 0)
        self._forks = (repositories.fork_of[forks] << 32) + repositories.owner[forks]
        people = world.accounts.person_count
        self._curious = stream(world.seed, "curiosity").permutation(people)
        self._curiosity: Floats = np.arange(1.0, people + 1) ** -0.5

    def beginning(self) -> Carried:
        """The state before day 0."""
        repositories = self.world.repositories
        n = len(repositories)
        none = np.zeros(0, np.int64)
        return Carried(
            day=0, serial=0, last_push_id=_FIRST_PUSH_ID, id_steps=0,
            last_number=self.past.thread_count.copy(),
            commits=repositories.commit_stock.astype(np.int64),
            stars=np.zeros(n, np.int64), forks=np.zeros(n, np.int64),
            latest=np.zeros((3, 4, n), np.int64), made=np.zeros((2, n), np.int64),
            keys=none, threads=ThreadState.empty(),
            once=np.zeros(0, np.uint64), pending=Pending(*[none] * 8),
        )  # fmt: skip

    def day(self, before: Carried) -> tuple[Events, Carried]:
        """The events of the day after `before`, and what they leave."""
        rng = stream(self.world.seed, f"github flow of day {before.day}")
        starts_at = self.world.starts_at + before.day * DAY
        slots, targets = self._slots(rng, starts_at, before)
        opened, pending = self._opened(slots, before)
        slots.update(opened)
        pending = before.pending.and_also(pending)
        is_due = pending.at < starts_at + DAY
        due = self._due(pending.taken(is_due))
        old = self._old_closings(rng, starts_at, targets, due, before)
        acts = _sorted(_stacked([slots, due, old]))
        acts = _sorted(_stacked([acts, self._merge_pushes(acts)]))
        acts = self._with_threads(rng, acts, before)
        running, keys, threads = self._running(acts, before)
        acts.update(running)
        acts.update(self._pushes(rng, acts, before))
        events = self._finished(rng, acts, before)
        after = self._left(before, events, pending.taken(~is_due), keys, threads)
        return events, after

    # ------------------------------------------------------------ what, where, who

    def _slots(
        self, rng: np.random.Generator, starts_at: int, before: Carried
    ) -> tuple[Acts, dict[tuple[int, int], int]]:
        """Acts that do not depend on a thread's fate, in order of time, and how many closings
        and reopenings of issues and pull requests the day should have."""
        n = self.world.scale.events_per_day
        hour = weighted_choice(rng, DAY_PROFILE, n)
        created = np.sort(starts_at + hour * 3_600 + rng.integers(0, 3_600, n), kind="stable")
        kind = _types(rng, n)
        action = np.zeros(n, np.int64)
        for code, fixed in ev.FIXED_ACTION.items():
            action[kind == code] = fixed
        for code, (choices, shares) in ((ev.ISSUES, _ISSUE_ACTIONS), (ev.PULL, _PULL_ACTIONS)):
            mask = kind == code
            drawn = weighted_choice(rng, np.array(shares), int(mask.sum()))
            action[mask] = np.array(choices)[drawn]
        targets = {
            (code, act): int(((kind == code) & (action == act)).sum())
            for code in (ev.ISSUES, ev.PULL) for act in (CLOSED, MERGED, REOPENED)
        }  # fmt: skip
        kept = ~(np.isin(kind, (ev.ISSUES, ev.PULL)) & (action != OPENED))
        # The push of a merge takes the place of a push.
        pushes = np.flatnonzero(kind == ev.PUSH)
        merges = min(targets[ev.PULL, MERGED], len(pushes) // 2)
        kept[rng.choice(pushes, merges, replace=False)] = False
        kind, action, created = kind[kept], action[kept], created[kept]
        on_pull = np.isin(kind, (ev.PULL, ev.REVIEW, ev.REVIEW_COMMENT))
        on_pull |= (kind == ev.ISSUE_COMMENT) & (rng.uniform(size=len(kind)) < 0.4)
        repository = self._repositories(rng, kind, on_pull, created)
        found = repository >= 0
        kind, action, created = kind[found], action[found], created[found]
        on_pull, repository = on_pull[found], repository[found]
        actor, role = self._actors(rng, kind, repository, created, before.day)
        on_issue = np.isin(kind, (ev.ISSUES, ev.ISSUE_COMMENT)) & ~on_pull
        thread_kind = np.where(on_pull, PULL_THREAD, np.where(on_issue, ISSUE_THREAD, 0))
        acts = _acts(
            type=kind, action=action, created_at=created, repository=repository, actor=actor,
            role=role, thread_kind=thread_kind,
        )  # fmt: skip
        self._keep_time(acts, starts_at)
        acts = _sorted(_stacked([self._bursts(starts_at), self._published(starts_at), acts]))
        return _taken(acts, self._distinct(acts, before.once)), targets

    def _repositories(
        self, rng: np.random.Generator, kind: Ints, on_pull: Bools, created: Ints
    ) -> Ints:
        """Repositories by activity; stars and forks by popularity; issues only where there are
        any. -1 where none was found that can be seen."""
        chosen = np.full(len(kind), -1)
        popular = np.isin(kind, _ONCE)
        issues = np.isin(kind, (ev.ISSUES, ev.ISSUE_COMMENT)) & ~on_pull
        groups = (
            (popular, self._popular), (issues, self._with_issues), (on_pull, self._with_pulls),
            (~(popular | issues | on_pull), self._active),
        )  # fmt: skip
        for mask, weights in groups:
            left = np.flatnonzero(mask) if weights.any() else np.zeros(0, np.int64)
            for _ in range(_ATTEMPTS):
                candidate = weighted_choice(rng, weights, len(left))
                fits = self._may(candidate, created[left], kind[left])
                chosen[left[fits]] = candidate[fits]
                left = left[~fits]
        return chosen

    def _may(self, repository: Ints, at: Ints, kind: Ints | int) -> Bools:
        """Elementwise: can something of that type be seen to happen there at the time?"""
        repositories = self.world.repositories
        may = repositories.is_visible(repository, at)
        may &= at >= repositories.first_event_at[repository]
        writable: Bools = np.isin(kind, _ON_ARCHIVED)
        return may & (writable | ~repositories.is_archived_at(repository, at))

    def _actors(
        self, rng: np.random.Generator, kind: Ints, repository: Ints, created: Ints, day: int
    ) -> tuple[Ints, Ints]:
        """Machines, outsiders and insiders at the planted shares; anyone gives stars."""
        n = len(kind)
        draw = rng.uniform(size=(2, n))
        machine, outsider = self._shares(kind, repository)
        role = np.where(draw[0] < machine, MACHINE, np.where(draw[1] < outsider, OUTSIDER, INSIDER))
        key = mixed(np.arange(n), day, self.salt)
        actor = self._by_role(role, repository, created, key, kind)
        star = np.flatnonzero(kind == ev.WATCH)
        role[star] = OUTSIDER
        for _ in range(_ATTEMPTS):
            actor[star] = self._curious[weighted_choice(rng, self._curiosity, len(star))]
            star = star[self.past.has_starred(repository[star], actor[star])]
        return actor, role

    def _shares(self, kind: Ints, repository: Ints) -> tuple[Floats, Floats]:
        """Share of a machine's acts of each type and, of the others, of an outsider's."""
        machine, outsider = np.zeros(len(ev.TYPES)), np.zeros(len(ev.TYPES))
        for shares, given in ((machine, _MACHINE_SHARES), (outsider, _OUTSIDER_SHARES)):
            shares[list(given)] = list(given.values())
        machine, outsider = machine[kind], outsider[kind]
        plan = self.world.repositories.plan
        for shares, codes, planted in (
            (machine, (ev.PUSH, ev.CREATE, ev.DELETE), plan.machine_direct_share),
            (machine, (ev.PULL,), plan.machine_opened_share),
            (outsider, (ev.PUSH,), plan.external_direct_share),
            (outsider, (ev.PULL,), plan.external_opened_share),
            (outsider, (ev.ISSUES,), plan.external_issue_share),
        ):
            mine = np.isin(kind, codes)
            shares[mine] = planted[repository[mine]]
        return machine, outsider

    def _by_role(
        self, role: Ints, repository: Ints, at: Ints, key: Hashes, act: Ints | int
    ) -> Ints:
        """Accounts of the given roles, for acts of the given type."""
        world = self.world
        actor = np.zeros(len(role), np.int64)
        for code, choose in ((OUTSIDER, world.outsider), (INSIDER, world.insider)):
            place = np.flatnonzero(role == code)
            actor[place] = choose(repository[place], at[place], key[place])
        place = np.flatnonzero(role == MACHINE)
        types = np.broadcast_to(np.asarray(act), role.shape)[place]
        actor[place] = world.machine(repository[place], at[place], key[place], types)
        return actor

    def _keep_time(self, acts: Acts, starts_at: int) -> None:
        """Give acts the times of people's and machines' habits, and answers what they answer.

        What could not happen at its new time stays where it was.
        """
        self._sit_down(acts, starts_at)
        place = np.flatnonzero(acts["role"] == MACHINE)
        kind, actor, thread_kind = (acts[name][place] for name in ("type", "actor", "thread_kind"))
        machine = actor - self.world.accounts.person_count
        second = acts["created_at"][place] - starts_at
        task = gathered(machine, kind, mixed(place, second, self.salt, 6))
        repository = acts["repository"][place[task]]
        fits = (task >= 0) & self._may(repository, acts["created_at"][place], kind)
        acts["repository"][place[fits]] = repository[fits]
        on_thread = fits & (thread_kind > 0) & (acts["thread_kind"][place[task]] > 0)
        thread_kind[on_thread] = acts["thread_kind"][place[task]][on_thread]
        acts["thread_kind"][place] = thread_kind
        at = starts_at + times(machine, kind, acts["repository"][place], second, self.salt)
        fits = self._may(acts["repository"][place], at, kind)
        acts["created_at"][place[fits]] = at[fits]
        opens = acts["action"] == OPENED
        openings = [np.flatnonzero(opens & (acts["thread_kind"] == code)) for code in range(3)]
        opening, delay = answered(
            machine, kind, thread_kind, openings, mixed(place, second, self.salt, 5)
        )
        at = acts["created_at"][opening] + delay
        repository = acts["repository"][opening]
        fits = (opening >= 0) & (at < starts_at + DAY) & self._may(repository, at, kind)
        fits &= acts["actor"][opening] != actor
        acts["created_at"][place[fits]] = at[fits]
        acts["repository"][place[fits]] = repository[fits]

    def _sit_down(self, acts: Acts, starts_at: int) -> None:
        place = np.flatnonzero(acts["role"] != MACHINE)
        actor, repository = acts["actor"][place], acts["repository"][place]
        at = starts_at + sittings(actor, acts["created_at"][place] - starts_at, self.salt)
        inside = acts["role"][place] == INSIDER
        fits = self._may(repository, at, acts["type"][place])
        # Anybody gives stars.
        fits &= (acts["type"][place] == ev.WATCH) | (
            self.world.is_insider(actor, repository, at) == inside
        )
        acts["created_at"][place[fits]] = at[fits]

    def _published(self, starts_at: int) -> Acts:
        """Repositories that were private from the beginning are published by somebody inside."""
        repositories = self.world.repositories
        at = repositories.private_until
        found = np.flatnonzero(
            (repositories.private_from == 1) & (at >= starts_at) & (at < starts_at + DAY)
        )
        found = found[self._may(found, at[found], ev.PUBLIC)]
        role = np.full(len(found), INSIDER)
        return _acts(
            type=np.full(len(found), ev.PUBLIC), created_at=at[found], repository=found, role=role,
            actor=self._by_role(role, found, at[found], mixed(found, self.salt, 4), ev.PUBLIC),
        )  # fmt: skip

    def _bursts(self, starts_at: int) -> Acts:
        """Bought stars of the day; a burst near midnight goes on in the next day."""
        repositories, accounts = self.world.repositories, self.world.accounts
        at = repositories.star_burst_at
        parts = []
        for i in np.flatnonzero((at > starts_at - BURST_SPAN) & (at < starts_at + DAY)).tolist():
            young = accounts.young(int(at[i]))
            young = young[~self.past.has_starred(np.full(len(young), i), young)]
            hashed = mixed(young, i, self.salt)
            chosen = np.argsort(hashed, kind="stable")[: int(repositories.star_burst_size[i])]
            created = at[i] + below(mixed(young[chosen], i, self.salt, 1), BURST_SPAN)
            seen = (created >= starts_at) & (created < starts_at + DAY)
            seen &= self._may(np.full(len(created), i), created, ev.WATCH)
            actor = young[chosen][seen]
            parts.append(_acts(
                type=np.full(len(actor), ev.WATCH), action=np.full(len(actor), ev.STARTED),
                created_at=created[seen], repository=np.full(len(actor), i), actor=actor,
                role=np.full(len(actor), OUTSIDER), is_burst=np.ones(len(actor), np.int64),
            ))  # fmt: skip
        return _stacked([_acts(type=np.zeros(0, np.int64)), *parts])

    def _distinct(self, acts: Acts, once: Hashes) -> Bools:
        """Mask of acts that no natural key confuses; a star is one per actor and repository.

        Whoever gave a star before the flow may have forked then, and does neither again.
        """
        kind, repository, actor = acts["type"], acts["repository"], acts["actor"]
        only_once = np.isin(kind, _ONCE)
        second = np.where(only_once, 0, acts["created_at"])
        keys = mixed(kind, repository, actor, second)
        keep: Bools = np.equal(kind, ev.PUSH)
        keep[np.unique(keys, return_index=True)[1]] = True
        keep[only_once] &= ~np.isin(keys[only_once], once)
        keep[only_once] &= ~self.past.has_starred(repository[only_once], actor[only_once])
        # Nobody forks what is theirs, nor a second time.
        owner = self.world.repositories.owners_at(repository, acts["created_at"])
        again = (owner == actor) | np.isin((repository << 32) + actor, self._forks)
        keep &= ~((kind == ev.FORK) & again)
        return keep

    # ------------------------------------------------------------ threads

    def _opened(self, acts: Acts, before: Carried) -> tuple[Acts, Pending]:
        """Columns of the day's acts in which new threads are numbered, and the threads' fates."""
        opens = np.flatnonzero(acts["action"] == OPENED)
        repository, created = acts["repository"][opens], acts["created_at"][opens]
        author, role, kind = (acts[k][opens] for k in ("actor", "role", "thread_kind"))
        fresh = before.last_number[repository] + _rank_within(repository)
        columns = {
            name: acts[name].copy()
            for name in ("number", "thread_author", "thread_role", "thread_created_at")
        }
        columns["number"][opens], columns["thread_author"][opens] = fresh, author
        columns["thread_role"][opens], columns["thread_created_at"][opens] = role, created
        key = mixed(ev.thread_keys(repository, fresh), self.salt, 2)
        draw, other, quick, wait = (uniform_of(mixed(key, part)) for part in range(4))
        is_pull = kind == PULL_THREAD
        accepted = is_pull & (draw < self.world.repositories.plan.acceptance[repository, role])
        given_up = ~accepted & (other < np.where(is_pull, _PULLS_GIVEN_UP, _ISSUES_CLOSED))
        mean = np.where(quick < 0.45, 5_400, 2 * DAY)
        delay = 60 + np.floor(-np.log1p(-wait) * mean).astype(np.int64)
        ends = accepted | given_up
        return columns, Pending(
            at=created + delay, repository=repository, number=fresh, kind=kind,
            action=np.where(accepted, MERGED, CLOSED), author=author, role=role,
            opened_at=created,
        ).taken(ends)  # fmt: skip

    def _due(self, pending: Pending) -> Acts:
        """Closings that are due, where the repository still can be seen and written."""
        pending = pending.taken(self._may(pending.repository, pending.at, ev.ISSUES))
        return self._closings(
            pending.repository, pending.number, pending.kind, pending.action, pending.at,
            pending.author, pending.role, pending.opened_at,
        )  # fmt: skip

    def _closings(
        self, repository: Ints, number: Ints, kind: Ints, action: Ints, at: Ints, author: Ints,
        role: Ints, opened_at: Ints,
    ) -> Acts:  # fmt: skip
        """Who closes, merges or reopens: somebody inside, an issue's author, or a machine."""
        key = mixed(ev.thread_keys(repository, number), self.salt, 3, action)
        draw = uniform_of(key)
        gives_up = (action != MERGED) & (draw < 0.3) & (author < self.world.accounts.person_count)
        by_machine = (kind == ISSUE_THREAD) & (draw > 0.92)
        who = np.where(by_machine, MACHINE, INSIDER)
        actor = np.where(gives_up, author, self._by_role(who, repository, at, key, ev.ISSUES))
        return _acts(
            type=np.where(kind == PULL_THREAD, ev.PULL, ev.ISSUES), action=action, created_at=at,
            repository=repository, actor=actor, role=np.where(gives_up, role, who),
            thread_kind=kind, number=number, thread_author=author, thread_role=role,
            thread_created_at=opened_at, order=np.ones(len(at), np.int64),
        )  # fmt: skip

    def _old_closings(
        self, rng: np.random.Generator, starts_at: int, targets: dict[tuple[int, int], int],
        due: Acts, before: Carried,
    ) -> Acts:  # fmt: skip
        """Closings and reopenings of threads from before the flow, as far as the day lacks any."""
        parts = [_acts(type=np.zeros(0, np.int64))]
        for code, kind in ((ev.ISSUES, ISSUE_THREAD), (ev.PULL, PULL_THREAD)):
            there = int(((due["type"] == code) & (due["action"] != REOPENED)).sum())
            wanted = targets[code, CLOSED] + targets[code, MERGED] - there
            reopened = targets[code, REOPENED]
            count = 6 * (max(wanted, 0) + reopened) + 30
            weights = self._with_issues if kind == ISSUE_THREAD else self._with_pulls
            weights = weights * (self.past.kind_counts(kind) > 0)
            if not weights.any():
                continue
            repository = weighted_choice(rng, weights, count)
            at = starts_at + rng.integers(0, DAY, count)
            number = self._old_number(rng, repository, np.full(count, kind), 2.0, 40)
            keys = ev.thread_keys(repository, number)
            first = np.zeros(count, bool)
            first[np.unique(keys, return_index=True)[1]] = True
            may = first & self._may(repository, at, code)
            repository, number, at, keys = (c[may] for c in (repository, number, at, keys))
            thread = self.past.threads(repository, number)
            known, row = _looked_up(before.keys, keys)
            closed_at = thread.closed_at.copy()
            closed_at[known] = before.threads.closed_at[row]
            can_close = np.flatnonzero((closed_at == 0) & ~known)[: max(wanted, 0)]
            given_up = (thread.closed_at > 0) & (thread.merged_at == 0) & (closed_at > 0)
            can_reopen = np.flatnonzero(given_up)[:reopened]
            for chosen, back in ((can_close, False), (can_reopen, True)):
                merged = thread.is_accepted[chosen] & ~back
                action = np.where(merged, MERGED, REOPENED if back else CLOSED)
                parts.append(self._closings(
                    repository[chosen], number[chosen], np.full(len(chosen), kind), action,
                    at[chosen], thread.author[chosen], thread.role[chosen],
                    thread.created_at[chosen],
                ))  # fmt: skip
        return _stacked(parts)

    def _old_number(
        self, rng: np.random.Generator, repository: Ints, kind: Ints, bend: float, depth: int
    ) -> Ints:
        """A recent number of each kind in the history; only where there is one."""
        count = np.where(
            kind == PULL_THREAD, self.past.kind_counts(PULL_THREAD)[repository],
            self.past.kind_counts(ISSUE_THREAD)[repository],
        )  # fmt: skip
        back = np.floor(rng.uniform(size=len(kind)) ** bend * np.minimum(count, depth))
        rank = np.maximum(count - 1 - back.astype(np.int64), 0)
        return self.past.number_of(repository, kind, rank)

    def _merge_pushes(self, acts: Acts) -> Acts:
        """The push that each merge makes, by the one who merged."""
        merged = np.flatnonzero(acts["action"] == MERGED)
        n = len(merged)
        taken = {name: acts[name][merged] for name in ("created_at", "repository", "actor", "role")}
        # The author of the pull request wrote the commit, the platform committed it.
        return _acts(
            type=np.full(n, ev.PUSH), merges=acts["number"][merged],
            thread_author=acts["thread_author"][merged], thread_role=acts["thread_role"][merged],
            order=np.full(n, 2), **taken,
        )  # fmt: skip

    def _with_threads(self, rng: np.random.Generator, acts: Acts, before: Carried) -> Acts:
        """The acts in which comments and reviews have a thread; those that find none are left out.

        Three in five take the newest thread of their kind in the flow, the others an old one.
        """
        n = len(acts["type"])
        wants = np.flatnonzero(np.isin(acts["type"], _NEEDS_THREAD))
        repository, kind = acts["repository"][wants], acts["thread_kind"][wants]
        names = ("number", "thread_author", "thread_role", "thread_created_at")
        chosen = before.latest[kind, :, repository].T.copy()
        opens = np.flatnonzero(acts["action"] == OPENED)
        groups = acts["repository"] * 3 + acts["thread_kind"]
        keys = np.sort(groups[opens] * n + opens)
        place = np.searchsorted(keys, groups[wants] * n + wants) - 1
        newest = keys[np.maximum(place, 0)] if len(keys) else np.zeros(len(wants), np.int64)
        today = (place >= 0) & (newest // max(n, 1) == groups[wants])
        for row, name in enumerate(names):
            chosen[row, today] = acts[name][newest[today] % n]
        has_old = self.past.has_kind(repository, kind)
        old = has_old & ((chosen[0] == 0) | (rng.uniform(size=len(wants)) < 0.4))
        machine = np.flatnonzero(acts["role"][wants] == MACHINE)
        number = acts["actor"][wants[machine]] - self.world.accounts.person_count
        at_once = machine[np.isin(pace(number), (ANSWERS, TASKS)) & today[machine]]
        old[at_once] = False
        number = self._old_number(rng, repository[old], kind[old], 3.0, 60)
        thread = self.past.threads(repository[old], number)
        for row, column in enumerate((number, thread.author, thread.role, thread.created_at)):
            chosen[row, old] = column
        for row, name in enumerate(names):
            acts[name][wants] = chosen[row]
        # An outsider often answers in a thread of their own.
        answers = (acts["role"][wants] == OUTSIDER) & (chosen[2] == OUTSIDER)
        answers &= (acts["type"][wants] == ev.ISSUE_COMMENT) & (rng.uniform(size=len(wants)) < 0.5)
        acts["actor"][wants[answers]] = chosen[1, answers]
        keep = np.ones(n, bool)
        keep[wants[chosen[0] == 0]] = False
        return _taken(acts, keep)

    def _running(self, acts: Acts, before: Carried) -> tuple[Acts, Ints, ThreadState]:
        """`place` and `thread_closed_at` of each act, and the state of the touched threads."""
        of_thread = np.flatnonzero(acts["number"] > 0)
        keys, first, group = np.unique(
            ev.thread_keys(acts["repository"][of_thread], acts["number"][of_thread]),
            return_index=True, return_inverse=True,
        )  # fmt: skip
        state = ThreadState.empty(len(keys))
        known, row = _looked_up(before.keys, keys)
        state.put(np.flatnonzero(known), before.threads.taken(row))
        repository, number = (acts[k][of_thread][first] for k in ("repository", "number"))
        old = np.flatnonzero(~known & (number <= self.past.thread_count[repository]))
        state.put(old, self.past.states(repository[old], number[old]))
        kind, action = acts["type"][of_thread], acts["action"][of_thread]
        place = np.zeros(len(of_thread), np.int64)
        counted = {}
        for code, name in (
            (ev.REVIEW, "reviews"), (ev.REVIEW_COMMENT, "review_comments"),
            (ev.ISSUE_COMMENT, "comments"),
        ):  # fmt: skip
            mine = kind == code
            here = mine if code != ev.ISSUE_COMMENT else ~np.isin(kind, _NEEDS_THREAD[1:])
            running, total = _running_count(group, mine, len(keys))
            place[here] = (getattr(state, name)[group] + running)[here]
            counted[name] = getattr(state, name) + total
        closed, last = _running_value(
            group, np.isin(action, (CLOSED, MERGED, REOPENED)),
            np.where(action == REOPENED, 0, acts["created_at"][of_thread]), state.closed_at,
        )  # fmt: skip
        merged, merged_last = _running_value(
            group, action == MERGED, acts["created_at"][of_thread], state.merged_at
        )
        columns = {}
        for name, found in (
            ("place", place), ("thread_closed_at", closed), ("thread_merged_at", merged),
        ):  # fmt: skip
            columns[name] = np.zeros(len(acts["type"]), np.int64)
            columns[name][of_thread] = found
        for made, code in zip(before.made, (ev.RELEASE, ev.COMMIT_COMMENT), strict=True):
            mine = np.flatnonzero(acts["type"] == code)
            repository = acts["repository"][mine]
            columns["place"][mine] = made[repository] + _rank_within(repository) - 1
        return columns, keys, ThreadState(closed_at=last, merged_at=merged_last, **counted)

    # ------------------------------------------------------------ pushes, ids, files

    def _pushes(self, rng: np.random.Generator, acts: Acts, before: Carried) -> Acts:
        """Sizes (mostly 1, sometimes 0, a tail beyond the 20 listed) and positions of commits."""
        n = len(acts["type"])
        size = np.minimum(np.floor((1 - rng.uniform(size=n)) ** -0.55), 1_000).astype(np.int64)
        size[rng.uniform(size=n) < 0.008] = 0
        known = rng.uniform(size=n) < 0.06
        fresh = np.where(known, np.floor(size * rng.uniform(size=n)), size).astype(np.int64)
        push, merge = acts["type"] == ev.PUSH, acts["merges"] > 0
        size = np.where(push, np.where(merge, 1, size), 0)
        fresh = np.where(push, np.where(merge, 1, fresh), 0)
        earlier, _ = _running_count(acts["repository"], fresh, len(before.commits))
        first = before.commits[acts["repository"]] + earlier
        # What is listed as known is the end of the history.
        size = np.minimum(size, fresh + self.world.repositories.commit_stock[acts["repository"]])
        push_id = before.last_push_id + np.cumsum(np.where(push, rng.integers(3, 90, n), 0))
        return {
            "push_size": size, "push_distinct_size": fresh,
            "first_position": first, "push_id": np.where(push, push_id, 0),
        }  # fmt: skip

    def _finished(self, rng: np.random.Generator, acts: Acts, before: Carried) -> Events:
        world = self.world
        n, created, repository = len(acts["type"]), acts["created_at"], acts["repository"]
        hour = (created - world.starts_at) // 3_600
        # The recorder is a little behind: an event of the last minutes stands in the next file.
        late_in_hour = (created - world.starts_at) % 3_600 >= 3_000
        hour += late_in_hour & (rng.uniform(size=n) < 0.03)
        is_late = np.zeros(n, bool)
        usual = np.flatnonzero(acts["is_burst"] == 0)
        count = min(world.scale.late_count, len(usual))
        is_late[rng.choice(usual, count, replace=False)] = True
        hour = np.where(is_late, (created - world.starts_at) // 3_600 + 24, hour)
        moved = world.repositories.moved_at[repository]
        serial = before.serial + np.arange(n)
        names = {f for f in Events.__dataclass_fields__ if f in acts}
        return Events(
            serial=serial, hour=hour, is_late=is_late, is_moved=(moved > 0) & (moved <= created),
            event_id=self._event_ids(rng, acts["type"], hour >= self._new_era, before.id_steps),
            variety=mixed(serial, self.salt), **{name: acts[name] for name in names},
        )  # fmt: skip

    def _event_ids(
        self, rng: np.random.Generator, kind: Ints, is_new_era: Bools, steps_before: int
    ) -> Ints:
        """Ids that grow roughly with time: one sequence, then after the restart two.

        A few ids of the second new sequence repeat ids of the first, for another type.
        """
        n = len(kind)
        steps = steps_before + np.cumsum(rng.integers(2, 40, n)) + rng.integers(0, 60, n)
        order = np.argsort(np.argsort(steps, kind="stable"), kind="stable")
        unique = np.sort(steps)[order] + order
        of_refs = np.isin(kind, (ev.PUSH, ev.CREATE, ev.DELETE))
        new = np.where(of_refs, _NEW_IDS_OF_REFS, _NEW_IDS) + unique
        ids = np.where(is_new_era, new, _OLD_IDS + unique)
        stars = np.flatnonzero(is_new_era & (kind == ev.WATCH))[:3]
        pushes = np.flatnonzero(is_new_era & (kind == ev.PUSH))[: len(stars)]
        ids[stars[: len(pushes)]] = ids[pushes]
        return ids.astype(np.int64)

    def _left(
        self, before: Carried, events: Events, pending: Pending, keys: Ints, threads: ThreadState
    ) -> Carried:
        """The state after a day."""
        n = len(before.commits)
        opens = np.flatnonzero(events.action == OPENED)
        repository = events.repository[opens]
        latest = before.latest.copy()
        # Of several assignments to one place the last holds, and the events are in order.
        for row, column in enumerate((
            events.number, events.thread_author, events.thread_role, events.thread_created_at
        )):  # fmt: skip
            latest[events.thread_kind[opens], row, repository] = column[opens]
        made = [
            np.bincount(events.repository[events.type == code], minlength=n)
            for code in (ev.RELEASE, ev.COMMIT_COMMENT)
        ]
        once = np.isin(events.type, _ONCE)
        seen = mixed(events.type[once], events.repository[once], events.actor[once], 0)
        counts = [
            np.bincount(events.repository[events.type == code], minlength=n)
            for code in (ev.WATCH, ev.FORK)
        ]
        untouched = ~np.isin(before.keys, keys)
        every = np.concatenate([before.keys[untouched], keys])
        order = np.argsort(every, kind="stable")
        table = before.threads.taken(untouched).and_also(threads).taken(order)
        steps = len(events) * 42 + 200
        return replace(
            before, day=before.day + 1, serial=before.serial + len(events),
            last_push_id=int(events.push_id.max(initial=before.last_push_id)),
            id_steps=before.id_steps + steps,
            last_number=before.last_number + np.bincount(repository, minlength=n),
            commits=before.commits + np.bincount(
                events.repository, events.push_distinct_size, minlength=n).astype(np.int64),
            stars=before.stars + counts[0], forks=before.forks + counts[1], latest=latest,
            made=before.made + np.array(made),
            keys=every[order], threads=table,
            once=np.sort(np.concatenate([before.once, seen])), pending=pending,
        )  # fmt: skip


def _types(rng: np.random.Generator, n: int) -> Ints:
    """Types at the archive's shares, every type at least three times a day."""
    kind = weighted_choice(rng, TYPE_SHARES, n)
    forced = np.repeat(np.arange(len(ev.TYPES)), 3)
    if n >= len(forced):
        kind[rng.choice(n, len(forced), replace=False)] = forced
    return kind


# ---------------------------------------------------------------- acts: unfinished events

_COLUMNS = (
    "type", "repository", "actor", "role", "created_at", "action", "thread_kind", "number",
    "thread_author", "thread_role", "thread_created_at", "merges", "order", "is_burst",
)  # fmt: skip


def _acts(**columns: NDArray[Any]) -> Acts:
    """Acts with the given columns, the others 0. `order` ranks acts of one second."""
    n = len(columns["type"])
    return {
        name: columns[name].astype(np.int64) if name in columns else np.zeros(n, np.int64)
        for name in _COLUMNS
    }


def _stacked(parts: list[Acts]) -> Acts:
    return {name: np.concatenate([part[name] for part in parts]) for name in _COLUMNS}


def _taken(acts: Acts, index: NDArray[Any]) -> Acts:
    return {name: column[index] for name, column in acts.items()}


def _sorted(acts: Acts) -> Acts:
    return _taken(acts, np.lexsort((acts["order"], acts["created_at"])))


# ---------------------------------------------------------------- running values in groups


def _rank_within(group: Ints) -> Ints:
    """1, 2, ... within each group, in order of appearance."""
    order = np.argsort(group, kind="stable")
    sorted_group = group[order]
    first = np.searchsorted(sorted_group, sorted_group, side="left")
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - first + 1
    return rank


def _running_count(group: Ints, amount: NDArray[Any], group_count: int) -> tuple[Ints, Ints]:
    """For each element the amount of those of its group before it, and each group's total."""
    order = np.argsort(group, kind="stable")
    sorted_group = group[order]
    total = np.cumsum(amount[order].astype(np.int64))
    before = total - amount[order]
    first = np.searchsorted(sorted_group, sorted_group, side="left")
    running = np.empty(len(group), np.int64)
    running[order] = before - before[first] if len(group) else before
    return running, np.bincount(group, amount, minlength=group_count).astype(np.int64)


def _running_value(group: Ints, changes: Bools, value: Ints, start: Ints) -> tuple[Ints, Ints]:
    """For each element its group's value after it, and each group's last value.

    Groups begin with `start`; elements that change take their `value`.
    """
    order = np.argsort(group, kind="stable")
    sorted_group = group[order]
    place = np.where(changes[order], np.arange(len(group)), -1)
    latest = np.maximum.accumulate(place) if len(group) else place
    first = np.searchsorted(sorted_group, sorted_group, side="left")
    found = np.where(latest >= first, value[order][np.maximum(latest, 0)], start[sorted_group])
    after = np.empty(len(group), np.int64)
    after[order] = found
    last = start.copy()
    last[sorted_group] = found
    return after, last


def _looked_up(keys: Ints, wanted: Ints) -> tuple[Bools, Ints]:
    """Which of the wanted keys are among the sorted keys, and the rows of those."""
    if not len(keys):
        return np.zeros(len(wanted), bool), np.zeros(0, np.int64)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    known: Bools = np.equal(keys[place], wanted)
    return known, place[known]
