"""The Hub's days of observation: dumps, listings, checkpoints, refusals."""

import gzip
import json
import os
import statistics
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import Fault, Hub, model, serving
from test_hub_normalise import HUB_STATS_SCHEMA, RADAR, hub_stats_rows

from assets.github.lines import Bounds
from assets.huggingface import normalise, snapshot
from assets.huggingface.observation import observe
from assets.huggingface.snapshot import Snapshotter
from orchestration.clients.huggingface import RepositoryPages, hub_client
from orchestration.failures import PermanentFailure, TransientFailure
from orchestration.lake import Entry, Lake, sha256_of_file
from orchestration.settings import HuggingFaceSettings, Settings
from twin.generate import write_world

REAL = Path(os.environ.get("REAL_DATA_DIR", Path(__file__).parents[1] / "../shared/data"))
SALT = b"0123456789abcdef-salt"
DAY = date(2026, 8, 22)
OBSERVED_ON = date(2026, 11, 1)
LEDGER_KEYS = {
    *("name", "state", "reason", "source", "file", "row_count", "malformed_count"),
    *("duplicate_count", "source_bytes", "source_sha256", "lake_bytes", "content_hash"),
    *("observed_at", "source_form", "schema_version", "fetched_at", "client_version"),
}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def snapshotter(lake: Lake) -> Snapshotter:
    made = Snapshotter(lake, SALT)
    made.prepare()
    return made


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving([model(number) for number in range(25)]) as server:
        yield server


def real(name: str) -> Path:
    path = REAL / "huggingface" / name
    if not path.is_file():
        pytest.skip(f"real data is not here: {path} (set REAL_DATA_DIR)")
    return path


def rows_of(lake: Lake, table: str = "models", day: date = DAY) -> list[dict[str, Any]]:
    files = lake.partition("huggingface", table, day).current_files()
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def write_lines(path: Path, *values: Any) -> Path:
    lines = [v if isinstance(v, bytes) else orjson.dumps(v) for v in values]
    text = b"".join(line + b"\n" for line in lines)
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def quarantined(lake: Lake, name: str) -> list[dict[str, Any]]:
    files = (lake.root / "quarantine" / "huggingface" / name).glob("*.lines.jsonl")
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def leftovers(lake: Lake) -> list[Path]:
    return [path for path in (lake.root / "tmp").glob("*") if not path.name.endswith(".spill")]


def test_a_short_salt_is_refused(lake: Lake) -> None:
    with pytest.raises(PermanentFailure, match="salt"):
        Snapshotter(lake, b"short")


# Real recordings


def test_the_real_dump_as_an_independent_count_has_it(lake: Lake, snapshotter: Snapshotter) -> None:
    path = real("models-2026-08.jsonl.gz")
    with gzip.open(path) as stream:
        expected = {value["id"]: value for value in map(json.loads, stream)}
    (entry,) = snapshotter.ingest_dump([path], DAY)
    assert entry["state"] == "ok"
    assert entry["source_form"] == "radar_dump"
    assert entry["row_count"] == len(expected) == 10_133
    assert entry["source_sha256"] == sha256_of_file(path)
    rows = {row["repository_name"]: row for row in rows_of(lake)}
    assert rows.keys() == expected.keys()
    for column, key in (
        ("like_count", "likes"),
        ("download_30d_count", "downloads_30d"),
        ("storage_bytes", "storage_bytes"),
        ("parameter_count", "parameters"),
        ("pipeline_tag", "pipeline_tag"),
    ):
        assert {n: row[column] for n, row in rows.items()} == {
            n: value[key] for n, value in expected.items()
        }
    # Some have no licence of their own and a licence among their tags.
    tagged = 0
    for name, value in expected.items():
        tags = [tag[8:] for tag in value["tags"] if tag.startswith("license:")]
        assert rows[name]["licence"] == (value["license"] or (tags[0] if tags else None))
        tagged += bool(tags) and not value["license"]
    assert tagged == 13
    removed = sum(value["removed"] for value in expected.values())
    assert sum(row["removed_at"] is not None for row in rows.values()) == removed == 427
    likes = [row["like_count"] for row in rows.values()]
    assert statistics.median(likes) == 0
    assert max(likes) == max(value["likes"] for value in expected.values()) > 10_000
    assert 0.80 < sum(count == 0 for count in likes) / len(likes) < 0.82
    created = [row["created_at"] for row in rows.values()]
    assert datetime(2022, 3, 2) <= min(created) <= max(created) < datetime(2026, 9, 1)
    several = [value for value in expected.values() if ", " in (value["base_model"] or "")]
    assert len(several) == 175
    for value in several:
        names = [base["name"] for base in rows[value["id"]]["base_models"]]
        assert names == list(dict.fromkeys(value["base_model"].split(", ")))


