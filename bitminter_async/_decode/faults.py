"""What is wrong with an answer: each fault named by its place."""

import codecs
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, cast, get_origin

from cattrs import BaseValidationError, ClassValidationError, IterableValidationError
from immutabledict import immutabledict

from .._call import Expected
from .._wire.answer import Answer, printable
from ..errors import Fault
from ..records import User
from .fit import misfits
from .kinds import fields, scalar_of
from .lenient import MAX_FAULTS, Ambiguous, Number, UnfitError, is_array, is_object, parse, read

__all__ = ["Reading", "read_with_care"]

_ELEMENT = re.compile(r"\$\[([0-9]+)]")
_WORKER = re.compile(r"\$\.workers\[([0-9]+)]")
_MARKS = (  # the longer ones first: some begin with others
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
    (codecs.BOM_UTF8, "UTF-8"),
)
_MAX_NOTES = 12
_SHOWN = 60


class Reading(NamedTuple):
    """What has been read: the value, or what is wrong with it and what can be used of it: see `DecodeError`."""

    value: object
    faults: Sequence[Fault] = ()
    notes: Sequence[str] = ()
    readable: Sequence[object] = ()
    unreadable: Mapping[int, int | str | None] = immutabledict()


def read_with_care(answer: Answer, kind: Any, expected: Expected) -> Reading:
    """Read an answer's body as a kind, and as what is expected of it; it may turn out to be right."""
    try:
        value = parse(answer.body)
    except (RecursionError, ValueError) as exc:
        return Reading(None, [Fault("$", "JSON", _no_json(answer.body, exc))])
    show = partial(_show, mask=answer.mask)
    faults = [*_surplus(value, expected.most, show)]
    try:
        record = read(kind, value)
    except (UnfitError, BaseValidationError) as exc:
        faults += islice(_faults(exc, "$", answer.mask), MAX_FAULTS)
    else:
        faults += islice(misfits(record, expected, show), MAX_FAULTS)
        if not faults:
            return Reading(record)
        del record
    rest = _rest(kind, value, expected, faults, answer.mask)
    return Reading(None, faults, [*islice(_ids(value, faults, answer.mask), _MAX_NOTES)], *rest)


def _rest(
    kind: Any, value: Any, expected: Expected, faults: list[Fault], mask: Callable[[str], str]
) -> tuple[Sequence[object], Mapping[int, int | str | None]]:
    """Read what no fault lies in, and tell what is left out; add the faults that are seen only then."""
    if get_origin(kind) is tuple:
        elements, place, key = value, _ELEMENT, "id"
    elif kind is User and is_object(value):
        elements, place, key = value.get("workers"), _WORKER, "name"
    else:
        return (), {}
    while is_array(elements) and len(faults) < MAX_FAULTS and all(found := [place.match(path) for path, *_ in faults]):
        bad = sorted({int(match[1]) for match in found if match})
        keys = {number: _key(elements[number], key, mask) for number in bad}
        kept = [number for number in range(len(elements)) if number not in keys]
        good = [elements[number] for number in kept]
        rest = read(kind, {**value, "workers": good} if kind is User else good)
        more = [*misfits(rest, expected, partial(_show, mask=mask), kept, keys.values())]
        if not more:
            return (rest,) if kind is User else rest, keys
        faults += more
    return (), {}


def _key(element: object, name: str, mask: Callable[[str], str]) -> int | str | None:
    """Return what tells an element from the others, its id or its name, if that can be read and holds no API key."""
    if not is_object(element) or (isinstance(element, Ambiguous) and name in element.twice):
        return None
    try:
        key: int | str = read(int if name == "id" else str, element.get(name))
    except UnfitError:
        return None
    return key if mask(str(key)) == str(key) else None


def _no_json(body: bytes, exc: Exception) -> str:
    """Say what a body is that cannot be parsed."""
    mark, encoding = next(((mark, name) for mark, name in _MARKS if body.startswith(mark)), (b"", ""))
    start = body.removeprefix(mark).lstrip(b"\0 \t\r\n" if mark else None)[:1]  # a wide blank has zeros about it
    if start == b"<":
        return "HTML"
    if mark:
        return f"something behind a byte order mark (BOM) of {encoding}"
    if not start:
        return "nothing"
    return f"something else ({'nested too deeply' if isinstance(exc, RecursionError) else exc})"


def _surplus(value: object, most: int | None, show: Callable[[object], str]) -> Iterator[Fault]:
    if most is None or not (is_array(value) or is_object(value)) or len(value) <= most:
        return
    if is_array(value):
        yield Fault("$", f"at most {most} elements, as asked", show(value))
    else:
        yield Fault("$", f"at most {most} names", show(len(value)))


def _faults(error: Exception, path: str, mask: Callable[[str], str]) -> Iterator[Fault]:
    """Yield the faults below a place: cattrs notes on each error in which field or at which index it was met."""
    if isinstance(error, UnfitError):
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
    for number in dict.fromkeys(match[1] for fault in faults if (match := _ELEMENT.match(fault.path))):
        if (key := _key(value[int(number)], "id", mask)) is not None:
            yield f"$[{number}] is the record with id {key}"


def _show(value: object, mask: Callable[[str], str]) -> str:
    if isinstance(value, Ambiguous):
        return f"{_show(value.twice[0], mask)} twice"
    if is_object(value):
        return "an object"
    if is_array(value):
        return f"an array of {len(value)}"
    if isinstance(value, str):
        text = mask(value)  # before the cut, or half a key would be left standing
        text = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
        return mask(printable(text if isinstance(value, Number) else json.dumps(text, ensure_ascii=False)))
    return mask(json.dumps(value))
