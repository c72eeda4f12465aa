"""Keeps tests, and the processes that they start, on the loopback interface.

Belongs here: what counts as local, and what happens to a try that is not. Does not belong here:
fixtures (`conftest`).

A try raises `NetworkForbidden`, which is no OSError, so that code that copes with a broken network
does not cope with it; and it is written to the file that `NETWORK_GUARD_LOG` names, so that the
test fails also where it was a thread or a child process, or where all exceptions are caught.
Python's audit events are watched: native code that opens sockets by itself is not seen.
"""

import ipaddress
import os
import socket
import sys
from typing import Any

LOG_VARIABLE = "NETWORK_GUARD_LOG"
_ADDRESSED = ("socket.connect", "socket.sendto", "socket.sendmsg")
_NAMED = ("socket.getaddrinfo", "socket.gethostbyname")
_LOCAL_NAMES = {"", "localhost", "localhost.localdomain", "ip6-localhost", "<broadcast>"}
_state = {"is_on": False, "is_hooked": False}


class NetworkForbidden(RuntimeError):
    """A test reaches for an address that is not on the loopback interface."""


def install() -> None:
    """Watch from now on; a second call changes nothing."""
    _state["is_on"] = True
    if not _state["is_hooked"]:
        _state["is_hooked"] = True
        sys.addaudithook(_audit)


def suspend() -> None:
    """Let everything pass; a hook cannot be taken away."""
    _state["is_on"] = False


def is_local(host: Any) -> bool:
    """Whether a host is this machine itself."""
    if isinstance(host, bytes | bytearray):
        host = bytes(host).decode("ascii", "replace")
    if host is None or host.lower() in _LOCAL_NAMES or host == socket.gethostname():
        return True
    try:
        address = ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)


def _is_literal(host: Any) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if not _state["is_on"]:
        return
    if event in _ADDRESSED:
        address = args[1]
        # A path is a socket of this machine, and nothing at all goes to who is connected already.
        if isinstance(address, tuple) and address and not is_local(address[0]):
            _forbid(f"{event} {address[0]}:{address[1] if len(address) > 1 else ''}")
    elif event in _NAMED and not is_local(args[0]) and not _is_literal(args[0]):
        _forbid(f"{event} {args[0]}")


def _forbid(what: str) -> None:
    log = os.environ.get(LOG_VARIABLE)
    if log:
        handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, f"{os.getpid()} {what}\n".encode())
        finally:
            os.close(handle)
    raise NetworkForbidden(f"{what}: tests reach no network but loopback")
