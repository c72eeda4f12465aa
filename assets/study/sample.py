"""The study's samples of both platforms: frame, designs, and the tables they are kept in.

Belongs here: what of the warehouse is the frame, what is believed and what is known of a
repository, which designs are drawn, their tables. Does not belong here: drawing itself (`draw`),
arithmetic of allocations (`allocation`), estimates (`intensity`).

The frame is what the first sighting believes to be in: GitHub's archive does not know when most
repositories were made. What is known of a repository that was drawn (made before the start, gone, a
fork) rejects it and draws the next; it never leaves the frame, as those that were not drawn do not
leave it either.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assets.study.allocation import Allocation, allocate, least_size
from assets.study.certainty import (
    CutOffs,
    Profile,
    aligned,
    cut_offs,
    left_to_chance,
    planned,
    profile,
)
from assets.study.draw import OUT, Draw, Survey, draw, survey, workshop
from assets.study.features import FEATURES, PLATFORMS, STUDIED, Basis, choose_basis
from assets.study.strata import Strata, class_of, is_certain
from assets.study.tables import StudyTable, attached, replace_study, table_of

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from orchestration.settings import SampleSettings, StudySettings

GITHUB, HUB = PLATFORMS
ACTIVITY = "warehouse.marts.mart_repository_activity"
# Another way of drawing makes samples that were kept untrue.
VERSION = 2
# Sizes known for nearly all divide a frame; known for some, they would divide it by who was asked.
NEARLY_ALL = 0.99
Row = dict[str, Any]
Ints = NDArray[np.int64]

_WHICH = (
    ("study", "VARCHAR NOT NULL", "Name of the study configuration."),
    (
        "design",
        "VARCHAR NOT NULL",
        "Allocation: paper, proportional, neyman, equal or matched.",
    ),
    ("platform", "VARCHAR NOT NULL", "github or huggingface."),
)
STRATUM = StudyTable(
    "study.sample_stratum",
    "One row per study, design, platform and stratum: what the frame has, what was drawn.",
    (
        *_WHICH,
        ("stratum", "VARCHAR NOT NULL", "Class of stars or likes, with the quarter if matched."),
        ("stratum_number", "BIGINT NOT NULL", "Its order; below 0 is what is taken whole."),
        ("size_basis", "VARCHAR NOT NULL", "flow or stock: which stars or likes make the class."),
        ("is_take_all", "BOOLEAN NOT NULL", "Whether all of it is drawn by design."),
        ("frame_count", "BIGINT NOT NULL", "Repositories of the frame (N_h)."),
        ("target_count", "BIGINT NOT NULL", "Wanted by the allocation (n_h)."),
        ("drawn_count", "BIGINT NOT NULL", "Walked over in the order of the random numbers."),
        ("rejected_count", "BIGINT NOT NULL", "Of these, known not to belong, and replaced."),
        ("believed_count", "BIGINT NOT NULL", "Of these, in by belief: not asked about yet."),
        ("sample_count", "BIGINT NOT NULL", "In the sample: drawn less rejected."),
        ("weight", "DOUBLE", "Repositories of the frame that each stands for; null: none drawn."),
        ("estimated_count", "DOUBLE NOT NULL", "Repositories of the stratum that belong."),
        ("random_number_below", "DOUBLE", "Largest random number drawn; null: none drawn."),
        ("sampling_rate", "DOUBLE", "Fixed rate of the stratum; null where the number is fixed."),
    ),
)
MEMBER = StudyTable(
    "study.sample_member",
    "One row per study, design and repository that was drawn, rejected ones included.",
    (
        *_WHICH,
        ("repository_key", "VARCHAR NOT NULL", "The repository."),
        ("stratum", "VARCHAR NOT NULL", "Its stratum in the frame."),
        ("random_number", "DOUBLE NOT NULL", "Permanent: of the seed and the key alone, 0 to 1."),
        ("place", "BIGINT NOT NULL", "Its place in the stratum by random number, from 1."),
        ("phase", "INTEGER NOT NULL", "1: in by belief; 2: the truth is known."),
        ("outcome", "VARCHAR NOT NULL", "accepted, believed (not asked about yet) or rejected."),
        ("reason", "VARCHAR", "Why rejected: created_before_start, gone or fork."),
        ("weight", "DOUBLE", "Repositories of the frame that it stands for; null: rejected."),
        (
            "is_plain",
            "BOOLEAN NOT NULL",
            "Whether its random number alone would have drawn it: the sample without what is taken"
            " whole, which is what unweighted figures are of.",
        ),
    ),
)
CUT_OFF = StudyTable(
    "study.sample_cut_off",
    "One row per study, design, platform, stratum and column whose large values are taken whole.",
    (
        *_WHICH,
        ("stratum", "VARCHAR NOT NULL", "Class of stars or likes, with the quarter if matched."),
        ("column_name", "VARCHAR NOT NULL", "Column of mart_repository_activity."),
        ("from_value", "DOUBLE", "Value from which on all are taken; null: none is."),
        (
            "tail_bound",
            "DOUBLE",
            "How much of the standard error a repository left to chance can carry at most; null:"
            " the sample is too small for any bound, and nothing is taken whole.",
        ),
        ("is_holding", "BOOLEAN NOT NULL", "Whether intervals hold as stated under this bound."),
    ),
)
INPUT = StudyTable(
    "study.sample_input",
    "One row per study, design and platform: of what input the sample was drawn.",
    (
        *_WHICH,
        ("seed", "BIGINT NOT NULL", "Of the random numbers."),
        ("input_hash", "VARCHAR NOT NULL", "Changes when the frame or the design changes."),
    ),
)


@dataclass(frozen=True)
class Drawn:
    """What drawing the study's samples did.

    Attributes:
        strata: rows of `study.sample_stratum`.
        cut_offs: rows of `study.sample_cut_off`.
        is_unchanged: frame and designs were those of the samples there; nothing was written.
        member_count: units of all samples, rejected ones included.
    """

    strata: list[Row]
    cut_offs: list[Row]
    is_unchanged: bool
    member_count: int


@dataclass(frozen=True)
class _Frame:
    """A platform's frame as SQL, by what it is divided, and what it knows.

    Attributes:
        count: units by stratum, what is taken whole counted where it came from.
        found: the survey, where nothing is to be taken whole by the frame's own numbers.
        tails: the features that are known, where that is so.
    """

    sql: str
    size_basis: str
    strata: Strata
    count: dict[int, int]
    found: Survey | None
    tails: Profile | None


@dataclass(frozen=True)
class _Design:
    """One design on one platform, ready to be drawn."""

    which: Row
    frame: _Frame
    sql: str
    found: Survey
    cut: CutOffs | None
    target: Ints


def draw_samples(warehouse_path: Path, study: "StudySettings") -> Drawn:
    """Draw every design of the study on every platform and keep it in the warehouse.

    Unchanged input leaves the tables as they are.

    Raises:
        PermanentFailure: the warehouse or the mart is missing.
        TransientFailure: another process has the warehouse open.
    """
    settings = study.sample
    strata: list[Row] = []
    cuts: list[Row] = []
    members: list[pa.Table] = []
    with (
        workshop(settings.memory_megabytes, warehouse_path.parent) as connection,
        attached(connection, warehouse_path),
    ):
        designs = list(_designs(connection, study))
        inputs = [
            {**design.which, "seed": study.seed, "input_hash": _input_hash(study, design)}
            for design in designs
        ]
        if _kept(connection, INPUT, study.name, inputs):
            return Drawn(
                _rows(connection, STRATUM, study.name),
                _rows(connection, CUT_OFF, study.name),
                True,
                _count(connection, MEMBER, study.name),
            )
        for design in designs:
            rates = _rates(connection, study, design.which)
            made = draw(connection, design.sql, study.seed, design.found, design.target, rates)
            strata += _stratum_rows(design, made)
            cuts += _cut_rows(design)
            members.append(_member_table(design, made))
    replace_study(
        warehouse_path,
        study.name,
        [(STRATUM, table_of(STRATUM, strata)), (MEMBER, _joined(members)),
         (CUT_OFF, table_of(CUT_OFF, cuts)), (INPUT, table_of(INPUT, inputs))],
    )  # fmt: skip
    return Drawn(strata, cuts, False, sum(table.num_rows for table in members))


def tails_of(
    connection: "duckdb.DuckDBPyConnection", study: "StudySettings", design: str, platform: str
) -> dict[tuple[str, Basis], str | None]:
    """Of each feature and basis, why a kept sample may leave large values to chance; None: not."""
    found = connection.execute(
        f"SELECT DISTINCT column_name, is_holding FROM {CUT_OFF.name}"
        " WHERE study = $study AND design = $design AND platform = $platform",
        {"study": study.name, "design": design, "platform": platform},
    ).fetchall()
    is_holding = {str(column): bool(holds) for column, holds in found}
    is_asked = study.sample.take_all == "auto"
    return {
        (feature, basis): left_to_chance(feature, is_holding.get(column), is_asked)
        for feature, columns in FEATURES.items()
        for basis, column in columns.items()
    }


def _designs(connection: "duckdb.DuckDBPyConnection", study: "StudySettings") -> Iterator[_Design]:
    """Every design on every platform."""
    settings = study.sample
    forms = {_by_quarter(settings, design) for design in settings.designs}
    frames = {
        (platform, by_quarter): _frame(connection, settings, platform, by_quarter)
        for platform in PLATFORMS
        for by_quarter in sorted(forms)
    }
    for design in settings.designs:
        for platform in PLATFORMS:
            by_quarter = _by_quarter(settings, design)
            which = {"study": study.name, "design": design, "platform": platform}
            frame, hub = frames[platform, by_quarter], frames[HUB, by_quarter]
            yield _designed(connection, settings, design, which, frame, hub)


def _designed(
    connection: "duckdb.DuckDBPyConnection",
    settings: "SampleSettings",
    design: Allocation,
    which: Row,
    frame: _Frame,
    hub: _Frame,
) -> _Design:
    """How many are drawn of each stratum, and what is taken whole before."""
    counterpart = hub.count if design == "matched" else None
    size = settings.size
    if size is None or design == "paper":
        # Where nothing is known of the Hub there is nothing to be as large as.
        size = sum(hub.count.values()) or sum(frame.count.values())
    sql, cut, found = frame.sql, None, frame.found
    if found is None:
        assert frame.tails is not None
        reference = aligned(frame.tails.number, frame.tails.frame_count, counterpart)
        needed = least_size(design, frame.tails.frame_count, reference=reference,
                            least=settings.least)  # fmt: skip
        cut = cut_offs(
            frame.tails,
            max(size, needed),
            planned(design, settings.least, frame.tails.frame_count, reference),
        )
        sql = cut.apply(frame.sql)
        found = survey(connection, sql)
    reference = aligned(found.number, found.frame_count, counterpart)
    whole = is_certain(found.number)
    needed = least_size(design, found.frame_count, reference=reference, is_take_all=whole,
                        least=settings.least)  # fmt: skip
    target = allocate(
        design,
        max(size, needed),
        found.frame_count,
        deviation=found.deviation,
        reference=reference,
        is_take_all=whole,
        least=settings.least,
    )
    return _Design(which, frame, sql, found, cut, target)


def _frame(
    connection: "duckdb.DuckDBPyConnection",
    settings: "SampleSettings",
    platform: str,
    by_quarter: bool,
) -> _Frame:
    start = f"TIMESTAMP '{settings.frame_start.isoformat()}'"
    is_auto = settings.take_all == "auto"
    bounds = {} if settings.take_all == "auto" else settings.take_all
    strata = Strata(tuple(settings.breaks), bounds, by_quarter)
    basis = _size_basis(connection, platform)
    known = "created_at_basis <> 'first_seen'"
    reasons = {
        "before_start": (f"{known} AND created_at < {start}", "created_before_start"),
        "gone": ("tombstone_reason IS NOT NULL", "gone"),
        "fork": ("is_fork", "fork"),
    }
    cases = " ".join(f"WHEN {reasons[name][0]} THEN '{reasons[name][1]}'"
                     for name in reasons if name in settings.reject)  # fmt: skip
    value = _feature_column(connection, platform, settings.feature)
    features = _known_columns(connection, platform) if is_auto else []
    listed = ", ".join(dict.fromkeys([*features, value]))
    sql = f"""
        SELECT
            repository_key AS unit_key,
            {strata.sql(f"star_{basis}_count")} AS stratum_number,
            {value} AS value,
            {f"CASE {cases} END" if cases else "CAST(NULL AS VARCHAR)"} AS reason,
            {known} AS is_known,
            {listed}
        FROM {ACTIVITY}
        WHERE platform = '{platform}' AND {STUDIED} AND first_seen_at >= {start}
    """
    if not is_auto:
        found = survey(connection, sql)
        counts = zip(found.number.tolist(), found.frame_count.tolist(), strict=True)
        return _Frame(sql, basis, strata, _by_class(counts), found, None)
    tails = profile(connection, sql, features, value)
    counts = zip(tails.number.tolist(), tails.frame_count.tolist(), strict=True)
    return _Frame(sql, basis, strata, _by_class(counts), None, tails)


def _by_class(counts: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Units by stratum, with what is taken whole of it."""
    found: dict[int, int] = {}
    for number, count in counts:
        found[class_of(number)] = found.get(class_of(number), 0) + count
    return found


