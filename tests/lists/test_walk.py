"""The walk over a list that moves between two pages: whole, each record once, in few requests."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bitminter_async import GapError
from bitminter_async._lists.walk import Walk
from tests.support.lists import ALL, MovingList, Row, moment_of, one_by_one

_moments = st.none() | st.integers(-5, 460).map(lambda number: moment_of(number / 2))


def _in_order(wanted: dict[str, Any]) -> dict[str, Any]:
    """`since` is not after `until`."""
    if wanted["since"] and wanted["until"] and wanted["since"] > wanted["until"]:
        return wanted | {"since": wanted["until"], "until": wanted["since"]}
    return wanted


_wanted = st.fixed_dictionaries(
    {
        "max": st.integers(1, 50),
        "offset": st.sampled_from([0, 0, 0, 1, 7, 60]),
        "limit": st.none() | st.integers(0, 120),
        "after": st.none() | st.integers(0, 230),
        "since": _moments,
        "until": _moments,
    }
).map(_in_order)


_ids = st.sets(st.integers(1, 220), max_size=220).map(lambda ids: sorted(ids, reverse=True))


def _fits(row: Row, wanted: dict[str, Any]) -> bool:
    return (
        (wanted["until"] is None or row.at <= wanted["until"])
        and (wanted["since"] is None or row.at >= wanted["since"])
        and (wanted["after"] is None or row.id > wanted["after"])
    )


@given(ids=_ids, wanted=_wanted)
@settings(max_examples=150, deadline=None)
def test_a_still_list_comes_as_it_stands(ids: list[int], wanted: dict[str, Any]) -> None:
    """On a list that stands still, a walk is the obvious slice and filter of it, whatever the parameters."""
    rows = [Row(number) for number in ids]
    expected = [row.id for row in rows[wanted["offset"] :] if _fits(row, wanted)][: wanted["limit"]]
    assert MovingList(ids).walk(**wanted) == expected


@given(
    ids=_ids,
    wanted=_wanted,
    moves=st.lists(st.tuples(st.integers(0, 90), st.lists(st.integers(0, 300), max_size=60)), max_size=12),
    cap=st.sampled_from([10, 25, 50, 50]),
)
@example(ids=[9, 8, 7], wanted={**ALL, "max": 1}, moves=[(0, [0])], cap=50)
@example(
    ids=list(range(300, 0, -1)),
    wanted={**ALL, "offset": 60, "until": moment_of(150)},
    moves=[(0, [0] * 100)],
    cap=50,
)
@settings(max_examples=300, deadline=None)
def test_a_moving_list_is_walked_whole_or_not_at_all(
    ids: list[int], wanted: dict[str, Any], moves: list[tuple[int, list[int]]], cap: int
) -> None:
    """Each record that is there from the first page to the last comes exactly once, newest first, or GapError comes."""
    moving = MovingList(ids, one_by_one(moves))
    moving.cap = cap
    try:
        found = moving.walk(**wanted)
    except GapError:
        return
    assert all(lower < upper for upper, lower in pairwise(found))
    if not moving.snapshots:
        assert not found
        return
    first = [row for row in moving.snapshots[0][wanted["offset"] :] if _fits(row, wanted)]
    is_full = wanted["limit"] is not None and len(found) == wanted["limit"]
    end = found[-1] if is_full and found else 0
    assert {row.id for row in first if row.id in moving.stable and row.id >= end} <= set(found) or (
        is_full and not found
    )
    assert all(_fits(Row(number), wanted) for number in found)
    assert wanted["limit"] is None or len(found) <= wanted["limit"]


@given(
    moves=st.lists(st.tuples(st.integers(0, 6), st.lists(st.integers(0, 400), max_size=6)), max_size=60),
    size=st.integers(5, 50),
)
@settings(max_examples=60, deadline=None)
def test_ordinary_movement_never_ends_a_walk(moves: list[tuple[int, list[int]]], size: int) -> None:
    """Some records added and some withdrawn between any two pages cost at most half again of the requests."""
    schedule = iter(moves)

    def move(a_list: MovingList) -> None:
        added, withdrawn = next(schedule, (0, ()))
        for place in withdrawn:
            del a_list.rows[place % len(a_list.rows)]
        a_list.grow(added)

    moving = MovingList(range(400, 0, -1), move)
    found = moving.walk(max=size)
    assert moving.stable <= set(found)
    still = MovingList(range(400, 0, -1))
    still.walk(max=size)
    moved = sum(added + len(withdrawn) for added, withdrawn in moves)
    assert len(moving.asked) <= 1.5 * len(still.asked) + moved / 20 + 2


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [
        ({"limit": 0}, []),
        ({"limit": 10}, [(10, 0)]),
        ({"limit": 60}, [(50, 0), (12, 48)]),
        ({"max": 10, "limit": 25}, [(10, 0), (12, 8), (7, 18)]),
        ({"offset": 195}, [(50, 195), (50, 198)]),
        ({"offset": 500}, [(50, 500), (50, 500)]),
        ({"after": 190}, [(50, 0)]),
        ({"after": 140}, [(50, 0), (50, 48)]),
        ({"since": moment_of(190)}, [(50, 0)]),
        ({"since": moment_of(153)}, [(50, 0)]),
        ({"since": moment_of(152)}, [(50, 0), (50, 48)]),
        ({"until": moment_of(190), "limit": 5}, [(5, 0), (50, 3)]),
        ({"until": moment_of(60), "limit": 5}, [(5, 0), (1, 163), (1, 133), (50, 132)]),
        ({"until": moment_of(170)}, [(50, 0), (50, 48), (50, 96), (50, 144), (50, 192), (50, 198)]),
        ({"until": moment_of(500), "limit": 3}, [(3, 0)]),
        ({"until": moment_of(199), "after": 199}, [(50, 0)]),
        ({"until": moment_of(100), "after": 180}, [(50, 0)]),
    ],
    ids=str,
)
def test_the_requests_of_a_walk(wanted: dict[str, Any], asked: list[tuple[int, int]]) -> None:
    """A walk over 200 records asks for what it needs and no more: the page sizes and offsets are these."""
    still = MovingList(range(200, 0, -1))
    still.walk(**wanted)
    assert still.asked == asked


@pytest.mark.parametrize("size", [1, 2, 7, 20, 48, 49, 50])
@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 96, 97, 98, 99, 240])
def test_the_requests_are_those_of_the_table(count: int, size: int) -> None:
    """The table in `iter_blocks`' docstring holds for all, `limit`, `since` and `after`, whatever the page size."""
    new = min(size, 48)

    def requests(rows: int, **wanted: Any) -> int:
        still = MovingList(range(rows, 0, -1))
        assert len(still.walk(max=size, **wanted)) == count
        return len(still.asked)

    tables = [
        (requests(count), count // new + 2),
        (requests(count + 60, limit=count), -(-count // new)),
        (requests(count + 60, after=60), count // new + 1),
        (requests(count + 60, since=moment_of(61)), (count + 1) // new + 1),
    ]
    for asked, most in tables:
        assert asked <= most if size > new else asked == most


@pytest.mark.parametrize("burst", [60, 450, 5000])
@pytest.mark.parametrize("grows", [True, False])
def test_one_burst_is_lived_through(burst: int, *, grows: bool) -> None:
    """However many records come or go at once between two pages, a walk finds its place again in a few requests."""

    def move(a_list: MovingList) -> None:
        if len(a_list.asked) == 3:
            if grows:
                a_list.grow(burst)
            else:
                del a_list.rows[:burst]

    moving = MovingList(range(10_000, 0, -1), move)
    moving.rows = moving.rows[:9000]
    found = moving.walk(limit=6000)
    assert moving.stable >= set(found) & moving.stable
    assert all(upper > lower for upper, lower in pairwise(found))
    assert {number for number in moving.stable if number >= found[-1]} <= set(found)
    still = MovingList(range(10_000, 0, -1))
    still.walk(limit=len(found))
    assert len(moving.asked) <= len(still.asked) + 12


def test_nothing_is_asked_before_it_is_needed() -> None:
    """No page is fetched before the first record is wanted, nor after the caller stops."""
    still = MovingList(range(200, 0, -1))

    async def stop_early() -> None:
        records = Walk(still.fetch_aged, attrgetter("at"), **ALL).records()
        assert still.asked == []
        async for row in records:
            if row.id == 151:
                break

    asyncio.run(stop_early())
    assert still.asked == [(50, 0)]


def _no_seam(offset: int) -> Sequence[int]:
    return range(900, 850, -1) if offset == 0 else range(500 - offset, 450 - offset, -1)


def _same(_: int) -> Sequence[int]:
    return range(100, 50, -1)


@pytest.mark.parametrize(
    ("rows", "wanted", "why", "last", "first_new"),
    [
        (_same, {}, "does not heed `offset`", 51, None),
        (_same, {"until": moment_of(1)}, "what comes next is not found", None, None),
        (_no_seam, {}, "moves too fast", 851, 452),
    ],
    ids=["same page for ever", "same page for until", "no seam"],
)
def test_a_walk_that_cannot_be_whole_says_so(
    rows: Callable[[int], Sequence[int]], wanted: dict[str, Any], why: str, last: int | None, first_new: int | None
) -> None:
    """A list that repeats, leaps or is out of order ends in GapError, which tells the two ends of the gap."""

    class Broken(MovingList):
        async def fetch(self, most: int, offset: int) -> tuple[Row, ...]:
            self.asked.append((most, offset))
            return tuple(Row(number) for number in rows(offset)[:most])

    broken = Broken([])
    with pytest.raises(GapError, match=why) as caught:
        broken.walk(**wanted)
    assert (caught.value.last_seen, caught.value.first_new) == (last, first_new)
    assert len(broken.asked) <= 20


@pytest.mark.parametrize(
    ("wanted", "error", "match"),
    [
        ({"max": 0}, ValueError, "max must be 1 to 50, not 0"),
        ({"max": 51}, ValueError, "max must be 1 to 50, not 51"),
        ({"max": True}, TypeError, "max must be an int, not bool"),
        ({"offset": -1}, ValueError, "offset must be 0 or more, not -1"),
        ({"limit": -1}, ValueError, "limit must be 0 or more, not -1"),
        ({"limit": 1.0}, TypeError, "limit must be an int, not float"),
        ({"after": "7"}, TypeError, "after must be an int, not str"),
        ({"since": datetime(2014, 3, 1)}, ValueError, "since has no time zone"),  # noqa: DTZ001  # that is the fault
        (
            {"since": moment_of(9), "until": moment_of(8)},
            ValueError,
            "since must not be later than until, 2014-03-01 01:20:00",
        ),
        ({"skip_unreadable": 1}, TypeError, "skip_unreadable must be True or False, not int"),
        ({"until": 1393673563}, TypeError, "until is a datetime, not int"),
    ],
    ids=str,
)
def test_wrong_bounds_are_named_before_anything_is_asked(
    wanted: dict[str, Any], error: type[Exception], match: str
) -> None:
    """A bound that cannot be is refused when the walk is made, by its name."""
    still = MovingList([3, 2, 1])
    with pytest.raises(error, match=match):
        Walk(still.fetch_aged, attrgetter("at"), **ALL | wanted)
    assert still.asked == []
