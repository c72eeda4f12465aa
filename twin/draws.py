"""Numbers by chance and by rule: random streams, hashes, heavy tails, evenly spread marks.

Belongs here: arithmetic that every part of the twin shares and that knows no account and no
repository. Does not belong here: what is planted with it.

Two kinds of chance. A `stream` is drawn once, in order, when a world is built. A hash (`mixed`)
is asked at any time, in any order, for any index; with it a history of seventy million commits
needs no memory.

Marks. Position j of a sequence is marked iff `marks_before(j + 1) > marks_before(j)`, where
`marks_before(j) = floor(j * share + phase)`. The marks among the first n positions are therefore
`marks_before(n)`: a planted share whose exact count needs no enumeration. Shares and phases are
multiples of powers of two, so that the products are exact for every position below 2**32.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Hashes = NDArray[np.uint64]

DAY = 86_400
YEAR = 31_557_600
_SHARE_STEPS = 1 << 20
_PHASE_STEPS = 1 << 10
# Of splitmix64 (Steele, Lea and Flood 2014).
_BITS, _STEP = (1 << 64) - 1, 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_U_STEP, _U_FIRST, _U_SECOND = np.uint64(_STEP), np.uint64(_FIRST), np.uint64(_SECOND)
_U30, _U27, _U31 = np.uint64(30), np.uint64(27), np.uint64(31)


def stream(seed: int, name: str) -> np.random.Generator:
    """The random stream of one part of the world."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def mixed(*parts: NDArray[Any] | int) -> Hashes:
    """A 64-bit hash of integers, elementwise (splitmix64), equal on every machine.

    Of single numbers the arithmetic is Python's: numpy takes longer to begin a step than to do it.
    """
    state = 0
    for place, part in enumerate(parts):
        if isinstance(part, np.ndarray):
            if part.shape not in {(), (1,)}:
                return _mixed_arrays(state, parts[place:])
            part = part.item()
        state = (state + int(part) + _STEP) & _BITS
        state = ((state ^ (state >> 30)) * _FIRST) & _BITS
        state = ((state ^ (state >> 27)) * _SECOND) & _BITS
        state ^= state >> 31
    return np.array([state], np.uint64)


def _mixed_arrays(start: int, parts: Sequence[NDArray[Any] | int]) -> Hashes:
    """The same from a hash on, of which the first part is an array."""
    state = np.full(1, start, np.uint64)
    for part in parts:
        if isinstance(part, np.ndarray):
            state = state + part.astype(np.uint64) + _U_STEP
        else:
            state = state + np.uint64((int(part) + _STEP) & _BITS)
        state ^= state >> _U30
        state *= _U_FIRST
        state ^= state >> _U27
        state *= _U_SECOND
        state ^= state >> _U31
    return state


def salt_of(seed: int, name: str) -> int:
    """A number for `mixed` that keeps the parts of a world, and two worlds, apart."""
    return int(mixed(seed, zlib.crc32(name.encode()))[0] >> np.uint64(2))