def _known_columns(connection: "duckdb.DuckDBPyConnection", platform: str) -> list[str]:
    """Columns of features that nearly all of the frame have.

    Known of those only whom somebody asked about, a value would take whole who was asked.
    """
    total = 0
    known = {}
    for feature, columns in FEATURES.items():
        total, known[columns["stock"]], known[columns["flow"]] = _known(
            connection, platform, feature
        )
    return [column for column, count in known.items() if 0 < count >= NEARLY_ALL * total]


def _size_basis(connection: "duckdb.DuckDBPyConnection", platform: str) -> str:
    """The stars or likes that all of the frame have; never those of whom somebody asked about."""
    total, stock, flow = _known(connection, platform, "stars")
    return "stock" if stock >= NEARLY_ALL * total or flow == 0 else "flow"


def _feature_column(connection: "duckdb.DuckDBPyConnection", platform: str, feature: str) -> str:
    basis = choose_basis(*_known(connection, platform, feature))
    return FEATURES[feature][basis or "stock"]


def _known(
    connection: "duckdb.DuckDBPyConnection", platform: str, feature: str
) -> tuple[int, int, int]:
    """Repositories of a platform, and those with a known stock and flow of a feature."""
    columns = FEATURES[feature]
    found = connection.execute(
        f"SELECT count(*), count({columns['stock']}), count({columns['flow']}) FROM {ACTIVITY}"
        f" WHERE platform = $platform AND {STUDIED}",
        {"platform": platform},
    ).fetchall()[0]
    return int(found[0]), int(found[1]), int(found[2])


