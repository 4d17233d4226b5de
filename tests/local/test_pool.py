"""`LocalPool`: its clock, its client, and what moves the world by hand."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from bitminter_async.local import LocalPool
from bitminter_async.local._server import answers
from bitminter_async.local._world.world import World
from bitminter_async.testing import AutojumpLoop
from tests.support.pools import ask as ask_all

START = datetime(2014, 3, 1, 12, tzinfo=UTC)
SHORT = timedelta(days=1)


def ask(pool: LocalPool, path: str) -> Any:
    """Return the decoded answer to this path below /api, with dave's key."""
    return ask_all(pool, path)[0]


def ask_block(pool: LocalPool, block_id: int) -> dict[str, Any]:
    """Return a block of the latest page."""
    blocks: dict[int, dict[str, Any]] = {block["id"]: block for block in ask(pool, "pool/blocks?max=50")}
    return blocks[block_id]


def ask_workers(pool: LocalPool) -> dict[str, dict[str, Any]]:
    """Return dave's workers by name."""
    return {worker["name"]: worker for worker in ask(pool, "users")["workers"]}


def test_keys_look_like_keys() -> None:
    """A key is 32 of A-Z and 0-9, follows from seed and name, and may be given to a user of the world."""
    keys = {LocalPool(seed, history=SHORT).add_user(name) for seed in (1, 2) for name in ("dave", "Ada Lovelace")}
    assert len(keys) == 4
    assert all(len(key) == 32 and key.isalnum() and key.isascii() and key == key.upper() for key in keys)
    pool = LocalPool(2, history=SHORT)
    assert pool.add_user("dave") in keys
    assert pool.key_of("dave") in keys
    workers = ask(pool, "users/Ada Lovelace")["workers"]
    assert pool.add_user("Ada Lovelace", "secret") == "secret"
    assert ask(pool, "users/Ada Lovelace")["workers"] == workers
    pool.add_user("idler", workers=0)
    assert ask(pool, "users/idler")["workers"] == []


def test_time_stands_still_until_it_is_moved() -> None:
    """At speed 0 only `advance` moves time, by seconds and fractions of them or by a timedelta."""
    pool = LocalPool(now=START.astimezone(timezone(timedelta(hours=5))), history=SHORT)
    pool.add_user("dave")
    assert pool.now == START
    assert pool.now.tzinfo is UTC
    assert ask(pool, "users")["now"] == START.timestamp()
    for _ in range(3):
        pool.advance(0.5)
    pool.advance(timedelta(minutes=1))
    assert pool.now == START + timedelta(seconds=61.5)
    assert ask(pool, "users")["now"] == START.timestamp() + 61


def test_a_new_speed_holds_from_now_on() -> None:
    """Setting `speed` leaves the present as it is, and on a virtual clock the pool goes with that."""
    pool = LocalPool(history=SHORT)

    async def live() -> list[float]:
        seen: list[float] = []
        for speed in (0.0, 1.0, 60.0, 0.0):
            pool.speed = speed
            assert pool.speed == speed
            seen.append((pool.now - START).total_seconds())
            await asyncio.sleep(900)
        return [*seen, (pool.now - START).total_seconds()]

    with asyncio.Runner(loop_factory=AutojumpLoop) as runner:
        assert runner.run(live()) == pytest.approx([0, 0, 900, 54_900, 54_900])  # a datetime ends at microseconds


