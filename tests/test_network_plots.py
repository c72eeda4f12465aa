"""Networks on the page: exact points, deterministic bytes, hostile names, and rows that lack."""

import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import marts_support
import network_marts_support as support
import numpy as np
import pytest
from databases import database
from hypothesis import given, settings
from hypothesis import strategies as st
from marts_support import Row
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch

from assets.publish import network_pictures, network_plots, network_words, words
from assets.publish.parts.networks import networks
from assets.publish.pictures import write_pictures
from assets.publish.plots_style import BLUE, PAPER, SOFT, VERMILLION, Picture, styled, svg_of
from assets.publish.published import Published, open_published
from assets.study import marts
from assets.study.features import PLATFORM_NAMES
from assets.study.networks import tables

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    "$\\frac{1}{0}$",
    "<script>x</script>",
    "a\u202eb\x00c",
    "]]>&amp;",
    "W" * 5000,
    "\ud800",
)
ONE = support.network("github", "actor", "commit")


def drawn(rows: dict[Any, list[Row]]) -> dict[str, Figure]:
    """Every picture of the same rows."""
    found = rows[tables.COMMUNITY]
    return {
        "network_degrees": network_plots.degrees(rows[tables.DEGREE]),
        "network_sensitivity": network_plots.sensitivity(
            rows[tables.SENSITIVITY], "average_degree"
        ),
        "network_null_models": network_plots.null_models(
            [row for row in rows[tables.MEASURE] if row["family"] == "headline"]
        ),
        "network_blocks": network_plots.blocks(rows[tables.BLOCK], found),
        **{
            f"network_communities_{platform}": network_plots.communities(
                rows[tables.LAYOUT], found, platform
            )
            for platform in PLATFORM_NAMES
        },
    }


