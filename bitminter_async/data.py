"""Records and events as plain data, and back: dicts, lists, strings and numbers, as JSON has them.

Where a type is lost its unit goes into the name: a `HashRate` becomes `hash_rate_hps`, a `timedelta` `duration_s`. A
moment is text in ISO 8601, in UTC, with as many digits as it needs (`2014-03-01T11:32:43Z`); money is text, its digits
written out (`"0.00000001"`); a status is its value; None is null. A hash rate that has no field's name to carry its
unit, as in `top50`, is `{"hps": …}`. An event begins with its kind: `"event": "WorkerIdle"`.
"""

import inspect
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from operator import attrgetter, eq
from types import UnionType
from typing import Any, NamedTuple, TypeVar, cast, get_args, get_origin, get_type_hints, overload

import attrs
import msgspec
from attrs import AttrsInstance
from cattrs import BaseValidationError, ClassValidationError, Converter, IterableValidationError
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from immutabledict import immutabledict

from . import events, records
from ._arguments import check_flag
from .records import BlockStatus
from .units import HashRate

__all__ = ["converter", "from_dict", "to_dict", "to_json"]

T = TypeVar("T")

_EVENTS: set[Any] = {*get_args(events.BlockEvent), *get_args(events.WorkerEvent)}
_KINDS: set[Any] = {HashRate, *(kind for kind in vars(records).values() if attrs.has(kind)), *_EVENTS}
_SUFFIXES = {HashRate: "_hps", timedelta: "_s"}
_AMOUNT = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_MOST_WRITTEN_OUT = 100  # places before or behind the point: an exponent may stand for more digits than memory holds
_MOST_TOLD = 5
_SHOWN = 60


def to_dict(record: AttrsInstance | Mapping[str, AttrsInstance], *, derived: bool = False) -> dict[str, Any]:
    """Return a record, an event, or a mapping of them such as `top50`, as plain data.

    Args:
        record: What the client has given.
        derived: Whether what a record derives (`luck`, `effort`, `reject_rate`, `idle_workers`, …) is put in as well.
            An infinite figure is None.

    Raises:
        ValueError: A moment has no time zone.
        TypeError: It is none of this package's records and events. A subclass of one is none.
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
        TypeError: A value is none of this package's records and events.
    """
    check_flag("derived", derived)
    plain = _plain(_converter(derived=derived), value)
    try:
        return msgspec.json.encode(plain)
    except (OverflowError, UnicodeEncodeError):  # beyond 64 bits, or half of a surrogate pair: made by hand
        return json.dumps(plain, separators=(",", ":")).encode()


@overload
def from_dict(kind: type[T], data: object) -> T: ...
@overload
def from_dict(kind: UnionType, data: object) -> Any: ...
def from_dict(kind: Any, data: object) -> Any:
    """Return the record that `to_dict` made plain data of, equal to the one that it was.

    Keys that `kind` does not have are ignored, as those of derived figures are; a missing one is a fault. A span comes
    back to the microsecond if it is shorter than 285 years, and as near to it as a float is otherwise.

    Args:
        kind: A record or an event, or several: `Block`, `tuple[Block, ...]`, `Mapping[str, HashRate]`. Of `BlockEvent`
            and `WorkerEvent` it is the one that the data name.
        data: The plain data, such as `json.loads` has read.

    Raises:
        ValueError: The data do not fit: it says where, what was expected, and what was there.
        TypeError: `kind` is none of these.
    """
    if not _is_known(kind):
        raise TypeError(f"from_dict makes this package's records and events, not {getattr(kind, '__name__', kind)}")
    try:
        return _converter(derived=False).structure(data, kind)
    except (_UnfitError, BaseValidationError) as error:
        faults = [f"{path}: {expected} expected, not {got}" for path, expected, got in _faults(error, "$")]
    more = f"; and {len(faults) - _MOST_TOLD} more" if len(faults) > _MOST_TOLD else ""
    name = getattr(kind, "__name__", str(kind)) if kind in _KINDS else str(kind)
    raise ValueError(f"not {name}: {'; '.join(faults[:_MOST_TOLD])}{more}")


