"""Verification samples: which opening posts people code, and what they decided.

Belongs here: drawing and extending a sample, its files, and what people decided of a message. Does
not belong here: labels as they are kept (`labels`), figures of agreement and prevalence
(`verified`), and where the frame comes from (`corpus`, `verified_files`).

The frame is divided by platform and by the theme that a machine coder gives, so that a rare theme
is in the sample often enough to be judged. Each platform's sample is as large as an interval of
plus or minus `margin` needs (finite population correction included), shared out in proportion to
the strata, and topped up to `least` in each. A message's random number is of the seed and its key
alone (see `draw`): a frame that grew keeps what its sampling rate allows, and `extend` draws on
until the messages of the older sample are in again.

Coders are blind: the sample's own file says nothing of what a machine said, and its strata have
names that say nothing. What they mean, what each machine coder said of the sample, and its totals
over the frame lie in another file. Each file is complete by itself and appears whole or not at all.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from assets.study.allocation import allocate
from assets.study.draw import draw, number_sql, survey, workshop
from assets.study.estimators import Sample, domain, sample_of
from orchestration.failures import PermanentFailure
from orchestration.lake import write_whole

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

SEED = 2016
MARGIN = 0.05
# Texts of a stratum from which precision and recall of its theme can be told at all.
LEAST = 30
# How far a sample may grow to keep what was coded before.
MOST_GROWTH = 2.0
SAMPLE_FILE, DESIGN_FILE, MACHINE_FILE = "sample.parquet", "sample.json", "machine.parquet"
# Key of the JSON in the files' metadata.
_DESIGN = b"osmoscope"
FORMAT = 1
CONSENSUS = "consensus"
ALL = "all"
# As drawn for one platform; of every message with an unknown theme.
UNKNOWN = "none"
TEXTS = ("repository_key", "language", "title", "body")
COLUMNS = ("message_key", "platform", "stratum", "stratum_count", "sample_count", "weight",
           *TEXTS, "place")  # fmt: skip
MACHINE_COLUMNS = ("message_key", "coder", "coder_version", "theme", "probability", "is_primary",
                   "applies")  # fmt: skip
_REMEDY = "Draw it again with the same seed and name: labels are kept."
Row = dict[str, Any]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Stratum:
    """A part of the frame.

    Attributes:
        name: says nothing of the theme.
        frame_count: messages of the frame (N_h).
        sample_count: messages drawn (n_h).
    """

    name: str
    platform: str
    frame_count: int
    sample_count: int


@dataclass(frozen=True)
class Total:
    """What a machine coder says of a platform's whole frame, of one theme.

    Attributes:
        message_count: messages of the platform that it coded.
        primary_count: of them with this primary theme.
        applies_count: of them that the theme is said to hold of.
        probability: mean probability of the theme, to nine digits.
    """

    platform: str
    coder: str
    coder_version: str
    theme: str
    message_count: int
    primary_count: int
    applies_count: int
    probability: float


@dataclass(frozen=True)
class VerificationSample:
    """A sample as drawn or read.

    Attributes:
        rows: `COLUMNS`, by place.
        strata: of the design, those of which nothing was drawn too.
        machine: `MACHINE_COLUMNS`; empty where no machine's codings were given.
        totals: over the frame, of the coders in `machine`.
        meanings: name of a stratum to the machine's theme.
        dropped: messages of the older sample that are not in this one; their labels stay in files.
    """

    name: str
    seed: int
    margin: float | None
    rows: "pa.Table"
    strata: tuple[Stratum, ...]
    machine: "pa.Table"
    totals: tuple[Total, ...] = ()
    meanings: Mapping[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()

    @property
    def keys(self) -> list[str]:
        """Of the messages, by place."""
        found: list[str] = self.rows["message_key"].to_pylist()
        return found

    @property
    def platforms(self) -> list[str]:
        return sorted({stratum.platform for stratum in self.strata})

    def sample(self, platform: str = ALL) -> Sample:
        """With its weights, index-aligned with `rows`; other platforms' messages are not in."""
        names = {stratum.name: at for at, stratum in enumerate(self.strata)}
        at = np.array([names[one] for one in self.rows["stratum"].to_pylist()], np.int64)
        counts = [stratum.frame_count if stratum.sample_count else 0 for stratum in self.strata]
        whole = sample_of(at, counts, lonely="collapse")
        return whole if platform == ALL else domain(whole, self._is_of(platform))

    def of(self, platform: str) -> "tuple[Sample, Ints]":
        """A platform's own strata alone, and the positions of its messages in `rows`."""
        inside = np.flatnonzero(self._is_of(platform))
        strata = [one for one in self.strata if platform in (one.platform, ALL)]
        names = {stratum.name: at for at, stratum in enumerate(strata)}
        labels = self.rows["stratum"].to_pylist()
        at = np.array([names[labels[one]] for one in inside], np.int64)
        counts = [one.frame_count if one.sample_count else 0 for one in strata]
        return sample_of(at, counts, lonely="collapse"), inside

    def _is_of(self, platform: str) -> Bools:
        values = self.rows["platform"].to_pylist()
        return np.array([platform in (one, ALL) for one in values], bool)


