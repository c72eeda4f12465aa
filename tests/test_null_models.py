"""Rewired networks: every one of them equally likely, degrees and times kept; z-scores; the model
with expected degrees against enumeration of all networks."""

import csv
import gzip
from collections import Counter
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from network_support import acts_of, small_acts, small_memberships
from numpy.typing import NDArray

from assets.study.networks.acts import DAY, Acts, Mode, Semantics, Window
from assets.study.networks.bicm import Bicm, expected, fit
from assets.study.networks.incidence import Incidence, incidence, incidence_of
from assets.study.networks.measure import measure
from assets.study.networks.null_models import (
    HEADLINE,
    ZScore,
    rewire,
    rewire_acts,
    z_score,
    z_scores,
)
from orchestration.failures import PermanentFailure

thorough = settings(deadline=None, database=None, max_examples=200)
few = settings(deadline=None, database=None, max_examples=40)
modes: st.SearchStrategy[Mode] = st.sampled_from(["repository", "actor"])
Table = NDArray[np.int64]
REAL = (
    Path(__file__).resolve().parents[2]
    / "shared/data/network/human_activities_2022-11_2023-01.csv.gz"
)


def network(table: Any) -> Incidence:
    node, hub = np.nonzero(table)
    return incidence_of(node, hub, *np.shape(table))


def table_of(memberships: Incidence) -> Table:
    return memberships.scipy().toarray().astype(np.int64)


def tables_like(table: Table) -> list[bytes]:
    """All tables of zeros and ones with the same sums of rows and columns."""
    width = table.shape[1]
    choices = [list(combinations(range(width), size)) for size in table.sum(axis=1).tolist()]
    found = []
    for rows in product(*choices):
        one = np.array([[column in row for column in range(width)] for row in rows], np.int64)
        if (one.sum(axis=0) == table.sum(axis=0)).all():
            found.append(one.tobytes())
    return found


# --- rewiring


@thorough
@given(acts=small_memberships(), mode=modes, seed=st.integers(0, 99))
def test_rewiring_keeps_every_degree_and_repeats(acts: Acts, mode: Mode, seed: int) -> None:
    before = incidence(acts, mode)
    after = rewire(before, seed, 8)
    assert (after.start == before.start).all() and after.hub_count == before.hub_count
    assert (after.flipped().start == before.flipped().start).all()
    assert table_of(after).max(initial=0) <= 1
    again = rewire(before, seed, 8)
    assert again.hub.tobytes() == after.hub.tobytes()


@pytest.mark.parametrize(
    "rows",
    [
        # Sizes that differ; an odd number of rows; a row and a column without any.
        ["11101", "10000", "01100", "10010"],
        ["1100", "0110", "0000", "1010"],
        ["100", "010", "001"],
        ["111100", "110000", "100000", "000010", "000000"],
    ],
)
def test_every_network_with_the_same_degrees_is_equally_likely(rows: list[str]) -> None:
    from scipy.stats import chisquare

    table = np.array([[int(sign) for sign in row] for row in rows])
    possible = tables_like(table)
    before = network(table)
    draws = 1_500
    seen = Counter(table_of(rewire(before, (7, seed), 12)).tobytes() for seed in range(draws))
    assert set(seen) <= set(possible) and len(possible) > 5
    assert chisquare([seen[one] for one in possible]).pvalue > 1e-4


def test_rewiring_forgets_where_sizes_differ_by_orders_of_magnitude() -> None:
    """From two starts with the same degrees, as far apart as can be, the same figures."""
    random = np.random.default_rng(3)
    table = random.random((60, 400)) < np.outer(
        1 / np.arange(1, 61), np.minimum(1, 8 / np.arange(1, 401) ** 0.7)
    )
    assorted = network(table)
    # Rows take their hubs from the largest on: those of the same degrees most alike.
    nested = network(most_alike(table))
    shares = [
        [len(set(keys(rewire(start, seed))) & set(keys(start))) for seed in range(6)]
        for start in (assorted, nested)
    ]
    squares = [
        [shared_squares(rewire(start, (1, seed))) for seed in range(30)]
        for start in (assorted, nested)
    ]
    means, deviation = np.mean(squares, axis=1), float(np.std(squares, axis=1).mean())
    assert abs(means[0] - means[1]) < 5 * deviation * (2 / 30) ** 0.5
    assert abs(shared_squares(nested) - means[0]) > 10 * deviation
    assert np.max(shares) < 0.75 * assorted.hub.size


