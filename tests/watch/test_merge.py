"""Merged streams: fair, whole, and gone without a trace however they end."""

import asyncio
import gc
import pydoc
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, suppress
from typing import Any

import pytest

from bitminter_async.testing import AutojumpLoop
from bitminter_async.watch.merge import merge
from bitminter_async.watch.stream import Stream
from bitminter_async.watch.watch import Watch


class Source:
    """A stream that gives these items, each after `every` seconds, then an error where one is given."""

    def __init__(self, *items: object, every: float = 0.0, error: BaseException | None = None) -> None:
        self.items = items
        self.every = every
        self.error = error
        self.given = 0
        self.is_closed = False
        self.stream = self._give()

    async def _give(self) -> AsyncGenerator[object, None]:
        try:
            for item in self.items:
                await asyncio.sleep(self.every)
                self.given += 1
                yield item
            await asyncio.sleep(self.every)
            if self.error:
                raise self.error
        finally:
            self.is_closed = True


def merged(sources: Iterable[Source]) -> Stream[object]:
    """Merge the streams of some sources."""
    return merge(*(source.stream for source in sources))


async def into(items: Any, stream: AsyncIterator[object]) -> None:
    """Append to `items` what the stream gives."""
    async for item in stream:
        items.append(item)


def others() -> set[asyncio.Task[Any]]:
    """The tasks beside the one that asks."""
    return asyncio.all_tasks() - {asyncio.current_task()}


async def test_all_that_each_gives_comes_in_time() -> None:
    """Every item of every stream comes once, when it is there, in each stream's own order; then the end comes."""
    slow, quick = Source("a", "b", "c", every=10), Source(1, 2, 3, 4, every=4)
    start = asyncio.get_running_loop().time()
    came = [(asyncio.get_running_loop().time() - start, item) async for item in merged([slow, quick])]
    assert came == [(4, 1), (8, 2), (10, "a"), (12, 3), (16, 4), (20, "b"), (30, "c")]
    assert not others()


async def test_a_busy_stream_starves_nobody() -> None:
    """Where all have something all the time, each gets one turn before any gets its next."""
    sources = [Source(*(f"{name}{number}" for number in range(20))) for name in "abc"]
    came = [str(item) async for item in merged(sources)]
    rounds = ["".join(sorted(item[0] for item in came[at : at + 3])) for at in range(0, 60, 3)]
    assert rounds == ["abc"] * 20


async def test_none_runs_ahead_of_its_caller() -> None:
    """While the caller is busy with an item, its stream waits, and any other has at most one item ready."""
    first, second = Source(*range(9), every=1), Source(*range(9), every=1)
    async with aclosing(merged([first, second])) as stream:
        await anext(stream)
        await asyncio.sleep(100)
        assert (first.given, second.given) == (1, 1)
        assert [await anext(stream) for _ in range(3)] == [0, 1, 1]


async def test_no_streams_end_at_once() -> None:
    """Merging nothing gives nothing."""
    assert [item async for item in merged([])] == []


async def test_merged_streams_merge() -> None:
    """A merged stream can be merged again, and its end closes all the way down."""
    sources = [Source(*range(5), every=1) for _ in range(4)]
    async with aclosing(merge(merged(sources[:2]), merged(sources[2:]))) as stream:
        assert sorted([await anext(stream) for _ in range(8)], key=str) == [0, 0, 0, 0, 1, 1, 1, 1]
    assert all(source.is_closed for source in sources)
    assert not others()


@pytest.mark.parametrize("error", [LookupError("mine"), TimeoutError("late")])
async def test_an_error_ends_all(error: Exception) -> None:
    """An error of one stream reaches the caller after what the others had ready, and all are closed."""
    failing = Source("before", every=10, error=error)
    sources = [Source(1, 2, 3, every=10), failing, Source("x", every=20), Source(4, every=21)]
    came: list[object] = []
    with pytest.raises(type(error)) as caught:
        await into(came, merged(sources))
    assert caught.value is error
    assert set(came) == {1, "before", 2, "x"}
    assert all(source.is_closed for source in sources)
    assert not others()


async def test_two_errors_at_once_are_both_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    """Where two streams fail in the same moment, one error is raised and asyncio complains of none."""
    sources = [Source(error=LookupError(name)) for name in "ab"]
    with pytest.raises(LookupError, match="a"):
        await anext(merged(sources))
    gc.collect()  # a task whose error nobody looked at complains here
    assert not others()
    assert not caplog.records


