"""Processes beside this one that convert hours, as Python runs one thread of a process at a time.

Belongs here: starting them, calling a function in one, handing tasks to them and to this process,
and that none outlives this process. Does not belong here: what is done with an hour (ingest).

A helper is started at its first call and kept until this process ends: starting one takes as long
as converting several small hours.
"""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.util import Finalize
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

from orchestration.failures import TransientFailure

P = ParamSpec("P")
T = TypeVar("T")
Task = TypeVar("Task")


class Helper:
    """One process that works off one call after the other."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    @property
    def is_running(self) -> bool:
        """Whether the process was started, and not killed since as far as is known."""
        return self._pool is not None

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` returns there; it, its arguments and its result are pickled.

        Raises:
            TransientFailure: the process was killed; the next call starts another.
            Exception: whatever the function raises.
        """
        if self._pool is None:
            # Spawned: a fork would inherit the locks of DuckDB's threads without the threads.
            self._pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=_begin)
            # Where this process is itself one of multiprocessing's, as a run that the orchestrator
            # launches, it waits for its children before it ends what they wait for: this comes
            # before that, and before the queues to them are closed (priority 10).
            Finalize(self, self._pool.shutdown, exitpriority=100)
        try:
            return self._pool.submit(function, *args, **kwargs).result()
        except BrokenProcessPool as error:
            self._pool = None
            raise TransientFailure(
                "A process that converts hours was killed, as systems do where memory is short.",
                "Lower archive.workers or archive.memory_megabytes, then run the same again.",
            ) from error


_helpers: list[Helper] = []
# A fork has none of its parent's.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.clear)


def helpers(count: int) -> list[Helper]:
    """So many of this process's helpers: always the same ones."""
    while len(_helpers) < count:
        _helpers.append(Helper())
    return _helpers[:count]


def work_off(
    chains: Iterable[Iterable[Task]], count: int, do: Callable[[Helper | None, Task], T]
) -> Iterator[tuple[Task, T]]:
    """Each task with what `do` returned for it, as they end, at `count` places at a time.

    A place is this process, in one thread for all of its tasks, or a helper. The tasks of a chain
    are done in their order, one after the other; those of different chains in any order. When the
    caller or a task fails, no task is begun any more, and those under way are waited for.

    Args:
        do: called in a thread of the place with its helper, or None for this process.
    """
    if count == 1:
        # In the calling thread, which Ctrl-C ends at once.
        yield from ((task, do(None, task)) for chain in chains for task in chain)
        return
    waiting = deque(chain for chain in map(deque, chains) if chain)
    task_count = sum(map(len, waiting))
    # Ctrl-C may end waiting for this queue, which is C, at any moment. Where futures are waited for
    # it may leave their locks held, and a place that has to tell what it did then never ends.
    ended: SimpleQueue[tuple[Task, T] | BaseException] = SimpleQueue()
    is_over = threading.Event()

    def work(place: Helper | None) -> None:
        while not is_over.is_set():
            try:
                chain = waiting.popleft()
            except IndexError:
                # What is left of other chains is their places' own.
                return
            ended.put(_attempt(do, place, chain.popleft(), is_over))
            if chain:
                waiting.append(chain)

    # A thread whose start Ctrl-C ended may never run, and must not be waited for.
    places: list[Helper | None] = [None, *helpers(count - 1)]
    threads: list[threading.Thread] = []
    try:
        for place in places:
            thread = threading.Thread(target=work, args=(place,), daemon=True)
            thread.start()
            threads.append(thread)
        for _ in range(task_count):
            outcome = ended.get()
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def _attempt(
    do: Callable[[Helper | None, Task], T],
    place: Helper | None,
    task: Task,
    is_over: threading.Event,
) -> tuple[Task, T] | BaseException:
    """A task with what was returned for it; where it failed, why, and the work is over."""
    try:
        return task, do(place, task)
    except BaseException as error:
        is_over.set()
        return error


def _begin() -> None:
    """What a helper does first."""
    # Ctrl-C reaches the whole group: this process's parent decides what becomes of its hours.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End at once when the parent is gone: nobody waits for what this would still commit."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
