"""The lock file: one holder among all who have it open, and nobody in the way of the next."""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from bitminter_async._session.budget import lockfile
from bitminter_async._session.budget.base import TurnLost
from bitminter_async._session.budget.lockfile import LockFile
from bitminter_async._session.budget.record import Lease
from tests.support.clock import run_in_one_go

pytestmark = pytest.mark.socket  # threads run on the real clock

NONE = Lease()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the lock file is."""
    return tmp_path / "pool.lock"


@pytest.fixture(autouse=True)
def _little_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has got a lock writes their lease at once here."""
    monkeypatch.setattr(lockfile, "MARGIN", 0.05)


def long_lease() -> Lease:
    """A lease that does not run out."""
    return Lease(time.time(), 1000.0)


def make_lock(path: Path, lease: Callable[[], Lease] = long_lease) -> LockFile:
    """A lock file whose holder has this lease."""
    return LockFile(path, lease)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what a thread does."""
    while not condition():  # noqa: ASYNC110  # no event tells of it
        await asyncio.sleep(0.005)


def test_nothing_stays_open() -> None:
    """What the tests before this one have opened is closed."""
    assert not lockfile._OPEN


@pytest.mark.parametrize("at_once", [True, False])
async def test_one_holds_it_at_a_time(path: Path, *, at_once: bool) -> None:
    """Who comes second waits until the first lets go; letting go twice is fine."""
    first, second = make_lock(path), make_lock(path)
    await first.acquire(at_once=at_once)
    waiting = asyncio.ensure_future(second.acquire(at_once=at_once))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    first.check()
    with pytest.raises(TurnLost):
        second.check()
    first.release()
    first.release()
    await waiting
    second.check()
    second.release()
    assert not lockfile._OPEN


async def test_who_is_cancelled_keeps_nothing(path: Path) -> None:
    """A thread that gets the lock for nobody lets go at once, so that the next has it."""
    first, second, third = make_lock(path), make_lock(path), make_lock(path)
    await first.acquire(at_once=True)
    cancelled = asyncio.ensure_future(second.acquire(at_once=True))
    await asyncio.sleep(0.02)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    first.release()
    await third.acquire(at_once=False)
    third.check()
    third.release()
    await until(lambda: not lockfile._OPEN)


async def test_a_thousand_who_are_cancelled_leave_one_thread(path: Path) -> None:
    """However many give up while another has the lock, one thread and one open file wait for it, in their place."""
    first, second, third = make_lock(path), make_lock(path), make_lock(path)
    await first.acquire(at_once=True)
    threads, order = threading.active_count(), list[str]()

    async def wait(lock: LockFile, name: str) -> None:
        await lock.acquire(at_once=True)
        order.append(name)
        lock.release()

    for _ in range(1000):
        cancelled = asyncio.ensure_future(second.acquire(at_once=True))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
    assert threading.active_count() == threads + 1
    assert len(lockfile._OPEN) == 2
    await asyncio.sleep(0.1)  # until the thread stands in the kernel's line
    later = [asyncio.ensure_future(wait(third, "third"))]
    await asyncio.sleep(0.1)
    later.append(asyncio.ensure_future(wait(second, "second")))
    await asyncio.sleep(0.01)
    assert threading.active_count() == threads + 2
    first.release()
    await asyncio.gather(*later)
    assert order == ["second", "third"]
    assert not lockfile._OPEN


async def test_who_waited_for_a_file_that_was_replaced_waits_for_the_new_one(path: Path) -> None:
    """A thread that was left in the line of a file which is no longer in place serves nobody."""
    first, second, third = make_lock(path), make_lock(path), make_lock(path)
    await first.acquire(at_once=True)
    cancelled = asyncio.ensure_future(second.acquire(at_once=True))
    await asyncio.sleep(0.02)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    os.unlink(path)  # noqa: PTH108  # a local file, at once
    await third.acquire(at_once=True)
    waiting = asyncio.ensure_future(second.acquire(at_once=True))
    await asyncio.sleep(0.02)
    third.release()
    await waiting
    second.check()
    second.release()
    first.release()
    await until(lambda: not lockfile._OPEN)


async def test_a_thread_that_has_ended_is_not_waited_for(path: Path) -> None:
    """Who comes when the thread of one that gave up has got the lock, and let go of it, takes it at once."""
    first, second = make_lock(path), make_lock(path)
    await first.acquire(at_once=True)
    cancelled = asyncio.ensure_future(second.acquire(at_once=True))
    await asyncio.sleep(0.02)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    first.release()
    await until(lambda: not lockfile._OPEN)
    run_in_one_go(second.acquire(at_once=True))
    second.release()
    await second.acquire(at_once=False)
    second.check()
    second.release()


async def test_a_file_that_never_stays_is_given_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is removed over and over, or has another number each time, is no lock: an error, after some pauses."""
    monkeypatch.setattr(lockfile, "_SOON", 0.001)

    def is_same(_one: os.stat_result, _other: os.stat_result) -> bool:
        return False

    monkeypatch.setattr(os.path, "samestat", is_same)
    with pytest.raises(OSError, match="does not stay in its place"):
        await make_lock(path).acquire(at_once=True)
    assert not lockfile._OPEN