def _by_quarter(settings: "SampleSettings", design: str) -> bool:
    return design == "matched" and settings.match_quarter


def _rates(
    connection: "duckdb.DuckDBPyConnection", study: "StudySettings", which: Row
) -> dict[int, float] | None:
    """Rates at which the design was drawn before, where rates are what is kept."""
    if study.sample.selection == "fixed":
        return None
    if not _is_there(connection, STRATUM):
        return {}
    rows = connection.execute(
        f"SELECT stratum_number, sampling_rate FROM warehouse.{STRATUM.name} WHERE study = $study"
        " AND design = $design AND platform = $platform AND sampling_rate IS NOT NULL",
        which,
    ).fetchall()
    return {int(number): float(rate) for number, rate in rows}


def _input_hash(study: "StudySettings", design: _Design) -> str:
    settings = study.sample.model_dump(mode="json", exclude={"designs", "memory_megabytes"})
    parts = [VERSION, study.seed, settings, design.sql, design.found.digest,
             design.target.tolist()]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _kept(
    connection: "duckdb.DuckDBPyConnection", table: StudyTable, study: str, rows: list[Row]
) -> bool:
    """Whether the table has exactly these rows of the study."""
    if not all(_is_there(connection, one) for one in (STRATUM, MEMBER, CUT_OFF, table)):
        return False
    kept = {tuple(row.items()) for row in _rows(connection, table, study)}
    return kept == {tuple((name, row[name]) for name in table.column_names) for row in rows}


