"""`client.watch`: streams of the stats and of different kinds, made without a request and from right arguments only."""

import asyncio
from typing import Any

import pytest

from bitminter_async.local import LocalPool
from tests.support.collect import collecting
from tests.support.transport import Fake
from tests.support.watching import stats, watch_client


async def test_stats_come_when_they_change() -> None:
    """The first answer comes, then each that differs from the one before it."""
    fake = Fake(stats(1), stats(1), stats(2), stats(2), stats(1))
    async with watch_client(fake) as client, collecting(client.watch.stats(every=5)) as seen:
        await asyncio.sleep(21)
        assert [each.active_users for each in seen] == [1, 2, 1]
    assert fake.paths == ["/api/pool/stats"] * 5


async def test_nothing_is_asked_before_the_first_event_is_wanted() -> None:
    """Making a stream sends nothing; neither does closing one that was never begun."""
    fake = Fake()
    async with watch_client(fake) as client:
        watch = client.watch
        for stream in (watch.blocks(), watch.shifts(), watch.workers(), watch.stats()):
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
        ("stats", {"every": 0}, ValueError, "every must be a number of seconds above 0, not 0"),
        ("shifts", {"every": -1}, ValueError, "every must be a number"),
        ("blocks", {"every": "60"}, TypeError, "every must be a number of seconds, not str"),
        ("workers", {"every": float("nan")}, ValueError, "every must be a number"),
        ("shifts", {"after": -1}, ValueError, "after must be 0 or more, not -1"),
        ("blocks", {"after": "7"}, TypeError, "after must be an int, not str"),
        ("blocks", {"commodity": "B/C"}, ValueError, "commodity must be a short name"),
        ("blocks", {"unsettled": [1.5]}, TypeError, "an id in unsettled must be an int, not float"),
        ("blocks", {"unsettled": None}, TypeError, "unsettled must be an iterable of blocks or ids, not NoneType"),
        ("blocks", {"unsettled": "7"}, TypeError, "unsettled must be an iterable of blocks or ids, not str"),
        ("blocks", {"unsettled": b"7"}, TypeError, "unsettled must be an iterable of blocks or ids, not bytes"),
        ("blocks", {"unsettled": bytearray(b"7")}, TypeError, "an iterable of blocks or ids, not bytearray"),
        ("workers", {"name": 5}, TypeError, "a user's name must be a string, not int"),
        ("workers", {"name": ".."}, ValueError, "must not be"),
        ("workers", {"initial": 1}, TypeError, "initial must be True or False, not int"),
        ("workers", {"idle": "rig1"}, TypeError, "idle must be an iterable of workers' names, not str"),
        ("workers", {"idle": bytearray(b"rig1")}, TypeError, "an iterable of workers' names, not bytearray"),
        ("workers", {"idle": None}, TypeError, "idle must be an iterable of workers' names, not NoneType"),
        ("workers", {"idle": [7]}, TypeError, "a name in idle must be a string, not int"),
        ("workers", {"work": None}, TypeError, "work must be True or False, not None"),
    ],
    ids=str,
)
async def test_wrong_arguments_are_named_at_once(
    stream: str, arguments: dict[str, Any], error: type[Exception], match: str
) -> None:
    """What cannot be is refused when the stream is made, by its name."""
    fake = Fake()
    async with watch_client(fake) as client:
        with pytest.raises(error, match=match):
            getattr(client.watch, stream)(**arguments)
    assert not fake.sent
