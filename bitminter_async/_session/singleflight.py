"""Single flight: one request under way for all who ask the same, each of whom may leave."""

import asyncio
import copy
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import BitminterError

if TYPE_CHECKING:
    from .budget.base import Wish
    from .cache import Moment

__all__ = ["Flight", "SingleFlight"]

T = TypeVar("T")

_LEAST_WAIT = 0.25  # seconds: what it may take to hear from other processes that nobody is in the way


class Flight:
    """One request, and those who wait for its answer.

    Attributes:
        left: When its request left; None while none is under way: before it, and between two attempts.
        wish: What stands in the budget's line for it, while it waits for its turn.
    """

    __slots__ = ("_too_late", "left", "waiters", "wish")

    def __init__(self) -> None:
        self.left: Moment | None = None
        self.wish: Wish[Any] | None = None
        self.waiters: dict[asyncio.Future[Any], float | None] = {}
        """Each with the seconds that it may wait for a turn."""

    @property
    def is_wanted(self) -> bool:
        """Whether anybody still waits for it."""
        return bool(self.waiters)

    def add(self, waiter: asyncio.Future[Any], max_wait: float | None) -> None:
        """Let somebody wait for it."""
        self.waiters[waiter] = max_wait
        self._limit(waiter)

    def wait_for_turn(self, wish: "Wish[Any]", too_late: Callable[[float, "Wish[Any]"], BitminterError]) -> None:
        """Note that this wish begins to wait for its turn, and what to tell those who wait for that too long."""
        self.wish, self._too_late = wish, too_late
        for waiter in self.waiters:
            self._limit(waiter)

    def begin_turn(self) -> None:
        """Note that nothing waits any longer."""
        self.wish = None

    def _limit(self, waiter: asyncio.Future[Any]) -> None:
        max_wait = self.waiters[waiter]
        if self.wish and max_wait is not None:
            loop, seconds = asyncio.get_running_loop(), max(max_wait, _LEAST_WAIT)
            timer = loop.call_later(seconds, self._end, waiter, max_wait, self.wish)
            waiter.add_done_callback(lambda _: timer.cancel())  # or the loop would keep it, and the waiter, till then

    def _end(self, waiter: asyncio.Future[Any], max_wait: float, wish: "Wish[Any]") -> None:
        if self.wish is wish and not waiter.done():
            waiter.set_exception(self._too_late(max_wait, wish))


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

    def find(self, call: Hashable, max_age: float) -> Flight | None:
        """Return the flight that may serve a call.

        One that has not left may; one that has left does if its answer will be at most `max_age` seconds old.
        """
        flight, _ = self._newest.get(call, (None, None))
        if flight and (flight.left is None or (max_age and flight.left.age(self._clock) <= max_age)):
            return flight
        return None

    async def run(
        self,
        call: Hashable,
        max_age: float,
        ask: Callable[[Flight], Coroutine[Any, Any, T]],
        max_wait: float | None = None,
    ) -> T:
        """Wait for the answer to a call, which `ask` brings, unless a flight does already that may serve it.

        Whoever would wait for its turn longer than `max_wait` seconds leaves.

        Raises:
            Exception: What `ask` raised; each waiter gets an exception of its own.
        """
        loop = asyncio.get_running_loop()
        if flight := self.find(call, max_age):
            task = self._newest[call][1]
            self.joined += 1
        else:
            flight = Flight()
            task = loop.create_task(ask(flight))
            self._newest[call] = flight, task
            self._flights[task] = flight
            task.add_done_callback(partial(self._finish, call, flight))
        waiter: asyncio.Future[T] = loop.create_future()
        flight.add(waiter, max_wait)
        try:
            return await waiter
        except BaseException:
            flight.waiters.pop(waiter, None)
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
