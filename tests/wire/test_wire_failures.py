"""Failures of the wire: told in our own words, within the time, and without the key."""

import asyncio
import ssl
import traceback
from collections.abc import AsyncIterator

import httpx
import pytest

from bitminter_async import BitminterError, Client, RequestTimeout, TransportError
from tests.support.samples import KEY, POOL
from tests.support.transport import Chunks, Fake, answer
from tests.support.wires import BASIC, OWNER_CALL, STATS_CALL, exchange, make_wire, nothing


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
        await exchange(wire, OWNER_CALL)
    assert loop.time() - start == pytest.approx(2.5)
    assert body.is_closed is (delay < 2.5)
    fake.delay = 0.0
    assert (await exchange(wire, STATS_CALL)).status == 200


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
        await exchange(wire, OWNER_CALL)
    error = caught.value
    assert type(error) is kind
    assert str(error).startswith(f"GET {POOL}/api/users: ")
    assert said in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None
    assert body.is_closed is in_body
    assert (await exchange(wire, STATS_CALL)).status == 200


async def test_a_long_failure_is_cut() -> None:
    """What httpx says of a broken answer may hold the answer: it is cut to a line, and printable."""
    said = httpx.RemoteProtocolError("illegal header line: balance 0.21323507\x1b[2J" + "x" * 40_000)
    with pytest.raises(TransportError, match="RemoteProtocolError: illegal header line") as caught:
        await exchange(make_wire(Fake(said)), STATS_CALL)
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


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


@pytest.mark.parametrize("kind", [RuntimeError, AssertionError, KeyError])
async def test_a_foreign_error_that_shows_the_key_becomes_our_own(kind: type[Exception]) -> None:
    """What a given transport raises passes as it is, unless its text holds the key: then it is told masked."""
    fake = Fake(kind(f"no answer for /users?key={KEY}"), kind("no answer"))
    async with Client(KEY, base_url=POOL, transport=fake, attempts=1) as client:
        with pytest.raises(TransportError, match=r"no answer for /users\?key=\*\*\*"):
            await client.users.get()
        with pytest.raises(kind, match="no answer"):
            await client.users.get()


class OddError(Exception):
    """An exception that cannot be copied."""

    def __init__(self, *, told: str) -> None:
        super().__init__(told)


def with_cause(error: Exception, cause: Exception) -> Exception:
    """The error, as raised from its cause."""
    error.__cause__ = cause
    return error


def with_note(error: Exception, note: str) -> Exception:
    """The error with a note."""
    error.add_note(note)
    return error


@pytest.mark.parametrize(
    "raised",
    [
        with_cause(OddError(told="odd"), httpx.ConnectError(f"no way to ?key={KEY}")),
        ExceptionGroup("several", [ValueError(f"?key={KEY}")]),
        ExceptionGroup("several", [ValueError("harmless, but for the frames")]),
        with_note(KeyError("x"), f"sent with {KEY}"),
    ],
    ids=["cause", "group", "group without", "note"],
)
async def test_no_part_of_a_foreign_error_shows_the_key(raised: Exception) -> None:
    """Causes, groups and notes of what a given transport raises are looked at, too."""
    async with Client(KEY, base_url=POOL, transport=Fake(raised), attempts=1) as client:
        with pytest.raises(TransportError) as caught:
            await client.users.get()
    assert KEY not in "".join(traceback.format_exception(caught.value))


async def test_a_stray_cancellation_of_the_transport_is_no_cancellation() -> None:
    """A transport that raises CancelledError of its own accord fails; the caller's task is not cancelled by it."""

    def give_up(_: httpx.Request) -> httpx.Response:
        raise asyncio.CancelledError

    async with Client(base_url=POOL, transport=Fake(give_up), attempts=1) as client:
        with pytest.raises(TransportError, match="gave up"):
            await client.pool.stats()


def told_in(exc: BaseException) -> str:
    """What a logger prints of an exception that prints the locals of each frame."""
    return "".join(traceback.TracebackException.from_exception(exc, capture_locals=True).format())


async def test_an_interrupt_carries_no_frame_that_holds_the_key() -> None:
    """A BaseException from below passes through, without the frames in which the key stood."""

    class Stop(BaseException):
        pass

    def stop(_: httpx.Request) -> httpx.Response:
        raise Stop

    with pytest.raises(Stop) as caught:
        await make_wire(Fake(stop), key_in="query").send(OWNER_CALL, nothing)
    assert "handle_async_request" not in [entry.name for entry in caught.traceback]
    assert KEY not in told_in(caught.value)


async def test_a_cancellation_carries_no_frame_that_holds_the_key() -> None:
    """Neither does that of the caller's task, whoever looks at it on its way up."""
    seen: list[asyncio.CancelledError] = []

    async def ask() -> None:
        try:
            await make_wire(Fake(answer(), delay=5), key_in="query").send(OWNER_CALL, nothing)
        except asyncio.CancelledError as exc:
            seen.append(exc)
            raise

    task = asyncio.create_task(ask())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    (exc,) = seen
    assert "handle_async_request" not in told_in(exc)
    assert KEY not in told_in(exc)


async def test_a_foreign_error_carries_no_frame_of_what_led_to_it() -> None:
    """A fault of a given transport that came while it handled another is bared of that one's frames as well."""

    def fail(request: httpx.Request) -> httpx.Response:
        try:
            int(request.method)
        except ValueError:
            raise RuntimeError("mine")  # noqa: B904  # the context is what this is about
        raise AssertionError

    with pytest.raises(RuntimeError, match="mine") as caught:
        await make_wire(Fake(fail), key_in="query").send(OWNER_CALL, nothing)
    assert isinstance(caught.value.__context__, ValueError)
    assert caught.value.__context__.__traceback__ is None
    assert KEY not in told_in(caught.value)
