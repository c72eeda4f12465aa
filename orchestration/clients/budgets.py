"""What a caller may ask for now, so that no request is above a limit as the server counts.

Belongs here: windows that answers announce, points within the last minute, requests at the same
time, pauses, the choice among accounts. Does not belong here: headers (`platforms`), requests and
threads (`http`): time is an argument, in seconds of any clock that does not go back, and nothing
here is safe among threads by itself.

Why a window is never used above its limit: of the announcements that were heard, one is the last
that the server wrote. It holds every request that the server counted before it wrote it. What was
counted later belongs to a request that is in flight or was lost, as its own announcement would be
later otherwise. So what remains is no less than the least of the announcements that may be the
last one, without the points of all requests in flight and of those lost since it was asked for.
An announcement is certainly not the last where another was asked for after it was heard.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

# Added to the end of a window, a fiftieth of it within these bounds: times are told in whole
# seconds, and two clocks do not run at one rate.
MOST_MARGIN_SECONDS = 1.0
LEAST_MARGIN_SECONDS = 0.1
# Clocks that run at different rates: a share of the time that is waited.
DRIFT = 0.001
# Pause after a refusal that does not say how long; doubled each time.
FIRST_PAUSE_SECONDS = 60.0
# The same where the end of the window was told and has come.
FIRST_SECOND_PAUSE_SECONDS = 1.0
# A subject whose account is out of budget for longer than this moves to one that is not.
LONG_WAIT_SECONDS = 5.0
MOST_SUBJECTS = 100_000
# The limit by which the first requests of several accounts are shared out.
_GUESSED_LIMIT = 1_000


@dataclass(frozen=True)
class Pace:
    """At most so many points within the last seconds, at each moment."""

    points: int
    seconds: float = 60.0


@dataclass(frozen=True)
class Kind:
    """A class of requests and the limits that it falls under.

    Attributes:
        bucket: the name of its window in announcements.
        window_seconds: no window is longer.
        pace: the name of the pace that it shares; empty: none.
        write_points: what a request that changes something costs of the pace.
        needs_token: whether a caller without a token is refused anyway.
    """

    bucket: str
    window_seconds: float
    pace: str = ""
    write_points: int = 1
    needs_token: bool = False


@dataclass(frozen=True)
class Announced:
    """What an answer tells about its window.

    Attributes:
        limit: requests or points in the whole window, where told.
        remaining: what is left of them.
        ends_in: seconds from the answer to the window's end, wrong by less than a second.
        window_seconds: length of the window, where told.
    """

    limit: int | None
    remaining: int
    ends_in: float
    window_seconds: float | None = None


class Outcome(Enum):
    """How a request ended, as far as limits are concerned."""

    LOST = "lost"  # no answer, or one that does not come from behind the limit
    ANSWERED = "answered"
    NOT_MODIFIED = "not_modified"
    EXHAUSTED = "exhausted"  # refused: the window is used up
    TOO_FAST = "too_fast"  # refused: too many at once, or within a minute


@dataclass(eq=False)
class Ticket:
    """A request from before it is sent until nothing about it is uncertain.

    Attributes:
        began, ended: numbers of its window's steps, which tell what was before what also where
            a clock does not.
    """

    account: int
    kind: str
    points: int
    pace_points: int
    sent_at: float
    began: int = 0
    ended: int | None = None


@dataclass(frozen=True)
class _Heard:
    remaining: int
    began: int
    ended: int


class _Place(Enum):
    """Which window an announcement is about, compared with the one that is known."""

    SAME = "the known one"
    PRESENT = "the known one, or one after it"
    ENDED = "the known one, which is over, or one after it"
    NEW = "one after it"
    UNKNOWN = "one before it, or the server's clock is off"


class Window:
    """One caller's window of one class, as its announcements tell it.

    Attributes:
        limit: as last announced; None before.
        remaining: what was left by the last announcement, in-flight requests not taken off.
        ends_at: when the window is certainly over.
    """

    def __init__(self) -> None:
        self.limit: int | None = None
        self.remaining = 0
        self.ends_at = -math.inf
        self._least_end = self._most_end = self._margin = 0.0
        self._known_at = 0.0
        self._is_unlimited = False
        self._probe: Ticket | None = None
        self._pending: list[Ticket] = []
        self._heard: list[_Heard] = []
        self._given_back = 0
        self._steps = 0

    @property
    def reserved(self) -> int:
        """Points of requests that may not be in `remaining` yet."""
        return sum(ticket.points for ticket in self._pending)

    def is_known(self, now: float) -> bool:
        """Whether an announcement holds; otherwise one request at a time finds out."""
        return now < self.ends_at

    def delay(self, points: int, now: float) -> float:
        """Seconds until so many points may be used; infinite: until another request ends."""
        if self._is_unlimited:
            return 0.0
        # What is above the limit would wait for ever.
        due = min(points, self.limit or points)
        if not self.is_known(now):
            # What is on its way since the window before may arrive in this one.
            is_full = self.limit is not None and self.reserved + due > self.limit
            is_awaited = any(ticket.ended is None for ticket in self._pending)
            return math.inf if self._probe or (is_full and is_awaited) else 0.0
        return 0.0 if self.reserved + due <= self.remaining else self.ends_at - now

    def begin(self, ticket: Ticket) -> None:
        """A request is about to be sent."""
        if not self.is_known(ticket.sent_at):
            self._probe = ticket
        ticket.began = self._step()
        self._pending.append(ticket)

    def _step(self) -> int:
        self._steps += 1
        return self._steps

    def end(
        self, ticket: Ticket, outcome: Outcome, told: Announced | None, heard_at: float
    ) -> None:
        """A request ended.

        Args:
            heard_at: when the announcement came; the rest of an answer takes time.
        """
        if self._probe is ticket:
            self._probe = None
        ended = ticket.ended = self._step()
        if told is None:
            if outcome is Outcome.ANSWERED and self.limit is None:
                # A server without limits: no answer ever told one.
                self._is_unlimited = True
            if self._is_unlimited:
                self._pending = [t for t in self._pending if t.ended is None]
            return
        self._is_unlimited = False
        ends = (ticket.sent_at + told.ends_in - 1.0, heard_at + told.ends_in)
        place = self._place(ticket.sent_at, heard_at, *ends)
        if place is _Place.UNKNOWN:
            return
        if ticket in self._pending:
            self._pending.remove(ticket)
        if place is _Place.ENDED:
            # Nothing is spent by what may be an old number; its time is over soon.
            told = replace(told, remaining=0)
        if place in (_Place.NEW, _Place.ENDED):
            self._open(told, *ends, heard_at)
        else:
            self._set_end(place, *ends)
        self.limit = told.limit or self.limit or told.remaining
        if outcome is Outcome.NOT_MODIFIED:
            self._given_back += 1
        self._hear(_Heard(told.remaining, ticket.began, ended))

    def _place(self, sent_at: float, heard_at: float, least: float, most: float) -> _Place:
        """Which window an announcement is about, by the bounds of its end.

        A server whose clock is off for one answer names another end for the same window; an
        answer that took long may be about the window before.
        """
        if sent_at >= self.ends_at:
            return _Place.NEW
        if heard_at >= self.ends_at and least <= self._most_end:
            return _Place.ENDED
        if sent_at >= self._known_at and heard_at < self._least_end:
            return _Place.SAME
        if least <= self._most_end and most >= self._least_end:
            return _Place.PRESENT
        return _Place.NEW if least > self._most_end else _Place.UNKNOWN

    def _set_end(self, place: _Place, least: float, most: float) -> None:
        """What another announcement tells of the end of the window."""
        if place is _Place.PRESENT:
            self._most_end = max(self._most_end, most)
        elif least <= self._most_end and most >= self._least_end:
            self._least_end = max(self._least_end, least)
            self._most_end = min(self._most_end, most)
        self.ends_at = self._most_end + self._margin

    def _open(self, told: Announced, least: float, most: float, heard_at: float) -> None:
        length = told.window_seconds or told.ends_in
        self._margin = min(MOST_MARGIN_SECONDS, max(LEAST_MARGIN_SECONDS, length / 50))
        self._least_end, self._most_end, self._known_at = least, most, heard_at
        self.ends_at = most + self._margin
        self._heard = []
        self._given_back = 0
        self.remaining = told.remaining

    def _hear(self, heard: _Heard) -> None:
        self._heard.append(heard)
        newest = max(other.began for other in self._heard)
        self._heard = [other for other in self._heard if other.ended > newest]
        self._pending = [
            ticket for ticket in self._pending if ticket.ended is None or ticket.ended > newest
        ]
        least = min(h.remaining for h in self._heard)
        # Within a window only a 304 gives something back: otherwise a larger number is an old one.
        more = min(max(0, least - self.remaining), self._given_back)
        self._given_back = min(self._given_back - more, len(self._pending) + len(self._heard))
        self.remaining = min(least, self.remaining + more)


class Meter:
    """Points within the last seconds.

    A request counts from before it is sent until the seconds after its answer: the server counted
    it somewhere between.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._seconds = pace.seconds * (1 + DRIFT)
        self._in_flight = 0
        self._total = 0
        self._leaving: deque[tuple[float, int]] = deque()

    def delay(self, points: int, now: float) -> float:
        """Seconds until so many points may be used; infinite: until another request ends."""
        while self._leaving and self._leaving[0][0] <= now:
            self._total -= self._leaving.popleft()[1]
        excess = self._total + self._in_flight + min(points, self._pace.points) - self._pace.points
        if excess <= 0:
            return 0.0
        for leaves_at, amount in self._leaving:
            excess -= amount
            if excess <= 0:
                return leaves_at - now
        return math.inf

    def begin(self, points: int) -> None:
        """A request is about to be sent."""
        self._in_flight += points

    def end(self, points: int, now: float) -> None:
        """A request ended, however it did."""
        self._in_flight -= points
        self._total += points
        self._leaving.append((now + self._seconds, points))


