"""Reading by page numbers: whatever moves, a list that ends as complete is complete."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from assets.huggingface import numbered
from assets.huggingface.numbered import Place, after

Shift = Callable[[int, int], int]


class Platform:
    """A list in pages of five, of which `shift(page, asked)` moves single windows."""

    def __init__(self, size: int, shift: Shift = lambda page, asked: 0, page: int = 5) -> None:
        self.items = [f"item-{k}" for k in range(size, 0, -1)]
        self.shift, self.page, self.asked = shift, page, 0
        self.has_total = True

    def ask(self, page: int) -> tuple[list[str], int | None, bool]:
        self.asked += 1
        moved = self.shift(page, self.asked) if page else 0
        start = max(0, page * self.page - moved)
        end = max(start, (page + 1) * self.page - moved)
        shown = self.items[start:end]
        total = len(self.items) if self.has_total else None
        return shown, total, (page + 1) * self.page < len(self.items)


def read(platform: Platform, most: int = 5_000) -> tuple[list[str], numbered.Verdict, int]:
    """The items of kept pages, the last verdict, and the largest cursor in bytes."""
    cursor: Any = None
    kept: list[str] = []
    largest = 0
    for _ in range(most):
        place = Place.of(cursor)
        shown, total, has_more = platform.ask(place.page)
        verdict = after(place, shown, shown, total, has_more)
        kept += shown if verdict.is_kept else []
        if verdict.place is None:
            return kept, verdict, largest
        text = json.dumps(verdict.place.as_cursor())
        largest = max(largest, len(text))
        cursor = json.loads(text)
    raise AssertionError("it has no end")


@pytest.mark.parametrize("size", [0, 1, 4, 5, 6, 10, 11, 53])
def test_a_list_that_holds_still_is_read_once(size: int) -> None:
    platform = Platform(size)
    kept, verdict, _ = read(platform)
    assert kept == platform.items
    assert (verdict.is_complete, verdict.count) == (True, size)
    assert platform.asked == max(1, -(-size // 5))


@pytest.mark.parametrize("share", [0.1, 0.3, 0.45])
@pytest.mark.parametrize("moves", [(1,), (-1,), (2,), (-3,), (-2, -1, 1, 2), (4, -4)])
def test_windows_that_move_at_random_lose_nothing(share: float, moves: tuple[int, ...]) -> None:
    ends = set()
    for seed in range(40):
        draw = random.Random(seed)
        shift = lambda page, asked: draw.choice(moves) if draw.random() < share else 0  # noqa: B023, E731
        size = draw.choice([6, 10, 27, 60])
        platform = Platform(size, shift)
        kept, verdict, _ = read(platform)
        ends.add(verdict.is_complete)
        if verdict.is_complete:
            assert set(kept) == set(platform.items)
            assert verdict.count == size
        assert platform.asked <= (numbered.PATIENCE + 1) * (size // 5 + 3)
    assert True in ends
    assert share > 0.3 or ends == {True}


@pytest.mark.parametrize("moved", [1, -1, 3, -5, 7, -7])
@pytest.mark.parametrize("size", [6, 10, 13, 60])
def test_a_list_that_always_moves_is_not_called_complete(moved: int, size: int) -> None:
    platform = Platform(size, lambda page, asked: moved)
    kept, verdict, _ = read(platform)
    assert not verdict.is_complete or set(kept) == set(platform.items)
    if moved < 0 and size > 6:
        assert not verdict.is_complete


def test_the_digest_is_that_of_the_items_whatever_moved() -> None:
    draw = random.Random(7)
    still = read(Platform(60))[1]
    moving = read(Platform(60, lambda page, asked: -1 if draw.random() < 0.3 else 0))[1]
    assert (still.digest, still.count) == (moving.digest, moving.count)
    other = Platform(60)
    other.items[17] = "another"
    assert read(other)[1].digest != still.digest


def test_what_is_opened_meanwhile_moves_the_rest_on() -> None:
    platform = Platform(23)
    before = list(platform.items)

    def opened(page: int, asked: int) -> int:
        if page in (2, 4) and platform.asked in (3, 5):
            platform.items.insert(0, f"new-{page}")
        return 0

    platform.shift = opened
    kept, verdict, _ = read(platform)
    assert verdict.is_complete
    assert set(before) <= set(kept)
    assert verdict.count == 23
    assert platform.asked == 5


def test_what_is_deleted_meanwhile_begins_anew() -> None:
    platform = Platform(23)

    def deleted(page: int, asked: int) -> int:
        if asked == 3:
            del platform.items[2]
        return 0

    platform.shift = deleted
    kept, verdict, _ = read(platform)
    assert verdict.is_complete
    assert verdict.count == 22
    assert set(platform.items) <= set(kept)


def test_a_page_that_lacks_an_item_is_not_called_complete() -> None:
    platform = Platform(23)
    ask = platform.ask

    def lacking(page: int) -> tuple[list[str], int | None, bool]:
        shown, total, has_more = ask(page)
        return (shown[1:] if page == 2 else shown), total, has_more

    platform.ask = lacking
    assert not read(platform)[1].is_complete


def test_without_a_total_the_link_tells_the_end() -> None:
    platform = Platform(23)
    platform.has_total = False
    kept, verdict, _ = read(platform)
    assert (kept, verdict.is_complete) == (platform.items, True)


def test_a_wrong_total_ends() -> None:
    platform = Platform(23)
    kept = []
    for total in (22, 24, 100):
        ask = platform.ask
        lying = Platform(23)
        lying.ask = lambda page, total=total, ask=ask: (ask(page)[0], total, True)
        items, verdict, _ = read(lying)
        assert not verdict.is_complete or total == 22
        kept.append(set(items))
    assert kept[1] == set(platform.items)


def test_a_single_page_that_none_follows_is_the_list() -> None:
    verdict = after(Place(), ["a", "b"], ["a", "b"], 7, has_more=False)
    assert (verdict.place, verdict.is_complete, verdict.count) == (None, True, 2)


def test_the_cursor_is_of_bounded_size() -> None:
    for size, page in ((3_000, 50), (20_000, 1_000)):
        *_, largest = read(Platform(size, page=page))
        assert largest < 40_000


def test_the_pin_of_the_first_page_stays() -> None:
    place = after(Place(), ["a", "b"], ["a", "b"], 5, True, "a").place
    assert place is not None
    following = after(place, ["c", "d"], ["c", "d"], 5, True, "c").place
    assert following is not None
    assert (following.page, following.pinned) == (2, "a")
