"""Windows: every semantics against every two acts compared, bounds, days, spells, real files."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_support import acts_of, by_day, degrees_of, edges_of, reference_graph, small_acts

from assets.study.networks import windows
from assets.study.networks.acts import DAY, SECOND, Acts, Mode, Window, parse_width, parse_window
from assets.study.networks.windows import spells, windowed_degrees, windowed_edges
from orchestration.failures import PermanentFailure

thorough = settings(deadline=None, database=None, max_examples=300)
HOUR = 3_600 * SECOND
modes: st.SearchStrategy[Mode] = st.sampled_from(["repository", "actor"])
widths = st.sampled_from([None, DAY, DAY * 4 // 3, 2 * DAY, 5 * DAY, 30 * DAY])
short = st.sampled_from([0, 1, HOUR, 8 * HOUR, 9 * HOUR])


@st.composite
def any_window(draw: Any, width: st.SearchStrategy[int | None] = widths) -> Window:
    semantics = draw(st.sampled_from(["pairwise_gap", "trailing", "calendar", "none"]))
    found = draw(width)
    if semantics == "trailing":
        return Window(
            semantics, found, draw(st.none() | st.integers(-20, 70).map((DAY // 3).__mul__))
        )
    if semantics == "calendar":
        if draw(st.booleans()):
            return Window(semantics, None, months=draw(st.sampled_from([1, 3, 12])))
        return Window(semantics, found or None)
    return Window(semantics, found)


# --- equality with the definition


@thorough
@given(acts=small_acts(), mode=modes, window=any_window())
def test_degrees_and_edges_equal_all_pairs_of_acts(acts: Acts, mode: Mode, window: Window) -> None:
    graph = reference_graph(acts, mode, window)
    assert windowed_degrees(acts, mode, window).tolist() == degrees_of(graph)
    i, j = windowed_edges(acts, mode, window)
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == edges_of(graph)


@thorough
@given(acts=small_acts(), mode=modes, window=any_window(short))
def test_windows_of_less_than_a_day(acts: Acts, mode: Mode, window: Window) -> None:
    assert windowed_degrees(acts, mode, window).tolist() == degrees_of(
        reference_graph(acts, mode, window)
    )


@thorough
@given(acts=small_acts(step=5 * HOUR), mode=modes, window=any_window())
def test_a_row_for_a_day_is_exact(acts: Acts, mode: Mode, window: Window) -> None:
    if window.semantics == "trailing" and window.snapshot is None:
        window = Window("trailing", window.width, int(acts.last.max(initial=0)))
    found = windowed_degrees(by_day(acts), mode, window)
    assert found.tolist() == degrees_of(reference_graph(acts, mode, window))


@thorough
@given(acts=small_acts(), mode=modes, width=st.sampled_from([0, HOUR, DAY, 5 * DAY]))
def test_every_way_to_count_degrees_agrees(acts: Acts, mode: Mode, width: int) -> None:
    found = spells(acts, mode, width)
    expected = degrees_of(reference_graph(acts, mode, Window("pairwise_gap", width)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "CHUNK", 3)
        patch.setattr(windows, "FLAGS", 3 * found.node_count)
        assert windows._flagged_degrees(found).tolist() == expected
        assert windows._gathered_degrees(found).tolist() == expected
        keys = windows._distinct(found, 1000)
    ends = np.concatenate(np.divmod(keys, found.node_count))
    assert np.bincount(ends, minlength=found.node_count).tolist() == expected


def test_instants_too_far_apart_for_one_number_are_sorted_too() -> None:
    far = 2**61
    acts = acts_of([(0, 0, 0), (1, 0, far), (0, 1, far), (1, 1, far + 1), (2, 1, 5)])
    found = windowed_degrees(acts, "actor", Window("pairwise_gap", 1))
    assert found.tolist() == [1, 1, 0]


def test_one_long_spell_meets_many_short_ones() -> None:
    acts = acts_of(
        [(0, 0, at) for at in range(0, 100, 4)] + [(1, 0, at) for at in range(0, 100, 9)]
    )
    found = spells(acts, "actor", 5)
    assert found.node.tolist().count(1) > 10 and found.node.tolist().count(0) == 1
    assert windows._gathered_degrees(found).tolist() == [1, 1]
    assert windowed_degrees(acts, "actor", Window("pairwise_gap", 5)).tolist() == [1, 1]


# --- spells and bounds


def test_acts_whose_gaps_are_at_most_the_width_are_one_spell() -> None:
    times = [0, 10, 20, 31, 41]
    acts = acts_of([(0, 0, at) for at in times] + [(0, 1, 3), (1, 0, 40), (1, 0, 43)])
    found = spells(acts, "actor", 10)
    rows = zip(found.hub, found.node, found.first, found.last, found.partners, strict=True)
    assert [tuple(map(int, row)) for row in rows] == [
        (0, 0, 0, 20, 0),
        (0, 0, 31, 41, 1),
        (0, 1, 40, 43, 0),
        (1, 0, 3, 3, 0),
    ]


@pytest.mark.parametrize(
    ("window", "gap", "is_linked"),
    [
        (Window("pairwise_gap", 10), 10, True),
        (Window("pairwise_gap", 10), 11, False),
        (Window("pairwise_gap", 0), 0, True),
        (Window("trailing", 10), 10, True),
        (Window("trailing", 10), 11, False),
        (Window("trailing", 10, snapshot=104), 5, False),
        (Window("trailing", None, snapshot=105), 5, True),
        (Window("calendar", 10), 9, True),
        (Window("calendar", 10), 10, False),
        (Window("none"), 10**15, True),
    ],
)
def test_bounds_belong_to_the_window(window: Window, gap: int, is_linked: bool) -> None:
    # The first of the two opens a calendar period of 10.
    pair = [(0, 0, 100), (1, 0, 100 + gap)]
    # An act elsewhere, so that the window is not as long as all time.
    far = [(0, 1, 10**9)] if window.semantics == "pairwise_gap" else []
    acts = acts_of(pair + far)
    assert windowed_degrees(acts, "actor", window).tolist() == [int(is_linked)] * 2


@pytest.mark.parametrize(
    ("months", "days", "is_linked"),
    [
        (1, ("2024-01-31", "2024-02-01"), False),
        (1, ("2024-02-01", "2024-02-29"), True),
        (3, ("2024-02-01", "2024-03-31"), True),
        (3, ("2024-03-31", "2024-04-01"), False),
        (12, ("2024-01-01", "2024-12-31"), True),
        (12, ("1969-12-31", "1970-01-01"), False),
    ],
)
def test_calendar_months_quarters_and_years(
    months: int, days: tuple[str, str], is_linked: bool
) -> None:
    at = [int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * SECOND for day in days]
    acts = acts_of([(0, 0, at[0]), (1, 0, at[1])])
    found = windowed_degrees(acts, "actor", Window("calendar", None, months=months))
    assert found.tolist() == [int(is_linked)] * 2


# --- what is written and refused


@pytest.mark.parametrize(
    ("text", "width"),
    [("365d", 365 * DAY), ("12h", 12 * HOUR), ("90 min", 90 * 60 * SECOND), ("2W", 14 * DAY),
     ("30s", 30 * SECOND), ("inf", None), ("none", None)],
)  # fmt: skip
def test_widths_are_read(text: str, width: int | None) -> None:
    assert parse_width(text) == width


def test_months_are_of_calendars_only() -> None:
    assert parse_window("2q", "calendar") == Window("calendar", None, months=6)
    assert parse_window("1year", "calendar").months == 12
    assert parse_window("30d", "calendar") == Window("calendar", 30 * DAY)
    for text in ("1y", "3m"):
        with pytest.raises(PermanentFailure, match="no fixed length"):
            parse_window(text, "trailing")


@pytest.mark.parametrize("text", ["", "d", "365", "-1d", "1.5d", "1 fortnight"])
def test_what_is_no_width_is_refused(text: str) -> None:
    with pytest.raises(PermanentFailure, match="no width"):
        parse_width(text)


def test_windows_that_make_no_sense_are_refused() -> None:
    for arguments, text in (
        (("pairwise_gap", DAY, 5), "no snapshot"),
        (("pairwise_gap", None, None, 12), "no fixed length"),
        (("calendar", 0), "no window"),
        (("trailing", -1), "no window"),
        (("sliding", DAY), "no window semantics"),
    ):
        with pytest.raises(PermanentFailure, match=text):
            Window(*arguments)


def test_rows_of_a_day_serve_no_window_of_less() -> None:
    acts = by_day(acts_of([(0, 0, 0), (0, 0, HOUR), (1, 0, 2 * HOUR), (1, 0, 5 * DAY)]))
    for window in (Window("pairwise_gap", HOUR), Window("trailing", HOUR)):
        with pytest.raises(PermanentFailure, match="shorter than a day"):
            windowed_degrees(acts, "actor", window)
    assert windowed_degrees(acts, "actor", Window("pairwise_gap", DAY)).tolist() == [1, 1]


def test_too_many_edges_are_not_listed() -> None:
    acts = acts_of([(actor, 0, actor * DAY) for actor in range(5)])
    for window in (Window("none"), Window("pairwise_gap", 3 * DAY)):
        with pytest.raises(PermanentFailure, match="more than 8 edges"):
            windowed_edges(acts, "actor", window, most=8)
        assert windowed_edges(acts, "actor", window, most=10)[0].size in (9, 10)
