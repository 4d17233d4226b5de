"""A place in the line at Redis, and the turn that it leads to."""

import asyncio
from contextlib import suppress

from attrs import define, field, frozen

from ...errors import Blocked, RateLimited
from ..cache import Moment
from .base import TurnLost
from .connection import Reply
from .pace import Pace
from .seal import Seal

__all__ = ["STAMP", "Lease", "Question", "Waiter", "now", "reason_of"]

STAMP = 16
"""Digits of the moment that stands before a kept answer."""


@frozen
class Question:
    """What is asked, by the name that it has in Redis, and by whom."""

    name: str
    seal: Seal
    max_age: float
    arrived: float

    def open(self, said: Reply) -> tuple[bytes, float] | None:
        """Return an answer's body and age; None where there is none, or none that can be opened."""
        stamp, sealed = said.answer[:STAMP], said.answer[STAMP:]
        body = self.seal.open(sealed, self.name + stamp.decode("latin-1")) if stamp else None
        return None if body is None else (body, said.span)


@define
class Waiter:
    """Who stands in the line, and when to ask whether it is his turn."""

    number: str
    question: str
    look_at: float = 0.0
    _news: asyncio.Event = field(factory=asyncio.Event)

    def look(self, within: float) -> None:
        """Ask again in so many seconds at the latest."""
        self.look_at = min(self.look_at, now() + within)
        self._news.set()

    async def wait(self) -> None:
        """Wait until it is time to ask."""
        while (left := self.look_at - now()) > 0:
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._news.wait()


@define
class Lease:
    """A turn that Redis has given for a while; without a fence, one that a process has given itself."""

    pace: Pace
    begun: Moment
    lease: float = float("inf")
    ticket: str = ""
    fence: str = ""
    ahead: float = 0.0
    """Seconds by which the server's clock is ahead of the loop's."""
    departed: float | None = None
    slowed: float = 0.0

    async def depart(self) -> None:
        """Let the interval run from now, unless somebody else may have the turn by now."""
        if self.begun.age(now) >= self.lease:
            raise TurnLost
        await self.pace.depart()
        self.departed = now()

    async def rest(self, seconds: float, reason: RateLimited | Blocked) -> None:
        """Give nobody a turn for so many seconds."""
        await self.pace.rest(seconds, reason)

    async def slow_down(self) -> None:
        """Double the spacing, for all who share the budget."""
        await self.pace.slow_down()
        self.slowed = self.pace.spacing


def reason_of(why: str, origin: str, seconds: float) -> RateLimited | Blocked:
    """Return what began a rest, as far as others are told: not the answer, which may have been a user's."""
    kind, _, status = why.partition(" ")
    said = f"{origin}: {why}: another process that shares the budget was told to rest for {seconds:.0f} s"
    make = Blocked if kind == Blocked.__name__ else RateLimited
    error = make(said, status=int(status) if status.isdecimal() else 429, url=origin, body="", headers={})
    error.retry_after = seconds
    return error


def now() -> float:
    """Return the time by the running loop's clock."""
    return asyncio.get_running_loop().time()
