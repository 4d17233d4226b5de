"""A chain, and the blocks that the pool found on it."""

from collections import deque
from random import Random

from attrs import define

from .chance import dice
from .hashrate import Mark

__all__ = ["COIN", "COMMODITIES", "EARLIEST", "Block", "Chain"]

COIN = 100_000_000
CONFIRMATIONS = 120
BLOCK_TIME = 600
PROCESSING = 60
RETARGET = 2016 * BLOCK_TIME
HALVING = 210_000

_HEIGHTS_KNOWN_AT = 1_393_675_200  # 2014-03-01 12:00 UTC
_HEIGHTS = {"BTC": 288_500, "NMC": 166_000}
_DIFFICULTIES = {"BTC": 2.3e9, "NMC": 1.37e9}
_FEES = {"BTC": 0.25, "NMC": 0.05}
_STALE, _LOST = 0.01, 0.03  # of the blocks are stale; are stale or orphaned

COMMODITIES = tuple(_HEIGHTS)
EARLIEST = _HEIGHTS_KNOWN_AT - min(_HEIGHTS.values()) * BLOCK_TIME
"""Before this moment a chain would have no blocks yet."""


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
    found: Mark
    lost: tuple[int, str] | None = None

    @property
    def settles(self) -> int:
        """When the block has all its confirmations, in seconds since the epoch."""
        return (self.found.time // BLOCK_TIME + CONFIRMATIONS) * BLOCK_TIME

    def state(self, now: int) -> tuple[str, int]:
        """The status, and how many confirmations are left."""
        if self.lost and now >= self.lost[0]:
            return self.lost[1], -1
        if now >= self.settles:
            return "confirmed", 0
        if now < self.found.time + PROCESSING:
            return "processing", CONFIRMATIONS
        return "unconfirmed", CONFIRMATIONS - (now // BLOCK_TIME - self.found.time // BLOCK_TIME)

    def view(self, now: int) -> dict[str, object]:
        """The block as the API shows it."""
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
    """One chain that the pool mines: its difficulty, the round on it, and what the blocks have earned."""

    def __init__(self, name: str, seed: int, start: Mark) -> None:
        self.name = name
        self.blocks: list[Block] = []
        self.earned = 0
        self._seed = seed
        self._start = start
        self._chance = dice(seed, name, "blocks")
        self._unpaid: deque[Block] = deque()
        self._height = 0
        self._period: int = -1
        self.difficulty = 1.0  # of the present fortnight
        # The pool's accepted work at which the next block will have been found.
        self.goal = self._luck()
        self.retarget(start)

    @property
    def round_start(self) -> Mark:
        """Where the current round began: at the last block."""
        return self.blocks[-1].found if self.blocks else self._start

    def retarget(self, now: Mark) -> None:
        """Take the difficulty of the present fortnight, which makes the rest of the round as much harder."""
        period = now.time // RETARGET
        if period != self._period:
            before = self.difficulty
            self._period = period
            self.difficulty = round(
                _DIFFICULTIES[self.name] * dice(self._seed, self.name, period).uniform(0.85, 1.15), 2
            )
            self.goal = now.accepted + (self.goal - now.accepted) * self.difficulty / before

    def find(self, block_id: int, found: Mark, generator: str) -> Block:
        """Add the block that ends the current round."""
        chance = self._chance
        duration, accepted, rejected = found.since(self.round_start)
        tip = _HEIGHTS[self.name] + (found.time - _HEIGHTS_KNOWN_AT) // BLOCK_TIME
        self._height = max(self._height + 1, tip)
        fees = int(chance.uniform(0.01, 1) * _FEES[self.name] * COIN)
        block = Block(
            id=block_id,
            chain=self.name,
            hash=f"{chance.randrange(int(2**224 / self.difficulty)):064x}",
            height=self._height,
            difficulty=self.difficulty,
            income=(50 * COIN >> self._height // HALVING) + fees,
            accepted=max(1, accepted),
            rejected=rejected,
            generator=generator,
            duration=duration,
            found=found,
            lost=_fate(chance, found.time),
        )
        self.goal = found.accepted + self._luck()
        self.blocks.append(block)
        self._unpaid.append(block)
        return block

    def withdraw(self, block: Block) -> None:
        """Take a block off the list, and give its round back when it was the last one."""
        self.blocks.remove(block)
        if block in self._unpaid:
            self._unpaid.remove(block)

    def pay(self, now: int) -> None:
        """Add up the income of the blocks that have been confirmed by now."""
        while self._unpaid and self._unpaid[0].settles <= now:
            block = self._unpaid.popleft()
            self.earned += 0 if block.lost else block.income

    def _luck(self) -> float:
        """Shares until the next block: exponential, with the difficulty as its mean."""
        return self._chance.expovariate(1.0) * self.difficulty


def _fate(chance: Random, time: int) -> tuple[int, str] | None:
    """When and how a block is lost, if it is: it never makes the chain, or is orphaned later."""
    fate, delay = chance.random(), chance.randrange(BLOCK_TIME, 12 * BLOCK_TIME)
    if fate < _STALE:
        return time + PROCESSING, "stale"
    return (time + delay, "orphan") if fate < _LOST else None
