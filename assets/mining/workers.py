"""Threads that answer questions together.

Belongs here: sharing work among threads, counting what is done, and ending all when one fails.
Does not belong here: what the work is (the engine).
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from assets.mining.questions import Question
from orchestration.failures import TransientFailure

Group = list[Question]
TELL_SECONDS = 0.5
# So many questions without an answer one after another: the platform is down.
MOST_FAILURES_IN_A_ROW = 5
# How long threads that were told to stop are waited for; one request may be in flight in each.
STOP_SECONDS = 10.0


class Stage:
    """Questions that are asked together, and how far they are."""

    def __init__(self, name: str, total: int) -> None:
        self.name, self.total, self.done = name, total, 0
        self.failures: list[str] = []
        self._in_a_row = 0
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def succeed(self, count: int) -> None:
        """So many are answered."""
        with self._lock:
            self.done += count
            self._in_a_row = 0

    def fail(self, failure: TransientFailure, count: int = 1) -> None:
        """So many got no answer.

        Raises:
            TransientFailure: too many did in a row, so that the platform is down.
        """
        with self._lock:
            self.failures += [failure.message] * count
            self._in_a_row += 1
            is_down = self._in_a_row >= MOST_FAILURES_IN_A_ROW
        if is_down:
            raise failure

    def rate(self) -> float:
        """Questions a second since the stage began."""
        return self.done / max(time.monotonic() - self._began, 1e-9)


def in_threads(
    lanes: Sequence[Sequence[tuple[Group, Any]]],
    answer: Callable[[Group, Any], None],
    workers: int,
    failed: threading.Event,
    stop: Callable[[], None],
    tell: Callable[[], None],
) -> None:
    """Do all pieces of work, each lane in so many threads; the first failure ends all of them."""
    lock = threading.Lock()
    raised: list[BaseException] = []

    def labour(rest: Iterator[tuple[Group, Any]]) -> None:
        while not failed.is_set():
            with lock:
                piece = next(rest, None)
            if piece is None:
                return
            try:
                answer(*piece)
            except BaseException as error:
                raised.append(error)
                stop()

    threads = [
        threading.Thread(target=labour, args=(rest,), name=f"mining-{k}", daemon=True)
        for work in lanes
        for rest in [iter(work)]
        for k in range(min(workers, len(work)))
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(TELL_SECONDS)
                tell()
    except BaseException:
        stop()
        for thread in threads:
            thread.join(STOP_SECONDS)
        raise
    if raised:
        raise raised[0]
