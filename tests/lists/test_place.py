"""A place in a list that moves: the page that shows both sides of it, or GapError, in few requests."""

import math
from itertools import cycle
from operator import attrgetter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitminter_async import GapError
from bitminter_async._lists.place import likely_offset, page_at
from tests.support.lists import MovingList, Row

_KEY = attrgetter("id")


@given(
    ids=st.sets(st.integers(1, 4000), min_size=1, max_size=300).map(lambda ids: sorted(ids, reverse=True)),
    place=st.integers(0, 4100),
    start=st.integers(0, 400),
    moves=st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), max_size=12),
)
@settings(max_examples=200, deadline=None)
async def test_a_page_shows_both_sides(ids: list[int], place: int, start: int, moves: list[tuple[int, int]]) -> None:
    """Whatever comes and goes meanwhile, the page has a record on either side of the place, or the list's end there."""
    schedule = iter(moves)

    def move(a_list: MovingList) -> None:
        added, withdrawn = next(schedule, (0, 0))
        del a_list.rows[:withdrawn]
        a_list.grow(added)

    moving = MovingList(ids, move)
    try:
        offset, page, is_end = await page_at(moving.fetch, _KEY, place, start, last=place)
    except GapError as error:
        assert error.last_seen == place  # noqa: PT017  # either ending is right
        return
    shown = [rows for rows in moving.snapshots if page == tuple(rows[offset : offset + 50])]
    assert shown
    assert not is_end or any(offset + 50 > len(rows) for rows in shown)
    assert offset == 0 or (page[0].id >= place if page else is_end)
    assert is_end or page[-1].id < place
    assert len(moving.asked) <= 2 + 2 * 2 * math.log2(4000) + 10


@pytest.mark.parametrize(
    ("start", "asked"), [(480, [(50, 480)]), (440, [(50, 440), (50, 488)]), (520, [(50, 520), (50, 480)])]
)
async def test_a_guess_that_is_less_than_a_page_off_costs_one_page(start: int, asked: list[tuple[int, int]]) -> None:
    """Where the page does not show the place, the next one down or one a little further up does."""
    still = MovingList(range(1000, 0, -1))
    await page_at(still.fetch, _KEY, 501, start, last=501)
    assert still.asked == asked


async def test_what_stands_above_does_not_matter_where_nothing_is_known() -> None:
    """Without a record known, the page at `start` is taken as it is, of the size asked for, below the place or not."""
    still = MovingList(range(1000, 0, -1))
    assert (await page_at(still.fetch, _KEY, 900, 300, last=None, size=7))[:2] == (300, tuple(still.rows[300:307]))
    assert still.asked == [(7, 300)]


async def test_the_list_ends_where_the_caller_says() -> None:
    """A page that reaches what the caller does not want will do, although the place would be further down."""
    still = MovingList(range(1000, 0, -1))
    past = page_at(still.fetch, _KEY, 100, 0, last=101, is_past=lambda row: row.id < 970)
    assert await past == (0, tuple(still.rows[:50]), True)
    assert still.asked == [(50, 0)]


async def test_a_list_that_leaps_is_given_up_soon() -> None:
    """A place that is never on the page that should show it is sought by its key twice at most: GapError then."""
    sides = cycle((range(900, 850, -1), range(50, 0, -1)))
    asked: list[int] = []

    async def leap(most: int, offset: int) -> tuple[Row, ...]:
        asked.append(most)
        ids = [50] if most == 1 else next(sides) if offset else range(900, 850, -1)
        return tuple(Row(number) for number in ids)

    with pytest.raises(GapError, match="moves too fast") as caught:
        await page_at(leap, _KEY, 100, 60, last=101)
    assert caught.value.last_seen == 101
    assert caught.value.first_new == 50
    assert asked.count(50) == 11
    assert asked.count(1) <= 2 * 2 * math.log2(900)


@pytest.mark.parametrize("number", [949, 500, 1])
def test_the_likely_offset_shows_what_falls_evenly(number: int) -> None:
    """By how ids fall on the newest page, the place of any other is guessed within a page."""
    newest = [Row(number) for number in range(1000, 950, -1)]
    assert likely_offset(newest, number) <= 1000 - number < likely_offset(newest, number) + 50
