"""The corpus: every opening post known, measured, and whether it may be coded.

Belongs here: what is kept of a post, keeping it up to date, and texts of posts read where they lie.
Does not belong here: cleaning (`cleaning`), languages (`languages`), near-duplicates
(`duplicates`), what posts are about.

No text is kept: texts stay in the lake, found again by the keys and hashes of `core.fct_message`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.actors.policies import POLICIES
from assets.study.tables import StudyTable, make_tables, open_warehouse
from assets.study.themes.cleaning import (
    CLEANING_VERSION,
    LEAST_AUTHORS,
    LEAST_COMPANY,
    LEAST_SHARE,
    LEAST_TEXTS,
    MOST_READ,
    MOST_TEXTS,
    MOST_TITLE,
    cleaned,
    line_hashes,
)
from assets.study.themes.coding import Text
from assets.study.themes.duplicates import (
    BAND_BYTES,
    BANDS,
    SIGNATURE_BYTES,
    SIGNATURE_VERSION,
    representatives,
    signatures,
)
from assets.study.themes.languages import LANGUAGE_VERSION, language_of
from orchestration.failures import PermanentFailure

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from orchestration.settings import StudySettings

Row = dict[str, Any]
# Posts whose texts are in memory at once.
BATCH_SIZE = 5_000
# Of all that a row is made with: a row of another version is made anew.
VERSION = f"{CLEANING_VERSION}.{LANGUAGE_VERSION}.{SIGNATURE_VERSION}"
STATES = (
    "in_frame", "pull_request", "text_not_observed", "empty", "by_automation", "near_duplicate",
)  # fmt: skip

CORPUS = StudyTable(
    "study.message_corpus",
    "One row per opening post: what was measured of its text, and whether it may be coded. Without"
    " the text.",
    (
        ("message_key", "VARCHAR NOT NULL", "The post, as in core.fct_message."),
        ("platform", "VARCHAR NOT NULL", "github or huggingface."),
        ("repository_key", "VARCHAR NOT NULL", "Where it was posted."),
        ("kind", "VARCHAR NOT NULL", "issue, discussion or pull_request."),
        ("created_at", "TIMESTAMP", "When it was posted (UTC)."),
        ("created_on", "DATE", "The day of it."),
        ("actor_key", "VARCHAR", "Who posted it."),
        (
            "text_digest",
            "VARCHAR",
            "Of title, text and version: a row with another one is made anew; null: the text was"
            " not found and is looked for again.",
        ),
        ("language", "VARCHAR", "ISO 639-1 code; null: too short, or not certain."),
        ("language_probability", "DOUBLE", "Of the likeliest language (0-1); null: not asked."),
        ("character_count", "BIGINT", "Of the cleaned text; null: not read."),
        ("code_share", "DOUBLE", "Share (0-1) of the body as written that is code."),
        ("log_share", "DOUBLE", "Share (0-1) that is logs and stack traces."),
        ("template_share", "DOUBLE", "Share (0-1) that a template put there."),
        ("is_template", "BOOLEAN", "Whether it was written into a template or form."),
        ("line_hashes", "BIGINT[]", "Of its lines, by which a repository's templates are found."),
        ("minhash", "BLOB", "Signature by which near-duplicates are found; null: not compared."),
        (
            "representative_key",
            "VARCHAR",
            "The earliest post that says nearly the same, or the post; null: not compared.",
        ),
        (
            "state",
            "VARCHAR NOT NULL",
            "in_frame, or why not: pull_request, text_not_observed, empty, near_duplicate. Posts of"
            " automation are left out where a bot policy is given.",
        ),
        ("cleaning_version", "VARCHAR NOT NULL", "Of cleaning, languages and signatures."),
    ),
)
TEMPLATE = StudyTable(
    "study.message_template",
    "One row per repository and line that its posts repeat: its issue templates, without the text.",
    (
        ("repository_key", "VARCHAR NOT NULL", "The repository."),
        ("line_hash", "BIGINT NOT NULL", "Of the line, as in study.message_corpus.line_hashes."),
        ("text_count", "BIGINT NOT NULL", "Different posts with it."),
    ),
)


@dataclass(frozen=True, slots=True)
class RawText:
    """A post as it was written.

    Attributes:
        body: its first `MOST_READ` characters; None where it has none.
    """

    message_key: str
    repository_key: str
    title: str | None
    body: str | None


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update did.

    Attributes:
        new_count: posts that were new or had changed.
        gone_count: posts that are known no longer.
        read_count: texts read, those of `again_count` included.
        again_count: texts read once more, as a template of their repository became known.
        lost_count: texts that are told of and were not found in the lake.
    """

    new_count: int
    gone_count: int
    read_count: int
    again_count: int
    lost_count: int


