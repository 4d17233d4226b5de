"""The careful reading: value by value, as leniently as the API's clients met it, and every fault named by its place.

A number may come as a JSON number or as one in quotes. An integer may come as 12.0. All else that Python would coerce
(`true` as 1, `"1_000"`, Arabic digits, NaN) is refused.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import cache, partial
from itertools import islice
from typing import Any, NamedTuple, NoReturn, TypeGuard, cast, get_args, get_origin

import attrs
from cattrs import BaseValidationError, ClassValidationError, Converter, IterableValidationError, IterableValidationNote
from cattrs.gen import make_dict_structure_fn, override
from immutabledict import immutabledict
from msgspec import MsgspecError, convert
from msgspec.json import Decoder

from .._wire.answer import Answer, printable
from ..errors import Fault
from .kinds import MAPPINGS, SCALARS, Scalar, fields, mapping, scalar_of

__all__ = ["Reading", "read_with_care"]

_NUMERAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?")
_PLACE = re.compile(r"\$\[[0-9]+]")
_MAX_NUMERAL = 40
_MAX_DIGITS = 100
_MAX_FAULTS = 1000
_MAX_NOTES = 12
_SHOWN = 60


class Reading(NamedTuple):
    """What has been read: the value, or what is wrong with it."""

    value: object
    faults: Sequence[Fault] = ()
    notes: Sequence[str] = ()


class _Number(str):
    """A JSON number, by its own text: a float might not hold its digits."""

    __slots__ = ()


class _UnfitError(ValueError):
    """A value that is not what is expected at its place."""

    def __init__(self, expected: str, value: object) -> None:
        super().__init__()
        self.expected = expected
        self.value = value


def read_with_care(answer: Answer, kind: Any, most: int | None) -> Reading:
    """Read an answer's body as a kind, an array of at most so many elements; it may turn out to be right."""
    try:
        value = _parse(answer.body)
    except (RecursionError, ValueError) as exc:
        start = answer.body.lstrip()[:1]
        why = "nested too deeply" if isinstance(exc, RecursionError) else str(exc)
        got = "nothing" if not start else "HTML" if start == b"<" else f"something else ({why})"
        return Reading(None, [Fault("$", "JSON", got)])
    faults: list[Fault] = []
    if most is not None and _is_array(value) and len(value) > most:
        faults.append(Fault("$", f"at most {most} elements, as asked", _show(value, answer.mask)))
    try:
        record = _read(kind, value)
    except (_UnfitError, BaseValidationError) as exc:
        faults += islice(_faults(exc, "$", answer.mask), _MAX_FAULTS)
    else:
        if not faults:
            return Reading(record)
        del record
    return Reading(None, faults, [*islice(_ids(value, faults, answer.mask), _MAX_NOTES)])