def test_speed_follows_the_clock_of_each_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time runs `speed` times as fast as the running loop's clock or the machine's; going over takes no time."""
    clock = [50.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    pool = LocalPool(speed=60, history=SHORT)
    clock[0] += 2
    assert pool.now == START + timedelta(seconds=120)
    for start in (0.0, 7000.0):

        async def live(seconds: float) -> None:
            loop = asyncio.get_running_loop()
            now = [seconds]
            monkeypatch.setattr(loop, "time", lambda: now[0])
            before = pool.now
            now[0] += 1.5
            assert pool.now == before + timedelta(seconds=90)

        asyncio.run(live(start))
    assert pool.now == START + timedelta(seconds=300)
    pool.advance(1)
    assert pool.now == START + timedelta(seconds=301)


@pytest.mark.parametrize("commodity", ["BTC", "NMC"])
def test_a_block_can_be_found(pool: LocalPool, commodity: str) -> None:
    """A found block is the latest, ends its round and no other, and goes its way to confirmation."""
    pool.advance(100)
    before = ask(pool, "pool/round")["chains"]
    block_id = pool.find_block(commodity)
    block = ask(pool, "pool/blocks?max=1")[0]
    assert block["id"] == block_id
    assert block["chain"] == commodity
    assert (block["status"], block["confirmations_left"]) == ("processing", 120)
    assert block["generated"] == int(pool.now.timestamp()) == ask(pool, "users")["round_start"][commodity]
    assert {name: block[name] for name in before[commodity]} == before[commodity]
    after = ask(pool, "pool/round")["chains"]
    assert after.pop(commodity) == {**before.pop(commodity), "accepted": 0, "rejected": 0, "duration": 0}
    assert after == before
    states: list[tuple[str, int]] = []
    for _ in range(21):
        pool.advance(3600)
        blocks = ask(pool, "pool/blocks?max=50")
        states += [(found["status"], found["confirmations_left"]) for found in blocks if found["id"] == block_id]
    assert states == [*(("unconfirmed", 120 - 6 * hour) for hour in range(1, 20)), *[("confirmed", 0)] * 2]


def test_blocks_found_at_once_are_blocks(pool: LocalPool) -> None:
    """Two blocks in the same second have rising ids and heights, and at least the one share that found each."""
    first, second = (ask_block(pool, pool.find_block()) for _ in range(2))
    assert first["id"] < second["id"]
    assert first["height"] < second["height"]
    assert (second["accepted"], second["rejected"], second["duration"]) == (1, 0, 0)


def test_found_blocks_are_never_lost_by_chance(pool: LocalPool) -> None:
    """However many blocks are found by hand, all of them will be confirmed."""
    found = [pool.find_block() for _ in range(150)]
    pool.advance(timedelta(hours=20))
    blocks = [block for offset in (0, 50, 100, 150, 200) for block in ask(pool, f"pool/blocks?max=50&offset={offset}")]
    assert {block["status"] for block in blocks if block["id"] in found} == {"confirmed"}


def test_a_block_can_be_orphaned(pool: LocalPool) -> None:
    """An orphaned block keeps its place with status orphan and -1 left; a settled one cannot be orphaned."""
    first, second = pool.find_block(), pool.find_block("NMC")
    pool.orphan(first)
    pool.advance(600)
    pool.orphan(second)
    for block_id in (first, second):
        block = ask_block(pool, block_id)
        assert (block["status"], block["confirmations_left"]) == ("orphan", -1)
        with pytest.raises(ValueError, match=f"block {block_id} is orphan already"):
            pool.orphan(block_id)
    settled = pool.find_block()
    pool.advance(timedelta(hours=20))
    assert ask_block(pool, first)["status"] == "orphan"
    with pytest.raises(ValueError, match="is confirmed already"):
        pool.orphan(settled)


def test_a_block_can_be_withdrawn(pool: LocalPool) -> None:
    """A withdrawn block is gone, its id is not used again, and the round is as if it had never ended."""
    before = ask(pool, "pool/blocks?max=50"), ask(pool, "pool/round"), ask(pool, "users")
    block_id = pool.find_block()
    assert ask(pool, "pool/round") != before[1]
    pool.withdraw_block(block_id)
    assert (ask(pool, "pool/blocks?max=50"), ask(pool, "pool/round"), ask(pool, "users")) == before
    settled = pool.find_block()
    assert settled > block_id
    pool.advance(timedelta(hours=20))
    assert ask_block(pool, settled)["status"] == "confirmed"
    pool.withdraw_block(settled)
    assert settled not in {block["id"] for block in ask(pool, "pool/blocks?max=50")}


def test_a_worker_can_be_made_idle_and_alive(pool: LocalPool) -> None:
    """A worker is idle or alive at once and stays so; the pool's figures follow; an idle one adds no work."""
    pool.advance(1000)
    before = ask(pool, "pool/stats")["active_workers"]
    pool.set_worker_alive("dave", "rig1", alive=False)
    idle = ask_workers(pool)["rig1"]
    now = int(pool.now.timestamp())
    assert (idle["alive"], idle["hash_rate"], idle["last_work"]) == (False, 0, now - 301)
    assert ask(pool, "users")["active_workers"] == 1
    assert ask(pool, "pool/stats")["active_workers"] == before - 1
    pool.set_worker_alive("dave", "rig1", alive=False)
    pool.advance(timedelta(days=20))
    assert ask_workers(pool)["rig1"] == idle
    assert ask_workers(pool)["rig2"]["alive"]
    for _ in range(2):
        pool.set_worker_alive("dave", "rig1", alive=True)
    assert ask_workers(pool)["rig1"]["alive"]
    pool.advance(60)
    assert ask_workers(pool)["rig1"]["work"]["BTC"]["total_accepted"] > idle["work"]["BTC"]["total_accepted"]