# ---------------------------------------------------------------- drawing


def size_for(margin: float, frame_count: int) -> int:
    """Units needed for an interval of 95 % of at most `margin` to each side, at worst.

    385 of a large frame at 0.05; fewer of a small one (Cochran 1977, 4.4).

    Raises:
        PermanentFailure: `margin` is not between 0 and 1/2.
    """
    if not 0 < margin < 0.5:
        raise PermanentFailure(
            f"The margin {margin:g} is not between 0 and 0.5.", "Give 0.05 for five points."
        )
    many = 1.959963984540054**2 / 4 / margin**2
    return min(frame_count, math.ceil(many / (1 + (many - 1) / max(frame_count, 1)) - 1e-9))


def draw_sample(
    frame: "pa.Table | str",
    name: str,
    *,
    margin: float = MARGIN,
    size: int | None = None,
    least: int = LEAST,
    seed: int = SEED,
    older: VerificationSample | None = None,
    codings: "pa.Table | str | None" = None,
) -> VerificationSample:
    """Draw a sample of each platform of a frame.

    Args:
        frame: `message_key` (unique), `platform`, `primary` (the machine's theme; null is a
            stratum of its own) and, where known, `TEXTS`, of which the drawn messages' are taken.
            A table, or a query that DuckDB can run by itself (of files), so that the texts of a
            large frame need no memory.
        margin: to each side of an interval of 95 %.
        size: messages of each platform, instead of what `margin` needs.
        least: messages of each stratum that has as many; with `margin` in addition to its size.
        older: a sample of an earlier state of the frame, whose messages are to stay in as far as
            the sample does not grow to more than `MOST_GROWTH` times its size for it.
        codings: `MACHINE_COLUMNS` (`applies` may lack) of all messages of the frame, of one or
            more coders, as a table or query; kept for the drawn messages, and in total for the
            frame.

    Raises:
        PermanentFailure: a message has no key or platform, or occurs twice; `size` is too small;
            or `older` was drawn with another seed.
    """
    import pyarrow as pa

    if older is not None and older.seed != seed:
        raise PermanentFailure(
            f"The sample {older.name} was drawn with the seed {older.seed}.",
            f"Extend it with --seed {older.seed}.",
        )
    with workshop() as connection:
        meanings = _register(connection, frame, seed)
        found = survey(connection, _UNITS)
        platforms = [meanings[int(number)][0] for number in found.number]
        target = np.zeros(found.number.size, np.int64)
        for platform in sorted(set(platforms)):
            at = np.array([one == platform for one in platforms])
            target[at] = _wanted(found.frame_count[at], margin, size, least)
        if older is not None:
            target = _extended(connection, found.number, target, found.frame_count, older, seed)
        made = draw(connection, _UNITS, seed, found, target)
        names = {number: f"{meaning[0]}-{at:02d}" for at, (number, meaning)
                 in enumerate(sorted(meanings.items()), 1)}  # fmt: skip
        strata = tuple(
            Stratum(names[int(number)], meanings[int(number)][0], int(count), int(drawn))
            for number, count, drawn in zip(
                made.number, made.frame_count, made.drawn_count, strict=True
            )
        )
        rows = _rows(connection, made.members, names, strata, older, seed)
        machine, totals = _machine(connection, codings, rows)
    drawn_keys = set(rows["message_key"].to_pylist())
    before = () if older is None else tuple(k for k in older.keys if k not in drawn_keys)
    assert isinstance(rows, pa.Table)
    return VerificationSample(
        name, seed, None if size is not None else margin, rows, strata, machine, totals,
        {names[number]: meaning[1] for number, meaning in meanings.items()}, before,
    )  # fmt: skip