def uniform_of(hashed: Hashes) -> Floats:
    """Numbers in [0, 1) from hashes (53 bits)."""
    return (hashed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def below(hashed: Hashes, bound: NDArray[Any] | int) -> Ints:
    """Integers in [0, bound) from hashes; 0 where the bound is 0."""
    limit = np.maximum(np.asarray(bound), 1).astype(np.uint64)
    found: Ints = (hashed % limit).astype(np.int64)
    return found


def ranks_of(score: Floats, rng: np.random.Generator) -> Floats:
    """Ranks in (0, 1) of a score, one in each of n equal slots."""
    n = len(score)
    order = np.empty(n)
    order[np.argsort(score, kind="stable")] = np.arange(n)
    return (order + rng.uniform(0.01, 0.99, n)) / n


def weighted_choice(rng: np.random.Generator, weights: Floats, size: int) -> Ints:
    """Indices drawn with probability proportional to `weights`."""
    edges = np.cumsum(weights)
    return np.minimum(
        np.searchsorted(edges, rng.uniform(0, edges[-1], size), side="right"), len(weights) - 1
    ).astype(np.int64)


def held_by_few(rng: np.random.Generator, count: int, largest: float = 0.04) -> Floats:
    """Weights of which few have most, as owners have repositories, yet none more than a share.

    A Pareto tail of exponent 1.1 alone may give nearly all to one of a small world's owners, which
    no platform of this size shows.
    """
    weights = rng.pareto(1.1, count) + 1
    # Every round lowers the sum, and with it what is too much; it settles within a few.
    for _ in range(60):
        weights = np.minimum(weights, max(largest, 2 / count) * weights.sum())
    return weights


def exact_share(share: Floats) -> Floats:
    """A share in [0, 1] on the grid on which the marks are exact."""
    steps: Floats = np.round(np.clip(share, 0, 1) * _SHARE_STEPS)
    return steps / _SHARE_STEPS


def phase_of(hashed: Hashes) -> Floats:
    """A phase in [0, 1) on the grid on which the marks are exact."""
    return (hashed % np.uint64(_PHASE_STEPS)).astype(np.float64) / _PHASE_STEPS


def marks_before(position: Ints, share: Floats, phase: Floats) -> Ints:
    """Number of marks among the positions 0 .. position - 1."""
    return np.floor(position * share + phase).astype(np.int64)


def is_marked(position: Ints, share: Floats, phase: Floats) -> Bools:
    marked: Bools = np.greater(
        marks_before(position + 1, share, phase), marks_before(position, share, phase)
    )
    return marked


def spread_before(position: Ints, count: Ints, total: Ints, offset: Ints) -> Ints:
    """Marks among the first positions where exactly `count` of `total` are marked.

    `offset` is in [0, total). Counts up to 2**31 do not overflow.
    """
    return (position * count + offset) // np.maximum(total, 1)


def spread_place(rank: Ints, count: Ints, total: Ints, offset: Ints) -> Ints:
    """Position of the mark of a rank (from 0): the inverse of `spread_before`."""
    wanted = (rank + 1) * np.maximum(total, 1) - offset
    return -(-wanted // np.maximum(count, 1)) - 1


@dataclass(frozen=True)
class Tail:
    """A heavy-tailed count: a share of zeros, then a positive tail.

    `shape` is the exponent of a Pareto tail from 1 up to `maximum` where `median` is None, else
    the log standard deviation of a lognormal with that median.
    """

    zero_share: float
    shape: float
    maximum: int
    median: float | None = None

    def values(self, ranks: Floats) -> Ints:
        """Counts at ranks in (0, 1), the inverse of the distribution function."""
        inner = np.clip((ranks - self.zero_share) / (1 - self.zero_share), 1e-12, 1 - 1e-12)
        if self.median is None:
            floor = float(self.maximum) ** -self.shape
            tail = (1 - inner * (1 - floor)) ** (-1 / self.shape)
        else:
            tail = np.maximum(self.median * np.exp(self.shape * normal_quantile(inner)), 1.0)
        counts = np.minimum(np.floor(tail), self.maximum).astype(np.int64)
        return np.where(ranks < self.zero_share, 0, counts)


def normal_quantile(p: Floats) -> Floats:
    """Inverse normal distribution function (Acklam's rational approximation, error < 1.2e-9)."""
    a = [-39.69683028665376, 220.9460984245205, -275.9285104469687, 138.3577518672690,
         -30.66479806614716, 2.506628277459239]  # fmt: skip
    b = [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972,
         -13.28068155288572, 1.0]  # fmt: skip
    c = [-0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734,
         4.374664141464968, 2.938163982698783]  # fmt: skip
    d = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1.0]
    q = p - 0.5
    middle = q * np.polyval(a, q * q) / np.polyval(b, q * q)
    tail = np.sqrt(-2 * np.log(np.minimum(p, 1 - p)))
    outer = np.polyval(c, tail) / np.polyval(d, tail)
    return np.where(np.abs(q) <= 0.47575, middle, np.where(q < 0, outer, -outer))
