"""Running a job from the command line, in this process, with progress and one clear outcome.

Belongs here: the Dagster instance of an installation, executing a job, reading its outcome.
Does not belong here: what a job consists of (jobs) and how an outcome is printed (cli).
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from orchestration import keys
from orchestration.ahead import LARGE, imported_ahead
from orchestration.build import build_defs
from orchestration.lake import write_atomically
from orchestration.manifest import ROOT
from orchestration.settings import Settings

INSTANCE_FILE = "dagster.yaml"
# Where the file names a storage, events are kept there.
STORAGES = {"storage", "event_log_storage"}
# Dagster's own log would be printed between the lines of the progress bar; it is kept in the
# instance and shown in the UI.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class StepFailure:
    """One step that failed.

    Attributes:
        kind: `input` (permanent), `transient`, `quality` (a blocking check) or `bug`.
    """

    step: str
    kind: str
    message: str
    remedy: str = ""
    trace: str = ""


@dataclass
class Outcome:
    """What a run did.

    Attributes:
        materialised: asset keys with their newest metadata values.
        failed_checks: names of the checks that were not passed, with their severity.
    """

    run_id: str
    is_success: bool = False
    materialised: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: list[StepFailure] = field(default_factory=list)
    failed_checks: list[tuple[str, str, str]] = field(default_factory=list)
    check_count: int = 0


@dataclass(frozen=True)
class Tick:
    """Progress of a run: the step under way, assets made of all, and its newest message."""

    step: str
    done: int
    total: int
    message: str = ""


Listener = Callable[[Tick], None]


@contextmanager
def instance_of(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The installation's Dagster instance, the same that the UI shows."""
    home = dagster_home(settings)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def dagster_home(settings: Settings) -> Path:
    """The folder of the instance, with the project's `dagster.yaml` in it."""
    import yaml

    home = (settings.data_dir / "dagster").resolve()
    home.mkdir(parents=True, exist_ok=True)
    text = (ROOT / INSTANCE_FILE).read_text(encoding="utf-8")
    if not STORAGES & yaml.safe_load(text).keys():
        log = {
            "module": "orchestration.events",
            "class": "EventLog",
            "config": {"base_dir": str(home / "history" / "runs")},
        }
        text += yaml.safe_dump({"event_log_storage": log}, allow_unicode=True)
    write_atomically(home / INSTANCE_FILE, text)
    return home


def run_job(
    settings: Settings,
    name: str,
    first: date,
    last: date,
    listener: Listener | None = None,
    without: Collection[dg.AssetKey] = (),
) -> Outcome:
    """Run a job for a range of days (both included) in this process.

    A job of assets without partitions is run as it is, whatever the days.

    Args:
        without: assets of the job that are left for a later run, with their checks.

    Returns:
        What was made and what failed; a failing step raises nothing here.
    """
    job = build_defs(settings).resolve_job_def(name)
    run_id = dg.DagsterRun(job_name=name).run_id
    outcome = Outcome(run_id)
    tags = {
        ASSET_PARTITION_RANGE_START_TAG: first.isoformat(),
        ASSET_PARTITION_RANGE_END_TAG: last.isoformat(),
    }
    made = set(job.asset_layer.executable_asset_keys)
    is_partitioned = job.partitioned_config is not None or job.partitions_def is not None
    one_day = first == last
    has_dbt = any(node.name in keys.DBT_STEPS for node in job.graph.nodes)
    with instance_of(settings) as instance:
        follower = _Follower(outcome, listener, len(made - set(without)))
        instance.add_event_listener(run_id, follower)
        # dbt's own lines would come between ours; they are in its log, under state/dbt.
        with (
            Path(os.devnull).open("w") as nowhere,
            redirect_stdout(nowhere),
            imported_ahead(LARGE if has_dbt else ()),
        ):
            result = job.execute_in_process(
                run_config=_config_of(job, first),
                instance=instance,
                run_id=run_id,
                raise_on_error=False,
                partition_key=first.isoformat() if one_day and is_partitioned else None,
                tags={} if one_day or not is_partitioned else tags,
                asset_selection=sorted(made - set(without)) if without else None,
            )
    outcome.is_success = result.success
    return outcome


def _config_of(job: dg.JobDefinition, day: date) -> Mapping[str, Any]:
    """The job's own configuration, without Dagster's log on the terminal."""
    own = job.partitioned_config
    given = own.get_run_config_for_partition_key(day.isoformat()) if own else job.run_config
    return {**QUIET, **(given or {})}


class _Follower:
    """Collects the outcome from the run's events as they happen."""

    def __init__(self, outcome: Outcome, listener: Listener | None, total: int) -> None:
        self.outcome = outcome
        self.listener = listener
        self.total = total
        self.step = ""
        self.done = 0

    def __call__(self, entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None:
            self._tell(entry.user_message)
            return
        kind = event.event_type
        if kind == dg.DagsterEventType.STEP_START:
            self.step = event.step_key or ""
        elif kind == dg.DagsterEventType.ASSET_MATERIALIZATION:
            materialisation = event.step_materialization_data.materialization
            key = materialisation.asset_key.to_user_string()
            self.outcome.materialised[key] = {
                name: value.value for name, value in materialisation.metadata.items()
            }
            self.done = len(self.outcome.materialised)
        elif kind == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            self._check(event.asset_check_evaluation_data)
        elif kind == dg.DagsterEventType.STEP_FAILURE:
            self.outcome.failures.append(_failure(self.step, event.step_failure_data))
        self._tell("")

    def _check(self, evaluation: Any) -> None:
        self.outcome.check_count += 1
        if not evaluation.passed:
            name = f"{evaluation.asset_key.to_user_string()}: {evaluation.check_name}"
            why = evaluation.description or ""
            self.outcome.failed_checks.append((evaluation.severity.value, name, why))

    def _tell(self, message: str) -> None:
        if self.listener:
            self.listener(Tick(self.step, self.done, self.total, message))


def _failure(step: str, data: Any) -> StepFailure:
    """Read a step's failure: what our steps state, a blocking check, else a bug."""
    told, error = data.user_failure_data, data.error
    trace = error.to_string() if error else ""
    if told is not None:
        stated = {name: value.value for name, value in told.metadata.items()}
        kind, remedy = stated.get("kind", keys.BUG), stated.get("remedy", "")
        return StepFailure(step, kind, told.description or "", remedy, trace)
    if any("AssetCheck" in name for name in _names_of(error)):
        message = "a blocking check failed, what comes after it was not run"
        return StepFailure(step, keys.QUALITY, message, "See the failed checks.", trace)
    lines = (error.message if error else "unknown").strip().splitlines() or ["unknown"]
    return StepFailure(step, keys.BUG, lines[0], "", trace)


def _names_of(error: Any) -> list[str]:
    names = []
    while error is not None:
        names.append(error.cls_name or "")
        error = error.cause
    return names
