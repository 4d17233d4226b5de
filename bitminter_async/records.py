"""What the pool answers, as records: frozen, hashable, in units that cannot be mixed up.

A moment is an aware UTC `datetime`, a span a `timedelta`, money a `Decimal`, a hash rate a `HashRate`, a mapping an
`immutabledict`. Work is counted in proofs of work of difficulty 1, of which each takes 2³² hashes on average.
"""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from .units import HashRate

__all__ = [
    "Block",
    "BlockStatus",
    "ChainRound",
    "PoolStats",
    "Round",
    "Shift",
    "User",
    "UserShift",
    "Work",
    "Worker",
]

_HASHES_PER_PROOF = 2.0**32


def _reject_rate(accepted: int, rejected: int) -> float:
    return rejected / (accepted + rejected) if rejected else 0.0


class _Proofs:
    """Accepted and rejected proofs of work, where they stand together."""

    __slots__ = ()
    accepted: int
    rejected: int

    @property
    def reject_rate(self) -> float:
        """The rejected part of this work, 0 to 1: rejected / (accepted + rejected)."""
        return _reject_rate(self.accepted, self.rejected)


class _RoundProofs(_Proofs):
    """The proofs of work of one chain's round."""

    __slots__ = ()
    difficulty: float

    @property
    def effort(self) -> float:
        """Work done over work expected: accepted / difficulty. Below 1.0 is lucky; infinite at difficulty 0."""
        return self.accepted / self.difficulty if self.difficulty else math.inf


@frozen(weakref_slot=False)
class PoolStats:
    """The pool at a glance, from `/api/pool/stats`."""

    hash_rate: HashRate
    """The pool's hash rate. On the wire: Ghps."""
    active_workers: int
    """Workers that are mining."""
    active_users: int
    """Users with at least one active worker."""


@frozen(weakref_slot=False)
class ChainRound(_RoundProofs):
    """One chain's current round in `Round.chains`: the work since the pool last found a block of that chain."""

    accepted: int
    """Proofs of work accepted in this round."""
    rejected: int
    """Proofs of work rejected in this round."""
    duration: timedelta
    """How long the round has taken so far. On the wire: seconds."""
    difficulty: float
    """The chain's current difficulty."""


@frozen(weakref_slot=False)
class Round:
    """The pool's current shift and rounds, from `/api/pool/round`."""

    hash_rate: HashRate
    """The pool's hash rate. On the wire: Ghps."""
    active_workers: int
    """Workers that are mining."""
    active_users: int
    """Users with at least one active worker."""
    shift_accepted: int
    """Proofs of work accepted in the current shift."""
    shift_rejected: int
    """Proofs of work rejected in the current shift."""
    shift_duration: timedelta
    """How long the current shift has taken so far. On the wire: seconds."""
    shift_score: float
    """The current shift's total score so far."""
    chains: Mapping[str, ChainRound]
    """The current round of each chain, by its name, for example `BTC`."""

    @property
    def reject_rate(self) -> float:
        """The rejected part of the current shift's work, 0 to 1: rejected / (accepted + rejected)."""
        return _reject_rate(self.shift_accepted, self.shift_rejected)


class BlockStatus(StrEnum):
    """How far a block has come."""

    PROCESSING = "processing"
    """Just created."""
    UNCONFIRMED = "unconfirmed"
    """On the chain, but still lacking confirmations."""
    STALE = "stale"
    """Never made it onto the chain."""
    ORPHAN = "orphan"
    """Was on the chain, then orphaned."""
    CONFIRMED = "confirmed"
    """Confirmed and paid out."""

    @property
    def settled(self) -> bool:
        """Whether the status is final: confirmed, stale or orphan."""
        return self in _SETTLED


_SETTLED = frozenset({BlockStatus.STALE, BlockStatus.ORPHAN, BlockStatus.CONFIRMED})


@frozen(weakref_slot=False)
class Block(_RoundProofs):
    """A block that the pool found, from `/api/pool/blocks`."""

    id: int
    """Unique within the pool. Ids rise with time."""
    chain: str
    """The chain it was found on, for example `BTC`."""
    hash: str
    """The hash of its header, in hexadecimal digits."""
    height: int
    """Its height on the chain."""
    difficulty: float
    """The chain's difficulty when it was generated."""
    income: Decimal
    """Minted coins plus fees, in the chain's coin."""
    accepted: int
    """Proofs of work accepted in the round that it ended."""
    rejected: int
    """Proofs of work rejected in that round."""
    status: BlockStatus
    """How far it has come."""
    confirmations_left: int
    """Confirmations still lacking: 0 if confirmed, -1 if stale or orphaned."""
    generator: str
    """The name of the user who found it."""
    generated: datetime
    """When it was generated. On the wire: seconds since the epoch."""
    duration: timedelta
    """How long the round that it ended took. On the wire: seconds."""

    @property
    def luck(self) -> float:
        """Work expected over work done: difficulty / accepted. Above 1.0 is lucky; infinite if none was accepted."""
        return self.difficulty / self.accepted if self.accepted else math.inf


