"""From the forms in which the Hub is recorded to the lake's tables.

Belongs here: the columns of all tables, how each source form fills those of repositories, commits
and discussions, what makes a line malformed, which of two rows for one repository is kept. Does
not belong here: fetching (orchestration.clients.huggingface), answers that have one form only
(rows) and what is committed when (snapshot, histories).

Every form goes the same way: strict JSON lines without e-mail addresses, parsed once by DuckDB
into declared keys, typed, and written as a Parquet part; parts are combined in one order, so
that equal content gives equal bytes.

Source of the keys: the parsers `ModelInfo`, `GitCommitInfo` and `Discussion` of huggingface_hub
2.4, and real answers of `GET /api/models`.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from assets.github.landing import BadLine, literal

SCHEMA_VERSION = 1
MODELS, DATASETS, SPACES = "models", "datasets", "spaces"
COMMITS, DISCUSSIONS = "commits", "discussions"
DISCUSSION_EVENTS, ACCOUNTS = "discussion_events", "accounts"
MEMBERS, LIKERS, ACCESS_REQUESTS = "organisation_members", "likers", "access_requests"
# The table of each type of repository.
LISTINGS = {"model": MODELS, "dataset": DATASETS, "space": SPACES}
_TYPES = {table: kind for kind, table in LISTINGS.items()}
API, RADAR_DUMP, HUB_STATS, API_DUMP = "api", "radar_dump", "hub_stats", "api_dump"

_LISTED = {
    "repository_id": "VARCHAR",
    "repository_type": "VARCHAR",
    "repository_name": "VARCHAR",
    "owner_name": "VARCHAR",
    "created_at": "TIMESTAMP",
    "last_modified_at": "TIMESTAMP",
    "like_count": "BIGINT",
    "download_30d_count": "BIGINT",
    "download_all_count": "BIGINT",
    "gated": "VARCHAR",
    "is_private": "BOOLEAN",
    "is_disabled": "BOOLEAN",
    "removed_at": "TIMESTAMP",
    "library_name": "VARCHAR",
    "pipeline_tag": "VARCHAR",
    "licence": "VARCHAR",
    "tags": "VARCHAR[]",
    "languages": "VARCHAR[]",
    "base_models": 'STRUCT("name" VARCHAR, relation VARCHAR)[]',
    "parameter_count": "BIGINT",
    "storage_bytes": "BIGINT",
    "trending_score": "DOUBLE",
    "head_sha": "VARCHAR",
    "observed_at": "TIMESTAMP",
    "source_form": "VARCHAR",
    "extra": "VARCHAR",
}
_NAMED = {"repository_type": "VARCHAR", "repository_name": "VARCHAR"}
SCHEMAS: dict[str, dict[str, str]] = {
    MODELS: _LISTED,
    DATASETS: _LISTED,
    SPACES: _LISTED,
    COMMITS: {
        "repository_name": "VARCHAR",
        "repository_type": "VARCHAR",
        "commit_id": "VARCHAR",
        "authors": "VARCHAR[]",
        "committed_at": "TIMESTAMP",
        "title": "VARCHAR",
        "message": "VARCHAR",
        "observed_at": "TIMESTAMP",
    },
    DISCUSSIONS: {
        "repository_name": "VARCHAR",
        "repository_type": "VARCHAR",
        "discussion_number": "BIGINT",
        "discussion_title": "VARCHAR",
        "status": "VARCHAR",
        "is_pull_request": "BOOLEAN",
        "author_login": "VARCHAR",
        "created_at": "TIMESTAMP",
        "comment_count": "BIGINT",
        "observed_at": "TIMESTAMP",
    },
    DISCUSSION_EVENTS: {
        **_NAMED,
        "discussion_number": "BIGINT",
        "event_id": "VARCHAR",
        "event_type": "VARCHAR",
        "author_login": "VARCHAR",
        "is_author_staff": "BOOLEAN",
        "is_author_admin": "BOOLEAN",
        "is_author_moderator": "BOOLEAN",
        "created_at": "TIMESTAMP",
        "body": "VARCHAR",
        "is_hidden": "BOOLEAN",
        "is_edited": "BOOLEAN",
        "new_status": "VARCHAR",
        "commit_id": "VARCHAR",
        "observed_at": "TIMESTAMP",
    },
    ACCOUNTS: {
        "account_login": "VARCHAR",
        "account_id": "VARCHAR",
        "account_type": "VARCHAR",
        "full_name": "VARCHAR",
        "plan": "VARCHAR",
        "is_verified": "BOOLEAN",
        "is_pro": "BOOLEAN",
        "member_count": "BIGINT",
        "follower_count": "BIGINT",
        "model_count": "BIGINT",
        "dataset_count": "BIGINT",
        "space_count": "BIGINT",
        "discussion_count": "BIGINT",
        "like_count": "BIGINT",
        "organisations": "VARCHAR[]",
        "created_at": "TIMESTAMP",
        "observed_at": "TIMESTAMP",
    },
    MEMBERS: {
        "organisation_login": "VARCHAR",
        "member_login": "VARCHAR",
        "member_id": "VARCHAR",
        "observed_at": "TIMESTAMP",
    },
    LIKERS: {**_NAMED, "actor_login": "VARCHAR", "observed_at": "TIMESTAMP"},
    ACCESS_REQUESTS: {
        **_NAMED,
        "gated": "VARCHAR",
        "requested_at": "TIMESTAMP",
        "outcome": "VARCHAR",
        "reason": "VARCHAR",
        "observed_at": "TIMESTAMP",
    },
}

# What is one thing, which of its rows is the newest, and the order of the finished file.
_IDENTITY = {
    **dict.fromkeys(_TYPES, "coalesce('id:' || repository_id, 'name:' || repository_name)"),
    COMMITS: "repository_type, repository_name, commit_id",
    DISCUSSIONS: "repository_type, repository_name, discussion_number",
}
_NEWEST = {
    **dict.fromkeys(
        _TYPES,
        "last_modified_at desc nulls last, like_count desc nulls last, "
        "download_30d_count desc nulls last, head_sha nulls last",
    ),
    COMMITS: "committed_at desc nulls last",
    DISCUSSIONS: "comment_count desc nulls last",
}
_ORDER = {
    **dict.fromkeys(_TYPES, "repository_name, repository_id nulls first"),
    COMMITS: "repository_name, repository_type, committed_at nulls first, commit_id",
    DISCUSSIONS: "repository_name, repository_type, discussion_number",
}

RELATIONS = ("finetune", "adapter", "quantized", "merge")
MOST_NAME_CHARACTERS = 512
# Card and unknown keys of one model above this size are not kept; their size is.
MOST_EXTRA_CHARACTERS = 32 * 1024
# Bytes of a refused line that are kept.
KEPT_BYTES = 64 * 1024
BATCH_BYTES = 8 * 1024 * 1024
BATCH_LINES = 20_000
# Rows of a Parquet file read at a time; a model with its card has a few kilobytes.
PARQUET_ROWS = 2_000

# Column: (key of the line, how it is read). A value of another type makes the line malformed.
_TYPED: dict[str, dict[str, tuple[str, str]]] = {
    RADAR_DUMP: {
        "repository_name": ("id", "name"),
        "owner_name": ("author", "text"),
        "created_at": ("created_at", "moment"),
        "last_modified_at": ("updated_at", "moment"),
        "like_count": ("likes", "count"),
        "download_30d_count": ("downloads_30d", "count"),
        "is_removed": ("removed", "flag"),
        "removed_at": ("removed_at", "moment"),
        "library_name": ("library", "text"),
        "pipeline_tag": ("pipeline_tag", "text"),
        "parameter_count": ("parameters", "count"),
        "storage_bytes": ("storage_bytes", "count"),
        "trending_score": ("trending_score", "number"),
    },
    API: {
        "repository_name": ("id", "name"),
        "repository_id": ("_id", "text"),
        "owner_name": ("author", "text"),
        "created_at": ("createdAt", "moment"),
        "last_modified_at": ("lastModified", "moment"),
        "like_count": ("likes", "count"),
        "download_30d_count": ("downloads", "count"),
        "download_all_count": ("downloadsAllTime", "count"),
        "is_private": ("private", "flag"),
        "is_disabled": ("disabled", "flag"),
        "library_name": ("library_name", "text"),
        "pipeline_tag": ("pipeline_tag", "text"),
        "storage_bytes": ("usedStorage", "count"),
        "trending_score": ("trendingScore", "number"),
        "head_sha": ("sha", "text"),
    },
    COMMITS: {
        "commit_id": ("id", "name"),
        "committed_at": ("date", "moment"),
        "title": ("title", "text"),
        "message": ("message", "text"),
    },
    DISCUSSIONS: {
        "discussion_number": ("num", "whole"),
        "discussion_title": ("title", "text"),
        "status": ("status", "text"),
        "is_pull_request": ("isPullRequest", "flag"),
        "created_at": ("createdAt", "moment"),
        "comment_count": ("numComments", "count"),
    },
}
# Keys that come in several shapes and are read leniently.
_SHAPED = {
    RADAR_DUMP: ("tags", "languages", "license", "gated", "base_model"),
    API: ("modelId", "tags", "gated", "cardData", "baseModels", "safetensors", "gguf"),
    COMMITS: ("authors",),
    DISCUSSIONS: ("author", "repo"),
}
# Not kept in `extra`: what follows from other columns, and what is larger than its worth.
_DROPPED = {
    RADAR_DUMP: ("schema", "slug", "url", "parameters_human", "storage_human", "license_family"),
    API: (
        *("siblings", "spaces", "config", "widgetData", "transformersInfo", "model-index"),
        *("securityRepoStatus", "inferenceProviderMapping", "evalResults"),
    ),
}
_DROPPED_OF_CARD = (
    *("license", "language", "base_model", "tags", "library_name", "pipeline_tag"),
    *("model-index", "widget", "extra_gated_prompt", "extra_gated_fields"),
)
_KINDS = {
    "name": "a name",
    "text": "text",
    "whole": "a whole number that fits",
    "count": "a whole number from 0 that fits",
    "number": "a number",
    "flag": "true or false",
    "moment": "a point in time",
}
_NUL_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

# A macro is put in wherever it is named, and what it names in it: planning the select of a listing
# costs more than reading a page, and grows with each time that a macro names its argument.
_MACROS = f"""
create or replace temp macro hub_text(j) as
    case when json_type(j) = 'VARCHAR' then j ->> '$' end;