def _is_there(connection: "duckdb.DuckDBPyConnection", table: StudyTable) -> bool:
    schema, name = table.name.split(".")
    found = connection.execute(
        "SELECT list(column_name ORDER BY column_index) FROM duckdb_columns() WHERE"
        " database_name = 'warehouse' AND schema_name = $schema AND table_name = $name",
        {"schema": schema, "name": name},
    ).fetchall()
    return bool(found[0][0] == table.column_names)


def _rows(connection: "duckdb.DuckDBPyConnection", table: StudyTable, study: str) -> list[Row]:
    names = ", ".join(table.column_names)
    found = connection.execute(
        f"SELECT {names} FROM warehouse.{table.name} WHERE study = $study", {"study": study}
    ).fetchall()
    return [dict(zip(table.column_names, row, strict=True)) for row in found]


def _count(connection: "duckdb.DuckDBPyConnection", table: StudyTable, study: str) -> int:
    found = connection.execute(
        f"SELECT count(*) FROM warehouse.{table.name} WHERE study = $study", {"study": study}
    ).fetchall()
    return int(found[0][0])


def _stratum_rows(design: _Design, made: Draw) -> list[Row]:
    sample = made.sample()
    strata = made.members["stratum_number"].to_numpy()
    numbers = made.members["random_number"].to_numpy()
    rows = []
    for at, number in enumerate(made.number.tolist()):
        here = strata == number
        weights = sample.weight[here]
        count = int(made.drawn_count[at] - made.rejected_count[at])
        rows.append({
            **design.which,
            "stratum": design.frame.strata.label(number),
            "stratum_number": number,
            "size_basis": design.frame.size_basis,
            "is_take_all": number < 0,
            "frame_count": int(made.frame_count[at]),
            "target_count": int(made.target_count[at]),
            "drawn_count": int(made.drawn_count[at]),
            "rejected_count": int(made.rejected_count[at]),
            "believed_count": int(made.believed_count[at]),
            "sample_count": count,
            "weight": float(weights.max()) if count else None,
            "estimated_count": float(weights.sum()),
            "random_number_below": float(numbers[here].max()) if here.any() else None,
            "sampling_rate": None if np.isnan(made.rate[at]) else float(made.rate[at]),
        })  # fmt: skip
    return rows


