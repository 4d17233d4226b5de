"""A real Redis server, on a socket of its own; and what is read from and done to it."""

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from attrs import define, field

from bitminter_async._session.budget.redis import RedisBudget

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

    def call(self, *command: str | bytes | float) -> Any:
        """Return what it says to a command."""
        with redis.Redis(unix_socket_path=self.socket) as client:
            return cast("Any", client.execute_command(*command))

    def keys(self) -> list[str]:
        """All its keys, in order."""
        return sorted(key.decode() for key in self.call("KEYS", "*"))

    def know(self, budget: RedisBudget) -> None:
        """Make it one that has known of this budget for long, so that nobody waits for a lease to pass."""
        run = self.call("INFO", "server")["run_id"]
        self.call("HSET", budget._state, "run", run, "left", 0)
