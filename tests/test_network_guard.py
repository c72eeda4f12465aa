"""The guard that keeps tests off the network: it must be seen to bite."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests
from conftest import Guard
from network_guard import NetworkForbidden, is_local

# Addresses that are reserved for documentation: nothing answers there, guard or not.
OUTSIDE = "192.0.2.1"
NAME = "archive.example.invalid"


def test_connections_outside_are_forbidden(network_log: Guard) -> None:
    with pytest.raises(NetworkForbidden):
        socket.create_connection((OUTSIDE, 80), timeout=0.1)
    with (
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as six,
        pytest.raises(NetworkForbidden),
    ):
        six.connect_ex(("2001:db8::1", 80))
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        pytest.raises(NetworkForbidden),
    ):
        datagrams.sendto(b"x", (OUTSIDE, 53))
    assert len(network_log.take()) == 3


def test_names_outside_are_not_looked_up(network_log: Guard) -> None:
    with pytest.raises(NetworkForbidden):
        socket.getaddrinfo(NAME, 80)
    with pytest.raises(NetworkForbidden):
        socket.gethostbyname(NAME)
    assert len(network_log.take()) == 2


def test_a_client_does_not_take_it_for_a_broken_network(network_log: Guard) -> None:
    with pytest.raises(NetworkForbidden):
        requests.get(f"http://{OUTSIDE}/", timeout=0.1)
    with pytest.raises(NetworkForbidden):
        requests.get(f"http://{NAME}/", timeout=0.1)
    assert len(network_log.take()) == 2


def test_a_try_that_is_swallowed_is_known(network_log: Guard) -> None:
    def quiet() -> None:
        try:
            socket.create_connection((OUTSIDE, 80), timeout=0.1)
        except Exception:
            return

    thread = threading.Thread(target=quiet)
    thread.start()
    thread.join()
    assert network_log.take() == [f"{os.getpid()} socket.connect {OUTSIDE}:80"]


def test_child_processes_are_guarded(network_log: Guard, tmp_path: Path) -> None:
    code = f"import socket; socket.create_connection(({OUTSIDE!r}, 80), timeout=0.1)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "NetworkForbidden" in done.stderr
    assert [line.split(" ", 1)[1] for line in network_log.take()] == [
        f"socket.connect {OUTSIDE}:80"
    ]


def test_the_fixture_fails_a_test_that_swallows(tmp_path: Path, network_log: Guard) -> None:
    (tmp_path / "conftest.py").write_text(
        (Path(__file__).parent / "conftest.py")
        .read_text(encoding="utf-8")
        .replace('ROOT / "tests" / "guard"', f"Path({str(Path(__file__).parent / 'guard')!r})")
    )
    (tmp_path / "test_bad.py").write_text(
        "import contextlib, socket\n"
        "def test_bad():\n"
        "    with contextlib.suppress(Exception):\n"
        f"        socket.create_connection(({OUTSIDE!r}, 80), timeout=0.1)\n"
        "def test_good():\n"
        "    pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )
    assert "the network was reached for" in done.stdout
    assert "2 passed, 1 error" in done.stdout
    assert network_log.take() == []


def test_loopback_is_free(network_log: Guard) -> None:
    for host in ("127.0.0.1", "127.9.9.9", "localhost", "::1", "::ffff:127.0.0.1", "", None,
                 b"127.0.0.1", "0.0.0.0", socket.gethostname()):  # fmt: skip
        assert is_local(host), host
    for host in (OUTSIDE, NAME, "127.0.0.1.example.org", "::ffff:8.8.8.8", b"8.8.8.8"):
        assert not is_local(host), host
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    left, right = socket.socketpair()
    left.close()
    right.close()
    assert network_log.take() == []
