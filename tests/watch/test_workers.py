"""The stream of a user's workers: who falls idle, comes, goes, and works."""

import asyncio
from typing import Any

import pytest

from bitminter_async import WorkerAdded, WorkerBack, WorkerGone, WorkerIdle, WorkReported
from bitminter_async.local import LocalPool
from tests.support.collect import collecting
from tests.support.samples import WORK
from tests.support.transport import Fake
from tests.support.watching import user, watch_client, worker


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
    async with watch_client(fake) as client:
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
    async with watch_client(fake) as client, collecting(client.watch.workers(initial=initial)) as events:
        await asyncio.sleep(61)
        assert {type(event) for event in events} == {WorkerIdle}
        assert [event.worker.name for event in events] == (["b", "c", "a"] if initial else ["a"])
        assert len(fake.sent) == 2


def _work(accepted: int, rejected: int) -> dict[str, Any]:
    return {**WORK, "total_accepted": accepted, "total_rejected": rejected}


async def test_work_is_the_difference_of_the_totals() -> None:
    """`work=True` tells of the proofs of work since the last poll, by commodity; one without any tells nothing."""
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
    async with watch_client(fake) as client, collecting(client.watch.workers(work=True)) as events:
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


async def test_work_that_was_all_rejected_is_told_of() -> None:
    """Who mines in vain is to hear of it: rejected proofs alone are an event as well."""
    fake = Fake(*(user(worker(work={"BTC": _work(100, rejected)}), now=1393675200 + rejected) for rejected in (9, 12)))
    async with watch_client(fake) as client:
        event = await anext(client.watch.workers(work=True))
        assert isinstance(event, WorkReported)
        assert (dict(event.accepted), dict(event.rejected)) == ({"BTC": 0}, {"BTC": 3})


async def test_work_is_silent_unless_asked_for() -> None:
    """Without `work=True` progress is no event."""
    fake = Fake(user(worker(work={"BTC": _work(1, 1)})), user(worker(work={"BTC": _work(9, 9)})))
    async with watch_client(fake) as client, collecting(client.watch.workers()) as events:
        await asyncio.sleep(61)
        assert (events, len(fake.sent)) == ([], 2)


async def test_work_done_in_an_outage_is_not_lost() -> None:
    """The first poll after an outage tells of all work since the last one before it."""
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
    async with watch_client(fake) as client, collecting(client.watch.workers(work=True)) as events:
        await asyncio.sleep(61)
        work, back = events
        assert isinstance(work, WorkReported)
        assert [work.worker.name, dict(work.accepted), dict(work.rejected)] == ["new", {"BTC": 5000}, {"BTC": 3}]
        assert isinstance(back, WorkerBack)


@pytest.mark.parametrize("lag", [1, 60, 599, 86_400])
async def test_an_answer_from_the_past_tells_nothing(lag: int) -> None:
    """An answer that is older than the one before it, from a server that lags, neither tells nor counts anything."""
    at = 1393675200
    steps = [(at, 100, True), (at + 600, 200, False), (at + 600 - lag, 150, True), (at + 720, 210, False)]
    polls = [user(worker(alive=a, work={"BTC": _work(n, 0)}), now=t) for t, n, a in steps]
    fake = Fake(*polls)
    async with watch_client(fake) as client, collecting(client.watch.workers(work=True)) as events:
        await asyncio.sleep(181)
        assert [type(event).__name__ for event in events] == ["WorkReported", "WorkerIdle", "WorkReported"]
        assert sum(event.accepted["BTC"] for event in events if isinstance(event, WorkReported)) == 110
        assert [event.time for event in events] == sorted(event.time for event in events)
