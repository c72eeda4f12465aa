"""How large a world is, and which stocks are planted in it.

Belongs here: the presets and the targets of the published table. Does not belong here: how the
population is drawn (`accounts`, `repositories`).

Targets (published table 2): GitHub commits median 24, issues median 0, stars median 16; Hub
commits median 2, discussions median 0, likes median 0. The published table has no zero shares;
a median of 0 only says "at least one half", and the twin's own choice is in `PLANTED`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from twin.draws import Tail

# Shapes are chosen so that median, mean (roughly) and maximum (as a cap) are those of table 2.
PLANTED: dict[str, Tail] = {
    "github_commits": Tail(0.0, 2.87, 71_860_646, median=24.5),
    "github_issues": Tail(0.55, 2.1, 1_607_850, median=8.0),
    "github_stars": Tail(0.09, 2.0, 318_751, median=21.2),
    "hub_commits": Tail(0.0, 0.9, 3_000),
    "hub_discussions": Tail(0.93, 1.4, 3_010),
    "hub_likes": Tail(0.82, 1.2, 10_194),
}


@dataclass(frozen=True)
class Scale:
    """How large a world is.

    `events_per_day` is GitHub's flow. `duplicate_count` and `late_count` are planted copies and
    late events, `malformed_count` the broken lines of a damaged hour. `targets` are the planted
    stocks, keyed as `PLANTED`.
    """

    name: str
    events_per_day: int
    repository_count: int
    person_count: int
    organisation_count: int
    community_count: int
    model_count: int
    hub_person_count: int
    hub_organisation_count: int
    duplicate_count: int
    late_count: int
    malformed_count: int
    targets: Mapping[str, Tail] = field(default_factory=lambda: dict(PLANTED), hash=False)


SCALES = {
    "tiny": Scale("tiny", 1_000, 200, 400, 25, 5, 150, 120, 10, 4, 4, 3),
    "demo": Scale("demo", 89_000, 4_000, 9_000, 400, 40, 1_000, 700, 50, 60, 120, 12),
    "large": Scale(
        "large", 500_000, 100_000, 200_000, 8_000, 400, 100_000, 50_000, 2_500, 300, 600, 12
    ),
    "study": Scale(
        "study", 3_500_000, 1_428_792, 2_600_000, 90_000, 4_000, 1_440_527, 642_773, 30_000, 1_000,
        4_000, 12,
    ),
}  # fmt: skip
