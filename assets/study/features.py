"""The three features of the study, and where the warehouse has them.

Belongs here: names of platforms and features, their columns on either basis, and which basis is
compared. Does not belong here: the values (`population`) and what is computed of them.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import duckdb

Basis = Literal["flow", "stock"]

PLATFORMS = ("github", "huggingface")
PLATFORM_NAMES = {"github": "GitHub", "huggingface": "Hugging Face Hub"}
# Feature: its column on either basis. Discussions are issues with their comments on GitHub;
# pull requests are not counted (study method, part A, RQ1).
FEATURES: Mapping[str, Mapping[Basis, str]] = {
    "commits": {"stock": "commit_stock_count", "flow": "commit_flow_count"},
    "discussions": {"stock": "discussion_stock_count", "flow": "issue_flow_count"},
    "stars": {"stock": "star_stock_count", "flow": "star_flow_count"},
}
INTENSITY = "intermediate.int_repository_intensity__measured"
# Data sets and spaces of the Hub are mined as well; the study is about models.
STUDIED = "repository_type IN ('repository', 'model')"
# The stock is what the paper compares, but a stock known only for a selected few (say, the
# most starred) describes the selection. From half of a platform's repositories on it is used.
ENOUGH_KNOWN_SHARE = 0.5


def choose_basis(repository_count: int, stock_known: int, flow_known: int) -> Basis | None:
    """Stock where known for enough repositories, else the basis known for more; None: neither."""
    if stock_known == flow_known == 0:
        return None
    if stock_known >= ENOUGH_KNOWN_SHARE * repository_count or stock_known >= flow_known:
        return "stock"
    return "flow"


def compared_bases(
    connection: "duckdb.DuckDBPyConnection", platform: str
) -> dict[str, Basis | None]:
    """The basis of each feature that platforms are compared on; None: nothing is known of it.

    It is chosen with everybody's acts counted, and the same whatever is computed, so that figures
    of one feature can be compared.
    """
    counts = ", ".join(
        f"count({columns['stock']}), count({columns['flow']})" for columns in FEATURES.values()
    )
    found = connection.execute(
        f"SELECT count(*), {counts} FROM marts.mart_repository_activity"
        f" WHERE platform = $platform AND {STUDIED}",
        {"platform": platform},
    ).fetchall()[0]
    return {
        feature: choose_basis(found[0], found[1 + 2 * at], found[2 + 2 * at])
        for at, feature in enumerate(FEATURES)
    }