@frozen(weakref_slot=False)
class Shift(_Proofs):
    """A completed shift, from `/api/pool/shifts`."""

    id: int
    """Unique within the pool. Ids rise with time."""
    difficulty: float
    """The difficulty when it was completed."""
    accepted: int
    """Proofs of work accepted in it."""
    rejected: int
    """Proofs of work rejected in it."""
    score: float
    """Its total score."""
    completed: datetime
    """When it was completed. On the wire: seconds since the epoch."""
    duration: timedelta
    """How long it took. On the wire: seconds."""

    @property
    def hash_rate(self) -> HashRate:
        """The pool's mean hash rate in it: accepted · 2³² / duration; 0 for a shift without duration."""
        seconds = self.duration.total_seconds()
        return HashRate(self.accepted * _HASHES_PER_PROOF / seconds if seconds else 0.0)


@frozen(weakref_slot=False)
class UserShift(_Proofs):
    """A user's part in the current shift, `User.shift`."""

    start: datetime
    """When the shift began. On the wire: seconds since the epoch."""
    accepted: int
    """The user's proofs of work accepted in it."""
    rejected: int
    """The user's proofs of work rejected in it."""
    user_score: float
    """The user's score so far."""
    total_score: float
    """The whole pool's score so far."""

    @property
    def share(self) -> float:
        """The user's part of the shift, 0 to 1: user_score / total_score; 0 while there is no score."""
        return self.user_score / self.total_score if self.total_score else 0.0


@frozen(weakref_slot=False)
class Work:
    """A worker's proofs of work for one commodity, in `Worker.work`."""

    total_accepted: int
    """Accepted since the worker was made. Shares per interval are differences of this."""
    total_rejected: int
    """Rejected since the worker was made."""
    round_accepted: int
    """No longer used by the pool: always 0."""
    round_rejected: int
    """No longer used by the pool: always 0."""
    checkpoint_accepted: int
    """Accepted before the last reset (checkpoint)."""
    checkpoint_rejected: int
    """Rejected before the last reset (checkpoint)."""

    @property
    def reject_rate(self) -> float:
        """The rejected part of all work, 0 to 1: total_rejected / (total_accepted + total_rejected)."""
        return _reject_rate(self.total_accepted, self.total_rejected)


@frozen(weakref_slot=False)
class Worker:
    """One of a user's workers, in `User.workers`."""

    name: str
    """Its name."""
    hash_rate: HashRate
    """Its hash rate. On the wire: Mhps."""
    last_work: datetime | None
    """When it last sent a proof of work; None if it never did. On the wire: seconds since the epoch."""
    alive: bool
    """Whether a proof of work came within the last 5 minutes."""
    work: Mapping[str, Work]
    """Its work by commodity, for example `BTC`."""


@frozen(weakref_slot=False)
class User:
    """A user, from `/api/users` (the key's owner) or `/api/users/USERNAME`."""

    name: str
    """The user's name."""
    active_workers: int
    """How many of the workers are mining."""
    hash_rate: HashRate
    """The hash rate of all workers together. On the wire: Mhps."""
    now: datetime
    """The server's time when it answered. On the wire: seconds since the epoch."""
    round_start: Mapping[str, datetime]
    """When the current round of each commodity began. On the wire: seconds since the epoch."""
    shift: UserShift
    """The user's part in the current shift."""
    balances: Mapping[str, Decimal]
    """The balance in each commodity, in its coin. A commodity without a balance may be absent: see `balance`."""
    workers: tuple[Worker, ...]
    """The user's workers."""

    def balance(self, commodity: str) -> Decimal:
        """Return the balance in `commodity`, for example `BTC`, in its coin; 0 where the pool lists none."""
        return self.balances.get(commodity, Decimal(0))

    @property
    def idle_workers(self) -> tuple[Worker, ...]:
        """The workers that are not alive: no proof of work came within the last 5 minutes."""
        return tuple(worker for worker in self.workers if not worker.alive)
