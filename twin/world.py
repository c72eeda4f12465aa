"""The population of the twin: scales, accounts, repositories, models and their planted stocks.

Belongs here: who and what exists, and the quantities planted on them. Does not belong here:
what happens when (`archive` for GitHub's flow, `hub` for the Hub's history), file formats, and
source defects (`defects`).

Every part draws from its own random stream, named after the part, so that adding a part does
not change the others. Stocks are drawn through ranks: a latent factor shared by the features of
a repository gives the ranks (positive, weak correlations, as published), and the rank gives the
value through the inverse distribution function. Medians and zero shares therefore hold for
every seed and at every scale; means and maxima vary with the tail.

Targets (published table 2): GitHub commits median 24, issues median 0, stars median 16; Hub
commits median 2, discussions median 0, likes median 0. The published table has no zero shares;
a median of 0 only says "at least one half", and the twin's own choice is in `PLANTED`.
"""

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin import words

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

YEAR_2016 = int(np.datetime64("2016-01-01T00:00:00", "s").astype(np.int64))
FIRST_REPOSITORY = int(np.datetime64("2008-02-01T00:00:00", "s").astype(np.int64))
DAY = 86_400


@dataclass(frozen=True)
class Scale:
    """How large a world is. Counts are totals over the world, `event_count` over all days."""

    name: str
    event_count: int
    repository_count: int
    person_count: int
    organisation_count: int
    community_count: int
    model_count: int
    hub_person_count: int
    hub_organisation_count: int
    duplicate_count: int
    late_count: int
    malformed_count: int


SCALES = {
    "tiny": Scale("tiny", 2_000, 200, 400, 25, 5, 150, 120, 10, 4, 4, 3),
    "demo": Scale("demo", 178_000, 4_000, 9_000, 400, 40, 5_000, 3_000, 150, 60, 120, 12),
}


@dataclass(frozen=True)
class Tail:
    """A heavy-tailed count: a share of zeros, then a positive tail.

    `shape` is the exponent of a Pareto tail from 1 up to `maximum` where `median` is None, else
    the log standard deviation of a lognormal with that median.
    """

    zero_share: float
    shape: float
    maximum: int
    median: float | None = None

    def values(self, ranks: Floats) -> Ints:
        """Counts at ranks in (0, 1), the inverse of the distribution function."""
        inner = np.clip((ranks - self.zero_share) / (1 - self.zero_share), 1e-12, 1 - 1e-12)
        if self.median is None:
            floor = float(self.maximum) ** -self.shape
            tail = (1 - inner * (1 - floor)) ** (-1 / self.shape)
        else:
            tail = np.maximum(self.median * np.exp(self.shape * _normal_quantile(inner)), 1.0)
        counts = np.minimum(np.floor(tail), self.maximum).astype(np.int64)
        return np.where(ranks < self.zero_share, 0, counts)


# Shapes are chosen so that median, mean (roughly) and maximum (as a cap) are those of table 2.
PLANTED = {
    "github_commits": Tail(0.0, 2.87, 71_860_646, median=24.5),
    "github_issues": Tail(0.55, 2.1, 1_607_850, median=8.0),
    "github_stars": Tail(0.09, 2.0, 318_751, median=21.2),
    "hub_commits": Tail(0.0, 0.9, 3_000),
    "hub_discussions": Tail(0.93, 1.4, 3_010),
    "hub_likes": Tail(0.82, 1.2, 10_194),
}


