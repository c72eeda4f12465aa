"""The pictures: exact points, deterministic bytes, hostile names, and rows that are missing."""

import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import marts_support
import matplotlib
import numpy as np
import pytest
from databases import database
from hypothesis import given, settings
from hypothesis import strategies as st
from marts_support import Row
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from assets.publish import plots, words
from assets.publish.pictures import NAMES, pictures, write_pictures
from assets.publish.plots_style import (
    BLUE,
    INK,
    SOFT,
    VERMILLION,
    count_label,
    decade,
    png_of,
    points_label,
    share_label,
    styled,
    svg_of,
)
from assets.publish.published import open_published
from assets.publish.report import render_report
from assets.study import marts
from orchestration.failures import PermanentFailure

CELL = marts_support.cells()[0]
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    "$\\frac{1}{0}$",
    "<script>x</script>",
    "a\u202eb\x00c",
    "]]>&amp;",
    "x" * 5000,
    "\ud800",
)


def bins(platform: str, values: Any) -> list[Row]:
    of = np.asarray(values, np.int64)
    return marts_support.distribution_rows(CELL, platform, "commits", "stock", of)


def drawn(rows: dict[Any, list[Row]]) -> dict[str, Figure]:
    """Every picture of the same rows."""
    ginis = {(row["platform"], row["feature"]): row.get("gini") for row in rows[marts.SUMMARY]}
    return {
        "distributions": plots.distributions(rows[marts.DISTRIBUTION]),
        "differences": plots.differences(rows[marts.DISTRIBUTION]),
        "lorenz": plots.lorenz(rows[marts.DISTRIBUTION], ginis),
        "effects": plots.forest(rows[marts.COMPARISON]),
        "ratios": plots.forest(rows[marts.COMPARISON], "ratio_of_means"),
        "correlations": plots.correlations(rows[marts.CORRELATION]),
        "survival": plots.survival(rows[marts.SURVIVAL]),
        "rerun": plots.rerun(rows[marts.RERUN]),
    }


def text_of(svg: str) -> list[str]:
    """The text of a picture, element by element."""
    root = ElementTree.fromstring(svg)
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


@pytest.fixture(scope="module")
def rows() -> dict[Any, list[Row]]:
    """As a mart gives them: every column is there, unknown ones null."""
    return {
        table: [dict.fromkeys(table.column_names) | row for row in own]
        for table, own in marts_support.study_rows().items()
    }


@pytest.fixture(scope="module")
def figures(rows: dict[Any, list[Row]]) -> dict[str, Figure]:
    return drawn(rows)


@pytest.fixture(scope="module")
def svgs(figures: dict[str, Figure]) -> dict[str, str]:
    return {name: svg_of(figure) for name, figure in figures.items()}


def test_there_is_a_picture_of_every_name(svgs: dict[str, str]) -> None:
    assert set(svgs) == set(NAMES)


def test_same_rows_same_bytes(rows: dict[Any, list[Row]], svgs: dict[str, str]) -> None:
    for name, figure in drawn(rows).items():
        assert svg_of(figure) == svgs[name], name


def test_bytes_do_not_hang_on_the_process_or_the_users_style(
    svgs: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfont.size: 30\nsvg.fonttype: path\n")
    code = (
        "import marts_support as m; from assets.publish import plots, plots_style as p;"
        "print(p.svg_of(plots.survival(m.survival_rows())), end='')"
    )
    environment = {
        "MATPLOTLIBRC": str(tmp_path),
        # Where the list of fonts lies, which takes a second to make.
        "MPLCONFIGDIR": matplotlib.get_cachedir(),
        "PYTHONPATH": ":".join(path for path in sys.path if path),
        "PYTHONHASHSEED": "7",
    }
    other = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert other.stdout == svgs["survival"]


def test_files_tell_nothing_but_the_figures(
    rows: dict[Any, list[Row]], svgs: dict[str, str]
) -> None:
    pngs = [png_of(plots.survival(rows[marts.SURVIVAL])) for _ in range(2)]
    assert pngs[0] == pngs[1] and pngs[0].startswith(b"\x89PNG")
    assert b"matplotlib" not in pngs[0].lower()
    assert not re.search(r"\d{4}-\d\d-\d\d|\d:\d\d|metadata", svgs["survival"])


def test_the_callers_style_stays_as_it_was(rows: dict[Any, list[Row]]) -> None:
    before = dict(matplotlib.rcParams)
    svg_of(plots.survival(rows[marts.SURVIVAL]))
    assert dict(matplotlib.rcParams) == before


def test_colours_are_doubled_by_dashes(svgs: dict[str, str]) -> None:
    for name in ("distributions", "lorenz", "survival"):
        lines = re.findall(rf'style="([^"]*stroke: {VERMILLION}[^"]*)"', svgs[name])
        assert lines
        assert any("stroke-dasharray" in line for line in lines)


def test_text_is_text_of_at_least_six_points(svgs: dict[str, str]) -> None:
    for name, svg in svgs.items():
        sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg)]
        assert len(sizes) > 10, name
        assert min(sizes) >= 6, name
        assert "sans-serif" in svg


