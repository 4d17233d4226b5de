"""The wire's connections, over a real socket: one is kept, broken ones are got over, and a proxy is asked."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest
import pytest_asyncio

from bitminter_async import Client, RequestTimeout, TransportError
from tests.support.clients import make_client
from tests.support.clock import pass_time
from tests.support.samples import KEY
from tests.support.wires import STATS_CALL, make_wire, nothing

JSON = b'{"hash_rate": 1701000, "active_workers": 1234, "active_users": 321}'


def respond(body: bytes = JSON, *headers: str) -> bytes:
    """An HTTP answer with its length, or with the framing that the headers say."""
    framing = headers or (f"Content-Length: {len(body)}",)
    return "\r\n".join(["HTTP/1.1 200 OK", *framing, "", ""]).encode() + body


@attrs.define
class Server:
    """Gives every request `reply`, None being silence, and counts connections and requests."""

    url: str = ""
    reply: bytes | None = respond()
    hangs_up: bool = False
    connections: int = 0
    heads: list[str] = attrs.field(factory=list[str])
    writers: set[asyncio.StreamWriter] = attrs.field(factory=set[asyncio.StreamWriter])
    asked: asyncio.Event = attrs.field(factory=asyncio.Event)
    changed: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        self.writers.add(writer)
        self.changed.set()
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head.decode())
                self.asked.set()
                writer.write(self.reply or b"")
                if self.hangs_up:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.writers.discard(writer)
            self.changed.set()
            writer.close()


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    """A server on loopback."""
    server = Server()
    listener = await asyncio.start_server(server.talk, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    yield server
    listener.close()
    for writer in [*server.writers]:
        writer.transport.abort()
    await until_open(server, 0)


async def until_open(server: Server, count: int) -> None:
    """Wait until so many connections are open."""
    async with asyncio.timeout(5):
        while len(server.writers) != count:
            server.changed.clear()
            await server.changed.wait()


def connect(server: Server, **options: Any) -> Client:
    """A client of the server that keeps no answer."""
    defaults: dict[str, Any] = {"base_url": server.url, "max_age": 0, "attempts": 1}
    return make_client(None, **(defaults | options))


@pytest.mark.socket
async def test_one_connection_serves_many_requests(server: Server) -> None:
    """Calls one after the other go over one connection, which ends with the client."""
    async with connect(server) as client:
        for _ in range(5):
            assert (await client.pool.stats()).active_users == 321
        assert (server.connections, len(server.heads)) == (1, 5)
        assert client.receipt.bytes_received == 5 * len(JSON)
    await until_open(server, 0)
    assert server.heads[0].startswith("GET /api/pool/stats HTTP/1.1\r\n")
    assert f"\r\nHost: {server.url.removeprefix('http://')}\r\n" in server.heads[0]


@pytest.mark.socket
@pytest.mark.parametrize(
    "reply",
    [
        respond(gzip.compress(JSON), "Content-Encoding: gzip", "Connection: close"),
        respond(b"".join(b"1\r\n%c\r\n" % byte for byte in JSON) + b"0\r\n\r\n", "Transfer-Encoding: chunked"),
        respond(JSON, "Connection: close"),
    ],
)
async def test_each_framing_is_read(server: Server, reply: bytes) -> None:
    """A body ends with its length, its last chunk or the connection, and a new connection is made where one ended."""
    server.reply = reply
    server.hangs_up = b"close" in reply
    async with connect(server) as client:
        for number in (1, 2):
            assert (await client.pool.stats()).active_users == 321
            assert server.connections == (number if server.hangs_up else 1)


@pytest.mark.socket
@pytest.mark.parametrize("reply", [None, b"HTTP/1.1 200", respond(JSON, "Content-Length: 9999")])
async def test_after_a_timeout_a_new_connection_is_made(
    monkeypatch: pytest.MonkeyPatch, server: Server, reply: bytes | None
) -> None:
    """Silence, within the headers and the body as well, ends in time; the next call has a connection of its own."""
    server.reply = reply
    async with connect(server, timeout=60) as client:
        call = asyncio.create_task(client.pool.stats())
        await server.asked.wait()
        pass_time(monkeypatch, 60)
        with pytest.raises(RequestTimeout, match="within 60 s"):
            await call
        server.reply = respond()
        assert [(await client.pool.stats()).active_users for _ in range(2)] == [321, 321]
        assert server.connections == 2
        await until_open(server, 1)


@pytest.mark.socket
@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200", b"nonsense\r\n\r\n", respond(JSON, "Content-Length: 9999")])
async def test_a_broken_connection_is_told_and_got_over(server: Server, reply: bytes) -> None:
    """A connection cut anywhere is a TransportError of that call; the next one succeeds."""
    server.reply, server.hangs_up = reply, True
    async with connect(server) as client:
        with pytest.raises(TransportError, match="RemoteProtocolError: "):
            await client.pool.stats()
        server.reply, server.hangs_up = respond(), False
        assert (await client.pool.stats()).active_users == 321


@pytest.mark.socket
async def test_no_server_is_told(server: Server) -> None:
    """Where nobody listens, the call says so, and no request is counted."""
    async with connect(server, base_url="http://127.0.0.1:1") as client:
        with pytest.raises(TransportError, match="ConnectError: "):
            await client.pool.stats()
        assert client.receipt.requests == 0


@pytest.mark.socket
@pytest.mark.parametrize("reply", [None, respond(JSON, "Content-Length: 9999")])
async def test_cancelled_requests_exhaust_nothing(server: Server, reply: bytes | None) -> None:
    """After 150 requests cancelled under way the next call succeeds, over the only open connection."""
    server.reply = reply
    wire = make_wire(None, server.url)
    for _ in range(150):
        call = asyncio.create_task(wire.send(STATS_CALL, nothing))
        await server.asked.wait()
        server.asked.clear()
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled()
    server.reply = respond()
    assert (await wire.send(STATS_CALL, nothing)).status == 200
    assert server.connections == 151
    await until_open(server, 1)
    await wire.aclose()


@pytest.mark.socket
@pytest.mark.parametrize("by", ["option", "environment"])
async def test_a_proxy_is_asked(server: Server, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """Over a proxy the request names the whole URL; for https a tunnel is asked for, in which alone a key would go."""
    proxy = server.url.replace("://", "://joe:sesame@")
    if by == "environment":
        monkeypatch.setenv("ALL_PROXY", proxy)
    options = {"proxy": proxy} if by == "option" else {}
    async with connect(server, base_url="http://pool.example", **options) as client:
        assert (await client.pool.stats()).active_users == 321
    server.reply = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    async with connect(server, base_url="https://pool.example", **options) as client:
        with pytest.raises(TransportError, match="ProxyError: 403 Forbidden"):
            await client.users.get()
        assert client.receipt.requests == 0  # the proxy was asked, the pool was not
    assert [head.partition("\r\n")[0] for head in server.heads] == [
        "GET http://pool.example/api/pool/stats HTTP/1.1",
        "CONNECT pool.example:443 HTTP/1.1",
    ]
    assert all("\r\nProxy-Authorization: Basic am9lOnNlc2FtZQ==\r\n" in head for head in server.heads)
    assert KEY not in server.heads[1]
