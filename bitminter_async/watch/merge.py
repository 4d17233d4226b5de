"""Merging: many streams as one."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final, Generic, TypeVar

from .stream import Stream

__all__ = ["merge"]

T = TypeVar("T")

_END: Final = object()


def merge(*streams: AsyncIterator[Any]) -> Stream[Any]:
    """Join streams into one: see `Watch.merge`."""
    _check(streams)
    merging = _Merging(streams)
    return Stream(merging.next_items, merging.aclose)


def _check(streams: tuple[object, ...]) -> None:
    for stream in streams:
        if not isinstance(stream, AsyncIterator):
            raise TypeError(f"merge joins async iterators, not {type(stream).__name__}")
    if len(set(map(id, streams))) < len(streams):
        raise ValueError("merge is given the same stream twice")


class _Ended:
    """The steps that have ended and were not looked at yet, and how to wait for one.

    A step tells of its end, or each wait would have to begin to listen to all of them, and cease again. Steps refer to
    this only: while they referred to what merges them, it would never be dropped, and never close its streams.
    """

    def __init__(self) -> None:
        self.steps: deque[asyncio.Task[Any]] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def add(self, step: asyncio.Task[Any]) -> None:
        """Note that a step has ended."""
        if not step.cancelled():
            # The next wait raises it; where there is none, asyncio would complain of an error that nobody took.
            step.exception()
        self.steps.append(step)
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Wait until there is one."""
        if self.steps:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


class _Merging(Generic[T]):
    """The streams, and for each whose next item is waited for a task that does so."""

    def __init__(self, streams: tuple[AsyncIterator[T], ...]) -> None:
        self._streams = streams
        self._idle = [*streams]
        self._steps: dict[asyncio.Task[Any], AsyncIterator[T]] = {}
        self._ended = _Ended()
        self._items: list[T] = []
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def next_items(self) -> list[T] | None:
        """Return what one or more streams have by now; None when all have ended."""
        if not self._items and not self._error:
            self._loop = asyncio.get_running_loop()
            for stream in self._idle:
                step = asyncio.create_task(_step(stream))
                step.add_done_callback(self._ended.add)
                self._steps[step] = stream
            self._idle.clear()
            if not self._steps:
                return None
            try:
                await self._ended.wait()
            except asyncio.CancelledError:
                await self._pause()
                raise
            self._take()
        items, self._items = self._items, []
        if self._error and not items:
            raise self._error
        return items

    async def _pause(self) -> None:
        """Leave no task while nobody waits: what is here by then is kept for the next wait."""
        for step in self._steps:
            step.cancel()
        await asyncio.wait(self._steps)
        self._take()

    def _take(self) -> None:
        while self._ended.steps:
            step = self._ended.steps.popleft()
            stream = self._steps.pop(step)
            if step.cancelled():
                self._idle.append(stream)
            elif error := step.exception():
                self._error = self._error or error
            elif (item := step.result()) is not _END:
                self._items.append(item)
                self._idle.append(stream)

    async def aclose(self) -> None:
        """Close all streams; no task is left when this returns."""
        self._idle.clear()
        self._loop = None
        await _close(self._streams, [*self._steps])

    def __del__(self) -> None:
        # The last resort, for a loop that was left by `break` without `async with`: the event loop holds the tasks that
        # wait for the streams' next items, so they would go on polling for nobody. Nothing else tells of a `break`;
        # asyncio closes async generators in the same way.
        if self._loop and self._loop.is_running():
            self._loop.call_soon_threadsafe(self._loop.create_task, _close(self._streams, [*self._steps]))


async def _step(stream: AsyncIterator[T]) -> Any:  # noqa: ANN401  # an item, or the end
    return await anext(stream, _END)


async def _close(streams: Iterable[AsyncIterator[Any]], steps: Sequence[asyncio.Task[Any]]) -> None:
    for step in steps:
        step.cancel()
    if steps:
        await asyncio.wait(steps)
    await asyncio.gather(*map(_close_one, streams), *steps, return_exceptions=True)


async def _close_one(stream: AsyncIterator[Any]) -> None:
    if close := getattr(stream, "aclose", None):
        await close()
