"""Budgets against servers that count by brute force, on a clock of their own."""

import heapq
import itertools
import math
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.clients.budgets import (
    FIRST_PAUSE_SECONDS,
    LONG_WAIT_SECONDS,
    Allowance,
    Announced,
    Budgets,
    Kind,
    Meter,
    Outcome,
    Pace,
    Ticket,
    Window,
)

HOUR = 3_600.0
KINDS = {"rest": Kind("core", HOUR, "rest"), "query": Kind("graphql", HOUR, "query")}
NO_PACES: dict[str, Pace] = {}


# A model of a server, and of clients that ask it.


@dataclass
class Server:
    """Counts each request as it arrives, per account; what is too much is refused and noted.

    `is_aligned`: windows begin at multiples of their length, else with their first request.
    `rounding`: how the seconds to a window's end become whole ones; None: the end is told as an
    instant beside a Date, both in whole seconds.
    """

    limits: list[int]
    seconds: int
    is_aligned: bool = False
    rounding: Callable[[float], int] | None = None
    pace: Pace | None = None
    concurrent: int = 1_000
    offset: float = 1_760_000_000.37
    used: Counter[tuple[int, int]] = field(default_factory=Counter)
    ends: dict[int, int] = field(default_factory=dict)
    minute: dict[int, deque[float]] = field(default_factory=dict)
    in_flight: Counter[int] = field(default_factory=Counter)
    refusals: list[str] = field(default_factory=list)
    begun: list[tuple[int, int, float]] = field(default_factory=list)

    def _window(self, account: int, now: float) -> int:
        epoch = now + self.offset
        if epoch >= self.ends.get(account, 0):
            end = int(epoch) + self.seconds
            if self.is_aligned:
                end = (int(epoch) // self.seconds + 1) * self.seconds
            self.ends[account] = end
            self.begun.append((account, end, now))
        return self.ends[account]

    def arrive(self, account: int, points: int, now: float) -> int:
        """Count a request; returns the window's end by which it can be given back."""
        end = self._window(account, now)
        self.used[account, end] += points
        if self.used[account, end] > self.limits[account]:
            self.refusals.append(f"window at {now}")
        self.in_flight[account] += 1
        if self.in_flight[account] > self.concurrent:
            self.refusals.append(f"concurrent at {now}")
        if self.pace is not None:
            recent = self.minute.setdefault(account, deque())
            while recent and recent[0] <= now - self.pace.seconds:
                recent.popleft()
            recent.append(now)
            if len(recent) > self.pace.points:
                self.refusals.append(f"pace at {now}")
        return end

    def give_back(self, account: int, end: int, points: int) -> None:
        self.used[account, end] -= points

    def announced(self, account: int, now: float) -> Announced:
        limit, end = self.limits[account], self._window(account, now)
        left = limit - self.used[account, end]
        epoch = now + self.offset
        if self.rounding is None:
            return Announced(limit, max(0, left), end - int(epoch))
        return Announced(limit, max(0, left), self.rounding(end - epoch), float(self.seconds))


@dataclass
class Odds:
    """What happens to requests."""

    latency: float = 0.3
    never_arrives: float = 0.0
    never_answered: float = 0.0
    not_modified: float = 0.0
    pages: int = 1
    cost: Callable[[random.Random], tuple[int, int]] = lambda _: (1, 1)


@dataclass
class Simulation:
    """Workers that always have something to ask."""

    server: Server
    budgets: Budgets
    workers: int
    odds: Odds
    rng: random.Random
    kind: str = "rest"
    now: float = 1_000.0
    answered: Counter[int] = field(default_factory=Counter)
    vanished: Counter[tuple[int, int]] = field(default_factory=Counter)
    most_in_flight: int = 0

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._subjects = itertools.count()
        self._idle = [self._work() for _ in range(self.workers)]
        while True:
            self._launch()
            assert self._events, "all wait and nothing will happen"
            self.now, _, event = heapq.heappop(self._events)
            if self.now > until:
                return
            event()

    def _work(self) -> tuple[str, int]:
        return f"s{next(self._subjects)}", self.rng.randint(1, self.odds.pages)

    def _at(self, delay: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + delay, next(self._numbers), event))

    def _launch(self) -> None:
        """Let all go that may; whoever must wait is asked again then, or when another ends."""
        waiting, soonest = [], math.inf
        for work in self._idle:
            actual, reserved = self.odds.cost(self.rng)
            account, delay = self.budgets.choose(self.kind, reserved, 1, self.now, subject=work[0])
            if delay > 0.0:
                waiting.append(work)
                soonest = min(soonest, delay)
                continue
            ticket = self.budgets.begin(account, self.kind, reserved, 1, self.now)
            self._send(ticket, work, actual)
        self._idle = waiting
        in_flight = sum(a.in_flight for a in self.budgets.allowances)
        self.most_in_flight = max(self.most_in_flight, in_flight)
        if soonest < math.inf:
            self._at(soonest, lambda: None)

    def _send(self, ticket: Ticket, work: tuple[str, int], points: int) -> None:
        odds, account = self.odds, ticket.account
        out, inside, back = (self.rng.uniform(0.05, 1.0) * odds.latency / 2 for _ in range(3))
        draw = self.rng.random()

        def lost() -> None:
            self.budgets.end(ticket, Outcome.LOST, None, self.now, self.now)
            self._idle.append(work)

        def arrived() -> None:
            end = self.server.arrive(account, points, self.now)
            self._at(inside, lambda: written(end))

        def written(end: int) -> None:
            is_same = self.rng.random() < odds.not_modified
            if is_same:
                self.server.give_back(account, end, points)
            told = self.server.announced(account, self.now)
            self.server.in_flight[account] -= 1
            if draw < odds.never_arrives + odds.never_answered:
                self._at(back * 10, lost)
            else:
                self._at(back, lambda: heard(told, is_same))

        def heard(told: Announced, is_same: bool) -> None:
            outcome = Outcome.NOT_MODIFIED if is_same else Outcome.ANSWERED
            self.budgets.end(ticket, outcome, told, self.now, self.now)
            self.answered[account] += 1
            self._idle.append((work[0], work[1] - 1) if work[1] > 1 else self._work())

        if draw < odds.never_arrives:
            self.vanished[account, self.server.ends.get(account, 0)] += 1
            self._at(out, lost)
        else:
            self._at(out, arrived)

    def shares(self) -> list[float]:
        """How much of each window that is over was used; requests that vanished count as used."""
        over = [(a, end) for a, end, _ in self.server.begun if end < self.now + self.server.offset]
        return [
            (self.server.used[key] + self.vanished[key]) / self.server.limits[key[0]]
            for key in over
        ]

    def in_time(self) -> float:
        """What was used, as a share of what windows that follow each other would allow."""
        seconds = self.now - 1_000.0
        allowed = sum(self.server.limits) * seconds / self.server.seconds
        return sum(self.server.used.values()) / allowed


