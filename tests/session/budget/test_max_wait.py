"""How long a call waits for its turn: told at once where the line is too long, and before anything is sent."""

import asyncio
import math
from collections.abc import Coroutine
from typing import Any

import pytest

from bitminter_async import QueueTimeout, RateLimited
from tests.support.clients import make_client
from tests.support.clock import now, run_in_one_go
from tests.support.transport import Fake, answer


async def timeout_of(call: Coroutine[Any, Any, object]) -> QueueTimeout:
    """The QueueTimeout of a call."""
    with pytest.raises(QueueTimeout) as caught:
        await call
    return caught.value


async def test_who_would_wait_too_long_is_told_at_once() -> None:
    """Where the line alone takes longer, the call fails in no time, with its place, and nothing is sent for it."""
    fake = Fake(answer([]), repeat=True)
    async with make_client(fake, interval=1.0) as client:
        walk = [asyncio.ensure_future(client.pool.blocks(offset=number)) for number in range(28)]
        await asyncio.sleep(0.5)
        begun = now()
        error = await timeout_of(client.pool.stats(max_wait=2.0))
        assert now() == begun
        assert error.place == 28
        assert str(error) == (
            "not sent: it was to wait 2 s at most, and at place 28 in the line its turn is 27.5 s away or more"
        )
        assert (await timeout_of(client.users.get(max_wait=27))).place == 28
        for task in walk[3:]:
            task.cancel()
        await asyncio.wait(walk[3:])
        assert (await timeout_of(client.pool.round(max_wait=2.4))).place == 3
        fake.script[:] = [answer(5)]
        assert await client.pool.workers(max_wait=2.6) == 5
    assert len(fake.sent) == 4


async def test_who_has_waited_too_long_leaves() -> None:
    """Where it cannot be foreseen, the call waits for so long and no longer, and leaves the line to others."""
    fake = Fake(answer([]), answer(5), delay=9.0)
    async with make_client(fake) as client:
        slow = asyncio.ensure_future(client.pool.blocks())
        await asyncio.sleep(1)
        begun = now()
        late = asyncio.ensure_future(timeout_of(client.pool.stats(max_wait=3.0)))
        await asyncio.sleep(0)
        other = asyncio.ensure_future(client.pool.workers(max_wait=8.5))
        error = await late
        assert error.place == 1
        assert str(error) == (
            "not sent: it was to wait 3 s at most, and at place 1 in the line others have theirs before it"
        )
        assert now() - begun == pytest.approx(3)
        await slow
        assert await other == 5
        assert client.receipt.requests == 2
    assert fake.paths == ["/api/pool/blocks?max=10&offset=0", "/api/pool/workers"]


async def test_no_time_to_wait() -> None:
    """With `max_wait=0` a call is sent if its turn can begin now, and only then."""
    fake = Fake(answer(5), answer(7))
    async with make_client(fake, interval=1.0, max_wait=0) as client:
        assert await client.pool.workers() == 5
        assert run_in_one_go(client.pool.workers()) == 5  # from the cache
        assert (await timeout_of(client.pool.users())).place == 1
        await asyncio.sleep(1)
        assert await client.pool.users() == 7


async def test_one_that_has_begun_its_turn_is_never_given_up() -> None:
    """`max_wait` counts until the turn, however long the pool takes then."""
    async with make_client(Fake(answer(5), delay=5.0), max_wait=1.0) as client:
        assert await client.pool.workers() == 5


async def test_a_call_that_has_its_answer_leaves_no_timer() -> None:
    """A service that asks often, and may wait long, keeps nothing of the calls that were answered."""
    loop: Any = asyncio.get_running_loop()
    async with make_client(Fake(answer(5), repeat=True), interval=0.0, max_wait=3600.0) as client:
        for _ in range(100):
            assert await client.pool.workers(max_age=0) == 5
        await asyncio.sleep(0)
        assert all(timer.cancelled() for timer in loop._scheduled if timer.when() > now() + 60)


