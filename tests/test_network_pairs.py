"""Linked pairs of a frame from those of a sample: unbiased over all samples, with their error."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.study import estimators as e
from assets.study.networks import pairs
from assets.study.networks.acts import DAY, Acts, Window
from assets.study.networks.pairs import linked_sums, links
from assets.study.networks.windows import windowed_degrees, windowed_edges

FRAME, DRAWN = (7, 5, 2), (4, 3, 2)
WINDOWS = [Window("none", None), Window("pairwise_gap", 30 * DAY)]


def random_acts(seed: int, repositories: int, actors: int = 6, count: int = 24) -> Acts:
    rng = np.random.default_rng(seed)
    at = rng.integers(0, 400, count) * DAY
    return Acts(rng.integers(0, actors, count).astype(np.int32),
                rng.integers(0, repositories, count).astype(np.int32), at, at, actors,
                repositories)  # fmt: skip


def acts_of(acts: Acts, units: list[int]) -> Acts:
    """Acts on some repositories, numbered in their order."""
    place = np.full(acts.repository_count, -1)
    place[units] = np.arange(len(units))
    keep = place[acts.repository] >= 0
    return Acts(acts.actor[keep], place[acts.repository[keep]].astype(np.int32), acts.first[keep],
                acts.last[keep], acts.actor_count, len(units))  # fmt: skip


def all_samples() -> Iterator[tuple[e.Sample, list[int]]]:
    begin = np.append(0, np.cumsum(FRAME))
    for chosen in itertools.product(
        *(itertools.combinations(range(first, first + size), n)
          for first, size, n in zip(begin[:-1].tolist(), FRAME, DRAWN, strict=True))
    ):  # fmt: skip
        units = [unit for part in chosen for unit in part]
        yield e.sample_of(np.repeat(np.arange(3), DRAWN), FRAME), units


@pytest.mark.parametrize("window", WINDOWS, ids=lambda one: one.semantics)
@pytest.mark.parametrize("seed", range(4))
def test_linked_pairs_are_unbiased_over_all_samples(window: Window, seed: int) -> None:
    acts = random_acts(seed, sum(FRAME))
    true = windowed_edges(acts, "repository", window)[0].size
    found, variances = [], []
    for sample, units in all_samples():
        told = links(acts_of(acts, units), window, sample)
        found.append(told.total(sample))
        variances.append(told.error(sample, told.slope)[0] ** 2)
    assert true > 2
    assert np.mean(found) == pytest.approx(true, rel=1e-12)
    # Of so few units rather too much than too little.
    assert 0.99 * np.var(found) < np.mean(variances) < 1.8 * np.var(found)


def sparse_world(rng: np.random.Generator, size: int, kind: str) -> Acts:
    """Repositories that few actors join, or that some actors join by the hundred."""
    actors = size // 2
    if kind == "pairs":
        repository = rng.permutation(size)[: 2 * (size // 3)]
        actor = np.repeat(np.arange(size // 3), 2)
    else:
        actor = np.minimum(rng.geometric(0.02, 2 * size), actors) - 1
        repository = rng.integers(0, size, actor.size)
    when = np.zeros(actor.size, np.int64)
    return Acts(actor.astype(np.int32), repository.astype(np.int32), when, when, actors, size)


@pytest.mark.parametrize("kind", ["pairs", "hubs"])
def test_errors_are_as_the_spread_of_many_draws(kind: str) -> None:
    """Of sparse links the pairs' own noise is most of the variance, of dense ones nothing."""
    rng = np.random.default_rng(3)
    frame, drawn = np.array([500, 300, 20]), np.array([100, 90, 20])
    begin = np.append(0, np.cumsum(frame))
    acts = sparse_world(rng, int(begin[-1]), kind)
    window = Window("none", None)
    true = windowed_edges(acts, "repository", window)[0].size
    found, variances = [], []
    for _ in range(300):
        units = [rng.choice(np.arange(first, first + size), n, replace=False)
                 for first, size, n in zip(begin[:-1], frame, drawn, strict=True)]  # fmt: skip
        sample = e.sample_of(np.repeat(np.arange(3), drawn), frame)
        told = links(acts_of(acts, np.concatenate(units).tolist()), window, sample)
        found.append(told.total(sample))
        variances.append(told.error(sample, told.slope)[0] ** 2)
    assert np.mean(found) == pytest.approx(true, abs=4 * np.std(found) / np.sqrt(300))
    assert np.mean(variances) == pytest.approx(np.var(found), rel=0.25)


def test_a_census_counts_pairs_without_error() -> None:
    acts = random_acts(1, sum(FRAME))
    sample = e.sample_of(np.repeat(np.arange(3), FRAME), FRAME)
    for window in WINDOWS:
        told = links(acts, window, sample)
        degrees = windowed_degrees(acts, "repository", window)
        np.testing.assert_allclose(told.count, degrees)
        assert told.total(sample) == degrees.sum() / 2
        assert told.error(sample, told.slope)[0] == 0


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**16), chunk=st.sampled_from([0, 10**7]))
def test_sums_over_links_are_those_of_the_listed_links(seed: int, chunk: int) -> None:
    acts = random_acts(seed, 9)
    amount = np.random.default_rng(seed).random((9, 2)) * 100
    for window in WINDOWS:
        linked = np.zeros((9, 9))
        i, j = windowed_edges(acts, "repository", window)
        linked[i, j] = linked[j, i] = 1
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pairs, "CHUNK", chunk)
            found: Any = linked_sums(acts, window, amount)
        np.testing.assert_allclose(found, linked @ amount, atol=1e-9)
