"""The spacing of a pace: wider while the pool says that it is too much, and back when it does not."""

import asyncio

import pytest

from bitminter_async._session.budget.pace import Pace
from tests.support.pace import Queue, exactly, turn_of


@pytest.mark.parametrize(
    ("interval", "slowed", "recovered"),
    [
        (0.0, [1, 2, 4, 8], [8, 4, 2, 1, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0, 0]),
        (0.1, [1, 2], [2, 1, 0.5, 0.25, 0.125, 0.1, 0.1]),
        (1.0, [2, 4, 8], [8, 4, 2, 1, 1]),
        (5.0, [10, 20], [20, 10, 5, 5]),
    ],
)
async def test_slowing_down_doubles_and_quiet_minutes_halve(
    interval: float, slowed: list[float], recovered: list[float]
) -> None:
    """Each time doubles the spacing, to 1 s at least; each full minute without one halves it, to the interval."""
    pace = Pace(interval, patience=60)
    assert pace.spacing == interval
    for spacing in slowed:
        await pace.slow_down()
        assert pace.spacing == spacing
    curve: list[float] = []
    for _ in recovered:
        curve.append(pace.spacing)
        await asyncio.sleep(59.5)
        assert pace.spacing == curve[-1]
        await asyncio.sleep(0.5)
    assert curve == recovered
    await asyncio.sleep(1e7)
    assert pace.spacing == interval


async def test_a_slowed_pace_is_kept() -> None:
    """After slowing down turns are so far apart, the very next included, and come closer with time."""
    pace = Pace(1.0, patience=60)
    queue = Queue(pace)
    async with turn_of(pace):
        await asyncio.sleep(0.5)
        for _ in range(4):
            await pace.slow_down()
    await asyncio.gather(*[queue.take(n) for n in range(8)])
    starts = exactly(16.5, 32.5, 48.5, 64.5, 72.5, 80.5, 88.5, 96.5)
    assert list(queue.starts.values()) == starts


async def test_slowing_down_an_unspaced_pace() -> None:
    """At an interval of 0 slowing down begins spacing the turns, from 1 s."""
    pace = Pace(0.0, patience=60)
    queue = Queue(pace)
    async with turn_of(pace):
        await pace.slow_down()
    await asyncio.gather(*[queue.take(n) for n in range(3)])
    assert list(queue.starts.values()) == exactly(1, 2, 3)


async def test_slowing_down_again_doubles_from_where_it_is() -> None:
    """Slowing down after quiet minutes doubles what is left of the last time."""
    pace = Pace(1.0, patience=60)
    for _ in range(4):
        await pace.slow_down()
    await asyncio.sleep(120)
    assert pace.spacing == 4
    await pace.slow_down()
    assert pace.spacing == 8


async def test_slowing_down_steadily_settles_near_a_minute() -> None:
    """A pool that says too much each time is asked about once a minute, not ever more seldom."""
    pace = Pace(1.0, patience=60)
    spacings: list[float] = []
    for _ in range(20):
        async with turn_of(pace):
            await pace.slow_down()
            spacings.append(pace.spacing)
    assert spacings[:7] == [2, 4, 8, 16, 32, 60, 60]
    assert set(spacings[6:]) == {60}


async def test_slowing_down_never_more_than_doubles_a_long_interval() -> None:
    """Where the interval is long by itself, slowing down doubles it and no more."""
    pace = Pace(45.0, patience=60)
    for _ in range(3):
        async with turn_of(pace):
            await pace.slow_down()
            assert pace.spacing == 90