_UNITS = (
    "SELECT message_key AS unit_key, stratum_number, 0.0 AS value,"
    " CAST(NULL AS VARCHAR) AS reason, true AS is_known FROM frame_units"
)


def _register(
    connection: "duckdb.DuckDBPyConnection", frame: "pa.Table | str", seed: int
) -> dict[int, tuple[str, str]]:
    """The frame as units; gives platform and theme of each stratum's number.

    Numbers are in an order that the seed makes, so that they do not tell the theme.
    """
    columns = _named(connection, "frame", frame)
    missing = [one for one in ("message_key", "platform") if one not in columns]
    if missing:
        raise PermanentFailure(
            f"The frame has no column {missing[0]}.", f"It has {', '.join(columns)}."
        )
    primary = '"primary"' if "primary" in columns else "CAST(NULL AS VARCHAR)"
    connection.execute(
        "CREATE TEMP TABLE keyed AS SELECT message_key::VARCHAR AS message_key,"
        f" platform::VARCHAR AS platform, coalesce({primary}::VARCHAR, '{UNKNOWN}') AS theme"
        " FROM frame"
    )
    counted = connection.execute(
        "SELECT count(*), count(message_key), count(platform), count(DISTINCT message_key)"
        " FROM keyed"
    ).fetchall()[0]
    rows, keys, platforms, distinct = (int(one) for one in counted)
    if rows == 0:
        raise PermanentFailure("The frame has no messages.", "Give a table with messages.")
    if keys < rows or platforms < rows:
        raise PermanentFailure("A message of the frame has no key or no platform.", "Give both.")
    if distinct < rows:
        raise PermanentFailure(
            f"{rows - distinct:,} messages of the frame have a key that occurs before.",
            "Give every message once.",
        )
    found = connection.execute("SELECT DISTINCT platform, theme FROM keyed ORDER BY ALL").fetchall()
    mixed = sorted(((str(p), str(t)) for p, t in found), key=lambda one: (one[0], _mark(seed, one)))
    connection.execute(
        "CREATE TEMP TABLE strata (platform VARCHAR, theme VARCHAR, stratum_number BIGINT)"
    )
    connection.executemany(
        "INSERT INTO strata VALUES (?, ?, ?)", [(*one, at) for at, one in enumerate(mixed)]
    )
    connection.execute(
        "CREATE TEMP TABLE frame_units AS SELECT message_key, stratum_number"
        " FROM keyed INNER JOIN strata USING (platform, theme)"
    )
    return dict(enumerate(mixed))


def _named(
    connection: "duckdb.DuckDBPyConnection", name: str, source: "pa.Table | str"
) -> list[str]:
    """Give a table or query a name; returns its columns."""
    if isinstance(source, str):
        connection.execute(f"CREATE TEMP VIEW {name} AS {source}")
        return connection.table(name).columns
    connection.register(name, source)
    return list(source.column_names)


def _mark(seed: int, parts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps([seed, *parts]).encode()).hexdigest()


def _wanted(frame_count: Ints, margin: float, size: int | None, least: int) -> Ints:
    """Units of each stratum of a platform."""
    if size is not None:
        return allocate("proportional", size, frame_count, least=least)
    needed = size_for(margin, int(frame_count.sum()))
    shared = allocate("proportional", max(needed, frame_count.size), frame_count, least=1)
    return np.maximum(shared, np.minimum(least, frame_count))


