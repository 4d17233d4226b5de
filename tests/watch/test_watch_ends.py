"""How streams end or are cut short: closed, cancelled or timed out, they leave nothing and lose nothing."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest

from bitminter_async import Client, ClientClosed, Stream, WorkerIdle
from tests.support.transport import Fake
from tests.support.watching import drain, now, outages, stats, user, watch_client, worker


def watch_workers(client: Client) -> Stream[Any]:
    """Watch the key owner's workers, every 60 s."""
    return client.watch.workers()


def watch_stats(client: Client) -> Stream[Any]:
    """Watch the stats, every 60 s."""
    return client.watch.stats()


@pytest.mark.parametrize("watch", [watch_workers, watch_stats])
async def test_closing_the_client_ends_its_streams(
    watch: Callable[[Client], Stream[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """A stream that waits for its next poll ends with ClientClosed as soon as the client is closed: no outage, that."""
    fake = Fake(user(worker()) if watch is watch_workers else stats(1))
    client = watch_client(fake)
    stream = watch(client)
    task = asyncio.create_task(drain(stream))
    await asyncio.sleep(10)
    begin = now()
    await client.aclose()
    with pytest.raises(ClientClosed):
        await task
    assert now() == pytest.approx(begin)
    with pytest.raises(ClientClosed):
        await anext(watch(client))
    assert len(fake.sent) == 1
    assert not caplog.records
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_stream_of_a_closed_client_does_not_sleep_first() -> None:
    """A stream that is asked for more after the client was closed says so at once."""
    fake = Fake(stats(1))
    client = watch_client(fake)
    stream = client.watch.stats(every=1000)
    await anext(stream)
    await client.aclose()
    begin = now()
    with pytest.raises(ClientClosed):
        await anext(stream)
    assert now() == pytest.approx(begin)


async def test_a_timeout_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A wait for the next event that is timed out is taken up by the next; a poll that is cut short is not rushed."""
    fake = Fake(*(user(worker()) for _ in range(2)), user(worker(alive=False)), delay=2)
    async with watch_client(fake) as client:
        start = now()
        stream = client.watch.workers(every=10.5)
        for _ in range(4):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(stream), 3)  # the second poll is cut short at 12 s
        event = await anext(stream)
        assert isinstance(event, WorkerIdle)
    assert fake.times == pytest.approx([start, start + 10.5, start + 21])
    assert not caplog.records


async def test_timeouts_shorter_than_an_answer_are_told_and_not_rude(caplog: pytest.LogCaptureFixture) -> None:
    """Where every poll is cut short, there is one in `every` seconds all the same, and the log says what is wrong."""
    fake = Fake(stats(1), delay=3, repeat=True)
    async with watch_client(fake) as client:
        stream = client.watch.stats()
        for _ in range(299):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(stream), 2)
    assert len(fake.sent) == 10
    assert [record.getMessage() for record in caplog.records] == [
        "watching stats: 3 polls in a row were cancelled before an answer"
    ]


async def test_an_outage_is_told_where_timeouts_cut_its_polls_short(caplog: pytest.LogCaptureFixture) -> None:
    """A poll that is cut short between two attempts is followed by one that tries once, and so tells of the outage."""
    fake = Fake(stats(1), *(httpx.ConnectError("refused") for _ in range(9)), stats(2), delay=0.5, repeat=True)
    async with watch_client(fake, attempts=3, interval=1.0) as client:
        stream = client.watch.stats(every=10)
        came: list[int] = []
        while len(came) < 2:
            with suppress(TimeoutError):
                came.append((await asyncio.wait_for(anext(stream), 1.2)).active_users)
        assert came == [1, 2]
    assert [level for level, _ in outages(caplog)] == ["WARNING"]
    assert not [record for record in caplog.records if "cancelled" in record.getMessage()]


async def test_one_task_waits_for_a_stream() -> None:
    """A second task that waits for the same stream is told so, and harms nothing."""
    fake = Fake(stats(1), stats(2), delay=1)
    async with watch_client(fake) as client:
        stream = client.watch.stats()
        first = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.5)
        with pytest.raises(RuntimeError, match="another task waits for this stream's next item"):
            await anext(stream)
        assert (await first).active_users == 1
        assert (await anext(stream)).active_users == 2


@pytest.mark.parametrize("is_under_way", [True, False])
async def test_a_stream_can_be_closed_while_it_waits(*, is_under_way: bool) -> None:
    """After `aclose()` nothing more comes, also not what is in the air, and who waits is told at once."""
    fake = Fake(stats(1), delay=5)
    async with watch_client(fake) as client:
        stream = client.watch.stats()
        task = asyncio.create_task(drain(stream))
        await asyncio.sleep(1 if is_under_way else 20)
        begin = now()
        await stream.aclose()
        await task
        assert now() == pytest.approx(begin)
        assert [each async for each in stream] == []
    assert len(fake.sent) == 1


async def test_leaving_its_block_ends_a_stream() -> None:
    """A stream used by `async with` ends with the block, also for a task that waits; what has left is let end."""
    fake = Fake(stats(1), delay=5)
    async with watch_client(fake) as client:
        async with client.watch.stats() as events:
            task = asyncio.create_task(drain(events))
            await asyncio.sleep(1)
            assert fake.in_flight == 1
        await task
        await asyncio.sleep(4)
        assert fake.in_flight == 0
    assert len(fake.sent) == 1


@pytest.mark.parametrize("is_under_way", [True, False])
async def test_cancelling_a_stream_leaves_nothing(*, is_under_way: bool) -> None:
    """A stream that is cancelled, while it waits or asks, leaves no task but a request that has left, until it ends."""
    fake = Fake(stats(1), delay=10)
    async with watch_client(fake) as client:
        task = asyncio.create_task(drain(client.watch.stats()))
        await asyncio.sleep(5 if is_under_way else 20)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await asyncio.sleep(5)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert fake.in_flight == 0
