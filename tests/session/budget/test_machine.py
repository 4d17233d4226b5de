"""The budget of a machine, by processes that are made believe they are several."""

import asyncio
import itertools
import logging
import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bitminter_async import Blocked, RateLimited
from bitminter_async._session.budget import machine as module
from bitminter_async._session.budget import pace, process
from bitminter_async._session.budget.base import Turn, TurnLost
from bitminter_async._session.budget.machine import Machine
from bitminter_async._session.budget.pace import Pace
from bitminter_async._session.budget.record import Record
from bitminter_async._session.budget.share import make_budget
from tests.support.machine import make_machine, record_of
from tests.support.pace import Queue, make_reason, make_wish, turn_of

pytestmark = [pytest.mark.socket, pytest.mark.usefixtures("runtime_dir")]  # the wall clock is real


@pytest.fixture(autouse=True)
def _warn_anew() -> None:
    """No warning of another test counts as told."""
    pace.warn_once.cache_clear()


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as a warning."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("interval", [0.0, 0.03])
async def test_turns_are_shared(interval: float) -> None:
    """Three processes have one turn at a time, the interval apart, whoever had the last."""
    queues = [Queue(make_machine(interval), began=0.0) for _ in range(3)]
    spans: list[tuple[float, float]] = []
    for number in range(4):
        await asyncio.gather(*(queue.take(number, 0.005) for queue in queues))
    for queue in queues:
        assert [*queue.starts] == [0, 1, 2, 3]
        spans += [(queue.starts[number], queue.ends[number]) for number in range(4)]
    spans.sort()
    for (begun, ended), (next_begun, _) in itertools.pairwise(spans):
        assert next_begun >= ended
        assert next_begun - begun >= interval - 0.001


async def test_a_departure_is_remembered_by_the_next_process() -> None:
    """A process that begins when the last has ended waits for what is left of its own interval, not of theirs."""
    loop = asyncio.get_running_loop()
    first = make_machine(50.0)
    async with turn_of(first) as turn:
        departed = loop.time()
        await turn.depart()
    await first.aclose()
    assert make_machine(0.0).due_in == 0
    async with turn_of(make_machine(0.1)):
        assert loop.time() - departed >= 0.099


async def test_a_rest_is_told_to_all() -> None:
    """What one process is told, others know: those that wait for the lock, and those that begin later, at once."""
    first, second = make_machine(), make_machine()
    async with turn_of(first) as turn:
        waiting = asyncio.ensure_future(Queue(second).take(0))
        await asyncio.sleep(0.02)
        await turn.rest(600.0, make_reason(Blocked))
    with pytest.raises(Blocked, match="the pool asks for rest") as told:
        await waiting
    assert told.value.retry_after == pytest.approx(600, abs=60)
    third = make_machine()
    for _ in range(2):
        with pytest.raises(Blocked):
            await Queue(third).take(0)
    assert (third.blocks, third.rests) == (1, 0)
    assert (second.blocks, first.blocks) == (1, 1)
    patient = make_machine(patience=1000.0)
    resting = asyncio.ensure_future(Queue(patient).take(0))
    await asyncio.sleep(0.02)
    assert not resting.done()
    with pytest.raises(Blocked):  # whom the patient one does not keep from being told
        await Queue(make_machine()).take(0)
    resting.cancel()


async def test_a_short_rest_is_waited_out_by_all() -> None:
    """A rest within patience is waited out by who waits in another process; it counts once, whoever was told."""
    loop = asyncio.get_running_loop()
    first, second = make_machine(), make_machine()
    async with turn_of(first) as turn:
        waiting = asyncio.ensure_future(Queue(second).take(0))
        await asyncio.sleep(0.02)
        await turn.rest(0.2, make_reason(RateLimited))
        ends = loop.time() + 0.2
        await turn.rest(0.1, make_reason(RateLimited))
    await waiting
    assert loop.time() >= ends - 0.01
    await Queue(first).take(0)
    assert (first.rests, second.rests) == (1, 1)


