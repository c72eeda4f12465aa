"""What networks look like by chance: degrees kept, everything else dealt anew.

Belongs here: degree-preserving rewiring of who acted where, and the distance of observed figures
from those of rewired networks. Does not belong here: the figures (`measure`, `bipartite`), the
model with expected degrees (`bicm`).
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np
from numpy.typing import NDArray

from assets.study.networks.acts import Acts, Mode, Window
from assets.study.networks.degrees import projected_degrees
from assets.study.networks.incidence import (
    Incidence,
    incidence,
    incidence_of,
    windowed_incidence,
)
from assets.study.networks.measure import Figures, figures_of, measure
from orchestration.failures import PermanentFailure

HEADLINE = (
    "edges",
    "connected_rate",
    "average_degree_all",
    "average_degree_connected",
    "max_degree",
)
# Where figures of heavy-tailed networks of the study's size no longer move (bench.null_models);
# the 20 rounds that are usual leave their edges some percent too many.
ROUNDS = 80
# Spread of the logarithm of sizes between rows that trade.
SPREAD = 1.0
# Rewired networks at a time: each takes as much memory as the network.
MOST_AT_ONCE = 2

Whole = NDArray[np.int64]
Seed = int | Sequence[int]
# A figure beyond the headline ones; none where it is not defined.
Figure = Callable[[Incidence], float | None]


@dataclass(frozen=True)
class ZScore:
    """One figure beside the same figure of rewired networks; none where it is not defined.

    Attributes:
        mean: over the rewired networks.
        deviation: over the rewired networks, of a sample (n - 1).
        z: (observed - mean) / deviation.
        p: two-sided, from ranks; never below 2 / (draws + 1).
        draws: how many networks were rewired.
        reason: why there is no z.
    """

    figure: str
    observed: float | None
    mean: float | None
    deviation: float | None
    z: float | None
    p: float | None
    draws: int
    reason: str | None = None


# ---------------------------------------------------------------- rewiring


def rewire(memberships: Incidence, seed: Seed, rounds: int = ROUNDS) -> Incidence:
    """A random network in which each node has as many hubs, and each hub as many nodes, as before.

    In the limit of many rounds all such networks are equally likely. Each round is a global
    curveball trade (Strona et al. 2014; Carstens et al. 2018): rows meet in pairs and deal what
    only one of the two has anew. Rounds alternate between nodes and hubs as rows, and rows of like
    size tend to meet; both leave the limit as it is, since sizes never change, and reach it sooner
    where sizes differ by orders of magnitude.
    """
    node, hub = _traded(
        memberships.node_of_membership().astype(np.int64),
        memberships.hub.astype(np.int64),
        np.random.default_rng(seed),
        rounds,
    )
    return incidence_of(node, hub, memberships.node_count, memberships.hub_count)


def rewire_acts(acts: Acts, seed: Seed, rounds: int = ROUNDS) -> Acts:
    """Acts on repositories dealt by `rewire`.

    Each actor keeps its acts with their times, and acts on as many repositories as before; what it
    did on one of them it now does on one of its new ones, in random order. Each repository keeps
    its number of actors, not its number of acts.
    """
    return Deal.of(acts).rewired(seed, rounds)


@dataclass(frozen=True)
class Deal:
    """Acts with their distinct memberships, to be rewired many times.

    Attributes:
        actor: (memberships,) ascending.
        repository: (memberships,).
        membership: (acts,) the membership that each act is of.
    """

    acts: Acts
    actor: Whole
    repository: Whole
    membership: Whole

    @classmethod
    def of(cls, acts: Acts) -> "Deal":
        """Memberships of acts."""
        width = max(acts.repository_count, 1)
        key, membership = np.unique(
            acts.actor.astype(np.int64) * width + acts.repository, return_inverse=True
        )
        return cls(acts, key // width, key % width, membership)

    def rewired(self, seed: Seed, rounds: int = ROUNDS) -> Acts:
        """The acts on other repositories, as `rewire_acts`."""
        random = np.random.default_rng(seed)
        actor, repository = _traded(self.actor, self.repository, random, rounds)
        shuffled = random.permutation(actor.size)
        dealt = repository[shuffled[np.argsort(actor[shuffled], kind="stable")]]
        return replace(self.acts, repository=dealt[self.membership].astype(np.int32))


def _traded(
    left: Whole, right: Whole, random: np.random.Generator, rounds: int
) -> tuple[Whole, Whole]:
    """Distinct pairs (left, right) after trades among lefts and rights by turns."""
    lefts, left = np.unique(left, return_inverse=True)
    rights, right = np.unique(right, return_inverse=True)
    sizes = np.log(np.bincount(left)), np.log(np.bincount(right))
    for turn in range(rounds):
        if turn % 2:
            left, right = _round(left, right, sizes[0], rights.size, random)
        else:
            right, left = _round(right, left, sizes[1], lefts.size, random)
    return lefts[left], rights[right]


def _round(
    row: Whole,
    column: Whole,
    log_size: NDArray[np.float64],
    columns: int,
    random: np.random.Generator,
) -> tuple[Whole, Whole]:
    """One trade of every row with another one; all sorted integers, so no loop over rows.

    A key is the pair of rows, the column, and which of the two rows has it.
    """
    at = np.argsort(log_size + SPREAD * random.standard_normal(log_size.size))
    bits = columns.bit_length() + 1
    place = np.empty_like(at)
    place[at] = np.arange(at.size)
    key = (place >> 1 << bits | place & 1)[row]
    key |= column << 1
    key.sort()
    member = key >> 1
    is_shared = np.zeros(key.size + 1, np.bool_)
    np.equal(member[1:], member[:-1], out=is_shared[1:-1])
    alone = ~(is_shared[1:] | is_shared[:-1])
    # Sorted by pair and noise, the sides stand in random order within each pair.
    own = key[alone]
    noise = 62 - at.size.bit_length()
    dealt = random.integers(0, 1 << noise, own.size) << 1
    dealt |= own >> bits << (noise + 1)
    dealt |= own & 1
    dealt.sort()
    side = key & 1
    side[alone] = dealt & 1
    key >>= bits
    key <<= 1
    key |= side
    member &= (1 << (bits - 1)) - 1
    return at[key], member


# ---------------------------------------------------------------- figures against chance


def z_scores(
    acts: Acts,
    mode: Mode,
    window: Window,
    draws: int,
    seed: int,
    figures: Mapping[str, Figure] | None = None,
    observed: Figures | None = None,
    rounds: int = ROUNDS,
) -> list[ZScore]:
    """The headline figures, and `figures`, beside those of rewired networks.

    Windows `none` and `trailing` rewire the window's memberships, so that all degrees are kept.
    Where acts keep their times (`pairwise_gap`, `calendar`), all memberships are rewired, as
    `rewire_acts`, and the window is applied to what comes out.

    Args:
        figures: more figures by name, of the window's memberships, or of all memberships where the
            window is a gap between two acts.
        observed: the headline figures, where they are measured already.

    Raises:
        PermanentFailure: fewer than two draws.
    """
    if draws < 2:
        raise PermanentFailure(
            "A deviation needs two rewired networks.", "Use 2 draws or more, better 100."
        )
    more = figures or {}
    before = _figures(acts, mode, window, more, observed)
    draw = _drawer(acts, mode, window)

    def of_draw(place: int) -> list[float | None]:
        return _figures(draw((seed, place), rounds), mode, window, more)

    # Each draw has a seed of its own, and sorting needs no interpreter.
    with ThreadPoolExecutor(min(MOST_AT_ONCE, os.cpu_count() or 1)) as pool:
        drawn = list(pool.map(of_draw, range(draws)))
    return [
        z_score(name, before[place], [one[place] for one in drawn])
        for place, name in enumerate((*HEADLINE, *more))
    ]


def _drawer(
    acts: Acts, mode: Mode, window: Window
) -> Callable[[Seed, int], Acts] | Callable[[Seed, int], Incidence]:
    if window.is_unbounded or window.semantics == "trailing":
        memberships = windowed_incidence(acts, mode, window)
        assert memberships is not None
        return partial(rewire, memberships)
    return Deal.of(acts).rewired


def _figures(
    network: Acts | Incidence,
    mode: Mode,
    window: Window,
    more: Mapping[str, Figure],
    measured: Figures | None = None,
) -> list[float | None]:
    if isinstance(network, Acts):
        measured = measured or measure(network, mode, window)
    else:
        active = int(np.count_nonzero(network.sizes))
        measured = figures_of(projected_degrees(network), active, network.hub.size)
    found = [getattr(measured, name) for name in HEADLINE]
    if more and isinstance(network, Acts):
        network = windowed_incidence(network, mode, window) or incidence(network, mode)
    return found + [figure(cast(Incidence, network)) for figure in more.values()]


def z_score(figure: str, observed: float | None, drawn: Sequence[float | None]) -> ZScore:
    """A figure beside what chance gave.

    The two-sided p is twice the smaller rank of the observed one, itself counted among the draws
    (Davison and Hinkley 1997; Phipson and Smyth 2010).
    """
    known = [value for value in drawn if value is not None and math.isfinite(value)]
    plain = ZScore(figure, observed, None, None, None, None, len(drawn))
    if len(known) < len(drawn) or not known:
        return replace(plain, reason="The figure is not defined for every rewired network.")
    values = np.array(known)
    # Equal values have a mean and deviation without rounding.
    is_constant = bool(values.min() == values.max())
    mean = float(values[0] if is_constant else values.mean())
    deviation = 0.0 if is_constant else float(values.std(ddof=1))
    plain = replace(plain, mean=mean, deviation=deviation)
    if observed is None or not math.isfinite(observed):
        return replace(plain, reason="The figure is not defined for the observed network.")
    rank = 1 + min(int((values >= observed).sum()), int((values <= observed).sum()))
    plain = replace(plain, p=min(1.0, 2 * rank / (len(drawn) + 1)))
    if is_constant:
        return replace(plain, reason="All rewired networks have the same value.")
    return replace(plain, z=(observed - mean) / deviation)
