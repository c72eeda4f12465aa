"""Commits at a moment: the history's and those that the flow's pushes brought.

Belongs here: commits by position, sha, time and author, and who contributed them. Does not belong
here: pull requests (`github_threads`).

Positions count from 0, the oldest commit of the main branch; times never run backwards.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from twin import words
from twin.draws import Bools, Ints, mixed
from twin.events import PUSH
from twin.github_moment import Moment
from twin.github_records import Commit, Contributor, FileChange
from twin.identifiers import head_shas, sha_heads

# A commit list is searched in blocks of this many, so that memory stays small.
_BLOCK = 1 << 17
# Of so few commits all times are taken at once, which takes less than looking for one of them.
_FEW_COMMITS = 4_096
# GitHub links the first 500 addresses of a repository to accounts, and refuses to count the
# contributors of very large ones; where that begins is not documented.
LINKED_ADDRESSES = 500
COUNTED_COMMITS = 200_000


class TooLarge(Exception):
    """The platform refuses to count this for so large a repository."""


@dataclass(frozen=True)
class CommitTable:
    """Commits by position, index-aligned; `author` and `committer` -1 are not linked."""

    position: Ints
    person: Ints
    author: Ints
    committer: Ints
    authored_at: Ints
    committed_at: Ints
    is_merge: Bools
    pull_number: Ints

    def __len__(self) -> int:
        return len(self.position)

    def and_also(self, other: "CommitTable") -> "CommitTable":
        """These and the others behind them."""
        return CommitTable(**{
            f.name: np.concatenate([getattr(self, f.name), getattr(other, f.name)])
            for f in fields(self)
        })  # fmt: skip


class Commits(Moment):
    """The commits of each repository."""

    def commit_count(self, i: int) -> int:
        """How many commits the main branch has."""
        return int(self.commit_counts[i])

    def commit_table(self, i: int, start: int, stop: int) -> CommitTable:
        """Columns of the commits at positions start .. stop - 1, 0 the oldest."""
        stop, start = min(stop, self.commit_count(i)), max(start, 0)
        old = self.history.commits(i, start, min(stop, self.history.commit_count(i)))
        table = CommitTable(
            position=old.position,
            person=old.person,
            author=old.author,
            # Who pushes an unknown address is unknown as the committer, too.
            committer=np.where((old.committer == old.person) & (old.author < 0), -1, old.committer),
            authored_at=old.authored_at,
            committed_at=old.committed_at,
            is_merge=old.is_merge,
            pull_number=old.pull_number,
        )
        first = max(start, self.history.commit_count(i))
        if stop <= first:
            return table
        return table.and_also(self._new_commits(i, np.arange(first, stop)))

    def _new_commits(self, i: int, position: Ints) -> CommitTable:
        """Commits that the flow's pushes brought."""
        events = self.flow.of_repository(i)
        pushes = events.taken((events.type == PUSH) & (events.push_distinct_size > 0))
        order = np.argsort(pushes.first_position, kind="stable")
        place = np.searchsorted(pushes.first_position, position, side="right", sorter=order) - 1
        push = pushes.taken(order[np.maximum(place, 0)])
        # A merge makes one commit, by who opened the request; the platform commits it.
        by_pull = push.merges > 0
        person = np.where(by_pull, push.thread_author, push.actor)
        own = position - self.world.repositories.inherited_count[i]
        unlinked = self.history.timeline.is_unlinked(np.full(len(position), i), own)
        # The address of a deleted account is nobody's.
        author = np.where(unlinked | (person == self.world.accounts.ghost), -1, person)
        return CommitTable(
            position=position,
            person=person,
            author=author,
            committer=np.where(by_pull, self.world.accounts.web_flow, author),
            authored_at=push.created_at,
            committed_at=push.created_at,
            is_merge=np.zeros(len(position), bool),
            pull_number=push.merges,
        )

    def commits(self, i: int, table: CommitTable) -> list[Commit]:
        """Records of the commits of a table, in its order."""
        n = len(table)
        repository = np.full(n, i)
        shas = self.history.shas(repository, table.position)
        before = self.history.shas(repository, table.position - 1)
        heads = head_shas(self.world.seed, repository, table.pull_number)
        origin, listed, _ = self.history.origins(repository, table.position)
        messages = self.texts.messages_of(origin, listed)
        found = []
        for k in range(n):
            position, merge = int(table.position[k]), bool(table.is_merge[k])
            first = (before[k],) if position else ()
            author, committer = int(table.author[k]), int(table.committer[k])
            name, email = self._git_identity(int(table.person[k]), author)
            by_platform = committer == self.world.accounts.web_flow
            by = ("GitHub", "noreply@github.example") if by_platform else (name, email)
            found.append(Commit(
                position=position, sha=shas[k],
                parents=(*first, heads[k]) if merge else first,
                author=None if author < 0 else self.account(author),
                author_name=name, author_email=email, authored_at=int(table.authored_at[k]),
                committer=None if committer < 0 else self.account(committer),
                committer_name=by[0], committer_email=by[1],
                committed_at=int(table.committed_at[k]),
                message=messages[k], is_by_platform=by_platform,
            ))  # fmt: skip
        return found

    def _git_identity(self, person: int, author: int) -> tuple[str, str]:
        """Name and address in a commit; an address that is not linked is another of the person."""
        account = self.account(person)
        name = account.name or account.login
        usual = author >= 0 or account.is_ghost
        return name, account.email if usual else f"{account.login}@home.example"

    def files(self, i: int, position: int, sha: str) -> list[FileChange]:
        """The files that a commit changes: one to three."""
        hashed = mixed(np.arange(3), i, position, self.salt)
        changes = hashed[: 1 + int(hashed[0] % np.uint64(3))].tolist()
        return [
            FileChange(
                path=f"src/{words.NOUNS[h % len(words.NOUNS)]}_{k}.py",
                sha=f"{h:016x}{sha[:24]}",
                commit_sha=sha,
                additions=1 + h % 60,
                deletions=(h >> 8) % 20,
            )
            for k, h in enumerate(changes)
        ]

    def commit_position(self, i: int, sha: str) -> int | None:
        """The position of a commit by its sha or the beginning of one (7 to 40 digits)."""
        head = sha[:16]
        wanted, shift = np.uint64(int(head, 16)), np.uint64(64 - 4 * len(head))
        for stop in range(self.commit_count(i), 0, -_BLOCK):
            position = np.arange(max(stop - _BLOCK, 0), stop)
            origin, listed, _ = self.history.origins(np.full(len(position), i), position)
            heads = sha_heads(self.world.seed, origin, listed) >> shift
            for k in position[heads == wanted][::-1].tolist():
                if self.history.sha(i, k).startswith(sha):
                    return int(k)
        return None

    def committed_at(self, i: int, position: Ints) -> Ints:
        """Times of commits, which never run backwards."""
        line, old_count = self.history.timeline, self.history.commit_count(i)
        found = np.zeros(len(position), np.int64)
        old = np.flatnonzero(position < old_count)
        origin, _, own = self.history.origins(np.full(len(old), i), position[old])
        step = line.commit_step(origin, own)
        found[old] = line.committed_at(origin, step, line.merged_thread(origin, step) >= 0)
        new = np.flatnonzero(position >= old_count)
        if len(new):
            found[new] = self._new_commits(i, position[new]).committed_at
        return found

    def commits_before(self, i: int, at: Ints) -> Ints:
        """How many commits are older than each time."""
        count = self.commit_count(i)
        if count <= _FEW_COMMITS:
            return self.committed_at(i, np.arange(count)).searchsorted(at)
        low, high = np.zeros(len(at), np.int64), np.full(len(at), count)
        for _ in range(count.bit_length()):
            middle = (low + high) // 2
            inner = np.minimum(middle, count - 1)
            older = (middle < high) & (self.committed_at(i, inner) < at)
            low, high = np.where(older, middle + 1, low), np.where(older, high, middle)
        return low

    def commits_between(self, i: int, since: int | None, until: int | None) -> tuple[int, int]:
        """First position at or after `since`, and first one after `until`."""
        first = 0 if since is None else since
        last = self.now if until is None else until
        low, high = self.commits_before(i, np.array([first, last + 1])).tolist()
        return low, max(low, high)

    def positions_of(
        self, i: int, low: int, high: int, keep: Callable[[CommitTable], Bools]
    ) -> Ints:
        """Positions in [low, high) whose commits are kept, the newest first."""
        found = []
        for stop in range(high, low, -_BLOCK):
            table = self.commit_table(i, max(stop - _BLOCK, low), stop)
            found.append(table.position[keep(table)][::-1])
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def contributors(self, i: int) -> list[Contributor]:
        """Addresses by number of commits; only the first 500 are linked to accounts.

        Raises:
            TooLarge: for a repository with more commits than the platform counts.
        """
        count = self.commit_count(i)
        if count > COUNTED_COMMITS:
            raise TooLarge
        table = self.commit_table(i, 0, count)
        # An address that is not linked counts apart from the person's other one.
        key, numbers = np.unique(table.person * 2 + (table.author < 0), return_counts=True)
        found: list[Contributor] = []
        for place in np.argsort(-numbers, kind="stable").tolist():
            person, is_unlinked = divmod(int(key[place]), 2)
            name, email = self._git_identity(person, -1 if is_unlinked else person)
            linked = not is_unlinked and len(found) < LINKED_ADDRESSES
            account = self.account(person) if linked else None
            found.append(Contributor(account, name, email, int(numbers[place])))
        return found
