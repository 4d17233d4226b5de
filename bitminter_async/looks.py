"""Looks: asking the same again and again, at steady times and through outages."""

import logging
from asyncio import get_running_loop
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .arguments import check_seconds
from .errors import BadRequest, BitminterError, ClientClosed, Forbidden, KeyRefused, NotFound, Unauthorized
from .session import Session, in_short
from .wire import Call

__all__ = ["Looks"]

T = TypeVar("T")

_LOGGER = logging.getLogger("bitminter_async")
_FINAL = (BadRequest, ClientClosed, Forbidden, KeyRefused, NotFound, Unauthorized)  # asking again would not mend it


class Looks:
    """When a stream looks, and what it does while looks fail.

    It asks as the session does, but takes an answer up to half of `every` old, so that streams and calls share; and in
    an outage it tries each call once, since the next look tries again.

    Args:
        session: What is asked.
        what: What the stream watches, for the log.
        every: Seconds from look to look.

    Raises:
        ValueError: `every` is not a finite number above 0.
        TypeError: `every` is not a number at all.
    """

    def __init__(self, session: Session, what: str, every: float) -> None:
        check_seconds("every", every, above_zero=True)
        self._session = session
        self._what = what
        self._every = every
        self._due: float | None = None
        self._failing_since: float | None = None
        self._is_down = False

    async def get(self, call: Call, kind: type[T], max_age: float | None = None) -> T:
        """Return the answer to `call` as a `kind`, at most `max_age` seconds old; None means half of `every`."""
        age = self._every / 2 if max_age is None else max_age
        record = await self._session.get(call, kind, age, 1 if self._is_down else None)
        self._is_down = False
        return record

    async def next(self, look: Callable[[], Awaitable[T]]) -> T:
        """Wait until it is time, look, and return what was seen; where that fails, look again, `every` later.

        Raises:
            BitminterError: The look failed in a way that no further look would mend.
        """
        while True:
            await self._until_due()
            began = _now()
            try:
                seen = await look()
            except _FINAL:
                raise
            except BitminterError as error:
                self._fail(began, error)
            else:
                self._recover()
                return seen

    async def _until_due(self) -> None:
        now = _now()
        due = now if self._due is None else self._due
        if due > now:
            await self._session.sleep(due - now)
        # From look to look without drift: the times stay on one grid. A look that comes late is made at once, and what
        # was missed meanwhile is not made up for.
        self._due = due + self._every * (max(0.0, _now() - due) // self._every + 1)

    def _fail(self, began: float, error: BitminterError) -> None:
        self._is_down = True
        if self._failing_since is None:
            self._failing_since = began
            _LOGGER.warning(
                "watching %s: an outage begins, looking again every %g s: %s", self._what, self._every, in_short(error)
            )

    def _recover(self) -> None:
        if self._failing_since is not None:
            _LOGGER.info("watching %s: the outage is over after %.0f s", self._what, _now() - self._failing_since)
            self._failing_since = None


def _now() -> float:
    return get_running_loop().time()