async def test_a_thread_that_cannot_be_started(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be had, there is no waiting for a lock: an OSError, and nothing stays open."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(OSError, match="takes a thread: can't start new thread"):
        await make_lock(path).acquire(at_once=False)
    assert not lockfile._OPEN


async def test_who_gives_up_with_the_lock_in_hand_lets_go(path: Path) -> None:
    """Between the thread's getting the lock and its being told, giving up lets go of it."""
    waiting = lockfile._Waiting(lockfile._open(path))
    await until(lambda: waiting._is_over)
    waiting.give_up()
    assert not lockfile._OPEN


def test_a_loop_that_was_closed_keeps_no_lock(path: Path) -> None:
    """A thread that gets the lock for a loop that was closed lets go of it."""
    file, holding = lockfile._open(path), lockfile._open(path)
    assert lockfile._try_lock(holding)

    async def wait() -> lockfile._Waiting:
        return lockfile._Waiting(file)

    waiting = asyncio.run(wait())
    lockfile._close(holding)
    while lockfile._OPEN:
        time.sleep(0.005)
    assert not waiting.give_up()


async def test_a_holder_that_stands_still_loses_it(path: Path) -> None:
    """When the lease has run out, one who waits puts another file in place; the holder finds out, and harms nobody."""
    lease = Lease(time.time(), 0.1)
    stopped, second, third = (make_lock(path, lambda: lease) for _ in range(3))
    await stopped.acquire(at_once=True)
    both = [asyncio.ensure_future(lock.acquire(at_once=True)) for lock in (second, third)]
    done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    assert time.time() >= lease.begun + lease.seconds
    with pytest.raises(TurnLost):
        stopped.check()
    stopped.release()
    winner, loser = (second, third) if both[0] in done else (third, second)
    lease = long_lease()
    await asyncio.sleep(0.2)
    assert sum(each.done() for each in both) == 1
    winner.check()
    winner.release()
    await asyncio.gather(*both)
    loser.check()
    loser.release()
    await until(lambda: not lockfile._OPEN)


async def test_a_holder_that_woke_in_time_is_let_finish(path: Path) -> None:
    """Where the holder wrote a new lease just before its lock was taken away, that lease is waited for."""
    old, new = Lease(time.time(), 0.05), Lease(time.time(), 0.4)
    holder = make_lock(path)
    await holder.acquire(at_once=True)
    inode = os.stat(path).st_ino  # noqa: PTH116  # a local file, at once
    other = make_lock(path, lambda: old if path.stat().st_ino == inode else new)
    await other.acquire(at_once=True)
    assert time.time() >= new.begun + new.seconds
    other.check()
    other.release()
    holder.release()


async def test_a_new_lease_is_respected(path: Path) -> None:
    """A holder that renews its lease, or one that comes after it, is not taken for one that stands still."""
    leases = [Lease(time.time(), 0.01 * number) for number in range(1, 9)]
    holder, other = make_lock(path), make_lock(path, lambda: leases.pop() if len(leases) > 1 else long_lease())
    await holder.acquire(at_once=True)
    waiting = asyncio.ensure_future(other.acquire(at_once=True))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    holder.check()
    holder.release()
    await waiting
    other.release()


async def test_two_do_not_take_it_away_at_once(path: Path) -> None:
    """While one is at it, another waits."""
    holder, other = make_lock(path), make_lock(path, lambda: NONE)
    await holder.acquire(at_once=True)
    guard = lockfile._open(path.with_suffix(".guard"))
    assert lockfile._try_lock(guard)
    waiting = asyncio.ensure_future(other.acquire(at_once=True))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    lockfile._close(guard)
    await waiting
    other.release()
    holder.release()
    await until(lambda: not lockfile._OPEN)


async def test_a_file_that_is_gone_is_no_lock(path: Path) -> None:
    """Whose file was removed holds nothing; who got the lock of a file that is no longer in place asks again."""
    first, second = make_lock(path), make_lock(path)
    await first.acquire(at_once=True)
    waiting = asyncio.ensure_future(second.acquire(at_once=True))
    await asyncio.sleep(0.02)
    os.unlink(path)  # noqa: PTH108  # a local file, at once
    with pytest.raises(TurnLost):
        first.check()
    first.release()
    await waiting
    second.check()
    second.release()


@pytest.mark.parametrize("at_once", [True, False])
async def test_where_there_is_no_flock(path: Path, monkeypatch: pytest.MonkeyPatch, *, at_once: bool) -> None:
    """A file system without locks is an OSError, be it in the thread or not, and nothing stays open."""

    def refuse(_file: object, _flags: int) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="no locks"):
        await make_lock(path).acquire(at_once=at_once)
    assert not lockfile._OPEN


