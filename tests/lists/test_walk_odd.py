"""Walks over odd lists: capped and cut pages, moments that do not fall, records that cannot be read."""

import logging
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bitminter_async import DecodeError, GapError
from bitminter_async.errors import Fault
from tests.support.lists import MovingList, Row, moment_of


class Capping(MovingList):
    """A pool that gives no more than so many records in a page, and cuts or empties the pages with these numbers."""

    def __init__(self, ids: Any, cap: int, cut: dict[int, int] | None = None, **options: Any) -> None:
        super().__init__(ids, **options)
        self.cap = cap
        self.cut = cut or {}

    async def fetch(self, most: int, offset: int) -> tuple[Row, ...]:
        """Answer a page that is as long as the pool likes."""
        page = await super().fetch(most, offset)
        return page[: self.cut.get(len(self.asked) - 1, self.cap)]


@pytest.mark.parametrize("cap", [3, 10, 25, 49])
@given(
    count=st.integers(0, 400),
    wanted=st.fixed_dictionaries(
        {
            "max": st.sampled_from([1, 7, 20, 50]),
            "since": st.none() | st.integers(0, 400).map(moment_of),
            "after": st.none() | st.integers(0, 400),
            "limit": st.none() | st.integers(0, 400),
        }
    ),
)
@settings(max_examples=40, deadline=None)
def test_a_pool_that_caps_its_pages_is_walked_whole(cap: int, count: int, wanted: dict[str, Any]) -> None:
    """Nothing is lost where a pool gives fewer than asked: a short page is the end only if that is proven."""
    rows = [Row(number) for number in range(count, 0, -1)]
    fits = [row.id for row in rows if not wanted["since"] or row.at >= wanted["since"]]
    fits = [number for number in fits if wanted["after"] is None or number > wanted["after"]][: wanted["limit"]]
    assert Capping(range(count, 0, -1), cap).walk(**wanted) == fits


@pytest.mark.parametrize("cap", [10, 25, 49])
@pytest.mark.parametrize("until", [0, 1, 120, 391, 399, 400, 500])
def test_a_moment_is_found_where_pages_are_capped(cap: int, until: int) -> None:
    """`until` holds under caps, too."""
    assert Capping(range(400, 0, -1), cap).walk(until=moment_of(until)) == list(range(min(until, 400), 0, -1))


@given(moves=st.lists(st.tuples(st.integers(0, 4), st.lists(st.integers(0, 400), max_size=4)), max_size=60))
@settings(max_examples=40, deadline=None)
def test_a_moving_list_with_capped_pages_is_walked_whole(moves: list[tuple[int, list[int]]]) -> None:
    """Records that come and go between capped pages cost nothing of what is there throughout, or GapError comes."""
    schedule = iter(moves)

    def move(a_list: MovingList) -> None:
        added, withdrawn = next(schedule, (0, ()))
        for place in withdrawn:
            del a_list.rows[place % len(a_list.rows)]
        a_list.grow(added)

    moving = Capping(range(400, 0, -1), 25, move=move)
    try:
        found = moving.walk()
    except GapError:
        return
    assert moving.stable <= set(found)
    assert all(lower < upper for upper, lower in pairwise(found))


@pytest.mark.parametrize("length", [0, 1, 2, 20])
def test_a_first_page_that_is_cut_once_ends_no_walk(length: int) -> None:
    """One answer that is cut short or empty at the beginning is not believed to be the whole list."""
    assert Capping(range(400, 0, -1), 50, {0: length}).walk() == list(range(400, 0, -1))


def test_a_short_list_costs_one_request_more() -> None:
    """A page shorter than asked for is followed by one that shows that nothing is below."""
    short = Capping(range(7, 0, -1), 50)
    assert short.walk() == [7, 6, 5, 4, 3, 2, 1]
    assert short.asked == [(50, 0), (50, 5)]


def _with_moments(*minutes: float) -> MovingList:
    a_list = MovingList([])
    a_list.rows = [Row(len(minutes) - number, minute) for number, minute in enumerate(minutes)]
    return a_list


def test_since_looks_past_a_moment_that_is_out_of_order() -> None:
    """A record that is older than its neighbours below it does not end a walk: those that are wanted still come."""
    minutes = [600.0 - number for number in range(60)]
    minutes[20], minutes[55] = 0.0, 0.0
    a_list = _with_moments(*minutes)
    wanted = [row.id for row in a_list.rows if row.at >= _at(545)]
    assert a_list.walk(since=_at(545)) == wanted
    assert len(wanted) == 54


def _at(minute: float) -> datetime:
    return Row(0, minute).at


def test_until_is_found_among_moments_that_do_not_fall() -> None:
    """Where moments rise along the page at which `until` should be, all that is not later comes, or GapError."""
    minutes = [1000.0 - number for number in range(300)]
    minutes[200:220] = reversed(minutes[200:220])
    a_list = _with_moments(*minutes)
    for minute in range(775, 805):
        with suppress(GapError):
            assert a_list.walk(until=_at(minute)) == [row.id for row in a_list.rows if row.at <= _at(minute)]


