"""User data: whose, with which key, and what the pool's refusals mean."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest
import respx
from immutabledict import immutabledict

from bitminter_async import (
    BitminterError,
    Blocked,
    Client,
    DecodeError,
    Forbidden,
    HashRate,
    KeyRefused,
    NotFound,
    StatusError,
    Unauthorized,
    User,
    UserShift,
    Work,
    Worker,
)
from tests.support.clients import make_client
from tests.support.samples import KEY, POOL, USER
from tests.support.transport import Fake, answer

WORK = Work(900, 100, 0, 0, 400, 40)
RATE = HashRate.from_mhps(1805682.2)
RIG = Worker("rig1", RATE, datetime.fromtimestamp(1393675190, UTC), alive=True, work=immutabledict(BTC=WORK, NMC=WORK))
BOB = User(
    name="bob",
    active_workers=1,
    hash_rate=RATE,
    now=datetime.fromtimestamp(1393675200, UTC),
    round_start=immutabledict(BTC=datetime.fromtimestamp(1393673563, UTC), NMC=datetime.fromtimestamp(1393673113, UTC)),
    shift=UserShift(datetime.fromtimestamp(1393673700, UTC), 90, 10, 2.5, 10.0),
    balances=immutabledict(BTC=Decimal("0.21323507"), NMC=Decimal("0.67691192")),
    workers=(RIG, Worker("rig2", RATE, None, alive=False, work=RIG.work)),
)


@pytest.mark.parametrize(("name", "path"), [(None, "/api/users"), ("bob", "/api/users/bob")])
@pytest.mark.parametrize(("key", "sent"), [(KEY, f"key={KEY}"), (None, None)])
async def test_a_user_is_asked_for(name: str | None, path: str, key: str | None, sent: str | None) -> None:
    """The owner and a named user come as a User with all that the pool tells; without a key none is sent."""
    fake = Fake(answer(USER))
    async with make_client(fake, key) as client:
        user = await client.users.get(name)
    assert user == BOB
    assert type(user) is User
    assert fake.paths == [path]
    assert fake.sent[0].request.headers.get("authorization") == sent


@pytest.mark.parametrize(
    ("name", "segment"),
    [
        ("a/b", "a%2Fb"),
        ("\xe4", "%C3%A4"),
        ("%2F", "%252F"),
        ("a?b#c", "a%3Fb%23c"),
        ("Ada Lovelace", "Ada%20Lovelace"),
        ("a/../b", "a%2F..%2Fb"),
        ("...", "..."),
        ("%2e%2e", "%252e%252e"),
        ("a\\b;c", "a%5Cb%3Bc"),
        ("a\r\nb\0", "a%0D%0Ab%00"),
        ("&=+", "%26%3D%2B"),
        ("-._~", "-._~"),
        ("\u77ff\U0001f600", "%E7%9F%BF%F0%9F%98%80"),
        ("pool/stats", "pool%2Fstats"),
    ],
)
@pytest.mark.parametrize(("key_in", "query"), [("header", ""), ("query", f"?key={KEY}")])
async def test_a_name_is_one_segment(name: str, segment: str, key_in: str, query: str) -> None:
    """Whatever a name holds, it stays one segment of the path, and nothing of it becomes a query."""
    fake = Fake(answer(USER, name=name), answer(b"", 404))
    async with make_client(fake, key_in=key_in) as client:
        assert (await client.users.get(name)).name == name
        with pytest.raises(NotFound) as caught:
            await client.users.get(name, max_age=0)
    assert fake.paths == [f"/api/users/{segment}{query}"] * 2
    assert caught.value.url == f"{POOL}/api/users/{segment}"


@pytest.mark.parametrize("other", ["rob", "bob2", "bo", "", "b\u00f6b", "b\u043eb", " bob"])
async def test_another_users_answer_is_no_answer(other: str) -> None:
    """A user of another name than the one asked for is a DecodeError, is not kept, and so never served."""
    fake = Fake(answer(USER, name=other), answer(USER))
    async with make_client(fake) as client:
        with pytest.raises(DecodeError) as caught:
            await client.users.get("bob")
        assert (await client.users.get("bob")).name == "bob"
    ((path, expected, got),) = caught.value.faults
    assert (path, expected, json.loads(got)) == ("$.name", "the name that was asked for", other)
    assert caught.value.url == f"{POOL}/api/users/bob"
    assert caught.value.body.startswith('{"name":')
    assert fake.paths == ["/api/users/bob"] * 2


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("BOB", "bob"),
        ("bob", "Bob"),
        ("zo\u00eb", "zoe\u0308"),
        ("ZOE\u0308", "zo\u00eb"),
        ("Stra\u00dfe", "STRASSE"),
        ("\u1e9b\u0323", "\u1e9b\u0323".upper()),
    ],
)
async def test_a_name_may_be_written_in_another_way(asked: str, name: str) -> None:
    """The pool may know a user by other cases than were asked for, or in another Unicode normal form."""
    fake = Fake(answer(USER, name=name))
    async with make_client(fake) as client:
        assert (await client.users.get(asked)).name == name
    assert len(fake.sent) == 1


async def test_an_unreadable_worker_hides_no_other() -> None:
    """The error for a user with one bad worker carries the user with the others, and the name of the bad one."""
    bad = USER["workers"][0] | {"alive": "perhaps"}
    fake = Fake(answer(USER, workers=[bad, USER["workers"][1]]))
    async with make_client(fake) as client:
        with pytest.raises(DecodeError) as caught:
            await client.users.get("bob")
    assert caught.value.readable == (attrs.evolve(BOB, workers=BOB.workers[1:]),)
    assert caught.value.unreadable == {0: "rig1"}
    assert fake.paths == ["/api/users/bob"]


async def test_whoever_owns_the_key_is_the_answer() -> None:
    """Without a name there is nothing to compare with: any user is the key's owner."""
    fake = Fake(answer(USER, name="someone"))
    async with make_client(fake) as client:
        assert (await client.users.get()).name == "someone"
    assert fake.paths == ["/api/users"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("", ValueError), (".", ValueError), ("..", ValueError), (5, TypeError), (b"bob", TypeError), (True, TypeError)],
)
async def test_a_name_that_cannot_be_asked_for_is_refused(name: Any, kind: type[Exception]) -> None:
    """What no URL can carry as a name is refused before anything is sent."""
    fake = Fake()
    async with make_client(fake) as client:
        with pytest.raises(kind):
            await client.users.get(name)
    assert fake.sent == []


