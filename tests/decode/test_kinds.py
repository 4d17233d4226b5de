"""Every field of every record: what it takes from the wire, and what it refuses."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, Inexact, localcontext
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitminter_async._decode.decode import decode
from bitminter_async.records import BlockStatus, User
from bitminter_async.units import HashRate
from tests.support.kinds import ANSWERS, EXPECTED, Path, at, leaves, refused, shown, sort_of, with_raw
from tests.support.records import make_answer

INTEGERS: dict[str, object] = {
    **dict.fromkeys(("12", '"12"', "12.0", '"12.0"', "1.2e1", '"1.2E+1"', '"120e-1"'), 12),
    **dict.fromkeys(("0", '"0"', "0.0", "-0.0", '"-0"', '"0e9"'), 0),
    **dict.fromkeys(("9223372036854775807", '"9223372036854775807"'), 2**63 - 1),
    "4503599627370497.0": 2**52 + 1,
    "9007199254740993.0": 2**53 + 1,
    '"9007199254740993"': 2**53 + 1,
}
BIRTHDAY = datetime(2011, 6, 26, 12, tzinfo=UTC)
MOMENTS: dict[str, object] = {
    **dict.fromkeys(("1309089600", '"1309089600"', "1309089600.0", '"1.3090896e9"'), BIRTHDAY),
    **dict.fromkeys(("1309089600.25", '"1309089600.25"'), BIRTHDAY + timedelta(seconds=0.25)),
    **dict.fromkeys(("253402300799", '"253402300799"'), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
}
TAKEN: dict[str, dict[str, object]] = {
    "count": INTEGERS,
    "confirmations": {**INTEGERS, **dict.fromkeys(("-1", '"-1"', "-1.0", '"-1.0"'), -1)},
    "measure": {
        **dict.fromkeys(("2500.5", '"2500.5"', "2.5005e3", '"25005e-1"'), 2500.5),
        **dict.fromkeys(("3", '"3"', "3.0"), 3.0),
        **dict.fromkeys(("0", '"0"', "0.0"), 0.0),
        **dict.fromkeys(("9e98", '"9e98"'), 9e98),
    },
    "money": {},  # by their text, in a test of their own
    "moment": {**MOMENTS, **dict.fromkeys(("0", '"0"'), datetime(1970, 1, 1, tzinfo=UTC))},
    "moment or none": {**MOMENTS, **dict.fromkeys(("null", "0", '"0"', "0.0", '"0.0"', "-0.0"))},
    "span": {
        **dict.fromkeys(("5387", '"5387"', "5387.0"), timedelta(hours=1, minutes=29, seconds=47)),
        **dict.fromkeys(("0.25", '"0.25"', '"25e-2"'), timedelta(milliseconds=250)),
        **dict.fromkeys(("0", '"0"'), timedelta(0)),
        **dict.fromkeys(("86399999999999", '"86399999999999"'), timedelta(999999999, 86399)),
    },
    "text": {'""': "", '"bob"': "bob", '"12"': "12", '"\\u00e9\\ud83d\\ude00 \\u0000"': "é😀 \0"},
    "truth": {"true": True, "false": False},
    "status": {f'"{status}"': status for status in BlockStatus},
}
NEVER_TAKEN = ("[]", "{}", "[12]", '{"a":12}')
NO_NUMBER = (
    *NEVER_TAKEN, "true", "false", '""', '"abc"', '"1_000"', '" 5"', '"5 "', '"5\\n"', '"\\u00a05"', '"+5"', '"0x10"',
    '"٣"', '"\\uff15"', '"²"', '"1e999"', '"1e400"', '"1e-999"', '"NaN"', '"nan"', '"Infinity"', '"-Infinity"', '"inf"',
    '".5"', '"5."', '"05"', '"00"', '"1e"', '"e5"', '"--5"', '"5-"', '"1,5"', '"1 000"', f'"{"9" * 50}"',
    f'"0.{"1" * 39}"', '"true"', '"null"', '"-"', "-1e99", '"-1e99"', "1e300",
)  # fmt: skip
NO_INTEGER = (
    *NO_NUMBER,
    "null",
    "12.5",
    '"12.5"',
    '"1e-1"',
    '"1e99"',
    "9223372036854775808",
    "9223372036854775808.0",
)
REFUSED: dict[str, tuple[str, ...]] = {
    "count": (*NO_INTEGER, "-1", '"-1"', "-1.0", '"9223372036854775808"'),
    "confirmations": (*NO_INTEGER, "-2", '"-2"', "-1.5", '"-1.5"'),
    "measure": (*NO_NUMBER, "null", "-1", '"-1"', "-0.1", '"-0.1"', "1.1e99"),
    "money": (
        *NO_NUMBER,
        "null",
        "4503599627370497",
        '"4503599627370496.1"',
        "1e16",
        '"1e16"',
        "-1e16",
        "4503599627370496.00000001",
        "1e-101",
        "1e400",
        "1e999999999",
        "1e-999999999",
        f"1e{'9' * 30}",
    ),
    "moment": (*NO_NUMBER, "null", "-1", '"-1"', "-0.1", "1e20", '"1e20"', "253402300800", '"253402300799.1"'),
    "moment or none": (*NO_NUMBER, "-1", '"-1"', "1e20", "253402300800"),
    "span": (*NO_NUMBER, "null", "-1", '"-1"', "86400000000000", "1e15", '"1e15"'),
    "text": (*NEVER_TAKEN, "null", "true", "false", "0", "12", "1.5"),
    "truth": (*NEVER_TAKEN, "null", "0", "1", "1.0", '"true"', '"false"', '""'),
    "status": (*NEVER_TAKEN, "null", "true", "0", '""', '"Confirmed"', '"confirmed "', '"paid"', '"BlockStatus.STALE"'),
}


LEAVES = [(kind, path) for kind, sample in ANSWERS.items() for path in leaves(sample)]


def each_leaf(*sorts: str) -> pytest.MarkDecorator:
    """Run a test on each place of these sorts."""
    chosen = [(kind, path) for kind, path in LEAVES if sort_of(path) in sorts]
    return pytest.mark.parametrize(("kind", "path"), chosen, ids=[f"{k.__name__}{shown(p)[1:]}" for k, p in chosen])


@each_leaf(*TAKEN)
def test_a_field_takes_what_its_sort_takes(kind: Any, path: Path) -> None:
    """A number and the same number as a string are read as the same value, of the documented type."""
    taken = TAKEN[sort_of(path)]
    read = {raw: at(decode(with_raw(kind, path, raw), kind), path) for raw in taken}
    assert read == taken
    assert [type(value) for value in read.values()] == [type(value) for value in taken.values()]


@each_leaf(*TAKEN)
def test_a_field_refuses_all_else(kind: Any, path: Path) -> None:
    """Whatever Python would coerce, or is beyond reason, is a fault that names the field and what it should be."""
    sort = sort_of(path)
    assert refused(kind, path, REFUSED[sort]) == dict.fromkeys(REFUSED[sort], (shown(path), EXPECTED[sort]))


@each_leaf("rate")
def test_a_hash_rate_is_in_the_unit_of_its_endpoint(kind: Any, path: Path) -> None:
    """The pool's rates come in Ghps, a user's and a worker's in Mhps; what is no number is refused in that unit."""
    unit, factor = ("Mhps", 1e6) if kind is User else ("Ghps", 1e9)
    for raw in ("1701000", '"1701000"', "1701000.0", '"1.701e6"'):
        assert at(decode(with_raw(kind, path, raw), kind), path) == HashRate(1701000 * factor)
    assert at(decode(with_raw(kind, path, "0"), kind), path) == HashRate(0)
    bad = (*NO_NUMBER, "null", "-1", '"-1"')
    assert refused(kind, path, bad) == dict.fromkeys(bad, (shown(path), f"a number of {unit} from 0 up"))