def test_since_after_until_is_a_mistake() -> None:
    """Bounds that leave nothing are named before anything is asked."""
    a_list = MovingList(range(9, 0, -1))
    with pytest.raises(ValueError, match="since must not be later than until"):
        a_list.walk(since=moment_of(9), until=moment_of(8))
    assert not a_list.asked


class Unreadable(MovingList):
    """A pool of whose records these cannot be read; of those below 0, not even the id can."""

    def __init__(self, ids: Any, bad: set[int], **options: Any) -> None:
        super().__init__([abs(number) for number in ids], **options)
        self.bad = {abs(number) for number in bad}
        self.nameless = {-number for number in bad if number < 0}

    async def fetch(self, most: int, offset: int) -> tuple[Row, ...]:
        """Answer a page, or the error that tells what of it could be read."""
        page = await super().fetch(most, offset)
        bad = {n: None if row.id in self.nameless else row.id for n, row in enumerate(page) if row.id in self.bad}
        if not bad:
            return page
        faults = [Fault(f"$[{n}].income", "an amount", "null") for n in bad]
        readable = [row for row in page if row.id not in self.bad]
        raise DecodeError("https://pool.example", faults, body="", readable=readable, unreadable=bad)


@given(
    count=st.integers(3, 200),
    bad=st.sets(st.integers(1, 200), max_size=8),
    hide=st.booleans(),
    size=st.integers(3, 50),
)
@example(count=120, bad={120}, hide=True, size=50)
@example(count=120, bad={71, 72, 73}, hide=True, size=50)
@example(count=120, bad={1}, hide=True, size=50)
@example(count=3, bad={1}, hide=True, size=3)
@settings(max_examples=120, deadline=None)
def test_a_record_that_cannot_be_read_is_skipped_if_so_wanted(count: int, bad: set[int], hide: bool, size: int) -> None:  # noqa: FBT001  # drawn
    """With `skip_unreadable` all others come, each once; without, those that stand before the first of them do."""
    ids = range(count, 0, -1)
    spoiled = {-number if hide else number for number in bad}
    try:
        found = Unreadable(ids, spoiled).walk(skip_unreadable=True, max=size)
    except DecodeError:
        assert hide
        assert any(number <= count for number in bad)  # one without an id, in a page of which nothing else can be read
        return
    assert found == [number for number in ids if number not in bad]


async def test_what_stands_before_an_unreadable_record_is_given_first(caplog: pytest.LogCaptureFixture) -> None:
    """The error comes in its place, not before; skipped, it is one WARNING that names the record."""
    caplog.set_level(logging.WARNING)
    rows = Unreadable(range(120, 0, -1), {63}).records()
    assert [(await anext(rows)).id for _ in range(57)] == list(range(120, 63, -1))
    with pytest.raises(DecodeError):
        await anext(rows)
    assert not caplog.records
    rows = Unreadable(range(120, 0, -1), {63, -40}).records(skip_unreadable=True)
    assert [row.id async for row in rows] == [number for number in range(120, 0, -1) if number not in {63, 40}]
    assert [record.getMessage().split(" cannot be read, and is skipped: ")[0] for record in caplog.records] == [
        "the record with id 63",
        "a record next to the one with id 41",
    ]


async def test_a_page_of_which_nothing_can_be_told_is_an_error() -> None:
    """Where of no record of a page even the id can be read, nothing tells where the others stand: the walk says so."""
    with pytest.raises(DecodeError):
        [row async for row in Unreadable(range(60, 0, -1), set(range(-60, 0))).records(skip_unreadable=True)]
    rows = Unreadable(range(120, 0, -1), set(range(20, 101))).records(skip_unreadable=True)
    assert [row.id async for row in rows] == [*range(120, 100, -1), *range(19, 0, -1)]


@pytest.mark.parametrize("count", [4, 49, 50, 51, 52, 97, 98, 99, 120, 146])
@pytest.mark.parametrize("nameless", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 3, 50])
def test_a_list_may_end_in_records_of_which_nothing_can_be_told(
    count: int, nameless: int, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Where not even the ids of the list's last records can be read, those above them come, and then the end."""
    rows = Unreadable(range(count, 0, -1), set(range(-nameless, 0)))
    assert rows.walk(skip_unreadable=True, max=size) == list(range(count, nameless, -1))
    assert caplog.records
    with pytest.raises(DecodeError):
        Unreadable(range(count, 0, -1), set(range(-nameless, 0))).walk(max=size)


@pytest.mark.parametrize("count", [4, 50, 52, 120])
@pytest.mark.parametrize("nameless", [1, 2, 3])
def test_a_list_may_begin_with_records_of_which_nothing_can_be_told(count: int, nameless: int) -> None:
    """Where not even the ids of the newest records can be read, those below them come all the same."""
    rows = Unreadable(range(count, 0, -1), {-number for number in range(count - nameless + 1, count + 1)})
    assert rows.walk(skip_unreadable=True) == list(range(count - nameless, 0, -1))


def test_what_cannot_be_read_below_since_ends_no_walk_by_an_error() -> None:
    """A record that cannot be read, but stands below where the walk ends anyway, is none of its business."""
    assert Unreadable(range(120, 0, -1), {57}).walk(since=moment_of(60)) == list(range(120, 59, -1))
