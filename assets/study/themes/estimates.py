"""Shares of posts and commits as the samples tell them: of all repositories of the frame.

Belongs here: counts by repository of what the marts of themes and messages tell, and their shares
weighted by each design. Does not belong here: estimators (`estimators`), the samples (`drawn`),
which posts and commits count (`frame`, `corpus`).

A post or commit counts with the weight of its repository, and a share is a ratio of two totals,
sum of w y over sum of w x. Repositories that were drawn and have none are zeros of both.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assets.study.drawn import designed, joined, left_out, limits, strata_of, units_of
from assets.study.estimators import (
    Floats,
    Sample,
    domain,
    kept,
    parts,
    responding,
)
from assets.study.features import FEATURES, PLATFORMS, Basis, compared_bases
from assets.study.themes.codebook import THEMES
from assets.study.themes.corpus import states_sql
from assets.study.themes.frame import SLICED, SLICED_COMMITS, UNKNOWN

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from orchestration.settings import StudySettings

Row = dict[str, Any]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
RULE, NO_CODER = "rule", "none"
# Every theme has a row, as in mart_theme_prevalence.
OF_THEMES = ("theme", "theme_applies")
# A frame knows which repositories have much, and takes them whole, but not of what: of rare themes
# intervals hold too seldom. docs/sampling.md has the figures.
LEFT_TO_CHANCE = "no interval, as the frame does not know what large repositories have of it"


@dataclass(frozen=True)
class Subject:
    """What repositories have many of.

    Attributes:
        figures: of which shares there are.
        feature: which counts them.
        is_known: SQL over whether a unit's are `listed` and its `amount` of the feature: whether
            what it has is known; others are stood for by those of their stratum.
        is_none: likewise: whether it is known to have none, so that it stands for nobody who has.
    """

    name: str
    figures: tuple[str, ...]
    feature: str
    is_known: str
    is_none: str


SUBJECTS = (
    # The archive tells every post; histories were asked for where the count is known.
    Subject(
        "posts",
        (*OF_THEMES, "post_state", "post_language"),
        "discussions",
        "{listed} OR {amount} IS NOT NULL",
        "false",
    ),
    # A count of commits tells nothing of their messages, unless there are none.
    Subject(
        "commits",
        ("message_kind", "message_condition"),
        "commits",
        "{listed}",
        "NOT {listed} AND coalesce({amount} = 0, false)",
    ),
)


def text_estimates(
    connection: "duckdb.DuckDBPyConnection", study: "StudySettings", day: date
) -> list[Row]:
    """Rows of `mart_text_estimate`.

    Args:
        connection: has `coded_message` and `repository_commit` (see `frame`).

    Raises:
        PermanentFailure: a model, the corpus or the samples are missing.
    """
    _count(connection, study)
    cells = connection.sql("SELECT * FROM text_cell ORDER BY cell").to_arrow_table().to_pylist()
    rows: list[Row] = []
    for platform, design in product(PLATFORMS, study.sample.designs):
        bases = compared_bases(connection, platform)
        strata = strata_of(connection, study.name, design, platform)
        names = {"study": study.name, "day": day, "design": design, "platform": platform}
        for subject in SUBJECTS:
            basis = bases[subject.feature]
            drawn = units_of(connection, study.name, design, platform, _asked(subject, basis))
            if not drawn.num_rows:
                continue
            of = _Drawn.of(strata, drawn)
            found = _shares(connection, subject, cells, drawn, of)
            rows += [{**names, "bot_policy": study.themes.bot_policy, **row} for row in found]
    return rows


def _asked(subject: Subject, basis: Basis | None) -> dict[str, str]:
    """What is asked of a unit, in SQL."""
    listed = ("member.repository_key IN (SELECT repository_key FROM text_listed"
              f" WHERE subject = '{subject.name}')")  # fmt: skip
    amount = "NULL" if basis is None else f"activity.{FEATURES[subject.feature][basis]}"
    return {
        name: condition.format(listed=listed, amount=amount)
        for name, condition in (("is_known", subject.is_known), ("is_none", subject.is_none))
    }


# ---------------------------------------------------------------- counts by repository

_POSTS = f"""
    SELECT platform, repository_key, state, coalesce(language, '{UNKNOWN}') AS language, unnest([
        {{'slice': 'all', 'value': 'all'}},
        {{'slice': 'repository_class', 'value': repository_class}}
    ], recursive := true)
    FROM repository_post
