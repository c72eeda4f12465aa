"""GitHub before day 0, in closed form: commits, threads, comments, reviews and stars.

Belongs here: everything that an API shows of the time before the flow, computed when asked and
never stored. Does not belong here: texts (`texts`), JSON and the flow (`archive`).

Two forms of each question: columns for arrays of (repository, position), and pages of one
repository. `account` is an index into `World.accounts`, times are epoch seconds before
`World.starts_at`, and every page is in order of time.

What holds exactly, for every repository:
- commits: `commit_stock`, of which the first `inherited_count` are a fork's parent's, with its
  shas; the commits of machines and outsiders and the unlinked ones are counted by `counts`.
- threads: numbers 1 .. `last_number`, `issue_count` issues and `pull_count` pull requests;
  issues + comments on issues = `issue_stock`.
- an insider is an owner, a collaborator, or a member of the owning organisation at the time (of
  the opening for a pull request and its merge commit); an outsider is none of these; machines
  are neither.
- stars: `star_stock`, by different accounts in order of time; where there are fewer people than
  stars the others are passers-by (`Accounts.login_at`).
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from twin import events as ev
from twin.draws import (
    DAY,
    Bools,
    Hashes,
    Ints,
    below,
    mixed,
    normal_quantile,
    salt_of,
    spread_before,
    uniform_of,
)
from twin.identifiers import commit_shas
from twin.timeline import MACHINE, OUTSIDER, Timeline
from twin.world import World

REVIEW_STATES = ("COMMENTED", "APPROVED", "CHANGES_REQUESTED")
_CLOSED_SHARE = 0.78
_GHOST_ONE_IN = 70
# Passers-by are numbered beyond the accounts, differently for each repository.
_PASSERS_BY = 1 << 27


@dataclass(frozen=True)
class _Columns:
    """Index-aligned columns."""

    def __len__(self) -> int:
        return len(next(iter(self.__dict__.values())))

    def taken(self, index: Any) -> Any:
        """The rows at an index or mask."""
        return type(self)(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


@dataclass(frozen=True)
class Commits(_Columns):
    """Commits, from `position` 0, the oldest, on.

    `author` is what the platform links (-1: the address is no account's), `person` who it was;
    `committer` is `web_flow` for what was merged on the platform. `origin` and `origin_position`
    say where a fork's inherited commit was made (else the repository itself). `is_merge`: two
    parents; `pull_number`: the pull request that brought it, 0 direct. `is_external`: an
    outsider's; `is_machine`: a bot's or agent's. Both are about the repository of origin.
    """

    position: Ints
    origin: Ints
    origin_position: Ints
    author: Ints
    person: Ints
    committer: Ints
    authored_at: Ints
    committed_at: Ints
    is_merge: Bools
    pull_number: Ints
    is_external: Bools
    is_machine: Bools


@dataclass(frozen=True)
class Threads(_Columns):
    """Issues and pull requests, by number.

    `author` may be the ghost; `person` is who it was. `closed_at`, `merged_at` 0: not.
    `head_repository` is the repository itself, or -1 for the author's own fork of it, which is no
    repository of the population; 0 is a repository as any other, issues have -1.
    """

    number: Ints
    is_pull: Bools
    author: Ints
    person: Ints
    created_at: Ints
    closed_at: Ints
    merged_at: Ints
    comment_count: Ints
    review_count: Ints
    is_external: Bools
    is_machine: Bools
    head_repository: Ints


@dataclass(frozen=True)
class Comments(_Columns):
    """Comments of a thread, or reviews of a pull request (then with a `state`), by place."""

    author: Ints
    created_at: Ints
    state: Ints


@dataclass(frozen=True)
class Counts(_Columns):
    """Exact totals of each repository's history, without enumeration.

    A fork's inherited commits are in `commit_count` and `inherited_commit_count` only.
    """

    commit_count: Ints
    inherited_commit_count: Ints
    direct_commit_count: Ints
    merge_commit_count: Ints
    machine_commit_count: Ints
    external_commit_count: Ints
    external_direct_commit_count: Ints
    unlinked_commit_count: Ints
    issue_count: Ints
    external_issue_count: Ints
    issue_comment_count: Ints
    pull_count: Ints
    machine_pull_count: Ints
    external_pull_count: Ints
    merged_pull_count: Ints
    external_merged_pull_count: Ints
    pull_comment_count: Ints
    review_count: Ints


class History:
    """The history of one world; holds a few numbers for each repository."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.timeline = Timeline(world.repositories.plan, world.seed)
        self._salt = salt_of(world.seed, "history")
        ages = world.accounts.created_at[: world.accounts.person_count]
        self._by_age = np.argsort(ages, kind="stable")
        self._age_rank = np.empty(len(ages), np.int64)
        self._age_rank[self._by_age] = np.arange(len(ages))

    # ------------------------------------------------------------ totals

    def commit_count(self, i: int) -> int:
        return int(self.world.repositories.commit_stock[i])

    def thread_count(self, i: int) -> int:
        return int(self.world.repositories.last_number[i])

    def issue_total(self, i: int) -> int:
        return int(self.world.repositories.issue_count[i])

    def pull_total(self, i: int) -> int:
        return int(self.world.repositories.pull_count[i])

    def issue_comment_total(self, i: int) -> int:
        return int(self.world.repositories.issue_stock[i]) - self.issue_total(i)

    def star_count(self, i: int) -> int:
        return int(self.world.repositories.star_stock[i])

    def counts(self, repository: Ints) -> Counts:
        """Exact totals of repositories."""
        r, line = self.world.repositories, self.timeline
        i = np.asarray(repository)
        own, threads = r.plan.own_commit_count[i], line.thread_count[i]
        direct = line.direct_before(i, line.direct_count[i])
        opened = line.opened_before(i, threads)
        merged = line.merged_before(i, threads - r.plan.merge_lag[i])
        return Counts(
            commit_count=r.commit_stock[i], inherited_commit_count=r.inherited_count[i],
            direct_commit_count=line.direct_count[i], merge_commit_count=line.merged_count[i],
            machine_commit_count=direct[0] + merged[0],
            external_commit_count=direct[1] + merged[1], external_direct_commit_count=direct[1],
            unlinked_commit_count=line.unlinked_before(i, own), issue_count=r.issue_count[i],
            external_issue_count=line.external_issues_before(i, r.issue_count[i]),
            issue_comment_count=r.issue_stock[i] - r.issue_count[i], pull_count=r.pull_count[i],
            machine_pull_count=opened[0], external_pull_count=opened[1],
            merged_pull_count=line.merged_count[i], external_merged_pull_count=merged[1],
            pull_comment_count=r.pull_comment_count[i], review_count=r.review_count[i],
        )  # fmt: skip

    # ------------------------------------------------------------ commits

    def origins(self, repository: Ints, position: Ints) -> tuple[Ints, Ints, Ints]:
        """Where commits were made: repository, its listed position, its own position."""
        r = self.world.repositories
        inherited = position < r.inherited_count[repository]
        origin = np.where(inherited, r.fork_of[repository], repository)
        return origin, position, position - r.inherited_count[origin]

    def sha(self, i: int, position: int) -> str:
        """The sha of a commit, also of the flow's; 40 zeros before the first."""
        return self.shas(np.array([i]), np.array([position]))[0]

    def shas(self, repository: Ints, position: Ints) -> list[str]:
        """The shas of commits, elementwise; those inherited by a fork are the parent's."""
        origin, listed, _ = self.origins(repository, position)
        return commit_shas(self.world.seed, np.where(position < 0, repository, origin), listed)

    def commits(self, i: int, start: int, stop: int) -> Commits:
        """The commits at positions start .. stop - 1, the oldest first."""
        stop = min(stop, self.commit_count(i))
        position = np.arange(max(start, 0), max(stop, start, 0))
        return self.commits_at(np.full(len(position), i), position)

    def commits_at(self, repository: Ints, position: Ints) -> Commits:
        """Commits of the history at listed positions, elementwise."""
        world, line = self.world, self.timeline
        origin, listed, own = self.origins(repository, position)
        step = line.commit_step(origin, own)
        thread = line.merged_thread(origin, step)
        by_pull = thread >= 0
        committed_at = line.committed_at(origin, step, by_pull)
        opener = np.maximum(thread, 0)
        role = np.where(by_pull, line.pull_role(origin, opener), line.direct_role(origin, step))
        # The author of a merged pull request is who opened it, as of the opening.
        acted_at = np.where(by_pull, line.opened_at(origin, opener), committed_at)
        key = np.where(
            by_pull, mixed(origin, opener + 1, self._salt, 1), mixed(origin, own, self._salt, 2)
        )
        act = np.where(by_pull, ev.PULL, ev.PUSH)
        person = self._acting(origin, acted_at, key, role, act)
        hashed = mixed(origin, own, self._salt, 3)
        delay = np.where(hashed % np.uint64(4) == 0, below(hashed >> np.uint64(9), 7_200), 0)
        authored_at = np.where(by_pull, acted_at, committed_at) - delay
        return Commits(
            position=position, origin=origin, origin_position=listed,
            author=np.where(line.is_unlinked(origin, own), -1, person), person=person,
            committer=np.where(by_pull, world.accounts.web_flow, person),
            authored_at=np.maximum(authored_at, world.repositories.created_at[origin]),
            committed_at=committed_at,
            is_merge=by_pull & (hashed % np.uint64(5) < np.uint64(3)),
            pull_number=np.where(by_pull, opener + 1, 0), is_external=role == OUTSIDER,
            is_machine=role == MACHINE,
        )  # fmt: skip

    def _acting(self, repository: Ints, at: Ints, key: Hashes, role: Ints, act: Ints | int) -> Ints:
        """An account of the given role at each place, for an act of the given type."""
        found = self.world.insider(repository, at, key)
        act = np.broadcast_to(np.asarray(act), role.shape)
        outside, machine = np.flatnonzero(role == OUTSIDER), np.flatnonzero(role == MACHINE)
        if len(outside):
            found[outside] = self.world.outsider(repository[outside], at[outside], key[outside])
        if len(machine):
            found[machine] = self.world.machine(
                repository[machine], at[machine], key[machine], act[machine]
            )
        return found

    # ------------------------------------------------------------ threads

    def threads(self, i: int, start: int, stop: int) -> Threads:
        """The threads at places start .. stop - 1 (numbers start + 1 .. stop), the oldest first."""
        stop = min(stop, self.thread_count(i))
        number = np.arange(max(start, 0), max(stop, start, 0)) + 1
        return self.threads_at(np.full(len(number), i), number)

    def threads_at(self, repository: Ints, number: Ints) -> Threads:
        """Threads of the history by number, elementwise."""
        world, line = self.world, self.timeline
        thread = number - 1
        is_issue = line.is_issue(repository, thread)
        outside = line.is_external_issue(repository, thread)
        role = np.where(
            is_issue, np.where(outside, OUTSIDER, OUTSIDER + 1), line.pull_role(repository, thread)
        )
        created_at = line.opened_at(repository, thread)
        key = mixed(repository, number, self._salt, 1)
        person = self._acting(repository, created_at, key, role, ev.PULL)
        merged_at, closed_at = self._ends(repository, thread, is_issue, created_at)
        gone = (role == OUTSIDER) & (mixed(key, 7) % np.uint64(_GHOST_ONE_IN) == 0)
        return Threads(
            number=number, is_pull=~is_issue,
            author=np.where(gone, world.accounts.ghost, person), person=person,
            created_at=created_at, closed_at=closed_at, merged_at=merged_at,
            comment_count=self._comment_counts(repository, thread, is_issue),
            review_count=self._review_counts(repository, thread, is_issue),
            is_external=role == OUTSIDER, is_machine=role == MACHINE,
            head_repository=np.where(is_issue | (role == OUTSIDER), -1, repository),
        )  # fmt: skip

    def _ends(
        self, repository: Ints, thread: Ints, is_issue: Bools, created_at: Ints
    ) -> tuple[Ints, Ints]:
        """When threads were merged and closed (0: not before the flow)."""
        line = self.timeline
        accepted = ~is_issue & line.is_accepted(repository, thread)
        done = thread + line.plan.merge_lag[repository] < line.thread_count[repository]
        merged_at = np.where(accepted & done, line.merged_at(repository, thread), 0)
        key = mixed(repository, thread, self._salt, 4)
        draw = np.clip(uniform_of(mixed(key, 1)), 1e-9, 1 - 1e-9)
        lasted = 60 + np.minimum(4 * DAY * np.exp(2.2 * normal_quantile(draw)), 1e9).astype(
            np.int64
        )
        closed_at = created_at + lasted
        closes = (uniform_of(mixed(key, 2)) < _CLOSED_SHARE) & ~accepted
        closed_at = np.where(closes & (closed_at < self.world.starts_at), closed_at, 0)
        return merged_at, np.where(merged_at > 0, merged_at, closed_at)

    def issue_numbers(self, repository: Ints, rank: Ints) -> Ints:
        """Numbers of issues by rank (0 .. issue_count - 1), elementwise."""
        return self.timeline.issue_thread(repository, rank) + 1

    def pull_numbers(self, repository: Ints, rank: Ints) -> Ints:
        """Numbers of pull requests by rank (0 .. pull_count - 1), elementwise."""
        return self.timeline.pull_thread(repository, rank) + 1

    # ------------------------------------------------------------ comments and reviews

    def _block(self, repository: Ints, rank: Ints, count: Ints, total: Ints, part: int) -> Ints:
        """Where the comments of the thread of a rank begin among all of the repository's.

        Boundaries are jittered, floor(total * (rank + u) / count), and exact at both ends.
        """
        jitter = below(mixed(repository, rank, self._salt, part), 1 << 16)
        jitter = np.where(rank <= 0, 0, jitter)
        # Totals stay below 2**22 and counts below 2**21: no overflow.
        inner = total * ((rank << 16) + jitter) // (np.maximum(count, 1) << 16)
        return np.where(rank >= count, total, inner)

    def _counts_of(self, repository: Ints, rank: Ints, count: Ints, total: Ints, part: int) -> Ints:
        after = self._block(repository, rank + 1, count, total, part)
        return after - self._block(repository, rank, count, total, part)

    def _comment_counts(self, repository: Ints, thread: Ints, is_issue: Bools) -> Ints:
        r = self.world.repositories
        before = self.timeline.issues_before(repository, thread)
        issues = self._counts_of(
            repository, before, r.issue_count[repository],
            r.issue_stock[repository] - r.issue_count[repository], 10,
        )  # fmt: skip
        pulls = self._counts_of(
            repository, thread - before, r.pull_count[repository],
            r.pull_comment_count[repository], 11,
        )  # fmt: skip
        return np.where(is_issue, issues, pulls)

    def _review_counts(self, repository: Ints, thread: Ints, is_issue: Bools) -> Ints:
        r = self.world.repositories
        rank = thread - self.timeline.issues_before(repository, thread)
        found = self._counts_of(
            repository, rank, r.pull_count[repository], r.review_count[repository], 12
        )
        return np.where(is_issue, 0, found)

    def comments(self, i: int, number: int, start: int, stop: int) -> Comments:
        """Comments start .. stop - 1 of a thread's conversation, the oldest first."""
        thread = self.threads_at(np.array([i]), np.array([number]))
        stop = min(stop, int(thread.comment_count[0]))
        return self._replies(i, thread, max(start, 0), max(stop, start, 0), 13)

    def reviews(self, i: int, number: int) -> Comments:
        """The reviews of a pull request; `state` is an index into `REVIEW_STATES`."""
        thread = self.threads_at(np.array([i]), np.array([number]))
        return self._replies(i, thread, 0, int(thread.review_count[0]), 14)

    def _replies(self, i: int, thread: Threads, start: int, stop: int, part: int) -> Comments:
        place = np.arange(start, stop)
        n, count = len(place), thread.comment_count if part == 13 else thread.review_count
        return self.replies_at(
            np.full(n, i), Threads(**{f.name: np.repeat(getattr(thread, f.name), n)
                                      for f in fields(Threads)}),
            place, np.repeat(count, n), part,
        )  # fmt: skip

    def replies_at(
        self, repository: Ints, thread: Threads, place: Ints, count: Ints, part: int = 13
    ) -> Comments:
        """Comments (`part` 13) or reviews (14) by thread and place, elementwise."""
        starts_at, salt = self.world.starts_at, self._salt
        whole = mixed(repository, thread.number, salt, part)
        draw = np.clip(uniform_of(whole), 1e-9, 1 - 1e-9)
        span = np.minimum(60 + 3 * DAY * np.exp(2 * normal_quantile(draw)), 1e9).astype(np.int64)
        end = np.where(thread.closed_at > 0, thread.closed_at, starts_at - 1)
        span = np.minimum(span, np.maximum(end - thread.created_at, 0))
        key = mixed(repository, thread.number, place, salt, part)
        share = (place + uniform_of(mixed(key, 1))) / np.maximum(count, 1)
        created_at = thread.created_at + np.floor(span * share * share).astype(np.int64)
        kind = uniform_of(mixed(key, 2))
        who = np.where(kind < 0.35, 1, np.where(kind < 0.65, 2, np.where(kind < 0.97, 3, 0)))
        if part == 14:
            who = np.where(kind < 0.9, 2, 3)
        role = np.where(who == 3, OUTSIDER, np.where(who == 0, MACHINE, OUTSIDER + 1))
        author = self._acting(repository, created_at, key, role, ev.ISSUE_COMMENT)
        author = np.where((who == 1) & ~thread.is_machine, thread.author, author)
        state = np.where(kind < 0.45, 1, np.where(kind < 0.8, 0, 2))
        return Comments(author=author, created_at=created_at, state=state)

    # ------------------------------------------------------------ stars

    def stars(self, i: int, start: int, stop: int) -> tuple[Ints, Ints]:
        """Accounts and times of the stars at places start .. stop - 1, the oldest first."""
        stop = min(stop, self.star_count(i))
        place = np.arange(max(start, 0), max(stop, start, 0))
        return self._stars_at(i, place)

    def _stars_at(self, i: int, place: Ints) -> tuple[Ints, Ints]:
        r, accounts = self.world.repositories, self.world.accounts
        total = self.star_count(i)
        real = min(total, len(self._by_age) // 2)
        marks = np.array(real), np.array(total), below(mixed(i, self._salt, 18), total)
        before = spread_before(place, *marks)
        is_known = spread_before(place + 1, *marks) > before
        known = np.minimum(before, max(real - 1, 0))
        rank = self._star_rank(np.full(len(place), i), known, np.array(real))
        person = self._by_age[rank]
        hashed = int(mixed(i, self._salt, 16)[0])
        passer_by = len(accounts.login) + (place * 48_271 + hashed % _PASSERS_BY) % _PASSERS_BY
        created, end = int(r.created_at[i]), self.world.starts_at - 1
        share = (place + uniform_of(mixed(place, i, self._salt, 17))) / max(total, 1)
        at = created + np.floor((end - created) * share).astype(np.int64)
        # Nobody stars before being registered: both are in order, so the later one is, too.
        joined = np.where(before + is_known > 0, accounts.created_at[person], 0)
        return (
            np.where(is_known, person, passer_by),
            np.minimum(np.maximum(at, joined + 60), end),
        )

    def _star_rank(self, repository: Ints, place: Ints, real: Ints) -> Ints:
        """Rank by age of the person who gives the star of a place among the known ones.

        The people are cut into as many blocks as there are known stars, one from each.
        """
        people = len(self._by_age)
        low = people * place // np.maximum(real, 1)
        width = people * (place + 1) // np.maximum(real, 1) - low
        return low + below(mixed(place, repository, self._salt, 15), width)

    def has_starred(self, repository: Ints, account: Ints) -> Bools:
        """Elementwise: is the person among the stargazers of the time before the flow?"""
        people = len(self._by_age)
        real = np.minimum(self.world.repositories.star_stock[repository], people // 2)
        rank = self._age_rank[np.minimum(account, people - 1)]
        place = np.clip(((rank + 1) * real - 1) // people, 0, np.maximum(real - 1, 0))
        given: Bools = np.equal(self._star_rank(repository, place, real), rank)
        return given & (account < people) & (real > 0)
