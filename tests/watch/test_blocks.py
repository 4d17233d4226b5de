"""The stream of blocks: each found once, in order, and followed until it is settled, through whatever happens."""

import asyncio
import itertools
import logging
from collections.abc import Sequence
from contextlib import aclosing, suppress
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitminter_async import Block, BlockChanged, BlockFound, Client
from bitminter_async.local import LocalPool
from bitminter_async.watch._blocks import BlockTracker
from tests.support.clock import VirtualLoop
from tests.support.collect import collecting
from tests.support.fake import BLOCK, Fake, answer
from tests.test_records import make as record

_LEFT = {"processing": 120, "unconfirmed": 60, "confirmed": 0, "stale": -1, "orphan": -1}
_UNSETTLED, _SETTLED = ("processing", "unconfirmed"), ("confirmed", "stale", "orphan")


def make(transport: httpx.AsyncBaseTransport, **options: Any) -> Client:
    """A client over the transport, unspaced, which tries each call once."""
    defaults: dict[str, Any] = {"base_url": "https://pool.example", "interval": 0, "attempts": 1}
    return Client(**(defaults | options), transport=transport)


def page(*blocks: tuple[int, str]) -> httpx.Response:
    """A page of blocks, of which these ids and statuses are all that differs."""
    return answer([as_json(number, status) for number, status in blocks])


def as_json(number: int, status: str) -> dict[str, Any]:
    """A block as the pool shows it."""
    return {**BLOCK, "id": number, "status": status, "confirmations_left": _LEFT[status]}


def short(events: Sequence[BlockFound | BlockChanged]) -> list[tuple[Any, ...]]:
    """Each event as its block's id and its status, or both statuses."""
    return [
        (event.block.id, str(event.block.status))
        if isinstance(event, BlockFound)
        else (event.after.id, str(event.before.status) if event.before else None, str(event.after.status))
        for event in events
    ]


def in_a_row(first: int, last: int, status: str = "confirmed") -> list[tuple[int, str]]:
    """Blocks from the id `first` down to `last`."""
    return [(number, status) for number in range(first, last - 1, -1)]


def found(events: Sequence[BlockFound | BlockChanged]) -> list[int]:
    """The ids of the blocks that were found."""
    return [event.block.id for event in events if isinstance(event, BlockFound)]


