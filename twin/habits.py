"""What the machines of GitHub do, and when machines and people act within a day.

Belongs here: machines by name, class and trade, which of them serves a repository, and the times
of a day's acts. Does not belong here: how many acts are whose (`drawing`), and what is written
(`texts`).

What is planted is what is known of real accounts (docs/twin.md names the sources), and no more. A
machine has a trade, a few kinds of act, where people do everything. It works off what it has in a
run at its hour, one repository after another, seconds apart; it answers within seconds what
somebody has just opened; an agent works on a task for minutes. Some do neither: they act when
people do, and only their trade tells. People sit down, do several things within minutes to an
hour, and are away for longer.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from twin import events as ev
from twin.draws import DAY, Bools, Hashes, Ints, below, mixed, normal_quantile, uniform_of

# At any time, at fixed hours, right after an opening, on a task in one repository.
ANY, RUNS, ANSWERS, TASKS = range(4)


@dataclass(frozen=True)
class Trade:
    """The types of event that a machine makes; `period` is in hours, for one that RUNS."""

    acts: tuple[int, ...]
    pace: int
    period: int = 24


_UPDATES = (ev.CREATE, ev.PUSH, ev.PULL, ev.DELETE)
_WRITES = (ev.CREATE, ev.PUSH, ev.PULL, ev.ISSUE_COMMENT)
_REVIEWS = (ev.REVIEW, ev.REVIEW_COMMENT)
_NONE = Trade((), ANY)
# Login, class and trade. Suffix, word "bot" without being one, and bots that say nothing: what name
# rules get wrong. The last three never act on their own: `web-flow` commits what is merged on the
# platform, `ghost` stands for deleted accounts. Those without a suffix are old: for each act one of
# them must be there.
MACHINES: tuple[tuple[str, str, Trade], ...] = (
    ("merge-keeper[bot]", "bot", Trade((ev.REVIEW, ev.ISSUE_COMMENT), ANSWERS)),
    ("dep-lifter[bot]", "bot", Trade(_UPDATES, RUNS)),
    ("ci-echo[bot]", "bot", Trade((ev.ISSUE_COMMENT,), ANSWERS)),
    ("stale-sweeper[bot]", "bot", Trade((ev.ISSUES, ev.ISSUE_COMMENT), RUNS)),
    ("twin-release[bot]", "bot", Trade((ev.CREATE, ev.RELEASE), TASKS)),
    ("acme-bot", "bot", Trade((ev.ISSUES, ev.ISSUE_COMMENT, ev.RELEASE), ANSWERS)),
    ("lattice-robot", "bot", Trade(_UPDATES, RUNS, 12)),
    ("docs-botler", "bot", Trade((ev.ISSUE_COMMENT, *_REVIEWS), ANSWERS)),
    ("nightly-sync", "bot", Trade((ev.PUSH,), RUNS)),
    ("mirror-pusher", "bot", Trade((ev.CREATE, ev.PUSH, ev.DELETE), RUNS, 1)),
    ("auto-formatter", "bot", Trade((ev.PUSH,), ANY)),
    ("metrics-writer", "bot", Trade((ev.PUSH,), RUNS, 6)),
    ("dependabot[bot]", "bot", Trade(_UPDATES, RUNS)),
    ("github-actions[bot]", "platform_automation",
     Trade((ev.PUSH, ev.ISSUE_COMMENT, ev.RELEASE), ANY)),
    ("copilot-swe-agent[bot]", "ai_agent", Trade(_WRITES, TASKS)),
    ("Copilot", "ai_agent", Trade(_REVIEWS, ANSWERS)),
    ("patchwright-agent[bot]", "ai_agent", Trade(_WRITES, TASKS)),
    ("quillcoder", "ai_agent", Trade(_WRITES, TASKS)),
    ("fern-code-agent[bot]", "ai_agent", Trade((ev.PULL, *_REVIEWS), ANSWERS)),
    ("github-merge-queue[bot]", "platform_automation", _NONE),
    ("web-flow", "platform_automation", _NONE),
    ("ghost", "ghost", _NONE),
)  # fmt: skip
_PACE = np.array([trade.pace for _, _, trade in MACHINES])
_PERIOD = np.array([trade.period for _, _, trade in MACHINES]) * 3_600
_DOES = np.array([np.isin(np.arange(len(ev.TYPES)), trade.acts) for _, _, trade in MACHINES])
_TALK = (ev.ISSUE_COMMENT, *_REVIEWS)
# Acts of one run and of one task are so many seconds apart at most.
_RUN_STEP, _TASK_STEP = 5, 90
_ANSWERED_WITHIN = 45
# What a person does in so many seconds is one sitting, with pauses of this median and spread.
_SITTING = 4 * 3_600
_PAUSE, _PAUSE_SPREAD = 300.0, 1.4


def pace(machine: Ints) -> Ints:
    """How each machine keeps time; machines are counted from the first one."""
    found: Ints = _PACE[machine]
    return found


def makes(machine: int, act: int) -> bool:
    """Whether a type of event belongs to a machine's trade."""
    return bool(_DOES[machine, act])


def serving(
    candidates: Ints, created_at: Ints, repository: Ints, act: Ints, at: Ints, salt: int
) -> tuple[Ints, Bools]:
    """The one of some machines that does an act in a repository, and whether there is one.

    A repository has its preferences among machines: of those that do the act and are there at the
    time it is the first, so that one machine opens the pull requests whose branches it makes.

    Args:
        candidates: machines, counted from the first one.
        created_at: when these came.
        repository, act, at: elementwise; `act` is the type of the event.
        salt: for the preferences.
    """
    liking = mixed(repository[:, None], candidates[None, :], salt) | np.uint64(1)
    may = _DOES[candidates].T[act] & (created_at[None, :] <= at[:, None])
    best = np.argmax(np.where(may, liking, np.uint64(0)), axis=1)
    is_there: Bools = np.asarray(may.any(axis=1))
    return candidates[best], is_there