def test_a_worker_of_the_world_stays_as_it_is_told(pool: LocalPool) -> None:
    """A worker that came and went by itself does so no longer once it was told to be alive or idle."""
    name = ask(pool, "users/Ada Lovelace")["workers"][0]["name"]
    for alive in (False, True):
        pool.set_worker_alive("Ada Lovelace", name, alive)
        for _ in range(30):
            assert ask(pool, "users/Ada Lovelace")["workers"][0]["alive"] is alive
            pool.advance(timedelta(hours=23))


def test_workers_can_be_added_and_removed(pool: LocalPool) -> None:
    """An added worker begins from nothing; a removed one is gone, but its work in this shift stays the user's."""
    pool.add_worker("dave", "new")
    assert list(ask_workers(pool)) == ["rig1", "rig2", "new"]
    new = ask_workers(pool)["new"]
    assert new["alive"]
    assert new["work"]["BTC"]["total_accepted"] == 0
    pool.advance(600)
    shift = ask(pool, "users")["shift"]
    assert shift["accepted"] > ask_workers(pool)["new"]["work"]["BTC"]["total_accepted"] > 0
    pool.remove_worker("dave", "new")
    assert list(ask_workers(pool)) == ["rig1", "rig2"]
    assert ask(pool, "users")["shift"] == shift
    pool.advance(timedelta(hours=1))
    totals = [worker["work"]["BTC"]["total_accepted"] for worker in ask_workers(pool).values()]
    pool.advance(60)
    more = [worker["work"]["BTC"]["total_accepted"] for worker in ask_workers(pool).values()]
    assert ask(pool, "users")["shift"]["accepted"] >= sum(more) - sum(totals) > 0


def test_a_pool_where_nobody_works_finds_nothing() -> None:
    """With every worker idle there is no hash rate, no work and no block, but one can still be found by hand."""
    world = World(seed=1, start=1_400_000_000)
    for user in world.users.values():
        for worker in user.workers:
            world.set_worker_alive(user.name, worker.name, alive=False)
    world.advance(world.now + 200_000)
    assert world.blocks == []
    assert answers.stats(world) == {"hash_rate": 0, "active_workers": 0, "active_users": 0}
    assert world.shifts[-1]["accepted"] == 0
    assert set(answers.top50(world).values()) == {0}
    assert world.find_block("BTC").generator in world.users


async def test_a_client_comes_wired_to_the_pool(pool: LocalPool) -> None:
    """`client` talks to the pool in this process, unspaced, as a user if asked to; every option can be given."""
    async with pool.client(user="dave", user_agent="a bot", key_in="basic") as client:
        assert (await client.users.get()).name == "dave"
        assert (await client.pool.stats()).active_workers > 100
    assert [request.key_in for request in pool.requests] == ["basic", None]
    assert all((request.user_agent or "").startswith("a bot") for request in pool.requests)
    other = LocalPool(1, history=SHORT)
    async with pool.client(transport=httpx.ASGITransport(other.app), base_url="http://127.0.0.1") as client:
        await client.pool.users()
    assert len(other.requests) == 1
