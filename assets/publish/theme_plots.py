"""The pictures of themes: rows of their marts in, one matplotlib figure out.

Belongs here: how each picture is drawn. Does not belong here: which rows are drawn
(`theme_pictures`), colours and files (`plots_style`), and computing any figure of the study.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from assets.publish.plots_style import (
    BLUE,
    COLOURS,
    GREEN,
    INK,
    PAPER,
    PURPLE,
    RULE,
    SOFT,
    VERMILLION,
    WIDTH,
    label_axis,
    say,
    share_label,
    styled,
)
from assets.publish.theme_words import THEMES
from assets.study.features import PLATFORM_NAMES, PLATFORMS

Row = Mapping[str, Any]
Rows = Sequence[Row]

NOTHING = "No message has been coded."
# Each theme with a colour has a marker of its own as well (Okabe and Ito 2008).
MARKS: Mapping[str, tuple[str, str]] = {
    "bug_report": (VERMILLION, "o"),
    "suggestion": (GREEN, "s"),
    "usage_problem": (BLUE, "^"),
    "performance_evaluation": (PURPLE, "D"),
    "others": (SOFT, "v"),
}
PUBLISHED: Mapping[str, Any] = {
    "marker": "|", "color": INK, "markersize": 15, "markeredgewidth": 1.6, "linestyle": "none",
}  # fmt: skip
PLANTED: Mapping[str, Any] = {
    "marker": "x", "color": SOFT, "markersize": 7, "markeredgewidth": 1.6, "linestyle": "none",
}  # fmt: skip
# A month with fewer messages says nothing by itself, and fewer months are no course of time.
LEAST_OF_A_MONTH = 20
LEAST_MONTHS = 3


def prevalence(
    rows: Rows,
    paper: Mapping[tuple[str, str], float],
    planted: Mapping[tuple[str, str], float],
) -> Figure:
    """Share of each theme on each platform: as coded, corrected with its interval, published.

    Args:
        rows: `mart_theme_prevalence` of the reference coder and one slice.
        paper: platform and theme to the published share.
        planted: the same of synthetic data.
    """
    with styled():
        figure = Figure(figsize=(WIDTH, 3.6))
        panels = figure.subplots(1, len(PLATFORMS), sharey=True, sharex=True)
        figure.subplots_adjust(0.165, 0.2, 0.985, 0.92, wspace=0.06)
        themes = list(THEMES)[::-1]
        furthest = max([_furthest(row) for row in rows] + [*paper.values(), *planted.values()])
        for axes, platform in zip(panels, PLATFORMS, strict=True):
            own = {row["theme"]: row for row in rows if row["platform"] == platform}
            axes.set_title(PLATFORM_NAMES[platform])
            axes.set_yticks(range(len(themes)), [THEMES[theme] for theme in themes])
            axes.tick_params(axis="y", length=0, labelcolor=INK)
            axes.grid(axis="y", visible=False)
            axes.set_ylim(-0.6, len(themes) - 0.4)
            axes.set_xlim(0, 1.08 * furthest)
            label_axis(axes, "x", share_label)
            if not own:
                axes.text(0.5, 0.5, NOTHING, transform=axes.transAxes, ha="center", color=SOFT)
                continue
            for place, theme in enumerate(themes):
                if theme in own:
                    _shares(axes, place, own[theme], platform)
                for known, style in ((paper, PUBLISHED), (planted, PLANTED)):
                    value = known.get((platform, theme))
                    if value is not None:
                        axes.plot(value, place, **style, zorder=4)
        figure.legend(handles=_legend(bool(paper), bool(planted)), loc="lower center", ncols=4)
        return figure


def _furthest(row: Row) -> float:
    ends = [row["uncorrected_share"], row["prediction_powered_high"] or 0.0]
    return float(max(ends))


def _shares(axes: Axes, place: int, row: Row, platform: str) -> None:
    colour = COLOURS[platform]
    value = row["uncorrected_share"]
    axes.plot([0, value], [place, place], color=RULE, linewidth=7, solid_capstyle="butt", zorder=1)
    axes.plot(
        value, place, "o", markersize=7, markerfacecolor=PAPER, markeredgecolor=colour, zorder=3
    )
    if row["prediction_powered_share"] is None:
        return
    low, high = row["prediction_powered_low"], row["prediction_powered_high"]
    if low is not None and high is not None:
        axes.plot([low, high], [place, place], color=colour, linewidth=2.2, zorder=2)
    axes.plot(row["prediction_powered_share"], place, "o", markersize=7, color=colour, zorder=3)


def _legend(has_paper: bool, has_planted: bool) -> list[Line2D]:
    hollow: dict[str, Any] = {"markerfacecolor": PAPER, "markeredgecolor": INK, "markersize": 7}
    found = [
        Line2D([], [], linestyle="none", marker="o", label="as coded", **hollow),
        Line2D([], [], color=INK, marker="o", markersize=7, label="corrected, 95 % interval"),
    ]
    if has_paper:
        found.append(Line2D([], [], label="paper", **PUBLISHED))
    if has_planted:
        found.append(Line2D([], [], label="planted", **PLANTED))
    return found


def months(rows: Rows) -> Figure:
    """Share of each theme by the month in which messages were opened, one panel a platform.

    Args:
        rows: `mart_theme_prevalence` of the reference coder and the slice `month`.
    """
    with styled():
        figure = Figure(figsize=(WIDTH, 3.6))
        panels = figure.subplots(1, len(PLATFORMS), sharey=True)
        figure.subplots_adjust(0.07, 0.21, 0.985, 0.92, wspace=0.06)
        for axes, platform in zip(panels, PLATFORMS, strict=True):
            own = [
                row
                for row in rows
                if row["platform"] == platform and row["message_count"] >= LEAST_OF_A_MONTH
            ]
            axes.set_title(PLATFORM_NAMES[platform])
            if not own:
                say(axes, f"No month has {LEAST_OF_A_MONTH} messages or more.")
                continue
            for theme, (colour, marker) in MARKS.items():
                _line(axes, [row for row in own if row["theme"] == theme], colour, marker)
            axes.set_ylim(0, None)
            label_axis(axes, "y", share_label)
            axes.tick_params(axis="x", rotation=30)
        handles = [
            Line2D([], [], color=colour, marker=marker, markersize=5, label=THEMES[theme])
            for theme, (colour, marker) in MARKS.items()
        ]
        figure.legend(handles=handles, loc="lower center", ncols=len(handles))
        return figure


def _line(axes: Axes, rows: Rows, colour: str, marker: str) -> None:
    if not rows:
        return
    ordered = sorted(rows, key=lambda row: str(row["slice_value"]))
    at = np.array([f"{row['slice_value']}-01" for row in ordered], "datetime64[D]")
    axes.plot(
        at, [row["uncorrected_share"] for row in ordered], color=colour, marker=marker, markersize=4
    )
    axes.fill_between(
        at,
        [row["uncorrected_low"] for row in ordered],
        [row["uncorrected_high"] for row in ordered],
        color=colour,
        alpha=0.13,
        linewidth=0,
    )