create or replace temp macro hub_name(j) as
    case
        when json_type(j) = 'VARCHAR' and length(j ->> '$') <= {MOST_NAME_CHARACTERS}
            and trim(j ->> '$') <> '' then j ->> '$'
    end;
create or replace temp macro hub_number(j) as
    case
        when json_type(j) in ('BIGINT', 'UBIGINT', 'DOUBLE')
            and isfinite(try_cast(j ->> '$' as double)) then try_cast(j ->> '$' as double)
    end;
create or replace temp macro hub_whole(j) as
    case
        when json_type(j) in ('BIGINT', 'UBIGINT') then try_cast(j ->> '$' as bigint)
        when json_type(j) = 'DOUBLE'
            and try_cast(j ->> '$' as double) = trunc(try_cast(j ->> '$' as double))
            then try_cast(try_cast(j ->> '$' as double) as bigint)
    end;
create or replace temp macro hub_count(j) as
    try_cast(try_cast(hub_whole(j) as ubigint) as bigint);
create or replace temp macro hub_flag(j) as
    case when json_type(j) = 'BOOLEAN' then (j ->> '$') = 'true' end;
create or replace temp macro hub_instant(t) as
    case when t between timestamp '1970-01-01' and timestamp '2100-01-01' then t end;
create or replace temp macro hub_moment(j) as
    hub_instant(try_cast(hub_text(j) as timestamptz) at time zone 'UTC');