async def test_a_slowed_spacing_is_shared() -> None:
    """A 429 in one process slows all down."""
    first, second = make_machine(), make_machine()
    async with turn_of(first) as turn:
        await turn.slow_down()
    assert first.spacing == 1.0
    waiting = asyncio.ensure_future(Queue(second).take(0))
    await asyncio.sleep(0.02)
    assert second.spacing == 1.0
    assert 0.5 < second.due_in <= 1.0
    waiting.cancel()


async def test_a_lost_turn_sends_nothing_and_is_taken_anew() -> None:
    """Who finds at departure that the lock is gone sends in another turn; what it then learns is told all the same."""
    machine, tries = make_machine(), 0
    lock = record_of(machine).with_suffix(".lock")

    async def send(turn: Turn) -> str:
        nonlocal tries
        tries += 1
        if tries == 1:
            os.unlink(lock)  # noqa: PTH108  # as one who takes it away does
            await turn.depart()
            pytest.fail("this may not be reached")
        await turn.depart()
        os.unlink(lock)  # noqa: PTH108  # after the departure it costs nothing but the lock
        await turn.rest(0.01, make_reason(RateLimited))
        await turn.slow_down()
        return "answer"

    assert await machine.fetch(make_wish(), send) == "answer"
    assert tries == 2
    assert Record.load(record_of(machine)).rest.seconds == 0.01
    assert Record.load(record_of(machine)).slowed_to == 1.0


async def test_a_lock_lost_while_it_departs_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is looked at again after the lease is written, so that one of both sides sees the other."""
    machine, tries = make_machine(), 0
    save = Record.save

    async def send(turn: Turn) -> None:
        nonlocal tries
        tries += 1

        def save_late(record: Record, path: Path) -> None:
            save(record, path)
            monkeypatch.setattr(Record, "save", save)
            record_of(machine).with_suffix(".lock").unlink()

        if tries == 1:
            monkeypatch.setattr(Record, "save", save_late)
        await turn.depart()

    await machine.fetch(make_wish(), send)
    assert tries == 2


async def test_who_is_cancelled_while_others_have_the_lock() -> None:
    """A wait for another process that is cancelled costs the next of its own process nothing."""
    first, second = make_machine(), make_machine()
    queue = Queue(second)
    async with turn_of(first):
        both = [queue.join(0), queue.join(1)]
        await asyncio.sleep(0.02)
        both[0].cancel()
        await asyncio.sleep(0.02)
    await both[1]
    assert [*queue.starts] == [1]


async def test_it_tells_with_how_many_it_shares_and_how_long_it_waited() -> None:
    """Other processes that have had turns are counted, as are other clients of this one; own waits are nobody's."""
    first, second = make_machine(0.05), make_machine(0.05)
    sibling = Machine(0.05, 60.0, "https://pool.example", 10.0)
    sibling.bind()
    await Queue(first).take(0)
    await Queue(first).take(1)
    assert (first.shared_with, first.waited_for_others) == (0, 0.0)
    async with turn_of(first):
        waiting = asyncio.ensure_future(Queue(second).take(0))
        await asyncio.sleep(0.05)
    await waiting
    assert second.shared_with == 2
    assert second.waited_for_others >= 0.05
    await Queue(sibling).take(0)
    assert sibling.waited_for_others > 0
    assert first.waited_for_others == 0


async def test_the_directory_is_the_users_alone(runtime_dir: Path) -> None:
    """The directory is 0700, also where it was another's before; a file is named by no more than a digest."""
    (runtime_dir / "bitminter_async").mkdir(mode=0o755)
    await Queue(make_machine(origin="https://secret.example")).take(0)
    directory = runtime_dir / "bitminter_async"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    names = [path.name for path in directory.iterdir()]
    assert len(names) == 2
    assert not any("secret" in name for name in names)


