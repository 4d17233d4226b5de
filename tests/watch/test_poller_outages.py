"""Outages: what streams live through, what they tell of it, and what ends them."""

import asyncio
import logging
from collections.abc import Callable

import httpx
import pytest

import bitminter_async
from bitminter_async import Blocked, ClientClosed, Forbidden, NotFound, Unauthorized, WorkerIdle
from tests.support.collect import collecting
from tests.support.transport import Fake, Step, answer
from tests.support.watching import drain, outages, shift_page, stats, user, watch_client, worker

_FAILURES: list[tuple[str, Callable[[], Step]]] = [
    ("TransportError", lambda: httpx.ConnectError("refused")),
    ("RequestTimeout", lambda: httpx.ReadTimeout("late")),
    ("ServerError", lambda: answer(b"", 500)),
    ("DecodeError", lambda: answer(b"<html>")),
    ("RateLimited", lambda: answer(b"", 429)),
    ("DecodeError", lambda: shift_page(1, 2)),
]


@pytest.mark.parametrize(("name", "fail"), _FAILURES, ids=lambda item: item if isinstance(item, str) else "")
async def test_a_stream_lives_on_through(name: str, fail: Callable[[], Step], caplog: pytest.LogCaptureFixture) -> None:
    """An outage of whatever kind costs a WARNING and, when it is over, an INFO with its length; the stream goes on."""
    caplog.set_level(logging.INFO)
    fake = Fake(shift_page(5), *(fail() for _ in range(4)), shift_page(6, 5), fail(), shift_page(7, 6, 5))
    async with watch_client(fake) as client, collecting(client.watch.shifts(every=600)) as shifts:
        await asyncio.sleep(7 * 600 + 1)
        assert [shift.id for shift in shifts] == [6, 7]
    assert [level for level, _ in outages(caplog)] == ["WARNING", "INFO"] * 2
    told = [message for _, message in outages(caplog)]
    assert told[0].startswith(f"watching shifts: an outage begins, asking again every 600 s: {name}: ")
    assert told[1] == "watching shifts: the outage is over after 2400 s"
    assert told[3] == "watching shifts: the outage is over after 600 s"
    assert len(fake.sent) == 8


async def test_a_block_is_lived_through(caplog: pytest.LogCaptureFixture) -> None:
    """A blocked client's streams wait without a request until the block is over, and then go on."""
    caplog.set_level(logging.WARNING)
    fake = Fake(stats(1), answer(b"", 403), stats(2))
    async with watch_client(fake) as client, collecting(client.watch.stats()) as seen:
        await asyncio.sleep(1000)
        assert [each.active_users for each in seen] == [1, 2]
        fake.script.append(answer(b"", 403))
        with pytest.raises(Blocked):
            await client.pool.round()
    assert fake.times[:3] == pytest.approx([fake.times[0] + seconds for seconds in (0, 60, 960)])
    assert [level for level, _ in outages(caplog)] == ["WARNING"]


async def test_in_an_outage_each_poll_tries_once() -> None:
    """The first poll that fails is tried as often as any call; then once a poll, until one is answered."""
    fake = Fake(*(answer(b"", 500) for _ in range(6)), stats(1), answer(b"", 500), stats(2))
    async with watch_client(fake, attempts=3) as client, collecting(client.watch.stats(every=100)) as seen:
        await asyncio.sleep(501)
        assert [each.active_users for each in seen] == [1, 2]
        assert client.receipt.retried == 3
    polls = [int(round(at - fake.times[0], -1)) for at in fake.times]
    assert polls == [0, 0, 0, 100, 200, 300, 400, 500, 500]


async def test_an_outage_lasts_until_a_whole_poll_is_answered() -> None:
    """Where a poll takes two pages and only the first is answered, the second is left to the next poll as well."""
    down = [answer(b"", 500) for _ in range(4)]
    newest, oldest = shift_page(*range(100, 50, -1)), shift_page(*range(52, 2, -1))
    fake = Fake(*down[:3], newest, down[3], oldest, newest)
    async with watch_client(fake, attempts=3) as client, collecting(client.watch.shifts(every=600, after=40)) as shifts:
        await asyncio.sleep(601)
        assert [path.endswith("offset=0") for path in fake.paths] == [True] * 4 + [False]
        await asyncio.sleep(600)
        assert [shift.id for shift in shifts] == list(range(41, 101))


@pytest.mark.parametrize("outage", [0, 1, 3])
@pytest.mark.parametrize(
    ("status", "error"), [(401, Unauthorized), (403, Forbidden), (404, NotFound), (400, bitminter_async.BadRequest)]
)
async def test_an_error_that_will_not_pass_ends_the_stream(status: int, error: type[Exception], outage: int) -> None:
    """Where the pool refuses the question, the stream ends with that error, at first or later, and asks no more."""
    fake = Fake(*(answer(b"", 500) for _ in range(outage)), answer(b"", status))
    async with watch_client(fake) as client:
        stream = client.watch.workers(every=10)
        with pytest.raises(error):
            await anext(stream)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    assert len(fake.sent) == outage + 1


async def test_a_permission_that_is_taken_away_ends_the_stream() -> None:
    """A 403 to a key that was good until then ends the stream, once a public call has shown that it is no block."""
    fake = Fake(user(worker()), answer(b"", 403), answer(5))
    async with watch_client(fake) as client:
        with pytest.raises(Forbidden):
            await anext(client.watch.workers(every=10))
    assert fake.paths == ["/api/users", "/api/users", "/api/pool/workers"]


@pytest.mark.parametrize(
    "public", [[answer(b"", 403)], [httpx.ConnectError("refused"), answer(5)]], ids=["blocked", "down"]
)
async def test_a_block_does_not_pass_for_a_missing_permission(public: list[Step]) -> None:
    """A 403 to a key that was good until then is lived through while the pool answers nobody else's question either."""
    fake = Fake(user(worker()), answer(b"", 403), *public, user(worker(alive=False)))
    async with watch_client(fake) as client:
        event = await anext(client.watch.workers())
        assert isinstance(event, WorkerIdle)
    assert fake.times[-1] - fake.times[0] == pytest.approx(120 if public[1:] else 960)


async def test_closing_the_client_during_the_public_call_ends_the_stream() -> None:
    """ClientClosed is the end there, too."""
    fake = Fake(user(worker()), answer(b"", 403), answer(5), delay=5)
    client = watch_client(fake)
    task = asyncio.create_task(drain(client.watch.workers()))
    await asyncio.sleep(67)
    assert fake.paths[-1] == "/api/pool/workers"
    await client.aclose()
    with pytest.raises(ClientClosed):
        await task


async def test_a_refused_key_ends_the_stream() -> None:
    """Where the key may not travel, nothing is sent and nothing is tried again."""
    fake = Fake()
    async with watch_client(fake, base_url="http://pool.example") as client:
        with pytest.raises(bitminter_async.KeyRefused):
            await anext(client.watch.workers())
    assert not fake.sent
