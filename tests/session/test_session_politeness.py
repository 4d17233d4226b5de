"""Nobody can make the client rude: seen from the server's side of a real socket, and from a crowd's on virtual time."""

import asyncio
import random
import time
from collections.abc import Coroutine
from contextlib import suppress
from itertools import pairwise
from typing import Any

import httpx
import pytest

from bitminter_async import BitminterError, Blocked, Client, Forbidden, RateLimited
from bitminter_async.local import LocalPool
from tests.support.samples import KEY
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
    """100 calls at once arrive one at a time, the interval apart, first come first served, without one inversion."""
    pool = LocalPool()
    pool.latency = latency
    async with pool.serve() as url, Client(base_url=url, interval=0.01) as client:
        answered = await _ask_many(client, 100)
    assert answered == list(range(100)) == _offsets(pool)
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
    pauses = (attempts - 1) * (1.1 * patience + max(2 * interval, 60) + 8)
    assert max(ended) <= attempts * (others + 1) * (patience + max(2 * interval, 60) + timeout) + pauses
    assert len(fake.sent) == attempts * (others + 1)


async def test_who_gives_up_early_piles_nothing_up() -> None:
    """Callers that time out and ask again have one request under way at the pool, never two; its answer is kept."""
    fake = Fake(answer(), repeat=True, delay=0.9)
    async with Client(base_url="https://pool.example", transport=fake, interval=0.1) as client:
        for _ in range(40):
            with suppress(TimeoutError):
                await asyncio.wait_for(client.pool.stats(max_age=0), 0.05)
        await asyncio.sleep(1)
        assert (await client.pool.stats()).active_users == 321
    assert fake.most_in_flight == 1
    assert len(fake.sent) <= 4


async def test_a_rest_told_to_a_caller_that_left_is_kept() -> None:
    """Ten short timeouts against a 429 whose body comes late make one request: its head has asked for rest."""
    fake = Fake(answer(b"", 429, {"Retry-After": "600"}), answer(b"", 429, {"Retry-After": "600"}), delay=0.5)
    async with Client(base_url="https://pool.example", transport=fake, interval=0) as client:
        for _ in range(10):
            with suppress(TimeoutError, RateLimited):
                await asyncio.wait_for(client.pool.stats(max_age=0), 0.3)
    assert len(fake.sent) == 1


async def test_a_blocked_client_with_a_key_finds_out() -> None:
    """Thirty keyed calls to a pool that answers 403 to everybody make two requests: the second asks without the key."""
    fake = Fake(answer(b"", 403), repeat=True)
    async with Client(KEY, base_url="https://pool.example", transport=fake, interval=0, attempts=1) as client:
        errors = [await failure(client.users.get(f"user{number}")) for number in range(30)]
        assert (client.receipt.blocks, client.receipt.rests) == (1, 0)
    assert fake.paths == ["/api/users/user0", "/api/pool/workers"]
    assert [type(error) for error in errors] == [Forbidden, *[Blocked] * 29]


async def test_a_block_is_found_out_though_the_pool_has_just_answered() -> None:
    """What the pool answered before a 403, an error at that, says nothing of a block that begins with it."""
    fake = Fake(answer(b"", 500), answer(5), answer(b"", 403), repeat=True)
    async with Client(KEY, base_url="https://pool.example", transport=fake, interval=0, attempts=1) as client:
        await failure(client.pool.stats())
        await client.pool.users()
        errors = [await failure(client.users.get(f"user{number}")) for number in range(30)]
    assert len(fake.sent) == 4
    assert [type(error) for error in errors] == [Forbidden, *[Blocked] * 29]


async def test_the_call_that_finds_out_is_let_end_as_any_other() -> None:
    """A caller that gives up while a block is looked for piles nothing up, and the rest that came is kept to."""
    late = answer(b"", 429, {"Retry-After": "600"})
    fake = Fake(answer(b"", 403), late, delay=0.5)
    async with Client(KEY, base_url="https://pool.example", transport=fake, interval=0, attempts=1) as client:
        await failure(client.users.get())
        for _ in range(10):
            with suppress(TimeoutError, RateLimited):
                await asyncio.wait_for(client.users.get(max_age=0), 0.1)
        await asyncio.sleep(1)
        assert client.receipt.requests == 2
    assert fake.most_in_flight == 1


async def test_who_asks_anew_as_the_answer_comes_gets_another() -> None:
    """Also in the step of the loop in which an answer comes, `max_age=0` is not served by it: it is older."""
    woken = asyncio.Event()

    def wake(_: httpx.Request) -> httpx.Response:
        woken.set()
        return answer(1)

    fake = Fake(wake, answer(2), delay=0.2)
    async with Client(base_url="https://pool.example", transport=fake, interval=0) as client:

        async def ask_anew() -> int:
            await woken.wait()
            return await client.pool.workers(max_age=0)

        assert [*await asyncio.gather(client.pool.workers(), ask_anew())] == [1, 2]


async def test_a_tiny_rest_slows_down_as_none_does() -> None:
    """A 429 that asks for less rest than the client keeps anyway is answered by keeping more."""
    fake = Fake(answer(b"", 429, {"Retry-After": "0.001"}), repeat=True)
    async with Client(base_url="https://pool.example", transport=fake, interval=0, attempts=1) as client:
        for _ in range(5):
            await failure(client.pool.stats())
    gaps = [later - earlier for earlier, later in pairwise(fake.times)]
    assert gaps == pytest.approx([1, 2, 4, 8])


async def test_a_key_without_the_permission_costs_one_public_call_a_minute() -> None:
    """Where the pool answers others, the 403 is about the key: that is not asked about again at every call."""
    fake = Fake(lambda request: answer(5) if request.url.path == "/api/pool/workers" else answer(b"", 403), repeat=True)
    async with Client(KEY, base_url="https://pool.example", transport=fake, interval=0, attempts=1) as client:
        for number in range(30):
            assert type(await failure(client.users.get(f"user{number}"))) is Forbidden
    assert fake.paths.count("/api/pool/workers") == 1


async def failure(call: Coroutine[Any, Any, object]) -> BaseException | None:
    """The error of a call, or None."""
    (outcome,) = await asyncio.gather(call, return_exceptions=True)
    return outcome if isinstance(outcome, BaseException) else None


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
