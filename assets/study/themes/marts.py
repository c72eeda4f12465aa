"""Rows of the marts of themes: shares as coded and corrected, agreement, commit messages.

Belongs here: bringing counted messages, present codings and verified samples together into rows.
Does not belong here: estimators (`prevalence`, `agreement`), how a sample is drawn and what people
decided (`verification`), SQL over the frame (`frame`), columns (`tables`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assets.study.estimators import domain, responding
from assets.study.themes.agreement import wilson
from assets.study.themes.codebook import THEMES
from assets.study.themes.frame import SLICED_COMMITS, Slice, codings_of, sliced
from assets.study.themes.labels import Label, labels_of
from assets.study.themes.prevalence import prevalences
from assets.study.themes.tables import AGREEMENT
from assets.study.themes.verification import (
    SAMPLE_FILE,
    VerificationSample,
    consensus_of,
    read_sample,
)
from assets.study.themes.verified import agreement_rows, machine_rows

if TYPE_CHECKING:
    import duckdb

    from orchestration.settings import StudySettings

Row = dict[str, Any]
# Fewer verified messages of a slice tell nothing from chance.
LEAST_VERIFIED = 30
# A frame that has grown by more is not the one that a sample was drawn of.
MOST_GROWN = 0.2
# Two machine coders are compared on so many messages at most.
MOST_COMPARED = 100_000
NOBODY = "no people have verified a sample of this platform"
_COLUMNS = {"rogan_gladen": "rogan_gladen", "prediction_powered": "prediction_powered",
            "human": "verified"}  # fmt: skip


@dataclass(frozen=True)
class Verified:
    """A verification sample with what people said of it.

    Attributes:
        decided: key of a message to its theme, of those that people agreed on.
    """

    sample: VerificationSample
    labels: Sequence[Label]
    decided: Mapping[str, str]


def verified_samples(folder: Path) -> list[Verified]:
    """All samples of an installation, by name.

    Raises:
        PermanentFailure: a sample or a file of labels cannot be read.
    """
    if not folder.is_dir():
        return []
    found = []
    for place in sorted(folder.iterdir()):
        if (place / SAMPLE_FILE).is_file():
            labels = labels_of(folder, place.name)
            found.append(Verified(read_sample(folder, place.name), labels, consensus_of(labels)))
    return found


# ---------------------------------------------------------------- prevalence


def prevalence_rows(
    connection: "duckdb.DuckDBPyConnection",
    study: "StudySettings",
    day: date,
    samples: Sequence[Verified],
) -> list[Row]:
    """Rows of `mart_theme_prevalence`.

    Args:
        connection: has `coded_message` (see `frame.coded_messages`).
        samples: of each platform the one with most decided messages is used.
    """
    common = {"study": study.name, "day": day, "bot_policy": study.themes.bot_policy}
    of_platform = {platform: _Sides.of(connection, one) for platform, one in _best(samples).items()}
    return [
        {**common, "is_reference": one.coder == study.themes.reference, **row}
        for one in sliced(connection)
        for row in _rows(one, of_platform.get(one.platform))
    ]


def _best(samples: Sequence[Verified]) -> dict[str, tuple[str, Verified]]:
    """Of each platform the sample with most decided messages."""
    best: dict[str, tuple[int, Verified]] = {}
    for one in samples:
        platform_of = dict(
            zip(one.sample.keys, one.sample.rows["platform"].to_pylist(), strict=True)
        )
        for platform in one.sample.platforms:
            count = sum(platform_of.get(key) == platform for key in one.decided)
            if count and count > best.get(platform, (0, one))[0]:
                best[platform] = (count, one)
    return {platform: (platform, one) for platform, (_, one) in best.items()}


@dataclass(frozen=True)
class _Sides:
    """One platform's verified messages beside what coders say of them now.

    Attributes:
        truth: (n,) index of the theme that people decided; -1 where open.
        codings: coder and key to the present row of `coded_message`.
    """

    verified: Verified
    platform: str
    keys: list[str]
    truth: NDArray[np.int64]
    codings: Mapping[tuple[str, str], Row]

    @classmethod
    def of(cls, connection: "duckdb.DuckDBPyConnection", best: tuple[str, Verified]) -> "_Sides":
        platform, verified = best
        _, inside = verified.sample.of(platform)
        keys = [verified.sample.keys[at] for at in inside]
        themes = [verified.decided.get(key) for key in keys]
        truth = np.array([-1 if one is None else THEMES.index(one) for one in themes], np.int64)
        return cls(verified, platform, keys, truth, codings_of(connection, keys))

    @property
    def frame_count(self) -> int:
        """Messages of the platform that the sample was drawn of."""
        strata = self.verified.sample.strata
        return sum(one.frame_count for one in strata if one.platform == self.platform)


def _rows(one: Slice, sides: _Sides | None) -> Iterator[Row]:
    """A slice's rows, each theme's."""
    corrected, verified_count, reason = _corrected(one, sides)
    distinct = sum(one.distinct.values())
    for theme in THEMES:
        count = one.primary.get(theme, 0)
        low, high = wilson(count / one.count, one.count)
        yield {
            "platform": one.platform,
            "coder": one.coder,
            "coder_version": one.coder_version,
            "codebook_version": one.codebook_version,
            "slice": one.slice,
            "slice_value": one.value,
            "theme": theme,
            "message_count": one.count,
            "primary_count": count,
            "abstained_count": one.abstained,
            "distinct_share": one.distinct.get(theme, 0) / distinct,
            "applies_share": one.applies.get(theme, 0) / one.count,
            "uncorrected_share": count / one.count,
            "uncorrected_low": low,
            "uncorrected_high": high,
            **corrected.get(theme, {}),
            "verified_count": verified_count,
            "reason": reason or corrected.get(theme, {}).get("reason"),
        }


def _corrected(one: Slice, sides: _Sides | None) -> tuple[dict[str, Row], int, str | None]:
    """Corrected shares by theme, on how many verified messages they rest, why there are none."""
    if sides is None:
        return {}, 0, NOBODY
    rows = [sides.codings.get((one.coder, key)) for key in sides.keys]
    member = np.array([row is not None and _is_in(row, one) for row in rows], bool)
    known = member & (sides.truth >= 0)
    count = int(known.sum())
    if count < LEAST_VERIFIED:
        return {}, count, f"fewer than {LEAST_VERIFIED} messages are verified"
    drawn, _ = sides.verified.sample.of(sides.platform)
    # What is not of the slice stays as drawn and not in, so that variances are those of a part.
    keep = known | ~member
    sample = responding(domain(drawn, member), known)
    said = np.array([0 if row is None else THEMES.index(row["theme"]) for row in rows], np.int64)
    hot = np.eye(len(THEMES), dtype=bool)
    found = prevalences(
        sample,
        hot[np.maximum(sides.truth, 0)][keep],
        hot[said][keep],
        [one.primary.get(theme, 0) / one.count for theme in THEMES],
        THEMES,
        frame_count=one.count,
        seed=sides.verified.sample.seed,
    )
    corrected: dict[str, Row] = {theme: {} for theme in THEMES}
    for figure in found:
        if figure.estimator in _COLUMNS:
            name = _COLUMNS[figure.estimator]
            corrected[figure.label] |= {
                f"{name}_share": figure.value, f"{name}_low": figure.low,
                f"{name}_high": figure.high,
            }  # fmt: skip
            if figure.value is None:
                corrected[figure.label]["reason"] = figure.reason
    return corrected, count, _grown(one, sides)


def _is_in(row: Row, one: Slice) -> bool:
    return one.slice == "all" or row[one.slice] == one.value


def _grown(one: Slice, sides: _Sides) -> str | None:
    """Whether the platform's frame is no longer the one that was sampled."""
    if one.slice != "all" or one.count <= (1 + MOST_GROWN) * sides.frame_count:
        return None
    return (
        f"the sample was drawn of {sides.frame_count:,} messages, and there are {one.count:,} now:"
        " corrections take the errors to be the same"
    )