def text_of(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


@pytest.fixture(scope="module")
def rows() -> dict[Any, list[Row]]:
    return support.study_rows()


@pytest.fixture(scope="module")
def figures(rows: dict[Any, list[Row]]) -> dict[str, Figure]:
    return drawn(rows)


@pytest.fixture(scope="module")
def svgs(figures: dict[str, Figure]) -> dict[str, str]:
    return {name: svg_of(figure) for name, figure in figures.items()}


def published_at(path: Path, rows: dict[Any, list[Row]]) -> Path:
    """A published file with marts of networks, and nothing else but its study."""
    claim = marts_support.rerun_row(
        "developer_network_commits_github_maximum_degree", paper_value=1914.0, unit="degree"
    )
    comparison = {"study": marts_support.STUDY, "day": marts_support.DAY}
    others = {
        marts.COMPARISON: [dict.fromkeys(marts.COMPARISON.column_names) | comparison],
        marts.RERUN: [claim],
    }
    support.write_published(path, {**others, **rows})
    return path


@pytest.fixture(scope="module")
def file(rows: dict[Any, list[Row]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published_at(tmp_path_factory.mktemp("published") / "file.duckdb", rows)


def opened(path: Path) -> Any:
    return open_published(path, None, words.REFERENCE)


def pictures_of(path: Path) -> list[Picture]:
    with opened(path) as published:
        return list(network_pictures.network_pictures(published))


def test_there_is_a_picture_of_every_name_and_the_same_rows_give_the_same_bytes(
    svgs: dict[str, str], file: Path
) -> None:
    found = pictures_of(file)
    assert sorted(svgs) == sorted(network_pictures.NAMES)
    assert sorted(picture.name for picture in found) == sorted(network_pictures.NAMES)
    assert {picture.name: svg_of(picture.figure) for picture in found} == svgs
    assert all(picture.alt and picture.caption for picture in found)


def test_text_is_text_of_at_least_six_points(svgs: dict[str, str]) -> None:
    for name, svg in svgs.items():
        sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg)]
        assert len(sizes) > 10, name
        assert min(sizes) >= 6, name


def test_nothing_is_cut_off(figures: dict[str, Figure], svgs: dict[str, str]) -> None:
    for name in svgs:
        figure = figures[name]
        inside = figure.bbox.padded(2)
        with styled():
            renderer = FigureCanvasAgg(figure).get_renderer()
            for axes in figure.axes:
                texts = [*axes.texts, axes.title, axes._left_title]
                for text in texts:
                    box = text.get_window_extent(renderer)
                    assert inside.x0 <= box.x0 and box.x1 <= inside.x1, (name, text)
                    assert inside.y0 <= box.y0 and box.y1 <= inside.y1, (name, text)


@settings(deadline=None, database=None, max_examples=60)
@given(st.lists(st.integers(0, 200), min_size=1, max_size=60))
def test_a_line_is_the_share_with_at_least_so_many(values: list[int]) -> None:
    axes = Figure().subplots()
    network_plots._degrees(axes, support.degree_rows(ONE, values), "github")
    lines = [line for line in axes.lines if line.get_marker() != "o"]
    assert bool(lines) == any(values)
    for line in lines:
        assert line.get_drawstyle() == "steps-pre"
        for degree, share in zip(*map(list, line.get_data()), strict=True):
            assert math.isclose(share, np.mean([v >= max(degree, 1) for v in values]))
        isolated = words.share(1 - float(np.mean([v > 0 for v in values])))
        assert line.get_label() == f"GitHub: {isolated} without any, most {max(values)}"


def test_networks_of_nobody_linked_say_so() -> None:
    figure = network_plots.degrees(support.degree_rows(ONE, [0, 0]))
    text = text_of(svg_of(figure))
    assert text.count("No two are linked.") == 1
    assert text.count("Nothing is known.") == 5


def test_of_many_degrees_those_that_can_be_told_apart_are_drawn(tmp_path: Path) -> None:
    degrees = np.arange(90_001)
    own = {tables.DEGREE: support.degree_rows(ONE, degrees.tolist())}
    with opened(published_at(tmp_path / "file.duckdb", own)) as published:
        rows = network_pictures._thinned_degrees(published)
    kept = [row["degree"] for row in rows]
    assert {0, 1, 2, 3, 90_000} <= set(kept)
    assert kept == sorted(set(kept))
    assert len(kept) < 6 * network_pictures.PER_DECADE
    for row in rows:
        assert math.isclose(row["share_at_least"], np.mean(degrees >= row["degree"]))
    ratios = [b / a for a, b in pairwise(kept[100:])]
    assert max(ratios) < 10 ** (2.1 / network_pictures.PER_DECADE)


@settings(deadline=None, database=None, max_examples=60)
@given(st.data())
def test_links_are_those_of_the_rows(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    numbers = data.draw(st.permutations(range(100, 100 + count)))
    pair = st.tuples(*[st.integers(100, 99 + count)] * 2)
    pairs = data.draw(st.sets(pair, max_size=30))
    rows = [
        {"node": number, "linked_to": ",".join(str(b) for a, b in sorted(pairs) if a == number)}
        for number in numbers
    ]
    found = {(rows[a]["node"], rows[b]["node"]) for a, b in network_plots.links_of(rows).tolist()}
    assert found == pairs


def test_a_link_to_a_node_that_is_not_drawn_is_left_out() -> None:
    rows = [{"node": 3, "linked_to": "1,7"}, {"node": 7, "linked_to": ""}]
    assert network_plots.links_of(rows).tolist() == [[0, 1]]
    assert network_plots.links_of(rows[1:]).tolist() == []


def test_no_more_links_than_there_is_room_for() -> None:
    layout = support.layout_rows(ONE, [150, 120, 3], ["a", "b", None])
    assert len(network_plots.links_of(layout)) > 2 * network_plots.MOST_LINKS
    figure = network_plots.communities(layout, [], "github")
    paths = [one.get_path() for one in figure.axes[0].patches if isinstance(one, PathPatch)]
    drawn_links = sum(len(path.vertices) // 2 for path in paths)
    assert network_plots.MOST_LINKS / 2 <= drawn_links <= network_plots.MOST_LINKS
    assert network_pictures._drawn_links(layout) == " of more than 2,400, an even part is drawn."
    assert network_pictures._drawn_links(layout[:20]) == " all are drawn."


def test_organisations_have_colours_and_markers_others_are_grey_and_unknown_hollow() -> None:
    many = [f"org-{at}" for at in range(9)]
    layout = support.layout_rows(ONE, [20 - at for at in range(9)], many)
    figure = network_plots.communities(layout, [], "github")
    legend = figure.legends[0]
    names = [text.get_text() for text in legend.get_texts()]
    assert names == [*many[:7], "another organisation", "none known"]
    handles = [handle for handle in legend.legend_handles if handle is not None]
    looks = {(h.get_marker(), h.get_markerfacecolor()) for h in handles}
    assert len(looks) == len(names)
    assert len({marker for marker, _ in looks}) == 7
    count = dict.fromkeys(names, 0)
    look_of = dict(zip(handles, names, strict=True))
    for line in figure.axes[0].lines:
        for handle, name in look_of.items():
            same = (line.get_marker(), line.get_markerfacecolor())
            if same == (handle.get_marker(), handle.get_markerfacecolor()):
                count[name] += len(np.asarray(line.get_xdata()))
    told = [row["organisation_name"] for row in layout]
    assert count["org-0"] == told.count("org-0") == 10
    assert count["another organisation"] == told.count("org-7") + told.count("org-8")
    assert count["none known"] == told.count(None)


def test_communities_are_named_where_there_is_room(svgs: dict[str, str]) -> None:
    text = text_of(svgs["network_communities_huggingface"])
    assert "Hugging Face Hub: developers, commits · 3 of 3 communities" in text
    assert {"0 · first-org 25 %", "1 · second-org 25 %", "first-org", "none known"} <= set(text)
    assert "2" in text or "2 · none known" in text


def test_both_types_together_are_shown_where_they_are_alone() -> None:
    told = support.network("github", "actor", "both")
    layout = support.layout_rows(told, [3, 2], ["a", None])
    assert network_plots.shown_types(layout) == ("both",)
    assert network_plots.shown_types([]) == ("commit", "discussion")
    text = text_of(svg_of(network_plots.communities(layout, [], "github")))
    assert "GitHub: developers, both together · 2 of 2 communities" in text


def test_a_matrix_has_both_halves_and_the_scale_of_all() -> None:
    blocks = support.block_rows(ONE, 4)
    figure = network_plots.blocks(blocks, support.community_rows(ONE, [9, 8, 7, 2], ["a"] * 4))
    squares = [
        tuple(np.rint(corner).astype(int).tolist())
        for patch in figure.axes[0].patches
        if isinstance(patch, PathPatch)
        for corner in np.asarray(patch.get_path().vertices).reshape(-1, 5, 2)[:, :4].mean(axis=1)
    ]
    pairs = {(row["first_community"], row["second_community"]) for row in blocks}
    assert sorted(squares) == sorted(pairs | {(b, a) for a, b in pairs})
    text = text_of(svg_of(figure))
    assert {"0 · a 25 % of 9", "3 · a 25 % of 2"} <= set(text)
    assert text.count("No communities were found or sought.") == 3


def test_denser_is_darker() -> None:
    figure = network_plots.blocks(support.block_rows(ONE, 5), [])
    shades = [patch.get_facecolor() for patch in figure.axes[0].patches]
    light = [sum(shade[:3]) for shade in shades]
    assert light == sorted(light, reverse=True)
    assert len(light) == 4


def test_ranges_are_drawn_and_told() -> None:
    figure = network_plots.sensitivity(support.sensitivity_rows(ONE), "average_degree")
    axes = figure.axes[0]
    marks = [
        (line.get_color(), float(np.asarray(line.get_xdata())[0]))
        for line in axes.lines
        if line.get_marker() == "o"
    ]
    assert marks == [(VERMILLION, 0.5)] * 4
    text = text_of(svg_of(figure))
    assert "2 (aggressive) to 4 (everybody)" in text
    assert "2 (last 365 days) to 4 (no window)" in text
    assert "2 (top 1,000) to 4 (top 10,000)" in text
    assert text.count("not measurable") == 4


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"low_value": 4.0}, "no difference"),
        ({"low_value": 3.9999}, "hardly any difference"),
        ({"low_value": None}, "not measurable"),
        ({"cell_count": 1}, "nothing to compare with"),
        ({"high_value": 12345.678}, "2 (aggressive) to 12,346 (everybody)"),
        ({"figure": "connected_rate", "low_value": 0.25, "high_value": 0.5},
         "25 % (aggressive) to 50 % (everybody)"),
    ],
)  # fmt: skip
def test_what_a_range_says(changed: Row, told: str) -> None:
    row = {**support.sensitivity_rows(ONE)[4], **changed}
    assert network_words.range_told(row) == told


