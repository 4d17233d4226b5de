"""The line: first come first served however many leave it, each told its place, at the same cost in any line."""

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitminter_async import BitminterError
from bitminter_async._session.budget.line import Line
from bitminter_async.testing import AutojumpLoop
from tests.support.pace import make_wish
from tests.support.steps import counted_steps

if TYPE_CHECKING:
    from bitminter_async._session.budget.base import Wish


class Waiters:
    """Those who wait in a line, beside a list of who should be in it: the first has the turn."""

    def __init__(self) -> None:
        self.line = Line()
        self.expected: list[int] = []
        self.refused: set[int] = set()
        self.first: list[int] = []
        self.wishes: list[Wish[Any]] = []
        self.tasks: list[asyncio.Task[None]] = []

    def come(self) -> None:
        """Let somebody new wait."""
        number = len(self.tasks)
        self.wishes.append(make_wish())
        self.tasks.append(asyncio.ensure_future(self._wait(number)))
        self.expected.append(number)

    async def _wait(self, number: int) -> None:
        await self.line.enter(self.wishes[number], lambda: BitminterError() if number in self.refused else None)
        self.first.append(number)

    async def cancel(self, place: int) -> None:
        """Let the one at this place leave, unless it has the turn."""
        if 0 < place < len(self.expected):
            self.tasks[self.expected.pop(place)].cancel()
            await settle()

    async def refuse(self, places: list[int]) -> None:
        """Tell the ones at these places, unless one has the turn, that waiting is in vain."""
        self.refused = {self.expected[place] for place in places if 0 < place < len(self.expected)}
        self.expected = [number for number in self.expected if number not in self.refused]
        self.line.refuse()
        await settle()

    async def leave(self) -> None:
        """Let the first give its turn back."""
        if self.expected:
            self.expected.pop(0)
            self.line.leave()
            await settle()

    async def close(self) -> None:
        """End all tasks."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def check(self) -> None:
        """Check that the one who should have the turn has it, and that each is told its place."""
        assert self.first[-1:] == self.expected[:1] or not self.expected
        assert self.line.is_free == (not self.expected)
        assert [self.line.ahead_of(self.wishes[number]) for number in self.expected] == list(range(len(self.expected)))
        assert self.line.ahead_of(None) == len(self.expected)


async def settle() -> None:
    """Let what was woken run."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@given(
    st.lists(
        st.one_of(
            st.just(("come", None)),
            st.tuples(st.just("leave"), st.none()),
            st.tuples(st.just("cancel"), st.integers(0, 8)),
            st.tuples(st.just("refuse"), st.lists(st.integers(0, 8), max_size=3)),
        ),
        max_size=40,
    )
)
def test_each_has_its_turn_and_its_place_whoever_leaves(steps: list[tuple[str, Any]]) -> None:
    """Turns come in the order of coming among those still there, and a place counts those ahead who are still there."""

    async def live() -> None:
        waiters = Waiters()
        for step, argument in steps:
            match step:
                case "come":
                    waiters.come()
                    await settle()
                case "leave":
                    await waiters.leave()
                case "cancel":
                    await waiters.cancel(argument)
                case _:
                    await waiters.refuse(argument)
            waiters.check()
        await waiters.close()

    with asyncio.Runner(loop_factory=AutojumpLoop) as runner:
        runner.run(live())


async def test_one_that_is_cancelled_with_those_behind_it_hands_nothing_on() -> None:
    """A turn goes to the first who still wants it, past those who were cancelled in the same moment."""
    waiters = Waiters()
    for _ in range(5):
        waiters.come()
    await settle()
    for number in (1, 2, 3):
        waiters.tasks[number].cancel()
    waiters.expected = [0, 4]
    await waiters.leave()
    waiters.check()
    assert waiters.first == [0, 4]


async def test_a_long_line_costs_no_more_a_turn() -> None:
    """Asking for a place, coming, leaving and a turn take as many steps among 3,000 as among 30, at any place."""
    costs: list[int] = []
    for size in (30, 3_000):
        waiters = Waiters()
        for _ in range(size):
            waiters.come()
        await settle()
        with counted_steps() as steps:
            for number in (size // 2, size - 1):
                waiters.line.ahead_of(waiters.wishes[number])
            waiters.line.ahead_of(None)
            waiters.come()
            for place in (size, size // 2, 1):
                await waiters.cancel(place)
            for _ in range(5):
                await waiters.leave()
        waiters.check()
        costs.append(steps.calls)
        await waiters.close()
    assert costs[1] < costs[0] * 1.2


@pytest.mark.parametrize("length", [1, 2, 10])
async def test_a_line_that_never_ends_keeps_nothing_of_those_it_served(length: int) -> None:
    """What is kept follows who waits now, be it one or many, not who has ever waited."""
    waiters = Waiters()
    for _ in range(length):
        waiters.come()
    for _ in range(1_000):
        waiters.come()
        await settle()
        await waiters.leave()
        waiters.check()
    assert len(waiters.line._numbers._out) <= 2 * len(waiters.expected)
    await waiters.close()