def converter(*, derived: bool = False) -> Converter:
    """Return a new cattrs converter that does as `to_dict` and `from_dict` do, to add hooks to.

    What is registered with it changes no other, nor this package's functions. It handles attrs classes that hold
    records, too. Its `structure` raises what cattrs raises.

    Args:
        derived: As in `to_dict`.
    """
    check_flag("derived", derived)
    made = Converter()
    for kind, unstructure, structure in _SCALARS:
        if unstructure:
            made.register_unstructure_hook(kind, unstructure)
        made.register_structure_hook(kind, structure)
    made.register_unstructure_hook_factory(_is_tuple, _list_maker)
    made.register_structure_hook_factory(_is_tuple, _tuple_maker)
    made.register_unstructure_hook_factory(_is_mapping, _dict_maker)
    made.register_structure_hook_factory(_is_mapping, _mapping_maker)
    made.register_unstructure_hook_factory(
        _KINDS.__contains__, lambda kind, converter: _record_unmaker(kind, converter, derived=derived)
    )
    made.register_structure_hook_factory(_KINDS.__contains__, _record_maker)
    for union in (events.BlockEvent, events.WorkerEvent):
        made.register_structure_hook_func(partial(eq, union), _event_maker(union, made))
    return made


_converter = cache(converter)


def _plain(made: Converter, value: object) -> Any:
    if type(value) in _KINDS:
        return made.unstructure(value)
    if isinstance(value, tuple | list):
        return [_plain(made, each) for each in cast("list[object]", value)]
    if isinstance(value, Mapping):
        members = cast("Mapping[object, object]", value)
        if odd := next((key for key in members if type(key) is not str), None):
            raise TypeError(f"a key of JSON is a string, not {type(odd).__name__}")
        return {key: _plain(made, each) for key, each in members.items()}
    raise TypeError(f"this package's records and events can be made plain data, not {type(value).__name__}")


def _is_known(kind: Any) -> bool:
    if _is_tuple(kind):
        return get_args(kind)[1:] == (...,) and _is_known(get_args(kind)[0])
    if _is_mapping(kind):
        return get_args(kind)[0] is str and _is_known(get_args(kind)[1])
    return kind in {*_KINDS, events.BlockEvent, events.WorkerEvent}


class _UnfitError(ValueError):
    """A value that is not what is expected at its place."""

    def __init__(self, expected: str, value: object) -> None:
        super().__init__(f"{expected} expected, not {_show(value)}")
        self.expected = expected
        self.value = value


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _is_mapping(kind: Any) -> bool:
    return get_origin(kind) is Mapping


def _list_maker(kind: Any, made: Converter) -> Callable[[tuple[Any, ...]], list[Any]]:
    element = made.get_unstructure_hook(get_args(kind)[0])
    return lambda values: [element(value) for value in values]