Templates = Mapping[str, frozenset[int]]


# ---------------------------------------------------------------- keeping it up to date


def update_corpus(
    warehouse_path: Path,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int, int], None] | None = None,
) -> Updated:
    """Bring `study.message_corpus` in line with `core.fct_message`, in one transaction.

    Only texts that are new or changed are read, and of a repository of which a template became
    known those that contain it. The rows do not depend on the order in which posts became known.

    Args:
        progress: told how many texts are read of how many, after each batch.

    Raises:
        PermanentFailure: a model is missing, or a table has the columns of another version.
        TransientFailure: another process has the warehouse open.
    """
    with open_warehouse(warehouse_path, read_only=False) as connection:
        # By themselves: texts are read by a cursor that sees only what is committed.
        connection.begin()
        make_tables(connection, [CORPUS, TEMPLATE])
        connection.commit()
        connection.begin()
        new_count, gone_count = _find_pending(connection)
        lost_count = read_count = again_count = 0
        if new_count or gone_count:
            asked = _count(connection, "pending WHERE is_text")
            new = new_messages(connection, batch_size)
            read_count = _measure(connection, "measured", new, asked, progress)
            lost_count = _add_pending(connection)
            _find_templates(connection)
            asked = _count(connection, "again")
            keys = connection.sql("SELECT message_key FROM again").to_arrow_table()
            again = _raw_texts(connection, keys, batch_size)
            again_count = _measure(connection, "measured_again", again, asked, progress)
            _replace_measured(connection)
            _fold(connection)
        connection.commit()
    return Updated(new_count, gone_count, read_count + again_count, again_count, lost_count)


def new_messages(
    connection: "duckdb.DuckDBPyConnection", batch_size: int = BATCH_SIZE
) -> Iterator[list[RawText]]:
    """Texts of the posts that `study.message_corpus` lacks or has with another digest, once each.

    Texts come by source, otherwise in no order.

    Raises:
        PermanentFailure: a model or the corpus is missing.
    """
    asked = connection.sql(
        f"SELECT message_key FROM ({_PENDING}) AS pending WHERE is_text"
    ).to_arrow_table()
    yield from _raw_texts(connection, asked, batch_size)


def corpus_rows(batch: Sequence[RawText], templates: Templates) -> list[Row]:
    """What is measured of texts: the columns `MEASURED` of each.

    Args:
        templates: of repositories, as far as known.
    """
    nothing: frozenset[int] = frozenset()
    cleans = [
        cleaned(raw.title, raw.body, templates.get(raw.repository_key, nothing)) for raw in batch
    ]
    words = [f"{clean.title}\n{clean.body}" for clean in cleans]
    return [
        {
            "message_key": raw.message_key,
            "language": language.code,
            "language_probability": language.probability,
            "character_count": clean.character_count,
            "code_share": clean.code_share,
            "log_share": clean.log_share,
            "template_share": clean.template_share,
            "is_template": clean.is_template,
            "line_hashes": line_hashes(raw.body),
            "minhash": signature if clean.character_count else None,
            "representative_key": raw.message_key if clean.character_count else None,
            "state": "in_frame" if clean.character_count else "empty",
        }
        for raw, clean, language, signature in zip(
            batch, cleans, language_of(words), signatures(words), strict=True
        )
    ]


