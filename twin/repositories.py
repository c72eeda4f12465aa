"""GitHub's repositories: what each is, what is planted on it, and what becomes of it.

Belongs here: the drawing of repositories with their stocks, plans, contributors and fates, and
the questions that need no history (name, owner and status at a time). Does not belong here: the
history itself (`timeline`, `history`) and the flow (`archive`).

Stocks are drawn through ranks: a latent factor shared by the features of a repository gives the
ranks (positive, weak correlations, as published), and the rank gives the value through the
inverse distribution function. Medians and zero shares therefore hold for every seed and at every
scale; means and maxima vary with the tail.

Fates (rename, transfer, deletion, a private spell, take-down, archiving, a burst of bought stars)
happen inside the flow, mostly in its first week; at least one of each happens in the first two
days, on a repository with some activity. Nothing happens twice to one repository.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from twin import words
from twin.accounts import Accounts, Memberships, companions, unique_names
from twin.draws import (
    DAY,
    Bools,
    Floats,
    Ints,
    exact_share,
    ranks_of,
    stream,
    weighted_choice,
)
from twin.scales import Scale
from twin.timeline import Plan, Timeline

YEAR_2016 = int(np.datetime64("2016-01-01T00:00:00", "s").astype(np.int64))
FIRST_REPOSITORY = int(np.datetime64("2008-02-01T00:00:00", "s").astype(np.int64))
# Mean of the planted shares of substantive commit messages (published: 817,679 of 23,632,337).
SUBSTANTIVE_SHARE = 817_679 / 23_632_337


@dataclass(frozen=True)
class Repositories:
    """GitHub repositories, index-aligned. Times are epoch seconds, 0 never.

    Stocks are those at the start of the first day: `commit_stock` (with `inherited_count` of the
    parent's for a fork), `issue_stock` (issues and the comments on them), `issue_count`,
    `pull_count`, `pull_comment_count`, `review_count`, `star_stock`. `name` is "owner/name";
    `new_name` applies from `moved_at` on (renamed or transferred). The contributors of repository
    i are `pool[pool_start[i]:pool_start[i + 1]]`, of which the first `insider_count[i]` belong to
    the owner (collaborators of a person, a team of an organisation). A repository made in the
    flow has `first_event_at`. `pushed_at` is the newest commit before the flow.
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
    insider_count: Ints
    fork_of: Ints
    inherited_count: Ints
    transferred_at: Ints
    new_owner: Ints
    deleted_at: Ints
    private_from: Ints
    private_until: Ints
    dmca_at: Ints
    archived_at: Ints
    has_issues: Bools
    pushed_at: Ints
    active_until: Ints
    star_burst_at: Ints
    star_burst_size: Ints
    issue_count: Ints
    pull_count: Ints
    pull_comment_count: Ints
    review_count: Ints
    external_direct_share: Floats
    external_opened_share: Floats
    external_merged_share: Floats
    substantive_share: Floats
    plan: Plan

    def __len__(self) -> int:
        return len(self.name)

    @property
    def moved_at(self) -> Ints:
        """When `new_name` begins to apply: no repository is both renamed and transferred."""
        return self.renamed_at + self.transferred_at

    def name_at(self, i: int, at: int) -> str:
        """Full name of a repository at a time."""
        moved = int(self.renamed_at[i] + self.transferred_at[i])
        return self.new_name[i] if 0 < moved <= at else self.name[i]

    def owners_at(self, i: Ints, at: Ints | int) -> Ints:
        """Owners of repositories at times, elementwise."""
        moved = self.transferred_at[i]
        return np.where((moved > 0) & (moved <= at), self.new_owner[i], self.owner[i])

    def owner_at(self, i: int, at: int) -> int:
        return int(self.owners_at(np.array([i]), at)[0])

    def is_private_at(self, i: Ints, at: Ints | int) -> Bools:
        start, end = self.private_from[i], self.private_until[i]
        private: Bools = (start > 0) & (start <= at) & ((end == 0) | (at < end))
        return private

    def is_visible(self, i: Ints, at: Ints | int) -> Bools:
        """Elementwise: a stranger can see the repository (`status_at` is "ok")."""
        gone, taken = self.deleted_at[i], self.dmca_at[i]
        visible: Bools = (
            (self.created_at[i] <= at)
            & ((gone == 0) | (at < gone))
            & ((taken == 0) | (at < taken))
            & ~self.is_private_at(i, at)
        )
        return visible

    def is_archived_at(self, i: Ints, at: Ints | int) -> Bools:
        """Elementwise: read-only, as its owner decided."""
        since = self.archived_at[i]
        archived: Bools = (since > 0) & (since <= at)
        return archived

    def status_at(self, i: int, at: int) -> str:
        """ "ok", "deleted", "private", "dmca", or "absent" before the repository is made."""
        if at < self.created_at[i]:
            return "absent"
        if 0 < self.deleted_at[i] <= at:
            return "deleted"
        if 0 < self.dmca_at[i] <= at:
            return "dmca"
        return "private" if bool(self.is_private_at(np.array([i]), at)[0]) else "ok"

    def find(self, full_name: str, at: int) -> tuple[int, bool] | None:
        """Index behind a name at a time and whether the name is an old one, or None.

        Names are compared without case. An old name leads to the moved repository until another
        takes it. The answer says nothing of the status.
        """
        holders = self._names().get(full_name.lower(), ())
        present = [i for i in holders if self.created_at[i] <= at]
        for i in present:
            if self.name_at(i, at).lower() == full_name.lower():
                return i, False
        for i in present:
            if self.name[i].lower() == full_name.lower() and 0 < self.moved_at[i] <= at:
                return i, True
        return None

    def find_id(self, number: int) -> int | None:
        """Index of a numeric id."""
        order = self.__dict__.get("_by_id")
        if order is None:
            order = np.argsort(self.id, kind="stable")
            object.__setattr__(self, "_by_id", order)
        place = int(np.searchsorted(self.id, number, sorter=order))
        found = int(order[place]) if place < len(order) else -1
        return found if found >= 0 and self.id[found] == number else None

    def owned_at(self, account: int, at: int) -> Ints:
        """Repositories that belong to an account at a time, whatever their status."""
        mine = np.flatnonzero((self.owner == account) | (self.new_owner == account))
        held: Bools = (self.owners_at(mine, at) == account) & (self.created_at[mine] <= at)
        return mine[held].astype(np.int64)

    def _names(self) -> dict[str, tuple[int, ...]]:
        names: dict[str, tuple[int, ...]] | None = self.__dict__.get("_holders")
        if names is None:
            names = {name.lower(): (i,) for i, name in enumerate(self.name)}
            double = len(names) < len(self.name)
            for i, name in enumerate(self.name if double else ()):
                if names[name.lower()][0] != i:
                    names[name.lower()] = (i, *names[name.lower()])
            for i in np.flatnonzero(self.moved_at > 0).tolist():
                key = self.new_name[i].lower()
                names[key] = (i, *names.get(key, ()))
            object.__setattr__(self, "_holders", names)
        return names

    def replaced(self, **columns: object) -> "Repositories":
        """The same repositories with other columns."""
        return replace(self, **columns)


@dataclass(frozen=True)
class Draft:
    """Repositories before memberships are known."""

    owner: Ints
    created_at: Ints
    activity: Floats
    commits: Ints
    issues: Ints
    stars: Ints
    latent: Floats


def draft_repositories(
    scale: Scale, seed: int, accounts: Accounts, candidates: Ints, starts_at: int
) -> Draft:
    """Stocks, owners and times; `candidates` are the people who may own something."""
    rng = stream(seed, "github repositories")
    n = scale.repository_count
    common = rng.standard_normal(n)

    def feature(name: str) -> Ints:
        score = 0.55 * common + 0.84 * rng.standard_normal(n)
        return scale.targets[name].values(ranks_of(score, rng))

    stars, issues, commits = (feature(f"github_{k}") for k in ("stars", "issues", "commits"))
    activity = np.exp(0.9 * common + 0.9 * rng.standard_normal(n))
    owners = np.concatenate([candidates, np.arange(accounts.first_organisation,
                                                   len(accounts.login))])  # fmt: skip
    popularity = rng.pareto(1.1, len(owners)) + 1
    popularity[len(candidates) :] *= 12
    owner = owners[weighted_choice(rng, popularity, n)]
    old = rng.uniform(size=n) < 0.15
    created = np.where(
        old,
        rng.integers(FIRST_REPOSITORY, YEAR_2016, n),
        rng.integers(YEAR_2016, starts_at - 60 * DAY, n),
    )
    return Draft(owner, created, activity, commits, issues, stars, common)


def build_repositories(
    scale: Scale,
    seed: int,
    accounts: Accounts,
    memberships: Memberships,
    candidates: Ints,
    draft: Draft,
    starts_at: int,
) -> Repositories:
    """Repositories with plans, contributors, forks and fates."""
    rng = stream(seed, "github repository details")
    n = scale.repository_count
    owner, activity = draft.owner.copy(), draft.activity.copy()
    community = accounts.community[owner].copy()
    pool, pool_start, insiders = _pools(rng, scale, accounts, memberships, candidates, draft)
    plan, substantive = _plan(rng, draft, accounts, starts_at)
    order = np.argsort(-activity, kind="stable")
    fork_of, inherited, plan = _forks(rng, seed, accounts, draft, plan, int(order[11]), starts_at)
    names = _repository_names(rng, accounts, owner, activity)
    fates, has_fate = _fates(stream(seed, "github fates"), order, starts_at)
    new_names, new_owner = _moved_names(rng, accounts, candidates, owner, names, fates)
    giver, taker = int(order[12]), int(order[11])
    names[taker] = new_names[taker] = names[giver]
    made_at = int(fates["renamed_at"][giver]) + 1_800
    owner[taker], community[taker] = owner[giver], accounts.community[owner[giver]]
    commits, issues, stars = draft.commits.copy(), draft.issues.copy(), draft.stars.copy()
    commits[taker] = issues[taker] = stars[taker] = 0
    plan = _emptied(plan, taker, made_at)
    issues_total = np.where(plan.issue_count > 0, issues, 0)
    first_event_at = np.zeros(n, np.int64)
    first_event_at[taker] = made_at + 1_800
    fork_of[taker], inherited[taker] = -1, 0
    insiders[taker] = 0
    timeline = Timeline(plan, seed)
    every = np.arange(n)
    accepted = np.array(timeline.merged_before(every, timeline.thread_count))
    has_issues = (issues_total > 0) | (rng.uniform(size=n) > np.where(fork_of >= 0, 0.6, 0.08))
    asleep = (rng.uniform(size=n) < 0.03) & (activity < np.median(activity)) & ~has_fate
    fates["archived_at"][asleep] = np.minimum(plan.active_until + DAY, starts_at - 1)[asleep]
    activity[asleep] = 0
    return Repositories(
        id=_ids(rng, plan.created_at), owner=owner, name=names, new_name=new_names,
        renamed_at=fates["renamed_at"], first_event_at=first_event_at, created_at=plan.created_at,
        language=rng.integers(-1, len(words.LANGUAGES), n),
        licence=rng.integers(-2, len(words.LICENCES), n),
        is_fork=fork_of >= 0, description=_descriptions(rng, n, int(order[0])), community=community,
        activity=activity, commit_stock=commits, issue_stock=issues, star_stock=stars,
        fork_stock=stars // 6, last_number=plan.issue_count + plan.pull_count,
        pool=pool, pool_start=pool_start, insider_count=insiders, fork_of=fork_of,
        inherited_count=inherited, transferred_at=fates["transferred_at"], new_owner=new_owner,
        deleted_at=fates["deleted_at"], private_from=fates["private_from"],
        private_until=fates["private_until"], dmca_at=fates["dmca_at"],
        archived_at=fates["archived_at"], has_issues=has_issues,
        pushed_at=timeline.last_commit_at(every), active_until=plan.active_until,
        star_burst_at=fates["star_burst_at"],
        star_burst_size=_burst_sizes(rng, scale, accounts, fates["star_burst_at"]),
        issue_count=plan.issue_count, pull_count=plan.pull_count,
        pull_comment_count=np.floor(plan.pull_count * rng.uniform(0.4, 2.6, n)).astype(np.int64),
        review_count=np.floor(plan.pull_count * rng.uniform(0.2, 1.6, n)).astype(np.int64),
        external_direct_share=plan.external_direct_share,
        external_opened_share=plan.external_opened_share,
        external_merged_share=_share(accepted[1], accepted[1] + accepted[2]),
        substantive_share=substantive, plan=plan,
    )  # fmt: skip


def _descriptions(rng: np.random.Generator, count: int, busiest: int) -> list[str | None]:
    """A line for three repositories in four, a hostile one for the busiest."""
    found: list[str | None] = [
        None if k % 4 == 0 else f"A {words.compound(k, ' ')} for everyone"
        for k in rng.integers(0, 1 << 30, count).tolist()
    ]
    found[busiest] = words.HOSTILE[0]
    return found


def _share(part: Ints, whole: Ints) -> Floats:
    return np.where(whole > 0, part / np.maximum(whole, 1), 0.0)


def _ids(rng: np.random.Generator, created_at: Ints) -> Ints:
    """Numeric ids grow with time, as on the platform, and stay unique."""
    n = len(created_at)
    ids = np.empty(n, np.int64)
    ids[np.argsort(created_at, kind="stable")] = np.arange(n)
    width = 1_060_000_000 // n
    return 1_000_000 + ids * width + rng.integers(0, width, n)


def _pools(
    rng: np.random.Generator,
    scale: Scale,
    accounts: Accounts,
    memberships: Memberships,
    candidates: Ints,
    draft: Draft,
) -> tuple[Ints, Ints, Ints]:
    """Contributors: first who belongs to the owner, then people from around."""
    owner = draft.owner
    size = np.minimum(1 + rng.poisson(1.2 * draft.activity), 80).astype(np.int64)
    of_group = owner >= accounts.first_organisation
    inside = np.where(of_group, (size + 1) // 2, 1 + (size - 1) // 4)
    start = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    home = np.repeat(accounts.community[owner], size)
    pool = companions(rng, accounts.community, candidates, home, 0.8, scale.community_count)
    repository = np.repeat(np.arange(len(owner)), size)
    place = np.arange(len(pool)) - start[repository]
    low = np.searchsorted(memberships.organisation, owner)
    high = np.searchsorted(memberships.organisation, owner, side="right")
    span = (high - low)[repository]
    row = low[repository] + np.floor(rng.uniform(size=len(pool)) * span).astype(np.int64)
    member = memberships.account[np.minimum(row, len(memberships) - 1)]
    # Among those around an organisation are people who were members or will be.
    near = (place < inside[repository]) | (rng.uniform(size=len(pool)) < 0.2)
    pool = np.where(of_group[repository] & near, member, pool)
    first = np.where(
        of_group, memberships.core[np.maximum(owner - accounts.first_organisation, 0)], owner
    )
    pool[start[:-1]] = first
    return pool, start, inside


def _plan(
    rng: np.random.Generator, draft: Draft, accounts: Accounts, starts_at: int
) -> tuple[Plan, Floats]:
    """What is planted on each history, before forks and takers are set apart."""
    n = len(draft.owner)
    commits, issues, created = draft.commits, draft.issues, draft.created_at
    of_group = draft.owner >= accounts.first_organisation
    # One issue has two and a half replies on average; a stock of 1 is an issue without any.
    opened = np.ceil(issues * rng.uniform(0.15, 0.5, n)).astype(np.int64)
    pace = 0.12 * np.power(commits + 0.0, 0.8) * rng.lognormal(0, 0.8, n)
    pulls = np.minimum(rng.poisson(np.minimum(pace, 400_000)), commits // 2).astype(np.int64)
    age = starts_at - created
    quiet = rng.exponential(150 * DAY, n) / np.maximum(draft.activity, 0.05)
    active_until = starts_at - 600 - np.minimum(quiet, 0.9 * age).astype(np.int64)
    threads = opened + pulls
    lag = np.round(threads * (2 * DAY) / np.maximum(age, 1)).astype(np.int64)
    lag = np.minimum(lag, threads // 3)
    machine = np.where(rng.uniform(size=n) < 0.2, rng.beta(1, 8, n), 0.0)
    plan = Plan(
        created_at=created, active_until=active_until, growth=rng.uniform(-0.7, 0.7, n),
        own_commit_count=commits.copy(), issue_count=opened, pull_count=pulls, merge_lag=lag,
        machine_direct_share=exact_share(machine),
        external_direct_share=exact_share(np.where(of_group, rng.beta(0.6, 12, n),
                                                   rng.beta(0.4, 20, n))),
        machine_opened_share=exact_share(np.where(machine > 0, rng.beta(1.5, 5, n), 0.0)),
        external_opened_share=exact_share(np.where(of_group, rng.beta(2, 2, n),
                                                   rng.beta(2.5, 1.5, n))),
        acceptance=exact_share(np.column_stack([rng.beta(4, 3, n), rng.beta(4, 4, n),
                                                rng.beta(12, 2, n)])),
        external_issue_share=exact_share(rng.beta(5, 2, n)),
        unlinked_share=exact_share(rng.beta(0.8, 7, n)),
    )  # fmt: skip
    # Large repositories stay near the mean, so that the share over all commits is as planted.
    spread = 0.9 / (1 + np.log10(1.0 + commits))
    substantive = SUBSTANTIVE_SHARE * np.exp(spread * rng.standard_normal(n) - spread**2 / 2)
    substantive *= (
        SUBSTANTIVE_SHARE * commits.sum() / max(float((substantive * commits).sum()), 1e-9)
    )
    return plan, exact_share(substantive)


def _forks(
    rng: np.random.Generator,
    seed: int,
    accounts: Accounts,
    draft: Draft,
    plan: Plan,
    taker: int,
    starts_at: int,
) -> tuple[Ints, Ints, Plan]:
    """Forks with the commits they inherited, and the plan with their own part only.

    A fork is made within a day after the last commit it inherits, and after its owner if that is
    an organisation (people's accounts are older than what they own anyway).
    """
    n = len(draft.owner)
    is_fork = rng.uniform(size=n) < 0.08
    is_fork[taker] = True
    parents = np.flatnonzero(~is_fork)
    forks = np.flatnonzero(is_fork)
    wanted = np.maximum(draft.commits[forks] * 9 // 10, 1)
    weights: Floats = (draft.stars[parents] + 1).astype(np.float64)
    tries = parents[weighted_choice(rng, weights, 8 * len(forks)).reshape(8, len(forks))]
    enough = (draft.commits[tries] * 8 // 10 >= wanted) & (draft.owner[tries] != draft.owner[forks])
    parent = tries[np.argmax(enough, axis=0), np.arange(len(forks))]
    inherited = np.minimum(wanted, draft.commits[parent] * 8 // 10)
    inherited = np.minimum(inherited, draft.commits[forks])
    keep = (inherited > 0) & (draft.owner[parent] != draft.owner[forks])
    forks, parent, inherited = forks[keep], parent[keep], inherited[keep]
    timeline = Timeline(plan, seed)
    step = timeline.commit_step(parent, inherited - 1)
    at = timeline.committed_at(parent, step, timeline.merged_thread(parent, step) >= 0)
    step = timeline.commit_step(parent, inherited)
    after = timeline.committed_at(parent, step, timeline.merged_thread(parent, step) >= 0)
    made = (
        at
        + 1
        + np.floor(rng.uniform(size=len(forks)) * np.minimum(after - at, DAY)).astype(np.int64)
    )
    made = np.minimum(made, np.maximum(after, at + 1))
    owner = draft.owner[forks]
    keep = (owner < accounts.first_organisation) | (accounts.created_at[owner] < made)
    keep &= (forks != taker) & (made < starts_at - 3_600)
    forks, parent, inherited, made = forks[keep], parent[keep], inherited[keep], made[keep]
    fork_of, inherited_count = np.full(n, -1), np.zeros(n, np.int64)
    fork_of[forks], inherited_count[forks] = parent, inherited
    created, until = plan.created_at.copy(), plan.active_until.copy()
    created[forks] = made
    span = np.maximum(starts_at - 600 - made, 1)
    until[forks] = made + np.floor(span * rng.uniform(0.1, 1, len(forks)) ** 2).astype(np.int64)
    own = plan.own_commit_count - inherited_count
    pulls = np.minimum(plan.pull_count, own // 2)
    lag = np.minimum(plan.merge_lag, (plan.issue_count + pulls) // 3)
    changed = replace(plan, created_at=created, active_until=until, own_commit_count=own,
                      pull_count=pulls, merge_lag=lag)  # fmt: skip
    return fork_of, inherited_count, changed


def _emptied(plan: Plan, i: int, made_at: int) -> Plan:
    """The plan with a repository that has no history."""
    columns = {f.name: getattr(plan, f.name).copy() for f in fields(plan)}
    for name in ("own_commit_count", "issue_count", "pull_count", "merge_lag"):
        columns[name][i] = 0
    columns["created_at"][i] = columns["active_until"][i] = made_at
    return Plan(**columns)


def _repository_names(
    rng: np.random.Generator, accounts: Accounts, owner: Ints, activity: Floats
) -> list[str]:
    names = []
    for i, number in enumerate(rng.integers(0, 1 << 30, len(owner)).tolist()):
        word = words.ACTIVITIES[number >> 8 & 15]
        noun = words.NOUNS[number % len(words.NOUNS)]
        names.append(f"{noun}-{word}-{i}" if i % 3 else f"{noun}-{word}")
    # Busy repositories get the hostile names, so that reports which list the top show them.
    for name, i in zip(words.HOSTILE_NAMES, np.argsort(-activity, kind="stable")[2:], strict=False):
        names[int(i)] = name
    logins, owners = accounts.login, owner.tolist()
    return unique_names(lambda i: f"{logins[owners[i]]}/{names[i]}", len(owners))


# Fate: how many at least, and one in how many repositories.
_FATES = {
    "renamed_at": (4, 200), "transferred_at": (3, 400), "deleted_at": (3, 150),
    "private_from": (3, 200), "published_at": (2, 400), "dmca_at": (2, 1_000),
    "archived_at": (3, 120), "star_burst_at": (3, 300),
}  # fmt: skip


def _fates(rng: np.random.Generator, order: Ints, starts_at: int) -> tuple[dict[str, Ints], Bools]:
    """Times of the fates, and which repositories have one.

    `order` is the repositories by activity, the busiest first. The first two of each kind fall on
    busy repositories in the first two days. The busiest twelve keep what they have (hostile
    names, the taker of a name).
    """
    n = len(order)
    fates: dict[str, Ints] = {name: np.zeros(n, np.int64) for name in _FATES}
    rest = order[12 + 2 * len(_FATES) :]
    rest = rest[rng.permutation(len(rest))]
    used = 0
    for place, (name, (least, one_in)) in enumerate(_FATES.items()):
        count = max(least, n // one_in)
        # The renames come first: order[12] gives its name to the taker on the first day.
        chosen = np.concatenate([order[12 + 2 * place : 14 + 2 * place],
                                 rest[used : used + count - 2]])  # fmt: skip
        used += count - 2
        days = 0.3 + rng.exponential(4, len(chosen))
        days[0], days[1] = 0.3 + 0.3 * rng.uniform(), 0.3 + 1.4 * rng.uniform()
        fates[name][chosen] = starts_at + (days * DAY).astype(np.int64)
    private, published = fates["private_from"], fates.pop("published_at")
    until = np.zeros(n, np.int64)
    spell = (rng.exponential(1, n) * DAY).astype(np.int64) + 7_200
    back = np.flatnonzero(private > 0)[::2]
    until[back] = private[back] + spell[back]
    until[order[18]] = private[order[18]] + 8 * 3_600
    # Some are private from the beginning and are published in the flow.
    late = np.flatnonzero(published > 0)
    until[late], private[late] = published[late], 1
    fates["private_until"] = until
    return fates, np.isin(np.arange(n), np.concatenate([order[:28], rest[:used]]))


def _moved_names(
    rng: np.random.Generator,
    accounts: Accounts,
    candidates: Ints,
    owner: Ints,
    names: list[str],
    fates: dict[str, Ints],
) -> tuple[list[str], Ints]:
    """Names after a rename or a transfer, and the owners after a transfer (-1 where none)."""
    new_names, new_owner = list(names), np.full(len(names), -1)
    for i in np.flatnonzero(fates["renamed_at"]).tolist():
        new_names[i] = f"{names[i]}-next"
    groups = np.arange(accounts.first_organisation, len(accounts.login))
    for k, i in enumerate(np.flatnonzero(fates["transferred_at"]).tolist()):
        choices = groups if k % 3 else candidates
        taker = int(choices[int(rng.integers(0, len(choices)))])
        if taker == owner[i]:
            taker = int(choices[0] if choices[0] != owner[i] else choices[1])
        new_owner[i] = taker
        new_names[i] = f"{accounts.login[taker]}/{names[i].split('/', 1)[1]}"
    known = {name.lower() for name in names}
    for i in np.flatnonzero(new_owner >= 0).tolist():
        if new_names[i].lower() in known:
            new_names[i] = f"{new_names[i]}-moved"
    return new_names, new_owner


def _burst_sizes(
    rng: np.random.Generator, scale: Scale, accounts: Accounts, burst_at: Ints
) -> Ints:
    """How many bought stars: no more than there are young accounts to give them."""
    size = np.floor(rng.lognormal(4.1, 0.8, len(burst_at))).astype(np.int64)
    found = np.flatnonzero(burst_at > 0)
    limit = np.array([len(accounts.young(int(at))) * 4 // 5 for at in burst_at[found].tolist()])
    size[found] = np.clip(size[found], 5, np.maximum(np.minimum(limit, scale.events_per_day), 5))
    return np.where(burst_at > 0, size, 0)
