"""Flights: one request for all who ask the same, and nothing left behind, whoever leaves when."""

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from attrs import define, field

from bitminter_async._session.singleflight import Flights


class BadError(Exception):
    """What a request may fail with."""


@define
class Tower:
    """Flights whose requests end when the test says so."""

    flights: Flights = field(factory=Flights)
    requests: dict[str, list[asyncio.Future[Any]]] = field(factory=dict[str, list[asyncio.Future[Any]]])
    ended: list[str] = field(factory=list[str])
    complaints: list[dict[str, Any]] = field(factory=list[dict[str, Any]])

    async def ask(self, question: str) -> Any:
        """Ask, and wait for `land`."""
        request = asyncio.get_running_loop().create_future()
        self.requests.setdefault(question, []).append(request)
        try:
            return await request
        finally:
            self.ended.append(question)

    def join(self, question: str = "q") -> asyncio.Task[Any]:
        """Let somebody new wait for the answer."""
        return asyncio.ensure_future(self.flights.join(question, lambda: self.ask(question)))

    def land(self, outcome: Any, question: str = "q") -> None:
        """End the latest request with this answer or error."""
        request = self.requests[question][-1]
        if isinstance(outcome, BaseException):
            request.set_exception(outcome)
        else:
            request.set_result(outcome)

    def is_clear(self) -> bool:
        """Whether nothing is left: no flight, no task but the test's own, and nothing that asyncio complains of."""
        gc.collect()
        return (asyncio.all_tasks(), self.complaints) == ({asyncio.current_task()}, [])


def depth(error: BaseException) -> int:
    """How many frames its traceback has."""
    frames, traceback = 0, error.__traceback__
    while traceback:
        frames, traceback = frames + 1, traceback.tb_next
    return frames


async def settle() -> None:
    """Let everything happen that can."""
    await asyncio.sleep(0.001)


async def outcomes(waiters: list[asyncio.Task[Any]]) -> list[Any]:
    """What came of each: the answer, or the exception."""
    return await asyncio.gather(*waiters, return_exceptions=True)


async def build_tower() -> AsyncIterator[Tower]:
    """A tower that ends clear."""
    tower = Tower()
    asyncio.get_running_loop().set_exception_handler(lambda _, complaint: tower.complaints.append(complaint))
    yield tower
    await settle()
    assert tower.is_clear()


tower_fixture = pytest_asyncio.fixture(build_tower, name="tower")


async def test_one_request_serves_all(tower: Tower) -> None:
    """All who ask the same while it is in the air share one request and get the very same answer."""
    waiters = [tower.join() for _ in range(100)]
    await settle()
    waiters += [tower.join() for _ in range(100)]
    await settle()
    answer = object()
    tower.land(answer)
    assert await outcomes(waiters) == [answer] * 200
    assert len(tower.requests["q"]) == 1


async def test_other_questions_fly_apart(tower: Tower) -> None:
    """Each question has its own flight and its own answer."""
    waiters = [tower.join(question) for question in "abab"]
    await settle()
    assert [question in tower.flights for question in "abc"] == [True, True, False]
    tower.land("answer b", "b")
    await settle()
    assert [question in tower.flights for question in "ab"] == [True, False]
    tower.land("answer a", "a")
    assert await outcomes(waiters) == ["answer a", "answer b"] * 2


async def test_an_answer_is_not_remembered(tower: Tower) -> None:
    """Who asks after the landing starts a new flight: keeping answers is the cache's business."""
    for answer in (1, 2):
        waiter = tower.join()
        await settle()
        tower.land(answer)
        assert await waiter == answer
        assert "q" not in tower.flights
    assert len(tower.requests["q"]) == 2


@pytest.mark.parametrize("leaving", [{0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}])
async def test_who_leaves_is_not_missed(tower: Tower, leaving: set[int]) -> None:
    """Whoever is cancelled, the first to come included, the others get their answer from the same request."""
    waiters = [tower.join() for _ in range(3)]
    await settle()
    for n in leaving:
        waiters[n].cancel()
    await settle()
    assert [waiter.cancelled() for waiter in waiters] == [n in leaving for n in range(3)]
    tower.land("answer")
    assert [await waiters[n] for n in {0, 1, 2} - leaving] == ["answer"] * (3 - len(leaving))
    assert len(tower.requests["q"]) == 1


