"""The published claims on this installation's data, claim by claim.

Belongs here: rows of `mart_study_rerun` for the page. Does not belong here: verdicts, which stand
in the mart.
"""

from collections.abc import Sequence

from assets.publish import words
from assets.publish.parts.comparison import between
from assets.publish.published import Row

VERDICTS = {
    "reproduced": "reproduced",
    "differs": "differs",
    "not_measurable": "not measurable here",
}
# The same of several claims.
COUNTED = VERDICTS | {"differs": "different"}


def rerun(rows: Sequence[Row]) -> Row:
    """Claims with a value of ours, those without one, and how many have which verdict."""
    lines = [_line(row) for row in rows]
    return {
        "measured": [line for line in lines if line["our_value"] is not None],
        "others": [line for line in lines if line["our_value"] is None],
        "counts": [
            (label, sum(row["verdict"] == verdict for row in rows))
            for verdict, label in COUNTED.items()
        ],
        "total": len(lines),
        "day": rows[0]["day"] if rows else None,
    }


def _line(row: Row) -> Row:
    def told(value: float | None) -> str:
        return words.measured(value, row["unit"])

    return {
        **row,
        "paper": told(row["paper_value"]),
        "ours": told(row["our_value"]),
        "interval": between(row, "our_value", told),
        "planted": None if row["planted_value"] is None else told(row["planted_value"]),
        "range": between(row, "sensitivity", told),
        "verdict_label": VERDICTS.get(row["verdict"], row["verdict"]),
    }
