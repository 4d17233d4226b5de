"""Streams of lists over what a server makes of them: caps, cuts, lies, old copies, a list that has gone back."""

import asyncio
import logging
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitminter_async import Block
from bitminter_async.testing import AutojumpLoop
from tests.support.collect import collecting
from tests.support.transport import answer
from tests.support.watching import MovingPool, block_json, found, in_a_row, short, watch_client


class _Spoiling(MovingPool):
    """A pool of which the answers with these numbers are cut short, empty, old, or have an id that no list has."""

    def __init__(self, *blocks: tuple[int, str], spoil: dict[int, str] | None = None) -> None:
        super().__init__(*blocks)
        self.spoil = spoil or {}
        self.old: dict[tuple[str, ...], bytes] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a page, or what is made of it."""
        response = await super().handle_async_request(request)
        body = await response.aread()
        page = orjson.loads(body)
        query = (request.url.params["max"], request.url.params["offset"])
        before, self.old[query] = self.old.get(query, body), body
        match self.spoil.get(len(self.asked)):
            case "cut":
                return answer(page[: max(3, len(page) * 2 // 5)])
            case "one":
                return answer(page[:1])
            case "empty":
                return answer([])
            case "lie":
                return answer([block_json(2**63 - 1, "unconfirmed"), *page[1:]])
            case "old":
                return answer(before)
            case _:
                return answer(page)


@pytest.mark.parametrize("cap", [10, 25, 49])
async def test_a_cap_loses_nothing(cap: int) -> None:
    """However few records the server gives in a page, all that came comes, in order, in as many pages as it takes."""
    pool = MovingPool(*in_a_row(1000, 1))
    pool.cap = cap
    async with watch_client(pool) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(1)
        pool.find(75)
        await asyncio.sleep(60)
        assert found(events) == list(range(1001, 1076))
        pool.find(1000)
        asked = len(pool.asked)
        await asyncio.sleep(60)
        assert found(events) == list(range(1001, 2076))
        assert len(pool.asked) - asked <= 1000 // (cap - 2) + 12


@pytest.mark.parametrize("cap", [10, 25, 49])
async def test_blocks_are_followed_under_a_cap(cap: int) -> None:
    """What is followed below a short page is found, at two requests a poll, and what is not there is let go."""
    pool = MovingPool(*in_a_row(1000, 1))
    pool.cap = cap
    pool.blocks |= {500: "unconfirmed", 960: "unconfirmed"}
    followed = [500, 960, 1001]
    async with watch_client(pool) as client, collecting(client.watch.blocks(unsettled=followed)) as events:
        for _ in range(30):
            await asyncio.sleep(60)
            pool.find(1, "unconfirmed")
        assert len(pool.asked) <= 2 * 31 + 15
        pool.blocks = dict.fromkeys(pool.blocks, "confirmed")
        await asyncio.sleep(30 * 60)
        settled = [each for each in short(events) if each[-1] == "confirmed"]
        assert sorted(each[0] for each in settled) == [500, 960, *range(1001, 1031)]


async def test_a_short_list_is_no_reason_to_ask_twice() -> None:
    """A list of less than a page takes one request a poll, whatever is followed on it."""
    pool = MovingPool((3, "unconfirmed"), (2, "confirmed"), (1, "unconfirmed"))
    async with watch_client(pool) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(301)
        pool.find(2)
        await asyncio.sleep(300)
        assert found(events) == [4, 5]
    assert pool.asked == [(50, 0)] * 11


_SPOILT = st.dictionaries(st.integers(1, 60), st.sampled_from(["cut", "one", "empty", "lie", "old"]), max_size=12)


@given(
    spoil=_SPOILT.map(lambda spoil: {at: how for at, how in spoil.items() if at - 1 not in spoil}),
    cap=st.sampled_from([10, 50, 50]),
    bursts=st.lists(st.integers(0, 90), min_size=1, max_size=8),
)
@settings(max_examples=150, deadline=None)
def test_odd_answers_neither_lose_nor_invent_nor_deafen(spoil: dict[int, str], cap: int, bursts: list[int]) -> None:
    """Where no two answers running are odd, each block is found once, and each change told once, whatever is odd."""

    async def live() -> None:
        pool = _Spoiling(*in_a_row(100, 1), spoil=spoil)
        pool.cap = cap
        async with watch_client(pool) as client, collecting(client.watch.blocks(after=100)) as events:
            await asyncio.sleep(1)
            for burst in bursts:
                pool.find(burst, "unconfirmed")
                await asyncio.sleep(60)
            pool.blocks = dict.fromkeys(pool.blocks, "confirmed")
            newest = max(pool.blocks)
            for _ in range(60 + 2 * len(pool.blocks) // 8):
                await asyncio.sleep(60)
                if len(pool.asked) > 60 and {
                    number for number, *statuses in short(events) if statuses[-1] == "confirmed"
                } >= set(range(101, newest + 1)):
                    break
            await asyncio.sleep(600)  # with all told and all answers honest, nothing more may come
            assert not [event for event in events if isinstance(event, Block)]
            assert found(events) == list(range(101, newest + 1))
            known = dict.fromkeys(range(101, newest + 1), "none")
            for number, *statuses in short(events):
                assert len(statuses) == 1 or statuses[0] == known[number]
                known[number] = statuses[-1]
            assert set(known.values()) <= {"confirmed"}

    with asyncio.Runner(loop_factory=AutojumpLoop) as runner:
        runner.run(live())


@pytest.mark.parametrize("how", ["cut", "one", "empty", "lie"])
async def test_an_odd_first_answer_begins_no_stream_wrongly(how: str) -> None:
    """A stream whose first answer is odd tells of nothing old as new, and follows what that answer lacked."""
    pool = _Spoiling(*in_a_row(300, 1), spoil={1: how})
    pool.blocks[262] = "unconfirmed"
    async with watch_client(pool) as client, collecting(client.watch.blocks()) as events:
        await asyncio.sleep(61)
        pool.find(2)
        pool.blocks[262] = "orphan"
        await asyncio.sleep(60)
        assert short(events) == [(262, "unconfirmed", "orphan"), (301, "confirmed"), (302, "confirmed")]


async def test_a_list_that_has_gone_back_is_told_at_any_poll(caplog: pytest.LogCaptureFixture) -> None:
    """Where a pool begins anew from a backup, the log says once that nothing comes until it has caught up."""
    caplog.set_level(logging.WARNING)
    pool = MovingPool(*in_a_row(300, 1))
    backup = dict(pool.blocks)
    async with watch_client(pool) as client, collecting(client.watch.blocks()) as events:
        for _ in range(2):
            await asyncio.sleep(600)
            pool.find(20)
            await asyncio.sleep(60)
            behind = max(pool.blocks)
            pool.blocks = {**backup}
            await asyncio.sleep(600)
            pool.find(behind - max(backup) + 1)
            await asyncio.sleep(60)
            backup = dict(pool.blocks)
        assert found(events) == list(range(301, 343))
    assert [record.getMessage() for record in caplog.records] == [
        "watching blocks: nothing comes until the list, which ends at 300, has passed 320",
        "watching blocks: nothing comes until the list, which ends at 321, has passed 341",
    ]


async def test_an_empty_list_that_was_not_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A pool that has lost its list is told of as well, when two polls running show none."""
    caplog.set_level(logging.WARNING)
    pool = MovingPool(*in_a_row(3, 1))
    async with watch_client(pool) as client, collecting(client.watch.blocks()):
        await asyncio.sleep(1)
        pool.blocks = {}
        await asyncio.sleep(300)
    assert [record.getMessage() for record in caplog.records] == [
        "watching blocks: nothing comes until the list, which is empty, has passed 3"
    ]


