"""The client: its options, the environment, its loop and its end."""

import asyncio
import concurrent.futures
import contextlib
import gc
import threading
import warnings
from importlib import metadata
from typing import Any

import httpx
import pytest

from bitminter_async import ApiKey, Client, ClientClosed, KeyRefused, Receipt, TransportError
from tests.support.samples import KEY, POOL, USER
from tests.support.transport import Fake, answer

OWN_AGENT = (
    f"bitminter-async/{metadata.version('bitminter-async')} (+https://github.com/bitminter-async/bitminter-async)"
)
SECONDS = ["interval", "max_age", "timeout", "patience"]


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        *(({name: value}, ValueError, f"^{name} ") for name in SECONDS for value in (-1, -0.001, float("nan"), 1e999)),
        *(({name: value}, TypeError, f"^{name} ") for name in SECONDS for value in (True, "5", None)),
        ({"timeout": 0}, ValueError, "^timeout "),
        ({"attempts": 0}, ValueError, "^attempts "),
        ({"attempts": 2.0}, TypeError, "^attempts "),
        ({"attempts": True}, TypeError, "^attempts "),
        ({"attempts": "3"}, TypeError, "^attempts "),
        ({"api_key": ""}, ValueError, "^api_key "),
        ({"api_key": "with space"}, ValueError, "^api_key "),
        ({"api_key": 5}, TypeError, "^api_key "),
        ({"key_in": "Header"}, ValueError, "^key_in must be one of header, basic, query$"),
        ({"key_in": None}, ValueError, "^key_in "),
        ({"base_url": "pool.example"}, ValueError, "^base_url "),
        ({"base_url": ""}, ValueError, "^base_url "),
        ({"user_agent": ""}, ValueError, "^user_agent "),
        ({"user_agent": "bot\r\nX: y"}, ValueError, "^user_agent "),
        ({"user_agent": "b\xf6t"}, ValueError, "^user_agent "),
        ({"user_agent": "bot "}, ValueError, "^user_agent "),
        ({"user_agent": 5}, TypeError, "^user_agent "),
        ({"proxy": "ftp://proxy.example"}, ValueError, "proxy "),
        ({"transport": "a transport"}, TypeError, "^transport "),
        ({"transport": httpx.HTTPTransport()}, TypeError, "^transport "),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], kind: type[Exception], message: str) -> None:
    """An option that cannot be used is named by the constructor."""
    with pytest.raises(kind, match=message):
        Client(**options)


@pytest.mark.parametrize(
    ("words", "agent"), [(None, OWN_AGENT), ("bot/2 (a@b.example)", f"bot/2 (a@b.example) {OWN_AGENT}")]
)
async def test_the_user_agent(words: str | None, agent: str) -> None:
    """The package's name, version and home tell who asks; the caller's own words come first."""
    fake = Fake(answer(5))
    async with Client(base_url=POOL, user_agent=words, transport=fake) as client:
        await client.pool.workers()
    assert fake.sent[0].request.headers["user-agent"] == agent