def stream(seed: int, name: str) -> np.random.Generator:
    """The random stream of one part of the world."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def mixed(*parts: NDArray[Any] | int) -> NDArray[np.uint64]:
    """A 64-bit hash of integers, elementwise (splitmix64), equal on every machine."""
    state = np.zeros(1, np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            state = state + np.asarray(part).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return state


def ranks_of(score: Floats, rng: np.random.Generator) -> Floats:
    """Ranks in (0, 1) of a score, one in each of n equal slots."""
    n = len(score)
    order = np.empty(n)
    order[np.argsort(score, kind="stable")] = np.arange(n)
    return (order + rng.uniform(0.01, 0.99, n)) / n


def weighted_choice(rng: np.random.Generator, weights: Floats, size: int) -> Ints:
    """Indices drawn with probability proportional to `weights`."""
    edges = np.cumsum(weights)
    return np.minimum(
        np.searchsorted(edges, rng.uniform(0, edges[-1], size), side="right"), len(weights) - 1
    ).astype(np.int64)


def _normal_quantile(p: Floats) -> Floats:
    """Inverse normal distribution function (Acklam's rational approximation, error < 1.2e-9)."""
    a = [-39.69683028665376, 220.9460984245205, -275.9285104469687, 138.3577518672690,
         -30.66479806614716, 2.506628277459239]  # fmt: skip
    b = [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972,
         -13.28068155288572, 1.0]  # fmt: skip
    c = [-0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734,
         4.374664141464968, 2.938163982698783]  # fmt: skip
    d = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1.0]
    q = p - 0.5
    middle = q * np.polyval(a, q * q) / np.polyval(b, q * q)
    tail = np.sqrt(-2 * np.log(np.minimum(p, 1 - p)))
    outer = np.polyval(c, tail) / np.polyval(d, tail)
    return np.where(np.abs(q) <= 0.47575, middle, np.where(q < 0, outer, -outer))


@dataclass(frozen=True)
class Accounts:
    """GitHub accounts, index-aligned: people first, then bots, then organisations."""

    login: list[str]
    name: list[str]
    email: list[str]
    id: Ints
    kind: list[str]
    is_bot: Bools
    community: Ints
    person_count: int
    bot_count: int

    @property
    def first_organisation(self) -> int:
        return self.person_count + self.bot_count


@dataclass(frozen=True)
class Repositories:
    """GitHub repositories, index-aligned.

    `commit_stock`, `issue_stock`, `star_stock` are the planted stocks at the start of the first
    day. `name` is "owner/name"; `new_name` applies from `renamed_at` on (0: never renamed). The
    contributors of repository i are `pool[pool_start[i]:pool_start[i + 1]]`, the owner or main
    contributor first.
    """

    id: Ints
    owner: Ints
    name: list[str]
    new_name: list[str]
    renamed_at: Ints
    first_event_at: Ints
    created_at: Ints
    language: Ints
    licence: Ints
    is_fork: Bools
    description: list[str | None]
    community: Ints
    activity: Floats
    commit_stock: Ints
    issue_stock: Ints
    star_stock: Ints
    fork_stock: Ints
    last_number: Ints
    pool: Ints
    pool_start: Ints

    def __len__(self) -> int:
        return len(self.name)


def _unique(candidate: Callable[[int], str], count: int) -> list[str]:
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


# Suffix, word "bot" without being one, and bots that say nothing: what name rules get wrong.
_BOT_NAMES = (
    "merge-keeper[bot]", "dep-lifter[bot]", "ci-echo[bot]", "stale-sweeper[bot]",
    "twin-release[bot]", "acme-bot", "lattice-robot", "docs-botler", "nightly-sync",
    "mirror-pusher", "auto-formatter", "metrics-writer",
)  # fmt: skip
_PEOPLE_WITH_BOT = ("botanica", "abbott-lea", "sabotage-dev", "robotics-fan", "talbot")


def build_accounts(scale: Scale, seed: int) -> Accounts:
    """People, bots and organisations of GitHub."""
    rng = stream(seed, "github accounts")
    people, organisations = scale.person_count, scale.organisation_count
    bots = len(_BOT_NAMES)
    draws = rng.integers(0, 1 << 30, people + organisations)

    def person(i: int) -> str:
        if i < len(_PEOPLE_WITH_BOT):
            return _PEOPLE_WITH_BOT[i]
        number = int(draws[i])
        return words.compound(number, "-" if number % 3 else "") + str(number >> 12 & 127)

    def organisation(i: int) -> str:
        number = int(draws[people + i])
        return words.compound(number, "-") + ("-labs", "-org", "-io", "hq")[number >> 20 & 3]

    logins = _unique(person, people) + list(_BOT_NAMES) + _unique(organisation, organisations)
    total = len(logins)
    numbers = rng.integers(0, 1 << 20, (total, 2))
    names = [words.person_name(int(g), int(f)) for g, f in numbers]
    names[people:] = logins[people:]
    domain = rng.integers(0, len(words.MAIL_DOMAINS), total)
    emails = [
        f"{hashlib.sha1(login.encode(), usedforsecurity=False).hexdigest()}"
        f"@{words.MAIL_DOMAINS[int(d)]}"
        for login, d in zip(logins, domain, strict=True)
    ]
    ids = np.sort(rng.choice(180_000_000, total, replace=False)).astype(np.int64) + 1_000
    is_bot = np.zeros(total, bool)
    is_bot[people : people + bots] = True
    return Accounts(
        login=logins,
        name=names,
        email=emails,
        id=rng.permutation(ids),
        kind=["Organization" if i >= people + bots else "Bot" if "[bot]" in login else "User"
              for i, login in enumerate(logins)],
        is_bot=is_bot,
        community=rng.integers(0, scale.community_count, total),
        person_count=people,
        bot_count=bots,
    )  # fmt: skip


