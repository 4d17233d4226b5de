"""The stream of blocks: each found once, in order, whatever happens to the list meanwhile."""

import asyncio
import itertools
import logging
from contextlib import aclosing

import httpx
import pytest

from bitminter_async import Block, BlockChanged, BlockFound
from bitminter_async.local import LocalPool
from tests.support.collect import collecting
from tests.support.transport import Fake
from tests.support.watching import MovingPool, block_page, found, in_a_row, short, watch_client


async def test_a_block_is_found_and_followed_until_it_is_settled() -> None:
    """A new block is told of once, then each change of its status with both records, and after that nothing."""
    life = ("processing", "processing", "unconfirmed", "unconfirmed", "confirmed", "orphan")
    fake = Fake(block_page((5, "confirmed")), *(block_page((6, status), (5, "confirmed")) for status in life))
    async with watch_client(fake) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(361)
        assert short(events) == [
            (6, "processing"),
            (6, "processing", "unconfirmed"),
            (6, "unconfirmed", "confirmed"),
        ]
        _, first, second = events
        assert isinstance(first, BlockChanged)
        assert isinstance(second, BlockChanged)
        assert first.after == second.before
    assert fake.paths == ["/api/pool/blocks?max=50&offset=0"] * 7
    assert fake.times == pytest.approx([fake.times[0] + 60 * number for number in range(7)])


async def test_the_stream_begins_with_what_comes_next() -> None:
    """Without `after` nothing old is found, but what is unsettled on the newest page is followed."""
    fake = Fake(
        block_page((9, "unconfirmed"), (8, "orphan"), (7, "unconfirmed")),
        block_page((9, "unconfirmed"), (8, "orphan"), (7, "confirmed")),
        block_page((11, "stale"), (10, "processing"), (9, "orphan"), (8, "orphan"), (7, "orphan")),
    )
    async with watch_client(fake) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(121)
        assert short(events) == [
            (7, "unconfirmed", "confirmed"),
            (9, "unconfirmed", "orphan"),
            (10, "processing"),
            (11, "stale"),
        ]


async def test_the_first_blocks_of_an_empty_pool_are_found() -> None:
    """A list that is empty when the stream begins, as two answers say, hides nothing of what follows."""
    fake = Fake(block_page(), block_page(), block_page((1, "processing"), (0, "stale")))
    async with watch_client(fake) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(61)
        assert short(events) == [(0, "stale"), (1, "processing")]
    pool = MovingPool()
    async with watch_client(pool) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(59)
        pool.find(61)
        await asyncio.sleep(2)
        assert found(events) == list(range(61))


async def test_one_commodity_only() -> None:
    """`commodity` goes into each request, those further down included."""
    pool = LocalPool()
    async with pool.client() as client:
        blocks = [block.id async for block in client.pool.iter_blocks(commodity="NMC", limit=120)]
        pool.advance(86_400)
        asked = len(pool.requests)
        async with collecting(client.watch.blocks(commodity="NMC", after=blocks[-1], unsettled=[blocks[99]])) as events:
            await asyncio.sleep(1)
            assert {event.block.chain for event in events if isinstance(event, BlockFound)} == {"NMC"}
            assert set(found(events)) > {*blocks[:-1]} - {blocks[99]}
    assert {request.params["commodity"] for request in pool.requests[asked:]} == {"NMC"}
    assert len({request.params["offset"] for request in pool.requests[asked:]}) > 2


async def test_a_restart_misses_nothing() -> None:
    """With `after` what came meanwhile comes first; with `unsettled` what befell the awaited blocks, too."""
    pool = LocalPool(speed=1.0)
    async with pool.client() as client:
        orphaned, confirmed, by_id = (pool.find_block() for _ in range(3))
        async with aclosing(client.watch.blocks(after=orphaned - 1)) as stream:
            awaited = [
                event.block for event in [await anext(stream) for _ in range(3)] if isinstance(event, BlockFound)
            ]
        assert [block.id for block in awaited] == [orphaned, confirmed, by_id]
        await asyncio.sleep(100)
        pool.orphan(orphaned)
        pool.orphan(by_id)
        pool.advance(2 * 86_400)
        new = [block.id async for block in client.pool.iter_blocks(after=by_id)][::-1]
        assert len(new) > 50
        unsettled: list[Block | int] = [*awaited[:2], by_id]
        async with collecting(client.watch.blocks(after=by_id, unsettled=unsettled)) as events:
            await asyncio.sleep(1)
            assert found(events) == new
            assert [event for event in short(events) if len(event) == 3] == [
                (orphaned, "processing", "orphan"),
                (confirmed, "processing", "confirmed"),
                (by_id, None, "orphan"),
            ]


