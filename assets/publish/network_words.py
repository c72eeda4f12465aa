"""Networks, and the ways they are made, in plain language.

Belongs here: text of one network, one cell or one figure of it. Does not belong here: how numbers
are written (`words`), layout, and which value stands where.
"""

from collections.abc import Mapping
from typing import Any

from assets.publish.words import measured, number, one_line
from assets.study.features import PLATFORM_NAMES

Row = Mapping[str, Any]

NETWORKS = {"repository": "Repositories", "actor": "Developers"}
TYPES = {
    "commit": "commits",
    "discussion": "issues and discussions",
    "both": "both together",
}
# A figure of the summary and the unit that its values are written in.
FIGURES = {
    "connected_rate": ("Connected", "share"),
    "average_degree": ("Average links", "degree"),
    "average_degree_connected": ("Average of the connected", "degree"),
    "maximum_degree": ("Most links", "degree"),
}
# What is varied, in the order in which it is told.
VARIED = {
    "bot_policy": "bots left out",
    "staff": "platform’s staff",
    "unit": "model families",
    "rank_name": "ranked by",
    "top_count": "size of the cut",
    "time_window": "window",
    "semantics": "meaning of window",
}
# Of a value, a difference that rounding would show as none or as a false one.
LEAST_TOLD = 0.0005
_POLICIES = {
    "none": "everybody",
    "paper": "paper’s rule",
    "conservative": "conservative",
    "aggressive": "aggressive",
}
_VALUES = {
    "bot_policy": _POLICIES,
    "staff": {"in": "with staff", "out": "without staff"},
    "unit": {"repository": "repositories", "family": "families"},
}
_SEMANTICS = {
    "pairwise_gap": "gap up to {}",
    "trailing": "last {}",
    "calendar": "same {}",
}


def title(network: str, interaction_type: str, platform: str | None = None) -> str:
    """A network as a heading: who is linked, by what."""
    return f"{NETWORKS[network]}, {_type(interaction_type, platform)}"


def label(platform: str, network: str, interaction_type: str) -> str:
    """A network of a platform on one line."""
    name = PLATFORM_NAMES[platform].split()[-1]
    return f"{name} {NETWORKS[network].lower()}, {_type(interaction_type, platform)}"


def _type(interaction_type: str, platform: str | None) -> str:
    if interaction_type == "discussion" and platform:
        return "issues" if platform == "github" else "discussions"
    return TYPES[interaction_type]


def value_told(varied: str, value: object) -> str:
    """A value of a dimension, as the marts name it, in words."""
    text = str(value)
    if varied in ("semantics", "time_window"):
        name, _, width = text.rpartition(" ")
        days = "no window" if width == "inf" else f"{width.removesuffix('d')} days"
        return one_line(days if width == "inf" or not name else _gap(name, days))
    if varied == "top_count" and text.isdecimal():
        return f"top {int(text):,}"
    return one_line(_VALUES.get(varied, {}).get(text, text.replace("_", " ")), 24)


def _gap(semantics: str, days: str) -> str:
    return _SEMANTICS.get(semantics, f"{semantics} {{}}").format(days)


def range_told(row: Row) -> str:
    """From where to where a figure moves, each end with what it is that makes it so.

    Args:
        row: of `mart_network_sensitivity`.
    """
    ends = range_ends(row)
    return " to ".join(f"{text} ({at})" for text, at in ends) or no_range(row)


def range_ends(row: Row) -> list[tuple[str, str]]:
    """Both ends of a range, each as its value and what makes it so; empty: `no_range` says why."""
    low, high = row["low_value"], row["high_value"]
    if low is None or high is None or row["cell_count"] < 2:
        return []
    unit = FIGURES.get(row["figure"], ("", "degree"))[1]
    # From a hundred on, decimals only fill the line.
    texts = [measured(round(v) if abs(v) >= 100 else v, unit) for v in (low, high)]
    if texts[0] == texts[1] or high - low < LEAST_TOLD * abs(high):
        return []
    places = (row["low_at"], row["high_at"])
    return [(text, value_told(row["varied"], at)) for text, at in zip(texts, places, strict=True)]


def no_range(row: Row) -> str:
    """Why there is no range to tell."""
    if row["low_value"] is None or row["high_value"] is None:
        return "not measurable"
    if row["cell_count"] < 2:
        return "nothing to compare with"
    return "no difference" if row["low_value"] == row["high_value"] else "hardly any difference"


def cell_told(row: Row) -> str:
    """In which way a network is made, as one phrase.

    Args:
        row: of `mart_network_summary`.
    """
    rank, policy = str(row["rank_name"]), row["bot_policy"]
    by = "stars or likes" if rank == "stars" else one_line(rank, 24)
    parts = [
        f"the top {number(row['top_count'])} repositories by {by}",
        "nobody left out"
        if policy == "none"
        else f"bots left out ({value_told('bot_policy', policy)})",
        f"the platform’s staff {'left out' if row['staff'] == 'out' else 'included'}",
    ]
    if row["unit"] == "family":
        parts.append("models of one family taken together")
    return ", ".join(parts)


def score(value: float | None) -> str:
    """A number of standard deviations, with its sign."""
    if value is None:
        return number(None)
    if abs(value) >= 999.5:
        return ("+" if value > 0 else "") + number(round(value))
    text = f"{value:+.1f}" if abs(value) < 99.95 else f"{value:+.0f}"
    return text.replace("-", "\N{MINUS SIGN}")


def link_told(row: Row) -> str:
    """When two acts link, as the end of a sentence.

    Args:
        row: of `mart_network_summary`.
    """
    width = str(row["time_window"])
    if width == "inf":
        return "whenever that was"
    days = one_line(f"{width.removesuffix('d')} days", 24)
    told = {
        "pairwise_gap": "at most {} apart",
        "trailing": "both within the last {} of the data",
        "calendar": "both within the same {}",
    }
    return told.get(row["semantics"], "within {}").format(days)
