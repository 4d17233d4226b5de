"""The pace: whose turn it is to ask, and when."""

import asyncio
import copy
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TypeVar

from aiolimiter import AsyncLimiter

from ...errors import Blocked, RateLimited
from .base import Turn, Wish

__all__ = ["Pace"]

T = TypeVar("T")

_RECOVERY = 60.0  # seconds without a 429 after which a slowed spacing is halved
_LEAST_SLOWED = 1.0
_MOST_SLOWED = 60.0  # or twice the interval, where that is longer
_NEGLIGIBLE = 0.01


class Pace:
    """Turns: one at a time, first come first served, `interval` apart; and rests, which hold for everyone.

    `async with pace:` waits for a turn and keeps it, so a slow pool is asked less often, not more. The interval runs
    from `depart()`, or from the turn's begin where that is not called. A waiter that is cancelled loses nobody's turn.

    Args:
        interval: Seconds between the starts of two turns; 0: one at a time, unspaced.
        patience: The longest rest, in seconds, that is waited out; a longer one ends all waits with what began it.

    Attributes:
        rests: How often the pool asked for rest.
        blocks: How often it blocked the client.
    """

    def __init__(self, interval: float, patience: float) -> None:
        self._interval = interval
        self._patience = patience
        # The limiter spaces, the lock keeps the order: the limiter alone serves its waiters out of order.
        self._lock = asyncio.Lock()
        self._limiter: AsyncLimiter | None = None
        self._departed = float("-inf")
        self._slowed_to = 0.0
        self._slowed_at = 0.0
        self._rest_ends = float("-inf")
        self._asked_for = 0.0  # seconds of rest, past and to come
        self._clock: Callable[[], float] | None = None  # the loop's, once there has been a rest
        self._reason: RateLimited | Blocked | None = None  # of a rest too long to wait out
        self.rests = 0
        self.blocks = 0

    async def __aenter__(self) -> None:
        await self._lock.acquire()
        try:
            await self._wait_for_rest_to_end()
            if self._limiter:
                await self._limiter.acquire()
                await self._wait_for_rest_to_end()  # one may have begun meanwhile
            await self.depart()
        except BaseException:
            self._lock.release()
            raise

    async def __aexit__(
        self, _type: type[BaseException] | None, _exc: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._lock.release()

    async def fetch(self, wish: Wish, send: Callable[[Turn], Awaitable[T]]) -> T:  # noqa: ARG002  # nothing is shared
        """Wait for a turn, and return what `send` brings, which is awaited in it."""
        async with self:
            return await send(self)

    async def aclose(self) -> None:
        """Do nothing: nothing is held."""

    async def depart(self) -> None:
        """Let the interval run from now: the request has left."""
        spacing = self.spacing
        self._departed = _now()
        self._limiter = AsyncLimiter(1, spacing) if spacing else None
        if self._limiter:
            await self._limiter.acquire()  # a fresh one lets the first through at once

    @property
    def spacing(self) -> float:
        """Seconds between two turns now: the interval, or more after it has been slowed down."""
        quiet = (_now() - self._slowed_at) // _RECOVERY if self._slowed_to else 0.0
        eased = self._slowed_to * 0.5**quiet
        return max(self._interval, eased if eased > _NEGLIGIBLE else 0.0)

    @property
    def due_in(self) -> float:
        """Seconds until the next turn can begin: what is left of the interval and of a rest."""
        return max(0.0, self._departed + self.spacing - _now(), self._rest_left)

    @property
    def slowed_spacing(self) -> float:
        """Seconds between two turns, were they slowed down now."""
        return min(max(2 * self.spacing, _LEAST_SLOWED), max(2 * self._interval, _MOST_SLOWED))

    async def slow_down(self) -> None:
        """Double the spacing, because the pool said that it is too much; each quiet minute halves it again."""
        self._slowed_to = self.slowed_spacing
        self._slowed_at = _now()
        await self.depart()

    async def rest(self, seconds: float, reason: RateLimited | Blocked) -> None:
        """Give nobody a turn for so many seconds. A rest that ends before the present one changes nothing."""
        self._clock = asyncio.get_running_loop().time
        now = self._clock()
        if (ends := now + seconds) <= self._rest_ends:
            return
        if isinstance(reason, Blocked):
            self.blocks += 1
        else:
            self.rests += 1
        self._asked_for += ends - max(now, self._rest_ends)
        self._reason = reason if seconds > self._patience else None
        self._rest_ends = ends

    @property
    def rested(self) -> float:
        """Seconds for which there has been a rest so far."""
        return self._asked_for - self._rest_left

    @property
    def _rest_left(self) -> float:
        return max(0.0, self._rest_ends - self._clock()) if self._clock else 0.0

    def refusal(self) -> RateLimited | Blocked | None:
        """Return a new error like the one that began the present rest, if that is too long to wait out."""
        if not self._reason or not (left := self._rest_left):
            return None
        error = copy.copy(self._reason)
        error.args = (f"not sent, since the client rests for another {left:.1f} s; what began the rest: {error}",)
        error.retry_after = left
        return error

    async def _wait_for_rest_to_end(self) -> None:
        while left := self._rest_left:
            if refusal := self.refusal():
                raise refusal
            await asyncio.sleep(left)


def _now() -> float:
    return asyncio.get_running_loop().time()
