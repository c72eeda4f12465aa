"""Issues and pull requests at a moment: state, conversation, reviews.

Belongs here: the table of all threads of a repository, as the history left them and the flow
changed them, and their comments and reviews. Does not belong here: lists, filters, JSON.

The tables, which several questions share, are kept for the last repositories.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, fields

import numpy as np

from twin import words
from twin.draws import Bools, Ints, mixed
from twin.events import (
    ISSUE_COMMENT,
    OPENED,
    PULL_THREAD,
    PUSH,
    REVIEW,
    REVIEW_COMMENT,
    Events,
)
from twin.github_commits import Commits
from twin.github_flow import FlowIndex, state_changes
from twin.github_moment import Fixtures
from twin.github_records import Comment, Commit, Label, Review, ReviewComment, Thread
from twin.history import REVIEW_STATES
from twin.identifiers import (
    comment_id,
    head_shas,
    label_id,
    pull_id,
    review_comment_id,
    review_id,
    thread_id,
)
from twin.shapes import REVIEW_COMMENT_TEXTS, REVIEW_TEXTS
from twin.timeline import OUTSIDER

# Rows of thread tables that are kept; a row has about a hundred bytes.
_KEPT_ROWS = 1 << 21
_KEPT_COMMENT_LISTS = 4
_LABEL_COLOUR = "d73a4a"


@dataclass(frozen=True)
class ThreadTable:
    """All threads of a repository by number, index-aligned: `number[k]` is k + 1.

    `closer` is -1 where the flow did not close the thread; `role` is a role of `timeline`.
    """

    number: Ints
    is_pull: Bools
    author: Ints
    created_at: Ints
    closed_at: Ints
    merged_at: Ints
    reopened_at: Ints
    updated_at: Ints
    comment_count: Ints
    review_count: Ints
    review_comment_count: Ints
    closer: Ints
    head_fork: Bools

    def __len__(self) -> int:
        return len(self.number)

    def and_also(self, other: "ThreadTable") -> "ThreadTable":
        """These and the others behind them."""
        return ThreadTable(**{
            f.name: np.concatenate([getattr(self, f.name), getattr(other, f.name)])
            for f in fields(self)
        })  # fmt: skip


@dataclass(frozen=True)
class CommentTable:
    """All comments of a repository in order of thread and place, index-aligned."""

    number: Ints
    place: Ints
    author: Ints
    created_at: Ints


class Threads(Commits):
    """The threads of each repository."""

    def __init__(self, github: Fixtures, now: int, flow: FlowIndex) -> None:
        super().__init__(github, now, flow)
        self._lock = threading.Lock()
        self._tables: OrderedDict[int, ThreadTable] = OrderedDict()
        self._kept_rows = 0
        self._comments: OrderedDict[int, CommentTable] = OrderedDict()

    def thread_count(self, i: int) -> int:
        """The number of the newest thread."""
        return int(self.thread_counts[i])

    def open_count(self, i: int) -> int:
        """Open issues and pull requests."""
        return int((self.threads(i).closed_at == 0).sum()) if self.thread_count(i) else 0

    def threads(self, i: int) -> ThreadTable:
        """All threads of a repository."""
        with self._lock:
            table = self._tables.get(i)
            if table is not None:
                self._tables.move_to_end(i)
                return table
        table = self._thread_table(i)
        with self._lock:
            if i not in self._tables:
                self._tables[i] = table
                self._kept_rows += len(table)
            while self._kept_rows > _KEPT_ROWS and len(self._tables) > 1:
                self._kept_rows -= len(self._tables.popitem(last=False)[1])
        return table

    def _thread_table(self, i: int) -> ThreadTable:
        events = self.flow.of_repository(i)
        events = events.taken(events.number > 0)
        table = self._old_threads(i)
        opened = events.taken(events.action == OPENED)
        table = table.and_also(_opened(opened.taken(np.argsort(opened.number, kind="stable"))))
        changes = state_changes(events)
        places = changes.number - 1
        table.closed_at[places] = changes.closed_at
        table.merged_at[places] = changes.merged_at
        table.closer[places] = changes.closer
        table.reopened_at[places] = changes.reopened
        place = events.number - 1
        np.maximum.at(table.updated_at, place, events.created_at)
        for kind, column in (
            (ISSUE_COMMENT, table.comment_count),
            (REVIEW, table.review_count),
            (REVIEW_COMMENT, table.review_comment_count),
        ):
            np.add.at(column, place[events.type == kind], 1)
        return table

    def _old_threads(self, i: int) -> ThreadTable:
        history = self.history
        old = history.threads(i, 0, history.thread_count(i))
        updated_at = np.maximum(old.created_at, old.closed_at)
        # Nobody answers a thread that is closed, so only the open ones moved since.
        for part, count in ((13, old.comment_count), (14, old.review_count)):
            place = np.flatnonzero((old.closed_at == 0) & (count > 0))
            if len(place):
                last = history.replies_at(
                    np.full(len(place), i), old.taken(place), count[place] - 1, count[place], part
                )
                updated_at[place] = np.maximum(updated_at[place], last.created_at)
        none = np.zeros(len(old), np.int64)
        return ThreadTable(
            number=old.number, is_pull=old.is_pull, author=old.author,
            created_at=old.created_at, closed_at=old.closed_at.copy(),
            merged_at=old.merged_at.copy(), reopened_at=none, updated_at=updated_at,
            comment_count=old.comment_count.copy(), review_count=old.review_count.copy(),
            review_comment_count=none.copy(), closer=none - 1,
            head_fork=old.is_pull & (old.head_repository < 0),
        )  # fmt: skip

    def thread_records(self, i: int, places: Ints) -> list[Thread]:
        """Records of the threads at places of the table (number - 1), in that order."""
        table, n, number = self.threads(i), len(places), places + 1
        repository = np.full(n, i)
        themes = self.texts.theme(repository, number)
        titles = self.texts.titles_at(repository, number, themes).tolist()
        bodies = self.texts.bodies_at(repository, number, themes).tolist()
        closers = self._closers(i, table, places)
        heads = head_shas(self.world.seed, repository, number)
        bases = self.history.shas(repository, self._bases(i, table, places))
        merges = self._merge_positions(i, table, places)
        stood = self.associations(i, table.author[places], table.created_at[places])
        merge_shas = self.history.shas(repository, merges)
        found = []
        for k, place in enumerate(places.tolist()):
            is_pull, at = bool(table.is_pull[place]), int(table.created_at[place])
            author, closer = int(table.author[place]), closers[k]
            label = int(themes.label[k])
            found.append(Thread(
                number=place + 1, issue_id=thread_id(i, place + 1), is_pull=is_pull,
                author=self.account(author), association=stood[k],
                created_at=at, updated_at=int(table.updated_at[place]),
                closed_at=int(table.closed_at[place]), merged_at=int(table.merged_at[place]),
                closed_by=None if closer < 0 else self.account(closer),
                state_reason=None if is_pull else self._reason(i, table, place),
                title=self.texts.titles.texts[titles[k]],
                body=self.texts.bodies.texts[bodies[k]],
                labels=() if label < 0 else (_label(i, label),),
                comment_count=int(table.comment_count[place]),
                review_count=int(table.review_count[place]),
                review_comment_count=int(table.review_comment_count[place]),
                pull_id=pull_id(i, place + 1), commit_count=1,
                head_fork=bool(table.head_fork[place]),
                head_ref=f"{words.compound((place + 1) * 31 + i)}-{place + 1}",
                head_sha=heads[k], base_sha=bases[k],
                merge_sha=merge_shas[k] if merges[k] >= 0 else None,
            ))  # fmt: skip
        return found

    def _reason(self, i: int, table: ThreadTable, place: int) -> str | None:
        """Why an issue is in its state: one closed issue in five is not planned."""
        if table.closed_at[place]:
            return "completed" if (place * 7 + i) % 5 else "not_planned"
        return "reopened" if table.reopened_at[place] else None

    def _closers(self, i: int, table: ThreadTable, places: Ints) -> list[int]:
        """Who closed each thread (-1: open); the history does not say, so an insider did."""
        closed_at, closer = table.closed_at[places], table.closer[places].copy()
        rest = np.flatnonzero((closed_at > 0) & (closer < 0))
        if len(rest):
            key = mixed(table.number[places[rest]], i, self.salt, 5)
            closer[rest] = self.world.insider(np.full(len(rest), i), closed_at[rest], key)
        found: list[int] = closer.tolist()
        return found

    def _bases(self, i: int, table: ThreadTable, places: Ints) -> Ints:
        """Positions of the newest commits when pull requests were opened, -1 before the first."""
        base = np.full(len(places), -1)
        pulls = np.flatnonzero(table.is_pull[places])
        if len(pulls):
            base[pulls] = self.commits_before(i, table.created_at[places[pulls]]) - 1
        return base

    def _merge_positions(self, i: int, table: ThreadTable, places: Ints) -> Ints:
        """Positions of the commits that merges made, -1 for threads that are not merged."""
        found = np.full(len(places), -1)
        merged_at = table.merged_at[places]
        line, first = self.history.timeline, self.world.repositories.inherited_count[i]
        old = np.flatnonzero((merged_at > 0) & (merged_at < self.world.starts_at))
        if len(old):
            repository = np.full(len(old), i)
            step = line.thread_step(repository, places[old] + line.plan.merge_lag[i])
            found[old] = line.commits_before(repository, step) + first
        events = self.flow.of_repository(i)
        pushes = events.taken((events.type == PUSH) & (events.merges > 0))
        position = dict(zip(pushes.merges.tolist(), pushes.first_position.tolist(), strict=True))
        for k in np.flatnonzero(merged_at >= self.world.starts_at).tolist():
            found[k] = position.get(int(places[k]) + 1, -1)
        return found

    def pull_commit(self, thread: Thread) -> Commit:
        """The only commit on the branch of a pull request."""
        author = thread.author
        name = author.name or author.login
        return Commit(
            position=-1, sha=thread.head_sha, parents=(thread.base_sha,), author=author,
            author_name=name, author_email=author.email, authored_at=thread.created_at,
            committer=author, committer_name=name, committer_email=author.email,
            committed_at=thread.created_at, message=thread.title, is_by_platform=False,
        )  # fmt: skip

    # ------------------------------------------------------------ comments and reviews

    def _replies(
        self, i: int, number: int, kind: int, start: int, stop: int
    ) -> tuple[Ints, Ints, Ints, int]:
        """Author, time and state of replies at places; and how many the history has of them."""
        old_count, who, at = 0, np.zeros(0, np.int64), np.zeros(0, np.int64)
        state = np.zeros(0, np.int64)
        if number <= self.history.thread_count(i) and kind != REVIEW_COMMENT:
            if kind == ISSUE_COMMENT:
                thread = self.history.threads(i, number - 1, number)
                old_count = int(thread.comment_count[0])
                old = self.history.comments(i, number, start, min(stop, old_count))
            else:
                old = self.history.reviews(i, number)
                old_count = len(old)
                old = old.taken(slice(start, min(stop, old_count)))
            who, at, state = old.author, old.created_at, old.state
        events = self.flow.of_repository(i)
        new = events.taken((events.type == kind) & (events.number == number))
        new = new.taken(slice(max(start - old_count, 0), max(stop - old_count, 0)))
        state_of_new = (new.variety % np.uint64(3)).astype(np.int64)
        return (
            np.concatenate([who, new.actor]),
            np.concatenate([at, new.created_at]),
            np.concatenate([state, state_of_new]),
            old_count,
        )

    def comments(self, i: int, number: int, start: int, stop: int) -> list[Comment]:
        """Comments start .. stop - 1 of a thread's conversation, the oldest first."""
        who, at, _, _ = self._replies(i, number, ISSUE_COMMENT, start, stop)
        place = np.arange(start, start + len(who))
        return self._comment_records(i, np.full(len(who), number), place, who, at)

    def comments_of(self, i: int, rows: Ints) -> list[Comment]:
        """The comments at rows of `comment_table`, in that order."""
        table = self.comment_table(i)
        number, place = table.number[rows], table.place[rows]
        return self._comment_records(i, number, place, table.author[rows], table.created_at[rows])

    def _comment_records(
        self, i: int, number: Ints, place: Ints, who: Ints, at: Ints
    ) -> list[Comment]:
        stood = self.associations(i, who, at)
        on_pull = self.threads(i).is_pull[number - 1].tolist()
        texts = self.texts.comments_at(np.full(len(number), i), number, place).tolist()
        return [
            Comment(
                id=comment_id(i, thread, k),
                number=thread,
                on_pull=on_pull[n],
                author=self.account(int(who[n])),
                association=stood[n],
                created_at=int(at[n]),
                body=self.texts.comments.texts[texts[n]],
            )
            for n, (thread, k) in enumerate(zip(number.tolist(), place.tolist(), strict=True))
        ]

    def comment_table(self, i: int) -> CommentTable:
        """All comments of a repository."""
        with self._lock:
            known = self._comments.get(i)
        if known is None:
            known = self._comment_table(i)
            with self._lock:
                self._comments[i] = known
                while len(self._comments) > _KEPT_COMMENT_LISTS:
                    self._comments.popitem(last=False)
        return known

    def comment_by_id(self, i: int, number: int) -> Comment | None:
        """The comment of an id, None where the repository has none such."""
        table = self.comment_table(i)
        ids = comment_id(np.full(len(table.number), i), table.number, table.place)
        found = np.flatnonzero(ids == number)
        if not len(found):
            return None
        return self.comments_of(i, found[:1])[0]

    def _comment_table(self, i: int) -> CommentTable:
        count, history = self.threads(i).comment_count, self.history
        old = history.threads(i, 0, history.thread_count(i))
        index = np.repeat(np.arange(len(old)), old.comment_count)
        first = np.repeat(np.cumsum(old.comment_count) - old.comment_count, old.comment_count)
        said = history.replies_at(
            np.full(len(index), i), old.taken(index), np.arange(len(index)) - first,
            old.comment_count[index],
        )  # fmt: skip
        events = self.flow.of_repository(i)
        new = events.taken(events.type == ISSUE_COMMENT)
        number = np.concatenate([old.number[index], new.number])
        # What the flow brought comes behind the history's of the same thread.
        order = np.argsort(number, kind="stable")
        first = np.cumsum(count) - count
        return CommentTable(
            number=number[order],
            place=np.arange(len(number)) - np.repeat(first, count),
            author=np.concatenate([said.author, new.actor])[order],
            created_at=np.concatenate([said.created_at, new.created_at])[order],
        )

    def reviews(self, i: int, number: int) -> list[Review]:
        """All reviews of a pull request, the oldest first."""
        who, at, state, _ = self._replies(i, number, REVIEW, 0, 1 << 30)
        stood = self.associations(i, who, at)
        head = head_shas(self.world.seed, i, number)[0]
        return [
            Review(
                id=review_id(i, number, k),
                number=number,
                author=self.account(account),
                association=stood[k],
                created_at=time,
                state=REVIEW_STATES[int(state[k])],
                body=self.texts.comment(i, number, REVIEW_TEXTS + k),
                commit_sha=head,
            )
            for k, (account, time) in enumerate(zip(who.tolist(), at.tolist(), strict=True))
        ]

    def review_comments(self, i: int, number: int) -> list[ReviewComment]:
        """All comments on the diff of a pull request, the oldest first; the history has none."""
        who, at, _, _ = self._replies(i, number, REVIEW_COMMENT, 0, 1 << 30)
        stood = self.associations(i, who, at)
        head = head_shas(self.world.seed, i, number)[0]
        return [
            ReviewComment(
                id=review_comment_id(i, number, k),
                number=number,
                review_id=review_id(i, number, k),
                author=self.account(account),
                association=stood[k],
                created_at=time,
                body=self.texts.comment(i, number, REVIEW_COMMENT_TEXTS + k),
                path="src/main.py",
                line=1 + k % 40,
                commit_sha=head,
            )
            for k, (account, time) in enumerate(zip(who.tolist(), at.tolist(), strict=True))
        ]

    def reviewed_numbers(self, i: int) -> Ints:
        """Numbers of the pull requests with comments on their diffs."""
        events = self.flow.of_repository(i)
        found: Ints = np.unique(events.number[events.type == REVIEW_COMMENT])
        return found

    def labels(self, i: int) -> tuple[Label, ...]:
        """The labels of a repository."""
        return tuple(_label(i, k) for k in range(len(words.LABELS)))


def _label(i: int, k: int) -> Label:
    """The label of an index into `words.LABELS`."""
    return Label(label_id(i, k), words.LABELS[k], _LABEL_COLOUR, "", is_default=True)


def _opened(events: Events) -> ThreadTable:
    """The threads that events open."""
    n = len(events)
    none = np.zeros(n, np.int64)
    is_pull = events.thread_kind == PULL_THREAD
    return ThreadTable(
        number=events.number, is_pull=is_pull, author=events.actor,
        created_at=events.created_at, closed_at=none, merged_at=none, reopened_at=none,
        updated_at=events.created_at, comment_count=none, review_count=none,
        review_comment_count=none, closer=none - 1,
        head_fork=is_pull & (events.thread_role == OUTSIDER),
    )  # fmt: skip