def test_nothing_is_cut_off(svgs: dict[str, str], figures: dict[str, Figure]) -> None:
    for name in svgs:
        figure = figures[name]
        inside = figure.bbox.padded(2)
        with styled():
            renderer = FigureCanvasAgg(figure).get_renderer()
            texts = [
                text
                for axes in figure.axes
                for text in (*axes.texts, *_shown(axes.xaxis), *_shown(axes.yaxis))
            ]
            boxes = [text.get_window_extent(renderer) for text in texts]
        for text, box in zip(texts, boxes, strict=True):
            assert inside.x0 <= box.x0 and box.x1 <= inside.x1, (name, text)
            assert inside.y0 <= box.y0 and box.y1 <= inside.y1, (name, text)


def _shown(axis: Any) -> list[Any]:
    """Labels of the ticks within the axis."""
    low, high = sorted(axis.get_view_interval())
    return [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]


@settings(deadline=None, database=None, max_examples=60)
@given(
    st.lists(st.integers(0, 3000), min_size=1, max_size=60),
    st.lists(st.integers(0, 3000), min_size=1, max_size=60),
)
def test_differences_are_those_of_the_values(github: list[int], hub: list[int]) -> None:
    points = plots.difference_points(bins("github", github) + bins("huggingface", hub))
    for edge, difference in points:
        first = np.mean([value >= edge * (1 - 1e-9) for value in github])
        second = np.mean([value >= edge * (1 - 1e-9) for value in hub])
        assert math.isclose(difference, first - second, abs_tol=1e-9)
    assert bool(points) == any(value > 0 for value in github + hub)


@settings(deadline=None, database=None, max_examples=60)
@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=60))
def test_lorenz_points_lie_on_the_curve_of_the_values(values: list[int]) -> None:
    points = plots.lorenz_points(bins("github", values))
    if not sum(values):
        assert points == []
        return
    ordered = np.sort(values)
    for population, held in points:
        count = round(population * len(values))
        assert math.isclose(population * len(values), count, abs_tol=1e-6)
        assert math.isclose(held, ordered[:count].sum() / ordered.sum(), abs_tol=1e-9)
    assert points[0] == (0.0, 0.0)
    assert points[-1] == (1.0, 1.0)


def test_the_shade_of_a_difference_changes_where_its_line_crosses_zero() -> None:
    points = plots._with_crossings([(1.0, -1.0), (100.0, 1.0), (1000.0, 0.5)])
    assert points == [(1.0, -1.0), (pytest.approx(10.0), 0.0), (100.0, 1.0), (1000.0, 0.5)]


def test_a_platform_alone_has_no_difference_but_a_curve() -> None:
    alone = bins("github", [0, 1, 5])
    assert plots.difference_points(alone) == []
    assert plots.lorenz_points(alone)[1] == pytest.approx((1 / 3, 0))
    for figure in (plots.distributions(alone), plots.differences(alone), plots.lorenz(alone, {})):
        assert "Nothing is known." in text_of(svg_of(figure))


def test_zero_has_a_bar_of_its_own() -> None:
    figure = plots.distributions(bins("github", [0, 0, 0, 7]) + bins("huggingface", [0, 0]))
    zero, rest = figure.axes[:2]
    assert [bar.get_height() for bar in zero.patches] == [0.75, 1.0]
    assert len(rest.patches) == 2
    assert rest.get_xscale() == zero.get_yscale() == "log"
    assert {"75 %", "100 %"} <= set(text_of(svg_of(figure)))


def test_only_bins_that_nobody_could_be_in_are_bridged() -> None:
    edges, shares = plots._bars([row for row in bins("github", [1, 2, 3, 40]) if row["bin_high"]])
    assert len(edges) == len(shares) + 1
    assert [share for share in shares if not math.isnan(share)] == [0.25] * 4
    # From 1 to 4.2 without a gap, though no whole number lies in [1.33, 1.78); one gap to 40.
    assert [math.isnan(share) for share in shares] == [False, False, False, True, False]


