"""Who is asked tonight: every tier by its rule, and a slice that is fair."""

from collections import Counter
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from assets.mining.questions import OUTCOMES, PERMANENT, Known
from assets.mining.tiers import RECHECK_DAYS, Candidate, choose, in_slice, recheck_on

DAY = date(2026, 3, 1)
NIGHTS = 20


def chosen(candidates: list[Candidate], known: dict[str, Known], day: date = DAY) -> dict[str, str]:
    return dict(choose(candidates, known, day, top=2, rotation_nights=NIGHTS, seed=1))


def quiet(day: date, *, prefix: str = "q") -> str:
    """A subject whose night in the rotation is another one."""
    return next(f"{prefix}{k}" for k in range(1000) if not in_slice(f"{prefix}{k}", day, NIGHTS, 1))


def test_each_tier_has_its_reason() -> None:
    names = {key: quiet(DAY, prefix=key) for key in ("new", "moved", "top", "rest", "gone", "open")}
    day = DAY - timedelta(3)
    known = {
        names["moved"]: Known("ok", day),
        names["top"]: Known("ok", day),
        names["rest"]: Known("ok", day),
        names["gone"]: Known("absent", day, DAY + timedelta(1)),
        names["open"]: Known("refused", day, DAY + timedelta(1)),
    }
    candidates = [
        Candidate(names["new"], 9),
        Candidate(names["moved"], 8, has_moved=True),
        Candidate(names["top"], 1),
        Candidate(names["rest"], 2),
        Candidate(names["gone"], 0, has_moved=True),
        Candidate(names["open"], 5, is_reopened=True),
    ]
    assert chosen(candidates, known) == {
        names["new"]: "new",
        names["moved"]: "changed",
        names["top"]: "top",
        names["open"]: "changed",
    }


def test_a_permanent_failure_rests_until_its_date() -> None:
    known = {"x": Known("dmca", DAY, recheck_on("dmca", DAY, "x"))}
    nights = [DAY + timedelta(k) for k in range(1, 120)]
    asked = [day for day in nights if chosen([Candidate("x", 0, has_moved=True)], known, day)]
    first = recheck_on("dmca", DAY, "x")
    assert first is not None
    assert asked == [day for day in nights if day >= first]
    assert chosen([Candidate("x", 0)], known, first) == {"x": "recheck"}
    assert set(RECHECK_DAYS) == PERMANENT
    assert {o for o in OUTCOMES if recheck_on(o, DAY, "x") is None} == {
        "ok",
        "truncated",
        "renamed",
    }


@given(st.integers(1, 40), st.integers(0, 10**6), st.text(max_size=20))
def test_a_rotation_meets_each_subject_once(nights: int, seed: int, subject: str) -> None:
    start = DAY.toordinal() // nights * nights
    days = [date.fromordinal(start + k) for k in range(nights)]
    assert sum(in_slice(subject, day, nights, seed) for day in days) == 1


def test_slices_are_of_one_size_and_differ_between_rotations() -> None:
    subjects = [f"model/a/{k}" for k in range(20_000)]
    start = DAY.toordinal() // NIGHTS * NIGHTS
    by_night = Counter(
        night
        for night in range(NIGHTS)
        for subject in subjects
        if in_slice(subject, date.fromordinal(start + night), NIGHTS, 1)
    )
    # 1,000 expected in each; six standard deviations of a binomial.
    assert len(by_night) == NIGHTS
    assert all(abs(count - 1000) < 6 * 31 for count in by_night.values())
    first = {s for s in subjects if in_slice(s, date.fromordinal(start), NIGHTS, 1)}
    second = {s for s in subjects if in_slice(s, date.fromordinal(start + NIGHTS), NIGHTS, 1)}
    # A new deal: about a twentieth stays.
    assert len(first & second) < 150


def test_the_slice_is_of_those_that_no_other_tier_asks() -> None:
    candidates = [Candidate(f"s{k}", k) for k in range(2_000)]
    known = {one.subject: Known("ok", DAY - timedelta(1)) for one in candidates}
    found = chosen(candidates, known)
    assert [s for s, tier in found.items() if tier == "top"] == ["s0", "s1"]
    slice_ = {s for s, tier in found.items() if tier == "slice"}
    assert slice_ == {
        one.subject for one in candidates[2:] if in_slice(one.subject, DAY, NIGHTS, 1)
    }
    assert 40 < len(slice_) < 180
