"""The study's pictures: rows of its marts in, one matplotlib figure out.

Belongs here: how each picture is drawn. Does not belong here: which rows are drawn (`pictures`),
colours and files (`plots_style`), and computing any figure of the study.

Rows are dicts with the columns of `assets.study.marts`, of one study and one day. Each function
draws something whatever it is given: a panel without rows says so.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from assets.publish import words
from assets.publish.plots_style import (
    BLUE,
    COLOURS,
    DASHES,
    INK,
    PAPER,
    PURPLE,
    RULE,
    SOFT,
    VERMILLION,
    WIDTH,
    count_label,
    decade,
    dense_ticks,
    label_axis,
    log_axis,
    points_label,
    say,
    share_label,
    styled,
)
from assets.study.features import FEATURES, PLATFORM_NAMES, PLATFORMS

Row = Mapping[str, Any]
Rows = Sequence[Row]
Points = list[tuple[float, float]]

NOTHING = "Nothing is known."
# A grid of all combinations has hundreds of cells: those nearest to the reference are drawn.
MOST_CELLS = 40
# Of a line's name, so that the panels keep the larger part of the width.
LONGEST = 64
# Beside zero, on one axis.
MOST_DECADES = 12
# Effects that a forest can show: heading, value of no effect, whether the axis is logarithmic.
EFFECTS: Mapping[str, tuple[str, float, bool]] = {
    "cliffs_delta": ("Cliff’s δ", 0.0, False),
    "vargha_delaney_a": ("Vargha–Delaney A", 0.5, False),
    "hodges_lehmann": ("Hodges–Lehmann shift", 0.0, False),
    "ratio_of_means": ("GitHub’s mean over the Hub’s", 1.0, True),
    "ratio_of_medians": ("GitHub’s median over the Hub’s", 1.0, True),
}
VERDICTS = {
    "reproduced": ("reproduced", BLUE),
    "differs": ("differs", VERMILLION),
    "not_measurable": ("not measurable", SOFT),
}
_DIVERGING = LinearSegmentedColormap.from_list("diverging", [VERMILLION, PAPER, BLUE])


def distributions(rows: Rows) -> Figure:
    """Share of repositories in each bin, per feature; both axes logarithmic, zero a bar apart.

    Args:
        rows: `mart_distribution` of one cell.
    """
    floor = 10.0 ** decade(min((row["share"] for row in rows if row["share"] > 0), default=0.1))
    with styled():
        figure = Figure(figsize=(WIDTH, 3.3), layout="constrained")
        panels = figure.subplots(1, 2 * len(FEATURES), sharey=True, width_ratios=(1, 2.9) * 3)
        log_axis(panels[0], "y", share_label)
        panels[0].set_ylim(floor, 4)
        panels[0].set_ylabel("share of repositories")
        for place, feature in enumerate(FEATURES):
            zero, rest = panels[2 * place : 2 * place + 2]
            zero.set_title(words.FEATURE_TITLES[feature])
            own = [row for row in rows if row["feature"] == feature]
            if own:
                _zeros(zero, own, floor)
                _histogram(rest, own, floor)
            else:
                zero.set_axis_off()
                say(rest, NOTHING)
        return figure


def _zeros(axes: Axes, rows: Rows, floor: float) -> None:
    for place, platform in enumerate(PLATFORMS):
        share = sum(row["share"] for row in _of(rows, platform) if row["bin_high"] == 0)
        if share:
            style: dict[str, Any] = {
                "color": COLOURS[platform],
                "hatch": "///" if place else "",
                "ec": PAPER,
            }
            axes.bar(place, share, 0.9, **style)
        text = f"{100 * share:.2g} %" if share < 0.995 else "100 %"
        axes.text(place, max(share, floor) * 1.15, text, ha="center", size=7)
    axes.set_xticks([0.5], ["0"])
    axes.set_xlim(-0.6, 1.6)
    axes.grid(visible=False, axis="x")


def _histogram(axes: Axes, rows: Rows, floor: float) -> None:
    for platform in PLATFORMS:
        own = sorted(_of(rows, platform), key=lambda row: float(row["bin_low"]))
        edges, shares = _bars([row for row in own if row["bin_high"] > 0])
        if shares:
            style: dict[str, Any] = {"baseline": floor, "color": COLOURS[platform]}
            axes.stairs(shares, edges, fill=True, alpha=0.28, **style)
            axes.stairs(shares, edges, linestyle=DASHES[platform], linewidth=1.4,
                        label=_with_basis(platform, own), **style)  # fmt: skip
    if not axes.get_legend_handles_labels()[0]:
        say(axes, "Every known value is 0.")
        return
    log_axis(axes, "x", count_label)
    axes.set_xlabel("per repository")
    axes.spines.left.set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="upper right", handlelength=2.2)


def _bars(rows: Rows) -> tuple[list[float], list[float]]:
    """Edges and heights of bins; bins that nobody is in are gaps, unless nobody could be."""
    edges: list[float] = []
    shares: list[float] = []
    for row in rows:
        low = row["bin_low"]
        if not edges:
            edges.append(low)
        elif edges[-1] >= 1 and math.ceil(edges[-1] - 1e-9) >= low:
            # No whole number lies between the bins.
            edges[-1] = low
        elif low > edges[-1]:
            shares.append(math.nan)
            edges.append(low)
        shares.append(row["share"])
        edges.append(row["bin_high"])
    return edges, shares


def differences(rows: Rows) -> Figure:
    """At each value, by how much the share of GitHub's repositories with at least that is larger.

    Args:
        rows: `mart_distribution` of one cell.
    """
    with styled():
        figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
        panels = figure.subplots(1, len(FEATURES), sharey=True)
        ends = [0.0]
        for axes, feature in zip(panels, FEATURES, strict=True):
            axes.set_title(words.FEATURE_TITLES[feature])
            points = difference_points([row for row in rows if row["feature"] == feature])
            if not points:
                say(axes, NOTHING)
                continue
            ends += [difference for _, difference in points]
            _difference(axes, points)
        panels[0].set_ylabel("difference, points of percent")
        room = 0.22 * (max(ends) - min(ends)) or 1.0
        panels[0].set_ylim(min(ends) - room, max(ends) + room)
        return figure


def _difference(axes: Axes, points: Points) -> None:
    x, y = zip(*points, strict=True)
    axes.axhline(0, color=SOFT, linewidth=0.8)
    at, height = zip(*_with_crossings(points), strict=True)
    for colour, part in ((BLUE, np.maximum(height, 0)), (VERMILLION, np.minimum(height, 0))):
        axes.fill_between(at, part, color=colour, alpha=0.25, linewidth=0)
    axes.plot(x, y, color=INK, marker="o", markersize=2.5, linewidth=1)
    place, most = max(points, key=lambda point: abs(point[1]))
    axes.annotate(
        f"{points_label(most)} at {count_label(place)}",
        (place, most),
        xytext=(6, 6 if most > 0 else -12),
        textcoords="offset points",
        size=8.5,
    )
    axes.text(0.98, 0.97, "more on GitHub", transform=axes.transAxes, ha="right", va="top",
              size=8, color=BLUE)  # fmt: skip
    axes.text(0.98, 0.03, "more on the Hub", transform=axes.transAxes, ha="right", size=8,
              color=VERMILLION)  # fmt: skip
    log_axis(axes, "x", count_label)
    label_axis(axes, "y", points_label)
    axes.set_xlabel("at least so many per repository")


def _with_crossings(points: Points) -> Points:
    """The points, and where their line on a logarithmic axis crosses zero."""
    found = points[:1]
    for (x, y), (next_x, next_y) in pairwise(points):
        if y * next_y < 0:
            found.append((x * (next_x / x) ** (y / (y - next_y)), 0.0))
        found.append((next_x, next_y))
    return found


def difference_points(rows: Rows) -> Points:
    """(edge above zero, share of at least it on GitHub less that on the Hub); empty: one lacks."""
    sides = [
        sorted((row["bin_low"], row["share_at_least"]) for row in _of(rows, platform))
        for platform in PLATFORMS
    ]
    if not all(sides):
        return []
    edges = sorted({edge for side in sides for edge, _ in side if edge > 0})
    return [(edge, _at_least(sides[0], edge) - _at_least(sides[1], edge)) for edge in edges]


def _at_least(side: Points, edge: float) -> float:
    """No repository lies between an edge and the next bin that holds one."""
    return next((share for low, share in side if low >= edge * (1 - 1e-9)), 0.0)


def lorenz(rows: Rows, gini: Mapping[tuple[str, str], float | None]) -> Figure:
    """Lorenz curves, and the same read from the top with a logarithmic axis.

    Args:
        rows: `mart_distribution` of one cell.
        gini: (platform, feature) to the coefficient that the legend tells.
    """
    with styled():
        figure = Figure(figsize=(WIDTH, 5.8), layout="constrained")
        panels = figure.subplots(2, len(FEATURES), sharey=True)
        for column, feature in enumerate(FEATURES):
            panels[0, column].set_title(words.FEATURE_TITLES[feature])
            own = [row for row in rows if row["feature"] == feature]
            _lorenz(panels[:, column], own, {p: gini.get((p, feature)) for p in PLATFORMS})
        for axes in panels[:, 0]:
            axes.set_ylabel("share of all there is")
        return figure


def _lorenz(panels: Sequence[Axes], rows: Rows, gini: Mapping[str, float | None]) -> None:
    curves = {p: points for p in PLATFORMS if (points := lorenz_points(_of(rows, p)))}
    if not curves:
        for axes in panels:
            say(axes, NOTHING)
        return
    whole, top = panels
    least = 1.0
    whole.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8)
    for platform, points in curves.items():
        coefficient = gini.get(platform)
        label = PLATFORM_NAMES[platform]
        if coefficient is not None:
            label += f", Gini {coefficient:.3f}"
        style: dict[str, Any] = {"color": COLOURS[platform], "linestyle": DASHES[platform]}
        x, y = zip(*points, strict=True)
        whole.plot(x, y, label=label, **style)
        richest = [(1 - x, 1 - y) for x, y in points if x < 1]
        least = min(least, *(x for x, _ in richest))
        top.plot(*zip(*richest, strict=True), marker=".", markersize=4, **style)
    equal = [10.0 ** (step / 20) for step in range(20 * decade(least), 1)]
    top.plot(equal, equal, color=SOFT, linewidth=0.8)
    whole.set_xlabel("poorest share of repositories")
    whole.legend(loc="upper left")
    label_axis(whole, "x", share_label)
    label_axis(whole, "y", share_label)
    log_axis(top, "x", share_label)
    label_axis(top, "y", share_label)
    top.set_xlabel("richest share of repositories")


def lorenz_points(rows: Rows) -> Points:
    """(share of repositories, share of the sum held by them), poorest first, exact at bin edges."""
    ordered = sorted(rows, key=lambda row: float(row["bin_low"]))
    total = sum(row["value_sum"] for row in ordered)
    count = sum(row["estimated_count"] for row in ordered)
    if not total or not count:
        return []
    points, people, held = [(0.0, 0.0)], 0.0, 0.0
    for row in ordered:
        people += row["estimated_count"]
        held += row["value_sum"]
        points.append((people / count, held / total))
    return [*points[:-1], (1.0, 1.0)]


def forest(
    rows: Rows, effect: str = "cliffs_delta", reference: Mapping[str, str] = words.REFERENCE
) -> Figure:
    """One effect with its interval, features side by side, one line for each cell of the study.

    Markers are hollow where the interval holds no effect or none was made.

    Args:
        rows: `mart_platform_comparison`, any cells.
        effect: a key of `EFFECTS`.
        reference: the cell that is first, and that the others' names refer to.
    """
    heading, none, is_log = EFFECTS[effect]
    cells = cells_of(rows, reference)[:MOST_CELLS]
    with styled():
        figure = Figure(figsize=(WIDTH, 1.3 + 0.24 * max(4, len(cells))), layout="constrained")
        panels = figure.subplots(1, len(FEATURES), sharey=True)
        for axes, feature in zip(panels, FEATURES, strict=True):
            axes.set_title(words.FEATURE_TITLES[feature])
            own = {_key(row): row for row in rows if row["feature"] == feature}
            drawn = [own.get(cell, {}) for cell in cells]
            if not any(row.get(effect) is not None for row in drawn):
                say(axes, NOTHING)
                continue
            if is_log:
                log_axis(axes, "x", count_label)
            for place, row in enumerate(drawn):
                _effect(axes, place, row, effect, none)
            axes.axvline(none, color=SOFT, linewidth=0.9)
            if is_log:
                dense_ticks(axes)
            _effect_axis(axes, heading, is_log)
        first = panels[0]
        first.set_yticks(
            range(len(cells)),
            [words.one_line(words.cell_label(_cell(cell), reference), LONGEST) for cell in cells],
        )
        first.set_ylim(len(cells) - 0.4, -0.6)
        return figure


def _effect_axis(axes: Axes, heading: str, is_log: bool) -> None:
    axes.set_xlabel(heading)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.axhspan(-0.5, 0.5, color=RULE, alpha=0.45, linewidth=0)
    if not is_log:
        axes.xaxis.set_major_locator(MaxNLocator(5))
        label_axis(axes, "x", count_label)


def _effect(axes: Axes, place: int, row: Row, effect: str, none: float) -> None:
    value, low, high = (row.get(f"{effect}{end}") for end in ("", "_low", "_high"))
    right = axes.get_yaxis_transform()
    if value is None:
        axes.text(1.01, place, words.UNKNOWN, transform=right, va="center", size=8, color=SOFT)
        return
    is_clear = low is not None and high is not None and not low <= none <= high
    colour = INK if value == none else BLUE if value > none else VERMILLION
    if low is not None and high is not None:
        axes.plot([low, high], [place, place], color=colour, linewidth=1.6)
    axes.plot(value, place, marker="D" if place == 0 else "o", markersize=5.5, color=colour,
              markerfacecolor=colour if is_clear else PAPER, linestyle="none")  # fmt: skip
    text = words.signed(value) if effect == "cliffs_delta" else count_label(value)
    axes.text(1.01, place, text, transform=right, va="center", size=8)


def correlations(rows: Rows) -> Figure:
    """One small matrix for each platform and method, coefficients with their intervals.

    Args:
        rows: `mart_correlation` of one cell.
    """
    methods = [name for name in words.METHOD_LABELS if any(r["method"] == name for r in rows)]
    with styled():
        figure = Figure(figsize=(WIDTH, 4.0), layout="constrained")
        panels = figure.subplots(len(PLATFORMS), max(1, len(methods)), squeeze=False)
        if not methods:
            for axes in panels.flat:
                say(axes, NOTHING)
        for line, platform in enumerate(PLATFORMS):
            for column, method in enumerate(methods):
                axes = panels[line, column]
                own = [row for row in _of(rows, platform) if row["method"] == method]
                _matrix(axes, own, platform, is_first=column == 0)
                if line == 0:
                    axes.set_title(words.METHOD_LABELS[method].replace(", ", ",\n"), fontsize=9)
                if column == 0:
                    axes.set_ylabel(PLATFORM_NAMES[platform], color=INK, fontweight="bold")
        return figure


def _matrix(axes: Axes, rows: Rows, platform: str, *, is_first: bool) -> None:
    """Rows discussions and stars, columns commits and discussions: each pair once."""
    known = {(row["first_feature"], row["second_feature"]): row for row in rows}
    names = list(FEATURES)
    for y, second in enumerate(names[1:]):
        for x, first in enumerate(names[: y + 1]):
            row = known.get((first, second)) or known.get((second, first)) or {}
            value = row.get("coefficient")
            colour = RULE if value is None else _DIVERGING((value + 1) / 2)
            axes.fill([x, x + 1, x + 1, x], [y, y, y + 1, y + 1], color=colour, linewidth=0)
            is_dark = value is not None and abs(value) > 0.65
            _coefficient(axes, x + 0.5, y + 0.5, row, PAPER if is_dark else INK)
    axes.set_xlim(0, 2)
    axes.set_ylim(2, 0)
    axes.set_aspect("equal")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    labels = [words.FEATURE_LABELS[platform, name].split()[0] for name in names]
    axes.set_xticks([0.5, 1.5], labels[:2], fontsize=8)
    axes.set_yticks([0.5, 1.5], labels[1:] if is_first else ["", ""], fontsize=8)


def _coefficient(axes: Axes, x: float, y: float, row: Row, colour: str) -> None:
    value, low, high = (row.get(f"coefficient{end}") for end in ("", "_low", "_high"))
    if value is None:
        axes.text(x, y, words.UNKNOWN, ha="center", va="center", color=SOFT)
        return
    axes.text(x, y - 0.08, words.signed(value), ha="center", va="center", color=colour, size=9)
    if low is not None and high is not None:
        text = f"{words.signed(low)}\n{words.signed(high)}"
        axes.text(x, y + 0.24, text, ha="center", va="center", color=colour, size=6.5)


def survival(rows: Rows) -> Figure:
    """Share of repositories still active at an age, with bands of 95 % and how many are that old.

    Args:
        rows: `mart_activity_survival` of one bot policy.
    """
    with styled():
        figure = Figure(figsize=(WIDTH, 4.0), layout="constrained")
        axes = figure.subplots()
        # A row without a share only says why there is none.
        rows = [row for row in rows if row["survival"] is not None]
        drawn = [p for p in PLATFORMS if _of(rows, p)]
        if not drawn:
            say(axes, NOTHING)
            return figure
        axes.set_ylim(0, 1.03)
        last = max(row["age_months"] for row in rows)
        for place, platform in enumerate(drawn):
            own = sorted(_of(rows, platform), key=lambda row: float(row["age_months"]))
            _survival(axes, own, platform)
            ages = [last * part / 5 for part in range(6)]
            _at_risk(axes, own, platform, ages, -0.24 - 0.075 * place)
        axes.set_xlim(0, last * 1.01 or 1)
        axes.set_xlabel("months since creation")
        axes.set_ylabel("share still active")
        label_axis(axes, "y", share_label)
        axes.legend(loc="upper right", handlelength=2.6)
        axes.text(0, -0.165, "Repositories that old and active until then", size=8, color=SOFT,
                  transform=axes.transAxes)  # fmt: skip
        return figure


def _survival(axes: Axes, rows: Rows, platform: str) -> None:
    x = [row["age_months"] for row in rows]
    style: dict[str, Any] = {"color": COLOURS[platform], "linestyle": DASHES[platform]}
    axes.step(x, [row["survival"] for row in rows], where="post", label=PLATFORM_NAMES[platform],
              **style)  # fmt: skip
    low, high = (
        [row["survival"] if row[name] is None else row[name] for row in rows]
        for name in ("survival_low", "survival_high")
    )
    axes.fill_between(x, low, high, step="post", color=COLOURS[platform], alpha=0.2, linewidth=0)


def _at_risk(axes: Axes, rows: Rows, platform: str, ages: Sequence[float], height: float) -> None:
    """How many are at risk at some ages, below the axis."""
    style: dict[str, Any] = {
        "size": 8,
        "color": COLOURS[platform],
        "transform": axes.get_xaxis_transform(),
    }
    axes.text(-0.012, height, PLATFORM_NAMES[platform].split()[-1], ha="right",
              **style | {"transform": axes.transAxes})  # fmt: skip
    for place, age in enumerate(ages):
        known = [row for row in rows if row["age_months"] <= age * (1 + 1e-9)]
        if known and (place == 0 or rows[-1]["age_months"] * (1 + 1e-9) >= age):
            side = "left" if place == 0 else "right" if place == len(ages) - 1 else "center"
            axes.text(age, height, words.number(known[-1]["at_risk_count"]), ha=side, **style)


def rerun(rows: Rows) -> Figure:
    """The paper's values and ours, claim by claim: a diamond, a dot with its interval and ranges.

    Claims of one unit share an axis, which is logarithmic where values span more than one decade.
    Claims without a value of ours are left out, and p-values, whose size says nothing: the page's
    table has them.

    Args:
        rows: `mart_study_rerun`.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row["our_value"] is not None and row["unit"] != "probability":
            groups.setdefault(str(row["unit"] or ""), []).append(row)
    sizes = [len(own) + 1.6 for own in groups.values()]
    with styled():
        figure = Figure(figsize=(WIDTH, 1.0 + 0.27 * max(3.0, sum(sizes))), layout="constrained")
        if not groups:
            say(figure.subplots(), "No claim could be measured.")
            return figure
        panels = figure.subplots(len(groups), 1, squeeze=False, height_ratios=sizes)[:, 0]
        for axes, (unit, own) in zip(panels, groups.items(), strict=True):
            _claims(axes, unit, own)
        figure.legend(handles=_rerun_key(), loc="outside lower center", ncols=4)
        return figure


