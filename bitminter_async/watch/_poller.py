"""Looks: asking again and again, at steady times and through outages."""

import logging
from asyncio import CancelledError, get_running_loop
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

from .._arguments import check_seconds
from .._call import Call
from .._session.session import Session
from ..errors import (
    BadRequest,
    BitminterError,
    ClientClosed,
    DecodeError,
    Forbidden,
    KeyRefused,
    NotFound,
    Unauthorized,
)

__all__ = ["Looks"]

T = TypeVar("T")

_LOGGER = logging.getLogger("bitminter_async")
_FINAL = (BadRequest, ClientClosed, Forbidden, KeyRefused, NotFound, Unauthorized)  # asking again would not mend it
_PUBLIC = Call("pool/workers", int)
_MANY_CUTS = 3


class Looks:
    """When a stream looks, and what it does while looks fail.

    It asks as the session does, but takes an answer up to half of `every` old, so that streams and calls share; and in
    an outage it tries each call once, since the next look tries again.

    Args:
        session: What is asked.
        what: What the stream watches, for the log.
        every: Seconds from look to look.
        is_side: Whether other looks of the same stream tell of it when the pool does not answer.

    Raises:
        ValueError: `every` is not a finite number above 0.
        TypeError: `every` is not a number at all.
    """

    def __init__(self, session: Session, what: str, every: float, *, is_side: bool = False) -> None:
        check_seconds("every", every, above_zero=True)
        self._session = session
        self._what = what
        self._is_side = is_side
        self._every = every
        self._due: float | None = None
        self._failing_since: float | None = None
        self._is_down = False
        self._has_seen = False
        self._cut = 0  # looks in a row that were cancelled

    async def get(self, call: Call[T], max_age: float | None = None) -> T:
        """Return the answer to `call`, at most `max_age` seconds old; None means half of `every`."""
        age = self._every / 2 if max_age is None else max_age
        return await self._session.get(call, age, 1 if self._is_down else None)

    @property
    def is_due(self) -> bool:
        """Whether it is time for the next look."""
        return self._due is not None and _now() >= self._due

    async def look(self, ask: Callable[[], Awaitable[T]], *, at_once: bool = False) -> T | None:
        """Wait until it is time, then ask as `attempt` does; `at_once` spares the wait if the last was answered."""
        if at_once and self._failing_since is None and not self._cut:
            return await self.attempt(ask)
        due = _now() if self._due is None else self._due
        if due > _now():
            await self._session.sleep(due - _now())
        began = _now()
        # From look to look without drift: times stay on one grid. A look that comes late is made at once, and what was
        # missed meanwhile is not made up for; neither is one that is cut short, or a timeout would make it rude.
        self._due = began + self._every - max(0.0, began - due) % self._every
        return await self.attempt(ask)

    async def attempt(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """Ask, and return what was seen, or None if that failed and may pass.

        Raises:
            BitminterError: It failed in a way that asking again would not mend.
        """
        began = _now()
        try:
            seen = await ask()
        except CancelledError:
            self._cut += 1
            self._is_down = True  # for all that is known; the next look is over sooner, whether it is so or not
            if self._cut == _MANY_CUTS:
                _LOGGER.warning("watching %s: %d looks in a row were cancelled before an answer", self._what, self._cut)
            raise
        except BitminterError as error:
            if isinstance(error, _FINAL) and not await self._is_shut_out(error):
                raise
            self._cut = 0
            self._fail(began, error)
        else:
            self._cut = 0
            self._is_down = False
            self._has_seen = True
            self._recover()
            return seen
        return None

    async def _is_shut_out(self, error: BitminterError) -> bool:
        """Tell whether a 403 to a key that was good until now means a block: then a public call is refused as well."""
        if not isinstance(error, Forbidden) or error.status != HTTPStatus.FORBIDDEN or not self._has_seen:
            return False
        try:
            await self._session.get(_PUBLIC, 0.0, 1)
        except ClientClosed:
            raise
        except BitminterError:
            return True
        return False

    def _fail(self, began: float, error: BitminterError) -> None:
        self._is_down = True
        if self._failing_since is None and (not self._is_side or isinstance(error, DecodeError)):
            self._failing_since = began
            _LOGGER.warning(
                "watching %s: an outage begins, looking again every %g s: %s", self._what, self._every, error.summary
            )

    def _recover(self) -> None:
        if self._failing_since is not None:
            _LOGGER.info("watching %s: the outage is over after %.0f s", self._what, _now() - self._failing_since)
            self._failing_since = None


def _now() -> float:
    return get_running_loop().time()
