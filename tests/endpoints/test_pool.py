"""The pool's endpoints: what each sends, what it returns, and what it refuses before anything is sent."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from immutabledict import immutabledict

from bitminter_async import (
    Block,
    BlockStatus,
    ChainRound,
    Client,
    DecodeError,
    Fault,
    HashRate,
    PoolStats,
    Round,
    Shift,
)
from tests.support.clients import make_client
from tests.support.samples import BLOCK, ROUND, SHIFT, STATS, without
from tests.support.transport import Fake, answer

METHODS = ["stats", "hashrate", "workers", "users", "round", "blocks", "shifts", "top50"]
PAGED = ["blocks", "shifts"]
WALKS = ["iter_blocks", "iter_shifts"]

CHAIN = ChainRound(100, 25, timedelta(hours=1), 200.0)
A_ROUND = Round(
    hash_rate=HashRate.from_ghps(1701000),
    active_workers=1234,
    active_users=321,
    shift_accepted=900,
    shift_rejected=100,
    shift_duration=timedelta(minutes=30),
    shift_score=12.5,
    chains=immutabledict({"BTC": CHAIN, "NMC": CHAIN}),
)
A_BLOCK = Block(
    id=7000,
    chain="BTC",
    hash="00000000000000022b43aee8ab4227490fbc180cd12950a1a9a9bb43c0fd6f53",
    height=288497,
    difficulty=2000.0,
    income=Decimal("25.14070459"),
    accepted=1000,
    rejected=10,
    status=BlockStatus.UNCONFIRMED,
    confirmations_left=117,
    generator="bob",
    generated=datetime(2014, 3, 1, 11, 32, 43, tzinfo=UTC),
    duration=timedelta(seconds=5387),
)
A_SHIFT = Shift(
    id=26905,
    difficulty=2000.0,
    accepted=1000000,
    rejected=2000,
    score=753131.9053,
    completed=datetime(2014, 3, 1, 11, 35, tzinfo=UTC),
    duration=timedelta(hours=1),
)


def method(client: Client, name: str) -> Callable[..., Any]:
    """The pool's method of this name."""
    found: Callable[..., Any] = getattr(client.pool, name)
    return found


@pytest.mark.parametrize(
    ("name", "arguments", "path", "content", "result"),
    [
        ("stats", {}, "stats", STATS, PoolStats(HashRate.from_ghps(1701000), 1234, 321)),
        ("hashrate", {}, "hashrate", 1701000, HashRate.from_ghps(1701000)),
        ("hashrate", {}, "hashrate", "1701000.5", HashRate.from_ghps(1701000.5)),
        ("workers", {}, "workers", 1234, 1234),
        ("workers", {}, "workers", "0", 0),
        ("users", {}, "users", 321, 321),
        ("users", {}, "users", 321.0, 321),
        ("round", {}, "round", ROUND, A_ROUND),
        ("blocks", {}, "blocks?max=10&offset=0", [BLOCK], (A_BLOCK,)),
        ("blocks", {"max": 1, "offset": 7}, "blocks?max=1&offset=7", [], ()),
        ("blocks", {"max": 50, "commodity": "NMC"}, "blocks?max=50&offset=0&commodity=NMC", [], ()),
        ("shifts", {}, "shifts?max=10&offset=0", [SHIFT], (A_SHIFT,)),
        ("shifts", {"max": 50, "offset": 10**9}, "shifts?max=50&offset=1000000000", [], ()),
        ("top50", {}, "top50", {}, immutabledict[str, HashRate]()),
    ],
)
async def test_each_endpoint(name: str, arguments: dict[str, Any], path: str, content: object, result: object) -> None:
    """A method sends one GET of its path and parameters, without the key, and returns its type."""
    fake = Fake(answer(content))
    async with make_client(fake) as client:
        got = await method(client, name)(**arguments)
    assert got == result
    assert type(got) is type(result)
    assert fake.paths == [f"/api/pool/{path}"]
    assert "authorization" not in fake.sent[0].request.headers


async def test_the_ranking_is_sorted() -> None:
    """Top 50 comes in Mhps, fastest first, whatever the order on the wire."""
    fake = Fake(answer({"ann": 1.5, "bob": "3000", "cyd": 2}))
    async with make_client(fake) as client:
        top = await client.pool.top50()
    assert list(top.items()) == [
        (name, HashRate.from_mhps(rate)) for name, rate in (("bob", 3000), ("cyd", 2), ("ann", 1.5))
    ]
    assert type(top) is immutabledict


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("max_age", "kind"),
    [(-1, ValueError), (float("nan"), ValueError), (float("inf"), ValueError), (True, TypeError), ("5", TypeError)],
)
async def test_a_wrong_max_age_is_named(name: str, max_age: Any, kind: type[Exception]) -> None:
    """An age is a finite number of seconds from 0 up; else nothing is sent."""
    fake = Fake()
    async with make_client(fake) as client:
        with pytest.raises(kind, match=r"^max_age must be a "):
            await method(client, name)(max_age=max_age)
    assert fake.sent == []


