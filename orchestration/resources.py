"""What steps are given at run time: the installation they work for.

Belongs here: Dagster resources, and the translation of our failures into Dagster's. Does not
belong here: clients of sources (orchestration.clients) and settings' definitions.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from filelock import FileLock, Timeout

from orchestration import keys
from orchestration.failures import OsmoscopeError, TransientFailure
from orchestration.lake import Lake
from orchestration.salt import address_salt
from orchestration.settings import Settings

# A night's dbt build takes minutes; who waits longer waits for a stuck process.
WAREHOUSE_WAIT_SECONDS = 3600.0


# pyrefly: ignore[implicit-any-type-argument] - Dagster names no type for a resource that is itself
class Installation(dg.ConfigurableResource):
    """One installation: its settings, lake, warehouse and salt.

    Attributes:
        values: the settings as plain values (tokens are never among them), so that the UI
            shows with what a run worked.
    """

    values: dict[str, Any]

    @classmethod
    def of(cls, settings: Settings) -> "Installation":
        """The resource for settings that were read and validated before."""
        return cls(values=settings.model_dump(mode="json"))

    def settings(self) -> Settings:
        """The validated settings."""
        return Settings.restored(self.values)

    def lake(self) -> Lake:
        """The lake of raw data."""
        return Lake(self.settings().lake_root)

    def salt(self) -> bytes:
        """The installation's salt for e-mail addresses."""
        return address_salt(self.settings().data_dir)

    @contextmanager
    def warehouse(self) -> Iterator[Path]:
        """The path of the warehouse while no other process of ours has it open.

        Raises:
            TransientFailure: another process kept it for too long.
        """
        settings = self.settings()
        with warehouse_lock(settings):
            yield settings.warehouse_path


@contextmanager
def warehouse_lock(
    settings: Settings, wait_seconds: float = WAREHOUSE_WAIT_SECONDS
) -> Iterator[None]:
    """Keep other processes of this installation out of the warehouse."""
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.state_dir / "warehouse.lock", timeout=wait_seconds)
    try:
        lock.acquire()
    except Timeout as error:
        raise TransientFailure(
            "The warehouse is in use by another run.", "Wait for that run, or end it."
        ) from error
    try:
        yield
    finally:
        lock.release()


def retry_policy() -> dg.RetryPolicy:
    """The one retry of a step; clients have retried single requests before."""
    return dg.RetryPolicy(
        max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
    )


@contextmanager
def told_to_dagster() -> Iterator[None]:
    """Let a step fail with one clear line, retried only where that can help.

    Dagster's retry policy would repeat every failure; only a TransientFailure deserves it.
    """
    try:
        yield
    except OsmoscopeError as error:
        may_retry = isinstance(error, TransientFailure)
        kind = keys.TRANSIENT if may_retry else keys.INPUT
        raise dg.Failure(
            description=error.message,
            metadata={"kind": kind, "remedy": error.remedy or "none known"},
            allow_retries=may_retry,
        ) from error
    except Exception as error:
        lines = str(error).strip().splitlines() or ["no message"]
        raise dg.Failure(
            description=f"{type(error).__name__}: {lines[0]}",
            metadata={"kind": keys.BUG, "remedy": "See the trace of the step."},
            allow_retries=False,
        ) from error