def test_the_real_answer_of_the_api(lake: Lake, snapshotter: Snapshotter, tmp_path: Path) -> None:
    answers = json.loads(real("api-models-list-2026-05.json").read_text())
    write_lines(tmp_path / "answers.jsonl", *answers)
    (entry,) = snapshotter.ingest_dump([tmp_path / "answers.jsonl"], DAY)
    assert (entry["state"], entry["row_count"]) == ("ok", 3)
    found = {row["repository_id"]: row for row in rows_of(lake)}
    assert [found[a["_id"]]["like_count"] for a in answers] == [2656, 1014, 796]
    assert {row["gated"] for row in found.values()} == {None}
    assert found[answers[0]["_id"]]["licence"] == "mit"


@pytest.mark.parametrize(
    "name", ["datasets-2021_2023.parquet", "finetunes-mistral-small-2025-04.csv.gz"]
)
def test_real_files_of_other_things_are_refused(
    lake: Lake, snapshotter: Snapshotter, name: str
) -> None:
    (entry,) = snapshotter.ingest_dump([real(name)], DAY)
    assert entry["state"] == "refused"
    assert rows_of(lake) == []


# Dumps


def test_the_worlds_dump_is_what_was_planted(
    lake: Lake, snapshotter: Snapshotter, tmp_path: Path
) -> None:
    world = write_world(tmp_path / "world", "tiny", 7, [date(2026, 8, 21)])
    files = sorted((tmp_path / "world" / "hub").glob("*.jsonl.gz"))
    entries = {entry["name"]: entry for entry in snapshotter.ingest_dump(files, DAY)}
    assert {entry["state"] for entry in entries.values()} == {"ok"}
    assert all(entry.keys() == LEDGER_KEYS for entry in entries.values())
    assert entries["models"]["row_count"] == world.model_count
    assert entries["discussions"]["row_count"] == world.hub_discussion_count
    for table in ("models", "commits", "discussions"):
        with gzip.open(tmp_path / "world" / "hub" / f"{table}.jsonl.gz") as stream:
            values = [json.loads(line) for line in stream]
        assert entries[table]["row_count"] + entries[table]["duplicate_count"] == len(values)
        assert len(rows_of(lake, table)) == entries[table]["row_count"]
        if table == "models":
            expected = {value["_id"]: value["downloadsAllTime"] for value in values}
            rows = rows_of(lake)
            assert {r["repository_id"]: r["download_all_count"] for r in rows} == expected
        if table == "discussions":
            missing = sum("author" not in value["discussion"] for value in values)
            assert sum(r["author_login"] is None for r in rows_of(lake, table)) == missing
    assert leftovers(lake) == []


def test_the_hub_stats_file(lake: Lake, snapshotter: Snapshotter, tmp_path: Path) -> None:
    path = tmp_path / "models.parquet"
    pq.write_table(pa.Table.from_pylist(hub_stats_rows(), HUB_STATS_SCHEMA), path)
    (entry,) = snapshotter.ingest_dump([path], DAY)
    assert (entry["state"], entry["row_count"]) == ("ok", 2)
    assert entry["source_form"] == "hub_stats"
    assert [row["repository_name"] for row in rows_of(lake)] == ["Org/Model", "gpt2"]


