"""The budget of a machine: turns, rests and spacing, shared by all processes of a user."""

import asyncio
import logging
import os
import stat
import time
import warnings
from collections.abc import Awaitable, Callable
from hashlib import sha256
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

from attrs import evolve
from platformdirs import user_runtime_dir

from ...errors import Blocked, RateLimited
from .base import Turn, TurnLost
from .lockfile import MARGIN, LockFile
from .pace import Pace, warn_once
from .record import Lease, Record, Rest, sweep

__all__ = ["Machine"]

T = TypeVar("T")

_LOGGER = logging.getLogger("bitminter_async")
_SOUGHT_EVERY = 60.0  # seconds
_AT_ONCE = 1.0  # second
_PAUSE = 0.05  # seconds


class Machine(Pace):
    """A client's turns, shared with every client of this user's processes that asks the same origin.

    Each turn holds a lock file's `flock`, beside which a line of JSON tells of departures and rests. The kernel hands
    the lock on in turn; a process has one waiter at most, the first of its own line. What goes wrong, and what comes
    of it:

    ==========================================  ==============================================================
    a process dies, waiting or in its turn      its lock is free at once
    one stands still in its turn                when `timeout` and two seconds are over, the next takes the lock
                                                away from it; what it has not sent by then it sends in another turn
    the wall clock is set back                  nobody waits longer than for one interval, or one whole rest
    the wall clock is set ahead                 an interval, a rest or a turn of others may end early, never one's own
    the record is lost, or is not to be read    it begins anew; each process keeps what it knows
    the directory cannot be written             the process shares with nobody else; one warning says so, and it is
                                                tried again each minute
    a logout removes the directory, or a login  it is looked for anew at once, or within a minute; a rest that still
    makes another                               holds is written there
    ==========================================  ==============================================================

    Not borne: a process that stands still just between its last look at the lock and the write to its socket;
    containers that share no directory; processes of which only some are given an XDG_RUNTIME_DIR that no login made.

    Args:
        interval: Seconds between the starts of two turns.
        patience: The longest rest, in seconds, that is waited out.
        origin: Whose budget it is.
        timeout: The longest that a request takes, in seconds.
    """

    def __init__(self, interval: float, patience: float, origin: str, timeout: float) -> None:
        super().__init__(interval, patience, origin)
        self._timeout = timeout
        self._name = sha256(origin.encode()).hexdigest()[:24]

    def bind(self) -> None:
        """Begin to share, on the running loop."""
        super().bind()
        self._seek()

    def _seek(self) -> None:
        """Find the lock file, now and then anew: a login makes another directory, and a logout removes it."""
        state = self._state
        if state.now() < state.sought + _SOUGHT_EVERY:
            return
        state.sought = state.now()
        try:
            directory = _directory()
            path = directory / f"{self._name}.lock"
            if state.lock is None or state.lock.path != path:
                sweep(directory)
                record = path.with_suffix(".json")
                state.lock = LockFile(path, lambda: Record.load(record).lease)
                if state.rest_reason and (left := state.rest_left):
                    self._tell_of_rest(left, state.rest_reason)
        except OSError as exc:
            self._give_up(exc)

    def _give_up(self, error: OSError) -> None:
        state = self._state
        state.lock = None
        if isinstance(error, FileNotFoundError) and state.now() > state.sought + _AT_ONCE:
            state.sought = float("-inf")  # the directory was removed: another is found before the next turn
        else:
            warn_once(f"the pool's budget is shared within this process only: {error}")

    @property
    def _lock(self) -> LockFile | None:
        return self._state.lock

    async def _take_turn(self, queued: float, send: Callable[[Turn], Awaitable[T]]) -> T:
        while True:
            self._seek()
            if not (lock := self._lock):
                return await super()._take_turn(queued, send)
            try:
                if await self._acquire(lock):
                    return await super()._take_turn(queued, send)
                continue
            except TurnLost:
                _LOGGER.debug("a turn was lost, since its lock was taken away: waiting for another")
            finally:
                lock.release()
            await asyncio.sleep(_PAUSE)  # should somebody remove the lock file over and over

    async def _acquire(self, lock: LockFile) -> bool:
        """Wait for the lock, and return whether a turn may begin with it, as soon as it is due."""
        try:
            self._learn(lock)
            # Before the lock is asked for, or who has just departed would be the next again.
            await self._wait_until_due()
            await lock.acquire(at_once=self.spacing > 0 or self._state.departed_by is None)
            self._learn(lock)
            if self._state.rest_left:
                return False  # it is waited out without the lock: others may not want to wait so long
            if due_in := self.due_in:  # else the departure, which follows at once, writes a lease
                lease = Lease(time.time(), due_in + self._timeout + MARGIN)
                self._tell(lambda record: evolve(record, lease=lease))
        except OSError as exc:
            self._give_up(exc)
            return False
        return True

    async def depart(self) -> None:
        """Let the interval run from now, for all processes: the request is about to leave."""
        if self._lock:
            self._lock.check()
        await super().depart()
        if self._lock:
            lease = Lease(time.time(), self._timeout + MARGIN)
            self._tell(lambda record: evolve(record.departed_by(self._state.name), lease=lease))
        if self._lock:
            self._lock.check()  # again: from here on nobody can have overlooked our lease

    async def rest(self, seconds: float, reason: RateLimited | Blocked) -> None:
        """Give nobody a turn for so many seconds, in no process."""
        await super().rest(seconds, reason)
        self._tell_of_rest(seconds, reason)

    def _tell_of_rest(self, seconds: float, reason: RateLimited | Blocked) -> None:
        rest = self._state.told = Rest.of(seconds, reason)
        self._tell(lambda record: evolve(record, rest=max(record.rest, rest, key=attrgetter("ends"))))

    async def slow_down(self) -> None:
        """Double the spacing, for all processes; each quiet minute halves it again."""
        await super().slow_down()
        slowed_to, slowed_at = self._state.slowed_to, time.time()
        self._tell(lambda record: evolve(record, slowed_to=slowed_to, slowed_at=slowed_at))

    def _tell(self, change: Callable[[Record], Record]) -> None:
        if lock := self._lock:
            path = lock.path.with_suffix(".json")
            try:
                change(Record.load(path)).save(path)
            except OSError as exc:
                self._give_up(exc)

    def _learn(self, lock: LockFile) -> None:
        """Take over what other processes have written.

        Raises:
            OSError: It is not to be had.
        """
        record, state = Record.load(lock.path.with_suffix(".json")), self._state
        wall = time.time()
        ahead = state.now() - wall
        state.processes = record.others(state.name)
        if record.by not in {"", state.name} and record.departed + ahead > state.departed:
            state.departed, state.departed_by = record.departed + ahead, None
        if record.slowed_at + ahead > state.slowed_at:
            state.slowed_to, state.slowed_at = record.slowed_to, record.slowed_at + ahead
        rest = record.rest
        if rest != state.told and (left := min(rest.ends - wall, rest.seconds)) > 0:
            state.told = rest
            state.rest(rest.seconds, rest.reason, left)
            _LOGGER.info("resting for %.0f s, as another process was told: %s", left, rest.reason.summary)

    @property
    def shared_with(self) -> int:
        """How many other clients of this process share the budget, and how many processes did in ten minutes."""
        return super().shared_with + self._state.processes


def _directory() -> Path:
    """Return a directory that is this user's alone: the one that a login names, be this process of a login or not.

    Raises:
        OSError: There is none.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the environment names no such directory, another is found
        path = Path(user_runtime_dir("bitminter_async", ensure_exists=True))
    for each in (path, path.parent):  # who owns the one above could put another in the place of this one
        found = each.lstat()
        if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
            raise PermissionError(f"{each} is not a directory of this user's own")
    path.chmod(0o700)
    return path