@pytest.mark.parametrize("name", METHODS)
async def test_max_age_belongs_to_the_caller(name: str) -> None:
    """The client's age holds where the call gives none; 0 asks anew."""
    content: dict[str, object] = {"stats": STATS, "round": ROUND, "blocks": [], "shifts": [], "top50": {}}
    fake = Fake(answer(content.get(name, 5)), answer(content.get(name, 7)))
    async with make_client(fake) as client:
        first = [await method(client, name)(), await method(client, name)(max_age=5), await method(client, name)()]
        assert len(fake.sent) == 1
        anew = await method(client, name)(max_age=0)
        assert len(fake.sent) == 2
    assert first[0] is first[1] is first[2]
    assert (anew == first[0]) is (name in content)


WRONG_PAGES = [
    ({"max": 0}, ValueError, "max must be 1 to 50, not 0"),
    ({"max": 51}, ValueError, "max must be 1 to 50, not 51"),
    ({"max": True}, TypeError, "max must be an int, not bool"),
    ({"max": "5"}, TypeError, "max must be an int, not str"),
    ({"max": 5.0}, TypeError, "max must be an int, not float"),
    ({"offset": -1}, ValueError, "offset must be 0 or more, not -1"),
    ({"offset": None}, TypeError, "offset must be an int, not NoneType"),
]
WRONG_COMMODITIES = [
    ({"commodity": ""}, ValueError, "commodity must be a short name"),
    ({"commodity": "B&T"}, ValueError, "commodity must be a short name"),
    ({"commodity": "BTC "}, ValueError, "commodity must be a short name"),
    ({"commodity": "\u0411TC"}, ValueError, "commodity must be a short name of letters and digits"),
    ({"commodity": 5}, TypeError, "commodity must be a string, not int"),
    ({"commodity": b"BTC"}, TypeError, "commodity must be a string, not bytes"),
]
WRONG_BOUNDS = [
    ({"since": datetime(2019, 1, 1)}, ValueError, "since has no time zone"),  # noqa: DTZ001  # which is wrong
    ({"until": datetime(2019, 1, 1)}, ValueError, "until has no time zone"),  # noqa: DTZ001  # which is wrong
    ({"since": "2019-01-01"}, TypeError, "since is a datetime, not str"),
    ({"until": 1546300800}, TypeError, "until is a datetime, not int"),
    ({"after": -1}, ValueError, "after must be 0 or more, not -1"),
    ({"after": "7000"}, TypeError, "after must be an int, not str"),
    ({"limit": -1}, ValueError, "limit must be 0 or more, not -1"),
    ({"limit": 1.5}, TypeError, "limit must be an int, not float"),
]


@pytest.mark.parametrize(("arguments", "kind", "message"), WRONG_PAGES + WRONG_COMMODITIES)
async def test_a_wrong_page_is_named(arguments: dict[str, Any], kind: type[Exception], message: str) -> None:
    """A page's arguments are checked before anything is sent."""
    fake = Fake()
    async with make_client(fake) as client:
        for name in PAGED[: 1 if "commodity" in arguments else 2]:
            with pytest.raises(kind, match=message):
                await method(client, name)(**arguments)
    assert fake.sent == []


@pytest.mark.parametrize(("arguments", "kind", "message"), WRONG_PAGES + WRONG_COMMODITIES + WRONG_BOUNDS)
def test_a_wrong_walk_is_named_at_once(arguments: dict[str, Any], kind: type[Exception], message: str) -> None:
    """A walk's arguments are checked when it is made, not when it begins."""
    client = make_client(Fake())
    for name in WALKS[: 1 if "commodity" in arguments else 2]:
        with pytest.raises(kind, match=message):
            method(client, name)(**arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "queries"),
    [
        ("iter_blocks", {}, ["blocks?max=50&offset=0", "blocks?max=50&offset=1"]),
        (
            "iter_blocks",
            {"max": 20, "offset": 3, "commodity": "NMC"},
            ["blocks?max=20&offset=3&commodity=NMC", "blocks?max=20&offset=4&commodity=NMC"],
        ),
        ("iter_blocks", {"limit": 1}, ["blocks?max=1&offset=0"]),
        ("iter_shifts", {}, ["shifts?max=50&offset=0", "shifts?max=50&offset=1"]),
        ("iter_shifts", {"max": 20, "offset": 3}, ["shifts?max=20&offset=3", "shifts?max=20&offset=4"]),
        ("iter_shifts", {"limit": 0}, []),
    ],
)
async def test_a_walk_asks_for_its_pages(name: str, arguments: dict[str, Any], queries: list[str]) -> None:
    """A walk's parameters reach the pool, and nothing is sent before its first record is wanted."""
    record: Any = {**BLOCK, "chain": "NMC"} if name == "iter_blocks" else SHIFT
    fake = Fake(*(answer(page) for page in ([record], [])[: len(queries)]))
    async with make_client(fake) as client:
        walk = getattr(client.pool, name)(**arguments)
        assert fake.sent == []
        assert [found.id async for found in walk] == ([record["id"]] if queries else [])
    assert fake.paths == [f"/api/pool/{query}" for query in queries]


