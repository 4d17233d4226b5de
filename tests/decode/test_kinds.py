"""Every field of every record: what it takes from the wire, and what it refuses."""

import copy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

import orjson
import pytest
from attrs import has
from hypothesis import given, settings
from hypothesis import strategies as st

from bitminter_async._decode.decode import decode
from bitminter_async._wire.answer import Answer
from bitminter_async._wire.key import Mask
from bitminter_async.errors import DecodeError
from bitminter_async.records import Block, BlockStatus, PoolStats, Round, Shift, User
from bitminter_async.units import HashRate
from tests.support.samples import BLOCK, ROUND, SHIFT, STATS, USER

Path: TypeAlias = tuple[str | int, ...]

SAMPLES: dict[Any, Any] = {PoolStats: STATS, Round: ROUND, Block: BLOCK, Shift: SHIFT, User: USER}
FIELDS = {
    "count": "active_workers active_users shift_accepted shift_rejected accepted rejected id height total_accepted"
    " total_rejected round_accepted round_rejected checkpoint_accepted checkpoint_rejected",
    "confirmations": "confirmations_left",
    "measure": "difficulty shift_score score user_score total_score",
    "money": "income balances",
    "moment": "generated completed start now round_start",
    "moment or none": "last_work",
    "span": "duration shift_duration",
    "text": "chain hash generator name",
    "truth": "alive",
    "status": "status",
    "rate": "hash_rate",
}
SORTS = {name: sort for sort, names in FIELDS.items() for name in names.split()}
EXPECTED = {
    "count": "an integer from 0 up",
    "confirmations": "an integer from -1 up",
    "measure": "a number from 0 up",
    "money": "an amount",
    "moment": "seconds since the epoch",
    "moment or none": "seconds since the epoch, null or nothing",
    "span": "a number of seconds from 0 up",
    "text": "a string",
    "truth": "true or false",
    "status": "one of processing, unconfirmed, stale, orphan, confirmed",
}
INTEGERS: dict[str, object] = {
    **dict.fromkeys(("12", '"12"', "12.0", '"12.0"', "1.2e1", '"1.2E+1"', '"120e-1"'), 12),
    **dict.fromkeys(("0", '"0"', "0.0", "-0.0", '"-0"', '"0e9"'), 0),
    **dict.fromkeys(("18446744073709551615", '"18446744073709551615"'), 2**64 - 1),
    "4503599627370496.0": 2**52,
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
    "18446744073709551616",
    "4503599627370497.0",
    "9007199254740993.0",
)
REFUSED: dict[str, tuple[str, ...]] = {
    "count": (*NO_INTEGER, "-1", '"-1"', "-1.0", '"18446744073709551616"'),
    "confirmations": (*NO_INTEGER, "-2", '"-2"', "-1.5", '"-1.5"'),
    "measure": (*NO_NUMBER, "null", "-1", '"-1"', "-0.1", '"-0.1"', "1.1e99"),
    "money": (*NO_NUMBER, "null", "4503599627370497", '"4503599627370496.1"', "1e16", '"1e16"', "-1e16"),
    "moment": (*NO_NUMBER, "null", "-1", '"-1"', "-0.1", "1e20", '"1e20"', "253402300800", '"253402300799.1"'),
    "moment or none": (*NO_NUMBER, "-1", '"-1"', "1e20", "253402300800"),
    "span": (*NO_NUMBER, "null", "-1", '"-1"', "86400000000000", "1e15", '"1e15"'),
    "text": (*NEVER_TAKEN, "null", "true", "false", "0", "12", "1.5"),
    "truth": (*NEVER_TAKEN, "null", "0", "1", "1.0", '"true"', '"false"', '""'),
    "status": (*NEVER_TAKEN, "null", "true", "0", '""', '"Confirmed"', '"confirmed "', '"paid"', '"BlockStatus.STALE"'),
}


def make_answer(body: bytes, mask: Mask | None = None) -> Answer:
    """A success with this body."""
    mask = mask or Mask(None)
    return Answer(200, "https://pool.example/api", keyed=False, for_user=False, headers={}, body=body, mask=mask)


def put(value: Any, path: Path, new: object) -> Any:
    """A copy of a JSON value with another one at this place."""
    if not path:
        return new
    value = copy.copy(value)
    value[path[0]] = put(value[path[0]], path[1:], new) if path[1:] else new
    return value


def with_raw(kind: Any, path: Path, raw: str) -> Answer:
    """The sample's answer with this JSON text at this place."""
    return make_answer(orjson.dumps(put(SAMPLES[kind], path, "@@")).replace(b'"@@"', raw.encode()))


def at(record: Any, path: Path) -> Any:
    """What stands at this place in a record."""
    for step in path:
        record = getattr(record, str(step)) if has(record.__class__) else record[step]
    return record


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the place of each scalar, of one element of each array and mapping."""
    if value.__class__ is dict:
        keys: list[str] = [key for key in value if key != "NMC"]
        for key in keys:
            yield from leaves(value[key], (*path, key))
    elif value.__class__ is list:
        yield from leaves(value[0], (*path, 0))
    else:
        yield path


def sort_of(path: Path) -> str:
    """Which sort of scalar stands at this place."""
    return SORTS[next(str(step) for step in reversed(path) if step != "BTC")]


def shown(path: Path) -> str:
    """The place as a fault names it."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


LEAVES = [(kind, path) for kind, sample in SAMPLES.items() for path in leaves(sample)]


def each_leaf(*sorts: str) -> pytest.MarkDecorator:
    """Run a test on each place of these sorts."""
    chosen = [(kind, path) for kind, path in LEAVES if sort_of(path) in sorts]
    return pytest.mark.parametrize(("kind", "path"), chosen, ids=[f"{k.__name__}{shown(p)[1:]}" for k, p in chosen])


def refused(kind: Any, path: Path, raws: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Of each of these texts that is refused at this place: the place that the fault names, and what it expected."""
    faults: dict[str, tuple[str, str]] = {}
    for raw in raws:
        try:
            decode(with_raw(kind, path, raw), kind)
        except DecodeError as error:
            ((place, expected, _),) = error.faults
            faults[raw] = (place, expected)
    return faults


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
        ("4503599627370495", "4503599627370495"),
        ("4503599627370496.0", "4503599627370496.0"),
        ("-4503599627370496", "-4503599627370496"),
        (f'"0.{"1" * 38}"', f"0.{'1' * 38}"),
        ('"0.21323507"', "0.21323507"),
        ('"0.10"', "0.10"),
        ('"25"', "25"),
        ('"-0.50"', "-0.50"),
        ('"123456789.12345678901234567890"', "123456789.12345678901234567890"),
    ],
)
def test_money_is_exact(kind: Any, path: Path, raw: str, text: str) -> None:
    """An amount is what its digits say, no more and no less, and as a string keeps every digit."""
    amount = at(decode(with_raw(kind, path, raw), kind), path)
    assert type(amount) is Decimal
    assert amount.as_tuple() == Decimal(text).as_tuple()
    assert f"{amount:f}" == text


@given(st.decimals(0, 10**7, places=8))
@settings(max_examples=200)
def test_money_of_eight_decimals_survives(amount: Decimal) -> None:
    """Any amount down to a satoshi comes out as it went in, as a number or a string."""
    for raw in (repr(float(amount)), f'"{amount:f}"'):
        assert decode(make_answer(raw.encode()), Decimal) == amount
