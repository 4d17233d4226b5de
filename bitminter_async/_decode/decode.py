"""Bytes to records, or a DecodeError that says where and what.

cattrs dispatches; a record's hook is generated here, with the check of each scalar inline, so that a value which is
already right costs no call. Only where that fails, a second pass over the same value names the faults.
"""

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache, partial
from itertools import islice
from typing import Any, NewType, TypeGuard, TypeVar, cast, get_args, get_origin

import attrs
import orjson
from cattrs import Converter
from immutabledict import immutabledict

from .._wire.answer import Answer, printable
from ..errors import DecodeError, Fault
from ..records import Block, BlockStatus, PoolStats, Round
from ..units import HashRate
from .kinds import INLINE, SCALARS, FromMinusOne, Ghps, Scalar

__all__ = ["Ghps", "Ranking", "decode"]

T = TypeVar("T")

Ranking = cast("type[immutabledict[str, HashRate]]", NewType("Ranking", immutabledict[str, HashRate]))
"""Hash rates by name, the fastest first, in whatever order they come."""

_MAX_FAULTS = 1000
_MAX_NOTES = 12
_SHOWN = 60
_PLACE = re.compile(r"\$\[[0-9]+]")
_STATUSES = {status.value: status for status in BlockStatus}
_SCALARS = {
    **SCALARS,
    BlockStatus: Scalar(f"one of {', '.join(_STATUSES)}", _STATUSES.__getitem__, "statuses[{value}]"),
}
_KINDS: dict[tuple[type, str], Any] = {  # where a field's type alone does not say how it comes
    (PoolStats, "hash_rate"): Ghps,
    (Round, "hash_rate"): Ghps,
    (Block, "confirmations_left"): FromMinusOne,
}


def _fields(record: Any) -> Iterator[tuple[str, Any, bool]]:
    """Yield each field's name, the kind it comes as, and whether it may be absent."""
    for field in attrs.fields(record):
        kind = _KINDS.get((record, field.name), field.type)
        yield field.name, kind, kind == datetime | None


