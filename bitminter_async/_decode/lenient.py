"""The careful reading: value by value, as leniently as the API's clients met it.

A number may come as a JSON number or as one in quotes. An integer may come as 12.0. All else that Python would coerce
(`true` as 1, `"1_000"`, Arabic digits, NaN) is refused, and so is an object with a key twice, of which it would take
the last. Half of a surrogate pair in a string, which no program could print or store, is read as it is written.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cache, partial
from typing import Any, NoReturn, TypeGuard, get_args, get_origin

import attrs
from cattrs import BaseValidationError, Converter, IterableValidationError, IterableValidationNote
from cattrs.gen import make_dict_structure_fn, override
from immutabledict import immutabledict
from msgspec import MsgspecError, convert
from msgspec.json import Decoder

from .kinds import MAPPINGS, SCALARS, Scalar, fields, is_scalar, mapping

__all__ = ["MAX_FAULTS", "Ambiguous", "Number", "UnfitError", "is_array", "is_object", "parse", "read"]

MAX_FAULTS = 1000
"""How many faults are told of: millions would take minutes and gigabytes."""

_HALF = re.compile(  # what is no half is matched as well, to be passed over: whole pairs, and escapes of one character
    r"((?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\[^u])+)|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_NUMERAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?")
_MAX_NUMERAL = 40
_MAX_DIGITS = 100


class Number(str):
    """A JSON number, by its own text: a float might not hold its digits."""

    __slots__ = ()


class Ambiguous(dict[str, Any]):
    """A JSON object in which a key stands twice.

    Args:
        members: The object.
        twice: Each such key.
    """

    def __init__(self, members: dict[str, Any], twice: list[str]) -> None:
        super().__init__(members)
        self.twice = twice


class UnfitError(ValueError):
    """A value that is not what is expected at its place."""

    def __init__(self, expected: str, value: object) -> None:
        super().__init__()
        self.expected = expected
        self.value = value


def parse(body: bytes) -> object:
    """Read JSON as the standard library does, but numbers as their text, and without the constants that are no JSON."""
    text = _HALF.sub(lambda escape: escape[1] or "\\" + escape[0], body.decode())
    return json.loads(text, object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=_refuse)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    counts = Counter(key for key, _ in pairs)
    return Ambiguous(members, [key for key, count in counts.items() if count > 1])


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Tell whether a parsed value is an array."""
    return isinstance(value, list)


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Tell whether a parsed value is an object."""
    return isinstance(value, dict)


def read(kind: Any, value: object) -> Any:
    """Make a kind of a parsed value, or raise UnfitError or what cattrs makes of several of them."""
    hook = partial(_read_scalar, kind) if is_scalar(kind) else _converter().get_structure_hook(kind)
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
    rules = ((name, kind) for name, kind, _ in fields(record) if is_scalar(kind))
    overrides: Any = {name: override(struct_hook=partial(_read_scalar, rule)) for name, rule in rules}
    absent = {name: None for name, _, optional in fields(record) if optional}
    structure = make_dict_structure_fn(record, converter, **overrides)

    def hook(value: object, _: object) -> Any:
        return structure(absent | _members(value), record)

    return hook


def _array_hook(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    (item, *_) = get_args(kind)
    structure = converter.get_structure_hook(item)

    def hook(value: object, _: object) -> tuple[Any, ...]:
        if not is_array(value):
            raise UnfitError("an array", value)
        return tuple(_each(structure, kind, enumerate(value)).values())

    return hook


def _object_hook(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    item = get_args(kind)[1]
    structure = converter.get_structure_hook(item)

    def hook(value: object, _: object) -> immutabledict[str, Any]:
        return mapping(_each(structure, kind, _members(value).items()), item)

    return hook


def _members(value: object) -> dict[str, Any]:
    if not is_object(value):
        raise UnfitError("an object", value)
    if isinstance(value, Ambiguous):
        raise UnfitError("an object with each key once", value)
    return value


def _each(structure: Callable[[Any, Any], Any], kind: Any, values: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """Read each value, and give up after so many faults as are told of."""
    made: dict[Any, Any] = {}
    errors: list[Exception] = []
    for step, value in values:
        try:
            made[step] = structure(value, kind)
        except (UnfitError, BaseValidationError) as exc:
            exc.add_note(IterableValidationNote("", step, kind))
            errors.append(exc)
            if len(errors) >= MAX_FAULTS:
                break
    if errors:
        raise IterableValidationError("", errors, kind)  # pyright: ignore[reportCallIssue]  # it misses the __new__ of its base
    return made


def _read_scalar(scalar: Scalar[Any], value: object, _: object) -> Any:
    for way in (_as_written, _as_quoted, _as_integer):
        try:
            found = way(value, scalar.wire)
            return scalar.make(found) if scalar.make else found
        except (ArithmeticError, MsgspecError, ValueError):
            continue
    raise UnfitError(scalar.expected, value)


def _as_written(value: object, wire: Any) -> Any:
    return _decoder(wire).decode(value.encode()) if isinstance(value, Number) else convert(value, wire)


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
    if isinstance(value, Number) and len(value) <= _MAX_DIGITS:
        return value
    if isinstance(value, str) and len(value) <= _MAX_NUMERAL and _NUMERAL.fullmatch(value):
        return value
    raise ValueError
