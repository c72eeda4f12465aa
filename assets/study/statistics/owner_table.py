"""Two groups as a table of weights by distinct value and owner, whose columns a draw multiplies.

Belongs here: what is asked of the groups, their owners as numbers, the table of all features. Does
not belong here: effects, and how they vary (`jackknife`, `bootstrap`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from assets.study.estimators import Sample
from assets.study.statistics.two_sample import owner_numbers
from assets.study.statistics.values import Floats, Frequencies, Ints
from orchestration.failures import PermanentFailure

if TYPE_CHECKING:
    from scipy.sparse import csc_array

# Most distinct values of a feature of a group in the draws: neighbours are taken together above,
# each as heavy as a tenth of the standard error of a share, or lighter.
MOST_VALUES = 2**14


@dataclass(frozen=True)
class Group:
    """One of the two samples.

    Attributes:
        values: (n,) one feature, or (n, f) several that share the draws; NaN is unknown and leaves
            the unit out of that feature only.
        weight: (n,) how many units each stands for; by default the sample's weights, or one.
            Units of weight zero are left out.
        cluster: (n,) owner of each unit, text or whole numbers; by default, and where it is None,
            a unit is alone.
        sample: the design the units were drawn by; by default they are all there is.
        unheld: why the design may leave large units to chance; None: it takes them whole.
    """

    values: ArrayLike
    weight: ArrayLike | None = None
    cluster: ArrayLike | None = None
    sample: Sample | None = None
    unheld: str | None = None


@dataclass(frozen=True)
class Units:
    """A group as arrays, its owners as numbers from 0."""

    values: Floats
    weight: Floats
    owner: Ints
    sample: Sample | None
    unheld: str | None


@dataclass(frozen=True)
class Part:
    """A feature of a group: where its values lie in the table, and its distinct values.

    Attributes:
        value: (K,) ascending.
        weight: (K,) of the sample itself.
        rows: of the table: K for the values, and one for the weighted sum.
        clusters: owners.
        carriers: owners with anything but zero.
        is_drawn: whether a design says how it varies.
        unheld: why it may leave large units to chance.
    """

    value: Floats
    weight: Floats
    rows: slice
    clusters: int
    carriers: int
    is_drawn: bool
    unheld: str | None

    @property
    def counted(self) -> Frequencies:
        """The values as a sample of their own."""
        return Frequencies(self.value, self.weight, self.value.size)


@dataclass(frozen=True)
class OwnerTable:
    """Weights by value (rows) and owner (columns), and the same by value and stratum.

    Attributes:
        by_owner: (R + H, O) the last H rows are the mean number of each stratum of the designs.
        by_stratum: (R, H).
        spread: (H,) by how much a stratum's numbers are stretched.
        owners: (R + H,) number of owners in each row.
    """

    by_owner: "csc_array"
    by_stratum: "csc_array"
    spread: Floats
    owners: Ints

    @property
    def shape(self) -> tuple[int, int]:
        """Rows without those of strata, and owners."""
        return self.by_owner.shape[0] - self.spread.size, self.by_owner.shape[1]

    def draw(self, rng: np.random.Generator, count: int, blocks: int = 1) -> Floats:
        """(R, count * blocks) weights of draws; a block has the same however many are made."""
        made = [rng.standard_exponential((self.shape[1], count)) for _ in range(blocks)]
        return self.weighed(np.hstack(made))

    def weighed(self, numbers: Floats) -> Floats:
        """(R, count) weights, with (O, count) numbers of the owners; of ones the sample's own."""
        found: Floats = self.by_owner @ numbers
        if not self.spread.size:
            return found
        rows = self.shape[0]
        rest: Floats = self.by_stratum @ (1 - self.spread[:, None] * found[rows:])
        return found[:rows] + rest

    def moved(self, slope: Floats) -> Floats:
        """(O,) how much a sum of weights, each (R,) with its slope, moves with owners' numbers."""
        rows = np.concatenate([slope, np.zeros(self.spread.size)])
        if self.spread.size:
            rows[slope.size :] = -self.spread * (slope @ self.by_stratum)
        found: Floats = rows @ self.by_owner
        return found


def units_of(first: Group, second: Group, has_common_clusters: bool) -> list[Units]:
    found = []
    for group in (first, second):
        values = _features(group.values)
        given = group.weight
        if given is None and group.sample is not None:
            given = group.sample.weight
        weight = np.ones(len(values)) if given is None else np.asarray(given, dtype=np.float64)
        sizes = {len(values), weight.size}
        sizes |= set() if group.sample is None else {group.sample.stratum.size}
        sizes |= set() if group.cluster is None else {len(np.asarray(group.cluster))}
        if len(sizes) > 1:
            raise PermanentFailure("Values, weights, clusters and the sample differ in number.")
        if not np.isfinite(weight).all() or (weight.size and float(weight.min()) < 0):
            raise PermanentFailure("A weight is unknown, infinite or below zero.")
        found.append((values, weight, group))
    if found[0][0].shape[1] != found[1][0].shape[1]:
        raise PermanentFailure("The groups differ in their number of features.")
    owners = _owners([(group.cluster, len(values)) for values, _, group in found],
                     has_common_clusters)  # fmt: skip
    return [
        Units(values, weight, owner, group.sample, _unheld(group))
        for (values, weight, group), owner in zip(found, owners, strict=True)
    ]


