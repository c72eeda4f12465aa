"""Marts of themes for tests: shares, agreement, frame and commit messages of a small study.

Belongs here: what the tests of pictures and of the report share. Does not belong here: checks.
"""

from pathlib import Path
from typing import Any

from marts_support import DAY, STUDY, Row
from network_marts_support import write_published

from assets.study.features import PLATFORMS
from assets.study.tables import StudyTable
from assets.study.themes import tables
from assets.study.themes.codebook import THEMES

SHARES = {"github": (0.5, 0.2, 0.1, 0.05, 0.15), "huggingface": (0.2, 0.1, 0.4, 0.2, 0.1)}
COUNT = 1_000
KINDS = {"substantive": 40, "template": 500, "trivial": 450, "blank": 10}


def of(platform: str) -> Row:
    return {"study": STUDY, "day": DAY, "platform": platform}


def prevalence_row(
    platform: str, theme: str, share: float, slice_: str = "all", value: str = "all"
) -> Row:
    """A share as coded, corrected to be 0.02 less."""
    row: Row = {
        **of(platform), "coder": "linear", "coder_version": "linear-1",
        "codebook_version": "1.0-abc", "is_reference": True, "bot_policy": "paper",
        "slice": slice_, "slice_value": value, "theme": theme, "message_count": COUNT,
        "primary_count": round(COUNT * share), "abstained_count": 12, "distinct_share": share,
        "applies_share": share, "verified_count": 385, "reason": None,
        "uncorrected_share": share, "uncorrected_low": share - 0.03,
        "uncorrected_high": share + 0.03,
    }  # fmt: skip
    for kind in ("rogan_gladen", "prediction_powered", "verified"):
        row |= {f"{kind}_share": share - 0.02, f"{kind}_low": share - 0.04,
                f"{kind}_high": share + 0.01}  # fmt: skip
    return row


def agreement_row(platform: str, measure: str, value: float, **values: Any) -> Row:
    return {
        **of(platform), "sample": "first", "pair": "people", "coder": "people",
        "other_coder": "people", "measure": measure, "theme": None, "told_theme": None,
        "value": value, "value_low": value - 0.05, "value_high": value + 0.05,
        "message_count": 385, "reason": None, **values,
    }  # fmt: skip


def study_rows(reason: str | None = None) -> dict[StudyTable, list[Row]]:
    """Rows of all marts of themes."""
    rows: dict[StudyTable, list[Row]] = {table: [] for table in tables.ALL_TABLES}
    slices = [("all", "all"), *(("month", f"2026-0{month}") for month in (1, 2, 3))]
    for platform in PLATFORMS:
        for theme, share in zip(THEMES, SHARES[platform], strict=True):
            rows[tables.PREVALENCE] += [
                prevalence_row(platform, theme, share, *one) | {"reason": reason} for one in slices
            ]
            for measure in ("precision", "recall", "f1"):
                rows[tables.AGREEMENT].append(agreement_row(
                    platform, measure, 0.75, pair="machine", coder="linear",
                    other_coder="consensus", theme=theme, reason=reason,
                ))  # fmt: skip
        for measure, value in (("krippendorff_alpha", 0.82), ("agreement", 0.9)):
            rows[tables.AGREEMENT].append(
                agreement_row(platform, measure, value) | {"reason": reason}
            )
        for state, count in (("in_frame", 800), ("near_duplicate", 200), ("pull_request", 600)):
            rows[tables.FRAME].append({
                **of(platform), "bot_policy": "paper", "repository_class": "top_cut",
                "language": "en", "state": state, "message_count": count, "share": count / 1_600,
            })  # fmt: skip
        for kind, count in KINDS.items():
            rows[tables.MESSAGE_QUALITY].append({
                **of(platform), "slice": "all", "slice_value": "all", "kind": kind,
                "condition": reason or f"is_{kind}", "commit_count": count,
                "share": count / COUNT, "repository_count": 3,
            })  # fmt: skip
    return rows


def write(path: Path, rows: dict[StudyTable, list[Row]]) -> None:
    """Put rows into a published file in place of what it has of themes."""
    write_published(path, rows)