def _claims(axes: Axes, unit: str, rows: Rows) -> None:
    axes.set_title(words.one_line(unit) or "Without a unit", fontsize=9)
    _beside(axes, 1, axes.transAxes, [("paper", SOFT), ("ours", SOFT)], rise=8)
    for place, row in enumerate(rows):
        _claim(axes, place, row)
    names = [words.one_line(words.claim_label(row["claim"]), LONGEST) for row in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    _scale(axes, unit, [value for row in rows for value in _values(row)])


def _scale(axes: Axes, unit: str, values: Sequence[float]) -> None:
    """Logarithmic where values span a decade, with a place for zero where one is zero."""
    label = share_label if unit == "share" else count_label
    positive = [value for value in values if value > 0]
    is_wide = bool(positive) and max(positive) >= 10 * min(positive)
    if unit in words.SIGNED_UNITS or min(values) < 0 or not is_wide:
        label_axis(axes, "x", label)
    elif 0 not in values:
        log_axis(axes, "x", label)
        dense_ticks(axes)
    else:
        last = decade(max(positive))
        first = max(decade(min(positive)), last - MOST_DECADES)
        axes.set_xscale("symlog", linthresh=10.0**first, linscale=0.5)
        axes.set_xlim(-0.25 * 10.0**first, 2 * max(values))
        axes.set_xticks([0, *(10.0**power for power in range(first, last + 1))])
        label_axis(axes, "x", label)


def _claim(axes: Axes, place: int, row: Row) -> None:
    verdict, colour = VERDICTS.get(row["verdict"], (words.one_line(row["verdict"], 20), SOFT))
    ours, low, high = (row[f"our_value{end}"] for end in ("", "_low", "_high"))
    if row["sensitivity_low"] is not None and row["sensitivity_high"] is not None:
        axes.plot([row["sensitivity_low"], row["sensitivity_high"]], [place, place], color=RULE,
                  linewidth=7, solid_capstyle="butt", zorder=1)  # fmt: skip
    if low is not None and high is not None:
        axes.plot([low, high], [place, place], color=colour, linewidth=1.8, zorder=2)
    is_told = row["verdict"] != "not_measurable"
    axes.plot(ours, place, "o", color=colour, markersize=6, zorder=3,
              markerfacecolor=colour if is_told else PAPER)  # fmt: skip
    if row["planted_value"] is not None:
        axes.plot(row["planted_value"], place, "x", color=PURPLE, markersize=9, zorder=4, mew=1.8)
    if row["paper_value"] is not None:
        axes.plot(row["paper_value"], place, "D", color=INK, markersize=5, zorder=5, mfc="none")
    columns = [(words.measured(v, row["unit"]), INK) for v in (row["paper_value"], ours)]
    _beside(axes, place, axes.get_yaxis_transform(), [*columns, (verdict, colour)])


def _beside(
    axes: Axes, y: float, transform: Any, columns: Sequence[tuple[str, str]], rise: float = 0
) -> None:
    """Text to the right of a line, in points, so that the layout leaves exactly its room."""
    for (text, colour), x, side in zip(
        columns, (66, 126, 134), ("right", "right", "left"), strict=False
    ):
        axes.annotate(text, (1, y), (x, rise), xycoords=transform, textcoords="offset points",
                      ha=side, va="center", size=8, color=colour)  # fmt: skip


def _values(row: Row) -> Iterable[float]:
    names = ("paper_value", "our_value", "our_value_low", "our_value_high", "planted_value",
             "sensitivity_low", "sensitivity_high")  # fmt: skip
    return (float(row[name]) for name in names if row[name] is not None)


def _rerun_key() -> list[Line2D]:
    return [
        Line2D([], [], marker="D", color=INK, mfc="none", linestyle="none", label="paper"),
        Line2D([], [], marker="o", color=BLUE, label="ours, with its interval of 95 %"),
        Line2D([], [], color=RULE, linewidth=7, label="ours, in all cells of the study"),
        Line2D([], [], marker="x", color=PURPLE, mew=1.8, linestyle="none", label="planted"),
    ]


def cells_of(rows: Rows, reference: Mapping[str, str] = words.REFERENCE) -> list[tuple[str, ...]]:
    """The cells there are, the reference first, then those that differ from it in fewest ways."""
    usual = tuple(reference[name] for name in words.REFERENCE)

    def order(cell: tuple[str, ...]) -> tuple[Any, ...]:
        policy, cut, design, weighting, exposure = (
            own != other for own, other in zip(cell, usual, strict=True)
        )
        ways = (policy, cut, design or weighting, exposure)
        return sum(ways), ways[::-1], words.POLICY_ORDER.get(cell[0], 9), _natural(cell)

    return sorted({_key(row) for row in rows}, key=order)


def _natural(cell: Sequence[str]) -> list[tuple[str, int]]:
    """Names that end in a number in the order of their numbers."""
    parts = (name.rpartition("_") for name in cell)
    return [(head, int(tail)) if tail.isdecimal() else (head + tail, 0) for head, _, tail in parts]


def _key(row: Row) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in words.REFERENCE)


def _cell(key: Sequence[str]) -> dict[str, str]:
    return dict(zip(words.REFERENCE, key, strict=True))


def _of(rows: Rows, platform: str) -> list[Row]:
    return [row for row in rows if row["platform"] == platform]


def _with_basis(platform: str, rows: Rows) -> str:
    basis = rows[0]["basis"]
    return f"{PLATFORM_NAMES[platform]} ({basis})" if basis else PLATFORM_NAMES[platform]
