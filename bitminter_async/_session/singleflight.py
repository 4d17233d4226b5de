"""Single flight: one request under way for all who ask the same, each of whom may leave."""

import asyncio
import copy
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, TypeVar, cast

__all__ = ["SingleFlight"]

T = TypeVar("T")


class _Request:
    __slots__ = ("task", "waiters")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        self.waiters: set[asyncio.Future[Any]] = set()


class SingleFlight:
    """Shares each request among all who ask the same while it is under way.

    The request runs in a task of its own: a waiter that is cancelled leaves, and nobody else notices; the last one to
    leave cancels the request.
    """

    def __init__(self) -> None:
        self._requests: dict[Hashable, _Request] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._requests

    async def run(self, key: Hashable, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Wait for the answer to the request `key`, which `ask` brings unless one that is under way already does.

        Raises:
            Exception: What `ask` raised; each waiter gets an exception of its own.
        """
        loop = asyncio.get_running_loop()
        request = self._requests.get(key)
        if request is None:
            request = self._requests[key] = _Request(loop.create_task(ask()))
            self._tasks.add(request.task)
            request.task.add_done_callback(partial(self._finish, key, request))
        waiter: asyncio.Future[T] = loop.create_future()
        request.waiters.add(waiter)
        try:
            return await waiter
        except BaseException:
            self._leave(key, request, waiter)
            raise

    def _leave(self, key: Hashable, request: _Request, waiter: asyncio.Future[Any]) -> None:
        request.waiters.discard(waiter)
        if not request.waiters:
            # Forgotten before it is cancelled, or a newcomer would join a request that is about to end.
            self._forget(key, request)
            request.task.cancel()

    def _forget(self, key: Hashable, request: _Request) -> None:
        if self._requests.get(key) is request:
            del self._requests[key]

    def _finish(self, key: Hashable, request: _Request, task: asyncio.Task[Any]) -> None:
        self._forget(key, request)
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        for waiter in request.waiters:
            if waiter.done():
                continue
            if task.cancelled():
                waiter.cancel()
            elif error is not None:
                waiter.set_exception(_own(error))
            else:
                waiter.set_result(task.result())

    async def aclose(self, error: BaseException) -> None:
        """End every request: each waiter gets an exception like `error`, and no task is left when this returns."""
        for request in self._requests.values():
            for waiter in request.waiters:
                if not waiter.done():
                    waiter.set_exception(_own(error))
        self._requests.clear()
        for task in self._tasks:
            if not task.cancelling():  # a second cancellation would cut short the cleaning up after the first
                task.cancel()
        if self._tasks:
            await asyncio.wait(cast("set[asyncio.Task[object]]", set(self._tasks)))


def _own(error: BaseException) -> BaseException:
    try:
        return copy.copy(error)
    except Exception:  # noqa: BLE001  # a foreign exception may refuse in any way; then it is shared
        return error
