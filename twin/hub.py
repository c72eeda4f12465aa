"""The Hub at a time: what exists, what it is called, what is counted and listed.

Belongs here: `Hub` and its views, the dump's lines and the order of listings. Does not belong
here: the plan (`hub_plan`), who acts (`hub_acts`), JSON (`hub_shapes`), HTTP (`server.hub_api`),
truth (`hub_truth`, whose functions are offered here).

A view is a pure function of the world and the time. Everything that happens before `now` is
shown; counts grow, `lastModified` is the newest commit's date and does not move when somebody
opens a discussion.

The dump holds what exists on listed models, in the form of the API's elements: models as
`GET /api/models?expand=...`, commits as `GET /api/models/{id}/commits/main`, discussions as
`GET /api/models/{id}/discussions`. It also holds what the API refuses to some callers: commits of
gated and disabled models, discussions that are switched off.
"""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import orjson

from twin.draws import DAY, Bools, Floats, Ints, salt_of
from twin.hub_access import AccessRequests
from twin.hub_acts import MERGED, OPEN, Acts
from twin.hub_plan import (
    CREATED_FLOOR,
    GATED,
    KINDS,
    MODEL,
    RELATIONS,
    SPACE,
    HubRepositories,
    plan_repositories,
)
from twin.hub_shapes import DUMPED, commits, discussions, repositories, used_models
from twin.hub_truth import model_truth, totals_truth, truth_tables
from twin.identifiers import commit_shas
from twin.texts import Texts
from twin.world import World

__all__ = [
    "CREATED_FLOOR", "GATED", "KINDS", "RELATIONS", "Hub", "HubView", "commit_lines",
    "discussion_lines", "model_lines", "model_truth", "totals_truth", "truth_tables",
]  # fmt: skip

OK, ABSENT, DELETED, PRIVATE = range(4)
SORTS = ("createdAt", "lastModified", "likes", "downloads", "trendingScore")
_BLOCK = 2_000


class Hub:
    """The Hub of one world; what is planned is made once, when it is first needed."""

    def __init__(self, world: World, texts: Texts | None = None) -> None:
        self.world = world
        self.texts = texts or Texts(world)
        self.salt = salt_of(world.seed, "hub")
        self.access = AccessRequests()

    @cached_property
    def repositories(self) -> HubRepositories:
        return plan_repositories(self.world)

    @cached_property
    def acts(self) -> Acts:
        return Acts(self.world, self.repositories)

    @cached_property
    def named(self) -> dict[str, list[int]]:
        """Models that ever have each name."""
        r = self.repositories
        found: dict[str, list[int]] = {}
        for i in np.flatnonzero(r.kind == MODEL).tolist():
            found.setdefault(r.name[i], []).append(i)
        for i, name in r.new_name.items():
            found.setdefault(name, []).append(i)
        return found

    def at(self, now: int) -> "HubView":
        """The Hub at epoch seconds: everything that happened before."""
        return HubView(self, now)

    def commit_ids(self, repository: Ints, position: Ints) -> list[str]:
        """40 hexadecimal digits each; position 0 is the `system` commit."""
        return commit_shas(self.salt & 0xFFFF_FFFF, repository, position)

    def branch_ids(self, repository: Ints, number: Ints) -> list[str]:
        """The commit at the head of each pull request."""
        return commit_shas((self.salt & 0xFFFF_FFFF) ^ 0x5EED, repository, number)


