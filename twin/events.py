"""The columns of GitHub's flow: what an event is, and the codes in which it is kept.

Belongs here: the vocabulary that the drawing, the archive's lines, the files' defects and the
APIs share. Does not belong here: how events are drawn (`drawing`) and written (`shapes`).
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.draws import Bools, Hashes, Ints

TYPES = (
    "PushEvent", "CreateEvent", "DeleteEvent", "WatchEvent", "ForkEvent", "IssuesEvent",
    "IssueCommentEvent", "PullRequestEvent", "PullRequestReviewEvent",
    "PullRequestReviewCommentEvent", "ReleaseEvent", "GollumEvent", "MemberEvent", "PublicEvent",
    "CommitCommentEvent",
)  # fmt: skip
PUSH, CREATE, DELETE, WATCH, FORK, ISSUES, ISSUE_COMMENT, PULL = range(8)
REVIEW, REVIEW_COMMENT, RELEASE, GOLLUM, MEMBER, PUBLIC, COMMIT_COMMENT = range(8, 15)
ACTIONS = ("", "opened", "closed", "reopened", "merged", "created", "started", "published",
           "added", "forked")  # fmt: skip
NONE, OPENED, CLOSED, REOPENED, MERGED, CREATED, STARTED, PUBLISHED, ADDED, FORKED = range(10)
ISSUE_THREAD, PULL_THREAD = 1, 2
FIXED_ACTION = {
    WATCH: STARTED, FORK: FORKED, ISSUE_COMMENT: CREATED, REVIEW: CREATED,
    REVIEW_COMMENT: CREATED, RELEASE: PUBLISHED, MEMBER: ADDED,
}  # fmt: skip


@dataclass(frozen=True)
class Events:
    """Events in order of their time, index-aligned columns; times in epoch seconds.

    `serial` numbers the events of a flow from 0. `hour` is the archive file that records the
    event, counted from the first hour of day 0: the hour of `created_at`, the next, or for a late
    event (`is_late`) the same hour of the next day. `is_moved` says that the repository's rename
    or transfer is past.

    Threads: `number` (0 none), `thread_kind` 1 an issue, 2 a pull request; `thread_author`,
    `thread_role` (`timeline.MACHINE`, `OUTSIDER`, `INSIDER`) and `thread_created_at` belong to
    the thread, `thread_closed_at` and `thread_merged_at` (0 open) are what the event leaves
    behind. `place` counts the comments (reviews, comments on the diff) of the thread before a
    comment (review, comment on the diff), so that it is the k of `identifiers.comment_id`
    and its kin; for other events of a thread it counts its comments. For releases and commit
    comments it counts the repository's earlier ones in the flow.

    `first_position` is the position that the repository's next commit takes at the time of the
    event. Pushes: the commits that a push brings to the repository are at the positions
    `first_position` .. + `push_distinct_size` - 1; what it lists and the repository knew
    (`push_size` - `push_distinct_size` commits) is the end of the history. `merges` is
    the number of the pull request whose merge the push is, 0 for a direct one; then the thread's
    author wrote the commit.

    `role` is whom the actor was drawn as; it says nothing for stars. `variety` is a hash for
    details that are not planted.
    """

    serial: Ints
    type: Ints
    repository: Ints
    actor: Ints
    role: Ints
    hour: Ints
    created_at: Ints
    action: Ints
    thread_kind: Ints
    number: Ints
    thread_author: Ints
    thread_role: Ints
    thread_created_at: Ints
    thread_closed_at: Ints
    thread_merged_at: Ints
    place: Ints
    push_size: Ints
    push_distinct_size: Ints
    push_id: Ints
    first_position: Ints
    merges: Ints
    event_id: Ints
    is_moved: Bools
    is_late: Bools
    variety: Hashes

    def __len__(self) -> int:
        return len(self.type)

    def taken(self, index: NDArray[Any] | slice) -> "Events":
        """The events at an index, mask or slice."""
        return Events(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def joined(parts: list[Events]) -> Events:
    """Events of several parts, one behind the other."""
    return Events(
        **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Events)}
    )


def thread_keys(repository: Ints, number: Ints) -> Ints:
    """One integer for each thread; numbers are below 2**22."""
    return (repository << 22) + number
