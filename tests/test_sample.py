"""Samples: allocations, strata, draws against brute force, what stays, and the second phase."""

import math
import os
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from databases import database
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.study import estimators
from assets.study.allocation import ALLOCATIONS, allocate, largest_remainder, least_size
from assets.study.draw import (
    OUT,
    Draw,
    Survey,
    draw,
    draw_by,
    number_sql,
    random_number,
    survey,
    workshop,
)
from assets.study.strata import BREAKS, Strata, is_certain
from orchestration.failures import PermanentFailure, SettingsError
from orchestration.settings import Settings

COUNTS = st.lists(st.integers(0, 400), min_size=1, max_size=12)


# ---------------------------------------------------------------- allocation


@given(COUNTS, st.integers(0, 3000), st.sampled_from(ALLOCATIONS), st.data())
@settings(max_examples=300, deadline=None)
def test_an_allocation_adds_up_and_fits(
    frame: list[int], size: int, allocation: Any, data: st.DataObject
) -> None:
    h = len(frame)
    numbers = st.floats(0, 1e6, allow_subnormal=False)
    deviation = data.draw(st.lists(st.one_of(st.just(math.nan), numbers), min_size=h, max_size=h))
    reference = data.draw(st.lists(st.integers(0, 50), min_size=h, max_size=h))
    whole = data.draw(st.lists(st.booleans(), min_size=h, max_size=h))
    given_ = {"reference": reference, "is_take_all": whole, "least": 2}
    needed = least_size(allocation, frame, **given_)
    if size < needed:
        with pytest.raises(PermanentFailure, match="too small"):
            allocate(allocation, size, frame, deviation=deviation, **given_)
        return
    found = allocate(allocation, size, frame, deviation=deviation, **given_)
    wanted = [N > 0 and (allocation != "matched" or r > 0)
              for N, r in zip(frame, reference, strict=True)]  # fmt: skip
    assert found.sum() == min(size, sum(N for N, is_in in zip(frame, wanted, strict=True) if is_in))
    for n, N, is_in, is_whole in zip(found, frame, wanted, whole, strict=True):
        assert 0 <= n <= N
        assert is_in or n == 0
        assert not is_in or n >= (N if is_whole else min(2, N))


def test_allocations_of_an_example() -> None:
    frame = [1000, 500, 100, 10]
    assert allocate("proportional", 161, frame).tolist() == [99, 50, 10, 2]
    assert allocate("equal", 100, frame).tolist() == [30, 30, 30, 10]
    assert allocate("paper", 100, frame).tolist() == [30, 30, 30, 10]
    # 1000 x 1, 500 x 2, 100 x 50, 10 x 1000: what is full gives its rest to the others.
    deviation = [1.0, 2.0, 50.0, 1000.0]
    assert allocate("neyman", 80, frame, deviation=deviation).tolist() == [10, 10, 50, 10]
    matched = allocate("matched", 100, frame, reference=[60, 0, 30, 10])
    assert matched.tolist() == [60, 0, 30, 10]
    taken = allocate("proportional", 130, frame, is_take_all=[False, False, True, False])
    assert taken.tolist() == [19, 9, 100, 2]
    assert allocate("proportional", 5000, frame).tolist() == frame
    assert allocate("neyman", 30, [10, 20], deviation=[0.0, 0.0]).tolist() == [10, 20]


def test_neyman_has_the_least_variance_of_all_allocations() -> None:
    frame, deviation = np.array([60, 30, 10]), np.array([1.0, 4.0, 9.0])

    def variance(n: Any) -> float:
        return float((frame * (frame - n) / n * deviation**2).sum())

    found = allocate("neyman", 24, frame, deviation=deviation)
    pairs = [(a, b) for a in range(2, 21) for b in range(2, 23 - a) if 2 <= 24 - a - b <= 10]
    best = min(variance(np.array([a, b, 24 - a - b])) for a, b in pairs)
    # Rounding costs at most a little.
    assert variance(found) <= best * 1.01
    assert variance(allocate("proportional", 24, frame)) > 1.2 * best


@given(st.lists(st.floats(0, 100), min_size=1, max_size=9))
@settings(max_examples=200, deadline=None)
def test_the_largest_remainder_keeps_the_quota(shares: list[float]) -> None:
    total = round(sum(shares))
    if not total:
        return
    quotas = np.array(shares) * total / sum(shares)
    found = largest_remainder(total, quotas)
    assert found.sum() == total
    assert (np.abs(found - quotas) < 1 + 1e-6).all()


