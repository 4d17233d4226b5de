"""A day in the life of a bot host, in virtual time: how many requests it sends, against the least that would do.

    python -m tests.benchmarks.day            a whole day, in a minute or two
    python -m tests.benchmarks.day --brief    an hour of it, in some seconds

100 tasks read the stats every 10 s, 20 tasks read a user each every 60 s, a walk goes over 2,000 blocks each hour. From
minute 20 the pool is out for ten minutes, and later it answers one 429 with Retry-After. At most 1.05 times the least,
which is how few requests could have told everybody what he was told, by then and no older than he allowed.

Then an hour of it (five minutes, if brief) shared by eight real processes through a real Redis, where there is one: no
clock can be moved for all of these, so theirs and the server's run 60 times as fast instead, and so does what a busy
machine takes from the shortest gap.
"""

import argparse
import asyncio
import json
import logging
import math
import os
import selectors
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha1
from itertools import pairwise
from operator import itemgetter
from pathlib import Path

import httpx
import orjson

from bitminter_async import BitminterError, Client
from bitminter_async._session.budget import connection
from bitminter_async.testing import AutojumpLoop
from tests.support.redis import BINARY, RedisServer
from tests.support.samples import BLOCK, STATS, USER

_READERS, _STATS_EVERY = 100, 10.0
_USERS, _USER_EVERY = 20, 60.0
_WALK, _PAGE = 2000, 50
_HOUR = 3600.0
_LATENCY = 0.1
_PROCESSES = 8
_FASTER = 60


class _Pool(httpx.AsyncBaseTransport):
    """Answers as the pool would on that day, and keeps the time of every request."""

    def __init__(self, outage: tuple[float, float], limited_at: float) -> None:
        self.times: list[float] = []
        self.in_vain = 0
        """How many requests got no answer, since the pool was out, or a 429: they tell nobody, and are not reckoned."""
        self._outage = outage
        self._limited_at = limited_at
        self._blocks = [orjson.dumps({**BLOCK, "id": 10_000 - number}) for number in range(_WALK + _PAGE)]
        self._stats = orjson.dumps(STATS)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        now = asyncio.get_running_loop().time()
        self.times.append(now)
        await asyncio.sleep(_LATENCY)
        if self._outage[0] <= now < self._outage[1]:
            self.in_vain += 1
            raise httpx.ConnectError("connection refused")
        if now >= self._limited_at:
            self._limited_at = math.inf
            self.in_vain += 1
            return httpx.Response(429, headers={"Retry-After": "30"})
        return httpx.Response(200, content=self._body(request.url))

    def _body(self, url: httpx.URL) -> bytes:
        if url.path.endswith("/stats"):
            return self._stats
        if url.path.endswith("/blocks"):
            offset = int(url.params["offset"])
            return b"[" + b",".join(self._blocks[offset : offset + int(url.params["max"])]) + b"]"
        return orjson.dumps({**USER, "name": url.path.rpartition("/")[2]})


