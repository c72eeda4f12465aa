"""Drawing a stratified sample of a frame of any size in DuckDB, on permanent random numbers.

Belongs here: the random number of a unit, the survey of a frame, the draw, rejection of units and
their replacement. Does not belong here: where a frame comes from (`frame`, the command line), how
many are drawn (`allocation`), and estimates (`estimators`).

A unit's random number is a function of the seed and its key alone, so it stays for good (Ohlsson
1995). A stratum's sample is its units with the smallest numbers, as many as wanted: a simple random
sample without replacement, of which tomorrow's larger frame keeps what its sampling rate allows.

A frame is read twice, in the order it lies. The survey counts the units of each stratum; from that
follows a bound below which the wanted units' numbers lie, but for a chance of one in a thousand
million. The draw takes the units below the bound, few more than wanted, and sorts only those; where
they are too few after all, the bound is raised and the frame read again.

Rejected units (second phase: those that turned out not to belong) are walked past and replaced by
the next number, and stay in the sample as rejected: how many there were is what the weights need.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from assets.study.estimators import Sample, sample_of
from assets.study.strata import class_of
from orchestration.failures import PermanentFailure

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MEMORY_MEGABYTES = 2000
# Standard deviations above the expected number of units below a bound.
MARGIN = 6.0
IN, BELIEVED, OUT = "accepted", "believed", "rejected"
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Plan = Callable[["Survey"], Ints]


@dataclass(frozen=True)
class Survey:
    """What a frame holds of each stratum, in ascending order of its number.

    Attributes:
        number: (H,) numbers of the strata.
        frame_count: (H,) units.
        deviation: (H,) standard deviation of the frame's `value` among units of known value; NaN
            where fewer than two are known.
        open_count: (H,) units that are not rejected.
        digest: changes when a unit, its stratum, its value or its rejection changes.
    """

    number: Ints
    frame_count: Ints
    deviation: Floats
    open_count: Ints
    digest: str


@dataclass(frozen=True)
class Draw:
    """A sample: counts for each stratum, and the units as a table.

    Attributes:
        number: (H,) numbers of the strata; all that follow are (H,) as well.
        target_count: wanted of each stratum.
        drawn_count: walked over, rejected ones included.
        rejected_count: of these, not in.
        believed_count: of these, in as far as is known, but nobody asked.
        rate: random number up to which the stratum was drawn where the rate is fixed, else NaN.
        members: `unit_key, stratum_number, random_number, outcome, reason, place`, ordered by
            stratum and random number.
    """

    number: Ints
    frame_count: Ints
    target_count: Ints
    drawn_count: Ints
    rejected_count: Ints
    believed_count: Ints
    rate: Floats
    members: "pa.Table"

    @property
    def is_quota(self) -> NDArray[np.bool_]:
        """(H,) strata whose last unit met the quota: the number walked over is random."""
        return np.asarray(np.isnan(self.rate) & (self.drawn_count < self.frame_count))

    @property
    def is_plain(self) -> NDArray[np.bool_]:
        """(n,) members that their random number alone would have drawn.

        They are the sample without what is taken whole: of a stratum and what is taken whole of
        it, the units up to the number at which drawing ended.
        """
        below = {
            int(number): 1.0 if whole else float(last)
            for number, whole, last in zip(
                self.number, self.drawn_count == self.frame_count, self._last(), strict=True
            )
            if number >= 0
        }
        numbers = self.members["random_number"].to_numpy()
        strata = self.members["stratum_number"].to_pylist()
        ends = np.array([below.get(class_of(stratum), 1.0) for stratum in strata])
        return np.asarray(numbers <= ends)

    def _last(self) -> Floats:
        """(H,) largest random number drawn."""
        at = np.searchsorted(self.number, self.members["stratum_number"].to_numpy())
        last = np.zeros(self.number.size)
        np.maximum.at(last, at, self.members["random_number"].to_numpy())
        return last

    def sample(self) -> Sample:
        """The units with their weights, index-aligned with `members`; strata of one unit collapse.

        Strata nothing was wanted of (they have no counterpart to be matched with) are left out:
        the sample stands for the others.
        """
        covered = self.drawn_count > 0
        index = np.searchsorted(self.number[covered],
                                self.members["stratum_number"].to_numpy())  # fmt: skip
        return sample_of(
            index,
            self.frame_count[covered],
            is_in=self.members["outcome"].to_numpy(zero_copy_only=False) != OUT,
            is_quota=self.is_quota[covered],
            lonely="collapse",
        )


def random_number(seed: int, unit_key: str) -> float:
    """A unit's permanent random number in [0, 1), the one that `number_sql` gives.

    53 bits of an MD5 digest: chosen for being the same in every version of every program, not
    for any secrecy.
    """
    digest = hashlib.md5(f"{seed}:{unit_key}".encode(), usedforsecurity=False).digest()
    return (int.from_bytes(digest, "little") >> 75) / 2**53


def number_sql(seed: int, unit_key: str = "unit_key") -> str:
    """An SQL expression of the permanent random number."""
    return f"((md5_number('{int(seed)}:' || {unit_key}) >> 75)::UBIGINT::DOUBLE / 9007199254740992)"


@contextmanager
def workshop(
    memory_megabytes: int = MEMORY_MEGABYTES, folder: Path | None = None
) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A connection with bounded memory that spills to a folder of its own, gone afterwards.

    Args:
        folder: where the folder for spilling is made; by default the system's.
    """
    import duckdb

    with (
        TemporaryDirectory(prefix="osmoscope-draw-", dir=folder) as spill,
        duckdb.connect() as connection,
    ):
        connection.execute(f"SET memory_limit = '{int(memory_megabytes)}MB'")
        connection.execute("SET temp_directory = $spill", {"spill": spill})
        connection.execute("SET preserve_insertion_order = false")
        connection.execute("SET TimeZone = 'UTC'")
        # It would be printed between the lines of what a command prints.
        connection.execute("SET enable_progress_bar = false")
        yield connection