"""
# Figure: of which rows, by which coder, in which categories, how many each.
_FIGURES = {
    "theme": (SLICED, "coder", "theme", "1"),
    "theme_applies": (SLICED, "coder", "unnest(applying)", "1"),
    "post_state": (_POSTS, f"'{NO_CODER}'", "state", "1"),
    "post_language": (_POSTS, f"'{NO_CODER}'", "language", "1"),
    "message_kind": (SLICED_COMMITS, f"'{RULE}'", "kind", "commit_count"),
    "message_condition": (SLICED_COMMITS, f"'{RULE}'", "condition", "commit_count"),
}


def _count(connection: "duckdb.DuckDBPyConnection", study: "StudySettings") -> None:
    """Make `text_count`: what each repository has in each of `text_cell`.

    A cell is a figure, slice and category; the one without a category counts what shares are of,
    and comes before the others. And `text_listed`: repositories whose posts or commits are at hand.
    """
    cut = study.networks.reference
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE repository_post AS
        SELECT posts.*,
            CASE WHEN top.repository_key IS NULL THEN 'other' ELSE 'top_cut' END AS repository_class
        FROM ({states_sql(study.themes.bot_policy)}) AS posts
        LEFT JOIN (
            SELECT repository_key FROM study.top_cut
            WHERE study = $study AND rank_name = $rank AND place <= $most
        ) AS top USING (repository_key)
        """,
        {"study": study.name, "rank": cut.rank, "most": cut.top_count},
    )
    selects = [
        f"SELECT '{figure}' AS figure, {coder} AS coder, repository_key, slice, value,"
        f" {category} AS category, {count} AS count FROM ({rows})"
        for figure, (rows, coder, told, count) in _FIGURES.items()
        for category in (told, "NULL")
    ]
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE text_figure AS SELECT figure, coder, repository_key, slice,"
        " value AS slice_value, category, sum(count)::DOUBLE AS count"
        f" FROM ({' UNION ALL '.join(selects)}) WHERE value IS NOT NULL GROUP BY ALL"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE text_cell AS SELECT *, row_number() OVER (ORDER BY figure,"
        " coder, slice, slice_value, category NULLS FIRST) - 1 AS cell"
        " FROM (SELECT DISTINCT figure, coder, slice, slice_value, category FROM text_figure)"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE text_count AS SELECT cell, repository_key, count"
        " FROM text_figure INNER JOIN text_cell ON (text_figure.figure, text_figure.coder,"
        " text_figure.slice, text_figure.slice_value) = (text_cell.figure, text_cell.coder,"
        " text_cell.slice, text_cell.slice_value)"
        " AND text_figure.category IS NOT DISTINCT FROM text_cell.category"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE text_listed AS"
        " SELECT DISTINCT 'posts' AS subject, repository_key FROM repository_post"
        " UNION ALL SELECT DISTINCT 'commits', repository_key FROM repository_commit"
    )


# ---------------------------------------------------------------- shares


@dataclass(frozen=True)
class _Drawn:
    """A design's repositories whose posts or commits are known.

    Attributes:
        sample: (n,) of them, standing for all.
        is_plain: (n,) those that unweighted shares are of.
        place: (drawn,) place in `sample` of each unit drawn; -1: not known.
        unknown: repositories of the sample that are not known.
        limit: what limits the reading.
    """

    sample: Sample
    is_plain: Bools
    place: Ints
    unknown: int
    limit: str | None
    is_census: bool

    @classmethod
    def of(cls, strata: "pa.Table", drawn: "pa.Table") -> "_Drawn":
        known, none, plain = (
            drawn[name].to_numpy(zero_copy_only=False).astype(bool)
            for name in ("is_known", "is_none", "is_plain")
        )
        asked = domain(designed(strata, drawn), ~none)
        told = responding(asked, known)
        keep = known | ~asked.is_in
        place = np.where(keep, np.cumsum(keep) - 1, -1)
        limit = joined(limits(asked, told), left_out(strata)) if told.count else None
        return cls(told, plain[keep] & told.is_in, place, asked.count - told.count, limit,
                   told.is_census)  # fmt: skip


def _shares(
    connection: "duckdb.DuckDBPyConnection",
    subject: Subject,
    cells: list[Row],
    drawn: "pa.Table",
    of: _Drawn,
) -> Iterator[Row]:
    """Rows of one sample and subject, without the names of the sample."""
    units = drawn.select(["repository_key"]).append_column("place", [of.place])
    connection.register("drawn_units", units)
    found = connection.sql(
        "SELECT cell, place, count FROM text_count INNER JOIN drawn_units USING (repository_key)"
        " WHERE place >= 0 ORDER BY cell, place"
    ).fetchnumpy()
    connection.unregister("drawn_units")
    bound = np.searchsorted(found["cell"], np.arange(len(cells) + 1))
    begins = [at for at, cell in enumerate(cells) if cell["category"] is None]
    for begin, end in zip(begins, [*begins[1:], len(cells)], strict=True):
        at, whole = (found[name][bound[begin] : bound[begin + 1]] for name in ("place", "count"))
        if cells[begin]["figure"] not in subject.figures or not at.size:
            continue
        categories = [cell["category"] for cell in cells[begin + 1 : end]]
        if cells[begin]["figure"] in OF_THEMES:
            categories += [theme for theme in THEMES if theme not in categories]
        amounts = np.zeros((at.size, len(categories)))
        for column, one in enumerate(range(begin + 1, end)):
            own = slice(bound[one], bound[one + 1])
            amounts[np.searchsorted(at, found["place"][own]), column] = found["count"][own]
        yield from _group(cells[begin], categories, of, at, amounts, whole)


def _group(
    cell: Row, categories: list[str], of: _Drawn, at: Ints, amounts: Floats, whole: Floats
) -> Iterator[Row]:
    """A row a category of which a repository drawn has any.

    Args:
        at: (m,) places of the repositories that have any of the whole.
        amounts: (m, categories) what they have of each.
        whole: (m,) what they have in all.
    """
    sample = kept(of.sample, at)
    total = float(sample.weight @ whole)
    if total == 0:
        return
    plain = of.is_plain[at]
    among = float(whole[plain].sum())
    common = {
        **{name: cell[name] for name in ("figure", "coder", "slice", "slice_value")},
        "sample_count": int(whole[sample.is_in].sum()),
        "repository_count": sample.count,
        "unknown_count": of.unknown,
        "estimated_count": total,
    }
    for found, category, own in zip(parts(sample, amounts, whole), categories, amounts.T,
                                    strict=True):  # fmt: skip
        if not own.any() and cell["figure"] not in OF_THEMES:
            continue
        yield {
            **common,
            "category": category,
            "weighted_share": found.value,
            "unweighted_share": float(own[plain].sum()) / among if among else None,
            "standard_error": found.standard_error,
            "low": found.low if of.is_census else None,
            "high": found.high if of.is_census else None,
            "method": "census" if of.is_census else None,
            "reason": joined(of.limit, None if of.is_census else LEFT_TO_CHANCE),
        }
