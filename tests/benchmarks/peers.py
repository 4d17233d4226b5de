"""Peers and ourselves, in one run over the same transport: the table of the README.

    python -m tests.benchmarks.peers            the table, and who is ahead
    python -m tests.benchmarks.peers --brief    the same with fewer rounds, to see that it runs

All take turns, round after round; a figure is the median of CPU time. Each peer is at its defaults, but that
hishel keeps its answers in memory, which is quicker than its own SQLite, and msgspec is not strict, or it would take no
date or span from a number.
"""

import argparse
import asyncio
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from importlib import import_module
from itertools import pairwise
from typing import Any, cast
from zlib import crc32

import httpx
import msgspec
import orjson
from aiolimiter import AsyncLimiter
from async_lru import alru_cache
from attrs import define, frozen
from hishel import AsyncBaseStorage, Entry, Headers, Request, Response
from hishel.httpx import AsyncCacheTransport
from pydantic import TypeAdapter
from pyrate_limiter import InMemoryBucket, Limiter, Rate
from throttled.asyncio import RateLimiterType, Throttled, rate_limiter

from bitminter_async import BlockStatus, Client, DecodeError
from bitminter_async._session.budget.share import make_budget
from tests.benchmarks.speed import PydanticBlock
from tests.support.fleet import wish_for
from tests.support.samples import BLOCK, KEY, POOL, STATS, USER

_aiocache: Any = import_module("aiocache")  # which has no types

US = "bitminter_async"
ROWS = {
    "a turn": (US, "aiolimiter", "PyrateLimiter", "throttled-py"),
    "a cached answer": (US, "hishel", "aiocache", "aiocache, stampede", "async-lru"),
    "a page of 50 blocks": (US, "httpx + pydantic", "httpx + msgspec"),
    "1,000 tasks with one question": (US, "httpx", "hishel", "aiocache", "aiocache, stampede", "async-lru"),
}

Ask = Callable[[], Awaitable[Any]]


@frozen
class Row:
    """What one has done: microseconds of CPU for each, and what else there is to tell."""

    cpu: float
    says: str


class _Transport(httpx.AsyncBaseTransport):
    """Answers after an instant; the user's name in an answer tells which key asked."""

    def __init__(self) -> None:
        self.requests = 0
        self.page = orjson.dumps([{**BLOCK, "id": 7000 - n, "income": 25.14070459 + n} for n in range(50)])
        self._stats = orjson.dumps(STATS)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        await asyncio.sleep(0)
        if request.url.path.endswith("/blocks"):
            body = self.page
        elif request.url.path.endswith("/stats"):
            body = self._stats
        else:
            body = orjson.dumps({**USER, "name": f"user{crc32(request.headers['authorization'].encode())}"})
        return httpx.Response(200, content=body)


async def _cpu(ask: Ask, times: int) -> float:
    """Return the microseconds that asking takes."""
    begin = time.process_time()
    for _ in range(times):
        await ask()
    return (time.process_time() - begin) / times * 1e6


async def _medians(asks: Mapping[str, Ask], times: int, rounds: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in asks}
    for _ in range(rounds):
        for name, ask in asks.items():
            taken[name].append(await _cpu(ask, times))
    return {name: statistics.median(each) for name, each in taken.items()}


# Limiters.

_INTERVAL = 0.01


def _limiters() -> dict[str, Callable[[Ask], Awaitable[None]]]:
    """Return who waits for a turn and then does something in it."""
    budget = make_budget("process", POOL, POOL, interval=_INTERVAL, patience=60.0, timeout=10.0)
    budget.bind()
    even = AsyncLimiter(1, _INTERVAL)
    pyrate = Limiter(InMemoryBucket([Rate(1, round(_INTERVAL * 1000))]))
    quota = rate_limiter.per_sec(round(1 / _INTERVAL), burst=1)
    throttle = Throttled("pool", 600.0, RateLimiterType.GCRA.value, quota)

    async def ours(do: Ask) -> None:
        await budget.fetch(wish_for("question"), lambda _: do())

    async def aiolimiter(do: Ask) -> None:
        async with even:
            await do()

    async def pyrate_limiter(do: Ask) -> None:
        await pyrate.try_acquire_async("pool")
        await do()

    async def throttled(do: Ask) -> None:
        await throttle.limit()
        await do()

    return dict(zip(ROWS["a turn"], (ours, aiolimiter, pyrate_limiter, throttled), strict=True))