def survey(connection: "duckdb.DuckDBPyConnection", frame: str) -> Survey:
    """Read the frame once: what is there of each stratum.

    Args:
        frame: SQL of a relation with the columns `unit_key` (text, unique), `stratum_number`,
            `value` (a number or null), `reason` (why the unit is rejected, or null) and
            `is_known` (whether it is known that it is not to be rejected).

    Raises:
        PermanentFailure: a unit has no key or no stratum.
    """
    rows = connection.sql(
        f"""
        SELECT
            stratum_number::BIGINT AS stratum_number,
            count(*) AS frame_count,
            count(unit_key) AS key_count,
            count(*) FILTER (WHERE reason IS NULL) AS open_count,
            stddev_samp(value::DOUBLE) AS deviation,
            bit_xor(hash(unit_key, stratum_number, value, reason, is_known)) AS mark
        FROM ({frame})
        GROUP BY ALL
        ORDER BY ALL
        """
    ).to_arrow_table()
    column = {name: rows[name].to_numpy(zero_copy_only=False) for name in rows.column_names}
    if rows["stratum_number"].null_count or (column["key_count"] < column["frame_count"]).any():
        raise PermanentFailure(
            "A unit of the frame has no key or no stratum.", "Give every row of the frame an id."
        )
    marks = b"".join(
        column[name].astype("<u8").tobytes()
        for name in ("stratum_number", "frame_count", "open_count", "mark")
    )
    return Survey(
        number=column["stratum_number"].astype(np.int64),
        frame_count=column["frame_count"].astype(np.int64),
        deviation=column["deviation"].astype(np.float64),
        open_count=column["open_count"].astype(np.int64),
        digest=hashlib.sha256(marks).hexdigest(),
    )