async def test_one_old_copy_is_not_told_as_a_list_gone_back(caplog: pytest.LogCaptureFixture) -> None:
    """An old copy in turn, as from a cache at the edge, is no news, nor is what it lacks when that returns."""
    caplog.set_level(logging.WARNING)
    pool = _Spoiling(*in_a_row(300, 1), spoil=dict.fromkeys(range(3, 60, 2), "old"))
    async with watch_client(pool) as client, collecting(client.watch.blocks()) as events:
        for _ in range(20):
            await asyncio.sleep(60)
            pool.find(1)
        await asyncio.sleep(120)
        assert found(events) == list(range(301, 321))
    assert not caplog.records


@pytest.mark.parametrize("every", [0.001, 2.9])
async def test_a_poll_that_is_always_due_starves_nothing_below(every: float) -> None:
    """Where an answer takes longer than `every`, what is followed further down has every second request."""
    pool = MovingPool(*in_a_row(300, 1))
    pool.blocks |= {100: "unconfirmed", 20: "unconfirmed"}
    pool.latency = 3.0
    stream: dict[str, Any] = {"every": every, "unsettled": [20, 100]}
    async with watch_client(pool) as client, collecting(client.watch.blocks(**stream)) as events:
        await asyncio.sleep(60)
        pool.blocks |= {100: "orphan", 20: "stale"}
        pool.find(1)
        await asyncio.sleep(30)
        assert sorted(short(events)) == [(20, None, "stale"), (100, None, "orphan"), (301, "confirmed")] or sorted(
            short(events)
        ) == [(20, "unconfirmed", "stale"), (100, "unconfirmed", "orphan"), (301, "confirmed")]
    newest = [offset == 0 for _, offset in pool.asked[:20]]
    assert sum(newest) >= 8
