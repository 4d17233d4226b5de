"""The wire, outwards: what a request looks like, and who gets the key."""

import gc
import logging
import re
from typing import Any

import httpx
import pytest

from bitminter_async._call import Call
from bitminter_async._wire.key import ApiKey, KeyPlace
from bitminter_async.errors import KeyRefused
from tests.support.samples import KEY, POOL, USER
from tests.support.transport import Fake, answer
from tests.support.wires import BASIC, OWNER_CALL, STATS_CALL, make_wire, nothing


@pytest.mark.parametrize(
    ("base_url", "host", "asked"),
    [
        (POOL, "pool.example", "https://pool.example/api/pool/stats"),
        ("https://pool.example/", "pool.example", "https://pool.example/api/pool/stats"),
        ("HTTPS://Pool.Example", "pool.example", "https://pool.example/api/pool/stats"),
        ("https://pool.example:443", "pool.example", "https://pool.example/api/pool/stats"),
        ("https://pool.example:8443/a/b/", "pool.example:8443", "https://pool.example:8443/a/b/api/pool/stats"),
        ("http://pool.example/a//", "pool.example", "http://pool.example/a/api/pool/stats"),
        ("http://[::1]:8420", "[::1]:8420", "http://[::1]:8420/api/pool/stats"),
        ("https://[2001:db8::1]/x", "[2001:db8::1]", "https://[2001:db8::1]/x/api/pool/stats"),
        ("https://b\xfccher.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example/api/pool/stats"),
        (None, "bitminter.com", "https://bitminter.com/api/pool/stats"),
    ],
)
async def test_a_request_is_whole(base_url: str | None, host: str, asked: str) -> None:
    """A call becomes a GET of the base URL plus /api/ plus its path, with these headers and no other."""
    fake = Fake(answer())
    got = await make_wire(fake, base_url).send(STATS_CALL, nothing)
    request = fake.sent[0].request
    assert (request.method, str(request.url)) == ("GET", asked)
    assert sorted(request.headers.multi_items()) == [
        ("accept", "application/json"),
        ("accept-encoding", "gzip"),
        ("connection", "keep-alive"),
        ("host", host),
        ("user-agent", "tester/1"),
    ]
    assert (got.status, got.url, got.keyed, got.for_user) == (200, asked, False, False)


async def test_a_given_transport_can_tell_that_there_is_no_body() -> None:
    """The request has been read, so that no transport takes its empty body for one of unknown length."""
    fake = Fake(answer())
    await make_wire(fake).send(STATS_CALL, nothing)
    assert fake.sent[0].request.content == b""
    assert not {"content-length", "transfer-encoding"} & fake.sent[0].request.headers.keys()


async def test_parameters_are_quoted() -> None:
    """Each parameter's value is quoted whole, in the order given."""
    fake = Fake(answer([]))
    got = await make_wire(fake).send(Call("pool/blocks", object, (("max", "5"), ("x", "a&b=c d/\xe4"))), nothing)
    assert fake.paths == ["/api/pool/blocks?max=5&x=a%26b%3Dc%20d%2F%C3%A4"]
    assert got.url == POOL + fake.paths[0]


@pytest.mark.parametrize(
    ("key_in", "header", "query"),
    [("header", f"key={KEY}", ""), ("basic", f"Basic {BASIC}", ""), ("query", None, f"?key={KEY}")],
)
async def test_the_key_goes_where_it_is_asked_to(key_in: KeyPlace, header: str | None, query: str) -> None:
    """The key travels in one of three places, on keyed calls alone, and the answer's URL is without it."""
    fake = Fake(answer(USER), answer(), answer(USER))
    wire = make_wire(fake, key_in=key_in)
    keyed, public = await wire.send(OWNER_CALL, nothing), await wire.send(STATS_CALL, nothing)
    assert (keyed.keyed, keyed.for_user, keyed.url) == (True, True, f"{POOL}/api/users")
    assert (public.keyed, public.for_user, public.url) == (False, False, f"{POOL}/api/pool/stats")
    assert fake.paths == [f"/api/users{query}", "/api/pool/stats"]
    assert [sent.request.headers.get("authorization") for sent in fake.sent] == [header, None]
    keyless = await make_wire(fake, key_in=key_in, api_key=None).send(OWNER_CALL, nothing)
    assert (keyless.keyed, keyless.for_user, fake.paths[2]) == (False, True, "/api/users")
    assert "authorization" not in fake.sent[2].request.headers


async def test_a_key_is_quoted_in_the_query() -> None:
    """A key with characters of its own in a URL arrives as it is."""
    fake = Fake(answer(USER))
    await make_wire(fake, key_in="query", api_key=ApiKey("a&b=c/%+#")).send(OWNER_CALL, nothing)
    assert fake.paths == ["/api/users?key=a%26b%3Dc%2F%25%2B%23"]
    assert fake.sent[0].request.url.params["key"] == "a&b=c/%+#"


