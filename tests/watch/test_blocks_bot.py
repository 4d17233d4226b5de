"""A bot that lives by its stream of blocks alone knows in the end what the pool knows."""

import asyncio
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from bitminter_async import Block, BlockFound, Client
from bitminter_async.testing import AutojumpLoop
from tests.support.watching import UNSETTLED, MovingPool, watch_client


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
                "wait",
                "wait",
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
        pool = MovingPool((1, "confirmed"))
        async with watch_client(pool) as client:
            bot = _Bot(client)
            life = asyncio.create_task(bot.live())
            for what, number in [*steps, ("recover", 0), ("slow down", 0), ("wait", 1)]:
                if what == "wait":
                    await asyncio.sleep(number)
                elif what == "restart":
                    life.cancel()
                    await asyncio.wait([life])
                    life = asyncio.create_task(bot.live(by_id=number % 2 == 0))
                else:
                    pool.move(what, number)
            await asyncio.sleep(40 + len(pool.blocks) / 2)  # a page further down in each poll of 10 s
            assert not life.done(), life
            life.cancel()
            await asyncio.wait([life])
        for number in pool.blocks.keys() - {1}:
            # An id alone does not say which of the two unsettled ones the block was.
            known = bot.known[number].status
            assert known == pool.blocks[number] or {known, pool.blocks[number]} == {*UNSETTLED}

    with asyncio.Runner(loop_factory=AutojumpLoop) as runner:
        runner.run(live())
