"""Random bots over random pools for simulated years, held against a model of what was owed to them.

    python -m tests.soak --minutes 5      new episodes for so long
    python -m tests.soak --seed 17        the episode of this seed again
    python -m tests.soak --brief          the same few each time, in some seconds

Each episode runs on virtual time, over httpx's own transport and a server of bytes below it: see `bots`, `server`,
`world`, and `owed` for what is promised. The first that fails ends the run with its seed and its last history.
"""

import argparse
import asyncio
import gc
import logging
import os
import random
import sys
import time
import warnings
from asyncio import TimerHandle
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from attrs import define, field

from bitminter_async._session.budget import process
from bitminter_async.testing import AutojumpLoop
from tests.soak.bots import Follower, Host, caller, closer, walker
from tests.soak.server import KEY, Server, now
from tests.soak.world import World

_YEAR = 365 * 86400.0
_LIMIT = 600.0  # seconds of CPU for an episode
_SHOWN = 60
_BRIEF = (0, 3, 4, 5, 14, 24)  # short ones, busy and quiet
_MOST_OBJECTS = 60_000  # of the package, in an episode's end: 256 answers of 50 records a client, and its streams
_GROWTH = 30_000  # objects of whatever kind, from the first episodes to the last


@define
class Outcome:
    """What an episode came to."""

    seed: int
    seconds: float = 0.0
    requests: int = 0
    calls: int = 0
    events: int = 0
    gaps: int = 0
    errors: dict[str, int] = field(factory=dict[str, int])
    faults: list[str] = field(factory=list[str])
    history: list[str] = field(factory=list[str])


