"""Places in the pool's answers: which sort of scalar stands at each, and other values put there."""

import copy
from collections.abc import Iterator
from typing import Any, TypeAlias

import orjson
from attrs import has

from bitminter_async._decode.decode import decode
from bitminter_async._wire.answer import Answer
from bitminter_async.errors import DecodeError
from bitminter_async.records import Block, PoolStats, Round, Shift, User
from tests.support.records import SAMPLES, make_answer

Path: TypeAlias = tuple[str | int, ...]
ANSWERS = {kind: SAMPLES[kind] for kind in (PoolStats, Round, Block, Shift, User)}  # or an element of one
FIELDS = {
    "count": "active_workers active_users shift_accepted shift_rejected accepted rejected id height total_accepted"
    " total_rejected round_accepted round_rejected checkpoint_accepted checkpoint_rejected",
    "confirmations": "confirmations_left",
    "measure": "difficulty shift_score score user_score total_score",
    "money": "income balances",
    "moment": "generated completed start now round_start",
    "moment or none": "last_work",
    "span": "duration shift_duration",
    "text": "chain hash generator name",
    "truth": "alive",
    "status": "status",
    "rate": "hash_rate",
}
SORTS = {name: sort for sort, names in FIELDS.items() for name in names.split()}
EXPECTED = {
    "count": "an integer from 0 up",
    "confirmations": "an integer from -1 up",
    "measure": "a number from 0 up",
    "money": "an amount",
    "moment": "seconds since the epoch",
    "moment or none": "seconds since the epoch, null or nothing",
    "span": "a number of seconds from 0 up",
    "text": "a string",
    "truth": "true or false",
    "status": "one of processing, unconfirmed, stale, orphan, confirmed",
}


def put(value: Any, path: Path, new: object) -> Any:
    """A copy of a JSON value with another one at this place."""
    if not path:
        return new
    value = copy.copy(value)
    value[path[0]] = put(value[path[0]], path[1:], new) if path[1:] else new
    return value


def with_raw(kind: Any, path: Path, raw: str) -> Answer:
    """The sample's answer with this JSON text at this place."""
    return make_answer(orjson.dumps(put(ANSWERS[kind], path, "@@")).replace(b'"@@"', raw.encode()))


def at(record: Any, path: Path) -> Any:
    """What stands at this place in a record."""
    for step in path:
        record = getattr(record, str(step)) if has(record.__class__) else record[step]
    return record


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the place of each scalar, of one element of each array and mapping."""
    if value.__class__ is dict:
        keys: list[str] = [key for key in value if key != "NMC"]
        for key in keys:
            yield from leaves(value[key], (*path, key))
    elif value.__class__ is list:
        yield from leaves(value[0], (*path, 0))
    else:
        yield path


def sort_of(path: Path) -> str:
    """Which sort of scalar stands at this place."""
    return SORTS[next(str(step) for step in reversed(path) if step != "BTC")]


def shown(path: Path) -> str:
    """The place as a fault names it."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def refused(kind: Any, path: Path, raws: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Of each of these texts that is refused at this place: the place that the fault names, and what it expected."""
    faults: dict[str, tuple[str, str]] = {}
    for raw in raws:
        try:
            decode(with_raw(kind, path, raw), kind)
        except DecodeError as error:
            ((place, expected, _),) = error.faults
            faults[raw] = (place, expected)
    return faults