def _record_hook(record: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    # A frozen __init__ takes four times as long as a mutable one, so a mutable twin of the same slots is filled and
    # then declared to be the record.
    fields = {field.name: attrs.field() for field in attrs.fields(record)}
    twin = attrs.make_class(record.__name__, fields, bases=record.__bases__, slots=True, weakref_slot=False)
    names: dict[str, Any] = {**INLINE, "statuses": _STATUSES, "twin": twin, "record": record}
    arguments: list[str] = []
    for name, kind, optional in _fields(record):
        value = f"o.get({name!r})" if optional else f"o[{name!r}]"
        if scalar := _SCALARS.get(kind):
            names[f"slow_{name}"] = scalar.slow
            arguments.append(scalar.fast.format(value=value, slow=f"slow_{name}"))
        else:
            names[f"hook_{name}"] = converter.get_structure_hook(kind)
            arguments.append(f"hook_{name}({value}, None)")
    source = f"def hook(o, _):\n    made = twin({', '.join(arguments)})\n    made.__class__ = record\n    return made"
    exec(source, names)  # noqa: S102  # made of this file's own templates
    return cast("Callable[[Any, Any], Any]", names["hook"])


def _is_array(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _array_hook(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    item = converter.get_structure_hook(get_args(kind)[0])

    def hook(value: object, _: object) -> tuple[Any, ...]:
        if not _is_array(value):
            raise TypeError
        return tuple([item(element, None) for element in value])

    return hook


def _object_hook(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    item = converter.get_structure_hook(get_args(kind)[1])

    def hook(value: object, _: object) -> immutabledict[str, Any]:
        if not _is_object(value):
            raise TypeError
        return immutabledict({key: item(element, None) for key, element in value.items()})

    return hook


def _ranking_hook(_: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    unsorted = converter.get_structure_hook(immutabledict[str, HashRate])

    def hook(value: object, _: object) -> immutabledict[str, HashRate]:
        rates = unsorted(value, None).items()
        return immutabledict(sorted(rates, key=operator.itemgetter(1), reverse=True))

    return hook


def _scalar_hook(slow: Callable[[Any], object], value: object, _: object) -> object:
    return slow(value)


def _has_origin(origin: type, kind: Any) -> bool:
    return get_origin(kind) is origin


@cache
def _converter() -> Converter:
    converter = Converter(detailed_validation=False)
    converter.register_structure_hook_factory(attrs.has, _record_hook)
    for shape, factory in ((tuple, _array_hook), (immutabledict, _object_hook)):
        converter.register_structure_hook_factory(partial(_has_origin, shape), factory)
    converter.register_structure_hook_factory(partial(operator.is_, Ranking), _ranking_hook)
    for kind, scalar in _SCALARS.items():
        converter.register_structure_hook(kind, partial(_scalar_hook, scalar.slow))
    return converter


def decode(answer: Answer, kind: type[T], most: int | None = None) -> T:
    """Make a record, or whatever else `kind` says, of an answer's body.

    Args:
        answer: The answer, with its body.
        kind: A record, a scalar that records are made of, or a tuple or immutabledict of them.
        most: How many elements an array may have.

    Raises:
        DecodeError: The body is not JSON, or not what `kind` documents.
    """
    record, faults, notes = _read(answer, kind, most)
    if not faults:
        return cast("T", record)
    del record  # else a traceback that shows locals would show what the server wrote
    error = DecodeError(answer.url, faults, body=answer.text)
    for note in notes:
        error.add_note(note)
    raise error


def _read(answer: Answer, kind: Any, most: int | None) -> tuple[Any, Sequence[Fault], Sequence[str]]:
    try:
        value = orjson.loads(answer.body)
    except orjson.JSONDecodeError as exc:
        start = answer.body.lstrip()[:1]
        got = "nothing" if not start else "HTML" if start == b"<" else f"something else ({exc.msg})"
        return None, [Fault("$", "JSON", got)], ()
    faults: list[Fault] = []
    if most is not None and _is_array(value) and len(value) > most:
        faults.append(Fault("$", f"at most {most} elements, as asked", _show(value, answer.mask)))
    try:
        return _converter().get_structure_hook(kind)(value, None), faults, ()
    except Exception:  # noqa: BLE001  # whatever it is, the second pass names it in the API's own words
        faults += islice(_faults(value, kind, "$", answer.mask), _MAX_FAULTS)
        return None, faults, list(islice(_ids(value, faults, answer.mask), _MAX_NOTES))


def _faults(value: Any, kind: Any, path: str, mask: Callable[[str], str]) -> Iterator[Fault]:
    if scalar := _SCALARS.get(kind):
        try:
            scalar.slow(value)
        except (ArithmeticError, LookupError, OSError, TypeError, ValueError):
            yield Fault(path, scalar.expected, _show(value, mask))
    elif get_origin(kind) is tuple:
        if _is_array(value):
            for n, element in enumerate(value):
                yield from _faults(element, get_args(kind)[0], f"{path}[{n}]", mask)
        else:
            yield Fault(path, "an array", _show(value, mask))
    elif not _is_object(value):
        yield Fault(path, "an object", _show(value, mask))
    elif attrs.has(kind):
        yield from _record_faults(value, kind, path, mask)
    else:
        wanted = HashRate if kind is Ranking else get_args(kind)[1]
        for key, element in value.items():
            step = f".{key}" if key.isidentifier() and len(key) < _SHOWN else f"[{_show(key, mask)}]"
            yield from _faults(element, wanted, path + mask(step), mask)


def _ids(value: Any, faults: Sequence[Fault], mask: Callable[[str], str]) -> Iterator[str]:
    """Say which records the faults are in: who walks over a list knows ids, not a page's indices."""
    for place in dict.fromkeys(match[0] for fault in faults if (match := _PLACE.match(fault.path))):
        element = value[int(place[2:-1])]
        if _is_object(element) and type(number := element.get("id")) is int:
            yield f"{place} is the record with id {mask(str(number))}"


def _record_faults(value: dict[str, Any], kind: Any, path: str, mask: Callable[[str], str]) -> Iterator[Fault]:
    for name, wanted, optional in _fields(kind):
        if name in value:
            yield from _faults(value[name], wanted, f"{path}.{name}", mask)
        elif not optional:
            scalar = _SCALARS.get(wanted)
            yield Fault(f"{path}.{name}", scalar.expected if scalar else "a value", "nothing")


def _show(value: object, mask: Callable[[str], str]) -> str:
    if _is_object(value):
        return "an object"
    if _is_array(value):
        return f"an array of {len(value)}"
    if isinstance(value, str):
        value = mask(value)  # before the cut, or half a key would be left standing
        value = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
    return mask(printable(orjson.dumps(value).decode()))
