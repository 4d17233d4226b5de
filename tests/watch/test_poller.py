"""When streams poll, what they share, and how old an answer they take."""

import asyncio
from typing import Any

import pytest

from tests.support.collect import collecting
from tests.support.transport import Fake
from tests.support.watching import MovingPool, now, stats, user, watch_client, worker


async def test_polls_do_not_drift() -> None:
    """From poll to poll it is `every`, however long each answer takes."""
    fake = Fake(*(stats(number) for number in range(100)), delay=0.7)
    async with watch_client(fake) as client, collecting(client.watch.stats(every=1.1)):
        await asyncio.sleep(100)
    assert fake.times == pytest.approx([fake.times[0] + 1.1 * number for number in range(len(fake.times))])
    assert len(fake.times) == 91


async def test_a_tiny_every_is_as_fast_as_the_pace() -> None:
    """However small `every` is, polls are as far apart as the client's requests, and go on."""
    fake = Fake(*(stats(number) for number in range(9)))
    async with watch_client(fake, interval=1.0) as client, collecting(client.watch.stats(every=5e-324)) as seen:
        await asyncio.sleep(5.5)
        assert [each.active_users for each in seen] == [0, 1, 2, 3, 4, 5]
    assert fake.times == pytest.approx([fake.times[0] + number for number in range(len(fake.times))])


async def test_a_slow_caller_piles_up_nothing() -> None:
    """A poll that is overdue is made at once, those missed are not made up for, and the times stay on their grid."""
    fake = Fake(*(stats(number) for number in range(9)))
    async with watch_client(fake) as client:
        start = now()
        stream = client.watch.stats(every=10)
        await anext(stream)
        await asyncio.sleep(34)
        assert [(await anext(stream)).active_users for _ in range(3)] == [1, 2, 3]
        await stream.aclose()
    assert fake.times == pytest.approx([start, start + 34, start + 40, start + 50])


async def test_a_slow_caller_loses_no_event() -> None:
    """Events of one poll wait for a caller that takes its time, and what came meanwhile is in the next poll."""
    alive = (True, True, True)
    polls = [alive, (False, False, True), (True, True, False)]
    fake = Fake(*(user(*(worker(name, alive=a) for name, a in zip("abc", poll, strict=True))) for poll in polls))
    async with watch_client(fake) as client:
        came: list[str] = []
        async for event in client.watch.workers():
            came.append(f"{event.worker.name} {type(event).__name__}")
            await asyncio.sleep(100)
            if len(came) == 5:
                break
    assert came == ["a WorkerIdle", "b WorkerIdle", "a WorkerBack", "b WorkerBack", "c WorkerIdle"]
    assert len(fake.sent) == 3


async def test_streams_and_calls_share_their_requests() -> None:
    """Ten streams with the same question and a call at each poll make one request a poll, in phase or not."""
    fake = Fake(*(user(worker(alive=not number % 2)) for number in range(10)))
    async with watch_client(fake) as client:
        streams = [collecting(client.watch.workers()) for _ in range(10)]
        seen = [await stream.__aenter__() for stream in streams[:5]]
        await asyncio.sleep(25)
        seen += [await stream.__aenter__() for stream in streams[5:]]
        for _ in range(5):
            await asyncio.sleep(60)
            await client.users.get(max_age=30)
        for stream in streams:
            await stream.__aexit__(None, None, None)
        assert [len(events) for events in seen] == [5] * 10
        assert client.receipt.requests == 6


async def test_a_poll_takes_an_answer_half_of_every_old() -> None:
    """An answer serves a poll up to half of `every` after it was asked for, and not beyond."""
    fake = Fake(*(stats(number) for number in range(3)))
    async with watch_client(fake) as client:
        await client.pool.stats()
        await asyncio.sleep(30)
        assert (await anext(client.watch.stats(every=60))).active_users == 0
        await asyncio.sleep(0.001)
        assert (await anext(client.watch.stats(every=60))).active_users == 1
    assert len(fake.sent) == 2


async def test_a_stream_that_goes_on_begins_with_no_older_answer() -> None:
    """A block whose settling was told is told of no more, though an answer from before that is still kept."""
    pool = MovingPool((2, "unconfirmed"), (1, "unconfirmed"))
    async with watch_client(pool) as client:
        await client.pool.blocks(max=50)
        await asyncio.sleep(10)
        pool.blocks[1] = "confirmed"
        two = (await client.pool.blocks(max=1))[0]
        ways: list[dict[str, Any]] = [{"after": 2}, {"after": 2, "unsettled": [two]}, {"unsettled": [2]}]
        for known in ways:
            async with collecting(client.watch.blocks(every=60, **known)) as events:
                await asyncio.sleep(61)
                assert events == []
    assert pool.asked == [(50, 0), (1, 0), *[(50, 0), (50, 0)] * 3]


async def test_a_stream_that_goes_on_asks_until_it_has_begun() -> None:
    """A first poll that fails is followed by one that takes no older answer either; the next ones share again."""
    pool = MovingPool((1, "unconfirmed"))
    async with watch_client(pool) as client:
        await client.pool.blocks(max=50)
        pool.is_up, pool.blocks[1] = False, "confirmed"
        async with collecting(client.watch.blocks(every=20, after=1)) as events:
            await asyncio.sleep(1)
            pool.is_up = True
            await asyncio.sleep(34)
            await client.pool.blocks(max=50, max_age=0)
            await asyncio.sleep(10)
            assert events == []
    assert len(pool.asked) == 4


@pytest.mark.parametrize("known", [{"idle": ["rig1"]}, {"initial": True}])
async def test_workers_that_are_known_are_not_told_from_an_older_answer(known: dict[str, Any]) -> None:
    """Who fell idle or came back since an answer that is still kept is not told of as if that had been undone."""
    is_idle_now = "idle" in known
    fake = Fake(user(worker(alive=is_idle_now)), *[user(worker(alive=not is_idle_now))] * 3)
    async with watch_client(fake) as client:
        await client.users.get()
        await asyncio.sleep(10)
        async with collecting(client.watch.workers(every=60, **known)) as events:
            await asyncio.sleep(61)
            assert events == []
    assert len(fake.sent) == 3
