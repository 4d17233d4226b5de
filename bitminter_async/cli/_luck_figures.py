"""The arithmetic of luck: what rounds were expected to take, what they took, and how often chance does as badly."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, date
from typing import NamedTuple, Self

from attrs import frozen

from ..records import Block, BlockStatus

__all__ = ["Chance", "Luck", "by_chain", "by_day", "chance_of"]

_LOST = (BlockStatus.ORPHAN, BlockStatus.STALE)
_NEGLIGIBLE = 1e-17  # of a sum of floats


class Chance(NamedTuple):
    """How often chance alone does as well, and as badly. They add up to 1."""

    as_good: float
    as_bad: float


def chance_of(blocks: int, effort: float) -> Chance:
    """Return how often `blocks` blocks take at most `effort`, and at least as much, by chance alone.

    A proof of work is a block with the same small probability whatever was tried before it, so a round's effort, its
    work in units of the difficulty, has the exponential distribution of mean 1, and the effort E of n rounds together
    the Erlang distribution, Gamma(n, 1). They take more than E where the Poisson process of blocks shows fewer than n
    by then:

        P(Gamma(n, 1) >= E)  =  sum over k < n of  e^-E * E^k / k!

    (Rosenfeld, "Analysis of Bitcoin Pooled Mining Reward Systems", 2011, for the distribution of a round;
    NIST's Digital Library of Mathematical Functions, 8.4.10 and 8.4.11, for the sum.)

    The smaller of the two is summed, from its largest term on, which alone is taken from a logarithm: nothing
    overflows, and nothing is lost by subtracting from 1.

    Args:
        blocks: n, at least 1.
        effort: E, 0 or more, in units of what one block takes on average.
    """
    if effort > blocks:
        as_bad = 0.0 if math.isinf(effort) else _poisson(blocks - 1, effort) * _falling(blocks - 1, effort)
        return Chance(1.0 - as_bad, as_bad)
    as_good = _poisson(blocks, effort) * _rising(blocks, effort) if effort else 0.0
    return Chance(as_good, 1.0 - as_good)


def _poisson(k: int, mean: float) -> float:
    return math.exp(k * math.log(mean) - mean - math.lgamma(k + 1))


def _falling(k: int, mean: float) -> float:
    """Sum the Poisson probabilities of k, k - 1, … 0, over that of k, which is the largest."""
    term = total = 1.0
    while k > 0 and term > total * _NEGLIGIBLE:
        term *= k / mean
        total += term
        k -= 1
    return total


def _rising(k: int, mean: float) -> float:
    """Sum the Poisson probabilities of k, k + 1, … over that of k, which is the largest."""
    term = total = 1.0
    while term > total * _NEGLIGIBLE:
        k += 1
        term *= mean / k
        total += term
    return total


@frozen
class Luck:
    """How lucky the rounds were that ended with some blocks of one chain.

    A block that was orphaned or stale counts like any other: it was found, and the work of its round is its own. What
    was lost came after the luck, by the network, and is counted beside it. Leaving such a block out, but not its work,
    would have every pool unlucky by its share of orphans, and the distribution would be another.

    Attributes:
        chain: The chain.
        day: The UTC day on which the rounds ended; None: all days together.
        blocks: How many were found.
        lost: How many of these are orphaned or stale.
        expected: The work that they were expected to take, in proofs of work: the sum of their difficulties.
        done: The work that they took: the sum of what was accepted.
        effort: The sum of the rounds' efforts, each in units of its own difficulty: `blocks` on average, whatever the
            difficulties are.
    """

    chain: str
    day: date | None
    blocks: int
    lost: int
    expected: float
    done: int
    effort: float

    @classmethod
    def of(cls, chain: str, day: date | None, blocks: Sequence[Block]) -> Self:
        """Add up the blocks of one chain."""
        return cls(
            chain,
            day,
            len(blocks),
            sum(block.status in _LOST for block in blocks),
            math.fsum(block.difficulty for block in blocks),
            sum(block.accepted for block in blocks),
            math.fsum(block.effort for block in blocks),
        )

    @property
    def luck(self) -> float:
        """Work expected over work done, weighted by difficulty. Above 1.0 is lucky; infinite if none was done."""
        return self.expected / self.done if self.done else math.inf

    @property
    def chance(self) -> Chance:
        """How often chance alone does as well, and as badly.

        It is exact for a number of blocks that was settled before looking. Of those of a span of time it is a little
        off: long rounds fit into few spans.
        """
        return chance_of(self.blocks, self.effort)


def by_chain(blocks: Iterable[Block]) -> list[Luck]:
    """Return the luck of each chain, by its name."""
    return [Luck.of(chain, None, found) for chain, found in _grouped(blocks).items()]


def by_day(blocks: Iterable[Block]) -> list[Luck]:
    """Return the luck of each chain on each UTC day on which it has a block, by chain, newest day first."""
    lucks: list[Luck] = []
    for chain, found in _grouped(blocks).items():
        days: dict[date, list[Block]] = {}
        for block in found:
            days.setdefault(block.generated.astimezone(UTC).date(), []).append(block)
        lucks += [Luck.of(chain, day, days[day]) for day in sorted(days, reverse=True)]
    return lucks


def _grouped(blocks: Iterable[Block]) -> dict[str, list[Block]]:
    chains: dict[str, list[Block]] = {}
    for block in blocks:
        chains.setdefault(block.chain, []).append(block)
    return dict(sorted(chains.items()))
