"""The receipt: what was counted, and how it reads."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from bitminter_async import Blocked, RateLimited, Receipt
from bitminter_async._session.budget.pace import Pace
from bitminter_async._session.tally import Tally
from tests.support.pace import make_reason

SINCE = datetime(2026, 3, 1, 12, 30, 59, tzinfo=UTC)
RECEIPT = Receipt(
    since=SINCE,
    calls=1234,
    requests=56,
    cached=1100,
    joined=78,
    retried=9,
    rests=2,
    blocks=1,
    rested=timedelta(seconds=990.4),
    shortest_gap=timedelta(seconds=1.0004),
    mean_gap=timedelta(seconds=3.25),
    longest_wait=timedelta(seconds=4.5),
    shared_with=0,
    waited_for_others=timedelta(0),
    bytes_received=98765,
)


def receipt_of(tally: Tally) -> Receipt:
    """The tally's receipt, of a client that never rested."""
    return tally.receipt(joined=0, budget=Pace(1.0, 60.0), bytes_received=0)


def test_a_fresh_tally_has_counted_nothing() -> None:
    """A client that did nothing has zeros to show, began now, and has no gaps."""
    before = datetime.now(UTC)
    receipt = receipt_of(Tally())
    assert before <= receipt.since <= datetime.now(UTC)
    none = timedelta(0)
    assert receipt == Receipt(receipt.since, 0, 0, 0, 0, 0, 0, 0, none, None, None, none, 0, none, 0)


async def test_every_count_stands_in_its_place() -> None:
    """Each number on the receipt is the one that was counted under its name, or was handed in."""
    tally = Tally(since=SINCE, asked=5, cached=2, retried=4, longest_wait=5.5)
    tally.sent(10.0)
    pace = Pace(1.0, 60.0)
    await pace.rest(3.5, make_reason(RateLimited))
    await pace.rest(10.0, make_reason(Blocked))
    await pace.rest(11.0, make_reason(Blocked))
    await asyncio.sleep(7.5)
    receipt = tally.receipt(joined=3, budget=pace, bytes_received=8)
    assert receipt == Receipt(
        since=SINCE,
        calls=7,
        requests=1,
        cached=2,
        joined=3,
        retried=4,
        rests=1,
        blocks=2,
        rested=timedelta(seconds=7.5),
        shortest_gap=None,
        mean_gap=None,
        longest_wait=timedelta(seconds=5.5),
        shared_with=0,
        waited_for_others=timedelta(0),
        bytes_received=8,
    )


@pytest.mark.parametrize("sent", [[], [5.0], [0.0]])
def test_no_gap_before_the_second_request(sent: list[float]) -> None:
    """A gap lies between two requests; until there are two, it is None, not 0."""
    tally = Tally()
    for moment in sent:
        tally.sent(moment)
    receipt = receipt_of(tally)
    assert (receipt.requests, receipt.shortest_gap, receipt.mean_gap) == (len(sent), None, None)


@given(st.lists(st.integers(0, 10_000), min_size=1), st.integers(0, 10**6))
def test_the_gaps_are_the_shortest_and_the_mean(gaps: list[int], first: int) -> None:
    """Of all times between two starts, the least and the mean are shown, wherever the clock began."""
    tally = Tally()
    moment = float(first)
    tally.sent(moment)
    for gap in gaps:
        moment += gap
        tally.sent(moment)
    receipt = receipt_of(tally)
    assert receipt.requests == len(gaps) + 1
    assert receipt.shortest_gap == timedelta(seconds=min(gaps))
    assert receipt.mean_gap == timedelta(seconds=sum(gaps) / len(gaps))


def test_two_requests_have_one_gap() -> None:
    """From the second request on there is a gap, which is the shortest and the mean."""
    tally = Tally()
    tally.sent(10.0)
    tally.sent(12.5)
    receipt = receipt_of(tally)
    assert (receipt.shortest_gap, receipt.mean_gap) == (timedelta(seconds=2.5), timedelta(seconds=2.5))


def test_a_receipt_is_a_snapshot() -> None:
    """What is counted later changes no receipt that was given before; nor can its reader."""
    tally = Tally()
    receipt = receipt_of(tally)
    tally.sent(1.0)
    tally.asked += 1
    tally.cached += 1
    assert (receipt.calls, receipt.requests) == (0, 0)
    with pytest.raises(FrozenInstanceError):
        receipt.calls = 1  # type: ignore[misc]  # what must not work


def test_it_reads_as_a_paragraph() -> None:
    """The operator gets every number in one paragraph of plain sentences."""
    assert str(RECEIPT) == (
        "Since 2026-03-01 12:30 UTC this client has sent 56 requests for 1,234 calls made of it: 1100 answered from "
        "its cache, 78 by a request already under way; 9 attempts made again. Requests started 3.250 s apart on "
        "average and never less than 1.000 s; the longest wait for a turn was 4.500 s. It was asked for rest "
        "2 times and blocked 1 time, and has rested 990 s in all. It received 98,765 bytes."
    )


def test_it_tells_of_others_where_there_are_any() -> None:
    """With whom the budget is shared stands in a sentence of its own, also when they have gone."""
    shared = evolve(RECEIPT, shared_with=7, waited_for_others=timedelta(seconds=12.34))
    assert "It shares the pool with 7 others, for whom it has waited 12.3 s. It received 98,765 bytes." in str(shared)
    assert "with 0 others, for whom it has waited 12.3 s." in str(evolve(shared, shared_with=0))


def test_it_says_nothing_of_gaps_before_there_are_any() -> None:
    """Before the second request the paragraph leaves the gaps out and stays whole."""
    assert str(receipt_of(Tally(since=SINCE, asked=1))) == (
        "Since 2026-03-01 12:30 UTC this client has sent 0 requests for 1 call made of it: 0 answered from its cache, "
        "0 by a request already under way; 0 attempts made again. It received 0 bytes."
    )
