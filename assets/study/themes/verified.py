"""Figures of a verification sample: how far coders agree, and how often a theme is.

Belongs here: from labels and codings to rows of agreement and prevalence. Does not belong here: the
formulas (`agreement`, `prevalence`), the sample and what people decided (`verification`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assets.study.estimators import Sample, responding
from assets.study.themes.verification import (
    ALL,
    CONSENSUS,
    SEED,
    Decision,
    Said,
    Total,
    VerificationSample,
    decisions_of,
)

if TYPE_CHECKING:
    from assets.study.themes.prevalence import Prevalence

Row = dict[str, Any]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Codings:
    """What one machine coder says of a sample; arrays are index-aligned with its rows.

    Attributes:
        primary: (n,) index of the theme; -1 where the coder did not code the message.
        applies: (n, k).
        probabilities: (n, k).
    """

    coder: str
    version: str
    primary: Ints
    applies: Bools
    probabilities: NDArray[np.float64]


def codings_of(sample: VerificationSample, themes: Sequence[str]) -> list[Codings]:
    """Of each coder, sorted by name."""
    places = {key: at for at, key in enumerate(sample.keys)}
    numbers = {theme: at for at, theme in enumerate(themes)}
    found: dict[tuple[str, str], Codings] = {}
    shape = (len(places), len(themes))
    for row in sample.machine.to_pylist():
        which = (row["coder"], row["coder_version"])
        at, k = places.get(row["message_key"]), numbers.get(row["theme"])
        if at is None or k is None:
            continue
        one = found.setdefault(which, Codings(
            *which, np.full(shape[0], -1, np.int64), np.zeros(shape, bool), np.zeros(shape)
        ))  # fmt: skip
        one.applies[at, k] = bool(row["applies"])
        one.probabilities[at, k] = row["probability"] or 0.0
        if row["is_primary"]:
            one.primary[at] = k
    return [found[which] for which in sorted(found)]


def themes_of(sample: VerificationSample, labels: Sequence[Said]) -> tuple[str, ...]:
    """Themes that occur, in the order of the codebook, others after them by name."""
    from assets.study.themes.codebook import THEMES

    given = {total.theme for total in sample.totals} | set(sample.machine["theme"].to_pylist())
    for label in labels:
        given |= {one for one in (label.primary, *label.secondary) if one is not None}
    return (*(one for one in THEMES if one in given), *sorted(given - set(THEMES)))


def agreement_rows(
    sample: VerificationSample, labels: Sequence[Said], *, draws: int = 2000
) -> list[Row]:
    """Agreement between people, and of each machine coder with their decisions.

    Returns:
        Rows `platform, pair, coder, other_coder, measure, theme, told_theme, value, value_low,
        value_high, method, message_count, reason`; for each platform and, of people, all.
    """
    themes, known = themes_of(sample, labels), set(sample.keys)
    people = [one for one in labels if one.message_key in known]
    rows: list[Row] = []
    for platform in [*sample.platforms, ALL]:
        keys = [key for key, one in zip(sample.keys, sample.rows["platform"].to_pylist(),
                                        strict=True) if platform in (one, ALL)]  # fmt: skip
        rows += [{"platform": platform, "pair": "people", "coder": "people",
                  "other_coder": "people", **row}
                 for row in people_rows(keys, people, draws=draws, seed=sample.seed)]  # fmt: skip
    decided = decisions_of(people)
    for codings in codings_of(sample, themes):
        for platform in sample.platforms:
            rows += [{"platform": platform, "pair": "machine", "coder": codings.coder,
                      "other_coder": CONSENSUS, **row}
                     for row in _machine_rows(sample, platform, codings, decided, themes,
                                              draws)]  # fmt: skip
    return rows


def people_rows(
    keys: Sequence[str], labels: Sequence[Said], *, draws: int = 2000, seed: int = SEED
) -> list[Row]:
    """Agreement of the coders before anything was resolved, over the messages `keys`.

    A message that a coder could not tell the theme of is one more category; what is not labelled
    is missing.
    """
    from assets.study.themes.agreement import cohen_kappa, krippendorff_alpha, percent_agreement

    by_coder: dict[str, dict[str, Said]] = {}
    for label in labels:
        if label.coder != CONSENSUS:
            by_coder.setdefault(label.coder, {})[label.message_key] = label
    names = sorted(by_coder)
    primary = [[_primary(by_coder[name].get(key)) for key in keys] for name in names]
    sets = [[_set(by_coder[name].get(key)) for key in keys] for name in names]
    figures = [
        krippendorff_alpha(primary, draws=draws, seed=seed),
        krippendorff_alpha(sets, distance="masi", draws=draws, seed=seed),
        percent_agreement(primary),
    ]
    if len(names) == 2:
        figures.append(cohen_kappa(*primary, draws=draws, seed=seed))
    measures = {"krippendorff_alpha_nominal": "krippendorff_alpha",
                "percent_agreement": "agreement"}  # fmt: skip
    return [_row(measures.get(one.name, one.name), one) for one in figures]


def _primary(label: Said | None) -> str | None:
    return None if label is None else label.primary or "unclear"


def _set(label: Said | None) -> frozenset[str] | None:
    if label is None:
        return None
    return frozenset(one for one in (label.primary, *label.secondary) if one is not None)


def _row(measure: str, figure: Any, theme: str | None = None, told: str | None = None) -> Row:
    return {"measure": measure, "theme": theme, "told_theme": told, "value": figure.value,
            "value_low": figure.low, "value_high": figure.high, "method": figure.method,
            "message_count": figure.count, "reason": figure.reason}  # fmt: skip


def _machine_rows(
    sample: VerificationSample,
    platform: str,
    codings: Codings,
    decided: Mapping[str, Decision],
    themes: Sequence[str],
    draws: int,
) -> list[Row]:
    """A machine coder against what people decided, weighted to the platform's frame."""
    drawn, inside = sample.of(platform)
    truth = _truth(sample, inside, decided, themes)
    said = codings.primary[inside]
    known = (truth >= 0) & (said >= 0)
    return machine_rows(responding(drawn, known), truth[known], said[known], themes,
                        draws=draws, seed=sample.seed)  # fmt: skip


