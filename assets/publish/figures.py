"""Figures of the report, as inline SVG.

Belongs here: numbers in, one SVG element out. Does not belong here: queries, and which figure
stands where (`report`).

The SVG is written here and not by matplotlib: a page without `style` attributes keeps a strict
content-security policy, classes let one figure follow light and dark mode, the text stays text
for a screen reader, and nothing in it depends on fonts, dates or the version of a library.
Colours are the classes of `templates/report.css`; each is doubled by a dash pattern or a label.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

# Close to the size it is shown at, so that its text is neither tiny nor huge.
WIDTH, HEIGHT = 380, 270
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 44
MOST_STEPS = 240
MOST_CELLS = 120
FEWEST_CELLS = 30

# `Markup.format` escapes what is put in.
PLOT = Markup('<svg class="plot" role="img" aria-label="{}. {}" viewBox="0 0 {} {}">{}</svg>')
LINE = Markup('<path class="line line-{kind}" d="{path}"/>')
DOT = Markup('<circle class="dot dot-{}" cx="{:.1f}" cy="{:.1f}" r="3.2"/>')
GRID = Markup('<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>')
AXIS = Markup('<path class="axis" d="M{} {}V{}H{}"/>')
TEXT = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
STRIP = Markup(
    '<svg class="strip" role="img" aria-label="{}" width="{:.4g}%" height="28"'
    ' viewBox="0 0 {} 28" preserveAspectRatio="none">{}</svg>'
)
CELL = Markup(
    '<rect class="cell cell-{}" x="{}" y="0" width="9" height="28"><title>{}</title></rect>'
)
DELTA = Markup(
    '<svg class="delta" role="img" aria-label="Cliff&#39;s delta {delta:+.2f}" width="150"'
    ' height="18" viewBox="0 0 150 18"><line class="grid" x1="5" x2="145" y1="9" y2="9"/>'
    '<rect class="bar bar-{kind}" x="{left:.1f}" y="4" width="{width:.1f}" height="10"/>'
    '<line class="axis" x1="{middle}" x2="{middle}" y1="0" y2="18"/></svg>'
)
NOTHING = Markup('<p class="nothing" role="img" aria-label="{}: {}">{}</p>')


@dataclass(frozen=True)
class Distribution:
    """One line of a survival figure.

    Attributes:
        kind: CSS class suffix, `github` or `huggingface`.
        counts: (value >= 0, number of repositories), ascending by value.
    """

    kind: str
    label: str
    counts: Sequence[tuple[int, int]]

    @property
    def total(self) -> int:
        return sum(number for _, number in self.counts)

    @property
    def zero_share(self) -> float:
        zeros = sum(number for value, number in self.counts if value == 0)
        return zeros / self.total if self.total else 0.0


@dataclass(frozen=True)
class DayCoverage:
    """One day of one platform; share None where it is not known, states '' where unrecorded."""

    day: date
    share: float | None
    states: str


def survival_figure(title: str, unit: str, distributions: Sequence[Distribution]) -> Markup:
    """Share of repositories with at least so many, both axes logarithmic.

    Zeros lie outside a logarithmic axis: they are why a line starts below 100 %.

    Args:
        title: accessible name of the figure.
        unit: label of the horizontal axis.
        distributions: those without a positive value are named in the description only.
    """
    curves = [(item, survival_steps(item.counts)) for item in distributions if item.total]
    drawn = [(item, steps) for item, steps in curves if steps]
    if not drawn:
        return empty_figure(
            title,
            "Every known value is 0." if curves else "No value is known for either platform.",
        )
    largest = max(steps[-1][0] for _, steps in drawn)
    decades_x = max(1, math.ceil(math.log10(largest))) if largest > 1 else 1
    smallest = min(steps[-1][1] for _, steps in drawn)
    decades_y = max(1, math.ceil(-math.log10(smallest) - 1e-9))
    parts = _axes(decades_x, decades_y, unit)
    for item, steps in drawn:
        points = [(_x(value, decades_x), _y(share, decades_y)) for value, share in steps]
        parts.append(LINE.format(kind=item.kind, path=_stairs(points)))
        parts.append(DOT.format(item.kind, *points[-1]))
    return PLOT.format(title, _description(distributions), WIDTH, HEIGHT, Markup().join(parts))


def survival_steps(counts: Sequence[tuple[int, int]]) -> list[tuple[int, float]]:
    """(value, share of all with at least this value) for positive values, thinned for drawing."""
    total = sum(number for _, number in counts)
    steps: list[tuple[int, float]] = []
    at_least = 0
    for value, number in reversed(counts):
        at_least += number
        if value > 0:
            steps.append((value, at_least / total))
    steps.reverse()
    if len(steps) <= MOST_STEPS:
        return steps
    scale = MOST_STEPS / math.log(steps[-1][0] / steps[0][0])
    thinned = {int(scale * math.log(value / steps[0][0])): (value, s) for value, s in steps}
    return sorted(thinned.values())


def coverage_figure(title: str, days: Sequence[DayCoverage]) -> Markup:
    """A strip of cells, one a day (or a run of equally many days), shaded by completeness.

    The strip stretches to the width of the page; a short one keeps the size of its cells.

    Args:
        days: ascending and without gaps; see `DayCoverage` for what an unrecorded day carries.
    """
    if not days:
        return empty_figure(title, "No day is recorded.")
    length = math.ceil(len(days) / MOST_CELLS)
    runs = [days[start : start + length] for start in range(0, len(days), length)]
    cells = Markup().join(
        CELL.format(_shade(run), index * 10, _cell_text(run)) for index, run in enumerate(runs)
    )
    width = min(100.0, 100 * len(runs) / FEWEST_CELLS)
    return STRIP.format(title, width, len(runs) * 10, cells)


def delta_figure(delta: float) -> Markup:
    """Cliff's delta on its scale from -1 (Hub ahead) to 1 (GitHub ahead)."""
    middle, reach = 75, 70
    end = middle + reach * max(-1.0, min(1.0, delta))
    kind = "github" if delta > 0 else "huggingface"
    return DELTA.format(
        delta=delta,
        kind=kind,
        left=min(middle, end),
        width=max(1.0, abs(end - middle)),
        middle=middle,
    )