def _parse(body: bytes) -> object:
    """Read JSON as the standard library does, but numbers as their text, and without the constants that are no JSON."""
    return json.loads(body.decode(), parse_float=_Number, parse_int=_Number, parse_constant=_refuse)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _is_array(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _read(kind: Any, value: object) -> Any:
    hook = partial(_read_scalar, kind) if isinstance(kind, Scalar) else _converter().get_structure_hook(kind)
    return hook(value, kind)


@cache
def _converter() -> Converter:
    converter = Converter()
    converter.register_structure_hook_factory(attrs.has, _record_hook)
    converter.register_structure_hook_factory(_is_tuple, _array_hook)
    converter.register_structure_hook_factory(_is_mapping, _object_hook)
    for kind, scalar in SCALARS.items():
        converter.register_structure_hook(kind, partial(_read_scalar, scalar))
    return converter


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _is_mapping(kind: Any) -> bool:
    return get_origin(kind) in MAPPINGS


def _record_hook(record: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    rules = ((name, kind) for name, kind, _ in fields(record) if isinstance(kind, Scalar))
    overrides: Any = {name: override(struct_hook=partial(_read_scalar, rule)) for name, rule in rules}
    absent = {name: None for name, _, optional in fields(record) if optional}
    structure = make_dict_structure_fn(record, converter, **overrides)

    def hook(value: object, _: object) -> Any:
        if not _is_object(value):
            raise _UnfitError("an object", value)
        return structure(absent | value, record)

    return hook


def _array_hook(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    (item, *_) = get_args(kind)
    structure = converter.get_structure_hook(item)

    def hook(value: object, _: object) -> tuple[Any, ...]:
        if not _is_array(value):
            raise _UnfitError("an array", value)
        return tuple(_each(structure, kind, enumerate(value)).values())

    return hook


def _object_hook(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    item = get_args(kind)[1]
    structure = converter.get_structure_hook(item)

    def hook(value: object, _: object) -> immutabledict[str, Any]:
        if not _is_object(value):
            raise _UnfitError("an object", value)
        return mapping(_each(structure, kind, value.items()), item)

    return hook


def _each(structure: Callable[[Any, Any], Any], kind: Any, values: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """Read each value, and give up after so many faults as are told of: millions would take minutes and gigabytes."""
    read: dict[Any, Any] = {}
    errors: list[Exception] = []
    for step, value in values:
        try:
            read[step] = structure(value, kind)
        except (_UnfitError, BaseValidationError) as exc:
            exc.add_note(IterableValidationNote("", step, kind))
            errors.append(exc)
            if len(errors) >= _MAX_FAULTS:
                break
    if errors:
        raise IterableValidationError("", errors, kind)
    return read


def _read_scalar(scalar: Scalar[Any], value: object, _: object) -> Any:
    for way in (_as_written, _as_quoted, _as_integer):
        try:
            found = way(value, scalar.wire)
            return scalar.make(found) if scalar.make else found
        except (ArithmeticError, MsgspecError, ValueError):
            continue
    raise _UnfitError(scalar.expected, value)


def _as_written(value: object, wire: Any) -> Any:
    return _decoder(wire).decode(value.encode()) if isinstance(value, _Number) else convert(value, wire)


def _as_quoted(value: object, wire: Any) -> Any:
    return _decoder(wire).decode(_numeral(value).encode())


def _as_integer(value: object, wire: Any) -> Any:
    number = Decimal(_numeral(value))
    if number.adjusted() > _MAX_DIGITS or (whole := int(number)) != number:
        raise ValueError
    return convert(whole, wire)


@cache
def _decoder(wire: Any) -> Decoder[Any]:
    return Decoder(wire, float_hook=Decimal)


def _numeral(value: object) -> str:
    """Return the text of a number, in quotes or not; raise ValueError for all else, and for a length beyond reason."""
    if isinstance(value, _Number) and len(value) <= _MAX_DIGITS:
        return value
    if isinstance(value, str) and len(value) <= _MAX_NUMERAL and _NUMERAL.fullmatch(value):
        return value
    raise ValueError


def _faults(error: Exception, path: str, mask: Callable[[str], str]) -> Iterator[Fault]:
    """Yield the faults below a place: cattrs notes on each error in which field or at which index it was met."""
    if isinstance(error, _UnfitError):
        yield Fault(path, error.expected, _show(error.value, mask))
    elif isinstance(error, IterableValidationError):
        for each, item in error.group_exceptions()[0]:
            yield from _faults(each, path + mask(_step(item.index, mask)), mask)
    else:
        of_record = cast("ClassValidationError", error)  # or it is a fault of ours, which shall not pass for none
        kinds = {name: kind for name, kind, _ in fields(of_record.cl)}
        for each, attribute in of_record.group_exceptions()[0]:
            place = f"{path}.{attribute.name}"
            if isinstance(each, KeyError):  # which says that there is no such key
                scalar = scalar_of(kinds[attribute.name])
                yield Fault(place, scalar.expected if scalar else "a value", "nothing")
            else:
                yield from _faults(each, place, mask)


def _step(index: int | str, mask: Callable[[str], str]) -> str:
    if isinstance(index, int):
        return f"[{index}]"
    return f".{index}" if index.isidentifier() and len(index) < _SHOWN else f"[{_show(index, mask)}]"


def _ids(value: Any, faults: Sequence[Fault], mask: Callable[[str], str]) -> Iterator[str]:
    """Say which records the faults are in: who walks over a list knows ids, not a page's indices."""
    for place in dict.fromkeys(match[0] for fault in faults if (match := _PLACE.match(fault.path))):
        element = value[int(place[2:-1])]
        if _is_object(element) and isinstance(number := element.get("id"), _Number):
            yield f"{place} is the record with id {_show(number, mask)}"


def _show(value: object, mask: Callable[[str], str]) -> str:
    if _is_object(value):
        return "an object"
    if _is_array(value):
        return f"an array of {len(value)}"
    if isinstance(value, str):
        text = mask(value)  # before the cut, or half a key would be left standing
        text = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
        return mask(printable(text if isinstance(value, _Number) else json.dumps(text, ensure_ascii=False)))
    return json.dumps(value)
