"""What an account's behaviour says, by weights that the project wrote.

Belongs here: curves from a feature to a change of the log odds of automation, each with its reason,
and how they are told. Does not belong here: the features (features), and a model that was trained
(model).

The curves come from what programs do and people do not: acting around the clock, two different acts
within seconds, the same text again, one kind of act only. They are straight lines between a few
points in steps of a half, not fitted to any data; features that tell of one thing are together in
a group, of which only the strongest counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assets.actors.features import NAMES, told

Numbers = NDArray[np.float64]

# Behaviour alone is never certain.
MOST = 4.5
# What of a curve counts grows up to this many acts: in few, kinds and evenness are small by chance.
FULL = {"act_count": 50, "message_count": 20, "thread_count": 20}
# A curve that says less than this is no reason.
_LEAST_TOLD = 0.25


@dataclass(frozen=True)
class Curve:
    """What one feature says.

    Attributes:
        feature: canonical name.
        group: of the curves of a group only the one that says most counts.
        points: (value, change of the log odds), values ascending; straight lines between them.
        least: nothing is said of accounts with fewer acts: their numbers are accidents.
        people: how it is with people, to stand beside the account's value.
        counted: the feature that says of how many acts, messages or threads it is.
    """

    feature: str
    group: str
    points: tuple[tuple[float, float], ...]
    least: int
    people: str
    counted: str = "act_count"

    def at(self, values: Numbers, counts: Numbers) -> Numbers:
        """Changes of the log odds, (n,); 0.0 where the value is unknown or rests on few acts.

        Args:
            counts: of what is counted; NaN is taken for enough.
        """
        xs, ws = zip(*self.points, strict=True)
        counts = np.where(np.isnan(counts), np.inf, counts)
        change = np.interp(values, xs, ws) * np.minimum(1.0, counts / FULL[self.counted])
        return np.where(np.isnan(values) | (counts < self.least), 0.0, change)


CURVES = (
    # People who are active comment, review, push and open things; a program has its few tasks. Who
    # does one thing only, often, hardly ever is a person.
    Curve(
        "act_kind_count",
        "kinds",
        ((1, 2.5), (2, 2.0), (4, 1.0), (6, 0.0), (8, -1.0), (10, -2.0), (13, -3.0)),
        10,
        "people: about 8",
    ),
    Curve(
        "kinds_per_repository_mean",
        "kinds a repository",
        ((1, 0.5), (2, 0.0), (3, -0.5), (4, -1.0)),
        10,
        "people: 2 to 3",
    ),
    # Different acts within seconds: nobody types so fast.
    Curve(
        "hours_to_next_kind_median",
        "speed",
        ((0.001, 1.5), (0.005, 1.0), (0.02, 0.0), (0.3, -0.5), (1, -0.5), (5, 0.0)),
        10,
        "people: minutes",
    ),
    Curve(
        "gap_hours_median",
        "speed",
        ((0.001, 1.5), (0.005, 1.0), (0.02, 0.0), (0.3, -0.5), (1, -0.5), (5, 0.0)),
        10,
        "people: minutes",
    ),
    # Nor does anybody turn to another repository within seconds, time after time.
    Curve(
        "hours_to_next_repository_median",
        "moves",
        ((0.005, 1.0), (0.02, 0.5), (0.05, 0.0), (2, 0.0), (12, -0.5)),
        10,
        "people: hours",
    ),
    # People work in bursts with nights between them; a schedule is even.
    Curve(
        "gap_hours_gini",
        "rhythm",
        ((0.3, 2.0), (0.5, 1.5), (0.7, 0.5), (0.8, 0.0), (0.9, -0.5)),
        10,
        "people: above 0.8",
    ),
    # A machine account serves one owner, an app very many; people look at a few.
    Curve(
        "owner_count",
        "breadth",
        ((1, 1.5), (2, 1.0), (4, 0.0), (8, -1.0), (20, -1.0), (60, 0.5)),
        20,
        "people: a few",
    ),
    # One task in each of many places, the same number of times.
    Curve(
        "acts_per_repository_gini",
        "evenness",
        ((0.0, 0.5), (0.2, 0.5), (0.4, 0.0), (0.6, -0.5)),
        20,
        "people: above 0.5",
    ),
    Curve(
        "acts_per_kind_gini",
        "evenness",
        ((0.0, 0.5), (0.2, 0.5), (0.4, 0.0), (0.6, -0.5)),
        20,
        "people: above 0.5",
    ),
    # Who is awake at all hours is not one person; one hour of the day is an evening or a schedule.
    Curve(
        "hour_entropy",
        "day",
        ((0.5, 0.0), (0.7, -1.0), (0.85, -0.5), (0.93, 0.0), (0.98, 1.5)),
        50,
        "people: below 0.9",
    ),
    Curve(
        "weekday_entropy",
        "week",
        ((0.85, -0.5), (0.93, 0.0), (0.99, 0.5)),
        50,
        "people: below 0.95",
    ),
    # What was said before is a template.
    Curve(
        "repeated_text_share",
        "templates",
        ((0.02, -1.0), (0.1, 0.0), (0.3, 1.5), (0.7, 3.0)),
        5,
        "people: hardly any",
        "message_count",
    ),
    Curve(
        "template_text_share",
        "templates",
        ((0.05, -0.5), (0.15, 0.0), (0.5, 2.0), (0.9, 3.0)),
        5,
        "people: hardly any",
        "message_count",
    ),
    Curve(
        "response_seconds_median",
        "answers",
        ((10, 2.0), (60, 1.5), (300, 0.0), (3600, -0.5), (86400, -0.5)),
        5,
        "people: an hour or a day",
        "thread_count",
    ),
)
_POSITIONS = {name: position for position, name in enumerate(NAMES)}


def contributions(features: Numbers) -> Numbers:
    """What each curve adds to the log odds, (n, len(CURVES)); of a group only the strongest."""
    said = np.column_stack(
        [
            curve.at(features[:, _POSITIONS[curve.feature]], features[:, _POSITIONS[curve.counted]])
            for curve in CURVES
        ]
    )
    for group in {curve.group for curve in CURVES}:
        members = [k for k, curve in enumerate(CURVES) if curve.group == group]
        if len(members) > 1:
            strongest = np.argmax(np.abs(said[:, members]), axis=1)
            for rank, member in enumerate(members):
                said[strongest != rank, member] = 0.0
    return said


def log_odds_of(features: Numbers) -> Numbers:
    """Change of the log odds by behaviour; (n,), 0.0 where nothing is known.

    Args:
        features: (n, len(NAMES)), NaN where unknown.
    """
    return np.asarray(np.clip(contributions(features).sum(axis=1), -MOST, MOST))


def reasons_of(features: Numbers, count: int = 3) -> Sequence[tuple[str, ...]]:
    """The features that say most of each account, in words, the strongest first."""
    if not np.isfinite(features).any():
        return [()] * len(features)
    said = contributions(features)
    order = np.argsort(-np.abs(said), axis=1, kind="stable")[:, :count]
    return [
        tuple(
            f"{told(CURVES[k].feature, float(features[row, _POSITIONS[CURVES[k].feature]]))} "
            f"({CURVES[k].people})"
            for k in order[row]
            if abs(said[row, k]) >= _LEAST_TOLD
        )
        for row in range(len(features))
    ]
