"""The Hub's repositories, planned from their beginning to the horizon of the flow.

Belongs here: which models, datasets and spaces there ever are, their names and owners, lineage,
counts and fates. Does not belong here: who acts on them (`hub_acts`), what the Hub shows at a
time (`hub`), JSON (`hub_shapes`).

Planted on models at the start of the flow: commits by people (median 2, mean about 10.65),
discussions (7 % of the models have any, mean about 0.20), likes (18 % have any, mean about
0.93); pull requests beside the discussions. Every day brings new models (0.2 % of the stock, at
least two) and more of everything. Planted too: trees of derived models, told completely, partly,
wrongly or not at all (`TELLINGS`); gated models; models that are deleted, turned private (some
come back), renamed, moved to another owner, disabled, gated differently, or whose discussions
are switched off; one name that is given up and taken again; one pair of names that differ only
in case; names as spam and throw-away uploads have them.

Datasets and spaces, a tenth of the models each, have the same acts, and of the fates only
deletion.
"""

from dataclasses import dataclass

import numpy as np

from twin import words
from twin.draws import (
    DAY,
    Bools,
    Floats,
    Ints,
    held_by_few,
    mixed,
    ranks_of,
    salt_of,
    stream,
    uniform_of,
    weighted_choice,
)
from twin.world import HORIZON_DAYS, World

KINDS = ("model", "dataset", "space")
MODEL, DATASET, SPACE = range(3)
RELATIONS = ("finetune", "adapter", "quantized", "merge")
GATED = ("no", "auto", "manual")
# How a derived model tells where it comes from: base and relation in its card; the base in its
# card, from which the Hub infers the relation; the same inferred wrongly; not at all; a base
# that is not on the Hub.
TELLINGS = ("declared", "inferred", "misread", "absent", "dangling")
DECLARED, INFERRED, MISREAD, ABSENT, DANGLING = range(5)

CREATED_FLOOR = int(np.datetime64("2022-03-02T23:29:04", "s").astype(np.int64))
FIRST_MODEL = int(np.datetime64("2019-11-01T00:00:00", "s").astype(np.int64))
DISCUSSIONS_SINCE = int(np.datetime64("2022-05-25T00:00:00", "s").astype(np.int64))

TASKS = ("text-generation", "text-classification", "text-to-image", "feature-extraction",
         "automatic-speech-recognition", "image-classification")  # fmt: skip
LIBRARIES = ("transformers", "diffusers", "sentence-transformers", "peft", "gguf")
LICENCES = ("apache-2.0", "mit", "cc-by-nc-4.0", "openrail", "other")
SDKS = ("gradio", "streamlit", "docker", "static")
SIZES = (1, 3, 7, 13, 32, 70)

_SUFFIXES = ("ft", "lora", "GGUF", "merge")
_SPAM = (
    *("free-{}-download-2025", "{}-casino-bonus-code", "cheap-{}-followers", "test", "results"),
    *("my-awesome-model", "checkpoint-{:d}", "WATCH-{}-full-video", "untitled", "model"),
)
_SPAM_SHARE = 0.03
_NEW_SHARE = 0.002
_SECOND_LIFE = 0.4


