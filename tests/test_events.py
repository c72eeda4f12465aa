"""The event log over kept connections: the same events as Dagster's own, in the same files."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from orchestration.events import KEPT, EventLog
from orchestration.manifest import ROOT
from orchestration.runs import dagster_home, instance_of
from orchestration.settings import Settings

CHECKS = 3


@dg.asset(check_specs=[dg.AssetCheckSpec(f"check_{n}", asset="thing") for n in range(CHECKS)])
def thing() -> dg.MaterializeResult:
    results = [dg.AssetCheckResult(passed=n > 0, check_name=f"check_{n}") for n in range(CHECKS)]
    return dg.MaterializeResult(check_results=results)


def made(instance: dg.DagsterInstance) -> str:
    return dg.materialize([thing], instance=instance).run_id


def told(log: SqliteEventLogStorage, run: str) -> list[tuple[str, str]]:
    return [(entry.message, entry.get_dagster_event().event_type_value)
            for entry in log.get_logs_for_run(run) if entry.is_dagster_event]  # fmt: skip


@pytest.mark.parametrize("name", ["plain", 'it\'s "a" {data}: <dir> # ünï'])
def test_another_process_reads_the_same_events(tmp_path: Path, name: str) -> None:
    settings = Settings(data_dir=tmp_path / name)
    with instance_of(settings) as instance:
        assert isinstance(instance.event_log_storage, EventLog)
        run = made(instance)
        # Read over a connection of its own while ours is open.
        folder = settings.data_dir / "dagster" / "history" / "runs"
        other = SqliteEventLogStorage(str(folder))
        ours = instance.all_logs(run)
        assert [entry.message for entry in other.get_logs_for_run(run)] == [
            entry.message for entry in ours
        ]
        assert len(told(other, run)) > 2 * CHECKS
        key = dg.AssetCheckKey(dg.AssetKey("thing"), "check_0")
        (found,) = other.get_asset_check_execution_history(key, limit=5)
        assert found.run_id == run
        assert found.status.value == "FAILED"
        other.dispose()
    assert not list(folder.glob("*-wal"))


def test_files_of_many_runs_are_not_all_kept_open(tmp_path: Path) -> None:
    log = EventLog(str(tmp_path))
    runs = [f"run-{number}" for number in range(2 * KEPT)]
    assert [list(log.get_logs_for_run(run)) for run in runs + runs] == [[]] * len(runs + runs)
    assert len(log._kept) == KEPT
    log.dispose()
    assert not log._kept


def test_after_a_wipe_events_go_to_new_files(tmp_path: Path) -> None:
    with instance_of(Settings(data_dir=tmp_path)) as instance:
        first = made(instance)
        instance.wipe()
        assert list(instance.all_logs(first)) == []
        again = made(instance)
        assert len(instance.all_logs(again)) > CHECKS


def test_threads_write_one_at_a_time(tmp_path: Path) -> None:
    with instance_of(Settings(data_dir=tmp_path)) as instance:
        run = made(instance)
        before = len(instance.all_logs(run))

        def write() -> None:
            for number in range(20):
                instance.report_engine_event(f"{number}", job_name="job", run_id=run)

        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(write) for _ in range(4)]:
                done.result()
        assert len(instance.all_logs(run)) == before + 80


def test_the_file_alone_keeps_everything_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dagster dev` beside `workspace.yaml` takes the project's file as it is."""
    home, beside = tmp_path / "home", tmp_path / "beside"
    home.mkdir()
    beside.mkdir()
    monkeypatch.chdir(beside)
    (home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.all_logs(made(instance))
    assert list((home / "history").rglob("*.db"))
    assert not list(beside.iterdir())


def test_a_storage_that_the_file_names_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.setattr("orchestration.runs.ROOT", project)
    chosen = f"storage:\n  sqlite:\n    base_dir: {tmp_path / 'chosen'}\n"
    (project / "dagster.yaml").write_text(chosen)
    assert (dagster_home(Settings(data_dir=tmp_path)) / "dagster.yaml").read_text() == chosen
