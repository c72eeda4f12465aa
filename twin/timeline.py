"""The closed form behind GitHub's history: which step of a repository's life holds what.

Belongs here: arithmetic from (repository, position) to places and times. Does not belong here:
who acts (`world`) and what the pages of an API show (`history`).

A repository's own life is a row of steps between `created_at` and `active_until`. A step is
either a direct commit or the opening of a thread; threads are spread evenly among the steps, and
issues evenly among the threads. A pull request that is accepted is merged at the end of the step
in which the thread `merge_lag` places later is opened, which makes one more commit; the accepted
ones of the last `merge_lag` threads are still open. So threads and commits are each in order of
time, a merge follows its opening, and every count before any place is an expression, not a sum.

Positions count a repository's *own* commits here, from 0, the oldest; a fork also lists those it
inherited (`history`). All functions take index-aligned arrays.
"""

from dataclasses import dataclass

import numpy as np

from twin.draws import (
    Bools,
    Floats,
    Ints,
    below,
    exact_share,
    is_marked,
    marks_before,
    mixed,
    phase_of,
    salt_of,
    spread_before,
    spread_place,
    uniform_of,
)

# Who opens a pull request or commits directly.
MACHINE, OUTSIDER, INSIDER = range(3)


@dataclass(frozen=True)
class Plan:
    """What is planted on each repository's history; all columns index-aligned.

    `growth` in (-1, 1) bends the pace: above 0 a repository gets busier with time. Shares:
    `machine_direct_share` of direct commits are a machine's, `external_direct_share` of
    the others an outsider's; `machine_opened_share` of pull requests are a machine's,
    `external_opened_share` of the others an outsider's; `acceptance` (columns machine, outsider,
    insider) is the share accepted; `external_issue_share` of issues are an outsider's;
    `unlinked_share` of commits have an address that no account knows.
    """

    created_at: Ints
    active_until: Ints
    growth: Floats
    own_commit_count: Ints
    issue_count: Ints
    pull_count: Ints
    merge_lag: Ints
    machine_direct_share: Floats
    external_direct_share: Floats
    machine_opened_share: Floats
    external_opened_share: Floats
    acceptance: Floats
    external_issue_share: Floats
    unlinked_share: Floats


