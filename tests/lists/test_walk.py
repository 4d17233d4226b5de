"""The walk over a list that moves between two pages: whole, each record once, in few requests."""

import asyncio
import math
import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from operator import attrgetter
from random import Random
from typing import Any

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bitminter_async import GapError
from bitminter_async._lists.walk import Walk

_START = datetime(2014, 3, 1, tzinfo=UTC)


@attrs.frozen
class _Row:
    id: int
    minutes: float | None = None

    @property
    def at(self) -> datetime:
        """When it happened: ten minutes to the id, unless told otherwise."""
        return _START + timedelta(minutes=10 * self.id if self.minutes is None else self.minutes)


class _List:
    """The pool's list, newest first, which `move` changes after each page."""

    def __init__(self, ids: Sequence[int], move: Callable[["_List"], None] = lambda _: None) -> None:
        self.rows = [_Row(number) for number in ids]
        self.move = move
        self.asked: list[tuple[int, int]] = []
        self.snapshots: list[list[_Row]] = []

    async def fetch(self, most: int, offset: int) -> tuple[_Row, ...]:
        """Answer one page and move."""
        assert 1 <= most <= 50
        assert offset >= 0
        self.asked.append((most, offset))
        self.snapshots.append(self.rows[:])
        page = tuple(self.rows[offset : offset + most])
        self.move(self)
        return page

    @property
    def stable(self) -> set[int]:
        """The ids that were there in every snapshot."""
        ids = [{row.id for row in rows} for rows in self.snapshots]
        return ids[0].intersection(*ids[1:])

    def grow(self, count: int) -> None:
        """Let new records come in at the top."""
        newest = self.rows[0].id if self.rows else 0
        self.rows[:0] = [_Row(newest + number) for number in range(count, 0, -1)]

    def walk(self, **wanted: Any) -> list[int]:
        """Walk to the end and return the ids."""
        walk = Walk(self.fetch, attrgetter("at"), **_ALL | wanted)

        async def collect() -> list[int]:
            return [row.id async for row in walk.records()]

        return asyncio.run(collect())


_ALL: dict[str, Any] = {"since": None, "until": None, "after": None, "limit": None, "offset": 0, "max": 50}


def _at(number: float) -> datetime:
    return _START + timedelta(minutes=10 * number)


_moments = st.none() | st.integers(-5, 460).map(lambda number: _at(number / 2))
_wanted = st.fixed_dictionaries(
    {
        "max": st.integers(1, 50),
        "offset": st.sampled_from([0, 0, 0, 1, 7, 60]),
        "limit": st.none() | st.integers(0, 120),
        "after": st.none() | st.integers(0, 230),
        "since": _moments,
        "until": _moments,
    }
)
_ids = st.sets(st.integers(1, 220), max_size=220).map(lambda ids: sorted(ids, reverse=True))


def _fits(row: _Row, wanted: dict[str, Any]) -> bool:
    return (
        (wanted["until"] is None or row.at <= wanted["until"])
        and (wanted["since"] is None or row.at >= wanted["since"])
        and (wanted["after"] is None or row.id > wanted["after"])
    )


@given(ids=_ids, wanted=_wanted)
@settings(max_examples=150, deadline=None)
def test_a_still_list_comes_as_it_stands(ids: list[int], wanted: dict[str, Any]) -> None:
    """On a list that stands still, a walk is the obvious slice and filter of it, whatever the parameters."""
    rows = [_Row(number) for number in ids]
    expected = [row.id for row in rows[wanted["offset"] :] if _fits(row, wanted)][: wanted["limit"]]
    assert _List(ids).walk(**wanted) == expected


