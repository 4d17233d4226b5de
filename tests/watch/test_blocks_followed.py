"""Blocks that are not settled: followed at any depth, at little cost, until they settle or are gone."""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from bitminter_async import Block, BlockEvent, BlockStatus
from bitminter_async.watch._blocks import look_at_block
from bitminter_async.watch._tracker import Tracker
from tests.support.collect import collecting
from tests.support.transport import Fake, answer
from tests.support.watching import MovingPool, block_page, found, in_a_row, short, watch_client


async def test_what_is_awaited_is_looked_for_at_any_depth() -> None:
    """Blocks given as `unsettled` far below the newest page are found, and followed by one page a poll."""
    pool = MovingPool(*in_a_row(3000, 1))
    pool.blocks |= {500: "unconfirmed", 2100: "processing"}
    async with watch_client(pool) as client, collecting(client.watch.blocks(unsettled=[500, 2100])) as events:
        await asyncio.sleep(59)
        asked = len(pool.asked)
        assert asked <= 5
        await asyncio.sleep(600)
        assert events == []
        assert len(pool.asked) == asked + 20
        pool.blocks |= {500: "orphan", 2100: "unconfirmed", 3001: "unconfirmed"}
        await asyncio.sleep(120)
        assert sorted(short(events)) == [
            (500, "unconfirmed", "orphan"),
            (2100, "processing", "unconfirmed"),
            (3001, "unconfirmed"),
        ]


async def test_a_block_that_never_settles_costs_one_page_a_poll() -> None:
    """However deep a block sinks that is never settled, a poll takes two requests at most."""
    pool = MovingPool(*in_a_row(40, 1))
    async with watch_client(pool) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(1)
        pool.find(1, "unconfirmed")
        for _ in range(500):
            await asyncio.sleep(60)
            pool.find(2)
        assert len(pool.asked) <= 2 * 501
        pool.blocks[41] = "stale"
        await asyncio.sleep(60)
        assert found(events) == list(range(41, 1042))
        assert short(events)[-1] == (41, "unconfirmed", "stale")


async def test_hundreds_of_unsettled_blocks_are_followed_a_page_a_poll() -> None:
    """What is followed below the newest page takes turns, a page of it in each poll, and all of it is followed."""
    pool = MovingPool(*in_a_row(10, 1))
    async with watch_client(pool) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(1)
        pool.find(500, "unconfirmed")
        await asyncio.sleep(120)
        asked = len(pool.asked)
        pool.blocks = dict.fromkeys(pool.blocks, "confirmed")
        await asyncio.sleep(12 * 60)
        assert len(found(events)) == 500
        assert len(events) == 1000
        assert len(pool.asked) - asked <= 2 * 12


async def test_a_page_of_unsettled_blocks_takes_one_request_a_poll() -> None:
    """While all that is followed stands on the newest page, down to its last place, a poll is one request."""
    pool = MovingPool(*in_a_row(100, 51, "unconfirmed"), *in_a_row(50, 1))
    async with watch_client(pool) as client, collecting(client.watch.blocks()):
        await asyncio.sleep(601)
    assert pool.asked == [(50, 0)] * 11


async def test_a_settled_block_given_as_awaited_is_not_followed() -> None:
    """A record that is settled already asks for nothing."""
    fake = Fake(block_page(*in_a_row(300, 251)))
    async with watch_client(fake) as client:
        block = (await client.pool.blocks(max=50, offset=9))[0]
        fake.script.append(block_page(*in_a_row(900, 851)))
        async with collecting(client.watch.blocks(unsettled=[block])) as events:
            await asyncio.sleep(1)
            assert events == []
    assert len(fake.sent) == 2


async def test_a_found_block_that_is_given_as_awaited_is_not_found_again() -> None:
    """What is in `unsettled` is known, be it newer than `after`."""
    fake = Fake(block_page((7, "confirmed"), (6, "unconfirmed"), (5, "confirmed")))
    async with watch_client(fake) as client, collecting(client.watch.blocks(after=5, unsettled=[7])) as events:
        await asyncio.sleep(1)
        assert short(events) == [(6, "unconfirmed"), (7, None, "confirmed")]


