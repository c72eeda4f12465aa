"""What an account does, as numbers: the table of behaviour features.

Belongs here: names, units and meaning of the features, the column names under which the public data
sets of BIMBAS and RABBIT carry them, and how a value is told in words. Does not belong here: how a
feature is computed from acts (dbt), and what it says about an account (behaviour, model).

A feature is null where it cannot be known: an account with acts in one repository only has no time
until it turns to the next.
"""

from collections.abc import Mapping
from dataclasses import dataclass

# Statistics of a family, and the ending by which BIMBAS names them.
STATISTICS: Mapping[str, str] = {
    "mean": "mean",
    "median": "50%",
    "std": "std",
    "gini": "gini",
    "iqr": "IQR",
}
_STATISTIC_WORDS: Mapping[str, str] = {
    "mean": "the mean of {}",
    "median": "the median of {}",
    "std": "the standard deviation of {}",
    "gini": "the inequality (Gini) of {}",
    "iqr": "the interquartile range of {}",
}


@dataclass(frozen=True)
class Feature:
    """One number about an account's behaviour.

    Attributes:
        name: canonical column name.
        other_name: the column's name in the data of BIMBAS and RABBIT, or None.
        words: the feature as the subject of a sentence.
        unit: "hours", "seconds", "share", "rate" or "count".
    """

    name: str
    other_name: str | None
    words: str
    unit: str


# (canonical, BIMBAS, what the five statistics are of, unit)
_FAMILIES = (
    ("gap_hours", "consecutive_activity_time", "the gaps between acts", "hours"),
    ("acts_per_repository", "activity_per_repo", "acts a repository", "count"),
    ("kinds_per_repository", "activity_type_per_repo", "kinds of act a repository", "count"),
    ("acts_in_a_row", "continuous_activity_repo", "acts in a row in one repository", "count"),
    ("hours_in_repository", "time_spent_in_repo", "the time in one repository", "hours"),
    (
        "hours_to_next_repository",
        "time_to_switch_repo",
        "the time until the next repository",
        "hours",
    ),
    (
        "hours_to_next_kind",
        "time_to_switch_act_type",
        "the time until another kind of act",
        "hours",
    ),
    ("acts_per_kind", "activity_per_act_type", "acts of one kind", "count"),
)
_SINGLE = (
    Feature("act_count", "feat_num_activities", "the number of acts", "count"),
    Feature("act_kind_count", "feat_num_activity_type", "the number of kinds of act", "count"),
    Feature("repository_count", "feat_repos", "the number of repositories", "count"),
    Feature("owner_count", "feat_owner", "the number of owners of those repositories", "count"),
    Feature(
        "owner_per_repository_rate", "feat_ratio_owner_repo", "owners for each repository", "rate"
    ),
)
_OWN = (
    Feature("hour_entropy", None, "the evenness over the hours of the day", "share"),
    Feature("weekday_entropy", None, "the evenness over the days of the week", "share"),
    Feature("message_count", None, "the number of messages", "count"),
    Feature("repeated_text_share", None, "the share of messages sent before", "share"),
    Feature("template_text_share", None, "the share of the commonest message", "share"),
    Feature("response_seconds_median", None, "the median time to answer", "seconds"),
    Feature("thread_count", None, "the number of threads", "count"),
)


def _family(name: str, other: str, words: str, unit: str) -> list[Feature]:
    return [
        Feature(
            f"{name}_{statistic}",
            f"{other}_{ending}",
            _STATISTIC_WORDS[statistic].format(words),
            "share" if statistic == "gini" else unit,
        )
        for statistic, ending in STATISTICS.items()
    ]


# All features in the order in which a model takes them.
FEATURES: tuple[Feature, ...] = (
    *_SINGLE,
    *(feature for family in _FAMILIES for feature in _family(*family)),
    *_OWN,
)
NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
BY_NAME: Mapping[str, Feature] = {feature.name: feature for feature in FEATURES}
CANONICAL: Mapping[str, str] = {
    **{feature.name: feature.name for feature in FEATURES},
    **{feature.other_name: feature.name for feature in FEATURES if feature.other_name},
}


def told(name: str, value: float | None) -> str:
    """A feature's value as a clause, such as `the median of the gaps between acts is 6 s`."""
    feature = BY_NAME[name]
    if value is None:
        return f"{feature.words} is unknown"
    verb = "are" if feature.words.startswith(("acts", "kinds", "owners")) else "is"
    return f"{feature.words} {verb} {_amount(value, feature.unit)}"


def _amount(value: float, unit: str) -> str:
    if unit in ("hours", "seconds"):
        return _duration(value * 3600 if unit == "hours" else value)
    if unit == "count" and value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _duration(seconds: float) -> str:
    for size, word in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {word}"
    return f"{seconds:.2g} s"
