"""The two times of a running twin: the world's, which is told to go on, and the wall's.

Belongs here: the calendar of the world and the clock that limits are measured with. Does not
belong here: what is visible at a time (the views) and what a limit is (`limits`).

The world's time stands still between two advances: a day of the archive and a page of an API
stay what they are for as long as a client needs to read them. Limits are about real seconds, so
they run on the wall clock, which a test replaces by its own.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from twin.world import DAY

WallClock = Callable[[], float]
wall_clock: WallClock = time.time


@dataclass(frozen=True)
class Calendar:
    """Which days of a world are over.

    Attributes:
        first_day: the archive's day 0.
        days_elapsed: complete days since the midnight that begins day 0.
    """

    first_day: date
    days_elapsed: int

    def __post_init__(self) -> None:
        if self.days_elapsed < 0:
            raise ValueError("a world does not go back: days_elapsed is negative")
        if self.days_elapsed > (date.max - self.first_day).days:
            raise ValueError("the calendar ends before that day")

    @property
    def starts_at(self) -> int:
        """Midnight of day 0 in epoch seconds."""
        day = self.first_day
        return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())

    @property
    def now(self) -> int:
        """The world's time: midnight after the last day that is over."""
        return self.starts_at + self.days_elapsed * DAY

    def advanced(self, days: int) -> "Calendar":
        """The calendar some days later.

        Raises:
            ValueError: the number of days is not positive.
        """
        if days < 1:
            raise ValueError("a world goes on by one day or more")
        return Calendar(self.first_day, self.days_elapsed + days)

    def day_index(self, day: date) -> int | None:
        """The number of a day that is over, else None."""
        index = (day - self.first_day).days
        return index if 0 <= index < self.days_elapsed else None

    def as_json(self) -> dict[str, int | str | None]:
        """What the control interface tells."""
        last = self.first_day + timedelta(days=self.days_elapsed - 1)
        return {
            "now": self.now,
            "now_iso": datetime.fromtimestamp(self.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "starts_at": self.starts_at,
            "days_elapsed": self.days_elapsed,
            "first_day": self.first_day.isoformat(),
            "last_day": last.isoformat() if self.days_elapsed else None,
        }


class ManualClock:
    """A wall clock that moves only when it is told to."""

    def __init__(self, now: float = 1_760_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