async def test_each_who_shares_a_request_waits_as_long_as_it_said() -> None:
    """One that leaves a question that others share ends it for nobody else; one may join a question with a limit."""
    fake = Fake(answer([]), answer(5), delay=9.0)
    async with make_client(fake) as client:
        first = asyncio.ensure_future(client.pool.blocks())
        await asyncio.sleep(1)
        short = asyncio.ensure_future(timeout_of(client.pool.workers(max_wait=2.0)))
        await asyncio.sleep(0)
        long, shorter = (
            asyncio.ensure_future(client.pool.workers()),
            asyncio.ensure_future(timeout_of(client.pool.workers(max_wait=1.0))),
        )
        begun = now()
        await shorter
        assert now() - begun == pytest.approx(1)
        await short
        assert now() - begun == pytest.approx(2)
        await first
        await asyncio.sleep(0)
        joined = asyncio.ensure_future(client.pool.workers(max_wait=0.5))  # which is in the air by now
        assert (await long, await joined) == (5, 5)
    assert len(fake.sent) == 2


async def test_one_who_joins_a_line_too_long_is_told_at_once() -> None:
    """A question that is in the line already is where it is, also for who joins it."""
    fake = Fake(answer([]), repeat=True)
    async with make_client(fake, interval=5.0) as client:
        tasks = [asyncio.ensure_future(client.pool.blocks(offset=number)) for number in range(4)]
        await asyncio.sleep(0.1)
        assert (await timeout_of(client.pool.blocks(offset=1, max_wait=4.0))).place == 1
        assert (await timeout_of(client.pool.blocks(offset=2, max_wait=9.0))).place == 2
        begun = now()
        assert await client.pool.blocks(offset=2, max_wait=10.0) == ()
        assert now() - begun == pytest.approx(9.9)
        await asyncio.gather(*tasks)
    assert len(fake.sent) == 4


async def test_each_attempt_waits_for_its_own_turn(spans: list[tuple[float, float]]) -> None:
    """A retry that would wait too long ends the call; a pause before it is no waiting in the line."""
    fake = Fake(answer(b"", 500), answer(5), answer(b"", 500), answer([]), delay=1.0)
    async with make_client(fake, max_wait=0.5) as client:
        assert await client.pool.workers() == 5
        failing = asyncio.ensure_future(timeout_of(client.pool.stats()))
        await asyncio.sleep(1.9)
        await asyncio.gather(client.pool.blocks(), failing)
        assert failing.result().place == 1
    assert len(spans) == 2


async def test_a_rest_counts_as_waiting() -> None:
    """A rest within patience that is longer than the call may wait is told at once."""
    async with make_client(Fake(answer(b"", 429, {"Retry-After": "30"})), attempts=1) as client:
        with pytest.raises(RateLimited):
            await client.pool.stats()
        assert (await timeout_of(client.pool.workers(max_wait=29.0))).place == 1


async def test_walks_and_streams_wait_as_long_as_it_takes() -> None:
    """The client's `max_wait` is for calls; `math.inf` lets a call wait as well."""
    fake = Fake(answer([]), repeat=True)
    async with make_client(fake, interval=3.0, max_wait=1.0) as client:
        await client.pool.blocks()
        assert [block.id async for block in client.pool.iter_blocks()] == []
        assert await client.pool.shifts(max_wait=math.inf) == ()
        await timeout_of(client.pool.blocks(offset=5))
        stream = client.watch.stats(every=0.5)
        fake.script[:] = [answer()]
        assert (await anext(stream)).active_users == 321
        fake.script[:] = [answer(active_users=5)]
        assert (await anext(stream)).active_users == 5
        await stream.aclose()


@pytest.mark.parametrize(
    ("wrong", "error"), [(-1, ValueError), (math.nan, ValueError), ("1", TypeError), (True, TypeError)]
)
async def test_what_max_wait_may_be(wrong: Any, error: type[Exception]) -> None:
    """It is a number of seconds, or infinity, which is no bound."""
    with pytest.raises(error, match="max_wait must be a number"):
        make_client(Fake(), max_wait=wrong)
    async with make_client(Fake(answer(5)), max_wait=math.inf) as client:
        with pytest.raises(error, match="max_wait must be a number"):
            await client.pool.workers(max_wait=wrong)
        assert await client.pool.workers() == 5
