"""The converter: cattrs with what records and events need."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from operator import attrgetter, eq
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from immutabledict import immutabledict

from .. import events, records
from .._arguments import check_flag
from .._receipt import Receipt
from ..units import HashRate
from .scalars import SCALARS, UnfitError, hash_rate, hps, members

__all__ = ["KINDS", "converter", "is_mapping", "is_tuple", "name_of"]

_EVENTS: set[Any] = {*get_args(events.BlockEvent), *get_args(events.WorkerEvent)}
KINDS: set[Any] = {HashRate, Receipt, *(kind for kind in vars(records).values() if attrs.has(kind)), *_EVENTS}
_SUFFIXES: dict[Any, str] = {HashRate: "_hps", timedelta: "_s", timedelta | None: "_s"}


def converter(*, derived: bool = False) -> Converter:
    """Return a new cattrs converter that does as `to_dict` and `from_dict` do, to add hooks to.

    What is registered with it changes no other, nor this package's functions. It handles attrs classes that hold
    records, too. Its `structure` raises what cattrs raises.

    Args:
        derived: As in `to_dict`.
    """
    check_flag("derived", derived)
    made = Converter()
    for kind, unstructure, structure in SCALARS:
        if unstructure:
            made.register_unstructure_hook(kind, unstructure)
        made.register_structure_hook(kind, structure)
    made.register_unstructure_hook_factory(is_tuple, _list_maker)
    made.register_structure_hook_factory(is_tuple, _tuple_maker)
    made.register_unstructure_hook_factory(is_mapping, _dict_maker)
    made.register_structure_hook_factory(is_mapping, _mapping_maker)
    made.register_unstructure_hook_factory(
        KINDS.__contains__, lambda kind, converter: _record_unmaker(kind, converter, derived=derived)
    )
    made.register_structure_hook_factory(KINDS.__contains__, _record_maker)
    for union in (events.BlockEvent, events.WorkerEvent):
        made.register_structure_hook_func(partial(eq, union), _event_maker(union, made))
    return made


def is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def is_mapping(kind: Any) -> bool:
    return get_origin(kind) in {Mapping, immutabledict}


def _list_maker(kind: Any, made: Converter) -> Callable[[tuple[Any, ...]], list[Any]]:
    element = made.get_unstructure_hook(get_args(kind)[0])
    return lambda values: [element(value) for value in values]


def _tuple_maker(kind: Any, made: Converter) -> Callable[[object, Any], tuple[Any, ...]]:
    structure = made.get_structure_hook(list[get_args(kind)[0]])  # type: ignore[misc]  # a type known only now

    def hook(value: object, _: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise UnfitError("an array", value)
        return tuple(structure(value, kind))

    return hook


def _dict_maker(kind: Any, made: Converter) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    member = made.get_unstructure_hook(get_args(kind)[1])
    return lambda values: {key: member(value) for key, value in values.items()}


def _mapping_maker(kind: Any, made: Converter) -> Callable[[object, Any], immutabledict[str, Any]]:
    structure = made.get_structure_hook(dict[get_args(kind)])  # type: ignore[misc]  # likewise

    def hook(value: object, _: object) -> immutabledict[str, Any]:
        return immutabledict(structure(members(value), kind))

    return hook


def _record_unmaker(kind: Any, made: Converter, *, derived: bool) -> Callable[[Any], dict[str, Any]]:
    fields = make_dict_unstructure_fn(kind, made, **_overrides(kind))
    first = {"event": kind.__name__} if kind in _EVENTS else {}
    more = [
        (name_of(name, result), get, attrgetter("hps") if result is HashRate else made.get_unstructure_hook(result))
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
        data = members(value)
        if kind in _EVENTS and data.get("event") != kind.__name__:
            raise UnfitError(f"the event {kind.__name__}", data.get("event"))
        return structure(data, kind)

    return hook


def _event_maker(union: UnionType, made: Converter) -> Callable[[object, Any], Any]:
    kinds = {kind.__name__: kind for kind in get_args(union)}

    def hook(value: object, _: object) -> Any:
        name = members(value).get("event")
        if not isinstance(name, str) or name not in kinds:
            raise UnfitError(f"an event, one of {', '.join(kinds)},", name)
        return made.structure(value, kinds[name])

    return hook


def _overrides(kind: Any) -> Any:
    """Return the names of a record's fields where they carry a unit, and how a hash rate is a bare number there."""
    if kind is HashRate:
        return {"hps": override(struct_hook=hps)}
    overrides: dict[str, Any] = {}
    for field in attrs.fields(kind):
        if field.type is HashRate:
            overrides[field.name] = override(
                rename=name_of(field.name, HashRate), unstruct_hook=attrgetter("hps"), struct_hook=hash_rate
            )
        elif field.type in _SUFFIXES:
            overrides[field.name] = override(rename=name_of(field.name, field.type))
    return overrides


def name_of(name: str, kind: Any) -> str:
    suffix = _SUFFIXES.get(kind, "")
    return name if name.endswith(suffix) else name + suffix


def _derived(kind: Any) -> Iterator[tuple[str, Callable[[Any], Any], Any]]:
    """Yield the name, the getter and the type of each figure that a record derives; a hash rate is one number only."""
    if kind is HashRate:
        return
    for name, member in inspect.getmembers_static(kind, lambda member: isinstance(member, property)):
        yield name, member.fget, get_type_hints(member.fget)["return"]
