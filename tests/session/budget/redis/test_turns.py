"""Turns, rests and spacing through Redis: what holds among members of a fleet when nothing fails."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any, cast

import pytest
from attrs import evolve
from redis.asyncio.connection import AbstractConnection

from bitminter_async import Blocked, RateLimited
from bitminter_async._session.budget import redis as redis_budget
from bitminter_async._session.budget.base import Turn, Wish
from bitminter_async._session.budget.connection import Connection, Reply
from bitminter_async._session.budget.lease import Question, now
from bitminter_async._session.budget.redis import RedisBudget
from tests.support.fleet import wish_for
from tests.support.redis import Asker, Members, needs_redis

pytestmark = [pytest.mark.socket, needs_redis]

_LIMITED = RateLimited("GET /: 429", status=429, url="https://pool.example/users/bob", body="secret", headers={})
_BLOCKED = Blocked("GET /: 403", status=403, url="https://pool.example/", body="", headers={})


async def _told(asker: Asker, seconds: float, reason: RateLimited | Blocked) -> None:
    async def send(turn: Turn) -> str:
        await turn.depart()
        await turn.rest(seconds, reason)
        return ""

    await asker.budget.fetch(wish_for(), send)


async def test_one_at_a_time_and_an_interval_apart(members: Members) -> None:
    """Whoever asks, no request leaves sooner than the interval after the last, nor while another is in the air."""
    askers = [members.join(interval=0.03) for _ in range(3)]
    await asyncio.gather(*(asker.ask(f"{n}/{number}") for number in range(3) for n, asker in enumerate(askers)))
    assert len(members.asked) == 9
    assert min(members.gaps) > 0.0299


async def test_each_client_keeps_its_own_interval(members: Members) -> None:
    """A turn begins when the interval of him who takes it has passed since anybody's last departure."""
    quick, slow = members.join(interval=0.0), members.join(interval=0.2)
    await quick.ask("first")
    await slow.ask("second")
    await quick.ask("third")
    assert members.paths == ["first", "second", "third"]
    assert members.gaps[0] > 0.1999


