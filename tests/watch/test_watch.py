"""The streams of workers, stats and shifts, and what all streams have in common: times, outages, ends."""

import asyncio
import logging
import pickle
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import attrs
import httpx
import pytest

import bitminter_async
from bitminter_async import (
    Blocked,
    Client,
    ClientClosed,
    Forbidden,
    NotFound,
    Stream,
    Unauthorized,
    WorkerAdded,
    WorkerBack,
    WorkerGone,
    WorkerIdle,
    WorkReported,
)
from bitminter_async.local import LocalPool
from tests.support.collect import collecting
from tests.support.fake import KEY, SHIFT, STATS, USER, WORK, WORKER, Fake, Step, answer

_EVENTS = ("BlockChanged", "BlockFound", "WorkReported", "WorkerAdded", "WorkerBack", "WorkerGone", "WorkerIdle")


def make(fake: Fake, **options: Any) -> Client:
    """A client over the fake, unspaced, which tries each call once."""
    defaults: dict[str, Any] = {"base_url": "https://pool.example", "interval": 0, "attempts": 1}
    return Client(KEY, **(defaults | options), transport=fake)


def user(*workers: dict[str, Any], now: int = 1393675200) -> httpx.Response:
    """The answer that shows a user with these workers."""
    return answer(USER, workers=workers, now=now)


def worker(name: str = "rig1", **fields: Any) -> dict[str, Any]:
    """A worker, alive unless told otherwise."""
    return {**WORKER, "name": name, **fields}


def stats(number: int) -> httpx.Response:
    """An answer that differs by its number."""
    return answer(STATS, active_users=number)


def shift_page(*ids: int) -> httpx.Response:
    """A page of shifts with these ids."""
    return answer([{**SHIFT, "id": number} for number in ids])


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


def watch_workers(client: Client) -> Stream[Any]:
    """Watch the key owner's workers, every 60 s."""
    return client.watch.workers()


def watch_stats(client: Client) -> Stream[Any]:
    """Watch the stats, every 60 s."""
    return client.watch.stats()


# Events


@pytest.mark.parametrize("name", _EVENTS)
def test_an_event_is_a_frozen_record(name: str) -> None:
    """An event is frozen, hashable, compares by value, survives a pickle and has no defaults."""
    kind = getattr(bitminter_async, name)
    fields = [field.name for field in attrs.fields(kind)]
    event = kind(*fields)
    assert event == kind(**dict(zip(fields, fields, strict=True)))
    assert len({event, pickle.loads(pickle.dumps(event))}) == 1  # noqa: S301  # our own
    assert kind.__match_args__ == tuple(fields)
    assert all(field.default is attrs.NOTHING for field in attrs.fields(kind))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(event, fields[0], None)


# Workers


async def test_workers_fall_idle_and_come_back() -> None:
    """Each change of a worker is told once, with the worker as it is, the user's name and the pool's time."""
    pool = LocalPool(speed=1.0)
    pool.add_user("demo", workers=3)
    async with pool.client(user="demo") as client, collecting(client.watch.workers()) as events:
        await asyncio.sleep(90)
        assert events == []
        pool.set_worker_alive("demo", "rig1", alive=False)
        pool.add_worker("demo", "rig9")
        await asyncio.sleep(60)
        pool.set_worker_alive("demo", "rig1", alive=True)
        pool.remove_worker("demo", "rig2")
        await asyncio.sleep(60)
        match events:
            case [
                WorkerIdle(idle, user="demo", time=first),
                WorkerAdded(added, "demo"),
                WorkerBack(back, "demo"),
                WorkerGone(gone, "demo", second),
            ]:
                assert [idle.name, added.name, back.name, gone.name] == ["rig1", "rig9", "rig1", "rig2"]
                assert [idle.alive, added.alive, back.alive, gone.alive] == [False, True, True, True]
                assert (second - first).total_seconds() == 60
                assert (pool.now - second).total_seconds() == 30
            case _:
                pytest.fail(f"other events: {events}")
    assert [request.path for request in pool.requests] == ["/api/users"] * 4


