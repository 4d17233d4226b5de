"""What stands in records, as plain data: each type of scalar, and back with a check of what was there."""

import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, cast

from ..records import BlockStatus
from ..units import HashRate

__all__ = ["SCALARS", "UnfitError", "hash_rate", "hps", "members", "show"]

_AMOUNT = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_MOST_WRITTEN_OUT = 100  # places before or behind the point: an exponent may stand for more digits than memory holds
_SHOWN = 60
_MOST_BITS = 1024  # of an integer that is shown: Python refuses to write out one of more than 4,300 digits


class UnfitError(ValueError):
    """A value that is not what is expected at its place."""

    def __init__(self, expected: str, value: object) -> None:
        super().__init__(f"{expected} expected, not {show(value)}")
        self.expected = expected
        self.value = value


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _text_of_amount(amount: Decimal) -> str:
    is_short = amount.is_finite() and -_MOST_WRITTEN_OUT <= amount.adjusted() <= _MOST_WRITTEN_OUT
    return format(amount, "f") if is_short else str(amount)


def _text_of_moment(moment: datetime) -> str:
    if moment.utcoffset() is None:
        raise ValueError(f"a moment needs a time zone, and {moment} has none")
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def _of_type(kind: type, expected: str) -> Callable[[object, Any], Any]:
    def hook(value: object, _: object) -> Any:
        if type(value) is not kind:
            raise UnfitError(expected, value)
        return value

    return hook


def _float(value: object, _: object) -> float:
    try:
        if type(value) in {int, float} and math.isfinite(number := float(cast("float", value))):
            return number
    except OverflowError:
        pass
    raise UnfitError("a finite number", value)


def _amount(value: object, _: object) -> Decimal:
    if isinstance(value, str) and _AMOUNT.fullmatch(value):
        with suppress(ArithmeticError):
            return Decimal(value)
    raise UnfitError('an amount as text, such as "0.21323507",', value)


def _moment(value: object, _: object) -> datetime:
    if isinstance(value, str):
        with suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(value)
            if moment.utcoffset() is not None:
                return moment.astimezone(UTC)
    raise UnfitError('a moment with its time zone in ISO 8601, such as "2014-03-01T11:32:43Z",', value)


def _span(value: object, _: object) -> timedelta:
    with suppress(OverflowError, UnfitError):
        return timedelta(seconds=_float(value, None))
    raise UnfitError("a number of seconds", value)


def hps(value: object, _: object) -> float:
    return hash_rate(value, None).hps


def hash_rate(value: object, _: object) -> HashRate:
    with suppress(ValueError):
        return HashRate(_float(value, None))
    raise UnfitError("a number of hashes per second, 0 or more,", value)


def _status(value: object, _: object) -> BlockStatus:
    if isinstance(value, str):
        with suppress(ValueError):
            return BlockStatus(value)
    raise UnfitError(f"one of {', '.join(BlockStatus)},", value)


SCALARS: tuple[tuple[Any, Callable[[Any], Any] | None, Callable[[object, Any], Any]], ...] = (
    (int, None, _of_type(int, "an integer")),
    (str, None, _of_type(str, "a string")),
    (bool, None, _of_type(bool, "true or false")),
    (float, _number, _float),
    (Decimal, _text_of_amount, _amount),
    (datetime, _text_of_moment, _moment),
    (timedelta, timedelta.total_seconds, _span),
    (BlockStatus, attrgetter("value"), _status),
)


def members(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UnfitError("an object", value)
    return cast("Mapping[str, Any]", value)


def show(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "an array"
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return "a number of very many digits"
    text = "null" if value is None else repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
