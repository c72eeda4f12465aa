"""Validated projections: tails against brute force and scipy, families, planted pairs found, and
no more false ones than stated."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from network_support import acts_of, small_memberships
from numpy.typing import NDArray

from assets.study.networks.acts import Acts, Mode
from assets.study.networks.backbone import (
    Backbone,
    HubSizes,
    Method,
    Tail,
    adjust,
    backbone,
    chances,
    exact_tails,
    poisson_tails,
)
from assets.study.networks.bicm import Bicm, fit
from assets.study.networks.incidence import Incidence, incidence, incidence_of
from assets.study.statistics.multiplicity import holm
from orchestration.failures import PermanentFailure

thorough = settings(deadline=None, database=None, max_examples=120)
modes: st.SearchStrategy[Mode] = st.sampled_from(["repository", "actor"])
methods: st.SearchStrategy[Method] = st.sampled_from(["bh", "holm"])
Floats = NDArray[np.float64]


def network(table: Any) -> Incidence:
    node, hub = np.nonzero(table)
    return incidence_of(node, hub, *np.shape(table))


def tails(trials: list[float]) -> Floats:
    """Probability of so many successes or more, by number, trial by trial."""
    counts = np.ones(1)
    for chance in trials:
        counts = np.append(counts * (1 - chance), 0) + np.append(0, counts * chance)
    return np.cumsum(counts[::-1])[::-1]


def pairs_of(found: Backbone) -> set[tuple[int, int]]:
    return set(zip(found.i.tolist(), found.j.tolist(), strict=True))


# --- tails


@thorough
@given(acts=small_memberships(60), mode=modes)
def test_p_is_the_tail_of_the_hubs_shared(acts: Acts, mode: Mode) -> None:
    memberships = incidence(acts, mode)
    model = fit(memberships)
    chance = model.probability[model.node_class][:, model.hub_class]
    table = memberships.scipy().toarray()
    found = backbone(memberships, 1.0, tail="exact", model=model)
    expected = {
        (one, other): int(table[one] @ table[other])
        for one, other in combinations(range(memberships.node_count), 2)
        if table[one] @ table[other]
    }
    columns = (found.i.tolist(), found.j.tolist(), found.shared.tolist())
    assert {(i, j): shared for i, j, shared in zip(*columns, strict=True)} == expected
    assert (found.tested, found.tail) == (len(expected), "exact")
    for i, j, shared, p in zip(*columns, found.p.tolist(), strict=True):
        assert p == pytest.approx(tails((chance[i] * chance[j]).tolist())[shared], rel=1e-9)


def world(nodes: int, hubs: int, seed: int) -> tuple[Bicm, Floats]:
    """A model of unequal degrees, and its probabilities by node and hub."""
    random = np.random.default_rng(seed)
    chance = np.outer(random.random(nodes) ** 2, random.random(hubs) ** 2)
    model = fit(network(random.random((nodes, hubs)) < chance))
    return model, model.probability[model.node_class][:, model.hub_class]


def test_tails_equal_scipys_and_keep_their_digits() -> None:
    from scipy.stats import poisson_binom

    model, chance = world(30, 200, 1)
    least = 0.0
    for one, other in [(0, 1), (2, 3), (4, 5)]:
        trials = chance[one] * chance[other]
        kinds = model.node_class[[one] * 30], model.node_class[[other] * 30]
        shared = np.arange(1, 31)
        found = exact_tails(chances(model, "expected"), *kinds, shared)
        assert found == pytest.approx(poisson_binom.sf(shared - 1, trials), abs=1e-12)
        expected = tails(trials.tolist())[shared]
        assert found == pytest.approx(expected, rel=1e-9, abs=0)
        least = found.min()
    assert 0 < least < 1e-12


@thorough
@given(acts=small_memberships(60), mode=modes)
def test_poisson_tails_are_bounds_where_it_matters(acts: Acts, mode: Mode) -> None:
    model = fit(incidence(acts, mode))
    count = model.nodes.size
    first, second, shared = (
        one.ravel() for one in np.meshgrid(range(count), range(count), range(1, 8))
    )
    exact = exact_tails(chances(model, "expected"), first, second, shared)
    poisson = poisson_tails(chances(model, "expected"), first, second, shared)
    assert ((poisson >= exact * (1 - 1e-9)) | (poisson > 0.25)).all()


def test_poisson_tails_are_close_where_memberships_are_rare() -> None:
    random = np.random.default_rng(2)
    model = fit(network(random.random((40, 1_000)) < 0.01))
    kinds = model.node_class[:20], model.node_class[20:]
    for most in (1, 2, 4):
        shared = np.full(20, most)
        ratio = poisson_tails(chances(model, "expected"), *kinds, shared) / exact_tails(
            chances(model, "expected"), *kinds, shared
        )
        assert (ratio > 1).all() and (ratio < (1.5 if most == 1 else 1.05)).all()


# --- chances


def drawn_together(odds: Floats, size: int) -> Floats:
    """(nodes, nodes) probability to be both among independent members, given their number."""
    ways = sums_of_products(odds, size)[size]
    found = np.zeros((odds.size, odds.size))
    for one, other in combinations(range(odds.size), 2):
        rest = sums_of_products(np.delete(odds, [one, other]), size)[size - 2]
        found[one, other] = found[other, one] = odds[one] * odds[other] * rest / ways
    return found


def sums_of_products(odds: Floats, most: int) -> Floats:
    sums = np.zeros(most + 1)
    sums[0] = 1
    for one in odds:
        sums[1:] = sums[1:] + one * sums[:-1]
    return sums


@pytest.mark.parametrize("hub_sizes", ["expected", "exact"])
def test_exact_sizes_are_those_of_draws_without_return(hub_sizes: HubSizes) -> None:
    model, chance = world(25, 40, 3)
    told = chances(model, hub_sizes)
    nodes = np.arange(25)
    first, second = (one.ravel() for one in np.meshgrid(nodes, nodes))
    found = told.of(model.node_class[first], model.node_class[second])[:, model.hub_class]
    sizes = np.round(chance.sum(axis=0)).astype(int)
    ratios = []
    for hub, size in enumerate(sizes.tolist()):
        p, together = chance[:, hub], found[:, hub]
        if size < 2:
            assert hub_sizes == "expected" or not together.any()
            continue
        truth = drawn_together(p / (1 - p), size).ravel()
        ratios += (together / np.where(truth, truth, 1))[truth > 0].tolist()
    assert len(set(sizes.tolist())) > 3
    if hub_sizes == "exact":
        assert min(ratios) > 0.8 and max(ratios) < 1.25
    else:
        assert np.mean(ratios) > 1.25 and np.allclose(found, chance[first] * chance[second])


@thorough
@given(acts=small_memberships(60), mode=modes, hub_sizes=st.sampled_from(["expected", "exact"]))
def test_chances_are_probabilities_with_the_mean_told(
    acts: Acts, mode: Mode, hub_sizes: HubSizes
) -> None:
    told = chances(fit(incidence(acts, mode)), hub_sizes)
    kinds = np.arange(told.member.shape[0])
    first, second = (one.ravel() for one in np.meshgrid(kinds, kinds))
    found = told.of(first, second)
    assert found.min(initial=0) >= 0 and found.max(initial=1) <= 1 + 1e-12
    assert (found @ told.hubs) == pytest.approx(told.mean()[first, second], abs=1e-9)


# --- families


@thorough
@given(p=st.lists(st.floats(0, 1), max_size=12), untested=st.integers(0, 20), method=methods)
def test_untested_pairs_count_in_the_family_with_p_of_1(
    p: list[float], untested: int, method: Method
) -> None:
    from scipy.stats import false_discovery_control

    family = [*p, *[1.0] * untested]
    assume(family)
    expected = holm(family) if method == "holm" else false_discovery_control(family)
    found = adjust(np.array(p), len(family), method)
    assert found == pytest.approx(list(expected)[: len(p)], abs=1e-12)


@thorough
@given(acts=small_memberships(60), mode=modes, method=methods, level=st.sampled_from([0.1, 0.9]))
def test_pairs_kept_are_those_below_the_level(
    acts: Acts, mode: Mode, method: Method, level: float
) -> None:
    memberships = incidence(acts, mode)
    everything = backbone(memberships, 1.0, method)
    found = backbone(memberships, level, method)
    nodes = memberships.node_count
    assert (found.family, found.level) == (nodes * (nodes - 1) // 2, level)
    expected = everything.adjusted <= level
    assert found.p.tolist() == everything.p[expected].tolist()
    assert pairs_of(found) == set(
        zip(everything.i[expected].tolist(), everything.j[expected].tolist(), strict=True)
    )


# --- worlds whose truth is known


def planted(seed: int, is_planted: bool) -> tuple[Incidence, set[tuple[int, int]]]:
    """Thirty nodes of unequal sizes on 3,000 hubs; five pairs share 20 hubs on top."""
    random = np.random.default_rng(seed)
    chance = np.outer(random.uniform(0.5, 2, 30), random.uniform(0.2, 2, 3_000)) / 40
    table = random.random((30, 3_000)) < chance
    pairs = [(2 * place, 2 * place + 1) for place in range(5)] if is_planted else []
    for one, other in pairs:
        both = random.choice(3_000, 20, replace=False)
        table[one, both] = table[other, both] = True
    return network(table), set(pairs)


@pytest.mark.parametrize("method", ["bh", "holm"])
@pytest.mark.parametrize(("hub_sizes", "least"), [("expected", 20), ("exact", 46)])
def test_planted_pairs_are_found(method: Method, hub_sizes: HubSizes, least: int) -> None:
    """Of 50; with expected sizes half of what hubs of two members share is taken for chance."""
    found_true = found_false = 0
    for seed in range(10):
        memberships, truth = planted(seed, True)
        kept = pairs_of(backbone(memberships, 0.05, method, hub_sizes=hub_sizes))
        found_true += len(kept & truth)
        found_false += len(kept - truth)
    assert found_true >= least
    # A twentieth of the discoveries may be false, and some more by luck.
    assert found_false <= 0.15 * (found_true + found_false)


@pytest.mark.parametrize("tail", ["exact", "poisson"])
@pytest.mark.parametrize("hub_sizes", ["expected", "exact"])
def test_worlds_without_pairs_seldom_have_a_false_one(tail: Tail, hub_sizes: HubSizes) -> None:
    """Where nothing is true, the false discovery rate is the share of worlds with a discovery."""
    small = pairs = wrong = 0
    worlds, level = 60, 0.1
    for seed in range(worlds):
        memberships = planted(seed, False)[0]
        everything = backbone(memberships, 1.0, tail=tail, hub_sizes=hub_sizes)
        wrong += bool((everything.adjusted <= level).any())
        small += int((everything.p <= 0.05).sum())
        pairs += everything.family
    # Of 60 with a chance of a tenth: 12 or more has a probability of 0.01.
    assert wrong < 12
    assert small <= 0.05 * pairs
    if hub_sizes == "exact":
        # Whole counts keep p from reaching its level, but not by orders of magnitude.
        assert small >= 0.01 * pairs


def test_dense_shares_of_large_nodes_are_no_finding() -> None:
    """Two nodes on most hubs share many; two small ones that share the same few are found."""
    table = np.zeros((40, 200), bool)
    table[0, :150] = table[1, 50:] = True
    table[2, :8] = table[3, :8] = True
    random = np.random.default_rng(1)
    table[4:] = random.random((36, 200)) < 0.05
    kept = pairs_of(backbone(network(table)))
    assert (2, 3) in kept and (0, 1) not in kept


def test_auto_is_exact_where_it_is_quick_and_a_bound_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memberships = planted(1, True)[0]
    assert backbone(memberships).tail == "exact"
    monkeypatch.setattr("assets.study.networks.backbone.MOST_WORK", 10)
    assert backbone(memberships).tail == "poisson"


def test_refusals_say_what_to_do() -> None:
    memberships = incidence(acts_of([(0, 0, 0), (0, 1, 0)]), "repository")
    with pytest.raises(PermanentFailure, match="bh, holm"):
        backbone(memberships, method="fdr")
    with pytest.raises(PermanentFailure, match="most_projection_gb"):
        backbone(memberships, most_bytes=1)


def test_a_network_without_pairs_has_no_backbone() -> None:
    for table in (np.zeros((0, 0)), np.zeros((3, 0)), np.eye(3)):
        found = backbone(network(table))
        assert (found.i.size, found.tested, found.tail) == (0, 0, "exact")
