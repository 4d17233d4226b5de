"""Retry: trying again what may pass, after a pause of random length."""

import logging
import random
from asyncio import sleep
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from ..errors import BitminterError, RateLimited, StatusError, TransportError
from .pace import Pace
from .receipt import Tally

__all__ = ["retry"]

T = TypeVar("T")

_LOGGER = logging.getLogger("bitminter_async")
_RETRIED_STATUSES = {429, 500, 502, 503, 504}
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 8.0


async def retry(attempt: Callable[[], Awaitable[T]], attempts: int, pace: Pace, tally: Tally) -> T:
    """Return what `attempt` does, which is made up to `attempts` times while it fails in a way that may pass.

    Raises:
        BitminterError: What the last attempt raised, with a note for each before it.
    """
    failures: list[BitminterError] = []
    while True:
        try:
            return await attempt()
        except BitminterError as error:
            failures.append(error)
            if len(failures) >= attempts or not _may_pass(error) or pace.refused_for:
                for number, earlier in enumerate(failures[:-1], 1):
                    error.add_note(f"attempt {number}: {earlier}")
                raise
        pause = _pause(failures)
        tally.retried += 1
        _LOGGER.warning(
            "attempt %d of %d failed, the next in %.1f s: %s", len(failures), attempts, pause, failures[-1].summary
        )
        await sleep(pause)


def _may_pass(error: BitminterError) -> bool:
    return isinstance(error, TransportError) or (isinstance(error, StatusError) and error.status in _RETRIED_STATUSES)


def _pause(failures: Sequence[BitminterError]) -> float:
    """Return the seconds until the next attempt, drawn so that clients which failed together come back apart."""
    is_resting = isinstance(failures[-1], RateLimited) and failures[-1].retry_after  # which holds the turn anyway
    longest = 0.0 if is_resting else min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** len(failures))
    return random.uniform(0.0, longest)  # noqa: S311  # no secret depends on it