def _cut_rows(design: _Design) -> list[Row]:
    """Where each column's values begin to be taken whole; none where nobody looked for it."""
    cut, label = design.cut, design.frame.strata.label
    if cut is None:
        return []
    bound = cut.tail_bound if math.isfinite(cut.tail_bound) else None
    return [
        {**design.which, "stratum": label(number), "column_name": name,
         "from_value": cut.value(feature, at), "tail_bound": bound,
         "is_holding": cut.is_holding}
        for feature, name in enumerate(cut.names)
        for at, number in enumerate(cut.number.tolist())
    ]  # fmt: skip


def _member_table(design: _Design, made: Draw) -> "pa.Table":
    import pyarrow as pa

    members, count = made.members, made.members.num_rows
    labels = {number: design.frame.strata.label(number) for number in made.number.tolist()}
    outcome = members["outcome"].to_pylist()
    weight = made.sample().weight if count else np.empty(0)
    columns: dict[str, Any] = {name: pa.repeat(pa.scalar(text), count)
                               for name, text in design.which.items()}  # fmt: skip
    return pa.table({
        **columns,
        "repository_key": members["unit_key"],
        "stratum": pa.array([labels[n] for n in members["stratum_number"].to_pylist()],
                            pa.string()),
        "random_number": members["random_number"],
        "place": members["place"],
        "phase": pa.array([1 if one == "believed" else 2 for one in outcome], pa.int32()),
        "outcome": members["outcome"],
        "reason": members["reason"],
        "weight": pa.array(weight, pa.float64(), mask=np.array([o == OUT for o in outcome], bool)),
        "is_plain": made.is_plain,
    })  # fmt: skip


def _joined(tables: "list[pa.Table]") -> "pa.Table":
    import pyarrow as pa

    return pa.concat_tables(tables, promote_options="permissive")
