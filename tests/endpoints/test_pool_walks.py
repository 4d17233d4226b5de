"""Walks through a client: their turns among other calls, how they end, and how they are taken up again."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import httpx
import pytest

from bitminter_async import Block, DecodeError, ServerError, Shift, TransportError
from bitminter_async.local import LocalPool
from tests.support.clients import make_client
from tests.support.samples import BLOCK, SHIFT, STATS
from tests.support.transport import Fake, Step, answer


def page(first: int, last: int, **changed: Any) -> httpx.Response:
    """A page of blocks with the ids from `first` down to `last`; `changed` is what is odd about the last one."""
    rows: list[dict[str, Any]] = [{**BLOCK, "id": number} for number in range(first, last - 1, -1)]
    rows[-1] |= changed
    return answer(rows)


async def ids(walk: AsyncGenerator[Block, None] | AsyncGenerator[Shift, None]) -> list[int]:
    """The ids of all that a walk gives."""
    return [record.id async for record in walk]


async def test_a_question_waits_for_one_page_at_most() -> None:
    """A walk takes a turn for each page, so a call that comes in meanwhile is next."""
    fake = Fake(page(300, 251), page(252, 203), answer(STATS), page(204, 155), page(156, 140), delay=0.5)
    async with make_client(fake, None, interval=1, attempts=1) as client:
        start = asyncio.get_running_loop().time()
        walk = asyncio.create_task(ids(client.pool.iter_blocks(limit=161)))
        await asyncio.sleep(1.2)
        await client.pool.stats()
        assert asyncio.get_running_loop().time() == pytest.approx(start + 2.5)
        assert await walk == list(range(300, 139, -1))
    assert [path.partition("?")[0].rpartition("/")[2] for path in fake.paths] == [
        "blocks",
        "blocks",
        "stats",
        "blocks",
        "blocks",
    ]
    assert fake.times == pytest.approx([start + number for number in range(5)])


async def test_two_walks_take_turns() -> None:
    """Neither of two walks waits for the end of the other: their pages alternate."""
    blocks, shifts = [page(300, 251), page(252, 203)], [_shifts(300, 251), _shifts(252, 203)]
    fake = Fake(blocks[0], shifts[0], blocks[1], shifts[1])
    async with make_client(fake, None, interval=1, attempts=1) as client:
        found = await asyncio.gather(ids(client.pool.iter_blocks(limit=98)), ids(client.pool.iter_shifts(limit=98)))
        assert found[0] == found[1] == list(range(300, 202, -1))


def _shifts(first: int, last: int) -> httpx.Response:
    return answer([{**SHIFT, "id": number} for number in range(first, last - 1, -1)])


@pytest.mark.parametrize("leave", ["break", "error", "close", "cancel"])
async def test_leaving_a_walk_leaves_nothing_behind(leave: str) -> None:
    """However the caller leaves, no request is made after it, no task is left, and nothing complains."""
    fake = Fake(page(300, 251), page(252, 203), delay=0.5)
    async with make_client(fake, None, interval=1, attempts=1) as client:
        seen: list[int] = []

        async def walk() -> None:
            async for block in client.pool.iter_blocks():
                seen.append(block.id)
                if leave == "break" and block.id == 280:
                    break
                if leave == "error" and block.id == 280:
                    raise LookupError

        if leave == "close":
            async with aclosing(client.pool.iter_blocks()) as blocks:
                seen += [(await anext(blocks)).id for _ in range(21)]
        else:
            task = asyncio.create_task(walk())
            await asyncio.sleep(1.25)  # while the second page is under way, unless it was left before
            task.cancel()
            await asyncio.wait([task])
            assert leave != "error" or isinstance(task.exception(), LookupError)
        assert seen == list(range(300, 250 if leave == "cancel" else 279, -1))
        gc.collect()
        await asyncio.sleep(100)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert fake.in_flight == 0
    assert len(fake.sent) == (2 if leave == "cancel" else 1)


async def test_a_walk_is_taken_up_where_it_failed() -> None:
    """After an outage longer than the retries, `until` goes on from the last block: each block comes once."""
    pool = LocalPool()
    async with pool.client(attempts=2) as client:
        everything = await ids(client.pool.iter_blocks(limit=400))
        pool.latency = 1.0
        blocks: list[Block] = []
        outages = 0
        while not blocks or blocks[-1].id > everything[-1]:
            until = blocks[-1].generated if blocks else None
            try:
                async for block in client.pool.iter_blocks(until=until):
                    if not blocks or block.id < blocks[-1].id:
                        blocks.append(block)
                    if block.id == everything[-1]:
                        break
                    if len(blocks) in {70, 200, 333}:
                        pool.fail_next(503, times=2)
            except ServerError:
                outages += 1
                pool.find_block()
        assert [block.id for block in blocks] == everything
        assert outages == 3


@pytest.mark.parametrize("step", [httpx.ConnectError("refused"), answer(b"", 500), answer(b"[")], ids=str)
async def test_an_error_in_a_walk_comes_after_all_that_was_whole(step: Step) -> None:
    """What came before a page that fails is given first; the walk is over with the error, and asks no more."""
    fake = Fake(page(300, 251), step)
    async with make_client(fake, None, interval=1, attempts=1) as client:
        walk = client.pool.iter_blocks()
        seen = [(await anext(walk)).id for _ in range(50)]
        with pytest.raises((TransportError, ServerError, DecodeError)):
            await anext(walk)
        with pytest.raises(StopAsyncIteration):
            await anext(walk)
    assert seen == list(range(300, 250, -1))
    assert len(fake.sent) == 2


async def test_a_record_that_cannot_be_read_is_named() -> None:
    """A DecodeError in one record of a page names its place, its id and the fault, and carries the other records."""
    fake = Fake(page(300, 251), page(252, 203, income="much"))
    async with make_client(fake, None, interval=1, attempts=1) as client:
        with pytest.raises(DecodeError) as caught:
            await ids(client.pool.iter_blocks())
    assert [(fault.path, fault.got) for fault in caught.value.faults] == [("$[49].income", '"much"')]
    assert caught.value.__notes__ == ["$[49] is the record with id 203"]
    assert [block.id for block in caught.value.readable] == list(range(252, 203, -1))
    assert caught.value.unreadable == {49: 203}
    assert caught.value.url.endswith("max=50&offset=48")


async def test_a_walk_on_a_busy_day_takes_half_more_requests_at_most() -> None:
    """While blocks are found, orphaned and withdrawn all the time, a walk is whole and takes 1.5 times the requests."""
    still = LocalPool()
    async with still.client() as client:
        await ids(client.pool.iter_blocks())
    busy = LocalPool(speed=600.0)  # ten minutes pass from page to page: 80 times as fast as a real walk sees it
    async with busy.client(interval=1.0) as client:
        first = await ids(client.pool.iter_blocks())
        busy_requests = len(busy.requests)
        walk = client.pool.iter_blocks()
        seen: list[int] = []
        withdrawn: set[int] = set()
        async for block in walk:
            seen.append(block.id)
            if block.id % 5 == 0:
                busy.find_block("NMC")
            if block.id % 7 == 0 and len(seen) > 20:
                busy.withdraw_block(seen[-20])
                withdrawn.add(seen[-20])
        assert set(first) <= set(seen) | withdrawn
        assert len(seen) == len(set(seen))
        assert len(withdrawn) > 100
        assert busy.now - still.now > timedelta(hours=8)
    assert busy_requests <= 1.5 * len(still.requests)
    assert len(busy.requests) - busy_requests <= 1.5 * len(still.requests)


@pytest.mark.parametrize("what", ["iter_blocks", "iter_shifts"])
async def test_the_oldest_come_first_on_request(what: str) -> None:
    """A sync goes from the oldest, an id or a moment to the newest, and asks each page anew."""
    pool = LocalPool()
    async with pool.client() as client:
        walk = getattr(client.pool, what)
        newest_first = [record async for record in walk()]
        assert [record async for record in walk(oldest_first=True)] == newest_first[::-1]
        after = newest_first[60]
        sent = len(pool.requests)
        assert await ids(walk(oldest_first=True, after=after.id, limit=5)) == [
            record.id for record in newest_first[59:54:-1]
        ]
        assert len(pool.requests) > sent
        moment = after.generated if isinstance(after, Block) else after.completed
        assert await ids(walk(oldest_first=True, since=moment)) == [record.id for record in newest_first[60::-1]]
        assert not await ids(walk(oldest_first=True, after=newest_first[0].id))


@pytest.mark.parametrize("what", ["iter_blocks", "iter_shifts"])
async def test_pages_may_be_old_on_request(what: str) -> None:
    """A walk whose pages may be as old as the one before it asks nothing where that ended by a limit."""
    pool = LocalPool()
    async with pool.client() as client:
        walk = getattr(client.pool, what)
        first = await ids(walk(limit=120))
        sent = len(pool.requests)
        assert await ids(walk(limit=120, max_age=60)) == first
        assert len(pool.requests) == sent
        assert await ids(walk(limit=120)) == first
        assert len(pool.requests) == sent + 3


@pytest.mark.parametrize("what", ["iter_blocks", "iter_shifts"])
async def test_what_has_no_meaning_together_is_refused(what: str) -> None:
    """What a sync has no use for is named before anything is sent, and so is an age that is none."""
    fake = Fake()
    async with make_client(fake) as client:
        walk = getattr(client.pool, what)
        for odd in ({"offset": 5}, {"max": 20}, {"max_age": 0}):
            with pytest.raises(ValueError, match=f"{next(iter(odd))} cannot be given with oldest_first=True"):
                walk(oldest_first=True, **odd)
        with pytest.raises(TypeError, match="oldest_first must be True or False, not int"):
            walk(oldest_first=1)
        with pytest.raises(ValueError, match="max_age must be a number of seconds, 0 or more, not -1"):
            walk(max_age=-1)
    assert not fake.paths
