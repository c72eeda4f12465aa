"""How the study's pictures look, and how a picture becomes a file.

Belongs here: colours, type, labels of axes, and SVG and PNG whose bytes depend on nothing but the
figures. Does not belong here: which pictures there are (`plots`), their files (`pictures`).

Text stays text in the SVG: it can be searched and read aloud, and the bytes do not hold outlines
of a font. The first font of the list, in which the layout is made, is the widest of them, so that a
reader who lacks it sees nothing cut off.
"""

import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from matplotlib.transforms import Bbox

from assets.publish.words import one_line

# Okabe and Ito 2008: told apart by people who see fewer colours. Each is doubled by a dash pattern,
# a marker or a label.
BLUE, VERMILLION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
INK, SOFT, RULE, PAPER = "#1a2027", "#57606a", "#d5dae0", "#ffffff"
COLOURS: Mapping[str, str] = {"github": BLUE, "huggingface": VERMILLION}
DASHES: Mapping[str, Any] = {"github": "-", "huggingface": (0, (5, 2))}
# Inches; at the width of the report's column text of 9 points is shown as 9 points or more.
WIDTH = 10.5
PNG_DPI = 144

_STYLE: Mapping[str, Any] = {
    "text.parse_math": False,
    # Hinted letters have other widths at other resolutions: the layout would fit one file only.
    "text.hinting": "no_hinting",
    "svg.fonttype": "none",
    "svg.hashsalt": "osmoscope",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Noto Sans", "Liberation Sans", "Arial"],
    "font.size": 9,
    "text.color": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.8,
    "hatch.linewidth": 0.6,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
}
_SVG_METADATA: dict[str, None] = {"Date": None, "Creator": None, "Format": None, "Type": None}


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        name: of its files and of its place in the report.
        alt: what it shows, in words.
        caption: how it is read.
    """

    name: str
    alt: str
    caption: str
    figure: Figure


@contextmanager
def styled() -> Iterator[None]:
    """Inside, figures are made and drawn in this style, whatever the user's matplotlibrc says."""
    usual = matplotlib.rcParamsDefault.items()
    own: dict[Any, Any] = {k: v for k, v in usual if not k.startswith("backend")}
    with matplotlib.rc_context(own | dict(_STYLE)):
        yield


def svg_of(figure: Figure) -> str:
    """The figure as SVG; the same figure gives the same characters."""
    buffer = io.StringIO()
    with styled():
        _settle(figure)
        FigureCanvasSVG(figure).print_svg(buffer, metadata=dict(_SVG_METADATA))
    return buffer.getvalue()


def _settle(figure: Figure) -> None:
    """Make the layout once, for both files.

    Its solver's last digits differ from run to run, and ids in the SVG are hashes of positions.
    """
    engine = figure.get_layout_engine()
    if engine is None:
        return
    engine.execute(figure)
    figure.set_layout_engine("none")
    for axes in figure.axes:
        bounds = axes.get_position(original=True).bounds
        axes.set_position(Bbox.from_bounds(*(round(bound, 5) for bound in bounds)))


def png_of(figure: Figure) -> bytes:
    """The figure as PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with styled():
        _settle(figure)
        figure.set_dpi(PNG_DPI)
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def count_label(value: float, _position: int | None = None) -> str:
    """A number of things in at most five characters: 0.2, 5, 10k, 2.5M."""
    size = abs(value)
    if not math.isfinite(value) or size >= 1e15:
        return f"{value:.0e}"
    for power, suffix in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if size >= 0.9995 * 10**power:
            return f"{value / 10**power:.3g}{suffix}".replace("-", "\N{MINUS SIGN}")
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


def share_label(value: float, _position: int | None = None) -> str:
    """A share as percent, without trailing zeros."""
    return f"{100 * value:.3g} %".replace("-", "\N{MINUS SIGN}")


def points_label(value: float, _position: int | None = None) -> str:
    """A difference of shares in points of percent, with its sign."""
    text = f"{100 * value:+.3g}".replace("-", "\N{MINUS SIGN}")
    return "0" if text in ("+0", "\N{MINUS SIGN}0") else text


def decade(value: float) -> int:
    """The power of ten at or below a positive value."""
    return math.floor(math.log10(value) + 1e-9)


def log_axis(axes: Axes, which: str, label: Any) -> None:
    """Make an axis logarithmic, with labels in words of ours and no minor ticks."""
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    label_axis(axes, which, label)


def label_axis(axes: Axes, which: str, label: Any) -> None:
    """Labels of an axis by a function of the value; no minor ticks."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(FuncFormatter(label))
    axis.set_minor_locator(NullLocator())


def dense_ticks(axes: Axes) -> None:
    """More ticks on a logarithmic horizontal axis of few decades."""
    low, high = axes.get_xlim()
    if high < 300 * low:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high > 10 * low else "all"))


def say(axes: Axes, text: str) -> None:
    """An empty panel that says why it is empty."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, one_line(text), transform=axes.transAxes, ha="center", color=SOFT)
