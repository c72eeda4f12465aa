"""How alike partitions of the same nodes are: runs with each other, a partition with labels.

Belongs here: mutual information and its expectation, adjusted and not, and permuted labels. Does
not belong here: finding partitions (`communities`, `implicit`).

Definitions are those of Vinh, Epps and Bailey (2010), Rosenberg and Hirschberg (2007) and Hubert
and Arabie (1985); natural logarithms.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
# A probability this far below the most likely one's adds nothing to a sum of double precision.
NEGLIGIBLE = 1e-19
# Pairs of sizes whose sums advance together: what the processor's cache holds.
PAIRS = 1 << 13
# Cells of a table of two partitions, for each of its items, up to which all are counted.
DENSE = 4
EPSILON = float(np.finfo(np.float64).eps)


def identical(runs: NDArray[Any]) -> tuple[Ints, Ints, Ints]:
    """Nodes that no run tells apart, as one class each.

    Args:
        runs: labels of 0 and above, shape (runs, nodes).

    Returns:
        A node of each class, the class of each node, and the nodes of each class.
    """
    rng = np.random.default_rng(0)
    key = np.zeros(runs.shape[1], np.uint64)
    for run in runs:
        factor = rng.integers(1, 1 << 64, dtype=np.uint64, endpoint=False)
        key += (run.astype(np.uint64) + np.uint64(1)) * (factor | np.uint64(1))
        key ^= key >> np.uint64(29)
        key *= np.uint64(0x9E3779B97F4A7C15)
    _, first, at, count = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    if any((run[first][at] != run).any() for run in runs):
        _, first, at, count = np.unique(
            runs, axis=1, return_index=True, return_inverse=True, return_counts=True
        )
    return first, at.astype(np.int64), count.astype(np.int64)


def pairwise_ami(runs: NDArray[Any], weight: NDArray[Any] | None = None) -> Floats:
    """Adjusted mutual information of every two runs, by the mean of their entropies.

    The expected mutual information depends on the communities' sizes alone. So it is summed once
    for every two sizes that occur, T, and is H T Hᵀ for all pairs, H the sizes' counts in each run.

    Args:
        runs: labels of 0 and above, shape (runs, nodes).
        weight: nodes that each column stands for, shape (nodes,); None: 1 each.

    Returns:
        Shape (runs, runs), symmetric, equal to sklearn.metrics.adjusted_mutual_info_score.
    """
    if not runs.shape[1]:
        return np.ones((len(runs), len(runs)))
    first, at, count = identical(runs)
    if weight is not None:
        count = np.bincount(at, weight, len(first)).astype(np.int64)
    classes = runs[:, first].astype(np.int64)
    total = int(count.sum())
    sizes = [_sizes(run, count) for run in classes]
    entropy = np.array([_entropy(one, total) for one in sizes])
    joint = np.zeros((len(runs), len(runs)))
    for left, one in enumerate(classes):
        for right in range(left):
            joint[left, right] = joint[right, left] = _entropy(
                _cells(one, classes[right], count), total
            )
    information = entropy[:, None] + entropy - joint
    found = _adjusted(information, expected_information(sizes, total),
                      (entropy[:, None] + entropy) / 2)  # fmt: skip
    groups = np.array([len(one) for one in sizes])
    found[(groups[:, None] == 1) ^ (groups == 1)] = 0.0
    for same in (groups <= 1, groups == total):
        found[same[:, None] & same] = 1.0
    np.fill_diagonal(found, 1.0)
    return found


def expected_information(sizes: list[Ints], total: int) -> Floats:
    """Expected mutual information of every two partitions with these community sizes.

    Args:
        sizes: of each partition, communities' sizes, each adding up to the total.

    Returns:
        Shape (partitions, partitions).
    """
    from scipy.sparse import csr_array

    distinct, at = np.unique(np.concatenate(sizes), return_inverse=True)
    row = np.repeat(np.arange(len(sizes)), [len(one) for one in sizes])
    counts = csr_array((np.ones(len(at)), (row, at)), shape=(len(sizes), len(distinct)))
    counts.sum_duplicates()
    left, right = np.tril_indices(len(distinct))
    table = np.empty((len(distinct), len(distinct)))
    table[left, right] = _expected(distinct[left], distinct[right], total)
    table[right, left] = table[left, right]
    found: Floats = np.asarray((counts @ table) @ counts.T.toarray())
    # Sums in another order differ in the last digit.
    return np.asarray((found + found.T) / 2)


def _expected(a: Ints, b: Ints, total: int) -> Floats:
    """A cell's expected part in the mutual information, of communities of sizes a and b.

    The sum over a cell's content n, hypergeometric, of n/N log(N n / ab) is (ab/N²) times the mean
    of log(1 + X) − log(ab/N), with X hypergeometric of N − 1, a − 1, b − 1. Its terms are taken
    from the most likely X outwards, each from the one before.
    """
    size = a * b / total
    mean_log = np.empty(len(a))
    order = np.argsort(size, kind="stable")
    for start in range(0, len(a), PAIRS):
        block = order[start : start + PAIRS]
        mean_log[block] = _mean_log(a[block], b[block], total)
    return size / total * (mean_log - np.log(size))


def _mean_log(a: Ints, b: Ints, total: int) -> Floats:
    mode = (a * b) // (total + 1)
    weight = np.ones(len(a))
    above = np.log1p(mode.astype(np.float64))
    for step in (1, -1):
        x = mode.astype(np.float64)
        term = np.ones(len(a))
        while term.max(initial=0.0) > NEGLIGIBLE:
            if step == 1:
                term *= (a - 1 - x) * (b - 1 - x) / ((x + 1) * (total - a - b + 2 + x))
            else:
                term *= x * (total - a - b + 1 + x) / ((a - x) * (b - x))
            x += step
            weight += term
            above += term * np.log1p(np.maximum(x, 0.0))
    return above / weight


def _sizes(labels: Ints, count: Ints) -> Ints:
    sizes = np.bincount(labels, count).astype(np.int64)
    return sizes[sizes > 0]


def _cells(one: Ints, other: Ints, count: Ints) -> Floats:
    """Nodes in each cell that two partitions make, without the empty cells."""
    width = int(other.max(initial=0)) + 1
    if (int(one.max(initial=0)) + 1) * width > DENSE * len(one):
        from scipy.sparse import csr_array

        cells: Floats = csr_array((count.astype(np.float64), (one, other))).data
    else:
        cells = np.bincount(one * width + other, count).astype(np.float64)
    return cells[cells > 0]


def _entropy(sizes: NDArray[Any], total: int) -> float:
    share = sizes / total
    return -float((share * np.log(share)).sum())


def _adjusted(information: Floats, expected: Floats, most: Floats) -> Floats:
    """As sklearn: the denominator keeps its sign and is never 0."""
    below = most - expected
    below = np.where(below < 0, np.minimum(below, -EPSILON), np.maximum(below, EPSILON))
    found: Floats = (information - expected) / below
    return found


@dataclass(frozen=True)
class Agreement:
    """One figure of communities against labels, and against the same labels dealt at random.

    Attributes:
        observed: the figure.
        mean, deviation: of the figure with permuted labels.
        z: (observed − mean) / deviation; None where labels can be dealt in one way only.
        p: share of deals at least as large, the observed one among them.
    """

    observed: float
    mean: float | None = None
    deviation: float | None = None
    z: float | None = None
    p: float | None = None


def label_agreement(
    communities: NDArray[Any],
    node: NDArray[Any],
    label: NDArray[Any],
    permutations: int = 200,
    seed: int = 0,
) -> dict[str, Agreement]:
    """How well communities and labels go together, and how well by chance.

    By chance: the sets of labels are dealt at random to the labelled nodes (Good 2005, permutation
    tests). Nodes without a label take no part, but as members in the last two shares. A node of
    several labels counts for each of them in purity and dominance; for the others it has the one
    that most nodes have.

    Args:
        communities: of each node, 0 and above, shape (nodes,).
        node, label: labels of nodes, both numbers of 0 and above, shape (pairs,), each pair once.

    Returns:
        size_weighted_purity: share of the labelled nodes that have their community's predominant
            label.
        mean_dominance_share: mean over communities, with a labelled member, of the share of these
            that have the predominant label.
        mean_dominance_share_of_all_members: mean over all communities of the share of all members
            that have it.
        mean_dominance_share_of_two_or_more: the same over communities of at least two members.
        homogeneity, completeness, v_measure, nmi, ami, ari: of the labelled nodes.
    """
    order = np.lexsort((label, node))
    node, label = node[order], label[order]
    labelled, at = np.unique(node, return_inverse=True)
    if not len(labelled):
        return {}
    of_labelled = canonical(communities)[labelled].astype(np.int64)
    compared = _Compared(of_labelled, at, np.unique(label, return_inverse=True)[1],
                         np.bincount(canonical(communities)).astype(np.int64))  # fmt: skip
    observed = compared.figures(of_labelled)
    rng = np.random.default_rng(seed)
    draws = [compared.figures(rng.permutation(of_labelled)) for _ in range(permutations)]
    return {
        name: _against(value, np.array([one[name] for one in draws]))
        for name, value in observed.items()
    }


class _Compared:
    """What stays the same when labels are dealt anew, and the figures of one deal."""

    def __init__(self, community: Ints, at: Ints, label: Ints, members: Ints) -> None:
        self.at, self.label, self.members = at, label, members
        self.width = int(label.max()) + 1
        common = np.bincount(label)
        # Of several labels the one that most nodes have, then the first.
        best = np.lexsort((label, -common[label], at))
        self.one_label = label[best][np.unique(at[best], return_index=True)[1]]
        self.labelled = np.bincount(community, minlength=len(members))
        self.total = len(community)
        sizes = [_sizes(community, np.ones_like(community)),
                 _sizes(self.one_label, np.ones_like(community))]  # fmt: skip
        self.entropy = [_entropy(one, self.total) for one in sizes]
        self.expected = float(expected_information(sizes, self.total)[0, 1])
        self.pairs = [float((one * (one - 1)).sum()) for one in sizes]
        self.is_same_by_need = len(sizes[0]) == len(sizes[1]) and len(sizes[0]) in (1, self.total)

    def figures(self, community: Ints) -> dict[str, float]:
        """Figures with the communities of labelled nodes given in this order."""
        return {**self._dominance(community), **self._information(community)}

    def _dominance(self, community: Ints) -> dict[str, float]:
        key, count = np.unique(community[self.at] * self.width + self.label, return_counts=True)
        most = np.zeros(len(self.members), np.int64)
        np.maximum.at(most, key // self.width, count)
        has = self.labelled > 0
        share = most / self.members
        larger = self.members >= 2
        return {
            "size_weighted_purity": float(most.sum() / self.total),
            "mean_dominance_share": float((most[has] / self.labelled[has]).mean()),
            "mean_dominance_share_of_all_members": float(share.mean()),
            "mean_dominance_share_of_two_or_more": (
                float(share[larger].mean()) if larger.any() else 0.0
            ),
        }

    def _information(self, community: Ints) -> dict[str, float]:
        cells = _cells(community, self.one_label, np.ones_like(community))
        of_communities, of_labels = self.entropy
        information = max(0.0, of_communities + of_labels - _entropy(cells, self.total))
        middle = (of_communities + of_labels) / 2
        homogeneity = information / of_labels if of_labels else 1.0
        completeness = information / of_communities if of_communities else 1.0
        both = homogeneity + completeness
        return {
            "homogeneity": homogeneity,
            "completeness": completeness,
            "v_measure": 2 * homogeneity * completeness / both if both else 0.0,
            "nmi": information / middle if middle else 1.0,
            "ami": self._ami(information, middle),
            "ari": self._ari(float((cells * (cells - 1)).sum())),
        }

    def _ami(self, information: float, middle: float) -> float:
        if self.is_same_by_need:
            return 1.0
        if not all(self.entropy):
            return 0.0
        found = _adjusted(*(np.array([one]) for one in (information, self.expected, middle)))
        return float(found[0])

    def _ari(self, together: float) -> float:
        every = self.total * (self.total - 1)
        if self.is_same_by_need or not every:
            return 1.0
        expected = self.pairs[0] * self.pairs[1] / every
        most = sum(self.pairs) / 2
        return (together - expected) / (most - expected) if most != expected else 1.0


def _against(observed: float, drawn: Floats) -> Agreement:
    if not drawn.size:
        return Agreement(observed)
    mean, deviation = float(drawn.mean()), float(drawn.std(ddof=1)) if drawn.size > 1 else 0.0
    # Deals that differ by rounding alone do not vary.
    varies = deviation > 1e-12
    return Agreement(
        observed,
        mean,
        deviation,
        (observed - mean) / deviation if varies else None,
        float((1 + np.count_nonzero(drawn >= observed - 1e-12)) / (1 + drawn.size)),
    )


def canonical(labels: NDArray[Any]) -> NDArray[np.int32]:
    """The same communities from 0 on: the largest first, of equals the one with the first node."""
    _, first, at, count = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(first), np.int32)
    rank[np.lexsort((first, -count))] = np.arange(len(first), dtype=np.int32)
    return rank[at]
