"""No log can make it leak: whatever happens to a keyed call, the key shows nowhere, although the server echoes it."""

import asyncio
import base64
import gc
import html
import json
import logging
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any, get_args
from urllib.parse import quote

import httpx
import pytest

from bitminter_async import (
    BadRequest,
    BitminterError,
    Client,
    DecodeError,
    Forbidden,
    KeyRefused,
    NotFound,
    RateLimited,
    RequestTimeout,
    ServerError,
    StatusError,
    TransportError,
    Unauthorized,
)
from bitminter_async._call import Call
from bitminter_async._wire.key import KeyPlace
from tests.support.clients import make_client
from tests.support.clock import pass_time
from tests.support.samples import KEY, USER
from tests.support.transport import Chunks, Fake, Step, answer
from tests.support.wires import nothing

KEYS = [KEY, "k/+&<\"%=~>'\\9Z"]
PLACES: tuple[KeyPlace, ...] = get_args(KeyPlace)


def forms(key: str) -> list[str]:
    """The key plain, in Base64 and UTF-16, and as a URL, an HTML page and a JSON string would write it."""
    basic = base64.b64encode(f"key:{key}".encode()).decode().rstrip("=")
    quoted, alone = quote(key, safe=""), base64.b64encode(key.encode()).decode().rstrip("=")
    written = [quoted, quote(quoted, safe=""), html.escape(key), json.dumps(key)[1:-1], quote(basic, safe="")]
    return [key, basic, alone, "\0".join(key), *written]


class Witness(logging.Handler):
    """Notes every log record, every report to the loop, and all that an object or an exception shows of itself."""

    def __init__(self, key: str) -> None:
        super().__init__(1)
        self.key = key
        self.forms = [shown.lower() for form in forms(key) for shown in (form, repr(form)[1:-1])]
        self.seen: list[str] = []
        self.loggers: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Note a record, formatted and with all its attributes."""
        self.loggers.add(record.name)
        self.seen += [self.format(record), repr(vars(record))]

    def hear_loop(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Note what nobody else would hear of."""
        self.seen.append(repr(context))
        self.look_at(context.get("exception"))

    def look_at(self, *things: object) -> None:
        """Note what objects show; of exceptions the chain, too, and the tracebacks with every frame's locals."""
        for thing in things:
            self.seen += [repr(thing), str(thing), repr(getattr(thing, "__dict__", None))]
            if isinstance(thing, BaseException):
                shown = traceback.TracebackException.from_exception(thing, capture_locals=True)
                self.seen += [repr(thing.args), *shown.format()]
                self.look_at(*filter(None, (thing.__cause__, thing.__context__)))

    @property
    def leaks(self) -> list[str]:
        """What shows the key in any form."""
        return [text for text in self.seen if any(form in text.lower() for form in self.forms)]


@pytest.fixture(params=KEYS, ids=["plain key", "awkward key"])
def witness(request: pytest.FixtureRequest) -> Iterator[Witness]:
    """A witness at every logger and level."""
    witness = Witness(request.param)
    known = [each for each in logging.root.manager.loggerDict.values() if isinstance(each, logging.Logger)]
    levels = [(logger, logger.level) for logger in (logging.root, *known)]
    for logger, _ in levels:
        logger.setLevel(1)
    logging.root.addHandler(witness)
    with warnings.catch_warnings(record=True, action="always") as caught:
        yield witness
        witness.look_at(*(warning.message for warning in caught))
    logging.root.removeHandler(witness)
    for logger, level in levels:
        logger.setLevel(level)


