"""The arithmetic of luck: known values, exact sums at small n, and what holds for every n."""

import math
from collections.abc import Sequence
from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitminter_async.cli._luck_figures import Luck, by_chain, by_day, chance_of
from bitminter_async.records import Block, BlockStatus
from tests.support.records import make_record

_EFFORTS = st.floats(0.0, 20_000.0)


def _block(**changed: Any) -> Block:
    block: Block = make_record(Block, **changed)
    return block


def _as_bad_exactly(blocks: int, effort: float, digits: int) -> Decimal:
    """The sum as it stands in the book, in decimals of so many digits."""
    with localcontext() as context:
        context.prec = digits
        mean = Decimal(effort)
        term = total = Decimal(1)
        for k in range(1, blocks):
            term *= mean / k
            total += term
        return total * (-mean).exp()


@pytest.mark.parametrize(
    ("blocks", "effort", "as_bad"),
    [
        (1, 1.0, math.exp(-1)),  # the exponential distribution
        (1, 5.0, math.exp(-5)),
        (2, 3.0, 4 * math.exp(-3)),
        (3, 3.0, 8.5 * math.exp(-3)),
        (1, math.log(2), 0.5),  # its median
        (10, 10.0, 0.45792971447185227),  # of tables of the Poisson distribution
        (5, 0.0, 1.0),
        (5, math.inf, 0.0),
    ],
)
def test_the_chance_has_known_values(blocks: int, effort: float, as_bad: float) -> None:
    """Where it is known by other means, it is that."""
    assert chance_of(blocks, effort).as_bad == pytest.approx(as_bad, rel=1e-13)


@given(st.integers(1, 40), st.fractions(0, 100, max_denominator=1000))
def test_the_chance_is_that_of_the_sum(blocks: int, effort: Fraction) -> None:
    """At small n it is the sum, worked out in 80 digits, and so is what is left of 1, however little that is."""
    exact = _as_bad_exactly(blocks, float(effort), 80)
    chance = chance_of(blocks, float(effort))
    assert chance.as_bad == pytest.approx(float(exact), rel=1e-12)
    with localcontext() as context:
        context.prec = 80
        assert chance.as_good == pytest.approx(float(1 - exact), rel=1e-12, abs=1e-60)


@pytest.mark.parametrize("effort", [1.0, 9_000.0, 9_999.5, 10_000.0, 10_000.5, 10_100.0, 12_000.0])
def test_the_chance_is_right_for_ten_thousand_blocks(effort: float) -> None:
    """Where e^-E alone is no float any more, it has ten digits still."""
    exact = _as_bad_exactly(10_000, effort, 5000 if effort == 1.0 else 400)
    chance = chance_of(10_000, effort)
    assert chance.as_bad == pytest.approx(float(exact), rel=1e-10)
    with localcontext() as context:
        context.prec = 400
        assert chance.as_good == pytest.approx(float(1 - exact), rel=1e-10)


@given(st.integers(1, 10_000), _EFFORTS)
def test_both_chances_make_one(blocks: int, effort: float) -> None:
    """Each is a probability, and together they are 1: one does as well, or as badly."""
    chance = chance_of(blocks, effort)
    assert 0.0 <= chance.as_good <= 1.0
    assert 0.0 <= chance.as_bad <= 1.0
    assert sum(chance) == pytest.approx(1.0)


@given(st.integers(1, 10_000), _EFFORTS, _EFFORTS)
def test_more_effort_for_as_many_blocks_is_rarer(blocks: int, one: float, other: float) -> None:
    """As badly is the rarer, the more effort the blocks took, and the more often so, the more blocks they are."""
    less, more = sorted((one, other))
    assert chance_of(blocks, more).as_bad <= chance_of(blocks, less).as_bad * (1 + 1e-9)
    assert chance_of(blocks + 1, more).as_bad >= chance_of(blocks, more).as_bad * (1 - 1e-9)


def test_luck_is_weighted_by_difficulty() -> None:
    """It is the sum of what was expected over the sum of what was done, and no mean of the blocks' own lucks."""
    luck = Luck.of("BTC", None, [_block(difficulty=100, accepted=50), _block(difficulty=1000, accepted=2000)])
    assert (luck.blocks, luck.expected, luck.done) == (2, 1100.0, 2050)
    assert luck.luck == 1100 / 2050
    assert luck.effort == 2.5
    assert luck.chance == chance_of(2, 2.5)


@given(st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)), min_size=1))
def test_luck_lies_among_that_of_the_blocks(rounds: Sequence[tuple[int, int]]) -> None:
    """No sum of rounds is luckier than its luckiest, or less lucky than its least lucky one."""
    blocks = [_block(difficulty=difficulty, accepted=accepted) for difficulty, accepted in rounds]
    luck = Luck.of("BTC", None, blocks).luck
    assert min(block.luck for block in blocks) * (1 - 1e-9) <= luck <= max(block.luck for block in blocks) * (1 + 1e-9)


def test_rounds_without_work_or_difficulty_raise_nothing() -> None:
    """A block for nothing is as lucky as can be; one whose difficulty is told as 0, as unlucky."""
    free = Luck.of("NMC", None, [_block(accepted=0)])
    assert (free.luck, free.chance) == (math.inf, (0.0, 1.0))
    odd = Luck.of("NMC", None, [_block(difficulty=0, accepted=5)])
    assert (odd.luck, odd.chance) == (0.0, (1.0, 0.0))


@pytest.mark.parametrize("status", BlockStatus)
def test_a_lost_block_counts_as_found(status: BlockStatus) -> None:
    """Whatever became of a block, finding it took its round's work; those that were lost are told beside it."""
    luck = Luck.of("BTC", None, [_block(difficulty=100, accepted=50, status=status, confirmations_left=-1)])
    assert (luck.blocks, luck.luck) == (1, 2.0)
    assert luck.lost == (status in {"orphan", "stale"})


def test_luck_is_told_by_chain_and_by_day() -> None:
    """Chains come by their names, and within each the newest day first; a day is one in UTC."""
    midnight = 1_393_632_000  # of 1 March 2014
    blocks = [
        _block(chain="NMC", generated=midnight + 9),
        _block(chain="BTC", generated=midnight),
        _block(chain="BTC", generated=midnight - 1),
        _block(chain="BTC", generated=midnight - 2),
    ]
    march, february = date(2014, 3, 1), date(2014, 2, 28)
    assert [(luck.chain, luck.day, luck.blocks) for luck in by_chain(blocks)] == [("BTC", None, 3), ("NMC", None, 1)]
    days = [("BTC", march, 1), ("BTC", february, 2), ("NMC", march, 1)]
    assert [(luck.chain, luck.day, luck.blocks) for luck in by_day(blocks)] == days
    assert by_chain([]) == by_day([]) == []
