"""The lake's tables that the warehouse reads, readable before their first day.

Belongs here: which tables there are, and the rule for columns that came later. Does not belong
here: their columns (each source's own).

A column that a table gets later is declared at its source, with null for unknown. Files landed
before stay as they are: sources of which a day is an observation are read by their columns' names
(`union_by_name` in their sources.yml), and every build gives the anchor the columns declared now,
so that they are there even where no file has them. The archive has too many files to open all of
them for that: a change there is a landing anew (docs/decisions/0015-columns-that-came-later.md).
"""

from collections.abc import Mapping

from assets.github import api_rows, landing
from assets.github import ingest as archive
from assets.github import mining as github
from assets.huggingface import normalise
from assets.huggingface import snapshot as huggingface
from assets.mining.engine import ANSWER_COLUMNS, ANSWERS, REQUESTS
from assets.mining.spending import REQUEST_COLUMNS
from orchestration.lake import Lake

# Sources of which a day is an observation.
OBSERVED = (github.SOURCE, huggingface.SOURCE)
NIGHTS = {ANSWERS: ANSWER_COLUMNS, REQUESTS: REQUEST_COLUMNS}


def tables() -> dict[str, Mapping[str, Mapping[str, str]]]:
    """Column name to DuckDB type, by source and table."""
    return {
        archive.SOURCE: {archive.TABLE: landing.lake_schema()},
        github.SOURCE: {**api_rows.COLUMNS, **NIGHTS},
        huggingface.SOURCE: {**normalise.SCHEMAS, **NIGHTS},
    }


def make_readable(lake: Lake) -> None:
    """Give every table a file with zero rows and all columns that are declared.

    Whoever builds the warehouse has to do it, as an installation may have loaded files of one
    source and never heard of another.
    """
    for source, schemas in tables().items():
        lake.anchor(source, schemas)