@given(
    ids=_ids,
    wanted=_wanted,
    moves=st.lists(st.tuples(st.integers(0, 90), st.lists(st.integers(0, 300), max_size=60)), max_size=12),
)
@example(ids=[9, 8, 7], wanted={**_ALL, "max": 1}, moves=[(0, [0])])
@example(ids=list(range(300, 0, -1)), wanted={**_ALL, "offset": 60, "until": _at(150)}, moves=[(0, [0] * 100)])
@settings(max_examples=300, deadline=None)
def test_a_moving_list_is_walked_whole_or_not_at_all(
    ids: list[int], wanted: dict[str, Any], moves: list[tuple[int, list[int]]]
) -> None:
    """Each record that is there from the first page to the last comes exactly once, newest first, or GapError comes."""
    schedule = iter(moves)

    def move(a_list: _List) -> None:
        added, withdrawn = next(schedule, (0, ()))
        for place in withdrawn:
            if place < len(a_list.rows):
                del a_list.rows[place]
        a_list.grow(added)

    moving = _List(ids, move)
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
    assert all(_fits(_Row(number), wanted) for number in found)
    assert wanted["limit"] is None or len(found) <= wanted["limit"]


@given(
    moves=st.lists(st.tuples(st.integers(0, 6), st.lists(st.integers(0, 400), max_size=6)), max_size=60),
    size=st.integers(5, 50),
)
@settings(max_examples=60, deadline=None)
def test_ordinary_movement_never_ends_a_walk(moves: list[tuple[int, list[int]]], size: int) -> None:
    """Some records added and some withdrawn between any two pages cost at most half again of the requests."""
    schedule = iter(moves)

    def move(a_list: _List) -> None:
        added, withdrawn = next(schedule, (0, ()))
        for place in withdrawn:
            del a_list.rows[place % len(a_list.rows)]
        a_list.grow(added)

    moving = _List(range(400, 0, -1), move)
    found = moving.walk(max=size)
    assert moving.stable <= set(found)
    still = _List(range(400, 0, -1))
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
        ({"offset": 195}, [(50, 195)]),
        ({"offset": 500}, [(50, 500)]),
        ({"after": 190}, [(50, 0)]),
        ({"after": 140}, [(50, 0), (50, 48)]),
        ({"since": _at(190)}, [(50, 0)]),
        ({"until": _at(190), "limit": 5}, [(5, 0), (50, 4)]),
        ({"until": _at(60), "limit": 5}, [(5, 0), (1, 163), (1, 133), (50, 133)]),
        ({"until": _at(170)}, [(50, 0), (50, 48), (50, 96), (50, 144), (50, 192)]),
        ({"since": _at(9), "until": _at(8)}, []),
        ({"until": _at(500), "limit": 3}, [(3, 0)]),
        ({"until": _at(199), "after": 199}, [(50, 0)]),
        ({"until": _at(100), "after": 180}, [(50, 0)]),
    ],
    ids=str,
)
def test_the_requests_of_a_walk(wanted: dict[str, Any], asked: list[tuple[int, int]]) -> None:
    """A walk over 200 records asks for what it needs and no more: the page sizes and offsets are these."""
    still = _List(range(200, 0, -1))
    still.walk(**wanted)
    assert still.asked == asked


