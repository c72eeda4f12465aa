"""The lake's tables that the warehouse reads, readable before their first day.

Belongs here: which tables there are. Does not belong here: their columns (each source's own).
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
    """Give every table that has no day yet a file with zero rows.

    Whoever builds the warehouse has to do it, as an installation may have loaded files of one
    source and never heard of another.
    """
    for source, schemas in tables().items():
        for table, columns in schemas.items():
            lake.anchor(source, table, columns)