@pytest.mark.parametrize(
    ("base_url", "allow_plain_http", "refused"),
    [
        (POOL, False, None),
        ("http://127.0.0.1:8420", False, None),
        ("http://127.8.9.10", False, None),
        ("http://[::1]:8420", False, None),
        ("http://localhost:8420/x", False, None),
        ("http://LOCALHOST", False, None),
        ("http://pool.example", True, None),
        ("http://pool.example", False, "would travel in the clear"),
        ("http://10.0.0.1", False, "would travel in the clear"),
        ("http://128.0.0.1", False, "would travel in the clear"),
        ("http://[2001:db8::1]", False, "would travel in the clear"),
        ("http://localhost.example", False, "would travel in the clear"),
        ("http://127.0.0.1.example", False, "would travel in the clear"),
        ("http://localhost.", False, "would travel in the clear"),
        (None, False, "https://bitminter.com is closed"),
        (None, True, "https://bitminter.com is closed"),
        ("https://bitminter.com", False, None),
    ],
)
def test_the_key_is_refused_a_clear_or_unchosen_way(
    *, base_url: str | None, allow_plain_http: bool, refused: str | None
) -> None:
    """A keyed call may be sent over https or to loopback, to a host that was chosen; the refusal says what to do."""
    wire = make_wire(None, base_url, allow_plain_http=allow_plain_http)
    wire.check_key(STATS_CALL)
    make_wire(None, base_url, api_key=None).check_key(OWNER_CALL)
    if refused is None:
        wire.check_key(OWNER_CALL)
    else:
        with pytest.raises(KeyRefused, match=re.escape(refused)) as caught:
            wire.check_key(OWNER_CALL)
        assert "was not sent" in str(caught.value)


@pytest.mark.parametrize(
    ("event", "departures"), [("http11.send_request_headers.started", 2), ("connection.connect_tcp.started", 1)]
)
async def test_departures_are_told(event: str, departures: int) -> None:
    """`on_departure` is awaited before a given transport gets the request, and when it says that the headers leave.

    Both times it is told of the same departure.
    """
    told: list[int] = []

    async def depart(number: int) -> None:
        told.append(number)

    class Telling(Fake):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            assert told == [1]
            await request.extensions["trace"](event, {"request": request})
            return await super().handle_async_request(request)

    await make_wire(Telling(answer())).send(STATS_CALL, depart)
    assert told == [1] * departures


def chatty_filters() -> list[int]:
    """How many filters each logger has that prints headers."""
    httpcore = ("connection", "http11", "http2", "proxy", "socks")
    names = [*(f"httpcore.{name}" for name in httpcore), "hpack.hpack", "hpack.table"]
    return [len(logging.getLogger(name).filters) for name in names]


async def test_logs_are_filtered_while_a_keyed_wire_is_open() -> None:
    """The loggers that print headers carry a filter for as long as a key is held, and no longer."""
    gc.collect()
    before = chatty_filters()
    keyless, wire, other = make_wire(None, api_key=None), make_wire(None), make_wire(None)
    assert chatty_filters() == [count + 2 for count in before]
    for each in (wire, wire, keyless):
        await each.aclose()
    assert chatty_filters() == [count + 1 for count in before]
    await other.aclose()
    assert chatty_filters() == before


def test_logs_are_left_as_they_were_by_a_wire_that_nobody_closed() -> None:
    """A keyed wire that is merely dropped takes its filters with it."""
    gc.collect()
    before = chatty_filters()
    wire = make_wire(None)
    assert chatty_filters() == [count + 1 for count in before]
    del wire
    gc.collect()
    assert chatty_filters() == before


@pytest.mark.parametrize(
    ("call", "api_key", "keyed", "for_user"),
    [(OWNER_CALL, ApiKey(KEY), True, True), (OWNER_CALL, None, False, True), (STATS_CALL, ApiKey(KEY), False, False)],
)
def test_what_somebody_else_has_fetched_is_an_answer_like_any_other(
    call: Call[Any], api_key: ApiKey | None, *, keyed: bool, for_user: bool
) -> None:
    """It is a success, read, masked and told of under the same URL as one that this wire would have fetched itself."""
    wire = make_wire(None, api_key=api_key)
    answer = wire.answer(call, f"seen {KEY}".encode())
    assert (answer.status, answer.error, answer.rest) == (200, None, None)
    assert (answer.keyed, answer.for_user, answer.url) == (keyed, for_user, wire.url(call))
    assert answer.text == ("seen ***" if api_key else f"seen {KEY}")
