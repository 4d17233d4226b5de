"""The wire: one request out, one answer back. The only file that knows httpx."""

import asyncio
import logging
import ssl
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cache, lru_cache
from ipaddress import ip_address
from typing import NamedTuple, cast
from urllib.parse import quote
from weakref import finalize

import httpx

from .answer import Answer
from .errors import DecodeError, Fault, KeyRefused, RequestTimeout, TransportError
from .key import ApiKey, KeyPlace, Mask

__all__ = ["DEFAULT_URL", "Call", "Wire"]

DEFAULT_URL = "https://bitminter.com"

_API = "/api/"
_MAX_BODY = 8 * 2**20
_TOO_LARGE = Fault("$", "at most 8 MiB", "more")
_GZIP = 31  # zlib's window bits for a gzip header and nothing else
_NO_BODY = httpx.ByteStream(b"")
# These print response headers at DEBUG, in which a server may echo a key.
_CHATTY = [logging.getLogger(f"httpcore.{part}") for part in ("connection", "http11", "proxy", "socks")]


class Call(NamedTuple):
    """One question to the API: where, with which parameters, and whether it carries the key."""

    path: str
    """The path after `/api/`, quoted."""
    params: tuple[tuple[str, str], ...] = ()
    keyed: bool = False
    most: int | None = None
    """How many elements the answer may have."""


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
        url = _check_base_url(DEFAULT_URL if base_url is None else base_url)
        _check_transport(transport)
        self.bytes_received = 0
        self.mask = Mask(api_key)
        self._base = str(url).rstrip("/") + _API
        self._is_loopback = _is_loopback(url.host)
        self._is_plain = url.scheme == "http"
        self._key = api_key
        self._key_in: KeyPlace = key_in
        self._timeout = timeout
        self._proxy = None if proxy is None else _check_proxy(proxy)
        self._transport = transport
        self._owns_transport = transport is None
        self._is_spoiled = False
        self._headers = httpx.Headers(
            {
                b"Host": url.netloc,
                b"Accept": b"application/json",
                b"Accept-Encoding": b"gzip",
                b"Connection": b"keep-alive",
                b"User-Agent": user_agent.encode(),
            }
        )
        self._refusal = self._find_refusal(chosen=base_url is not None, allow_plain_http=allow_plain_http)
        self._urls = lru_cache(maxsize=128)(self._make_url)  # parsing a URL is half of what a request costs
        self._unmask_logs = finalize(self, _unmask_logs, self.mask)
        if api_key:
            for logger in _CHATTY:
                logger.addFilter(self.mask)

    def _find_refusal(self, *, chosen: bool, allow_plain_http: bool) -> str | None:
        if not chosen:
            return (
                f"the key was not sent: {DEFAULT_URL} is closed, and whoever holds its name today must not be handed "
                "keys; pass base_url, or set BITMINTER_URL, to say which pool the key is for"
            )
        if self._is_plain and not self._is_loopback and not allow_plain_http:
            return (
                f"the key was not sent: over {self._base} it would travel in the clear; use https, or pass "
                "allow_plain_http=True"
            )
        return None

    def admit(self, call: Call) -> None:
        """Raise KeyRefused if the call's key must not be sent; else do nothing."""
        if call.keyed and self._key and self._refusal:
            raise KeyRefused(self._refusal)

    def open(self) -> httpx.AsyncBaseTransport:
        """Make the transport, if there is none. The first for https takes some 40 ms, so call this before the turn."""
        if self._transport is None:
            # Below https nothing is verified, so nothing has to be loaded, and no TLS could come about unverified.
            verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if self._is_plain else _tls()
            self._transport = httpx.AsyncHTTPTransport(verify=verify, proxy=self._find_proxy(), trust_env=False)
        return self._transport

    def _find_proxy(self) -> httpx.Proxy | None:
        if self._is_loopback:
            return None
        return self._proxy or _proxy_of_environment(httpx.URL(self._base))

    async def send(self, call: Call, on_departure: Callable[[], Awaitable[None]]) -> Answer:
        """Send the call and return its complete answer, whatever its status.

        Args:
            call: What to ask.
            on_departure: Awaited when the request's headers leave; for a transport that was passed in, also just
                before it gets the request, since it may not tell.

        Raises:
            RequestTimeout: The answer was not complete in time.
            TransportError: No complete answer came.
            DecodeError: The body is too large, or not the gzip that it says it is.
        """
        if self._is_spoiled:
            await self._replace()
        url, shown = self._urls(call)
        failure: Exception
        deadline = asyncio.timeout(self._timeout)
        try:
            async with deadline:
                answer, fault = await self._exchange(call, url, shown, on_departure)
        except Exception as exc:  # noqa: BLE001  # raised below, where no frame and no context holds the key
            self._is_spoiled = True
            failure = self._translate(exc, shown, is_late=deadline.expired())
        except BaseException:
            self._is_spoiled = True
            raise
        else:
            if not fault:
                return answer
            failure = DecodeError(shown, [fault], body=answer.text)
        raise failure

    def _translate(self, exc: Exception, url: str, *, is_late: bool) -> Exception:
        if is_late:
            return RequestTimeout(f"GET {url}: no complete answer within {self._timeout:g} s")
        said = self.mask(f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__)
        if isinstance(exc, httpx.TimeoutException):
            return RequestTimeout(f"GET {url}: {said}")
        if isinstance(exc, httpx.HTTPError | httpx.StreamError | OSError):
            return TransportError(f"GET {url}: {said}")
        return exc.with_traceback(None)  # not the network's: a fault of the transport that was passed in

    async def _exchange(
        self, call: Call, url: httpx.URL, shown: str, on_departure: Callable[[], Awaitable[None]]
    ) -> tuple[Answer, Fault | None]:
        async def trace(event: str, _: object) -> None:
            if event == "http11.send_request_headers.started":
                await on_departure()

        request = httpx.Request("GET", url, headers=self._headers, stream=_NO_BODY, extensions={"trace": trace})
        is_keyed = call.keyed and self._key is not None
        if call.keyed and self._key:
            headers, query = self._key.placed(self._key_in)
            request.headers.update(headers)
            request.url = url.copy_with(query=query or None)
        transport = self.open()
        if not self._owns_transport:
            await on_departure()  # a given transport may not tell
        response = await transport.handle_async_request(request)
        stream = cast("httpx.AsyncByteStream", response.stream)
        try:
            body, fault = await self._read(stream, response.headers.get("content-encoding", "identity").strip().lower())
        finally:
            await stream.aclose()
        return Answer(response.status_code, shown, is_keyed, call.keyed, response.headers, body, self.mask), fault

    async def _read(self, stream: httpx.AsyncByteStream, encoding: str) -> tuple[bytes, Fault | None]:
        if encoding not in {"identity", "gzip", "x-gzip", ""}:
            return b"", Fault("$", "gzip or no encoding", self.mask(encoding[:40]))
        inflater = zlib.decompressobj(_GZIP) if encoding.endswith("gzip") else None
        body = bytearray()
        async for chunk in stream:
            self.bytes_received += len(chunk)
            try:
                # Inflating no further than the limit: reading a bomb whole would take what it likes.
                body += inflater.decompress(chunk, _MAX_BODY + 1 - len(body)) if inflater else chunk
            except zlib.error as exc:
                return bytes(body), Fault("$", "gzip", f"broken gzip ({exc})")
            if len(body) > _MAX_BODY:
                return bytes(body), _TOO_LARGE
        if inflater and (not inflater.eof or inflater.unused_data):
            return bytes(body), Fault("$", "gzip", "gzip that is cut short or followed by something else")
        return bytes(body), None

    def _make_url(self, call: Call) -> tuple[httpx.URL, str]:
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in call.params)
        url = f"{self._base}{call.path}{'?' if query else ''}{query}"
        return httpx.URL(url), url

    async def _replace(self) -> None:
        # httpcore loses connection slots to cancelled and timed-out requests; a fresh pool has them all.
        self._is_spoiled = False
        if self._owns_transport:
            await self._close_transport()

    async def _close_transport(self) -> None:
        transport, self._transport = self._transport, None
        if transport:
            with suppress(httpx.HTTPError, OSError):  # it is gone, which is what was asked
                await transport.aclose()

    async def aclose(self) -> None:
        """Close the transport, the one that was passed in as well, and leave the logs as they were."""
        self._unmask_logs()
        await self._close_transport()


