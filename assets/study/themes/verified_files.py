"""Frames, codings and labels in files of any user: what of them a sample and its figures need.

Belongs here: reading them, refusing what cannot be meant, figures of plain files. Does not belong
here: the sample's own files (`verification`), the formulas (`agreement`, `prevalence`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.study.draw import workshop
from assets.study.estimators import Sample, sample_of
from assets.study.files import kinds_of, quoted, source_of, told_of
from assets.study.themes.agreement import uncounted
from assets.study.themes.verification import (
    CONSENSUS,
    MACHINE_COLUMNS,
    SEED,
    TEXTS,
    Said,
    Spoken,
    decisions_of,
)
from assets.study.themes.verified import machine_rows, people_rows
from orchestration.failures import PermanentFailure

Row = dict[str, Any]
Ints = NDArray[np.int64]
# A machine whose codings are a column of the frame.
MACHINE = "machine"
ONE_PLATFORM = "messages"
# Between the secondary themes of a cell, as labels are exported.
DIVIDER = ";"


@dataclass(frozen=True)
class Frame:
    """A frame in files.

    Attributes:
        sql: query of `message_key, platform, primary` and `TEXTS`.
        codings: query of `MACHINE_COLUMNS`; None where no machine coded the frame.
    """

    sql: str
    codings: str | None


def frame_of(
    path: Path,
    *,
    unit: str = "message_key",
    platform: str | None = "platform",
    by: str | None = None,
    codings: Path | None = None,
    coder: str | None = None,
) -> Frame:
    """A frame in a Parquet or CSV file.

    Args:
        unit: column with the message's key.
        platform: column with the platform, of which each gets a sample; None: all are one.
        by: column with a machine's theme, which makes the strata.
        codings: a file of `MACHINE_COLUMNS` instead: strata are then the primary themes of
            `coder`, or of the only one.

    Raises:
        PermanentFailure: a file cannot be read, or a column is missing.
    """
    source = _source(path, [unit, *filter(None, (platform, by))])
    there = _columns(path)
    base = [
        f"frame.{quoted(unit)}::VARCHAR AS message_key",
        f"frame.{quoted(platform)}::VARCHAR AS platform" if platform
        else f"'{ONE_PLATFORM}' AS platform",
        *(f"frame.{quoted(name)}::VARCHAR AS {name}" if name in there
          else f"CAST(NULL AS VARCHAR) AS {name}" for name in TEXTS),
    ]  # fmt: skip
    listed = ", ".join(base)
    if codings is not None:
        said = _source(codings, MACHINE_COLUMNS[:-1])
        chosen = _literal(coder or _only_coder(codings))
        return Frame(
            f'SELECT {listed}, said.theme::VARCHAR AS "primary" FROM {source} AS frame LEFT JOIN'
            f" (SELECT * FROM {said} WHERE is_primary::BOOLEAN AND coder = {chosen}) AS said"
            f" ON frame.{quoted(unit)}::VARCHAR = said.message_key::VARCHAR",
            f"SELECT * FROM {said}",
        )
    if by is None:
        return Frame(f'SELECT {listed}, CAST(NULL AS VARCHAR) AS "primary" FROM {source} AS frame',
                     None)  # fmt: skip
    theme = f"nullif(frame.{quoted(by)}::VARCHAR, '')"
    themes = f"(SELECT DISTINCT {theme} AS theme FROM {source} AS frame WHERE {theme} IS NOT NULL)"
    is_it = f"{theme} = themes.theme"
    return Frame(
        f'SELECT {listed}, {theme} AS "primary" FROM {source} AS frame',
        f"SELECT frame.{quoted(unit)}::VARCHAR AS message_key, '{MACHINE}' AS coder,"
        f" '' AS coder_version, themes.theme, ({is_it})::DOUBLE AS probability,"
        f" {is_it} AS is_primary FROM {source} AS frame, {themes} AS themes"
        f" WHERE {theme} IS NOT NULL",
    )


def _source(path: Path, columns: Sequence[str]) -> str:
    """The file as a relation that has these columns."""
    there = _columns(path)
    missing = [name for name in columns if name not in there]
    if missing:
        raise PermanentFailure(
            f"{path} has no column {missing[0]}.", f"Name one of {', '.join(there)}."
        )
    return _relation(path)


def _relation(path: Path) -> str:
    """The file in SQL. Values of CSV are text: the key 007 is neither 7 nor another file's 7.0."""
    source = source_of(path)
    if path.suffix == ".parquet":
        return source
    return f"{source.removesuffix(')')}, all_varchar = true)"


