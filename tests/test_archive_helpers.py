"""The processes beside this one: what they give back, and what becomes of them."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from archive_support import DAY, ingester, leftovers, write_day

from assets.github import helpers, ingest
from assets.github.helpers import Helper
from orchestration.clients.archive import ArchiveSource
from orchestration.failures import PermanentFailure, TransientFailure
from orchestration.lake import is_running

ROOT = Path(__file__).resolve().parents[1]


def refuse(message: str, remedy: str) -> None:
    raise PermanentFailure(message, remedy)


def is_gone(number: int) -> bool:
    """Whether a process has ended, or ends within ten seconds."""
    for _ in range(200):
        if not is_running(number):
            return True
        time.sleep(0.05)
    return False


def test_helper_is_one_other_process_from_call_to_call() -> None:
    helper = Helper()
    assert not helper.is_running
    number = helper.call(os.getpid)
    assert number != os.getpid()
    assert helper.call(os.getpid) == number
    assert helper.is_running


def test_failure_of_a_helper_keeps_its_message_and_remedy() -> None:
    with pytest.raises(PermanentFailure) as failure:
        helpers.helpers(1)[0].call(refuse, "It is so.", "Do this.")
    assert (failure.value.message, failure.value.remedy) == ("It is so.", "Do this.")


def test_ctrl_c_is_for_the_parent_to_act_on() -> None:
    helper = helpers.helpers(1)[0]
    number = helper.call(os.getpid)
    os.kill(number, signal.SIGINT)
    assert helper.call(os.getpid) == number


def test_killed_helper_is_told_and_replaced() -> None:
    helper = Helper()
    number = helper.call(os.getpid)
    with pytest.raises(TransientFailure, match="was killed") as failure:
        helper.call(os.kill, number, signal.SIGKILL)
    assert "archive.workers" in failure.value.remedy
    assert not helper.is_running
    assert helper.call(os.getpid) != number


def test_killed_helper_costs_the_day_one_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_day(tmp_path / "p")
    first_is_killed(monkeypatch)
    work, source = ingester(tmp_path / "lake", workers=2), ArchiveSource([str(tmp_path / "p")])
    with pytest.raises(TransientFailure, match="was killed"):
        work.day(source, DAY)
    partition = work.lake.partition("gharchive", "events", DAY)
    assert len(partition.entries()) == 23
    assert len(work.day(source, DAY)) == 24
    assert leftovers(work.lake) == []


def first_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One helper, whose first call ends with the death of its process."""
    helper, calls = Helper(), count()
    call = helper.call

    def called(function: Callable[..., Any], *args: Any) -> Any:
        if next(calls) == 0:
            return call(signal.raise_signal, signal.SIGKILL)
        return call(function, *args)

    monkeypatch.setattr(helpers, "_helpers", [helper])
    monkeypatch.setattr(helper, "call", called)


def test_killed_helper_ends_the_ingest_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_day(tmp_path / "p")
    first_is_killed(monkeypatch)
    monkeypatch.setattr(ingest, "HELPER_BYTES", 1)
    work, paths = ingester(tmp_path / "lake", workers=2), sorted((tmp_path / "p").iterdir())
    with pytest.raises(TransientFailure, match="was killed"):
        work.files(paths)
    assert [entry["state"] for entry in work.files(paths)] == ["ok"] * 24
    assert leftovers(work.lake) == []


@pytest.mark.parametrize("count", [1, 2, 3])
def test_chains_are_worked_off_in_their_order(count: int) -> None:
    rng = random.Random(count)
    chains = [[(chain, link) for link in range(rng.randint(0, 4))] for chain in range(12)]
    assert [] in chains
    ended: list[tuple[int, int]] = []

    def do(_: Helper | None, task: tuple[int, int]) -> int:
        before = [other for other in ended if other[0] == task[0]]
        assert before == chains[task[0]][: task[1]]
        time.sleep(rng.random() / 500)
        ended.append(task)
        return sum(task)

    told = list(helpers.work_off(chains, count, do))
    assert sorted(told) == [(task, sum(task)) for chain in chains for task in chain]


