"""Time in the local pool: any way through it leads to the same world, and the same seed to the same bytes."""

import hashlib
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from bitminter_async.local import LocalPool
from tests.support.pools import SEEDS, USERS, ask, few_examples, make_pool

ENDPOINTS = ["stats", "hashrate", "workers", "users", "round", "blocks?max=50", "shifts?max=50", "top50"]


def all_data(pool: LocalPool) -> str:
    """Return everything that the pool answers."""
    return json.dumps(
        ask(pool, *(f"pool/{name}" for name in ENDPOINTS), *(f"users/{quote(name, safe='')}" for name in USERS))
    )


@few_examples
@given(seed=SEEDS, steps=st.lists(st.floats(0, 20_000), min_size=1, max_size=5))
def test_one_way_through_time_is_as_good_as_another(seed: int, steps: list[float]) -> None:
    """Many short steps with reading in between lead to the same world as one long step; reading changes nothing."""
    stepping, leaping = make_pool(seed, 1), make_pool(seed, 1)
    for step in steps:
        stepping.advance(step)
        assert all_data(stepping) == all_data(stepping)
    leaping.advance(sum((timedelta(seconds=step) for step in steps), timedelta(0)))
    assert stepping.now == leaping.now
    assert all_data(stepping) == all_data(leaping)


def world_digest(seed: int) -> str:
    """Return a digest of all that a pool answers after a varied day."""
    pool = make_pool(seed)
    pool.add_user("eve")
    pool.advance(timedelta(hours=5))
    pool.withdraw_block(pool.find_block("NMC"))
    pool.orphan(pool.find_block())
    pool.set_worker_alive("Ada Lovelace", ask(pool, "users/Ada Lovelace")[0]["workers"][0]["name"], alive=False)
    pool.advance(timedelta(hours=20))
    return hashlib.sha256(all_data(pool).encode()).hexdigest()


def test_the_same_seed_makes_the_same_world_in_any_process() -> None:
    """Another process with other hashes answers the same, byte for byte; another seed does not."""
    script = f"from {__name__} import world_digest; print(world_digest(7))"
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    run = subprocess.run(  # noqa: S603  # this interpreter, this file
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == world_digest(7) != world_digest(8)