@pytest.mark.parametrize(
    ("environment", "options", "sent"),
    [
        ({}, {}, None),
        ({"BITMINTER_KEY": KEY}, {}, KeyRefused),
        ({"BITMINTER_KEY": KEY, "BITMINTER_URL": ""}, {}, KeyRefused),
        ({"BITMINTER_KEY": KEY, "BITMINTER_URL": POOL}, {}, f"key={KEY}"),
        ({"BITMINTER_KEY": "", "BITMINTER_URL": POOL}, {}, None),
        ({"BITMINTER_KEY": "OTHER", "BITMINTER_URL": POOL}, {"api_key": KEY}, f"key={KEY}"),
        ({"BITMINTER_KEY": KEY, "BITMINTER_URL": "http://other.example"}, {"base_url": POOL}, f"key={KEY}"),
        ({"BITMINTER_URL": POOL}, {"api_key": ApiKey(KEY)}, f"key={KEY}"),
        ({"BITMINTER_KEY": KEY}, {"base_url": "https://bitminter.com"}, f"key={KEY}"),
    ],
)
async def test_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], options: dict[str, Any], sent: object
) -> None:
    """BITMINTER_KEY and BITMINTER_URL stand in for what is not given; empty is unset; a chosen host gets the key."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    fake = Fake(answer(USER))
    async with Client(transport=fake, **options) as client:
        with pytest.raises(KeyRefused) if sent is KeyRefused else contextlib.nullcontext():
            await client.users.get()
    requests = [each.request for each in fake.sent]
    assert [request.headers.get("authorization") for request in requests] == ([] if sent is KeyRefused else [sent])
    chosen = options.get("base_url") or environment.get("BITMINTER_URL") or "https://bitminter.com"
    assert all(str(request.url) == f"{chosen}/api/users" for request in requests)


@pytest.mark.parametrize("chosen", [True, False])
async def test_who_names_no_pool_is_told_why_none_answers(*, chosen: bool) -> None:
    """Where the default host does not answer, the error says what to do; a chosen host's does not."""
    fake = Fake(httpx.ConnectError("no such host"))
    async with Client(base_url="https://bitminter.com" if chosen else None, attempts=1, transport=fake) as client:
        with pytest.raises(TransportError) as caught:
            await client.pool.workers()
    assert str(caught.value).endswith("no such host" if chosen else "set BITMINTER_URL, or pass base_url")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BITMINTER_KEY", "sesame and more", "must be 8 or more printable ASCII characters, without a space"),
        ("BITMINTER_URL", "sesame", "must be a URL with a host, and begin with http:// or https://"),
        ("BITMINTER_URL", "https://joe:sesame@pool.example", "must not carry user info: the key goes into api_key"),
        ("BITMINTER_URL", "https://pool.example?sesame", "must not carry a query or a fragment: a path prefix is all"),
        ("BITMINTER_URL", "http://xn--a", "must have a host that a name server can know"),
    ],
)
def test_a_wrong_environment_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    """What the environment says is checked like an argument, called by the variable's name, and not repeated."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=rf"^{name} {said}") as caught:
        Client()
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["http://joe:sesame@[::1", "ftp://joe:sesame@a", "http://joe:sesame@a:port"])
async def test_a_bad_proxy_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """A proxy that cannot be used is told at once where it was given, else by the first call, which sends nothing."""
    with pytest.raises(ValueError, match="proxy must be a URL with a host") as given:
        Client(base_url=POOL, proxy=proxy)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    async with Client(base_url=POOL, attempts=1) as client:
        with pytest.raises(TransportError, match="the environment's HTTPS_PROXY must be a URL with a host") as found:
            await client.pool.stats()
        assert client.receipt.requests == 0
    for caught in (given, found):
        assert "sesame" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_a_client_is_made_outside_a_loop_and_belongs_to_its_first() -> None:
    """The first loop that uses a client, if only to enter it, is its own; any other is told so in one sentence."""
    for first_enters in (True, False):
        client = Client(base_url=POOL, transport=Fake(answer(5)))
        asyncio.run(client.__aenter__() if first_enters else client.pool.workers())
        for again in (client.__aenter__(), client.pool.workers()):
            with pytest.raises(RuntimeError) as caught:
                asyncio.run(again)
            assert (
                str(caught.value) == "this client was first used on another event loop: make one client for each loop"
            )


async def test_a_client_is_entered_after_its_first_call() -> None:
    """On its own loop a client may be used before it is entered, and entered again."""
    fake = Fake(answer(5))
    client = Client(base_url=POOL, transport=fake)
    await client.pool.workers()
    async with client:
        assert await client.pool.workers() == 5
    assert len(fake.sent) == 1
    assert fake.is_closed


def test_a_client_needs_asyncio() -> None:
    """Under trio, or wherever else no asyncio loop runs, the first use says so in a sentence."""
    client = Client(base_url=POOL, transport=Fake())
    for use in (client.__aenter__(), client.pool.workers(), client.users.get(), client.aclose()):
        with pytest.raises(RuntimeError, match=r"^bitminter_async needs asyncio, and no asyncio event loop runs here$"):
            use.send(None)


def test_a_loop_that_does_not_turn_holds_up_no_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its loop runs in another thread but hears nothing any more, closing from here comes to its end, too."""
    monkeypatch.setattr("bitminter_async._session.session._CLOSING", 0.01)
    fake, stuck, go_on = Fake(answer(5)), threading.Event(), threading.Event()
    client = Client(base_url=POOL, transport=fake)

    async def use() -> None:
        await client.pool.workers()
        stuck.set()
        go_on.wait(10)

    with concurrent.futures.ThreadPoolExecutor() as threads:
        used = threads.submit(asyncio.run, use())
        assert stuck.wait(10)
        asyncio.run(client.aclose())
        assert fake.is_closed
        go_on.set()
        used.result()


