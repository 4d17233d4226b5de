"""Rests of a pace: what the pool asks for holds for everyone."""

import asyncio

import pytest

from bitminter_async import Blocked, RateLimited
from bitminter_async._session.budget.pace import Pace
from tests.support.clock import now
from tests.support.pace import Queue, exactly, make_reason, turn_of


async def test_a_rest_is_waited_out_by_all() -> None:
    """Nobody gets a turn while the pool wants rest; afterwards all get theirs, in order and apart."""
    pace = Pace(1.0, patience=60)
    queue = Queue(pace)
    async with turn_of(pace):
        waiters = [queue.join(n) for n in range(3)]
        await asyncio.sleep(0.5)
        await pace.rest(10, make_reason(RateLimited))
    await asyncio.gather(*waiters)
    assert list(queue.starts) == [0, 1, 2]
    assert list(queue.starts.values()) == exactly(10.5, 11.5, 12.5)
    assert pace.refusal() is None


async def test_a_rest_shorter_than_the_interval_changes_nothing() -> None:
    """The interval holds as well: whichever ends later counts."""
    pace = Pace(5.0, patience=60)
    queue = Queue(pace)
    async with turn_of(pace):
        await pace.rest(1, make_reason(RateLimited))
    await queue.take(0)
    assert list(queue.starts.values()) == exactly(5)


async def test_a_rest_begun_during_a_rest_is_waited_out_too() -> None:
    """A rest that grows while somebody sits it out is sat out to its new end."""
    pace = Pace(0.0, patience=60)
    queue = Queue(pace)
    await pace.rest(10, make_reason(RateLimited))
    waiter = queue.join(0)
    await asyncio.sleep(5)
    await pace.rest(20, make_reason(RateLimited))
    await waiter
    assert list(queue.starts.values()) == exactly(25)


@pytest.mark.parametrize(("seconds", "refused"), [(60, False), (60.5, True)])
async def test_patience_is_the_longest_rest_that_is_waited_out(seconds: float, refused: bool) -> None:  # noqa: FBT001  # a column of the table
    """A rest of just `patience` seconds is waited out; a longer one is refused."""
    pace = Pace(1.0, patience=60)
    queue = Queue(pace)
    await pace.rest(seconds, make_reason(RateLimited))
    (outcome,) = await asyncio.gather(queue.take(0), return_exceptions=True)
    assert isinstance(outcome, RateLimited) is refused
    assert list(queue.starts.values()) == ([] if refused else exactly(60))


async def test_a_long_rest_is_refused_at_once_to_all() -> None:
    """Who is queued when it begins, and who comes while it lasts, is told at once how much of it is left."""
    pace = Pace(1.0, patience=60)
    queue = Queue(pace)
    async with turn_of(pace):
        waiters = [queue.join(n) for n in range(5)]
        await asyncio.sleep(0.5)
        await pace.rest(900, make_reason(RateLimited))
    refused = await asyncio.gather(*waiters, return_exceptions=True)
    assert now() - queue.began == pytest.approx(0.5)
    assert [each.retry_after for each in refused if isinstance(each, RateLimited)] == exactly(*[900] * 5)
    await asyncio.sleep(890)
    assert (refusal := pace.refusal())
    assert refusal.retry_after == pytest.approx(10)
    with pytest.raises(RateLimited) as late:
        await queue.take(5)
    assert late.value.retry_after == pytest.approx(10)
    assert now() - queue.began == pytest.approx(890.5)
    await asyncio.sleep(10)
    assert pace.refusal() is None
    await queue.take(6)
    assert list(queue.starts.values()) == exactly(900.5)


async def test_a_refusal_gives_the_turn_back() -> None:
    """Who was refused holds nothing: the pace serves the next as if they had never come."""
    pace = Pace(1.0, patience=1)
    await pace.rest(5, make_reason(RateLimited))
    for _ in range(3):
        with pytest.raises(RateLimited):
            await Queue(pace).take(0)
    await asyncio.sleep(5)
    queue = Queue(pace)
    await asyncio.gather(queue.take(0), queue.take(1))
    assert list(queue.starts.values()) == exactly(0, 1)


async def test_who_leaves_during_a_rest_is_not_missed() -> None:
    """One who is cancelled while they sit out a rest does not hold up the others."""
    pace = Pace(1.0, patience=60)
    queue = Queue(pace)
    await pace.rest(10, make_reason(RateLimited))
    waiters = [queue.join(n) for n in range(3)]
    await asyncio.sleep(4)
    waiters[0].cancel()
    await asyncio.gather(*waiters, return_exceptions=True)
    assert queue.starts == dict(zip([1, 2], exactly(10, 11), strict=True))


