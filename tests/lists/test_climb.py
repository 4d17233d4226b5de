"""The climb over a list that moves: oldest first, whole, each record once, and finite."""

import logging
from functools import partial
from itertools import pairwise
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitminter_async import DecodeError, GapError
from bitminter_async._lists.climb import Climb
from bitminter_async.errors import Fault
from tests.support.lists import UPWARDS, MovingList, Row, moment_of, one_by_one, spoilt


def _in_order(wanted: dict[str, Any]) -> dict[str, Any]:
    """`since` is not after `until`."""
    if wanted["since"] and wanted["until"] and wanted["since"] > wanted["until"]:
        return wanted | {"since": wanted["until"], "until": wanted["since"]}
    return wanted


_MOMENTS = st.none() | st.integers(-5, 460).map(lambda number: moment_of(number / 2))
_WANTED: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "limit": st.none() | st.integers(0, 120),
        "after": st.none() | st.integers(0, 230),
        "since": _MOMENTS,
        "until": _MOMENTS,
    }
).map(_in_order)
_IDS = st.sets(st.integers(0, 220), max_size=220).map(lambda ids: sorted(ids, reverse=True))


def _fits(row: Row, wanted: dict[str, Any]) -> bool:
    return (
        (wanted["until"] is None or row.at <= wanted["until"])
        and (wanted["since"] is None or row.at >= wanted["since"])
        and (wanted["after"] is None or row.id > wanted["after"])
    )


@given(ids=_IDS, wanted=_WANTED, cap=st.sampled_from([10, 25, 50, 50]))
@settings(max_examples=200, deadline=None)
def test_a_still_list_comes_from_below(ids: list[int], wanted: dict[str, Any], cap: int) -> None:
    """On a list that stands still, a climb is the reverse of it, filtered, whatever is asked for and however capped."""
    still = MovingList(ids)
    still.cap = cap
    assert still.climb(**wanted) == [row.id for row in reversed(still.rows) if _fits(row, wanted)][: wanted["limit"]]


@given(
    ids=_IDS,
    wanted=_WANTED,
    moves=st.lists(st.tuples(st.integers(0, 90), st.lists(st.integers(0, 300), max_size=60)), max_size=12),
    cap=st.sampled_from([10, 25, 50, 50]),
)
@settings(max_examples=300, deadline=None)
def test_a_moving_list_is_climbed_whole_or_not_at_all(
    ids: list[int], wanted: dict[str, Any], moves: list[tuple[int, list[int]]], cap: int
) -> None:
    """Each record that is there throughout comes exactly once, oldest first, or GapError comes."""
    moving = MovingList(ids, one_by_one(moves))
    moving.cap = cap
    try:
        found = moving.climb(**wanted)
    except GapError:
        return
    assert all(lower < upper for lower, upper in pairwise(found))
    assert all(_fits(Row(number), wanted) for number in found)
    assert wanted["limit"] is None or len(found) <= wanted["limit"]
    if not moving.snapshots or not moving.snapshots[0]:
        return
    newest = moving.snapshots[0][0].id
    end = found[-1] if found and len(found) == wanted["limit"] else newest
    stable = {number for number in moving.stable if _fits(Row(number), wanted) and number <= min(end, newest)}
    assert stable <= set(found)


def _spoil(which: int, how: str, number: int, page: tuple[Row, ...]) -> tuple[Row, ...]:
    return spoilt(page, how) if number == which else page


@pytest.mark.parametrize("count", [30, 400])
@pytest.mark.parametrize("how", ["cut", "one", "empty", "lie"])
@pytest.mark.parametrize("wanted", [{}, {"after": 20}, {"since": moment_of(25)}], ids=str)
def test_one_spoilt_answer_costs_no_record(count: int, how: str, wanted: dict[str, Any]) -> None:
    """One answer that is cut, empty, or has an id that no list has, changes nothing of what a climb gives."""
    still = MovingList(range(count, 0, -1))
    expected = still.climb(**wanted)
    assert expected == [row.id for row in reversed(still.rows) if _fits(row, UPWARDS | wanted)]
    for which in range(1, len(still.asked) + 1):
        odd = MovingList(range(count, 0, -1))
        odd.spoil = partial(_spoil, which, how)
        assert odd.climb(**wanted) == expected


@pytest.mark.parametrize("pace", [1, 10, 30])
def test_a_list_that_grows_faster_than_it_is_read_has_an_end(pace: int) -> None:
    """The climb ends with the record that was the newest when it began, however many come meanwhile."""
    growing = MovingList(range(400, 0, -1), lambda a_list: a_list.grow(pace))
    assert growing.climb(after=100) == list(range(101, 401))


