"""Rests in the session: what the pool asks for holds for every call, and is told to those who will not wait."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

import pytest

from bitminter_async import BitminterError, Blocked, NotFound, RateLimited, ServerError
from tests.support.clients import make_client
from tests.support.clock import now, run_in_one_go
from tests.support.transport import Fake, answer

WORKERS = "/api/pool/workers"
STATS = "/api/pool/stats"


def rest(seconds: object, status: int = 429, body: bytes = b"") -> Any:
    """An answer that asks for rest."""
    return answer(body, status, {"Retry-After": str(seconds)})


async def errors_of(*calls: Coroutine[Any, Any, object]) -> list[BitminterError]:
    """The errors of calls made at the same time, every one of which must fail with ours."""
    found = await asyncio.gather(*calls, return_exceptions=True)
    errors = [error for error in found if isinstance(error, BitminterError)]
    assert len(errors) == len(found)
    return errors


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {"Retry-After": "20"}),
        (503, {"Retry-After": "20"}),
        (429, {"Retry-After": "Wed, 21 Oct 2015 12:00:20 GMT", "Date": "Wed, 21 Oct 2015 12:00:00 GMT"}),
    ],
)
async def test_a_rest_is_waited_out_by_all(
    spans: list[tuple[float, float]], status: int, headers: Mapping[str, str]
) -> None:
    """Within patience everyone waits, who came meanwhile too; the call goes again up to a tenth of it later."""
    fake = Fake(answer(b"", status, headers), answer(5), answer(7), answer())
    async with make_client(fake, patience=20) as client:
        start = now()
        both = asyncio.gather(client.pool.stats(), client.pool.workers())
        await asyncio.sleep(19)
        await asyncio.gather(both, client.pool.users())
        assert (client.receipt.rests, client.receipt.rested.total_seconds()) == (1, 20)
        assert client.receipt.retried == 1
    assert fake.paths == [STATS, WORKERS, "/api/pool/users", STATS]
    assert fake.times == pytest.approx([start, start + 20, start + 20, start + 22])
    assert spans == [(0.0, 2.0)]


@pytest.mark.parametrize(
    ("status", "body", "kind"), [(200, b"5", None), (404, b"", NotFound), (500, b"", ServerError), (200, b"{}", None)]
)
async def test_retry_after_counts_on_any_status(status: int, body: bytes, kind: type[Exception] | None) -> None:
    """The answer is what it is, and everyone rests."""
    fake = Fake(rest(20, status, body), answer(7))
    async with make_client(fake, attempts=1) as client:
        start = now()
        first = (await asyncio.gather(client.pool.workers(), return_exceptions=True))[0]
        if body == b"5":
            assert first == 5
        else:
            assert isinstance(first, kind or BitminterError)
        assert now() == pytest.approx(start)
        assert await client.pool.users() == 7
        assert (client.receipt.rests, client.receipt.rested.total_seconds()) == (1, 20)
    assert fake.times == pytest.approx([start, start + 20])


async def test_rests_may_use_up_the_attempts(spans: list[tuple[float, float]]) -> None:
    """A pool that asks for rest each time is asked `attempts` times, then the call tells its last word."""
    fake = Fake(rest(5), rest(6, 503), rest(7))
    async with make_client(fake) as client:
        start = now()
        (error,) = await errors_of(client.pool.stats())
        assert isinstance(error, RateLimited)
        assert error.retry_after == 7
        assert len(error.__notes__) == 2
        assert fake.times == pytest.approx([start, start + 5.5, start + 12.1])
        assert (client.receipt.rests, client.receipt.rested.total_seconds()) == (3, 11)
        assert spans == [(0.0, 0.5), (0.0, 0.6)]


@pytest.mark.parametrize(
    ("first", "kind", "seconds"),
    [
        (rest(61), RateLimited, 61),
        (rest(61, 503), RateLimited, 61),
        (rest(61, 200, b"5"), None, 61),
        (rest(61, 500), ServerError, 61),
        (answer(b"", 403), Blocked, 900),
        (rest(1000, 403), Blocked, 1000),
    ],
)
async def test_a_rest_beyond_patience_fails_all_at_once(
    first: Any, kind: type[BitminterError] | None, seconds: float
) -> None:
    """Who asked, who is queued and who comes is told at once, with what is left; nothing is sent, the cache serves."""
    fake = Fake(answer(), first, answer(9), repeat=True)
    later_kind = Blocked if kind is Blocked else RateLimited
    async with make_client(fake) as client:
        stats = await client.pool.stats()
        start = now()
        found = await asyncio.gather(
            client.pool.workers(), client.pool.users(), client.users.get(), client.users.get(), return_exceptions=True
        )
        assert now() == pytest.approx(start)
        assert type(found[0]) is kind if kind else found[0] == 5
        assert getattr(found[0], "retry_after", seconds) == seconds
        await asyncio.sleep(10)
        late = await errors_of(client.pool.users(max_age=0), client.users.get("bob"))
        assert now() == pytest.approx(start + 10)
        assert run_in_one_go(client.pool.stats(max_age=1000)) is stats
        assert len(fake.sent) == 2
        for error, left in [*((error, seconds) for error in found[1:]), *((error, seconds - 10) for error in late)]:
            assert type(error) is later_kind
            assert error.retry_after == pytest.approx(left)
            assert str(error).startswith(f"not sent, since the client rests for another {left:.1f} s; what began the")
            assert f"GET https://pool.example{WORKERS}: " in str(error)
            assert str(error).count("not sent") == 1
        assert len({id(error) for error in [*found, *late]}) == 6
        await asyncio.sleep(seconds - 10)
        receipt = client.receipt
        assert (receipt.rests, receipt.blocks) == ((0, 1) if kind is Blocked else (1, 0))
        assert receipt.rested.total_seconds() == pytest.approx(seconds)
        assert await client.pool.workers() == 9
    assert fake.times[2] == pytest.approx(start + seconds)


@pytest.mark.parametrize(("patience", "seconds", "is_waited_out"), [(0, 1, False), (19, 20, False), (100, 61, True)])
async def test_patience_is_the_callers(
    spans: list[tuple[float, float]], *, patience: float, seconds: int, is_waited_out: bool
) -> None:
    """A rest as long as `patience` is waited out, a longer one is not."""
    fake = Fake(rest(seconds), answer(5))
    async with make_client(fake, patience=patience) as client:
        start = now()
        (found,) = await asyncio.gather(client.pool.workers(), return_exceptions=True)
        assert found == 5 if is_waited_out else isinstance(found, RateLimited)
        assert now() == pytest.approx(start + (seconds * 1.1 if is_waited_out else 0))
        assert spans == [(0.0, seconds / 10)] * is_waited_out
    assert len(fake.sent) == 1 + is_waited_out


async def test_only_what_carried_no_key_is_blocked() -> None:
    """403 to a keyed call is about the key, and the client goes on."""
    fake = Fake(answer(b"", 403), answer(5))
    async with make_client(fake) as client:
        start = now()
        await errors_of(client.users.get())
        assert await client.pool.workers() == 5
        assert fake.times == pytest.approx([start, start])
        assert client.receipt.rests == 0


async def test_429_without_retry_after_doubles_the_spacing(spans: list[tuple[float, float]]) -> None:
    """Nobody rests, but turns come twice as far apart; a quiet minute halves that again."""
    fake = Fake(answer(b"", 429), answer(5), answer(), answer([]), repeat=True)
    async with make_client(fake, interval=4) as client:
        start = now()
        await asyncio.gather(client.pool.stats(), client.pool.workers())
        assert fake.paths == [STATS, WORKERS, STATS]
        await asyncio.sleep(start + 100 - now())
        await asyncio.gather(*(client.pool.blocks(offset=number) for number in range(3)))
        assert client.receipt.rests == 0
    assert fake.times == pytest.approx([start + seconds for seconds in (0, 8, 16, 100, 104, 108)])
    assert spans == [(0.0, 1.0)]


@pytest.mark.parametrize(
    ("first", "level", "message"),
    [
        (rest(20), logging.INFO, "resting for 20 s: RateLimited: GET https://pool.example/api/pool/stats: 429"),
        (rest(90), logging.INFO, "resting for 90 s: "),
        (
            answer(b"", 429),
            logging.INFO,
            "requests are now 2.0 s apart: GET https://pool.example/api/pool/stats: 429",
        ),
        (
            answer(b"", 403),
            logging.WARNING,
            "resting for 900 s: Blocked: GET https://pool.example/api/pool/stats: 403",
        ),
    ],
)
async def test_the_log_tells_of_rests(caplog: pytest.LogCaptureFixture, first: Any, level: int, message: str) -> None:
    """A rest, or a slower pace, is an INFO record with its cause; a block is a WARNING."""
    caplog.set_level(logging.DEBUG, "bitminter_async")
    async with make_client(Fake(first), interval=1, attempts=1) as client:
        await errors_of(client.pool.stats())
    records = [record for record in caplog.record_tuples if record[0] == "bitminter_async"]
    assert len(records) == 2
    assert records[1][1] == level
    assert records[1][2].startswith(message)
