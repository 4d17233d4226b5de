"""What the tests of the session share."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.singleflight import HeldRequests, settle


@pytest_asyncio.fixture
async def held() -> AsyncIterator[HeldRequests]:
    """Requests that are held until the test ends them, and of which nothing is left when it is over."""
    held = HeldRequests()
    asyncio.get_running_loop().set_exception_handler(lambda _, complaint: held.complaints.append(complaint))
    yield held
    await settle()
    assert held.is_clear()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """The bounds between which each backoff was drawn; the upper one is what was drawn."""
    drawn: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    monkeypatch.setattr(random, "uniform", uniform)
    return drawn
