"""From the warehouse to a verification sample that people can code.

Belongs here: the frame and the machines' codings as a sample is drawn of them, and the texts of
what was drawn. Does not belong here: how a sample is drawn (`verification`), labels (`labels`).
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from assets.study.tables import open_warehouse
from assets.study.themes import corpus
from assets.study.themes.frame import coded_messages, frame_messages
from assets.study.themes.tables import CODED
from assets.study.themes.verification import (
    SAMPLE_FILE,
    VerificationSample,
    draw_sample,
    read_sample,
    write_sample,
)
from orchestration.failures import PermanentFailure
from orchestration.lake import writing

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from orchestration.settings import StudySettings

# One row a message: the strata are of what the reference coder says.
_FRAME = """
    SELECT frame.message_key, frame.platform, coded.theme AS primary, frame.repository_key,
        nullif(frame.language, 'unknown') AS language
    FROM frame_message AS frame
    LEFT JOIN coded_message AS coded
        ON frame.message_key = coded.message_key AND coded.coder = $coder
    ORDER BY ALL
"""
# As the figures count them: abstentions are `others`.
_CODINGS = """
    SELECT coded.message_key, coded.coder, coded.coder_version, told.theme, told.probability,
        told.theme = coded.theme AS is_primary,
        list_contains(coded.applying, told.theme) AS applies
    FROM coded_message AS coded
    INNER JOIN core.fct_message_theme AS told
        ON coded.coded_key = told.message_key AND coded.coder = told.coder
    ORDER BY ALL
"""


def draw_from_warehouse(
    warehouse_path: Path,
    study: "StudySettings",
    folder: Path,
    name: str,
    *,
    margin: float | None = None,
    size: int | None = None,
) -> VerificationSample:
    """Draw a sample of the coded messages, or extend the one of that name, and write it.

    Args:
        folder: of all samples.
        margin: half width of the interval of 95 %; by default the setting's.
        size: messages of each platform, instead of what the margin needs.

    Raises:
        SettingsError: the name is none.
        PermanentFailure: nothing is coded yet, or the folder cannot be written.
        TransientFailure: another process has the warehouse open.
    """
    older = read_sample(folder, name) if (folder / name / SAMPLE_FILE).is_file() else None
    with open_warehouse(warehouse_path, read_only=True) as connection:
        frame_messages(connection, study)
        coded_messages(connection, study.themes.abstain_below)
        asked = {"coder": study.themes.reference}
        frame = connection.sql(_FRAME, params=asked).to_arrow_table()
        if not frame.num_rows or frame["primary"].null_count == frame.num_rows:
            raise PermanentFailure(
                f"No message is coded by {study.themes.reference} yet.",
                "Run a night first: `osmoscope run`.",
            )
        drawn = draw_sample(
            frame,
            name,
            margin=margin or study.themes.margin,
            size=size,
            seed=study.seed,
            older=older,
            codings=connection.sql(_CODINGS).to_arrow_table(),
        )
        drawn = _with_texts(connection, drawn)
    write_sample(folder, drawn)
    return drawn


def open_codes(warehouse_path: Path, target: Path) -> int:
    """Write the codes that a coder proposed in words, for people to group (`open_codes`).

    Args:
        target: a Parquet file: message_key, platform, code.

    Returns:
        How many posts have one.

    Raises:
        PermanentFailure: no post has one, or the file cannot be written.
        TransientFailure: another process has the warehouse open.
    """
    import pyarrow.parquet as pq

    with open_warehouse(warehouse_path, read_only=True) as connection:
        rows = connection.sql(
            f"SELECT message_key, split_part(message_key, ':', 1) AS platform, open_code AS code"
            f" FROM {CODED.name} WHERE open_code IS NOT NULL ORDER BY message_key"
        ).to_arrow_table()
    if not rows.num_rows:
        raise PermanentFailure(
            "No post has a code in words.",
            "Only a language model proposes them: set study.themes.coders and study.themes.llm.",
        )
    with writing(target, "Choose another --out.") as temporary:
        pq.write_table(rows, temporary)
    return int(rows.num_rows)


def blank_texts(warehouse_path: Path, folder: Path) -> int:
    """Empty the texts of sampled messages that the corpus no longer has a text of.

    So what an author took back, or was taken out for them, is not read by people either. The
    message stays in the sample, whose weights rest on it, and its labels stay.

    Args:
        folder: of all samples.

    Returns:
        How many messages were emptied.
    """
    names = sorted(place.parent.name for place in folder.glob(f"*/{SAMPLE_FILE}"))
    if not names:
        return 0
    with open_warehouse(warehouse_path, read_only=True) as connection:
        rows = connection.execute(
            "SELECT message_key FROM study.message_corpus"
            " WHERE state IN ('in_frame', 'near_duplicate')"
        ).fetchall()
    there, count = {key for (key,) in rows}, 0
    for name in names:
        sample = read_sample(folder, name)
        texts = zip(
            sample.keys, *(sample.rows[one].to_pylist() for one in ("title", "body")), strict=True
        )
        kept = {key: (title, body) if key in there else (None, None) for key, title, body in texts}
        emptied = _changed(sample, kept)
        if emptied.rows != sample.rows:
            write_sample(folder, emptied)
            count += sum(key not in there for key in sample.keys)
    return count


def _changed(
    sample: VerificationSample, texts: Mapping[str, tuple[str | None, str | None]]
) -> VerificationSample:
    """The sample with other titles and bodies; of messages that are not listed, none."""
    rows = sample.rows
    for at, column in enumerate(("title", "body")):
        values = [texts.get(key, (None, None))[at] for key in sample.keys]
        rows = _replaced(rows, column, values)
    return replace(sample, rows=rows)


def _with_texts(
    connection: "duckdb.DuckDBPyConnection", drawn: VerificationSample
) -> VerificationSample:
    """The sample with titles and texts as coders of the machine saw them."""
    return _changed(
        drawn,
        {
            text.key: (text.title, text.body)
            for batch in corpus.texts_of(connection, drawn.keys)
            for text in batch
        },
    )


def _replaced(rows: "pa.Table", column: str, values: list[str | None]) -> "pa.Table":
    import pyarrow as pa

    return rows.set_column(rows.column_names.index(column), column, pa.array(values, pa.string()))
