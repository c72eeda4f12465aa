"""How many pairs of a frame are linked, of those that are linked among the units drawn.

Belongs here: weights of a node's links without listing them, and Horvitz and Thompson's estimator
over pairs with its standard error. Does not belong here: estimators over single units
(`study.estimators`), and which figures are told (`estimates`).

A pair of units is drawn with its own probability: the product of both where their strata differ,
n(n-1)/(N(N-1)) within a stratum, 1 where both are taken whole (Kolaczyk 2009, chapter 5; Zhang and
Patone 2017).
"""

from dataclasses import dataclass, replace

import numpy as np

from assets.study.estimators import Floats, Ints, Sample, standard_error
from assets.study.networks.acts import Acts, Window
from assets.study.networks.degrees import products, rows_of
from assets.study.networks.incidence import Incidence, windowed_incidence
from assets.study.networks.windows import (
    CHUNK,
    Spells,
    finite,
    linked_pairs,
    spell_partners,
    spells,
    windowed_degrees,
)
from orchestration.failures import PermanentFailure

# Terms of sums over links: some minutes of one processor.
MOST_TERMS = 5_000_000_000


@dataclass(frozen=True)
class Links:
    """What the units of a sample are linked to.

    Attributes:
        count: (n,) linked pairs of the frame that each unit's links among the sample stand for,
            by the unit's own weight: half of the weighted sum is the number of linked pairs.
        slope: (n,) derivative of the number of linked pairs by each unit's weight.
        noise: variance that pairs add beyond that of their units, estimated.
    """

    count: Floats
    slope: Floats
    noise: float

    def total(self, sample: Sample) -> float:
        """Linked pairs of the frame (Horvitz-Thompson)."""
        return float(sample.weight @ self.count) / 2

    def error(self, sample: Sample, residuals: Floats, scale: float = 1.0) -> tuple[float, float]:
        """Standard error of a function of the number of pairs, with its degrees of freedom.

        Its variance has a part of units and one of pairs. The linearised one has the first, and
        the second twice, as each pair is in the residuals of both its ends: once is taken away.
        It cannot have more of it than half.

        Args:
            residuals: (n,) derivative of the statistic by each unit's weight.
            scale: derivative of the statistic by the number of pairs.
        """
        linear, degrees = standard_error(sample, residuals)
        return float(np.sqrt(max(linear**2 - self.noise * scale**2, linear**2 / 2))), degrees


def links(acts: Acts, window: Window, sample: Sample) -> Links:
    """The links between a sample's repositories.

    Weights that were estimated (after a quota, or for those not known) are taken as they are: a
    stratum is taken to have as many units as its weights sum to.

    Args:
        acts: of which repositories are the sample's units, in their order.

    Raises:
        PermanentFailure: there are too many to sum over.
    """
    weight = sample.weight
    beyond = weight * (weight - 1)
    found = linked_sums(acts, window, np.column_stack([weight, beyond]))
    within = _within(acts, window, sample)
    inside = np.bincount(sample.stratum[sample.is_in], minlength=int(sample.stratum.max()) + 1)
    drawn = inside[sample.stratum]
    # Of a pair of one stratum the second has N - 1 left to be one of, and n - 1 to be drawn as.
    second = within * (weight * drawn - 1) / np.maximum(drawn - 1, 1)
    across = found[:, 0] - within * weight
    # Degrees among n differ by less than those in the frame: each leaves out its own unit.
    few = (drawn - 1) / np.maximum(drawn - 2, 1)
    count, slope = (np.where(sample.is_in, across + one, 0.0) for one in (second, second * few))
    return Links(count, slope, _noise(beyond, found[:, 1]))


def _noise(beyond: Floats, linked: Floats) -> float:
    """Variance of the links beyond that of their ends: of what a link differs from the density.

    Args:
        beyond: (n,) w (w - 1), which estimates a unit's own part; 0 where it is taken whole.
        linked: (n,) its sum over the units linked to.
    """
    sum_of_links = float(beyond @ linked) / 2
    sum_of_pairs = float(beyond.sum() ** 2 - beyond @ beyond) / 2
    return sum_of_links * (1 - sum_of_links / sum_of_pairs) if sum_of_pairs > 0 else 0.0


def _within(acts: Acts, window: Window, sample: Sample) -> Ints:
    """(n,) links of each unit to units of its own stratum: an actor is another in each stratum."""
    strata = int(sample.stratum.max()) + 1
    actor = acts.actor.astype(np.int64) * strata + sample.stratum[acts.repository]
    distinct, code = np.unique(actor, return_inverse=True)
    own = replace(acts, actor=code.astype(np.int32), actor_count=distinct.size)
    return windowed_degrees(own, "repository", window).astype(np.int64)


def linked_sums(acts: Acts, window: Window, amount: Floats) -> Floats:
    """(n, k) sums of (n, k) amounts over the repositories that each is linked to, exact.

    Raises:
        PermanentFailure: there are too many links to sum over.
    """
    plain = windowed_incidence(acts, "repository", window)
    if plain is not None:
        return _of_classes(plain, amount)
    found = spells(acts, "repository", finite(window))
    partners = int(found.partners.sum())
    _check(partners)
    if partners > CHUNK:
        return _gathered(found, amount)
    i, j = linked_pairs(found, CHUNK)
    ends, others = np.concatenate([i, j]), amount[np.concatenate([j, i])]
    sums = [np.bincount(ends, one, minlength=len(amount)) for one in others.T]
    return np.asarray(np.column_stack(sums), np.float64)


def _of_classes(incidence: Incidence, amount: Floats) -> Floats:
    """Nodes with the same hubs are linked to the same others: one product a class."""
    first, of = incidence.classes()
    mass = np.column_stack([np.bincount(of, one, minlength=first.size) for one in amount.T])
    classes = rows_of(incidence, first)
    _check(int(np.bincount(classes.hub, minlength=1).astype(np.int64)[classes.hub].sum()))
    summed = np.zeros(mass.shape)
    for begin, product in products(classes):
        product.data[:] = 1
        summed[begin : begin + product.shape[0]] = product @ mass
    # A node is among those of its hubs; without a hub there is nobody.
    alone = (incidence.sizes == 0)[:, None]
    return np.where(alone, 0.0, np.maximum(summed[of] - amount, 0.0))


def _check(terms: int) -> None:
    if terms > MOST_TERMS:
        raise PermanentFailure(
            f"Sums over links have more than {MOST_TERMS:,} terms.",
            "Leave out actors with acts on very many repositories, or take a shorter window.",
        )


def _gathered(found: Spells, amount: Floats) -> Floats:
    """One node after the other, by its partners in each of its hubs."""
    summed = np.zeros(amount.shape)
    for node, partners in spell_partners(found):
        others = np.unique(partners)
        summed[node] = amount[others].sum(axis=0) - amount[node]
    return summed
