"""Retries: what is tried again, how often, how late, and how it is told."""

import asyncio
import re

import httpx
import pytest
import stamina

from bitminter_async import BitminterError, DecodeError, Forbidden, ServerError
from tests.support.clients import make_client
from tests.support.clock import now
from tests.support.transport import Fake, Step, answer

STATS_PATH = "/api/pool/stats"


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
        assert fake.times == pytest.approx([start, start + 10, start + 20, start + 32])
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


async def test_a_retry_is_told_once_and_without_the_body(caplog: pytest.LogCaptureFixture) -> None:
    """A retry is one line of one logger, which names the status and nothing that the server wrote."""
    async with make_client(Fake(answer(b"balance 0.21323507", 500), answer())) as client:
        await client.pool.stats()
    assert [record.name for record in caplog.records] == ["bitminter_async"]
    assert "0.21323507" not in caplog.text
    assert re.fullmatch(
        rf"attempt 1 of 3 failed, the next in [01]\.\d s: ServerError: GET https://pool.example{STATS_PATH}: 500",
        caplog.records[0].getMessage(),
    )


async def test_nobody_elses_switches_count() -> None:
    """An application that switches retries off in a library of its own has not switched off the client's."""
    stamina.set_active(False)
    try:
        async with make_client(Fake(answer(b"", 500), answer(b"", 500), answer())) as client:
            await client.pool.stats()
            assert client.receipt.retried == 2
    finally:
        stamina.set_active(True)
