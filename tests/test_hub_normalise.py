"""Each form of the Hub's records, key by key, and what makes a line malformed."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.github.landing import connect
from assets.huggingface import normalise
from assets.huggingface.normalise import (
    API,
    API_DUMP,
    COMMITS,
    DISCUSSIONS,
    HUB_STATS,
    MODELS,
    RADAR_DUMP,
    SCHEMAS,
)

OBSERVED = datetime(2026, 8, 22)
RADAR = {
    "schema": 1,
    "id": "Org/Model-GGUF",
    "slug": "org-model-gguf",
    "author": "Org",
    "url": "https://hub.example/Org/Model-GGUF",
    "created_at": "2026-08-10T21:07:35.000Z",
    "updated_at": "2026-08-20T19:51:21.000Z",
    "license": "apache-2.0",
    "license_family": "oss",
    "pipeline_tag": "image-text-to-text",
    "library": "transformers",
    "languages": ["en", "multilingual"],
    "tags": ["gguf", "base_model:a/B", "base_model:quantized:a/B"],
    "likes": 9,
    "downloads_30d": 48291,
    "trending_score": 1.5,
    "parameters": 27854794240,
    "storage_bytes": 769638481344,
    "base_model": "a/B, c/D",
    "formats": ["gguf"],
    "gated": True,
    "removed": True,
    "removed_at": None,
}
ANSWER = {
    "_id": "69e864fd6b68f7e6cfc63ca3",
    "id": "Org/Model",
    "author": "Org",
    "sha": "0123abcd",
    "createdAt": "2026-04-22T06:04:45.000Z",
    "lastModified": "2026-04-23T06:04:45+02:00",
    "likes": 2656,
    "downloads": 78864,
    "downloadsAllTime": 788640,
    "gated": "manual",
    "private": False,
    "disabled": True,
    "trendingScore": 2552,
    "usedStorage": 17,
    "pipeline_tag": "text-generation",
    "library_name": "transformers",
    "tags": ["license:mit", "base_model:x/Y", "base_model:merge:x/Y"],
    "cardData": {
        "license": ["mit", "other"],
        "language": "en",
        "base_model": ["x/Y", "z/W"],
        "base_model_relation": "merge",
        "datasets": ["d"],
    },
    "safetensors": {"parameters": {"BF16": 3, "F32": 4}, "total": 7},
    "siblings": [{"rfilename": "a"}],
    "somethingNew": {"a": 1},
    "modelId": "Org/Model",
}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    opened = connect()
    normalise.prepare(opened)
    with opened:
        yield opened


class Loader:
    """Lines in, rows out."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self.connection = connection
        self.parquet = folder / "part.parquet"

    def __call__(self, form: str, table: str, *values: Any) -> list[dict[str, Any]]:
        lines = [v if isinstance(v, bytes) else orjson.dumps(v) for v in values]
        part = normalise.normalise(
            self.connection, form, table, list(enumerate(lines, 1)), OBSERVED, self.parquet
        )
        self.bad = {line.number: line.reason for line in part.bad_lines}
        rows: list[dict[str, Any]] = pq.read_table(self.parquet).to_pylist()
        assert part.row_count == len(rows)
        assert len(rows) + len(part.bad_lines) == len(lines)
        return rows