# ---------------------------------------------------------------- agreement


def agreement_mart(
    connection: "duckdb.DuckDBPyConnection", study: "StudySettings", day: date,
    samples: Sequence[Verified],
) -> list[Row]:  # fmt: skip
    """Rows of `mart_theme_agreement`: people, machines against people, machines among themselves.

    Machines are judged by what they say now, not by what they said when a sample was drawn.
    """
    common = {"study": study.name, "day": day}
    rows = [
        {**common, "sample": one.sample.name, **row}
        for one in samples
        if one.labels
        for row in (*_of_people(one), *_of_machines(connection, one))
    ]
    rows += [{**common, "sample": "all", **row} for row in _between_machines(connection)]
    names = set(AGREEMENT.column_names)
    return [{name: value for name, value in row.items() if name in names} for row in rows]


def _of_people(one: Verified) -> list[Row]:
    return [row for row in agreement_rows(one.sample, one.labels) if row["pair"] == "people"]


def _of_machines(connection: "duckdb.DuckDBPyConnection", one: Verified) -> Iterator[Row]:
    for platform in one.sample.platforms:
        sides = _Sides.of(connection, (platform, one))
        drawn, _ = one.sample.of(platform)
        for coder in sorted({coder for coder, _ in sides.codings}):
            rows = [sides.codings.get((coder, key)) for key in sides.keys]
            known = (sides.truth >= 0) & np.array([row is not None for row in rows], bool)
            said = [THEMES.index(row["theme"]) for row, is_in in zip(rows, known, strict=True)
                    if row is not None and is_in]  # fmt: skip
            for row in machine_rows(
                responding(drawn, known), sides.truth[known], np.array(said, np.int64), THEMES,
                seed=one.sample.seed,
            ):  # fmt: skip
                yield {"platform": platform, "pair": "machine", "coder": coder,
                       "other_coder": "consensus", **row}  # fmt: skip


