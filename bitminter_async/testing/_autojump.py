"""A loop on virtual time."""

import asyncio
import selectors
from typing import Any

__all__ = ["AutojumpLoop"]

_TICK = 1e-9  # what looking at a timer that is due costs, so that one which re-arms itself for now comes to an end
_HANGING = 10.0


class _JumpingSelector(selectors.DefaultSelector):
    loop: "AutojumpLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:  # no timer is set: only a thread or a socket can wake the loop, or nothing ever will
            events = super().select(_HANGING)
            if not events:
                raise RuntimeError("the test hangs: nothing is scheduled and nothing will happen")
            return events
        self.loop.pass_time(timeout)
        return super().select(0)


class AutojumpLoop(asyncio.SelectorEventLoop):
    """A selector loop on virtual time, which starts at 1,000 s. `pass_time` moves it as a busy computation would."""

    def __init__(self) -> None:
        self._clock = 1000.0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._clock

    def pass_time(self, seconds: float) -> None:
        """Move the clock on."""
        ready: Any = self._ready  # type: ignore[attr-defined]  # how asyncio itself knows that nothing is left to run
        self._clock += seconds if seconds or ready else _TICK
