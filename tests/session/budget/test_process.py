"""The budget of a process: what the clients of one pool share, while they are open and after."""

import asyncio
import gc
from itertools import pairwise
from typing import Any

import pytest

from bitminter_async import Blocked, Client, RateLimited
from bitminter_async._session.budget import process
from bitminter_async._session.budget.line import Line
from bitminter_async._session.budget.pace import Pace
from bitminter_async.testing import AutojumpLoop
from tests.support.clock import now, pass_time
from tests.support.pace import Queue, exactly, make_reason, make_wish, turn_of
from tests.support.samples import POOL
from tests.support.transport import Fake, answer


def make_pace(interval: float = 1.0, patience: float = 60.0, origin: str = POOL) -> Pace:
    """The budget of a client that shares it within the process."""
    pace = Pace(interval, patience, origin)
    pace.bind()
    return pace


def make_sharing(fake: Fake, **options: Any) -> Client:
    """A client over this transport that shares it within the process."""
    defaults: dict[str, Any] = {"base_url": POOL, "transport": fake, "share": "process"}
    return Client(**(defaults | options))


async def test_a_client_per_command_is_as_polite_as_one() -> None:
    """120 handlers with a client each ask one at a time, the interval apart, first come first served."""
    fakes = [Fake(answer(5), delay=0.3) for _ in range(120)]
    in_the_air = 0

    async def handle(fake: Fake) -> None:
        nonlocal in_the_air
        async with make_sharing(fake) as client:
            await client.pool.workers()
            in_the_air = max(in_the_air, sum(fake.in_flight for fake in fakes))

    begun = now()
    await asyncio.gather(*(handle(fake) for fake in fakes))
    times = [time for fake in fakes for time in fake.times]
    assert times == pytest.approx([begun + number for number in range(120)])
    assert in_the_air == 0


async def test_each_keeps_its_own_interval() -> None:
    """A turn begins when the interval of who takes it has passed since anybody's last departure."""
    queues = [Queue(make_pace(interval), began=now()) for interval in (1.0, 5.0, 0.0)]
    await asyncio.gather(*(queue.take(number) for number in range(2) for queue in queues))
    assert [queue.starts for queue in queues] == [
        dict(enumerate(exactly(0, 6))),
        dict(enumerate(exactly(5, 11))),
        dict(enumerate(exactly(5, 11))),
    ]


