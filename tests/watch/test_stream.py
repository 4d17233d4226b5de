"""A stream by itself: its items, its ends, and what a wait that is cut short leaves."""

import asyncio

import pytest

from bitminter_async import Stream
from tests.support.clock import now


async def test_items_are_fetched_when_they_are_wanted() -> None:
    """Each fetch's items come in order, an empty fetch is followed by another, and none is made ahead."""
    batches = [[1, 2], [], [], [3], None]
    made = 0

    async def fetch() -> list[int] | None:
        nonlocal made
        made += 1
        return batches[made - 1]

    stream = Stream(fetch)
    assert made == 0
    assert [await anext(stream), await anext(stream), made] == [1, 2, 1]
    assert [item async for item in stream] == [3]
    assert [item async for item in stream] == []
    assert made == 5


async def test_an_error_ends_a_stream_once() -> None:
    """The error of a fetch is raised to who waits; then the stream is over, and closed once or twice."""
    closed = 0

    async def fetch() -> list[int]:
        raise LookupError("mine")

    async def close() -> None:
        nonlocal closed
        closed += 1

    stream = Stream(fetch, close)
    with pytest.raises(LookupError, match="mine"):
        await anext(stream)
    assert closed > 0
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_what_comes_after_the_close_is_dropped() -> None:
    """A fetch that brings something although it was cancelled by the close brings it to nobody."""

    async def fetch() -> list[int]:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            return [1]
        return [2]

    stream = Stream(fetch)
    wait = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(1)
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await wait
    assert [item async for item in stream] == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_is_ready_at_the_close_is_dropped() -> None:
    """Of what came in one fetch, nothing is given after the close."""

    async def fetch() -> list[int]:
        await asyncio.sleep(0)
        return [1, 2]

    stream = Stream(fetch)
    assert await anext(stream) == 1
    await stream.aclose()
    assert [item async for item in stream] == []


async def test_closing_waits_until_its_fetch_has_ended() -> None:
    """When `aclose()` returns nothing of the stream runs any more, however long its fetch cleans up."""
    ended: list[float] = []

    async def fetch() -> list[int]:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(5)
            ended.append(now())
        return []

    stream = Stream(fetch)
    wait = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(1)
    await stream.aclose()
    assert ended == [now()]
    with pytest.raises(StopAsyncIteration):
        await wait


async def test_a_wait_that_is_cut_short_leaves_no_task() -> None:
    """When a cancelled wait has ended, so has its fetch; the next wait makes another."""
    made = 0

    async def fetch() -> list[int]:
        nonlocal made
        made += 1
        await asyncio.sleep(made % 2 * 10)
        return [made]

    stream = Stream(fetch)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(stream), 1)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert await anext(stream) == 2


@pytest.mark.parametrize("leave", ["break", "error", "cancel", "end"])
async def test_leaving_its_block_closes_a_stream(leave: str) -> None:
    """However an `async with` is left, the stream is closed by then, and the error or the cancellation goes on."""
    closed = 0

    async def fetch() -> list[int] | None:
        await asyncio.sleep(1)
        return None if leave == "end" else [1]

    async def close() -> None:
        nonlocal closed
        await asyncio.sleep(0)  # closing may take its time
        closed += 1

    stream = Stream(fetch, close)

    async def consume() -> None:
        async with stream as events:
            assert events is stream
            async for _ in events:
                assert not closed
                if leave == "break":
                    break
                if leave == "error":
                    raise LookupError("mine")
                await asyncio.sleep(100)
        assert closed

    task = asyncio.create_task(consume())
    await asyncio.sleep(2)
    task.cancel()
    await asyncio.wait([task])
    assert closed
    assert task.cancelled() == (leave == "cancel")
    assert leave == "cancel" or isinstance(task.exception(), LookupError) == (leave == "error")
    assert [item async for item in stream] == []
    assert asyncio.all_tasks() == {asyncio.current_task()}