@pytest.fixture
def load(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> Loader:
    return Loader(connection, tmp_path)


def test_every_key_of_the_radar_form(load: Loader) -> None:
    (row,) = load(RADAR_DUMP, MODELS, RADAR)
    assert json.loads(row.pop("extra")) == {"formats": ["gguf"]}
    assert row == {
        "repository_id": None,
        "repository_type": "model",
        "repository_name": "Org/Model-GGUF",
        "owner_name": "Org",
        "created_at": datetime(2026, 8, 10, 21, 7, 35),
        "last_modified_at": datetime(2026, 8, 20, 19, 51, 21),
        "like_count": 9,
        "download_30d_count": 48291,
        "download_all_count": None,
        "gated": "yes",
        "is_private": None,
        "is_disabled": None,
        # Removed at a time that the dump does not tell.
        "removed_at": OBSERVED,
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "licence": "apache-2.0",
        "tags": RADAR["tags"],
        "languages": ["en", "multilingual"],
        "base_models": [
            {"name": "a/B", "relation": "quantized"},
            {"name": "c/D", "relation": None},
        ],
        "parameter_count": 27854794240,
        "storage_bytes": 769638481344,
        "trending_score": 1.5,
        "head_sha": None,
        "observed_at": OBSERVED,
        "source_form": "radar_dump",
    }


def test_every_key_of_the_api_form(load: Loader) -> None:
    for form in (API, API_DUMP):
        (row,) = load(form, MODELS, ANSWER)
        extra = json.loads(row.pop("extra"))
        assert extra["somethingNew"] == {"a": 1}
        assert extra["cardData"] == {"base_model_relation": "merge", "datasets": ["d"]}
        assert "siblings" not in extra
        assert row == {
            "repository_id": "69e864fd6b68f7e6cfc63ca3",
            "repository_type": "model",
            "repository_name": "Org/Model",
            "owner_name": "Org",
            "created_at": datetime(2026, 4, 22, 6, 4, 45),
            "last_modified_at": datetime(2026, 4, 23, 4, 4, 45),
            "like_count": 2656,
            "download_30d_count": 78864,
            "download_all_count": 788640,
            "gated": "manual",
            "is_private": False,
            "is_disabled": True,
            "removed_at": None,
            "library_name": "transformers",
            "pipeline_tag": "text-generation",
            "licence": "mit, other",
            "tags": ANSWER["tags"],
            "languages": ["en"],
            "base_models": [
                {"name": "x/Y", "relation": "merge"},
                {"name": "z/W", "relation": "merge"},
            ],
            "parameter_count": 7,
            "storage_bytes": 17,
            "trending_score": 2552.0,
            "head_sha": "0123abcd",
            "observed_at": OBSERVED,
            "source_form": form,
        }


def test_the_short_answer_leaves_unknown_what_it_does_not_tell(load: Loader) -> None:
    (row,) = load(API, MODELS, {"_id": "1", "modelId": "Org/Model", "likes": 1})
    assert (row["repository_name"], row["owner_name"]) == ("Org/Model", "Org")
    unknown = ("gated", "last_modified_at", "licence", "base_models", "parameter_count", "tags")
    assert [row[key] for key in unknown] == [None] * len(unknown)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (False, "no"),
        ("false", "no"),
        ("False", "no"),
        ("auto", "auto"),
        ("manual", "manual"),
        (True, "yes"),
        (None, None),
        ("weird", None),
        (7, None),
    ],
)
def test_gates(load: Loader, value: Any, expected: str | None) -> None:
    (row,) = load(API, MODELS, {"id": "a/b", "gated": value})
    assert row["gated"] == expected
    kept = {"gated": value} if value in ("weird", 7) else None
    assert (json.loads(row["extra"]) if row["extra"] else None) == kept


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"cardData": {"base_model": "x/Y"}}, [("x/Y", None)]),
        ({"cardData": '{"base_model": "x/Y"}'}, [("x/Y", None)]),
        ({"tags": ["base_model:adapter:x/Y", "base_model:x/Y"]}, [("x/Y", "adapter")]),
        ({"tags": ["base_model:finetuned:x/Y"]}, [("finetuned:x/Y", None)]),
        (
            {
                "cardData": {"base_model": "ignored/Z"},
                "baseModels": {"relation": "finetune", "models": [{"_id": "1", "id": "x/Y"}]},
            },
            [("x/Y", "finetune")],
        ),
        ({"baseModels": '{"relation":"merge","models":[{"id":"x/Y"}]}'}, [("x/Y", "merge")]),
        ({"cardData": {"base_model": ["x/Y", "x/Y", ""]}}, [("x/Y", None)]),
        ({"cardData": {"base_model": "x/Y", "base_model_relation": "cousin"}}, [("x/Y", None)]),
        ({"cardData": {}}, []),
        ({}, None),
    ],
)
def test_base_models(
    load: Loader, more: dict[str, Any], expected: list[tuple[str, str | None]] | None
) -> None:
    (row,) = load(API, MODELS, {"id": "a/b", **more})
    found = row["base_models"]
    assert (None if found is None else [(m["name"], m["relation"]) for m in found]) == expected


