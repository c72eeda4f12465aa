"""The Hub's answers as JSON-ready dictionaries.

Belongs here: the keys and forms of repositories, commits, discussions and accounts, as the Hub's
API has them and `huggingface_hub` 2.4 reads them. Does not belong here: which of them a request
gets (`server.hub_api`), and the state (`hub`).

Keys were checked against recorded answers of 2026. Keys without a value are absent, but `gated`,
`private` and `disabled` are always there when asked for. A base model is told as the card tells
it: under the name that it had when the card was written, or not at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from twin import words
from twin.draws import Ints, mixed
from twin.hub_acts import AUTOMATION, CLOSED, DRAFT, MERGED, STATUSES
from twin.hub_plan import (
    ABSENT,
    CREATED_FLOOR,
    DANGLING,
    DECLARED,
    KINDS,
    LIBRARIES,
    LICENCES,
    MODEL,
    RELATIONS,
    SDKS,
    SPACE,
    TASKS,
    HubRepositories,
)

if TYPE_CHECKING:
    from twin.hub import HubView

Answer = dict[str, Any]

MODEL_KEYS = (
    "author", "baseModels", "cardData", "childrenModelCount", "config", "createdAt", "disabled",
    "downloads", "downloadsAllTime", "evalResults", "gated", "gguf", "inference",
    "inferenceProviderMapping", "lastModified", "library_name", "likes", "mask_token",
    "model-index", "pipeline_tag", "private", "resourceGroup", "safetensors", "sha", "siblings",
    "spaces", "tags", "transformersInfo", "trendingScore", "usedStorage", "widgetData",
    "xetEnabled",
)  # fmt: skip
DATASET_KEYS = (
    "author", "cardData", "citation", "createdAt", "description", "disabled", "downloads",
    "downloadsAllTime", "gated", "lastModified", "likes", "mainSize", "paperswithcode_id",
    "private", "resourceGroup", "sha", "siblings", "tags", "trendingScore", "usedStorage",
)  # fmt: skip
SPACE_KEYS = (
    "author", "cardData", "createdAt", "datasets", "disabled", "lastModified", "likes", "models",
    "private", "region", "resourceGroup", "runtime", "sdk", "sha", "siblings", "subdomain",
    "tags", "trendingScore", "usedStorage",
)  # fmt: skip
EXPANDABLE = (MODEL_KEYS, DATASET_KEYS, SPACE_KEYS)
# What a listing shows unasked, and with `full=True`.
SHORT = (
    ("likes", "trendingScore", "private", "downloads", "tags", "pipeline_tag", "library_name",
     "createdAt", "modelId"),
    ("author", "disabled", "gated", "lastModified", "likes", "trendingScore", "private", "sha",
     "description", "downloads", "tags", "createdAt"),
    ("likes", "trendingScore", "private", "sdk", "tags", "createdAt"),
)  # fmt: skip
FULL = (
    ("author", "gated", "lastModified", "sha", "siblings", *SHORT[MODEL]),
    ("cardData", "siblings", *SHORT[1]),
    ("author", "lastModified", "sha", "siblings", "cardData", *SHORT[SPACE]),
)
# What the page of one repository shows unasked.
INFO = (
    ("private", "pipeline_tag", "library_name", "tags", "downloads", "likes", "modelId", "author",
     "sha", "lastModified", "gated", "disabled", "widgetData", "model-index", "config", "cardData",
     "transformersInfo", "siblings", "spaces", "createdAt", "safetensors", "gguf", "inference",
     "usedStorage"),
    ("author", "sha", "lastModified", "private", "gated", "disabled", "tags", "description",
     "downloads", "likes", "cardData", "siblings", "createdAt", "usedStorage"),
    ("author", "sha", "lastModified", "private", "gated", "disabled", "subdomain", "tags",
     "likes", "sdk", "cardData", "siblings", "createdAt", "models", "datasets", "runtime",
     "usedStorage"),
)  # fmt: skip
DUMPED = (
    "author", "private", "disabled", "gated", "sha", "createdAt", "lastModified", "likes",
    "downloads", "downloadsAllTime", "trendingScore", "usedStorage", "tags", "library_name",
    "pipeline_tag", "cardData", "baseModels", "safetensors", "gguf",
)  # fmt: skip

_MOST_SPACES = 100
_BOT_TITLE = "Adding `safetensors` variant of this model"
_HIDDEN_TEXT = "This comment has been hidden"


def iso(seconds: Ints) -> list[str]:
    """Epoch seconds in the Hub's form, `YYYY-MM-DDTHH:MM:SS.000Z`."""
    text = np.datetime_as_string(np.asarray(seconds).astype("datetime64[s]"))
    return [f"{value}.000Z" for value in text.tolist()]