class HubView:
    """The Hub at one time. Columns are aligned with `repositories`."""

    def __init__(self, hub: Hub, now: int) -> None:
        self.hub, self.now = hub, now
        self.repositories, self.acts = hub.repositories, hub.acts
        self.accounts, self.memberships = hub.world.hub_accounts, hub.world.hub_memberships
        r = self.repositories
        index = np.arange(len(r))
        status = np.full(len(r), OK)
        hidden = (r.private_from > 0) & (r.private_from <= now)
        hidden &= (r.private_until == 0) | (now < r.private_until)
        status[hidden] = PRIVATE
        status[(r.deleted_at > 0) & (r.deleted_at <= now)] = DELETED
        status[r.created_at >= now] = ABSENT
        self.status: Ints = status
        self.listed: Bools = status == OK
        self.owner: Ints = r.owners_at(index, now)
        self.gated: Ints = np.where(
            (r.gate_changed_at > 0) & (r.gate_changed_at <= now), r.new_gated, r.gated
        )
        self.is_disabled: Bools = (r.disabled_from > 0) & (r.disabled_from <= now)
        off = (r.talk_off_from > 0) & (r.talk_off_from <= now)
        self.talk_is_off: Bools = off & ((r.talk_off_until == 0) | (now < r.talk_off_until))
        self.like_count: Ints = r.likes.count(index, now)
        self.commit_count: Ints = r.commits.count(index, now)
        newest = r.commits.time(index, np.maximum(self.commit_count - 1, 0))
        self.last_modified_at: Ints = np.where(self.commit_count > 0, newest, r.created_at)
        self.created_at: Ints = np.maximum(r.created_at, CREATED_FLOOR)

    def __len__(self) -> int:
        return len(self.repositories)

    # ------------------------------------------------------------ counts

    @cached_property
    def trending(self) -> Ints:
        """Twice the likes of the last seven days."""
        index = np.arange(len(self))
        return 2 * (self.like_count - self.repositories.likes.count(index, self.now - 7 * DAY))

    @cached_property
    def downloads(self) -> tuple[Ints, Ints]:
        """Downloads of the last thirty days, which can fall, and all of them, which cannot."""
        r, starts_at = self.repositories, self.hub.world.starts_at
        fresh = r.created_at >= starts_at
        begins = np.where(fresh, r.created_at, starts_at)
        days = np.maximum(self.now - begins, 0) / DAY
        earlier = np.where(fresh, np.maximum(days - 30, 0), days - 30)

        def until(day: Floats) -> Floats:
            growth = np.where(np.abs(r.download_growth) < 1e-9, 1e-9, r.download_growth)
            total: Floats = r.download_rate * np.expm1(growth * day) / growth
            return total

        recent = until(days) - until(earlier)
        ever = np.where(fresh, 0, r.download_stock) + until(days)
        return np.floor(recent).astype(np.int64), np.floor(ever).astype(np.int64)

    @cached_property
    def _thread_counts(self) -> tuple[Ints, Ints]:
        threads = self.acts.threads
        there = threads.created_at < self.now
        total = np.bincount(threads.repository[there], minlength=len(self))
        pulls = np.bincount(threads.repository[there & threads.is_pull], minlength=len(self))
        return total, pulls

    @property
    def thread_count(self) -> Ints:
        """Discussions and pull requests, which share their numbers."""
        return self._thread_counts[0]

    @property
    def pull_count(self) -> Ints:
        return self._thread_counts[1]

    @property
    def discussion_count(self) -> Ints:
        return self._thread_counts[0] - self._thread_counts[1]

    @cached_property
    def thread_status(self) -> Ints:
        """Index into `hub_acts.STATUSES` for each thread."""
        threads = self.acts.threads
        ended = (threads.ended_at > 0) & (threads.ended_at < self.now)
        return np.where(ended, threads.end, np.where(threads.is_draft, 3, OPEN))

    @cached_property
    def comment_count(self) -> Ints:
        """Comments of each thread, the opening one included."""
        comments = self.acts.comments
        there = comments.created_at < self.now
        threads = self.acts.threads
        replies = np.bincount(comments.thread[there], minlength=len(threads))
        return replies + (threads.created_at < self.now)

    @cached_property
    def owned(self) -> Ints:
        """Listed repositories of each kind (columns) for each account."""
        total = np.zeros((len(self.accounts.login), len(KINDS)), np.int64)
        listed = np.flatnonzero(self.listed)
        np.add.at(total, (self.owner[listed], self.repositories.kind[listed]), 1)
        return total

    @cached_property
    def children(self) -> Ints:
        """Listed models that say they derive from each one, by relation (columns)."""
        total = np.zeros((len(self), len(RELATIONS)), np.int64)
        r = self.repositories
        for base in (r.base, r.second_base):
            told = np.flatnonzero((base >= 0) & (r.telling >= 0) & (r.telling <= 2) & self.listed)
            np.add.at(total, (base[told], r.told_relation[told]), 1)
        return total

    @cached_property
    def spaces_by_model(self) -> dict[int, list[int]]:
        """Listed spaces that use each model."""
        found: dict[int, list[int]] = {}
        for space in np.flatnonzero(self.listed & (self.repositories.kind == SPACE)).tolist():
            for model in used_models(self, space):
                found.setdefault(model, []).append(space)
        return found

    # ------------------------------------------------------------ names

    @cached_property
    def _indices(self) -> dict[tuple[int, str], int]:
        """Present names, and names given up that nobody took again."""
        r, now = self.repositories, self.now
        found = {
            (kind, name): i
            for i, (kind, name, status) in enumerate(
                zip(r.kind.tolist(), r.name, self.status.tolist(), strict=True)
            )
            if status in (OK, PRIVATE)
        }
        # An heir of a name comes after who gave it up, and so took its place above.
        for i, name in r.new_name.items():
            if self.status[i] in (OK, PRIVATE) and r.renamed_at[i] <= now:
                found[int(r.kind[i]), name] = i
        return found

    @cached_property
    def _lowered(self) -> dict[tuple[int, str], int]:
        return {(kind, name.lower()): i for (kind, name), i in self._indices.items()}

    def name(self, i: int) -> str:
        """`owner/name` now."""
        return self.repositories.name_at(i, self.now)

    def owner_login(self, i: int) -> str:
        """Login of the owner now."""
        return self.accounts.login[int(self.owner[i])]

    @cached_property
    def lowered_names(self) -> list[str]:
        """Names of all, in small letters, for searches."""
        r = self.repositories
        names = [name.lower() for name in r.name]
        for i, name in r.new_name.items():
            if r.renamed_at[i] <= self.now:
                names[i] = name.lower()
        return names

    def find(self, kind: int, name: str) -> int | None:
        """The repository of a name, old or in other case; compare with `name` for a redirect."""
        exact = self._indices.get((kind, name))
        return self._lowered.get((kind, name.lower())) if exact is None else exact

    @cached_property
    def _logins(self) -> dict[str, int]:
        return {login.lower(): k for k, login in enumerate(self.accounts.login)}

    def user(self, login: str) -> int | None:
        """The user of a login, whatever its case; passers-by included."""
        k = self._logins.get(login.lower())
        if k is None:
            k = self.acts.passer_by(login)
            return k if k is not None and len(self.liked(k)) else None
        return k if k < self.accounts.person_count else None

    def organisation(self, login: str) -> int | None:
        """The organisation of a login, whatever its case."""
        k = self._logins.get(login.lower())
        return k if k is not None and k >= self.accounts.person_count else None

    def may_see(self, i: int, account: int) -> bool:
        """Whether a repository exists for a caller (-1: a stranger)."""
        if self.status[i] != PRIVATE:
            return bool(self.status[i] == OK)
        return account >= 0 and self.is_inside(account, i)

    def is_inside(self, account: int, i: int) -> bool:
        """Whether an account is the owner, or a member of the owner, now."""
        owner = np.array([self.owner[i]])
        return bool(self.acts.is_inside(np.array([account]), owner, self.now)[0])

    # ------------------------------------------------------------ listings

    @cached_property
    def _orders(self) -> dict[tuple[int, str], tuple[Ints, Ints]]:
        return {}

    def order(self, kind: int, sort: str) -> tuple[Ints, Ints]:
        """Listed repositories of a kind with their sort values, ascending in (value, index)."""
        if (kind, sort) not in self._orders:
            column = {
                "createdAt": lambda: self.created_at, "lastModified": lambda: self.last_modified_at,
                "likes": lambda: self.like_count, "downloads": lambda: self.downloads[0],
                "trendingScore": lambda: self.trending,
            }[sort]()  # fmt: skip
            rows = np.flatnonzero(self.listed & (self.repositories.kind == kind))
            rows = rows[np.lexsort((rows, column[rows]))]
            self._orders[kind, sort] = rows, column[rows]
        return self._orders[kind, sort]

    def page(
        self,
        kind: int,
        sort: str,
        size: int,
        wanted: Bools | None = None,
        after: tuple[int, int] | None = None,
        skip: int = 0,
    ) -> tuple[Ints, tuple[int, int] | None]:
        """One page of a listing, largest values first.

        Args:
            wanted: which repositories the listing is about; all if None.
            after: value and index of the last row of the page before.
            skip: rows to leave out.

        Returns:
            The rows of the page, and what is `after` for the next one (None: there is none).
        """
        rows, values = self.order(kind, sort)
        if wanted is not None:
            some = wanted[rows]
            rows, values = rows[some], values[some]
        end = len(rows)
        if after is not None:
            low, high = np.searchsorted(values, [after[0], after[0] + 1])
            end = int(low + np.searchsorted(rows[low:high], after[1]))
        end = max(end - skip, 0)
        start = max(end - size, 0)
        page = rows[start:end][::-1]
        last = (int(values[start]), int(rows[start])) if start else None
        return page, last

    # ------------------------------------------------------------ people

    def liked(self, account: int) -> Ints:
        """Rows of `acts.likes` of an account until now, newest first."""
        order, accounts = self.acts.likes_by_account
        low, high = np.searchsorted(accounts, [account, account + 1])
        rows = order[low:high]
        likes = self.acts.likes
        shown = (likes.liked_at[rows] < self.now) & self.listed[likes.repository[rows]]
        return rows[shown]

    def likers(self, i: int) -> Ints:
        """Accounts that like a repository, newest first."""
        start = int(self.acts.likes.start[i])
        return self.acts.likes.account[start : start + int(self.like_count[i])][::-1]

    def shown_members(self, organisation: int) -> Ints | None:
        """Members that a stranger sees; None where the list is hidden."""
        if self.memberships.visibility(organisation) == "hidden":
            return None
        return self.memberships.members_at(organisation, self.now, public_only=True)

    def threads_of(self, i: int) -> slice:
        """Rows of `acts.threads` of a repository until now."""
        start = int(self.acts.threads.start[i])
        return slice(start, start + int(self.thread_count[i]))

    @cached_property
    def opened(self) -> Ints:
        """Threads on listed repositories that each account opened."""
        threads = self.acts.threads
        shown = (threads.created_at < self.now) & (threads.author >= 0)
        shown &= self.listed[threads.repository]
        return np.bincount(threads.author[shown], minlength=len(self.accounts.login))

    @cached_property
    def merged_pull_count(self) -> Ints:
        """Merged pull requests of each repository."""
        threads = self.acts.threads
        merged = (threads.created_at < self.now) & (self.thread_status == MERGED)
        return np.bincount(threads.repository[merged], minlength=len(self))

    @property
    def models(self) -> Ints:
        """Listed models, in order of their index."""
        return np.flatnonzero(self.listed & (self.repositories.kind == MODEL))


