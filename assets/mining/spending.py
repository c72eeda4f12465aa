"""What the requests of a night cost.

Belongs here: adding up what the HTTP core tells about each request, and the columns of `requests`.
Does not belong here: limits (orchestration.clients.budgets) and where it is kept (the journal).
"""

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from orchestration.clients.http import Sent

COUNTS = (
    *("call_count", "not_modified_count", "retry_count", "refused_count", "failed_count"),
    "received_bytes",
)
REQUEST_COLUMNS = {
    "kind": "VARCHAR",
    "account": "VARCHAR",
    "hour": "TIMESTAMP",
    **dict.fromkeys(COUNTS, "BIGINT"),
    "waited_seconds": "DOUBLE",
    "limit_count": "BIGINT",
    "remaining_count": "BIGINT",
    "statuses": "VARCHAR",
    "observed_at": "TIMESTAMP",
}


@dataclass
class Spending:
    """What was asked since the last page, by class, account and hour."""

    request_count: int = 0
    waited_seconds: float = 0.0
    _rows: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, sent: Sent) -> None:
        """Count a request that was sent."""
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0, tzinfo=None)
        key = (sent.kind, sent.account, hour.isoformat())
        with self._lock:
            self.request_count += 1
            self.waited_seconds += sent.waited_seconds
            row = self._rows.setdefault(key, _nothing_spent(*key))
            row["call_count"] += 1
            row["not_modified_count"] += sent.is_not_modified
            row["retry_count"] += sent.is_retry
            row["refused_count"] += sent.is_refused_by_limit
            row["failed_count"] += sent.status is None or sent.status >= 500
            row["waited_seconds"] += sent.waited_seconds
            row["received_bytes"] += sent.received_bytes
            row["limit_count"] = sent.limit if sent.limit is not None else row["limit_count"]
            if sent.remaining is not None:
                least = row["remaining_count"]
                row["remaining_count"] = (
                    sent.remaining if least is None else min(least, sent.remaining)
                )
            status = str(sent.status or sent.error)
            row["statuses"][status] = row["statuses"].get(status, 0) + 1

    def taken(self) -> list[dict[str, Any]]:
        """What was not written yet; it is the caller's to write."""
        with self._lock:
            rows = list(self._rows.values())
            self._rows = {}
        return rows


def _nothing_spent(kind: str, account: str, hour: str) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COUNTS, 0)
    row.update(kind=kind, account=account, hour=hour, statuses={})
    row.update(waited_seconds=0.0, limit_count=None, remaining_count=None)
    return row
