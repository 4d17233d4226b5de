"""The local pool's present as its API shows it: every field that is documented, and how the numbers agree."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitminter_async.local._world.world import World
from tests.support.pools import SEEDS, USERS, ask, ask_user, few_examples, make_pool


@few_examples
@given(seed=SEEDS, hours=st.integers(0, 100))
def test_stats_are_the_sums_over_the_users(seed: int, hours: int) -> None:
    """The pool's figures stand alone and together alike, have four significant digits, and cover the fastest fifty."""
    pool = make_pool(seed)
    pool.advance(timedelta(hours=hours))
    stats, rate, workers, users, top = ask(
        pool, "pool/stats", "pool/hashrate", "pool/workers", "pool/users", "pool/top50"
    )
    assert stats == {"hash_rate": rate, "active_workers": workers, "active_users": users}
    assert type(rate) is int
    assert rate % 1000 == 0
    assert 1_100_000 < rate < 2_300_000
    assert len(top) == 50
    assert list(top.values()) == sorted(top.values(), reverse=True)
    assert 0.8 * rate < sum(top.values()) / 1000 < rate * 1.0005
    assert 50 <= users <= 73
    assert users <= workers
    for name, megahashes in list(top.items())[:3]:
        assert ask_user(pool, name)["hash_rate"] == megahashes


def test_the_hash_rate_is_measured_every_20_seconds() -> None:
    """The rates stay the same for 20 seconds, and change from one measurement to the next."""
    pool = make_pool()
    rates: list[int] = []
    for _ in range(30):
        first = ask(pool, "pool/hashrate", "pool/top50")
        pool.advance(19)
        assert ask(pool, "pool/hashrate", "pool/top50") == first
        pool.advance(1)
        rates.append(first[0])
    assert len(set(rates)) > 15


def test_every_user_sums_up_their_workers() -> None:
    """A user has the documented fields; active workers, hash rate and the shift's work are those of the workers."""
    pool = make_pool(days=5)
    (first_top,) = ask(pool, "pool/top50")
    shift_start = ask_user(pool)["shift"]["start"]
    before = {name: ask_user(pool, name) for name in first_top}
    pool.advance(1900)
    for name, earlier in before.items():
        user = ask_user(pool, name)
        workers = user["workers"]
        assert user.keys() == {
            "name", "active_workers", "hash_rate", "now", "round_start", "shift", "balances", "workers",
        }  # fmt: skip
        assert user["name"] == name
        assert user["now"] == int(pool.now.timestamp())
        assert user["active_workers"] == sum(worker["alive"] for worker in workers)
        assert Decimal(str(user["hash_rate"])) == sum(Decimal(str(worker["hash_rate"])) for worker in workers)
        assert user["shift"].keys() == {"start", "accepted", "rejected", "user_score", "total_score"}
        assert user["shift"]["start"] == shift_start
        assert 0 <= user["shift"]["user_score"] <= user["shift"]["total_score"]
        assert user["balances"].keys() in ({"BTC"}, {"BTC", "NMC"})
        assert all(balance == round(balance, 8) and 0 <= balance < 1 for balance in user["balances"].values())
        for kind in ("accepted", "rejected"):
            done = [
                new["work"]["BTC"][f"total_{kind}"] - old["work"]["BTC"][f"total_{kind}"]
                for new, old in zip(workers, earlier["workers"], strict=True)
            ]
            assert user["shift"][kind] - earlier["shift"][kind] == sum(done)


@pytest.mark.parametrize("name", USERS)
def test_workers_only_ever_add_to_their_work(name: str) -> None:
    """A worker has the documented fields, is alive for 300 seconds after its last work, and its totals only grow."""
    pool = make_pool(days=1)
    earlier = ask_user(pool, name)
    for _ in range(40):
        pool.advance(5003)
        user = ask_user(pool, name)
        for old, new in zip(earlier["workers"], user["workers"], strict=True):
            assert new.keys() | {"last_work"} == {"name", "hash_rate", "last_work", "alive", "work"}
            last_work = new.get("last_work") or 0
            assert new["alive"] == (user["now"] - last_work <= 300)
            assert (new["hash_rate"] > 0) == new["alive"]
            assert last_work >= (old.get("last_work") or 0)
            assert new["work"].keys() == {"BTC", "NMC"}
            for commodity, work in new["work"].items():
                was = old["work"][commodity]
                assert list(work) == [f"{part}_{kind}" for part in ("total", "round", "checkpoint")
                                      for kind in ("accepted", "rejected")]  # fmt: skip
                assert work["round_accepted"] == work["round_rejected"] == 0
                for kind in ("accepted", "rejected"):
                    assert was[f"total_{kind}"] <= work[f"total_{kind}"]
                    assert was[f"checkpoint_{kind}"] == work[f"checkpoint_{kind}"] <= work[f"total_{kind}"]
                if new["alive"] and old["alive"] and last_work > old["last_work"] + 300:
                    assert work["total_accepted"] > was["total_accepted"]
        earlier = user


def test_workers_come_and_go() -> None:
    """In a world left to itself some workers fall idle, some come back, and some have never worked."""
    pool = make_pool(days=1)
    seen: dict[tuple[str, str], set[bool]] = {}
    unseen: list[Any] = []
    (top,) = ask(pool, "pool/top50")
    for _ in range(4):
        pool.advance(timedelta(hours=30))
        for name in top:
            for worker in ask_user(pool, name)["workers"]:
                seen.setdefault((name, worker["name"]), set()).add(worker["alive"])
                if not worker.get("last_work"):
                    unseen.append(worker)
    assert sum(len(states) == 2 for states in seen.values()) > 10
    assert unseen
    assert all(worker["work"]["BTC"]["total_accepted"] == 0 for worker in unseen)