@dataclass
class Allowance:
    """What one account may do.

    Attributes:
        kinds: the classes of requests.
        paces: by name.
        concurrent: requests of all classes at the same time.
    """

    kinds: Mapping[str, Kind]
    paces: Mapping[str, Pace]
    concurrent: int
    windows: dict[str, Window] = field(init=False)
    in_flight: int = field(default=0, init=False)
    waiting: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.windows = {name: Window() for name in self.kinds}
        self._meters = {name: Meter(pace) for name, pace in self.paces.items()}
        self._paused_until = -math.inf
        self._paused_at = -math.inf
        self._refusals = 0
        self._is_on_trial = False

    def delay(self, kind: str, points: int, pace_points: int, now: float) -> float:
        """Seconds until a request may be sent; infinite: until another one ends."""
        delays = [self.windows[kind].delay(points, now), self._paused_until - now]
        meter = self._meters.get(self.kinds[kind].pace)
        if meter is not None:
            delays.append(meter.delay(pace_points, now))
        # After a refusal one request finds out whether it is over.
        most = 1 if self._is_on_trial else self.concurrent
        if self.in_flight >= most:
            delays.append(math.inf)
        return max(0.0, *delays)

    def begin(self, ticket: Ticket) -> None:
        """A request is about to be sent."""
        self.in_flight += 1
        self.windows[ticket.kind].begin(ticket)
        meter = self._meters.get(self.kinds[ticket.kind].pace)
        if meter is not None:
            meter.begin(ticket.pace_points)

    def end(
        self, ticket: Ticket, outcome: Outcome, told: Announced | None, heard_at: float, now: float
    ) -> None:
        """A request ended; a refusal is to be told to `refuse` then."""
        self.in_flight -= 1
        meter = self._meters.get(self.kinds[ticket.kind].pace)
        if meter is not None:
            meter.end(ticket.pace_points, now)
        self.windows[ticket.kind].end(ticket, outcome, told, heard_at)
        if outcome in (Outcome.ANSWERED, Outcome.NOT_MODIFIED) and ticket.sent_at > self._paused_at:
            self._refusals, self._is_on_trial = 0, False

    def refuse(self, ticket: Ticket, outcome: Outcome, asked: float | None, now: float) -> float:
        """Pause after a refusal; returns the seconds.

        Args:
            asked: what the refusal says, in seconds.
        """
        if ticket.sent_at > self._paused_at:
            # Those that were sent before the pause say nothing about how long it has to be.
            self._refusals += 1
            self._paused_at = now
        doubled = 2.0 ** max(0, self._refusals - 1)
        if asked is not None:
            pause = asked * (1 + DRIFT)
        elif outcome is Outcome.EXHAUSTED and self.windows[ticket.kind].is_known(now):
            # The window itself makes all wait; other windows of the account are not concerned.
            return self.windows[ticket.kind].ends_at - now
        elif outcome is Outcome.EXHAUSTED:
            pause = FIRST_SECOND_PAUSE_SECONDS * doubled
        else:
            pause = FIRST_PAUSE_SECONDS * doubled
        self._is_on_trial = True
        self._paused_until = max(self._paused_until, now + pause)
        return self._paused_until - now

    def load(self, kind: str, now: float) -> float:
        """How much of the window is used or spoken for, as a share; more than 1 while paused."""
        window = self.windows[kind]
        limit = window.limit or _GUESSED_LIMIT
        used = limit - window.remaining if window.is_known(now) else 0
        paused = 1.0 if now < self._paused_until else 0.0
        return paused + (used + window.reserved + self.waiting) / limit


