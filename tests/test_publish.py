"""The publish step: what may leave, that it arrives whole, and what readers see meanwhile."""

import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from databases import database

from assets.publish import snapshot
from assets.publish.snapshot import PUBLISHED_TABLES, PublishResult, publish
from orchestration.failures import PermanentFailure, TransientFailure

ROOT = Path(__file__).parent.parent
MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def change(warehouse: Path, *statements: str) -> None:
    with database(warehouse) as connection:
        connection.begin()
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.fixture
def warehouse(built: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copy(built, tmp_path / "warehouse.duckdb"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse whose marts have two columns: the step does not know what is in them."""
    path = tmp_path_factory.mktemp("built") / "warehouse.duckdb"
    change(
        path,
        "CREATE SCHEMA marts",
        "CREATE SCHEMA core",
        "CREATE TABLE core.dim_actor (actor_login VARCHAR)",
        *(
            f"CREATE TABLE marts.{name} AS SELECT range AS id, 'name ' || range AS name"
            " FROM range(10)"
            for name in PUBLISHED_TABLES
        ),
        "COMMENT ON TABLE marts.mart_coverage IS 'One row, one platform''s day.'",
        "COMMENT ON COLUMN marts.mart_coverage.id IS 'The key.'",
    )
    return path


def published(warehouse: Path, keep_versions: int = 3, **options: Any) -> PublishResult:
    chosen: dict[str, Any] = {"published_at": MOMENT, "software_version": "1.2.3"} | options
    return publish(warehouse, warehouse.parent / "published", keep_versions, **chosen)


def add_row(warehouse: Path, number: int) -> None:
    change(warehouse, f"INSERT INTO marts.mart_coverage VALUES ({number}, 'new')")


def query(path: Path, text: str) -> list[tuple[Any, ...]]:
    # As who reads the copy does: the file's name is that of a schema, too.
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(text).fetchall()


def versions(result: PublishResult) -> list[str]:
    return sorted(path.name for path in (result.marts_path.parent / "versions").iterdir())


def test_tables_comments_and_publication_arrive(warehouse: Path) -> None:
    result = published(warehouse)
    assert not result.is_unchanged
    assert result.published_at == MOMENT
    marts = result.marts_path
    tables = query(marts, "SELECT table_name FROM duckdb_tables() ORDER BY 1")
    assert [name for (name,) in tables] == sorted([*PUBLISHED_TABLES, "publication"])
    assert query(marts, "SELECT count(*), sum(id) FROM marts.mart_coverage") == [(10, 45)]
    comments = "SELECT comment FROM duckdb_{}() WHERE {} AND comment IS NOT NULL"
    assert query(marts, comments.format("tables", "table_name = 'mart_coverage'")) == [
        ("One row, one platform's day.",)
    ]
    assert query(marts, comments.format("columns", "column_name = 'id'")) == [("The key.",)]
    rows = query(marts, "SELECT * FROM publication ORDER BY table_name")
    for (version, moment, name, count, digest, software), expected in zip(
        rows, sorted(PUBLISHED_TABLES), strict=True
    ):
        assert (version, moment) == (result.version, MOMENT.replace(tzinfo=None))
        assert (name, count, software) == (expected, 10, "1.2.3")
        assert digest == result.tables[name].content_hash


def test_parquet_holds_the_same_rows(warehouse: Path) -> None:
    result = published(warehouse)
    files = sorted(path.stem for path in result.parquet_dir.iterdir())
    assert files == sorted([*PUBLISHED_TABLES, "publication"])
    glob = str(result.parquet_dir / "mart_coverage.parquet")
    assert duckdb.execute("SELECT sum(id) FROM read_parquet(?)", [glob]).fetchall() == [(45,)]


def test_only_listed_tables_leave_and_the_rest_is_named(warehouse: Path) -> None:
    change(warehouse, "CREATE TABLE marts.mart_actor AS SELECT 'secret-login' AS handle")
    change(warehouse, "INSERT INTO core.dim_actor VALUES ('secret-login')")
    result = published(warehouse)
    assert result.withheld == ["mart_actor"]
    for path in (result.marts_path.parent / "versions" / result.version).rglob("*"):
        assert path.is_dir() or b"secret-login" not in path.read_bytes()


@pytest.mark.parametrize(
    "column",
    ["actor_login", "login", "comment_body", "thread_title", "author", "email", "actor_key"],
)
def test_a_personal_column_stops_the_publication(warehouse: Path, column: str) -> None:
    before = published(warehouse)
    change(warehouse, f"ALTER TABLE marts.mart_coverage ADD COLUMN {column} VARCHAR")
    with pytest.raises(PermanentFailure, match=f"mart_coverage.{column}"):
        published(warehouse)
    assert versions(before) == [before.version]


def test_a_missing_mart_stops_the_publication_and_the_old_one_stays(warehouse: Path) -> None:
    before = published(warehouse)
    change(warehouse, "DROP TABLE marts.mart_coverage")
    with pytest.raises(PermanentFailure, match="lacks mart_coverage"):
        published(warehouse)
    assert query(before.marts_path, "SELECT count(*) FROM mart_coverage") == [(10,)]


def test_a_view_is_published_as_a_table(warehouse: Path) -> None:
    change(
        warehouse,
        "ALTER TABLE marts.mart_coverage RENAME TO hidden",
        "CREATE VIEW marts.mart_coverage AS FROM marts.hidden",
        "COMMENT ON VIEW marts.mart_coverage IS 'A view.'",
    )
    result = published(warehouse)
    found = "SELECT comment FROM duckdb_tables() WHERE table_name = 'mart_coverage'"
    assert query(result.marts_path, found) == [("A view.",)]


def test_same_content_again_says_so_and_writes_nothing(warehouse: Path) -> None:
    first = published(warehouse)
    # The same rows in another order are the same content.
    change(
        warehouse,
        "CREATE OR REPLACE TABLE marts.mart_intensity_summary AS"
        " FROM marts.mart_intensity_summary ORDER BY id DESC",
    )
    again = published(warehouse, published_at=datetime(2026, 3, 5, tzinfo=UTC))
    assert again.is_unchanged
    assert (again.version, again.published_at) == (first.version, MOMENT)
    assert versions(again) == [first.version]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO marts.mart_coverage VALUES (0, 'name 0')",
        "UPDATE marts.mart_coverage SET name = NULL WHERE id = 3",
        "ALTER TABLE marts.mart_coverage RENAME COLUMN name TO other",
        "ALTER TABLE marts.mart_coverage ALTER COLUMN id TYPE INTEGER",
        "COMMENT ON COLUMN marts.mart_coverage.id IS 'Another text.'",
    ],
)
def test_any_change_is_a_new_version(warehouse: Path, statement: str) -> None:
    first = published(warehouse)
    change(warehouse, statement)
    second = published(warehouse)
    assert not second.is_unchanged
    assert versions(second) == [first.version, second.version]


def test_duplicates_are_not_cancelled_out_of_the_hash(warehouse: Path) -> None:
    first = published(warehouse).tables["mart_coverage"]
    change(warehouse, "INSERT INTO marts.mart_coverage VALUES (77, 'twice'), (77, 'twice')")
    second = published(warehouse).tables["mart_coverage"]
    change(warehouse, "UPDATE marts.mart_coverage SET id = 78 WHERE id = 77")
    third = published(warehouse).tables["mart_coverage"]
    assert len({first.content_hash, second.content_hash, third.content_hash}) == 3


def test_old_versions_are_pruned_and_never_the_current_one(warehouse: Path) -> None:
    results = []
    for number in range(4):
        add_row(warehouse, number)
        results.append(published(warehouse, keep_versions=2))
    assert versions(results[-1]) == [results[2].version, results[3].version]
    assert results[-1].pruned == [results[1].version]
    # A clock set back makes the newest version the first by name: it stays all the same.
    add_row(warehouse, 9)
    back = published(warehouse, keep_versions=1, published_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert versions(back) == [back.version]
    assert query(back.marts_path, "SELECT count(*) FROM mart_coverage") == [(15,)]
    with pytest.raises(PermanentFailure, match="at least 1"):
        published(warehouse, keep_versions=0)


READER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
for line in sys.stdin:
    print(connection.execute("SELECT count(*), sum(id) FROM mart_coverage").fetchone(), flush=True)
"""


def test_a_reader_with_the_old_file_open_keeps_it(warehouse: Path) -> None:
    old = published(warehouse)
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(old.marts_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdin is not None
    assert reader.stdout is not None
    try:
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "(10, 45)\n"
        add_row(warehouse, 100)
        new = published(warehouse, keep_versions=1)
        assert new.pruned == [old.version]
        assert query(new.marts_path, "SELECT count(*) FROM mart_coverage") == [(11,)]
        answer, _ = reader.communicate("\n", timeout=30)
        assert answer == "(10, 45)\n"
    finally:
        reader.kill()
        reader.wait()


def test_readers_cannot_write_by_mistake(warehouse: Path) -> None:
    result = published(warehouse)
    for path in (result.marts_path, *result.parquet_dir.iterdir()):
        assert path.stat().st_mode & 0o777 == 0o444


def test_a_copy_that_differs_is_not_published(
    warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = published(warehouse)
    add_row(warehouse, 100)
    build = snapshot._build

    def lossy(connection: Any, folder: Path, publication: Any) -> None:
        build(connection, folder, publication)
        change(folder / snapshot.DATABASE_NAME, "DELETE FROM main.mart_coverage WHERE id = 3")

    monkeypatch.setattr(snapshot, "_build", lossy)
    with pytest.raises(PermanentFailure, match="mart_coverage differs"):
        published(warehouse)
    assert query(before.marts_path, "SELECT count(*) FROM mart_coverage") == [(10,)]
    monkeypatch.undo()
    assert len(versions(published(warehouse))) == 2


def test_a_damaged_current_version_is_made_anew(warehouse: Path) -> None:
    first = published(warehouse)
    damaged = first.marts_path.resolve()
    damaged.chmod(0o644)
    damaged.write_bytes(b"no database")
    second = published(warehouse)
    assert not second.is_unchanged
    assert query(second.marts_path, "SELECT count(*) FROM mart_coverage") == [(10,)]


def test_a_second_publish_at_the_same_time_is_refused(warehouse: Path) -> None:
    published(warehouse)
    with (
        snapshot._one_at_a_time(warehouse.parent / "published"),
        pytest.raises(TransientFailure, match="Another publish"),
    ):
        published(warehouse)


def test_a_warehouse_being_written_is_a_transient_failure(warehouse: Path) -> None:
    hold = "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
    writer = subprocess.Popen(
        [sys.executable, "-c", hold, str(warehouse)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        with pytest.raises(TransientFailure, match="cannot be read"):
            published(warehouse)
    finally:
        writer.kill()
        writer.wait()


def test_a_missing_warehouse_and_a_folder_in_the_way(warehouse: Path) -> None:
    with pytest.raises(PermanentFailure, match="no warehouse"):
        published(warehouse.with_name("none.duckdb"))
    (warehouse.parent / "published" / "parquet").mkdir(parents=True)
    with pytest.raises(PermanentFailure, match="is a folder"):
        published(warehouse)


PUBLISHER = """
import sys
from pathlib import Path
from assets.publish.snapshot import publish
print("ready", flush=True)
publish(Path(sys.argv[1]), Path(sys.argv[2]), 2, software_version="1")
"""


def start_publisher(warehouse: Path, folder: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", PUBLISHER, str(warehouse), str(folder)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_killed_at_any_moment_readers_see_a_whole_version(warehouse: Path) -> None:
    """Kill a publish at moments spread over its run; then look, then let one finish."""
    folder = warehouse.parent / "published"
    marts, parquet = folder / "marts.duckdb", str(folder / "parquet" / "mart_coverage.parquet")
    publish(warehouse, folder, 2, software_version="1")
    add_row(warehouse, 100)
    process = start_publisher(warehouse, folder)
    started = time.monotonic()
    assert process.wait() == 0
    length = time.monotonic() - started
    seen, killed, kills = 11, 0, 12
    for number in range(kills):
        add_row(warehouse, 200 + number)
        process = start_publisher(warehouse, folder)
        time.sleep(length * (0.1 + number / kills))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        before, seen = seen, query(marts, "SELECT count(*) FROM mart_coverage")[0][0]
        assert seen in (before, 12 + number)
        counted = duckdb.execute("SELECT count(*) FROM read_parquet(?)", [parquet]).fetchall()
        said = query(marts, "SELECT row_count FROM publication WHERE table_name = 'mart_coverage'")
        assert counted == said == [(seen,)]
    assert killed >= 4
    last = publish(warehouse, folder, 2, software_version="1")
    assert query(marts, "SELECT count(*) FROM mart_coverage") == [(11 + kills,)]
    assert len(versions(last)) == 2
    assert not list(folder.rglob(".unfinished*"))


STEPS = ("_build", "_verify", "_sync", "_point", "_prune")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("is_first", [True, False])
def test_stopped_before_each_step_the_next_run_completes(
    warehouse: Path, monkeypatch: pytest.MonkeyPatch, step: str, is_first: bool
) -> None:
    class Stopped(BaseException):
        pass

    def stop(*_: object) -> None:
        raise Stopped

    marts = warehouse.parent / "published" / "marts.duckdb"
    if not is_first:
        published(warehouse)
        add_row(warehouse, 100)
    monkeypatch.setattr(snapshot, step, stop)
    with pytest.raises(Stopped):
        published(warehouse)
    if marts.exists():
        assert query(marts, "SELECT count(*) FROM mart_coverage")[0][0] in (10, 11)
    else:
        assert is_first
    monkeypatch.undo()
    result = published(warehouse)
    assert query(result.marts_path, "SELECT count(*) FROM mart_coverage") == [
        (10 if is_first else 11,)
    ]
    assert not list(result.marts_path.parent.rglob(".unfinished*"))
