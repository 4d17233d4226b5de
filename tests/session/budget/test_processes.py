"""The budget of a machine, by real processes: what they log of themselves, whoever of them dies or stands still."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack

import pytest

from bitminter_async.local import LocalPool
from tests.support.workers import gaps, overlaps, worker

pytestmark = [pytest.mark.socket, pytest.mark.usefixtures("runtime_dir")]

INTERVAL = 0.02
JITTER = 0.001  # between the wall clock, by which processes tell each other of departures, and the one they log


async def test_many_processes_are_as_polite_as_one() -> None:
    """Of six processes with many tasks, some of which are given up, each request departs alone, the interval apart."""
    pool = LocalPool()
    async with pool.serve() as url, AsyncExitStack() as stack:
        options = {"interval": INTERVAL, "tasks": 6, "cancel": 2}
        workers = [await stack.enter_async_context(worker(url, **options)) for _ in range(6)]
        await asyncio.gather(*(each.end() for each in workers))
    for each in workers:
        assert each.process.returncode == 0
        assert each.outcomes.count("answer") >= 6
        assert len(each.sent) >= 6
    assert min(gaps(workers)) >= INTERVAL - JITTER
    assert overlaps(workers) == 0
    assert max(request.in_flight for request in pool.requests) == 0
    assert len(pool.requests) == sum(len(each.sent) for each in workers)


async def test_a_process_that_is_killed_in_its_turn_holds_up_nobody() -> None:
    """With one killed while its request is in the air, another that waits gets the turn."""
    pool = LocalPool()
    pool.slow_next(60.0)
    async with pool.serve() as url, worker(url, interval=INTERVAL, tasks=3, timeout=1000.0) as killed:
        await killed.until("began")
        while not pool.requests:  # noqa: ASYNC110  # the pool tells nobody
            await asyncio.sleep(0.01)
        async with worker(url, interval=INTERVAL, tasks=3, timeout=1000.0) as other:
            await other.until("began")
            assert other.sent == []
            killed.process.kill()
            await other.end()
    assert other.outcomes == ["answer"] * 3
    assert killed.sent == []
    assert min(gaps([other])) >= INTERVAL - JITTER


async def test_a_process_that_is_stopped_in_its_turn_loses_it() -> None:
    """One that is stopped holds up the others until its timeout and a margin are over; it goes on in later turns."""
    pool = LocalPool()
    pool.slow_next(60.0)
    async with pool.serve() as url, worker(url, interval=INTERVAL, tasks=3, timeout=0.3) as stopped:
        while not pool.requests:  # noqa: ASYNC110  # the pool tells nobody
            await asyncio.sleep(0.01)
        os.kill(stopped.process.pid, signal.SIGSTOP)
        async with worker(url, interval=INTERVAL, tasks=3) as other:
            await other.end()
            assert other.outcomes == ["answer"] * 3
            os.kill(stopped.process.pid, signal.SIGCONT)
            await stopped.end()
    assert stopped.outcomes == ["answer"] * 3
    assert other.sent[0][0] - stopped.sent[0][0] >= 0.3
    assert min(gaps([stopped, other])) >= INTERVAL - JITTER


async def test_a_rest_is_kept_by_processes_that_begin_later() -> None:
    """What an earlier run of a command was told, the next knows, and asks nothing."""
    pool = LocalPool()
    pool.fail_next(429, headers={"Retry-After": "600"})
    async with pool.serve() as url:
        for _ in range(2):
            async with worker(url, interval=INTERVAL, tasks=2) as each:
                await each.end()
            assert each.outcomes == ["RateLimited"] * 2
    assert len(pool.requests) == 1