def simulation(
    server: Server,
    workers: int,
    odds: Odds,
    seed: int = 1,
    kind: str = "rest",
    concurrent: int = 16,
) -> Simulation:
    paces = {} if server.pace is None else {"rest": server.pace}
    budgets = Budgets(KINDS, paces, concurrent, len(server.limits))
    return Simulation(server, budgets, workers, odds, random.Random(seed), kind)


ROUNDINGS = [None, math.ceil, math.floor]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    limits=st.lists(st.integers(40, 160), min_size=1, max_size=3),
    seconds=st.integers(60, 300),
    is_aligned=st.booleans(),
    rounding=st.sampled_from(ROUNDINGS),
    offset=st.floats(1e9, 2e9),
    workers=st.integers(1, 12),
    latency=st.floats(0.01, 1.0),
    never_arrives=st.sampled_from([0.0, 0.02, 0.1]),
    never_answered=st.sampled_from([0.0, 0.02, 0.1]),
    not_modified=st.sampled_from([0.0, 0.3, 0.7]),
    pages=st.integers(1, 20),
)
def test_windows_are_never_exceeded_and_used_up(
    seed: int, limits: list[int], seconds: int, is_aligned: bool,
    rounding: Callable[[float], int] | None, offset: float, workers: int, latency: float,
    never_arrives: float, never_answered: float, not_modified: float, pages: int,
) -> None:  # fmt: skip
    if never_arrives or never_answered or not_modified:
        # Some that are lost at the end of a window are counted twice, and some that are given back
        # there cannot be told from old numbers: three or four, which of few are many.
        limits = [limit * 4 for limit in limits]
    odds = Odds(latency, never_arrives, never_answered, not_modified, pages)
    server = Server(limits, seconds, is_aligned, rounding, offset=offset)
    run = simulation(server, workers + len(limits), odds, seed)
    run.run(seconds * 3.5)
    assert server.refusals == []
    # As many as the workers can ask in the shortest time that a window is open to them.
    slowest = latency * 1.5 * (1 + 10 * never_answered) / (1 - not_modified)
    is_enough = seconds * (workers + len(limits)) / slowest > 4 * sum(limits)
    # The first aligned window may be open for a moment only.
    shares = run.shares()[len(limits) if is_aligned else 0 :]
    if is_enough and shares:
        assert min(shares) >= 0.95, shares


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    limit=st.integers(1, 40),
    seconds=st.integers(1, 6),
    is_aligned=st.booleans(),
    rounding=st.sampled_from([None, math.ceil]),
    offset=st.floats(1e9, 2e9),
    latency=st.sampled_from([0.02, 0.2, 1.0, 4.0, 12.0]),
    lost=st.sampled_from([0.0, 0.1]),
)
def test_windows_shorter_than_an_answer_takes_are_never_exceeded(
    seed: int, limit: int, seconds: int, is_aligned: bool,
    rounding: Callable[[float], int] | None, offset: float, latency: float, lost: float,
) -> None:  # fmt: skip
    if lost:
        # All of a window may be lost requests, of which nobody knows when they arrived.
        limit += 20
    server = Server([limit, limit], seconds, is_aligned, rounding, offset=offset)
    run = simulation(server, 12, Odds(latency, lost, lost, pages=5), seed)
    run.run(30 + seconds * 5)
    assert server.refusals == []
    assert sum(run.answered.values()) > 0