MEASURED = (
    "language", "language_probability", "character_count", "code_share", "log_share",
    "template_share", "is_template", "line_hashes", "minhash", "representative_key", "state",
)  # fmt: skip
# As told by core.fct_message.
_FACTS = ("platform", "repository_key", "kind", "created_at", "created_on", "actor_key")
_MESSAGES = (
    f"SELECT message_key, {', '.join(_FACTS)},"
    " kind <> 'pull_request' AND body_character_count IS NOT NULL AS is_text,"
    f" sha256(concat_ws('|', '{VERSION}', kind, coalesce(title_hash, '-'), coalesce(text_hash,"
    " CASE WHEN body_character_count IS NULL THEN '?' ELSE '-' END))) AS text_digest"
    " FROM core.fct_message"
)
_SAME = " AND ".join(
    f"message.{name} IS NOT DISTINCT FROM known.{name}"
    for name in ("message_key", "text_digest", *_FACTS)
)
_PENDING = (
    f"SELECT message.* FROM ({_MESSAGES}) AS message"
    f" ANTI JOIN study.message_corpus AS known ON {_SAME}"
)


_TEMPLATES = """
CREATE OR REPLACE TEMP TABLE found AS
WITH posts AS (
    SELECT repository_key, actor_key, line_hashes
    FROM study.message_corpus SEMI JOIN touched USING (repository_key)
    WHERE len(line_hashes) > 0
),
texts AS (
    SELECT repository_key, line_hashes, row_number() OVER () AS number
    FROM (SELECT DISTINCT repository_key, line_hashes FROM posts) AS different
    QUALIFY row_number() OVER (
        PARTITION BY repository_key ORDER BY md5(array_to_string(line_hashes, ','))
    ) <= $most
),
sizes AS (SELECT repository_key, count(*) AS size FROM texts GROUP BY repository_key),
lines AS (SELECT repository_key, number, unnest(line_hashes) AS line_hash FROM texts),
authors AS (
    SELECT repository_key, line_hash, count(DISTINCT actor_key) AS author_count
    FROM (
        SELECT repository_key, actor_key, unnest(line_hashes) AS line_hash
        FROM posts SEMI JOIN texts USING (repository_key, line_hashes)
    ) AS written
    GROUP BY repository_key, line_hash
),
likely AS (
    SELECT repository_key, line_hash, text_count
    FROM (
        SELECT repository_key, line_hash, count(*) AS text_count
        FROM lines GROUP BY repository_key, line_hash
    ) AS counted
    INNER JOIN sizes USING (repository_key)
    INNER JOIN authors USING (repository_key, line_hash)
    WHERE author_count >= $authors AND text_count >= greatest($texts, $share * size)
),
held AS (SELECT lines.* FROM lines SEMI JOIN likely USING (repository_key, line_hash)),
company AS (
    SELECT one.repository_key, one.line_hash, count(*) AS both_count
    FROM held AS one INNER JOIN held AS other USING (number)
    WHERE one.line_hash <> other.line_hash
    GROUP BY one.repository_key, one.line_hash, other.line_hash
)
SELECT likely.repository_key, likely.line_hash, likely.text_count
FROM likely INNER JOIN company USING (repository_key, line_hash)
GROUP BY ALL HAVING max(both_count) >= $company * text_count
"""


