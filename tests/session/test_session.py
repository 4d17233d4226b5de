"""The session: cache, flights and retries in their order, on virtual time, and what the log tells of them."""

import asyncio
import logging
from typing import Any

import httpx
import pytest
import stamina

from bitminter_async import (
    BitminterError,
    Block,
    DecodeError,
    Forbidden,
    PoolStats,
    ServerError,
)
from bitminter_async._call import Call
from tests.support.clients import make_client
from tests.support.clock import now, run_in_one_go
from tests.support.samples import BLOCK
from tests.support.transport import Fake, Step, answer

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


async def test_the_same_question_in_the_air_is_shared() -> None:
    """Who asks what is already under way, with `max_age=0` too, gets its answer; other questions take their turn."""
    fake = Fake(answer(), answer(5), delay=2)
    async with make_client(fake) as client:
        calls = [asyncio.create_task(client.pool.stats(max_age=age)) for age in (None, 0, 5)]
        other = asyncio.create_task(client.pool.workers())
        await asyncio.sleep(1)
        calls.append(asyncio.create_task(client.pool.stats(max_age=0)))
        assert len({id(await call) for call in calls}) == 1
        assert await other == 5
        assert client.receipt.joined == 3
    assert fake.paths == [STATS_PATH, "/api/pool/workers"]
    assert fake.most_in_air == 1


async def test_one_request_is_in_the_air() -> None:
    """However many ask, one request is in the air at a time, first come first served, the interval apart."""
    fake = Fake(answer([BLOCK]), delay=3, repeat=True)
    async with make_client(fake, interval=5) as client:
        start = now()
        await asyncio.gather(*(client.pool.blocks(offset=number) for number in range(10)))
        assert client.receipt.longest_wait.total_seconds() == pytest.approx(45)
        assert client.receipt.shortest_gap == client.receipt.mean_gap
    assert fake.paths == [f"/api/pool/blocks?max=10&offset={number}" for number in range(10)]
    assert fake.times == pytest.approx([start + 5 * number for number in range(10)])
    assert fake.most_in_air == 1


class Late(Fake):
    """A transport that takes 3 s to connect, and tells when the headers leave."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Connect, send, answer."""
        await asyncio.sleep(3)
        await request.extensions["trace"]("http11.send_request_headers.started", {})
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


@pytest.mark.parametrize(
    "failure", [httpx.ReadError("cut"), OSError("gone"), *(answer(b"", status) for status in (500, 502, 503, 504))]
)
async def test_what_may_pass_is_tried_again(spans: list[tuple[float, float]], failure: Step) -> None:
    """A failure of the network or the pool is retried; the answer comes as if nothing had been."""
    fake = Fake(failure, answer())
    async with make_client(fake) as client:
        start = now()
        assert (await client.pool.stats()).active_users == 321
        assert (client.receipt.calls, client.receipt.requests, client.receipt.retried) == (1, 2, 1)
    assert spans == [(0.0, 1.0)]
    assert fake.times == pytest.approx([start, start + 1])


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        *((answer(b"", status), BitminterError) for status in (301, 400, 401, 403, 404, 405, 418, 501, 505)),
        (answer(b""), Forbidden),
        (answer(b"<html>"), DecodeError),
        (answer(b"x", headers={"Content-Encoding": "gzip"}), DecodeError),
        (RuntimeError("broken"), RuntimeError),
        (AssertionError("unexpected"), AssertionError),
    ],
)
async def test_what_will_not_pass_is_not_tried_again(failure: Step, kind: type[Exception]) -> None:
    """Anything else fails at once, for each waiter as its own object, without a note."""
    fake = Fake(failure)
    async with make_client(fake) as client:
        start = now()
        errors = await asyncio.gather(client.users.get(), client.users.get(), return_exceptions=True)
        assert now() == pytest.approx(start)
        assert client.receipt.retried == 0
    assert len(fake.sent) == 1
    assert errors[0] is not errors[1]
    for error in errors:
        assert isinstance(error, kind)
        assert not hasattr(error, "__notes__")