@pytest.mark.parametrize(("name", "record", "moment"), [("blocks", BLOCK, "generated"), ("shifts", SHIFT, "completed")])
async def test_a_walk_keeps_to_its_bounds(name: str, record: dict[str, Any], moment: str) -> None:
    """`since` and `until` include their own moment, `after` excludes its own id; every page is asked anew."""
    page = [record | {"id": number, moment: 1000 + number} for number in (9, 8, 7, 6)]
    fake = Fake(*(answer(each) for each in (page, page, page[-2:], page, page, page[-2:])))
    async with make_client(fake) as client:
        await method(client, name)(max=50)
        walk: Callable[..., Any] = getattr(client.pool, f"iter_{name}")
        eight, seven = (datetime.fromtimestamp(1000 + number, UTC) for number in (8, 7))
        assert [found.id async for found in walk(since=seven, until=eight)] == [8, 7]
        assert [found.id async for found in walk(after=7)] == [9, 8]
        assert [found.id async for found in walk(offset=1, limit=50)] == [9, 8, 7, 6]
    queries = [(50, 0), (50, 0), (50, 2), (50, 0), (50, 1), (48, 3)]  # one older than `since` alone may be odd
    assert fake.paths == [f"/api/pool/{name}?max={most}&offset={offset}" for most, offset in queries]


@pytest.mark.parametrize("name", PAGED)
async def test_more_than_was_asked_for_is_refused(name: str) -> None:
    """A page of more records than asked is no page of this API."""
    record: Any = BLOCK if name == "blocks" else SHIFT
    fake = Fake(answer([record, record]))
    async with make_client(fake) as client:
        with pytest.raises(Exception, match=r"\$: expected at most 1 elements, as asked, got an array of 2"):
            await method(client, name)(max=1)
    assert fake.paths == [f"/api/pool/{name}?max=1&offset=0"]


async def test_more_than_fifty_are_no_top_50() -> None:
    """Fifty names are the ranking; more are no answer of this API, and are not kept."""
    names = {f"user{number}": number for number in range(51)}
    fake = Fake(answer(names), answer(without(names, "user0")))
    async with make_client(fake) as client:
        with pytest.raises(DecodeError, match=r"\$: expected at most 50 names, got 51$"):
            await client.pool.top50()
        assert len(await client.pool.top50()) == 50
    assert fake.paths == ["/api/pool/top50"] * 2


@pytest.mark.parametrize("name", PAGED)
@pytest.mark.parametrize("ids", [(5, 6), (5, 5), (9, 8, 7, 7), (1, 2, 3), (9, 7, 8)], ids=str)
async def test_a_page_out_of_order_is_refused(name: str, ids: tuple[int, ...]) -> None:
    """Ids fall along the list: a page in which they do not, or in which one stands twice, proves nothing."""
    record: Any = BLOCK if name == "blocks" else SHIFT
    fake = Fake(answer([{**record, "id": number} for number in ids]), answer([record]))
    async with make_client(fake) as client:
        with pytest.raises(DecodeError, match=r"\$: expected ids that fall along the list, got \d before \d$"):
            await method(client, name)()
        assert len(await method(client, name)()) == 1
    assert fake.paths == [f"/api/pool/{name}?max=10&offset=0"] * 2


async def test_blocks_of_another_commodity_are_refused() -> None:
    """A server that does not heed `commodity` is told of, block by block; case apart, a block's chain is as asked."""
    blocks = [{**BLOCK, "id": 9 - place, "chain": chain} for place, chain in enumerate(("NMC", "BTC", "nmc", "BTC"))]
    fake = Fake(answer(blocks), answer(blocks), answer(blocks[::2]))
    async with make_client(fake) as client:
        with pytest.raises(DecodeError) as caught:
            await client.pool.blocks(commodity="NMC")
        assert len(await client.pool.blocks()) == 4
        assert len(await client.pool.blocks(commodity="NMC")) == 2
    assert [*caught.value.faults] == [
        Fault(f"$[{place}].chain", "the commodity that was asked for", '"BTC"') for place in (1, 3)
    ]
    assert caught.value.__notes__ == ["$[1] is the record with id 8", "$[3] is the record with id 6"]
    asked = "/api/pool/blocks?max=10&offset=0"
    assert fake.paths == [f"{asked}&commodity=NMC", asked, f"{asked}&commodity=NMC"]