def test_parameters_of_gguf_where_there_are_no_safetensors(load: Loader) -> None:
    (row,) = load(API, MODELS, {"id": "a/b", "gguf": {"total": 12, "chat_template": "x"}})
    assert row["parameter_count"] == 12
    assert row["extra"] is None


def test_a_large_rest_is_told_but_not_kept(load: Loader) -> None:
    (row,) = load(API, MODELS, {"id": "a/b", "new": "x" * 40_000})
    assert list(json.loads(row["extra"])) == ["omitted_characters"]
    assert json.loads(row["extra"])["omitted_characters"] > 40_000


def test_commits(load: Loader) -> None:
    line = {
        "repo_id": "Org/Model",
        "repo_type": "model",
        "commit": {
            "id": "abc",
            "title": "Upload",
            "message": "long",
            "authors": [{"user": "ann", "avatar": "x"}, {"user": "system"}, {"noUser": 1}],
            "date": "2024-05-06T07:08:09.000Z",
        },
    }
    (row,) = load(API_DUMP, COMMITS, line)
    assert row == {
        "repository_name": "Org/Model",
        "repository_type": "model",
        "commit_id": "abc",
        "authors": ["ann", "system"],
        "committed_at": datetime(2024, 5, 6, 7, 8, 9),
        "title": "Upload",
        "message": "long",
        "observed_at": OBSERVED,
    }
    assert (
        load(API_DUMP, COMMITS, {"commit": {"id": "abc"}}, {"repo_id": "a/b", "commit": {}}) == []
    )
    assert load.bad == {1: "no repo_id", 2: "no id in the commit"}


