"""The stream of shifts: each once, in order, none left out."""

import asyncio

import pytest

from bitminter_async.local import LocalPool
from tests.support.collect import collecting
from tests.support.transport import Fake
from tests.support.watching import shift_page, watch_client


async def test_shifts_come_in_order() -> None:
    """Each shift that is completed comes once, oldest first, also where several came between two polls."""
    fake = Fake(shift_page(7, 5), shift_page(7, 5), shift_page(12, 9, 8, 7), shift_page(13, 12, 9))
    async with watch_client(fake) as client, collecting(client.watch.shifts()) as shifts:
        await asyncio.sleep(901)
        assert [shift.id for shift in shifts] == [8, 9, 12, 13]
    assert fake.paths == ["/api/pool/shifts?max=50&offset=0"] * 4
    assert fake.times == pytest.approx([fake.times[0] + 300 * number for number in range(4)])


async def test_shifts_after_a_long_time_are_all_there() -> None:
    """With `after`, all shifts since come first, in few more requests than they fill pages, then those to come."""
    pool = LocalPool(speed=1.0)
    async with pool.client() as client:
        everything = [shift.id async for shift in client.pool.iter_shifts(limit=120)][::-1]
        asked = len(pool.requests)
        async with collecting(client.watch.shifts(after=everything[0])) as shifts:
            await asyncio.sleep(1)
            assert [shift.id for shift in shifts] == everything[1:]
            assert len(pool.requests) - asked <= 4
            await asyncio.sleep(3601)
            newest = (await client.pool.shifts(max=1))[0].id
            assert [shift.id for shift in shifts] == [*everything[1:], newest]


async def test_the_first_shift_of_an_empty_pool_comes() -> None:
    """A list that is empty when the stream begins hides nothing of what follows, an id of 0 included."""
    fake = Fake(shift_page(), shift_page(), shift_page(), shift_page(1, 0))
    async with watch_client(fake) as client, collecting(client.watch.shifts()) as shifts:
        await asyncio.sleep(601)
        assert [shift.id for shift in shifts] == [0, 1]
