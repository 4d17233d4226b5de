"""Outages: what streams live through, and what they tell of it."""

import asyncio
import logging
from collections.abc import Callable

import httpx
import pytest

from bitminter_async import Blocked, KeyRefused
from tests.support.collect import collecting
from tests.support.transport import Fake, Step, answer
from tests.support.watching import outages, shift_page, stats, watch_client

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
    assert told[0].startswith(f"watching shifts: an outage begins, asking again in 600.0 s: {name}: ")
    assert told[1] == "watching shifts: the outage is over after 2400 s"
    assert told[3] == "watching shifts: the outage is over after 600 s"
    assert len(fake.sent) == 8


async def test_a_block_is_lived_through(caplog: pytest.LogCaptureFixture) -> None:
    """A blocked client's streams wait without a request until the block is over, as the log says, and then go on."""
    caplog.set_level(logging.WARNING)
    fake = Fake(stats(1), answer(b"", 403), stats(2))
    async with watch_client(fake) as client, collecting(client.watch.stats()) as seen:
        await asyncio.sleep(1000)
        assert [each.active_users for each in seen] == [1, 2]
        fake.script.append(answer(b"", 403))
        with pytest.raises(Blocked):
            await client.pool.round()
    assert fake.times[:3] == pytest.approx([fake.times[0] + seconds for seconds in (0, 60, 960)])
    ((level, told),) = outages(caplog)
    assert (level, told.partition(":")[2].partition(" s:")[0]) == (
        "WARNING",
        " an outage begins, asking again in 900.0",
    )


@pytest.mark.parametrize(
    ("every", "retry_after", "wait"),
    [(60, "10", 59), (60, "100", 100), (5, "50", 50), (5, "200", 200), (60, None, 59)],
)
async def test_the_log_says_when_it_is_asked_again(
    every: float, retry_after: str | None, wait: float, caplog: pytest.LogCaptureFixture
) -> None:
    """After what the pool asks for rest with, the next request leaves when the log says, be the rest long or short."""
    fake = Fake(
        stats(1),
        answer(b"", 429, {"Retry-After": retry_after} if retry_after else None),
        stats(2),
        delay=1,
        repeat=True,
    )
    async with watch_client(fake) as client, collecting(client.watch.stats(every=every)) as seen:
        await asyncio.sleep(280)
        assert [each.active_users for each in seen] == [1, 2]
    waited = fake.times[2] - fake.times[1] - 1
    assert waited == pytest.approx(wait)
    assert f"asking again in {waited:.1f} s: RateLimited" in outages(caplog)[0][1]


async def test_the_log_names_no_moment_where_the_pace_decides(caplog: pytest.LogCaptureFixture) -> None:
    """Where the next poll is due by the time that one has failed, the log says that it waits for its turn only."""
    fake = Fake(stats(1), answer(b"", 500), stats(2), delay=5, repeat=True)
    async with watch_client(fake) as client, collecting(client.watch.stats(every=5)) as seen:
        await asyncio.sleep(14)
        assert [each.active_users for each in seen] == [1]
        assert "an outage begins, asking again when its turn comes: ServerError" in outages(caplog)[0][1]
        await asyncio.sleep(2)
        assert [each.active_users for each in seen] == [1, 2]


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


async def test_a_refused_key_ends_the_stream() -> None:
    """Where the key may not travel, nothing is sent and nothing is tried again."""
    fake = Fake()
    async with watch_client(fake, base_url="http://pool.example") as client:
        with pytest.raises(KeyRefused):
            await anext(client.watch.workers())
    assert not fake.sent
