"""Single flight: one request under way for all who ask the same, each of whom may leave."""

import asyncio
import copy
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from .cache import Moment

__all__ = ["Flight", "SingleFlight"]

T = TypeVar("T")


class Flight:
    """One request, and those who wait for its answer.

    Attributes:
        left: When its request left; None while none is under way: before it, and between two attempts.
    """

    __slots__ = ("left", "waiters")

    def __init__(self) -> None:
        self.left: Moment | None = None
        self.waiters: set[asyncio.Future[Any]] = set()

    @property
    def is_wanted(self) -> bool:
        """Whether anybody still waits for it."""
        return bool(self.waiters)


class SingleFlight:
    """Shares each request among all who ask the same.

    The request runs in a task of its own: a waiter that is cancelled leaves, and nobody else notices. When the last one
    leaves, the request is cancelled, unless it has left already: then it is let end, since the pool works on it anyway
    and is not to be asked for more meanwhile.

    Args:
        clock: The loop's clock, in seconds.

    Attributes:
        joined: How many calls have shared the answer to a request that others had begun.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._newest: dict[Hashable, tuple[Flight, asyncio.Task[Any]]] = {}
        self._flights: dict[asyncio.Task[Any], Flight] = {}
        self.joined = 0

    async def run(self, call: Hashable, max_age: float, ask: Callable[[Flight], Coroutine[Any, Any, T]]) -> T:
        """Wait for the answer to a call, which `ask` brings, unless a flight does already that may serve it.

        One that has not left may; one that has left does if its answer will be at most `max_age` seconds old.

        Raises:
            Exception: What `ask` raised; each waiter gets an exception of its own.
        """
        loop = asyncio.get_running_loop()
        flight, task = self._newest.get(call, (None, None))
        if flight and task and (flight.left is None or (max_age and flight.left.age(self._clock) <= max_age)):
            self.joined += 1
        else:
            flight = Flight()
            task = loop.create_task(ask(flight))
            self._newest[call] = flight, task
            self._flights[task] = flight
            task.add_done_callback(partial(self._finish, call, flight))
        waiter: asyncio.Future[T] = loop.create_future()
        flight.waiters.add(waiter)
        try:
            return await waiter
        except BaseException:
            flight.waiters.discard(waiter)
            if not flight.is_wanted and flight.left is None:
                # Forgotten before it is cancelled, or a newcomer would join one that is about to end.
                self._forget(call, flight)
                task.cancel()
            raise

    def _forget(self, call: Hashable, flight: Flight) -> None:
        if call in self._newest and self._newest[call][0] is flight:
            del self._newest[call]

    def _finish(self, call: Hashable, flight: Flight, task: asyncio.Task[Any]) -> None:
        self._forget(call, flight)
        del self._flights[task]
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

    async def aclose(self, error: BaseException) -> None:
        """End every flight: each waiter gets an exception like `error`, and no task is left when this returns."""
        self._newest.clear()
        for task, flight in self._flights.items():
            for waiter in flight.waiters:
                if not waiter.done():
                    waiter.set_exception(_own(error))
            if not task.cancelling():  # a second cancellation would cut short the cleaning up after the first
                task.cancel()
        if self._flights:
            await asyncio.wait([*self._flights])


def _own(error: BaseException) -> BaseException:
    try:
        return copy.copy(error)
    except Exception:  # noqa: BLE001  # a foreign exception may refuse in any way; then it is shared
        return error
