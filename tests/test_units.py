"""Hash rates: units, order, sums, and how they print."""

import copy
import functools
import math
import operator
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from bitminter_async.units import HashRate

FACTORS = {"hps": 1.0, "khps": 1e3, "mhps": 1e6, "ghps": 1e9, "thps": 1e12, "phps": 1e15, "ehps": 1e18}
SUFFIXES = ("H/s", "kH/s", "MH/s", "GH/s", "TH/s", "PH/s", "EH/s")
RATES = st.floats(min_value=0, max_value=1e30)


def divide(left: Any, right: Any) -> Any:
    """Divide; typeshed leaves open what `operator.truediv` takes."""
    return left / right


def maker(unit: str) -> Callable[[float], HashRate]:
    """The constructor that takes this unit."""
    make: Callable[[float], HashRate] = getattr(HashRate, f"from_{unit}")
    return make


@pytest.mark.parametrize("unit", FACTORS)
def test_each_unit_is_its_power_of_a_thousand(unit: str) -> None:
    """A number of a unit is so many hashes per second, and reads the same in every unit as arithmetic says."""
    rate = maker(unit)(12.5)
    assert rate.hps == 12.5 * FACTORS[unit]
    assert {name: getattr(rate, name) for name in FACTORS} == {name: rate.hps / by for name, by in FACTORS.items()}


@pytest.mark.parametrize("unit", FACTORS)
@given(number=RATES)
def test_each_unit_round_trips(unit: str, number: float) -> None:
    """What was put in comes out again."""
    assert getattr(maker(unit)(number), unit) == pytest.approx(number, rel=1e-12)


@pytest.mark.parametrize(
    ("rate", "shown"),
    [
        (HashRate(0), "0.00 H/s"),
        (HashRate(0.004), "0.00 H/s"),
        (HashRate(999.994), "999.99 H/s"),
        (HashRate(999.995), "1.00 kH/s"),
        (HashRate(1000), "1.00 kH/s"),
        (HashRate.from_khps(999.995), "1.00 MH/s"),
        (HashRate.from_mhps(999.995), "1.00 GH/s"),
        (HashRate.from_ghps(999.994), "999.99 GH/s"),
        (HashRate.from_ghps(999.995), "1.00 TH/s"),
        (HashRate.from_thps(999.995), "1.00 PH/s"),
        (HashRate.from_ghps(1701000), "1.70 PH/s"),
        (HashRate.from_phps(999.994), "999.99 PH/s"),
        (HashRate.from_phps(999.995), "1.00 EH/s"),
        (HashRate.from_ehps(999.995), "1000.00 EH/s"),
        (HashRate.from_ehps(123456789), "123456789.00 EH/s"),
    ],
)
def test_it_prints_as_people_write_it(rate: HashRate, shown: str) -> None:
    """Two decimals, in the largest unit that is reached once rounded; what is beyond stays in EH/s."""
    assert str(rate) == shown


@given(hps=RATES)
def test_a_printed_rate_is_near_and_below_a_thousand(hps: float) -> None:
    """What is printed is the rate to half of its last digit, and shows 1000 or more in the last unit only."""
    number, suffix = str(HashRate(hps)).split()
    factor = 1000.0 ** SUFFIXES.index(suffix)
    assert abs(float(number) * factor - hps) <= 0.005 * factor * (1 + 1e-9) + hps * 1e-12
    assert float(number) < 1000 or suffix == SUFFIXES[-1]


def test_a_format_spec_applies_to_the_text() -> None:
    """A rate can be put into a column."""
    assert f"{HashRate.from_ghps(1.5):>12}|{HashRate(2):<9}|{HashRate(3)}" == "   1.50 GH/s|2.00 H/s |3.00 H/s"


def test_its_repr_makes_it_again() -> None:
    """The repr shows the exact number."""
    assert repr(HashRate(1234.5)) == "HashRate(1234.5)"


@given(first=RATES, second=RATES)
def test_rates_compare_as_their_numbers(first: float, second: float) -> None:
    """Order and equality are those of the numbers."""
    one, other = HashRate(first), HashRate(second)
    assert (one < other, one <= other, one > other, one >= other, one == other) == (
        first < second, first <= second, first > second, first >= second, first == second,
    )  # fmt: skip


def test_equal_rates_are_one_key() -> None:
    """Equal rates hash alike, whichever unit they were made in; a rate is not its number."""
    assert {HashRate(1000), HashRate(1000.0), HashRate.from_khps(1)} == {HashRate(1000)}
    number: object = 1000
    assert HashRate(1000) != number


def test_rates_do_not_compare_with_numbers() -> None:
    """A bare number has no unit, so it is neither more nor less than a rate."""
    with pytest.raises(TypeError, match="not supported between"):
        assert HashRate(1) < 2  # type: ignore[operator]  # what must not work


@given(rates=st.lists(RATES))
def test_rates_add_up(rates: list[float]) -> None:
    """The sum of rates is the rate of the sum."""
    assert sum(map(HashRate, rates), HashRate(0)).hps == functools.reduce(operator.add, rates, 0.0)


def test_the_builtin_sum_needs_no_start() -> None:
    """`sum(rates)` works as it is; of nothing, it is Python's 0."""
    assert sum([HashRate(1), HashRate(2)]) == HashRate(3)
    nothing: list[HashRate] = []
    assert sum(nothing) == 0


@pytest.mark.parametrize("other", [1, 0, 1.5, "1", None, [1]])
def test_only_rates_add(other: Any) -> None:
    """A rate plus anything else is a TypeError, whichever stands first; the 0 that sum() starts from apart."""
    with pytest.raises(TypeError, match="unsupported operand"):
        operator.add(HashRate(1), other)
    if other != 0:
        with pytest.raises(TypeError, match=r"unsupported operand|can only concatenate"):
            operator.add(other, HashRate(1))