class _Listener(logging.Handler):
    """Hears all logs, and looks for the key in them."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server

    def emit(self, record: logging.LogRecord) -> None:
        """Look at a record."""
        if KEY in f"{record.getMessage()} {record.args!r} {record.exc_info!r}":
            self._server.fault(f"the log of {record.name} shows the key: {record.msg}")
        if record.name == "bitminter_async" and record.levelno >= logging.INFO:
            self._server.note(f"log: {record.getMessage()[:160]}")
        if record.name == "asyncio" and record.levelno >= logging.WARNING:
            self._server.fault(f"asyncio complains: {record.getMessage()}")


async def _episode(seed: int, outcome: Outcome) -> None:
    rng = random.Random(seed)  # noqa: S311  # no secret depends on it
    loop = asyncio.get_running_loop()
    world = World(rng, now())
    world.is_rough = rng.random() < 0.8
    server = Server(world, rng, rng.choice((50, 50, 20, 10)))
    loop.set_exception_handler(lambda _, context: server.fault(f"the loop complains: {context}"))
    listener = _Listener(server)
    logger = logging.getLogger()
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG if rng.random() < 0.2 else logging.INFO)
    pace = rng.choice((5.0, 60.0, 600.0, 7200.0, 86400.0, 86400.0))
    length = pace * rng.choice((50, 100, 200))
    begun = now()
    with mock.patch("httpcore._async.connection_pool.AutoBackend", return_value=server):
        try:
            await _live(server, rng, pace, length)
        except Exception as error:
            server.fault(f"the soak itself failed: {error!r}")
            logging.getLogger("soak").exception("the soak itself failed")
        finally:
            logger.removeHandler(listener)
            outcome.seconds = now() - begun
            outcome.requests = server.requests
            outcome.faults, outcome.history = server.faults, [*server.history]
            for host in server.hosts:
                outcome.calls += host.calls
                outcome.gaps += host.gaps
                for name, count in host.errors.items():
                    outcome.errors[name] = outcome.errors.get(name, 0) + count


async def _live(server: Server, rng: random.Random, pace: float, length: float) -> None:
    hosts = [Host(server, rng, f"h{number}", pace) for number in range(rng.choice((1, 2, 3)))]
    server.hosts = hosts
    followers: list[Follower] = []
    tasks: list[asyncio.Task[None]] = [asyncio.create_task(_turn(server, rng, pace))]
    lives: list[asyncio.Task[None]] = []
    for host in hosts:
        for number in range(rng.choice((1, 2, 4))):
            follower = Follower(host, f"{host.name}/f{number}", max(5.0, pace * rng.choice((0.2, 1.0))))
            followers.append(follower)
            lives.append(asyncio.create_task(follower.run()))
        lives += [asyncio.create_task(bot(host)) for bot in (caller, walker) if rng.random() < 0.8]
        lives.append(asyncio.create_task(closer(host, length / rng.choice((1, 3, 10)))))
    end = now() + length
    while now() < end and not server.faults and not any(_failed(each) for each in lives):  # noqa: ASYNC110  # what ends it early is rare
        await asyncio.sleep(min(length / 50, max(0.0, end - now())) + 1)
    tasks[0].cancel()
    for host in hosts:
        host.is_quiet = True
    server.world.calm(now())
    server.note(f"quiet: {server.weather.change(calm=True)}")
    await _catch_up(server, followers, lives)
    _look_at_memory(server)
    for host in hosts:
        host.is_over = True
    for life in lives:
        life.cancel()
    ended = await asyncio.gather(*lives, *tasks, return_exceptions=True)
    for each in ended:
        if isinstance(each, Exception):
            raise each
    for host in hosts:
        await host.close()
    await asyncio.sleep(100)  # the server's own tasks
    _look_for_leftovers(server)


def _failed(life: asyncio.Task[None]) -> bool:
    return life.done() and not life.cancelled() and life.exception() is not None


async def _turn(server: Server, rng: random.Random, pace: float) -> None:
    """Let the world and the weather change."""
    while True:
        await asyncio.sleep(rng.expovariate(1 / pace))
        server.note(server.world.move(now()))
        if rng.random() < 0.1:
            server.note(server.weather.change())


async def _catch_up(server: Server, followers: list[Follower], lives: list[asyncio.Task[None]]) -> None:
    """Wait until the streams have told all that is owed."""
    missing: list[str] = []
    every = max(follower.every for follower in followers)
    most = sum(len(follower.blocks.status) for follower in followers) + 20
    end = now() + 8000 + every * 3 * most
    while now() < end and not server.faults and not any(_failed(each) for each in lives):
        await asyncio.sleep(every)
        missing = [what for follower in followers for what in follower.missing()]
        if not missing:
            return
    if missing and not server.faults:
        server.fault(f"not told in {now() - end + every * 3 * most + 8000:.0f} quiet s: {missing[:10]}")


def _look_at_memory(server: Server) -> None:
    count = sum(type(each).__module__.startswith("bitminter_async") for each in gc.get_objects())
    if count > _MOST_OBJECTS:
        server.fault(f"{count} objects of the package are alive")


def _look_for_leftovers(server: Server) -> None:
    loop: Any = asyncio.get_running_loop()
    own = asyncio.current_task()
    if tasks := [task for task in asyncio.all_tasks() if task is not own]:
        server.fault(f"tasks are left: {tasks}")
    timers: list[TimerHandle] = [timer for timer in loop._scheduled if not timer.cancelled()]
    if timers:
        server.fault(f"timers are left: {timers}")
    if server.open:
        server.fault(f"{len(server.open)} connections are left")


def run(seed: int) -> Outcome:
    """Run the episode of this seed."""
    outcome = Outcome(seed)
    random.seed(seed)
    process._STATES.clear()
    with asyncio.Runner(loop_factory=partial(AutojumpLoop, limit=_LIMIT)) as runner:
        runner.run(_episode(seed, outcome))
    return outcome


def main(minutes: float, seed: int | None, *, brief: bool, history: Path | None = None) -> int:
    """Run episodes; return how many failed."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "BITMINTER_KEY", "BITMINTER_URL", "BITMINTER_SHARE"):
        os.environ.pop(name, None)
        os.environ.pop(name.lower(), None)
    warnings.simplefilter("error")
    logging.getLogger().addHandler(logging.NullHandler())
    unraisable: list[str] = []
    sys.unraisablehook = lambda what: unraisable.append(f"{what.exc_value!r} in {what.object!r}")
    begun = time.monotonic()
    seeds = iter([seed] if seed is not None else _BRIEF if brief else range(int(time.time()), 2**62))
    outcomes: list[Outcome] = []
    objects: list[int] = []
    for each in seeds:
        outcome = run(each)
        gc.collect()
        objects.append(len(gc.get_objects()))
        outcome.faults += unraisable
        if len(objects) > 10 and objects[-1] > max(objects[3:8]) + _GROWTH:
            outcome.faults.append(f"objects grew from {max(objects[3:8])} to {objects[-1]}")
        outcomes.append(outcome)
        if outcome.faults:
            if history:
                history.write_text("\n".join(outcome.history))
            print(*outcome.history[-_SHOWN:], sep="\n")  # noqa: T201
            print(*outcome.faults[:10], f"seed {each} failed: --seed {each}", sep="\n")  # noqa: T201
            return 1
        if seed is None and not brief and time.monotonic() - begun > 60 * minutes:
            break
    errors: dict[str, int] = {}
    for outcome in outcomes:
        for name, count in outcome.errors.items():
            errors[name] = errors.get(name, 0) + count
    spent = time.monotonic() - begun
    print(  # noqa: T201
        f"{len(outcomes)} episodes from seed {outcomes[0].seed}, {sum(each.seconds for each in outcomes) / _YEAR:.2f} "
        f"simulated years, {sum(each.requests for each in outcomes)} requests, {sum(each.calls for each in outcomes)} "
        f"calls, {spent:.0f} s; objects {objects[0]} to {objects[-1]}; errors {errors}"
    )
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--brief", action="store_true")
    parser.add_argument("--history", type=Path, help="where to write the whole history of an episode that fails")
    chosen = parser.parse_args()
    sys.exit(main(chosen.minutes, chosen.seed, brief=chosen.brief, history=chosen.history))
