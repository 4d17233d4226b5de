"""The time outside of the pool's world."""

import asyncio
import time

__all__ = ["Clock"]


class Clock:
    """The running event loop's clock, or the machine's monotonic one outside of any loop.

    Two loops may count from different moments. So what passes on each is added up, and the change from one to the
    other counts as no time.
    """

    def __init__(self) -> None:
        self._loop, self._seen = _running_loop(), self.now()
        self._elapsed = 0.0

    def now(self) -> float:
        """Return what the clock shows, in seconds."""
        loop = _running_loop()
        return time.monotonic() if loop is None else loop.time()

    def elapsed(self) -> float:
        """Return the seconds that have passed since this clock was made."""
        loop, now = _running_loop(), self.now()
        if loop is self._loop:
            self._elapsed += now - self._seen
        self._loop, self._seen = loop, now
        return self._elapsed


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
