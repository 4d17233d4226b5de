"""The walk over what a server makes of its list: caps it, cuts it, lies once, or has moments out of order."""

from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bitminter_async import GapError
from tests.support.lists import ALL, START, MovingList, Row, moment_of, spoilt

_CAPS = [3, 10, 25, 49]
_DRAWN: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "max": st.sampled_from([1, 7, 20, 50]),
        "offset": st.sampled_from([0, 0, 0, 7, 60]),
        "limit": st.none() | st.integers(1, 250),
        "after": st.none() | st.integers(0, 330),
        "since": st.none() | st.integers(0, 330).map(moment_of),
        "until": st.none() | st.integers(0, 330).map(moment_of),
    }
)
_WANTED = _DRAWN.filter(lambda wanted: not (wanted["since"] and wanted["until"] and wanted["since"] > wanted["until"]))
_SPOILT = st.sampled_from(["cut", "one", "empty", "lie"])


def _spoil(which: int, how: str, number: int, page: tuple[Row, ...]) -> tuple[Row, ...]:
    return spoilt(page, how) if number == which else page


def _expected(rows: list[Row], wanted: dict[str, Any]) -> list[int]:
    return [
        row.id
        for row in rows[wanted["offset"] :]
        if (wanted["until"] is None or row.at <= wanted["until"])
        and (wanted["since"] is None or row.at >= wanted["since"])
        and (wanted["after"] is None or row.id > wanted["after"])
    ][: wanted["limit"]]


@given(count=st.integers(0, 330), cap=st.sampled_from(_CAPS), wanted=_WANTED)
@example(count=330, cap=10, wanted={**ALL, "until": moment_of(20)})
@settings(max_examples=150, deadline=None)
def test_a_capped_list_is_walked_whole(count: int, cap: int, wanted: dict[str, Any]) -> None:
    """Whatever a walk is asked for, a server that gives 10, 25 or 49 records at most makes it longer, not poorer."""
    capped = MovingList(range(count, 0, -1))
    capped.cap = cap
    assert capped.walk(**wanted) == _expected(capped.rows, wanted)


@pytest.mark.parametrize("cap", [10, 25, 49])
@pytest.mark.parametrize("wanted", [{}, {"since": moment_of(20)}, {"after": 20}, {"limit": 380}], ids=str)
def test_a_capped_list_costs_pages_of_what_it_gives(cap: int, wanted: dict[str, Any]) -> None:
    """Under a cap a walk takes as many pages as what the server gives makes needful, and one more to know the end."""
    capped = MovingList(range(400, 0, -1))
    capped.cap = cap
    found = capped.walk(**wanted)
    assert len(found) == (400 if not wanted else 380 + ("since" in wanted))
    assert len(capped.asked) <= 400 // (cap - 2) + 2


@pytest.mark.parametrize("cap", [10, 25, 49])
def test_until_in_the_deep_past_is_found_under_a_cap(cap: int) -> None:
    """A place deep down in a capped list is searched for, not walked to."""
    capped = MovingList(range(20_000, 0, -1))
    capped.cap = cap
    for number in (19_999, 19_950, 19_000, 12_345, 77, 1):
        capped.asked.clear()
        assert capped.walk(until=moment_of(number), limit=1) == [number]
        assert len(capped.asked) <= 20


@pytest.mark.parametrize("cap", [1, 2])
def test_a_cap_below_three_loses_nothing_silently(cap: int) -> None:
    """Where pages are too short to overlap by two, the walk is whole, or GapError says that it is not."""
    capped = MovingList(range(20, 0, -1))
    capped.cap = cap
    if cap == 2:
        assert capped.walk() == list(range(20, 0, -1))
    else:
        with pytest.raises(GapError):
            capped.walk()


@given(
    count=st.integers(0, 330),
    cap=st.sampled_from([10, 25, 50]),
    wanted=_WANTED,
    which=st.integers(1, 12),
    how=_SPOILT,
)
@settings(max_examples=150, deadline=None)
def test_one_spoilt_answer_neither_loses_nor_invents(
    count: int, cap: int, wanted: dict[str, Any], which: int, how: str
) -> None:
    """One answer that is cut short, empty, or has an id that no list has, changes nothing of what a walk gives."""
    odd = MovingList(range(count, 0, -1))
    odd.cap = cap
    odd.spoil = partial(_spoil, which, how)
    assert odd.walk(**wanted) == _expected(odd.rows, wanted)


