"""The pictures of the study's networks: rows of its marts in, one matplotlib figure out.

Belongs here: how each picture of a network is drawn. Does not belong here: which rows are drawn
(`network_pictures`), colours and files (`plots_style`), and computing any figure of the study.

Rows are dicts with the columns of `assets.study.networks.tables`, of one study and one day. Each
function draws something whatever it is given: a panel without rows says so.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray

from assets.publish import network_words, words
from assets.publish.plots_style import (
    BLUE,
    COLOURS,
    DASHES,
    GREEN,
    INK,
    PAPER,
    PURPLE,
    RULE,
    SOFT,
    VERMILLION,
    WIDTH,
    count_label,
    decade,
    label_axis,
    log_axis,
    say,
    share_label,
    styled,
)
from assets.study.features import PLATFORM_NAMES, PLATFORMS

Row = Mapping[str, Any]
Rows = Sequence[Row]
Links = NDArray[np.int64]

NOTHING = "Nothing is known."
NO_LINKS = "No two are linked."
NO_COMMUNITIES = "No communities were found or sought."
# Each organisation with a colour has a marker of its own as well (Okabe and Ito 2008).
ORGANISATIONS = (
    (BLUE, "o"), (VERMILLION, "s"), (GREEN, "^"), (PURPLE, "D"), ("#e69f00", "v"), ("#56b4e9", "P"),
    ("#000000", "X"),
)  # fmt: skip
# Communities may have a million links, of which a picture shows only that there are many.
MOST_LINKS = 2400
# Left end of the axis of degrees, so that the share with any link at all is a line.
FEWEST = 0.7
# Points: the radius of a disc below which a community's label is its number.
SMALL_DISC = 16.0
# Of the scale of density: finer than an eye tells apart.
SHADES = 60
# Nodes that a label may lie on.
MOST_COVERED = 14
# Of an organisation's name, beside what else a label holds.
LONGEST = 20
# Points: nodes from the least to the most linked, in so many steps.
NODE_SIZES = (2.6, 8.0, 6)
# Within so many deviations the rewired networks lie themselves.
USUAL = 2.0
# A factor by which no figure is drawn further from its reference.
FURTHEST = 1000.0
_DENSITY = LinearSegmentedColormap.from_list("density", ["#e3eef7", "#5aa2cf", BLUE, "#06243b"])


def degrees(rows: Rows) -> Figure:
    """Share of nodes with at least so many links, both axes logarithmic, one panel a network.

    Args:
        rows: `mart_network_degree`; of many degrees some suffice, as each is exact by itself.
    """
    with styled():
        figure = Figure(figsize=(WIDTH, 5.4))
        panels = figure.subplots(2, 3, sharey=True)
        figure.subplots_adjust(0.088, 0.085, 0.985, 0.955, wspace=0.05, hspace=0.36)
        low = min((row["share_at_least"] for row in rows if row["degree"] > 0), default=0.1)
        for line, network in zip(panels, network_words.NETWORKS, strict=True):
            for axes, told in zip(line, network_words.TYPES, strict=True):
                axes.set_title(network_words.title(network, told), fontsize=9)
                own = _of(rows, network=network, interaction_type=told)
                for platform in PLATFORMS:
                    _degrees(axes, _of(own, platform=platform), platform)
                if not axes.lines:
                    say(axes, NO_LINKS if own else NOTHING)
                    continue
                log_axis(axes, "x", count_label)
                axes.set_xlabel("links, at least")
                axes.legend(loc="lower left", handlelength=2.4, fontsize=7.5)
            line[0].set_ylabel("share of all")
        log_axis(panels[0, 0], "y", share_label)
        panels[0, 0].set_ylim(10.0 ** decade(low) / 8, 1.6)
        return figure


def _degrees(axes: Axes, rows: Rows, platform: str) -> None:
    linked = sorted((row["degree"], row["share_at_least"]) for row in rows if row["degree"] > 0)
    if not linked:
        return
    x, y = zip(*linked, strict=True)
    name = PLATFORM_NAMES[platform].split()[-1]
    label = f"{name}: {words.share(1 - y[0])} without any, most {words.number(x[-1])}"
    style: dict[str, Any] = {"color": COLOURS[platform], "linestyle": DASHES[platform]}
    # A share is of all degrees since the one before, the first one's of all below.
    axes.step((FEWEST, *x), (y[0], *y), where="pre", label=label, linewidth=1.5, **style)
    axes.plot(x[-1], y[-1], "o", color=COLOURS[platform], markersize=4)


def communities(layout: Rows, found: Rows, platform: str) -> Figure:
    """The largest communities of a platform's developers, coloured by organisation, side by side.

    Args:
        layout: `mart_network_layout`, any networks.
        found: `mart_network_community`, of the same.
    """
    with styled():
        own = _of(layout, platform=platform)
        types = shown_types(own)
        colours = _organisations([row for row in own if row["interaction_type"] in types])
        panels = [_of(own, interaction_type=told) for told in types]
        wide = WIDTH / len(types) - 0.1
        high = max(2.0, *(_height(drawn, wide) for drawn in panels))
        figure = Figure(figsize=(WIDTH, high + 0.9))
        for at, (told, drawn) in enumerate(zip(types, panels, strict=True)):
            axes = _panel(figure, 0.05 + at * (wide + 0.1), 0.6, wide, high)
            title = _titled(platform, told)
            members = _of(found, platform=platform, interaction_type=told)
            if drawn:
                shown = len({row["community"] for row in drawn})
                title += f" · {shown} of {words.number(max(shown, len(members)))} communities"
                named = {row["community"]: row for row in members}
                _communities(axes, drawn, named, colours, (72 * wide, 72 * high))
            else:
                say(axes, NO_COMMUNITIES)
            axes.set_title(title, fontsize=9)
        figure.legend(handles=_communities_key(colours), loc="lower center", ncols=5,
                      columnspacing=1.4, handletextpad=0.3)  # fmt: skip
        return figure


def shown_types(rows: Rows) -> tuple[str, ...]:
    """Types of interaction that pictures of communities show; both together where it is alone."""
    known = {row["interaction_type"] for row in rows}
    apart = ("commit", "discussion")
    return apart if known.intersection(apart) or not known else ("both",)


def links_of(rows: Rows) -> Links:
    """(links, 2) ends of each link between drawn nodes, as places among the rows."""
    texts = [row["linked_to"] for row in rows]
    node = np.array([row["node"] for row in rows], np.int64)
    other = np.fromstring(",".join(text for text in texts if text), np.int64, sep=",")
    order = np.argsort(node)
    found = order[np.searchsorted(node, other, sorter=order).clip(max=len(node) - 1)]
    at = np.repeat(np.arange(len(node)), [text.count(",") + 1 if text else 0 for text in texts])
    links: Links = np.stack([at, found], axis=1)[node[found] == other]
    return links


def _organisations(rows: Rows) -> dict[str, tuple[str, str]]:
    """The organisations of most drawn nodes, with the colour and the marker of each."""
    counts = Counter(row["organisation_name"] for row in rows if row["organisation_name"])
    most = sorted(counts, key=lambda login: (-counts[login], login))
    return dict(zip(most, ORGANISATIONS, strict=False))


def _communities(
    axes: Axes,
    rows: Rows,
    found: Mapping[int, Row],
    colours: Mapping[str, tuple[str, str]],
    size: tuple[float, float],
) -> None:
    place = np.array([(row["x"], row["y"]) for row in rows])
    community = np.array([row["community"] for row in rows])
    discs = _discs(place, community)
    unit = _frame(axes, discs, size)
    for disc in discs:
        axes.add_artist(Circle((disc.x, disc.y), disc.radius, color="#eef1f4", linewidth=0))
    links = links_of(rows)
    is_inner = community[links[:, 0]] == community[links[:, 1]]
    for part, colour in ((links[is_inner], "#c3cbd4"), (links[~is_inner], "#e0d8ca")):
        _links(axes, place[_thinned(part, MOST_LINKS // 2)], colour)
    _nodes(axes, rows, place, colours)
    _labels(axes, discs, found, place, unit)


def _thinned(links: Links, most: int) -> Links:
    """Every link, or as many as there is room for, evenly."""
    if len(links) <= most:
        return links
    return links[np.linspace(0, len(links) - 1, most).astype(np.int64)]


def _links(axes: Axes, ends: NDArray[np.float64], colour: str) -> None:
    """One path of all links: a file of one path each would be many times as large.

    Not by `add_patch`, which would walk it for limits that are set already.
    """
    if len(ends):
        codes = np.tile([Path.MOVETO, Path.LINETO], len(ends))
        path = Path(ends.reshape(-1, 2), codes)
        axes.add_artist(PathPatch(path, edgecolor=colour, facecolor="none", linewidth=0.35))


def _nodes(
    axes: Axes, rows: Rows, place: NDArray[np.float64], colours: Mapping[str, tuple[str, str]]
) -> None:
    """Markers by organisation and size; who has an organisation lies above who has none."""
    least, most, steps = NODE_SIZES
    degree = np.array([row["degree"] for row in rows], float)
    step = np.rint((steps - 1) * np.sqrt(degree / max(degree.max(), 1))).astype(np.int64)
    kind = [_kind(row["organisation_name"], colours) for row in rows]
    for order, name in enumerate((None, "", *colours)):
        style = _marker(name, colours)
        of_kind = np.array([one == name for one in kind])
        for at in np.unique(step[of_kind]).tolist():
            x, y = place[of_kind & (step == at)].T
            size = least + (most - least) * at / (steps - 1)
            axes.plot(x, y, markersize=size, zorder=3 + 0.1 * order, **style)


def _kind(login: str | None, colours: Mapping[str, Any]) -> str | None:
    """An organisation with a colour, '' for another, None where none is known."""
    return None if not login else login if login in colours else ""


def _marker(name: str | None, colours: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    style: dict[str, Any] = {"linestyle": "none", "marker": "o", "mew": 0.5}
    if name is None:
        return style | {"mfc": PAPER, "mec": "#a0a9b3"}
    if not name:
        return style | {"mfc": "#8d97a2", "mec": PAPER}
    colour, marker = colours[name]
    return style | {"marker": marker, "mfc": colour, "mec": PAPER}


def _communities_key(colours: Mapping[str, tuple[str, str]]) -> list[Line2D]:
    names: dict[str | None, str] = {name: words.one_line(name, 28) for name in colours}
    names |= {"": "another organisation", None: "none known"}
    return [
        Line2D([], [], label=label, markersize=6.5, **_marker(name, colours))
        for name, label in names.items()
    ]


@dataclass(frozen=True)
class _Disc:
    community: int
    x: float
    y: float
    radius: float


def _discs(place: NDArray[np.float64], community: NDArray[np.int64]) -> list[_Disc]:
    discs = []
    for number in np.unique(community).tolist():
        own = place[community == number]
        x, y = (own.min(axis=0) + own.max(axis=0)) / 2
        discs.append(_Disc(number, x, y, float(np.hypot(*(own - (x, y)).T).max()) + 0.012))
    return discs


def _height(rows: Rows, wide: float) -> float:
    """Inches that a layout needs beneath its title, where it is so wide."""
    if not rows:
        return 0.0
    x, y = (np.ptp([row[name] for row in rows]) for name in "xy")
    return float(min(max(wide * y / max(x, 0.01) + 0.4, 3.2), 5.6))


def _frame(axes: Axes, discs: Sequence[_Disc], size: tuple[float, float]) -> float:
    """Limits that hold all discs with their labels; returns the size of a point in their units.

    Args:
        size: of the axes, in points.
    """
    wide, high = size
    left, right = (min(d.x - d.radius for d in discs), max(d.x + d.radius for d in discs))
    low, top = (min(d.y - d.radius for d in discs), max(d.y + d.radius for d in discs))
    unit = float(max((right - left) / (wide - 8), (top - low) / (high - 26), 1e-6))
    axes.set_axis_off()
    axes.set_xlim((left + right - wide * unit) / 2, (left + right + wide * unit) / 2)
    axes.set_ylim((low + top - high * unit) / 2, (low + top + high * unit) / 2)
    return unit


def _labels(
    axes: Axes,
    discs: Sequence[_Disc],
    found: Mapping[int, Row],
    place: NDArray[np.float64],
    unit: float,
) -> None:
    """Names above or below discs, the largest first; only numbers where there is no room for more.

    Args:
        unit: the size of a point in units of the axes.
    """
    taken: list[tuple[float, float, float, float]] = []
    left, right = axes.get_xlim()
    for disc in sorted(discs, key=lambda disc: (-disc.radius, disc.community)):
        number = str(disc.community)
        names = [number]
        if disc.radius >= SMALL_DISC * unit:
            names.insert(0, _community_name(disc.community, found))
        for text in names:
            half, high = len(text) * 2.35 * unit, 4.5 * unit
            x = min(max(disc.x, left + half), right - half)
            boxes = [
                (x - half, x + half, y - high, y + high)
                for y in (disc.y + disc.radius + high, disc.y - disc.radius - high, disc.y)
            ]
            free = [box for box in boxes if not any(_overlap(box, other) for other in taken)]
            box = min(free, key=lambda box: _covered(box, place), default=None)
            if box and (text is number or _covered(box, place) <= MOST_COVERED):
                taken.append(box)
                behind = {"fc": PAPER, "alpha": 0.75, "lw": 0, "pad": 0.3}
                axes.text(x, (box[2] + box[3]) / 2, text, size=7.5, ha="center", va="center",
                          zorder=5, bbox=behind)  # fmt: skip
                break


def _covered(box: Sequence[float], place: NDArray[np.float64]) -> int:
    """Nodes beneath a label."""
    x, y = place.T
    return int(((x > box[0]) & (x < box[1]) & (y > box[2]) & (y < box[3])).sum())


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]


def _community_name(number: int, found: Mapping[int, Row]) -> str:
    """Number, predominant organisation and its share; the number alone where none is known."""
    row = found.get(number)
    if row is None or not row["organisation_name"]:
        return f"{number} · none known"
    login = words.one_line(row["organisation_name"], LONGEST)
    return f"{number} · {login} {words.share(row['organisation_share'])}"


def blocks(rows: Rows, found: Rows) -> Figure:
    """Share of possible links between and within the largest communities, one matrix a network.

    Args:
        rows: `mart_network_block`, any networks.
        found: `mart_network_community`, of the same.
    """
    types = shown_types(rows)
    low = min((row["density"] for row in rows if row["density"] > 0), default=0.01)
    norm = LogNorm(min(10.0 ** decade(low), 0.1), 1)
    side, label = 3.1, 2.1
    with styled():
        figure = Figure(figsize=(WIDTH, (side + 0.55) * len(types) + 0.75))
        for line, told in enumerate(types):
            for column, platform in enumerate(PLATFORMS):
                bottom = 1.0 + (len(types) - 1 - line) * (side + 0.55)
                axes = _panel(figure, column * (side + label) + label, bottom, side, side)
                axes.set_title(_titled(platform, told), fontsize=9)
                own = _of(rows, platform=platform, interaction_type=told)
                if not own:
                    say(axes, NO_COMMUNITIES)
                    continue
                members = _of(found, platform=platform, interaction_type=told)
                _matrix(axes, own, {row["community"]: row for row in members}, norm)
        scale = figure.colorbar(ScalarMappable(norm, _DENSITY), orientation="horizontal",
                                cax=_panel(figure, 3.0, 0.5, 4.5, 0.14))  # fmt: skip
        scale.set_label("of the pairs of developers, the share that is linked; white: none")
        label_axis(scale.ax, "x", share_label)
        return figure


def _panel(figure: Figure, left: float, bottom: float, wide: float, high: float) -> Axes:
    """Axes at a place in inches."""
    width, height = figure.get_size_inches()
    return figure.add_axes((left / width, bottom / height, wide / width, high / height))


def _matrix(axes: Axes, rows: Rows, found: Mapping[int, Row], norm: LogNorm) -> None:
    ends = {row[end] for row in rows for end in ("first_community", "second_community")}
    numbers = sorted(ends)
    place = {number: at for at, number in enumerate(numbers)}
    cells: dict[int, set[tuple[int, int]]] = {}
    for row in rows:
        if row["density"] > 0:
            one, other = place[row["first_community"]], place[row["second_community"]]
            shade = round(SHADES * float(norm(row["density"])))
            cells.setdefault(shade, set()).update([(one, other), (other, one)])
    for shade, of in sorted(cells.items()):
        axes.add_artist(PathPatch(_squares(sorted(of)), facecolor=_DENSITY(shade / SHADES),
                                 linewidth=0))  # fmt: skip
    axes.set_xlim(-0.5, len(numbers) - 0.5)
    axes.set_ylim(len(numbers) - 0.5, -0.5)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    left, below = axes.get_yaxis_transform(), axes.get_xaxis_transform()
    for at, number in enumerate(numbers):
        name = f"{_community_name(number, found)}{_size(found.get(number))}"
        axes.text(-0.01, at, name, transform=left, ha="right", va="center", size=7)
        axes.text(at, -0.015, str(number), transform=below, ha="center", va="top", size=7)


def _squares(places: Sequence[tuple[int, int]]) -> Path:
    """One path of squares a little smaller than their places."""
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]) * 0.475
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    points = np.array(places, float)[:, None, :] + corners
    return Path(points.reshape(-1, 2), codes * len(places))


def _size(row: Row | None) -> str:
    return f" of {words.number(row['node_count'])}" if row else ""


def sensitivity(rows: Rows, figure_name: str) -> Figure:
    """How far one figure of each network moves with each thing that is varied, beside its own.

    Args:
        rows: `mart_network_sensitivity`, any networks and figures.
        figure_name: a figure of it.
    """
    own = [
        row
        for row in _of(rows, figure=figure_name)
        if row["interaction_type"] != "both" and row["reference_value"] is not None
    ]
    places = [
        (network, platform)
        for network in network_words.NETWORKS
        for platform in PLATFORMS
        if _of(own, network=network, platform=platform)
    ]
    varied = {one: _varied(_of(own, network=one[0], platform=one[1])) for one in places}
    line, title, wide, label = 0.2, 0.36, 1.65, 1.32
    height = sum(line * len(of) + title for of in varied.values()) + 0.55
    with styled():
        figure = Figure(figsize=(WIDTH, max(height, 1.5)))
        if not places:
            say(figure.subplots(), NOTHING)
            return figure
        panels = []
        top = height
        for network, platform in places:
            names = varied[network, platform]
            top -= line * len(names) + title
            for column, told in enumerate(("commit", "discussion")):
                left = label + column * (WIDTH - label) / 2
                axes = _panel(figure, left, top + 0.02, wide, line * len(names))
                axes.set_title(_titled(platform, told, network), fontsize=9, pad=3)
                found = _of(own, network=network, platform=platform, interaction_type=told)
                _ranges(axes, found, names, is_first=column == 0)
                panels.append(axes)
        _factors(panels, own)
        return figure


def _varied(rows: Rows) -> list[str]:
    """What is varied, in the order in which it is told."""
    known = {row["varied"] for row in rows}
    return [name for name in network_words.VARIED if name in known]


def _ranges(axes: Axes, rows: Rows, varied: Sequence[str], *, is_first: bool) -> None:
    known = {row["varied"]: row for row in rows}
    right = axes.get_yaxis_transform()
    axes.axvline(1, color=SOFT, linewidth=0.8)
    for place, name in enumerate(varied):
        row = known.get(name)
        text = "not measurable" if row is None else network_words.range_told(row)
        is_moved = row is not None and row["low_value"] != row["high_value"]
        if row is not None:
            _range(axes, place, row)
        axes.annotate(text, (1, place), (6, 0), xycoords=right, textcoords="offset points",
                      va="center", size=7.5, color=INK if is_moved else SOFT)  # fmt: skip
    axes.set_yticks(
        range(len(varied)), [network_words.VARIED[name] if is_first else "" for name in varied]
    )
    axes.set_ylim(len(varied) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelsize=8)
    axes.grid(visible=False, axis="y")


def _range(axes: Axes, place: int, row: Row) -> None:
    ends = [_factor(row[end], row["reference_value"]) for end in ("low_value", "high_value")]
    axes.plot(ends, [place, place], color=INK, linewidth=1.6, zorder=2)
    for value, colour in zip(ends, (VERMILLION, BLUE), strict=True):
        if value != 1:
            axes.plot(value, place, "o", color=colour, markersize=5.5, zorder=3)
    axes.plot(1, place, "D", color=INK, markersize=3.6, zorder=4)


def _factor(value: float | None, reference: float) -> float:
    """Over the reference, within what an axis shows."""
    if value is None or not reference:
        return 1.0
    return min(max(value / reference, 1 / FURTHEST), FURTHEST)


def _factors(panels: Sequence[Axes], rows: Rows) -> None:
    """One axis of factors for all panels, with room at both ends."""
    ends = [
        _factor(row[end], row["reference_value"])
        for row in rows
        for end in ("low_value", "high_value")
    ]
    low, high = min([0.8, *ends]), max([1.25, *ends])
    room = (high / low) ** 0.05
    ticks = [
        factor * 10.0**power
        for power in range(decade(low), decade(high) + 1)
        for factor in ((1, 2, 5) if high / low < 10 else (1, 3) if high / low < 300 else (1,))
    ]
    for axes in panels:
        log_axis(axes, "x", lambda value, _: f"×{count_label(value)}")
        axes.set_xlim(low / room, high * room)
        axes.xaxis.set_major_locator(FixedLocator([at for at in ticks if low <= at <= high]))
        if axes not in panels[-2:]:
            axes.tick_params(axis="x", length=0, labelbottom=False)
    for axes in panels[-2:]:
        axes.set_xlabel("of the reference")


def null_models(rows: Rows) -> Figure:
    """How many deviations each headline figure lies from networks rewired at random.

    Args:
        rows: `mart_network_measure` of the family headline.
    """
    names = [
        (platform, network, told)
        for network in network_words.NETWORKS
        for told in network_words.TYPES
        for platform in PLATFORMS
        if _of(rows, platform=platform, network=network, interaction_type=told)
    ]
    largest = max((abs(row["z_score"]) for row in rows if row["z_score"] is not None), default=0)
    reach = 10.0 ** math.ceil(math.log10(max(largest * 1.3, 10)))
    with styled():
        height = 1.0 + 0.25 * max(4, len(names))
        figure = Figure(figsize=(WIDTH, height))
        panels = figure.subplots(1, len(network_words.FIGURES), sharey=True)
        figure.subplots_adjust(0.195, 0.65 / height, 0.95, 1 - 0.3 / height, wspace=0.38)
        for axes, (measure, (title, _)) in zip(panels, network_words.FIGURES.items(), strict=True):
            axes.set_title(title, fontsize=9)
            own = _of(rows, measure=measure)
            if not own:
                say(axes, NOTHING)
                continue
            axes.set_xscale("symlog", linthresh=USUAL, linscale=0.5)
            axes.axvspan(-USUAL, USUAL, color=RULE, alpha=0.55, linewidth=0)
            _scores(axes, own, names)
            top = round(math.log10(reach))
            ticks = [10.0**power for power in range(top, 0, -1 if top < 3 else -2)]
            axes.set_xticks([*(-at for at in ticks), 0, *ticks])
            axes.set_xlim(-1.2 * reach, 1.2 * reach)
            label_axis(axes, "x", count_label)
            axes.grid(visible=False, axis="y")
            axes.tick_params(axis="y", length=0)
            axes.set_xlabel("fewer ←  deviations  → more")
        labels = [network_words.label(*name) for name in names]
        panels[0].set_yticks(range(len(names)), labels, fontsize=8)
        panels[0].set_ylim(len(names) - 0.4, -0.6)
        return figure


def _scores(axes: Axes, rows: Rows, names: Sequence[tuple[str, str, str]]) -> None:
    known = {(row["platform"], row["network"], row["interaction_type"]): row for row in rows}
    right = axes.get_yaxis_transform()
    for place, name in enumerate(names):
        score = known.get(name, {}).get("z_score")
        text = words.UNKNOWN if score is None else network_words.score(score)
        axes.annotate(text, (1, place), (4, 0), xycoords=right, textcoords="offset points",
                      va="center", size=8, color=SOFT if score is None else INK)  # fmt: skip
        if score is not None:
            colour = SOFT if abs(score) <= USUAL else BLUE if score > 0 else VERMILLION
            axes.plot([0, score], [place, place], color=colour, linewidth=1.2)
            axes.plot(score, place, "o", color=colour, markersize=5.5,
                      markerfacecolor=PAPER if abs(score) <= USUAL else colour)  # fmt: skip


def _titled(platform: str, interaction_type: str, network: str = "actor") -> str:
    title = network_words.title(network, interaction_type, platform)
    return f"{PLATFORM_NAMES[platform]}: {title.lower()}"


def _of(rows: Rows, **equal: str) -> list[Row]:
    return [row for row in rows if all(row[name] == value for name, value in equal.items())]
