"""The loop whose clock jumps: what takes no time, what takes real time, and how what would never end ends."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import pytest

from bitminter_async.local import LocalPool
from bitminter_async.testing import AutojumpLoop

T = TypeVar("T")
DAY = 86_400.0


def run(main: Callable[[], Coroutine[Any, Any, T]], limit: float = 30.0) -> T:
    """Run a coroutine function on a loop of its own."""
    with asyncio.Runner(loop_factory=partial(AutojumpLoop, limit=limit)) as runner:
        return runner.run(main())


def now() -> float:
    """The running loop's time."""
    return asyncio.get_running_loop().time()


def test_time_passes_exactly_and_at_once() -> None:
    """Sleeps and timeouts end to the second, in the order of their times, also days and years ahead."""
    times: list[float] = []

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)
        times.append(now() - 1000)

    async def main() -> None:
        assert now() == 1000
        await asyncio.gather(*map(sleep, (900.0, 0.25, 400 * DAY, 60.0)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(15):
                await asyncio.Event().wait()
        times.append(now() - 1000)

    run(main)
    assert times == pytest.approx([0.25, 60, 900, 400 * DAY, 400 * DAY + 15], rel=0, abs=1e-6)


def test_computing_takes_no_time_unless_it_is_told_to() -> None:
    """Turns of the loop leave the clock alone; `pass_time` moves it, forward only."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, AutojumpLoop)
        for _ in range(100):
            await asyncio.sleep(0)
        assert loop.time() == 1000
        loop.pass_time(2.5)
        assert loop.time() == 1002.5
        with pytest.raises(ValueError, match="seconds must be a number, 0 or more, not -1"):
            loop.pass_time(-1)

    run(main)


@pytest.mark.parametrize("later", [0.0, 1e9])
def test_a_timer_that_is_always_due_again_comes_to_an_end(later: float) -> None:
    """One who waits until it is later than now, by timers that are due at once, gets there, however late it is."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(later)
        due = loop.time()
        while loop.time() <= due:
            passed = asyncio.Event()
            loop.call_at(due, passed.set)
            await passed.wait()

    run(main, limit=5)


def test_an_endless_wait_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no timer, thread or socket is left, the run ends at once, and names up to five of the tasks."""
    monkeypatch.setattr(threading, "active_count", lambda: 1)  # whoever runs this test may have threads of their own

    async def wait_for_nothing() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        await asyncio.gather(*(wait_for_nothing() for _ in range(6)))

    with pytest.raises(
        RuntimeError, match=r"^nothing left to wait for: no timer is set(?s:.)*\n  and 2 more$"
    ) as caught:
        run(main)
    assert str(caught.value).count("wait_for_nothing() running at") >= 4


async def spin() -> None:
    """Never let the loop come to rest."""
    while True:  # noqa: ASYNC110  # what it is to show
        await asyncio.sleep(0)


async def sleep_on() -> None:
    """Set one timer after another."""
    while True:  # noqa: ASYNC110  # what it is to show
        await asyncio.sleep(60)


async def wait_for_a_thread() -> None:
    """Wait for a thread of which the loop knows nothing."""
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        await asyncio.Event().wait()
    finally:
        done.set()
        other.join()


async def wait_for_a_socket() -> None:
    """Wait for bytes that never come, with a timer far ahead."""
    here, there = socket.socketpair()
    here.setblocking(False)  # noqa: FBT003  # the standard library's own
    with here, there:
        async with asyncio.timeout(DAY):
            await asyncio.get_running_loop().sock_recv(here, 1)


@pytest.mark.parametrize("endless", [spin, sleep_on, wait_for_a_thread, wait_for_a_socket])
def test_a_run_that_takes_its_limit_is_an_error(endless: Callable[[], Awaitable[None]]) -> None:
    """Whatever goes on for ever ends at the limit, in an error that names it; the next run has a limit of its own."""

    async def main() -> None:
        await endless()

    with asyncio.Runner(loop_factory=partial(AutojumpLoop, limit=0.05)) as runner:
        with pytest.raises(RuntimeError, match=r"has taken 0\.05 s, as much as it may(?s:.)*\.main\(\) running at"):
            runner.run(main())
        for task in asyncio.all_tasks(runner.get_loop()):
            task.cancel()
        runner.run(asyncio.sleep(DAY))


def test_a_thread_that_works_holds_the_clock() -> None:
    """While a thread works the clock runs like a real one: a day's timeout is far, one of milliseconds goes off."""

    async def main() -> None:
        done = threading.Event()
        async with asyncio.timeout(DAY):
            asyncio.get_running_loop().call_later(0.005, done.set)
            assert await asyncio.to_thread(done.wait, 10)
        assert 1000.005 <= now() < 1010
        await asyncio.sleep(DAY)
        assert now() >= 1000 + DAY
        before = now()
        await asyncio.get_running_loop().shutdown_default_executor()
        assert now() < before + 10

    run(main)


def test_an_open_socket_holds_the_clock() -> None:
    """A server and its client on one loop hear each other before a timeout goes off; closed, they hold up nothing."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with asyncio.timeout(DAY), server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\n")
            assert await reader.read() == b"hello\n"
            writer.close()
            await writer.wait_closed()
        assert now() < 1010
        await asyncio.sleep(DAY)

    run(main)


def test_answers_get_old_on_it() -> None:
    """A cached answer's age, which is the greater of the loop's and the wall's, is the loop's here."""

    async def main() -> list[int]:
        pool = LocalPool()
        sent: list[int] = []
        async with pool.client(max_age=30.0) as client:
            for seconds in (0, 29, 2, 900):
                await asyncio.sleep(seconds)
                await client.pool.stats()
                sent.append(len(pool.requests))
        return sent

    assert run(main) == [1, 1, 2, 3]


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_limit_is_above_0(limit: float) -> None:
    """A limit that no run could keep is refused."""
    with pytest.raises(ValueError, match="limit must be a number of seconds above 0"):
        AutojumpLoop(limit=limit)


def test_it_needs_no_pytest() -> None:
    """The loop can be had where pytest is not installed; a misspelt name is told as in any module."""
    code = (
        "import sys; sys.modules['pytest'] = None; import bitminter_async.testing as t, asyncio\n"
        "with asyncio.Runner(loop_factory=t.AutojumpLoop) as runner: runner.run(asyncio.sleep(900))\n"
        "print(hasattr(t, 'AutojumpLoop'), hasattr(t, 'bitminter_pool'), hasattr(t, 'AutoJumpLoop'))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603  # our own
    assert run.stdout == "True False False\n"
