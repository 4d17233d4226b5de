"""What grows with use, and how: the costs of each of many, over three sizes, in virtual time.

    python -m tests.benchmarks.scale            all sizes, in some minutes
    python -m tests.benchmarks.scale --brief    the same laws over small sizes, in some seconds

Where the largest size costs over four times what the smallest does, for each, the run fails: no busy machine brings
that about, and whatever is worse than linear does. A law in brackets is only told: it is the local pool's, some of
whose answers tell of all users. What the pools themselves cost is in all figures; what Python's collector costs, whose
passes go over all that lives, is in none.
"""

import argparse
import asyncio
import gc
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import orjson
from attrs import define, frozen

from bitminter_async import Client, QueueTimeout
from bitminter_async.local import LocalPool
from bitminter_async.testing import AutojumpLoop
from bitminter_async.watch.merge import merge
from tests.support.samples import BLOCK, KEY, POOL, STATS, USER

_MOST = 4.0
_DAYS = 86_400.0


@define
class Costs:
    """What something costs: CPU in seconds and memory in bytes at its peak, for each; and how many requests."""

    cpu: float = 0.0
    memory: float = 0.0
    requests: float | None = None
    _began: float = 0.0
    _memory_before: int = 0

    def begin(self) -> None:
        """Let the costs run from now."""
        gc.collect()
        if tracemalloc.is_tracing():
            self._memory_before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
        self._began = time.process_time()

    def end(self, count: float) -> None:
        """Note what so many have cost since the beginning."""
        self.cpu = (time.process_time() - self._began) / count
        if tracemalloc.is_tracing():
            self.memory = (tracemalloc.get_traced_memory()[1] - self._memory_before) / count


@frozen
class Law:
    """Something of which there is ever more: what each costs does not grow."""

    name: str
    measure: Callable[[int, Costs], Coroutine[Any, Any, None]]
    sizes: tuple[int, int, int]
    brief: tuple[int, int, int]
    has_memory: bool = False
    is_told_only: bool = False


class _Pool(httpx.AsyncBaseTransport):
    """Answers after `latency` seconds: of users each by its name, of blocks those from `blocks` down to 1."""

    def __init__(self, blocks: int = 0, latency: float = 0.0) -> None:
        self.requests = 0
        self._blocks = blocks
        self._latency = latency
        self._head, self._tail = orjson.dumps({**BLOCK, "id": 0}).split(b'"id":0')
        self._stats = orjson.dumps(STATS)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        await asyncio.sleep(self._latency)
        return httpx.Response(200, content=self._body(request.url))

    def _body(self, url: httpx.URL) -> bytes:
        if url.path.endswith("/stats"):
            return self._stats
        if not url.path.endswith("/blocks"):
            return orjson.dumps({**USER, "name": url.path.rpartition("/")[2]})
        newest = self._blocks - int(url.params["offset"])
        ids = range(newest, max(0, newest - int(url.params["max"])), -1)
        return b"[%b]" % b",".join(b'%b"id":%d%b' % (self._head, number, self._tail) for number in ids)


def _client(pool: _Pool, **options: Any) -> Client:
    return Client(KEY, base_url=POOL, transport=pool, **options)


async def _line(client: Client, count: int, max_wait: float | None = None) -> list[asyncio.Task[Any]]:
    """Let so many ask, each something else, and return when all stand in the line."""
    tasks = [
        asyncio.ensure_future(client.pool.blocks(offset=number, max_age=0, max_wait=max_wait))
        for number in range(count)
    ]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def _end(client: Client, tasks: list[asyncio.Task[Any]]) -> None:
    await client.aclose()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _waiters(size: int, costs: Costs) -> None:
    async with _client(_Pool()) as client:
        costs.begin()
        tasks = await _line(client, size)
        costs.end(size)
        await _end(client, tasks)


async def _turns(size: int, costs: Costs) -> None:
    async with _client(_Pool()) as client:
        tasks = await _line(client, size)
        costs.begin()
        await asyncio.gather(*tasks)
        costs.end(size)
        costs.requests = client.receipt.requests / size


async def _cancelled(order: int, size: int, costs: Costs) -> None:
    async with _client(_Pool()) as client:
        tasks = await _line(client, size)
        costs.begin()
        for task in tasks[::order]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        costs.end(size)


