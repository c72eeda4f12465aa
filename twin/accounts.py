"""The people, machines and organisations of both platforms, and who belongs to whom when.

Belongs here: accounts, memberships over time, and which accounts of the two platforms are the
same in truth. Does not belong here: what they own (`repositories`) or do.

Planted, and therefore measurable: the class of each account, with names that mislead name rules
(bots without "bot", people with "bot" in theirs, coding agents); organisations whose member
lists are public, partly public or hidden; members who joined or left at a known time, some of
them inside the flow; people and organisations present on both platforms, under equal, similar
or different names, and different people of one name.

An organisation has one member who founded it and never leaves (`Memberships.core`), so that
somebody inside can act at any time. Nobody is twice a member of one organisation. An eighth of
the people are "loners": never owner, member or collaborator anywhere.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin import words
from twin.draws import DAY, YEAR, Bools, Floats, Ints, mixed, salt_of, stream, weighted_choice
from twin.habits import MACHINES
from twin.scales import Scale

CLASSES = (
    "person", "bot", "ai_agent", "platform_automation", "ghost", "organisation", "platform_staff",
)  # fmt: skip
PERSON, BOT, AI_AGENT, AUTOMATION, GHOST, ORGANISATION, STAFF = range(7)
VISIBILITIES = ("public", "partial", "hidden")
PUBLIC, PARTIAL, HIDDEN = range(3)

FIRST_ACCOUNT = int(np.datetime64("2008-01-10T00:00:00", "s").astype(np.int64))
BOT_SUFFIX_SINCE = int(np.datetime64("2017-06-01T00:00:00", "s").astype(np.int64))
AGENTS_SINCE = int(np.datetime64("2024-09-01T00:00:00", "s").astype(np.int64))
HUB_SINCE = int(np.datetime64("2018-06-01T00:00:00", "s").astype(np.int64))
HUB_OPEN = int(np.datetime64("2019-10-01T00:00:00", "s").astype(np.int64))
YOUNG = 20 * DAY

# What is in the names of machines is in those of people, too.
_PEOPLE_WITH_BOT = (
    "botanica",
    "abbott-lea",
    "sabotage-dev",
    "robotics-fan",
    "talbot",
    "jan-cabot",
    "mirror-lake",
    "release-the-cat",
    "auto-didact",
    "marc-robotham",
    "sync-or-swim",
    "ciara",
)


@dataclass(frozen=True)
class Accounts:
    """GitHub accounts, index-aligned: people, then bots, agents and automation, then organisations.

    `bot_count` counts everything that is neither a person nor an organisation; the first
    `bot_count - 3` of them act, the last are automation and the ghost. `email` is the hash of the
    login at `email_domain`, of which an organisation's own domain hints at affiliation.
    `created_at` is before the account's first act; numeric ids grow with it. `community` is the
    planted group with which an account mostly works.
    """

    login: list[str]
    name: list[str]
    email: list[str]
    email_domain: list[str]
    id: Ints
    kind: list[str]
    is_bot: Bools
    account_class: Ints
    created_at: Ints
    community: Ints
    is_loner: Bools
    person_count: int
    bot_count: int

    @property
    def first_organisation(self) -> int:
        return self.person_count + self.bot_count

    @property
    def ghost(self) -> int:
        return self.first_organisation - 1

    @property
    def web_flow(self) -> int:
        return self.first_organisation - 2

    @property
    def acting_machines(self) -> Ints:
        """Bots and agents, in order."""
        return np.arange(self.person_count, self.first_organisation - 3)

    def young(self, at: int) -> Ints:
        """People whose account is younger than `YOUNG` at a time."""
        created = self.created_at[: self.person_count]
        return np.flatnonzero((created <= at) & (created > at - YOUNG))

    # Popular repositories have more stars than a world has people. The others are passers-by:
    # accounts beyond the last, of which nothing exists but the following.

    def is_passer_by(self, account: int) -> bool:
        return account >= len(self.login)

    def login_at(self, account: int) -> str:
        """Login of an account or a passer-by."""
        if account < len(self.login):
            return self.login[account]
        return f"{words.compound(account, '-')}-{account:x}"

    def id_at(self, account: int) -> int:
        """Numeric id of an account or a passer-by."""
        return int(self.id[account]) if account < len(self.login) else 190_000_000 + account

    def created_at_of(self, account: int) -> int:
        """Time at which an account or a passer-by came, in epoch seconds."""
        if account < len(self.login):
            return int(self.created_at[account])
        return FIRST_ACCOUNT + account % (20 * DAY)


@dataclass(frozen=True)
class Memberships:
    """Who belongs to an organisation from when until when, in order of organisation and account.

    `until` 0 is still. `is_public` says whether the platform lists the member to a stranger; it
    is false for all members of a hidden list. `list_visibility` (index into `VISIBILITIES`) and
    `core` (the member who is always there) are aligned with the organisations;
    `first_organisation` is the account index of the first of these.
    """

    account: Ints
    organisation: Ints
    since: Ints
    until: Ints
    is_public: Bools
    list_visibility: Ints
    core: Ints
    first_organisation: int

    def __len__(self) -> int:
        return len(self.account)

    @property
    def _keys(self) -> Ints:
        return _pair(self.organisation, self.account)

    def place(self, account: Ints, organisation: Ints) -> Ints:
        """Row of each pair, -1 where the account never was a member."""
        keys, wanted = self._keys_once(), _pair(organisation, account)
        found = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        return np.where(keys[found] == wanted, found, -1) if len(keys) else np.full_like(found, -1)

    def _keys_once(self) -> Ints:
        keys: Ints | None = self.__dict__.get("_sorted_keys")
        if keys is None:
            keys = self._keys
            object.__setattr__(self, "_sorted_keys", keys)
        return keys

    def is_member(self, account: Ints, organisation: Ints, at: Ints | int) -> Bools:
        """Elementwise: does the account belong to the organisation at the time?"""
        row = self.place(np.asarray(account), np.asarray(organisation))
        held: Bools = (
            (row >= 0) & (self.since[row] <= at) & ((self.until[row] == 0) | (at < self.until[row]))
        )
        return held

    def rows_of(self, organisation: int) -> slice:
        """The rows of one organisation, whatever the time."""
        low, high = np.searchsorted(self.organisation, [organisation, organisation + 1])
        return slice(int(low), int(high))

    def members_at(self, organisation: int, at: int, *, public_only: bool = False) -> Ints:
        """Members at a time, in order of account; on request those a stranger sees."""
        rows = self.rows_of(organisation)
        held = (self.since[rows] <= at) & ((self.until[rows] == 0) | (at < self.until[rows]))
        if public_only:
            held &= self.is_public[rows]
        members: Ints = self.account[rows][held]
        return members

    def organisations_at(self, account: int, at: int, *, public_only: bool = False) -> Ints:
        """Organisations of an account at a time."""
        rows = np.flatnonzero(self.account == account)
        held = (self.since[rows] <= at) & ((self.until[rows] == 0) | (at < self.until[rows]))
        if public_only:
            held &= self.is_public[rows]
        organisations: Ints = self.organisation[rows][held]
        return organisations

    def visibility(self, organisation: int) -> str:
        """How an organisation shows its list: "public", "partial" or "hidden"."""
        return VISIBILITIES[int(self.list_visibility[organisation - self.first_organisation])]


def _pair(organisation: Ints, account: Ints) -> Ints:
    return (np.asarray(organisation).astype(np.int64) << 32) + account


@dataclass(frozen=True)
class HubAccounts:
    """Hub accounts: users first, then organisations; `organisation` is a user's own, or -1.

    `created_at` is a lower bound of nothing: a user who owns something older than this has come
    earlier, which the view of the Hub settles. Organisations came before every model.
    """

    login: list[str]
    name: list[str]
    native_id: list[str]
    organisation: Ints
    is_staff: Bools
    is_bot: Bools
    person_count: int
    account_class: Ints
    created_at: Ints


@dataclass(frozen=True)
class Identities:
    """Accounts that are the same person or organisation on both platforms: truth, told nowhere.

    `relation` 0: the login is equal, 1: equal but for case or separators, 2: different.
    `homonym_github`, `homonym_hub`: accounts of equal login that are different people.
    """

    github_account: Ints
    hub_account: Ints
    is_organisation: Bools
    relation: Ints
    homonym_github: Ints
    homonym_hub: Ints

    def __len__(self) -> int:
        return len(self.github_account)


RELATIONS = ("equal", "similar", "different")


def unique_names(candidate: Callable[[int], str], count: int) -> list[str]:
    """`count` names that differ also when case is ignored."""
    seen: set[str] = set()
    names = []
    for i in range(count):
        name = candidate(i)
        if name.lower() in seen:
            name = f"{name}{i}"
        seen.add(name.lower())
        names.append(name)
    return names


# ---------------------------------------------------------------- GitHub


def draft_accounts(scale: Scale, seed: int, starts_at: int) -> Accounts:
    """Accounts before it is known what they own: times, ids and addresses are not final."""
    rng = stream(seed, "github accounts")
    people, organisations, machines = scale.person_count, scale.organisation_count, len(MACHINES)
    draws: list[int] = rng.integers(0, 1 << 30, people + organisations).tolist()

    def person(i: int) -> str:
        if i < len(_PEOPLE_WITH_BOT):
            return _PEOPLE_WITH_BOT[i]
        number = draws[i]
        return words.compound(number, "-" if number % 3 else "") + str(number >> 12 & 127)

    def organisation(i: int) -> str:
        number = draws[people + i]
        return words.compound(number, "-") + ("-labs", "-org", "-io", "hq")[number >> 20 & 3]

    machine_logins = [login for login, _, _ in MACHINES]
    given = machine_logins + unique_names(organisation, organisations)
    taken = {login.lower() for login in given}
    logins = unique_names(person, people)
    logins = [f"{name}-{i}" if name.lower() in taken else name for i, name in enumerate(logins)]
    logins += given
    total = len(logins)
    numbers = rng.integers(0, 1 << 20, (total, 2)).tolist()
    names = [words.person_name(g, f) for g, f in numbers[:people]] + logins[people:]
    account_class = np.full(total, PERSON)
    account_class[people : people + machines] = [CLASSES.index(name) for _, name, _ in MACHINES]
    account_class[people + machines :] = ORGANISATION
    return Accounts(
        login=logins, name=names, email=[], email_domain=[], id=np.arange(total),
        kind=["Organization" if i >= people + machines else "Bot" if login.endswith("[bot]")
              else "User" for i, login in enumerate(logins)],
        is_bot=np.isin(account_class, (BOT, AI_AGENT, AUTOMATION)),
        account_class=account_class, created_at=_account_times(rng, account_class, starts_at),
        community=rng.integers(0, scale.community_count, total),
        is_loner=((mixed(np.arange(total), salt_of(seed, "loners")) % np.uint64(8) == 0)
                  & (account_class == PERSON)) | (np.arange(total) == 0),
        person_count=people, bot_count=machines,
    )  # fmt: skip


def _account_times(rng: np.random.Generator, account_class: Ints, starts_at: int) -> Ints:
    """The platform grew; one person in twenty came in the last three weeks."""
    total = len(account_class)
    last = starts_at - 30 * DAY
    created = FIRST_ACCOUNT + (rng.uniform(size=total) ** 0.8 * (last - FIRST_ACCOUNT)).astype(
        np.int64
    )
    young = rng.uniform(size=total) < 0.05
    created[young] = starts_at - rng.integers(DAY, 14 * DAY, int(young.sum()))
    created[0] = FIRST_ACCOUNT
    classes = [name for _, name, _ in MACHINES]
    machines = np.flatnonzero(account_class == GHOST)[0] + 1 - len(MACHINES)
    acting = np.arange(len(MACHINES) - 3)
    bots = machines + acting[[classes[k] != "ai_agent" for k in acting]]
    created[bots] = FIRST_ACCOUNT + rng.integers(0, 10 * DAY, len(bots))
    suffixed = bots[[MACHINES[k][0].endswith("[bot]") for k in bots - machines]]
    created[suffixed] = BOT_SUFFIX_SINCE + rng.integers(0, YEAR, len(suffixed))
    agents = account_class == AI_AGENT
    created[agents] = AGENTS_SINCE + rng.integers(0, 120 * DAY, int(agents.sum()))
    idle = machines + len(acting)
    created[idle : idle + 3] = FIRST_ACCOUNT
    created[idle] = BOT_SUFFIX_SINCE + YEAR
    return np.minimum(created, starts_at - DAY // 2)


def drawn_ids(accounts_created_at: Ints, seed: int) -> Ints:
    """Numeric ids that grow with the time of registration, with gaps."""
    total = len(accounts_created_at)
    rng = stream(seed, "github account ids")
    ids = np.empty(total, np.int64)
    ids[np.argsort(accounts_created_at, kind="stable")] = np.arange(total)
    width = 180_000_000 // total
    return 1_000 + ids * width + rng.integers(0, width, total)


def addresses(
    accounts: Accounts, memberships: Memberships, seed: int
) -> tuple[list[str], list[str]]:
    """E-mail addresses and their domains; three in five members use their organisation's."""
    rng = stream(seed, "github addresses")
    total = len(accounts.login)
    first = accounts.first_organisation
    own = [
        "".join(c for c in login.lower() if c.isalpha() or c == "-") + ".example"
        for login in accounts.login[first:]
    ]
    choices = [*words.MAIL_DOMAINS, *own]
    domain = rng.integers(0, len(words.MAIL_DOMAINS), total)
    domain[first:] = len(words.MAIL_DOMAINS) + np.arange(total - first)
    uses = rng.uniform(size=len(memberships)) < 0.6
    domain[memberships.account[uses]] = (
        len(words.MAIL_DOMAINS) + memberships.organisation[uses] - first
    )
    domains = [choices[k] for k in domain.tolist()]
    sha1 = hashlib.sha1
    emails = [
        f"{sha1(login.encode(), usedforsecurity=False).hexdigest()}@{at}"
        for login, at in zip(accounts.login, domains, strict=True)
    ]
    return emails, domains