async def test_a_named_users_workers() -> None:
    """With a name, that user is asked for and named on the events."""
    fake = Fake(user(worker()), user(worker(alive=False)))
    async with make(fake) as client:
        stream = client.watch.workers("bob", every=10)
        event = await anext(stream)
        assert isinstance(event, WorkerIdle)
        assert (event.user, event.worker.name) == ("bob", "rig1")
        await stream.aclose()
    assert fake.paths == ["/api/users/bob"] * 2


@pytest.mark.parametrize("initial", [True, False])
async def test_workers_idle_at_first_are_told_if_asked_for(*, initial: bool) -> None:
    """`initial` tells of each worker that is idle when the stream begins; without it the first answer tells nothing."""
    first = user(worker("a"), worker("b", alive=False), worker("c", alive=False, last_work=None))
    fake = Fake(first, user(worker("a", alive=False), worker("b", alive=False), worker("c", alive=False)))
    async with make(fake) as client, collecting(client.watch.workers(initial=initial)) as events:
        await asyncio.sleep(61)
        assert {type(event) for event in events} == {WorkerIdle}
        assert [event.worker.name for event in events] == (["b", "c", "a"] if initial else ["a"])
        assert len(fake.sent) == 2


def _work(accepted: int, rejected: int) -> dict[str, Any]:
    return {**WORK, "total_accepted": accepted, "total_rejected": rejected}


async def test_work_is_the_difference_of_the_totals() -> None:
    """`work=True` tells of the proofs of work since the last look, by commodity; one without any tells nothing."""
    before = user(
        worker("a", work={"BTC": _work(100, 9), "NMC": _work(50, 5)}),
        worker("b", work={"BTC": _work(7, 0)}),
        worker("c", work={"BTC": _work(500, 50), "NMC": _work(1, 1)}),
    )
    after = user(
        worker("a", work={"BTC": _work(130, 9), "NMC": _work(80, 7)}),
        worker("b", work={"BTC": _work(7, 0), "XYZ": _work(4, 4)}),
        worker("c", work={"BTC": _work(20, 2), "NMC": _work(4, 1)}, alive=False),
        worker("new", work={"BTC": _work(30, 3)}),
        now=1393675260,
    )
    fake = Fake(before, after, after)
    async with make(fake) as client, collecting(client.watch.workers(work=True)) as events:
        await asyncio.sleep(121)
        a, c, idle, added = events
        assert isinstance(a, WorkReported)
        assert isinstance(c, WorkReported)
        assert [a.worker.name, dict(a.accepted), dict(a.rejected)] == [
            "a",
            {"BTC": 30, "NMC": 30},
            {"BTC": 0, "NMC": 2},
        ]
        assert [c.worker.name, dict(c.accepted), dict(c.rejected)] == ["c", {"BTC": 0, "NMC": 3}, {"BTC": 0, "NMC": 0}]
        assert (a.user, a.time.timestamp()) == ("bob", 1393675260)
        assert isinstance(idle, WorkerIdle)
        assert isinstance(added, WorkerAdded)


async def test_work_is_silent_unless_asked_for() -> None:
    """Without `work=True` progress is no event."""
    fake = Fake(user(worker(work={"BTC": _work(1, 1)})), user(worker(work={"BTC": _work(9, 9)})))
    async with make(fake) as client, collecting(client.watch.workers()) as events:
        await asyncio.sleep(61)
        assert (events, len(fake.sent)) == ([], 2)


async def test_work_done_in_an_outage_is_not_lost() -> None:
    """The first look after an outage tells of all work since the last one before it."""
    pool = LocalPool(speed=1.0)
    pool.add_user("demo", workers=1)
    async with pool.client(user="demo", attempts=1) as client:
        first = (await client.users.get()).workers[0].work["BTC"].total_accepted
        async with collecting(client.watch.workers(work=True)) as events:
            pool.fail_next(503, times=9, path="/api/users")
            await asyncio.sleep(1)
            pool.fail_next(503, times=9, path="/api/users")
            await asyncio.sleep(1200)
            last = (await client.users.get(max_age=1000)).workers[0].work["BTC"].total_accepted
        assert sum(event.accepted["BTC"] for event in events if isinstance(event, WorkReported)) == last - first > 0