def _find_pending(connection: "duckdb.DuckDBPyConnection") -> tuple[int, int]:
    """Temporary tables `pending` and `touched` (repositories); rows that hold no longer go.

    Returns:
        How many posts are new or changed, and how many are known no longer.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE pending AS {_PENDING}")
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE gone AS SELECT message_key, repository_key"
        " FROM study.message_corpus ANTI JOIN core.fct_message USING (message_key)"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE touched AS SELECT repository_key FROM pending"
        " UNION SELECT repository_key FROM gone"
    )
    connection.execute(
        "DELETE FROM study.message_corpus WHERE message_key IN"
        " (SELECT message_key FROM gone UNION ALL SELECT message_key FROM pending)"
    )
    return _count(connection, "pending"), _count(connection, "gone")


def _measure(
    connection: "duckdb.DuckDBPyConnection",
    name: str,
    batches: Iterator[list[RawText]],
    asked_count: int,
    progress: Callable[[int, int], None] | None,
) -> int:
    """A temporary table with what is measured of texts.

    Returns:
        How many texts were read.
    """
    declared = ", ".join(
        f"{column} {kind.removesuffix(' NOT NULL')}"
        for column, kind, _ in CORPUS.columns
        if column in ("message_key", *MEASURED)
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({declared})")
    read_count = 0
    for batch in batches:
        rows = corpus_rows(batch, _templates(connection, {raw.repository_key for raw in batch}))
        connection.register("measured_rows", _arrow(rows))
        connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM measured_rows")
        connection.unregister("measured_rows")
        read_count += len(batch)
        if progress is not None:
            progress(read_count, asked_count)
    return read_count


def _arrow(rows: Sequence[Row]) -> "pa.Table":
    import pyarrow as pa

    kinds = {
        "VARCHAR": pa.string(), "BIGINT": pa.int64(), "DOUBLE": pa.float64(), "BLOB": pa.binary(),
        "BOOLEAN": pa.bool_(), "BIGINT[]": pa.list_(pa.int64()),
    }  # fmt: skip
    fields = [
        (name, kinds[kind.split()[0]])
        for name, kind, _ in CORPUS.columns
        if name in ("message_key", *MEASURED)
    ]
    return pa.Table.from_pylist(list(rows), schema=pa.schema(fields))


def _add_pending(connection: "duckdb.DuckDBPyConnection") -> int:
    """Rows of all pending posts, of those without text too.

    Returns:
        How many texts were not found: their rows have no digest, so that they are asked again.
    """
    measured = ", ".join(f"measured.{name}" for name in MEASURED if name != "state")
    connection.execute(
        f"INSERT INTO study.message_corpus BY NAME SELECT pending.message_key,"
        f" {', '.join(f'pending.{fact}' for fact in _FACTS)}, {measured},"
        " CASE WHEN NOT is_text OR measured.state IS NOT NULL THEN text_digest END AS text_digest,"
        " CASE WHEN kind = 'pull_request' THEN 'pull_request'"
        " ELSE coalesce(measured.state, 'text_not_observed') END AS state,"
        " $version AS cleaning_version FROM pending LEFT JOIN measured USING (message_key)",
        {"version": VERSION},
    )
    found = connection.execute(
        "SELECT count(*) FROM pending ANTI JOIN measured USING (message_key) WHERE is_text"
    ).fetchall()
    return int(found[0][0])


def _find_templates(connection: "duckdb.DuckDBPyConnection") -> None:
    """Templates of touched repositories, and the temporary table `again`: posts that they change.

    The rule is that of `cleaning.template_lines`.
    """
    connection.execute(
        _TEMPLATES,
        {"authors": LEAST_AUTHORS, "texts": LEAST_TEXTS, "share": LEAST_SHARE,
         "company": LEAST_COMPANY, "most": MOST_TEXTS},
    )  # fmt: skip
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE again AS WITH known AS (SELECT repository_key, line_hash"
        " FROM study.message_template SEMI JOIN touched USING (repository_key)),"
        " changed AS (SELECT repository_key, list(line_hash) AS lines FROM ("
        " (SELECT * FROM known EXCEPT SELECT repository_key, line_hash FROM found) UNION ALL"
        " (SELECT repository_key, line_hash FROM found EXCEPT SELECT * FROM known)) AS differences"
        " GROUP BY repository_key)"
        " SELECT message_key FROM study.message_corpus INNER JOIN changed USING (repository_key)"
        " WHERE list_has_any(line_hashes, lines)"
    )
    connection.execute(
        "DELETE FROM study.message_template"
        " WHERE repository_key IN (SELECT repository_key FROM touched)"
    )
    connection.execute("INSERT INTO study.message_template BY NAME SELECT * FROM found")


def _replace_measured(connection: "duckdb.DuckDBPyConnection") -> None:
    """What was measured again takes the place of what was measured first."""
    connection.execute(
        "UPDATE study.message_corpus AS corpus SET "
        + ", ".join(f"{name} = again.{name}" for name in MEASURED)
        + " FROM measured_again AS again WHERE corpus.message_key = again.message_key"
    )


def _fold(connection: "duckdb.DuckDBPyConnection") -> None:
    """Near-duplicates folded: only posts that share a signature or a band are looked at."""
    import numpy as np
    import pyarrow as pa

    band = f"substr(hex(minhash), 1 + {2 * BAND_BYTES} * band, {2 * BAND_BYTES})"
    found = connection.sql(
        "WITH signed AS (SELECT message_key, platform, created_at, minhash"
        " FROM study.message_corpus WHERE minhash IS NOT NULL),"
        " banded AS (SELECT message_key, platform, band, hash(" + band + ") AS part"
        f" FROM signed, range({BANDS}) AS bands(band)"
        f" WHERE octet_length(minhash) = {SIGNATURE_BYTES}"
        f" UNION ALL SELECT message_key, platform, {BANDS}, hash(minhash) FROM signed),"
        " shared AS (SELECT platform, band, part FROM banded GROUP BY ALL HAVING count(*) > 1)"
        " SELECT message_key, platform, coalesce(epoch_us(created_at), $never) AS created, minhash"
        " FROM signed WHERE message_key IN (SELECT message_key FROM banded"
        " SEMI JOIN shared USING (platform, band, part))",
        params={"never": np.iinfo(np.int64).max},
    ).to_arrow_table()
    keys = found["message_key"].to_pylist()
    first = representatives(
        keys,
        found["created"].to_numpy(),
        found["minhash"].to_pylist(),
        found["platform"].to_pylist(),
    )
    folded = pa.table(
        {
            "message_key": pa.array(keys, pa.string()),
            "representative_key": pa.array([keys[at] for at in first.tolist()], pa.string()),
        }
    )
    connection.register("folded", folded)
    connection.execute(
        "UPDATE study.message_corpus AS corpus SET representative_key = told.representative_key,"
        " state = CASE told.representative_key WHEN corpus.message_key THEN 'in_frame'"
        " ELSE 'near_duplicate' END FROM (SELECT message_key,"
        " coalesce(folded.representative_key, message_key) AS representative_key"
        " FROM study.message_corpus LEFT JOIN folded USING (message_key)"
        " WHERE minhash IS NOT NULL) AS told WHERE corpus.message_key = told.message_key"
        " AND corpus.representative_key IS DISTINCT FROM told.representative_key"
    )
    connection.unregister("folded")


def _templates(connection: "duckdb.DuckDBPyConnection", repositories: set[str]) -> Templates:
    """Template lines of repositories, as far as any are known."""
    rows = connection.execute(
        "SELECT repository_key, list(line_hash) FROM study.message_template"
        " WHERE repository_key IN (SELECT unnest($repositories)) GROUP BY repository_key",
        {"repositories": sorted(repositories)},
    ).fetchall()
    return {key: frozenset(lines) for key, lines in rows}


def _count(connection: "duckdb.DuckDBPyConnection", table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


# ---------------------------------------------------------------- texts in the lake

# Where the texts of posts lie. A repository of the Hub that was renamed is listed under several
# names: day and hashes tell which of them holds the text.
_WANTED = """
CREATE OR REPLACE TEMP TABLE wanted AS
SELECT
    told.message_key, told.repository_key, told.thread_number, told.title_hash, told.text_hash,
    told.text_source, told.observed_on, told.text_observed_on,
    CASE told.platform
        WHEN 'github'
            THEN try_cast(replace(told.repository_key, 'github:repository:', '') AS BIGINT)
    END AS repository_id,
    split_part(told.repository_key, ':', 2) AS repository_type,
    coalesce(
        names.repository_name, regexp_extract(told.repository_key, '^[^:]*:[^:]*:name:(.*)$', 1)
    ) AS repository_name
