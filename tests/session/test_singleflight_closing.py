"""Closing a single flight: every waiter is told, and every request is over when it returns."""

import asyncio

import pytest

from bitminter_async._session.singleflight import Flight
from tests.support.singleflight import BadError, HeldRequests, outcomes, settle


async def test_closing_ends_every_request(held: HeldRequests) -> None:
    """Each waiter gets a copy of the error, each request is cancelled, and no task is left when it returns."""
    waiters = [held.join(question) for question in "aabc"]
    await settle()
    held.finish("just in time", "c")
    waiters[0].cancel()
    error = BadError("closed")
    await held.single_flight.aclose(error)
    assert sorted(held.ended) == ["a", "b", "c"]
    assert not any(held.has(question) for question in "abc")
    raised = await outcomes(waiters)
    assert [type(each) for each in raised] == [asyncio.CancelledError, BadError, BadError, BadError]
    assert error not in raised
    assert [str(each) for each in raised[1:]] == ["closed"] * 3


async def test_closing_waits_for_the_slow_to_end(held: HeldRequests) -> None:
    """A request that takes its time to end is over when it returns, and so is one that all had left before."""
    loop = asyncio.get_running_loop()

    async def ask(_: Flight) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(5)

    left, kept = (asyncio.ensure_future(held.single_flight.run(question, 30.0, ask)) for question in ("left", "kept"))
    await settle()
    left.cancel()
    await settle()
    assert len(asyncio.all_tasks()) == 4  # this one, both requests, and who still waits
    before = loop.time()
    closing = asyncio.ensure_future(held.single_flight.aclose(BadError()))
    await settle()
    assert not held.has("kept")
    await closing
    assert loop.time() - before == pytest.approx(5)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    with pytest.raises(BadError):
        await kept


async def test_closing_what_was_never_used(held: HeldRequests) -> None:
    """With nothing under way there is nothing to do, once or twice."""
    await held.single_flight.aclose(BadError())
    await held.single_flight.aclose(BadError())
    assert held.is_clear()


async def test_closing_leaves_what_is_being_cancelled_to_its_cleaning_up(held: HeldRequests) -> None:
    """A request that all had left is cancelled once: closing does not break into what it does to end."""
    cleaned: list[str] = []

    async def ask(_: Flight) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(1)
            cleaned.append("all")

    waiter = asyncio.ensure_future(held.single_flight.run("slow", 30.0, ask))
    await settle()
    waiter.cancel()
    await settle()
    await held.single_flight.aclose(BadError())
    assert cleaned == ["all"]