async def test_work_of_a_new_commodity_counts_where_nothing_was_before() -> None:
    """A worker's first work ever is told of; where its earlier work is not known, nothing is guessed."""
    before = user(
        worker("new", work={}, last_work=None, alive=False),
        worker("old", work={"BTC": _work(7, 0)}),
    )
    after = user(
        worker("new", work={"BTC": _work(5000, 3)}),
        worker("old", work={"BTC": _work(7, 0), "NMC": _work(900, 9)}),
    )
    fake = Fake(before, after)
    async with make(fake) as client, collecting(client.watch.workers(work=True)) as events:
        await asyncio.sleep(61)
        work, back = events
        assert isinstance(work, WorkReported)
        assert [work.worker.name, dict(work.accepted), dict(work.rejected)] == ["new", {"BTC": 5000}, {"BTC": 3}]
        assert isinstance(back, WorkerBack)


@pytest.mark.parametrize("lag", [1, 60, 599])
async def test_an_answer_from_the_past_tells_nothing(lag: int) -> None:
    """An answer that is older than the one before it, from a server that lags, neither tells nor counts anything."""
    at = 1393675200
    steps = [(at, 100, True), (at + 600, 200, False), (at + 600 - lag, 150, True), (at + 720, 210, False)]
    looks = [user(worker(alive=a, work={"BTC": _work(n, 0)}), now=t) for t, n, a in steps]
    fake = Fake(*looks)
    async with make(fake) as client, collecting(client.watch.workers(work=True)) as events:
        await asyncio.sleep(181)
        assert [type(event).__name__ for event in events] == ["WorkReported", "WorkerIdle", "WorkReported"]
        assert sum(event.accepted["BTC"] for event in events if isinstance(event, WorkReported)) == 110
        assert [event.time for event in events] == sorted(event.time for event in events)


async def test_a_clock_that_is_set_back_silences_no_stream() -> None:
    """Where the pool's clock jumps back by more than any lag, its answers count again at once."""
    fake = Fake(user(worker()), user(worker(alive=False), now=1393675200 - 3600))
    async with make(fake) as client:
        assert isinstance(await anext(client.watch.workers()), WorkerIdle)
    assert len(fake.sent) == 2


async def test_two_workers_of_one_name_are_no_news() -> None:
    """An answer that lists a name twice does not make the stream tell of an added worker at each look."""
    fake = Fake(*(user(worker("a"), worker("a", alive=False)) for _ in range(3)))
    async with make(fake) as client, collecting(client.watch.workers()) as events:
        await asyncio.sleep(121)
        assert (events, len(fake.sent)) == ([], 3)


# Stats and shifts


async def test_stats_come_when_they_change() -> None:
    """The first answer comes, then each that differs from the one before it."""
    fake = Fake(stats(1), stats(1), stats(2), stats(2), stats(1))
    async with make(fake) as client, collecting(client.watch.stats(every=5)) as seen:
        await asyncio.sleep(21)
        assert [each.active_users for each in seen] == [1, 2, 1]
    assert fake.paths == ["/api/pool/stats"] * 5


async def test_shifts_come_in_order() -> None:
    """Each shift that is completed comes once, oldest first, also where several came between two looks."""
    fake = Fake(shift_page(7, 5), shift_page(7, 5), shift_page(12, 9, 8, 7), shift_page(13, 12, 9))
    async with make(fake) as client, collecting(client.watch.shifts()) as shifts:
        await asyncio.sleep(901)
        assert [shift.id for shift in shifts] == [8, 9, 12, 13]
    assert fake.paths == ["/api/pool/shifts?max=50&offset=0"] * 4
    assert fake.times == pytest.approx([fake.times[0] + 300 * number for number in range(4)])


async def test_shifts_after_a_long_time_are_all_there() -> None:
    """With `after`, all shifts since come first, in few more requests than they fill pages, then those to come."""
    pool = LocalPool(speed=1.0)
    async with pool.client() as client:
        everything = [shift.id async for shift in client.pool.iter_shifts(limit=120)][::-1]
        asked = len(pool.requests)
        async with collecting(client.watch.shifts(after=everything[0])) as shifts:
            await asyncio.sleep(1)
            assert [shift.id for shift in shifts] == everything[1:]
            assert len(pool.requests) - asked <= 4
            await asyncio.sleep(3601)
            newest = (await client.pool.shifts(max=1))[0].id
            assert [shift.id for shift in shifts] == [*everything[1:], newest]


