"""GitHub's flow in the twin, day by day, and the archive's files of it.

Belongs here: the sequence of days (each drawn once, from what the day before left), which lines
stand in which hour file, and the bytes of a file. Does not belong here: which events happen
(`drawing`), what goes wrong with files (`defects`), JSON (`shapes`).

Day k is a function of (scale, seed, first day, era switch, with defects) and k, however it is
reached: days are drawn in order, a few are kept, and the state between days is kept now and then
so that an earlier day is found again without starting over.

What happened on a day need not stand in that day's files: late events and copies spill into the
next day's. `FlowDay.events` is what happened, `FlowDay.occurrences` what the files hold.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np

from twin import defects
from twin.defects import Occurrences
from twin.drawing import Carried, Drawing
from twin.draws import DAY, Ints, stream
from twin.events import PUSH, Events, joined
from twin.history import History
from twin.past import Past
from twin.shapes import Renderer
from twin.world import World

LEVEL = 1
_KEPT_DAYS, _KEPT_EVENTS = 8, 2_000_000
_STATE_EVERY = 6


@dataclass(frozen=True)
class FlowDay:
    """One day: `number` counts from 0.

    `events` happened on the day, in order of time. `states` are those of its 24 hour files,
    `lost` the events a thin hour lost. `recorded` are the events of which lines may stand in the
    day's files, those of the day before first; `occurrences` are these lines in file order, and
    index `recorded`. `stars` and `forks` are what repositories gained in the flow before the day.
    """

    number: int
    events: Events
    states: Ints
    lost: Ints
    recorded: Events
    occurrences: Occurrences
    stars: Ints
    forks: Ints

    def lines_of(self, hour: int) -> slice:
        """The occurrences in the file of an hour of the day (0 to 23)."""
        wanted = 24 * self.number + hour
        low, high = np.searchsorted(self.occurrences.hour, [wanted, wanted + 1])
        return slice(int(low), int(high))


@dataclass(frozen=True)
class HourFile:
    """The gzip file of an hour, its lines that are no JSON, and for a truncated one how many
    whole lines a tolerant reader finds."""

    data: bytes
    malformed: int
    recoverable: int


@dataclass(frozen=True)
class _Spill:
    """What a day leaves for the next day's files: occurrences index `events`."""

    events: Events
    occurrences: Occurrences
    lost: Ints


@dataclass(frozen=True)
class FlowCommits:
    """Commits that pushes of the flow brought to default branches, in order of the pushes.

    `position` continues the history's; `author` wrote the commit (-1: the address is no
    account's, `person` is who it was) and `committer` is `web_flow` where the platform merged
    `pull_number`. `push` indexes the events. Commits are as old as their push, so that their order
    in time is that of their positions.
    """

    push: Ints
    repository: Ints
    position: Ints
    author: Ints
    person: Ints
    committer: Ints
    committed_at: Ints
    pull_number: Ints


