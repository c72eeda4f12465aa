"""What the flow asks of the history: threads from before day 0, elementwise.

Belongs here: the answers in the form in which the flow continues them. Does not belong here: the
history itself (`history`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.draws import Bools, Ints
from twin.events import ISSUE_THREAD, PULL_THREAD
from twin.history import History
from twin.timeline import INSIDER, MACHINE, OUTSIDER


@dataclass(frozen=True)
class ThreadState:
    """What happened to threads so far, in the history and the flow; index-aligned.

    `closed_at` and `merged_at` are 0 for an open thread; the others count comments
    in the conversation, reviews and comments on the diff.
    """

    closed_at: Ints
    merged_at: Ints
    comments: Ints
    reviews: Ints
    review_comments: Ints

    @classmethod
    def empty(cls, count: int = 0) -> "ThreadState":
        return cls(*(np.zeros(count, np.int64) for _ in range(5)))

    def taken(self, index: NDArray[Any]) -> "ThreadState":
        return ThreadState(**{name: column[index] for name, column in vars(self).items()})

    def put(self, index: NDArray[Any], other: "ThreadState") -> None:
        """Overwrite the rows at an index."""
        for name, column in vars(self).items():
            column[index] = getattr(other, name)

    def and_also(self, other: "ThreadState") -> "ThreadState":
        return ThreadState(
            **{n: np.concatenate([column, getattr(other, n)]) for n, column in vars(self).items()}
        )


@dataclass(frozen=True)
class OldThread:
    """Threads of the history; `is_accepted` says that an open pull request will be merged."""

    author: Ints
    role: Ints
    created_at: Ints
    closed_at: Ints
    merged_at: Ints
    is_accepted: Bools


class Past:
    """The history's threads as the flow finds them at the start of day 0."""

    def __init__(self, history: History) -> None:
        self.history = history
        repositories = history.world.repositories
        self.thread_count = repositories.last_number.astype(np.int64)
        self._counts = (
            np.zeros(len(repositories), np.int64), repositories.issue_count,
            repositories.pull_count,
        )  # fmt: skip

    def kind_counts(self, kind: int) -> Ints:
        """Issues or pull requests of each repository."""
        return self._counts[kind]

    def has_kind(self, repository: Ints, kind: Ints) -> Bools:
        pulls, issues = self._counts[PULL_THREAD], self._counts[ISSUE_THREAD]
        found: Bools = np.where(kind == PULL_THREAD, pulls[repository], issues[repository]) > 0
        return found

    def number_of(self, repository: Ints, kind: Ints, rank: Ints) -> Ints:
        """Number of the thread that is the repository's rank-th (from 0) of its kind."""
        number = np.zeros(len(repository), np.int64)
        for code, numbers in (
            (ISSUE_THREAD, self.history.issue_numbers), (PULL_THREAD, self.history.pull_numbers),
        ):  # fmt: skip
            mine = np.flatnonzero(kind == code)
            number[mine] = numbers(repository[mine], rank[mine])
        return number

    def threads(self, repository: Ints, number: Ints) -> OldThread:
        found = self.history.threads_at(repository, number)
        role = np.where(found.is_machine, MACHINE, np.where(found.is_external, OUTSIDER, INSIDER))
        accepted = found.is_pull & self.history.timeline.is_accepted(repository, number - 1)
        return OldThread(
            author=found.author, role=role, created_at=found.created_at,
            closed_at=found.closed_at, merged_at=found.merged_at, is_accepted=accepted,
        )  # fmt: skip

    def states(self, repository: Ints, number: Ints) -> ThreadState:
        found = self.history.threads_at(repository, number)
        return ThreadState(
            closed_at=found.closed_at.copy(), merged_at=found.merged_at.copy(),
            comments=found.comment_count, reviews=found.review_count,
            review_comments=np.zeros(len(number), np.int64),
        )  # fmt: skip

    def has_starred(self, repository: Ints, account: Ints) -> Bools:
        """Elementwise: has the person given the repository a star before the flow?"""
        return self.history.has_starred(repository, account)
