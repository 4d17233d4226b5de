"""Single flight: one request for all who ask the same, and nothing left behind, whoever leaves when."""

import asyncio
import gc
import weakref

import pytest

from tests.support.singleflight import BadError, HeldRequests, outcomes, settle


def depth(error: BaseException) -> int:
    """How many frames its traceback has."""
    frames, traceback = 0, error.__traceback__
    while traceback:
        frames, traceback = frames + 1, traceback.tb_next
    return frames


async def test_one_request_serves_all(held: HeldRequests) -> None:
    """All who ask the same while it is under way share one request and get the very same answer."""
    waiters = [held.join() for _ in range(100)]
    await settle()
    waiters += [held.join() for _ in range(100)]
    await settle()
    answer = object()
    held.finish(answer)
    assert await outcomes(waiters) == [answer] * 200
    assert len(held.requests["q"]) == 1


async def test_each_question_has_a_request_of_its_own(held: HeldRequests) -> None:
    """Each question has its own request and its own answer."""
    waiters = [held.join(question) for question in "abab"]
    await settle()
    assert [held.has(question) for question in "abc"] == [True, True, False]
    held.finish("answer b", "b")
    await settle()
    assert [held.has(question) for question in "ab"] == [True, False]
    held.finish("answer a", "a")
    assert await outcomes(waiters) == ["answer a", "answer b"] * 2


async def test_an_answer_is_not_remembered(held: HeldRequests) -> None:
    """Who asks after the answer came starts a new request: keeping answers is the cache's business."""
    for answer in (1, 2):
        waiter = held.join()
        await settle()
        held.finish(answer)
        assert await waiter == answer
        assert not held.has("q")
    assert len(held.requests["q"]) == 2


@pytest.mark.parametrize("leaving", [{0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}])
async def test_who_leaves_is_not_missed(held: HeldRequests, leaving: set[int]) -> None:
    """Whoever is cancelled, the first to come included, the others get their answer from the same request."""
    waiters = [held.join() for _ in range(3)]
    await settle()
    for n in leaving:
        waiters[n].cancel()
    await settle()
    assert [waiter.cancelled() for waiter in waiters] == [n in leaving for n in range(3)]
    held.finish("answer")
    assert [await waiters[n] for n in {0, 1, 2} - leaving] == ["answer"] * (3 - len(leaving))
    assert len(held.requests["q"]) == 1


@pytest.mark.parametrize("at_once", [True, False])
async def test_the_last_to_leave_cancels_the_request(held: HeldRequests, *, at_once: bool) -> None:
    """When nobody waits any more the request is cancelled, and nothing is left running."""
    waiters = [held.join() for _ in range(3)]
    await settle()
    for waiter in waiters:
        assert held.ended == []
        waiter.cancel()
        if not at_once:
            await settle()
    await settle()
    assert held.ended == ["q"]
    assert held.requests["q"][0].cancelled()
    assert not held.has("q")
    assert held.is_clear()


async def test_a_request_that_has_left_is_let_end(held: HeldRequests) -> None:
    """When nobody waits any more for one that has left, it goes on: the pool works on it anyway."""
    waiter = held.join()
    await settle()
    held.leave()
    waiter.cancel()
    await settle()
    assert (held.ended, held.has()) == ([], True)
    late = held.join()
    held.finish("answer")
    assert await late == "answer"
    assert len(held.requests["q"]) == 1


@pytest.mark.parametrize(("max_age", "requests"), [(0, 2), (4, 2), (5, 1), (30, 1)])
async def test_one_that_has_left_serves_whom_it_is_young_enough_for(
    held: HeldRequests, max_age: float, requests: int
) -> None:
    """Who asks while a request is under way joins it only if its age will do; at 0 none does, before it left any."""
    first = held.join(max_age=0)
    joined = held.join(max_age=0)
    await settle()
    held.leave()
    await asyncio.sleep(4.5)
    later = held.join(max_age=max_age)
    await settle()
    assert len(held.requests["q"]) == requests
    for request in held.requests["q"]:
        request.set_result("answer")
    assert await outcomes([first, joined, later]) == ["answer"] * 3
    assert held.single_flight.joined == 3 - requests


