"""Time in tests: a loop whose clock jumps to the next timer instead of waiting for it, exact and instant."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

_TICK = 1e-9  # what looking at a timer that is due costs, so that one which re-arms itself for now comes to an end
_HANGING = 10.0


class _JumpingSelector(selectors.DefaultSelector):
    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:  # no timer is set: only a thread or a socket can wake the loop, or nothing ever will
            events = super().select(_HANGING)
            if not events:
                raise RuntimeError("the test hangs: nothing is scheduled and nothing will happen")
            return events
        self.loop.pass_time(timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
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


def now() -> float:
    """The running loop's time."""
    return asyncio.get_running_loop().time()


def pass_time(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Put the running loop's clock forward."""
    loop = asyncio.get_running_loop()
    now = loop.time
    monkeypatch.setattr(loop, "time", lambda: now() + seconds)


def run_in_one_go(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that must not wait for anything."""
    with pytest.raises(StopIteration) as caught:
        coroutine.send(None)
    result: T = caught.value.value
    return result
