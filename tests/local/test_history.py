"""The local pool's blocks and shifts: every field that is documented, and how they agree."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitminter_async.local import LocalPool
from bitminter_async.local._server import answers
from bitminter_async.local._world.world import World
from tests.support.pools import SEEDS, USERS, ask, few_examples, make_pool

BLOCK = {
    "id": int,
    "chain": str,
    "hash": str,
    "height": int,
    "difficulty": float,
    "income": float,
    "accepted": int,
    "rejected": int,
    "status": str,
    "confirmations_left": int,
    "generator": str,
    "generated": int,
    "duration": int,
}
SHIFT = {
    "id": int,
    "difficulty": float,
    "accepted": int,
    "rejected": int,
    "score": float,
    "completed": int,
    "duration": int,
}


def ask_all(pool: LocalPool, kind: str) -> list[Any]:
    """Return the whole list of blocks or shifts, oldest first."""
    records: list[Any] = []
    while page := ask(pool, f"pool/{kind}{'&' if '?' in kind else '?'}max=50&offset={len(records)}")[0]:
        records += page
    return records[::-1]


@few_examples
@given(seed=SEEDS)
def test_blocks_agree_with_one_another(seed: int) -> None:
    """Blocks have the documented fields and order; each one's round ended with it, by work that earned it."""
    pool = make_pool(seed, days=4)
    blocks = ask_all(pool, "blocks")
    now = int(pool.now.timestamp())
    users = set(USERS) | set(ask(pool, "pool/top50")[0])
    assert 60 < len(blocks) < 260
    assert [block["id"] for block in blocks] == sorted({block["id"] for block in blocks})
    assert blocks[-1]["id"] - blocks[0]["id"] >= len(blocks)
    assert [block["generated"] for block in blocks] == sorted(block["generated"] for block in blocks)
    assert len(users & {block["generator"] for block in blocks}) > 5
    for block in blocks:
        assert {name: type(value) for name, value in block.items()} == BLOCK
        assert len(block["hash"]) == 64
        assert int(block["hash"], 16) <= 2**224 / block["difficulty"]
        assert block["generated"] <= now
        assert block["accepted"] > 20 * block["rejected"] >= 0
        assert block["income"] == round(block["income"], 8)
        assert (25 if block["chain"] == "BTC" else 50) < block["income"] < 50.3
        if block["duration"] > 600:
            assert 1_000_000 < block["accepted"] * 2**32 / block["duration"] / 1e9 < 2_400_000
    for chain in ("BTC", "NMC"):
        mined = [block for block in blocks if block["chain"] == chain]
        assert mined == ask_all(pool, f"blocks?commodity={chain}")
        heights = [block["height"] for block in mined]
        assert heights == sorted(set(heights))
        for last, block in pairwise(mined):
            assert block["duration"] == block["generated"] - last["generated"]
        effort = sum(block["accepted"] / block["difficulty"] for block in mined) / len(mined)
        assert 0.5 < effort < 2


def test_blocks_come_as_often_as_chance_has_it() -> None:
    """Over half a year the blocks take as much work as their difficulty says, and a few of them are lost."""
    pool = make_pool(days=150)
    blocks = ask_all(pool, "blocks")
    assert sum(block["accepted"] / block["difficulty"] for block in blocks) / len(blocks) == pytest.approx(1, abs=0.06)
    late = sum(block["accepted"] > 2 * block["difficulty"] for block in blocks) / len(blocks)
    assert late == pytest.approx(0.135, abs=0.03)
    assert 13 < sum(block["chain"] == "BTC" for block in blocks) / 150 < 17
    assert len({block["difficulty"] for block in blocks}) > 18
    old = [block for block in blocks if block["generated"] < pool.now.timestamp() - 86_400]
    shares = {status: sum(block["status"] == status for block in old) / len(old) for status in ("stale", "orphan")}
    assert 0.003 < shares["stale"] < 0.02
    assert 0.01 < shares["orphan"] < 0.032
    for block in old:
        assert block["confirmations_left"] == {"confirmed": 0, "stale": -1, "orphan": -1}[block["status"]]


def test_statuses_only_go_forward() -> None:
    """A block is processed, then unconfirmed with ever fewer confirmations left, then settled for good."""
    pool = make_pool(seed=3)
    seen: dict[int, list[tuple[str, int]]] = {}
    for _ in range(400):
        for block in ask(pool, "pool/blocks?max=50")[0]:
            states = seen.setdefault(block["id"], [])
            states.append((block["status"], block["confirmations_left"]))
        pool.advance(400)
    last: set[str] = set()
    for states in seen.values():
        lefts = [left for _, left in states]
        assert lefts == sorted(lefts, reverse=True)
        assert all((left > 0) == (status in {"processing", "unconfirmed"}) for status, left in states)
        order = {"processing": 0, "unconfirmed": 1, "confirmed": 2, "orphan": 2, "stale": 2}
        assert [order[status] for status, _ in states] == sorted(order[status] for status, _ in states)
        last.add(states[-1][0])
    assert {"confirmed", "unconfirmed"} < last