async def test_a_stream_that_fails_while_it_is_closed_is_no_complaint(caplog: pytest.LogCaptureFixture) -> None:
    """An error in a stream's own cleaning up neither hides the end nor is left for asyncio to complain of."""

    async def sulking() -> AsyncGenerator[object, None]:
        try:
            await asyncio.sleep(100)
            yield 1
        finally:
            raise LookupError("in the cleaning up")

    source = Source(1)
    assert [item async for item in _first(merge(source.stream, sulking()))] == [1]
    gc.collect()
    assert source.is_closed
    assert not others()
    assert not caplog.records


async def _first(stream: Stream[object]) -> AsyncGenerator[object, None]:
    async with aclosing(stream):
        yield await anext(stream)


async def test_leaving_the_loop_leaves_nothing() -> None:
    """Within an instant of `break`, every stream is closed and no task is left, without anyone closing it by hand."""
    sources = [Source(*range(9), every=every) for every in (1, 2, 100)]
    async for _ in merged(sources):
        break
    await asyncio.sleep(0.001)
    assert all(source.is_closed for source in sources)
    assert not others()


async def test_leaving_its_block_closes_all_for_certain() -> None:
    """After `async with` every stream is closed and no task is left, at once and whoever still holds the merged one."""
    sources = [Source(*range(9), every=every) for every in (1, 2, 100)]
    async with merged(sources) as stream:
        async for _ in stream:
            break
        assert others()
    assert all(source.is_closed for source in sources)
    assert not others()
    assert [item async for item in stream] == []


async def test_an_error_in_the_loop_leaves_nothing() -> None:
    """The same after an error in the loop's body."""
    sources = [Source(*range(9), every=every) for every in (1, 2, 100)]
    with pytest.raises(AttributeError):
        await into(None, merged(sources))
    await asyncio.sleep(0.001)
    assert all(source.is_closed for source in sources)
    assert not others()


@pytest.mark.parametrize("after", [0.0, 0.5, 1.0, 1.5])
async def test_cancelling_the_caller_leaves_nothing(after: float) -> None:
    """When a cancelled caller has ended, no task is left and no stream is waited for, whoever still holds them."""
    sources = [Source(*range(9), every=every) for every in (1, 2, 100)]
    stream = merged(sources)

    async def consume() -> None:
        async for _ in stream:
            await asyncio.sleep(0.7)

    task = asyncio.create_task(consume())
    await asyncio.sleep(after)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    if after < 1.5:  # else it was cancelled in the loop's body, where the other streams are waited for on purpose
        assert not others()
    await stream.aclose()
    assert not others()


def ticking(*items: object, every: float) -> Stream[object]:
    """A stream that gives these items, `every` seconds apart; a wait that is cancelled costs it nothing."""
    left = list(items)
    due = asyncio.get_running_loop().time()

    async def fetch() -> list[object] | None:
        nonlocal due
        if not left:
            return None
        await asyncio.sleep(due + every - asyncio.get_running_loop().time())
        due += every
        item = left.pop(0)
        if isinstance(item, Exception):
            raise item
        return [item]

    return Stream(fetch)


async def test_a_timeout_loses_nothing() -> None:
    """A wait for the next item that is timed out costs no stream its item, ends none, and leaves no task."""
    came: list[object] = []
    async with aclosing(merge(ticking(1, 2, 3, every=10), ticking("a", "b", every=14))) as stream:
        while len(came) < 5:
            try:
                came.append(await asyncio.wait_for(anext(stream), 3))
            except TimeoutError:
                assert not others()
        assert came == [1, "a", 2, "b", 3]
    assert not others()


@pytest.mark.parametrize("outcome", [[1], LookupError("mine")], ids=["item", "error"])
async def test_what_comes_in_the_moment_of_a_timeout_is_kept(outcome: list[object] | Exception) -> None:
    """An item or error that a stream has when the wait for it is cancelled is given by the next wait."""

    async def fetch() -> list[object]:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(1000)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async with aclosing(merge(Stream(fetch), ticking(2, every=2000))) as stream:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 1)
        start = asyncio.get_running_loop().time()
        if isinstance(outcome, Exception):
            with pytest.raises(LookupError, match="mine"):
                await anext(stream)
        else:
            assert await anext(stream) == 1
        assert asyncio.get_running_loop().time() == pytest.approx(start)
    assert not others()


