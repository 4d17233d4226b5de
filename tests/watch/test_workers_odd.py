"""The stream of workers over a restart, workers that cannot be read, and answers from another time."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from bitminter_async import WorkerAdded, WorkerBack, WorkerEvent, WorkerGone, WorkerIdle, WorkReported
from tests.support.collect import collecting
from tests.support.samples import WORK
from tests.support.transport import Fake, answer
from tests.support.watching import outages, user, watch_client, worker

_AT = 1393675200


def _short(events: Sequence[WorkerEvent]) -> list[tuple[type[WorkerEvent], str]]:
    return [(type(event), event.worker.name) for event in events]


@pytest.mark.parametrize("initial", [True, False])
async def test_a_restart_misses_no_return(*, initial: bool) -> None:
    """Of those known to be idle, who is alive at first is back, and who is idle still is not told of again."""
    first = user(worker("a"), worker("b", alive=False), worker("c", alive=False), worker("d"))
    last = user(worker("a"), worker("b"), worker("c", alive=False), worker("d", alive=False))
    fake = Fake(first, last)
    idle = ["a", "b", "gone"]
    async with watch_client(fake) as client, collecting(client.watch.workers(initial=initial, idle=idle)) as events:
        await asyncio.sleep(59)
        assert _short(events) == [(WorkerBack, "a"), *([(WorkerIdle, "c")] if initial else [])]
        await asyncio.sleep(2)
        assert _short(events)[-2:] == [(WorkerBack, "b"), (WorkerIdle, "d")]


@pytest.mark.parametrize("bad", [{"alive": None}, {"name": None}], ids=["its name is known", "its name is not"])
async def test_a_worker_that_cannot_be_read_is_neither_idle_nor_gone(
    bad: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It is named in one WARNING, the others are told of meanwhile, and its changes when it can be read."""
    caplog.set_level(logging.INFO)
    fake = Fake(
        user(worker("a"), worker("b")),
        user(worker("a") | bad, worker("b", alive=False)),
        user(worker("a") | bad, worker("b")),
        user(worker("a", alive=False), worker("b")),
        user(worker("a") | bad, worker("b")),
        user(worker("b")),
    )
    async with watch_client(fake) as client, collecting(client.watch.workers()) as events:
        await asyncio.sleep(121)
        assert _short(events) == [(WorkerIdle, "b"), (WorkerBack, "b")]
        await asyncio.sleep(120)
        assert _short(events)[2:] == [(WorkerIdle, "a")]
        await asyncio.sleep(60)
        assert _short(events)[3:] == [(WorkerGone, "a")]
    told = [record.getMessage() for record in caplog.records]
    name = "a worker" if "name" in bad else "worker 'a'"
    assert [each.partition(" cannot be read: DecodeError: GET https://")[0] for each in told] == [
        f"watching workers: {name}"
    ] * 2  # once each time
    assert not outages(caplog)


@pytest.mark.parametrize("bad", [{"alive": None}, {"name": None}], ids=["its name is known", "its name is not"])
async def test_one_that_cannot_be_read_at_first_is_not_added(bad: dict[str, Any]) -> None:
    """It was there: when it can be read, it is told of as it would have been at first; later ones are added."""
    fake = Fake(
        user(worker("a"), worker("b") | bad),
        user(worker("a"), worker("b") | bad),
        user(worker("a"), worker("b")),
        user(worker("a"), worker("b"), worker("c")),
    )
    async with watch_client(fake) as client, collecting(client.watch.workers(idle={"b"})) as events:
        await asyncio.sleep(121)
        assert _short(events) == [(WorkerBack, "b")]
        await asyncio.sleep(60)
        assert _short(events) == [(WorkerBack, "b"), (WorkerAdded, "c")]


async def test_a_new_worker_that_cannot_be_read_is_added_when_it_can() -> None:
    """It counts as not yet seen until then."""
    fake = Fake(
        user(worker("a")), user(worker("a"), worker("b", alive=None)), user(worker("a"), worker("b", alive=False))
    )
    async with watch_client(fake) as client, collecting(client.watch.workers(initial=True)) as events:
        await asyncio.sleep(121)
        assert _short(events) == [(WorkerAdded, "b")]


async def test_a_user_that_is_wrong_as_a_whole_is_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    """Where not only workers cannot be read, nothing of the answer is believed."""
    fake = Fake(user(worker("a")), answer(b"{}"), user(worker("a", alive=False)))
    async with watch_client(fake) as client, collecting(client.watch.workers()) as events:
        await asyncio.sleep(121)
        assert _short(events) == [(WorkerIdle, "a")]
    assert len(outages(caplog)) == 1


@pytest.mark.parametrize("lag", [1, 599, 3600, 86_400])
async def test_an_old_copy_that_is_served_in_turn_tells_nothing(lag: int) -> None:
    """However old it is, and also where it comes twice running, what it says was never so is not told."""
    old = {"now": _AT - lag}
    polls: list[Any] = []
    for number in range(4):
        polls.append(user(worker("a", alive=False), now=_AT + 240 * number))
        polls += [user(worker("a"), worker("b"), **old)] * (1 + number % 2)
    polls.append(user(worker("a"), now=_AT + 2000))
    fake = Fake(*polls)
    async with watch_client(fake) as client, collecting(client.watch.workers(work=True)) as events:
        await asyncio.sleep(60 * len(polls))
        assert _short(events) == [(WorkerBack, "a")]
    assert not fake.script


@pytest.mark.parametrize("back", [1, 599, 3600])
async def test_a_clock_that_is_set_back_is_believed_when_two_answers_say_so(back: int) -> None:
    """Where two answers running are older, and differ, the pool's clock was set back: from then on they count."""
    total = [{"BTC": {**WORK, "total_accepted": number}} for number in (100, 110, 130, 160)]
    fake = Fake(
        user(worker(work=total[0]), now=_AT + 5000),
        user(worker(alive=False, work=total[1]), now=_AT + 5000 - back),
        user(worker(alive=False, work=total[2]), now=_AT + 5000 - back + (60 if back > 60 else 0)),
        user(worker(work=total[3]), now=_AT + 5000 - back + 120),
    )
    async with watch_client(fake) as client, collecting(client.watch.workers(work=True)) as events:
        await asyncio.sleep(61)
        assert events == []
        await asyncio.sleep(60)
        assert _short(events) == [(WorkReported, "rig1"), (WorkerIdle, "rig1")]
        await asyncio.sleep(60)
        assert _short(events)[2:] == [(WorkReported, "rig1"), (WorkerBack, "rig1")]
        assert sum(event.accepted["BTC"] for event in events if isinstance(event, WorkReported)) == 60
