"""A real Redis server, on a socket of its own; and what is read from and done to it."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Generator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import redis
from attrs import define, field

from bitminter_async._session.budget.redis import RedisBudget
from tests.support.fleet import budget_of, wish_for

if TYPE_CHECKING:
    from bitminter_async._session.budget.base import Turn
    from bitminter_async._session.budget.lease import Lease

BINARY = shutil.which("redis-server")
NEEDED = os.environ.get("BITMINTER_TEST_REDIS") == "required"

needs_redis = pytest.mark.skipif(
    BINARY is None and not NEEDED, reason="redis-server is not on the PATH: what runs through Redis is not tested"
)


@define
class RedisServer:
    """A server that listens on a socket in `folder`, and keeps nothing."""

    folder: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def socket(self) -> str:
        """The path of its socket."""
        return str(self.folder / "redis")

    @property
    def url(self) -> str:
        """Its URL."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start it, with no memory of anything."""
        assert BINARY, "redis-server is not on the PATH, though BITMINTER_TEST_REDIS says that it is required"
        command = [BINARY, "--port", "0", "--unixsocket", self.socket, "--save", "", "--dir", str(self.folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603  # our own
        while True:
            with contextlib.suppress(redis.ConnectionError):
                if self.call("PING"):
                    return
            time.sleep(0.01)

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Let it answer nothing, until it goes on."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again, also what it was asked meanwhile."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def move_to(self, path: str) -> None:
        """Let it be found at another path."""
        Path(self.socket).rename(path)

    def call(self, *command: str | bytes | float) -> Any:
        """Return what it says to a command."""
        with cast("Any", redis.Redis)(unix_socket_path=self.socket) as client:
            return client.execute_command(*command)

    def all_keys(self) -> list[str]:
        """All its keys, in order."""
        return sorted(key.decode() for key in self.call("KEYS", "*"))

    @contextlib.contextmanager
    def subscriber(self, channel: str) -> Generator[None]:
        """One who listens to a channel, and does nothing."""
        with cast("Any", redis.Redis)(unix_socket_path=self.socket) as client, client.pubsub() as pubsub:
            pubsub.subscribe(channel)
            pubsub.get_message(timeout=5.0)
            yield

    def know(self, budget: RedisBudget) -> None:
        """Make it one that has known of this budget for long, so that nobody waits for a lease to pass."""
        run = self.call("INFO", "server")["run_id"]
        self.call("HSET", budget._name, "run", run, "left", 0)


@define
class Asker:
    """One who wants turns of a budget; `asked` is what left, and when."""

    budget: RedisBudget
    asked: list[tuple[str, float]]

    async def ask(self, path: str, max_age: float = 0.0, *, hold: asyncio.Event | None = None, **others: Any) -> str:
        """Ask for a path, and return whose answer came: this asker's request is held until `hold` is set."""

        async def send(turn: "Turn") -> str:
            await turn.depart()
            departed = cast("Lease", turn).departed
            assert departed is not None
            self.asked.append((path, departed))
            if hold:
                await hold.wait()
            return f"{path} {len(self.asked)}"

        return await self.budget.fetch(wish_for(path, max_age, **others), send)

    async def has_given_back(self) -> None:
        """Wait until Redis knows all that this asker has done."""
        while self.budget._tasks:
            await asyncio.wait(self.budget._tasks)


@define
class Members:
    """Makes members of one fleet."""

    server: RedisServer
    origin: str
    asked: list[tuple[str, float]] = field(factory=list[tuple[str, float]])
    budgets: list[RedisBudget] = field(factory=list[RedisBudget])

    def join(self, url: str | None = None, *, known: bool = True, **options: Any) -> Asker:
        """Make a member; unless `known`, the server may have to pass a lease first."""
        given: dict[str, Any] = {"origin": self.origin} | options
        budget = budget_of(url or self.server.url, **given)
        if known and not self.budgets:
            self.server.know(budget)
        self.budgets.append(budget)
        return Asker(budget, self.asked)

    @property
    def gaps(self) -> list[float]:
        """The seconds between two requests that left."""
        return [late - early for (_, early), (_, late) in pairwise(self.asked)]

    @property
    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [path for path, _ in self.asked]

    def state(self) -> dict[str, str]:
        """What Redis knows."""
        stored = self.server.call("HGETALL", self.budgets[0]._name)
        return {name.decode(): value.decode() for name, value in stored.items()}

    def line(self) -> list[str]:
        """Who stands in the line."""
        return [ticket.decode() for ticket in self.server.call("ZRANGE", f"{self.budgets[0]._name}:line", 0, -1)]

    async def until_in_line(self, count: int) -> None:
        """Wait until so many stand in the line."""
        while len(self.line()) != count:  # noqa: ASYNC110  # Redis tells nobody
            await asyncio.sleep(0.001)

    async def until_asked(self, count: int = 1) -> None:
        """Wait until so many requests have left."""
        while len(self.asked) < count:  # noqa: ASYNC110  # a list tells nobody
            await asyncio.sleep(0.001)

    async def aclose(self) -> None:
        """Close all."""
        for budget in self.budgets:
            await budget.aclose()
