"""Bodies: within bounds, whole or told to be broken; and where one is broken, the status still counts."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import httpx
import pytest

from bitminter_async import BitminterError, Blocked, Client, DecodeError, Fault, Forbidden, RateLimited, ServerError
from tests.support.clients import make_client
from tests.support.samples import KEY, POOL
from tests.support.transport import Chunks, Fake, answer
from tests.support.wires import STATS_CALL, exchange, make_wire

LIMIT = 8 * 2**20
JSON = b'{"hash_rate": 1701000, "active_workers": 1234, "active_users": 321}'
GZIP = {"Content-Encoding": "gzip"}
ZIPPED = gzip.compress(JSON)


def pieces(content: bytes, size: int) -> list[bytes | Exception]:
    """The content in chunks of this size."""
    return [content[at : at + size] for at in range(0, len(content), size)]


def bomb(mebibytes: int) -> bytes:
    """A gzip of so many MiB of zeros."""
    squeeze, block = zlib.compressobj(9, wbits=31), bytes(2**20)
    return b"".join(squeeze.compress(block) for _ in range(mebibytes)) + squeeze.flush()


def respond(
    body: bytes | list[bytes | Exception], headers: Mapping[str, str] | None = None, status: int = 200
) -> httpx.Response:
    """A response with this body, whole or in chunks."""
    return httpx.Response(status, headers=headers, stream=Chunks([body] if isinstance(body, bytes) else body))


def stream_of(response: httpx.Response) -> Chunks:
    """The response's stream, which remembers whether it was closed."""
    assert isinstance(response.stream, Chunks)
    return response.stream


@pytest.mark.parametrize(
    "response",
    [
        respond(JSON),
        respond(pieces(JSON, 1)),
        respond(JSON, {"Content-Encoding": "identity"}),
        respond(JSON, {"Content-Encoding": ""}),
        respond(ZIPPED, GZIP),
        respond(ZIPPED, {"Content-Encoding": " GZip "}),
        respond(ZIPPED, {"Content-Encoding": "x-gzip"}),
        respond(pieces(ZIPPED, 1), GZIP),
        respond([b"", *pieces(ZIPPED, 20), b""], GZIP),
    ],
)
async def test_a_body_arrives_whole(response: httpx.Response) -> None:
    """Plain or gzip, at once or byte by byte: the body is what was sent, and its bytes on the wire are counted."""
    stream = stream_of(response)
    wire = make_wire(Fake(response))
    got = await exchange(wire, STATS_CALL)
    assert got.body == JSON
    assert wire.bytes_received == sum(len(chunk) for chunk in stream.chunks if isinstance(chunk, bytes))
    assert stream.is_closed


@pytest.mark.parametrize("headers", [{}, GZIP])
@pytest.mark.parametrize(("size", "is_fine"), [(LIMIT, True), (LIMIT + 1, False)])
async def test_the_limit_is_exact(headers: dict[str, str], size: int, *, is_fine: bool) -> None:
    """8 MiB after decompression is an answer, one byte more is a fault."""
    content = bytes(size)
    response = respond(pieces(gzip.compress(content, 1) if headers else content, 2**16), headers)
    wire = make_wire(Fake(response))
    if is_fine:
        assert (await exchange(wire, STATS_CALL)).body == content
    else:
        with pytest.raises(DecodeError, match=r"\$: expected at most 8 MiB, got more$") as caught:
            await exchange(wire, STATS_CALL)
        assert len(caught.value.body) == 500
    assert stream_of(response).is_closed


@pytest.mark.parametrize("size", [2**10, 2**30])
async def test_a_bomb_takes_little_memory(size: int) -> None:
    """A gzip that would fill 200 MiB is refused within 40 MB, in one chunk or in many."""
    wire = make_wire(Fake(respond(pieces(bomb(200), size), GZIP)))
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            await exchange(wire, STATS_CALL)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40e6


BROKEN = [
    (respond(b"x" * (LIMIT + 1)), Fault("$", "at most 8 MiB", "more")),
    (
        respond(JSON, GZIP),
        Fault("$", "gzip", "broken gzip (Error -3 while decompressing data: incorrect header check)"),
    ),
    (respond(zlib.compress(JSON), GZIP), None),
    (respond(ZIPPED[:-8] + bytes(8), GZIP), None),
    (respond(ZIPPED[:-3], GZIP), Fault("$", "gzip", "gzip that is cut short or followed by something else")),
    (respond(ZIPPED[:5], GZIP), Fault("$", "gzip", "gzip that is cut short or followed by something else")),
    (respond(ZIPPED + b"more", GZIP), Fault("$", "gzip", "gzip that is cut short or followed by something else")),
    (respond([ZIPPED, b"more"], GZIP), None),
    (respond(JSON, {"Content-Encoding": "br"}), Fault("$", "gzip or no encoding", "br")),
    (respond(JSON, {"Content-Encoding": "gzip, gzip"}), Fault("$", "gzip or no encoding", "gzip, gzip")),
    (respond(JSON, {"Content-Encoding": "deflate"}), Fault("$", "gzip or no encoding", "deflate")),
    (respond(JSON, {"Content-Encoding": KEY}), Fault("$", "gzip or no encoding", "***")),
    (respond(JSON[:-1]), None),
    (respond(b"<html>"), Fault("$", "JSON", "HTML")),
    (respond(b""), Fault("$", "JSON", "nothing")),
    (respond(b"\xff" + JSON), None),
]