def run(path: Path, code: str) -> str:
    """Run this in another process, in which `lock` is the lock file, and return what it prints."""
    head = """
        import asyncio, os, sys, time
        from pathlib import Path
        from bitminter_async._session.budget.lockfile import LockFile
        from bitminter_async._session.budget.record import Lease
        lock = LockFile(Path(sys.argv[1]), lambda: Lease(time.time(), 1000.0))
    """
    command: list[Any] = [sys.executable, "-c", dedent(head) + dedent(code), path]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603  # our own


async def test_a_child_closes_what_its_parent_had_open(path: Path) -> None:
    """What a fork does in the child, done here: whatever lock files were open are closed, and nothing is let go of."""
    lock = make_lock(path)
    await lock.acquire(at_once=True)
    lockfile._close_in_child()
    assert not lockfile._OPEN
    lock.release()


async def test_a_waiter_that_left_is_not_told(path: Path) -> None:
    """The thread's message may come when its waiter has been cancelled."""
    waiting = lockfile._Waiting(lockfile._open(path))
    waiting._told.cancel()
    await until(lambda: waiting._is_over)
    await asyncio.sleep(0)
    waiting.give_up()
    assert not lockfile._OPEN


async def test_a_waiting_thread_keeps_no_process_from_exiting(path: Path) -> None:
    """A process ends although a thread of it waits for a lock that is not let go of."""
    holder = make_lock(path)
    await holder.acquire(at_once=True)
    code = """
        async def wait():
            task = asyncio.ensure_future(lock.acquire(at_once=True))
            await asyncio.sleep(0.05)
        asyncio.run(wait())
        print("over")
    """
    assert await asyncio.to_thread(run, path, code) == "over\n"
    holder.release()


async def test_a_forked_child_holds_nothing(path: Path) -> None:
    """A holder that dies lets go of the lock, although a child that it had forked lives on."""
    code = """
        asyncio.run(lock.acquire(at_once=True))
        child = os.fork()
        if child == 0:
            os.close(1)
            os.close(2)
            time.sleep(100)
        print(child, flush=True)
        os._exit(0)
    """
    child = int(await asyncio.to_thread(run, path, code))
    try:
        other = make_lock(path, lambda: NONE)
        await other.acquire(at_once=True)
        other.check()
        other.release()
    finally:
        os.kill(child, signal.SIGKILL)