async def test_who_asks_anew_is_joined_by_others(held: HeldRequests) -> None:
    """The newest request is the one that is joined; those who wait for the one before it still get its answer."""
    first = held.join()
    await settle()
    held.leave()
    anew, other = held.join(max_age=0), held.join(max_age=0)
    await settle()
    old, new = held.requests["q"]
    old.set_result("old")
    await settle()
    assert held.has()
    new.set_result("new")
    assert await outcomes([first, anew, other]) == ["old", "new", "new"]


async def test_cancelled_before_it_began(held: HeldRequests) -> None:
    """A waiter that is cancelled before its request ever ran leaves nothing behind either."""
    waiter = held.join()
    waiter.cancel()
    await settle()
    assert waiter.cancelled()
    waiter = held.join()
    await asyncio.sleep(0)  # it has joined, but the request has not begun
    assert held.requests == {}
    waiter.cancel()
    await settle()
    assert all(request.cancelled() for request in held.requests.get("q", []))
    assert not held.has("q")
    assert held.is_clear()


async def test_no_newcomer_joins_a_request_that_is_being_cancelled(held: HeldRequests) -> None:
    """Who asks in the very moment in which the last one leaves starts a new request, and gets its answer."""
    first = held.join()
    await settle()
    first.cancel()
    await asyncio.sleep(0)  # it has left; its request is cancelled but has not ended
    newcomer = held.join()
    await settle()
    assert len(held.requests["q"]) == 2
    assert held.has("q")
    held.finish("new")
    assert await newcomer == "new"


async def test_a_newcomer_saves_a_request_that_the_last_has_not_yet_left(held: HeldRequests) -> None:
    """A cancellation that has not arrived yet is no reason to end a request that somebody new waits for."""
    first = held.join()
    await settle()
    newcomer = held.join()
    first.cancel()
    await settle()
    held.finish("answer")
    assert await newcomer == "answer"
    assert len(held.requests["q"]) == 1


async def test_each_waiter_gets_an_error_of_its_own(held: HeldRequests) -> None:
    """An error reaches every waiter as another object of the same kind and words, whose traceback is its own."""
    waiters = [held.join() for _ in range(50)]
    await settle()
    error = BadError("bad")
    held.finish(error)
    raised = await outcomes(waiters)
    assert [(type(each), each.args) for each in raised] == [(BadError, ("bad",))] * 50
    assert len({id(each) for each in [error, *raised]}) == 51
    assert len({depth(each) for each in raised}) == 1
    assert depth(raised[0]) <= 3


async def test_an_error_is_not_remembered(held: HeldRequests) -> None:
    """Who asks after a failure asks anew."""
    failed = held.join()
    await settle()
    held.finish(BadError())
    with pytest.raises(BadError):
        await failed
    again = held.join()
    await settle()
    held.finish("answer")
    assert await again == "answer"


async def test_a_request_cancelled_from_outside_cancels_its_waiters(held: HeldRequests) -> None:
    """When the loop shuts down it cancels the request's own task; nobody is left waiting for it."""
    waiters = [held.join() for _ in range(2)]
    await settle()
    held.requests["q"][0].cancel()
    await settle()
    assert [waiter.cancelled() for waiter in waiters] == [True, True]
    assert not held.has("q")


@pytest.mark.parametrize("outcome", ["answer", BadError("bad")])
@pytest.mark.parametrize("ticks", range(4))
async def test_cancelled_while_the_request_ends(held: HeldRequests, outcome: object, ticks: int) -> None:
    """A waiter cancelled as the request ends is cancelled or served; no error is left unretrieved."""
    waiters = [held.join() for _ in range(2)]
    await settle()
    held.finish(outcome)
    for _ in range(ticks):
        await asyncio.sleep(0)
    waiters[0].cancel()
    first, second = await outcomes(waiters)
    assert type(second) is type(outcome)
    assert isinstance(first, type(outcome) if ticks == 3 else asyncio.CancelledError)
    del waiters, first, second
    assert held.is_clear()


async def test_an_answer_is_not_held(held: HeldRequests) -> None:
    """No answer is kept alive once it has been handed out."""

    class Answer:
        """Something that can be watched."""

    waiter = held.join()
    await settle()
    held.finish(Answer())
    kept = weakref.ref(await waiter)
    held.requests.clear()
    held.flights.clear()
    del waiter
    await settle()
    gc.collect()
    assert kept() is None


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