def test_discussions(load: Loader) -> None:
    discussion = {
        "num": 3,
        "title": "Help",
        "status": "open",
        "isPullRequest": False,
        "author": {"name": "bob", "fullname": "Bob B."},
        "createdAt": "2024-05-06T07:08:09.000Z",
        "numComments": 4,
        "repo": {"name": "Org/Model", "type": "model"},
    }
    (row,) = load(API_DUMP, DISCUSSIONS, {"discussion": discussion})
    assert row == {
        "repository_name": "Org/Model",
        "repository_type": "model",
        "discussion_number": 3,
        "discussion_title": "Help",
        "status": "open",
        "is_pull_request": False,
        "author_login": "bob",
        "created_at": datetime(2024, 5, 6, 7, 8, 9),
        "comment_count": 4,
        "observed_at": OBSERVED,
    }
    # The author of a deleted account is absent.
    (row,) = load(API_DUMP, DISCUSSIONS, {"discussion": {**discussion, "author": None}})
    assert row["author_login"] is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"id":"a/b","likes":1', "not JSON"),
        (b'{"id":"a/b"}{"id":"a/c"}', "not JSON"),
        (b'{"id":"a/b","likes":NaN}', "not JSON"),
        (b'{"id":"a/b","likes":1e999}', "not JSON"),
        (b'{"id":"a/\xff"}', "not JSON"),
        (b'{"id":"a/\\ud800"}', "not JSON"),
        (b'\x00{"id":"a/b"}', "not JSON"),
        (b'{"id":"a/b","x":"\x00"}', "not JSON"),
        (b'{"id":"a/b","x":"\\u0000"}', "NUL"),
        (b'{"id":"a/b","x":' + b"[" * 5000 + b"]" * 5000 + b"}", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", "no id"),
        (b'{"id":null}', "no id"),
        (b'{"id":7}', "id is not a name"),
        (b'{"id":""}', "id is not a name"),
        (b'{"id":"  "}', "id is not a name"),
        (b'{"id":"' + b"x" * 600 + b'"}', "id is not a name"),
        (b'{"id":"a/b","likes":"9"}', "likes is not a whole number"),
        (b'{"id":"a/b","likes":1.5}', "likes is not a whole number"),
        (b'{"id":"a/b","likes":-1}', "likes is not a whole number from 0"),
        (b'{"id":"a/b","likes":[]}', "likes is not a whole number"),
        (b'{"id":"a/b","downloads":9223372036854775808}', "downloads is not"),
        (b'{"id":"a/b","downloads":99999999999999999999999}', "downloads is not"),
        (b'{"id":"a/b","createdAt":5}', "createdAt is not a point in time"),
        (b'{"id":"a/b","createdAt":"infinity"}', "createdAt is not a point in time"),
        (b'{"id":"a/b","createdAt":"today"}', "createdAt is not a point in time"),
        (b'{"id":"a/b","createdAt":"9999-01-01"}', "createdAt is not a point in time"),
        (b'{"id":"a/b","author":{}}', "author is not text"),
        (b'{"id":"a/b","private":"no"}', "private is not true or false"),
        (b'{"id":"a/b","trendingScore":"9"}', "trendingScore is not a number"),
    ],
)
def test_a_malformed_line_is_refused_alone(load: Loader, line: bytes, reason: str) -> None:
    rows = load(API, MODELS, {"id": "ok/1"}, line, {"id": "ok/2"})
    assert [row["repository_name"] for row in rows] == ["ok/1", "ok/2"]
    assert list(load.bad) == [2]
    assert reason in load.bad[2]


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":"a/b","cardData":"{broken"}',
        b'{"id":"a/b","cardData":[1],"tags":{"x":1},"baseModels":3,"safetensors":[1],"gguf":"x"}',
        b'{"id":"a/b","tags":[1,null,["u"]],"baseModels":{"models":3},"cardData":{"license":{}}}',
        b'{"id":"a/b","baseModels":{"models":[1,null,{"id":3}]},"safetensors":{"total":1e300}}',
        b'{"id":"a/b","x":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"id":"a/b","":1,"\\"":2,"$.x":3,"a.b":4}',
        b'{"id":"a/b","likes":null,"createdAt":null,"private":null,"_id":null,"author":null}',
    ],
)
def test_odd_shapes_do_not_cost_the_model(load: Loader, line: bytes) -> None:
    (row,) = load(API, MODELS, line)
    assert row["repository_name"] == "a/b"
    assert row["parameter_count"] is None
    assert row["licence"] is None


def test_hostile_text_stays_text(load: Loader) -> None:
    names = [
        "'; drop table hub_rows; --",
        "../../etc/passwd",
        "<script>",
        "=cmd|'/c'!A1",
        "é/\u202e",
    ]
    rows = load(API, MODELS, *({"id": name, "tags": [name]} for name in names))
    assert [row["repository_name"] for row in rows] == names
    assert [row["tags"] for row in rows] == [[name] for name in names]


def test_a_line_on_which_the_query_fails_costs_itself_only(tmp_path: Path) -> None:
    with connect() as broken:
        normalise.prepare(broken)
        broken.execute(
            "create or replace temp macro hub_flag(j) as "
            "case when (j ->> '$') = 'true' then error('boom') else false end"
        )
        load = Loader(broken, tmp_path)
        values = [{"id": f"a/{n}", "private": n in (1, 6)} for n in range(8)]
        rows = load(API, MODELS, *values)
    assert [row["repository_name"] for row in rows] == [
        f"a/{n}" for n in range(8) if n not in (1, 6)
    ]
    assert list(load.bad) == [2, 7]
    assert "boom" in load.bad[2]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (orjson.dumps(RADAR), (MODELS, RADAR_DUMP)),
        (orjson.dumps(ANSWER), (MODELS, API_DUMP)),
        (b'{"modelId":"a/b"}', (MODELS, API_DUMP)),
        (b'{"repo_id":"a","commit":{}}', (COMMITS, API_DUMP)),
        (b'{"repo_id":"a","discussion":{}}', (DISCUSSIONS, API_DUMP)),
        (b'{"type":"PushEvent"}', None),
        (b"[]", None),
        (b"nothing", None),
    ],
)
def test_the_form_is_told_by_the_keys(line: bytes, expected: tuple[str, str] | None) -> None:
    assert normalise.form_of(line) == expected