def test_a_worker_that_never_worked_has_no_last_work() -> None:
    """Its last_work is 0, null or absent, as real answers had it, until it works."""
    pool = make_pool()
    names = [f"spare{number}" for number in range(20)]
    for name in names:
        pool.add_worker("dave", name, alive=False)
    spares = [worker for worker in ask_user(pool)["workers"] if worker["name"] in names]
    assert {worker.get("last_work", "absent") for worker in spares} == {0, None, "absent"}
    assert not any(worker["alive"] for worker in spares)
    for name in names:
        pool.set_worker_alive("dave", name, alive=False)
        pool.set_worker_alive("dave", name, alive=True)
    assert all(worker["last_work"] == ask_user(pool)["now"] for worker in ask_user(pool)["workers"])


@few_examples
@given(seed=SEEDS, seconds=st.integers(0, 10**5))
def test_the_round_agrees_with_everything_else(seed: int, seconds: int) -> None:
    """The round shows what stats, the current shift, the last blocks and the users' shifts show."""
    pool = make_pool(seed)
    pool.advance(seconds)
    stats, round_, shifts = ask(pool, "pool/stats", "pool/round", "pool/shifts?max=1")
    now = int(pool.now.timestamp())
    assert stats.items() <= round_.items()
    assert round_.keys() - stats.keys() == {
        "shift_accepted", "shift_rejected", "shift_duration", "shift_score", "chains",
    }  # fmt: skip
    assert round_["shift_duration"] == now - shifts[0]["completed"] < 3600
    user = ask_user(pool)
    assert user["shift"]["start"] == shifts[0]["completed"]
    assert user["shift"]["total_score"] == round_["shift_score"]
    assert user["round_start"].keys() == round_["chains"].keys() == {"BTC", "NMC"}
    for name, chain in round_["chains"].items():
        (last,) = ask(pool, f"pool/blocks?max=1&commodity={name}")
        assert chain.keys() == {"accepted", "rejected", "duration", "difficulty"}
        assert chain["duration"] == now - last[0]["generated"]
        assert user["round_start"][name] == last[0]["generated"]
        if chain["duration"] > 600:
            assert 1_000_000 < chain["accepted"] * 2**32 / chain["duration"] / 1e9 < 2_400_000
    if round_["shift_duration"] > 600:
        rate = round_["shift_accepted"] * 2**32 / round_["shift_duration"] / 1e9
        assert rate == pytest.approx(stats["hash_rate"], rel=0.2)


def test_the_current_shift_becomes_a_completed_one() -> None:
    """What the current shift had in its last second, the completed one has a second later, and a new one begins."""
    pool = make_pool()
    (round_,) = ask(pool, "pool/round")
    pool.advance(3599 - round_["shift_duration"])
    last, (before,) = ask(pool, "pool/round", "pool/shifts?max=1")
    assert last["shift_duration"] == 3599
    pool.advance(1)
    first, (shift,) = ask(pool, "pool/round", "pool/shifts?max=1")
    assert shift["id"] > before["id"]
    assert shift["completed"] == int(pool.now.timestamp())
    assert 1 < shift["accepted"] / last["shift_accepted"] < 1.001
    assert [first[f"shift_{part}"] for part in ("duration", "accepted", "rejected", "score")] == [0, 0, 0, 0]
    assert ask_user(pool)["shift"] == {
        "start": shift["completed"], "accepted": 0, "rejected": 0, "user_score": 0, "total_score": 0,
    }  # fmt: skip


def test_all_shifts_are_the_users_work() -> None:
    """The users' accepted work in the current shift adds up to the pool's, to one proof of work for each worker."""
    world = World(seed=1, start=1_400_000_000)
    world.advance(world.now + 100_000)
    _, *pool_work = world.work.until(world.now).since(world.shift_start)
    users = [user.shift_work(world.now, world.shift_start.time) for user in world.users.values()]
    for done, parts in zip(pool_work, zip(*users, strict=True), strict=True):
        assert sum(parts) == pytest.approx(done, abs=250)


@settings(max_examples=2, deadline=None)
@given(seed=SEEDS)
def test_a_users_workers_come_and_go_if_they_may(seed: int) -> None:
    """Workers that are not steady fall idle and come back by chance, as other users' do; steady ones mine on."""
    pool = make_pool(seed)
    pool.add_user("erin", workers=4, steady=False)
    alive: set[tuple[bool, ...]] = set()
    for _ in range(60):
        pool.advance(timedelta(hours=6))
        assert [worker["alive"] for worker in ask_user(pool)["workers"]] == [True] * 3
        alive.add(tuple(worker["alive"] for worker in ask_user(pool, "erin")["workers"]))
    assert len(alive) > 2
    pool.set_worker_alive("erin", "rig1", alive=True)
    pool.advance(timedelta(days=30))
    assert ask_user(pool, "erin")["workers"][0]["alive"]
    pool.remove_worker("erin", "rig2")
    pool.advance(timedelta(days=30))
    assert [worker["name"] for worker in ask_user(pool, "erin")["workers"]] == ["rig1", "rig3", "rig4"]
    shares = sum(worker["work"]["BTC"]["total_accepted"] for worker in ask_user(pool, "erin")["workers"])
    assert shares > 0
