"""Agreement of partitions: scikit-learn, definitions by hand, labels dealt at random."""

import math
from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from assets.study.networks.agreement import (
    canonical,
    expected_information,
    identical,
    label_agreement,
    pairwise_ami,
)

unhurried = settings(deadline=None, database=None, max_examples=120)
SHARES = ("size_weighted_purity", "mean_dominance_share", "mean_dominance_share_of_all_members",
          "mean_dominance_share_of_two_or_more")  # fmt: skip


@st.composite
def partitions(draw: st.DrawFn, runs: int = 3) -> NDArray[np.int64]:
    """Runs of few nodes, some all in one community, some each alone."""
    nodes = draw(st.integers(1, 40))
    return np.array([
        draw(st.lists(st.integers(0, draw(st.sampled_from([0, 1, 3, 12]))),
                      min_size=nodes, max_size=nodes))
        for _ in range(runs)
    ], np.int64)  # fmt: skip


def by_sklearn(one: NDArray[Any], other: NDArray[Any]) -> float:
    from sklearn.metrics import adjusted_mutual_info_score

    # Of partitions that are alike, both of single nodes, scikit-learn divides rounding by rounding.
    if len(set(zip(one.tolist(), other.tolist(), strict=True))) == len(set(one)) == len(set(other)):
        return 1.0
    return float(adjusted_mutual_info_score(one, other))


# --- runs with each other


@unhurried
@given(runs=partitions())
def test_pairwise_ami_equals_sklearns(runs: NDArray[np.int64]) -> None:
    found = pairwise_ami(runs)
    for one in range(len(runs)):
        for other in range(len(runs)):
            assert found[one, other] == pytest.approx(by_sklearn(runs[one], runs[other]), abs=1e-9)


@pytest.mark.parametrize(("nodes", "groups"), [(3_000, 5), (3_000, 700), (20_000, 40)])
def test_pairwise_ami_equals_sklearns_on_large_partitions(nodes: int, groups: int) -> None:
    rng = np.random.default_rng(groups)
    truth = rng.integers(0, groups, nodes)
    runs = [np.where(rng.random(nodes) < 0.3, rng.integers(0, groups, nodes), truth)
            for _ in range(2)]  # fmt: skip
    found = pairwise_ami(np.array(runs))
    assert found[0, 1] == pytest.approx(by_sklearn(*runs), abs=1e-9)
    assert found[0, 1] == found[1, 0]


@unhurried
@given(runs=partitions(), data=st.data())
def test_weights_stand_for_nodes(runs: NDArray[np.int64], data: st.DataObject) -> None:
    many = data.draw(st.lists(st.integers(1, 4), min_size=runs.shape[1], max_size=runs.shape[1]))
    written_out = np.repeat(runs, many, axis=1)
    found = pairwise_ami(runs, np.array(many))
    np.testing.assert_allclose(found, pairwise_ami(written_out), atol=1e-12)


@unhurried
@given(data=st.data())
def test_expected_information_equals_its_sum(data: st.DataObject) -> None:
    nodes = data.draw(st.integers(1, 30))
    sizes = []
    for _ in range(2):
        labels = data.draw(st.lists(st.integers(0, 5), min_size=nodes, max_size=nodes))
        sizes.append(np.array(list(Counter(labels).values()), np.int64))
    expected = 0.0
    for a in sizes[0].tolist():
        for b in sizes[1].tolist():
            for n in range(max(1, a + b - nodes), min(a, b) + 1):
                chance = math.comb(a, n) * math.comb(nodes - a, b - n) / math.comb(nodes, b)
                expected += n / nodes * math.log(nodes * n / (a * b)) * chance
    assert expected_information(sizes, nodes)[0, 1] == pytest.approx(expected, abs=1e-12)


@unhurried
@given(runs=partitions())
def test_nodes_are_identical_where_no_run_parts_them(runs: NDArray[np.int64]) -> None:
    first, at, count = identical(runs)
    columns = [tuple(column) for column in runs.T.tolist()]
    assert len(first) == len(set(columns))
    assert all(columns[first[of]] == column for of, column in zip(at, columns, strict=True))
    assert count.tolist() == [columns.count(columns[one]) for one in first]


def test_columns_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    runs = rng.integers(0, 3, (4, 50))
    wanted = identical(runs)

    class Bad:
        def integers(self, *_: object, **__: object) -> np.uint64:
            return np.uint64(0)

    # Factors of one for each run: labels that add up to the same can collide.
    monkeypatch.setattr(np.random, "default_rng", lambda _: Bad())
    found = identical(runs)
    assert sorted(found[2].tolist()) == sorted(wanted[2].tolist())
    assert len(found[0]) == len(wanted[0])


# --- labels


@st.composite
def labelled(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, int]]]:
    """Communities, and labels of some nodes, of which some have several."""
    communities = draw(st.lists(st.integers(0, 4), min_size=1, max_size=25))
    pair = st.tuples(st.integers(0, len(communities) - 1), st.integers(0, 3))
    return communities, sorted(draw(st.sets(pair, min_size=1, max_size=30)))