async def test_the_first_shift_of_an_empty_pool_comes() -> None:
    """A list that is empty when the stream begins hides nothing of what follows, an id of 0 included."""
    fake = Fake(shift_page(), shift_page(), shift_page(1, 0))
    async with make(fake) as client, collecting(client.watch.shifts()) as shifts:
        await asyncio.sleep(601)
        assert [shift.id for shift in shifts] == [0, 1]


# Times


async def test_looks_do_not_drift() -> None:
    """From look to look it is `every`, however long each answer takes."""
    fake = Fake(*(stats(number) for number in range(100)), delay=0.7)
    async with make(fake) as client, collecting(client.watch.stats(every=1.1)):
        await asyncio.sleep(100)
    assert fake.times == pytest.approx([fake.times[0] + 1.1 * number for number in range(len(fake.times))])
    assert len(fake.times) == 91


async def test_a_tiny_every_is_as_fast_as_the_pace() -> None:
    """However small `every` is, looks are as far apart as the client's requests, and go on."""
    fake = Fake(*(stats(number) for number in range(9)))
    async with make(fake, interval=1.0) as client, collecting(client.watch.stats(every=5e-324)) as seen:
        await asyncio.sleep(5.5)
        assert [each.active_users for each in seen] == [0, 1, 2, 3, 4, 5]
    assert fake.times == pytest.approx([fake.times[0] + number for number in range(len(fake.times))])


async def test_a_slow_caller_piles_up_nothing() -> None:
    """A look that is overdue is made at once, those missed are not made up for, and the times stay on their grid."""
    fake = Fake(*(stats(number) for number in range(9)))
    async with make(fake) as client:
        start = now()
        stream = client.watch.stats(every=10)
        await anext(stream)
        await asyncio.sleep(34)
        assert [(await anext(stream)).active_users for _ in range(3)] == [1, 2, 3]
        await stream.aclose()
    assert fake.times == pytest.approx([start, start + 34, start + 40, start + 50])


async def test_a_slow_caller_loses_no_event() -> None:
    """Events of one look wait for a caller that takes its time, and what came meanwhile is in the next look."""
    alive = (True, True, True)
    looks = [alive, (False, False, True), (True, True, False)]
    fake = Fake(*(user(*(worker(name, alive=a) for name, a in zip("abc", look, strict=True))) for look in looks))
    async with make(fake) as client:
        came: list[str] = []
        async for event in client.watch.workers():
            came.append(f"{event.worker.name} {type(event).__name__}")
            await asyncio.sleep(100)
            if len(came) == 5:
                break
    assert came == ["a WorkerIdle", "b WorkerIdle", "a WorkerBack", "b WorkerBack", "c WorkerIdle"]
    assert len(fake.sent) == 3


async def test_streams_and_calls_share_their_requests() -> None:
    """Ten streams with the same question and a call at each look make one request a look, in phase or not."""
    fake = Fake(*(user(worker(alive=not number % 2)) for number in range(10)))
    async with make(fake) as client:
        streams = [collecting(client.watch.workers()) for _ in range(10)]
        seen = [await stream.__aenter__() for stream in streams[:5]]
        await asyncio.sleep(25)
        seen += [await stream.__aenter__() for stream in streams[5:]]
        for _ in range(5):
            await asyncio.sleep(60)
            await client.users.get(max_age=30)
        for stream in streams:
            await stream.__aexit__(None, None, None)
        assert [len(events) for events in seen] == [5] * 10
        assert client.receipt.requests == 6


async def test_a_look_takes_an_answer_half_of_every_old() -> None:
    """An answer serves a look up to half of `every` after it was asked for, and not beyond."""
    fake = Fake(*(stats(number) for number in range(3)))
    async with make(fake) as client:
        await client.pool.stats()
        await asyncio.sleep(30)
        assert (await anext(client.watch.stats(every=60))).active_users == 0
        await asyncio.sleep(0.001)
        assert (await anext(client.watch.stats(every=60))).active_users == 1
    assert len(fake.sent) == 2


# Outages


