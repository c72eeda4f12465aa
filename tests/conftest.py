"""What all test files share: where the real data lies, and the guard against the network."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GUARD = ROOT / "tests" / "guard"
# How many workers there are, as the plugin that starts them tells each.
WORKERS = "PYTEST_XDIST_WORKER_COUNT"
sys.path.insert(0, str(GUARD))

import network_guard  # noqa: E402

import orchestration.memory  # noqa: E402, F401

# Read when the client is imported, which test files do before any fixture: otherwise it asks
# huggingface.co who its caller is, whatever its endpoint.
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


class Guard:
    """The tries to reach the network, of this process and of those that it started."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def take(self) -> list[str]:
        """The tries since the last call."""
        if not self.log.exists():
            return []
        lines = self.log.read_text(encoding="utf-8").splitlines()
        self.log.unlink()
        return lines


@pytest.fixture(scope="session", autouse=True)
def network_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """Nothing but loopback, here and in child processes."""
    guard = Guard(tmp_path_factory.mktemp("guard") / "network.log")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(network_guard.LOG_VARIABLE, str(guard.log))
        patch.setenv("PYTHONPATH", str(GUARD), prepend=os.pathsep)
        network_guard.install()
        yield guard
        network_guard.suspend()


# Some tests are run without the plugin that asks.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Three for two cores: some tests wait for a clock, a server or the disk most of their time.

    Eight at most, as each takes memory.
    """
    return min(max(1, 3 * (os.cpu_count() or 1) // 2), 8)


def pytest_configure() -> None:
    """Each worker compiles its share of the test files first, and finds the others' compiled."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        gc.disable()
        files = sorted(path.stem for path in (ROOT / "tests").glob("test_*.py"))
        for name in files[int(worker.removeprefix("gw")) :: int(os.environ[WORKERS])]:
            # What cannot be imported is told when it is collected.
            with suppress(Exception, pytest.skip.Exception):
                import_module(name)


def pytest_collection_finish() -> None:
    """What was imported stays: the collector of garbage need not look at it each time."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: a worker that begins one last works long after the others."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def no_network(network_log: Guard) -> Iterator[None]:
    """Fails the test that reached for the network, also where something caught the exception."""
    yield
    tries = network_log.take()
    assert not tries, f"the network was reached for: {tries}"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real recordings; they are not part of the project."""
    folder = Path(os.environ.get("REAL_DATA_DIR") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is no folder (set REAL_DATA_DIR)")
    return folder
