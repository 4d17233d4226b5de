"""A loop whose clock jumps to the next timer instead of waiting for it."""

import asyncio
import math
import selectors
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import timedelta
from typing import Any, TypeAlias, TypeVar

__all__ = ["AutojumpLoop"]

T = TypeVar("T")
Events: TypeAlias = list[tuple[selectors.SelectorKey, int]]
Select: TypeAlias = Callable[[float], Events]

_TICK = 1e-9  # what looking at a timer that is due costs, so that one which re-arms itself for now comes to an end
_SHOWN = 5  # tasks that an error names
_EPOCH = 1000.0  # not 0, for which some code takes "never"


class AutojumpLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps: where nothing is left to run, it is the next timer's time at once.

    `asyncio.sleep(900)` takes microseconds, a timeout expires exactly when it is due, and computing takes no time. So
    many timers are due at the same time, where on a real loop one comes a little later: they go off in no order that
    could be counted on, as asyncio says, but in the same one each time.
    This is what trio calls an autojump clock. pytest-asyncio (1.4 or later) uses it for the tests beside and below a
    `conftest.py` that says:

        from bitminter_async.testing import AutojumpLoop

        def pytest_asyncio_loop_factories(config, item):
            return {"autojump": AutojumpLoop}

    anyio's plugin uses it where the fixture `anyio_backend` returns `("asyncio", {"loop_factory": AutojumpLoop})`, and
    anything else runs on it by `asyncio.Runner(loop_factory=AutojumpLoop)`.

    It cannot jump to what comes from outside. While a call by `asyncio.to_thread` or `run_in_executor` is under way,
    and while a socket or a pipe is waited on (by a server that listens, say, or a connection that is kept), the clock
    runs like a real one. So let a bot ask its pool in process, as `bitminter_client` does. A thread that the loop did
    not start is not known to it, and neither is a signal: timers may go off before that calls back. `time.time()` is
    the real time, as ever.

    Nothing hangs. A run, and with it the test, ends with a RuntimeError that names the tasks left

    - where nothing is left to wait for: no timer is set, no thread works, and no socket is open;
    - where it has taken `limit` seconds, be it a task that spins, one that sleeps again and again for ever, or a thread
      or a socket from which nothing comes. A callback that never returns is out of reach, as on any loop.

    Args:
        limit: Seconds of CPU time and of real waiting that one run may take. What is spent in a debugger does not
            count. To set it, make the factory `functools.partial(AutojumpLoop, limit=300.0)`.

    Raises:
        ValueError: The limit is not above 0.
    """

    def __init__(self, *, limit: float = 30.0) -> None:
        self._clock = _EPOCH
        self._limit = limit
        self._cpu_at_start = self._waited = 0.0
        self._calls = 0  # under way in threads
        super().__init__(_Selector(self._wait))
        if not limit > 0:
            self.close()  # a loop that is dropped open, or half made, complains
            raise ValueError(f"limit must be a number of seconds above 0, not {limit}")

    def time(self) -> float:
        """Return the loop's time in seconds; it begins at 1,000."""
        return self._clock

    def pass_time(self, seconds: float) -> None:
        """Put the clock forward, as a computation of so many seconds would: timers become due meanwhile."""
        if not seconds >= 0:
            raise ValueError(f"seconds must be a number, 0 or more, not {seconds}")
        self._clock += seconds

    def run_forever(self) -> None:
        """Run until `stop()` is called."""
        self._cpu_at_start, self._waited = time.thread_time(), 0.0
        super().run_forever()

    def run_in_executor(self, executor: Executor | None, func: Callable[..., T], *args: object) -> "asyncio.Future[T]":
        """Call a function in a thread; until it has returned, the clock runs like a real one."""
        call = super().run_in_executor(executor, func, *args)
        self._calls += 1
        call.add_done_callback(self._end_call)
        return call

    def _end_call(self, _call: "asyncio.Future[Any]") -> None:
        self._calls -= 1

    async def shutdown_default_executor(self, *args: float, **kwargs: float) -> None:  # Python 3.12 added one
        """Wait until the threads have ended; the clock runs like a real one meanwhile."""
        self._calls += 1
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self._calls -= 1

    def _wait(self, select: Select, timeout: float | None, sockets: int) -> Events:
        """Return what comes from outside within `timeout`, or let that pass on the clock. `select` waits for real."""
        left = self._limit - self._waited - (time.thread_time() - self._cpu_at_start)
        if left <= 0:
            raise self._error(f"this run has taken {self._limit:g} s, as much as it may, and comes to no end")
        if events := select(0):
            return events
        if timeout == 0:
            ready: Any = self._ready  # type: ignore[attr-defined]  # how asyncio itself knows that nothing is left to run
            self._clock += 0 if ready else max(_TICK, math.ulp(self._clock))
            return events
        if not sockets and not self._calls:
            if timeout is not None:
                self._clock += timeout
                return events
            if threading.active_count() == 1:
                raise self._error("nothing left to wait for: no timer is set, no thread works, and no socket is open")
        span = left if timeout is None else min(timeout, left)
        begun = time.monotonic()
        events = select(span)
        waited = time.monotonic() - begun if events else span
        self._waited += waited
        self._clock += waited
        return events

    def _error(self, what: str) -> RuntimeError:
        tasks = [repr(task) for task in asyncio.all_tasks(self)]
        more = [f"and {len(tasks) - _SHOWN} more"] if len(tasks) > _SHOWN else []
        days = timedelta(seconds=self._clock - _EPOCH)
        return RuntimeError(
            "\n  ".join([f"{what}; {days} have passed on its clock, and there wait:", *tasks[:_SHOWN], *more])
        )


class _Selector(selectors.DefaultSelector):
    """A selector that leaves it to the loop whether to wait."""

    def __init__(self, wait: Callable[[Select, float | None, int], Events]) -> None:
        super().__init__()
        self._wait = wait

    def select(self, timeout: float | None = None) -> Events:
        """Return what is ready."""
        return self._wait(super().select, timeout, len(self.get_map()) - 1)  # one is the loop's own, to be woken by
