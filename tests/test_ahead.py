"""Libraries are imported beside the work, and a run does not wait for those that it needs not."""

import sys
import threading
from pathlib import Path

import pytest

from orchestration.ahead import LARGE, imported_ahead


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_what_is_needed_later_is_there(modules: Path) -> None:
    (modules / "ahead_first.py").write_text("raise RuntimeError('broken')\n")
    (modules / "ahead_second.py").write_text("import ahead_gate; ahead_gate.done.set()\n")
    (modules / "ahead_gate.py").write_text("import threading; done = threading.Event()\n")
    with imported_ahead(["ahead_missing", "ahead_first", "ahead_gate", "ahead_second"]):
        import ahead_gate

        assert ahead_gate.done.wait(60)
    assert "ahead_second" in sys.modules
    assert "ahead_first" not in sys.modules


def test_a_block_that_ends_imports_no_more(modules: Path) -> None:
    (modules / "ahead_begun.py").write_text("import threading; begun = threading.Event()\n")
    (modules / "ahead_slow.py").write_text(
        "import ahead_begun, threading; ahead_begun.begun.set(); ahead_begun.free.wait(60)\n"
    )
    import ahead_begun

    ahead_begun.free = threading.Event()
    (modules / "ahead_never.py").write_text("")
    with imported_ahead(["ahead_slow", "ahead_never"]):
        assert ahead_begun.begun.wait(60)
        # Long after the block has ended.
        threading.Timer(1.0, ahead_begun.free.set).start()
    assert "ahead_slow" in sys.modules
    assert "ahead_never" not in sys.modules
    assert not any(thread.name == "imports" for thread in threading.enumerate())


def test_the_libraries_are_there() -> None:
    from importlib.util import find_spec

    assert all(find_spec(name.partition(".")[0]) for name in LARGE)
