"""The coded messages that figures are of: whose posts, which slices, how often each theme.

Belongs here: bringing corpus, codings, commits, accounts and cuts together in SQL. Does not belong
here: corrections and agreement (`marts`), what samples say of the frame (`estimates`), cleaning and
folding (`corpus`), coding (`coded`).

A post that is nearly the same as an earlier one was coded once: it has the coding of the earlier
one and counts as a post of its own, as in the published study. `distinct_share` counts it once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.study.themes.codebook import THEMES

if TYPE_CHECKING:
    import duckdb

    from orchestration.settings import StudySettings

Row = dict[str, Any]
OTHERS = THEMES[-1]
COUNTED_STATES = ("in_frame", "near_duplicate")
SLICES = ("all", "month", "language", "repository_class")
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Slice:
    """Messages of one platform, coder and slice, counted.

    Attributes:
        primary: theme to messages with it, abstentions among `others`.
        distinct: the same of distinct texts.
        applies: theme to messages that it is said to hold of.
    """

    platform: str
    coder: str
    coder_version: str
    codebook_version: str
    slice: str
    value: str
    count: int
    abstained: int
    primary: dict[str, int]
    distinct: dict[str, int]
    applies: dict[str, int]


def frame_messages(connection: "duckdb.DuckDBPyConnection", study: "StudySettings") -> None:
    """Make the temporary view `frame_message`: one row a message of the frame.

    The frame is of posts whose text was seen, of accounts that the study's policy leaves in.
    """
    themes, cut = study.themes, study.networks.reference
    # Of a fixed list: a column's name takes no parameter.
    removed = (
        "false"
        if themes.bot_policy == "none"
        else f"coalesce(actor.is_removed_by_{themes.bot_policy}, false)"
    )
    states = ", ".join(f"'{state}'" for state in COUNTED_STATES)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE frame_message AS
        WITH top AS (
            SELECT repository_key FROM study.top_cut
            WHERE study = $study AND rank_name = $rank AND place <= $most
        )
        SELECT
            corpus.message_key,
            corpus.platform,
            corpus.repository_key,
            coalesce(corpus.representative_key, corpus.message_key) AS coded_key,
            strftime(corpus.created_on, '%Y-%m') AS month,
            coalesce(corpus.language, '{UNKNOWN}') AS language,
            CASE WHEN top.repository_key IS NULL THEN 'other' ELSE 'top_cut' END AS repository_class
        FROM study.message_corpus AS corpus
        LEFT JOIN top USING (repository_key)
        LEFT JOIN core.dim_actor AS actor USING (actor_key)
        WHERE corpus.state IN ({states}) AND NOT {removed}
            -- Of the types of repositories that the study is of.
            AND split_part(corpus.repository_key, ':', 2) IN ('repository', 'model')
        """,
        {"study": study.name, "rank": cut.rank, "most": cut.top_count},
    )


def coded_messages(connection: "duckdb.DuckDBPyConnection", abstain_below: float) -> None:
    """Make the temporary table `coded_message`: one row a message of the frame and coder."""
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE coded_message AS
        WITH told AS (
            SELECT
                message_key, coder,
                max(coder_version) AS coder_version,
                max(codebook_version) AS codebook_version,
                max(theme) FILTER (WHERE is_primary) AS theme,
                max(probability) AS confidence,
                list(theme) FILTER (WHERE applies) AS applying
            FROM core.fct_message_theme
            GROUP BY message_key, coder
        ),
        -- A coder that was stopped has coded some by its new version, and all others by the last.
        coder AS (
            SELECT coder,
                CASE WHEN count(DISTINCT coder_version) > 1 THEN 'mixed'
                    ELSE max(coder_version) END AS coder_version,
                CASE WHEN count(DISTINCT codebook_version) > 1 THEN 'mixed'
                    ELSE max(codebook_version) END AS codebook_version
            FROM told GROUP BY coder
        )
        SELECT
            frame.*,
            told.coder, coder.coder_version, coder.codebook_version, told.confidence,
            told.confidence < $least AS is_abstained,
            CASE WHEN told.confidence < $least THEN '{OTHERS}' ELSE told.theme END AS theme,
            CASE WHEN told.confidence < $least THEN ['{OTHERS}']
                ELSE coalesce(told.applying, [told.theme]) END AS applying
        FROM frame_message AS frame
        INNER JOIN told ON frame.coded_key = told.message_key
        INNER JOIN coder USING (coder)
        """,
        {"least": abstain_below},
    )


SLICED = """
    SELECT platform, repository_key, coder, coder_version, codebook_version, coded_key, theme,
        applying, is_abstained, unnest([
            {'slice': 'all', 'value': 'all'},
            {'slice': 'month', 'value': month},
            {'slice': 'language', 'value': language},
            {'slice': 'repository_class', 'value': repository_class}
        ], recursive := true)
    FROM coded_message