FROM core.fct_message AS told
SEMI JOIN asked ON told.message_key = asked.message_key
LEFT JOIN intermediate.int_huggingface_names__identified AS names
    ON told.platform = 'huggingface' AND told.repository_key = names.repository_key
"""
# By where the text lies: who tells it, and the query; {titles} and {bodies} are days.
_SOURCES = {
    "issues": f"""
SELECT wanted.message_key, wanted.repository_key, left(thread.title, {MOST_TITLE}),
    left(thread.body, {MOST_READ})
FROM wanted INNER JOIN staging.stg_github__issues AS thread
    ON
        wanted.text_observed_on = thread.observed_on
        AND wanted.repository_id = thread.repository_id
        AND wanted.thread_number = thread.issue_number
WHERE
    wanted.text_source = 'issues'
    AND thread.observed_on IN ({{bodies}})
    AND sha256(thread.title) IS NOT DISTINCT FROM wanted.title_hash
    AND sha256(thread.body) IS NOT DISTINCT FROM wanted.text_hash
""",
    "events": f"""
SELECT wanted.message_key, wanted.repository_key, left(thread.thread_title, {MOST_TITLE}),
    left(thread.thread_body, {MOST_READ})
FROM wanted INNER JOIN staging.stg_github__events AS thread
    ON
        wanted.text_observed_on = thread.file_on
        AND wanted.repository_id = thread.repository_id
        AND wanted.thread_number = thread.thread_number
