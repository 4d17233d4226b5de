"""Requests that many wait for, and that end when the test says so."""

import asyncio
import gc
from functools import partial
from typing import Any

from attrs import define, field

from bitminter_async._session.cache import Moment
from bitminter_async._session.singleflight import Flight, SingleFlight
from tests.support.clock import now


class BadError(Exception):
    """What a request may fail with."""


@define
class HeldRequests:
    """A single flight whose requests are held until the test ends them."""

    single_flight: SingleFlight = field(factory=lambda: SingleFlight(now))
    flights: dict[str, list[Flight]] = field(factory=dict[str, list[Flight]])
    requests: dict[str, list[asyncio.Future[Any]]] = field(factory=dict[str, list[asyncio.Future[Any]]])
    ended: list[str] = field(factory=list[str])
    complaints: list[dict[str, Any]] = field(factory=list[dict[str, Any]])

    async def ask(self, question: str, flight: Flight) -> Any:
        """Ask, and wait for `finish`."""
        self.flights.setdefault(question, []).append(flight)
        request = asyncio.get_running_loop().create_future()
        self.requests.setdefault(question, []).append(request)
        try:
            return await request
        finally:
            self.ended.append(question)

    def join(self, question: str = "q", max_age: float = 30.0) -> asyncio.Task[Any]:
        """Let somebody new wait for the answer."""
        return asyncio.ensure_future(self.single_flight.run(question, max_age, partial(self.ask, question)))

    def leave(self, question: str = "q") -> None:
        """Let the latest request leave, as the session does in its turn."""
        self.flights[question][-1].left = Moment.now(now)

    def has(self, question: str = "q") -> bool:
        """Whether a request is under way that somebody new may join."""
        return question in self.single_flight._newest

    def finish(self, outcome: Any, question: str = "q") -> None:
        """End the latest request with this answer or error."""
        request = self.requests[question][-1]
        if isinstance(outcome, BaseException):
            request.set_exception(outcome)
        else:
            request.set_result(outcome)

    def is_clear(self) -> bool:
        """Whether nothing is left: no task but the test's own, and nothing that asyncio complains of."""
        gc.collect()
        return (asyncio.all_tasks(), self.complaints) == ({asyncio.current_task()}, [])


async def settle() -> None:
    """Let everything happen that can."""
    await asyncio.sleep(0.001)


async def outcomes(waiters: list[asyncio.Task[Any]]) -> list[Any]:
    """What came of each: the answer, or the exception."""
    return await asyncio.gather(*waiters, return_exceptions=True)
