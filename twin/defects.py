"""What goes wrong with the archive's files, planted on purpose.

Belongs here: which hours are damaged and how, which events are copied into which files, and how
the bytes of a damaged file are made. Does not belong here: which events happen (`archive`) and
the accounting (`generate`).

Planted states of an hour: `missing` (no file), `truncated` (the gzip stream ends early),
`corrupt` (the gzip stream breaks in the middle), `malformed_lines` (extra lines that are not
JSON), `thin` (three events in a hundred are left), `ok`. Planted copies: in the same hour, in
the next hour, in the same hour of the next day, and pushes recorded again under another id.
"""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.archive import PUSH, Events
from twin.world import Ints, stream

STATES = ("ok", "missing", "truncated", "corrupt", "malformed_lines", "thin")
OK, MISSING, TRUNCATED, CORRUPT, MALFORMED, THIN = range(6)
READABLE = (OK, MALFORMED, THIN)
THIN_SHARE = 0.03
TRUNCATED_SHARE = 0.6
COPY_KINDS = ("original", "same_hour", "next_hour", "next_day", "other_id")
ORIGINAL, SAME_HOUR, NEXT_HOUR, NEXT_DAY, OTHER_ID = range(5)


@dataclass(frozen=True)
class Occurrences:
    """Lines that hold events, in order of hour and place in the file.

    `event` indexes the events, `copy` is a `COPY_KINDS` index, `event_id` the id written.
    """

    event: Ints
    hour: Ints
    copy: Ints
    event_id: Ints

    def __len__(self) -> int:
        return len(self.event)


def plan_states(seed: int, hour_count: int, with_defects: bool) -> Ints:
    """A state for each hour file: one hour of each defect, at hours drawn apart.

    The first and last two hours of a day are spared, so that copies across midnight are seen.
    """
    states = np.full(hour_count, OK, np.int64)
    if with_defects:
        candidates = np.flatnonzero(
            (np.arange(hour_count) % 24 >= 2) & (np.arange(hour_count) % 24 <= 21)
        )
        chosen = stream(seed, "defects").choice(candidates, len(STATES) - 1, replace=False)
        states[chosen] = np.arange(1, len(STATES))
    return states


def plan_occurrences(
    events: Events, states: Ints, seed: int, copy_count: int, first_new_hour: int
) -> tuple[Occurrences, Ints]:
    """Where each event is written, and the number of events a thin hour lost, per hour.

    `copy_count` copies of each kind are planted as far as the days have room for them; copies
    are made only of events in readable hours, into readable hours.
    """
    rng = stream(seed, "copies")
    hour_count = len(states)
    thin = states[events.hour] == THIN
    written = ~thin | (rng.uniform(size=len(events)) < THIN_SHARE)
    for hour in np.flatnonzero(states == THIN).tolist():
        of_hour = np.flatnonzero(events.hour == hour)
        written[of_hour[:1]] = True
    lost = np.bincount(events.hour[~written], minlength=hour_count)
    parts = [(np.flatnonzero(written), ORIGINAL, 0)]
    is_readable = np.isin(states, READABLE) & (states != THIN)
    free = written & is_readable[events.hour]
    for kind, step in ((SAME_HOUR, 0), (NEXT_HOUR, 1), (NEXT_DAY, 24), (OTHER_ID, 1)):
        target = events.hour + step
        room = free & (target < hour_count)
        room[room] = is_readable[target[room]]
        if kind == OTHER_ID:
            room &= events.type == PUSH
        candidates = np.flatnonzero(room)
        chosen = rng.choice(candidates, min(copy_count, len(candidates)), replace=False)
        if kind == NEXT_HOUR:
            chosen = _with_midnight(chosen, candidates, events.hour, rng)
        free[chosen] = False
        parts.append((chosen, kind, step))
    return _ordered(events, parts, rng, first_new_hour), lost


def _with_midnight(
    chosen: NDArray[np.int64], candidates: NDArray[np.int64], hour: Ints, rng: np.random.Generator
) -> NDArray[np.int64]:
    """The choice, in which at least one copy goes from the last hour of a day to the next day."""
    late = candidates[hour[candidates] % 24 == 23]
    if len(late) and len(chosen) and not np.isin(chosen, late).any():
        chosen[0] = rng.choice(late)
    return chosen


def _ordered(
    events: Events,
    parts: list[tuple[NDArray[np.int64], int, int]],
    rng: np.random.Generator,
    first_new_hour: int,
) -> Occurrences:
    """Files are nearly, not quite, in order of time; a copy stands behind what it copies."""
    event = np.concatenate([chosen for chosen, _, _ in parts])
    copy = np.concatenate([np.full(len(chosen), kind) for chosen, kind, _ in parts])
    hour = np.concatenate([events.hour[chosen] + step for chosen, _, step in parts])
    place = events.created_at[event] + np.round(rng.normal(0, 2, len(event)), 3)
    place[copy == SAME_HOUR] = np.inf
    order = np.lexsort((copy, place, hour))
    event_id = events.event_id[event]
    again = copy == OTHER_ID
    base = np.where(hour[again] >= first_new_hour, 9_900_000_000, 56_900_000_000)
    event_id[again] = base + rng.permutation(10_000_000)[: int(again.sum())]
    return Occurrences(event[order], hour[order], copy[order], event_id[order])


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