@pytest.mark.parametrize(("response", "fault"), BROKEN)
async def test_a_broken_body_is_a_decode_error(response: httpx.Response, fault: Fault | None) -> None:
    """It is told by place, expectation and find; it is not asked for again, and the same client goes on working."""
    fake = Fake(response, answer())
    async with make_client(fake) as client:
        with pytest.raises(DecodeError) as caught:
            await client.pool.stats()
        assert fake.paths == ["/api/pool/stats"]
        assert stream_of(response).is_closed
        assert (await client.pool.stats()).active_users == 321
    error = caught.value
    assert error.url == f"{POOL}/api/pool/stats"
    assert len(error.faults) == 1
    assert fault in {None, error.faults[0]}
    assert len(error.body) <= 500
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize("first", [ZIPPED, ZIPPED + b"more"], ids=["end", "end and more"])
@pytest.mark.parametrize("after", [bytes(2**16), b"x", ZIPPED], ids=["zeros", "x", "gzip"])
async def test_nothing_is_read_after_the_end_of_gzip(first: bytes, after: bytes) -> None:
    """The gzip's end is the answer's: of endless bytes after it one chunk is taken at most, and none is kept."""

    class Endless(Chunks):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield first
            while True:
                taken.append(after)
                assert len(taken) < 10
                yield after

    taken: list[bytes] = []
    stream = Endless([])
    wire = make_wire(Fake(httpx.Response(200, headers=GZIP, stream=stream)))
    with pytest.raises(DecodeError, match="gzip that is cut short or followed by something else"):
        await exchange(wire, STATS_CALL)
    assert len(taken) == (first == ZIPPED)
    assert wire.bytes_received == len(first + b"".join(taken))
    assert stream.is_closed


def cut_short(status: int, headers: dict[str, str]) -> httpx.Response:
    """A response whose body breaks off."""
    return httpx.Response(status, headers=headers, stream=Chunks([b"half of", httpx.ReadError("cut")]))


@pytest.mark.parametrize(
    ("response", "error", "rest"),
    [
        (lambda: answer(b"", 429, {"Retry-After": "600", "Content-Encoding": "br"}), RateLimited, 600.0),
        (lambda: answer(b"no gzip", 429, {"Retry-After": "600", "Content-Encoding": "gzip"}), RateLimited, 600.0),
        (lambda: answer(b" " * (8 * 2**20 + 1), 403), Blocked, 900.0),
        (lambda: cut_short(503, {"Retry-After": "600"}), RateLimited, 600.0),
        (lambda: cut_short(403, {}), Blocked, 900.0),
        (lambda: cut_short(502, {}), ServerError, 0.0),
    ],
    ids=["429 br", "429 no gzip", "403 too large", "503 cut", "403 cut", "502 cut"],
)
async def test_the_status_counts_though_the_body_is_bad(
    response: Callable[[], httpx.Response], error: type[BitminterError], rest: float
) -> None:
    """A rest or a block holds, and nothing is asked meanwhile, although the body that came with it cannot be read."""
    fake = Fake(response())
    async with Client(base_url=POOL, transport=fake, attempts=1) as client:
        for _ in range(2 if rest else 1):
            with pytest.raises(error) as caught:
                await client.pool.stats()
            assert getattr(caught.value, "retry_after", 0.0) == pytest.approx(rest)
        assert client.receipt.rests + client.receipt.blocks == bool(rest)
    assert len(fake.sent) == 1