create or replace temp macro hub_opened(j) as
    case
        when json_type(j) <> 'VARCHAR' then j
        when left(j ->> '$', 1) in ('{{', '[') then coalesce(try_cast(j ->> '$' as json), j)
        else j
    end;
create or replace temp macro hub_texts(j) as
    case json_type(j)
        when 'VARCHAR' then [j ->> '$']
        when 'ARRAY' then list_filter(
            list_transform(json_extract(j, '$[*]'), lambda x: hub_text(x)),
            lambda x: x is not null
        )
    end;
create or replace temp macro hub_names(j) as
    case json_type(j)
        when 'VARCHAR' then string_split(j ->> '$', ', ')
        when 'OBJECT' then list_transform(
            coalesce(json_extract(j, '$.models[*]'), []),
            lambda x: coalesce(hub_text(x), hub_text(json_extract(x, '$.id')))
        )
        when 'ARRAY' then list_transform(
            json_extract(j, '$[*]'),
            lambda x: coalesce(hub_text(x), hub_text(json_extract(x, '$.id')))
        )
    end;
create or replace temp macro hub_relation(t) as
    case when t in {RELATIONS} then t end;
create or replace temp macro hub_gated(j) as
    case
        when json_type(j) in ('BOOLEAN', 'VARCHAR') then
            case lower(j ->> '$')
                when 'auto' then 'auto' when 'manual' then 'manual'
                when 'false' then 'no' when 'no' then 'no' when 'true' then 'yes'
            end
    end;
