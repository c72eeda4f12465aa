"""Themes and what is told of them, in plain language.

Belongs here: names as the report and its pictures write them. Does not belong here: what a theme
means (the codebook), and which rows are shown.
"""

from collections.abc import Mapping

# As the paper's figure 8 names them, in its order.
THEMES: Mapping[str, str] = {
    "bug_report": "Bug report",
    "suggestion": "Suggestion",
    "usage_problem": "Usage problem",
    "performance_evaluation": "Performance evaluation",
    "others": "Others",
}
# What each theme is, in a line.
MEANINGS: Mapping[str, str] = {
    "bug_report": "something does not work as it should",
    "suggestion": "something that works should do more",
    "usage_problem": "how to do it, or a problem of one’s own set-up",
    "performance_evaluation": "benchmark results and experience",
    "others": "all else, and what could not be told",
}
CODERS: Mapping[str, str] = {
    "linear": "the keyless coder",
    "encoder": "the sentence encoder",
    "llm": "the language model",
    "consensus": "the people’s consensus",
    "people": "people",
}
# Kinds of estimates of a share: column, heading, how it is made.
ESTIMATES: Mapping[str, str] = {
    "uncorrected": "As coded",
    "prediction_powered": "Corrected",
    "rogan_gladen": "Rogan–Gladen",
    "verified": "People alone",
}
MEASURES: Mapping[str, str] = {
    "krippendorff_alpha": "Krippendorff’s α",
    "cohen_kappa": "Cohen’s κ",
    "agreement": "Agreement",
    "macro_f1": "F1, mean over themes",
}
KINDS: Mapping[str, str] = {
    "substantive": "Substantive",
    "template": "Template",
    "trivial": "Trivial",
    "blank": "Blank",
}
STATES: Mapping[str, str] = {
    "in_frame": "In the frame",
    "near_duplicate": "Nearly the same as another",
    "pull_request": "Pull request",
    "text_not_observed": "Text not seen",
    "empty": "Nothing left after cleaning",
}
# The paper's figure 8 and section 4.2.3: platform and theme to the claim that tells the share.
CLAIMS: Mapping[tuple[str, str], str] = {
    ("github", "bug_report"): "theme_bug_report_github",
    ("github", "suggestion"): "theme_suggestion_github",
    ("huggingface", "usage_problem"): "theme_usage_problem_huggingface",
    ("huggingface", "performance_evaluation"): "theme_performance_evaluation_huggingface",
}


def coder(name: str) -> str:
    """A coder's name within a sentence."""
    return CODERS.get(name, name)
