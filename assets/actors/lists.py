"""Accounts that are publicly known to be automation.

Belongs here: reading the seed `known_automation.csv`. Does not belong here: who is on it (the seed,
each row with its reason and evidence), and reviewers' decisions (dbt, where they win over
everything).
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestration.failures import PermanentFailure

SEEDS = Path(__file__).resolve().parents[2] / "dbt_project" / "seeds"
AUTOMATION = "known_automation.csv"


@dataclass(frozen=True, slots=True)
class Known:
    """What a list says of an account."""

    actor_class: str
    reason: str


Lists = Mapping[tuple[str, str], Known]


def known_accounts(folder: Path = SEEDS) -> dict[tuple[str, str], Known]:
    """All listed accounts by platform and login in lower case.

    Raises:
        PermanentFailure: the list is missing or lacks a column.
    """
    path = folder / AUTOMATION
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return {
                (row["platform"], row["login"].lower()): Known(row["actor_class"], row["reason"])
                for row in csv.DictReader(stream)
            }
    except (OSError, KeyError, AttributeError, UnicodeDecodeError) as error:
        raise PermanentFailure(
            f"The list {path} cannot be read: {error}.",
            "It is part of the project: get it again.",
        ) from error