class Budgets:
    """The allowances of several accounts, and which of them a request is sent with."""

    def __init__(
        self, kinds: Mapping[str, Kind], paces: Mapping[str, Pace], concurrent: int, accounts: int
    ) -> None:
        self.kinds = kinds
        self.allowances = [Allowance(kinds, paces, concurrent) for _ in range(accounts)]
        self._pins: OrderedDict[str, int] = OrderedDict()

    def choose(
        self,
        kind: str,
        points: int,
        pace_points: int,
        now: float,
        *,
        subject: str = "",
        fixed: int | None = None,
    ) -> tuple[int, float]:
        """The account for a request, and the seconds until it may be sent with it.

        A subject stays with its account, as what a server remembers of a caller is of use to that
        caller only; it moves where its account is out of budget and another one is not.

        Args:
            fixed: the only account that will do.
        """
        delays = [a.delay(kind, points, pace_points, now) for a in self.allowances]
        if fixed is not None:
            return fixed, delays[fixed]
        pinned = self._pins.get(subject) if subject else None
        if pinned is not None and not LONG_WAIT_SECONDS < delays[pinned] < math.inf:
            self._pins.move_to_end(subject)
            return pinned, delays[pinned]
        ready = [i for i, delay in enumerate(delays) if delay == 0.0]
        if pinned is not None and not ready:
            return pinned, min(delays)
        best = min(ready or range(len(delays)), key=lambda i: (self._load(i, kind, now), i))
        if subject:
            self._pin(subject, best)
        # Without a subject any account will do, whichever is ready first.
        return best, delays[best] if subject else min(delays)

    def _load(self, account: int, kind: str, now: float) -> float:
        return self.allowances[account].load(kind, now)

    def _pin(self, subject: str, account: int) -> None:
        self._pins[subject] = account
        self._pins.move_to_end(subject)
        if len(self._pins) > MOST_SUBJECTS:
            self._pins.popitem(last=False)

    def begin(self, account: int, kind: str, points: int, pace_points: int, now: float) -> Ticket:
        """Reserve what a request needs, which is sent now."""
        ticket = Ticket(account, kind, points, pace_points, now)
        self.allowances[account].begin(ticket)
        return ticket

    def end(
        self,
        ticket: Ticket,
        outcome: Outcome,
        told: Announced | None,
        heard_at: float,
        now: float,
        asked: float | None = None,
    ) -> float:
        """Settle a request; returns the seconds to wait after a refusal, else 0.

        Args:
            told: the answer's announcement.
            asked: seconds that a refusal asks to wait.
        """
        allowance = self.allowances[ticket.account]
        allowance.end(ticket, outcome, told, heard_at, now)
        if outcome in (Outcome.EXHAUSTED, Outcome.TOO_FAST):
            return allowance.refuse(ticket, outcome, asked, now)
        return 0.0
