"""Which pictures a publication has: their rows, captions and text for who cannot see them.

Belongs here: asking the published marts, and saying what a picture shows. Does not belong here:
how it is drawn (`plots`).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from assets.publish import network_pictures, plots, theme_pictures, words
from assets.publish.parts.intensity import spread
from assets.publish.parts.rerun import COUNTED
from assets.publish.plots_style import Picture, png_of
from assets.publish.published import Published, Row, shown_bases
from assets.study.features import FEATURES, PLATFORM_NAMES, PLATFORMS
from orchestration.lake import write_whole

NAMES = (
    "effects", "ratios", "rerun", "distributions", "differences", "lorenz", "correlations",
    "survival",
)  # fmt: skip
# Of this age the survival picture's text tells the share.
TOLD_MONTHS = 12


def write_pictures(drawn: Sequence[Picture], svgs: Mapping[str, str], folder: Path) -> list[Path]:
    """Write pictures as SVG and PNG, each whole or not at all; those of an earlier day go.

    Args:
        svgs: of each picture by its name.
        folder: made when absent.
    """
    files = {f"{picture.name}.svg": svgs[picture.name].encode() for picture in drawn}
    files |= {f"{picture.name}.png": png_of(picture.figure) for picture in drawn}
    for name, content in files.items():
        write_whole(folder / name, content)
    for name in (*NAMES, *network_pictures.NAMES, *theme_pictures.NAMES):
        for ending in ("svg", "png"):
            if f"{name}.{ending}" not in files:
                (folder / f"{name}.{ending}").unlink(missing_ok=True)
    return [folder / name for name in files]


def pictures(published: Published) -> list[Picture]:
    """The pictures of which anything is known."""
    return [
        *_effects(published),
        *_rerun(published),
        *_distributions(published),
        *_correlations(published),
        *_survival(published),
        *network_pictures.network_pictures(published),
        *theme_pictures.theme_pictures(published),
    ]


def _effects(published: Published) -> Iterator[Picture]:
    rows = published.newest("mart_platform_comparison")
    for name, effect, caption in (
        (
            "effects",
            "cliffs_delta",
            "Cliff’s δ of each feature in every cell of the study, with its interval of 95 %:"
            " blue means GitHub is ahead, orange the Hub. A hollow marker: the interval holds no"
            " effect, or none was made. The first line is the reference; the others change one"
            " thing.",
        ),
        (
            "ratios",
            "ratio_of_means",
            "GitHub’s mean over the Hub’s in every cell, likewise; the axes are logarithmic."
            " A mean rests on the few largest repositories, so that this ratio moves far more than"
            " δ does.",
        ),
    ):
        known = [row for row in rows if row[effect] is not None]
        if known:
            figure = plots.forest(rows, effect, published.reference)
            heading = plots.EFFECTS[effect][0]
            yield Picture(
                name, f"{heading} in each cell. {_ranges(known, effect)}", caption, figure
            )


def _ranges(rows: Sequence[Row], effect: str) -> str:
    sentences = []
    for feature in FEATURES:
        values = [row[effect] for row in rows if row["feature"] == feature]
        if values:
            told = words.number if plots.EFFECTS[effect][2] else words.signed
            low, high = (told(end) for end in (min(values), max(values)))
            title = words.FEATURE_TITLES[feature]
            sentences.append(f"{title}: from {low} to {high} in {len(values)} cells.")
    return " ".join(sentences)


def _rerun(published: Published) -> Iterator[Picture]:
    rows = published.newest("mart_study_rerun")
    known = [row for row in rows if row["our_value"] is not None]
    if known:
        counts = [
            f"{sum(row['verdict'] == verdict for row in known)} {label}"
            for verdict, label in COUNTED.items()
        ]
        yield Picture(
            "rerun",
            f"{len(known)} published claims with a value of ours: {', '.join(counts)}.",
            "Each published value beside ours. The wide bar spans all cells of the study: where"
            " it is long, the figure is a matter of method. A hollow dot is shown but cannot be"
            " compared; the table says why.",
            plots.rerun(known),
        )


def _distributions(published: Published) -> Iterator[Picture]:
    comparison = published.of_reference("mart_platform_comparison")
    summary = published.of_reference("mart_intensity_summary")
    bases = shown_bases(comparison, summary)
    rows = [
        row
        for row in published.of_reference("mart_distribution")
        if row["basis"] == bases.get((row["platform"], row["feature"]))
    ]
    if not rows:
        return
    told = spread(summary, bases)
    yield Picture(
        "distributions",
        " ".join(_spread(row) for row in told),
        "Share of repositories in each bin, eight bins a decade; zero has a bar of its own, since"
        " both axes are logarithmic.",
        plots.distributions(rows),
    )
    yield Picture(
        "differences",
        f"Differences of shares. {_largest(rows)}",
        "At each value, by how many points of percent more repositories of GitHub than of the Hub"
        " have at least that much.",
        plots.differences(rows),
    )
    ginis = {(row["platform"], row["feature"]): row["gini"] for row in told}
    yield Picture(
        "lorenz",
        "Lorenz curves. "
        + " ".join(
            f"{_name(row)}: Gini {row['gini']:.3f}, the top 1 % hold"
            f" {words.share(row['top_percent_share'])}."
            for row in told
            if row["gini"] is not None
        ),
        "Above, Lorenz curves: the further below the line of equality, the less even. Below, the"
        " same read from the top on a logarithmic axis: how much the richest 1 %, 0.1 % … hold.",
        plots.lorenz(rows, ginis),
    )


def _name(row: Row) -> str:
    return words.feature_of(row["platform"], row["feature"])


def _spread(row: Row) -> str:
    return (
        f"{_name(row)}: {words.number(row['repository_count'])} repositories,"
        f" {words.share(row['zero_share'])} zero, median {words.number(row['median_value'])},"
        f" largest {words.number(row['maximum_value'])}."
    )


def _largest(rows: Sequence[Row]) -> str:
    sentences = []
    for feature in FEATURES:
        points = plots.difference_points([row for row in rows if row["feature"] == feature])
        if points:
            at, most = max(points, key=lambda point: abs(point[1]))
            ahead = PLATFORM_NAMES["github" if most > 0 else "huggingface"]
            sentences.append(
                f"{words.FEATURE_TITLES[feature]}: largest at {words.number(at)}, where"
                f" {words.share(abs(most))} more repositories of {ahead} have at least that."
            )
    return " ".join(sentences)


def _correlations(published: Published) -> Iterator[Picture]:
    rows = published.of_reference("mart_correlation")
    told = [
        f"{PLATFORM_NAMES[row['platform']]}, {row['first_feature']} and {row['second_feature']}:"
        f" {words.signed(row['coefficient'])}."
        for row in rows
        if row["method"] == "spearman"
    ]
    if any(row["coefficient"] is not None for row in rows):
        yield Picture(
            "correlations",
            f"Correlations by platform and method. Spearman’s: {' '.join(told)}",
            "Correlations of the features, with their intervals of 95 % beneath. Pearson’s"
            " coefficient of such tails follows the few largest repositories; the ranks’ do not.",
            plots.correlations(rows),
        )


def _survival(published: Published) -> Iterator[Picture]:
    policy = published.reference["bot_policy"]
    rows = published.newest("mart_activity_survival", bot_policy=policy, design="census")
    known = [row for row in rows if row["survival"] is not None]
    if not known:
        return
    told = []
    for platform in PLATFORMS:
        own = [row for row in known if row["platform"] == platform]
        early = [row for row in own if row["age_months"] <= TOLD_MONTHS]
        if early and max(row["age_months"] for row in own) >= TOLD_MONTHS:
            still = min(row["survival"] for row in early)
            told.append(f"{PLATFORM_NAMES[platform]}: {words.share(still)}.")
    reasons = dict.fromkeys(words.one_line(row["reason"], 400) for row in rows if row["reason"])
    limits = "".join(f" {reason.rstrip('.')}." for reason in reasons)
    after = f" After {TOLD_MONTHS} months: {' '.join(told)}" if told else ""
    yield Picture(
        "survival",
        f"Share of repositories still active by age.{after}",
        "Kaplan–Meier estimate: the share of repositories that were still active at an age, with"
        f" bands of 95 %.{limits}",
        plots.survival(known),
    )