def test_a_client_is_closed_on_another_loop_once_its_own_has_ended(caplog: pytest.LogCaptureFixture) -> None:
    """Where the first loop is gone, closing raises nothing, closes the transport, and no call is sent any more."""
    fake = Fake(answer(5))
    client = Client(base_url=POOL, transport=fake)
    asyncio.run(client.pool.workers())
    for _ in range(2):
        asyncio.run(client.aclose())
    assert fake.is_closed
    with pytest.raises(ClientClosed):
        asyncio.run(client.pool.workers())
    assert len(fake.sent) == 1
    assert caplog.records == []


def test_what_sleeps_on_a_closed_loop_does_not_keep_a_client_open() -> None:
    """A loop that was closed while something waited on it cannot be told; the client is closed all the same."""
    fake, loop = Fake(answer()), asyncio.new_event_loop()
    client = Client(base_url=POOL, transport=fake)

    async def begin() -> None:
        await client.pool.stats()
        sleepers.append(asyncio.create_task(client._session.sleep(1000)))
        await asyncio.sleep(0)

    sleepers: list[asyncio.Task[None]] = []
    loop.set_exception_handler(lambda _loop, _context: None)  # which hears that the sleeper was destroyed
    loop.run_until_complete(begin())
    loop.close()
    asyncio.run(client.aclose())
    assert fake.is_closed
    assert "closed" in repr(client)


def test_a_client_is_closed_from_another_thread() -> None:
    """Where its loop runs in another thread, closing from here ends what is under way there, at once."""
    asked = threading.Event()

    class Announcing(Fake):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            asked.set()
            return await super().handle_async_request(request)

    fake = Announcing(answer(), delay=1000)
    client = Client(base_url=POOL, transport=fake, timeout=2000)

    async def close() -> None:
        await asyncio.to_thread(asked.wait)
        await client.aclose()

    with concurrent.futures.ThreadPoolExecutor() as threads:
        call = threads.submit(asyncio.run, client.pool.stats())
        asyncio.run(close())
        assert isinstance(call.exception(), ClientClosed)
    assert fake.is_closed


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, "https://bitminter.com without key"),
        ({"base_url": f"{POOL}/api"}, f"{POOL}/api without key"),
        ({"base_url": f"{POOL}/{KEY}/", "api_key": KEY}, f"{POOL}/***/ with key ***"),
    ],
)
async def test_a_client_shows_what_it_is(options: dict[str, Any], shown: str) -> None:
    """Its repr tells where it asks, whether it has a key, which it does not show, and whether it is open."""
    client = Client(**options)
    assert repr(client) == str(client) == f"<Client of {shown}, open>"
    await client.aclose()
    assert repr(client) == f"<Client of {shown}, closed>"


def make_transport(**_: Any) -> Fake:
    """Stand in for the transport that a client makes itself."""
    return Fake(answer(5))


def test_an_unclosed_client_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that opened connections and is dropped is a ResourceWarning that names its pool; no loop need run."""
    monkeypatch.setattr(httpx, "AsyncHTTPTransport", make_transport)
    client = Client(base_url=POOL)
    asyncio.run(client.pool.workers())
    with pytest.warns(ResourceWarning, match=rf"^unclosed <Client of {POOL} without key, open>$"):
        del client


def test_no_other_client_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was closed, never asked, could not be made, or was given its transport, is dropped without a word."""
    monkeypatch.setattr(httpx, "AsyncHTTPTransport", make_transport)

    async def use(client: Client) -> None:
        async with client:
            await client.pool.workers()

    with warnings.catch_warnings(record=True, action="always") as caught:
        asyncio.run(use(Client(base_url=POOL)))
        asyncio.run(Client(base_url=POOL).__aenter__())
        asyncio.run(Client(base_url=POOL, transport=Fake(answer(5))).pool.workers())
        wrongs: list[dict[str, Any]] = [{"attempts": 0}, {"base_url": "pool"}]
        for wrong in wrongs:
            with contextlib.suppress(ValueError):
                Client(**wrong)
        gc.collect()
    assert caught == []


