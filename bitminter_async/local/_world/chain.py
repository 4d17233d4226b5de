"""A chain, and the blocks that the pool found on it."""

from bisect import bisect_left
from collections import deque
from random import Random

from attrs import define

from .chance import seeded_rng
from .hashrate import WorkTotal

__all__ = ["COIN", "COMMODITIES", "EARLIEST", "Block", "Chain"]

COIN = 100_000_000
"""The smallest units of money in one coin. Sums are made in these, so that they are exact."""

_CONFIRMATIONS = 120
_BLOCK_TIME = 600
_PROCESSING = 60
_RETARGET = 2016 * _BLOCK_TIME
_HALVING = 210_000

_HEIGHTS_KNOWN_AT = 1_393_675_200  # 2014-03-01 12:00 UTC
_HEIGHTS = {"BTC": 288_500, "NMC": 166_000}
_DIFFICULTIES = {"BTC": 2.3e9, "NMC": 1.37e9}
_FEES = {"BTC": 0.25, "NMC": 0.05}
_STALE, _LOST = 0.01, 0.03  # of the blocks are stale; are stale or orphaned

COMMODITIES = tuple(_HEIGHTS)
EARLIEST = _HEIGHTS_KNOWN_AT - min(_HEIGHTS.values()) * _BLOCK_TIME
"""Before this moment, in seconds since the epoch, a chain would have no blocks yet."""


@define(kw_only=True, eq=False)
class Block:
    """A block that the pool found. Its status follows from the time alone, unless it was orphaned by hand."""

    id: int
    chain: str
    hash: str
    height: int
    difficulty: float
    income: int
    accepted: int
    rejected: int
    generator: str
    duration: int
    found: WorkTotal
    lost: tuple[int, str] | None = None
    """When it is lost, in seconds since the epoch, and its status from then on; None: it will be confirmed."""

    @property
    def confirmed_at(self) -> int:
        """When it has all its confirmations, in seconds since the epoch."""
        return (self.found.time // _BLOCK_TIME + _CONFIRMATIONS) * _BLOCK_TIME

    def state(self, now: int) -> tuple[str, int]:
        """Return the status, and how many confirmations are left."""
        if self.lost and now >= self.lost[0]:
            return self.lost[1], -1
        if now >= self.confirmed_at:
            return "confirmed", 0
        if now < self.found.time + _PROCESSING:
            return "processing", _CONFIRMATIONS
        return "unconfirmed", _CONFIRMATIONS - (now // _BLOCK_TIME - self.found.time // _BLOCK_TIME)

    def view(self, now: int) -> dict[str, object]:
        """Return the block as the API shows it."""
        status, confirmations_left = self.state(now)
        return {
            "id": self.id,
            "chain": self.chain,
            "hash": self.hash,
            "height": self.height,
            "difficulty": self.difficulty,
            "income": self.income / COIN,
            "accepted": self.accepted,
            "rejected": self.rejected,
            "status": status,
            "confirmations_left": confirmations_left,
            "generator": self.generator,
            "generated": self.found.time,
            "duration": self.duration,
        }


class Chain:
    """One chain that the pool mines: its difficulty, the blocks found on it, and what they have earned."""

    def __init__(self, name: str, seed: int, start: WorkTotal) -> None:
        self.name = name
        self.blocks: list[Block] = []
        self.earned = 0
        self._seed = seed
        self._start = start
        self._rng = seeded_rng(seed, name, "blocks")
        self._unconfirmed: deque[Block] = deque()
        self._height = 0
        self._period: int = -1
        self.difficulty = 1.0  # until the first call of retarget(), below
        # The pool finds its next block when its accepted work, counted since the world began, reaches this.
        self.next_block_at = self._draw_round_work()
        self.retarget(start)

    @property
    def round_start(self) -> WorkTotal:
        """The pool's work when the current round began: at the last block."""
        return self.blocks[-1].found if self.blocks else self._start

    def retarget(self, now: WorkTotal) -> None:
        """Take on the difficulty of the present fortnight."""
        period = now.time // _RETARGET
        if period == self._period:
            return
        self._period = period
        before, rng = self.difficulty, seeded_rng(self._seed, self.name, period)
        self.difficulty = round(_DIFFICULTIES[self.name] * rng.uniform(0.85, 1.15), 2)
        # The work left until the next block was drawn for the old difficulty: it grows or shrinks in proportion, or
        # the round during which the difficulty changes would be too easy or too hard.
        self.next_block_at = now.accepted + (self.next_block_at - now.accepted) * self.difficulty / before

    def find(self, block_id: int, found: WorkTotal, generator: str) -> Block:
        """Add the block that ends the current round, and return it."""
        rng = self._rng
        duration, accepted, rejected = found.since(self.round_start)
        tip = _HEIGHTS[self.name] + (found.time - _HEIGHTS_KNOWN_AT) // _BLOCK_TIME
        self._height = max(self._height + 1, tip)
        fees = int(rng.uniform(0.01, 1) * _FEES[self.name] * COIN)
        block = Block(
            id=block_id,
            chain=self.name,
            hash=f"{rng.randrange(int(2**224 / self.difficulty)):064x}",
            height=self._height,
            difficulty=self.difficulty,
            income=(50 * COIN >> self._height // _HALVING) + fees,
            accepted=max(1, accepted),
            rejected=rejected,
            generator=generator,
            duration=duration,
            found=found,
            lost=_draw_loss(rng, found.time),
        )
        self.next_block_at = found.accepted + self._draw_round_work()
        self.blocks.append(block)
        self._unconfirmed.append(block)
        return block

    def withdraw(self, block: Block) -> None:
        """Take a block off the list. If it is the last one, the round that it ended goes on."""
        self.blocks.remove(block)
        if block in self._unconfirmed:
            self._unconfirmed.remove(block)

    def forget(self, before: int) -> None:
        """Forget the blocks that were found before that second."""
        old = bisect_left(self.blocks, before, key=lambda block: block.found.time)
        if old:
            self._start = self.blocks[old - 1].found  # where the round began, should that have been the last one
            del self.blocks[:old]

    def count_income(self, now: int) -> None:
        """Add the income of the blocks that have been confirmed by now to what the chain has earned."""
        while self._unconfirmed and self._unconfirmed[0].confirmed_at <= now:
            block = self._unconfirmed.popleft()
            self.earned += 0 if block.lost else block.income

    def _draw_round_work(self) -> float:
        """Return the proofs of work that a round takes: exponentially distributed about the difficulty."""
        return self._rng.expovariate(1.0) * self.difficulty


def _draw_loss(rng: Random, time: int) -> tuple[int, str] | None:
    """Return when and how a block found at that time is lost, if it is: stale soon, or an orphan within two hours."""
    chance, delay = rng.random(), rng.randrange(_BLOCK_TIME, 12 * _BLOCK_TIME)
    if chance < _STALE:
        return time + _PROCESSING, "stale"
    return (time + delay, "orphan") if chance < _LOST else None