def model_lines(view: HubView) -> Iterator[bytes]:
    """One line a listed model; keys without a value are absent, as in the API's answers."""
    models = view.models
    for start in range(0, len(models), _BLOCK):
        for answer in repositories(view, models[start : start + _BLOCK], DUMPED):
            yield orjson.dumps(answer)


def commit_lines(view: HubView) -> Iterator[bytes]:
    """One line a commit, newest first within a model, the `system` commit last."""
    for i in _in_blocks(view.models, view.commit_count + 1):
        counts = view.commit_count[i] + 1
        rows = np.repeat(i, counts)
        first = np.repeat(np.cumsum(counts) - counts, counts)
        places = np.repeat(counts, counts) - 1 - (np.arange(len(rows)) - first)
        answers = commits(view, rows, places)
        for k, answer in zip(rows.tolist(), answers, strict=True):
            line = {"repo_id": view.name(k), "repo_type": "model", "commit": answer}
            yield orjson.dumps(line)


def discussion_lines(view: HubView) -> Iterator[bytes]:
    """One line a discussion or pull request, newest first within a model."""
    for i in _in_blocks(view.models, view.thread_count):
        rows = np.concatenate(
            [np.empty(0, np.int64)]
            + [np.arange(s.start, s.stop)[::-1] for s in map(view.threads_of, i.tolist())]
        ).astype(np.int64)
        for answer in discussions(view, rows):
            yield orjson.dumps({
                "repo_id": answer["repo"]["name"], "repo_type": "model", "discussion": answer,
            })  # fmt: skip


def _in_blocks(rows: Ints, weight: Ints) -> Iterator[Ints]:
    """Consecutive pieces of some thousand acts each."""
    total = np.cumsum(weight[rows])
    edges = np.flatnonzero(np.diff(total // 20_000)) + 1
    yield from np.split(rows, edges)