def _extended(
    connection: "duckdb.DuckDBPyConnection",
    numbers: Ints,
    target: Ints,
    frame_count: Ints,
    older: VerificationSample,
    seed: int,
) -> Ints:
    """Targets raised until what was drawn before is drawn again, within bounds."""
    connection.execute("CREATE TEMP TABLE older (message_key VARCHAR)")
    if older.keys:
        connection.executemany("INSERT INTO older VALUES (?)", [(one,) for one in older.keys])
    number = number_sql(seed, "message_key")
    ranks = dict(connection.execute(
        f"""
        WITH placed AS (
            SELECT message_key, stratum_number, row_number() OVER (
                PARTITION BY stratum_number ORDER BY {number}, message_key
            ) AS place
            FROM frame_units
        ),
        ranked AS (SELECT placed.* FROM placed INNER JOIN older USING (message_key))
        SELECT stratum_number, list(place ORDER BY place) FROM ranked GROUP BY ALL
        """
    ).fetchall())  # fmt: skip
    raised = target.copy()
    for at, stratum in enumerate(numbers.tolist()):
        most = max(int(MOST_GROWTH * target[at]), 1)
        within = [place for place in ranks.get(stratum, []) if place <= most]
        raised[at] = min(max([int(target[at]), *within]), int(frame_count[at]))
    return raised


def _rows(
    connection: "duckdb.DuckDBPyConnection",
    members: "pa.Table",
    names: Mapping[int, str],
    strata: Sequence[Stratum],
    older: VerificationSample | None,
    seed: int,
) -> "pa.Table":
    """The drawn messages with their texts, in random order; those of an older sample first."""
    import pyarrow as pa

    keys = members["unit_key"].to_pylist()
    at = [names[number] for number in members["stratum_number"].to_pylist()]
    of = {stratum.name: stratum for stratum in strata}
    places = {} if older is None else dict(zip(older.keys, older.rows["place"].to_pylist(),
                                               strict=True))  # fmt: skip
    order = sorted(range(len(keys)), key=lambda one: (
        places.get(keys[one], math.inf), _mark(seed, ("place", keys[one]))))  # fmt: skip
    # Numbers of places that nobody has any more are not given again.
    after = max(places.values(), default=0)
    numbered = []
    fresh = after
    for one in order:
        known = places.get(keys[one])
        fresh += known is None
        numbered.append(fresh if known is None else known)
    connection.register("members", pa.table({
        "message_key": pa.array([keys[one] for one in order], pa.string()),
        "platform": pa.array([of[at[one]].platform for one in order], pa.string()),
        "stratum": pa.array([at[one] for one in order], pa.string()),
        "stratum_count": pa.array([of[at[one]].frame_count for one in order], pa.int64()),
        "sample_count": pa.array([of[at[one]].sample_count for one in order], pa.int64()),
        "weight": pa.array([of[at[one]].frame_count / of[at[one]].sample_count
                            for one in order], pa.float64()),
        "place": pa.array(numbered, pa.int64()),
    }))  # fmt: skip
    there = connection.table("frame").columns
    texts = ", ".join(
        f'frame."{name}"::VARCHAR AS "{name}"' if name in there
        else f'CAST(NULL AS VARCHAR) AS "{name}"' for name in TEXTS
    )  # fmt: skip
    return connection.sql(
        f"SELECT members.message_key, members.platform, stratum, stratum_count, sample_count,"
        f" weight, {texts}, place FROM members INNER JOIN frame"
        " ON members.message_key = frame.message_key::VARCHAR ORDER BY place"
    ).to_arrow_table()


