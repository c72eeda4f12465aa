"""Small figures inside the report's text, as inline SVG: strips of days, bars of an effect.

Belongs here: numbers in, one SVG element out. Does not belong here: queries, and which figure
stands where (`report`); pictures of the study (`plots`).

Inline, their classes follow light and dark mode and their text is the page's. Colours are the
classes of `templates/report.css`; each is doubled by a label.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

MOST_CELLS = 120
FEWEST_CELLS = 30

# `Markup.format` escapes what is put in.
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
class DayCoverage:
    """One day of one platform; share None where it is not known, states '' where unrecorded."""

    day: date
    share: float | None
    states: str


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