async def test_a_clock_that_has_just_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that was just started, too, the first turn comes at once, and who waits for it counts that."""
    pass_time(monkeypatch, -now())
    one, other = make_pace(30.0), make_pace(30.0)
    queue = Queue(one)
    await queue.take(0)
    assert queue.starts[0] == 0
    await Queue(other).take(1)
    assert other.waited_for_others == pytest.approx(30)


async def test_never_two_of_them_in_the_air() -> None:
    """A turn of one keeps the others waiting for as long as it lasts."""
    first, second = (Queue(make_pace(0.0)) for _ in range(2))
    await asyncio.gather(first.take(0, 3), second.take(0, 2), first.take(1))
    assert [*first.starts.values(), *second.starts.values()] == exactly(0, 5, 3)


async def test_what_is_known_outlives_who_learnt_it() -> None:
    """The next client waits for what is left of the interval, of a rest, and of a slowed spacing."""
    first = make_pace()
    async with turn_of(first) as turn:
        await turn.slow_down()
        await turn.slow_down()
        await turn.rest(2.0, make_reason(RateLimited))
    await first.aclose()
    second = make_pace()
    assert second.spacing == 4.0
    assert second.due_in == pytest.approx(4.0)
    async with turn_of(second) as turn:
        await turn.rest(900.0, make_reason(Blocked))
    await second.aclose()
    third = make_pace()
    with pytest.raises(Blocked):
        await Queue(third).take(0)
    assert (third.blocks, third.rests, third.rested) == (0, 0, 0.0)
    await asyncio.sleep(100)
    assert third.rested == pytest.approx(100)
    assert (second.blocks, first.rests) == (1, 1)


async def test_a_long_rest_is_told_at_once_to_each_by_its_own_patience() -> None:
    """One with more patience at the head of the line keeps nobody behind it from being told."""
    patient, other = make_pace(patience=1000.0), make_pace()
    async with turn_of(patient) as turn:
        first, second, third = (Queue(pace) for pace in (patient, other, patient))
        waiting = [queue.join(0) for queue in (first, second, third)]
        await asyncio.sleep(0.5)
        waiting[2].cancel()
        await turn.rest(900.0, make_reason(RateLimited))
        await asyncio.sleep(0.1)
        with pytest.raises(RateLimited):
            await waiting[1]
        assert not waiting[0].done()
    await waiting[0]
    assert first.starts == {0: pytest.approx(900.5)}
    assert third.starts == {}


async def test_who_is_told_of_a_rest_in_line_ends_nobodys_turn() -> None:
    """A request that is still in the air when it is over is not joined by another, though some have left the line."""
    patient, hasty = make_pace(patience=1000), make_pace(patience=60)
    queue = Queue(patient)
    asking = queue.join(0, lasting=500)
    await asyncio.sleep(1)
    refused, waiting = Queue(hasty).join(1), queue.join(2)
    await asyncio.sleep(1)
    await patient.rest(100, make_reason(RateLimited))
    with pytest.raises(RateLimited):
        await refused
    await asyncio.gather(asking, waiting)
    assert list(queue.starts.values()) == exactly(0, 500)
    assert queue.most_within == 1


async def test_who_leaves_in_the_moment_of_a_rest_is_not_told() -> None:
    """A rest that begins just as a waiter is cancelled is told to the others, and to nobody twice."""
    pace = make_pace()
    queue = Queue(pace)
    asking = queue.join(0, lasting=10)
    await asyncio.sleep(1)
    leaving, other = queue.join(1), queue.join(2)
    await asyncio.sleep(1)
    leaving.cancel()
    await pace.rest(100, make_reason(RateLimited))
    _, left, told = await asyncio.gather(asking, leaving, other, return_exceptions=True)
    assert isinstance(left, asyncio.CancelledError)
    assert isinstance(told, RateLimited)


async def test_a_client_counts_what_came_in_its_own_time() -> None:
    """Rests and blocks of before it was made are on no receipt of its own."""
    one = make_pace()
    await one.rest(5, make_reason(RateLimited))
    await one.rest(10, make_reason(RateLimited))
    await one.rest(20, make_reason(Blocked))
    await asyncio.sleep(30)
    other = make_pace()
    assert [one.rests, one.blocks, one.rested] == [2, 1, pytest.approx(20)]
    assert [other.rests, other.blocks, other.rested] == [0, 0, 0]


async def test_who_comes_while_another_waits_a_rest_out_is_told_at_once() -> None:
    """One with less patience does not stand in line first, behind one that has more."""
    patient, hasty = make_pace(patience=1000), make_pace(patience=60)
    await patient.rest(100, make_reason(RateLimited))
    waiting = Queue(patient).join(0)
    await asyncio.sleep(10)
    start = now()
    with pytest.raises(RateLimited) as caught:
        await Queue(hasty).take(1)
    assert now() == start
    assert caught.value.retry_after == pytest.approx(90)
    await waiting


async def test_what_a_busy_loop_takes_is_no_waiting_for_others() -> None:
    """Of waits of a few milliseconds the receipt says nothing, however many there are."""
    one, other = make_pace(0.0), make_pace(0.0)
    for lasting, waited in [(0.005, 0.0), (0.02, 0.02)]:
        asking = Queue(one).join(0, lasting)
        await asyncio.sleep(0.0001)
        await Queue(other).take(1)
        await asking
        assert other.waited_for_others == pytest.approx(waited, abs=0.001)


async def test_a_spacing_that_eases_meanwhile_is_no_waiting_for_others() -> None:
    """Who departed last waits for itself, though by the time that its turn comes it need not have waited so long."""
    pace = make_pace()
    async with turn_of(pace) as turn:
        for _ in range(7):
            await turn.slow_down()
        await asyncio.sleep(50)
        await turn.depart()
    queue = Queue(pace)
    await queue.take(0)
    assert queue.starts[0] == pytest.approx(60)
    assert pace.waited_for_others == 0


async def test_who_leaves_in_the_moment_of_its_turn_passes_it_on() -> None:
    """A waiter that is cancelled when its turn has just come does not hold up the line."""
    line, order = Line(), list[int]()

    async def wait(number: int) -> None:
        await line.enter(make_wish(), lambda: None)
        order.append(number)
        line.leave()

    await line.enter(make_wish(), lambda: None)
    waiting = [asyncio.ensure_future(wait(number)) for number in range(3)]
    await asyncio.sleep(0)
    line.leave()
    waiting[0].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert order == [1, 2]


async def test_paths_of_a_host_are_one_pool_and_ports_are_not() -> None:
    """Below one host, one server sees one address, whatever the path; another port or scheme is another server."""
    fakes = [Fake(answer(5)) for _ in range(4)]
    urls = [f"{POOL}/a", f"{POOL.upper().replace('HTTPS', 'https')}:443/b", f"{POOL}:8443", "http://pool.example"]
    begun = now()
    for fake, url in zip(fakes, urls, strict=True):
        async with make_sharing(fake, base_url=url, interval=7.0) as client:
            await client.pool.workers()
    assert [fake.times[0] - begun for fake in fakes] == exactly(0, 7, 7, 7)


async def test_what_is_not_shared_feels_nobody() -> None:
    """A client over a transport of its own, or of a pool on this machine, shares only where `share` is given."""
    begun = now()
    for options in ({"share": None}, {"share": None, "base_url": "http://127.0.0.1:5"}):
        for _ in range(2):
            async with make_sharing(fake := Fake(answer(5)), **options) as client:
                await client.pool.workers()
            assert fake.times == exactly(begun)
            assert client.receipt.shared_with == 0
    for number in range(2):
        async with make_sharing(fake := Fake(answer(5)), base_url="http://127.0.0.1:5") as client:
            await client.pool.workers()
        assert fake.times == exactly(begun + number)


async def test_the_receipt_tells_of_the_others() -> None:
    """It tells with how many others a client shares, and how long it waited for them; what it waits for itself, not."""
    async with make_sharing(Fake(answer(5), answer())) as first, make_sharing(Fake(answer(5), delay=3.0)) as second:
        await first.pool.workers()
        await first.pool.stats()
        assert first.receipt.waited_for_others.total_seconds() == 0
        before = now()
        await asyncio.gather(second.pool.workers(), first.pool.workers(max_age=0), return_exceptions=True)
        assert now() - before == pytest.approx(4)
        assert (first.receipt.shared_with, second.receipt.shared_with) == (1, 1)
        assert second.receipt.waited_for_others.total_seconds() == pytest.approx(1)
        assert first.receipt.waited_for_others.total_seconds() == pytest.approx(3)
        assert "It shares the pool with 1 other, for whom it has waited 3.0 s." in str(first.receipt)
    assert second.receipt.shared_with == 0


async def test_the_receipt_counts_waiting_for_a_slow_answer_of_others() -> None:
    """Who waits because another's request is still in the air waits for others, however long ago that departed."""
    async with make_sharing(Fake(answer(5), delay=9.0)) as slow, make_sharing(Fake(answer(5), answer())) as client:
        task = asyncio.ensure_future(slow.pool.workers())
        await asyncio.sleep(4)
        await client.pool.workers()
        await task
        assert client.receipt.waited_for_others.total_seconds() == pytest.approx(5)
        assert slow.receipt.waited_for_others.total_seconds() == 0
        await asyncio.sleep(100)
        await client.pool.stats()
        assert client.receipt.waited_for_others.total_seconds() == pytest.approx(5)


