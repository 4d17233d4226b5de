"""How flights end: landed, grounded, or under any schedule as a model of them says."""

import asyncio
import gc
import weakref
from typing import Any, TypeAlias

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.clock import VirtualLoop
from tests.support.singleflight import BadError, HeldRequests, outcomes, settle


async def test_a_landed_flight_holds_nothing(held: HeldRequests) -> None:
    """Flights keep no answer alive once it has been handed out."""

    class Answer:
        """Something that can be watched."""

    waiter = held.join()
    await settle()
    held.finish(Answer())
    kept = weakref.ref(await waiter)
    held.requests.clear()
    del waiter
    await settle()
    gc.collect()
    assert kept() is None


async def test_grounding_ends_every_flight(held: HeldRequests) -> None:
    """Each waiter gets a copy of the error, each request is cancelled, and no task is left when it returns."""
    waiters = [held.join(question) for question in "aabc"]
    await settle()
    held.finish("just in time", "c")
    waiters[0].cancel()
    error = BadError("closed")
    await held.single_flight.ground(error)
    assert sorted(held.ended) == ["a", "b", "c"]
    assert not any(question in held.single_flight for question in "abc")
    raised = await outcomes(waiters)
    assert [type(each) for each in raised] == [asyncio.CancelledError, BadError, BadError, BadError]
    assert error not in raised
    assert [str(each) for each in raised[1:]] == ["closed"] * 3


async def test_grounding_waits_for_the_slow_to_end(held: HeldRequests) -> None:
    """A request that takes its time to end is over when it returns, and so is one that all had left before."""
    loop = asyncio.get_running_loop()

    async def ask() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(5)

    left, kept = (asyncio.ensure_future(held.single_flight.join(question, ask)) for question in ("left", "kept"))
    await settle()
    left.cancel()
    await settle()
    assert len(asyncio.all_tasks()) == 4  # this one, both requests, and who still waits
    before = loop.time()
    grounding = asyncio.ensure_future(held.single_flight.ground(BadError()))
    await settle()
    assert "kept" not in held.single_flight
    await grounding
    assert loop.time() - before == pytest.approx(5)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    with pytest.raises(BadError):
        await kept


async def test_grounding_what_never_flew(held: HeldRequests) -> None:
    """With nothing in the air there is nothing to do, once or twice."""
    await held.single_flight.ground(BadError())
    await held.single_flight.ground(BadError())
    assert held.is_clear()


Step: TypeAlias = tuple[str, str, int]
STEPS = st.tuples(
    st.sampled_from(["join", "join", "leave", "answer", "fail"]), st.sampled_from("ab"), st.integers(0, 5)
)


@define
class Model:
    """What should happen: who waits for what, how it ended for whom, and how many requests were made."""

    waits: dict[str, list[int]] = field(factory=dict[str, list[int]])
    ends: dict[int, object] = field(factory=dict[int, object])
    requests: dict[str, int] = field(factory=dict[str, int])
    waiters: int = 0

    def step(self, what: str, question: str, who: int) -> None:
        """Take one step."""
        if what == "join":
            if question not in self.waits:
                self.requests[question] = self.requests.get(question, 0) + 1
            self.waits.setdefault(question, []).append(self.waiters)
            self.waiters += 1
        elif what == "leave":
            for waiting in [waiting for waiting in self.waits.values() if who in waiting]:
                waiting.remove(who)
                self.ends[who] = "cancelled"
        else:
            self.ends |= dict.fromkeys(self.waits.pop(question, []), what)
        self.waits = {question: waiting for question, waiting in self.waits.items() if waiting}


async def fly(steps: list[Step]) -> None:
    """Take the steps with the model and with flights, and compare after each."""
    held, model, waiters = HeldRequests(), Model(), list[asyncio.Task[Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, complaint: held.complaints.append(complaint))
    for what, question, who in steps:
        if what == "join":
            waiters.append(held.join(question))
        elif what == "leave" and who < len(waiters):
            waiters[who].cancel()
        elif what in {"answer", "fail"} and question in model.waits:
            held.finish(what if what == "answer" else BadError(what), question)
        model.step(what, question, who)
        await settle()
        assert {question for question in "ab" if question in held.single_flight} == model.waits.keys()
        assert {n: end_of(waiter) for n, waiter in enumerate(waiters) if waiter.done()} == model.ends
        assert {question: len(requests) for question, requests in held.requests.items()} == model.requests
        assert len(asyncio.all_tasks()) == 1 + len(model.waits) + sum(map(len, model.waits.values()))
    await held.single_flight.ground(BadError("fail"))
    await outcomes(waiters)
    del waiters
    assert (asyncio.all_tasks(), held.complaints) == ({asyncio.current_task()}, [])


def end_of(waiter: asyncio.Task[Any]) -> object:
    """How it ended."""
    if waiter.cancelled():
        return "cancelled"
    return str(waiter.exception() or waiter.result())


@given(st.lists(STEPS, max_size=25))
@settings(max_examples=120, deadline=None)
def test_any_schedule_goes_as_the_model_says(steps: list[Step]) -> None:
    """Whoever joins, leaves or lands in whichever order: who gets what, and how often is asked, is as modelled."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(fly(steps))


async def test_an_error_that_cannot_be_copied_still_reaches_everyone(held: HeldRequests) -> None:
    """A foreign exception that refuses to be copied is shared rather than lost, and nobody waits for ever."""

    class OddError(Exception):
        def __init__(self, one: str, _two: str) -> None:
            super().__init__(one)

    waiters = [held.join() for _ in range(3)]
    await settle()
    error = OddError("odd", "more")
    held.finish(error)
    assert await outcomes(waiters) == [error] * 3


async def test_grounding_leaves_the_dying_to_their_cleaning_up(held: HeldRequests) -> None:
    """A request that all had left is cancelled once: closing does not break into what it does to end."""
    cleaned: list[str] = []

    async def ask() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(1)
            cleaned.append("all")

    waiter = asyncio.ensure_future(held.single_flight.join("slow", ask))
    await settle()
    waiter.cancel()
    await settle()
    await held.single_flight.ground(BadError())
    assert cleaned == ["all"]
