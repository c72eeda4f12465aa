"""Checks of themes: identities that hold whatever the data are.

Belongs here: what must hold of the rows of the newest day. Does not belong here: how figures are
computed (assets.study.themes), and how rules are judged (figures).
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from assets.study.themes.codebook import THEMES
from assets.study.themes.tables import (
    AGREEMENT,
    CODED,
    ESTIMATE,
    FRAME,
    MESSAGE_QUALITY,
    PREVALENCE,
)
from checks.figures import NEAR, Rules, figures_fit, grain_is_unique, newest, rows_of
from checks.outcome import CheckOutcome, failed, first_rows, passed
from checks.warehouse import reading

_SLICE = ("platform", "coder", "slice", "slice_value")
_THEMES = ", ".join(f"'{theme}'" for theme in THEMES)
_KINDS = ("uncorrected", "rogan_gladen", "prediction_powered", "verified")
# Corrected for chance, so that they may be below 0.
_BY_CHANCE = ("krippendorff_alpha", "krippendorff_alpha_masi", "cohen_kappa")
_MEASURES = (*_BY_CHANCE, "agreement", "precision", "recall", "f1", "macro_f1", "confusion")


def _holds(name: str) -> str:
    """An interval has both ends and its value between them."""
    low, value, high = f"{name}_low", f"{name}_share", f"{name}_high"
    return (
        f"(({low} IS NULL) = ({high} IS NULL)) AND coalesce({low} <= {value} + {NEAR}"
        f" AND {value} <= {high} + {NEAR}, {low} IS NULL)"
    )


ALL_RULES = (
    Rules(
        PREVALENCE,
        (*_SLICE, "theme"),
        {
            "a theme of the codebook": f"theme IN ({_THEMES})",
            "counts within the messages": "primary_count BETWEEN 0 AND message_count"
            " AND abstained_count BETWEEN 0 AND message_count",
            "share is count over messages": "abs(uncorrected_share * message_count -"
            f" primary_count) <= {NEAR} * message_count",
            "shares from 0 to 1": " AND ".join(
                f"coalesce({kind}_share BETWEEN 0 AND 1, true)" for kind in _KINDS
            )
            + " AND applies_share BETWEEN 0 AND 1 AND distinct_share BETWEEN 0 AND 1",
            "intervals hold their value": " AND ".join(_holds(kind) for kind in _KINDS),
            "corrected or with a reason": "prediction_powered_share IS NOT NULL"
            " OR reason IS NOT NULL",
            "what is primary applies": f"applies_share >= uncorrected_share - {NEAR}",
            "nobody verified, nothing corrected": "verified_count > 0"
            " OR coalesce(rogan_gladen_share, prediction_powered_share, verified_share) IS NULL",
        },
        may_be_empty=True,
    ),
    Rules(
        AGREEMENT,
        ("platform", "sample", "pair", "coder", "other_coder", "measure", "theme", "told_theme"),
        {
            "a known measure": f"measure IN {_MEASURES}",
            "a value or a reason": "value IS NOT NULL OR reason IS NOT NULL",
            "at most 1": "value <= 1 AND value_high <= 1",
            "shares not below 0": f"measure IN {_BY_CHANCE} OR coalesce(value >= 0, true)",
            "interval holds its value": f"coalesce(value_low <= value + {NEAR}"
            f" AND value <= value_high + {NEAR}, true)",
            "of a theme where it is of one": "(theme IS NOT NULL) ="
            " (measure IN ('precision', 'recall', 'f1', 'confusion'))",
        },
        may_be_empty=True,
        may_be_null=("theme", "told_theme"),
    ),
    Rules(
        FRAME,
        ("bot_policy", "platform", "repository_class", "language", "state"),
        {
            "counted": "message_count > 0",
            "shares from 0 to 1": "share > 0 AND share <= 1",
        },
        may_be_empty=True,
        may_be_null=("language",),
    ),
    Rules(
        MESSAGE_QUALITY,
        ("platform", "slice", "slice_value", "kind", "condition"),
        {
            "counted": "commit_count > 0 AND repository_count BETWEEN 1 AND commit_count",
            "a known kind": "kind IN ('substantive', 'template', 'trivial', 'blank')",
            "shares from 0 to 1": "share > 0 AND share <= 1",
        },
        may_be_empty=True,
    ),
    Rules(
        ESTIMATE,
        ("design", "platform", "figure", "coder", "slice", "slice_value", "category"),
        {
            "shares from 0 to 1": "least(weighted_share, unweighted_share, low) >= 0"
            f" AND greatest(weighted_share, unweighted_share, high) <= 1 + {NEAR}",
            "no error below zero": "standard_error >= 0",
            "interval holds its value": "(low IS NULL) = (high IS NULL)"
            f" AND coalesce(low <= weighted_share + {NEAR}"
            f" AND weighted_share <= high + {NEAR}, low IS NULL)",
            "an interval or a reason": "(low IS NULL) = (method IS NULL)"
            " AND (low IS NOT NULL OR reason IS NOT NULL)",
            "a census is certain": f"method <> 'census' OR high - low <= {NEAR}",
            "of repositories that have any": "repository_count BETWEEN 1 AND sample_count"
            " AND estimated_count > 0",
        },
        may_be_empty=True,
    ),
)
RULES = {rules.table.name: rules for rules in ALL_RULES}


def themes_add_up(warehouse: Path, study: str, rules: Rules) -> CheckOutcome:
    """Every slice has each theme once, and its shares as coded sum to 1."""
    name, keys = "themes_add_up", ", ".join(_SLICE)
    with reading(warehouse=warehouse) as connection:
        rows = rows_of(
            connection,
            f"SELECT {keys}, sum(uncorrected_share) AS share, count(*) AS themes,"
            " sum(primary_count) AS counted, any_value(message_count) AS messages"
            f" FROM {newest(rules)} GROUP BY ALL HAVING NOT (themes = {len(THEMES)}"
            f" AND counted = messages AND abs(share - 1) <= {NEAR}) ORDER BY ALL",
            study,
        )
    if rows:
        told = f"{len(rows)} slices do not add up"
        return failed(name, "error", told, rows=first_rows(rows))
    return passed(name, "Shares of each slice add up")


def shares_add_up(warehouse: Path, study: str, rules: Rules) -> CheckOutcome:
    """Shares of a platform (frame) or of a slice (messages, estimates) sum to 1."""
    name = "shares_add_up"
    keys = {
        FRAME.name: "bot_policy, platform, repository_class",
        MESSAGE_QUALITY.name: "platform, slice, slice_value",
        ESTIMATE.name: "design, platform, figure, coder, slice, slice_value",
    }[rules.table.name]
    # Several themes may apply to one post.
    share, which = (
        ("share", "true")
        if rules.table is not ESTIMATE
        else ("weighted_share", "figure <> 'theme_applies'")
    )
    with reading(warehouse=warehouse) as connection:
        rows = rows_of(
            connection,
            f"SELECT {keys}, sum({share}) AS share FROM {newest(rules)} WHERE {which} GROUP BY ALL"
            f" HAVING abs(sum({share}) - 1) > {NEAR} * count(*) ORDER BY ALL",
            study,
        )
    if rows:
        told = f"{len(rows)} groups do not add up to 1"
        return failed(name, "error", told, rows=first_rows(rows))
    return passed(name, "Shares add up to 1")


def codings_are_whole(warehouse: Path) -> CheckOutcome:
    """Every message that a coder coded has each theme once, one primary, probabilities of 1."""
    name = "codings_are_whole"
    with reading(warehouse=warehouse) as connection:
        rows = rows_of(
            connection,
            f"""
            SELECT message_key, coder, count(*) AS themes, sum(probability) AS probability
            FROM warehouse.{CODED.name}
            GROUP BY ALL
            HAVING NOT (count(*) = {len(THEMES)} AND count(DISTINCT theme) = {len(THEMES)}
                AND count(*) FILTER (is_primary) = 1 AND abs(sum(probability) - 1) <= 1e-6
                AND min(probability) >= 0
                AND bool_and(theme IN ({_THEMES})))
            ORDER BY ALL LIMIT 20
            """,
            None,
        )
    if rows:
        told = "Messages whose coding is not whole"
        return failed(name, "error", told, rows=first_rows(rows))
    return passed(name, "Every coding is whole")


# By the names that the UI shows.
CHECKS: Mapping[str, Callable[[Path, str, Rules], CheckOutcome]] = {
    check.__name__: check for check in (grain_is_unique, figures_fit, themes_add_up, shares_add_up)
}