def draw(
    connection: "duckdb.DuckDBPyConnection",
    frame: str,
    seed: int,
    found: Survey,
    target_count: Ints,
    rates: dict[int, float] | None = None,
) -> Draw:
    """Read the frame a second time and take its units.

    Args:
        frame: as for `survey`.
        target_count: (H,) units wanted of each stratum.
        rates: stratum number to sampling rate. Given, a stratum's units are those with numbers
            below its rate, however many that are: a unit once drawn stays as long as it is in the
            stratum. Strata that are not named begin with target over frame.
    """
    if rates is not None:
        share = target_count / np.maximum(found.frame_count, 1)
        rate = np.array([rates.get(int(number), float(part))
                         for number, part in zip(found.number, share, strict=True)])  # fmt: skip
        most = np.full(rate.size, 2**62)
        return _counted(found, target_count, _taken(connection, frame, seed, found, rate, most),
                        rate)  # fmt: skip
    margin = MARGIN
    while True:
        upper = _upper(found, target_count, margin)
        made = _counted(
            found,
            target_count,
            _taken(connection, frame, seed, found, upper, target_count),
            None,
        )
        accepted = made.drawn_count - made.rejected_count
        if not ((accepted < target_count) & (upper < 1.0)).any():
            return made
        margin *= 4


def _taken(
    connection: "duckdb.DuckDBPyConnection",
    frame: str,
    seed: int,
    found: Survey,
    upper: Floats,
    wanted: Ints,
) -> "pa.Table":
    """Units with numbers below a stratum's bound, until as many as wanted are not rejected."""
    cuts = ", ".join(
        f"({number}, {bound!r}::DOUBLE, {most}::BIGINT)"
        for number, bound, most in zip(
            found.number.tolist(), upper.tolist(), wanted.tolist(), strict=True
        )
    )
    return connection.sql(
        f"""
        WITH cuts(stratum_number, upper_bound, wanted) AS (VALUES {cuts or "(0, 0.0, 0)"}),
        numbered AS (
            SELECT unit_key, stratum_number, is_known, reason, {number_sql(seed)} AS random_number
            FROM ({frame})
        ),
        near AS (
            SELECT numbered.*, cuts.wanted
            FROM numbered INNER JOIN cuts USING (stratum_number)
            WHERE numbered.random_number < cuts.upper_bound AND cuts.wanted > 0
        ),
        walked AS (
            SELECT
                *,
                coalesce(sum((reason IS NULL)::INTEGER) OVER (
                    PARTITION BY stratum_number ORDER BY random_number, unit_key
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                ), 0) AS taken_before
            FROM near
        )
        SELECT
            unit_key,
            stratum_number::BIGINT AS stratum_number,
            random_number,
            CASE WHEN reason IS NOT NULL THEN '{OUT}' WHEN is_known THEN '{IN}'
                ELSE '{BELIEVED}' END AS outcome,
            reason,
            row_number() OVER (
                PARTITION BY stratum_number ORDER BY random_number, unit_key
            ) AS place
        FROM walked
        WHERE taken_before < wanted
        ORDER BY stratum_number, random_number, unit_key
        """
    ).to_arrow_table()


def draw_by(
    connection: "duckdb.DuckDBPyConnection", frame: str, seed: int, plan: Plan
) -> tuple[Survey, Draw]:
    """Survey, plan and draw a frame."""
    found = survey(connection, frame)
    return found, draw(connection, frame, seed, found, plan(found))


def _upper(found: Survey, target_count: Ints, margin: float) -> Floats:
    """Random number below which the wanted units lie; all of a stratum that has no more."""
    expected = target_count + margin * np.sqrt(target_count) + margin**2
    upper = np.minimum(1.0, expected / np.maximum(found.open_count, 1))
    upper[target_count >= found.open_count] = 1.0
    return np.where(target_count > 0, upper, 0.0)


def _counted(found: Survey, target: Ints, members: "pa.Table", rate: Floats | None) -> Draw:
    at = np.searchsorted(found.number, members["stratum_number"].to_numpy())
    outcome = members["outcome"].to_numpy(zero_copy_only=False)
    strata = found.number.size
    return Draw(
        number=found.number,
        frame_count=found.frame_count,
        target_count=target,
        drawn_count=np.bincount(at, minlength=strata),
        rejected_count=np.bincount(at[outcome == OUT], minlength=strata),
        believed_count=np.bincount(at[outcome == BELIEVED], minlength=strata),
        rate=np.full(strata, np.nan) if rate is None else rate,
        members=members,
    )
