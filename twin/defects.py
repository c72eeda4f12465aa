"""What goes wrong with the archive's files, planted on purpose.

Belongs here: which hours are damaged and how, which events are copied into which files, and how
the bytes of a damaged file are made. Does not belong here: which events happen (`archive`) and
the accounting (`generate`).

Planted states of an hour: `missing` (no file), `truncated` (the gzip stream ends early),
`corrupt` (the gzip stream breaks in the middle), `malformed_lines` (extra lines that are not
JSON), `thin` (three events in a hundred are left), `ok`. Planted copies: in the same hour, in
the next hour, in the same hour of the next day, and pushes recorded again under another id.

A day's plan depends on the seed and the day only, never on how many days are written.
"""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.draws import Bools, Floats, Ints, stream
from twin.events import PUSH, Events

STATES = ("ok", "missing", "truncated", "corrupt", "malformed_lines", "thin")
OK, MISSING, TRUNCATED, CORRUPT, MALFORMED, THIN = range(6)
READABLE = (OK, MALFORMED, THIN)
THIN_SHARE = 0.03
TRUNCATED_SHARE = 0.6
COPY_KINDS = ("original", "same_hour", "next_hour", "next_day", "other_id")
ORIGINAL, SAME_HOUR, NEXT_HOUR, NEXT_DAY, OTHER_ID = range(5)
COPY_STEPS = np.array([0, 0, 1, 24, 1])
_COPY_IDS, _NEW_COPY_IDS = 56_900_000_000, 9_900_000_000


@dataclass(frozen=True)
class Occurrences:
    """Lines that hold events.

    `event` indexes a table of events, `hour` counts from the first hour of day 0, `copy` is a
    `COPY_KINDS` index, `event_id` the id written. `place` orders the lines of a file: they are
    nearly, not quite, in order of time, and a copy in the same hour stands behind all others.
    """

    event: Ints
    hour: Ints
    copy: Ints
    event_id: Ints
    place: Floats

    def __len__(self) -> int:
        return len(self.event)

    def taken(self, index: NDArray[Any] | slice) -> "Occurrences":
        return Occurrences(**{name: column[index] for name, column in vars(self).items()})

    def and_also(self, other: "Occurrences") -> "Occurrences":
        columns = vars(other)
        return Occurrences(
            **{name: np.concatenate([column, columns[name]]) for name, column in vars(self).items()}
        )

    def in_file_order(self) -> "Occurrences":
        return self.taken(np.lexsort((self.copy, self.place, self.hour)))


def states_of_day(seed: int, day: int, with_defects: bool) -> Ints:
    """A state for each hour file of a day: in every two days one hour of each defect.

    The first and last two hours of a day are spared, so that copies across midnight are seen.
    """
    states = np.full(48, OK, np.int64)
    if with_defects:
        hour = np.arange(48) % 24
        candidates = np.flatnonzero((hour >= 2) & (hour <= 21))
        rng = stream(seed, f"defects of days {day // 2}")
        states[rng.choice(candidates, len(STATES) - 1, replace=False)] = np.arange(1, len(STATES))
    start = 24 * (day % 2)
    return states[start : start + 24]


def plan_occurrences(
    events: Events, day: int, states: Ints, seed: int, copy_count: int, first_new_hour: int
) -> tuple[Occurrences, Ints]:
    """Where the events of a day are written, and how many of them thin hours lost, per hour.

    `states` are those of the hours of the day and the next, to which late events and copies
    reach. `copy_count` copies of each kind are planted as far as there is room for them; copies
    are made only of events in readable hours of the day, into readable hours.
    """
    rng = stream(seed, f"copies of day {day}")
    hour = events.hour - 24 * day
    written = (states[hour] != THIN) | (rng.uniform(size=len(events)) < THIN_SHARE)
    for thin in np.flatnonzero(states == THIN).tolist():
        written[np.flatnonzero(hour == thin)[:1]] = True
    lost = np.bincount(hour[~written], minlength=48)
    parts = [(np.flatnonzero(written), ORIGINAL)]
    is_readable = np.isin(states, READABLE) & (states != THIN)
    free: Bools = written & is_readable[hour] & (hour < 24)
    for kind in (SAME_HOUR, NEXT_HOUR, NEXT_DAY, OTHER_ID):
        room = free.copy()
        room[room] = is_readable[hour[room] + COPY_STEPS[kind]]
        if kind == OTHER_ID:
            room &= events.type == PUSH
        candidates = np.flatnonzero(room)
        chosen = rng.choice(candidates, min(copy_count, len(candidates)), replace=False)
        if kind == NEXT_HOUR:
            chosen = _with_midnight(chosen, candidates, hour, rng)
        free[chosen] = False
        parts.append((chosen, kind))
    return _occurrences(events, parts, rng, first_new_hour), lost


def _with_midnight(
    chosen: NDArray[np.int64], candidates: NDArray[np.int64], hour: Ints, rng: np.random.Generator
) -> NDArray[np.int64]:
    """The choice, in which at least one copy goes from the last hour of a day to the next day."""
    late = candidates[hour[candidates] == 23]
    if len(late) and len(chosen) and not np.isin(chosen, late).any():
        chosen[0] = rng.choice(late)
    return chosen


def _occurrences(
    events: Events,
    parts: list[tuple[NDArray[np.int64], int]],
    rng: np.random.Generator,
    first_new_hour: int,
) -> Occurrences:
    event = np.concatenate([chosen for chosen, _ in parts])
    copy = np.concatenate([np.full(len(chosen), kind) for chosen, kind in parts])
    hour = events.hour[event] + COPY_STEPS[copy]
    place = events.created_at[event] + np.round(rng.normal(0, 2, len(event)), 3)
    place[copy == SAME_HOUR] = np.inf
    event_id = events.event_id[event]
    again = np.flatnonzero(copy == OTHER_ID)
    base = np.where(hour[again] >= first_new_hour, _NEW_COPY_IDS, _COPY_IDS)
    # A serial number is unique in the flow, and so is the id made of it.
    event_id[again] = base + events.serial[event[again]] * 2 + rng.integers(0, 2, len(again))
    return Occurrences(event, hour, copy, event_id, place)


def malformed_lines(lines: list[bytes], count: int, rng: np.random.Generator) -> list[bytes]:
    """`count` lines that are not JSON: cut lines, an error page, bytes that are not UTF-8."""
    made = []
    for i in range(count):
        line = lines[int(rng.integers(0, len(lines)))]
        made.append(
            (
                line[: len(line) // 2],
                b"<html><body><h1>502 Bad Gateway</h1></body></html>",
                b'{"id":"\xff\xfe","type":"PushEvent"}',
            )[i % 3]
        )
    return made


def packed(text: bytes, level: int) -> bytes:
    """A gzip member without a time or a name, so that equal text gives equal bytes."""
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    return packer.compress(text) + packer.flush()


def truncated(text: bytes, level: int) -> tuple[bytes, int]:
    """A gzip stream that ends early, and how many whole lines a tolerant reader finds in it."""
    whole = packed(text, level)
    data = whole[: max(20, int(len(whole) * TRUNCATED_SHARE))]
    return data, zlib.decompressobj(31).decompress(data).count(b"\n")


def corrupt(text: bytes, level: int) -> bytes:
    """A gzip stream that is valid for its first half and then holds an impossible block."""
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    half = packer.compress(text[: len(text) // 2]) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = packer.compress(text[len(text) // 2 :]) + packer.flush()
    # After a full flush the stream is at a byte boundary, and block type 3 does not exist.
    return half + b"\xff" * 16 + rest[16:]