def test_chains_are_worked_off_at_the_same_time() -> None:
    is_other_begun = threading.Event()

    def do(_: Helper | None, task: str) -> bool:
        if task == "other":
            is_other_begun.set()
        return is_other_begun.wait(10)

    chains = [["first", "second"], ["other"]]
    done = dict(helpers.work_off(chains, 2, do))
    assert done == {"first": True, "second": True, "other": True}


@pytest.mark.parametrize("count", [1, 2])
def test_failed_task_ends_the_work(count: int) -> None:
    begun: list[int] = []

    def do(_: Helper | None, task: int) -> None:
        begun.append(task)
        if task == 0:
            refuse("It is so.", "Do this.")
        time.sleep(0.05)

    with pytest.raises(PermanentFailure):
        list(helpers.work_off([[0, 1], *([task] for task in range(2, 40))], count, do))
    assert 1 not in begun
    assert len(begun) < 10


INTERRUPTED = """
import random, signal, time
from assets.github.helpers import work_off

def interrupt(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
rng, tasks, ended = random.Random(4), [[n] for n in range(2000)], 0
for _ in range(300):
    try:
        for task, _ in work_off(tasks, 2, lambda place, task: time.sleep(0)):
            if task == 0:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.0001, 0.003))
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        ended += 1
print(ended)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no timer of a process")
def test_ctrl_c_ends_the_work_whatever_it_was_waiting_for() -> None:
    """In waiting for futures it may leave a lock held, for which their threads wait for ever."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], cwd=ROOT, timeout=60, check=True, text=True,
        capture_output=True,
    )  # fmt: skip
    assert int(done.stdout) > 200, done.stderr


def test_helper_lets_go_of_a_day(tmp_path: Path) -> None:
    write_day(tmp_path / "p")
    work = ingester(tmp_path / "lake", workers=2)
    assert len(work.day(ArchiveSource([str(tmp_path / "p")]), DAY)) == 24
    assert helpers.helpers(1)[0].call(held) == 0
    assert leftovers(work.lake) == []


def held() -> int:
    """How many days the process that this is called in has files open for."""
    return len(ingest._ingesters)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_fork_has_none_of_its_parents_helpers() -> None:
    helpers.helpers(1)[0].call(os.getpid)
    child = os.fork()
    if not child:
        os._exit(len(helpers._helpers))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert helpers.helpers(1)[0].is_running


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("is_busy", [False, True])
def test_no_helper_outlives_its_parent(is_busy: bool) -> None:
    program = (
        "import os, threading, time\n"
        "from assets.github.helpers import helpers\n"
        "helper = helpers(1)[0]\n"
        "number = helper.call(os.getpid)\n"
        f"if {is_busy}: threading.Thread(target=helper.call, args=(time.sleep, 60)).start()\n"
        "time.sleep(0.2)\n"
        "print(number, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        number = int(parent.stdout.readline())
        assert is_running(number)
        parent.kill()
        parent.wait()
    assert is_gone(number)


NESTED = """
import multiprocessing, os
from assets.github.helpers import helpers

def run():
    print(helpers(1)[0].call(os.getpid), flush=True)

if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=run)
    process.start()
    process.join()
    print(process.exitcode)
"""


def test_run_in_a_process_of_its_own_ends_with_its_helper(tmp_path: Path) -> None:
    """As the orchestrator launches runs."""
    script = tmp_path / "nested.py"
    script.write_text(NESTED, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=ROOT, timeout=60, check=True, text=True,
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    number, code = done.stdout.split()
    assert code == "0"
    assert is_gone(int(number))


def test_process_ends_with_its_helper() -> None:
    program = "import os; from assets.github.helpers import helpers; "
    program += "print(helpers(1)[0].call(os.getpid))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, timeout=60, check=True, capture_output=True
    )
    assert done.stderr == b""
    assert is_gone(int(done.stdout))
