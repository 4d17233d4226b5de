"""What comes of it when Redis, the way to it, or one who shares the budget fails."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bitminter_async import RateLimited
from bitminter_async._session.budget import connection
from bitminter_async._session.budget import redis as redis_budget
from bitminter_async._session.budget.base import Turn, TurnLost
from bitminter_async._session.budget.connection import Connection, Reply
from bitminter_async.errors import BudgetUnreachable
from tests.support.fleet import budget_of, wish_for
from tests.support.redis import Asker, Members, RedisServer, needs_redis

pytestmark = [pytest.mark.socket, needs_redis]

_LIMITED = RateLimited("GET /: 429", status=429, url="https://pool.example/", body="", headers={})


@pytest.fixture
def own(server: RedisServer) -> Members:
    """What makes members whose server may be killed."""
    return Members(server, "https://pool.example")


@pytest.fixture(autouse=True)
def _short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_budget, "_MARGIN", 0.1)


async def test_a_lost_turn_is_not_used(members: Members) -> None:
    """Who comes back after his lease learns so before he sends, and waits for another turn."""
    one = members.join(timeout=0.01)
    lost: list[bool] = []

    async def send(turn: Turn) -> str:
        if not lost:
            await asyncio.sleep(0.12)  # as if the process had been stopped
        try:
            await turn.depart()
        except TurnLost:
            lost.append(True)
            raise
        return "sent"

    assert await one.budget.fetch(wish_for(), send) == "sent"
    assert lost
    await one.budget.aclose()


async def test_a_turn_whose_holder_has_died_ends_with_its_lease(members: Members) -> None:
    """The interval runs from the end of the lease, since the request may have left as late as that."""
    one, two = members.join(timeout=0.1, interval=0.1), members.join(timeout=0.1, interval=0.1)
    loop = asyncio.get_running_loop()
    await one.ask("a")
    await one.has_given_back()
    before = loop.time()
    await one.budget._run("anew", "dead:1:0", await one.budget._question(wish_for("b")))
    await two.ask("c")
    assert members.asked[-1][1] - before > 0.2 + 0.1 - 0.01


@pytest.mark.parametrize("is_saved", [False, True])
async def test_a_server_that_restarts_lets_a_lease_and_the_interval_pass(own: Members, *, is_saved: bool) -> None:
    """Somebody may have departed since it was saved, if it was; one with a longer lease makes the wait longer."""
    one, two = own.join(timeout=0.05, interval=0.1), own.join(timeout=0.2, interval=0.1)
    await one.ask("a")
    await one.has_given_back()
    if is_saved:
        own.server.call("SAVE")
    own.server.kill()
    own.server.start()
    assert bool(own.server.all_keys()) is is_saved
    loop = asyncio.get_running_loop()
    before = loop.time()
    await asyncio.gather(one.ask("b"), two.ask("c"))
    assert own.asked[1][1] - before > 0.3 + 0.1 - 0.01
    assert own.gaps[1] > 0.0999
    await own.aclose()


async def test_a_server_whose_clock_was_set_back_lets_a_lease_pass(members: Members) -> None:
    """A departure in the future is none that can be reckoned with; a rest ends when it would have ended."""
    one = members.join(timeout=0.05)
    await one.ask("a")
    await one.has_given_back()
    hour = 3_600_000_000
    ahead = int(members.state()["left"]) + hour
    members.server.call("HSET", one.budget._name, "left", ahead, "rest", ahead, "slowed_at", ahead)
    before = asyncio.get_running_loop().time()
    await one.ask("b")
    assert members.asked[1][1] - before > 0.14
    assert int(members.state()["left"]) < ahead


async def test_without_redis_nothing_is_sent(own: Members, caplog: pytest.LogCaptureFixture) -> None:
    """Calls fail while it is away, with one warning in all, and go on when it is back."""
    caplog.set_level(logging.INFO, "bitminter_async")
    one = own.join(timeout=0.1)
    await one.ask("a")
    await one.has_given_back()
    own.server.kill()
    with pytest.raises(BudgetUnreachable, match="cannot be reached") as caught:
        await one.ask("b")
    with pytest.raises(BudgetUnreachable):
        await one.ask("b")
    own.server.start()
    await one.ask("c")
    assert own.paths == ["a", "c"]
    said = [record.message for record in caplog.records]
    assert said == [f"{caught.value}; until it can, nothing is sent", "the budget can be reached again"]
    await own.aclose()


async def test_unreachable_from_the_start(tmp_path: Path) -> None:
    """Where there is no server, a call fails."""
    budget = budget_of(RedisServer(tmp_path).url)
    with pytest.raises(BudgetUnreachable):
        await Asker(budget, []).ask("a", 30.0)
    await budget.aclose()


async def test_those_who_wait_are_told_when_redis_goes(own: Members) -> None:
    """A waiter does not hang; a request that is in the air brings its answer."""
    one, two = own.join(), own.join()
    hold = asyncio.Event()
    held = asyncio.create_task(one.ask("a", hold=hold))
    await own.until_asked()
    waiting = asyncio.create_task(two.ask("b"))
    await own.until_in_line(1)
    own.server.kill()
    with pytest.raises(BudgetUnreachable):
        await waiting
    queued = asyncio.create_task(one.ask("c", 30.0))
    await asyncio.sleep(0)
    hold.set()
    assert await held == "a 1"
    with pytest.raises(BudgetUnreachable):
        await queued
    await own.aclose()


async def test_going_on_alone(own: Members, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may goes on at the wider interval, from a random moment, until Redis is back; rests hold all the same."""
    monkeypatch.setattr(redis_budget, "_RETRIED_EVERY", 0.05)
    caplog.set_level(logging.INFO, "bitminter_async")
    one = own.join(timeout=0.1, alone=0.1, patience=0.0)
    await one.ask("a")
    await one.has_given_back()
    own.server.kill()
    await one.ask("b")
    await one.ask("c")
    assert min(own.gaps) > 0.0999
    own.server.start()
    await one.ask("d")
    assert own.paths == ["a", "b", "c", "d"]
    levels = [(record.levelname, "goes on alone" in record.message) for record in caplog.records]
    assert levels == [("WARNING", True), ("INFO", False)]
    await one.has_given_back()
    own.server.kill()

    async def send(turn: Turn) -> str:
        await turn.depart()
        await turn.rest(60.0, _LIMITED)
        return ""

    await one.budget.fetch(wish_for(), send)
    with pytest.raises(RateLimited):
        await one.ask("e")
    await own.aclose()