def keys(memberships: Incidence) -> list[int]:
    node = memberships.node_of_membership().astype(np.int64)
    return (node * memberships.hub_count + memberships.hub).tolist()


def shared_squares(memberships: Incidence) -> float:
    table = table_of(memberships)
    return float(((table @ table.T) ** 2).sum())


def most_alike(table: Any) -> Table:
    """Rows from the largest on take the columns that have most left."""
    left = table.sum(axis=0)
    made = np.zeros(table.shape, np.int64)
    for row in np.argsort(-table.sum(axis=1), kind="stable"):
        taken = np.argsort(-left, kind="stable")[: table[row].sum()]
        made[row, taken] = 1
        left[taken] -= 1
    assert (left == 0).all()
    return made


def histories(acts: Acts) -> dict[int, list[tuple[tuple[int, int], ...]]]:
    """Of each actor, its times on one repository after another, whichever it is."""
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    columns = (acts.actor, acts.repository, acts.first, acts.last)
    for actor, repository, first, last in zip(*(one.tolist() for one in columns), strict=True):
        found.setdefault((actor, repository), []).append((first, last))
    by_actor: dict[int, list[tuple[tuple[int, int], ...]]] = {}
    for (actor, _), times in found.items():
        by_actor.setdefault(actor, []).append(tuple(times))
    return {actor: sorted(times) for actor, times in by_actor.items()}


@thorough
@given(acts=small_acts(), seed=st.integers(0, 99))
def test_actors_keep_their_acts_and_times_on_other_repositories(acts: Acts, seed: int) -> None:
    after = rewire_acts(acts, seed, 8)
    assert histories(after) == histories(acts)
    sizes = [incidence(one, "repository").sizes.tolist() for one in (acts, after)]
    assert sizes[0] == sizes[1]
    assert (after.actor == acts.actor).all() and (after.first == acts.first).all()
    assert rewire_acts(acts, seed, 8).repository.tobytes() == after.repository.tobytes()


def test_what_an_actor_did_on_a_repository_is_dealt_evenly_to_its_new_ones() -> None:
    # One actor on all three repositories, at three times: 6 ways to deal them.
    acts = acts_of([(0, 0, 0), (0, 1, 1), (0, 2, 2), (0, 2, 3)])
    seen = Counter(tuple(rewire_acts(acts, seed, 2).repository.tolist()) for seed in range(1_200))
    assert len(seen) == 6 and all(one[2] == one[3] for one in seen)
    assert all(abs(count - 200) < 60 for count in seen.values())


# --- z-scores


def test_z_score_is_of_means_deviations_and_ranks() -> None:
    found = z_score("edges", 7, [1, 2, 3, 4, 5, 6, 8, 9, 10])
    values = np.array([1, 2, 3, 4, 5, 6, 8, 9, 10])
    deviation = values.std(ddof=1)
    assert found == ZScore(
        "edges", 7, values.mean(), deviation, (7 - values.mean()) / deviation, 2 * 4 / 10, 9
    )
    assert z_score("edges", 0, values.tolist()).p == pytest.approx(2 / 10)
    assert z_score("edges", 11, values.tolist()).p == pytest.approx(2 / 10)
    assert z_score("edges", 5.0, [5, 5, 4, 6]).p == 1


@pytest.mark.parametrize(
    ("observed", "drawn", "reason", "p"),
    [
        (0.1, [0.1, 0.1, 0.1], "same value", 1.0),
        (0.2, [0.1, 0.1, 0.1], "same value", 0.5),
        (None, [1, 2], "observed network", None),
        (1, [1, None], "every rewired network", None),
        (1, [float("nan"), 1], "every rewired network", None),
    ],
)
def test_without_a_deviation_there_is_a_reason_and_no_z(
    observed: Any, drawn: Any, reason: str, p: float | None
) -> None:
    found = z_score("edges", observed, drawn)
    assert found.z is None and reason in str(found.reason) and found.p == p
    assert found.deviation in (None, 0.0) or observed is None


