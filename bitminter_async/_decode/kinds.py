"""One JSON value, read strictly: what each kind of scalar may look like on the wire.

A number may come as a JSON number or as one in quotes, since the API's clients met both. An integer may come as 12.0.
All else that Python would coerce (`true` as 1, `"1_000"`, Arabic digits, NaN) is refused.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple, NewType, cast

import orjson

from ..units import HashRate

__all__ = ["INLINE", "SCALARS", "FromMinusOne", "Ghps", "Scalar"]

_NUMERAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?")
_MAX_NUMERAL = 40
_MAX_INT = 2**64 - 1  # the most that orjson reads as an integer
_MAX_EXACT = 2**52  # above it, a JSON number may have lost its fraction on its way to a float
_MAX_MEASURE = 10**99
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z
_LONGEST = 86_399_999_999_999  # seconds in the longest timedelta, less a day


def _number(value: object) -> int | float | Decimal:
    if isinstance(value, str) and len(value) <= _MAX_NUMERAL and _NUMERAL.fullmatch(value):
        return Decimal(value)
    if type(value) is int or type(value) is float:  # no isinstance: a bool is no number here
        return value
    raise ValueError


def _number_within(least: int, most: float, value: object) -> int | float | Decimal:
    number = _number(value)
    if number < least or number > most:
        raise ValueError
    return number


def _integer(value: object, least: int = 0) -> int:
    number = _number_within(least, _MAX_EXACT if type(value) is float else _MAX_INT, value)
    if (whole := int(number)) != number:
        raise ValueError
    return whole


def _measure(value: object) -> float:
    return float(_number_within(0, _MAX_MEASURE, value))


def _money(value: object) -> Decimal:
    number = _number(value)
    if not -_MAX_EXACT <= number <= _MAX_EXACT:
        raise ValueError
    return Decimal(repr(number)) if isinstance(number, float) else Decimal(number)  # repr: its shortest text


def _moment(value: object) -> datetime:
    return datetime.fromtimestamp(float(_number_within(0, _LAST_SECOND, value)), UTC)


def _moment_or_none(value: object) -> datetime | None:
    return _moment(value) if value is not None and _number(value) else None


def _mhps(value: object) -> HashRate:
    return HashRate.from_mhps(_measure(value))


def _ghps(value: object) -> HashRate:
    return HashRate.from_ghps(_measure(value))


def _span(value: object) -> timedelta:
    return timedelta(seconds=float(_number_within(0, _LONGEST, value)))


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError
    return value


def _truth(value: object) -> bool:
    if type(value) is not bool:
        raise TypeError
    return value


class Scalar(NamedTuple):
    """How one kind of value is read: `fast` is an expression that passes what is already right and leaves the rest."""

    expected: str
    slow: Callable[[Any], object]
    fast: str = "{slow}({value})"


Ghps = cast("type[HashRate]", NewType("Ghps", HashRate))
"""A hash rate that comes in Ghps: the pool's. A plain `HashRate` comes in Mhps: a user's."""
FromMinusOne = cast("type[int]", NewType("FromMinusOne", int))
"""An integer that may be -1. A plain `int` may not."""

SCALARS: dict[Any, Scalar] = {
    int: Scalar(
        "an integer from 0 up",
        _integer,
        "v if type(v := {value}) is int and v >= 0 else {slow}(v)",
    ),
    FromMinusOne: Scalar(
        "an integer from -1 up",
        partial(_integer, least=-1),
        "v if type(v := {value}) is int and v >= -1 else {slow}(v)",
    ),
    float: Scalar(
        "a number from 0 up",
        _measure,
        "v if type(v := {value}) is float and 0.0 <= v <= 1e99 else {slow}(v)",
    ),
    Decimal: Scalar(
        "an amount",
        _money,
        # orjson writes a float's shortest text as repr does, in half the time.
        "Decimal(dumps(v).decode()) if type(v := {value}) is float and 1e-4 <= v < 1e15 else {slow}(v)",
    ),
    datetime: Scalar(
        "seconds since the epoch",
        _moment,
        f"fromtimestamp(v, UTC) if type(v := {{value}}) is int and 0 <= v <= {_LAST_SECOND} else {{slow}}(v)",
    ),
    datetime | None: Scalar("seconds since the epoch, null or nothing", _moment_or_none),
    timedelta: Scalar(
        "a number of seconds from 0 up",
        _span,
        f"SECOND * v if type(v := {{value}}) is int and 0 <= v <= {_LONGEST} else {{slow}}(v)",
    ),
    str: Scalar("a string", _text, "v if type(v := {value}) is str else {slow}(v)"),
    bool: Scalar("true or false", _truth, "v if type(v := {value}) is bool else {slow}(v)"),
    HashRate: Scalar("a number of Mhps from 0 up", _mhps),
    Ghps: Scalar("a number of Ghps from 0 up", _ghps),
}
INLINE: dict[str, Any] = {
    "Decimal": Decimal,
    "UTC": UTC,
    "dumps": orjson.dumps,
    "fromtimestamp": datetime.fromtimestamp,
    "SECOND": timedelta(seconds=1),
}
"""The names that the `fast` expressions use."""
