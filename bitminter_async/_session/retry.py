"""Retry: trying again what may pass, after a pause of random length."""

import logging
import random
from asyncio import sleep
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import TypeVar

from ..errors import BitminterError, BudgetUnreachable, RateLimited, StatusError, TransportError
from .budget.base import Budget
from .singleflight import Flight
from .tally import Tally

__all__ = ["retry"]

T = TypeVar("T")

_LOGGER = logging.getLogger("bitminter_async")
_RETRIED = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
_FAILED = HTTPStatus.INTERNAL_SERVER_ERROR
_FINAL = {HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED}
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 8.0
_MOST_DOUBLINGS = 4  # beyond which the pause is the longest anyway, and a float overflows in the end


async def retry(attempt: Callable[[], Awaitable[T]], attempts: int, flight: Flight, budget: Budget, tally: Tally) -> T:
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
            is_last = len(failures) >= attempts or not flight.is_wanted
            if is_last or not _may_pass(error) or budget.refusal():
                for number, earlier in enumerate(failures[:-1], 1):
                    error.add_note(f"attempt {number}: {earlier}")
                raise
        # On top of the turn and of a rest: drawn to pass beside them, clients that failed together would come back
        # together, at the turn that they all wait for.
        flight.left = None
        pause = budget.due_in + random.uniform(0.0, _spread(failures))  # noqa: S311  # no secret depends on it
        tally.retried += 1
        _LOGGER.warning(
            "attempt %d of %d failed, the next in %.1f s: %s", len(failures), attempts, pause, failures[-1].summary
        )
        await sleep(pause)


def _may_pass(error: BitminterError) -> bool:
    if isinstance(error, StatusError):
        return error.status in _RETRIED or (error.status >= _FAILED and error.status not in _FINAL)
    # Without the budget nothing is sent, and its outage has been told: who asks decides whether to wait for its end.
    return isinstance(error, TransportError) and not isinstance(error, BudgetUnreachable)


def _spread(failures: Sequence[BitminterError]) -> float:
    """Return the longest pause on top of the turn, in seconds: a tenth of a rest, else ever more up to 8."""
    last = failures[-1]
    if isinstance(last, RateLimited) and last.retry_after:
        return last.retry_after / 10
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(len(failures), _MOST_DOUBLINGS))