def _pools(
    rng: np.random.Generator, accounts: Accounts, owner: Ints, community: Ints, size: Ints
) -> tuple[Ints, Ints]:
    """Contributors: four in five from the repository's community, the owner first if a person."""
    start = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    home = np.repeat(community, size)
    by_community = np.argsort(accounts.community[: accounts.person_count], kind="stable")
    counts = np.bincount(
        accounts.community[: accounts.person_count], minlength=int(accounts.community.max()) + 1
    )
    first = np.concatenate([[0], np.cumsum(counts)])
    inside = first[home] + np.floor(rng.uniform(size=len(home)) * np.maximum(counts[home], 1))
    local = by_community[np.minimum(inside.astype(np.int64), len(by_community) - 1)]
    anyone = rng.integers(0, accounts.person_count, len(home))
    pool = np.where(rng.uniform(size=len(home)) < 0.8, local, anyone).astype(np.int64)
    owned_by_person = owner < accounts.person_count
    pool[start[:-1][owned_by_person]] = owner[owned_by_person]
    return pool, start


def _repository_names(
    rng: np.random.Generator, accounts: Accounts, owner: Ints, activity: Floats
) -> list[str]:
    draws = rng.integers(0, 1 << 30, len(owner))
    names = []
    for i, number in enumerate(draws.tolist()):
        word = words.ACTIVITIES[number >> 8 & 15]
        noun = words.NOUNS[number % len(words.NOUNS)]
        names.append(f"{noun}-{word}-{i}" if i % 3 else f"{noun}-{word}")
    # Busy repositories get the hostile names, so that reports which list the top show them.
    for name, i in zip(words.HOSTILE_NAMES, np.argsort(-activity)[2:], strict=False):
        names[int(i)] = name
    return _unique(lambda i: f"{accounts.login[int(owner[i])]}/{names[i]}", len(owner))