class Flow:
    """The flow of one world, without end; safe to share between threads."""

    def __init__(self, world: World, history: History | None = None) -> None:
        self.world = world
        self.history = history if history is not None else History(world)
        self._drawing = Drawing(world, Past(self.history))
        self._renderer = Renderer(world, self.history)
        self._lock = threading.RLock()
        self._days: OrderedDict[int, FlowDay] = OrderedDict()
        self._states: dict[int, tuple[Carried, _Spill | None]] = {
            0: (self._drawing.beginning(), None)
        }

    @property
    def first_new_hour(self) -> int:
        """The first hour file, counted from day 0, in the newer payload era (may be negative)."""
        world = self.world
        return int(np.ceil((world.era_switch.timestamp() - world.starts_at) / 3_600))

    def day(self, k: int) -> FlowDay:
        """Day k (from 0).

        Raises:
            ValueError: for a negative day.
        """
        if k < 0:
            raise ValueError("the flow has no day before day 0; that is history")
        with self._lock:
            if k not in self._days:
                start = max(day for day in self._states if day <= k)
                for day in range(start, k + 1):
                    self._draw(day)
            self._days.move_to_end(k)
            return self._days[k]

    def hour_bytes(self, k: int, hour: int) -> bytes | None:
        """The archive file of an hour (0 to 23) of day k, None where it is missing."""
        file = self.hour_file(k, hour)
        return file.data if file is not None else None

    def hour_file(self, k: int, hour: int) -> HourFile | None:
        """The archive file of an hour with what is known of it, None where it is missing."""
        day = self.day(k)
        if day.states[hour] == defects.MISSING:
            return None
        with self._lock:
            lines = self.hour_lines(day, hour)
        return self.packed(day, hour, lines)

    def packed(self, day: FlowDay, hour: int, lines: list[bytes]) -> HourFile:
        """The file of an hour from its lines, damaged as planned."""
        state, malformed, recoverable = int(day.states[hour]), 0, 0
        if state == defects.MALFORMED:
            malformed = self.world.scale.malformed_count
            rng = stream(self.world.seed, f"malformed lines of {day.number}-{hour}")
            for line in defects.malformed_lines(lines, malformed, rng):
                lines.insert(int(rng.integers(0, len(lines) + 1)), line)
        text = b"".join(line + b"\n" for line in lines)
        if state == defects.TRUNCATED:
            data, recoverable = defects.truncated(text, LEVEL)
        elif state == defects.CORRUPT:
            data = defects.corrupt(text, LEVEL)
        else:
            data = defects.packed(text, LEVEL)
        return HourFile(data, malformed, recoverable)

    def hour_lines(self, day: FlowDay, hour: int) -> list[bytes]:
        """The lines that hold events; a copy is the very line that was written for the original."""
        lines = day.occurrences.taken(day.lines_of(hour))
        first_new, number = self.first_new_hour, 24 * day.number + hour
        # A copy from before the switch keeps the shape in which it was first recorded; one under
        # another id was recorded twice.
        step = np.where(lines.copy == defects.OTHER_ID, 0, defects.COPY_STEPS[lines.copy])
        is_new = (number >= first_new) & (number - step >= first_new)
        return self._renderer.lines(
            day.recorded.taken(lines.event), is_new, lines.event_id,
            self.world.starts_at + day.number * DAY, (day.stars, day.forks),
        )  # fmt: skip

    def commits(self, events: Events) -> FlowCommits:
        """The commits that the pushes among some events brought, with who wrote them."""
        pushes = np.flatnonzero((events.type == PUSH) & (events.push_distinct_size > 0))
        count = events.push_distinct_size[pushes]
        push = np.repeat(pushes, count)
        place = np.arange(len(push)) - np.repeat(np.cumsum(count) - count, count)
        position = events.first_position[push] + place
        repository, merged = events.repository[push], events.merges[push] > 0
        person = np.where(merged, events.thread_author[push], events.actor[push])
        own = position - self.world.repositories.inherited_count[repository]
        unlinked = self.history.timeline.is_unlinked(repository, own)
        return FlowCommits(
            push=push, repository=repository, position=position,
            author=np.where(unlinked, -1, person), person=person,
            committer=np.where(merged, self.world.accounts.web_flow, person),
            committed_at=events.created_at[push], pull_number=events.merges[push],
        )  # fmt: skip

    def _draw(self, k: int) -> None:
        """Draws day k from the state before it, which must be known."""
        world = self.world
        before, spill = self._states[k]
        events, after = self._drawing.day(before)
        states = np.concatenate([
            defects.states_of_day(world.seed, day, world.with_defects) for day in (k, k + 1)
        ])  # fmt: skip
        planned, lost = defects.plan_occurrences(
            events, k, states, world.seed, world.scale.duplicate_count, self.first_new_hour
        )
        goes_on = planned.hour >= 24 * (k + 1)
        left = np.unique(planned.event[goes_on])
        next_spill = planned.taken(goes_on)
        next_spill = _moved(next_spill, np.searchsorted(left, next_spill.event))
        here, recorded, lost_here = planned.taken(~goes_on), events, lost[:24]
        if spill is not None:
            recorded = joined([spill.events, events])
            events = recorded.taken(slice(len(spill.events), None))
            here = spill.occurrences.and_also(_moved(here, here.event + len(spill.events)))
            lost_here = lost_here + spill.lost
        self._days[k] = FlowDay(
            number=k, events=events, states=states[:24], lost=lost_here, recorded=recorded,
            occurrences=here.in_file_order(), stars=before.stars, forks=before.forks,
        )  # fmt: skip
        self._states[k + 1] = (after, _Spill(events.taken(left), next_spill, lost[24:]))
        if k % _STATE_EVERY and k in self._states:
            del self._states[k]
        while len(self._days) > 2 and (
            len(self._days) > _KEPT_DAYS
            or sum(len(day.recorded) for day in self._days.values()) > _KEPT_EVENTS
        ):
            self._days.popitem(last=False)


def _moved(occurrences: Occurrences, event: Ints) -> Occurrences:
    """The occurrences with other event indices."""
    return replace(occurrences, event=event)