@pytest.mark.parametrize(("max_age", "kind"), [(-1, ValueError), (float("nan"), ValueError), (True, TypeError)])
async def test_a_wrong_max_age_is_refused(max_age: Any, kind: type[Exception]) -> None:
    """An age is a finite number of seconds from 0 up; else nothing is sent."""
    fake = Fake()
    async with make_client(fake) as client:
        with pytest.raises(kind, match="max_age"):
            await client.users.get(max_age=max_age)
    assert fake.sent == []


async def test_one_users_answer_serves_no_other() -> None:
    """The owner, bob and ann are three questions, each asked once; a name and its quoted form are two."""
    names = [None, "bob", "ann", "a b", "a%20b"]
    fake = Fake(*(answer(USER, name=str(name)) for name in names))
    async with make_client(fake) as client:
        for _ in range(2):
            assert [(await client.users.get(name)).name for name in names] == [str(name) for name in names]
        assert client.receipt.cached == len(names)
    assert fake.paths == [f"/api/users{path}" for path in ("", "/bob", "/ann", "/a%20b", "/a%2520b")]


@pytest.mark.parametrize(
    ("status", "body", "key", "kind", "hint"),
    [
        (401, b"", KEY, Unauthorized, "the key is wrong"),
        (401, b"", None, Unauthorized, "the key is missing"),
        (403, b"", KEY, Forbidden, 'the key lacks access to "Balance and worker summary"'),
        (403, b"", None, Blocked, "the pool has blocked this client"),
        (404, b"", KEY, NotFound, "the pool knows no such user"),
        (200, b"", KEY, Forbidden, 'it lacks access to "Balance and worker summary"'),
        (200, b" \n", KEY, Forbidden, 'it lacks access to "Balance and worker summary"'),
        (200, b"", None, Forbidden, '"Balance and worker summary"'),
    ],
)
async def test_a_refusal_says_why(
    status: int, body: bytes, key: str | None, kind: type[StatusError], hint: str
) -> None:
    """Each refusal is its own class, once, and says what is wrong with the key or the name."""
    fake = Fake(answer(body, status))
    async with make_client(fake, key) as client:
        with pytest.raises(kind, match=hint) as caught:
            await client.users.get("bob")
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.url) == (status, f"{POOL}/api/users/bob")
    assert fake.paths == ["/api/users/bob"]


@pytest.mark.parametrize("base_url", [None, "http://pool.example"])
async def test_a_refused_key_stays_here(base_url: str | None) -> None:
    """Where the key must not go, a users call fails and sends nothing; public data and keyless calls go through."""
    fake = Fake(answer(5), answer(USER))
    async with make_client(fake, KEY, base_url=base_url) as client:
        for name in (None, "bob"):
            with pytest.raises(KeyRefused):
                await client.users.get(name)
        assert fake.sent == []
        assert await client.pool.workers() == 5
    async with make_client(fake, None, base_url=base_url) as client:
        assert await client.users.get() == BOB
    assert fake.paths == ["/api/pool/workers", "/api/users"]
    assert not any("authorization" in sent.request.headers for sent in fake.sent)


async def test_a_key_may_go_in_the_clear_where_that_is_allowed() -> None:
    """`allow_plain_http` sends it over plain http."""
    fake = Fake(answer(USER))
    async with make_client(fake, KEY, base_url="http://pool.example", allow_plain_http=True) as client:
        assert await client.users.get() == BOB
    assert fake.sent[0].request.headers["authorization"] == f"key={KEY}"


async def test_respx_mocks_it() -> None:
    """A bot's own tests can mock the client with respx, without giving it a transport."""
    with respx.mock() as router:
        route = router.get(f"{POOL}/api/users").respond(404, text="nobody")
        router.get(f"{POOL}/api/pool/workers").respond(text="1234")
        async with Client(KEY, base_url=POOL, interval=0) as client:
            assert await client.pool.workers() == 1234
            with pytest.raises(NotFound, match="nobody"):
                await client.users.get()
    assert route.call_count == 1
    headers = dict[str, str](route.calls.last.request.headers)
    assert headers["authorization"] == f"key={KEY}"


async def test_what_no_url_can_hold_is_a_wrong_argument() -> None:
    """A name or a commodity beyond reason is refused by its length, before anything is sent."""
    async with Client(base_url=POOL, transport=Fake()) as client:
        with pytest.raises(ValueError, match="at most 1000 characters, not 70000"):
            await client.users.get("a" * 70_000)
        with pytest.raises(ValueError, match="commodity must be a short name"):
            await client.pool.blocks(commodity="A" * 70_000)


async def test_who_asks_for_the_key_as_a_user_reads_it_nowhere() -> None:
    """A key passed as a user's name by mistake stands in no message."""
    async with Client(KEY, base_url=POOL, transport=Fake(answer(b"", 404))) as client:
        with pytest.raises(BitminterError) as caught:
            await client.users.get(KEY)
    assert KEY not in str(caught.value)
    assert "/users/***" in str(caught.value)
