"""The session: a call's way from the question to the record."""

import logging
from asyncio import (
    AbstractEventLoop,
    Event,
    get_running_loop,
    run_coroutine_threadsafe,
    timeout,
    wait,
    wrap_future,
)
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from time import time
from typing import Any, TypeVar, cast

from .._arguments import check_max_wait, check_seconds
from .._call import PUBLIC, Call
from .._decode.decode import decode
from .._receipt import Receipt
from .._wire.answer import Answer
from .._wire.wire import Wire
from ..errors import Blocked, ClientClosed, DecodeError, QueueTimeout, RateLimited
from .budget.base import Budget, Turn, Wish
from .cache import Cache, Moment
from .retry import retry
from .singleflight import Flight, SingleFlight
from .tally import Tally

__all__ = ["Session"]

T = TypeVar("T")

_LOGGER = logging.getLogger("bitminter_async")
_TRUSTED_FOR = 60.0  # seconds
_CLOSING = 5.0  # seconds
_MAX_URL = 150  # of a log line; a user's name may take thousands
_CLOSED_MEANWHILE = "this client was closed while the call waited"


class Session:
    """Takes a call past cache, single flight, retry and budget to the wire, and its answer back.

    Args:
        wire: What sends a call.
        budget: What gives the turns to send it.
        max_age: Seconds that an answer may be old where the caller does not say.
        attempts: How often a call is tried.
        max_wait: The longest, in seconds, that a call waits for a turn where the caller does not say; None: no matter.
    """

    def __init__(
        self, wire: Wire, budget: Budget, *, max_age: float, attempts: int, max_wait: float | None = None
    ) -> None:
        self._wire = wire
        self._max_age = max_age
        self._attempts = attempts
        self._max_wait = max_wait
        self._budget = budget
        self._tally = Tally()
        self._loop: AbstractEventLoop | None = None
        self._closed = Event()
        # A 403 to a key may mean either: a public call tells. It is not asked again for a while, or a key without the
        # permission would double the requests.
        self._may_be_blocked = False
        self._trusted_until = float("-inf")

    def bind(self) -> None:
        """Take the running loop for this client's, or raise RuntimeError if it has another, or none runs."""
        try:
            loop = get_running_loop()
        except RuntimeError:
            raise RuntimeError("bitminter_async needs asyncio, and no asyncio event loop runs here") from None
        if self._loop is None:
            self._loop = loop
            self._now = loop.time
            self._cache = Cache(loop.time, self._max_age)
            self._flight = SingleFlight(loop.time)
            self._budget.bind()
        elif loop is not self._loop:
            raise RuntimeError("this client was first used on another event loop: make one client for each loop")

    async def get(
        self,
        call: Call[T],
        max_age: float | None = None,
        max_wait: float | None = None,
        *,
        attempts: int | None = None,
    ) -> T:
        """Return the answer to `call`, at most `max_age` seconds old, unless its turn is more than `max_wait` away.

        A call is tried `attempts` times, or as often as the session does; one that joins another, as often as that.

        Raises:
            BitminterError: See `errors`.
            ValueError: `max_age` or `max_wait` is negative or not a number.
            TypeError: `max_age` or `max_wait` is not a number at all.
            RuntimeError: The client was first used on another event loop.
        """
        if self._closed.is_set():
            raise ClientClosed("this client is closed")
        if self._loop is None or self._loop is not get_running_loop():
            self.bind()
        if max_age is None:
            max_age = self._max_age
        else:
            check_seconds("max_age", max_age)
        max_wait = self._max_wait if max_wait is None else check_max_wait(max_wait)
        if (record := self._cache.get(call, max_age)) is not None:
            self._tally.cached += 1
            return cast("T", record)
        self._tally.asked += 1
        self._wire.check_key(call)
        if max_wait is not None:
            self._check_wait(call, max_age, max_wait)
        ask = partial(self._ask, call, max_age, attempts or self._attempts)
        return await self._flight.run(call, max_age, ask, max_wait)

    def _check_wait(self, call: Call[Any], max_age: float, max_wait: float) -> None:
        """Raise QueueTimeout if a call is sure to wait longer than it may: there is no use in waiting till then."""
        flight = self._flight.find(call, max_age)
        wish = flight.wish if flight else None
        if flight and not wish:
            return  # its turn has come, or it will queue again, and be told then
        _, seconds = self._budget.outlook(wish)
        if seconds > max_wait:
            raise self._too_late(max_wait, wish)

    def _too_late(self, max_wait: float, wish: Wish[Any] | None) -> QueueTimeout:
        place, seconds = self._budget.outlook(wish)
        # Of a line outside of this process little is known: it may have waited in vain for what looked near.
        why = f"its turn is {seconds:.1f} s away or more" if seconds > max_wait else "others have theirs before it"
        return QueueTimeout(
            f"not sent: it was to wait {max_wait:g} s at most, and at place {place} in the line {why}", place=place
        )

    async def sleep(self, seconds: float) -> None:
        """Wait so long, or until the session is closed, which ends the wait with ClientClosed."""
        with suppress(TimeoutError):
            async with timeout(seconds):
                await self._closed.wait()
        if self._closed.is_set():
            raise ClientClosed(_CLOSED_MEANWHILE)

    async def _ask(self, call: Call[T], max_age: float, attempts: int, flight: Flight) -> T:
        attempt = partial(self._attempt, call, max_age, flight)
        return await retry(attempt, attempts, flight, self._budget, self._tally)

    async def _attempt(self, call: Call[T], max_age: float, flight: Flight) -> T:
        self._wire.open()
        if call.keyed and self._may_be_blocked:
            await self._exchange(PUBLIC, 0.0, flight)  # in a turn of its own; it raises if the client is blocked
            self._trusted_until = self._now() + _TRUSTED_FOR
            flight.left = None
        answer, asked = await self._exchange(call, max_age, flight)
        record = decode(answer, call.kind, call.expected)
        self._cache.put(call, record, asked, len(answer.body))
        return record

    async def _exchange(self, call: Call[Any], max_age: float, flight: Flight) -> tuple[Answer, Moment]:
        """Exchange the call, in a turn, for an answer and the moment at which it was asked."""
        key = self._wire.key if call.keyed else None
        wish = Wish(call, max_age, key, partial(self._pack, call), partial(self._unpack, call))
        flight.wait_for_turn(wish, self._too_late)
        answer, asked = await self._budget.fetch(wish, partial(self._send, call, flight, self._now()))
        if error := answer.error:
            raise error
        return answer, asked

    def _pack(self, call: Call[Any], fetched: tuple[Answer, Moment]) -> bytes | None:
        answer, _ = fetched
        try:
            if answer.error or answer.rest:
                return None
            decode(answer, call.kind, call.expected)  # what cannot be read is nothing to hand on
        except DecodeError:
            return None
        return answer.body

    def _unpack(self, call: Call[Any], body: bytes, age: float) -> tuple[Answer, Moment]:
        return self._wire.answer(call, body), Moment(self._now() - age, time() - age)

    async def _send(self, call: Call[Any], flight: Flight, queued: float, turn: Turn) -> tuple[Answer, Moment]:
        flight.begin_turn()
        begun = Moment.now(self._now)
        waited = begun.loop - queued
        self._tally.longest_wait = max(self._tally.longest_wait, waited)
        departures: dict[int, Moment] = {}
        outcome: object = "cancelled"

        async def depart(number: int) -> None:
            left = Moment.now(self._now)
            await turn.depart()
            flight.left = departures[number] = left

        try:
            answer = await self._wire.send(call, depart)
            outcome = answer.status
        except Exception as exc:
            outcome = type(exc).__name__
            raise
        finally:
            for departure in departures.values():
                self._tally.sent(departure.loop)
            if _LOGGER.isEnabledFor(logging.DEBUG):
                url, spent = self._wire.url(call)[:_MAX_URL], self._now() - begun.loop
                _LOGGER.debug("GET %s: %s in %.3f s, its turn came after %.3f s", url, outcome, spent, waited)
        await self._rest_or_slow_down(answer, turn)
        return answer, flight.left or begun

    async def _rest_or_slow_down(self, answer: Answer, turn: Turn) -> None:
        """Do what an answer asks for, be its body whole or not; and note what it says of a block."""
        if seconds := answer.rest:
            error = answer.error
            if not isinstance(error, RateLimited | Blocked):
                error = answer.as_error(RateLimited, answer.plea)
            await turn.rest(seconds, error)
            level = logging.WARNING if isinstance(error, Blocked) else logging.INFO
            _LOGGER.log(level, "resting for %.0f s: %s", seconds, error.summary)
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS and (seconds or 0.0) < self._budget.slowed_spacing:
            await turn.slow_down()
            _LOGGER.info("requests are now %.1f s apart: GET %s: 429", self._budget.spacing, answer.url[:_MAX_URL])
        if not answer.keyed:
            self._may_be_blocked = False  # or it rests by now
        elif answer.status == HTTPStatus.FORBIDDEN and self._now() > self._trusted_until:
            self._may_be_blocked = True

    @property
    def receipt(self) -> Receipt:
        """How polite this session has been."""
        return self._tally.receipt(
            joined=self._flight.joined if self._loop else 0,
            budget=self._budget,
            bytes_received=self._wire.bytes_received,
        )

    async def aclose(self) -> None:
        """End what waits or is under way with ClientClosed, and close the wire. Closing twice is fine.

        On another loop than its own it raises nothing, and closes what it can.
        """
        if self._loop is None:
            self.bind()
        elif self._loop is not get_running_loop():
            await self._close_from_another_loop(self._loop)
            return
        self._closed.set()
        try:
            await self._flight.aclose(ClientClosed(_CLOSED_MEANWHILE))
            await self._budget.aclose()
        finally:
            await self._wire.aclose()

    async def _close_from_another_loop(self, loop: AbstractEventLoop) -> None:
        if loop.is_running():  # in another thread
            closed, _ = await wait([wrap_future(run_coroutine_threadsafe(self.aclose(), loop))], timeout=_CLOSING)
            if closed:  # else that loop was just about to end
                return
        with suppress(RuntimeError):  # whoever sleeps on a loop that was closed under him cannot be woken
            self._closed.set()
        await self._wire.aclose()
