"""The session: a call's way from the question to the record."""

import copy
import logging
from asyncio import AbstractEventLoop, Event, get_running_loop, timeout
from contextlib import suppress
from functools import partial
from typing import TypeVar, cast

from .._arguments import check_seconds
from .._call import Call
from .._decode.decode import decode
from .._wire.answer import Answer
from .._wire.wire import Wire
from ..errors import BitminterError, Blocked, ClientClosed, RateLimited, StatusError
from .cache import Cache
from .pace import Pace, Resting
from .receipt import Receipt, Tally
from .retry import retry
from .singleflight import SingleFlight

__all__ = ["Session"]

T = TypeVar("T")

_LOGGER = logging.getLogger("bitminter_async")
_CLOSED_MEANWHILE = "this client was closed while the call waited"


class Session:
    """Takes a call past cache, single flight, retry and pace to the wire, and its answer back.

    Args:
        wire: What sends a call.
        interval: Seconds between the starts of two requests.
        max_age: Seconds that an answer may be old where the caller does not say.
        attempts: How often a call is tried.
        patience: The longest rest, in seconds, that is waited out.
    """

    def __init__(self, wire: Wire, *, interval: float, max_age: float, attempts: int, patience: float) -> None:
        self._wire = wire
        self._max_age = max_age
        self._attempts = attempts
        self._pace = Pace(interval, patience)
        self._flight = SingleFlight()
        self._tally = Tally()
        self._loop: AbstractEventLoop | None = None
        self._closed = Event()
        self._rest_error: RateLimited | Blocked | None = None

    def bind(self) -> None:
        """Take the running loop for this client's, or raise RuntimeError if it has another."""
        loop = get_running_loop()
        if self._loop is None:
            self._loop = loop
            self._now = loop.time
            self._cache = Cache(loop.time)
        elif loop is not self._loop:
            raise RuntimeError("this client was first used on another event loop: make one client for each loop")

    async def get(self, call: Call[T], max_age: float | None = None, attempts: int | None = None) -> T:
        """Return the answer to `call`, at most `max_age` seconds old.

        A call is tried `attempts` times, or as often as the session does; one that joins another, as often as that.

        Raises:
            BitminterError: See `errors`.
            ValueError: `max_age` is negative or not a number.
            TypeError: `max_age` is not a number at all.
            RuntimeError: The client was first used on another event loop.
        """
        if self._closed.is_set():
            raise ClientClosed("this client is closed")
        if self._loop is not get_running_loop():
            self.bind()
        if max_age is None:
            max_age = self._max_age
        else:
            check_seconds("max_age", max_age)
        if (record := self._cache.get(call, max_age)) is not None:
            self._tally.cached += 1
            return cast("T", record)
        self._tally.asked += 1
        self._wire.check_key(call)
        if call in self._flight:
            self._tally.joined += 1
        attempt = partial(self._attempt, call)
        return await self._flight.run(
            call, partial(retry, attempt, attempts or self._attempts, self._pace, self._tally)
        )

    async def sleep(self, seconds: float) -> None:
        """Wait so long, or until the session is closed, which ends the wait with ClientClosed."""
        with suppress(TimeoutError):
            async with timeout(seconds):
                await self._closed.wait()
        if self._closed.is_set():
            raise ClientClosed(_CLOSED_MEANWHILE)

    async def _attempt(self, call: Call[T]) -> T:
        self._wire.open()
        queued = self._now()
        try:
            async with self._pace:
                answer, error, asked = await self._exchange(call, self._now() - queued)
        except Resting as rest:
            raise self._still_resting(rest.seconds) from None
        if error:
            raise error
        record = decode(answer, call.kind, call.most)
        self._cache.put(call, record, asked)
        return record

    async def _exchange(self, call: Call[T], waited: float) -> tuple[Answer, StatusError | None, float]:
        turn = self._now()
        departures = [turn]

        async def depart() -> None:
            departures.append(self._now())
            await self._pace.depart()

        self._tally.longest_wait = max(self._tally.longest_wait, waited)
        outcome: object = "cancelled"
        try:
            answer = await self._wire.send(call, depart)
            outcome = answer.status
        except Exception as exc:
            outcome = type(exc).__name__
            raise
        finally:
            if len(departures) > 1:  # else no request left: there was no connection to send it over
                self._tally.sent(departures[-1])
            if _LOGGER.isEnabledFor(logging.DEBUG):
                url, spent = self._wire.url(call), self._now() - turn
                _LOGGER.debug("GET %s: %s in %.3f s, its turn came after %.3f s", url, outcome, spent, waited)
        error = answer.error
        await self._rest_or_slow_down(answer, error)
        return answer, error, departures[-1]

    async def _rest_or_slow_down(self, answer: Answer, error: StatusError | None) -> None:
        """Rest, or slow down, where the answer asks for it."""
        if seconds := answer.rest:
            if not isinstance(error, RateLimited | Blocked):
                error = answer.as_error(RateLimited, "the pool asks for rest")
            self._rest_error = error
            self._pace.rest(seconds)
            level = logging.WARNING if isinstance(error, Blocked) else logging.INFO
            _LOGGER.log(level, "resting for %.0f s: %s", seconds, error.summary)
        elif isinstance(error, RateLimited):
            await self._pace.slow_down()
            _LOGGER.info("requests are now %.1f s apart: %s", self._pace.spacing, error.summary)

    def _still_resting(self, seconds: float) -> BitminterError:
        error = copy.copy(cast("RateLimited | Blocked", self._rest_error))
        error.args = (f"not sent, since the client rests for another {seconds:.1f} s; what began the rest: {error}",)
        error.retry_after = seconds
        return error

    @property
    def receipt(self) -> Receipt:
        """How polite this session has been."""
        return self._tally.receipt(
            rests=self._pace.rests, rested=self._pace.rested, bytes_received=self._wire.bytes_received
        )

    async def aclose(self) -> None:
        """End what waits or is under way with ClientClosed, and close the wire. Closing twice is fine."""
        self.bind()
        self._closed.set()
        try:
            await self._flight.aclose(ClientClosed(_CLOSED_MEANWHILE))
        finally:
            await self._wire.aclose()