def join_organisations(
    scale: Scale, seed: int, accounts: Accounts, candidates: Ints, starts_at: int
) -> Memberships:
    """Members of GitHub's organisations, four in five from the organisation's community.

    Args:
        scale: for the number of communities.
        seed: the world's.
        accounts: with final times of the organisations.
        candidates: people who may belong to an organisation.
        starts_at: start of the flow; some join and some leave in the days after it.
    """
    rng = stream(seed, "github memberships")
    organisations = np.arange(accounts.first_organisation, len(accounts.login))
    size = np.minimum(1 + np.floor(2 * rng.pareto(1.1, len(organisations))), 400).astype(np.int64)
    size = np.minimum(size + 1, max(2, len(candidates) // 3))
    organisation = np.repeat(organisations, size)
    account = companions(
        rng, accounts.community, candidates, accounts.community[organisation], 0.8,
        scale.community_count,
    )  # fmt: skip
    return _dated(rng, account, organisation, accounts.created_at, accounts.created_at, starts_at)


def companions(
    rng: np.random.Generator,
    community: Ints,
    candidates: Ints,
    home: Ints,
    share: float,
    count: int,
) -> Ints:
    """One of the candidates for each `home` community: from there at a share, else anyone."""
    by_community = candidates[np.argsort(community[candidates], kind="stable")]
    counts = np.bincount(community[candidates], minlength=count)
    first = np.concatenate([[0], np.cumsum(counts)])
    inside = first[home] + np.floor(rng.uniform(size=len(home)) * np.maximum(counts[home], 1))
    local = by_community[np.minimum(inside.astype(np.int64), len(by_community) - 1)]
    anyone = candidates[rng.integers(0, len(candidates), len(home))]
    return np.where(rng.uniform(size=len(home)) < share, local, anyone).astype(np.int64)


def _dated(
    rng: np.random.Generator,
    account: Ints,
    organisation: Ints,
    organisation_since: Ints,
    account_since: Ints,
    starts_at: int,
) -> Memberships:
    """Memberships with times from pairs, of which the first of each organisation is its core."""
    unique, first = np.unique(_pair(organisation, account), return_index=True)
    pair_is_core = np.zeros(len(account), bool)
    pair_is_core[np.unique(organisation, return_index=True)[1]] = True
    organisation, account = unique >> 32, unique & 0xFFFF_FFFF
    n = len(unique)
    # Of equal pairs the first is kept, and a core pair is the first of its organisation.
    is_core = pair_is_core[first]
    founded = organisation_since[organisation]
    earliest = np.maximum(founded, account_since[account] + 3_600)
    earliest = np.minimum(earliest, starts_at - 20 * DAY)
    since = earliest + (rng.uniform(size=n) ** 1.5 * (starts_at - DAY - earliest)).astype(np.int64)
    stay = rng.exponential(3 * YEAR, n).astype(np.int64) + 30 * DAY
    until = np.where((rng.uniform(size=n) < 0.45) & (since + stay < starts_at), since + stay, 0)
    soon = starts_at + (DAY * (0.3 + rng.exponential(4, n))).astype(np.int64)
    fate = rng.uniform(size=n)
    # The first few after the cores are certain, so that small worlds show both kinds.
    others = np.flatnonzero(~is_core)
    joins, leaves = (fate < 0.03) & ~is_core, (fate > 0.96) & ~is_core & (until == 0)
    if len(others) > 4:
        joins[others[1]], leaves[others[1]] = True, False
        joins[others[3]], leaves[others[3]], until[others[3]] = False, True, 0
        soon[others[[1, 3]]] = starts_at + np.array([DAY // 2, DAY // 2 + 7_200])
    since, until = np.where(joins, soon, since), np.where(joins, 0, until)
    until = np.where(leaves, soon, until)
    since, until = np.where(is_core, founded, since), np.where(is_core, 0, until)
    organisations = np.unique(organisation)
    visibility = np.searchsorted(
        np.cumsum([0.4, 0.4]), rng.uniform(size=len(organisations)), side="right"
    )
    visibility[:3] = np.arange(len(organisations))[:3]
    shown = visibility[organisation - organisations[0]]
    is_public = (shown == PUBLIC) | ((shown == PARTIAL) & (rng.uniform(size=n) < 0.45))
    return Memberships(
        account=account, organisation=organisation, since=since, until=until,
        is_public=is_public, list_visibility=visibility.astype(np.int64),
        core=account[is_core], first_organisation=int(organisations[0]),
    )  # fmt: skip


# ---------------------------------------------------------------- the Hub


def native_ids(rng: np.random.Generator, count: int) -> list[str]:
    """24 hexadecimal digits each, as the Hub's internal ids."""
    text = rng.bytes(12 * count).hex()
    return [text[24 * i : 24 * i + 24] for i in range(count)]


def build_hub_accounts(scale: Scale, seed: int, starts_at: int | None = None) -> HubAccounts:
    """Users (some of them members of one organisation, a few platform staff) and organisations."""
    rng = stream(seed, "hub accounts")
    people, organisations = scale.hub_person_count, scale.hub_organisation_count
    draws = rng.integers(0, 1 << 30, people + organisations).tolist()

    def login(i: int) -> str:
        if i >= people:
            return words.compound(draws[i], "-") + ("-ai", "-research", "ai", "-models")[i & 3]
        return words.compound(draws[i], "_" if draws[i] % 4 else "").title() + str(draws[i] % 90)

    logins = unique_names(login, people + organisations)
    logins[:2] = ["parameter-count-bot", "AutoConvert-bot"]
    is_bot = np.zeros(people + organisations, bool)
    is_bot[:2] = True
    is_staff = np.zeros(people + organisations, bool)
    is_staff[2 : 2 + max(2, people // 200)] = True
    member_of = np.full(people + organisations, -1, np.int64)
    members = rng.uniform(size=people) < 0.35
    weights = rng.pareto(1.2, organisations) + 1
    member_of[:people][members] = people + weighted_choice(rng, weights, int(members.sum()))
    # Every organisation has at least one member who can commit.
    first = 2 + max(2, people // 200)
    member_of[first : first + organisations] = people + np.arange(organisations)
    member_of[:first][is_bot[:first] | is_staff[:first]] = -1
    names = [words.person_name(d, d >> 9) for d in draws]
    names[first] = words.HOSTILE[8]
    if people > first + organisations + 3:
        # What a rule on names gets wrong here, too.
        logins[people - 2 : people] = ["weights-mirror", "talbot_reads"]
        is_bot[people - 2], member_of[people - 2] = True, -1
    account_class = np.where(is_bot, BOT, np.where(is_staff, STAFF, PERSON))
    account_class[people:] = ORGANISATION
    end = starts_at if starts_at is not None else HUB_OPEN + 5 * YEAR
    ids = native_ids(rng, len(logins))
    total = people + organisations
    created = HUB_OPEN + (rng.uniform(size=total) ** 0.6 * (end - DAY - HUB_OPEN)).astype(np.int64)
    early = HUB_SINCE + rng.integers(0, HUB_OPEN - HUB_SINCE, total)
    came_early = np.arange(total) < first + organisations
    came_early |= np.arange(total) >= people
    return HubAccounts(
        login=logins, name=names, native_id=ids,
        organisation=member_of, is_staff=is_staff, is_bot=is_bot, person_count=people,
        account_class=account_class, created_at=np.where(came_early, early, created),
    )  # fmt: skip


def join_hub_organisations(seed: int, accounts: HubAccounts, starts_at: int) -> Memberships:
    """A user's own organisation, and for one member in eight a second one."""
    rng = stream(seed, "hub memberships")
    people = accounts.person_count
    organisations = len(accounts.login) - people
    member = np.flatnonzero(accounts.organisation >= 0)
    core_first = 2 + int(accounts.is_staff.sum())
    cores = core_first + np.arange(organisations)
    again = member[rng.uniform(size=len(member)) < 0.12]
    account = np.concatenate([cores, member, again])
    organisation = np.concatenate([
        people + np.arange(organisations), accounts.organisation[member],
        people + rng.integers(0, organisations, len(again)),
    ])  # fmt: skip
    return _dated(rng, account, organisation, accounts.created_at, accounts.created_at, starts_at)


def identify(
    seed: int, accounts: Accounts, hub: HubAccounts, memberships: Memberships
) -> tuple[Identities, list[str], list[str]]:
    """Who is on both platforms; returns the logins and names the Hub's accounts then have.

    Two in five Hub users have a GitHub account, members of organisations more often than others,
    and seven in ten organisations.
    """
    rng = stream(seed, "identities")
    people, first = hub.person_count, accounts.first_organisation
    staff_end = 2 + int(hub.is_staff.sum())
    users = np.flatnonzero(rng.uniform(size=people) < 0.4)
    users = users[users >= staff_end]
    weights: Floats = np.ones(accounts.person_count)
    weights[memberships.account] += 2
    chosen = _without_replacement(rng, weights, len(users))
    users = users[: len(chosen)]
    groups = np.flatnonzero(rng.uniform(size=len(hub.login) - people) < 0.7) + people
    theirs = first + rng.permutation(len(accounts.login) - first)[: len(groups)]
    groups = groups[: len(theirs)]
    github = np.concatenate([chosen, theirs])
    theirs_on_hub = np.concatenate([users, groups])
    relation = np.searchsorted(np.cumsum([0.45, 0.2]), rng.uniform(size=len(github)), side="right")
    strangers = np.setdiff1d(np.arange(staff_end, people), users)
    strangers = strangers[: max(2, people // 60)]
    free = np.setdiff1d(np.arange(accounts.person_count), chosen)
    namesakes = free[rng.permutation(len(free))[: len(strangers)]]
    strangers = strangers[: len(namesakes)]
    logins, names = _names_on_the_hub(
        rng, accounts, hub, github, theirs_on_hub, relation, namesakes, strangers
    )
    found = Identities(
        github_account=github, hub_account=theirs_on_hub, is_organisation=theirs_on_hub >= people,
        relation=relation.astype(np.int64), homonym_github=namesakes, homonym_hub=strangers,
    )  # fmt: skip
    return found, logins, names


def _names_on_the_hub(
    rng: np.random.Generator,
    accounts: Accounts,
    hub: HubAccounts,
    github: Ints,
    theirs: Ints,
    relation: Ints,
    namesakes: Ints,
    strangers: Ints,
) -> tuple[list[str], list[str]]:
    wanted: list[str | None] = [None] * len(hub.login)
    for g, h, r in zip(github.tolist(), theirs.tolist(), relation.tolist(), strict=True):
        login = accounts.login[g]
        if r == 0:
            wanted[h] = login
        elif r == 1:
            wanted[h] = login.replace("-", "_").title() if h < hub.person_count else login.title()
    for g, h in zip(namesakes.tolist(), strangers.tolist(), strict=True):
        wanted[h] = accounts.login[g]
    taken = {name.lower() for name in wanted if name is not None}
    logins = []
    for i, name in enumerate(wanted):
        own = hub.login[i]
        logins.append(name if name is not None else f"{own}-{i}" if own.lower() in taken else own)
    names = list(hub.name)
    same = rng.uniform(size=len(github)) < 0.5
    for g, h in zip(github[same].tolist(), theirs[same].tolist(), strict=True):
        names[h] = accounts.name[g]
    return logins, names


def _without_replacement(rng: np.random.Generator, weights: NDArray[Any], count: int) -> Ints:
    """Different indices, the heavier ones more often (exponential races)."""
    finish = rng.exponential(size=len(weights)) / weights
    return np.argsort(finish, kind="stable")[: min(count, len(weights) * 2 // 3)].astype(np.int64)