WHERE
    wanted.text_source = 'events'
    AND thread.file_on IN ({{bodies}})
    AND thread.event_type = 'IssuesEvent'
    AND thread.act = 'opened'
    AND sha256(thread.thread_title) IS NOT DISTINCT FROM wanted.title_hash
    AND sha256(thread.thread_body) IS NOT DISTINCT FROM wanted.text_hash
""",
    "discussions": f"""
SELECT wanted.message_key, wanted.repository_key, left(thread.discussion_title, {MOST_TITLE}),
    left(post.body, {MOST_READ})
FROM wanted INNER JOIN staging.stg_huggingface__discussions AS thread
    ON
        wanted.observed_on = thread.observed_on
        AND wanted.repository_type = thread.repository_type
        AND wanted.repository_name = thread.repository_name
        AND wanted.thread_number = thread.discussion_number
INNER JOIN staging.stg_huggingface__discussion_events AS post
    ON
        wanted.text_observed_on = post.observed_on
        AND wanted.repository_type = post.repository_type
        AND wanted.repository_name = post.repository_name
        AND wanted.thread_number = post.discussion_number
WHERE
    wanted.text_source = 'discussions'
    AND thread.observed_on IN ({{titles}})
    AND post.observed_on IN ({{bodies}})
    AND post.event_type = 'comment'
    AND sha256(thread.discussion_title) IS NOT DISTINCT FROM wanted.title_hash
    AND sha256(post.body) IS NOT DISTINCT FROM wanted.text_hash
""",
}


def texts_of(
    connection: "duckdb.DuckDBPyConnection", keys: Iterable[str], batch_size: int = BATCH_SIZE
) -> Iterator[list[Text]]:
    """Cleaned texts of posts, as the corpus measured them.

    They come by source, otherwise in no order; posts without a text, and pull requests, do not.

    Raises:
        PermanentFailure: a model or the corpus is missing.
    """
    for batch in _raw_texts(connection, _asked(keys), batch_size):
        templates = _templates(connection, {raw.repository_key for raw in batch})
        languages = dict(
            connection.execute(
                "SELECT message_key, language FROM study.message_corpus"
                " WHERE message_key IN (SELECT unnest($keys))",
                {"keys": [raw.message_key for raw in batch]},
            ).fetchall()
        )
        yield [
            Text(
                key=raw.message_key,
                title=clean.title,
                body=clean.body,
                repository=raw.repository_key,
                language=languages.get(raw.message_key),
            )
            for raw in batch
            for clean in [
                cleaned(raw.title, raw.body, templates.get(raw.repository_key, frozenset()))
            ]
        ]


def labels_of(
    connection: "duckdb.DuckDBPyConnection", keys: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Labels that maintainers put on issues; posts without any, and discussions, are not in it."""
    with _reader(connection, _asked(keys)) as reader:
        days = _days(reader, "issues", "text_observed_on")
        if not days:
            return {}
        rows = reader.execute(
            "SELECT wanted.message_key, list_sort(list_distinct(flatten(list(thread.labels))))"
            " FROM wanted INNER JOIN staging.stg_github__issues AS thread"
            " ON wanted.text_observed_on = thread.observed_on"
            " AND wanted.repository_id = thread.repository_id"
            " AND wanted.thread_number = thread.issue_number"
            f" WHERE wanted.text_source = 'issues' AND thread.observed_on IN ({days})"
            " AND len(thread.labels) > 0 GROUP BY wanted.message_key"
        ).fetchall()
    return {key: tuple(labels) for key, labels in rows}


def _raw_texts(
    connection: "duckdb.DuckDBPyConnection", asked: "pa.Table", batch_size: int
) -> Iterator[list[RawText]]:
    """Texts of posts, each once, streamed: only days that hold some of them are opened."""
    with _reader(connection, asked) as reader:
        for source, query in _SOURCES.items():
            titles = _days(reader, source, "observed_on")
            bodies = _days(reader, source, "text_observed_on")
            if not titles or not bodies:
                continue
            # The same text may be listed twice: in two files of a day, or as two comments.
            seen: set[str] = set()
            told = reader.execute(query.format(titles=titles, bodies=bodies))
            while rows := told.fetchmany(batch_size):
                found = {row[0]: RawText(*row) for row in rows if row[0] not in seen}
                seen.update(found)
                if found:
                    yield list(found.values())