@pytest.mark.parametrize("end", [0.0, 1e300])
def test_what_would_leave_the_axis_stays_at_its_end(end: float) -> None:
    rows = [
        {**row, "low_value": min(end, 4.0), "high_value": max(end, 4.0)}
        for row in support.sensitivity_rows(ONE)
    ]
    figure = network_plots.sensitivity(rows, "average_degree")
    low, high = figure.axes[0].get_xlim()
    assert 1 / 2000 < low < 1 < high < 2000
    ElementTree.fromstring(svg_of(figure))


def test_scores_within_what_chance_gives_are_hollow() -> None:
    scores = {"connected_rate": 1.9, "average_degree": -2.1, "maximum_degree": 5000.0}
    rows = [
        support.measure_row(ONE, "headline", name, 1.0, z_score=score)
        for name, score in scores.items()
    ]
    rows.append(support.measure_row(ONE, "headline", "average_degree_connected", 1.0))
    figure = network_plots.null_models(rows)
    looks = [
        [(line.get_color(), to_hex(line.get_markerfacecolor()))
         for line in axes.lines if line.get_marker() == "o"]
        for axes in figure.axes
    ]  # fmt: skip
    assert looks == [[(SOFT, PAPER)], [(VERMILLION, VERMILLION)], [], [(BLUE, BLUE)]]
    low, high = figure.axes[3].get_xlim()
    assert low < -5000 < 5000 < high
    assert {"+1.9", "\N{MINUS SIGN}2.1", words.UNKNOWN, "+5,000"} <= set(text_of(svg_of(figure)))


