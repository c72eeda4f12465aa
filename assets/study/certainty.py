"""Which units of a frame are too large to be left to chance: cut-offs by stratum and feature.

Belongs here: what a frame tells of its features' tails, where units begin to be taken whole, and
the frame with these units in strata of their own. Does not belong here: strata by size (`strata`),
allocations (`allocation`), drawing (`draw`).

Intervals hold where no unit that stands for others could carry the estimate alone. A unit is
therefore taken whole where its weighted distance from the mean of its stratum,

    N_h/n_h (y - mean_h)  >  tail_bound x standard error of the estimated total,

which bounds the skewness of the estimate by `tail_bound`; without strata this is
mean + tail_bound sqrt(n) S, and at 1/5 Cochran's rule n > 25 skewness² (1977, 2.15). The true
skewness is about half of its bound, so that twice as much is allowed. Mean, S and n are those of
what is not taken whole: the cut-off is lowered until nothing changes (Glasser 1962; Hidiroglou
1986).

Cut-offs lie on a ladder of fixed steps: a frame that grows a little keeps them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from assets.study.allocation import Allocation, allocate, least_size
from assets.study.strata import certain, class_of

if TYPE_CHECKING:
    import duckdb

# Steps of the ladder to a factor of ten.
STEPS = 6
# Tried in this order: the first whose units fit into their part of the sample is taken. Up to the
# last of HOLDING, intervals of the twin's means hold as stated; docs/sampling.md has the figures.
HOLDING = (0.4, 0.5)
BOUNDS = (*HOLDING, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0, 3.0)
LARGEST_PART = 0.5
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
# Units wanted of each stratum: of (H,) units, (H,) standard deviations, a size; none: too small.
Plan = Callable[[Ints, Floats, int], Ints | None]
NEVER = 2**31 - 1


def left_to_chance(feature: str, is_holding: bool | None, is_asked: bool = True) -> str | None:
    """Why intervals of a feature's mean and total may not hold; None: they do.

    Args:
        is_holding: whether what is taken whole is enough; None: the frame does not know the feature
            of all.
        is_asked: whether the frame's own numbers said what is taken whole.
    """
    if is_asked and is_holding:
        return None
    why = "the design does not ask the frame for them"
    if is_asked:
        why = ("the frame does not know it of all" if is_holding is None
               else "they would be more than half of the sample")  # fmt: skip
    return f"large {feature} are not all taken whole, as {why}"


@dataclass(frozen=True)
class Profile:
    """The features of a frame: H strata, F features, S steps of the ladder.

    Attributes:
        names: (F,) columns.
        cut_count: how many of the first of them are to be taken whole where large.
        spread_at: which of them allocations follow the standard deviation of.
        number: (H,) numbers of the strata, ascending.
        frame_count: (H,) units.
        lowest: step that comes first; a step begins at 10^(step / STEPS).
        count: (F, H, S) units of known value; zeros are in the first step.
        total: (F, H, S) sum of their values.
        squares: (F, H, S) sum of their squares.
    """

    names: tuple[str, ...]
    cut_count: int
    spread_at: int
    number: Ints
    frame_count: Ints
    lowest: int
    count: Floats
    total: Floats
    squares: Floats

    def above(self, steps: Ints) -> Ints:
        """(H,) units of some feature at or above its cut-off, (F, H) steps; at most."""
        taken = np.where(self._below(steps), 0.0, self.count).sum(axis=(0, 2))
        return np.asarray(np.minimum(taken.astype(np.int64), self.frame_count))

    def spread(self, steps: Ints) -> tuple[Floats, Floats]:
        """(F, H) mean and variance of what is below the cut-offs; NaN of fewer than two units."""
        below = self._below(steps)
        count, total, squares = (
            np.where(below, part, 0.0).sum(axis=2)
            for part in (self.count, self.total, self.squares)
        )
        mean = total / np.maximum(count, 1)
        variance = np.maximum(squares / np.maximum(count, 1) - mean**2, 0.0)
        return mean, np.where(count < 2, np.nan, variance)

    def _below(self, steps: Ints) -> NDArray[np.bool_]:
        at = self.lowest + np.arange(self.count.shape[2])
        return np.asarray(at < steps[:, :, None])


@dataclass(frozen=True)
class CutOffs:
    """From where on units are taken whole.

    Attributes:
        names: (F,) columns of the frame.
        number: (H,) numbers of the strata.
        steps: (F, H) step of the ladder; NEVER where none is taken whole.
        tail_bound: how much of the standard error a unit that is left to chance can carry.
    """

    names: tuple[str, ...]
    number: Ints
    steps: Ints
    tail_bound: float

    @property
    def is_holding(self) -> bool:
        """Whether intervals hold as stated."""
        return self.tail_bound <= HOLDING[-1]

    def value(self, feature: int, stratum: int) -> float | None:
        """The smallest value that is taken whole."""
        step = int(self.steps[feature, stratum])
        return None if step == NEVER else float(10 ** (step / STEPS))

    def apply(self, frame: str) -> str:
        """The frame as SQL, what is taken whole in strata of its own."""
        rows = [
            f"({number}, {', '.join(map(str, steps))})"
            for number, steps in zip(self.number.tolist(), self.steps.T.tolist(), strict=True)
            if min(steps) < NEVER
        ]
        if not rows:
            return frame
        names = [f"cut_{at}" for at in range(len(self.names))]
        large = " OR ".join(f"{_step(name)} >= cut_offs.{cut}"
                            for name, cut in zip(self.names, names, strict=True))  # fmt: skip
        return f"""
            SELECT
                unit_key,
                CASE WHEN {large} THEN {certain("stratum_number")} ELSE stratum_number END
                    AS stratum_number,
                value, reason, is_known
            FROM ({frame})
            LEFT JOIN (VALUES {", ".join(rows)}) AS cut_offs(stratum_number, {", ".join(names)})
                USING (stratum_number)
        """


def planned(
    allocation: Allocation, least: int, frame_count: Ints, reference: Floats | None
) -> Plan:
    """How an allocation shares out what is not taken whole.

    Args:
        frame_count: (H,) units of the whole frame.
        reference: (H,) units of the reference population, for `matched`: what is left of a stratum
            stands for as much of its counterpart.
    """

    def plan(rest: Ints, deviation: Floats, size: int) -> Ints | None:
        part = None if reference is None else reference * rest / np.maximum(frame_count, 1)
        if size < least_size(allocation, rest, reference=part, least=least):
            return None
        return allocate(allocation, size, rest, deviation=deviation, reference=part, least=least)

    return plan


def aligned(number: Ints, frame_count: Ints, reference: Mapping[int, int] | None) -> Floats | None:
    """Units of a reference population in each stratum of a frame.

    A stratum and what is taken whole of it share their counterpart by the units that they have.
    """
    if reference is None:
        return None
    classes = np.array([class_of(one) for one in number.tolist()], dtype=np.int64)
    _, at = np.unique(classes, return_inverse=True)
    whole = np.bincount(at, frame_count)[at]
    counts = np.array([reference.get(one, 0) for one in classes.tolist()], dtype=np.float64)
    return np.asarray(counts * frame_count / np.maximum(whole, 1))


def profile(
    connection: "duckdb.DuckDBPyConnection", frame: str, names: Sequence[str], spread_of: str
) -> Profile:
    """Read a frame once: its features by stratum and step of the ladder.

    Args:
        frame: as for `draw.survey`, with the features in columns of numbers beside.
        names: the columns whose large values are to be taken whole.
        spread_of: the column whose standard deviation allocations follow; may be another one.
    """
    cut_count, names = len(names), [*names, *({spread_of} - {*names})]
    listed = ", ".join(f"{_quoted(name)}::DOUBLE" for name in names)
    rows = connection.sql(
        f"""
        SELECT
            stratum_number::BIGINT AS stratum_number,
            feature,
            coalesce({_step("amount")}, {-NEVER}) AS step,
            count(*) AS units,
            count(amount)::DOUBLE AS known,
            coalesce(sum(amount), 0)::DOUBLE AS total,
            coalesce(sum(amount * amount), 0)::DOUBLE AS squares
        FROM (
            SELECT
                stratum_number,
                unnest(range({len(names)})) AS feature,
                unnest([{listed}]) AS amount
            FROM ({frame})
        )
        GROUP BY ALL
        """
    ).to_arrow_table()
    column = {name: rows[name].to_numpy(zero_copy_only=False) for name in rows.column_names}
    number, stratum = np.unique(column["stratum_number"], return_inverse=True)
    steps = column["step"]
    told = steps > -NEVER
    lowest = int(steps[told].min()) - 1 if told.any() else 0
    highest = int(steps[told].max()) if told.any() else 0
    # What has no step (zeros) lies below all cut-offs.
    place = np.where(told, steps - lowest, 0)
    shape = (len(names), number.size, highest - lowest + 1)
    cells = {name: np.zeros(shape) for name in ("known", "total", "squares")}
    for name, cell in cells.items():
        np.add.at(cell, (column["feature"], stratum, place), column[name])
    units = np.zeros(number.size, np.int64)
    np.add.at(units, stratum, np.where(column["feature"] == 0, column["units"], 0))
    return Profile(tuple(names), cut_count, names.index(spread_of), number.astype(np.int64), units,
                   lowest, cells["known"], cells["total"], cells["squares"])  # fmt: skip


def cut_offs(found: Profile, size: int, plan: Plan) -> CutOffs:
    """The cut-offs of a sample: of the lowest tail bound whose units fit into half of it.

    Args:
        size: units to draw in all.
        plan: how what is not taken whole is shared out.
    """
    names = found.names[: found.cut_count]
    for bound in BOUNDS:
        steps = _converged(found, size, plan, bound)
        if steps is not None:
            return CutOffs(names, found.number, steps[: found.cut_count], bound)
    none = np.full((found.cut_count, found.number.size), NEVER)
    return CutOffs(names, found.number, none, math.inf)


def _converged(found: Profile, size: int, plan: Plan, bound: float) -> Ints | None:
    """Steps that are lowered one by one until none has to be; none where they take too many."""
    features, strata, ladder = found.count.shape
    top = found.lowest + np.where(found.count > 0, np.arange(ladder), 0).max(axis=2)
    steps = np.full((features, strata), NEVER)
    while True:
        if found.above(steps).sum() > LARGEST_PART * size:
            return None
        wanted = _wanted(found, steps, size, plan, bound)
        if wanted is None:
            return None
        lower = (wanted < steps) & (wanted <= top)
        if not lower.any():
            return steps
        # From above one step at a time: what is large hides what is less so.
        next_ = np.maximum(np.minimum(steps - 1, top), wanted)
        steps = np.where(lower, next_, steps)


def _wanted(found: Profile, steps: Ints, size: int, plan: Plan, bound: float) -> Ints | None:
    """(F, H) steps that the standard errors of what is below `steps` ask for; none: too small."""
    whole = found.above(steps)
    rest = found.frame_count - whole
    mean, variance = found.spread(steps)
    drawn = plan(rest, np.sqrt(variance[found.spread_at]), size - int(whole.sum()))
    if drawn is None:
        return None
    left = (drawn > 0) & (drawn < rest)
    weight = np.divide(rest, drawn, out=np.ones(rest.size), where=drawn > 0)
    parts = np.where(left, rest * (weight - 1), 0.0) * np.nan_to_num(variance)
    error = np.sqrt(parts.sum(axis=1))
    limit = mean + bound * error[:, None] / weight
    sought = left & (error[:, None] > 0) & np.isfinite(limit) & (limit > 0)
    sought[found.cut_count :] = False
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.floor(STEPS * np.log10(limit))
    lowest = found.lowest + 1
    return np.where(sought, np.maximum(np.where(sought, step, 0), lowest), NEVER).astype(np.int64)


def _step(name: str) -> str:
    """The step that a value lies on, by its distance from zero; null for zero and unknown."""
    value = f"{_quoted(name)}::DOUBLE"
    return (f"CASE WHEN isfinite({value}) AND {value} <> 0"
            f" THEN floor({STEPS} * log10(abs({value})))::INTEGER END")  # fmt: skip


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