@few
@given(
    acts=small_acts(most=25),
    mode=modes,
    semantics=st.sampled_from(["pairwise_gap", "trailing", "calendar", "none"]),
)
def test_z_scores_are_of_all_headline_figures_in_every_window(
    acts: Acts, mode: Mode, semantics: Semantics
) -> None:
    window = Window(semantics, 5 * DAY)
    more = {"memberships": lambda found: float(found.hub.size), "none": lambda _: None}
    found = z_scores(acts, mode, window, 3, 1, more, rounds=6)
    assert [one.figure for one in found] == [*HEADLINE, "memberships", "none"]
    observed = measure(acts, mode, window)
    assert [one.observed for one in found[:5]] == [getattr(observed, name) for name in HEADLINE]
    assert found == z_scores(acts, mode, window, 3, 1, more, observed, rounds=6)
    if semantics != "calendar":
        memberships = found[5]
        assert memberships.deviation == 0 and memberships.mean == memberships.observed


@few
@given(acts=small_acts(most=25), mode=modes)
def test_a_trailing_window_is_rewired_with_the_degrees_it_has(acts: Acts, mode: Mode) -> None:
    window = Window("trailing", 5 * DAY)
    kept: list[tuple[bytes, bytes]] = []

    def degrees(found: Incidence) -> float:
        kept.append((found.start.tobytes(), found.flipped().start.tobytes()))
        return 0.0

    z_scores(acts, mode, window, 3, 1, {"degrees": degrees}, rounds=6)
    assert len(kept) == 4 and len(set(kept)) == 1


def test_planted_groups_have_fewer_edges_than_chance() -> None:
    random = np.random.default_rng(1)
    group = random.integers(0, 4, 120)
    pairs = {
        (int(actor), int(group[actor] * 10 + repository), 0)
        for actor, repository in zip(
            random.integers(0, 120, 500), random.integers(0, 10, 500), strict=True
        )
    }
    modes_: tuple[Mode, ...] = ("repository", "actor")
    for mode in modes_:
        scores = {
            one.figure: one for one in z_scores(acts_of(sorted(pairs)), mode, Window("none"), 39, 1)
        }
        edges = scores["edges"]
        assert edges.z is not None and edges.z < -10 and edges.p == pytest.approx(2 / 40)
        assert scores["average_degree_all"].z == pytest.approx(edges.z)


def test_networks_without_structure_are_seldom_far_from_chance() -> None:
    small = 0
    worlds, draws = 60, 19
    for world in range(worlds):
        random = np.random.default_rng(world)
        chance = np.outer(random.random(12), random.random(10))
        before = network(random.random((12, 10)) < chance)
        drawn = [shared_squares(rewire(before, (world, draw), 12)) for draw in range(draws)]
        found = z_score("squares", shared_squares(before), drawn)
        assert found.p is not None
        small += found.p <= 0.1
    # A tenth at most, and ties make it less: 13 of 60 has a chance below 0.005.
    assert small <= 12


def test_one_draw_has_no_deviation() -> None:
    with pytest.raises(PermanentFailure, match="two rewired networks"):
        z_scores(acts_of([(0, 0, 0)]), "actor", Window("none"), 1, 1)


