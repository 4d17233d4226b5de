"""The local pool's middleware: what the operator sees, who is blocked, and faults on demand."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bitminter_async.local import LocalPool
from bitminter_async.local._server import clock, request_log
from bitminter_async.local._server.faults import InjectedFault, take_fault
from bitminter_async.local._server.rate_limit import RateLimit
from tests.support.pools import KEY


def make_http(pool: LocalPool, address: str = "10.0.0.1") -> httpx.AsyncClient:
    """Make a plain HTTP client of the pool."""
    transport = httpx.ASGITransport(pool.app, client=(address, 1234))
    return httpx.AsyncClient(transport=transport, base_url="http://pool/api/", headers={"User-Agent": "a bot"})


@pytest_asyncio.fixture
async def http(pool: LocalPool) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client of the pool."""
    async with make_http(pool) as http:
        yield http


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock's time, to be moved by hand."""
    moment = [1000.0]

    def now(_: clock.Clock) -> float:
        return moment[0]

    monkeypatch.setattr(clock.Clock, "now", now)
    return moment


async def test_the_operator_sees_every_request(pool: LocalPool, http: httpx.AsyncClient) -> None:
    """Each request is noted with all but its key, in order of arrival, those that were refused included."""
    await http.get("pool/blocks?max=3&offset=1", headers={"User-Agent": ""})
    await http.get("users/a%2Fb%20c", headers={"Authorization": f"key={KEY}"})
    await http.get("users", params={"key": KEY, "x": "1"})
    await http.post("users", headers={"Authorization": "Basic !"})
    del http.headers["User-Agent"]
    await http.get("nothing")
    seen = [(r.method, r.path, r.params, r.key_in, r.keyed, r.status, r.user_agent) for r in pool.requests]
    assert seen == [
        ("GET", "/api/pool/blocks", {"max": "3", "offset": "1"}, None, False, 200, ""),
        ("GET", "/api/users/a/b c", {}, "header", True, 404, "a bot"),
        ("GET", "/api/users", {"x": "1"}, "query", True, 200, "a bot"),
        ("POST", "/api/users", {}, "basic", True, 405, "a bot"),
        ("GET", "/api/nothing", {}, None, False, 404, None),
    ]
    assert {request.client for request in pool.requests} == {"10.0.0.1"}
    assert KEY not in repr(pool.requests)


