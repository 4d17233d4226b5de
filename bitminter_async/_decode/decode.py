"""Bytes to records, or a DecodeError that says where and what.

msgspec checks types and bounds while it parses, and a function that is generated for each record makes it of what was
found. Of a key that stands twice in an object msgspec says nothing, so another counts the keys. Only an answer that is
not right at once, be it merely lenient or wrong, is read again with care: see `faults`.
"""

import linecache
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple, TypeVar, cast, get_args, get_origin

from msgspec import UNSET, MsgspecError, defstruct
from msgspec.json import Decoder

from .._call import Expected, Kind
from .._wire.answer import Answer
from ..errors import DecodeError
from .fit import misfits
from .kinds import MAPPINGS, fields, mapping, scalar_of

__all__ = ["decode"]

T = TypeVar("T")

_ANYTHING = Expected()


def decode(answer: Answer, kind: type[T] | Kind[T], expected: Expected = _ANYTHING) -> T:
    """Make a record, or whatever else `kind` says, of an answer's body.

    Args:
        answer: The answer, with its body.
        kind: A record, a scalar that records are made of, or a tuple or mapping of them. Hash rates by name come
            the fastest first, in whatever order they stand.
        expected: What the answer has to be besides.

    Raises:
        DecodeError: The body is not JSON, not what `kind` documents, or not what is expected.
    """
    if (record := _read_at_once(answer, kind, expected)) is not None:
        return cast("T", record)
    from .faults import read_with_care  # noqa: PLC0415  # with cattrs a tenth of the package's import, for what is rare

    reading = read_with_care(answer, kind, expected)
    if not reading.faults:
        return cast("T", reading.value)
    error = DecodeError(
        answer.url, reading.faults, body=answer.text, readable=reading.readable, unreadable=reading.unreadable
    )
    for note in reading.notes:
        error.add_note(note)
    del reading  # else a traceback that shows locals would show what the server wrote
    raise error


def _read_at_once(answer: Answer, kind: Any, expected: Expected) -> Any:
    """Read an answer that is right; return None where it is not right at once, be it merely lenient or wrong."""
    try:
        found = _decoder(kind).decode(answer.body)
        form = _form(kind)
        # Each key read has a colon of its own. One more is a key twice, or new to us, or stands in a string.
        if (expected.most is None or len(found) <= expected.most) and answer.body.count(b":") == _count(form, found):
            record = form.make(found)
            if not any(misfits(record, expected)):
                return record
    except (ArithmeticError, MsgspecError, RecursionError, ValueError):
        pass  # whether it is wrong at all, and how to say so, is for the careful reading
    return None


class _Form(NamedTuple):
    wire: Any
    """The type as which msgspec reads a kind."""
    make: Callable[[Any], Any]
    """Makes the kind of what was read."""
    keys: int | Callable[[Any], int]
    """How many keys there are in all objects that were read: the number where it is always the same, or what counts."""


@cache
def _decoder(kind: Any) -> Decoder[Any]:
    return Decoder(_form(kind).wire, float_hook=Decimal)


@cache
def _form(kind: Any) -> _Form:
    if scalar := scalar_of(kind):
        return _Form(scalar.wire, scalar.make or _as_it_is, 0)
    if get_origin(kind) is tuple:
        return _array_form(_form(get_args(kind)[0]))
    if get_origin(kind) in MAPPINGS:
        return _mapping_form(get_args(kind)[1])
    return _record_form(kind)


def _array_form(item: _Form) -> _Form:
    def make(found: list[Any]) -> tuple[Any, ...]:
        return tuple(map(item.make, found))

    def keys(found: list[Any]) -> int:
        return _count_all(item, found)

    wire: Any = item.wire
    return _Form(list[wire], make, keys)


def _mapping_form(kind: Any) -> _Form:
    item = _form(kind)

    def make(found: dict[str, Any]) -> Mapping[str, Any]:
        return mapping({key: item.make(value) for key, value in found.items()}, kind)

    def keys(found: dict[str, Any]) -> int:
        return len(found) + _count_all(item, found.values())

    wire: Any = item.wire
    return _Form(dict[str, wire], make, keys)


def _as_it_is(value: Any) -> Any:
    return value


def _count(form: _Form, found: Any) -> int:
    return form.keys if isinstance(form.keys, int) else form.keys(found)


def _count_all(item: _Form, found: Collection[Any]) -> int:
    return len(found) * item.keys if isinstance(item.keys, int) else sum(map(item.keys, found))


def _record_form(record: Any) -> _Form:
    """Generate what makes a record, in one call, since making fifty of them is most of a page's cost, and counts.

    A record is frozen, so that its own `__init__` must go around what forbids to set a field, at twice the cost. So the
    fields are set on an object of a class with the same slots, which becomes a record when all of them are.
    """
    mutable: type[Any] = type(record.__name__, record.__bases__, {"__slots__": record.__slots__})
    names: dict[str, Any] = {"mutable": mutable, "new": object.__new__, "record": record, "UNSET": UNSET}
    members: list[tuple[Any, ...]] = []
    settings: list[str] = []
    always = 0
    counts: list[str] = []
    for name, kind, optional in fields(record):
        wire, make, keys = _form(kind)
        members.append((name, wire, UNSET) if optional else (name, wire))
        names |= {f"make_{name}": make, f"keys_{name}": keys}
        value = f"found.{name}" if make is _as_it_is else f"make_{name}(found.{name})"
        settings.append(f"made.{name} = {value}")
        if optional:
            counts.append(f"(found.{name} is not UNSET)")
        else:
            always += 1
        if isinstance(keys, int):
            always += keys
        else:
            counts.append(f"keys_{name}(found.{name})")
    lines = [
        *("def make(found):", "    made = new(mutable)", *(f"    {each}" for each in settings)),
        *("    made.__class__ = record", "    return made", "", ""),
        *("def keys(found):", f"    return {' + '.join([str(always), *counts])}", ""),
    ]
    source = "\n".join(lines)
    # As attrs does, so that a traceback shows the line.
    file = f"<how bitminter_async makes a {record.__name__}>"
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    exec(compile(source, file, "exec"), names)  # noqa: S102  # made of the names of the record's own fields
    return _Form(
        defstruct(record.__name__, members, kw_only=True, gc=False), names["make"], names["keys"] if counts else always
    )