@few_examples
@given(seed=SEEDS)
def test_shifts_agree_with_one_another(seed: int) -> None:
    """Shifts have the documented fields and order, follow one another hour by hour, and match the hash rate."""
    pool = make_pool(seed, days=3)
    pool.advance(timedelta(hours=7))
    shifts = ask_all(pool, "shifts")
    assert len(shifts) == 79
    assert [shift["id"] for shift in shifts] == sorted({shift["id"] for shift in shifts})
    assert shifts[-1]["id"] - shifts[0]["id"] >= len(shifts)
    for last, shift in pairwise(shifts):
        assert shift["completed"] - shift["duration"] == last["completed"]
    for shift in shifts:
        assert {name: type(value) for name, value in shift.items()} == SHIFT
        assert shift["duration"] == 3600
        assert 1_100_000 < shift["accepted"] * 2**32 / shift["duration"] / 1e9 < 2_300_000
        assert shift["accepted"] > 20 * shift["rejected"] > 0
        assert shift["score"] == pytest.approx(shift["accepted"] / shift["difficulty"] * 1e6)


def test_the_world_begins_when_it_is_told() -> None:
    """`now` and `history` place the world in time, with the rewards that its heights imply."""
    moment = datetime(2016, 1, 1, tzinfo=UTC)
    pool = make_pool(now=moment, days=3)
    assert pool.now == moment
    blocks, shifts = ask(pool, "pool/blocks?commodity=NMC&max=50", "pool/shifts?max=50&offset=22")
    assert all(25 < block["income"] < 25.1 for block in blocks)
    assert moment.timestamp() - shifts[-1]["completed"] == pytest.approx(3 * 86_400, abs=3600)


def test_a_balance_grows_when_a_block_is_confirmed() -> None:
    """A confirmed block's income is shared out; an orphaned one's and a withdrawn one's are not."""
    paid: list[float] = []
    for end in ("confirmed", "orphaned", "withdrawn"):
        pool = make_pool(seed=5)
        block = pool.find_block()
        if end == "orphaned":
            pool.orphan(block)
        if end == "withdrawn":
            pool.withdraw_block(block)
        before = ask(pool, "users")[0]["balances"]["BTC"]
        pool.advance(timedelta(hours=20))
        paid.append((ask(pool, "users")[0]["balances"]["BTC"] - before) % 1)
    assert paid[0] - paid[1] == pytest.approx(25 * 9 / 1700, rel=0.02)
    assert paid[1] == pytest.approx(paid[2])


@few_examples
@given(seed=SEEDS, days=st.integers(0, 8))
def test_what_is_old_is_forgotten(seed: int, days: int) -> None:
    """A world that forgets shows what one that keeps all shows of the time that it keeps, and the present alike."""
    start = 1_400_000_000
    whole, short = World(seed, start), World(seed, start, kept=days * 86_400)
    for world in (whole, short):
        for day in range(1, 11):
            world.advance(start + day * 86_400 + 1000)
    kept = [block.id for block in short.blocks]
    first = whole.now - 1000 - days * 86_400  # counted from the end of the last shift
    assert kept == [block.id for block in whole.blocks if block.found.time >= first]
    assert len(short.shifts) == days * 24
    assert short.shifts == whole.shifts[len(whole.shifts) - days * 24 :]
    assert answers.pool_round(short) == answers.pool_round(whole)
    assert [answers.user(short, name) for name in short.users] == [answers.user(whole, name) for name in whole.users]


def test_a_pool_keeps_a_year_or_its_history() -> None:
    """Nothing is forgotten that the pool began with, nor in its first year; what is older goes, hour by hour."""
    pool = LocalPool(history=timedelta(days=1))
    pool.advance(timedelta(days=364))
    world = pool._world
    shifts, block = len(world.shifts), world.blocks[0].id
    assert shifts == 365 * 24
    pool.advance(timedelta(days=3))
    assert len(world.shifts) == 366 * 24
    with pytest.raises(LookupError, match="no block"):
        pool.orphan(block)
    assert len(LocalPool(history=timedelta(days=400))._world.shifts) == 400 * 24
