"""Flights: one request in the air, many who wait for its answer."""

import asyncio
import copy
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, TypeVar, cast

__all__ = ["Flights"]

T = TypeVar("T")


class _Flight:
    __slots__ = ("task", "waiters")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        self.waiters: set[asyncio.Future[Any]] = set()


class Flights:
    """Shares each request among all who ask the same while it is in the air.

    The request runs in a task of its own: a waiter that is cancelled leaves, and nobody else notices; the last one to
    leave cancels the request.
    """

    def __init__(self) -> None:
        self._air: dict[Hashable, _Flight] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def __contains__(self, question: Hashable) -> bool:
        return question in self._air

    async def join(self, question: Hashable, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Wait for the answer to `question`, which `ask` brings unless a flight in the air already does.

        Raises:
            Exception: What `ask` raised; each waiter gets an exception of its own.
        """
        loop = asyncio.get_running_loop()
        flight = self._air.get(question)
        if flight is None:
            flight = self._air[question] = _Flight(loop.create_task(ask()))
            self._tasks.add(flight.task)
            flight.task.add_done_callback(partial(self._land, question, flight))
        waiter: asyncio.Future[T] = loop.create_future()
        flight.waiters.add(waiter)
        try:
            return await waiter
        except BaseException:
            self._leave(question, flight, waiter)
            raise

    def _leave(self, question: Hashable, flight: _Flight, waiter: asyncio.Future[Any]) -> None:
        flight.waiters.discard(waiter)
        if not flight.waiters:
            # Off the board before it is cancelled, or a newcomer would join a dying flight.
            self._strike(question, flight)
            flight.task.cancel()

    def _strike(self, question: Hashable, flight: _Flight) -> None:
        if self._air.get(question) is flight:
            del self._air[question]

    def _land(self, question: Hashable, flight: _Flight, task: asyncio.Task[Any]) -> None:
        self._strike(question, flight)
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        for waiter in flight.waiters:
            if waiter.done():
                continue
            if task.cancelled():
                waiter.cancel()
            elif error is not None:
                waiter.set_exception(_own(error))
            else:
                waiter.set_result(task.result())

    async def ground(self, error: BaseException) -> None:
        """End every flight: each waiter gets an exception like `error`, and no task is left when this returns."""
        for flight in self._air.values():
            for waiter in flight.waiters:
                if not waiter.done():
                    waiter.set_exception(_own(error))
        self._air.clear()
        for task in self._tasks:
            if not task.cancelling():  # one that is dying already is left to its cleaning up
                task.cancel()
        if self._tasks:
            await asyncio.wait(cast("set[asyncio.Task[object]]", set(self._tasks)))


def _own(error: BaseException) -> BaseException:
    try:
        return copy.copy(error)
    except Exception:  # noqa: BLE001  # a foreign exception may refuse in any way; then it is shared
        return error