@each_leaf("money")
@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("0.21323507", "0.21323507"),
        ("1e-8", "0.00000001"),
        ("0.00000001", "0.00000001"),
        ("0.00012345", "0.00012345"),
        ("25.0", "25.0"),
        ("25", "25"),
        ("0", "0"),
        ("0.1", "0.1"),
        ("-0.5", "-0.5"),
        ("20999999.9769", "20999999.9769"),
        ("1234567890.12345678", "1234567890.12345678"),
        ("25.10000000", "25.10000000"),
        ("0.30000000000000004440892098500626", "0.30000000000000004440892098500626"),
        ("1e-99", f"0.{'0' * 98}1"),
        ("25.1e-30", f"0.{'0' * 28}251"),
        ("1E+3", "1000"),
        ("4.5e15", "4500000000000000"),
        ("4503599627370495", "4503599627370495"),
        ("4503599627370496.0", "4503599627370496.0"),
        ("-4503599627370496", "-4503599627370496"),
        (f'"0.{"1" * 38}"', f"0.{'1' * 38}"),
        ('"0.21323507"', "0.21323507"),
        ('"0.10"', "0.10"),
        ('"25"', "25"),
        ('"1234567890.12345678"', "1234567890.12345678"),
        ('"25.10000000"', "25.10000000"),
        ('"1E+3"', "1000"),
        ('"-0.50"', "-0.50"),
        ('"123456789.12345678901234567890"', "123456789.12345678901234567890"),
    ],
)
def test_money_is_exact(kind: Any, path: Path, raw: str, text: str) -> None:
    """An amount is what its digits say, no more and no less, and as a string keeps every digit."""
    amount = at(decode(with_raw(kind, path, raw), kind), path)
    assert type(amount) is Decimal
    assert f"{amount:f}" == text
    assert amount == Decimal(text)


@each_leaf("money")
def test_money_is_exact_whatever_the_caller_calculates_with(kind: Any, path: Path) -> None:
    """A caller's decimal context of few digits rounds no amount, and one that forbids rounding refuses none."""
    taken, too_much = "1234567890.12345678", "4503599627370497"
    with localcontext() as context:
        context.prec, context.traps[Inexact] = 4, False
        assert str(at(decode(with_raw(kind, path, taken), kind), path)) == taken
        assert refused(kind, path, (taken, too_much)).keys() == {too_much}
        context.traps[Inexact] = True
        assert refused(kind, path, (taken, too_much)).keys() == {too_much}


@given(st.decimals(0, 10**7, places=8))
@settings(max_examples=200)
def test_money_of_eight_decimals_survives(amount: Decimal) -> None:
    """Any amount down to a satoshi comes out as it went in, as a number or a string."""
    for raw in (repr(float(amount)), f'"{amount:f}"'):
        assert decode(make_answer(raw.encode()), Decimal) == amount