def build_repositories(
    scale: Scale, seed: int, accounts: Accounts, starts_at: int, ends_at: int
) -> Repositories:
    """Repositories with planted stocks; `starts_at`, `ends_at` bound the days (epoch seconds)."""
    rng = stream(seed, "github repositories")
    n = scale.repository_count
    common = rng.standard_normal(n)

    def feature(name: str) -> Ints:
        score = 0.55 * common + 0.84 * rng.standard_normal(n)
        return PLANTED[name].values(ranks_of(score, rng))

    stars, issues, commits = (feature(f"github_{k}") for k in ("stars", "issues", "commits"))
    activity = np.exp(0.9 * common + 0.9 * rng.standard_normal(n))
    popularity = rng.pareto(1.1, accounts.person_count + scale.organisation_count) + 1
    popularity[accounts.person_count :] *= 12
    owner = weighted_choice(rng, popularity, n)
    owner[owner >= accounts.person_count] += accounts.bot_count
    community = accounts.community[owner].copy()
    old = rng.uniform(size=n) < 0.15
    created = np.where(
        old,
        rng.integers(FIRST_REPOSITORY, YEAR_2016, n),
        rng.integers(YEAR_2016, starts_at - 60 * DAY, n),
    )
    size = np.minimum(1 + rng.poisson(1.2 * activity), 80).astype(np.int64)
    pool, pool_start = _pools(rng, accounts, owner, community, size)
    # Numeric ids grow with time, as on the platform, and stay unique.
    ids = np.empty(n, np.int64)
    ids[np.argsort(created, kind="stable")] = np.arange(n)
    ids = 1_000_000 + ids * (1_060_000_000 // n) + rng.integers(0, 1_060_000_000 // n, n)
    names = _repository_names(rng, accounts, owner, activity)
    renamed_at, new_names, first_event_at, giver, taker = _renames(
        rng, names, activity, starts_at, ends_at
    )
    owner[taker], created[taker] = owner[giver], renamed_at[giver] + 1_800
    ids[taker] = ids.max() + 1
    commits[taker], issues[taker], stars[taker] = 1, 0, 0
    descriptions: list[str | None] = [
        None if k % 4 == 0 else f"A {words.compound(k, ' ')} for everyone"
        for k in rng.integers(0, 1 << 30, n).tolist()
    ]
    descriptions[int(np.argmax(activity))] = words.HOSTILE[0]
    return Repositories(
        id=ids, owner=owner, name=names, new_name=new_names, renamed_at=renamed_at,
        first_event_at=first_event_at, created_at=created,
        language=rng.integers(-1, len(words.LANGUAGES), n),
        licence=rng.integers(-2, len(words.LICENCES), n),
        is_fork=rng.uniform(size=n) < 0.08, description=descriptions, community=community,
        activity=activity, commit_stock=commits, issue_stock=issues, star_stock=stars,
        fork_stock=stars // 6,
        last_number=np.clip(2 + issues + rng.integers(0, 60, n), 2, 20_000),
        pool=pool, pool_start=pool_start,
    )  # fmt: skip


def _renames(
    rng: np.random.Generator, names: list[str], activity: Floats, starts_at: int, ends_at: int
) -> tuple[Ints, list[str], Ints, int, int]:
    """Renamed repositories, and one new repository that takes over a name given up.

    The taker shows no event before an hour after the rename (`first_event_at`).
    """
    n = len(names)
    order = np.argsort(-activity)
    renamed = order[12 : 12 + max(4, n // 200)]
    renamed_at = np.zeros(n, np.int64)
    span = ends_at - starts_at
    renamed_at[renamed] = starts_at + (rng.uniform(0.2, 0.7, len(renamed)) * span).astype(np.int64)
    new_names = list(names)
    for i in renamed.tolist():
        new_names[i] = f"{names[i]}-next"
    first_event_at = np.zeros(n, np.int64)
    giver, taker = int(renamed[0]), int(order[11])
    names[taker] = new_names[taker] = names[giver]
    first_event_at[taker] = renamed_at[giver] + 3_600
    return renamed_at, new_names, first_event_at, giver, taker


@dataclass(frozen=True)
class HubAccounts:
    """Hub accounts: users first, then organisations; `organisation` is a user's own, or -1."""

    login: list[str]
    name: list[str]
    native_id: list[str]
    organisation: Ints
    is_staff: Bools
    is_bot: Bools
    person_count: int


def native_ids(rng: np.random.Generator, count: int) -> list[str]:
    """24 hexadecimal digits each, as the Hub's internal ids."""
    text = rng.bytes(12 * count).hex()
    return [text[24 * i : 24 * i + 24] for i in range(count)]


def build_hub_accounts(scale: Scale, seed: int) -> HubAccounts:
    """Users (some of them members of one organisation, a few platform staff) and organisations."""
    rng = stream(seed, "hub accounts")
    people, organisations = scale.hub_person_count, scale.hub_organisation_count
    draws = rng.integers(0, 1 << 30, people + organisations).tolist()

    def login(i: int) -> str:
        if i >= people:
            return words.compound(draws[i], "-") + ("-ai", "-research", "ai", "-models")[i & 3]
        return words.compound(draws[i], "_" if draws[i] % 4 else "").title() + str(draws[i] % 90)

    logins = _unique(login, people + organisations)
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
    return HubAccounts(
        login=logins, name=names, native_id=native_ids(rng, len(logins)),
        organisation=member_of, is_staff=is_staff, is_bot=is_bot, person_count=people,
    )  # fmt: skip
