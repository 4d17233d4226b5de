"""Of an answer that is not a success the status counts, whatever becomes of its body; and a transport's odd ways."""

import asyncio
import gzip
import traceback
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from bitminter_async import (
    BitminterError,
    Blocked,
    Client,
    DecodeError,
    Forbidden,
    RateLimited,
    ServerError,
    TransportError,
)
from tests.support.samples import KEY
from tests.support.transport import Chunks, Fake, answer

_POOL = "https://pool.example"
_CUT = httpx.ReadError("cut")


def _cut(status: int, headers: dict[str, str]) -> httpx.Response:
    return httpx.Response(status, headers=headers, stream=Chunks([b"half of", _CUT]))


@pytest.mark.parametrize(
    ("response", "error", "rest"),
    [
        (lambda: answer(b"", 429, {"Retry-After": "600", "Content-Encoding": "br"}), RateLimited, 600.0),
        (lambda: answer(b"no gzip", 429, {"Retry-After": "600", "Content-Encoding": "gzip"}), RateLimited, 600.0),
        (lambda: answer(b" " * (8 * 2**20 + 1), 403), Blocked, 900.0),
        (lambda: _cut(503, {"Retry-After": "600"}), RateLimited, 600.0),
        (lambda: _cut(403, {}), Blocked, 900.0),
        (lambda: _cut(502, {}), ServerError, 0.0),
    ],
    ids=["429 br", "429 no gzip", "403 too large", "503 cut", "403 cut", "502 cut"],
)
async def test_the_status_counts_though_the_body_is_bad(
    response: Callable[[], httpx.Response], error: type[BitminterError], rest: float
) -> None:
    """A rest or a block is heeded, and nothing asked meanwhile, although the body that came with it cannot be read."""
    fake = Fake(response())
    async with Client(base_url=_POOL, transport=fake, attempts=1) as client:
        for _ in range(2 if rest else 1):
            with pytest.raises(error) as caught:
                await client.pool.stats()
            assert getattr(caught.value, "retry_after", 0.0) == pytest.approx(rest)
        assert client.receipt.rested.total_seconds() == rest
    assert len(fake.sent) == 1


