"""A client that shares its budget through Redis: what is passed, what is missing, and the whole way of a call."""

import sys
from pathlib import Path
from typing import cast

import pytest

from bitminter_async import BudgetUnreachable, Client, Redis
from bitminter_async._session.budget.redis import RedisBudget
from tests.support.redis import RedisServer, needs_redis
from tests.support.samples import POOL, STATS
from tests.support.transport import Fake, answer


@pytest.mark.parametrize("share", ["redis://host/0", Redis("rediss://host", alone=30.0), "unix:///run/redis"])
def test_what_can_be_passed(share: str | Redis) -> None:
    """The URL of a server, or a Redis, makes a budget that is shared through it; nothing is connected yet."""
    assert isinstance(Client(base_url=POOL, share=share)._session._budget, RedisBudget)


def test_a_password_is_not_shown() -> None:
    """What is wrong with a URL is told without it."""
    with pytest.raises(ValueError, match="must begin with redis://") as caught:
        Client(base_url=POOL, share="http://:secret@host")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:sec/ret@host",
        "redis://:secret#1@host",
        "redis://u:secret?@host",
        "redis://[:secret@host",
        "redis://:7#secret@host",
    ],
)
def test_a_password_that_is_not_encoded(url: str) -> None:
    """It is told how to write it, and not shown."""
    with pytest.raises(ValueError, match="%2F") as caught:
        Client(base_url=POOL, share=url)
    assert "sec" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize("query", ["colour=secret", "db=secret"])
def test_an_option_that_nobody_knows(query: str) -> None:
    """It is refused at once, not at the first call."""
    with pytest.raises(ValueError, match="option that redis-py does not know") as caught:
        Client(base_url=POOL, share=f"redis://host?{query}")
    assert "secret" not in str(caught.value)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the packages of the extra are missing, one sentence says what to install."""
    for module in ("redis", "connection"):
        monkeypatch.delitem(sys.modules, f"bitminter_async._session.budget.{module}")
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ModuleNotFoundError, match=r"bitminter-async\[redis\]"):
        Client(base_url=POOL, share="redis://host")


@pytest.mark.socket
async def test_a_call_that_redis_fails_is_not_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It fails at once, and one warning tells of the outage, however many calls fail in it."""
    transport = Fake()
    async with Client(base_url=POOL, share=f"unix://{tmp_path}/nothing", transport=transport) as client:
        for _ in range(2):
            with pytest.raises(BudgetUnreachable):
                await client.pool.stats()
        assert client.receipt.retried == 0
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert not transport.sent


@needs_redis
@pytest.mark.socket
async def test_two_clients_ask_once(shared_server: RedisServer) -> None:
    """What one client has asked serves another."""
    transport, unused = Fake(answer(STATS)), Fake()
    first = Client(base_url=POOL, share=shared_server.url, transport=transport)
    second = Client(base_url=POOL, share=Redis(shared_server.url), transport=unused)
    shared_server.know(cast("RedisBudget", first._session._budget))
    async with first, second:
        stats = await first.pool.stats()
        assert await second.pool.stats() == stats
        assert second.receipt.requests == 0


@needs_redis
@pytest.mark.socket
async def test_who_must_not_wait_is_served_where_nobody_is_in_the_way(
    shared_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it takes to ask others is no wait: `max_wait=0` fails where somebody is in the way, and only then."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for share in (shared_server.url, "machine"):
        transport = Fake(answer(STATS), repeat=True)
        client = Client(base_url=POOL, share=share, interval=0, max_wait=0, max_age=0, transport=transport)
        if share != "machine":
            shared_server.know(cast("RedisBudget", client._session._budget))
        async with client:
            for _ in range(5):
                await client.pool.stats()
        assert len(transport.sent) == 5
