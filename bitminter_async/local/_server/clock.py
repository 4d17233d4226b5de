"""Time that passes outside of the world."""

import asyncio
import time

__all__ = ["Clock"]


class Clock:
    """The running event loop's clock, or the machine's monotonic one outside of any loop.

    Loops may count from different moments, so what has passed is added up: a change of clock takes no time.
    """

    def __init__(self) -> None:
        self._loop, self._seen = _running_loop(), self.now()
        self._elapsed = 0.0

    def now(self) -> float:
        """What the clock shows, in seconds."""
        loop = _running_loop()
        return time.monotonic() if loop is None else loop.time()

    def elapsed(self) -> float:
        """Seconds that passed since this object was made."""
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
