"""A single flight under any schedule: who gets what, and how often is asked, is as a model of it says."""

import asyncio
from typing import Any, TypeAlias

from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from bitminter_async.testing import AutojumpLoop
from tests.support.singleflight import BadError, HeldRequests, outcomes, settle

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


async def run_steps(steps: list[Step]) -> None:
    """Take the steps with the model and with a single flight, and compare after each."""
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
        assert {question for question in "ab" if held.has(question)} == model.waits.keys()
        assert {n: end_of(waiter) for n, waiter in enumerate(waiters) if waiter.done()} == model.ends
        assert {question: len(requests) for question, requests in held.requests.items()} == model.requests
        assert len(asyncio.all_tasks()) == 1 + len(model.waits) + sum(map(len, model.waits.values()))
    await held.single_flight.aclose(BadError("fail"))
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
    """Whoever joins, leaves or is answered, in any order: who gets what, and how often is asked, is as in the model."""
    with asyncio.Runner(loop_factory=AutojumpLoop) as runner:
        runner.run(run_steps(steps))