class _Pool(httpx.AsyncBaseTransport):
    """A pool whose list moves, and which answers or not."""

    def __init__(self, *blocks: tuple[int, str]) -> None:
        self.blocks = dict(blocks)
        self.is_up = True
        self.unreadable: int | None = None
        self.latency = 0.0
        self.newest = 0
        self.asked: list[tuple[int, int]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a page."""
        start, count = int(request.url.params["offset"]), int(request.url.params["max"])
        self.asked.append((count, start))
        await asyncio.sleep(self.latency)
        if not self.is_up:
            raise httpx.ConnectError("refused")
        rows = [as_json(*block) for block in sorted(self.blocks.items(), reverse=True)[start : start + count]]
        return answer([{**row, "generator": None} if row["id"] == self.unreadable else row for row in rows])

    def find(self, count: int, status: str = "confirmed") -> None:
        """Find so many blocks."""
        newest = max(self.blocks, default=-1)
        self.blocks |= dict(in_a_row(newest + count, newest + 1, status))

    def move(self, what: str, number: int) -> None:
        """Find so many blocks, settle one or most, or fail."""
        unsettled = [each for each, status in self.blocks.items() if status in _UNSETTLED]
        match what:
            case "find":
                self.newest = max(self.newest, *self.blocks)
                self.blocks |= {self.newest + n + n % 2: _UNSETTLED[n % 2] for n in range(1, number + 1)}
                self.newest += number + 1
            case "settle" if unsettled:
                self.blocks[unsettled[number % len(unsettled)]] = _SETTLED[number % 3]
            case "settle most":
                self.blocks |= dict.fromkeys(unsettled[: len(unsettled) - number % 4], "confirmed")
            case "withdraw" if len(self.blocks) > 1:
                del self.blocks[sorted(self.blocks)[-1 - number % len(self.blocks)]]
            case "slow down":
                self.latency = number % 3 / 2
            case _:
                self.is_up = what != "fail"


async def test_a_block_is_found_and_followed_until_it_is_settled() -> None:
    """A new block is told of once, then each change of its status with both records, and after that nothing."""
    life = ("processing", "processing", "unconfirmed", "unconfirmed", "confirmed", "orphan")
    fake = Fake(page((5, "confirmed")), *(page((6, status), (5, "confirmed")) for status in life))
    async with make(fake) as client, collecting(client.watch.blocks()) as events:
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
        page((9, "unconfirmed"), (8, "orphan"), (7, "unconfirmed")),
        page((9, "unconfirmed"), (8, "orphan"), (7, "confirmed")),
        page((11, "stale"), (10, "processing"), (9, "orphan"), (8, "orphan"), (7, "orphan")),
    )
    async with make(fake) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(121)
        assert short(events) == [
            (7, "unconfirmed", "confirmed"),
            (9, "unconfirmed", "orphan"),
            (10, "processing"),
            (11, "stale"),
        ]


async def test_the_first_blocks_of_an_empty_pool_are_found() -> None:
    """A list that is empty when the stream begins hides nothing of what follows, be it more than a page."""
    fake = Fake(page(), page((1, "processing"), (0, "stale")))
    async with make(fake) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(61)
        assert short(events) == [(0, "stale"), (1, "processing")]
    pool = _Pool()
    async with make(pool) as client, collecting(client.watch.blocks()) as events:
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


async def test_what_is_awaited_is_looked_for_at_any_depth() -> None:
    """Blocks given as `unsettled` far below the newest page are found, and followed by one page a look."""
    pool = _Pool(*in_a_row(3000, 1))
    pool.blocks |= {500: "unconfirmed", 2100: "processing"}
    async with make(pool) as client, collecting(client.watch.blocks(unsettled=[500, 2100])) as events:
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


async def test_a_block_that_never_settles_costs_one_page_a_look() -> None:
    """However deep a block sinks that is never settled, a look takes two requests at most."""
    pool = _Pool(*in_a_row(40, 1))
    async with make(pool) as client, collecting(client.watch.blocks()) as events:
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


async def test_hundreds_of_unsettled_blocks_are_followed_a_page_a_look() -> None:
    """What is followed below the newest page takes turns, a page of it in each look, and all of it is followed."""
    pool = _Pool(*in_a_row(10, 1))
    async with make(pool) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(1)
        pool.find(500, "unconfirmed")
        await asyncio.sleep(120)
        asked = len(pool.asked)
        pool.blocks = dict.fromkeys(pool.blocks, "confirmed")
        await asyncio.sleep(12 * 60)
        assert len(found(events)) == 500
        assert len(events) == 1000
        assert len(pool.asked) - asked <= 2 * 12


async def test_a_page_of_unsettled_blocks_takes_one_request_a_look() -> None:
    """While all that is followed stands on the newest page, down to its last place, a look is one request."""
    pool = _Pool(*in_a_row(100, 51, "unconfirmed"), *in_a_row(50, 1))
    async with make(pool) as client, collecting(client.watch.blocks()):
        await asyncio.sleep(601)
    assert pool.asked == [(50, 0)] * 11


async def test_a_settled_block_given_as_awaited_is_not_followed() -> None:
    """A record that is settled already asks for nothing."""
    fake = Fake(page(*in_a_row(300, 251)))
    async with make(fake) as client:
        block = (await client.pool.blocks(max=50, offset=9))[0]
        fake.script.append(page(*in_a_row(900, 851)))
        async with collecting(client.watch.blocks(unsettled=[block])) as events:
            await asyncio.sleep(1)
            assert events == []
    assert len(fake.sent) == 2


async def test_a_found_block_that_is_given_as_awaited_is_not_found_again() -> None:
    """What is in `unsettled` is known, be it newer than `after`."""
    fake = Fake(page((7, "confirmed"), (6, "unconfirmed"), (5, "confirmed")))
    async with make(fake) as client, collecting(client.watch.blocks(after=5, unsettled=[7])) as events:
        await asyncio.sleep(1)
        assert short(events) == [(6, "unconfirmed"), (7, None, "confirmed")]


async def test_an_outage_loses_no_block() -> None:
    """However many blocks an outage lasted for, each is found once, oldest first, in as many pages as they fill."""
    pool = _Pool(*in_a_row(80, 1))
    async with make(pool) as client, collecting(client.watch.blocks(every=600)) as events:
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
    """Where each page but a few fails, what came is given all the same, and the next look goes on from there."""
    pool = _Pool(*in_a_row(5000, 1))

    async def come_and_go() -> None:
        while True:
            pool.is_up = not pool.is_up
            await asyncio.sleep(30 if pool.is_up else 300)

    async with make(pool, interval=1.0) as client, collecting(client.watch.blocks(after=1)) as events:
        weather = asyncio.create_task(come_and_go())
        await asyncio.sleep(3600)
        weather.cancel()
        assert found(events) == list(range(2, 5001))
        assert len(pool.asked) < 5000 / 48 + 3600 / 60 + 20


@pytest.mark.parametrize("left", [0, 30, 49, 50, 400])
async def test_a_list_that_shrinks_on_the_way_up_is_read_whole(left: int) -> None:
    """Where all but a few of the blocks are withdrawn while the stream climbs, what is left of them still comes."""
    pool = _Pool(*in_a_row(5000, 1))
    async with make(pool, interval=1.0) as client, collecting(client.watch.blocks(every=2, after=10)) as events:
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
    """Where the place sought is never on the page that should show it, a look ends after some, and the next tries."""
    caplog.set_level(logging.WARNING)
    sides = itertools.cycle((in_a_row(900, 851), in_a_row(50, 1)))

    def leap(request: httpx.Request) -> httpx.Response:
        most, offset = int(request.url.params["max"]), int(request.url.params["offset"])
        if most == 1:
            return page((50, "confirmed"))
        return page(*(next(sides) if offset else in_a_row(900, 851)))

    fake = Fake(leap, repeat=True)
    async with make(fake) as client, collecting(client.watch.blocks(after=100)) as events:
        await asyncio.sleep(1)
        assert events == []
    assert len(fake.sent) <= 30
    assert "GapError: the walk cannot go on whole after the record with id 101: the list moves too fast" in caplog.text


async def test_a_block_that_cannot_be_read_is_named_and_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """All before it is given, the log names it, a look costs little however long that lasts, and then all comes."""
    caplog.set_level(logging.WARNING)
    pool = _Pool(*in_a_row(200, 1))
    pool.unreadable = 120
    async with make(pool) as client, collecting(client.watch.blocks(after=1)) as events:
        for _ in range(300):
            await asyncio.sleep(60)
            pool.find(1)
        assert events
        assert found(events) == list(range(2, len(events) + 2))
        assert len(events) > 60
        assert len(pool.asked) <= 3 * 300
        assert len(caplog.records) <= 6  # one more whenever the list's movement lets it come a little further
        assert ".generator is not a string ($[" in caplog.text
        assert "] is the record with id 120)" in caplog.text
        pool.unreadable = None
        await asyncio.sleep(60)
        assert found(events) == list(range(2, 501))


async def test_a_lagging_answer_loses_and_doubles_nothing() -> None:
    """An answer that is older than the one before it takes nothing back: what it lacks is still followed after it."""
    statuses = ("unconfirmed", None, "processing", "unconfirmed", "orphan")
    pages = [page(*([(6, status)] if status else []), (5, "confirmed")) for status in statuses]
    fake = Fake(page((5, "confirmed")), *pages)
    async with make(fake) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(301)
        assert short(events) == [(6, "unconfirmed"), (6, "unconfirmed", "orphan")]
    assert not fake.script


@pytest.mark.parametrize(("after", "unsettled"), [(1, ()), (None, (1, 300, 700))])
async def test_timeouts_shorter_than_an_answer_are_not_rude_further_down(
    after: int | None, unsettled: tuple[int, ...]
) -> None:
    """Where each wait is cut short on the way up, or below the newest page, it is not asked again at once."""
    pool = _Pool(*in_a_row(1000, 1))
    async with make(pool) as client:
        stream = client.watch.blocks(after=after, unsettled=unsettled)
        with suppress(TimeoutError):
            await asyncio.wait_for(anext(stream), 30)
        pool.latency = 3.0
        asked = len(pool.asked)
        for _ in range(150):
            with suppress(TimeoutError):
                await asyncio.wait_for(anext(stream), 2)
        assert len(pool.asked) - asked <= 2 * 6 + len(unsettled)


async def test_a_page_below_that_cannot_be_read_keeps_nothing_new_back() -> None:
    """Where only what stands further down fails, the newest page is read all the same, and that is tried again."""
    pool = _Pool(*in_a_row(300, 1))
    pool.blocks[100] = "unconfirmed"
    pool.unreadable = 99
    async with make(pool) as client, collecting(client.watch.blocks(unsettled=[100])) as events:
        for _ in range(10):
            await asyncio.sleep(60)
            pool.find(1)
        assert found(events) == list(range(301, 310))
        assert len(pool.asked) <= 2 * 11
        pool.unreadable = None
        pool.blocks[100] = "orphan"
        await asyncio.sleep(60)
        assert short(events)[-2:] == [(310, "confirmed"), (100, None, "orphan")]


async def test_one_unreadable_page_below_keeps_the_others_followed() -> None:
    """Where one page further down cannot be read, blocks on other pages take their turn all the same."""
    pool = _Pool(*in_a_row(1000, 1))
    pool.blocks |= dict.fromkeys((300, 500, 700), "unconfirmed")
    pool.unreadable = 295
    async with make(pool) as client, collecting(client.watch.blocks(unsettled=[300, 500, 700])) as events:
        await asyncio.sleep(59)
        pool.blocks |= dict.fromkeys((300, 500, 700), "orphan")
        await asyncio.sleep(600)
        assert sorted(event.after.id for event in events if isinstance(event, BlockChanged)) == [500, 700]
        assert len(pool.asked) <= 2 * 11 + 5


async def test_a_run_of_withdrawn_blocks_is_let_go_by_pages(caplog: pytest.LogCaptureFixture) -> None:
    """However many followed blocks are withdrawn at once, one page lets go of all that it shows to be gone."""
    caplog.set_level(logging.ERROR)
    pool = _Pool(*in_a_row(10, 1))
    async with make(pool) as client, collecting(client.watch.blocks()) as events:
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
    """While new blocks push down those that are followed, a look takes two requests, however long their turn takes."""
    pool = _Pool(*in_a_row(6000, 1))
    followed = range(60, 6000, 60)
    pool.blocks |= dict.fromkeys(followed, "unconfirmed")
    async with make(pool) as client, collecting(client.watch.blocks(unsettled=followed)):
        await asyncio.sleep(59)
        asked = len(pool.asked)
        for _ in range(120):
            pool.find(rate)
            await asyncio.sleep(60)
        assert len(pool.asked) - asked <= 2 * 120 + 5


async def test_blocks_further_down_are_found_after_an_outage() -> None:
    """What a long outage has pushed down by a thousand is found where it is, by one request a look."""
    pool = _Pool(*in_a_row(6000, 1))
    followed = range(60, 6000, 60)
    pool.blocks |= dict.fromkeys(followed, "unconfirmed")
    async with make(pool) as client, collecting(client.watch.blocks(unsettled=followed)):
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
    pool = _Pool(*in_a_row(30_000, 1))
    awaited = range(60, 30_000, 60)
    pool.blocks |= dict.fromkeys(awaited, "unconfirmed")
    async with make(pool, interval=1.0) as client, collecting(client.watch.blocks(unsettled=awaited)) as events:
        await asyncio.sleep(5)
        pool.find(1)
        await asyncio.sleep(61)
        assert found(events) == [30_001]


async def test_an_outage_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """A pool that does not answer is one outage, also where blocks are followed further down."""
    caplog.set_level(logging.WARNING)
    pool = _Pool(*in_a_row(300, 1))
    pool.blocks[100] = "unconfirmed"
    async with make(pool, interval=1.0) as client, collecting(client.watch.blocks(unsettled=[100])):
        await asyncio.sleep(60.5)  # the newest page of the second look is read by now, and what is below is not
        pool.is_up = False
        await asyncio.sleep(600)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["watching blocks"]


async def test_a_withdrawn_block_is_let_go(caplog: pytest.LogCaptureFixture) -> None:
    """A followed block that is withdrawn costs nothing while the newest page would show it, then a page, then none."""
    caplog.set_level(logging.WARNING)
    pool = _Pool((100, "unconfirmed"), *in_a_row(99, 1))
    async with make(pool) as client, collecting(client.watch.blocks()) as events:
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
        "block 100 is not in the pool's list, so it is not followed any longer"
    ]


async def test_an_id_that_never_was_is_looked_for_once(caplog: pytest.LogCaptureFixture) -> None:
    """An awaited id that is not in the list is looked for once, in few requests, and told."""
    caplog.set_level(logging.WARNING)
    pool = _Pool(*in_a_row(29_000, 9_000))
    async with make(pool) as client, collecting(client.watch.blocks(unsettled=[0, 10_000_000])) as events:
        await asyncio.sleep(59)
        asked = len(pool.asked)
        assert asked <= 25
        await asyncio.sleep(600)
        assert events == []
        assert len(pool.asked) == asked + 10
    assert [record.getMessage() for record in caplog.records] == [
        "block 0 is not in the pool's list, so it is not followed any longer"
    ]


async def test_an_after_that_the_list_has_not_reached_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A list that ends below `after`, as another pool's may, makes a silent stream: the log says so, once."""
    caplog.set_level(logging.WARNING)
    pool = _Pool(*in_a_row(90, 1))
    async with make(pool) as client, collecting(client.watch.blocks(after=100)) as events:
        await asyncio.sleep(120)
        pool.find(20)
        await asyncio.sleep(60)
        assert found(events) == list(range(101, 111))
    assert [record.getMessage() for record in caplog.records] == [
        "nothing comes until the pool's list, which ends at 90, has passed 100"
    ]


async def test_a_list_that_does_not_heed_offset_is_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    """Where every page is the newest, the stream says in a few requests that it cannot be whole, and tries again."""
    caplog.set_level(logging.WARNING)
    fake = Fake(lambda request: page(*in_a_row(900, 901 - int(request.url.params["max"]))), repeat=True)
    async with make(fake) as client, collecting(client.watch.blocks(after=1)) as events:
        await asyncio.sleep(1)
        assert events == []
    assert len(fake.sent) <= 12
    assert "GapError: the walk cannot go on whole after the record with id 2" in caplog.text


class _Bot:
    """Knows of the blocks what its stream tells it, and from that alone begins anew."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.last = 1
        self.known: dict[int, Block] = {}

    async def live(self, *, by_id: bool = False) -> None:
        """Begin, from the blocks that are awaited or their ids, and believe what is told."""
        awaited = [number if by_id else block for number, block in self.known.items() if not block.status.settled]
        stream = self.client.watch.blocks(every=10, after=self.last, unsettled=awaited)
        for patience in itertools.cycle((0.7, 4.0, 100.0)):
            try:
                event = await asyncio.wait_for(anext(stream), patience)
            except TimeoutError:
                continue
            if isinstance(event, BlockFound):
                assert event.block.id > self.last, "found twice, or out of order"
                self.last = event.block.id
                self.known[event.block.id] = event.block
            else:
                before = self.known[event.after.id]
                assert by_id or event.before == before
                assert not before.status.settled, "settled already"
                assert by_id or event.after.status is not before.status, "no change"
                self.known[event.after.id] = event.after


_steps = st.lists(
    st.tuples(
        st.sampled_from(
            (
                "find",
                "find",
                "settle",
                "settle most",
                "withdraw",
                "slow down",
                "fail",
                "recover",
                "look",
                "look",
                "restart",
            )
        ),
        st.integers(1, 70),
    ),
    max_size=40,
)


@given(steps=_steps)
@settings(max_examples=200, deadline=None)
def test_a_bot_knows_in_the_end_what_the_pool_knows(steps: list[tuple[str, int]]) -> None:
    """Whatever is found, settled or withdrawn, slow or down, cut short or begun anew: nothing in the list is missed."""

    async def live() -> None:
        pool = _Pool((1, "confirmed"))
        async with make(pool) as client:
            bot = _Bot(client)
            life = asyncio.create_task(bot.live())
            for what, number in [*steps, ("recover", 0), ("slow down", 0), ("look", 1)]:
                if what == "look":
                    await asyncio.sleep(number)
                elif what == "restart":
                    life.cancel()
                    await asyncio.wait([life])
                    life = asyncio.create_task(bot.live(by_id=number % 2 == 0))
                else:
                    pool.move(what, number)
            await asyncio.sleep(40 + len(pool.blocks) / 2)  # a page further down in each look of 10 s
            assert not life.done(), life
            life.cancel()
            await asyncio.wait([life])
        for number in pool.blocks.keys() - {1}:
            # An id alone does not say which of the two unsettled ones the block was.
            known = bot.known[number].status
            assert known == pool.blocks[number] or {known, pool.blocks[number]} == {*_UNSETTLED}

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(live())


def test_what_is_known_stays_small() -> None:
    """A stream keeps what is unsettled and nothing else, however long it runs."""
    tracker = BlockTracker(None, ())
    for newest in range(10, 400):
        ids = range(newest, newest - 10, -1)
        statuses = ["unconfirmed"] * 9 + ["confirmed"]
        tracker.update(0, [record(Block, **as_json(*block)) for block in zip(ids, statuses, strict=True)])
        assert tracker.last == newest
    assert len(tracker._followed) == 9
    assert tracker.next_overdue() is None
