"""The pace: turns in order and apart, whoever leaves and whatever stalls."""

import asyncio
import itertools
import random
import time
import tracemalloc
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitminter_async._session.budget.base import Turn
from bitminter_async._session.budget.pace import Pace
from bitminter_async.testing import AutojumpLoop
from tests.support.pace import Queue, exactly, make_wish, turn_of

NEVER = 1e9


@pytest.mark.parametrize("interval", [0.01, 0.1, 1.0, 2.5, 60.0])
async def test_turns_are_an_interval_apart(interval: float) -> None:
    """The first turn comes at once, each other exactly one interval after the one before."""
    queue = Queue(Pace(interval, patience=60))
    await asyncio.gather(*[queue.take(n) for n in range(20)])
    assert list(queue.starts.values()) == exactly(*[n * interval for n in range(20)])


@pytest.mark.parametrize("interval", [0.0, 0.3])
async def test_first_come_first_served(interval: float) -> None:
    """200 who wait get their turns in the order in which they came, and never are two of them inside."""
    queue = Queue(Pace(interval, patience=60))
    dice = random.Random(1)  # noqa: S311  # no secret depends on it
    await asyncio.gather(*[queue.take(n, dice.choice([0.0, 0.1, 0.7])) for n in range(200)])
    assert list(queue.starts) == list(range(200))
    assert queue.most_within == 1


async def test_a_slow_exchange_is_not_followed_early() -> None:
    """While a turn is kept nobody else has one; the next begins with its end if the interval is over by then."""
    queue = Queue(Pace(1.0, patience=60))
    await asyncio.gather(*[queue.take(n, lasting) for n, lasting in enumerate([5.0, 0.4, 0.4, 1.5, 0.0])])
    assert list(queue.starts.values()) == exactly(0, 5, 6, 7, 8.5)


async def test_no_interval_is_still_one_at_a_time() -> None:
    """At an interval of 0 turns follow one another without a pause, but never overlap."""
    queue = Queue(Pace(0.0, patience=60))
    await asyncio.gather(*[queue.take(n, 0.25) for n in range(5)])
    assert list(queue.starts.values()) == exactly(0, 0.25, 0.5, 0.75, 1.0)
    assert queue.most_within == 1


async def test_quiet_time_is_not_saved_up() -> None:
    """After a long silence the first turn comes at once, and the next an interval later, not with it."""
    queue = Queue(Pace(1.0, patience=60))
    await queue.take(0)
    await asyncio.sleep(100)
    await asyncio.gather(*[queue.take(n) for n in (1, 2, 3)])
    assert list(queue.starts.values()) == exactly(0, 100, 101, 102)


