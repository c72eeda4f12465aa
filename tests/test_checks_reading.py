"""How checks open the warehouse: each for itself, or once for all of a step."""

from pathlib import Path

import pytest
from databases import database

from checks import warehouse as opened
from checks.warehouse import kept_open, reading
from orchestration.failures import PermanentFailure


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    with database(path) as connection:
        connection.execute("create table one as select timestamptz '2025-01-01 00:00Z' as moment")
    return path


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One for each time that a file is attached."""
    seen: list[None] = []
    attached = opened._attached

    def counted(files):
        seen.append(None)
        return attached(files)

    monkeypatch.setattr(opened, "_attached", counted)
    return seen


def told(path: Path) -> str:
    with reading(warehouse=path) as connection:
        row = connection.execute("select moment::varchar from warehouse.one").fetchone()
    assert row is not None
    return str(row[0])


def test_checks_of_a_step_share_what_is_open(file: Path, opens: list[None]) -> None:
    with kept_open(warehouse=file):
        answers = {told(file) for _ in range(3)}
        with kept_open(warehouse=file):
            answers.add(told(file))
        answers.add(told(file))
    assert answers == {"2025-01-01 00:00:00+00"}
    assert len(opens) == 1
    assert told(file) == answers.pop()
    assert len(opens) == 2


def test_what_is_kept_open_is_of_those_files_alone(file: Path, opens: list[None]) -> None:
    with kept_open(warehouse=file), reading(copy_of_it=file) as connection:
        assert connection.execute("select count(*) from copy_of_it.one").fetchone() == (1,)
    assert len(opens) == 2


def test_nothing_holds_the_file_afterwards(file: Path) -> None:
    def failing() -> None:
        with kept_open(warehouse=file):
            told(file)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    with database(file) as connection:
        connection.execute("insert into one values (now())")


def test_failures_are_told_as_without(file: Path) -> None:
    with kept_open(warehouse=file):
        with pytest.raises(PermanentFailure, match="A table is not as expected"):  # noqa: SIM117
            with reading(warehouse=file) as connection:
                connection.execute("select * from warehouse.missing")
        assert told(file)


def test_missing_warehouse_is_told_by_who_reads(tmp_path: Path) -> None:
    missing = tmp_path / "none.duckdb"
    with kept_open(warehouse=missing), pytest.raises(PermanentFailure, match="There is no"):
        told(missing)
