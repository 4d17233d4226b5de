"""A pool, a key, and what the pool answers: one sample of each kind, as it is on the wire."""

from collections.abc import Mapping
from typing import Any

POOL = "https://pool.example"
KEY = "K3Y0AAAABBBBCCCCDDDDEEEEFFFF9999"

STATS: Mapping[str, Any] = {"hash_rate": 1701000, "active_workers": 1234, "active_users": 321}
CHAIN_ROUND: Mapping[str, Any] = {"accepted": 100, "rejected": 25, "duration": 3600, "difficulty": 200.0}
ROUND: Mapping[str, Any] = {
    **STATS,
    "shift_accepted": 900,
    "shift_rejected": 100,
    "shift_duration": 1800,
    "shift_score": 12.5,
    "chains": {"BTC": CHAIN_ROUND, "NMC": CHAIN_ROUND},
}
BLOCK: Mapping[str, Any] = {
    "id": 7000,
    "chain": "BTC",
    "hash": "00000000000000022b43aee8ab4227490fbc180cd12950a1a9a9bb43c0fd6f53",
    "height": 288497,
    "difficulty": 2000.0,
    "income": 25.14070459,
    "accepted": 1000,
    "rejected": 10,
    "status": "unconfirmed",
    "confirmations_left": 117,
    "generator": "bob",
    "generated": 1393673563,
    "duration": 5387,
}
SHIFT: Mapping[str, Any] = {
    "id": 26905,
    "difficulty": 2000.0,
    "accepted": 1000000,
    "rejected": 2000,
    "score": 753131.9053,
    "completed": 1393673700,
    "duration": 3600,
}
WORK: Mapping[str, Any] = {
    "total_accepted": 900,
    "total_rejected": 100,
    "round_accepted": 0,
    "round_rejected": 0,
    "checkpoint_accepted": 400,
    "checkpoint_rejected": 40,
}
WORKER: Mapping[str, Any] = {
    "name": "rig1",
    "hash_rate": 1805682.2,
    "last_work": 1393675190,
    "alive": True,
    "work": {"BTC": WORK, "NMC": WORK},
}
USER: Mapping[str, Any] = {
    "name": "bob",
    "active_workers": 1,
    "hash_rate": 1805682.2,
    "now": 1393675200,
    "round_start": {"BTC": 1393673563, "NMC": 1393673113},
    "shift": {"start": 1393673700, "accepted": 90, "rejected": 10, "user_score": 2.5, "total_score": 10.0},
    "balances": {"BTC": 0.21323507, "NMC": 0.67691192},
    "workers": [WORKER, {**WORKER, "name": "rig2", "alive": False, "last_work": None}],
}


def without(record: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the record without these fields."""
    return {name: value for name, value in record.items() if name not in names}
