"""The Hub's side of the twin: models, their commits and their discussions.

Belongs here: what the Hub's API says about every model, in its own form, and the planted counts.
Does not belong here: accounts (`world`) and files (`generate`).

Planted: commits by people (median 2, mean about 10.65), discussions (7 % of the models have
any, mean about 0.20), likes (18 % have any, mean about 0.93); one `system` commit on every
model before all others; pull requests beside the discussions; lineage; gated models; the floor
of `createdAt` for models older than it (`lastModified` has no floor); ids that differ only in
case; organisation models whose committers are members (80 %), platform staff (19 %) and
outsiders (1 %).
Not planted: the text of discussions beyond the title, likers, and files of models.

Forms: models as `GET /api/models?expand=...` gives them; commits as
`GET /api/models/{id}/commits/main`, newest first; discussions as an element of
`GET /api/models/{id}/discussions`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from twin import words
from twin.shapes import quoted
from twin.world import (
    DAY,
    PLANTED,
    Bools,
    HubAccounts,
    Ints,
    Scale,
    mixed,
    native_ids,
    ranks_of,
    stream,
    weighted_choice,
)

CREATED_FLOOR = int(np.datetime64("2022-03-02T23:29:04", "s").astype(np.int64))
FIRST_MODEL = int(np.datetime64("2019-11-01T00:00:00", "s").astype(np.int64))
RELATIONS = ("finetune", "adapter", "quantized", "merge")
GATED = ("no", "auto", "manual")
_TASKS = ("text-generation", "text-classification", "text-to-image", "feature-extraction",
          "automatic-speech-recognition", "image-classification")  # fmt: skip
_LIBRARIES = ("transformers", "diffusers", "sentence-transformers", "peft", "gguf")
_LICENCES = ("apache-2.0", "mit", "cc-by-nc-4.0", "openrail", "other")
_COMMITS = ("Upload folder using huggingface_hub", "Update README.md", "Upload tokenizer",
            "Upload model", "Training in progress, step 500", "End of training",
            "Create README.md", "Delete old weights", "Add quantised weights")  # fmt: skip


@dataclass(frozen=True)
class Models:
    """Models, index-aligned, with their planted counts.

    `created_at` is the true time; the API shows at least `CREATED_FLOOR`. `base` is the index
    of the base model or -1, `second_base` likewise (merges). `commit_count` counts people's
    commits, so the API lists one more.
    """

    id: list[str]
    name: list[str]
    owner: Ints
    created_at: Ints
    last_modified_at: Ints
    like_count: Ints
    commit_count: Ints
    discussion_count: Ints
    pull_request_count: Ints
    download_count: Ints
    download_all_count: Ints
    gated: Ints
    base: Ints
    second_base: Ints
    relation: Ints
    task: Ints
    library: Ints
    licence: Ints
    variety: Ints

    def __len__(self) -> int:
        return len(self.name)


def build_models(scale: Scale, seed: int, accounts: HubAccounts, observed_at: int) -> Models:
    """All models as they are at `observed_at` (epoch seconds)."""
    rng = stream(seed, "hub models")
    n = scale.model_count
    common = rng.standard_normal(n)

    def feature(name: str) -> Ints:
        return PLANTED[name].values(ranks_of(0.5 * common + 0.87 * rng.standard_normal(n), rng))

    likes, commits, discussions = (feature(f"hub_{k}") for k in ("likes", "commits", "discussions"))
    weights = rng.pareto(1.1, len(accounts.login)) + 1
    weights[accounts.person_count :] *= 6
    weights[accounts.is_bot] = 0
    owner = weighted_choice(rng, weights, n)
    created = np.sort(rng.integers(FIRST_MODEL, observed_at - DAY, n))
    # The platform grew: most models are young.
    created = observed_at - ((observed_at - created) * rng.uniform(0.1, 1, n)).astype(np.int64)
    active = (observed_at - created) * np.minimum(rng.uniform(size=n) ** 2, commits / 50)
    base, second, relation = _lineage(rng, created, likes)
    downloads = np.floor(np.exp(2.2 + 1.1 * common + 1.9 * rng.standard_normal(n))).astype(np.int64)
    numbers = rng.integers(0, 1 << 40, n)
    return Models(
        id=native_ids(rng, n),
        name=_model_names(accounts, owner, relation, numbers),
        owner=owner, created_at=created,
        last_modified_at=np.minimum(created + 30 + active.astype(np.int64), observed_at - 1),
        like_count=likes, commit_count=commits, discussion_count=discussions,
        pull_request_count=rng.binomial(np.minimum(discussions, 400), 0.5)
        + (rng.uniform(size=n) < 0.02),
        download_count=downloads,
        download_all_count=downloads + (downloads * rng.uniform(0, 20, n)).astype(np.int64),
        gated=np.searchsorted(np.cumsum([0.97, 0.02, 0.01]), rng.uniform(size=n) * 0.999_999),
        base=base, second_base=second, relation=relation,
        task=rng.integers(-2, len(_TASKS), n), library=rng.integers(-1, len(_LIBRARIES), n),
        licence=rng.integers(-2, len(_LICENCES), n), variety=numbers,
    )  # fmt: skip


def _lineage(rng: np.random.Generator, created: Ints, likes: Ints) -> tuple[Ints, Ints, Ints]:
    """Base model, second base and relation: three in five models derive from an older one."""
    n = len(created)
    order = np.argsort(created, kind="stable")
    age_rank = np.empty(n, np.int64)
    age_rank[order] = np.arange(n)
    roots = order[: max(4, n // 25)]
    weights = (likes[roots] + 1.0) * rng.pareto(1.0, len(roots))
    base = roots[weighted_choice(rng, weights, n)]
    second = roots[weighted_choice(rng, weights, n)]
    derived = (rng.uniform(size=n) < 0.6) & (age_rank >= len(roots))
    relation = weighted_choice(rng, np.array([0.45, 0.25, 0.25, 0.05]), n)
    base = np.where(derived, base, -1)
    merged = derived & (relation == RELATIONS.index("merge")) & (second != base)
    return base, np.where(merged, second, -1), np.where(derived, relation, -1)


def _model_names(accounts: HubAccounts, owner: Ints, relation: Ints, numbers: Ints) -> list[str]:
    """`owner/name`; unique when case is ignored, except for one planted pair."""
    suffixes = ("ft", "lora", "GGUF", "merge", "")
    seen: set[str] = set()
    names = []
    for i, number in enumerate(numbers.tolist()):
        size = (1, 3, 7, 13, 32, 70)[number >> 20 & 3]
        parts = [words.compound(number, "-").title(), f"{size}B", suffixes[int(relation[i])]]
        name = f"{accounts.login[int(owner[i])]}/{'-'.join(part for part in parts if part)}"
        if name.lower() in seen:
            name = f"{name}-{i}"
        seen.add(name.lower())
        names.append(name)
    last = len(names) - 1
    owner[last] = owner[0]
    names[last] = names[0].split("/")[0] + "/" + names[0].split("/")[1].lower()
    return names


def iso(seconds: Ints) -> list[str]:
    """Epoch seconds in the Hub's form, `YYYY-MM-DDTHH:MM:SS.000Z`."""
    text = np.datetime_as_string(seconds.astype("datetime64[s]"))
    return [f"{value}.000Z" for value in text.tolist()]