def empty_figure(title: str, reason: str) -> Markup:
    """A placeholder that says why there is nothing to see."""
    return NOTHING.format(title, reason, reason)


def _description(distributions: Sequence[Distribution]) -> str:
    return " ".join(
        f"{item.label}: {item.total:,} repositories, {item.zero_share:.1%} zero,"
        f" largest {item.counts[-1][0]:,}."
        if item.total
        else f"{item.label}: nothing known."
        for item in distributions
    )


def _x(value: float, decades: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * math.log10(max(1.0, value)) / decades


def _y(share: float, decades: int) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * -math.log10(share) / decades


def _stairs(points: Sequence[tuple[float, float]]) -> str:
    """At least v: the share holds up to v, then falls."""
    path = f"M{LEFT} {points[0][1]:.1f}"
    for x, y in points:
        path += f"V{y:.1f}H{x:.1f}"
    return path


def _axes(decades_x: int, decades_y: int, unit: str) -> list[Markup]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts: list[Markup] = []
    every = 1 if decades_x <= 6 else math.ceil(decades_x / 5)
    for power in range(decades_x + 1):
        x = _x(10.0**power, decades_x)
        parts.append(GRID.format(x, x, TOP, bottom))
        if power % every == 0:
            parts.append(TEXT.format(x, bottom + 16, "middle", _power_of_ten(power)))
    every = math.ceil((decades_y + 1) / 7)
    for power in range(decades_y + 1):
        y = _y(10.0**-power, decades_y)
        parts.append(GRID.format(LEFT, right, y, y))
        if power % every == 0:
            parts.append(TEXT.format(LEFT - 6, y + 4, "end", f"{100 * 10.0**-power:.10g} %"))
    parts.append(AXIS.format(LEFT, TOP, bottom, right))
    parts.append(TEXT.format((LEFT + right) / 2, HEIGHT - 8, "middle", unit))
    return parts


def _power_of_ten(power: int) -> str:
    if power > 14:
        return f"1e{power}"
    suffix = ("", "k", "M", "G", "T")[power // 3]
    return f"{10 ** (power % 3)}{suffix}"


def _shade(run: Sequence[DayCoverage]) -> str:
    """Full only when every day is; an unrecorded day among recorded ones counts as nothing."""
    if not any(_is_recorded(day) for day in run):
        return "unrecorded"
    shares = [day.share or 0.0 for day in run if day.share is not None or not _is_recorded(day)]
    if not shares:
        return "unknown"
    if min(shares) >= 1:
        return "full"
    mean = sum(shares) / len(shares)
    return "none" if mean <= 0 else "low" if mean < 0.5 else "part"


def _is_recorded(day: DayCoverage) -> bool:
    return bool(day.states) or day.share is not None


def _cell_text(run: Sequence[DayCoverage]) -> str:
    if len(run) == 1:
        return _day_text(run[0])
    worst = min(run, key=lambda day: -1.0 if day.share is None else day.share)
    return f"{run[0].day} to {run[-1].day}; least complete: {_day_text(worst)}"


def _day_text(day: DayCoverage) -> str:
    if not _is_recorded(day):
        return f"{day.day}: not recorded"
    share = (
        "completeness unknown" if day.share is None else f"{math.floor(day.share * 1000) / 10} %"
    )
    return f"{day.day}: {share}" + (f" ({day.states})" if day.states else "")