async def _turns(times: int, rounds: int) -> dict[str, Row]:
    """Let so many tasks want a turn at once: how near two came, how many went before one that had come earlier."""
    gaps: dict[str, list[float]] = {}
    cpu: dict[str, list[float]] = {}
    inversions: dict[str, int] = {}
    transport = _Transport()
    request = httpx.Request("GET", f"{POOL}/api/pool/stats")
    for _ in range(rounds):
        for name, wait in _limiters().items():
            starts: list[tuple[float, int]] = []

            async def task(number: int, wait: Any = wait, starts: Any = starts) -> None:
                async def do() -> None:
                    starts.append((time.monotonic(), number))
                    await transport.handle_async_request(request)

                await wait(do)

            begin = time.process_time()
            await asyncio.gather(*map(task, range(times)))
            cpu.setdefault(name, []).append((time.process_time() - begin) / times * 1e6)
            gaps.setdefault(name, []).extend(late[0] - early[0] for early, late in pairwise(starts))
            late = sum(former[1] > latter[1] for former, latter in pairwise(starts))
            inversions[name] = inversions.get(name, 0) + late
            await asyncio.sleep(2 * _INTERVAL)
    short = {name: sum(gap < 0.9 * _INTERVAL for gap in each) / len(each) for name, each in gaps.items()}
    return {
        name: Row(
            statistics.median(cpu[name]),
            f"{short[name]:.0%} of the gaps short, {inversions[name] / rounds / times:.0%} out of order",
        )
        for name in gaps
    }


# Caches.


