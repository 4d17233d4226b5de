"""Records, events and receipts as plain data, and back: dicts, lists, strings and numbers, as JSON has them.

Where a type is lost its unit goes into the name: a `HashRate` becomes `hash_rate_hps`, a `timedelta` `duration_s`. A
moment is text in ISO 8601, in UTC, with as many digits as it needs (`2014-03-01T11:32:43Z`); money is text, its digits
written out (`"0.00000001"`); a status is its value; None is null. A hash rate that has no field's name to carry its
unit, as in `top50`, is `{"hps": …}`. An event begins with its kind: `"event": "WorkerIdle"`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Any, NamedTuple, TypeVar, cast, get_args, overload

import attrs
import msgspec
from attrs import AttrsInstance
from cattrs import BaseValidationError, ClassValidationError, Converter, IterableValidationError

from ._arguments import check_flag
from ._convert.converter import KINDS, converter, is_mapping, is_tuple, name_of
from ._convert.scalars import UnfitError, show
from .events import BlockEvent, WorkerEvent

__all__ = ["converter", "from_dict", "to_dict", "to_json"]

T = TypeVar("T")

_MOST_TOLD = 5
_converter = cache(converter)


def to_dict(record: AttrsInstance | Mapping[str, AttrsInstance], *, derived: bool = False) -> dict[str, Any]:
    """Return a record, an event, a receipt, or a mapping of them such as `top50`, as plain data.

    Args:
        record: What the client has given.
        derived: Whether what a record derives (`luck`, `effort`, `reject_rate`, `idle_workers`, …) is put in as well.
            An infinite figure is None.

    Raises:
        ValueError: A moment has no time zone.
        TypeError: It is none of this package's records and events, as a subclass of one is none; or it was made by hand
            with a value of the wrong type.
    """
    check_flag("derived", derived)
    if isinstance(record, tuple | list):
        raise TypeError("to_dict takes one record: call it for each, or take to_json")
    return cast("dict[str, Any]", _plain(_converter(derived=derived), record))


def to_json(
    value: AttrsInstance | Mapping[str, AttrsInstance] | tuple[AttrsInstance, ...] | list[AttrsInstance],
    *,
    derived: bool = False,
) -> bytes:
    """Return a record or an event, or a tuple, a list or a mapping of them, as JSON: one line, without its end.

    Args:
        value: What the client has given: `to_json(await client.pool.blocks())` is an array.
        derived: As in `to_dict`.

    Raises:
        ValueError: A moment has no time zone.
        TypeError: As in `to_dict`.
    """
    check_flag("derived", derived)
    plain = _plain(_converter(derived=derived), value)
    try:
        return msgspec.json.encode(plain)
    except UnicodeEncodeError:  # half of a surrogate pair, in a record that was made by hand
        return json.dumps(plain, separators=(",", ":")).encode()


@overload
def from_dict(kind: type[T], data: object) -> T: ...
@overload
def from_dict(kind: UnionType, data: object) -> Any: ...
def from_dict(kind: Any, data: object) -> Any:
    """Return the record that `to_dict` made plain data of, equal to the one that it was.

    Keys that `kind` does not have are ignored, as those of derived figures are; a missing one is a fault. A span comes
    back to the microsecond if it is shorter than 272 years, and as near to it as a float is otherwise.

    Args:
        kind: A record or an event, or several: `Block`, `tuple[Block, ...]`, `immutabledict[str, HashRate]`. Of
            `BlockEvent` and `WorkerEvent` it is the one that the data name.
        data: The plain data, such as `json.loads` has read.

    Raises:
        ValueError: The data do not fit: it says where, what was expected, and what was there.
        TypeError: `kind` is none of these.
    """
    if not _is_known(kind):
        raise TypeError(f"from_dict makes this package's records and events, not {_name(kind)}")
    try:
        return _converter(derived=False).structure(data, kind)
    except (UnfitError, BaseValidationError) as error:
        faults = [f"{path}: {expected} expected, not {got}" for path, expected, got in _faults(error, "$")]
    more = f"; and {len(faults) - _MOST_TOLD} more" if len(faults) > _MOST_TOLD else ""
    raise ValueError(f"not {_name(kind)}: {'; '.join(faults[:_MOST_TOLD])}{more}")


def _plain(made: Converter, value: object) -> Any:
    if type(value) in KINDS:
        try:
            return made.unstructure(value)
        except (AttributeError, TypeError, OverflowError) as error:  # a record made by hand: none is checked when made
            raise TypeError(f"{_misfit(made, value)}: {error}") from error
    if isinstance(value, tuple | list):
        return [_plain(made, each) for each in cast("list[object]", value)]
    if isinstance(value, Mapping):
        members = cast("Mapping[object, object]", value)
        if odd := [type(key).__name__ for key in members if type(key) is not str]:
            raise TypeError(f"a key of JSON is a string, not {odd[0]}")
        return {key: _plain(made, each) for key, each in members.items()}
    raise TypeError(f"this package's records and events can be made plain data, not {type(value).__name__}")


def _misfit(made: Converter, record: Any) -> str:
    """Say which field of a record cannot be made plain data."""
    for field in attrs.fields(cast("type[AttrsInstance]", type(record))):
        value = getattr(record, field.name)
        try:
            made.unstructure(value, field.type)
        except (AttributeError, TypeError, OverflowError):
            if type(value) in KINDS and field.type in {type(value), type(value) | None}:
                return _misfit(made, value)
            return f"{type(record).__name__}.{field.name} cannot be {show(value)}"
    return f"the figures of {type(record).__name__} cannot be derived"


def _is_known(kind: Any) -> bool:
    if is_tuple(kind):
        return get_args(kind)[1:] == (...,) and _is_known(get_args(kind)[0])
    if is_mapping(kind):
        return get_args(kind)[0] is str and _is_known(get_args(kind)[1])
    return kind in {*KINDS, BlockEvent, WorkerEvent}


def _name(kind: Any) -> str:
    """Return what a type is called where it is written: `tuple[Block, ...]`."""
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else re.sub(r"\w+\.(?=\w)", "", str(kind))


class _Fault(NamedTuple):
    path: str
    expected: str
    got: str


def _faults(error: Exception, path: str) -> Iterator[_Fault]:
    """Yield the faults below a place: cattrs notes on each error in which field or at which index it was met."""
    if isinstance(error, UnfitError):
        yield _Fault(path, error.expected, show(error.value))
    elif isinstance(error, IterableValidationError):
        for each, note in error.group_exceptions()[0]:
            yield from _faults(each, f"{path}[{show(note.index)}]")
    else:
        of_record = cast("ClassValidationError", error)  # or it is a fault of ours, which shall not pass for none
        for each, attribute in of_record.group_exceptions()[0]:
            place = f"{path}.{name_of(attribute.name, attribute.type)}"
            if isinstance(each, KeyError):  # which says that there is no such key
                yield _Fault(place, "a value", "nothing")
            else:
                yield from _faults(each, place)