async def test_a_body_that_stalls_does_not_hide_the_status() -> None:
    """A 403 whose body never ends is a block once the time is over, and is not asked again."""

    class Stalling(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            await asyncio.sleep(1000)
            yield b""

    fake = Fake(httpx.Response(403, stream=Stalling()))
    async with Client(base_url=POOL, transport=fake) as client:
        with pytest.raises(Blocked):
            await client.pool.stats()
    assert len(fake.sent) == 1


async def test_an_empty_body_in_gzip_is_empty() -> None:
    """No byte at all under `Content-Encoding: gzip` is an empty answer, not a broken one."""
    fake = Fake(answer(b"", headers={"Content-Encoding": "gzip"}))
    async with Client(KEY, base_url=POOL, transport=fake) as client:
        with pytest.raises(Forbidden, match="switched off"):
            await client.users.get()


@pytest.mark.parametrize("encoding", [f"{'x' * 20}{KEY}", f"gzip\x1b[2J{KEY}"])
async def test_an_odd_encoding_shows_no_key_and_no_control_character(encoding: str) -> None:
    """The encoding is masked before it is cut for show."""
    fake = Fake(answer(b"", headers={"Content-Encoding": encoding}))
    async with Client(KEY, base_url=POOL, transport=fake) as client:
        with pytest.raises(DecodeError) as caught:
            await client.pool.stats()
    assert KEY[:6] not in str(caught.value)
    assert caught.value.faults[0].got.isprintable()


CUT = Fault(
    "$",
    "an answer that is known to be whole, by its Content-Length or chunks",
    "one that the end of the connection may have cut short",
)


def numbered(body: bytes, version: bytes | None, headers: Mapping[str, str]) -> httpx.Response:
    """A response to which its transport gives this HTTP version."""
    extensions = {"http_version": version} if version else {}
    return httpx.Response(200, headers=headers, stream=Chunks([body]), extensions=extensions)


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
@pytest.mark.parametrize("body", [b"1701", b" 1701.5", b"\n17e3"])
async def test_a_plain_number_that_nothing_ends_is_refused(version: bytes, body: bytes) -> None:
    """Over HTTP/1 a number of no told length may be half of one, so it is no answer, and is asked for anew."""
    fake = Fake(numbered(body, version, {}), numbered(body, version, {"Content-Length": str(len(body))}))
    async with make_client(fake) as client:
        with pytest.raises(DecodeError) as caught:
            await client.pool.hashrate()
        assert caught.value.faults == (CUT,)
        assert (await client.pool.hashrate()).ghps == float(body)
    assert fake.paths == ["/api/pool/hashrate"] * 2


@pytest.mark.parametrize(
    ("version", "headers", "body"),
    [
        (b"HTTP/1.1", {"Content-Length": "4"}, b"1701"),
        (b"HTTP/1.1", {"Transfer-Encoding": "Chunked"}, b"1701"),
        (b"HTTP/1.1", GZIP, gzip.compress(b"1701", mtime=0)),
        (b"HTTP/1.1", {}, b'"1701"'),
        (b"HTTP/1.1", {}, b"1701\n"),
        (b"HTTP/2", {}, b"1701"),
        (None, {}, b"1701"),
    ],
    ids=["length", "chunked", "gzip", "quotes", "blank", "HTTP/2", "no HTTP"],
)
async def test_a_plain_number_with_an_end_is_an_answer(
    version: bytes | None, headers: dict[str, str], body: bytes
) -> None:
    """A length, chunks, gzip, quotes, a blank and HTTP/2 each prove the end; without HTTP, its stream does."""
    async with make_client(Fake(numbered(body, version, headers))) as client:
        assert await client.pool.workers() == 1701


@pytest.mark.parametrize("body", [b"", b" \r\n"])
async def test_nothing_that_nothing_ends_is_no_answer(body: bytes) -> None:
    """A connection that ends right behind the head has said nothing, and nothing of the key's access."""
    async with make_client(Fake(numbered(body, b"HTTP/1.1", {})), attempts=1) as client:
        with pytest.raises(DecodeError, match="known to be whole"):
            await client.users.get()
    async with make_client(Fake(numbered(b"", b"HTTP/1.1", {"Content-Length": "0"}))) as client:
        with pytest.raises(Forbidden, match="switched off"):
            await client.users.get()


@pytest.mark.socket
@pytest.mark.parametrize("framing", [b"", b"Content-Length: 2\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_a_plain_number_over_a_socket(framing: bytes) -> None:
    """What a server sends before it hangs up is a count only if its length was told; JSON in brackets always counts."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"workers" in head:
            body = b"2\r\n17\r\n0\r\n\r\n" if b"chunked" in framing else b"17"
            writer.write(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + body)
        else:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + JSON)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with make_client(None, base_url=url, attempts=1) as client:
            assert (await client.pool.stats()).active_users == 321
            if framing:
                assert await client.pool.workers() == 17
            else:
                with pytest.raises(DecodeError) as caught:
                    await client.pool.workers()
                assert caught.value.faults == (CUT,)


@pytest.mark.parametrize("length", [True, False], ids=["told", "not told"])
async def test_a_plain_number_from_an_application_in_this_process(*, length: bool) -> None:
    """Of a mock and of an ASGI application the whole body comes or an error, so a number of no told length counts."""

    async def app(_: object, __: object, send: Callable[[MutableMapping[str, Any]], Awaitable[None]]) -> None:
        headers = [(b"content-length", b"4")] if length else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"1701"})

    def mock(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"1701") if length else httpx.Response(200, stream=Chunks([b"1701"]))

    for transport in (httpx.ASGITransport(app), httpx.MockTransport(mock)):
        async with make_client(transport) as client:
            assert await client.pool.workers() == 1701