async def test_no_burst_after_a_stall() -> None:
    """When the loop stood still for many intervals, those who waited are not let through together afterwards."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, AutojumpLoop)
    queue = Queue(Pace(1.0, patience=60))
    waiters = [queue.join(n) for n in range(6)]
    await asyncio.sleep(1.5)
    loop.pass_time(37.25)
    await asyncio.gather(*waiters)
    assert list(queue.starts.values()) == exactly(0, 1, 38.75, 39.75, 40.75, 41.75)


async def test_the_interval_runs_from_the_departure() -> None:
    """Where the request left later than its turn began, the interval counts from there; the last departure holds."""
    pace = Pace(1.0, patience=60)
    queue = Queue(pace)
    async with turn_of(pace):
        await asyncio.sleep(0.5)
        await pace.depart()
        await asyncio.sleep(0.25)
        await pace.depart()
    await queue.take(1)
    assert list(queue.starts.values()) == exactly(1.75)


async def test_an_error_inside_gives_the_turn_back() -> None:
    """A turn that ends in an error is over like any other, and the error passes."""
    pace = Pace(1.0, patience=60)
    queue = Queue(pace)
    with pytest.raises(OSError, match="broken"):
        async with turn_of(pace):
            raise OSError("broken")
    await queue.take(1)
    assert list(queue.starts.values()) == exactly(1)


@pytest.mark.parametrize("leaving", [1, 2, 5])
async def test_who_leaves_the_queue_costs_nobody_a_turn(leaving: int) -> None:
    """One who is cancelled, at the head of the queue or within it, neither holds up the others nor closes a gap."""
    queue = Queue(Pace(1.0, patience=60))
    waiters = [queue.join(n) for n in range(6)]
    await asyncio.sleep(0.5)
    waiters[leaving].cancel()
    await asyncio.gather(*waiters, return_exceptions=True)
    assert list(queue.starts) == [n for n in range(6) if n != leaving]
    assert list(queue.starts.values()) == exactly(0, 1, 2, 3, 4)


async def test_who_is_cancelled_inside_gives_the_turn_back() -> None:
    """A request that left has left: cancelled or not, the next waits for the interval, and no longer than that."""
    queue = Queue(Pace(1.0, patience=60))
    waiters = [queue.join(0, 50), queue.join(1), queue.join(2)]
    await asyncio.sleep(0.5)
    waiters[0].cancel()
    await asyncio.gather(*waiters, return_exceptions=True)
    assert list(queue.starts.values()) == exactly(0, 1, 2)


Visit: TypeAlias = tuple[int, int, int | None]
"""When somebody comes, for how long they keep their turn, and how soon they give up."""
VISITS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 4), st.none() | st.integers(0, 20)), max_size=30)
APART = 2.0**-10  # timers for the same moment go off in any order, so nobody comes in the same moment as another


async def visit(visits: list[Visit], interval: int) -> Queue:
    """Let them come one by one, and go at a quarter past, so that nobody leaves just as they are served."""
    queue = Queue(Pace(interval, patience=60))

    async def come(who: int, at: int, lasting: int, leaving: int | None) -> None:
        await asyncio.sleep(at + who * APART)
        async with asyncio.timeout(None if leaving is None else leaving + 0.25):
            await queue.take(who, lasting)

    await asyncio.gather(*itertools.starmap(come, [(n, *v) for n, v in enumerate(visits)]), return_exceptions=True)
    return queue


@given(VISITS, st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_whoever_comes_and_goes_the_gaps_hold(visits: list[Visit], interval: int) -> None:
    """Under any comings and goings each turn begins when it is due by a simple model: never early, never late."""
    visits.sort(key=lambda visit: visit[0])
    with asyncio.Runner(loop_factory=AutojumpLoop) as runner:
        queue = runner.run(visit(visits, interval))
    due, starts = 0.0, dict[int, float]()
    for who, (at, lasting, leaving) in enumerate(visits):
        comes = at + who * APART
        gives_up = NEVER if leaving is None else comes + leaving + 0.25
        start = max(comes, due)
        if start < gives_up:
            starts[who] = start
            due = max(start + interval, min(start + lasting, gives_up))
    assert queue.most_within <= 1
    assert list(queue.starts) == list(starts)
    assert list(queue.starts.values()) == exactly(*starts.values())


async def test_ten_thousand_waiters() -> None:
    """10,000 waiters cost little memory each, are not polled, and get their turns in order."""
    loop = asyncio.get_running_loop()
    pace = Pace(1.0, 60.0)
    order: list[int] = []

    async def wait(number: int) -> None:
        async def send(_turn: Turn) -> None:
            order.append(number)

        await pace.fetch(make_wish(), send)

    tracemalloc.start()
    tasks = [asyncio.create_task(wait(number)) for number in range(10_000)]
    await asyncio.sleep(0)
    begin, used = loop.time(), tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used / 10_000 < 4096
    spent = time.process_time()
    await asyncio.gather(*tasks)
    assert (time.process_time() - spent) / 10_000 < 0.001
    assert order == list(range(10_000))
    assert loop.time() - begin == pytest.approx(9999.0, abs=1e-3)
