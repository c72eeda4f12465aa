"""Which pictures of themes a publication has: their rows, captions, and text in their place.

Belongs here: asking the published marts of themes, and saying what a picture shows. Does not
belong here: how it is drawn (`theme_plots`).
"""

from collections.abc import Iterator, Mapping, Sequence

from assets.publish import theme_plots, theme_words, words
from assets.publish.parts.themes import headlines, of_paper, planted_shares
from assets.publish.plots_style import Picture
from assets.publish.published import Published, Row
from assets.study.features import PLATFORM_NAMES, PLATFORMS

NAMES = ("theme_prevalence", "theme_months")


def theme_pictures(published: Published) -> Iterator[Picture]:
    """The pictures of which anything is known."""
    rows = published.newest_if_any("mart_theme_prevalence")
    claims = published.newest_if_any("mart_study_rerun")
    shown = headlines(rows)
    if shown:
        paper, planted = of_paper(claims), planted_shares(claims)
        yield Picture(
            "theme_prevalence",
            f"Share of each theme. {' '.join(_told(shown))}",
            "Read: a hollow dot is the share as the coder says, a full one the share corrected by"
            " what people say of a sample, with its interval of 95 %. Where both lie apart, the"
            " coder errs in one direction." + _also(paper, planted),
            theme_plots.prevalence(shown, paper, planted),
        )
    months = [row for row in rows if row["is_reference"] and row["slice"] == "month"]
    told = {
        (row["platform"], row["slice_value"])
        for row in months
        if row["message_count"] >= theme_plots.LEAST_OF_A_MONTH
    }
    if max((sum(one == platform for one, _ in told) for platform in PLATFORMS), default=0) >= (
        theme_plots.LEAST_MONTHS
    ):
        yield Picture(
            "theme_months",
            "Share of each theme by month, as coded.",
            "Read: share of the messages opened in a month, as coded, not corrected; bands are"
            " intervals of 95 % for chance alone. Months with fewer than"
            f" {theme_plots.LEAST_OF_A_MONTH} messages are left out.",
            theme_plots.months(months),
        )


def _also(paper: Mapping[tuple[str, str], float], planted: Mapping[tuple[str, str], float]) -> str:
    told = " A stroke is the published share (figure 8)." if paper else ""
    return told + (" A cross is what the synthetic data have." if planted else "")


def _told(rows: Sequence[Row]) -> Iterator[str]:
    """The most frequent theme of each platform, in a sentence."""
    for platform in PLATFORMS:
        own = [row for row in rows if row["platform"] == platform]
        if own:
            most = max(own, key=lambda row: row["uncorrected_share"])
            name = theme_words.THEMES.get(most["theme"], most["theme"]).lower()
            yield (
                f"{PLATFORM_NAMES[platform]}: most frequent as coded is {name},"
                f" {words.share(most['uncorrected_share'])}."
            )
