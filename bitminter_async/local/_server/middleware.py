"""What stands before the pool: the operator's log, the block on rude clients, and trouble on demand."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

from httpx import RemoteProtocolError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .clock import Clock
from .keys import KeyIn, carried

_LOGGER = logging.getLogger("bitminter_async.local")
_MINUTE = 60.0
_BLOCKED_FOR = 900.0
_LOGGED = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """One request as the operator saw it."""

    at: float
    """When it arrived, in seconds of the running loop's clock."""
    method: str
    path: str
    """Decoded."""
    params: Mapping[str, str]
    """The query, without the key."""
    key_in: KeyIn | None
    """How it carried a key, right or wrong; None if it carried none."""
    user_agent: str | None
    client: str
    """The address that it came from."""
    in_flight: int
    """How many other requests were being answered when it arrived."""
    status: int | None = None
    """The answer's; None as long as none was begun."""

    @property
    def keyed(self) -> bool:
        """Whether it carried a key, right or wrong."""
        return self.key_in is not None


@dataclass(slots=True, kw_only=True)
class Trouble:
    """What goes wrong with the next requests: they wait, get another answer, or are cut off."""

    times: int
    path: str | None
    seconds: float = 0.0
    answer: Response | None = None
    cut: bool = False

    def strikes(self, path: str) -> bool:
        """Whether it befalls a request to this path; one of its times is spent then."""
        strikes = self.path is None or path.startswith(self.path)
        self.times -= strikes
        return strikes


_NONE = Trouble(times=0, path=None)
_BLOCKED = Trouble(times=0, path=None, answer=Response(status_code=403))


class Gate:
    """The way of every request to the application and back."""

    def __init__(self, app: ASGIApp, clock: Clock, limit: int | None) -> None:
        self.latency = 0.0
        self.failing: list[Trouble] = []
        self.slowing: list[Trouble] = []
        self._app = app
        self._clock = clock
        self._limit = limit
        self._arrivals: dict[str, deque[float]] = {}
        self._blocked_until: dict[str, float] = {}
        self._log: dict[int, LoggedRequest] = {}
        self._count = 0
        self._in_flight = 0

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """The latest 100,000 requests, in order of arrival."""
        return tuple(self._log.values())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        number = self._enter(scope)

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start" and number in self._log:
                self._log[number] = replace(self._log[number], status=message["status"])
            await send(message)

        self._in_flight += 1
        try:
            await self._answer(scope, receive, note)
        finally:
            self._in_flight -= 1

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if self._blocks(_address(scope)):
            slow, failure = _NONE, _BLOCKED
        else:
            slow, failure = _struck(self.slowing, path), _struck(self.failing, path)
        if wait := self.latency + slow.seconds:
            await asyncio.sleep(wait)
        app = failure.answer or self._app
        await app(scope, receive, _cutting(send) if failure.cut else send)

    def _enter(self, scope: Scope) -> int:
        request = Request(scope)
        key_in, _ = carried(request)
        self._count += 1
        self._log[self._count] = LoggedRequest(
            at=self._clock.now(),
            method=request.method,
            path=scope["path"],
            params={name: value for name, value in request.query_params.items() if name != "key"},
            key_in=key_in,
            user_agent=request.headers.get("user-agent"),
            client=_address(scope),
            in_flight=self._in_flight,
        )
        self._log.pop(self._count - _LOGGED, None)
        return self._count

    def _blocks(self, address: str) -> bool:
        """Whether that client is blocked: it was rude within the last 15 minutes, if not just now."""
        if self._limit is None:
            return False
        now = self._clock.elapsed()
        arrivals = self._arrivals.setdefault(address, deque(maxlen=self._limit + 1))
        arrivals.append(now)
        if len(arrivals) > self._limit and now - arrivals[0] < _MINUTE:
            if now >= self._blocked_until.get(address, now):
                _LOGGER.warning("%s is blocked: more than %d requests within a minute", address, self._limit)
            self._blocked_until[address] = now + _BLOCKED_FOR
        return now < self._blocked_until.get(address, now)


def _address(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else "unknown"


def _struck(troubles: list[Trouble], path: str) -> Trouble:
    struck = next((trouble for trouble in troubles if trouble.strikes(path)), _NONE)
    troubles[:] = [trouble for trouble in troubles if trouble.times]
    return struck


def _cutting(send: Send) -> Send:
    """Send the head and half of the body, and then what a client in this process sees of a broken connection."""

    async def cut(message: Message) -> None:
        if message["type"] != "http.response.body":
            return await send(message)
        body = message.get("body", b"")
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        raise RemoteProtocolError("peer closed connection without sending complete message body")

    return cut
