"""Which platform is ahead: each feature's test and effects in plain language.

Belongs here: rows of `mart_platform_comparison` for the page. Does not belong here: the pictures
of all cells (`assets.publish.pictures`).
"""

from collections.abc import Callable, Sequence

from assets.publish import words
from assets.publish.figures import delta_figure
from assets.publish.published import Row
from assets.study.features import FEATURES

EFFECTS: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("Cliff’s δ", "cliffs_delta", words.signed),
    ("Vargha–Delaney A", "vargha_delaney_a", words.share),
    ("Hodges–Lehmann shift", "hodges_lehmann", words.number),
    ("Ratio of means", "ratio_of_means", words.number),
    ("Ratio of medians", "ratio_of_medians", words.number),
    ("Shift without steps", "mid_hodges_lehmann", words.number),
    ("Ratio of mid-medians", "ratio_of_mid_medians", words.number),
)


def compared(rows: Sequence[Row]) -> list[Row]:
    """One card for each feature of the reference cell."""
    by_feature = {row["feature"]: row for row in rows}
    return [_card(by_feature[feature]) for feature in FEATURES if feature in by_feature]


def _card(row: Row) -> Row:
    card: Row = {
        **row,
        "title": words.FEATURE_TITLES[row["feature"]],
        "figure": None,
        "reading": None,
        "sizes": [],
        "effects": [],
    }
    if row["status"] == "measured":
        card |= {
            "figure": delta_figure(row["cliffs_delta"]),
            "reading": words.reading(row["cliffs_delta"], row["p_value_holm"]),
            "sizes": _sizes(row),
            "effects": [
                (label, told(row[name]), between(row, name, told)) for label, name, told in EFFECTS
            ],
        }
    return card


def between(row: Row, name: str, told: Callable[[float | None], str]) -> str | None:
    """The interval of a figure in words; None: it has none."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if low is None or high is None:
        return None
    more = " (at least 95 %)" if row.get(f"{name}_interval_is") == "at_least" else ""
    return f"{told(low)} to {told(high)}{more}"


def _sizes(row: Row) -> list[str]:
    """How large the difference is, in sentences."""
    shift = row["hodges_lehmann"]
    sentences = []
    if shift is not None:
        ahead = "GitHub’s" if shift > 0 else "the Hub’s"
        more = f"{ahead} has {words.number(abs(shift))} more" if shift else "both have the same"
        sentences.append(f"In the middle of all such pairs, {more}.")
    ratios = [
        f"its {name} is {words.number(ratio)} times the Hub’s"
        for name, ratio in (("mean", row["ratio_of_means"]), ("median", row["ratio_of_medians"]))
        if ratio is not None
    ]
    if ratios:
        sentences.append(f"{words.listed(ratios)}.".replace("its", "GitHub’s", 1))
    if row["huggingface_median"] == 0:
        sentences.append("The Hub’s median is 0, so that medians have no ratio.")
    return sentences
