"""An answer belongs to its question, and does not contradict itself, however it is written."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from immutabledict import immutabledict

from bitminter_async._call import Expected
from bitminter_async._decode.decode import decode
from bitminter_async._wire.key import ApiKey, Mask
from bitminter_async.errors import DecodeError
from bitminter_async.records import Block, PoolStats, Round, Shift, User
from bitminter_async.units import HashRate
from tests.support.kinds import Path, at, put, shown
from tests.support.records import make_answer
from tests.support.samples import BLOCK, KEY, ROUND, SHIFT, STATS, USER, WORKER

BLOCKS = tuple[Block, ...]
ANYTHING = Expected()
RANKING: Any = immutabledict[str, HashRate]
WHOLE: dict[Any, Any] = {
    PoolStats: STATS,
    Round: ROUND,
    BLOCKS: [BLOCK, {**BLOCK, "id": 6999}],
    tuple[Shift, ...]: [SHIFT],
    User: USER,
    RANKING: {"bob": 1500, "al": 1200.5},
}
LENIENT = pytest.mark.parametrize("number", [int, str, float], ids=["as numbers", "in quotes", "as 7.0"])


def faults(value: object, kind: Any, expected: Expected = ANYTHING, mask: Mask | None = None) -> list[tuple[str, ...]]:
    """The faults of an answer of these bytes, or of this JSON value, as plain tuples; none where it is right."""
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    try:
        decode(make_answer(body, mask), kind, expected)
    except DecodeError as error:
        return [*map(tuple, error.faults)]
    return []


@LENIENT
@pytest.mark.parametrize("kind", [Block, Shift])
def test_ids_fall_along_a_list(kind: Any, number: Any) -> None:
    """Each id is below the one before it, whichever way numbers are written; the first that is not is told of."""
    sample = BLOCK if kind is Block else SHIFT

    def told(*ids: int) -> list[tuple[str, ...]]:
        return faults([{**sample, "id": number(each)} for each in ids], tuple[kind, ...])

    assert told() == told(7) == told(9, 8, 2) == []
    assert told(9, 8, 8) == [("$", "ids that fall along the list", "8 before 8")]
    assert told(9, 7, 8, 9) == [("$", "ids that fall along the list", "7 before 8")]


@LENIENT
def test_a_users_name_is_the_one_that_was_asked_for(number: Any) -> None:
    """Whichever way the rest is written, another name is a fault, beside the others that there are."""
    user = {**USER, "active_workers": number(1)}
    assert faults(user, User, Expected(user="bob")) == faults(user, User) == []
    assert faults(user, User, Expected(user="rob")) == [("$.name", "the name that was asked for", '"bob"')]


def test_a_name_of_megabytes_is_quickly_another() -> None:
    """However long a name the server writes, and of whatever characters, it is compared in moments."""
    start = time.process_time()
    ((place, *_),) = faults({**USER, "name": "\u0301\u0323" * 10**5}, User, Expected(user="bob"))
    assert place == "$.name"
    assert time.process_time() - start < 5


@LENIENT
def test_workers_have_names_of_their_own(number: Any) -> None:
    """Which of two workers of one name is which cannot be told, so each of them is a fault; others are none."""
    names = ["rig1", "rig2", "rig1", "RIG1", "", "rig2"]
    user = {**USER, "active_workers": number(1), "workers": [{**WORKER, "name": name} for name in names]}
    assert faults(user, User) == [
        (f"$.workers[{place}].name", "a name that no other worker has", f'"{names[place]}"') for place in (0, 1, 2, 5)
    ]


def objects(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the place of each object in a JSON value."""
    if value.__class__ is dict:
        yield path
    steps: list[Any] = [*value] if value.__class__ is dict else [*range(len(value))] if value.__class__ is list else []
    for step in steps:
        yield from objects(value[step], (*path, step))


def with_twice(sample: Any, path: Path, key: str) -> bytes:
    """The sample's JSON, in which this key stands twice in the object at this place, with the same value."""
    members = at(sample, path)
    twice = orjson.dumps(put(sample, path, {**members, "@@": members[key]}))
    return twice.replace(b'"@@"', orjson.dumps(key))


WAYS: dict[str, Callable[[bytes, str], bytes]] = {
    "plainly": lambda body, _: body,
    "numbers in quotes": lambda body, _: re.sub(rb":([0-9.]+)", rb':"\1"', body),
    "with blanks": lambda body, _: body.replace(b'":', b'" \t\n:'),
    "escaped": lambda body, key: body.replace(orjson.dumps(key), b'"\\u%04x%b"' % (ord(key[0]), key[1:].encode()), 1),
    "a field short": lambda body, key: body if key == "last_work" else body.replace(b'"last_work":null,', b""),
}
TWICE = [(kind, path, key) for kind, sample in WHOLE.items() for path in objects(sample) for key in at(sample, path)]


@pytest.mark.parametrize(("kind", "path", "key"), TWICE, ids=str)
@pytest.mark.parametrize("written", WAYS)
def test_no_key_stands_twice(kind: Any, path: Path, key: str, written: str) -> None:
    """Which of two values is meant cannot be told, so an object with a key twice is a fault, however it is written."""
    body = WAYS[written](with_twice(WHOLE[kind], path, key), key)
    assert faults(body, kind) == [(shown(path), "an object with each key once", f'"{key}" twice')]


def test_what_is_ignored_may_say_what_it_likes() -> None:
    """In an object that the API does not document, nothing is read, so a key may stand there twice."""
    assert faults(orjson.dumps(STATS)[:-1] + b',"new":{"a":1,"a":2}}', PoolStats) == []


def test_a_key_that_stands_twice_hides_no_other_fault() -> None:
    """Faults elsewhere are told of beside it, and the echoed key is masked."""
    body = with_twice([{**BLOCK, "id": 9}, {**BLOCK, KEY: 0}, {**BLOCK, "id": "x"}], (1,), KEY)
    assert faults(body, BLOCKS, mask=Mask(ApiKey(KEY))) == [
        ("$[1]", "an object with each key once", '"***" twice'),
        ("$[2].id", "an integer from 0 up", '"x"'),
    ]


def test_an_echoed_key_is_masked_here_too() -> None:
    """A name, a chain or an id in which the server echoes the key is masked in the fault."""
    mask = Mask(ApiKey(KEY))
    assert faults({**USER, "name": KEY}, User, Expected(user="bob"), mask)[0][2] == '"***"'
    assert faults({**USER, "workers": [{**WORKER, "name": KEY}] * 2}, User, mask=mask)[0][2] == '"***"'
    assert faults([{**BLOCK, "chain": KEY}], BLOCKS, Expected(commodity="BTC"), mask)[0][2] == '"***"'
    digits = Mask(ApiKey("12345678"))
    assert faults([{**BLOCK, "id": 12345678}] * 2, BLOCKS, mask=digits)[0][2] == "*** before ***"
