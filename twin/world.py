"""One world: the population of both platforms, and who may act where.

Belongs here: putting the parts together, and the choice of an account for an act that somebody
inside, outside or no human does. Does not belong here: how the parts are drawn (`accounts`,
`repositories`), what happened before the flow (`history`) and in it (`archive`), the Hub (`hub`).

Everything about a world is a function of (scale, seed, first day, era switch, with defects).
Every part draws from its own random stream, named after the part, so that adding a part does not
change the others.
"""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time

import numpy as np

from twin.accounts import (
    AI_AGENT,
    CLASSES,
    YOUNG,
    Accounts,
    HubAccounts,
    Identities,
    Memberships,
    addresses,
    build_hub_accounts,
    draft_accounts,
    drawn_ids,
    identify,
    join_hub_organisations,
    join_organisations,
    native_ids,
)
from twin.draws import (
    DAY,
    YEAR,
    Bools,
    Floats,
    Hashes,
    Ints,
    Tail,
    below,
    mixed,
    ranks_of,
    salt_of,
    stream,
    uniform_of,
    weighted_choice,
)
from twin.habits import serving
from twin.repositories import (
    YEAR_2016,
    Repositories,
    build_repositories,
    draft_repositories,
)
from twin.scales import PLANTED, SCALES, Scale

__all__ = [
    "CLASSES", "DAY", "ERA_SWITCH", "HORIZON_DAYS", "PLANTED", "SCALES", "YEAR_2016", "Accounts",
    "Bools", "Floats", "HubAccounts", "Identities", "Ints", "Memberships", "Repositories", "Scale",
    "Tail", "World", "build_hub_accounts", "build_world",
    "mixed", "native_ids", "preset", "ranks_of", "stream", "weighted_choice",
]  # fmt: skip

HORIZON_DAYS = 60
# Repositories are created on both sides of 2016 and have a history before the first day.
EARLIEST_FIRST_DAY = date(2016, 4, 1)
ERA_SWITCH = datetime(2025, 10, 7, tzinfo=UTC)
_ATTEMPTS = 3
_OF_BOTS, _OF_AGENTS = 7, 9