async def test_an_error_outlives_a_timeout_while_the_others_close() -> None:
    """Where closing the others takes longer than the caller waits, the next wait raises the error nevertheless."""

    async def slow_to_close() -> AsyncGenerator[object, None]:
        try:
            await asyncio.sleep(1000)
            yield 1
        finally:
            await asyncio.sleep(2)

    stream = merge(ticking(LookupError("mine"), every=1), slow_to_close())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(stream), 1.5)
    with pytest.raises(LookupError, match="mine"):
        await anext(stream)
    assert not others()


async def test_an_error_that_nobody_waits_for_is_no_complaint(caplog: pytest.LogCaptureFixture) -> None:
    """What fails while the caller is busy is raised by the next wait; where there is none, asyncio says nothing."""
    streams = [merge(ticking(1, 2, every=1), ticking(LookupError("mine"), every=10)) for _ in range(2)]
    assert [await anext(stream) for stream in streams] == [1, 1]
    await asyncio.sleep(20)
    stream = streams.pop()
    streams.clear()
    with pytest.raises(LookupError, match="mine"):
        await anext(stream)
    gc.collect()
    await asyncio.sleep(0.001)
    assert not others()
    assert not caplog.records


def test_an_error_that_a_loops_end_overtakes_is_no_complaint(caplog: pytest.LogCaptureFixture) -> None:
    """Where a program ends while a merged stream has an error that nobody waits for, asyncio says nothing either."""

    async def main() -> None:
        stream = merge(ticking(1, 2, every=1), ticking(LookupError("mine"), every=10))
        assert await anext(stream) == 1
        await asyncio.sleep(20)

    with asyncio.Runner(loop_factory=AutojumpLoop) as runner:
        runner.run(main())
    gc.collect()
    assert not caplog.records


def test_one_that_outlives_its_loop_goes_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A merged stream that nobody closed, and that is dropped when its loop is gone, asks nothing of that loop."""
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)

    async def main() -> Stream[object]:
        stream = merge(ticking(1, 2, every=1), ticking(3, every=10))
        assert await anext(stream) == 1
        return stream

    with asyncio.Runner(loop_factory=AutojumpLoop) as runner:
        stream = runner.run(main())
    del stream
    gc.collect()
    assert complaints == []


async def test_one_that_was_closed_begins_nothing_when_it_is_dropped() -> None:
    """After `aclose()` there is nothing left to do."""
    stream = merge(ticking(1, 2, every=1), ticking(3, every=10))
    assert await anext(stream) == 1
    await stream.aclose()
    del stream
    gc.collect()
    await asyncio.sleep(0)
    assert not others()


async def test_closing_closes_what_was_begun_elsewhere() -> None:
    """A merged stream that is closed before its first item closes its streams nevertheless, and is over."""
    source = Source(1, 2)
    await anext(source.stream)
    stream = merged([source])
    await stream.aclose()
    assert source.is_closed
    assert [item async for item in stream] == []


async def test_any_async_iterator_can_be_merged() -> None:
    """An iterator that is no generator, and cannot be closed, is merged like any other."""

    class Count:
        def __init__(self) -> None:
            self.number = 0

        def __aiter__(self) -> "Count":
            return self

        async def __anext__(self) -> int:
            await asyncio.sleep(1)
            self.number += 1
            return self.number

    source, count = Source("x", every=1.5), Count()
    async with aclosing(merge(source.stream, count)) as stream:
        assert [await anext(stream) for _ in range(4)] == [1, "x", 2, 3]
    assert not others()


async def test_what_is_no_stream_is_refused() -> None:
    """Something else than an async iterator, or the same one twice, is named at once, and nothing is begun."""
    source = Source(1)
    with pytest.raises(TypeError, match="merge joins async iterators, not list"):
        merge([1, 2])  # type: ignore[arg-type]  # that is the fault
    with pytest.raises(ValueError, match="the same stream twice"):
        merge(source.stream, source.stream)
    assert [item async for item in source.stream] == [1]


def test_help_shows_merge_among_the_streams() -> None:
    """Who asks Python for help on `client.watch` finds `merge` with what it does, and it needs no client."""
    assert "Join streams into one that gives what each gives" in pydoc.render_doc(Watch)
    assert isinstance(Watch.merge(), Stream)