class _InMemory(AsyncBaseStorage):
    """Keeps hishel's answers whole, without an end."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[str, tuple[Entry, bytes]] = {}

    async def create_entry(
        self, request: Request, response: Response, key: str, *, ttl: float | None = None, tti: float | None = None
    ) -> Entry:
        _ = ttl, tti
        stream = cast("AsyncIterator[bytes]", response.stream)
        body = b"".join([chunk async for chunk in stream])
        self._kept[key] = Entry(id=uuid.uuid4(), request=request, response=response), body
        return self._entry(key)

    def _entry(self, key: str) -> Entry:
        entry, body = self._kept[key]

        async def stream() -> AsyncIterator[bytes]:
            yield body

        return replace(entry, response=replace(entry.response, stream=stream()))

    async def get_entries(self, key: str) -> list[Entry]:
        return [self._entry(key)] if key in self._kept else []

    async def update_headers(self, id: uuid.UUID, headers: Headers) -> None:  # noqa: A002  # hishel's own name
        raise NotImplementedError

    async def remove_entry(self, id: uuid.UUID) -> None:  # noqa: A002  # hishel's own name
        raise NotImplementedError


@define
class Caching:
    """One way to ask for answers that are kept, over a transport of its own: as who holds one of two keys."""

    transport: _Transport
    stats: Ask
    user: Callable[[str], Awaitable[str]]


async def _cachings(stack: AsyncExitStack) -> dict[str, Caching]:
    keys = KEY, KEY[::-1]

    async def ours() -> Caching:
        transport = _Transport()
        clients = {
            key: await stack.enter_async_context(Client(key, base_url=POOL, transport=transport, interval=0))
            for key in keys
        }

        async def user(key: str) -> str:
            return (await clients[key].users.get()).name

        return Caching(transport, clients[KEY].pool.stats, user)

    async def others(wrap: Callable[[Any], Any], layer: Callable[[_Transport], httpx.AsyncBaseTransport]) -> Caching:
        transport = _Transport()
        shared = layer(transport)
        clients = {
            key: await stack.enter_async_context(
                httpx.AsyncClient(transport=shared, headers={"Authorization": f"key={key}"})
            )
            for key in keys
        }

        @wrap
        async def get(client: httpx.AsyncClient, path: str) -> Any:
            return orjson.loads((await client.get(f"{POOL}/api/{path}")).content)

        async def user(key: str) -> str:
            name: str = (await get(clients[key], "users"))["name"]
            return name

        return Caching(transport, partial(get, clients[KEY], "pool/stats"), user)

    def plainly(function: Any) -> Any:
        return function

    def itself(transport: _Transport) -> httpx.AsyncBaseTransport:
        return transport

    return {
        US: await ours(),
        "httpx": await others(plainly, itself),
        "hishel": await others(plainly, lambda transport: AsyncCacheTransport(transport, _InMemory())),
        "aiocache": await others(_aiocache.cached(ttl=30), itself),
        "aiocache, stampede": await others(_aiocache.cached_stampede(ttl=30), itself),
        "async-lru": await others(alru_cache(maxsize=256, ttl=30), itself),
    }


async def _cached(times: int, rounds: int) -> dict[str, Row]:
    async with AsyncExitStack() as stack:
        cachings = await _cachings(stack)
        del cachings["httpx"]
        says: dict[str, str] = {}
        for name, caching in cachings.items():
            await caching.stats()
            mine, other = await caching.user(KEY), await caching.user(KEY[::-1])
            says[name] = "tells keys apart" if mine != other else "serves one key's answer to another"
        taken = await _medians({name: caching.stats for name, caching in cachings.items()}, times, rounds)
        return {name: Row(taken[name], says[name]) for name in cachings}


async def _crowd(tasks: int, rounds: int) -> dict[str, Row]:
    cpu: dict[str, list[float]] = {}
    sent: dict[str, int] = {}
    for _ in range(rounds):
        async with AsyncExitStack() as stack:
            for name, caching in (await _cachings(stack)).items():
                begin = time.process_time()
                await asyncio.gather(*(caching.stats() for _ in range(tasks)))
                cpu.setdefault(name, []).append((time.process_time() - begin) / tasks * 1e6)
                sent[name] = max(sent.get(name, 0), caching.transport.requests)
    return {
        name: Row(statistics.median(cpu[name]), f"{sent[name]:,} request{'s' if sent[name] > 1 else ''}")
        for name in cpu
    }


# Typed pages.


class _Msgspec(msgspec.Struct, frozen=True):
    id: int
    chain: str
    hash: str
    height: int
    difficulty: float
    income: Decimal
    accepted: int
    rejected: int
    status: BlockStatus
    confirmations_left: int
    generator: str
    generated: datetime
    duration: timedelta


_MONEY = b"1234567890.12345678"
_WRONG: list[tuple[str, Any]] = [
    ("accepted", "1_000"),
    ("accepted", True),
    ("accepted", -1),
    ("difficulty", "NaN"),
    ("income", "NaN"),
    ("height", "\u0661\u0662"),
    ("generated", "2014-03-01T12:00:00Z"),
]


async def _pages(times: int, rounds: int) -> dict[str, Row]:
    transport = _Transport()
    adapter = TypeAdapter(list[PydanticBlock])
    decoder = msgspec.json.Decoder(list[_Msgspec], strict=False)  # else it takes no date or span from a number
    async with (
        Client(base_url=POOL, transport=transport, interval=0) as client,
        httpx.AsyncClient(transport=transport) as plain,
    ):

        async def ours() -> Any:
            return await client.pool.blocks(max=50, max_age=0)

        async def body() -> bytes:
            return (await plain.get(f"{POOL}/api/pool/blocks?max=50&offset=0")).content

        async def with_pydantic() -> Any:
            return adapter.validate_json(await body())

        async def with_msgspec() -> Any:
            return decoder.decode(await body())

        asks = dict(zip(ROWS["a page of 50 blocks"], (ours, with_pydantic, with_msgspec), strict=True))
        taken = await _medians(asks, times, rounds)
        rows: dict[str, Row] = {}
        for name, ask in asks.items():
            transport.page = orjson.dumps([{**BLOCK, "income": 0}]).replace(b'"income":0', b'"income":' + _MONEY)
            exact = str((await ask())[0].income) == _MONEY.decode()
            refused = 0
            for field, value in _WRONG:
                transport.page = orjson.dumps([{**BLOCK, field: value}])
                try:
                    await ask()
                except (ValueError, DecodeError):  # which those of pydantic and msgspec are
                    refused += 1
            money = "exact money" if exact else "money is rounded"
            rows[name] = Row(taken[name], f"{money}, refuses {refused} of {len(_WRONG)} wrong values")
        return rows


async def main(*, brief: bool) -> None:
    """Print the table, as the README shows it, and who is ahead."""
    rounds = 1 if brief else 11
    table = {
        "a turn": await _turns(20 if brief else 100, 1 if brief else 3),
        "a cached answer": await _cached(100 if brief else 2000, rounds),
        "a page of 50 blocks": await _pages(10 if brief else 100, rounds),
        "1,000 tasks with one question": await _crowd(1000, rounds),
    }
    print("| | | µs of CPU | |\n|---|---|---:|---|")  # noqa: T201
    for what, names in ROWS.items():
        for name in names:
            row = table[what][name]
            print(f"| {what} | {name} | {row.cpu:,.1f} | {row.says} |")  # noqa: T201
    for what, names in ROWS.items():
        order = sorted(names, key=lambda name: table[what][name].cpu)
        print(f"{what}: {order[0]} is ahead, {US} is number {order.index(US) + 1} of {len(order)}")  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brief", action="store_true")
    asyncio.run(main(brief=parser.parse_args().brief))