def model_lines(models: Models, accounts: HubAccounts, seed: int) -> Iterator[bytes]:
    """One line a model; keys without a value are absent, as in the API's answers."""
    shas = stream(seed, "hub shas").bytes(20 * len(models)).hex()
    created = iso(np.maximum(models.created_at, CREATED_FLOOR))
    modified = iso(models.last_modified_at)
    for i in range(len(models)):
        yield orjson.dumps(
            _model(models, accounts, i, shas[40 * i : 40 * i + 40], created[i], modified[i])
        )


def _model(
    models: Models, accounts: HubAccounts, i: int, sha: str, created_at: str, modified_at: str
) -> dict[str, Any]:
    variety = int(models.variety[i])
    answer: dict[str, Any] = {
        "_id": models.id[i],
        "id": models.name[i],
        "author": accounts.login[int(models.owner[i])],
        "private": False,
        "disabled": False,
        "gated": (False, "auto", "manual")[int(models.gated[i])],
        "sha": sha,
        "createdAt": created_at,
        "lastModified": modified_at,
        "likes": int(models.like_count[i]),
        "downloads": int(models.download_count[i]),
        "downloadsAllTime": int(models.download_all_count[i]),
        "trendingScore": min(int(models.like_count[i]) // 10, 400),
        "usedStorage": variety % 90_000_000_000,
        "tags": _tags(models, i),
    }
    if models.library[i] >= 0:
        answer["library_name"] = _LIBRARIES[int(models.library[i])]
    if models.task[i] >= 0:
        answer["pipeline_tag"] = _TASKS[int(models.task[i])]
    card = _card(models, i)
    if card:
        answer["cardData"] = card
    bases = _bases(models, i)
    if bases:
        answer["baseModels"] = {
            "relation": RELATIONS[int(models.relation[i])],
            "models": [{"_id": models.id[b], "id": models.name[b]} for b in bases],
        }
    if variety % 3:
        count = (variety % 70 + 1) * 100_000_000
        answer["safetensors"] = {"parameters": {"BF16": count}, "total": count}
    return answer


def _bases(models: Models, i: int) -> list[int]:
    return [int(b) for b in (models.base[i], models.second_base[i]) if b >= 0]


def _tags(models: Models, i: int) -> list[str]:
    tags = []
    if models.library[i] >= 0:
        tags.append(_LIBRARIES[int(models.library[i])])
    if models.task[i] >= 0:
        tags.append(_TASKS[int(models.task[i])])
    tags.append("en" if models.variety[i] % 2 else "fr")
    for b in _bases(models, i):
        relation = RELATIONS[int(models.relation[i])]
        tags += [f"base_model:{models.name[b]}", f"base_model:{relation}:{models.name[b]}"]
    if models.licence[i] >= 0:
        tags.append(f"license:{_LICENCES[int(models.licence[i])]}")
    if models.variety[i] % 401 == 3:
        tags.append(words.HOSTILE[int(models.variety[i]) // 401 % len(words.HOSTILE)])
    return [*tags, "region:us"]


def _card(models: Models, i: int) -> dict[str, Any]:
    """The model card's header; `base_model` is a text or a list."""
    card: dict[str, Any] = {}
    if models.licence[i] >= 0:
        card["license"] = _LICENCES[int(models.licence[i])]
    if models.variety[i] % 4:
        card["language"] = ["en"] if models.variety[i] % 2 else "fr"
    bases = [models.name[b] for b in _bases(models, i)]
    if bases:
        card["base_model"] = bases if len(bases) > 1 or models.variety[i] % 3 == 0 else bases[0]
    return card


def _committers(
    rng: np.random.Generator,
    models: Models,
    accounts: HubAccounts,
    model: Ints,
    shares: list[float],
) -> Ints:
    """Accounts acting on models: insider, staff or outsider at the given shares.

    The insider of a user's model is its owner, of an organisation's model one of its members.
    """
    n = len(model)
    owner = models.owner[model]
    by_organisation = np.argsort(accounts.organisation, kind="stable")
    ordered = accounts.organisation[by_organisation]
    low, high = np.searchsorted(ordered, owner), np.searchsorted(ordered, owner, side="right")
    member = by_organisation[
        np.minimum(low + np.floor(rng.uniform(size=n) ** 2 * (high - low)).astype(np.int64),
                   len(ordered) - 1)
    ]  # fmt: skip
    insider = np.where(owner < accounts.person_count, owner, member)
    staff = rng.choice(np.flatnonzero(accounts.is_staff), n)
    outsider = rng.integers(0, accounts.person_count, n)
    role = weighted_choice(rng, np.array(shares), n)
    return np.where(role == 0, insider, np.where(role == 1, staff, outsider)).astype(np.int64)


def commit_lines(models: Models, accounts: HubAccounts, seed: int) -> Iterator[bytes]:
    """One line a commit, newest first within a model, the `system` commit last."""
    rng = stream(seed, "hub commits")
    counts = models.commit_count
    model = np.repeat(np.arange(len(models)), counts)
    author = _committers(rng, models, accounts, model, [0.80, 0.19, 0.01])
    of_user = models.owner[model] < accounts.person_count
    author[of_user] = _committers(rng, models, accounts, model[of_user], [0.985, 0.005, 0.01])
    start = np.concatenate([[0], np.cumsum(counts)])
    position = np.arange(len(model)) - start[model]
    life = models.last_modified_at[model] - models.created_at[model] - 1
    # The newest commit is what `lastModified` tells; the others spread over the time before.
    share = np.where(position == 0, 0.0, (position + rng.uniform(0, 0.9, len(model))))
    back = np.floor(share / np.maximum(counts[model], 1) * np.maximum(life, 1)).astype(np.int64)
    dates = iso(models.last_modified_at[model] - back)
    title = weighted_choice(rng, np.arange(len(_COMMITS), 0, -1.0), len(model)).tolist()
    shas = rng.bytes(20 * (len(model) + len(models))).hex()
    first_dates = iso(models.created_at)
    authors = [
        f'[{{"user":"{login}","avatar":"https://twin.example/avatars/{k}.svg"}}]'
        for k, login in enumerate(accounts.login)
    ]
    titles = [quoted(text) for text in (*_COMMITS, *words.HOSTILE)]
    who = author.tolist()
    hostile = mixed(np.arange(len(model)), 3) % np.uint64(997) == 0
    for i in range(len(models)):
        head = f'{{"repo_id":{quoted(models.name[i])},"repo_type":"model","commit":{{"id":"'
        for j in range(int(start[i]), int(start[i + 1])):
            text = titles[len(_COMMITS) + j % len(words.HOSTILE) if hostile[j] else title[j]]
            yield (
                f'{head}{shas[40 * j : 40 * j + 40]}","title":{text},"message":"",'
                f'"authors":{authors[who[j]]},"date":"{dates[j]}"}}}}'
            ).encode()
        k = len(model) + i
        yield (
            f'{head}{shas[40 * k : 40 * k + 40]}","title":"initial commit","message":"",'
            f'"authors":[{{"user":"system"}}],"date":"{first_dates[i]}"}}}}'
        ).encode()


@dataclass(frozen=True)
class Discussions:
    """Discussions and pull requests, index-aligned; `author` -1 is a deleted account."""

    model: Ints
    number: Ints
    is_pull_request: Bools
    author: Ints
    created_at: Ints
    comment_count: Ints
    theme: Ints
    variety: Ints


def build_discussions(
    models: Models, accounts: HubAccounts, seed: int, observed_at: int
) -> Discussions:
    """All threads; on each model they share one sequence of numbers in order of time."""
    rng = stream(seed, "hub discussions")
    counts = models.discussion_count + models.pull_request_count
    model = np.repeat(np.arange(len(models)), counts)
    start = np.concatenate([[0], np.cumsum(counts)])
    place = np.arange(len(model)) - start[model]
    # Which of a model's numbers are pull requests is drawn by ranking random keys.
    key = rng.uniform(size=len(model))
    order = np.lexsort((key, model))
    rank = np.empty(len(model), np.int64)
    rank[order] = place
    is_pull = rank < models.pull_request_count[model]
    author = _committers(rng, models, accounts, model, [0.09, 0.03, 0.88])
    author[rng.uniform(size=len(model)) < 0.02] = -1
    life = observed_at - models.created_at[model]
    share = (place + rng.uniform(0, 0.9, len(model))) / np.maximum(counts[model], 1)
    return Discussions(
        model=model, number=place + 1, is_pull_request=is_pull, author=author,
        created_at=models.created_at[model] + np.floor(share * life).astype(np.int64),
        comment_count=np.floor(rng.pareto(1.3, len(model))).clip(0, 400).astype(np.int64),
        theme=weighted_choice(rng, np.array([0.14, 0.12, 0.40, 0.223, 0.117]), len(model)),
        variety=rng.integers(0, 1 << 40, len(model)),
    )  # fmt: skip


def discussion_lines(
    models: Models, accounts: HubAccounts, discussions: Discussions, seed: int
) -> Iterator[bytes]:
    """One line a discussion or pull request, newest first within a model."""
    rng = stream(seed, "hub texts")
    titles = [words.titles(theme, 150, rng) for theme in words.THEMES]
    created = iso(np.maximum(discussions.created_at, CREATED_FLOOR))
    order = np.lexsort((-discussions.number, discussions.model))
    for i in order.tolist():
        variety = int(discussions.variety[i])
        title = titles[int(discussions.theme[i])][variety % 150]
        if variety % 97 == 5:
            title = words.HOSTILE[variety // 97 % len(words.HOSTILE)]
        yield orjson.dumps(
            {
                "repo_id": models.name[int(discussions.model[i])],
                "repo_type": "model",
                "discussion": _discussion(models, accounts, discussions, i, title, created[i]),
            }
        )


def _discussion(
    models: Models, accounts: HubAccounts, discussions: Discussions, i: int, title: str, at: str
) -> dict[str, Any]:
    model = int(discussions.model[i])
    owner, author = int(models.owner[model]), int(discussions.author[i])
    is_pull = bool(discussions.is_pull_request[i])
    variety = int(discussions.variety[i])
    answer: dict[str, Any] = {"num": int(discussions.number[i])}
    if author >= 0:
        answer["author"] = _author(accounts, author)
    return answer | {
        "repo": {"name": models.name[model], "type": "model"},
        "title": title,
        "status": ("open", "merged", "closed", "draft")[variety >> 9 & 3]
        if is_pull
        else ("open", "open", "closed", "open")[variety >> 9 & 3],
        "createdAt": at,
        "isPullRequest": is_pull,
        "numComments": int(discussions.comment_count[i]),
        "topReactions": [{"reaction": "\U0001f44d", "count": 1}] if variety % 9 == 0 else [],
        "numReactionUsers": int(variety % 9 == 0),
        "pinned": False,
        "repoOwner": {
            "name": accounts.login[owner],
            "isParticipating": author == owner,
            "type": "user" if owner < accounts.person_count else "org",
            "isDiscussionAuthor": author == owner,
        },
    }


def _author(accounts: HubAccounts, i: int) -> dict[str, Any]:
    return {
        "_id": accounts.native_id[i],
        "avatarUrl": f"https://twin.example/avatars/{i}.svg",
        "fullname": accounts.name[i],
        "name": accounts.login[i],
        "type": "user",
        "isPro": False,
        "isHf": bool(accounts.is_staff[i]),
        "isHfAdmin": False,
        "isMod": False,
        "followerCount": 0,
        "isUserFollowing": False,
    }