def answered(
    machine: Ints, act: Ints, thread_kind: Ints, openings: Iterable[Ints], key: Hashes
) -> tuple[Ints, Ints]:
    """The acts that answer an opening: for each the row of that opening, or -1, and the seconds.

    Args:
        machine, act, thread_kind: of machines' acts, elementwise.
        openings: for each kind of thread from 0 on the rows in which one is opened.
        key: elementwise, decides.
    """
    found = np.full(len(machine), -1)
    talks = (_PACE[machine] == ANSWERS) & np.isin(act, _TALK)
    for kind, rows in enumerate(openings):
        mine = np.flatnonzero(talks & (thread_kind == kind))
        if len(rows):
            found[mine] = rows[below(mixed(key[mine], 1), len(rows))]
    return found, 3 + below(mixed(key, 2), _ANSWERED_WITHIN)


def gathered(machine: Ints, act: Ints, key: Hashes) -> Ints:
    """For each act of a task the row of the machine's thread or release that it is for, or -1.

    Who works on tasks makes a branch, pushes to it and opens a pull request in one repository.

    Args:
        machine, act: of machines' acts, elementwise.
        key: elementwise, decides.
    """
    found = np.full(len(machine), -1)
    ends = np.isin(act, (ev.PULL, ev.RELEASE))
    for one in np.flatnonzero(_PACE == TASKS):
        mine = machine == one
        rows, others = np.flatnonzero(mine & ends), np.flatnonzero(mine & ~ends)
        if len(rows):
            found[others] = rows[below(key[others], len(rows))]
    return found


def times(machine: Ints, act: Ints, repository: Ints, second: Ints, salt: int) -> Ints:
    """When the acts of a day happen, as seconds of the day: those of a run or a task together.

    Args:
        machine, act, repository: of machines' acts, elementwise.
        second: of the day, as drawn; it says to which run an act belongs.
        salt: of the world.
    """
    runs, tasks = _PACE[machine] == RUNS, _PACE[machine] == TASKS
    period = np.where(runs, _PERIOD[machine], DAY)
    # A run belongs to a machine, a task to a machine in a repository.
    place = np.where(tasks, repository, second // period)
    group, rank, count = _grouped((machine, place), (second, _MOMENT[act], repository))
    first = np.full(len(count), DAY)
    np.minimum.at(first, group, second)
    # A run begins at its machine's own time, the same every day, and ends before the next.
    of_run = second // period * period + below(mixed(machine, salt), period * 3 // 4)
    start = np.where(runs, of_run, first[group])
    end = np.where(runs, second // period * period + period, DAY)
    step = np.minimum(np.where(runs, _RUN_STEP, _TASK_STEP), (end - start) / (count[group] + 1))
    jitter = below(mixed(machine, place, rank, salt, 1), 1 << 20) / (1 << 20)
    together = start + np.floor((rank + 0.8 * jitter) * step).astype(np.int64)
    return np.where(runs | tasks, together, second)


def sittings(person: Ints, second: Ints, salt: int) -> Ints:
    """When the acts of a day by people happen, as seconds of the day: in sittings.

    What somebody does within some hours follows the first of it, with pauses of minutes that
    sometimes are long.

    Args:
        person, second: elementwise; `second` of the day, as drawn.
        salt: of the world.
    """
    # Everybody has their own hours: those of all people together stay as they were drawn.
    phase = below(mixed(person, salt), _SITTING)
    block = (second + phase) // _SITTING
    group, rank, count = _grouped((person, block), (second,))
    first = np.full(len(count), DAY)
    np.minimum.at(first, group, second)
    draw = np.clip(uniform_of(mixed(person, block, rank, salt, 2)), 1e-6, 1 - 1e-6)
    pause = np.where(rank > 0, 1 + _PAUSE * np.exp(_PAUSE_SPREAD * normal_quantile(draw)), 0.0)
    order = np.lexsort((rank, group))
    total = np.cumsum(pause[order])
    ends = np.cumsum(count)
    waited = np.empty(len(group))
    waited[order] = total - np.repeat(total[ends - count] - pause[order][ends - count], count)
    # Who has much to do hurries: a sitting ends before the next begins.
    longest = np.zeros(len(count))
    np.maximum.at(longest, group, waited)
    end = np.full(len(count), DAY)
    np.minimum.at(end, group, (block + 1) * _SITTING - phase)
    room = end - first - 1
    pressed = np.minimum(1.0, room / np.maximum(longest, 1.0))
    at: Ints = first[group] + np.floor(waited * pressed[group]).astype(np.int64)
    return at


def _grouped(parts: tuple[Ints, ...], by: tuple[Ints, ...]) -> tuple[Ints, Ints, Ints]:
    """The group of each row, its rank there in order of the last of `by` first, and the sizes."""
    group = np.unique(np.stack(parts, axis=1), axis=0, return_inverse=True)[1].ravel()
    count = np.bincount(group)
    rank = np.empty(len(group), np.int64)
    rank[np.lexsort((*by, group))] = np.arange(len(group)) - np.repeat(
        np.cumsum(count) - count, count
    )
    return group, rank, count


# In one place a branch is made before it is pushed to, and a pull request opened before a word.
_MOMENT = np.zeros(len(ev.TYPES), np.int64)
for _moment, _types in enumerate(
    ((ev.CREATE,), (ev.PUSH,), (ev.PULL, ev.RELEASE, ev.ISSUES), _TALK, (ev.DELETE,))
):
    _MOMENT[list(_types)] = _moment
