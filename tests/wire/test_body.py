"""The wire, inwards: bodies within bounds, broken bodies, and failures told in our own words."""

import asyncio
import gzip
import ssl
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Mapping

import httpx
import pytest

from bitminter_async.errors import BitminterError, DecodeError, Fault, RequestTimeout, TransportError
from tests.support.clients import make_client
from tests.support.samples import KEY, POOL
from tests.support.transport import Chunks, Fake, answer
from tests.support.wires import BASIC, OWNER_CALL, STATS_CALL, make_wire, nothing

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
    got = await wire.send(STATS_CALL, nothing)
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
        assert (await wire.send(STATS_CALL, nothing)).body == content
    else:
        with pytest.raises(DecodeError, match=r"\$: expected at most 8 MiB, got more$") as caught:
            await wire.send(STATS_CALL, nothing)
        assert len(caught.value.body) == 500
    assert stream_of(response).is_closed


@pytest.mark.parametrize("size", [2**10, 2**30])
async def test_a_bomb_takes_little_memory(size: int) -> None:
    """A gzip that would fill 200 MiB is refused within 40 MB, in one chunk or in many."""
    wire = make_wire(Fake(respond(pieces(bomb(200), size), GZIP)))
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            await wire.send(STATS_CALL, nothing)
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


class Hanging(httpx.AsyncByteStream):
    """A body that begins and never ends."""

    def __init__(self) -> None:
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'{"hash_rate"'
        await asyncio.sleep(1e6)

    async def aclose(self) -> None:
        """Remember that it was closed."""
        self.is_closed = True


@pytest.mark.parametrize("delay", [1e6, 0.0, 2.0])
async def test_silence_is_a_timeout(delay: float) -> None:
    """The timeout bounds the whole attempt: before the headers, in the body, or a bit of both; the stream is closed."""
    body, loop = Hanging(), asyncio.get_running_loop()
    fake = Fake(httpx.Response(200, stream=body), answer(), delay=delay)
    wire, start = make_wire(fake, timeout=2.5), loop.time()
    with pytest.raises(
        RequestTimeout, match=r"^GET https://pool\.example/api/users: no complete answer within 2\.5 s$"
    ):
        await wire.send(OWNER_CALL, nothing)
    assert loop.time() - start == pytest.approx(2.5)
    assert body.is_closed is (delay < 2.5)
    fake.delay = 0.0
    assert (await wire.send(STATS_CALL, nothing)).status == 200


@pytest.mark.parametrize(
    ("raised", "kind", "said"),
    [
        (httpx.ConnectTimeout("slow"), RequestTimeout, "ConnectTimeout: slow"),
        (httpx.PoolTimeout(""), RequestTimeout, "PoolTimeout"),
        (httpx.ConnectError(f"no way with {KEY}"), TransportError, "ConnectError: no way with ***"),
        (httpx.ReadError(BASIC), TransportError, "ReadError: ***"),
        (httpx.RemoteProtocolError("cut"), TransportError, "RemoteProtocolError: cut"),
        (httpx.UnsupportedProtocol("what"), TransportError, "UnsupportedProtocol: what"),
        (httpx.StreamConsumed(), TransportError, "StreamConsumed: "),
        (ConnectionResetError(104, "reset"), TransportError, "ConnectionResetError: [Errno 104] reset"),
        (ssl.SSLError(1, "handshake"), TransportError, "handshake"),
    ],
)
@pytest.mark.parametrize("in_body", [True, False])
async def test_foreign_failures_are_translated(
    *, raised: Exception, kind: type[BitminterError], said: str, in_body: bool
) -> None:
    """A failure of the network, on the way or in the body, is ours, names URL and cause, and drags nothing along."""
    body = Chunks([b"{", raised])
    wire = make_wire(Fake(httpx.Response(200, stream=body) if in_body else raised, answer()))
    with pytest.raises(kind) as caught:
        await wire.send(OWNER_CALL, nothing)
    error = caught.value
    assert type(error) is kind
    assert str(error).startswith(f"GET {POOL}/api/users: ")
    assert said in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None
    assert body.is_closed is in_body
    assert (await wire.send(STATS_CALL, nothing)).status == 200


@pytest.mark.parametrize("fault", [AssertionError("unexpected"), RuntimeError("broken"), KeyError("x")])
async def test_a_fault_of_a_given_transport_passes_as_it_is(fault: Exception) -> None:
    """What is no failure of the network is the transport's own fault and reaches its author."""
    with pytest.raises(type(fault)) as caught:
        await make_wire(Fake(fault)).send(OWNER_CALL, nothing)
    assert caught.value is fault


async def test_a_cancelled_request_closes_its_stream() -> None:
    """Cancellation passes through as it is, and the stream is closed."""
    body = Hanging()
    fake = Fake(httpx.Response(200, stream=body))
    task = asyncio.create_task(make_wire(fake).send(OWNER_CALL, nothing))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert body.is_closed