@dataclass(frozen=True)
class Pace:
    """When the acts of one kind happen on each repository; index-aligned.

    `stock` of them lie evenly, with jitter, from `since` to `until`, `more` from `more_since` to
    `more_until`, which is not before. Acts count from 0, the oldest.
    """

    since: Ints
    until: Ints
    stock: Ints
    more_since: Ints
    more_until: Ints
    more: Ints
    salt: int

    @property
    def total(self) -> Ints:
        """All acts, those after the horizon included."""
        return self.stock + self.more

    def time(self, i: Ints, j: Ints) -> Ints:
        """Epoch seconds of the act j of repository i, never before that of j - 1."""
        early = j < self.stock[i]
        place = np.where(early, j, j - self.stock[i]) + 0.9 * uniform_of(mixed(i, j, self.salt))
        count = np.where(early, self.stock[i], self.more[i])
        start = np.where(early, self.since[i], self.more_since[i])
        span = np.where(early, self.until[i], self.more_until[i]) - start
        return start + np.floor(span * place / np.maximum(count, 1)).astype(np.int64)

    def count(self, i: Ints, at: Ints | int) -> Ints:
        """Acts of repository i before a time."""
        early = self._among(i, at, self.since[i], self.until[i], self.stock[i], np.zeros_like(i))
        late = self._among(
            i, at, self.more_since[i], self.more_until[i], self.more[i], self.stock[i]
        )
        return early + late

    def _among(
        self, i: Ints, at: Ints | int, start: Ints, end: Ints, count: Ints, first: Ints
    ) -> Ints:
        """Acts before `at` among `count` of them between two times; `first` is the place of one.

        All before the candidate are earlier, all after it later, whatever the jitter.
        """
        passed = np.clip(at - start, 0, np.maximum(end - start, 0))
        candidate = passed * count // np.maximum(end - start, 1)
        candidate = np.minimum(candidate, np.maximum(count - 1, 0))
        found = candidate + (self.time(i, first + candidate) < at)
        return np.where((count == 0) | (at <= start), 0, np.where(at >= end, count, found))


@dataclass(frozen=True)
class HubRepositories:
    """Everything the Hub ever has until the horizon, index-aligned: models, datasets, spaces.

    Times are epoch seconds, 0 is never. `created_at` is the true time; the API shows at least
    `CREATED_FLOOR`. `name` and `owner` are the first ones; from `renamed_at` on `new_name` and
    `new_owner` hold. `base`, `second_base` (indices or -1), `relation`, `depth` and `family` (the
    root's index) are the truth about lineage, `telling` what the card says of it (-1: nothing to
    tell) and `told_relation` the relation that the Hub shows. From `gate_changed_at` on
    `new_gated` holds. Discussions are off from `talk_off_from` until `talk_off_until` (0: still).
    `plan_pull_count` of the first `threads.stock` threads are pull requests.
    """

    kind: Ints
    id: list[str]
    name: list[str]
    owner: Ints
    created_at: Ints
    community: Ints
    variety: Ints
    task: Ints
    library: Ints
    licence: Ints
    is_spam: Bools
    base: Ints
    second_base: Ints
    relation: Ints
    depth: Ints
    family: Ints
    telling: Ints
    told_relation: Ints
    gated: Ints
    gate_changed_at: Ints
    new_gated: Ints
    deleted_at: Ints
    private_from: Ints
    private_until: Ints
    disabled_from: Ints
    renamed_at: Ints
    new_name: dict[int, str]
    new_owner: Ints
    talk_off_from: Ints
    talk_off_until: Ints
    download_rate: Floats
    download_growth: Floats
    download_stock: Floats
    commits: Pace
    threads: Pace
    likes: Pace
    plan_pull_count: Ints

    def __len__(self) -> int:
        return len(self.name)

    def owners_at(self, i: Ints, at: Ints | int) -> Ints:
        """Owner of each repository at the time."""
        moved = (self.renamed_at[i] > 0) & (self.renamed_at[i] <= at)
        return np.where(moved, self.new_owner[i], self.owner[i])

    def name_at(self, i: int, at: int) -> str:
        """`owner/name` at a time."""
        moved = 0 < self.renamed_at[i] <= at
        return self.new_name[i] if moved else self.name[i]


@dataclass(frozen=True)
class _Counts:
    """Planned acts of each repository: until the start of the flow, and more after it."""

    commits: Ints
    more_commits: Ints
    talks: Ints
    pulls: Ints
    more_threads: Ints
    likes: Ints
    more_likes: Ints
    fame: Floats


@dataclass
class _Fates:
    gated: Ints
    gate_changed_at: Ints
    new_gated: Ints
    deleted_at: Ints
    private_from: Ints
    private_until: Ints
    disabled_from: Ints
    renamed_at: Ints
    talk_off_from: Ints
    talk_off_until: Ints
    moved: Bools


