"""What is taken whole: cut-offs from the frame itself, against brute force over every unit."""

import math
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from databases import database
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.study.allocation import allocate
from assets.study.certainty import (
    HOLDING,
    NEVER,
    STEPS,
    CutOffs,
    Profile,
    aligned,
    cut_offs,
    planned,
    profile,
)
from assets.study.draw import Draw, draw, survey, workshop
from assets.study.strata import Strata, class_of, is_certain

Floats = np.ndarray[Any, np.dtype[np.float64]]
NAMES = ("commits", "it's odd")
FRAME = f"""
    SELECT unit_key, {Strata().sql("size")} AS stratum_number, commits AS value,
        NULL::VARCHAR AS reason, true AS is_known, commits, "it's odd" FROM frame
"""
numbers = st.one_of(
    st.none(), st.integers(-5, 10**7).map(float), st.floats(-1e9, 1e9), st.just(math.inf)
)


def frame_of(size: Any, commits: Any, odd: Any = None) -> pa.Table:
    count = len(size)
    odd = np.ones(count) if odd is None else odd
    return pa.table({
        "unit_key": [f"github:repository:{k}" for k in range(count)],
        "size": pa.array(size, pa.int64()), NAMES[0]: pa.array(commits, pa.float64()),
        NAMES[1]: pa.array(odd, pa.float64()),
    })  # fmt: skip


def profiled(frame: pa.Table, names: tuple[str, ...] = NAMES) -> Profile:
    with database() as connection:
        connection.register("frame", frame)
        return profile(connection, FRAME, names, "commits")


def step_of(value: float | None) -> int | None:
    if value is None or not math.isfinite(value) or value == 0:
        return None
    return math.floor(STEPS * math.log10(abs(value)))


def heavy(count: int, seed: int = 1) -> tuple[Floats, Floats]:
    """Stars, and commits whose tail the stars hardly tell."""
    rng = np.random.default_rng(seed)
    stars = np.floor(rng.pareto(0.9, count))
    return stars, np.floor(np.exp(rng.normal(3, 2.5, count)) * (1 + stars) ** 0.2)


# ---------------------------------------------------------------- the profile


@given(st.lists(st.tuples(st.integers(0, 40), numbers, numbers), min_size=1, max_size=40))
@settings(deadline=None, database=None, max_examples=60)
def test_a_profile_is_a_sum_over_units(rows: list[tuple[int, float | None, float | None]]) -> None:
    found = profiled(frame_of(*zip(*rows, strict=True)))
    strata = [Strata().of(size) for size, _, _ in rows]
    assert found.number.tolist() == sorted(set(strata))
    assert found.frame_count.tolist() == [strata.count(number) for number in sorted(set(strata))]
    for feature in range(2):
        for at, number in enumerate(found.number.tolist()):
            values = [row[1 + feature] for row, of in zip(rows, strata, strict=True)
                      if of == number and row[1 + feature] is not None]  # fmt: skip
            assert found.count[feature, at].sum() == len(values)
            finite = [one for one in values if math.isfinite(one)]
            if len(finite) == len(values):
                assert found.total[feature, at].sum() == pytest.approx(sum(finite), abs=1e-3)
            for step in {step_of(one) for one in finite} - {None}:
                here = sum(step_of(one) == step for one in finite)
                assert found.count[feature, at, step - found.lowest] == here


@given(st.lists(st.tuples(st.integers(0, 9), numbers, numbers), min_size=1, max_size=30),
       st.integers(-3, 40), st.integers(-3, 40))  # fmt: skip
@settings(deadline=None, database=None, max_examples=60)
def test_a_cut_off_moves_exactly_the_units_on_or_above_its_step(
    rows: list[tuple[int, float | None, float | None]], first: int, second: int
) -> None:
    strata = [Strata().of(size) for size, _, _ in rows]
    # The last stratum has no cut-off, the others two.
    numbers_ = sorted(set(strata))
    steps = np.array([[first] * len(numbers_), [second] * len(numbers_)])
    steps[:, -1] = NEVER
    cut = CutOffs(NAMES, np.array(numbers_), steps, 0.4)
    with database() as connection:
        connection.register("frame", frame_of(*zip(*rows, strict=True)))
        found = dict(connection.sql(
            f"SELECT unit_key, stratum_number FROM ({cut.apply(FRAME)})"
        ).fetchall())  # fmt: skip
    assert len(found) == len(rows)
    for k, ((_, commits, odd), stratum) in enumerate(zip(rows, strata, strict=True)):
        reached = [(step_of(commits), first), (step_of(odd), second)]
        is_large = stratum != numbers_[-1] and any(
            step is not None and step >= from_ for step, from_ in reached
        )
        number = found[f"github:repository:{k}"]
        assert class_of(number) == stratum and (number < 0) == is_large


# ---------------------------------------------------------------- the cut-offs


