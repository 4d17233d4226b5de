"""The stream of blocks: each found once, in order, and followed until it is settled, through whatever happens."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitminter_async import Block, BlockChanged, BlockFound, Client
from bitminter_async.changes import KnownBlocks
from bitminter_async.local import LocalPool

from .clock import VirtualLoop
from .collect import collecting
from .fake import BLOCK, Fake, answer
from .test_records import make as record

_LEFT = {"processing": 120, "unconfirmed": 60, "confirmed": 0, "stale": -1, "orphan": -1}
_UNSETTLED, _SETTLED = ("processing", "unconfirmed"), ("confirmed", "stale", "orphan")


def make(transport: httpx.AsyncBaseTransport, **options: Any) -> Client:
    """A client over the transport, unspaced, which tries each call once."""
    return Client(base_url="https://pool.example", interval=0, attempts=1, transport=transport, **options)


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
    fake = Fake(page(), page(*in_a_row(60, 11)), page(*in_a_row(12, 0)))
    async with make(fake) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(61)
        assert [event.block.id for event in events if isinstance(event, BlockFound)] == list(range(61))


async def test_one_commodity_only() -> None:
    """`commodity` goes into each request, those of a walk included."""
    fake = Fake(page(*in_a_row(90, 41)), page(*in_a_row(42, 31)))
    async with make(fake) as client, collecting(client.watch.blocks(commodity="NMC", after=33)) as events:
        await asyncio.sleep(1)
        assert [event.block.id for event in events if isinstance(event, BlockFound)] == list(range(34, 91))
    assert fake.paths == [f"/api/pool/blocks?max=50&offset={offset}&commodity=NMC" for offset in (0, 48)]


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
            assert short(events)[:3] == [
                (orphaned, "processing", "orphan"),
                (confirmed, "processing", "confirmed"),
                (by_id, None, "orphan"),
            ]
            assert [event.block.id for event in events[3:] if isinstance(event, BlockFound)] == new


async def test_what_is_awaited_is_looked_for_at_any_depth() -> None:
    """Blocks given as `unsettled` far below the newest page are found by a walk, then followed as long as it takes."""
    deep = [(*in_a_row(252, 211), (210, status), *in_a_row(209, 203)) for status in ("unconfirmed", "orphan")]
    fake = Fake(
        *(page(*in_a_row(300, 251)), page(*deep[0])),
        *(page(*in_a_row(300, 251)), page(*deep[1])),
        page(*in_a_row(301, 252)),
    )
    async with make(fake) as client, collecting(client.watch.blocks(unsettled=[210])) as events:
        await asyncio.sleep(121)
        assert short(events) == [(210, "unconfirmed", "orphan"), (301, "confirmed")]
    assert len(fake.sent) == 5


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
    """However many blocks an outage lasted for, each is found once, oldest first; a failing walk begins again."""
    newest = in_a_row(200, 151, "unconfirmed")
    rest = in_a_row(152, 103, "confirmed")
    end = in_a_row(104, 55, "confirmed")
    fake = Fake(
        page(*in_a_row(80, 31)),
        *(httpx.ConnectError("refused") for _ in range(50)),
        *(page(*newest), httpx.ReadTimeout("late")),
        *(page(*newest), page(*rest), page(*end)),
        page(*newest),
    )
    async with make(fake) as client, collecting(client.watch.blocks(every=600)) as events:
        await asyncio.sleep(53 * 600 + 1)
        assert [event.block.id for event in events if isinstance(event, BlockFound)] == list(range(81, 201))
        assert len(events) == 120
    assert len(fake.sent) == 57


async def test_a_lagging_answer_loses_and_doubles_nothing() -> None:
    """An answer that is older than the one before it takes nothing back: what it lacks is still followed after it."""
    ahead, behind = page((6, "unconfirmed"), (5, "confirmed")), page((5, "confirmed"))
    fake = Fake(page((5, "confirmed")), ahead, behind, page((6, "orphan"), (5, "unconfirmed")))
    async with make(fake) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(181)
        assert short(events) == [(6, "unconfirmed"), (6, "unconfirmed", "orphan")]


async def test_a_withdrawn_block_is_let_go(caplog: pytest.LogCaptureFixture) -> None:
    """A followed block that is withdrawn costs no walk while the newest page would show it, then one, then none."""
    caplog.set_level(logging.WARNING)
    fake = Fake(
        page((100, "unconfirmed"), *in_a_row(99, 51)),
        page((101, "confirmed"), *in_a_row(99, 51)),
        *(page(*in_a_row(180, 131)), page(*in_a_row(132, 101), *in_a_row(99, 82))),
        page(*in_a_row(180, 131)),
    )
    async with make(fake) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(181)
        assert [event.block.id for event in events if isinstance(event, BlockFound)] == list(range(101, 181))
        assert len(events) == 80
    assert len(fake.sent) == 5
    assert [record.getMessage() for record in caplog.records] == [
        "block 100 is in the pool's list no more, so it is not followed any longer"
    ]


async def test_an_id_that_never_was_costs_one_walk(caplog: pytest.LogCaptureFixture) -> None:
    """An awaited id that is not in the list is looked for once, to the list's end, and told."""
    caplog.set_level(logging.WARNING)
    fake = Fake(page(*in_a_row(60, 11)), page(*in_a_row(12, 1)), page(*in_a_row(60, 11)))
    async with make(fake) as client, collecting(client.watch.blocks(unsettled=[0])) as events:
        await asyncio.sleep(61)
        assert events == []
    assert len(fake.sent) == 3
    assert "block 0 is in the pool's list no more" in caplog.text