def test_hostile_names_are_text() -> None:
    rows = support.study_rows(HOSTILE, [20 - at for at in range(len(HOSTILE))])
    for table in (tables.SENSITIVITY, tables.MEASURE):
        for at, row in enumerate(rows[table]):
            row["reason"] = row["low_at"] = row["high_at"] = HOSTILE[at % len(HOSTILE)]
    found = drawn(rows)
    for name in ("network_blocks", "network_communities_github", "network_sensitivity"):
        text = text_of(svg_of(found[name]))
        assert any("<script>" in line for line in text), name
        assert any("$\\frac" in line for line in text), name
        assert not any("\u202e" in line or "\x00" in line for line in text)
        assert max(len(line) for line in text) < 100


def test_nothing_known_is_said_and_not_a_crash(tmp_path: Path) -> None:
    empty: dict[Any, list[Row]] = {table: [] for table in tables.ALL_TABLES}
    for name, figure in drawn(empty).items():
        text = " ".join(text_of(svg_of(figure)))
        assert "Nothing is known." in text or "No communities" in text, name
    assert pictures_of(published_at(tmp_path / "empty.duckdb", empty)) == []
    # An older copy has none of the marts.
    assert pictures_of(published_at(tmp_path / "older.duckdb", {})) == []


def test_pictures_of_an_earlier_day_go(tmp_path: Path) -> None:
    for name in network_pictures.NAMES:
        (tmp_path / f"{name}.png").write_bytes(b"old")
    write_pictures([], {}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def part(path: Path, has_paper: bool = True) -> Row:
    with opened(path) as published:
        assert isinstance(published, Published)
        return networks(published, has_paper)


def test_the_table_has_all_networks_in_the_papers_order(file: Path) -> None:
    lines = part(file)["lines"]
    assert [(line["label"], line["kind"]) for line in lines[:3]] == [
        ("Repositories, commits", "github"),
        ("Repositories, commits", "huggingface"),
        ("Repositories, issues", "github"),
    ]
    assert len(lines) == 12
    told = [value["value"] for value in lines[0]["values"]]
    assert told == ["80 %", "4", "5", "12"]


def test_the_papers_value_stands_beside_the_figure_it_is_of(file: Path) -> None:
    def papers(has_paper: bool) -> list[tuple[str, str, str, str]]:
        return [
            (line["label"], line["kind"], value["name"], value["paper"])
            for line in part(file, has_paper)["lines"]
            for value in line["values"]
            if value["paper"]
        ]

    assert papers(True) == [("Developers, commits", "github", "Most links", "1,914")]
    assert papers(False) == []


def test_what_is_not_measurable_has_its_reason_and_no_figure(tmp_path: Path) -> None:
    row = support.summary_row(
        ONE, is_reference=True, status="not_measurable", reason="nobody acted"
    )
    found = part(published_at(tmp_path / "file.duckdb", {tables.SUMMARY: [row]}))
    (line,) = found["lines"]
    assert line["reason"] == "nobody acted"
    assert line["edge_count"] is None
    assert {value["value"] for value in line["values"]} == {words.UNKNOWN}
    assert found["limits"] == ["nobody acted"]


def test_empty_marts_make_an_empty_part(tmp_path: Path) -> None:
    empty: dict[Any, list[Row]] = {table: [] for table in tables.ALL_TABLES}
    for own in ({}, empty):
        found = part(published_at(tmp_path / "file.duckdb", own))
        assert not any(found[name] for name in ("lines", "scores", "agreements", "communities"))
        (tmp_path / "file.duckdb").unlink()


def test_a_network_too_large_for_communities_says_why(tmp_path: Path) -> None:
    row = support.measure_row(ONE, "community", "communities", None, reason="too many links")
    found = part(published_at(tmp_path / "file.duckdb", {tables.MEASURE: [row]}))
    assert [(line["count"], line["reason"]) for line in found["agreements"]] == [
        (None, "too many links")
    ]


def test_communities_stand_beside_organisations_dealt_at_random(
    rows: dict[Any, list[Row]], tmp_path: Path
) -> None:
    claim = marts_support.rerun_row("communities_commits", paper_value=0.498, unit="share")
    path = published_at(tmp_path / "file.duckdb", {**rows, marts.RERUN: [claim]})
    found = part(path)["agreements"]
    assert [line["count"] for line in found] == [3] * 6
    assert [line["paper"] for line in found] == [None, "49.8 %", *[None] * 4]
    told = {"name": "", "value": "25 %", "mean": "12.5 %", "score": "+4.2"}
    assert all(line["organised"] == told for line in found)


def test_the_cell_is_told_in_words() -> None:
    row = support.summary_row(ONE)
    assert network_words.cell_told(row) == (
        "the top 10,000 repositories by stars or likes, bots left out (paper’s rule),"
        " the platform’s staff included"
    )
    assert network_words.link_told(row) == "whenever that was"
    for semantics, told in (
        ("pairwise_gap", "at most 90 days apart"),
        ("trailing", "both within the last 90 days of the data"),
        ("calendar", "both within the same 90 days"),
    ):
        row = support.summary_row(ONE, semantics=semantics, time_window="90d")
        assert network_words.link_told(row) == told


def test_a_file_that_is_no_publication_stays_refused(tmp_path: Path) -> None:
    with database(tmp_path / "other.duckdb"):
        pass
    with pytest.raises(Exception, match="not a publication"):
        pictures_of(tmp_path / "other.duckdb")
