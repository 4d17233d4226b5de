"""An answer belongs to its question: what lies on a connection that nobody asked for is never read as an answer."""

import asyncio
import gc
import ssl
from collections.abc import Sequence
from typing import Any

import httpcore
import httpx
import orjson
import pytest
import trustme

from bitminter_async import Client, RequestTimeout, TransportError
from bitminter_async._wire.connection import Trace, close_if_unclean
from tests.support.clients import make_client
from tests.support.raw import raw_server, reply
from tests.support.samples import STATS, USER
from tests.support.wires import STATS_CALL, make_wire, nothing

BOB = reply(orjson.dumps({**USER, "name": "bob"}))
EVE = reply(orjson.dumps({**USER, "name": "eve", "balances": {"BTC": 99}}))
ANSWER = reply(orjson.dumps(STATS))


def connect(url: str, **options: Any) -> Client:
    """A client that keeps no answer and tries once."""
    defaults: dict[str, Any] = {"base_url": url, "max_age": 0, "attempts": 1}
    return make_client(None, **(defaults | options))


@pytest.mark.socket
@pytest.mark.parametrize(
    "left_over",
    [
        [BOB + EVE],
        [BOB, EVE],
        [BOB, 0.02, EVE],
        [BOB + EVE[:30]],
        [BOB + b"\r\n"],
        [BOB + b"HTTP/1.1 100 Continue\r\n\r\n"],
        [BOB.replace(b"Content-Length: ", b"Content-Length: 0")[:-1] + b"}" + EVE],
        [BOB[:-10], 0.01, BOB[-10:] + EVE],
    ],
    ids=["in one write", "in two", "later", "a part", "a line", "1xx", "zero in front", "across two writes"],
)
async def test_what_is_left_over_answers_nothing(left_over: Sequence[bytes | float]) -> None:
    """Where anything comes beyond an answer, that stands, and the next question goes over another connection."""
    async with raw_server(left_over, [ANSWER], [BOB]) as server, connect(server.url) as client:
        assert (await client.users.get("bob")).name == "bob"
        await asyncio.sleep(0.05)
        assert (await client.pool.stats()).active_users == 321
        assert (await client.users.get("bob")).name == "bob"
        assert server.paths == ["/api/users/bob", "/api/pool/stats", "/api/users/bob"]
        assert server.connections == 2


@pytest.mark.socket
@pytest.mark.parametrize(
    "left_over", [[BOB + EVE], [BOB, EVE], [BOB, 0.02, EVE]], ids=["in one write", "in two", "later"]
)
async def test_what_is_left_over_answers_nothing_over_tls(
    monkeypatch: pytest.MonkeyPatch, left_over: Sequence[bytes | float]
) -> None:
    """Under TLS, too."""
    authority = trustme.CA()
    at_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(at_server)  # pyright: ignore[reportUnknownMemberType]  # it may also be pyOpenSSL's
    at_client = ssl.create_default_context()
    authority.configure_trust(at_client)  # pyright: ignore[reportUnknownMemberType]  # likewise
    monkeypatch.setattr("bitminter_async._wire.wire._tls", lambda: at_client)
    async with raw_server(left_over, [ANSWER], tls=at_server) as server, connect(server.url) as client:
        assert (await client.users.get("bob")).name == "bob"
        await asyncio.sleep(0.05)
        assert (await client.pool.stats()).active_users == 321
        assert server.paths == ["/api/users/bob", "/api/pool/stats"]
        assert server.connections == 2


@pytest.mark.socket
async def test_a_length_that_is_too_short_leaves_nothing_over() -> None:
    """What a wrong Content-Length cuts off the answer is no part of the next one."""
    short = reply(b"12", Content_Length="1")
    async with raw_server([short], [reply(b"7")]) as server, connect(server.url) as client:
        assert await client.pool.workers() == 1
        assert await client.pool.users() == 7
        assert server.connections == 2


@pytest.mark.socket
@pytest.mark.parametrize("length", [1, 2])
async def test_a_clean_connection_is_kept(length: int) -> None:
    """Where nothing is left over, one connection serves, be the answer in one write or byte by byte."""
    pieces = [ANSWER[at : at + length] for at in range(0, len(ANSWER), length)] if length == 1 else [ANSWER]
    async with raw_server(pieces, pieces, pieces) as server, connect(server.url) as client:
        for _ in range(3):
            assert (await client.pool.stats()).active_users == 321
        assert server.connections == 1


