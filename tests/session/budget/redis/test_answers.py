"""Answers shared through Redis: equal questions are one request, and a user's answer is read by nobody else."""

import asyncio
import json
from typing import Any

import pytest

from bitminter_async import DecodeError
from bitminter_async._session.budget import redis as redis_budget
from bitminter_async._session.budget.base import Turn
from bitminter_async._session.session import Session
from bitminter_async._wire.key import ApiKey
from bitminter_async.endpoints.pool import Pool
from bitminter_async.endpoints.users import Users
from tests.support.fleet import wish_for
from tests.support.redis import Members, needs_redis
from tests.support.samples import KEY, POOL, STATS, USER
from tests.support.transport import Fake, answer
from tests.support.wires import make_wire

pytestmark = [pytest.mark.socket, needs_redis]

_OTHER_KEY = "B" * 32


async def test_an_answer_serves_all_while_it_is_young(members: Members) -> None:
    """Who asks what another has asked gets the same answer without a request, if it is young enough for him."""
    one, two = members.join(), members.join()
    assert await one.ask("a", 30.0) == "a 1"
    await one.has_given_back()
    assert await two.ask("a", 30.0) == "a 1"
    assert await one.ask("a", 30.0) == "a 1"
    assert await two.ask("a", 0.0) == "a 2"
    assert await two.ask("b", 30.0) == "b 3"


async def test_an_answer_grows_old(members: Members) -> None:
    """The age counts from when the request left, not from when its answer came."""
    one, two = members.join(), members.join()
    hold = asyncio.Event()
    asking = asyncio.create_task(one.ask("a", 30.0, hold=hold))
    await asyncio.sleep(0.1)
    hold.set()
    await asking
    await one.has_given_back()
    assert await two.ask("a", 0.05) == "a 2"
    await two.has_given_back()
    ages: list[float] = []
    wish = wish_for("a", 30.0)

    async def send(_: Turn) -> str:
        raise AssertionError("there is an answer")

    def unpack(body: bytes, age: float) -> str:
        ages.append(age)
        return body.decode()

    departed = members.asked[-1][1]
    wish = type(wish)(wish.call, 30.0, None, wish.pack, unpack)
    now = asyncio.get_running_loop().time()
    assert await one.budget.fetch(wish, send) == "a 2"
    assert now - departed <= ages[0]


async def test_those_who_wait_for_the_same_are_served_together(members: Members) -> None:
    """A request that leaves after a question was put answers it, however young the answer must be."""
    one, two, three = members.join(), members.join(), members.join()
    hold = asyncio.Event()
    first = asyncio.create_task(one.ask("other", hold=hold))
    await members.until_asked()
    waiting = [asyncio.create_task(asker.ask("a", 0.0)) for asker in (two, three)]
    await members.until_in_line(2)
    hold.set()
    await first
    assert len(set(await asyncio.gather(*waiting))) == 1
    assert members.paths == ["other", "a"]


async def test_what_is_kept_is_had_past_a_busy_queue(members: Members) -> None:
    """A question whose answer is kept does not wait behind others of its process."""
    one, two = members.join(), members.join()
    await two.ask("a", 30.0)
    await two.has_given_back()
    hold = asyncio.Event()
    held = asyncio.create_task(one.ask("b", hold=hold))
    await members.until_asked(2)
    assert await one.ask("a", 30.0) == "a 1"
    waiting = asyncio.create_task(one.ask("c", 30.0))
    hold.set()
    assert await waiting == "c 3"
    await held