class _Demand:
    """What the tasks were told, and which requests can have told it: the least number of requests follows from that."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float, float]] = []
        self.walks = 0

    def tell(self, question: str, max_age: float, asked: float) -> None:
        """Note that who asked then is told now: by a request that left since, or not longer before than `max_age`."""
        self.told.append((question, asked - max_age, asyncio.get_running_loop().time()))

    def add(self, told: Sequence[tuple[str, float, float]], walks: int) -> None:
        self.told += told
        self.walks += walks

    def least(self) -> int:
        """Return how few requests could have told it: each as late as the first of those who need it was told."""
        requests = self.walks * _WALK // _PAGE
        last: defaultdict[str, float] = defaultdict(lambda: -math.inf)
        for question, earliest, latest in sorted(self.told, key=itemgetter(2)):
            if last[question] < earliest:
                requests, last[question] = requests + 1, latest
        return requests


Ask = Callable[[], Awaitable[object]]


async def _live(
    stats: Ask, user: Callable[[str], Awaitable[object]], walk: Ask, seconds: float, member: int | None = None
) -> _Demand:
    """Let all tasks live for so long, or those of a member of the fleet; return what they wanted."""
    demand = _Demand()

    async def poll(question: str, ask: Ask, every: float, phase: float) -> None:
        await asyncio.sleep(phase)
        while True:
            loop = asyncio.get_running_loop()
            asked = loop.time()
            with suppress(BitminterError, httpx.HTTPError):  # a bot would tell its user; the next poll is due anyway
                await ask()
                demand.tell(question, every, asked)
            await asyncio.sleep(max(0.0, asked + every - loop.time()))

    async def walk_hourly() -> None:
        while True:
            await walk()
            demand.walks += 1
            await asyncio.sleep(_HOUR)

    async with asyncio.TaskGroup() as tasks:
        phase = _STATS_EVERY / _READERS
        polls = [poll("stats", stats, _STATS_EVERY, number * phase) for number in range(_READERS)]
        names = {f"user{number}": number * _USER_EVERY / _USERS for number in range(_USERS)}
        polls += [poll(name, partial(user, name), _USER_EVERY, phase) for name, phase in names.items()]
        everybody = (walk_hourly(), *polls)
        ours = everybody if member is None else everybody[member::_PROCESSES]
        for other in set(everybody) - set(ours):
            other.close()
        lives = [tasks.create_task(life) for life in ours]
        await asyncio.sleep(seconds)
        for life in lives:
            life.cancel()
    return demand


async def _ours(pool: _Pool, seconds: float, share: str | None = None, member: int | None = None) -> _Demand:
    async with Client("K3Y-OF-A-DAY", base_url="https://pool.example", transport=pool, share=share) as client:

        async def walk() -> None:
            async for _ in client.pool.iter_blocks(limit=_WALK):
                pass

        demand = await _live(
            lambda: client.pool.stats(max_age=_STATS_EVERY),
            lambda name: client.users.get(name, max_age=_USER_EVERY),
            walk,
            seconds,
            member,
        )
        if not member:
            print(client.receipt)  # noqa: T201
        return demand


async def _plain(pool: _Pool, seconds: float) -> _Demand:
    async with httpx.AsyncClient(base_url="https://pool.example/api/", transport=pool) as client:

        async def walk() -> None:
            for offset in range(0, _WALK, _PAGE):
                await client.get(f"pool/blocks?max={_PAGE}&offset={offset}")

        return await _live(lambda: client.get("pool/stats"), lambda name: client.get(f"users/{name}"), walk, seconds)


class _FastLoop(asyncio.SelectorEventLoop):
    """A loop on which an hour takes a minute."""

    def __init__(self) -> None:
        selector = selectors.DefaultSelector()
        select = selector.select
        selector.select = lambda timeout=None: select(timeout and timeout / _FASTER)  # type: ignore[method-assign]  # ours
        super().__init__(selector)

    def time(self) -> float:
        return super().time() * _FASTER


def _make_redis_fast() -> None:
    connection.TIMEOUT = connection.TIMEOUT * _FASTER
    began = int(time.time()) - 86_400  # or its microseconds would be too many for the stamps of answers
    connection._SCRIPT = connection._SCRIPT.replace(
        "time[1] * 1e6 + time[2]", f"((time[1] - {began}) * 1e6 + time[2]) * {_FASTER}"
    )
    connection._SHA = sha1(connection._SCRIPT.encode(), usedforsecurity=False).hexdigest()


def _fleet(seconds: float) -> None:
    """Live for so long in eight processes, and print what they sent."""
    if BINARY is None:
        print("redis-server is not on the PATH: no fleet")  # noqa: T201
        return
    _make_redis_fast()
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        server.start()
        readings: list[int] = []
        try:
            for member in range(_PROCESSES):
                reading, writing = os.pipe()
                if not os.fork():
                    _member(member, seconds, server.url, writing)
                os.close(writing)
                readings.append(reading)
            sent: list[float] = []
            in_vain = 0
            demand = _Demand()
            for reading in readings:
                with os.fdopen(reading) as pipe:
                    said = json.load(pipe)
                os.wait()
                sent += said["sent"]
                in_vain += said["in_vain"]
                demand.add(said["told"], said["walks"])
        finally:
            server.kill()
    _report(f"{_PROCESSES} processes", sorted(sent), in_vain, demand.least())


def _report(name: str, sent: Sequence[float], in_vain: int, least: int) -> None:
    gap = min(later - earlier for earlier, later in pairwise(sent))
    print(  # noqa: T201
        f"{name:<16} {len(sent):>7} requests, {in_vain} of them in vain; the others are "
        f"{(len(sent) - in_vain) / least:.3f} times the least that would do, which is {least}; "
        f"the shortest gap is {gap:.3f} s"
    )


def _member(member: int, seconds: float, url: str, writing: int) -> None:
    try:
        with asyncio.Runner(loop_factory=_FastLoop) as runner:
            start = runner.get_loop().time()
            pool = _Pool((start + 1200, start + 1800), math.inf if member else start + 2700)
            demand = runner.run(_ours(pool, seconds, url, member))
        with os.fdopen(writing, "w") as pipe:
            json.dump({"sent": pool.times, "in_vain": pool.in_vain, "told": demand.told, "walks": demand.walks}, pipe)
    finally:
        os._exit(0)


def main(*, brief: bool) -> None:
    """Live the day twice and print."""
    logging.disable()  # an outage is told at length, which is not what is measured
    seconds = _HOUR if brief else 24 * _HOUR
    for name, live in (("bitminter_async", _ours), ("plain httpx", _plain)):
        with asyncio.Runner(loop_factory=AutojumpLoop) as runner:
            start = runner.get_loop().time()
            pool = _Pool((start + 1200, start + 1800), start + 2700)
            demand = runner.run(live(pool, seconds))
        _report(name, pool.times, pool.in_vain, demand.least())
    _fleet(300.0 if brief else _HOUR)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brief", action="store_true")
    main(brief=parser.parse_args().brief)
