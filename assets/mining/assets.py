"""What the assets of both platforms' snapshots have in common.

Belongs here: metadata of a night's tables, and log lines of a night under way. Does not belong
here: the assets themselves (assets.github.assets, assets.huggingface.assets).
"""

import time
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from assets.mining import accounting
from assets.mining.engine import ANSWERS, REQUESTS, Progress
from orchestration import metadata
from orchestration.lake import Lake

TELL_SECONDS = 10.0
MOST_STATE_CHARACTERS = 500
PREVIEWED = {
    ANSWERS: ("kind", "subject", "tier", "outcome", "item_count", "recheck_on"),
    REQUESTS: ("kind", "account", "hour", "call_count", "refused_count", "remaining_count"),
}


class Teller:
    """Passes progress on as lines: one for each stage that begins, then at most one in 10 s."""

    def __init__(
        self, tell: Callable[[str], None], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._tell, self._monotonic = tell, monotonic
        self._stage, self._told_at = "", -TELL_SECONDS

    def __call__(self, progress: Progress | str) -> None:
        """Tell, or leave it."""
        stage = progress.split(":")[0] if isinstance(progress, str) else progress.stage
        now = self._monotonic()
        if stage == self._stage and now - self._told_at < TELL_SECONDS:
            return
        self._stage, self._told_at = stage, now
        self._tell(accounting.line_of(progress))


def told(
    lake: Lake, source: str, table: str, previewed: Sequence[str], not_asked: str | None = None
) -> dict[str, Any]:
    """What the UI shows of the newest observation of a table.

    Args:
        previewed: columns of the preview.
        not_asked: why this night asked nothing, where that is so.
    """
    observed = lake.days(source, table)
    why = f"not asked: {not_asked}" if not_asked else None
    if not observed:
        return {"dagster/row_count": 0, "coverage": why or "never observed"}
    partition = lake.partition(source, table, observed[-1])
    current, files = partition.entries(), partition.current_files()
    return {
        "dagster/row_count": sum(entry.get("row_count") or 0 for entry in current),
        "window": f"observed on {observed[-1]}; {len(observed)} days since {observed[0]}",
        "coverage": why or _states(current),
        "source_bytes": sum(entry.get("source_bytes") or 0 for entry in current),
        "lake_bytes": metadata.bytes_of(files),
        "content_hash": partition.content_hash(),
        "preview": metadata.preview(files[:1], previewed),
        "files": metadata.table([_ledger_row(entry) for entry in current]),
        **night(lake, source, table, observed[-1], why),
    }


def night(lake: Lake, source: str, table: str, day: date, not_asked: str | None) -> dict[str, Any]:
    """What became of a day's questions, and what they cost."""
    outcomes = accounting.outcomes(lake, source, day)
    spending = accounting.spending(lake, source, day)
    found: dict[str, Any] = {}
    if outcomes and not not_asked:
        found["coverage"] = accounting.coverage(outcomes)
    if spending:
        found["requests"] = accounting.in_words(spending)
    if table == ANSWERS:
        found["outcomes"] = metadata.table(outcomes)
    if table == REQUESTS:
        found["budgets"] = metadata.table(spending)
    return found


def _states(current: Sequence[dict[str, Any]]) -> str:
    told = ", ".join(f"{entry['name']}: {entry['state']}" for entry in current)
    return told[:MOST_STATE_CHARACTERS] or "empty"


def _ledger_row(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": entry["name"],
        "state": entry["state"],
        "rows": entry.get("row_count"),
        "form": entry.get("source_form"),
        "reason": entry.get("reason") or "",
    }
