"""Which pictures of networks a publication has: their rows, captions, and text in their place.

Belongs here: asking the published marts of networks, and saying what a picture shows. Does not
belong here: how it is drawn (`network_plots`).
"""

from collections.abc import Iterator, Sequence

from assets.publish import network_plots, network_words, words
from assets.publish.plots_style import Picture
from assets.publish.published import Published, Row
from assets.study.features import PLATFORM_NAMES, PLATFORMS

NAMES = (
    "network_degrees", "network_sensitivity", "network_null_models",
    *(f"network_communities_{platform}" for platform in PLATFORMS), "network_blocks",
)  # fmt: skip
# Degrees of a decade that are drawn: more than a picture has points.
PER_DECADE = 80
VARIED_FIGURE = "average_degree"
MOST_TOLD = 3


def network_pictures(published: Published) -> Iterator[Picture]:
    """The pictures of which anything is known."""
    yield from _degrees(published)
    yield from _sensitivity(published)
    yield from _null_models(published)
    yield from _communities(published)


def _degrees(published: Published) -> Iterator[Picture]:
    rows = _thinned_degrees(published)
    linked = [row for row in rows if row["degree"] > 0]
    if linked:
        yield Picture(
            "network_degrees",
            f"Degree distributions. {' '.join(_largest(linked))}",
            "Read: this share of all has at least so many links; both axes are logarithmic, and a"
            " dot ends each line at the one with most. Who has no link cannot stand on such an axis"
            " and is told as a share. A line that falls slowly is a network with a few very well"
            " connected ones; a step in it is a large group that all share one thing.",
            network_plots.degrees(rows),
        )


def _thinned_degrees(published: Published) -> list[Row]:
    """Of each part of a decade the least degree, and of each network the largest."""
    table = "mart_network_degree"
    if not published.has(table):
        return []
    return published.rows(
        f"""
        WITH newest AS (
            SELECT *, floor({PER_DECADE} * log10(greatest(degree, 0.5))) AS part
            FROM {table}
            WHERE study = $1 AND day = (SELECT max(day) FROM {table} WHERE study = $1)
        )
        SELECT * EXCLUDE (part) FROM newest
        QUALIFY row_number() OVER (
                PARTITION BY platform, network, interaction_type, part ORDER BY degree
            ) = 1
            OR degree = max(degree) OVER (PARTITION BY platform, network, interaction_type)
        ORDER BY platform, network, interaction_type, degree
        """,
        [published.study],
    )


def _largest(rows: Sequence[Row]) -> Iterator[str]:
    """A sentence on each network's most connected, of rows in the order of degrees."""
    last = {(row["platform"], row["network"], row["interaction_type"]): row for row in rows}
    for name, row in last.items():
        yield f"{network_words.label(*name)}: at most {words.number(row['degree'])} links."


def _sensitivity(published: Published) -> Iterator[Picture]:
    rows = published.newest_if_any("mart_network_sensitivity")
    told = [
        row
        for row in rows
        if row["figure"] == VARIED_FIGURE
        and row["interaction_type"] != "both"
        and row["reference_value"]
        and row["low_value"] is not None
    ]
    if told:
        widest = sorted(told, key=_spread, reverse=True)[:MOST_TOLD]
        yield Picture(
            "network_sensitivity",
            "How far the average number of links moves. Furthest: "
            + " ".join(_moved(row) for row in widest),
            "Average links of one in each network when one thing is done in another way: the"
            " diamond is the reference, orange the smallest and blue the largest value, as factors"
            " of it on one axis. Beside each line the two values, with what makes them.",
            network_plots.sensitivity(rows, VARIED_FIGURE),
        )


def _spread(row: Row) -> float:
    return float((row["high_value"] - row["low_value"]) / row["reference_value"])


def _moved(row: Row) -> str:
    name = network_words.label(row["platform"], row["network"], row["interaction_type"])
    varied = network_words.VARIED.get(row["varied"], row["varied"])
    return f"{name}, {words.one_line(varied)}: {network_words.range_told(row)}."