@pytest.mark.parametrize("size", [1, 2, 7, 20, 48, 49, 50])
@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 96, 97, 98, 99, 240])
def test_the_requests_are_those_of_the_table(count: int, size: int) -> None:
    """The table in `iter_blocks`' docstring holds for all, `limit`, `since` and `after`, whatever the page size."""
    new = min(size, 48)

    def requests(rows: int, **wanted: Any) -> int:
        still = _List(range(rows, 0, -1))
        assert len(still.walk(max=size, **wanted)) == count
        return len(still.asked)

    tables = [
        (requests(count), count // new + 1),
        (requests(count + 60, limit=count), -(-count // new)),
        (requests(count + 60, after=60), count // new + 1),
        (requests(count + 60, since=_at(61)), count // new + 1),
    ]
    for asked, most in tables:
        assert asked <= most if size > new else asked == most


_UNEVEN: dict[str, Callable[[int, int], float]] = {
    "evenly": lambda number, _: 10.0 * number,
    "by chance": lambda number, _: 10.0 * number + 9 * (number * 7919 % 101) * (number % 7) / 101,
    "ever faster": lambda number, count: 3e6 * (1 - math.exp(-8 * number / count)),
    "ever slower": lambda number, count: 1e3 * math.exp(8 * number / count),
    "with a pause of years": lambda number, count: 10.0 * number + (5e6 if number > count // 3 else 0),
    "all at once": lambda _, __: 0.0,
}


@pytest.mark.parametrize(
    ("moments", "count"), [("evenly", 20_000), *((moments, count) for moments in _UNEVEN for count in (120, 4000))]
)
def test_until_in_the_deep_past_takes_few_requests(moments: str, count: int) -> None:
    """However moments lie along the list, any `until` takes two pages and at most 2 log₂ n single records besides."""
    minutes = list(accumulate((_UNEVEN[moments](number, count) for number in range(count + 1)), max))
    long = _List([])
    long.rows = [_Row(number, minutes[number]) for number in range(count, 0, -1)]
    chance = Random(count)  # noqa: S311  # places to try
    places = [
        0,
        1,
        2,
        49,
        50,
        51,
        count // 3,
        count // 2,
        count - 51,
        count - 49,
        count,
        *chance.sample(range(count), 12),
    ]
    spent: list[int] = []
    for place in places:
        until = _START + timedelta(minutes=minutes[place] - (10 if place == 0 else 0))
        expected = [row.id for row in long.rows if row.at <= until][:1]
        long.asked.clear()
        assert long.walk(until=until, limit=1) == expected
        assert sum(most == 1 for most, _ in long.asked[1:]) <= 2 * math.log2(count)
        spent.append(len(long.asked))
    if moments == "evenly":
        assert statistics.median(spent) <= 8


@given(data=st.data(), count=st.integers(1, 3000))
@settings(max_examples=60, deadline=None)
def test_until_is_found_wherever_it_is(data: st.DataObject, count: int) -> None:
    """Any moment is found in any list whose moments fall with its ids, equal ones and long pauses included."""
    steps = data.draw(st.lists(st.sampled_from([0.0, 0.0, 1.0, 10.0, 1e4]), min_size=1, max_size=30))
    minutes = list(accumulate(steps[number * len(steps) // count] for number in range(count)))
    still = _List([])
    still.rows = [_Row(number + 1, minutes[number]) for number in range(count - 1, -1, -1)]
    until = _START + timedelta(minutes=data.draw(st.sampled_from([-1.0, *minutes[::97], minutes[-1] + 1])))
    assert still.walk(until=until, limit=3) == [row.id for row in still.rows if row.at <= until][:3]
    assert len(still.asked) <= 4 + 2 * math.log2(count + 1)


@pytest.mark.parametrize("size", [1, 5, 50])
def test_a_clump_of_moments_hides_nothing(size: int) -> None:
    """A thousand records in one second below thirty that are hours apart: `until` in their midst is found."""
    still = _List([])
    still.rows = [_Row(number, 60_000 + 60 * number) for number in range(1030, 1000, -1)]
    still.rows += [_Row(number, 60_000 + number / 60_000) for number in range(1000, 0, -1)]
    assert still.walk(until=_START + timedelta(minutes=60_000 + 500 / 60_000), limit=5, max=size)[0] == 500
    assert len(still.asked) <= 20


@pytest.mark.parametrize("burst", [60, 450, 5000])
@pytest.mark.parametrize("grows", [True, False])
def test_one_burst_is_lived_through(burst: int, *, grows: bool) -> None:
    """However many records come or go at once between two pages, a walk finds its place again in a few requests."""

    def move(a_list: _List) -> None:
        if len(a_list.asked) == 3:
            if grows:
                a_list.grow(burst)
            else:
                del a_list.rows[:burst]

    moving = _List(range(10_000, 0, -1), move)
    moving.rows = moving.rows[:9000]
    found = moving.walk(limit=6000)
    assert moving.stable >= set(found) & moving.stable
    assert all(upper > lower for upper, lower in pairwise(found))
    assert {number for number in moving.stable if number >= found[-1]} <= set(found)
    still = _List(range(10_000, 0, -1))
    still.walk(limit=len(found))
    assert len(moving.asked) <= len(still.asked) + 12


def test_what_is_newer_than_until_never_comes() -> None:
    """A record out of time's order is passed over where it is newer than `until`, and hides none behind it."""
    still = _List([])
    still.rows = [_Row(9, 100), _Row(8, 70), _Row(7, 85), _Row(6, 60), _Row(5, 81), _Row(4, 80)]
    assert still.walk(until=_at(8)) == [8, 6, 4]
    assert still.walk(until=_at(8), max=1) == [8, 6, 4]
    still.rows = [_Row(number, 1e6 if number == 5 else number) for number in range(60, 0, -1)]
    assert still.walk(until=_at(60)) == [number for number in range(60, 0, -1) if number != 5]


def test_until_is_found_while_the_list_grows() -> None:
    """A list that grows by ten between any two requests does not hide what was asked for."""
    growing = _List(range(20_000, 0, -1), lambda a_list: a_list.grow(10))
    assert growing.walk(until=_at(5000), limit=100) == list(range(5000, 4900, -1))
    assert len(growing.asked) <= 16


def test_nothing_is_asked_before_it_is_needed() -> None:
    """No page is fetched before the first record is wanted, nor after the caller stops."""
    still = _List(range(200, 0, -1))

    async def stop_early() -> None:
        records = Walk(still.fetch, attrgetter("at"), **_ALL).records()
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


def _rising(_: int) -> Sequence[int]:
    return [5, 6]


def _twice(_: int) -> Sequence[int]:
    return [5, 5]


@pytest.mark.parametrize(
    ("rows", "wanted", "why", "last", "first_new"),
    [
        (_same, {}, "does not heed `offset`", 51, None),
        (_same, {"until": _at(1)}, "what comes next is not found", None, None),
        (_no_seam, {}, "moves too fast", 851, 451),
        (_rising, {}, "ids do not fall", None, 5),
        (_twice, {}, "ids do not fall", None, 5),
    ],
    ids=["same page for ever", "same page for until", "no seam", "rising", "twice the same"],
)
def test_a_walk_that_cannot_be_whole_says_so(
    rows: Callable[[int], Sequence[int]], wanted: dict[str, Any], why: str, last: int | None, first_new: int | None
) -> None:
    """A list that repeats, leaps or is out of order ends in GapError, which tells the two ends of the gap."""

    class Broken(_List):
        async def fetch(self, most: int, offset: int) -> tuple[_Row, ...]:
            self.asked.append((most, offset))
            return tuple(_Row(number) for number in rows(offset)[:most])

    broken = Broken([])
    with pytest.raises(GapError, match=why) as caught:
        broken.walk(**wanted)
    assert (caught.value.last_seen, caught.value.first_new) == (last, first_new)
    assert len(broken.asked) <= 20


@pytest.mark.parametrize(
    ("wanted", "error", "match"),
    [
        ({"max": 0}, ValueError, "max is 1 to 50, not 0"),
        ({"max": 51}, ValueError, "max is 1 to 50, not 51"),
        ({"max": True}, TypeError, "max is an int, not bool"),
        ({"offset": -1}, ValueError, "offset is from 0 up, not -1"),
        ({"limit": -1}, ValueError, "limit is from 0 up, not -1"),
        ({"limit": 1.0}, TypeError, "limit is an int, not float"),
        ({"after": "7"}, TypeError, "after is an int, not str"),
        ({"since": datetime(2014, 3, 1)}, ValueError, "since has no time zone"),  # noqa: DTZ001  # that is the fault
        ({"until": 1393673563}, TypeError, "until is a datetime, not int"),
    ],
    ids=str,
)
def test_wrong_bounds_are_named_before_anything_is_asked(
    wanted: dict[str, Any], error: type[Exception], match: str
) -> None:
    """A bound that cannot be is refused when the walk is made, by its name."""
    still = _List([3, 2, 1])
    with pytest.raises(error, match=match):
        Walk(still.fetch, attrgetter("at"), **_ALL | wanted)
    assert still.asked == []
