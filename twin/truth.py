"""What was planted in a world, in the form in which the report compares it.

Belongs here: reading `truth/*.parquet` into the study's features. Does not belong here:
estimating anything from the data.
"""

from pathlib import Path

Reference = dict[str, dict[str, dict[str, float]]]

# Platform: (file of the truth, which rows, feature to column). Flows of GitHub are over the
# repositories that the archive shows at all; pushes carry no commit counts in the newest era.
_FEATURES = {
    "github": (
        "repositories",
        "event_flow > 0",
        {"discussions": "issue_flow", "stars": "star_flow"},
    ),
    "huggingface": (
        "hub_models",
        "true",
        {"commits": "commit_count", "discussions": "discussion_count", "stars": "like_count"},
    ),
}


def planted_reference(world: Path) -> Reference:
    """Mean, median and maximum per platform and feature of a world's truth.

    Args:
        world: the folder that `write_world` wrote.
    """
    import duckdb

    reference: Reference = {}
    with duckdb.connect() as connection:
        for platform, (name, rows, features) in _FEATURES.items():
            file = str(world / "truth" / f"{name}.parquet")
            for feature, column in features.items():
                found = connection.execute(
                    f"select avg({column}), median({column}), max({column}) "
                    f"from read_parquet($file) where {rows}",
                    {"file": file},
                ).fetchone()
                assert found is not None
                names = ("mean", "median", "maximum")
                values = {key: float(value) for key, value in zip(names, found, strict=True)}
                reference.setdefault(platform, {})[feature] = values
    return reference