def _null_models(published: Published) -> Iterator[Picture]:
    rows = [
        row
        for row in published.newest_if_any("mart_network_measure")
        if row["family"] == "headline" and row["measure"] in network_words.FIGURES
    ]
    scores = [row["z_score"] for row in rows if row["z_score"] is not None]
    if scores:
        far = sum(abs(score) > network_plots.USUAL for score in scores)
        yield Picture(
            "network_null_models",
            f"Figures beside rewired networks: {far} of {len(scores)} lie more than"
            f" {network_plots.USUAL:.0f} deviations from theirs.",
            "How far each figure lies from that of networks rewired at random, in standard"
            " deviations of these. In the grey band it is what chance gives; blue is more and"
            " orange less. The axis is logarithmic outside the band.",
            network_plots.null_models(rows),
        )


def _communities(published: Published) -> Iterator[Picture]:
    found = published.newest_if_any("mart_network_community")
    layout = published.newest_if_any("mart_network_layout")
    for platform in PLATFORMS:
        own = [row for row in layout if row["platform"] == platform]
        if own:
            yield Picture(
                f"network_communities_{platform}",
                f"The largest communities of developers on {PLATFORM_NAMES[platform]}. "
                + " ".join(_of_type(found, platform, t) for t in network_plots.shown_types(own)),
                "Each disc is a community, with its number, the organisation that most of its"
                " members belong to and their share; a small disc has its number alone. Each mark"
                " is a developer, the larger the more links it has; colour and shape tell the"
                " organisation. Grey lines are links within a community, sand-coloured ones between"
                " two;" + _drawn_links(own),
                network_plots.communities(layout, found, platform),
            )
    blocks = published.newest_if_any("mart_network_block")
    if blocks:
        yield Picture(
            "network_blocks",
            "Density of links within and between the largest communities. "
            + " ".join(_dense(blocks, platform) for platform in PLATFORMS),
            "The same communities as a matrix, the largest first: on the diagonal the links within"
            " one, elsewhere those between two. The darker, the larger the share of possible links"
            " that exists. Dark only on the diagonal: groups that keep to themselves; dark rows:"
            " groups that everybody works with.",
            network_plots.blocks(blocks, found),
        )


def _of_type(found: Sequence[Row], platform: str, interaction_type: str) -> str:
    own = sorted(
        (
            row
            for row in found
            if row["platform"] == platform and row["interaction_type"] == interaction_type
        ),
        key=lambda row: int(row["community"]),
    )
    told = [
        f"number {row['community']} with {words.number(row['node_count'])} developers,"
        f" {words.share(row['organisation_share'])} of them of"
        f" {words.one_line(row['organisation_name'], 40)}"
        if row["organisation_name"]
        else f"number {row['community']} with {words.number(row['node_count'])} developers"
        for row in own[:MOST_TOLD]
    ]
    name = network_words.title("actor", interaction_type, platform)
    return f"{name}: {words.number(len(own))} communities{': ' if told else ''}{'; '.join(told)}."


def _drawn_links(layout: Sequence[Row]) -> str:
    """How many of the links between drawn nodes there is room for."""
    types = network_plots.shown_types(layout)
    count = max(
        sum(
            row["linked_to"].count(",") + 1
            for row in layout
            if row["linked_to"] and row["interaction_type"] == told
        )
        for told in types
    )
    most = words.number(network_plots.MOST_LINKS)
    return (
        f" of more than {most}, an even part is drawn."
        if count > network_plots.MOST_LINKS
        else " all are drawn."
    )


def _dense(blocks: Sequence[Row], platform: str) -> str:
    types = network_plots.shown_types(blocks)
    sides: dict[bool, list[float]] = {True: [], False: [0.0]}
    for row in blocks:
        if row["platform"] == platform and row["interaction_type"] in types:
            sides[row["first_community"] == row["second_community"]].append(row["density"])
    if not sides[True]:
        return f"{PLATFORM_NAMES[platform]}: no community has links."
    low, high, between = (
        words.share(one) for one in (min(sides[True]), max(sides[True]), max(sides[False]))
    )
    return (
        f"{PLATFORM_NAMES[platform]}: within a community {low} to {high} of all possible links"
        f" exist, between two at most {between}."
    )
