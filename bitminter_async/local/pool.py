"""`LocalPool`: a whole mining pool in memory."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

from httpx import ASGITransport
from starlette.responses import Response
from starlette.types import ASGIApp

from ..client import Client
from ._server.app import make_app
from ._server.clock import Clock
from ._server.control import Control, is_loopback
from ._server.faults import InjectedFault, check_can_be_sent
from ._server.keys import Keys
from ._server.middleware import Middleware
from ._server.request_log import LoggedRequest
from ._server.serve import serving
from ._world.chain import EARLIEST
from ._world.world import SHIFT, YEAR, World

__all__ = ["LocalPool"]

_MONTH = timedelta(days=30)
_NOW = datetime(2014, 3, 1, 12, tzinfo=UTC)
_END = datetime(9000, 1, 1, tzinfo=UTC)  # no date lies far beyond
_INTO_THE_SHIFT = 1500  # seconds, so that the current shift of a new pool has something to show


class LocalPool:
    """A mining pool in memory that speaks the BitMinter API, the same for the same seed.

    Seventy-odd users mine BTC and NMC at about 1.7 PH/s: their workers come and go, blocks are found, confirmed and
    sometimes lost, a shift ends every hour. Ask it in this process through `client()` or `app`, or over a socket
    through `serve()`. It answers as strictly as its documentation says, and blocks who asks too often.

    Each method raises `LookupError` for a user, worker or block that is not there, and `ValueError` for an argument out
    of range.

    Args:
        seed: The same seed, start, history and calls make the same world.
        speed: Pool seconds per second of the running loop's clock, real or virtual. At 0 `advance()` alone moves time.
        history: How much has happened before the start. Blocks and shifts are forgotten when they are as old as this,
            and 366 days at least, so that a pool may run fast for as long as one likes.
        now: The pool's time at the start; noon of 2014-03-01 UTC by default.
        limit: Requests per minute from one address beyond which it is blocked: everything is answered 403 until 15
            minutes after its last request beyond the limit. None blocks nobody.

    Raises:
        ValueError: An argument is out of range.
        TypeError: An argument is of the wrong type.
    """

    def __init__(
        self,
        seed: int = 0,
        speed: float = 0.0,
        history: timedelta = _MONTH,
        *,
        now: datetime | None = None,
        limit: int | None = 6000,
    ) -> None:
        now = _NOW if now is None else now
        if now.tzinfo is None:
            raise ValueError("now must be an aware datetime, as datetime.now(UTC) is")
        if history <= timedelta(0):
            raise ValueError(f"history must be longer than nothing, not {history}")
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be at least 1 request a minute, or None, not {limit}")
        start = int((now - history).timestamp()) - _INTO_THE_SHIFT
        if start < EARLIEST:
            raise ValueError(f"history must not begin before {datetime.fromtimestamp(EARLIEST + SHIFT, UTC):%Y-%m-%d}")
        self._speed = _not_negative("speed", speed)
        self._start = now.astimezone(UTC)
        self._advanced = timedelta(0)
        self._clock = Clock()
        self._keys = Keys(seed)
        self._world = World(seed, start, kept=max(YEAR, int(now.timestamp()) - start))
        self._middleware = Middleware(make_app(self._current_world, self._keys), self._clock, limit)
        self._current_world()

    # Time

    @property
    def now(self) -> datetime:
        """The pool's time, in UTC."""
        return self._start + self._advanced + timedelta(seconds=self._speed * self._clock.elapsed())

    @property
    def speed(self) -> float:
        """Pool seconds per second of the running loop's clock; it can be set. At 0, `advance()` alone moves time."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        speed, elapsed = _not_negative("speed", speed), self._clock.elapsed()
        self._advanced += timedelta(seconds=(self._speed - speed) * elapsed)  # so that the present stays what it is
        self._speed = speed

    def advance(self, time: float | timedelta) -> None:
        """Let time pass in the pool, in seconds or as a timedelta."""
        seconds = time.total_seconds() if isinstance(time, timedelta) else time
        if _not_negative("time", seconds) > (_END - self.now).total_seconds():
            raise ValueError(f"time must not lead beyond the year {_END:%Y}, as {seconds:g} s would")
        self._advanced += timedelta(seconds=seconds)
        self._current_world()

    def _current_world(self) -> World:
        """Return the world after all that happens in it until now."""
        self._world.advance(int(self.now.timestamp()))
        return self._world

    # Asking it

    @property
    def app(self) -> ASGIApp:
        """The pool as an ASGI application."""
        return self._middleware

    def client(self, *, user: str | None = None, **options: Any) -> Client:  # noqa: ANN401  # Client checks them
        """Return a client of this pool, in this process and with no interval between two requests.

        Args:
            user: Whose key the client carries; None: it carries none.
            options: Any of `Client`'s; they override what is set here.
        """
        if user is not None:
            options["api_key"] = self.key_of(user)
        defaults: dict[str, Any] = {
            "base_url": "http://localhost",
            "interval": 0.0,
            "transport": ASGITransport(self.app),
        }
        return Client(**defaults | options)

    def serve(
        self, port: int = 0, host: str = "127.0.0.1", *, control: bool = False
    ) -> AbstractAsyncContextManager[str]:
        """Serve the pool on a socket in the running loop: `async with pool.serve() as base_url`.

        Args:
            port: 0 picks a free one.
            host: An IPv4 address, or a name that has one; `0.0.0.0`: every address that this machine has.
            control: Whether whoever can reach the socket may do to the pool what this object's methods do:
                `POST /control/find_block` with the arguments as a JSON object. On loopback only.

        Raises:
            OSError: The port is in use, or the address not this machine's.
            ValueError: `control` is asked for on a host that is not loopback.
        """
        if control and not is_loopback(host):
            raise ValueError(f"control is for this machine alone, on 127.0.0.1 or localhost, not on {host!r}")
        return serving(Control(self.app, self, self._keys) if control else self.app, host, port)

    @property
    def latency(self) -> float:
        """Seconds that every answer takes; it can be set."""
        return self._middleware.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._middleware.latency = _not_negative("latency", seconds)

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """What the pool's operator saw: the latest 100,000 requests, in order of arrival."""
        return self._middleware.requests

    def lift_blocks(self) -> None:
        """Let the clients that asked too often, and are blocked for it, ask again; all are counted anew."""
        self._middleware.lift_blocks()

    # Users

    def add_user(
        self, name: str, key: str | None = None, *, permission: bool = True, workers: int = 2, steady: bool = True
    ) -> str:
        """Add a user with a key, or give a key to a user that the pool has already.

        Args:
            name: The user's name.
            key: The API key; None: one that follows from seed and name, 32 characters A-Z and 0-9.
            permission: Whether the key may read "Balance and worker summary".
            workers: How many workers a new user has: `rig1`, `rig2`, …, which work.
            steady: Whether they do so until they are told otherwise; else they come and go by chance, as other users'
                do: they work for 3 days and rest for 5 hours on average.

        Returns:
            The key.

        Raises:
            ValueError: No URL can carry the name, the user has a key, another user has this one, it cannot be one, or
                `workers` is negative.
        """
        if name in {"", ".", ".."}:
            raise ValueError(f"no path can name a user {name!r}")
        if workers < 0:
            raise ValueError(f"workers must not be negative, not {workers}")
        key = self._keys.give(name, key, permission=permission)
        if name not in self._current_world().users:
            self._world.add_user(name, workers, steady=steady)
        return key

    def key_of(self, user: str) -> str:
        """Return the user's key."""
        return self._keys.of(user)

    def add_worker(self, user: str, worker: str, *, alive: bool = True) -> None:
        """Give a user one more worker, which works from now on, or never has if not `alive`."""
        self._current_world().add_worker(user, worker, alive=alive)

    def remove_worker(self, user: str, worker: str) -> None:
        """Take a worker from a user; what it did in this shift still counts for the user."""
        self._current_world().remove_worker(user, worker)

    def set_worker_alive(self, user: str, worker: str, alive: bool) -> None:  # noqa: FBT001  # reads well as it is
        """Make a worker alive or idle, at once and until told otherwise.

        One made idle has been silent for just over five minutes: its last work may move back by that much.
        """
        self._current_world().set_worker_alive(user, worker, alive=alive)

    # Blocks

    def find_block(self, commodity: str = "BTC") -> int:
        """Find a block now, and return its id. It will be confirmed, unless it is orphaned by hand."""
        return self._current_world().find_block(commodity).id

    def orphan(self, block_id: int) -> None:
        """Orphan a block now; one that is confirmed or lost already is a ValueError."""
        world = self._current_world()
        world.orphan(world.block(block_id))

    def withdraw_block(self, block_id: int) -> None:
        """Take a block off the list, as if it had never been there. If it was its chain's latest, its round goes on."""
        world = self._current_world()
        world.withdraw(world.block(block_id))

    # Injected faults

    def fail_next(
        self,
        status: int = 500,
        *,
        times: int = 1,
        path: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | str = b"",
        cut: bool = False,
    ) -> None:
        """Let the next requests fail.

        Args:
            status: The answer's status.
            times: How many requests fail.
            path: Only those whose path begins so; None: any.
            headers: The answer's headers.
            body: The answer's body; with 204 and 304 none.
            cut: Send the head and half of the body only, and break the connection. Without a `body`, it is the pool's
                own answer that is cut.
        """
        check_can_be_sent(status, headers or {}, body)
        answer = None if cut and not body else Response(body, status, headers)
        self._middleware.failures.append(InjectedFault(times=_times(times), path=path, answer=answer, cut=cut))

    def slow_next(self, seconds: float, *, times: int = 1, path: str | None = None) -> None:
        """Answer the next requests, or the next to a path that begins so, so many seconds late."""
        seconds = _not_negative("seconds", seconds)
        self._middleware.delays.append(InjectedFault(times=_times(times), path=path, seconds=seconds))


def _not_negative(name: str, value: float) -> float:
    if not (isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be a number of at least 0, not {value}")
    return value


def _times(times: int) -> int:
    if times < 1:
        raise ValueError(f"times must be at least 1, not {times}")
    return times