@pytest.mark.parametrize(("after", "unsettled"), [(1, ()), (None, (1, 300, 700))])
async def test_timeouts_shorter_than_an_answer_are_not_rude_further_down(
    after: int | None, unsettled: tuple[int, ...]
) -> None:
    """Where each wait is cut short on the way up, or below the newest page, it is not asked again at once."""
    pool = MovingPool(*in_a_row(1000, 1))
    async with watch_client(pool) as client:
        stream = client.watch.blocks(after=after, unsettled=unsettled)
        with suppress(TimeoutError):
            await asyncio.wait_for(anext(stream), 30)
        pool.latency = 3.0
        asked = len(pool.asked)
        for _ in range(150):
            with suppress(TimeoutError):
                await asyncio.wait_for(anext(stream), 2)
        assert len(pool.asked) - asked <= 2 * 6 + len(unsettled)


async def test_a_page_below_that_cannot_be_had_keeps_nothing_new_back() -> None:
    """Where only pages further down fail, the newest is read all the same, and the others are tried again."""
    pool = MovingPool(*in_a_row(300, 1))
    pool.blocks[100] = "unconfirmed"
    is_broken = True

    async def break_below(request: httpx.Request) -> httpx.Response:
        good = await pool.handle_async_request(request)
        return answer(b"<html>") if is_broken and request.url.params["offset"] != "0" else good

    transport = httpx.MockTransport(break_below)
    async with watch_client(transport) as client, collecting(client.watch.blocks(unsettled=[100])) as events:
        for _ in range(10):
            await asyncio.sleep(60)
            pool.find(1)
        assert found(events) == list(range(301, 310))
        assert len(pool.asked) <= 2 * 11
        is_broken = False
        pool.blocks[100] = "orphan"
        await asyncio.sleep(60)
        assert short(events)[-2:] == [(310, "confirmed"), (100, None, "orphan")]


async def test_a_run_of_withdrawn_blocks_is_let_go_by_pages(caplog: pytest.LogCaptureFixture) -> None:
    """However many followed blocks are withdrawn at once, one page lets go of all that it shows to be gone."""
    caplog.set_level(logging.ERROR)
    pool = MovingPool(*in_a_row(10, 1))
    async with watch_client(pool) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(1)
        pool.find(2000, "unconfirmed")
        await asyncio.sleep(60)
        pool.blocks = {number: status for number, status in pool.blocks.items() if not 500 < number <= 1500}
        pool.blocks[300] = "orphan"
        asked = len(pool.asked)
        await asyncio.sleep(3600)
        assert (300, "unconfirmed", "orphan") in short(events)
        assert len(pool.asked) - asked <= 5 * 60  # those below have come up by a thousand, and are sought anew


@pytest.mark.parametrize("rate", [1, 40])
async def test_blocks_further_down_are_found_where_they_have_sunk_to(rate: int) -> None:
    """While new blocks push down those that are followed, a poll takes two requests, however long their turn takes."""
    pool = MovingPool(*in_a_row(6000, 1))
    followed = range(60, 6000, 60)
    pool.blocks |= dict.fromkeys(followed, "unconfirmed")
    async with watch_client(pool) as client, collecting(client.watch.blocks(unsettled=followed)):
        await asyncio.sleep(59)
        asked = len(pool.asked)
        for _ in range(120):
            pool.find(rate)
            await asyncio.sleep(60)
        assert len(pool.asked) - asked <= 2 * 120 + 5


async def test_blocks_further_down_are_found_after_an_outage() -> None:
    """What a long outage has pushed down by a thousand is found where it is, by one request a poll."""
    pool = MovingPool(*in_a_row(6000, 1))
    followed = range(60, 6000, 60)
    pool.blocks |= dict.fromkeys(followed, "unconfirmed")
    async with watch_client(pool) as client, collecting(client.watch.blocks(unsettled=followed)):
        await asyncio.sleep(59)
        pool.is_up = False
        await asyncio.sleep(3600)
        pool.find(1000)
        pool.is_up = True
        await asyncio.sleep(60)
        asked = len(pool.asked)
        await asyncio.sleep(100 * 60)
        assert len(pool.asked) - asked <= 2 * 100 + 2