create or replace temp macro hub_once(names) as
    list_filter(
        names,
        lambda x, i: x <> '' and length(x) <= {MOST_NAME_CHARACTERS}
            and list_position(names, x) = i
    );
create or replace temp macro hub_tagged(tags) as
    list_transform(
        list_filter(coalesce(tags, []), lambda t: starts_with(t, 'base_model:')),
        lambda t: {{
            'name': regexp_extract(t, '^base_model:(?:({"|".join(RELATIONS)}):)?(.*)$', 2),
            'relation': nullif(
                regexp_extract(t, '^base_model:(?:({"|".join(RELATIONS)}):)?(.*)$', 1), ''
            )
        }}
    );
create or replace temp macro hub_owner(name) as
    case when contains(name, '/') then nullif(split_part(name, '/', 1), '') end;
create or replace temp macro hub_tag(tags, head) as
    substr(list_filter(coalesce(tags, []), lambda t: starts_with(t, head))[1], length(head) + 1);
create or replace temp macro hub_extra(j) as
    case
        when length(j) > {MOST_EXTRA_CHARACTERS}
            then json_object('omitted_characters', length(j))::varchar
        else nullif(j::varchar, '{{}}')
    end;
"""


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the reading macros known to a connection."""
    connection.execute(_MACROS).fetchall()


@dataclass
class Part:
    """What one batch of lines gave: rows in a Parquet file, and the lines that are not loaded."""

    row_count: int
    bad_lines: list[BadLine] = field(default_factory=list)


def normalise(
    connection: duckdb.DuckDBPyConnection,
    form: str,
    table: str,
    lines: Sequence[tuple[int, bytes]],
    observed_at: datetime,
    parquet: Path,
) -> Part:
    """Write the rows of some JSON lines of one form to a Parquet part, in their order.

    Args:
        connection: one on which `prepare` was called.
        form: `api`, `radar_dump`, `hub_stats` or `api_dump`.
        table: `models`, `datasets`, `spaces`, `commits` or `discussions`.
        lines: line number and bytes, one JSON object each, without e-mail addresses.
        observed_at: when the source said so, UTC without zone.
        parquet: the file to write; made also where no line is good.

    Returns:
        How many rows were written, and the refused lines in order.
    """
    given: dict[str, Any] = {"observed_at": observed_at}
    if table in _TYPES:
        given["form"] = form
    else:
        # A title is worth keeping with a mark where the character was: the act counts.
        lines = [(number, _without_nul(line)) for number, line in lines]
    query = _select(form, table)
    good, bad = sift(lines)
    good, unread = _land(connection, query, given, good)
    bad += unread
    texts = dict(good)
    for number, reason in connection.execute(
        "select number, problem from hub_rows where problem is not null order by number"
    ).fetchall():
        bad.append(bad_line(number, texts[number], reason))
    columns = ", ".join(f'"{name}"' for name in SCHEMAS[table])
    written = connection.execute(
        f"copy (select {columns} from hub_rows where problem is null order by number) "
        f"to {literal(parquet)} (format parquet, compression zstd)"
    ).fetchone()
    assert written is not None
    return Part(int(written[0]), sorted(bad, key=lambda line: line.number))


