"""Requests that many wait for, and that end when the test says so."""

import asyncio
import gc
from typing import Any

from attrs import define, field

from bitminter_async._session.singleflight import SingleFlight


class BadError(Exception):
    """What a request may fail with."""


@define
class HeldRequests:
    """A single flight whose requests are held until the test ends them."""

    single_flight: SingleFlight = field(factory=SingleFlight)
    requests: dict[str, list[asyncio.Future[Any]]] = field(factory=dict[str, list[asyncio.Future[Any]]])
    ended: list[str] = field(factory=list[str])
    complaints: list[dict[str, Any]] = field(factory=list[dict[str, Any]])

    async def ask(self, question: str) -> Any:
        """Ask, and wait for `finish`."""
        request = asyncio.get_running_loop().create_future()
        self.requests.setdefault(question, []).append(request)
        try:
            return await request
        finally:
            self.ended.append(question)

    def join(self, question: str = "q") -> asyncio.Task[Any]:
        """Let somebody new wait for the answer."""
        return asyncio.ensure_future(self.single_flight.run(question, lambda: self.ask(question)))

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