async def test_leaving_by_an_exception_closes() -> None:
    """The exception passes, what is under way ends, and the client is closed."""
    fake = Fake(answer(5), delay=10)
    client = Client(base_url=POOL, transport=fake)
    call = asyncio.create_task(client.pool.workers())

    async def leave() -> None:
        async with client as entered:
            assert entered is client
            await asyncio.sleep(1)
            assert not call.done()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await leave()
    assert isinstance(call.exception(), ClientClosed)
    with pytest.raises(ClientClosed):
        await client.pool.workers()
    assert fake.is_closed
    assert len(fake.sent) == 1


async def test_a_client_that_was_never_used_closes() -> None:
    """Closing makes no transport, and closes the one that was passed in."""
    fake = Fake()
    await Client(base_url=POOL, transport=fake).aclose()
    assert fake.is_closed
    async with Client(base_url=POOL):
        pass


async def test_the_receipt_is_a_snapshot() -> None:
    """It tells what was done until now, and does not change afterwards."""
    fake = Fake(answer(5), answer(USER))
    async with Client(KEY, base_url=POOL, interval=2, transport=fake) as client:
        before = client.receipt
        await client.pool.workers()
        await client.pool.workers()
        await client.users.get()
        after = client.receipt
    assert type(before) is Receipt
    assert (before.calls, before.requests, before.cached) == (0, 0, 0)
    assert (after.calls, after.requests, after.cached) == (3, 2, 1)
    assert after.bytes_received > 100
    assert after.shortest_gap is not None
    assert after.shortest_gap.total_seconds() == pytest.approx(2)
    assert "sent 2 requests for 3 calls" in str(after)


class Stubborn(Fake):
    """A transport that fails to close."""

    failure: Exception

    async def aclose(self) -> None:
        """Close, and fail."""
        await super().aclose()
        raise self.failure


@pytest.mark.parametrize("failure", [OSError("gone"), httpx.CloseError("gone")])
async def test_a_transport_that_fails_to_close_is_closed(failure: Exception) -> None:
    """A transport that fails to close is gone, which is what was asked."""
    fake = Stubborn()
    fake.failure = failure
    await Client(base_url=POOL, transport=fake).aclose()
    assert fake.is_closed


async def test_closing_does_not_wait_for_a_transport_that_hangs() -> None:
    """A transport whose `aclose` never returns holds up the client's by `timeout` at most, and one that fails not."""

    class Hanging(Fake):
        async def aclose(self) -> None:
            await asyncio.sleep(10_000)

    loop = asyncio.get_running_loop()
    client = Client(base_url=POOL, transport=Hanging(), timeout=5.0)
    begun = loop.time()
    await client.aclose()
    assert loop.time() - begun == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"base_url": "user:sesame@pool.example"}, ValueError, "base_url must be a URL with a host"),
        ({"base_url": "https://joe:ses/ame@h"}, ValueError, "base_url"),
        ({"base_url": "ftp://h?key=sesame"}, ValueError, "base_url must be a URL with a host"),
        ({"base_url": "http://127.0.0.1:99999"}, ValueError, "base_url must be a URL with a host"),
        ({"base_url": "http://127.0.0.1:0"}, ValueError, "base_url must be a URL with a host"),
        ({"base_url": "http://xn--a"}, ValueError, "a host that a name server can know"),
        ({"base_url": "http://h/" + "a" * 3000}, ValueError, "base_url must be a URL with a host"),
        ({"base_url": 5}, TypeError, "base_url must be a string, not int"),
        ({"proxy": ""}, ValueError, "proxy must be a URL with a host"),
        ({"proxy": "http://"}, ValueError, "proxy must be a URL with a host"),
        ({"proxy": 5}, TypeError, "proxy must be a string, not int"),
        ({"proxy": "socks5://h"}, ValueError, "socksio is missing"),
        ({"allow_plain_http": "no"}, TypeError, "allow_plain_http must be True or False, not str"),
        ({"user_agent": " bot"}, ValueError, "user_agent must be printable"),
    ],
    ids=str,
)
def test_an_option_that_cannot_be_is_refused(options: dict[str, str], error: type[Exception], match: str) -> None:
    """An option is checked before anything is sent; what may hold a password is not repeated."""
    with pytest.raises(error, match=match) as caught:
        Client(**options)  # type: ignore[arg-type]  # wrong on purpose
    assert "sesame" not in str(caught.value)
    assert "ses" not in str(caught.value).replace("user", "")
