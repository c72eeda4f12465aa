"""What was planted in a world, in the form in which the report compares it.

Belongs here: reading `truth/*.parquet` into the study's features. Does not belong here:
estimating anything from the data.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

Values = dict[str, float]
# Platform, feature, basis (flow or stock); a statistic's name, `people_` before it where only what
# people did is counted.
Reference = dict[str, dict[str, dict[str, Values]]]

# Platform, feature and basis: the rows of the truth, and the value of each. All of GitHub's are
# about the repositories that the archive shows at all. A push of the newest era tells no commits,
# so that a repository with such pushes only has none that could be known. Stocks are of what can be
# seen at the end; the Hub's are of all models that it lists, also those that show their history to
# nobody.
_SHOWN = "repositories join github_stocks using (repository_id) where event_flow > 0"
_FEATURES = {
    ("github", "commits", "flow"): (
        "commit_flow",
        "repositories where event_flow > 0 and (push_flow = 0 or sized_push_flow > 0)",
    ),
    ("github", "discussions", "flow"): ("issue_flow", "repositories where event_flow > 0"),
    ("github", "stars", "flow"): ("star_flow", "repositories where event_flow > 0"),
    ("github", "commits", "stock"): ("commit_count", f"{_SHOWN} and status = 'ok'"),
    ("github", "discussions", "stock"): (
        "issue_count", f"{_SHOWN} and status = 'ok' and has_issues",
    ),
    ("github", "stars", "stock"): ("star_count", f"{_SHOWN} and status = 'ok'"),
    ("huggingface", "commits", "stock"): ("commit_count", "hub_models"),
    ("huggingface", "discussions", "stock"): ("discussion_count", "hub_models"),
    ("huggingface", "stars", "stock"): ("like_count", "hub_models"),
}  # fmt: skip
# The same without what machines did. On the Hub they open pull requests only, which are not
# counted; GitHub's stocks are told as numbers, of nobody.
_OF_PEOPLE = {
    ("github", "commits", "flow"): (
        "people_commit_flow",
        "repositories where event_flow > 0"
        " and (people_push_flow = 0 or people_sized_push_flow > 0)",
    ),
    ("github", "discussions", "flow"): ("people_issue_flow", "repositories where event_flow > 0"),
    ("github", "stars", "flow"): ("people_star_flow", "repositories where event_flow > 0"),
}
TABLES = (
    "repositories", "github_stocks", "hub_models", "flow_threads", "hub_threads", "message_shares",
    "hub_messages",
)  # fmt: skip
# The twin's themes by the names that a codebook after the study has.
THEMES = {
    "bug": "bug_report", "suggestion": "suggestion", "usage": "usage_problem",
    "performance": "performance_evaluation", "other": "others",
}  # fmt: skip
# Threads whose opening posts have a theme: of GitHub those of the written days, by people.
_THREADS = {
    "github": "flow_threads where not is_pull_request and not is_machine",
    "huggingface": "hub_threads where not is_pull_request and theme is not null",
}
_MESSAGES = {
    "github": "select avg(substantive_share) from message_shares where platform = 'github'",
    "huggingface": "select sum(commit_count) filter (kind = 'substantive') / sum(commit_count)"
    " from hub_messages",
}


def planted_reference(world: Path) -> Reference:
    """Mean, median and maximum per platform, feature and basis of a world's truth.

    The features `themes` and `messages` have the shares of themes and of substantive messages.

    Args:
        world: the folder that `write_world` wrote.
    """
    import duckdb

    reference: Reference = {}
    with duckdb.connect() as connection:
        for name in TABLES:
            file = str(world / "truth" / f"{name}.parquet").replace("'", "''")
            connection.execute(f"create view {name} as select * from read_parquet('{file}')")
        for prefix, features in (("", _FEATURES), ("people_", _FEATURES | _OF_PEOPLE)):
            for (platform, feature, basis), (column, rows) in features.items():
                known = reference.setdefault(platform, {}).setdefault(feature, {})
                values = _values(connection, column, rows)
                known.setdefault(basis, {}).update(
                    {f"{prefix}{name}": value for name, value in values.items()}
                )
        for platform, told in reference.items():
            told["themes"] = {"stock": _themes(connection, _THREADS[platform])}
            (share,) = connection.execute(_MESSAGES[platform]).fetchall()[0]
            stock: Values = {} if share is None else {"substantive": float(share)}
            told["messages"] = {"stock": stock}
    return reference


def _themes(connection: "duckdb.DuckDBPyConnection", threads: str) -> Values:
    found = connection.execute(
        f"select theme, count(*) / sum(count(*)) over () from {threads} group by theme"
    ).fetchall()
    return {THEMES[theme]: float(share) for theme, share in found}


def _values(connection: "duckdb.DuckDBPyConnection", column: str, rows: str) -> Values:
    found = connection.execute(
        f"select avg({column}), median({column}), max({column}) from {rows}"
    ).fetchone()
    assert found is not None
    names = ("mean", "median", "maximum")
    return {
        name: float(value) for name, value in zip(names, found, strict=True) if value is not None
    }
