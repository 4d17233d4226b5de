"""A lock among the processes of a machine, which the kernel hands on in turn."""

import asyncio
import fcntl
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .base import TurnLost
from .record import Lease

__all__ = ["MARGIN", "LockFile"]

MARGIN = 2.0
"""Seconds for which a turn may last beyond what it takes."""

_OPEN: set[int] = set()  # every lock file that this process has open
_SOON = 0.05  # seconds


class LockFile:
    """An exclusive `flock`, waited for in a thread. It is let go by whoever dies, and taken away from who stands still.

    The holder of a lease that has run out has its lock taken away: another file is put in the lock file's place, and
    the holder finds that out by `check`.

    Args:
        path: Where the file is.
        lease: Reads the lease of whoever holds the lock.
    """

    def __init__(self, path: Path, lease: Callable[[], Lease]) -> None:
        self._path = path
        self._lease = lease
        self._held: int | None = None

    async def acquire(self, *, at_once: bool) -> None:
        """Wait for the lock.

        Args:
            at_once: Take it at once if it is free. Else it is asked for in a thread in any case, so that other
                processes, which are about to be woken, get theirs first.

        Raises:
            OSError: There is no such lock to be had here.
        """
        try:
            while self._held is None or not self._is_in_place(self._held):
                self.release()
                file = _open(self._path)
                if at_once and _try_lock(file):
                    self._held = file
                else:
                    await self._wait_for(file)
        except BaseException:
            self.release()
            raise

    async def _wait_for(self, file: int) -> None:
        """Wait until we hold the lock of this open file, or another that we put in its place, or somebody else did."""
        waiting = _Waiting(file)
        try:
            lease = self._lease()
            seconds = max(lease.left, MARGIN)  # whoever has just got the lock has yet to write their lease
            while not await waiting.within(seconds):
                before, lease = lease, self._lease()
                seconds = max(lease.left, _SOON)
                if not self._is_in_place(file):
                    break
                if lease == before and self._take_away(file, lease):
                    # Should the holder have woken just now, either it finds its lock gone, or we find its new lease.
                    while (present := self._lease()) != lease:
                        lease = present
                        await asyncio.sleep(present.left)
                    break
            else:
                self._held = file
                return
        except BaseException:
            waiting.give_up()
            raise
        waiting.give_up()

    def _take_away(self, file: int, lease: Lease) -> bool:
        """Put a lock file of ours in the place of this one, unless somebody else does, or the lease is a new one."""
        guard = _open(self._path.with_suffix(".guard"))
        try:
            if not _try_lock(guard) or not self._is_in_place(file) or self._lease() != lease:
                return False
            fresh = self._path.with_suffix(".next")
            fresh.unlink(missing_ok=True)
            self._held = _open(fresh)
            _try_lock(self._held)
            fresh.replace(self._path)
            return True
        finally:
            _close(guard)

    def check(self) -> None:
        """Raise TurnLost if the lock was taken away."""
        if self._held is None or not self._is_in_place(self._held):
            raise TurnLost

    def release(self) -> None:
        """Let go of the lock. Doing so twice is fine."""
        if self._held is not None:
            _close(self._held)
            self._held = None

    def _is_in_place(self, file: int) -> bool:
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(file), self._path.stat())
        return False


class _Waiting:
    """Waits in a thread for the lock of an open file, which is closed when nobody wants it any more.

    The thread keeps no interpreter from exiting. It is waited for by no loop: one that was closed cannot be told.
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._loop = asyncio.get_running_loop()
        self._told: asyncio.Future[None] = self._loop.create_future()
        self._mutex = threading.Lock()
        self._is_wanted = True
        self._is_over = False
        self._error: OSError | None = None
        threading.Thread(target=self._wait, name="bitminter_async lock", daemon=True).start()

    def _wait(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError as exc:
            self._error = exc
        with self._mutex:
            self._is_over = True
            if not self._is_wanted:
                _close(self._file)
                return
            with suppress(RuntimeError):  # the loop was closed: whoever waited on it gives up
                self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        if not self._told.done():
            self._told.set_result(None)

    async def within(self, seconds: float) -> bool:
        """Wait so long at most, and return whether the lock is ours."""
        await asyncio.wait([self._told], timeout=seconds)
        if self._error:
            raise self._error
        return self._told.done()

    def give_up(self) -> None:
        """Let go of the lock, be it now or when the thread gets it."""
        with self._mutex:
            self._is_wanted = False
            if self._is_over:
                _close(self._file)


def _open(path: Path) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    _OPEN.add(file)
    return file


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        _close(file)
        raise
    return True


def _close(file: int) -> None:
    if file in _OPEN:
        _OPEN.discard(file)
        with suppress(OSError):  # where there are no locks
            fcntl.flock(file, fcntl.LOCK_UN)  # a child that is being forked may hold the file open for a moment
        os.close(file)


def _close_in_child() -> None:
    """Close what a forked child has of this: with a lock file open there, no parent could let go of it by dying."""
    for file in _OPEN:
        os.close(file)
    _OPEN.clear()


os.register_at_fork(after_in_child=_close_in_child)