def test_an_allocation_that_lacks_something_says_so() -> None:
    with pytest.raises(PermanentFailure, match="standard deviation"):
        allocate("neyman", 10, [20])
    with pytest.raises(PermanentFailure, match="reference"):
        allocate("matched", 10, [20])
    with pytest.raises(PermanentFailure, match="no allocation"):
        allocate("best", 10, [20])
    with pytest.raises(PermanentFailure, match="negative"):
        allocate("equal", -1, [20])


# ---------------------------------------------------------------- strata


@given(st.one_of(st.none(), st.integers(-5, 10**7)))
@settings(max_examples=100, deadline=None)
def test_sql_and_python_have_the_same_classes(size: int | None) -> None:
    strata = Strata()
    with database() as connection:
        sql = f"SELECT {strata.sql('$size::BIGINT')}"
        assert connection.execute(sql, {"size": size}).fetchall() == [(strata.of(size),)]


def test_labels_and_quarters() -> None:
    strata = Strata(by_quarter=True, take_all={"pushes": 1000})
    rows = [(0, "2021-07-01", 1), (9, "2016-01-01", 1), (10**6, "2024-12-31", 1),
            (None, "2020-01-01", 1), (3, None, None), (3, "2020-01-01", 1000)]  # fmt: skip
    with database() as connection:
        connection.execute("CREATE TABLE t (size BIGINT, created_at TIMESTAMP, pushes BIGINT)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        numbers = [row[0] for row in connection.execute(f"SELECT {strata.sql()} FROM t").fetchall()]
    assert [strata.label(number) for number in numbers] == [
        "0 2021Q3", "4-9 2016Q1", "10000 or more 2024Q4", "unknown 2020Q1", "2-3 undated",
        "2-3 2020Q1, taken whole",
    ]  # fmt: skip
    plain = Strata()
    assert [plain.label(plain.of(low)) for low in BREAKS[:4]] == ["0", "1", "2-3", "4-9"]
    for wrong in ((), (1, 2), (0, 5, 5)):
        with pytest.raises(PermanentFailure, match="Strata"):
            Strata(wrong)


# ---------------------------------------------------------------- random numbers and draws


def frame_of(
    sizes: Any, *, prefix: str = "github:repository:", reason: Any = None, known: bool = True
) -> pa.Table:
    count = len(sizes)
    return pa.table({
        "unit_key": [f"{prefix}{k}" for k in range(count)],
        "size": pa.array(sizes, pa.int64()),
        "value": pa.array(np.asarray(sizes, float)),
        "reason": pa.array(reason if reason is not None else [None] * count, pa.string()),
        "is_known": [known] * count,
    })  # fmt: skip


SQL = f"SELECT unit_key, {Strata().sql()} AS stratum_number, value, reason, is_known FROM frame"


def drawn_of(
    frame: pa.Table, seed: int, allocation: Any = "proportional", size: int = 200, **more: Any
) -> tuple[Survey, Draw]:
    with workshop() as connection:
        connection.register("frame", frame)
        return draw_by(connection, SQL, seed, lambda found: allocate(
            allocation, size, found.frame_count, deviation=found.deviation, **more
        ))  # fmt: skip


def sizes_of(count: int, seed: int = 1) -> Any:
    return np.floor(np.random.default_rng(seed).pareto(0.9, count)).astype(int)


def keys(made: Draw, but: str = OUT) -> set[str]:
    return {row["unit_key"] for row in made.members.to_pylist() if row["outcome"] != but}


def test_the_random_number_is_the_same_in_python_and_sql_and_is_pinned() -> None:
    texts = ["github:repository:1", "huggingface:model:6f9…ü", "", "a:b"]
    with database() as connection:
        for seed in (0, 2016):
            for text in texts:
                sql = f"SELECT {number_sql(seed, '$text')}"
                found = connection.execute(sql, {"text": text}).fetchall()[0][0]
                assert found == random_number(seed, text)
    # Another formula would draw other samples everywhere.
    assert random_number(2016, "github:repository:1") == 0.6968551227365752


def test_random_numbers_are_uniform_and_independent_of_the_seed() -> None:
    from scipy.stats import kstest, spearmanr

    first = [random_number(1, f"github:repository:{k}") for k in range(4000)]
    second = [random_number(2, f"github:repository:{k}") for k in range(4000)]
    assert kstest(first, "uniform").pvalue > 1e-4
    assert abs(spearmanr(first, second).statistic) < 0.07


@pytest.mark.parametrize("allocation", ["paper", "proportional", "neyman"])
def test_a_draw_is_what_sorting_everything_gives(allocation: Any) -> None:
    rng = np.random.default_rng(3)
    reason = [None if one > 0.3 else "old" for one in rng.random(3000)]
    frame = frame_of(sizes_of(3000), reason=reason)
    found, made = drawn_of(frame, 9, allocation, 400)
    left = dict(zip(found.number.tolist(), made.target_count.tolist(), strict=True))
    strata = Strata()
    units = sorted(
        (strata.of(row["size"]), random_number(9, row["unit_key"]), row["unit_key"], row["reason"])
        for row in frame.to_pylist()
    )
    expected = []
    for stratum, number, key, why in units:
        if left[stratum] > 0:
            expected.append((key, stratum, number, OUT if why else "accepted"))
            left[stratum] -= why is None
    rows = made.members.to_pylist()
    assert [(row["unit_key"], row["stratum_number"], row["random_number"], row["outcome"])
            for row in rows] == expected  # fmt: skip
    assert made.drawn_count.sum() == len(rows)
    for at, number in enumerate(found.number.tolist()):
        mine = [row for row in rows if row["stratum_number"] == number]
        assert [row["place"] for row in mine] == list(range(1, len(mine) + 1))
        assert made.rejected_count[at] == sum(row["outcome"] == OUT for row in mine)


def test_a_bound_that_was_too_low_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = frame_of(sizes_of(2000))
    expected = drawn_of(frame, 4)[1].members
    monkeypatch.setattr("assets.study.draw.MARGIN", -3.0)
    calls = []
    from assets.study import draw as module

    taken = module._taken
    monkeypatch.setattr(module, "_taken", lambda *a: calls.append(1) or taken(*a))
    # A margin below zero grows away from zero: the first bound is too low, and so may others be.
    monkeypatch.setattr(module, "_upper", lambda found, target, margin: np.minimum(
        1.0, target / np.maximum(found.open_count, 1) * (0.5 if len(calls) < 1 else 3.0)
    ))  # fmt: skip
    assert drawn_of(frame, 4)[1].members.equals(expected)
    assert len(calls) == 2


def test_the_order_of_the_frame_and_the_threads_do_not_matter() -> None:
    frame = frame_of(sizes_of(1500))
    shuffled = frame.take(np.random.default_rng(1).permutation(1500))
    (one, first), (two, second) = drawn_of(frame, 5), drawn_of(shuffled, 5)
    assert first.members.equals(second.members)
    assert one.digest == two.digest
    digests = {one.digest}
    for column, value in (("reason", "old"), ("reason", "gone"), ("value", 0.5), ("size", 99),
                          ("unit_key", "new"), ("is_known", False)):  # fmt: skip
        at = frame.column_names.index(column)
        values = pa.array([value, *frame[column].to_pylist()[1:]], frame[column].type)
        digests.add(drawn_of(frame.set_column(at, column, values), 5)[0].digest)
    assert len(digests) == 7
    assert not drawn_of(frame, 6)[1].members.equals(first.members)


def test_units_without_a_key_are_refused_and_an_empty_frame_is_drawn_empty() -> None:
    frame = frame_of([1, 2, 3])
    broken = frame.set_column(0, "unit_key", pa.array(["a", None, "c"]))
    with pytest.raises(PermanentFailure, match="no key"):
        drawn_of(broken, 1, size=3)
    found, made = drawn_of(frame_of([]), 1, size=5)
    assert found.number.size == made.members.num_rows == 0
    assert made.sample().count == 0


def test_belief_counts_as_in_and_is_told_apart() -> None:
    made = drawn_of(frame_of(sizes_of(500), known=False), 1, size=60)[1]
    assert set(made.members["outcome"].to_pylist()) == {"believed"}
    assert made.believed_count.sum() == 60
    assert made.sample().weight.sum() == pytest.approx(500)


# ---------------------------------------------------------------- what stays


def test_what_a_larger_frame_keeps() -> None:
    """A tenth more units: all of a sample that grows likewise, ten of eleven of one that does not.

    Frames whose new units come with new sizes, as repositories do.
    """
    sizes = sizes_of(11_000)
    old, new = frame_of(sizes[:10_000]), frame_of(sizes)
    before = keys(drawn_of(old, 2, size=1000)[1])
    same_size = keys(drawn_of(new, 2, size=1000)[1])
    same_rate = keys(drawn_of(new, 2, size=1100)[1])
    assert len(before & same_size) / 1000 == pytest.approx(10 / 11, abs=0.03)
    assert len(before & same_rate) / 1000 > 0.97
    # Another draw would share one in ten.
    assert len(before & keys(drawn_of(new, 3, size=1000)[1])) < 200


def test_a_larger_sample_of_the_same_frame_holds_the_smaller_one() -> None:
    frame = frame_of(sizes_of(5000))
    small, large = (keys(drawn_of(frame, 2, "equal", size)[1]) for size in (200, 900))
    assert small < large


def test_at_a_fixed_rate_all_stay_who_are_still_in_the_stratum() -> None:
    sizes = sizes_of(11_000)
    with workshop() as connection:
        connection.register("frame", frame_of(sizes[:10_000]))
        found = survey(connection, SQL)
        target = allocate("proportional", 1000, found.frame_count)
        first = draw(connection, SQL, 2, found, target, {})
        rates = dict(zip(found.number.tolist(), first.rate.tolist(), strict=True))
        moved = sizes.copy()
        moved[:50] += 3
        connection.register("frame", frame_of(moved))
        later = survey(connection, SQL)
        second = draw(connection, SQL, 2, later, allocate("proportional", 1000, later.frame_count),
                      rates)  # fmt: skip
    assert 900 < len(keys(first)) < 1100
    stay = {f"github:repository:{k}" for k in range(50, 10_000)}
    assert keys(first) & stay <= keys(second)
    assert len(keys(second)) > len(keys(first))
    # Weights go by what was drawn, so that they stand for the frame whatever the rate gave.
    assert second.sample().weight.sum() == pytest.approx(11_000, rel=0.002)
    assert not second.is_quota.any()


# ---------------------------------------------------------------- the second phase


def test_rejected_units_are_replaced_along_the_numbers() -> None:
    frame = frame_of(sizes_of(4000))
    first = drawn_of(frame, 8, "equal", 300)[1]
    # The API shows the truth of who was drawn: a third is out.
    drawn = sorted(keys(first))
    out = set(drawn[::3])
    reason = ["created_before_start" if f"github:repository:{k}" in out else None
              for k in range(4000)]  # fmt: skip
    second = drawn_of(frame_of(sizes_of(4000), reason=reason), 8, "equal", 300)[1]
    assert keys(first) - out <= keys(second)
    assert (second.drawn_count - second.rejected_count >= np.minimum(
        second.target_count, second.frame_count - second.rejected_count)).all()  # fmt: skip
    assert {row["unit_key"] for row in second.members.to_pylist() if row["outcome"] == OUT} == out
    assert (second.frame_count == first.frame_count).all()


def test_estimates_after_rejection_are_unbiased_in_simulation() -> None:
    """The truth is asked of the drawn alone; N, the mean and the total of those in come out."""
    rng = np.random.default_rng(11)
    sizes = sizes_of(3000)
    y = rng.lognormal(np.log1p(sizes) / 3)
    # Who is out depends on the size, and those out have other values.
    inside = rng.random(3000) > np.where(sizes > 3, 0.7, 0.5)
    y = np.where(inside, y, 40.0)
    reason = np.where(inside, None, "created_before_start")
    found: list[tuple[float, ...]] = []
    with workshop() as connection:
        connection.register("frame", frame_of(sizes, reason=reason))
        counted = survey(connection, SQL)
        # Few of each: the more does the quota bias weights that take no notice of it.
        target = allocate("equal", 66, counted.frame_count)
        for seed in range(250):
            made = draw(connection, SQL, seed, counted, target)
            at = [int(key.split(":")[2]) for key in made.members["unit_key"].to_pylist()]
            sample = made.sample()
            naive = (made.frame_count / made.target_count)[
                np.searchsorted(made.number, made.members["stratum_number"].to_numpy())
            ] * sample.is_in
            total = estimators.total(sample, y[at])
            found.append((sample.weight.sum(), total.value, estimators.mean(sample, y[at]).value,
                          float(naive @ y[at]) / naive.sum(), naive.sum(),
                          total.standard_error))  # fmt: skip
    values = np.array(found)
    noise = values.std(axis=0) / math.sqrt(len(values))
    truths = inside.sum(), y[inside].sum(), y[inside].mean()
    for at, truth in enumerate(truths):
        assert abs(values[:, at].mean() - truth) < 4 * noise[at], at
    # Weights that forget who was rejected say something else.
    assert abs(values[:, 3].mean() - truths[2]) > 4 * noise[3]
    assert abs(values[:, 4].mean() - truths[0]) > 4 * max(noise[4], 1.0)
    # And the standard error is that of the draws.
    assert math.sqrt((values[:, 5] ** 2).mean()) == pytest.approx(values[:, 1].std(), rel=0.2)


def test_strata_taken_whole_are_certain() -> None:
    frame = frame_of(sizes_of(3000))
    strata = Strata(take_all={"size": 50})
    sql = SQL.replace(Strata().sql(), strata.sql())
    with workshop() as connection:
        connection.register("frame", frame)
        found, made = draw_by(connection, sql, 1, lambda s: allocate(
            "proportional", 300, s.frame_count, is_take_all=is_certain(s.number)
        ))  # fmt: skip
    large = sum(size >= 50 for size in frame["size"].to_pylist())
    whole = is_certain(found.number)
    assert whole.any() and made.drawn_count[whole].sum() == large > 0
    assert (made.drawn_count == made.frame_count)[whole].all()
    assert made.sample().weight[:large].tolist() == [1.0] * large
    assert made.drawn_count.sum() == 300


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("text", "name", "told"),
    [
        ("breaks = [1, 2]", "study.sample.breaks", "begins with 0"),
        ("breaks = [0, 5, 5]", "study.sample.breaks", "ascend"),
        ("brek = [0]", "study.sample.brek", "Did you mean breaks"),
        ("take_all = {stars = 1}", "study.sample.take_all", "stars is none of"),
        ("take_all = {push_flow_count = 0}", "study.sample.take_all", "no whole number from 1"),
        ("take_all = {push_flow_count = true}", "study.sample.take_all", "no whole number from 1"),
        ("take_all = 'all'", "study.sample.take_all", 'give "auto", or columns'),
        ("take_all = 5", "study.sample.take_all", 'give "auto", or columns'),
        ("designs = ['best']", "study.sample.designs.0", "'neyman'"),
        ("designs = ['paper', 'paper']", "study.sample.designs", "once"),
        ("designs = []", "study.sample.designs", "at least 1"),
        ("least = 1", "study.sample.least", "greater than or equal to 2"),
        ("top_n = [0]", "study.sample.top_n", "at least one"),
    ],
)
def test_wrong_settings_are_told_by_name(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, text: str, name: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in [one for one in os.environ if one.upper().startswith("OSMOSCOPE_")]:
        monkeypatch.delenv(variable)
    (tmp_path / "osmoscope.toml").write_text(f"[study.sample]\n{text}\n")
    with pytest.raises(SettingsError) as error:
        Settings.load()
    assert name in str(error.value)
    assert told in str(error.value)


def test_settings_of_the_sample_come_from_variables_too(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in [one for one in os.environ if one.upper().startswith("OSMOSCOPE_")]:
        monkeypatch.delenv(variable)
    assert Settings.load().study.sample.frame_start == date(2016, 1, 1)
    assert Settings.load().study.sample.take_all == "auto"
    for text, told in (("{}", {}), ('"auto"', "auto")):
        monkeypatch.setenv("OSMOSCOPE_STUDY__SAMPLE__TAKE_ALL", text)
        assert Settings.load().study.sample.take_all == told
    monkeypatch.setenv("OSMOSCOPE_STUDY__SAMPLE__SIZE", "77")
    monkeypatch.setenv("OSMOSCOPE_STUDY__SAMPLE__TAKE_ALL", '{"push_flow_count": 500}')
    found = Settings.load().study.sample
    assert (found.size, found.take_all) == (77, {"push_flow_count": 500})
    monkeypatch.setenv("OSMOSCOPE_STUDY__SAMPLE__SIZES", "77")
    with pytest.raises(SettingsError, match="SIZES is no setting"):
        Settings.load()