async def test_two_pools_share_nothing() -> None:
    """A turn at one pool keeps nobody from another."""
    async with turn_of(make_machine(50.0)):
        await Queue(make_machine(50.0, origin="https://other.example")).take(0)


def break_directory(monkeypatch: pytest.MonkeyPatch, _runtime_dir: Path) -> None:
    """There is no runtime directory."""

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError("not yours")

    monkeypatch.setattr(module, "user_runtime_dir", refuse)


def break_owner(monkeypatch: pytest.MonkeyPatch, _runtime_dir: Path) -> None:
    """The directory is somebody else's."""
    monkeypatch.setattr(os, "getuid", lambda: 12345)


def break_lock(_monkeypatch: pytest.MonkeyPatch, _runtime_dir: Path) -> None:
    """The lock file cannot be opened."""
    record_of(make_machine(origin="https://broken.example")).with_suffix(".lock").mkdir()


def break_record(_monkeypatch: pytest.MonkeyPatch, _runtime_dir: Path) -> None:
    """The record cannot be read."""
    record_of(make_machine(origin="https://broken.example")).mkdir()


@pytest.mark.parametrize("break_it", [break_directory, break_owner, break_lock, break_record])
async def test_a_directory_that_cannot_be_used_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    runtime_dir: Path,
    break_it: Callable[[pytest.MonkeyPatch, Path], None],
) -> None:
    """Without it, the clients of a process share with one another, at their interval; one warning says so."""
    break_it(monkeypatch, runtime_dir)
    process._STATES.clear()
    machines = [Machine(0.05, 60.0, "https://broken.example", 10.0) for _ in range(2)]
    queues = [Queue(machine, began=0.0) for machine in machines]
    for machine in machines:
        machine.bind()
    for number in range(2):
        await asyncio.gather(*(queue.take(number) for queue in queues))
    starts = sorted(start for queue in queues for start in queue.starts.values())
    assert len(starts) == 4
    assert all(later - earlier >= 0.049 for earlier, later in itertools.pairwise(starts))
    (warning,) = warnings_of(caplog)
    assert warning.startswith("the pool's budget is shared within this process only: ")


async def test_a_directory_that_is_lost_in_a_turn(caplog: pytest.LogCaptureFixture) -> None:
    """Where what is shared can no longer be written, the turn goes on, and so do the next; one warning says so."""
    machine = make_machine()
    async with turn_of(machine) as turn:
        record_of(machine).unlink()
        record_of(machine).mkdir()
        await turn.depart()
        await turn.depart()
        await turn.rest(0.01, make_reason(RateLimited))
        await turn.slow_down()
    assert len(warnings_of(caplog)) == 1
    machine._state.slowed_to = 0.0
    await Queue(machine).take(0)


async def test_a_system_without_flock(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Where there is no flock, clients share within their process, and one warning says so."""
    monkeypatch.delitem(sys.modules, "bitminter_async._session.budget.machine")
    monkeypatch.delitem(sys.modules, "bitminter_async._session.budget.lockfile")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    for _ in range(2):
        budget = make_budget("machine", "https://pool.example", "", interval=1.0, patience=60.0, timeout=10.0)
        assert type(budget) is Pace
    (warning,) = warnings_of(caplog)
    assert "this system has no flock" in warning


async def test_a_clock_that_was_set_back_holds_up_for_one_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """A departure that lies ahead counts as one of just now."""
    loop = asyncio.get_running_loop()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 86_400)
    await Queue(make_machine(0.05)).take(0)
    monkeypatch.setattr(time, "time", real)
    begun = loop.time()
    machine = make_machine(0.05)
    await Queue(machine).take(0)
    assert loop.time() - begun >= 0.049
    assert Record.load(record_of(machine)).departed <= real()


def test_turn_lost_is_no_error_of_the_package() -> None:
    """Nobody outside ever sees it."""
    assert TurnLost.__mro__[1] is Exception
