"""The poller: asks again and again, at steady times and through outages."""

import logging
from asyncio import CancelledError, get_running_loop
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

from attrs import define

from .._arguments import check_seconds
from .._call import PUBLIC, Call
from .._session.session import Session
from ..errors import BadRequest, BitminterError, ClientClosed, Forbidden, KeyRefused, NotFound, Unauthorized

__all__ = ["Poller"]

T = TypeVar("T")

_LOGGER = logging.getLogger("bitminter_async")
_FINAL = (BadRequest, ClientClosed, Forbidden, KeyRefused, NotFound, Unauthorized)  # asking again would not mend it
_MANY_CANCELLED = 3


@define
class _Unanswered:
    """The polls since the last answer."""

    cancelled: int = 0
    """How many were cancelled in a row."""
    outage_since: float | None = None
    """When the first began that the log has told of as an outage."""


class Poller:
    """When a stream polls, and what it does while its polls fail.

    It asks as the session does, but takes an answer up to half of `every` old, so that streams and calls share; and in
    an outage it tries each call once, since the next poll tries again.

    Args:
        session: What is asked.
        what: What the stream watches, for the log.
        every: Seconds from poll to poll.
        tells: The errors of which the log tells as an outage; of others another poller tells.

    Raises:
        ValueError: `every` is not a finite number above 0.
        TypeError: `every` is not a number at all.
    """

    def __init__(
        self, session: Session, what: str, every: float, *, tells: type[BitminterError] = BitminterError
    ) -> None:
        check_seconds("every", every, above_zero=True)
        self._session = session
        self._what = what
        self._every = every
        self._tells = tells
        self._due: float | None = None
        self._has_answered = False
        self._unanswered: _Unanswered | None = None

    async def get(self, call: Call[T], max_age: float | None = None) -> T:
        """Return the answer to `call`, at most `max_age` seconds old; None means half of `every`."""
        age = self._every / 2 if max_age is None else max_age
        return await self._session.get(call, age, 1 if self._unanswered else None)

    @property
    def is_due(self) -> bool:
        """Whether it is time for the next poll."""
        return self._due is not None and _now() >= self._due

    async def poll(self, ask: Callable[[], Awaitable[T]], *, at_once: bool = False) -> T | None:
        """Wait until it is time, then ask as `attempt` does; `at_once` spares the wait if the last was answered."""
        if self._unanswered or not at_once:
            await self._wait()
        return await self.attempt(ask)

    async def attempt(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """Ask, and return what came, or None if that failed and may pass.

        Raises:
            BitminterError: It failed in a way that asking again would not mend.
        """
        began = _now()
        unanswered = self._unanswered or _Unanswered()
        try:
            answer = await ask()
        except CancelledError:
            self._unanswered = unanswered  # the pool may be down: the next poll tries once, and is over the sooner
            unanswered.cancelled += 1
            if unanswered.cancelled == _MANY_CANCELLED:
                _LOGGER.warning(
                    "watching %s: %d polls in a row were cancelled before an answer", self._what, _MANY_CANCELLED
                )
            raise
        except BitminterError as error:
            if isinstance(error, _FINAL) and not await self._is_blocked(error):
                raise
            self._unanswered = unanswered
            unanswered.cancelled = 0
            if unanswered.outage_since is None and isinstance(error, self._tells):
                unanswered.outage_since = began
                _LOGGER.warning(
                    "watching %s: an outage begins, asking again every %g s: %s", self._what, self._every, error.summary
                )
            return None
        if unanswered.outage_since is not None:
            spent = _now() - unanswered.outage_since
            _LOGGER.info("watching %s: the outage is over after %.0f s", self._what, spent)
        self._unanswered = None
        self._has_answered = True
        return answer

    async def _wait(self) -> None:
        due = _now() if self._due is None else self._due
        if due > _now():
            await self._session.sleep(due - _now())
        began = _now()
        # From poll to poll without drift: times stay on one grid. A poll that comes late is made at once, and what was
        # missed meanwhile is not made up for; neither is one that is cut short, or a timeout would make it rude.
        self._due = began + self._every - max(0.0, began - due) % self._every

    async def _is_blocked(self, error: BitminterError) -> bool:
        """Tell whether a 403 to a key that was good until now means a block: then a public call is refused as well."""
        if not isinstance(error, Forbidden) or error.status != HTTPStatus.FORBIDDEN or not self._has_answered:
            return False
        try:
            await self._session.get(PUBLIC, 0.0, 1)
        except ClientClosed:
            raise
        except BitminterError:
            return True
        return False


def _now() -> float:
    return get_running_loop().time()
