"""Made-up people who say what the planted theme of a post is, each with mistakes of their own.

Belongs here: what two coders and their settlement say of posts of a written world. Does not belong
here: which posts they are asked about, and the form in which answers are kept.

The two err independently; what they differ on is settled by the truth, so that a mistake stays
only where both made the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from twin.truth import THEMES

if TYPE_CHECKING:
    import duckdb

CODERS = ("ada", "ben")
SETTLED = "consensus"
# Of the posts that a coder reads.
ERROR_SHARE = 0.06
_THREADS = """
    select cast(repository_id as varchar) as repository, number, theme, second_theme
    from read_parquet($flow) where not is_pull_request
    union all
    select cast(repository_id as varchar), number, theme, second_theme
    from read_parquet($history) where not is_pull_request
    union all
    select repository_name, discussion_number, theme, second_theme
    from read_parquet($hub) where not is_pull_request and theme is not null
"""


@dataclass(frozen=True, slots=True)
class Review:
    """What one coder says of one post; themes are named as the study names them."""

    message_key: str
    coder: str
    primary: str
    secondary: tuple[str, ...]


def reviews(world: Path, asked: Mapping[str, tuple[str, int]], seed: int = 0) -> list[Review]:
    """What both coders say, and the settlement where they differ; of posts with a planted theme.

    Args:
        world: the folder that has `truth/*.parquet`.
        asked: key of a post to its repository (GitHub's id, or the Hub's name) and number.
        seed: of the mistakes.
    """
    import duckdb

    with duckdb.connect() as connection:
        planted = _planted(connection, world)
    rng = np.random.default_rng(seed)
    found: list[Review] = []
    for key in sorted(asked):
        if asked[key] in planted:
            found += of_post(key, *planted[asked[key]], rng)
    return found


def _planted(
    connection: "duckdb.DuckDBPyConnection", world: Path
) -> dict[tuple[str, int], tuple[str, str | None]]:
    truth = world / "truth"
    files = {"flow": "flow_threads", "history": "thread_themes", "hub": "hub_threads"}
    rows = connection.execute(
        _THREADS, {name: str(truth / f"{table}.parquet") for name, table in files.items()}
    ).fetchall()
    return {(repository, number): (theme, second) for repository, number, theme, second in rows}


def of_post(key: str, theme: str, second: str | None, rng: np.random.Generator) -> Iterator[Review]:
    """What both coders say of a post, and the settlement; the theme is named as the twin does."""
    true = THEMES[theme]
    others = [one for one in THEMES.values() if one != true]
    # Drawn whether or not they are needed: what is said of a post depends on no other's outcome.
    draws, wrong = rng.random(len(CODERS)), rng.integers(0, len(others), len(CODERS))
    said = [
        others[at] if draw < ERROR_SHARE else true for draw, at in zip(draws, wrong, strict=True)
    ]
    secondary = () if second is None else (THEMES[second],)
    for coder, primary in zip(CODERS, said, strict=True):
        yield Review(key, coder, primary, tuple(one for one in secondary if one != primary))
    if len(set(said)) > 1:
        yield Review(key, SETTLED, true, secondary)
