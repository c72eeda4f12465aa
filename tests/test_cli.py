"""The command line as a script meets it: exit codes, JSON, one-line errors with a remedy."""

import gzip
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from command import COMMAND, environment_of, one_line, run, run_anew
from databases import database
from test_report import coverage_day, repository
from test_report import published as publication

from orchestration.failures import PermanentFailure
from orchestration.manifest import dbt_manifest
from orchestration.settings import Settings
from orchestration.status import examine

EVENT = {
    "id": "1",
    "type": "WatchEvent",
    "actor": {"id": 5, "login": "ann"},
    "repo": {"id": 7, "name": "lab/tool"},
    "payload": {"action": "started"},
    "public": True,
    "created_at": "2025-10-06T03:00:00Z",
}


@pytest.fixture
def hours(tmp_path: Path) -> Path:
    folder = tmp_path / "hours"
    folder.mkdir()
    lines = [json.dumps(EVENT), json.dumps(EVENT), "{broken", json.dumps({**EVENT, "id": "2"})]
    (folder / "2025-10-06-3.json.gz").write_bytes(gzip.compress("\n".join(lines).encode() + b"\n"))
    (folder / "2025-10-06-4.json.gz").write_bytes(b"no gzip at all")
    return folder


def test_help_names_every_command_and_the_exit_codes(tmp_path: Path) -> None:
    done = run_anew("--help", folder=tmp_path)
    assert done.returncode == 0
    for name in ("demo", "run", "backfill", "status", "doctor", "query", "report",
                 "ingest-archive", "rebuild", "dev", "Exit codes"):  # fmt: skip
        assert name in done.stdout