def _land(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    given: dict[str, Any],
    lines: list[tuple[int, bytes]],
) -> tuple[list[tuple[int, bytes]], list[BadLine]]:
    """Read lines into the table `hub_rows`, leaving out those on which the query itself fails.

    Returns:
        The lines that were read and the others; none of the latter is known, but one line in
        millions must not stop a listing.
    """
    try:
        _read(connection, query, given, lines)
        return lines, []
    except (duckdb.OutOfMemoryException, duckdb.IOException):
        raise
    # A message that cuts a character of the line in two cannot be decoded.
    except (duckdb.Error, UnicodeDecodeError) as error:
        if len(lines) <= 1:
            reason = f"cannot be read ({_short(str(error))})"
            return [], [bad_line(number, line, reason) for number, line in lines]
    half = len(lines) // 2
    good: list[tuple[int, bytes]] = []
    bad: list[BadLine] = []
    for piece in (lines[:half], lines[half:]):
        more_good, more_bad = _land(connection, query, given, piece)
        good += more_good
        bad += more_bad
    _read(connection, query, given, good)
    return good, bad


def _read(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    given: dict[str, Any],
    lines: list[tuple[int, bytes]],
) -> None:
    batch = pa.table(
        {
            "number": pa.array([number for number, _ in lines], pa.int64()),
            "line": pa.array([line for _, line in lines], pa.binary()).cast(pa.string()),
        }
    )
    connection.register("hub_batch", batch)
    try:
        connection.execute(f"create or replace temp table hub_rows as {query}", given).fetchall()
    finally:
        connection.unregister("hub_batch")


def sift(
    lines: Sequence[tuple[int, bytes]],
) -> tuple[list[tuple[int, bytes]], list[BadLine]]:
    """Lines that are one strict JSON object, and the others with the reason."""
    good = []
    bad = []
    for number, line in lines:
        try:
            is_object = isinstance(orjson.loads(line), dict)
        except orjson.JSONDecodeError as error:
            bad.append(bad_line(number, line, f"not JSON ({_short(error.msg)})"))
            continue
        if not is_object:
            bad.append(bad_line(number, line, "not a JSON object"))
        elif b"\\u0000" in line and _NUL_ESCAPE.search(line):
            bad.append(bad_line(number, line, "holds a NUL character"))
        else:
            good.append((number, line))
    return good, bad


def _without_nul(line: bytes) -> bytes:
    """The line with U+FFFD for each NUL, which DuckDB cannot hold in a text."""
    if b"\\u0000" not in line:
        return line
    return _NUL_ESCAPE.sub(lambda match: match[0][: -len("u0000")] + b"ufffd", line)


def bad_line(number: int, line: bytes, reason: str) -> BadLine:
    """A refused line with its hash and its beginning."""
    digest = hashlib.sha256(line).hexdigest()
    return BadLine(number, reason, len(line), digest, line[:KEPT_BYTES])


def _short(message: str) -> str:
    return " ".join(message.split())[:120]


def batches(blocks: Iterator[bytes]) -> Iterator[list[tuple[int, bytes]]]:
    """Numbered lines of blocks of whole lines, some thousand at a time, without empty ones."""
    batch: list[tuple[int, bytes]] = []
    number = size = 0
    for block in blocks:
        for line in block.split(b"\n")[:-1]:
            number += 1
            if line.strip():
                batch.append((number, line))
                size += len(line)
        if size >= BATCH_BYTES or len(batch) >= BATCH_LINES:
            yield batch
            batch = []
            size = 0
    if batch:
        yield batch


def combine(
    connection: duckdb.DuckDBPyConnection, table: str, parts: Sequence[Path], parquet: Path
) -> tuple[int, int]:
    """Put parts together in the table's one order, each repository (or act) once.

    Of several rows for one the newest is kept; names that differ in case only are different.

    Returns:
        Rows written and rows dropped as duplicates.
    """
    columns = ", ".join(f'"{name}"' for name in SCHEMAS[table])
    source = _parts(table, parts)
    connection.execute(
        f"""
        create or replace temp table hub_losers as
        select filename, file_row_number
        from {source}
        qualify row_number() over (
            partition by {_IDENTITY[table]}
            order by {_NEWEST[table]}, filename, file_row_number
        ) > 1
        """
    ).fetchall()
    dropped = connection.execute("select count(*) from hub_losers").fetchone()
    # Through a table, whose chunks do not depend on how the sort met its input: the writer
    # encodes chunk by chunk, and equal rows shall be equal bytes.
    connection.execute(
        f"""
        create or replace temp table hub_sorted as
        select {columns}
        from {source} as kept
        anti join hub_losers using (filename, file_row_number)
        order by {_ORDER[table]}
        """
    ).fetchall()
    written = connection.execute(
        f"copy hub_sorted to {literal(parquet)} (format parquet, compression zstd)"
    ).fetchone()
    connection.execute("drop table hub_sorted").fetchall()
    assert dropped is not None
    assert written is not None
    return int(written[0]), int(dropped[0])


