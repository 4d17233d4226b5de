"""The pace: whose turn it is to ask, and when."""

import asyncio
from types import TracebackType

from aiolimiter import AsyncLimiter

__all__ = ["Pace", "Resting"]

_RECOVERY = 60.0  # seconds without a 429 after which a slowed spacing is halved
_LEAST_SLOWED = 1.0
_MOST_SLOWED = 60.0  # or twice the interval, where that is longer
_NEGLIGIBLE = 0.01


class Resting(Exception):  # noqa: N818  # not an error but a word between pace and session
    """The pool asked for a rest too long to wait out."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Pace:
    """Turns: one at a time, first come first served, `interval` apart; and rests, which hold for everyone.

    `async with pace:` waits for a turn and keeps it, so a slow pool is asked less often, not more. The interval runs
    from `depart()`, or from the turn's begin where that is not called. A waiter that is cancelled loses nobody's turn.

    Args:
        interval: Seconds between the starts of two turns; 0: one at a time, unspaced.
        patience: The longest rest, in seconds, that is waited out; a longer one ends their wait with `Resting`.
    """

    def __init__(self, interval: float, patience: float) -> None:
        self._interval = interval
        self._patience = patience
        # The limiter spaces, the lock keeps the order: the limiter alone serves its waiters out of order.
        self._lock = asyncio.Lock()
        self._limiter: AsyncLimiter | None = None
        self._slowed_to = 0.0
        self._slowed_at = 0.0
        self._rest_ends = float("-inf")
        self._is_refusing = False
        self.rests = 0
        self.rested = 0.0

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

    async def depart(self) -> None:
        """Let the interval run from now: the request has left."""
        spacing = self.spacing
        self._limiter = AsyncLimiter(1, spacing) if spacing else None
        if self._limiter:
            await self._limiter.acquire()  # a fresh one lets the first through at once

    @property
    def spacing(self) -> float:
        """Seconds between two turns now: the interval, or more after it has been slowed down."""
        quiet = (_now() - self._slowed_at) // _RECOVERY if self._slowed_to else 0.0
        eased = self._slowed_to * 0.5**quiet
        return max(self._interval, eased if eased > _NEGLIGIBLE else 0.0)

    async def slow_down(self) -> None:
        """Double the spacing, because the pool said that it is too much; each quiet minute halves it again."""
        self._slowed_to = min(max(2 * self.spacing, _LEAST_SLOWED), max(2 * self._interval, _MOST_SLOWED))
        self._slowed_at = _now()
        await self.depart()

    def rest(self, seconds: float) -> None:
        """Give nobody a turn for so many seconds. A rest that ends before the present one changes nothing."""
        now = _now()
        if (ends := now + seconds) <= self._rest_ends:
            return
        self.rests += 1
        self.rested += ends - max(now, self._rest_ends)
        self._is_refusing = seconds > self._patience
        self._rest_ends = ends

    @property
    def refused_for(self) -> float:
        """Seconds that a rest too long to wait out still lasts; 0 where there is none."""
        return max(0.0, self._rest_ends - _now()) if self._is_refusing else 0.0

    async def _wait_for_rest_to_end(self) -> None:
        while (left := self._rest_ends - _now()) > 0:
            if self._is_refusing:
                raise Resting(left)
            await asyncio.sleep(left)


def _now() -> float:
    return asyncio.get_running_loop().time()