@contextmanager
def _reader(
    connection: "duckdb.DuckDBPyConnection", asked: "pa.Table"
) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A cursor with the temporary table `wanted`: where the texts of posts lie."""
    reader = connection.cursor()
    try:
        reader.register("asked", asked)
        reader.execute(_WANTED)
        reader.unregister("asked")
        yield reader
    finally:
        reader.close()


def _days(reader: "duckdb.DuckDBPyConnection", source: str, column: str) -> str:
    """Days of the lake on which posts were observed, as literals: they prune files."""
    rows: list[tuple[date]] = reader.execute(
        f"SELECT DISTINCT {column} FROM wanted WHERE text_source = $source"
        f" AND {column} IS NOT NULL ORDER BY {column}",
        {"source": source},
    ).fetchall()
    return ", ".join(f"DATE '{day.isoformat()}'" for (day,) in rows)


def _asked(keys: Iterable[str]) -> "pa.Table":
    import pyarrow as pa

    return pa.table({"message_key": pa.array(dict.fromkeys(keys), pa.string())})


# ---------------------------------------------------------------- the sampling frame


def states_sql(policy: str) -> str:
    """Query: every post with the state it has when the accounts of a policy are left out.

    Its columns are message_key, platform, repository_key, kind, actor_key, created_at, created_on,
    language, representative_key and state. Of near-duplicates the earliest whose author is not left
    out stands for all.

    Raises:
        PermanentFailure: there is no such policy.
    """
    if policy not in POLICIES:
        raise PermanentFailure(
            f"There is no bot policy {policy!r}.", f"Use one of {', '.join(POLICIES)}."
        )
    removed = "false" if policy == "none" else f"coalesce(actor.is_removed_by_{policy}, false)"
    return (
        f"WITH judged AS (SELECT corpus.*, {removed} AS is_removed"
        " FROM study.message_corpus AS corpus LEFT JOIN core.dim_actor AS actor"
        " ON corpus.actor_key = actor.actor_key),"
        " placed AS (SELECT *, row_number() OVER (PARTITION BY representative_key, is_removed"
        " ORDER BY created_at ASC NULLS LAST, message_key ASC) AS place FROM judged)"
        " SELECT message_key, platform, repository_key, kind, actor_key, created_at, created_on,"
        " language, representative_key, CASE"
        " WHEN state NOT IN ('in_frame', 'near_duplicate') THEN state"
        " WHEN is_removed THEN 'by_automation' WHEN place > 1 THEN 'near_duplicate'"
        " ELSE 'in_frame' END AS state FROM placed"
    )


def frame(connection: "duckdb.DuckDBPyConnection", study: "StudySettings", day: date) -> list[Row]:
    """Rows of `marts.mart_theme_frame` under every bot policy.

    Args:
        day: newest day of the data.

    Raises:
        PermanentFailure: a model, the cuts or the corpus are missing.
    """
    reference = study.networks.reference
    rows: list[Row] = []
    for policy in POLICIES:
        found = connection.execute(
            f"WITH posts AS ({states_sql(policy)}),"
            " classed AS (SELECT posts.platform, CASE WHEN cut.repository_key IS NULL THEN 'other'"
            " ELSE 'top_cut' END AS repository_class, posts.language, posts.state"
            " FROM posts LEFT JOIN study.top_cut AS cut ON posts.repository_key ="
            " cut.repository_key AND cut.study = $study AND cut.rank_name = $rank"
            " AND cut.place <= $top),"
            " counted AS (SELECT platform, repository_class, language, state,"
            " count(*) AS message_count FROM classed GROUP BY ALL)"
            " SELECT *, message_count / sum(message_count) OVER (PARTITION BY platform,"
            " repository_class) AS share FROM counted ORDER BY ALL",
            {"study": study.name, "rank": reference.rank, "top": reference.top_count},
        )
        names = [column[0] for column in found.description or []]
        rows += [
            {
                "study": study.name,
                "day": day,
                "bot_policy": policy,
                **dict(zip(names, row, strict=True)),
            }
            for row in found.fetchall()
        ]
    return rows