def _columns(path: Path) -> list[str]:
    with workshop() as connection, told_of(path):
        return list(kinds_of(connection, _relation(path)))


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _only_coder(path: Path) -> str:
    with workshop() as connection, told_of(path):
        rows = connection.execute(
            f"SELECT DISTINCT coder::VARCHAR FROM {_relation(path)} ORDER BY 1"
        ).fetchall()
    if len(rows) != 1:
        names = ", ".join(str(row[0]) for row in rows) or "none"
        raise PermanentFailure(
            f"{path} has the codings of {names}.", "Name one for the strata with --by-coder."
        )
    return str(rows[0][0])


# ---------------------------------------------------------------- labels


def read_labels(
    path: Path,
    *,
    unit: str = "message_key",
    coder: str = "coder",
    label: str = "primary",
    secondary: str = "secondary",
) -> list[Spoken]:
    """Labels in a Parquet or CSV file, one row for each unit and coder.

    Args:
        label: column with the theme; empty: the coder could not tell.
        secondary: column with further themes, divided by `;`; may be missing.

    Raises:
        PermanentFailure: the file cannot be read, a column is missing, a unit or coder has no
            name, or a coder labels a unit twice.
    """
    source, there = _source(path, [unit, coder, label]), _columns(path)
    more = quoted(secondary) if secondary in there else "NULL"
    with workshop() as connection, told_of(path):
        is_list = kinds_of(connection, source).get(secondary, "").endswith("[]")
        joined = f"array_to_string({more}, '{DIVIDER}')" if is_list else f"{more}::VARCHAR"
        rows = connection.execute(
            f"SELECT {quoted(unit)}::VARCHAR, {quoted(coder)}::VARCHAR,"
            f" nullif(trim({quoted(label)}::VARCHAR), ''), {joined} FROM {source}"
        ).fetchall()
    found = []
    seen = set()
    for key, name, primary, others in rows:
        if not key or not name:
            raise PermanentFailure(f"A row of {path} has no {unit} or no {coder}.", "Give both.")
        if (key, name) in seen:
            raise PermanentFailure(
                f"{path} has two labels of {key!r} by {name!r}.", "Keep the one that holds."
            )
        seen.add((key, name))
        parts = tuple(part.strip() for part in (others or "").split(DIVIDER))
        found.append(Spoken(key, name, primary, tuple(filter(None, parts))))
    if not found:
        raise PermanentFailure(f"{path} has no labels.", "Give a file with labels.")
    return found


def file_agreement(
    labels: Sequence[Said],
    *,
    machine: str | None = None,
    truth: str | None = None,
    draws: int = 2000,
    seed: int = SEED,
) -> list[Row]:
    """Agreement of the coders of a file, unweighted: its texts are no sample of anything counted.

    Args:
        machine: the coder who is a machine; compared with what the others decided.
        truth: the coder whose labels are the truth, instead of what coders decided.

    Raises:
        PermanentFailure: there is no such coder.
    """
    names = {label.coder for label in labels}
    for name in (machine, truth):
        if name is not None and name not in names:
            raise PermanentFailure(
                f"There is no coder {name} in the file.", f"There are {', '.join(sorted(names))}."
            )
    keys = sorted({label.message_key for label in labels})
    people = [label for label in labels if label.coder != machine]
    rows = [{"platform": "all", "pair": "people", "coder": "people", "other_coder": "people", **row}
            for row in people_rows(keys, people, draws=draws, seed=seed)]  # fmt: skip
    if machine is None:
        return rows
    true = _true(people, truth)
    said = {one.message_key: one.primary for one in labels if one.coder == machine}
    themes = sorted({*true.values(), *(one for one in said.values() if one is not None)})
    both = [key for key in keys if key in true and said.get(key) is not None]
    pair = [np.array([themes.index(str(side[key])) for key in both], np.int64)
            for side in (true, said)]  # fmt: skip
    rows += [{"platform": "all", "pair": "machine", "coder": machine,
              "other_coder": truth or CONSENSUS, **row}
             for row in machine_rows(uncounted(len(both)), pair[0], pair[1], themes,
                                     draws=draws, seed=seed)]  # fmt: skip
    return rows