async def test_order_of_arrival(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns go round in the order in which they were first wanted, also to those who had to queue in their process."""
    one, other = members.join(interval=0.05), members.join(interval=0.05)
    hold = asyncio.Event()
    tasks = [asyncio.create_task(one.ask("a", hold=hold))]
    await members.until_asked()
    seconds_ago, question_of = itertools.count(10, -1), RedisBudget._question

    async def question(budget: RedisBudget, wish: Wish[str]) -> Question:
        asked = await question_of(budget, wish)
        return evolve(asked, arrived=asked.arrived - next(seconds_ago))  # further apart than any message takes

    monkeypatch.setattr(RedisBudget, "_question", question)
    for asker, path, in_line in [(one, "b", 0), (one, "c", 0), (other, "d", 1), (other, "e", 1), (one, "f", 1)]:
        tasks.append(asyncio.create_task(asker.ask(path)))
        await members.until_in_line(in_line)
    hold.set()
    await asyncio.gather(*tasks)
    assert members.paths == ["a", "b", "c", "d", "e", "f"]


async def test_the_next_of_a_process_asks_before_the_turn_is_given_back(
    members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of another process that came later is not called in between, also where turns are due at once."""
    one, other = members.join(), members.join()
    hold = asyncio.Event()
    tasks = [asyncio.create_task(one.ask("a", hold=hold))]
    await members.until_asked()
    tasks += [asyncio.create_task(one.ask(path)) for path in ("b", "c")]
    await asyncio.sleep(0.01)
    tasks.append(asyncio.create_task(other.ask("d")))
    await members.until_in_line(1)
    verbs: list[object] = []
    run = Connection.run

    async def run_and_note(connection: Connection, keys: Sequence[str], *args: str | bytes | float) -> Reply:
        if connection is one.budget._connection:
            verbs.append(args[0])
        return await run(connection, keys, *args)

    monkeypatch.setattr(Connection, "run", run_and_note)
    hold.set()
    await asyncio.gather(*tasks)
    assert members.paths == ["a", "b", "c", "d"]
    assert verbs[:2] == ["ask", "done"]


async def test_a_turn_is_given_back_at_once_where_nobody_waits(
    members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop may end with it, and the client be left open: nobody else is to wait for a lease then."""
    one = members.join()
    await one.ask("a")
    await one.has_given_back()
    verbs: list[object] = []
    run = Connection.run

    async def run_and_note(connection: Connection, keys: Sequence[str], *args: str | bytes | float) -> Reply:
        verbs.append(args[0])
        return await run(connection, keys, *args)

    monkeypatch.setattr(Connection, "run", run_and_note)
    await one.ask("b")
    await asyncio.sleep(0)
    assert verbs == ["ask", "done"]


async def test_who_has_to_connect_first_keeps_his_place(members: Members) -> None:
    """The line is in the order in which questions were put, however long it took to reach Redis."""
    one, other = members.join(), members.join()
    hold = asyncio.Event()
    held = asyncio.create_task(one.ask("a", hold=hold))
    await members.until_asked()
    connect, minutes = cast("Any", AbstractConnection).connect, itertools.count(1)
    ahead = 0.0

    async def connect_slowly(connection: AbstractConnection) -> None:
        nonlocal ahead
        await connect(connection)
        ahead = 60.0 * next(minutes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis_budget, "now", lambda: now() + ahead)
        patch.setattr(AbstractConnection, "connect", connect_slowly)
        waiting = asyncio.create_task(other.ask("b"))
        await members.until_in_line(1)
        ((_, put),) = members.server.call("ZRANGE", f"{one.budget._name}:line", 0, -1, "WITHSCORES")
        seconds, _ = members.server.call("TIME")
        assert next(minutes) > 2
        assert put / 1e6 < seconds - ahead + 1
        waiting.cancel()
        hold.set()
        await held


async def test_a_waiter_that_is_cancelled_leaves_the_line(members: Members) -> None:
    """Nobody waits for one who has given up, be he the first in the line or another."""
    one, two, three = members.join(), members.join(), members.join()
    hold = asyncio.Event()
    held = asyncio.create_task(one.ask("a", hold=hold))
    await members.until_asked()
    given_up = asyncio.create_task(two.ask("b"))
    await members.until_in_line(1)
    last = asyncio.create_task(three.ask("c"))
    await members.until_in_line(2)
    given_up.cancel()
    await members.until_in_line(1)
    hold.set()
    await asyncio.gather(held, last)
    assert members.paths == ["a", "c"]
    assert not members.line()


async def test_a_turn_whose_holder_is_cancelled_is_given_back(members: Members) -> None:
    """A request that is cut short ends the turn, whose interval counts all the same."""
    one, two = members.join(interval=0.05), members.join(interval=0.05)
    held = asyncio.create_task(one.ask("a", hold=asyncio.Event()))
    await members.until_asked()
    held.cancel()
    await two.ask("b")
    assert members.gaps[0] > 0.0499


async def test_the_fence_grows(members: Members) -> None:
    """Each turn has a higher number than the one before it."""
    one, two = members.join(), members.join()
    fences: list[int] = []
    for asker in (one, two, one):
        await asker.ask("a")
        fences.append(int(members.state()["fence"]))
    assert fences == sorted(set(fences))


@pytest.mark.parametrize("reason", [_LIMITED, _BLOCKED])
async def test_a_rest_told_to_one_rests_all(members: Members, reason: RateLimited | Blocked) -> None:
    """Members that wait, that ask later and that begin later are refused alike, and nobody sends."""
    one, two = members.join(), members.join()
    left, hold = asyncio.Event(), asyncio.Event()

    async def send(turn: Turn) -> str:
        await turn.depart()
        left.set()
        await hold.wait()
        await turn.rest(900.0, reason)
        return ""

    told = asyncio.create_task(one.budget.fetch(wish_for(), send))
    await left.wait()
    waits = asyncio.create_task(two.ask("a"))
    await members.until_in_line(1)
    hold.set()
    await told
    later = members.join()
    for refused in (waits, one.ask("b"), later.ask("c")):
        with pytest.raises(type(reason)) as caught:
            await refused
        assert caught.value.status == reason.status
        assert caught.value.retry_after is not None
        assert 800 < caught.value.retry_after <= 900
    assert not members.asked
    assert (later.budget.rests, later.budget.blocks) == ((0, 1) if reason is _BLOCKED else (1, 0))
    assert later.budget.refusal()
    assert later.budget.due_in > 800
    assert later.budget.rested < 100
    assert "secret" not in str(members.state())
    assert "bob" not in str(members.state())


async def test_a_short_rest_is_waited_out(members: Members) -> None:
    """Who has patience for a rest keeps his place, and sends when it is over."""
    one, two = members.join(), members.join()
    before = asyncio.get_running_loop().time()
    await _told(one, 0.6, _LIMITED)
    await two.ask("a")
    assert members.asked[0][1] - before > 0.6
    assert two.budget.rests == one.budget.rests == 1


async def test_a_slowed_spacing_holds_for_all(members: Members) -> None:
    """Each 429 without Retry-After doubles the spacing that all keep, whoever meets it; a minute later it halves."""
    one, two, three = members.join(interval=0.1), members.join(interval=0.1), members.join(interval=0.1)

    async def send(turn: Turn) -> str:
        await turn.depart()
        await turn.slow_down()
        return ""

    await one.budget.fetch(wish_for(), send)
    assert one.budget.spacing == 1.0
    await one.has_given_back()
    members.server.call("HSET", one.budget._name, "left", 0)  # or each step would take its time
    await two.budget.fetch(wish_for(), send)
    assert two.budget.spacing == pytest.approx(2.0)
    await two.has_given_back()
    members.server.call("HSET", one.budget._name, "left", 0)
    await three.ask("a")
    assert three.budget.spacing == pytest.approx(2.0)
    await three.has_given_back()
    minutes_ago = int(members.state()["slowed_at"]) - 121_000_000
    members.server.call("HSET", one.budget._name, "left", 0, "slowed_at", minutes_ago)
    four = members.join(interval=0.1)
    await four.ask("b")
    assert four.budget.spacing == pytest.approx(0.5)


async def test_two_pools_do_not_wait_for_each_other(members: Members) -> None:
    """The budgets of two pools on one server are two."""
    one, other = members.join(), members.join(origin="https://another.example")
    members.server.know(other.budget)
    hold = asyncio.Event()
    held = asyncio.create_task(one.ask("a", hold=hold))
    await members.until_asked()
    await other.ask("b")
    hold.set()
    await held
    assert members.paths == ["a", "b"]


async def test_a_turn_that_nobody_wants_any_more_is_passed_on(members: Members) -> None:
    """A ticket of this process that it knows nothing of is given back as soon as it is called."""
    one, two = members.join(), members.join()
    await one.ask("a")
    members.server.call("ZADD", f"{one.budget._name}:line", 1, f"{one.budget._id}:999:0")
    await two.ask("b")
    assert members.paths == ["a", "b"]


async def test_one_who_is_dead_is_passed_over_at_once(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a ticket whose process no message reaches."""
    monkeypatch.setattr(redis_budget, "_GRACE", 3600.0)
    one = members.join()
    members.server.call("ZADD", f"{one.budget._name}:line", 1, "dead:1:0", 2, "dead:2:0")
    await one.ask("a")
    assert not members.line()


async def test_one_who_does_not_answer_is_passed_over(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is called and does not ask for his turn, since he is stopped, holds the others up for a while only."""
    monkeypatch.setattr(redis_budget, "_GRACE", 0.05)
    one = members.join()
    with members.server.subscriber(f"{one.budget._name}:stopped"):
        members.server.call("ZADD", f"{one.budget._name}:line", 1, "stopped:1:0")
        await one.ask("a")
    assert not members.line()


async def test_what_is_told_of_the_others(members: Members) -> None:
    """A member knows how many share the budget, how long it waited for them, and where it stands."""
    one, two = members.join(interval=0.05), members.join(interval=0.05)
    assert (one.budget.shared_with, one.budget.outlook()) == (0, (1, 0.0))
    hold = asyncio.Event()
    held = asyncio.create_task(one.ask("a", hold=hold))
    await members.until_asked()
    assert one.budget.waited_for_others == 0.0
    waiting = asyncio.create_task(two.ask("b"))
    await members.until_in_line(1)
    while not two.budget.shared_with:  # noqa: ASYNC110  # Redis has been told first
        await asyncio.sleep(0.001)
    assert two.budget.shared_with == 1
    place, seconds = two.budget.outlook()
    assert place >= 2  # behind the holder
    assert seconds >= 0.05
    before = asyncio.get_running_loop().time()
    await asyncio.sleep(0.05)
    hold.set()
    await asyncio.gather(held, waiting)
    assert two.budget.waited_for_others > members.asked[1][1] - before - 0.01


async def test_clients_of_one_process_stand_in_one_line(members: Members) -> None:
    """They have one waiter outside, and a client that has only looked is closed as any other."""
    one, two = members.join(), members.join()
    two.budget._state = one.budget._state
    await one.ask("a", 30.0)
    await one.has_given_back()
    hold = asyncio.Event()
    held = asyncio.create_task(one.ask("b", hold=hold))
    await members.until_asked(2)
    assert await two.ask("a", 30.0) == "a 1"
    hold.set()
    await held
    await two.budget.aclose()


async def test_closing_twice_and_unused(members: Members) -> None:
    """A budget is closed any number of times, also where it was never used."""
    one, unused = members.join(), members.join()
    await one.ask("a")
    for asker in (one, one, unused):
        await asker.budget.aclose()
