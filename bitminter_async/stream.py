"""Streams: what comes, one at a time, for as long as it is wanted."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, Self, TypeVar

__all__ = ["Stream"]

T = TypeVar("T")


class Stream(Generic[T]):
    """An async iterator for as long as you like: leave its loop in any way, and nothing is left behind.

    A wait for its next item that is cancelled or timed out loses nothing: the next wait goes on from there. An error
    ends it.

    Args:
        look: Brings what is new, which may be nothing; None: the end has come. One that is cancelled loses nothing.
        close: Awaited when the stream ends or is closed.
    """

    def __init__(
        self,
        look: Callable[[], Awaitable[Iterable[T] | None]],
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._look = look
        self._close = close
        self._ready: deque[T] = deque()
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while not self._ready:
            if self._is_over:
                raise StopAsyncIteration
            try:
                new = await self._look()
            except asyncio.CancelledError:
                del self  # whoever keeps the traceback shall not keep the stream
                raise
            except Exception:
                await self.aclose()
                raise
            if new is None:
                await self.aclose()
            elif not self._is_over:  # it may have been closed meanwhile
                self._ready.extend(new)
        return self._ready.popleft()

    async def aclose(self) -> None:
        """End the stream: nothing more comes. Closing twice is fine."""
        self._is_over = True
        self._ready.clear()
        if self._close:
            await self._close()