async def test_a_rest_that_redis_forgot_is_kept(members: Members) -> None:
    """What a process was told, and its own interval, hold whatever Redis says."""
    one = members.join(interval=0.1)
    await one.ask("a")
    await one.has_given_back()
    members.server.call("HSET", one.budget._name, "left", 0)
    await one.ask("b")
    assert members.gaps[0] > 0.0999
    await one.has_given_back()
    await one.budget.rest(900.0, _LIMITED)
    with pytest.raises(RateLimited):
        await one.ask("c")


async def test_a_server_that_may_not_be_written_to(own: Members) -> None:
    """A replica is no place for a budget: it is as good as unreachable."""
    one = own.join()
    own.server.call("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(BudgetUnreachable, match="ReadOnlyError"):
        await one.ask("a")
    await own.aclose()


async def test_strange_messages_do_no_harm(members: Members) -> None:
    """Whoever may write to Redis may say what he likes: who waits asks again, and goes on listening."""
    one, two = members.join(), members.join()
    hold = asyncio.Event()
    held = asyncio.create_task(one.ask("a", hold=hold))
    await members.until_asked()
    waiting = asyncio.create_task(two.ask("b"))
    await members.until_in_line(1)
    assert two.budget._waiter
    for message in (b"\xff", b"", two.budget._waiter.number.encode() + b" soon"):
        assert members.server.call("PUBLISH", two.budget._own_channel, message) == 1
        assert members.server.call("PUBLISH", two.budget._name, message) == 2
    members.server.call(
        "HSET", one.budget._name, "why", b"\xff of \xff", "rest", int(members.state()["fence"]) + 300_000
    )
    hold.set()
    await asyncio.gather(held, waiting)
    assert members.paths == ["a", "b"]


@asynccontextmanager
async def _tcp(server: RedisServer) -> AsyncGenerator[str]:
    """A port of the server, which else has none."""
    async with _proxy(server, 0.0) as url:
        yield url.rpartition(":")[2]


@asynccontextmanager
async def _proxy(server: RedisServer, delay: float | None) -> AsyncGenerator[str]:
    """A way to the server on which each message takes so long; None: none arrives."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(2**16):
                if delay is not None:
                    await asyncio.sleep(delay)
                    writer.write(data)
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(server.socket)
        await asyncio.gather(copy(reader, back), copy(there, writer), return_exceptions=True)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.ensure_future(serve(reader, writer)))

    serving: list[asyncio.Future[None]] = []
    async with await asyncio.start_server(accept, "127.0.0.1", 0) as listening:
        try:
            yield f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        finally:
            listening.close()  # first, or somebody new might come; from Python 3.12 on it waits for all who are there
            for each in serving:
                each.cancel()
            await asyncio.gather(*serving, return_exceptions=True)


async def test_a_slow_way_to_redis(own: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers that take 200 ms cost time, but neither order nor spacing."""
    monkeypatch.setattr(redis_budget, "_MARGIN", 1.0)
    near = own.join(interval=0.05)
    async with _proxy(own.server, 0.1) as url:
        far = own.join(url, interval=0.05)
        await asyncio.gather(near.ask("a"), far.ask("b"), near.ask("c"))
        await near.ask("d")
        assert len(own.asked) == 4
        assert min(own.gaps) > 0.0499
        await own.aclose()


async def test_a_way_on_which_nothing_arrives(own: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis that does not answer is Redis that cannot be reached."""
    monkeypatch.setattr(connection, "TIMEOUT", 0.05)
    async with _proxy(own.server, None) as url:
        one = own.join(url)
        with pytest.raises(BudgetUnreachable, match="cannot be reached"):
            await one.ask("a")
        await own.aclose()


async def test_a_wrong_password(own: Members, caplog: pytest.LogCaptureFixture) -> None:
    """It is refused, and told nowhere."""
    own.server.call("CONFIG", "SET", "requirepass", "right")
    one = own.join(f"unix://:hush-hush@{own.server.socket}", known=False)
    with pytest.raises(BudgetUnreachable, match="invalid username-password") as caught:
        await one.ask("a")
    assert "hush" not in str(caught.value) + caplog.text
    await own.aclose()


async def test_a_full_server(own: Members) -> None:
    """A server that takes nothing more is as good as unreachable, until it has room."""
    one = own.join()
    own.server.call("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", 1)
    with pytest.raises(BudgetUnreachable, match="maxmemory"):
        await one.ask("a")
    own.server.call("CONFIG", "SET", "maxmemory", 0)
    assert await one.ask("a") == "a 1"
    await own.aclose()


async def test_a_server_that_takes_no_more_clients(own: Members) -> None:
    """Nor is one that refuses connections within reach."""
    own.server.call("CONFIG", "SET", "maxclients", 1)
    one = own.join(known=False)
    with own.server.subscriber("x"), pytest.raises(BudgetUnreachable):
        await one.ask("a")
    await own.aclose()


async def test_a_cancelled_waiter_gives_back_the_turn_that_came_just_then(members: Members) -> None:
    """Who is cancelled while Redis gives him a turn holds nobody up for a lease."""
    one, two = members.join(timeout=60.0), members.join(timeout=60.0)
    await one.ask("a")
    await one.has_given_back()
    run = Connection.run

    async def run_and_cancel(*args: Any) -> Reply:
        said = await run(*args)
        if said.what == "turn":
            asking.cancel()
            await asyncio.sleep(0)
        return said

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "run", run_and_cancel)
        asking = asyncio.create_task(one.ask("b"))
        with pytest.raises(asyncio.CancelledError):
            await asking
        await one.has_given_back()
    async with asyncio.timeout(10.0):
        await two.ask("c")
    assert members.paths == ["a", "c"]


async def test_a_rest_that_redis_lost_is_told_again(own: Members) -> None:
    """Whoever heard of it tells it with his next question, so that it holds for those who come later."""
    one, later = own.join(timeout=0.1), own.join(timeout=0.1)
    await one.ask("a")
    await one.has_given_back()
    own.server.kill()
    await one.budget.rest(900.0, _LIMITED)
    own.server.start()
    with pytest.raises(RateLimited):
        await one.ask("b")
    with pytest.raises(RateLimited) as caught:
        await later.ask("c")
    assert caught.value.retry_after == pytest.approx(900.0, abs=30.0)
    assert own.paths == ["a"]
    await own.aclose()


async def test_all_in_the_line_of_a_process_are_told_at_once(own: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    """When Redis does not answer, nobody waits until those before him have found out one after another."""
    monkeypatch.setattr(connection, "TIMEOUT", 0.25)
    one = own.join(timeout=60.0)
    await one.ask("a")
    await one.has_given_back()
    own.server.stop()
    loop = asyncio.get_running_loop()
    before = loop.time()
    outcomes = await asyncio.gather(*(one.ask(f"{n}", 30.0 * (n % 2)) for n in range(40)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {BudgetUnreachable}
    assert len({id(outcome) for outcome in outcomes}) == 40
    assert loop.time() - before < 7.0  # one after another, it would be 10 and more
    own.server.go_on()
    async with asyncio.timeout(10.0):  # though Redis now carries out what it was asked then: a turn, for a minute
        assert await one.ask("b") == "b 2"
    await own.aclose()


async def test_a_turn_that_comes_late_is_not_begun(members: Members) -> None:
    """A request that began late in its lease might be in the air beyond it."""
    one = members.join(timeout=60.0, interval=0.3)
    await one.ask("a")
    await one.has_given_back()
    members.server.call("HSET", one.budget._name, "left", 0)
    turns: list[str] = []

    async def send(turn: Turn) -> str:
        turns.append(members.state()["fence"])
        await turn.depart()
        return ""

    fence = int(members.state()["fence"])
    await one.budget.fetch(wish_for(), send)
    assert len(turns) == 1
    assert int(turns[0]) > fence + 200_000  # the one that came at once was given back


@pytest.mark.parametrize(
    ("field", "value"),
    [("ends", "nan"), ("left", "soon"), ("rest", "1e300"), ("held", "-1"), ("fence", "inf"), ("slowed", b"\xff")],
)
async def test_rubbish_in_the_state_counts_as_nothing_known(members: Members, field: str, value: str | bytes) -> None:
    """It ends nothing: a lease passes, as with a server that began anew."""
    one = members.join(timeout=0.02)
    await one.ask("a")
    await one.has_given_back()
    before = asyncio.get_running_loop().time()
    members.server.call("HSET", one.budget._name, field, value, "another", "field")
    await one.ask("b")
    assert members.asked[1][1] - before > 0.11


async def test_rubbish_in_the_line_is_passed_over(members: Members) -> None:
    """Whatever stands in the line, if no process answers to it, nobody waits for it."""
    one = members.join()
    for number, ticket in enumerate((b"", b"\xff", b":", b"a:b", b"::::", b"a:b:c", b"x" * 100_000), 1):
        members.server.call("ZADD", f"{one.budget._name}:line", number, ticket)
    await one.ask("a")
    assert not members.line()


@pytest.mark.parametrize("kind", ["a list", "no moment", "half a moment"])
async def test_rubbish_in_place_of_an_answer_is_none(members: Members, kind: str) -> None:
    """The pool is asked."""
    one = members.join()
    await one.ask("a", 30.0)
    await one.has_given_back()
    (key,) = (key for key in members.server.all_keys() if key.startswith(f"{one.budget._name}:answer:"))
    moment = members.server.call("GET", key)[:14]
    members.server.call("DEL", key)
    if kind == "a list":
        members.server.call("RPUSH", key, "x")
    else:
        members.server.call("SET", key, b"rubbish" if kind == "no moment" else moment + b"\0\xff")
    assert (await one.ask("a", 30.0)).startswith("a ")


async def test_what_others_do_to_the_server(members: Members) -> None:
    """Scripts, connections and keys may vanish at any time: waiters go on."""
    one, two = members.join(timeout=0.2), members.join(timeout=0.2)
    for command in ["SCRIPT FLUSH", "CLIENT KILL TYPE pubsub", "CLIENT KILL TYPE normal", "FLUSHALL"]:
        hold = asyncio.Event()
        held = asyncio.create_task(one.ask(command, hold=hold))
        await members.until_asked(len(members.asked) + 1)
        waiting = asyncio.create_task(two.ask(command))
        await members.until_in_line(1)
        members.server.call(*command.split())
        hold.set()
        await asyncio.gather(held, waiting)
    assert len(members.asked) == 8


async def test_failover_to_a_replica_that_lags(own: Members, tmp_path: Path) -> None:
    """The replica that is promoted knows nothing of who is in the air: a lease and the interval pass."""
    (tmp_path / "replica").mkdir()
    replica = RedisServer(tmp_path / "replica")
    replica.start()
    async with _tcp(own.server) as port:
        one, two = (own.join(timeout=0.3, interval=0.1) for _ in range(2))
        await one.ask("a")
        await one.has_given_back()
        own.server.call("CONFIG", "SET", "repl-diskless-sync-delay", 0)
        replica.call("REPLICAOF", "127.0.0.1", port)
        while not replica.all_keys():  # noqa: ASYNC110  # Redis tells nobody
            await asyncio.sleep(0.01)
    replica.call("REPLICAOF", "NO", "ONE")  # what follows does not reach it
    hold = asyncio.Event()
    held = asyncio.create_task(one.ask("b", hold=hold))
    await own.until_asked(2)
    own.server.kill()
    replica.move_to(own.server.socket)
    later = asyncio.create_task(two.ask("c"))
    await asyncio.sleep(0.1)
    hold.set()
    assert await held == "b 2"
    assert await later == "c 3"
    assert own.gaps[1] > 0.3 + 0.1 - 0.01
    await own.aclose()
    replica.kill()
