"""Where nodes of the picture of communities lie."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.study.networks.layout import Layout, lay_out


def communities(sizes: list[int], between: int, seed: int) -> tuple[Layout, np.ndarray, int]:
    """Rings of these sizes with links between them at random; one node more that nobody knows."""
    random = np.random.default_rng(seed)
    community = np.repeat(np.arange(len(sizes)), sizes)
    begin = np.concatenate([[0], np.cumsum(sizes)])
    pairs = [
        (int(begin[at] + n), int(begin[at] + (n + 1) % size))
        for at, size in enumerate(sizes)
        for n in range(size)
        if size > 1
    ]
    pairs += [tuple(random.integers(0, begin[-1], 2).tolist()) for _ in range(between)]
    edges = sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})
    i, j = np.array(edges, np.int64).reshape(-1, 2).T
    community = np.append(community, len(sizes))
    return lay_out(community.size, i, j, community, 60, seed), community, len(edges)


@settings(deadline=None, database=None, max_examples=40)
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=8).map(lambda one: sorted(one, reverse=True)),
    st.integers(0, 20),
    st.integers(0, 3),
)
def test_nodes_lie_within_the_picture_and_links_join_them(
    sizes: list[int], between: int, seed: int
) -> None:
    found, community, edges = communities(sizes, between, seed)
    assert np.isfinite(found.position).all()
    assert (np.abs(found.position) <= 1).all()
    assert found.node.size <= 60
    assert len(set(found.node.tolist())) == found.node.size
    # Without a link nobody is drawn; of the communities the largest come first.
    assert community.size - 1 not in found.node
    assert (np.diff(community[found.node]) >= 0).all()
    assert (found.i > found.j).all()
    if found.node.size < 60:
        assert found.i.size == edges
    again, *_ = communities(sizes, between, seed)
    assert np.array_equal(again.position, found.position)


def test_communities_are_discs_apart_from_each_other() -> None:
    found, community, _ = communities([20, 16, 12, 8], 12, 1)
    of = community[found.node]
    centre = np.array([found.position[of == at].mean(axis=0) for at in range(4)])
    radius = np.array([
        np.hypot(*(found.position[of == at] - centre[at]).T).max() for at in range(4)
    ])  # fmt: skip
    for one in range(4):
        for other in range(one):
            apart = np.hypot(*(centre[one] - centre[other]))
            assert apart > 0.9 * (radius[one] + radius[other])
    assert (np.diff(radius) < 0).all()