async def test_answers_that_are_too_large_or_of_no_use_are_not_kept(
    members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis is not filled with megabytes, nor with what nobody can use."""
    one, two = members.join(), members.join()
    monkeypatch.setattr(redis_budget, "_LARGEST", 2)
    await one.ask("a", 30.0)
    await one.has_given_back()
    assert await two.ask("a", 30.0) == "a 2"


async def test_many_questions_leave_little_behind(members: Members) -> None:
    """Every key has a time to live, stands in the pool's own hash slot, and an answer takes one."""
    one = members.join()
    for number in range(40):
        await one.ask(f"{number}", 5.0)
    await one.has_given_back()
    slot = one.budget._name
    keys = [key for key in members.server.all_keys() if key.startswith(slot)]
    assert len(keys) == 41  # the state and the answers; there is no line, since nobody waits
    assert all(0 < members.server.call("TTL", key) <= 8 * 86400 for key in keys)
    assert all(members.server.call("TTL", key) <= 60 for key in keys if ":answer:" in key)


def _bytes_in(members: Members) -> bytes:
    """All that Redis holds, keys and values."""
    held = b""
    for key in members.server.all_keys():
        held += key.encode()
        if members.server.call("TYPE", key) == b"string":
            held += members.server.call("GET", key)
        elif members.server.call("TYPE", key) == b"hash":
            held += repr(members.server.call("HGETALL", key)).encode()
    return held


async def test_a_users_answer_is_for_the_owner_of_the_key(members: Members) -> None:
    """It serves whoever has the same key, and nobody else; neither key, name nor balance stand in Redis."""
    one, two, thief, public = (members.join() for _ in range(4))
    mine: dict[str, Any] = {"key": ApiKey(KEY)}
    path = "users/balance-of-bob"
    assert await one.ask(path, 30.0, **mine) == f"{path} 1"
    await one.has_given_back()
    assert await two.ask(path, 30.0, **mine) == f"{path} 1"
    assert await thief.ask(path, 30.0, key=ApiKey(_OTHER_KEY)) == f"{path} 2"
    assert await two.ask(path, 30.0, **mine) == f"{path} 1"
    assert KEY.encode() not in _bytes_in(members)
    assert b"bob" not in _bytes_in(members)
    assert await public.ask(path, 30.0) == f"{path} 3"


@pytest.mark.parametrize("change", ["a bit", "its moment", "its question", "short", "empty"])
async def test_a_changed_answer_counts_as_absent(members: Members, change: str) -> None:
    """What somebody has written in place of a user's answer is never read: the pool is asked."""
    one, two = members.join(), members.join()
    mine: dict[str, Any] = {"key": ApiKey(KEY)}
    await one.ask("users/a", 3600.0, **mine)
    await one.ask("users/b", 3600.0, **mine)
    await one.has_given_back()
    a, b = (
        f"{one.budget._name}:answer:{one.budget._seals[mine['key']].name(wish_for(path).call)}"
        for path in ("users/a", "users/b")
    )
    sealed: bytes = members.server.call("GET", a)
    forged = {
        "a bit": sealed[:-1] + bytes([sealed[-1] ^ 1]),
        "its moment": f"{int(sealed[:16]) + 1:016}".encode() + sealed[16:],
        "its question": members.server.call("GET", b),
        "short": sealed[:20],
        "empty": b"",
    }[change]
    members.server.call("SET", a, forged)
    assert await two.ask("users/a", 3600.0, **mine) == "users/a 3"
    await two.has_given_back()
    assert await one.ask("users/a", 3600.0, **mine) == "users/a 3"


async def test_sessions_share_what_the_pool_said(members: Members) -> None:
    """A session decodes for itself what another has fetched; its age counts in its own cache, too."""
    transports = Fake(answer(STATS)), Fake()
    sessions = [
        Session(make_wire(transport), members.join(base_url=POOL).budget, max_age=30.0, attempts=1)
        for transport in transports
    ]
    stats = await Pool(sessions[0]).stats()
    await asyncio.wait(members.budgets[0]._tasks)
    assert await Pool(sessions[1]).stats() == stats
    assert await Pool(sessions[1]).stats(max_age=3600.0) == stats
    assert len(transports[0].sent) == 1
    assert not transports[1].sent
    assert [session.receipt.requests for session in sessions] == [1, 0]


async def test_sessions_share_nothing_that_cannot_be_read(members: Members) -> None:
    """Rubbish, and errors, are told to the one who got them."""
    transports = Fake(answer(b"<html>")), Fake(answer(STATS)), Fake(answer(b"", 404), answer(STATS))
    sessions = [
        Session(make_wire(transport), members.join(base_url=POOL).budget, max_age=30.0, attempts=1)
        for transport in transports
    ]
    with pytest.raises(DecodeError):
        await Pool(sessions[0]).stats()
    with pytest.raises(Exception, match="404"):
        await Pool(sessions[2]).stats()
    await Pool(sessions[1]).stats()
    assert [len(transport.sent) for transport in transports] == [1, 1, 1]


async def test_a_session_shares_a_users_answer_sealed(members: Members) -> None:
    """The key's owner is known to every session with that key, and to no reader of Redis."""
    transports = Fake(answer(USER)), Fake()
    sessions = [
        Session(make_wire(transport), members.join(base_url=POOL).budget, max_age=30.0, attempts=1)
        for transport in transports
    ]
    user = await Users(sessions[0]).get()
    await asyncio.wait(members.budgets[0]._tasks)
    assert await Users(sessions[1]).get() == user
    assert json.dumps(USER["name"]).encode() not in _bytes_in(members)