async def watch(witness: Witness, client: Client, cancel_after: float | None = None) -> BaseException | None:
    """Make a keyed call in debug mode under the witness's eyes, close the client, and return the call's error."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.set_exception_handler(witness.hear_loop)
    error: BaseException | None = None
    async with client:
        call = asyncio.create_task(client.users.get())
        if cancel_after is not None:
            await asyncio.sleep(cancel_after)
            call.cancel()
        try:
            await call
        except (Exception, asyncio.CancelledError) as caught:  # noqa: BLE001  # the witness looks at whatever it is
            error = caught
        session = client._session
        witness.look_at(client, client.pool, client.users, client.receipt, session, session._wire, session._wire._key)
        witness.look_at(error, session._budget.refusal(), *session._flight._flights)
    gc.collect(1)
    witness.look_at(client, session, session._wire, call)
    return error


Make = Callable[[str, str], list[Step]]
SCRIPTS: dict[str, tuple[Make, type[Exception] | None]] = {  # from the key and an echo of it in every form
    "success": (lambda _key, _echo: [answer(USER)], None),
    "echo on success": (lambda _key, echo: [answer(USER, headers={"X-Echo": echo})], None),
    "400": (lambda _key, echo: [told(400, echo)], BadRequest),
    "401": (lambda _key, echo: [told(401, echo)], Unauthorized),
    "403": (lambda _key, echo: [told(403, echo)], Forbidden),
    "404": (lambda _key, echo: [told(404, echo.upper())], NotFound),
    "500": (lambda _key, echo: [told(500, echo), told(502, echo)], ServerError),
    "429": (lambda _key, echo: [told(429, echo), told(429, echo, retry_after="1")], RateLimited),
    "long rest": (lambda _key, echo: [told(503, echo, retry_after="90")], RateLimited),
    "rest on success": (lambda _key, echo: [answer(USER, headers={"Retry-After": "90", "X-Echo": echo})], None),
    "redirect": (lambda _key, echo: [told(302, "", location=f"https://evil.example/?key={echo}")], StatusError),
    "empty": (lambda _key, echo: [told(200, "", x_echo=echo)], Forbidden),
    "HTML": (lambda _key, echo: [told(200, f"<html>{echo}</html>")], DecodeError),
    "no JSON": (lambda _key, echo: [told(200, echo)], DecodeError),
    "cut for show": (lambda key, _echo: [told(200, "." * 490 + key)], DecodeError),
    "values": (
        lambda key, _echo: [answer(USER, hash_rate=key, name=[key], workers=key, shift={"start": "." * 50 + key})],
        DecodeError,
    ),
    "object keys": (
        lambda key, _echo: [answer(USER, balances={key: "x"}, round_start={"." * 50 + key: key})],
        DecodeError,
    ),
    "broken gzip": (lambda _key, echo: [told(200, echo, content_encoding="gzip")], DecodeError),
    "encoding": (lambda key, _echo: [told(200, "", content_encoding=key)], DecodeError),
    "cut": (lambda _key, echo: [cut(httpx.ReadError(echo)), cut(httpx.RemoteProtocolError(echo))], TransportError),
    "no connection": (lambda _key, echo: [httpx.ConnectError(echo), OSError(5, echo)], TransportError),
    "fault": (lambda _key, _echo: [RuntimeError("a fault of the transport")], RuntimeError),
}


def told(status: int, body: str, **headers: str) -> httpx.Response:
    """An answer that says this."""
    return answer(body.encode(), status, {name.replace("_", "-"): value for name, value in headers.items()})


def cut(failure: Exception) -> httpx.Response:
    """An answer that breaks off."""
    return httpx.Response(200, stream=Chunks([b"{", failure]))


def is_keyed(request: httpx.Request) -> bool:
    """Whether a request carries a key anywhere."""
    return "authorization" in request.headers or b"key=" in request.url.query


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("script", SCRIPTS)
async def test_no_answer_makes_it_leak(witness: Witness, place: KeyPlace, script: str) -> None:
    """The key is sent, and echoed, and shows in no log, repr, error or traceback; nor in what a rest tells later."""
    make_steps, kind = SCRIPTS[script]
    fake = Fake(*make_steps(witness.key, " ".join(forms(witness.key))))
    error = await watch(witness, make_client(fake, witness.key, attempts=2, key_in=place))
    assert type(error) is kind if kind else error is None
    assert fake.script == []
    assert all(is_keyed(sent.request) for sent in fake.sent)
    assert witness.leaks == []


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("cancel_after", [None, 1.0])
async def test_no_silence_makes_it_leak(witness: Witness, place: KeyPlace, cancel_after: float | None) -> None:
    """A timeout and a cancelled call show nothing of the request that they ended."""
    fake = Fake(answer(USER), delay=20, repeat=True)
    error = await watch(witness, make_client(fake, witness.key, attempts=2, key_in=place), cancel_after)
    assert isinstance(error, asyncio.CancelledError if cancel_after else RequestTimeout)
    assert all(is_keyed(sent.request) for sent in fake.sent)
    assert witness.leaks == []


@pytest.mark.parametrize("base_url", [None, "http://pool.example"])
async def test_no_refusal_makes_it_leak(witness: Witness, base_url: str | None) -> None:
    """A key that is not sent is not shown, either."""
    error = await watch(witness, make_client(Fake(), witness.key, attempts=2, base_url=base_url))
    assert isinstance(error, KeyRefused)
    assert witness.leaks == []


@pytest.mark.parametrize(
    "options",
    [{"interval": -1}, {"base_url": "x"}, {"key_in": "x"}, {"user_agent": 5}, {"transport": 5}],
)
@pytest.mark.parametrize("is_given", [True, False])
def test_no_wrong_option_makes_it_leak(
    monkeypatch: pytest.MonkeyPatch, witness: Witness, options: dict[str, Any], *, is_given: bool
) -> None:
    """A client that cannot be made shows no key in the frames of its making."""
    monkeypatch.setenv("BITMINTER_KEY", witness.key)
    with pytest.raises((TypeError, ValueError)) as caught:
        Client(witness.key if is_given else None, **options)
    witness.look_at(caught.value)
    assert witness.leaks == []


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("script", SCRIPTS)
async def test_the_wire_itself_shows_nothing(witness: Witness, place: KeyPlace, script: str) -> None:
    """An answer shows nothing that the server wrote; an error raised in the wire has no frame that holds the key."""
    client = make_client(
        Fake(*SCRIPTS[script][0](witness.key, " ".join(forms(witness.key)))), witness.key, attempts=2, key_in=place
    )
    wire = client._session._wire
    call = Call("users", object, keyed=True)
    try:
        got = await wire.send(call, nothing)
    except (BitminterError, RuntimeError) as error:
        witness.look_at(error)
    else:
        assert (got.status, got.keyed) == (got.status, True)
        witness.look_at(got, got.error, got.url, got.text)
    witness.look_at(call, wire)
    assert witness.leaks == []
    await client.aclose()


RAW: dict[str, tuple[str, type[Exception]]] = {
    "401": ("HTTP/1.1 401 {key}\r\nX-Echo: {key} {basic}\r\nContent-Length: 32\r\n\r\n{key}", Unauthorized),
    "redirect": ("HTTP/1.1 302 No\r\nLocation: /?key={key}\r\nContent-Length: 0\r\n\r\n", StatusError),
    "cut": ("HTTP/1.1 200 OK\r\nX-Echo: {basic}\r\nContent-Length: 999\r\n\r\n{key}", TransportError),
    "nonsense": ("{key}\r\n\r\n", TransportError),
    "bad header": ("HTTP/1.1 200 OK\r\n{key}\r\n\r\n", TransportError),
    "bad chunk": ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{key}\r\n", TransportError),
    "silence": ("HTTP/1.1 200 OK\r\nX-Echo: {key}\r\nContent-Length: 999\r\n\r\n{key}", RequestTimeout),
    "no JSON": ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{basic}", DecodeError),
}


@pytest.mark.socket
@pytest.mark.parametrize("witness", [KEY], indirect=True)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("raw", RAW)
async def test_no_connection_makes_it_leak(
    monkeypatch: pytest.MonkeyPatch, witness: Witness, place: KeyPlace, raw: str
) -> None:
    """Over a real socket, with httpcore telling all that it does, and a server that echoes the key wherever it can."""
    reply, kind = RAW[raw]
    heads: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(reply.format(key=KEY, basic=forms(KEY)[1]).encode())
        if raw == "silence":
            await asyncio.sleep(0.01)  # in which the client reads the headers
            pass_time(monkeypatch, 5)
            await reader.read()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        error = await watch(witness, make_client(None, KEY, base_url=url, key_in=place, timeout=5, attempts=1))
    assert type(error) is kind
    assert [any(form in head for form in forms(KEY)) for head in heads] == [True]
    assert {"httpcore.connection", "httpcore.http11", "asyncio"} <= witness.loggers
    assert witness.leaks == []


async def test_the_witness_would_see(witness: Witness) -> None:
    """A log record, a local variable, a chained error and a report to the loop that show the key are seen."""

    def fail(key: str) -> None:
        try:
            int(key)
        except ValueError:
            raise RuntimeError from None

    logging.getLogger("httpcore.http11").debug("headers: %s", witness.key)
    with pytest.raises(RuntimeError) as caught:
        fail(witness.key)
    witness.look_at(caught.value)
    asyncio.get_running_loop().set_exception_handler(witness.hear_loop)
    asyncio.get_running_loop().call_exception_handler({"message": witness.key})
    assert len(witness.leaks) >= 5