def _after(found: list[int]) -> dict[str, Any]:
    return UPWARDS | {"after": found[-1] if found else None}


async def test_it_is_taken_up_again_from_the_last_id() -> None:
    """What was broken off goes on after the last record that came, without a double or a gap, and holds one page."""
    moving = MovingList(range(400, 0, -1), lambda a_list: a_list.grow(3))
    found: list[int] = []
    while not found or found[-1] < 400:
        climb = Climb(moving.fetch, attrgetter("at"), **_after(found)).records()
        async for row in climb:
            found.append(row.id)
            if len(found) % 37 == 0:
                break
        await climb.aclose()
    assert found == list(range(1, found[-1] + 1))


@pytest.mark.parametrize(
    ("wanted", "most"),
    [
        ({"after": 19_990}, 1),
        ({"after": 19_951}, 1),
        ({"after": 19_900}, 4),
        ({"after": 19_000}, 24),
        ({"limit": 1}, 8),
        ({"after": 5000, "limit": 1}, 3),
        ({"since": moment_of(5000), "limit": 1}, 9),
        ({"since": moment_of(19_990)}, 2),
        ({"limit": 0}, 0),
        ({"after": 20_000}, 1),
    ],
    ids=str,
)
def test_how_many_requests_it_takes(wanted: dict[str, Any], most: int) -> None:
    """A climb costs the newest page, a few requests to find its place, and pages of 48."""
    still = MovingList(range(20_000, 0, -1))
    found = still.climb(**wanted)
    assert found == sorted(found)
    assert len(still.asked) <= most


def _unreadable(a_list: MovingList, bad: set[int], nameless: set[int]) -> None:
    def spoil(_: int, page: tuple[Row, ...]) -> tuple[Row, ...]:
        odd = {n: None if row.id in nameless else row.id for n, row in enumerate(page) if row.id in bad | nameless}
        if not odd:
            return page
        faults = [Fault(f"$[{n}].income", "an amount", "null") for n in odd]
        readable = [row for row in page if row.id not in bad | nameless]
        raise DecodeError("https://pool.example", faults, body="", readable=readable, unreadable=odd)

    a_list.spoil = spoil


@pytest.mark.parametrize("count", [4, 50, 120])
@pytest.mark.parametrize("bad", [{1}, {2, 3}, {1, 2, 3}, set[int]()])
@pytest.mark.parametrize("nameless", [{1}, {2, 3}, {1, 2, 3}, {60, 61}])
def test_what_cannot_be_read_is_skipped_if_so_wanted(
    count: int, bad: set[int], nameless: set[int], caplog: pytest.LogCaptureFixture
) -> None:
    """All others come, each once, with a WARNING for what does not; or the error comes after all that are older."""
    caplog.set_level(logging.WARNING)
    odd = bad | nameless
    for shift in (0, count - 3):
        a_list = MovingList(range(count, 0, -1))
        _unreadable(a_list, {number + shift for number in bad}, {number + shift for number in nameless})
        found = a_list.climb(skip_unreadable=True)
        assert found == [number for number in range(1, count + 1) if number - shift not in odd]
        if len(found) < count:
            assert caplog.records
            with pytest.raises(DecodeError):
                a_list.climb()


def test_moments_a_little_out_of_order_hide_nothing() -> None:
    """Where neighbours stand in each other's place, `since` and `until` leave none out that is wanted."""
    for place in range(1, 399):
        a_list = MovingList(range(400, 0, -1))
        above, below = a_list.rows[place - 1].id, a_list.rows[place].id
        a_list.rows[place - 1 : place + 1] = [Row(above, 10.0 * below), Row(below, 10.0 * above)]
        wanted = UPWARDS | {"since": moment_of(200), "until": moment_of(320)}
        assert a_list.climb(**wanted) == [row.id for row in reversed(a_list.rows) if _fits(row, wanted)]


def test_wrong_bounds_are_named_before_anything_is_asked() -> None:
    """Bounds that leave nothing, or are of no use, raise at once."""
    a_list = MovingList(range(9, 0, -1))
    climb = partial(Climb, a_list.fetch, attrgetter("at"))
    odd: list[dict[str, Any]] = [{"since": moment_of(9), "until": moment_of(8)}, {"after": -1}, {"limit": -1}]
    for wanted in odd:
        with pytest.raises(ValueError, match=r"since must not be later|must be 0 or more"):
            climb(**UPWARDS | wanted)
    assert not a_list.asked
