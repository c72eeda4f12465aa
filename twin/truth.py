"""What was planted in a world, in the form in which the report compares it.

Belongs here: reading `truth/*.parquet` into the study's features. Does not belong here:
estimating anything from the data.
"""

from pathlib import Path

Reference = dict[str, dict[str, dict[str, float]]]

# Platform and feature: file of the truth, column, and the rows that have a value. Flows of GitHub
# are over the repositories that the archive shows at all; a push of the newest era tells no
# commits, so that a repository with such pushes only has none that could be known. The Hub's are
# all models that it lists, also those that show their history to nobody.
_FEATURES = {
    "github": {
        "commits": (
            "repositories", "commit_flow",
            "event_flow > 0 and (push_flow = 0 or sized_push_flow > 0)",
        ),
        "discussions": ("repositories", "issue_flow", "event_flow > 0"),
        "stars": ("repositories", "star_flow", "event_flow > 0"),
    },
    "huggingface": {
        "commits": ("hub_models", "commit_count", "true"),
        "discussions": ("hub_models", "discussion_count", "true"),
        "stars": ("hub_models", "like_count", "true"),
    },
}  # fmt: skip


def planted_reference(world: Path) -> Reference:
    """Mean, median and maximum per platform and feature of a world's truth.

    Args:
        world: the folder that `write_world` wrote.
    """
    import duckdb

    reference: Reference = {}
    with duckdb.connect() as connection:
        for platform, features in _FEATURES.items():
            for feature, (name, column, rows) in features.items():
                found = connection.execute(
                    f"select avg({column}), median({column}), max({column}) "
                    f"from read_parquet($file) where {rows}",
                    {"file": str(world / "truth" / f"{name}.parquet")},
                ).fetchone()
                assert found is not None
                names = ("mean", "median", "maximum")
                values = {key: float(value) for key, value in zip(names, found, strict=True)}
                reference.setdefault(platform, {})[feature] = values
    return reference