@pytest.mark.parametrize("at_once", [True, False])
async def test_the_last_to_leave_cancels_the_request(tower: Tower, *, at_once: bool) -> None:
    """When nobody waits any more the request is cancelled, and nothing is left running."""
    waiters = [tower.join() for _ in range(3)]
    await settle()
    for waiter in waiters:
        assert tower.ended == []
        waiter.cancel()
        if not at_once:
            await settle()
    await settle()
    assert tower.ended == ["q"]
    assert tower.requests["q"][0].cancelled()
    assert "q" not in tower.flights
    assert tower.is_clear()


async def test_cancelled_before_it_began(tower: Tower) -> None:
    """A waiter that is cancelled before its request ever ran leaves nothing behind either."""
    waiter = tower.join()
    waiter.cancel()
    await settle()
    assert waiter.cancelled()
    waiter = tower.join()
    await asyncio.sleep(0)  # it has joined, but the request has not begun
    assert tower.requests == {}
    waiter.cancel()
    await settle()
    assert all(request.cancelled() for request in tower.requests.get("q", []))
    assert "q" not in tower.flights
    assert tower.is_clear()


async def test_no_newcomer_joins_a_dying_flight(tower: Tower) -> None:
    """Who asks in the very moment in which the last one leaves starts a new request, and gets its answer."""
    first = tower.join()
    await settle()
    first.cancel()
    await asyncio.sleep(0)  # it has left; its request is cancelled but has not ended
    newcomer = tower.join()
    await settle()
    assert len(tower.requests["q"]) == 2
    assert "q" in tower.flights
    tower.land("new")
    assert await newcomer == "new"


async def test_a_newcomer_saves_a_flight_that_the_last_has_not_yet_left(tower: Tower) -> None:
    """A cancellation that has not arrived yet is no reason to end a request that somebody new waits for."""
    first = tower.join()
    await settle()
    newcomer = tower.join()
    first.cancel()
    await settle()
    tower.land("answer")
    assert await newcomer == "answer"
    assert len(tower.requests["q"]) == 1


async def test_each_waiter_gets_an_error_of_its_own(tower: Tower) -> None:
    """An error reaches every waiter as another object of the same kind and words, whose traceback is its own."""
    waiters = [tower.join() for _ in range(50)]
    await settle()
    error = BadError("bad")
    tower.land(error)
    raised = await outcomes(waiters)
    assert [(type(each), each.args) for each in raised] == [(BadError, ("bad",))] * 50
    assert len({id(each) for each in [error, *raised]}) == 51
    assert len({depth(each) for each in raised}) == 1
    assert depth(raised[0]) <= 3


async def test_an_error_is_not_remembered(tower: Tower) -> None:
    """Who asks after a failure asks anew."""
    failed = tower.join()
    await settle()
    tower.land(BadError())
    with pytest.raises(BadError):
        await failed
    again = tower.join()
    await settle()
    tower.land("answer")
    assert await again == "answer"


async def test_a_request_cancelled_from_outside_cancels_its_waiters(tower: Tower) -> None:
    """When the loop shuts down it cancels the request's own task; nobody is left waiting for it."""
    waiters = [tower.join() for _ in range(2)]
    await settle()
    tower.requests["q"][0].cancel()
    await settle()
    assert [waiter.cancelled() for waiter in waiters] == [True, True]
    assert "q" not in tower.flights


@pytest.mark.parametrize("outcome", ["answer", BadError("bad")])
@pytest.mark.parametrize("ticks", range(4))
async def test_cancelled_while_it_lands(tower: Tower, outcome: object, ticks: int) -> None:
    """A waiter cancelled in the moment of the landing is cancelled or served; no error of its is left unlooked at."""
    waiters = [tower.join() for _ in range(2)]
    await settle()
    tower.land(outcome)
    for _ in range(ticks):
        await asyncio.sleep(0)
    waiters[0].cancel()
    first, second = await outcomes(waiters)
    assert type(second) is type(outcome)
    assert isinstance(first, type(outcome) if ticks == 3 else asyncio.CancelledError)
    del waiters, first, second
    assert tower.is_clear()
