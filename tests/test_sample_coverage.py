"""Intervals of 95 % hold the twin's true values in 95 % of repeated draws, as it is by default.

The draws are the study's own: DuckDB, permanent random numbers, what is taken whole found from the
frame, a seventh of the repositories rejected when drawn. Larger worlds, more methods and what does
not hold: `python -m bench.sampling --only coverage`, docs/sampling.md.
"""

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binom

from assets.study import estimators
from assets.study.allocation import Allocation, allocate
from assets.study.certainty import cut_offs, planned, profile
from assets.study.draw import Draw, draw, survey, workshop
from assets.study.statistics.descriptives import describe
from assets.study.strata import Strata, is_certain
from twin.world import YEAR_2016, build_world

# Draws of each design; all are judged together, and each by itself.
DESIGNS: tuple[Allocation, ...] = ("paper", "proportional", "neyman")
EACH = 170
DRAWS = EACH * len(DESIGNS)
SIZE, LEAST = 900, 30
# 93 to 97 % is what the study promises; beyond that what 500 draws of a true 95 % give once in a
# hundred thousand: a wrong factor in a variance is far outside of it.
LOW, HIGH = 0.93 - 0.01, 0.97 + 0.01
# Of 170 draws of a true 93 % fewer are held once in ten thousand; without what is taken whole,
# means of commits are held in 65 to 75 %.
LOW_EACH = 0.855
Floats = np.ndarray[Any, np.dtype[np.float64]]
Key = tuple[str, str]


def population() -> tuple[dict[str, Floats], Any, list[str]]:
    """Features with heavy tails, who belongs, keys."""
    r = build_world("demo", 5, date(2025, 10, 6)).repositories
    features = {
        "commits": r.commit_stock.astype(float),
        "discussions": r.issue_stock.astype(float),
        "stars": r.star_stock.astype(float),
    }
    keys = [f"github:repository:{one}" for one in r.id.tolist()]
    return features, r.created_at >= YEAR_2016, keys


def draws_of(features: dict[str, Floats], inside: Any, keys: list[str], design: Allocation) -> Any:
    """The draws of a design, as `osmoscope sample draw` and the study make them."""
    with workshop() as connection:
        connection.register("frame", pa.table({
            "unit_key": keys, **features,
            "reason": pa.array(np.where(inside, None, "created_before_start"), pa.string()),
        }))  # fmt: skip
        sql = (f"SELECT unit_key, {Strata().sql('stars')} AS stratum_number, commits AS value,"
               f" reason, true AS is_known, {', '.join(features)} FROM frame")  # fmt: skip
        seen = profile(connection, sql, list(features), "commits")
        cut = cut_offs(seen, SIZE, planned(design, LEAST, seen.frame_count, None))
        assert cut.is_holding
        # Its rows are the same in every draw.
        connection.execute(f"CREATE TABLE cut AS {cut.apply(sql)}")
        sql = "SELECT * FROM cut"
        found = survey(connection, sql)
        whole = is_certain(found.number)
        target = allocate(design, SIZE, found.frame_count, deviation=found.deviation, least=LEAST,
                          is_take_all=whole)  # fmt: skip
        assert 0 < found.frame_count[whole].sum() < SIZE / 2 and target.sum() == SIZE
        for seed in range(EACH):
            yield draw(connection, sql, seed, found, target)


@pytest.fixture(scope="module")
def held() -> dict[str, dict[Key, tuple[float, float, float]]]:
    """By design and figure: how often held, mean error over spread, bias in standard errors."""
    features, inside, keys = population()
    place = {key: at for at, key in enumerate(keys)}
    truth: dict[Key, float] = {}
    for name, values in features.items():
        y = values[inside]
        truth |= {(name, "mean"): y.mean(), (name, "total"): y.sum(),
                  (name, "log mean"): np.log1p(y).mean(), (name, "median"): np.median(y),
                  (name, "mid-median"): describe(y).mid_median or 0.0,
                  (name, "share"): (y > 20).mean(), (name, "zeros"): (y == 0).mean()}  # fmt: skip
    told: dict[str, dict[Key, tuple[float, float, float]]] = {}
    for design in DESIGNS:
        found: dict[Key, list[tuple[float, ...]]] = {}
        for made in draws_of(features, inside, keys, design):
            for key, one in estimates(made, features, place):
                found.setdefault(key, []).append(
                    (one.low <= truth[key] <= one.high, one.value, one.standard_error)
                )
        told[design] = {key: summed(np.array(rows), truth[key]) for key, rows in found.items()}
    return told