def _unheld(group: Group) -> str | None:
    """Why large units may be left to chance, which nothing is of a census."""
    return None if group.sample is None or group.sample.is_census else group.unheld


def _features(values: ArrayLike) -> Floats:
    """(n, f) doubles, NaN where unknown."""
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise PermanentFailure("Numbers expected.") from error
    if found.ndim == 1:
        found = found[:, None]
    if found.ndim != 2:
        raise PermanentFailure(f"One or two dimensions expected, got {found.ndim}.")
    if np.isinf(found).any():
        raise PermanentFailure("A value is infinite.", "Correct the model that made it.")
    return found


def _owners(clusters: list[tuple[ArrayLike | None, int]], has_common: bool) -> list[Ints]:
    """Owners of either group as numbers from 0, no number in both unless owners are common."""
    (first, count), (second, other) = clusters
    if has_common and first is not None and second is not None:
        together = np.concatenate([np.asarray(first), np.asarray(second)])
        everyone = owner_numbers(together, count + other)
        return [everyone[:count], everyone[count:]]
    mine, others = owner_numbers(first, count), owner_numbers(second, other)
    return [mine, others + int(mine.max(initial=-1)) + 1]


def table_of(units: list[Units]) -> tuple[OwnerTable, list[list[Part]]]:
    """The table of all features of both groups, and where each lies in it."""
    owners = 1 + max(int(group.owner.max(initial=-1)) for group in units)
    by_owner, by_stratum = _Entries(), _Entries()
    parts: list[list[Part]] = []
    spreads: list[Floats] = []
    rows = strata = 0
    for group in units:
        stretch, stratum = np.ones(group.weight.size), None
        if group.sample is not None:
            drawn = np.maximum(group.sample.group_drawn, 2)
            spread = np.sqrt(group.sample.rest * drawn / (drawn - 1))
            stretch, stratum = spread[group.sample.group], group.sample.group + strata
            spreads.append(spread)
            strata += spread.size
        mine = []
        for values in group.values.T:
            known = ~np.isnan(values) & (group.weight > 0)
            value, weight = values[known], group.weight[known]
            distinct, held, at = _joined(value, weight)
            own = slice(rows, rows + distinct.size + 1)
            owner = group.owner[known]
            part = Part(
                distinct, held, own, np.unique(owner).size, np.unique(owner[value != 0]).size,
                group.sample is not None, group.unheld,
            )  # fmt: skip
            at += rows
            total = np.full(at.size, part.rows.stop - 1)
            for row, size in ((at, weight), (total, weight * value)):
                by_owner.add(row, owner, size * stretch[known])
                if stratum is not None:
                    by_stratum.add(row, stratum[known], size)
            mine.append(part)
            rows = part.rows.stop
        parts.append(mine)
    _add_means(by_owner, units, rows)
    every = by_owner.table((rows + strata, owners))
    table = OwnerTable(
        every,
        by_stratum.table((rows, strata)),
        np.concatenate([np.empty(0), *spreads]),
        np.bincount(every.indices, minlength=rows + strata),
    )
    return table, parts


def _joined(value: Floats, weight: Floats) -> tuple[Floats, Floats, Ints]:
    """The distinct values of a feature of a group with their weights, and each unit's place."""
    distinct, at = np.unique(value, return_inverse=True)
    held = np.bincount(at, weight, minlength=distinct.size).astype(np.float64)
    if distinct.size > MOST_VALUES:
        place = ((np.cumsum(held) - held) / held.sum() * MOST_VALUES).astype(np.int64)
        _, joined = np.unique(place, return_inverse=True)
        # The heaviest of those joined stands for them.
        order = np.lexsort((held, joined))
        last = np.flatnonzero(np.diff(joined[order], append=-1))
        distinct, at = distinct[order[last]], joined[at]
        held = np.bincount(joined, held).astype(np.float64)
    return distinct, held, at


def _add_means(by_owner: "_Entries", units: list[Units], row: int) -> None:
    """A row for each stratum: the mean of its units' numbers."""
    for group in units:
        if group.sample is not None:
            each = 1 / np.maximum(group.sample.group_drawn, 1)
            by_owner.add(row + group.sample.group, group.owner, each[group.sample.group])
            row += each.size


class _Entries:
    """Entries of a table, collected piece by piece; those of a place are summed."""

    def __init__(self) -> None:
        self._pieces: list[tuple[NDArray[np.int32], NDArray[np.int32], Floats]] = []

    def add(self, row: Ints, column: Ints, value: Floats) -> None:
        self._pieces.append((row.astype(np.int32), column.astype(np.int32), value))

    def table(self, shape: tuple[int, int]) -> "csc_array":
        from scipy.sparse import coo_array

        if not self._pieces:
            return coo_array(shape).tocsc()
        row, column, value = (np.concatenate(part) for part in zip(*self._pieces, strict=True))
        return coo_array((value, (row, column)), shape=shape).tocsc()
