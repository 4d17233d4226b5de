"""Streams: what comes, one at a time, for as long as it is wanted."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

__all__ = ["Stream"]

T = TypeVar("T")


class Stream(Generic[T]):
    """An async iterator for as long as you like: leave its loop in any way, and nothing is left behind.

    It is closed for certain, and at once, as an async context manager: `async with client.watch.blocks() as events:`.

    A wait for its next item that is cancelled or timed out loses nothing: the next wait goes on from there. An error
    ends the stream. One task at a time may wait for its next item.

    Args:
        fetch: Brings what is new, which may be nothing; None: the end has come. One that is cancelled loses nothing.
        close: Awaited when the stream ends or is closed; more than once does no harm.
    """

    def __init__(
        self,
        fetch: Callable[[], Coroutine[Any, Any, Iterable[T] | None]],
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._fetch = fetch
        self._close = close
        self._ready: deque[T] = deque()
        self._step: asyncio.Task[Iterable[T] | None] | None = None
        self._error: BaseException | None = None
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._ready:
            if self._is_over:
                await self.aclose()
                error, self._error = self._error, None
                raise error or StopAsyncIteration
            if self._step:
                raise RuntimeError("another task waits for this stream's next item: merge streams, or take one each")
            step = self._step = asyncio.create_task(self._fetch())
            try:
                await asyncio.wait({step})
            except asyncio.CancelledError:
                step.cancel()
                await asyncio.wait({step})
                raise
            finally:
                self._step = None
                self._take(step)
        return self._ready.popleft()

    def _take(self, step: asyncio.Task[Iterable[T] | None]) -> None:
        if not step.done() or step.cancelled():
            return
        self._error = step.exception()
        new = None if self._error else step.result()
        if new is None:
            self._is_over = True
        elif not self._is_over:
            self._ready.extend(new)

    async def aclose(self) -> None:
        """End the stream: who waits for its next item is told that there is none. Closing twice is fine."""
        self._is_over = True
        self._ready.clear()
        if step := self._step:
            step.cancel()
            await asyncio.wait({step})
        if self._close:
            await self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