def test_an_answer_that_may_be_of_the_next_window_does_not_end_it_early() -> None:
    # A second long, and told in whole seconds: one end cannot be told from the next.
    asked = Asked().known(30, now=0.88, ends_in=1.0)
    asked.end(asked.send(1.7), 1.8, 20, ends_in=1.0)
    assert asked.window.ends_at >= 2.8


@pytest.mark.parametrize("is_aligned", [False, True])
@pytest.mark.parametrize(
    ("limits", "seconds", "rounding"),
    [([5_000], 3_600, None), ([1_000], 300, math.ceil), ([1_000, 2_500], 300, math.floor)],
)
def test_published_windows_are_used_all_the_time(
    limits: list[int], seconds: int, rounding: Callable[[float], int] | None, is_aligned: bool
) -> None:
    server = Server(limits, seconds, is_aligned, rounding)
    odds = Odds(0.4, never_arrives=0.01, never_answered=0.01, not_modified=0.1, pages=50)
    run = simulation(server, 8, odds)
    # As far as the end of the third aligned window after the present one.
    rest = seconds - (run.now + server.offset) % seconds if is_aligned else 0
    run.run(rest + seconds * 3)
    assert server.refusals == []
    assert min(run.shares()) >= 0.99
    assert run.in_time() >= 0.97


def test_queries_are_reserved_and_corrected() -> None:
    def cost(rng: random.Random) -> tuple[int, int]:
        expected = rng.randint(1, 40)
        return rng.randint(1, expected), expected

    server = Server([5_000], 3_600)
    run = simulation(server, 8, Odds(2.0, 0.01, 0.01, cost=cost), kind="query")
    run.run(3_600 * 2.2)
    assert server.refusals == []
    assert min(run.shares()) >= 0.99


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    points=st.integers(50, 900),
    latency=st.floats(0.01, 0.6),
    lost=st.floats(0, 0.1),
)
def test_a_minute_is_never_exceeded_and_used_up(
    seed: int, points: int, latency: float, lost: float
) -> None:
    server = Server([1_000_000], 3_600, pace=Pace(points), concurrent=16)
    run = simulation(server, 24, Odds(latency, lost, lost), seed)
    run.run(200)
    assert server.refusals == []
    assert run.most_in_flight == 16 or latency * points < 60 * 16
    served = sum(server.used.values())
    # Three whole minutes, and the first burst of the fourth; of losses only the wait is known.
    assert served >= 0.95 * points * 3 * (1 - 2 * lost)


