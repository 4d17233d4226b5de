"""Those who queue for turns of a pace."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
from attrs import define, field

from bitminter_async import StatusError
from bitminter_async._call import PUBLIC
from bitminter_async._session.budget.base import Budget, Turn, Wish
from tests.support.clock import now

T = TypeVar("T", bound=StatusError)


def make_wish() -> Wish[Any]:
    """Something to be fetched."""
    return Wish(PUBLIC, 0.0, None, pack=lambda _: None, unpack=lambda _body, _age: None)


@asynccontextmanager
async def turn_of(budget: Budget) -> AsyncGenerator[Turn]:
    """Wait for a turn, and keep it."""
    loop = asyncio.get_running_loop()
    begun: asyncio.Future[Turn] = loop.create_future()
    over: asyncio.Future[None] = loop.create_future()

    async def send(turn: Turn) -> None:
        begun.set_result(turn)
        await over

    fetching = asyncio.ensure_future(budget.fetch(make_wish(), send))
    waiting: list[asyncio.Future[Any]] = [fetching, begun]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    try:
        if begun.done():
            yield begun.result()
    finally:
        over.set_result(None)
        await fetching


@define
class Queue:
    """Those who wait for turns of one pace, and what came of it."""

    pace: Budget
    began: float = field(factory=now)
    starts: dict[int, float] = field(factory=dict[int, float])
    ends: dict[int, float] = field(factory=dict[int, float])
    within: int = 0
    most_within: int = 0

    async def take(self, who: int, lasting: float = 0.0) -> None:
        """Wait for a turn and keep it so long."""

        async def send(turn: Turn) -> None:
            self.starts[who] = now() - self.began
            await turn.depart()
            self.within += 1
            self.most_within = max(self.most_within, self.within)
            try:
                await asyncio.sleep(lasting)
            finally:
                self.within -= 1
                self.ends[who] = now() - self.began

        await self.pace.fetch(make_wish(), send)

    def join(self, who: int, lasting: float = 0.0) -> asyncio.Task[None]:
        """Let somebody queue."""
        return asyncio.ensure_future(self.take(who, lasting))


def make_reason(kind: type[T]) -> T:
    """An error that begins a rest."""
    return kind("the pool asks for rest", status=429, url="https://pool.example", body="", headers={})


def exactly(*times: float) -> list[object]:
    """These times, but for the last places of a float."""
    return [pytest.approx(time, abs=1e-6) for time in times]