def _truth(
    sample: VerificationSample, inside: Ints, decided: Mapping[str, Decision], themes: Sequence[str]
) -> Ints:
    keys = sample.keys
    at = [decided[keys[one]].primary if keys[one] in decided else None for one in inside]
    return np.array([-1 if one is None else themes.index(one) for one in at], np.int64)


def machine_rows(
    sample: Sample,
    truth: Ints,
    said: Ints,
    themes: Sequence[str],
    *,
    draws: int = 2000,
    seed: int = SEED,
) -> list[Row]:
    """A coder against the truth: both are (n,) indices of known themes."""
    from assets.study.themes.agreement import (
        Figure,
        accuracy,
        class_quality,
        cohen_kappa,
        confusion,
        krippendorff_alpha,
        macro_f1,
        undefined,
    )

    hot = np.eye(len(themes), dtype=bool)
    pair = [[int(one) for one in side] for side in (truth, said)]
    weighted: Row = {"draws": draws, "seed": seed, "strata": sample.stratum,
                     "weights": sample.weight}  # fmt: skip
    rows = [
        _row("krippendorff_alpha", krippendorff_alpha(pair, **weighted)),
        _row("cohen_kappa", cohen_kappa(*pair, **weighted)),
        _row("agreement", accuracy(sample, truth, said) if sample.count
             else undefined("accuracy", "no message is decided")),
        _row("macro_f1", macro_f1(sample, hot[truth], hot[said])),
    ]  # fmt: skip
    for quality in class_quality(sample, hot[truth], hot[said], themes):
        rows += [_row(name, getattr(quality, name), quality.label)
                 for name in ("precision", "recall", "f1")]  # fmt: skip
    table = confusion(sample, truth, said, len(themes))
    counts = np.bincount(truth, minlength=len(themes))
    for i, theme in enumerate(themes):
        for j, told in enumerate(themes):
            total = float(table[i].sum())
            rows.append(_row("confusion", Figure(
                "confusion", float(table[i, j]) / total if total else None, None, None, None,
                int(counts[i]), None if total else "no message of the sample has the theme",
            ), theme, told))  # fmt: skip
    return rows


def prevalence_rows(
    sample: VerificationSample,
    labels: Sequence[Said],
    *,
    of: str = "primary",
    by_probability: bool = False,
    draws: int = 999,
) -> list[Row]:
    """Prevalence of each theme by every estimator, for each platform and machine coder.

    Args:
        of: `primary`: the shares of primary themes; `applies`: of messages that a theme holds of.
        by_probability: the machine's probabilities instead of its decisions stand for it in the
            prediction-powered estimate.

    Returns:
        Rows `platform, coder, coder_version, of, theme`, those of `Prevalence`, and
        `undecided_count`, messages of the sample on which people have not agreed: within a
        stratum they are taken to be like the others.
    """
    themes, known = themes_of(sample, labels), set(sample.keys)
    decided = decisions_of(one for one in labels if one.message_key in known)
    totals = {(one.platform, one.coder, one.coder_version, one.theme): one
              for one in sample.totals}  # fmt: skip
    rows: list[Row] = []
    for codings in codings_of(sample, themes):
        for platform in sample.platforms:
            of_theme = [totals.get((platform, codings.coder, codings.version, theme))
                        for theme in themes]  # fmt: skip
            made = _prevalences(sample, platform, codings, decided, themes, of_theme, of,
                                by_probability, draws)  # fmt: skip
            _, inside = sample.of(platform)
            undecided = int((_truth(sample, inside, decided, themes) < 0).sum())
            rows += [{"platform": platform, "coder": codings.coder,
                      "coder_version": codings.version, "of": of, **_named(one),
                      "undecided_count": undecided} for one in made]  # fmt: skip
    return rows


def _named(one: "Prevalence") -> Row:
    row = one.row()
    return {"theme": row.pop("label"), **row}


def _prevalences(
    sample: VerificationSample,
    platform: str,
    codings: Codings,
    decided: Mapping[str, Decision],
    themes: Sequence[str],
    totals: "Sequence[Total | None]",
    of: str,
    by_probability: bool,
    draws: int,
) -> "list[Prevalence]":
    from assets.study.themes.prevalence import prevalences

    drawn, inside = sample.of(platform)
    truth, said = _truth(sample, inside, decided, themes), codings.primary[inside]
    known = (truth >= 0) & (said >= 0)
    size = max((one.message_count for one in totals if one is not None), default=0)
    name = "primary_count" if of == "primary" else "applies_count"
    counts = [0 if one is None else getattr(one, name) for one in totals]
    hot = np.eye(len(themes), dtype=bool)
    if of == "primary":
        true, machine = hot[truth[known]], hot[said[known]]
    else:
        keys = [sample.keys[one] for one in inside[known]]
        true = np.array([[theme in decided[key].applies for theme in themes] for key in keys],
                        bool).reshape(len(keys), len(themes))  # fmt: skip
        machine = codings.applies[inside[known]]
    scores = codings.probabilities[inside[known]] if by_probability else None
    means = [0.0 if one is None else one.probability for one in totals]
    return prevalences(
        responding(drawn, known), true, machine, np.array(counts) / max(size, 1), themes,
        scores=scores, frame_scores=means if by_probability else None, frame_count=size,
        draws=draws, seed=sample.seed,
    )  # fmt: skip