def test_the_published_minute_is_used_all_the_time() -> None:
    server = Server([1_000_000], 3_600, pace=Pace(900), concurrent=16)
    run = simulation(server, 24, Odds(0.5))
    run.run(60 * 10)
    assert server.refusals == []
    assert sum(server.used.values()) >= 0.97 * 900 * 10


# Single rules.


@dataclass
class Asked:
    """A window and the requests of a test."""

    window: Window = field(default_factory=Window)
    tickets: list[Ticket] = field(default_factory=list)

    def send(self, now: float, points: int = 1) -> Ticket:
        assert self.window.delay(points, now) == 0.0
        ticket = Ticket(0, "rest", points, 1, now)
        self.window.begin(ticket)
        return ticket

    def end(
        self, ticket: Ticket, now: float, remaining: int | None, ends_in: float = 100.0,
        outcome: Outcome = Outcome.ANSWERED, limit: int = 40,
    ) -> None:  # fmt: skip
        told = None if remaining is None else Announced(limit, remaining, ends_in)
        self.window.end(ticket, outcome, told, now)

    def known(self, remaining: int, now: float = 0.0, ends_in: float = 100.0) -> "Asked":
        self.end(self.send(now), now + 0.1, remaining, ends_in)
        return self


def test_one_request_at_a_time_finds_out() -> None:
    asked = Asked()
    first = asked.send(0.0)
    assert asked.window.delay(1, 0.0) == math.inf
    asked.end(first, 1.0, None, outcome=Outcome.LOST)
    second = asked.send(1.0)
    assert asked.window.delay(1, 1.5) == math.inf
    asked.end(second, 2.0, 30)
    assert asked.window.delay(30, 2.0) == 0.0
    assert asked.window.delay(31, 2.0) > 90.0


def test_after_the_end_one_request_at_a_time_finds_out_again() -> None:
    asked = Asked().known(30, ends_in=100.0)
    late, lost = asked.send(99.0), asked.send(99.0)
    # 100 seconds after the answer at 0.1, and a second for rounding.
    assert asked.window.delay(40, 100.0) == pytest.approx(1.1)
    assert asked.window.delay(1, 101.0) == 0.0
    probe = asked.send(101.2)
    assert asked.window.delay(1, 101.3) == math.inf
    # An old number lifts nothing: it holds for a moment, and then for nothing.
    asked.end(late, 101.4, 29, ends_in=0.0)
    assert asked.window.delay(1, 101.4) == pytest.approx(0.1)
    assert asked.window.delay(1, 101.6) == math.inf
    asked.end(lost, 101.7, None, outcome=Outcome.LOST)
    # What was on its way may count in either window, until something newer is heard.
    asked.end(probe, 101.8, 39)
    assert asked.window.delay(38, 101.8) == 0.0
    assert asked.window.delay(39, 101.8) > 0.0
    asked.end(asked.send(101.9), 102.0, 37)
    assert asked.window.delay(37, 102.0) == 0.0


def test_what_is_on_its_way_may_fill_the_next_window() -> None:
    asked = Asked()
    asked.end(asked.send(0.0), 0.1, 2, limit=2)
    late = [asked.send(99.0), asked.send(99.0)]
    assert asked.window.delay(1, 200.0) == math.inf
    asked.end(late[0], 200.0, None, outcome=Outcome.LOST)
    assert asked.window.delay(1, 200.0) == math.inf
    # Then nothing more will be known without asking.
    asked.end(late[1], 200.0, None, outcome=Outcome.LOST)
    assert asked.window.delay(1, 200.0) == 0.0


def test_no_window_is_over_too_early_by_rounding() -> None:
    # The answer was written at 0.9 of a second: its end is up to a second later than told.
    asked = Asked().known(0, now=50.0, ends_in=10.0)
    assert asked.window.ends_at >= 60.1
    # An answer right after the tick of the server's clock tells the end more exactly.
    other = Asked().known(5, now=50.0, ends_in=10.0)
    other.end(other.send(50.5), 50.6, 4, ends_in=9.0)
    assert other.window.ends_at == pytest.approx(59.6 + 0.2)


