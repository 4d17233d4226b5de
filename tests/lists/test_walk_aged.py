"""Walks whose pages may be as old as an earlier walk's: whole all the same."""

import asyncio
from itertools import pairwise
from operator import attrgetter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bitminter_async import GapError
from bitminter_async._lists.walk import Walk
from tests.support.lists import ALL, MovingList, Row, one_by_one

_MOVES = st.lists(st.tuples(st.integers(0, 60), st.lists(st.integers(0, 300), max_size=30)), max_size=12)


class _Caching(MovingList):
    """A list whose pages are kept, and given again to who takes an old one."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.kept: dict[tuple[int, int], tuple[Row, ...]] = {}

    async def fetch_aged(self, max_age: float, most: int, offset: int) -> tuple[Row, ...]:
        """Answer a page that is kept, or a new one."""
        if not max_age or (most, offset) not in self.kept:
            self.kept[most, offset] = await self.fetch(most, offset)
        return self.kept[most, offset]

    def walk_aged(self, **wanted: Any) -> list[int]:
        """Walk over what may be old, and return the ids."""
        records = Walk(self.fetch_aged, attrgetter("at"), **ALL | wanted, max_age=60.0).records()

        async def collect() -> list[int]:
            return [row.id async for row in records]

        return asyncio.run(collect())


@given(
    count=st.integers(0, 300),
    sizes=st.lists(st.sampled_from([7, 20, 49, 50]), min_size=2, max_size=4),
    moves=_MOVES,
    between=_MOVES,
    cap=st.sampled_from([10, 25, 50, 50]),
)
@settings(max_examples=300, deadline=None)
def test_old_pages_and_new_ones_make_a_whole(
    count: int,
    sizes: list[int],
    moves: list[tuple[int, list[int]]],
    between: list[tuple[int, list[int]]],
    cap: int,
) -> None:
    """Each record that was there in every page's moment, old and new, comes exactly once, or GapError comes."""
    a_list = _Caching(range(count, 0, -1), one_by_one(moves))
    a_list.cap = cap
    for number, size in enumerate(sizes):
        try:
            found = a_list.walk_aged(max=size)
        except GapError:
            continue
        assert all(lower < upper for upper, lower in pairwise(found))
        assert a_list.stable <= set(found)
        for change in between[number :: len(sizes)]:
            a_list.change(*change)


def test_a_walk_that_is_repeated_in_time_costs_one_request() -> None:
    """What shows the end of the list is asked anew; all else is served by the walk before."""
    a_list = _Caching(range(320, 0, -1))
    assert a_list.walk_aged() == list(range(320, 0, -1))
    asked = len(a_list.asked)
    assert a_list.walk_aged() == list(range(320, 0, -1))
    assert len(a_list.asked) == asked + 1
    a_list.asked.clear()
    assert a_list.walk_aged(limit=98) == a_list.walk_aged(limit=98)
    assert len(a_list.asked) == 0


def test_pages_that_do_not_fit_are_asked_for_anew() -> None:
    """Where a new page stands between old ones that lie elsewhere by now, the walk is whole, in few requests."""
    a_list = _Caching(range(320, 0, -1))
    a_list.walk_aged()
    a_list.grow(75)
    del a_list.kept[50, 0]
    a_list.asked.clear()
    assert a_list.walk_aged() == list(range(395, 0, -1))
    assert len(a_list.asked) <= 12
