"""Where a walk that begins in the past finds its first record, in few requests."""

import math
import statistics
from collections.abc import Callable
from datetime import timedelta
from itertools import accumulate
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.lists import START, MovingList, Row, moment_of

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
    long = MovingList([])
    long.rows = [Row(number, minutes[number]) for number in range(count, 0, -1)]
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
        until = START + timedelta(minutes=minutes[place] - (10 if place == 0 else 0))
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
    still = MovingList([])
    still.rows = [Row(number + 1, minutes[number]) for number in range(count - 1, -1, -1)]
    until = START + timedelta(minutes=data.draw(st.sampled_from([-1.0, *minutes[::97], minutes[-1] + 1])))
    assert still.walk(until=until, limit=3) == [row.id for row in still.rows if row.at <= until][:3]
    assert len(still.asked) <= 4 + 2 * math.log2(count + 1)


@pytest.mark.parametrize("size", [1, 5, 50])
def test_a_clump_of_moments_hides_nothing(size: int) -> None:
    """A thousand records in one second below thirty that are hours apart: `until` in their midst is found."""
    still = MovingList([])
    still.rows = [Row(number, 60_000 + 60 * number) for number in range(1030, 1000, -1)]
    still.rows += [Row(number, 60_000 + number / 60_000) for number in range(1000, 0, -1)]
    assert still.walk(until=START + timedelta(minutes=60_000 + 500 / 60_000), limit=5, max=size)[0] == 500
    assert len(still.asked) <= 20


def test_what_is_newer_than_until_never_comes() -> None:
    """A record out of time's order is passed over where it is newer than `until`, and hides none behind it."""
    still = MovingList([])
    still.rows = [Row(9, 100), Row(8, 70), Row(7, 85), Row(6, 60), Row(5, 81), Row(4, 80)]
    assert still.walk(until=moment_of(8)) == [8, 6, 4]
    assert still.walk(until=moment_of(8), max=1) == [8, 6, 4]
    still.rows = [Row(number, 1e6 if number == 5 else number) for number in range(60, 0, -1)]
    assert still.walk(until=moment_of(60)) == [number for number in range(60, 0, -1) if number != 5]


def test_until_is_found_while_the_list_grows() -> None:
    """A list that grows by ten between any two requests does not hide what was asked for."""
    growing = MovingList(range(20_000, 0, -1), lambda a_list: a_list.grow(10))
    assert growing.walk(until=moment_of(5000), limit=100) == list(range(5000, 4900, -1))
    assert len(growing.asked) <= 16