def _parts(table: str, parts: Sequence[Path]) -> str:
    if parts:
        listed = ", ".join(literal(part) for part in parts)
        return f"read_parquet([{listed}], filename = true, file_row_number = true)"
    columns = ", ".join(f'null::{kind} as "{name}"' for name, kind in SCHEMAS[table].items())
    return f"(select {columns}, '' as filename, 0::bigint as file_row_number where false)"


def _select(form: str, table: str) -> str:
    """The query from `hub_batch(number, line)` to the table's columns and `problem`."""
    if table == COMMITS:
        return _act_select(COMMITS, "commit", _COMMIT_COLUMNS)
    if table == DISCUSSIONS:
        return _act_select(DISCUSSIONS, "discussion", _DISCUSSION_COLUMNS)
    return _listed_select(RADAR_DUMP if form == RADAR_DUMP else API, _TYPES[table])


def _structure(keys: Sequence[str]) -> str:
    """The argument of `json_transform` that keeps the values of some keys as JSON."""
    return "'" + json.dumps(dict.fromkeys(keys, "JSON")) + "'"


def _typed_columns(shape: str) -> str:
    columns = _TYPED[shape].items()
    return ", ".join(f'hub_{kind}(f."{key}") as "{name}"' for name, (key, kind) in columns)


def _problem(shape: str) -> str:
    """The first declared key whose value is of another type, as text; null where all fit."""
    cases = " ".join(
        f'when "{name}" is null and f."{key}" is not null and json_type(f."{key}") <> \'NULL\' '
        f"then '{key} is not {_KINDS[kind]}'"
        for name, (key, kind) in _TYPED[shape].items()
    )
    return f"case {cases} end"


def _removed(keys: Sequence[str]) -> str:
    """A merge patch (RFC 7396) that takes keys out of an object."""
    return "'" + json.dumps(dict.fromkeys(keys)) + "'::json"


def _listed_select(shape: str, kind: str) -> str:
    """The query on a listing, where what is named more than once is a column of an earlier step.

    DuckDB puts in what a name of the same step stands for, wherever it stands, and plans for
    longer than it reads a page.
    """
    keys = [key for key, _ in _TYPED[shape].values()] + list(_SHAPED[shape])
    consumed = _removed([*keys, *_DROPPED[shape]])
    own = _RADAR if shape == RADAR_DUMP else _API
    columns = ", ".join(f'{_column(shape, kind, name)} as "{name}"' for name in _LISTED)
    return f"""
    with read as (
        select number, line, json_transform(line, {_structure(keys)}) as f from hub_batch
    ),
    typed as (
        select number, line, f, {_typed_columns(shape)} from read
    ),
    opened as (
        select
            * exclude (line), {_problem(shape)} as problem, hub_texts(f.tags) as tags,
            json_merge_patch(line::json, {consumed}) as unread, {own.opened}
        from typed
    ),
    shaped as (
        select *, hub_tagged(tags) as tagged, hub_gated(f.gated) as gate, {own.shaped} from opened
    ),
    named as (
        select
            *, hub_once({own.names}) as named, {own.declared} as declared, {_UNGATED} as ungated
        from shaped
    ),
    kept as (
        select
            *, case when len(named) > 0 then declared end as relation,
            case
                when len(named) > 0 then named
                else hub_once(list_transform(tagged, lambda t: t.name))
            end as bases,
            {own.rest} as rest
        from named
    )
    select
        number, {columns},
        coalesce(
            problem, case when {_column(shape, kind, "repository_name")} is null then 'no id' end
        ) as problem
    from kept
    """


@dataclass(frozen=True)
class _Own:
    """What one form has of its own in each step of the query."""

    opened: str
    shaped: str
    names: str
    declared: str
    rest: str


