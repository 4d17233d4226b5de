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

from ._arguments import check_commodity
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
    """The pool at a glance, from `/api/pool/stats`.

    Attributes:
        hash_rate: The pool's hash rate. On the wire: Ghps.
        active_workers: Workers that are mining.
        active_users: Users with at least one active worker.
    """

    hash_rate: HashRate
    active_workers: int
    active_users: int


@frozen(weakref_slot=False)
class ChainRound(_RoundProofs):
    """One chain's current round in `Round.chains`: the work since the pool last found a block of that chain.

    Attributes:
        accepted: Proofs of work accepted in this round.
        rejected: Proofs of work rejected in this round.
        duration: How long the round has taken so far. On the wire: seconds.
        difficulty: The chain's current difficulty.
    """

    accepted: int
    rejected: int
    duration: timedelta
    difficulty: float


@frozen(weakref_slot=False)
class Round:
    """The pool's current shift and rounds, from `/api/pool/round`.

    Attributes:
        hash_rate: The pool's hash rate. On the wire: Ghps.
        active_workers: Workers that are mining.
        active_users: Users with at least one active worker.
        shift_accepted: Proofs of work accepted in the current shift.
        shift_rejected: Proofs of work rejected in the current shift.
        shift_duration: How long the current shift has taken so far. On the wire: seconds.
        shift_score: The current shift's total score so far.
        chains: The current round of each chain, by its name, for example `BTC`.
    """

    hash_rate: HashRate
    active_workers: int
    active_users: int
    shift_accepted: int
    shift_rejected: int
    shift_duration: timedelta
    shift_score: float
    chains: Mapping[str, ChainRound]

    @property
    def reject_rate(self) -> float:
        """The rejected part of the current shift's work, 0 to 1: rejected / (accepted + rejected)."""
        return _reject_rate(self.shift_accepted, self.shift_rejected)


class BlockStatus(StrEnum):
    """How far a block has come.

    Attributes:
        PROCESSING: Just created.
        UNCONFIRMED: On the chain, but still lacking confirmations.
        STALE: Never made it onto the chain.
        ORPHAN: Was on the chain, then orphaned.
        CONFIRMED: Confirmed and paid out.
    """

    PROCESSING = "processing"
    UNCONFIRMED = "unconfirmed"
    STALE = "stale"
    ORPHAN = "orphan"
    CONFIRMED = "confirmed"

    @property
    def settled(self) -> bool:
        """Whether the status is final: confirmed, stale or orphan."""
        return self in _SETTLED


_SETTLED = frozenset({BlockStatus.STALE, BlockStatus.ORPHAN, BlockStatus.CONFIRMED})


@frozen(weakref_slot=False)
class Block(_RoundProofs):
    """A block that the pool found, from `/api/pool/blocks`.

    Attributes:
        id: Unique within the pool. Ids rise with time.
        chain: The chain it was found on, for example `BTC`.
        hash: The hash of its header, in hexadecimal digits.
        height: Its height on the chain.
        difficulty: The chain's difficulty when it was generated.
        income: Minted coins plus fees, in the chain's coin.
        accepted: Proofs of work accepted in the round that it ended.
        rejected: Proofs of work rejected in that round.
        status: How far it has come.
        confirmations_left: Confirmations still lacking: 0 if confirmed, -1 if stale or orphaned.
        generator: The name of the user who found it.
        generated: When it was generated. On the wire: seconds since the epoch.
        duration: How long the round that it ended took. On the wire: seconds.
    """

    id: int
    chain: str
    hash: str
    height: int
    difficulty: float
    income: Decimal
    accepted: int
    rejected: int
    status: BlockStatus
    confirmations_left: int
    generator: str
    generated: datetime
    duration: timedelta

    @property
    def luck(self) -> float:
        """Work expected over work done: difficulty / accepted. Above 1.0 is lucky; infinite if none was accepted."""
        return self.difficulty / self.accepted if self.accepted else math.inf