@cache
def avatar(account: int) -> str:
    """The path of a generated picture, as the Hub shows it for those who have none."""
    return f"/avatars/{int(mixed(account, 17)[0]):016x}{int(mixed(account, 18)[0]):016x}.svg"


# ---------------------------------------------------------------- repositories


def repositories(view: "HubView", rows: Ints, keys: Sequence[str]) -> list[Answer]:
    """The answers of some repositories of one kind, with `_id`, `id` and the keys asked for."""
    if not len(rows):
        return []
    created, modified = iso(view.created_at[rows]), iso(view.last_modified_at[rows])
    heads = [""] * len(rows)
    if "sha" in keys:
        heads = view.hub.commit_ids(rows, view.commit_count[rows])
    makers = [(key, _MAKERS[key]) for key in keys if key in _MAKERS]
    answers = []
    for place, i in enumerate(rows.tolist()):
        row = _Row(view, i, created[place], modified[place], heads[place])
        answer: Answer = {"_id": view.repositories.id[i], "id": row.name}
        for key, make in makers:
            value = make(row)
            if value is not None:
                answer[key] = value
        answers.append(answer)
    return answers


@dataclass
class _Row:
    """One repository of a page."""

    view: "HubView"
    i: int
    created: str
    modified: str
    head: str
    r: HubRepositories = field(init=False)
    name: str = field(init=False)
    kind: int = field(init=False)
    variety: int = field(init=False)
    telling: int = field(init=False)

    def __post_init__(self) -> None:
        self.r, self.name = self.view.repositories, self.view.name(self.i)
        self.kind, self.variety = int(self.r.kind[self.i]), int(self.r.variety[self.i])
        self.telling = int(self.r.telling[self.i])

    @property
    def bases(self) -> list[int]:
        return [int(b) for b in (self.r.base[self.i], self.r.second_base[self.i]) if b >= 0]

    @property
    def card_bases(self) -> list[str]:
        """Base models as the card names them, under their names of that time."""
        if self.telling in (-1, ABSENT):
            return []
        if self.telling == DANGLING:
            return [f"lost-and-found/{words.compound(self.variety >> 5, '-')}-base"]
        created = int(self.r.created_at[self.i])
        return [self.r.name_at(b, created) for b in self.bases]


Maker = Callable[[_Row], Any]


def _word(column: str, vocabulary: tuple[str, ...]) -> Maker:
    def make(row: _Row) -> str | None:
        index = int(getattr(row.r, column)[row.i])
        return vocabulary[index] if index >= 0 and row.kind == MODEL else None

    return make


