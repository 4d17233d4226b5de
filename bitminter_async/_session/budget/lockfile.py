"""A lock among the processes of a machine, which the kernel hands on in turn."""

import asyncio
import fcntl
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path

from .base import TurnLost
from .record import Lease

__all__ = ["MARGIN", "LockFile"]

MARGIN = 2.0
"""Seconds for which a turn may last beyond what it takes."""

_OPEN: set[FileIO] = set()  # every lock file that this process has open
_SOON = 0.05  # seconds
_TRIES = 20


class LockFile:
    """An exclusive `flock`, waited for in a thread. It is let go by whoever dies, and taken away from who stands still.

    The holder of a lease that has run out has its lock taken away: another file is put in the lock file's place, and
    the holder finds that out by `check`. One at a time may acquire it here; one that gives up leaves its thread in the
    kernel's line to the next, so that there is one thread at most, however many give up.

    Args:
        path: Where the file is.
        lease: Reads the lease of whoever holds the lock.

    Attributes:
        path: Where the file is.
    """

    def __init__(self, path: Path, lease: Callable[[], Lease]) -> None:
        self.path = path
        self._lease = lease
        self._held: FileIO | None = None
        self._waiting: _Waiting | None = None  # the last one whose waiter gave up

    async def acquire(self, *, at_once: bool) -> None:
        """Wait for the lock.

        Args:
            at_once: Take it at once if it is free. Else it is asked for in a thread in any case, so that other
                processes, which are about to be woken, get theirs first.

        Raises:
            OSError: There is no such lock to be had here.
        """
        tries = 0
        try:
            while self._held is None or not self._is_in_place(self._held):
                if self._held:
                    tries += 1
                    await self._lose(tries)
                elif at_once and not self._is_in_line and _try_lock(file := _open(self.path)):
                    self._held = file
                else:
                    await self._wait()
        except BaseException:
            self.release()
            raise

    async def _lose(self, times: int) -> None:
        self.release()
        if times == _TRIES:  # somebody removes it over and over, or the file system gives one file two numbers
            raise OSError(f"{self.path} does not stay in its place")
        await asyncio.sleep(_SOON)

    @property
    def _is_in_line(self) -> bool:
        return self._waiting is not None and self._waiting.is_in_line

    async def _wait(self) -> None:
        """Wait until we hold the lock, or another that we put in its place, or somebody else did."""
        waiting, self._waiting = self._waiting, None
        if waiting is None or not waiting.resume() or not self._is_in_place(waiting.file):
            if waiting:
                waiting.give_up()
            waiting = _Waiting(_open(self.path))
        try:
            if await self._is_granted(waiting):
                self._held = waiting.file
                return
        except BaseException:
            if waiting.give_up():
                self._waiting = waiting
            raise
        waiting.give_up()

    async def _is_granted(self, waiting: "_Waiting") -> bool:
        """Wait, and return whether the lock that was waited for is ours; else it is no longer in place."""
        lease = self._lease()
        seconds = max(lease.left, MARGIN)  # whoever has just got the lock has yet to write their lease
        while not await waiting.within(seconds):
            before, lease = lease, self._lease()
            seconds = max(lease.left, _SOON)
            if not self._is_in_place(waiting.file):
                return False
            if lease == before and self._take_away(waiting.file, lease):
                # Should the holder have woken just now, either it finds its lock gone, or we find its new lease.
                while (present := self._lease()) != lease:
                    lease = present
                    await asyncio.sleep(present.left)
                return False
        return True

    def _take_away(self, file: FileIO, lease: Lease) -> bool:
        """Put a lock file of ours in the place of this one, unless somebody else does, or the lease is a new one."""
        guard = _open(self.path.with_suffix(".guard"))
        try:
            if not _try_lock(guard) or not self._is_in_place(file) or self._lease() != lease:
                return False
            fresh = self.path.with_suffix(".next")
            fresh.unlink(missing_ok=True)
            self._held = _open(fresh)
            _try_lock(self._held)
            fresh.replace(self.path)
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

    def _is_in_place(self, file: FileIO) -> bool:
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(file.fileno()), self.path.stat())
        return False


class _Waiting:
    """Waits in a thread for the lock of an open file, which is closed when nobody wants it any more.

    The thread keeps no interpreter from exiting. It is waited for by no loop: one that was closed cannot be told.

    Raises:
        OSError: No thread can be started.
    """

    def __init__(self, file: FileIO) -> None:
        self.file = file
        self._loop = asyncio.get_running_loop()
        self._told: asyncio.Future[None] = self._loop.create_future()
        self._mutex = threading.Lock()
        self._is_wanted = True
        self._is_over = False
        self._error: OSError | None = None
        try:
            threading.Thread(target=self._wait, name="bitminter_async lock", daemon=True).start()
        except RuntimeError as exc:
            _close(file)
            raise OSError(f"waiting for {file.name} takes a thread: {exc}") from None

    def _wait(self) -> None:
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX)
        except OSError as exc:
            self._error = exc
        with self._mutex:
            self._is_over = True
            if self._is_wanted:
                with suppress(RuntimeError):  # the loop was closed
                    self._loop.call_soon_threadsafe(self._tell)
                    return
            _close(self.file)

    def _tell(self) -> None:
        if not self._told.done():
            self._told.set_result(None)

    async def within(self, seconds: float) -> bool:
        """Wait so long at most, and return whether the lock is ours."""
        await asyncio.wait([self._told], timeout=seconds)
        if self._error:
            raise self._error
        return self._told.done()

    def give_up(self) -> bool:
        """Let go of the lock, be it now or when the thread gets it, and return whether it still waits."""
        with self._mutex:
            self._is_wanted = False
            if self._is_over:
                _close(self.file)
            return not self._is_over

    @property
    def is_in_line(self) -> bool:
        """Whether the thread still waits."""
        return not self._is_over

    def resume(self) -> bool:
        """Want the lock after all, and return whether the thread still waits for it."""
        with self._mutex:
            self._is_wanted = not self._is_over
            return self._is_wanted


def _open(path: Path) -> FileIO:
    file = FileIO(path, "r+", opener=lambda name, flags: os.open(name, flags | os.O_CREAT, 0o600))
    _OPEN.add(file)
    return file


def _try_lock(file: FileIO) -> bool:
    """Return whether the lock was free and is ours now; where it is not, the file is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        _close(file)
        if isinstance(exc, BlockingIOError):
            return False
        raise
    return True


def _close(file: FileIO) -> None:
    if not file.closed:
        with suppress(OSError):  # where there are no locks
            fcntl.flock(file, fcntl.LOCK_UN)  # a child that is being forked may hold the file open for a moment
        file.close()
    _OPEN.discard(file)


def _close_in_child() -> None:
    """Close what a forked child has of this: with a lock file open there, no parent could let go of it by dying."""
    for file in _OPEN:
        file.close()
    _OPEN.clear()


os.register_at_fork(after_in_child=_close_in_child)
