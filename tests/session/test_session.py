"""The session: cache, single flight and pace in their order, on virtual time, and what the log tells of them."""

import asyncio
import gzip
import logging
from typing import Any

import httpx
import pytest

from bitminter_async import BitminterError, Block, Client, DecodeError, PoolStats
from bitminter_async._call import Call
from tests.support.clients import make_client
from tests.support.clock import now, run_in_one_go
from tests.support.samples import BLOCK, KEY, POOL, USER
from tests.support.transport import Fake, answer

STATS_PATH = "/api/pool/stats"


async def test_a_young_answer_serves_without_waiting() -> None:
    """A cached answer takes no request and no turn, nor does it give way to anyone; it is the same object."""
    fake = Fake(answer(), delay=5)
    async with make_client(fake, interval=100) as client:
        first = await client.pool.stats()
        assert run_in_one_go(client.pool.stats()) is first
        assert run_in_one_go(client.pool.stats(max_age=1000)) is first
        assert (client.receipt.calls, client.receipt.cached, client.receipt.requests) == (3, 2, 1)
    assert fake.paths == [STATS_PATH]


async def test_however_many_are_asked_for_each_is_asked_once() -> None:
    """Who goes over 1,000 users by turns, and again within `max_age`, asks the pool for each of them once."""
    fake = Fake(lambda request: answer(USER, name=request.url.path.rpartition("/")[2]), repeat=True)
    async with make_client(fake, api_key=KEY, interval=0.01) as client:
        for _ in range(2):
            for number in range(1_000):
                assert (await client.users.get(f"user{number}")).name == f"user{number}"
        assert client.receipt.cached == 1_000
    assert len(set(fake.paths)) == len(fake.paths) == 1_000


async def test_the_same_path_asked_for_as_two_kinds_is_two_questions() -> None:
    """An answer serves those alone who asked for its kind: a number is not handed to who wants a record."""
    fake = Fake(answer(), answer(b"[]"))
    async with make_client(fake) as client:
        session = client.pool._session
        assert isinstance(await session.get(Call("pool/stats", PoolStats)), PoolStats)
        assert await session.get(Call("pool/stats", tuple[Block, ...])) == ()
    assert fake.paths == [STATS_PATH, STATS_PATH]


@pytest.mark.parametrize(("default", "max_age"), [(30, None), (0, 30), (1000, 30)])
async def test_an_answers_age_counts_from_when_it_was_asked(default: float, max_age: float | None) -> None:
    """At exactly `max_age` seconds after the request left the answer still serves; later it is asked for anew."""
    fake = Fake(*(answer(active_users=number) for number in (1, 2)), delay=8)
    async with make_client(fake, max_age=default) as client:
        start = now()
        assert (await client.pool.stats()).active_users == 1
        await asyncio.sleep(start + 30 - now())
        assert (await client.pool.stats(max_age=max_age)).active_users == 1
        await asyncio.sleep(0.001)
        assert (await client.pool.stats(max_age=max_age)).active_users == 2
    assert fake.times == pytest.approx([start, start + 30.001])


async def test_failures_are_not_kept() -> None:
    """An error, of status or content, is no answer: the next call asks again."""
    fake = Fake(answer(b"", 404), answer(b"{}"), answer())
    async with make_client(fake) as client:
        for kind in (BitminterError, DecodeError):
            with pytest.raises(kind):
                await client.pool.stats()
        assert (await client.pool.stats()).active_users == 321
    assert len(fake.sent) == 3


async def test_the_same_question_under_way_is_shared() -> None:
    """Who asks what is under way gets its answer, unless that has left and is too old; others take their turn."""
    fake = Fake(answer(), answer(5), answer(active_users=2), delay=2)
    async with make_client(fake) as client:
        calls = [asyncio.create_task(client.pool.stats(max_age=age)) for age in (None, 0, 5)]
        other = asyncio.create_task(client.pool.workers())
        await asyncio.sleep(1)
        calls.append(asyncio.create_task(client.pool.stats(max_age=1)))
        anew = asyncio.create_task(client.pool.stats(max_age=0))
        assert len({id(await call) for call in calls}) == 1
        assert await other == 5
        assert (await anew).active_users == 2
        assert client.receipt.joined == 3
    assert fake.paths == [STATS_PATH, "/api/pool/workers", STATS_PATH]
    assert fake.most_in_flight == 1


