"""What a shared budget is worth: processes that ask one pool, by each of our scopes and by two of its peers.

    python -m tests.benchmarks.fleet            8 processes of 50 tasks, 100 ms apart; some minutes
    python -m tests.benchmarks.fleet --brief    2 processes of 5, 20 ms apart, to see that it runs
    python -m tests.benchmarks.fleet --long     and then ours through Redis with blows, and what 10,000 questions leave

It needs redis-server on the PATH. Each task wants one turn; they come one after another over half of the time that all
turns take, so that a line forms. `inversions` counts the pairs of which the one that came over 50 ms later went first,
`used` tells the part of the turns that was taken of those that there were, `scripts` the calls of scripts a turn. The
blows: processes are killed, or stopped and continued, at random; waiters give up; connections are cut; and Redis
restarts empty in the middle.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import signal
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, TypeAlias, cast

import redis.asyncio
from attrs import frozen
from pyrate_limiter import Limiter, Rate, RedisBucket
from throttled.asyncio import RateLimiterType, RedisStore, Throttled, rate_limiter

from bitminter_async._session.budget.base import Budget, Turn
from bitminter_async._session.budget.options import Redis
from bitminter_async._session.budget.redis import RedisBudget
from bitminter_async._session.budget.share import make_budget
from tests.support.fleet import Fleet, wish_for
from tests.support.redis import BINARY, RedisServer

_POOL = "https://fleet.example"
_IN_THE_AIR = 0.002  # seconds
_TOLERATED = 0.05
_JITTER = 0.001

Depart: TypeAlias = Callable[[], Awaitable[None]]
Scope: TypeAlias = Callable[[str, Depart], Awaitable[None]]
"""Waits for a turn to ask that question, and departs in it."""


@frozen
class Setting:
    """How many there are, and how far apart they are to ask."""

    processes: int
    tasks: int
    interval: float

    @property
    def seconds(self) -> float:
        """The least that all turns take."""
        return self.processes * self.tasks * self.interval


def _budget(share: str, interval: float) -> Budget:
    budget = make_budget(share, _POOL, _POOL, interval=interval, patience=60.0, timeout=10.0)
    budget.bind()
    return budget


def _ours(budget: Budget) -> Scope:
    async def ask(question: str, depart: Depart) -> None:
        async def send(turn: Turn) -> str:
            await turn.depart()
            await depart()
            return ""

        await budget.fetch(wish_for(question), send)

    return ask


async def _scope(name: str, url: str, interval: float) -> Scope:
    if name == "PyrateLimiter":
        client = cast("Any", redis.asyncio.Redis).from_url(url)
        bucket = await cast("Any", RedisBucket).init([Rate(1, round(interval * 1000))], client, "pool")
        limiter = Limiter(bucket)

        async def ask(_: str, depart: Depart) -> None:
            await limiter.try_acquire_async("pool")
            await depart()

        return ask
    if name == "throttled-py":
        quota = rate_limiter.per_sec(round(1 / interval), burst=1)
        throttle = Throttled("pool", 600.0, RateLimiterType.GCRA.value, quota, RedisStore(server=url))

        async def ask_throttled(_: str, depart: Depart) -> None:
            await throttle.limit()
            await depart()

        return ask_throttled
    return _ours(_budget(url if name == "redis" else name, interval))


async def _work(name: str, url: str, setting: Setting, number: int, begin: float) -> dict[str, Any]:
    ask = await _scope(name, url, setting.interval)
    turns: list[tuple[float, float, float]] = []

    async def task(index: int) -> None:
        share = (index * setting.processes + number) / (setting.processes * setting.tasks)
        await asyncio.sleep(begin + share * setting.seconds / 2 - time.monotonic())
        came = time.monotonic()
        left = 0.0

        async def depart() -> None:
            nonlocal left
            left = time.monotonic()
            await asyncio.sleep(_IN_THE_AIR)

        await ask(f"{number}/{index}", depart)
        turns.append((came, left, time.monotonic()))

    spent = time.process_time()
    await asyncio.gather(*map(task, range(setting.tasks)))
    return {"turns": turns, "spent": time.process_time() - spent}


def _fork(name: str, url: str, setting: Setting) -> list[dict[str, Any]]:
    begin = time.monotonic() + 0.5
    pipes: list[int] = []
    for number in range(setting.processes):
        reading, writing = os.pipe()
        if not os.fork():
            try:
                done = asyncio.run(_work(name, url, setting, number, begin))
                with os.fdopen(writing, "w") as pipe:
                    json.dump(done, pipe)
            finally:
                os._exit(0)
        os.close(writing)
        pipes.append(reading)
    results: list[dict[str, Any]] = []
    for reading in pipes:
        with os.fdopen(reading) as pipe:
            results.append(json.load(pipe))
        os.wait()
    return results


def _scripts(server: RedisServer) -> int:
    calls: dict[str, dict[str, int]] = server.call("INFO", "commandstats")
    return sum(calls.get(f"cmdstat_{command}", {"calls": 0})["calls"] for command in ("eval", "evalsha"))


def _measure(name: str, server: RedisServer, setting: Setting) -> str:
    server.call("FLUSHALL")
    server.call("CONFIG", "RESETSTAT")
    server.know(RedisBudget(Redis(server.url), origin=_POOL, base_url=_POOL, interval=0, patience=0, timeout=1))
    results = _fork(name, server.url, setting)
    turns = sorted((turn for result in results for turn in result["turns"]), key=lambda turn: turn[1])
    count = len(turns)
    gaps = [late[1] - early[1] for early, late in pairwise(turns)]
    inverted = sum(later[0] < earlier[0] - _TOLERATED for earlier, later in combinations(turns, 2))
    edges = sorted((moment, step) for _, left, back in turns for moment, step in ((left, 1), (back, -1)))
    in_the_air = most = 0
    for _, step in edges:
        in_the_air += step
        most = max(most, in_the_air)
    used = (count - 1) * setting.interval / (turns[-1][1] - turns[0][1])
    spent = sum(result["spent"] for result in results) / count
    return (
        f"{name:<16}{min(gaps) * 1e3:>9.2f}{statistics.median(gaps) * 1e3:>9.2f}{most:>6}{inverted:>12}"
        f"{used:>8.0%}{spent * 1e3:>9.2f}{_scripts(server) / count:>9.2f}"
    )


def _strike(victim: int, blow: str, server: RedisServer, chance: random.Random) -> None:
    """Let something go wrong."""
    if blow == "killed":
        os.kill(victim, signal.SIGKILL)
    elif blow == "stopped":
        os.kill(victim, signal.SIGSTOP)
        time.sleep(chance.uniform(0.1, 2.5))
        os.kill(victim, signal.SIGCONT)
    elif blow == "cut":
        server.call("CLIENT", "KILL", "TYPE", chance.choice(["normal", "pubsub"]))
    else:
        server.kill()
        time.sleep(chance.uniform(0.0, 1.0))
        server.start()


def _bear(server: RedisServer, setting: Setting, seed: int = 0) -> str:
    """Strike at random, and return what came of it; fail if a promise is broken."""
    server.call("FLUSHALL")
    chance = random.Random(seed)  # noqa: S311  # which is hit, is no secret
    options: dict[str, Any] = {"timeout": 0.5, "margin": 0.5, "held": 0.005, "given_up": 0.2, "rounds": 10_000}
    log, interval = str(server.folder / "log"), setting.interval
    with Fleet(server.url, log, setting.processes, setting.tasks, interval=interval, **options) as fleet:
        fleet.wait_for("left")
        blows = ["killed"] * (setting.processes // 2) + (["stopped", "cut"] * setting.processes) + ["restarted"] * 2
        alive = {event.pid for event in fleet.wait_for("wanted", setting.processes * setting.tasks)}
        for blow in chance.sample(blows, len(blows)):
            time.sleep(chance.uniform(0.2, 2.0))
            victim = chance.choice(sorted(alive))
            _strike(victim, blow, server, chance)
            if blow == "killed":
                alive.remove(victim)
        before = len(fleet.events("served"))
        fleet.wait_for("served", before + len(alive))  # all goes on
    gaps, most = fleet.gaps(), fleet.most_in_the_air()
    assert min(gaps) > interval - _JITTER
    assert most == 1
    kinds = Counter(event.what for event in fleet.events())
    return (
        f"{dict(Counter(blows))}: {kinds['left']} turns, the least gap {min(gaps) * 1e3:.2f} ms, the longest "
        f"{max(gaps):.2f} s, {most} in the air at most; {kinds['served']} served, {kinds['TimeoutError']} given up, "
        f"{kinds['BudgetUnreachable']} without Redis"
    )


async def _fill(url: str, questions: int) -> None:
    budget = _budget(url, 0.0)
    ask = _ours(budget)

    async def depart() -> None:
        pass

    for number in range(questions):
        await ask(f"{number}", depart)
    await budget.aclose()


def _leftover(server: RedisServer, questions: int = 10_000) -> str:
    """Return what so many questions of one process leave in Redis, and in the process."""
    server.call("FLUSHALL")
    server.know(RedisBudget(Redis(server.url), origin=_POOL, base_url=_POOL, interval=0, patience=0, timeout=1))
    memory = [server.call("INFO", "memory")["used_memory"]]
    resident = [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]
    begun = time.monotonic()
    asyncio.run(_fill(server.url, questions))
    memory.append(server.call("INFO", "memory")["used_memory"])
    resident.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return (
        f"{questions:,} questions in {time.monotonic() - begun:.0f} s leave {len(server.all_keys()):,} keys and "
        f"{(memory[1] - memory[0]) / 2**20:.1f} MiB in Redis, and {(resident[1] - resident[0]) / 1024:.1f} MiB in the "
        "process"
    )


def main(*, brief: bool, long: bool) -> None:
    """Print a line for each."""
    if BINARY is None:
        print("redis-server is not on the PATH: nothing is measured")  # noqa: T201
        return
    setting = Setting(2, 5, 0.02) if brief else Setting(8, 50, 0.1)
    tasks = setting.processes * setting.tasks
    print(  # noqa: T201
        f"{setting.processes} processes of {setting.tasks} tasks, {setting.interval * 1e3:g} ms apart; "
        f"{tasks * (tasks - 1) // 2:,} pairs\n"
        f"{'':<16}{'least ms':>9}{'median':>9}{'air':>6}{'inversions':>12}{'used':>8}{'CPU ms':>9}{'scripts':>9}"
    )
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        server = RedisServer(Path(folder))
        server.start()
        try:
            for name in ("process", "machine", "redis", "PyrateLimiter", "throttled-py"):
                scope = (
                    Setting(1, setting.processes * setting.tasks, setting.interval) if name == "process" else setting
                )
                print(_measure(name, server, scope), flush=True)  # noqa: T201
            if long:
                print(_bear(server, setting), _leftover(server), sep="\n", flush=True)  # noqa: T201
        finally:
            server.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--brief", action="store_true", help="a few turns only")
    parser.add_argument("--long", action="store_true", help="with blows, and 10,000 questions")
    chosen = parser.parse_args()
    main(brief=chosen.brief, long=chosen.long)