@pytest.mark.parametrize("how", ["cut", "one", "empty", "lie"])
@pytest.mark.parametrize("count", [30, 400])
def test_a_spoilt_answer_costs_a_few_requests(count: int, how: str) -> None:
    """It takes at most four requests more to see through it, wherever it comes."""
    still = MovingList(range(count, 0, -1))
    still.walk()
    for which in range(1, len(still.asked) + 1):
        odd = MovingList(range(count, 0, -1))
        odd.spoil = partial(_spoil, which, how)
        assert odd.walk() == list(range(count, 0, -1))
        assert len(odd.asked) <= len(still.asked) + 4


def _with_moments(minutes: list[float]) -> MovingList:
    a_list = MovingList([])
    a_list.rows = [Row(number, minutes[number - 1]) for number in range(len(minutes), 0, -1)]
    return a_list


@given(
    odd=st.integers(1, 330),
    minutes=st.sampled_from([0.0, 1e7]),
    size=st.sampled_from([1, 7, 50]),
    since=st.none() | st.integers(1, 330),
    until=st.none() | st.integers(1, 330),
)
@settings(max_examples=150, deadline=None)
def test_one_odd_moment_hides_nothing(
    odd: int, minutes: float, size: int, since: int | None, until: int | None
) -> None:
    """A record whose moment is of another age hides no other: all of them that are wanted come, or GapError."""
    if since and until and since > until:
        since, until = until, since
    a_list = _with_moments([minutes if number == odd else 10.0 * number for number in range(1, 331)])
    wanted = {
        **ALL,
        "max": size,
        "since": since and moment_of(since),
        "until": until and moment_of(until),
    }
    try:
        found = a_list.walk(**wanted)
    except GapError:
        assert until
        return
    assert [number for number in found if number != odd] == [
        number for number in _expected(a_list.rows, wanted) if number != odd
    ]


@given(data=st.data(), size=st.sampled_from([1, 7, 50]))
@settings(max_examples=150, deadline=None)
def test_moments_that_are_a_little_out_of_order_hide_nothing(data: st.DataObject, size: int) -> None:
    """Where neighbours stand in each other's place, as blocks found at once do, `since` and `until` leave out none."""
    numbers = list(range(1, 331))
    for place in sorted(data.draw(st.sets(st.integers(0, 164), max_size=60))):
        numbers[2 * place], numbers[2 * place + 1] = numbers[2 * place + 1], numbers[2 * place]
    a_list = _with_moments([10.0 * number for number in numbers])
    since, until = sorted(data.draw(st.tuples(st.integers(1, 330), st.integers(1, 330))))
    wanted = {**ALL, "max": size, "since": moment_of(since), "until": moment_of(until)}
    try:
        found = a_list.walk(**wanted)
    except GapError:
        return
    assert found == _expected(a_list.rows, wanted)
    assert all(above > below for above, below in pairwise(found))


def test_a_walk_since_goes_on_past_what_is_out_of_order() -> None:
    """Two records running that are older than `since` end the walk, but not where newer ones came after older."""
    a_list = _with_moments([10.0 * number for number in range(1, 331)])
    assert a_list.walk(since=moment_of(300)) == list(range(330, 299, -1))
    assert a_list.asked == [(50, 0)]
    a_list.rows[10] = Row(320, 0)
    a_list.asked.clear()
    assert a_list.walk(since=moment_of(300)) == [*range(330, 320, -1), *range(319, 299, -1)]
    assert a_list.asked == [(50, 0), (50, 48)]


def test_a_future_moment_on_the_way_to_until_is_a_gap_at_worst() -> None:
    """Where the search for `until` hits on a record that is out of time's order, none above it is lost."""
    probes = MovingList(range(4000, 0, -1))
    probes.walk(until=moment_of(2345), limit=1)
    for _, offset in probes.asked[1:]:
        a_list = _with_moments([10.0 * number for number in range(1, 4001)])
        a_list.rows[offset] = Row(4000 - offset, 1e7)
        try:
            assert a_list.walk(until=START + (moment_of(2345) - START), limit=1)[0] == 2345 - (offset == 4000 - 2345)
        except GapError:
            assert len(a_list.asked) <= 80