"""
_NAMES = "platform, coder, coder_version, codebook_version, slice, value"


def repository_commits(connection: "duckdb.DuckDBPyConnection", study: "StudySettings") -> None:
    """Make the temporary table `repository_commit`: commits with messages, counted.

    One row a repository, month, kind, condition, and whether the platform itself made them.
    """
    cut = study.networks.reference
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE repository_commit AS
        WITH top AS (
            SELECT repository_key FROM study.top_cut
            WHERE study = $study AND rank_name = $rank AND place <= $most
        ),
        worded AS (
            SELECT
                commits.platform,
                coalesce('github:repository:' || commits.repository_id, names.repository_key,
                    'huggingface:model:name:' || commits.repository_name) AS repository_key,
                strftime(commits.committed_at, '%Y-%m') AS month,
                commits.message_kind AS kind,
                commits.message_condition AS condition,
                commits.is_by_platform,
                count(*) AS commit_count
            FROM intermediate.int_commits__worded AS commits
            LEFT JOIN intermediate.int_huggingface_names__identified AS names
                ON commits.platform = 'huggingface'
                AND commits.repository_type = names.repository_type
                AND commits.repository_name = names.repository_name
            -- Of the repositories that the study is of.
            WHERE commits.repository_type IN ('repository', 'model')
            GROUP BY ALL
        )
        SELECT worded.*,
            CASE WHEN top.repository_key IS NULL THEN 'other' ELSE 'top_cut' END AS repository_class
        FROM worded LEFT JOIN top USING (repository_key)
        """,
        {"study": study.name, "rank": cut.rank, "most": cut.top_count},
    )


# What the platform itself did says nothing of its people.
SLICED_COMMITS = """
    SELECT platform, repository_key, kind, condition, commit_count, unnest([
        {'slice': 'all', 'value': 'all'},
        {'slice': 'month', 'value': month},
        {'slice': 'repository_class', 'value': repository_class}
    ], recursive := true)
    FROM repository_commit WHERE NOT is_by_platform
"""


def sliced(connection: "duckdb.DuckDBPyConnection") -> list[Slice]:
    """All slices of `coded_message`, counted; ordered by name."""
    counted = f"""
        SELECT {_NAMES}, theme, count(*) AS count, count(DISTINCT coded_key) AS distinct_count,
            count(*) FILTER (WHERE is_abstained) AS abstained
        FROM ({SLICED}) GROUP BY ALL ORDER BY ALL
    """
    applied = f"""
        SELECT {_NAMES}, theme, count(*) AS count FROM (
            SELECT {_NAMES}, unnest(applying) AS theme FROM ({SLICED})
        ) GROUP BY ALL
    """
    applies: dict[tuple[Any, ...], dict[str, int]] = {}
    for *name, theme, count in connection.execute(applied).fetchall():
        applies.setdefault(tuple(name), {})[theme] = count
    grouped: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for *name, theme, count, distinct, abstained in connection.execute(counted).fetchall():
        grouped.setdefault(tuple(name), []).append((theme, count, distinct, abstained))
    names = ("platform", "coder", "coder_version", "codebook_version", "slice", "value")
    return [
        Slice(
            **dict(zip(names, name, strict=True)),
            count=sum(count for _, count, _, _ in told),
            abstained=sum(abstained for _, _, _, abstained in told),
            primary={theme: count for theme, count, _, _ in told},
            distinct={theme: distinct for theme, _, distinct, _ in told},
            applies=applies.get(name, {}),
        )
        for name, told in grouped.items()
    ]


def codings_of(
    connection: "duckdb.DuckDBPyConnection", keys: Sequence[str]
) -> dict[tuple[str, str], Row]:
    """Coder and key to the row of `coded_message`, of listed messages that are in the frame."""
    if not keys:
        return {}
    found = connection.execute(
        "SELECT * FROM coded_message WHERE message_key IN (SELECT unnest($keys))",
        {"keys": list(keys)},
    )
    names = [column[0] for column in found.description or []]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return {(row["coder"], row["message_key"]): row for row in rows}
