"""Many merged streams: what one event costs does not depend on how many others are silent."""

import asyncio
from collections.abc import AsyncIterator

from bitminter_async.watch.merge import merge
from bitminter_async.watch.stream import Stream
from tests.support.steps import counted_steps


async def _busy() -> AsyncIterator[int]:
    for number in range(1_000_000):
        yield number


async def _silent() -> AsyncIterator[int]:
    await asyncio.Event().wait()
    yield 0


def _merged(silent: int) -> Stream[int]:
    return merge(_busy(), *(_silent() for _ in range(silent)))


async def test_an_event_costs_no_more_among_many_silent_streams() -> None:
    """Each event of a busy stream takes as many steps beside 1,000 silent ones as beside 10."""
    costs: list[int] = []
    for silent in (10, 1_000):
        async with _merged(silent) as stream:
            assert await anext(stream) == 0  # by now all are waited for
            with counted_steps() as steps:
                assert [await anext(stream) for _ in range(100)] == list(range(1, 101))
            costs.append(steps.calls)
    assert costs[1] < costs[0] * 1.2