def _unmask_logs(mask: Mask) -> None:
    for logger in _CHATTY:
        logger.removeFilter(mask)


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_base_url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as exc:
        raise ValueError(f"base_url is not a URL: {exc}") from None
    if url.userinfo:
        raise ValueError("base_url carries user info; the key goes into api_key")
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError(f"base_url is an http or https URL with a host, not {text!r}")
    if "?" in text or "#" in text:
        raise ValueError("base_url carries a query or a fragment; a path prefix is all that it may have")
    return url


def _check_transport(transport: object) -> None:
    if transport is not None and not isinstance(transport, httpx.AsyncBaseTransport):
        raise TypeError(f"transport is an httpx.AsyncBaseTransport, not {type(transport).__name__}")


def _check_proxy(text: str) -> httpx.Proxy:
    try:
        proxy = httpx.Proxy(text if "://" in text else f"http://{text}")
    except (httpx.InvalidURL, ValueError):
        raise ValueError("the proxy is not an http, https or socks5 URL with a host") from None
    return proxy


def _proxy_of_environment(url: httpx.URL) -> httpx.Proxy | None:
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415  # a third of what importing httpx takes

    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    host = url.host if url.port is None else f"{url.host}:{url.port}"
    return _check_proxy(proxy) if proxy and not proxy_bypass(host) else None