@given(first=RATES, second=RATES)
def test_rates_subtract_down_to_zero(first: float, second: float) -> None:
    """The difference of rates is the rate of the difference; there is none below 0, which is a ValueError."""
    low, high = HashRate(min(first, second)), HashRate(max(first, second))
    assert (high - low).hps == high.hps - low.hps
    if low < high:
        with pytest.raises(ValueError, match=r"^a hash rate must be a number, 0 or more, not -"):
            _ = low - high


@given(rate=RATES, factor=st.one_of(st.floats(min_value=1e-9, max_value=1e30), st.integers(1, 10**9)))
def test_a_rate_is_multiplied_and_divided_by_a_number(rate: float, factor: float) -> None:
    """A rate times a number, from both sides, and a rate by a number, are rates."""
    assert HashRate(rate) * factor == factor * HashRate(rate) == HashRate(rate * factor)
    assert HashRate(rate) / factor == HashRate(rate / factor)


def test_a_rate_by_a_rate_is_a_ratio() -> None:
    """Of two rates there is a plain number, whichever units they were made in; by no rate nothing is divided."""
    ratio = HashRate.from_ghps(1) / HashRate.from_mhps(500)
    assert (type(ratio), ratio) == (float, 2.0)
    for nothing in (HashRate(0), 0, 0.0):
        with pytest.raises(ZeroDivisionError):
            _ = HashRate(1) / nothing


def test_no_arithmetic_makes_an_impossible_rate() -> None:
    """A factor below 0, one that is no number, and a result beyond a float are ValueErrors."""
    for factor in (-1, math.nan, math.inf, 1e300):
        with pytest.raises(ValueError, match=r"number, 0 or more, not "):
            _ = HashRate(1e10) * factor
    with pytest.raises(ValueError, match=r"number, 0 or more, not -1.0"):
        _ = HashRate(1) / -1


@pytest.mark.parametrize("other", ["1", None, [1], True, 1j])
def test_only_numbers_multiply_and_divide(other: Any) -> None:
    """A rate times or by anything else is a TypeError, a bool's truth included; nothing is divided by a rate."""
    for operation in (operator.mul, divide):
        with pytest.raises(TypeError, match=r"unsupported operand|can't multiply"):
            operation(HashRate(1), other)
    for left in (other, 1, 1.5):
        with pytest.raises(TypeError, match="unsupported operand"):
            divide(left, HashRate(1))


@pytest.mark.parametrize("other", [1, 0, 1.5, "1", None])
def test_only_rates_subtract(other: Any) -> None:
    """A number has no unit, so neither is it taken from a rate, nor a rate from it; two rates do not multiply."""
    for left, right in ((HashRate(1), other), (other, HashRate(1))):
        with pytest.raises(TypeError, match="unsupported operand"):
            operator.sub(left, right)
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = HashRate(1) * HashRate(1)  # type: ignore[operator]  # what must not work


def test_no_rate_is_falsy() -> None:
    """`if worker.hash_rate:` asks whether it mines."""
    assert not HashRate(0)
    assert HashRate(0.001)


@pytest.mark.parametrize("unit", FACTORS)
@pytest.mark.parametrize("number", [-1.0, -1e-300, math.nan, math.inf, -math.inf])
def test_no_rate_is_negative_or_endless(unit: str, number: float) -> None:
    """A number that no rate can have is a ValueError that says what one is."""
    with pytest.raises(ValueError, match="number, 0 or more, not "):
        maker(unit)(number)


def test_a_rate_too_large_for_its_unit_is_refused() -> None:
    """A number that overflows in hashes per second is a ValueError like any endless one."""
    with pytest.raises(ValueError, match="not inf"):
        HashRate.from_phps(1e300)


@pytest.mark.parametrize("unit", FACTORS)
@pytest.mark.parametrize("number", ["1", None, [1], 1j, b"1"])
def test_a_rate_is_made_of_a_number(unit: str, number: float) -> None:
    """What is no number is a TypeError, in every unit."""
    with pytest.raises(TypeError):
        maker(unit)(number)


@pytest.mark.parametrize("truth", [True, False])
def test_a_truth_is_no_number(truth: bool) -> None:  # noqa: FBT001  # it stands for a number
    """A bool is refused as it is on the wire, and the error names it."""
    with pytest.raises(TypeError, match="not of bool"):
        HashRate(truth)


def test_a_rate_is_frozen() -> None:
    """A rate is shared, so nobody can change it or hang anything on it."""
    rate = HashRate(1)
    for name in ("hps", "other"):
        with pytest.raises(FrozenInstanceError):
            setattr(rate, name, 2.0)
    assert not hasattr(rate, "__dict__")


def test_a_rate_is_copied_and_pickled() -> None:
    """A copy, from this process or another, is an equal rate."""
    rate = HashRate(1.5)
    pickled = pickle.loads(pickle.dumps(rate))  # noqa: S301  # our own
    assert copy.copy(rate) == copy.deepcopy(rate) == pickled == rate


@pytest.mark.parametrize("unit", FACTORS)
def test_no_unit_takes_what_is_no_rate(unit: str) -> None:
    """Every constructor refuses a bool, a string, an overflow and what is beyond a float."""
    make = getattr(HashRate, f"from_{unit}")
    for no_number in (True, "5"):
        with pytest.raises(TypeError):
            make(no_number)
    for no_rate in (10**400, 1e308 * 10, -1):
        with pytest.raises(ValueError, match="number, 0 or more, not "):
            make(no_rate)


def test_zero_has_no_sign() -> None:
    """Minus zero, which JSON may bring, is zero."""
    assert str(HashRate(-0.0)) == "0.00 H/s"