async def test_new_blocks_do_not_wait_for_those_that_are_awaited() -> None:
    """While hundreds of awaited blocks are looked for, the newest page is read when it is due."""
    pool = MovingPool(*in_a_row(30_000, 1))
    awaited = range(60, 30_000, 60)
    pool.blocks |= dict.fromkeys(awaited, "unconfirmed")
    async with watch_client(pool, interval=1.0) as client, collecting(client.watch.blocks(unsettled=awaited)) as events:
        await asyncio.sleep(5)
        pool.find(1)
        await asyncio.sleep(61)
        assert found(events) == [30_001]


async def test_an_outage_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """A pool that does not answer is one outage, also where blocks are followed further down."""
    caplog.set_level(logging.WARNING)
    pool = MovingPool(*in_a_row(300, 1))
    pool.blocks[100] = "unconfirmed"
    async with watch_client(pool, interval=1.0) as client, collecting(client.watch.blocks(unsettled=[100])):
        await asyncio.sleep(60.5)  # the newest page of the second poll is read by now, and what is below is not
        pool.is_up = False
        await asyncio.sleep(600)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["watching blocks"]


async def test_a_withdrawn_block_is_let_go(caplog: pytest.LogCaptureFixture) -> None:
    """A followed block that is withdrawn costs nothing while the newest page would show it, then a page, then none."""
    caplog.set_level(logging.WARNING)
    pool = MovingPool((100, "unconfirmed"), *in_a_row(99, 1))
    async with watch_client(pool) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(59)
        pool.find(5)
        del pool.blocks[100]
        await asyncio.sleep(60)
        assert pool.asked == [(50, 0)] * 2
        assert not caplog.records
        pool.find(46)
        await asyncio.sleep(60)
        assert pool.asked[2:] == [(50, 0), (50, 46)]
        await asyncio.sleep(60)
        assert len(pool.asked) == 5
        assert found(events) == list(range(101, 152))
    assert [record.getMessage() for record in caplog.records] == [
        "watching blocks: the record with id 100 is not in the list, so it is not followed any longer"
    ]


async def test_an_id_that_never_was_is_looked_for_once(caplog: pytest.LogCaptureFixture) -> None:
    """An awaited id that is not in the list is looked for once, in few requests, and told."""
    caplog.set_level(logging.WARNING)
    pool = MovingPool(*in_a_row(29_000, 9_000))
    async with watch_client(pool) as client, collecting(client.watch.blocks(unsettled=[0, 10_000_000])) as events:
        await asyncio.sleep(59)
        asked = len(pool.asked)
        assert asked <= 25
        await asyncio.sleep(600)
        assert events == []
        assert len(pool.asked) == asked + 10
    assert [record.getMessage() for record in caplog.records] == [
        "watching blocks: the record with id 0 is not in the list, so it is not followed any longer"
    ]


def _block(number: int, status: str) -> Block:
    return Block(
        id=number,
        chain="BTC",
        hash="00",
        height=number,
        difficulty=2000.0,
        income=Decimal(25),
        accepted=1000,
        rejected=10,
        status=BlockStatus(status),
        confirmations_left=0,
        generator="bob",
        generated=datetime(2014, 3, 1, tzinfo=UTC),
        duration=timedelta(hours=1),
    )


def test_what_is_known_stays_small() -> None:
    """A stream keeps what is unsettled and nothing else, however long it runs."""
    tracker: Tracker[Block, BlockEvent] = Tracker("blocks", None, {}, look_at_block)
    for newest in range(10, 400):
        ids = range(newest, newest - 10, -1)
        statuses = ["unconfirmed"] * 9 + ["confirmed"]
        tracker.update(0, [_block(*block) for block in zip(ids, statuses, strict=True)])
        assert tracker.last == newest
    assert len(tracker._followed) == 9
    assert tracker.next_overdue() is None