def hub_communities(world: World) -> Ints:
    """The planted group of each Hub account: that of its organisation, or one drawn for it."""
    accounts = world.hub_accounts
    index = np.arange(len(accounts.login))
    home = np.where(accounts.organisation >= 0, accounts.organisation, index)
    drawn = mixed(home, salt_of(world.seed, "hub communities"))
    return (drawn % np.uint64(world.scale.community_count)).astype(np.int64)


def plan_repositories(world: World) -> HubRepositories:
    """All repositories of a world's Hub.

    Raises:
        ValueError: the world has fewer than 60 models, too few for every fate.
    """
    if world.scale.model_count < 60:
        raise ValueError("a Hub has at least 60 models")
    scale, starts_at = world.scale, world.starts_at
    ends_at = starts_at + HORIZON_DAYS * DAY
    rng = stream(world.seed, "hub repositories")
    new = HORIZON_DAYS * max(2, round(scale.model_count * _NEW_SHARE))
    models = scale.model_count + new
    others = max(2, scale.model_count // 10)
    kind = np.repeat([MODEL, DATASET, SPACE], [models, others, others])
    total = len(kind)
    fresh = np.zeros(total, bool)
    fresh[scale.model_count : models] = True
    owner = _owners(rng, world, total)
    # One pair of names will differ in case only.
    twin = scale.model_count - 1
    owner[twin] = owner[0]
    created = _created(rng, fresh, starts_at, ends_at)
    counts = _counts(rng, world, kind, fresh)
    plain = np.flatnonzero((kind == MODEL) & ~fresh)
    plain = plain[(plain != 0) & (plain != twin)]
    busy = plain[np.argsort(-(counts.commits + 50 * counts.talks)[plain], kind="stable")]
    # The busiest has something new every day, so that pages shift.
    counts.more_threads[busy[0]] += 2 * HORIZON_DAYS
    fates = _fates(rng, kind, created, busy, starts_at)
    renamed = np.flatnonzero((fates.renamed_at > 0) & ~fates.moved)[:1]
    heir = int(np.flatnonzero(fresh)[0])
    if len(renamed):
        owner[heir], created[heir] = owner[renamed[0]], fates.renamed_at[renamed[0]] + 3_600
    base, second, relation = _lineage(rng, kind, created, counts.likes)
    for lone in (twin, heir):
        base[lone], second[lone], relation[lone] = -1, -1, -1
    depth, family = _descent(base)
    variety = rng.integers(0, 1 << 40, total)
    is_spam = (rng.uniform(size=total) < _SPAM_SHARE) & (base < 0)
    is_spam[[0, twin]] = False
    owner_names = world.hub_accounts.login
    names = _names(owner_names, owner, created, base, relation, variety, is_spam)
    names[twin] = names[0].split("/")[0] + "/" + names[0].split("/")[1].lower()
    new_owner = owner.copy()
    groups = np.arange(world.hub_accounts.person_count, len(owner_names))
    new_owner[fates.moved] = rng.choice(groups, int(fates.moved.sum()))
    new_names = {}
    for i in np.flatnonzero(fates.renamed_at > 0).tolist():
        short = names[i].split("/", 1)[1]
        ending = "" if new_owner[i] != owner[i] else "-v2"
        new_names[i] = f"{owner_names[int(new_owner[i])]}/{short}{ending}-{i:x}"
    if len(renamed):
        names[heir] = names[int(renamed[0])]
    telling = np.where(base >= 0, np.searchsorted(
        np.cumsum([0.25, 0.45, 0.03, 0.22]), rng.uniform(size=total), side="right"), -1
    )  # fmt: skip
    told = np.where(telling == MISREAD, (relation + 1) % 3, relation)
    growth = np.clip(0.005 * rng.standard_normal(total), -0.02, 0.02)
    # A daily rate whose last thirty days give a lognormal number.
    rate = np.exp(2.2 + 1.1 * counts.fame + 1.9 * rng.standard_normal(total)) / 30
    return HubRepositories(
        kind=kind, id=_ids(rng, created), name=names, owner=owner, created_at=created,
        community=hub_communities(world)[owner], variety=variety,
        task=rng.integers(-2, len(TASKS), total), library=rng.integers(-1, len(LIBRARIES), total),
        licence=rng.integers(-2, len(LICENCES), total), is_spam=is_spam, base=base,
        second_base=second, relation=relation, depth=depth, family=family, telling=telling,
        told_relation=told, gated=fates.gated, gate_changed_at=fates.gate_changed_at,
        new_gated=fates.new_gated, deleted_at=fates.deleted_at, private_from=fates.private_from,
        private_until=fates.private_until, disabled_from=fates.disabled_from,
        renamed_at=fates.renamed_at, new_name=new_names, new_owner=new_owner,
        talk_off_from=fates.talk_off_from, talk_off_until=fates.talk_off_until,
        download_rate=np.minimum(rate, 2e6), download_growth=growth,
        download_stock=30 * rate * rng.uniform(1.5, 20, total),
        plan_pull_count=counts.pulls,
        **_paces(rng, world, created, fresh, counts, ends_at),
    )  # fmt: skip


def _owners(rng: np.random.Generator, world: World, total: int) -> Ints:
    accounts = world.hub_accounts
    weights = held_by_few(rng, len(accounts.login))
    weights[accounts.person_count :] *= 6
    weights[accounts.is_bot] = 0
    return weighted_choice(rng, weights, total)


def _created(rng: np.random.Generator, fresh: Bools, starts_at: int, ends_at: int) -> Ints:
    # A world may begin before the platform did: its Hub is then two years old.
    begin = min(FIRST_MODEL, starts_at - 730 * DAY)
    created = rng.integers(begin, starts_at - DAY, len(fresh))
    # The platform grew: most repositories are young.
    back = (starts_at - created) * rng.uniform(0.1, 1, len(fresh))
    created = np.minimum(starts_at - back.astype(np.int64), starts_at - DAY)
    return np.where(fresh, rng.integers(starts_at, ends_at, len(fresh)), created)


def _counts(rng: np.random.Generator, world: World, kind: Ints, fresh: Bools) -> _Counts:
    """Models that exist have the targets' distribution exactly, by rank; the others are drawn."""
    total, targets = len(kind), world.scale.targets
    exact = (kind == MODEL) & ~fresh
    common = rng.standard_normal(total)

    def feature(name: str) -> Ints:
        ranks = rng.uniform(size=total)
        score = 0.5 * common[exact] + 0.87 * rng.standard_normal(int(exact.sum()))
        ranks[exact] = ranks_of(score, rng)
        return targets[name].values(ranks)

    likes, commits, talks = (feature(f"hub_{k}") for k in ("likes", "commits", "discussions"))
    pulls = rng.binomial(np.minimum(talks, 400), 0.5) + (rng.uniform(size=total) < 0.02)
    pace = 3 * rng.uniform(size=total) ** 2
    more_commits = rng.poisson(0.1 * pace * np.minimum(commits, 2_000))
    more_threads = rng.poisson(0.12 * pace * np.minimum(talks + pulls, 400))
    more_threads += rng.uniform(size=total) < 0.01
    more_likes = rng.poisson(0.08 * pace * likes) + (rng.uniform(size=total) < 0.02)
    none = np.zeros(total, np.int64)
    # What is created in the flow has everything still before it.
    return _Counts(
        commits=np.where(fresh, none, commits), more_commits=np.where(fresh, commits, more_commits),
        talks=np.where(fresh, none, talks), pulls=np.where(fresh, none, pulls),
        more_threads=np.where(fresh, talks + pulls, more_threads),
        likes=np.where(fresh, none, likes), more_likes=np.where(fresh, likes, more_likes),
        fame=common,
    )  # fmt: skip


def _paces(
    rng: np.random.Generator,
    world: World,
    created: Ints,
    fresh: Bools,
    counts: _Counts,
    ends_at: int,
) -> dict[str, Pace]:
    starts_at, total = world.starts_at, len(created)
    life = starts_at - created
    active = life * np.minimum(rng.uniform(size=total) ** 2, counts.commits / 50)
    commits_until = np.minimum(created + 120 + active.astype(np.int64), starts_at)
    stay = (rng.uniform(0.02, 1, total) * 40 * DAY).astype(np.int64)
    more_since = np.where(fresh, created + 60, starts_at)
    more_until = np.where(fresh, created + 60 + stay, ends_at)
    talks_since = np.minimum(np.maximum(created + 600, DISCUSSIONS_SINCE), starts_at)
    started = np.full(total, starts_at)

    def pace(name: str, since: Ints, until: Ints, stock: Ints, more: Ints) -> Pace:
        return Pace(
            since, until, stock, more_since, more_until, more.astype(np.int64),
            salt_of(world.seed, name),
        )  # fmt: skip

    return {
        "commits": pace(
            "hub commit times", created + 60, commits_until, counts.commits, counts.more_commits
        ),
        "threads": pace(
            "hub thread times", talks_since, started, counts.talks + counts.pulls,
            counts.more_threads,
        ),
        "likes": pace(
            "hub like times", np.minimum(created + 60, starts_at), started, counts.likes,
            counts.more_likes,
        ),
    }  # fmt: skip


def _fates(
    rng: np.random.Generator, kind: Ints, created: Ints, models: Ints, starts_at: int
) -> _Fates:
    """What becomes of repositories; the first two of each group are certain, a day apart.

    `models` may have a fate, in order of their activity; the first seven have none.
    """
    total = len(kind)
    zeros = np.zeros(total, np.int64)
    gated = np.searchsorted(np.cumsum([0.987, 0.008]), rng.uniform(size=total), side="right")
    gated[kind == SPACE] = 0
    gated = gated.astype(np.int64)
    # Two gated ones of each sort, on repositories that have something to read.
    gated[models[[3, 5]]], gated[models[[4, 6]]] = 1, 2
    first = models[7:30]
    others = rng.permutation(models[30:])
    taken = 0

    def group(place: int, share: float) -> tuple[Ints, Ints]:
        nonlocal taken
        count = max(1, round(share * len(models)))
        chosen = np.concatenate([first[place : place + 2], others[taken : taken + count]])
        taken += count
        times = starts_at + (DAY * (0.3 + rng.exponential(4, len(chosen)))).astype(np.int64)
        times[0] = starts_at + DAY // 2 + 1_800 * place
        times[1] = starts_at + DAY + DAY // 2 + 1_800 * place
        return chosen, times

    fates = _Fates(
        gated=gated, gate_changed_at=zeros.copy(), new_gated=gated.copy(),
        deleted_at=zeros.copy(), private_from=zeros.copy(), private_until=zeros.copy(),
        disabled_from=zeros.copy(), renamed_at=zeros.copy(), talk_off_from=zeros.copy(),
        talk_off_until=zeros.copy(), moved=np.zeros(total, bool),
    )  # fmt: skip
    chosen, times = group(0, 0.012)
    fates.deleted_at[chosen] = times
    elsewhere = np.flatnonzero(kind != MODEL)
    gone = elsewhere[rng.uniform(size=len(elsewhere)) < 0.01]
    fates.deleted_at[gone] = starts_at + rng.integers(DAY, 20 * DAY, len(gone))
    chosen, times = group(2, 0.008)
    fates.private_from[chosen] = times
    back = rng.uniform(size=len(chosen)) < _SECOND_LIFE
    back[:2] = [True, False]
    stay = (DAY * (0.5 + rng.exponential(3, len(chosen)))).astype(np.int64)
    stay[0] = DAY
    fates.private_until[chosen[back]] = (times + stay)[back]
    chosen, times = group(4, 0.008)
    fates.renamed_at[chosen] = times
    moved = rng.uniform(size=len(chosen)) < 0.35
    moved[:2] = [False, True]
    fates.moved[chosen[moved]] = True
    chosen, times = group(6, 0.005)
    fates.gate_changed_at[chosen] = times
    fates.new_gated[chosen] = (fates.gated[chosen] + 1 + np.arange(len(chosen)) % 2) % 3
    chosen, times = group(8, 0.004)
    fates.talk_off_from[chosen] = times
    again = rng.uniform(size=len(chosen)) < _SECOND_LIFE
    again[:2] = [True, False]
    fates.talk_off_until[chosen[again]] = times[again] + DAY
    always = rng.permutation(others)[: max(1, len(models) // 50)]
    always = always[fates.talk_off_from[always] == 0]
    fates.talk_off_from[always] = created[always] + 1
    chosen, times = group(10, 0.001)
    fates.disabled_from[chosen] = times
    fates.disabled_from[first[12]] = starts_at - 30 * DAY
    return fates


def _lineage(
    rng: np.random.Generator, kind: Ints, created: Ints, likes: Ints
) -> tuple[Ints, Ints, Ints]:
    """Base, second base and relation: three in five models derive from an older one.

    Two in three of them from a famous early one, the others from anything older, so that trees
    have depth.
    """
    total = len(kind)
    order = np.flatnonzero(kind == MODEL)
    order = order[np.argsort(created[order], kind="stable")]
    age_rank = np.zeros(total, np.int64)
    age_rank[order] = np.arange(len(order))
    roots = order[: max(4, len(order) // 25)]
    weights = (likes[roots] + 1.0) * rng.pareto(1.0, len(roots))

    def older() -> Ints:
        famous = roots[weighted_choice(rng, weights, total)]
        anything = order[(age_rank * rng.uniform(size=total)).astype(np.int64)]
        return np.where(rng.uniform(size=total) < 0.65, famous, anything)

    base, second = older(), older()
    derived = (rng.uniform(size=total) < 0.6) & (age_rank >= len(roots)) & (kind == MODEL)
    relation = weighted_choice(rng, np.array([0.45, 0.25, 0.25, 0.05]), total)
    merged = derived & (relation == RELATIONS.index("merge")) & (second != base)
    return (
        np.where(derived, base, -1),
        np.where(merged, second, -1),
        np.where(derived, relation, -1),
    )


def _descent(base: Ints) -> tuple[Ints, Ints]:
    """Depth below the root, and the root itself (first bases only)."""
    depth, family = np.zeros(len(base), np.int64), np.arange(len(base))
    while True:
        deeper = np.where(base >= 0, depth[base] + 1, 0)
        family = np.where(base >= 0, family[base], np.arange(len(base)))
        if np.array_equal(deeper, depth):
            return depth, family
        depth = deeper


def _names(
    logins: list[str],
    owner: Ints,
    created: Ints,
    base: Ints,
    relation: Ints,
    variety: Ints,
    is_spam: Bools,
) -> list[str]:
    """`owner/name`, unique when case is ignored; derived models mostly begin as their base."""
    names = [""] * len(owner)
    seen: set[str] = set()
    owners, bases, numbers = owner.tolist(), base.tolist(), variety.tolist()
    relations, spam = relation.tolist(), is_spam.tolist()
    for i in np.argsort(created, kind="stable").tolist():
        number = numbers[i]
        if spam[i]:
            pattern = _SPAM[number % len(_SPAM)]
            word = number >> 8 & 4_095 if ":d" in pattern else words.NOUNS[(number >> 8) % 60]
            short = pattern.format(word)
        elif bases[i] >= 0 and number % 4:
            stem = names[bases[i]].split("/", 1)[1][:60]
            short = f"{stem}-{_SUFFIXES[relations[i]]}"
        else:
            short = f"{words.compound(number, '-').title()}-{SIZES[(number >> 20) % 6]}B"
        name = f"{logins[owners[i]]}/{short}"
        if name.lower() in seen:
            name = f"{name}-{i}"
        seen.add(name.lower())
        names[i] = name
    return names


def _ids(rng: np.random.Generator, created: Ints) -> list[str]:
    """24 hexadecimal digits of which the first eight are the shown time of creation."""
    parts = np.empty((len(created), 12), np.uint8)
    shown = np.maximum(created, CREATED_FLOOR).astype(">u4")
    parts[:, :4] = shown.view(np.uint8).reshape(-1, 4)
    parts[:, 4:] = np.frombuffer(rng.bytes(8 * len(created)), np.uint8).reshape(-1, 8)
    text = parts.tobytes().hex()
    return [text[k : k + 24] for k in range(0, len(text), 24)]