async def test_an_outage_loses_no_block() -> None:
    """However many blocks an outage lasted for, each is found once, oldest first, in as many pages as they fill."""
    pool = MovingPool(*in_a_row(80, 1))
    async with watch_client(pool) as client, collecting(client.watch.blocks(every=600)) as events:
        await asyncio.sleep(1)
        pool.is_up = False
        await asyncio.sleep(50 * 600)
        pool.find(1000)
        pool.is_up = True
        asked = len(pool.asked)
        await asyncio.sleep(600)
        assert found(events) == list(range(81, 1081))
        assert len(pool.asked) - asked <= 1000 // 48 + 3


async def test_a_failure_on_the_way_costs_nothing_that_came() -> None:
    """Where each page but a few fails, what came is given all the same, and the next poll goes on from there."""
    pool = MovingPool(*in_a_row(5000, 1))

    async def come_and_go() -> None:
        while True:
            pool.is_up = not pool.is_up
            await asyncio.sleep(30 if pool.is_up else 300)

    async with watch_client(pool, interval=1.0) as client, collecting(client.watch.blocks(after=1)) as events:
        weather = asyncio.create_task(come_and_go())
        await asyncio.sleep(3600)
        weather.cancel()
        assert found(events) == list(range(2, 5001))
        assert len(pool.asked) < 5000 / 48 + 3600 / 60 + 20


@pytest.mark.parametrize("left", [0, 30, 49, 50, 400])
async def test_a_list_that_shrinks_on_the_way_up_is_read_whole(left: int) -> None:
    """Where all but a few of the blocks are withdrawn while the stream climbs, what is left of them still comes."""
    pool = MovingPool(*in_a_row(5000, 1))
    async with watch_client(pool, interval=1.0) as client, collecting(client.watch.blocks(every=2, after=10)) as events:
        await asyncio.sleep(5)
        known = len(events)
        assert 0 < known < 1000
        pool.blocks = dict(in_a_row(5000, 5001 - left))
        await asyncio.sleep(100)
        assert found(events) == [*range(11, known + 11), *range(5001 - left, 5001)]
        pool.blocks |= {6000: "confirmed"}
        await asyncio.sleep(60)
        assert found(events)[-1] == 6000


async def test_a_list_that_never_stands_still_is_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    """Where the place sought is never on the page that should show it, a poll ends after some, and the next tries."""
    caplog.set_level(logging.WARNING)
    sides = itertools.cycle((in_a_row(900, 851), in_a_row(50, 1)))

    def leap(request: httpx.Request) -> httpx.Response:
        most, offset = int(request.url.params["max"]), int(request.url.params["offset"])
        if most == 1:
            return block_page((50, "confirmed"))
        return block_page(*(next(sides) if offset else in_a_row(900, 851)))

    fake = Fake(leap, repeat=True)
    async with watch_client(fake) as client, collecting(client.watch.blocks(after=100)) as events:
        await asyncio.sleep(1)
        assert events == []
    assert len(fake.sent) <= 30
    assert "GapError: the walk cannot go on whole after the record with id 101: the list moves too fast" in caplog.text


async def test_a_list_that_does_not_heed_offset_is_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    """Where every page is the newest, the stream says in a few requests that it cannot be whole, and tries again."""
    caplog.set_level(logging.WARNING)
    fake = Fake(lambda request: block_page(*in_a_row(900, 901 - int(request.url.params["max"]))), repeat=True)
    async with watch_client(fake) as client, collecting(client.watch.blocks(after=1)) as events:
        await asyncio.sleep(1)
        assert events == []
    assert len(fake.sent) <= 12
    assert "GapError: the walk cannot go on whole after the record with id 2" in caplog.text


async def test_a_lagging_answer_loses_and_doubles_nothing() -> None:
    """An answer that is older than the one before it takes nothing back: what it lacks is still followed after it."""
    statuses = ("unconfirmed", None, "processing", "unconfirmed", "orphan")
    pages = [block_page(*([(6, status)] if status else []), (5, "confirmed")) for status in statuses]
    fake = Fake(block_page((5, "confirmed")), *pages)
    async with watch_client(fake) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(301)
        assert short(events) == [(6, "unconfirmed"), (6, "unconfirmed", "orphan")]
    assert not fake.script


async def test_an_after_that_the_list_has_not_reached_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A list that ends below `after`, as another pool's may, makes a silent stream: the log says so, once."""
    caplog.set_level(logging.WARNING)
    pool = MovingPool(*in_a_row(90, 1))
    async with watch_client(pool) as client, collecting(client.watch.blocks(after=100)) as events:
        await asyncio.sleep(120)
        pool.find(20)
        await asyncio.sleep(60)
        assert found(events) == list(range(101, 111))
    assert [record.getMessage() for record in caplog.records] == [
        "watching blocks: nothing comes until the list, which ends at 90, has passed 100"
    ]