def test_forest_marks_what_is_clear_and_says_every_value() -> None:
    deltas = {
        "none": (0.4, 0.3, 0.5),
        "paper": (-0.2, -0.3, -0.1),
        "conservative": (0.1, -0.1, 0.3),
    }
    rows = [
        {**CELL, "bot_policy": policy, "feature": "stars", "cliffs_delta": value,
         "cliffs_delta_low": low, "cliffs_delta_high": high}
        for policy, (value, low, high) in deltas.items()
    ]  # fmt: skip
    rows.append({**CELL, "bot_policy": "aggressive", "feature": "stars", "cliffs_delta": None})
    figure = plots.forest(rows)
    stars = figure.axes[2]
    marks = [line for line in stars.lines if line.get_marker() in ("o", "D")]
    assert [mark.get_color() for mark in marks] == [BLUE, VERMILLION, BLUE]
    assert [mark.get_markerfacecolor() != "#ffffff" for mark in marks] == [True, True, False]
    assert [mark.get_marker() for mark in marks] == ["D", "o", "o"]
    text = text_of(svg_of(figure))
    assert {"+0.400", "\N{MINUS SIGN}0.200", "+0.100", words.UNKNOWN} <= set(text)
    assert text.count("Nothing is known.") == 2


def test_cells_begin_with_the_reference_and_then_change_one_thing(
    rows: dict[Any, list[Row]],
) -> None:
    labels = [
        words.cell_label(dict(zip(words.REFERENCE, cell, strict=True)))
        for cell in plots.cells_of(rows[marts.COMPARISON])
    ]
    assert labels[0] == "Reference: everybody, every repository"
    assert labels[1:4] == [f"without bots ({p})" for p in ("paper", "conservative", "aggressive")]
    assert labels.index("top 1,000 by stars") + 1 == labels.index("top 10,000 by stars")
    assert labels.index("neyman sample, unweighted") + 1 == labels.index("neyman sample, weighted")
    assert len(set(labels)) == len(labels) == 17


def test_another_reference_turns_the_names_round(rows: dict[Any, list[Row]]) -> None:
    matched = words.REFERENCE | {"design": "matched", "weighting": "weighted"}
    cells = plots.cells_of(rows[marts.COMPARISON], matched)
    assert cells[0] == tuple(matched.values())
    told = {words.cell_label(dict(zip(matched, cell, strict=True)), matched) for cell in cells}
    assert {"Reference: everybody, matched sample, weighted", "every repository"} <= told
    assert "matched sample, unweighted" in told or "unweighted" in told


def test_a_grid_of_all_combinations_is_cut_to_what_can_be_read() -> None:
    many = [
        {**CELL, "cut": f"top_stars_{n}", "exposure": exposure, "feature": "stars",
         "cliffs_delta": 0.1}
        for n in range(1, 60) for exposure in ("total", "per_month")
    ]  # fmt: skip
    figure = plots.forest([*many, {**CELL, "feature": "stars", "cliffs_delta": 0.2}])
    assert len(figure.axes[0].get_yticks()) == plots.MOST_CELLS


def test_rerun_draws_claims_with_a_value_on_fitting_axes(rows: dict[Any, list[Row]]) -> None:
    figure = plots.rerun(rows[marts.RERUN])
    scales = {axes.get_title("left"): axes.get_xscale() for axes in figure.axes}
    assert scales == {
        "commits": "log",
        "likes": "symlog",
        "share": "log",
        "effect size": "linear",
        "issues": "log",
    }
    text = text_of(svg_of(figure))
    assert {"71,860,646", "0.3 %", "reproduced", "differs", "not measurable"} <= set(text)
    assert "openness members" not in text
    assert {"Hub stars median", "GitHub commits mean", "+0.710"} <= set(text)
    hollow = [line for line in figure.axes[4].lines if line.get_marker() == "o"]
    assert [line.get_color() for line in hollow] == [SOFT]
    diamonds = [line for line in figure.axes[0].lines if line.get_marker() == "D"]
    assert [float(np.asarray(line.get_xdata())[0]) for line in diamonds] == [
        1464.28, 24, 71_860_646, 10.65, 2
    ]  # fmt: skip
    assert all(line.get_color() == INK for line in diamonds)


def test_claims_of_every_size_have_an_axis() -> None:
    claims = [
        marts_support.rerun_row(f"{unit}_{place}", unit=unit, our_value=value, paper_value=None,
                                our_value_low=None, our_value_high=None, sensitivity_low=None)
        for unit, values in {
            "ratio of means": (2.2250738585072014e-308, 0.04),
            # Their size says nothing: they are in the page's table.
            "probability": (2.2250738585072014e-308, 0.04),
            "correlation": (0.01, 0.9),
            "commits": (0.0, 1e-300, 1e9),
            "degree": (0.0, 0.0),
        }.items()
        for place, value in enumerate(values)
    ]  # fmt: skip
    figure = plots.rerun(claims)
    text = text_of(svg_of(figure))
    assert [axes.get_xscale() for axes in figure.axes] == ["log", "linear", "symlog", "linear"]
    assert {"+0.010", "1,000,000,000"} <= set(text)
    assert all(len(axes.get_xticks()) < 40 for axes in figure.axes)


