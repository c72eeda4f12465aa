"""The statistically validated projection: pairs that share more hubs than degrees explain.

Belongs here: the test of each pair that shares a hub, and control over the family of all pairs.
Does not belong here: the model tested against (bicm.py), projections as they are (projection.py).
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from assets.study.networks.bicm import Bicm, fit
from assets.study.networks.incidence import Incidence
from assets.study.networks.projection import MOST_BYTES, project
from orchestration.failures import PermanentFailure

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Method = Literal["bh", "holm"]
Tail = Literal["auto", "exact", "poisson"]
HubSizes = Literal["expected", "exact"]
METHODS: tuple[Method, ...] = get_args(Method)
TAILS: tuple[Tail, ...] = get_args(Tail)
HUB_SIZES: tuple[HubSizes, ...] = get_args(HubSizes)

# Multiplications of exact tails up to which `auto` takes them: some ten seconds.
MOST_WORK = 2e9
# Pairs whose distributions are computed at once.
BLOCK = 20_000


@dataclass(frozen=True)
class Backbone:
    """Pairs of nodes kept, i < j, ordered.

    Attributes:
        node_count: nodes of the network.
        i, j: (edges,) the pairs.
        shared: (edges,) hubs they share.
        p: (edges,) probability to share as many or more by chance.
        adjusted: (edges,) the same after control over the family.
        tested: pairs that share a hub.
        family: all pairs; those that share nothing have p = 1.
        level, method: of the control.
        tail: `exact` or `poisson`.
        hub_sizes: of the model, `expected` or `exact`.
    """

    node_count: int
    i: NDArray[np.int32]
    j: NDArray[np.int32]
    shared: NDArray[np.int64]
    p: NDArray[np.float64]
    adjusted: NDArray[np.float64]
    tested: int
    family: int
    level: float
    method: Method
    tail: Literal["exact", "poisson"]
    hub_sizes: HubSizes


def backbone(
    memberships: Incidence,
    level: float = 0.05,
    method: Method = "bh",
    *,
    tail: Tail = "auto",
    hub_sizes: HubSizes = "expected",
    model: Bicm | None = None,
    most_bytes: int = MOST_BYTES,
) -> Backbone:
    """Pairs that share more hubs than the degrees of both explain (Saracco et al. 2017).

    Under the model of `bicm`, the number of hubs that two nodes share is a sum of independent
    trials (Poisson binomial); p is the probability of as many or more. Of all pairs of nodes, those
    that share no hub have p = 1 and count in the family.

    The model lets a hub's size vary about the one it has, so that even a hub with a single member
    may link two nodes: small hubs make p too large, and the backbone too small. With exact sizes,
    two nodes are in a hub of d members as often as d drawn without return put them there.

    Args:
        level: of false discoveries among all (`bh`: Benjamini and Hochberg 1995), or of any false
            discovery (`holm`: Holm 1979).
        tail: `exact`; `poisson`, an upper bound of p that is close where memberships are rare; or
            `auto`, exact where that is a matter of seconds.
        hub_sizes: `expected` as published, or `exact`, to the approximation of Hajek (1964).
        model: of the memberships, where it is fitted already.

    Raises:
        PermanentFailure: the pairs that share a hub do not fit, or a method is not known.
    """
    if method not in METHODS or tail not in TAILS or hub_sizes not in HUB_SIZES:
        raise PermanentFailure(
            f"There is no {method} control with a tail {tail} and hub sizes {hub_sizes}.",
            f"Use {', '.join(METHODS)} with {', '.join(TAILS)} and {', '.join(HUB_SIZES)}.",
        )
    pairs = project(memberships, "shared", most_bytes)
    model = model or fit(memberships)
    shared = pairs.weight.astype(np.int64)
    chance = chances(model, hub_sizes)
    p, used = _p_values(chance, model.node_class[pairs.i], model.node_class[pairs.j], shared, tail)
    family = memberships.node_count * (memberships.node_count - 1) // 2
    adjusted = adjust(p, family, method)
    kept = adjusted <= level
    return Backbone(
        memberships.node_count,
        pairs.i[kept],
        pairs.j[kept],
        shared[kept],
        p[kept],
        adjusted[kept],
        pairs.edge_count,
        family,
        level,
        method,
        used,
        hub_sizes,
    )


def adjust(p: Floats, family: int, method: Method) -> Floats:
    """p-values after control over a family of which all others are 1, in the order given."""
    order = np.argsort(p, kind="stable")
    rank = np.arange(1, p.size + 1)
    if method == "holm":
        ordered = np.maximum.accumulate(p[order] * (family - rank + 1))
    else:
        ordered = np.minimum.accumulate((p[order] * family / rank)[::-1])[::-1]
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(ordered, 1)
    return adjusted


# ---------------------------------------------------------------- chances


@dataclass(frozen=True)
class Chances:
    """Probability that nodes of two classes are both in a hub: p q - p (1 - p) q (1 - q) w.

    Attributes:
        member: (node classes, hub classes) p, nothing in hubs that link nobody.
        hubs: (hub classes,) hubs of each class.
        less: (hub classes,) w: how much less likely a second member is after a first one.
    """

    member: Floats
    hubs: Whole
    less: Floats

    def of(self, first: Whole, second: Whole) -> Floats:
        """(pairs, hub classes) of pairs of node classes."""
        one, other = self.member[first], self.member[second]
        both = one * other
        return np.asarray(both - both * (1 - one) * (1 - other) * self.less, np.float64)

    def mean(self) -> Floats:
        """(node classes, node classes) hubs that two nodes share in the mean."""
        apart = self.member * (1 - self.member)
        both = (self.member * self.hubs) @ self.member.T
        return np.asarray(both - (apart * (self.hubs * self.less)) @ apart.T, np.float64)


def chances(model: Bicm, hub_sizes: HubSizes) -> Chances:
    """Chances under the model, or with each hub's size as it is.

    With exact sizes, w is 1 / sum p (1 - p) over a hub's nodes (Hajek 1964, Asymptotic theory of
    rejective sampling): within a tenth or two of the truth for two members or more. Where
    that sum is below 1 it would be none, and w is 0, as with expected sizes. A hub of one member
    links nobody.
    """
    p = model.probability
    less = np.zeros(model.hubs.size)
    if hub_sizes == "expected":
        return Chances(p, model.hubs, less)
    spread = model.nodes @ (p * (1 - p))
    less[spread >= 1] = 1 / spread[spread >= 1]
    is_linking = model.nodes @ p > 1.5
    return Chances(np.where(is_linking, p, 0), model.hubs, less)


# ---------------------------------------------------------------- tails


def _p_values(
    chance: Chances, first: Whole, second: Whole, shared: Whole, tail: Tail
) -> tuple[Floats, Literal["exact", "poisson"]]:
    """(pairs,) p of pairs of node classes; equal ones are computed once."""
    count = chance.member.shape[0]
    low, high = np.minimum(first, second), np.maximum(first, second)
    most = int(shared.max(initial=0)) + 1
    distinct, place = np.unique((low * count + high) * most + shared, return_inverse=True)
    couple, shares = np.divmod(distinct, most)
    low, high = np.divmod(couple, count)
    if tail == "auto":
        tail = "exact" if _work(chance, shares) <= MOST_WORK else "poisson"
    tails = exact_tails if tail == "exact" else poisson_tails
    return tails(chance, low, high, shares)[place], tail


def _work(chance: Chances, shared: Whole) -> float:
    """Multiplications of exact tails: trials of a class of hubs meet counts so far."""
    most, pairs = np.unique(shared, return_counts=True)
    steps = np.minimum(chance.hubs, most[:, None]).sum(axis=1)
    return float((pairs * most * steps).sum())


def poisson_tails(chance: Chances, first: Whole, second: Whole, shared: Whole) -> Floats:
    """Upper bounds of `exact_tails`, of Poisson variables with the same means.

    A count one or more above its mean is rarer for a sum of trials than for the Poisson variable
    (Hoeffding 1956; Anderson and Samuels 1967); for a count of one the mean itself is a bound.
    Other counts, below mean + 1, get the Poisson's tail: above a quarter, and no bound.
    """
    from scipy.special import pdtrc

    mean = chance.mean()[first, second]
    return np.where(shared == 1, np.minimum(mean, 1), pdtrc(shared - 1, mean))


def exact_tails(chance: Chances, first: Whole, second: Whole, shared: Whole) -> Floats:
    """(pairs,) probability that nodes of two classes share so many hubs or more.

    Classes of hubs are added one by one to the distribution of the count below what is asked for,
    and to what lies above; only positive terms are added, so small tails keep their digits.
    """
    found = np.empty(shared.size)
    for most in np.unique(shared).tolist():
        rows = np.flatnonzero(shared == most)
        for part in np.array_split(rows, 1 + rows.size // BLOCK):
            found[part] = _tail(chance.of(first[part], second[part]), chance.hubs, most)
    return found


def _tail(chance: Floats, hubs: Whole, most: int) -> Floats:
    """(pairs,) probability of `most` or more successes in `hubs` trials of each `chance`."""
    from scipy.special import bdtrc

    below = np.zeros((most, chance.shape[0]))
    below[0] = 1
    above = np.zeros(chance.shape[0])
    for count, p in zip(hubs.tolist(), chance.T, strict=True):
        for more in range(1, min(count, most) + 1):
            above += below[most - more] * bdtrc(more - 1, count, p)
        before, added = below, _binomial(count, p, min(count, most - 1))
        below = before * added[0]
        for more in range(1, added.shape[0]):
            below[more:] += before[:-more] * added[more]
    return above


def _binomial(count: int, p: Floats, most: int) -> Floats:
    """(most + 1, pairs) probabilities of 0 to `most` successes in `count` trials."""
    from scipy.special import xlog1py, xlogy

    successes = np.arange(most + 1)
    ways = np.log((count - successes[:-1]) / (successes[:-1] + 1))
    logarithm = np.concatenate([[0], np.cumsum(ways)])[:, None] + xlogy(successes[:, None], p)
    return np.asarray(np.exp(logarithm + xlog1py(count - successes[:, None], -p)), np.float64)