@pytest.mark.skipif(not REAL.exists(), reason="the real file is not here")
def test_real_people_share_repositories_with_fewer_others_than_by_chance() -> None:
    with gzip.open(REAL, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    coded = [
        np.unique([row[name] for row in rows], return_inverse=True)
        for name in ("contributor", "repository")
    ]
    (actors, actor), (repositories, repository) = coded
    zeros = np.zeros(actor.size, np.int64)
    acts = Acts(actor, repository, zeros, zeros, actors.size, repositories.size)
    before = incidence(acts, "repository")
    after = rewire(before, 1)
    assert (after.sizes == before.sizes).all()
    assert (after.flipped().sizes == before.flipped().sizes).all()
    edges = z_scores(acts, "actor", Window("none"), 19, 1)[0]
    assert edges.observed == measure(acts, "actor", Window("none")).edges
    assert edges.z is not None and edges.z < -10 and edges.p == pytest.approx(2 / 20)


# --- the model with expected degrees


def chances(model: Bicm) -> NDArray[np.float64]:
    return model.probability[model.node_class][:, model.hub_class]


@thorough
@given(acts=small_memberships(60), mode=modes)
def test_expected_degrees_are_the_observed_ones(acts: Acts, mode: Mode) -> None:
    before = incidence(acts, mode)
    chance = chances(fit(before))
    assert chance.min(initial=0) >= 0 and chance.max(initial=1) <= 1
    assert chance.sum(axis=1) == pytest.approx(before.sizes, rel=1e-8, abs=1e-12)
    assert chance.sum(axis=0) == pytest.approx(before.flipped().sizes, rel=1e-8, abs=1e-12)


def test_expected_degrees_are_reached_where_sizes_differ_by_orders_of_magnitude() -> None:
    random = np.random.default_rng(5)
    hub = random.choice(40_000, 90_000, p=(p := 1 / np.arange(5, 40_005) ** 0.6) / p.sum())
    node = random.choice(900, 90_000, p=(p := 1 / np.arange(1, 901)) / p.sum())
    before = incidence_of(node, hub, 900, 40_000)
    model = fit(before)
    reached = (model.probability @ model.hubs)[model.node_class]
    assert np.abs(reached / np.maximum(before.sizes, 1e-300) - 1)[before.sizes > 0].max() < 1e-8
    of_hubs = before.flipped().sizes
    reached = (model.nodes @ model.probability)[model.hub_class]
    assert np.abs(reached[of_hubs > 0] / of_hubs[of_hubs > 0] - 1).max() < 1e-8
    assert before.sizes.max() > 5_000


@thorough
@given(acts=small_memberships(), mode=modes)
def test_odds_are_a_product_so_no_other_model_is_more_random(acts: Acts, mode: Mode) -> None:
    """The maximum of entropy under given degrees has odds x y (Saracco et al. 2015)."""
    probability = fit(incidence(acts, mode)).probability
    is_certain = (probability < 1e-9) | (probability > 1 - 1e-9)
    logit = np.log(np.where(is_certain, 0.5, probability)) - np.log1p(
        -np.where(is_certain, 0.5, probability)
    )
    rows, columns = probability.shape
    assume(rows > 1 and columns > 1)
    for one, other in combinations(range(rows), 2):
        both = ~is_certain[one] & ~is_certain[other]
        difference = (logit[one] - logit[other])[both]
        assert difference == pytest.approx(difference[:1].repeat(difference.size), abs=1e-5)


def test_nodes_with_all_hubs_or_none_are_certain() -> None:
    # The full row takes one of each column, then the last column is empty, then it all unfolds.
    table = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0]])
    assert (chances(fit(network(table))) == table).all()
    mixed = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]])
    chance = chances(fit(network(mixed)))
    assert (chance[0] == 1).all() and (chance[:, 0] == 1).all()
    assert chance[1:, 1:] == pytest.approx(np.full((3, 3), 1 / 3))


@few
@given(table=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=3, max_size=4))
def test_expected_figures_are_those_over_all_networks(table: list[list[bool]]) -> None:
    model = fit(network(table))
    chance = chances(model)
    cells = np.array(list(product((0, 1), repeat=chance.size))).reshape(-1, *chance.shape)
    weights = np.where(cells, chance, 1 - chance).prod(axis=(1, 2))
    linked = (cells @ cells.transpose(0, 2, 1) > 0) & ~np.eye(len(table), dtype=bool)
    told = expected(model)
    assert told.edges == pytest.approx(weights @ linked.sum(axis=(1, 2)) / 2, abs=1e-9)
    rate = weights @ linked.any(axis=2).mean(axis=1)
    assert told.connected_rate == pytest.approx(rate, abs=1e-9)
    assert told.average_degree_all == pytest.approx(2 * told.edges / len(table))
    assert told.memberships == pytest.approx(np.sum(table))


def test_a_network_without_nodes_expects_nothing() -> None:
    told = expected(fit(network(np.zeros((0, 0)))))
    assert (told.edges, told.connected_rate, told.average_degree_all) == (0, None, None)
    told = expected(fit(network(np.zeros((3, 2)))))
    assert (told.edges, told.connected_rate, told.average_degree_connected) == (0, 0, None)