def outages(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """What the log tells of outages."""
    return [(record.levelname, record.getMessage()) for record in caplog.records if "outage" in record.getMessage()]


_FAILURES: list[tuple[str, Callable[[], Step]]] = [
    ("TransportError", lambda: httpx.ConnectError("refused")),
    ("RequestTimeout", lambda: httpx.ReadTimeout("late")),
    ("ServerError", lambda: answer(b"", 500)),
    ("DecodeError", lambda: answer(b"<html>")),
    ("RateLimited", lambda: answer(b"", 429)),
    ("GapError", lambda: shift_page(1, 2)),
]


@pytest.mark.parametrize(("name", "fail"), _FAILURES, ids=lambda item: item if isinstance(item, str) else "")
async def test_a_stream_lives_on_through(name: str, fail: Callable[[], Step], caplog: pytest.LogCaptureFixture) -> None:
    """An outage of whatever kind costs a WARNING and, when it is over, an INFO with its length; the stream goes on."""
    caplog.set_level(logging.INFO)
    fake = Fake(shift_page(5), *(fail() for _ in range(4)), shift_page(6, 5), fail(), shift_page(7, 6, 5))
    async with make(fake) as client, collecting(client.watch.shifts(every=600)) as shifts:
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
    async with make(fake) as client, collecting(client.watch.stats()) as seen:
        await asyncio.sleep(1000)
        assert [each.active_users for each in seen] == [1, 2]
        fake.script.append(answer(b"", 403))
        with pytest.raises(Blocked):
            await client.pool.round()
    assert fake.times[:3] == pytest.approx([fake.times[0] + seconds for seconds in (0, 60, 960)])
    assert [level for level, _ in outages(caplog)] == ["WARNING"]


async def test_in_an_outage_each_look_tries_once() -> None:
    """The first look that fails is tried as often as any call; then once a look, until something answers again."""
    fake = Fake(*(answer(b"", 500) for _ in range(6)), stats(1), answer(b"", 500), stats(2))
    async with make(fake, attempts=3) as client, collecting(client.watch.stats(every=100)) as seen:
        await asyncio.sleep(501)
        assert [each.active_users for each in seen] == [1, 2]
        assert client.receipt.retried == 3
    looks = [int(round(at - fake.times[0], -1)) for at in fake.times]
    assert looks == [0, 0, 0, 100, 200, 300, 400, 500, 500]


async def test_an_outage_lasts_until_a_whole_look_is_answered() -> None:
    """Where a look takes two pages and only the first is answered, the second is left to the next look as well."""
    down = [answer(b"", 500) for _ in range(4)]
    newest, oldest = shift_page(*range(100, 50, -1)), shift_page(*range(52, 2, -1))
    fake = Fake(*down[:3], newest, down[3], oldest, newest)
    async with make(fake, attempts=3) as client, collecting(client.watch.shifts(every=600, after=40)) as shifts:
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
    async with make(fake) as client:
        stream = client.watch.workers(every=10)
        with pytest.raises(error):
            await anext(stream)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    assert len(fake.sent) == outage + 1


async def test_a_permission_that_is_taken_away_ends_the_stream() -> None:
    """A 403 to a key that was good until then ends the stream, once a public call has shown that it is no block."""
    fake = Fake(user(worker()), answer(b"", 403), answer(5))
    async with make(fake) as client:
        with pytest.raises(Forbidden):
            await anext(client.watch.workers(every=10))
    assert fake.paths == ["/api/users", "/api/users", "/api/pool/workers"]


@pytest.mark.parametrize("public", [answer(b"", 403), httpx.ConnectError("refused")], ids=["blocked", "down"])
async def test_a_block_does_not_pass_for_a_missing_permission(public: Step) -> None:
    """A 403 to a key that was good until then is lived through while the pool answers nobody else's question either."""
    fake = Fake(user(worker()), answer(b"", 403), public, user(worker(alive=False)))
    async with make(fake) as client:
        event = await anext(client.watch.workers())
        assert isinstance(event, WorkerIdle)
    assert fake.times[-1] - fake.times[0] == pytest.approx(120 if isinstance(public, Exception) else 960)


async def test_closing_the_client_during_the_public_call_ends_the_stream() -> None:
    """ClientClosed is the end there, too."""
    fake = Fake(user(worker()), answer(b"", 403), answer(5), delay=5)
    client = make(fake)
    task = asyncio.create_task(_drain(client.watch.workers()))
    await asyncio.sleep(67)
    assert fake.paths[-1] == "/api/pool/workers"
    await client.aclose()
    with pytest.raises(ClientClosed):
        await task


async def test_a_refused_key_ends_the_stream() -> None:
    """Where the key may not travel, nothing is sent and nothing is tried again."""
    fake = Fake()
    async with make(fake, base_url="http://pool.example") as client:
        with pytest.raises(bitminter_async.KeyRefused):
            await anext(client.watch.workers())
    assert not fake.sent


# Ends


@pytest.mark.parametrize("watch", [watch_workers, watch_stats])
async def test_closing_the_client_ends_its_streams(
    watch: Callable[[Client], Stream[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """A stream that waits for its next look ends with ClientClosed as soon as the client is closed: no outage, that."""
    fake = Fake(user(worker()) if watch is watch_workers else stats(1))
    client = make(fake)
    stream = watch(client)
    task = asyncio.create_task(_drain(stream))
    await asyncio.sleep(10)
    begin = now()
    await client.aclose()
    with pytest.raises(ClientClosed):
        await task
    assert now() == pytest.approx(begin)
    with pytest.raises(ClientClosed):
        await anext(watch(client))
    assert len(fake.sent) == 1
    assert not caplog.records
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def _drain(stream: Stream[Any]) -> None:
    async for _ in stream:
        pass


async def test_a_stream_of_a_closed_client_does_not_sleep_first() -> None:
    """A stream that is asked for more after the client was closed says so at once."""
    fake = Fake(stats(1))
    client = make(fake)
    stream = client.watch.stats(every=1000)
    await anext(stream)
    await client.aclose()
    begin = now()
    with pytest.raises(ClientClosed):
        await anext(stream)
    assert now() == pytest.approx(begin)


async def test_a_timeout_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A wait for the next event that is timed out is taken up by the next; a look that is cut short is not rushed."""
    fake = Fake(*(user(worker()) for _ in range(2)), user(worker(alive=False)), delay=2)
    async with make(fake) as client:
        start = now()
        stream = client.watch.workers(every=10.5)
        for _ in range(4):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(stream), 3)  # the second look is cut short at 12 s
        event = await anext(stream)
        assert isinstance(event, WorkerIdle)
    assert fake.times == pytest.approx([start, start + 10.5, start + 21])
    assert not caplog.records


async def test_timeouts_shorter_than_an_answer_are_told_and_not_rude(caplog: pytest.LogCaptureFixture) -> None:
    """Where every look is cut short, there is one in `every` seconds all the same, and the log says what is wrong."""
    fake = Fake(stats(1), delay=3, repeat=True)
    async with make(fake) as client:
        stream = client.watch.stats()
        for _ in range(299):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(stream), 2)
    assert len(fake.sent) == 10
    assert [record.getMessage() for record in caplog.records] == [
        "watching stats: 3 polls in a row were cancelled before an answer"
    ]


async def test_an_outage_is_told_where_timeouts_cut_its_looks_short(caplog: pytest.LogCaptureFixture) -> None:
    """A look that is cut short between two attempts is followed by one that tries once, and so tells of the outage."""
    fake = Fake(stats(1), *(httpx.ConnectError("refused") for _ in range(9)), stats(2), delay=0.5, repeat=True)
    async with make(fake, attempts=3, interval=1.0) as client:
        stream = client.watch.stats(every=10)
        came: list[int] = []
        while len(came) < 2:
            with suppress(TimeoutError):
                came.append((await asyncio.wait_for(anext(stream), 1.2)).active_users)
        assert came == [1, 2]
    assert [level for level, _ in outages(caplog)] == ["WARNING"]
    assert not [record for record in caplog.records if "cancelled" in record.getMessage()]


async def test_one_task_waits_for_a_stream() -> None:
    """A second task that waits for the same stream is told so, and harms nothing."""
    fake = Fake(stats(1), stats(2), delay=1)
    async with make(fake) as client:
        stream = client.watch.stats()
        first = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.5)
        with pytest.raises(RuntimeError, match="another task waits for this stream's next item"):
            await anext(stream)
        assert (await first).active_users == 1
        assert (await anext(stream)).active_users == 2


@pytest.mark.parametrize("in_air", [True, False])
async def test_a_stream_can_be_closed_while_it_waits(*, in_air: bool) -> None:
    """After `aclose()` nothing more comes, also not what is in the air, and who waits is told at once."""
    fake = Fake(stats(1), delay=5)
    async with make(fake) as client:
        stream = client.watch.stats()
        task = asyncio.create_task(_drain(stream))
        await asyncio.sleep(1 if in_air else 20)
        begin = now()
        await stream.aclose()
        await task
        assert now() == pytest.approx(begin)
        assert [each async for each in stream] == []
    assert len(fake.sent) == 1


@pytest.mark.parametrize("in_air", [True, False])
async def test_cancelling_a_stream_leaves_nothing(*, in_air: bool) -> None:
    """A stream that is cancelled, while it waits or asks, takes its request with it."""
    fake = Fake(stats(1), delay=10)
    async with make(fake) as client:
        task = asyncio.create_task(_drain(client.watch.stats()))
        await asyncio.sleep(5 if in_air else 20)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0.001)
        assert task.cancelled()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert fake.in_air == 0


async def test_nothing_is_asked_before_the_first_event_is_wanted() -> None:
    """Making a stream sends nothing; neither does closing one that was never begun."""
    fake = Fake()
    async with make(fake) as client:
        watch = client.watch
        streams: list[Stream[Any]] = [watch.blocks(), watch.shifts(), watch.workers(), watch.stats()]
        for stream in streams:
            await stream.aclose()
    assert not fake.sent


async def test_streams_merge() -> None:
    """`client.watch.merge` joins streams of different kinds, and leaving it leaves nothing behind."""
    pool = LocalPool(speed=60)
    pool.add_user("demo")
    async with pool.client(user="demo") as client:
        kinds: set[str] = set()
        watch = client.watch
        streams = watch.blocks(), watch.shifts(every=60), watch.workers(work=True), watch.stats()
        async for event in client.watch.merge(*streams):
            kinds.add(type(event).__name__)
            if {"BlockFound", "BlockChanged", "Shift", "WorkReported", "PoolStats"} <= kinds:
                break
        await asyncio.sleep(0.001)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        sent = len(pool.requests)
        await asyncio.sleep(1000)
        assert len(pool.requests) == sent


@pytest.mark.parametrize(
    ("stream", "arguments", "error", "match"),
    [
        ("stats", {"every": 0}, ValueError, "every is a finite number of seconds above 0, not 0"),
        ("shifts", {"every": -1}, ValueError, "every is a finite"),
        ("blocks", {"every": "60"}, TypeError, "every is a number of seconds, not str"),
        ("workers", {"every": float("nan")}, ValueError, "every is a finite"),
        ("shifts", {"after": -1}, ValueError, "after is from 0 up, not -1"),
        ("blocks", {"after": "7"}, TypeError, "after is an int, not str"),
        ("blocks", {"commodity": "B/C"}, ValueError, "commodity is a short name"),
        ("blocks", {"unsettled": [1.5]}, TypeError, "an id in unsettled is an int, not float"),
        ("blocks", {"unsettled": None}, TypeError, "unsettled is an iterable of blocks or ids, not NoneType"),
        ("blocks", {"unsettled": "7"}, TypeError, "unsettled is an iterable of blocks or ids, not str"),
        ("workers", {"name": 5}, TypeError, "a user's name is a string, not int"),
        ("workers", {"name": ".."}, ValueError, "cannot be asked for"),
        ("workers", {"initial": 1}, TypeError, "initial is True or False, not 1"),
        ("workers", {"work": None}, TypeError, "work is True or False, not None"),
    ],
    ids=str,
)
async def test_wrong_arguments_are_named_at_once(
    stream: str, arguments: dict[str, Any], error: type[Exception], match: str
) -> None:
    """What cannot be is refused when the stream is made, by its name."""
    fake = Fake()
    async with make(fake) as client:
        with pytest.raises(error, match=match):
            getattr(client.watch, stream)(**arguments)
    assert not fake.sent
