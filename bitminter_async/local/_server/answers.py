"""What the pool answers: every endpoint's JSON, from a world that reading does not change."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from .._world.world import World

__all__ = ["WITHOUT_PARAMETERS", "blocks", "shifts", "user"]

T = TypeVar("T")

_GIGAHASH = 10**9
_THOUSANDS = -3
_TOP = 50


def hash_rate(world: World) -> int:
    """Return the pool's hash rate in Ghps: whole thousands, four significant digits."""
    rates = (worker.rate for user in world.users.values() for worker in user.workers if worker.alive(world.now))
    return round(int(float(f"{sum(rates) * world.curve.measured(world.now) / _GIGAHASH:.4g}")), _THOUSANDS)


def workers(world: World) -> int:
    """Return how many workers are alive."""
    return sum(user.active_workers(world.now) for user in world.users.values())


def users(world: World) -> int:
    """Return how many users have a worker alive."""
    return sum(user.active_workers(world.now) > 0 for user in world.users.values())


def stats(world: World) -> dict[str, object]:
    """Return the pool's hash rate, workers and users."""
    return {"hash_rate": hash_rate(world), "active_workers": workers(world), "active_users": users(world)}


def pool_round(world: World) -> dict[str, object]:
    """Return the same, the current shift, and the current round on each chain."""
    work = world.work.until(world.now)
    duration, accepted, rejected = work.since(world.shift_start)
    chains: dict[str, dict[str, object]] = {}
    for name, chain in world.chains.items():
        chain_duration, chain_accepted, chain_rejected = work.since(chain.round_start)
        chains[name] = {
            "accepted": chain_accepted,
            "rejected": chain_rejected,
            "duration": chain_duration,
            "difficulty": chain.difficulty,
        }
    return {
        **stats(world),
        "shift_accepted": accepted,
        "shift_rejected": rejected,
        "shift_duration": duration,
        "shift_score": world.score(accepted),
        "chains": chains,
    }


def top50(world: World) -> dict[str, float]:
    """Return the fifty fastest users with their hash rates in Mhps, fastest first."""
    rates = {name: user.megahashes(world.now) for name, user in world.users.items()}
    return dict(sorted(rates.items(), key=lambda item: (-item[1], item[0]))[:_TOP])


def blocks(world: World, count: int, offset: int, commodity: str | None) -> list[dict[str, object]]:
    """Return one page of the blocks, latest first: of one commodity, or of all."""
    found = world.blocks
    if commodity is not None:
        found = world.chains[commodity].blocks if commodity in world.chains else []
    return [block.view(world.now) for block in _latest(found, count, offset)]


def shifts(world: World, count: int, offset: int) -> list[dict[str, object]]:
    """Return one page of the completed shifts, latest first."""
    return _latest(world.shifts, count, offset)


def user(world: World, name: str) -> dict[str, object]:
    """Return one user: balances, workers, and the part in the current shift."""
    owner, now, start = world.users[name], world.now, world.shift_start.time
    accepted, rejected = owner.shift_work(now, start)
    _, pool_accepted, _ = world.work.until(now).since(world.shift_start)
    return {
        "name": name,
        "active_workers": owner.active_workers(now),
        "hash_rate": owner.megahashes(now),
        "now": now,
        "round_start": {commodity: chain.round_start.time for commodity, chain in world.chains.items()},
        "shift": {
            "start": start,
            "accepted": accepted,
            "rejected": rejected,
            "user_score": world.score(accepted),
            "total_score": world.score(pool_accepted),
        },
        "balances": owner.balances({commodity: chain.earned for commodity, chain in world.chains.items()}),
        "workers": [worker.view(now) for worker in owner.workers],
    }


WITHOUT_PARAMETERS: Mapping[str, Callable[[World], object]] = {
    "stats": stats,
    "hashrate": hash_rate,
    "workers": workers,
    "users": users,
    "round": pool_round,
    "top50": top50,
}
"""The answers of /api/pool that take no parameters, by the last part of their path."""


def _latest(records: Sequence[T], count: int, offset: int) -> list[T]:
    end = max(0, len(records) - offset)
    return list(reversed(records[max(0, end - count) : end]))