class _Pool(httpx.AsyncBaseTransport):
    """A pool whose list moves, and which answers or not."""

    def __init__(self) -> None:
        self.blocks = {1: "confirmed"}
        self.is_up = True

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a page."""
        if not self.is_up:
            raise httpx.ConnectError("refused")
        start, count = int(request.url.params["offset"]), int(request.url.params["max"])
        return page(*sorted(self.blocks.items(), reverse=True)[start : start + count])

    def move(self, what: str, number: int) -> None:
        """Find so many blocks, settle one or most, or fail."""
        unsettled = [each for each, status in self.blocks.items() if status in _UNSETTLED]
        match what:
            case "find":
                newest = max(self.blocks)
                self.blocks |= {newest + n + n % 2: _UNSETTLED[n % 2] for n in range(1, number + 1)}
            case "settle" if unsettled:
                self.blocks[unsettled[number % len(unsettled)]] = _SETTLED[number % 3]
            case "settle most":
                self.blocks |= dict.fromkeys(unsettled[: len(unsettled) - number % 4], "confirmed")
            case _:
                self.is_up = what != "fail"


class _Bot:
    """Knows of the blocks what its stream tells it, and from that alone begins anew."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.last = 1
        self.known: dict[int, Block] = {}

    async def live(self, *, by_id: bool = False) -> None:
        """Begin, from the blocks that are awaited or their ids, and believe what is told."""
        awaited = [number if by_id else block for number, block in self.known.items() if not block.status.settled]
        async for event in self.client.watch.blocks(every=10, after=self.last, unsettled=awaited):
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
        st.sampled_from(("find", "find", "settle", "settle most", "fail", "recover", "look", "look", "restart")),
        st.integers(1, 70),
    ),
    max_size=40,
)


@given(steps=_steps)
@settings(max_examples=200, deadline=None)
def test_a_bot_knows_in_the_end_what_the_pool_knows(steps: list[tuple[str, int]]) -> None:
    """Whatever is found, settled, out of order or down, and however often the bot begins anew: nothing is missed."""

    async def live() -> None:
        pool = _Pool()
        async with make(pool) as client:
            bot = _Bot(client)
            life = asyncio.create_task(bot.live())
            for what, number in [*steps, ("recover", 0), ("look", 1)]:
                if what == "look":
                    await asyncio.sleep(number)
                elif what == "restart":
                    life.cancel()
                    await asyncio.wait([life])
                    life = asyncio.create_task(bot.live(by_id=number % 2 == 0))
                else:
                    pool.move(what, number)
            await asyncio.sleep(20)
            assert not life.done(), life
            life.cancel()
            await asyncio.wait([life])
        assert bot.known.keys() == pool.blocks.keys() - {1}
        for number, block in bot.known.items():
            # An id alone does not say which of the two unsettled ones the block was.
            assert block.status == pool.blocks[number] or {block.status, pool.blocks[number]} == {*_UNSETTLED}

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(live())


def test_what_is_known_stays_small() -> None:
    """A stream keeps what is unsettled and nothing else, however long it runs."""
    known = KnownBlocks(None, ())
    for newest in range(10, 400):
        blocks = [
            as_json(number, "unconfirmed" if number > newest - 9 else "confirmed") for number in range(newest, 0, -1)
        ]
        known.learn([record(Block, **block) for block in blocks[:10]])
        assert known.floor == newest - 9
    assert len(known._followed) == 9