def combined(
    connection: duckdb.DuckDBPyConnection, folder: Path, table: str, *batches: list[Any]
) -> tuple[list[dict[str, Any]], int, bytes]:
    parts = []
    for position, values in enumerate(batches):
        part = folder / f"{position:06d}.parquet"
        lines = [(n, orjson.dumps(v)) for n, v in enumerate(values, 1)]
        normalise.normalise(connection, API, table, lines, OBSERVED, part)
        parts.append(part)
    target = folder / "all.parquet"
    written, dropped = normalise.combine(connection, table, parts, target)
    rows = pq.read_table(target).to_pylist()
    assert written == len(rows)
    return rows, dropped, target.read_bytes()


def test_of_two_rows_for_one_model_the_newest_is_kept(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    def at(identity: str | None, name: str, day: int, likes: int) -> dict[str, Any]:
        modified = f"2026-01-{day:02d}T00:00:00Z"
        return {"_id": identity, "id": name, "lastModified": modified, "likes": likes}

    rows, dropped, _ = combined(
        connection,
        tmp_path,
        MODELS,
        [at("1", "a/old", 1, 1), at(None, "b/Case", 1, 2), at(None, "b/x", 5, 3)],
        [at("1", "a/new", 2, 4), at(None, "b/case", 1, 5), at(None, "b/x", 4, 6)],
    )
    assert [(row["repository_name"], row["like_count"]) for row in rows] == [
        ("a/new", 4),
        ("b/Case", 2),
        ("b/case", 5),
        ("b/x", 3),
    ]
    assert dropped == 2


def test_equal_content_gives_equal_bytes_in_any_order(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    values = [{"_id": str(n), "id": f"o/m{n}", "tags": [f"t{n % 5}"] * 3} for n in range(3000)]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    _, _, once = combined(connection, tmp_path / "a", MODELS, values)
    _, _, other = combined(connection, tmp_path / "b", MODELS, values[2000:], values[:2000][::-1])
    assert once == other


@pytest.mark.parametrize("table", ["models", "commits", "discussions"])
def test_columns_are_those_of_the_contract_even_without_rows(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, table: str
) -> None:
    for parts in ([], [tmp_path / "part.parquet"]):
        for part in parts:
            normalise.normalise(connection, API, table, [], OBSERVED, part)
        target = tmp_path / "all.parquet"
        assert normalise.combine(connection, table, parts, target) == (0, 0)
        described = connection.execute(f"describe select * from '{target}'").fetchall()
        assert {row[0]: row[1] for row in described} == SCHEMAS[table]


# The columns that code published around the table names, with the types its readers rely on.
HUB_STATS_SCHEMA = pa.schema(
    [
        ("_id", pa.string()),
        ("id", pa.string()),
        ("author", pa.string()),
        ("cardData", pa.string()),
        ("disabled", pa.bool_()),
        ("gated", pa.string()),
        ("lastModified", pa.timestamp("us", tz="UTC")),
        ("likes", pa.int64()),
        ("trendingScore", pa.float64()),
        ("private", pa.bool_()),
        ("sha", pa.string()),
        ("config", pa.string()),
        ("downloads", pa.int64()),
        ("downloadsAllTime", pa.int64()),
        ("tags", pa.list_(pa.string())),
        ("pipeline_tag", pa.string()),
        ("library_name", pa.string()),
        ("createdAt", pa.timestamp("us", tz="UTC")),
        ("modelId", pa.string()),
        ("siblings", pa.list_(pa.struct([("rfilename", pa.string())]))),
        (
            "safetensors",
            pa.struct(
                [
                    ("parameters", pa.struct([("BF16", pa.int64()), ("F32", pa.int64())])),
                    ("total", pa.int64()),
                ]
            ),
        ),
        (
            "baseModels",
            pa.struct(
                [
                    (
                        "models",
                        pa.list_(pa.struct([("_id", pa.string()), ("id", pa.string())])),
                    ),
                    ("relation", pa.string()),
                ]
            ),
        ),
        ("gguf", pa.string()),
    ]
)


def hub_stats_rows() -> list[dict[str, Any]]:
    """Two rows of the published table, one with everything and one with almost nothing."""
    full = {
        "_id": "69e864fd6b68f7e6cfc63ca3",
        "id": "Org/Model",
        "author": "Org",
        "cardData": json.dumps({"license": "mit", "language": ["en"], "datasets": ["d"]}),
        "disabled": False,
        "gated": "auto",
        "lastModified": datetime(2026, 4, 23, 4, 4, 45),
        "likes": 5,
        "trendingScore": 2.5,
        "private": False,
        "sha": "0123abcd",
        "config": "{}",
        "downloads": 6,
        "downloadsAllTime": 7,
        "tags": ["license:mit", "base_model:x/Y"],
        "pipeline_tag": "text-generation",
        "library_name": "transformers",
        "createdAt": datetime(2026, 4, 22, 6, 4, 45),
        "modelId": "Org/Model",
        "siblings": [{"rfilename": "a"}],
        "safetensors": {"parameters": {"BF16": 3, "F32": None}, "total": 3},
        "baseModels": {"models": [{"_id": "1", "id": "x/Y"}], "relation": "finetune"},
        "gguf": None,
    }
    bare = dict.fromkeys(full) | {"_id": "2", "id": "gpt2", "gated": "False"}
    return [full, bare | {"trendingScore": float("nan")}]


def test_the_hub_stats_form(
    connection: duckdb.DuckDBPyConnection, load: Loader, tmp_path: Path
) -> None:
    source = tmp_path / "o'models.parquet"
    pq.write_table(pa.Table.from_pylist(hub_stats_rows(), HUB_STATS_SCHEMA), source)
    (lines,) = normalise.hub_stats_lines(connection, source)
    full, bare = load(HUB_STATS, MODELS, *(line for _, line in lines))
    assert full["repository_id"] == "69e864fd6b68f7e6cfc63ca3"
    assert full["created_at"] == datetime(2026, 4, 22, 6, 4, 45)
    assert full["last_modified_at"] == datetime(2026, 4, 23, 4, 4, 45)
    counts = ("like_count", "download_30d_count", "download_all_count", "parameter_count")
    assert [full[key] for key in counts] == [5, 6, 7, 3]
    assert (full["gated"], full["licence"], full["languages"]) == ("auto", "mit", ["en"])
    assert full["base_models"] == [{"name": "x/Y", "relation": "finetune"}]
    assert (full["trending_score"], full["source_form"]) == (2.5, "hub_stats")
    assert json.loads(full["extra"]) == {"cardData": {"datasets": ["d"]}}
    assert (bare["repository_name"], bare["owner_name"], bare["gated"]) == ("gpt2", None, "no")
    assert [bare[key] for key in (*counts, "trending_score", "extra")] == [None] * 6


def test_hub_stats_rows_are_numbered_through(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    source = tmp_path / "models.parquet"
    rows = [{"id": f"a/{n}", "pipeline_tag": None} for n in range(25)]
    pq.write_table(pa.Table.from_pylist(rows), source)
    batches = list(normalise.hub_stats_lines(connection, source, rows=10))
    assert len(batches) > 1
    flat = [line for batch in batches for line in batch]
    assert [number for number, _ in flat] == list(range(1, 26))
    assert [orjson.loads(line)["id"] for _, line in flat] == [f"a/{n}" for n in range(25)]


@pytest.mark.parametrize(
    "columns",
    [
        {"name": ["a"], "pipeline_tag": ["x"]},
        {"id": ["a/b"], "likes": [1], "citation": ["x"]},
        {"id": ["a/b"], "likes": [1], "sdk": ["gradio"], "library_name": ["x"]},
    ],
)
def test_other_tables_are_no_models(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, columns: dict[str, list[Any]]
) -> None:
    source = tmp_path / "other.parquet"
    pq.write_table(pa.table(columns), source)
    with pytest.raises(ValueError, match=r"column id|not of models"):
        list(normalise.hub_stats_lines(connection, source))
