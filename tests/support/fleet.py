"""Processes that share a budget through Redis: `python -m tests.support.fleet SPEC` forks them, each logs what it does.

A line of the log is a process's id, what it did, for which question, and when, by the clock that all processes of a
machine share.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast

from attrs import asdict, define, field

from bitminter_async import BitminterError
from bitminter_async._call import Call
from bitminter_async._session.budget import redis as redis_budget
from bitminter_async._session.budget.base import Turn, Wish
from bitminter_async._session.budget.options import Redis
from bitminter_async._session.budget.redis import RedisBudget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bitminter_async._session.budget.lease import Lease

POOL = "https://pool.example"


class Event(NamedTuple):
    """What a process did, and when."""

    pid: int
    what: str
    """`wanted`, `left`, `back`, `served` or an error's name."""
    question: str
    at: float


@define
class Fleet:
    """So many processes of so many tasks, each of which asks one question after another.

    Each request is in the air for `held` seconds; while the file `brake` exists, none leaves whose turn it is;
    while `anchor` does, none comes back. `given_up` is the part of the questions that are given up within a second.
    """

    url: str
    log: str
    processes: int = 3
    tasks: int = 1
    rounds: int = 1
    interval: float = 0.0
    timeout: float = 5.0
    margin: float = 2.0
    held: float = 0.0
    max_age: float = 0.0
    same: bool = False
    given_up: float = 0.0
    alone: float | None = None
    origin: str = POOL
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def __enter__(self) -> Self:
        Path(self.log).touch()
        spec = json.dumps({name.strip("_"): value for name, value in asdict(self).items() if not name.startswith("_")})
        command = [sys.executable, "-m", "tests.support.fleet", spec]
        # A group of their own, which is ours to kill: a process's id may be another's by then.
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, process_group=0)  # noqa: S603  # our own
        return self

    def __exit__(self, *_: object) -> None:
        process = cast("subprocess.Popen[bytes]", self._process)
        if process.poll() is None:  # else all have ended, as it waits for its children
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    @property
    def brake(self) -> Path:
        """The file that keeps requests from leaving."""
        return Path(f"{self.log}.brake")

    @property
    def anchor(self) -> Path:
        """The file that keeps requests in the air."""
        return Path(f"{self.log}.anchor")

    def events(self, what: str | None = None) -> list[Event]:
        """What has happened so far, in order."""
        lines = Path(self.log).read_text(encoding="utf-8").splitlines()
        events = [Event(*cast("Sequence[Any]", json.loads(line))) for line in lines]
        return sorted((event for event in events if what in {None, event.what}), key=lambda event: event.at)

    def wait_for(self, what: str, count: int = 1) -> list[Event]:
        """Wait until something has happened so often, and return when."""
        while len(events := self.events(what)) < count:
            assert cast("subprocess.Popen[bytes]", self._process).poll() in {None, 0}, "the fleet has failed"
            time.sleep(0.01)
        return events

    def join(self) -> None:
        """Wait until all have ended."""
        assert cast("subprocess.Popen[bytes]", self._process).wait() == 0

    def gaps(self) -> list[float]:
        """The times between two requests that left, whoever sent them."""
        left = [event.at for event in self.events("left")]
        return [late - early for early, late in pairwise(left)]

    def most_in_the_air(self) -> int:
        """How many requests were in the air at once, at most, but for those whose process was killed in it."""
        in_the_air = most = 0
        ended = {event.question for event in self.events("back")}
        for event in (event for event in self.events() if event.question in ended):
            in_the_air += (event.what == "left") - (event.what == "back")
            most = max(most, in_the_air)
        return most


def budget_of(url: str, *, interval: float = 0.0, timeout: float = 5.0, **others: Any) -> RedisBudget:
    """The budget of one process."""
    options = Redis(url, alone=others.pop("alone", None))
    origin = others.pop("origin", POOL)
    others = {"patience": 60.0, "base_url": origin} | others
    return RedisBudget(options, origin=origin, interval=interval, timeout=timeout, **others)


def wish_for(path: str = "pool/stats", max_age: float = 0.0, **others: Any) -> Wish[str]:
    """A wish for a text."""
    call = Call(path, str)
    return Wish(call, max_age, others.get("key"), pack=str.encode, unpack=lambda body, _: body.decode())


async def _work(fleet: Fleet) -> None:
    log = os.open(fleet.log, os.O_WRONLY | os.O_APPEND)
    budget = budget_of(
        fleet.url, interval=fleet.interval, timeout=fleet.timeout, alone=fleet.alone, origin=fleet.origin
    )

    chance = random.Random(os.getpid())  # noqa: S311  # no secret depends on it

    def note(what: str, question: str, at: float) -> None:
        os.write(log, f"{json.dumps([os.getpid(), what, question, at])}\n".encode())

    async def task(number: int) -> None:
        for turn_number in range(fleet.rounds):
            question = "same" if fleet.same else f"{os.getpid()}/{number}/{turn_number}"

            async def send(turn: Turn, question: str = question) -> str:
                note("turn", question, time.monotonic())
                while fleet.brake.exists():  # noqa: ASYNC110  # a file tells nobody
                    await asyncio.sleep(0.01)
                await turn.depart()
                departed = cast("Lease", turn).departed
                assert departed
                note("left", question, departed)
                try:
                    await asyncio.sleep(fleet.held)
                    while fleet.anchor.exists():  # noqa: ASYNC110  # likewise
                        await asyncio.sleep(0.01)
                finally:
                    note("back", question, time.monotonic())
                return f"{os.getpid()}"

            note("wanted", question, time.monotonic())
            try:
                async with asyncio.timeout(chance.random() if chance.random() < fleet.given_up else None):
                    await budget.fetch(wish_for(question, fleet.max_age), send)
            except (BitminterError, TimeoutError) as error:
                note(type(error).__name__, question, time.monotonic())
                await asyncio.sleep(0.1)
            else:
                note("served", question, time.monotonic())

    try:
        await asyncio.gather(*map(task, range(fleet.tasks)))
    finally:
        await budget.aclose()


def _main() -> None:
    fleet = Fleet(**json.loads(sys.argv[1]))
    redis_budget._MARGIN = fleet.margin
    children: list[int] = []
    failed = False
    for _ in range(fleet.processes):
        if not (pid := os.fork()):
            try:
                asyncio.run(_work(fleet))
            except BaseException:  # noqa: BLE001  # the child of a fork must not go on as its parent would
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(pid)
    for pid in children:
        _, status = os.waitpid(pid, 0)
        failed |= status not in {0, signal.SIGKILL}
    sys.exit(failed)


if __name__ == "__main__":
    _main()