def summed(rows: Floats, truth: float) -> tuple[float, float, float]:
    spread = float(rows[:, 1].std())
    if spread == 0:
        return float(rows[:, 0].mean()), 1.0, 0.0
    ratio = float(np.sqrt((rows[:, 2] ** 2).mean()) / spread)
    bias = float((rows[:, 1].mean() - truth) / (spread / np.sqrt(EACH)))
    return float(rows[:, 0].mean()), ratio, bias


def test_the_band_would_show_a_wrong_estimator() -> None:
    """A standard error that is a sixth too small or a fifth too large is outside of the band."""
    assert binom.cdf(int(LOW * DRAWS), DRAWS, 0.95) < 0.003
    assert binom.sf(int(HIGH * DRAWS), DRAWS, 0.95) < 0.003
    assert binom.cdf(int(LOW_EACH * EACH), EACH, 0.93) < 1e-3
    assert binom.sf(int(LOW_EACH * EACH), EACH, 0.75) < 1e-3
    from scipy.stats import norm

    for factor in (0.83, 1.25):
        covered = 2 * norm.cdf(1.96 * factor) - 1
        within = binom.cdf(HIGH * DRAWS, DRAWS, covered) - binom.cdf(LOW * DRAWS, DRAWS, covered)
        assert within < 0.2


def estimates(made: Draw, features: dict[str, Floats], place: dict[str, int]) -> Any:
    sample = made.sample()
    at = [place[key] for key in made.members["unit_key"].to_pylist()]
    for name, values in features.items():
        y = values[at]
        yield (name, "mean"), estimators.mean(sample, y, "log")
        yield (name, "total"), estimators.total(sample, y, "log")
        yield (name, "log mean"), estimators.mean(sample, np.log1p(y))
        yield (name, "median"), estimators.quantile(sample, y)
        yield (name, "mid-median"), estimators.mid_median(sample, y)
        yield (name, "share"), estimators.share(sample, y > 20)
        yield (name, "zeros"), estimators.share(sample, y == 0)


FEATURES = ("commits", "discussions", "stars")
FIGURES = [(name, statistic) for name in FEATURES
           for statistic in ("mean", "total", "log mean", "mid-median", "share", "zeros")
           # Too few commits are none for a share of zeros.
           if (name, statistic) != ("commits", "zeros")]  # fmt: skip


@pytest.mark.parametrize("key", FIGURES, ids="-".join)
def test_intervals_hold_as_often_as_stated(held: Any, key: Key) -> None:
    rates = [held[design][key][0] for design in DESIGNS]
    assert LOW <= np.mean(rates) <= HIGH, rates
    assert min(rates) >= LOW_EACH, rates


@pytest.mark.parametrize("key", FIGURES, ids="-".join)
def test_standard_errors_are_the_spread_of_the_draws(held: Any, key: Key) -> None:
    ratios = [held[design][key][1] for design in DESIGNS]
    assert 0.85 < np.mean(ratios) < 1.15, ratios


@pytest.mark.parametrize("key", FIGURES, ids="-".join)
def test_estimates_are_unbiased(held: Any, key: Key) -> None:
    biases = [held[design][key][2] for design in DESIGNS]
    assert max(map(abs, biases)) < 4.5, biases


def test_medians_hold_at_least_as_often_as_stated(held: Any) -> None:
    """Of whole numbers with many ties more often."""
    for name in FEATURES:
        assert np.mean([held[design][name, "median"][0] for design in DESIGNS]) >= LOW, name
