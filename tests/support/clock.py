"""Time in tests, which run on `AutojumpLoop`."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


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