@frozen(weakref_slot=False)
class Shift(_Proofs):
    """A completed shift, from `/api/pool/shifts`.

    Attributes:
        id: Unique within the pool. Ids rise with time.
        difficulty: The difficulty when it was completed.
        accepted: Proofs of work accepted in it.
        rejected: Proofs of work rejected in it.
        score: Its total score.
        completed: When it was completed. On the wire: seconds since the epoch.
        duration: How long it took. On the wire: seconds.
    """

    id: int
    difficulty: float
    accepted: int
    rejected: int
    score: float
    completed: datetime
    duration: timedelta

    @property
    def hash_rate(self) -> HashRate:
        """The pool's mean hash rate in it: accepted · 2³² / duration; 0 for a shift without duration."""
        seconds = self.duration.total_seconds()
        return HashRate(self.accepted * _HASHES_PER_PROOF / seconds if seconds else 0.0)


@frozen(weakref_slot=False)
class UserShift(_Proofs):
    """A user's part in the current shift, `User.shift`.

    Attributes:
        start: When the shift began. On the wire: seconds since the epoch.
        accepted: The user's proofs of work accepted in it.
        rejected: The user's proofs of work rejected in it.
        user_score: The user's score so far.
        total_score: The whole pool's score so far.
    """

    start: datetime
    accepted: int
    rejected: int
    user_score: float
    total_score: float

    @property
    def share(self) -> float:
        """The user's part of the shift, 0 to 1: user_score / total_score; 0 while there is no score."""
        return self.user_score / self.total_score if self.total_score else 0.0


@frozen(weakref_slot=False)
class Work:
    """A worker's proofs of work for one commodity, in `Worker.work`.

    Attributes:
        total_accepted: Accepted since the worker was made. Shares per interval are differences of this.
        total_rejected: Rejected since the worker was made.
        round_accepted: No longer used by the pool: always 0.
        round_rejected: No longer used by the pool: always 0.
        checkpoint_accepted: Accepted before the last reset (checkpoint).
        checkpoint_rejected: Rejected before the last reset (checkpoint).
    """

    total_accepted: int
    total_rejected: int
    round_accepted: int
    round_rejected: int
    checkpoint_accepted: int
    checkpoint_rejected: int

    @property
    def reject_rate(self) -> float:
        """The rejected part of all work, 0 to 1: total_rejected / (total_accepted + total_rejected)."""
        return _reject_rate(self.total_accepted, self.total_rejected)


@frozen(weakref_slot=False)
class Worker:
    """One of a user's workers, in `User.workers`.

    Attributes:
        name: Its name.
        hash_rate: Its hash rate. On the wire: Mhps.
        last_work: When it last sent a proof of work; None if it never did. On the wire: seconds since the epoch.
        alive: Whether a proof of work came within the last 5 minutes.
        work: Its work by commodity, for example `BTC`.
    """

    name: str
    hash_rate: HashRate
    last_work: datetime | None
    alive: bool
    work: Mapping[str, Work]


@frozen(weakref_slot=False)
class User:
    """A user, from `/api/users` (the key's owner) or `/api/users/USERNAME`.

    Attributes:
        name: The user's name.
        active_workers: How many of the workers are mining.
        hash_rate: The hash rate of all workers together. On the wire: Mhps.
        now: The server's time when it answered. On the wire: seconds since the epoch.
        round_start: When the current round of each commodity began. On the wire: seconds since the epoch.
        shift: The user's part in the current shift.
        balances: The balance in each commodity, in its coin. A commodity without a balance may be absent: see
            `balance`.
        workers: The user's workers.
    """

    name: str
    active_workers: int
    hash_rate: HashRate
    now: datetime
    round_start: Mapping[str, datetime]
    shift: UserShift
    balances: Mapping[str, Decimal]
    workers: tuple[Worker, ...]

    def balance(self, commodity: str) -> Decimal:
        """Return the balance in `commodity`, for example `BTC` or `btc`, in its coin; 0 where the pool lists none.

        Raises:
            TypeError: The commodity is not a string.
            ValueError: It cannot be a commodity's name.
        """
        check_commodity(commodity or "")  # None means all commodities elsewhere, but no balance is in all
        balance = self.balances.get(commodity)
        return self.balances.get(commodity.upper(), Decimal(0)) if balance is None else balance

    @property
    def idle_workers(self) -> tuple[Worker, ...]:
        """The workers that are not alive: no proof of work came within the last 5 minutes."""
        return tuple(worker for worker in self.workers if not worker.alive)
