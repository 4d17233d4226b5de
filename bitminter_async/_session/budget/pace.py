"""The pace: when a client may ask, by its own interval and patience and by what it shares with others."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, TypeVar

from aiolimiter import AsyncLimiter

from ...errors import Blocked, RateLimited
from .base import Turn, Wish
from .process import join
from .state import State

__all__ = ["Pace", "warn_once"]

T = TypeVar("T")

_LOGGER = logging.getLogger("bitminter_async")
_NEGLIGIBLE = 0.01  # seconds that a busy loop, or asking for a lock that is free, may take


class Pace:
    """A client's turns: one at a time, first come first served, `interval` apart; and rests, which hold for everyone.

    A turn is kept for the whole exchange, so a slow pool is asked less often, not more. The interval runs from the last
    `depart()` of whoever shares the budget, or from the turn's begin where that was not called.

    Args:
        interval: Seconds between the starts of two turns; 0: one at a time, unspaced.
        patience: The longest rest, in seconds, that is waited out; a longer one ends all waits with what began it.
        origin: Whose budget it is, shared with every client of this process and event loop that names the same; None:
            shared with nobody.
    """

    def __init__(self, interval: float, patience: float, origin: str | None = None) -> None:
        self._interval = interval
        self._patience = patience
        self._origin = origin
        self._limiter: AsyncLimiter | None = None
        self._state = State()
        self._before = 0, 0, 0.0  # what the state had counted when this client came
        self._departed = self._ended = float("-inf")
        self.waited_for_others: float = 0.0

    def bind(self) -> None:
        """Begin to share, on the running loop."""
        if self._origin is not None:
            self._state = join(self._origin)
            self._before = self._state.rests, self._state.blocks, self._state.rested
        self._state.sharers.add(self)
        self._state.longest_interval = max(self._state.longest_interval, self._interval)

    async def aclose(self) -> None:
        """Share no longer. What is known of the pool is remembered for those who come, until it is over."""
        self._state.sharers.discard(self)

    async def fetch(self, wish: Wish[T], send: Callable[[Turn], Awaitable[T]]) -> T:
        """Wait for a turn, and return what `send` brings, which is awaited in it."""
        queued = self._state.now()
        self._raise_refusal()
        await self._state.line.enter(wish, self.refusal)
        try:
            return await self._take_turn(queued, send)
        finally:
            self._ended = self._state.now()
            self._state.line.leave()

    async def _take_turn(self, queued: float, send: Callable[[Turn], Awaitable[T]]) -> T:
        await self._wait_until_due()
        await self._begin(queued)
        return await send(self)

    async def _wait_until_due(self) -> None:
        while left := self.due_in:
            self._raise_refusal()
            await asyncio.sleep(left)

    async def _begin(self, queued: float) -> None:
        """Begin a turn, and note how long those before it were in the way."""
        state = self._state
        if state.departed_by is not self and state.departed > float("-inf"):
            waited = self._held_up_since(queued)
            self.waited_for_others += waited if waited > _NEGLIGIBLE else 0.0
        if self._limiter:
            # At once, as a rule: the client's own floor, which holds whatever others write of their departures.
            await self._limiter.acquire()
        await self.depart()

    def _held_up_since(self, queued: float) -> float:
        """Return for how long nothing of this client's own, nor a rest, was in the way of its turn, but others were."""
        ready = max(queued, self._ended, self._departed + self.spacing, self._state.rest_ends)
        return max(0.0, self._state.now() - ready)

    async def depart(self) -> None:
        """Let the interval run from now: the request is about to leave."""
        await self._depart()

    async def _depart(self) -> None:
        self._departed = self._state.depart(self)
        spacing = self.spacing
        self._limiter = AsyncLimiter(1, spacing) if spacing else None
        if self._limiter:
            await self._limiter.acquire()  # a fresh one lets the first through at once

    async def rest(self, seconds: float, reason: RateLimited | Blocked) -> None:
        """Give nobody a turn for so many seconds. A rest that ends before the present one changes nothing."""
        self._state.rest(seconds, reason)

    async def slow_down(self) -> None:
        """Double the spacing, because the pool said that it is too much; each quiet minute halves it again."""
        self._state.slow_down(self._interval)
        await self._depart()

    @property
    def spacing(self) -> float:
        """Seconds between two turns now: the interval, or more after it has been slowed down."""
        return self._state.spacing(self._interval)

    @property
    def due_in(self) -> float:
        """Seconds until the next turn can begin: what is left of the interval and of a rest."""
        state = self._state
        return max(0.0, state.departed + self.spacing - state.now(), state.rest_left)

    @property
    def slowed_spacing(self) -> float:
        """Seconds between two turns, were they slowed down now."""
        return self._state.slowed_spacing(self._interval)

    def outlook(self, wish: Wish[Any] | None = None) -> tuple[int, float]:
        """Return a wish's place in the line, or that of one that came now, and how many seconds it waits at least."""
        ahead = self._state.line.ahead_of(wish)
        return ahead + 1, self.due_in + ahead * self.spacing

    def refusal(self) -> RateLimited | Blocked | None:
        """Return a new error like the one that began the present rest, if that is too long to wait out."""
        return self._state.refusal(self._patience)

    def _raise_refusal(self) -> None:
        if refusal := self.refusal():
            raise refusal

    @property
    def rests(self) -> int:
        """How often the pool asked for rest."""
        return self._state.rests - self._before[0]

    @property
    def blocks(self) -> int:
        """How often the pool blocked those who share the budget."""
        return self._state.blocks - self._before[1]

    @property
    def rested(self) -> float:
        """Seconds for which there has been a rest so far."""
        return self._state.rested - self._before[2]

    @property
    def shared_with(self) -> int:
        """How many other clients share the budget."""
        return len(self._state.sharers - {self})


@cache
def warn_once(message: str) -> None:
    """Warn in the log, once in this process."""
    _LOGGER.warning(message)