async def test_one_request_is_under_way_at_a_time() -> None:
    """However many ask, one request is under way at a time, first come first served, the interval apart."""
    fake = Fake(answer([BLOCK]), delay=3, repeat=True)
    async with make_client(fake, interval=5) as client:
        start = now()
        await asyncio.gather(*(client.pool.blocks(offset=number) for number in range(10)))
        assert client.receipt.longest_wait.total_seconds() == pytest.approx(45)
        assert client.receipt.shortest_gap == client.receipt.mean_gap
    assert fake.paths == [f"/api/pool/blocks?max=10&offset={number}" for number in range(10)]
    assert fake.times == pytest.approx([start + 5 * number for number in range(10)])
    assert fake.most_in_flight == 1


async def test_the_longest_wait_is_the_longest_so_far() -> None:
    """A later request that waits less takes nothing from what the receipt says of an earlier one."""
    async with make_client(Fake(answer(), answer(5), answer(6)), interval=10) as client:
        await asyncio.gather(client.pool.stats(), client.pool.workers())
        await asyncio.sleep(100)
        assert await client.pool.workers(max_age=0) == 6
        assert client.receipt.longest_wait.total_seconds() == pytest.approx(10)


class Late(Fake):
    """A transport that takes some time to connect, and tells when the headers leave."""

    connects_in = 3.0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Connect, send, answer."""
        await asyncio.sleep(self.connects_in)
        await request.extensions["trace"]("http11.send_request_headers.started", {"request": request})
        return await super().handle_async_request(request)


@pytest.mark.parametrize("given", [True, False])
async def test_the_interval_runs_from_the_departure(monkeypatch: pytest.MonkeyPatch, *, given: bool) -> None:
    """The next turn comes an interval after the headers left, and the answer's age counts from there, too."""
    fake = Late(answer([BLOCK]), repeat=True)

    def make_transport(**_: Any) -> Late:
        return fake

    monkeypatch.setattr(httpx, "AsyncHTTPTransport", make_transport)
    async with make_client(fake if given else None, interval=10) as client:
        start = now()
        await asyncio.gather(*(client.pool.blocks(offset=number) for number in range(3)))
        assert fake.times == pytest.approx([start + 3, start + 16, start + 29])
        assert client.receipt.requests == 3
        assert client.receipt.mean_gap is not None
        assert client.receipt.mean_gap.total_seconds() == pytest.approx(13)
        await asyncio.sleep(10)
        run_in_one_go(client.pool.blocks(offset=2, max_age=10))


async def test_gaps_are_measured_between_departures() -> None:
    """A request that connected slowly left late, so the next left less after it than their turns are apart."""
    fake = Late(answer(5), repeat=True)
    async with make_client(fake, interval=10) as client:
        await client.pool.workers(max_age=0)
        fake.connects_in = 0.0
        await client.pool.workers(max_age=0)
        assert fake.times[1] - fake.times[0] == pytest.approx(10)
        assert client.receipt.shortest_gap is not None
        assert client.receipt.shortest_gap.total_seconds() == pytest.approx(10)


async def test_the_log_tells_what_happens(caplog: pytest.LogCaptureFixture, spans: list[tuple[float, float]]) -> None:
    """Each request is a DEBUG record with its wait, each retry a WARNING with its cause."""
    caplog.set_level(logging.DEBUG, "bitminter_async")
    async with make_client(Fake(answer(b"", 500), answer(5), answer(), delay=0.25), interval=3) as client:
        await asyncio.gather(client.pool.stats(), client.pool.workers())
    assert [record[1:] for record in caplog.record_tuples if record[0] == "bitminter_async"] == [
        (logging.DEBUG, f"GET https://pool.example{STATS_PATH}: 500 in 0.250 s, its turn came after 0.000 s"),
        (
            logging.WARNING,
            f"attempt 1 of 3 failed, the next in 3.8 s: ServerError: GET https://pool.example{STATS_PATH}: 500",
        ),
        (
            logging.DEBUG,
            "GET https://pool.example/api/pool/workers: 200 in 0.250 s, its turn came after 3.000 s",
        ),
        (logging.DEBUG, f"GET https://pool.example{STATS_PATH}: 200 in 0.250 s, its turn came after 2.000 s"),
    ]
    assert len(spans) == 1


async def test_a_waiter_that_is_thrown_away_takes_its_request_along() -> None:
    """Closing the coroutine of a call that waits, as an event loop's end does, leaves no request behind."""
    fake = Fake(answer(gzip.compress(b"1"), headers={"Content-Encoding": "gzip"}), delay=5.0)
    async with Client(base_url=POOL, transport=fake) as client:
        call = client.pool.users()
        call.send(None)
        await asyncio.sleep(1.0)
        call.close()
        await asyncio.sleep(10.0)
        assert fake.in_flight == 0
        assert client.receipt.requests == 1
        assert len(asyncio.all_tasks()) == 1
