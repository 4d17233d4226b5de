"""The connection under an exchange: when a request leaves on it, and that nothing lies there which it did not ask for.

A server that writes two answers to one question would have the second one read as the answer to the next: another
user's balance. So a connection is closed where anything came beyond an answer, or before a question. What comes later
than that, when the next question has left, cannot be told from its answer; then `_decode/fit.py` is what is left.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, cast

import httpx

__all__ = ["NetworkStream", "Trace", "UnaskedError", "close_if_unclean", "is_unanswered"]

_STEPS = 6  # of the loop: what has arrived is handed up by the socket, TLS and httpcore in four


class UnaskedError(httpx.RemoteProtocolError):
    """Something, be it the end, came on a connection before a question."""


def is_unanswered(exc: Exception) -> bool:
    """Tell whether a connection failed before anything of an answer came, as one does that the server has closed."""
    silent = isinstance(exc, httpx.RemoteProtocolError) and "without sending a response" in str(exc)
    return silent or isinstance(exc, UnaskedError | httpx.NetworkError)


class NetworkStream(Protocol):
    """What httpcore reads from and writes to, as it gives it to traces and in a response's extensions."""

    async def read(self, max_bytes: int) -> bytes:
        """Wait for something to come, and return it; b"" at the end."""
        ...

    async def aclose(self) -> None:
        """Close it."""
        ...


class Trace:
    """What httpcore calls as a request goes on its way (its `trace` extension).

    Args:
        on_departure: Awaited when the request's headers are about to leave.
        stream: The stream of the connection that was used last.
    """

    def __init__(self, on_departure: Callable[[], Awaitable[None]], stream: NetworkStream | None) -> None:
        self._on_departure = on_departure
        self._is_new = False
        self.stream = stream
        self.has_left = False

    @property
    def is_reused(self) -> bool:
        """Whether the request has left on a connection that has been used before."""
        return self.has_left and not self._is_new

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        """Take notice of an event."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self.stream = info["return_value"]
            self._is_new = True
        elif event.endswith(".send_request_headers.started") and info["request"].method != b"CONNECT":
            self.has_left = True
            if self.stream and event.startswith("http11.") and await _has_unread(self.stream):
                raise UnaskedError("the server closed the connection, or spoke, before it was asked")
            await self._on_departure()


async def _has_unread(stream: NetworkStream) -> bool:
    """Tell whether anything has come, be it the end, without waiting for it."""
    read = asyncio.ensure_future(stream.read(1))
    try:
        for _ in range(_STEPS):
            await asyncio.sleep(0)
            if read.done():
                break
    finally:
        read.cancel()
        await asyncio.wait({read})
    if read.cancelled():
        return False
    read.exception()  # it is as good as the end; asyncio complains of one that nobody looks at
    return True


async def close_if_unclean(response: httpx.Response) -> None:
    """Close an answer's connection, if it speaks HTTP/1, unless it is known that nothing came beyond the answer."""
    if response.extensions.get("http_version") != b"HTTP/2" and _has_trailing(response):
        stream: NetworkStream = response.extensions["network_stream"]
        await stream.aclose()


def _has_trailing(response: httpx.Response) -> bool:
    try:
        # No public way leads to what h11 has read beyond the answer. Should this one change, no connection is reused.
        connection = cast("Any", response.stream)._httpcore_stream._stream._connection  # noqa: SLF001
        trailing, _ = connection._h11_state.trailing_data  # noqa: SLF001
    except AttributeError:
        return True
    return bool(trailing)
