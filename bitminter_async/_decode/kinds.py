"""The kinds of scalar that the API documents: each rule stands here once, and both readings of an answer go by it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from operator import itemgetter
from typing import Annotated, Any, TypeGuard, TypeVar

import attrs
from attrs import frozen
from immutabledict import immutabledict
from msgspec import Meta

from .._call import Kind
from ..records import Block, BlockStatus, PoolStats, Round
from ..units import HashRate

__all__ = ["FROM_MINUS_ONE", "GHPS", "MAPPINGS", "SCALARS", "Scalar", "fields", "is_scalar", "mapping", "scalar_of"]

T = TypeVar("T")

_MAX_INT = 2**63 - 1
_MIN_AMOUNT, _MAX_AMOUNT = Decimal(-(2**52)), Decimal(2**52)
_LEAST_AMOUNT = Decimal("1e-99")  # from here up comparing will do, which is most of what there is
_LEAST_DIGIT = -100  # the power of ten of an amount's first digit: below it, printing one would take for ever
_LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z
_LONGEST = 86_399_999_999_999  # seconds in the longest timedelta, less a day

_Measure = Annotated[float, Meta(ge=0, le=1e99)]
_Moment = Annotated[int, Meta(ge=0, le=_LAST_SECOND)] | Annotated[float, Meta(ge=0, le=_LAST_SECOND)]
_Span = Annotated[int, Meta(ge=0, le=_LONGEST)] | Annotated[float, Meta(ge=0, le=_LONGEST)]


@frozen(eq=False)
class Scalar(Kind[T]):
    """One kind of scalar.

    Attributes:
        expected: What the API documents, in words.
        wire: What msgspec checks as it parses: the JSON type and its bounds. Of a number that is `Any`, its text.
        make: What makes the value of that; None where it is the value already. A ValueError refuses it.
    """

    expected: str
    wire: Any
    make: Callable[[Any], T] | None = None


def _amount(number: object) -> Decimal:
    # Of an integer msgspec makes an int, of any other number, by its own text, a Decimal (`float_hook`).
    if type(number) is int:
        number = Decimal(number)
    # Compared as it is: `abs` or a minus would round to the digits of the caller's decimal context.
    if type(number) is Decimal and (
        _LEAST_AMOUNT <= number <= _MAX_AMOUNT
        or (_MIN_AMOUNT <= number < _LEAST_AMOUNT and number.adjusted() > _LEAST_DIGIT)
    ):
        return number
    raise ValueError


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)  # by place: by name it would take half as long again


def _moment_or_none(seconds: float | None) -> datetime | None:
    return _moment(seconds) if seconds else None


FROM_MINUS_ONE = Scalar[int]("an integer from -1 up", Annotated[int, Meta(ge=-1, le=_MAX_INT)])
GHPS = Scalar("a number of Ghps from 0 up", _Measure, HashRate.from_ghps)

SCALARS: dict[Any, Scalar[Any]] = {
    int: Scalar("an integer from 0 up", Annotated[int, Meta(ge=0, le=_MAX_INT)]),
    float: Scalar("a number from 0 up", _Measure),
    Decimal: Scalar("an amount", Any, _amount),
    datetime: Scalar("seconds since the epoch", _Moment, _moment),
    datetime | None: Scalar("seconds since the epoch, null or nothing", _Moment | None, _moment_or_none),
    timedelta: Scalar("a number of seconds from 0 up", _Span, partial(timedelta, 0)),
    str: Scalar("a string", str),
    bool: Scalar("true or false", bool),
    BlockStatus: Scalar(f"one of {', '.join(BlockStatus)}", BlockStatus),
    HashRate: Scalar("a number of Mhps from 0 up", _Measure, HashRate.from_mhps),
}
_FIELDS: dict[tuple[type, str], Scalar[Any]] = {  # where a field's type alone does not say how it comes
    (PoolStats, "hash_rate"): GHPS,
    (Round, "hash_rate"): GHPS,
    (Block, "confirmations_left"): FROM_MINUS_ONE,
}


MAPPINGS = (Mapping, immutabledict)
"""How a kind says that it is a mapping: as records are annotated, and as what stands behind that."""


def is_scalar(kind: object) -> TypeGuard[Scalar[Any]]:
    """Tell whether a kind is a rule itself."""
    return isinstance(kind, Scalar)


def scalar_of(kind: Any) -> Scalar[Any] | None:
    """Return the rule by which a kind is read, or None if it is no scalar."""
    return kind if is_scalar(kind) else SCALARS.get(kind)


def fields(record: Any) -> Iterator[tuple[str, Any, bool]]:
    """Yield each field's name, the kind it comes as, and whether it may be absent."""
    for field in attrs.fields(record):
        yield field.name, _FIELDS.get((record, field.name), field.type), field.type == datetime | None


def mapping(values: dict[str, T], kind: Any) -> immutabledict[str, T]:
    """Return the values of a kind by their names; hash rates the fastest first, in whatever order they came."""
    if kind is HashRate:
        values = dict(sorted(values.items(), key=itemgetter(1), reverse=True))
    return immutabledict(values)