def _between_machines(connection: "duckdb.DuckDBPyConnection") -> Iterator[Row]:
    """Alpha, kappa and agreement of each two machine coders, on what both coded."""
    from assets.study.themes.agreement import cohen_kappa, krippendorff_alpha, percent_agreement

    pairs = connection.execute(
        "SELECT DISTINCT one.platform, one.coder, other.coder FROM coded_message AS one"
        " INNER JOIN coded_message AS other ON one.message_key = other.message_key"
        " AND one.coder < other.coder ORDER BY ALL"
    ).fetchall()
    for platform, coder, other in pairs:
        codes = connection.execute(
            "SELECT one.theme, other.theme FROM coded_message AS one"
            " INNER JOIN coded_message AS other USING (message_key)"
            " WHERE one.platform = $platform AND one.coder = $coder AND other.coder = $other"
            " ORDER BY hash(one.message_key) LIMIT $most",
            {"platform": platform, "coder": coder, "other": other, "most": MOST_COMPARED},
        ).fetchall()
        first, second = [one for one, _ in codes], [two for _, two in codes]
        for measure, figure in (
            ("krippendorff_alpha", krippendorff_alpha([first, second], draws=500)),
            ("cohen_kappa", cohen_kappa(first, second)),
            ("agreement", percent_agreement([first, second])),
        ):
            yield {
                "platform": platform, "pair": "machines", "coder": coder, "other_coder": other,
                "measure": measure, "theme": None, "told_theme": None, "value": figure.value,
                "value_low": figure.low, "value_high": figure.high,
                "message_count": figure.count, "reason": figure.reason,
            }  # fmt: skip


# ---------------------------------------------------------------- commit messages


def message_rows(
    connection: "duckdb.DuckDBPyConnection", study: "StudySettings", day: date
) -> list[Row]:
    """Rows of `mart_message_quality`: what commits of both platforms say, by the published rule.

    Args:
        connection: has `repository_commit` (see `frame.repository_commits`).
    """
    found = connection.execute(_MESSAGE_COUNTS, {"study": study.name, "day": day})
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


_MESSAGE_COUNTS = f"""
    SELECT $study AS study, CAST($day AS DATE) AS day, platform, slice, value AS slice_value, kind,
        condition, sum(commit_count)::BIGINT AS commit_count,
        sum(commit_count) / sum(sum(commit_count)) OVER (PARTITION BY platform, slice, value)
            AS share,
        count(DISTINCT repository_key) AS repository_count
    FROM ({SLICED_COMMITS}) WHERE value IS NOT NULL
    GROUP BY platform, slice, value, kind, condition
    ORDER BY platform, slice, value, kind, condition
"""
