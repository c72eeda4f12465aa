"""Who may read what on the twin's Hub: callers, and requests for access to gated repositories.

Belongs here: whose a token is, and what became of a request. Does not belong here: HTTP.

Requests are the only thing that a caller changes. What becomes of one is decided when it is made:
a repository with automatic approval grants it at once; of the others three in ten are granted
and two in ten rejected after some days of the world, the rest stays pending. Behaviour as
recorded from the Hub in October 2026: who asks again while a request is there changes nothing.
"""

import threading
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from twin.draws import DAY, below, mixed, uniform_of

if TYPE_CHECKING:
    from twin.hub import HubView

ACCEPTED, PENDING, REJECTED = "accepted", "pending", "rejected"
GRANTED_SHARE, REJECTED_SHARE = 0.3, 0.2
# The beginning of a token that speaks for an account of the world; its login follows.
ACCOUNT_TOKEN = "hf_twin_"  # noqa: S105


@dataclass(frozen=True)
class Reader:
    """A caller: `name` as the Hub shows it, `account` its index or -1 for a stranger."""

    name: str
    account: int = -1


def reader_of(view: "HubView", token: str | None) -> Reader | None:
    """Whose a token is; None without one. A token unknown to the world is a stranger's."""
    if not token:
        return None
    login = token.removeprefix(ACCOUNT_TOKEN)
    account = view.user(login) if login != token else None
    if account is not None and account < len(view.accounts.login):
        return Reader(login, account)
    return Reader(f"reader-{sha256(token.encode()).hexdigest()[:12]}")


@dataclass(frozen=True)
class AccessRequest:
    """A request, as asked. Times are the world's."""

    repository: int
    name: str
    asked_at: int
    decided_at: int
    outcome: str

    def status(self, now: int) -> str:
        """`accepted`, `pending` or `rejected` at a time."""
        return self.outcome if now >= self.decided_at else PENDING


class AccessRequests:
    """All requests since the twin was made; safe for several threads."""

    def __init__(self) -> None:
        self._requests: dict[tuple[int, str], AccessRequest] = {}
        self._lock = threading.Lock()

    def ask(self, view: "HubView", repository: int, reader: Reader) -> AccessRequest:
        """Ask for access to a gated repository; an earlier request stays."""
        key = np.array([int.from_bytes(sha256(reader.name.encode()).digest()[:7], "big")])
        hashed = mixed(key, repository, view.hub.salt)
        draw = float(uniform_of(hashed)[0])
        outcome, wait = PENDING, 0
        if view.gated[repository] == 1 or draw < GRANTED_SHARE:
            outcome = ACCEPTED
        elif draw < GRANTED_SHARE + REJECTED_SHARE:
            outcome = REJECTED
        if view.gated[repository] != 1:
            wait = 3_600 + int(below(mixed(hashed, 1), 3 * DAY)[0])
        request = AccessRequest(repository, reader.name, view.now, view.now + wait, outcome)
        with self._lock:
            return self._requests.setdefault((repository, reader.name), request)

    def of(self, repository: int, reader: Reader) -> AccessRequest | None:
        """The request of a caller, if there is one."""
        with self._lock:
            return self._requests.get((repository, reader.name))

    def withdraw(self, repository: int, reader: Reader, now: int) -> bool:
        """Take a pending request back; false where there is none."""
        with self._lock:
            request = self._requests.get((repository, reader.name))
            if request is None or request.status(now) != PENDING:
                return False
            del self._requests[repository, reader.name]
            return True

    def all(self) -> list[AccessRequest]:
        """Every request, in the order in which they were made."""
        with self._lock:
            return list(self._requests.values())