@pytest.mark.parametrize("allocation", ["proportional", "neyman", "equal", "paper"])
@pytest.mark.parametrize("size", [900, 1500])
def test_nobody_left_to_chance_carries_more_than_the_bound(allocation: Any, size: int) -> None:
    """By every unit: its weighted distance from its stratum's mean, in standard errors."""
    stars, commits = heavy(6000)
    found = profiled(frame_of(stars.astype(int), commits), NAMES[:1])
    cut = cut_offs(found, size, planned(allocation, 10, found.frame_count, None))
    assert cut.is_holding and cut.tail_bound in HOLDING
    stratum = np.array([Strata().of(int(one)) for one in stars])
    at = np.searchsorted(cut.number, stratum)
    step = np.array([-NEVER if one == 0 else step_of(one) for one in commits])
    whole = step >= cut.steps[0][at]
    assert 0 < whole.sum() <= size / 2
    rest = np.bincount(at[~whole], minlength=cut.number.size)
    values = [commits[~whole & (at == h)] for h in range(cut.number.size)]
    spread = np.array([one.std() if one.size > 1 else np.nan for one in values])
    left = size - int(whole.sum())
    weight = rest / np.maximum(allocate(allocation, left, rest, deviation=spread, least=10), 1)
    variance = sum(n * (w - 1) * one.var() for n, w, one in zip(rest, weight, values, strict=True)
                   if one.size and w > 1)  # fmt: skip
    carried = [w * (one.max() - one.mean()) / math.sqrt(variance)
               for w, one in zip(weight, values, strict=True) if one.size and w > 1]  # fmt: skip
    assert max(carried) <= cut.tail_bound * (1 + 1e-9)
    # And not far more is taken whole than that asks for: the lowest step that is, is needed.
    assert max(carried) > cut.tail_bound / 10 ** (3 / STEPS)


def test_light_tails_leave_all_to_chance() -> None:
    rng = np.random.default_rng(2)
    found = profiled(frame_of(rng.integers(0, 300, 4000), rng.integers(0, 50, 4000)))
    cut = cut_offs(found, 1000, planned("proportional", 5, found.frame_count, None))
    assert (cut.steps == NEVER).all() and cut.tail_bound == HOLDING[0]
    assert cut.apply(FRAME) == FRAME


@pytest.mark.parametrize("size", [1, 40, 90, 200, 900, 6000, 10**6])
def test_what_is_taken_whole_is_at_most_half(size: int) -> None:
    stars, commits = heavy(6000)
    found = profiled(frame_of(stars.astype(int), commits))
    cut = cut_offs(found, size, planned("proportional", 10, found.frame_count, None))
    taken = int(found.above(cut.steps).sum())
    assert taken <= size / 2
    assert cut.is_holding == (size >= 900), cut.tail_bound
    # A sample that is too small for its strata has none, and a census needs none.
    assert (taken == 0) == (size in (1, 40, 90, 6000, 10**6)), taken


def test_smaller_samples_bear_less() -> None:
    stars, commits = heavy(6000)
    found = profiled(frame_of(stars.astype(int), commits))
    bounds = [
        cut_offs(found, size, planned("equal", 5, found.frame_count, None)).tail_bound
        for size in (120, 200, 400, 900)
    ]
    assert bounds == sorted(bounds, reverse=True) and bounds[0] > bounds[-1] == HOLDING[0]


def test_a_frame_that_grows_a_little_keeps_nearly_all_of_its_sample() -> None:
    stars, commits = heavy(11_000)
    kept: list[set[str]] = []
    for count in (10_000, 10_100):
        with workshop() as connection:
            connection.register("frame", frame_of(stars[:count].astype(int), commits[:count]))
            found = profile(connection, FRAME, NAMES, "commits")
            plan = planned("proportional", 10, found.frame_count, None)
            made = drawn(connection, cut_offs(found, 1500, plan).apply(FRAME), 1500)
        kept.append(set(made.members["unit_key"].to_pylist()))
    assert len(kept[0] & kept[1]) / len(kept[0]) > 0.93


def drawn(connection: duckdb.DuckDBPyConnection, sql: str, size: int) -> Draw:
    seen = survey(connection, sql)
    target = allocate("proportional", size, seen.frame_count, least=10,
                      is_take_all=is_certain(seen.number))  # fmt: skip
    return draw(connection, sql, 5, seen, target)


def test_plain_is_what_the_random_numbers_alone_would_have_drawn() -> None:
    stars, commits = heavy(5000)
    with workshop() as connection:
        connection.register("frame", frame_of(stars.astype(int), commits))
        found = profile(connection, FRAME, NAMES, "commits")
        cut = cut_offs(found, 800, planned("proportional", 10, found.frame_count, None))
        made = drawn(connection, cut.apply(FRAME), 800)
        plain = set(made.members.filter(pa.array(made.is_plain))["unit_key"].to_pylist())
        ends = {int(number): 1.0 for number in made.number}
        for row in made.members.to_pylist():
            number = row["stratum_number"]
            whole = (made.drawn_count == made.frame_count)[made.number == number][0]
            if number >= 0 and not whole:
                ends[number] = row["random_number"]
        from assets.study.draw import number_sql

        everyone = connection.sql(
            f"SELECT unit_key, stratum_number, {number_sql(5)} FROM ({FRAME})"
        ).fetchall()
    expected = {key for key, number, place in everyone if place <= ends.get(number, 1.0)}
    assert plain == expected and plain < set(made.members["unit_key"].to_pylist())


def test_a_counterpart_is_shared_by_what_is_taken_whole() -> None:
    number = np.array([-1001, -1, 0, 1000, 2000])
    found = aligned(number, np.array([5, 10, 90, 15, 7]), {0: 50, 1000: 8})
    assert found is not None
    assert found.tolist() == [2.0, 5.0, 45.0, 6.0, 0.0]
    assert aligned(number, number, None) is None