@dataclass(frozen=True)
class World:
    """Both platforms' population. `starts_at` is midnight of the first archive day (epoch)."""

    scale: Scale
    seed: int
    first_day: date
    starts_at: int
    era_switch: datetime
    with_defects: bool
    accounts: Accounts
    repositories: Repositories
    memberships: Memberships
    hub_accounts: HubAccounts
    hub_memberships: Memberships
    identities: Identities
    _collaborators: Ints
    _neighbours: Ints
    _neighbours_start: Ints
    _loners: Ints

    def is_insider(self, account: Ints, repository: Ints, at: Ints | int) -> Bools:
        """Elementwise: does the account belong to the repository's owner at the time?

        The owner itself, a member of the owning organisation at that time, or a collaborator of
        the person who owned the repository first.
        """
        owner = self.repositories.owners_at(repository, at)
        inside: Bools = account == owner
        of_group = owner >= self.accounts.first_organisation
        inside |= of_group & self.memberships.is_member(account, owner, at)
        pair = (np.asarray(repository).astype(np.int64) << 32) + account
        place = np.searchsorted(self._collaborators, pair)
        known = self._collaborators[np.minimum(place, len(self._collaborators) - 1)] == pair
        inside |= known & (owner == self.repositories.owner[repository])
        return inside

    def insider(self, repository: Ints, at: Ints, key: Hashes) -> Ints:
        """An account inside each repository at the time: often the main one, else by period.

        `key` is a hash that decides; equal arguments give equal accounts.
        """
        repositories = self.repositories
        start, count = repositories.pool_start[repository], repositories.insider_count[repository]
        place = self._period(repository, at, uniform_of(mixed(key, 1)), count)
        place = np.where(uniform_of(mixed(key, 2)) < 0.45, 0, place)
        found = repositories.pool[start + place]
        owner = repositories.owners_at(repository, at)
        of_group = owner >= self.accounts.first_organisation
        group = np.maximum(owner - self.accounts.first_organisation, 0)
        certain = np.where(of_group, self.memberships.core[group], owner)
        fits = self.is_insider(found, repository, at) & (self.accounts.created_at[found] <= at)
        return np.where(fits, found, certain)

    def outsider(self, repository: Ints, at: Ints, key: Hashes) -> Ints:
        """A person outside each repository at the time, mostly from its community."""
        found = self._around(repository, at, mixed(key, 3))
        for attempt in range(1, _ATTEMPTS + 1):
            wrong = np.flatnonzero(~self._fits_outside(found, repository, at))
            if len(wrong) == 0:
                return found
            again = mixed(key[wrong], 3 + attempt)
            if attempt < _ATTEMPTS:
                found[wrong] = self._around(repository[wrong], at[wrong], again)
            else:
                # Loners are in order of their accounts' age, the first older than everything.
                old = np.searchsorted(self.accounts.created_at[self._loners], at[wrong], "right")
                found[wrong] = self._loners[below(again, old)]
        return found

    def machine(self, repository: Ints, at: Ints, key: Hashes, act: Ints | int) -> Ints:
        """The bot that does such an act in each repository, or lately in some a coding agent.

        Args:
            repository, at, key: elementwise.
            act: type of the event, of those that some machine makes.
        """
        accounts = self.accounts
        machines = accounts.acting_machines
        ages = accounts.created_at[machines]
        act = np.broadcast_to(np.asarray(act), repository.shape)
        is_agent = accounts.account_class[machines] == AI_AGENT
        bot, _ = serving(np.flatnonzero(~is_agent), ages[~is_agent], repository, act, at, _OF_BOTS)
        agent, is_there = serving(
            np.flatnonzero(is_agent), ages[is_agent], repository, act, at, _OF_AGENTS
        )
        modern = is_there & (mixed(repository, 10) % np.uint64(4) == 0)
        modern &= mixed(key, 5) % np.uint64(2) == 0
        chosen: Ints = machines[np.where(modern, agent, bot)]
        return chosen

    def _period(self, repository: Ints, at: Ints, draw: Floats, count: Ints) -> Ints:
        """Place in a pool that people pass through: about fifteen months each."""
        created = self.repositories.created_at[repository]
        life = np.maximum(self.starts_at - created, DAY)
        width = np.minimum(1.0, 1.25 * YEAR / life)
        share = np.clip((at - created) / life, 0, 1) * (1 - width) + width * draw
        place: Ints = np.minimum((share * count).astype(np.int64), np.maximum(count - 1, 0))
        return place

    def _around(self, repository: Ints, at: Ints, key: Hashes) -> Ints:
        """A candidate: a contributor of that period, a neighbour of the community, or anyone."""
        repositories = self.repositories
        inside = repositories.insider_count[repository]
        start = repositories.pool_start[repository] + inside
        count = repositories.pool_start[repository + 1] - start
        draw, kind = uniform_of(mixed(key, 1)), uniform_of(mixed(key, 2))
        contributor = start + self._period(repository, at, draw, count)
        contributor = repositories.pool[np.minimum(contributor, len(repositories.pool) - 1)]
        community = repositories.community[repository]
        first = self._neighbours_start[community]
        near = self._neighbours_start[community + 1] - first
        neighbour = first + np.minimum((draw**2 * near).astype(np.int64), np.maximum(near - 1, 0))
        neighbour = self._neighbours[np.minimum(neighbour, len(self._neighbours) - 1)]
        anyone = (draw * self.accounts.person_count).astype(np.int64)
        found = np.where((kind < 0.5) & (count > 0), contributor, neighbour)
        return np.where((kind > 0.88) | ((kind >= 0.5) & (near == 0)), anyone, found)

    def _fits_outside(self, account: Ints, repository: Ints, at: Ints) -> Bools:
        fits: Bools = (account < self.accounts.person_count) & (
            self.accounts.created_at[account] <= at
        )
        return fits & ~self.is_insider(account, repository, at)


def preset(scale: Scale | str) -> Scale:
    """A scale itself, or the preset of a name.

    Raises:
        ValueError: for an unknown name.
    """
    if isinstance(scale, Scale):
        return scale
    if scale not in SCALES:
        raise ValueError(f"unknown scale {scale!r}; known: {', '.join(SCALES)}")
    return SCALES[scale]


