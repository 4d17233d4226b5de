"""Refusals: what ends a stream, at once or when it lasts, and what does not."""

import asyncio
import logging

import httpx
import pytest

from bitminter_async import BadRequest, ClientClosed, Forbidden, NotFound, StatusError, Unauthorized, WorkerIdle
from tests.support.collect import collecting
from tests.support.transport import Fake, Step, answer
from tests.support.watching import MovingPool, block_page, drain, in_a_row, outages, short, user, watch_client, worker

_REFUSALS = [
    (400, BadRequest),
    (401, Unauthorized),
    (403, Forbidden),
    (404, NotFound),
    (200, Forbidden),  # with an empty body
    (405, StatusError),
    (418, StatusError),
    (451, StatusError),
]
_PASSING = [408, 425, 429, 500, 501, 503, 302]


@pytest.mark.parametrize("outage", [0, 1, 3])
@pytest.mark.parametrize(("status", "error"), _REFUSALS)
async def test_a_refusal_ends_a_stream_that_has_had_no_answer(status: int, error: type[Exception], outage: int) -> None:
    """Where the pool refuses the question at first, the stream ends with that error at once, and asks no more."""
    fake = Fake(*(answer(b"", 500) for _ in range(outage)), answer(b"", status), answer(5))
    async with watch_client(fake) as client:
        stream = client.watch.workers(every=10)
        with pytest.raises(error):
            await anext(stream)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    assert fake.paths == ["/api/users"] * (outage + 1) + ["/api/pool/workers"] * (status == 403)


@pytest.mark.parametrize(
    ("public", "error", "wait"),
    [([answer(b"", 403)], "Blocked", 900), ([httpx.ConnectError("refused"), answer(5)], "TransportError", 60)],
    ids=["blocked", "down"],
)
async def test_a_first_403_is_told_apart_from_a_block(
    public: list[Step], error: str, wait: float, caplog: pytest.LogCaptureFixture
) -> None:
    """A 403 to a stream's very first question is lived through while a public one is not answered either."""
    fake = Fake(answer(b"", 403), *public, user(worker()), user(worker(alive=False)))
    async with watch_client(fake) as client:
        assert isinstance(await anext(client.watch.workers()), WorkerIdle)
    asked = ["/api/users", "/api/pool/workers", *["/api/pool/workers" for _ in public[1:]], "/api/users", "/api/users"]
    assert fake.paths == asked
    assert fake.times[-2] - fake.times[0] == pytest.approx(wait)
    ((_, told),) = outages(caplog)
    assert f"an outage begins, asking again in {wait}.0 s: {error}: " in told


@pytest.mark.parametrize(("status", "error"), _REFUSALS)
async def test_a_refusal_ends_a_stream_when_it_comes_three_polls_running(
    status: int, error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """A refusal of a question that was answered until then is told at first, and ends the stream at the third poll."""
    caplog.set_level(logging.WARNING)
    fake = Fake(
        user(worker()), answer(b"", status), *([answer(5)] if status == 403 else []), *[answer(b"", status)] * 2
    )
    async with watch_client(fake) as client:
        with pytest.raises(error):
            await anext(client.watch.workers(every=10))
    assert [at for at, path in zip(fake.times, fake.paths, strict=True) if path == "/api/users"] == pytest.approx(
        [fake.times[0] + seconds for seconds in (0, 10, 20, 30)]
    )
    ((level, told),) = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert level == "WARNING"
    assert told.startswith(
        "watching workers: refused, which ends the stream if it comes 3 polls running, asking again in 10.0 s: "
        f"{error.__name__}: GET https://pool.example/api/users: {status}"
    )


@pytest.mark.parametrize("between", [user(worker()), answer(b"", 502), httpx.ConnectError("refused")], ids=str)
@pytest.mark.parametrize("status", [400, 401, 404, 200, 405])
async def test_a_passing_refusal_is_an_outage_like_any_other(
    status: int, between: Step, caplog: pytest.LogCaptureFixture
) -> None:
    """Two refusals end nothing, however often two come: each time that is told at the first."""
    caplog.set_level(logging.INFO)
    twice = [answer(b"", status), answer(b"", status)]
    fake = Fake(user(worker()), *twice, between, *twice, user(worker(alive=False)))
    async with watch_client(fake) as client, collecting(client.watch.workers(every=10)) as events:
        await asyncio.sleep(61)
        assert [type(event) for event in events] == [WorkerIdle]
    told = [record.getMessage() for record in caplog.records]
    assert len([each for each in told if "refused, which ends the stream" in each]) == 2
    assert told[-1].startswith("watching workers: the outage is over after ")
    assert len(fake.sent) == 7


@pytest.mark.parametrize("status", _PASSING)
async def test_what_is_no_refusal_never_ends_a_stream(status: int) -> None:
    """408, 425, 429, 5xx and what is not even an error of the client's are lived through, however long they last."""
    fake = Fake(user(worker()), *[answer(b"", status)] * 9, user(worker(alive=False)))
    async with watch_client(fake) as client:
        assert isinstance(await anext(client.watch.workers(every=100)), WorkerIdle)
    assert len(fake.sent) == 11


async def test_a_block_does_not_pass_for_a_refusal() -> None:
    """Where a 403 to the key turns out to be a block, it is rested for, and does not count as a refusal."""
    refused, blocked = answer(b"", 403), answer(b"", 403)
    fake = Fake(user(worker()), *[refused, blocked] * 4, refused, answer(5), user(worker(alive=False)))
    async with watch_client(fake) as client:
        assert isinstance(await anext(client.watch.workers()), WorkerIdle)
    assert fake.paths == ["/api/users"] + ["/api/users", "/api/pool/workers"] * 5 + ["/api/users"]


async def test_closing_the_client_during_the_public_call_ends_the_stream() -> None:
    """ClientClosed is the end there, too."""
    fake = Fake(answer(b"", 403), answer(5), delay=5)
    client = watch_client(fake)
    task = asyncio.create_task(drain(client.watch.workers()))
    await asyncio.sleep(7)
    assert fake.paths[-1] == "/api/pool/workers"
    await client.aclose()
    with pytest.raises(ClientClosed):
        await task


async def test_a_page_further_down_that_is_refused_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """While the newest page is answered, a refusal of those below it, told once, keeps nothing else back."""
    caplog.set_level(logging.WARNING)
    pool = MovingPool(*in_a_row(300, 1))

    async def refuse_below(request: httpx.Request) -> httpx.Response:
        return answer(b"", 404) if request.url.params["offset"] != "0" else await pool.handle_async_request(request)

    async with (
        watch_client(httpx.MockTransport(refuse_below)) as client,
        collecting(client.watch.blocks(unsettled=[100])) as events,
    ):
        for _ in range(10):
            await asyncio.sleep(60)
            pool.find(1)
        assert short(events) == in_a_row(309, 301)[::-1]
    ((_, told),) = outages(caplog)
    assert told.startswith("watching blocks further down: an outage begins, asking again in 60.0 s: NotFound")
    assert len(caplog.records) == 1


async def test_a_refused_list_ends_its_stream() -> None:
    """Lists end as users do: by the third refusal running of their newest page."""
    fake = Fake(block_page((5, "confirmed")), *[answer(b"", 400)] * 3)
    async with watch_client(fake) as client:
        with pytest.raises(BadRequest):
            await anext(client.watch.blocks())
    assert len(fake.sent) == 4