def test_answers_out_of_order_leave_the_least() -> None:
    asked = Asked().known(20)
    early, later = asked.send(1.0), asked.send(1.1)
    asked.end(later, 1.2, 18)
    asked.end(early, 1.3, 19)
    assert asked.window.remaining == 18
    # A server that tells an old number does not give anything back.
    asked.end(asked.send(2.0), 2.1, 25)
    assert asked.window.remaining == 18


def test_a_lost_request_counts_until_something_newer_is_heard() -> None:
    asked = Asked().known(10)
    before = asked.send(1.0)
    lost = asked.send(1.1)
    during = asked.send(1.9)
    asked.end(lost, 2.0, None, outcome=Outcome.LOST)
    assert asked.window.reserved == 3
    asked.end(before, 2.5, 9)
    asked.end(during, 2.6, 8)
    # Both were sent before it was lost: the server may count it yet.
    assert asked.window.reserved == 1
    after = asked.send(3.0)
    asked.end(after, 3.1, 6)
    assert asked.window.reserved == 0
    assert asked.window.delay(6, 3.1) == 0.0


def test_a_304_gives_its_point_back() -> None:
    asked = Asked().known(10)
    conditional, other = asked.send(1.0), asked.send(1.0)
    # This one saw the other's point taken.
    asked.end(other, 1.1, 8)
    asked.end(conditional, 1.2, 9, outcome=Outcome.NOT_MODIFIED)
    assert asked.window.delay(9, 1.2) > 0.0
    asked.end(asked.send(2.0), 2.1, 9, outcome=Outcome.NOT_MODIFIED)
    assert asked.window.delay(9, 2.1) == 0.0
    assert asked.window.delay(10, 2.1) > 0.0


def test_a_later_end_within_a_window_is_no_new_window() -> None:
    asked = Asked().known(5, ends_in=100.0)
    ends_at = asked.window.ends_at
    asked.end(asked.send(10.0), 10.1, 4, ends_in=290.0)
    assert (asked.window.remaining, asked.window.ends_at) == (4, ends_at)
    asked.end(asked.send(11.0), 11.1, 3, ends_in=0.0)
    assert (asked.window.remaining, asked.window.ends_at) == (3, ends_at)


def test_an_answer_of_the_window_before_says_nothing_of_the_present_one() -> None:
    asked = Asked().known(30, ends_in=100.0)
    slow = asked.send(99.0)
    asked.end(asked.send(102.0), 102.1, 39, ends_in=100.0)
    asked.end(slow, 103.0, 0, ends_in=1.0)
    assert asked.window.remaining == 39
    assert asked.window.delay(38, 103.0) == 0.0


def test_a_server_without_limits_is_not_held_back() -> None:
    asked = Asked()
    first = asked.send(0.0)
    asked.end(first, 1.0, None)
    many = [asked.send(2.0) for _ in range(50)]
    # Limits are switched on: those in flight are counted.
    asked.end(many[0], 2.1, 60)
    assert asked.window.delay(11, 2.1) == 0.0
    assert asked.window.delay(12, 2.1) > 0.0


def test_a_gateway_that_fails_does_not_lift_limits() -> None:
    asked = Asked()
    asked.end(asked.send(0.0), 1.0, None, outcome=Outcome.LOST)
    asked.send(2.0)
    assert asked.window.delay(1, 2.0) == math.inf
    known = Asked().known(10)
    known.end(known.send(1.0), 1.1, None)
    assert known.window.reserved == 1


def test_more_than_the_limit_is_asked_of_a_whole_window() -> None:
    asked = Asked().known(40, ends_in=100.0)
    assert asked.window.delay(1_000, 1.0) == 0.0


def test_a_minute_counts_from_sending_until_after_the_answer() -> None:
    meter = Meter(Pace(10, 60.0))
    meter.begin(10)
    assert meter.delay(1, 100.0) == math.inf
    meter.end(4, 110.0)
    meter.end(6, 120.0)
    assert meter.delay(4, 120.0) == pytest.approx(50.06)
    assert meter.delay(5, 120.0) == pytest.approx(60.06)
    assert meter.delay(4, 170.0) > 0.0
    assert meter.delay(4, 170.1) == 0.0
    # Never more than there is.
    assert meter.delay(50, 180.1) == 0.0