_UNGATED = """
    case
        when json_type(f.gated) <> 'NULL' and gate is null
            then json_merge_patch(unread, json_object('gated', f.gated))
        else unread
    end
"""
_RADAR = _Own(
    opened="true as has_bases",
    shaped="hub_texts(f.languages) as languages, f.license as card_licence",
    names="hub_names(f.base_model)",
    declared="null::varchar",
    rest="ungated",
)
_API = _Own(
    opened="""
    hub_opened(f.cardData) as card, hub_opened(f.baseModels) as base,
    hub_opened(f.safetensors) as tensors, hub_opened(f.gguf) as gguf,
    coalesce(f.cardData, f.baseModels, f.tags) is not null as has_bases
    """,
    shaped=f"""
    hub_texts(card -> '$.language') as languages, card -> '$.license' as card_licence,
    tensors -> '$.total' as tensor_total, gguf -> '$.total' as gguf_total,
    hub_names(base) as base_names, card -> '$.base_model' as card_bases,
    case
        when json_type(card) = 'OBJECT' then json_merge_patch(card, {_removed(_DROPPED_OF_CARD)})
    end as card_rest
    """,
    names="if(len(base_names) > 0, base_names, hub_names(card_bases))",
    declared="""
    hub_relation(
        hub_text(if(len(base_names) > 0, base -> '$.relation', card -> '$.base_model_relation'))
    )
    """,
    rest="""
    case
        when card_rest::varchar <> '{}'
            then json_merge_patch(ungated, json_object('cardData', card_rest))
        else ungated
    end
    """,
)
_BASES = """
    case
        when has_bases then list_transform(
            bases,
            lambda n: {
                'name': n,
                'relation': coalesce(
                    relation,
                    list_filter(
                        tagged, lambda t: t.name = n and t.relation is not null
                    )[1].relation
                )
            }
        )
    end
"""
_LICENCE = "coalesce(array_to_string(hub_texts(card_licence), ', '), hub_tag(tags, 'license:'))"


def _column(shape: str, kind: str, name: str) -> str:
    """The expression of one column of a table of repositories."""
    is_radar = shape == RADAR_DUMP
    expressions = {
        "repository_type": f"'{kind}'",
        "gated": "gate",
        "licence": _LICENCE,
        "tags": "tags",
        "languages": "languages",
        "base_models": _BASES,
        "observed_at": "$observed_at::timestamp",
        "source_form": "$form",
        "extra": "hub_extra(rest)",
    }
    if is_radar:
        # Removed at a time not recorded: by the day of the dump at the latest.
        expressions["removed_at"] = (
            "case when coalesce(is_removed, removed_at is not null) "
            "then coalesce(removed_at, $observed_at::timestamp) end"
        )
        expressions["repository_name"] = "repository_name"
        expressions["owner_name"] = "coalesce(owner_name, hub_owner(repository_name))"
    else:
        full_name = "coalesce(repository_name, hub_name(f.modelId))"
        expressions["repository_name"] = full_name
        expressions["owner_name"] = f"coalesce(owner_name, hub_owner({full_name}))"
        expressions["parameter_count"] = "coalesce(hub_whole(tensor_total), hub_whole(gguf_total))"
    if name in expressions:
        return expressions[name]
    return f'"{name}"' if name in _TYPED[shape] else f"null::{_LISTED[name]}"


_COMMIT_COLUMNS = {
    # Only the login: name and address of a git author are not kept.
    "authors": "list_filter(list_transform(coalesce(json_extract(f.authors, '$[*]'), []), "
    "lambda a: coalesce(hub_text(a), hub_text(json_extract(a, '$.user')))), "
    "lambda a: a is not null)",
}
_DISCUSSION_COLUMNS = {
    "author_login": "coalesce(hub_text(f.author), hub_text(json_extract(f.author, '$.name')))",
}


