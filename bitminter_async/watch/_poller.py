"""The poller: asks again and again, at steady times and through outages."""

import logging
from asyncio import CancelledError, get_running_loop
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from math import inf
from typing import TypeVar

from attrs import define

from .._arguments import check_seconds
from .._call import PUBLIC, Call
from .._session.session import Session
from ..errors import BitminterError, Blocked, ClientClosed, DecodeError, Forbidden, KeyRefused, RateLimited, StatusError

__all__ = ["Poller"]

T = TypeVar("T")

_LOGGER = logging.getLogger("bitminter_async")
_PASSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}
_SOON = 0.05  # seconds: less would be printed as 0.0, and the pace takes longer
_MANY_CANCELLED = 3
_MANY_REFUSED = 3


@define
class _Unanswered:
    """The polls since the last answer."""

    cancelled: int = 0
    """How many were cancelled in a row."""
    refused: int = 0
    """How many were refused in a row."""
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
        beside: Whether it asks only beside another poller, which tells of outages and ends the stream. This one tells
            of what is wrong with its own pages alone: they are refused, or cannot be read.
        anew: Whether no answer may be older than this stream, until the first has come: its caller knows what the one
            before it told, and an older answer would take that back.

    Raises:
        ValueError: `every` is not a finite number above 0.
        TypeError: `every` is not a number at all.
    """

    def __init__(self, session: Session, what: str, every: float, *, beside: bool = False, anew: bool = False) -> None:
        check_seconds("every", every, above_zero=True)
        self._session = session
        self._what = what
        self._every = every
        self._beside = beside
        self._anew = anew
        self._due: float | None = None
        self._has_answered = False
        self._unanswered: _Unanswered | None = None

    async def get(
        self,
        call: Call[T],
        max_age: float | None = None,
        max_wait: float | None = None,  # noqa: ARG002  # a stream waits as long as it takes
    ) -> T:
        """Return the answer to `call`, at most `max_age` seconds old; None means half of `every`, or `anew`."""
        if max_age is None:
            max_age = 0.0 if self._anew and not self._has_answered else self._every / 2
        return await self._session.get(call, max_age, inf, attempts=1 if self._unanswered else None)

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
            refused = unanswered.refused + 1 if _is_refusal(error) else 0
            passing = await self._passing(error, refused)
            if passing is None:
                raise
            self._unanswered = unanswered
            unanswered.cancelled = 0
            unanswered.refused = refused if passing is error else 0
            self._live_on(passing, unanswered, began)
            return None
        if unanswered.outage_since is not None:
            spent = _now() - unanswered.outage_since
            _LOGGER.info("watching %s: the outage is over after %.0f s", self._what, spent)
        self._unanswered = None
        self._has_answered = True
        return answer

    async def _passing(self, error: BitminterError, refused: int) -> BitminterError | None:
        """Return what may pass: the error, or the block for which it stands. None: it ends the stream.

        Args:
            error: What a poll ended with.
            refused: How many polls running were refused, with this one.
        """
        if isinstance(error, ClientClosed | KeyRefused):
            return None
        if not refused or self._beside:
            return error
        if self._has_answered:  # where that is a block, the session finds out before the next poll's call
            return error if refused < _MANY_REFUSED else None
        if not isinstance(error, Forbidden) or error.status != HTTPStatus.FORBIDDEN:
            return None
        try:
            await self._session.get(PUBLIC, 0.0, inf, attempts=1)
        except ClientClosed:
            raise
        except BitminterError as block:
            return block
        return None

    def _live_on(self, error: BitminterError, unanswered: _Unanswered, began: float) -> None:
        """Poll again when the client may ask again, and tell of an outage that begins, and of a first refusal."""
        now = _now()
        due = now + self._every if self._due is None else self._due
        if isinstance(error, RateLimited | Blocked) and error.retry_after:
            due = self._due = max(due, now + error.retry_after)
        if unanswered.refused == 1 and not self._beside:
            what = f"refused, which ends the stream if it comes {_MANY_REFUSED} polls running"
        elif unanswered.outage_since is None and (
            not self._beside or unanswered.refused or isinstance(error, DecodeError)
        ):
            what = "an outage begins"
        else:
            return
        if unanswered.outage_since is None:
            unanswered.outage_since = began
        when = f"in {due - now:.1f} s" if due - now > _SOON else "when its turn comes"
        _LOGGER.warning("watching %s: %s, asking again %s: %s", self._what, what, when, error.summary)

    async def _wait(self) -> None:
        due = _now() if self._due is None else self._due
        if due > _now():
            await self._session.sleep(due - _now())
        began = _now()
        # From poll to poll without drift: times stay on one grid. A poll that comes late is made at once, and what was
        # missed meanwhile is not made up for; neither is one that is cut short, or a timeout would make it rude.
        self._due = began + self._every - max(0.0, began - due) % self._every


def _is_refusal(error: BitminterError) -> bool:
    """Tell whether the pool refuses the question itself, which passes only where something in between did so."""
    if not isinstance(error, StatusError) or isinstance(error, RateLimited | Blocked):
        return False
    return isinstance(error, Forbidden) or (  # which an empty 200 is, too
        HTTPStatus.BAD_REQUEST <= error.status < HTTPStatus.INTERNAL_SERVER_ERROR and error.status not in _PASSING
    )


def _now() -> float:
    return get_running_loop().time()
