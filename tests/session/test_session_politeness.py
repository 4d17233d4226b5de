"""Nobody can make the client rude: seen from the server's side of a real socket, and from a crowd's on virtual time."""

import asyncio
import random
import time

import pytest

from bitminter_async import BitminterError, Client
from bitminter_async.local import LocalPool
from tests.support.transport import Fake, answer


async def _ask_many(client: Client, count: int, rng: random.Random | None = None) -> list[int]:
    """Ask for `count` different pages at once, cancelling half of the tasks at random moments if `rng` is given."""
    order: list[int] = []

    async def ask(offset: int) -> None:
        await client.pool.blocks(max=1, offset=offset)
        order.append(offset)

    tasks = [asyncio.create_task(ask(offset)) for offset in range(count)]
    for task in rng.sample(tasks, count // 2) if rng else ():
        await asyncio.sleep(rng.uniform(0, 0.008) if rng else 0)
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return order


def _offsets(pool: LocalPool) -> list[int]:
    return [int(request.params["offset"]) for request in pool.requests]


def _shortest_gap(client: Client) -> float:
    """The shortest time between two requests' leaving; when they arrive, a busy machine has its say in."""
    gap = client.receipt.shortest_gap
    assert gap is not None
    return gap.total_seconds()


@pytest.mark.socket
@pytest.mark.parametrize("latency", [0.0, 0.015], ids=["quick pool", "slow pool"])
async def test_a_crowd_is_served_in_order_and_at_the_pace(latency: float) -> None:
    """200 calls at once arrive one at a time, the interval apart, first come first served, without one inversion."""
    pool = LocalPool()
    pool.latency = latency
    async with pool.serve() as url, Client(base_url=url, interval=0.01) as client:
        answered = await _ask_many(client, 200)
    assert answered == list(range(200)) == _offsets(pool)
    assert _shortest_gap(client) >= 0.01
    assert max(request.in_flight for request in pool.requests) == 0


@pytest.mark.socket
async def test_cancellations_cost_nobody_a_turn() -> None:
    """With half of 200 waiters cancelled at random moments, the others come in order, spaced, one at a time."""
    pool = LocalPool()
    pool.latency = 0.002
    async with pool.serve() as url, Client(base_url=url, interval=0.01) as client:
        answered = await _ask_many(client, 200, random.Random(7))  # noqa: S311  # a schedule, no secret
    assert answered == sorted(answered)
    assert len(answered) >= 100
    assert _offsets(pool) == sorted(_offsets(pool))
    assert set(answered) <= set(_offsets(pool))
    assert _shortest_gap(client) >= 0.01
    assert client.receipt.requests == len(pool.requests)


@pytest.mark.socket
async def test_a_stalled_loop_makes_no_burst() -> None:
    """After the loop stood still for many intervals, the queue goes on at its pace: what was missed is not made up."""
    pool = LocalPool()
    async with pool.serve() as url, Client(base_url=url, interval=0.02) as client:
        crowd = asyncio.create_task(_ask_many(client, 30))
        for _ in range(3):
            await asyncio.sleep(0.06)
            time.sleep(0.15)  # noqa: ASYNC251  # a stalled loop is what is tried
        await crowd
    assert _offsets(pool) == list(range(30))
    assert _shortest_gap(client) >= 0.02


async def test_every_turn_is_used_on_virtual_time() -> None:
    """Where nothing takes time but the interval, the n-th request leaves exactly n intervals after the first."""
    fake = Fake(answer([]), repeat=True)
    async with Client(base_url="https://pool.example", transport=fake, interval=0.25) as client:
        await _ask_many(client, 100)
    assert fake.times == pytest.approx([fake.times[0] + 0.25 * number for number in range(100)], abs=1e-6)


async def test_a_thousand_tasks_with_one_question_make_one_request() -> None:
    """A crowd that asks the same at once is answered by one request, each with the same record."""
    fake = Fake(answer(), delay=0.5)
    async with Client(base_url="https://pool.example", transport=fake) as client:
        answers = await asyncio.gather(*(client.pool.stats(max_age=0) for _ in range(1000)))
        assert client.receipt.joined == 999
    assert len(fake.sent) == 1
    assert len({id(found) for found in answers}) == 1


@pytest.mark.parametrize("script", ["silent", "resting", "slowed"])
async def test_no_call_takes_longer_than_its_options_say(script: str) -> None:
    """However the pool fails, each of five calls ends within the bound that the client's docstring gives."""
    attempts, patience, interval, timeout, others = 3, 7.0, 2.0, 5.0, 4
    steps = {"silent": answer(), "resting": answer(b"", 429, {"Retry-After": "7"}), "slowed": answer(b"", 429)}
    fake = Fake(steps[script], delay=1000.0 if script == "silent" else 4.9, repeat=True)
    options = {"attempts": attempts, "patience": patience, "interval": interval, "timeout": timeout}
    loop = asyncio.get_running_loop()
    begun = loop.time()
    ended: list[float] = []

    async def ask(client: Client, offset: int) -> None:
        with pytest.raises(BitminterError):
            await client.pool.blocks(offset=offset)
        ended.append(loop.time() - begun)

    async with Client(base_url="https://pool.example", transport=fake, **options) as client:  # type: ignore[arg-type]  # attempts is an int
        await asyncio.gather(*(ask(client, offset) for offset in range(others + 1)))
    assert len(ended) == others + 1
    assert max(ended) <= attempts * (others + 1) * (patience + max(2 * interval, 60) + timeout) + 8 * (attempts - 1)
    assert len(fake.sent) == attempts * (others + 1)


@pytest.mark.socket
async def test_a_thousand_cancelled_requests_leave_the_connection_usable() -> None:
    """After 1,000 requests cancelled under way, the next succeeds, over the one connection that is open."""
    pool = LocalPool(limit=None)
    async with pool.serve() as url, Client(base_url=url, interval=0) as client:
        pool.slow_next(30.0, times=1000)
        for offset in range(1000):
            task = asyncio.create_task(client.pool.blocks(max=1, offset=offset))
            while len(pool.requests) <= offset:  # noqa: ASYNC110  # the pool has no event for an arrival
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await client.pool.stats()
        transport = client._session._wire.open()
        assert len(transport._pool.connections) == 1  # type: ignore[attr-defined]  # httpcore's own count


@pytest.mark.socket
async def test_the_receipt_and_the_operator_tell_the_same_story() -> None:
    """What the receipt says of requests, gaps and retries is what the pool's operator saw."""
    pool = LocalPool()
    key = pool.add_user("demo")
    async with pool.serve() as url, Client(key, base_url=url, interval=0.02, user_agent="my-bot/2.0") as client:
        await asyncio.gather(*(client.pool.stats() for _ in range(50)))
        await client.pool.stats()
        pool.fail_next(502)
        await client.users.get()
        pool.fail_next(429, headers={"Retry-After": "1"})
        with pytest.raises(BitminterError, match="no such user"):
            await client.users.get("nobody")
        receipt = client.receipt
    assert receipt.requests == len(pool.requests) == 5
    assert [request.status for request in pool.requests] == [200, 502, 200, 429, 404]
    assert (receipt.calls, receipt.cached, receipt.joined, receipt.retried) == (53, 1, 49, 2)
    assert (receipt.rests, receipt.rested.total_seconds()) == (1, 1.0)
    assert receipt.shortest_gap is not None
    assert receipt.mean_gap is not None
    assert 0.02 <= receipt.shortest_gap.total_seconds() <= receipt.mean_gap.total_seconds()
    took = pool.requests[-1].at - pool.requests[0].at
    assert 4 * receipt.mean_gap.total_seconds() == pytest.approx(took, abs=1.0)  # as far as a busy machine goes
    assert {request.user_agent.split(" ")[0] for request in pool.requests if request.user_agent} == {"my-bot/2.0"}
    assert "sent 5 requests" in str(receipt)