def _tuple_maker(kind: Any, made: Converter) -> Callable[[object, Any], tuple[Any, ...]]:
    structure = made.get_structure_hook(list[get_args(kind)[0]])  # type: ignore[misc]  # a type known only now

    def hook(value: object, _: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise _UnfitError("an array", value)
        return tuple(structure(value, kind))

    return hook


def _dict_maker(kind: Any, made: Converter) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    member = made.get_unstructure_hook(get_args(kind)[1])
    return lambda values: {key: member(value) for key, value in values.items()}


def _mapping_maker(kind: Any, made: Converter) -> Callable[[object, Any], immutabledict[str, Any]]:
    structure = made.get_structure_hook(dict[get_args(kind)])  # type: ignore[misc]  # likewise

    def hook(value: object, _: object) -> immutabledict[str, Any]:
        return immutabledict(structure(_members(value), kind))

    return hook


def _record_unmaker(kind: Any, made: Converter, *, derived: bool) -> Callable[[Any], dict[str, Any]]:
    fields = make_dict_unstructure_fn(kind, made, **_overrides(kind))
    first = {"event": kind.__name__} if kind in _EVENTS else {}
    more = [
        (_name(name, result), get, attrgetter("hps") if result is HashRate else made.get_unstructure_hook(result))
        for name, get, result in (_derived(kind) if derived else ())
    ]
    if not first and not more:
        return fields

    def hook(record: Any) -> dict[str, Any]:
        return {**first, **fields(record), **{name: unstructure(get(record)) for name, get, unstructure in more}}

    return hook


def _record_maker(kind: Any, made: Converter) -> Callable[[object, Any], Any]:
    structure = make_dict_structure_fn(kind, made, **_overrides(kind))

    def hook(value: object, _: object) -> Any:
        members = _members(value)
        if kind in _EVENTS and members.get("event") != kind.__name__:
            raise _UnfitError(f"the event {kind.__name__}", members.get("event"))
        return structure(members, kind)

    return hook


def _event_maker(union: UnionType, made: Converter) -> Callable[[object, Any], Any]:
    kinds = {kind.__name__: kind for kind in get_args(union)}

    def hook(value: object, _: object) -> Any:
        name = _members(value).get("event")
        if name not in kinds:
            raise _UnfitError(f"an event, one of {', '.join(kinds)},", name)
        return made.structure(value, kinds[name])

    return hook


def _overrides(kind: Any) -> Any:
    """Return the names of a record's fields where they carry a unit, and how a hash rate is a bare number there."""
    if kind is HashRate:
        return {"hps": override(struct_hook=_hps)}
    overrides: dict[str, Any] = {}
    for field in attrs.fields(kind):
        if field.type is HashRate:
            overrides[field.name] = override(
                rename=_name(field.name, HashRate), unstruct_hook=attrgetter("hps"), struct_hook=_hash_rate
            )
        elif field.type in _SUFFIXES:
            overrides[field.name] = override(rename=_name(field.name, field.type))
    return overrides


def _name(name: str, kind: Any) -> str:
    suffix = _SUFFIXES.get(kind, "")
    return name if name.endswith(suffix) else name + suffix


def _derived(kind: Any) -> Iterator[tuple[str, Callable[[Any], Any], Any]]:
    """Yield the name, the getter and the type of each figure that a record derives; a hash rate is one number only."""
    if kind is HashRate:
        return
    for name, member in inspect.getmembers_static(kind, lambda member: isinstance(member, property)):
        yield name, member.fget, get_type_hints(member.fget)["return"]


def _number(value: float) -> float | None:
    return value + 0.0 if math.isfinite(value) else None


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
            raise _UnfitError(expected, value)
        return value

    return hook


def _float(value: object, _: object) -> float:
    try:
        if type(value) in {int, float} and math.isfinite(number := float(cast("float", value))):
            return number
    except OverflowError:
        pass
    raise _UnfitError("a finite number", value)


def _amount(value: object, _: object) -> Decimal:
    if isinstance(value, str) and _AMOUNT.fullmatch(value):
        with suppress(ArithmeticError):
            return Decimal(value)
    raise _UnfitError('an amount as text, such as "0.21323507",', value)


def _moment(value: object, _: object) -> datetime:
    if isinstance(value, str):
        with suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(value)
            if moment.utcoffset() is not None:
                return moment.astimezone(UTC)
    raise _UnfitError('a moment with its time zone in ISO 8601, such as "2014-03-01T11:32:43Z",', value)


def _span(value: object, _: object) -> timedelta:
    with suppress(OverflowError, _UnfitError):
        return timedelta(seconds=_float(value, None))
    raise _UnfitError("a number of seconds", value)


def _hps(value: object, _: object) -> float:
    return _hash_rate(value, None).hps


def _hash_rate(value: object, _: object) -> HashRate:
    with suppress(ValueError):
        return HashRate(_float(value, None))
    raise _UnfitError("a number of hashes per second, 0 or more,", value)


def _status(value: object, _: object) -> BlockStatus:
    if isinstance(value, str):
        with suppress(ValueError):
            return BlockStatus(value)
    raise _UnfitError(f"one of {', '.join(BlockStatus)},", value)


_SCALARS: tuple[tuple[Any, Callable[[Any], Any] | None, Callable[[object, Any], Any]], ...] = (
    (int, None, _of_type(int, "an integer")),
    (str, None, _of_type(str, "a string")),
    (bool, None, _of_type(bool, "true or false")),
    (float, _number, _float),
    (Decimal, _text_of_amount, _amount),
    (datetime, _text_of_moment, _moment),
    (timedelta, timedelta.total_seconds, _span),
    (BlockStatus, attrgetter("value"), _status),
)


def _members(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _UnfitError("an object", value)
    return cast("Mapping[str, Any]", value)


class _Fault(NamedTuple):
    path: str
    expected: str
    got: str


def _faults(error: Exception, path: str) -> Iterator[_Fault]:
    """Yield the faults below a place: cattrs notes on each error in which field or at which index it was met."""
    if isinstance(error, _UnfitError):
        yield _Fault(path, error.expected, _show(error.value))
    elif isinstance(error, IterableValidationError):
        for each, note in error.group_exceptions()[0]:
            yield from _faults(each, f"{path}[{_show(note.index)}]")
    else:
        of_record = cast("ClassValidationError", error)  # or it is a fault of ours, which shall not pass for none
        for each, attribute in of_record.group_exceptions()[0]:
            place = f"{path}.{_name(attribute.name, attribute.type)}"
            if isinstance(each, KeyError):  # which says that there is no such key
                yield _Fault(place, "a value", "nothing")
            else:
                yield from _faults(each, place)


def _show(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "an array"
    text = "null" if value is None else repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