class Timeline:
    """Places and times of one plan; holds a few numbers for each repository."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan = plan
        self.salt = salt_of(seed, "timeline")
        n = len(plan.created_at)
        index = np.arange(n)
        self.thread_count = plan.issue_count + plan.pull_count
        # One phase for each kind of mark.
        self._phase = np.array([phase_of(mixed(index, self.salt, k)) for k in range(9)])
        self._shares = exact_share(np.array([
            plan.machine_direct_share, plan.external_direct_share, plan.machine_opened_share,
            plan.external_opened_share, *plan.acceptance.T, plan.external_issue_share,
            plan.unlinked_share,
        ]))  # fmt: skip
        self._issue_offset = below(mixed(index, self.salt, 20), self.thread_count)
        self._thread_offset = np.zeros(n, np.int64)
        self.merged_count = self._merged_among(index, self.thread_count - plan.merge_lag)
        self.direct_count = plan.own_commit_count - self.merged_count
        self.step_count = np.maximum(self.direct_count + self.thread_count, 1)
        self._thread_offset = below(mixed(index, self.salt, 21), self.step_count)

    # ------------------------------------------------------------ counts before a place

    def _before(self, i: Ints, position: Ints, kind: int) -> Ints:
        return marks_before(position, self._shares[kind][i], self._phase[kind][i])

    def _marked(self, i: Ints, position: Ints, kind: int) -> Bools:
        return is_marked(position, self._shares[kind][i], self._phase[kind][i])

    def _roles_before(self, i: Ints, rank: Ints, machine: int) -> tuple[Ints, Ints, Ints]:
        """Machines, outsiders, insiders among the first of a sequence of acts."""
        machines = self._before(i, rank, machine)
        outsiders = self._before(i, rank - machines, machine + 1)
        return machines, outsiders, rank - machines - outsiders

    def _role(self, i: Ints, rank: Ints, machine: int) -> Ints:
        people = rank - self._before(i, rank, machine)
        return np.where(
            self._marked(i, rank, machine), MACHINE,
            np.where(self._marked(i, people, machine + 1), OUTSIDER, INSIDER),
        )  # fmt: skip

    def issues_before(self, i: Ints, thread: Ints) -> Ints:
        """Issues among the first threads."""
        return spread_before(
            thread, self.plan.issue_count[i], self.thread_count[i], self._issue_offset[i]
        )

    def _merged_among(self, i: Ints, thread: Ints) -> Ints:
        """Accepted pull requests among the first threads."""
        roles = self.opened_before(i, thread)
        return sum(
            (self._before(i, rank, 4 + role) for role, rank in enumerate(roles)),
            np.zeros_like(thread),
        )

    def opened_before(self, i: Ints, thread: Ints) -> tuple[Ints, Ints, Ints]:
        """Pull requests of machines, outsiders and insiders among the first threads."""
        return self._roles_before(i, thread - self.issues_before(i, thread), 2)

    def merged_before(self, i: Ints, thread: Ints) -> tuple[Ints, Ints, Ints]:
        """Those of `opened_before` that are accepted."""
        roles = self.opened_before(i, thread)
        machines, outsiders, insiders = (
            self._before(i, rank, 4 + role) for role, rank in enumerate(roles)
        )
        return machines, outsiders, insiders

    def direct_before(self, i: Ints, rank: Ints) -> tuple[Ints, Ints, Ints]:
        """Machines, outsiders, insiders among the first direct commits."""
        return self._roles_before(i, rank, 0)

    def unlinked_before(self, i: Ints, position: Ints) -> Ints:
        """Commits without a known account among the first."""
        return self._before(i, position, 8)

    def external_issues_before(self, i: Ints, rank: Ints) -> Ints:
        """Issues by outsiders among the first issues."""
        return self._before(i, rank, 7)

    def is_unlinked(self, i: Ints, position: Ints) -> Bools:
        return self._marked(i, position, 8)

    # ------------------------------------------------------------ threads

    def thread_step(self, i: Ints, thread: Ints) -> Ints:
        """The step in which a thread (from 0) is opened."""
        return spread_place(
            thread, self.thread_count[i], self.step_count[i], self._thread_offset[i]
        )

    def threads_before(self, i: Ints, step: Ints) -> Ints:
        return spread_before(step, self.thread_count[i], self.step_count[i], self._thread_offset[i])

    def is_issue(self, i: Ints, thread: Ints) -> Bools:
        found: Bools = np.greater(self.issues_before(i, thread + 1), self.issues_before(i, thread))
        return found

    def issue_thread(self, i: Ints, rank: Ints) -> Ints:
        """The thread (from 0) that is the repository's issue of a rank (from 0)."""
        return spread_place(
            rank, self.plan.issue_count[i], self.thread_count[i], self._issue_offset[i]
        )

    def pull_thread(self, i: Ints, rank: Ints) -> Ints:
        """The thread (from 0) that is the repository's pull request of a rank (from 0)."""
        # Not-issues are spread as evenly: the place follows from the complement's offset.
        total = np.maximum(self.thread_count[i], 1)
        return spread_place(rank, self.plan.pull_count[i], total, total - 1 - self._issue_offset[i])

    def pull_role(self, i: Ints, thread: Ints) -> Ints:
        """MACHINE, OUTSIDER or INSIDER for threads that are pull requests."""
        return self._role(i, thread - self.issues_before(i, thread), 2)

    def is_external_issue(self, i: Ints, thread: Ints) -> Bools:
        return self._marked(i, self.issues_before(i, thread), 7)

    def is_accepted(self, i: Ints, thread: Ints) -> Bools:
        """For threads that are pull requests: is, or will it be, merged."""
        return np.greater(self._merged_among(i, thread + 1), self._merged_among(i, thread))

    def opened_at(self, i: Ints, thread: Ints) -> Ints:
        step = self.thread_step(i, thread)
        return self._time(i, step + 0.5 * self._jitter(i, step, 1))

    def merged_at(self, i: Ints, thread: Ints) -> Ints:
        """When an accepted pull request is merged; only where thread + merge_lag exists."""
        step = self.thread_step(i, thread + self.plan.merge_lag[i])
        return self._time(i, step + 0.5 + 0.5 * self._jitter(i, step, 2))

    # ------------------------------------------------------------ commits

    def commits_before(self, i: Ints, step: Ints) -> Ints:
        threads = self.threads_before(i, step)
        merged = self._merged_among(i, np.maximum(threads - self.plan.merge_lag[i], 0))
        return step - threads + merged

    def commit_step(self, i: Ints, position: Ints) -> Ints:
        """The step that holds the own commit of a position."""
        low, high = np.zeros_like(position), self.step_count[i] - 1
        rounds = int(np.max(high, initial=0)).bit_length()
        for _ in range(rounds):
            middle = (low + high + 1) // 2
            reached = self.commits_before(i, middle) <= position
            low, high = np.where(reached, middle, low), np.where(reached, high, middle - 1)
        return low

    def merged_thread(self, i: Ints, step: Ints) -> Ints:
        """The thread whose merge is the commit of a step, -1 for a direct commit."""
        thread = self.threads_before(i, step)
        is_merge = self.threads_before(i, step + 1) > thread
        return np.where(is_merge, thread - self.plan.merge_lag[i], -1)

    def direct_role(self, i: Ints, step: Ints) -> Ints:
        """MACHINE, OUTSIDER or INSIDER for steps that are direct commits."""
        return self._role(i, step - self.threads_before(i, step), 0)

    def committed_at(self, i: Ints, step: Ints, is_merge: Bools) -> Ints:
        place = np.where(
            is_merge,
            step + 0.5 + 0.5 * self._jitter(i, step, 2),
            step + 0.5 * self._jitter(i, step, 1),
        )
        return self._time(i, place)

    def last_commit_at(self, i: Ints) -> Ints:
        """Time of the newest own commit; the creation where there is none."""
        last = self.plan.own_commit_count[i] - 1
        step = self.commit_step(i, np.maximum(last, 0))
        times = self.committed_at(i, step, self.merged_thread(i, step) >= 0)
        return np.where(last >= 0, times, self.plan.created_at[i])

    # ------------------------------------------------------------ times

    def _jitter(self, i: Ints, step: Ints, part: int) -> Floats:
        return uniform_of(mixed(i, step, self.salt, part))

    def _time(self, i: Ints, place: Floats) -> Ints:
        """The time at a place in [0, step_count), which never runs backwards."""
        life = self.plan.active_until[i] - self.plan.created_at[i]
        share, growth = place / self.step_count[i], self.plan.growth[i]
        share = share * (1 - growth + growth * share)
        return self.plan.created_at[i] + np.floor(life * share).astype(np.int64)