@pytest.mark.parametrize(
    ("rests", "ends", "count", "seconds"),
    [
        ([], 0, 0, 0),
        ([(0, 10)], 10, 1, 10),
        ([(0, 10), (2, 3)], 10, 1, 10),  # within the first
        ([(0, 10), (2, 8)], 10, 1, 10),  # ends with the first
        ([(0, 10), (4, 10)], 14, 2, 14),  # longer by 4
        ([(0, 10), (10, 10)], 20, 2, 20),
        ([(0, 10), (15, 10)], 25, 2, 20),  # a pause between them
        ([(0, 5), (1, 5), (2, 5), (20, 1)], 21, 4, 8),
    ],
)
async def test_overlapping_rests_are_counted_once(
    rests: list[tuple[float, float]], ends: float, count: int, seconds: float
) -> None:
    """A rest that ends before the present one changes nothing; of one that ends later, what it adds is counted."""
    pace = Pace(0.0, patience=60)
    queue = Queue(pace)
    for at, lasting in rests:
        await asyncio.sleep(at - (now() - queue.began))
        await pace.rest(lasting, make_reason(RateLimited))
    await queue.take(0)
    assert queue.starts[0] == pytest.approx(ends)
    assert pace.rests == count
    assert pace.rested == pytest.approx(seconds)


async def test_a_short_rest_after_a_long_one_is_waited_out() -> None:
    """A rest is refused or waited out by its own length, and one that changes nothing does not change that."""
    pace = Pace(0.0, patience=60)
    await pace.rest(100, make_reason(RateLimited))
    await asyncio.sleep(50)
    await pace.rest(40, make_reason(RateLimited))  # ends before the long one
    assert (refusal := pace.refusal())
    assert refusal.retry_after == pytest.approx(50)
    await pace.rest(60, make_reason(RateLimited))  # ends after it
    assert pace.refusal() is None
    queue = Queue(pace)
    await queue.take(0)
    assert list(queue.starts.values()) == exactly(60)


async def test_a_rest_that_begins_while_somebody_waits_for_the_interval_holds() -> None:
    """Whoever waits for the interval to pass when a rest begins waits for the rest, too."""
    pace = Pace(10.0, patience=60)
    queue = Queue(pace)
    await queue.take(0)
    waiter = queue.join(1)
    await asyncio.sleep(1)
    await pace.rest(30, make_reason(RateLimited))
    await waiter
    assert list(queue.starts.values()) == exactly(0, 31)


async def test_a_long_rest_that_begins_while_the_next_waits_is_told_when_its_turn_would_come() -> None:
    """Whoever is next, and waits for the interval or for a short rest when a long one begins, does not sit that out."""
    pace = Pace(10.0, patience=60)
    queue = Queue(pace)
    await queue.take(0)
    waiter = queue.join(1)
    await asyncio.sleep(5)
    await pace.rest(100, make_reason(RateLimited))
    with pytest.raises(
        RateLimited, match=r"^not sent, since the client rests for another 95\.0 s; what began the rest: "
    ):
        await waiter
    assert now() - queue.began == pytest.approx(10)
    assert list(queue.starts) == [0]


async def test_what_was_rested_is_what_has_passed() -> None:
    """The time rested grows as a rest goes on, and stops with it; a block is counted by itself."""
    pace = Pace(1.0, patience=60)
    assert pace.rested == 0
    await asyncio.sleep(5)
    await pace.rest(10, make_reason(RateLimited))
    await asyncio.sleep(4)
    assert pace.rested == pytest.approx(4)
    await pace.rest(900, make_reason(Blocked))
    await asyncio.sleep(1000)
    assert pace.rested == pytest.approx(904)
    assert (pace.rests, pace.blocks) == (1, 1)


@pytest.mark.parametrize(
    ("interval", "resting", "after", "due"), [(0, 0, 0, 0), (5, 0, 2, 3), (5, 0, 7, 0), (5, 9, 2, 7)]
)
async def test_the_next_turn_is_due(interval: float, resting: float, after: float, due: float) -> None:
    """The next turn can begin when the interval is over, and the rest, whichever ends later."""
    pace = Pace(interval, patience=60)
    async with turn_of(pace):
        if resting:
            await pace.rest(resting, make_reason(RateLimited))
    await asyncio.sleep(after)
    assert pace.due_in == pytest.approx(due)