def allowance(concurrent: int = 4) -> Allowance:
    return Allowance(KINDS, {"rest": Pace(100), "query": Pace(100)}, concurrent)


def begun(of: Allowance, now: float, kind: str = "rest") -> Ticket:
    assert of.delay(kind, 1, 1, now) == 0.0
    ticket = Ticket(0, kind, 1, 1, now)
    of.begin(ticket)
    return ticket


def ended(
    of: Allowance, ticket: Ticket, now: float, outcome: Outcome = Outcome.ANSWERED,
    remaining: int = 50, asked: float | None = None,
) -> float:  # fmt: skip
    of.end(ticket, outcome, Announced(60, remaining, 100.0), now, now)
    if outcome in (Outcome.TOO_FAST, Outcome.EXHAUSTED):
        return of.refuse(ticket, outcome, asked, now)
    return 0.0


def test_classes_share_the_number_at_the_same_time() -> None:
    of = allowance(2)
    for kind in KINDS:
        ended(of, begun(of, 0.0, kind), 0.1)
    rest, _ = begun(of, 1.0), begun(of, 1.0, "query")
    assert of.delay("rest", 1, 1, 1.0) == of.delay("query", 1, 1, 1.0) == math.inf
    ended(of, rest, 2.0)
    assert of.delay("query", 1, 1, 2.0) == 0.0


def test_a_refusal_pauses_the_whole_account_and_then_one_tries() -> None:
    of = allowance()
    for kind in KINDS:
        ended(of, begun(of, 0.0, kind), 0.1)
    together = [begun(of, 1.0) for _ in range(3)]
    assert ended(of, together[0], 2.0, Outcome.TOO_FAST, asked=30.0) == pytest.approx(30.03)
    assert of.delay("query", 1, 1, 2.0) == of.delay("rest", 1, 1, 2.0) == math.inf
    ended(of, together[1], 2.1)
    ended(of, together[2], 2.2)
    assert of.delay("query", 1, 1, 2.2) == pytest.approx(29.83)
    trying = begun(of, 33.0)
    assert of.delay("query", 1, 1, 33.0) == math.inf
    ended(of, trying, 33.1)
    begun(of, 33.2)
    assert of.delay("query", 1, 1, 33.2) == 0.0


def test_refusals_that_do_not_say_how_long_double_the_pause() -> None:
    of = allowance()
    ended(of, begun(of, 0.0), 0.1)
    together = [begun(of, 1.0) for _ in range(3)]
    pauses = [ended(of, ticket, 2.0, Outcome.TOO_FAST) for ticket in together]
    assert pauses == [FIRST_PAUSE_SECONDS] * 3
    now = 2.0
    for doubled in (2, 4, 8):
        now += pauses[-1]
        pauses.append(ended(of, begun(of, now), now, Outcome.TOO_FAST))
        assert pauses[-1] == FIRST_PAUSE_SECONDS * doubled
    now += pauses[-1]
    ended(of, begun(of, now), now)
    assert ended(of, begun(of, now + 1), now + 1, Outcome.TOO_FAST) == FIRST_PAUSE_SECONDS


def test_a_window_that_is_used_up_lets_other_classes_go_on() -> None:
    of = allowance()
    for kind in KINDS:
        ended(of, begun(of, 0.0, kind), 0.1)
    refused = begun(of, 1.0)
    assert ended(of, refused, 1.1, Outcome.EXHAUSTED, remaining=0) == pytest.approx(100.0)
    assert of.delay("rest", 1, 1, 1.1) == pytest.approx(100.0)
    assert of.delay("query", 1, 1, 1.1) == 0.0


# The choice among accounts.


def chosen(budgets: Budgets, subject: str, now: float = 0.0, **more: int) -> int:
    account, delay = budgets.choose("rest", 1, 1, now, subject=subject, **more)
    assert delay == 0.0
    budgets.begin(account, "rest", 1, 1, now)
    return account