async def _cancelled_apart(size: int, costs: Costs) -> None:
    async with _client(_Pool()) as client:
        tasks = await _line(client, size)
        some = tasks[1 :: max(1, size // 100)]
        costs.begin()
        for task in some:
            task.cancel()
            await asyncio.wait([task])
        costs.end(len(some))
        await _end(client, tasks)


async def _closed(size: int, costs: Costs) -> None:
    async with _client(_Pool()) as client:
        tasks = await _line(client, size)
        costs.begin()
        await _end(client, tasks)
        costs.end(size)


async def _refused(size: int, costs: Costs) -> None:
    """Calls that are told at once that they would wait too long: those that queue anew, and those that join."""
    async with _client(_Pool(latency=5.0)) as client:
        tasks = await _line(client, size)
        costs.begin()
        for number in range(100):
            for question in (client.pool.stats, partial(client.pool.blocks, offset=size - 1 - number % 10)):
                try:
                    await question(max_wait=1.0)
                except QueueTimeout:
                    continue
                raise AssertionError("it was told nothing")
        costs.end(200)
        await _end(client, tasks)


async def _timed_out(size: int, costs: Costs) -> None:
    """Calls that stand in the line until their `max_wait` is over, all at the same moment."""
    async with _client(_Pool(latency=1e7), timeout=1e8) as client:
        tasks = await _line(client, size, max_wait=size + 10.0)
        costs.begin()
        ended = await asyncio.gather(*tasks[1:], return_exceptions=True)
        costs.end(size)
        assert all(isinstance(each, QueueTimeout) for each in ended)
        await _end(client, tasks)


async def _streams(size: int, costs: Costs, *, apart: bool) -> None:
    """Streams, three polls of each: over a user each, or over the same figures, which share their requests."""
    polls, every = 3, 600.0
    async with _client(_Pool(), interval=every / size / 2) as client:

        async def follow(number: int) -> None:
            watch = client.watch
            stream = watch.workers(f"user{number}", every=every) if apart else watch.stats(every=every)
            async with stream, asyncio.timeout(polls * every - 1):
                async for _ in stream:
                    pass

        costs.begin()
        await asyncio.gather(*map(follow, range(size)), return_exceptions=True)
        costs.end(size * polls)
        costs.requests = client.receipt.requests / (size * polls if apart else polls)


async def _busy(events: int) -> AsyncIterator[int]:
    for number in range(events):
        yield number


async def _silent() -> AsyncIterator[int]:
    await asyncio.Event().wait()
    yield 0


async def _merged(size: int, costs: Costs) -> None:
    """Events of one busy stream among silent ones."""
    events = 500
    async with AsyncExitStack() as stack:
        stream = await stack.enter_async_context(merge(_busy(events + 1), *(_silent() for _ in range(size))))
        await anext(stream)
        costs.begin()
        for _ in range(events):
            await anext(stream)
        costs.end(events)


async def _walk(size: int, costs: Costs) -> None:
    """The CPU of each record; the memory of the whole walk, since it keeps no record."""
    async with _client(_Pool(blocks=size)) as client:
        costs.begin()
        count = 0
        async for _ in client.pool.iter_blocks():
            count += 1
        costs.end(size)
        assert count == size
        costs.memory *= size
        costs.requests = client.receipt.requests / (size / 50)


async def _users(size: int, costs: Costs) -> None:
    """Each user read by five readers, all within `max_age`."""
    pool = _Pool()

    async def read(client: Client) -> None:
        for number in range(size):
            await client.users.get(f"user{number}")

    async with _client(pool, interval=20.0 / size) as client:
        costs.begin()
        for _ in range(5):
            await read(client)
        costs.end(size)
        costs.requests = pool.requests / size


async def _local(size: int, costs: Costs, *, users: int = 0) -> None:
    """A call to each endpoint of a local pool."""
    pool = LocalPool(history=timedelta(days=1 if users else size), limit=None)
    for number in range(users and size):
        pool.add_user(f"miner{number}")
    async with pool.client(interval=0) as client:
        await _ask_all(client)
        costs.begin()
        for _ in range(10):
            await _ask_all(client)
        costs.end(10 * 7)


async def _ask_all(client: Client) -> None:
    for ask in (
        client.pool.stats,
        client.pool.hashrate,
        client.pool.round,
        client.pool.blocks,
        client.pool.shifts,
        client.pool.top50,
        client.pool.users,
    ):
        await ask(max_age=0)


async def _local_users(size: int, costs: Costs) -> None:
    await _local(size, costs, users=1)


async def _advanced(size: int, costs: Costs, *, users: bool = False) -> None:
    """A day that passes in a local pool, in which so many days have passed, or so many users mine."""
    pool = LocalPool(history=timedelta(days=1 if users else size))
    for number in range(size if users else 0):
        pool.add_user(f"miner{number}")
    costs.begin()
    pool.advance(_DAYS)
    costs.end(1)


_LAWS = [
    Law("bytes of a call that waits", _waiters, (100, 3_000, 100_000), (100, 300, 1_000), has_memory=True),
    Law("a turn among so many that wait", _turns, (100, 3_000, 100_000), (100, 300, 1_000)),
    Law("cancelled, oldest first", partial(_cancelled, 1), (100, 3_000, 100_000), (100, 300, 1_000)),
    Law("cancelled, newest first", partial(_cancelled, -1), (100, 3_000, 100_000), (100, 300, 1_000)),
    Law("cancelled one after another", _cancelled_apart, (100, 3_000, 100_000), (100, 300, 1_000)),
    Law("aclose() with so many that wait", _closed, (100, 3_000, 100_000), (100, 300, 1_000)),
    Law("max_wait, refused at once", _refused, (100, 3_000, 100_000), (100, 300, 3_000)),
    Law("max_wait, over for all at once", _timed_out, (100, 3_000, 100_000), (100, 300, 3_000)),
    Law(
        "a poll of a stream of its own", partial(_streams, apart=True), (10, 100, 1_000), (10, 30, 100), has_memory=True
    ),
    Law("a poll of streams of the same", partial(_streams, apart=False), (10, 100, 1_000), (10, 30, 100)),
    Law("an event among silent streams", _merged, (10, 300, 10_000), (10, 100, 1_000)),
    Law("a record of a walk; bytes of it all", _walk, (2_000, 20_000, 200_000), (2_000, 4_000, 8_000), has_memory=True),
    Law("a user, read by five at max_age=30", _users, (100, 1_000, 10_000), (100, 300, 1_000), has_memory=True),
    Law("(local pool: a call, by days of history)", _local, (1, 30, 300), (1, 3, 10), is_told_only=True),
    Law("(local pool: a call, by users added)", _local_users, (70, 700, 7_000), (7, 70, 200), is_told_only=True),
    Law("(local pool: a day more, by days of history)", _advanced, (1, 30, 300), (1, 3, 10), is_told_only=True),
    Law(
        "(local pool: a day more, by users added)",
        partial(_advanced, users=True),
        (70, 700, 7_000),
        (7, 70, 200),
        is_told_only=True,
    ),
]


def _run(law: Law, size: int, *, times: int, traced: bool = False) -> Costs:
    """Return the least of what it costs in so many runs."""
    runs: list[Costs] = []
    for _ in range(times):
        costs = Costs()
        if traced:
            tracemalloc.start()
        else:
            gc.disable()
        with asyncio.Runner(loop_factory=partial(AutojumpLoop, limit=600.0)) as runner:
            runner.run(law.measure(size, costs))
        gc.enable()
        if traced:
            tracemalloc.stop()
        runs.append(costs)
    return min(runs, key=lambda run: run.cpu)


def _text(law: Law, costs: Costs) -> str:
    text = f"{costs.cpu * 1e6:>12,.1f}"
    text += f"{costs.memory:>14,.0f}" if law.has_memory else f"{'':>14}"
    return text + (f"{costs.requests:>10.2f}" if costs.requests is not None else "")


def main(*, brief: bool) -> bool:
    """Print a line for each law and size, and return whether all laws hold."""
    holds = True
    print(f"{'':<46}{'of':>8}{'µs each':>12}{'bytes':>14}{'requests':>10}")  # noqa: T201
    for law in _LAWS:
        found: list[Costs] = []
        for size in law.brief if brief else law.sizes:
            costs = _run(law, size, times=1 if brief or size >= 10_000 else 2)
            if law.has_memory:
                costs.memory = _run(law, size, times=1, traced=True).memory
            found.append(costs)
            print(f"{law.name:<46}{size:>8,}{_text(law, costs)}", flush=True)  # noqa: T201
        growths = [found[-1].cpu / found[0].cpu]
        growths += [found[-1].memory / found[0].memory] if law.has_memory else []
        growths += [found[-1].requests / found[0].requests] if found[0].requests and found[-1].requests else []
        if max(growths) > _MOST and not law.is_told_only:
            holds = False
            print(f"{law.name}: broken, it grows {max(growths):.1f}-fold")  # noqa: T201
    return holds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brief", action="store_true")
    sys.exit(not main(brief=parser.parse_args().brief))