def test_the_same_input_gives_the_same_content(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "m.jsonl.gz", *(model(n) for n in range(300)))
    hashes = set()
    for name in ("one", "two"):
        lake = Lake(tmp_path / name)
        Snapshotter(lake, SALT).ingest_dump([path], DAY)
        hashes.add(lake.partition("huggingface", "models", DAY).content_hash())
    assert len(hashes) == 1


def test_what_is_loaded_is_not_read_again(
    lake: Lake, snapshotter: Snapshotter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_lines(tmp_path / "m.jsonl", model(1))
    (first,) = snapshotter.ingest_dump([path], DAY)
    monkeypatch.setattr(Snapshotter, "_open", lambda *_: pytest.fail("read again"))
    assert snapshotter.ingest_dump([path], DAY) == [first]
    # Another day of observation is another claim.
    with pytest.raises(pytest.fail.Exception, match="read again"):
        snapshotter.ingest_dump([path], date(2026, 8, 23))


def test_a_corrected_file_replaces_the_earlier_one(
    lake: Lake, snapshotter: Snapshotter, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "m.jsonl", model(1), model(2))
    snapshotter.ingest_dump([path], DAY)
    write_lines(path, model(3))
    snapshotter.ingest_dump([path], DAY)
    assert [row["repository_name"] for row in rows_of(lake)] == ["owner-3/model-3"]
    folder = lake.partition("huggingface", "models", DAY).folder
    assert len(list(folder.glob("*.parquet"))) == 1


def test_a_damaged_file_never_replaces_a_loaded_one(
    lake: Lake, snapshotter: Snapshotter, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "m.jsonl.gz", model(1))
    snapshotter.ingest_dump([path], DAY)
    path.write_bytes(path.read_bytes()[:40])
    (entry,) = snapshotter.ingest_dump([path], DAY)
    assert entry["state"] == "truncated"
    assert len(rows_of(lake)) == 1
    (kept,) = lake.partition("huggingface", "models", DAY).entries()
    assert kept["state"] == "ok"


def test_two_files_of_one_name_are_refused(
    lake: Lake, snapshotter: Snapshotter, tmp_path: Path
) -> None:
    paths = [write_lines(tmp_path / name, model(1)) for name in ("m.jsonl", "m.jsonl.gz")]
    with pytest.raises(PermanentFailure, match="have the name m"):
        snapshotter.ingest_dump(paths, DAY)


def test_bad_lines_are_set_aside_with_place_and_reason(
    lake: Lake, snapshotter: Snapshotter, tmp_path: Path
) -> None:
    path = write_lines(
        tmp_path / "m.jsonl.gz",
        model(1),
        b"",
        b'{"id": "a/b", "likes": "many"}',
        b"\xff\xfe",
        b'{"id": "a/\x00"}',
        model(2),
        b'{"id": "half/line", "author": "bad@example.org", "li',
    )
    (entry,) = snapshotter.ingest_dump([path], DAY)
    assert entry["state"] == "malformed_lines"
    assert entry["reason"] == "4 lines are in quarantine"
    assert (entry["row_count"], entry["malformed_count"]) == (2, 4)
    lines = quarantined(lake, "m")
    assert [line["line"] for line in lines] == [3, 4, 5, 7]
    assert {line["file"] for line in lines} == {"m.jsonl.gz"}
    assert all(len(line["sha256"]) == 64 and line["reason"] for line in lines)
    assert "likes is not a whole number" in lines[0]["reason"]
    assert lines[1]["base64"] == "//4="
    assert "bad@example.org" not in json.dumps(lines)


def test_no_address_reaches_the_lake(lake: Lake, snapshotter: Snapshotter, tmp_path: Path) -> None:
    address = "Some.One@example.org"
    commit = {"id": "1", "title": f"by {address}", "message": f"m\n{address}", "authors": []}
    discussion = {"num": 1, "title": address, "isPullRequest": False}
    paths = [
        write_lines(
            tmp_path / "m.jsonl",
            model(1, new=address, cardData={"contact": address}),
            b'{"id":"a/b","tags":["x some.one\\u0040EXAMPLE.org"]}',
        ),
        write_lines(tmp_path / "c.jsonl", {"repo_id": "a/b", "commit": commit}),
        write_lines(tmp_path / "d.jsonl", {"repo_id": "a/b", "discussion": discussion}),
        tmp_path / "s.parquet",
    ]
    card = json.dumps({"contact": address})
    cards = [card, card.replace("@", "\\u0040")]
    pq.write_table(
        pa.table({"id": ["a/c", "a/d"], "pipeline_tag": ["x"] * 2, "cardData": cards}), paths[-1]
    )
    entries = snapshotter.ingest_dump(paths, DAY)
    assert [entry["state"] for entry in entries] == ["ok"] * 4
    text = "".join(str(rows_of(lake, table)) for table in normalise.SCHEMAS)
    assert "example.org" not in text.lower()
    hashes = {word.split("'")[0].split('"')[0][:32] for word in text.split("email:")[1:]}
    # One address in many places and two cases is one pseudonym; the twin model has another.
    assert len(hashes) == 2
    assert text.count("email:") == 9


@pytest.mark.parametrize(
    ("name", "content", "state"),
    [
        ("m.jsonl.gz", b"", "truncated"),
        ("m.jsonl", b"", "truncated"),
        ("m.jsonl", b"\n\n", "refused"),
        ("m.jsonl.gz", gzip.compress(b"", mtime=0), "refused"),
        ("m.jsonl.gz", b"not gzip at all", "corrupt"),
        ("m.jsonl", b"not json\nat all\n", "refused"),
        ("m.jsonl", b'{"type":"PushEvent"}\n', "refused"),
        ("m.jsonl", b'[{"id":"a/b"}]', "refused"),
        ("m.jsonl", b"\x00" * 4096, "refused"),
        ("m.jsonl.gz", gzip.compress(b'{"id":"a/b"}\n' * 9999, mtime=0)[:60], "truncated"),
        ("m.jsonl.gz", gzip.compress(b'{"id":"a/b"}\n', mtime=0)[:-8] + b"\x00" * 8, "corrupt"),
        ("m.jsonl", b'{"repo_id":"a/b","commit":{"id":5}}\n', "refused"),
        ("m.parquet", b"PAR1 and nothing more", "truncated"),
        ("m.parquet", b"PAR1" + b"\x07" * 64 + b"PAR1", "corrupt"),
    ],
)
def test_a_file_that_is_no_dump_leaves_a_state_and_its_bytes(
    lake: Lake, snapshotter: Snapshotter, tmp_path: Path, name: str, content: bytes, state: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    good = write_lines(tmp_path / "good.jsonl", model(1))
    entries = snapshotter.ingest_dump([path, good], DAY)
    assert [entry["state"] for entry in entries] == [state, "ok"]
    assert entries[0]["reason"]
    assert entries[0].keys() == LEDGER_KEYS
    (kept,) = (lake.root / "quarantine" / "huggingface" / "m").glob("*.bytes")
    assert kept.read_bytes() == content
    assert len(rows_of(lake)) == 1
    assert leftovers(lake) == []


def test_a_parquet_file_with_damaged_pages(
    lake: Lake, snapshotter: Snapshotter, tmp_path: Path
) -> None:
    path = tmp_path / "m.parquet"
    rows = [{"id": f"a/{os.urandom(8).hex()}", "pipeline_tag": "x"} for _ in range(5000)]
    pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[1000:20000] = b"\xff" * 19000
    path.write_bytes(content)
    (entry,) = snapshotter.ingest_dump([path], DAY)
    assert entry["state"] == "corrupt"
    assert rows_of(lake) == []


def test_a_missing_file_is_a_row_of_the_ledger(
    lake: Lake, snapshotter: Snapshotter, tmp_path: Path
) -> None:
    (entry,) = snapshotter.ingest_dump([tmp_path / "none.jsonl"], DAY)
    assert entry["state"] == "missing"
    assert [e["state"] for e in lake.partition("huggingface", "models", DAY).entries()] == [
        "missing"
    ]
    write_lines(tmp_path / "none.jsonl", model(1))
    (entry,) = snapshotter.ingest_dump([tmp_path / "none.jsonl"], DAY)
    assert entry["state"] == "ok"
    assert len(lake.partition("huggingface", "models", DAY).entries()) == 1


def test_a_line_of_forty_megabytes_is_not_kept(
    lake: Lake, snapshotter: Snapshotter, tmp_path: Path
) -> None:
    path = tmp_path / "m.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(orjson.dumps(model(1)) + b"\n")
        stream.write(b'{"id":"long/line","x":"' + os.urandom(20_000_000).hex().encode() + b'"}\n')
        stream.write(orjson.dumps(model(2)) + b"\n")
    (entry,) = snapshotter.ingest_dump([path], DAY)
    assert (entry["state"], entry["row_count"]) == ("malformed_lines", 2)
    (line,) = quarantined(lake, "m")
    assert line["line"] == 2
    assert line["length"] > 40_000_000
    assert "longer than 16777216 bytes" in line["reason"]
    assert len(line["text"]) <= 64 * 1024


def test_a_long_row_of_parquet_is_not_kept(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    rows = [{"id": "a/b", "pipeline_tag": "x"}, {"id": "a/c", "pipeline_tag": "x" * 5000}]
    pq.write_table(pa.Table.from_pylist(rows), path)
    bounded = Snapshotter(lake, SALT, bounds=Bounds(max_line_bytes=2000))
    (entry,) = bounded.ingest_dump([path], DAY)
    assert (entry["state"], entry["row_count"]) == ("malformed_lines", 1)
    assert quarantined(lake, "m")[0]["line"] == 2


def test_a_gzip_bomb_is_stopped(lake: Lake, snapshotter: Snapshotter, tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=3) as stream:
        stream.write(orjson.dumps(model(1)) + b"\n")
        for _ in range(80):
            stream.write(b"\n" * 1024 * 1024)
    (entry,) = snapshotter.ingest_dump([path], DAY)
    assert entry["state"] == "corrupt"
    assert "gzip bomb" in entry["reason"]
    assert rows_of(lake) == []


def test_the_total_size_is_bounded(lake: Lake, tmp_path: Path) -> None:
    bounded = Snapshotter(lake, SALT, bounds=Bounds(max_file_bytes=10_000))
    lines = write_lines(tmp_path / "m.jsonl", *(model(n) for n in range(500)))
    table = tmp_path / "s.parquet"
    pq.write_table(pa.table({"id": ["a/b"] * 5000, "pipeline_tag": ["x"] * 5000}), table)
    entries = bounded.ingest_dump([lines, table], DAY)
    assert [entry["state"] for entry in entries] == ["corrupt", "corrupt"]
    assert all("more than 10000 bytes" in entry["reason"] for entry in entries)


def test_mostly_bad_lines_refuse_the_whole_file(
    lake: Lake, snapshotter: Snapshotter, tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "m.jsonl", model(1), *[b'{"likes":1}'] * 101)
    (entry,) = snapshotter.ingest_dump([path], DAY)
    assert entry["state"] == "refused"
    assert rows_of(lake) == []


def test_all_bad_lines_are_counted_and_the_first_kept(
    lake: Lake, snapshotter: Snapshotter, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "MOST_KEPT_LINES", 3)
    bad = [{"id": f"bad/{n}", "likes": -n} for n in range(1, 6)]
    path = write_lines(tmp_path / "m.jsonl", model(1), *bad)
    assert snapshotter.ingest_dump([path], DAY)[0]["malformed_count"] == 5
    assert [line["line"] for line in quarantined(lake, "m")] == [2, 3, 4]
    hub.models[8:8] = bad
    assert snapshotter.ingest_api(listing(hub), DAY)["malformed_count"] == 5
    assert [line["line"] for line in quarantined(lake, "api")] == [9, 10, 11]


# The live API


def listing(hub: Hub, kind: str = "model", **more: Any) -> RepositoryPages:
    client = hub_client(hub.url, [], SALT, **{"backoff_seconds": 0.005, **more})
    return RepositoryPages(client, kind, page_size=10)


def test_a_listing_is_one_file_of_the_day(lake: Lake, snapshotter: Snapshotter, hub: Hub) -> None:
    hub.models.append({"id": "bad/one", "likes": "x", "by": "bad@example.org"})
    told: list[str] = []
    snapshotter.progress = told.append
    entry = snapshotter.ingest_api(listing(hub), DAY)
    assert (entry["state"], entry["row_count"], entry["malformed_count"]) == (
        "malformed_lines",
        25,
        1,
    )
    assert entry.keys() == LEDGER_KEYS
    assert entry["source_form"] == "api"
    assert entry["source_bytes"] > 1000
    rows = rows_of(lake)
    assert sorted(r["repository_id"] for r in rows) == [m["_id"] for m in hub.models[:-1]]
    assert {row["observed_at"] for row in rows} == {datetime(2026, 8, 22)}
    assert "someone@example.org" not in str(rows)
    assert "mail:email:" in str(rows)
    (bad,) = quarantined(lake, "api")
    assert (bad["file"], bad["line"]) == ("page 3", 26)
    assert "bad@example.org" not in json.dumps(bad)
    assert not (lake.root / "checkpoints" / "huggingface" / "models").exists()
    assert "page 2: 20 models so far" in told
    assert leftovers(lake) == []


def test_a_listed_day_is_not_listed_again_unless_asked(
    lake: Lake, snapshotter: Snapshotter, hub: Hub
) -> None:
    first = snapshotter.ingest_api(listing(hub), DAY)
    asked = len(hub.requests)
    assert snapshotter.ingest_api(listing(hub), DAY) == first
    assert len(hub.requests) == asked
    hub.models.pop()
    again = snapshotter.ingest_api(listing(hub), DAY, refresh=True)
    assert (again["row_count"], first["row_count"]) == (24, 25)
    assert len(rows_of(lake)) == 24
    # Another question is not answered by it either.
    assert snapshotter.ingest_api(listing(hub), DAY, limit=5)["row_count"] == 5


def test_the_limit_stops_the_listing(lake: Lake, snapshotter: Snapshotter, hub: Hub) -> None:
    entry = snapshotter.ingest_api(listing(hub), DAY, limit=12)
    assert entry["row_count"] == 12
    assert hub.starts == [0, 10]
    assert "huggingface.model_limit" in entry["reason"]
    snapshotter.ingest_api(listing(hub), date(2026, 8, 23), limit=10)
    assert hub.starts == [0, 10, 0]


def interrupted(snapshotter: Snapshotter, hub: Hub, day: date = DAY, **more: Any) -> None:
    """A listing that stops after its first page."""
    failing = listing(hub, attempts=1, **more)
    original = failing.fetch

    def fetch(url: str) -> Any:
        if url != failing.first_url:
            hub.faults.append(Fault(503))
        return original(url)

    failing.fetch = fetch
    with pytest.raises(TransientFailure):
        snapshotter.ingest_api(failing, day)
    hub.requests.clear()
    assert (snapshotter.lake.root / "checkpoints/huggingface/models/checkpoint.json").exists()


def test_goes_on_at_the_next_page_with_the_same_result(
    tmp_path: Path, lake: Lake, snapshotter: Snapshotter, hub: Hub
) -> None:
    other = Lake(tmp_path / "other")
    whole = Snapshotter(other, SALT).ingest_api(listing(hub), DAY)
    interrupted(snapshotter, hub)
    assert rows_of(lake) == []
    entry = snapshotter.ingest_api(listing(hub), DAY)
    assert hub.starts == [10, 20]
    assert entry["content_hash"] == whole["content_hash"]
    same = LEDGER_KEYS - {"fetched_at"}
    assert {key: entry[key] for key in same} == {key: whole[key] for key in same}


@pytest.mark.parametrize(
    "change", ["day", "page_size", "endpoint", "salt", "limit", "broken", "part"]
)
def test_a_checkpoint_of_something_else_is_discarded(
    lake: Lake, snapshotter: Snapshotter, hub: Hub, change: str
) -> None:
    interrupted(snapshotter, hub)
    folder = lake.root / "checkpoints" / "huggingface" / "models"
    pages, day, limit = listing(hub), DAY, None
    if change == "day":
        day = date(2026, 8, 23)
    elif change == "page_size":
        pages.page_size = 25
    elif change == "endpoint":
        hub.url = hub.url.replace("127.0.0.1", "localhost")
        pages = listing(hub)
    elif change == "salt":
        snapshotter = Snapshotter(lake, b"another-salt-of-20-b")
    elif change == "limit":
        limit = 25
    elif change == "broken":
        (folder / "checkpoint.json").write_text('{"page_count": 1, "next_url"')
    else:
        (folder / "part-000001.parquet").unlink()
    entry = snapshotter.ingest_api(pages, day, limit)
    assert hub.starts[0] == 0
    assert entry["row_count"] == len(rows_of(lake, day=day)) == 25


def test_an_expired_cursor_begins_again_by_itself(
    lake: Lake, snapshotter: Snapshotter, hub: Hub
) -> None:
    interrupted(snapshotter, hub)
    hub.faults.append(Fault(400))
    assert snapshotter.ingest_api(listing(hub), DAY)["row_count"] == 25
    assert hub.starts == [10, 0, 10, 20]


def test_two_processes_do_not_share_a_checkpoint(
    lake: Lake, snapshotter: Snapshotter, hub: Hub
) -> None:
    pages = listing(hub)
    original = pages.fetch

    def fetch(url: str) -> Any:
        with pytest.raises(TransientFailure, match="Another process"):
            Snapshotter(lake, SALT).ingest_api(listing(hub), DAY)
        return original(url)

    pages.fetch = fetch
    assert snapshotter.ingest_api(pages, DAY)["row_count"] == 25


@pytest.mark.parametrize("models", [[], [{"error": n} for n in range(130)]])
def test_a_listing_without_models_changes_nothing(
    lake: Lake, snapshotter: Snapshotter, models: list[dict[str, Any]]
) -> None:
    with serving([model(1)]) as hub:
        before = snapshotter.ingest_api(listing(hub), DAY)
        hub.models[:] = models
        with pytest.raises(PermanentFailure, match=r"cannot be read") as caught:
            snapshotter.ingest_api(listing(hub), DAY, refresh=True)
        assert "huggingface.endpoint" in caught.value.remedy
        assert lake.partition("huggingface", "models", DAY).entries() == [before]
        hub.models[:] = [model(2)]
        assert snapshotter.ingest_api(listing(hub), DAY, refresh=True)["row_count"] == 1


def test_data_sets_and_spaces_are_landed_apart(
    lake: Lake, snapshotter: Snapshotter, hub: Hub
) -> None:
    hub.datasets = [
        {"_id": f"{n:024x}", "id": f"a/set-{n}", "likes": n, "gated": "auto"} for n in range(12)
    ]
    hub.spaces = [{"_id": "7" * 24, "id": "a/space", "sdk": "docker", "tags": ["docker"]}]
    told: list[str] = []
    snapshotter.progress = told.append
    for kind, table, count in (("dataset", "datasets", 12), ("space", "spaces", 1)):
        entry = snapshotter.ingest_api(listing(hub, kind), DAY)
        assert (entry["state"], entry["row_count"]) == ("ok", count)
        rows = rows_of(lake, table)
        assert {row["repository_type"] for row in rows} == {kind}
        assert snapshotter.ingest_api(listing(hub, kind), DAY) == entry
    assert [row["like_count"] for row in sorted(rows_of(lake, "datasets"), key=_id)] == list(
        range(12)
    )
    assert {row["gated"] for row in rows_of(lake, "datasets")} == {"auto"}
    assert json.loads(rows_of(lake, "spaces")[0]["extra"]) == {"sdk": "docker"}
    assert "page 2: 12 datasets so far" in told
    assert rows_of(lake) == []


def test_a_hub_may_have_no_spaces(lake: Lake, snapshotter: Snapshotter, hub: Hub) -> None:
    entry = snapshotter.ingest_api(listing(hub, "space"), DAY)
    assert (entry["state"], entry["row_count"]) == ("ok", 0)
    assert rows_of(lake, "spaces") == []
    hub.spaces = [{"id": "a/b", "likes": "many"}]
    entry = snapshotter.ingest_api(listing(hub, "space"), date(2026, 8, 23))
    assert (entry["state"], entry["malformed_count"]) == ("malformed_lines", 1)
    assert len(quarantined(lake, "api-spaces")) == 1


def _id(row: dict[str, Any]) -> str:
    return str(row["repository_id"])


def test_a_model_seen_on_two_pages_is_one(lake: Lake, snapshotter: Snapshotter, hub: Hub) -> None:
    hub.models.insert(12, {**hub.models[3], "likes": 99, "lastModified": "2026-01-01T00:00:00Z"})
    entry = snapshotter.ingest_api(listing(hub), DAY)
    assert (entry["row_count"], entry["duplicate_count"]) == (25, 1)
    assert [r["like_count"] for r in rows_of(lake) if r["repository_id"] == f"{3:024x}"] == [99]


# What the asset calls


def settings(tmp_path: Path, **hub: Any) -> Settings:
    return Settings(data_dir=tmp_path, huggingface=HuggingFaceSettings(**hub))


def observed(lake: Lake, chosen: Settings) -> list[Entry]:
    return observe(lake, chosen, SALT, OBSERVED_ON)


def test_off_asks_and_lands_nothing(lake: Lake, tmp_path: Path) -> None:
    assert observed(lake, settings(tmp_path, source="off")) == []
    assert not any(lake.days("huggingface", table) for table in normalise.SCHEMAS)


def test_a_dump_goes_to_the_day_it_describes(lake: Lake, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "m.jsonl", RADAR)
    chosen = settings(tmp_path, source="dump", dump=[path], dump_observed_on=DAY)
    assert [entry["state"] for entry in observed(lake, chosen)] == ["ok"]
    assert lake.days("huggingface", "models") == [DAY]


@pytest.mark.parametrize(
    ("hub", "setting"),
    [
        ({"dump": ["m.jsonl"]}, "huggingface.dump_observed_on"),
        ({"dump_observed_on": DAY}, "huggingface.dump"),
    ],
)
def test_an_incomplete_dump_setting_is_named(
    lake: Lake, tmp_path: Path, hub: dict[str, Any], setting: str
) -> None:
    with pytest.raises(PermanentFailure) as caught:
        observed(lake, settings(tmp_path, source="dump", **hub))
    assert setting in caught.value.remedy


def test_the_live_api_is_asked_for_today_with_the_token(
    lake: Lake, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_environment")
    chosen = settings(tmp_path, source="api", endpoint=hub.url, page_size=20, model_limit=22)
    entry, *others = observed(lake, chosen)
    assert entry["row_count"] == 22
    # This Hub has no histories: all that were asked answered so.
    told = Counter((row["kind"], row["outcome"]) for row in rows_of(lake, "answers", OBSERVED_ON))
    assert told == {
        ("commits", "ok"): 22, ("discussions", "ok"): 22, ("likers", "ok"): 20,
        ("account", "absent"): 7,
    }  # fmt: skip
    assert [row["state"] for row in others] == ["ok"] * len(others)
    assert lake.days("huggingface", "models") == [OBSERVED_ON]
    assert set(hub.tokens) == {"Bearer hf_of_the_environment"}
    written = b"".join(path.read_bytes() for path in lake.root.rglob("*") if path.is_file())
    assert b"hf_of_the_environment" not in written