class Stream:
    """A network stream on which this lies; what is not there is waited for for ever."""

    def __init__(self, *what: bytes) -> None:
        self._what = [*what]

    async def read(self, max_bytes: int) -> bytes:
        """Return what lies there, after as many steps of the loop as it takes to be handed up."""
        for _ in range(3):
            await asyncio.sleep(0)
        return self._what.pop()[:max_bytes] if self._what else await asyncio.Future()

    async def aclose(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize("method", [b"GET", b"CONNECT"])
@pytest.mark.parametrize(("lies_there", "is_heard"), [((), False), ((b"HTTP/1.1 200 OK",), True), ((b"",), True)])
async def test_a_server_that_speaks_first_is_not_asked(
    method: bytes, lies_there: tuple[bytes, ...], *, is_heard: bool
) -> None:
    """Where anything lies on a connection, be it the end, the request does not leave on it."""
    departures: list[None] = []

    async def depart() -> None:
        departures.append(None)

    trace = Trace(depart, None)
    await trace("connection.connect_tcp.complete", {"return_value": Stream(*lies_there)})
    leaving = trace("http11.send_request_headers.started", {"request": httpcore.Request(method, "http://pool.example")})
    if is_heard and method == b"GET":
        with pytest.raises(httpx.RemoteProtocolError, match="before it was asked"):
            await leaving
    else:
        await leaving
    assert len(departures) == (method == b"GET" and not is_heard)
    assert not trace.is_reused


@pytest.mark.socket
async def test_a_flood_of_1xx_ends_in_time() -> None:
    """Interim answers without an end are a timeout, and the next call has a connection of its own."""
    flood: list[bytes | float] = [b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0.002] * 400
    async with raw_server(flood, [ANSWER]) as server, connect(server.url, timeout=0.3) as client:
        with pytest.raises(RequestTimeout):
            await client.pool.stats()
        assert (await client.pool.stats()).active_users == 321
        assert server.connections == 2


@pytest.mark.socket
@pytest.mark.parametrize("noticed", [True, False], ids=["closed while idle", "closed on asking"])
async def test_an_idle_connection_that_is_closed_is_no_failed_attempt(
    caplog: pytest.LogCaptureFixture, *, noticed: bool
) -> None:
    """The question goes out again on a fresh connection, in the same turn, without a word in the log or a retry."""
    replies: list[Sequence[bytes | float]] = [[ANSWER], [ANSWER], [ANSWER]] if noticed else [[ANSWER], [], [ANSWER]]
    async with raw_server(*replies) as server, connect(server.url, interval=0.01) as client:
        await client.pool.stats()
        if noticed:
            server.hang_up()
            await asyncio.sleep(0.02)
        assert (await client.pool.stats()).active_users == 321
        assert server.connections == 2
        assert client.receipt.retried == 0
    assert not caplog.records


@pytest.mark.socket
@pytest.mark.parametrize(
    "broken",
    [b"garbage\r\n\r\n", b"HTTP/1.1 429 Slow\r\nno colon\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"],
)
async def test_a_broken_answer_on_an_idle_connection_is_a_failed_attempt(broken: bytes) -> None:
    """Only where nothing of an answer came does the question go out again in the same turn."""
    async with raw_server([ANSWER], [broken], [ANSWER]) as server, connect(server.url) as client:
        await client.pool.stats()
        with pytest.raises(TransportError):
            await client.pool.stats()
        assert len(server.heads) == 2


@pytest.mark.socket
async def test_a_question_that_went_out_twice_is_counted_twice() -> None:
    """The receipt tells what the pool saw: also the request that found its connection closed, and the gap behind it."""
    async with raw_server([ANSWER], [], [ANSWER]) as server, connect(server.url) as client:
        await client.pool.stats()
        await client.pool.stats()
        assert client.receipt.requests == len(server.heads) == 3


@pytest.mark.socket
async def test_who_looks_at_a_connection_leaves_no_task(caplog: pytest.LogCaptureFixture) -> None:
    """A connection that is reset, or a call that is cancelled at any step, leaves asyncio nothing to complain of."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    for steps in range(30):
        async with raw_server([ANSWER], [ANSWER]) as server:
            wire = make_wire(None, server.url)
            await wire.send(STATS_CALL, nothing)
            server.hang_up()
            task = asyncio.create_task(wire.send(STATS_CALL, nothing))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            await wire.aclose()
    gc.collect()
    await asyncio.sleep(0.01)
    assert not complaints
    assert not caplog.records


@pytest.mark.socket
async def test_a_given_transport_of_httpx_is_served_as_well() -> None:
    """Over a transport that was passed in, an idle connection that is closed is no failed attempt either."""
    async with raw_server([ANSWER], [], [ANSWER]) as server:
        transport = httpx.AsyncHTTPTransport()
        async with make_client(transport, base_url=server.url, max_age=0, attempts=1) as client:
            await client.pool.stats()
            assert (await client.pool.stats()).active_users == 321
            assert client.receipt.requests == len(server.heads) == 3


async def test_a_connection_that_cannot_be_looked_into_is_closed() -> None:
    """Where a transport hands out a stream, but no way to see what came beyond the answer, none is reused."""
    closed: list[bool] = []

    class Closing(Stream):
        async def aclose(self) -> None:
            closed.append(True)

    extensions = {"network_stream": Closing(), "http_version": b"HTTP/1.1"}
    await close_if_unclean(httpx.Response(200, extensions=extensions))
    await close_if_unclean(httpx.Response(200, extensions={**extensions, "http_version": b"HTTP/2"}))
    assert closed == [True]


@pytest.mark.socket
async def test_a_fresh_connection_that_is_closed_is_a_failed_attempt() -> None:
    """Only an idle connection may fail without blame: a server that closes each one is told so, after one try more."""
    async with raw_server([ANSWER], [], [], [ANSWER]) as server, connect(server.url) as client:
        await client.pool.stats()
        with pytest.raises(TransportError, match="disconnected"):
            await client.pool.stats()
        assert len(server.heads) == 3
        assert (await client.pool.stats()).active_users == 321