@pytest.mark.parametrize("attempts", [1, 2, 3, 8])
async def test_attempts_are_counted(spans: list[tuple[float, float]], attempts: int) -> None:
    """After `attempts` failures the last is raised, the earlier ones noted on it; the backoff doubles up to 8 s."""
    statuses = [500, 502, 503, 504, 500, 502, 503, 504][:attempts]
    fake = Fake(*(answer(b"", status) for status in statuses))
    async with make_client(fake, attempts=attempts) as client:
        with pytest.raises(ServerError) as caught:
            await client.pool.stats()
        assert client.receipt.retried == attempts - 1
    assert len(fake.sent) == attempts
    assert caught.value.status == statuses[-1]
    assert getattr(caught.value, "__notes__", []) == [
        f"attempt {number}: GET https://pool.example{STATS_PATH}: {status}, the pool failed"
        for number, status in enumerate(statuses[:-1], 1)
    ]
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert spans == [(0.0, longest) for longest in [1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0][: attempts - 1]]


async def test_each_attempt_takes_its_own_turn(spans: list[tuple[float, float]]) -> None:
    """A retry queues like any call: who came meanwhile goes first, and the interval holds."""
    fake = Fake(answer(b"", 500), answer(5), answer(b"", 502), answer())
    async with make_client(fake, interval=10) as client:
        start = now()
        await asyncio.gather(client.pool.stats(), client.pool.workers())
        assert fake.paths == [STATS_PATH, "/api/pool/workers", STATS_PATH, STATS_PATH]
        assert fake.times == pytest.approx([start, start + 10, start + 20, start + 30])
    assert spans == [(0.0, 1.0), (0.0, 2.0)]


async def test_a_retry_is_joined_while_it_waits(spans: list[tuple[float, float]]) -> None:
    """Between two attempts the question is still under way."""
    fake = Fake(answer(b"", 500), answer())
    async with make_client(fake) as client:
        first = asyncio.create_task(client.pool.stats())
        await asyncio.sleep(0.5)
        assert await client.pool.stats(max_age=0) is await first
    assert len(fake.sent) == 2
    assert len(spans) == 1


async def test_a_retry_is_told_by_one_logger(caplog: pytest.LogCaptureFixture) -> None:
    """The line that stamina has on our retries is left out, since ours tells more; those on anybody else's are not."""

    @stamina.retry(on=ValueError, attempts=2, wait_initial=0, wait_jitter=0)
    async def foreign() -> None:
        raise ValueError("mine")

    async with make_client(Fake(answer(b"", 500), answer())) as client:
        await client.pool.stats()
        with pytest.raises(ValueError, match="mine"):
            await foreign()
    assert [record.name for record in caplog.records] == ["bitminter_async", "stamina"]


async def test_the_log_tells_what_happens(caplog: pytest.LogCaptureFixture, spans: list[tuple[float, float]]) -> None:
    """Each request is a DEBUG record with its wait, each retry a WARNING with its cause."""
    caplog.set_level(logging.DEBUG, "bitminter_async")
    async with make_client(Fake(answer(b"", 500), answer(5), answer(), delay=0.25), interval=3) as client:
        await asyncio.gather(client.pool.stats(), client.pool.workers())
    assert [record[1:] for record in caplog.record_tuples if record[0] == "bitminter_async"] == [
        (logging.DEBUG, f"GET https://pool.example{STATS_PATH}: 500 in 0.250 s, its turn came after 0.000 s"),
        (
            logging.WARNING,
            f"attempt 1 of 3 failed, the next in 1.0 s: ServerError: GET https://pool.example{STATS_PATH}: 500",
        ),
        (
            logging.DEBUG,
            "GET https://pool.example/api/pool/workers: 200 in 0.250 s, its turn came after 3.000 s",
        ),
        (logging.DEBUG, f"GET https://pool.example{STATS_PATH}: 200 in 0.250 s, its turn came after 4.750 s"),
    ]
    assert len(spans) == 1