def test_hostile_names_are_text(rows: dict[Any, list[Row]]) -> None:
    claims = [
        {**row, "claim": name, "unit": name, "verdict": name}
        for row, name in zip(rows[marts.RERUN], HOSTILE, strict=False)
    ]
    cells = [
        {**row, "bot_policy": name, "cut": name, "exposure": name}
        for row, name in zip(rows[marts.COMPARISON], HOSTILE, strict=False)
    ]
    for figure in (plots.rerun(claims), plots.forest(cells)):
        text = text_of(svg_of(figure))
        assert any("$\\frac{1}{0}$" in line for line in text)
        assert any("<script>" in line for line in text)
        assert not any("\u202e" in line or "\x00" in line for line in text)
        assert max(len(line) for line in text) < 400


def test_nothing_known_is_said_and_not_a_crash() -> None:
    empty = drawn({table: [] for table in marts_support.TABLES})
    assert set(empty) == set(NAMES)
    for name, figure in empty.items():
        text = " ".join(text_of(svg_of(figure)))
        assert "Nothing is known." in text or "No claim could be measured." in text, name


def test_one_repository_and_constant_curves() -> None:
    one = bins("github", [2**62]) + bins("huggingface", [1])
    for figure in (plots.distributions(one), plots.differences(one), plots.lorenz(one, {})):
        ElementTree.fromstring(svg_of(figure))
    only = [dict(row, age_months=0.0) for row in marts_support.survival_rows()[:1]]
    assert "100 %" in text_of(svg_of(plots.survival(only)))


def test_no_interval_no_band_and_no_whisker(rows: dict[Any, list[Row]]) -> None:
    ends = ("survival_low", "survival_high")
    bare = [dict(row, **dict.fromkeys(ends)) for row in rows[marts.SURVIVAL]]
    ElementTree.fromstring(svg_of(plots.survival(bare)))
    row = {**CELL, "feature": "stars", "cliffs_delta": 0.4}
    stars = plots.forest([row]).axes[2]
    assert all(len(np.asarray(line.get_xdata())) == 1 for line in stars.lines[:1])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.25, "0.25"), (999, "999"), (1000, "1k"), (2_500_000, "2.5M"), (-1500, "−1.5k"),
     (999_999, "1M"), (7e12, "7T"), (3e20, "3e+20"), (0.001, "0.001")],
)  # fmt: skip
def test_count_labels(value: float, text: str) -> None:
    assert count_label(value) == text


def test_share_and_point_labels() -> None:
    assert [share_label(v) for v in (1, 0.1, 0.0001, 0)] == ["100 %", "10 %", "0.01 %", "0 %"]
    assert [points_label(v) for v in (0, 0.5, -0.25, -0.0)] == ["0", "+50", "−25", "0"]
    assert [decade(v) for v in (1, 9.99, 10, 0.1, 0.05)] == [0, 0, 1, -1, -2]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study's marts alone, as the published file has them."""

    path = tmp_path_factory.mktemp("published") / "file.duckdb"
    with database(path) as connection:
        marts_support.make_tables(connection, marts_support.study_rows())
        for table in marts_support.TABLES:
            connection.execute(f"CREATE TABLE main.{table.name.split('.')[1]} AS FROM {table.name}")
    return path


def test_all_pictures_are_written_and_old_ones_go(published: Path, tmp_path: Path) -> None:
    with open_published(published, None, words.REFERENCE) as file:
        drawn = pictures(file)
    svgs = {picture.name: svg_of(picture.figure) for picture in drawn}
    paths = write_pictures(drawn, svgs, tmp_path)
    assert sorted(path.name for path in paths) == sorted(
        f"{name}.{ending}" for name in NAMES for ending in ("svg", "png")
    )
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert (tmp_path / "survival.svg").read_text("utf-8") == svgs["survival"]
    (tmp_path / "notes.txt").write_text("mine")
    write_pictures([], {}, tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "notes.txt"]


def test_a_cell_that_nothing_is_of_has_only_pictures_of_all_cells(published: Path) -> None:
    of_nobody = words.REFERENCE | {"cut": "top_forks_1"}
    with open_published(published, None, of_nobody) as file:
        assert [p.name for p in pictures(file)] == ["effects", "ratios", "rerun", "survival"]


def test_what_is_no_publication_is_refused(published: Path, tmp_path: Path) -> None:
    with pytest.raises(PermanentFailure, match="no published file"):
        render_report(tmp_path / "none.duckdb", tmp_path / "report.html")
    with pytest.raises(PermanentFailure, match="no study 'other'"):
        render_report(published, tmp_path / "report.html", study="other")