def _machine(
    connection: "duckdb.DuckDBPyConnection", codings: "pa.Table | str | None", rows: "pa.Table"
) -> "tuple[pa.Table, tuple[Total, ...]]":
    """What coders said of the drawn messages, and totals over the frame."""
    import pyarrow as pa

    if codings is None:
        kinds = [pa.string()] * 4 + [pa.float64(), pa.bool_(), pa.bool_()]
        empty = pa.schema(list(zip(MACHINE_COLUMNS, kinds, strict=True))).empty_table()
        return empty, ()
    columns = _named(connection, "codings", codings)
    missing = [one for one in MACHINE_COLUMNS[:-1] if one not in columns]
    if missing:
        raise PermanentFailure(
            f"The codings have no column {missing[0]}.",
            f"Give {', '.join(MACHINE_COLUMNS[:-1])}, a row for each message, coder and theme.",
        )
    connection.register("drawn", rows.select(["message_key"]))
    applies = "coalesce(applies, is_primary)" if "applies" in columns else "is_primary"
    connection.execute(
        "CREATE TEMP VIEW said AS SELECT message_key::VARCHAR AS message_key,"
        " coder::VARCHAR AS coder, coder_version::VARCHAR AS coder_version,"
        " theme::VARCHAR AS theme, probability::DOUBLE AS probability,"
        f" is_primary::BOOLEAN AS is_primary, {applies}::BOOLEAN AS applies FROM codings"
    )
    _check_codings(connection)
    machine = connection.sql(
        "SELECT said.* FROM said INNER JOIN drawn USING (message_key) ORDER BY ALL"
    ).to_arrow_table()
    totals = connection.execute(
        """
        WITH coded AS (
            SELECT said.*, keyed.platform FROM said INNER JOIN keyed USING (message_key)
        ),
        sized AS (
            SELECT platform, coder, coder_version, count(DISTINCT message_key) AS message_count
            FROM coded GROUP BY ALL
        )
        SELECT platform, coder, coder_version, theme, message_count,
            count(*) FILTER (WHERE is_primary), count(*) FILTER (WHERE applies),
            -- The last digits of a sum depend on the order in which threads add.
            round(sum(probability) / max(message_count), 9)
        FROM coded INNER JOIN sized USING (platform, coder, coder_version)
        GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    return machine, tuple(Total(*row) for row in totals)


def _check_codings(connection: "duckdb.DuckDBPyConnection") -> None:
    """One version of a coder, one row a theme, one primary theme a message.

    Raises:
        PermanentFailure: otherwise; a figure of such codings would be of nothing.
    """
    problems = {
        "has two versions": "SELECT coder FROM said GROUP BY coder"
        " HAVING count(DISTINCT coder_version) > 1",
        "says something twice of a message": "SELECT coder FROM said"
        " GROUP BY coder, message_key, theme HAVING count(*) > 1",
        "does not give each message one primary theme": "SELECT coder FROM said"
        " GROUP BY coder, message_key HAVING count(*) FILTER (WHERE is_primary) <> 1",
    }
    for problem, sql in problems.items():
        found = connection.execute(f"{sql} LIMIT 1").fetchall()
        if found:
            raise PermanentFailure(
                f"The coder {found[0][0]} {problem}.",
                "Give the codings of one version, one row for each message and theme.",
            )


# ---------------------------------------------------------------- files


def write_sample(folder: Path, sample: VerificationSample) -> Path:
    """Write a sample's files into `folder`/name; each appears whole or not at all.

    Labels beside them are left alone.

    Raises:
        PermanentFailure: they cannot be written.
    """
    from assets.study.themes.labels import checked_sample

    place = folder / sample.name
    try:
        place.mkdir(parents=True, exist_ok=True)
        checked_sample(folder, sample.name)
        strata = [asdict(stratum) for stratum in sample.strata]
        design = {
            "format": FORMAT, "name": sample.name, "seed": sample.seed, "margin": sample.margin,
            "message_count": sample.rows.num_rows, "strata": strata,
        }  # fmt: skip
        said = {"format": FORMAT, "meanings": dict(sample.meanings),
                "totals": [asdict(total) for total in sample.totals]}  # fmt: skip
        _write_table(place / MACHINE_FILE, sample.machine, said)
        _write_table(place / SAMPLE_FILE, sample.rows, design)
        write_whole(place / DESIGN_FILE, json.dumps(design, indent=1, ensure_ascii=False).encode())
    except OSError as error:
        raise PermanentFailure(
            f"{place} cannot be written: {error.strerror or error}.",
            "Make the folder writable and see that the disk has space.",
        ) from error
    return place


def _write_table(path: Path, table: "pa.Table", said: Row) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    held = table.replace_schema_metadata({_DESIGN: json.dumps(said, ensure_ascii=False).encode()})
    pq.write_table(held, sink, compression="zstd")
    write_whole(path, sink.getvalue().to_pybytes())


def read_sample(folder: Path, name: str) -> VerificationSample:
    """A sample that `write_sample` wrote.

    Raises:
        SettingsError: the name is none.
        PermanentFailure: there is none, or a file of it cannot be used.
    """
    from assets.study.themes.labels import checked_sample

    place = checked_sample(folder, name)
    rows, design = _read_table(place / SAMPLE_FILE, COLUMNS)
    machine, said = _read_table(place / MACHINE_FILE, MACHINE_COLUMNS)
    try:
        strata = tuple(Stratum(**one) for one in design["strata"])
        totals = tuple(Total(**one) for one in said["totals"])
        meanings, seed, margin = dict(said["meanings"]), int(design["seed"]), design["margin"]
        known = {stratum.name for stratum in strata}
        counts = {one.name: one.sample_count for one in strata if one.sample_count}
        drawn = rows["stratum"].value_counts().to_pylist()
        is_whole = {one["values"]: one["counts"] for one in drawn} == counts
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PermanentFailure(f"{place} is no verification sample.", _REMEDY) from error
    if not is_whole or not known:
        raise PermanentFailure(f"{place / SAMPLE_FILE} lacks messages of its design.", _REMEDY)
    return VerificationSample(name, seed, margin, rows, strata, machine, totals, meanings)


def _read_table(path: Path, columns: Sequence[str]) -> "tuple[pa.Table, Row]":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        said = json.loads((table.schema.metadata or {}).get(_DESIGN, b"{}"))
    except FileNotFoundError as error:
        raise PermanentFailure(f"There is no {path}.", _REMEDY) from error
    except (OSError, ValueError, pa.ArrowException) as error:
        problem = (str(error).splitlines() or ["no reason given"])[0]
        raise PermanentFailure(f"{path} cannot be read: {problem}.", _REMEDY) from error
    missing = [one for one in columns if one not in table.column_names]
    if missing:
        raise PermanentFailure(f"{path} has no column {missing[0]}.", _REMEDY)
    return table.select(list(columns)), said


# ---------------------------------------------------------------- what people decided


class Said(Protocol):
    """A label: of `labels.Label`, or of any file."""

    @property
    def message_key(self) -> str: ...
    @property
    def coder(self) -> str: ...
    @property
    def primary(self) -> str | None: ...
    @property
    def secondary(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Spoken:
    """A label as read from any file."""

    message_key: str
    coder: str
    primary: str | None
    secondary: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What people say of a message together.

    Attributes:
        state: `agreed` (all coders gave the same primary theme), `resolved` (by the coder
            `consensus`), `unclear` (resolved as such), `open` (they differ), `single` (one coder
            only).
        primary: None where open, single or unclear.
        applies: the primary theme with the secondary ones that all coders gave.
    """

    message_key: str
    state: str
    primary: str | None
    applies: frozenset[str]


def decisions_of(labels: Iterable[Said]) -> dict[str, Decision]:
    """By message: what was resolved; else what all coders, two at least, say alike."""
    by_message: dict[str, dict[str, Said]] = {}
    for label in labels:
        by_message.setdefault(label.message_key, {})[label.coder] = label
    return {key: _decision(key, given) for key, given in sorted(by_message.items())}


def consensus_of(labels: Iterable[Said]) -> dict[str, str]:
    """The primary theme by message, of messages that are decided."""
    return {
        key: one.primary for key, one in decisions_of(labels).items() if one.primary is not None
    }


def _decision(key: str, given: Mapping[str, Said]) -> Decision:
    resolved = given.get(CONSENSUS)
    people = [label for coder, label in given.items() if coder != CONSENSUS]
    if resolved is not None:
        if resolved.primary is None:
            return Decision(key, "unclear", None, frozenset())
        return Decision(key, "resolved", resolved.primary,
                        frozenset((resolved.primary, *resolved.secondary)))  # fmt: skip
    primaries = {label.primary for label in people}
    if len(people) < 2:
        return Decision(key, "single", None, frozenset())
    if len(primaries) > 1 or None in primaries:
        return Decision(key, "open", None, frozenset())
    shared = frozenset.intersection(*(frozenset(label.secondary) for label in people))
    primary = people[0].primary
    assert primary is not None
    return Decision(key, "agreed", primary, shared | {primary})
