"""Names, numbers and effects in plain language, as the report and its pictures write them.

Belongs here: text of one value. Does not belong here: layout, and which value stands where.
"""

import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from assets.study.features import PLATFORM_NAMES
from orchestration.spreadsheets import harmless

FEATURE_LABELS = {
    ("github", "commits"): "Commits",
    ("github", "discussions"): "Issues and replies",
    ("github", "stars"): "Stars",
    ("huggingface", "commits"): "Commits",
    ("huggingface", "discussions"): "Discussions",
    ("huggingface", "stars"): "Likes",
}
FEATURE_TITLES = {
    "commits": "Commits",
    "discussions": "Issues and discussions",
    "stars": "Stars and likes",
}
# Policy: its heading, and who is left out.
POLICY_LABELS = {
    "none": ("Everybody", "nobody left out"),
    "paper": ("Paper", "on a list, or “bot” in the name"),
    "conservative": ("Conservative", "certainly automated"),
    "aggressive": ("Aggressive", "probably automated"),
}
POLICY_ORDER = {policy: place for place, policy in enumerate(POLICY_LABELS)}
METHOD_LABELS = {
    "pearson": "Pearson",
    "log_pearson": "Pearson of logs",
    "spearman": "Spearman",
    "kendall_tau_b": "Kendall τ-b",
    "partial_log_pearson": "Pearson of logs, age fixed",
    "partial_spearman": "Spearman, age fixed",
}
# The cell that the report shows where it shows one: everybody, everything, as it is.
REFERENCE: Mapping[str, str] = {
    "bot_policy": "none",
    "cut": "all",
    "design": "census",
    "weighting": "unweighted",
    "exposure": "total",
}
# Units of published claims whose values lie between -1 and 1 and have a sign.
SIGNED_UNITS = ("effect size", "correlation", "difference of Gini coefficients")
UNKNOWN = "\N{EM DASH}"
LONGEST_NAME = 90
# Romano et al. 2006: |Cliff's delta| below which an effect has the name.
EFFECT_SIZES = ((0.147, "negligible"), (0.33, "small"), (0.474, "medium"), (math.inf, "large"))


def feature_of(platform: str, feature: str) -> str:
    """A feature of a platform, within a sentence."""
    return f"{PLATFORM_NAMES[platform]}, {FEATURE_LABELS[platform, feature].lower()}"


def cell_label(cell: Mapping[str, Any], reference: Mapping[str, str] = REFERENCE) -> str:
    """What sets a cell of the study apart from the reference cell."""
    changed = [name for name in REFERENCE if cell[name] != reference[name]]
    if "design" in changed and "weighting" in changed:
        changed.remove("weighting")
    parts = [_PARTS[name](cell) for name in changed]
    usual = "Reference: " + ", ".join(_PARTS[name](cell) for name in _TOLD)
    return one_line(" · ".join(parts) or usual)


def _of_policy(cell: Mapping[str, Any]) -> str:
    policy = cell["bot_policy"]
    return "everybody" if policy == "none" else f"without bots ({policy})"


def _of_cut(cell: Mapping[str, Any]) -> str:
    rank, _, size = str(cell["cut"]).removeprefix("top_").rpartition("_")
    if size.isdecimal():
        return f"top {int(size):,} by {rank}"
    names = {"all": "of any age", "in_frame": "made since the sample’s start"}
    return names.get(cell["cut"], str(cell["cut"]))


def _of_design(cell: Mapping[str, Any]) -> str:
    if cell["design"] == "census":
        return "every repository"
    return f"{cell['design']} sample, {cell['weighting']}"


def _of_exposure(cell: Mapping[str, Any]) -> str:
    names = {
        "total": "over the whole life",
        "per_month": "per month of life",
        "matched_quarter": "same quarters of creation",
    }
    return names.get(cell["exposure"], str(cell["exposure"]))


_PARTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "bot_policy": _of_policy,
    "cut": _of_cut,
    "design": _of_design,
    "weighting": lambda cell: str(cell["weighting"]),
    "exposure": _of_exposure,
}
_TOLD = ("bot_policy", "design")


def shown_text(value: object, longest: int = LONGEST_NAME) -> str:
    """Mined text made safe to look at and to copy; escaping for HTML comes on top.

    Characters that are invisible or turn the reading direction are replaced, the length is
    bounded, and what a spreadsheet would take for a formula gets an apostrophe in front.
    """
    if value is None:
        return UNKNOWN
    return harmless(one_line(value, longest))


def one_line(value: object, longest: int = LONGEST_NAME) -> str:
    """Text without invisible or reversing characters, on one line of bounded length."""
    text = "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c)[0] == "C" else c for c in str(value)
    )
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def number(value: float | None) -> str:
    """A count or an average: thousands grouped, two decimals unless whole, bounded length."""
    if value is None or value != value:
        return UNKNOWN
    if abs(value) >= 1e15:
        return scientific(value)
    if value == int(value):
        return f"{int(value):,}".replace("-", "\N{MINUS SIGN}")
    text = f"{value:,.2f}" if abs(value) >= 0.01 else f"{value:.2g}"
    return text.replace("-", "\N{MINUS SIGN}")


def measured(value: float | None, unit: str | None) -> str:
    """A value of a published claim, written as values of its unit are."""
    if unit in SIGNED_UNITS:
        return signed(value)
    return {"share": share, "probability": p_value}.get(unit or "", number)(value)


def claim_label(claim: str) -> str:
    """The short name of a published claim, to be read."""
    text = claim.replace("huggingface", "Hub").replace("github", "GitHub")
    return text.replace("_", " ")


def share(value: float | None) -> str:
    """A share as percent; 0 % and 100 % are said only of nothing and of all."""
    if value is None or value != value:
        return UNKNOWN
    if 0 < value < 0.0005:
        return "< 0.1 %"
    if 0.9995 <= value < 1:
        return "> 99.9 %"
    return f"{value * 100:.1f} %".replace(".0 %", " %")


def p_value(value: float | None) -> str:
    """A probability; the smallest that can be stored means "at most"."""
    if value is None:
        return UNKNOWN
    if value < 1e-300:
        return "< " + scientific(1e-300)
    return f"{value:.3f}" if value >= 0.001 else scientific(value)


def scientific(value: float) -> str:
    """A mantissa with one decimal, times a power of ten in superscript digits."""
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    power = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{power}" if mantissa == "1.0" else f"{mantissa} \N{MULTIPLICATION SIGN} 10{power}"


def signed(value: float | None) -> str:
    """An effect or a coefficient, with its sign."""
    return UNKNOWN if value is None else f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def reading(delta: float, p_value: float | None) -> str:
    """One sentence on an effect: who is ahead, how often, how sure."""
    size = next(name for bound, name in EFFECT_SIZES if abs(delta) < bound)
    if delta == 0:
        sentence = "Neither platform tends to be ahead"
    else:
        ahead = PLATFORM_NAMES["github" if delta > 0 else "huggingface"]
        sentence = (
            "Of two repositories drawn at random, one from each platform, the one on"
            f" {ahead} is ahead with probability {share((abs(delta) + 1) / 2)} (ties split evenly):"
            f" a {size} effect"
        )
    if p_value is not None and p_value > 0.05:
        return sentence + ", not distinguishable from chance at the 5 % level."
    return sentence + "."


def listed(names: Sequence[str]) -> str:
    """Names joined as in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