async def test_arrivals_are_timed_and_counted(pool: LocalPool, http: httpx.AsyncClient) -> None:
    """A request's time is the loop's; `in_flight` counts those being answered when it came; its status follows."""
    loop = asyncio.get_running_loop()
    pool.latency = 0.02
    start = loop.time()
    calls = [asyncio.ensure_future(http.get("pool/stats")) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert [(request.in_flight, request.status) for request in pool.requests] == [(0, None), (1, None), (2, None)]
    calls[1].cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert [request.status for request in pool.requests] == [200, None, 200]
    assert all(start <= request.at <= start + 0.02 for request in pool.requests)
    await http.get("pool/stats")
    assert pool.requests[-1].in_flight == 0
    assert pool.requests[-1].at == pytest.approx(start + 0.02, abs=0.015)


async def test_the_log_is_bounded(pool: LocalPool, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the latest requests are kept, and one answered after it was dropped stays dropped."""
    monkeypatch.setattr(request_log, "_KEPT", 3)
    pool.slow_next(0.02)
    slow = asyncio.ensure_future(http.get("pool/users"))
    await asyncio.sleep(0.01)
    for number in range(5):
        await http.get(f"pool/stats?n={number}")
    assert (await slow).status_code == 200
    assert [request.params["n"] for request in pool.requests] == ["2", "3", "4"]


async def test_who_asks_too_often_is_blocked(moment: list[float], caplog: pytest.LogCaptureFixture) -> None:
    """More than `limit` requests within a minute block an address for 15 minutes after the last one too many."""
    pool = LocalPool(history=timedelta(days=1), limit=5)
    async with make_http(pool) as eager, make_http(pool, "10.0.0.2") as polite:

        async def status(http: httpx.AsyncClient = eager, path: str = "pool/stats") -> int:
            answer = await http.get(path)
            if answer.status_code == 403:
                assert answer.content == b""
            return answer.status_code

        assert [await status() for _ in range(7)] == [200] * 5 + [403] * 2
        assert await status(polite) == 200
        for path in ("users", "nothing", "pool/blocks?max=0"):
            assert await status(path=path) == 403
        moment[0] += 899.9
        assert await status() == 403
        moment[0] += 0.2
        assert await status() == 200
        moment[0] += 60
        for _ in range(30):
            moment[0] += 12
            assert await status() == 200
        assert [await status() for _ in range(6)][-1] == 403
        moment[0] += 450
        assert [await status() for _ in range(6)] == [403] * 6
        moment[0] += 890
        assert await status() == 403
        moment[0] += 11
        assert await status() == 200
    assert [record.getMessage() for record in caplog.records if record.name == "bitminter_async.local"] == [
        "10.0.0.1 is blocked: more than 5 requests within a minute"
    ] * 2


async def test_nobody_is_blocked_without_a_limit() -> None:
    """With `limit=None` anyone may ask as often as they please."""
    pool = LocalPool(history=timedelta(hours=1), limit=None)
    async with make_http(pool) as http:
        assert {(await http.get("pool/users")).status_code for _ in range(200)} == {200}


async def test_requests_fail_on_demand(pool: LocalPool, http: httpx.AsyncClient) -> None:
    """The next requests get the answer that was asked for, as often as was asked for, and then the pool's own."""
    pool.fail_next()
    pool.fail_next(429, times=2, headers={"Retry-After": "7"}, body=b"slower")
    answers = [await http.get("pool/stats") for _ in range(4)]
    assert [(answer.status_code, answer.content) for answer in answers[:3]] == [
        (500, b""),
        (429, b"slower"),
        (429, b"slower"),
    ]
    assert answers[1].headers["retry-after"] == "7"
    assert answers[3].status_code == 200
    assert [request.status for request in pool.requests] == [500, 429, 429, 200]


async def test_faults_can_keep_to_a_path(pool: LocalPool, http: httpx.AsyncClient) -> None:
    """A fault for a path waits for requests whose path begins so, and lets others pass."""
    pool.fail_next(503, path="/api/pool/blocks", times=2)
    pool.fail_next(502, path="/api/pool")
    paths = ["users", "pool/stats", "pool/stats", "pool/blocks", "pool/blocks", "pool/blocks"]
    assert [(await http.get(path)).status_code for path in paths] == [401, 502, 200, 503, 503, 200]


async def test_answers_come_late_on_demand(pool: LocalPool, http: httpx.AsyncClient) -> None:
    """`latency` delays every answer, `slow_next` the next ones, to a path if one is given, and failures likewise."""
    loop = asyncio.get_running_loop()

    async def taken(path: str) -> float:
        start = loop.time()
        await http.get(path)
        return loop.time() - start

    assert await taken("pool/stats") < 0.02
    pool.slow_next(0.05, times=2, path="/api/pool/round")
    pool.fail_next()
    assert [round(await taken(f"pool/{path}") / 0.05) for path in ("users", "round", "round", "round")] == [0, 1, 1, 0]
    pool.latency = 0.05
    pool.slow_next(0.05)
    assert [round(await taken("pool/stats") / 0.05) for _ in range(2)] == [2, 1]
    assert pool.latency == 0.05


async def test_answers_are_cut_on_demand(pool: LocalPool, http: httpx.AsyncClient) -> None:
    """A cut answer fails as a broken connection does: half of the pool's own, or of the one that was given."""
    pool.fail_next(cut=True)
    pool.fail_next(404, cut=True, body=b"not found")
    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection"):
            await http.get("pool/stats")
    assert [request.status for request in pool.requests] == [200, 404]
    assert (await http.get("pool/stats")).status_code == 200


def test_asking_whether_a_fault_applies_does_not_use_it_up() -> None:
    """A fault is counted down when it is taken, and by nothing else."""
    fault = InjectedFault(times=1, path="/api/pool")
    faults = [fault]
    assert [fault.applies_to(path) for path in ("/api/pool/stats", "/api/users", "/api/pool")] == [True, False, True]
    assert fault.times == 1
    assert take_fault(faults, "/api/users") is None
    assert take_fault(faults, "/api/pool/stats") is fault
    assert faults == []


def test_asking_whether_a_client_is_blocked_counts_no_request(moment: list[float]) -> None:
    """A client is blocked for the requests that it made, and by nothing else."""
    limit = RateLimit(clock.Clock(), limit=2)
    assert not any(limit.is_blocked("10.0.0.1") for _ in range(5))
    for blocked in (False, False, True):
        limit.count("10.0.0.1")
        assert limit.is_blocked("10.0.0.1") is blocked
    moment[0] += 899
    assert [limit.is_blocked(address) for address in ("10.0.0.1", "10.0.0.2")] == [True, False]
    moment[0] += 1
    assert not limit.is_blocked("10.0.0.1")


async def test_other_protocols_pass(pool: LocalPool) -> None:
    """A server's lifespan events go to the application, and are no requests."""
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(events)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await pool.app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert pool.requests == ()
