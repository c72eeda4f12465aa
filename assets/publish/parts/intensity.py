"""How much happens in a repository: each feature of each platform beside what others say of it.

Belongs here: rows of `mart_intensity_summary` for the page, and the published table 2. Does not
belong here: the comparison of platforms (`comparison`).
"""

from collections.abc import Mapping, Sequence

from assets.publish import words
from assets.publish.published import Bases, Row
from assets.study.features import FEATURES, PLATFORM_NAMES, PLATFORMS, Basis

# Platform, feature, basis, measure.
Reference = Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]

# "From OSS to Open Source AI", table 2; GitHub's sample has 1,428,792 repositories created from
# 2016 on, the Hub's all 1,440,527 models; counts over the whole life of a repository.
PAPER: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "github": {
        "commits": {"mean": 1464.28, "median": 24, "maximum": 71_860_646},
        "discussions": {"mean": 35.94, "median": 0, "maximum": 1_607_850},
        "stars": {"mean": 142.78, "median": 16, "maximum": 318_751},
    },
    "huggingface": {
        "commits": {"mean": 10.65, "median": 2, "maximum": 65_092},
        "discussions": {"mean": 0.20, "median": 0, "maximum": 3_010},
        "stars": {"mean": 0.93, "median": 0, "maximum": 10_194},
    },
}
MEASURES = (("mean", "mean_value"), ("median", "median_value"), ("maximum", "maximum_value"))


def intensity(
    summary: Sequence[Row], bases: Bases, references: Sequence[tuple[str, Reference]]
) -> list[Row]:
    """Mean, median and maximum of each feature and platform, with those of the references."""
    known = {(row["platform"], row["feature"], row["basis"]): row for row in summary}
    lines = []
    for feature in FEATURES:
        for platform in PLATFORMS:
            basis = bases.get((platform, feature))
            row = known.get((platform, feature, basis), {})
            unknown = max(
                (r["unknown_count"] for r in summary if _is_about(r, platform, feature)), default=0
            )
            lines.append(
                {
                    "kind": platform,
                    "feature": words.FEATURE_LABELS[platform, feature],
                    "platform": PLATFORM_NAMES[platform],
                    "basis": basis,
                    "count": row.get("repository_count", 0),
                    "unknown": row.get("unknown_count", unknown),
                    "zero_share": row.get("zero_share"),
                    "measures": [
                        {
                            "name": name,
                            "value": row.get(column),
                            "references": [
                                (label, referred(values, platform, feature, basis).get(name))
                                for label, values in references
                            ],
                        }
                        for name, column in MEASURES
                    ],
                }
            )
    return lines


def on_both_bases(published: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Reference:
    """The published values, which are shown beside whatever we have."""
    return {
        platform: {
            feature: {"flow": values, "stock": values} for feature, values in features.items()
        }
        for platform, features in published.items()
    }


def referred(
    reference: Reference, platform: str, feature: str, basis: Basis | None
) -> Mapping[str, float]:
    """A reference's values on the basis that is shown; empty where it has none."""
    return reference.get(platform, {}).get(feature, {}).get(basis or "", {})


def _is_about(row: Row, platform: str, feature: str) -> bool:
    return bool(row["platform"] == platform and row["feature"] == feature)


def other_basis(summary: Sequence[Row], bases: Bases) -> list[Row]:
    """What is also known, on the basis that is not shown in the main table."""
    return [
        {
            **row,
            "label": words.feature_of(platform, feature),
        }
        for feature in FEATURES
        for platform in PLATFORMS
        for row in summary
        if _is_about(row, platform, feature)
        and row["basis"] != bases.get((platform, feature))
        and row["repository_count"]
    ]


def spread(summary: Sequence[Row], bases: Bases) -> list[Row]:
    """The measured descriptions on the basis shown: quantiles, robust means, concentration."""
    known = {(row["platform"], row["feature"], row["basis"]): row for row in summary}
    return [
        {
            **row,
            "kind": platform,
            "label": words.FEATURE_LABELS[platform, feature],
            "platform_label": PLATFORM_NAMES[platform],
        }
        for feature in FEATURES
        for platform in PLATFORMS
        if (row := known.get((platform, feature, bases.get((platform, feature)))))
        and row["status"] == "measured"
    ]
