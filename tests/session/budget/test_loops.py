"""One event loop after another, in one process or in the children of a fork: what the next knows of the last."""

import asyncio
import os
from collections.abc import Callable

import pytest

from bitminter_async import Blocked
from bitminter_async._session.budget import process
from bitminter_async._session.budget.pace import Pace
from bitminter_async._session.budget.state import State
from bitminter_async.testing import AutojumpLoop
from tests.support.clock import now
from tests.support.pace import Queue, exactly, make_reason, turn_of
from tests.support.samples import POOL

OTHER = "https://other.example"


def make_pace(interval: float = 10.0, origin: str = POOL) -> Pace:
    """The budget of a client that shares it within the process."""
    pace = Pace(interval, 60.0, origin)
    pace.bind()
    return pace


async def ask(interval: float = 10.0, origin: str = POOL) -> float:
    """Take a turn, and return when it began."""
    pace, begun = make_pace(interval, origin), now()
    queue = Queue(pace, began=0.0)
    await queue.take(0)
    await pace.aclose()
    return queue.starts[0] - begun


def run(main: Callable[[], object]) -> None:
    """Run this on a loop of its own."""

    async def call() -> None:
        result = main()
        if asyncio.iscoroutine(result):
            await result

    with asyncio.Runner(loop_factory=AutojumpLoop) as runner:
        runner.run(call())


def test_asking_another_pool_between_two_loops_loses_nothing() -> None:
    """The next loop that asks a pool knows what the last one did, although one that asked another came between."""
    waited: list[float] = []

    async def note(origin: str) -> None:
        waited.append(await ask(origin=origin))

    for origin in (POOL, OTHER, POOL):
        run(lambda origin=origin: note(origin))  # type: ignore[misc]  # mypy does not infer a lambda's default
    assert waited == exactly(0, 0, 10)


def test_a_rest_of_one_loop_and_the_departure_of_another_are_both_known() -> None:
    """Where two loops have ended, the next knows the rest that one was told of, and who asked last."""

    async def rest() -> None:
        async with turn_of(make_pace()) as turn:
            await turn.rest(500.0, make_reason(Blocked))

    async def depart() -> None:
        await asyncio.sleep(5)
        await ask()

    async def check() -> None:
        pace = make_pace()
        assert isinstance(pace.refusal(), Blocked)
        assert pace._state.rest_left == 500
        await asyncio.sleep(500)
        assert pace.refusal() is None

    with asyncio.Runner(loop_factory=AutojumpLoop) as first, asyncio.Runner(loop_factory=AutojumpLoop) as second:
        first.run(rest())
        second.run(depart())
    run(check)


@pytest.mark.parametrize("times", [(1, 2), (2, 1)])
def test_the_later_slowing_down_of_two_loops_is_known(times: tuple[int, int]) -> None:
    """Where both were told that it is too much, the next goes by the one that was told last."""
    origin = f"https://slowed{times[0]}.example"

    async def slow_down(times: int, after: float) -> None:
        await asyncio.sleep(after)
        async with turn_of(make_pace(origin=origin)) as turn:
            for _ in range(times):
                await turn.slow_down()

    async def check() -> None:
        await asyncio.sleep(10)
        assert make_pace(origin=origin).spacing == 10 * 2 ** times[0]

    with asyncio.Runner(loop_factory=AutojumpLoop) as first, asyncio.Runner(loop_factory=AutojumpLoop) as second:
        first.run(slow_down(times[0], 5))
        second.run(slow_down(times[1], 0))
    run(check)


def test_a_clock_that_begins_anew_widens_no_spacing() -> None:
    """Where the next loop's clock is behind the last one's, a spacing is as wide as it was, and no wider."""
    origin = "https://anew.example"

    async def slow_down() -> None:
        await asyncio.sleep(600)
        async with turn_of(make_pace(origin=origin)) as turn:
            await turn.slow_down()

    async def check() -> None:
        assert make_pace(origin=origin).spacing == 20

    run(slow_down)
    run(check)


def test_the_longest_interval_of_earlier_loops_is_known() -> None:
    """What a client of a long interval needs to know is kept, though one of a short one asked last, on another loop."""
    origin = "https://long.example"

    async def ask_and_stay(interval: float) -> None:
        await ask(interval, origin)
        await asyncio.sleep(5)

    async def check() -> None:
        make_pace(origin=OTHER)  # which lets go of what is over
        assert make_pace(100, origin).due_in == pytest.approx(100)

    for interval in (100, 1):
        run(lambda interval=interval: ask_and_stay(interval))  # type: ignore[misc]  # mypy does not infer a lambda's default
    run(check)


def test_many_pools_one_loop_after_another_leave_nothing() -> None:
    """Of pools that earlier loops asked no more is kept than holds yet, though nobody closed the clients."""
    kept: list[Pace] = []

    async def main(number: int) -> None:
        kept.append(make_pace(0.001, origin=f"https://{number}.example"))
        async with turn_of(kept[-1]):
            pass
        await asyncio.sleep(1)

    for number in range(50):
        run(lambda number=number: main(number))  # type: ignore[misc]  # mypy does not infer a lambda's default
    assert len(process._STATES) < 5


def test_children_of_a_fork_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a forked child knows of its parent's pool is a copy; by its name, others tell its departures from theirs."""
    state = State()
    name = state.name
    assert state.name == name
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert state.name != name