def told(budgets: Budgets, remaining: dict[int, int], now: float = 0.0) -> None:
    """Each account has asked once."""
    for account, left in remaining.items():
        ticket = budgets.begin(account, "rest", 1, 1, now)
        budgets.end(ticket, Outcome.ANSWERED, Announced(100, left, 1_000.0), now, now)


def test_subjects_go_to_the_account_with_most_room_and_stay() -> None:
    budgets = Budgets(KINDS, NO_PACES, 16, 3)
    assert [chosen(budgets, name) for name in "abc"] == [0, 1, 2]
    budgets = Budgets(KINDS, NO_PACES, 16, 3)
    told(budgets, {0: 20, 1: 60, 2: 50})
    assert [chosen(budgets, "a", 1.0) for _ in range(5)] == [1] * 5
    assert chosen(budgets, "b", 1.0) == 1
    told(budgets, {1: 10}, 2.0)
    assert chosen(budgets, "a", 3.0) == 1
    assert chosen(budgets, "c", 3.0) == 2
    assert chosen(budgets, "a", 3.0, fixed=0) == 0


def test_room_is_a_share_of_each_account_s_own_limit() -> None:
    budgets = Budgets(KINDS, NO_PACES, 16, 2)
    for account, (limit, left) in enumerate([(5_000, 2_500), (15_000, 9_000)]):
        ticket = budgets.begin(account, "rest", 1, 1, 0.0)
        budgets.end(ticket, Outcome.ANSWERED, Announced(limit, left, 1_000.0), 0.0, 0.0)
    assert chosen(budgets, "a", 1.0) == 1


def test_what_is_on_its_way_and_who_waits_take_room() -> None:
    budgets = Budgets(KINDS, NO_PACES, 16, 2)
    told(budgets, {0: 50, 1: 49})
    assert [chosen(budgets, name, 1.0) for name in "abcd"] == [0, 0, 1, 0]
    budgets.allowances[0].waiting = 5
    assert [chosen(budgets, name, 1.0) for name in "ef"] == [1, 1]


def test_a_subject_moves_when_its_account_is_out_for_long() -> None:
    budgets = Budgets(KINDS, NO_PACES, 16, 2)
    told(budgets, {0: 50, 1: 40})
    assert chosen(budgets, "a", 1.0) == 0
    told(budgets, {0: 0}, 2.0)
    assert budgets.choose("rest", 1, 1, 2.0, subject="a", fixed=0)[1] > LONG_WAIT_SECONDS
    assert chosen(budgets, "a", 2.0) == 1
    # It has moved: what it is told of now belongs to the other account.
    assert chosen(budgets, "a", 1_500.0) == 1


def test_a_subject_waits_where_the_wait_is_short() -> None:
    budgets = Budgets(KINDS, NO_PACES, 16, 2)
    for account in range(2):
        ticket = budgets.begin(account, "rest", 1, 1, 0.0)
        budgets.end(ticket, Outcome.ANSWERED, Announced(10, account, 3.0), 0.0, 0.0)
    budgets._pin("a", 0)
    assert budgets.choose("rest", 1, 1, 0.0, subject="a") == (0, pytest.approx(3.1))


def test_what_has_no_subject_goes_wherever_there_is_room() -> None:
    budgets = Budgets(KINDS, NO_PACES, 16, 2)
    told(budgets, {0: 0, 1: 1})
    assert chosen(budgets, "", 1.0) == 1
    _, delay = budgets.choose("rest", 1, 1, 1.0)
    assert 900.0 < delay < math.inf
    # Also where the account with most room is not the one that is ready first.
    budgets = Budgets(KINDS, NO_PACES, 16, 2)
    told(budgets, {0: 0})
    ticket = budgets.begin(1, "rest", 1, 1, 1.0)
    budgets.end(ticket, Outcome.TOO_FAST, Announced(100, 90, 1_000.0), 1.0, 1.0, asked=10.0)
    assert budgets.choose("rest", 1, 1, 1.0)[1] == pytest.approx(10.01)


def test_memory_for_subjects_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.clients.budgets.MOST_SUBJECTS", 10)
    budgets = Budgets(KINDS, NO_PACES, 1_000, 2)
    told(budgets, {0: 90, 1: 90})
    for number in range(50):
        chosen(budgets, f"s{number}", 1.0)
    assert len(budgets._pins) == 10