def shares_by_hand(communities: list[int], pairs: list[tuple[int, int]]) -> dict[str, float]:
    labels = defaultdict(set)
    for node, label in pairs:
        labels[node].add(label)
    most, of_labelled, of_all, of_two = [], [], [], []
    for one in sorted(set(communities)):
        members = [node for node, community in enumerate(communities) if community == one]
        common = Counter(label for node in members for label in labels.get(node, ()))
        predominant = max(common.values(), default=0)
        known = sum(node in labels for node in members)
        most.append(predominant)
        of_all.append(predominant / len(members))
        of_two += [predominant / len(members)] if len(members) > 1 else []
        of_labelled += [predominant / known] if known else []
    means = (sum(one) / len(one) if one else 0.0 for one in (of_labelled, of_all, of_two))
    return dict(zip(SHARES, (sum(most) / len(labels), *means), strict=True))


@unhurried
@given(world=labelled())
def test_shares_are_those_counted_by_hand(
    world: tuple[list[int], list[tuple[int, int]]],
) -> None:
    communities, pairs = world
    node, label = np.array(pairs).T
    found = label_agreement(np.array(communities), node, label, permutations=0)
    expected = shares_by_hand(communities, pairs)
    assert {name: found[name].observed for name in SHARES} == pytest.approx(expected)


@unhurried
@given(world=labelled())
def test_information_equals_sklearns(world: tuple[list[int], list[tuple[int, int]]]) -> None:
    from sklearn import metrics

    communities, pairs = world
    common = Counter(label for _, label in pairs)
    one_label: dict[int, int] = {}
    for node, label in sorted(pairs, key=lambda pair: (-common[pair[1]], pair[1])):
        one_label.setdefault(node, label)
    ours = np.array([communities[node] for node in one_label])
    theirs = np.array(list(one_label.values()))
    node_, label_ = np.array(pairs).T
    found = label_agreement(np.array(communities), node_, label_, permutations=0)
    expected = {
        "homogeneity": metrics.homogeneity_score(theirs, ours),
        "completeness": metrics.completeness_score(theirs, ours),
        "v_measure": metrics.v_measure_score(theirs, ours),
        "ari": metrics.adjusted_rand_score(theirs, ours),
        "ami": by_sklearn(theirs, ours),
    }
    assert {name: found[name].observed for name in expected} == pytest.approx(expected, abs=1e-9)


def test_chance_is_the_mean_over_all_deals() -> None:
    from itertools import permutations

    communities = np.array([0, 0, 0, 1, 1, 2])
    label = np.array([0, 0, 1, 1, 1, 0])
    found = label_agreement(communities, np.arange(6), label, permutations=4000, seed=3)
    deals = [
        label_agreement(communities, np.arange(6), np.array(one), permutations=0)
        for one in set(permutations(label.tolist()))
    ]
    for name, one in found.items():
        values = np.array([deal[name].observed for deal in deals])
        assert one.deviation is not None and one.p is not None
        error = 5 * values.std() / math.sqrt(4000) + 1e-9
        assert one.mean == pytest.approx(values.mean(), abs=error)
        assert one.p == pytest.approx((values >= one.observed - 1e-12).mean(), abs=0.05)
    assert found["ami"].mean == pytest.approx(0.0, abs=0.03)


def test_planted_labels_are_told_from_chance_and_dealt_ones_are_not() -> None:
    rng = np.random.default_rng(5)
    communities = rng.integers(0, 8, 600)
    planted = np.where(rng.random(600) < 0.3, rng.integers(0, 8, 600), communities)
    node = np.arange(600)
    found = label_agreement(communities, node, planted, seed=1)
    by_chance = label_agreement(communities, node, rng.permutation(planted), seed=1)
    for name in ("ami", "ari", "size_weighted_purity", "v_measure"):
        assert found[name].p == pytest.approx(1 / 201)
        assert (found[name].z or 0) > 10
        assert abs(by_chance[name].z or 0) < 4


def test_labels_that_can_be_dealt_in_one_way_have_no_z() -> None:
    found = label_agreement(np.array([0, 0, 1]), np.arange(3), np.zeros(3, int))
    assert found["size_weighted_purity"].observed == 1.0
    assert all(one.z is None and one.p == 1.0 for one in found.values())


def test_no_labels_give_no_figures() -> None:
    none = np.empty(0, np.int64)
    assert label_agreement(np.array([0, 1]), none, none) == {}


@pytest.mark.parametrize("nodes", [0, 1])
def test_runs_of_next_to_nothing_agree(nodes: int) -> None:
    assert pairwise_ami(np.zeros((3, nodes), np.int64)).tolist() == [[1.0] * 3] * 3


def test_communities_are_numbered_by_size_then_by_first_node() -> None:
    assert canonical(np.array([7, 3, 3, 9, 7, 1])).tolist() == [0, 1, 1, 2, 0, 3]
