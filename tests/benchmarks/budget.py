"""One budget for many processes: how evenly, in which order and at what cost they take turns.

python -m tests.benchmarks.budget            in 40 s and more
python -m tests.benchmarks.budget --brief    the same in some seconds, to see that it runs

Eight processes with 50 tasks each ask a local pool at once, 100 ms apart. Departures are those that the clients log.
"""

import argparse
import asyncio
import os
import resource
import statistics
import tempfile
from contextlib import AsyncExitStack
from itertools import pairwise

from bitminter_async.local import LocalPool
from tests.support.workers import Worker, gaps, overlaps, worker

_PROCESSES = 8
_JITTER = 0.001  # seconds
_USED = 0.8  # of the turns, at least; 0.9 on a machine that does nothing else


def _changes(workers: list[Worker]) -> int:
    """How often the turn went from one process to another."""
    order = sorted((departed, number) for number, each in enumerate(workers) for departed, _ in each.sent)
    return sum(before[1] != after[1] for before, after in pairwise(order))


async def main(*, brief: bool) -> None:
    """Measure, print, and fail where a promise is broken."""
    tasks, interval = (5, 0.02) if brief else (50, 0.1)
    pool = LocalPool()
    with tempfile.TemporaryDirectory() as directory:
        os.environ["XDG_RUNTIME_DIR"] = directory
        async with pool.serve() as url, AsyncExitStack() as stack:
            options = {"interval": interval, "tasks": tasks}
            workers = [await stack.enter_async_context(worker(url, **options)) for _ in range(_PROCESSES)]
            await asyncio.gather(*(each.end() for each in workers))
    between = gaps(workers)
    turns = len(between) + 1
    seconds = sum(between)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = (turns - 1) * interval / seconds
    print(  # noqa: T201
        f"machine: {turns} turns in {seconds:.1f} s at {interval * 1e3:.0f} ms: gaps of {min(between) * 1e3:.2f} ms at "
        f"least, {statistics.median(between) * 1e3:.2f} ms at the median; {overlaps(workers)} beside another; "
        f"{used:.0%} of the turns used; {_changes(workers)} changes of process; "
        f"{(spent.ru_utime + spent.ru_stime) / turns * 1e3:.1f} ms of CPU a turn, start included"
    )
    assert turns == _PROCESSES * tasks == len(pool.requests)
    assert min(between) >= interval - _JITTER
    assert not overlaps(workers)
    assert brief or used > _USED


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brief", action="store_true")
    asyncio.run(main(brief=parser.parse_args().brief))
