"""What every request passes before the application: the operator's log, the rate limit, and injected faults."""

import asyncio

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .clock import Clock
from .faults import InjectedFault, cut_short, take_fault
from .rate_limit import RateLimit
from .request_log import LoggedRequest, RequestLog

__all__ = ["Middleware"]

_FORBIDDEN = Response(status_code=403)


class Middleware:
    """An ASGI application that logs a request, and lets `app` answer it unless its client is blocked or a fault is due.

    Args:
        app: The application that answers.
        clock: Tells when requests arrive.
        limit: Requests per minute from one address beyond which it is blocked; None blocks nobody.
    """

    def __init__(self, app: ASGIApp, clock: Clock, limit: int | None) -> None:
        self.latency = 0.0
        self.delays: list[InjectedFault] = []
        self.failures: list[InjectedFault] = []
        self._app = app
        self._log = RequestLog(clock)
        self._rate_limit = RateLimit(clock, limit)
        self._in_flight = 0

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """The latest 100,000 requests, in order of arrival."""
        return self._log.requests

    def lift_blocks(self) -> None:
        """Let every client ask again."""
        self._rate_limit.lift()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        address = scope["client"][0] if scope.get("client") else "unknown"
        number = self._log.add(scope, address, self._in_flight)

        async def send_and_log(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._log.set_status(number, message["status"])
            await send(message)

        self._in_flight += 1
        try:
            await self._answer(address, scope, receive, send_and_log)
        finally:
            self._in_flight -= 1

    async def _answer(self, address: str, scope: Scope, receive: Receive, send: Send) -> None:
        app, wait = self._app, self.latency
        self._rate_limit.count(address)
        if self._rate_limit.is_blocked(address):
            app = _FORBIDDEN
        else:
            if delay := take_fault(self.delays, scope["path"]):
                wait += delay.seconds
            if failure := take_fault(self.failures, scope["path"]):
                app = failure.answer or app
                send = cut_short(send) if failure.cut else send
        if wait:
            await asyncio.sleep(wait)
        await app(scope, receive, send)