def _act_select(table: str, key: str, own: dict[str, str]) -> str:
    """Commits and discussions: `{"repo_id", "repo_type", <key>: {...}}`, or the object alone."""
    keys = [name for name, _ in _TYPED[table].values()] + list(_SHAPED[table])
    in_act = "hub_name(json_extract(f.repo, '$.name'))" if table == DISCUSSIONS else "null"
    type_in_act = "hub_name(json_extract(f.repo, '$.type'))" if table == DISCUSSIONS else "null"
    names = {
        "repository_name": f"coalesce(hub_name(o.repo_id), {in_act})",
        "repository_type": f"coalesce(hub_name(o.repo_type), {type_in_act}, 'model')",
        "observed_at": "$observed_at::timestamp",
        **own,
    }
    columns = ", ".join(
        f'{names.get(name, chr(34) + name + chr(34))} as "{name}"' for name in SCHEMAS[table]
    )
    number = next(iter(_TYPED[table]))
    return f"""
    with outside as (
        select number, json_transform(line, {_structure(["repo_id", "repo_type", key])}) as o
        from hub_batch
    ),
    read as (
        select
            number, o,
            json_transform(
                case when json_type(o."{key}") = 'OBJECT' then o."{key}" end, {_structure(keys)}
            ) as f
        from outside
    ),
    typed as (
        select number, o, f, {_typed_columns(table)}, {_problem(table)} as problem from read
    )
    select
        number, {columns},
        coalesce(
            problem,
            case
                when f is null then 'no {key}'
                when {names["repository_name"]} is null then 'no repo_id'
                when "{number}" is null then 'no {_TYPED[table][number][0]} in the {key}'
            end
        ) as problem
    from typed
    """


def form_of(line: bytes) -> tuple[str, str] | None:
    """Table and source form of a JSON line by its keys; None where they tell nothing."""
    try:
        value: Any = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(value, dict):
        return None
    if "commit" in value:
        return COMMITS, API_DUMP
    if "discussion" in value:
        return DISCUSSIONS, API_DUMP
    if "id" not in value and "modelId" not in value:
        return None
    is_radar = not {"_id", "modelId"} & value.keys() and bool(
        {"downloads_30d", "updated_at", "storage_bytes"} & value.keys()
    )
    return MODELS, RADAR_DUMP if is_radar else API_DUMP


def hub_stats_lines(
    connection: duckdb.DuckDBPyConnection, source: Path, rows: int = PARQUET_ROWS
) -> Iterator[list[tuple[int, bytes]]]:
    """The models of a hub-stats Parquet file as numbered JSON lines of the API's form.

    The columns are those of the API's answer (`_id`, `id`, `author`, `cardData` as JSON text,
    `baseModels` and `safetensors` as structs or JSON text, ...); absent ones are absent, large
    ones that no column needs are not read, nulls are left out.

    Args:
        rows: lines yielded at a time.

    Raises:
        duckdb.Error: the file is not Parquet.
        ValueError: it is Parquet of something else.
    """
    reading = connection.cursor()
    described = reading.execute(
        "describe select * from read_parquet($path)", {"path": str(source)}
    ).fetchall()
    known = {row[0]: row[1] for row in described}
    if "id" not in known and "modelId" not in known:
        raise ValueError("the Parquet file has no column id")
    # The same publisher's tables of data sets and spaces have ids, likes and tags too.
    if not known.keys() & {"pipeline_tag", "library_name", "modelId"} or "sdk" in known:
        raise ValueError("the Parquet file has ids, but not of models")
    kept = [
        f"'{name.replace(chr(39), chr(39) * 2)}': {_as_json_safe(name, kind)}"
        for name, kind in known.items()
        if name not in _DROPPED[API]
    ]
    # A merge patch (RFC 7396) onto nothing leaves the nulls out.
    line = f"json_merge_patch('{{}}'::json, to_json({{{', '.join(kept)}}}))::varchar"
    reader: Any = reading.sql(
        f"select {line} as line from read_parquet({literal(source)})"
    ).to_arrow_reader(rows)
    number = 0
    for batch in reader:
        lines = [str(value).encode() for value in batch.column(0).to_pylist()]
        yield list(enumerate(lines, number + 1))
        number += len(lines)


def _as_json_safe(name: str, kind: str) -> str:
    """A column whose JSON is valid: what is no number is null, points in time are text.

    An escaped `@` inside text that is JSON itself is opened, so that addresses can be found.
    """
    quoted = '"' + name.replace('"', '""') + '"'
    if kind in {"FLOAT", "DOUBLE"}:
        return f"case when isfinite({quoted}) then {quoted} end"
    if "FLOAT" in kind or "DOUBLE" in kind:
        return f"try_cast(to_json({quoted})::varchar as json)"
    if kind == "VARCHAR":
        return f"replace({quoted}, '\\u0040', '@')"
    return f"{quoted}::varchar" if kind.startswith("TIMESTAMP") else quoted