async def test_a_body_that_stalls_does_not_hide_the_status() -> None:
    """A 403 whose body never ends is a block once the time is over, and is not asked again."""

    class Stalling(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            await asyncio.sleep(1000)
            yield b""

    fake = Fake(httpx.Response(403, stream=Stalling()))
    async with Client(base_url=_POOL, transport=fake) as client:
        with pytest.raises(Blocked):
            await client.pool.stats()
    assert len(fake.sent) == 1


async def test_an_empty_body_in_gzip_is_empty() -> None:
    """No byte at all under `Content-Encoding: gzip` is an empty answer, not a broken one."""
    fake = Fake(answer(b"", headers={"Content-Encoding": "gzip"}))
    async with Client(KEY, base_url=_POOL, transport=fake) as client:
        with pytest.raises(Forbidden, match="switched off"):
            await client.users.get()


@pytest.mark.parametrize("encoding", [f"{'x' * 20}{KEY}", f"gzip\x1b[2J{KEY}"])
async def test_an_odd_encoding_shows_no_key_and_no_control_character(encoding: str) -> None:
    """The encoding is masked before it is cut for show."""
    fake = Fake(answer(b"", headers={"Content-Encoding": encoding}))
    async with Client(KEY, base_url=_POOL, transport=fake) as client:
        with pytest.raises(DecodeError) as caught:
            await client.pool.stats()
    assert KEY[:6] not in str(caught.value)
    assert caught.value.faults[0].got.isprintable()


@pytest.mark.parametrize("kind", [RuntimeError, AssertionError, KeyError])
async def test_a_foreign_error_that_shows_the_key_becomes_our_own(kind: type[Exception]) -> None:
    """What a given transport raises passes as it is, unless its text holds the key: then it is told masked."""
    fake = Fake(kind(f"no answer for /users?key={KEY}"), kind("no answer"))
    async with Client(KEY, base_url=_POOL, transport=fake, attempts=1) as client:
        with pytest.raises(TransportError, match=r"no answer for /users\?key=\*\*\*"):
            await client.users.get()
        with pytest.raises(kind, match="no answer"):
            await client.users.get()


async def test_a_stray_cancellation_of_the_transport_is_no_cancellation() -> None:
    """A transport that raises CancelledError of its own accord fails; the caller's task is not cancelled by it."""

    def give_up(_: httpx.Request) -> httpx.Response:
        raise asyncio.CancelledError

    async with Client(base_url=_POOL, transport=Fake(give_up), attempts=1) as client:
        with pytest.raises(TransportError, match="gave up"):
            await client.pool.stats()


async def test_an_interrupt_carries_no_frame_that_holds_the_key() -> None:
    """A BaseException from below passes through, without the frames in which the key stood."""

    class Stop(BaseException):
        pass

    def stop(_: httpx.Request) -> httpx.Response:
        raise Stop

    async with Client(KEY, base_url=_POOL, transport=Fake(stop)) as client:
        with pytest.raises(Stop) as caught:
            await client.users.get()
    assert "handle_async_request" not in [entry.name for entry in caught.traceback]
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    assert f"key={KEY}" not in "".join(told)


async def test_a_missing_file_of_certificates_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says of TLS and cannot be is a TransportError that names it."""

    def missing() -> None:
        raise FileNotFoundError(2, "No such file", "/nowhere/ca.pem")

    monkeypatch.setattr("bitminter_async._wire.wire._tls", missing)
    async with Client(base_url=_POOL, attempts=1) as client:
        with pytest.raises(TransportError, match=r"no way to https://pool\.example.*ca\.pem"):
            await client.pool.stats()


async def test_closing_does_not_wait_for_a_transport_that_hangs() -> None:
    """A transport whose `aclose` never returns holds up the client's by `timeout` at most, and one that fails not."""

    class Hanging(Fake):
        async def aclose(self) -> None:
            await asyncio.sleep(10_000)

    loop = asyncio.get_running_loop()
    client = Client(base_url=_POOL, transport=Hanging(), timeout=5.0)
    begun = loop.time()
    await client.aclose()
    assert loop.time() - begun == pytest.approx(5.0)


async def test_a_waiter_that_is_thrown_away_takes_its_request_along() -> None:
    """Closing the coroutine of a call that waits, as an event loop's end does, leaves no request behind."""
    fake = Fake(answer(gzip.compress(b"1"), headers={"Content-Encoding": "gzip"}), delay=5.0)
    async with Client(base_url=_POOL, transport=fake) as client:
        call = client.pool.users()
        call.send(None)
        await asyncio.sleep(1.0)
        call.close()
        await asyncio.sleep(10.0)
        assert fake.in_air == 0
        assert client.receipt.requests == 1
        assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"base_url": "user:sesame@pool.example"}, ValueError, "base_url is a URL with a host"),
        ({"base_url": "https://joe:ses/ame@h"}, ValueError, "base_url"),
        ({"base_url": "ftp://h?key=sesame"}, ValueError, "base_url is a URL with a host"),
        ({"base_url": "http://127.0.0.1:99999"}, ValueError, "base_url is a URL with a host"),
        ({"base_url": "http://127.0.0.1:0"}, ValueError, "base_url is a URL with a host"),
        ({"base_url": "http://xn--a"}, ValueError, "a host that no name server could know"),
        ({"base_url": "http://h/" + "a" * 3000}, ValueError, "base_url is a URL with a host"),
        ({"base_url": 5}, TypeError, "base_url is a string, not int"),
        ({"proxy": ""}, ValueError, "proxy is a URL with a host"),
        ({"proxy": "http://"}, ValueError, "proxy is a URL with a host"),
        ({"proxy": 5}, TypeError, "proxy is a string, not int"),
        ({"proxy": "socks5://h"}, ValueError, "socksio is missing"),
        ({"allow_plain_http": "no"}, TypeError, "allow_plain_http is True or False, not 'no'"),
        ({"user_agent": " bot"}, ValueError, "user_agent is made of"),
    ],
    ids=str,
)
def test_an_option_that_cannot_be_is_refused(options: dict[str, str], error: type[Exception], match: str) -> None:
    """An option is checked before anything is sent; what may hold a password is not repeated."""
    with pytest.raises(error, match=match) as caught:
        Client(**options)  # type: ignore[arg-type]  # wrong on purpose
    assert "sesame" not in str(caught.value)
    assert "ses" not in str(caught.value).replace("user", "")


async def test_what_no_url_can_hold_is_a_wrong_argument() -> None:
    """A name or a commodity beyond reason is refused by its length, before anything is sent."""
    async with Client(base_url=_POOL, transport=Fake()) as client:
        with pytest.raises(ValueError, match="at most 1000 characters, not 70000"):
            await client.users.get("a" * 70_000)
        with pytest.raises(ValueError, match="commodity is a short name"):
            await client.pool.blocks(commodity="A" * 70_000)


async def test_who_asks_for_the_key_as_a_user_reads_it_nowhere() -> None:
    """A key passed as a user's name by mistake stands in no message."""
    async with Client(KEY, base_url=_POOL, transport=Fake(answer(b"", 404))) as client:
        with pytest.raises(BitminterError) as caught:
            await client.users.get(KEY)
    assert KEY not in str(caught.value)
    assert "/users/***" in str(caught.value)
