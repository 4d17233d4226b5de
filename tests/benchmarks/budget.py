"""One budget for many: how evenly, in which order and at what cost clients of a process and of a machine take turns.

python -m tests.benchmarks.budget            in 90 s and more
python -m tests.benchmarks.budget --brief    the same in some seconds, to see that it runs
python -m tests.benchmarks.budget --long     and then once more, with processes that are killed, stopped and continued

Eight clients with 50 tasks each ask a server at once, 100 ms apart: first all in one process, then in one each.
Departures are those that the clients log, arrivals those of the server.
"""

import argparse
import asyncio
import os
import random
import resource
import signal
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any

from attrs import frozen

from tests.support.raw import RawServer, raw_server, reply
from tests.support.workers import Worker, gaps, overlaps, worker

_CLIENTS = 8
_JITTER = 0.001  # seconds
_USED = 0.8  # of the turns, at least; 0.9 on a machine that does nothing else
_EVERY = 1.5  # seconds between two blows


@frozen
class Setting:
    """How many tasks each client has, and how far apart all are to ask."""

    tasks: int
    interval: float


def _changes(workers: Sequence[Worker]) -> int:
    """How often the turn went from one process to another."""
    order = sorted((departed, number) for number, each in enumerate(workers) for departed, _ in each.sent)
    return sum(before[1] != after[1] for before, after in pairwise(order))


def _cpu() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _report(name: str, setting: Setting, workers: Sequence[Worker], server: RawServer, spent: float) -> float:
    """Print a line, fail where the promise is broken, and return which part of the turns was used."""
    between, arrivals = gaps([*workers]), [later - earlier for earlier, later in pairwise(server.at)]
    used = len(arrivals) * setting.interval / sum(arrivals)
    print(  # noqa: T201
        f"{name}: {len(server.at)} turns in {sum(arrivals):.1f} s at {setting.interval * 1e3:.0f} ms: departures "
        f"{min(between) * 1e3:.2f} ms apart at least, {statistics.median(between) * 1e3:.2f} ms at the median; "
        f"arrivals {min(arrivals) * 1e3:.2f} ms at least; {overlaps([*workers])} beside another; "
        f"{used:.0%} of the turns used; {_changes(workers)} changes of process; "
        f"{spent / len(server.at) * 1e3:.1f} ms of CPU a turn, start included",
        flush=True,
    )
    assert min(between) >= setting.interval - _JITTER
    assert not overlaps([*workers])
    return used


async def _measure(name: str, setting: Setting, processes: int, **options: Any) -> float:
    """Let so many processes ask until all have their answers."""
    spent = _cpu()
    async with raw_server(*[[reply(b"[]")]] * 100_000) as server, AsyncExitStack() as stack:
        options |= {"interval": setting.interval, "tasks": setting.tasks}
        workers = [await stack.enter_async_context(worker(server.url, **options)) for _ in range(processes)]
        await asyncio.gather(*(each.end() for each in workers))
    assert all(set(each.outcomes) == {"answer"} for each in workers)
    return _report(name, setting, workers, server, _cpu() - spent)


async def _measure_blows(setting: Setting, seed: int = 0) -> None:
    """Kill, stop and continue processes at random moments, with waiters that give up, until all others have ended."""
    chance, spent, counts = random.Random(seed), _cpu(), {"killed": 0, "stopped": 0}  # noqa: S311  # which is hit, no secret
    options = {"interval": setting.interval, "tasks": setting.tasks, "cancel": setting.tasks // 4, "timeout": 0.5}
    async with raw_server(*[[reply(b"[]")]] * 100_000) as server, AsyncExitStack() as stack:
        workers: list[Worker] = []
        ends: set[asyncio.Task[None]] = set()

        async def start() -> None:
            workers.append(await stack.enter_async_context(worker(server.url, **options)))
            ends.add(asyncio.create_task(workers[-1].end()))

        async def strike(victim: Worker) -> None:
            if chance.random() < 1 / 2 and counts["killed"] < _CLIENTS:
                counts["killed"] += 1
                victim.process.kill()
                await start()
            else:
                counts["stopped"] += 1
                victim.process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(chance.uniform(0.1, 5.0))
                victim.process.send_signal(signal.SIGCONT)

        for _ in range(_CLIENTS):
            await start()
        until = time.monotonic() + _CLIENTS * setting.tasks * setting.interval / 2
        while time.monotonic() < until and (alive := [each for each in workers if each.process.returncode is None]):
            await asyncio.sleep(chance.uniform(0.0, _EVERY))
            if (victim := chance.choice(alive)).process.returncode is None:
                await strike(victim)
        await asyncio.gather(*ends)
    _report(
        f"machine, {counts['killed']} killed, {counts['stopped']} stopped", setting, workers, server, _cpu() - spent
    )


async def main(*, brief: bool, long: bool) -> None:
    """Measure, print, and fail where a promise is broken."""
    setting = Setting(5, 0.02) if brief else Setting(50, 0.1)
    with tempfile.TemporaryDirectory() as directory:
        os.environ["XDG_RUNTIME_DIR"] = directory
        used = [
            await _measure("process", setting, 1, clients=_CLIENTS, share="process"),
            await _measure("machine", setting, _CLIENTS),
        ]
        assert brief or min(used) > _USED
        if long:
            await _measure_blows(setting)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brief", action="store_true")
    parser.add_argument("--long", action="store_true")
    chosen = parser.parse_args()
    asyncio.run(main(brief=chosen.brief, long=chosen.long))