def _true(labels: Sequence[Said], truth: str | None) -> dict[str, str]:
    """The theme of each unit: by one coder, else what all decided."""
    if truth is not None:
        return {one.message_key: one.primary for one in labels
                if one.coder == truth and one.primary is not None}  # fmt: skip
    return {key: one.primary for key, one in decisions_of(labels).items()
            if one.primary is not None}  # fmt: skip


# ---------------------------------------------------------------- prevalence


def file_prevalence(
    codings: Path,
    labels: Sequence[Said],
    *,
    unit: str = "message_key",
    theme: str = "label",
    platform: str | None = None,
    stratum: str | None = None,
    truth: str | None = None,
    draws: int = 999,
    seed: int = SEED,
) -> list[Row]:
    """Prevalences from a machine's codings of all texts and people's labels of some.

    The labelled texts must be a random sample of the coded ones, in each stratum by itself where
    strata are named.

    Args:
        theme: column of `codings` with the machine's theme; rows without are left out.
        platform: column by which figures are made apart.
        stratum: column with the sample's strata.
        truth: the coder whose labels are the truth, instead of what coders decided.

    Returns:
        Rows `platform, coder, coder_version, of, theme` and those of `Prevalence`.

    Raises:
        PermanentFailure: a file cannot be read, a key occurs twice, or no labelled text is coded.
    """
    source = _source(codings, [unit, theme, *filter(None, (platform, stratum))])
    with workshop() as connection, told_of(codings):
        rows = connection.execute(
            f"SELECT {quoted(unit)}::VARCHAR, {quoted(theme)}::VARCHAR,"
            f" {quoted(platform) + '::VARCHAR' if platform else repr(ONE_PLATFORM)},"
            f" {quoted(stratum) + '::VARCHAR' if stratum else repr('')}"
            f" FROM {source} WHERE {quoted(theme)}::VARCHAR <> ''"
        ).fetchall()
    keys = [row[0] for row in rows]
    if None in keys or len(set(keys)) < len(keys):
        raise PermanentFailure(
            f"{codings} has a text twice, or one without {unit}.", "Give every text once."
        )
    true = _true(labels, truth)
    if not any(key in true for key in keys):
        raise PermanentFailure(
            f"No text of {codings} has a label that people decided.",
            "Two coders have to agree on it, or name one with --truth.",
        )
    themes = sorted({row[1] for row in rows} | {one for key, one in true.items()
                                                 if key in set(keys)})  # fmt: skip
    found: list[Row] = []
    for name in sorted({row[2] for row in rows}, key=str):
        part = [row for row in rows if row[2] == name]
        found += _of_platform(str(name), part, true, themes, draws, seed)
    return found


def _of_platform(
    name: str,
    rows: Sequence[tuple[str, ...]],
    true: Mapping[str, str],
    themes: Sequence[str],
    draws: int,
    seed: int,
) -> list[Row]:
    from assets.study.themes.prevalence import prevalences

    said = np.array([themes.index(row[1]) for row in rows], np.int64)
    at = np.array([place for place, row in enumerate(rows) if row[0] in true], np.int64)
    truth = np.array([themes.index(true[rows[place][0]]) for place in at], np.int64)
    hot = np.eye(len(themes), dtype=bool)
    made = prevalences(
        _design([row[3] for row in rows], at), hot[truth], hot[said[at]],
        np.bincount(said, minlength=len(themes)) / said.size, themes,
        frame_count=said.size, draws=draws, seed=seed,
    )  # fmt: skip
    return [{"platform": name, "coder": MACHINE, "coder_version": "", "of": "primary",
             "theme": row.pop("label"), **row} for row in (one.row() for one in made)]  # fmt: skip


def _design(strata: Sequence[str | None], at: Ints) -> Sample:
    """The labelled texts as a sample; strata without any are not stood for by anyone.

    Raises:
        PermanentFailure: that is the case.
    """
    names, of = np.unique([one or "" for one in strata], return_inverse=True)
    counts = np.bincount(of, minlength=names.size)
    drawn = np.bincount(of[at], minlength=names.size)
    if at.size and (drawn == 0).any():
        raise PermanentFailure(
            f"Nobody labelled a text of the stratum {names[drawn == 0][0]!r}.",
            "Label some, or leave --stratum away where the labelled texts were drawn from all.",
        )
    return sample_of(of[at], counts if at.size else [0], lonely="collapse")