def _tags(row: _Row) -> list[str]:
    r, i, variety = row.r, row.i, row.variety
    tags = []
    if row.kind == MODEL:
        if r.library[i] >= 0:
            tags.append(LIBRARIES[int(r.library[i])])
        if r.task[i] >= 0:
            tags.append(TASKS[int(r.task[i])])
    elif row.kind == SPACE:
        tags.append(SDKS[variety % len(SDKS)])
    tags.append("en" if variety % 2 else "fr")
    for name in row.card_bases:
        tags.append(f"base_model:{name}")
        if row.telling != DANGLING:
            tags.append(f"base_model:{RELATIONS[int(r.told_relation[i])]}:{name}")
    if r.licence[i] >= 0:
        tags.append(f"license:{LICENCES[int(r.licence[i])]}")
    if variety % 401 == 3:
        tags.append(words.HOSTILE[variety // 401 % len(words.HOSTILE)])
    return [*tags, "region:us"]


def _card(row: _Row) -> Answer | None:
    """The card's header; `base_model` is a text or a list."""
    variety = row.variety
    card: Answer = {}
    if row.r.licence[row.i] >= 0:
        card["license"] = LICENCES[int(row.r.licence[row.i])]
    if variety % 4:
        card["language"] = ["en"] if variety % 2 else "fr"
    bases = row.card_bases
    if bases:
        card["base_model"] = bases if len(bases) > 1 or variety % 3 == 0 else bases[0]
        if row.telling == DECLARED:
            card["base_model_relation"] = RELATIONS[int(row.r.relation[row.i])]
    if row.kind == SPACE:
        card |= {"title": row.name.split("/")[1], "sdk": SDKS[variety % len(SDKS)]}
    return card or None


def _base_models(row: _Row) -> Answer | None:
    if row.telling in (-1, ABSENT, DANGLING):
        return None
    shown = [b for b in row.bases if row.view.listed[b]]
    if not shown:
        return None
    return {
        "relation": RELATIONS[int(row.r.told_relation[row.i])],
        "models": [{"_id": row.r.id[b], "id": row.view.name(b)} for b in shown],
    }


def _safetensors(row: _Row) -> Answer | None:
    if row.variety % 3 == 0:
        return None
    count = (row.variety % 70 + 1) * 100_000_000
    return {"parameters": {"BF16": count}, "total": count}


def _gguf(row: _Row) -> Answer | None:
    if row.r.relation[row.i] != RELATIONS.index("quantized"):
        return None
    total = (row.variety % 70 + 1) * 100_000_000
    return {"total": total, "architecture": "llama", "context_length": 8_192}


def _siblings(row: _Row) -> list[Answer]:
    names = [".gitattributes", "README.md"]
    if row.kind == SPACE:
        names.append("app.py")
    elif row.kind == MODEL:
        names += ["config.json", "model.safetensors" if row.variety % 3 else "pytorch_model.bin"]
    else:
        names.append("data/train-00000-of-00001.parquet")
    return [{"rfilename": name} for name in names]


def used_models(view: "HubView", space: int) -> list[int]:
    """Listed models that a space uses: up to two, the same at any time but for their fates."""
    count = np.uint64(np.count_nonzero(view.repositories.kind == MODEL))
    drawn = np.unique(mixed(space, np.arange(2), view.hub.salt) % count)
    return [b for b in drawn.tolist() if view.listed[b]]


def _models_of_space(row: _Row) -> list[str] | None:
    return [row.view.name(b) for b in used_models(row.view, row.i)] or None


def _spaces(row: _Row) -> list[str]:
    found = row.view.spaces_by_model.get(row.i, [])
    return [row.view.name(space) for space in found[:_MOST_SPACES]]


def _runtime(row: _Row) -> Answer:
    hardware = ("cpu-basic", "t4-small")[row.variety % 2]
    return {
        "stage": "RUNNING", "hardware": {"current": hardware, "requested": hardware},
        "storage": None, "gcTimeout": 172_800, "replicas": {"current": 1, "requested": 1},
    }  # fmt: skip


_MAKERS: dict[str, Maker] = {
    "author": lambda row: row.view.owner_login(row.i),
    "baseModels": _base_models,
    "cardData": _card,
    "childrenModelCount": lambda row: dict(
        zip(RELATIONS, row.view.children[row.i].tolist(), strict=True)
    ),
    "config": lambda row: {"model_type": "llama"} if row.variety % 5 else {},
    "createdAt": lambda row: row.created,
    "description": lambda row: f"A collection of {words.compound(row.variety, ' ')}s.",
    "disabled": lambda row: bool(row.view.is_disabled[row.i]),
    "downloads": lambda row: int(row.view.downloads[0][row.i]),
    "downloadsAllTime": lambda row: int(row.view.downloads[1][row.i]),
    "gated": lambda row: (False, "auto", "manual")[int(row.view.gated[row.i])],
    "gguf": _gguf,
    "lastModified": lambda row: row.modified,
    "library_name": _word("library", LIBRARIES),
    "likes": lambda row: int(row.view.like_count[row.i]),
    "modelId": lambda row: row.name,
    "models": _models_of_space,
    "pipeline_tag": _word("task", TASKS),
    "private": lambda row: not row.view.listed[row.i],
    "runtime": _runtime,
    "safetensors": _safetensors,
    "sdk": lambda row: SDKS[row.variety % len(SDKS)],
    "sha": lambda row: row.head,
    "siblings": _siblings,
    "spaces": _spaces,
    "subdomain": lambda row: row.name.replace("/", "-").lower(),
    "tags": _tags,
    "transformersInfo": lambda row: (
        {"auto_model": "AutoModel"} if row.r.library[row.i] == 0 else None
    ),
    "trendingScore": lambda row: int(row.view.trending[row.i]),
    "usedStorage": lambda row: row.variety % 90_000_000_000,
}


# ---------------------------------------------------------------- commits


def commits(view: "HubView", rows: Ints, places: Ints) -> list[Answer]:
    """Commits of repositories at places; 0 is the `system` commit, 1 the first by people."""
    if not len(rows):
        return []
    texts, r = view.hub.texts, view.repositories
    by_people = places > 0
    i, j = rows[by_people], places[by_people] - 1
    author, _, at = view.acts.commit_authors(i, j)
    numbers = view.acts.merged_number(i, j)
    messages = [texts.hub_messages.texts[k] for k in texts.hub_messages_at(i, j).tolist()]
    merged = np.flatnonzero(numbers > 0)
    for k, title in zip(merged.tolist(), _titles(view, i[merged], numbers[merged]), strict=True):
        messages[k] = f"{title} (#{int(numbers[k])})"
    when = r.created_at[rows].copy()
    when[by_people] = at
    ids, dates = view.hub.commit_ids(rows, places), iso(when)
    told = iter(zip(messages, author.tolist(), strict=True))
    answers = []
    for is_persons, commit_id, date in zip(by_people.tolist(), ids, dates, strict=True):
        title, message, who = "initial commit", "", {"user": "system"}
        if is_persons:
            text, account = next(told)
            title, _, message = text.partition("\n")
            who = {"user": view.acts.login_of(account), "avatar": avatar(account)}
        answers.append({
            "id": commit_id, "title": title, "message": message.strip("\n"), "authors": [who],
            "date": date,
        })  # fmt: skip
    return answers


# ---------------------------------------------------------------- discussions


def _titles(view: "HubView", repository: Ints, number: Ints) -> list[str]:
    """First titles; a bot's pull request has its own."""
    texts, threads = view.hub.texts, view.acts.threads
    rows = threads.start[repository] + number - 1
    is_bots = (threads.role[rows] == AUTOMATION).tolist()
    places = texts.hub_titles_at(repository, number).tolist()
    titles = [texts.titles.texts[k] for k in places]
    return [_BOT_TITLE if bot else title for bot, title in zip(is_bots, titles, strict=True)]


def discussions(view: "HubView", rows: Ints) -> list[Answer]:
    """Discussions as the listing shows them; `rows` index `acts.threads`."""
    if not len(rows):
        return []
    threads, accounts = view.acts.threads, view.accounts
    created = iso(threads.created_at[rows])
    titles = _titles(view, threads.repository[rows], threads.number[rows])
    reactions = (mixed(rows, 90) % np.uint64(9) == 0).tolist()
    answers = []
    for place, x in enumerate(rows.tolist()):
        i, author = int(threads.repository[x]), int(threads.author[x])
        owner = int(view.owner[i])
        answer: Answer = {"num": int(threads.number[x])}
        if author >= 0:
            answer["author"] = author_of(view, author) | {"followerCount": 0}
        answers.append(answer | {
            "repo": {"name": view.name(i), "type": KINDS[int(view.repositories.kind[i])]},
            "title": titles[place] if not _is_titled(view, x) else f"[Update] {titles[place]}",
            "status": STATUSES[int(view.thread_status[x])],
            "createdAt": created[place],
            "isPullRequest": bool(threads.is_pull[x]),
            "numComments": int(view.comment_count[x]),
            "topReactions": [{"reaction": "\U0001f44d", "count": 1}] if reactions[place] else [],
            "numReactionUsers": int(reactions[place]),
            "pinned": False,
            "repoOwner": {
                "name": accounts.login[owner],
                "isParticipating": author == owner,
                "type": "user" if owner < accounts.person_count else "org",
                "isDiscussionAuthor": author == owner,
            },
        })  # fmt: skip
    return answers


def _is_titled(view: "HubView", x: int) -> bool:
    return bool(0 < view.acts.threads.titled_at[x] < view.now)


def discussion_page(view: "HubView", rows: Ints, page: int, size: int) -> Answer:
    """A page of a repository's discussions, newest first; `rows` are those asked for."""
    start = page * size
    shown = rows[::-1][start : start + size]
    ended = np.isin(view.thread_status[rows], (CLOSED, MERGED))
    return {
        "discussions": discussions(view, shown),
        "count": len(rows),
        "start": start,
        "numClosedDiscussions": int(ended.sum()) if page == 0 else None,
    }


def details(view: "HubView", x: int, with_diff: bool) -> Answer:
    """One discussion with its events."""
    threads = view.acts.threads
    answer = discussions(view, np.array([x]))[0]
    i = int(threads.repository[x])
    for key in ("numComments", "topReactions", "numReactionUsers", "repoOwner"):
        del answer[key]
    owner = int(view.owner[i])
    if owner >= view.accounts.person_count:
        answer["org"] = {
            "avatarUrl": avatar(owner), "fullname": view.accounts.name[owner],
            "name": view.accounts.login[owner], "type": "org", "isHf": False,
        }  # fmt: skip
    answer |= {"locked": False, "collection": "discussions"}
    answer["events"] = _events(view, x)
    if threads.is_pull[x]:
        changes: Answer = {"base": "refs/heads/main"}
        if view.thread_status[x] == MERGED:
            place = np.array([int(threads.commit[x]) + 1])
            changes["mergeCommitId"] = view.hub.commit_ids(np.array([i]), place)[0]
        url = f"/{view.name(i)}/discussions/{int(threads.number[x])}/files.diff"
        answer |= {"changes": changes, "filesWithConflicts": [], "diffUrl": url}
        if with_diff:
            answer["diff"] = "diff --git a/README.md b/README.md\n"
    return answer


def _events(view: "HubView", x: int) -> list[Answer]:
    """What happened in a discussion until now, in order of time."""
    threads, comments, texts = view.acts.threads, view.acts.comments, view.hub.texts
    i, number = int(threads.repository[x]), int(threads.number[x])
    author, created = int(threads.author[x]), int(threads.created_at[x])
    title = _titles(view, np.array([i]), np.array([number]))[0]
    found: list[tuple[int, str, int, Answer]] = []
    body = texts.hub_body(i, number)
    found.append((created, "comment", author, _comment(view, author, body, created)))
    if threads.is_pull[x]:
        oid = view.hub.branch_ids(np.array([i]), np.array([number]))[0]
        parent = view.hub.commit_ids(np.array([i]), np.array([0]))[0]
        data = {"subject": title, "oid": oid, "parents": [parent]}
        found.append((created + 1, "commit", author, data))
    if _is_titled(view, x):
        data = {"from": title, "to": f"[Update] {title}"}
        found.append((int(threads.titled_at[x]), "title-change", author, data))
    for row in range(int(comments.start[x]), int(comments.start[x + 1])):
        at, who = int(comments.created_at[row]), int(comments.author[row])
        if at >= view.now:
            break
        text = texts.hub_comment(i, number, int(comments.k[row]))
        hidden, edited = bool(comments.is_hidden[row]), bool(comments.is_edited[row])
        found.append((at, "comment", who, _comment(view, who, text, at, hidden, edited)))
    if view.thread_status[x] not in (0, DRAFT):
        at, status = int(threads.ended_at[x]), STATUSES[int(threads.end[x])]
        key = mixed(np.array([x]), view.hub.salt)
        who = int(view.acts.insider(np.array([i]), np.array([at]), key)[0])
        found.append((at, "status-change", who, {"status": status}))
    found.sort(key=lambda event: event[0])
    dates = iso(np.array([event[0] for event in found]))
    events = []
    for place, (at, kind, who, data) in enumerate(found):
        event: Answer = {"id": f"{at:08x}{int(mixed(x, place, view.hub.salt)[0]):016x}"}
        if who >= 0:
            event["author"] = author_of(view, who) | {
                "isOwner": who == int(view.owner[i]),
                "isOrgMember": view.is_inside(who, i) and who != int(view.owner[i]),
            }
        events.append(event | {"createdAt": dates[place], "type": kind, "data": data})
    return events


def _comment(
    view: "HubView",
    author: int,
    text: str,
    at: int,
    is_hidden: bool = False,
    is_edited: bool = False,
) -> Answer:
    """The data of a comment; one that was hidden has lost its text and editors."""
    raw = _HIDDEN_TEXT if is_hidden else text
    latest: Answer = {
        "raw": raw,
        "html": raw if is_hidden else f"<p>{_escaped(raw)}</p>\n",
        "updatedAt": iso(np.array([at + 90 if is_hidden or is_edited else at]))[0],
    }
    known = author >= 0
    if known:
        latest["author"] = author_of(view, author)
    data: Answer = {"edited": is_hidden or is_edited, "hidden": is_hidden, "latest": latest}
    if is_hidden:
        data["hiddenBy"] = ""
    shown = known and not is_hidden
    return data | {
        "numEdits": int(is_edited and not is_hidden),
        "editors": [view.acts.login_of(author)] if shown else [],
        "editorAvatarUrls": [avatar(author)] if shown else [],
        "reactions": [],
        "isReport": False,
    }


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# ---------------------------------------------------------------- accounts


def author_of(view: "HubView", account: int) -> Answer:
    """A user as beside a discussion."""
    accounts = view.accounts
    return {
        "_id": accounts.native_id[account],
        "avatarUrl": avatar(account),
        "fullname": accounts.name[account],
        "name": accounts.login[account],
        "type": "user",
        "isPro": False,
        "isHf": bool(accounts.is_staff[account]),
        "isHfAdmin": bool(accounts.is_staff[account] and mixed(account, 41)[0] % np.uint64(4) == 0),
        "isMod": False,
        "isUserFollowing": False,
    }


def user_card(view: "HubView", account: int) -> Answer:
    """A user as in lists of members and likers; passers-by too."""
    return {
        "_id": _native_id(view, account),
        "avatarUrl": avatar(account),
        "fullname": _full_name(view, account),
        "isFollowing": False,
        "isPro": False,
        "user": view.acts.login_of(account),
        "type": "user",
    }


def _native_id(view: "HubView", account: int) -> str:
    if account < len(view.accounts.login):
        return view.accounts.native_id[account]
    return f"{int(mixed(account, 19)[0]):016x}{account:08x}"


def _full_name(view: "HubView", account: int) -> str:
    if account < len(view.accounts.login):
        return view.accounts.name[account]
    return words.person_name(account, account >> 7)


def user_overview(view: "HubView", account: int) -> Answer:
    """`GET /api/users/{login}/overview`; organisations are those a stranger may see."""
    known = account < len(view.accounts.login)
    owned = view.owned[account].tolist() if known else [0, 0, 0]
    came = int(view.acts.came_at[account]) if known else CREATED_FLOOR + account % 50_000_000
    groups: list[int] = []
    if known:
        groups = view.memberships.organisations_at(account, view.now, public_only=True).tolist()
    return {
        "_id": _native_id(view, account),
        "avatarUrl": avatar(account),
        "isPro": False,
        "fullname": _full_name(view, account),
        "numModels": owned[0],
        "numDatasets": owned[1],
        "numSpaces": owned[2],
        "numDiscussions": int(view.opened[account]) if known else 0,
        "numPapers": 0,
        "numUpvotes": 0,
        "numLikes": len(view.liked(account)),
        "numFollowers": 0,
        "numFollowing": 0,
        "numFollowingOrgs": 0,
        "orgs": [_organisation_card(view, group) for group in groups],
        "user": view.acts.login_of(account),
        "type": "user",
        "isFollowing": False,
        "createdAt": iso(np.array([came]))[0],
    }


def _organisation_card(view: "HubView", account: int) -> Answer:
    return {
        "id": view.accounts.native_id[account],
        "name": view.accounts.login[account],
        "fullname": view.accounts.name[account],
        "avatarUrl": avatar(account),
    }


def organisation_overview(view: "HubView", account: int) -> Answer:
    """`GET /api/organizations/{login}/overview`; a hidden list has no number either."""
    answer: Answer = {
        "_id": view.accounts.native_id[account],
        "avatarUrl": avatar(account),
        "fullname": view.accounts.name[account],
        "name": view.accounts.login[account],
        "type": "org",
        "isVerified": bool(mixed(account, 91)[0] % np.uint64(7) == 0),
        "isFollowing": False,
    }
    if view.memberships.visibility(account) == "hidden":
        # Only plans that are paid for can hide their members.
        answer["plan"] = "enterprise"
    else:
        answer["numUsers"] = len(view.memberships.members_at(account, view.now))
    owned = view.owned[account].tolist()
    return answer | {
        "numModels": owned[0],
        "numSpaces": owned[2],
        "numDatasets": owned[1],
        "numPapers": 0,
        "numFollowers": 0,
    }
