"""The wire: one request out, one answer back."""

import asyncio
import ssl
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache, lru_cache, partial
from typing import Any, cast
from urllib.parse import quote
from weakref import finalize

import httpx

from .._call import Call
from ..errors import KeyRefused, RequestTimeout, TransportError
from .address import as_proxy, base_url_of, find_proxy, is_loopback, without_user_info
from .answer import Answer, printable
from .body import Received
from .connection import NetworkStream, Trace, close_if_unclean, is_unanswered
from .key import ApiKey, KeyPlace, Mask, refusal

__all__ = ["DEFAULT_URL", "Wire"]

DEFAULT_URL = "https://bitminter.com"

_NO_BODY = httpx.ByteStream(b"")
_SHOWN = 200


class Wire:
    """Sends one call at a time as an HTTP request and brings back its answer.

    The key is put on a request just before the transport gets it, so that none that anyone else holds carries it. What
    leaves here, errors included, names no exception of httpx and shows no key.
    """

    def __init__(
        self,
        base_url: str | None,
        *,
        api_key: ApiKey | None,
        key_in: KeyPlace,
        timeout: float,
        user_agent: str,
        allow_plain_http: bool,
        proxy: str | None,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        self._url = base_url_of(DEFAULT_URL if base_url is None else base_url)
        self._proxy = None if proxy is None else as_proxy("proxy", proxy)
        _check_transport(transport)
        self._transport = transport
        self._owns_transport = transport is None
        self._must_replace = False
        self._stream: NetworkStream | None = None
        self._key = api_key
        self._key_in: KeyPlace = key_in
        self._refusal = refusal(
            str(self._url),
            is_chosen=base_url is not None,
            is_private=self._url.scheme == "https" or is_loopback(self._url.host) or allow_plain_http,
        )
        self._hint = "" if base_url else "; the pool there is closed: set BITMINTER_URL, or pass base_url"
        self._way = ""  # a proxy on it, for errors
        self._timeout = timeout
        self._headers = httpx.Headers(
            {
                b"Host": self._url.netloc,
                b"Accept": b"application/json",
                b"Accept-Encoding": b"gzip",
                b"Connection": b"keep-alive",
                b"User-Agent": user_agent.encode(),
            }
        )
        self._urls = lru_cache(maxsize=128)(self._make_url)  # parsing a URL is half of what a request costs
        self.mask = Mask(api_key)
        self.mask.filter_logs()
        self._unfilter_logs = finalize(self, self.mask.unfilter_logs)  # also where nobody closes the client
        self.bytes_received = 0

    @property
    def is_open(self) -> bool:
        """Whether a transport that this wire made is open."""
        return self._owns_transport and self._transport is not None

    @property
    def origin(self) -> str:
        """Whom it asks: scheme, host and port. Paths below one host are one server, which sees one address."""
        return f"{self._url.scheme}://{self._url.netloc.decode()}"

    @property
    def base_url(self) -> str:
        """Where the pool is: the origin, and a path prefix where there is one."""
        return str(self._url)

    @property
    def is_private(self) -> bool:
        """Whether it asks this very machine, or over a transport that was passed in."""
        return not self._owns_transport or is_loopback(self._url.host)

    @property
    def key(self) -> ApiKey | None:
        """The key that this wire puts on keyed calls."""
        return self._key

    def check_key(self, call: Call[Any]) -> None:
        """Raise KeyRefused if the call's key must not be sent."""
        if call.keyed and self._key and self._refusal:
            raise KeyRefused(self._refusal)

    def url(self, call: Call[Any]) -> str:
        """Return the URL that the call asks, without any key."""
        return self.mask(self._urls(call)[1])  # who passes the key as a user's name shall not read it in a log

    def _make_url(self, call: Call[Any]) -> tuple[httpx.URL, str]:
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in call.params)
        url = f"{str(self._url).rstrip('/')}/api/{call.path}{'?' if query else ''}{query}"
        return httpx.URL(url), url

    def open(self) -> httpx.AsyncBaseTransport:
        """Make the transport, if there is none. The first for https takes some 40 ms, so call this before the turn."""
        if self._transport is None:
            try:
                # Below https nothing is verified, so nothing has to be loaded, and no TLS could come about unverified.
                verify = _tls() if self._url.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                proxy = find_proxy(self._url, self._proxy)
                self._way = f", through the proxy {without_user_info(proxy)}" if proxy else ""
                self._transport = httpx.AsyncHTTPTransport(verify=verify, proxy=proxy, trust_env=False)
            except (
                OSError,
                ValueError,
                httpx.InvalidURL,
            ) as exc:  # a file of certificates or a proxy that the environment names
                raise TransportError(f"there is no way to {self._url}: {exc}") from None
        return self._transport

    def answer(self, call: Call[Any], body: bytes) -> Answer:
        """Return the answer whose body somebody else has fetched with the same key."""
        is_keyed = call.keyed and self._key is not None
        return Answer(200, self.url(call), is_keyed, call.keyed, headers={}, body=body, mask=self.mask)

    async def send(self, call: Call[Any], on_departure: Callable[[int], Awaitable[None]]) -> Answer:
        """Send the call and return its answer, whatever its status, if at least its head came.

        Args:
            call: What to ask.
            on_departure: Awaited when the request's headers leave, with the number of the departure: 1, or 2 where the
                request goes out once more. For a transport that was passed in also just before it gets the request,
                since it may not tell; where it does, the same number comes again.

        Raises:
            RequestTimeout: No head came in time.
            TransportError: No head came.
        """
        if self._must_replace and self._owns_transport:
            await self._close_transport()
        self._must_replace = True  # unless all goes well: httpcore loses connection slots to requests cut short
        received = Received()
        failure: Exception | None = None
        deadline = asyncio.timeout(self._timeout)
        try:
            async with deadline:
                await self._exchange(call, received, on_departure)
        except Exception as exc:  # noqa: BLE001  # raised elsewhere, where no frame and no context holds the key
            failure = self._translate(exc, self.url(call), is_late=deadline.expired())
        except asyncio.CancelledError as exc:
            if _is_cancelled():
                raise exc.with_traceback(None) from None
            failure = TransportError(f"GET {self.url(call)}: the transport gave up (CancelledError)")
        except BaseException as exc:  # noqa: BLE001  # it goes on, without the frames that hold the key
            raise exc.with_traceback(None) from None
        else:
            self._must_replace = False
        if failure and not received.status:
            raise failure
        return Answer(
            status=received.status,
            url=self.url(call),
            keyed=call.keyed and self._key is not None,
            for_user=call.keyed,
            headers=received.headers,
            body=bytes(received.body),
            mask=self.mask,
            fault=received.fault,
            failure=failure,
        )

    async def _exchange(
        self, call: Call[Any], received: Received, on_departure: Callable[[int], Awaitable[None]]
    ) -> None:
        trace = Trace(partial(on_departure, 1), self._stream)
        if not self._owns_transport:
            await on_departure(1)  # a given transport may not tell
        try:
            response = await self.open().handle_async_request(self._request(call, trace))
        except httpx.TransportError as exc:
            if not trace.is_reused or not is_unanswered(exc):
                raise
            # An idle connection may be closed at any moment, also in this one. Nobody has answered, so this is no
            # failed attempt: the question goes out once more, on a fresh connection.
            if self._owns_transport:
                await self._close_transport()
            trace = Trace(partial(on_departure, 2), None)
            response = await self.open().handle_async_request(self._request(call, trace))
        self._stream = trace.stream
        received.status = response.status_code
        received.headers = dict(response.headers.items())  # each look into httpx's own goes through all of them
        received.version = response.extensions.get("http_version")
        stream = cast("httpx.AsyncByteStream", response.stream)
        try:
            await received.read(stream, self.mask)
            if "network_stream" in response.extensions:
                await close_if_unclean(response)
        finally:
            self.bytes_received += received.size
            await stream.aclose()

    def _request(self, call: Call[Any], trace: Trace) -> httpx.Request:
        url = self._urls(call)[0]
        request = httpx.Request("GET", url, headers=self._headers, stream=_NO_BODY, extensions={"trace": trace})
        if call.keyed and self._key:
            headers, query = self._key.placed(self._key_in)
            request.headers.update(headers)
            request.url = url.copy_with(query=query or None)
        if not self._owns_transport:
            request.read()  # of one that has not been read, some transports send the empty body in chunks
        return request

    def _translate(self, exc: Exception, url: str, *, is_late: bool) -> Exception:
        if is_late:
            return RequestTimeout(f"GET {url}: no complete answer within {self._timeout:g} s{self._way}")
        said = self.mask(str(exc))  # before the cut, or half a key would be left standing
        said = f"{type(exc).__name__}{': ' * bool(said)}{printable(said[:_SHOWN])}"
        if isinstance(exc, httpx.TimeoutException):
            return RequestTimeout(f"GET {url}: {said}{self._way}")
        if isinstance(exc, httpx.HTTPError | httpx.StreamError | OSError):
            return TransportError(f"GET {url}: {said}{self._way}{self._hint}")
        # Not the network's: a fault of the transport that was passed in, whose author shall see it, unless a key shows.
        shown = "".join([*traceback.format_exception(exc), repr(vars(exc))])
        if isinstance(exc, ExceptionGroup) or self.mask(shown) != shown:
            return TransportError(f"GET {url}: {said}")
        _forget_frames(exc)
        return exc

    async def _close_transport(self) -> None:
        transport, self._transport, self._stream = self._transport, None, None
        if transport:
            with suppress(Exception):  # it is gone, which is what was asked
                async with asyncio.timeout(self._timeout):
                    await transport.aclose()

    async def aclose(self) -> None:
        """Close the transport, the one that was passed in as well, and leave the logs as they were."""
        self._unfilter_logs()
        await self._close_transport()


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _forget_frames(exc: BaseException | None) -> None:
    """Drop the frames of an exception and of what led to it: they hold the request, and with it the key."""
    while exc and exc.__traceback__:
        exc.__traceback__ = None
        exc = exc.__cause__ or exc.__context__


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _check_transport(transport: object) -> None:
    if transport is not None and not isinstance(transport, httpx.AsyncBaseTransport):
        raise TypeError(f"transport must be an httpx.AsyncBaseTransport, not {type(transport).__name__}")