def build_world(
    scale: Scale | str,
    seed: int,
    first_day: date,
    *,
    era_switch: datetime = ERA_SWITCH,
    with_defects: bool = True,
) -> World:
    """The population of one world; no file is written.

    Args:
        scale: a `Scale` or the name of a preset.
        seed: not negative; another seed gives another world with the same planted statistics.
        first_day: day 0 of the archive, UTC; the history lies before it.
        era_switch: archive hours from this time on have the payload shapes of October 2025.
        with_defects: whether archive hours are damaged.

    Raises:
        ValueError: for an unknown preset, or a first day that leaves no room for a history.
    """
    size = preset(scale)
    if first_day < EARLIEST_FIRST_DAY:
        raise ValueError(f"the first day of a world is {EARLIEST_FIRST_DAY} or later")
    starts_at = int(datetime.combine(first_day, time(), UTC).timestamp())
    accounts, repositories, memberships = _github(size, seed, starts_at)
    hub_accounts = build_hub_accounts(size, seed, starts_at)
    identities, logins, names = identify(seed, accounts, hub_accounts, memberships)
    hub_accounts = replace(hub_accounts, login=logins, name=names)
    people = np.arange(accounts.person_count)
    loners = people[accounts.is_loner[: len(people)]]
    neighbours = people[np.argsort(accounts.community[people], kind="stable")]
    counts = np.bincount(accounts.community[people], minlength=size.community_count)
    return World(
        scale=size, seed=seed, first_day=first_day, starts_at=starts_at, era_switch=era_switch,
        with_defects=with_defects, accounts=accounts, repositories=repositories,
        memberships=memberships, hub_accounts=hub_accounts,
        hub_memberships=join_hub_organisations(seed, hub_accounts, starts_at),
        identities=identities, _collaborators=_collaborators(accounts, repositories),
        _neighbours=neighbours, _neighbours_start=np.concatenate([[0], np.cumsum(counts)]),
        _loners=loners[np.argsort(accounts.created_at[loners], kind="stable")],
    )  # fmt: skip


def _collaborators(accounts: Accounts, repositories: Repositories) -> Ints:
    """Sorted pairs of repository and person whom its owner, a person, lets in."""
    size = np.diff(repositories.pool_start)
    repository = np.repeat(np.arange(len(repositories)), size)
    place = np.arange(len(repository)) - repositories.pool_start[repository]
    inside = place < repositories.insider_count[repository]
    inside &= repositories.owner[repository] < accounts.first_organisation
    pairs = (repository[inside] << 32) + repositories.pool[inside]
    return np.unique(np.concatenate([pairs, [-1]]))


def _github(scale: Scale, seed: int, starts_at: int) -> tuple[Accounts, Repositories, Memberships]:
    """GitHub's accounts, repositories and memberships, each older than what depends on it."""
    accounts = draft_accounts(scale, seed, starts_at)
    people = np.arange(accounts.person_count)
    candidates = people[~accounts.is_loner[: len(people)]]
    candidates = candidates[accounts.created_at[candidates] <= starts_at - YOUNG]
    draft = draft_repositories(scale, seed, accounts, candidates, starts_at)
    created = accounts.created_at.copy()
    groups = draft.owner >= accounts.first_organisation
    np.minimum.at(created, draft.owner[groups], draft.created_at[groups] - DAY)
    accounts = replace(accounts, created_at=created)
    memberships = join_organisations(scale, seed, accounts, candidates, starts_at)
    repositories = build_repositories(
        scale, seed, accounts, memberships, candidates, draft, starts_at
    )
    gap = below(mixed(repositories.owner, salt_of(seed, "gaps")), 40 * DAY) + 600
    np.minimum.at(created, repositories.owner, repositories.created_at - gap)
    founded = created[accounts.first_organisation :]
    np.minimum.at(created, memberships.core, founded - 3_600)
    emails, domains = addresses(accounts, memberships, seed)
    accounts = replace(
        accounts, created_at=created, id=drawn_ids(created, seed), email=emails,
        email_domain=domains,
    )  # fmt: skip
    return accounts, repositories, memberships
