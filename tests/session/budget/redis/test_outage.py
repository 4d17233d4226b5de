"""What a process does with those who wait in its own line when Redis, or the pool, tells them that it is in vain."""

import asyncio

import pytest

from bitminter_async import RateLimited
from bitminter_async._session.budget import connection
from bitminter_async._session.budget import redis as redis_budget
from tests.support.redis import Members, RedisServer, needs_redis

pytestmark = [pytest.mark.socket, needs_redis]

_LIMITED = RateLimited("GET /: 429", status=429, url="https://pool.example/", body="", headers={})


async def test_a_rest_ends_the_wait_in_the_line(members: Members) -> None:
    """Who waits behind others of its process is refused as soon as the pool asks for a long rest."""
    one = members.join()
    hold = asyncio.Event()
    held = asyncio.create_task(one.ask("a", hold=hold))
    await members.until_asked()
    queued = asyncio.create_task(one.ask("b"))
    await asyncio.sleep(0)
    await one.budget.rest(900.0, _LIMITED)
    with pytest.raises(RateLimited):
        await queued
    hold.set()
    await held


async def test_who_may_go_on_alone_looks_in_vain_and_asks(server: RedisServer) -> None:
    """A question that only looks for what is kept is asked like any other when Redis is away."""
    own = Members(server, "https://pool.example")
    one = own.join(alone=0.01)
    hold = asyncio.Event()
    held = asyncio.create_task(one.ask("a", hold=hold))
    await own.until_asked()
    server.kill()
    looking = asyncio.create_task(one.ask("b", 30.0))
    await asyncio.sleep(0.05)
    hold.set()
    await held
    assert await looking == "b 2"
    await own.aclose()


async def test_closing_while_redis_does_not_answer(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits a little, and then gives up what could not be given back: the lease runs out."""
    monkeypatch.setattr(redis_budget, "TIMEOUT", 0.05)
    own = Members(server, "https://pool.example")
    one = own.join()
    hold = asyncio.Event()
    held = asyncio.create_task(one.ask("a", hold=hold))
    await own.until_asked()
    server.stop()
    hold.set()
    await held
    before = asyncio.get_running_loop().time()
    await own.aclose()
    assert asyncio.get_running_loop().time() - before < connection.TIMEOUT
    assert not one.budget._tasks
