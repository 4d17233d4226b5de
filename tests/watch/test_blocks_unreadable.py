"""Records of a list that cannot be read: named once, told of when they can be read, and no other waits for them."""

import asyncio
import logging
from typing import Any

import pytest

from bitminter_async import Shift
from tests.support.collect import collecting
from tests.support.samples import SHIFT
from tests.support.transport import Fake, answer
from tests.support.watching import MovingPool, block_json, found, in_a_row, outages, short, watch_client

_BAD: dict[str, Any] = {"generator": None}
_NAMELESS: dict[str, Any] = {"id": None}


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("bad", [_BAD, _NAMELESS], ids=["its id is known", "its id is not"])
@pytest.mark.parametrize("number", [302, 303, 304])
async def test_the_others_come_at_once(number: int, bad: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """Of three new blocks the one that cannot be read is named in one WARNING, and told of when it can be read."""
    caplog.set_level(logging.INFO)
    pool = MovingPool(*in_a_row(301, 1))
    async with watch_client(pool) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(1)
        pool.find(3, "unconfirmed")
        pool.unreadable = {number: bad}
        await asyncio.sleep(300)
        others = [each for each in (302, 303, 304) if each != number]
        assert found(events) == others
        pool.find(1)
        await asyncio.sleep(60)
        assert found(events) == [*others, 305]
        pool.unreadable = {}
        await asyncio.sleep(600)
        assert short(events)[2:] == [(305, "confirmed"), (number, "unconfirmed")]
        pool.blocks[number] = "orphan"
        await asyncio.sleep(60)
        assert short(events)[-1] == (number, "unconfirmed", "orphan")
    assert len(pool.asked) == 18
    (told,) = _warnings(caplog)
    named = f"the record with id {number}" if bad is _BAD else "a record next to the one with id "
    assert told.startswith(f"watching blocks: {named}")
    assert ", which cannot be read, is told of as soon as it can: DecodeError: GET https://" in told


@pytest.mark.parametrize("bad", [_BAD, _NAMELESS], ids=["its id is known", "its id is not"])
async def test_one_that_sinks_is_found_further_down(bad: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """However deep it has sunk by the time at which it can be read, it is told of, at two requests a poll meanwhile."""
    pool = MovingPool(*in_a_row(301, 1))
    async with watch_client(pool) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(1)
        pool.find(2)
        pool.unreadable = {302: bad}
        for _ in range(100):
            await asyncio.sleep(60)
            pool.find(3)
        assert len(pool.asked) <= 2 * 101 + 3
        assert found(events) == list(range(303, 301 + 300))
        pool.unreadable = {}
        await asyncio.sleep(60)
        assert sorted(found(events)) == list(range(302, 604))
    assert len(_warnings(caplog)) == 1


async def test_an_unreadable_block_on_the_way_up_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """After an outage all but the unreadable ones come, oldest first, and those when they can be read."""
    pool = MovingPool(*in_a_row(1000, 1))
    bad = {10, 60, 61, 500, 1000}
    pool.unreadable = dict.fromkeys(bad, _BAD)
    async with watch_client(pool) as client, collecting(client.watch.blocks(after=1)) as events:
        await asyncio.sleep(59)
        assert found(events) == [number for number in range(2, 1001) if number not in bad]
        pool.unreadable = {}
        await asyncio.sleep(600)
        assert sorted(found(events)) == list(range(2, 1001))
    assert len(_warnings(caplog)) == 4  # two stood on one page


async def test_what_is_followed_is_neither_gone_nor_changed_while_it_cannot_be_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A block that is awaited, on the newest page or below, is named once and goes on being followed."""
    pool = MovingPool(*in_a_row(300, 1))
    pool.blocks |= {290: "unconfirmed", 100: "unconfirmed", 50: "unconfirmed"}
    async with watch_client(pool) as client, collecting(client.watch.blocks(unsettled=[100, 50])) as events:
        await asyncio.sleep(1)
        pool.unreadable = {290: _BAD, 100: _BAD, 50: _NAMELESS}
        await asyncio.sleep(600)
        assert events == []
        pool.unreadable = {}
        pool.blocks = dict.fromkeys(pool.blocks, "confirmed")
        await asyncio.sleep(180)
        assert sorted(short(events)) == [
            (50, "unconfirmed", "confirmed"),
            (100, "unconfirmed", "confirmed"),
            (290, "unconfirmed", "confirmed"),
        ]
    assert len(_warnings(caplog)) == 2  # of the nameless one it is not known that it is awaited
    assert not outages(caplog)


async def test_one_that_is_withdrawn_unread_is_let_go(caplog: pytest.LogCaptureFixture) -> None:
    """Unreadable blocks that are withdrawn, with ids known or not, are looked for once below the newest page."""
    pool = MovingPool(*in_a_row(300, 1))
    async with watch_client(pool) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(1)
        pool.find(4)
        pool.unreadable = {301: _BAD, 303: _NAMELESS}
        await asyncio.sleep(60)
        del pool.blocks[301], pool.blocks[303]
        pool.find(60)
        await asyncio.sleep(600)
        asked = len(pool.asked)
        await asyncio.sleep(600)
        assert len(pool.asked) == asked + 10
        assert found(events) == [302, *range(304, 365)]
    assert sorted(each.partition(": ")[2] for each in _warnings(caplog)[1:]) == [
        "the record with id 301 is not in the list, so it is not followed any longer",
        "what stood next to 302 is not in the list, so it is not followed any longer",
    ]


async def test_what_is_unreadable_at_first_is_not_yet_seen() -> None:
    """Of the first page, too: it is told of when it can be read, unless `after` says that it is known."""
    for after, told in ((None, [298, 300]), (298, [299, 300])):
        pool = MovingPool(*in_a_row(300, 1))
        pool.unreadable = {298: _BAD, 300: _BAD}
        async with watch_client(pool) as client, collecting(client.watch.blocks(after=after)) as events:
            await asyncio.sleep(1)
            pool.unreadable = {}
            await asyncio.sleep(60)
            assert found(events) == told


async def test_a_page_of_which_nothing_can_be_read_keeps_nothing_from_coming(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where the pool spoils every record, each is told of once it can be read, and the log is not flooded."""
    pool = MovingPool(*in_a_row(100, 1))
    async with watch_client(pool) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(1)
        pool.find(2)
        pool.unreadable = dict.fromkeys(pool.blocks, _NAMELESS)
        await asyncio.sleep(120)
        pool.unreadable = dict.fromkeys(pool.blocks, _BAD)
        await asyncio.sleep(120)
        assert events == []
        pool.unreadable = {}
        await asyncio.sleep(60)
        assert found(events) == [101, 102]
    assert [each.partition(",")[0] for each in _warnings(caplog)] == [
        "watching blocks: an outage begins",  # for nothing tells such a page apart from any other
        "watching blocks: the record with id 101",
    ]


async def test_many_at_once_are_named_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """Of many unreadable records on one page, five are named, and the others counted."""
    pool = MovingPool(*in_a_row(100, 1))
    async with watch_client(pool) as client, collecting(client.watch.blocks()):
        await asyncio.sleep(1)
        pool.find(30)
        pool.unreadable = dict.fromkeys(range(101, 131), _BAD)
        await asyncio.sleep(60)
    (told,) = _warnings(caplog)
    assert "the record with id 101, the record with id 102" in told
    assert ", 25 more, which cannot be read" in told
    assert len(told) < 400


async def test_an_unreadable_shift_keeps_no_other_back(caplog: pytest.LogCaptureFixture) -> None:
    """Shifts are told of as blocks are: the others at once, this one when it can be read."""
    rows = [{**SHIFT, "id": number} for number in (8, 7, 6, 5)]
    bad = [row | ({"score": "high"} if row["id"] == 7 else {}) for row in rows]
    fake = Fake(answer(rows[3:]), answer(bad), answer(bad), answer(rows), answer(rows))
    async with watch_client(fake) as client, collecting(client.watch.shifts()) as shifts:
        await asyncio.sleep(601)
        assert [shift.id for shift in shifts] == [6, 8]
        await asyncio.sleep(600)
        assert [shift.id for shift in shifts] == [6, 8, 7]
        assert {type(shift) for shift in shifts} == {Shift}
    assert len(_warnings(caplog)) == 1
    assert _warnings(caplog)[0].startswith("watching shifts: the record with id 7, which cannot be read")


async def test_a_page_that_is_wrong_as_a_whole_is_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    """Ids that do not fall, or no list at all, is not a matter of single records: nothing of it is believed."""
    good, rising = (
        [block_json(number, "confirmed") for number in (6, 5)],
        [block_json(5, "stale"), block_json(6, "stale")],
    )
    fake = Fake(answer(good[1:]), answer(rising), answer(b"{}"), answer(good))
    async with watch_client(fake) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(181)
        assert short(events) == [(6, "confirmed")]
    assert len(outages(caplog)) == 1
