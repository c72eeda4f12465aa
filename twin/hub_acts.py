"""Who does what on the Hub: commits, discussions, comments, likes.

Belongs here: the account and the time of every act until the horizon, as functions of the plan
or as columns made once. Does not belong here: counts and fates (`hub_plan`), what is shown at a
time (`hub`), wording (`texts`).

Planted: who commits to an organisation's repository is, at evenly spread marks, a member of it at
that time (79.55 %), platform staff (19.36 %) or an outsider (1.09 %); of participants in its
discussions 9.01 % are members. As the Hub lets nobody else write, an outsider's commit is a pull
request that was merged, wherever there were pull requests at its time; so the outsiders' other
pull requests were not merged. Outsiders come mostly from the community of the repository.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin import words
from twin.draws import (
    DAY,
    Bools,
    Hashes,
    Ints,
    below,
    exact_share,
    is_marked,
    marks_before,
    mixed,
    phase_of,
    salt_of,
    spread_before,
    uniform_of,
)
from twin.hub_plan import DISCUSSIONS_SINCE, HubRepositories, hub_communities
from twin.world import World

# Shares of commits: outsiders, and staff among the others.
MEMBER_SHARE, STAFF_SHARE, OUTSIDER_SHARE = 0.7955, 0.1936, 0.0109
_OF_PERSON = (0.01, 0.005)
TALK_MEMBER_SHARE, TALK_STAFF_SHARE = 0.0901, 0.03
_TALK_OWNER_SHARE = 0.25
_BOT_PULL_SHARE = 0.25
_DELETED_SHARE = 0.02

INSIDER, STAFF, OUTSIDER, AUTOMATION = range(4)
ROLES = ("insider", "platform_staff", "outsider", "platform_automation")
OPEN, CLOSED, MERGED, DRAFT = range(4)
STATUSES = ("open", "closed", "merged", "draft")
_ATTEMPTS = 3
_MOST_COMMENTS = 400


@dataclass(frozen=True)
class Threads:
    """Discussions and pull requests in order of repository and number; index-aligned.

    `author` -1 is a deleted account. `ended_at` 0: stays open; `end` is the status then. `commit`
    is the position of the commit that merged a pull request, or -1. `titled_at` 0: never titled
    otherwise. `reply_count` counts all comments but the opening one, until the horizon and after.
    `start[i]` is the first thread of repository i.
    """

    repository: Ints
    number: Ints
    is_pull: Bools
    author: Ints
    role: Ints
    created_at: Ints
    ended_at: Ints
    end: Ints
    is_draft: Bools
    commit: Ints
    titled_at: Ints
    reply_count: Ints
    reply_span: Ints
    start: Ints

    def __len__(self) -> int:
        return len(self.repository)


@dataclass(frozen=True)
class Comments:
    """Replies in order of thread and place `k` (from 1); `start[x]` is the first of thread x."""

    thread: Ints
    k: Ints
    author: Ints
    role: Ints
    created_at: Ints
    is_hidden: Bools
    is_edited: Bools
    start: Ints


@dataclass(frozen=True)
class Likes:
    """Who liked what when, in order of repository and time; `start[i]` is the first of i."""

    repository: Ints
    account: Ints
    liked_at: Ints
    start: Ints


class Acts:
    """The acts on one Hub. Accounts index `World.hub_accounts`; beyond them are passers-by."""

    def __init__(self, world: World, repositories: HubRepositories) -> None:
        self.world, self.repositories = world, repositories
        self.salt = salt_of(world.seed, "hub acts")
        accounts = world.hub_accounts
        people = np.arange(accounts.person_count)
        self._staff = np.flatnonzero(accounts.is_staff)
        self._bots = np.flatnonzero(accounts.is_bot)
        usual = people[~accounts.is_staff[people] & ~accounts.is_bot[people]]
        community = hub_communities(world)
        self._by_community = usual[np.argsort(community[usual], kind="stable")]
        counts = np.bincount(community[usual], minlength=world.scale.community_count)
        self._community_start = np.concatenate([[0], np.cumsum(counts)])
        self._loners = np.setdiff1d(usual, world.hub_memberships.account)
        self._usual = usual
        index = np.arange(len(repositories))
        of_group = repositories.owner >= accounts.person_count
        outside = np.where(of_group, OUTSIDER_SHARE, _OF_PERSON[0])
        staff = np.where(of_group, STAFF_SHARE / (1 - OUTSIDER_SHARE), _OF_PERSON[1])
        self._outside_share, self._staff_share = exact_share(outside), exact_share(staff)
        self._outside_phase = phase_of(mixed(index, self.salt, 1))
        self._staff_phase = phase_of(mixed(index, self.salt, 2))

    # ------------------------------------------------------------ who

    def insider(self, repository: Ints, at: Ints, key: Hashes) -> Ints:
        """The owner of each repository at the time, or a member of it at that time."""
        members = self.world.hub_memberships
        owner = self.repositories.owners_at(repository, at)
        low = np.searchsorted(members.organisation, owner)
        high = np.searchsorted(members.organisation, owner, side="right")
        of_group = owner >= self.world.hub_accounts.person_count
        core = members.core[np.where(of_group, owner - members.first_organisation, 0)]
        found = core
        for attempt in range(_ATTEMPTS):
            # A few do most.
            draw = uniform_of(mixed(key, 20 + attempt)) ** 2
            row = np.minimum(low + (draw * (high - low)).astype(np.int64), len(members) - 1)
            held = members.since[row] <= at
            held &= (members.until[row] == 0) | (at < members.until[row])
            found = np.where((found == core) & held, members.account[row], found)
        return np.where(of_group, found, owner)

    def staff(self, key: Hashes) -> Ints:
        """An employee of the platform."""
        return self._staff[below(mixed(key, 30), len(self._staff))]

    def outsider(self, repository: Ints, at: Ints, key: Hashes) -> Ints:
        """A user who does not belong to each repository's owner at the time."""
        owner = self.repositories.owners_at(repository, at)
        found = self._around(repository, mixed(key, 40))
        for attempt in range(1, _ATTEMPTS + 1):
            wrong = np.flatnonzero(self.is_inside(found, owner, at))
            if len(wrong) == 0:
                break
            again = mixed(key[wrong], 40 + attempt)
            if attempt < _ATTEMPTS:
                found[wrong] = self._around(repository[wrong], again)
            else:
                free = self._loners[self._loners != -1]
                place = below(again, len(free))
                is_owner = free[place] == owner[wrong]
                found[wrong] = free[np.where(is_owner, (place + 1) % len(free), place)]
        return found

    def is_inside(self, account: Ints, owner: Ints, at: Ints | int) -> Bools:
        """Is the account the owner, or a member of the owner at the time?"""
        inside: Bools = account == owner
        return inside | self.world.hub_memberships.is_member(account, owner, at)

    def _around(self, repository: Ints, key: Hashes) -> Ints:
        community = self.repositories.community[repository]
        first = self._community_start[community]
        near = self._community_start[community + 1] - first
        draw = uniform_of(mixed(key, 1))
        place = first + np.minimum((draw**2 * near).astype(np.int64), np.maximum(near - 1, 0))
        neighbour = self._by_community[np.minimum(place, len(self._by_community) - 1)]
        anyone = self._usual[(draw * len(self._usual)).astype(np.int64)]
        return np.where((uniform_of(mixed(key, 2)) < 0.8) & (near > 0), neighbour, anyone)

    def login_of(self, account: int) -> str:
        """Login of an account or a passer-by."""
        logins = self.world.hub_accounts.login
        if account < len(logins):
            return logins[account]
        return f"{words.compound(account, '_').title()}_{account:x}"

    def passer_by(self, login: str) -> int | None:
        """The passer-by of a login; exists only if it liked something."""
        head, _, number = login.rpartition("_")
        try:
            account = int(number, 16)
        except ValueError:
            return None
        is_one = head and account >= len(self.world.hub_accounts.login)
        return account if is_one and self.login_of(account) == login else None

    # ------------------------------------------------------------ commits

    def commit_role(self, i: Ints, j: Ints) -> Ints:
        """INSIDER, STAFF or OUTSIDER for the commit j (from 0, the oldest by people)."""
        share, phase = self._outside_share[i], self._outside_phase[i]
        inner = j - marks_before(j, share, phase)
        is_staff = is_marked(inner, self._staff_share[i], self._staff_phase[i])
        return np.where(
            is_marked(j, share, phase), OUTSIDER, np.where(is_staff, STAFF, INSIDER)
        )  # fmt: skip

    def commit_authors(self, i: Ints, j: Ints) -> tuple[Ints, Ints, Ints]:
        """Author, role and time of commits."""
        at, role = self.repositories.commits.time(i, j), self.commit_role(i, j)
        key = mixed(i, j, self.salt, 3)
        author = self.insider(i, at, key)
        outside = np.flatnonzero(role == OUTSIDER)
        author[outside] = self.outsider(i[outside], at[outside], key[outside])
        author = np.where(role == STAFF, self.staff(key), author)
        return author, role, at

    def merged_number(self, i: Ints, j: Ints) -> Ints:
        """Number of the pull request whose merge is the commit j, 0 for a direct commit."""
        keys, threads = self._merges
        if not len(keys):
            return np.zeros(len(i), np.int64)
        wanted = (i << 32) + j
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[place] == wanted, self.threads.number[threads[place]], 0)

    @cached_property
    def _merges(self) -> tuple[Ints, Ints]:
        rows = np.flatnonzero(self.threads.commit >= 0)
        keys = (self.threads.repository[rows] << 32) + self.threads.commit[rows]
        order = np.argsort(keys, kind="stable")
        return keys[order], rows[order]

    # ------------------------------------------------------------ discussions

    @cached_property
    def threads(self) -> Threads:
        """Everything that is ever opened."""
        merged = self._merged_threads()
        planned = self._planned_threads(merged["repository"])
        columns: dict[str, NDArray[Any]] = {
            name: np.concatenate([planned[name], merged[name]]) for name in planned
        }
        order = np.lexsort((columns["created_at"], columns["repository"]))
        columns = {name: column[order] for name, column in columns.items()}
        repository = columns["repository"]
        counts = np.bincount(repository, minlength=len(self.repositories))
        start = np.concatenate([[0], np.cumsum(counts)])
        number = np.arange(len(order)) - start[repository] + 1
        key = mixed(repository, number, self.salt, 60)
        draw = uniform_of(mixed(key, 1))
        replies = np.floor((1 - draw) ** (-1 / 1.3) - 1).clip(0, _MOST_COMMENTS)
        wait = 3_600 + below(mixed(key, 3), 3 * DAY)
        is_titled = uniform_of(mixed(key, 2)) < 0.04
        return Threads(
            **columns, number=number, start=start, reply_count=replies.astype(np.int64),
            reply_span=DAY // 2 + below(mixed(key, 4), 40 * DAY),
            titled_at=np.where(is_titled, columns["created_at"] + wait, 0),
        )  # fmt: skip

    def _planned_threads(self, merged: Ints | Bools) -> dict[str, Ints | Bools]:
        """Threads that the plan counts; an insider's pull request may be merged later.

        `merged` are the repositories of the pull requests by outsiders that were merged: they
        count among the participants, so that the others have to make up for them.
        """
        repositories = self.repositories
        total = repositories.threads.total
        i = np.repeat(np.arange(len(repositories)), total)
        j = np.arange(len(i)) - np.repeat(np.cumsum(total) - total, total)
        at, key = repositories.threads.time(i, j), mixed(i, j, self.salt, 50)
        stock, pulls = repositories.threads.stock[i], repositories.plan_pull_count[i]
        offset = below(mixed(i, self.salt, 51), stock)
        early = spread_before(j + 1, pulls, stock, offset) > spread_before(j, pulls, stock, offset)
        is_pull = np.where(j < stock, early, uniform_of(mixed(key, 1)) < 0.4)
        by_bot = is_pull & (uniform_of(mixed(key, 2)) < _BOT_PULL_SHARE)
        groups = self.repositories.owner >= self.world.hub_accounts.person_count
        people = max(int((groups[i] & ~by_bot).sum()), 1)
        share = TALK_MEMBER_SHARE * (1 + int(groups[merged.astype(np.int64)].sum()) / people)
        author, role = self._talkers(i, at, key, share)
        author = np.where(by_bot, self._bots[below(mixed(key, 3), len(self._bots))], author)
        role = np.where(by_bot, AUTOMATION, role)
        # A member's pull request becomes the next commit of a member, if none did before.
        place = repositories.commits.count(i, at)
        can = is_pull & (role == INSIDER) & (place < repositories.commits.total[i])
        can &= self.commit_role(i, place) == INSIDER
        can[can] = _first_of_each((i[can] << 32) + place[can])
        author[can], _, merged_at = self.commit_authors(i[can], place[can])
        wait = np.floor(-20 * DAY * np.log1p(-uniform_of(mixed(key, 4)))).astype(np.int64)
        ends = ~can & (uniform_of(mixed(key, 5)) < 0.45)
        ended_at = np.where(ends, at + 600 + wait, 0)
        ended_at[can] = np.maximum(merged_at, at[can] + 1)
        gone = ~can & ~by_bot & (uniform_of(mixed(key, 6)) < _DELETED_SHARE)
        return {
            "repository": i, "is_pull": is_pull, "author": np.where(gone, -1, author),
            "role": role, "created_at": at, "ended_at": ended_at,
            "end": np.where(can, MERGED, CLOSED),
            "is_draft": is_pull & ~can & ~by_bot & (uniform_of(mixed(key, 7)) < 0.06),
            "commit": np.where(can, place, -1),
        }  # fmt: skip

    def _merged_threads(self) -> dict[str, Ints | Bools]:
        """The pull requests behind the commits of outsiders."""
        repositories = self.repositories
        total, share, phase = repositories.commits.total, self._outside_share, self._outside_phase
        count = marks_before(total, share, phase)
        i = np.repeat(np.arange(len(repositories)), count)
        rank = np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count)
        # The position of the mark of a rank: the first whose successor counts one more.
        j = np.ceil((rank + 1 - phase[i]) / share[i]).astype(np.int64) - 1
        j += marks_before(j + 1, share[i], phase[i]) <= rank
        author, role, merged_at = self.commit_authors(i, j)
        key = mixed(i, j, self.salt, 52)
        earliest = np.maximum(repositories.created_at[i] + 30, DISCUSSIONS_SINCE)
        at = np.maximum(merged_at - 600 - below(mixed(key, 1), 10 * DAY), earliest)
        kept = at < merged_at
        i, j, author, role = i[kept], j[kept], author[kept], role[kept]
        at, merged_at = at[kept], merged_at[kept]
        yes = np.ones(len(i), bool)
        return {
            "repository": i, "is_pull": yes, "author": author, "role": role, "created_at": at,
            "ended_at": merged_at, "end": np.full(len(i), MERGED), "is_draft": ~yes, "commit": j,
        }  # fmt: skip

    def _talkers(self, i: Ints, at: Ints, key: Hashes, share: float) -> tuple[Ints, Ints]:
        """Who opens or answers, in which role; a `share` is members, with organisations."""
        of_group = self.repositories.owners_at(i, at) >= self.world.hub_accounts.person_count
        draw = np.empty(len(i))
        for some in (np.flatnonzero(of_group), np.flatnonzero(~of_group)):
            # Ranks of a hash: the shares hold for every seed.
            order = np.argsort(mixed(key[some], 10), kind="stable")
            draw[some[order]] = (np.arange(len(some)) + 0.5) / max(len(some), 1)
        inside = np.where(of_group, share, _TALK_OWNER_SHARE)
        role = np.where(
            draw < inside, INSIDER, np.where(draw < inside + TALK_STAFF_SHARE, STAFF, OUTSIDER)
        )
        author = self.outsider(i, at, key)
        author = np.where(role == INSIDER, self.insider(i, at, key), author)
        return np.where(role == STAFF, self.staff(key), author), role

    @cached_property
    def comments(self) -> Comments:
        """Everything that is ever answered."""
        threads = self.threads
        count = threads.reply_count
        start = np.concatenate([[0], np.cumsum(count)])
        thread = np.repeat(np.arange(len(threads)), count)
        k = np.arange(len(thread)) - start[thread] + 1
        repository = threads.repository[thread]
        key = mixed(repository, threads.number[thread], k, self.salt, 70)
        place = (k - 1 + 0.9 * uniform_of(mixed(key, 1))) / np.maximum(count[thread], 1)
        at = threads.created_at[thread] + 60
        at = at + np.floor(threads.reply_span[thread] * place**2).astype(np.int64)
        author, role = self._talkers(repository, at, mixed(key, 2), TALK_MEMBER_SHARE)
        opener = threads.author[thread]
        again = (role == OUTSIDER) & (threads.role[thread] == OUTSIDER) & (opener >= 0)
        again &= uniform_of(mixed(key, 3)) < 0.3
        author = np.where(again, opener, author)
        gone = uniform_of(mixed(key, 4)) < _DELETED_SHARE
        return Comments(
            thread=thread, k=k, author=np.where(gone, -1, author), role=role, created_at=at,
            is_hidden=uniform_of(mixed(key, 5)) < 0.03, is_edited=uniform_of(mixed(key, 6)) < 0.06,
            start=start,
        )  # fmt: skip

    # ------------------------------------------------------------ likes

    @cached_property
    def likes(self) -> Likes:
        """Everything that is ever liked; nobody likes a repository twice."""
        pace = self.repositories.likes
        count = pace.total
        start = np.concatenate([[0], np.cumsum(count)])
        i = np.repeat(np.arange(len(count)), count)
        j = np.arange(len(i)) - start[i]
        people = self.world.hub_accounts.person_count
        # A walk through the residues of a prime meets everybody once.
        primes = np.array([_prime_from(max(people, 1 << k)) for k in range(25)])
        modulus = primes[np.ceil(np.log2(np.maximum(count, 1))).astype(np.int64)]
        index = np.arange(len(count))
        step = 1 + below(mixed(index, self.salt, 80), modulus - 1)
        shift = below(mixed(index, self.salt, 81), modulus)
        account = (step[i] * j + shift[i]) % modulus[i]
        # Organisations like nothing: what is not a user is a passer-by.
        accounts = len(self.world.hub_accounts.login)
        account = np.where(account < people, account, account - people + accounts)
        return Likes(i, account, pace.time(i, j), start)

    @cached_property
    def likes_by_account(self) -> tuple[Ints, Ints]:
        """Rows of `likes` in order of account and time, newest first, and these accounts."""
        order = np.lexsort((-self.likes.liked_at, self.likes.account))
        return order, self.likes.account[order]

    # ------------------------------------------------------------ accounts

    @cached_property
    def came_at(self) -> Ints:
        """When each account came: as drawn, or a little before its first act."""
        accounts, repositories = self.world.hub_accounts, self.repositories
        came = accounts.created_at.copy()
        np.minimum.at(came, repositories.owner, repositories.created_at - 3_600)
        for author, at in (
            (self.threads.author, self.threads.created_at),
            (self.comments.author, self.comments.created_at),
            (self.likes.account, self.likes.liked_at),
        ):
            known = (author >= 0) & (author < len(came))
            np.minimum.at(came, author[known], at[known] - 3_600)
        total = repositories.commits.total
        for part in np.array_split(np.arange(len(total)), max(1, int(total.sum()) >> 18)):
            i = np.repeat(part, total[part])
            j = np.arange(len(i)) - np.repeat(np.cumsum(total[part]) - total[part], total[part])
            author, _, at = self.commit_authors(i, j)
            np.minimum.at(came, author, at - 3_600)
        return came


def _first_of_each(keys: Ints) -> Bools:
    """Marks the first of equal keys."""
    first = np.zeros(len(keys), bool)
    first[np.unique(keys, return_index=True)[1]] = True
    return first


def _prime_from(number: int) -> int:
    """The smallest prime that is not below a number."""
    candidate = max(number, 3) | 1
    while any(candidate % k == 0 for k in range(3, int(candidate**0.5) + 1, 2)):
        candidate += 2
    return candidate