async def test_ten_thousand_clients_leave_nothing() -> None:
    """Of 10,000 clients of as many pools no more is kept than of the last few, once their intervals are over."""
    for number in range(10_000):
        pace = make_pace(0.001, origin=f"https://{number}.example")
        async with turn_of(pace):
            pass
        await pace.aclose()
        await asyncio.sleep(0.001)
    assert len(process._STATES) < 5
    for number in range(10_000):
        make_pace(origin=f"https://{number % 3}.example")  # which nobody closes
    gc.collect()
    assert len(process._STATES) < 8
    assert all(not state.sharers for state in process._STATES.values())


async def test_a_state_lasts_until_the_longest_interval_is_over() -> None:
    """What a client of a long interval needs to know is kept for as long, though one of a short one asked last."""
    slow, quick = make_pace(50.0), make_pace(1.0)
    async with turn_of(quick):
        pass
    await slow.aclose()
    await quick.aclose()
    await asyncio.sleep(30)
    make_pace(origin="https://other.example")
    assert make_pace(50.0).due_in == pytest.approx(20)


def test_one_loop_after_another_keeps_the_interval() -> None:
    """A client for each `asyncio.run` is as polite as one: the next loop takes over what the closed one knew."""
    starts: list[float] = []
    times = [0.0]

    class Lasting(AutojumpLoop):
        def time(self) -> float:
            return super().time() + times[0]

    async def ask() -> None:
        fake = Fake(answer(5))
        async with make_sharing(fake, interval=3.0) as client:
            await client.pool.workers()
        starts.extend(fake.times)
        times[0] = now() - 1000.0

    for _ in range(3):
        with asyncio.Runner(loop_factory=Lasting) as runner:
            runner.run(ask())
    assert [later - earlier for earlier, later in pairwise(starts)] == exactly(3, 3)
    with asyncio.Runner(loop_factory=AutojumpLoop) as runner:  # whose time lies behind
        runner.run(ask())
    assert starts[3] - 1000.0 <= 3.0


async def test_what_share_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scope that there is; what is wrong in the environment is told by its name, unless another was passed."""
    with pytest.raises(
        ValueError, match="share must be 'machine', 'process' or the URL of a Redis server, not 'fleet'"
    ):
        Client(share="fleet")
    with pytest.raises(TypeError, match="share must be a string or a Redis, not int"):
        Client(share=5)  # type: ignore[arg-type]  # wrong on purpose
    monkeypatch.setenv("BITMINTER_SHARE", "fleet")
    for url in (None, "http://localhost:5"):
        with pytest.raises(ValueError, match="BITMINTER_SHARE must be"):
            Client(base_url=url)
    Client(share="process")
    monkeypatch.delenv("BITMINTER_SHARE")
    assert type(Client()._session._budget).__name__ == "Machine"