@pytest.mark.parametrize(
    "arguments", [["nosuch"], ["run", "--day", "yesterday"], ["backfill"], ["query"]]
)
def test_wrong_usage_is_exit_two(arguments: list[str], tmp_path: Path) -> None:
    done = run(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_is_one_line_with_its_name(tmp_path: Path) -> None:
    done = run_anew("status", folder=tmp_path, OSMOSCOPE_ARCHIVE__WORKERS="many")
    assert done.returncode == 2
    assert "archive.workers" in one_line(done.stderr)
    done = run("status", folder=tmp_path, OSMOSCOPE_ARCHVE__WORKERS="2")
    assert done.returncode == 2
    assert "Did you mean OSMOSCOPE_ARCHIVE__WORKERS?" in one_line(done.stderr)


def test_days_that_cannot_be_asked_for_are_refused(tmp_path: Path) -> None:
    for arguments in (
        ["run", "--day", "2014-12-31"],
        ["run", "--day", "2999-01-01"],
        ["backfill", "--from", "2025-01-02", "--to", "2025-01-01"],
    ):
        done = run(*arguments, folder=tmp_path)
        assert done.returncode == 2, arguments
        one_line(done.stderr)


def test_ingest_archive_tells_each_file_in_the_order_given(hours: Path, tmp_path: Path) -> None:
    files = [hours / "2025-10-06-4.json.gz", hours / "2025-10-06-3.json.gz", hours / "none.json.gz"]
    done = run_anew("ingest-archive", *files, "--out", tmp_path / "lake", "--json", folder=tmp_path)
    assert done.returncode == 3
    rows = json.loads(done.stdout)["files"]
    assert [row["path"] for row in rows] == [str(file) for file in files]
    assert [row["state"] for row in rows] == ["corrupt", "malformed_lines", "missing"]
    good = rows[1]
    assert (good["lines"], good["events"], good["duplicates"], good["malformed"]) == (4, 2, 1, 1)
    assert good["types"] == {"WatchEvent": 2}
    assert (good["actors"], good["repositories"]) == (1, 1)
    assert good["first_created_at"] == good["last_created_at"] == "2025-10-06T03:00:00"
    assert sum(good["eras"].values()) == 2
    assert len(good["sha256"]) == 64
    assert not (tmp_path / "data").exists()


def test_ingest_archive_is_a_table_without_json(hours: Path, tmp_path: Path) -> None:
    good = hours / "2025-10-06-3.json.gz"
    done = run("ingest-archive", good, "--out", tmp_path / "lake", folder=tmp_path)
    assert done.returncode == 0
    assert "2025-10-06-3.json.gz" in done.stdout
    assert "malformed_lines" in done.stdout


def test_ingest_archive_does_without_the_orchestrator(hours: Path, tmp_path: Path) -> None:
    """Its import takes as long as the conversion of several hours."""
    command = [sys.executable, "-X", "importtime", str(COMMAND), "ingest-archive"]
    done = subprocess.run(
        [*command, str(hours / "2025-10-06-3.json.gz"), "--out", str(tmp_path / "lake")],
        cwd=tmp_path, env=environment_of(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    imported = {row.rpartition("|")[2].strip() for row in done.stderr.splitlines()}
    assert {"duckdb", "orchestration.lake"} <= imported
    assert not imported & {"dagster", "dbt", "pandas", "pyarrow", "requests", "scipy"}


def test_an_empty_installation_says_what_to_do(tmp_path: Path) -> None:
    done = run("status", folder=tmp_path)
    assert done.returncode == 0
    assert "osmoscope demo" in done.stdout
    assert run_anew("status", "--check", folder=tmp_path).returncode == 5
    done = run("query", "select 1", folder=tmp_path)
    assert done.returncode == 3
    assert "Nothing is published" in one_line(done.stderr)
    assert run("report", folder=tmp_path).returncode == 3


def test_doctor_finds_an_absent_source(tmp_path: Path) -> None:
    (tmp_path / "osmoscope.toml").write_text(
        '[archive]\nsources = ["nowhere"]\n[huggingface]\nsource = "off"\n'
    )
    done = run("doctor", "--json", folder=tmp_path)
    assert done.returncode == 3
    found = {row["subject"]: row for row in json.loads(done.stdout)}
    assert found["archive sources"]["state"] == "fail"
    assert found["software"]["state"] == "ok"
    (tmp_path / "nowhere").mkdir()
    assert run("doctor", folder=tmp_path).returncode == 0


def test_an_environment_without_our_dbt_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that was installed for an earlier version."""
    toml = tmp_path / "osmoscope.toml"
    toml.write_text('[archive]\nsources = ["nowhere"]\n[huggingface]\nsource = "off"\n')
    settings = Settings.load(toml)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(PermanentFailure, match="osmoscope-dbt is missing") as failure:
        dbt_manifest(settings)
    assert "Install the project again" in failure.value.remedy
    (found,) = [one for one in examine(settings) if one.subject == "dbt"]
    assert (found.state, found.remedy) == ("fail", failure.value.remedy)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    repositories = [
        repository(platform, number, star_stock_count=number, star_flow_count=number)
        for platform in ("github", "huggingface")
        for number in range(4)
    ]
    publication(tmp_path / "data", repositories, [coverage_day("github", date(2025, 10, 6))])
    return tmp_path


def test_query_reads_the_published_marts(published: Path) -> None:
    sql = "select platform, count(*) as n from mart_repository_activity group by 1 order by 1"
    done = run("query", sql, "--json", folder=published)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert rows
    assert {"platform", "n"} == set(rows[0])
    done = run("query", sql, "--csv", folder=published)
    assert done.stdout.splitlines()[0] == "platform,n"
    assert run("query", sql, folder=published).returncode == 0


def test_a_long_query_prints_its_rows_only(published: Path) -> None:
    """DuckDB would show its progress on the same stream."""
    sql = "select current_setting('enable_progress_bar') as shown"
    done = run("query", sql, "--json", folder=published)
    assert json.loads(done.stdout) == [{"shown": False}]


def test_query_tells_when_it_cuts(published: Path) -> None:
    done = run_anew("query", "select * from range(10)", "--rows", 3, "--json", folder=published)
    assert len(json.loads(done.stdout)) == 3
    assert "first 3 rows" in done.stderr


@pytest.mark.parametrize(
    "sql",
    [
        "selec 1",
        "drop table mart_coverage",
        "select * from read_text('/etc/hostname')",
        "copy (select 1) to 'stolen.csv'",
        "set enable_external_access = true",
        "attach 'other.duckdb'",
    ],
)
def test_query_can_neither_write_nor_reach_files(sql: str, published: Path) -> None:
    done = run("query", sql, folder=published)
    assert done.returncode == 3
    assert "The query fails" in one_line(done.stderr)
    assert not (published / "stolen.csv").exists()


def test_report_is_rendered_from_the_copy(published: Path) -> None:
    done = run("report", folder=published)
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.strip())
    assert "<html" in path.read_text(encoding="utf-8")


def test_a_bug_is_one_line_and_a_traceback_only_on_demand(published: Path) -> None:
    marts = published / "data" / "published" / "marts.duckdb"
    target = marts.resolve()
    target.unlink()
    with database(target) as connection:
        connection.execute("create table something_else (a integer)")
    done = run("status", folder=published)
    assert done.returncode == 1
    assert "This is a bug of ours" in one_line(done.stderr)
    assert "Traceback" in run("--debug", "status", folder=published).stderr


def test_the_demonstration_never_replaces_what_is_not_one(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "lake").write_text("precious")
    done = run("demo", "--folder", "mine", folder=tmp_path)
    assert done.returncode == 3
    assert "no demonstration" in one_line(done.stderr)
    assert (tmp_path / "mine" / "lake").read_text() == "precious"
